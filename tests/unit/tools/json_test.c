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
    assert_true(json_member(list->first, "offset")->number == -1);
    assert_null(list->first->next);
    assert_null(json_member(root, "nothing"));
    arena_release(&arena);
}

static void json__refuses_what_is_no_json(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{", "[1,", "{\"a\" 1}", "[1] x", "\"open", "{a:1}",
                                        "\"\\q\"", "tru"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        assert_null(json_parse(&arena, wrong[i]));
        arena_release(&arena);
    }
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
        cmocka_unit_test(json__bounds_its_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
