#include "io/system.h"

uint64_t io_random_seed(void)
{
    uint64_t seed;
    io_random_bytes(&seed, sizeof seed);
    return seed;
}

struct uuid io_random_uuid(void)
{
    uint8_t bytes[16];
    io_random_bytes(bytes, sizeof bytes);
    return uuid_from_random(bytes);
}
