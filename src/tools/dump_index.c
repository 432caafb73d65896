/* dump_index.c: indexes and producer snapshots.
 *
 *   .index     offset - base: int32, position: int32
 *   .timeindex timestamp: int64, offset - base: int32
 *   .txnindex  version: int16, producer id, first, last and last stable offset: int64 each
 *   .snapshot  version: int16, crc32c: uint32, count: int32, entries of 46 bytes */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "io/file.h"
#include "protocol/record/iter.h"
#include "tools/dump.h"

#define OFFSET_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES 12
#define TXN_ENTRY_BYTES 34
#define SNAPSHOT_CRC_END 6
#define PATH_BYTES 4096

int64_t dump_base_offset(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strtoll(slash != NULL ? slash + 1 : path, NULL, 10);
}

/* The log beside an index; false when there is none. */
static bool index_log(const char *path, struct io_file *log, struct io_fs *fs)
{
    char name[PATH_BYTES];
    const char *dot = strrchr(path, '.');
    *fs = io_fs_linux();
    snprintf(name, sizeof name, "%.*s.log", (int)(dot - path), path);
    return io_file_open(fs, name, IO_OPEN_READ, log) == 0;
}

bool dump_needs_log(struct dump *dump, const char *path)
{
    char name[PATH_BYTES];
    const char *dot = strrchr(path, '.');
    snprintf(name, sizeof name, "%.*s.log", (int)(dot - path), path);
    if (access(name, F_OK) != 0) {
        dump_fail_missing(dump, name);
    }
    return !dump->failed;
}

/* The last offset of the batch at position, or -1. */
static int64_t index_offset_at(struct io_file *log, int64_t position)
{
    uint8_t header[BATCH_HEADER_BYTES];
    struct reader reader;
    int64_t got = io_file_read(log, header, sizeof header, position);
    reader_init(&reader, header, sizeof header);
    int64_t base = reader_i64(&reader);
    if (got >= DUMP_PREFIX_BYTES && dump_is_legacy(header)) {
        return base; /* that of its last message */
    }
    if (got != BATCH_HEADER_BYTES) {
        return -1;
    }
    reader_init(&reader, header + 23, 4); /* last offset delta */
    return base + reader_i32(&reader);
}

void dump_offset_index(struct dump *dump, const char *path, struct bytes_view data)
{
    int64_t base = dump_base_offset(path);
    struct io_fs fs;
    struct io_file log;
    if (data.size == 0) {
        printf("%s is empty.\n", path);
        return;
    }
    if (dump->options.sanity_only) {
        printf("%s passed sanity check.\n", path);
        return;
    }
    bool has_log = index_log(path, &log, &fs);
    struct reader reader;
    reader_init(&reader, data.data, data.size);
    for (size_t i = 0; i < data.size / OFFSET_ENTRY_BYTES; i++) {
        int64_t offset = base + reader_i32(&reader);
        int32_t position = reader_i32(&reader);
        if (offset == base && i > 0) {
            break; /* the rest was allocated ahead */
        }
        int64_t found = has_log ? index_offset_at(&log, position) : offset;
        if (found != offset) {
            dump_add_problem(dump, DUMP_INDEX_MISMATCH, path, offset, found);
        }
        if (!dump->options.verify_only) {
            printf("offset: %" PRId64 " position: %d\n", offset, position);
        }
    }
    if (has_log) {
        io_file_close(&log);
    }
}

/* The log that a time index belongs to, walked forwards. */
struct time_walk {
    struct io_file log;
    int64_t position;
    int64_t last_offset; /* of the batch before position; -1: none */
};

/* The first batch or message that ends at or behind offset, read whole (mem_free), and where it
 * ends; NULL: there is none. */
static uint8_t *time_batch(struct time_walk *walk, int64_t offset, size_t *whole_bytes,
                           int64_t *ends_with)
{
    uint8_t header[BATCH_HEADER_BYTES];
    if (offset <= walk->last_offset) {
        walk->position = 0;
    }
    for (;;) {
        int64_t got = io_file_read(&walk->log, header, sizeof header, walk->position);
        bool legacy = got >= DUMP_PREFIX_BYTES && dump_is_legacy(header);
        int64_t size = batch_view_size(header, got < 0 ? 0 : (size_t)got);
        if (size <= 0 || (!legacy && (got != BATCH_HEADER_BYTES || size < BATCH_HEADER_BYTES ||
                                      batch_magic(header) != BATCH_MAGIC))) {
            return NULL;
        }
        *ends_with = index_offset_at(&walk->log, walk->position);
        if (*ends_with >= offset) {
            uint8_t *data = mem_alloc((size_t)size);
            *whole_bytes = (size_t)size;
            if (data != NULL &&
                io_file_read(&walk->log, data, (size_t)size, walk->position) != size) {
                mem_free(data);
                data = NULL;
            }
            return data;
        }
        walk->last_offset = *ends_with;
        walk->position += size;
    }
}

/* The largest time of a record; -1: there is none. */
static int64_t time_of_records(const uint8_t *data, size_t size)
{
    struct batch batch;
    struct writer plain;
    struct bytes_view records;
    struct record_iter iter;
    struct record record;
    int64_t max_ms = -1;
    if (dump_is_legacy(data)) {
        return dump_legacy_time((struct bytes_view){data, size});
    }
    if (batch_decode(data, size, &batch) != 0) {
        return -1;
    }
    if (dump_unpack(&batch, &plain, &records) == 0) {
        record_iter_init(&iter, &batch, records);
        while (record_iter_next(&iter, &record) == 1) {
            max_ms = record.timestamp_ms > max_ms ? record.timestamp_ms : max_ms;
        }
    }
    writer_release(&plain);
    return max_ms;
}

static void time_check(struct dump *dump, const char *path, struct time_walk *walk,
                       int64_t timestamp_ms, int64_t offset, int64_t previous_ms)
{
    size_t size = 0;
    int64_t last_offset = -1;
    uint8_t *data = time_batch(walk, offset, &size, &last_offset);
    int64_t found = data == NULL ? -1 : last_offset;
    if (found != offset) {
        dump_add_problem(dump, DUMP_TIME_NOT_FOUND, path, offset, found);
    } else {
        int64_t max_ms = time_of_records(data, size);
        if (max_ms != timestamp_ms) {
            dump_add_problem(dump, DUMP_TIME_MISMATCH, path, timestamp_ms, max_ms);
        }
        if (previous_ms >= timestamp_ms) {
            dump_add_problem(dump, DUMP_TIME_ORDER, path, timestamp_ms, previous_ms);
        }
    }
    mem_free(data);
}

void dump_time_index(struct dump *dump, const char *path, struct bytes_view data)
{
    int64_t base = dump_base_offset(path);
    struct io_fs fs;
    struct time_walk walk = {.last_offset = -1};
    if (dump->options.sanity_only) {
        printf("%s passed sanity check.\n", path);
        return;
    }
    bool has_log = index_log(path, &walk.log, &fs);
    int64_t previous_ms = -1;
    struct reader reader;
    reader_init(&reader, data.data, data.size);
    for (size_t i = 0; i < data.size / TIME_ENTRY_BYTES; i++) {
        int64_t timestamp_ms = reader_i64(&reader);
        int64_t offset = base + reader_i32(&reader);
        if (offset == base && i > 0) {
            break;
        }
        if (has_log) {
            time_check(dump, path, &walk, timestamp_ms, offset, previous_ms);
        }
        if (!dump->options.verify_only) {
            printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", timestamp_ms, offset);
        }
        previous_ms = timestamp_ms;
    }
    if (has_log) {
        io_file_close(&walk.log);
    }
}

void dump_txn_index(struct bytes_view data)
{
    struct reader reader;
    reader_init(&reader, data.data, data.size);
    while (reader_left(&reader) >= TXN_ENTRY_BYTES) {
        int16_t version = reader_i16(&reader);
        int64_t producer_id = reader_i64(&reader);
        int64_t first = reader_i64(&reader);
        int64_t last = reader_i64(&reader);
        printf("version: %d producerId: %" PRId64 " firstOffset: %" PRId64 " lastOffset: %" PRId64
               " lastStableOffset: %" PRId64 "\n", version, producer_id, first, last,
               reader_i64(&reader));
    }
}

static void snapshot_entry(struct reader *reader)
{
    int64_t producer_id = reader_i64(reader);
    int16_t epoch = reader_i16(reader);
    int32_t last_sequence = reader_i32(reader);
    int64_t last_offset = reader_i64(reader);
    int32_t delta = reader_i32(reader);
    int64_t timestamp_ms = reader_i64(reader);
    int32_t coordinator_epoch = reader_i32(reader);
    int64_t first_offset = reader_i64(reader);
    if (reader->failed) {
        return;
    }
    printf("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: ",
           producer_id, epoch, coordinator_epoch);
    if (first_offset >= 0) {
        printf("OptionalLong[%" PRId64 "]", first_offset);
    } else {
        printf("OptionalLong.empty");
    }
    printf(" lastTimestamp: %" PRId64, timestamp_ms);
    if (last_offset >= 0) {
        printf(" firstSequence: %d lastSequence: %d lastOffset: %" PRId64
               " offsetDelta: %d timestamp: %" PRId64,
               batch_sequence_add(last_sequence, -delta), last_sequence, last_offset, delta,
               timestamp_ms);
    }
    putchar('\n');
}

void dump_producer_snapshot(struct bytes_view data)
{
    struct reader reader;
    reader_init(&reader, data.data, data.size);
    int16_t version = reader_i16(&reader);
    uint32_t crc = reader_u32(&reader);
    int32_t count = reader_i32(&reader);
    bool has_version = data.size >= sizeof version;
    if (has_version && version != 1) {
        fprintf(stderr, "Snapshot failed schema validation: Snapshot contained an unknown file "
                        "version %d\n", version);
        return;
    }
    if (reader.failed) {
        fprintf(stderr, "Snapshot failed schema validation: null\n");
        return;
    }
    uint32_t wanted = crc32c(0, data.data + SNAPSHOT_CRC_END, data.size - SNAPSHOT_CRC_END);
    if (crc != wanted) {
        fprintf(stderr, "Snapshot is corrupt (CRC is no longer valid). Stored crc: %u. "
                        "Computed crc: %u\n", crc, wanted);
        return;
    }
    for (int32_t i = 0; i < count && !reader.failed; i++) {
        snapshot_entry(&reader);
    }
}
