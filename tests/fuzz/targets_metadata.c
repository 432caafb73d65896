#include "targets.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/reader.h"
#include "memory_fs.h"
#include "metadata/image_builder.h"
#include "node/quorum_internal.h"

#define FILE_BYTES_MAX 65536
#define SNAPSHOT "/data/__cluster_metadata-0/00000000000000000010-0000000001.checkpoint"

/* Where replaying an image's own records goes. */
static int replay_again(void *context, struct bytes_view record)
{
    struct err_message message = {{0}};
    int error = image_builder_replay(context, record, &message);
    if (error == ERR_CORRUPT) {
        fprintf(stderr, "%s\n", message.text);
    }
    fuzz_require(error != ERR_CORRUPT, "the records of an image make it again");
    return error;
}

/* An image can be written down and made again. Takes the builder. */
static void require_image(struct image_builder **builder)
{
    struct image *image;
    struct image *copy;
    struct image_builder *again;
    if (image_builder_finish(builder, 9, 1, 0, &image) != 0) {
        return;
    }
    if (image_builder_create(NULL, &again) == 0 &&
        image_visit_records(image, replay_again, again) == 0 &&
        image_builder_finish(&again, 9, 1, 0, &copy) == 0) {
        image_unref(&copy);
    }
    image_builder_destroy(&again);
    image_unref(&image);
}

void fuzz_metadata_records(const uint8_t *data, size_t size)
{
    struct image_builder *builder;
    struct reader reader;
    struct err_message message = {{0}};
    reader_init(&reader, data, size);
    if (image_builder_create(NULL, &builder) != 0) {
        return;
    }
    int error = 0;
    while (error == 0 && reader_left(&reader) > 2) {
        size_t wanted = (uint16_t)reader_i16(&reader);
        size_t left = reader_left(&reader);
        size_t part = wanted < left ? wanted : left;
        struct bytes_view record = {data + (size - left), part};
        error = image_builder_replay(builder, record, &message);
        for (size_t i = 0; i < part; i++) {
            (void)reader_i8(&reader);
        }
    }
    if (error == 0) {
        require_image(&builder);
    }
    image_builder_destroy(&builder);
}

/* A quorum as far as its files are concerned. */
static struct quorum *quorum_on(struct memory_fs *memory)
{
    struct quorum *quorum = mem_need(sizeof *quorum);
    memory_fs_init(memory);
    (void)io_make_directory(&memory->fs, "/data");
    (void)io_make_directory(&memory->fs, "/data/__cluster_metadata-0");
    quorum->fs = memory->fs;
    quorum->options.metadata_directory = "/data";
    snprintf(quorum->directory, sizeof quorum->directory, "/data/__cluster_metadata-0");
    return quorum;
}

static void quorum_off(struct quorum *quorum, struct memory_fs *memory)
{
    mem_free(quorum->voters_bytes);
    mem_free(quorum->kraft_version_bytes);
    mem_free(quorum);
    memory_fs_release(memory);
    mem_free(memory);
}

/* Puts the bytes there with the CRC of each batch set right. */
static void put_mended(struct memory_fs *memory, const char *path, const uint8_t *data,
                       size_t size)
{
    uint8_t *copy = mem_need(size + 1);
    memcpy(copy, data, size);
    for (size_t at = 0; at + BATCH_HEADER_BYTES <= size;) {
        int64_t whole = batch_view_size(copy + at, size - at);
        if (whole < BATCH_HEADER_BYTES || (size_t)whole > size - at) {
            break;
        }
        batch_seal(copy + at, (size_t)whole,
                   (enum batch_codec)(copy[at + 22] & BATCH_CODEC_MASK));
        at += (size_t)whole;
    }
    memory_fs_put(memory, path, copy, size);
    mem_free(copy);
}

void fuzz_metadata_snapshot(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct quorum *quorum = quorum_on(memory);
    struct image_builder *builder = NULL;
    struct err_message message = {{0}};
    struct quorum_loaded loaded;
    size = size < FILE_BYTES_MAX ? size : FILE_BYTES_MAX;
    put_mended(memory, SNAPSHOT, data, size);
    int error = quorum_load_snapshot(quorum, &builder, &loaded, &message);
    fuzz_require(error == 0 || error == ERR_NOMEM || message.text[0] != '\0',
                 "a refusal says why");
    if (error == 0) {
        fuzz_require(loaded.damaged_end_offset == 10 ||
                         (loaded.end_offset == 10 && loaded.epoch == 1),
                     "it is taken or it is not");
        require_image(&builder);
    }
    image_builder_destroy(&builder);
    quorum_off(quorum, memory);
}

void fuzz_bootstrap(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct quorum *quorum = quorum_on(memory);
    struct err_message message = {{0}};
    uint8_t *bytes;
    struct bytes_view *records;
    size_t count;
    size = size < FILE_BYTES_MAX ? size : FILE_BYTES_MAX;
    put_mended(memory, "/data/bootstrap.checkpoint", data, size);
    int error = quorum_read_bootstrap(quorum, &bytes, &records, &count, &message);
    fuzz_require(error == 0 || message.text[0] != '\0', "a refusal says why");
    fuzz_require(error != 0 || count > 0, "there is something to begin with");
    mem_free(bytes);
    mem_free(records);
    quorum_off(quorum, memory);
}

void fuzz_quorum_state(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    struct quorum *quorum = quorum_on(memory);
    struct err_message message = {{0}};
    struct raft_durable durable;
    size = size < FILE_BYTES_MAX ? size : FILE_BYTES_MAX;
    memory_fs_put(memory, "/data/__cluster_metadata-0/quorum-state", data, size);
    int error = quorum_read_state(quorum, &durable, &message);
    fuzz_require(error == 0 || message.text[0] != '\0', "a refusal says why");
    fuzz_require(error != 0 || durable.epoch >= 0, "an epoch is one");
    quorum_off(quorum, memory);
}
