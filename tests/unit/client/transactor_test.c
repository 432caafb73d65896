/* The transactions of a producer as a machine: every state, every call and every answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "client/transactor.h"
#include "protocol/error.h"

#define NONE TRANSACTOR_NONE

static struct client_config config;
static struct transactor t;
static struct bnb_error error;
static int64_t now_ms;

static int setup(void **state)
{
    (void)state;
    static char id[] = "tx";
    config = (struct client_config){
        .transactional_id = id, .retry_backoff_ms = 100, .retry_backoff_max_ms = 1000};
    transactor_init(&t, &config);
    now_ms = 1000;
    return 0;
}

static enum transactor_request next(bool has_batches)
{
    int64_t wake_ms = INT64_MAX;
    return transactor_next(&t, now_ms, has_batches, &wake_ms);
}

/* The request is the next one, and is answered so. */
static bool answer(enum transactor_request request, struct transactor_answer said)
{
    now_ms += 100000; /* whatever was waited for */
    assert_int_equal(next(false), request);
    transactor_asked(&t, request);
    assert_int_equal(next(false), NONE);
    return transactor_answered(&t, now_ms, request, &said);
}

static bool answer_code(enum transactor_request request, int code)
{
    return answer(request, (struct transactor_answer){.code = code, .version = 5,
                                                      .producer_id = -1, .producer_epoch = -1});
}

static void lose(enum transactor_request request)
{
    now_ms += 100000;
    assert_int_equal(next(false), request);
    transactor_asked(&t, request);
    transactor_lost(&t, now_ms, ERR_CLOSED, "gone");
}

static void answer_id(enum transactor_request request, int64_t id, int16_t epoch, int16_t version)
{
    answer(request, (struct transactor_answer){.version = version, .producer_id = id,
                                               .producer_epoch = epoch});
}

static void take(int code)
{
    assert_int_equal(transactor_take_result(&t, &error), code);
}

static void make_ready(int16_t version)
{
    assert_int_equal(transactor_begin_call(&t, TRANSACTOR_CALL_INIT, &error), 0);
    assert_false(transactor_has_ended(&t, TRANSACTOR_CALL_INIT));
    answer_id(TRANSACTOR_INIT, 7, 0, 4);
    assert_true(t.anew);
    t.anew = false;
    t.version = version;
    assert_true(transactor_has_ended(&t, TRANSACTOR_CALL_INIT));
    take(0);
    assert_int_equal(t.state, BNB_TRANSACTION_READY);
}

static void make_open(int16_t version)
{
    make_ready(version);
    assert_int_equal(transactor_begin(&t, &error), 0);
    assert_int_equal(t.state, BNB_TRANSACTION_OPEN);
}

/* With a partition in it. */
static void make_begun(int16_t version)
{
    make_open(version);
    bool in = transactor_enrol(&t);
    assert_int_equal(in, version >= 2);
    if (!in) {
        answer_code(TRANSACTOR_ADD_PARTITIONS, 0);
    }
    assert_true(t.begun);
}

static void begin_call(enum transactor_call call)
{
    assert_int_equal(transactor_begin_call(&t, call, &error), 0);
}

static void end(int16_t version, bool commit, int16_t epoch)
{
    enum transactor_call call = commit ? TRANSACTOR_CALL_COMMIT : TRANSACTOR_CALL_ABORT;
    begin_call(call);
    assert_int_equal(next(true), NONE); /* a batch has no end yet */
    assert_false(transactor_has_ended(&t, call));
    if (version >= 2) {
        answer_id(TRANSACTOR_END, 7, epoch, 5);
    } else {
        answer_code(TRANSACTOR_END, 0);
    }
    assert_true(transactor_has_ended(&t, call));
    assert_true(t.ended);
    t.ended = t.anew = false;
    take(0);
}

static void transactor__commits_and_aborts_by_either_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 2; version++) {
        setup(NULL);
        make_begun(version);
        end(version, true, 1);
        assert_int_equal(t.producer_epoch, version >= 2 ? 1 : 0);
        assert_int_equal(transactor_begin(&t, &error), 0);
        assert_int_equal(transactor_enrol(&t), version >= 2);
        if (version < 2) {
            answer_code(TRANSACTOR_ADD_PARTITIONS, 0);
        }
        end(version, false, 2);
        assert_int_equal(t.producer_epoch, version >= 2 ? 2 : 0);
        assert_int_equal(t.state, BNB_TRANSACTION_READY);
    }
}

static void transactor__asks_nobody_to_end_what_was_never_begun(void **state)
{
    (void)state;
    for (int commit = 0; commit < 2; commit++) {
        setup(NULL);
        make_open(2);
        enum transactor_call call = commit ? TRANSACTOR_CALL_COMMIT : TRANSACTOR_CALL_ABORT;
        begin_call(call);
        assert_int_equal(next(false), NONE);
        assert_true(transactor_has_ended(&t, call));
        assert_int_equal(t.state, BNB_TRANSACTION_READY);
        assert_true(t.ended && !t.anew);
        take(0);
    }
}

static void transactor__adds_partitions_and_offsets_before_it_commits(void **state)
{
    (void)state;
    make_open(1);
    assert_false(transactor_enrol(&t));
    transactor_send_offsets(&t);
    begin_call(TRANSACTOR_CALL_COMMIT);
    answer_code(TRANSACTOR_ADD_PARTITIONS, 0);
    answer_code(TRANSACTOR_ADD_OFFSETS, 0);
    answer_code(TRANSACTOR_COMMIT_OFFSETS, 0);
    assert_int_equal(t.offsets, TRANSACTOR_OFFSETS_NONE);
    answer_code(TRANSACTOR_END, 0);
    take(0);
}

static void transactor__needs_no_adding_with_version_2(void **state)
{
    (void)state;
    make_open(2);
    transactor_send_offsets(&t);
    assert_true(t.begun);
    answer_code(TRANSACTOR_COMMIT_OFFSETS, 0);
    end(2, true, 1);
}

/* Which calls are possible in which state, and what the others say. */
static void transactor__refuses_calls_out_of_order(void **state)
{
    (void)state;
    static const struct {
        enum bnb_transaction_state state;
        int init, begin, commit, abort, send;
    } rows[] = {
        {BNB_TRANSACTION_NONE, -6, -6, -6, -6, -6},
        {BNB_TRANSACTION_UNINITIALIZED, 0, -6, -6, -6, -6},
        {BNB_TRANSACTION_INITIALIZING, -6, -6, -6, -6, -6},
        {BNB_TRANSACTION_READY, -6, 0, -6, -6, -6},
        {BNB_TRANSACTION_OPEN, -6, -6, 0, 0, 0},
        {BNB_TRANSACTION_COMMITTING, -6, -6, -6, -6, -6},
        {BNB_TRANSACTION_ABORTING, -6, -6, -6, -6, -6},
        {BNB_TRANSACTION_ABORTABLE, 10, 10, 10, 0, 10},
        {BNB_TRANSACTION_FATAL, 90, 90, 90, 90, 90},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transactor at;
        transactor_init(&at, &config);
        at.state = rows[i].state;
        at.producer_id = 7;
        at.producer_epoch = 0;
        at.code = at.state == BNB_TRANSACTION_ABORTABLE ? 10
                  : at.state == BNB_TRANSACTION_FATAL   ? 90 : 0;
        struct transactor one = at;
        assert_int_equal(transactor_begin_call(&one, TRANSACTOR_CALL_INIT, &error), rows[i].init);
        one = at;
        assert_int_equal(transactor_begin_call(&one, TRANSACTOR_CALL_COMMIT, &error),
                         rows[i].commit);
        one = at;
        assert_int_equal(transactor_begin_call(&one, TRANSACTOR_CALL_ABORT, &error),
                         rows[i].abort);
        one = at;
        assert_int_equal(transactor_begin(&one, &error), rows[i].begin);
        assert_int_equal(transactor_check_open(&at, &error), rows[i].send);
    }
}

/* A call that was given up goes on, and only the same one comes to its end. */
static void transactor__goes_on_with_a_call_that_was_given_up(void **state)
{
    (void)state;
    make_begun(2);
    begin_call(TRANSACTOR_CALL_COMMIT);
    assert_int_equal(transactor_begin_call(&t, TRANSACTOR_CALL_ABORT, &error), BNB_ERROR_INVALID);
    begin_call(TRANSACTOR_CALL_COMMIT);
    answer_id(TRANSACTOR_END, 7, 1, 5);
    assert_int_equal(t.state, BNB_TRANSACTION_READY);
    assert_int_equal(transactor_begin(&t, &error), BNB_ERROR_INVALID);
    begin_call(TRANSACTOR_CALL_COMMIT);
    assert_true(transactor_has_ended(&t, TRANSACTOR_CALL_COMMIT));
    take(0);
    assert_int_equal(transactor_begin(&t, &error), 0);
}

static void transactor__asks_again_when_the_answer_was_lost(void **state)
{
    (void)state;
    begin_call(TRANSACTOR_CALL_INIT);
    lose(TRANSACTOR_INIT);
    answer_id(TRANSACTOR_INIT, 7, 0, 4);
    take(0);
    assert_int_equal(transactor_begin(&t, &error), 0);
    assert_false(transactor_enrol(&t));
    lose(TRANSACTOR_ADD_PARTITIONS);
    answer_code(TRANSACTOR_ADD_PARTITIONS, 0);
    transactor_send_offsets(&t);
    lose(TRANSACTOR_ADD_OFFSETS);
    answer_code(TRANSACTOR_ADD_OFFSETS, 0);
    lose(TRANSACTOR_COMMIT_OFFSETS);
    answer_code(TRANSACTOR_COMMIT_OFFSETS, 0);
    begin_call(TRANSACTOR_CALL_COMMIT);
    lose(TRANSACTOR_END);
    lose(TRANSACTOR_END);
    answer_code(TRANSACTOR_END, 0);
    take(0);
}

/* What may have been added is asked for until it is answered, so that the end is not left out. */
static void transactor__settles_what_is_in_doubt_before_it_aborts(void **state)
{
    (void)state;
    static const enum transactor_request doubts[] = {TRANSACTOR_ADD_PARTITIONS,
                                                     TRANSACTOR_ADD_OFFSETS};
    for (size_t i = 0; i < 2; i++) {
        setup(NULL);
        make_open(1);
        if (i == 0) {
            (void)transactor_enrol(&t);
        } else {
            transactor_send_offsets(&t);
        }
        lose(doubts[i]);
        begin_call(TRANSACTOR_CALL_ABORT);
        answer_code(doubts[i], 0);
        assert_true(t.begun);
        answer_code(TRANSACTOR_END, 0);
        take(0);
    }
    /* What was refused for the moment was not added: there is nothing to end. */
    setup(NULL);
    make_open(1);
    (void)transactor_enrol(&t);
    answer_code(TRANSACTOR_ADD_PARTITIONS, KAFKA_CONCURRENT_TRANSACTIONS);
    begin_call(TRANSACTOR_CALL_ABORT);
    assert_int_equal(next(false), NONE);
    assert_int_equal(t.state, BNB_TRANSACTION_READY);
}

static void transactor__waits_between_tries(void **state)
{
    (void)state;
    int64_t wake_ms = INT64_MAX;
    make_open(1);
    (void)transactor_enrol(&t);
    assert_false(answer_code(TRANSACTOR_ADD_PARTITIONS, KAFKA_CONCURRENT_TRANSACTIONS));
    assert_int_equal(t.retry_ms, now_ms + 20);
    assert_int_equal(transactor_next(&t, now_ms, false, &wake_ms), NONE);
    assert_int_equal(wake_ms, now_ms + 20);
    answer_code(TRANSACTOR_ADD_PARTITIONS, 0);
    assert_int_equal(t.retry_ms, 0);
    begin_call(TRANSACTOR_CALL_COMMIT);
    static const int64_t pauses_ms[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        assert_false(answer_code(TRANSACTOR_END, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
        assert_int_equal(t.retry_ms, now_ms + pauses_ms[i]);
    }
    assert_true(answer_code(TRANSACTOR_END, KAFKA_NOT_COORDINATOR));
    answer_code(TRANSACTOR_END, 0);
    take(0);
}

#define D TRANSACTOR_DONE
#define A TRANSACTOR_AGAIN
#define E TRANSACTOR_ELSEWHERE
#define B TRANSACTOR_ABORTABLE
#define P TRANSACTOR_BUMPABLE
#define X TRANSACTOR_FENCED
#define F TRANSACTOR_FATAL

/* As the handlers of Java's client: a column for FindCoordinator, InitProducerId,
 * AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and EndTxn. */
static void transactor__judges_each_code_of_each_request(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum transactor_verdict verdicts[6];
    } rows[] = {
        {0, {D, D, D, D, D, D}},
        {KAFKA_NOT_COORDINATOR, {A, E, E, E, E, E}},
        {KAFKA_COORDINATOR_NOT_AVAILABLE, {A, E, E, E, E, E}},
        {KAFKA_COORDINATOR_LOAD_IN_PROGRESS, {A, A, A, A, A, A}},
        {KAFKA_CONCURRENT_TRANSACTIONS, {A, A, A, A, A, A}},
        {KAFKA_UNKNOWN_TOPIC_OR_PARTITION, {A, A, A, A, A, A}},
        {KAFKA_REQUEST_TIMED_OUT, {A, A, A, A, E, A}},
        {KAFKA_INVALID_PRODUCER_EPOCH, {F, X, X, X, X, X}},
        {KAFKA_PRODUCER_FENCED, {F, X, X, X, X, X}},
        {KAFKA_TRANSACTION_ABORTABLE, {B, B, B, B, B, B}},
        {KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, {F, B, F, F, F, F}},
        {KAFKA_CLUSTER_AUTHORIZATION_FAILED, {F, B, B, F, F, F}},
        {KAFKA_INVALID_TXN_STATE, {F, F, F, F, F, F}},
        {KAFKA_INVALID_PRODUCER_ID_MAPPING, {F, F, F, F, F, F}},
        {KAFKA_UNKNOWN_PRODUCER_ID, {F, F, P, P, F, P}},
        {KAFKA_GROUP_AUTHORIZATION_FAILED, {B, F, B, B, B, F}},
        {KAFKA_TOPIC_AUTHORIZATION_FAILED, {F, F, B, F, F, F}},
        {KAFKA_OPERATION_NOT_ATTEMPTED, {F, F, B, F, F, F}},
        {KAFKA_FENCED_INSTANCE_ID, {F, F, B, F, B, F}},
        {KAFKA_UNKNOWN_MEMBER_ID, {F, F, B, F, B, F}},
        {KAFKA_ILLEGAL_GENERATION, {F, F, B, F, B, F}},
        {KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT, {F, F, B, F, F, F}},
        {KAFKA_INVALID_TRANSACTION_TIMEOUT, {F, F, B, F, F, F}},
        {KAFKA_UNKNOWN_SERVER_ERROR, {F, F, B, F, F, F}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int request = TRANSACTOR_FIND; request <= TRANSACTOR_END; request++) {
            assert_int_equal(transactor_verdict((enum transactor_request)request, rows[i].code),
                             rows[i].verdicts[request - TRANSACTOR_FIND]);
        }
    }
}

static void transactor__is_fenced_for_good(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        make_begun(version);
        begin_call(TRANSACTOR_CALL_COMMIT);
        answer_code(TRANSACTOR_END, KAFKA_INVALID_PRODUCER_EPOCH);
        assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
        take(KAFKA_PRODUCER_FENCED);
        assert_non_null(strstr(error.text, "has been fenced"));
        assert_true(transactor_gives_up(&t));
        assert_int_equal(next(false), NONE);
        transactor_batch_failed(&t, KAFKA_MESSAGE_TOO_LARGE, "too large");
        assert_int_equal(t.code, KAFKA_PRODUCER_FENCED);
    }
}

/* A batch that failed ends in an abort, after which there is another epoch. */
static void transactor__has_another_epoch_after_a_batch_has_failed(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 2; version++) {
        setup(NULL);
        make_begun(version);
        transactor_batch_failed(&t, KAFKA_MESSAGE_TOO_LARGE, "too large");
        assert_int_equal(t.state, BNB_TRANSACTION_ABORTABLE);
        assert_int_equal(next(false), NONE);
        begin_call(TRANSACTOR_CALL_ABORT);
        if (version < 2) {
            answer_code(TRANSACTOR_END, 0);
            assert_int_equal(t.state, BNB_TRANSACTION_INITIALIZING);
            assert_false(transactor_has_ended(&t, TRANSACTOR_CALL_ABORT));
            answer_id(TRANSACTOR_INIT, 7, 1, 4);
        } else {
            answer_id(TRANSACTOR_END, 7, 1, 5);
        }
        assert_true(t.anew);
        take(0);
        assert_int_equal(t.producer_epoch, 1);
        assert_int_equal(t.state, BNB_TRANSACTION_READY);
        assert_false(t.bump);
    }
}

static void transactor__says_why_a_batch_has_failed(void **state)
{
    (void)state;
    static const struct {
        int code, told;
        enum bnb_transaction_state state;
    } rows[] = {
        {KAFKA_MESSAGE_TOO_LARGE, KAFKA_MESSAGE_TOO_LARGE, BNB_TRANSACTION_ABORTABLE},
        {BNB_ERROR_TIMEOUT, BNB_ERROR_TIMEOUT, BNB_TRANSACTION_ABORTABLE},
        {KAFKA_INVALID_PRODUCER_EPOCH, KAFKA_INVALID_PRODUCER_EPOCH, BNB_TRANSACTION_ABORTABLE},
        {KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
         BNB_TRANSACTION_ABORTABLE},
        {KAFKA_NOT_LEADER_OR_FOLLOWER, KAFKA_TRANSACTION_ABORTABLE, BNB_TRANSACTION_ABORTABLE},
        {KAFKA_INVALID_TXN_STATE, KAFKA_TRANSACTION_ABORTABLE, BNB_TRANSACTION_ABORTABLE},
        {KAFKA_TRANSACTION_ABORTABLE, KAFKA_TRANSACTION_ABORTABLE, BNB_TRANSACTION_ABORTABLE},
        {KAFKA_PRODUCER_FENCED, KAFKA_PRODUCER_FENCED, BNB_TRANSACTION_FATAL},
        {KAFKA_INVALID_PRODUCER_ID_MAPPING, KAFKA_INVALID_PRODUCER_ID_MAPPING,
         BNB_TRANSACTION_FATAL},
        {KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
         BNB_TRANSACTION_FATAL},
        {BNB_ERROR_UNSUPPORTED, BNB_ERROR_UNSUPPORTED, BNB_TRANSACTION_FATAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(NULL);
        make_begun(2);
        transactor_batch_failed(&t, rows[i].code, "why");
        assert_int_equal(t.state, rows[i].state);
        assert_int_equal(t.code, rows[i].told);
    }
}

/* Sequences have a gap, and nothing can mend it. */
static void transactor__fails_for_good_where_epochs_cannot_be_raised(void **state)
{
    (void)state;
    make_begun(1);
    t.can_bump = false;
    transactor_batch_failed(&t, KAFKA_MESSAGE_TOO_LARGE, "too large");
    assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
    setup(NULL);
    make_begun(1);
    t.can_bump = false;
    begin_call(TRANSACTOR_CALL_COMMIT);
    answer_code(TRANSACTOR_END, KAFKA_UNKNOWN_PRODUCER_ID);
    assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
    setup(NULL);
    make_begun(1);
    begin_call(TRANSACTOR_CALL_COMMIT);
    answer_code(TRANSACTOR_END, KAFKA_UNKNOWN_PRODUCER_ID);
    assert_int_equal(t.state, BNB_TRANSACTION_ABORTABLE);
    assert_true(t.bump);
}

static void transactor__cannot_be_stopped_from_aborting(void **state)
{
    (void)state;
    make_begun(2);
    begin_call(TRANSACTOR_CALL_ABORT);
    transactor_batch_failed(&t, KAFKA_MESSAGE_TOO_LARGE, "too large");
    assert_int_equal(t.state, BNB_TRANSACTION_ABORTING);
    /* An abort that is refused as one that may be aborted would have no end. */
    answer_code(TRANSACTOR_END, KAFKA_TRANSACTION_ABORTABLE);
    assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
    take(KAFKA_TRANSACTION_ABORTABLE);
}

static void transactor__begins_again_where_it_never_got_an_id(void **state)
{
    (void)state;
    begin_call(TRANSACTOR_CALL_INIT);
    answer_code(TRANSACTOR_INIT, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(t.state, BNB_TRANSACTION_ABORTABLE);
    take(KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    begin_call(TRANSACTOR_CALL_ABORT);
    assert_int_equal(next(false), NONE);
    assert_int_equal(t.state, BNB_TRANSACTION_UNINITIALIZED);
    take(0);
    make_ready(2);
}

/* The search for a coordinator may end when nobody waits for it any more. */
static void transactor__takes_no_harm_from_a_late_search(void **state)
{
    (void)state;
    const struct transactor_answer refused = {.code = KAFKA_GROUP_AUTHORIZATION_FAILED};
    make_ready(2);
    transactor_answered(&t, now_ms, TRANSACTOR_FIND, &refused);
    assert_int_equal(t.state, BNB_TRANSACTION_READY);
    assert_int_equal(transactor_begin(&t, &error), 0);
    transactor_send_offsets(&t);
    transactor_answered(&t, now_ms, TRANSACTOR_FIND, &refused);
    assert_int_equal(t.state, BNB_TRANSACTION_ABORTABLE);
    assert_int_equal(t.offsets, TRANSACTOR_OFFSETS_NONE);
}

static void transactor__refuses_an_answer_without_an_id(void **state)
{
    (void)state;
    begin_call(TRANSACTOR_CALL_INIT);
    answer_id(TRANSACTOR_INIT, -1, 0, 4);
    assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
    take(BNB_ERROR_CORRUPT);
}

static void transactor__ends_where_a_broker_is_too_old(void **state)
{
    (void)state;
    make_begun(2);
    begin_call(TRANSACTOR_CALL_COMMIT);
    assert_int_equal(next(false), TRANSACTOR_END);
    transactor_asked(&t, TRANSACTOR_END);
    transactor_lost(&t, now_ms, ERR_UNSUPPORTED, "The node does not support EndTxn");
    assert_int_equal(t.state, BNB_TRANSACTION_FATAL);
    take(BNB_ERROR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(transactor__commits_and_aborts_by_either_version, setup),
        cmocka_unit_test_setup(transactor__asks_nobody_to_end_what_was_never_begun, setup),
        cmocka_unit_test_setup(transactor__adds_partitions_and_offsets_before_it_commits, setup),
        cmocka_unit_test_setup(transactor__needs_no_adding_with_version_2, setup),
        cmocka_unit_test_setup(transactor__refuses_calls_out_of_order, setup),
        cmocka_unit_test_setup(transactor__goes_on_with_a_call_that_was_given_up, setup),
        cmocka_unit_test_setup(transactor__asks_again_when_the_answer_was_lost, setup),
        cmocka_unit_test_setup(transactor__settles_what_is_in_doubt_before_it_aborts, setup),
        cmocka_unit_test_setup(transactor__waits_between_tries, setup),
        cmocka_unit_test_setup(transactor__judges_each_code_of_each_request, setup),
        cmocka_unit_test_setup(transactor__is_fenced_for_good, setup),
        cmocka_unit_test_setup(transactor__has_another_epoch_after_a_batch_has_failed, setup),
        cmocka_unit_test_setup(transactor__says_why_a_batch_has_failed, setup),
        cmocka_unit_test_setup(transactor__fails_for_good_where_epochs_cannot_be_raised, setup),
        cmocka_unit_test_setup(transactor__cannot_be_stopped_from_aborting, setup),
        cmocka_unit_test_setup(transactor__begins_again_where_it_never_got_an_id, setup),
        cmocka_unit_test_setup(transactor__takes_no_harm_from_a_late_search, setup),
        cmocka_unit_test_setup(transactor__refuses_an_answer_without_an_id, setup),
        cmocka_unit_test_setup(transactor__ends_where_a_broker_is_too_old, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
