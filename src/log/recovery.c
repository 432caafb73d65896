/* From what a directory holds to a log that can be used.
 *
 * After a clean shutdown only the end of the last segment is walked. After a crash of the process
 * alone the page cache still has every write, so the walk is the same, with CRCs checked and a torn
 * end cut off, and the producers' newest snapshot is completed from what came since: no more than
 * LOG_SNAPSHOT_BYTES. After a crash of the machine every segment from the recovery point on is
 * walked from its start and its indexes are made anew. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "log/log_internal.h"

enum log_file_kind {
    LOG_FILE_LOG,
    LOG_FILE_INDEX,
    LOG_FILE_TIMEINDEX,
    LOG_FILE_TXNINDEX,
    LOG_FILE_SNAPSHOT,
    LOG_FILE_KINDS,
};
enum log_file_state {
    LOG_FILE_FINAL,
    LOG_FILE_DELETED,
    LOG_FILE_CLEANED,
    LOG_FILE_SWAP,
    LOG_FILE_STATES,
};
static const char *const kind_suffixes[LOG_FILE_KINDS] = {".log", ".index", ".timeindex",
                                                          ".txnindex", ".snapshot"};
static const char *const state_suffixes[LOG_FILE_STATES] = {"", ".deleted", ".cleaned", ".swap"};

struct log_file {
    int64_t number;
    enum log_file_kind kind;
    enum log_file_state state;
};
struct log_files {
    struct log_file *items;
    size_t count;
    size_t capacity;
    bool was_cleaned; /* there is a LOG_CLEANED_FILE */
    struct log *tidy; /* whose temporary files go; NULL: they may be in use */
};

#define NUMBER_DIGITS 20

/* Splits "00000000000000000012.log.deleted"; false for any other name. */
static bool log_file_parse(const char *name, struct log_file *file)
{
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
    }
    file->number = (int64_t)strtoull(name, NULL, 10);
    if (file->number < 0 || file->number > LOG_OFFSET_MAX) {
        return false;
    }
    const char *rest = name + NUMBER_DIGITS;
    for (int kind = 0; kind < LOG_FILE_KINDS; kind++) {
        size_t size = strlen(kind_suffixes[kind]);
        if (strncmp(rest, kind_suffixes[kind], size) != 0) {
            continue;
        }
        for (int state = 0; state < LOG_FILE_STATES; state++) {
            if (strcmp(rest + size, state_suffixes[state]) == 0) {
                file->kind = (enum log_file_kind)kind;
                file->state = (enum log_file_state)state;
                return true;
            }
        }
    }
    return false;
}

static bool log_file_is_temporary(const char *name)
{
    size_t size = strlen(name);
    size_t tail = strlen(IO_TEMPORARY_SUFFIX);
    return size > tail && strcmp(name + size - tail, IO_TEMPORARY_SUFFIX) == 0;
}

/* What a process that died was writing aside, ours or Apache Kafka's. */
static int log_file_remove_temporary(struct log *log, const char *name)
{
    char path[LOG_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%s", log->place.directory, name);
    int error = size > 0 && size < LOG_PATH_BYTES ? io_remove(log->place.fs, path) : 0;
    return error == ERR_NOT_FOUND ? 0 : error;
}

static int log_files_visit(void *context, const char *name, bool is_directory)
{
    struct log_files *files = context;
    struct log_file file;
    files->was_cleaned |= strcmp(name, LOG_CLEANED_FILE) == 0;
    if (!is_directory && files->tidy != NULL && log_file_is_temporary(name)) {
        return log_file_remove_temporary(files->tidy, name);
    }
    if (is_directory || !log_file_parse(name, &file)) {
        return 0;
    }
    int error = mem_grow((void **)&files->items, &files->capacity, files->count + 1,
                         sizeof *files->items);
    if (error == 0) {
        files->items[files->count++] = file;
    }
    return error;
}

static int log_file_order(const void *a, const void *b)
{
    const struct log_file *left = a;
    const struct log_file *right = b;
    return left->number != right->number ? (left->number > right->number ? 1 : -1)
                                         : (int)left->kind - (int)right->kind;
}

static int log_files_list(struct log *log, struct log_files *files)
{
    files->count = 0;
    int error = io_list(log->place.fs, log->place.directory, log_files_visit, files);
    if (error == 0 && files->count > 0) {
        qsort(files->items, files->count, sizeof *files->items, log_file_order);
    }
    return error;
}

static int log_file_path(const struct log *log, const struct log_file *file,
                         enum log_file_state state, char *path)
{
    char suffix[32];
    ASSERT(file->kind < LOG_FILE_KINDS && state < LOG_FILE_STATES);
    snprintf(suffix, sizeof suffix, "%s%s", kind_suffixes[file->kind], state_suffixes[state]);
    return log_place_path(&log->place, file->number, suffix, path);
}

static int log_file_remove(struct log *log, const struct log_file *file)
{
    char path[LOG_PATH_BYTES];
    int error = log_file_path(log, file, file->state, path);
    if (error == 0) {
        error = io_remove(log->place.fs, path);
    }
    log->directory_dirty = true;
    return error == ERR_NOT_FOUND ? 0 : error;
}

/* [base, next) of a complete replacement that was not yet renamed. */
static int log_swap_range(struct log *log, const struct log_file *file, int64_t *end)
{
    char path[LOG_PATH_BYTES];
    struct io_file opened;
    int error = log_file_path(log, file, LOG_FILE_SWAP, path);
    if (error == 0) {
        error = io_file_open(log->place.fs, path, IO_OPEN_READ, &opened);
    }
    if (error != 0) {
        return error;
    }
    int64_t size = io_file_size(&opened);
    *end = file->number + 1;
    for (int64_t at = 0; at + BATCH_HEADER_BYTES <= size;) {
        uint8_t header[BATCH_HEADER_BYTES];
        struct batch batch;
        if (io_file_read(&opened, header, sizeof header, at) != (int64_t)sizeof header ||
            batch_view_size(header, sizeof header) < BATCH_HEADER_BYTES) {
            break;
        }
        batch_header_read(header, &batch);
        *end = batch_last_offset(&batch) + 1;
        at += batch.size_bytes;
    }
    io_file_close(&opened);
    return 0;
}

/* Finishes or undoes what a compaction left behind (storage format 9.2). What is in its place is
 * synced there: when a later sync of the directory fails it may forget what came since the last
 * one, and the next cleaning removes files of the name that the replacement had before. */
static int log_finish_swaps(struct log *log, struct log_files *files)
{
    int64_t first_cleaned = INT64_MAX;
    int error = 0;
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].state == LOG_FILE_CLEANED && files->items[i].number < first_cleaned) {
            first_cleaned = files->items[i].number;
        }
    }
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        struct log_file *file = &files->items[i];
        bool undone = file->state == LOG_FILE_SWAP && file->number >= first_cleaned;
        if (file->state == LOG_FILE_DELETED || file->state == LOG_FILE_CLEANED || undone) {
            error = log_file_remove(log, file);
            file->state = LOG_FILE_DELETED;
        }
    }
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        const struct log_file *swap = &files->items[i];
        int64_t end;
        if (swap->state != LOG_FILE_SWAP || swap->kind != LOG_FILE_LOG) {
            continue;
        }
        error = log_swap_range(log, swap, &end);
        for (size_t j = 0; error == 0 && j < files->count; j++) {
            struct log_file *old = &files->items[j];
            if (old->state == LOG_FILE_FINAL && old->number >= swap->number && old->number < end) {
                error = log_file_remove(log, old);
                old->state = LOG_FILE_DELETED;
            }
        }
    }
    bool placed = false;
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        char from[LOG_PATH_BYTES];
        char to[LOG_PATH_BYTES];
        if (files->items[i].state == LOG_FILE_SWAP) {
            placed = true;
            error = log_file_path(log, &files->items[i], LOG_FILE_SWAP, from);
            error = error == 0 ? log_file_path(log, &files->items[i], LOG_FILE_FINAL, to) : error;
            error = error == 0 ? io_rename(log->place.fs, from, to) : error;
        }
    }
    if (error == 0 && placed) {
        error = io_sync_directory(log->place.fs, log->place.directory);
    }
    return error == 0 ? log_files_list(log, files) : error;
}

#define CLEANED_FILE_BYTES_MAX 64

/* One that cannot be read or says nothing leaves the log as it is. */
static void log_load_cleaned(struct log *log)
{
    char path[LOG_PATH_BYTES];
    uint8_t *text;
    size_t size;
    int printed = snprintf(path, sizeof path, "%s/%s", log->place.directory, LOG_CLEANED_FILE);
    if (printed > 0 && printed < LOG_PATH_BYTES &&
        io_read_whole(log->place.fs, path, CLEANED_FILE_BYTES_MAX, &text, &size) == 0) {
        int64_t offset = strtoll((char *)text, NULL, 10);
        log->cleaned_below = offset > 0 ? offset : 0;
        mem_free(text);
    }
}

static bool log_files_have(const struct log_files *files, int64_t number, enum log_file_kind kind)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].number == number && files->items[i].kind == kind &&
            files->items[i].state == LOG_FILE_FINAL) {
            return true;
        }
    }
    return false;
}

/* Whether the segment whose record file is items[at] has both indexes; they follow it. */
static bool log_files_have_indexes(const struct log_files *files, size_t at)
{
    int there = 0;
    for (size_t i = at + 1; i < files->count && files->items[i].number == files->items[at].number;
         i++) {
        const struct log_file *file = &files->items[i];
        bool index = file->kind == LOG_FILE_INDEX || file->kind == LOG_FILE_TIMEINDEX;
        there += index && file->state == LOG_FILE_FINAL ? 1 : 0;
    }
    ASSERT(there <= 2);
    return there == 2;
}

static int log_load_segments(struct log *log, struct log_files *files)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        const struct log_file *file = &files->items[i];
        struct segment *segment;
        ASSERT(file->state == LOG_FILE_FINAL);
        if (file->kind != LOG_FILE_LOG) {
            if (file->kind != LOG_FILE_SNAPSHOT &&
                !log_files_have(files, file->number, LOG_FILE_LOG)) {
                error = log_file_remove(log, file);
            }
            continue;
        }
        error = log_add_segment(log, file->number, &segment);
        if (error == 0) {
            error = segment_load(segment);
        }
        if (error == 0) {
            log->size_bytes += segment->size_bytes;
            segment->indexes_made = log_files_have_indexes(files, i);
            error = segment_idle(segment);
        }
    }
    return error;
}

/* A walk over one segment that accounts for its batches. */
struct recovery_walk {
    bool check_crc;
    bool whole; /* from the start: indexes, epochs and producers are made anew */
    int64_t dense_from; /* no gap between batches at or above it; what lies below was synced */
    int64_t next_offset;
    int32_t last_epoch; /* of the last sound batch; -1: none */
    /* In a log with gaps: where the batches begin that have one before them and none that follows
     * at their end. Either compaction left them so, or a base offset is not what was written. */
    int64_t doubtful_position; /* -1: none */
    int64_t doubtful_offset;   /* where they would begin without the gap */
    uint8_t *buffer;
    size_t buffer_capacity;
};

/* Whether the batch is what a broker would have written there: 1, 0, or an error. */
static int recovery_batch_is_sound(struct recovery_walk *walk, struct segment *segment,
                                   const struct batch *batch, int64_t position)
{
    int64_t last_offset = batch_last_offset(batch);
    if (batch->base_offset < walk->next_offset || last_offset < batch->base_offset ||
        last_offset - segment->base_offset > INT32_MAX) {
        return 0;
    }
    /* The base offset is not under the CRC. Only compaction leaves gaps. */
    if (walk->next_offset >= walk->dense_from && batch->base_offset != walk->next_offset) {
        return 0;
    }
    ASSERT(position >= 0 && position + batch->size_bytes <= segment->size_bytes);
    bool needed = walk->check_crc || batch_is_control(batch);
    if (!needed || batch->size_bytes < BATCH_HEADER_BYTES) {
        return 1;
    }
    int error = mem_grow((void **)&walk->buffer, &walk->buffer_capacity, batch->size_bytes, 1);
    if (error == 0) {
        error = segment_read(segment, walk->buffer, batch->size_bytes, position);
    }
    if (error != 0) {
        return error;
    }
    return !walk->check_crc || batch_any_crc_holds(walk->buffer, batch->size_bytes);
}

static int recovery_account(struct log *log, struct recovery_walk *walk, struct segment *segment,
                            const struct batch *batch, int64_t position)
{
    ASSERT(batch->base_offset >= walk->next_offset);
    if (!walk->whole) {
        return segment_account(segment, batch, position, log->config->index_interval_bytes);
    }
    if (batch->partition_leader_epoch > leader_epochs_latest(&log->epochs)) {
        int error = leader_epochs_assign(&log->epochs, batch->partition_leader_epoch,
                                         batch->base_offset);
        if (error != 0) {
            return error;
        }
    }
    return log_account(log, segment, batch, walk->buffer, position);
}

/* Walks a segment from a position; *valid is where the sound batches end. */
static int recovery_walk_segment(struct log *log, struct recovery_walk *walk,
                                 struct segment *segment, int64_t from, int64_t *valid)
{
    struct segment_scan scan;
    struct batch batch;
    int64_t position;
    segment_scan_init(&scan, segment, from, segment->size_bytes);
    *valid = from;
    walk->doubtful_position = -1;
    int found;
    while ((found = segment_scan_next(&scan, &batch, &position)) == 1) {
        int sound = recovery_batch_is_sound(walk, segment, &batch, position);
        if (sound <= 0) {
            found = sound;
            break;
        }
        int error = recovery_account(log, walk, segment, &batch, position);
        if (error != 0) {
            return error;
        }
        if (batch.base_offset == walk->next_offset) {
            walk->doubtful_position = -1;
        } else if (walk->doubtful_position < 0) {
            walk->doubtful_position = position;
            walk->doubtful_offset = walk->next_offset;
        }
        walk->next_offset = batch_last_offset(&batch) + 1;
        walk->last_epoch = batch.partition_leader_epoch;
        *valid = scan.position;
        ASSERT(walk->next_offset > segment->base_offset);
    }
    ASSERT(*valid >= from && *valid <= segment->size_bytes);
    return found == ERR_CORRUPT ? 0 : found;
}

static int recovery_cut(struct log *log, struct segment *segment, int64_t valid,
                        int64_t next_offset)
{
    ASSERT(valid >= 0 && valid <= segment->size_bytes);
    ASSERT(next_offset >= segment->base_offset);
    if (valid == segment->size_bytes) {
        return 0;
    }
    int64_t max_ms = segment->max_timestamp_ms;
    int64_t max_offset = segment->max_timestamp_offset;
    int32_t since_index = segment->bytes_since_index;
    log->size_bytes -= segment->size_bytes - valid;
    int error = segment_truncate(segment, valid, next_offset);
    if (error == 0) {
        /* Or what is cut off could come back after a loss of power, between what follows now. */
        error = io_file_sync(&segment->file->file);
    }
    /* What the walk has just learned of the sound part still holds. */
    segment->max_timestamp_ms = max_ms;
    segment->max_timestamp_offset = max_offset;
    segment->bytes_since_index = since_index;
    segment->timestamps_known = true;
    return error;
}

/* Keeps so many entries of the index of offsets. An Apache Kafka that died leaves zeros at the end
 * of both indexes, and takes those of a finished segment for entries: for a last time of 0, with
 * which nothing is found by time and retention takes the segment at once. */
static int recovery_cut_indexes(struct segment *segment, int64_t count)
{
    int64_t times = index_file_count(&segment->times);
    int error = times < 0 ? (int)times : index_file_truncate(&segment->times, (uint32_t)times);
    return error == 0 ? index_file_truncate(&segment->offsets, (uint32_t)count) : error;
}

/* Position and offset of the newest index entry that fits the file. */
static int recovery_tail(struct segment *segment, int64_t *position, int64_t *next_offset)
{
    *position = 0;
    *next_offset = segment->base_offset;
    int64_t count = index_file_count(&segment->offsets);
    for (; count > 0; count--) {
        uint8_t entry[OFFSET_ENTRY_BYTES];
        int error = index_file_read(&segment->offsets, (uint32_t)(count - 1), entry);
        if (error != 0) {
            return error;
        }
        struct reader reader;
        reader_init(&reader, entry, sizeof entry);
        int64_t last_offset = segment->base_offset + reader_i32(&reader);
        int64_t at = reader_i32(&reader);
        struct segment_scan scan;
        struct batch batch;
        if (at < 0 || at >= segment->size_bytes) {
            continue;
        }
        segment_scan_init(&scan, segment, at, segment->size_bytes);
        if (segment_scan_next(&scan, &batch, position) == 1 &&
            batch.base_offset >= segment->base_offset &&
            batch_last_offset(&batch) == last_offset) {
            ASSERT(*position == at);
            segment->indexed_offset = last_offset;
            *next_offset = batch.base_offset;
            return recovery_cut_indexes(segment, count);
        }
    }
    *position = 0;
    return count < 0 ? (int)count : segment_reset_indexes(segment);
}

/* The epoch of a segment's first batch; -1 when it has none that tells. */
static int32_t segment_first_epoch(struct segment *segment)
{
    struct segment_scan scan;
    struct batch batch;
    int64_t position;
    if (segment_open(segment, false) != 0) {
        return -1;
    }
    segment_scan_init(&scan, segment, 0, segment->size_bytes);
    return segment_scan_next(&scan, &batch, &position) == 1 ? batch.partition_leader_epoch : -1;
}

/* The process may have died before it wrote an epoch of which there are records: the batches tell
 * where it began, from the last segment on that begins with an epoch that is known. */
static int recovery_learn_epochs(struct log *log)
{
    int32_t known = leader_epochs_latest(&log->epochs);
    ASSERT(log->segment_count > 0);
    size_t index = log->segment_count - 1;
    for (; index > 0; index--) {
        int32_t first = segment_first_epoch(log->segments[index]);
        if (first >= 0 && first <= known) {
            break;
        }
    }
    int error = 0;
    for (; error == 0 && index < log->segment_count; index++) {
        struct segment_scan scan;
        struct batch batch;
        int64_t position;
        int found = segment_open(log->segments[index], false);
        segment_scan_init(&scan, log->segments[index], 0, log->segments[index]->size_bytes);
        while (found >= 0 && error == 0 &&
               (found = segment_scan_next(&scan, &batch, &position)) == 1) {
            if (batch.partition_leader_epoch > leader_epochs_latest(&log->epochs)) {
                error = leader_epochs_assign(&log->epochs, batch.partition_leader_epoch,
                                             batch.base_offset);
            }
        }
        error = error == 0 && found < 0 ? found : error;
    }
    return error;
}

/* The active segment of a log whose files are all there: walks its end. */
static int recovery_end(struct log *log, bool check_crc, struct err_message *message)
{
    struct segment *active = log_active(log);
    int64_t position;
    int64_t valid;
    struct recovery_walk walk = {.check_crc = check_crc, .dense_from = INT64_MAX, .last_epoch = -1};
    int error = recovery_tail(active, &position, &walk.next_offset);
    if (error == 0) {
        error = recovery_walk_segment(log, &walk, active, position, &valid);
    }
    mem_free(walk.buffer);
    if (error != 0) {
        return error;
    }
    if (valid != active->size_bytes && !check_crc) {
        return err_set(message, ERR_CORRUPT,
                       "segment %" PRId64 " was closed in order but is damaged at byte %" PRId64,
                       active->base_offset, valid);
    }
    log->log_end_offset = walk.next_offset;
    error = recovery_cut(log, active, valid, walk.next_offset);
    /* Of a segment that had just been begun the one before it tells. */
    bool untold = walk.last_epoch < 0 && check_crc && log->segment_count > 1;
    return error == 0 && (untold || walk.last_epoch > leader_epochs_latest(&log->epochs))
               ? recovery_learn_epochs(log)
               : error;
}

static int log_load_newest_snapshot(struct log *log, struct log_files *files, int64_t at_most,
                                    int64_t *loaded)
{
    *loaded = -1;
    for (size_t i = files->count; i > 0; i--) {
        const struct log_file *file = &files->items[i - 1];
        if (file->kind != LOG_FILE_SNAPSHOT || file->number > at_most) {
            continue;
        }
        int error = producer_state_load_snapshot(&log->producers, &log->place, file->number,
                                                 log->now_ms,
                                                 log->config->producer_id_expiration_ms);
        if (error == 0) {
            *loaded = file->number;
            ASSERT(log->producers.snapshot_offset == *loaded);
            return 0;
        }
        if (error != ERR_CORRUPT && error != ERR_NOT_FOUND) {
            return error;
        }
        error = log_file_remove(log, file);
        if (error != 0) {
            return error;
        }
    }
    producer_state_clear(&log->producers);
    log->producers.snapshot_offset = -1;
    return 0;
}

/* Takes the producers of one segment's batches in [from, to) in. What the process died too early to
 * write of an aborted transaction is written now. */
static int log_replay_segment(struct log *log, struct segment *segment, int64_t from, int64_t to)
{
    struct batch batch;
    int64_t position;
    int found = segment_find(segment, from, &batch, &position);
    if (found != 1) {
        return found;
    }
    struct segment_scan scan;
    struct recovery_walk walk = {.dense_from = INT64_MAX,
                                 .next_offset = segment->base_offset,
                                 .last_epoch = -1};
    segment_scan_init(&scan, segment, position, segment->size_bytes);
    while ((found = segment_scan_next(&scan, &batch, &position)) == 1 && batch.base_offset < to) {
        if (batch.producer_id < 0 || batch.base_offset < from) {
            continue;
        }
        struct segment_aborted aborted;
        int error = recovery_batch_is_sound(&walk, segment, &batch, position);
        if (error == 1) {
            error = log_account_producer(log, &batch, walk.buffer, &aborted);
        }
        if (error == 1) {
            error = segment_append_aborted(segment, &aborted);
        }
        if (error != 0) {
            found = error;
            break;
        }
    }
    mem_free(walk.buffer);
    return found < 0 && found != ERR_CORRUPT ? found : 0;
}

static int log_replay_producers(struct log *log, int64_t from, int64_t to)
{
    int error = 0;
    ASSERT(from < to);
    /* Not beyond: what lies there may be torn, and is not recovered yet. */
    for (size_t i = log_segment_index(log, from);
         error == 0 && i < log->segment_count && log->segments[i]->base_offset < to; i++) {
        if (log->segments[i]->size_bytes > 0) {
            error = log_replay_segment(log, log->segments[i], from, to);
        }
    }
    return error;
}

static int log_load_producers(struct log *log, struct log_files *files, int64_t to)
{
    int64_t loaded;
    int error = log_load_newest_snapshot(log, files, to, &loaded);
    int64_t from = loaded >= 0 ? loaded : log->segments[0]->base_offset;
    return error == 0 && from < to ? log_replay_producers(log, from, to) : error;
}

int log_remove_snapshots(struct log *log)
{
    struct log_files files = {0};
    int error = log_files_list(log, &files);
    for (size_t i = 0; error == 0 && i < files.count; i++) {
        if (files.items[i].kind == LOG_FILE_SNAPSHOT) {
            error = log_file_remove(log, &files.items[i]);
        }
    }
    mem_free(files.items);
    return error;
}

int log_rebuild_producers(struct log *log)
{
    struct log_files files = {0};
    int error = log_files_list(log, &files);
    for (size_t i = 0; error == 0 && i < files.count; i++) {
        if (files.items[i].kind == LOG_FILE_SNAPSHOT &&
            files.items[i].number > log->log_end_offset) {
            error = log_file_remove(log, &files.items[i]);
        }
    }
    if (error == 0) {
        error = log_load_producers(log, &files, log->log_end_offset);
    }
    mem_free(files.items);
    return error;
}

/* Gives up the segments from index on. */
static int recovery_drop(struct log *log, size_t index)
{
    int error = 0;
    for (size_t i = index; error == 0 && i < log->segment_count; i++) {
        error = segment_rename_deleted(log->segments[i]);
        log->deleted_count++;
    }
    if (error == 0 && index < log->segment_count) {
        log_drop_segments(log, index, log->segment_count - index);
        /* Or they could follow what is written in their place after another loss of power. */
        error = io_sync_directory(log->place.fs, log->place.directory);
    }
    return error;
}

/* Whether what is doubtful is wrong: something overlaps it, or nothing follows it that bears it out
 * and it was not synced either. Compaction leaves both alone: its segments are whole, and it does
 * not touch the last one. */
static bool recovery_doubts(const struct log *log, const struct recovery_walk *walk, size_t index,
                            int64_t valid, int64_t recovery_point)
{
    if (walk->doubtful_position < 0 || walk->doubtful_offset < recovery_point) {
        return false;
    }
    return valid != log->segments[index]->size_bytes || index + 1 == log->segment_count ||
           log->segments[index + 1]->base_offset < walk->next_offset;
}

/* After a crash of the machine: everything from the recovery point's segment on. 1: from the start
 * once more, since something was cut off that had been accounted for. */
static int recovery_whole(struct log *log, struct log_files *files, int64_t recovery_point)
{
    int64_t dense_from =
        recovery_point > log->cleaned_below ? recovery_point : log->cleaned_below;
    size_t index = log_first_unsynced(log, recovery_point);
    int error = log_load_producers(log, files, log->segments[index]->base_offset);
    struct recovery_walk walk = {
        .check_crc = true,
        .whole = true,
        .dense_from = log->config->clean_compact ? INT64_MAX : dense_from,
    };
    for (; error == 0 && index < log->segment_count; index++) {
        struct segment *segment = log->segments[index];
        int64_t valid;
        walk.next_offset = segment->base_offset;
        error = segment_reset_indexes(segment);
        if (error == 0) {
            error = segment_reset_aborted(segment);
        }
        if (error == 0) {
            error = recovery_walk_segment(log, &walk, segment, 0, &valid);
        }
        if (error != 0) {
            break;
        }
        if (recovery_doubts(log, &walk, index, valid, recovery_point)) {
            error = recovery_cut(log, segment, walk.doubtful_position, walk.doubtful_offset);
            error = error == 0 ? recovery_drop(log, index + 1) : error;
            error = error == 0 ? 1 : error;
            break;
        }
        /* The end of a segment may be lost at a batch boundary, which only the next one tells. */
        bool is_cut = valid != segment->size_bytes ||
                      (walk.next_offset >= walk.dense_from && index + 1 < log->segment_count &&
                       log->segments[index + 1]->base_offset != walk.next_offset);
        log->log_end_offset = walk.next_offset;
        error = recovery_cut(log, segment, valid, walk.next_offset);
        error = error == 0 && is_cut ? recovery_drop(log, index + 1) : error;
        if (error == 0 && index + 1 < log->segment_count) {
            error = segment_seal(segment);
        }
    }
    mem_free(walk.buffer);
    return error == 0 ? leader_epochs_write(&log->epochs, &log->place) : error;
}

static int recovery_first_segment(struct log *log, int64_t log_start_offset)
{
    struct segment *added;
    ASSERT(log->segment_count == 0 && log->size_bytes == 0);
    int error = log_add_segment(log, log_start_offset, &added);
    if (error == 0) {
        added->timestamps_known = true;
        log->log_start_offset = log->log_end_offset = log_start_offset;
        /* Where an empty log begins at 0 needs no file to say so. */
        log->directory_dirty |= log_start_offset > 0;
        error = log_start_offset > 0 ? segment_open(added, true) : 0;
    }
    return error;
}

/* Snapshots beyond the end, or of no segment, have no use any more. */
static int recovery_tidy_snapshots(struct log *log, struct log_files *files)
{
    int64_t newest = log->producers.snapshot_offset;
    int error = 0;
    for (size_t i = 0; error == 0 && i < files->count; i++) {
        const struct log_file *file = &files->items[i];
        if (file->kind != LOG_FILE_SNAPSHOT || file->number == newest) {
            continue;
        }
        size_t index = log_segment_index(log, file->number);
        if (file->number > log->log_end_offset ||
            log->segments[index]->base_offset != file->number) {
            error = log_file_remove(log, file);
        }
    }
    return error;
}

static void recovery_epochs(struct log *log)
{
    (void)leader_epochs_truncate_end(&log->epochs, log->log_end_offset);
    (void)leader_epochs_truncate_start(&log->epochs, log->log_start_offset);
}

static int recovery_segments(struct log *log, const struct log_options *options,
                             struct log_files *files, struct err_message *message)
{
    bool whole = !options->clean_shutdown && !options->page_cache_intact;
    int error = whole ? 1 : recovery_end(log, !options->clean_shutdown, message);
    while (error == 1) {
        error = recovery_whole(log, files, options->recovery_point);
    }
    if (error == 0 && !whole) {
        error = log_load_producers(log, files, log->log_end_offset);
    }
    if (error == 0 && log->log_end_offset < options->log_start_offset) {
        return log_restart_at(log, options->log_start_offset);
    }
    int64_t first = log->segments[0]->base_offset;
    log->log_start_offset = options->log_start_offset > first ? options->log_start_offset : first;
    return error == 0 ? recovery_tidy_snapshots(log, files) : error;
}

int log_recover(struct log *log, const struct log_options *options, struct err_message *message)
{
    struct log_files files = {0};
    ASSERT(options->log_start_offset <= LOG_OFFSET_MAX && options->recovery_point >= 0);
    int error = io_make_directory(log->place.fs, log->place.directory);
    bool is_new = error == 0;
    /* The last process may have died before it synced what it made in it. */
    log->directory_dirty = is_new || !options->clean_shutdown;
    if (error == ERR_EXISTS) {
        files.tidy = log;
        error = log_files_list(log, &files);
        files.tidy = NULL;
    }
    if (error == 0 && files.was_cleaned) {
        log_load_cleaned(log);
    }
    for (size_t i = 0; error == 0 && i < files.count; i++) {
        if (files.items[i].state != LOG_FILE_FINAL) {
            error = log_finish_swaps(log, &files);
            break;
        }
    }
    if (error == 0 && !is_new) {
        error = leader_epochs_load(&log->epochs, &log->place);
    }
    if (error == 0) {
        error = log_load_segments(log, &files);
    }
    if (error == 0) {
        error = log->segment_count == 0
                    ? recovery_first_segment(log, options->log_start_offset)
                    : recovery_segments(log, options, &files, message);
    }
    if (error == 0) {
        recovery_epochs(log);
    }
    log->recovery_point = options->clean_shutdown ? log->log_end_offset : options->recovery_point;
    log->recovery_point = log->recovery_point < log->log_end_offset ? log->recovery_point
                                                                    : log->log_end_offset;
    mem_free(files.items);
    /* Where each record is to be on the disk before anybody hears of it, what the last process did
     * not get to must be there before this one serves it. */
    bool strict = log->config->flush_messages != INT64_MAX;
    return error == 0 && strict && !options->clean_shutdown ? log_flush(log) : error;
}
