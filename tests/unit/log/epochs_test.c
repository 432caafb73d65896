/* Leader epochs of a log, through every end of a process. */
#include "log_support.h"

/* The file lags behind; after the end of a process the batches say where epochs began. */
static void log__learns_epochs_that_a_dead_process_did_not_write(void **state)
{
    struct fixture *fixture = *state;
    struct log_append_result result;
    fixture->config.segment_bytes = 20000;
    assert_int_equal(open_log(fixture, START_CLEAN, 0, 0), 0);
    append_many(fixture, 10);
    assert_int_equal(log_flush(fixture->log), 0); /* epoch 5 from 0 on is in the file */
    for (int32_t epoch = 6; epoch <= 7; epoch++) {
        int64_t start = log_end_offset(fixture->log);
        assert_int_equal(log_assign_epoch(fixture->log, epoch), 0);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(append_in_epoch(fixture, plain(2), epoch, &result), 0);
        }
        assert_int_equal(log_epoch_of_offset(fixture->log, start), epoch);
    }
    log_abandon(&fixture->log);
    assert_int_equal(open_log(fixture, START_KILLED, 0, 0), 0);
    int32_t epoch;
    int64_t end;
    log_epoch_end_offset(fixture->log, 5, &epoch, &end);
    assert_int_equal(end, 20);
    log_epoch_end_offset(fixture->log, 6, &epoch, &end);
    assert_int_equal(end, 220);
    log_epoch_end_offset(fixture->log, 7, &epoch, &end);
    assert_int_equal(end, 420);
}

/* It had just begun a segment, of which there is no batch yet: the one before tells. */
static void log__learns_epochs_of_the_segment_before_an_empty_one(void **state)
{
    struct fixture *fixture = *state;
    struct log_append_result result;
    char path[512];
    assert_int_equal(open_log(fixture, START_CLEAN, 0, 0), 0);
    append_many(fixture, 10);
    assert_int_equal(log_flush(fixture->log), 0);
    assert_int_equal(append_in_epoch(fixture, plain(2), 6, &result), 0);
    log_abandon(&fixture->log);
    snprintf(path, sizeof path, "%s/00000000000000000022.log", fixture->directory);
    assert_int_equal(io_write_atomically(&fixture->fs, path, "", 0), 0);
    assert_int_equal(open_log(fixture, START_KILLED, 0, 0), 0);
    assert_int_equal(log_end_offset(fixture->log), 22);
    assert_int_equal(log_assign_epoch(fixture->log, 6), 0);
    assert_int_equal(log_epoch_of_offset(fixture->log, 19), 5);
    assert_int_equal(log_epoch_of_offset(fixture->log, 20), 6);
}

/* What one process learned it writes at its end, though it has begun an epoch of its own. */
static void log__writes_epochs_that_it_learned_at_its_end(void **state)
{
    struct fixture *fixture = *state;
    struct log_append_result result;
    char path[512];
    uint8_t *text;
    size_t size;
    assert_int_equal(open_log(fixture, START_CLEAN, 0, 0), 0);
    append_many(fixture, 10);
    assert_int_equal(log_flush(fixture->log), 0);
    assert_int_equal(append_in_epoch(fixture, plain(2), 6, &result), 0);
    log_abandon(&fixture->log);
    assert_int_equal(open_log(fixture, START_KILLED, 20, 0), 0);
    assert_int_equal(log_assign_epoch(fixture->log, 7), 0);
    snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", fixture->directory);
    assert_int_equal(log_end(fixture->log), 0);
    assert_int_equal(io_read_whole(&fixture->fs, path, 1000, &text, &size), 0);
    assert_string_equal((char *)text, "0\n3\n5 0\n6 20\n7 22\n");
    mem_free(text);
    assert_true(log_is_synced(fixture->log));
}

/* A truncation while a helper writes the epochs of before: the next sync puts it right. */
static void log__writes_epochs_again_that_changed_during_a_sync(void **state)
{
    struct fixture *fixture = *state;
    struct log_append_result result;
    struct log_flush flush;
    char path[512];
    uint8_t *text;
    size_t size;
    assert_int_equal(open_log(fixture, START_CLEAN, 0, 0), 0);
    append_many(fixture, 10);
    assert_int_equal(append_in_epoch(fixture, plain(2), 6, &result), 0);
    assert_int_equal(log_flush_prepare(fixture->log, &flush), 0);
    assert_int_equal(log_truncate_to(fixture->log, 20), 0);
    log_flush_run(&flush);
    assert_int_equal(log_flush_finish(fixture->log, &flush), 0);
    assert_int_equal(append(fixture, plain(2), &result), 0);
    assert_true(result.flush_soon);
    assert_int_equal(log_flush(fixture->log), 0);
    snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log_directory(fixture->log));
    assert_int_equal(io_read_whole(&fixture->fs, path, 1000, &text, &size), 0);
    assert_string_equal((char *)text, "0\n1\n5 0\n");
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(log__learns_epochs_that_a_dead_process_did_not_write),
        CASE(log__learns_epochs_of_the_segment_before_an_empty_one),
        CASE(log__writes_epochs_that_it_learned_at_its_end),
        CASE(log__writes_epochs_again_that_changed_during_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
