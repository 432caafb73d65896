/* arena.h: memory that is freed all at once: a request, a decode, a start-up phase.
 *
 * Owner frees with release; reset keeps one chunk. Memory is zeroed and 16-byte aligned.
 * Bounds: max_bytes in all, and the budget; beyond them arena_alloc returns NULL and failed stays
 * set.
 * Thread: one. */
#ifndef BNB_BASE_ARENA_H
#define BNB_BASE_ARENA_H

#include "base/budget.h"
#include "base/view.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t used_bytes;
    size_t max_bytes;
    bool failed;
    struct budget *budget; /* that its chunks are counted in; NULL: none */
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_release(struct arena *arena);
void arena_reset(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size);
/* As arena_alloc(count * element_size), overflow-checked. */
void *arena_array(struct arena *arena, size_t count, size_t element_size);
/* A NUL-terminated copy; {NULL, 0} stays null, and so does a failed allocation. */
struct string_view arena_string(struct arena *arena, struct string_view text);
struct bytes_view arena_bytes(struct arena *arena, struct bytes_view bytes);
struct string_view arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
