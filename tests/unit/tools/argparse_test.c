/* Tools with commands: where options may stand, what must be there, what excludes what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/argparse.h"

static const struct args_option tool_options[] = {
    {"server", 's', ARGS_VALUE, "SERVER", "Where to."},
    {"help", 'h', ARGS_FLAG, NULL, "Help."},
    {NULL, 0, ARGS_FLAG, NULL, NULL}};
static const struct args_option change_options[] = {
    {"id", 'i', ARGS_VALUE, "ID", "Which."},
    {"up", 0, ARGS_FLAG, NULL, "Raise."},
    {"down", 0, ARGS_FLAG, NULL, "Lower."},
    {"pairs", 0, ARGS_REST, "PAIR", "Pairs."},
    {"help", 'h', ARGS_FLAG, NULL, "Help."},
    {NULL, 0, ARGS_FLAG, NULL, NULL}};
static const char *const change_required[] = {"id", NULL};
static const char *const change_one_of[] = {"up", "down", NULL};
static const struct argparse_command commands[] = {
    {.name = "show", .help = "Show.", .options = tool_options},
    {.name = "change", .help = "Change.", .options = change_options, .required = change_required,
     .integers = change_required, .one_of = change_one_of, .one_of_required = true}};
static const struct argparse parser = {.program = "tool",
                                       .description = "A tool.",
                                       .tool = {.options = tool_options},
                                       .commands = commands,
                                       .command_count = 2,
                                       .help_status = 7};

struct parsed {
    struct args global;
    struct args local;
    size_t command;
};
static int start(struct parsed *parsed, int count, char **words)
{
    return argparse_start(&parser, &parsed->global, &parsed->local, &parsed->command, count, words);
}
#define START(parsed, ...)                                      \
    start(parsed, (int)(sizeof((char *[]){"tool", __VA_ARGS__}) / sizeof(char *)), \
          (char *[]){"tool", __VA_ARGS__})

static void argparse__keeps_the_options_of_the_tool_and_of_the_command_apart(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(START(&parsed, "--server=a", "change", "-i", "-3", "--up"), -1);
    assert_int_equal(parsed.command, 1);
    assert_string_equal(args_value(&parsed.global, "server"), "a");
    assert_string_equal(args_value(&parsed.local, "id"), "-3");
    assert_true(args_has(&parsed.local, "up"));
    assert_false(args_has(&parsed.local, "server"));
}

static void argparse__takes_the_rest_up_to_the_next_option(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(START(&parsed, "change", "--pairs", "a=1", "b=2", "--id", "3", "--down"), -1);
    assert_string_equal(args_nth(&parsed.local, "pairs", 1), "b=2");
    assert_null(args_nth(&parsed.local, "pairs", 2));
}

static void argparse__refuses_what_is_missing_or_does_not_fit(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(start(&parsed, 1, (char *[]){"tool"}), 1);
    assert_int_equal(START(&parsed, "dance"), 1);
    assert_int_equal(START(&parsed, "show", "extra"), 1);
    assert_int_equal(START(&parsed, "show", "--bogus"), 1);
    assert_int_equal(START(&parsed, "change", "--up"), 1);
    assert_int_equal(START(&parsed, "change", "--id", "x", "--up"), 1);
    assert_int_equal(START(&parsed, "change", "--id", "99999999999", "--up"), 1);
    assert_int_equal(START(&parsed, "change", "--id", "3"), 1);
    assert_int_equal(START(&parsed, "change", "--id", "3", "--up", "--down"), 1);
    assert_int_equal(START(&parsed, "change", "--id"), 1);
    assert_int_equal(START(&parsed, "change", "--id", "--up"), 1);
}

static void argparse__help_ends_with_the_status_of_the_tool(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(START(&parsed, "--help"), 7);
    assert_int_equal(START(&parsed, "change", "-h"), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(argparse__keeps_the_options_of_the_tool_and_of_the_command_apart),
        cmocka_unit_test(argparse__takes_the_rest_up_to_the_next_option),
        cmocka_unit_test(argparse__refuses_what_is_missing_or_does_not_fit),
        cmocka_unit_test(argparse__help_ends_with_the_status_of_the_tool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
