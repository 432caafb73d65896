#include "tools/console_format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "protocol/messages.h"
#include "tools/common.h"
#include "tools/dump.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20)
#define DESERIALIZERS "org.apache.kafka.common.serialization."

static const struct {
    const char *name;
    enum console_kind kind;
} formatters[] = {{"DefaultMessageFormatter", CONSOLE_PARTS},
                  {"LoggingMessageFormatter", CONSOLE_PARTS},
                  {"NoOpMessageFormatter", CONSOLE_NOTHING},
                  {"OffsetsMessageFormatter", CONSOLE_OFFSETS},
                  {"GroupMetadataMessageFormatter", CONSOLE_GROUPS},
                  {"TransactionLogMessageFormatter", CONSOLE_TRANSACTIONS}};
#define FORMATTER_COUNT (sizeof formatters / sizeof formatters[0])

static bool format_kind(const char *class_name, enum console_kind *kind)
{
    const char *dot = class_name != NULL ? strrchr(class_name, '.') : NULL;
    const char *name = dot != NULL ? dot + 1 : class_name;
    *kind = CONSOLE_PARTS;
    for (size_t i = 0; name != NULL && i < FORMATTER_COUNT; i++) {
        if (strcmp(formatters[i].name, name) == 0) {
            *kind = formatters[i].kind;
            return true;
        }
    }
    return name == NULL;
}

bool console_format_is_known(const char *class_name)
{
    enum console_kind unused;
    return format_kind(class_name, &unused);
}

static enum console_type format_type(const char *class_name)
{
    static const struct {
        const char *name;
        enum console_type type;
    } types[] = {{"StringDeserializer", CONSOLE_STRING}, {"BytesDeserializer", CONSOLE_BYTES},
                 {"ByteArrayDeserializer", CONSOLE_RAW}, {"ByteBufferDeserializer", CONSOLE_BUFFER},
                 {"ShortDeserializer", CONSOLE_SHORT},   {"IntegerDeserializer", CONSOLE_INT},
                 {"LongDeserializer", CONSOLE_LONG},     {"FloatDeserializer", CONSOLE_FLOAT},
                 {"DoubleDeserializer", CONSOLE_DOUBLE}, {"BooleanDeserializer", CONSOLE_BOOLEAN},
                 {"UUIDDeserializer", CONSOLE_UUID},     {"VoidDeserializer", CONSOLE_VOID}};
    if (class_name == NULL) {
        return CONSOLE_RAW;
    }
    size_t package = strlen(DESERIALIZERS);
    bool own = strncmp(class_name, DESERIALIZERS, package) == 0;
    for (size_t i = 0; own && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, class_name + package) == 0) {
            return types[i].type;
        }
    }
    fprintf(stderr, "Unable to instantiate a deserializer from %s\n"
                    "java.lang.ClassNotFoundException: %s\n", class_name, class_name);
    return CONSOLE_RAW;
}

static bool format_flag(const struct bnb_config *properties, const char *name, bool fallback)
{
    const char *value = bnb_config_get(properties, name);
    return value != NULL ? strcasecmp(value, "true") == 0 : fallback;
}

static const char *format_text(const struct bnb_config *properties, const char *name,
                               const char *fallback)
{
    const char *value = bnb_config_get(properties, name);
    return value != NULL ? value : fallback;
}

void console_format_setup(struct console_format *format, const struct args *args,
                          const struct bnb_config *properties)
{
    const char *key = args_value(args, "key-deserializer");
    const char *value = args_value(args, "value-deserializer");
    *format = (struct console_format){
        .timestamp = format_flag(properties, "print.timestamp", false),
        .partition = format_flag(properties, "print.partition", false),
        .offset = format_flag(properties, "print.offset", false),
        .delivery = format_flag(properties, "print.delivery", false),
        .epoch = format_flag(properties, "print.epoch", false),
        .headers = format_flag(properties, "print.headers", false),
        .key = format_flag(properties, "print.key", false),
        .value = format_flag(properties, "print.value", true),
        .key_separator = format_text(properties, "key.separator", "\t"),
        .line_separator = format_text(properties, "line.separator", "\n"),
        .headers_separator = format_text(properties, "headers.separator", ","),
        .null_literal = format_text(properties, "null.literal", "null"),
        .key_type = format_type(key != NULL ? key : bnb_config_get(properties,
                                                                   "key.deserializer")),
        .value_type = format_type(value != NULL ? value : bnb_config_get(properties,
                                                                         "value.deserializer")),
        .header_type = format_type(bnb_config_get(properties, "headers.deserializer")),
    };
    (void)format_kind(args_value(args, "formatter"), &format->kind);
    arena_init(&format->arena, RECORD_BYTES_MAX);
}

void console_format_release(struct console_format *format) { arena_release(&format->arena); }

/* ---- parts ---- */

/* As Bytes.toString has them: what is not printable as \xNN. */
static void print_escaped(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= ' ' && data[i] <= '~' && data[i] != '\\') {
            putchar(data[i]);
        } else {
            printf("\\x%02X", data[i]);
        }
    }
}

/* The bytes that a number has, and what its class is called when there are others. */
static bool has_size(struct console_format *format, const char *class_name, size_t expected,
                     size_t size)
{
    if (size != expected) {
        snprintf(format->error, sizeof format->error,
                 "org.apache.kafka.common.errors.SerializationException: Size of data received by "
                 "%s is not %zu", class_name, expected);
    }
    return size == expected;
}

static bool print_boolean(struct console_format *format, struct reader *reader)
{
    uint8_t byte = reader_u8(reader);
    if (byte > 1) {
        snprintf(format->error, sizeof format->error,
                 "org.apache.kafka.common.errors.SerializationException: Unexpected byte received "
                 "by BooleanDeserializer: %d", (int8_t)byte);
        return false;
    }
    fputs(byte == 1 ? "true" : "false", stdout);
    return true;
}

/* Five groups of digits, which Java prints in full and in lower case. */
static bool print_uuid(struct console_format *format, const uint8_t *data, size_t size)
{
    static const int widths[5] = {8, 4, 4, 4, 12};
    uint64_t groups[5] = {0};
    size_t at = 0;
    bool good = size <= 36;
    for (int i = 0; good && i < 5; i++) {
        size_t from = at;
        for (; at < size && data[at] != '-' && good; at++) {
            int digit = isdigit(data[at]) ? data[at] - '0' : (data[at] | 0x20) - 'a' + 10;
            good = isxdigit(data[at]) != 0;
            groups[i] = groups[i] << 4 | (uint64_t)(digit & 15);
        }
        good = good && at > from && (i < 4 ? at < size : at == size);
        at += i < 4;
    }
    if (!good) {
        snprintf(format->error, sizeof format->error,
                 "org.apache.kafka.common.errors.SerializationException: Error parsing data into "
                 "UUID");
        return false;
    }
    for (int i = 0; i < 5; i++) {
        uint64_t kept = groups[i] & ((UINT64_C(1) << 4 * widths[i]) - 1);
        printf("%s%0*" PRIx64, i > 0 ? "-" : "", widths[i], kept);
    }
    return true;
}

static bool print_number(struct console_format *format, enum console_type type,
                         struct reader *reader)
{
    char text[TOOLS_NUMBER_BYTES];
    uint32_t bits;
    float value;
    size_t size = reader_left(reader);
    switch (type) {
    case CONSOLE_SHORT:
        return has_size(format, "ShortDeserializer", 2, size) &&
               printf("%d", reader_i16(reader)) > 0;
    case CONSOLE_INT:
        return has_size(format, "IntegerDeserializer", 4, size) &&
               printf("%d", reader_i32(reader)) > 0;
    case CONSOLE_LONG:
        return has_size(format, "LongDeserializer", 8, size) &&
               printf("%" PRId64, reader_i64(reader)) > 0;
    case CONSOLE_FLOAT:
        bits = reader_u32(reader);
        memcpy(&value, &bits, sizeof value);
        tools_java_float(value, text);
        return has_size(format, "Deserializer", 4, size) && fputs(text, stdout) >= 0;
    default:
        tools_java_double(reader_f64(reader), text);
        return has_size(format, "Deserializer", 8, size) && fputs(text, stdout) >= 0;
    }
}

/* False with error set. */
static bool print_part(struct console_format *format, enum console_type type, const void *data,
                       size_t size)
{
    struct reader reader;
    if (data == NULL) {
        data = format->null_literal;
        size = strlen(format->null_literal);
    }
    reader_init(&reader, data, size);
    switch (type) {
    case CONSOLE_RAW:
        fwrite(data, 1, size, stdout);
        return true;
    case CONSOLE_STRING:
        dump_text((struct bytes_view){data, size});
        return true;
    case CONSOLE_BYTES:
        print_escaped(data, size);
        return true;
    case CONSOLE_BUFFER:
        printf("java.nio.HeapByteBuffer[pos=0 lim=%zu cap=%zu]", size, size);
        return true;
    case CONSOLE_BOOLEAN:
        return has_size(format, "BooleanDeserializer", 1, size) && print_boolean(format, &reader);
    case CONSOLE_UUID:
        return print_uuid(format, data, size);
    case CONSOLE_VOID:
        snprintf(format->error, sizeof format->error, "java.lang.IllegalArgumentException: Data "
                 "should be null for a VoidDeserializer.");
        return false;
    case CONSOLE_SHORT:
    case CONSOLE_INT:
    case CONSOLE_LONG:
    case CONSOLE_FLOAT:
    case CONSOLE_DOUBLE:
        break;
    }
    return print_number(format, type, &reader);
}

static bool print_headers(struct console_format *format, const struct bnb_consumer_record *record)
{
    bool good = true;
    for (int32_t i = 0; good && i < record->header_count; i++) {
        printf("%s%s:", i > 0 ? format->headers_separator : "", record->headers[i].key);
        good = print_part(format, format->header_type, record->headers[i].value,
                          record->headers[i].value_size);
    }
    if (record->header_count == 0) {
        fputs("NO_HEADERS", stdout);
    }
    return good;
}

static void print_timestamp(const struct bnb_consumer_record *record)
{
    if (record->timestamp_type == BNB_TIMESTAMP_NONE) {
        fputs("NO_TIMESTAMP", stdout);
    } else {
        printf("%s:%" PRId64, record->timestamp_type == BNB_TIMESTAMP_CREATE ? "CreateTime"
                                                                              : "LogAppendTime",
               record->timestamp_ms);
    }
}

/* Between two parts; nothing before the first. */
static void print_separator(const struct console_format *format, bool *any)
{
    if (*any) {
        fputs(format->key_separator, stdout);
    }
    *any = true;
}

static void print_place(struct console_format *format, const struct bnb_consumer_record *record,
                        bool *any)
{
    if (format->timestamp) {
        print_separator(format, any);
        print_timestamp(record);
    }
    if (format->partition) {
        print_separator(format, any);
        printf("Partition:%d", record->partition);
    }
    if (format->offset) {
        print_separator(format, any);
        printf("Offset:%" PRId64, record->offset);
    }
    if (format->delivery) {
        print_separator(format, any);
        fputs("Delivery:NOT_PRESENT", stdout);
    }
    if (format->epoch) {
        print_separator(format, any);
        fputs("Epoch:NOT_PRESENT", stdout); /* Kafka's tool does not pass it on */
    }
}

static bool print_parts(struct console_format *format, const struct bnb_consumer_record *record)
{
    bool any = false;
    bool good = true;
    print_place(format, record, &any);
    if (format->headers) {
        print_separator(format, &any);
        good = print_headers(format, record);
    }
    if (good && format->key) {
        print_separator(format, &any);
        good = print_part(format, format->key_type, record->key, record->key_size);
    }
    if (good && format->value) {
        print_separator(format, &any);
        good = print_part(format, format->value_type, record->value, record->value_size);
    }
    if (good) {
        fputs(format->line_separator, stdout);
    }
    return good;
}

/* ---- records of the coordinators ---- */

struct coordinator_rows {
    enum console_kind kind;
    int16_t type;
    const struct codec_struct *key;
    const struct codec_struct *value;
};

static const struct coordinator_rows *rows_find(enum console_kind kind, int16_t type)
{
    static const struct coordinator_rows rows[] = {
        {CONSOLE_OFFSETS, 0, &legacy_offset_commit_key_row, &legacy_offset_commit_value_row},
        {CONSOLE_OFFSETS, 1, &offset_commit_key_row, &offset_commit_value_row},
        {CONSOLE_GROUPS, 2, &group_metadata_key_row, &group_metadata_value_row},
        {CONSOLE_TRANSACTIONS, 0, &transaction_log_key_row, &transaction_log_value_row},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].kind == kind && rows[i].type == type) {
            return &rows[i];
        }
    }
    return NULL;
}

static const void *decode(struct console_format *format, const struct codec_struct *row,
                          int16_t version, struct reader *reader)
{
    void *message = arena_alloc(&format->arena, row->size);
    return message != NULL && codec_decode(row, reader, version, &format->arena, message) == 0
               ? message : NULL;
}

static bool unreadable(struct console_format *format, const struct bnb_consumer_record *record,
                       const char *why)
{
    snprintf(format->error, sizeof format->error,
             "java.lang.RuntimeException: Could not read record at offset %" PRId64 " due to: %s",
             record->offset, why);
    return false;
}

static bool print_coordinator(struct console_format *format,
                              const struct bnb_consumer_record *record)
{
    struct reader key;
    struct reader value;
    int16_t version = 0;
    const void *value_message = NULL;
    reader_init(&key, record->key, record->key_size);
    reader_init(&value, record->value, record->value_size);
    int16_t type = reader_i16(&key);
    const struct coordinator_rows *rows = rows_find(format->kind, type);
    if (record->key == NULL || (!key.failed && rows == NULL)) {
        return true;
    }
    if (key.failed) {
        return unreadable(format, record, "Could not read version from key's buffer.");
    }
    arena_reset(&format->arena);
    const void *key_message = decode(format, rows->key, 0, &key);
    if (record->value != NULL) {
        version = reader_i16(&value);
        value_message = decode(format, rows->value, version, &value);
    }
    if (key_message == NULL || (record->value != NULL && value_message == NULL)) {
        return unreadable(format, record, key_message == NULL ? "its key is damaged"
                                                              : "its value is damaged");
    }
    printf("{\"key\":{\"type\":%d,\"data\":", type);
    dump_json_plain(rows->key, 0, key_message);
    fputs("},\"value\":", stdout);
    if (value_message == NULL) {
        fputs("null}", stdout);
        return true;
    }
    printf("{\"version\":%d,\"data\":", version);
    dump_json_plain(rows->value, version, value_message);
    fputs("}}", stdout);
    return true;
}

bool console_format_print(struct console_format *format, const struct bnb_consumer_record *record)
{
    switch (format->kind) {
    case CONSOLE_NOTHING:
        return true;
    case CONSOLE_PARTS:
        return print_parts(format, record);
    case CONSOLE_OFFSETS:
    case CONSOLE_GROUPS:
    case CONSOLE_TRANSACTIONS:
        break;
    }
    return print_coordinator(format, record);
}
