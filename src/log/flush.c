#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "log/log_internal.h"

/* A record file, pinned, or another file by its name. */
struct log_flush_file {
    struct segment_file *pinned;
    int64_t written_from; /* of the pinned one: what was written since the last sync */
    int64_t written_to;
    int64_t base_offset; /* of the pinned one's segment */
    bool cut; /* at written_to, to give back the room beyond */
    char *path;
};

static int flush_add_path(struct log *log, struct log_flush *flush, int64_t number,
                          const char *suffix)
{
    char path[LOG_PATH_BYTES];
    int error = log_place_path(&log->place, number, suffix, path);
    char *copy = error == 0 ? mem_strndup(path, strlen(path)) : NULL;
    if (copy == NULL) {
        return error != 0 ? error : ERR_NOMEM;
    }
    flush->files[flush->file_count++] = (struct log_flush_file){.path = copy};
    return 0;
}

/* It has no file, and needs none. */
static bool log_is_untouched(const struct log *log)
{
    return log->log_end_offset == 0 && log->segment_count == 1 &&
           !log_active(log)->record_file_made;
}

int log_make_indexes(struct log *log)
{
    int error = 0;
    for (size_t i = 0; error == 0 && !log_is_untouched(log) && i < log->segment_count; i++) {
        log->directory_dirty |= !log->segments[i]->indexes_made;
        error = segment_make_indexes(log->segments[i]);
    }
    return error;
}

static int flush_add_segment(struct log *log, struct log_flush *flush, size_t index)
{
    ASSERT(index < log->segment_count);
    struct segment *segment = log->segments[index];
    int error = segment_open(segment, segment->size_bytes == 0);
    if (error == 0) {
        log->directory_dirty |= !segment->indexes_made;
        error = segment_make_indexes(segment);
    }
    if (error != 0) {
        return error;
    }
    segment_file_ref(segment->file);
    flush->files[flush->file_count++] =
        (struct log_flush_file){.pinned = segment->file,
                                .written_from = segment->file->synced_bytes,
                                .written_to = segment->size_bytes,
                                .base_offset = segment->base_offset,
                                .cut = segment != log_active(log) && segment_has_room(segment)};
    flush->cuts |= flush->files[flush->file_count - 1].cut;
    if (segment == log_active(log)) {
        return 0; /* after a crash its indexes are filled anew */
    }
    error = flush_add_path(log, flush, segment->base_offset, ".index");
    if (error == 0) {
        error = flush_add_path(log, flush, segment->base_offset, ".timeindex");
    }
    if (error == 0) {
        error = flush_add_path(log, flush, segment->base_offset, ".txnindex");
    }
    return error == 0 ? flush_add_path(log, flush, log_segment_end(log, index), ".snapshot")
                      : error;
}

static int flush_add_epochs(const struct log *log, struct log_flush *flush)
{
    char path[LOG_PATH_BYTES];
    int error = leader_epochs_print(&log->epochs, &log->place, path, &flush->epochs);
    flush->epochs_path = error == 0 ? mem_strndup(path, strlen(path)) : NULL;
    flush->epochs_version = log->epochs.version;
    return error == 0 && flush->epochs_path == NULL ? ERR_NOMEM : error;
}

#define FLUSH_FILES_A_SEGMENT 5

int log_flush_prepare(struct log *log, struct log_flush *flush)
{
    *flush = (struct log_flush){.offset = log->log_end_offset,
                                .truncations = log->truncations,
                                .fs = log->place.fs};
    size_t first = log_first_unsynced(log, log->recovery_point);
    size_t count = log->segment_count - first;
    ASSERT(count > 0 && log->place.miss == NULL);
    flush->files = mem_calloc(count * FLUSH_FILES_A_SEGMENT, sizeof *flush->files);
    flush->error = flush->files == NULL ? ERR_NOMEM : 0;
    for (size_t i = first; flush->error == 0 && i < log->segment_count; i++) {
        flush->error = flush_add_segment(log, flush, i);
        ASSERT(flush->file_count <= (i - first + 1) * FLUSH_FILES_A_SEGMENT);
    }
    if (flush->error == 0 && leader_epochs_due(&log->epochs, log->log_end_offset)) {
        flush->error = flush_add_epochs(log, flush);
    }
    if (log->directory_dirty) {
        flush->directory = log->place.directory;
        log->directory_dirty = false;
    }
    log->cuts += flush->cuts ? 1 : 0;
    return flush->error;
}

static int flush_path(struct io_fs *fs, const char *path)
{
    struct io_file file;
    int error = io_file_open(fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file);
    if (error == 0) {
        error = io_file_sync(&file);
        io_file_close(&file);
    }
    /* Not every segment has every index. */
    return error == ERR_NOT_FOUND ? 0 : error;
}

/* The owner may write the file at the same time (a truncation), and so may a log that got the name
 * of this one's directory when that was deleted. */
static int flush_epochs(const struct log_flush *flush)
{
    ASSERT(flush->epochs.size > 0);
    return io_write_unless(flush->fs, flush->epochs_path, flush->epochs.data, flush->epochs.size,
                           flush->left);
}

static int flush_pinned(const struct log_flush_file *file)
{
    struct io_file *records = &file->pinned->file;
    int64_t written = file->written_to - file->written_from;
    int error = written > WRITE_BACK_BYTES_MIN
                    ? io_file_write_back(records, file->written_from, (size_t)written)
                    : 0;
    if (error == 0 && file->cut) {
        error = io_file_truncate(records, file->written_to);
    }
    return error == 0 ? io_file_sync(records) : error;
}

void log_flush_run(struct log_flush *flush)
{
    for (size_t i = 0; flush->error == 0 && i < flush->file_count; i++) {
        const struct log_flush_file *file = &flush->files[i];
        ASSERT((file->pinned != NULL) != (file->path != NULL));
        flush->error =
            file->pinned != NULL ? flush_pinned(file) : flush_path(flush->fs, file->path);
    }
    if (flush->error == 0 && flush->epochs_path != NULL) {
        flush->error = flush_epochs(flush);
    }
    if (flush->error == 0 && flush->directory != NULL) {
        flush->error = io_sync_directory(flush->fs, flush->directory);
    }
}

/* Of a segment that may be gone by now. */
static void flush_forget_room(struct log *log, const struct log_flush_file *file)
{
    struct segment *segment = log->segments[log_segment_index(log, file->base_offset)];
    if (segment->base_offset == file->base_offset && segment->size_bytes == file->written_to) {
        segment_forget_room(segment);
    }
}

int log_flush_finish(struct log *log, struct log_flush *flush)
{
    ASSERT(flush->offset >= 0 && (!flush->cuts || log->cuts > 0));
    log->cuts -= flush->cuts ? 1 : 0;
    for (size_t i = 0; i < flush->file_count; i++) {
        struct segment_file *pinned = flush->files[i].pinned;
        if (pinned != NULL) {
            /* Less after a truncation, maybe: then the next sync has more to write by itself. */
            pinned->synced_bytes =
                flush->error == 0 ? flush->files[i].written_to : pinned->synced_bytes;
            if (flush->error == 0 && flush->files[i].cut) {
                flush_forget_room(log, &flush->files[i]);
            }
            segment_file_unref(pinned);
        }
        mem_free(flush->files[i].path);
    }
    if (flush->error == 0 && flush->epochs_path != NULL) {
        leader_epochs_written(&log->epochs, flush->epochs_version);
    }
    mem_free(flush->epochs_path);
    writer_release(&flush->epochs);
    mem_free(flush->files);
    flush->files = NULL;
    flush->file_count = 0;
    if (flush->error == 0) {
        if (flush->truncations == log->truncations && flush->offset > log->recovery_point) {
            log->recovery_point = flush->offset;
        }
    } else if (flush->directory != NULL) {
        log->directory_dirty = true;
    }
    ASSERT(log->recovery_point <= log->log_end_offset);
    return flush->error;
}

int log_flush(struct log *log)
{
    struct log_flush flush;
    if (log_flush_prepare(log, &flush) == 0) {
        log_flush_run(&flush);
    }
    return log_flush_finish(log, &flush);
}

/* ---- the end of many logs ---- */

int log_seal(struct log *log, bool sync)
{
    int64_t snapshot_offset = log->producers.snapshot_offset;
    int error = segment_seal(log_active(log));
    if (error == 0) {
        error = log_write_snapshot(log, sync);
    }
    log->directory_dirty |= log->producers.snapshot_offset != snapshot_offset;
    return error;
}

bool log_is_synced(const struct log *log)
{
    if (log_is_untouched(log)) {
        return true;
    }
    size_t first = log_first_unsynced(log, log->recovery_point);
    bool made = true;
    for (size_t i = first; i < log->segment_count; i++) {
        made = made && log->segments[i]->indexes_made;
    }
    return made && !log->directory_dirty && log->recovery_point == log->log_end_offset &&
           !leader_epochs_due(&log->epochs, log->log_end_offset) &&
           (log->log_end_offset == 0 || log->producers.snapshot_offset == log->log_end_offset);
}

int log_end(struct log *log)
{
    int error = log_is_untouched(log) ? 0 : log_seal(log, true);
    return error == 0 && !log_is_synced(log) ? log_flush(log) : error;
}

/* The epochs are written under another name first, which is theirs once they are on the disk. */
static int end_epochs(const struct log *log, bool name)
{
    char path[LOG_PATH_BYTES];
    char temporary[LOG_PATH_BYTES];
    struct writer text;
    int error = leader_epochs_print(&log->epochs, &log->place, path, &text);
    if (error == 0) {
        int size = snprintf(temporary, sizeof temporary, "%s" IO_TEMPORARY_SUFFIX, path);
        error = size > 0 && size < LOG_PATH_BYTES ? 0 : ERR_RANGE;
    }
    struct io_fs *fs = log->place.fs;
    if (error == 0) {
        error = name ? io_rename(fs, temporary, path)
                     : io_write_unsynced(fs, temporary, text.data, text.size);
    }
    writer_release(&text);
    return error;
}

int log_end_write(struct log *log)
{
    int error = log_seal(log, false);
    for (size_t i = log_first_unsynced(log, log->recovery_point);
         error == 0 && i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        error = segment_open(segment, segment->size_bytes == 0);
        if (error == 0) {
            error = segment_make_indexes(segment);
        }
        if (error == 0) {
            error = segment_return_room(segment);
        }
    }
    if (error == 0 && leader_epochs_due(&log->epochs, log->log_end_offset)) {
        error = end_epochs(log, false);
    }
    log_close_idle_files(log, INT64_MAX);
    return error;
}

int log_end_name(struct log *log)
{
    return leader_epochs_due(&log->epochs, log->log_end_offset) ? end_epochs(log, true) : 0;
}

void log_end_synced(struct log *log)
{
    log->recovery_point = log->log_end_offset;
    log->directory_dirty = false;
    if (leader_epochs_due(&log->epochs, log->log_end_offset)) {
        leader_epochs_written(&log->epochs, log->epochs.version);
    }
    ASSERT(log_is_synced(log));
}
