/* reader.h: a bounds-checked cursor over big-endian bytes with sticky failure: after the first
 * failure every read yields zero, so that one check of `failed` ends a decode. Thread: one. */
#ifndef BNB_BASE_READER_H
#define BNB_BASE_READER_H

#include "base/view.h"

struct reader {
    const uint8_t *cursor;
    const uint8_t *end;
    bool failed;
};

static inline void reader_init(struct reader *reader, const void *data, size_t size)
{
    reader->cursor = data;
    reader->end = size > 0 ? reader->cursor + size : reader->cursor; /* data may be NULL */
    reader->failed = false;
}
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->cursor);
}
/* The next size bytes (borrowed), or NULL and failed. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size)
{
    if (reader->failed || size > reader_left(reader)) {
        reader->failed = true;
        reader->cursor = reader->end;
        return NULL;
    }
    const uint8_t *taken = reader->cursor;
    reader->cursor = size > 0 ? taken + size : taken;
    return taken;
}
static inline uint64_t reader_big_endian(struct reader *reader, size_t size)
{
    const uint8_t *bytes = reader_take(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes != NULL && i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}
static inline int8_t reader_i8(struct reader *reader)
{
    return (int8_t)reader_big_endian(reader, 1);
}
static inline int16_t reader_i16(struct reader *reader)
{
    return (int16_t)reader_big_endian(reader, 2);
}
static inline uint16_t reader_u16(struct reader *reader)
{
    return (uint16_t)reader_big_endian(reader, 2);
}
static inline int32_t reader_i32(struct reader *reader)
{
    return (int32_t)reader_big_endian(reader, 4);
}
static inline uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)reader_big_endian(reader, 4);
}
static inline int64_t reader_i64(struct reader *reader)
{
    return (int64_t)reader_big_endian(reader, 8);
}
static inline bool reader_bool(struct reader *reader)
{
    return reader_big_endian(reader, 1) != 0;
}
double reader_f64(struct reader *reader);
struct uuid reader_uuid(struct reader *reader);
/* LEB128, at most 5 bytes. */
uint32_t reader_uvarint(struct reader *reader);
/* Zig-zag LEB128: at most 5 and 10 bytes. */
int32_t reader_varint(struct reader *reader);
int64_t reader_varlong(struct reader *reader);

#endif
