#include <zstd.h>

#include "base/err.h"
#include "protocol/record/compress.h"
#include "protocol/record/unpack.h"

int compress_zstd(int32_t level, struct bytes_view plain, struct writer *out)
{
    size_t bound = ZSTD_compressBound(plain.size);
    size_t start = out->size;
    uint8_t *place = writer_reserve(out, bound);
    if (place == NULL) {
        return ERR_NOMEM;
    }
    int wanted = level == COMPRESS_LEVEL_DEFAULT ? ZSTD_CLEVEL_DEFAULT : level;
    size_t size = ZSTD_compress(place, bound, plain.data, plain.size, wanted);
    if (ZSTD_isError(size)) {
        return ERR_NOMEM;
    }
    out->size = start + size;
    return 0;
}

static int unpack_zstd_open(struct decompressor *decompressor)
{
    decompressor->context = ZSTD_createDStream();
    return decompressor->context != NULL ? 0 : ERR_NOMEM;
}

/* Frames may follow each other. */
static int unpack_zstd_next(struct decompressor *decompressor, struct writer *out)
{
    struct unpack_piece piece;
    if (!unpack_begin(&piece, decompressor, out)) {
        return ERR_RANGE;
    }
    struct bytes_view *packed = &decompressor->packed;
    ZSTD_inBuffer input = {packed->data, packed->size, 0};
    ZSTD_outBuffer output = {piece.place, piece.room, 0};
    size_t hint = ZSTD_decompressStream(decompressor->context, &output, &input);
    *packed = (struct bytes_view){packed->data + input.pos, packed->size - input.pos};
    if (!unpack_end(&piece, decompressor, out, output.pos)) {
        return ERR_RANGE;
    }
    if (ZSTD_isError(hint)) {
        return ERR_CORRUPT;
    }
    if (hint == 0 && packed->size == 0) {
        return 0;
    }
    return input.pos > 0 || output.pos > 0 ? 1 : ERR_CORRUPT;
}

static void unpack_zstd_close(struct decompressor *decompressor)
{
    ZSTD_freeDStream(decompressor->context);
}

const struct unpack_codec unpack_zstd = {unpack_zstd_open, unpack_zstd_next, unpack_zstd_close};
