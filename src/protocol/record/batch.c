#include "protocol/record/batch.h"

#include <zlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/leb128.h"
#include "base/reader.h"

/* The smallest length that any format has; checked before the magic is even looked at. */
#define BATCH_LENGTH_MIN 14
#define BATCH_LEADER_EPOCH_POSITION 12
#define BATCH_MAGIC_POSITION 16
#define BATCH_CRC_POSITION 17
#define BATCH_ATTRIBUTES_POSITION 21
#define BATCH_MAX_TIMESTAMP_POSITION 35
/* A few of these are in a near cache, and it is a multiple of what crc32c takes in one step. */
#define BATCH_CHECK_BYTES ((size_t)12288)

int64_t batch_view_size(const uint8_t *data, size_t size)
{
    if (size < BATCH_PREFIX_BYTES) {
        return 0;
    }
    int32_t length = (int32_t)load_be32(data + 8);
    return length < BATCH_LENGTH_MIN ? ERR_CORRUPT : (int64_t)length + BATCH_PREFIX_BYTES;
}

void batch_header_read(const uint8_t *data, struct batch *batch)
{
    batch->base_offset = (int64_t)load_be64(data);
    batch->size_bytes = load_be32(data + 8) + BATCH_PREFIX_BYTES;
    batch->partition_leader_epoch = (int32_t)load_be32(data + BATCH_LEADER_EPOCH_POSITION);
    batch->crc = load_be32(data + BATCH_CRC_POSITION);
    batch->attributes = load_be16(data + BATCH_ATTRIBUTES_POSITION);
    batch->last_offset_delta = (int32_t)load_be32(data + 23);
    batch->base_timestamp_ms = (int64_t)load_be64(data + 27);
    batch->max_timestamp_ms = (int64_t)load_be64(data + BATCH_MAX_TIMESTAMP_POSITION);
    batch->producer_id = (int64_t)load_be64(data + 43);
    batch->producer_epoch = (int16_t)load_be16(data + 51);
    batch->base_sequence = (int32_t)load_be32(data + 53);
    batch->record_count = (int32_t)load_be32(data + 57);
    batch->records = data + BATCH_HEADER_BYTES;
}

int batch_decode(const uint8_t *data, size_t size, struct batch *batch)
{
    int64_t whole = batch_view_size(data, size);
    if (whole <= 0 || (uint64_t)whole > size) {
        return ERR_CORRUPT;
    }
    if (data[BATCH_MAGIC_POSITION] != BATCH_MAGIC) {
        return ERR_UNSUPPORTED;
    }
    if (whole < BATCH_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    batch_header_read(data, batch);
    return 0;
}

uint8_t batch_magic(const uint8_t *data) { return data[BATCH_MAGIC_POSITION]; }

static uint32_t batch_crc(const uint8_t *data, size_t size_bytes)
{
    return crc32c(0, data + BATCH_ATTRIBUTES_POSITION, size_bytes - BATCH_ATTRIBUTES_POSITION);
}

/* Of the part of the header that the CRC of the batch begins with. */
static uint32_t batch_header_crc(const uint8_t *data)
{
    return crc32c(0, data + BATCH_ATTRIBUTES_POSITION,
                  BATCH_HEADER_BYTES - BATCH_ATTRIBUTES_POSITION);
}

bool batch_crc_holds(const uint8_t *data, const struct batch *batch)
{
    return batch_crc(data, batch->size_bytes) == batch->crc;
}

bool batch_any_crc_holds(const uint8_t *data, size_t size)
{
    struct batch batch;
    if (batch_decode(data, size, &batch) == 0) {
        return batch_crc_holds(data, &batch);
    }
    if (size <= BATCH_MAGIC_POSITION || data[BATCH_MAGIC_POSITION] > 1) {
        return false;
    }
    struct reader reader;
    reader_init(&reader, data + BATCH_PREFIX_BYTES, size - BATCH_PREFIX_BYTES);
    uint32_t expected = reader_u32(&reader);
    return crc32(0, reader.cursor, (uInt)reader_left(&reader)) == expected;
}

int32_t batch_sequence_add(int32_t sequence, int32_t delta)
{
    return (int32_t)(((int64_t)sequence + delta) & INT32_MAX);
}

void batch_patch_base_offset(uint8_t *data, int64_t base_offset)
{
    store_be64(data, (uint64_t)base_offset);
}

void batch_patch_leader_epoch(uint8_t *data, int32_t partition_leader_epoch)
{
    store_be32(data + BATCH_LEADER_EPOCH_POSITION, (uint32_t)partition_leader_epoch);
}

void batch_patch_timestamp(uint8_t *data, const struct batch *batch, bool log_append_time,
                           int64_t max_timestamp_ms)
{
    ASSERT(batch->records == data + BATCH_HEADER_BYTES);
    uint16_t attributes = (uint16_t)(batch->attributes & ~BATCH_LOG_APPEND_TIME) |
                          (log_append_time ? BATCH_LOG_APPEND_TIME : 0);
    if (attributes == batch->attributes && max_timestamp_ms == batch->max_timestamp_ms) {
        return;
    }
    uint32_t header_crc = batch_header_crc(data);
    store_be16(data + BATCH_ATTRIBUTES_POSITION, attributes);
    store_be64(data + BATCH_MAX_TIMESTAMP_POSITION, (uint64_t)max_timestamp_ms);
    /* What the header has in the CRC of the batch is exchanged; the records stay unread. */
    header_crc ^= batch_header_crc(data);
    store_be32(data + BATCH_CRC_POSITION,
               batch->crc ^ crc32c_join(header_crc, 0, batch->size_bytes - BATCH_HEADER_BYTES));
}

void batch_seal(uint8_t *data, size_t size, enum batch_codec codec)
{
    ASSERT(size >= BATCH_HEADER_BYTES && size <= INT32_MAX);
    struct batch batch;
    batch_header_read(data, &batch);
    uint16_t attributes = (uint16_t)((batch.attributes & ~BATCH_CODEC_MASK) | codec);
    store_be32(data + 8, (uint32_t)(size - BATCH_PREFIX_BYTES));
    store_be16(data + BATCH_ATTRIBUTES_POSITION, attributes);
    store_be32(data + BATCH_CRC_POSITION, batch_crc(data, size));
}

struct batch batch_header_empty(int64_t base_offset)
{
    return (struct batch){.base_offset = base_offset,
                          .partition_leader_epoch = -1,
                          .base_timestamp_ms = -1,
                          .max_timestamp_ms = -1,
                          .producer_id = -1,
                          .producer_epoch = -1,
                          .base_sequence = -1};
}

void batch_builder_init(struct batch_builder *builder, struct writer *writer,
                        const struct batch *header)
{
    *builder = (struct batch_builder){.writer = writer, .start = writer->size, .header = *header};
    builder->header.record_count = 0;
    builder->header.last_offset_delta = -1;
    (void)writer_reserve(writer, BATCH_HEADER_BYTES);
}

static size_t batch_blob_bytes(struct bytes_view blob)
{
    return blob.data == NULL ? 1 : varlong_bytes((int64_t)blob.size) + blob.size;
}

static uint8_t *batch_store_blob(uint8_t *at, struct bytes_view blob)
{
    if (blob.data == NULL) {
        return leb128_store(at, leb128_zigzag(-1));
    }
    at = leb128_store(at, leb128_zigzag((int64_t)blob.size));
    memcpy(at, blob.data, blob.size);
    return at + blob.size;
}

/* What the length in front of a record counts. */
static size_t batch_record_bytes(const struct record *record, int64_t timestamp_delta,
                                 int32_t offset_delta)
{
    size_t size = 1 + varlong_bytes(timestamp_delta) + varlong_bytes(offset_delta) +
                  batch_blob_bytes(record->key) + batch_blob_bytes(record->value) +
                  varlong_bytes(record->header_count);
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header *header = &record->headers[i];
        size += varlong_bytes((int64_t)header->key.size) + header->key.size;
        size += batch_blob_bytes(header->value);
    }
    return size;
}

void batch_builder_add(struct batch_builder *builder, const struct record *record)
{
    struct batch *header = &builder->header;
    if (header->record_count == 0 && header->base_timestamp_ms < 0) {
        header->base_timestamp_ms = record->timestamp_ms;
    }
    /* Unsigned: timestamps from the wire may be anything. */
    int64_t timestamp_delta =
        (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)header->base_timestamp_ms);
    int32_t offset_delta = (int32_t)(record->offset - header->base_offset);
    ASSERT(offset_delta > header->last_offset_delta);
    header->record_count++;
    header->last_offset_delta = offset_delta;
    if (record->timestamp_ms > header->max_timestamp_ms) {
        header->max_timestamp_ms = record->timestamp_ms;
    }

    size_t size = batch_record_bytes(record, timestamp_delta, offset_delta);
    uint8_t *at = writer_reserve(builder->writer, varlong_bytes((int64_t)size) + size);
    if (at == NULL) {
        return;
    }
    at = leb128_store(at, leb128_zigzag((int64_t)size));
    *at++ = 0; /* attributes */
    at = leb128_store(at, leb128_zigzag(timestamp_delta));
    at = leb128_store(at, leb128_zigzag(offset_delta));
    at = batch_store_blob(at, record->key);
    at = batch_store_blob(at, record->value);
    at = leb128_store(at, leb128_zigzag(record->header_count));
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header *extra = &record->headers[i];
        at = leb128_store(at, leb128_zigzag((int64_t)extra->key.size));
        if (extra->key.size > 0) {
            memcpy(at, extra->key.data, extra->key.size);
            at += extra->key.size;
        }
        at = batch_store_blob(at, extra->value);
    }
}

void batch_builder_check(struct batch_builder *builder)
{
    const struct writer *writer = builder->writer;
    size_t from = builder->start + BATCH_HEADER_BYTES + builder->checked_bytes;
    if (writer->failed || writer->size - from < BATCH_CHECK_BYTES) {
        return;
    }
    size_t size = (writer->size - from) / BATCH_CHECK_BYTES * BATCH_CHECK_BYTES;
    builder->crc = crc32c(builder->crc, writer->data + from, size);
    builder->checked_bytes += size;
}

static uint32_t batch_builder_crc(const struct batch_builder *builder, const uint8_t *data,
                                  size_t size_bytes)
{
    size_t checked = builder->checked_bytes;
    if (checked == 0) {
        return batch_crc(data, size_bytes);
    }
    size_t records_bytes = size_bytes - BATCH_HEADER_BYTES;
    uint32_t records = crc32c(builder->crc, data + BATCH_HEADER_BYTES + checked,
                              records_bytes - checked);
    return crc32c_join(batch_header_crc(data), records, records_bytes);
}

int batch_builder_finish(struct batch_builder *builder)
{
    if (builder->writer->failed) {
        return ERR_NOMEM;
    }
    const struct batch *header = &builder->header;
    uint8_t *data = builder->writer->data + builder->start;
    size_t size_bytes = builder->writer->size - builder->start;
    struct writer fields;
    writer_init_fixed(&fields, data, BATCH_HEADER_BYTES);
    writer_i64(&fields, header->base_offset);
    writer_i32(&fields, (int32_t)(size_bytes - BATCH_PREFIX_BYTES));
    writer_i32(&fields, header->partition_leader_epoch);
    writer_i8(&fields, BATCH_MAGIC);
    writer_u32(&fields, 0);
    writer_u16(&fields, header->attributes);
    writer_i32(&fields, header->last_offset_delta);
    writer_i64(&fields, header->base_timestamp_ms);
    writer_i64(&fields, header->max_timestamp_ms);
    writer_i64(&fields, header->producer_id);
    writer_i16(&fields, header->producer_epoch);
    writer_i32(&fields, header->base_sequence);
    writer_i32(&fields, header->record_count);
    ASSERT(!fields.failed && fields.size == BATCH_HEADER_BYTES);
    store_be32(data + BATCH_CRC_POSITION, batch_builder_crc(builder, data, size_bytes));
    return 0;
}
