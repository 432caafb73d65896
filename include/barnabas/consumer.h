/* consumer.h: reads records: of partitions that are assigned by hand, or by a group.
 *
 * The network thread fetches ahead, and is the group's member; bnb_consumer_poll hands records out
 * and calls the application when its partitions change, so it is to be called at least every
 * max.poll.interval.ms. Calls on one consumer must not overlap, except bnb_consumer_wakeup. */
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
/* Where the group was; the reset policy, if it has not committed any. */
#define BNB_OFFSET_COMMITTED (-4)

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
/* Called from bnb_consumer_poll, bnb_consumer_unsubscribe and bnb_consumer_close; may commit, seek
 * and ask for positions. Each may be NULL. partitions is borrowed for the call. */
struct bnb_rebalance_listener {
    /* They go to others now: what was read of them can still be committed. With auto-commit it has
     * been. */
    void (*revoked)(void *context, struct bnb_consumer *consumer,
                    const struct bnb_topic_partition *partitions, size_t count);
    /* They are new. Read from where the group was, unless it seeks. */
    void (*assigned)(void *context, struct bnb_consumer *consumer,
                     const struct bnb_topic_partition *partitions, size_t count);
    /* Others may have them already. NULL: revoked is called. */
    void (*lost)(void *context, struct bnb_consumer *consumer,
                 const struct bnb_topic_partition *partitions, size_t count);
    void *context;
};
/* code is 0 when it is committed. Called from bnb_consumer_poll or bnb_consumer_close. */
typedef void (*bnb_commit_callback)(void *context, const struct bnb_error *error);

BNB_EXPORT int bnb_consumer_create(const struct bnb_config *config, struct bnb_consumer **consumer,
                                   struct bnb_error *error);
/* Commits (with enable.auto.commit), gives its partitions back and leaves the group, for which it
 * waits 30 s at most. */
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
/* ---- groups: group.id, group.protocol and so on ----
 *
 * The assignors of partition.assignment.strategy are range, roundrobin, sticky and
 * cooperative-sticky, by these names or by those of Java's classes; they do not look at racks. */

/* Reads the topics together with the other members of the group. Replaces the subscription; no
 * topics: as unsubscribe. listener may be NULL; it is copied. */
BNB_EXPORT int bnb_consumer_subscribe(struct bnb_consumer *consumer, const char *const *topics,
                                      size_t count, const struct bnb_rebalance_listener *listener,
                                      struct bnb_error *error);
/* All topics whose whole name matches, also later ones; the syntax is that of RE2. */
BNB_EXPORT int bnb_consumer_subscribe_pattern(struct bnb_consumer *consumer, const char *expression,
                                              const struct bnb_rebalance_listener *listener,
                                              struct bnb_error *error);
/* Gives everything back, and leaves the group. Nothing is committed. */
BNB_EXPORT void bnb_consumer_unsubscribe(struct bnb_consumer *consumer);
/* The partitions that are assigned now, in the memory. */
BNB_EXPORT int bnb_consumer_assignment(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                       const struct bnb_topic_partition **partitions,
                                       size_t *count);
/* Commits offsets, or (NULL) the positions of all assigned partitions, and waits for
 * default.api.timeout.ms at most. */
BNB_EXPORT int bnb_consumer_commit(struct bnb_consumer *consumer,
                                   const struct bnb_consumer_offset *offsets, size_t count,
                                   struct bnb_error *error);
/* As above, without waiting. callback may be NULL. Nothing is tried again. */
BNB_EXPORT int bnb_consumer_commit_async(struct bnb_consumer *consumer,
                                         const struct bnb_consumer_offset *offsets, size_t count,
                                         bnb_commit_callback callback, void *context);
/* What the group has committed for count partitions, in the memory and their order. */
BNB_EXPORT int bnb_consumer_committed(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                      const struct bnb_topic_partition *partitions, size_t count,
                                      const struct bnb_consumer_offset **offsets,
                                      struct bnb_error *error);

/* What a transaction that commits this group's offsets is to tell (bnb_producer_send_offsets), in
 * the memory: the member that it last was. To be asked for after the records were polled. */
BNB_EXPORT int bnb_consumer_group_metadata(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                           struct bnb_group_metadata *metadata,
                                           struct bnb_error *error);

/* ---- reading ---- */

/* Replaces the assignment. BNB_ERROR_INVALID while it is subscribed. */
BNB_EXPORT int bnb_consumer_assign(struct bnb_consumer *consumer,
                                   const struct bnb_assignment *partitions, size_t count);
/* offset may be BNB_OFFSET_BEGINNING or BNB_OFFSET_END. BNB_ERROR_NOT_FOUND: it is not assigned. */
BNB_EXPORT int bnb_consumer_seek(struct bnb_consumer *consumer, const char *topic,
                                 int32_t partition, int64_t offset);
/* Polls give out no records of the partitions until they are resumed; what has been fetched of them
 * stays, and so does their position. A partition that is assigned anew is not paused.
 * BNB_ERROR_NOT_FOUND, and nothing has changed: one is not assigned. */
BNB_EXPORT int bnb_consumer_pause(struct bnb_consumer *consumer,
                                  const struct bnb_topic_partition *partitions, size_t count);
BNB_EXPORT int bnb_consumer_resume(struct bnb_consumer *consumer,
                                   const struct bnb_topic_partition *partitions, size_t count);
/* Those that are paused, in the memory. */
BNB_EXPORT int bnb_consumer_paused(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                   const struct bnb_topic_partition **partitions, size_t *count);
/* At most max.poll.records records; waits up to timeout_ms for the first. Borrowed until the next
 * call on this consumer. No records and 0: nothing came in time, or bnb_consumer_wakeup. */
BNB_EXPORT int bnb_consumer_poll(struct bnb_consumer *consumer, int64_t timeout_ms,
                                 const struct bnb_consumer_record **records, size_t *count,
                                 struct bnb_error *error);
/* The offset of the next record that poll will give out, or -1 while it is not known. */
BNB_EXPORT int64_t bnb_consumer_position(struct bnb_consumer *consumer, const char *topic,
                                         int32_t partition);
/* The same, once it is known. 0, or an error; waits for timeout_ms at most. */
BNB_EXPORT int bnb_consumer_await_position(struct bnb_consumer *consumer, const char *topic,
                                           int32_t partition, int64_t timeout_ms, int64_t *offset,
                                           struct bnb_error *error);
/* How many offsets are between the position and the end that the last fetch told of (with
 * read_committed the last stable offset), or -1 while either is not known. */
BNB_EXPORT int64_t bnb_consumer_lag(struct bnb_consumer *consumer, const char *topic,
                                    int32_t partition);
/* The first offset as new as each timestamp, or the beginning (BNB_OFFSET_EARLIEST) or the end
 * (BNB_OFFSET_LATEST; with read_committed the last stable offset) of a partition, assigned or not,
 * in the memory and the order of the queries. Each partition once. */
BNB_EXPORT int bnb_consumer_list_offsets(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                         const struct bnb_offset_query *queries, int32_t count,
                                         const struct bnb_offset_answer **answers,
                                         struct bnb_error *error);
/* Ends a poll that waits. Thread: any. */
BNB_EXPORT void bnb_consumer_wakeup(struct bnb_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
