#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "broker/config_internal.h"
#include "broker/handlers.h"

static const enum config_scope scopes[] = {CONFIG_SCOPE_BROKER, CONFIG_SCOPE_TOPIC,
                                           CONFIG_SCOPE_GROUP, CONFIG_SCOPE_CLIENT_METRICS};

/* Each row must stand behind the one before it, or the binary search would miss some. */
static void config__rows_are_sorted_and_found(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        for (size_t i = 0; i < config_row_count(scopes[s]); i++) {
            const struct config_row *row = config_row_at(scopes[s], i);
            assert_true(i == 0 || strcmp(config_row_at(scopes[s], i - 1)->name, row->name) < 0);
            assert_ptr_equal(config_row_find(scopes[s], string_view_of(row->name)), row);
            assert_int_equal(config_row_index(row), i);
        }
    }
    assert_null(config_row_find(CONFIG_SCOPE_TOPIC, string_view_of("retention")));
    assert_null(config_row_find(CONFIG_SCOPE_TOPIC, string_view_of("")));
}

/* A default that fails its own check would make every start fail. */
static void config__every_default_passes_its_check(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        for (size_t i = 0; i < config_row_count(scopes[s]); i++) {
            const struct config_row *row = config_row_at(scopes[s], i);
            /* Kafka leaves quorum lists and class paths empty by default without checking. */
            if (row->default_value != NULL && row->default_value[0] != '\0') {
                struct err_message message = {""};
                if (config_check(row, string_view_of(row->default_value), &message) != 0) {
                    fail_msg("%s: %s", row->name, message.text);
                }
            }
            assert_true(row->sensitive == (row->type == CONFIG_PASSWORD));
            assert_true(row->doc[0] != '\0');
        }
    }
}

static void config__defaults_of_topics_and_groups_name_broker_settings(void **state)
{
    (void)state;
    for (size_t s = 1; s < 3; s++) {
        for (size_t i = 0; i < config_row_count(scopes[s]); i++) {
            const struct config_row *row = config_row_at(scopes[s], i);
            if (row->broker_name != NULL) {
                const struct config_row *broker = config_row_find(
                    CONFIG_SCOPE_BROKER, string_view_of(row->broker_name));
                assert_non_null(broker);
                assert_int_equal(broker->type, row->type);
            }
        }
    }
}

struct check_case {
    enum config_scope scope;
    const char *name;
    const char *value;
    const char *text; /* NULL: fine */
};
/* The texts were read off Apache Kafka 4.3.1. */
static const struct check_case check_cases[] = {
    {CONFIG_SCOPE_TOPIC, "retention.ms", "abc",
     "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
    {CONFIG_SCOPE_TOPIC, "retention.ms", "-5",
     "Invalid value -5 for configuration retention.ms: Value must be at least -1"},
    {CONFIG_SCOPE_TOPIC, "retention.ms", " 5 ", NULL},
    {CONFIG_SCOPE_TOPIC, "retention.ms", "",
     "Invalid value  for configuration retention.ms: Not a number of type LONG"},
    {CONFIG_SCOPE_TOPIC, "retention.ms", "99999999999999999999",
     "Invalid value 99999999999999999999 for configuration retention.ms: Not a number of type "
     "LONG"},
    {CONFIG_SCOPE_TOPIC, "segment.bytes", "1.5",
     "Invalid value 1.5 for configuration segment.bytes: Not a number of type INT"},
    {CONFIG_SCOPE_TOPIC, "segment.bytes", "100",
     "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576"},
    {CONFIG_SCOPE_TOPIC, "segment.bytes", "+2000000", NULL},
    {CONFIG_SCOPE_TOPIC, "segment.bytes", "3000000000",
     "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT"},
    {CONFIG_SCOPE_TOPIC, "min.cleanable.dirty.ratio", "2",
     "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
    {CONFIG_SCOPE_TOPIC, "min.cleanable.dirty.ratio", "-0.5",
     "Invalid value -0.5 for configuration min.cleanable.dirty.ratio: Value must be at least 0"},
    {CONFIG_SCOPE_TOPIC, "min.cleanable.dirty.ratio", "x",
     "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
    {CONFIG_SCOPE_TOPIC, "min.cleanable.dirty.ratio", "0.5d", NULL},
    {CONFIG_SCOPE_TOPIC, "preallocate", "yes",
     "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
    {CONFIG_SCOPE_TOPIC, "preallocate", "TRUE", NULL},
    {CONFIG_SCOPE_TOPIC, "compression.type", "foo",
     "Invalid value foo for configuration compression.type: String must be one of: uncompressed, "
     "zstd, lz4, snappy, gzip, producer"},
    {CONFIG_SCOPE_TOPIC, "compression.gzip.level", "0",
     "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or "
     "equal to -1"},
    {CONFIG_SCOPE_TOPIC, "compression.lz4.level", "20",
     "Invalid value 20 for configuration compression.lz4.level: Value must be no more than 17"},
    {CONFIG_SCOPE_TOPIC, "cleanup.policy", "foo",
     "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
    {CONFIG_SCOPE_TOPIC, "cleanup.policy", "delete,delete", NULL},
    {CONFIG_SCOPE_TOPIC, "cleanup.policy", "", NULL},
    {CONFIG_SCOPE_TOPIC, "cleanup.policy", "compact, delete", NULL},
    {CONFIG_SCOPE_TOPIC, "cleanup.policy", "compact,,delete",
     "Configuration 'cleanup.policy' values must not be empty."},
    {CONFIG_SCOPE_TOPIC, "leader.replication.throttled.replicas", "1:2,3:4", NULL},
    {CONFIG_SCOPE_TOPIC, "leader.replication.throttled.replicas", "*", NULL},
    {CONFIG_SCOPE_TOPIC, "leader.replication.throttled.replicas", "x",
     "Invalid value [x] for configuration leader.replication.throttled.replicas: "
     "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the "
     "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    {CONFIG_SCOPE_BROKER, "listeners", "",
     "Configuration 'listeners' must not be empty. Valid values include: any non-empty value"},
    {CONFIG_SCOPE_BROKER, "process.roles", "",
     "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]"},
    {CONFIG_SCOPE_BROKER, "log.dirs", "/a,",
     "Configuration 'log.dirs' values must not be empty."},
    {CONFIG_SCOPE_BROKER, "controller.quorum.voters", "1@x",
     "Failed to parse host name from entry 1@x for the configuration controller.quorum.voters. "
     "Each "
     "entry should be in the form `{id}@{host}:{port}`."},
    {CONFIG_SCOPE_BROKER, "controller.quorum.voters", "x@h:1",
     "Failed to parse voter ID as an integer from x"},
    {CONFIG_SCOPE_BROKER, "controller.quorum.voters", "1@h:1,2@[::1]:2", NULL},
    {CONFIG_SCOPE_BROKER, "controller.quorum.bootstrap.servers", "a:b",
     "Failed to parse host name from a:b for the configuration "
     "controller.quorum.bootstrap.servers. Each entry should be in the form \"{host}:{port}\""},
    {CONFIG_SCOPE_BROKER, "remote.log.metadata.manager.impl.prefix", "",
     "Invalid value  for configuration remote.log.metadata.manager.impl.prefix: String must be "
     "non-empty"},
    {CONFIG_SCOPE_BROKER, "group.consumer.migration.policy", "foo",
     "Invalid value foo for configuration group.consumer.migration.policy: String must be one of "
     "(case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL"},
    {CONFIG_SCOPE_BROKER, "group.consumer.migration.policy", "Upgrade", NULL},
    {CONFIG_SCOPE_BROKER, "offsets.topic.replication.factor", "70000",
     "Invalid value 70000 for configuration offsets.topic.replication.factor: Not a number of type "
     "SHORT"},
    {CONFIG_SCOPE_GROUP, "share.auto.offset.reset", "by_duration:P1DT2H3.5S", NULL},
    {CONFIG_SCOPE_GROUP, "share.auto.offset.reset", "by_duration:P1H",
     "Invalid value by_duration:P1H for configuration share.auto.offset.reset: Invalid value "
     "`by_duration:P1H` for configuration share.auto.offset.reset. The value must be either "
     "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."},
};

static void config__checks_speak_as_kafka_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(check_cases) / sizeof(check_cases[0]); i++) {
        const struct check_case *wanted = &check_cases[i];
        const struct config_row *row = config_row_find(wanted->scope,
                                                       string_view_of(wanted->name));
        assert_non_null(row);
        struct err_message message = {""};
        int code = config_check(row, string_view_of(wanted->value), &message);
        assert_int_equal(code, wanted->text != NULL ? ERR_INVALID : 0);
        if (wanted->text != NULL) {
            assert_string_equal(message.text, wanted->text);
        }
    }
}

/* Opens with a base that is a whole node, then the overrides given ("-key" takes one away). */
static struct config *open_with(const char *const *extra, struct err_message *message)
{
    static const char *const base[] = {
        "process.roles=broker,controller",
        "node.id=1",
        "controller.listener.names=CONTROLLER",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        "controller.quorum.bootstrap.servers=localhost:9093",
    };
    const char *overrides[32];
    int32_t count = 0;
    for (size_t i = 0; i < 5; i++) {
        bool gone = false;
        for (size_t j = 0; extra[j] != NULL; j++) {
            size_t size = strlen(extra[j]) - 1;
            gone = gone || (extra[j][0] == '-' && strncmp(base[i], extra[j] + 1, size) == 0);
        }
        if (!gone) {
            overrides[count++] = base[i];
        }
    }
    for (size_t j = 0; extra[j] != NULL; j++) {
        if (extra[j][0] != '-') {
            overrides[count++] = extra[j];
        }
    }
    struct config *config = NULL;
    *message = (struct err_message){""};
    (void)config_open(NULL, NULL, overrides, count, &config, message);
    return config;
}

struct open_case {
    const char *extra[4];
    const char *text; /* a part of the error; NULL: opens */
};
static const struct open_case open_cases[] = {
    {{"log.dirs=/a"}, NULL},
    {{"log.dirs=/a, /a"}, NULL},
    {{"process.roles=broker,controller,broker"}, NULL},
    {{"early.start.listeners=X"}, "early.start.listeners contains listener X, but this is not"},
    {{"connections.max.idle.ms=0"},
     "connection.failed.authentication.delay.ms=100 should always be less than "
     "connections.max.idle.ms=0 to prevent failed authentication responses from timing out"},
    {{"group.coordinator.rebalance.protocols=consumer"},
     "Disabling the 'classic' protocol is not supported."},
    {{"group.streams.num.standby.replicas=3"},
     "group.streams.num.standby.replicas must be less than or equal to"},
    {{"queued.max.request.bytes=100"}, "queued.max.request.bytes must be larger or equal to"},
    {{"-process.roles"},
     "Missing required configuration \"process.roles\" which has no default value."},
    {{"-node.id"}, "Missing required configuration \"node.id\" which has no default value."},
    {{"-node.id", "broker.id=3"}, NULL},
    {{"broker.id=3"}, "You must set `node.id` to the same value as `broker.id`."},
    {{"-controller.listener.names"},
     "Missing required configuration \"controller.listener.names\""},
    {{"process.roles=broker"}, "controller.listener.names must not contain a value appearing in"},
    {{"process.roles=broker", "listeners=PLAINTEXT://:9092"}, NULL},
    {{"process.roles=controller"}, "The listeners config must only contain KRaft controller"},
    {{"process.roles=controller", "listeners=CONTROLLER://:9093"}, NULL},
    {{"process.roles=controller", "listeners=CONTROLLER://:9093", "controller.listener.names=CTL"},
     "No security protocol defined for listener CONTROLLER"},
    {{"-controller.quorum.bootstrap.servers"}, "If using process.roles, either"},
    {{"controller.quorum.voters=2@h:9093"}, "the node id 1 must be included in the set of voters"},
    {{"controller.quorum.voters=1@h:9093,2@h:9094"}, NULL},
    {{"listeners=PLAINTEXT://localhost:9092"},
     "controller.listener.names must contain at least one value appearing in the 'listeners'"},
    {{"listeners=CONTROLLER://localhost:9093"}, "There must be at least one broker advertised"},
    {{"listeners=PLAINTEXT://a:1,PLAINTEXT://b:2,CONTROLLER://:3"}, "must have a different name"},
    {{"listeners=PLAINTEXT://a:9092,CONTROLLER://a:9092"}, "must have a different port"},
    {{"listeners=PLAINTEXT://a:0,CONTROLLER://a:0"}, NULL},
    {{"listeners=FOO://a:9092,CONTROLLER://:9093"},
     "No security protocol defined for listener FOO"},
    {{"listeners=PLAINTEXT://localhost,CONTROLLER://:9093"}, "to a broker endpoint"},
    {{"listeners=nonsense"}, "Unable to parse a listener name from nonsense"},
    {{"listeners=plaintext://a:9092,controller://:9093"}, NULL},
    {{"listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093"}, "nonroutable meta-address 0.0.0.0"},
    {{"listeners=PLAINTEXT://[::1]:9092,CONTROLLER://:9093"}, NULL},
    {{"advertised.listeners=SSL://h:9092"}, "must be a listener name defined in advertised"},
    {{"inter.broker.listener.name=FOO"}, "not found in listener.security.protocol.map."},
    {{"inter.broker.listener.name=CONTROLLER"}, "listeners are PLAINTEXT"},
    {{"inter.broker.listener.name=PLAINTEXT", "security.inter.broker.protocol=PLAINTEXT"},
     "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set."},
    {{"listener.security.protocol.map=PLAINTEXT:PLAINTEXT"},
     "No security protocol defined for listener CONTROLLER"},
    {{"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:FOO"},
     "Invalid security protocol `FOO` defined in listener.security.protocol.map"},
    {{"log.roll.ms=0"}, "log.roll.ms must be greater than or equal to 1"},
    {{"log.retention.hours=0"}, "log.retention.ms must be unlimited (-1) or"},
    {{"log.retention.hours=-1"}, NULL},
    {{"replica.lag.time.max.ms=100"}, "replica.fetch.wait.max.ms should always be less than or"},
    {{"log.cleaner.dedupe.buffer.size=100"}, "at least 1MB per cleaner thread"},
    {{"group.consumer.heartbeat.interval.ms=100"},
     "group.consumer.heartbeat.interval.ms must be greater than or equal to "
     "group.consumer.min.heartbeat.interval.ms"},
    {{"group.consumer.session.timeout.ms=100000"},
     "group.consumer.session.timeout.ms must be less than or equal to "
     "group.consumer.max.session.timeout.ms"},
    {{"cordoned.log.dirs=/x"}, "Missing entries : /x"},
    {{"max.connections.per.ip=0"}, "max.connections.per.ip can be set to zero only if"},
    {{"foo.bar=1"}, NULL},
    {{"log.segment.bytes=10"}, "Value must be at least 1048576"},
    {{"metadata.log.segment.ms=0"}, "Value must be at least 1"},
    {{"nonsense"}, "not of the form key=value"},
};

static void config__open_keeps_the_rules_between_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(open_cases) / sizeof(open_cases[0]); i++) {
        struct err_message message;
        struct config *config = open_with(open_cases[i].extra, &message);
        if (open_cases[i].text == NULL) {
            if (config == NULL) {
                fail_msg("%s: %s", open_cases[i].extra[0], message.text);
            }
            config_close(&config);
        } else {
            assert_null(config);
            if (strstr(message.text, open_cases[i].text) == NULL) {
                fail_msg("%s: %s", open_cases[i].extra[0], message.text);
            }
        }
    }
}

static void config__older_names_are_converted(void **state)
{
    (void)state;
    struct err_message message;
    struct config *config = open_with((const char *const[]){"log.dirs=/a,/b, /a", NULL}, &message);
    assert_non_null(config);
    assert_int_equal(config_log_directory_count(config), 2);
    config_close(&config);
    config = open_with((const char *const[]){NULL}, &message);
    assert_non_null(config);
    assert_int_equal(config_long(config, "log.retention.ms"), 604800000);
    assert_int_equal(config_long(config, "log.roll.ms"), 604800000);
    assert_int_equal(config_long(config, "log.flush.interval.ms"), INT64_MAX);
    assert_string_equal(config_log_directory_at(config, 0), "/tmp/kafka-logs");
    assert_int_equal(config_int(config, "broker.id"), 1);
    config_close(&config);
    config = open_with((const char *const[]){"log.retention.hours=2", "log.retention.minutes=3",
                                             "log.roll.jitter.hours=1", NULL}, &message);
    assert_non_null(config);
    assert_int_equal(config_long(config, "log.retention.ms"), 180000);
    assert_int_equal(config_long(config, "log.roll.jitter.ms"), 3600000);
    assert_int_equal(config_long(config, "log.retention.hours"), 2);
    assert_true(config_is_set(config, "log.retention.hours"));
    assert_false(config_is_set(config, "log.retention.ms"));
    config_close(&config);
    config = open_with((const char *const[]){"log.retention.minutes=-1", NULL}, &message);
    assert_non_null(config);
    assert_int_equal(config_long(config, "log.retention.ms"), -1);
    config_close(&config);
}

static void config__listeners_are_resolved(void **state)
{
    (void)state;
    struct err_message message;
    struct config *config = open_with(
        (const char *const[]){"listeners=PLAINTEXT://:9092,ext://[::1]:9094,CONTROLLER://:9093",
                              "advertised.listeners=PLAINTEXT://h:1,EXT://e:2",
                              "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,ext:SASL_SSL,"
                              "CONTROLLER:PLAINTEXT", NULL}, &message);
    assert_string_equal(message.text, "");
    assert_int_equal(config_listener_count(config), 3);
    const struct config_listener *plain = config_listener_at(config, 0);
    assert_true(string_view_is(plain->name, "PLAINTEXT"));
    assert_int_equal(plain->host.size, 0);
    assert_int_equal(plain->port, 9092);
    assert_true(string_view_is(plain->advertised_host, "h"));
    assert_int_equal(plain->advertised_port, 1);
    assert_true(plain->is_inter_broker);
    assert_false(plain->is_controller);
    const struct config_listener *external = config_listener_at(config, 1);
    assert_true(string_view_is(external->name, "EXT"));
    assert_true(string_view_is(external->host, "::1"));
    assert_int_equal(external->security_protocol, 3);
    assert_false(external->is_inter_broker);
    const struct config_listener *controller = config_listener_at(config, 2);
    assert_true(controller->is_controller);
    assert_int_equal(controller->security_protocol, 0);
    assert_true(controller->advertised_host.size > 0);
    assert_int_equal(controller->advertised_port, 9093);
    assert_true(config_is_broker(config) && config_is_controller(config));
    config_close(&config);
}

static void config__a_listener_without_advertisement_has_no_advertised_host(void **state)
{
    (void)state;
    struct err_message message;
    struct config *config = open_with(
        (const char *const[]){"listeners=PLAINTEXT://a:9092,SSL://b:9094,CONTROLLER://:9093",
                              "advertised.listeners=PLAINTEXT://h:1",
                              "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,"
                              "CONTROLLER:PLAINTEXT", NULL}, &message);
    assert_string_equal(message.text, "");
    assert_int_equal(config_listener_at(config, 1)->advertised_host.size, 0);
    config_close(&config);
}

static const char properties[] =
    "# a comment\n"
    "! another \\\n"
    "  \n"
    "process.roles = broker,controller\r\n"
    "node.id:7\n"
    "controller.listener.names CONTROLLER\n"
    "listeners=PLAINTEXT://localhost:9092,\\\n"
    "   CONTROLLER://localhost:9093\n"
    "controller.quorum.bootstrap.servers=localhost:9093\n"
    "\tlog.dirs=/with\\u0020blank, /b\\\\c\n"
    "strange\\ key\\=x=\\t\\n\\z\n"
    "broker.rack=first\n"
    "broker.rack=second\n"
    "empty=\n"
    "snow=\\u2603\\uD83D\\uDE00\n"
    "alone";

static void count_line(void *context, const char *line)
{
    int *count = context;
    (*count)++;
    assert_non_null(strchr(line, ':'));
}

static void config__properties_are_read_as_java_reads_them(void **state)
{
    (void)state;
    char path[] = "/tmp/config_test_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, properties, sizeof(properties) - 1),
                     sizeof(properties) - 1);
    close(descriptor);
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {""};
    const char *const overrides[] = {"node.id=8", "empty=x=y"};
    int code = config_open(&fs, path, overrides, 2, &config, &message);
    unlink(path);
    assert_string_equal(message.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(config_node_id(config), 8);
    assert_int_equal(config_listener_count(config), 2);
    assert_int_equal(config_log_directory_count(config), 2);
    assert_string_equal(config_log_directory_at(config, 0), "/with blank");
    assert_string_equal(config_log_directory_at(config, 1), "/b\\c");
    assert_string_equal(config_metadata_directory(config), "/with blank");
    assert_true(string_view_is(config_string(config, "broker.rack"), "second"));
    const struct config_setting *setting = config_setting_find(config,
                                                               string_view_of("strange key=x"));
    assert_non_null(setting);
    assert_true(string_view_is(setting->value, "z"));
    assert_true(string_view_is(config_setting_find(config, string_view_of("empty"))->value, "x=y"));
    assert_true(string_view_is(config_setting_find(config, string_view_of("snow"))->value,
                               "\xe2\x98\x83\xf0\x9f\x98\x80"));
    assert_int_equal(config_setting_find(config, string_view_of("alone"))->value.size, 0);
    int ignored = 0;
    config_visit_ignored(config, count_line, &ignored);
    assert_int_equal(ignored, 4);
    config_close(&config);
    assert_null(config);
}

static int ignore_pair(void *context, struct string_view key, struct string_view value)
{
    (void)context;
    (void)key;
    (void)value;
    return 0;
}

static void config__a_bad_unicode_escape_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    struct err_message message = {""};
    arena_init(&arena, 1 << 20);
    static const char text[] = "a=\\u12g4";
    int code = config_properties_parse((struct bytes_view){(const uint8_t *)text, sizeof(text) - 1},
                                       &arena, ignore_pair, NULL, &message);
    assert_int_equal(code, ERR_INVALID);
    assert_string_equal(message.text, "Malformed \\uxxxx encoding.");
    arena_release(&arena);
}

static void config__a_missing_file_names_its_path(void **state)
{
    (void)state;
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {""};
    assert_true(config_open(&fs, "/nonexistent/x", NULL, 0, &config, &message) < 0);
    assert_non_null(strstr(message.text, "/nonexistent/x"));
    assert_null(config);
}

/* Cuts a valid file at every byte: no length may read beyond the end or crash. */
static void config__any_prefix_of_a_file_is_parsed_without_fault(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(properties); size++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, properties, size);
        (void)config_properties_parse((struct bytes_view){copy, size}, &arena, ignore_pair, NULL,
                                      NULL);
        free(copy);
        arena_release(&arena);
    }
}

/* Lets each allocation fail in turn: opening then fails as a whole and leaks nothing. */
static void config__open_survives_any_failed_allocation(void **state)
{
    (void)state;
    struct config *config = NULL;
    for (int64_t countdown = 1; config == NULL; countdown++) {
        struct err_message message;
        assert_true(countdown < 10000);
        mem_fail_after(countdown);
        config = open_with((const char *const[]){"log.retention.hours=2", "log.dirs=/a,/b",
                                                 "advertised.listeners=PLAINTEXT://h:1", NULL},
                           &message);
        mem_fail_after(0);
        assert_true(config != NULL || message.text[0] != '\0');
    }
    assert_int_equal(config_log_directory_count(config), 2);
    assert_int_equal(config_long(config, "log.retention.ms"), 7200000);
    assert_true(string_view_is(config_listener_at(config, 0)->advertised_host, "h"));
    config_close(&config);
}

struct setting_case {
    int8_t type;
    const char *name;
    const char *value;
    int16_t error;
    const char *text;
};
static const struct setting_case setting_cases[] = {
    {2, "retention.ms", "5", 0, ""},
    {2, "foo", "abc", 40, "Unknown topic config name: foo"},
    {2, "remote.storage.enable", "true", 40,
     "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
     "remote log storage."},
    {32, "foo", "5", 40, "Unknown group config name: foo"},
    {32, "consumer.session.timeout.ms", "50000", 0, ""},
    {32, "consumer.session.timeout.ms", "5", 40,
     "consumer.session.timeout.ms must be greater than or equal to "
     "group.consumer.min.session.timeout.ms"},
    {16, "interval.ms", "5000", 0, ""},
    {16, "interval.ms", "5", 42,
     "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
    {16, "foo", "5", 42, "Unknown client metrics configuration: foo"},
    {16, "match", "foo", 40, "Illegal client matching pattern: foo"},
    {16, "match", "client_id=a,client_source_port=5", 0, ""},
    {4, "anything.else", "5", 0, ""},
};

static void config__the_controller_is_told_what_is_wrong(void **state)
{
    (void)state;
    struct err_message message;
    struct config *config = open_with((const char *const[]){NULL}, &message);
    assert_non_null(config);
    for (size_t i = 0; i < sizeof(setting_cases) / sizeof(setting_cases[0]); i++) {
        const struct setting_case *wanted = &setting_cases[i];
        message = (struct err_message){""};
        struct image_setting item = {string_view_of(wanted->name), string_view_of(wanted->value)};
        assert_int_equal(config_check_settings(config, wanted->type, &item, 1, &message),
                         wanted->error);
        assert_string_equal(message.text, wanted->text);
    }
    config_close(&config);
}

/* Of several that are wrong Kafka names one: a name that it does not know, in the order of its map,
 * else the first by its own order; what two must be to each other comes last. */
static void config__the_first_of_several_faults_is_told(void **state)
{
    (void)state;
    static const struct several {
        int8_t type;
        const char *pairs[3][2];
        const char *text;
    } cases[] = {
        {2, {{"zzz", "1"}, {"retention.ms", "soon"}, {"aaa", "1"}},
         "Unknown topic config name: aaa"},
        {2, {{"retention.ms", "soon"}, {"no.such", "1"}}, "Unknown topic config name: no.such"},
        {2, {{"cleanup.policy", "shred"}, {"retention.ms", "soon"}},
         "Invalid value soon for configuration retention.ms: Not a number of type LONG"},
        {2, {{"min.compaction.lag.ms", "9"}, {"max.compaction.lag.ms", "8"}},
         "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)"},
        {32, {{"consumer.session.timeout.ms", "1"}, {"consumer.heartbeat.interval.ms", "1"}},
         "consumer.heartbeat.interval.ms must be greater than or equal to "
         "group.consumer.min.heartbeat.interval.ms"},
    };
    struct err_message message;
    struct config *config = open_with((const char *const[]){NULL}, &message);
    assert_non_null(config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct image_setting items[3];
        size_t count = 0;
        for (; count < 3 && cases[i].pairs[count][0] != NULL; count++) {
            items[count] = (struct image_setting){string_view_of(cases[i].pairs[count][0]),
                                                  string_view_of(cases[i].pairs[count][1])};
        }
        message = (struct err_message){""};
        assert_int_equal(config_check_settings(config, cases[i].type, items, count, &message), 40);
        assert_string_equal(message.text, cases[i].text);
    }
    config_close(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config__rows_are_sorted_and_found),
        cmocka_unit_test(config__every_default_passes_its_check),
        cmocka_unit_test(config__defaults_of_topics_and_groups_name_broker_settings),
        cmocka_unit_test(config__checks_speak_as_kafka_does),
        cmocka_unit_test(config__open_keeps_the_rules_between_settings),
        cmocka_unit_test(config__older_names_are_converted),
        cmocka_unit_test(config__listeners_are_resolved),
        cmocka_unit_test(config__a_listener_without_advertisement_has_no_advertised_host),
        cmocka_unit_test(config__properties_are_read_as_java_reads_them),
        cmocka_unit_test(config__a_bad_unicode_escape_is_an_error),
        cmocka_unit_test(config__a_missing_file_names_its_path),
        cmocka_unit_test(config__any_prefix_of_a_file_is_parsed_without_fault),
        cmocka_unit_test(config__open_survives_any_failed_allocation),
        cmocka_unit_test(config__the_controller_is_told_what_is_wrong),
        cmocka_unit_test(config__the_first_of_several_faults_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
