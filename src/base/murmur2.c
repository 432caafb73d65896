#include "base/murmur2.h"

uint32_t murmur2(const void *data, size_t size)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *bytes = data;
    uint32_t hash = 0x9747b28c ^ (uint32_t)size;
    size_t whole = size & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k = bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16 |
                     (uint32_t)bytes[i + 3] << 24;
        k *= m;
        k ^= k >> 24;
        hash = hash * m ^ k * m;
    }
    for (size_t i = size; i > whole; i--) {
        hash ^= (uint32_t)bytes[i - 1] << (8 * (i - 1 - whole));
        if (i - 1 == whole) {
            hash *= m;
        }
    }
    hash ^= hash >> 13;
    hash *= m;
    return hash ^ hash >> 15;
}
