/* log_dir.h: one entry of log.dirs: lock, meta.properties, checkpoints, the partitions in it.
 *
 * Opening takes the lock for the life of the process. Thread: the owner's.
 * Errors: opening says why in one line. */
#ifndef BNB_LOG_LOG_DIR_H
#define BNB_LOG_LOG_DIR_H

#include <pthread.h>

#include "base/err.h"
#include "base/map.h"
#include "io/file.h"

struct log_dir_properties {
    struct string_view cluster_id; /* owned by the properties */
    int32_t node_id;
    struct uuid directory_id;
    int32_t version;
    char text[256]; /* behind the views */
};
/* ERR_NOT_FOUND: not formatted. */
int log_dir_read_properties(struct io_fs *fs, const char *path,
                            struct log_dir_properties *properties, struct err_message *message);
int log_dir_write_properties(struct io_fs *fs, const char *path,
                             const struct log_dir_properties *properties, int64_t now_ms);

/* A line of recovery-point-offset-checkpoint and its likes. */
struct log_checkpoint_entry {
    struct string_view topic; /* owned by the checkpoint */
    int32_t partition;
    int64_t offset;
};
struct log_checkpoint {
    struct log_checkpoint_entry *entries; /* sorted by topic, partition once read */
    size_t count;
    size_t capacity;
    char *text;
};
/* A file that is missing or unreadable as a checkpoint has no entries; ERR_CORRUPT is returned for
 * the latter all the same. */
int log_checkpoint_read(struct io_fs *fs, const char *path, struct log_checkpoint *checkpoint);
int64_t log_checkpoint_find(const struct log_checkpoint *checkpoint, struct string_view topic,
                            int32_t partition, int64_t otherwise);
/* topic stays the caller's until the write. */
int log_checkpoint_add(struct log_checkpoint *checkpoint, struct string_view topic,
                       int32_t partition, int64_t offset);
int log_checkpoint_write(struct io_fs *fs, const char *path,
                         const struct log_checkpoint *checkpoint);
void log_checkpoint_release(struct log_checkpoint *checkpoint);

/* The files of a log directory that say how far its partitions are. */
enum log_checkpoint_kind {
    LOG_CHECKPOINT_RECOVERY_POINT,
    LOG_CHECKPOINT_LOG_START_OFFSET,
    LOG_CHECKPOINT_HIGH_WATERMARK,
    LOG_CHECKPOINT_CLEANER,
    LOG_CHECKPOINT_KINDS,
};

const char *log_dir_checkpoint_name(enum log_checkpoint_kind kind);

struct log_dir {
    struct io_fs *fs;
    char *path;
    struct log_dir_properties properties;
    struct io_file lock;
    bool clean_shutdown;    /* the last owner closed it in order */
    bool page_cache_intact; /* the kernel has not restarted since they were recovered */
    bool offline; /* it failed, or could not be opened: nothing in it may be trusted or written */
    int64_t previous_broker_epoch; /* -1: not known */
    struct log_checkpoint checkpoints[LOG_CHECKPOINT_KINDS]; /* as they were at the start */

    /* Protected by forget_lock. */
    pthread_mutex_t forget_lock;
    struct map forgotten; /* partitions of which older entries are not to be believed */
    uint64_t forget_sequence;
    uint64_t settled[LOG_CHECKPOINT_KINDS]; /* the file has nothing that was forgotten up to here */
};
#define LOG_DIR_LOCK_FILE ".lock"
/* Against other processes, until the file is closed; a process that locks it twice loses both with
 * the first close. ERR_BUSY: another one has it. */
int log_dir_lock(struct io_fs *fs, const char *directory, struct io_file *lock,
                 struct err_message *message);
/* Locks, reads all of the above, removes the clean-shutdown marker. ERR_BUSY: another process has
 * it; ERR_NOT_FOUND: not formatted. */
int log_dir_open(struct io_fs *fs, const char *path, struct log_dir **dir,
                 struct err_message *message);
/* One that cannot be opened, kept for its path: offline from the start. */
int log_dir_open_offline(struct io_fs *fs, const char *path, struct log_dir **dir);
/* The disk below it failed: the next start takes nothing for granted, as after a loss of power,
 * since what the kernel has in memory may never have reached the disk. Thread: one at a time. */
void log_dir_fail(struct log_dir *dir);
/* Checkpoints name a partition by its topic's name, and a name may come again. So before a
 * partition's directory is made, what the files say of an earlier one goes: log_dir_forget when one
 * is deleted, log_dir_settle when one is made. Thread: any. */
int log_dir_forget(struct log_dir *dir, struct string_view topic, int32_t partition);
int log_dir_settle(struct log_dir *dir);
/* A checkpoint's offset of a partition whose directory was there at the start; 0: none. */
int64_t log_dir_checkpoint(const struct log_dir *dir, enum log_checkpoint_kind kind,
                           struct string_view topic, int32_t partition);
/* Before offsets are gathered for the files, and then to write one: what was forgotten in between
 * is left out. Thread: any; one gathering at a time. */
uint64_t log_dir_begin_checkpoint(struct log_dir *dir);
int log_dir_write_checkpoint(struct log_dir *dir, enum log_checkpoint_kind kind,
                             const struct log_checkpoint *checkpoint, uint64_t begun);

/* Every log in it has been recovered: until the kernel restarts, what write returned is there. A
 * process that dies before this leaves the next one to recover again. Not synced: a mark that is
 * missing only makes recovery slower. */
void log_dir_mark_recovered(struct log_dir *dir);
/* Writes the marker and lets go. */
int log_dir_close_clean(struct log_dir **dir, int64_t broker_epoch);
void log_dir_release(struct log_dir **dir);

/* Of file systems. */
#define LOG_DIR_NAME_BYTES_MAX 255

enum log_dir_kind {
    LOG_DIR_CURRENT,
    LOG_DIR_FUTURE,
    LOG_DIR_DELETED,
    LOG_DIR_STRAY,
};
/* Splits "topic-0", "topic-0.<32 hex>-delete"; ERR_INVALID for any other name. topic is borrowed
 * from name. */
int log_dir_parse_name(const char *name, struct string_view *topic, int32_t *partition,
                       enum log_dir_kind *kind);
/* partition.metadata of a partition directory. */
int log_dir_read_topic_id(struct io_fs *fs, const char *partition_directory, struct uuid *topic_id);
/* Whole before it has its name; the caller syncs the directory. */
int log_dir_write_topic_id(struct io_fs *fs, const char *partition_directory,
                           struct uuid topic_id);
/* Where there is none yet: it is whole on the disk only once it is synced. */
int log_dir_name_topic_id(struct io_fs *fs, const char *partition_directory, struct uuid topic_id);
int log_dir_sync_topic_id(struct io_fs *fs, const char *partition_directory);
/* Renames a partition directory to its -delete name; renamed gets the new path (mem_free). Not
 * synced: a name that comes back is found to be of no topic. */
int log_dir_rename_deleted(struct log_dir *dir, const char *partition_directory,
                           struct uuid random_id, char **renamed);
/* Removes a directory and the files in it. */
int log_dir_remove_tree(struct io_fs *fs, const char *path);

#endif
