#include <zlib.h>

#include "base/err.h"
#include "protocol/record/compress.h"
#include "protocol/record/unpack.h"

/* Adding 16 to the window bits asks zlib for the gzip wrapper. */
#define GZIP_WINDOW_BITS (15 + 16)
#define GZIP_PIECE_BYTES 16384
#define GZIP_MEMORY_LEVEL 8

int compress_gzip(int32_t level, struct bytes_view plain, struct writer *out)
{
    z_stream stream = {0};
    int wanted = level == COMPRESS_LEVEL_DEFAULT ? Z_DEFAULT_COMPRESSION : level;
    if (deflateInit2(&stream, wanted, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return ERR_NOMEM;
    }
    uint8_t piece[GZIP_PIECE_BYTES];
    int result = Z_OK;
    stream.next_in = (Bytef *)plain.data;
    stream.avail_in = (uInt)plain.size;
    while (result == Z_OK && !out->failed) {
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        result = deflate(&stream, Z_FINISH);
        writer_bytes(out, piece, sizeof piece - stream.avail_out);
    }
    deflateEnd(&stream);
    return result == Z_STREAM_END && !out->failed ? 0 : ERR_NOMEM;
}

int decompress_gzip(struct bytes_view packed, struct writer *out)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK) {
        return ERR_NOMEM;
    }
    struct unpack unpack;
    int result = Z_OK;
    stream.next_in = (Bytef *)packed.data;
    stream.avail_in = (uInt)packed.size;
    while (result == Z_OK && unpack_begin(&unpack, out)) {
        stream.next_out = unpack.place;
        stream.avail_out = (uInt)unpack.room;
        result = inflate(&stream, Z_NO_FLUSH);
        unpack_end(&unpack, out, unpack.room - stream.avail_out);
        if (result == Z_STREAM_END && stream.avail_in > 0) {
            result = inflateReset(&stream); /* the next member of a concatenation */
        }
    }
    inflateEnd(&stream);
    if (out->failed) {
        return ERR_RANGE;
    }
    return result == Z_STREAM_END ? 0 : ERR_CORRUPT;
}
