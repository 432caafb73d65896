#include "targets.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "log/validate.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"
#include "sample_log.h"

#define FIRST SAMPLE_DIRECTORY "/00000000000000000000"
#define READ_BYTES 700
#define FILE_BYTES_MAX 8192

/* How the last process ended, as the first byte has it. */
static enum sample_end ended(uint8_t how)
{
    return (how & 3) == 0 ? SAMPLE_CLOSED : (how & 3) == 1 ? SAMPLE_KILLED : SAMPLE_POWER_LOST;
}

/* Reads from an offset on. 0 with the offset behind what was read; an error of the log. */
static int read_some(struct log *log, int64_t *offset)
{
    struct log_read_result result;
    int error = log_read(log, *offset, log_end_offset(log), READ_BYTES, true, &result);
    if (error != 0 || !result.has_range) {
        return error != 0 ? error : ERR_NOT_FOUND;
    }
    uint8_t *bytes = mem_need(result.range.size);
    int64_t got = io_file_read(result.range.file, bytes, result.range.size,
                               result.range.position);
    fuzz_require(got == (int64_t)result.range.size, "a range lies within its file");
    int64_t next = -1;
    struct batch batch;
    size_t at = 0;
    while (batch_decode(bytes + at, (size_t)got - at, &batch) == 0) {
        if (next < 0) {
            fuzz_require(batch.base_offset == result.first_offset, "the first batch is it");
        }
        if (batch_last_offset(&batch) < next) {
            break;
        }
        next = batch_last_offset(&batch) + 1;
        at += batch.size_bytes;
    }
    mem_free(bytes);
    result.range.release(&result.range);
    if (next <= *offset) {
        return ERR_CORRUPT;
    }
    *offset = next;
    return 0;
}

static void read_all(struct log *log)
{
    int64_t offset = log_start_offset(log);
    for (int i = 0; i < SAMPLE_BATCHES * 4 && offset < log_end_offset(log); i++) {
        if (read_some(log, &offset) != 0) {
            offset++;
        }
    }
    struct log_offset found;
    struct arena arena;
    struct log_aborted *aborted;
    int32_t count;
    (void)log_offset_by_timestamp(log, SAMPLE_NOW_MS - 990, log_end_offset(log), &found);
    (void)log_offset_of_max_timestamp(log, &found);
    arena_init(&arena, 1 << 20);
    if (log_end_offset(log) > log_start_offset(log)) {
        (void)log_aborted_transactions(log, log_start_offset(log), 1 << 20, &arena, &aborted,
                                       &count);
    }
    arena_release(&arena);
    (void)log_last_stable_offset(log, log_end_offset(log));
}

/* The log goes on from what it found, and finds that again. */
static void append_and_open_again(struct memory_fs *memory, struct log **log)
{
    static const uint8_t value[1000] = {1};
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS, .value = {value, sizeof value}};
    header.base_timestamp_ms = SAMPLE_NOW_MS;
    int error = 0;
    for (int i = 0; error == 0 && i < 3; i++) {
        error = sample_append(*log, LOG_ORIGIN_CLIENT, &header, &record);
    }
    int64_t end_offset = log_end_offset(*log);
    if (log_close(log) != 0 || error != 0) {
        return;
    }
    fuzz_require(sample_open(memory, SAMPLE_CLOSED, log) == 0, "what was closed in order opens");
    fuzz_require(log_end_offset(*log) == end_offset, "and ends where it ended");
    log_abandon(log);
    fuzz_require(sample_open(memory, SAMPLE_POWER_LOST, log) == 0,
                 "it opens after a loss of power");
    read_all(*log);
}

static void mend_crcs(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + BATCH_HEADER_BYTES <= size;) {
        int64_t whole = batch_view_size(data + at, size - at);
        if (whole < BATCH_HEADER_BYTES || (size_t)whole > size - at) {
            return;
        }
        batch_seal(data + at, (size_t)whole,
                   (enum batch_codec)(data[at + 22] & BATCH_CODEC_MASK));
        at += (size_t)whole;
    }
}

void fuzz_segment(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct log *log;
    uint8_t file[FILE_BYTES_MAX];
    if (size < 1 || size > sizeof file) {
        mem_free(memory);
        return;
    }
    uint8_t how = data[0];
    memcpy(file, data + 1, size - 1);
    if ((how & 4) != 0) {
        mend_crcs(file, size - 1);
    }
    memory_fs_init(memory);
    (void)io_make_directory(&memory->fs, "/data");
    (void)io_make_directory(&memory->fs, SAMPLE_DIRECTORY);
    memory_fs_put(memory, FIRST ".log", file, size - 1);
    int error = sample_open(memory, ended(how), &log);
    fuzz_require((how & 3) == 0 || error == 0, "a log opens after a crash, whatever is in it");
    if (error == 0) {
        read_all(log);
        append_and_open_again(memory, &log);
    }
    log_abandon(&log);
    memory_fs_release(memory);
    mem_free(memory);
}

/* Each offset is found in its batch. */
static void require_offsets(const struct sample *sample, struct log *log)
{
    fuzz_require(log_end_offset(log) == sample->end_offset, "nothing is gone");
    for (int64_t offset = 0; offset < sample->end_offset; offset++) {
        struct log_read_result result;
        int error = log_read(log, offset, sample->end_offset, READ_BYTES, true, &result);
        fuzz_require(error == 0 && result.has_range, "each offset can be read");
        size_t i = sample->batch_count - 1;
        while (sample->base_offsets[i] > offset) {
            i--;
        }
        fuzz_require(result.first_offset == sample->base_offsets[i], "and begins in its batch");
        result.range.release(&result.range);
    }
    read_all(log);
}

/* Puts the bytes in the place of one file of the sample; how & 64: of the active segment. */
static void with_file(const uint8_t *data, size_t size, const char *suffix)
{
    const struct sample *sample = sample_log();
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct log *log;
    char path[MEMORY_PATH_BYTES];
    if (size >= 1 && size < FILE_BYTES_MAX) {
        memory_fs_copy(memory, &sample->memory);
        bool active = (data[0] & 64) != 0;
        snprintf(path, sizeof path, SAMPLE_DIRECTORY "/%020lld%s",
                 (long long)(strcmp(suffix, ".snapshot") == 0 ? sample->end_offset
                             : active                         ? sample->active_base
                                                              : 0),
                 suffix);
        if (suffix[0] != '.') {
            snprintf(path, sizeof path, SAMPLE_DIRECTORY "/%s", suffix);
        }
        memory_fs_put(memory, path, data + 1, size - 1);
        fuzz_require(sample_open(memory, ended(data[0]), &log) == 0, "the log opens");
        require_offsets(sample, log);
        append_and_open_again(memory, &log);
        log_abandon(&log);
        memory_fs_release(memory);
    }
    mem_free(memory);
}

void fuzz_offset_index(const uint8_t *data, size_t size) { with_file(data, size, ".index"); }
void fuzz_time_index(const uint8_t *data, size_t size) { with_file(data, size, ".timeindex"); }
void fuzz_txn_index(const uint8_t *data, size_t size) { with_file(data, size, ".txnindex"); }

void fuzz_producer_snapshot(const uint8_t *data, size_t size)
{
    with_file(data, size, ".snapshot");
}

void fuzz_leader_epochs(const uint8_t *data, size_t size)
{
    with_file(data, size, "leader-epoch-checkpoint");
}

/* ---- what clients send ---- */

#define PRODUCED_OFFSET 1000
#define PRODUCED_BYTES_MAX ((size_t)1 << 20)

static void require_stored(const struct log_config *config, const struct batch *stored,
                           const uint8_t *data)
{
    enum batch_codec codec = stored->attributes & BATCH_CODEC_MASK;
    struct writer plain;
    struct record_iter iter;
    struct record record;
    int more;
    writer_init(&plain, PRODUCED_BYTES_MAX);
    fuzz_require(batch_crc_holds(data, stored), "what is stored has a CRC that holds");
    fuzz_require(config->codec == LOG_CODEC_PRODUCER || codec == (enum batch_codec)config->codec,
                 "the topic's codec");
    int error = decompress_append(
        codec, (struct bytes_view){stored->records, stored->size_bytes - BATCH_HEADER_BYTES},
        &plain);
    fuzz_require(error == 0, "what is stored unpacks");
    record_iter_init(&iter, stored, (struct bytes_view){plain.data, plain.size});
    while ((more = record_iter_next(&iter, &record)) == 1) {
        fuzz_require(!config->clean_compact || record.key.data != NULL, "it has a key");
        fuzz_require(codec == BATCH_CODEC_NONE ||
                         record.offset == PRODUCED_OFFSET + iter.next_index - 1,
                     "it has the next offset");
    }
    fuzz_require(more == 0, "its records are whole");
    writer_release(&plain);
}

/* Hands a batch to the log's check, with the records in that codec already: 0 or an error. */
static int produced_check(const struct log_config *config, enum batch_codec codec, int32_t count,
                          struct bytes_view records, struct log_append_result *result)
{
    struct writer bytes, rebuilt, scratch;
    struct batch header = batch_header_empty(0), batch;
    struct batch_builder builder;
    struct log_append_options options = {.now_ms = SAMPLE_NOW_MS, .api_version = 9,
                                         .scratch = &scratch};
    writer_init(&bytes, 2 * PRODUCED_BYTES_MAX);
    writer_init(&rebuilt, 2 * PRODUCED_BYTES_MAX);
    writer_init(&scratch, PRODUCED_BYTES_MAX);
    header.base_timestamp_ms = header.max_timestamp_ms = SAMPLE_NOW_MS;
    batch_builder_init(&builder, &bytes, &header);
    builder.header.record_count = count;
    builder.header.last_offset_delta = count - 1;
    fuzz_require(batch_builder_finish(&builder) == 0, "a header");
    writer_bytes(&bytes, records.data, records.size);
    batch_seal(bytes.data, bytes.size, codec);
    size_t size = bytes.size;
    *result = (struct log_append_result){0};
    int error = validate_client_batch(config, &options, bytes.data, &size, &batch, result);
    if (error == 0) {
        error = validate_records(config, &options, PRODUCED_OFFSET, bytes.data, &batch, &rebuilt,
                                 result);
    }
    if (error == 0) {
        require_stored(config, &batch, rebuilt.size > 0 ? rebuilt.data : bytes.data);
    }
    writer_release(&bytes);
    writer_release(&rebuilt);
    writer_release(&scratch);
    return error;
}

void fuzz_produced(const uint8_t *data, size_t size)
{
    struct reader reader;
    struct log_append_result plainly, result;
    reader_init(&reader, data, size);
    uint8_t topic = (uint8_t)reader_i8(&reader);
    uint8_t how = (uint8_t)reader_i8(&reader);
    int32_t count = reader_i16(&reader);
    if (reader.failed) {
        return;
    }
    struct bytes_view records = {reader.cursor, reader_left(&reader)};
    enum batch_codec codec = (how & 0x7f) % BATCH_CODEC_COUNT;
    struct log_config config = {.codec = (topic & 7) < BATCH_CODEC_COUNT ? topic & 7
                                                                         : LOG_CODEC_PRODUCER,
                                .codec_level = COMPRESS_LEVEL_DEFAULT,
                                .max_message_bytes = INT32_MAX,
                                .clean_compact = (topic & 8) != 0,
                                .log_append_time = (topic & 16) != 0,
                                .timestamp_before_max_ms = (topic & 32) != 0 ? 10 : INT64_MAX,
                                .timestamp_after_max_ms = (topic & 64) != 0 ? 10 : INT64_MAX};
    if ((how & 0x80) == 0) {
        (void)produced_check(&config, codec, count, records, &result);
        return;
    }
    struct writer packed;
    writer_init(&packed, PRODUCED_BYTES_MAX);
    fuzz_require(compress_append(codec, COMPRESS_LEVEL_DEFAULT, records, &packed) == 0, "it packs");
    int error = produced_check(&config, BATCH_CODEC_NONE, count, records, &plainly);
    int packed_error = produced_check(&config, codec, count,
                                      (struct bytes_view){packed.data, packed.size}, &result);
    fuzz_require(packed_error == error &&
                     result.record_error_count == plainly.record_error_count,
                 "a codec does not change what is thought of records");
    writer_release(&packed);
}
