#include "log/validate.h"

#include "base/assert.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define RECORD_HEADERS_MAX 65536

int validate_framing(const uint8_t *data, size_t *size, int16_t api_version,
                     struct log_append_result *result)
{
    result->refusal = LOG_REFUSAL_WORDLESS;
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
    if (magic == BATCH_MAGIC && api_version < VALIDATE_ZSTD_VERSION) {
        struct batch header;
        batch_header_read(data, &header);
        enum batch_codec codec = header.attributes & BATCH_CODEC_MASK;
        if (codec >= BATCH_CODEC_ZSTD) {
            return err_from_wire(codec == BATCH_CODEC_ZSTD ? KAFKA_UNSUPPORTED_COMPRESSION_TYPE
                                                           : KAFKA_UNKNOWN_SERVER_ERROR);
        }
    }
    return magic < BATCH_MAGIC || another ? err_from_wire(KAFKA_INVALID_RECORD) : 0;
}

int validate_client_batch(const struct log_config *config,
                          const struct log_append_options *options, uint8_t *data, size_t *size,
                          struct batch *batch, struct log_append_result *result)
{
    int error = validate_framing(data, size, options->api_version, result);
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
    bool before_time; /* some timestamp is below that of none */
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
    walk->before_time |= timestamp_ms < -1;
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
    walk->before_time |= run->earliest_ms < -1;
    if (run->latest_ms > walk->max_timestamp_ms) {
        walk->max_timestamp_ms = run->latest_ms;
    }
    return true;
}

/* The records of a batch on their way to a walk. Compressed ones are unpacked a piece at a time: it
 * is read while it is in the nearest cache, and its place serves for the next. */
struct validate_source {
    struct bytes_view records; /* as they came */
    bool compressed;
    bool more; /* to unpack */
    struct decompressor unpacking;
    struct writer *scratch; /* the piece, behind the begin of a record from the one before */
};

/* As Apache Kafka has it: what its codecs throw is no error of its protocol. */
static int codec_error(int error)
{
    return error == 0 || error == ERR_NOMEM ? error : err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR);
}

static int source_open(struct validate_source *source, enum batch_codec codec)
{
    source->more = source->compressed;
    source->scratch->size = 0;
    source->scratch->failed = false;
    if (!source->compressed) {
        return 0;
    }
    return codec_error(decompressor_open(&source->unpacking, codec, source->records,
                                         source->scratch->max_bytes));
}

static void source_close(struct validate_source *source)
{
    if (source->compressed) {
        decompressor_close(&source->unpacking);
    }
}

/* Gives the walk another piece behind what it has not read yet. */
static int source_continue(struct validate_source *source, struct record_iter *iter)
{
    struct writer *scratch = source->scratch;
    size_t left = reader_left(&iter->reader);
    ASSERT(source->more && left <= scratch->size);
    if (left > 0 && iter->reader.cursor != scratch->data) {
        memmove(scratch->data, iter->reader.cursor, left);
    }
    scratch->size = left;
    int result = decompressor_next(&source->unpacking, scratch);
    if (result < 0) {
        return codec_error(result);
    }
    source->more = result == 1;
    record_iter_continue(iter, (struct bytes_view){scratch->data, scratch->size});
    return 0;
}

/* Walks all records, those that are alike in runs if it may: 0, an error, or 1: one of a run has to
 * be rejected. */
static int walk_source(struct validate_walk *walk, const struct batch *batch,
                       struct validate_source *source, bool in_runs)
{
    struct record_iter iter;
    struct record record;
    struct record_run run;
    record_iter_init(&iter, batch,
                     source->compressed ? (struct bytes_view){NULL, 0} : source->records);
    int more = 1;
    while (more == 1) {
        if (in_runs) {
            record_iter_run(&iter, &run);
            if (!walk_run(walk, &run)) {
                return 1;
            }
        }
        if (source->more && !record_iter_ready(&iter)) {
            int error = source_continue(source, &iter);
            if (error != 0) {
                return error;
            }
            continue;
        }
        more = record_iter_next(&iter, &record);
        if (more == 1) {
            walk_record(walk, batch, &record, iter.next_index - 1);
        }
    }
    ASSERT(more != 0 || iter.next_index == batch->record_count);
    return more == 0 ? 0 : err_from_wire(KAFKA_INVALID_RECORD);
}

static int walk_all(struct validate_walk *walk, const struct batch *batch,
                    struct validate_source *source, bool in_runs)
{
    int error = source_open(source, batch->attributes & BATCH_CODEC_MASK);
    if (error == 0) {
        error = walk_source(walk, batch, source, in_runs);
        source_close(source);
    }
    return error;
}

/* Walks all records: 0 or an error. */
static int walk_records(struct validate_walk *walk, const struct batch *batch,
                        struct validate_source *source)
{
    int error = walk_all(walk, batch, source, true);
    if (error == 1) {
        walk->result->record_error_count = 0; /* all are told, in their order */
        error = walk_all(walk, batch, source, false);
    }
    if (error == 0 && walk->result->record_error_count > 0) {
        error = err_from_wire(walk->timestamp_error ? KAFKA_INVALID_TIMESTAMP
                                                    : KAFKA_INVALID_RECORD);
    }
    return error;
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

/* Whether Kafka can make such a batch anew: what it cannot, it takes only as it came. */
static bool can_be_rebuilt(const struct batch *batch)
{
    bool transactional = (batch->attributes & BATCH_TRANSACTIONAL) != 0;
    return batch->producer_id == -1 ? !transactional : batch->producer_epoch != -1;
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

/* The records of a batch that has passed the walk, as a whole. */
static int unpack_whole(struct validate_source *source, enum batch_codec codec,
                        struct bytes_view *records)
{
    struct writer *scratch = source->scratch;
    *records = source->records;
    if (!source->compressed) {
        return 0;
    }
    scratch->size = 0;
    int error = decompress_append(codec, source->records, scratch);
    *records = (struct bytes_view){scratch->data, scratch->size};
    return codec_error(error);
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
                           uint8_t *data, struct batch *batch, struct validate_source *source,
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
    int error = walk_records(&walk, batch, source);
    if (error != 0) {
        return error;
    }
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    enum batch_codec target =
        config->codec == LOG_CODEC_PRODUCER ? codec : (enum batch_codec)config->codec;
    bool in_place = codec == target && (codec == BATCH_CODEC_NONE || walk.sequential);
    uint8_t *stored = data;
    if (!in_place) {
        int32_t level = config->codec == LOG_CODEC_PRODUCER ? COMPRESS_LEVEL_DEFAULT
                                                            : config->codec_level;
        struct bytes_view records;
        if (walk.before_time || !can_be_rebuilt(batch)) {
            return err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR);
        }
        error = unpack_whole(source, codec, &records);
        if (error != 0) {
            return error;
        }
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
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    struct validate_source source = {
        .records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES},
        .compressed = codec != BATCH_CODEC_NONE,
        .scratch = scratch,
    };
    int error = codec < BATCH_CODEC_COUNT ? 0 : err_from_wire(KAFKA_UNKNOWN_SERVER_ERROR);
    if (error == 0) {
        error = validate_walked(config, options, base_offset, data, batch, &source, rebuilt,
                                result);
    }
    if (scratch == &own) {
        writer_release(&own);
    }
    return error;
}
