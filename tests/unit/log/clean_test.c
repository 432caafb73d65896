#include "clean_support.h"

#include <sys/stat.h>
#include <unistd.h>

#include "log/clean_internal.h"
#include "log/log_internal.h"

static void check(struct store *store)
{
    struct reader_state reader;
    int64_t from = store->cleaned_offset >= 0 ? store->cleaned_offset : 0;
    /* Aborted records go from the whole of a segment of which a part is clean. */
    size_t index = log_segment_index(store->log, from);
    if (store->log->segments[index]->base_offset < from) {
        from = log_segment_end(store->log, index);
    }
    store_read(store, from, &reader);
    store_check_values(store, &reader, store->model_end);
}

static void reopen(struct store *store, enum start start)
{
    if (start == START_CLEAN) {
        assert_int_equal(log_close(&store->log), 0);
    } else {
        log_abandon(&store->log);
    }
    assert_int_equal(store_open(store, start, start == START_CLEAN ? store->model_end : 0), 0);
    assert_int_equal(log_end_offset(store->log), store->model_end);
}

/* Rounds of writing, cleaning and restarting, of every seed: a reader always comes to the same
 * values, and below what was cleaned there is one record a key at most. */
static void clean__keeps_the_last_record_of_each_key(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = &fixture->store;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        char directory[128];
        memcpy(directory, store->directory, sizeof directory);
        store_init(store, &fixture->fs, seed);
        memcpy(store->directory, directory, sizeof directory);
        assert_int_equal(store_open(store, START_CLEAN, 0), 0);
        for (int round = 0; round < 6; round++) {
            assert_int_equal(store_fill(store, 60), 0);
            int64_t before = log_size_bytes(store->log);
            assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
            assert_true(log_size_bytes(store->log) < before);
            check(store);
            reopen(store, (enum start)(store_random(store, 3)));
            check(store);
            store->now_ms += 40000000;
        }
        struct reader_state reader;
        store_read(store, store->cleaned_offset, &reader);
        int64_t behind = store->model_end - store->cleaned_offset;
        assert_true(reader.seen <= MODEL_KEYS + behind);
        log_abandon(&store->log);
        assert_int_equal(log_dir_remove_tree(&fixture->fs, store->directory), 0);
    }
}

/* A table of few keys takes several rounds, each of which moves on. */
static void clean__takes_several_rounds_with_a_small_table(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 300), 0);
    int rounds = 0;
    int error;
    while ((error = store_clean(store, (struct clean_how){.map_bytes = 24 * 20})) == 0) {
        check(store);
        rounds++;
    }
    assert_int_equal(error, 1);
    assert_true(rounds > 10);
    reopen(store, START_POWER_LOST);
    check(store);
}

/* The first round gives a tombstone its horizon, and only one after that lets it go. */
static void clean__lets_tombstones_go_after_their_horizon(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct reader_state reader;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 100), 0);
    int64_t tombstones[3];
    int64_t later[] = {0, store->config.delete_retention_ms - 1,
                       store->config.delete_retention_ms};
    int64_t first_ms = store->now_ms;
    for (int i = 0; i < 3; i++) {
        store->now_ms = first_ms + later[i];
        store->cleaned_offset = -1; /* all of it once more */
        assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
        store_read(store, store->cleaned_offset, &reader);
        store_check_values(store, &reader, store->model_end);
        tombstones[i] = reader.seen;
    }
    assert_int_equal(tombstones[0], tombstones[1]);
    assert_true(tombstones[2] < tombstones[1]);
}

/* Aborted records go at once, their markers one round after nothing else is left of them; meanwhile
 * the index of aborted transactions goes on to say so. */
static void clean__removes_aborted_records_and_then_their_markers(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct reader_state reader;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(store_append(store, 3, BATCH_CODEC_NONE, 4 + i % 4, true), 0);
        assert_int_equal(store_end(store, 4 + i % 4, i % 2 == 0), 0);
        assert_int_equal(store_append(store, 5, BATCH_CODEC_NONE, -1, false), 0);
    }
    assert_int_equal(log_roll(store->log), 0);
    int64_t markers[4];
    for (int i = 0; i < 4; i++) {
        store->cleaned_offset = -1;
        assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
        store_read(store, store->cleaned_offset, &reader);
        store_check_values(store, &reader, store->model_end);
        markers[i] = reader.markers;
        assert_int_equal(reader.aborted_seen, 0);
        struct arena arena;
        struct log_aborted *aborted;
        int32_t count;
        arena_init(&arena, 1 << 20);
        assert_int_equal(log_aborted_transactions(store->log, 0, 1 << 20, &arena, &aborted, &count),
                         0);
        assert_true(i > 0 ? count <= 4 : count > 0);
        arena_release(&arena);
        store->now_ms += store->config.delete_retention_ms + 1;
    }
    assert_int_equal(markers[0], 30);
    assert_true(markers[1] >= markers[2] && markers[2] >= markers[3]);
    assert_true(markers[3] < 30);
    reopen(store, START_POWER_LOST);
    check(store);
}

/* With all snapshots gone and every segment walked, a producer may still neither repeat nor skip:
 * its last batch stays, if need be without records. */
static void clean__keeps_where_each_producer_is(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int producer = 0; producer < 4; producer++) {
        assert_int_equal(store_append(store, 4, BATCH_CODEC_NONE, producer, false), 0);
    }
    assert_int_equal(store_append(store, 4, BATCH_CODEC_NONE, 5, true), 0);
    assert_int_equal(store_end(store, 5, false), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(store_append(store, 8, BATCH_CODEC_NONE, -1, false), 0);
    }
    for (int round = 0; round < 3; round++) {
        store->cleaned_offset = -1;
        assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
        store->now_ms += store->config.delete_retention_ms + 1;
    }
    struct reader_state reader;
    store_read(store, store->cleaned_offset, &reader);
    assert_true(reader.empty_batches >= 4);
    int64_t end = store->model_end;
    log_abandon(&store->log);
    char command[256];
    snprintf(command, sizeof command, "rm -f %s/*.snapshot", store->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_open(store, START_POWER_LOST, 0), 0);
    assert_int_equal(log_end_offset(store->log), end);
    for (int producer = 0; producer < 4; producer++) {
        int32_t next = store->sequences[producer];
        store->sequences[producer] = next + 1;
        assert_int_equal(store_append(store, 1, BATCH_CODEC_NONE, producer, false),
                         err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
        store->sequences[producer] = next;
        assert_int_equal(store_append(store, 1, BATCH_CODEC_NONE, producer, false), 0);
    }
    assert_int_equal(log_last_stable_offset(store->log, log_end_offset(store->log)),
                     log_end_offset(store->log));
}

/* Small segments become fewer, within the bytes and offsets that one may have. */
static void clean__merges_segments_within_their_bounds(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 400), 0);
    size_t before = store->log->segment_count;
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    store->cleaned_offset = -1;
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    assert_true(store->log->segment_count < before / 4);
    for (size_t i = 0; i < store->log->segment_count; i++) {
        assert_true(store->log->segments[i]->size_bytes <= store->config.segment_bytes);
    }
    assert_true(log_take_deleted(store->log));
    assert_int_equal(log_remove_deleted(store->fs, store->directory), 0);
    check(store);
}

/* Offsets that one segment could not hold stay in two. */
static void clean__does_not_merge_what_offsets_keep_apart(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int i = 0; i < 3; i++) {
        struct batch header = batch_header_empty(INT64_C(2000000000) * i);
        struct batch_builder builder;
        struct writer writer;
        header.partition_leader_epoch = 5;
        writer_init(&writer, 1 << 16);
        batch_builder_init(&builder, &writer, &header);
        struct record record = {.offset = header.base_offset,
                                .timestamp_ms = NOW_MS,
                                .key = {(const uint8_t *)"abcdef" + i, 1},
                                .value = {(const uint8_t *)"v", 1}};
        batch_builder_add(&builder, &record);
        assert_int_equal(batch_builder_finish(&builder), 0);
        struct log_append_options options = {.origin = LOG_ORIGIN_REPLICATION, .now_ms = NOW_MS};
        struct log_append_result result;
        assert_int_equal(log_append(store->log, &options, writer.data, writer.size, &result), 0);
        assert_int_equal(log_roll(store->log), 0);
        writer_release(&writer);
    }
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    for (size_t i = 0; i + 1 < store->log->segment_count; i++) {
        assert_true(log_segment_end(store->log, i) - 1 - store->log->segments[i]->base_offset <=
                    INT32_MAX);
    }
    assert_int_equal(store->log->segment_count, 3);
}

/* What a reader was given before is there as long as he holds it. */
static void clean__leaves_ranges_of_readers_alone(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 100), 0);
    struct log_read_result result;
    assert_int_equal(log_read(store->log, 0, store->model_end, 3000, true, &result), 0);
    uint8_t before[3000];
    uint8_t after[3000];
    size_t size = result.range.size;
    assert_int_equal(io_file_read(result.range.file, before, size, result.range.position), size);
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    assert_int_equal(log_remove_deleted(store->fs, store->directory), 0);
    assert_int_equal(io_file_read(result.range.file, after, size, result.range.position), size);
    assert_memory_equal(before, after, size);
    result.range.release(&result.range);
    check(store);
}

/* One bit that is not what was written, and nothing is given up. */
static void clean__refuses_a_damaged_log(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 100), 0);
    char path[256];
    snprintf(path, sizeof path, "%s/00000000000000000000.log", store->directory);
    struct io_file file;
    uint8_t byte;
    assert_int_equal(io_file_open(store->fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file), 0);
    assert_int_equal(io_file_read(&file, &byte, 1, 700), 1);
    byte ^= 4;
    assert_int_equal(io_file_write(&file, &byte, 1, 700), 0);
    int64_t size = log_size_bytes(store->log);
    size_t segments = store->log->segment_count;
    assert_int_equal(store_clean(store, (struct clean_how){0}), ERR_CORRUPT);
    assert_int_equal(log_size_bytes(store->log), size);
    assert_int_equal(store->log->segment_count, segments);
    byte ^= 4;
    assert_int_equal(io_file_write(&file, &byte, 1, 700), 0);
    io_file_close(&file);
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    check(store);
}

/* A truncation at any step of a cleaning: nothing of what was cut off comes back, not even when the
 * process dies right after it. */
static void clean__ends_when_the_log_is_truncated(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = &fixture->store;
    bool done = false;
    for (int step = 0; !done; step++) {
        char directory[128];
        memcpy(directory, store->directory, sizeof directory);
        store_init(store, &fixture->fs, 7);
        memcpy(store->directory, directory, sizeof directory);
        assert_int_equal(store_open(store, START_CLEAN, 0), 0);
        assert_int_equal(store_fill(store, 30), 0);
        struct log_clean_options options = {.round_end_offset = log_active(store->log)->base_offset,
                                            .now_ms = store->now_ms,
                                            .map_bytes = 1 << 20,
                                            .map_load_factor = 0.9,
                                            .io_bytes = 1000};
        struct log_clean *clean;
        assert_int_equal(log_clean_begin(store->log, &options, &clean), 0);
        int more = 1;
        for (int i = 0; i < step && more == 1; i++) {
            log_clean_work(clean);
            more = log_clean_advance(store->log, clean);
        }
        done = more == 0;
        int64_t cut = options.round_end_offset / 2;
        assert_int_equal(log_truncate_to(store->log, cut), 0);
        int64_t end = log_end_offset(store->log);
        assert_true(end <= cut);
        while (more == 1) {
            log_clean_work(clean);
            more = log_clean_advance(store->log, clean);
        }
        assert_int_equal(more, done ? 0 : ERR_AGAIN);
        log_clean_end(store->log, &clean);
        log_abandon(&store->log);
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        assert_int_equal(log_end_offset(store->log), end);
        log_abandon(&store->log);
        assert_int_equal(log_dir_remove_tree(&fixture->fs, store->directory), 0);
    }
}

/* Goal: no segment is given up for a copy that is not there. Method: the copy, under the name that
 * it has at each step, is removed or cut by somebody else; the log has everything all the same, now
 * and after a start. */
static void clean__a_copy_that_is_gone_replaces_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = &fixture->store;
    static const char *const names[] = {".log.cleaned", ".log.swap"};
    for (int round = 0; round < 4; round++) {
        struct log_clean *clean;
        struct reader_state before;
        struct reader_state after;
        char path[256];
        int removed = 0;
        int more = 1;
        store_init(store, &fixture->fs, 7);
        snprintf(store->directory, sizeof store->directory, "%s/topic-%d", fixture->root, round);
        assert_int_equal(store_open(store, START_CLEAN, 0), 0);
        assert_int_equal(store_fill(store, 100), 0);
        store_read(store, 0, &before);
        assert_int_equal(store_clean_begin(store, (struct clean_how){0}, &clean), 0);
        snprintf(path, sizeof path, "%s/%020d%s", store->directory, 0, names[round % 2]);
        while (more == 1) {
            log_clean_work(clean);
            if (removed == 0 && access(path, F_OK) == 0 &&
                (round % 2 == 1 || clean->stage == CLEAN_NAME)) {
                removed = round < 2 ? remove(path) == 0 : truncate(path, 0) == 0;
            }
            more = log_clean_advance(store->log, clean);
        }
        assert_int_equal(removed, 1);
        assert_int_equal(more, ERR_AGAIN);
        log_clean_end(store->log, &clean);
        store_read(store, 0, &after);
        assert_int_equal(after.seen, before.seen);
        log_abandon(&store->log);
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        store_read(store, 0, &after);
        assert_int_equal(after.seen, before.seen);
        store_check_values(store, &after, store->model_end);
        log_abandon(&store->log);
    }
}

/* Neither retention nor another round touch the segments that are being cleaned. */
static void clean__makes_retention_wait(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    store->config.clean_delete = true;
    store->config.retention_ms = 1;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 100), 0);
    struct log_clean_options options = {.round_end_offset = log_active(store->log)->base_offset,
                                        .now_ms = store->now_ms,
                                        .map_bytes = 1 << 20,
                                        .map_load_factor = 0.9,
                                        .io_bytes = 1000};
    struct log_clean *clean;
    int32_t deleted;
    assert_int_equal(log_clean_begin(store->log, &options, &clean), 0);
    assert_true(log_is_cleaning(store->log));
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms + 100000,
                                         &deleted),
                     0);
    assert_int_equal(deleted, 0);
    log_clean_stop(clean);
    while (log_clean_advance(store->log, clean) == 1) {
        log_clean_work(clean);
    }
    log_clean_end(store->log, &clean);
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms + 100000,
                                         &deleted),
                     0);
    assert_true(deleted > 0);
}

/* What is chosen: nothing of the active segment, nothing that is not stable, nothing too young. */
static void clean__survey_stops_where_it_must(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct log_clean_survey survey;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_append(store, 8, BATCH_CODEC_NONE, -1, false), 0);
    assert_int_equal(log_clean_survey(store->log, -1, store->model_end, store->now_ms, &survey), 0);
    assert_int_equal(survey.cleanable_bytes, 0);
    for (int i = 0; i < 20; i++) {
        store->now_ms += 1000;
        assert_int_equal(store_append(store, 8, BATCH_CODEC_NONE, -1, false), 0);
    }
    struct log *log = store->log;
    assert_int_equal(log_clean_survey(log, -1, store->model_end, store->now_ms, &survey), 0);
    assert_int_equal(survey.round_end_offset, log_active(log)->base_offset);
    assert_int_equal(survey.overdue_ms, 0);
    assert_true(log_clean_ratio(&survey) == 1.0);
    /* The high watermark is in the third segment. */
    assert_int_equal(log_clean_survey(log, -1, log->segments[2]->base_offset + 1, store->now_ms,
                                      &survey),
                     0);
    assert_int_equal(survey.round_end_offset, log->segments[2]->base_offset);
    assert_int_equal(survey.cleanable_bytes,
                     log->segments[0]->size_bytes + log->segments[1]->size_bytes);
    /* Half of it was cleaned before. */
    assert_int_equal(log_clean_survey(log, log->segments[2]->base_offset, store->model_end,
                                      store->now_ms, &survey),
                     0);
    assert_true(survey.clean_bytes > 0 && survey.cleanable_bytes > 0);
    assert_true(log_clean_ratio(&survey) < 1.0 && log_clean_ratio(&survey) > 0);
    /* A checkpoint that cannot be is not believed. */
    assert_int_equal(log_clean_survey(log, store->model_end + 1, store->model_end, store->now_ms,
                                      &survey),
                     0);
    assert_int_equal(survey.first_dirty_offset, 0);
    store->config.min_compaction_lag_ms = 10000;
    store->config.max_compaction_lag_ms = 15000;
    log_set_config(log, &store->config);
    assert_int_equal(log_clean_survey(log, -1, store->model_end, store->now_ms, &survey), 0);
    assert_true(survey.round_end_offset < log_active(log)->base_offset);
    assert_true(survey.overdue_ms > 0 && survey.overdue_ms <= 6000);
}

/* Below what was cleaned a gap is no damage, also once the policy says delete; above it is. */
static void clean__gaps_are_no_damage_after_a_change_of_policy(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 200), 0);
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    store->config.clean_compact = false;
    store->config.clean_delete = true;
    store->config.retention_ms = -1;
    reopen(store, START_POWER_LOST);
    check(store);
}

/* A topic that keeps only what has a key, and a record without: it was there before the policy. */
static void clean__gives_records_without_key_up(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    store->config.clean_compact = false;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct writer writer;
    writer_init(&writer, 1 << 16);
    batch_builder_init(&builder, &writer, &header);
    struct record record = {.timestamp_ms = NOW_MS, .value = {(const uint8_t *)"v", 1}};
    batch_builder_add(&builder, &record);
    assert_int_equal(batch_builder_finish(&builder), 0);
    struct log_append_options options = {.now_ms = NOW_MS, .api_version = 9};
    struct log_append_result result;
    assert_int_equal(log_append(store->log, &options, writer.data, writer.size, &result), 0);
    store->model_end = 1;
    writer_release(&writer);
    store->config.clean_compact = true;
    log_set_config(store->log, &store->config);
    assert_int_equal(store_fill(store, 50), 0);
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    check(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_compacted, fixture_end)
        TEST(clean__keeps_the_last_record_of_each_key),
        TEST(clean__takes_several_rounds_with_a_small_table),
        TEST(clean__lets_tombstones_go_after_their_horizon),
        TEST(clean__removes_aborted_records_and_then_their_markers),
        TEST(clean__keeps_where_each_producer_is),
        TEST(clean__merges_segments_within_their_bounds),
        TEST(clean__does_not_merge_what_offsets_keep_apart),
        TEST(clean__leaves_ranges_of_readers_alone),
        TEST(clean__refuses_a_damaged_log),
        TEST(clean__ends_when_the_log_is_truncated),
        TEST(clean__a_copy_that_is_gone_replaces_nothing),
        TEST(clean__makes_retention_wait),
        TEST(clean__survey_stops_where_it_must),
        TEST(clean__gaps_are_no_damage_after_a_change_of_policy),
        TEST(clean__gives_records_without_key_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
