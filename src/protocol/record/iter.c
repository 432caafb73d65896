#include "protocol/record/iter.h"

#include "base/err.h"

void record_iter_init(struct record_iter *iter, const struct batch *batch,
                      struct bytes_view records)
{
    *iter = (struct record_iter){.batch = batch};
    reader_init(&iter->reader, records.data, records.size);
    reader_init(&iter->headers, records.data, 0);
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

int record_iter_next_header(struct record_iter *iter, struct record_header *header)
{
    return reader_left(&iter->headers) > 0 && record_iter_header(&iter->headers, header) ? 1 : 0;
}
