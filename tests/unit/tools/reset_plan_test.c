/* Plans in CSV, durations and points in time, as Java reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tools/common.h"
#include "tools/reset_plan.h"

/* ---- plans ---- */

/* "group/topic/partition/offset ..." of a plan, or what is wrong with it. */
static void assert_plan(const char *text, const char *group, const char *expected)
{
    struct arena arena;
    struct reset_plan plan;
    char error[RESET_TEXT_BYTES] = "";
    char told[1024] = "";
    arena_init(&arena, 1 << 20);
    if (reset_plan_parse(text, group, &arena, &plan, error) != 0) {
        snprintf(told, sizeof told, "%s", error);
    } else {
        for (size_t i = 0; i < plan.count; i++) {
            snprintf(told + strlen(told), sizeof told - strlen(told), "%s%s/%s/%d/%ld",
                     i > 0 ? " " : "", plan.entries[i].group, plan.entries[i].topic,
                     plan.entries[i].partition, (long)plan.entries[i].offset);
        }
    }
    assert_string_equal(told, expected);
    arena_release(&arena);
}

static void plan__for_one_group_has_no_column_of_groups(void **state)
{
    (void)state;
    assert_plan("t,0,5\nu,1,7\n", "g", "g/t/0/5 g/u/1/7");
    assert_plan("t,0,5", "g", "g/t/0/5");
    assert_plan("t,0,5\r\nu,1,7\r\n\n\n", "g", "g/t/0/5 g/u/1/7");
    assert_plan("t,0,-1\n", "g", "g/t/0/-1");
    assert_plan("t,0,9223372036854775807\n", "g", "g/t/0/9223372036854775807");
}

static void plan__with_a_column_of_groups_is_taken_for_one_group_too(void **state)
{
    (void)state;
    assert_plan("g,t,0,5\nh,t,1,7\n", "g", "g/t/0/5 h/t/1/7");
    assert_plan("g,t,0,5\nh,t,1,7\n", NULL, "g/t/0/5 h/t/1/7");
    assert_plan("t,0,5\n", NULL, "t/0/5/0");
}

static void plan__quotes_and_blanks_are_as_in_java(void **state)
{
    (void)state;
    assert_plan("\"t\", 0 ,\t5\n", "g", "g/t/0/5");
    assert_plan("\"a,b\",0,5\n", "g", "g/a,b/0/5");
    assert_plan("\"a\"\"b\",0,5\n", "g", "g/a\"b/0/5");
    assert_plan(" t,0,5\n", "g", "g/ t/0/5");
    assert_plan("t,\"3\",\"5\"\n", "g", "g/t/3/5");
}

static void plan__what_is_missing_at_the_end_of_a_line_is_zero(void **state)
{
    (void)state;
    assert_plan("t,1\nt\nt,,\n", "g", "g/t/1/0 g/t/0/0 g/t/0/0");
}

static void plan__wrong_lines_are_told(void **state)
{
    (void)state;
    assert_plan("t,0,5\nt,x,5\n", "g", "Cannot deserialize value of type `int` from String \"x\": "
                                       "not a valid `int` value");
    assert_plan("g,t,0,y\n", NULL, "Cannot deserialize value of type `long` from String \"y\": not "
                                   "a valid `long` value");
    assert_plan("g,t,2147483648,0\n", NULL, "Cannot deserialize value of type `int` from String "
                                            "\"2147483648\": not a valid `int` value");
    assert_plan("g,t,0,9223372036854775808\n", NULL,
                "Cannot deserialize value of type `long` from String \"9223372036854775808\": not "
                "a valid `long` value");
    assert_plan("a,b,1,2,3\n", NULL, "Too many entries: expected at most 4");
    assert_plan("t,0,1\na,0,1,2\n", "g", "Too many entries: expected at most 3");
    assert_plan("", "g", "No content to map due to end-of-input");
    assert_plan("\n\n", "g", "No content to map due to end-of-input");
    assert_plan("t,0,1\n\nt,1,1\n", "g", "No content to map due to end-of-input");
}

static void plan__fields_are_quoted_where_java_quotes_them(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"topic", "topic"},
        {"a-b.c_d", "a-b.c_d"},
        {"", ""},
        {"a,b", "\"a,b\""},
        {"a b", "\"a b\""},
        {"a\"b", "\"a\"\"b\""},
        {"abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"},
        {"abcdefghijklmnopqrstuvwxy", "\"abcdefghijklmnopqrstuvwxy\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char field[64];
        assert_int_equal(reset_csv_field(rows[i][0], field, sizeof field), strlen(rows[i][1]));
        assert_string_equal(field, rows[i][1]);
    }
    char small[4];
    assert_int_equal(reset_csv_field("a b", small, sizeof small), 5);
    assert_string_equal(small, "\"a ");
}

/* ---- time ---- */

static void duration__forms_of_java(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanoseconds;
    } rows[] = {
        {"PT0S", 0, 0},           {"P1D", 86400, 0},         {"PT1H", 3600, 0},
        {"PT1M", 60, 0},          {"PT1S", 1, 0},            {"PT1.5S", 1, 500000000},
        {"PT1,25S", 1, 250000000}, {"PT.S", -99, 0},         {"P1DT2H3M4.5S", 93784, 500000000},
        {"p1dt2h3m4s", 93784, 0}, {"P-1D", -86400, 0},       {"-P1D", -86400, 0},
        {"-P-1D", 86400, 0},      {"+P1D", 86400, 0},        {"PT-0.5S", -1, 500000000},
        {"-PT0.5S", -1, 500000000}, {"PT-1.5S", -2, 500000000}, {"PT+1H-1M", 3540, 0},
        {"PT1.000000001S", 1, 1}, {"PT1.S", 1, 0},           {"PT1H1S", 3601, 0},
        {"P106751991167300D", 106751991167300 * 86400, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reset_duration duration;
        const char *wrong = reset_duration_parse(rows[i].text, &duration);
        if (rows[i].seconds == -99) {
            assert_non_null(wrong);
            continue;
        }
        assert_null(wrong);
        assert_int_equal(duration.seconds, rows[i].seconds);
        assert_int_equal(duration.nanoseconds, rows[i].nanoseconds);
    }
}

static void duration__wrong_texts_are_told_as_in_java(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",    "P",   "PT",    "1D",    "P1",     "P1Y",   "P1M",             "P1DT",  "PT1D",
        "P1H", "PT1", "PT1S ", " PT1S", "PT1S1H", "P1.5D", "PT1.1234567890S", "P--1D", "bogus",
        "PT1H1H"};
    struct reset_duration duration;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *told = reset_duration_parse(wrong[i], &duration);
        assert_non_null(told);
        assert_string_equal(told, "Text cannot be parsed to a Duration");
    }
    assert_string_equal(reset_duration_parse("P106751991167301D", &duration),
                        "Text cannot be parsed to a Duration: days");
    assert_string_equal(reset_duration_parse("PT99999999999999999999H", &duration),
                        "Text cannot be parsed to a Duration: hours");
    assert_string_equal(reset_duration_parse("PT153722867280912931M", &duration),
                        "Text cannot be parsed to a Duration: minutes");
    assert_string_equal(reset_duration_parse("PT9223372036854775808S", &duration),
                        "Text cannot be parsed to a Duration: seconds");
    assert_string_equal(reset_duration_parse("P106751991167300DT24H", &duration),
                        "Text cannot be parsed to a Duration: overflow");
}

static void duration__before_now_is_rounded_down_and_bounded(void **state)
{
    (void)state;
    int64_t at;
    assert_null(reset_duration_before((struct reset_duration){1, 0}, 10500, &at));
    assert_int_equal(at, 9500);
    assert_null(reset_duration_before((struct reset_duration){0, 1}, 10500, &at));
    assert_int_equal(at, 10499);
    assert_null(reset_duration_before((struct reset_duration){-2, 500000000}, 10500, &at));
    assert_int_equal(at, 12000);
    assert_string_equal(
        reset_duration_before((struct reset_duration){31556889864403200, 0}, 0, &at),
        "Instant exceeds minimum or maximum instant");
    assert_string_equal(
        reset_duration_before((struct reset_duration){9300000000000000, 0}, 0, &at),
        "long overflow");
}

static void datetime__forms_of_java(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00.000", 0},
        {"1970-01-01T00:00:00.000Z", 0},
        {"2020-09-13T12:26:40.000Z", 1600000000000},
        {"2020-09-13T14:26:40.000+02:00", 1600000000000},
        {"2020-09-13T14:56:40.000+02:30", 1600000000000},
        {"2020-09-13T14:26:40.000+0230", 1600000000000},
        {"2020-09-13T09:26:40.000-03", 1600000000000},
        {"2020-09-13T12:26:40.7", 1600000000007},
        {"2020-9-13T12:26:40.000", 1600000000000},
        {" 2020- 09-13T12:26:40.000", 1600000000000},
        {"2020-09-13T12:26:40.000Zanything", 1600000000000},
        {"2020-02-29T00:00:00.000", 1582934400000},
        {"2000-02-29T00:00:00.000", 951782400000},
        {"1969-12-31T23:59:59.999", -1},
        {"9999-12-31T23:59:59.999", 253402300799999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char error[RESET_TEXT_BYTES];
        int64_t ms;
        assert_true(reset_datetime_parse(rows[i].text, &ms, error));
        assert_int_equal(ms, rows[i].ms);
    }
}

static void datetime__wrong_texts_are_told_as_in_java(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "2020-13-01T00:00:00.000Z", "2020-00-01T00:00:00.000Z", "2021-02-29T00:00:00.000Z",
        "1900-02-29T00:00:00.000Z", "2020-04-31T00:00:00.000Z", "2020-01-01T24:00:00.000Z",
        "2020-01-01T00:60:00.000Z", "2020-01-01T00:00:60.000Z", "2020-01-01T00:00:00.1000Z",
        "2020-01-01T00:00:00Z",     "2020-01-01T00:00Z",        "0000-01-01T00:00:00.000Z",
        "20-x-01T00:00:00.000Z",    "2020-01-01T00:00:00.000+24", "2020-01-01T00:00:00.000+1",
        "2020/01/01T00:00:00.000Z", "2020-01-01 T00:00:00.000Z",
    };
    char error[RESET_TEXT_BYTES];
    char expected[RESET_TEXT_BYTES];
    int64_t ms;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(reset_datetime_parse(wrong[i], &ms, error));
        snprintf(expected, sizeof expected, "Unparseable date: \"%s\"", wrong[i]);
        assert_string_equal(error, expected);
    }
    assert_false(reset_datetime_parse("2020-01-01T00:00:00", &ms, error));
    assert_string_equal(error, "Unparseable date: \"2020-01-01T00:00:00Z\"");
    assert_false(reset_datetime_parse("2020-01-01", &ms, error));
    assert_string_equal(error, "Error parsing timestamp. It does not contain a 'T' according to "
                               "ISO8601 format");
    assert_false(reset_datetime_parse("2020-01-01T", &ms, error));
}

/* ---- partitions ---- */

static void topic__partitions_are_cut_as_java_splits_them(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"t:0", "t 0"},           {"t:0,1,5", "t 0 1 5"}, {"t:0,", "t 0"},
        {"t:0,,,", "t 0"},        {"t:,", "t"},           {":0", " 0"},
        {"t:0:", "t 0"},          {"t:+1", "t 1"},        {"t:-1", "t -1"},
        {"t:", "!Invalid topic arg 't:', expected topic name and partitions"},
        {":", "!Invalid topic arg ':', expected topic name and partitions"},
        {"t:0:1", "!Invalid topic arg 't:0:1', expected topic name and partitions"},
        {"t", "!Invalid topic arg 't', expected topic name and partitions"},
        {"t:,0", "!Invalid partition '' specified in topic arg 't:,0''"},
        {"t:0,x", "!Invalid partition 'x' specified in topic arg 't:0,x''"},
        {"t:2147483648", "!Invalid partition '2147483648' specified in topic arg 't:2147483648''"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct reset_topic topic;
        char error[RESET_TEXT_BYTES];
        char told[RESET_TEXT_BYTES + 64];
        arena_init(&arena, 1 << 16);
        if (reset_topic_parse(rows[i][0], &arena, &topic, error) != 0) {
            snprintf(told, sizeof told, "!%s", error);
        } else {
            snprintf(told, sizeof told, "%s", topic.name);
            for (int32_t p = 0; p < topic.count; p++) {
                snprintf(told + strlen(told), sizeof told - strlen(told), " %d",
                         topic.partitions[p]);
            }
        }
        assert_string_equal(told, rows[i][1]);
        arena_release(&arena);
    }
}

/* ---- order ---- */

/* As a Java HashMap of three, of a copied one, and of thirteen is walked. */
static void order__is_that_of_java_maps(void **state)
{
    (void)state;
    struct bnb_topic_partition three[] = {{"g", 0}, {"g", 1}, {"g", 2}};
    tools_java_order_partitions(three, 3, sizeof three[0], false);
    assert_int_equal(three[0].partition, 2);
    assert_int_equal(three[1].partition, 1);
    assert_int_equal(three[2].partition, 0);
    tools_java_order_partitions(three, 3, sizeof three[0], true);
    assert_int_equal(three[0].partition, 0);
    assert_int_equal(three[1].partition, 2);
    assert_int_equal(three[2].partition, 1);
    const char *names[] = {"empty", "simple", "stable", "static", "completing", "empty-bare"};
    static const char *const expected[] = {"static", "stable",     "empty-bare",
                                           "simple", "completing", "empty"};
    tools_java_order(names, 6, sizeof names[0]);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(names[i], expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan__for_one_group_has_no_column_of_groups),
        cmocka_unit_test(plan__with_a_column_of_groups_is_taken_for_one_group_too),
        cmocka_unit_test(plan__quotes_and_blanks_are_as_in_java),
        cmocka_unit_test(plan__what_is_missing_at_the_end_of_a_line_is_zero),
        cmocka_unit_test(plan__wrong_lines_are_told),
        cmocka_unit_test(plan__fields_are_quoted_where_java_quotes_them),
        cmocka_unit_test(duration__forms_of_java),
        cmocka_unit_test(duration__wrong_texts_are_told_as_in_java),
        cmocka_unit_test(duration__before_now_is_rounded_down_and_bounded),
        cmocka_unit_test(datetime__forms_of_java),
        cmocka_unit_test(datetime__wrong_texts_are_told_as_in_java),
        cmocka_unit_test(topic__partitions_are_cut_as_java_splits_them),
        cmocka_unit_test(order__is_that_of_java_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
