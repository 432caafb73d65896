#include "log/validate.h"

#include "base/assert.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define ZSTD_PRODUCE_VERSION 7
#define RECORD_HEADERS_MAX 65536

/* What Apache Kafka checks of a request before it looks at a log (ProduceRequest.validateRecords):
 * one batch of format 2, and behind it at most a part of another, which is ignored. */
static int validate_framing(const uint8_t *data, size_t *size, struct log_append_result *result)
{
    int64_t whole = batch_view_size(data, *size);
    if (whole < 0) {
        struct batch header;
        batch_header_read(data, &header);
        result->refusal = LOG_REFUSAL_SIZE;
        result->refused_number = (int32_t)(header.size_bytes - BATCH_PREFIX_BYTES);
        return err_from_wire(KAFKA_CORRUPT_MESSAGE);
    }
    if (whole == 0 || (uint64_t)whole > *size) {
        return err_from_wire(KAFKA_INVALID_RECORD);
    }
    uint8_t magic = batch_magic(data);
    if (magic > BATCH_MAGIC) {
        result->refusal = LOG_REFUSAL_MAGIC;
        result->refused_number = (int8_t)magic;
        return err_from_wire(KAFKA_CORRUPT_MESSAGE);
    }
    int64_t next = batch_view_size(data + whole, *size - (size_t)whole);
    ASSERT((uint64_t)whole <= *size);
    bool another = next > 0 && (uint64_t)next <= *size - (size_t)whole;
    if (whole < BATCH_HEADER_BYTES && magic == BATCH_MAGIC) {
        return err_from_wire(KAFKA_CORRUPT_MESSAGE);
    }
    *size = (size_t)whole;
    return magic < BATCH_MAGIC || another ? err_from_wire(KAFKA_INVALID_RECORD) : 0;
}

int validate_client_batch(const struct log_config *config, uint8_t *data, size_t *size,
                          struct batch *batch, struct log_append_result *result)
{
    int error = validate_framing(data, size, result);
    if (error != 0) {
        result->log_start_offset = -1;
        return error;
    }
    error = batch_decode(data, *size, batch);
    ASSERT(error == 0 && batch->size_bytes == *size);
    if (batch->base_offset != 0) {
        return err_from_wire(KAFKA_INVALID_RECORD);
    }
    if (*size > (size_t)config->max_message_bytes) {
        return err_from_wire(KAFKA_MESSAGE_TOO_LARGE);
    }
    if (!batch_crc_holds(data, batch)) {
        return err_from_wire(KAFKA_CORRUPT_MESSAGE);
    }
    bool counted = batch->record_count > 0 && batch->last_offset_delta >= 0 &&
                   batch->last_offset_delta < INT32_MAX &&
                   batch->last_offset_delta + 1 == batch->record_count;
    bool sequenced = batch->producer_id == -1 || batch->base_sequence >= 0;
    return counted && sequenced && !batch_is_control(batch) ? 0
                                                            : err_from_wire(KAFKA_INVALID_RECORD);
}

/* One walk over the records of a batch. */
struct validate_walk {
    const struct log_config *config;
    int64_t earliest_ms; /* that a record may have */
    int64_t latest_ms;
    int64_t max_timestamp_ms;
    bool sequential; /* offsets are base, base + 1, ... */
    bool timestamp_error;
    struct log_append_result *result;
};

static void walk_reject(struct validate_walk *walk, int32_t index, enum log_record_fault fault,
                        int64_t timestamp_ms)
{
    struct log_append_result *result = walk->result;
    ASSERT(index >= 0 && index >= result->record_error_count);
    if (result->record_error_count < LOG_RECORD_ERRORS_MAX) {
        result->record_errors[result->record_error_count] =
            (struct log_record_error){index, fault, timestamp_ms};
    }
    result->record_error_count++;
}

static void walk_record(struct validate_walk *walk, const struct batch *batch,
                        const struct record *record, int32_t index)
{
    const struct log_config *config = walk->config;
    if (record->offset != batch->base_offset + index) {
        walk->sequential = false;
    }
    if (config->clean_compact && record->key.data == NULL) {
        walk_reject(walk, index, LOG_RECORD_WITHOUT_KEY, -1);
        return;
    }
    int64_t timestamp_ms = record->timestamp_ms;
    bool append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
    if (!config->log_append_time && timestamp_ms != -1) {
        if (timestamp_ms < walk->earliest_ms || timestamp_ms > walk->latest_ms) {
            walk->timestamp_error = true;
            walk_reject(walk, index, LOG_RECORD_TIMESTAMP, timestamp_ms);
            return;
        }
    } else if (append_time) {
        walk->timestamp_error = true;
        walk_reject(walk, index, LOG_RECORD_APPEND_TIME, timestamp_ms);
        return;
    }
    if (timestamp_ms > walk->max_timestamp_ms) {
        walk->max_timestamp_ms = timestamp_ms;
    }
}

/* The same for a run of records. False, with nothing done: one of them has to be rejected. */
static bool walk_run(struct validate_walk *walk, const struct record_run *run)
{
    const struct log_config *config = walk->config;
    if (run->count == 0) {
        return true;
    }
    if ((config->clean_compact && !run->keyed) ||
        (!config->log_append_time &&
         (run->earliest_ms < walk->earliest_ms || run->latest_ms > walk->latest_ms))) {
        return false;
    }
    walk->sequential &= run->sequential;
    if (run->latest_ms > walk->max_timestamp_ms) {
        walk->max_timestamp_ms = run->latest_ms;
    }
    return true;
}

/* Walks all records, those that are alike in runs if it may: 0, ERR_CORRUPT, or 1: one of a run has
 * to be rejected. */
static int walk_all(struct validate_walk *walk, const struct batch *batch,
                    struct bytes_view records, bool in_runs)
{
    struct record_iter iter;
    struct record record;
    struct record_run run;
    int more;
    record_iter_init(&iter, batch, records);
    do {
        if (in_runs) {
            record_iter_run(&iter, &run);
            if (!walk_run(walk, &run)) {
                return 1;
            }
        }
        more = record_iter_next(&iter, &record);
        if (more == 1) {
            walk_record(walk, batch, &record, iter.next_index - 1);
        }
    } while (more == 1);
    ASSERT(more != 0 || iter.next_index == batch->record_count);
    return more;
}

/* Walks all records: 0 or a wire error. */
static int walk_records(struct validate_walk *walk, const struct batch *batch,
                        struct bytes_view records)
{
    int error = walk_all(walk, batch, records, true);
    if (error == 1) {
        walk->result->record_error_count = 0; /* all are told, in their order */
        error = walk_all(walk, batch, records, false);
    }
    if (error != 0) {
        return err_from_wire(KAFKA_INVALID_RECORD);
    }
    if (walk->result->record_error_count > 0) {
        return err_from_wire(walk->timestamp_error ? KAFKA_INVALID_TIMESTAMP
                                                   : KAFKA_INVALID_RECORD);
    }
    return 0;
}

/* Copies the records of a batch into a builder, numbered from base_offset. */
static int rebuild_records(const struct batch *source, struct bytes_view records,
                           struct batch_builder *builder, int64_t base_offset)
{
    struct record_iter iter;
    struct record record;
    struct arena arena;
    arena_init(&arena, 16u << 20);
    record_iter_init(&iter, source, records);
    int more;
    int64_t offset = base_offset;
    while ((more = record_iter_next(&iter, &record)) == 1) {
        struct record_header *headers =
            arena_array(&arena, (size_t)record.header_count, sizeof *headers);
        if (arena.failed || record.header_count > RECORD_HEADERS_MAX) {
            more = ERR_NOMEM;
            break;
        }
        for (int32_t i = 0; i < record.header_count && more == 1; i++) {
            more = record_iter_next_header(&iter, &headers[i]);
        }
        if (more != 1) {
            more = more == 0 ? ERR_CORRUPT : more;
            break;
        }
        record.headers = headers;
        record.offset = offset++;
        batch_builder_add(builder, &record);
        arena_reset(&arena);
    }
    arena_release(&arena);
    return more;
}

/* Makes the batch anew with another codec, its records numbered without gaps. */
static int rebuild_batch(const struct batch *source, struct bytes_view records,
                         enum batch_codec codec, int32_t codec_level, struct writer *rebuilt)
{
    struct batch header = *source;
    header.attributes &= (uint16_t)~BATCH_CODEC_MASK;
    struct writer plain;
    struct batch_builder builder;
    ASSERT(codec < BATCH_CODEC_COUNT);
    writer_init(&plain, VALIDATE_UNPACKED_BYTES_MAX);
    batch_builder_init(&builder, &plain, &header);
    int error = rebuild_records(source, records, &builder, header.base_offset);
    if (error == 0) {
        error = batch_builder_finish(&builder);
    }
    if (error == 0) {
        writer_init(rebuilt, VALIDATE_UNPACKED_BYTES_MAX);
        if (codec == BATCH_CODEC_NONE) {
            writer_bytes(rebuilt, plain.data, plain.size);
        } else {
            writer_bytes(rebuilt, plain.data, BATCH_HEADER_BYTES);
            error = compress_append(codec, codec_level,
                                    (struct bytes_view){plain.data + BATCH_HEADER_BYTES,
                                                        plain.size - BATCH_HEADER_BYTES},
                                    rebuilt);
        }
        error = error == 0 && rebuilt->failed ? ERR_NOMEM : error;
    }
    if (error == 0 && codec != BATCH_CODEC_NONE) {
        batch_seal(rebuilt->data, rebuilt->size, codec);
    }
    ASSERT(error != 0 || rebuilt->size >= BATCH_HEADER_BYTES);
    writer_release(&plain);
    return error;
}

/* The records of a batch, unpacked into scratch when they are compressed. */
static int view_records(const struct log_append_options *options, const struct batch *batch,
                        struct writer *scratch, struct bytes_view *records)
{
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    ASSERT(batch->size_bytes >= BATCH_HEADER_BYTES);
    *records = (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    if (codec == BATCH_CODEC_NONE) {
        return 0;
    }
    if (codec >= BATCH_CODEC_COUNT ||
        (codec == BATCH_CODEC_ZSTD && options->api_version < ZSTD_PRODUCE_VERSION)) {
        return err_from_wire(codec >= BATCH_CODEC_COUNT ? KAFKA_UNKNOWN_SERVER_ERROR
                                                        : KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    }
    scratch->size = 0;
    scratch->failed = false;
    int error = decompress_append(codec, *records, scratch);
    /* An empty payload has no memory behind it, which would read as null. */
    *records = (struct bytes_view){scratch->data != NULL ? scratch->data : batch->records,
                                   scratch->size};
    /* As Apache Kafka has it: what its codecs throw is no error of its protocol. */
    return error == 0 || error == ERR_NOMEM ? error : err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR);
}

static void stamp(uint8_t *data, struct batch *batch, const struct log_config *config,
                  int64_t now_ms, int64_t max_timestamp_ms, int64_t base_offset,
                  int32_t leader_epoch)
{
    batch_patch_timestamp(data, batch, config->log_append_time,
                          config->log_append_time ? now_ms : max_timestamp_ms);
    batch_patch_base_offset(data, base_offset);
    batch_patch_leader_epoch(data, leader_epoch);
    batch_header_read(data, batch);
    ASSERT(batch->base_offset == base_offset && batch->partition_leader_epoch == leader_epoch);
    ASSERT_SLOW(batch_crc_holds(data, batch));
}

/* a + b, or what is nearest to it. */
static int64_t sum_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : b < 0 ? INT64_MIN : INT64_MAX;
}

static int validate_walked(const struct log_config *config,
                           const struct log_append_options *options, int64_t base_offset,
                           uint8_t *data, struct batch *batch, struct bytes_view records,
                           struct writer *rebuilt, struct log_append_result *result)
{
    struct validate_walk walk = {.config = config,
                                 .earliest_ms = sum_saturated(
                                     options->now_ms, -config->timestamp_before_max_ms),
                                 .latest_ms = sum_saturated(options->now_ms,
                                                            config->timestamp_after_max_ms),
                                 .max_timestamp_ms = -1,
                                 .sequential = true,
                                 .result = result};
    /* Java's sums wrap around where a bound is none, and so do these. */
    result->timestamps_from_ms =
        (int64_t)((uint64_t)options->now_ms - (uint64_t)config->timestamp_before_max_ms);
    result->timestamps_to_ms =
        (int64_t)((uint64_t)options->now_ms + (uint64_t)config->timestamp_after_max_ms);
    int error = walk_records(&walk, batch, records);
    if (error != 0) {
        return error;
    }
    enum batch_codec source = batch->attributes & BATCH_CODEC_MASK;
    enum batch_codec target =
        config->codec == LOG_CODEC_PRODUCER ? source : (enum batch_codec)config->codec;
    bool in_place = source == target && (source == BATCH_CODEC_NONE || walk.sequential);
    uint8_t *stored = data;
    if (!in_place) {
        int32_t level = config->codec == LOG_CODEC_PRODUCER ? COMPRESS_LEVEL_DEFAULT
                                                            : config->codec_level;
        error = rebuild_batch(batch, records, target, level, rebuilt);
        if (error != 0) {
            return error == ERR_NOMEM ? error : err_from_wire(KAFKA_INVALID_RECORD);
        }
        if (rebuilt->size > (size_t)config->max_message_bytes) {
            return err_from_wire(KAFKA_MESSAGE_TOO_LARGE);
        }
        stored = rebuilt->data;
        batch_header_read(stored, batch);
        ASSERT(batch->size_bytes == rebuilt->size);
    }
    stamp(stored, batch, config, options->now_ms, walk.max_timestamp_ms, base_offset,
          options->leader_epoch);
    return 0;
}

int validate_records(const struct log_config *config, const struct log_append_options *options,
                     int64_t base_offset, uint8_t *data, struct batch *batch,
                     struct writer *rebuilt, struct log_append_result *result)
{
    struct writer own;
    struct writer *scratch = options->scratch;
    if (scratch == NULL) {
        writer_init(&own, VALIDATE_UNPACKED_BYTES_MAX);
        scratch = &own;
    }
    struct bytes_view records;
    if ((batch->attributes & BATCH_CODEC_MASK) >= BATCH_CODEC_COUNT &&
        options->api_version < ZSTD_PRODUCE_VERSION) {
        result->log_start_offset = -1; /* in these versions the codec is part of the framing */
    }
    int error = view_records(options, batch, scratch, &records);
    if (error == 0) {
        error = validate_walked(config, options, base_offset, data, batch, records, rebuilt,
                                result);
    }
    if (scratch == &own) {
        writer_release(&own);
    }
    return error;
}
