#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected Castagnoli */

struct crc32c_tables {
    uint32_t byte[8][256];  /* slicing by eight */
    uint32_t shift[4][256]; /* appends CRC32C_STREAM_BYTES zero bytes to a crc */
};

#define CRC32C_STREAM_BYTES 1024

typedef uint32_t crc32c_function(uint32_t crc, const uint8_t *data, size_t size);

/* Written once, then read only. */
static struct crc32c_tables crc32c_tables;
static crc32c_function *crc32c_chosen;
static pthread_once_t crc32c_once = PTHREAD_ONCE_INIT;

static uint32_t crc32c_slices(uint32_t crc, const uint8_t *data, size_t size)
{
    for (; size >= 8; size -= 8, data += 8) {
        uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 |
                              (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24);
        crc = crc32c_tables.byte[7][low & 255] ^ crc32c_tables.byte[6][low >> 8 & 255] ^
              crc32c_tables.byte[5][low >> 16 & 255] ^ crc32c_tables.byte[4][low >> 24] ^
              crc32c_tables.byte[3][data[4]] ^ crc32c_tables.byte[2][data[5]] ^
              crc32c_tables.byte[1][data[6]] ^ crc32c_tables.byte[0][data[7]];
    }
    for (; size > 0; size--, data++) {
        crc = crc >> 8 ^ crc32c_tables.byte[0][(crc ^ *data) & 255];
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

static uint32_t crc32c_shift(uint32_t crc)
{
    return crc32c_tables.shift[0][crc & 255] ^ crc32c_tables.shift[1][crc >> 8 & 255] ^
           crc32c_tables.shift[2][crc >> 16 & 255] ^ crc32c_tables.shift[3][crc >> 24];
}

static uint64_t crc32c_word(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

/* The crc32 instruction has a latency of three and a throughput of one: three independent
 * streams keep it busy; their results are joined by shifting over the bytes in between. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *data,
                                                               size_t size)
{
    while (size >= 3 * CRC32C_STREAM_BYTES) {
        uint64_t first = crc, second = 0, third = 0;
        for (size_t i = 0; i < CRC32C_STREAM_BYTES; i += 8) {
            first = _mm_crc32_u64(first, crc32c_word(data + i));
            second = _mm_crc32_u64(second, crc32c_word(data + CRC32C_STREAM_BYTES + i));
            third = _mm_crc32_u64(third, crc32c_word(data + 2 * CRC32C_STREAM_BYTES + i));
        }
        crc = crc32c_shift((uint32_t)first) ^ (uint32_t)second;
        crc = crc32c_shift(crc) ^ (uint32_t)third;
        data += 3 * CRC32C_STREAM_BYTES;
        size -= 3 * CRC32C_STREAM_BYTES;
    }
    uint64_t wide = crc;
    for (; size >= 8; size -= 8, data += 8) {
        wide = _mm_crc32_u64(wide, crc32c_word(data));
    }
    crc = (uint32_t)wide;
    for (; size > 0; size--, data++) {
        crc = _mm_crc32_u8(crc, *data);
    }
    return crc;
}
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define CRC32C_HWCAP_CRC32 (1 << 7)

__attribute__((target("+crc"))) static uint32_t crc32c_armv8(uint32_t crc, const uint8_t *data,
                                                             size_t size)
{
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = __crc32cd(crc, word);
    }
    for (; size > 0; size--, data++) {
        crc = __crc32cb(crc, *data);
    }
    return crc;
}
#endif

static void crc32c_fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
        }
        crc32c_tables.byte[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t crc = crc32c_tables.byte[slice - 1][i];
            crc32c_tables.byte[slice][i] = crc >> 8 ^ crc32c_tables.byte[0][crc & 255];
        }
    }
    static const uint8_t zeros[CRC32C_STREAM_BYTES];
    for (uint32_t i = 0; i < 256; i++) {
        for (int place = 0; place < 4; place++) {
            crc32c_tables.shift[place][i] = crc32c_slices(i << (8 * place), zeros, sizeof zeros);
        }
    }
}

static void crc32c_choose(void)
{
    crc32c_fill_tables();
    crc32c_chosen = crc32c_slices;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        crc32c_chosen = crc32c_sse42;
    }
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & CRC32C_HWCAP_CRC32) {
        crc32c_chosen = crc32c_armv8;
    }
#endif
}

static crc32c_function *crc32c_get(void)
{
    pthread_once(&crc32c_once, crc32c_choose);
    return crc32c_chosen;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return ~crc32c_get()(~crc, data, size);
}

/* Of polynomials over GF(2), reflected as the crc is, modulo its polynomial. */
static uint32_t crc32c_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        product ^= a & bit ? b : 0;
        b = b >> 1 ^ (b & 1 ? CRC32C_POLYNOMIAL : 0);
    }
    return product;
}

uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_bytes)
{
    uint32_t power = 1u << 23; /* x^8: a byte more behind it; then of 2, 4, 8 bytes */
    for (; second_bytes > 0; second_bytes >>= 1) {
        if ((second_bytes & 1) != 0) {
            first = crc32c_multiply(power, first);
        }
        power = crc32c_multiply(power, power);
    }
    return first ^ second;
}

uint32_t crc32c_table(uint32_t crc, const void *data, size_t size)
{
    crc32c_get();
    return ~crc32c_slices(~crc, data, size);
}

const char *crc32c_name(void)
{
    crc32c_function *chosen = crc32c_get();
    if (chosen == crc32c_slices) {
        return "table";
    }
#if defined(__aarch64__)
    return "armv8";
#else
    return "sse4.2";
#endif
}
