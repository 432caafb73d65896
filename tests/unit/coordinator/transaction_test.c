#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "coordinator/transaction/transaction.h"
#include "protocol/error.h"
#include "protocol/record/iter.h"

#define ARENA_BYTES (1u << 20)
#define BATCHES_MAX 64
#define MAX_TIMEOUT_MS 900000
#define EXPIRATION_MS 604800000

/* A coordinator with its log in memory; markers are written when the test says so. */
struct fixture {
    struct transaction_coordinator *transactions;
    struct runtime *runtime;
    struct runtime_time now;
    struct arena arena; /* of all responses */
    struct writer log;
    size_t starts[BATCHES_MAX]; /* of its batches */
    size_t batches;
    int64_t log_end_offset;
    bool hold; /* what is appended is not committed */
    int16_t append_error; /* of the next append */
    int64_t next_producer_id;
    int16_t version;
    bool two_phase_commit;
    struct transaction_markers markers; /* that were told last */
    char id[32];
    int32_t told;
    const struct runtime_call *answered;
};

static void fixture_open(struct fixture *fixture)
{
    struct transaction_options options = {.seed = 7,
                                          .max_timeout_ms = MAX_TIMEOUT_MS,
                                          .id_expiration_ms = EXPIRATION_MS,
                                          .abort_interval_ms = 10000,
                                          .remove_interval_ms = 3600000,
                                          .two_phase_commit = fixture->two_phase_commit};
    assert_int_equal(transaction_coordinator_create(&options, &fixture->transactions), 0);
    fixture->runtime = transaction_coordinator_runtime(fixture->transactions);
    transaction_coordinator_set_version(fixture->transactions, fixture->version);
}

static int setup(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);
    *fixture = (struct fixture){
        .now = {1000, 1700000000000}, .next_producer_id = 1000, .version = 2};
    writer_init(&fixture->log, 1u << 24);
    arena_init(&fixture->arena, 1u << 24);
    fixture_open(fixture);
    runtime_loaded(fixture->runtime, fixture->now);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    transaction_coordinator_destroy(&fixture->transactions);
    writer_release(&fixture->log);
    arena_release(&fixture->arena);
    test_free(fixture);
    return 0;
}

static void settle(struct fixture *fixture)
{
    struct runtime_batch *batch;
    do {
        while ((batch = runtime_next_batch(fixture->runtime)) != NULL) {
            int16_t error = fixture->append_error;
            fixture->append_error = 0;
            if (error == 0) {
                size_t start = fixture->log.size;
                assert_true(fixture->batches < BATCHES_MAX);
                fixture->starts[fixture->batches++] = start;
                assert_int_equal(runtime_batch_build(batch, 0, &fixture->log), 0);
                batch_patch_base_offset(fixture->log.data + start, fixture->log_end_offset);
                fixture->log_end_offset += (int64_t)batch->count;
            }
            runtime_appended(fixture->runtime, batch, error, fixture->log_end_offset - 1,
                             fixture->now);
        }
        runtime_committed(fixture->runtime, fixture->hold ? 0 : fixture->log_end_offset,
                          fixture->now);
    } while (runtime_next_batch(fixture->runtime) != NULL);
    const struct transaction_markers *markers;
    while ((markers = transaction_next_markers(fixture->transactions)) != NULL) {
        fixture->markers = *markers;
        memcpy(fixture->id, markers->transactional_id.data, markers->transactional_id.size);
        fixture->id[markers->transactional_id.size] = '\0';
        fixture->told++;
        transaction_markers_taken(fixture->transactions);
    }
    const struct runtime_call *call;
    while ((call = runtime_take_reply(fixture->runtime)) != NULL) {
        fixture->answered = call;
    }
    struct runtime_note *note;
    while ((note = runtime_take_note(fixture->runtime)) != NULL) {
        mem_free(note);
    }
}

static void pass(struct fixture *fixture, int64_t ms)
{
    int64_t end_ms = fixture->now.monotonic_ms + ms;
    int64_t next_ms;
    while ((next_ms = runtime_next_deadline_ms(fixture->runtime)) <= end_ms) {
        int64_t step_ms = next_ms - fixture->now.monotonic_ms;
        fixture->now.monotonic_ms += step_ms > 0 ? step_ms : 0;
        fixture->now.wall_ms += step_ms > 0 ? step_ms : 0;
        runtime_tick(fixture->runtime, fixture->now);
        settle(fixture);
    }
    fixture->now.wall_ms += end_ms - fixture->now.monotonic_ms;
    fixture->now.monotonic_ms = end_ms;
}

/* NULL: it is not answered yet. */
static const void *ask(struct fixture *fixture, int16_t api_key, int16_t version,
                       const void *request)
{
    struct runtime_call *call = arena_alloc(&fixture->arena, sizeof *call);
    *call = (struct runtime_call){.api_key = api_key,
                                  .api_version = version,
                                  .request = request,
                                  .arena = &fixture->arena,
                                  .new_producer_id = fixture->next_producer_id};
    fixture->answered = NULL;
    runtime_handle(fixture->runtime, call, fixture->now);
    settle(fixture);
    if (call->new_producer_id == -1) {
        fixture->next_producer_id++;
    }
    return fixture->answered == call ? call->response : NULL;
}

static struct init_producer_id_response init_as(struct fixture *fixture, const char *id,
                                                int64_t producer_id, int16_t epoch,
                                                int16_t version)
{
    struct init_producer_id_request *request = arena_alloc(&fixture->arena, sizeof *request);
    init_producer_id_request_default(request);
    request->transactional_id = string_view_of(id);
    request->transaction_timeout_ms = 60000;
    request->producer_id = producer_id;
    request->producer_epoch = epoch;
    const struct init_producer_id_response *response =
        ask(fixture, API_INIT_PRODUCER_ID, version, request);
    return response != NULL ? *response : (struct init_producer_id_response){.error_code = -2};
}

static struct init_producer_id_response init(struct fixture *fixture, const char *id)
{
    return init_as(fixture, id, -1, -1, 5);
}

static const struct transaction_added *add_as(struct fixture *fixture, int64_t producer_id,
                                              int16_t epoch, bool verify, int32_t count)
{
    static const struct transaction_partition partitions[] = {
        {{"b", 1}, 3}, {{"a", 1}, 7}, {{"b", 1}, 0}};
    struct transaction_add *request = arena_alloc(&fixture->arena, sizeof *request);
    *request = (struct transaction_add){.transactional_id = string_view_of("t"),
                                        .producer_id = producer_id,
                                        .producer_epoch = epoch,
                                        .verify_only = verify,
                                        .version = fixture->version,
                                        .partitions = partitions,
                                        .count = count};
    return ask(fixture, API_ADD_PARTITIONS_TO_TXN, 5, request);
}

static int16_t add(struct fixture *fixture, int64_t producer_id, int16_t epoch)
{
    const struct transaction_added *added = add_as(fixture, producer_id, epoch, false, 3);
    return added != NULL ? added->error : -2;
}

static struct end_txn_response end_as(struct fixture *fixture, int64_t producer_id, int16_t epoch,
                                      bool commit, int16_t version)
{
    struct end_txn_request *request = arena_alloc(&fixture->arena, sizeof *request);
    *request = (struct end_txn_request){string_view_of("t"), producer_id, epoch, commit};
    const struct end_txn_response *response = ask(fixture, API_END_TXN, version, request);
    return response != NULL ? *response : (struct end_txn_response){.error_code = -2};
}

static struct describe_transactions_response_transaction_state describe(struct fixture *fixture)
{
    struct string_view *id = arena_alloc(&fixture->arena, sizeof *id);
    *id = string_view_of("t");
    const struct describe_transactions_response_transaction_state *response =
        ask(fixture, API_DESCRIBE_TRANSACTIONS, 0, id);
    assert_non_null(response);
    return *response;
}

static void expect_state(struct fixture *fixture, const char *state)
{
    assert_true(string_view_is(describe(fixture).transaction_state, state));
}

static void markers_written(struct fixture *fixture)
{
    transaction_markers_written(fixture->transactions, string_view_of(fixture->id), fixture->now);
    settle(fixture);
}

/* Loads the batches of the log whose bit is set in mask into a new coordinator. */
static void restart(struct fixture *fixture, uint64_t mask)
{
    transaction_coordinator_destroy(&fixture->transactions);
    fixture_open(fixture);
    fixture->told = 0;
    for (size_t i = 0; i < fixture->batches; i++) {
        struct batch batch;
        const uint8_t *data = fixture->log.data + fixture->starts[i];
        assert_int_equal(batch_decode(data, fixture->log.size - fixture->starts[i], &batch), 0);
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        if ((mask >> i & 1) != 0) {
            assert_int_equal(runtime_load(fixture->runtime, &batch, records), 0);
        }
    }
    runtime_loaded(fixture->runtime, fixture->now);
    settle(fixture);
}

/* Goal: a new id gets a new producer id with epoch 0, and each later comer the next epoch. */
static void transaction__init_gives_an_id_and_then_epochs(void **state)
{
    struct fixture *fixture = *state;
    struct init_producer_id_response response = init(fixture, "t");
    assert_int_equal(response.error_code, 0);
    assert_int_equal(response.producer_id, 1000);
    assert_int_equal(response.producer_epoch, 0);
    response = init(fixture, "t");
    assert_int_equal(response.producer_id, 1000);
    assert_int_equal(response.producer_epoch, 1);
    assert_int_equal(init(fixture, "u").producer_id, 1001);
    assert_int_equal(init(fixture, "").error_code, KAFKA_INVALID_REQUEST);
    expect_state(fixture, "Empty");
}

/* Goal: of two producers the older one is fenced everywhere, with a code that its version knows. */
static void transaction__older_producer_is_fenced(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    (void)init(fixture, "t");
    assert_int_equal(add(fixture, 1000, 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(add(fixture, 999, 1), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, KAFKA_PRODUCER_FENCED);
    assert_int_equal(end_as(fixture, 1000, 0, true, 4).error_code, KAFKA_PRODUCER_FENCED);
    assert_int_equal(end_as(fixture, 1000, 0, true, 1).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(init_as(fixture, "t", 1000, 0, 4).error_code, KAFKA_PRODUCER_FENCED);
    assert_int_equal(init_as(fixture, "t", 1000, 0, 3).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(init_as(fixture, "t", 77, 1, 4).error_code, KAFKA_PRODUCER_FENCED);
}

/* Goal: KIP-360: who names its id and epoch goes on, and gets the same answer when asking again. */
static void transaction__init_with_an_epoch_goes_on(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    struct init_producer_id_response response = init_as(fixture, "t", 1000, 0, 5);
    assert_int_equal(response.producer_epoch, 1);
    response = init_as(fixture, "t", 1000, 0, 5);
    assert_int_equal(response.error_code, 0);
    assert_int_equal(response.producer_epoch, 1);
    response = init_as(fixture, "t", 1000, 1, 5);
    assert_int_equal(response.producer_epoch, 2);
    /* Somebody new: the epoch before is nobody's any more. */
    assert_int_equal(init(fixture, "t").producer_epoch, 3);
    assert_int_equal(init_as(fixture, "t", 1000, 2, 5).error_code, KAFKA_PRODUCER_FENCED);
}

/* Goal: a transaction with an epoch of its own, from its first partition to the next one. */
static void transaction__commit_takes_the_epoch_on(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    assert_int_equal(add(fixture, 1000, 0), 0);
    expect_state(fixture, "Ongoing");
    assert_int_equal(describe(fixture).topics.count, 2);
    assert_int_equal(describe(fixture).topics.items[1].partitions.items[0], 0);
    assert_int_equal(describe(fixture).transaction_start_time_ms, 1700000000000);
    size_t batches = fixture->batches;
    assert_int_equal(add(fixture, 1000, 0), 0);
    assert_int_equal(fixture->batches, batches); /* they were there */

    struct end_txn_response response = end_as(fixture, 1000, 0, true, 5);
    assert_int_equal(response.error_code, 0);
    assert_int_equal(response.producer_epoch, 1);
    expect_state(fixture, "PrepareCommit");
    assert_int_equal(fixture->told, 1);
    assert_true(fixture->markers.commit);
    assert_int_equal(fixture->markers.producer_epoch, 1);
    assert_int_equal(fixture->markers.count, 3);
    assert_int_equal(fixture->markers.version, 2);
    assert_int_equal(add(fixture, 1000, 1), KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(init(fixture, "t").error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, KAFKA_CONCURRENT_TRANSACTIONS);

    markers_written(fixture);
    expect_state(fixture, "CompleteCommit");
    markers_written(fixture); /* once more does not matter */
    response = end_as(fixture, 1000, 0, true, 5); /* a retry */
    assert_int_equal(response.error_code, 0);
    assert_int_equal(response.producer_epoch, 1);
    assert_int_equal(end_as(fixture, 1000, 0, false, 5).error_code, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(end_as(fixture, 1000, 1, true, 5).error_code, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(fixture, 1000, 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(add(fixture, 1000, 1), 0);
    assert_int_equal(end_as(fixture, 1000, 1, false, 5).producer_epoch, 2);
    assert_false(fixture->markers.commit);
    markers_written(fixture);
    expect_state(fixture, "CompleteAbort");
}

/* Goal (row 10): what comes late, of the transaction before, changes nothing of the next one. */
static void transaction__late_requests_do_not_reach_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    assert_int_equal(add(fixture, 1000, 0), 0);
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).producer_epoch, 1);
    markers_written(fixture);
    assert_int_equal(add(fixture, 1000, 1), 0);
    size_t batches = fixture->batches;
    for (int32_t commit = 0; commit < 2; commit++) {
        assert_int_equal(end_as(fixture, 1000, 0, commit, 5).error_code, KAFKA_PRODUCER_FENCED);
    }
    assert_int_equal(add(fixture, 1000, 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(fixture->batches, batches);
    assert_int_equal(fixture->told, 1);
    expect_state(fixture, "Ongoing");
    assert_int_equal(describe(fixture).topics.count, 2);
    assert_int_equal(end_as(fixture, 1000, 1, false, 5).producer_epoch, 2);
    assert_false(fixture->markers.commit);
}

/* Goal: an abort of nothing takes the epoch on; a commit of nothing is refused. */
static void transaction__abort_of_nothing_needs_no_markers(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(end_as(fixture, 1000, 0, false, 5).producer_epoch, 1);
    assert_int_equal(fixture->told, 0);
    expect_state(fixture, "CompleteAbort");
    assert_int_equal(end_as(fixture, 1000, 0, false, 5).producer_epoch, 1);
    assert_int_equal(end_as(fixture, 1000, 1, false, 5).producer_epoch, 2);
    restart(fixture, UINT64_MAX);
    expect_state(fixture, "CompleteAbort");
}

/* Goal: clients of before KIP-890 keep their epoch from one transaction to the next. */
static void transaction__older_client_keeps_its_epoch(void **state)
{
    struct fixture *fixture = *state;
    fixture->version = 0;
    transaction_coordinator_set_version(fixture->transactions, 0);
    (void)init(fixture, "t");
    assert_int_equal(end_as(fixture, 1000, 0, false, 4).error_code, KAFKA_INVALID_TXN_STATE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(add(fixture, 1000, 0), 0);
        assert_int_equal(end_as(fixture, 1000, 0, true, 4).error_code, 0);
        assert_int_equal(fixture->markers.producer_epoch, 0);
        assert_int_equal(end_as(fixture, 1000, 0, true, 4).error_code,
                         KAFKA_CONCURRENT_TRANSACTIONS);
        markers_written(fixture);
        assert_int_equal(end_as(fixture, 1000, 0, true, 4).error_code, 0);
        assert_int_equal(end_as(fixture, 1000, 0, false, 4).error_code, KAFKA_INVALID_TXN_STATE);
    }
    /* A newer producer aborts what is open, and gets the epoch after the one that does it. */
    assert_int_equal(add(fixture, 1000, 0), 0);
    assert_int_equal(init(fixture, "t").error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(fixture->markers.producer_epoch, 1);
    markers_written(fixture);
    assert_int_equal(init(fixture, "t").producer_epoch, 2);
}

/* Goal: a newer producer aborts the open transaction before it gets its epoch. */
static void transaction__init_aborts_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    (void)add(fixture, 1000, 0);
    assert_int_equal(init(fixture, "t").error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(fixture->told, 1);
    assert_false(fixture->markers.commit);
    assert_int_equal(fixture->markers.producer_epoch, 1);
    assert_int_equal(add(fixture, 1000, 0), KAFKA_CONCURRENT_TRANSACTIONS);
    markers_written(fixture);
    assert_int_equal(add(fixture, 1000, 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(fixture, "t").producer_epoch, 2);
}

/* Goal: a transaction that takes longer than its producer said is aborted, not before. */
static void transaction__timeout_aborts(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    (void)add(fixture, 1000, 0);
    pass(fixture, 60000);
    expect_state(fixture, "Ongoing");
    pass(fixture, 10000);
    expect_state(fixture, "PrepareAbort");
    markers_written(fixture);
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(end_as(fixture, 1000, 0, true, 4).error_code, KAFKA_PRODUCER_FENCED);
}

/* Goal: a transaction of two phases stays open for as long as its decision takes, and longer than
 * 31 bits of milliseconds; whoever comes without the switch ends it. */
static void transaction__two_phases_have_no_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct init_producer_id_request request;
    fixture->two_phase_commit = true;
    restart(fixture, 0);
    init_producer_id_request_default(&request);
    request.transactional_id = string_view_of("t");
    request.producer_id = -1;
    request.producer_epoch = -1;
    request.enable2_pc = true;
    const struct init_producer_id_response *response =
        ask(fixture, API_INIT_PRODUCER_ID, 6, &request);
    assert_int_equal(response->error_code, 0);
    (void)add(fixture, 1000, 0);
    for (int day = 0; day < 30; day++) {
        pass(fixture, 24 * 3600 * 1000);
    }
    expect_state(fixture, "Ongoing");
    assert_int_equal(describe(fixture).transaction_timeout_ms, INT32_MAX);
    request.keep_prepared_txn = true;
    response = ask(fixture, API_INIT_PRODUCER_ID, 6, &request);
    assert_int_equal(response->error_code, KAFKA_UNSUPPORTED_VERSION);
    expect_state(fixture, "Ongoing");
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, 0);
}

/* Goal: verifying tells each partition, and changes nothing. */
static void transaction__verify_tells_each_partition(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(add_as(fixture, 1000, 0, true, 3)->error, KAFKA_INVALID_PRODUCER_ID_MAPPING);
    (void)init(fixture, "t");
    assert_int_equal(add_as(fixture, 1000, 0, false, 1)->error, 0);
    const struct transaction_added *added = add_as(fixture, 1000, 0, true, 3);
    assert_int_equal(added->error, 0);
    assert_int_equal(added->errors[0], 0);
    assert_int_equal(added->errors[1], KAFKA_TRANSACTION_ABORTABLE);
    assert_int_equal(added->errors[2], KAFKA_TRANSACTION_ABORTABLE);
    assert_int_equal(describe(fixture).topics.count, 1);
    assert_int_equal(add_as(fixture, 1000, 1, true, 3)->error, KAFKA_PRODUCER_FENCED);
    (void)end_as(fixture, 1000, 0, true, 5);
    assert_int_equal(add_as(fixture, 1000, 1, true, 3)->error, KAFKA_CONCURRENT_TRANSACTIONS);
}

/* Goal (row 1): what is not committed holds everything else off, and is not told. */
static void transaction__uncommitted_change_holds_others_off(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    fixture->hold = true;
    assert_int_equal(add(fixture, 1000, 0), -2);
    expect_state(fixture, "Empty");
    assert_int_equal(add(fixture, 1000, 0), KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(end_as(fixture, 1000, 0, true, 5).error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(init(fixture, "t").error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    fixture->hold = false;
    settle(fixture);
    expect_state(fixture, "Ongoing");
}

/* Goal: an append that fails leaves everything as it was, and the client is told to come again. */
static void transaction__failed_append_is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    fixture->append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(init(fixture, "t").error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(describe(fixture).error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    assert_int_equal(init(fixture, "t").producer_epoch, 0);
    fixture->append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(add(fixture, 1001, 0), KAFKA_COORDINATOR_NOT_AVAILABLE);
    expect_state(fixture, "Empty");
    assert_int_equal(add(fixture, 1001, 0), 0);
    fixture->append_error = KAFKA_KAFKA_STORAGE_ERROR;
    assert_int_equal(end_as(fixture, 1001, 0, true, 5).error_code, KAFKA_NOT_COORDINATOR);
    assert_int_equal(fixture->told, 0);
    expect_state(fixture, "Ongoing");
    assert_int_equal(end_as(fixture, 1001, 0, true, 5).producer_epoch, 1);
    /* The completion is written until it is. */
    fixture->append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    markers_written(fixture);
    expect_state(fixture, "PrepareCommit");
    assert_int_equal(transaction_coordinator_counts(fixture->transactions).to_complete, 1);
    pass(fixture, 1000);
    expect_state(fixture, "CompleteCommit");
    assert_int_equal(transaction_coordinator_counts(fixture->transactions).to_complete, 0);
    assert_int_equal(fixture->told, 1);
}

/* Takes the id to the last epoch that a producer may have. */
static void init_to_the_last_epoch(struct fixture *fixture)
{
    struct init_producer_id_response response = init(fixture, "t");
    while (response.producer_epoch < INT16_MAX - 1) {
        fixture->log.size = 0; /* only the newest record matters */
        fixture->batches = 0;
        response = init(fixture, "t");
        assert_int_equal(response.error_code, 0);
        arena_reset(&fixture->arena);
    }
}

/* Goal: who is at the last epoch when a timeout aborts its transaction goes on with a new producer
 * id, whichever way it finds out, and so does its retry: nobody gets the epoch of the abort. */
static void transaction__last_epoch_that_times_out_brings_a_new_producer_id(void **state)
{
    struct fixture *fixture = *state;
    for (int ends = 0; ends < 2; ends++) {
        init_to_the_last_epoch(fixture);
        int64_t id = describe(fixture).producer_id;
        assert_int_equal(add(fixture, id, INT16_MAX - 1), 0);
        pass(fixture, 70000);
        assert_int_equal(fixture->markers.producer_epoch, INT16_MAX);
        markers_written(fixture);
        expect_state(fixture, "CompleteAbort");
        for (int again = 0; again < 2; again++) {
            if (ends) {
                struct end_txn_response end = end_as(fixture, id, INT16_MAX - 1, false, 5);
                assert_int_equal(end.error_code, 0);
                assert_int_equal(end.producer_id, id + 1);
                assert_int_equal(end.producer_epoch, 0);
                expect_state(fixture, "CompleteAbort");
            } else {
                struct init_producer_id_response answer =
                    init_as(fixture, "t", id, INT16_MAX - 1, 5);
                assert_int_equal(answer.error_code, 0);
                assert_int_equal(answer.producer_id, id + 1);
                assert_int_equal(answer.producer_epoch, 0);
            }
        }
        assert_int_equal(init_as(fixture, "t", id, INT16_MAX - 2, 5).error_code,
                         KAFKA_PRODUCER_FENCED);
        assert_int_equal(add(fixture, id, INT16_MAX), KAFKA_INVALID_PRODUCER_ID_MAPPING);
        assert_int_equal(add(fixture, id + 1, 0), 0);
        assert_int_equal(end_as(fixture, id + 1, 0, true, 5).error_code, 0);
        markers_written(fixture);
    }
}

/* Goal: somebody new fences who was at the last epoch, for good. */
static void transaction__last_epoch_that_was_fenced_does_not_go_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->version = 0;
    transaction_coordinator_set_version(fixture->transactions, 0);
    init_to_the_last_epoch(fixture);
    assert_int_equal(add(fixture, 1000, INT16_MAX - 1), 0);
    assert_int_equal(init(fixture, "t").error_code, KAFKA_CONCURRENT_TRANSACTIONS);
    markers_written(fixture);
    assert_int_equal(describe(fixture).producer_epoch, INT16_MAX);
    assert_int_equal(init_as(fixture, "t", 1000, INT16_MAX - 1, 5).error_code,
                     KAFKA_PRODUCER_FENCED);
    assert_int_equal(init(fixture, "t").producer_id, 1001);
}

/* Goal: while a decision is written everything of a newer client is put off, whatever its epoch;
 * of an older client only what has the right one. Apache Kafka 4.3.1 does so while its markers are
 * under way. */
static void transaction__decision_under_way_puts_everybody_off(void **state)
{
    struct fixture *fixture = *state;
    for (int16_t version = 4; version <= 5; version++) {
        struct init_producer_id_response own = init(fixture, "t");
        int16_t epoch = own.producer_epoch;
        assert_int_equal(add(fixture, 1000, epoch), 0);
        assert_int_equal(end_as(fixture, 1000, epoch, true, version).error_code, 0);
        for (int commit = 0; commit < 2; commit++) {
            for (int16_t away = -1; away <= 2; away++) {
                bool fenced = version == 4 && away != 0;
                assert_int_equal(
                    end_as(fixture, 1000, (int16_t)(epoch + away), commit, version).error_code,
                    fenced ? KAFKA_PRODUCER_FENCED : KAFKA_CONCURRENT_TRANSACTIONS);
            }
            assert_int_equal(end_as(fixture, 77, epoch, commit, version).error_code,
                             version == 4 ? KAFKA_INVALID_PRODUCER_ID_MAPPING
                                          : KAFKA_CONCURRENT_TRANSACTIONS);
        }
        markers_written(fixture);
    }
}

/* Goal: when an id has no epoch left, its next transaction has another producer id. */
static void transaction__last_epoch_brings_a_new_producer_id(void **state)
{
    struct fixture *fixture = *state;
    init_to_the_last_epoch(fixture);
    assert_int_equal(add(fixture, 1000, INT16_MAX - 1), 0);
    struct end_txn_response end = end_as(fixture, 1000, INT16_MAX - 1, true, 5);
    assert_int_equal(end.producer_id, 1001);
    assert_int_equal(end.producer_epoch, 0);
    assert_int_equal(fixture->markers.producer_id, 1000);
    assert_int_equal(fixture->markers.producer_epoch, INT16_MAX);
    restart(fixture, UINT64_MAX); /* the next id is in the log */
    assert_int_equal(fixture->told, 1);
    markers_written(fixture);
    assert_int_equal(describe(fixture).producer_id, 1001);
    end = end_as(fixture, 1000, INT16_MAX - 1, true, 5); /* a retry */
    assert_int_equal(end.error_code, 0);
    assert_int_equal(end.producer_id, 1001);
    restart(fixture, UINT64_MAX);
    assert_int_equal(end_as(fixture, 1000, INT16_MAX - 1, true, 5).producer_id, 1001);
    assert_int_equal(add(fixture, 1001, 0), 0);
}

/* Goal: an id that nobody has used for long goes, one that is in use stays. */
static void transaction__unused_id_expires(void **state)
{
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    pass(fixture, EXPIRATION_MS - 3600000);
    assert_int_equal(describe(fixture).error_code, 0);
    pass(fixture, 2 * 3600000);
    assert_int_equal(describe(fixture).error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    restart(fixture, UINT64_MAX);
    assert_int_equal(describe(fixture).error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    assert_int_equal(init(fixture, "t").producer_id, 1001);
}

/* Goal: a restart goes on where the log ends, in every state, whatever compaction has taken of what
 * came before: any choice of the earlier records must lead to the same state. */
static void transaction__load_needs_only_the_newest_record(void **state)
{
    static const char *const states[] = {"Empty",         "Ongoing",      "PrepareCommit",
                                         "CompleteCommit", "Ongoing",     "PrepareAbort",
                                         "CompleteAbort",  "Empty"};
    struct fixture *fixture = *state;
    for (size_t steps = 1; steps <= sizeof states / sizeof states[0]; steps++) {
        fixture->log.size = 0;
        fixture->batches = 0;
        fixture->log_end_offset = 0;
        restart(fixture, 0);
        int64_t id = init(fixture, "t").producer_id;
        if (steps > 1) {
            assert_int_equal(add(fixture, id, 0), 0);
        }
        if (steps > 2) {
            assert_int_equal(end_as(fixture, id, 0, true, 5).error_code, 0);
        }
        if (steps > 3) {
            markers_written(fixture);
        }
        if (steps > 4) {
            assert_int_equal(add(fixture, id, 1), 0);
        }
        if (steps > 5) {
            assert_int_equal(end_as(fixture, id, 1, false, 5).error_code, 0);
        }
        if (steps > 6) {
            markers_written(fixture);
        }
        if (steps > 7) {
            assert_int_equal(init(fixture, "t").producer_epoch, 3);
        }
        assert_int_equal(fixture->batches, steps);
        struct describe_transactions_response_transaction_state before = describe(fixture);
        for (uint64_t mask = 0; mask < UINT64_C(1) << (steps - 1); mask++) {
            restart(fixture, mask | UINT64_C(1) << (steps - 1));
            struct describe_transactions_response_transaction_state after = describe(fixture);
            assert_true(string_view_is(after.transaction_state, states[steps - 1]));
            assert_int_equal(after.producer_id, before.producer_id);
            assert_int_equal(after.producer_epoch, before.producer_epoch);
            assert_int_equal(after.topics.count, before.topics.count);
            assert_int_equal(after.transaction_start_time_ms, before.transaction_start_time_ms);
            assert_int_equal(fixture->told, strncmp(states[steps - 1], "Prepare", 7) == 0);
        }
    }
}

/* Goal: records have the bytes that Apache Kafka 4.3 writes; below level 1 those of version 0. */
static void transaction__records_are_those_of_apache_kafka(void **state)
{
    static const uint8_t tagged[] = {
        0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0xea, 0x60, 1,
        /* partitions: "a" 7, "b" 0 3 */
        3, 2, 'a', 2, 0, 0, 0, 7, 0, 2, 'b', 3, 0, 0, 0, 0, 0, 0, 0, 3, 0,
        0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0,
        /* tags: the producer id before, and the client's version */
        2, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0xe8, 2, 2, 0, 2};
    struct fixture *fixture = *state;
    (void)init(fixture, "t");
    (void)add(fixture, 1000, 0);
    struct batch batch;
    struct record_iter iter;
    struct record record;
    const uint8_t *data = fixture->log.data + fixture->starts[1];
    assert_int_equal(batch_decode(data, fixture->log.size - fixture->starts[1], &batch), 0);
    record_iter_init(&iter, &batch, (struct bytes_view){batch.records,
                                                        batch.size_bytes - BATCH_HEADER_BYTES});
    assert_int_equal(record_iter_next(&iter, &record), 1);
    assert_int_equal(record.key.size, 5);
    assert_memory_equal(record.key.data, "\0\0\0\1t", 5);
    assert_int_equal(record.value.size, sizeof tagged);
    assert_memory_equal(record.value.data, tagged, sizeof tagged);

    transaction_coordinator_set_version(fixture->transactions, 0);
    (void)end_as(fixture, 1000, 0, true, 4);
    data = fixture->log.data + fixture->starts[2];
    assert_int_equal(batch_decode(data, fixture->log.size - fixture->starts[2], &batch), 0);
    record_iter_init(&iter, &batch, (struct bytes_view){batch.records,
                                                        batch.size_bytes - BATCH_HEADER_BYTES});
    assert_int_equal(record_iter_next(&iter, &record), 1);
    assert_memory_equal(record.value.data, "\0\0", 2);
    restart(fixture, UINT64_MAX);
    expect_state(fixture, "PrepareCommit");
}

/* Goal: what a log holds that no coordinator wrote is left out, and breaks nothing. */
static void transaction__senseless_records_are_left_out(void **state)
{
    static const struct {
        const char *key;
        size_t key_size;
        const char *value;
        size_t value_size;
    } rows[] = {
        {"\0\1\0\1t", 5, "", 0},
        {"\0", 1, "", 0},
        {"\0\0\0\5t", 5, "\0\0", 2},
        {"\0\0\0\1t", 5, "\0\7", 2},
        {"\0\0\0\1t", 5, "", 0},
        {"\0\0\0\1t", 5,
         "\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\1\x09\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
         37},
        {"\0\0\0\1t", 5,
         "\0\0\xff\0\0\0\0\0\0\1\0\0\0\0\0\1\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
         37},
    };
    struct fixture *fixture = *state;
    transaction_coordinator_destroy(&fixture->transactions);
    fixture_open(fixture);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct batch header = batch_header_empty((int64_t)i);
        struct batch_builder builder;
        struct batch batch;
        fixture->log.size = 0;
        batch_builder_init(&builder, &fixture->log, &header);
        batch_builder_add(
            &builder,
            &(struct record){.offset = (int64_t)i,
                             .key = {(const uint8_t *)rows[i].key, rows[i].key_size},
                             .value = {(const uint8_t *)rows[i].value, rows[i].value_size}});
        assert_int_equal(batch_builder_finish(&builder), 0);
        assert_int_equal(batch_decode(fixture->log.data, fixture->log.size, &batch), 0);
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        assert_int_equal(runtime_load(fixture->runtime, &batch, records), 1);
    }
    fixture->log.size = 0;
    runtime_loaded(fixture->runtime, fixture->now);
    assert_int_equal(describe(fixture).error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
}

/* Goal: a transaction that is complete has no partitions, whatever its record says: nobody writes
 * any there, and the next one begins without them. */
static void transaction__a_complete_one_is_loaded_without_partitions(void **state)
{
    static const char value[] = "\0\0\0\0\0\0\0\0\3\xe8\0\0\0\0\xea\x60\4"
                                "\0\0\0\1\0\1a\0\0\0\1\0\0\0\7"
                                "\0\0\1\x8b\xcf\xe5\x68\0\0\0\1\x8b\xcf\xe5\x68\0";
    struct fixture *fixture = *state;
    transaction_coordinator_destroy(&fixture->transactions);
    fixture_open(fixture);
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct batch batch;
    fixture->log.size = 0;
    batch_builder_init(&builder, &fixture->log, &header);
    batch_builder_add(&builder,
                      &(struct record){.key = {(const uint8_t *)"\0\0\0\1t", 5},
                                       .value = {(const uint8_t *)value, sizeof value - 1}});
    assert_int_equal(batch_builder_finish(&builder), 0);
    assert_int_equal(batch_decode(fixture->log.data, fixture->log.size, &batch), 0);
    struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
    assert_int_equal(runtime_load(fixture->runtime, &batch, records), 0);
    fixture->log.size = 0;
    runtime_loaded(fixture->runtime, fixture->now);
    expect_state(fixture, "CompleteCommit");
    assert_int_equal(describe(fixture).topics.count, 0);
    assert_int_equal(add(fixture, 1000, 0), 0);
    expect_state(fixture, "Ongoing");
}

/* Goal: ListTransactions filters by state, producer and duration. */
static void transaction__list_filters(void **state)
{
    struct fixture *fixture = *state;
    struct string_view ongoing = string_view_of("Ongoing");
    int64_t producer = 1001;
    (void)init(fixture, "t");
    (void)init(fixture, "u");
    (void)add(fixture, 1000, 0);
    struct list_transactions_request request = {.duration_filter = -1};
    const struct list_transactions_response *response =
        ask(fixture, API_LIST_TRANSACTIONS, 2, &request);
    assert_int_equal(response->transaction_states.count, 2);
    request.state_filters.items = &ongoing;
    request.state_filters.count = 1;
    response = ask(fixture, API_LIST_TRANSACTIONS, 2, &request);
    assert_int_equal(response->transaction_states.count, 1);
    assert_true(string_view_is(response->transaction_states.items[0].transactional_id, "t"));
    request.duration_filter = 1000;
    response = ask(fixture, API_LIST_TRANSACTIONS, 2, &request);
    assert_int_equal(response->transaction_states.count, 0);
    pass(fixture, 1001);
    response = ask(fixture, API_LIST_TRANSACTIONS, 2, &request);
    assert_int_equal(response->transaction_states.count, 1);
    request = (struct list_transactions_request){.duration_filter = -1};
    request.producer_id_filters.items = &producer;
    request.producer_id_filters.count = 1;
    response = ask(fixture, API_LIST_TRANSACTIONS, 2, &request);
    assert_int_equal(response->transaction_states.count, 1);
    assert_true(string_view_is(response->transaction_states.items[0].transactional_id, "u"));
}

/* Goal: timeouts and settings out of bounds are refused. */
static void transaction__init_checks_the_timeout(void **state)
{
    static const int32_t timeouts[] = {0, -1, MAX_TIMEOUT_MS + 1};
    struct fixture *fixture = *state;
    struct init_producer_id_request request;
    init_producer_id_request_default(&request);
    request.transactional_id = string_view_of("t");
    request.producer_id = -1;
    request.producer_epoch = -1;
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        request.transaction_timeout_ms = timeouts[i];
        const struct init_producer_id_response *response =
            ask(fixture, API_INIT_PRODUCER_ID, 5, &request);
        assert_int_equal(response->error_code, KAFKA_INVALID_TRANSACTION_TIMEOUT);
        assert_int_equal(response->producer_id, -1);
    }
    request.enable2_pc = true;
    const struct init_producer_id_response *response =
        ask(fixture, API_INIT_PRODUCER_ID, 6, &request);
    assert_int_equal(response->error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(fixture->next_producer_id, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(transaction__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_gives_an_id_and_then_epochs),
        TEST(older_producer_is_fenced),
        TEST(init_with_an_epoch_goes_on),
        TEST(commit_takes_the_epoch_on),
        TEST(late_requests_do_not_reach_the_next_one),
        TEST(abort_of_nothing_needs_no_markers),
        TEST(older_client_keeps_its_epoch),
        TEST(init_aborts_what_is_open),
        TEST(timeout_aborts),
        TEST(two_phases_have_no_timeout),
        TEST(verify_tells_each_partition),
        TEST(uncommitted_change_holds_others_off),
        TEST(failed_append_is_taken_back),
        TEST(last_epoch_brings_a_new_producer_id),
        TEST(last_epoch_that_times_out_brings_a_new_producer_id),
        TEST(last_epoch_that_was_fenced_does_not_go_on),
        TEST(decision_under_way_puts_everybody_off),
        TEST(unused_id_expires),
        TEST(load_needs_only_the_newest_record),
        TEST(a_complete_one_is_loaded_without_partitions),
        TEST(records_are_those_of_apache_kafka),
        TEST(senseless_records_are_left_out),
        TEST(list_filters),
        TEST(init_checks_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
