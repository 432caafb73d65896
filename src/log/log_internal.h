/* log_internal.h: the inside of a log, for the files of this folder that work on one. */
#ifndef BNB_LOG_LOG_INTERNAL_H
#define BNB_LOG_LOG_INTERNAL_H

#include "base/limits.h"
#include "log/leader_epoch.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/segment.h"

/* Bytes that are so new, and no more than so many, are taken to be in the page cache unseen. */
#define LOG_HOT_MS 5000

/* What was written last, so that who reads it at once finds it without a look at the disk. */
struct log_recent {
    struct log_recent_batch {
        int64_t base_offset;
        int64_t last_offset;
        int64_t position; /* in the active segment */
    } batches[LOG_RECENT_MAX];
    uint32_t next;
    /* What was written to the active segment within the last LOG_HOT_MS to twice that lies at or
     * above hot_position[0]; hot_position[1] and hot_ms are where and when this period began. */
    int64_t hot_position[2];
    int64_t hot_ms;
};

/* Invariants: segments are sorted by base offset, there is at least one, the last is the active
 * one; first base <= log_start_offset <= log_end_offset; recovery_point <= log_end_offset. */
struct log {
    struct log_place place;
    const struct log_config *config; /* shared */
    struct segment **segments; /* only_segment until there is a second one */
    struct segment *only_segment;
    size_t segment_count;
    size_t segment_capacity;
    int64_t log_start_offset;
    int64_t log_end_offset;
    int64_t recovery_point;
    uint32_t truncations; /* so many times something else may have come in the place of records */
    int64_t size_bytes;
    int64_t bytes_since_snapshot; /* appended; of this process */
    struct leader_epochs epochs;
    struct producer_state producers;
    struct log_recent *recent; /* NULL until something is written */
    struct log_miss miss; /* of the last read that would have waited */
    uint64_t random;
    int64_t now_ms; /* of the last call that brought a time */
    bool directory_dirty; /* a file was made that a sync of the directory must keep */
    uint32_t cuts; /* flushes under way that cut files of segments which are not active */
    uint32_t deleted_count; /* .deleted files that are still to be removed, at least */
    struct log_clean *clean; /* under way; NULL: none */
    int64_t cleaned_below;   /* no cleaning has left gaps above; in LOG_CLEANED_FILE */
};

/* Of a partition that was ever cleaned: the offset below which gaps are no damage, as a line. */
#define LOG_CLEANED_FILE ".barnabas_cleaned"

static inline struct segment *log_active(const struct log *log)
{
    return log->segments[log->segment_count - 1];
}
/* Index of the segment with the greatest base offset at or below offset; 0 when there is none. */
size_t log_segment_index(const struct log *log, int64_t offset);
/* The first segment with something that a sync up to recovery_point may have left out: that of the
 * last record before it, since a segment that was active then had its indexes still in memory. */
size_t log_first_unsynced(const struct log *log, int64_t recovery_point);
/* First offset behind a segment. */
int64_t log_segment_end(const struct log *log, size_t index);
int log_add_segment(struct log *log, int64_t base_offset, struct segment **added);
/* Takes the segments [from, from + count) out of the list. */
void log_drop_segments(struct log *log, size_t from, size_t count);
/* Starts a new segment at the log end offset. */
int log_roll(struct log *log);
/* Accounts for a batch that lies in the active segment at position: indexes, epochs, producers. */
int log_account(struct log *log, struct segment *segment, const struct batch *batch,
                const uint8_t *data, int64_t position);
/* The part of it that concerns producers: 1 with what the transaction index should say when the
 * batch ended a transaction by aborting it, 0, or an error. data is the whole batch, needed for
 * control batches only. */
int log_account_producer(struct log *log, const struct batch *header, const uint8_t *data,
                         struct segment_aborted *aborted);
/* Brings what is on disk into a fresh struct log. */
int log_recover(struct log *log, const struct log_options *options, struct err_message *message);
/* Producer state as of the log end offset: the newest snapshot and the batches since. */
int log_rebuild_producers(struct log *log);
void log_forget_recent(struct log *log);
/* All that there are: also of offsets that the log does not have any more. */
int log_remove_snapshots(struct log *log);
/* Of the producers, as of the log end offset. The one before is removed where no segment begins. */
int log_write_snapshot(struct log *log, bool sync);
/* Of a producer snapshot that need not be there. */
int log_remove_snapshot(struct log *log, int64_t offset);
void log_assert_invariants(const struct log *log);

/* ---- flush.c ---- */

/* What a start finds so that it need not read the log: full indexes, and the producers. sync: of
 * the snapshot. */
int log_seal(struct log *log, bool sync);

#endif
