/* model.h: what the clients know: topics, and which record was seen at which offset.
 *
 * Every value that is produced is unique: producer and counter. The model learns from
 * acknowledgements and from reads, and fails the run as soon as two of them cannot both be true:
 * a value at another offset than before, at two offsets, or that nobody sent; a hole; an
 * acknowledged record that is gone; a high watermark that went back. Of a compacted topic records
 * may be gone that have a later one of their key: who reads all of it comes to the same values. */
#ifndef BNB_SIM_MODEL_H
#define BNB_SIM_MODEL_H

#include "base/view.h"
#include "sim.h"

#define MODEL_TOPICS 5
/* The first of them are there from the beginning and stay. */
#define MODEL_TOPICS_PERMANENT 2
#define MODEL_PARTITIONS 2
#define MODEL_PRODUCERS 4
/* Of the records of a compacted topic. */
#define MODEL_KEYS 6

enum model_topic_state {
    TOPIC_ABSENT,
    TOPIC_UNSURE, /* something was asked and not answered */
    TOPIC_EXISTS,
};
struct model_slot {
    uint64_t value; /* 0: not known */
    bool acknowledged;
    bool seen; /* by the audit that is under way */
};
struct model_partition {
    struct model_slot *slots; /* by offset */
    size_t count;             /* of slots, below which every one may be known */
    size_t capacity;
    int64_t high_watermark;  /* the largest that was seen in this life of the node */
    int64_t start_asked;     /* the largest offset that DeleteRecords was asked for */
    int64_t start_confirmed; /* low watermark that it answered in this life */
    bool may_lose; /* what was not synced: the power went since the last audit, or a sync failed */
    bool may_have_holes; /* the same, of a compacted topic, whose gaps tell nothing */
};
struct model_topic {
    char name[16];
    struct uuid id; /* of the last incarnation known to exist */
    enum model_topic_state state;
    bool may_exist;  /* while UNSURE: a creation was asked */
    bool may_vanish; /* while UNSURE: a deletion was asked */
    bool durable;    /* flush.messages=1 */
    bool compacted;
    int32_t generation; /* of incarnations: who holds an older one forgets it */
    struct model_partition partitions[MODEL_PARTITIONS];
};
struct model_record {
    int8_t topic;
    int8_t partition;
    int32_t generation;
    int64_t offset; /* -1: not known */
};
struct model_producer {
    struct model_record *records; /* by counter */
    size_t count;
    size_t capacity;
    bool idempotent;
};
struct model {
    struct sim *sim;
    struct model_topic topics[MODEL_TOPICS];
    struct model_producer producers[MODEL_PRODUCERS];
};

void model_init(struct model *model, struct sim *sim);
void model_release(struct model *model);
struct model_topic *model_topic_of_id(struct model *model, struct uuid id);

/* A new value of a producer, about to be sent. */
uint64_t model_send(struct model *model, int32_t producer, int32_t topic, int32_t partition);
/* The node says that value is at offset. */
void model_acknowledge(struct model *model, int32_t topic, int32_t partition, int64_t offset,
                       uint64_t value);
/* value was read at offset. */
void model_read(struct model *model, int32_t topic, int32_t partition, int64_t offset,
                uint64_t value);
void model_see_high_watermark(struct model *model, int32_t topic, int32_t partition,
                              int64_t high_watermark);
/* After a start: the log begins and ends here. */
void model_audit(struct model *model, int32_t topic, int32_t partition, int64_t start_offset,
                 int64_t end_offset);
/* All of it was read: of a compacted topic, what a reader came to is what was written. */
void model_audited(struct model *model, int32_t topic, int32_t partition, int64_t start_offset,
                   int64_t end_offset);
/* What a record of a compacted topic is: its key, and whether it has no value. */
int32_t model_key(uint64_t value);
bool model_is_tombstone(uint64_t value);
/* A topic exists with this id: a new incarnation unless the id is known. */
void model_topic_exists(struct model *model, int32_t topic, struct uuid id);
void model_topic_absent(struct model *model, int32_t topic);
/* What was not synced may be gone; so it is until the next audit of each partition. */
void model_lose(struct model *model);
/* The node starts again. */
void model_new_life(struct model *model);

#endif
