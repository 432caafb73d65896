/* murmur2.h: the hash of Kafka's default partitioner (seed 0x9747b28c). */
#ifndef BNB_BASE_MURMUR2_H
#define BNB_BASE_MURMUR2_H

#include <stddef.h>
#include <stdint.h>

uint32_t murmur2(const void *data, size_t size);

#endif
