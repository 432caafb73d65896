#include "sample_log.h"

#include <stdio.h>
#include <string.h>

#include "targets.h"

#define SEGMENT_BYTES 1800
#define BATCH_BYTES 4096

static struct log_config sample_config(void)
{
    struct log_config config = log_config_default();
    config.segment_bytes = SEGMENT_BYTES;
    config.index_interval_bytes = 100;
    return config;
}

int sample_open_with(struct memory_fs *memory, enum sample_end end,
                     const struct log_options *checkpoints, struct log **log)
{
    struct err_message message = {{0}};
    struct log_options options = {.fs = &memory->fs,
                                  .directory = SAMPLE_DIRECTORY,
                                  .config = sample_config(),
                                  .clean_shutdown = end == SAMPLE_CLOSED,
                                  .page_cache_intact = end == SAMPLE_KILLED,
                                  .now_ms = SAMPLE_NOW_MS,
                                  .random = 1};
    if (checkpoints != NULL) {
        options.recovery_point = checkpoints->recovery_point;
        options.log_start_offset = checkpoints->log_start_offset;
    }
    return log_open(&options, log, &message);
}

int sample_open(struct memory_fs *memory, enum sample_end end, struct log **log)
{
    return sample_open_with(memory, end, NULL, log);
}

int sample_append(struct log *log, enum log_origin origin, const struct batch *header,
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
                                         .now_ms = SAMPLE_NOW_MS,
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

int sample_append_marker(struct log *log, int64_t producer_id, bool commit)
{
    const uint8_t key[] = {0, 0, 0, commit};
    static const uint8_t value[] = {0, 0, 0, 0, 0, 1};
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS,
                            .key = {key, sizeof key},
                            .value = {value, sizeof value}};
    header.base_timestamp_ms = SAMPLE_NOW_MS;
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    return sample_append(log, LOG_ORIGIN_COORDINATOR, &header, &record);
}

static int sample_append_one(struct log *log, int i)
{
    static const uint8_t abort_key[] = {0, 0, 0, 0};
    static const uint8_t abort_value[] = {0, 0, 0, 0, 0, 1};
    static const uint8_t value[100] = {1, 2, 3};
    bool is_marker = i == 11 || i == 17;
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS - 1000 + i,
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
    fuzz_require(sample_open(&sample->memory, SAMPLE_CLOSED, &log) == 0, "a log begins");
    for (int i = 0; i < SAMPLE_BATCHES; i++) {
        sample->base_offsets[sample->batch_count++] = log_end_offset(log);
        fuzz_require(sample_append_one(log, i) == 0, "the sample is in order");
    }
    sample->end_offset = log_end_offset(log);
    fuzz_require(log_close(&log) == 0, "it closes");
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        long long base;
        if (strstr(sample->memory.files[i].path, ".log") != NULL &&
            sscanf(sample->memory.files[i].path, SAMPLE_DIRECTORY "/%lld", &base) == 1 &&
            base > sample->active_base) {
            sample->active_base = base;
        }
    }
}

const struct sample *sample_log(void)
{
    static struct sample made;
    if (made.batch_count == 0) {
        sample_make(&made);
    }
    return &made;
}
