/* Metadata, DescribeCluster, DescribeTopicPartitions, FindCoordinator and the forwards of topics,
 * against a fake image of three brokers (3 is fenced) and three topics. */
#include "fake_broker.h"

static const struct image_endpoint endpoints[3] = {
    {{"PLAINTEXT", 9}, {"one", 3}, 9092, 0},
    {{"PLAINTEXT", 9}, {"two", 3}, 9092, 0},
    {{"PLAINTEXT", 9}, {"three", 5}, 9092, 0},
};
static const struct image_endpoint other_endpoint = {{"OTHER", 5}, {"four", 4}, 9092, 0};
static const int32_t all_ids[3] = {1, 2, 3};
static const int32_t isr_ids[2] = {1, 2};
static const int32_t other_ids[1] = {4};
static struct image_partition partitions[4];

static int set_up(void **state)
{
    static const char *const overrides[] = {
        "process.roles=broker,controller",
        "node.id=1",
        "controller.listener.names=CONTROLLER",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        "controller.quorum.voters=1@localhost:9093",
        "num.partitions=7",
    };
    struct err_message message = {""};
    (void)state;
    fake = (struct fake){.response = NULL};
    if (config_open(NULL, NULL, overrides, sizeof(overrides) / sizeof(overrides[0]), &fake.config,
                    &message) != 0) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        fake.image.brokers[i] = (struct image_broker){
            .id = i + 1, .fenced = i == 2, .endpoint_count = 1, .endpoints = &endpoints[i]};
    }
    fake.image.brokers[3] = (struct image_broker){
        .id = 4, .endpoint_count = 1, .endpoints = &other_endpoint};
    fake.image.broker_count = 4;
    partitions[0] = (struct image_partition){
        .leader = 2, .leader_epoch = 5, .replicas = {3, all_ids}, .isr = {2, isr_ids}};
    partitions[1] = (struct image_partition){
        .leader = -1, .leader_epoch = 6, .replicas = {3, all_ids}, .isr = {2, isr_ids}};
    partitions[2] = (struct image_partition){
        .leader = 4, .leader_epoch = 7, .replicas = {1, other_ids}, .isr = {1, other_ids}};
    partitions[3] = partitions[0];
    static const char *const names[3] = {"__consumer_offsets", "a", "b"};
    for (int i = 0; i < 3; i++) {
        fake.image.topics[i] = (struct image_topic){
            .name = string_view_of(names[i]), .partition_count = 4, .partitions = partitions};
        fake.image.topics[i].id.bytes[0] = (uint8_t)(i + 1);
    }
    fake.image.topic_count = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_close(&fake.config);
    free(fake.response);
    free(fake.forwarded);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    assert_non_null(text);
    if (strstr(text, part) == NULL) {
        fail_msg("%s\nis not in\n%s", part, text);
    }
}

static const char *metadata(int16_t version, int32_t count,
                            struct metadata_request_metadata_request_topic *topics, bool create)
{
    struct metadata_request request;
    metadata_request_default(&request);
    request.topics.items = topics;
    request.topics.count = count;
    request.allow_auto_topic_creation = create;
    fake_handle(api_metadata, METADATA_REQUEST_KEY, version, &request);
    return fake.response;
}

static void metadata__answers_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = METADATA_REQUEST_MIN_VERSION; version <= METADATA_REQUEST_MAX_VERSION;
         version++) {
        struct metadata_request_metadata_request_topic topics[3] = {
            {.name = string_view_of("a")}, {.name = string_view_of("none")},
            {.name = string_view_of("a")}};
        const char *text = metadata(version, version == 0 ? 0 : -1, NULL, false);
        assert_has(text, "__consumer_offsets");
        assert_has(text, "one");
        assert_null(strstr(text, "three"));
        assert_null(strstr(text, "four"));
        text = metadata(version, 3, topics, false);
        assert_has(text, "none");
        assert_null(strstr(text, "\"b\""));
        assert_null(fake.forwarded);
    }
}

/* Version 0 leaves out what cannot be reached and says so; later ones list every replica. */
static void metadata__lists_replicas_by_version(void **state)
{
    (void)state;
    struct metadata_request_metadata_request_topic topic = {.name = string_view_of("a")};
    const char *text = metadata(13, 1, &topic, false);
    assert_has(text, "\"leader_id\":2");
    assert_has(text, "\"leader_epoch\":7");
    assert_has(text, "\"error_code\":72");
    assert_has(text, "\"offline_replicas\":[3]");
    assert_has(text, "\"offline_replicas\":[4]");
    assert_has(metadata(5, 1, &topic, false), "\"error_code\":5");
}

static void metadata__finds_topics_by_id(void **state)
{
    (void)state;
    struct metadata_request_metadata_request_topic topics[2] = {{.name = {NULL, 0}},
                                                                {.name = {NULL, 0}}};
    topics[0].topic_id.bytes[0] = 2;
    topics[1].topic_id.bytes[0] = 9;
    const char *text = metadata(12, 2, topics, true);
    assert_has(text, "\"a\"");
    assert_has(text, "\"error_code\":100");
    assert_null(fake.forwarded);
    assert_has(metadata(11, 2, topics, true), "\"error_code\":42");
}

static void metadata__creates_a_missing_topic_when_it_may(void **state)
{
    (void)state;
    struct metadata_request_metadata_request_topic topics[2] = {
        {.name = string_view_of("fresh")}, {.name = string_view_of("b*d")}};
    struct create_topics_response created;
    create_topics_response_default(&created);
    fake.forward_response = &created;
    fake.forward_error = 0;
    const char *text = metadata(12, 2, topics, true);
    assert_has(text, "\"error_code\":3");
    assert_has(text, "\"error_code\":17");
    assert_int_equal(fake.forwarded_key, CREATE_TOPICS_REQUEST_KEY);
    assert_has(fake.forwarded, "fresh");
    assert_has(fake.forwarded, "\"num_partitions\":7");
    assert_null(strstr(fake.forwarded, "b*d"));
    (void)metadata(12, 2, topics, false);
    assert_null(fake.forwarded);
    topics[0].name = string_view_of("__transaction_state");
    (void)metadata(12, 2, topics, true);
    assert_has(fake.forwarded, "104857600");
    assert_has(fake.forwarded, "\"num_partitions\":50");
}

static void describe_cluster__lists_fenced_brokers_when_asked(void **state)
{
    (void)state;
    struct describe_cluster_request request;
    describe_cluster_request_default(&request);
    for (int16_t version = 0; version <= 2; version++) {
        fake_handle(api_describe_cluster, DESCRIBE_CLUSTER_REQUEST_KEY, version, &request);
        assert_has(fake.response, "\"cluster\"");
        assert_has(fake.response, "\"controller_id\":1");
        assert_null(strstr(fake.response, "three"));
    }
    request.include_fenced_brokers = true;
    fake_handle(api_describe_cluster, DESCRIBE_CLUSTER_REQUEST_KEY, 2, &request);
    assert_has(fake.response, "three");
    request.endpoint_type = 2;
    fake_handle(api_describe_cluster, DESCRIBE_CLUSTER_REQUEST_KEY, 1, &request);
    assert_has(fake.response, "\"error_code\":114");
    request.endpoint_type = 5;
    fake_handle(api_describe_cluster, DESCRIBE_CLUSTER_REQUEST_KEY, 1, &request);
    assert_has(fake.response, "\"error_code\":115");
}

/* Twelve partitions in pages of five: the cursor leads through all of them, once. */
static void describe_topic_partitions__pages_through_every_partition(void **state)
{
    (void)state;
    static const char *const pages[3] = {"\"topic_name\":\"a\",\"partition_index\":1",
                                         "\"topic_name\":\"b\",\"partition_index\":2",
                                         "\"next_cursor\":null"};
    struct describe_topic_partitions_request_cursor cursors[2] = {{string_view_of("a"), 1},
                                                                  {string_view_of("b"), 2}};
    struct describe_topic_partitions_request request;
    describe_topic_partitions_request_default(&request);
    request.response_partition_limit = 5;
    for (int page = 0; page < 3; page++) {
        request.cursor = page == 0 ? NULL : &cursors[page - 1];
        fake_handle(api_describe_topic_partitions, DESCRIBE_TOPIC_PARTITIONS_REQUEST_KEY, 0,
                    &request);
        assert_has(fake.response, pages[page]);
    }
    request.response_partition_limit = 4;
    request.cursor = NULL;
    fake_handle(api_describe_topic_partitions, DESCRIBE_TOPIC_PARTITIONS_REQUEST_KEY, 0, &request);
    assert_has(fake.response, "\"topic_name\":\"a\",\"partition_index\":0");
    cursors[0].partition_index = -1;
    request.cursor = &cursors[0];
    fake_handle(api_describe_topic_partitions, DESCRIBE_TOPIC_PARTITIONS_REQUEST_KEY, 0, &request);
    assert_has(fake.response, "\"topics\":[]");
}

static void find_coordinator__knows_none_yet(void **state)
{
    (void)state;
    struct string_view keys[2] = {string_view_of("g1"), string_view_of("g2")};
    struct find_coordinator_request request;
    find_coordinator_request_default(&request);
    request.key = keys[0];
    request.coordinator_keys.items = keys;
    request.coordinator_keys.count = 2;
    for (int16_t version = 0; version <= 6; version++) {
        fake_handle(api_find_coordinator, FIND_COORDINATOR_REQUEST_KEY, version, &request);
        assert_has(fake.response, "\"error_code\":15");
        assert_has(fake.response, "\"node_id\":-1");
    }
    assert_has(fake.response, "g2");
    request.key_type = 2;
    fake_handle(api_find_coordinator, FIND_COORDINATOR_REQUEST_KEY, 5, &request);
    assert_has(fake.response, "\"error_code\":42");
    keys[0] = string_view_of("a:group:AAAAAAAAAAEAAAAAAAAAAg:3");
    keys[1] = string_view_of("group:x:3");
    fake_handle(api_find_coordinator, FIND_COORDINATOR_REQUEST_KEY, 6, &request);
    assert_has(fake.response, "\"error_code\":15");
    assert_has(fake.response, "\"error_code\":42");
}

static void create_topics__answers_names_that_come_twice_itself(void **state)
{
    (void)state;
    struct create_topics_request_creatable_topic topics[4];
    static const char *const names[4] = {"x", "y", "x", "__cluster_metadata"};
    struct create_topics_request request;
    struct create_topics_response_creatable_topic_result result = {
        .name = string_view_of("y"), .num_partitions = 1, .replication_factor = 1};
    struct create_topics_response response;
    create_topics_response_default(&response);
    response.topics.items = &result;
    response.topics.count = 1;
    create_topics_request_default(&request);
    for (int i = 0; i < 4; i++) {
        topics[i] = (struct create_topics_request_creatable_topic){
            .name = string_view_of(names[i]), .num_partitions = 1, .replication_factor = 1};
    }
    request.topics.items = topics;
    request.topics.count = 4;
    fake.forward_error = 0;
    fake.forward_response = &response;
    for (int16_t version = 2; version <= 7; version++) {
        fake_handle(api_create_topics, CREATE_TOPICS_REQUEST_KEY, version, &request);
        assert_has(fake.response, "Duplicate topic name.");
        assert_has(fake.response, "Creation of internal topic __cluster_metadata is prohibited.");
        assert_has(fake.response, "\"y\"");
        assert_null(strstr(fake.forwarded, "\"x\""));
        assert_null(strstr(fake.forwarded, "__cluster_metadata"));
    }
    fake.forward_error = KAFKA_NOT_CONTROLLER;
    fake_handle(api_create_topics, CREATE_TOPICS_REQUEST_KEY, 7, &request);
    assert_has(fake.response, "\"error_code\":41");
}

/* Each API that is passed on has a response of its own for a controller that cannot be asked. */
static void forward__says_that_the_controller_cannot_be_asked(void **state)
{
    (void)state;
    fake.forward_error = KAFKA_NOT_CONTROLLER;
    fake.forward_response = NULL;
#define FAILS(lower, upper, handler) \
    do { \
        struct lower##_request request; \
        lower##_request_default(&request); \
        for (int16_t v = upper##_REQUEST_MIN_VERSION; v <= upper##_REQUEST_MAX_VERSION; v++) { \
            fake_handle(handler, upper##_REQUEST_KEY, v, &request); \
            assert_false(fake.closed); \
        } \
        assert_has(fake.response, "\"error_code\":41"); \
    } while (0)
    FAILS(update_features, UPDATE_FEATURES, api_forward);
    FAILS(describe_quorum, DESCRIBE_QUORUM, api_forward);
    FAILS(elect_leaders, ELECT_LEADERS, api_elect_leaders);
    FAILS(list_partition_reassignments, LIST_PARTITION_REASSIGNMENTS, api_forward);
    FAILS(alter_partition_reassignments, ALTER_PARTITION_REASSIGNMENTS, api_forward);
    FAILS(unregister_broker, UNREGISTER_BROKER, api_forward);
    FAILS(allocate_producer_ids, ALLOCATE_PRODUCER_IDS, api_forward);
#undef FAILS
    struct create_partitions_request_create_partitions_topic topic = {.name = string_view_of("a")};
    struct create_partitions_request partitions_request;
    create_partitions_request_default(&partitions_request);
    partitions_request.topics.items = &topic;
    partitions_request.topics.count = 1;
    fake_handle(api_create_partitions, CREATE_PARTITIONS_REQUEST_KEY, 3, &partitions_request);
    assert_has(fake.response, "\"error_code\":41");
    struct string_view name = string_view_of("a");
    struct delete_topics_request_delete_topic_state by_id = {.name = {NULL, 0}};
    struct delete_topics_request deletion;
    by_id.topic_id.bytes[0] = 2;
    delete_topics_request_default(&deletion);
    deletion.topic_names.items = &name;
    deletion.topic_names.count = 1;
    deletion.topics.items = &by_id;
    deletion.topics.count = 1;
    for (int16_t version = 1; version <= 6; version++) {
        fake_handle(api_delete_topics, DELETE_TOPICS_REQUEST_KEY, version, &deletion);
        assert_has(fake.response, "\"error_code\":41");
    }
}

static void delete_topics__answers_what_is_malformed_itself(void **state)
{
    (void)state;
    struct delete_topics_request_delete_topic_state items[6] = {
        {.name = string_view_of("a")}, {.name = string_view_of("c")}, {.name = string_view_of("a")},
        {.name = {NULL, 0}},           {.name = string_view_of("b")}, {.name = {NULL, 0}}};
    struct delete_topics_response_deletable_topic_result result = {.name = string_view_of("c"),
                                                                   .error_code = 3,
                                                                   .error_message = {NULL, 0}};
    struct delete_topics_response response;
    struct delete_topics_request request;
    struct string_view names[3] = {string_view_of("a"), string_view_of("c"), string_view_of("a")};
    items[4].topic_id.bytes[0] = 7;
    items[5].topic_id.bytes[0] = 8;
    delete_topics_response_default(&response);
    response.responses.items = &result;
    response.responses.count = 1;
    delete_topics_request_default(&request);
    request.topics.items = items;
    request.topics.count = 6;
    fake.forward_error = 0;
    fake.forward_response = &response;
    fake_handle(api_delete_topics, DELETE_TOPICS_REQUEST_KEY, 6, &request);
    assert_has(fake.response, "Duplicate topic name.");
    assert_has(fake.response, "You may not specify both topic name and topic id.");
    assert_has(fake.response, "Neither topic name nor id were specified.");
    assert_has(fake.forwarded, "\"c\"");
    assert_null(strstr(fake.forwarded, "\"a\""));
    assert_null(strstr(fake.forwarded, "\"b\""));
    request.topics.count = 0;
    request.topic_names.items = names;
    request.topic_names.count = 3;
    fake_handle(api_delete_topics, DELETE_TOPICS_REQUEST_KEY, 5, &request);
    assert_has(fake.response, "Duplicate topic name.");
    assert_has(fake.response, "\"error_code\":3");
    assert_null(strstr(fake.forwarded, "\"a\""));
}

static void create_partitions__answers_names_that_come_twice_itself(void **state)
{
    (void)state;
    struct create_partitions_request_create_partitions_topic topics[3] = {
        {.name = string_view_of("a"), .count = 5}, {.name = string_view_of("b"), .count = 5},
        {.name = string_view_of("a"), .count = 6}};
    struct create_partitions_response_create_partitions_topic_result result = {
        .name = string_view_of("b"), .error_message = {NULL, 0}};
    struct create_partitions_response response;
    struct create_partitions_request request;
    create_partitions_response_default(&response);
    response.results.items = &result;
    response.results.count = 1;
    create_partitions_request_default(&request);
    request.topics.items = topics;
    request.topics.count = 3;
    fake.forward_error = 0;
    fake.forward_response = &response;
    fake_handle(api_create_partitions, CREATE_PARTITIONS_REQUEST_KEY, 3, &request);
    assert_has(fake.response, "Duplicate topic name.");
    assert_has(fake.response, "\"b\"");
    topics[1].name = topics[0].name;
    fake_handle(api_create_partitions, CREATE_PARTITIONS_REQUEST_KEY, 3, &request);
    assert_int_equal(fake.forwarded_key, -1);
    assert_has(fake.response, "Duplicate topic name.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata__answers_in_every_version),
        cmocka_unit_test(metadata__lists_replicas_by_version),
        cmocka_unit_test(metadata__finds_topics_by_id),
        cmocka_unit_test(metadata__creates_a_missing_topic_when_it_may),
        cmocka_unit_test(describe_cluster__lists_fenced_brokers_when_asked),
        cmocka_unit_test(describe_topic_partitions__pages_through_every_partition),
        cmocka_unit_test(find_coordinator__knows_none_yet),
        cmocka_unit_test(create_topics__answers_names_that_come_twice_itself),
        cmocka_unit_test(delete_topics__answers_what_is_malformed_itself),
        cmocka_unit_test(create_partitions__answers_names_that_come_twice_itself),
        cmocka_unit_test(forward__says_that_the_controller_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
