/* history.h: the records of a log of groups, one by one, and those of groups of the consumer
 * protocol. */
#ifndef BNB_TESTS_COORDINATOR_HISTORY_H
#define BNB_TESTS_COORDINATOR_HISTORY_H

#include "fixture.h"

static inline struct string_view none(void) { return (struct string_view){NULL, 0}; }

/* Records of a log by hand. */
struct written {
    struct writer key;
    struct writer value;
    bool tombstone;
};
#define WRITTEN_MAX 24
struct history {
    struct written records[WRITTEN_MAX];
    size_t count;
};

static inline void history_add(struct history *history, int16_t type,
                               const struct codec_struct *key_row, const void *key,
                               const struct codec_struct *value_row, int16_t version,
                               const void *value)
{
    assert_true(history->count < WRITTEN_MAX);
    struct written *written = &history->records[history->count++];
    writer_init(&written->key, 1 << 16);
    writer_init(&written->value, 1 << 16);
    writer_i16(&written->key, type);
    assert_int_equal(codec_encode(key_row, &written->key, 0, key), 0);
    written->tombstone = value_row == NULL;
    if (value_row != NULL) {
        writer_i16(&written->value, version);
        assert_int_equal(codec_encode(value_row, &written->value, version, value), 0);
    }
}

static inline void history_release(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        writer_release(&history->records[i].key);
        writer_release(&history->records[i].value);
    }
}

static inline void add_group(struct history *history, int32_t generation, bool tombstone)
{
    struct group_metadata_key key = {string_view_of("g")};
    struct group_metadata_value value;
    group_metadata_value_default(&value);
    value.protocol_type = string_view_of("consumer");
    value.generation = generation;
    value.protocol = value.leader = none();
    history_add(history, 2, &group_metadata_key_row, &key,
                tombstone ? NULL : &group_metadata_value_row, 3, &value);
}

static inline void add_consumer(struct history *history, int32_t epoch)
{
    struct consumer_group_metadata_key key = {string_view_of("g")};
    struct consumer_group_metadata_value value;
    consumer_group_metadata_value_default(&value);
    value.epoch = epoch;
    history_add(history, 3, &consumer_group_metadata_key_row, &key,
                epoch < 0 ? NULL : &consumer_group_metadata_value_row, 0, &value);
}

static inline void add_consumer_member(struct history *history, bool tombstone)
{
    struct consumer_group_member_metadata_key key = {string_view_of("g"), string_view_of("m")};
    struct consumer_group_member_metadata_value value;
    consumer_group_member_metadata_value_default(&value);
    value.client_id = value.client_host = string_view_of("c");
    value.instance_id = value.rack_id = value.server_assignor = none();
    value.subscribed_topic_regex = none();
    history_add(history, 5, &consumer_group_member_metadata_key_row, &key,
                tombstone ? NULL : &consumer_group_member_metadata_value_row, 0, &value);
}

/* What else there is of a member, and of an expression: records 7, 6, 8 and 16. */
static inline void add_consumer_rest(struct history *history, bool tombstone)
{
    struct uuid topic = {{1}};
    int32_t numbers[] = {0, 1};
    struct consumer_group_target_assignment_member_key target_key = {string_view_of("g"),
                                                                     string_view_of("m")};
    struct consumer_group_target_assignment_member_value_topic_partition aimed = {
        .topic_id = topic, .partitions = {numbers, 2}};
    struct consumer_group_target_assignment_member_value target = {
        .topic_partitions = {&aimed, 1}};
    struct consumer_group_current_member_assignment_key current_key = {string_view_of("g"),
                                                                       string_view_of("m")};
    struct consumer_group_current_member_assignment_value_topic_partitions held = {
        .topic_id = topic, .partitions = {numbers, 2}, .assignment_epochs = {NULL, -1}};
    struct consumer_group_current_member_assignment_value current;
    struct consumer_group_regular_expression_key regex_key = {string_view_of("g"),
                                                              string_view_of("t.*")};
    struct string_view name = string_view_of("t");
    struct consumer_group_regular_expression_value regex = {.topics = {&name, 1}};
    consumer_group_current_member_assignment_value_default(&current);
    current.member_epoch = 2;
    current.assigned_partitions.items = &held;
    current.assigned_partitions.count = 1;
    history_add(history, 8, &consumer_group_current_member_assignment_key_row, &current_key,
                tombstone ? NULL : &consumer_group_current_member_assignment_value_row, 0,
                &current);
    history_add(history, 7, &consumer_group_target_assignment_member_key_row, &target_key,
                tombstone ? NULL : &consumer_group_target_assignment_member_value_row, 0,
                &target);
    history_add(history, 16, &consumer_group_regular_expression_key_row, &regex_key,
                tombstone ? NULL : &consumer_group_regular_expression_value_row, 0, &regex);
}

static inline void add_consumer_target_epoch(struct history *history, bool tombstone)
{
    struct consumer_group_target_assignment_metadata_key key = {string_view_of("g")};
    struct consumer_group_target_assignment_metadata_value value;
    consumer_group_target_assignment_metadata_value_default(&value);
    value.assignment_epoch = 2;
    history_add(history, 6, &consumer_group_target_assignment_metadata_key_row, &key,
                tombstone ? NULL : &consumer_group_target_assignment_metadata_value_row, 0,
                &value);
}

#endif
