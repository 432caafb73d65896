#include "targets.h"

#include <string.h>

#include "base/err.h"
#include "protocol/api.h"
#include "protocol/record/batch.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define ARENA_BYTES (1u << 22)
#define OUTPUT_BYTES_MAX (1u << 20)

/* What decodes must encode, and what was encoded must decode and encode to the same bytes. */
static void roundtrip(const struct codec_struct *row, struct reader *reader, int16_t version,
                      struct arena *arena)
{
    void *message = arena_alloc(arena, row->size > 0 ? row->size : 1);
    if (codec_decode(row, reader, version, arena, message) != 0) {
        return;
    }
    struct writer first, second, text;
    writer_init(&first, OUTPUT_BYTES_MAX);
    writer_init(&second, OUTPUT_BYTES_MAX);
    writer_init(&text, OUTPUT_BYTES_MAX);
    codec_print(row, &text, version, message);
    if (codec_encode(row, &first, version, message) == 0) {
        struct reader again;
        reader_init(&again, first.data, first.size);
        void *copy = arena_alloc(arena, row->size > 0 ? row->size : 1);
        int error = copy != NULL ? codec_decode(row, &again, version, arena, copy) : ERR_NOMEM;
        fuzz_require(error == 0 || error == ERR_NOMEM, "what was encoded decodes");
        if (error == 0) {
            fuzz_require(reader_left(&again) == 0, "nothing is left");
            fuzz_require(codec_encode(row, &second, version, copy) == 0, "it encodes again");
            fuzz_require(first.size == second.size &&
                        (first.size == 0 || memcmp(first.data, second.data, first.size) == 0),
                    "to the same bytes");
        }
    }
    writer_release(&first);
    writer_release(&second);
    writer_release(&text);
}

static const struct codec_struct *request_row(const struct api_row *api)
{
    for (size_t i = 0; i < PROTOCOL_MESSAGE_COUNT; i++) {
        const char *name = protocol_messages[i]->name;
        size_t length = strlen(api->name);
        if (strncmp(name, api->name, length) == 0 && strcmp(name + length, "Request") == 0) {
            return protocol_messages[i];
        }
    }
    return NULL;
}

void fuzz_request(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct reader reader;
    reader_init(&reader, data, size);
    struct request_header header;
    if (api_request_header_decode(&reader, &arena, &header) == 0) {
        const struct api_row *api = api_find(header.request_api_key);
        const struct codec_struct *row = api != NULL ? request_row(api) : NULL;
        fuzz_require(row != NULL, "a header that decodes names an API");
        roundtrip(row, &reader, header.request_api_version, &arena);
    }
    arena_release(&arena);
}

void fuzz_message(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct reader reader;
    reader_init(&reader, data, size);
    const struct codec_struct *row = protocol_messages[reader_u16(&reader) %
                                                       PROTOCOL_MESSAGE_COUNT];
    int span = row->versions.max - row->versions.min + 1;
    uint8_t choice = (uint8_t)reader_i8(&reader);
    if (span > 0 && !reader.failed) {
        roundtrip(row, &reader, (int16_t)(row->versions.min + choice % span), &arena);
    }
    arena_release(&arena);
}

static void walk_records(const struct batch *batch, struct bytes_view plain)
{
    struct record_iter iter;
    struct record record;
    struct record_header header;
    record_iter_init(&iter, batch, plain);
    int32_t count = 0;
    while (record_iter_next(&iter, &record) == 1) {
        fuzz_require(++count <= batch->record_count, "no more records than the header says");
        int32_t headers = 0;
        while (record_iter_next_header(&iter, &header) == 1) {
            fuzz_require(++headers <= record.header_count, "no more headers than the record says");
        }
    }
    bool sound = iter.next_index == batch->record_count && !iter.reader.failed;
    struct record_run run;
    record_iter_init(&iter, batch, plain);
    do {
        record_iter_run(&iter, &run);
    } while (record_iter_next(&iter, &record) == 1);
    fuzz_require(sound == (iter.next_index == batch->record_count && !iter.reader.failed),
                 "runs are as sound as their records");
}

void fuzz_batch(const uint8_t *data, size_t size)
{
    struct batch batch;
    while (batch_decode(data, size, &batch) == 0) {
        fuzz_require(batch.size_bytes >= BATCH_HEADER_BYTES && batch.size_bytes <= size, "size");
        batch_crc_holds(data, &batch);
        struct bytes_view packed = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        enum batch_codec codec = batch.attributes & BATCH_CODEC_MASK;
        if (codec == BATCH_CODEC_NONE) {
            walk_records(&batch, packed);
        } else {
            struct writer plain;
            writer_init(&plain, OUTPUT_BYTES_MAX);
            if (decompress_append(codec, packed, &plain) == 0 && !plain.failed &&
                plain.size > 0) {
                walk_records(&batch, (struct bytes_view){plain.data, plain.size});
            }
            writer_release(&plain);
        }
        data += batch.size_bytes;
        size -= batch.size_bytes;
    }
}

void fuzz_records(const uint8_t *data, size_t size)
{
    struct reader reader;
    reader_init(&reader, data, size);
    struct batch batch = batch_header_empty(0);
    batch.record_count = reader_i16(&reader);
    if (!reader.failed) {
        walk_records(&batch, (struct bytes_view){data + 2, size - 2});
    }
}

/* What unpacks, packs again and unpacks to the same. */
static void fuzz_codec(enum batch_codec codec, const uint8_t *data, size_t size)
{
    struct writer plain, packed, again;
    writer_init(&plain, OUTPUT_BYTES_MAX);
    writer_init(&packed, OUTPUT_BYTES_MAX * 2);
    writer_init(&again, OUTPUT_BYTES_MAX);
    int error = decompress_append(codec, (struct bytes_view){data, size}, &plain);
    fuzz_require(plain.size <= OUTPUT_BYTES_MAX, "a bomb is bounded");
    if (error == 0) {
        struct bytes_view view = {plain.data, plain.size};
        error = compress_append(codec, COMPRESS_LEVEL_DEFAULT, view, &packed);
        fuzz_require(error == 0, "what was unpacked packs");
        error = decompress_append(codec, (struct bytes_view){packed.data, packed.size}, &again);
        fuzz_require(error == 0, "what was packed unpacks");
        fuzz_require(again.size == plain.size &&
                         (plain.size == 0 || memcmp(again.data, plain.data, plain.size) == 0),
                     "to the same bytes");
    }
    writer_release(&plain);
    writer_release(&packed);
    writer_release(&again);
}

void fuzz_gzip(const uint8_t *data, size_t size) { fuzz_codec(BATCH_CODEC_GZIP, data, size); }
void fuzz_snappy(const uint8_t *data, size_t size) { fuzz_codec(BATCH_CODEC_SNAPPY, data, size); }
void fuzz_lz4(const uint8_t *data, size_t size) { fuzz_codec(BATCH_CODEC_LZ4, data, size); }
void fuzz_zstd(const uint8_t *data, size_t size) { fuzz_codec(BATCH_CODEC_ZSTD, data, size); }
