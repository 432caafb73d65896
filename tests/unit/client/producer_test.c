/* What the producer promises, against a broker that fails: every record once and in order, one
 * callback a record, and an end to waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <barnabas/consumer.h>
#include <barnabas/producer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_broker.h"
#include "protocol/record/iter.h"

#define RECORDS 3000

static struct fake_broker broker;
static struct bnb_producer *producer;
static int32_t delivered;
static atomic_int failed;
static int last_code;
static int64_t next_offset[FAKE_PARTITIONS];
static bool offsets_in_order;

static int setup(void **state)
{
    (void)state;
    memset(&broker, 0, sizeof broker);
    memset(next_offset, 0, sizeof next_offset);
    producer = NULL;
    delivered = 0;
    failed = 0;
    last_code = 0;
    offsets_in_order = true;
    return 0;
}

static struct bnb_config *config_with(const char *const *pairs)
{
    char servers[32];
    struct bnb_config *config = bnb_config_create();
    snprintf(servers, sizeof servers, "127.0.0.1:%u", (unsigned)broker.port);
    bnb_config_set(config, "bootstrap.servers", servers);
    bnb_config_set(config, "retry.backoff.ms", "5");
    bnb_config_set(config, "retry.backoff.max.ms", "20");
    bnb_config_set(config, "reconnect.backoff.ms", "5");
    bnb_config_set(config, "batch.size", "600");
    bnb_config_set(config, "linger.ms", "1");
    for (size_t i = 0; pairs != NULL && pairs[i] != NULL; i += 2) {
        bnb_config_set(config, pairs[i], pairs[i + 1]);
    }
    return config;
}

static void start(const char *const *pairs)
{
    struct bnb_error error;
    fake_broker_start(&broker);
    struct bnb_config *config = config_with(pairs);
    assert_int_equal(bnb_producer_create(config, &producer, &error), 0);
    bnb_config_destroy(&config);
}

static void on_delivery(void *context, const struct bnb_delivery *delivery)
{
    (void)context;
    if (delivery->code == 0) {
        delivered++;
    } else {
        failed++;
        last_code = delivery->code;
    }
    if (delivery->code == 0 && delivery->offset >= 0) {
        int64_t *next = &next_offset[delivery->partition];
        offsets_in_order = offsets_in_order && delivery->offset >= *next;
        *next = delivery->offset + 1;
    }
}

static void send_one(int32_t number)
{
    char text[16];
    struct bnb_error error;
    snprintf(text, sizeof text, "%d", number);
    struct bnb_producer_record record = {.topic = "t",
                                         .partition = number % FAKE_PARTITIONS,
                                         .timestamp_ms = BNB_TIMESTAMP_NOW,
                                         .value = text,
                                         .value_size = strlen(text)};
    assert_int_equal(bnb_producer_send(producer, &record, on_delivery, NULL, &error), 0);
}

static void send_from(int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++) {
        send_one(i);
    }
}

static void send_all(int32_t count) { send_from(0, count); }

/* Asserts that each partition holds its records from first on once, in order. */
static void assert_once_from(int32_t first, int32_t count)
{
    int32_t seen = 0;
    for (int32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct writer *log = &broker.partitions[p].log;
        int32_t expected = p == 0 ? first : p;
        for (size_t at = 0; at < log->size;) {
            struct batch batch;
            struct record_iter iter;
            struct record record;
            assert_int_equal(batch_decode(log->data + at, log->size - at, &batch), 0);
            record_iter_init(&iter, &batch, (struct bytes_view){batch.records,
                                                                batch.size_bytes -
                                                                    BATCH_HEADER_BYTES});
            while (record_iter_next(&iter, &record) == 1) {
                char text[16];
                snprintf(text, sizeof text, "%.*s", (int)record.value.size,
                         (const char *)record.value.data);
                assert_int_equal(strtol(text, NULL, 10), expected);
                expected += FAKE_PARTITIONS;
                seen++;
            }
            at += batch.size_bytes;
        }
    }
    assert_int_equal(seen, count);
}

static void assert_exactly_once(int32_t count) { assert_once_from(0, count); }

static void stop(void)
{
    bnb_producer_close(&producer, PATIENCE_MS);
    fake_broker_stop(&broker);
}

static void sends_exactly_once_with(const char *const *pairs)
{
    start(pairs);
    send_all(RECORDS);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, RECORDS);
    assert_int_equal(failed, 0);
    assert_true(offsets_in_order);
    bnb_producer_close(&producer, PATIENCE_MS);
    atomic_store(&broker.ending, true);
    assert_exactly_once(RECORDS);
    stop();
}

static void sends_exactly_once(void) { sends_exactly_once_with(NULL); }

static void producer__delivers_every_record_once_and_in_order(void **state)
{
    (void)state;
    sends_exactly_once();
    assert_int_equal(broker.id_count, 1);
    assert_int_equal(broker.connection_count, 1);
}

static void producer__keeps_order_while_the_leader_is_elsewhere(void **state)
{
    (void)state;
    broker.refuse_until = 7;
    sends_exactly_once();
}

static void producer__does_not_duplicate_when_answers_are_lost(void **state)
{
    (void)state;
    broker.lose_answer_every = 3;
    sends_exactly_once();
}

static void producer__does_not_duplicate_when_connections_are_lost(void **state)
{
    (void)state;
    broker.hang_up_every = 11;
    sends_exactly_once();
    assert_true(broker.connection_count > 1);
}

/* Goal: an answer that cannot be read, that is one to something else, or that says nothing of what
 * was asked, is like one that was lost. */
static void producer__does_not_duplicate_when_answers_are_garbled(void **state)
{
    (void)state;
    broker.cut_every = 3;
    broker.mistake_every = 7;
    broker.empty_every = 11;
    sends_exactly_once();
}

static void producer__takes_a_new_id_when_the_broker_forgot_it(void **state)
{
    (void)state;
    broker.forget_at = 5;
    sends_exactly_once();
    assert_true(broker.id_count > 1);
}

/* Goal: a batch that fails for good in one partition has nothing appended twice in another, where
 * the broker has a batch of which it could not say so. */
static void producer__failure_in_one_partition_does_not_duplicate_in_another(void **state)
{
    (void)state;
    static const char *const pairs[] = {"linger.ms", "50", NULL};
    broker.reject_at = 1;
    start(pairs);
    send_all(4);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, 2);
    assert_int_equal(failed, 2);
    assert_int_equal(last_code, KAFKA_INVALID_RECORD);
    send_from(4, 600);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, 598);
    assert_true(offsets_in_order);
    bnb_producer_close(&producer, PATIENCE_MS);
    fake_broker_stop_serving(&broker);
    assert_once_from(4, 598);
    fake_broker_release(&broker);
}

/* Sends one, one that the broker appends without saying so until it is too old, and a third in the
 * middle of that time. False: the machine stood still, and the third is too old as well, or the
 * second was not repeated. */
static bool second_of_three_expires(int32_t delivery_timeout_ms)
{
    char timeout[16];
    const char *const pairs[] = {"linger.ms", "0", "request.timeout.ms", "1000",
                                 "delivery.timeout.ms", timeout, NULL};
    snprintf(timeout, sizeof timeout, "%d", delivery_timeout_ms);
    start(pairs);
    send_all(1);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    atomic_store(&broker.loses_answers, true);
    int before = atomic_load(&broker.produce_count);
    send_one(2);
    usleep((useconds_t)delivery_timeout_ms * 500);
    bool repeated = atomic_load(&broker.produce_count) >= before + 10;
    send_one(4);
    while (atomic_load(&failed) == 0) {
        usleep(1000);
    }
    atomic_store(&broker.loses_answers, false);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    bnb_producer_close(&producer, PATIENCE_MS);
    fake_broker_stop_serving(&broker);
    assert_int_equal(failed + delivered, 3);
    bool as_meant = repeated && failed == 1;
    if (as_meant) {
        assert_exactly_once(3); /* also the one that was given up: the broker had it */
    }
    fake_broker_release(&broker);
    return as_meant;
}

/* Goal: what follows a batch that was given up is not appended twice. Method: the broker appends
 * both and does not say so until the first is too old. */
static void producer__batch_behind_one_that_expired_is_not_duplicated(void **state)
{
    if (!second_of_three_expires(2000)) {
        assert_int_equal(setup(state), 0);
        assert_true(second_of_three_expires(30000));
    }
}

/* A broker that moves is disconnected in the middle of a metadata response. */
static void producer__follows_a_broker_that_moves(void **state)
{
    (void)state;
    static const char *const pairs[] = {"metadata.max.age.ms", "1", NULL};
    broker.moves = true;
    start(pairs);
    int32_t sent = 0;
    while (broker.connection_count < 4) {
        send_from(sent, sent + 10);
        sent += 10;
        assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    }
    assert_int_equal(delivered, sent);
    bnb_producer_close(&producer, PATIENCE_MS);
    assert_exactly_once(sent);
    stop();
}

static void producer__fails_what_is_not_delivered_in_time(void **state)
{
    (void)state;
    static const char *const pairs[] = {"request.timeout.ms", "30", "delivery.timeout.ms", "80",
                                        NULL};
    broker.silent = true;
    start(pairs);
    send_all(10);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, 0);
    assert_int_equal(failed, 10);
    stop();
}

static void producer__sends_without_answers(void **state)
{
    (void)state;
    static const char *const pairs[] = {"acks", "0", NULL};
    start(pairs);
    send_all(RECORDS);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, RECORDS);
    bnb_producer_close(&producer, PATIENCE_MS);
    fake_broker_stop(&broker);
}

static void producer__waits_for_room_in_its_buffer(void **state)
{
    (void)state;
    static const char *const pairs[] = {"buffer.memory", "3000", NULL};
    start(pairs);
    send_all(RECORDS);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    assert_int_equal(delivered, RECORDS);
    stop();
}

static void producer__calls_back_for_what_close_leaves_behind(void **state)
{
    (void)state;
    broker.silent = true;
    start(NULL);
    send_all(10);
    bnb_producer_close(&producer, 20);
    assert_int_equal(failed, 10);
    assert_int_equal(last_code, BNB_ERROR_CLOSED);
    fake_broker_stop(&broker);
}

static void producer__refuses_what_is_larger_than_a_request(void **state)
{
    (void)state;
    static const char *const pairs[] = {"max.request.size", "1000", NULL};
    static char large[2000];
    struct bnb_error error;
    start(pairs);
    struct bnb_producer_record record = {.topic = "t", .value = large, .value_size = sizeof large};
    assert_int_equal(bnb_producer_send(producer, &record, on_delivery, NULL, &error),
                     KAFKA_MESSAGE_TOO_LARGE);
    assert_int_equal(delivered + failed, 0);
    stop();
}

static void remember(void *context, const struct bnb_delivery *delivery)
{
    int64_t *offset = context;
    *offset = delivery->code == 0 ? delivery->offset : -2;
}

static void producer__sends_many_until_one_is_refused(void **state)
{
    (void)state;
    enum { MANY = 200, REFUSED = 150 };
    static const char *const pairs[] = {"max.request.size", "1000", NULL};
    static char large[2000];
    struct bnb_producer_record records[MANY];
    char texts[MANY][16];
    int64_t offsets[MANY];
    void *contexts[MANY];
    struct bnb_error error;
    start(pairs);
    for (int32_t i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        records[i] = (struct bnb_producer_record){.topic = "t",
                                                  .partition = i % FAKE_PARTITIONS,
                                                  .timestamp_ms = BNB_TIMESTAMP_NOW,
                                                  .value = texts[i],
                                                  .value_size = strlen(texts[i])};
        offsets[i] = -1;
        contexts[i] = &offsets[i];
    }
    records[REFUSED].value = large;
    records[REFUSED].value_size = sizeof large;
    assert_int_equal(bnb_producer_send_many(producer, records, MANY, remember, contexts, &error),
                     REFUSED);
    assert_int_equal(error.code, KAFKA_MESSAGE_TOO_LARGE);
    assert_int_equal(bnb_producer_flush(producer, 5000), 0);
    for (int32_t i = 0; i < MANY; i++) {
        assert_int_equal(offsets[i], i < REFUSED ? i / FAKE_PARTITIONS : -1);
    }
    assert_once_from(0, REFUSED);
    stop();
}

/* Reads count records with a fresh consumer from offset on; the values must go up by step. */
static void read_back(int32_t partition, int64_t offset, int32_t first, int32_t count)
{
    struct bnb_consumer *consumer;
    struct bnb_error error;
    struct bnb_config *config = config_with(NULL);
    assert_int_equal(bnb_consumer_create(config, &consumer, &error), 0);
    bnb_config_destroy(&config);
    struct bnb_assignment assignment = {"t", partition, offset};
    assert_int_equal(bnb_consumer_assign(consumer, &assignment, 1), 0);
    int32_t seen = 0;
    while (seen < count) {
        const struct bnb_consumer_record *records;
        size_t got;
        assert_int_equal(bnb_consumer_poll(consumer, PATIENCE_MS, &records, &got, &error), 0);
        assert_true(got > 0);
        for (size_t i = 0; i < got; i++) {
            char text[16];
            snprintf(text, sizeof text, "%.*s", (int)records[i].value_size,
                     (const char *)records[i].value);
            assert_int_equal(strtol(text, NULL, 10), first + FAKE_PARTITIONS * seen);
            seen++;
        }
    }
    assert_int_equal(seen, count);
    bnb_consumer_close(&consumer);
}

static void consumer__reads_what_the_producer_sent(void **state)
{
    (void)state;
    start(NULL);
    send_all(RECORDS);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    bnb_producer_close(&producer, PATIENCE_MS); /* the broker serves one connection at a time */
    read_back(0, BNB_OFFSET_BEGINNING, 0, RECORDS / FAKE_PARTITIONS);
    read_back(1, 100, 1 + 100 * FAKE_PARTITIONS, RECORDS / FAKE_PARTITIONS - 100);
    fake_broker_stop(&broker);
}

static void consumer__follows_a_broker_that_moves(void **state)
{
    (void)state;
    static const char *const pairs[] = {"metadata.max.age.ms", "1", "max.poll.records", "1", NULL};
    struct bnb_consumer *consumer;
    struct bnb_error error;
    start(NULL);
    send_all(600);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    bnb_producer_close(&producer, PATIENCE_MS);
    broker.moves = true;
    struct bnb_config *config = config_with(pairs);
    assert_int_equal(bnb_consumer_create(config, &consumer, &error), 0);
    bnb_config_destroy(&config);
    struct bnb_assignment assignment = {"t", 0, BNB_OFFSET_BEGINNING};
    assert_int_equal(bnb_consumer_assign(consumer, &assignment, 1), 0);
    int32_t seen = 0;
    while (seen < 600 / FAKE_PARTITIONS) {
        const struct bnb_consumer_record *records;
        size_t count;
        assert_int_equal(bnb_consumer_poll(consumer, PATIENCE_MS, &records, &count, &error), 0);
        assert_int_equal(count, 1);
        assert_int_equal(records[0].offset, seen);
        seen++;
        if (seen % 10 == 0) { /* what was fetched ahead is dropped: a new fetch */
            assert_int_equal(bnb_consumer_seek(consumer, "t", 0, seen), 0);
        }
    }
    bnb_consumer_close(&consumer);
    fake_broker_stop(&broker);
}

static void consumer__resets_an_offset_that_is_out_of_range(void **state)
{
    (void)state;
    static const char *const pairs[] = {"auto.offset.reset", "earliest", NULL};
    struct bnb_consumer *consumer;
    struct bnb_error error;
    const struct bnb_consumer_record *records;
    size_t count;
    start(NULL);
    send_all(10);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    bnb_producer_close(&producer, PATIENCE_MS);
    struct bnb_config *config = config_with(pairs);
    assert_int_equal(bnb_consumer_create(config, &consumer, &error), 0);
    bnb_config_destroy(&config);
    struct bnb_assignment assignment = {"t", 0, 1000};
    assert_int_equal(bnb_consumer_assign(consumer, &assignment, 1), 0);
    assert_int_equal(bnb_consumer_poll(consumer, PATIENCE_MS, &records, &count, &error), 0);
    assert_int_equal(count, 5);
    assert_int_equal(records[0].offset, 0);
    assert_int_equal(bnb_consumer_position(consumer, "t", 0), 5);
    bnb_consumer_close(&consumer);
    fake_broker_stop(&broker);
}

/* Goal: what was fetched before an offset that is out of range is read before the reset. Method:
 * the broker has lost the records from 5 on and goes on at 10; nothing is read until the client has
 * heard of it. */
static void consumer__reads_what_it_has_before_it_resets(void **state)
{
    (void)state;
    struct bnb_consumer *consumer;
    struct bnb_error error;
    start(NULL);
    send_all(10);
    assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
    bnb_producer_close(&producer, PATIENCE_MS);
    broker.out_of_range_from = 5;
    broker.partitions[0].end_offset = 10;
    struct bnb_config *config = config_with(NULL);
    assert_int_equal(bnb_consumer_create(config, &consumer, &error), 0);
    bnb_config_destroy(&config);
    struct bnb_assignment assignment = {"t", 0, 0};
    assert_int_equal(bnb_consumer_assign(consumer, &assignment, 1), 0);
    while (atomic_load(&broker.out_of_range_count) == 0) {
        usleep(1000);
    }
    int64_t until = 0;
    while (until < 5) {
        const struct bnb_consumer_record *records;
        size_t count;
        assert_int_equal(bnb_consumer_poll(consumer, PATIENCE_MS, &records, &count, &error), 0);
        assert_true(count > 0);
        assert_int_equal(records[0].offset, until);
        until += (int64_t)count;
        int64_t position = bnb_consumer_position(consumer, "t", 0);
        assert_true(position == until || (until == 5 && position == 10)); /* reset already */
    }
    while (bnb_consumer_position(consumer, "t", 0) != 10) { /* auto.offset.reset is latest */
        usleep(1000);
    }
    bnb_consumer_close(&consumer);
    fake_broker_stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(producer__delivers_every_record_once_and_in_order, setup),
        cmocka_unit_test_setup(producer__keeps_order_while_the_leader_is_elsewhere, setup),
        cmocka_unit_test_setup(producer__does_not_duplicate_when_answers_are_lost, setup),
        cmocka_unit_test_setup(producer__does_not_duplicate_when_connections_are_lost, setup),
        cmocka_unit_test_setup(producer__does_not_duplicate_when_answers_are_garbled, setup),
        cmocka_unit_test_setup(producer__takes_a_new_id_when_the_broker_forgot_it, setup),
        cmocka_unit_test_setup(producer__failure_in_one_partition_does_not_duplicate_in_another,
                               setup),
        cmocka_unit_test_setup(producer__batch_behind_one_that_expired_is_not_duplicated, setup),
        cmocka_unit_test_setup(producer__follows_a_broker_that_moves, setup),
        cmocka_unit_test_setup(producer__fails_what_is_not_delivered_in_time, setup),
        cmocka_unit_test_setup(producer__sends_without_answers, setup),
        cmocka_unit_test_setup(producer__waits_for_room_in_its_buffer, setup),
        cmocka_unit_test_setup(producer__calls_back_for_what_close_leaves_behind, setup),
        cmocka_unit_test_setup(producer__refuses_what_is_larger_than_a_request, setup),
        cmocka_unit_test_setup(producer__sends_many_until_one_is_refused, setup),
        cmocka_unit_test_setup(consumer__reads_what_the_producer_sent, setup),
        cmocka_unit_test_setup(consumer__follows_a_broker_that_moves, setup),
        cmocka_unit_test_setup(consumer__resets_an_offset_that_is_out_of_range, setup),
        cmocka_unit_test_setup(consumer__reads_what_it_has_before_it_resets, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
