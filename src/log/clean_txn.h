/* clean_txn.h: what a walk over the batches of a log knows of their transactions: which data was
 * aborted, and which markers have no data left.
 *
 * Told of every batch in order of offsets (Apache Kafka's CleanedTransactionMetadata).
 * Owned by one walk. Thread: one.   Bounds: an entry a producer with an open transaction, and the
 * aborted transactions of the log.   Errors: ERR_NOMEM. */
#ifndef BNB_LOG_CLEAN_TXN_H
#define BNB_LOG_CLEAN_TXN_H

#include "base/map.h"
#include "log/segment.h"

struct clean_aborted {
    struct segment_aborted *items;
    size_t count;
    size_t capacity;
};
struct clean_txn {
    const struct clean_aborted *aborted;
    size_t next; /* of aborted */
    struct map open;
};
/* aborted: sorted by first offset, borrowed for the life of the walk. */
void clean_txn_init(struct clean_txn *txn, const struct clean_aborted *aborted, uint64_t seed);
void clean_txn_release(struct clean_txn *txn);
int clean_aborted_add(struct clean_aborted *aborted, const struct segment_aborted *entry);
void clean_aborted_sort(struct clean_aborted *aborted);

/* 1: the records of this data batch were aborted; 0, or an error. */
int clean_txn_data(struct clean_txn *txn, const struct batch *batch);
/* A control batch, with its records in memory: 1: nothing of its transaction is left, so neither
 * need it be; 0, or an error. With an aborted transaction of which there is data, *kept is set and
 * entry is what the index must go on to say. */
int clean_txn_control(struct clean_txn *txn, const struct batch *batch,
                      struct segment_aborted *entry, bool *kept);

#endif
