#include "log_support.h"

int setup(void **state)
{
    struct fixture *fixture = mem_need(sizeof *fixture);
    snprintf(fixture->root, sizeof fixture->root, "/tmp/barnabas-log-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    snprintf(fixture->directory, sizeof fixture->directory, "%s/topic-0", fixture->root);
    fixture->fs = io_fs_linux();
    fixture->config = log_config_default();
    *state = fixture;
    return 0;
}

int teardown(void **state)
{
    struct fixture *fixture = *state;
    log_abandon(&fixture->log);
    assert_int_equal(log_dir_remove_tree(&fixture->fs, fixture->root), 0);
    mem_free(fixture);
    return 0;
}

int open_log(struct fixture *fixture, enum start start, int64_t recovery_point, int64_t log_start)
{
    struct err_message message = {{0}};
    struct log_options options = {.fs = &fixture->fs,
                                  .directory = fixture->directory,
                                  .config = fixture->config,
                                  .recovery_point = recovery_point,
                                  .log_start_offset = log_start,
                                  .clean_shutdown = start == START_CLEAN,
                                  .page_cache_intact = start == START_KILLED,
                                  .now_ms = NOW_MS,
                                  .random = 1};
    int error = log_open(&options, &fixture->log, &message);
    if (error != 0) {
        print_message("%s\n", message.text);
    }
    return error;
}

struct sample plain(int32_t count)
{
    return (struct sample){count, NOW_MS, -1, -1, -1, 100, 0};
}

void build(const struct sample *sample, struct writer *writer)
{
    static uint8_t value[100000];
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    header.producer_id = sample->producer_id;
    header.producer_epoch = sample->producer_epoch;
    header.base_sequence = sample->base_sequence;
    header.attributes = sample->attributes;
    header.base_timestamp_ms = sample->timestamp_ms;
    batch_builder_init(&builder, writer, &header);
    for (int32_t i = 0; i < sample->count; i++) {
        struct record record = {.offset = i,
                                .timestamp_ms = sample->timestamp_ms + i,
                                .key = {(const uint8_t *)"key", 3},
                                .value = {value, sample->value_size}};
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
}

int append_in_epoch(struct fixture *fixture, struct sample sample, int32_t leader_epoch,
                    struct log_append_result *result)
{
    struct writer writer;
    writer_init(&writer, 1 << 24);
    build(&sample, &writer);
    struct log_append_options options = {.origin = LOG_ORIGIN_CLIENT,
                                         .leader_epoch = leader_epoch,
                                         .now_ms = NOW_MS,
                                         .api_version = 9};
    int error = log_append(fixture->log, &options, writer.data, writer.size, result);
    writer_release(&writer);
    return error;
}

int append(struct fixture *fixture, struct sample sample, struct log_append_result *result)
{
    return append_in_epoch(fixture, sample, 5, result);
}

void append_many(struct fixture *fixture, int count)
{
    struct log_append_result result;
    for (int i = 0; i < count; i++) {
        assert_int_equal(append(fixture, plain(2), &result), 0);
    }
}
