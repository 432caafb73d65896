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

static void record_print_raw(struct bytes_view bytes)
{
    fwrite(bytes.data, 1, bytes.size, stdout);
}

static void record_metadata(struct dump *dump, struct bytes_view value,
                            const struct dump_message *rows)
{
    struct reader reader;
    reader_init(&reader, value.data, value.size);
    uint32_t frame = reader_uvarint(&reader);
    uint32_t key = reader_uvarint(&reader);
    uint32_t version = reader_uvarint(&reader);
    printf(" payload: ");
    while (rows->row != NULL && (uint32_t)rows->key != key) {
        rows++;
    }
    if (reader.failed || frame != METADATA_FRAME_VERSION || rows->row == NULL) {
        printf("Error at %u, skipping. the record is not known", frame);
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
    while (rows->key_row != NULL && rows->key != type) {
        rows++;
    }
    if (record->key.data == NULL || reader.failed || rows->key_row == NULL) {
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
        record_metadata(dump, record->value, dump_metadata_records);
        return;
    case DUMP_REMOTE:
        record_metadata(dump, record->value, dump_remote_records);
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
        if (record->key.data != NULL) {
            printf(" key: ");
            record_print_raw(record->key);
        }
        if (record->value.data != NULL) {
            printf(" payload: ");
            record_print_raw(record->value);
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
