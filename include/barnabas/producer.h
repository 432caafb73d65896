/* producer.h: sends records.
 *
 * Records gather in a batch per partition until it is full or linger.ms has passed; one network
 * thread sends the batches. With enable.idempotence (the default) retries neither duplicate nor
 * reorder. Delivery callbacks run on the network thread, in order per partition; calls inside
 * them do not wait: where waiting would be needed, they fail. */
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
};
typedef void bnb_delivery_callback(void *context, const struct bnb_delivery *delivery);

struct bnb_producer;
BNB_EXPORT int bnb_producer_create(const struct bnb_config *config, struct bnb_producer **producer,
                                   struct bnb_error *error);
/* Waits until everything has been sent or timeout_ms (-1: as long as it takes) has passed, then
 * fails the rest. Clears *producer. */
BNB_EXPORT void bnb_producer_close(struct bnb_producer **producer, int64_t timeout_ms);
/* Copies the record. Waits up to max.block.ms for metadata and for room in buffer.memory. When it
 * returns 0, callback (may be NULL) is called exactly once. */
BNB_EXPORT int bnb_producer_send(struct bnb_producer *producer,
                                 const struct bnb_producer_record *record,
                                 bnb_delivery_callback *callback, void *context,
                                 struct bnb_error *error);
/* Sends what has gathered and waits until every record sent before has been delivered or failed.
 * -1: no limit. */
BNB_EXPORT int bnb_producer_flush(struct bnb_producer *producer, int64_t timeout_ms);
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
