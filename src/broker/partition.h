/* partition.h: a replica on this broker: its log, its high watermark, and who waits for either.
 *
 * Owned by its shard. Every function is called on the owner's thread.
 * A fetch that has too little to give leaves a watch in each of its partitions and is told how many
 * bytes became readable; a produce that must not be answered yet leaves a wait.
 * Errors: a failed write or sync takes the log directory offline; requests then get
 * KAFKA_STORAGE_ERROR. */
#ifndef BNB_BROKER_PARTITION_H
#define BNB_BROKER_PARTITION_H

#include "broker/broker.h"
#include "log/log.h"

struct partition_key {
    struct uuid topic_id;
    int32_t partition;
};

/* A node has many that nobody uses: what is small stands together. */
struct partition {
    struct partition_key key;
    int32_t leader;
    int32_t leader_epoch;
    int32_t isr_count;
    int32_t min_insync_replicas;
    uint16_t topic_size;
    bool led_elsewhere; /* or by nobody: its directory was missing from the start */
    bool lies_elsewhere; /* in a directory that log.dirs does not name any more */
    bool flush_running;
    bool flush_again;
    atomic_bool left; /* its directory gets another name: for helper threads */
    bool doomed; /* deleted while a flush was running, or a cleaning */
    bool uncleanable; /* until the next start */
    bool dir_chosen;
    bool dir_told; /* noted for the controller, and not answered yet */
    bool was_there;  /* found at the start */
    bool open_again; /* there was no memory to open it, or it was not tried yet */
    struct broker_shard *shard;
    struct broker_dir *dir;
    struct log *log; /* NULL: offline */
    int64_t high_watermark;
    struct list watches;
    struct list waits; /* by required offset */
    struct list flush_node; /* in the due list of its shard and directory */
    int64_t flushed_ms;     /* since the epoch */
    struct list open_node;  /* in its shard's list of those with open files */
    int64_t touched_ms;     /* monotonic */
    struct list compacted_node; /* in its shard's list of those whose policy says compact */
    int64_t cleaned_offset;     /* no key is twice below; 0: not known */
    struct partition_move *move;   /* to another log directory; NULL: it does not */
    struct cleaner_slot *cleaning; /* NULL: none is under way */
    char *renamed; /* where a deleted partition's files are now */
    char topic[];  /* NUL-terminated */
};

/* Bytes became readable, or (bytes < 0) something changed that an answer must say at once. */
struct partition_watch {
    struct list node;
    void (*fire)(struct partition_watch *watch, int64_t bytes);
};
/* Done once the high watermark is above required_offset, or with an error. */
struct partition_wait {
    struct list node;
    int64_t required_offset; /* the last that must be below the high watermark */
    void (*done)(struct partition_wait *wait, int16_t error);
};

void partition_table_init(struct map *table, uint64_t seed);
struct partition *partition_find(const struct broker_shard *shard, struct uuid topic_id,
                                 int32_t partition);
/* What partitions need to know of their topic's settings; read once for all of them. */
struct partition_settings {
    const struct log_config *log; /* the shard's; until the next are read */
    int32_t min_insync_replicas;
};
/* 0 or ERR_NOMEM. */
int partition_settings_read(struct broker_shard *shard, const struct image *image,
                            struct string_view topic, struct partition_settings *out);
/* Opens or makes the replica that the image assigns to this broker, and follows its changes. 0, or
 * ERR_NOMEM: to be called again; until then the replica is not there, or not led. */
int partition_apply(struct broker_shard *shard, const struct partition_settings *settings,
                    const struct image_topic *topic, int32_t index);
/* Takes the replica away: waiters get UNKNOWN_TOPIC_OR_PARTITION, the directory a -delete name. */
void partition_delete(struct partition *partition);
/* At shutdown. */
void partition_close(struct partition *partition);
/* At shutdown: files of deleted partitions are left to the next start. */
void partition_forget_removals(struct broker_shard *shard);

/* 0, or the wire error that a request to this partition gets now. */
int16_t partition_check_leader(const struct partition *partition, int32_t current_leader_epoch);
struct partition_append {
    uint8_t *data;
    size_t size;
    int16_t api_version; /* of Produce */
    bool acks_all;
    bool verify; /* a transaction must be open, or guard hold (log_append_options) */
    uint64_t guard;
};
/* Appends a client's batch: 0 or an error as log_append gives them. *wait_needed: the answer must
 * wait until the high watermark is above result->last_offset. */
int partition_append(struct partition *partition, const struct partition_append *append,
                     struct log_append_result *result, bool *wait_needed);
/* Appends a batch of a coordinator of ours, as with acks=all: 0 or a wire error.
 * transaction_version: for a marker, else 0. *wait_needed: it is not committed before the high
 * watermark is above *last_offset. */
int16_t partition_append_own(struct partition *partition, uint8_t *data, size_t size,
                             int16_t transaction_version, int64_t *last_offset,
                             bool *wait_needed);
void partition_add_wait(struct partition *partition, struct partition_wait *wait);
/* An error of the log: takes the directory offline when the disk is to blame; the wire error. */
int16_t partition_fault(struct partition *partition, int error);
/* Retention, idle files, producers that expired. */
void partition_housekeep(struct partition *partition, int64_t now_ms);
void partition_expire_producers(struct partition *partition, int64_t now_ms);
void partition_files_init(struct broker_shard *shard, int32_t shard_count);
/* Its files are used in this turn: they stay open for a while. */
void partition_touch(struct partition *partition);
void partition_forget_files(struct partition *partition);
/* Sees to a sync of what is in the log now; what waits for it is told by the high watermark. */
void partition_want_flush(struct partition *partition);
/* flush.ms */
void partition_flush_if_old(struct partition *partition, int64_t now_ms);
/* At the end of a turn in which partitions may have been made: what they are found again by is
 * synced. */
void partition_new_sync(struct broker_shard *shard);
/* A partition that goes need not be synced any more. */
void partition_forget_flush(struct partition *partition);
/* Starts a sync of all that is due, one job a log directory, unless one is under way there. */
void partition_run_flushes(struct broker_shard *shard);
int partition_flushes_init(struct broker_flushes *flushes);
void partition_flushes_release(struct broker_flushes *flushes);

#endif
