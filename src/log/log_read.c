#include "base/assert.h"
#include "base/mem.h"
#include "log/log_internal.h"
#include "protocol/error.h"

static void log_range_release(struct io_file_range *range)
{
    ASSERT(range->owner != NULL);
    segment_file_unref(range->owner);
}

/* Where the batch that holds offset lies: in the newest ones without a look at the disk. */
static int log_locate(struct log *log, struct segment *segment, int64_t offset,
                      int64_t *first_offset, int64_t *position)
{
    if (segment == log_active(log) && log->recent != NULL) {
        for (size_t i = 0; i < LOG_RECENT_MAX; i++) {
            const struct log_recent_batch *recent = &log->recent->batches[i];
            if (recent->base_offset <= offset && offset <= recent->last_offset) {
                ASSERT(recent->position >= 0 && recent->position < segment->size_bytes);
                *first_offset = recent->base_offset;
                *position = recent->position;
                return 1;
            }
        }
    }
    struct batch batch;
    int found = segment_find(segment, offset, &batch, position);
    if (found == 1) {
        *first_offset = batch.base_offset;
    }
    return found;
}

/* The first segment from index on with a batch that reaches offset: 1 with segment and position. */
static int log_locate_from(struct log *log, int64_t offset, size_t *index, int64_t *first_offset,
                           int64_t *position)
{
    int found = 0;
    for (size_t i = log_segment_index(log, offset); found == 0 && i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (segment->size_bytes > 0) {
            found = log_locate(log, segment, offset, first_offset, position);
        }
        if (found == 1 && *first_offset >= log_segment_end(log, i)) {
            return ERR_CORRUPT; /* no CRC covers a base offset */
        }
        *index = i;
    }
    ASSERT(found != 1 || *position < log->segments[*index]->size_bytes);
    return found;
}

/* The byte at which the batches at or above bound begin in a segment. */
static int log_bound_position(struct log *log, size_t index, int64_t bound, int64_t *position)
{
    struct segment *segment = log->segments[index];
    *position = segment->size_bytes;
    if (bound >= log_segment_end(log, index)) {
        return 0;
    }
    int64_t first_offset;
    int64_t at;
    int found = log_locate(log, segment, bound, &first_offset, &at);
    if (found == 1) {
        ASSERT(at < segment->size_bytes);
        *position = at;
    }
    return found < 0 ? found : 0;
}

static int log_first_batch_size(struct segment *segment, int64_t position, int64_t *size)
{
    uint8_t prefix[BATCH_PREFIX_BYTES];
    int error = segment_read(segment, prefix, sizeof prefix, position);
    if (error == 0) {
        *size = batch_view_size(prefix, sizeof prefix);
        error = *size < 0 ? ERR_CORRUPT : 0;
    }
    return error;
}

static bool log_is_hot(const struct log *log, const struct segment *segment, int64_t position)
{
    const struct log_recent *recent = log->recent;
    if (recent == NULL || segment != log_active(log)) {
        return false;
    }
    int64_t age_ms = log->now_ms - recent->hot_ms;
    return age_ms >= 0 && age_ms < 2 * LOG_HOT_MS && position >= recent->hot_position[0] &&
           position >= segment->size_bytes - LOG_HOT_BYTES;
}

int log_read(struct log *log, int64_t start_offset, int64_t bound, size_t max_bytes,
             bool whole_first_batch, struct log_read_result *result)
{
    *result = (struct log_read_result){.first_offset = -1};
    if (start_offset < log->log_start_offset || start_offset > log->log_end_offset) {
        return err_from_wire(KAFKA_OFFSET_OUT_OF_RANGE);
    }
    if (start_offset >= bound || start_offset == log->log_end_offset) {
        return 0;
    }
    size_t index;
    int64_t position;
    int64_t end;
    int found = log_locate_from(log, start_offset, &index, &result->first_offset, &position);
    if (found <= 0) {
        return found;
    }
    struct segment *segment = log->segments[index];
    segment->used_ms = log->now_ms;
    int error = log_bound_position(log, index, bound, &end);
    if (error != 0 || end <= position) {
        return error;
    }
    int64_t size = end - position;
    if ((uint64_t)size > max_bytes) {
        int64_t first_size;
        error = log_first_batch_size(segment, position, &first_size);
        if (error != 0) {
            return error;
        }
        if (first_size > size) {
            return ERR_CORRUPT;
        }
        if (first_size > (int64_t)max_bytes) {
            /* A cut first batch is of no use to anybody. */
            size = whole_first_batch ? first_size : 0;
            result->cut = !whole_first_batch && max_bytes > 0;
        } else {
            size = (int64_t)max_bytes;
        }
    }
    if (size == 0) {
        return 0;
    }
    error = segment_open(segment, false);
    if (error != 0) {
        return error;
    }
    ASSERT(size > 0 && position + size <= segment->size_bytes);
    segment_file_ref(segment->file);
    result->range = (struct io_file_range){.file = &segment->file->file,
                                           .position = position,
                                           .size = (size_t)size,
                                           .hot = log_is_hot(log, segment, position),
                                           .release = log_range_release,
                                           .owner = segment->file};
    result->has_range = true;
    return 0;
}

int64_t log_available_bytes(struct log *log, int64_t start_offset, int64_t bound)
{
    size_t index;
    int64_t first_offset;
    int64_t position;
    int64_t end;
    if (start_offset < log->log_start_offset || start_offset >= bound ||
        log_locate_from(log, start_offset, &index, &first_offset, &position) != 1 ||
        log_bound_position(log, index, bound, &end) != 0) {
        return 0;
    }
    return end > position ? end - position : 0;
}

/* An upper bound of the offsets in the bytes that were read (storage format 15.2): the next batch
 * that the index knows, else the end of the segment. Apache Kafka's is the same. */
static int log_read_upper_bound(struct log *log, int64_t start_offset, size_t read_bytes,
                                int64_t *upper)
{
    size_t index;
    int64_t first_offset;
    int64_t position;
    *upper = log->log_end_offset;
    /* Where the bytes are, which a gap puts into a later segment than start_offset. */
    int found = log_locate_from(log, start_offset, &index, &first_offset, &position);
    if (found != 1) {
        return found;
    }
    int64_t end = log_segment_end(log, index);
    found = segment_indexed_from(log->segments[index], position + (int64_t)read_bytes, upper);
    *upper = found == 1 && *upper < end ? *upper : end;
    return found < 0 ? found : 0;
}

/* What every entry of a transaction index fulfils; one that does not is damaged. */
static bool aborted_is_sound(const struct segment *segment, const struct segment_aborted *aborted)
{
    return aborted->producer_id >= 0 && aborted->first_offset >= 0 &&
           aborted->first_offset <= aborted->last_offset &&
           aborted->last_offset >= segment->base_offset &&
           aborted->last_offset - segment->base_offset <= INT32_MAX &&
           aborted->last_stable_offset >= 0;
}

/* Whether a segment from index on tells of an aborted transaction: 1, 0, or an error. */
static int log_has_aborted(struct log *log, size_t index)
{
    int64_t count = 0;
    for (size_t i = index; count == 0 && i < log->segment_count; i++) {
        count = index_file_count(&log->segments[i]->aborted);
    }
    return count < 0 ? (int)count : count > 0;
}

int log_aborted_transactions(struct log *log, int64_t start_offset, size_t read_bytes,
                             struct arena *arena, struct log_aborted **aborted, int32_t *count)
{
    *aborted = NULL;
    *count = 0;
    struct log_aborted *list = NULL;
    size_t capacity = 0;
    size_t index = log_segment_index(log, start_offset);
    int some = log_has_aborted(log, index);
    if (some <= 0) {
        return some;
    }
    int64_t upper;
    int error = log_read_upper_bound(log, start_offset, read_bytes, &upper);
    bool done = false;
    for (size_t i = index; error == 0 && !done && i < log->segment_count; i++) {
        struct segment_aborted entry;
        int found;
        for (uint32_t j = 0; (found = segment_read_aborted(log->segments[i], j, &entry)) == 1;
             j++) {
            if (!aborted_is_sound(log->segments[i], &entry)) {
                found = ERR_CORRUPT;
                break;
            }
            if (entry.last_offset >= start_offset && entry.first_offset < upper) {
                error = mem_grow((void **)&list, &capacity, (size_t)*count + 1, sizeof *list);
                if (error != 0) {
                    break;
                }
                list[(*count)++] = (struct log_aborted){entry.producer_id, entry.first_offset};
            }
            if (entry.last_stable_offset >= upper) {
                done = true;
                break;
            }
        }
        error = found < 0 ? found : error;
    }
    if (error == 0 && *count > 0) {
        *aborted = arena_array(arena, (size_t)*count, sizeof **aborted);
        error = *aborted == NULL ? ERR_NOMEM : 0;
        if (error == 0) {
            memcpy(*aborted, list, (size_t)*count * sizeof *list);
        }
    }
    ASSERT(error != 0 || (*aborted == NULL) == (*count == 0));
    mem_free(list);
    return error;
}

int log_offset_by_timestamp(struct log *log, int64_t timestamp_ms, int64_t bound,
                            struct log_offset *found)
{
    *found = (struct log_offset){-1, -1, -1};
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        int64_t max_ms;
        int64_t max_offset;
        int error = segment_max_timestamp(segment, &max_ms, &max_offset);
        if (error != 0) {
            return error;
        }
        if (max_ms < timestamp_ms || log_segment_end(log, i) <= log->log_start_offset) {
            continue;
        }
        int64_t offset;
        int64_t found_ms;
        int hit = segment_find_time(segment, timestamp_ms, log->log_start_offset, &offset,
                                    &found_ms);
        if (hit < 0) {
            return hit;
        }
        if (hit == 1) {
            ASSERT(offset >= log->log_start_offset);
            if (offset < bound) {
                *found = (struct log_offset){offset, found_ms, log_epoch_of_offset(log, offset)};
            }
            return 0;
        }
    }
    return 0;
}

int log_offset_of_max_timestamp(struct log *log, struct log_offset *found)
{
    *found = (struct log_offset){-1, -1, -1};
    struct segment *best = NULL;
    int64_t best_ms = -1;
    int64_t best_offset = -1;
    for (size_t i = 0; i < log->segment_count; i++) {
        int64_t max_ms;
        int64_t max_offset;
        int error = segment_max_timestamp(log->segments[i], &max_ms, &max_offset);
        if (error != 0) {
            return error;
        }
        if (max_ms > best_ms) {
            best = log->segments[i];
            best_ms = max_ms;
            best_offset = max_offset;
        }
    }
    if (best == NULL) { /* no record has a time: the first one is as good as any */
        best = log->segments[0];
        best_offset = best->base_offset;
    }
    int64_t offset;
    int32_t leader_epoch; /* the batch's own: it may lie below the start of the log */
    int hit = segment_find_timestamp_in(best, best_offset, best_ms, &offset, &leader_epoch);
    if (hit == 1) {
        *found = (struct log_offset){offset, best_ms, leader_epoch};
    }
    return hit < 0 ? hit : 0;
}
