/* The command line of Kafka's tools: forms of flags, prefixes, repetition, mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tools/args.h"

static const struct args_option options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "HOST:PORT", "Where to."},
    {"partition", 0, ARGS_VALUE, "N", "One."},
    {"partitions", 0, ARGS_VALUE, "N,N", "Several."},
    {"list", 'l', ARGS_FLAG, NULL, "List."},
    {"config", 'c', ARGS_VALUE, "K=V", "Setting."},
    {"compression-codec", 0, ARGS_OPTIONAL, "CODEC", "Codec."},
    {"properties", 0, ARGS_REST, "K=V ...", "Settings."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static int parse(struct args *args, int count, char **words)
{
    return args_parse(args, options, count, words);
}
#define PARSE(args, ...)                                        \
    parse(args, (int)(sizeof((char *[]){"tool", __VA_ARGS__}) / sizeof(char *)), \
          (char *[]){"tool", __VA_ARGS__})

static void args__takes_values_behind_a_blank_or_an_equals_sign(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--bootstrap-server", "a:1", "--config=k=v"), 0);
    assert_string_equal(args_value(&args, "bootstrap-server"), "a:1");
    assert_string_equal(args_value(&args, "config"), "k=v");
    assert_false(args_has(&args, "list"));
}

static void args__takes_short_forms_and_words(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "first", "-l", "-c", "k=v", "second"), 0);
    assert_true(args_has(&args, "list"));
    assert_string_equal(args_value(&args, "config"), "k=v");
    assert_string_equal(args_word(&args, 0), "first");
    assert_string_equal(args_word(&args, 1), "second");
    assert_null(args_word(&args, 2));
}

static void args__refuses_a_prefix_of_a_flag(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--boot", "a:1"), -1);
    assert_string_equal(args.error, "boot is not a recognized option");
    assert_int_equal(PARSE(&args, "--partition", "3"), 0);
    assert_string_equal(args_value(&args, "partition"), "3");
    assert_false(args_has(&args, "partitions"));
}

static void args__tells_numbers_from_flags(void **state)
{
    (void)state;
    assert_false(args_is_option("-5"));
    assert_false(args_is_option("-1.5"));
    assert_false(args_is_option("-"));
    assert_false(args_is_option("word"));
    assert_true(args_is_option("-1@host"));
    assert_true(args_is_option("--list"));
}

static void args__refuses_a_missing_value(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--config"), -1);
    assert_string_equal(args.error, "Option config requires an argument");
}

static void args__keeps_repeated_flags_in_order(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--config", "a=1", "--config", "b=2"), 0);
    assert_string_equal(args_nth(&args, "config", 0), "a=1");
    assert_string_equal(args_nth(&args, "config", 1), "b=2");
    assert_null(args_nth(&args, "config", 2));
    assert_string_equal(args_value(&args, "config"), "b=2");
}

static void args__takes_an_optional_value_only_if_it_is_no_flag(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--compression-codec", "--list"), 0);
    assert_true(args_has(&args, "compression-codec"));
    assert_string_equal(args_value_or(&args, "compression-codec", "gzip"), "gzip");
    assert_int_equal(PARSE(&args, "--compression-codec", "zstd"), 0);
    assert_string_equal(args_value_or(&args, "compression-codec", "gzip"), "zstd");
}

static void args__gathers_every_word_up_to_the_next_flag(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(PARSE(&args, "--properties", "a=1", "b=2", "--list"), 0);
    assert_string_equal(args_nth(&args, "properties", 1), "b=2");
    assert_true(args_has(&args, "list"));
}

static void args__takes_negative_numbers_as_values(void **state)
{
    (void)state;
    struct args args;
    int64_t number;
    assert_int_equal(PARSE(&args, "--partition", "-1"), 0);
    assert_int_equal(args_number(&args, "partition", 7, &number), 0);
    assert_int_equal(number, -1);
    assert_int_equal(args_number(&args, "partitions", 7, &number), 0);
    assert_int_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(args__takes_values_behind_a_blank_or_an_equals_sign),
        cmocka_unit_test(args__takes_short_forms_and_words),
        cmocka_unit_test(args__refuses_a_prefix_of_a_flag),
        cmocka_unit_test(args__tells_numbers_from_flags),
        cmocka_unit_test(args__refuses_a_missing_value),
        cmocka_unit_test(args__keeps_repeated_flags_in_order),
        cmocka_unit_test(args__takes_an_optional_value_only_if_it_is_no_flag),
        cmocka_unit_test(args__gathers_every_word_up_to_the_next_flag),
        cmocka_unit_test(args__takes_negative_numbers_as_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
