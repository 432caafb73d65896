/* The states of a transaction, as the log has them. Who takes each move:
 *
 *   Empty, Complete* -> Empty          InitProducerId (init.c)
 *   Empty, Complete*, Ongoing -> Ongoing   partitions are added (partitions.c)
 *   Ongoing -> PrepareCommit           EndTxn (end.c)
 *   Ongoing -> PrepareAbort            EndTxn, a newer producer, a timeout (end.c)
 *   Empty, Complete* -> PrepareAbort   EndTxn of a client with an epoch a transaction (end.c)
 *   Prepare* -> Complete*              all markers are written (end.c)
 *   Empty, Complete* -> gone           a tombstone: the id has not been used for long
 *
 * Mirrors TransactionState and TransactionMetadata. Its Dead and PrepareEpochFence are never in the
 * log, and need no state here: what is being written holds everything else off. */
#include "coordinator/transaction/internal.h"

#define TO(status) (1u << TRANSACTION_##status)

static const struct transaction_status_row {
    const char *name;
    unsigned next;
} statuses[] = {
    [TRANSACTION_EMPTY] = {"Empty", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT)},
    [TRANSACTION_ONGOING] = {"Ongoing", TO(ONGOING) | TO(PREPARE_COMMIT) | TO(PREPARE_ABORT)},
    [TRANSACTION_PREPARE_COMMIT] = {"PrepareCommit", TO(COMPLETE_COMMIT)},
    [TRANSACTION_PREPARE_ABORT] = {"PrepareAbort", TO(COMPLETE_ABORT)},
    [TRANSACTION_COMPLETE_COMMIT] = {"CompleteCommit", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT)},
    [TRANSACTION_COMPLETE_ABORT] = {"CompleteAbort", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT)},
};
STATIC_ASSERT(sizeof statuses / sizeof statuses[0] == TRANSACTION_STATUS_COUNT, "each has a row");

const char *transaction_status_name(enum transaction_status status)
{
    ASSERT(status < TRANSACTION_STATUS_COUNT);
    return statuses[status].name;
}

enum transaction_status transaction_status_of(struct string_view name)
{
    for (unsigned i = 0; i < TRANSACTION_STATUS_COUNT; i++) {
        if (string_view_is(name, statuses[i].name)) {
            return (enum transaction_status)i;
        }
    }
    return TRANSACTION_STATUS_COUNT;
}

/* Two of Apache Kafka's are never told here: nothing is in them when it is looked at. */
bool transaction_state_exists(struct string_view name)
{
    return transaction_status_of(name) != TRANSACTION_STATUS_COUNT ||
           string_view_is(name, "Dead") || string_view_is(name, "PrepareEpochFence");
}

/* What holds between any two operations. Of what the log brings only this is demanded: replay
 * refuses the rest. */
void transaction_check(const struct transaction *transaction)
{
    const struct transaction_facts *now = &transaction->now;
    ASSERT(now->status < TRANSACTION_STATUS_COUNT);
    ASSERT(!transaction->removing || transaction->writing);
    ASSERT(!transaction->writing || !transaction->removing || transaction->exists);
    ASSERT(now->partitions.count >= 0);
    switch (now->status) {
    case TRANSACTION_EMPTY:
        ASSERT(now->partitions.count == 0);
        break;
    case TRANSACTION_ONGOING:
    case TRANSACTION_PREPARE_COMMIT:
    case TRANSACTION_PREPARE_ABORT:
        ASSERT(transaction->exists);
        break;
    case TRANSACTION_COMPLETE_COMMIT:
    case TRANSACTION_COMPLETE_ABORT:
        ASSERT(transaction->exists && list_empty(&transaction->decided_node));
        break;
    case TRANSACTION_STATUS_COUNT:
        ASSERT(false);
    }
}

void transaction_move(struct transaction *transaction)
{
    ASSERT(transaction->writing && !transaction->removing);
    ASSERT((statuses[transaction->now.status].next & (1u << transaction->next.status)) != 0);
    ASSERT(transaction->next.producer_epoch >= 0);
    struct transaction_counts *counts = &transaction->owner->counts;
    counts->ongoing += (int64_t)(transaction->next.status == TRANSACTION_ONGOING) -
                       (transaction->now.status == TRANSACTION_ONGOING);
    transaction_set_release(&transaction->now.partitions);
    transaction->now = transaction->next;
    transaction->next = (struct transaction_facts){0};
    transaction->writing = false;
    transaction->exists = true;
    transaction_check(transaction);
    transactions_watch(transaction->owner);
}
