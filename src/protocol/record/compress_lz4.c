#include <lz4frame.h>

#include "base/err.h"
#include "protocol/record/compress.h"
#include "protocol/record/unpack.h"

/* Kafka's level 9 is its fast compressor and the default; the others are those of the library. */
#define LZ4_KAFKA_FAST_LEVEL 9

int compress_lz4(int32_t level, struct bytes_view plain, struct writer *out)
{
    bool fast = level == COMPRESS_LEVEL_DEFAULT || level == LZ4_KAFKA_FAST_LEVEL;
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = fast ? 0 : level,
    };
    size_t bound = LZ4F_compressFrameBound(plain.size, &preferences);
    size_t start = out->size;
    uint8_t *place = writer_reserve(out, bound);
    if (place == NULL) {
        return ERR_NOMEM;
    }
    size_t size = LZ4F_compressFrame(place, bound, plain.data, plain.size, &preferences);
    if (LZ4F_isError(size)) {
        return ERR_NOMEM;
    }
    out->size = start + size;
    return 0;
}

static int unpack_lz4_open(struct decompressor *decompressor)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return ERR_NOMEM;
    }
    decompressor->context = context;
    return 0;
}

/* What follows the end of the frame is never looked at. */
static int unpack_lz4_next(struct decompressor *decompressor, struct writer *out)
{
    struct unpack_piece piece;
    if (!unpack_begin(&piece, decompressor, out)) {
        return ERR_RANGE;
    }
    struct bytes_view *packed = &decompressor->packed;
    size_t input = packed->size;
    size_t output = piece.room;
    size_t hint = LZ4F_decompress(decompressor->context, piece.place, &output, packed->data,
                                  &input, NULL);
    if (LZ4F_isError(hint)) {
        input = output = 0;
    }
    *packed = (struct bytes_view){packed->data + input, packed->size - input};
    if (!unpack_end(&piece, decompressor, out, output)) {
        return ERR_RANGE;
    }
    if (hint == 0) {
        return 0;
    }
    return input > 0 || output > 0 ? 1 : ERR_CORRUPT;
}

static void unpack_lz4_close(struct decompressor *decompressor)
{
    LZ4F_freeDecompressionContext(decompressor->context);
}

const struct unpack_codec unpack_lz4 = {unpack_lz4_open, unpack_lz4_next, unpack_lz4_close};
