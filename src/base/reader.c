#include "base/reader.h"

struct reader_leb128 reader_leb128_long(const uint8_t *bytes, const uint8_t *end,
                                        unsigned max_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < max_bytes && bytes < end; i++) {
        uint8_t byte = *bytes++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            return (struct reader_leb128){value, bytes};
        }
    }
    return (struct reader_leb128){0, NULL};
}

double reader_f64(struct reader *reader)
{
    uint64_t bits = reader_u64(reader);
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
