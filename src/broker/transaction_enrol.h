/* transaction_enrol.h: a partition is about to take the first records of a transaction, and its
 * coordinator is asked whether that is so (KIP-890).
 *
 * Clients of before KIP-890 have added the partition before, which is verified; for the others it
 * is added now. While the coordinator is busy with the transaction before, newer clients wait a
 * little here. The request's arena holds everything.
 * Thread: the shard of the request.   Errors: as the producer is told them. */
#ifndef BNB_BROKER_TRANSACTION_ENROL_H
#define BNB_BROKER_TRANSACTION_ENROL_H

#include "broker/coordinator_driver.h"

struct transaction_enrol {
    struct coordinator_ask ask;
    struct transaction_add add;
    struct timer timer; /* the request's one */
    struct broker_request *request;
    int64_t until_ms;
    bool abortable; /* the client knows TRANSACTION_ABORTABLE */
    void *context;
    /* Once; errors has one for each partition. */
    void (*done)(struct transaction_enrol *enrol, const int16_t *errors);
};
/* How a version of Produce or TxnOffsetCommit takes part. */
enum transaction_support {
    TRANSACTION_SUPPORT_OLD,       /* knows INVALID_TXN_STATE only */
    TRANSACTION_SUPPORT_ABORTABLE, /* and TRANSACTION_ABORTABLE */
    TRANSACTION_SUPPORT_ADDS,      /* partitions are added when they are written to */
};
struct transaction_producer {
    struct string_view transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
};
/* done and context are set. partitions stay until done, which may be called before this returns. */
void transaction_enrol(struct transaction_enrol *enrol, struct broker_request *request,
                       const struct transaction_producer *producer,
                       enum transaction_support support,
                       const struct transaction_partition *partitions, int32_t count);
/* Whether a request of that support is verified at all. */
bool transaction_is_verified(const struct broker_request *request,
                             enum transaction_support support);

#endif
