/* quorum_internal.h: the inside of the quorum driver, for quorum*.c. */
#ifndef BNB_NODE_QUORUM_INTERNAL_H
#define BNB_NODE_QUORUM_INTERNAL_H

#include <pthread.h>

#include "base/arena.h"
#include "controller/controller.h"
#include "log/log.h"
#include "metadata/image_builder.h"
#include "node/quorum.h"
#include "raft/raft.h"

#define QUORUM_PATH_BYTES 1024
#define QUORUM_TEXT_BYTES 512

/* Control records of the metadata log (types of storage format 1.5). */
enum quorum_control {
    QUORUM_LEADER_CHANGE = 2,
    QUORUM_SNAPSHOT_HEADER = 3,
    QUORUM_SNAPSHOT_FOOTER = 4,
    QUORUM_KRAFT_VERSION = 5,
    QUORUM_KRAFT_VOTERS = 6,
};

/* A request whose records are not committed yet, or which waits behind such. */
struct quorum_pending {
    struct list node;
    struct quorum_request *request;
    struct arena arena;
    const void *response;
    int64_t offset; /* done when what is below it is committed and applied */
};
/* One trip to the disk: the quorum state if it changed, then the log. */
struct quorum_flush {
    struct loop_job job;
    struct quorum *quorum;
    struct log_flush flush;
    bool writes_state;
    bool short_of_memory; /* not even begun */
    int64_t appended_bytes; /* by then: those of the image that it commits */
    char state[QUORUM_TEXT_BYTES];
    int error;
};
/* A snapshot on its way to the disk. */
struct quorum_snapshot {
    struct loop_job job;
    struct quorum *quorum;
    struct image *image;
    int64_t now_ms;    /* when it began, and how long the log was */
    int64_t log_bytes;
    int64_t keep_from; /* end offset of the oldest snapshot that stays */
    int error;
};
struct quorum {
    struct quorum_options options;
    struct io_fs fs;
    char directory[QUORUM_PATH_BYTES]; /* __cluster_metadata-0 */
    struct log *log;
    struct raft raft;
    struct controller *controller;
    struct image *newest;    /* with everything appended */
    struct image *published; /* with everything committed; guarded by image_lock */
    struct image *committed_next; /* to be published with the commit of its offset */
    int64_t applied_end; /* what is below it all of the node sees; at most the high watermark */
    bool publishing;     /* answers leave when on_image has returned */
    pthread_mutex_t image_lock;
    struct list pending;
    struct quorum_flush flush;
    bool flush_running;
    bool flush_again;
    bool state_dirty;
    bool failed;
    bool closing; /* only what is under way is still brought to its end */
    uint64_t random;
    /* The voters as the log or a snapshot say, raw; NULL data: a static quorum. */
    struct bytes_view voters;
    struct bytes_view kraft_version;
    uint8_t *voters_bytes;
    uint8_t *kraft_version_bytes;
    bool footer_seen;           /* of the snapshot that is being read */
    bool voters_from_bootstrap; /* the 0-0 checkpoint: the log must hear of them */
    /* Bytes of the log from some point on: appended, of the image that is published, and of the one
     * that the newest snapshot is of. */
    int64_t appended_bytes;
    int64_t published_bytes;
    int64_t snapshot_bytes;
    int64_t snapshot_ms; /* monotonic: when the last one was begun, at first the start */
    bool snapshot_running;
};

/* quorum_files.c: what lies in the directory. */
int quorum_write_state(struct quorum *quorum, const char *text);
void quorum_state_text(const struct quorum *quorum, char text[QUORUM_TEXT_BYTES]);
int quorum_read_state(struct quorum *quorum, struct raft_durable *durable,
                      struct err_message *message);
/* Replays batches of a file or of the log: data records into builder, voters into quorum. */
int quorum_replay_batches(struct quorum *quorum, struct image_builder *builder,
                          const uint8_t *data, size_t size, size_t *used,
                          struct err_message *message);
/* Records of bootstrap.checkpoint: *bytes (mem_free) behind *records (mem_free). */
int quorum_read_bootstrap(struct quorum *quorum, uint8_t **bytes, struct bytes_view **records,
                          size_t *count, struct err_message *message);
/* Builds a control batch of one to three records. */
struct quorum_control_record {
    enum quorum_control type;
    struct bytes_view value;
};
int quorum_build_control(struct writer *writer, int64_t base_offset, int32_t leader_epoch,
                         int64_t now_ms, const struct quorum_control_record *records,
                         size_t count);

/* quorum_snapshot.c */
struct quorum_loaded {
    int64_t end_offset; /* of the snapshot that was replayed; 0: none */
    int32_t epoch;
    /* End offset of a newer one that is damaged, which the log must make up for; -1: none. */
    int64_t damaged_end_offset;
};
/* Finds the newest snapshot that is whole and replays it into a new *builder. */
int quorum_load_snapshot(struct quorum *quorum, struct image_builder **builder,
                         struct quorum_loaded *loaded, struct err_message *message);
/* Starts one of the published image when enough was appended. */
void quorum_maybe_snapshot(struct quorum *quorum);

/* quorum_commit.c: appends, syncs, commits. */
void quorum_carry_out(struct quorum *quorum, const struct raft_effects *effects);
/* Appends records with one write and replays them into the newest image; their end offset or an
 * error. After ERR_NOMEM nothing is changed; any other one has ended the quorum. */
int64_t quorum_append_records(struct quorum *quorum, const struct controller_records *records);
void quorum_start_flush(struct quorum *quorum);
/* Whether a request that waits for offset may be answered. A heartbeat does not wait for the
 * shards, one of which may be busy for longer than a session lasts. */
bool quorum_may_answer(const struct quorum *quorum, int16_t api_key, int64_t offset);
void quorum_fail(struct quorum *quorum, const char *why);
/* Answers all that wait with NOT_CONTROLLER. */
void quorum_give_up(struct quorum *quorum);
uint64_t quorum_random(struct quorum *quorum);

/* quorum_describe.c: DescribeQuorum, which raft answers itself. */
void quorum_describe(struct quorum *quorum, struct quorum_request *request);

#endif
