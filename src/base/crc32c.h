/* crc32c.h: CRC-32C (Castagnoli). The implementation is chosen once, by what the processor has.
 * crc32c(0, ...) starts; crc32c(previous, ...) continues. Thread: any. */
#ifndef BNB_BASE_CRC32C_H
#define BNB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The crc of two pieces, one behind the other, from those of each: a microsecond, however long. */
uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_bytes);
/* The portable version, for tests and as reference. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t size);
/* "sse4.2", "armv8" or "table". */
const char *crc32c_name(void);

#endif
