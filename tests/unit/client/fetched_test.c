/* Records out of fetch responses: order, start inside a batch, aborted transactions, corruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/fetched.h"
#include "protocol/record/compress.h"

static struct writer log_bytes;
static struct list retired;

static int setup(void **state)
{
    (void)state;
    writer_init(&log_bytes, 1 << 20);
    list_init(&retired);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fetched_free_retired(&retired);
    writer_release(&log_bytes);
    return 0;
}

/* Adds a batch of count records from base_offset on; producer -1: outside a transaction. */
static void add_batch(int64_t base_offset, int32_t count, int64_t producer_id)
{
    struct batch header = batch_header_empty(base_offset);
    struct batch_builder builder;
    if (producer_id >= 0) {
        header.producer_id = producer_id;
        header.producer_epoch = 0;
        header.base_sequence = 0;
        header.attributes = BATCH_TRANSACTIONAL;
    }
    batch_builder_init(&builder, &log_bytes, &header);
    for (int32_t i = 0; i < count; i++) {
        struct record record = {.offset = base_offset + i,
                                .timestamp_ms = 1000 + i,
                                .value = {(const uint8_t *)"value", 5}};
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
}

static void add_marker(int64_t offset, int64_t producer_id, bool commit)
{
    struct batch header = batch_header_empty(offset);
    struct batch_builder builder;
    uint8_t key[4] = {0, 0, 0, commit ? 1 : 0};
    uint8_t value[6] = {0};
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    batch_builder_init(&builder, &log_bytes, &header);
    struct record record = {.offset = offset,
                            .timestamp_ms = 1,
                            .key = {key, sizeof key},
                            .value = {value, sizeof value}};
    batch_builder_add(&builder, &record);
    assert_int_equal(batch_builder_finish(&builder), 0);
}

/* Reads everything; the offsets as text, such as "0 1 5 ". */
static const char *read_all(bool read_committed, int64_t position,
                            struct fetched_aborted *aborted, int32_t aborted_count,
                            int64_t *end)
{
    static char text[256];
    struct fetched fetched;
    struct fetched_options options = {true, read_committed};
    struct bytes_view records = {log_bytes.data, log_bytes.size};
    struct record record;
    struct err_message message;
    int got;
    text[0] = '\0';
    fetched_init(&fetched, &options, records, position, aborted, aborted_count, &retired);
    while ((got = fetched_next(&fetched, &record, &message)) == 1) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%d ", (int)record.offset);
    }
    *end = fetched.position;
    fetched_release(&fetched);
    if (got < 0) {
        snprintf(text, sizeof text, "error %d", got);
    }
    return text;
}

static void fetched__hands_out_records_from_the_position_on(void **state)
{
    (void)state;
    int64_t end;
    add_batch(0, 3, -1);
    add_batch(3, 2, -1);
    assert_string_equal(read_all(false, 1, NULL, 0, &end), "1 2 3 4 ");
    assert_int_equal(end, 5);
    assert_int_equal(fetched_end((struct bytes_view){log_bytes.data, log_bytes.size}, 0), 5);
}

static void fetched__leaves_out_control_batches(void **state)
{
    (void)state;
    int64_t end;
    add_batch(0, 1, 7);
    add_marker(1, 7, true);
    add_batch(2, 1, -1);
    add_marker(3, 8, true);
    assert_string_equal(read_all(false, 0, NULL, 0, &end), "0 2 ");
    assert_int_equal(end, 4);
}

/* Producer 7 aborts at 3, producer 8 commits at 4, producer 7 commits its next one at 6. */
static void interleaved_transactions(void)
{
    add_batch(0, 1, 7);
    add_batch(1, 1, 8);
    add_batch(2, 1, 7);
    add_marker(3, 7, false);
    add_marker(4, 8, true);
    add_batch(5, 1, 7);
    add_marker(6, 7, true);
    add_batch(7, 1, -1);
}

static void fetched__skips_aborted_transactions_when_read_committed(void **state)
{
    (void)state;
    int64_t end;
    struct fetched_aborted aborted[] = {{7, 0}};
    interleaved_transactions();
    assert_string_equal(read_all(true, 0, aborted, 1, &end), "1 5 7 ");
    assert_int_equal(end, 8);
}

static void fetched__shows_aborted_transactions_when_read_uncommitted(void **state)
{
    (void)state;
    int64_t end;
    interleaved_transactions();
    assert_string_equal(read_all(false, 0, NULL, 0, &end), "0 1 2 5 7 ");
}

static void fetched__takes_aborted_transactions_in_any_order(void **state)
{
    (void)state;
    int64_t end;
    struct fetched_aborted aborted[] = {{8, 1}, {7, 0}};
    add_batch(0, 1, 7);
    add_batch(1, 1, 8);
    add_marker(2, 8, false);
    add_marker(3, 7, false);
    add_batch(4, 1, 8);
    assert_string_equal(read_all(true, 0, aborted, 2, &end), "4 ");
    assert_int_equal(end, 5);
}

static void fetched__refuses_a_batch_whose_crc_does_not_hold(void **state)
{
    (void)state;
    int64_t end;
    add_batch(0, 1, -1);
    size_t good = log_bytes.size;
    add_batch(1, 1, -1);
    log_bytes.data[good + BATCH_HEADER_BYTES + 3] ^= 1;
    assert_string_equal(read_all(false, 0, NULL, 0, &end), "error -3");
    assert_int_equal(end, 1);
}

static void fetched__ignores_a_batch_that_was_cut(void **state)
{
    (void)state;
    int64_t end;
    add_batch(0, 2, -1);
    add_batch(2, 2, -1);
    log_bytes.size -= 5;
    assert_string_equal(read_all(false, 0, NULL, 0, &end), "0 1 ");
    assert_int_equal(end, 2);
}

static void fetched__reads_every_codec(void **state)
{
    (void)state;
    for (int codec = BATCH_CODEC_NONE + 1; codec < BATCH_CODEC_COUNT; codec++) {
        int64_t end;
        struct writer packed;
        log_bytes.size = 0;
        add_batch(10, 3, -1);
        writer_init(&packed, 1 << 20);
        writer_bytes(&packed, log_bytes.data, BATCH_HEADER_BYTES);
        struct bytes_view plain = {log_bytes.data + BATCH_HEADER_BYTES,
                                   log_bytes.size - BATCH_HEADER_BYTES};
        assert_int_equal(compress_append((enum batch_codec)codec, COMPRESS_LEVEL_DEFAULT, plain,
                                         &packed), 0);
        batch_seal(packed.data, packed.size, (enum batch_codec)codec);
        log_bytes.size = 0;
        writer_bytes(&log_bytes, packed.data, packed.size);
        writer_release(&packed);
        assert_string_equal(read_all(false, 0, NULL, 0, &end), "10 11 12 ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetched__hands_out_records_from_the_position_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fetched__leaves_out_control_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(fetched__skips_aborted_transactions_when_read_committed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(fetched__shows_aborted_transactions_when_read_uncommitted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(fetched__takes_aborted_transactions_in_any_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fetched__refuses_a_batch_whose_crc_does_not_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fetched__ignores_a_batch_that_was_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(fetched__reads_every_codec, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
