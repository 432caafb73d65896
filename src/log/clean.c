/* The part of a cleaning that runs beside the log, on a helper thread. */
#include "log/clean_internal.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "protocol/record/iter.h"

#define TO(stage) (1u << CLEAN_##stage)

void clean_move(struct log_clean *clean, enum clean_stage stage)
{
    static const unsigned allowed[CLEAN_STAGES] = {
        [CLEAN_GATHER] = TO(MAP) | TO(TIDY),
        [CLEAN_MAP] = TO(COPY) | TO(TIDY),
        [CLEAN_COPY] = TO(SEAL) | TO(FINISHED) | TO(TIDY),
        [CLEAN_SEAL] = TO(NAME) | TO(TIDY),
        [CLEAN_NAME] = TO(SYNC_NAMES) | TO(TIDY),
        [CLEAN_SYNC_NAMES] = TO(REPLACE) | TO(TIDY),
        [CLEAN_REPLACE] = TO(SYNC_REPLACED) | TO(TIDY),
        [CLEAN_SYNC_REPLACED] = TO(COPY) | TO(TIDY),
        [CLEAN_FINISHED] = TO(TIDY),
        [CLEAN_TIDY] = TO(FAILED),
    };
    ASSERT((allowed[clean->stage] & 1u << stage) != 0);
    clean->stage = stage;
}

/* ---- reading ---- */

static void reader_close(struct clean_reader *reader)
{
    if (reader->is_open) {
        io_file_close(&reader->file);
        reader->is_open = false;
    }
}

static int reader_open(struct log_clean *clean, size_t source)
{
    struct clean_reader *reader = &clean->reader;
    char path[LOG_PATH_BYTES];
    ASSERT(!reader->is_open && source < clean->source_count);
    int error = log_place_path(&clean->place, clean->sources[source].base_offset, ".log", path);
    if (error == 0) {
        error = io_file_open(clean->place.fs, path, IO_OPEN_READ, &reader->file);
    }
    reader->is_open = error == 0;
    reader->position = 0;
    reader->buffer_position = 0;
    reader->buffered = 0;
    reader->size_bytes = clean->sources[source].size_bytes;
    /* A file that is not there any more was taken away by its owner. */
    return error == ERR_NOT_FOUND ? ERR_AGAIN : error;
}

/* Makes size bytes at the position visible, and more where there are. */
static int reader_fill(struct log_clean *clean, size_t size)
{
    struct clean_reader *reader = &clean->reader;
    size_t wanted = size > clean->options.io_bytes ? size : clean->options.io_bytes;
    int64_t left = reader->size_bytes - reader->position;
    ASSERT((int64_t)size <= left);
    int error = mem_grow((void **)&reader->buffer, &reader->capacity, wanted, 1);
    if (error != 0) {
        return error;
    }
    wanted = (int64_t)wanted < left ? wanted : (size_t)left;
    int64_t got = io_file_read(&reader->file, reader->buffer, wanted, reader->position);
    if (got < 0) {
        return (int)got;
    }
    reader->buffer_position = reader->position;
    reader->buffered = (size_t)got;
    clean->result.read_bytes += got;
    return (size_t)got >= size ? 0 : ERR_CORRUPT;
}

static int reader_view(struct log_clean *clean, size_t size, const uint8_t **data)
{
    struct clean_reader *reader = &clean->reader;
    int64_t at = reader->position - reader->buffer_position;
    if (size > (uint64_t)(reader->size_bytes - reader->position)) {
        return ERR_CORRUPT;
    }
    if (at < 0 || at + (int64_t)size > (int64_t)reader->buffered) {
        int error = reader_fill(clean, size);
        if (error != 0) {
            return error;
        }
        at = 0;
    }
    *data = reader->buffer + at;
    return 0;
}

/* The next batch of the source, whole and checked: 1, 0 at its end, or an error. Valid until the
 * next call. */
static int reader_next(struct log_clean *clean, const uint8_t **data, struct batch *batch)
{
    struct clean_reader *reader = &clean->reader;
    const struct clean_source *source = &clean->sources[clean->source];
    ASSERT(reader->is_open && reader->position <= reader->size_bytes);
    if (reader->position == reader->size_bytes) {
        return 0;
    }
    int error = reader_view(clean, BATCH_PREFIX_BYTES, data);
    int64_t size = error == 0 ? batch_view_size(*data, BATCH_PREFIX_BYTES) : error;
    if (size < 0) {
        return (int)size;
    }
    error = reader_view(clean, (size_t)size, data);
    if (error == 0) {
        error = batch_decode(*data, (size_t)size, batch);
    }
    if (error != 0) {
        return error;
    }
    if (!batch_crc_holds(*data, batch) || batch->last_offset_delta < 0 ||
        batch->base_offset < source->base_offset ||
        batch_last_offset(batch) >= source->end_offset) {
        return ERR_CORRUPT;
    }
    reader->position += size;
    return 1;
}

/* ---- the table ---- */

/* What one segment's index says of aborted transactions. */
static int gather_from(struct log_clean *clean, int64_t base_offset)
{
    struct segment *segment = segment_create(&clean->place, base_offset, clean->options.now_ms);
    if (segment == NULL) {
        return ERR_NOMEM;
    }
    struct segment_aborted entry;
    int found;
    for (uint32_t i = 0; (found = segment_read_aborted(segment, i, &entry)) == 1; i++) {
        if (entry.producer_id < 0 || entry.first_offset > entry.last_offset) {
            found = ERR_CORRUPT;
            break;
        }
        int error = clean_aborted_add(&clean->aborted, &entry);
        if (error != 0) {
            found = error;
            break;
        }
    }
    segment_destroy(&segment);
    return found;
}

/* Below this, the log may have gaps from now on: whoever recovers it takes none for damage. */
static int gather_mark(struct log_clean *clean)
{
    char path[LOG_PATH_BYTES];
    char text[32];
    if (clean->cleaned_below >= clean->options.round_end_offset) {
        return 0;
    }
    int size = snprintf(path, sizeof path, "%s/%s", clean->place.directory, LOG_CLEANED_FILE);
    if (size < 0 || size >= LOG_PATH_BYTES) {
        return ERR_RANGE;
    }
    size = snprintf(text, sizeof text, "%lld\n", (long long)clean->options.round_end_offset);
    return io_write_unless(clean->place.fs, path, text, (size_t)size, &clean->stopped);
}

static int clean_gather(struct log_clean *clean)
{
    const struct log_clean_options *options = &clean->options;
    int error = gather_mark(clean);
    for (size_t i = 0; error == 0 && i < clean->source_count; i++) {
        error = gather_from(clean, clean->sources[i].base_offset);
    }
    for (size_t i = 0; error == 0 && i < clean->later_count; i++) {
        error = gather_from(clean, clean->later[i]);
    }
    if (error != 0) {
        return error;
    }
    clean_aborted_sort(&clean->aborted);
    struct clean_map_options map = {
        .bytes_max = options->map_bytes,
        .load_factor = options->map_load_factor,
        .expected_max = options->round_end_offset - options->first_dirty_offset,
        .start_offset = options->first_dirty_offset,
        .key = {options->random[0], options->random[1]},
    };
    error = clean_map_init(&clean->map, &map);
    clean_txn_init(&clean->map_txn, &clean->aborted, options->random[2]);
    while (clean->sources[clean->source].end_offset <= options->first_dirty_offset) {
        clean->source++;
        ASSERT(clean->source < clean->source_count);
    }
    if (error == 0) {
        clean_move(clean, CLEAN_MAP);
    }
    return error;
}

/* Takes the keys of a batch in: 1, 0 when the table is full, or an error. */
static int map_batch(struct log_clean *clean, const struct batch *batch)
{
    struct bytes_view records;
    struct record_iter iter;
    struct record record;
    if (batch_is_control(batch)) {
        struct segment_aborted entry;
        bool kept;
        int gone = clean_txn_control(&clean->map_txn, batch, &entry, &kept);
        return gone < 0 ? gone : 1;
    }
    int aborted = clean_txn_data(&clean->map_txn, batch);
    if (aborted != 0 || batch_last_offset(batch) < clean->options.first_dirty_offset) {
        return aborted < 0 ? aborted : 1;
    }
    int error = clean_view_records(batch, &clean->plain, &records);
    if (error != 0) {
        return error;
    }
    int more;
    record_iter_init(&iter, batch, records);
    while ((more = record_iter_next(&iter, &record)) == 1) {
        if (record.offset < batch->base_offset || record.offset > batch_last_offset(batch)) {
            return ERR_CORRUPT;
        }
        if (record.key.data == NULL || record.offset < clean->options.first_dirty_offset) {
            continue;
        }
        if (!clean_map_has_room(&clean->map)) {
            return 0;
        }
        clean_map_put(&clean->map, record.key, record.offset);
    }
    return more < 0 ? more : 1;
}

static int map_end(struct log_clean *clean)
{
    const struct clean_rules rules = {
        .map = &clean->map,
        .producers = clean->producers,
        .producer_count = clean->filter.rules.producer_count,
        .now_ms = clean->options.now_ms,
        .delete_retention_ms = clean->config.delete_retention_ms,
        .round_end_offset = clean->options.round_end_offset,
    };
    reader_close(&clean->reader);
    clean->result.cleaned_offset = clean->map.latest_offset + 1;
    clean->result.map_use = (double)clean->map.count / (double)clean->map.count_max;
    if (clean->result.cleaned_offset <= clean->options.first_dirty_offset) {
        return ERR_FULL; /* one batch has more keys than the table holds */
    }
    clean_filter_init(&clean->filter, &rules, &clean->aborted, clean->options.random[2]);
    clean->has_filter = true;
    clean->source = 0;
    clean->group_end = 0;
    clean_move(clean, CLEAN_COPY);
    return 0;
}

static int clean_fill_map(struct log_clean *clean)
{
    int64_t until = clean->result.read_bytes + CLEAN_WORK_BYTES;
    while (clean->result.read_bytes < until) {
        const uint8_t *data;
        struct batch batch;
        int error = clean->reader.is_open ? 0 : reader_open(clean, clean->source);
        int found = error == 0 ? reader_next(clean, &data, &batch) : error;
        if (found < 0) {
            return found;
        }
        if (found == 0) {
            reader_close(&clean->reader);
            clean->map.latest_offset = clean->sources[clean->source].end_offset - 1;
            if (++clean->source == clean->source_count) {
                return map_end(clean);
            }
            continue;
        }
        int taken = map_batch(clean, &batch);
        if (taken <= 0) {
            return taken < 0 ? taken : map_end(clean);
        }
        if (batch_last_offset(&batch) > clean->map.latest_offset) {
            clean->map.latest_offset = batch_last_offset(&batch);
        }
    }
    return 0;
}

/* ---- copying ---- */

/* Bytes of the entries in an index of a source. */
static int64_t index_bytes(struct log_clean *clean, int64_t base_offset,
                           const struct index_kind *kind)
{
    struct index_file index;
    index_file_init(&index, &clean->place, base_offset, kind);
    int64_t count = index_file_count(&index);
    index_file_release(&index);
    return count < 0 ? count : count * kind->entry_bytes;
}

/* Sets group_end behind the sources that go into one segment, from group_first on: as many as stay
 * within the bounds of a segment. */
static int group_choose(struct log_clean *clean)
{
    int64_t log_bytes = 0;
    int64_t offsets_bytes = 0;
    int64_t times_bytes = 0;
    int64_t base = clean->sources[clean->group_first].base_offset;
    size_t i = clean->group_first;
    for (; i < clean->source_count; i++) {
        const struct clean_source *source = &clean->sources[i];
        int64_t offsets = index_bytes(clean, source->base_offset, &segment_offset_index);
        int64_t times = index_bytes(clean, source->base_offset, &segment_time_index);
        if (offsets < 0 || times < 0) {
            return (int)(offsets < 0 ? offsets : times);
        }
        log_bytes += source->size_bytes;
        offsets_bytes += offsets;
        times_bytes += times;
        bool fits = log_bytes <= clean->config.segment_bytes &&
                    offsets_bytes <= clean->config.segment_index_bytes &&
                    times_bytes <= clean->config.segment_index_bytes &&
                    (source->size_bytes == 0 || source->end_offset - 1 - base <= INT32_MAX);
        bool within = source->base_offset < clean->result.cleaned_offset;
        if (i > clean->group_first && (!fits || !within)) {
            break;
        }
    }
    clean->group_end = i;
    ASSERT(clean->group_end > clean->group_first);
    return 0;
}

static int group_open(struct log_clean *clean)
{
    clean->group_first = clean->source;
    int error = group_choose(clean);
    if (error != 0) {
        return error;
    }
    struct segment *output = segment_create_cleaned(
        &clean->place, clean->sources[clean->group_first].base_offset, clean->options.now_ms);
    if (output == NULL) {
        return ERR_NOMEM;
    }
    clean->output = output;
    error = segment_open(output, true);
    if (error == 0) {
        error = segment_cut_file(output, 0);
    }
    if (error == 0) {
        error = segment_reset_indexes(output);
    }
    return error == 0 ? segment_reset_aborted(output) : error;
}

/* Writes what has been gathered, and accounts for each batch of it. */
static int group_write(struct log_clean *clean)
{
    struct segment *output = clean->output;
    int64_t position = output->size_bytes;
    size_t size = clean->out.size;
    if (size == 0) {
        return 0;
    }
    if ((int64_t)size > SEGMENT_BYTES_MAX - position) {
        return ERR_RANGE; /* a horizon makes a record longer by some bytes */
    }
    int error = segment_write(output, clean->out.data, size, clean->config.segment_bytes);
    for (size_t at = 0; error == 0 && at < size;) {
        struct batch batch;
        error = batch_decode(clean->out.data + at, size - at, &batch);
        ASSERT(error == 0); /* of our own making */
        error = segment_account(output, &batch, position + (int64_t)at,
                                clean->config.index_interval_bytes);
        at += batch.size_bytes;
    }
    clean->result.written_bytes += (int64_t)size;
    clean->out.size = 0;
    return error;
}

static int copy_batch(struct log_clean *clean, const uint8_t *data, const struct batch *batch)
{
    struct segment_aborted entry;
    bool kept;
    int error = clean_filter_batch(&clean->filter, data, batch, &clean->out, &entry, &kept);
    if (error == 0 && kept && entry.last_offset >= clean->output->base_offset) {
        error = segment_append_aborted(clean->output, &entry);
    }
    if (error == 0 && clean->out.size >= clean->options.io_bytes) {
        error = group_write(clean);
    }
    return error;
}

static int clean_copy(struct log_clean *clean)
{
    int64_t until = clean->result.read_bytes + CLEAN_WORK_BYTES;
    while (clean->result.read_bytes < until) {
        const uint8_t *data;
        struct batch batch;
        int error = 0;
        if (clean->output == NULL) {
            if (clean->source == clean->source_count ||
                clean->sources[clean->source].base_offset >= clean->result.cleaned_offset) {
                clean_move(clean, CLEAN_FINISHED);
                return 0;
            }
            error = group_open(clean);
        }
        if (error == 0 && !clean->reader.is_open) {
            error = reader_open(clean, clean->source);
        }
        int found = error == 0 ? reader_next(clean, &data, &batch) : error;
        if (found < 0) {
            return found;
        }
        error = found == 1 ? copy_batch(clean, data, &batch) : 0;
        if (error != 0) {
            return error;
        }
        if (found == 0) {
            reader_close(&clean->reader);
            clean->result.source_bytes += clean->sources[clean->source].size_bytes;
            if (++clean->source == clean->group_end) {
                clean_move(clean, CLEAN_SEAL);
                return 0;
            }
        }
    }
    return 0;
}

static int clean_seal_group(struct log_clean *clean)
{
    int error = group_write(clean);
    if (error == 0) {
        error = segment_seal(clean->output);
    }
    if (error == 0) {
        error = segment_make_indexes(clean->output);
    }
    if (error == 0) {
        error = segment_sync(clean->output);
    }
    if (error == 0) {
        clean->result.kept_bytes += clean->output->size_bytes;
        clean_move(clean, CLEAN_NAME);
    }
    return error;
}

/* What was written and has no place any more goes; what stays is found at the next start. */
static void clean_tidy(struct log_clean *clean)
{
    reader_close(&clean->reader);
    if (clean->output != NULL) {
        if (!atomic_load(&clean->left)) {
            (void)segment_remove_files(&clean->place, clean->output->base_offset,
                                       SEGMENT_FILES_CLEANED);
        }
        segment_destroy(&clean->output);
    }
    clean_move(clean, CLEAN_FAILED);
}

void log_clean_work(struct log_clean *clean)
{
    int error = 0;
    switch (clean->stage) {
    case CLEAN_GATHER:
        error = clean_gather(clean);
        break;
    case CLEAN_MAP:
        error = clean_fill_map(clean);
        break;
    case CLEAN_COPY:
        error = clean_copy(clean);
        break;
    case CLEAN_SEAL:
        error = clean_seal_group(clean);
        break;
    case CLEAN_SYNC_NAMES:
    case CLEAN_SYNC_REPLACED:
        error = io_sync_directory(clean->place.fs, clean->place.directory);
        if (error == 0) {
            clean_move(clean, clean->stage == CLEAN_SYNC_NAMES ? CLEAN_REPLACE : CLEAN_COPY);
        }
        break;
    case CLEAN_TIDY:
        clean_tidy(clean);
        break;
    case CLEAN_NAME:
    case CLEAN_REPLACE:
    case CLEAN_FINISHED:
    case CLEAN_FAILED:
    case CLEAN_STAGES:
        ASSERT(false); /* the owner's */
    }
    clean->error = clean->error == 0 ? error : clean->error;
}
