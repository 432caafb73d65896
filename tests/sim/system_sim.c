/* system_sim.c: clocks, randomness and the machine of io/system.h, from the seed. */
#include <string.h>

#include "base/limits.h"
#include "io/system.h"
#include "sim.h"

/* 2025-10-09; the wall clock shows virtual time since then. */
#define SYSTEM_EPOCH_MS INT64_C(1760000000000)

int64_t io_monotonic_ms(void) { return sim_world->now_ms; }
int64_t io_monotonic_us(void) { return sim_world->now_ms * 1000; }
int64_t io_wall_ms(void)
{
    return SYSTEM_EPOCH_MS + sim_world->now_ms + sim_world->wall_offset_ms;
}


void io_random_bytes(void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)data)[i] = (uint8_t)(sim_random(sim_world) >> 32);
    }
}

int32_t io_core_count(void) { return 1; }
/* So few that partitions have to take turns with their files. */
int64_t io_descriptors_max(void) { return DESCRIPTORS_SPARE + 64; }

int64_t io_memory_max(const char **what)
{
    *what = "the memory of the simulation";
    return INT64_C(512) << 20;
}

int io_disk_space(const char *path, int64_t *total_bytes, int64_t *usable_bytes)
{
    (void)path;
    *total_bytes = *usable_bytes = INT64_C(1) << 40;
    return 0;
}
