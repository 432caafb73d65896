/* budget.h: bytes that many may hold together, counted by who takes and gives them back.
 *
 * Arenas and writers that are given one count what they hold in it by themselves.
 * Thread: any.   Bounds: max_bytes.   Errors: a take that would pass it fails; the caller waits, or
 * ends what it wanted the memory for. */
#ifndef BNB_BASE_BUDGET_H
#define BNB_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct budget {
    atomic_size_t used_bytes;
    size_t max_bytes;
};

static inline size_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&((struct budget *)budget)->used_bytes, memory_order_relaxed);
}
/* NULL: there is no bound. */
static inline bool budget_take(struct budget *budget, size_t bytes)
{
    if (budget == NULL) {
        return true;
    }
    size_t used = atomic_fetch_add(&budget->used_bytes, bytes);
    if (bytes <= budget->max_bytes && used <= budget->max_bytes - bytes) {
        return true;
    }
    atomic_fetch_sub(&budget->used_bytes, bytes);
    return false;
}
static inline void budget_give(struct budget *budget, size_t bytes)
{
    if (budget != NULL) {
        size_t used = atomic_fetch_sub(&budget->used_bytes, bytes);
        ASSERT(used >= bytes);
    }
}

#endif
