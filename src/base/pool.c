#include "base/pool.h"

#include "base/assert.h"
#include "base/mem.h"

void pool_init(struct pool *pool, size_t element_size, size_t kept_max)
{
    *pool = (struct pool){.element_size = element_size, .kept_max = kept_max};
}

void *pool_take_kept(struct pool *pool)
{
    return pool->kept_count == 0 ? NULL : pool->kept[--pool->kept_count];
}

void *pool_take(struct pool *pool)
{
    void *element = pool_take_kept(pool);
    return element != NULL ? element : mem_calloc(1, pool->element_size);
}

bool pool_give(struct pool *pool, void *element)
{
    ASSERT(element != NULL && pool->kept_count <= pool->kept_max);
    if (pool->kept == NULL && pool->kept_max > 0) {
        pool->kept = mem_alloc(pool->kept_max * sizeof *pool->kept);
    }
    if (pool->kept == NULL || pool->kept_count == pool->kept_max) {
        return false;
    }
    pool->kept[pool->kept_count++] = element;
    return true;
}

void pool_release(struct pool *pool)
{
    ASSERT(pool->kept_count == 0);
    mem_free(pool->kept);
    pool->kept = NULL;
}
