#include "protocol/record/compress.h"

#include "base/err.h"

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

int decompress_append(enum batch_codec codec, struct bytes_view packed, struct writer *out)
{
    switch (codec) {
    case BATCH_CODEC_NONE:
        writer_bytes(out, packed.data, packed.size);
        return out->failed ? ERR_RANGE : 0;
    case BATCH_CODEC_GZIP:
        return decompress_gzip(packed, out);
    case BATCH_CODEC_SNAPPY:
        return decompress_snappy(packed, out);
    case BATCH_CODEC_LZ4:
        return decompress_lz4(packed, out);
    case BATCH_CODEC_ZSTD:
        return decompress_zstd(packed, out);
    case BATCH_CODEC_COUNT:
        break;
    }
    return ERR_UNSUPPORTED;
}

const char *compress_codec_name(enum batch_codec codec)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    return codec < BATCH_CODEC_COUNT ? names[codec] : "unknown";
}
