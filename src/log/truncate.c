/* What makes a log shorter: retention, DeleteRecords, truncation to a leader's log. */
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "log/clean_internal.h"

int log_remove_snapshot(struct log *log, int64_t offset)
{
    char path[LOG_PATH_BYTES];
    int error = log_place_path(&log->place, offset, ".snapshot", path);
    if (error == 0) {
        error = io_remove(log->place.fs, path);
    }
    return error == ERR_NOT_FOUND ? 0 : error;
}

/* Gives the first count segments up: renames their files, forgets their snapshots. */
static int log_give_up_first(struct log *log, size_t count)
{
    ASSERT(count > 0 && count < log->segment_count);
    for (size_t i = 0; i < count; i++) {
        int error = segment_rename_deleted(log->segments[i]);
        if (error == 0 && log->segments[i]->base_offset != log->producers.snapshot_offset) {
            error = log_remove_snapshot(log, log->segments[i]->base_offset);
        }
        if (error != 0) {
            return error;
        }
    }
    log->deleted_count += (uint32_t)count;
    log->directory_dirty = true;
    log_drop_segments(log, 0, count);
    return 0;
}

int log_raise_start_offset(struct log *log, int64_t offset)
{
    ASSERT(offset <= log->log_end_offset);
    if (offset <= log->log_start_offset) {
        return 0;
    }
    log->log_start_offset = offset;
    /* Not written at once: recovery truncates what the file has too much of. */
    (void)leader_epochs_truncate_start(&log->epochs, offset);
    log_assert_invariants(log);
    return 0;
}

/* Largest timestamp of a segment; the time of the last append stands in when no record has one. */
static int log_segment_age(struct segment *segment, int64_t now_ms, int64_t *age_ms)
{
    int64_t timestamp_ms;
    int64_t offset;
    int error = segment_max_timestamp(segment, &timestamp_ms, &offset);
    *age_ms = now_ms - (timestamp_ms >= 0 ? timestamp_ms : segment_written_ms(segment));
    return error;
}

/* Whether the rules of storage format section 13 let segment i go: 1, 0, or an error. */
static int log_may_delete(struct log *log, size_t i, int64_t high_watermark, int64_t now_ms,
                          int64_t *excess_bytes)
{
    struct segment *segment = log->segments[i];
    int64_t end = log_segment_end(log, i);
    bool is_last = i + 1 == log->segment_count;
    ASSERT(end > segment->base_offset || is_last);
    if (high_watermark < end || (is_last && segment->size_bytes == 0)) {
        return 0;
    }
    if (!is_last && end <= log->log_start_offset) {
        return 1;
    }
    if (!log->config->clean_delete) {
        return 0;
    }
    if (*excess_bytes >= segment->size_bytes) {
        return 1;
    }
    int64_t age_ms;
    int error = log_segment_age(segment, now_ms, &age_ms);
    if (error == 0 && log->config->retention_ms >= 0 && age_ms > log->config->retention_ms) {
        error = segment_confirm_max_timestamp(segment);
        error = error == 0 ? log_segment_age(segment, now_ms, &age_ms) : error;
    }
    if (error != 0) {
        return error;
    }
    return log->config->retention_ms >= 0 && age_ms > log->config->retention_ms;
}

int log_apply_retention(struct log *log, int64_t high_watermark, int64_t now_ms, int32_t *deleted)
{
    ASSERT(log->place.miss == NULL);
    *deleted = 0;
    if (log->clean != NULL) {
        return 0; /* it counts on its segments; soon it is done */
    }
    log->now_ms = now_ms;
    int64_t excess_bytes =
        log->config->retention_bytes >= 0 ? log->size_bytes - log->config->retention_bytes : -1;
    size_t count = 0;
    while (count < log->segment_count) {
        int may = log_may_delete(log, count, high_watermark, now_ms, &excess_bytes);
        if (may < 0) {
            return may;
        }
        if (may == 0) {
            break;
        }
        excess_bytes -= log->segments[count]->size_bytes;
        count++;
    }
    if (count == 0) {
        return 0;
    }
    int error = count == log->segment_count ? log_roll(log) : 0;
    if (error == 0) {
        error = log_give_up_first(log, count);
    }
    if (error == 0) {
        error = log_raise_start_offset(log, log->segments[0]->base_offset);
        *deleted = (int32_t)count;
    }
    log->recovery_point = log->recovery_point < log->log_start_offset ? log->log_start_offset
                                                                      : log->recovery_point;
    ASSERT(error != 0 || log->segments[0]->base_offset <= high_watermark);
    log_assert_invariants(log);
    return error;
}

struct remove_deleted {
    struct io_fs *fs;
    const char *directory;
    int error;
};

static int remove_deleted_visit(void *context, const char *name, bool is_directory)
{
    struct remove_deleted *removal = context;
    size_t size = strlen(name);
    const char *suffix = ".deleted";
    if (is_directory || size < strlen(suffix) ||
        strcmp(name + size - strlen(suffix), suffix) != 0 ||
        strstr(name, ".checkpoint") != NULL) {
        return 0;
    }
    char path[LOG_PATH_BYTES];
    int printed = snprintf(path, sizeof path, "%s/%s", removal->directory, name);
    if (printed > 0 && printed < LOG_PATH_BYTES) {
        removal->error = io_remove(removal->fs, path);
    }
    return removal->error;
}

int log_remove_deleted(struct io_fs *fs, const char *directory)
{
    struct remove_deleted removal = {fs, directory, 0};
    return io_list(fs, directory, remove_deleted_visit, &removal);
}

bool log_take_deleted(struct log *log)
{
    bool any = log->deleted_count > 0;
    log->deleted_count = 0;
    return any;
}

int log_restart_at(struct log *log, int64_t offset)
{
    ASSERT(offset >= 0 && log->place.miss == NULL);
    size_t count = log->segment_count;
    int error = clean_yield(log);
    /* What they say of producers would be believed again once the log has come that far. */
    error = error == 0 ? log_remove_snapshots(log) : error;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = segment_rename_deleted(log->segments[i]);
    }
    if (error != 0) {
        return error;
    }
    log->deleted_count += (uint32_t)count;
    log_drop_segments(log, 0, count);
    ASSERT(log->size_bytes == 0);
    log->truncations++;
    log->log_start_offset = offset;
    log->log_end_offset = offset;
    log->recovery_point = offset;
    log->directory_dirty = true;
    log_forget_recent(log);
    producer_state_clear(&log->producers);
    log->producers.snapshot_offset = -1;
    leader_epochs_clear(&log->epochs);
    struct segment *added;
    error = log_add_segment(log, offset, &added);
    if (error == 0) {
        added->timestamps_known = true;
        error = segment_open(added, true);
        log_assert_invariants(log);
    }
    return error == 0 ? leader_epochs_write(&log->epochs, &log->place) : error;
}

int log_truncate_to(struct log *log, int64_t offset)
{
    ASSERT(offset >= 0 && log->place.miss == NULL);
    if (offset >= log->log_end_offset) {
        return 0;
    }
    if (offset < log->segments[0]->base_offset) {
        return log_restart_at(log, offset);
    }
    size_t keep = log_segment_index(log, offset) + 1;
    if (keep < log->segment_count && log->cuts > 0) {
        return ERR_AGAIN; /* a helper may be about to cut the file that would be written to */
    }
    int error = clean_yield(log);
    for (size_t i = keep; error == 0 && i < log->segment_count; i++) {
        error = segment_rename_deleted(log->segments[i]);
        log->deleted_count++;
    }
    if (error != 0) {
        return error;
    }
    log_drop_segments(log, keep, log->segment_count - keep);
    struct segment *segment = log_active(log);
    struct batch batch;
    int64_t position;
    int found = segment_find(segment, offset, &batch, &position);
    if (found < 0) {
        return found;
    }
    int64_t end = found == 1 ? batch.base_offset : offset;
    end = end < segment->base_offset ? segment->base_offset : end;
    if (found == 1) {
        int64_t before = segment->size_bytes;
        error = segment_truncate(segment, position, end);
        log->size_bytes -= before - segment->size_bytes;
    }
    ASSERT(end <= offset && end >= segment->base_offset);
    log->truncations++;
    log->log_end_offset = end;
    log->log_start_offset = log->log_start_offset < end ? log->log_start_offset : end;
    log->recovery_point = log->recovery_point < end ? log->recovery_point : end;
    log->directory_dirty = true;
    log_forget_recent(log);
    if (error == 0 && leader_epochs_truncate_end(&log->epochs, end) == 1) {
        error = leader_epochs_write(&log->epochs, &log->place);
    }
    if (error == 0) {
        error = log_rebuild_producers(log);
    }
    log_assert_invariants(log);
    return error;
}
