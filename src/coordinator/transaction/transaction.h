/* transaction.h: the coordinator of transactions: one partition of __transaction_state, a machine
 * of runtime.h.
 *
 * It knows each transactional id of that partition: its producer id and epoch, the state of its
 * transaction (state.c draws the moves) and the partitions in it. Calls, by API, and what their
 * request and response point at:
 *
 *   INIT_PRODUCER_ID, END_TXN  the messages of the API; call->new_producer_id is an unused one
 *   ADD_PARTITIONS_TO_TXN      struct transaction_add -> struct transaction_added
 *   DESCRIBE_TRANSACTIONS      struct string_view ->
 *                              describe_transactions_response_transaction_state
 *   LIST_TRANSACTIONS          struct list_transactions_request, whose pattern is one ->
 *                              list_transactions_response, of this partition
 *
 * Once a decision is committed its markers are to be written: the driver takes them
 * (transaction_next_markers), writes them, and says so (transaction_markers_written). Everything in
 * a response is in the call's arena.
 * Thread: one.   Errors: in the responses, as Apache Kafka gives them. */
#ifndef BNB_COORDINATOR_TRANSACTION_TRANSACTION_H
#define BNB_COORDINATOR_TRANSACTION_TRANSACTION_H

#include "coordinator/runtime.h"
#include "coordinator/text.h"
#include "protocol/messages.h"

/* Levels of transaction.version. */
#define TRANSACTION_VERSION_TAGGED 1 /* records of version 1 */
#define TRANSACTION_VERSION_BUMPED 2 /* an epoch a transaction (KIP-890) */

struct transaction_options {
    uint64_t seed; /* of its table */
    int32_t max_timeout_ms;
    int64_t id_expiration_ms;
    int64_t abort_interval_ms;  /* how often it looks for transactions that take too long, */
    int64_t remove_interval_ms; /* and for ids that nobody has used for long */
    bool two_phase_commit;
};

struct transaction_partition {
    struct string_view topic;
    int32_t partition;
};
/* By topic, then by partition; for qsort. */
int transaction_partition_order(const void *a, const void *b);
/* Partitions that are to be part of a transaction, or that should be. */
struct transaction_add {
    struct string_view transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool verify_only;
    int16_t version; /* of transactions, that whoever asks follows */
    const struct transaction_partition *partitions;
    int32_t count;
};
struct transaction_added {
    int16_t error;   /* of all */
    int16_t *errors; /* of each when verifying; else NULL */
};

/* What is to be written to every partition of a transaction that was decided. */
struct transaction_markers {
    struct string_view transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool commit;
    int16_t version;
    const struct transaction_partition *partitions;
    int32_t count;
};

/* What there is, for the metrics. */
struct transaction_counts {
    int64_t ids;
    int64_t ongoing;
    int64_t to_complete; /* decided, and their completion is written once more */
};

struct transaction_coordinator;
int transaction_coordinator_create(const struct transaction_options *options,
                                   struct transaction_coordinator **coordinator);
void transaction_coordinator_destroy(struct transaction_coordinator **coordinator);
/* Lives as long as the coordinator. */
struct runtime *transaction_coordinator_runtime(struct transaction_coordinator *coordinator);
struct transaction_counts
transaction_coordinator_counts(const struct transaction_coordinator *coordinator);
/* The finalized level of transaction.version. */
void transaction_coordinator_set_version(struct transaction_coordinator *coordinator,
                                         int16_t version);

/* What is wrong with an InitProducerId wherever its id is coordinated: 0 or a wire error. */
int16_t transaction_check_init(const struct init_producer_id_request *asked,
                               int32_t max_timeout_ms, bool two_phase_commit);
/* Whether ListTransactions knows a state of that name. */
bool transaction_state_exists(struct string_view name);
/* Sets the response of call to one that says error; NULL: no memory. */
void transaction_call_refuse(struct runtime_call *call, int16_t error);

/* The next transaction that is decided and has markers to be written; NULL: none. What it points at
 * is borrowed until the next call of anything here. */
const struct transaction_markers *
transaction_next_markers(struct transaction_coordinator *coordinator);
/* Somebody writes these: they are not told again. */
void transaction_markers_taken(struct transaction_coordinator *coordinator);
/* All markers of that transaction are committed, or pointless: their partition is gone. */
void transaction_markers_written(struct transaction_coordinator *coordinator,
                                 struct string_view transactional_id, struct runtime_time now);

#endif
