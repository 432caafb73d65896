/* clean_filter.h: what is left of one batch when its log is cleaned.
 *
 * Pure: bytes of a batch in, bytes out. Told of every batch in order of offsets.
 *   - a record stays unless a later one has its key, or it is a tombstone past its horizon;
 *   - records of aborted transactions go; a marker goes once nothing of its transaction is left
 *     and its horizon has passed;
 *   - a horizon is given to a batch when a tombstone, or a marker without data, is first met: the
 *     flag BATCH_DELETE_HORIZON is set and base_timestamp_ms is the time from which they may go;
 *   - base offset, last offset, leader epoch, producer and sequences of a batch never change, and
 *     a batch that says where its producer is stays even without records, and so does the last
 *     one of the round.
 * Owned by one cleaning. Thread: one at a time.   Bounds: SCRATCH_BYTES_MAX of unpacked records.
 * Errors: ERR_CORRUPT, ERR_UNSUPPORTED (format 0 or 1), ERR_RANGE, ERR_NOMEM: nothing of the batch
 * may be given up. */
#ifndef BNB_LOG_CLEAN_FILTER_H
#define BNB_LOG_CLEAN_FILTER_H

#include "log/clean_map.h"
#include "log/clean_txn.h"

/* A producer that the log knows: the last thing it wrote must not be forgotten. */
struct clean_producer {
    int64_t producer_id;
    int64_t last_data_offset; /* -1: only markers are known */
    int16_t producer_epoch;
};
struct clean_rules {
    const struct clean_map *map;
    const struct clean_producer *producers; /* sorted by id */
    size_t producer_count;
    int64_t now_ms;
    int64_t delete_retention_ms;
    int64_t round_end_offset; /* no batch of the round reaches beyond */
};
struct clean_filter {
    struct clean_rules rules;
    struct clean_txn txn;
    struct writer plain;  /* unpacked records of a batch */
    struct writer packed; /* those that stay, before they are compressed */
    uint8_t *keeps;       /* a byte a record */
    size_t keeps_capacity;
    int64_t records_read;
    int64_t records_kept;
    int64_t records_without_key; /* that were given up */
};
void clean_filter_init(struct clean_filter *filter, const struct clean_rules *rules,
                       const struct clean_aborted *aborted, uint64_t seed);
void clean_filter_release(struct clean_filter *filter);
/* The records of a batch as bytes, unpacked into scratch where they are compressed. */
int clean_view_records(const struct batch *batch, struct writer *scratch,
                       struct bytes_view *records);
/* Appends what stays of the batch at data to out. *kept: entry goes on to stand in the index of
 * aborted transactions. */
int clean_filter_batch(struct clean_filter *filter, const uint8_t *data, const struct batch *batch,
                       struct writer *out, struct segment_aborted *entry, bool *kept);

#endif
