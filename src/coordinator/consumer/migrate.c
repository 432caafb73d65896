/* Groups that change their protocol while members are in them. The records of the one end and those
 * of the other begin in one operation, so that a restart sees either. Members keep what they have.
 * Mirrors convertToConsumerGroup and convertToClassicGroup of GroupMetadataManager. */
#include "coordinator/group/internal.h"

/* ---- from the classic protocol ---- */

static struct string_view refuse_upgrade(const struct group *group, const char *why,
                                         struct arena *arena)
{
    return arena_format(arena, "Cannot upgrade classic group %.*s to consumer group because %s",
                        (int)group->id.size, group->id.data, why);
}

static const char *why_no_upgrade(const struct group *group)
{
    const struct group_options *options = &group->owner->options;
    if ((options->migration & GROUP_MIGRATION_UPGRADE) == 0) {
        return "online upgrade is disabled.";
    }
    if (!classic_uses_consumer_protocol(group)) {
        return "the group does not use the consumer embedded protocol.";
    }
    if (classic_member_count(group) > options->consumer_max_size) {
        return "the group size exceeds the consumer group maximum size.";
    }
    return NULL;
}

/* What a member becomes. */
struct upgraded {
    struct classic_member *member;
    struct consumer_group_member_metadata_value facts;
    struct consumer_holding holding;
};

static bool upgrade_protocols(const struct classic_member *member, struct arena *arena,
                              struct consumer_group_member_metadata_value *facts)
{
    struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        arena_alloc(arena, sizeof *classic);
    size_t count = (size_t)member->offers.count;
    if (classic == NULL) {
        return false;
    }
    classic->session_timeout_ms = member->offers.session_timeout_ms;
    classic->supported_protocols.items =
        arena_array(arena, count, sizeof *classic->supported_protocols.items);
    for (size_t i = 0; !arena->failed && i < count; i++) {
        classic->supported_protocols.items[i].name = member->offers.items[i].name;
        classic->supported_protocols.items[i].metadata = member->offers.items[i].metadata;
        classic->supported_protocols.count = (int32_t)i + 1;
    }
    facts->classic_member_metadata = classic;
    return !arena->failed;
}

/* NULL, or why not. */
static const char *upgrade_member(struct classic_member *member, struct arena *arena,
                                  struct upgraded *out)
{
    static const char malformed[] = "the embedded consumer protocol is malformed.";
    const struct cluster *cluster = member->group->owner->options.cluster;
    struct consumer_protocol_subscription subscription;
    struct partition_set assigned;
    bool user_data;
    struct bytes_view metadata = classic_member_metadata(member);
    ASSERT(member->joining == NULL || member->group->joining_count > 0);
    if (metadata.size == 0 && member->offers.count > 0) {
        metadata = member->offers.items[0].metadata;
    }
    if (!embedded_read_subscription(metadata, arena, &subscription) ||
        !embedded_read_assignment(cluster, member->assignment, arena, &assigned, &user_data)) {
        return malformed;
    }
    if (user_data) {
        return "an unsupported custom assignor is in use. Please refer to the documentation or "
               "switch to a default assignor before re-attempting the upgrade.";
    }
    int32_t generation = member->group->generation;
    struct partition_item *items = (struct partition_item *)assigned.items;
    for (size_t i = 0; i < assigned.count; i++) {
        items[i].epoch = generation;
    }
    consumer_group_member_metadata_value_default(&out->facts);
    out->member = member;
    out->facts.instance_id = member->instance_id;
    out->facts.rack_id = subscription.rack_id;
    out->facts.client_id = member->client_id;
    out->facts.client_host = member->client_host;
    out->facts.subscribed_topic_regex = string_view_of("");
    out->facts.rebalance_timeout_ms = member->offers.rebalance_timeout_ms;
    out->holding = (struct consumer_holding){.state = CONSUMER_STABLE,
                                             .epoch = generation,
                                             .previous_epoch = generation,
                                             .assigned = assigned};
    return consumer_take_names(subscription.topics.items, subscription.topics.count, arena,
                               &out->facts) &&
                   upgrade_protocols(member, arena, &out->facts)
               ? NULL
               : malformed;
}

static int64_t upgraded_hash(const struct group *group, const struct upgraded *members,
                             size_t count, struct arena *arena)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        most += (size_t)members[i].facts.subscribed_topic_names.count;
    }
    struct string_view *names = arena_array(arena, most, sizeof *names);
    struct consumer_group_member_metadata_value all;
    size_t filled = 0;
    for (size_t i = 0; names != NULL && i < count; i++) {
        size_t more = (size_t)members[i].facts.subscribed_topic_names.count;
        if (more > 0) {
            memcpy(&names[filled], members[i].facts.subscribed_topic_names.items,
                   more * sizeof *names);
        }
        filled += more;
    }
    if (names == NULL || !consumer_take_names(names, (int32_t)filled, arena, &all)) {
        return 0;
    }
    return consumer_metadata_hash(group->owner->options.cluster,
                                  all.subscribed_topic_names.items,
                                  (size_t)all.subscribed_topic_names.count);
}

static void write_upgraded(struct group *group, const struct upgraded *members, size_t count,
                           struct arena *arena)
{
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    ASSERT(group->joining_count == 0 && list_empty(&group->pendings));
    group_write_end(group);
    for (size_t i = 0; i < count; i++) {
        consumer_write_facts(&to, members[i].member->id, &members[i].facts);
    }
    consumer_write_epoch(&to, group->generation, upgraded_hash(group, members, count, arena));
    for (size_t i = 0; i < count; i++) {
        consumer_write_target(&to, members[i].member->id, members[i].holding.assigned);
    }
    consumer_write_target_epoch(&to, group->generation, 0);
    for (size_t i = 0; i < count; i++) {
        consumer_write_current(&to, members[i].member->id, &members[i].holding);
    }
    if (arena->failed) {
        runtime_fail(group->owner->runtime);
    }
}

int16_t consumer_upgrade(struct group *group, struct arena *arena, struct string_view *message)
{
    ASSERT(group->kind == GROUP_CLASSIC && group->state != CLASSIC_EMPTY);
    const char *why = why_no_upgrade(group);
    size_t count = 0;
    struct upgraded *members =
        arena_array(arena, (size_t)classic_member_count(group), sizeof *members);
    if (members == NULL) {
        *message = (struct string_view){NULL, 0};
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    LIST_FOR_EACH(node, &group->members)
    {
        if (why == NULL) {
            why = upgrade_member(CONTAINER_OF(node, struct classic_member, node), arena,
                                 &members[count++]);
        }
    }
    if (why != NULL) {
        *message = refuse_upgrade(group, why, arena);
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    /* Whoever waits for the others is to come again. */
    classic_answer_all(group, KAFKA_REBALANCE_IN_PROGRESS);
    while (!list_empty(&group->pendings)) {
        classic_pending_remove(CONTAINER_OF(group->pendings.next, struct classic_pending, node));
    }
    write_upgraded(group, members, count, arena);
    return 0;
}

/* ---- to the classic protocol ---- */

static bool is_leaving(const struct consumer_member *member,
                       struct consumer_member *const *leaving, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (leaving[i] == member) {
            return true;
        }
    }
    return false;
}

bool consumer_may_downgrade(const struct group *group, struct consumer_member *const *leaving,
                            size_t count)
{
    const struct consumer_group *consumer = group->consumer;
    const struct group_options *options = &group->owner->options;
    size_t classic_left = consumer->classic_count;
    ASSERT(count <= consumer->member_count);
    for (size_t i = 0; i < count; i++) {
        classic_left -= consumer_facts_of(leaving[i])->classic;
    }
    size_t left = consumer->member_count - count;
    return left > 0 && classic_left == left &&
           (options->migration & GROUP_MIGRATION_DOWNGRADE) != 0 &&
           left <= (size_t)options->max_size;
}

static const struct consumer_protocol *protocol_of(const struct consumer_member *member,
                                                   struct string_view name)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    for (size_t i = 0; i < facts->protocol_count; i++) {
        if (string_view_equal(facts->protocols[i].name, name)) {
            return &facts->protocols[i];
        }
    }
    return NULL;
}

/* The first of the first member's that all support; null: there is none. */
static struct string_view common_protocol(struct consumer_member *const *members, size_t count)
{
    const struct consumer_facts *first = consumer_facts_of(members[0]);
    ASSERT(count > 0 && first->classic);
    for (size_t i = 0; i < first->protocol_count; i++) {
        size_t known = 1;
        while (known < count && protocol_of(members[known], first->protocols[i].name) != NULL) {
            known++;
        }
        if (known == count) {
            return first->protocols[i].name;
        }
    }
    return (struct string_view){NULL, 0};
}

static bool fill_classic(const struct group *group, const struct consumer_member *member,
                         struct string_view protocol, struct arena *arena,
                         struct group_metadata_value_member_metadata *out)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    const struct consumer_protocol *offer = protocol_of(member, protocol);
    ASSERT(facts->classic && offer != NULL);
    *out = (struct group_metadata_value_member_metadata){
        .member_id = member->id,
        .group_instance_id = facts->instance_id,
        .client_id = facts->client_id,
        .client_host = facts->client_host,
        .rebalance_timeout = facts->rebalance_timeout_ms,
        .session_timeout = facts->classic_session_timeout_ms,
        .subscription = offer->metadata,
        .assignment = embedded_write_assignment(group->owner->options.cluster,
                                                consumer_target_of(member), offer->metadata,
                                                arena),
    };
    return out->assignment.data != NULL;
}

/* Record 2 with the members that stay. One that is to be rebalanced has no time since when it is
 * stable: should the broker end before that, the next one finds it so and begins (Apache Kafka
 * forgets about it, and what the member had that left would be nobody's). */
static bool write_classic(const struct group *group, struct consumer_member *const *members,
                          size_t count, int32_t generation, bool rebalance, struct arena *arena)
{
    struct runtime *runtime = group->owner->runtime;
    struct group_metadata_key key = {group->id};
    struct group_metadata_value value;
    struct string_view protocol = common_protocol(members, count);
    group_metadata_value_default(&value);
    value.protocol_type = string_view_of("consumer");
    value.generation = generation;
    value.protocol = protocol;
    value.leader = members[0]->id;
    value.current_state_timestamp = rebalance ? -1 : runtime_now(runtime).wall_ms;
    value.members.items = arena_array(arena, count, sizeof *value.members.items);
    if (protocol.data == NULL || value.members.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!fill_classic(group, members[i], protocol, arena, &value.members.items[i])) {
            return false;
        }
        value.members.count = (int32_t)i + 1;
    }
    runtime_write(runtime, GROUP_RECORD_GROUP, &group_metadata_key_row, &key,
                  &group_metadata_value_row, GROUP_VALUE_VERSION, &value);
    return true;
}

/* The record has one protocol of each member; the group goes on with all that they offer. */
static void offer_all(struct group *classic, const struct consumer_member *from,
                      struct arena *arena)
{
    const struct consumer_facts *facts = consumer_facts_of(from);
    struct classic_member *member = classic_member_find(classic, from->id);
    struct join_group_request_join_group_request_protocol *protocols =
        arena_array(arena, facts->protocol_count, sizeof *protocols);
    if (member == NULL || protocols == NULL) {
        return; /* it offers the one */
    }
    for (size_t i = 0; i < facts->protocol_count; i++) {
        protocols[i].name = facts->protocols[i].name;
        protocols[i].metadata = facts->protocols[i].metadata;
    }
    struct classic_member_facts offers = {
        .rebalance_timeout_ms = member->offers.rebalance_timeout_ms,
        .session_timeout_ms = member->offers.session_timeout_ms,
        .protocols = protocols,
        .protocol_count = (int32_t)facts->protocol_count,
    };
    (void)classic_member_update(member, &offers);
}

/* The blocks of the members stay until their end is committed, but not in the members. */
static struct consumer_facts **facts_before(struct consumer_member *const *members, size_t count,
                                            struct arena *arena)
{
    struct consumer_facts **facts = arena_array(arena, count, sizeof(struct consumer_facts *));
    for (size_t i = 0; facts != NULL && i < count; i++) {
        facts[i] = members[i]->facts;
    }
    return facts;
}

struct group *consumer_become_classic(struct group *group,
                                      struct consumer_member *const *leaving, size_t leaving_count,
                                      int32_t generation, bool rebalance, struct arena *arena)
{
    struct group_coordinator *owner = group->owner;
    struct string_view id = arena_string(arena, group->id);
    ASSERT(leaving_count < group->consumer->member_count);
    size_t all;
    size_t count = 0;
    struct consumer_member **members = consumer_members_sorted(group->consumer, &all);
    for (size_t i = 0; members != NULL && i < all; i++) {
        if (!is_leaving(members[i], leaving, leaving_count)) {
            members[count++] = members[i];
        }
    }
    struct consumer_facts **facts =
        members == NULL ? NULL : facts_before(members, count, arena);
    group_write_end(group);
    bool written = facts != NULL &&
                   write_classic(group, members, count, generation, rebalance, arena) &&
                   runtime_apply(owner->runtime);
    struct group *classic = written ? group_find(owner, id) : NULL;
    ASSERT(!written || (classic != NULL && classic->kind == GROUP_CLASSIC));
    for (size_t i = 0; classic != NULL && i < count; i++) {
        struct consumer_member known = {.id = members[i]->id, .facts = facts[i]};
        offer_all(classic, &known, arena);
    }
    mem_free(members);
    if (classic == NULL) {
        runtime_fail(owner->runtime);
        return NULL;
    }
    LIST_FOR_EACH(node, &classic->members)
    {
        classic_heard_of(CONTAINER_OF(node, struct classic_member, node));
    }
    return classic;
}

bool consumer_downgrade(struct group *group, struct consumer_member *const *leaving, size_t count,
                        const char *why, struct arena *arena)
{
    struct string_view first = count > 0 ? arena_string(arena, leaving[0]->id)
                                         : string_view_of("");
    struct group *classic = consumer_become_classic(group, leaving, count, group->consumer->epoch,
                                                    true, arena);
    if (classic != NULL) {
        classic_prepare_rebalance(classic, why, first);
    }
    return classic != NULL;
}
