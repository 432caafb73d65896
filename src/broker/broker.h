/* broker.h: the broker of a node: its shards, their connections and partitions, the image they see.
 *
 * A shard is one loop with the connections it was given and the partitions it owns; partitions are
 * spread over shards by topic id and number. Shard 0 also talks to the controller and looks after
 * the log directories. A request is handled on the shard of its connection; what it wants of
 * partitions is done where they live (fanout.h).
 * Thread: shard 0, but for what says otherwise.
 * Errors: creation says why; a bad log directory takes its partitions offline, not the node. */
#ifndef BNB_BROKER_BROKER_H
#define BNB_BROKER_BROKER_H

#include <stdatomic.h>

#include "base/limits.h"
#include "base/budget.h"
#include "base/map.h"
#include "base/pool.h"
#include "broker/config.h"
#include "broker/move_throttle.h"
#include "broker/preferred_dirs.h"
#include "io/loop.h"
#include "log/log_dir.h"
#include "metadata/image.h"
#include "metrics/registry.h"
#include "net/server.h"

/* A request of the broker, or of a client through it, to the controller. Lives until done. */
struct broker_submission {
    int16_t api_key;
    int16_t api_version;
    const void *request;
    int64_t deadline_ms; /* of shard 0's monotonic clock */
    /* On shard 0; response is valid during the call. */
    void (*done)(struct broker_submission *submission, int16_t error, const void *response);
    void *carrier; /* of the node */
};

struct broker;
struct broker_options {
    const struct config *config;
    struct io_fs *fs;
    struct string_view cluster_id;
    int32_t node_id;
    struct loop *const *loops; /* one a shard */
    int32_t shard_count;
    struct log_dir *const *dirs;
    int32_t dir_count;
    const char *metadata_directory; /* the one that the node cannot be without; NULL: none */
    uint64_t random_seed;
    struct net_memory *memory; /* what clients may make us hold; outlives the broker */
    struct metrics_registry *metrics; /* with a block a shard; outlives the broker */
    /* On shard 0. */
    void (*submit)(void *context, struct broker_submission *submission);
    /* Any thread. */
    int32_t (*controller_id)(void *context);
    int16_t (*kraft_version)(void *context);
    /* On shard 0, after every shard has applied an image, which is borrowed; a newer one may be on
     * its way already (broker_is_applying), and one that was overtaken is not told of. */
    void (*on_applied)(void *context, const struct image *image);
    /* On shard 0: a connection has gone, or may come sooner; listeners may ask again. */
    void (*on_room)(void *context);
    /* On shard 0: the log directory of that index has failed, and there are others; may be NULL. */
    void (*on_dir_failed)(void *context, int32_t dir);
    /* Any thread: no log directory is left. */
    void (*on_fatal)(void *context, const char *why);
    void *context;
};
int broker_create(const struct broker_options *options, struct broker **broker,
                  struct err_message *message);
/* None of the loops running any more: requests in processing are carried on with, none is taken. */
void broker_stop(struct broker *broker);
/* Before the loops are gone, none of them running. Syncs and closes every log, writes checkpoints
 * and, when clean is set, the clean-shutdown markers. */
void broker_destroy(struct broker **broker, bool clean);

/* The image after a commit: brought to every shard (images.c), then on_applied is called. */
void broker_apply_image(struct broker *broker, const struct image *image);
bool broker_is_applying(const struct broker *broker);
void broker_set_epoch(struct broker *broker, int64_t broker_epoch);
/* After the first image, while none is being applied: sets directories aside that no topic of the
 * cluster claims, and forgets what was there at the start: a topic that is made later has a
 * directory of its own. */
void broker_set_strays_aside(struct broker *broker);
/* What the listener of that index in the config has to wait before it accepts (net_listener). */
int64_t broker_accept_wait_ms(struct broker *broker, int32_t listener);
/* A client's connection: to one of the shards in turn, or away when its address has too many. */
void broker_adopt(struct broker *broker, int descriptor, int32_t listener);

/* A directory of log.dirs, shared by all shards. */
struct broker_dir {
    struct log_dir *dir;
    struct broker *broker;
    struct loop_mail failed; /* to shard 0, once */
    bool missing; /* at the start already */
    atomic_int partition_count;
    atomic_bool offline;
    atomic_bool cordoned; /* gets no new partitions (cordon.h) */
};
/* A partition directory that was there at the start. */
struct broker_found {
    char *name; /* topic-partition */
    struct broker_dir *dir;
    atomic_bool claimed;
};

/* A partition that was on its way to a directory. */
struct broker_moving {
    char *name; /* topic-partition */
    struct broker_dir *to;
    struct uuid topic_id; /* zero: not known */
};

/* Partitions of a shard in one log directory that are to be synced. */
struct broker_flushes {
    struct list due;
    size_t due_count;
    bool running;
    struct flush_round *spare; /* of one part, for when there is no memory */
};

struct broker_made;
struct assignment;
struct cleaner;
struct fetch_sessions;
struct coordinators;
struct broker_shard {
    struct broker *broker;
    int32_t index;
    struct loop *loop;
    struct net_server *server;
    struct metrics_shard *metrics; /* of this shard; NULL in tests that count nothing */
    struct image *image; /* of this turn; NULL before the first */
    bool settled;        /* an image was once taken on whole */
    bool dropping;       /* topics of a newer image are gone already */
    struct timer apply_again; /* there was no memory for a part of image */
    struct list requests; /* in processing */
    struct pool request_pool;
    struct list removals; /* of deleted partitions' files, that are still to come */
    struct map partitions;
    struct fetch_sessions *sessions;
    struct coordinators *coordinators;
    struct list marker_works; /* of transactions that were decided (transaction_markers.h) */
    struct writer scratch; /* for unpacking records */
    struct broker_flushes flushes[BROKER_DIRS_MAX];
    uint64_t unsynced_dirs; /* bits of those in which partitions were made in this turn, */
    struct broker_made *made[BROKER_DIRS_MAX]; /* and which; NULL: none */
    const struct log_config *log_config; /* of the topic applied last; most have the same */
    struct assignment *assignment; /* noted in this turn (assignment.h); NULL: nothing */
    struct list assignments_resting; /* failed, to be told again */
    struct list compacted; /* partitions whose policy says compact */
    struct list open; /* partitions with open files, the one used last at the end */
    size_t open_count;
    size_t open_max;
    struct timer files_timer;
    struct list woken;     /* fetches to be answered at the end of this turn */
    struct loop_hook hook;
    struct loop_mail nudge; /* makes another turn happen */
    bool nudged;
    atomic_uint checkpoints_due; /* bits of enum log_checkpoint_kind: what changed since the last */
    struct timer housekeeping;
    struct timer flush_timer; /* for flush.ms */
    struct timer expiry_timer; /* for producers that have been silent for long */
    struct loop_mail relief; /* memory is short */
    atomic_bool relieving;   /* it is under way */
    uint64_t random;
    /* Producer ids of this shard: [next, end). */
    int64_t producer_id_next;
    int64_t producer_id_end;
    struct list producer_id_waiters;
    bool producer_id_asked;
};
struct broker {
    struct broker_options options;
    struct broker_shard shards[BROKER_SHARDS_MAX];
    struct broker_dir dirs[BROKER_DIRS_MAX];
    struct preferred_dirs preferred_dirs;
    struct list assignments; /* of shard 0: for when the broker is registered (assignment.h) */
    struct list assignments_sent; /* of shard 0: not answered yet */
    struct move_throttle move_throttle; /* of moves between dirs */
    struct broker_found *found; /* sorted by name */
    size_t found_count;
    struct broker_moving *moving; /* moves that were under way at the end of the last process */
    size_t moving_count;
    int32_t next_shard; /* for the next connection */
    bool unstable_apis; /* unstable.api.versions.enable */
    struct broker_connections *connections;
    bool stopped; /* the loops have ended */
    _Atomic int64_t epoch;
    struct budget fetch_session_slots; /* of all shards */
    struct image_round *image_round_memory; /* there is one at a time */
    struct image_round *image_round; /* NULL: every shard has the newest image */
    struct image *image_next;        /* came meanwhile; NULL: none */
    struct checkpoint_timer {
        struct timer timer;
        struct broker *broker;
    } checkpoint_timers[LOG_CHECKPOINT_KINDS];
    struct cleaner *cleaner; /* NULL: log.cleaner.enable is false */
    struct checkpoint_round *checkpoint_round;
    unsigned checkpoints_missed; /* their time came during a round */
};

/* The disk below a log directory failed: its partitions are offline until the next start, the other
 * directories serve on. Ends the node when none is left, or when it holds the metadata log.
 * Thread: the shard's. */
void broker_dir_fail(struct broker_shard *shard, struct broker_dir *dir, int error);
/* Renames the directory of a partition that no topic of the cluster claims. Thread: any. */
int broker_set_aside(struct broker *broker, const struct broker_found *found);
/* Where a partition was moving to when the last process ended; NULL: nowhere. Thread: any. */
struct broker_dir *broker_find_move(const struct broker *broker, const char *name,
                                    struct uuid topic_id);
/* Which shard owns a partition. Thread: any. */
struct broker_shard *broker_shard_of(struct broker *broker, struct uuid topic_id,
                                     int32_t partition);
uint64_t broker_shard_random(struct broker_shard *shard);
/* Makes sure that the hook of this shard runs soon. */
void broker_shard_nudge(struct broker_shard *shard);

#endif
