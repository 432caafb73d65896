#include "log/clean_map.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/siphash.h"

struct clean_slot {
    struct siphash hash;
    int64_t offset_and_one; /* 0: free */
};

int clean_map_init(struct clean_map *map, const struct clean_map_options *options)
{
    STATIC_ASSERT(sizeof(struct clean_slot) == CLEAN_MAP_SLOT_BYTES, "as many as Apache Kafka has");
    ASSERT(options->load_factor > 0 && options->load_factor <= 1 && options->expected_max >= 0);
    ASSERT(options->bytes_max >= 2 * CLEAN_MAP_SLOT_BYTES && options->start_offset >= 0);
    size_t slots_max = options->bytes_max / CLEAN_MAP_SLOT_BYTES;
    size_t slots = slots_max;
    /* Half empty where there is room: a look-up then touches one line of memory, mostly. */
    if ((uint64_t)options->expected_max < slots_max / 2) {
        slots = 2 * (size_t)options->expected_max + 2;
    }
    *map = (struct clean_map){
        .slots = mem_calloc(slots, sizeof *map->slots),
        .slot_count = slots,
        .count_max = (size_t)((double)slots_max * options->load_factor),
        .key = {options->key[0], options->key[1]},
        .latest_offset = options->start_offset - 1,
    };
    /* One slot stays free, so that every search ends. */
    map->count_max = map->count_max < slots ? map->count_max : slots - 1;
    return map->slots == NULL ? ERR_NOMEM : 0;
}

void clean_map_release(struct clean_map *map)
{
    mem_free(map->slots);
    map->slots = NULL;
    map->slot_count = 0;
}

bool clean_map_has_room(const struct clean_map *map) { return map->count < map->count_max; }

/* The slot of a hash, or the free one where it would go. */
static struct clean_slot *map_slot(const struct clean_map *map, struct siphash hash)
{
    size_t i = (size_t)((unsigned __int128)hash.words[0] * map->slot_count >> 64);
    for (;;) {
        struct clean_slot *slot = &map->slots[i];
        if (slot->offset_and_one == 0 || (slot->hash.words[0] == hash.words[0] &&
                                          slot->hash.words[1] == hash.words[1])) {
            return slot;
        }
        i = i + 1 < map->slot_count ? i + 1 : 0;
    }
}

void clean_map_put(struct clean_map *map, struct bytes_view key, int64_t offset)
{
    struct siphash hash = siphash(map->key, key.data, key.size);
    struct clean_slot *slot = map_slot(map, hash);
    ASSERT(offset >= 0);
    if (slot->offset_and_one == 0) {
        ASSERT(map->count < map->count_max);
        map->count++;
        slot->hash = hash;
    }
    if (offset >= slot->offset_and_one) {
        slot->offset_and_one = offset + 1;
    }
}

int64_t clean_map_find(const struct clean_map *map, struct bytes_view key)
{
    return map_slot(map, siphash(map->key, key.data, key.size))->offset_and_one - 1;
}
