#include "log/segment.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

#define SEGMENT_RESERVE_SHARE 4
#define SEGMENT_LEFT_SHARE 64

/* The record file, which has no entries, and its indexes. */
#define SEGMENT_FILES 4
#define FILE_KINDS(state)                                                      \
    {                                                                          \
        {".log" state, 0}, {".index" state, OFFSET_ENTRY_BYTES},               \
        {".timeindex" state, TIME_ENTRY_BYTES}, {".txnindex" state, ABORTED_ENTRY_BYTES} \
    }
static const struct index_kind file_kinds[][SEGMENT_FILES] = {
    [SEGMENT_FILES_FINAL] = FILE_KINDS(""),
    [SEGMENT_FILES_DELETED] = FILE_KINDS(".deleted"),
    [SEGMENT_FILES_CLEANED] = FILE_KINDS(".cleaned"),
    [SEGMENT_FILES_SWAP] = FILE_KINDS(".swap"),
};
const struct index_kind segment_offset_index = {".index", OFFSET_ENTRY_BYTES};
const struct index_kind segment_time_index = {".timeindex", TIME_ENTRY_BYTES};

static int64_t offset_entry_key(const uint8_t *entry)
{
    struct reader reader;
    reader_init(&reader, entry, OFFSET_ENTRY_BYTES);
    return reader_i32(&reader);
}

void segment_file_ref(struct segment_file *file)
{
    int before = atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

void segment_file_unref(struct segment_file *file)
{
    int before = atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        io_file_close(&file->file);
        mem_free(file);
    }
}

static struct segment *segment_create_named(const struct log_place *place, int64_t base_offset,
                                            int64_t now_ms, enum segment_files files)
{
    ASSERT(base_offset >= 0);
    struct segment *segment = mem_calloc(1, sizeof *segment);
    if (segment == NULL) {
        return NULL;
    }
    segment->place = place;
    segment->base_offset = base_offset;
    segment->max_timestamp_ms = -1;
    segment->max_timestamp_offset = base_offset;
    segment->first_timestamp_ms = -1;
    segment->created_ms = now_ms;
    segment->used_ms = now_ms;
    segment->written_ms = -1;
    segment->indexed_offset = -1;
    segment->files = (uint8_t)files;
    index_file_init(&segment->offsets, place, base_offset, &file_kinds[files][1]);
    index_file_init(&segment->times, place, base_offset, &file_kinds[files][2]);
    index_file_init(&segment->aborted, place, base_offset, &file_kinds[files][3]);
    return segment;
}

struct segment *segment_create(const struct log_place *place, int64_t base_offset, int64_t now_ms)
{
    return segment_create_named(place, base_offset, now_ms, SEGMENT_FILES_FINAL);
}

struct segment *segment_create_cleaned(const struct log_place *place, int64_t base_offset,
                                       int64_t now_ms)
{
    return segment_create_named(place, base_offset, now_ms, SEGMENT_FILES_CLEANED);
}

void segment_assert_invariants(const struct segment *segment)
{
    ASSERT(segment->base_offset >= 0);
    ASSERT(segment->size_bytes >= 0 && segment->size_bytes <= SEGMENT_BYTES_MAX);
    ASSERT(segment->reserved_bytes >= 0 && segment->bytes_since_index >= 0);
    ASSERT(segment->offsets.base_offset == segment->base_offset);
}

static const char *segment_suffix(const struct segment *segment)
{
    return file_kinds[segment->files][0].suffix;
}

static void segment_close_record_file(struct segment *segment)
{
    if (segment->file != NULL) {
        segment_file_unref(segment->file);
        segment->file = NULL;
    }
}

void segment_destroy(struct segment **segment)
{
    if (*segment == NULL) {
        return;
    }
    segment_close_record_file(*segment);
    index_file_release(&(*segment)->offsets);
    index_file_release(&(*segment)->times);
    index_file_release(&(*segment)->aborted);
    mem_free(*segment);
    *segment = NULL;
}

int segment_open(struct segment *segment, bool create)
{
    if (segment->file != NULL) {
        return 0;
    }
    char path[LOG_PATH_BYTES];
    int error = log_place_path(segment->place, segment->base_offset, segment_suffix(segment), path);
    if (error != 0) {
        return error;
    }
    struct segment_file *file = mem_calloc(1, sizeof *file);
    if (file == NULL) {
        return ERR_NOMEM;
    }
    error = io_file_open(segment->place->fs, path,
                         IO_OPEN_READ | IO_OPEN_WRITE | (create ? IO_OPEN_CREATE : 0), &file->file);
    if (error != 0) {
        mem_free(file);
        return error;
    }
    atomic_init(&file->references, 1);
    file->found.last_offset = -1;
    segment->file = file;
    segment->record_file_made = true;
    return 0;
}

int segment_load(struct segment *segment)
{
    int error = segment_open(segment, false);
    if (error != 0) {
        return error;
    }
    int64_t size = io_file_size(&segment->file->file);
    if (size < 0) {
        return (int)size;
    }
    segment->size_bytes = size > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : size;
    segment_assert_invariants(segment);
    return 0;
}

int segment_read(struct segment *segment, void *data, size_t size, int64_t position)
{
    int error = segment_open(segment, false);
    if (error != 0) {
        return error;
    }
    int64_t got = log_place_read(segment->place, segment->base_offset, segment_suffix(segment),
                                 &segment->file->file, data, size, position);
    if (got < 0) {
        return (int)got;
    }
    return (size_t)got == size ? 0 : ERR_CORRUPT;
}

int segment_cut_file(struct segment *segment, int64_t size_bytes)
{
    ASSERT(segment->file != NULL && size_bytes >= 0);
    int error = io_file_truncate(&segment->file->file, size_bytes);
    if (error == 0) {
        segment->reserved_bytes = 0;
        segment->room_is_known = true;
    }
    return error;
}

/* Takes room ahead of the end, a quarter of what is there, but not more than the segment may have:
 * appending 128 KB pieces to room that was taken before costs 0.10 s/GB against 0.16 (ext4,
 * bench/micro.c), and small segments hold none. */
static void segment_reserve(struct segment *segment, size_t size, int64_t full_bytes)
{
    int64_t end = segment->size_bytes + (int64_t)size;
    int64_t ahead = segment->size_bytes / SEGMENT_RESERVE_SHARE;
    if (end <= segment->reserved_bytes || ahead < SEGMENT_RESERVE_BYTES_MIN) {
        return;
    }
    ahead = ahead < SEGMENT_RESERVE_BYTES_MAX ? ahead : SEGMENT_RESERVE_BYTES_MAX;
    ahead = end + ahead <= full_bytes ? ahead : end < full_bytes ? full_bytes - end : 0;
    int64_t from = segment->reserved_bytes > segment->size_bytes ? segment->reserved_bytes
                                                                 : segment->size_bytes;
    ASSERT(from >= segment->size_bytes && from < end + ahead);
    int error = io_file_reserve(&segment->file->file, from, (size_t)(end + ahead - from));
    /* Not needed to go on, so a disk that cannot is not asked again. */
    segment->reserved_bytes = error == 0 ? end + ahead : INT64_MAX;
}

void segment_preallocate(struct segment *segment, int64_t size_bytes)
{
    ASSERT(segment->file != NULL && size_bytes > 0);
    segment->preallocated = true;
    if (size_bytes > segment->reserved_bytes && size_bytes <= SEGMENT_BYTES_MAX &&
        io_file_reserve(&segment->file->file, 0, (size_t)size_bytes) == 0) {
        segment->reserved_bytes = size_bytes;
    }
}

int segment_write(struct segment *segment, const uint8_t *data, size_t size, int64_t full_bytes)
{
    ASSERT(size > 0 && size <= (size_t)(SEGMENT_BYTES_MAX - segment->size_bytes));
    ASSERT(segment->place->miss == NULL);
    int error = segment_open(segment, segment->size_bytes == 0);
    if (error == 0) {
        segment_reserve(segment, size, full_bytes);
        error = io_file_write(&segment->file->file, data, size, segment->size_bytes);
    }
    if (error == 0) {
        segment->size_bytes += (int64_t)size;
    }
    segment_assert_invariants(segment);
    return error;
}

static int segment_append_time(struct segment *segment, int64_t timestamp_ms, int64_t offset)
{
    uint8_t entry[TIME_ENTRY_BYTES];
    int64_t count = index_file_count(&segment->times);
    if (count < 0) {
        return (int)count;
    }
    if (count > 0) {
        int error = index_file_read(&segment->times, (uint32_t)(count - 1), entry);
        struct reader reader;
        reader_init(&reader, entry, sizeof entry);
        if (error != 0 || timestamp_ms <= reader_i64(&reader)) {
            return error;
        }
    }
    struct writer writer;
    writer_init_fixed(&writer, entry, sizeof entry);
    writer_i64(&writer, timestamp_ms);
    writer_i32(&writer, (int32_t)(offset - segment->base_offset));
    ASSERT(!writer.failed);
    return index_file_append(&segment->times, entry);
}

/* A start does not look at the batches in front of the newest entry of the offset index that is in
 * the file, so what they tell of time gets there first. */
static int segment_write_indexes(struct segment *segment)
{
    int error = index_file_write_pending(&segment->times);
    return error == 0 ? index_file_write_pending(&segment->offsets) : error;
}

static int segment_append_index(struct segment *segment, int64_t last_offset, int64_t position)
{
    if (last_offset <= segment->indexed_offset) {
        return 0;
    }
    ASSERT(last_offset - segment->base_offset <= INT32_MAX);
    ASSERT(position >= 0 && position < segment->size_bytes);
    uint8_t entry[OFFSET_ENTRY_BYTES];
    struct writer writer;
    writer_init_fixed(&writer, entry, sizeof entry);
    writer_i32(&writer, (int32_t)(last_offset - segment->base_offset));
    writer_i32(&writer, (int32_t)position);
    ASSERT(!writer.failed);
    int error = index_file_is_full(&segment->offsets) ? segment_write_indexes(segment) : 0;
    if (error == 0) {
        error = index_file_append(&segment->offsets, entry);
    }
    if (error == 0 && segment->max_timestamp_ms >= 0) {
        error = segment_append_time(segment, segment->max_timestamp_ms,
                                    segment->max_timestamp_offset);
    }
    if (error == 0) {
        segment->indexed_offset = last_offset;
    }
    /* What lies behind the last entry in the file is walked after a crash. */
    if (error == 0 && position - segment->index_kept_position >= SEGMENT_UNINDEXED_BYTES) {
        segment->index_kept_position = (int32_t)position;
        error = segment_write_indexes(segment);
    }
    return error;
}

int segment_account(struct segment *segment, const struct batch *batch, int64_t position,
                    int32_t index_interval_bytes)
{
    int64_t last_offset = batch_last_offset(batch);
    ASSERT(batch->base_offset >= segment->base_offset && last_offset >= batch->base_offset);
    ASSERT(position >= 0 && position + batch->size_bytes <= segment->size_bytes);
    int64_t known_ms;
    int64_t known_offset;
    int error = segment_max_timestamp(segment, &known_ms, &known_offset);
    if (error == 0 && position == 0) {
        segment->first_timestamp_ms = batch->max_timestamp_ms;
        segment->first_timestamp_known = true;
    }
    if (error == 0 && batch->max_timestamp_ms > known_ms) {
        segment->max_timestamp_ms = batch->max_timestamp_ms;
        segment->max_timestamp_offset = last_offset;
    }
    if (error == 0 && segment->bytes_since_index > index_interval_bytes) {
        error = segment_append_index(segment, last_offset, position);
        segment->bytes_since_index = 0;
        /* With an entry less readers walk further, no more than that. */
        error = error == ERR_NOMEM ? 0 : error;
    }
    segment->bytes_since_index += batch->size_bytes;
    return error;
}

int segment_append_aborted(struct segment *segment, const struct segment_aborted *aborted)
{
    uint8_t entry[ABORTED_ENTRY_BYTES];
    struct writer writer;
    writer_init_fixed(&writer, entry, sizeof entry);
    writer_i16(&writer, 0);
    writer_i64(&writer, aborted->producer_id);
    writer_i64(&writer, aborted->first_offset);
    writer_i64(&writer, aborted->last_offset);
    writer_i64(&writer, aborted->last_stable_offset);
    ASSERT(!writer.failed && aborted->first_offset <= aborted->last_offset);
    ASSERT(aborted->producer_id >= 0 && aborted->last_offset >= segment->base_offset);
    struct segment_aborted last;
    int64_t count = index_file_count(&segment->aborted);
    if (count > 0) {
        int found = segment_read_aborted(segment, (uint32_t)(count - 1), &last);
        if (found < 0 || last.last_offset >= aborted->last_offset) {
            return found < 0 ? found : 0;
        }
    }
    int error = count < 0 ? (int)count : index_file_append(&segment->aborted, entry);
    /* Rare, and read by whoever opens the log next: written at once. */
    return error == 0 ? index_file_write_pending(&segment->aborted) : error;
}

int segment_read_aborted(struct segment *segment, uint32_t i, struct segment_aborted *aborted)
{
    uint8_t entry[ABORTED_ENTRY_BYTES];
    int64_t count = index_file_count(&segment->aborted);
    if (count <= (int64_t)i) {
        return count < 0 ? (int)count : 0;
    }
    int error = index_file_read(&segment->aborted, i, entry);
    if (error != 0) {
        return error;
    }
    struct reader reader;
    reader_init(&reader, entry, sizeof entry);
    (void)reader_i16(&reader);
    aborted->producer_id = reader_i64(&reader);
    aborted->first_offset = reader_i64(&reader);
    aborted->last_offset = reader_i64(&reader);
    aborted->last_stable_offset = reader_i64(&reader);
    return 1;
}

bool segment_index_full(struct segment *segment, int32_t segment_index_bytes)
{
    int64_t offsets = index_file_count(&segment->offsets);
    int64_t times = index_file_count(&segment->times);
    /* One time entry is kept for the seal. */
    return offsets >= segment_index_bytes / OFFSET_ENTRY_BYTES ||
           times >= segment_index_bytes / TIME_ENTRY_BYTES - 1;
}

bool segment_has_room(const struct segment *segment)
{
    int64_t left = segment->reserved_bytes - segment->size_bytes;
    bool little = segment->room_is_known && left <= segment->size_bytes / SEGMENT_LEFT_SHARE;
    bool never = segment->size_bytes < SEGMENT_RESERVE_BYTES_MIN * SEGMENT_RESERVE_SHARE &&
                 !segment->preallocated;
    return !little && !never;
}

void segment_forget_room(struct segment *segment)
{
    segment->reserved_bytes = 0;
    segment->room_is_known = true;
    segment->preallocated = false;
}

int segment_return_room(struct segment *segment)
{
    if (!segment_has_room(segment)) {
        return 0;
    }
    segment->preallocated = false;
    int error = segment_open(segment, false);
    return error == 0 ? segment_cut_file(segment, segment->size_bytes) : error;
}

int segment_make_indexes(struct segment *segment)
{
    int error = segment->indexes_made ? 0 : index_file_make(&segment->offsets);
    if (error == 0 && !segment->indexes_made) {
        error = index_file_make(&segment->times);
    }
    segment->indexes_made |= error == 0;
    return error;
}

int segment_complete(struct segment *segment)
{
    int64_t timestamp_ms = -1;
    int64_t offset = -1;
    int error = segment_max_timestamp(segment, &timestamp_ms, &offset);
    if (error == 0 && timestamp_ms >= 0 && segment->size_bytes > 0) {
        error = segment_append_time(segment, timestamp_ms, offset);
    }
    if (error == 0) {
        error = segment_write_indexes(segment);
    }
    return error == 0 ? index_file_write_pending(&segment->aborted) : error;
}

int segment_seal(struct segment *segment)
{
    int error = segment_complete(segment);
    return error == 0 ? segment_return_room(segment) : error;
}

int64_t segment_written_ms(struct segment *segment)
{
    if (segment->written_ms < 0) {
        int error = segment_open(segment, false);
        int64_t modified_ms = error == 0 ? io_file_modified_ms(&segment->file->file) : error;
        segment->written_ms = modified_ms >= 0 ? modified_ms : segment->created_ms;
    }
    return segment->written_ms;
}

int segment_max_timestamp(struct segment *segment, int64_t *timestamp_ms, int64_t *offset)
{
    if (!segment->timestamps_known) {
        int64_t count = index_file_count(&segment->times);
        if (count < 0) {
            return (int)count;
        }
        if (count > 0) {
            uint8_t entry[TIME_ENTRY_BYTES];
            int error = index_file_read(&segment->times, (uint32_t)(count - 1), entry);
            if (error != 0) {
                return error;
            }
            struct reader reader;
            reader_init(&reader, entry, sizeof entry);
            segment->max_timestamp_ms = reader_i64(&reader);
            segment->max_timestamp_offset = segment->base_offset + reader_i32(&reader);
        } else if (segment->size_bytes > 0) {
            int error = segment_learn_max_timestamp(segment); /* the index is gone */
            if (error != 0) {
                return error;
            }
        }
        segment->timestamps_known = true;
    }
    *timestamp_ms = segment->max_timestamp_ms;
    *offset = segment->max_timestamp_offset;
    return 0;
}

int segment_first_timestamp(struct segment *segment, int64_t *timestamp_ms)
{
    if (!segment->first_timestamp_known && segment->size_bytes > 0) {
        struct segment_scan scan;
        struct batch batch;
        int64_t position;
        segment_scan_init(&scan, segment, 0, segment->size_bytes);
        int found = segment_scan_next(&scan, &batch, &position);
        if (found < 0) {
            return found;
        }
        segment->first_timestamp_ms = found == 1 ? batch.max_timestamp_ms : -1;
        segment->first_timestamp_known = true;
    }
    *timestamp_ms = segment->size_bytes > 0 ? segment->first_timestamp_ms : -1;
    return 0;
}

static int segment_trim_times(struct segment *segment, int64_t next_offset)
{
    int64_t count = index_file_count(&segment->times);
    uint8_t entry[TIME_ENTRY_BYTES];
    while (count > 0) {
        int error = index_file_read(&segment->times, (uint32_t)(count - 1), entry);
        if (error != 0) {
            return error;
        }
        struct reader reader;
        reader_init(&reader, entry, sizeof entry);
        (void)reader_i64(&reader);
        if (segment->base_offset + reader_i32(&reader) < next_offset) {
            break;
        }
        count--;
    }
    return count < 0 ? (int)count : index_file_truncate(&segment->times, (uint32_t)count);
}

static int segment_trim_aborted(struct segment *segment, int64_t next_offset)
{
    int64_t count = index_file_count(&segment->aborted);
    struct segment_aborted aborted;
    while (count > 0) {
        int found = segment_read_aborted(segment, (uint32_t)(count - 1), &aborted);
        if (found < 0) {
            return found;
        }
        if (aborted.last_offset < next_offset) {
            break;
        }
        count--;
    }
    return count < 0 ? (int)count : index_file_truncate(&segment->aborted, (uint32_t)count);
}

/* Takes the memory that the indexes need, so that what follows finds it. */
static int segment_use_indexes(struct segment *segment)
{
    int64_t count = index_file_count(&segment->offsets);
    if (count >= 0) {
        count = index_file_count(&segment->times);
    }
    if (count >= 0) {
        count = index_file_count(&segment->aborted);
    }
    return count < 0 ? (int)count : 0;
}

int segment_truncate(struct segment *segment, int64_t position, int64_t next_offset)
{
    ASSERT(position >= 0 && position <= segment->size_bytes);
    ASSERT(next_offset >= segment->base_offset);
    int error = segment_use_indexes(segment);
    if (error == 0) {
        error = segment_open(segment, true);
    }
    if (error == 0) {
        error = segment_cut_file(segment, position);
    }
    if (error != 0) {
        return error;
    }
    segment->size_bytes = position;
    segment->index_kept_position = 0;
    if (segment->file != NULL) {
        segment->file->found.last_offset = -1;
    }
    uint8_t entry[OFFSET_ENTRY_BYTES];
    int64_t last = next_offset == segment->base_offset
                       ? -1
                       : index_file_floor(&segment->offsets, next_offset - 1 - segment->base_offset,
                                          offset_entry_key, entry);
    error = last < -1 ? (int)(last + 1)
                      : index_file_truncate(&segment->offsets, (uint32_t)(last + 1));
    if (error == 0) {
        error = segment_trim_times(segment, next_offset);
    }
    if (error == 0) {
        error = segment_trim_aborted(segment, next_offset);
    }
    segment->indexed_offset = last >= 0 ? segment->base_offset + offset_entry_key(entry) : -1;
    segment->max_timestamp_ms = -1;
    segment->max_timestamp_offset = segment->base_offset;
    segment->timestamps_known = false;
    segment->first_timestamp_known = false;
    segment->bytes_since_index = 0;
    segment_assert_invariants(segment);
    return error;
}

int segment_reset_indexes(struct segment *segment)
{
    int error = index_file_truncate(&segment->offsets, 0);
    if (error == 0) {
        error = index_file_truncate(&segment->times, 0);
    }
    segment->indexed_offset = -1;
    segment->max_timestamp_ms = -1;
    segment->max_timestamp_offset = segment->base_offset;
    segment->timestamps_known = true;
    segment->first_timestamp_known = false;
    segment->bytes_since_index = 0;
    return error;
}

int segment_reset_aborted(struct segment *segment)
{
    return index_file_truncate(&segment->aborted, 0);
}

int segment_idle(struct segment *segment)
{
    int error = index_file_idle(&segment->times);
    if (error == 0) {
        error = index_file_idle(&segment->offsets);
    }
    if (error == 0) {
        error = index_file_idle(&segment->aborted);
    }
    segment_close_record_file(segment);
    ASSERT(error != 0 || segment_is_idle(segment));
    return error;
}

int segment_sync(struct segment *segment)
{
    int error = segment_open(segment, segment->size_bytes == 0);
    if (error == 0) {
        error = io_file_sync(&segment->file->file);
    }
    if (error == 0) {
        error = index_file_sync(&segment->offsets);
    }
    if (error == 0) {
        error = index_file_sync(&segment->times);
    }
    return error == 0 ? index_file_sync(&segment->aborted) : error;
}

int segment_rename_files(const struct log_place *place, int64_t base_offset,
                         enum segment_files from, enum segment_files to)
{
    ASSERT(from != to);
    for (size_t i = 0; i < SEGMENT_FILES; i++) {
        char old_path[LOG_PATH_BYTES];
        char new_path[LOG_PATH_BYTES];
        int error = log_place_path(place, base_offset, file_kinds[from][i].suffix, old_path);
        if (error == 0) {
            error = log_place_path(place, base_offset, file_kinds[to][i].suffix, new_path);
        }
        if (error == 0) {
            error = io_rename(place->fs, old_path, new_path);
        }
        if (error != 0 && error != ERR_NOT_FOUND) {
            return error;
        }
    }
    return 0;
}

int segment_remove_files(const struct log_place *place, int64_t base_offset,
                         enum segment_files which)
{
    /* The record file goes last: as long as it is there, the others may be made anew. */
    for (size_t i = SEGMENT_FILES; i-- > 0;) {
        char path[LOG_PATH_BYTES];
        int error = log_place_path(place, base_offset, file_kinds[which][i].suffix, path);
        if (error == 0) {
            error = io_remove(place->fs, path);
        }
        if (error != 0 && error != ERR_NOT_FOUND) {
            return error;
        }
    }
    return 0;
}

int segment_rename_deleted(struct segment *segment)
{
    index_file_release(&segment->offsets);
    index_file_release(&segment->times);
    index_file_release(&segment->aborted);
    return segment_rename_files(segment->place, segment->base_offset, SEGMENT_FILES_FINAL,
                                SEGMENT_FILES_DELETED);
}
