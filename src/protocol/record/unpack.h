/* unpack.h: the end of a writer as the place where a codec puts what it unpacks, piece by piece, so
 * that nothing is copied twice. Thread: the writer's owner. */
#ifndef BNB_PROTOCOL_RECORD_UNPACK_H
#define BNB_PROTOCOL_RECORD_UNPACK_H

#include "base/writer.h"

/* A block of lz4 as clients write it: one that fits goes straight to its place. */
#define UNPACK_PIECE_BYTES ((size_t)65536)

struct unpack {
    uint8_t *place;
    size_t room;
    uint8_t beyond; /* behind the writer's bound: the place of a byte that is too much */
};

/* Takes a place of at least a byte; false: the writer has failed. */
static inline bool unpack_begin(struct unpack *unpack, struct writer *out)
{
    size_t left = out->max_bytes - out->size;
    unpack->room = left < UNPACK_PIECE_BYTES ? left : UNPACK_PIECE_BYTES;
    if (left > 0) {
        unpack->place = writer_reserve(out, unpack->room);
        return unpack->place != NULL;
    }
    unpack->place = &unpack->beyond;
    unpack->room = 1;
    return !out->failed;
}

/* Keeps the first used bytes of it. */
static inline void unpack_end(struct unpack *unpack, struct writer *out, size_t used)
{
    if (unpack->place == &unpack->beyond) {
        out->failed |= used > 0;
    } else {
        out->size -= unpack->room - used;
    }
}

#endif
