/* How a transaction ends: EndTxn, a newer producer, or a timeout decide it; then every partition
 * gets its marker, and then it is complete. Mirrors TransactionCoordinator.endTransaction. */
#include "coordinator/transaction/internal.h"

#define VERSION_WITH_BUMP 5 /* of EndTxn */
#define RETRY_MS 100        /* to write the completion once more */

/* ---- a decision is committed ---- */

static void told(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    struct transaction *transaction = CONTAINER_OF(waiter, struct transaction, waiter);
    struct transaction_coordinator *owner = transaction->owner;
    ASSERT(owner->runtime == runtime);
    if (!transaction_is_decided(transaction)) {
        return;
    }
    if (error == 0) {
        transaction_decided(transaction);
        return;
    }
    /* Its completion did not get into the log. */
    if (list_empty(&transaction->due_node)) {
        list_push_back(&owner->due, &transaction->due_node);
    }
    runtime_timer_arm(&owner->retry_timer, RETRY_MS);
}

static void wait_for(struct transaction *transaction)
{
    list_remove(&transaction->waiter.node);
    transaction->waiter.done = told;
    runtime_wait(transaction->owner->runtime, &transaction->waiter);
}

void transaction_decided(struct transaction *transaction)
{
    ASSERT(transaction_is_decided(transaction) && !transaction->writing);
    if (transaction->now.partitions.count == 0) {
        transaction_complete(transaction);
    } else if (list_empty(&transaction->decided_node)) {
        list_push_back(&transaction->owner->decided, &transaction->decided_node);
    }
}

void transaction_complete(struct transaction *transaction)
{
    struct transaction_facts next = transaction->now;
    ASSERT(transaction_is_decided(transaction) && !transaction->writing);
    next.status = next.status == TRANSACTION_PREPARE_COMMIT ? TRANSACTION_COMPLETE_COMMIT
                                                            : TRANSACTION_COMPLETE_ABORT;
    next.partitions = (struct transaction_set){NULL, 0};
    next.updated_ms = runtime_now(transaction->owner->runtime).wall_ms;
    if (next.version >= TRANSACTION_VERSION_BUMPED && next.next_producer_id != -1) {
        next.producer_id = next.next_producer_id;
        next.producer_epoch = 0;
    }
    next.next_producer_id = -1;
    list_remove(&transaction->decided_node);
    list_remove(&transaction->due_node);
    transaction_write(transaction, &next);
    wait_for(transaction);
}

const struct transaction_markers *transaction_next_markers(struct transaction_coordinator *owner)
{
    if (list_empty(&owner->decided)) {
        return NULL;
    }
    struct transaction *transaction =
        CONTAINER_OF(owner->decided.next, struct transaction, decided_node);
    const struct transaction_facts *now = &transaction->now;
    ASSERT(transaction_is_decided(transaction) && now->partitions.count > 0);
    owner->markers = (struct transaction_markers){
        .transactional_id = transaction->id,
        .producer_id = now->producer_id,
        .producer_epoch = now->producer_epoch,
        .commit = now->status == TRANSACTION_PREPARE_COMMIT,
        .version = now->version,
        .partitions = now->partitions.items,
        .count = now->partitions.count,
    };
    return &owner->markers;
}

void transaction_markers_taken(struct transaction_coordinator *owner)
{
    ASSERT(!list_empty(&owner->decided));
    list_remove(owner->decided.next);
}

struct written {
    struct transaction_coordinator *owner;
    struct string_view transactional_id;
};

static void written(void *context)
{
    const struct written *about = context;
    struct transaction *transaction = transaction_find(about->owner, about->transactional_id);
    /* Whoever wrote them may have been told before the log was loaded anew. */
    if (transaction != NULL && transaction_is_decided(transaction) && !transaction->writing) {
        transaction_complete(transaction);
    }
}

void transaction_markers_written(struct transaction_coordinator *owner,
                                 struct string_view transactional_id, struct runtime_time now)
{
    struct written about = {owner, transactional_id};
    if (runtime_state(owner->runtime) == RUNTIME_ACTIVE) {
        runtime_run(owner->runtime, written, &about, now);
    }
}

/* ---- deciding ---- */

static bool is_exhausted(const struct transaction *transaction)
{
    return transaction->now.producer_epoch >= EPOCH_EXHAUSTED;
}

static int16_t epoch_after(int16_t epoch)
{
    return epoch == EPOCH_LAST ? epoch : (int16_t)(epoch + 1);
}

/* What a decision makes of a transaction, by the rules of version. */
static struct transaction_facts decide(const struct transaction *transaction,
                                       enum transaction_status status, int16_t version)
{
    struct transaction_facts next = transaction->now;
    ASSERT(status == TRANSACTION_PREPARE_COMMIT || status == TRANSACTION_PREPARE_ABORT);
    next.updated_ms = runtime_now(transaction->owner->runtime).wall_ms;
    if (next.status != TRANSACTION_ONGOING) {
        next.started_ms = next.updated_ms; /* an abort of nothing */
    }
    next.status = status;
    next.version = version;
    next.next_producer_id = -1;
    if (version >= TRANSACTION_VERSION_BUMPED) {
        /* The epoch with which a timeout ended them all is nobody's: the one before counts. */
        bool over = next.producer_epoch == EPOCH_LAST &&
                    next.last_producer_epoch == EPOCH_EXHAUSTED;
        next.last_producer_epoch = over ? EPOCH_EXHAUSTED : next.producer_epoch;
        next.producer_epoch = epoch_after(next.producer_epoch);
    }
    return next;
}

void transaction_fence(struct transaction *transaction, struct runtime_call *call)
{
    bool bumps = transaction->owner->version >= TRANSACTION_VERSION_BUMPED;
    ASSERT(transaction->now.status == TRANSACTION_ONGOING && !transaction->writing);
    struct transaction_facts next = decide(transaction, TRANSACTION_PREPARE_ABORT,
                                           bumps ? TRANSACTION_VERSION_BUMPED : 0);
    if (!bumps) {
        next.producer_epoch = epoch_after(next.producer_epoch);
        next.last_producer_epoch = -1;
    } else if (is_exhausted(transaction) && call != NULL) {
        /* Without one the next InitProducerId gives the id a new producer id. */
        next.next_producer_id = call->new_producer_id;
        call->new_producer_id = -1;
    }
    transaction_write(transaction, &next);
    wait_for(transaction);
}

/* What an EndTxn comes to: an error, or (0) a decision in *status, if any. */
struct end_outcome {
    int16_t error;
    bool decides;
    enum transaction_status status;
};

/* The epoch stays: a client of before KIP-890. */
static struct end_outcome judge_plain(const struct transaction *transaction,
                                      const struct end_txn_request *asked)
{
    const struct transaction_facts *now = &transaction->now;
    enum transaction_status status =
        asked->committed ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT;
    if (now->producer_id != asked->producer_id) {
        return (struct end_outcome){.error = KAFKA_INVALID_PRODUCER_ID_MAPPING};
    }
    if (now->producer_epoch != asked->producer_epoch) {
        return (struct end_outcome){.error = KAFKA_PRODUCER_FENCED};
    }
    if (transaction_is_busy(transaction)) {
        return (struct end_outcome){.error = KAFKA_CONCURRENT_TRANSACTIONS};
    }
    if (now->status == TRANSACTION_ONGOING) {
        return (struct end_outcome){.decides = true, .status = status};
    }
    bool again = now->status == (asked->committed ? TRANSACTION_COMPLETE_COMMIT
                                                  : TRANSACTION_COMPLETE_ABORT);
    return (struct end_outcome){.error = again ? 0 : KAFKA_INVALID_TXN_STATE};
}

/* Each transaction has an epoch of its own: a retry shows by the one before. */
static struct end_outcome judge_bumped(const struct transaction *transaction,
                                       const struct end_txn_request *asked)
{
    const struct transaction_facts *now = &transaction->now;
    bool complete = now->status == TRANSACTION_COMPLETE_COMMIT ||
                    now->status == TRANSACTION_COMPLETE_ABORT;
    bool retry_over_end = now->previous_producer_id == asked->producer_id &&
                          asked->producer_epoch == EPOCH_EXHAUSTED && now->producer_epoch == 0;
    bool retry = retry_over_end || now->producer_epoch == asked->producer_epoch + 1;
    if (transaction_is_busy(transaction)) {
        return (struct end_outcome){.error = KAFKA_CONCURRENT_TRANSACTIONS};
    }
    if (now->producer_id != asked->producer_id && !retry_over_end) {
        return (struct end_outcome){.error = KAFKA_INVALID_PRODUCER_ID_MAPPING};
    }
    if (now->producer_epoch != asked->producer_epoch && !(complete && retry)) {
        return (struct end_outcome){.error = KAFKA_PRODUCER_FENCED};
    }
    if (now->status == TRANSACTION_ONGOING) {
        return (struct end_outcome){.decides = true,
                                    .status = asked->committed ? TRANSACTION_PREPARE_COMMIT
                                                               : TRANSACTION_PREPARE_ABORT};
    }
    if (complete && retry) {
        bool same = asked->committed == (now->status == TRANSACTION_COMPLETE_COMMIT);
        if (same && !asked->committed && now->producer_epoch == EPOCH_LAST &&
            now->version >= TRANSACTION_VERSION_BUMPED) {
            /* A timeout was first, with the last epoch there is: the client goes on with a new
             * producer id, which an abort of nothing brings. */
            return (struct end_outcome){.decides = true, .status = TRANSACTION_PREPARE_ABORT};
        }
        return (struct end_outcome){.error = same ? 0 : KAFKA_INVALID_TXN_STATE};
    }
    /* Nothing was added yet: there is nothing to commit, and an abort takes the epoch on. */
    return asked->committed ? (struct end_outcome){.error = KAFKA_INVALID_TXN_STATE}
                            : (struct end_outcome){.decides = true,
                                                   .status = TRANSACTION_PREPARE_ABORT};
}

static int16_t end_decided(struct transaction *transaction, enum transaction_status status,
                           struct runtime_call *call, struct end_txn_response *response)
{
    bool bumps = call->api_version >= VERSION_WITH_BUMP;
    struct transaction_facts next =
        decide(transaction, status, bumps ? TRANSACTION_VERSION_BUMPED : 0);
    if (bumps && is_exhausted(transaction)) {
        if (call->new_producer_id < 0) {
            return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        }
        next.next_producer_id = call->new_producer_id;
        call->new_producer_id = -1;
    }
    bool moves = next.next_producer_id != -1;
    response->producer_id = moves ? next.next_producer_id : next.producer_id;
    response->producer_epoch = moves ? 0 : next.producer_epoch;
    transaction_write(transaction, &next);
    wait_for(transaction);
    return 0;
}

void transaction_end(struct transaction_coordinator *owner, struct runtime_call *call)
{
    const struct end_txn_request *asked = call->request;
    struct end_outcome outcome = {.error = KAFKA_INVALID_PRODUCER_ID_MAPPING};
    struct transaction *transaction = transaction_find(owner, asked->transactional_id);
    struct end_txn_response *response = arena_alloc(call->arena, sizeof *response);
    if (asked->transactional_id.size == 0) {
        outcome.error = KAFKA_INVALID_REQUEST;
    } else if (transaction != NULL) {
        outcome = call->api_version >= VERSION_WITH_BUMP ? judge_bumped(transaction, asked)
                                                         : judge_plain(transaction, asked);
    }
    if (outcome.error == 0 && response != NULL) {
        end_txn_response_default(response);
        response->producer_id = transaction->now.producer_id;
        response->producer_epoch = transaction->now.producer_epoch;
        if (outcome.decides) {
            outcome.error = end_decided(transaction, outcome.status, call, response);
        }
    }
    if (outcome.error != 0) {
        transaction_answer_error(owner, call, outcome.error);
    } else {
        runtime_reply(owner->runtime, call, response);
    }
}
