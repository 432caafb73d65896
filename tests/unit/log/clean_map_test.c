#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "log/clean_map.h"

static struct bytes_view text(const char *key)
{
    return (struct bytes_view){(const uint8_t *)key, strlen(key)};
}

/* The first of the test vectors that the authors of SipHash publish for 128 bits. */
static void siphash__gives_the_published_values(void **state)
{
    (void)state;
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    static const uint8_t input[1] = {0};
    static const uint8_t expected[2][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
         0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
         0x45}};
    for (size_t size = 0; size < 2; size++) {
        struct siphash hash = siphash(key, input, size);
        for (size_t i = 0; i < 16; i++) {
            assert_int_equal((uint8_t)(hash.words[i / 8] >> (8 * (i % 8))), expected[size][i]);
        }
    }
}

/* Every key is found with its greatest offset, up to the last that has room. */
static void map__finds_the_greatest_offset_of_each_key(void **state)
{
    (void)state;
    struct clean_map map;
    struct clean_map_options options = {.bytes_max = 1000 * CLEAN_MAP_SLOT_BYTES,
                                        .load_factor = 0.9,
                                        .expected_max = 1000000,
                                        .key = {1, 2}};
    assert_int_equal(clean_map_init(&map, &options), 0);
    char key[32];
    int count = 0;
    for (; clean_map_has_room(&map); count++) {
        snprintf(key, sizeof key, "key %d", count);
        clean_map_put(&map, text(key), count);
        clean_map_put(&map, text("again"), count);
        clean_map_put(&map, text("again"), 0);
    }
    assert_int_equal(count, 899);
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(clean_map_find(&map, text(key)), i);
    }
    assert_int_equal(clean_map_find(&map, text("again")), count - 1);
    assert_int_equal(clean_map_find(&map, text("never")), -1);
    assert_int_equal(clean_map_find(&map, text("")), -1);
    clean_map_release(&map);
}

/* A log of few records does not take the memory that a large one may have. */
static void map__takes_no_more_than_it_needs(void **state)
{
    (void)state;
    struct clean_map map;
    struct clean_map_options options = {.bytes_max = 1 << 27, .load_factor = 0.9,
                                        .expected_max = 10};
    assert_int_equal(clean_map_init(&map, &options), 0);
    assert_true(map.slot_count < 30);
    char key[32];
    for (int i = 0; i < 10; i++) {
        assert_true(clean_map_has_room(&map));
        snprintf(key, sizeof key, "%d", i);
        clean_map_put(&map, text(key), i);
    }
    clean_map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash__gives_the_published_values),
        cmocka_unit_test(map__finds_the_greatest_offset_of_each_key),
        cmocka_unit_test(map__takes_no_more_than_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
