/* endian.h: big-endian numbers in memory of any alignment. Thread: any. */
#ifndef BNB_BASE_ENDIAN_H
#define BNB_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ENDIAN_SWAP(bits, value) __builtin_bswap##bits(value)
#else
#define ENDIAN_SWAP(bits, value) (value)
#endif

static inline uint16_t load_be16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return ENDIAN_SWAP(16, value);
}
static inline uint32_t load_be32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return ENDIAN_SWAP(32, value);
}
static inline uint64_t load_be64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return ENDIAN_SWAP(64, value);
}
static inline void store_be16(uint8_t *bytes, uint16_t value)
{
    value = ENDIAN_SWAP(16, value);
    memcpy(bytes, &value, sizeof value);
}
static inline void store_be32(uint8_t *bytes, uint32_t value)
{
    value = ENDIAN_SWAP(32, value);
    memcpy(bytes, &value, sizeof value);
}
static inline void store_be64(uint8_t *bytes, uint64_t value)
{
    value = ENDIAN_SWAP(64, value);
    memcpy(bytes, &value, sizeof value);
}

#endif
