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
    struct uuid id;
    do {
        io_random_bytes(bytes, sizeof bytes);
        id = uuid_from_random(bytes);
    } while ((id.bytes[0] & 0xfc) == 0xf8);
    return id;
}
