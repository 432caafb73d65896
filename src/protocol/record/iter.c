#include "protocol/record/iter.h"

#include "base/err.h"

#define VARINT_BYTES_MAX 5

void record_iter_init(struct record_iter *iter, const struct batch *batch,
                      struct bytes_view records)
{
    *iter = (struct record_iter){.batch = batch};
    reader_init(&iter->reader, records.data, records.size);
    reader_init(&iter->headers, records.data, 0);
}

void record_iter_continue(struct record_iter *iter, struct bytes_view records)
{
    bool failed = iter->reader.failed;
    reader_init(&iter->reader, records.data, records.size);
    iter->reader.failed = failed;
}

bool record_iter_ready(const struct record_iter *iter)
{
    struct reader reader = iter->reader;
    if (iter->next_index >= iter->batch->record_count) {
        return reader_left(&reader) > 0;
    }
    size_t left = reader_left(&reader);
    int32_t length = reader_varint(&reader);
    if (reader.failed) {
        return left >= VARINT_BYTES_MAX; /* too long; a shorter one is cut */
    }
    return length < 0 || (size_t)length <= reader_left(&reader);
}

/* Any negative length is null. */
static struct bytes_view record_iter_blob(struct reader *reader)
{
    int32_t length = reader_varint(reader);
    if (length < 0) {
        return (struct bytes_view){NULL, 0};
    }
    return (struct bytes_view){reader_take(reader, (size_t)length), (size_t)length};
}

/* Unlike a value, a header key may not be null. */
static bool record_iter_header(struct reader *reader, struct record_header *header)
{
    int32_t length = reader_varint(reader);
    if (length < 0) {
        reader->failed = true;
        return false;
    }
    const uint8_t *key = reader_take(reader, (size_t)length);
    header->key = (struct string_view){(const char *)key, (size_t)length};
    header->value = record_iter_blob(reader);
    return !reader->failed;
}

static int record_iter_body(struct record_iter *iter, struct reader *body, struct record *record)
{
    const struct batch *batch = iter->batch;
    (void)reader_i8(body); /* attributes: always 0, ignored by every reader */
    int64_t timestamp_delta = reader_varlong(body);
    /* Unsigned: hostile deltas may wrap, as they do in Kafka. */
    record->offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)reader_varint(body));
    record->timestamp_ms = batch->attributes & BATCH_LOG_APPEND_TIME
                               ? batch->max_timestamp_ms
                               : (int64_t)((uint64_t)batch->base_timestamp_ms +
                                           (uint64_t)timestamp_delta);
    record->key = record_iter_blob(body);
    record->value = record_iter_blob(body);
    record->headers = NULL;
    record->header_count = reader_varint(body);
    if (body->failed || record->header_count < 0 ||
        (size_t)record->header_count > reader_left(body)) {
        return ERR_CORRUPT;
    }
    iter->headers = *body;
    struct record_header header;
    for (int32_t i = 0; i < record->header_count; i++) {
        if (!record_iter_header(body, &header)) {
            return ERR_CORRUPT;
        }
    }
    return reader_left(body) == 0 ? 1 : ERR_CORRUPT;
}

int record_iter_next(struct record_iter *iter, struct record *record)
{
    if (iter->reader.failed || iter->batch->record_count < 0) {
        return ERR_CORRUPT;
    }
    if (iter->next_index >= iter->batch->record_count) {
        return reader_left(&iter->reader) == 0 ? 0 : ERR_CORRUPT;
    }
    int32_t length = reader_varint(&iter->reader);
    const uint8_t *bytes = length < 0 ? NULL : reader_take(&iter->reader, (size_t)length);
    if (bytes == NULL) {
        iter->reader.failed = true;
        return ERR_CORRUPT;
    }
    struct reader body;
    reader_init(&body, bytes, (size_t)length);
    int result = record_iter_body(iter, &body, record);
    iter->reader.failed |= result < 0;
    iter->next_index++;
    return result;
}

#define VARINT_SHORT_BYTES 3
/* What a plain record has in front of its key at most: the attributes and four varints. */
#define RECORD_PLAIN_BYTES (4 * VARINT_SHORT_BYTES + 1)

/* An unsigned varint of at most three bytes, which can be read: what is behind it, or NULL. */
static inline const uint8_t *varint_short(const uint8_t *at, uint32_t *value)
{
    *value = at[0];
    if (at[0] < 0x80) {
        return at + 1;
    }
    *value += ((uint32_t)at[1] << 7) - 0x80;
    if (at[1] < 0x80) {
        return at + 2;
    }
    *value += ((uint32_t)at[2] << 14) - 0x4000;
    return at[2] < 0x80 ? at + 3 : NULL;
}

/* What the walk needs of a plain record, as it is in the batch. */
struct record_plain {
    uint32_t timestamp;
    uint32_t offset;
    uint32_t key;
};

/* What is behind the plain record at at, or NULL: it is another one, or damaged. */
static inline const uint8_t *record_plain_read(const uint8_t *at, const uint8_t *end,
                                               struct record_plain *record)
{
    uint32_t length, value;
    if (end - at < RECORD_PLAIN_BYTES || (at = varint_short(at, &length)) == NULL ||
        (length & 1) != 0 || (size_t)(end - at) < length >> 1) {
        return NULL;
    }
    const uint8_t *record_end = at + (length >> 1);
    at = varint_short(at + 1, &record->timestamp);
    if (at == NULL || (at = varint_short(at, &record->offset)) == NULL ||
        (at = varint_short(at, &record->key)) == NULL) {
        return NULL;
    }
    size_t key_size = record->key & 1 ? 0 : record->key >> 1;
    if ((size_t)(end - at) < key_size + VARINT_SHORT_BYTES ||
        (at = varint_short(at + key_size, &value)) == NULL) {
        return NULL;
    }
    ptrdiff_t value_size = value & 1 ? 0 : value >> 1;
    /* The count of headers is what is left: a zero. */
    return record_end - at == value_size + 1 && at[value_size] == 0 ? record_end : NULL;
}

void record_iter_run(struct record_iter *iter, struct record_run *run)
{
    const struct batch *batch = iter->batch;
    const uint8_t *at = iter->reader.cursor;
    int32_t first = iter->next_index;
    int32_t index = first;
    int32_t least = INT32_MAX;
    int32_t most = INT32_MIN;
    uint32_t keyless = 0;  /* bit 0 of a key's length: it is negative */
    uint32_t astray = 0; /* how offsets differ from those in sequence */
    struct record_plain record;
    const uint8_t *next;
    while (index < batch->record_count &&
           (next = record_plain_read(at, iter->reader.end, &record)) != NULL) {
        int32_t timestamp = (int32_t)(record.timestamp >> 1 ^ -(record.timestamp & 1));
        least = timestamp < least ? timestamp : least;
        most = timestamp > most ? timestamp : most;
        keyless |= record.key;
        astray |= record.offset ^ (uint32_t)index << 1;
        at = next;
        index++;
    }
    int64_t base_ms = batch->base_timestamp_ms;
    bool wraps = base_ms > INT64_MAX / 2 || base_ms < INT64_MIN / 2; /* it might */
    if (index == first || wraps || iter->reader.failed ||
        (batch->attributes & BATCH_LOG_APPEND_TIME) != 0) {
        run->count = 0;
        return;
    }
    *run = (struct record_run){.count = index - first,
                               .earliest_ms = base_ms + least,
                               .latest_ms = base_ms + most,
                               .sequential = astray == 0,
                               .keyed = (keyless & 1) == 0};
    iter->reader.cursor = at;
    iter->next_index = index;
    reader_init(&iter->headers, at, 0);
}

int record_iter_next_header(struct record_iter *iter, struct record_header *header)
{
    return reader_left(&iter->headers) > 0 && record_iter_header(&iter->headers, header) ? 1 : 0;
}
