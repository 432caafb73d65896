/* dump_legacy.c: messages of the formats before batches, as old brokers left them.
 *
 *   offset: int64, size: int32, crc: uint32 of all behind it, magic: int8 (0 or 1),
 *   attributes: int8, of format 1 a timestamp: int64, key and value: int32 and bytes each
 *
 * A compressed message has such messages as its value. Its own offset is that of the last of them;
 * those of format 1 count from 0. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/reader.h"
#include "protocol/record/compress.h"
#include "tools/dump.h"

#define LEGACY_SIZE_MIN 14 /* CRC, magic, attributes, and two lengths */
#define LEGACY_BYTES_MAX ((size_t)1 << 30)
#define LEGACY_APPEND_TIME 0x08

struct legacy {
    int64_t offset;
    uint32_t crc;
    int8_t magic;
    uint8_t attributes;
    int64_t timestamp_ms; /* -1 in format 0 */
    struct bytes_view key;
    struct bytes_view value;
    bool valid; /* by its CRC */
    bool whole; /* key and value lie within it */
};

static unsigned legacy_codec(const struct legacy *message)
{
    return message->attributes & BATCH_CODEC_MASK;
}

static struct bytes_view legacy_bytes(struct reader *reader, bool *whole)
{
    int32_t size = reader_i32(reader);
    struct bytes_view bytes = {NULL, 0};
    if (size >= 0) {
        bytes = (struct bytes_view){reader_take(reader, (size_t)size), (size_t)size};
    }
    *whole = *whole && !reader->failed;
    return bytes;
}

/* data is the whole message, of at least BATCH_PREFIX_BYTES + LEGACY_SIZE_MIN bytes. */
static void legacy_parse(struct bytes_view data, struct legacy *message)
{
    struct reader reader;
    reader_init(&reader, data.data, data.size);
    message->offset = reader_i64(&reader);
    (void)reader_i32(&reader);
    message->crc = reader_u32(&reader);
    message->magic = reader_i8(&reader);
    message->attributes = (uint8_t)reader_i8(&reader);
    message->timestamp_ms = message->magic > 0 ? reader_i64(&reader) : -1;
    message->whole = true;
    message->key = legacy_bytes(&reader, &message->whole);
    message->value = legacy_bytes(&reader, &message->whole);
    message->valid = batch_any_crc_holds(data.data, data.size);
}

static void legacy_fail(struct dump *dump, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "Exception in thread \"main\" %s\n", what);
    dump->failed = true;
}

static const char *legacy_type(const struct legacy *message)
{
    return message->magic == 0                            ? "NoTimestampType"
           : (message->attributes & LEGACY_APPEND_TIME) != 0 ? "LogAppendTime"
                                                             : "CreateTime";
}

/* Of a message, or of one in the value of wrapper. */
static void legacy_record(struct dump *dump, const char *path, const struct legacy *wrapper,
                          const struct legacy *message, int64_t *last_offset)
{
    if (message->offset != *last_offset + 1) {
        dump_add_problem(dump, DUMP_NOT_CONSECUTIVE, path, *last_offset, message->offset);
    }
    *last_offset = message->offset;
    if (dump->options.skip_record_metadata) {
        printf("|");
    } else {
        printf("| offset: %" PRId64 " %s: %" PRId64 " keySize: %" PRId64 " valueSize: %" PRId64
               " isValid: %s crc: %u", message->offset, legacy_type(wrapper),
               message->timestamp_ms,
               message->key.data != NULL ? (int64_t)message->key.size : -1,
               message->value.data != NULL ? (int64_t)message->value.size : -1,
               message->valid ? "true" : "false", message->crc);
    }
    if (dump->options.print_data) {
        struct record record = {.offset = message->offset,
                                .timestamp_ms = message->timestamp_ms,
                                .key = message->key,
                                .value = message->value};
        dump_record_data(dump, &record);
    }
    if (!dump->failed) {
        putchar('\n');
    }
    arena_reset(&dump->arena);
}

#define LZ4_DESCRIPTOR_AT 4
#define LZ4_DESCRIPTOR_BYTES 3 /* flags, size of blocks, checksum */
#define LZ4_HAS_SIZE 0x08
#define LZ4_HAS_DICTIONARY 0x01

/* Clients of format 0 took the checksum of an lz4 frame's descriptor over the frame's magic, too,
 * and so it says nothing: whichever fits is put in its place. */
static int legacy_unpack_lz4(struct bytes_view packed, struct writer *plain)
{
    uint8_t *copy = mem_alloc(packed.size + 1);
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    memcpy(copy, packed.data, packed.size);
    uint8_t flags = packed.size > LZ4_DESCRIPTOR_AT ? copy[LZ4_DESCRIPTOR_AT] : 0;
    size_t at = LZ4_DESCRIPTOR_AT + LZ4_DESCRIPTOR_BYTES - 1 + (flags & LZ4_HAS_SIZE ? 8 : 0) +
                (flags & LZ4_HAS_DICTIONARY ? 4 : 0);
    int error = ERR_CORRUPT;
    for (int checksum = 0; error == ERR_CORRUPT && at < packed.size && checksum < 256;
         checksum++) {
        copy[at] = (uint8_t)checksum;
        plain->size = 0;
        error = decompress_append(BATCH_CODEC_LZ4, (struct bytes_view){copy, packed.size}, plain);
    }
    mem_free(copy);
    return error;
}

static int legacy_unpack(const struct legacy *wrapper, struct writer *plain)
{
    enum batch_codec codec = (enum batch_codec)legacy_codec(wrapper);
    return codec == BATCH_CODEC_LZ4 && wrapper->magic == 0
               ? legacy_unpack_lz4(wrapper->value, plain)
               : decompress_append(codec, wrapper->value, plain);
}

/* Goes through the messages in plain: their number, and the offset of the last. With last known,
 * prints them. False: the run has failed. */
static bool legacy_inner(struct dump *dump, const char *path, const struct legacy *wrapper,
                         struct bytes_view plain, int32_t *count, int64_t *last,
                         int64_t *last_offset)
{
    int64_t base = wrapper->magic > 0 ? wrapper->offset - *last : 0;
    *count = 0;
    for (size_t at = 0; plain.size - at >= BATCH_PREFIX_BYTES;) {
        struct legacy message;
        int64_t size = batch_view_size(plain.data + at, plain.size - at);
        if (size < BATCH_PREFIX_BYTES + LEGACY_SIZE_MIN) {
            legacy_fail(dump, "org.apache.kafka.common.errors.CorruptRecordException: Record size "
                              "is less than the minimum record overhead (14)");
            return false;
        }
        if ((uint64_t)size > plain.size - at) {
            return true; /* cut off: as Apache Kafka, what is whole counts */
        }
        legacy_parse((struct bytes_view){plain.data + at, (size_t)size}, &message);
        if (legacy_codec(&message) != BATCH_CODEC_NONE) {
            legacy_fail(dump, "org.apache.kafka.common.InvalidRecordException: Inner messages must "
                              "not be compressed");
            return false;
        }
        *count += 1;
        if (last_offset == NULL) {
            *last = message.offset;
        } else if (!message.whole) {
            legacy_fail(dump, "java.lang.IndexOutOfBoundsException");
            return false;
        } else {
            message.offset += base;
            if ((wrapper->attributes & LEGACY_APPEND_TIME) != 0 && message.magic > 0) {
                message.timestamp_ms = wrapper->timestamp_ms;
            }
            legacy_record(dump, path, wrapper, &message, last_offset);
        }
        at += (size_t)size;
    }
    return true;
}

static void legacy_compressed(struct dump *dump, const char *path, const struct legacy *wrapper,
                              int64_t *last_offset)
{
    struct writer plain;
    char text[160];
    if (legacy_codec(wrapper) == BATCH_CODEC_ZSTD) {
        snprintf(text, sizeof text, "org.apache.kafka.common.InvalidRecordException: Invalid "
                 "wrapper compressionType found in legacy deep record iterator %d",
                 wrapper->magic);
        legacy_fail(dump, text);
        return;
    }
    if (wrapper->value.data == NULL) {
        snprintf(text, sizeof text, "org.apache.kafka.common.InvalidRecordException: Found invalid "
                 "compressed record set with null value (magic = %d)", wrapper->magic);
        legacy_fail(dump, text);
        return;
    }
    writer_init(&plain, LEGACY_BYTES_MAX);
    int error = legacy_unpack(wrapper, &plain);
    struct bytes_view messages = {plain.data, plain.size};
    int32_t count = 0;
    int64_t last = 0;
    if (error != 0) {
        snprintf(text, sizeof text, "org.apache.kafka.common.KafkaException: the value at offset "
                 "%" PRId64 " cannot be unpacked: %s", wrapper->offset, err_text(error));
        legacy_fail(dump, text);
    } else if (!legacy_inner(dump, path, wrapper, messages, &count, &last, NULL)) {
        ; /* told */
    } else if (count == 0) {
        legacy_fail(dump, "org.apache.kafka.common.InvalidRecordException: Found invalid "
                          "compressed record set with no inner records");
    } else {
        (void)legacy_inner(dump, path, wrapper, messages, &count, &last, last_offset);
    }
    writer_release(&plain);
}

void dump_legacy(struct dump *dump, const char *path, struct bytes_view data, size_t position,
                 int64_t *last_offset)
{
    struct legacy message;
    char text[120];
    legacy_parse(data, &message);
    unsigned codec = legacy_codec(&message);
    printf("offset: %" PRId64, message.offset);
    if (message.magic < 0) {
        snprintf(text, sizeof text, "java.lang.IllegalArgumentException: Invalid magic used in "
                 "LegacyRecord: %d", message.magic);
        legacy_fail(dump, text);
        return;
    }
    if (codec >= BATCH_CODEC_COUNT) {
        snprintf(text, sizeof text, "java.lang.IllegalArgumentException: Unknown compression type "
                 "id: %u", codec);
        legacy_fail(dump, text);
        return;
    }
    printf(" position: %zu %s: %" PRId64 " size: %zu magic: %d compresscodec: %s crc: %u isvalid: "
           "%s\n", position, legacy_type(&message), message.timestamp_ms, data.size,
           message.magic, compress_codec_name((enum batch_codec)codec), message.crc,
           message.valid ? "true" : "false");
    if (!dump->options.deep) {
        return;
    }
    if (!message.whole) {
        legacy_fail(dump, "java.lang.IndexOutOfBoundsException");
    } else if (codec == BATCH_CODEC_NONE) {
        legacy_record(dump, path, &message, &message, last_offset);
    } else {
        legacy_compressed(dump, path, &message, last_offset);
    }
}

int64_t dump_legacy_time(struct bytes_view data)
{
    struct legacy message;
    legacy_parse(data, &message);
    return message.timestamp_ms;
}
