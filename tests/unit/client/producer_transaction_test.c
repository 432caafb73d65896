/* Transactions of the producer against a broker that fails: each is committed or aborted once,
 * whatever answer was lost, and its records are there once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <barnabas/producer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_broker.h"
#include "protocol/record/iter.h"

#define TRANSACTIONS 40
#define RECORDS_EACH 6
#define PATIENCE "120000"

static struct fake_broker broker;
static struct bnb_producer *producer;
static struct bnb_error error;
static const struct bnb_group_metadata group = {"g", 3, "member", NULL};

static int setup(void **state)
{
    (void)state;
    memset(&broker, 0, sizeof broker);
    producer = NULL;
    return 0;
}

static void start(int16_t version, const char *max_block_ms)
{
    char servers[32];
    broker.transaction_version = version;
    fake_broker_start(&broker);
    struct bnb_config *config = bnb_config_create();
    snprintf(servers, sizeof servers, "127.0.0.1:%u", (unsigned)broker.port);
    bnb_config_set(config, "bootstrap.servers", servers);
    bnb_config_set(config, "retry.backoff.ms", "2");
    bnb_config_set(config, "retry.backoff.max.ms", "10");
    bnb_config_set(config, "reconnect.backoff.ms", "2");
    bnb_config_set(config, "linger.ms", "0");
    bnb_config_set(config, "transactional.id", "tx");
    bnb_config_set(config, "max.block.ms", max_block_ms);
    assert_int_equal(bnb_producer_create(config, &producer, &error), 0);
    bnb_config_destroy(&config);
}

static void stop(void)
{
    bnb_producer_close(&producer, PATIENCE_MS);
    fake_broker_stop(&broker);
}

static void send_one(int32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    struct bnb_producer_record record = {.topic = "t", .partition = number % FAKE_PARTITIONS,
                                         .timestamp_ms = BNB_TIMESTAMP_NOW, .value = text,
                                         .value_size = strlen(text)};
    assert_int_equal(bnb_producer_send(producer, &record, NULL, NULL, &error), 0);
}

static void send_offset(int64_t offset)
{
    struct bnb_consumer_offset one = {"t", 0, -1, offset, NULL};
    assert_int_equal(bnb_producer_send_offsets(producer, &one, 1, &group, &error), 0);
}

/* Each partition holds every FAKE_PARTITIONS-th number, once and in order. */
static void assert_exactly_once(int32_t count)
{
    int32_t seen = 0;
    for (int32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct writer *log = &broker.partitions[p].log;
        int32_t expected = p;
        for (size_t at = 0; at < log->size;) {
            struct batch batch;
            struct record_iter iter;
            struct record record;
            assert_int_equal(batch_decode(log->data + at, log->size - at, &batch), 0);
            assert_true(batch_is_transactional(&batch));
            record_iter_init(&iter, &batch,
                             (struct bytes_view){batch.records,
                                                 batch.size_bytes - BATCH_HEADER_BYTES});
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

static void run_transactions(void)
{
    assert_int_equal(bnb_producer_init_transactions(producer, &error), 0);
    for (int32_t i = 0; i < TRANSACTIONS; i++) {
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
        for (int32_t j = 0; j < RECORDS_EACH; j++) {
            send_one(i * RECORDS_EACH + j);
        }
        if (i % 3 == 0) {
            send_offset(1000 + i);
        }
        assert_int_equal(bnb_producer_commit_transaction(producer, &error), 0);
    }
    bnb_producer_close(&producer, PATIENCE_MS);
    atomic_store(&broker.ending, true);
    assert_int_equal(broker.transaction.commits, TRANSACTIONS);
    assert_int_equal(broker.transaction.aborts, 0);
    assert_int_equal(broker.transaction.offset, 1000 + TRANSACTIONS - 1);
    assert_exactly_once(TRANSACTIONS * RECORDS_EACH);
    fake_broker_stop(&broker);
}

static void producer__commits_each_transaction_once(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 2; version++) {
        setup(NULL);
        start(version, PATIENCE);
        run_transactions();
        assert_int_equal(broker.transaction.ends, TRANSACTIONS);
        assert_int_equal(broker.transaction.epoch, version >= 2 ? TRANSACTIONS : 0);
        assert_int_equal(broker.find_count, 2);
    }
}

static void producer__commits_once_when_the_answer_is_lost(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        broker.lose_end_every = 2;
        start(version, PATIENCE);
        run_transactions();
        assert_true(broker.transaction.ends > TRANSACTIONS);
        assert_true(broker.connection_count > TRANSACTIONS / 2);
    }
}

static void producer__commits_once_when_connections_are_lost(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        broker.hang_up_every = 7;
        broker.lose_end_every = 3;
        start(version, PATIENCE);
        run_transactions();
    }
}

static void producer__is_patient_with_a_coordinator(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        for (int32_t moves_at = 4; moves_at <= 8; moves_at++) {
            setup(NULL);
            broker.transact_busy_until = 3;
            broker.transact_moves_at = moves_at;
            start(version, PATIENCE);
            run_transactions();
            assert_int_equal(broker.find_count, 3);
        }
    }
}

/* As often as it takes too long: the machine may stand still. */
static int patiently(int (*call)(struct bnb_producer *, struct bnb_error *))
{
    int result;
    while ((result = call(producer, &error)) == BNB_ERROR_TIMEOUT) {
    }
    return result;
}
static int send_first(struct bnb_producer *to, struct bnb_error *why)
{
    struct bnb_producer_record record = {.topic = "t", .timestamp_ms = BNB_TIMESTAMP_NOW,
                                         .value = "0", .value_size = 1};
    return bnb_producer_send(to, &record, NULL, NULL, why);
}

/* What was given up goes on, and the same call comes to its end. */
static void producer__goes_on_with_what_took_too_long(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        start(version, "300");
        assert_int_equal(patiently(bnb_producer_init_transactions), 0);
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
        assert_int_equal(patiently(send_first), 0);
        atomic_store(&broker.end_waits, true);
        assert_int_equal(bnb_producer_commit_transaction(producer, &error), BNB_ERROR_TIMEOUT);
        assert_int_equal(bnb_producer_transaction_state(producer), BNB_TRANSACTION_COMMITTING);
        assert_int_equal(bnb_producer_abort_transaction(producer, &error), BNB_ERROR_INVALID);
        atomic_store(&broker.end_waits, false);
        assert_int_equal(patiently(bnb_producer_commit_transaction), 0);
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
        assert_int_equal(patiently(bnb_producer_abort_transaction), 0);
        bnb_producer_close(&producer, PATIENCE_MS);
        fake_broker_stop(&broker);
        assert_int_equal(broker.transaction.commits, 1);
        assert_int_equal(broker.transaction.aborts, 0);
    }
}

static void producer__is_fenced_by_a_newer_epoch(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        start(version, PATIENCE);
        assert_int_equal(bnb_producer_init_transactions(producer, &error), 0);
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
        send_one(0);
        assert_int_equal(bnb_producer_flush(producer, PATIENCE_MS), 0);
        /* Nobody else touches it while nothing is asked. */
        broker.transaction.epoch += 2;
        assert_int_equal(bnb_producer_commit_transaction(producer, &error),
                         KAFKA_PRODUCER_FENCED);
        assert_int_equal(bnb_producer_transaction_state(producer), BNB_TRANSACTION_FATAL);
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), KAFKA_PRODUCER_FENCED);
        stop();
        assert_int_equal(broker.transaction.commits, 0);
    }
}

static int failed_code;

static void on_delivery(void *context, const struct bnb_delivery *delivery)
{
    (void)context;
    failed_code = delivery->code;
}

/* What was never sent fails with the abort, and nobody needs to hear of it. */
static void producer__aborts_what_was_not_sent(void **state)
{
    (void)state;
    start(1, PATIENCE);
    assert_int_equal(bnb_producer_init_transactions(producer, &error), 0);
    assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
    atomic_store(&broker.transact_busy, true); /* partitions are not added */
    failed_code = 0;
    struct bnb_producer_record record = {.topic = "t", .timestamp_ms = BNB_TIMESTAMP_NOW};
    assert_int_equal(bnb_producer_send(producer, &record, on_delivery, NULL, &error), 0);
    assert_int_equal(bnb_producer_flush(producer, 50), BNB_ERROR_TIMEOUT);
    assert_int_equal(bnb_producer_abort_transaction(producer, &error), 0);
    assert_int_equal(failed_code, BNB_ERROR_ABORTED);
    atomic_store(&broker.transact_busy, false);
    assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
    send_one(0);
    assert_int_equal(bnb_producer_commit_transaction(producer, &error), 0);
    bnb_producer_close(&producer, PATIENCE_MS);
    atomic_store(&broker.ending, true);
    assert_int_equal(broker.transaction.commits, 1);
    assert_int_equal(broker.transaction.aborts, 0);
    assert_exactly_once(1);
    fake_broker_stop(&broker);
}

/* A transaction that is open when the producer is closed is aborted. */
static void producer__aborts_what_is_open_at_its_end(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        start(version, PATIENCE);
        assert_int_equal(bnb_producer_init_transactions(producer, &error), 0);
        assert_int_equal(bnb_producer_begin_transaction(producer, &error), 0);
        send_one(0);
        stop();
        assert_int_equal(broker.transaction.aborts, 1);
        assert_int_equal(broker.transaction.commits, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(producer__commits_each_transaction_once, setup),
        cmocka_unit_test_setup(producer__commits_once_when_the_answer_is_lost, setup),
        cmocka_unit_test_setup(producer__commits_once_when_connections_are_lost, setup),
        cmocka_unit_test_setup(producer__is_patient_with_a_coordinator, setup),
        cmocka_unit_test_setup(producer__goes_on_with_what_took_too_long, setup),
        cmocka_unit_test_setup(producer__is_fenced_by_a_newer_epoch, setup),
        cmocka_unit_test_setup(producer__aborts_what_was_not_sent, setup),
        cmocka_unit_test_setup(producer__aborts_what_is_open_at_its_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
