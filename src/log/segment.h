/* segment.h: one segment of a log: a record file and its three indexes.
 *
 *   .index      int32 relative offset (last offset of a batch) | int32 position of that batch
 *   .timeindex  int64 timestamp | int32 relative offset of the batch that first reached it
 *   .txnindex   int16 version 0 | int64 producer id | int64 first | int64 last | int64 last stable
 *
 * The log owns its segments. Files open when needed and close when idle; a range given to a reader
 * keeps the record file open by reference, also past the segment's deletion.
 * Invariant 1: base_offset <= every offset in the file.   Invariant 2: every index entry points at
 * the start of a batch below size_bytes.
 * Thread: the log's owner; references to the file any.
 * Errors: ERR_IO and its likes for the disk, ERR_CORRUPT for what is in the file. */
#ifndef BNB_LOG_SEGMENT_H
#define BNB_LOG_SEGMENT_H

#include <stdatomic.h>

#include "base/limits.h"
#include "log/index_file.h"
#include "protocol/record/batch.h"

#define SEGMENT_BYTES_MAX INT32_MAX
#define OFFSET_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES 12
#define ABORTED_ENTRY_BYTES 34

extern const struct index_kind segment_offset_index;
extern const struct index_kind segment_time_index;

/* What the names of a segment's files end in. */
enum segment_files { SEGMENT_FILES_FINAL, SEGMENT_FILES_DELETED, SEGMENT_FILES_CLEANED,
                     SEGMENT_FILES_SWAP };

struct segment_file {
    struct io_file file;
    atomic_int references;
    /* The owner's: */
    int64_t synced_bytes; /* no more than that is known to be on the disk */
    /* Where segment_find found its last batch; a hint, believed when the batch there says so. */
    struct {
        int64_t base_offset;
        int64_t last_offset;
        int64_t position;
    } found;
};
/* One more reference, by whoever may use the file now. */
void segment_file_ref(struct segment_file *file);
/* Lets a reference go; the last one closes. Thread: any. */
void segment_file_unref(struct segment_file *file);

struct segment {
    const struct log_place *place;
    int64_t base_offset;
    int64_t size_bytes;
    int64_t reserved_bytes; /* the file's room on the disk reaches to here, or to its end */
    struct segment_file *file; /* NULL while closed */
    struct index_file offsets;
    struct index_file times;
    struct index_file aborted;
    int64_t max_timestamp_ms; /* -1: none */
    int64_t max_timestamp_offset;
    bool timestamps_known;
    bool first_timestamp_known;
    bool record_file_made; /* it is there, maybe empty */
    bool indexes_made;     /* both files are there */
    bool room_is_known;    /* and no further: not so of what another process has left */
    bool preallocated; /* it may have taken room ahead, however small it is */
    uint8_t files; /* enum segment_files */
    int64_t first_timestamp_ms; /* max timestamp of the first batch; -1: none */
    int64_t created_ms;
    int64_t used_ms;
    int64_t written_ms; /* of the last append; -1: an earlier process's, the file tells */
    int64_t roll_jitter_ms;
    int32_t bytes_since_index;
    int32_t index_kept_position; /* what entries that were written for this reach to */
    int64_t indexed_offset; /* last offset of the newest index entry; -1: not known */
};

/* A decoded entry of the transaction index. */
struct segment_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

struct segment *segment_create(const struct log_place *place, int64_t base_offset, int64_t now_ms);
/* One that is to take the place of others: the names of its files end in .cleaned. */
struct segment *segment_create_cleaned(const struct log_place *place, int64_t base_offset,
                                       int64_t now_ms);
/* Renames the files of a segment; the ones that are there. */
int segment_rename_files(const struct log_place *place, int64_t base_offset,
                         enum segment_files from, enum segment_files to);
int segment_remove_files(const struct log_place *place, int64_t base_offset,
                         enum segment_files which);
void segment_assert_invariants(const struct segment *segment);
/* Closes; nothing pending is written. */
void segment_destroy(struct segment **segment);
/* Opens the record file; with create it may be a new one. */
int segment_open(struct segment *segment, bool create);
/* Takes room for that many bytes ahead, where the disk can: the size of the file stays. */
void segment_preallocate(struct segment *segment, int64_t size_bytes);
/* Cuts the record file, which is open, and the room on the disk that it has beyond. */
int segment_cut_file(struct segment *segment, int64_t size_bytes);
/* Learns size_bytes from the file. */
int segment_load(struct segment *segment);

/* Writes whole batches at the end with one write. The caller then accounts for each of them. The
 * file's room on the disk may grow ahead of them, to no more than full_bytes. */
int segment_write(struct segment *segment, const uint8_t *data, size_t size, int64_t full_bytes);
/* Index rule of Apache Kafka for a batch that lies at position. */
int segment_account(struct segment *segment, const struct batch *batch, int64_t position,
                    int32_t index_interval_bytes);
/* Unless the entry is there already. */
int segment_append_aborted(struct segment *segment, const struct segment_aborted *aborted);
/* 1 with entry number i, 0 past the end. */
int segment_read_aborted(struct segment *segment, uint32_t i, struct segment_aborted *aborted);

/* Whether there is no room for another index entry. */
bool segment_index_full(struct segment *segment, int32_t segment_index_bytes);
/* Makes offset and time index where an empty one has no file yet: without them Apache Kafka takes a
 * segment below the recovery point for damaged. */
int segment_make_indexes(struct segment *segment);
/* The last time entry, as it is written when a segment is rolled or closed. */
int segment_complete(struct segment *segment);
/* The same, and gives back the room that was taken ahead, which waits for the disk: for 6 to 30 ms
 * while that is busy. A full segment keeps the little it has left. */
int segment_seal(struct segment *segment);
/* Whether it has room to give back, maybe of a process that died before it did. */
bool segment_has_room(const struct segment *segment);
int segment_return_room(struct segment *segment);
/* Somebody has cut its file. */
void segment_forget_room(struct segment *segment);
/* When something was appended last. */
int64_t segment_written_ms(struct segment *segment);
/* Largest timestamp and its offset; -1 and base_offset when no record has one. */
int segment_max_timestamp(struct segment *segment, int64_t *timestamp_ms, int64_t *offset);
/* The same from the batches. */
int segment_learn_max_timestamp(struct segment *segment);
/* Makes sure of it before something is given up because of it: the index that told may be damaged.
 * Where no batch has it, all of them are looked at. */
int segment_confirm_max_timestamp(struct segment *segment);
int segment_first_timestamp(struct segment *segment, int64_t *timestamp_ms);
/* Cuts the record file at position and the indexes with it; next_offset is the new end. */
int segment_truncate(struct segment *segment, int64_t position, int64_t next_offset);
/* Empties the offset and time index, before they are made anew. */
int segment_reset_indexes(struct segment *segment);
/* Empties the index of aborted transactions: a walk from the segment's start fills it again, if the
 * producers' state below it is known. */
int segment_reset_aborted(struct segment *segment);
/* Writes pending entries and closes what is open. */
int segment_idle(struct segment *segment);
/* No file is open and nothing waits to be written. */
static inline bool segment_is_idle(const struct segment *segment)
{
    return segment->file == NULL && index_file_is_idle(&segment->offsets) &&
           index_file_is_idle(&segment->times) && index_file_is_idle(&segment->aborted);
}
int segment_sync(struct segment *segment);
/* Renames the four files to name + ".deleted"; the ones that are there. */
int segment_rename_deleted(struct segment *segment);

/* Walks batch headers from a position to an end. */
struct segment_scan {
    struct segment *segment;
    int64_t position;
    int64_t end;
    int64_t buffer_position;
    size_t buffered;
    uint8_t buffer[SEGMENT_SCAN_BYTES];
};
void segment_scan_init(struct segment_scan *scan, struct segment *segment, int64_t from,
                       int64_t end);
/* 1 with the header (no records) and where it lies; 0 at the end, also before a cut batch;
 * ERR_CORRUPT for what is no batch. */
int segment_scan_next(struct segment_scan *scan, struct batch *batch, int64_t *position);

/* The first batch whose last offset is at or above offset: 1, its header and position; 0: none. */
int segment_find(struct segment *segment, int64_t offset, struct batch *batch, int64_t *position);
/* The offset of the first index entry for a batch at or behind position: 1; 0: there is none that
 * can be believed. */
int segment_indexed_from(struct segment *segment, int64_t position, int64_t *offset);
/* The first record at or after timestamp_ms, not below start_offset: 1 with its offset and
 * timestamp, 0: none. */
int segment_find_time(struct segment *segment, int64_t timestamp_ms, int64_t start_offset,
                      int64_t *offset, int64_t *found_ms);
/* Offset of the first record with exactly that timestamp in the batch that ends at batch_offset. */
int segment_find_timestamp_in(struct segment *segment, int64_t batch_offset, int64_t timestamp_ms,
                              int64_t *offset, int32_t *leader_epoch);
/* Reads size bytes at position of the record file, all or ERR_CORRUPT. */
int segment_read(struct segment *segment, void *data, size_t size, int64_t position);

#endif
