/* unpack.h: what the codecs share when they unpack: the end of a writer as the place where a piece
 * is put, so that nothing is copied twice. Thread: the writer's owner. */
#ifndef BNB_PROTOCOL_RECORD_UNPACK_H
#define BNB_PROTOCOL_RECORD_UNPACK_H

#include "protocol/record/compress.h"

/* A block of lz4 as clients write it: one that fits goes straight to its place. */
#define UNPACK_PIECE_BYTES ((size_t)65536)

/* What compress.h says of a decompressor, for one codec. */
struct unpack_codec {
    int (*open)(struct decompressor *decompressor);
    int (*next)(struct decompressor *decompressor, struct writer *out);
    void (*close)(struct decompressor *decompressor);
};
extern const struct unpack_codec unpack_gzip;
extern const struct unpack_codec unpack_snappy;
extern const struct unpack_codec unpack_lz4;
extern const struct unpack_codec unpack_zstd;

/* The place of one piece. */
struct unpack_piece {
    uint8_t *place;
    size_t room;
    uint8_t beyond; /* behind the bound: the place of a byte that is too much */
};

/* Takes a place of at least a byte; false: there is no memory for it. */
static inline bool unpack_begin(struct unpack_piece *piece, const struct decompressor *decompressor,
                                struct writer *out)
{
    size_t left = decompressor->bytes_left;
    if (left == 0) {
        piece->place = &piece->beyond;
        piece->room = 1;
        return true;
    }
    piece->room = left < UNPACK_PIECE_BYTES ? left : UNPACK_PIECE_BYTES;
    piece->place = writer_reserve(out, piece->room);
    return piece->place != NULL;
}

/* Keeps the first used bytes of it; false: they are too much. */
static inline bool unpack_end(struct unpack_piece *piece, struct decompressor *decompressor,
                              struct writer *out, size_t used)
{
    if (piece->place == &piece->beyond) {
        return used == 0;
    }
    out->size -= piece->room - used;
    decompressor->bytes_left -= used;
    return true;
}

#endif
