#include "bench.h"

static void activation__writes_the_bootstrap_in_a_transaction_with_the_isr_bound(void **state)
{
    (void)state;
    struct bench bench;
    struct string_view value;
    setup(&bench, 0);
    assert_int_equal(bench.record_count, 5); /* begin, two features, the setting, end */
    assert_int_equal(image_feature_level(bench.image, "metadata.version"), 30);
    assert_true(image_setting(bench.image, 4, string_view_of(""),
                              string_view_of("min.insync.replicas"), &value));
    assert_true(string_view_is(value, "1"));
    cleanup(&bench);
}

static void create_topics__makes_partitions_on_unfenced_brokers(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 3);
    assert_int_equal(create_one(&bench, "a", 6, 2), 0);
    const struct image_topic *topic = image_topic_by_name(bench.image, string_view_of("a"));
    assert_int_equal(topic->partition_count, 6);
    int leads[4] = {0};
    for (int32_t i = 0; i < 6; i++) {
        const struct image_partition *partition = &topic->partitions[i];
        assert_int_equal(partition->replicas.count, 2);
        assert_int_equal(partition->isr.count, 2);
        assert_int_not_equal(partition->replicas.ids[0], partition->replicas.ids[1]);
        assert_int_equal(partition->leader, partition->replicas.ids[0]);
        assert_int_equal(partition->directories[0].bytes[1], partition->replicas.ids[0]);
        assert_int_equal(partition->leader_epoch, 0);
        assert_int_equal(partition->partition_epoch, 0);
        leads[partition->leader]++;
    }
    assert_int_equal(leads[1], 2);
    assert_int_equal(leads[2], 2);
    assert_int_equal(leads[3], 2);
    cleanup(&bench);
}

static void create_topics__refuses_as_apache_kafka_does(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a.b", -1, -1), 0);
    assert_int_equal(image_topic_by_name(bench.image, string_view_of("a.b"))->partition_count, 2);
    assert_int_equal(create_one(&bench, "a.b", 1, 1), KAFKA_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create_one(&bench, "a_b", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_one(&bench, "", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_one(&bench, "..", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_one(&bench, "sp ace", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_one(&bench, "c", 0, 1), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(create_one(&bench, "c", 1, 0), KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create_one(&bench, "c", 1, 2), KAFKA_INVALID_REPLICATION_FACTOR);
    assert_int_equal(bench.record_count, 0);
    assert_int_equal(image_topic_count(bench.image), 1);
    cleanup(&bench);
}

static void create_topics__answers_repeated_names_once_and_checks_without_writing(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    struct create_topics_request_creatable_topic topics[] = {
        {.name = string_view_of("x"), .num_partitions = 1, .replication_factor = 1},
        {.name = string_view_of("y"), .num_partitions = 1, .replication_factor = 1},
        {.name = string_view_of("x"), .num_partitions = 1, .replication_factor = 1}};
    const struct create_topics_response_creatable_topic_result *results =
        create(&bench, topics, 3, true);
    assert_int_equal(results[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(results[1].error_code, 0);
    assert_int_equal(results[1].num_partitions, 1);
    assert_int_equal(bench.record_count, 0);
    results = create(&bench, topics, 3, false);
    assert_int_equal(results[1].error_code, 0);
    assert_false(uuid_is_zero(results[1].topic_id));
    assert_int_equal(image_topic_count(bench.image), 1);
    cleanup(&bench);
}

static void create_topics__takes_assignments_and_settings_by_hand(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 2);
    int32_t one[] = {2, 1};
    int32_t gone[] = {1, 7};
    int32_t twice[] = {1, 1};
    struct create_topics_request_creatable_topic_config config = {
        string_view_of("retention.ms"), string_view_of("5")};
    struct create_topics_request_creatable_replica_assignment assignment = {0, {one, 2}};
    struct create_topics_request_creatable_topic topic = {.name = string_view_of("m"),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = {&assignment, 1},
                                                          .configs = {&config, 1}};
    assignment.broker_ids.items = gone;
    assert_int_equal(create(&bench, &topic, 1, false)->error_code,
                     KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assignment.broker_ids.items = twice;
    assert_int_equal(create(&bench, &topic, 1, false)->error_code,
                     KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assignment.broker_ids.items = one;
    assignment.partition_index = 1;
    assert_int_equal(create(&bench, &topic, 1, false)->error_code,
                     KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assignment.partition_index = 0;
    config.value = string_view_of("bad");
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, KAFKA_INVALID_CONFIG);
    config.value = string_view_of("5");
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, 0);
    struct string_view value;
    assert_true(image_setting(bench.image, 2, topic.name, config.name, &value));
    assert_int_equal(image_topic_by_name(bench.image, topic.name)->partitions[0].leader, 2);
    cleanup(&bench);
}

static void delete_topics__removes_a_topic_once_however_it_is_named(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    assert_int_equal(create_one(&bench, "b", 1, 1), 0);
    struct uuid a = image_topic_by_name(bench.image, string_view_of("a"))->id;
    struct delete_topics_request request;
    struct delete_topics_request_delete_topic_state states[] = {
        {.name = string_view_of("a")},    {.topic_id = a},
        {.name = string_view_of("b")},    {.name = string_view_of("b")},
        {.name = string_view_of("none")}, {.topic_id = {{3}}}};
    delete_topics_request_default(&request);
    request.topics.items = states;
    request.topics.count = 6;
    const struct delete_topics_response *response = ask(&bench, API_DELETE_TOPICS, 6, &request);
    assert_int_equal(response->responses.count, 5);
    assert_int_equal(response->responses.items[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(response->responses.items[1].error_code, 0);
    assert_int_equal(response->responses.items[2].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(response->responses.items[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(response->responses.items[4].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(bench.record_count, 1);
    assert_int_equal(image_topic_count(bench.image), 1);
    cleanup(&bench);
}

static void create_partitions__only_grows_a_topic_named_once(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 2, 1), 0);
    struct create_partitions_request request;
    struct create_partitions_request_create_partitions_topic topics[] = {
        {.name = string_view_of("a"), .count = 2, .assignments = {NULL, -1}},
        {.name = string_view_of("a"), .count = 5, .assignments = {NULL, -1}}};
    create_partitions_request_default(&request);
    request.topics.items = topics;
    request.topics.count = 2;
    const struct create_partitions_response *response =
        ask(&bench, API_CREATE_PARTITIONS, 3, &request);
    assert_int_equal(response->results.count, 1);
    assert_int_equal(response->results.items[0].error_code, KAFKA_INVALID_REQUEST);
    request.topics.count = 1;
    response = ask(&bench, API_CREATE_PARTITIONS, 3, &request);
    assert_int_equal(response->results.items[0].error_code, KAFKA_INVALID_PARTITIONS);
    request.topics.items = &topics[1];
    topics[1].assignments.count = 0; /* an empty list is one, and names too few */
    response = ask(&bench, API_CREATE_PARTITIONS, 3, &request);
    assert_int_equal(response->results.items[0].error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    topics[1].assignments.count = -1;
    response = ask(&bench, API_CREATE_PARTITIONS, 3, &request);
    assert_int_equal(response->results.items[0].error_code, 0);
    assert_int_equal(image_topic_by_name(bench.image, string_view_of("a"))->partition_count, 5);
    cleanup(&bench);
}

static void alter_configs__sets_appends_takes_out_and_deletes(void **state)
{
    (void)state;
    struct bench bench;
    struct string_view value;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", "delete", 0), 0);
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", "compact,delete", 2), 0);
    assert_true(image_setting(bench.image, 2, string_view_of("a"),
                              string_view_of("cleanup.policy"), &value));
    assert_true(string_view_is(value, "delete,compact"));
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", "delete", 3), 0);
    assert_true(image_setting(bench.image, 2, string_view_of("a"),
                              string_view_of("cleanup.policy"), &value));
    assert_true(string_view_is(value, "compact"));
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", "compact", 0), 0);
    assert_int_equal(bench.record_count, 0); /* nothing changed */
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", NULL, 1), 0);
    assert_false(image_setting(bench.image, 2, string_view_of("a"),
                               string_view_of("cleanup.policy"), &value));
    assert_int_equal(alter(&bench, 2, "a", "cleanup.policy", "bad", 0), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(&bench, 2, "none", "x", "1", 0), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(&bench, 4, "x", "x", "1", 0), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(&bench, 4, "5", "x", "1", 0), KAFKA_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(alter(&bench, 4, "", "x", "1", 0), 0);
    assert_int_equal(alter(&bench, 4, "1", "x", "1", 0), 0);
    assert_int_equal(alter(&bench, 3, "a", "x", "1", 0), KAFKA_INVALID_REQUEST);
    cleanup(&bench);
}

static void broker__gets_a_higher_epoch_with_each_incarnation(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    int64_t first = image_broker_by_id(bench.image, 1)->epoch;
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    int32_t leader_epoch =
        image_topic_by_name(bench.image, string_view_of("a"))->partitions[0].leader_epoch;
    assert_int_equal(register_broker(&bench, 1, 1), first); /* the same incarnation again */
    assert_false(image_broker_by_id(bench.image, 1)->fenced);
    int64_t second = register_broker(&bench, 1, 2);
    assert_true(second > first);
    assert_true(image_broker_by_id(bench.image, 1)->fenced);
    unfence(&bench, 1, second);
    assert_int_equal(
        image_topic_by_name(bench.image, string_view_of("a"))->partitions[0].leader_epoch,
        leader_epoch + 1);
    struct broker_heartbeat_request beat;
    broker_heartbeat_request_default(&beat);
    beat.broker_id = 1;
    beat.broker_epoch = first;
    const struct broker_heartbeat_response *response = ask(&bench, API_BROKER_HEARTBEAT, 1, &beat);
    assert_int_equal(response->error_code, KAFKA_STALE_BROKER_EPOCH);
    assert_int_equal(register_broker(&bench, 2, 1), second + 3);
    assert_int_equal(register_broker(&bench, 2, 9), -KAFKA_DUPLICATE_BROKER_REGISTRATION);
    cleanup(&bench);
}

/* Empties the ISR of the first partition of topic "a", as Apache Kafka's shutdown does; who was in
 * it is eligible, known to have been so, or both. */
static void leave_only_eligible(struct bench *bench, bool eligible, bool known)
{
    struct image_builder *builder;
    struct writer writer;
    int32_t one[] = {1};
    struct partition_change_record change;
    partition_change_record_default(&change);
    change.topic_id = image_topic_by_name(bench->image, string_view_of("a"))->id;
    change.partition_id = 0;
    change.leader = -1;
    change.isr.items = one;
    change.isr.count = 0;
    change.eligible_leader_replicas.items = one;
    change.eligible_leader_replicas.count = eligible ? 1 : 0;
    change.last_known_elr.items = one;
    change.last_known_elr.count = known ? 1 : 0;
    writer_init(&writer, 4096);
    assert_int_equal(metadata_record_encode(&writer, PARTITION_CHANGE_RECORD_KEY, 2,
                                            &partition_change_record_row, &change), 0);
    assert_int_equal(image_builder_create(bench->image, &builder), 0);
    assert_int_equal(image_builder_replay(
                         builder, (struct bytes_view){writer.data, writer.size}, NULL), 0);
    image_unref(&bench->image);
    assert_int_equal(image_builder_finish(&builder, bench->next_offset++, 1, 0, &bench->image),
                     0);
    controller_set_image(bench->controller, bench->image);
    writer_release(&writer);
}

/* Who ended in order is still eligible; who did not leads only as the last one known, and says that
 * records may be missing. */
static void broker__leads_again_what_it_is_only_eligible_for(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        bool eligible = round > 0;
        bool known = round != 1;
        bool clean = round < 3;
        struct bench bench;
        setup(&bench, 1);
        assert_int_equal(create_one(&bench, "a", 1, 1), 0);
        leave_only_eligible(&bench, eligible, known);
        bench.previous_epoch = clean ? image_broker_by_id(bench.image, 1)->epoch : 0;
        unfence(&bench, 1, register_broker(&bench, 1, 2));
        const struct image_partition *partition =
            &image_topic_by_name(bench.image, string_view_of("a"))->partitions[0];
        assert_int_equal(partition->leader, 1);
        assert_int_equal(partition->isr.count, 1);
        assert_int_equal(partition->eligible_leaders.count, 0);
        assert_int_equal(partition->last_known_eligible_leaders.count, 0);
        assert_int_equal(partition->leader_recovery_state, eligible && clean ? 0 : 1);
        cleanup(&bench);
    }
}

static void producer_ids__come_in_blocks_that_never_overlap(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    struct allocate_producer_ids_request request;
    allocate_producer_ids_request_default(&request);
    request.broker_id = 1;
    request.broker_epoch = image_broker_by_id(bench.image, 1)->epoch;
    for (int64_t i = 0; i < 3; i++) {
        const struct allocate_producer_ids_response *response =
            ask(&bench, API_ALLOCATE_PRODUCER_IDS, 0, &request);
        assert_int_equal(response->error_code, 0);
        assert_int_equal(response->producer_id_start, i * 1000);
        assert_int_equal(response->producer_id_len, 1000);
    }
    request.broker_epoch++;
    const struct allocate_producer_ids_response *response =
        ask(&bench, API_ALLOCATE_PRODUCER_IDS, 0, &request);
    assert_int_equal(response->error_code, KAFKA_STALE_BROKER_EPOCH);
    cleanup(&bench);
}

static int16_t update(struct bench *bench, const char *name, int16_t level, int8_t type)
{
    struct update_features_request request;
    struct update_features_request_feature_update_key key = {
        .feature = string_view_of(name), .max_version_level = level, .upgrade_type = type};
    update_features_request_default(&request);
    request.feature_updates.items = &key;
    request.feature_updates.count = 1;
    const struct update_features_response *response =
        ask(bench, API_UPDATE_FEATURES, 2, &request);
    return response->error_code;
}

static void features__move_within_their_range_only(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(update(&bench, "group.version", 1, 1), 0);
    assert_int_equal(image_feature_level(bench.image, "group.version"), 1);
    assert_int_equal(update(&bench, "group.version", 2, 1), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&bench, "group.version", 0, 1), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&bench, "group.version", 0, 2), 0);
    assert_int_equal(update(&bench, "metadata.version", 31, 1), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&bench, "metadata.version", 29, 2), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&bench, "metadata.version", 0, 3), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&bench, "no.such", 1, 1), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(image_feature_level(bench.image, "metadata.version"), 30);
    cleanup(&bench);
}

static int16_t alter_partition(struct bench *bench, int32_t broker, int32_t *isr, int32_t count,
                               int32_t partition_epoch)
{
    struct alter_partition_request request;
    struct alter_partition_request_broker_state members[4] = {{0}};
    const struct image_topic *topic = image_topic_by_name(bench->image, string_view_of("a"));
    struct alter_partition_request_partition_data data = {
        .leader_epoch = topic->partitions[0].leader_epoch,
        .partition_epoch = partition_epoch,
        .new_isr_with_epochs = {members, count}};
    struct alter_partition_request_topic_data asked = {topic->id, {&data, 1}};
    for (int32_t i = 0; i < count; i++) {
        members[i] = (struct alter_partition_request_broker_state){isr[i], -1};
    }
    alter_partition_request_default(&request);
    request.broker_id = broker;
    request.broker_epoch = image_broker_by_id(bench->image, broker)->epoch;
    request.topics.items = &asked;
    request.topics.count = 1;
    const struct alter_partition_response *response =
        ask(bench, API_ALTER_PARTITION, 3, &request);
    assert_int_equal(response->error_code, 0);
    return response->topics.items[0].partitions.items[0].error_code;
}

static void alter_partition__shrinks_and_grows_the_isr_for_its_leader(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 3);
    int32_t replicas[] = {1, 2};
    int32_t strangers[] = {1, 3};
    struct create_topics_request_creatable_replica_assignment assignment = {0, {replicas, 2}};
    struct create_topics_request_creatable_topic topic = {.name = string_view_of("a"),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = {&assignment, 1}};
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, 0);
    assert_int_equal(alter_partition(&bench, 2, replicas, 1, 0), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_partition(&bench, 1, strangers, 2, 0), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_partition(&bench, 1, &replicas[1], 1, 0), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter_partition(&bench, 1, replicas, 1, 9), KAFKA_NOT_CONTROLLER);
    assert_int_equal(alter_partition(&bench, 1, replicas, 1, 0), 0);
    const struct image_partition *partition =
        &image_topic_by_name(bench.image, string_view_of("a"))->partitions[0];
    assert_int_equal(partition->isr.count, 1);
    assert_int_equal(partition->partition_epoch, 1);
    assert_int_equal(partition->leader_epoch, 0);
    assert_int_equal(alter_partition(&bench, 1, replicas, 2, 0), KAFKA_INVALID_UPDATE_VERSION);
    assert_int_equal(alter_partition(&bench, 1, replicas, 2, 1), 0);
    cleanup(&bench);
}

static void elect_leaders__says_when_an_election_is_not_needed(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 3, 1), 0);
    struct elect_leaders_request request;
    elect_leaders_request_default(&request);
    request.topic_partitions.count = -1;
    /* Of all partitions only those are named that want a leader. */
    const struct elect_leaders_response *response = ask(&bench, API_ELECT_LEADERS, 2, &request);
    assert_int_equal(bench.error, 0);
    assert_int_equal(bench.record_count, 0);
    assert_int_equal(response->replica_election_results.count, 1);
    assert_int_equal(response->replica_election_results.items[0].partition_result.count, 0);
    int32_t numbers[] = {0, 3};
    struct elect_leaders_request_topic_partitions asked = {string_view_of("a"), {numbers, 2}};
    request.topic_partitions.items = &asked;
    request.topic_partitions.count = 1;
    response = ask(&bench, API_ELECT_LEADERS, 2, &request);
    const struct elect_leaders_response_partition_result *results =
        response->replica_election_results.items[0].partition_result.items;
    assert_int_equal(bench.record_count, 0);
    assert_int_equal(results[0].error_code, KAFKA_ELECTION_NOT_NEEDED);
    assert_int_equal(results[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    cleanup(&bench);
}

static void reassignments__need_registered_brokers_and_one_to_cancel(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    int32_t same[] = {1};
    int32_t other[] = {8};
    struct alter_partition_reassignments_request_reassignable_partition partitions[] = {
        {0, {same, 1}}, {0, {other, 1}}, {0, {NULL, -1}}, {5, {same, 1}}};
    struct alter_partition_reassignments_request_reassignable_topic topic = {
        string_view_of("a"), {partitions, 4}};
    struct alter_partition_reassignments_request request;
    alter_partition_reassignments_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    const struct alter_partition_reassignments_response *response =
        ask(&bench, API_ALTER_PARTITION_REASSIGNMENTS, 0, &request);
    const struct alter_partition_reassignments_response_reassignable_partition_response *results =
        response->responses.items[0].partitions.items;
    assert_int_equal(results[0].error_code, 0);
    assert_int_equal(results[1].error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(results[2].error_code, KAFKA_NO_REASSIGNMENT_IN_PROGRESS);
    assert_int_equal(results[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(bench.record_count, 0);
    cleanup(&bench);
}

static int16_t assign(struct bench *bench, int64_t epoch, struct uuid directory, struct uuid topic,
                      int32_t partition)
{
    struct assign_replicas_to_dirs_request request;
    struct assign_replicas_to_dirs_request_partition_data at = {partition};
    struct assign_replicas_to_dirs_request_topic_data of = {topic, {&at, 1}};
    struct assign_replicas_to_dirs_request_directory_data in = {directory, {&of, 1}};
    assign_replicas_to_dirs_request_default(&request);
    request.broker_id = 1;
    request.broker_epoch = epoch;
    request.directories.items = &in;
    request.directories.count = 1;
    const struct assign_replicas_to_dirs_response *response =
        ask(bench, API_ASSIGN_REPLICAS_TO_DIRS, 0, &request);
    if (response->error_code != 0) {
        return response->error_code;
    }
    assert_int_equal(response->directories.count, 1);
    assert_true(uuid_equal(response->directories.items[0].id, directory));
    return response->directories.items[0].topics.items[0].partitions.items[0].error_code;
}

/* A broker says where a replica of its own lies; what it said before is not written again. */
static void assign_replicas__takes_the_directory_of_a_broker_for_its_replicas(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 2);
    const struct uuid first = {{9, 1}};
    const struct uuid second = {{7, 1}};
    const struct uuid foreign = {{9, 2}};
    int64_t epoch = register_with(&bench, 1, 77, 2);
    assert_true(epoch > 0);
    unfence(&bench, 1, epoch);
    int32_t replicas[] = {1};
    int32_t others[] = {2};
    struct create_topics_request_creatable_replica_assignment assignments[] = {
        {0, {replicas, 1}}, {1, {others, 1}}};
    struct create_topics_request_creatable_topic topic = {.name = string_view_of("a"),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = {assignments, 2}};
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, 0);
    struct uuid id = image_topic_by_name(bench.image, string_view_of("a"))->id;
    for (int i = 0; i < 2; i++) {
        struct uuid to = i == 0 ? second : first;
        assert_int_equal(assign(&bench, epoch, to, id, 0), 0);
        assert_int_equal(bench.record_count, 1);
        const struct image_partition *partition =
            &image_topic_by_name(bench.image, string_view_of("a"))->partitions[0];
        assert_true(uuid_equal(partition->directories[0], to));
        assert_int_equal(partition->leader_epoch, 0);
        assert_int_equal(assign(&bench, epoch, to, id, 0), 0);
        assert_int_equal(bench.record_count, 0);
    }
    assert_int_equal(assign(&bench, epoch, second, id, 1), KAFKA_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(assign(&bench, epoch, second, id, 2), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(assign(&bench, epoch, second, foreign, 0), KAFKA_UNKNOWN_TOPIC_ID);
    assert_int_equal(assign(&bench, epoch - 1, second, id, 0), KAFKA_STALE_BROKER_EPOCH);
    cleanup(&bench);
}

/* The only partition of topic "a". */
static const struct image_partition *partition_of(const struct bench *bench)
{
    return &image_topic_by_name(bench->image, string_view_of("a"))->partitions[0];
}

/* A replica in a directory that its broker does not have is offline; back in one, it leads. */
static void assign_replicas__to_a_strange_directory_takes_the_replica_offline(void **state)
{
    (void)state;
    static const struct uuid good = {{7, 1}};
    static const struct uuid strange[] = {{{9, 2}}, {{[15] = 2}}};
    static const struct uuid open[] = {{{0}}, {{[15] = 1}}};
    for (size_t i = 0; i < 2; i++) {
        struct bench bench;
        setup(&bench, 1);
        int64_t epoch = register_with(&bench, 1, 77, 2);
        unfence(&bench, 1, epoch);
        assert_int_equal(create_one(&bench, "a", 1, 1), 0);
        struct uuid id = image_topic_by_name(bench.image, string_view_of("a"))->id;
        assert_int_equal(assign(&bench, epoch, open[i], id, 0), 0);
        assert_int_equal(partition_of(&bench)->leader, 1);
        assert_int_equal(assign(&bench, epoch, strange[i], id, 0), 0);
        assert_int_equal(bench.record_count, 2);
        assert_int_equal(partition_of(&bench)->leader, -1);
        assert_int_equal(partition_of(&bench)->leader_epoch, 1);
        assert_int_equal(partition_of(&bench)->isr.count, 0);
        assert_int_equal(assign(&bench, epoch, good, id, 0), 0);
        assert_int_equal(partition_of(&bench)->leader, 1);
        assert_int_equal(partition_of(&bench)->leader_epoch, 2);
        assert_int_equal(partition_of(&bench)->isr.count, 1);
        assert_int_equal(partition_of(&bench)->eligible_leaders.count, 0);
        cleanup(&bench);
    }
}

/* A beat that says that a directory has failed. */
static bool beat_failed(struct bench *bench, int64_t epoch, struct uuid directory)
{
    struct broker_heartbeat_request beat;
    broker_heartbeat_request_default(&beat);
    beat.broker_id = 1;
    beat.broker_epoch = epoch;
    beat.current_metadata_offset = epoch;
    beat.offline_log_dirs.items = &directory;
    beat.offline_log_dirs.count = 1;
    const struct broker_heartbeat_response *response = ask(bench, API_BROKER_HEARTBEAT, 2, &beat);
    assert_int_equal(response->error_code, 0);
    return !response->is_fenced;
}

/* What lies in a directory that failed has no leader until the broker comes back with it; one that
 * never was the broker's changes nothing. */
static void broker__without_a_directory_does_not_lead_what_lies_there(void **state)
{
    (void)state;
    struct bench bench;
    const struct uuid first = {{9, 1}};
    const struct uuid second = {{7, 1}};
    const struct uuid foreign = {{9, 2}};
    setup(&bench, 1);
    int64_t epoch = register_with(&bench, 1, 77, 2);
    unfence(&bench, 1, epoch);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    struct uuid id = image_topic_by_name(bench.image, string_view_of("a"))->id;
    assert_int_equal(assign(&bench, epoch, second, id, 0), 0);
    assert_true(beat_failed(&bench, epoch, foreign));
    assert_int_equal(bench.record_count, 0);
    assert_true(beat_failed(&bench, epoch, second));
    assert_int_equal(bench.record_count, 2);
    const struct image_partition *partition = partition_of(&bench);
    assert_int_equal(partition->leader, -1);
    assert_int_equal(partition->leader_epoch, 1);
    assert_int_equal(partition->isr.count, 0);
    assert_int_equal(partition->eligible_leaders.count, 1);
    assert_int_equal(partition->last_known_eligible_leaders.count, 1);
    assert_int_equal(image_broker_by_id(bench.image, 1)->directory_count, 1);
    assert_true(uuid_equal(image_broker_by_id(bench.image, 1)->directories[0], first));
    assert_true(beat_failed(&bench, epoch, second));
    assert_int_equal(bench.record_count, 0);
    /* Back without it, only nobody relies on it any more; with it, there is a leader. */
    unfence(&bench, 1, register_with(&bench, 1, 78, 1));
    assert_int_equal(partition_of(&bench)->leader, -1);
    assert_int_equal(partition_of(&bench)->eligible_leaders.count, 0);
    assert_int_equal(partition_of(&bench)->last_known_eligible_leaders.count, 1);
    assert_int_equal(partition_of(&bench)->leader_epoch, 1);
    unfence(&bench, 1, register_with(&bench, 1, 79, 2));
    assert_int_equal(partition_of(&bench)->leader, 1);
    assert_int_equal(partition_of(&bench)->leader_epoch, 2);
    assert_int_equal(partition_of(&bench)->isr.count, 1);
    assert_int_equal(partition_of(&bench)->eligible_leaders.count, 0);
    /* It fails while nobody runs. */
    epoch = register_with(&bench, 1, 80, 1);
    unfence(&bench, 1, epoch);
    assert_int_equal(partition_of(&bench)->leader, -1);
    /* It fails before the broker is let in: not in that beat. */
    epoch = register_with(&bench, 1, 81, 2);
    assert_false(beat_failed(&bench, epoch, second));
    unfence(&bench, 1, epoch);
    assert_int_equal(partition_of(&bench)->leader, -1);
    cleanup(&bench);
}

/* An id below 0 stands for nobody: a broker of that name would lead what has no leader. */
static void broker__of_a_negative_id_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    const struct uuid second = {{7, 1}};
    setup(&bench, 1);
    int64_t epoch = register_with(&bench, 1, 77, 2);
    unfence(&bench, 1, epoch);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    struct uuid id = image_topic_by_name(bench.image, string_view_of("a"))->id;
    assert_int_equal(assign(&bench, epoch, second, id, 0), 0);
    assert_true(beat_failed(&bench, epoch, second));
    assert_int_equal(partition_of(&bench)->leader, -1);
    epoch = register_broker(&bench, -1, 1);
    if (epoch > 0) {
        unfence(&bench, -1, epoch);
    }
    assert_int_equal(epoch, -KAFKA_INVALID_REGISTRATION);
    assert_int_equal(bench.record_count, 0);
    cleanup(&bench);
}

/* Of two replicas the other one leads on. */
static void broker__whose_directory_fails_hands_over_to_who_is_in_sync(void **state)
{
    (void)state;
    struct bench bench;
    const struct uuid second = {{7, 1}};
    setup(&bench, 2);
    int64_t epoch = register_with(&bench, 1, 77, 2);
    unfence(&bench, 1, epoch);
    int32_t replicas[] = {1, 2};
    struct create_topics_request_creatable_replica_assignment assignment = {0, {replicas, 2}};
    struct create_topics_request_creatable_topic topic = {.name = string_view_of("a"),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = {&assignment, 1}};
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, 0);
    struct uuid id = image_topic_by_name(bench.image, string_view_of("a"))->id;
    assert_int_equal(assign(&bench, epoch, second, id, 0), 0);
    assert_int_equal(partition_of(&bench)->leader, 1);
    assert_true(beat_failed(&bench, epoch, second));
    const struct image_partition *partition = partition_of(&bench);
    assert_int_equal(partition->leader, 2);
    assert_int_equal(partition->isr.count, 1);
    assert_int_equal(partition->isr.ids[0], 2);
    assert_int_equal(partition->eligible_leaders.count, 0);
    assert_int_equal(partition->last_known_eligible_leaders.count, 0);
    cleanup(&bench);
}

/* A beat that says what is cordoned: count directories of the two, -1: nothing. */
static void beat_cordoned(struct bench *bench, int64_t epoch, int32_t count)
{
    struct broker_heartbeat_request beat;
    struct uuid directories[] = {{{9, 1}}, {{7, 1}}};
    broker_heartbeat_request_default(&beat);
    beat.broker_id = 1;
    beat.broker_epoch = epoch;
    beat.current_metadata_offset = epoch;
    beat.cordoned_log_dirs.items = directories;
    beat.cordoned_log_dirs.count = count;
    const struct broker_heartbeat_response *response = ask(bench, API_BROKER_HEARTBEAT, 2, &beat);
    assert_int_equal(response->error_code, 0);
}

/* What is cordoned is written when it is new, and gone with the next registration; a broker without
 * a directory left gets no replicas but those given by hand. */
static void cordoned__brokers_get_no_replicas_once_no_directory_is_left(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, 1);
    int64_t epoch = register_with(&bench, 1, 77, 2);
    unfence(&bench, 1, epoch);
    assert_int_equal(image_broker_by_id(bench.image, 1)->cordoned_count, -1);
    beat_cordoned(&bench, epoch, -1);
    assert_int_equal(bench.record_count, 0);
    beat_cordoned(&bench, epoch, 0);
    assert_int_equal(bench.record_count, 1);
    beat_cordoned(&bench, epoch, 1);
    assert_int_equal(bench.record_count, 1);
    assert_int_equal(image_broker_by_id(bench.image, 1)->cordoned_count, 1);
    beat_cordoned(&bench, epoch, 1);
    assert_int_equal(bench.record_count, 0);
    assert_int_equal(create_one(&bench, "a", 1, 1), 0);
    beat_cordoned(&bench, epoch, 2);
    assert_int_equal(bench.record_count, 1);
    assert_int_equal(create_one(&bench, "b", 1, 1), KAFKA_INVALID_REPLICATION_FACTOR);
    struct create_partitions_request_create_partitions_topic more = {
        .name = string_view_of("a"), .count = 2, .assignments = {NULL, -1}};
    struct create_partitions_request request;
    create_partitions_request_default(&request);
    request.topics.items = &more;
    request.topics.count = 1;
    const struct create_partitions_response *response =
        ask(&bench, API_CREATE_PARTITIONS, 3, &request);
    assert_int_equal(response->results.items[0].error_code, KAFKA_INVALID_REPLICATION_FACTOR);
    assert_true(string_view_is(response->results.items[0].error_message,
                               "All brokers are currently fenced, or have all their log "
                               "directories cordoned."));
    int32_t replicas[] = {1};
    struct create_topics_request_creatable_replica_assignment assignment = {0, {replicas, 1}};
    struct create_topics_request_creatable_topic topic = {.name = string_view_of("c"),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = {&assignment, 1}};
    assert_int_equal(create(&bench, &topic, 1, false)->error_code, 0);
    epoch = register_with(&bench, 1, 78, 2);
    assert_int_equal(image_broker_by_id(bench.image, 1)->cordoned_count, -1);
    unfence(&bench, 1, epoch);
    assert_int_equal(create_one(&bench, "b", 1, 1), 0);
    cleanup(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activation__writes_the_bootstrap_in_a_transaction_with_the_isr_bound),
        cmocka_unit_test(create_topics__makes_partitions_on_unfenced_brokers),
        cmocka_unit_test(create_topics__refuses_as_apache_kafka_does),
        cmocka_unit_test(create_topics__answers_repeated_names_once_and_checks_without_writing),
        cmocka_unit_test(create_topics__takes_assignments_and_settings_by_hand),
        cmocka_unit_test(delete_topics__removes_a_topic_once_however_it_is_named),
        cmocka_unit_test(create_partitions__only_grows_a_topic_named_once),
        cmocka_unit_test(alter_configs__sets_appends_takes_out_and_deletes),
        cmocka_unit_test(broker__gets_a_higher_epoch_with_each_incarnation),
        cmocka_unit_test(broker__leads_again_what_it_is_only_eligible_for),
        cmocka_unit_test(producer_ids__come_in_blocks_that_never_overlap),
        cmocka_unit_test(features__move_within_their_range_only),
        cmocka_unit_test(alter_partition__shrinks_and_grows_the_isr_for_its_leader),
        cmocka_unit_test(elect_leaders__says_when_an_election_is_not_needed),
        cmocka_unit_test(reassignments__need_registered_brokers_and_one_to_cancel),
        cmocka_unit_test(cordoned__brokers_get_no_replicas_once_no_directory_is_left),
        cmocka_unit_test(assign_replicas__takes_the_directory_of_a_broker_for_its_replicas),
        cmocka_unit_test(assign_replicas__to_a_strange_directory_takes_the_replica_offline),
        cmocka_unit_test(broker__without_a_directory_does_not_lead_what_lies_there),
        cmocka_unit_test(broker__of_a_negative_id_is_refused),
        cmocka_unit_test(broker__whose_directory_fails_hands_over_to_who_is_in_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
