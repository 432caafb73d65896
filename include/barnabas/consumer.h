/* consumer.h: reads records of assigned partitions.
 *
 * The network thread fetches ahead; bnb_consumer_poll hands records out. Calls on one consumer must
 * not overlap, except bnb_consumer_wakeup. */
#ifndef BARNABAS_CONSUMER_H
#define BARNABAS_CONSUMER_H

#include <barnabas/barnabas.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start offsets. The reset policy is auto.offset.reset. */
#define BNB_OFFSET_BEGINNING (-2)
#define BNB_OFFSET_END (-1)
#define BNB_OFFSET_RESET_POLICY (-3)

enum bnb_timestamp_type {
    BNB_TIMESTAMP_NONE = -1,
    BNB_TIMESTAMP_CREATE = 0,
    BNB_TIMESTAMP_LOG_APPEND = 1,
};

struct bnb_consumer_record {
    const char *topic;
    int32_t partition;
    int32_t leader_epoch; /* -1: unknown */
    int64_t offset;
    int64_t timestamp_ms;
    enum bnb_timestamp_type timestamp_type;
    const void *key; /* NULL: null */
    size_t key_size;
    const void *value; /* NULL: null */
    size_t value_size;
    const struct bnb_header *headers;
    int32_t header_count;
};
struct bnb_assignment {
    const char *topic;
    int32_t partition;
    int64_t offset; /* or one of BNB_OFFSET_* */
};

struct bnb_consumer;
BNB_EXPORT int bnb_consumer_create(const struct bnb_config *config, struct bnb_consumer **consumer,
                                   struct bnb_error *error);
BNB_EXPORT void bnb_consumer_close(struct bnb_consumer **consumer);
struct bnb_topic_size {
    const char *name;
    int32_t partition_count;
    bool is_internal;
    int code; /* of Kafka; 0: the topic is there */
};
/* One topic by name, or every topic with name NULL. */
BNB_EXPORT int bnb_consumer_topics(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                   const char *name, const struct bnb_topic_size **topics,
                                   int32_t *count, struct bnb_error *error);
/* Replaces the assignment. */
BNB_EXPORT int bnb_consumer_assign(struct bnb_consumer *consumer,
                                   const struct bnb_assignment *partitions, size_t count);
BNB_EXPORT int bnb_consumer_seek(struct bnb_consumer *consumer, const char *topic,
                                 int32_t partition, int64_t offset);
/* At most max.poll.records records; waits up to timeout_ms for the first. Borrowed until the next
 * call on this consumer. No records and 0: nothing came in time, or bnb_consumer_wakeup. */
BNB_EXPORT int bnb_consumer_poll(struct bnb_consumer *consumer, int64_t timeout_ms,
                                 const struct bnb_consumer_record **records, size_t *count,
                                 struct bnb_error *error);
/* The offset of the next record that poll will give out, or -1 while it is not known. */
BNB_EXPORT int64_t bnb_consumer_position(struct bnb_consumer *consumer, const char *topic,
                                         int32_t partition);
/* Ends a poll that waits. Thread: any. */
BNB_EXPORT void bnb_consumer_wakeup(struct bnb_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
