/* coordinator_internal.h: the inside of the driver of coordinators, for its files. */
#ifndef BNB_BROKER_COORDINATOR_INTERNAL_H
#define BNB_BROKER_COORDINATOR_INTERNAL_H

#include "broker/coordinator_driver.h"
#include "broker/partition.h"

/* One partition of __consumer_offsets or __transaction_state. */
struct coordinator {
    struct broker_shard *shard;
    enum coordinator_kind kind;
    struct uuid topic_id;
    int32_t partition;
    struct group_coordinator *groups; /* one of the two */
    struct transaction_coordinator *transactions;
    struct runtime *runtime; /* of it */
    struct timer timer;      /* for the runtime's next one */
    struct list dirty_node;
    struct list leaving_node;
    struct partition_wait wait; /* for the high watermark */
    bool waiting;
    bool failed; /* its partition has gone offline */
    int64_t last_appended;
    struct group_counts told; /* to the metrics */
    struct transaction_counts transactions_told;
    /* Loading (coordinator_load.c): */
    struct loop_job job;
    bool job_running;
    bool short_of_memory; /* to load it: it goes at the end of this turn, and comes again */
    int64_t began_ms;
    int64_t next_offset;
    int64_t bound; /* the high watermark when it began */
    int64_t skipped; /* records that mean nothing */
    int32_t loads;
    struct log_load load;
    struct log_read_result read;
    uint8_t *buffer;
    size_t buffer_capacity;
    int64_t read_bytes; /* or an error */
};
struct coordinators {
    struct broker_shard *shard;
    struct coordinator_table {
        struct coordinator **items; /* by partition; NULL: not here */
        size_t capacity;
    } tables[COORDINATOR_KINDS];
    int32_t codec; /* of __consumer_offsets */
    struct cluster cluster;
    bool topics_changed; /* by the image that is about to come */
    bool topics_created;
    bool stopped;        /* none is made any more */
    struct list dirty;   /* to be seen to at the end of this turn */
    struct list leaving; /* given up while a job was under way */
    struct writer batch;
    struct writer packed;
};

struct runtime_time coordinator_now(const struct broker_shard *shard);
struct partition *coordinator_partition(const struct coordinator *coordinator);
void coordinator_mark(struct coordinator *coordinator);
struct coordinator *coordinator_at(const struct coordinators *coordinators,
                                   enum coordinator_kind kind, int32_t partition);
/* Appends what it has written so far. */
void coordinator_append_all(struct coordinator *coordinator);
/* Replies, notes and metrics. */
void coordinator_emit(struct coordinator *coordinator);
void coordinator_free(struct coordinator *coordinator);
/* What a coordinator of the shard knows of the cluster: always of the shard's newest image. */
void coordinator_cluster_init(struct cluster *cluster, const struct broker_shard *shard);
/* group.consumer.assignors, those that are known; how many. */
size_t coordinator_assignors(const struct config *config, struct arena *arena,
                             const struct assignor *assignors[GROUP_ASSIGNORS_MAX]);
/* Begins to load. */
void coordinator_load(struct coordinator *coordinator);

#endif
