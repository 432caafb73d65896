/* The records of groups that use the consumer protocol. What is written here is replayed by
 * replay.c before anybody sees it. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

void consumer_write_epoch(const struct consumer_writing *to, int32_t epoch, int64_t hash)
{
    struct consumer_group_metadata_key key = {to->group};
    struct consumer_group_metadata_value value;
    ASSERT(epoch >= 0);
    consumer_group_metadata_value_default(&value);
    value.epoch = epoch;
    value.metadata_hash = hash;
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_EPOCH, &consumer_group_metadata_key_row, &key,
                  &consumer_group_metadata_value_row, 0, &value);
}

void consumer_write_no_partitions(const struct consumer_writing *to)
{
    struct consumer_group_partition_metadata_key key = {to->group};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_PARTITIONS,
                  &consumer_group_partition_metadata_key_row, &key, NULL, 0, NULL);
}

void consumer_write_facts(const struct consumer_writing *to, struct string_view member_id,
                          const struct consumer_group_member_metadata_value *value)
{
    struct consumer_group_member_metadata_key key = {to->group, member_id};
    ASSERT(member_id.size > 0);
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_MEMBER,
                  &consumer_group_member_metadata_key_row, &key,
                  &consumer_group_member_metadata_value_row, 0, value);
}

void consumer_write_target_epoch(const struct consumer_writing *to, int32_t epoch,
                                 int64_t assigned_ms)
{
    struct consumer_group_target_assignment_metadata_key key = {to->group};
    struct consumer_group_target_assignment_metadata_value value;
    consumer_group_target_assignment_metadata_value_default(&value);
    value.assignment_epoch = epoch;
    value.assignment_timestamp = assigned_ms;
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_TARGET_EPOCH,
                  &consumer_group_target_assignment_metadata_key_row, &key,
                  &consumer_group_target_assignment_metadata_value_row, 0, &value);
}

/* Numbers of partitions from set[from] on, up to to. */
static int32_t *partitions_of(struct partition_set set, size_t from, size_t to,
                              struct arena *arena)
{
    int32_t *numbers = arena_array(arena, to - from, sizeof *numbers);
    for (size_t i = from; numbers != NULL && i < to; i++) {
        numbers[i - from] = set.items[i].partition;
    }
    return numbers;
}

static int32_t *epochs_of(struct partition_set set, size_t from, size_t to, struct arena *arena)
{
    int32_t *numbers = arena_array(arena, to - from, sizeof *numbers);
    for (size_t i = from; numbers != NULL && i < to; i++) {
        numbers[i - from] = set.items[i].epoch;
    }
    return numbers;
}

void consumer_write_target(const struct consumer_writing *to, struct string_view member_id,
                           struct partition_set set)
{
    struct consumer_group_target_assignment_member_key key = {to->group, member_id};
    struct consumer_group_target_assignment_member_value value;
    consumer_group_target_assignment_member_value_default(&value);
    value.topic_partitions.items =
        arena_array(to->arena, partition_set_topics(set), sizeof *value.topic_partitions.items);
    for (size_t i = 0; !to->arena->failed && i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        struct consumer_group_target_assignment_member_value_topic_partition *topic =
            &value.topic_partitions.items[value.topic_partitions.count++];
        topic->topic_id = set.items[i].topic;
        topic->partitions.items = partitions_of(set, i, end, to->arena);
        topic->partitions.count = (int32_t)(end - i);
        i = end;
    }
    if (to->arena->failed) {
        runtime_fail(to->runtime);
        return;
    }
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_TARGET,
                  &consumer_group_target_assignment_member_key_row, &key,
                  &consumer_group_target_assignment_member_value_row, 0, &value);
}

typedef struct consumer_group_current_member_assignment_value_topic_partitions held_topic;

static held_topic *held_topics(struct partition_set set, struct arena *arena, int32_t *count)
{
    held_topic *topics = arena_array(arena, partition_set_topics(set), sizeof *topics);
    *count = 0;
    for (size_t i = 0; !arena->failed && i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        held_topic *topic = &topics[(*count)++];
        topic->topic_id = set.items[i].topic;
        topic->partitions.items = partitions_of(set, i, end, arena);
        topic->partitions.count = (int32_t)(end - i);
        topic->assignment_epochs.items = epochs_of(set, i, end, arena);
        topic->assignment_epochs.count = (int32_t)(end - i);
        i = end;
    }
    return topics;
}

void consumer_write_current(const struct consumer_writing *to, struct string_view member_id,
                            const struct consumer_holding *holding)
{
    struct consumer_group_current_member_assignment_key key = {to->group, member_id};
    struct consumer_group_current_member_assignment_value value;
    ASSERT(holding->epoch >= CONSUMER_LEAVE_STATIC_EPOCH && member_id.size > 0);
    consumer_group_current_member_assignment_value_default(&value);
    value.member_epoch = holding->epoch;
    value.previous_member_epoch = holding->previous_epoch;
    value.state = (int8_t)holding->state;
    value.assigned_partitions.items =
        held_topics(holding->assigned, to->arena, &value.assigned_partitions.count);
    value.partitions_pending_revocation.items = held_topics(
        holding->revoking, to->arena, &value.partitions_pending_revocation.count);
    if (to->arena->failed) {
        runtime_fail(to->runtime);
        return;
    }
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_CURRENT,
                  &consumer_group_current_member_assignment_key_row, &key,
                  &consumer_group_current_member_assignment_value_row, 0, &value);
}

void consumer_write_expression(const struct consumer_writing *to, struct string_view regex,
                               const struct consumer_group_regular_expression_value *value)
{
    struct consumer_group_regular_expression_key key = {to->group, regex};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_EXPRESSION,
                  &consumer_group_regular_expression_key_row, &key,
                  &consumer_group_regular_expression_value_row, 0, value);
}

void consumer_write_expression_end(const struct consumer_writing *to, struct string_view regex)
{
    struct consumer_group_regular_expression_key key = {to->group, regex};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_EXPRESSION,
                  &consumer_group_regular_expression_key_row, &key, NULL, 0, NULL);
}

static void write_current_end(const struct consumer_writing *to, struct string_view member_id)
{
    struct consumer_group_current_member_assignment_key key = {to->group, member_id};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_CURRENT,
                  &consumer_group_current_member_assignment_key_row, &key, NULL, 0, NULL);
}

static void write_target_end(const struct consumer_writing *to, struct string_view member_id)
{
    struct consumer_group_target_assignment_member_key key = {to->group, member_id};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_TARGET,
                  &consumer_group_target_assignment_member_key_row, &key, NULL, 0, NULL);
}

static void write_facts_end(const struct consumer_writing *to, struct string_view member_id)
{
    struct consumer_group_member_metadata_key key = {to->group, member_id};
    runtime_write(to->runtime, GROUP_RECORD_CONSUMER_MEMBER,
                  &consumer_group_member_metadata_key_row, &key, NULL, 0, NULL);
}

/* In this order: Apache Kafka takes the last one for the end of a member that has nothing more. */
void consumer_write_member_end(const struct consumer_writing *to, struct string_view member_id)
{
    write_current_end(to, member_id);
    write_target_end(to, member_id);
    write_facts_end(to, member_id);
}

void consumer_write_end(const struct group *group)
{
    struct consumer_group *consumer = group->consumer;
    struct consumer_writing to = {group->owner->runtime, group->id, NULL};
    ASSERT(group->kind == GROUP_CONSUMER && consumer != NULL);
    size_t count = 0;
    size_t filled = 0;
    size_t cursor = 0;
    struct string_view **ids = mem_alloc(
        (consumer->members.count + consumer->expressions.count + 1) * sizeof(struct string_view *));
    if (ids == NULL) {
        runtime_fail(to.runtime);
        return;
    }
    struct consumer_member *member;
    while ((member = map_next(&consumer->members, &cursor)) != NULL) {
        ids[count++] = &member->id;
    }
    qsort(ids, count, sizeof *ids, text_order);
    for (filled = 0; filled < count; filled++) {
        write_current_end(&to, *ids[filled]);
        write_target_end(&to, *ids[filled]);
    }
    struct consumer_group_target_assignment_metadata_key target_key = {group->id};
    runtime_write(to.runtime, GROUP_RECORD_CONSUMER_TARGET_EPOCH,
                  &consumer_group_target_assignment_metadata_key_row, &target_key, NULL, 0, NULL);
    for (filled = 0; filled < count; filled++) {
        write_facts_end(&to, *ids[filled]);
    }
    struct consumer_expression *expression;
    cursor = count = 0;
    while ((expression = map_next(&consumer->expressions, &cursor)) != NULL) {
        ids[count++] = &expression->regex;
    }
    qsort(ids, count, sizeof *ids, text_order);
    for (filled = 0; filled < count; filled++) {
        consumer_write_expression_end(&to, *ids[filled]);
    }
    mem_free(ids);
    if (consumer->has_partition_metadata) {
        consumer_write_no_partitions(&to);
    }
    struct consumer_group_metadata_key key = {group->id};
    runtime_write(to.runtime, GROUP_RECORD_CONSUMER_EPOCH, &consumer_group_metadata_key_row, &key,
                  NULL, 0, NULL);
}

/* What facts say as the value of a record; it points into them and into arena. */
bool consumer_facts_value(const struct consumer_facts *facts, struct arena *arena,
                          struct consumer_group_member_metadata_value *value)
{
    consumer_group_member_metadata_value_default(value);
    value->instance_id = facts->instance_id;
    value->rack_id = facts->rack_id;
    value->client_id = facts->client_id;
    value->client_host = facts->client_host;
    value->subscribed_topic_regex = facts->regex;
    value->rebalance_timeout_ms = facts->rebalance_timeout_ms;
    value->server_assignor = facts->assignor;
    value->subscribed_topic_names.items =
        arena_array(arena, facts->name_count, sizeof *value->subscribed_topic_names.items);
    for (size_t i = 0; !arena->failed && i < facts->name_count; i++) {
        value->subscribed_topic_names.items[i] = facts->names[i].key;
        value->subscribed_topic_names.count = (int32_t)i + 1;
    }
    if (!facts->classic || arena->failed) {
        return !arena->failed;
    }
    struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        arena_alloc(arena, sizeof *classic);
    if (classic != NULL) {
        classic->session_timeout_ms = facts->classic_session_timeout_ms;
        classic->supported_protocols.items = arena_array(
            arena, facts->protocol_count, sizeof *classic->supported_protocols.items);
    }
    for (size_t i = 0; !arena->failed && i < facts->protocol_count; i++) {
        classic->supported_protocols.items[i].name = facts->protocols[i].name;
        classic->supported_protocols.items[i].metadata = facts->protocols[i].metadata;
        classic->supported_protocols.count = (int32_t)i + 1;
    }
    value->classic_member_metadata = classic;
    return !arena->failed;
}
