/* transactions.h: looks at the transactions of a cluster, and ends those that hang.
 *
 * As admin.h: calls wait, what is returned lives in the memory that was passed in. */
#ifndef BARNABAS_TRANSACTIONS_H
#define BARNABAS_TRANSACTIONS_H

#include <barnabas/admin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnb_transaction_filter {
    const int64_t *producer_ids;
    int32_t producer_id_count; /* 0: any */
    int64_t duration_ms;       /* those that are open for longer; -1: any */
    const char *pattern;       /* a regular expression for the whole id; NULL: any */
};
struct bnb_transaction_listing {
    const char *transactional_id;
    int32_t coordinator;
    int64_t producer_id;
    const char *state;
};
/* Of every broker, in no order. */
BNB_EXPORT int bnb_admin_list_transactions(struct bnb_admin *admin, struct bnb_memory *memory,
                                           const struct bnb_transaction_filter *filter,
                                           const struct bnb_transaction_listing **listings,
                                           int32_t *count, struct bnb_error *error);

struct bnb_transaction_partition {
    const char *topic;
    int32_t partition;
};
struct bnb_transaction {
    int32_t coordinator;
    const char *state;
    int64_t producer_id;
    int32_t producer_epoch;
    int64_t timeout_ms;
    int64_t start_ms; /* -1: it has not begun */
    const struct bnb_transaction_partition *partitions;
    int32_t partition_count;
};
BNB_EXPORT int bnb_admin_describe_transaction(struct bnb_admin *admin, struct bnb_memory *memory,
                                              const char *transactional_id,
                                              struct bnb_transaction *transaction,
                                              struct bnb_error *error);

struct bnb_producer_state {
    int64_t producer_id;
    int32_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;        /* -1: none */
    int64_t transaction_start_offset; /* -1: none is open */
};
/* What a partition knows of its producers; broker -1: of its leader. */
BNB_EXPORT int bnb_admin_describe_producers(struct bnb_admin *admin, struct bnb_memory *memory,
                                            const char *topic, int32_t partition, int32_t broker,
                                            const struct bnb_producer_state **states,
                                            int32_t *count, struct bnb_error *error);

struct bnb_transaction_abort {
    const char *topic;
    int32_t partition;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
};
/* Writes an abort marker, whatever a coordinator knows: for a transaction that hangs. */
BNB_EXPORT int bnb_admin_abort_transaction(struct bnb_admin *admin,
                                           const struct bnb_transaction_abort *transaction,
                                           struct bnb_error *error);
/* Fences the producer of an id, and aborts what it has open. */
BNB_EXPORT int bnb_admin_force_terminate_transaction(struct bnb_admin *admin,
                                                     const char *transactional_id,
                                                     struct bnb_error *error);

#ifdef __cplusplus
}
#endif
#endif
