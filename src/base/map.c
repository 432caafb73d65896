#include "base/map.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

/* Groups have many tables of one element. */
#define MAP_CAPACITY_MIN 2

void map_release(struct map *map)
{
    mem_free(map->slots);
    map->slots = NULL;
    map->capacity = map->count = 0;
}

/* Both halves of the product: every bit of a reaches every bit of the result, where the lower half
 * alone would leave those below it as they are. */
static uint64_t map_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t map_hash_bytes(const void *data, size_t size, uint64_t seed)
{
    const uint8_t *bytes = data;
    uint64_t hash = map_mix(seed ^ size, 0x9e3779b97f4a7c15u);
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        hash = map_mix(hash ^ word, 0xff51afd7ed558ccdu);
    }
    if (i < size) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i);
        hash = map_mix(hash ^ word, 0xff51afd7ed558ccdu);
    }
    return map_mix(hash, 0xc4ceb9fe1a85ec53u);
}

static size_t map_home(const struct map *map, const void *key)
{
    return map->hash_key(key, map->seed) & (map->capacity - 1);
}

/* The slot that holds key, or the empty one where it would go. */
static size_t map_slot(const struct map *map, const void *key)
{
    size_t slot = map_home(map, key);
    while (map->slots[slot] != NULL && !map->equal(map->slots[slot], key)) {
        slot = (slot + 1) & (map->capacity - 1);
    }
    return slot;
}

void *map_find(const struct map *map, const void *key)
{
    return map->count == 0 ? NULL : map->slots[map_slot(map, key)];
}

static int map_grow(struct map *map)
{
    struct map bigger = *map;
    bigger.capacity = map->capacity == 0 ? MAP_CAPACITY_MIN : map->capacity * 2;
    bigger.slots = mem_calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i] != NULL) {
            bigger.slots[map_slot(&bigger, map->key_of(map->slots[i]))] = map->slots[i];
        }
    }
    mem_free(map->slots);
    *map = bigger;
    return 0;
}

int map_insert(struct map *map, void *element)
{
    ASSERT(element != NULL);
    if ((map->count + 1) * 2 > map->capacity) {
        int error = map_grow(map);
        if (error != 0) {
            return error;
        }
    }
    size_t slot = map_slot(map, map->key_of(element));
    ASSERT(map->slots[slot] == NULL);
    map->slots[slot] = element;
    map->count++;
    return 0;
}

void *map_take(struct map *map, const void *key)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t hole = map_slot(map, key);
    void *taken = map->slots[hole];
    if (taken == NULL) {
        return NULL;
    }
    map->slots[hole] = NULL;
    map->count--;
    /* What probed past the hole moves back into it. */
    for (size_t i = (hole + 1) & (map->capacity - 1); map->slots[i] != NULL;
         i = (i + 1) & (map->capacity - 1)) {
        size_t home = map_home(map, map->key_of(map->slots[i]));
        size_t from_home = (i - home) & (map->capacity - 1);
        size_t from_hole = (i - hole) & (map->capacity - 1);
        if (from_home >= from_hole) {
            map->slots[hole] = map->slots[i];
            map->slots[i] = NULL;
            hole = i;
        }
    }
    return taken;
}

void *map_next(const struct map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        void *element = map->slots[(*cursor)++];
        if (element != NULL) {
            return element;
        }
    }
    return NULL;
}
