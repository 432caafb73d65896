/* The hash table: what goes in comes out, and names that differ little lie apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"

#define NAMES 4096

struct name {
    char text[24];
    size_t size;
    bool there;
};
static struct name names[NAMES];
static int64_t compared;

static uint64_t name_hash(const void *key, uint64_t seed)
{
    const struct name *name = key;
    return map_hash_bytes(name->text, name->size, seed);
}
static const void *name_key(const void *element) { return element; }
static bool name_equal(const void *element, const void *key)
{
    const struct name *left = element;
    const struct name *right = key;
    compared++;
    return left->size == right->size && memcmp(left->text, right->text, left->size) == 0;
}

static struct map make(uint64_t seed)
{
    return (struct map){
        .seed = seed, .hash_key = name_hash, .key_of = name_key, .equal = name_equal};
}

/* Comparisons for a look-up of what is there, in a table that is at most half full. */
static double comparisons(uint64_t seed)
{
    struct map map = make(seed);
    for (int i = 0; i < NAMES; i++) {
        assert_int_equal(map_insert(&map, &names[i]), 0);
    }
    compared = 0;
    for (int i = 0; i < NAMES; i++) {
        assert_ptr_equal(map_find(&map, &names[i]), &names[i]);
    }
    map_release(&map);
    return (double)compared / NAMES;
}

/* In each place of a word may be what names differ in: digits at their ends, or an id's bytes. */
static void map__names_that_differ_in_one_place_lie_apart(void **state)
{
    (void)state;
    for (size_t size = 4; size <= 20; size++) {
        for (size_t at = 0; at + 4 <= size; at++) {
            for (int i = 0; i < NAMES; i++) {
                char digits[16];
                memset(names[i].text, 'x', sizeof names[i].text);
                snprintf(digits, sizeof digits, "%04d", i);
                memcpy(names[i].text + at, digits, 4);
                names[i].size = size;
            }
            for (uint64_t seed = 0; seed < 3; seed++) {
                double mean = comparisons(seed * 0x123456789abcdef);
                if (mean > 2.0) {
                    fail_msg("%zu bytes, the digits at %zu: %.1f comparisons", size, at, mean);
                }
            }
        }
    }
}

static void map__holds_what_was_put_in_and_not_taken_out(void **state)
{
    (void)state;
    struct map map = make(7);
    uint64_t random = 88172645463325252u;
    size_t count = 0;
    for (int i = 0; i < NAMES; i++) {
        names[i] = (struct name){.size = sizeof names[i].text};
        snprintf(names[i].text, sizeof names[i].text, "name %d", i);
    }
    for (int step = 0; step < 20 * NAMES; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        struct name *name = &names[random % NAMES];
        assert_ptr_equal(map_find(&map, name), name->there ? name : NULL);
        if (name->there) {
            assert_ptr_equal(map_take(&map, name), name);
        } else {
            assert_int_equal(map_insert(&map, name), 0);
        }
        name->there = !name->there;
        count += name->there ? 1 : (size_t)-1;
        assert_int_equal(map.count, count);
    }
    size_t cursor = 0;
    size_t seen = 0;
    struct name *name;
    while ((name = map_next(&map, &cursor)) != NULL) {
        assert_true(name->there);
        seen++;
    }
    assert_int_equal(seen, count);
    map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map__names_that_differ_in_one_place_lie_apart),
        cmocka_unit_test(map__holds_what_was_put_in_and_not_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
