/* Batches that are built are read back record by record; damage is found; patches keep the CRC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/record/iter.h"

static struct bytes_view text(const char *value)
{
    return (struct bytes_view){(const uint8_t *)value, strlen(value)};
}

/* Three records: plain, null key with headers, tombstone at an offset gap. */
static void build(struct writer *writer)
{
    static const struct record_header headers[] = {{{"h", 1}, {(const uint8_t *)"v", 1}},
                                                   {{"n", 1}, {NULL, 0}}};
    struct batch header = batch_header_empty(100);
    struct batch_builder builder;
    header.producer_id = 7;
    header.producer_epoch = 1;
    header.base_sequence = 5;
    batch_builder_init(&builder, writer, &header);
    struct record first = {.offset = 100, .timestamp_ms = 1000, .key = text("k"),
                           .value = text("v")};
    struct record second = {.offset = 101, .timestamp_ms = 990, .value = text("second"),
                            .headers = headers, .header_count = 2};
    struct record third = {.offset = 105, .timestamp_ms = 2000, .key = text("gone")};
    batch_builder_add(&builder, &first);
    batch_builder_add(&builder, &second);
    batch_builder_add(&builder, &third);
    assert_int_equal(batch_builder_finish(&builder), 0);
}

static void batch__is_read_back_as_built(void **state)
{
    (void)state;
    struct writer writer;
    struct batch batch;
    struct record record;
    struct record_header header;
    struct record_iter iter;
    writer_init(&writer, 10000);
    build(&writer);
    assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
    assert_int_equal(batch.size_bytes, writer.size);
    assert_true(batch_crc_holds(writer.data, &batch));
    assert_int_equal(batch_last_offset(&batch), 105);
    assert_int_equal(batch.max_timestamp_ms, 2000);
    assert_int_equal(batch.record_count, 3);
    struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
    record_iter_init(&iter, &batch, records);
    assert_int_equal(record_iter_next(&iter, &record), 1);
    assert_memory_equal(record.key.data, "k", 1);
    assert_int_equal(record_iter_next_header(&iter, &header), 0);
    assert_int_equal(record_iter_next(&iter, &record), 1);
    assert_null(record.key.data);
    assert_int_equal(record.timestamp_ms, 990);
    assert_int_equal(record_iter_next_header(&iter, &header), 1);
    assert_int_equal(record_iter_next_header(&iter, &header), 1);
    assert_null(header.value.data);
    assert_int_equal(record_iter_next_header(&iter, &header), 0);
    assert_int_equal(record_iter_next(&iter, &record), 1);
    assert_int_equal(record.offset, 105);
    assert_null(record.value.data);
    assert_int_equal(record_iter_next(&iter, &record), 0);
    writer_release(&writer);
}

static void batch__every_truncation_and_flipped_bit_is_found(void **state)
{
    (void)state;
    struct writer writer;
    struct batch batch;
    writer_init(&writer, 10000);
    build(&writer);
    for (size_t size = 0; size < writer.size; size++) {
        assert_int_not_equal(batch_decode(writer.data, size, &batch), 0);
    }
    for (size_t bit = 21 * 8; bit < writer.size * 8; bit++) {
        writer.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
        assert_false(batch_crc_holds(writer.data, &batch));
        writer.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    writer_release(&writer);
}

/* Whatever the record bytes hold, the walk ends within them. */
static void record_iter__damaged_records_never_leave_their_bytes(void **state)
{
    (void)state;
    struct writer writer;
    struct batch batch;
    struct record record;
    struct record_iter iter;
    writer_init(&writer, 10000);
    build(&writer);
    assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
    size_t size = batch.size_bytes - BATCH_HEADER_BYTES;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = mem_need(cut);
        memcpy(copy, batch.records, cut);
        record_iter_init(&iter, &batch, (struct bytes_view){copy, cut});
        int result = 1;
        while (result == 1) {
            result = record_iter_next(&iter, &record);
        }
        assert_int_equal(result, ERR_CORRUPT);
        assert_int_equal(record_iter_next(&iter, &record), ERR_CORRUPT);
        mem_free(copy);
    }
    writer_release(&writer);
}

static void batch__patches_keep_the_crc_valid(void **state)
{
    (void)state;
    struct writer writer;
    struct batch batch;
    writer_init(&writer, 10000);
    build(&writer);
    assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
    batch_patch_base_offset(writer.data, INT64_C(1) << 40);
    batch_patch_leader_epoch(writer.data, 9);
    batch_patch_timestamp(writer.data, &batch, true, 777);
    assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
    assert_true(batch_crc_holds(writer.data, &batch));
    assert_true(batch.base_offset == INT64_C(1) << 40);
    assert_int_equal(batch.partition_leader_epoch, 9);
    assert_int_equal(batch.max_timestamp_ms, 777);
    assert_int_equal(batch.attributes, BATCH_LOG_APPEND_TIME);
    writer_release(&writer);
}

static void batch__sequences_wrap_to_zero(void **state)
{
    (void)state;
    assert_int_equal(batch_sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(batch_sequence_add(INT32_MAX - 1, 3), 1);
    assert_int_equal(batch_sequence_add(5, 4), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch__is_read_back_as_built),
        cmocka_unit_test(batch__every_truncation_and_flipped_bit_is_found),
        cmocka_unit_test(record_iter__damaged_records_never_leave_their_bytes),
        cmocka_unit_test(batch__patches_keep_the_crc_valid),
        cmocka_unit_test(batch__sequences_wrap_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
