/* partitioner.c: by key, or sticky. */
#include "client/partitioner.h"

#include <barnabas/producer.h>

#include "base/assert.h"
#include "base/murmur2.h"

int32_t partitioner_by_key(struct bytes_view key, int32_t partition_count)
{
    ASSERT(partition_count > 0);
    return (int32_t)(murmur2(key.data, key.size) & INT32_MAX) % partition_count;
}

int32_t bnb_partition_for_key(const void *key, size_t key_size, int32_t partition_count)
{
    return partition_count > 0 ? partitioner_by_key((struct bytes_view){key, key_size},
                                                    partition_count)
                               : -1;
}

int32_t partitioner_sticky_next(struct partitioner_sticky *sticky, const int32_t *available,
                                int32_t available_count, uint32_t random)
{
    ASSERT(available_count > 0);
    if (sticky->partition < 0) {
        sticky->partition = available[random % (uint32_t)available_count];
        sticky->produced_bytes = 0;
    }
    return sticky->partition;
}

void partitioner_sticky_update(struct partitioner_sticky *sticky, int64_t bytes,
                               int64_t batch_bytes, bool batch_ended)
{
    sticky->produced_bytes += bytes;
    /* Switching inside a batch would leave two half-filled ones behind, so it waits for the end of
     * one, but not for ever. */
    if ((sticky->produced_bytes >= batch_bytes && batch_ended) ||
        sticky->produced_bytes >= 2 * batch_bytes) {
        sticky->partition = -1;
    }
}
