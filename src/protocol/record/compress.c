#include "protocol/record/compress.h"

#include "base/err.h"
#include "protocol/record/unpack.h"

int compress_append(enum batch_codec codec, int32_t level, struct bytes_view plain,
                    struct writer *out)
{
    switch (codec) {
    case BATCH_CODEC_NONE:
        writer_bytes(out, plain.data, plain.size);
        return out->failed ? ERR_NOMEM : 0;
    case BATCH_CODEC_GZIP:
        return compress_gzip(level, plain, out);
    case BATCH_CODEC_SNAPPY:
        return compress_snappy(plain, out);
    case BATCH_CODEC_LZ4:
        return compress_lz4(level, plain, out);
    case BATCH_CODEC_ZSTD:
        return compress_zstd(level, plain, out);
    case BATCH_CODEC_COUNT:
        break;
    }
    return ERR_UNSUPPORTED;
}

int decompressor_open(struct decompressor *decompressor, enum batch_codec codec,
                      struct bytes_view packed, size_t max_bytes)
{
    static const struct unpack_codec *const codecs[BATCH_CODEC_COUNT] = {
        [BATCH_CODEC_GZIP] = &unpack_gzip,
        [BATCH_CODEC_SNAPPY] = &unpack_snappy,
        [BATCH_CODEC_LZ4] = &unpack_lz4,
        [BATCH_CODEC_ZSTD] = &unpack_zstd,
    };
    if (codec >= BATCH_CODEC_COUNT || codecs[codec] == NULL) {
        return ERR_UNSUPPORTED;
    }
    *decompressor = (struct decompressor){
        .codec = codecs[codec], .packed = packed, .bytes_left = max_bytes};
    return decompressor->codec->open(decompressor);
}

int decompressor_next(struct decompressor *decompressor, struct writer *out)
{
    return decompressor->codec->next(decompressor, out);
}

void decompressor_close(struct decompressor *decompressor)
{
    decompressor->codec->close(decompressor);
}

int decompress_append(enum batch_codec codec, struct bytes_view packed, struct writer *out)
{
    if (codec == BATCH_CODEC_NONE) {
        writer_bytes(out, packed.data, packed.size);
        return out->failed ? ERR_RANGE : 0;
    }
    struct decompressor decompressor;
    int result = decompressor_open(&decompressor, codec, packed, out->max_bytes - out->size);
    if (result != 0) {
        return result;
    }
    while ((result = decompressor_next(&decompressor, out)) == 1) {
    }
    decompressor_close(&decompressor);
    return result;
}

const char *compress_codec_name(enum batch_codec codec)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    return codec < BATCH_CODEC_COUNT ? names[codec] : "unknown";
}
