/* clean_map.h: for each key of the dirty part of a log, the last offset that has it.
 *
 * A table of fixed size: 16 bytes of the key's hash and 8 of the offset a slot. Keys are known by
 * their hash alone, so it is one under a secret key: two keys that collided would lose a record.
 * Owned by one cleaning. Thread: one at a time.   Bounds: the bytes given.   Errors: ERR_NOMEM. */
#ifndef BNB_LOG_CLEAN_MAP_H
#define BNB_LOG_CLEAN_MAP_H

#include <stdbool.h>

#include "base/view.h"

#define CLEAN_MAP_SLOT_BYTES 24

struct clean_slot;
struct clean_map {
    struct clean_slot *slots;
    size_t slot_count;
    size_t count;
    size_t count_max;
    uint64_t key[2];
    int64_t latest_offset; /* what the table says holds for records up to here */
};
struct clean_map_options {
    size_t bytes_max;
    double load_factor;     /* of the slots of bytes_max, how many may be taken */
    int64_t expected_max;   /* there are no more keys than so many */
    int64_t start_offset;   /* first that the table is about */
    uint64_t key[2];
};
int clean_map_init(struct clean_map *map, const struct clean_map_options *options);
void clean_map_release(struct clean_map *map);
/* Whether there is room for another key; asked before each. */
bool clean_map_has_room(const struct clean_map *map);
/* The greatest offset of a key is what counts. */
void clean_map_put(struct clean_map *map, struct bytes_view key, int64_t offset);
/* -1: the key is not there. */
int64_t clean_map_find(const struct clean_map *map, struct bytes_view key);

#endif
