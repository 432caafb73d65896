/* leader_epoch.h: which leader epoch began at which offset: the file leader-epoch-checkpoint.
 *
 * Invariant: epochs and start offsets both rise strictly. Owned by its log.
 * The file may lag behind: it is written with the first sync after records came in an epoch, and
 * recovery learns from the batches what the file does not know. What was truncated away is written
 * at once. Thread: the log's owner. */
#ifndef BNB_LOG_LEADER_EPOCH_H
#define BNB_LOG_LEADER_EPOCH_H

#include "base/writer.h"
#include "log/index_file.h"

struct leader_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};
struct leader_epochs {
    struct leader_epoch_entry *entries; /* only_entry until there is a second one */
    struct leader_epoch_entry only_entry;
    size_t count;
    size_t capacity;
    bool unwritten;   /* the file says something else */
    bool behind;      /* and lacks more than the newest of them */
    uint32_t version; /* of the entries: whether they changed while they were being written */
};

void leader_epochs_init(struct leader_epochs *epochs);
void leader_epochs_assert_invariants(const struct leader_epochs *epochs);
void leader_epochs_release(struct leader_epochs *epochs);
/* Reads the checkpoint; one that is missing or unreadable leaves the list empty. */
int leader_epochs_load(struct leader_epochs *epochs, const struct log_place *place);
int leader_epochs_write(struct leader_epochs *epochs, const struct log_place *place);
/* The same in two parts: path (LOG_PATH_BYTES) and content, for a helper thread to write
 * atomically, and then the version that was written. */
int leader_epochs_print(const struct leader_epochs *epochs, const struct log_place *place,
                        char *path, struct writer *text);
void leader_epochs_written(struct leader_epochs *epochs, uint32_t version);
/* Whether the file lacks something that records below log_end_offset depend on. */
bool leader_epochs_due(const struct leader_epochs *epochs, int64_t log_end_offset);
/* Ignored when epoch is the newest and start_offset not before its start. 0, or an error. */
int leader_epochs_assign(struct leader_epochs *epochs, int32_t epoch, int64_t start_offset);
/* Drops epochs that start at or after offset. 1: changed. */
int leader_epochs_truncate_end(struct leader_epochs *epochs, int64_t offset);
/* Forgets what ended before offset; the epoch of offset starts there. 1: changed. */
int leader_epochs_truncate_start(struct leader_epochs *epochs, int64_t offset);
void leader_epochs_clear(struct leader_epochs *epochs);
int32_t leader_epochs_latest(const struct leader_epochs *epochs); /* -1: none */
/* Epoch of the record at offset, -1 unknown. */
int32_t leader_epochs_of_offset(const struct leader_epochs *epochs, int64_t offset);
/* endOffsetFor: found_epoch and end_offset, both -1 when unknown. */
void leader_epochs_end_offset(const struct leader_epochs *epochs, int32_t epoch,
                              int64_t log_end_offset, int32_t *found_epoch, int64_t *end_offset);

#endif
