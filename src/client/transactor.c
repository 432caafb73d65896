/* transactor.c: states, verdicts and calls of the transactions of a producer. */
#include "client/transactor.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "client/error.h"
#include "protocol/error.h"

#define TO(state) (1u << BNB_TRANSACTION_##state)
/* While the transaction before is still being completed; it is not for long. As Java's client. */
#define TRANSACTOR_ADD_BACKOFF_MS 20

static const struct transactor_row {
    const char *name;
    unsigned next;
} rows[] = {
    [BNB_TRANSACTION_NONE] = {"NONE", 0},
    [BNB_TRANSACTION_UNINITIALIZED] = {"UNINITIALIZED", TO(INITIALIZING) | TO(FATAL)},
    [BNB_TRANSACTION_INITIALIZING] = {"INITIALIZING", TO(READY) | TO(ABORTABLE) | TO(FATAL)},
    [BNB_TRANSACTION_READY] = {"READY", TO(OPEN) | TO(FATAL)},
    [BNB_TRANSACTION_OPEN] = {"OPEN", TO(COMMITTING) | TO(ABORTING) | TO(ABORTABLE) | TO(FATAL)},
    [BNB_TRANSACTION_COMMITTING] = {"COMMITTING", TO(READY) | TO(INITIALIZING) | TO(ABORTABLE) |
                                                  TO(FATAL)},
    [BNB_TRANSACTION_ABORTING] = {"ABORTING", TO(READY) | TO(INITIALIZING) | TO(UNINITIALIZED) |
                                              TO(FATAL)},
    [BNB_TRANSACTION_ABORTABLE] = {"ABORTABLE", TO(ABORTING) | TO(FATAL)},
    [BNB_TRANSACTION_FATAL] = {"FATAL", 0},
};

static void check(const struct transactor *transactor)
{
    bool failed = transactor->state == BNB_TRANSACTION_ABORTABLE ||
                  transactor->state == BNB_TRANSACTION_FATAL;
    bool idle = transactor->state == BNB_TRANSACTION_UNINITIALIZED ||
                transactor->state == BNB_TRANSACTION_READY;
    ASSERT(failed == (transactor->code != 0));
    ASSERT(!idle || (!transactor->begun && transactor->offsets == TRANSACTOR_OFFSETS_NONE &&
                     transactor->doubt == TRANSACTOR_NONE));
    ASSERT(transactor->state != BNB_TRANSACTION_READY || transactor->producer_id >= 0);
    ASSERT(transactor->state != BNB_TRANSACTION_OPEN || transactor->producer_epoch >= 0);
}

static void move(struct transactor *transactor, enum bnb_transaction_state state)
{
    ASSERT((rows[transactor->state].next & 1u << state) != 0);
    transactor->state = state;
    check(transactor);
}

void transactor_init(struct transactor *transactor, const struct client_config *config)
{
    *transactor = (struct transactor){.config = config,
                                      .state = config->transactional_id != NULL
                                                   ? BNB_TRANSACTION_UNINITIALIZED
                                                   : BNB_TRANSACTION_NONE,
                                      .producer_id = -1,
                                      .producer_epoch = -1};
}

/* ---- failures ---- */

static void fail(struct transactor *transactor, enum bnb_transaction_state state, int code,
                 const char *text)
{
    ASSERT(code != 0);
    if (transactor->state == BNB_TRANSACTION_FATAL || transactor->state == state) {
        return; /* the first reason is told */
    }
    transactor->code = code;
    snprintf(transactor->text, sizeof transactor->text, "%s", text);
    transactor->offsets = TRANSACTOR_OFFSETS_NONE;
    move(transactor, state);
}

/* The transaction can be aborted, unless it is already, or over. */
static void fail_abortable(struct transactor *transactor, int code, const char *text)
{
    if ((rows[transactor->state].next & TO(ABORTABLE)) != 0) {
        fail(transactor, BNB_TRANSACTION_ABORTABLE, code, text);
    }
}

static void fail_fenced(struct transactor *transactor)
{
    char text[sizeof transactor->text];
    snprintf(text, sizeof text,
             "Producer with transactionalId '%.100s' and ProducerIdAndEpoch(producerId=%lld, "
             "epoch=%d) has been fenced by another producer with the same transactionalId",
             transactor->config->transactional_id, (long long)transactor->producer_id,
             transactor->producer_epoch);
    fail(transactor, BNB_TRANSACTION_FATAL, KAFKA_PRODUCER_FENCED, text);
}

void transactor_batch_failed(struct transactor *transactor, int code, const char *text)
{
    bool fatal = code == KAFKA_CLUSTER_AUTHORIZATION_FAILED ||
                 code == KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
                 code == KAFKA_PRODUCER_FENCED || code == KAFKA_UNSUPPORTED_VERSION ||
                 code == KAFKA_INVALID_PRODUCER_ID_MAPPING || code == BNB_ERROR_UNSUPPORTED;
    /* What the broker has of the partition is not known: sequences must begin anew. */
    if (fatal || (!transactor->newer && !transactor->can_bump)) {
        fail(transactor, BNB_TRANSACTION_FATAL, code, text);
        return;
    }
    transactor->bump = !transactor->newer;
    if ((code > 0 && kafka_error_is_retriable((int16_t)code)) ||
        code == KAFKA_INVALID_TXN_STATE) {
        fail_abortable(transactor, KAFKA_TRANSACTION_ABORTABLE,
                       "Transaction Request was aborted after exhausting retries.");
    } else {
        fail_abortable(transactor, code, text);
    }
}

bool transactor_gives_up(const struct transactor *transactor)
{
    return transactor->state == BNB_TRANSACTION_ABORTABLE ||
           transactor->state == BNB_TRANSACTION_ABORTING ||
           transactor->state == BNB_TRANSACTION_FATAL;
}

/* ---- verdicts ---- */

/* Of what is no success and is not worth another try. */
static enum transactor_verdict verdict_final(enum transactor_request request, int code)
{
    bool adds = request == TRANSACTOR_ADD_PARTITIONS || request == TRANSACTOR_ADD_OFFSETS;
    bool offsets = request == TRANSACTOR_ADD_OFFSETS || request == TRANSACTOR_COMMIT_OFFSETS;
    switch (code) {
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_PRODUCER_FENCED:
        return request == TRANSACTOR_FIND ? TRANSACTOR_FATAL : TRANSACTOR_FENCED;
    case KAFKA_TRANSACTION_ABORTABLE:
        return TRANSACTOR_ABORTABLE;
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return request == TRANSACTOR_INIT ? TRANSACTOR_ABORTABLE : TRANSACTOR_FATAL;
    case KAFKA_INVALID_TXN_STATE:
    case KAFKA_INVALID_PRODUCER_ID_MAPPING:
        return TRANSACTOR_FATAL;
    case KAFKA_UNKNOWN_PRODUCER_ID:
        return adds || request == TRANSACTOR_END ? TRANSACTOR_BUMPABLE : TRANSACTOR_FATAL;
    case KAFKA_GROUP_AUTHORIZATION_FAILED:
        return offsets || request == TRANSACTOR_FIND || request == TRANSACTOR_ADD_PARTITIONS
                   ? TRANSACTOR_ABORTABLE : TRANSACTOR_FATAL;
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
        return request == TRANSACTOR_INIT || request == TRANSACTOR_ADD_PARTITIONS
                   ? TRANSACTOR_ABORTABLE : TRANSACTOR_FATAL;
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
        return request == TRANSACTOR_COMMIT_OFFSETS || request == TRANSACTOR_ADD_PARTITIONS
                   ? TRANSACTOR_ABORTABLE : TRANSACTOR_FATAL;
    default:
        return request == TRANSACTOR_ADD_PARTITIONS ? TRANSACTOR_ABORTABLE : TRANSACTOR_FATAL;
    }
}

enum transactor_verdict transactor_verdict(enum transactor_request request, int code)
{
    if (code == 0) {
        return TRANSACTOR_DONE;
    }
    if (code == KAFKA_NOT_COORDINATOR || code == KAFKA_COORDINATOR_NOT_AVAILABLE ||
        (code == KAFKA_REQUEST_TIMED_OUT && request == TRANSACTOR_COMMIT_OFFSETS)) {
        return request == TRANSACTOR_FIND ? TRANSACTOR_AGAIN : TRANSACTOR_ELSEWHERE;
    }
    if (code > 0 && kafka_error_is_retriable((int16_t)code)) {
        return TRANSACTOR_AGAIN;
    }
    return verdict_final(request, code);
}

/* ---- calls ---- */

static const char *call_name(enum transactor_call call)
{
    return call == TRANSACTOR_CALL_INIT     ? "init_transactions"
           : call == TRANSACTOR_CALL_COMMIT ? "commit_transaction"
                                            : "abort_transaction";
}

static int refuse(const struct transactor *transactor, struct bnb_error *error, const char *what)
{
    if (transactor->state == BNB_TRANSACTION_NONE) {
        return client_error_set(error, BNB_ERROR_INVALID,
                                "%s needs a producer with a transactional.id", what);
    }
    if (transactor->code != 0) {
        return client_error_set(error, transactor->code, "%s", transactor->text);
    }
    return client_error_set(error, BNB_ERROR_INVALID, "%s is not possible in state %s", what,
                            rows[transactor->state].name);
}

static int refuse_pending(const struct transactor *transactor, struct bnb_error *error,
                          const char *what)
{
    return client_error_set(error, BNB_ERROR_INVALID,
                            "%s is not possible: %s was given up and has to be called again", what,
                            call_name(transactor->pending));
}

int transactor_begin_call(struct transactor *transactor, enum transactor_call call,
                          struct bnb_error *error)
{
    static const struct {
        unsigned from;
        enum bnb_transaction_state to;
    } calls[] = {
        [TRANSACTOR_CALL_INIT] = {TO(UNINITIALIZED), BNB_TRANSACTION_INITIALIZING},
        [TRANSACTOR_CALL_COMMIT] = {TO(OPEN), BNB_TRANSACTION_COMMITTING},
        [TRANSACTOR_CALL_ABORT] = {TO(OPEN) | TO(ABORTABLE), BNB_TRANSACTION_ABORTING},
    };
    ASSERT(call != TRANSACTOR_CALL_NONE);
    if (transactor->pending == call) {
        return 0;
    }
    if (transactor->pending != TRANSACTOR_CALL_NONE) {
        return refuse_pending(transactor, error, call_name(call));
    }
    if ((calls[call].from & 1u << transactor->state) == 0) {
        return refuse(transactor, error, call_name(call));
    }
    if (call == TRANSACTOR_CALL_ABORT) {
        transactor->code = 0;
        transactor->partitions_wanted = false;
        transactor->offsets = TRANSACTOR_OFFSETS_NONE;
    }
    transactor->pending = call;
    move(transactor, calls[call].to);
    return 0;
}

bool transactor_has_ended(const struct transactor *transactor, enum transactor_call call)
{
    ASSERT(call != TRANSACTOR_CALL_NONE);
    return transactor->pending != call ||
           (transactor->state != BNB_TRANSACTION_INITIALIZING &&
            transactor->state != BNB_TRANSACTION_COMMITTING &&
            transactor->state != BNB_TRANSACTION_ABORTING);
}

int transactor_take_result(struct transactor *transactor, struct bnb_error *error)
{
    transactor->pending = TRANSACTOR_CALL_NONE;
    if (transactor->code != 0) {
        return client_error_set(error, transactor->code, "%s", transactor->text);
    }
    return 0;
}

int transactor_begin(struct transactor *transactor, struct bnb_error *error)
{
    if (transactor->pending != TRANSACTOR_CALL_NONE) {
        return refuse_pending(transactor, error, "begin_transaction");
    }
    if (transactor->state != BNB_TRANSACTION_READY) {
        return refuse(transactor, error, "begin_transaction");
    }
    transactor->newer = transactor->version >= 2;
    move(transactor, BNB_TRANSACTION_OPEN);
    return 0;
}

int transactor_check_open(const struct transactor *transactor, struct bnb_error *error)
{
    return transactor->state == BNB_TRANSACTION_OPEN ? 0 : refuse(transactor, error, "sending");
}

bool transactor_enrol(struct transactor *transactor)
{
    ASSERT(transactor->state == BNB_TRANSACTION_OPEN);
    transactor->begun = transactor->begun || transactor->newer;
    transactor->partitions_wanted = !transactor->newer;
    return transactor->newer;
}

void transactor_send_offsets(struct transactor *transactor)
{
    ASSERT(transactor->state == BNB_TRANSACTION_OPEN);
    ASSERT(transactor->offsets == TRANSACTOR_OFFSETS_NONE);
    transactor->begun = transactor->begun || transactor->newer;
    transactor->offsets =
        transactor->newer ? TRANSACTOR_OFFSETS_COMMIT : TRANSACTOR_OFFSETS_ADD;
}

/* ---- requests ---- */

/* The transaction is over. */
static void complete(struct transactor *transactor)
{
    bool bump = transactor->bump;
    transactor->begun = transactor->bump = false;
    transactor->partitions_wanted = transactor->partitions_added = false;
    transactor->ended = true;
    move(transactor, transactor->producer_id < 0 ? BNB_TRANSACTION_UNINITIALIZED
                     : bump                      ? BNB_TRANSACTION_INITIALIZING
                                                 : BNB_TRANSACTION_READY);
}

/* Of a transaction that goes on: what has to be before it can end. */
static enum transactor_request next_open(const struct transactor *transactor)
{
    if (transactor->partitions_wanted) {
        return TRANSACTOR_ADD_PARTITIONS;
    }
    switch (transactor->offsets) {
    case TRANSACTOR_OFFSETS_NONE:
        return TRANSACTOR_NONE;
    case TRANSACTOR_OFFSETS_ADD:
        return TRANSACTOR_ADD_OFFSETS;
    case TRANSACTOR_OFFSETS_COMMIT:
        return TRANSACTOR_COMMIT_OFFSETS;
    }
    return TRANSACTOR_NONE;
}

static enum transactor_request next_request(struct transactor *transactor, bool has_batches)
{
    enum transactor_request request = TRANSACTOR_NONE;
    switch (transactor->state) {
    case BNB_TRANSACTION_INITIALIZING:
        return TRANSACTOR_INIT;
    case BNB_TRANSACTION_OPEN:
        return next_open(transactor);
    case BNB_TRANSACTION_COMMITTING:
        request = next_open(transactor);
        break;
    case BNB_TRANSACTION_ABORTING:
        break;
    case BNB_TRANSACTION_NONE:
    case BNB_TRANSACTION_UNINITIALIZED:
    case BNB_TRANSACTION_READY:
    case BNB_TRANSACTION_ABORTABLE:
    case BNB_TRANSACTION_FATAL:
        return TRANSACTOR_NONE;
    }
    if (request != TRANSACTOR_NONE || has_batches) {
        return request;
    }
    if (transactor->begun) {
        return TRANSACTOR_END;
    }
    complete(transactor);
    return next_request(transactor, has_batches);
}

enum transactor_request transactor_next(struct transactor *transactor, int64_t now_ms,
                                        bool has_batches, int64_t *wake_ms)
{
    if (transactor->asking != TRANSACTOR_NONE || transactor->state == BNB_TRANSACTION_FATAL) {
        return TRANSACTOR_NONE;
    }
    enum transactor_request request = transactor->doubt != TRANSACTOR_NONE
                                          ? transactor->doubt
                                          : next_request(transactor, has_batches);
    if (request != TRANSACTOR_NONE && now_ms < transactor->retry_ms) {
        *wake_ms = transactor->retry_ms < *wake_ms ? transactor->retry_ms : *wake_ms;
        return TRANSACTOR_NONE;
    }
    return request;
}

void transactor_asked(struct transactor *transactor, enum transactor_request request)
{
    ASSERT(transactor->asking == TRANSACTOR_NONE && request != TRANSACTOR_NONE);
    transactor->asking = request;
    if (request == TRANSACTOR_ADD_PARTITIONS || request == TRANSACTOR_ADD_OFFSETS) {
        transactor->doubt = request;
    }
    if (request == TRANSACTOR_ADD_PARTITIONS) {
        transactor->partitions_wanted = false; /* others may be, meanwhile */
    }
}

static void back_off(struct transactor *transactor, int64_t now_ms,
                     enum transactor_request request, int code)
{
    int64_t pause_ms = transactor->config->retry_backoff_ms;
    for (int32_t i = 0; i < transactor->failures && pause_ms < 1 << 30; i++) {
        pause_ms *= 2;
    }
    if (pause_ms > transactor->config->retry_backoff_max_ms) {
        pause_ms = transactor->config->retry_backoff_max_ms;
    }
    if (request == TRANSACTOR_ADD_PARTITIONS && code == KAFKA_CONCURRENT_TRANSACTIONS &&
        !transactor->partitions_added && pause_ms > TRANSACTOR_ADD_BACKOFF_MS) {
        pause_ms = TRANSACTOR_ADD_BACKOFF_MS;
    }
    transactor->failures += transactor->failures < 30;
    transactor->retry_ms = now_ms + pause_ms;
}

static void take_id(struct transactor *transactor, const struct transactor_answer *answer)
{
    transactor->producer_id = answer->producer_id;
    transactor->producer_epoch = answer->producer_epoch;
    transactor->anew = true;
}

static void done(struct transactor *transactor, enum transactor_request request,
                 const struct transactor_answer *answer)
{
    switch (request) {
    case TRANSACTOR_INIT:
        if (answer->producer_id < 0 || answer->producer_epoch < 0) {
            fail(transactor, BNB_TRANSACTION_FATAL, BNB_ERROR_CORRUPT,
                 "the coordinator gave no producer id");
            break;
        }
        take_id(transactor, answer);
        transactor->can_bump = answer->version >= 3;
        if (transactor->state == BNB_TRANSACTION_INITIALIZING) {
            move(transactor, BNB_TRANSACTION_READY);
        }
        break;
    case TRANSACTOR_ADD_PARTITIONS:
        transactor->begun = transactor->partitions_added = true;
        break;
    case TRANSACTOR_ADD_OFFSETS:
        transactor->begun = true;
        if (transactor->offsets == TRANSACTOR_OFFSETS_ADD) {
            transactor->offsets = TRANSACTOR_OFFSETS_COMMIT;
        }
        break;
    case TRANSACTOR_COMMIT_OFFSETS:
        transactor->offsets = TRANSACTOR_OFFSETS_NONE;
        break;
    case TRANSACTOR_END:
        if (answer->producer_id >= 0 && answer->producer_epoch >= 0) {
            take_id(transactor, answer);
        }
        complete(transactor);
        break;
    case TRANSACTOR_NONE:
    case TRANSACTOR_FIND:
        break;
    }
}

/* Whether an answer with that code is a matter of transactions, and speaks for itself. */
static bool is_expected(int code)
{
    return code == KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED || code == KAFKA_INVALID_TXN_STATE ||
           code == KAFKA_INVALID_PRODUCER_ID_MAPPING ||
           code == KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT;
}

/* What Java's client says before the text of any other code. */
static const char *unexpected(enum transactor_request request)
{
    return request == TRANSACTOR_INIT             ? "Unexpected error in InitProducerIdResponse; "
           : request == TRANSACTOR_ADD_OFFSETS    ? "Unexpected error in AddOffsetsToTxnResponse: "
           : request == TRANSACTOR_COMMIT_OFFSETS ? "Unexpected error in TxnOffsetCommitResponse: "
           : request == TRANSACTOR_END            ? "Unhandled error in EndTxnResponse: "
                                                  : "";
}

static void refused(struct transactor *transactor, enum transactor_request request,
                    enum transactor_verdict verdict, int code, const char *text)
{
    bool last = transactor->state == BNB_TRANSACTION_ABORTING && request == TRANSACTOR_END;
    if (verdict == TRANSACTOR_FENCED) {
        fail_fenced(transactor);
    } else if (verdict == TRANSACTOR_FATAL && !is_expected(code)) {
        char told[BNB_ERROR_BYTES + 64];
        snprintf(told, sizeof told, "%s%s", unexpected(request), text);
        fail(transactor, BNB_TRANSACTION_FATAL, code, told);
    } else if (verdict == TRANSACTOR_FATAL || last ||
               (verdict == TRANSACTOR_BUMPABLE && !transactor->newer && !transactor->can_bump)) {
        fail(transactor, BNB_TRANSACTION_FATAL, code, text);
    } else {
        transactor->bump = transactor->bump ||
                           (verdict == TRANSACTOR_BUMPABLE && !transactor->newer);
        fail_abortable(transactor, code, text);
    }
}

bool transactor_answered(struct transactor *transactor, int64_t now_ms,
                         enum transactor_request request, const struct transactor_answer *answer)
{
    enum transactor_verdict verdict = transactor_verdict(request, answer->code);
    if (request != TRANSACTOR_FIND) {
        ASSERT(transactor->asking == request);
        transactor->asking = transactor->doubt = TRANSACTOR_NONE;
    }
    switch (verdict) {
    case TRANSACTOR_DONE:
        transactor->failures = 0;
        transactor->retry_ms = 0;
        done(transactor, request, answer);
        return false;
    case TRANSACTOR_AGAIN:
    case TRANSACTOR_ELSEWHERE:
        if (request == TRANSACTOR_ADD_PARTITIONS &&
            transactor->state != BNB_TRANSACTION_ABORTING &&
            transactor->state != BNB_TRANSACTION_ABORTABLE) {
            transactor->partitions_wanted = true;
        }
        back_off(transactor, now_ms, request, answer->code);
        return verdict == TRANSACTOR_ELSEWHERE;
    case TRANSACTOR_ABORTABLE:
    case TRANSACTOR_BUMPABLE:
    case TRANSACTOR_FENCED:
    case TRANSACTOR_FATAL: {
        struct bnb_error error;
        client_error_kafka(&error, (int16_t)answer->code, answer->text);
        refused(transactor, request, verdict, error.code, error.text);
        return false;
    }
    }
    return false;
}

void transactor_lost(struct transactor *transactor, int64_t now_ms, int error, const char *text)
{
    enum transactor_request request = transactor->asking;
    ASSERT(request != TRANSACTOR_NONE);
    transactor->asking = TRANSACTOR_NONE;
    if (error == ERR_UNSUPPORTED) {
        transactor->doubt = TRANSACTOR_NONE;
        fail(transactor, BNB_TRANSACTION_FATAL, BNB_ERROR_UNSUPPORTED, text);
        return;
    }
    back_off(transactor, now_ms, request, 0);
}
