/* leb128.h: numbers in 7-bit groups, the lowest first (varints of Kafka's records and messages).
 * Signed ones are zigzag: 0, -1, 1, -2 are 0, 1, 2, 3. Thread: any. */
#ifndef BNB_BASE_LEB128_H
#define BNB_BASE_LEB128_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t leb128_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}
/* How many bytes value takes: 1 to 10. */
static inline size_t leb128_bytes(uint64_t value)
{
    if (value < 1u << 14) {
        return value < 1u << 7 ? 1 : 2;
    }
    return ((size_t)(63 - __builtin_clzll(value | 1)) + 7) / 7;
}
/* Gives the place behind it. */
static inline uint8_t *leb128_store(uint8_t *at, uint64_t value)
{
    while (value > 0x7f) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}
/* Of a signed number, as writer_varlong and for small ones writer_varint write it. */
static inline size_t varlong_bytes(int64_t value)
{
    return leb128_bytes(leb128_zigzag(value));
}

#endif
