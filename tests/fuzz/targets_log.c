#include "targets.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "memory_fs.h"
#include "protocol/record/batch.h"

#define DIRECTORY "/data/topic-0"
#define FIRST DIRECTORY "/00000000000000000000"
#define NOW_MS INT64_C(1700000000000)
#define SEGMENT_BYTES 1800
#define SAMPLE_BATCHES 24
#define READ_BYTES 700
#define FILE_BYTES_MAX 8192
#define BATCH_BYTES 4096

/* What the log of every run begins as: two segments and more, idempotent producers, a transaction
 * that was aborted and one that is open. */
struct sample {
    struct memory_fs memory;
    int64_t base_offsets[SAMPLE_BATCHES]; /* of the batches, in order */
    size_t batch_count;
    int64_t end_offset;
    int64_t active_base;
};

static struct log_config sample_config(void)
{
    struct log_config config = log_config_default();
    config.segment_bytes = SEGMENT_BYTES;
    config.index_interval_bytes = 100;
    return config;
}

/* how & 3: closed in order, killed, or the power was lost. */
static int sample_open(struct memory_fs *memory, uint8_t how, struct log **log)
{
    struct err_message message = {{0}};
    struct log_options options = {.fs = &memory->fs,
                                  .directory = DIRECTORY,
                                  .config = sample_config(),
                                  .clean_shutdown = (how & 3) == 0,
                                  .page_cache_intact = (how & 3) == 1,
                                  .now_ms = NOW_MS,
                                  .random = 1};
    return log_open(&options, log, &message);
}

static int sample_append(struct log *log, enum log_origin origin, const struct batch *header,
                         const struct record *record)
{
    struct writer writer;
    struct batch_builder builder;
    struct log_append_result result;
    struct writer scratch;
    writer_init(&writer, BATCH_BYTES);
    writer_init(&scratch, BATCH_BYTES);
    batch_builder_init(&builder, &writer, header);
    batch_builder_add(&builder, record);
    struct log_append_options options = {.origin = origin,
                                         .leader_epoch = 5,
                                         .now_ms = NOW_MS,
                                         .api_version = 9,
                                         .scratch = &scratch};
    int error = batch_builder_finish(&builder);
    if (error == 0) {
        error = log_append(log, &options, writer.data, writer.size, &result);
    }
    writer_release(&writer);
    writer_release(&scratch);
    return error;
}

static int sample_append_one(struct log *log, int i)
{
    static const uint8_t abort_key[] = {0, 0, 0, 0};
    static const uint8_t abort_value[] = {0, 0, 0, 0, 0, 1};
    static const uint8_t value[100] = {1, 2, 3};
    bool is_marker = i == 11 || i == 17;
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = NOW_MS - 1000 + i,
                            .key = {(const uint8_t *)"key", 3},
                            .value = {value, (size_t)(i * 4)}};
    header.base_timestamp_ms = record.timestamp_ms;
    if (i >= 8) {
        header.producer_id = 7 + i % 2;
        header.producer_epoch = 0;
        header.base_sequence = (i - 8) / 2;
        header.attributes = BATCH_TRANSACTIONAL;
    }
    if (is_marker) {
        header.base_sequence = -1;
        header.attributes |= BATCH_CONTROL;
        record.key = (struct bytes_view){abort_key, sizeof abort_key};
        record.value = (struct bytes_view){abort_value, sizeof abort_value};
    }
    if (i > 11 && header.producer_id == 8 && !is_marker) {
        header.base_sequence -= i > 17 ? 2 : 1; /* markers have none */
    }
    return sample_append(log, is_marker ? LOG_ORIGIN_COORDINATOR : LOG_ORIGIN_CLIENT, &header,
                         &record);
}

static void sample_make(struct sample *sample)
{
    struct log *log;
    memset(sample, 0, sizeof *sample);
    memory_fs_init(&sample->memory);
    (void)io_make_directory(&sample->memory.fs, "/data");
    fuzz_require(sample_open(&sample->memory, 0, &log) == 0, "a log begins");
    for (int i = 0; i < SAMPLE_BATCHES; i++) {
        sample->base_offsets[sample->batch_count++] = log_end_offset(log);
        fuzz_require(sample_append_one(log, i) == 0, "the sample is in order");
    }
    sample->end_offset = log_end_offset(log);
    fuzz_require(log_close(&log) == 0, "it closes");
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        long long base;
        if (strstr(sample->memory.files[i].path, ".log") != NULL &&
            sscanf(sample->memory.files[i].path, DIRECTORY "/%lld", &base) == 1 &&
            base > sample->active_base) {
            sample->active_base = base;
        }
    }
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
    (void)log_offset_by_timestamp(log, NOW_MS - 990, log_end_offset(log), &found);
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
    struct record record = {.timestamp_ms = NOW_MS, .value = {value, sizeof value}};
    header.base_timestamp_ms = NOW_MS;
    int error = 0;
    for (int i = 0; error == 0 && i < 3; i++) {
        error = sample_append(*log, LOG_ORIGIN_CLIENT, &header, &record);
    }
    int64_t end_offset = log_end_offset(*log);
    if (log_close(log) != 0 || error != 0) {
        return;
    }
    fuzz_require(sample_open(memory, 0, log) == 0, "what was closed in order opens");
    fuzz_require(log_end_offset(*log) == end_offset, "and ends where it ended");
    log_abandon(log);
    fuzz_require(sample_open(memory, 2, log) == 0, "it opens after a loss of power");
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
    (void)io_make_directory(&memory->fs, DIRECTORY);
    memory_fs_put(memory, FIRST ".log", file, size - 1);
    int error = sample_open(memory, how, &log);
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
    static struct sample made; /* once for all runs of the process */
    struct sample *sample = mem_need(sizeof *sample);
    struct log *log;
    char path[MEMORY_PATH_BYTES];
    if (made.batch_count == 0) {
        sample_make(&made);
    }
    if (size >= 1 && size < FILE_BYTES_MAX) {
        *sample = made;
        memory_fs_copy(&sample->memory, &made.memory);
        bool active = (data[0] & 64) != 0;
        snprintf(path, sizeof path, DIRECTORY "/%020lld%s",
                 (long long)(strcmp(suffix, ".snapshot") == 0 ? sample->end_offset
                             : active                         ? sample->active_base
                                                              : 0),
                 suffix);
        if (suffix[0] != '.') {
            snprintf(path, sizeof path, DIRECTORY "/%s", suffix);
        }
        memory_fs_put(&sample->memory, path, data + 1, size - 1);
        fuzz_require(sample_open(&sample->memory, data[0], &log) == 0, "the log opens");
        require_offsets(sample, log);
        append_and_open_again(&sample->memory, &log);
        log_abandon(&log);
        memory_fs_release(&sample->memory);
    }
    mem_free(sample);
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
