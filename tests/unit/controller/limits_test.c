/* What one request may ask of the controller, and how long a setting may become. */
#include "bench.h"

/* As many as a call may write at most, also where it writes nothing: the time that one takes grows
 * with the square of what it names. */
static void topics__too_many_in_a_request_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    struct create_topics_request_creatable_topic topics[] = {
        {.name = string_view_of("a"), .num_partitions = 6000, .replication_factor = 1},
        {.name = string_view_of("b"), .num_partitions = 4001, .replication_factor = 1}};
    struct create_topics_request creation;
    create_topics_request_default(&creation);
    creation.topics.items = topics;
    creation.topics.count = 2;
    creation.validate_only = true;
    const struct create_topics_response *created = ask(&bench, API_CREATE_TOPICS, 7, &creation);
    assert_int_equal(created->topics.count, 2);
    assert_int_equal(created->topics.items[0].error_code, KAFKA_POLICY_VIOLATION);
    assert_int_equal(created->topics.items[1].error_code, KAFKA_POLICY_VIOLATION);
    topics[1].num_partitions = 4000;
    created = ask(&bench, API_CREATE_TOPICS, 7, &creation);
    assert_int_equal(created->topics.items[0].error_code, 0);
    assert_int_equal(created->topics.items[1].error_code, 0);
    struct delete_topics_request deletion;
    delete_topics_request_default(&deletion);
    deletion.topic_names.items = arena_array(&bench.kept, CONTROLLER_RECORDS_MAX + 1,
                                             sizeof *deletion.topic_names.items);
    deletion.topic_names.count = CONTROLLER_RECORDS_MAX + 1;
    for (int32_t i = 0; i < deletion.topic_names.count; i++) {
        deletion.topic_names.items[i] = arena_format(&bench.kept, "t%d", i);
    }
    assert_null(ask(&bench, API_DELETE_TOPICS, 5, &deletion));
    assert_int_equal(bench.error, KAFKA_POLICY_VIOLATION);
    cleanup(&bench);
}

static void alter_configs__a_list_grows_only_as_long_as_a_record_carries(void **state)
{
    (void)state;
    struct bench bench;
    static char first[20001];
    static char second[20001];
    memset(first, 'a', sizeof first - 1);
    memset(second, 'b', sizeof second - 1);
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    assert_int_equal(alter(&bench, 2, "a", "list", first, 0), 0);
    assert_int_equal(alter(&bench, 2, "a", "list", second, 2), KAFKA_INVALID_CONFIG);
    assert_int_equal(bench.error, 0);
    assert_int_equal(alter(&bench, 2, "a", "list", "b", 2), 0);
    cleanup(&bench);
}

/* With eligible leader replicas every broker has the same bound. */
static void alter_configs__no_broker_has_a_bound_of_its_own_in_sync(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(alter(&bench, 4, "1", "min.insync.replicas", "2", 0), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&bench, 4, "1", "min.insync.replicas", NULL, 1), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&bench, 4, "", "min.insync.replicas", "2", 0), 0);
    assert_int_equal(alter(&bench, 4, "", "min.insync.replicas", NULL, 1), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&bench, 4, "1", "log.retention.ms", "2", 0), 0);
    cleanup(&bench);
}

/* What a record says of an epoch may be anything; the next one is what Apache Kafka takes, too: the
 * offset of its record. */
static void broker__registers_again_whatever_epoch_its_record_had(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    struct register_broker_record record;
    register_broker_record_default(&record);
    record.broker_id = 1;
    record.broker_epoch = INT64_MAX;
    controller_records_release(&bench.records);
    controller_records_init(&bench.records);
    controller_records_add(&bench.records, REGISTER_BROKER_RECORD_KEY, 1,
                           &register_broker_record_row, &record);
    commit(&bench);
    int64_t next_offset = bench.next_offset;
    assert_int_equal(register_broker(&bench, 1, 77), next_offset);
    cleanup(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics__too_many_in_a_request_are_refused),
        cmocka_unit_test(alter_configs__a_list_grows_only_as_long_as_a_record_carries),
        cmocka_unit_test(alter_configs__no_broker_has_a_bound_of_its_own_in_sync),
        cmocka_unit_test(broker__registers_again_whatever_epoch_its_record_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
