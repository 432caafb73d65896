/* micro FOLDER: costs of single steps, each the best of some rounds: CRC-32C, the walk over a batch
 * as the broker checks it (decompressed first), and appending to a new, a recycled and a
 * preallocated file. Prints "NAME VALUE" lines. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define ROUNDS 7
#define PIECE_BYTES ((size_t)128 << 10)
#define FILE_BYTES ((off_t)512 << 20)
#define BATCH_BYTES_MAX ((size_t)4 << 20)
#define BATCH_REPEATS 50

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void need(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static void measure_crc(const uint8_t *piece)
{
    double best_s = 1e9;
    uint32_t crc = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double began_s = now_s();
        for (int i = 0; i < 2000; i++) {
            crc = crc32c(crc, piece, PIECE_BYTES);
        }
        best_s = now_s() - began_s < best_s ? now_s() - began_s : best_s;
    }
    printf("CRC-32C by %s (%08x), GB/s %.2f\n", crc32c_name(), crc,
           2000.0 * (double)PIECE_BYTES / 1e9 / best_s);
}

/* A batch of records that compress about as text does. */
static void build_batch(struct writer *writer, size_t record_bytes, struct batch *batch)
{
    struct batch_builder builder;
    struct batch header = batch_header_empty(0);
    char value[1024];
    uint32_t random = 1;
    batch_builder_init(&builder, writer, &header);
    for (int64_t i = 0; i < (int64_t)(900000 / record_bytes); i++) {
        for (size_t at = 0; at < record_bytes; at++) {
            random = random * 1664525 + 1013904223;
            value[at] = "etaoin shrdlu etaoin"[(random >> 24) % 20];
        }
        struct record record = {.offset = i,
                                .value = {(const uint8_t *)value, record_bytes}};
        batch_builder_add(&builder, &record);
    }
    need(batch_builder_finish(&builder) == 0, "build a batch");
    need(batch_decode(writer->data, writer->size, batch) == 0, "decode a batch");
}

static void walk(const struct batch *batch, struct bytes_view plain)
{
    struct record_iter iter;
    struct record record;
    int32_t count = 0;
    record_iter_init(&iter, batch, plain);
    while (record_iter_next(&iter, &record) == 1) {
        count++;
    }
    need(count == batch->record_count, "walk a batch");
}

static void measure_codec(enum batch_codec codec, size_t record_bytes)
{
    struct writer built, packed, plain;
    struct batch batch;
    double best_s = 1e9;
    writer_init(&built, BATCH_BYTES_MAX);
    writer_init(&packed, BATCH_BYTES_MAX);
    writer_init(&plain, BATCH_BYTES_MAX);
    build_batch(&built, record_bytes, &batch);
    struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
    if (codec != BATCH_CODEC_NONE) {
        need(compress_append(codec, COMPRESS_LEVEL_DEFAULT, records, &packed) == 0, "compress");
    }
    for (int round = 0; round < ROUNDS; round++) {
        double began_s = now_s();
        for (int i = 0; i < BATCH_REPEATS; i++) {
            struct bytes_view view = records;
            if (codec != BATCH_CODEC_NONE) {
                plain.size = 0;
                view = (struct bytes_view){packed.data, packed.size};
                need(decompress_append(codec, view, &plain) == 0, "decompress");
                view = (struct bytes_view){plain.data, plain.size};
            }
            walk(&batch, view);
        }
        best_s = now_s() - began_s < best_s ? now_s() - began_s : best_s;
    }
    printf("check %zu B records, %s, MB/s %.0f\n", record_bytes, compress_codec_name(codec),
           BATCH_REPEATS * (double)records.size / 1e6 / best_s);
    writer_release(&built);
    writer_release(&packed);
    writer_release(&plain);
}

/* Room that is taken at a time, so that a small partition does not hold a whole segment. */
#define AHEAD_BYTES (16 << 20)

enum file_kind { FILE_NEW, FILE_RECYCLED, FILE_PREALLOCATED, FILE_AHEAD };

static double append_all(const char *path, enum file_kind kind, const uint8_t *piece)
{
    if (kind != FILE_RECYCLED) {
        unlink(path);
    }
    int file = open(path, O_WRONLY | O_CREAT, 0644);
    need(file >= 0, path);
    /* The cost of getting the room is part of what is compared. */
    double began_s = now_s();
    if (kind == FILE_PREALLOCATED) {
        need(posix_fallocate(file, 0, FILE_BYTES) == 0, "fallocate");
    }
    for (off_t at = 0; at < FILE_BYTES; at += (off_t)PIECE_BYTES) {
        if (kind == FILE_AHEAD && at % AHEAD_BYTES == 0) {
            need(fallocate(file, FALLOC_FL_KEEP_SIZE, at, AHEAD_BYTES) == 0, "fallocate");
        }
        need(pwrite(file, piece, PIECE_BYTES, at) == (ssize_t)PIECE_BYTES, "pwrite");
    }
    double took_s = now_s() - began_s;
    close(file);
    return took_s;
}

static void measure_append(const char *folder, const uint8_t *piece)
{
    static const char *const names[] = {"new", "recycled", "preallocated", "16 MB ahead"};
    double best_s[4] = {1e9, 1e9, 1e9, 1e9};
    char path[512];
    snprintf(path, sizeof path, "%s/append", folder);
    for (int round = 0; round < 3; round++) {
        for (int kind = FILE_NEW; kind <= FILE_AHEAD; kind++) {
            double took_s = append_all(path, (enum file_kind)kind, piece);
            best_s[kind] = took_s < best_s[kind] ? took_s : best_s[kind];
        }
    }
    unlink(path);
    for (int kind = FILE_NEW; kind <= FILE_AHEAD; kind++) {
        printf("append 512 MB in 128 KB pieces, %s file, s/GB %.3f\n", names[kind],
               best_s[kind] / ((double)FILE_BYTES / 1e9));
    }
}

int main(int argc, char **argv)
{
    need(argc == 2, "usage: micro FOLDER");
    uint8_t *piece = mem_need(PIECE_BYTES);
    memset(piece, 'x', PIECE_BYTES);
    measure_crc(piece);
    for (int codec = BATCH_CODEC_NONE; codec < BATCH_CODEC_COUNT; codec++) {
        measure_codec((enum batch_codec)codec, 100);
        measure_codec((enum batch_codec)codec, 1000);
    }
    measure_append(argv[1], piece);
    mem_free(piece);
    return 0;
}
