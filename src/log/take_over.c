/* A copy of a log that takes its place: what its records do not say comes from the log itself. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "log/log_internal.h"

int log_first_readable(struct log *log, int64_t *offset)
{
    struct log_read_result result;
    *offset = log->log_start_offset;
    int error = log_read(log, log->log_start_offset, log->log_end_offset, 1, true, &result);
    if (error == 0 && result.has_range) {
        /* The first batch may begin below the start, or, after a compaction, above. */
        *offset = result.first_offset < *offset ? result.first_offset : *offset;
        result.range.release(&result.range);
    }
    return error;
}

static int take_over_cleaned(struct log *copy, const struct log *from)
{
    char path[LOG_PATH_BYTES];
    char text[32];
    if (from->cleaned_below == 0) {
        return 0;
    }
    int size = snprintf(path, sizeof path, "%s/%s", copy->place.directory, LOG_CLEANED_FILE);
    if (size < 0 || size >= LOG_PATH_BYTES) {
        return ERR_RANGE;
    }
    copy->cleaned_below = from->cleaned_below;
    size = snprintf(text, sizeof text, "%" PRId64 "\n", from->cleaned_below);
    return io_write_atomically(copy->place.fs, path, text, (size_t)size);
}

static int take_over_epochs(struct log *copy, const struct log *from)
{
    int error = 0;
    leader_epochs_clear(&copy->epochs);
    for (size_t i = 0; error == 0 && i < from->epochs.count; i++) {
        error = leader_epochs_assign(&copy->epochs, from->epochs.entries[i].epoch,
                                     from->epochs.entries[i].start_offset);
    }
    return error == 0 ? leader_epochs_write(&copy->epochs, &copy->place) : error;
}

int log_take_over(struct log *copy, const struct log *from)
{
    ASSERT(copy->log_end_offset == from->log_end_offset && from->clean == NULL);
    int error = producer_state_copy(&copy->producers, &from->producers);
    if (error == 0) {
        error = producer_state_write_snapshot(&copy->producers, &copy->place, copy->log_end_offset,
                                              true);
    }
    if (error == 0) {
        error = take_over_epochs(copy, from);
    }
    if (error == 0) {
        error = take_over_cleaned(copy, from);
    }
    if (error == 0 && from->log_start_offset > copy->log_start_offset) {
        error = log_raise_start_offset(copy, from->log_start_offset);
    }
    log_assert_invariants(copy);
    return error;
}

int log_move_directory(struct log *log, const char *path)
{
    char *copy = mem_strndup(path, strlen(path));
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    int error = io_rename(log->place.fs, log->place.directory, path);
    if (error != 0) {
        mem_free(copy);
        return error;
    }
    mem_free(log->place.directory);
    log->place.directory = copy;
    log->directory_dirty = true;
    return 0;
}
