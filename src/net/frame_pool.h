/* frame_pool.h: memory of large frames, kept for the next ones.
 *
 * A megabyte that the allocator has given back to the system costs its page faults again, a quarter
 * of what a consumer of large fetches takes. Holds at most FRAME_POOL_FRAMES blocks, of
 * FRAME_POOL_BYTES_MIN to FRAME_POOL_BYTES_MAX each.
 * Thread: any.   Who frees: whoever took a block, by frame_pool_give or by mem_free. */
#ifndef BNB_NET_FRAME_POOL_H
#define BNB_NET_FRAME_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct frame_pool {
    pthread_mutex_t lock;
    size_t count;
    struct {
        uint8_t *data;
        size_t bytes;
    } kept[FRAME_POOL_FRAMES];
};

void frame_pool_init(struct frame_pool *pool);
void frame_pool_release(struct frame_pool *pool);
/* At least size bytes, of unknown content; NULL: out of memory. */
uint8_t *frame_pool_take(struct frame_pool *pool, size_t size);
/* Takes back what was taken for size bytes; NULL is none. */
void frame_pool_give(struct frame_pool *pool, uint8_t *data, size_t size);

#endif
