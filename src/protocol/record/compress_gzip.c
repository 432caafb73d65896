#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"
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

static int unpack_gzip_open(struct decompressor *decompressor)
{
    z_stream *stream = mem_alloc(sizeof *stream);
    if (stream == NULL) {
        return ERR_NOMEM;
    }
    *stream = (z_stream){.next_in = (Bytef *)decompressor->packed.data,
                         .avail_in = (uInt)decompressor->packed.size};
    if (inflateInit2(stream, GZIP_WINDOW_BITS) != Z_OK) {
        mem_free(stream);
        return ERR_NOMEM;
    }
    decompressor->context = stream;
    return 0;
}

static int unpack_gzip_next(struct decompressor *decompressor, struct writer *out)
{
    struct unpack_piece piece;
    if (!unpack_begin(&piece, decompressor, out)) {
        return ERR_RANGE;
    }
    z_stream *stream = decompressor->context;
    stream->next_out = piece.place;
    stream->avail_out = (uInt)piece.room;
    int result = inflate(stream, Z_NO_FLUSH);
    if (!unpack_end(&piece, decompressor, out, piece.room - stream->avail_out)) {
        return ERR_RANGE;
    }
    if (result == Z_STREAM_END && stream->avail_in == 0) {
        return 0;
    }
    if (result == Z_STREAM_END) {
        result = inflateReset(stream); /* the next member of a concatenation */
    }
    return result == Z_OK ? 1 : ERR_CORRUPT;
}

static void unpack_gzip_close(struct decompressor *decompressor)
{
    inflateEnd(decompressor->context);
    mem_free(decompressor->context);
}

const struct unpack_codec unpack_gzip = {unpack_gzip_open, unpack_gzip_next, unpack_gzip_close};
