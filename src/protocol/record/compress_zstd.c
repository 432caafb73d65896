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

int decompress_zstd(struct bytes_view packed, struct writer *out)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL) {
        return ERR_NOMEM;
    }
    struct unpack unpack;
    ZSTD_inBuffer input = {packed.data, packed.size, 0};
    size_t hint = 1; /* 0 at the end of a frame; another may follow */
    bool progress = true;
    while (progress && (input.pos < input.size || hint != 0) && unpack_begin(&unpack, out)) {
        ZSTD_outBuffer output = {unpack.place, unpack.room, 0};
        size_t before = input.pos;
        hint = ZSTD_decompressStream(stream, &output, &input);
        unpack_end(&unpack, out, output.pos);
        if (ZSTD_isError(hint)) {
            break;
        }
        progress = input.pos > before || output.pos > 0;
    }
    ZSTD_freeDStream(stream);
    if (out->failed) {
        return ERR_RANGE;
    }
    return hint == 0 && input.pos == input.size ? 0 : ERR_CORRUPT;
}
