/* The file %020d.snapshot, big endian: int16 version 1 | uint32 CRC-32C of all behind it |
 * int32 count | entries of 46 bytes: int64 producer id, int16 epoch, int32 last sequence,
 * int64 last offset, int32 offset delta, int64 timestamp, int32 coordinator epoch,
 * int64 first offset of the open transaction. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "log/producer_state.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_CRC_END 6
#define SNAPSHOT_HEADER_BYTES 10
#define SNAPSHOT_ENTRY_BYTES 46
#define SNAPSHOT_BYTES_MAX (1u << 30)

static void snapshot_encode(const struct producer_state *state, struct writer *writer)
{
    ASSERT(state->count <= INT32_MAX);
    writer_i16(writer, SNAPSHOT_VERSION);
    writer_u32(writer, 0);
    writer_i32(writer, (int32_t)state->count);
    for (size_t i = 0; i < state->count; i++) {
        const struct producer_entry *entry = &state->entries[i];
        struct producer_batch last = {.last_sequence = -1, .last_offset = -1};
        if (entry->batch_count > 0) {
            last = entry->batches[entry->batch_count - 1];
        }
        writer_i64(writer, entry->producer_id);
        writer_i16(writer, entry->producer_epoch);
        writer_i32(writer, last.last_sequence);
        writer_i64(writer, last.last_offset);
        writer_i32(writer, last.offset_delta);
        writer_i64(writer, entry->last_timestamp_ms);
        writer_i32(writer, entry->coordinator_epoch);
        writer_i64(writer, entry->transaction_first_offset);
    }
    if (!writer->failed) {
        ASSERT(writer->size == SNAPSHOT_HEADER_BYTES + state->count * SNAPSHOT_ENTRY_BYTES);
        uint32_t crc = crc32c(0, writer->data + SNAPSHOT_CRC_END, writer->size - SNAPSHOT_CRC_END);
        writer_patch_i32(writer, 2, (int32_t)crc);
    }
}

int producer_state_write_snapshot(struct producer_state *state, const struct log_place *place,
                                  int64_t offset, bool sync)
{
    ASSERT(offset >= 0);
    /* At 0 there is nothing that it could tell. */
    if (offset <= state->snapshot_offset || offset == 0) {
        return 0;
    }
    char path[LOG_PATH_BYTES];
    int error = log_place_path(place, offset, ".snapshot", path);
    if (error != 0) {
        return error;
    }
    struct writer writer;
    struct io_file file;
    writer_init(&writer, SNAPSHOT_BYTES_MAX);
    snapshot_encode(state, &writer);
    error = writer.failed ? ERR_NOMEM
                          : io_file_open(place->fs, path,
                                         IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (error == 0) {
        error = io_file_write(&file, writer.data, writer.size, 0);
        if (error == 0 && sync) {
            error = io_file_sync(&file);
        }
        io_file_close(&file);
    }
    if (error == 0) {
        state->snapshot_offset = offset;
    }
    writer_release(&writer);
    return error;
}

static int snapshot_decode_entry(struct reader *reader, struct producer_entry *entry)
{
    struct producer_batch last;
    *entry = (struct producer_entry){.producer_id = reader_i64(reader)};
    entry->producer_epoch = reader_i16(reader);
    last.last_sequence = reader_i32(reader);
    last.last_offset = reader_i64(reader);
    last.offset_delta = reader_i32(reader);
    last.timestamp_ms = reader_i64(reader);
    entry->coordinator_epoch = reader_i32(reader);
    entry->transaction_first_offset = reader_i64(reader);
    entry->last_timestamp_ms = last.timestamp_ms;
    if (last.last_offset >= 0) {
        entry->batches[0] = last;
        entry->batch_count = 1;
    }
    return reader->failed || entry->producer_id < 0 ? ERR_CORRUPT : 0;
}

static int entries_by_id(const void *a, const void *b)
{
    const struct producer_entry *left = a;
    const struct producer_entry *right = b;
    return (left->producer_id > right->producer_id) - (left->producer_id < right->producer_id);
}

static int open_by_offset(const void *a, const void *b)
{
    const struct producer_transaction *left = a;
    const struct producer_transaction *right = b;
    return (left->first_offset > right->first_offset) - (left->first_offset < right->first_offset);
}

static int snapshot_open_transaction(struct producer_state *state,
                                     const struct producer_entry *entry)
{
    int error = producer_state_need_pending(state);
    if (error != 0) {
        return error;
    }
    struct producer_transactions *open = &state->pending->open;
    error = mem_grow((void **)&open->items, &open->capacity, open->count + 1, sizeof *open->items);
    if (error == 0) {
        open->items[open->count++] = (struct producer_transaction){
            entry->producer_id, entry->transaction_first_offset, -1};
    }
    return error;
}

/* Entries as they are in the file are in no order. All that they tell lies below offset. */
static int snapshot_restore(struct producer_state *state, struct reader *reader, int64_t offset,
                            int32_t count, int64_t now_ms, int64_t expiration_ms)
{
    ASSERT(state->count == 0);
    int error = producer_state_reserve(state, (size_t)count, false);
    for (int32_t i = 0; error == 0 && i < count; i++) {
        struct producer_entry *entry = &state->entries[state->count];
        error = snapshot_decode_entry(reader, entry);
        if (error == 0 && entry->transaction_first_offset >= offset) {
            error = ERR_CORRUPT;
        }
        if (error != 0 || (entry->transaction_first_offset < 0 &&
                           producer_age_ms(entry, now_ms) >= expiration_ms)) {
            continue;
        }
        if (entry->transaction_first_offset >= 0) {
            error = snapshot_open_transaction(state, entry);
        }
        state->count++;
    }
    if (error == 0 && state->count > 0) {
        qsort(state->entries, state->count, sizeof *state->entries, entries_by_id);
    }
    if (error == 0 && state->pending != NULL && state->pending->open.count > 0) {
        struct producer_transactions *open = &state->pending->open;
        qsort(open->items, open->count, sizeof *open->items, open_by_offset);
    }
    ASSERT(state->count <= (size_t)count);
    return error;
}

int producer_state_load_snapshot(struct producer_state *state, const struct log_place *place,
                                 int64_t offset, int64_t now_ms, int64_t expiration_ms)
{
    char path[LOG_PATH_BYTES];
    uint8_t *data;
    size_t size;
    int error = log_place_path(place, offset, ".snapshot", path);
    if (error == 0) {
        error = io_read_whole(place->fs, path, SNAPSHOT_BYTES_MAX, &data, &size);
    }
    if (error != 0) {
        return error;
    }
    producer_state_clear(state);
    struct reader reader;
    reader_init(&reader, data, size);
    int16_t version = reader_i16(&reader);
    uint32_t crc = reader_u32(&reader);
    int32_t count = reader_i32(&reader);
    if (reader.failed || version != SNAPSHOT_VERSION ||
        crc != crc32c(0, data + SNAPSHOT_CRC_END, size - SNAPSHOT_CRC_END) || count < 0 ||
        (size_t)count > reader_left(&reader) / SNAPSHOT_ENTRY_BYTES) {
        error = ERR_CORRUPT;
    } else {
        error = snapshot_restore(state, &reader, offset, count, now_ms, expiration_ms);
    }
    mem_free(data);
    if (error == 0) {
        state->snapshot_offset = offset;
    } else {
        producer_state_clear(state);
    }
    producer_state_assert_invariants(state);
    return error;
}
