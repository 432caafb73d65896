/* ConsumerGroupHeartbeat of a member that joins or stays: the member is made or updated, the group
 * gets a new epoch when what it subscribes to has changed, a new target when that is due, and the
 * member comes one step nearer to the target. What each step writes is replayed before the next
 * one. Mirrors GroupMetadataManager.consumerGroupHeartbeat. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

struct beat {
    struct group_coordinator *owner;
    struct runtime_call *call;
    const struct consumer_group_heartbeat_request *asked;
    struct consumer_writing to;
    struct string_view member_id;
    struct group *group;           /* NULL: it is made with the first record */
    struct consumer_member *member; /* NULL: a new one */
    struct partition_set assigned_before;
    bool instance_is_new; /* the group knew no such instance */
    bool names_changed;
    bool assigned_anew;
    enum consumer_regex_change regex_change;
};

/* ---- answers ---- */

void consumer_heartbeat_refuse(struct group_coordinator *owner, struct runtime_call *call,
                               int16_t error, struct string_view message)
{
    struct consumer_group_heartbeat_response *response =
        arena_alloc(call->arena, sizeof *response);
    ASSERT(error != 0);
    if (response != NULL) {
        consumer_group_heartbeat_response_default(response);
        response->error_code = error;
        response->error_message = message;
    }
    runtime_undo(owner->runtime); /* nothing comes of what it has written so far */
    runtime_reply(owner->runtime, call, response);
}

static bool refuse(struct beat *beat, int16_t error, struct string_view message)
{
    consumer_heartbeat_refuse(beat->owner, beat->call, error, message);
    return false;
}

/* Memory is out. */
static bool give_up(struct beat *beat)
{
    runtime_fail(beat->owner->runtime);
    runtime_reply(beat->owner->runtime, beat->call, NULL);
    return false;
}

struct consumer_group_heartbeat_response_assignment *
consumer_response_assignment(struct partition_set set, struct arena *arena)
{
    struct consumer_group_heartbeat_response_assignment *out = arena_alloc(arena, sizeof *out);
    struct consumer_group_heartbeat_response_topic_partitions *topics =
        arena_array(arena, partition_set_topics(set), sizeof *topics);
    int32_t *numbers = arena_array(arena, set.count, sizeof *numbers);
    if (arena->failed) {
        return NULL;
    }
    out->topic_partitions.items = topics;
    for (size_t i = 0; i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        struct consumer_group_heartbeat_response_topic_partitions *topic =
            &topics[out->topic_partitions.count++];
        topic->topic_id = set.items[i].topic;
        topic->partitions.items = &numbers[i];
        topic->partitions.count = (int32_t)(end - i);
        for (; i < end; i++) {
            numbers[i] = set.items[i].partition;
        }
    }
    return out;
}

static void answer(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    struct arena *arena = beat->call->arena;
    struct consumer_group_heartbeat_response *response = arena_alloc(arena, sizeof *response);
    struct consumer_holding holding = consumer_holding_of(beat->member);
    ASSERT(beat->member != NULL && beat->group->kind == GROUP_CONSUMER);
    bool full = asked->rebalance_timeout_ms != -1 && asked->topic_partitions.count >= 0 &&
                (asked->subscribed_topic_names.count >= 0 ||
                 asked->subscribed_topic_regex.data != NULL);
    if (response != NULL) {
        consumer_group_heartbeat_response_default(response);
        response->member_id = arena_string(arena, beat->member_id);
        response->member_epoch = holding.epoch;
        response->heartbeat_interval_ms = consumer_settings(beat->group).heartbeat_interval_ms;
        if (asked->member_epoch == 0 || full ||
            !partition_sets_equal(beat->assigned_before, holding.assigned, true)) {
            response->assignment = consumer_response_assignment(holding.assigned, arena);
        }
    }
    if (arena->failed) {
        runtime_fail(beat->owner->runtime);
    }
    runtime_reply(beat->owner->runtime, beat->call, arena->failed ? NULL : response);
}

/* ---- the group ---- */

static bool not_found(struct beat *beat, const char *format)
{
    struct string_view id = beat->asked->group_id;
    return refuse(beat, KAFKA_GROUP_ID_NOT_FOUND,
                  arena_format(beat->call->arena, format, (int)id.size, id.data));
}

/* Makes one of a classic group, or ends an empty one. */
static bool convert_group(struct beat *beat)
{
    struct group *group = beat->group;
    struct string_view message;
    if (group_is_empty(group)) {
        group_write_end(group);
    } else {
        int16_t error = consumer_upgrade(group, beat->call->arena, &message);
        if (error != 0) {
            return refuse(beat, error, message);
        }
    }
    if (!runtime_apply(beat->owner->runtime)) {
        return give_up(beat);
    }
    beat->group = group_find(beat->owner, beat->asked->group_id);
    ASSERT(beat->group == NULL || beat->group->kind == GROUP_CONSUMER);
    return true;
}

static bool find_group(struct beat *beat)
{
    bool joins = beat->asked->member_epoch == 0;
    beat->group = group_find(beat->owner, beat->asked->group_id);
    if (beat->group == NULL) {
        return joins || not_found(beat, "Consumer group %.*s not found.");
    }
    if (beat->group->kind == GROUP_CONSUMER) {
        return true;
    }
    if (beat->group->kind != GROUP_CLASSIC || !joins) {
        return not_found(beat, "Group %.*s is not a consumer group.");
    }
    return convert_group(beat);
}

bool consumer_group_is_full(const struct group *group, struct string_view member_id)
{
    int32_t most = group->owner->options.consumer_max_size;
    ASSERT(group->kind == GROUP_CONSUMER && most > 0);
    return group->consumer->member_count >= (size_t)most &&
           consumer_member_find(group->consumer, member_id) == NULL;
}

struct string_view consumer_full_message(const struct group_coordinator *owner,
                                         struct arena *arena)
{
    return arena_format(arena,
                        "The consumer group has reached its maximum capacity of %d members.",
                        (int)owner->options.consumer_max_size);
}

/* ---- the member ---- */

/* 0, or FENCED_MEMBER_EPOCH. A member may come with the epoch before: it did not get our answer. */
static int16_t check_epoch(struct beat *beat, const struct consumer_member *member,
                           struct string_view *message)
{
    struct consumer_holding holding = consumer_holding_of(member);
    int32_t epoch = beat->asked->member_epoch;
    if (epoch == 0 || epoch == holding.epoch) {
        return 0;
    }
    if (epoch < holding.epoch && epoch == holding.previous_epoch &&
        beat->asked->topic_partitions.count >= 0) {
        struct partition_set owned = consumer_owned_set(beat->asked, beat->call->arena);
        if (partition_set_within(owned, holding.assigned)) {
            return 0;
        }
    }
    *message = arena_format(beat->call->arena,
                            "The consumer group member has a %s member epoch (%d) than the one "
                            "known by the group coordinator (%d). The member must abandon all its "
                            "partitions and rejoin.",
                            epoch > holding.epoch ? "greater" : "smaller", (int)epoch,
                            (int)holding.epoch);
    return KAFKA_FENCED_MEMBER_EPOCH;
}

struct partition_set consumer_owned_set(const struct consumer_group_heartbeat_request *asked,
                                        struct arena *arena)
{
    size_t count = 0;
    size_t filled = 0;
    for (int32_t i = 0; i < asked->topic_partitions.count; i++) {
        int32_t more = asked->topic_partitions.items[i].partitions.count;
        count += more > 0 ? (size_t)more : 0;
    }
    struct partition_item *items = arena_array(arena, count, sizeof *items);
    for (int32_t i = 0; items != NULL && i < asked->topic_partitions.count; i++) {
        const struct consumer_group_heartbeat_request_topic_partitions *topic =
            &asked->topic_partitions.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            items[filled++] =
                (struct partition_item){topic->topic_id, topic->partitions.items[j], 0};
        }
    }
    return (struct partition_set){items, items == NULL ? 0 : partition_items_order(items, filled)};
}

bool consumer_replace_static(struct group *group, struct consumer_member *old,
                             struct string_view new_id, struct arena *arena)
{
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    struct consumer_holding holding = consumer_holding_of(old);
    struct consumer_group_member_metadata_value value;
    ASSERT(consumer_facts_of(old)->instance_id.data != NULL);
    if (!consumer_facts_value(consumer_facts_of(old), arena, &value)) {
        return false;
    }
    holding.epoch = holding.previous_epoch = 0;
    consumer_write_member_end(&to, old->id);
    consumer_write_facts(&to, new_id, &value);
    consumer_write_target(&to, new_id, consumer_target_of(old));
    consumer_write_current(&to, new_id, &holding);
    return runtime_apply(group->owner->runtime);
}

static bool find_static(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    struct arena *arena = beat->call->arena;
    struct consumer_member *known =
        beat->group == NULL ? NULL
                            : consumer_static_find(beat->group->consumer, asked->instance_id);
    struct string_view message = {NULL, 0};
    struct string_view id = asked->member_id;
    struct string_view instance = asked->instance_id;
    if (asked->member_epoch != 0) {
        if (known == NULL) {
            return refuse(beat, KAFKA_UNKNOWN_MEMBER_ID,
                          consumer_unknown_instance(instance, arena));
        }
        if (!string_view_equal(known->id, id)) {
            return refuse(beat, KAFKA_FENCED_INSTANCE_ID,
                          consumer_fenced_instance(id, instance, known->id, arena));
        }
        int16_t error = check_epoch(beat, known, &message);
        beat->member = known;
        return error == 0 || refuse(beat, error, message);
    }
    if (known == NULL) {
        beat->instance_is_new = true;
        beat->member = beat->group == NULL
                           ? NULL
                           : consumer_member_find(beat->group->consumer, beat->member_id);
        return true;
    }
    if (!consumer_facts_of(known)->classic &&
        consumer_holding_of(known).epoch != CONSUMER_LEAVE_STATIC_EPOCH) {
        message = arena_format(arena,
                               "Static member %.*s with instance id %.*s cannot join the group "
                               "because the instance id is owned by %.*s member.",
                               (int)id.size, id.data, (int)instance.size, instance.data,
                               (int)known->id.size, known->id.data);
        return refuse(beat, KAFKA_UNRELEASED_INSTANCE_ID, message);
    }
    if (!consumer_replace_static(beat->group, known, beat->member_id, arena)) {
        return give_up(beat);
    }
    beat->member = consumer_member_find(beat->group->consumer, beat->member_id);
    ASSERT(beat->member != NULL);
    return true;
}

static bool find_dynamic(struct beat *beat)
{
    struct string_view message;
    struct string_view id = beat->member_id;
    beat->member =
        beat->group == NULL ? NULL : consumer_member_find(beat->group->consumer, id);
    if (beat->member == NULL) {
        return beat->asked->member_epoch == 0 ||
               refuse(beat, KAFKA_UNKNOWN_MEMBER_ID,
                      consumer_unknown_member(beat->group, id, beat->call->arena));
    }
    int16_t error = check_epoch(beat, beat->member, &message);
    return error == 0 || refuse(beat, error, message);
}

/* ---- what it says of itself ---- */

static bool texts_equal(struct string_view a, struct string_view b)
{
    return string_view_equal(a, b);
}

static bool names_equal(const struct consumer_facts *facts,
                        const struct consumer_group_member_metadata_value *value)
{
    if (facts->name_count != (size_t)value->subscribed_topic_names.count) {
        return false;
    }
    for (size_t i = 0; i < facts->name_count; i++) {
        if (!texts_equal(facts->names[i].key, value->subscribed_topic_names.items[i])) {
            return false;
        }
    }
    return true;
}

static bool classic_equal(const struct consumer_facts *facts,
                          const struct consumer_group_member_metadata_value *value)
{
    const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        value->classic_member_metadata;
    if (facts->classic != (classic != NULL)) {
        return false;
    }
    if (classic == NULL) {
        return true;
    }
    if (facts->classic_session_timeout_ms != classic->session_timeout_ms ||
        facts->protocol_count != (size_t)classic->supported_protocols.count) {
        return false;
    }
    for (size_t i = 0; i < facts->protocol_count; i++) {
        struct bytes_view mine = facts->protocols[i].metadata;
        struct bytes_view its = classic->supported_protocols.items[i].metadata;
        if (!texts_equal(facts->protocols[i].name, classic->supported_protocols.items[i].name) ||
            mine.size != its.size ||
            (its.size > 0 && memcmp(mine.data, its.data, its.size) != 0)) {
            return false;
        }
    }
    return true;
}

static bool facts_equal(const struct consumer_facts *facts,
                        const struct consumer_group_member_metadata_value *value)
{
    return texts_equal(facts->instance_id, value->instance_id) &&
           texts_equal(facts->rack_id, value->rack_id) &&
           texts_equal(facts->client_id, value->client_id) &&
           texts_equal(facts->client_host, value->client_host) &&
           texts_equal(facts->regex, value->subscribed_topic_regex) &&
           texts_equal(facts->assignor, value->server_assignor) &&
           facts->rebalance_timeout_ms == value->rebalance_timeout_ms &&
           names_equal(facts, value) && classic_equal(facts, value);
}

bool consumer_update_facts(struct group_coordinator *owner, struct string_view group_id,
                           struct consumer_member *member, struct string_view member_id,
                           const struct consumer_group_member_metadata_value *value,
                           struct arena *arena, bool *names_changed)
{
    struct consumer_writing to = {owner->runtime, group_id, arena};
    const struct consumer_facts *facts = consumer_facts_of(member);
    ASSERT(member == NULL || string_view_equal(member->id, member_id));
    *names_changed = !names_equal(facts, value);
    if (member != NULL && member->facts != NULL && facts_equal(facts, value)) {
        return false;
    }
    consumer_write_facts(&to, member_id, value);
    return true;
}

static struct string_view or_before(struct string_view said, struct string_view before)
{
    return said.data != NULL ? said : before;
}

static int text_views_in_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

bool consumer_take_names(const struct string_view *names, int32_t count, struct arena *arena,
                         struct consumer_group_member_metadata_value *value)
{
    size_t asked = count > 0 ? (size_t)count : 0;
    struct string_view *sorted = arena_array(arena, asked, sizeof *sorted);
    int32_t kept = 0;
    if (sorted == NULL) {
        return false;
    }
    if (asked > 0) {
        memcpy(sorted, names, asked * sizeof *sorted);
        qsort(sorted, asked, sizeof *sorted, text_views_in_order);
    }
    for (size_t i = 0; i < asked; i++) {
        if (kept == 0 || !string_view_equal(sorted[kept - 1], sorted[i])) {
            sorted[kept++] = sorted[i];
        }
    }
    value->subscribed_topic_names.items = sorted;
    value->subscribed_topic_names.count = kept;
    return true;
}

static bool update_member(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    const struct consumer_facts *facts = consumer_facts_of(beat->member);
    struct arena *arena = beat->call->arena;
    struct consumer_group_member_metadata_value value;
    if (!consumer_facts_value(facts, arena, &value)) {
        return give_up(beat);
    }
    value.instance_id = or_before(asked->instance_id, value.instance_id);
    value.rack_id = or_before(asked->rack_id, value.rack_id);
    value.server_assignor = or_before(asked->server_assignor, value.server_assignor);
    value.subscribed_topic_regex =
        or_before(asked->subscribed_topic_regex, value.subscribed_topic_regex);
    if (asked->rebalance_timeout_ms != -1) {
        value.rebalance_timeout_ms = asked->rebalance_timeout_ms;
    }
    if (asked->subscribed_topic_names.count >= 0 &&
        !consumer_take_names(asked->subscribed_topic_names.items,
                             asked->subscribed_topic_names.count, arena, &value)) {
        return give_up(beat);
    }
    value.client_id = beat->call->client_id.data == NULL ? string_view_of("")
                                                         : beat->call->client_id;
    value.client_host = beat->call->client_host;
    value.classic_member_metadata = NULL;
    struct string_view message;
    int16_t error = consumer_change_regex(beat->group, &beat->to, facts->regex,
                                          value.subscribed_topic_regex, arena,
                                          &beat->regex_change, &message);
    if (error != 0) {
        return refuse(beat, error, message);
    }
    (void)consumer_update_facts(beat->owner, asked->group_id, beat->member, beat->member_id, &value,
                                arena, &beat->names_changed);
    if (!runtime_apply(beat->owner->runtime)) {
        return give_up(beat);
    }
    beat->group = group_find(beat->owner, asked->group_id);
    ASSERT(beat->group != NULL && beat->group->kind == GROUP_CONSUMER);
    beat->member = consumer_member_find(beat->group->consumer, beat->member_id);
    ASSERT(beat->member != NULL);
    return true;
}

/* ---- the steps towards the target ---- */

static bool is_held(const void *context, const struct partition_item *item)
{
    return consumer_claim_find(context, item->topic, item->partition) != NULL;
}

static int32_t count_new(struct partition_set before, struct partition_set after)
{
    int32_t count = 0;
    for (size_t i = 0; i < after.count; i++) {
        count += partition_set_find(before, after.items[i].topic, after.items[i].partition) == NULL;
    }
    return count;
}

int16_t consumer_step(struct group *group, struct consumer_member *member,
                      const struct consumer_stepping *how, struct arena *arena)
{
    struct consumer_group *consumer = group->consumer;
    struct consumer_holding next;
    bool fenced;
    ASSERT(member->group == group && consumer_is_member(member));
    struct reconcile_input input = {
        .holding = consumer_holding_of(member),
        .target_epoch = consumer->assignment_epoch,
        .target = how->untargeted ? (struct partition_set){NULL, 0} : consumer_target_of(member),
        .subscription_changed = how->subscription_changed,
        .owned_known = how->owned_known,
        .owned = how->owned,
        .is_held = is_held,
        .context = consumer,
    };
    if (!how->subscription_changed && input.holding.state == CONSUMER_STABLE &&
        input.holding.epoch == input.target_epoch && member->current != NULL) {
        return 0;
    }
    input.topics =
        consumer_member_topics(consumer, consumer_facts_of(member), arena, &input.topic_count);
    if (consumer_reconcile(&input, arena, &next, &fenced) != 0) {
        runtime_fail(group->owner->runtime);
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (fenced) {
        return KAFKA_FENCED_MEMBER_EPOCH;
    }
    if (member->current != NULL && consumer_holdings_equal(&input.holding, &next)) {
        return 0;
    }
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    consumer->rebalance_moved += count_new(input.holding.assigned, next.assigned);
    consumer_write_current(&to, member->id, &next);
    return runtime_apply(group->owner->runtime) ? 0 : KAFKA_UNKNOWN_SERVER_ERROR;
}

static bool step_member(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    struct consumer_stepping how = {
        .subscription_changed = beat->names_changed || beat->regex_change != CONSUMER_REGEX_SAME,
        .owned_known = asked->topic_partitions.count >= 0,
        .owned = consumer_owned_set(asked, beat->call->arena),
        /* Kafka looks an older target up by the instance, which had none so far. */
        .untargeted = beat->instance_is_new && !beat->assigned_anew,
    };
    int16_t error = consumer_step(beat->group, beat->member, &how, beat->call->arena);
    if (error == KAFKA_FENCED_MEMBER_EPOCH) {
        return refuse(beat, error,
                      string_view_of("The consumer group member is in a unknown state. The member "
                                     "must abandon all its partitions and rejoin."));
    }
    return error == 0 || give_up(beat);
}

static bool follow_group(struct beat *beat)
{
    struct group *group = beat->group;
    bool bump = beat->names_changed || beat->regex_change == CONSUMER_REGEX_RESOLVED;
    const char *why = beat->asked->member_epoch == 0 ? "a member joins"
                      : bump                         ? "a member subscribes to others"
                                                     : "topics have changed";
    if (!consumer_refresh_epoch(group, bump, why, beat->member_id, beat->call->arena)) {
        return give_up(beat);
    }
    if (!consumer_assignment_is_due(group->consumer)) {
        return true;
    }
    beat->assigned_anew = true;
    return consumer_assign(group, beat->call->arena) || give_up(beat);
}

static struct string_view own_member_id(const struct beat *beat)
{
    char text[UUID_TEXT_BYTES];
    if (beat->asked->member_id.size > 0) {
        return beat->asked->member_id;
    }
    uuid_format(uuid_from_random(beat->call->random), text);
    return arena_string(beat->call->arena, string_view_of(text));
}

static void heartbeat(struct beat *beat)
{
    struct arena *arena = beat->call->arena;
    beat->member_id = own_member_id(beat);
    if (beat->member_id.data == NULL) {
        (void)give_up(beat);
        return;
    }
    if (!find_group(beat)) {
        return;
    }
    if (beat->group != NULL && consumer_group_is_full(beat->group, beat->asked->member_id)) {
        (void)refuse(beat, KAFKA_GROUP_MAX_SIZE_REACHED,
                     consumer_full_message(beat->owner, arena));
        return;
    }
    bool found = beat->asked->instance_id.data == NULL ? find_dynamic(beat) : find_static(beat);
    if (!found) {
        return;
    }
    /* In the arena: the block goes with what replaces it. */
    struct partition_set before = consumer_holding_of(beat->member).assigned;
    beat->assigned_before = partition_set_union(before, (struct partition_set){NULL, 0}, arena);
    if (update_member(beat) && follow_group(beat) && step_member(beat)) {
        consumer_heard_of(beat->member);
        consumer_check(beat->group);
        consumer_note_progress(beat->group);
        consumer_maybe_resolve(beat->group);
        answer(beat);
    }
}

void consumer_heartbeat(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct consumer_group_heartbeat_request *asked = call->request;
    struct string_view message;
    const struct group_options *options = &owner->options;
    int16_t error = group_heartbeat_check(asked, call->api_version, options->assignors,
                                          options->assignor_count, call->arena, &message);
    if (error != 0) {
        consumer_heartbeat_refuse(owner, call, error, message);
        return;
    }
    if (asked->member_epoch < 0) {
        consumer_leave(owner, call);
        return;
    }
    struct beat beat = {.owner = owner,
                        .call = call,
                        .asked = asked,
                        .to = {owner->runtime, asked->group_id, call->arena}};
    heartbeat(&beat);
}
