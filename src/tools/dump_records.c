/* dump_records.c: keys and values of records, decoded by the topic they come from. */
#include <ctype.h>
#include <stdio.h>

#include "base/reader.h"
#include "tools/dump.h"
#include "tools/dump_tables.h"

/* Frame version before every metadata record. */
#define METADATA_FRAME_VERSION 1

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};

/* "FeatureLevelRecord" to "FEATURE_LEVEL_RECORD". */
static void record_print_type(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (at != name && isupper((unsigned char)*at)) {
            putchar('_');
        }
        putchar(toupper((unsigned char)*at));
    }
}

/* Decodes and prints; false when the bytes are no such message. */
static bool record_print_message(struct dump *dump, const struct codec_struct *row,
                                 int16_t version, struct reader *reader)
{
    void *message = arena_alloc(&dump->arena, row->size);
    if (message == NULL ||
        codec_decode(row, reader, version, &dump->arena, message) != 0) {
        return false;
    }
    dump_json(row, version, message);
    return true;
}

/* Reads as the class does: too few bytes end the run. False then. */
static bool record_decodes(struct dump *dump, enum dump_class class, struct bytes_view bytes)
{
    size_t need = class == DUMP_CLASS_INTEGER ? 4 : class == DUMP_CLASS_LONG ? 8 : 0;
    if (bytes.data != NULL && bytes.size < need) {
        fflush(stdout);
        fprintf(stderr, "java.nio.BufferUnderflowException\n");
        dump->failed = true;
    }
    return !dump->failed;
}

static bool utf8_continues(struct bytes_view bytes, size_t at)
{
    return at < bytes.size && (bytes.data[at] & 0xc0) == 0x80;
}

/* Whether the second byte may be there behind a lead of three or four: the form is no longer than
 * needed, and nothing is beyond U+10FFFF. */
static bool utf8_seconds(struct bytes_view bytes)
{
    uint8_t lead = bytes.data[0];
    if (!utf8_continues(bytes, 1)) {
        return false;
    }
    uint8_t second = bytes.data[1];
    return !(lead == 0xe0 && second < 0xa0) && !(lead == 0xf0 && second < 0x90) &&
           !(lead == 0xf4 && second > 0x8f);
}

/* The bytes that Java reads as one character or, when they are none, as one U+FFFD. */
static size_t utf8_take(struct bytes_view bytes, bool *is_character)
{
    uint8_t lead = bytes.data[0];
    size_t wanted = lead < 0x80                    ? 1
                    : lead >= 0xc2 && lead <= 0xdf ? 2
                    : lead >= 0xe0 && lead <= 0xef ? 3
                    : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                   : 0;
    size_t size = 1;
    if (wanted == 2 ? utf8_continues(bytes, 1) : wanted > 2 && utf8_seconds(bytes)) {
        for (size = 2; size < wanted && utf8_continues(bytes, size);) {
            size++;
        }
    }
    /* Half of a surrogate pair is three bytes that are whole, but no character. */
    *is_character = size == wanted && !(lead == 0xed && bytes.data[1] >= 0xa0);
    return size;
}

void dump_text(struct bytes_view bytes)
{
    while (bytes.size > 0) {
        bool is_character;
        size_t size = utf8_take(bytes, &is_character);
        fwrite(is_character ? (const char *)bytes.data : "\xef\xbf\xbd", 1,
               is_character ? size : 3, stdout);
        bytes = (struct bytes_view){bytes.data + size, bytes.size - size};
    }
}

static void record_print_value(const char *title, enum dump_class class, struct bytes_view bytes)
{
    struct reader reader;
    if (bytes.data == NULL) {
        return;
    }
    printf(" %s: ", title);
    reader_init(&reader, bytes.data, bytes.size);
    switch (class) {
    case DUMP_CLASS_STRING:
    case DUMP_CLASS_BYTES:
        dump_text(bytes);
        return;
    case DUMP_CLASS_INTEGER:
        printf("%d", reader_i32(&reader));
        return;
    case DUMP_CLASS_LONG:
        printf("%lld", (long long)reader_i64(&reader));
        return;
    }
}

/* place: "" or "offset ", as the decoder says where it failed. */
static void record_metadata(struct dump *dump, const struct record *record,
                            const struct dump_message *rows, const char *place)
{
    struct reader reader;
    struct bytes_view value = record->value;
    reader_init(&reader, value.data, value.size);
    uint32_t frame = reader_uvarint(&reader);
    uint32_t key = reader_uvarint(&reader);
    uint32_t version = reader_uvarint(&reader);
    printf(" payload: ");
    while (rows->row != NULL && (uint32_t)rows->key != key) {
        rows++;
    }
    if (reader.failed || frame != METADATA_FRAME_VERSION || rows->row == NULL) {
        printf("Error at %s%lld, skipping. ", place, (long long)record->offset);
        if (frame != METADATA_FRAME_VERSION) {
            printf("Could not deserialize metadata record due to unknown frame version %u(only "
                   "frame version %d is supported)", frame, METADATA_FRAME_VERSION);
        } else {
            printf("the record is not known");
        }
        return;
    }
    printf("{\"type\":\"");
    record_print_type(rows->row->name);
    printf("\",\"version\":%u,\"data\":", version);
    if (!record_print_message(dump, rows->row, (int16_t)version, &reader)) {
        printf("null");
    }
    printf("}");
}

static void record_coordinator(struct dump *dump, const struct record *record,
                               const struct dump_pair *rows)
{
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    int16_t type = reader_i16(&reader);
    if (record->key.data == NULL) {
        fflush(stdout);
        fprintf(stderr, "Failed to decode message at offset %lld using the specified decoder "
                        "(message had a missing key)\n", (long long)record->offset);
        dump->failed = true;
        return;
    }
    while (rows->key_row != NULL && rows->key != type) {
        rows++;
    }
    if (reader.failed || rows->key_row == NULL) {
        printf(" key: Unknown record type %d at offset %lld, skipping.", type,
               (long long)record->offset);
        return;
    }
    printf(" key: {\"type\":\"%d\",\"data\":", type);
    if (!record_print_message(dump, rows->key_row, 0, &reader)) {
        printf("null");
    }
    printf("} payload: ");
    if (record->value.data == NULL) {
        printf("<DELETE>");
        return;
    }
    reader_init(&reader, record->value.data, record->value.size);
    int16_t version = reader_i16(&reader);
    printf("{\"version\":\"%d\",\"data\":", version);
    if (!record_print_message(dump, rows->value_row, version, &reader)) {
        printf("null");
    }
    printf("}");
}

void dump_record_data(struct dump *dump, const struct record *record)
{
    switch (dump->options.decoder) {
    case DUMP_METADATA:
        record_metadata(dump, record, dump_metadata_records, "");
        return;
    case DUMP_REMOTE:
        record_metadata(dump, record, dump_remote_records, "offset ");
        return;
    case DUMP_OFFSETS:
        record_coordinator(dump, record, dump_group_records);
        return;
    case DUMP_TRANSACTIONS:
        record_coordinator(dump, record, dump_transaction_records);
        return;
    case DUMP_SHARE:
        record_coordinator(dump, record, dump_share_records);
        return;
    case DUMP_STRING:
        if (record_decodes(dump, dump->options.key_class, record->key) &&
            record_decodes(dump, dump->options.value_class, record->value)) {
            record_print_value("key", dump->options.key_class, record->key);
            record_print_value("payload", dump->options.value_class, record->value);
        }
        return;
    }
}

static void control_message(struct dump *dump, const char *title, const struct codec_struct *row,
                            struct bytes_view value)
{
    struct reader reader;
    reader_init(&reader, value.data, value.size);
    struct reader ahead = reader;
    int16_t version = reader_i16(&ahead); /* the message's first field is its version */
    printf(" %s ", title);
    if (value.data == NULL || !record_print_message(dump, row, version, &reader)) {
        printf("null");
    }
}

void dump_control(struct dump *dump, const struct record *record)
{
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.data != NULL ? record->key.size : 0);
    (void)reader_i16(&reader);
    int16_t type = reader_i16(&reader);
    struct reader value;
    reader_init(&value, record->value.data, record->value.data != NULL ? record->value.size : 0);
    switch (reader.failed ? -1 : type) {
    case CONTROL_ABORT:
    case CONTROL_COMMIT:
        (void)reader_i16(&value);
        printf(" endTxnMarker: %s coordinatorEpoch: %d",
               type == CONTROL_COMMIT ? "COMMIT" : "ABORT", reader_i32(&value));
        return;
    case CONTROL_LEADER_CHANGE:
        control_message(dump, "LeaderChange:", &leader_change_message_row, record->value);
        return;
    case CONTROL_SNAPSHOT_HEADER:
        control_message(dump, "SnapshotHeader", &snapshot_header_record_row, record->value);
        return;
    case CONTROL_SNAPSHOT_FOOTER:
        control_message(dump, "SnapshotFooter", &snapshot_footer_record_row, record->value);
        return;
    case CONTROL_KRAFT_VERSION:
        control_message(dump, "KRaftVersion", &kraft_version_record_row, record->value);
        return;
    case CONTROL_KRAFT_VOTERS:
        control_message(dump, "KRaftVoters", &voters_record_row, record->value);
        return;
    default: /* types from the disk */
        printf(" controlType: UNKNOWN(%d)", type);
        return;
    }
}
