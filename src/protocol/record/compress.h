/* compress.h: the payload of a compressed batch, to and from bytes.
 *
 * gzip is RFC 1952, lz4 the frame format, zstd plain frames, snappy the framing that Java clients
 * write (a 16-byte header, then blocks with a big-endian length); a payload without that header is
 * one raw snappy block, as other clients send it.
 * Output is bounded by the writer's max_bytes, so a decompression bomb ends as an error.
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
/* Appends the plain form of packed to out. */
int decompress_append(enum batch_codec codec, struct bytes_view packed, struct writer *out);
/* "none", "gzip", "snappy", "lz4", "zstd". */
const char *compress_codec_name(enum batch_codec codec);

/* One pair a codec, each in its own file. */
int compress_gzip(int32_t level, struct bytes_view plain, struct writer *out);
int decompress_gzip(struct bytes_view packed, struct writer *out);
int compress_snappy(struct bytes_view plain, struct writer *out);
int decompress_snappy(struct bytes_view packed, struct writer *out);
int compress_lz4(int32_t level, struct bytes_view plain, struct writer *out);
int decompress_lz4(struct bytes_view packed, struct writer *out);
int compress_zstd(int32_t level, struct bytes_view plain, struct writer *out);
int decompress_zstd(struct bytes_view packed, struct writer *out);

#endif
