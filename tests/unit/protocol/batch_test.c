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

/* What a walk over all records tells, in runs or one by one. */
static struct record_run walk(const struct batch *batch, struct bytes_view records, bool in_runs,
                              int *end)
{
    struct record_run all = {0, INT64_MAX, INT64_MIN, true, true};
    struct record_run run = {0};
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch, records);
    do {
        if (in_runs) {
            record_iter_run(&iter, &run);
        }
        if (run.count > 0) {
            all.earliest_ms = run.earliest_ms < all.earliest_ms ? run.earliest_ms
                                                                : all.earliest_ms;
            all.latest_ms = run.latest_ms > all.latest_ms ? run.latest_ms : all.latest_ms;
            all.sequential &= run.sequential;
            all.keyed &= run.keyed;
        }
        *end = record_iter_next(&iter, &record);
        if (*end == 1) {
            all.earliest_ms = record.timestamp_ms < all.earliest_ms ? record.timestamp_ms
                                                                    : all.earliest_ms;
            all.latest_ms = record.timestamp_ms > all.latest_ms ? record.timestamp_ms
                                                                : all.latest_ms;
            all.sequential &= record.offset == batch->base_offset + iter.next_index - 1;
            all.keyed &= record.key.data != NULL;
        }
    } while (*end == 1);
    all.count = iter.next_index;
    return all;
}

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

/* A batch of records most of which are plain. */
static void build_random(struct writer *writer, uint32_t *random)
{
    static const struct record_header headers[] = {{{"h", 1}, {(const uint8_t *)"v", 1}}};
    static uint8_t bytes[20000];
    static const size_t sizes[] = {0, 1, 2, 62, 63, 64, 100, 8190, 8192, 20000};
    struct batch header = batch_header_empty(1000);
    struct batch_builder builder;
    header.base_timestamp_ms = next_random(random) % 20 == 0 ? INT64_MAX - 2 : 5000000;
    header.attributes = next_random(random) % 20 == 0 ? BATCH_LOG_APPEND_TIME : 0;
    batch_builder_init(&builder, writer, &header);
    uint32_t count = next_random(random) % 200 + 1;
    uint32_t oddity = next_random(random) % 4 == 0 ? 5 : 1000;
    int64_t offset = 1000;
    for (uint32_t i = 0; i < count; i++) {
        size_t key_size = sizes[next_random(random) % 4];
        size_t value_size = sizes[next_random(random) % (oddity == 5 ? 10 : 7)];
        struct record record = {.offset = offset++,
                                .timestamp_ms = header.base_timestamp_ms +
                                                next_random(random) % 3,
                                .key = {bytes, key_size},
                                .value = {bytes, value_size}};
        if (next_random(random) % oddity == 0) {
            record.key = (struct bytes_view){NULL, 0};
        }
        if (next_random(random) % oddity == 1) {
            record.headers = headers;
            record.header_count = 1;
        }
        if (next_random(random) % oddity == 2) {
            record.timestamp_ms -= (int64_t)(next_random(random) % 3000000);
            offset += next_random(random) % 2000000;
        }
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
}

static void record_iter__runs_tell_what_the_records_would(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (int round = 0; round < 3000; round++) {
        struct writer writer;
        struct batch batch;
        int ends[2];
        writer_init(&writer, 16 << 20);
        build_random(&writer, &random);
        assert_int_equal(batch_decode(writer.data, writer.size, &batch), 0);
        size_t size = batch.size_bytes - BATCH_HEADER_BYTES;
        if (round % 3 == 0) { /* a damaged one, in memory that ends where it does */
            writer.data[BATCH_HEADER_BYTES + next_random(&random) % size] ^=
                (uint8_t)(1u << next_random(&random) % 8);
        }
        if (round % 9 == 0) {
            size = next_random(&random) % size;
        }
        uint8_t *exact = mem_alloc(size + 1);
        memcpy(exact, writer.data + BATCH_HEADER_BYTES, size);
        exact = mem_realloc(exact, size > 0 ? size : 1);
        struct bytes_view records = {exact, size};
        struct record_run one_by_one = walk(&batch, records, false, &ends[0]);
        struct record_run in_runs = walk(&batch, records, true, &ends[1]);
        assert_int_equal(ends[1], ends[0]);
        if (ends[0] == 0) {
            assert_int_equal(in_runs.count, one_by_one.count);
            assert_int_equal(in_runs.earliest_ms, one_by_one.earliest_ms);
            assert_int_equal(in_runs.latest_ms, one_by_one.latest_ms);
            assert_int_equal(in_runs.sequential, one_by_one.sequential);
            assert_int_equal(in_runs.keyed, one_by_one.keyed);
        }
        mem_free(exact);
        writer_release(&writer);
    }
}

/* -2 as a varint is 3, and the offset that should be there is 2. */
static void record_iter__run_notices_an_offset_below_the_base(void **state)
{
    (void)state;
    static const uint8_t records[] = {0x10, 0, 0, 0, 2, 'k', 2, 'v', 0,
                                      0x10, 0, 0, 3, 2, 'k', 2, 'v', 0,
                                      0x10, 0, 0, 4, 2, 'k', 2, 'v', 0,
                                      0x10, 0, 0, 6, 2, 'k', 2, 'v', 0};
    struct batch batch = batch_header_empty(1000);
    struct record_iter iter;
    struct record_run run;
    batch.record_count = 4;
    record_iter_init(&iter, &batch, (struct bytes_view){records, sizeof records});
    record_iter_run(&iter, &run);
    assert_int_equal(run.count, 3); /* the last ones of a batch are read one by one */
    assert_false(run.sequential);
    assert_true(run.keyed);
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

/* The producer checks a batch while it grows, and may fill the header in again to send it again. */
static void batch__crc_taken_while_it_grows_is_that_of_the_whole(void **state)
{
    (void)state;
    static uint8_t value[5000];
    for (size_t count = 1; count < 200; count = count * 3 / 2 + 1) {
        struct writer writer;
        struct batch batch;
        struct batch_builder builder;
        struct batch header = batch_header_empty(0);
        writer_init(&writer, 2 << 20);
        writer_bytes(&writer, value, 7); /* it need not begin the buffer */
        batch_builder_init(&builder, &writer, &header);
        for (size_t i = 0; i < count; i++) {
            struct record record = {.offset = (int64_t)i,
                                    .timestamp_ms = 1000,
                                    .value = {value, i * 379 % sizeof value}};
            value[i] = (uint8_t)(i * 7 + 1);
            batch_builder_add(&builder, &record);
            batch_builder_check(&builder);
        }
        for (int16_t epoch = 0; epoch < 2; epoch++) {
            builder.header.producer_epoch = epoch;
            assert_int_equal(batch_builder_finish(&builder), 0);
            assert_int_equal(batch_decode(writer.data + 7, writer.size - 7, &batch), 0);
            assert_int_equal(batch.producer_epoch, epoch);
            assert_true(batch_crc_holds(writer.data + 7, &batch));
            batch_patch_timestamp(writer.data + 7, &batch, true, 777 + epoch);
            batch_header_read(writer.data + 7, &batch);
            assert_true(batch_crc_holds(writer.data + 7, &batch));
        }
        writer_release(&writer);
    }
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
        cmocka_unit_test(record_iter__runs_tell_what_the_records_would),
        cmocka_unit_test(record_iter__run_notices_an_offset_below_the_base),
        cmocka_unit_test(batch__patches_keep_the_crc_valid),
        cmocka_unit_test(batch__crc_taken_while_it_grows_is_that_of_the_whole),
        cmocka_unit_test(batch__sequences_wrap_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
