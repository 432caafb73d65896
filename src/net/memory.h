/* memory.h: the memory that the connections of all loops may hold together.
 *
 * A frame takes its first NET_FIRST_BYTES from `first`, and what it has beyond them, all at once,
 * from `rest`, before it is received: so whoever has begun can end. Decoded requests, fetch waits
 * and responses take from `work`; while that is half used, no further frame is begun. A connection
 * that gets nothing is not read until there is some.
 * Invariant: all that clients can make a broker hold is total_bytes of a plan at most.
 * Thread: any; the counts are atomic, the rest is constant once planned. */
#ifndef BNB_NET_MEMORY_H
#define BNB_NET_MEMORY_H

#include <stdint.h>

#include "base/budget.h"

struct net_memory {
    struct budget first;
    struct budget rest;
    struct budget work;
    struct budget sessions;     /* of fetches */
    struct budget begun;        /* first bytes of frames that wait for their rest */
    size_t scratch_bytes;       /* of a shard: records unpacked, and once more a codec's window */
    size_t cleaner_bytes;       /* tables of keys of all cleanings */
    int32_t request_bytes_max;  /* socket.request.max.bytes, or less: what there is memory for */
    size_t total_bytes;
};

struct net_memory_options {
    int64_t available_bytes; /* io_memory_max */
    int32_t request_bytes_max;
    int64_t queued_bytes; /* queued.max.request.bytes; not above 0: by the memory there is */
    int32_t shard_count;
};
/* Pure. Shares the memory out. */
void net_memory_plan(const struct net_memory_options *options, struct net_memory *memory);

/* Memory for the beginning of a frame, and for what a long one has beyond it. */
bool net_memory_begin(struct net_memory *memory, size_t frame_size);
bool net_memory_go_on(struct net_memory *memory, size_t frame_size);
/* Of a frame that has begun, with its rest or without. */
void net_memory_give_frame(struct net_memory *memory, size_t frame_size, bool with_rest);
/* Whether enough is free again for now. */
bool net_memory_is_ample(const struct net_memory *memory);

#endif
