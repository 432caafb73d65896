#include "base/reader.h"

uint64_t reader_leb128_long(struct reader *reader, unsigned max_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < max_bytes; i++) {
        uint8_t byte = reader_u8(reader);
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
