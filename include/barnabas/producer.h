/* producer.h: sends records.
 *
 * Records gather in a batch per partition until it is full or linger.ms has passed; one network
 * thread sends the batches. With enable.idempotence (the default) retries neither duplicate nor
 * reorder. Delivery callbacks run on the network thread, in order per partition; calls inside
 * them do not wait: where waiting would be needed, they fail.
 *
 * With a transactional.id records, and offsets of a group, go in transactions (KIP-98): all of one
 * is read by consumers with isolation.level=read_committed, or nothing is. */
#ifndef BARNABAS_PRODUCER_H
#define BARNABAS_PRODUCER_H

#include <barnabas/barnabas.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNB_PARTITION_ANY (-1)
#define BNB_TIMESTAMP_NOW (-1)

struct bnb_producer_record {
    const char *topic;
    int32_t partition;    /* BNB_PARTITION_ANY: by key, or sticky without one */
    int64_t timestamp_ms; /* BNB_TIMESTAMP_NOW */
    const void *key;      /* NULL: null */
    size_t key_size;
    const void *value; /* NULL: null */
    size_t value_size;
    const struct bnb_header *headers;
    int32_t header_count;
};
/* What became of one record. offset is -1 when it is not known (acks=0, or a failure). */
struct bnb_delivery {
    int code;
    const char *error_text; /* "" without error; borrowed */
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    int64_t told_ms; /* wall clock: when this was known of the record's batch */
};
typedef void bnb_delivery_callback(void *context, const struct bnb_delivery *delivery);

struct bnb_producer;
BNB_EXPORT int bnb_producer_create(const struct bnb_config *config, struct bnb_producer **producer,
                                   struct bnb_error *error);
/* Waits until everything has been sent or timeout_ms (-1: as long as it takes) has passed, then
 * fails the rest. Aborts a transaction that is open, for which it waits max.block.ms at most.
 * Clears *producer. */
BNB_EXPORT void bnb_producer_close(struct bnb_producer **producer, int64_t timeout_ms);
/* Copies the record. Waits up to max.block.ms for metadata and for room in buffer.memory. When it
 * returns 0, callback (may be NULL) is called exactly once. */
BNB_EXPORT int bnb_producer_send(struct bnb_producer *producer,
                                 const struct bnb_producer_record *record,
                                 bnb_delivery_callback *callback, void *context,
                                 struct bnb_error *error);
/* Sends records as bnb_producer_send would one after the other, for less work. contexts: one for
 * each. Gives how many it has taken: all, or those before the record that error tells of. */
BNB_EXPORT size_t bnb_producer_send_many(struct bnb_producer *producer,
                                         const struct bnb_producer_record *records, size_t count,
                                         bnb_delivery_callback *callback, void *const *contexts,
                                         struct bnb_error *error);
/* Sends what has gathered and waits until every record sent before has been delivered or failed.
 * -1: no limit. */
BNB_EXPORT int bnb_producer_flush(struct bnb_producer *producer, int64_t timeout_ms);
/* ---- transactions ----
 *
 * Calls that wait do so for max.block.ms at most, and return BNB_ERROR_TIMEOUT then; what they have
 * begun goes on, and making the same call again goes on waiting for it. No other one is possible
 * until that has returned something else. Thread: any, but one at a time; a delivery callback only
 * makes those that need not wait. */

/* Where the producer is. */
enum bnb_transaction_state {
    BNB_TRANSACTION_NONE, /* it has no transactional.id */
    BNB_TRANSACTION_UNINITIALIZED,
    BNB_TRANSACTION_INITIALIZING,
    BNB_TRANSACTION_READY,
    BNB_TRANSACTION_OPEN,
    BNB_TRANSACTION_COMMITTING,
    BNB_TRANSACTION_ABORTING,
    BNB_TRANSACTION_ABORTABLE, /* something failed: abort it, and begin another one */
    BNB_TRANSACTION_FATAL,     /* nothing more is possible but to close the producer */
};
BNB_EXPORT enum bnb_transaction_state bnb_producer_transaction_state(struct bnb_producer *producer);
/* Takes the transactional.id over: another producer that has it is fenced, its open transaction is
 * aborted. First, and once. */
BNB_EXPORT int bnb_producer_init_transactions(struct bnb_producer *producer,
                                              struct bnb_error *error);
/* Does not wait. Records can be sent from here on, until the transaction ends. */
BNB_EXPORT int bnb_producer_begin_transaction(struct bnb_producer *producer,
                                              struct bnb_error *error);
/* Has the offsets committed for the group when the transaction is, and waits until the coordinator
 * of the group has them. For a member that the group has given up it fails (KIP-447), and the
 * transaction is ABORTABLE. Copies what it is given. */
BNB_EXPORT int bnb_producer_send_offsets(struct bnb_producer *producer,
                                         const struct bnb_consumer_offset *offsets, size_t count,
                                         const struct bnb_group_metadata *group,
                                         struct bnb_error *error);
/* Sends records as bnb_producer_send would one after the other, for less work. contexts: one for
 * each. Gives how many it has taken: all, or those before the record that error tells of. */
BNB_EXPORT size_t bnb_producer_send_many(struct bnb_producer *producer,
                                         const struct bnb_producer_record *records, size_t count,
                                         bnb_delivery_callback *callback, void *const *contexts,
                                         struct bnb_error *error);
/* Sends what has gathered, and commits. 0: it is committed, for good. An error while the state is
 * ABORTABLE: it is not, and is to be aborted. After BNB_ERROR_TIMEOUT, or when the state is FATAL,
 * it may or may not be. */
BNB_EXPORT int bnb_producer_commit_transaction(struct bnb_producer *producer,
                                               struct bnb_error *error);
/* Fails what was not sent yet (BNB_ERROR_ABORTED), and aborts. */
BNB_EXPORT int bnb_producer_abort_transaction(struct bnb_producer *producer,
                                              struct bnb_error *error);

/* Number of partitions of a topic, or an error (negative, or -1000 - Kafka's code). */
BNB_EXPORT int32_t bnb_producer_partition_count(struct bnb_producer *producer, const char *topic,
                                                struct bnb_error *error);
/* The partition that Kafka's own clients choose for a key. */
BNB_EXPORT int32_t bnb_partition_for_key(const void *key, size_t key_size,
                                         int32_t partition_count);

#ifdef __cplusplus
}
#endif
#endif
