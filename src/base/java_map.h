/* java_map.h: which of several texts a Java HashMap meets first. Kafka walks such maps, and the
 * first thing that it objects to is what it names.
 * Thread: any.   Errors: none. */
#ifndef BNB_BASE_JAVA_MAP_H
#define BNB_BASE_JAVA_MAP_H

#include "base/view.h"

/* The place of a key, ASCII, in a map of so many keys: lower ones come first, and of equal ones
 * the key that was put in first. */
static inline uint32_t java_map_place(struct string_view key, size_t count)
{
    size_t places = 16;
    uint32_t hash = 0;
    while (count > places / 4 * 3) {
        places *= 2;
    }
    for (size_t i = 0; i < key.size; i++) {
        hash = 31 * hash + (uint8_t)key.data[i];
    }
    return (hash ^ hash >> 16) & (uint32_t)(places - 1);
}

#endif
