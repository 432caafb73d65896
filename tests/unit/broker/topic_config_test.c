/* The settings in force for a topic: its own before dynamic ones of this broker, those before
 * dynamic ones of all brokers, those before the file, the file before the default. */
#include "fake_broker.h"

#include "broker/topic_config.h"
#include "protocol/record/compress.h"

static const struct string_view topic = {"t1", 2};

static void open_config(const char *extra)
{
    const char *overrides[] = {
        "process.roles=broker,controller",
        "node.id=1",
        "controller.listener.names=CONTROLLER",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        "controller.quorum.voters=1@localhost:9093",
        extra,
    };
    struct err_message message = {""};
    config_close(&fake.config);
    fake.image = (struct image){.topic_count = 0};
    assert_int_equal(config_open(NULL, NULL, overrides, 6, &fake.config, &message), 0);
}

static struct log_config in_force(void)
{
    struct log_config config;
    topic_log_config(fake.config, &fake.image, topic, &config);
    return config;
}

static int tear_down(void **state)
{
    (void)state;
    config_close(&fake.config);
    return 0;
}

static void topic_config__defaults_are_those_of_the_log(void **state)
{
    (void)state;
    open_config("log.dirs=/a");
    struct log_config config = in_force();
    struct log_config wanted = log_config_default();
    assert_int_equal(config.segment_bytes, wanted.segment_bytes);
    assert_int_equal(config.segment_ms, wanted.segment_ms);
    assert_int_equal(config.retention_ms, wanted.retention_ms);
    assert_int_equal(config.retention_bytes, wanted.retention_bytes);
    assert_int_equal(config.flush_messages, wanted.flush_messages);
    assert_int_equal(config.flush_ms, wanted.flush_ms);
    assert_int_equal(config.max_message_bytes, wanted.max_message_bytes);
    assert_int_equal(config.codec, wanted.codec);
    assert_int_equal(config.file_delete_delay_ms, wanted.file_delete_delay_ms);
    assert_int_equal(config.producer_id_expiration_ms, wanted.producer_id_expiration_ms);
    assert_int_equal(config.timestamp_before_max_ms, wanted.timestamp_before_max_ms);
    assert_int_equal(config.timestamp_after_max_ms, wanted.timestamp_after_max_ms);
    assert_int_equal(config.segment_index_bytes, wanted.segment_index_bytes);
    assert_int_equal(config.index_interval_bytes, wanted.index_interval_bytes);
    assert_true(config.clean_delete && !config.clean_compact && !config.preallocate);
    assert_false(config.log_append_time);
}

static void topic_config__the_nearest_value_wins(void **state)
{
    (void)state;
    open_config("log.retention.hours=1");
    assert_int_equal(in_force().retention_ms, 3600000);
    fake_set(4, "", "log.retention.ms", "2000");
    assert_int_equal(in_force().retention_ms, 2000);
    fake_set(4, "1", "log.retention.ms", "3000");
    assert_int_equal(in_force().retention_ms, 3000);
    fake_set(2, "t1", "retention.ms", "4000");
    assert_int_equal(in_force().retention_ms, 4000);
    assert_int_equal(topic_setting_long(fake.config, &fake.image, topic, "retention.ms"), 4000);
    fake_set(4, "2", "min.insync.replicas", "3");
    assert_int_equal(topic_setting_long(fake.config, &fake.image, topic, "min.insync.replicas"), 1);
    assert_int_equal(topic_setting_long(fake.config, NULL, topic, "retention.ms"), 3600000);
}

static void topic_config__a_bad_value_in_the_image_is_passed_over(void **state)
{
    (void)state;
    open_config("log.segment.bytes=2000000");
    fake_set(2, "t1", "segment.bytes", "nonsense");
    fake_set(4, "1", "log.segment.bytes", "5");
    assert_int_equal(in_force().segment_bytes, 2000000);
}

static void topic_config__codecs_and_policies_are_translated(void **state)
{
    (void)state;
    open_config("log.cleanup.policy=compact");
    assert_true(in_force().clean_compact);
    assert_false(in_force().clean_delete);
    fake_set(2, "t1", "cleanup.policy", "compact, delete");
    fake_set(2, "t1", "compression.type", "gzip");
    fake_set(2, "t1", "message.timestamp.type", "LogAppendTime");
    fake_set(2, "t1", "preallocate", "TRUE");
    fake_set(2, "t1", "internal.segment.bytes", "100");
    struct log_config config = in_force();
    assert_true(config.clean_compact && config.clean_delete && config.preallocate);
    assert_true(config.log_append_time);
    assert_int_equal(config.codec, BATCH_CODEC_GZIP);
    assert_int_equal(config.codec_level, COMPRESS_LEVEL_DEFAULT);
    assert_int_equal(config.segment_bytes, 100);
    open_config("compression.type=zstd");
    assert_int_equal(in_force().codec, BATCH_CODEC_ZSTD);
    assert_int_equal(in_force().codec_level, 3);
    fake_set(2, "t1", "compression.type", "uncompressed");
    fake_set(2, "t1", "cleanup.policy", "");
    assert_int_equal(in_force().codec, BATCH_CODEC_NONE);
    assert_false(in_force().clean_delete || in_force().clean_compact);
}

struct name_case {
    const char *name;
    const char *text;
};
static const struct name_case name_cases[] = {
    {"a.b_c-D9", NULL},
    {"", "Topic name is invalid: the empty string is not allowed"},
    {".", "Topic name is invalid: '.' is not allowed"},
    {"..", "Topic name is invalid: '..' is not allowed"},
    {"a b", "Topic name is invalid: 'a b' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'"},
};

static void topic_config__names_are_checked_in_kafkas_words(void **state)
{
    (void)state;
    struct err_message message;
    for (size_t i = 0; i < sizeof(name_cases) / sizeof(name_cases[0]); i++) {
        message = (struct err_message){""};
        int code = topic_name_check(string_view_of(name_cases[i].name), &message);
        assert_int_equal(code, name_cases[i].text != NULL ? ERR_INVALID : 0);
        assert_string_equal(message.text, name_cases[i].text != NULL ? name_cases[i].text : "");
    }
    char longest[251];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(topic_name_check((struct string_view){longest, 249}, &message), 0);
    assert_int_equal(topic_name_check((struct string_view){longest, 250}, &message), ERR_INVALID);
    assert_non_null(strstr(message.text, "is longer than the max allowed length 249"));
    assert_true(topic_is_internal(string_view_of("__consumer_offsets")));
    assert_false(topic_is_internal(string_view_of("__consumer_offset")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_config__defaults_are_those_of_the_log),
        cmocka_unit_test(topic_config__the_nearest_value_wins),
        cmocka_unit_test(topic_config__a_bad_value_in_the_image_is_passed_over),
        cmocka_unit_test(topic_config__codecs_and_policies_are_translated),
        cmocka_unit_test(topic_config__names_are_checked_in_kafkas_words),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
