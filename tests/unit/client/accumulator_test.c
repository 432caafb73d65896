/* Batches in the making: sizes, order, bounds, sealing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "client/accumulator.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define VALUE_BYTES 100

static struct client_config config;
static struct accumulator accumulator;
static struct accumulator_topic *topic;

static int setup(void **state)
{
    (void)state;
    config = (struct client_config){.batch_bytes = 1000, .buffer_memory_bytes = 5000};
    accumulator_init(&accumulator, &config);
    topic = accumulator_topic(&accumulator, "t");
    assert_int_equal(accumulator_topic_grow(topic, 3), 0);
    accumulator_topic_leaders(topic);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (!list_empty(&accumulator.all)) {
        pending_batch_free(&accumulator,
                           CONTAINER_OF(accumulator.all.next, struct pending_batch, all_node));
    }
    assert_int_equal(accumulator.used_bytes, 0);
    accumulator_release(&accumulator);
    return 0;
}

static int append_to(int32_t partition, size_t value_size, struct accumulator_append *append)
{
    static char value[10000];
    memset(value, 'v', sizeof value);
    struct bnb_producer_record sent = {.value = value, .value_size = value_size};
    *append = (struct accumulator_append){
        .record = {.timestamp_ms = 5, .value = {(const uint8_t *)value, value_size}},
        .bound_bytes = accumulator_record_bound(&sent),
    };
    return accumulator_append(&accumulator, topic->partitions[partition], append);
}

static struct pending_batch *first_of(int32_t partition)
{
    return CONTAINER_OF(topic->partitions[partition]->batches.next, struct pending_batch, node);
}

static void accumulator__fills_one_batch_before_it_begins_another(void **state)
{
    (void)state;
    struct accumulator_append append;
    int32_t begun = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
        begun += (append.news & BATCH_BEGUN) != 0;
    }
    assert_int_equal(begun, 2);
    assert_int_equal(first_of(0)->state, PENDING_CLOSED);
    assert_true(first_of(0)->plain.size <= (size_t)config.batch_bytes);
    struct pending_batch *last = CONTAINER_OF(topic->partitions[0]->batches.prev,
                                              struct pending_batch, node);
    assert_int_equal(last->state, PENDING_OPEN);
    assert_int_equal(first_of(0)->builder.header.record_count +
                     last->builder.header.record_count, 12);
}

static void accumulator__keeps_partitions_apart(void **state)
{
    (void)state;
    struct accumulator_append append;
    assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
    assert_int_equal(append_to(1, VALUE_BYTES, &append), 0);
    assert_true(append.news & BATCH_BEGUN);
    assert_int_equal(first_of(0)->builder.header.record_count, 1);
    assert_true(list_empty(&topic->partitions[2]->batches));
}

static void accumulator__gives_a_large_record_a_batch_of_its_own(void **state)
{
    (void)state;
    struct accumulator_append append;
    assert_int_equal(append_to(0, 3000, &append), 0);
    assert_true(append.news & BATCH_BEGUN);
    assert_true(append.news & BATCH_FULL);
    assert_true(accumulator.used_bytes > 3000);
}

static void accumulator__is_full_at_buffer_memory(void **state)
{
    (void)state;
    struct accumulator_append append;
    int result = 0;
    int count = 0;
    while (result == 0 && count < 1000) {
        result = append_to(0, VALUE_BYTES, &append);
        count += result == 0 ? 1 : 0;
    }
    assert_int_equal(result, ERR_FULL);
    assert_true(accumulator.used_bytes <= 5000);
    pending_batch_free(&accumulator, first_of(0));
    assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
}

static void accumulator__gives_a_new_batch_the_memory_of_one_that_is_done(void **state)
{
    (void)state;
    struct accumulator_append append;
    assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
    assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
    struct pending_batch *done = first_of(0);
    const uint8_t *memory = done->plain.data;
    pending_batch_close(done);
    done->attempts = 3;
    assert_int_equal(pending_batch_seal(&accumulator, done), 0);
    pending_batch_free(&accumulator, done);
    assert_int_equal(accumulator.used_bytes, 0);
    assert_int_equal(append_to(1, VALUE_BYTES, &append), 0);
    struct pending_batch *next = first_of(1);
    assert_ptr_equal(next->plain.data, memory);
    assert_int_equal(next->builder.header.record_count, 1);
    assert_int_equal(next->attempts, 0);
    assert_false(next->sealed);
    /* One that is too large for it gets its own. */
    pending_batch_free(&accumulator, next);
    assert_int_equal(append_to(0, 3000, &append), 0);
    assert_int_equal(append_to(1, VALUE_BYTES, &append), 0);
    assert_int_equal(first_of(0)->builder.header.record_count, 1);
    assert_int_equal(first_of(1)->builder.header.record_count, 1);
}

static void seals_with(enum batch_codec codec)
{
    struct accumulator_append append;
    config.codec = codec;
    config.gzip_level = -1;
    config.lz4_level = 9;
    config.zstd_level = 3;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
    }
    struct pending_batch *pending = first_of(0);
    pending_batch_close(pending);
    pending->builder.header.producer_id = 42;
    pending->builder.header.base_sequence = 7;
    assert_int_equal(pending_batch_seal(&accumulator, pending), 0);
    struct bytes_view bytes = pending_batch_bytes(pending);
    struct batch batch;
    assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
    assert_true(batch_crc_holds(bytes.data, &batch));
    assert_int_equal(batch.attributes & BATCH_CODEC_MASK, codec);
    assert_int_equal(batch.record_count, 5);
    assert_int_equal(batch.last_offset_delta, 4);
    assert_int_equal(batch.base_sequence, 7);
    assert_int_equal(batch.producer_id, 42);
    /* A new producer id later: the same records, sealed again. */
    pending->builder.header.producer_id = 43;
    pending->sealed = false;
    assert_int_equal(pending_batch_seal(&accumulator, pending), 0);
    bytes = pending_batch_bytes(pending);
    assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
    assert_true(batch_crc_holds(bytes.data, &batch));
    assert_int_equal(batch.producer_id, 43);
    pending_batch_free(&accumulator, pending);
}

static void accumulator__seals_batches_in_every_codec_and_again(void **state)
{
    (void)state;
    for (int codec = BATCH_CODEC_NONE; codec < BATCH_CODEC_COUNT; codec++) {
        seals_with((enum batch_codec)codec);
    }
}

static void accumulator__splits_a_batch_and_keeps_order_and_sequences(void **state)
{
    (void)state;
    struct accumulator_append append;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(append_to(0, VALUE_BYTES, &append), 0);
    }
    struct pending_batch *whole = first_of(0);
    pending_batch_close(whole);
    whole->builder.header.producer_id = 9;
    whole->producer_id = 9;
    whole->builder.header.base_sequence = 20;
    assert_int_equal(append_to(0, VALUE_BYTES, &append), 0); /* another one behind it */
    assert_true(append.news & BATCH_BEGUN);
    size_t used = accumulator.used_bytes;
    assert_int_equal(pending_batch_split(&accumulator, whole), 0);
    assert_int_equal(accumulator.used_bytes, used);
    struct pending_batch *front = first_of(0);
    struct pending_batch *back = CONTAINER_OF(front->node.next, struct pending_batch, node);
    assert_int_equal(front->builder.header.record_count, 2);
    assert_int_equal(front->builder.header.base_sequence, 20);
    assert_int_equal(back->builder.header.record_count, 3);
    assert_int_equal(back->builder.header.base_sequence, 22);
    assert_int_equal(back->state, PENDING_RETRY);
    assert_int_equal(pending_batch_seal(&accumulator, back), 0);
    struct bytes_view bytes = pending_batch_bytes(back);
    struct batch batch;
    assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
    assert_true(batch_crc_holds(bytes.data, &batch));
    assert_int_equal(batch.max_timestamp_ms, 5);
    struct list *last = back->node.next;
    assert_int_equal(CONTAINER_OF(last, struct pending_batch, node)->state, PENDING_OPEN);
}

static void accumulator__chooses_by_partition_key_or_stickiness(void **state)
{
    (void)state;
    struct bnb_producer_record record = {.topic = "t", .partition = 2};
    assert_int_equal(accumulator_choose(&accumulator, topic, &record)->index, 2);
    record.partition = 3;
    assert_null(accumulator_choose(&accumulator, topic, &record));
    record.partition = BNB_PARTITION_ANY;
    record.key = "abc";
    record.key_size = 3;
    assert_int_equal(accumulator_choose(&accumulator, topic, &record)->index, 479470107 % 3);
    record.key = NULL;
    int32_t first = accumulator_choose(&accumulator, topic, &record)->index;
    assert_int_equal(accumulator_choose(&accumulator, topic, &record)->index, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accumulator__fills_one_batch_before_it_begins_another,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(accumulator__keeps_partitions_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(accumulator__gives_a_large_record_a_batch_of_its_own,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(accumulator__is_full_at_buffer_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(
            accumulator__gives_a_new_batch_the_memory_of_one_that_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(accumulator__seals_batches_in_every_codec_and_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            accumulator__splits_a_batch_and_keeps_order_and_sequences, setup, teardown),
        cmocka_unit_test_setup_teardown(accumulator__chooses_by_partition_key_or_stickiness,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
