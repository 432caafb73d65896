/* roundtrip: random messages of every schema and version, for another implementation to read.
 *
 *   roundtrip generate COUNT SEED     writes COUNT frames for each message and version
 *   roundtrip check < FRAMES          decodes each frame, encodes it again, compares
 *
 * A frame: name length (2 bytes), name, version (2), size (4), the message; all big-endian. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/messages.h"
#include "random_message.h"

#define ARENA_BYTES (8u << 20)
#define MESSAGE_BYTES_MAX (1u << 20)

static void write_number(uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        putchar((int)(value >> shift & 0xff));
    }
}

static int generate_one(struct random_source *random, const struct codec_struct *row,
                        int16_t version, struct arena *arena)
{
    arena_reset(arena);
    void *message = arena_alloc(arena, row->size > 0 ? row->size : 1);
    random_message_fill(random, row, version, arena, message);
    struct writer writer;
    writer_init(&writer, MESSAGE_BYTES_MAX);
    int error = codec_encode(row, &writer, version, message);
    if (error != 0 || writer.failed) {
        fprintf(stderr, "%s version %d: encoding gives %d\n", row->name, version, error);
        writer_release(&writer);
        return 1;
    }
    write_number(strlen(row->name), 2);
    fputs(row->name, stdout);
    write_number((uint64_t)version, 2);
    write_number(writer.size, 4);
    fwrite(writer.data, 1, writer.size, stdout);
    writer_release(&writer);
    return 0;
}

static int generate(int count, uint64_t seed)
{
    struct random_source random = {seed};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    int failed = 0;
    for (size_t i = 0; i < PROTOCOL_MESSAGE_COUNT; i++) {
        const struct codec_struct *row = protocol_messages[i];
        for (int version = row->versions.min; version <= row->versions.max; version++) {
            for (int n = 0; n < count; n++) {
                failed += generate_one(&random, row, (int16_t)version, &arena);
            }
        }
    }
    arena_release(&arena);
    return failed != 0;
}

static const struct codec_struct *find(const char *name)
{
    for (size_t i = 0; i < PROTOCOL_MESSAGE_COUNT; i++) {
        if (strcmp(protocol_messages[i]->name, name) == 0) {
            return protocol_messages[i];
        }
    }
    return NULL;
}

static bool read_number(uint64_t *value, int bytes)
{
    *value = 0;
    for (int i = 0; i < bytes; i++) {
        int byte = getchar();
        if (byte == EOF) {
            return false;
        }
        *value = *value << 8 | (uint64_t)byte;
    }
    return true;
}

/* Whether the bytes decode in full and encode to themselves. */
static bool check_one(const char *name, int16_t version, const uint8_t *bytes, size_t size,
                      struct arena *arena)
{
    const struct codec_struct *row = find(name);
    if (row == NULL) {
        fprintf(stderr, "%s: no such message\n", name);
        return false;
    }
    arena_reset(arena);
    void *message = arena_alloc(arena, row->size > 0 ? row->size : 1);
    struct reader reader;
    reader_init(&reader, bytes, size);
    int error = codec_decode(row, &reader, version, arena, message);
    struct writer writer;
    writer_init(&writer, MESSAGE_BYTES_MAX);
    int again = error != 0 ? error : codec_encode(row, &writer, version, message);
    bool same = again == 0 && reader_left(&reader) == 0 && !writer.failed && writer.size == size &&
                memcmp(writer.data, bytes, size) == 0;
    if (!same) {
        fprintf(stderr, "%s version %d: decoding %d, encoding %d, %zu bytes of %zu, %zu left\n",
                name, version, error, again, writer.size, size, reader_left(&reader));
    }
    writer_release(&writer);
    return same;
}

static int check(void)
{
    static uint8_t bytes[MESSAGE_BYTES_MAX];
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    uint64_t length, version, size, frames = 0, failed = 0;
    while (read_number(&length, 2)) {
        char name[256] = "";
        if (length >= sizeof(name) || fread(name, 1, length, stdin) != length ||
            !read_number(&version, 2) || !read_number(&size, 4) || size > sizeof(bytes) ||
            fread(bytes, 1, size, stdin) != size) {
            fprintf(stderr, "frame %" PRIu64 " is cut short\n", frames);
            return 1;
        }
        frames++;
        failed += !check_one(name, (int16_t)version, bytes, size, &arena);
    }
    arena_release(&arena);
    printf("%" PRIu64 " frames, %" PRIu64 " failed\n", frames, failed);
    return failed != 0 || frames == 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "generate") == 0) {
        return generate((int)strtol(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    }
    if (argc == 2 && strcmp(argv[1], "check") == 0) {
        return check();
    }
    fprintf(stderr, "usage: roundtrip generate COUNT SEED | roundtrip check\n");
    return 2;
}
