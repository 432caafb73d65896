/* What is written is read back, what is cut short fails, and known values match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/murmur2.h"
#include "base/reader.h"
#include "base/uuid.h"
#include "base/writer.h"

static void crc32c__matches_known_values_in_every_version(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
    static uint8_t bytes[10000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 131 + (i >> 8));
    }
    for (size_t size = 0; size < sizeof bytes; size += 97) {
        uint32_t whole = crc32c(0, bytes, size);
        assert_int_equal(whole, crc32c_table(0, bytes, size));
        uint32_t first = crc32c(0, bytes, size / 3);
        assert_int_equal(whole, crc32c(first, bytes + size / 3, size - size / 3));
        uint32_t second = crc32c(0, bytes + size / 3, size - size / 3);
        assert_int_equal(whole, crc32c_join(first, second, size - size / 3));
    }
}

static void murmur2__matches_the_partitioner_of_kafka(void **state)
{
    (void)state;
    assert_int_equal((int32_t)murmur2("21", 2), -973932308);
    assert_int_equal((int32_t)murmur2("foobar", 6), -790332482);
    assert_int_equal((int32_t)murmur2("a-little-bit-long-string", 24), -985981536);
    assert_int_equal((int32_t)murmur2("a-little-bit-longer-string", 26), -1486304829);
    assert_int_equal((int32_t)murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 48),
                     -58897971);
    assert_int_equal((int32_t)murmur2("abc", 3), 479470107);
}

static void uuid__that_is_random_does_not_look_like_a_flag(void **state)
{
    (void)state;
    char text[UUID_TEXT_BYTES];
    for (int first = 0; first < 256; first++) {
        uint8_t random[16] = {(uint8_t)first};
        struct uuid id = uuid_from_random(random);
        assert_int_not_equal(uuid_format(id, text)[0], '-');
        assert_int_equal(id.bytes[6] >> 4, 4);
    }
}

static void uuid__text_form_round_trips(void **state)
{
    (void)state;
    char text[UUID_TEXT_BYTES];
    struct uuid id;
    assert_int_equal(uuid_parse(string_view_of("4L6g3nShT-eMCtK--X86sw"), &id), 0);
    assert_string_equal(uuid_format(id, text), "4L6g3nShT-eMCtK--X86sw");
    assert_string_equal(uuid_format((struct uuid){{0}}, text), "AAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(uuid_parse(string_view_of("4L6g3nShT-eMCtK--X86s"), &id), ERR_INVALID);
    assert_int_equal(uuid_parse(string_view_of("4L6g3nShT+eMCtK--X86sw"), &id), ERR_INVALID);
}

static void numbers__round_trip_through_writer_and_reader(void **state)
{
    (void)state;
    static const int64_t values[] = {0, 1, -1, 63, 64, -64, -65, 300, INT32_MAX, INT32_MIN,
                                     INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct writer writer;
        writer_init(&writer, 1000);
        writer_varlong(&writer, values[i]);
        writer_varint(&writer, (int32_t)values[i]);
        writer_uvarint(&writer, (uint32_t)values[i]);
        writer_i64(&writer, values[i]);
        writer_i16(&writer, (int16_t)values[i]);
        assert_false(writer.failed);
        struct reader reader;
        reader_init(&reader, writer.data, writer.size);
        assert_true(reader_varlong(&reader) == values[i]);
        assert_int_equal(reader_varint(&reader), (int32_t)values[i]);
        assert_int_equal(reader_uvarint(&reader), (uint32_t)values[i]);
        assert_true(reader_i64(&reader) == values[i]);
        assert_int_equal(reader_i16(&reader), (int16_t)values[i]);
        assert_int_equal(reader_left(&reader), 0);
        assert_false(reader.failed);
        assert_int_equal(reader_i8(&reader), 0);
        assert_true(reader.failed);
        writer_release(&writer);
    }
}

static void reader__refuses_varints_that_are_too_long(void **state)
{
    (void)state;
    struct reader reader;
    reader_init(&reader, "\xff\xff\xff\xff\xff\x01", 6);
    assert_int_equal(reader_uvarint(&reader), 0);
    assert_true(reader.failed);
}

static void writer__stops_at_its_bound(void **state)
{
    (void)state;
    struct writer writer;
    writer_init(&writer, 6);
    writer_i32(&writer, 1);
    assert_false(writer.failed);
    writer_i32(&writer, 2);
    assert_true(writer.failed);
    assert_int_equal(writer.size, 4);
    writer_release(&writer);
}

/* Nothing to read from or to write to is not arithmetic on NULL (undefined, and seen by UBSan). */
static void bytes__of_size_zero_need_no_memory(void **state)
{
    (void)state;
    struct reader reader;
    reader_init(&reader, NULL, 0);
    (void)reader_take(&reader, 0);
    assert_false(reader.failed);
    assert_null(reader_take(&reader, 1));
    assert_true(reader.failed);
    struct writer writer;
    writer_init(&writer, 100);
    assert_non_null(writer_reserve(&writer, 0));
    assert_int_equal(writer.size, 0);
    assert_false(writer.failed);
    writer_release(&writer);
}

/* By bytes, unsigned, and a prefix first; what qsort and the image sort names by. */
static void view__compares_as_memcmp_and_prefixes_first(void **state)
{
    (void)state;
    assert_true(string_view_compare(string_view_of("a"), string_view_of("ab")) < 0);
    assert_true(string_view_compare(string_view_of("b"), string_view_of("ab")) > 0);
    assert_true(string_view_compare(string_view_of("\x80"), string_view_of("a")) > 0);
    assert_int_equal(string_view_compare(string_view_of("ab"), string_view_of("ab")), 0);
    assert_int_equal(string_view_compare((struct string_view){NULL, 0}, string_view_of("")), 0);
}

static void arena__gives_zeroed_memory_up_to_its_bound(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100000);
    for (int i = 0; i < 100; i++) {
        uint8_t *memory = arena_alloc(&arena, 500);
        assert_non_null(memory);
        assert_int_equal(memory[0] | memory[499], 0);
        memset(memory, 0xff, 500);
    }
    assert_null(arena_alloc(&arena, 60000));
    assert_true(arena.failed);
    arena_reset(&arena);
    assert_string_equal(arena_format(&arena, "%d-%s", 7, "x").data, "7-x");
    assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
    arena_release(&arena);
}

static void err__layers_add_a_prefix(void **state)
{
    (void)state;
    struct err_message message;
    assert_int_equal(err_set(&message, ERR_IO, "read of %s failed", "x"), ERR_IO);
    assert_int_equal(err_wrap(&message, ERR_IO, "topic %d", 3), ERR_IO);
    assert_string_equal(message.text, "topic 3: read of x failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__matches_known_values_in_every_version),
        cmocka_unit_test(murmur2__matches_the_partitioner_of_kafka),
        cmocka_unit_test(uuid__text_form_round_trips),
        cmocka_unit_test(uuid__that_is_random_does_not_look_like_a_flag),
        cmocka_unit_test(numbers__round_trip_through_writer_and_reader),
        cmocka_unit_test(reader__refuses_varints_that_are_too_long),
        cmocka_unit_test(writer__stops_at_its_bound),
        cmocka_unit_test(bytes__of_size_zero_need_no_memory),
        cmocka_unit_test(view__compares_as_memcmp_and_prefixes_first),
        cmocka_unit_test(arena__gives_zeroed_memory_up_to_its_bound),
        cmocka_unit_test(err__layers_add_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
