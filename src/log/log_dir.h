/* log_dir.h: one entry of log.dirs: lock, meta.properties, checkpoints, the partitions in it.
 *
 * Opening takes the lock for the life of the process. Thread: the owner's.
 * Errors: opening says why in one line. */
#ifndef BNB_LOG_LOG_DIR_H
#define BNB_LOG_LOG_DIR_H

#include "base/err.h"
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

struct log_dir {
    struct io_fs *fs;
    char *path;
    struct log_dir_properties properties;
    struct io_file lock;
    bool clean_shutdown;    /* the last owner closed it in order */
    bool page_cache_intact; /* the kernel has not restarted since they were recovered */
    bool offline;
    int64_t previous_broker_epoch; /* -1: not known */
    struct log_checkpoint recovery_points;
    struct log_checkpoint log_start_offsets;
    struct log_checkpoint high_watermarks;
};
/* Locks, reads all of the above, removes the clean-shutdown marker. ERR_BUSY: another process has
 * it; ERR_NOT_FOUND: not formatted. */
int log_dir_open(struct io_fs *fs, const char *path, struct log_dir **dir,
                 struct err_message *message);
/* Every log in it has been recovered: until the kernel restarts, what write returned is there. A
 * process that dies before this leaves the next one to recover again. Not synced: a mark that is
 * missing only makes recovery slower. */
void log_dir_mark_recovered(struct log_dir *dir);
/* Writes the marker and lets go. */
int log_dir_close_clean(struct log_dir **dir, int64_t broker_epoch);
void log_dir_release(struct log_dir **dir);

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
int log_dir_write_topic_id(struct io_fs *fs, const char *partition_directory,
                           struct uuid topic_id);
/* Renames a partition directory to its -delete name and syncs the log directory; renamed gets the
 * new path (mem_free). */
int log_dir_rename_deleted(struct log_dir *dir, const char *partition_directory,
                           struct uuid random_id, char **renamed);
/* Removes a directory and the files in it. */
int log_dir_remove_tree(struct io_fs *fs, const char *path);

#endif
