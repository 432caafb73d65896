/* leader_epoch.h: which leader epoch began at which offset: the file leader-epoch-checkpoint.
 *
 * Invariant: epochs and start offsets both rise strictly. Owned by its log. Every change that
 * matters for truncation is written and synced at once. Thread: the log's owner. */
#ifndef BNB_LOG_LEADER_EPOCH_H
#define BNB_LOG_LEADER_EPOCH_H

#include "log/index_file.h"

struct leader_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};
struct leader_epochs {
    const struct log_place *place;
    struct leader_epoch_entry *entries;
    size_t count;
    size_t capacity;
    /* Recovery cut entries off that are still in the file: harmless until the log grows, since the
     * next recovery cuts them off again. The next assign, before any append, says to write. */
    bool unwritten;
};

void leader_epochs_init(struct leader_epochs *epochs, const struct log_place *place);
void leader_epochs_release(struct leader_epochs *epochs);
/* Reads the checkpoint; one that is missing or unreadable leaves the list empty. */
int leader_epochs_load(struct leader_epochs *epochs);
int leader_epochs_write(struct leader_epochs *epochs);
/* Ignored when epoch is the newest and start_offset not before its start. 1: to be written. */
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
