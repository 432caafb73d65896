/* What lies beside the records and is older than they are, or begins elsewhere: an index of times
 * that lags behind the one of offsets, snapshots of producers that are no more, and transactions
 * that a reader meets behind a gap. */
#include "clean_support.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log_internal.h"

static void append(struct store *store, int producer, bool transactional)
{
    assert_int_equal(store_append(store, 1, BATCH_CODEC_NONE, producer, transactional), 0);
}

static void append_at(struct store *store, int64_t now_ms, int count)
{
    store->now_ms = now_ms;
    for (int i = 0; i < count; i++) {
        append(store, -1, false);
    }
}

/* Goal: what a process that died had written to its indexes does not hide a timestamp: neither a
 * reader by time nor retention may pass over the record. Method: one record of a later day, then
 * many of today, of which each has an entry in the index of offsets and none in that of times; the
 * process dies at each point. */
static void stale__a_time_that_was_not_indexed_yet_outlives_the_process(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    const int64_t later_ms = NOW_MS + 86400000;
    store->config.index_interval_bytes = 0;
    store->config.timestamp_after_max_ms = INT64_MAX;
    for (int behind = 0; behind < 4 * INDEX_PENDING_MAX; behind += 1 + behind / 4) {
        struct log_offset found;
        int64_t first = store->model_end;
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        for (int i = 0; i < 2 * INDEX_PENDING_MAX; i++) {
            append_at(store, NOW_MS + i * 1000, 1);
        }
        append_at(store, later_ms, 1);
        append_at(store, NOW_MS, behind);
        log_abandon(&store->log);
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        assert_int_equal(log_offset_by_timestamp(store->log, later_ms - 2000, INT64_MAX, &found),
                         0);
        assert_int_equal(found.offset, first + 2 * INDEX_PENDING_MAX);
        assert_int_equal(log_offset_of_max_timestamp(store->log, &found), 0);
        assert_int_equal(found.offset, first + 2 * INDEX_PENDING_MAX);
        assert_int_equal(log_restart_at(store->log, store->model_end), 0);
        log_abandon(&store->log);
    }
}

static void pad(struct store *store, const char *suffix, int64_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%020d%s", store->directory, 0, suffix);
    assert_int_equal(truncate(path, size), 0);
}

static int64_t size_of(struct store *store, const char *suffix)
{
    struct stat facts;
    char path[256];
    snprintf(path, sizeof path, "%s/%020d%s", store->directory, 0, suffix);
    assert_int_equal(stat(path, &facts), 0);
    return facts.st_size;
}

/* Goal: the zeros that Apache Kafka leaves at the end of both indexes when it dies are gone before
 * anything is written behind them: it takes those of a finished segment for entries, and with the
 * last of them for a segment without times, which is too old for any retention. Method: both files
 * are padded, one of them or none, then the log goes on and rolls. */
static void stale__zeros_of_a_process_that_died_are_cut(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    store->config.index_interval_bytes = 0;
    for (int padded = 0; padded < 4; padded++) {
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        append_at(store, NOW_MS + padded, 4);
        assert_int_equal(log_close(&store->log), 0);
        int64_t offsets = size_of(store, ".index");
        int64_t times = size_of(store, ".timeindex");
        assert_true(offsets > 0 && times > 0);
        pad(store, ".index", padded & 1 ? offsets + 800 : offsets);
        pad(store, ".timeindex", padded & 2 ? times + 1200 : times);
        assert_int_equal(store_open(store, START_KILLED, 0), 0);
        assert_int_equal(size_of(store, ".index"), offsets);
        assert_int_equal(size_of(store, ".timeindex"), times);
        log_abandon(&store->log);
    }
}

/* Goal: a log that begins anew knows no producer of before, also after another start. Method: a
 * snapshot lies at an offset that the new log comes to; the process dies behind it. */
static void stale__snapshots_of_before_do_not_come_back(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    char path[256];
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int i = 0; i < 12; i++) {
        append(store, 3, false);
    }
    assert_int_equal(log_close(&store->log), 0);
    snprintf(path, sizeof path, "%s/%020d.log", store->directory, 0);
    assert_int_equal(truncate(path, 0), 0); /* the disk lost it; the snapshot at 12 it kept */
    struct err_message message = {{0}};
    struct log_options options = {.fs = store->fs,
                                  .directory = store->directory,
                                  .config = store->config,
                                  .log_start_offset = 6,
                                  .now_ms = store->now_ms,
                                  .random = 1};
    assert_int_equal(log_open(&options, &store->log, &message), 0);
    assert_int_equal(log_end_offset(store->log), 6);
    store->model_end = 6;
    store->sequences[3] = 0;
    for (int i = 0; i < 6; i++) {
        append(store, 3, false);
    }
    append(store, -1, false);
    log_abandon(&store->log);
    options.page_cache_intact = true;
    assert_int_equal(log_open(&options, &store->log, &message), 0);
    assert_int_equal(log_producer_count(store->log), 1);
    assert_int_equal(log_producer_at(store->log, 0).last_sequence, 5);
}

static int32_t count_aborted(struct store *store, int64_t offset)
{
    struct arena arena;
    struct log_aborted *aborted;
    struct log_read_result read;
    int32_t count;
    arena_init(&arena, 1 << 16);
    assert_int_equal(log_read(store->log, offset, log_end_offset(store->log), 1 << 20, true,
                              &read),
                     0);
    assert_true(read.has_range);
    assert_int_equal(log_aborted_transactions(store->log, offset, read.range.size, &arena,
                                              &aborted, &count),
                     0);
    read.range.release(&read.range);
    arena_release(&arena);
    return count;
}

/* Goal: a reader of committed records is told of the aborted transactions in the batches that it
 * gets, also when its offset is in a gap that compaction has left at the end of a segment, so that
 * they come from the next. Method: the end of a finished segment is cut off. */
static void stale__aborted_transactions_behind_a_gap_are_told(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    char path[256];
    store->config.segment_bytes = 700;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, -1, false);
    struct segment *first = log_active(store->log);
    int64_t one_batch = first->size_bytes;
    while (store->log->segment_count == 1) {
        append(store, -1, false);
    }
    int64_t second = log_active(store->log)->base_offset;
    append(store, 2, true);
    assert_int_equal(store_end(store, 2, false), 0);
    append(store, -1, false);
    assert_int_equal(store->log->segment_count, 2);
    assert_int_equal(count_aborted(store, second), 1);
    assert_int_equal(log_close(&store->log), 0);
    snprintf(path, sizeof path, "%s/%020d.log", store->directory, 0);
    assert_int_equal(truncate(path, one_batch), 0);
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int64_t offset = 0; offset <= second; offset++) {
        assert_int_equal(count_aborted(store, offset), offset > 0);
    }
}

static int count_name(void *context, const char *name, bool is_directory)
{
    (void)name;
    (void)is_directory;
    ++*(int *)context;
    return 0;
}

/* As a topic is deleted and another one made that has its name, while a helper thread is at the
 * files of the first. */
static void give_name_to_another(struct store *store)
{
    char renamed[256];
    snprintf(renamed, sizeof renamed, "%s-delete", store->directory);
    assert_int_equal(io_rename(store->fs, store->directory, renamed), 0);
    assert_int_equal(io_make_directory(store->fs, store->directory), 0);
}

static void expect_nothing_in(struct store *store)
{
    int count = 0;
    assert_int_equal(io_list(store->fs, store->directory, count_name, &count), 0);
    assert_int_equal(count, 0);
}

/* Goal: a sync that is under way while a topic is deleted writes nothing into the directory of the
 * next one of that name. */
static void stale__epochs_are_not_written_for_the_next_topic_of_that_name(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct log_flush flush;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, -1, false);
    assert_int_equal(log_flush_prepare(store->log, &flush), 0);
    assert_non_null(flush.epochs_path);
    atomic_bool left = true;
    flush.left = &left;
    give_name_to_another(store);
    log_flush_run(&flush);
    expect_nothing_in(store);
    assert_int_equal(log_flush_finish(store->log, &flush), ERR_AGAIN);
    log_abandon(&store->log);
}

/* A file system that lets the sync of an earlier topic run where a later one renames. */
static struct {
    struct io_operations operations;
    struct log_flush *between;
} crossing;

static int crossing_rename(struct io_fs *fs, const char *from, const char *to)
{
    struct log_flush *between = crossing.between;
    crossing.between = NULL;
    if (between != NULL) {
        log_flush_run(between);
    }
    return io_fs_linux().operations->rename(fs, from, to);
}

/* Goal: the sync of a deleted topic takes nothing away from that of the next one of the name.
 * Method: all of the one runs while the other is about to give its epochs their name. */
static void stale__the_sync_of_a_deleted_topic_leaves_that_of_the_next_alone(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct log_flush older;
    struct log_flush newer;
    crossing.operations = *io_fs_linux().operations;
    crossing.operations.rename = crossing_rename;
    crossing.between = NULL;
    store->fs->operations = &crossing.operations;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, -1, false);
    assert_int_equal(log_flush_prepare(store->log, &older), 0);
    atomic_bool left = true;
    older.left = &left;
    give_name_to_another(store);
    struct log *deleted = store->log;
    store->model_end = 0;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, -1, false);
    assert_int_equal(log_flush_prepare(store->log, &newer), 0);
    assert_non_null(newer.epochs_path);
    crossing.between = &older;
    log_flush_run(&newer);
    assert_null(crossing.between);
    assert_int_equal(log_flush_finish(store->log, &newer), 0);
    assert_int_equal(log_flush_finish(deleted, &older), ERR_AGAIN);
    log_abandon(&deleted);
    log_abandon(&store->log);
    *store->fs = io_fs_linux();
}

/* Goal: a sync that began before a truncation says nothing of what was written after it, in the
 * place of what it synced. Method: the helper runs before the truncation, and comes home after as
 * much was written again. The same where the log begins anew. */
static void stale__a_sync_knows_nothing_of_what_a_truncation_let_be_written(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    for (int anew = 0; anew < 2; anew++) {
        struct log_flush flush;
        append_at(store, NOW_MS, 10);
        assert_int_equal(log_flush_prepare(store->log, &flush), 0);
        log_flush_run(&flush);
        int64_t cut = store->model_end - 6;
        assert_int_equal(anew ? log_restart_at(store->log, cut) : log_truncate_to(store->log, cut),
                         0);
        store->model_end = cut;
        append_at(store, NOW_MS, 10);
        assert_int_equal(log_flush_finish(store->log, &flush), 0);
        assert_true(log_recovery_point(store->log) <= cut);
        assert_int_equal(log_flush(store->log), 0);
        assert_int_equal(log_recovery_point(store->log), store->model_end);
    }
    log_abandon(&store->log);
}

static int expect_no_temporary(void *context, const char *name, bool is_directory)
{
    (void)context;
    (void)is_directory;
    assert_null(strstr(name, ".tmp"));
    return 0;
}

/* Goal: what was being written aside when a process died, ours or an Apache Kafka, goes at the next
 * start, and what a sync writes aside meanwhile stays. */
static void stale__a_start_removes_what_was_being_written_aside(void **state)
{
    static const char *const names[] = {"leader-epoch-checkpoint.tmp", "partition.metadata.tmp",
                                        "leader-epoch-checkpoint.00d0a1fe33bb0c7f.tmp",
                                        LOG_CLEANED_FILE ".00d0a1fe33bb0c7f.tmp"};
    struct store *store = &((struct fixture *)*state)->store;
    char path[256];
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    append(store, -1, false);
    assert_int_equal(log_close(&store->log), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", store->directory, names[i]);
        assert_int_equal(io_write_unsynced(store->fs, path, "0\n", 2), 0);
    }
    assert_int_equal(store_open(store, START_KILLED, 0), 0);
    assert_int_equal(io_list(store->fs, store->directory, expect_no_temporary, NULL), 0);
    assert_int_equal(io_write_unsynced(store->fs, path, "0\n", 2), 0);
    assert_int_equal(log_rebuild_producers(store->log), 0);
    assert_int_equal(access(path, F_OK), 0);
    log_abandon(&store->log);
}

/* Goal: the same of a compaction, which marks the directory. */
static void stale__no_mark_of_a_compaction_is_left_for_the_next_topic_of_that_name(void **state)
{
    struct store *store = &((struct fixture *)*state)->store;
    struct log_clean *clean;
    assert_int_equal(store_open(store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(store, 60), 0);
    assert_int_equal(store_clean_begin(store, (struct clean_how){0}, &clean), 0);
    log_clean_stop(clean);
    give_name_to_another(store);
    do {
        log_clean_work(clean);
        expect_nothing_in(store);
    } while (log_clean_advance(store->log, clean) == 1);
    log_clean_end(store->log, &clean);
    log_abandon(&store->log);
}

/* Goal: nor are the copies that the next topic's own compaction is making taken away when the old
 * one tidies up, whichever step that was at. Method: the same, with such files in its place. */
static void stale__a_compaction_of_a_deleted_topic_leaves_that_of_the_next_alone(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = &fixture->store;
    bool done = false;
    for (int steps = 0; !done; steps++) {
        struct log_clean *clean;
        char paths[2][256];
        int more = 1;
        store_init(store, &fixture->fs, 1);
        snprintf(store->directory, sizeof store->directory, "%s/topic-%d", fixture->root, steps);
        assert_int_equal(store_open(store, START_CLEAN, 0), 0);
        assert_int_equal(store_fill(store, 60), 0);
        assert_int_equal(store_clean_begin(store, (struct clean_how){0}, &clean), 0);
        for (int i = 0; i < steps && more == 1; i++) {
            log_clean_work(clean);
            more = log_clean_advance(store->log, clean);
        }
        done = more != 1;
        log_clean_leave(clean);
        give_name_to_another(store);
        for (int i = 0; i < 2; i++) {
            snprintf(paths[i], sizeof paths[i], "%s/%020d.log.%s", store->directory, 0,
                     i == 0 ? "cleaned" : "swap");
            assert_int_equal(io_write_unsynced(store->fs, paths[i], "copy", 4), 0);
        }
        while (more == 1) {
            log_clean_work(clean);
            more = log_clean_advance(store->log, clean);
        }
        assert_int_equal(access(paths[0], F_OK), 0);
        assert_int_equal(access(paths[1], F_OK), 0);
        log_clean_end(store->log, &clean);
        log_abandon(&store->log);
    }
}

/* Goal: two processes never both have a directory. Method: one has opened .lock just before its
 * owner closes the directory in order, and then locks what it has opened. */
static void stale__the_lock_of_who_came_before_the_end_counts(void **state)
{
    struct fixture *fixture = *state;
    struct log_dir_properties properties = {
        .version = 1, .node_id = 1, .cluster_id = string_view_of("4L6g3nShT-eMCtK--X86sw")};
    struct log_dir *dir;
    struct err_message message = {{0}};
    struct io_file early;
    char path[256];
    int gone[2];
    char locked = 'n';
    properties.directory_id.bytes[0] = 1;
    assert_int_equal(log_dir_write_properties(&fixture->fs, fixture->root, &properties, NOW_MS), 0);
    assert_int_equal(log_dir_open(&fixture->fs, fixture->root, &dir, &message), 0);
    snprintf(path, sizeof path, "%s/.lock", fixture->root);
    assert_int_equal(io_file_open(&fixture->fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &early), 0);
    assert_int_equal(log_dir_close_clean(&dir, 1), 0);
    int told[2];
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(gone), 0);
    pid_t other = fork();
    if (other == 0) { /* locks belong to processes */
        char until;
        locked = io_file_lock(&early) == 0 ? 'y' : 'n';
        ssize_t passed = write(told[1], &locked, 1);
        close(gone[1]);
        passed += read(gone[0], &until, 1);
        _exit(passed == 1 ? 0 : 1);
    }
    assert_int_equal(read(told[0], &locked, 1), 1);
    assert_int_equal(locked, 'y');
    assert_int_equal(log_dir_open(&fixture->fs, fixture->root, &dir, &message), ERR_BUSY);
    close(gone[0]);
    close(gone[1]);
    int status;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    io_file_close(&early);
    close(told[0]);
    close(told[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_aging, fixture_end)
        TEST(stale__a_time_that_was_not_indexed_yet_outlives_the_process),
        TEST(stale__zeros_of_a_process_that_died_are_cut),
        TEST(stale__snapshots_of_before_do_not_come_back),
        TEST(stale__aborted_transactions_behind_a_gap_are_told),
        TEST(stale__epochs_are_not_written_for_the_next_topic_of_that_name),
        TEST(stale__the_sync_of_a_deleted_topic_leaves_that_of_the_next_alone),
        TEST(stale__a_sync_knows_nothing_of_what_a_truncation_let_be_written),
        TEST(stale__a_start_removes_what_was_being_written_aside),
        cmocka_unit_test_setup_teardown(
            stale__a_compaction_of_a_deleted_topic_leaves_that_of_the_next_alone,
            fixture_compacted, fixture_end),
        TEST(stale__the_lock_of_who_came_before_the_end_counts),
        cmocka_unit_test_setup_teardown(
            stale__no_mark_of_a_compaction_is_left_for_the_next_topic_of_that_name,
            fixture_compacted, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
