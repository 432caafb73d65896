/* Every codec gives back what it took, stops at the bound, and survives damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "protocol/record/compress.h"

#define PLAIN_BYTES 200000

static uint8_t plain_bytes[PLAIN_BYTES];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        plain_bytes[i] = (uint8_t)(i % 251 + (i >> 13) * (i % 7));
    }
    return 0;
}

static void compress__every_codec_and_size_round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 32768, 32769, PLAIN_BYTES};
    for (int codec = BATCH_CODEC_NONE; codec < BATCH_CODEC_COUNT; codec++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct writer packed, plain;
            struct bytes_view input = {plain_bytes, sizes[i]};
            writer_init(&packed, 1 << 20);
            writer_init(&plain, sizes[i]);
            assert_int_equal(compress_append((enum batch_codec)codec, COMPRESS_LEVEL_DEFAULT,
                                             input, &packed), 0);
            struct bytes_view bytes = {packed.data, packed.size};
            assert_int_equal(decompress_append((enum batch_codec)codec, bytes, &plain), 0);
            assert_int_equal(plain.size, sizes[i]);
            assert_true(sizes[i] == 0 || memcmp(plain.data, plain_bytes, sizes[i]) == 0);
            writer_release(&packed);
            writer_release(&plain);
        }
    }
}

static void decompress__a_bomb_ends_at_the_bound(void **state)
{
    (void)state;
    static const uint8_t zeros[1 << 20];
    for (int codec = BATCH_CODEC_GZIP; codec < BATCH_CODEC_COUNT; codec++) {
        struct writer packed, plain;
        writer_init(&packed, 2 << 20);
        writer_init(&plain, 100000);
        assert_int_equal(compress_append((enum batch_codec)codec, COMPRESS_LEVEL_DEFAULT,
                                         (struct bytes_view){zeros, sizeof zeros}, &packed), 0);
        struct bytes_view bytes = {packed.data, packed.size};
        assert_int_equal(decompress_append((enum batch_codec)codec, bytes, &plain), ERR_RANGE);
        writer_release(&packed);
        writer_release(&plain);
    }
}

/* A cut stream is an error, but for snappy, whose framing may end between blocks. */
static void decompress__cut_and_flipped_streams_are_safe(void **state)
{
    (void)state;
    for (int codec = BATCH_CODEC_GZIP; codec < BATCH_CODEC_COUNT; codec++) {
        struct writer packed;
        writer_init(&packed, 1 << 20);
        assert_int_equal(compress_append((enum batch_codec)codec, COMPRESS_LEVEL_DEFAULT,
                                         (struct bytes_view){plain_bytes, 2000}, &packed), 0);
        for (size_t size = 0; size < packed.size; size++) {
            struct writer plain;
            writer_init(&plain, 1 << 20);
            int error = decompress_append((enum batch_codec)codec,
                                          (struct bytes_view){packed.data, size}, &plain);
            assert_true(error != 0 || (codec == BATCH_CODEC_SNAPPY && size < 20));
            writer_release(&plain);
        }
        for (size_t i = 0; i < packed.size; i++) {
            struct writer plain;
            writer_init(&plain, 1 << 20);
            packed.data[i] ^= 0x55;
            (void)decompress_append((enum batch_codec)codec,
                                    (struct bytes_view){packed.data, packed.size}, &plain);
            packed.data[i] ^= 0x55;
            writer_release(&plain);
        }
        writer_release(&packed);
    }
}

static void snappy__a_raw_block_without_framing_is_read(void **state)
{
    (void)state;
    /* Length 5, then a literal of 5 bytes. */
    static const uint8_t raw[] = {5, 4 << 2, 'h', 'e', 'l', 'l', 'o'};
    struct writer plain;
    writer_init(&plain, 100);
    assert_int_equal(
        decompress_append(BATCH_CODEC_SNAPPY, (struct bytes_view){raw, sizeof raw}, &plain), 0);
    assert_int_equal(plain.size, 5);
    assert_memory_equal(plain.data, "hello", 5);
    writer_release(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compress__every_codec_and_size_round_trips),
        cmocka_unit_test(decompress__a_bomb_ends_at_the_bound),
        cmocka_unit_test(decompress__cut_and_flipped_streams_are_safe),
        cmocka_unit_test(snappy__a_raw_block_without_framing_is_read),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
