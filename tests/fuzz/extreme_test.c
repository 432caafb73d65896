/* Numbers at the ends of their range in any file of a partition: where a header's CRC covers them
 * it is made good, so nothing but the number itself tells. Each place of each file gets each of
 * them, for each way in which the process may have ended before. The log then opens or says why
 * not, and whatever is asked of it afterwards is answered, with an error or without: no number from
 * a disk is a belief of the process. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/mem.h"
#include "log/log_dir.h"
#include "sample_log.h"

#define READ_BYTES (1u << 20)
#define ENDS 3
#ifdef BNB_HOSTILE /* with sanitizers: a part of them, another for each file */
#define STRIDE 13
#else
#define STRIDE 1
#endif

static const int64_t numbers[] = {INT64_MAX, INT64_MAX - 1, INT64_MIN, -1, INT32_MAX, INT32_MIN,
                                  INT32_MAX - 1, LOG_OFFSET_MAX, 0};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static char now_at[MEMORY_PATH_BYTES + 64];

/* A failed assertion says what it believed, not what was in the file. */
static void tell(int signal)
{
    ssize_t told = write(STDERR_FILENO, now_at, strlen(now_at));
    (void)told;
    (void)signal;
}

/* ---- what a log is asked ---- */

static void append_plain(struct log *log, int64_t producer_id, int32_t sequence)
{
    struct batch header = batch_header_empty(0);
    struct record record = {.timestamp_ms = SAMPLE_NOW_MS, .value = {(const uint8_t *)"v", 1}};
    header.base_timestamp_ms = SAMPLE_NOW_MS;
    if (producer_id >= 0) {
        header.producer_id = producer_id;
        header.producer_epoch = 0;
        header.base_sequence = sequence;
    }
    (void)sample_append(log, LOG_ORIGIN_CLIENT, &header, &record);
}

static void read_at(struct log *log, int64_t offset)
{
    struct log_read_result result;
    struct arena arena;
    struct log_aborted *aborted;
    int32_t count;
    if (log_read(log, offset, log_end_offset(log), READ_BYTES, true, &result) == 0 &&
        result.has_range) {
        arena_init(&arena, 1 << 20);
        (void)log_aborted_transactions(log, offset, result.range.size, &arena, &aborted, &count);
        arena_release(&arena);
        result.range.release(&result.range);
    }
}

static void ask_all(const struct sample *sample, struct log *log)
{
    struct log_offset found;
    int32_t epoch;
    int64_t end;
    int32_t deleted;
    for (int64_t offset = 0; offset <= sample->end_offset; offset += 3) {
        read_at(log, offset);
    }
    read_at(log, log_start_offset(log));
    (void)log_offset_by_timestamp(log, SAMPLE_NOW_MS - 990, INT64_MAX, &found);
    (void)log_offset_of_max_timestamp(log, &found);
    for (size_t i = 0; i < NUMBERS; i++) {
        log_epoch_end_offset(log, (int32_t)numbers[i], &epoch, &end);
    }
    (void)log_last_stable_offset(log, log_end_offset(log));
    append_plain(log, -1, 0);
    append_plain(log, 7, 8);
    append_plain(log, 8, 9);
    (void)sample_append_marker(log, 7, false);
    (void)log_assign_epoch(log, 6);
    append_plain(log, -1, 0);
    (void)log_flush(log);
    (void)log_apply_retention(log, log_end_offset(log), SAMPLE_NOW_MS, &deleted);
    log_expire_producers(log, SAMPLE_NOW_MS);
    if (log_end_offset(log) > 5) {
        (void)log_truncate_to(log, log_end_offset(log) - 3);
    }
    append_plain(log, -1, 0);
}

static void open_and_ask(const struct sample *sample, struct memory_fs *memory,
                         const struct log_options *extra)
{
    static const enum sample_end ends[] = {SAMPLE_CLOSED, SAMPLE_KILLED, SAMPLE_POWER_LOST};
    for (int end = 0; end < ENDS; end++) {
        struct memory_fs *copy = mem_need(sizeof *copy);
        struct log *log = NULL;
        memory_fs_copy(copy, memory);
        if (sample_open_with(copy, ends[end], extra, &log) == 0) {
            ask_all(sample, log);
            if (log_close(&log) == 0 && sample_open(copy, ends[end], &log) == 0) {
                append_plain(log, -1, 0);
            }
        }
        log_abandon(&log);
        memory_fs_release(copy);
        mem_free(copy);
    }
}

/* ---- files ---- */

static bool ends_in(const char *path, const char *suffix)
{
    size_t size = strlen(path);
    size_t tail = strlen(suffix);
    return size >= tail && strcmp(path + size - tail, suffix) == 0;
}

static void mend_batches(struct memory_file *file, const struct memory_file *before)
{
    size_t at = 0;
    while (at + BATCH_HEADER_BYTES <= before->size) {
        struct batch batch;
        if (batch_decode(before->data + at, before->size - at, &batch) != 0) {
            return;
        }
        store_be32(file->data + at + 17,
                 crc32c(0, file->data + at + 21, batch.size_bytes - 21));
        at += batch.size_bytes;
    }
}

static void mend(struct memory_file *file, const struct memory_file *before)
{
    if (ends_in(file->path, ".log")) {
        mend_batches(file, before);
    } else if (ends_in(file->path, ".snapshot")) {
        store_be32(file->data + 2, crc32c(0, file->data + 6, file->size - 6));
    }
}

static void binary_file(const struct sample *sample, const struct memory_file *file, size_t first)
{
    for (size_t step = first; step < file->size * NUMBERS * 2; step += STRIDE) {
        size_t at = step / NUMBERS / 2;
        int64_t number = numbers[step / 2 % NUMBERS];
        size_t bytes = step % 2 == 0 ? 4 : 8;
        if (at + bytes > file->size) {
            continue;
        }
        struct memory_fs *memory = mem_need(sizeof *memory);
        memory_fs_copy(memory, &sample->memory);
        struct memory_file *damaged = (struct memory_file *)memory_fs_get(memory, file->path);
        if (bytes == 4) {
            store_be32(damaged->data + at, (uint32_t)number);
        } else {
            store_be64(damaged->data + at, (uint64_t)number);
        }
        mend(damaged, file);
        snprintf(now_at, sizeof now_at, "%s byte %zu: %lld in %zu\n", file->path, at,
                 (long long)number, bytes);
        open_and_ask(sample, memory, NULL);
        memory_fs_release(memory);
        mem_free(memory);
    }
}

static void text_file(const struct sample *sample, const struct memory_file *file)
{
    for (size_t at = 0; at < file->size; at++) {
        size_t digits = strspn((const char *)file->data + at, "0123456789");
        for (size_t i = 0; digits > 0 && i < NUMBERS; i++) {
            char text[4096];
            struct memory_fs *memory = mem_need(sizeof *memory);
            memory_fs_copy(memory, &sample->memory);
            int size = snprintf(text, sizeof text, "%.*s%lld%.*s", (int)at, file->data,
                                (long long)numbers[i], (int)(file->size - at - digits),
                                file->data + at + digits);
            memory_fs_put(memory, file->path, text, (size_t)size);
            snprintf(now_at, sizeof now_at, "%s byte %zu: %lld as text\n", file->path, at,
                     (long long)numbers[i]);
            open_and_ask(sample, memory, NULL);
            memory_fs_release(memory);
            mem_free(memory);
        }
        at += digits;
    }
}

static void extreme__numbers_in_the_files_of_a_log_are_answered(void **state)
{
    (void)state;
    const struct sample *sample = sample_log();
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &sample->memory.files[i];
        if (file->path[0] == '\0' || file->is_directory || file->size == 0) {
            continue;
        }
        if (strstr(file->path, "checkpoint") != NULL) {
            text_file(sample, file);
        } else {
            binary_file(sample, file, i % STRIDE);
        }
    }
}

/* What the checkpoint files of the directory say of the log. */
static void extreme__checkpoints_of_a_log_are_answered(void **state)
{
    (void)state;
    const struct sample *sample = sample_log();
    struct memory_fs *memory = mem_need(sizeof *memory);
    memory_fs_copy(memory, &sample->memory);
    for (size_t i = 0; i < NUMBERS; i++) {
        for (size_t j = 0; j < NUMBERS; j++) {
            /* Nothing else is believed of a checkpoint file. */
            if (numbers[i] < 0 || numbers[i] > LOG_OFFSET_MAX || numbers[j] < 0 ||
                numbers[j] > LOG_OFFSET_MAX) {
                continue;
            }
            struct log_options options = {.recovery_point = numbers[i],
                                          .log_start_offset = numbers[j]};
            snprintf(now_at, sizeof now_at, "recovery point %lld, start %lld\n",
                     (long long)options.recovery_point, (long long)options.log_start_offset);
            open_and_ask(sample, memory, &options);
        }
    }
    memory_fs_release(memory);
    mem_free(memory);
}

static int read_checkpoint(const char *text)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct log_checkpoint checkpoint;
    memory_fs_init(memory);
    memory_fs_put(memory, "/checkpoint", text, strlen(text));
    int error = log_checkpoint_read(&memory->fs, "/checkpoint", &checkpoint);
    log_checkpoint_release(&checkpoint);
    memory_fs_release(memory);
    mem_free(memory);
    return error;
}

/* A file with a number that is none is not believed at all, as Apache Kafka has it; nor is one with
 * an offset that no log comes to. */
static void extreme__a_checkpoint_file_with_one_is_not_believed(void **state)
{
    (void)state;
    assert_int_equal(read_checkpoint("0\n1\ntopic 2147483647 4611686018427387903\n"), 0);
    assert_int_equal(read_checkpoint("0\n1\ntopic 0 4611686018427387904\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n1\ntopic 0 9223372036854775807\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n1\ntopic 0 99999999999999999999\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n1\ntopic 0 -1\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n1\ntopic 4294967296 7\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n1\ntopic 2147483648 7\n"), ERR_CORRUPT);
    assert_int_equal(read_checkpoint("0\n4294967297\ntopic 0 7\n"), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extreme__numbers_in_the_files_of_a_log_are_answered),
        cmocka_unit_test(extreme__checkpoints_of_a_log_are_answered),
        cmocka_unit_test(extreme__a_checkpoint_file_with_one_is_not_believed)};
    signal(SIGABRT, tell);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
