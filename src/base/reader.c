#include "base/reader.h"

static uint64_t reader_leb128(struct reader *reader, unsigned max_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < max_bytes; i++) {
        uint8_t byte = (uint8_t)reader_big_endian(reader, 1);
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            return reader->failed ? 0 : value;
        }
    }
    reader->failed = true;
    return 0;
}

double reader_f64(struct reader *reader)
{
    uint64_t bits = reader_big_endian(reader, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct uuid reader_uuid(struct reader *reader)
{
    struct uuid id = {{0}};
    const uint8_t *bytes = reader_take(reader, 16);
    if (bytes != NULL) {
        memcpy(id.bytes, bytes, 16);
    }
    return id;
}

uint32_t reader_uvarint(struct reader *reader)
{
    return (uint32_t)reader_leb128(reader, 5);
}

int32_t reader_varint(struct reader *reader)
{
    uint32_t value = (uint32_t)reader_leb128(reader, 5);
    return (int32_t)(value >> 1 ^ -(value & 1));
}

int64_t reader_varlong(struct reader *reader)
{
    uint64_t value = reader_leb128(reader, 10);
    return (int64_t)(value >> 1 ^ -(value & 1));
}
