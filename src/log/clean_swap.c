/* The part of a cleaning that is its log's owner's: what there is to clean, and putting new
 * segments in the place of old ones. */
#include "base/assert.h"
#include "base/mem.h"
#include "log/clean_internal.h"

/* ---- what there is to clean ---- */

/* The first segment whose newest record is not old enough yet: its base, or otherwise. */
static int survey_min_lag(struct log *log, int64_t first_dirty, int64_t now_ms, int64_t *end)
{
    int64_t lag_ms = log->config->min_compaction_lag_ms;
    for (size_t i = log_segment_index(log, first_dirty); i + 1 < log->segment_count && lag_ms > 0;
         i++) {
        int64_t max_ms;
        int64_t offset;
        int error = segment_max_timestamp(log->segments[i], &max_ms, &offset);
        if (error != 0) {
            return error;
        }
        if (max_ms > now_ms - lag_ms) {
            *end = log->segments[i]->base_offset < *end ? log->segments[i]->base_offset : *end;
            return 0;
        }
    }
    return 0;
}

/* For how long the oldest dirty segment has been waiting beyond max.compaction.lag.ms. */
static int survey_max_lag(struct log *log, int64_t first_dirty, int64_t now_ms, int64_t *overdue_ms)
{
    int64_t lag_ms = log->config->max_compaction_lag_ms;
    int64_t until_ms = lag_ms < now_ms ? now_ms - lag_ms : 0;
    *overdue_ms = 0;
    for (size_t i = log_segment_index(log, first_dirty); i + 1 < log->segment_count && until_ms > 0;
         i++) {
        int64_t first_ms;
        int error = segment_first_timestamp(log->segments[i], &first_ms);
        if (error != 0) {
            return error;
        }
        if (first_ms > 0 && until_ms - first_ms > *overdue_ms) {
            *overdue_ms = until_ms - first_ms;
        }
    }
    return 0;
}

int log_clean_survey(struct log *log, int64_t cleaned_offset, int64_t high_watermark,
                     int64_t now_ms, struct log_clean_survey *survey)
{
    int64_t first_dirty = cleaned_offset;
    if (first_dirty < log->log_start_offset || first_dirty > log->log_end_offset) {
        first_dirty = log->log_start_offset;
    }
    *survey = (struct log_clean_survey){.first_dirty_offset = first_dirty};
    int64_t end = log_last_stable_offset(log, high_watermark);
    int64_t active = log_active(log)->base_offset;
    end = end < active ? end : active;
    int error = survey_min_lag(log, first_dirty, now_ms, &end);
    if (error == 0) {
        error = survey_max_lag(log, first_dirty, now_ms, &survey->overdue_ms);
    }
    if (error != 0) {
        return error;
    }
    end = end > first_dirty ? end : first_dirty;
    /* The segment that holds the first offset that must not be cleaned is left whole. */
    survey->round_end_offset = log->segments[log_segment_index(log, end)]->base_offset;
    size_t first = log_segment_index(log, first_dirty);
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        if (segment->base_offset < first_dirty) {
            survey->clean_bytes += segment->size_bytes;
        }
        if (i >= first && segment->base_offset < survey->round_end_offset) {
            survey->cleanable_bytes += segment->size_bytes;
        }
    }
    ASSERT(survey->round_end_offset <= active && survey->round_end_offset <= end);
    return 0;
}

double log_clean_ratio(const struct log_clean_survey *survey)
{
    int64_t all = survey->clean_bytes + survey->cleanable_bytes;
    return all > 0 ? (double)survey->cleanable_bytes / (double)all : 0;
}

/* ---- begin ---- */

static int clean_take_sources(const struct log *log, struct log_clean *clean)
{
    clean->sources = mem_calloc(log->segment_count, sizeof *clean->sources);
    clean->later = mem_calloc(log->segment_count, sizeof *clean->later);
    if (clean->sources == NULL || clean->later == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        if (segment->base_offset >= clean->options.round_end_offset) {
            clean->later[clean->later_count++] = segment->base_offset;
            continue;
        }
        clean->sources[clean->source_count++] = (struct clean_source){
            segment->base_offset, log_segment_end(log, i), segment->size_bytes};
    }
    ASSERT(clean->source_count > 0 && clean->later_count > 0);
    ASSERT(clean->sources[clean->source_count - 1].end_offset == clean->options.round_end_offset);
    return 0;
}

static int clean_take_producers(const struct log *log, struct log_clean *clean)
{
    clean->producers = mem_calloc(log->producers.count + 1, sizeof *clean->producers);
    if (clean->producers == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < log->producers.count; i++) {
        const struct producer_entry *entry = &log->producers.entries[i];
        ASSERT(i == 0 || entry[-1].producer_id < entry->producer_id);
        clean->producers[i] = (struct clean_producer){
            .producer_id = entry->producer_id,
            .last_data_offset =
                entry->batch_count > 0 ? entry->batches[entry->batch_count - 1].last_offset : -1,
            .producer_epoch = entry->producer_epoch,
        };
    }
    clean->filter.rules.producer_count = log->producers.count;
    return 0;
}

int log_clean_begin(struct log *log, const struct log_clean_options *options,
                    struct log_clean **begun)
{
    ASSERT(log->clean == NULL && options->io_bytes >= BATCH_HEADER_BYTES);
    ASSERT(options->first_dirty_offset >= log->log_start_offset);
    ASSERT(options->first_dirty_offset < options->round_end_offset);
    ASSERT(options->round_end_offset <= log_active(log)->base_offset);
    struct log_clean *clean = mem_calloc(1, sizeof *clean);
    *begun = clean;
    if (clean == NULL) {
        return ERR_NOMEM;
    }
    clean->place.fs = log->place.fs;
    clean->place.directory = mem_strndup(log->place.directory, strlen(log->place.directory));
    clean->config = *log->config;
    clean->options = *options;
    clean->cleaned_below = log->cleaned_below;
    atomic_init(&clean->stopped, false);
    atomic_init(&clean->left, false);
    writer_init(&clean->plain, SCRATCH_BYTES_MAX);
    writer_init(&clean->out, INT32_MAX);
    int error = clean->place.directory == NULL ? ERR_NOMEM : clean_take_sources(log, clean);
    if (error == 0) {
        error = clean_take_producers(log, clean);
    }
    log->clean = clean;
    if (error != 0) {
        log_clean_end(log, begun);
    }
    return error;
}

/* ---- putting in place ---- */

static int swap_name(struct log_clean *clean)
{
    clean->named = true;
    int error = segment_rename_files(&clean->place, clean->output->base_offset,
                                     SEGMENT_FILES_CLEANED, SEGMENT_FILES_SWAP);
    if (error == 0) {
        clean_move(clean, CLEAN_SYNC_NAMES);
    }
    return error;
}

/* The new segment as the log is to have it: of its own place, and closed. */
static struct segment *swap_adopt(struct log *log, const struct segment *output,
                                  struct segment *last_source)
{
    struct segment *fresh =
        segment_create(&log->place, output->base_offset, last_source->created_ms);
    if (fresh != NULL) {
        fresh->size_bytes = output->size_bytes;
        fresh->written_ms = segment_written_ms(last_source);
        fresh->max_timestamp_ms = output->max_timestamp_ms;
        fresh->max_timestamp_offset = output->max_timestamp_offset;
        fresh->timestamps_known = true;
        fresh->indexes_made = true;
        fresh->indexed_offset = output->indexed_offset;
        segment_assert_invariants(fresh);
    }
    return fresh;
}

/* Nothing is given up for a copy that somebody has removed or cut. */
static int swap_check(const struct log_clean *clean)
{
    char path[LOG_PATH_BYTES];
    struct io_file file;
    int error = log_place_path(&clean->place, clean->output->base_offset, ".log.swap", path);
    if (error == 0) {
        error = io_file_open(clean->place.fs, path, IO_OPEN_READ, &file);
    }
    if (error != 0) {
        return error == ERR_NOT_FOUND ? ERR_AGAIN : error;
    }
    int64_t size = io_file_size(&file);
    io_file_close(&file);
    return size < 0 ? (int)size : size == clean->output->size_bytes ? 0 : ERR_AGAIN;
}

static int swap_rename(struct log *log, struct log_clean *clean, size_t from, size_t count)
{
    int error = 0;
    for (size_t i = from; error == 0 && i < from + count; i++) {
        struct segment *source = log->segments[i];
        error = segment_rename_deleted(source);
        if (error == 0 && i > from && source->base_offset != log->producers.snapshot_offset) {
            error = log_remove_snapshot(log, source->base_offset);
        }
    }
    return error == 0 ? segment_rename_files(&clean->place, clean->output->base_offset,
                                             SEGMENT_FILES_SWAP, SEGMENT_FILES_FINAL)
                      : error;
}

static int swap_replace(struct log *log, struct log_clean *clean)
{
    size_t count = clean->group_end - clean->group_first;
    size_t from = log_segment_index(log, clean->output->base_offset);
    ASSERT(count > 0 && from + count < log->segment_count);
    for (size_t i = 0; i < count; i++) {
        const struct clean_source *source = &clean->sources[clean->group_first + i];
        ASSERT(log->segments[from + i]->base_offset == source->base_offset);
        ASSERT(log->segments[from + i]->size_bytes == source->size_bytes);
    }
    int error = swap_check(clean);
    if (error != 0) {
        return error;
    }
    struct segment *fresh = swap_adopt(log, clean->output, log->segments[from + count - 1]);
    if (fresh == NULL) {
        return ERR_NOMEM;
    }
    segment_destroy(&clean->output);
    clean->output = fresh; /* for its base offset, and to be released after a failure */
    /* From here on the new files are all there is: a failure leaves them to the next start. */
    clean->named = false;
    error = swap_rename(log, clean, from, count);
    if (error != 0) {
        return error == ERR_RANGE || error == ERR_NOMEM ? ERR_IO : error;
    }
    clean->output = NULL;
    log->deleted_count += count;
    log_drop_segments(log, from, count);
    memmove(&log->segments[from + 1], &log->segments[from],
            (log->segment_count - from) * sizeof *log->segments);
    log->segments[from] = fresh;
    log->segment_count++;
    log->size_bytes += fresh->size_bytes;
    log->directory_dirty = true;
    clean->result.segments_replaced += (int32_t)count;
    clean_move(clean, CLEAN_SYNC_REPLACED);
    log_assert_invariants(log);
    return 0;
}

int clean_yield(struct log *log)
{
    struct log_clean *clean = log->clean;
    if (clean == NULL || atomic_exchange(&clean->stopped, true)) {
        return 0;
    }
    if (!clean->named) {
        return 0;
    }
    int error = segment_remove_files(&log->place, clean->output->base_offset, SEGMENT_FILES_SWAP);
    return error == 0 ? io_sync_directory(log->place.fs, log->place.directory) : error;
}

/* ---- driving ---- */

/* After a failure: files that have the name .swap lose it, so that no restart completes what was
 * given up. */
static void clean_fail(struct log *log, struct log_clean *clean, int error)
{
    clean->error = error;
    if (clean->named && !atomic_load(&clean->left)) {
        (void)segment_remove_files(&log->place, clean->output->base_offset, SEGMENT_FILES_SWAP);
    }
    clean_move(clean, CLEAN_TIDY);
}

int log_clean_advance(struct log *log, struct log_clean *clean)
{
    ASSERT(log->clean == clean);
    if (clean->stage == CLEAN_FAILED) {
        return clean->error;
    }
    if (clean->stage > CLEAN_GATHER && clean->cleaned_below < clean->options.round_end_offset) {
        clean->cleaned_below = log->cleaned_below = clean->options.round_end_offset;
    }
    int error = atomic_load(&clean->stopped) ? ERR_AGAIN : clean->error;
    if (error == 0 && clean->stage == CLEAN_NAME) {
        error = swap_name(clean);
    } else if (error == 0 && clean->stage == CLEAN_REPLACE) {
        error = swap_replace(log, clean);
    }
    if (error != 0) {
        clean_fail(log, clean, error);
        return 1;
    }
    return clean->stage != CLEAN_FINISHED;
}

void log_clean_stop(struct log_clean *clean) { atomic_store(&clean->stopped, true); }

void log_clean_leave(struct log_clean *clean)
{
    atomic_store(&clean->left, true);
    log_clean_stop(clean);
}

bool log_is_cleaning(const struct log *log) { return log->clean != NULL; }

void log_clean_end(struct log *log, struct log_clean **ended)
{
    struct log_clean *clean = *ended;
    ASSERT(log->clean == clean);
    log->clean = NULL;
    if (clean->reader.is_open) {
        io_file_close(&clean->reader.file);
    }
    mem_free(clean->reader.buffer);
    segment_destroy(&clean->output);
    clean_map_release(&clean->map);
    if (clean->stage > CLEAN_GATHER) {
        clean_txn_release(&clean->map_txn);
    }
    if (clean->has_filter) {
        clean_filter_release(&clean->filter);
    }
    writer_release(&clean->plain);
    writer_release(&clean->out);
    mem_free(clean->aborted.items);
    mem_free(clean->producers);
    mem_free(clean->sources);
    mem_free(clean->later);
    mem_free(clean->place.directory);
    mem_free(clean);
    *ended = NULL;
}

void log_clean_view(const struct log_clean *clean, struct log_clean_result *result)
{
    *result = clean->result;
    if (clean->has_filter) {
        result->records_read = clean->filter.records_read;
        result->records_kept = clean->filter.records_kept;
        result->records_without_key = clean->filter.records_without_key;
    }
}
