/* AddPartitionsToTxn: partitions become part of a transaction, or it is verified that they are.
 * Mirrors TransactionCoordinator.handleAddPartitionsToTransaction and
 * handleVerifyPartitionsInTransaction. */
#include "coordinator/transaction/internal.h"

static int16_t check_producer(const struct transaction *transaction,
                              const struct transaction_add *asked)
{
    if (transaction->now.producer_id != asked->producer_id) {
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    }
    return transaction->now.producer_epoch != asked->producer_epoch ? KAFKA_PRODUCER_FENCED : 0;
}

/* What is being written does not matter: the partition has the last word when it is appended to. */
static int16_t verify(const struct transaction *transaction, const struct transaction_add *asked,
                      int16_t *errors)
{
    int16_t error = check_producer(transaction, asked);
    if (error == 0 && transaction_is_decided(transaction)) {
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    }
    for (int32_t i = 0; error == 0 && i < asked->count; i++) {
        errors[i] = transaction_set_has(&transaction->now.partitions, &asked->partitions[i])
                        ? 0
                        : KAFKA_TRANSACTION_ABORTABLE;
    }
    return error;
}

static bool has_all(const struct transaction *transaction, const struct transaction_add *asked)
{
    for (int32_t i = 0; i < asked->count; i++) {
        if (!transaction_set_has(&transaction->now.partitions, &asked->partitions[i])) {
            return false;
        }
    }
    return true;
}

static int16_t add(struct transaction *transaction, const struct transaction_add *asked)
{
    struct transaction_coordinator *owner = transaction->owner;
    if (transaction_is_busy(transaction)) {
        /* First of all: the producer may know an id or an epoch that is still on its way. */
        return KAFKA_CONCURRENT_TRANSACTIONS;
    }
    int16_t error = check_producer(transaction, asked);
    bool ongoing = transaction->now.status == TRANSACTION_ONGOING;
    if (error != 0 || (ongoing && has_all(transaction, asked))) {
        return error;
    }
    struct transaction_facts next = transaction->now;
    next.status = TRANSACTION_ONGOING;
    next.updated_ms = runtime_now(owner->runtime).wall_ms;
    next.started_ms = ongoing ? next.started_ms : next.updated_ms;
    next.version = asked->version;
    if (!transaction_set_join(&transaction->now.partitions, asked->partitions, asked->count,
                              &next.partitions)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    ASSERT(ongoing || transaction->now.partitions.count == 0);
    transaction_write(transaction, &next);
    transaction_set_release(&next.partitions);
    return 0;
}

void transaction_add_partitions(struct transaction_coordinator *owner, struct runtime_call *call)
{
    const struct transaction_add *asked = call->request;
    struct transaction_added *added = arena_alloc(call->arena, sizeof *added);
    ASSERT(asked->count >= 0);
    if (added != NULL && asked->verify_only) {
        added->errors = arena_array(call->arena, (size_t)asked->count, sizeof *added->errors);
    }
    if (call->arena->failed) {
        runtime_reply(owner->runtime, call, NULL);
        return;
    }
    struct transaction *transaction = transaction_find(owner, asked->transactional_id);
    if (asked->transactional_id.size == 0) {
        added->error = KAFKA_INVALID_REQUEST;
    } else if (transaction == NULL) {
        added->error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    } else {
        added->error = asked->verify_only ? verify(transaction, asked, added->errors)
                                          : add(transaction, asked);
    }
    runtime_reply(owner->runtime, call, added);
}
