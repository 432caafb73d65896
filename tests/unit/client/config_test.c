/* Settings by Kafka's names: defaults, checks with Kafka's texts, properties files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <barnabas/consumer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "client/config.h"
#include "protocol/record/batch.h"

static struct bnb_config *config;
static struct client_config parsed;
static struct bnb_error error;
static char warned[BNB_ERROR_BYTES];

static int setup(void **state)
{
    (void)state;
    config = bnb_config_create();
    warned[0] = '\0';
    return config == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    bnb_config_destroy(&config);
    return 0;
}

static void on_warn(void *context, const char *text)
{
    (void)context;
    snprintf(warned, sizeof warned, "%s", text);
}

static void config__has_kafkas_defaults(void **state)
{
    (void)state;
    assert_int_equal(client_config_parse(config, CLIENT_PRODUCER, &parsed, &error), 0);
    assert_int_equal(parsed.acks, -1);
    assert_int_equal(parsed.linger_ms, 5);
    assert_int_equal(parsed.batch_bytes, 16384);
    assert_int_equal(parsed.max_in_flight, 5);
    assert_int_equal(parsed.delivery_timeout_ms, 120000);
    assert_true(parsed.enable_idempotence);
    assert_int_equal(parsed.codec, BATCH_CODEC_NONE);
    client_config_release(&parsed);
    assert_int_equal(client_config_parse(config, CLIENT_CONSUMER, &parsed, &error), 0);
    assert_int_equal(parsed.max_poll_records, 500);
    assert_int_equal(parsed.reset_policy, BNB_OFFSET_END);
    assert_false(parsed.read_committed);
    client_config_release(&parsed);
}

static void refuses(enum client_kind kind, const char *name, const char *value, const char *text)
{
    assert_int_equal(bnb_config_set(config, name, value), 0);
    assert_true(client_config_parse(config, kind, &parsed, &error) != 0);
    assert_string_equal(error.text, text);
}

static void config__refuses_values_with_kafkas_texts(void **state)
{
    (void)state;
    refuses(CLIENT_PRODUCER, "linger.ms", "soon",
            "Invalid value soon for configuration linger.ms: Not a number of type LONG");
    bnb_config_set(config, "linger.ms", "1");
    refuses(CLIENT_PRODUCER, "batch.size", "-5",
            "Invalid value -5 for configuration batch.size: Value must be at least 0");
    bnb_config_set(config, "batch.size", "1");
    refuses(CLIENT_PRODUCER, "acks", "2",
            "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1");
}

static void config__refuses_idempotence_without_acks_all(void **state)
{
    (void)state;
    bnb_config_set(config, "enable.idempotence", "true");
    refuses(CLIENT_PRODUCER, "acks", "1",
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot "
            "guarantee idempotence.");
}

static void config__turns_idempotence_off_when_nobody_asked_for_it(void **state)
{
    (void)state;
    bnb_config_set(config, "acks", "0");
    assert_int_equal(client_config_parse(config, CLIENT_PRODUCER, &parsed, &error), 0);
    assert_false(parsed.enable_idempotence);
    client_config_release(&parsed);
}

static void config__refuses_transactions_without_idempotence(void **state)
{
    (void)state;
    bnb_config_set(config, "acks", "1");
    refuses(CLIENT_PRODUCER, "transactional.id", "tx",
            "Cannot set a transactional.id without also enabling idempotence.");
    bnb_config_set(config, "acks", "all");
    refuses(CLIENT_PRODUCER, "transactional.id", "",
            "Invalid value  for configuration transactional.id: String must be non-empty");
    bnb_config_set(config, "transactional.id", "tx");
    assert_int_equal(client_config_parse(config, CLIENT_PRODUCER, &parsed, &error), 0);
    assert_int_equal(parsed.transaction_timeout_ms, 60000);
    client_config_release(&parsed);
}

static int64_t reset_duration(const char *value)
{
    bnb_config_set(config, "auto.offset.reset", value);
    if (client_config_parse(config, CLIENT_CONSUMER, &parsed, &error) != 0) {
        return -1;
    }
    int64_t ms = parsed.reset_policy == CLIENT_RESET_DURATION ? parsed.reset_duration_ms : -2;
    client_config_release(&parsed);
    return ms;
}

/* Goal: durations are those of Java, and what is longer than there are milliseconds is no less. */
static void config__takes_durations_of_any_length(void **state)
{
    (void)state;
    assert_int_equal(reset_duration("by_duration:P1DT2H3M4.56S"), 93784560);
    assert_int_equal(reset_duration("BY_DURATION:pt0,001s"), 1);
    assert_int_equal(reset_duration("by_duration:PT2000000000000S"), 2000000000000000);
    assert_int_equal(reset_duration("by_duration:P106751991167300D"), INT64_MAX);
    assert_int_equal(reset_duration("by_duration:PT9223372036854775807S"), INT64_MAX);
    assert_int_equal(reset_duration("by_duration:PT9223372036854775807.5S"), INT64_MAX);
    static const char *const none[] = {
        "by_duration:PT9223372036854775808S", "by_duration:P106751991167301D",
        "by_duration:PT9223372036854775807M", "by_duration:P0x1D", "by_duration:P1e3D",
        "by_duration:P1.5D", "by_duration:P", "by_duration:P1DT", "by_duration:PT1S1S",
        "by_duration:-P1D"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(reset_duration(none[i]), -1);
    }
}

/* Goal: the longest times are long, and nothing overflows when a clock is added to them. */
static void config__takes_the_longest_times(void **state)
{
    (void)state;
    bnb_config_set(config, "linger.ms", "9223372036854775807");
    bnb_config_set(config, "max.block.ms", "9223372036854775807");
    bnb_config_set(config, "retry.backoff.ms", "9223372036854775807");
    bnb_config_set(config, "retry.backoff.max.ms", "9223372036854775807");
    assert_int_equal(client_config_parse(config, CLIENT_PRODUCER, &parsed, &error), 0);
    assert_int_equal(parsed.linger_ms, INT32_MAX);
    assert_int_equal(parsed.delivery_timeout_ms, INT32_MAX);
    assert_int_equal(parsed.max_block_ms, CLIENT_LONG_MAX);
    for (int32_t failures = 0; failures < 3; failures++) {
        int64_t backoff_ms = client_backoff_ms(parsed.retry_backoff_ms, parsed.retry_backoff_max_ms,
                                               failures);
        assert_in_range(backoff_ms, CLIENT_LONG_MAX / 2, CLIENT_LONG_MAX);
    }
    client_config_release(&parsed);
}

static void config__warns_of_names_that_nobody_knows(void **state)
{
    (void)state;
    bnb_config_set_warn(config, on_warn, NULL);
    bnb_config_set(config, "no.such.thing", "1");
    assert_int_equal(client_config_parse(config, CLIENT_ADMIN, &parsed, &error), 0);
    assert_non_null(strstr(warned, "[no.such.thing]"));
    client_config_release(&parsed);
}

static void config__reads_properties_files(void **state)
{
    (void)state;
    char path[] = "/tmp/bnb_config_test_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    static const char text[] = "# a comment\n! another\n\n  acks = all \n"
                               "bootstrap.servers: a:1,\\\n    b:2\n"
                               "client.id\tx\\ty\nlinger.ms=7\nempty=\n";
    assert_int_equal(write(descriptor, text, sizeof text - 1), sizeof text - 1);
    close(descriptor);
    assert_int_equal(bnb_config_load(config, path, &error), 0);
    unlink(path);
    assert_string_equal(bnb_config_get(config, "acks"), "all ");
    assert_string_equal(bnb_config_get(config, "bootstrap.servers"), "a:1,b:2");
    assert_string_equal(bnb_config_get(config, "client.id"), "x\ty");
    assert_string_equal(bnb_config_get(config, "linger.ms"), "7");
    assert_string_equal(bnb_config_get(config, "empty"), "");
    assert_null(bnb_config_get(config, "# a comment"));
    assert_int_equal(client_config_parse(config, CLIENT_PRODUCER, &parsed, &error), 0);
    assert_int_equal(parsed.acks, -1); /* blanks around a value do not count */
    client_config_release(&parsed);
}

static void config__tells_of_a_file_that_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(bnb_config_load(config, "/nonexistent/file", &error), BNB_ERROR_NOT_FOUND);
    assert_string_equal(error.text, "/nonexistent/file (No such file or directory)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config__takes_durations_of_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(config__takes_the_longest_times, setup, teardown),
        cmocka_unit_test_setup_teardown(config__has_kafkas_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(config__refuses_values_with_kafkas_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(config__refuses_idempotence_without_acks_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config__turns_idempotence_off_when_nobody_asked_for_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(config__refuses_transactions_without_idempotence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config__warns_of_names_that_nobody_knows, setup, teardown),
        cmocka_unit_test_setup_teardown(config__reads_properties_files, setup, teardown),
        cmocka_unit_test_setup_teardown(config__tells_of_a_file_that_is_not_there, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
