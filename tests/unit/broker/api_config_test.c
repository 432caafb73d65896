/* DescribeConfigs and the two ways to alter, against a fake image; the expectations were read off
 * Apache Kafka 4.3.1. */
#include "fake_broker.h"

static int set_up(void **state)
{
    static const char *const overrides[] = {
        "process.roles=broker,controller",
        "node.id=1",
        "controller.listener.names=CONTROLLER",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        "controller.quorum.voters=1@localhost:9093",
        "log.retention.hours=100",
        "log.cleanup.policy=compact, delete",
        "ssl.key.password=abc",
        "foo.bar=1",
        "super.users=User:a",
        "barnabas.shards=2",
        "log.dirs=/d/one,/d/two",
    };
    struct err_message message = {""};
    (void)state;
    fake = (struct fake){.response = NULL};
    if (config_open(NULL, NULL, overrides, sizeof(overrides) / sizeof(overrides[0]), &fake.config,
                    &message) != 0) {
        return -1;
    }
    fake.image.topics[0] = (struct image_topic){.name = string_view_of("t1")};
    fake.image.topics[0].id.bytes[0] = 1;
    fake.image.topic_count = 1;
    fake_set(2, "t1", "segment.bytes", "2000000");
    fake_set(4, "1", "log.retention.ms", "50000000");
    fake_set(4, "", "log.retention.ms", "60000000");
    fake_set(4, "", "message.max.bytes", "2000000");
    fake_set(32, "g1", "consumer.session.timeout.ms", "50000");
    fake_set(16, "m1", "interval.ms", "5000");
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

/* Describes one setting of one resource (key NULL: all) with synonyms, into fake.response. */
static const char *describe(int8_t type, const char *resource, const char *key, int16_t version)
{
    struct describe_configs_request request;
    struct describe_configs_request_describe_configs_resource item = {
        .resource_type = type, .resource_name = string_view_of(resource)};
    struct string_view keys[1] = {string_view_of(key)};
    item.configuration_keys.count = key == NULL ? -1 : 1;
    item.configuration_keys.items = keys;
    describe_configs_request_default(&request);
    request.resources.items = &item;
    request.resources.count = 1;
    request.include_synonyms = true;
    fake_handle(api_describe_configs, DESCRIBE_CONFIGS_REQUEST_KEY, version, &request);
    return fake.response;
}

static void assert_has(const char *text, const char *part)
{
    assert_non_null(text);
    if (strstr(text, part) == NULL) {
        fail_msg("%s\nis not in\n%s", part, text);
    }
}

static void describe_configs__prints_the_chain_of_a_topic_setting(void **state)
{
    (void)state;
    const char *text = describe(2, "t1", "retention.ms", 4);
    assert_has(text, "50000000");
    assert_has(text, "log.retention.hours");
    assert_null(strstr(text, "segment.bytes"));
    text = describe(2, "t1", "segment.bytes", 4);
    assert_has(text, "2000000");
    assert_has(text, "1073741824");
    /* Nothing goes by the name log.roll.ms: the chain is empty although log.roll.hours has a
     * default. */
    text = describe(2, "t1", "segment.ms", 4);
    assert_has(text, "604800000");
    assert_null(strstr(text, "log.roll.hours"));
}

static void describe_configs__hides_what_is_secret_or_unknown(void **state)
{
    (void)state;
    assert_null(strstr(describe(4, "1", "ssl.key.password", 4), "abc"));
    assert_null(strstr(describe(4, "1", "super.users", 4), "User:a"));
    assert_has(describe(4, "1", "foo.bar", 4), "foo.bar");
    assert_has(describe(4, "1", "barnabas.shards", 4), "barnabas.shards");
    const char *all = describe(4, "1", NULL, 4);
    assert_has(all, "num.io.threads");
    assert_null(strstr(all, "leader.replication.throttled.rate"));
    assert_null(strstr(all, "unstable.api.versions.enable"));
}

static void describe_configs__answers_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 4; version++) {
        assert_has(describe(2, "t1", NULL, version), "cleanup.policy");
        assert_has(describe(4, "1", NULL, version), "log.retention.ms");
        assert_has(describe(4, "", NULL, version), "message.max.bytes");
        assert_has(describe(32, "g1", NULL, version), "consumer.session.timeout.ms");
        assert_has(describe(16, "m1", NULL, version), "interval.ms");
        assert_has(describe(8, "1", NULL, version), "root");
    }
}

static void describe_configs__says_what_is_wrong_with_a_resource(void **state)
{
    (void)state;
    assert_has(describe(2, "b*d", NULL, 4), "Topic name is invalid: 'b*d' contains one or more");
    assert_null(strstr(describe(2, "nope", NULL, 4), "cleanup"));
    assert_has(describe(4, "7", NULL, 4),
               "Unexpected broker id, expected 1 or empty string, but received 7");
    assert_has(describe(4, "x", NULL, 4), "Broker id must be an integer, but it is: x");
    assert_has(describe(32, "", NULL, 4), "Group name must not be empty");
    assert_has(describe(3, "", NULL, 4), "Unsupported resource type: 3");
}

struct alter_case {
    int8_t type;
    const char *resource;
    const char *name;
    const char *value;
    int8_t operation;
    const char *text; /* NULL: it is forwarded */
};
static const struct alter_case alter_cases[] = {
    {2, "t1", "retention.ms", "abc", 0, NULL},
    {2, "t1", "retention.ms", NULL, 0, "Null value not supported for : retention.ms"},
    {2, "t1", "retention.ms", NULL, 1, NULL},
    {4, "1", "foo.bar", "5", 0, NULL},
    {4, "1", "node.id", "5", 0, "Cannot update these configs dynamically: [node.id]"},
    {4, "1", "log.retention.ms", "abc", 0,
     "Invalid value abc for configuration log.retention.ms: Not a number of type LONG"},
    {4, "1", "log.retention.ms", "0", 0,
     "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
    {4, "1", "log.retention.ms", "5000", 0, NULL},
    {4, "", "log.segment.bytes", "5", 0,
     "Invalid value 5 for configuration log.segment.bytes: Value must be at least 1048576"},
    {4, "7", "log.segment.bytes", "1048577", 0, "Unexpected broker id, expected 1, but received 7"},
    {4, "", "listeners", "PLAINTEXT://:1", 0,
     "Cannot update these configs at default cluster level, broker id must be specified: "
     "[listeners]"},
    {4, "1", "ssl.key.password", "a", 0,
     "These security configs can be dynamically updated only per-listener using the listener "
     "prefix: [ssl.key.password]"},
    {4, "1", "listener.name.foo.ssl.keystore.type", "PKCS12", 0, NULL},
    {4, "", "listener.name.foo.ssl.keystore.type", "PKCS12", 0,
     "Cannot update these configs at default cluster level, broker id must be specified: "
     "[listener.name.foo.ssl.keystore.type]"},
    {4, "", "listener.name.foo.max.connections", "9", 0, NULL},
    {4, "1", "ssl.protocol", "TLSv1.2", 0, NULL},
    {4, "1", "log.cleaner.threads", "0", 0, "/ by zero"},
    {4, "", "log.cleaner.dedupe.buffer.size", "1048576", 0,
     "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
    {4, "", "log.cleaner.dedupe.buffer.size", "1048577", 0, NULL},
    {4, "1", "sasl.kerberos.min.time.before.relogin", "58000", 0, NULL},
    {4, "", "sasl.jaas.config", "a", 0,
     "Cannot update these configs at default cluster level, broker id must be specified: "
     "[sasl.jaas.config]"},
    {4, "1", "log.cleanup.policy", "compact", 3, NULL},
    {4, "1", "log.retention.ms", "5", 2,
     "Config value append is not allowed for config key: log.retention.ms"},
    {4, "1", "cordoned.log.dirs", "/d/one", 0, NULL},
    {4, "1", "cordoned.log.dirs", " /d/one , /d/two", 0, NULL},
    {4, "1", "cordoned.log.dirs", "*", 0, NULL},
    {4, "1", "cordoned.log.dirs", "", 0, NULL},
    {4, "1", "cordoned.log.dirs", NULL, 1, NULL},
    {4, "1", "cordoned.log.dirs", "/d/one", 2, NULL},
    {4, "1", "cordoned.log.dirs", "/d/three", 3, NULL},
    {4, "1", "cordoned.log.dirs", "*,/d/one", 0,
     "requirement failed: When cordoned.log.dirs is set to *, it must not contain other values"},
    {4, "1", "cordoned.log.dirs", "/d/three,/d/one,/d/four", 0,
     "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
     "Missing entries : /d/three, /d/four"},
    {4, "1", "cordoned.log.dirs", "/d/three", 2,
     "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
     "Missing entries : /d/three"},
    {4, "", "cordoned.log.dirs", "/d/one", 0,
     "Cannot update these configs at default cluster level, broker id must be specified: "
     "[cordoned.log.dirs]"},
    {8, "1", "kafka.foo", "x", 0, "Logger kafka.foo does not exist!"},
    {0, "2", "a", "b", 0, "Unknown resource type 0"},
};

static void incremental_alter_configs__checks_what_the_broker_checks(void **state)
{
    struct incremental_alter_configs_response none;
    (void)state;
    incremental_alter_configs_response_default(&none);
    fake.forward_response = &none;
    for (size_t i = 0; i < sizeof(alter_cases) / sizeof(alter_cases[0]); i++) {
        const struct alter_case *wanted = &alter_cases[i];
        struct incremental_alter_configs_request_alterable_config change = {
            string_view_of(wanted->name), wanted->operation, string_view_of(wanted->value)};
        struct incremental_alter_configs_request_alter_configs_resource item = {
            .resource_type = wanted->type, .resource_name = string_view_of(wanted->resource)};
        struct incremental_alter_configs_request request;
        item.configs.items = &change;
        item.configs.count = 1;
        incremental_alter_configs_request_default(&request);
        request.resources.items = &item;
        request.resources.count = 1;
        fake_handle(api_incremental_alter_configs, INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY,
                    (int16_t)(i % 2), &request);
        if (wanted->text != NULL) {
            assert_has(fake.response, wanted->text);
            assert_null(fake.forwarded);
        } else {
            assert_has(fake.forwarded, wanted->name);
        }
    }
}

/* Two good resources around a bad one: the bad one is answered here, and each error stays with its
 * own resource. */
static void incremental_alter_configs__puts_both_answers_together(void **state)
{
    struct incremental_alter_configs_request_alterable_config change = {
        string_view_of("retention.ms"), 0, string_view_of("5")};
    struct incremental_alter_configs_request_alterable_config bad = {
        string_view_of("node.id"), 0, string_view_of("5")};
    struct incremental_alter_configs_request_alter_configs_resource items[3] = {
        {.resource_type = 2, .resource_name = string_view_of("t1")},
        {.resource_type = 4, .resource_name = string_view_of("1")},
        {.resource_type = 2, .resource_name = string_view_of("t2")},
    };
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response_alter_configs_resource_response answers[2] = {
        {3, string_view_of("not there"), 2, string_view_of("t2")},
        {0, {NULL, 0}, 2, string_view_of("t1")},
    };
    struct incremental_alter_configs_response response;
    (void)state;
    for (int i = 0; i < 3; i++) {
        items[i].configs.items = i == 1 ? &bad : &change;
        items[i].configs.count = 1;
    }
    incremental_alter_configs_request_default(&request);
    request.resources.items = items;
    request.resources.count = 3;
    incremental_alter_configs_response_default(&response);
    response.responses.items = answers;
    response.responses.count = 2;
    fake.forward_response = &response;
    fake_handle(api_incremental_alter_configs, INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY, 1, &request);
    assert_null(strstr(fake.forwarded, "node.id"));
    const char *first = strstr(fake.response, "\"t1\"");
    const char *wrong = strstr(fake.response, "Cannot update these configs dynamically: [node.id]");
    const char *last = strstr(fake.response, "not there");
    assert_true(first != NULL && wrong != NULL && last != NULL);
    assert_true(first < wrong && wrong < last);
    fake.forward_error = KAFKA_NOT_CONTROLLER;
    fake_handle(api_incremental_alter_configs, INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY, 1, &request);
    assert_has(fake.response, "41");
    items[2].resource_name = string_view_of("t1");
    fake_handle(api_incremental_alter_configs, INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY, 1, &request);
    assert_has(fake.response, "Each resource must appear at most once.");
    assert_null(fake.forwarded);
}

static void alter_configs__refuses_what_a_running_broker_cannot_take(void **state)
{
    struct alter_configs_request_alterable_config change = {string_view_of("node.id"),
                                                            string_view_of("5")};
    struct alter_configs_request_alter_configs_resource item = {
        .resource_type = 4, .resource_name = string_view_of("1")};
    struct alter_configs_request request;
    struct alter_configs_response none;
    (void)state;
    item.configs.items = &change;
    item.configs.count = 1;
    alter_configs_request_default(&request);
    alter_configs_response_default(&none);
    request.resources.items = &item;
    request.resources.count = 1;
    fake.forward_error = 0;
    fake.forward_response = &none;
    for (int16_t version = 0; version <= 2; version++) {
        fake_handle(api_alter_configs, ALTER_CONFIGS_REQUEST_KEY, version, &request);
        assert_has(fake.response, "Cannot update these configs dynamically: [node.id]");
    }
    change.name = string_view_of("log.segment.bytes");
    change.value = string_view_of("1048576");
    fake_handle(api_alter_configs, ALTER_CONFIGS_REQUEST_KEY, 2, &request);
    assert_has(fake.forwarded, "log.segment.bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describe_configs__prints_the_chain_of_a_topic_setting),
        cmocka_unit_test(describe_configs__hides_what_is_secret_or_unknown),
        cmocka_unit_test(describe_configs__answers_in_every_version),
        cmocka_unit_test(describe_configs__says_what_is_wrong_with_a_resource),
        cmocka_unit_test(incremental_alter_configs__checks_what_the_broker_checks),
        cmocka_unit_test(incremental_alter_configs__puts_both_answers_together),
        cmocka_unit_test(alter_configs__refuses_what_a_running_broker_cannot_take),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
