/* map.h: a hash table of pointers to elements that hold their own key.
 *
 * The owner of the table owns the elements. The hash is seeded by the caller, so that input from
 * outside cannot pile up in one place. Open addressing, at most half full. Iteration is in no order
 * that may reach any output.
 * Thread: one.   Errors: ERR_NOMEM on insertion. */
#ifndef BNB_BASE_MAP_H
#define BNB_BASE_MAP_H

#include "base/view.h"

struct map {
    void **slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
    /* Hash of the key at key; of the key in an element; whether an element has the key. */
    uint64_t (*hash_key)(const void *key, uint64_t seed);
    const void *(*key_of)(const void *element);
    bool (*equal)(const void *element, const void *key);
};

void map_release(struct map *map);
void *map_find(const struct map *map, const void *key);
/* The key must not be there yet. */
int map_insert(struct map *map, void *element);
/* Takes the element with this key out and returns it, or NULL. */
void *map_take(struct map *map, const void *key);
/* The next element from *cursor on (0 at first), or NULL. Not across changes. */
void *map_next(const struct map *map, size_t *cursor);
uint64_t map_hash_bytes(const void *data, size_t size, uint64_t seed);

#endif
