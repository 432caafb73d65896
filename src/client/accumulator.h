/* accumulator.h: records on their way: per partition a queue of batches, oldest first.
 *
 * A batch is open (takes records), closed, in flight, or waits to be sent again. It keeps its place
 * in the queue until it is done, so the queue is in order of sequence numbers.
 * Invariant 1: only the last batch of a queue is open.
 * Invariant 2: a batch keeps its producer id and sequence number through retries, until it is known
 * that no log has it.
 * Thread: any, under the producer's lock; a batch that is not open belongs to the network thread.
 * Bounds: buffer.memory. Errors: ERR_FULL, ERR_NOMEM. */
#ifndef BNB_CLIENT_ACCUMULATOR_H
#define BNB_CLIENT_ACCUMULATOR_H

#include <barnabas/producer.h>

#include "client/config.h"
#include "client/partitioner.h"
#include "base/list.h"
#include "protocol/record/batch.h"

struct accumulator_topic;

enum pending_state {
    PENDING_OPEN,
    PENDING_CLOSED,
    PENDING_IN_FLIGHT,
    PENDING_RETRY,
};
/* Of a partition, in the transaction that is open. */
enum partition_enrolment {
    PARTITION_OUT,
    PARTITION_WANTED, /* has records, and is to be added */
    PARTITION_ADDING, /* the coordinator has been asked */
    PARTITION_IN,
};
struct delivery_slot {
    bnb_delivery_callback *callback;
    void *context;
    int64_t timestamp_ms;
};
struct pending_batch {
    struct list node;     /* of the partition */
    struct list all_node; /* of the accumulator, in order of creation */
    struct accumulator_partition *partition;
    enum pending_state state;
    uint64_t number; /* of creation */
    struct writer plain;
    struct batch_builder builder;
    struct writer packed; /* compressed; empty without a codec */
    struct delivery_slot *slots;
    size_t slot_capacity;
    size_t charged_bytes; /* to buffer.memory */
    int64_t created_ms;
    int64_t retry_at_ms;
    int32_t attempts;
    int64_t producer_id; /* -1: no sequence yet */
    bool sealed;         /* the bytes to send are ready */
};
struct accumulator_partition {
    struct accumulator_topic *topic;
    int32_t index;
    int32_t leader; /* -1: none known */
    struct list batches;
    int64_t producer_id;   /* that the next two are of; -1: none */
    int32_t next_sequence;
    bool acknowledged; /* the broker has seen this producer id in this partition */
    enum partition_enrolment enrolment; /* of a producer with a transactional.id */
};
struct accumulator_topic {
    char *name;
    struct uuid id;
    int16_t error_code; /* of the last metadata */
    int32_t partition_count; /* 0: not known yet */
    struct accumulator_partition **partitions;
    struct partitioner_sticky sticky;
    int32_t *available; /* partitions with a leader */
    int32_t available_count;
};
struct accumulator {
    const struct client_config *config;
    struct accumulator_topic **topics;
    size_t topic_count;
    size_t topic_capacity;
    struct list all; /* batches that are not done, oldest first */
    struct list spares; /* done; the next ones take their memory, which is warm */
    size_t spare_count;
    uint64_t next_number;
    size_t used_bytes;
    double ratio; /* compressed to plain, as seen lately */
};

void accumulator_init(struct accumulator *accumulator, const struct client_config *config);
/* Every batch must be gone. */
void accumulator_release(struct accumulator *accumulator);
/* The topic of that name, added when it is new; NULL: out of memory. */
struct accumulator_topic *accumulator_topic(struct accumulator *accumulator, const char *name);
/* Grows a topic to partition_count partitions; 0 or ERR_NOMEM. */
int accumulator_topic_grow(struct accumulator_topic *topic, int32_t partition_count);
/* Renews the list of partitions with a leader after leaders changed. */
void accumulator_topic_leaders(struct accumulator_topic *topic);
/* The partition for a record; the topic's partition count is known. */
struct accumulator_partition *accumulator_choose(struct accumulator *accumulator,
                                                 struct accumulator_topic *topic,
                                                 const struct bnb_producer_record *record);

enum accumulator_news {
    BATCH_BEGUN = 1,
    BATCH_FULL = 2,
};
struct accumulator_append {
    struct record record; /* its offset is the batch's to give */
    size_t bound_bytes;   /* of accumulator_record_bound */
    bnb_delivery_callback *callback;
    void *context;
    bool keyless;  /* the sticky partition's state follows */
    unsigned news; /* out: of enum accumulator_news */
};
/* 0; ERR_FULL when buffer.memory is used up; ERR_NOMEM. */
int accumulator_append(struct accumulator *accumulator, struct accumulator_partition *partition,
                       struct accumulator_append *append);
/* No more records for this batch. */
void pending_batch_close(struct pending_batch *batch);
/* Fills the header in, compresses, makes the bytes to send ready. 0 or an error. */
int pending_batch_seal(struct accumulator *accumulator, struct pending_batch *batch);
struct bytes_view pending_batch_bytes(const struct pending_batch *batch);
/* Cuts a batch of several records in two that take its place in the queue, for a broker that finds
 * it too large. Sequence numbers stay. 0, with both waiting to be sent again at once; else the
 * batch is as it was. */
int pending_batch_split(struct accumulator *accumulator, struct pending_batch *batch);
/* Takes a batch off its partition's queue; it stays among all. */
void pending_batch_unlink(struct pending_batch *batch);
/* Gives its memory back. */
void pending_batch_free(struct accumulator *accumulator, struct pending_batch *batch);
/* An upper bound of what a record needs in a batch. */
size_t accumulator_record_bound(const struct bnb_producer_record *record);

#endif
