#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "log/log_internal.h"
#include "log/validate.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

static bool log_segments_are_in_order(const struct log *log)
{
    int64_t size_bytes = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        if (i > 0 && log->segments[i - 1]->base_offset >= log->segments[i]->base_offset) {
            return false;
        }
        size_bytes += log->segments[i]->size_bytes;
    }
    return size_bytes == log->size_bytes;
}

void log_assert_invariants(const struct log *log)
{
    ASSERT(log->segment_count > 0);
    ASSERT(log->segments[0]->base_offset <= log->log_start_offset);
    ASSERT(log->log_start_offset <= log->log_end_offset);
    ASSERT(log_active(log)->base_offset <= log->log_end_offset);
    ASSERT(log->recovery_point <= log->log_end_offset);
    ASSERT(log->segment_count <= log->segment_capacity);
    ASSERT(log_active(log)->size_bytes <= log->size_bytes);
    ASSERT_SLOW(log_segments_are_in_order(log));
    leader_epochs_assert_invariants(&log->epochs);
    producer_state_assert_invariants(&log->producers);
}

int log_open(const struct log_options *options, struct log **opened, struct err_message *message)
{
    *opened = NULL;
    ASSERT(options->directory != NULL && options->directory[0] != '\0');
    ASSERT(options->log_start_offset >= 0);
    struct log *log = mem_calloc(1, sizeof *log);
    if (log == NULL) {
        return ERR_NOMEM;
    }
    log->config = log_config_share(&options->config);
    log->place.fs = options->fs;
    log->place.directory = mem_strndup(options->directory, strlen(options->directory));
    log->random = options->random | 1;
    log->now_ms = options->now_ms;
    leader_epochs_init(&log->epochs);
    producer_state_init(&log->producers);
    log->producers.next_guard = options->random;
    log_forget_recent(log);
    bool complete = log->place.directory != NULL && log->config != NULL;
    int error = !complete ? ERR_NOMEM : log_recover(log, options, message);
    if (error != 0) {
        log_abandon(&log);
        return err_wrap(message, error, "%s", options->directory);
    }
    log_assert_invariants(log);
    *opened = log;
    return 0;
}

void log_abandon(struct log **closing)
{
    struct log *log = *closing;
    if (log == NULL) {
        return;
    }
    for (size_t i = 0; i < log->segment_count; i++) {
        segment_destroy(&log->segments[i]);
    }
    mem_free_grown(log->segments, &log->only_segment);
    mem_free(log->recent);
    leader_epochs_release(&log->epochs);
    producer_state_release(&log->producers);
    log_config_unref(&log->config);
    mem_free(log->place.directory);
    mem_free(log);
    *closing = NULL;
}

int log_close(struct log **log)
{
    if (*log == NULL) {
        return 0;
    }
    int error = log_end(*log);
    if (error == 0) {
        ASSERT(error != 0 || (*log)->recovery_point == (*log)->log_end_offset);
    }
    log_abandon(log);
    return error;
}

void log_forget_recent(struct log *log)
{
    mem_free(log->recent);
    log->recent = NULL;
}

/* Without memory for it readers take the longer way through the index. */
static struct log_recent *log_need_recent(struct log *log)
{
    if (log->recent == NULL) {
        log->recent = mem_calloc(1, sizeof *log->recent);
        for (size_t i = 0; log->recent != NULL && i < LOG_RECENT_MAX; i++) {
            log->recent->batches[i] = (struct log_recent_batch){-1, -1, -1};
        }
    }
    return log->recent;
}

static void log_remember_recent(struct log *log, const struct batch *batch, int64_t position)
{
    ASSERT(batch_last_offset(batch) < log->log_end_offset);
    struct log_recent *recent = log->recent;
    if (recent != NULL) {
        recent->batches[recent->next++ % LOG_RECENT_MAX] =
            (struct log_recent_batch){batch->base_offset, batch_last_offset(batch), position};
    }
}

/* Notes that bytes are about to be written at position. */
static void log_keep_hot(struct log *log, int64_t position)
{
    ASSERT(position == log_active(log)->size_bytes);
    struct log_recent *recent = log_need_recent(log);
    if (recent == NULL) {
        return;
    }
    int64_t age_ms = log->now_ms - recent->hot_ms;
    if (age_ms >= LOG_HOT_MS || age_ms < 0) {
        bool follows = age_ms >= 0 && age_ms < 2 * LOG_HOT_MS;
        recent->hot_position[0] = follows ? recent->hot_position[1] : position;
        recent->hot_position[1] = position;
        recent->hot_ms = log->now_ms;
    }
}

size_t log_segment_index(const struct log *log, int64_t offset)
{
    ASSERT(log->segment_count > 0);
    size_t low = 0;
    size_t high = log->segment_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    ASSERT(low == 0 || log->segments[low]->base_offset <= offset);
    ASSERT(low + 1 == log->segment_count || log->segments[low + 1]->base_offset > offset);
    return low;
}

size_t log_first_unsynced(const struct log *log, int64_t recovery_point)
{
    int64_t first = log->segments[0]->base_offset;
    return log_segment_index(log, recovery_point > first ? recovery_point - 1 : first);
}

int64_t log_segment_end(const struct log *log, size_t index)
{
    ASSERT(index < log->segment_count);
    return index + 1 < log->segment_count ? log->segments[index + 1]->base_offset
                                          : log->log_end_offset;
}

static uint64_t log_random(struct log *log)
{
    log->random ^= log->random << 13;
    log->random ^= log->random >> 7;
    log->random ^= log->random << 17;
    ASSERT(log->random != 0);
    return log->random;
}

int log_add_segment(struct log *log, int64_t base_offset, struct segment **added)
{
    ASSERT(log->segment_count == 0 || log_active(log)->base_offset < base_offset);
    int error = mem_grow_inside((void **)&log->segments, &log->segment_capacity,
                                log->segment_count + 1, sizeof *log->segments,
                                (void *)&log->only_segment);
    struct segment *segment =
        error == 0 ? segment_create(&log->place, base_offset, log->now_ms) : NULL;
    if (segment == NULL) {
        return ERR_NOMEM;
    }
    int64_t jitter_ms = log->config->segment_jitter_ms < log->config->segment_ms
                            ? log->config->segment_jitter_ms
                            : log->config->segment_ms;
    segment->preallocated = log->config->preallocate; /* maybe by a process that died */
    segment->roll_jitter_ms =
        jitter_ms > 0 ? (int64_t)(log_random(log) % (uint64_t)jitter_ms) : 0;
    ASSERT(segment->roll_jitter_ms >= 0 && segment->roll_jitter_ms <= log->config->segment_ms);
    log->segments[log->segment_count++] = segment;
    *added = segment;
    return 0;
}

void log_drop_segments(struct log *log, size_t from, size_t count)
{
    ASSERT(from + count <= log->segment_count);
    for (size_t i = from; i < from + count; i++) {
        log->size_bytes -= log->segments[i]->size_bytes;
        segment_destroy(&log->segments[i]);
    }
    log->segment_count -= count;
    memmove(&log->segments[from], &log->segments[from + count],
            (log->segment_count - from) * sizeof *log->segments);
    ASSERT(log->size_bytes >= 0);
}

/* What a new segment finds under its name must not show through. The record file comes last: once
 * it is there, memory cannot be short any more. A start would take it for a segment of the log,
 * which goes on in the one before. */
static int log_start_segment(struct segment *segment)
{
    int error = segment_reset_indexes(segment);
    if (error == 0) {
        error = segment_reset_aborted(segment);
    }
    if (error == 0) {
        error = segment_open(segment, true);
    }
    return error == 0 ? segment_cut_file(segment, 0) : error;
}

int log_write_snapshot(struct log *log, bool sync)
{
    int64_t before = log->producers.snapshot_offset;
    int error = producer_state_write_snapshot(&log->producers, &log->place, log->log_end_offset,
                                              sync);
    log->bytes_since_snapshot = 0;
    if (error != 0 || before < 0 || before == log->producers.snapshot_offset) {
        return error;
    }
    ASSERT(before < log->producers.snapshot_offset);
    log->directory_dirty = true;
    const struct segment *segment = log->segments[log_segment_index(log, before)];
    return segment->base_offset == before ? 0 : log_remove_snapshot(log, before);
}

/* So that a start after a crash finds one that is not far back. It could do without, so what fails
 * is not an error of the append, and not tried again at once. What lies below it is not walked any
 * more; the index of aborted transactions, which a walk completes, has all of theirs by then. */
static void log_snapshot_when_due(struct log *log)
{
    int64_t due = LOG_SNAPSHOT_BYTES +
                  (int64_t)log->producers.count * LOG_SNAPSHOT_PRODUCER_BYTES;
    if (log->bytes_since_snapshot >= due) {
        (void)log_write_snapshot(log, false);
    }
}

int log_roll(struct log *log)
{
    struct segment *active = log_active(log);
    ASSERT(log->log_end_offset > active->base_offset);
    ASSERT(log->place.miss == NULL); /* a write waits for the disk */
    int error = segment_complete(active); /* the next flush gives its room back */
    if (error == 0) {
        error = log_write_snapshot(log, false);
    }
    struct segment *added;
    if (error == 0) {
        error = log_add_segment(log, log->log_end_offset, &added);
    }
    if (error == 0) {
        error = log_start_segment(added);
        if (error == 0 && log->config->preallocate) {
            segment_preallocate(added, log->config->segment_bytes);
        }
        if (error != 0) {
            log_drop_segments(log, log->segment_count - 1, 1);
        }
    }
    log->directory_dirty = true;
    log_forget_recent(log);
    ASSERT(error != 0 || (log_active(log) == added && added->size_bytes == 0));
    return error;
}

/* Apache Kafka's LogSegment.shouldRoll: 1, 0 or an error. */
static int log_should_roll(struct log *log, size_t size, int64_t max_timestamp_ms,
                           int64_t last_offset)
{
    struct segment *active = log_active(log);
    ASSERT(size > 0 && last_offset >= log->log_end_offset);
    if (active->size_bytes == 0) {
        return last_offset - active->base_offset > INT32_MAX &&
               log->log_end_offset > active->base_offset;
    }
    if (active->size_bytes > log->config->segment_bytes - (int64_t)size ||
        active->size_bytes + (int64_t)size > SEGMENT_BYTES_MAX) {
        return 1;
    }
    int64_t first_ms;
    int error = segment_first_timestamp(active, &first_ms);
    if (error != 0) {
        return error;
    }
    int64_t waited_ms = first_ms >= 0 ? max_timestamp_ms - first_ms
                                      : log->now_ms - active->created_ms;
    int64_t segment_ms = log->config->segment_ms;
    if (log->config->clean_compact && log->config->max_compaction_lag_ms < segment_ms) {
        segment_ms = log->config->max_compaction_lag_ms;
    }
    return waited_ms > segment_ms - active->roll_jitter_ms ||
           segment_index_full(active, log->config->segment_index_bytes) ||
           last_offset - active->base_offset > INT32_MAX;
}

/* Type and coordinator epoch of an end-of-transaction marker: 1; 0 for another control record. */
static int log_decode_marker(const struct batch *batch, struct producer_marker *marker)
{
    struct record_iter iter;
    struct record record;
    ASSERT(batch_is_control(batch) && batch->size_bytes >= BATCH_HEADER_BYTES);
    record_iter_init(&iter, batch,
                     (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES});
    if (batch->record_count < 1 || record_iter_next(&iter, &record) != 1 ||
        record.key.data == NULL || record.value.data == NULL) {
        return 0;
    }
    struct reader reader;
    reader_init(&reader, record.key.data, record.key.size);
    (void)reader_i16(&reader);
    int16_t type = reader_i16(&reader);
    if (reader.failed || (type != 0 && type != 1)) {
        return 0;
    }
    marker->commit = type == 1;
    reader_init(&reader, record.value.data, record.value.size);
    (void)reader_i16(&reader);
    marker->coordinator_epoch = reader_i32(&reader);
    return !reader.failed;
}

int log_account_producer(struct log *log, const struct batch *header, const uint8_t *data,
                         struct segment_aborted *aborted)
{
    ASSERT(header->producer_id >= 0);
    if (!batch_is_control(header)) {
        /* Also without records: compaction leaves a header behind to say where a producer is. */
        return producer_state_update(&log->producers, header);
    }
    struct batch batch = *header;
    struct producer_marker marker;
    batch.records = data + BATCH_HEADER_BYTES;
    if (log_decode_marker(&batch, &marker) != 1) {
        return 0;
    }
    struct producer_transaction completed;
    int64_t last_stable_offset;
    int ended = producer_state_complete(&log->producers, &batch, &marker, &completed,
                                        &last_stable_offset);
    if (ended != 1) {
        return ended;
    }
    *aborted = (struct segment_aborted){completed.producer_id, completed.first_offset,
                                        completed.last_offset, last_stable_offset};
    return !marker.commit;
}

int log_account(struct log *log, struct segment *segment, const struct batch *batch,
                const uint8_t *data, int64_t position)
{
    int error = segment_account(segment, batch, position, log->config->index_interval_bytes);
    if (error == 0 && batch->producer_id >= 0) {
        struct segment_aborted aborted;
        int ended = log_account_producer(log, batch, data, &aborted);
        error = ended == 1 ? segment_append_aborted(segment, &aborted) : ended;
    }
    ASSERT(error <= 0);
    return error;
}

static int log_check_producer(struct log *log, const struct log_append_options *options,
                              const struct batch *batch, struct log_append_result *result)
{
    if (batch->producer_id < 0 || options->origin == LOG_ORIGIN_REPLICATION) {
        return 0;
    }
    bool from_client = options->origin == LOG_ORIGIN_CLIENT;
    if (from_client) {
        const struct producer_batch *known = producer_state_duplicate(&log->producers, batch);
        if (known != NULL) {
            result->duplicate = true;
            result->last_offset = known->last_offset;
            result->base_offset = known->last_offset - known->offset_delta;
            /* Also where producers set the time: so Apache Kafka tells of a duplicate. */
            result->log_append_time_ms = known->timestamp_ms;
            return 0;
        }
    }
    if (batch_is_control(batch)) {
        struct producer_marker marker;
        return log_decode_marker(batch, &marker) != 1
                   ? 0
                   : producer_state_check_marker(&log->producers, batch, &marker,
                                                 options->transaction_version);
    }
    int error = from_client && options->verify && batch_is_transactional(batch)
                    ? producer_state_check_guard(&log->producers, batch->producer_id,
                                                 batch->producer_epoch, options->guard)
                    : 0;
    return error == 0 ? producer_state_check(&log->producers, batch, from_client) : error;
}

/* Memory for what must not fail any more once the batches are written: what they tell of producers,
 * without which a retry would be appended again, and of aborted transactions. */
static int log_reserve(struct log *log, const uint8_t *data, size_t size)
{
    size_t count = 0;
    bool control = false;
    bool transactional = false;
    for (size_t at = 0; at < size;) {
        struct batch batch;
        int error = batch_decode(data + at, size - at, &batch);
        ASSERT(error == 0); /* checked before */
        count += batch.producer_id >= 0;
        control |= batch_is_control(&batch);
        transactional |= batch_is_transactional(&batch);
        at += batch.size_bytes;
    }
    int error = count > 0 ? producer_state_reserve(&log->producers, count, transactional) : 0;
    return error == 0 && control ? index_file_reserve(&log_active(log)->aborted) : error;
}

/* Writes checked batches of one append and moves the log end offset. ERR_NOMEM: nothing is
 * written. */
static int log_write(struct log *log, const struct log_append_options *options,
                     const uint8_t *data, size_t size, int64_t max_timestamp_ms,
                     struct log_append_result *result)
{
    int roll = log_should_roll(log, size, max_timestamp_ms, result->last_offset);
    if (roll == 1) {
        result->flush_soon = true;
        roll = log_roll(log);
    }
    roll = roll == 0 ? log_reserve(log, data, size) : roll;
    if (roll != 0) {
        return roll;
    }
    struct segment *active = log_active(log);
    int64_t position = active->size_bytes;
    active->used_ms = active->written_ms = log->now_ms;
    log->directory_dirty |= position == 0;
    log_keep_hot(log, position);
    int error = segment_write(active, data, size, log->config->segment_bytes);
    if (error != 0) {
        return error;
    }
    ASSERT(result->base_offset >= log->log_end_offset);
    ASSERT(result->last_offset >= result->base_offset);
    ASSERT(active->size_bytes == position + (int64_t)size);
    log->size_bytes += (int64_t)size;
    log->bytes_since_snapshot += (int64_t)size;
    log->log_end_offset = result->last_offset + 1;
    size_t at = 0;
    while (error == 0 && at < size) {
        struct batch batch;
        error = batch_decode(data + at, size - at, &batch);
        ASSERT(error == 0); /* checked before it was written */
        error = log_account(log, active, &batch, data + at, position + (int64_t)at);
        if (batch.producer_id >= 0 && batch_is_transactional(&batch)) {
            producer_state_verified(&log->producers, &batch, options->transaction_version);
        }
        log_remember_recent(log, &batch, position + (int64_t)at);
        at += batch.size_bytes;
    }
    ASSERT(error != 0 || at == size);
    ASSERT(error != ERR_NOMEM);
    if (error == 0) {
        log_snapshot_when_due(log);
    }
    log_assert_invariants(log);
    return error;
}

static int log_append_checked(struct log *log, const struct log_append_options *options,
                              const uint8_t *data, size_t size, int64_t max_timestamp_ms,
                              struct log_append_result *result)
{
    if ((int64_t)size > log->config->segment_bytes && options->origin != LOG_ORIGIN_REPLICATION &&
        options->origin != LOG_ORIGIN_RAFT_LEADER) {
        return err_from_wire(KAFKA_RECORD_LIST_TOO_LARGE);
    }
    ASSERT(!result->duplicate && result->appended_bytes == 0);
    int error = log_write(log, options, data, size, max_timestamp_ms, result);
    result->appended_bytes = error == 0 ? size : 0;
    result->flush_soon |= error == 0 && leader_epochs_due(&log->epochs, log->log_end_offset);
    result->flush_due =
        error == 0 && log->log_end_offset - log->recovery_point >= log->config->flush_messages;
    return error;
}

static int log_append_client(struct log *log, const struct log_append_options *options,
                             uint8_t *data, size_t size, struct log_append_result *result)
{
    struct batch batch;
    struct writer rebuilt;
    writer_init(&rebuilt, 0);
    int error = validate_client_batch(log->config, options, data, &size, &batch, result);
    if (error == 0) {
        error = validate_records(log->config, options, log->log_end_offset, data, &batch,
                                 &rebuilt, result);
    }
    if (error == 0) {
        ASSERT(batch.base_offset == log->log_end_offset);
        result->base_offset = batch.base_offset;
        result->last_offset = batch_last_offset(&batch);
        result->log_append_time_ms = log->config->log_append_time ? options->now_ms : -1;
        error = log_check_producer(log, options, &batch, result);
    }
    if (error == 0 && !result->duplicate) {
        error = leader_epochs_assign(&log->epochs, batch.partition_leader_epoch,
                                     batch.base_offset);
    }
    if (error == 0 && !result->duplicate) {
        error = log_append_checked(log, options, rebuilt.size > 0 ? rebuilt.data : data,
                                   rebuilt.size > 0 ? rebuilt.size : size,
                                   batch.max_timestamp_ms, result);
    }
    writer_release(&rebuilt);
    return error;
}

/* Offsets of the batches of a leader that is ourselves, or a check of those that another gave. */
static int log_place_batches(struct log *log, const struct log_append_options *options,
                             uint8_t *data, size_t size, int64_t *max_timestamp_ms,
                             struct log_append_result *result)
{
    bool assigns = options->origin != LOG_ORIGIN_REPLICATION;
    int64_t next_offset = log->log_end_offset;
    *max_timestamp_ms = -1;
    result->base_offset = -1;
    for (size_t at = 0; at < size;) {
        struct batch batch;
        int error = batch_decode(data + at, size - at, &batch);
        if (error != 0 || !batch_crc_holds(data + at, &batch) || batch.last_offset_delta < 0) {
            return err_from_wire(KAFKA_CORRUPT_MESSAGE);
        }
        if (assigns) {
            batch_patch_base_offset(data + at, next_offset);
            batch_patch_leader_epoch(data + at, options->leader_epoch);
            batch_header_read(data + at, &batch);
            if (options->origin == LOG_ORIGIN_COORDINATOR && log->config->log_append_time) {
                batch_patch_timestamp(data + at, &batch, true, options->now_ms);
                batch_header_read(data + at, &batch);
            }
        } else if (batch.base_offset < next_offset) {
            return err_from_wire(KAFKA_OFFSET_OUT_OF_RANGE);
        }
        if (batch.base_offset > INT64_MAX - 1 - batch.last_offset_delta) {
            return err_from_wire(KAFKA_CORRUPT_MESSAGE);
        }
        error = log_check_producer(log, options, &batch, result);
        if (error != 0) {
            return error;
        }
        error = leader_epochs_assign(&log->epochs, batch.partition_leader_epoch,
                                     batch.base_offset);
        if (error != 0) {
            return error;
        }
        *max_timestamp_ms = batch.max_timestamp_ms > *max_timestamp_ms ? batch.max_timestamp_ms
                                                                       : *max_timestamp_ms;
        result->base_offset = result->base_offset < 0 ? batch.base_offset : result->base_offset;
        result->last_offset = batch_last_offset(&batch);
        next_offset = result->last_offset + 1;
        at += batch.size_bytes;
    }
    ASSERT(result->base_offset >= log->log_end_offset && !result->duplicate);
    return 0;
}

int log_append(struct log *log, const struct log_append_options *options, uint8_t *data,
               size_t size, struct log_append_result *result)
{
    ASSERT(log->place.miss == NULL); /* a write waits for the disk */
    result->base_offset = -1;
    result->last_offset = -1;
    result->log_append_time_ms = -1;
    result->appended_bytes = 0;
    result->duplicate = false;
    result->flush_due = false;
    result->flush_soon = false;
    result->refusal = LOG_REFUSAL_WORDLESS;
    result->record_error_count = 0;
    result->log_start_offset = log->log_start_offset;
    log->now_ms = options->now_ms;
    if (options->origin == LOG_ORIGIN_CLIENT) {
        return log_append_client(log, options, data, size, result);
    }
    if (size == 0 || size > SEGMENT_BYTES_MAX) {
        return err_from_wire(KAFKA_INVALID_RECORD);
    }
    int64_t max_timestamp_ms;
    int error = log_place_batches(log, options, data, size, &max_timestamp_ms, result);
    return error != 0 ? error
                      : log_append_checked(log, options, data, size, max_timestamp_ms, result);
}

int log_verify(struct log *log, const struct log_verification *asked, int64_t now_ms,
               uint64_t *guard)
{
    struct producer_verification verification = {
        .producer_id = asked->producer_id,
        .begun_ms = now_ms,
        .lowest_sequence = asked->base_sequence,
        .producer_epoch = asked->producer_epoch,
        .epoch_a_transaction = asked->epoch_a_transaction,
    };
    *guard = 0;
    ASSERT(asked->producer_id >= 0);
    return producer_state_has_transaction(&log->producers, asked->producer_id,
                                          asked->producer_epoch)
               ? 0
               : producer_state_verify(&log->producers, &verification, guard);
}

int log_check_guard(const struct log *log, int64_t producer_id, int16_t producer_epoch,
                    uint64_t guard)
{
    return producer_state_check_guard(&log->producers, producer_id, producer_epoch, guard);
}

size_t log_producer_count(const struct log *log) { return log->producers.count; }

struct log_producer log_producer_at(const struct log *log, size_t index)
{
    ASSERT(index < log->producers.count);
    const struct producer_entry *entry = &log->producers.entries[index];
    return (struct log_producer){
        .producer_id = entry->producer_id,
        .producer_epoch = entry->producer_epoch,
        .last_sequence = entry->batch_count == 0
                             ? -1
                             : entry->batches[entry->batch_count - 1].last_sequence,
        .last_timestamp_ms = entry->last_timestamp_ms,
        .coordinator_epoch = entry->coordinator_epoch,
        .transaction_first_offset = entry->transaction_first_offset,
    };
}

int64_t log_start_offset(const struct log *log) { return log->log_start_offset; }
int64_t log_end_offset(const struct log *log) { return log->log_end_offset; }
int64_t log_size_bytes(const struct log *log) { return log->size_bytes; }
int64_t log_recovery_point(const struct log *log) { return log->recovery_point; }
const char *log_directory(const struct log *log) { return log->place.directory; }

int64_t log_last_stable_offset(const struct log *log, int64_t high_watermark)
{
    int64_t first = producer_state_first_unstable((struct producer_state *)&log->producers,
                                                  high_watermark, log->log_start_offset);
    return first >= 0 && first < high_watermark ? first : high_watermark;
}

int32_t log_latest_epoch(const struct log *log) { return leader_epochs_latest(&log->epochs); }

int32_t log_epoch_of_offset(const struct log *log, int64_t offset)
{
    return leader_epochs_of_offset(&log->epochs, offset);
}

void log_epoch_end_offset(const struct log *log, int32_t epoch, int32_t *found_epoch,
                          int64_t *end_offset)
{
    leader_epochs_end_offset(&log->epochs, epoch, log->log_end_offset, found_epoch, end_offset);
}

int log_assign_epoch(struct log *log, int32_t epoch)
{
    return leader_epochs_assign(&log->epochs, epoch, log->log_end_offset);
}

void log_expire_producers(struct log *log, int64_t now_ms)
{
    producer_state_expire(&log->producers, now_ms, log->config->producer_id_expiration_ms);
}

void log_close_idle_files(struct log *log, int64_t used_before_ms)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (!segment_is_idle(segment) && segment->used_ms < used_before_ms) {
            /* A failure here shows again, and is reported, at the next use. */
            (void)segment_idle(segment);
        }
    }
}
