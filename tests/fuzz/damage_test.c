/* Row 16: a flipped bit or a cut in any file of a partition at rest. Every bit of every file of a
 * small log is flipped, and every file cut at every byte, for each way in which the process may
 * have ended before. The log then opens or says why not; of what it serves no batch is another
 * than was written, and nothing in front of the damage is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sample_log.h"

#define READ_BYTES (1u << 20)
#define ENDS 3
#ifdef BNB_HOSTILE /* with sanitizers: a part of them, another for each file */
#define STRIDE 37
#else
#define STRIDE 1
#endif

struct damage {
    const struct memory_file *file;
    size_t at;     /* byte */
    int bit;       /* -1: cut there */
    enum sample_end end;
};

/* The whole of a record file of the sample. */
static const struct memory_file *record_file(const struct sample *sample, int64_t base_offset)
{
    char path[MEMORY_PATH_BYTES];
    snprintf(path, sizeof path, SAMPLE_DIRECTORY "/%020lld.log", (long long)base_offset);
    return memory_fs_get(&sample->memory, path);
}

/* The original of the batch that begins with offset: its bytes, NULL when there is none. */
static const uint8_t *original(const struct sample *sample, int64_t offset, size_t *size)
{
    for (int segment = 0; segment < SAMPLE_BATCHES; segment++) {
        const struct memory_file *file = record_file(sample, sample->base_offsets[segment]);
        for (size_t at = 0; file != NULL && at < file->size;) {
            struct batch batch;
            assert_int_equal(batch_decode(file->data + at, file->size - at, &batch), 0);
            if (batch.base_offset == offset) {
                *size = batch.size_bytes;
                return file->data + at;
            }
            at += batch.size_bytes;
        }
    }
    return NULL;
}

/* Whether the batch holds what was written; covered: also at the same offset. */
static void check_batch(const struct sample *sample, const struct damage *damage,
                        const uint8_t *bytes, const struct batch *batch)
{
    size_t size = 0;
    const uint8_t *known = original(sample, batch->base_offset, &size);
    bool same = known != NULL && size == batch->size_bytes && memcmp(known, bytes, size) == 0;
    if (same || !batch_crc_holds(bytes, batch)) {
        return; /* or the client finds it damaged */
    }
    /* A flip of the offset or the epoch cannot be told by the bytes of the batch alone. */
    bool told = strstr(damage->file->path, ".log") == NULL || damage->bit < 0;
    if (told) {
        fail_msg("%s byte %zu bit %d end %d: another batch at %lld", damage->file->path,
                 damage->at, damage->bit, damage->end, (long long)batch->base_offset);
    }
}

/* Reads all there is; the offset behind the last batch of an unbroken run from the start. */
static int64_t check_reads(const struct sample *sample, const struct damage *damage,
                           struct log *log)
{
    int64_t offset = log_start_offset(log);
    while (offset < log_end_offset(log)) {
        struct log_read_result result;
        int error = log_read(log, offset, log_end_offset(log), READ_BYTES, true, &result);
        if (error != 0 || !result.has_range) {
            break;
        }
        uint8_t *bytes = mem_need(result.range.size);
        struct batch batch;
        size_t at = 0;
        int64_t before = offset;
        (void)io_file_read(result.range.file, bytes, result.range.size, result.range.position);
        while (batch_decode(bytes + at, result.range.size - at, &batch) == 0 &&
               batch_crc_holds(bytes + at, &batch) && batch.base_offset == offset) {
            check_batch(sample, damage, bytes + at, &batch);
            offset = batch_last_offset(&batch) + 1;
            at += batch.size_bytes;
        }
        mem_free(bytes);
        result.range.release(&result.range);
        if (offset == before) {
            break;
        }
    }
    return offset;
}

/* Each offset is found in its batch, whatever an index says. */
static void check_each_offset(const struct sample *sample, const struct damage *damage,
                              struct log *log)
{
    size_t i = 0;
    for (int64_t offset = 0; offset < sample->end_offset; offset++) {
        struct log_read_result result;
        int error = log_read(log, offset, sample->end_offset, 1, true, &result);
        while (i + 1 < sample->batch_count && sample->base_offsets[i + 1] <= offset) {
            i++;
        }
        if (error != 0 || !result.has_range || result.first_offset != sample->base_offsets[i]) {
            fail_msg("%s byte %zu bit %d end %d: offset %lld is not found", damage->file->path,
                     damage->at, damage->bit, damage->end, (long long)offset);
        }
        result.range.release(&result.range);
    }
}

/* First offset that the damage may have taken away; what lies in front of it may not go. *in_batch:
 * where in its batch the damage is. */
static int64_t damaged_offset(const struct sample *sample, const struct damage *damage,
                              size_t *in_batch)
{
    *in_batch = 0;
    if (strstr(damage->file->path, ".log") == NULL) {
        return sample->end_offset;
    }
    size_t at = 0;
    struct batch batch;
    for (;;) {
        assert_int_equal(batch_decode(damage->file->data + at, damage->file->size - at, &batch),
                         0);
        if (at + batch.size_bytes > damage->at) {
            *in_batch = damage->at - at;
            return batch.base_offset;
        }
        at += batch.size_bytes;
    }
}

static void check_damage(const struct sample *sample, const struct damage *damage)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct log *log = NULL;
    memory_fs_copy(memory, &sample->memory);
    struct memory_file *file = (struct memory_file *)memory_fs_get(memory, damage->file->path);
    if (damage->bit < 0) {
        file->size = damage->at;
    } else {
        file->data[damage->at] ^= (uint8_t)(1u << damage->bit);
    }
    int error = sample_open(memory, damage->end, &log);
    size_t in_batch;
    int64_t first = damaged_offset(sample, damage, &in_batch);
    bool is_log = strstr(damage->file->path, ".log") != NULL;
    /* Only one that was closed in order may be refused, for a torn end that nobody can explain. */
    if (error != 0 && !(is_log && damage->end == SAMPLE_CLOSED && error == ERR_CORRUPT)) {
        fail_msg("%s byte %zu bit %d end %d: error %d", damage->file->path, damage->at,
                 damage->bit, damage->end, error);
    }
    if (error == 0) {
        int64_t reached = check_reads(sample, damage, log);
        if (reached < first) {
            fail_msg("%s byte %zu bit %d end %d: %lld to %lld are gone", damage->file->path,
                     damage->at, damage->bit, damage->end, (long long)reached,
                     (long long)first - 1);
        }
        if (!is_log) {
            check_each_offset(sample, damage, log);
        }
        /* After a loss of power every batch is looked at: a damaged one is cut off. Of the leader
         * epoch nothing but its order can be told. */
        if (damage->end == SAMPLE_POWER_LOST && is_log && (in_batch < 12 || in_batch >= 16)) {
            assert_true(log_end_offset(log) <= sample->end_offset);
            assert_int_equal(reached, log_end_offset(log));
        }
        log_abandon(&log);
    }
    memory_fs_release(memory);
    mem_free(memory);
}

static void damage__of_any_file_never_gives_other_data(void **state)
{
    (void)state;
    const struct sample *sample = sample_log();
    size_t count = 0;
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &sample->memory.files[i];
        if (file->path[0] == '\0' || file->is_directory) {
            continue;
        }
        size_t before = count;
        for (size_t step = i % STRIDE; step < file->size * 9 * ENDS; step += STRIDE) {
            struct damage damage = {file, step / 9 / ENDS, (int)(step / ENDS % 9) - 1,
                                    (enum sample_end)(step % ENDS)};
            check_damage(sample, &damage);
            count++;
        }
        print_message("%s: %zu\n", file->path, count - before);
    }
    assert_true(count > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage__of_any_file_never_gives_other_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
