/* Logs that age: segments that roll by time, what retention may take, where a log begins after
 * every kind of stop, and settings that change while there are records. Time is what the test
 * says. */
#include "clean_support.h"

#include <sys/stat.h>
#include <unistd.h>

#include "log/log_internal.h"

#define MINUTE_MS INT64_C(60000)

static void append(struct store *store, int count)
{
    assert_int_equal(store_append(store, count, BATCH_CODEC_NONE, -1, false), 0);
}

static void reopen(struct store *store, enum start start, int64_t log_start_offset)
{
    struct err_message message = {{0}};
    if (start == START_CLEAN) {
        assert_int_equal(log_close(&store->log), 0);
    } else {
        log_abandon(&store->log);
    }
    struct log_options options = {.fs = store->fs,
                                  .directory = store->directory,
                                  .config = store->config,
                                  .log_start_offset = log_start_offset,
                                  .clean_shutdown = start == START_CLEAN,
                                  .page_cache_intact = start == START_KILLED,
                                  .now_ms = store->now_ms,
                                  .random = 1};
    assert_int_equal(log_open(&options, &store->log, &message), 0);
}

/* A segment is finished once the records of an append are segment.ms younger than its first, less a
 * jitter that each segment draws for itself, below segment.jitter.ms. */
static void log__segments_roll_by_time_less_their_jitter(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    store->config.segment_ms = 100 * MINUTE_MS;
    store->config.segment_jitter_ms = 40 * MINUTE_MS;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, 1);
    int64_t began_ms = store->now_ms;
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int rolled = 0; rolled < 20;) {
        size_t before = store->log->segment_count;
        store->now_ms += MINUTE_MS;
        append(store, 1);
        if (store->log->segment_count > before) {
            int64_t took = (store->now_ms - began_ms) / MINUTE_MS;
            assert_in_range(took, 60, 101);
            least = took < least ? took : least;
            most = took > most ? took : most;
            began_ms = store->now_ms;
            rolled++;
        }
    }
    assert_true(most - least > 10);
}

/* Each rule of retention by itself, at the very record at which it begins to hold. */
static void log__retention_takes_what_is_too_old_or_too_much_and_no_more(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    int32_t deleted;
    store->config.segment_bytes = 4000;
    store->config.retention_ms = 60 * MINUTE_MS;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    int64_t first_ms = store->now_ms;
    while (store->log->segment_count < 6) {
        append(store, 8);
    }
    store->now_ms = first_ms + 60 * MINUTE_MS - 1000; /* timestamps are up to a second earlier */
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 0);
    /* What is not below the high watermark stays, however old it is. */
    int64_t second = store->log->segments[1]->base_offset;
    store->now_ms = first_ms + 120 * MINUTE_MS;
    assert_int_equal(log_apply_retention(store->log, second + 1, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 1);
    assert_int_equal(log_start_offset(store->log), second);
    /* A change acts at once: nothing is too old any more, but there is too much. */
    store->config.retention_ms = -1;
    store->config.retention_bytes =
        log_size_bytes(store->log) - store->log->segments[0]->size_bytes;
    log_set_config(store->log, &store->config);
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 1);
    store->config.retention_bytes = log_size_bytes(store->log) - 1;
    log_set_config(store->log, &store->config);
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 0);
    /* With compaction alone only what is below the log start goes. */
    store->config.clean_delete = false;
    store->config.clean_compact = true;
    store->config.retention_bytes = 0;
    log_set_config(store->log, &store->config);
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 0);
    int64_t middle = store->log->segments[1]->base_offset + 1;
    assert_int_equal(log_raise_start_offset(store->log, middle), 0);
    assert_int_equal(log_apply_retention(store->log, store->model_end, store->now_ms, &deleted), 0);
    assert_int_equal(deleted, 1);
    assert_int_equal(log_start_offset(store->log), middle);
}

/* Where DeleteRecords has let a log begin it begins after every kind of stop, also in the middle of
 * a segment, also when nothing is left. */
static void log__begins_where_it_was_told_to_after_every_kind_of_stop(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    static const enum start starts[] = {START_CLEAN, START_KILLED, START_POWER_LOST};
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int i = 0; i < 30; i++) {
        append(store, 4);
    }
    for (size_t i = 0; i < 3; i++) {
        int64_t start = log_start_offset(store->log) + 13;
        struct log_read_result result;
        assert_int_equal(log_raise_start_offset(store->log, start), 0);
        assert_int_equal(log_flush(store->log), 0);
        reopen(store, starts[i], start);
        assert_int_equal(log_start_offset(store->log), start);
        assert_int_equal(log_end_offset(store->log), store->model_end);
        assert_int_equal(log_read(store->log, start - 1, store->model_end, 100, true, &result),
                         err_from_wire(KAFKA_OFFSET_OUT_OF_RANGE));
        assert_int_equal(log_read(store->log, start, store->model_end, 100, true, &result), 0);
        assert_true(result.has_range && result.first_offset <= start);
        result.range.release(&result.range);
    }
    assert_int_equal(log_raise_start_offset(store->log, store->model_end), 0);
    reopen(store, START_CLEAN, store->model_end);
    assert_int_equal(log_start_offset(store->log), store->model_end);
    append(store, 1);
    assert_int_equal(log_end_offset(store->log), store->model_end);
}

/* The last batch of the log as it lies there. */
static struct batch last_batch(struct store *store)
{
    struct reader_state reader;
    store_read(store, store->model_end, &reader);
    return reader.last;
}

static void change(struct store *store) { log_set_config(store->log, &store->config); }

/* Settings that are altered while there are records act on what comes from then on, and what was
 * there before is still read. */
static void log__settings_act_from_their_change_on(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, 4);
    static const enum batch_codec codecs[] = {BATCH_CODEC_GZIP, BATCH_CODEC_SNAPPY, BATCH_CODEC_LZ4,
                                              BATCH_CODEC_ZSTD};
    for (size_t i = 0; i < 4; i++) {
        store->config.codec = codecs[i];
        store->config.codec_level = i == 0 ? 9 : (i == 1 ? COMPRESS_LEVEL_DEFAULT : 3);
        change(store);
        append(store, 4);
        assert_int_equal(last_batch(store).attributes & BATCH_CODEC_MASK, codecs[i]);
    }
    store->config.codec = LOG_CODEC_PRODUCER;
    store->config.max_message_bytes = 200;
    change(store);
    assert_int_equal(store_append(store, 8, BATCH_CODEC_NONE, -1, false),
                     err_from_wire(KAFKA_MESSAGE_TOO_LARGE));
    store->config.max_message_bytes = 1 << 20;
    store->config.timestamp_before_max_ms = 0;
    change(store);
    store->now_ms += 5000;
    store->random = 1; /* a record that is older than now */
    assert_int_equal(store_append(store, 8, BATCH_CODEC_NONE, -1, false),
                     err_from_wire(KAFKA_INVALID_TIMESTAMP));
    store->config.timestamp_before_max_ms = INT64_MAX;
    store->config.index_interval_bytes = 0;
    change(store);
    int64_t entries = index_file_count(&log_active(store->log)->offsets);
    for (int i = 0; i < 10; i++) {
        append(store, 1);
    }
    assert_int_equal(index_file_count(&log_active(store->log)->offsets), entries + 10);
    store->config.segment_index_bytes = 8 * (int32_t)(entries + 12);
    change(store);
    size_t segments = store->log->segment_count;
    for (int i = 0; i < 10; i++) {
        append(store, 1);
    }
    assert_int_equal(store->log->segment_count, segments + 1);
    store->config.segment_bytes = 1000;
    change(store);
    for (int i = 0; i < 6; i++) {
        append(store, 4);
    }
    assert_true(store->log->segment_count > segments + 2);
    struct reader_state reader;
    store_read(store, 0, &reader);
    assert_int_equal(reader.seen, store->model_end);
}

static int64_t room_of(struct store *store, int64_t base_offset)
{
    char path[256];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%020lld.log", store->directory, (long long)base_offset);
    assert_int_equal(stat(path, &facts), 0);
    return (int64_t)facts.st_blocks * 512;
}

static int64_t room_on_disk(struct store *store)
{
    return room_of(store, log_active(store->log)->base_offset);
}

#define FULL_BYTES (INT64_C(9) << 20)
#define PIECE_BYTES 100000

/* A segment with nothing but bytes, as many as there is room for below size_bytes. */
static struct segment *segment_filled(struct store *store, int64_t base_offset, int64_t size_bytes)
{
    static const uint8_t piece[PIECE_BYTES];
    struct segment *segment = segment_create(&store->log->place, base_offset, store->now_ms);
    assert_non_null(segment);
    assert_int_equal(segment_open(segment, true), 0);
    assert_int_equal(segment_cut_file(segment, 0), 0);
    while (segment->size_bytes + PIECE_BYTES <= size_bytes) {
        assert_int_equal(segment_write(segment, piece, sizeof piece, FULL_BYTES), 0);
        assert_true(room_of(store, base_offset) <= FULL_BYTES + 8192);
    }
    return segment;
}

/* Room that was taken ahead never reaches further than a segment may grow. What is left when the
 * segment is full stays, being little: to give it back took the loop up to 30 ms. */
static void log__room_ahead_ends_where_the_segment_does(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    struct segment *full = segment_filled(store, 1000, FULL_BYTES);
    assert_int_equal(segment_seal(full), 0);
    assert_true(room_of(store, 1000) <= FULL_BYTES + 8192);
    /* One that is finished early gives back what it did not need. */
    int64_t early_bytes = FULL_BYTES / 3 * 2;
    struct segment *early = segment_filled(store, 2000, early_bytes);
    int64_t before = room_of(store, 2000);
    assert_int_equal(segment_seal(early), 0);
    assert_true(room_of(store, 2000) <= early->size_bytes + 8192);
    bool ahead = before > early->size_bytes + 8192;
    segment_destroy(&full);
    segment_destroy(&early);
    if (!ahead && SEGMENT_RESERVE_BYTES_MAX > 8192) {
        skip(); /* a file system that takes no room ahead */
    }
}

/* With preallocate a new segment takes its whole size on disk, and gives back what it did not need
 * when it is finished; the size of the file is that of its records all along. */
static void log__preallocate_takes_the_room_of_a_segment_at_once(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, 4);
    store->config.preallocate = true;
    change(store);
    assert_int_equal(log_roll(store->log), 0);
    if (room_on_disk(store) < store->config.segment_bytes) {
        skip(); /* a file system that takes no room ahead */
    }
    append(store, 4);
    reopen(store, START_KILLED, 0);
    assert_int_equal(log_end_offset(store->log), store->model_end);
    assert_true(room_on_disk(store) >= store->config.segment_bytes);
    append(store, 4);
    struct segment *active = log_active(store->log);
    int64_t base = active->base_offset;
    assert_int_equal(log_roll(store->log), 0);
    assert_int_equal(log_flush(store->log), 0);
    char path[256];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%020lld.log", store->directory, (long long)base);
    assert_int_equal(stat(path, &facts), 0);
    assert_true(facts.st_blocks * 512 < 65536);
    assert_int_equal(facts.st_size,
                     store->log->segments[store->log->segment_count - 2]->size_bytes);
}

static int record_files_cut;

static int watched_truncate(struct io_file *file, int64_t size)
{
    char path[64];
    char name[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", file->descriptor);
    assert_true(readlink(path, name, sizeof name - 1) > 0);
    record_files_cut += size > 0 && strstr(name, ".log") != NULL;
    return io_fs_linux().operations->truncate(file, size);
}

/* Giving room back waits for the disk, up to 30 ms: a roll, which is done while clients wait,
 * leaves it to the helper thread of the sync that follows. Nothing may write to that file
 * meanwhile. */
static void log__a_roll_leaves_its_room_to_the_next_sync(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct io_operations watched = *io_fs_linux().operations;
    struct log_flush flush;
    watched.truncate = watched_truncate;
    store->fs->operations = &watched;
    store->config.preallocate = true;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, 4);
    assert_int_equal(log_roll(store->log), 0);
    append(store, 4);
    int64_t bytes = log_active(store->log)->size_bytes;
    int64_t base = log_active(store->log)->base_offset;
    int64_t before = room_of(store, base);
    record_files_cut = 0;
    assert_int_equal(log_roll(store->log), 0);
    assert_int_equal(log_flush_prepare(store->log, &flush), 0);
    assert_int_equal(record_files_cut, 0);
    append(store, 4);
    assert_int_equal(log_truncate_to(store->log, 2), ERR_AGAIN);
    log_flush_run(&flush);
    int cut = record_files_cut; /* of the first segment it is not known whether it has room */
    assert_true(cut == 1 || cut == 2);
    assert_int_equal(log_flush_finish(store->log, &flush), 0);
    assert_true(room_of(store, base) <= bytes + 8192);
    assert_int_equal(log_flush(store->log), 0);
    assert_int_equal(record_files_cut, cut); /* once is enough */
    assert_int_equal(log_truncate_to(store->log, 2), 0);
    log_abandon(&store->log);
    *store->fs = io_fs_linux();
    if (before < store->config.segment_bytes) {
        skip(); /* a file system that takes no room ahead */
    }
}

/* Many logs that end together are not flushed one by one: what a roll has left to the next sync is
 * done all the same, since no later start looks at a segment that was synced. */
static void log__ends_with_many_without_room_that_a_roll_has_left(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    store->config.preallocate = true;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, 4);
    assert_int_equal(log_roll(store->log), 0);
    append(store, 4);
    int64_t bytes = log_active(store->log)->size_bytes;
    int64_t base = log_active(store->log)->base_offset;
    int64_t before = room_of(store, base);
    assert_int_equal(log_roll(store->log), 0);
    append(store, 4);
    assert_int_equal(log_end_write(store->log), 0);
    assert_int_equal(log_end_name(store->log), 0);
    log_end_synced(store->log);
    assert_true(room_of(store, base) <= bytes + 8192);
    if (before < store->config.segment_bytes) {
        skip(); /* a file system that takes no room ahead */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_aging, fixture_end)
        TEST(log__segments_roll_by_time_less_their_jitter),
        TEST(log__retention_takes_what_is_too_old_or_too_much_and_no_more),
        TEST(log__begins_where_it_was_told_to_after_every_kind_of_stop),
        TEST(log__settings_act_from_their_change_on),
        TEST(log__room_ahead_ends_where_the_segment_does),
        TEST(log__a_roll_leaves_its_room_to_the_next_sync),
        TEST(log__ends_with_many_without_room_that_a_roll_has_left),
        TEST(log__preallocate_takes_the_room_of_a_segment_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
