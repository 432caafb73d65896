/* JoinGroup of a member that speaks the classic protocol, in a group of the consumer protocol. It
 * becomes a member like all others; what it is given it hears with SyncGroup, and its heartbeats
 * tell it when to join again. Mirrors classicGroupJoinToConsumerGroup of GroupMetadataManager. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_HANDSHAKE 4
#define VERSION_WITH_TIMEOUT 1

struct joining {
    struct group_coordinator *owner;
    struct runtime_call *call;
    const struct join_group_request *asked;
    struct group *group;
    struct consumer_member *member; /* NULL: a new one */
    struct string_view member_id;
    struct consumer_protocol_subscription subscription;
    int32_t epoch_before; /* of the group */
    bool downgrades; /* it takes the place of the last one that spoke the consumer protocol */
    bool changed;    /* what it subscribes to */
};

/* Kafka names the member only where it is to take that id, or where nobody has it. */
static bool refuse(struct joining *join, int16_t error, struct string_view member_id)
{
    runtime_undo(join->owner->runtime);
    classic_join_refuse(join->owner, join->call, error, member_id);
    return false;
}

static bool give_up(struct joining *join)
{
    runtime_fail(join->owner->runtime);
    runtime_reply(join->owner->runtime, join->call, NULL);
    return false;
}

/* Whether some protocol that it offers is known to all members of its kind. */
static bool offers_known(const struct joining *join)
{
    const struct consumer_group *consumer = join->group->consumer;
    const struct join_group_request *asked = join->asked;
    ASSERT(consumer->member_count > 0);
    if (!string_view_is(asked->protocol_type, "consumer") || asked->protocols.count <= 0) {
        return false;
    }
    for (int32_t i = 0; i < asked->protocols.count; i++) {
        size_t known = 0;
        size_t cursor = 0;
        const struct consumer_member *member;
        while ((member = map_next(&consumer->members, &cursor)) != NULL) {
            known += consumer_offers(member, asked->protocols.items[i].name);
        }
        if (known == consumer->classic_count) {
            return true;
        }
    }
    return false;
}

bool consumer_offers(const struct consumer_member *member, struct string_view protocol)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    for (size_t i = 0; facts->classic && i < facts->protocol_count; i++) {
        if (string_view_equal(facts->protocols[i].name, protocol)) {
            return true;
        }
    }
    return false;
}

static bool check(struct joining *join)
{
    const struct join_group_request *asked = join->asked;
    struct string_view nobody = string_view_of("");
    bool unknown = asked->member_id.size == 0;
    bool handshake = unknown && asked->group_instance_id.data == NULL &&
                     join->call->api_version >= VERSION_WITH_HANDSHAKE;
    if (join->owner->options.migration == GROUP_MIGRATION_DISABLED) {
        return refuse(join, KAFKA_INCONSISTENT_GROUP_PROTOCOL, nobody);
    }
    if (consumer_group_is_full(join->group, asked->member_id)) {
        return refuse(join, KAFKA_GROUP_MAX_SIZE_REACHED, nobody);
    }
    if (!offers_known(join)) {
        return refuse(join, KAFKA_INCONSISTENT_GROUP_PROTOCOL, nobody);
    }
    if (handshake) {
        return refuse(join, KAFKA_MEMBER_ID_REQUIRED, join->member_id);
    }
    return true;
}

/* It is looked at once the member is known to be one. */
static bool read_subscription(struct joining *join)
{
    return embedded_read_subscription(join->asked->protocols.items[0].metadata, join->call->arena,
                                      &join->subscription) ||
           refuse(join, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
}

/* A member that comes back under another id takes the place of the one before. */
static bool find_static(struct joining *join)
{
    const struct join_group_request *asked = join->asked;
    struct string_view nobody = string_view_of("");
    struct consumer_group *consumer = join->group->consumer;
    ASSERT(asked->group_instance_id.data != NULL);
    struct consumer_member *known =
        consumer_static_find(consumer, asked->group_instance_id);
    if (asked->member_id.size > 0) {
        join->member = known;
        if (known == NULL) {
            return refuse(join, KAFKA_UNKNOWN_MEMBER_ID, nobody);
        }
        if (!string_view_equal(known->id, asked->member_id)) {
            return refuse(join, KAFKA_FENCED_INSTANCE_ID, nobody);
        }
        return true;
    }
    if (known == NULL) {
        join->member = consumer_member_find(consumer, join->member_id);
        return true;
    }
    if (!consumer_replace_static(join->group, known, join->member_id, join->call->arena)) {
        return give_up(join);
    }
    join->member = consumer_member_find(consumer, join->member_id);
    ASSERT(join->member != NULL);
    return true;
}

static bool find_member(struct joining *join)
{
    if (join->asked->group_instance_id.data != NULL) {
        struct consumer_member *known =
            consumer_static_find(join->group->consumer, join->asked->group_instance_id);
        bool found = find_static(join);
        if (found && known != NULL) {
            /* It may have another id by now, but it is the same one. */
            join->downgrades = consumer_all_classic_but(join->group, join->member);
        }
        return found;
    }
    join->member = consumer_member_find(join->group->consumer, join->member_id);
    return true;
}

bool consumer_all_classic_but(const struct group *group, const struct consumer_member *one)
{
    const struct consumer_group *consumer = group->consumer;
    const struct group_options *options = &group->owner->options;
    size_t others = consumer->member_count - 1;
    size_t classic = consumer->classic_count - consumer_facts_of(one)->classic;
    ASSERT(consumer->member_count > 0);
    return classic == others && (options->migration & GROUP_MIGRATION_DOWNGRADE) != 0 &&
           consumer->member_count <= (size_t)options->max_size;
}

static bool fill_protocols(const struct joining *join,
                           struct consumer_group_member_metadata_value *value)
{
    const struct join_group_request *asked = join->asked;
    struct arena *arena = join->call->arena;
    struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        arena_alloc(arena, sizeof *classic);
    if (classic == NULL) {
        return false;
    }
    classic->session_timeout_ms = asked->session_timeout_ms;
    classic->supported_protocols.items = arena_array(
        arena, (size_t)asked->protocols.count, sizeof *classic->supported_protocols.items);
    for (int32_t i = 0; !arena->failed && i < asked->protocols.count; i++) {
        classic->supported_protocols.items[i].name = asked->protocols.items[i].name;
        classic->supported_protocols.items[i].metadata = asked->protocols.items[i].metadata;
        classic->supported_protocols.count = i + 1;
    }
    value->classic_member_metadata = classic;
    return !arena->failed;
}

static bool update_member(struct joining *join)
{
    const struct join_group_request *asked = join->asked;
    const struct consumer_facts *facts = consumer_facts_of(join->member);
    struct arena *arena = join->call->arena;
    struct consumer_writing to = {join->owner->runtime, join->group->id, arena};
    struct consumer_group_member_metadata_value value;
    enum consumer_regex_change regex_change;
    struct string_view message;
    bool names_changed;
    if (!consumer_facts_value(facts, arena, &value) || !fill_protocols(join, &value) ||
        !consumer_take_names(join->subscription.topics.items, join->subscription.topics.count,
                             arena, &value)) {
        return give_up(join);
    }
    if (asked->group_instance_id.data != NULL) {
        value.instance_id = asked->group_instance_id;
    }
    if (join->subscription.rack_id.size > 0) {
        value.rack_id = join->subscription.rack_id;
    }
    if (join->call->api_version >= VERSION_WITH_TIMEOUT && asked->rebalance_timeout_ms != -1) {
        value.rebalance_timeout_ms = asked->rebalance_timeout_ms;
    }
    value.subscribed_topic_regex = string_view_of("");
    value.client_id = join->call->client_id.data == NULL ? string_view_of("")
                                                         : join->call->client_id;
    value.client_host = join->call->client_host;
    int16_t error =
        consumer_change_regex(join->group, &to, facts->regex, value.subscribed_topic_regex, arena,
                              &regex_change, &message);
    ASSERT(error == 0); /* no expression is always one */
    (void)consumer_update_facts(join->owner, join->group->id, join->member, join->member_id,
                                &value, arena, &names_changed);
    join->changed = names_changed || regex_change != CONSUMER_REGEX_SAME;
    if (!runtime_apply(join->owner->runtime)) {
        return give_up(join);
    }
    join->member = consumer_member_find(join->group->consumer, join->member_id);
    ASSERT(join->member != NULL && consumer_facts_of(join->member)->classic);
    return true;
}

static bool step(struct joining *join)
{
    struct arena *arena = join->call->arena;
    struct consumer_stepping how = {
        .subscription_changed = join->changed,
        .owned_known = true,
        .owned = embedded_owned(join->owner->options.cluster, &join->subscription, arena),
    };
    int16_t error = consumer_step(join->group, join->member, &how, arena);
    if (error == KAFKA_FENCED_MEMBER_EPOCH) {
        return refuse(join, KAFKA_UNKNOWN_MEMBER_ID, join->member_id);
    }
    return error == 0 || give_up(join);
}

static void answer(struct joining *join, int32_t generation)
{
    struct arena *arena = join->call->arena;
    struct join_group_response *response = arena_alloc(arena, sizeof *response);
    if (response != NULL) {
        join_group_response_default(response);
        response->generation_id = generation;
        response->protocol_type = string_view_of("consumer");
        response->protocol_name = join->asked->protocols.items[0].name;
        response->member_id = arena_string(arena, join->member_id);
    }
    if (arena->failed) {
        runtime_fail(join->owner->runtime);
    }
    runtime_reply(join->owner->runtime, join->call, arena->failed ? NULL : response);
}

static void join_classic_group(struct joining *join)
{
    struct consumer_group *consumer = join->group->consumer;
    ASSERT(consumer->classic_count == consumer->member_count);
    bool rebalance = consumer->assignment_epoch < consumer->epoch;
    int32_t generation;
    if (!rebalance && !step(join)) {
        return;
    }
    generation = consumer_holding_of(join->member).epoch;
    /* As with Kafka, an epoch that came with this very request is not counted. */
    struct group *classic = consumer_become_classic(join->group, NULL, 0, join->epoch_before,
                                                    rebalance, join->call->arena);
    if (classic == NULL) {
        (void)give_up(join);
        return;
    }
    if (rebalance) {
        classic_prepare_rebalance(classic, "a static member is back by the classic protocol",
                                  join->member_id);
    }
    answer(join, generation);
}

static int32_t sync_timeout_ms(const struct joining *join)
{
    int32_t timeout_ms = consumer_facts_of(join->member)->rebalance_timeout_ms;
    ASSERT(join->asked->session_timeout_ms > 0);
    return timeout_ms > 0 ? timeout_ms : join->asked->session_timeout_ms;
}

void consumer_classic_join(struct group *group, struct runtime_call *call)
{
    char text[UUID_TEXT_BYTES];
    struct joining join = {.owner = group->owner,
                           .call = call,
                           .asked = call->request,
                           .group = group,
                           .epoch_before = group->consumer->epoch};
    ASSERT(group->kind == GROUP_CONSUMER);
    join.member_id = join.asked->member_id;
    if (join.member_id.size == 0) {
        uuid_format(uuid_from_random(call->random), text);
        join.member_id = arena_string(call->arena, string_view_of(text));
    }
    if (!check(&join) || !find_member(&join) || !read_subscription(&join) ||
        !update_member(&join)) {
        return;
    }
    if (!consumer_refresh_epoch(group, join.changed, "a member joins", join.member_id,
                                call->arena)) {
        (void)give_up(&join);
        return;
    }
    if (join.downgrades) {
        join_classic_group(&join);
        return;
    }
    if (consumer_assignment_is_due(group->consumer) && !consumer_assign(group, call->arena)) {
        (void)give_up(&join);
        return;
    }
    if (!step(&join)) {
        return;
    }
    runtime_timer_cancel(&join.member->join_timer);
    consumer_heard_of(join.member);
    runtime_timer_arm(&join.member->sync_timer, sync_timeout_ms(&join));
    consumer_check(group);
    consumer_note_progress(group);
    answer(&join, consumer_holding_of(join.member).epoch);
}
