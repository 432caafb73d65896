/* siphash.h: SipHash-2-4 with 128 bits: a hash under a secret key that nobody without the key can
 * make collide. Thread: any. */
#ifndef BNB_BASE_SIPHASH_H
#define BNB_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
    uint64_t words[2];
};
struct siphash siphash(const uint64_t key[2], const void *data, size_t size);

#endif
