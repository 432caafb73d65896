#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/reader.h"
#include "log/index_file.h"
#include "log/log_dir.h"

#define ENTRY_BYTES 8

static const struct index_kind kind = {".index", ENTRY_BYTES};
#define ENTRIES_MAX 3000

struct fixture {
    char root[64];
    struct io_fs fs;
    struct log_place place;
    struct index_file index;
    int64_t keys[ENTRIES_MAX];
    uint32_t count;
    uint32_t random;
};

static uint32_t next_random(struct fixture *fixture, uint32_t below)
{
    fixture->random = fixture->random * 1664525u + 1013904223u;
    return (fixture->random >> 8) % below;
}

static int setup(void **state)
{
    struct fixture *fixture = mem_need(sizeof *fixture);
    snprintf(fixture->root, sizeof fixture->root, "/tmp/barnabas-index-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    fixture->fs = io_fs_linux();
    fixture->place = (struct log_place){.fs = &fixture->fs, .directory = fixture->root};
    fixture->count = 0;
    fixture->random = 7;
    index_file_init(&fixture->index, &fixture->place, 0, &kind);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    index_file_release(&fixture->index);
    assert_int_equal(log_dir_remove_tree(&fixture->fs, fixture->root), 0);
    mem_free(fixture);
    return 0;
}

static int64_t key_of(const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, ENTRY_BYTES);
    return reader_i64(&reader);
}

/* Keys grow by 0 to 3: some are there twice. */
static void grow(struct fixture *fixture, uint32_t by)
{
    for (uint32_t i = 0; i < by; i++) {
        uint8_t entry[ENTRY_BYTES];
        int64_t last = fixture->count > 0 ? fixture->keys[fixture->count - 1] : 0;
        int64_t key = last + next_random(fixture, 4);
        for (int byte = 0; byte < ENTRY_BYTES; byte++) {
            entry[byte] = (uint8_t)((uint64_t)key >> (8 * (ENTRY_BYTES - 1 - byte)));
        }
        assert_int_equal(index_file_append(&fixture->index, entry), 0);
        fixture->keys[fixture->count++] = key;
    }
}

static void expect_floor(struct fixture *fixture, int64_t key)
{
    int64_t expected = -1;
    while (expected + 1 < fixture->count && fixture->keys[expected + 1] <= key) {
        expected++;
    }
    uint8_t entry[INDEX_ENTRY_BYTES_MAX];
    assert_int_equal(index_file_floor(&fixture->index, key, key_of, entry), expected);
    if (expected >= 0) {
        assert_int_equal(key_of(entry), fixture->keys[expected]);
    }
}

static void expect_many_floors(struct fixture *fixture)
{
    int64_t last = fixture->count > 0 ? fixture->keys[fixture->count - 1] : 0;
    expect_floor(fixture, -1);
    expect_floor(fixture, 0);
    expect_floor(fixture, last);
    expect_floor(fixture, last + 1);
    for (int i = 0; i < 100; i++) {
        expect_floor(fixture, next_random(fixture, (uint32_t)last + 3));
    }
}

static void index_file__finds_what_a_walk_finds(void **state)
{
    struct fixture *fixture = *state;
    expect_many_floors(fixture);
    for (uint32_t by = 1; fixture->count + by <= ENTRIES_MAX; by = by * 2 + 1) {
        grow(fixture, by);
        expect_many_floors(fixture);
        if (by % 4 == 3) {
            assert_int_equal(index_file_idle(&fixture->index), 0);
            expect_many_floors(fixture);
        }
    }
}

static void index_file__is_read_on_from_where_one_was(void **state)
{
    struct fixture *fixture = *state;
    grow(fixture, ENTRIES_MAX);
    int64_t last = fixture->keys[fixture->count - 1];
    for (int64_t key = 0; key <= last; key += 1 + next_random(fixture, 20)) {
        expect_floor(fixture, key);
    }
    for (int64_t key = last; key >= 0; key -= 1 + next_random(fixture, 20)) {
        expect_floor(fixture, key);
    }
}

static void index_file__finds_after_it_was_cut(void **state)
{
    struct fixture *fixture = *state;
    grow(fixture, ENTRIES_MAX);
    while (fixture->count > 0) {
        expect_floor(fixture, fixture->keys[fixture->count - 1]);
        fixture->count = next_random(fixture, fixture->count);
        assert_int_equal(index_file_truncate(&fixture->index, fixture->count), 0);
        expect_many_floors(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(index_file__finds_what_a_walk_finds, setup, teardown),
        cmocka_unit_test_setup_teardown(index_file__is_read_on_from_where_one_was, setup, teardown),
        cmocka_unit_test_setup_teardown(index_file__finds_after_it_was_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
