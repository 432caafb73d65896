/* reader.h: a bounds-checked cursor over big-endian bytes with sticky failure: after the first
 * failure every read yields zero, so that one check of `failed` ends a decode. Thread: one. */
#ifndef BNB_BASE_READER_H
#define BNB_BASE_READER_H

#include "base/endian.h"
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
static inline uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *bytes = reader_take(reader, 1);
    return bytes != NULL ? *bytes : 0;
}
static inline uint16_t reader_u16(struct reader *reader)
{
    const uint8_t *bytes = reader_take(reader, 2);
    return bytes != NULL ? load_be16(bytes) : 0;
}
static inline uint32_t reader_u32(struct reader *reader)
{
    const uint8_t *bytes = reader_take(reader, 4);
    return bytes != NULL ? load_be32(bytes) : 0;
}
static inline uint64_t reader_u64(struct reader *reader)
{
    const uint8_t *bytes = reader_take(reader, 8);
    return bytes != NULL ? load_be64(bytes) : 0;
}
static inline int8_t reader_i8(struct reader *reader) { return (int8_t)reader_u8(reader); }
static inline int16_t reader_i16(struct reader *reader) { return (int16_t)reader_u16(reader); }
static inline int32_t reader_i32(struct reader *reader) { return (int32_t)reader_u32(reader); }
static inline int64_t reader_i64(struct reader *reader) { return (int64_t)reader_u64(reader); }
static inline bool reader_bool(struct reader *reader) { return reader_u8(reader) != 0; }
double reader_f64(struct reader *reader);
struct uuid reader_uuid(struct reader *reader);
/* LEB128 of any length up to max_bytes, between bytes and end; next is NULL when there is none. It
 * takes no reader, so that one that walks over many stays in registers. */
struct reader_leb128 {
    uint64_t value;
    const uint8_t *next;
};
struct reader_leb128 reader_leb128_long(const uint8_t *bytes, const uint8_t *end,
                                        unsigned max_bytes);
static inline uint64_t reader_leb128(struct reader *reader, unsigned max_bytes)
{
    /* Most have one byte, and most others two. */
    const uint8_t *bytes = reader->cursor;
    if (bytes < reader->end && (bytes[0] & 0x80) == 0) {
        reader->cursor = bytes + 1;
        return bytes[0];
    }
    if (reader->end - bytes >= 2 && (bytes[1] & 0x80) == 0) {
        reader->cursor = bytes + 2;
        return (bytes[0] & 0x7fu) | (uint64_t)bytes[1] << 7;
    }
    struct reader_leb128 taken = reader_leb128_long(bytes, reader->end, max_bytes);
    reader->failed |= taken.next == NULL;
    reader->cursor = taken.next != NULL ? taken.next : reader->end;
    return taken.value;
}
/* At most 5 bytes. */
static inline uint32_t reader_uvarint(struct reader *reader)
{
    return (uint32_t)reader_leb128(reader, 5);
}
/* Zig-zag: at most 5 and 10 bytes. */
static inline int32_t reader_varint(struct reader *reader)
{
    uint32_t value = (uint32_t)reader_leb128(reader, 5);
    return (int32_t)(value >> 1 ^ -(value & 1));
}
static inline int64_t reader_varlong(struct reader *reader)
{
    uint64_t value = reader_leb128(reader, 10);
    return (int64_t)(value >> 1 ^ -(value & 1));
}

#endif
