/* partitioner.h: where a record goes when its sender does not say: by the hash of the key, or, with
 * no key, to one partition until a batch's worth of bytes has gone there (as Kafka's producer).
 * Thread: the caller's lock guards the state. */
#ifndef BNB_CLIENT_PARTITIONER_H
#define BNB_CLIENT_PARTITIONER_H

#include "base/view.h"

struct partitioner_sticky {
    int32_t partition; /* -1: none chosen yet */
    int64_t produced_bytes;
};

/* Kafka's toPositive(murmur2(key)) % partition_count; partition_count > 0. */
int32_t partitioner_by_key(struct bytes_view key, int32_t partition_count);
/* The partition for the next keyless record. available: the partitions that have a leader, or all
 * when none has; random: fresh for every call. */
int32_t partitioner_sticky_next(struct partitioner_sticky *sticky, const int32_t *available,
                                int32_t available_count, uint32_t random);
/* A record of bytes went to the sticky partition; batch_ended: a new batch was begun for it. Moves
 * on when enough has gone there. */
void partitioner_sticky_update(struct partitioner_sticky *sticky, int64_t bytes,
                               int64_t batch_bytes, bool batch_ended);

#endif
