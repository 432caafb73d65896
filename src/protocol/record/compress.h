/* compress.h: the payload of a compressed batch, to and from bytes.
 *
 * gzip is RFC 1952, lz4 the frame format, zstd plain frames, snappy the framing that Java clients
 * write (a 16-byte header, then blocks with a big-endian length); a payload without that header is
 * one raw snappy block, as other clients send it.
 * Output is bounded, so a decompression bomb ends as an error.
 * Thread: any. Errors: ERR_CORRUPT for a bad stream, ERR_RANGE when the output passes the bound,
 * ERR_UNSUPPORTED for an unknown codec, ERR_NOMEM. */
#ifndef BNB_PROTOCOL_RECORD_COMPRESS_H
#define BNB_PROTOCOL_RECORD_COMPRESS_H

#include "base/view.h"
#include "base/writer.h"
#include "protocol/record/batch.h"

/* The codec's own default. */
#define COMPRESS_LEVEL_DEFAULT INT32_MIN

/* Appends the compressed form of plain to out. */
int compress_append(enum batch_codec codec, int32_t level, struct bytes_view plain,
                    struct writer *out);
/* Appends the plain form of packed to out, whose max_bytes is the bound. */
int decompress_append(enum batch_codec codec, struct bytes_view packed, struct writer *out);
/* "none", "gzip", "snappy", "lz4", "zstd". */
const char *compress_codec_name(enum batch_codec codec);

/* The same piece by piece, for who reads a piece while it is in a near cache, and forgets it. */
struct decompressor {
    const struct unpack_codec *codec;
    void *context;            /* of the codec's library; snappy keeps nothing between blocks */
    bool framed;              /* snappy: blocks follow each other */
    struct bytes_view packed; /* what of it has not been read */
    size_t bytes_left;        /* that may still come */
};

/* packed is borrowed until the close, which follows an open that returned 0. */
int decompressor_open(struct decompressor *decompressor, enum batch_codec codec,
                      struct bytes_view packed, size_t max_bytes);
/* Appends some more to out, at most 64 KiB or one block of snappy: 1: go on; 0: that was all. */
int decompressor_next(struct decompressor *decompressor, struct writer *out);
void decompressor_close(struct decompressor *decompressor);

/* One a codec, each in its own file. */
int compress_gzip(int32_t level, struct bytes_view plain, struct writer *out);
int compress_snappy(struct bytes_view plain, struct writer *out);
int compress_lz4(int32_t level, struct bytes_view plain, struct writer *out);
int compress_zstd(int32_t level, struct bytes_view plain, struct writer *out);

#endif
