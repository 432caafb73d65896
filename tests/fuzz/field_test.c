/* Faults that systems of this kind had in the field, as far as one log can have them. The rows are
 * those of the list that the project keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "protocol/record/batch.h"
#include "sample_log.h"

#define VALUE_BYTES 600
#define ENDS 3

struct fixture {
    struct memory_fs memory;
    struct log *log;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_need(sizeof *fixture);
    memory_fs_init(&fixture->memory);
    assert_int_equal(io_make_directory(&fixture->memory.fs, "/data"), 0);
    assert_int_equal(sample_open(&fixture->memory, SAMPLE_CLOSED, &fixture->log), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    log_abandon(&fixture->log);
    memory_fs_release(&fixture->memory);
    mem_free(fixture);
    return 0;
}

static void end_and_open(struct fixture *fixture, enum sample_end end)
{
    if (end == SAMPLE_CLOSED) {
        assert_int_equal(log_close(&fixture->log), 0);
    }
    log_abandon(&fixture->log);
    assert_int_equal(sample_open(&fixture->memory, end, &fixture->log), 0);
}

static int append(struct fixture *fixture, int64_t producer_id, int32_t sequence)
{
    static const uint8_t value[VALUE_BYTES];
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS, .value = {value, sizeof value}};
    header.base_timestamp_ms = SAMPLE_NOW_MS;
    if (producer_id >= 0) {
        header.producer_id = producer_id;
        header.producer_epoch = 0;
        header.base_sequence = sequence;
    }
    return sample_append(fixture->log, LOG_ORIGIN_CLIENT, &header, &record);
}

/* Row 4: the records of an idempotent producer are gone with their segments; it goes on with its
 * next sequence all the same, also after every kind of stop, and a retry is no second record. */
static void field__idempotence_outlives_the_segments_of_a_producer(void **state)
{
    struct fixture *fixture = *state;
    for (int end = 0; end < ENDS; end++) {
        int32_t sequence = 2 * end;
        assert_int_equal(append(fixture, 7, sequence), 0);
        for (int i = 0; i < 12; i++) {
            assert_int_equal(append(fixture, -1, -1), 0);
        }
        int64_t end_offset = log_end_offset(fixture->log);
        int32_t deleted;
        assert_int_equal(log_raise_start_offset(fixture->log, end_offset - 1), 0);
        assert_int_equal(log_apply_retention(fixture->log, end_offset, SAMPLE_NOW_MS, &deleted), 0);
        assert_true(deleted > 0);
        assert_int_equal(append(fixture, 7, sequence), 0); /* a retry */
        assert_int_equal(log_end_offset(fixture->log), end_offset);
        end_and_open(fixture, (enum sample_end)end);
        assert_int_equal(append(fixture, 7, sequence + 1), 0);
        assert_int_equal(log_end_offset(fixture->log), end_offset + 1);
    }
}

/* Row 6, and 13 as far as one node has it: where a leader epoch ends is where the next began, in
 * whatever way the process ended; a follower that truncates there loses nothing that was kept. */
static void field__an_epoch_ends_where_the_next_began(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(append(fixture, -1, -1), 0); /* in epoch 5 */
    }
    assert_int_equal(log_assign_epoch(fixture->log, 9), 0);
    for (int end = 0; end < ENDS; end++) {
        int32_t epoch;
        int64_t offset;
        end_and_open(fixture, (enum sample_end)end);
        log_epoch_end_offset(fixture->log, 5, &epoch, &offset);
        assert_int_equal(epoch, 5);
        assert_int_equal(offset, 7);
        log_epoch_end_offset(fixture->log, log_latest_epoch(fixture->log), &epoch, &offset);
        assert_int_equal(offset, log_end_offset(fixture->log));
        assert_int_equal(log_truncate_to(fixture->log, 7), 0);
        assert_int_equal(log_end_offset(fixture->log), 7);
    }
}

static const struct io_operations *plain_operations;
static int renames_not_synced;

static int watched_rename(struct io_fs *fs, const char *from, const char *to)
{
    renames_not_synced++;
    return plain_operations->rename(fs, from, to);
}

static int watched_sync_directory(struct io_fs *fs, const char *path)
{
    renames_not_synced = 0;
    return plain_operations->sync_directory(fs, path);
}

/* Row 15: a loss of power cut a segment, so those behind it are given up. They must be gone from
 * the disk before something is written in their place, or they follow it after another loss. */
static void field__what_a_cut_gives_up_is_gone_before_anything_is_written(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(append(fixture, -1, -1), 0);
    }
    assert_int_equal(log_flush(fixture->log), 0);
    log_abandon(&fixture->log);
    struct memory_file *first = (struct memory_file *)memory_fs_get(
        &fixture->memory, SAMPLE_DIRECTORY "/00000000000000000000.log");
    assert_non_null(first);
    first->size -= 10;
    plain_operations = fixture->memory.fs.operations;
    struct io_operations watched = *plain_operations;
    watched.rename = watched_rename;
    watched.sync_directory = watched_sync_directory;
    fixture->memory.fs.operations = &watched;
    assert_int_equal(sample_open(&fixture->memory, SAMPLE_POWER_LOST, &fixture->log), 0);
    assert_true(log_end_offset(fixture->log) < 9);
    assert_true(log_take_deleted(fixture->log));
    assert_int_equal(renames_not_synced, 0);
    log_abandon(&fixture->log);
    fixture->memory.fs.operations = plain_operations;
}

#define TRANSACTIONS 3

static void append_in_transaction(struct fixture *fixture, int64_t producer_id, int32_t sequence)
{
    static const uint8_t value[VALUE_BYTES];
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS, .value = {value, sizeof value}};
    header.base_timestamp_ms = SAMPLE_NOW_MS;
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.base_sequence = sequence;
    header.attributes = BATCH_TRANSACTIONAL;
    assert_int_equal(sample_append(fixture->log, LOG_ORIGIN_CLIENT, &header, &record), 0);
}

/* Row 3: a list of aborted transactions that comes from several places (memory, the indexes of
 * several segments) has each once, in the order in which they ended, as Apache Kafka's. */
static void field__aborted_transactions_are_listed_once_in_their_order(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t ends[TRANSACTIONS] = {12, 10, 11}; /* producers, as they end */
    for (int64_t producer = 10; producer < 10 + TRANSACTIONS; producer++) {
        append_in_transaction(fixture, producer, 0);
    }
    for (int i = 0; i < TRANSACTIONS; i++) {
        assert_int_equal(append(fixture, -1, -1), 0);
        assert_int_equal(sample_append_marker(fixture->log, ends[i], false), 0);
    }
    assert_int_equal(append(fixture, -1, -1), 0);
    for (int end = -1; end < ENDS; end++) {
        if (end >= 0) {
            end_and_open(fixture, (enum sample_end)end);
        }
        /* A read ends with its segment, so only from 2 on have all begun. */
        for (int64_t start = 2; start < log_end_offset(fixture->log); start++) {
            struct arena arena;
            struct log_aborted *found;
            int32_t count;
            /* Those whose marker, at 4, 6 and 8, is not behind the reader yet. */
            int32_t passed = start <= 4 ? 0 : start <= 6 ? 1 : start <= 8 ? 2 : 3;
            arena_init(&arena, 1 << 16);
            assert_int_equal(log_aborted_transactions(fixture->log, start, 1 << 20, &arena, &found,
                                                      &count), 0);
            assert_int_equal(count, TRANSACTIONS - passed);
            for (int32_t i = 0; i < count; i++) {
                assert_int_equal(found[i].producer_id, ends[passed + i]);
                assert_int_equal(found[i].first_offset, ends[passed + i] - 10);
            }
            arena_release(&arena);
        }
    }
}

/* Row 7: a reader of committed records comes to the end of a partition whose transactions have all
 * ended, and stops before the first that has not, after every kind of stop. */
static void field__the_last_stable_offset_is_reached_after_every_kind_of_stop(void **state)
{
    struct fixture *fixture = *state;
    for (int end = 0; end < ENDS; end++) {
        bool commit = end != 0;
        int64_t open_at = log_end_offset(fixture->log);
        append_in_transaction(fixture, 20, 2 * end);
        append_in_transaction(fixture, 20, 2 * end + 1);
        assert_int_equal(append(fixture, -1, -1), 0);
        end_and_open(fixture, (enum sample_end)end);
        int64_t end_offset = log_end_offset(fixture->log);
        assert_int_equal(log_last_stable_offset(fixture->log, end_offset), open_at);
        assert_int_equal(sample_append_marker(fixture->log, 20, commit), 0);
        end_and_open(fixture, (enum sample_end)end);
        end_offset = log_end_offset(fixture->log);
        assert_int_equal(log_last_stable_offset(fixture->log, end_offset), end_offset);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(field__idempotence_outlives_the_segments_of_a_producer),
        CASE(field__an_epoch_ends_where_the_next_began),
        CASE(field__what_a_cut_gives_up_is_gone_before_anything_is_written),
        CASE(field__aborted_transactions_are_listed_once_in_their_order),
        CASE(field__the_last_stable_offset_is_reached_after_every_kind_of_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
