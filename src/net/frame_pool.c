#include "net/frame_pool.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/mem.h"

/* Frames differ by less than a record, mostly: rounded up, one fits where another was. */
static size_t frame_bytes(size_t size)
{
    return (size + FRAME_POOL_BYTES_MIN - 1) / FRAME_POOL_BYTES_MIN * FRAME_POOL_BYTES_MIN;
}

static bool is_pooled(size_t size)
{
    return size >= FRAME_POOL_BYTES_MIN && size <= FRAME_POOL_BYTES_MAX;
}

void frame_pool_init(struct frame_pool *pool)
{
    *pool = (struct frame_pool){.count = 0};
    pthread_mutex_init(&pool->lock, NULL);
}

void frame_pool_release(struct frame_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        mem_free(pool->kept[i].data);
    }
    pool->count = 0;
    pthread_mutex_destroy(&pool->lock);
}

uint8_t *frame_pool_take(struct frame_pool *pool, size_t size)
{
    if (!is_pooled(size)) {
        return mem_alloc(size);
    }
    uint8_t *data = NULL;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count && data == NULL; i++) {
        if (pool->kept[i].bytes >= size) {
            data = pool->kept[i].data;
            pool->kept[i] = pool->kept[--pool->count];
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return data != NULL ? data : mem_alloc(frame_bytes(size));
}

void frame_pool_give(struct frame_pool *pool, uint8_t *data, size_t size)
{
    if (data != NULL && is_pooled(size)) {
        pthread_mutex_lock(&pool->lock);
        ASSERT(pool->count <= FRAME_POOL_FRAMES);
        if (pool->count < FRAME_POOL_FRAMES) {
            pool->kept[pool->count].data = data;
            pool->kept[pool->count].bytes = frame_bytes(size);
            pool->count++;
            data = NULL;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    mem_free(data);
}
