/* pool.h: elements of one size that are used again and again, kept between uses up to a bound.
 *
 * The pool owns what it keeps; what was taken is the caller's until it is given back. Elements keep
 * their content, so that what they own (an arena's first chunk) can be used again as well.
 * Thread: one.   Bounds: kept_max.   Errors: NULL when memory is out. */
#ifndef BNB_BASE_POOL_H
#define BNB_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool {
    size_t element_size;
    size_t kept_max;
    size_t kept_count;
    void **kept; /* kept_max of them; NULL before the first is given back */
};

void pool_init(struct pool *pool, size_t element_size, size_t kept_max);
/* One that was kept, as it was given back, or NULL. */
void *pool_take_kept(struct pool *pool);
/* The same, or a new one of zeros. */
void *pool_take(struct pool *pool);
/* Whether the pool keeps it; if not, it is the caller's still, to be freed with mem_free. */
bool pool_give(struct pool *pool, void *element);
/* Every kept element must have been taken before, so that its owner could clear it. */
void pool_release(struct pool *pool);

#endif
