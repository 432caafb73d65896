#include <snappy-c.h>

#include "base/err.h"
#include "base/reader.h"
#include "protocol/record/compress.h"
#include "protocol/record/unpack.h"

/* Input of one block, as snappy-java cuts it. */
#define SNAPPY_BLOCK_BYTES 32768
#define SNAPPY_HEADER_BYTES 16
#define SNAPPY_VERSION 1

static const uint8_t snappy_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

int compress_snappy(struct bytes_view plain, struct writer *out)
{
    writer_bytes(out, snappy_magic, sizeof snappy_magic);
    writer_i32(out, SNAPPY_VERSION);
    writer_i32(out, SNAPPY_VERSION);
    for (size_t done = 0; done < plain.size && !out->failed; done += SNAPPY_BLOCK_BYTES) {
        size_t left = plain.size - done;
        size_t input = left < SNAPPY_BLOCK_BYTES ? left : SNAPPY_BLOCK_BYTES;
        size_t size = snappy_max_compressed_length(input);
        size_t length_at = out->size;
        writer_i32(out, 0);
        uint8_t *place = writer_reserve(out, size);
        if (place == NULL) {
            break;
        }
        if (snappy_compress((const char *)plain.data + done, input, (char *)place, &size) !=
            SNAPPY_OK) {
            return ERR_NOMEM;
        }
        writer_patch_i32(out, length_at, (int32_t)size);
        out->size = length_at + 4 + size;
    }
    return out->failed ? ERR_NOMEM : 0;
}

static int unpack_snappy_open(struct decompressor *decompressor)
{
    struct bytes_view *packed = &decompressor->packed;
    if (packed->size >= SNAPPY_HEADER_BYTES &&
        memcmp(packed->data, snappy_magic, sizeof snappy_magic) == 0) {
        *packed = (struct bytes_view){packed->data + SNAPPY_HEADER_BYTES,
                                      packed->size - SNAPPY_HEADER_BYTES};
        decompressor->framed = true;
    }
    return 0;
}

static int unpack_snappy_block(struct decompressor *decompressor, struct bytes_view block,
                               struct writer *out)
{
    size_t size;
    if (snappy_uncompressed_length((const char *)block.data, block.size, &size) != SNAPPY_OK) {
        return ERR_CORRUPT;
    }
    uint8_t *place = size <= decompressor->bytes_left ? writer_reserve(out, size) : NULL;
    if (place == NULL) {
        return ERR_RANGE;
    }
    decompressor->bytes_left -= size;
    return snappy_uncompress((const char *)block.data, block.size, (char *)place, &size) ==
                   SNAPPY_OK
               ? 0
               : ERR_CORRUPT;
}

static int unpack_snappy_next(struct decompressor *decompressor, struct writer *out)
{
    struct bytes_view *packed = &decompressor->packed;
    if (!decompressor->framed) {
        return unpack_snappy_block(decompressor, *packed, out);
    }
    struct reader reader;
    reader_init(&reader, packed->data, packed->size);
    if (reader_left(&reader) < 4) {
        return 0; /* a stream that ends within a length ends quietly, as in snappy-java */
    }
    int32_t length = reader_i32(&reader);
    const uint8_t *block = length < 0 ? NULL : reader_take(&reader, (size_t)length);
    if (block == NULL) {
        return ERR_CORRUPT;
    }
    *packed = (struct bytes_view){reader.cursor, reader_left(&reader)};
    int error = unpack_snappy_block(decompressor, (struct bytes_view){block, (size_t)length}, out);
    return error != 0 ? error : 1;
}

static void unpack_snappy_close(struct decompressor *decompressor)
{
    (void)decompressor;
}

const struct unpack_codec unpack_snappy = {unpack_snappy_open, unpack_snappy_next,
                                           unpack_snappy_close};
