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

int decompress_lz4(struct bytes_view packed, struct writer *out)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return ERR_NOMEM;
    }
    struct unpack unpack;
    size_t done = 0;
    size_t hint = 1; /* 0 once the frame has ended; what follows it is never looked at */
    bool progress = true;
    while (progress && hint != 0 && !LZ4F_isError(hint) && unpack_begin(&unpack, out)) {
        size_t input = packed.size - done;
        size_t output = unpack.room;
        hint = LZ4F_decompress(context, unpack.place, &output, packed.data + done, &input, NULL);
        if (LZ4F_isError(hint)) {
            output = 0;
        } else {
            done += input;
            progress = input > 0 || output > 0;
        }
        unpack_end(&unpack, out, output);
    }
    LZ4F_freeDecompressionContext(context);
    if (out->failed) {
        return ERR_RANGE;
    }
    return hint == 0 ? 0 : ERR_CORRUPT;
}
