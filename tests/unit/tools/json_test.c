/* The reader of small JSON files: what is right, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/json.h"

static void json__reads_the_offset_file_of_delete_records(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct json *root = json_parse(
        &arena, "{\"partitions\": [{\"topic\": \"t\\u0041\", \"partition\": 1, \"offset\": -1}],"
                " \"version\":1}");
    const struct json *list = json_member(root, "partitions");
    assert_non_null(list);
    assert_int_equal(list->kind, JSON_ARRAY);
    assert_string_equal(json_member(list->first, "topic")->text, "tA");
    int64_t number;
    assert_true(json_integer(json_member(list->first, "offset"), -1, 1, &number));
    assert_int_equal(number, -1);
    assert_null(list->first->next);
    assert_null(json_member(root, "nothing"));
    arena_release(&arena);
}

static void json__refuses_what_is_no_json(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "{", "[1,", "{\"a\" 1}", "[1 x]", "\"open", "{a:1}", "\"\\q\"", "tru", "[1,]",
        "{\"a\":1,}", "[,1]", "[nan]", "[inf]", "[0x1]", "[01]", "[-]", "[1.]", "[.5]", "[1e]",
        "[+1]", "\"\\u12\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        assert_null(json_parse(&arena, wrong[i]));
        arena_release(&arena);
    }
}

/* As Kafka's reader has it: what follows the value does not count. */
static void json__tells_integers_from_other_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
        int64_t number;
    } table[] = {{"9007199254740993", true, INT64_C(9007199254740993)},
                 {"-9223372036854775808 x", true, INT64_MIN},
                 {"9223372036854775808", false, 0},
                 {"1.5", false, 0},
                 {"1e2", false, 0},
                 {"\"1\"", false, 0},
                 {"null", false, 0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct arena arena;
        int64_t number;
        arena_init(&arena, 1 << 20);
        const struct json *value = json_parse(&arena, table[i].text);
        assert_non_null(value);
        assert_int_equal(json_integer(value, INT64_MIN, INT64_MAX, &number), table[i].is);
        assert_true(!table[i].is || number == table[i].number);
        arena_release(&arena);
    }
}

static void json__joins_the_halves_of_a_character(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_string_equal(json_parse(&arena, "\"a\\ud83d\\ude00b\"")->text, "a\xf0\x9f\x98\x80" "b");
    arena_release(&arena);
}

/* What a list takes grows with the list, not with its square. */
static void json__reads_a_long_list_in_little_memory(void **state)
{
    (void)state;
    static char text[1000 * 20 + 3] = "[";
    for (size_t i = 0; i < 1000; i++) {
        strcat(text + 20 * i, i == 0 ? "\"a topic of a list\"" : ",\"a topic of a list\"");
    }
    strcat(text, "]");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_non_null(json_parse(&arena, text));
    arena_release(&arena);
}

static void json__bounds_its_depth(void **state)
{
    (void)state;
    char deep[JSON_DEPTH_MAX * 4 + 1] = "";
    memset(deep, '[', sizeof deep - 1);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_null(json_parse(&arena, deep));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json__reads_the_offset_file_of_delete_records),
        cmocka_unit_test(json__refuses_what_is_no_json),
        cmocka_unit_test(json__tells_integers_from_other_numbers),
        cmocka_unit_test(json__joins_the_halves_of_a_character),
        cmocka_unit_test(json__reads_a_long_list_in_little_memory),
        cmocka_unit_test(json__bounds_its_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
