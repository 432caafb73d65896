/* Feeds every fuzz target well-formed inputs and mutations of them, from fixed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/writer.h"
#include "protocol/api.h"
#include "protocol/record/batch.h"
#include "protocol/record/compress.h"
#include "random_message.h"
#include "targets.h"

#define INPUT_BYTES_MAX 4096
#define MUTATIONS 40
#define BATCH_ROUNDS 400

/* Flips, overwrites, cuts or repeats a few bytes. */
static size_t mutate(struct random_source *random, uint8_t *data, size_t size)
{
    uint32_t edits = 1 + random_below(random, 4);
    for (uint32_t i = 0; i < edits && size > 0; i++) {
        size_t at = random_below(random, (uint32_t)size);
        switch (random_below(random, 5)) {
        case 0:
            data[at] ^= (uint8_t)(1u << random_below(random, 8));
            break;
        case 1:
            data[at] = (uint8_t)random_next(random);
            break;
        case 2:
            data[at] = random_below(random, 2) == 0 ? 0xff : 0x7f;
            break;
        case 3:
            size = at;
            break;
        default:
            memmove(data + at / 2, data + at, size - at);
            break;
        }
    }
    return size;
}

static void feed(struct random_source *random, void (*run)(const uint8_t *, size_t),
                 const uint8_t *data, size_t size)
{
    uint8_t copy[INPUT_BYTES_MAX];
    size = size < sizeof(copy) ? size : sizeof(copy);
    run(data, size);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(copy, data, size);
        run(copy, mutate(random, copy, size));
    }
}

static void random_body(struct random_source *random, const struct codec_struct *row,
                        int16_t version, struct writer *writer)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    void *message = arena_alloc(&arena, row->size > 0 ? row->size : 1);
    random_message_fill(random, row, version, &arena, message);
    assert_int_equal(codec_encode(row, writer, version, message), 0);
    arena_release(&arena);
}

static void fuzz__every_message_in_every_version(void **state)
{
    (void)state;
    struct random_source random = {1};
    for (size_t i = 0; i < PROTOCOL_MESSAGE_COUNT; i++) {
        const struct codec_struct *row = protocol_messages[i];
        for (int version = row->versions.min; version <= row->versions.max; version++) {
            struct writer writer;
            writer_init(&writer, INPUT_BYTES_MAX * 4);
            writer_u16(&writer, (uint16_t)i);
            writer_i8(&writer, (int8_t)(version - row->versions.min));
            random_body(&random, row, (int16_t)version, &writer);
            feed(&random, fuzz_message, writer.data, writer.size);
            writer_release(&writer);
        }
    }
}

static const struct codec_struct *row_of(int16_t key)
{
    for (size_t i = 0; i < PROTOCOL_MESSAGE_COUNT; i++) {
        const char *name = protocol_messages[i]->name;
        const char *api = api_find(key)->name;
        size_t length = strlen(api);
        if (strncmp(name, api, length) == 0 && strcmp(name + length, "Request") == 0) {
            return protocol_messages[i];
        }
    }
    return NULL;
}

static void fuzz__every_request_in_every_version(void **state)
{
    (void)state;
    struct random_source random = {2};
    for (size_t i = 0; i < API_COUNT; i++) {
        const struct api_row *api = &protocol_apis[i];
        for (int version = api->min_version; version <= api->max_version; version++) {
            struct writer writer;
            writer_init(&writer, INPUT_BYTES_MAX * 4);
            struct request_header header;
            request_header_default(&header);
            header.request_api_key = api->key;
            header.request_api_version = (int16_t)version;
            header.client_id = string_view_of("fuzz");
            assert_int_equal(api_request_header_encode(&writer, &header), 0);
            random_body(&random, row_of(api->key), (int16_t)version, &writer);
            feed(&random, fuzz_request, writer.data, writer.size);
            writer_release(&writer);
        }
    }
}

static void random_batch(struct random_source *random, enum batch_codec codec, struct writer *out)
{
    static const struct record_header headers[] = {
        {{"name", 4}, {(const uint8_t *)"value", 5}},
        {{"none", 4}, {NULL, 0}},
    };
    struct batch header = batch_header_empty((int64_t)random_below(random, 1000));
    header.base_timestamp_ms = 1700000000000;
    struct batch_builder builder;
    batch_builder_init(&builder, out, &header);
    uint32_t count = 1 + random_below(random, 5);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t value[64];
        for (size_t b = 0; b < sizeof(value); b++) {
            value[b] = (uint8_t)random_below(random, 4);
        }
        struct bytes_view payload = {value, random_below(random, sizeof(value))};
        struct record record = {header.base_offset + i, 1700000000000 + i, {NULL, 0}, payload,
                                headers, (int32_t)random_below(random, 3)};
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
    if (codec == BATCH_CODEC_NONE) {
        return;
    }
    struct writer packed;
    writer_init(&packed, INPUT_BYTES_MAX * 4);
    struct bytes_view plain = {out->data + BATCH_HEADER_BYTES, out->size - BATCH_HEADER_BYTES};
    writer_bytes(&packed, out->data, BATCH_HEADER_BYTES);
    assert_int_equal(compress_append(codec, COMPRESS_LEVEL_DEFAULT, plain, &packed), 0);
    batch_seal(packed.data, packed.size, codec);
    out->size = 0;
    writer_bytes(out, packed.data, packed.size);
    writer_release(&packed);
}

static void fuzz__batches_of_every_codec(void **state)
{
    (void)state;
    struct random_source random = {3};
    for (int i = 0; i < BATCH_ROUNDS; i++) {
        struct writer writer;
        writer_init(&writer, INPUT_BYTES_MAX * 4);
        random_batch(&random, (enum batch_codec)(i % BATCH_CODEC_COUNT), &writer);
        feed(&random, fuzz_batch, writer.data, writer.size);
        writer_release(&writer);
    }
}

static void fuzz__bytes_without_any_form(void **state)
{
    (void)state;
    struct random_source random = {4};
    static void (*const targets[])(const uint8_t *, size_t) = {fuzz_request, fuzz_message,
                                                               fuzz_batch};
    uint8_t data[200];
    for (int i = 0; i < 30000; i++) {
        size_t size = random_below(&random, sizeof(data));
        for (size_t b = 0; b < size; b++) {
            data[b] = (uint8_t)(random_next(&random) >> (i % 8));
        }
        targets[i % 3](data, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fuzz__every_message_in_every_version),
        cmocka_unit_test(fuzz__every_request_in_every_version),
        cmocka_unit_test(fuzz__batches_of_every_codec),
        cmocka_unit_test(fuzz__bytes_without_any_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
