/* dump_json.c: messages as the JSON that Kafka's own converters write. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/uuid.h"
#include "protocol/codec_internal.h"
#include "protocol/messages.h"
#include "tools/common.h"
#include "tools/dump.h"

#define NESTED_BYTES_MAX ((size_t)16 << 20)

/* A message and its version; nested: with those that are in bytes of it. */
struct json_form {
    int16_t version;
    bool nested;
};

static void json_struct(const struct codec_struct *row, struct json_form form, const void *message);

/* snake_case to camelCase; Kafka's KRaft is one word of ours. */
static void json_name(const char *name)
{
    static const char word[] = "kraft";
    putchar('"');
    if (strncmp(name, word, sizeof word - 1) == 0) {
        printf("kRaft");
        name += sizeof word - 1;
    }
    for (bool upper = false; *name != '\0'; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        putchar(upper ? toupper((unsigned char)*name) : *name);
        upper = false;
    }
    printf("\":");
}

static void json_string(struct string_view text)
{
    putchar('"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        const char *plain = "\"\\\b\f\n\r\t";
        const char *found = byte != '\0' ? strchr(plain, byte) : NULL;
        if (found != NULL) {
            printf("\\%c", "\"\\bfnrt"[found - plain]);
        } else if (byte < 0x20) {
            printf("\\u%04X", byte);
        } else {
            putchar(byte);
        }
    }
    putchar('"');
}

static void json_base64(const uint8_t *data, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    putchar('"');
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0);
        putchar(digits[bits >> 18 & 63]);
        putchar(digits[bits >> 12 & 63]);
        putchar(left > 1 ? digits[bits >> 6 & 63] : '=');
        putchar(left > 2 ? digits[bits & 63] : '=');
    }
    putchar('"');
}

/* Subscriptions and assignments of classic groups are messages of their own, behind a version.
 * False when the bytes are something else. */
static bool json_nested(const struct codec_field *field, struct bytes_view bytes)
{
    const struct codec_struct *row =
        strcmp(field->name, "subscription") == 0 ? &consumer_protocol_subscription_row
        : strcmp(field->name, "assignment") == 0 ? &consumer_protocol_assignment_row
                                                 : NULL;
    struct arena arena;
    struct reader reader;
    if (row == NULL || bytes.data == NULL || bytes.size == 0) {
        return false;
    }
    arena_init(&arena, NESTED_BYTES_MAX);
    reader_init(&reader, bytes.data, bytes.size);
    int16_t version = reader_i16(&reader);
    void *message = arena_alloc(&arena, row->size);
    bool known = message != NULL && codec_decode(row, &reader, version, &arena, message) == 0;
    if (known) {
        json_struct(row, (struct json_form){version, true}, message);
    }
    arena_release(&arena);
    return known;
}

static void json_double(double value)
{
    char text[TOOLS_NUMBER_BYTES];
    bool special = isnan(value) || isinf(value);
    tools_java_double(value, text);
    printf(special ? "\"%s\"" : "%s", text);
}

static void json_value(const struct codec_field *field, struct json_form form, const void *value)
{
    const struct bytes_view *bytes = value;
    char id[UUID_TEXT_BYTES];
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        printf("%s", *(const bool *)value ? "true" : "false");
        return;
    case CODEC_INT8:
    case CODEC_INT16:
    case CODEC_UINT16:
    case CODEC_INT32:
    case CODEC_UINT32:
    case CODEC_INT64:
        printf("%" PRId64, codec_load(field, value));
        return;
    case CODEC_FLOAT64:
        json_double(*(const double *)value);
        return;
    case CODEC_UUID:
        printf("\"%s\"", uuid_format(*(const struct uuid *)value, id));
        return;
    case CODEC_STRING:
        if (bytes->data == NULL) {
            printf("null");
        } else {
            json_string(*(const struct string_view *)value);
        }
        return;
    case CODEC_BYTES:
    case CODEC_RECORDS:
        if (bytes->data == NULL) {
            printf("null");
        } else if (!form.nested || !json_nested(field, *bytes)) {
            json_base64(bytes->data, bytes->size);
        }
        return;
    case CODEC_STRUCT:
        json_struct(field->element, form, value);
        return;
    }
}

static void json_field(const struct codec_field *field, struct json_form form, const void *value)
{
    if (field->flags & CODEC_ARRAY) {
        const struct codec_array *array = value;
        size_t size = codec_size_of(field);
        if (array->count < 0) {
            printf("null");
            return;
        }
        putchar('[');
        for (int32_t i = 0; i < array->count; i++) {
            printf("%s", i > 0 ? "," : "");
            json_value(field, form, (const uint8_t *)array->items + (size_t)i * size);
        }
        putchar(']');
    } else if (!(field->flags & CODEC_POINTER)) {
        json_value(field, form, value);
    } else if (*(void *const *)value == NULL) {
        printf("null");
    } else {
        json_value(field, form, *(void *const *)value);
    }
}

static void json_struct(const struct codec_struct *row, struct json_form form, const void *message)
{
    bool first = true;
    putchar('{');
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        const void *value = (const uint8_t *)message + field->offset;
        bool tagged = codec_is_tagged(field, form.version);
        bool there = codec_in(field->versions, form.version) || tagged;
        if (!there || (tagged && codec_is_default(field, value))) {
            continue;
        }
        printf("%s", first ? "" : ",");
        json_name(field->name);
        json_field(field, form, value);
        first = false;
    }
    putchar('}');
}

void dump_json(const struct codec_struct *row, int16_t version, const void *message)
{
    json_struct(row, (struct json_form){version, true}, message);
}

void dump_json_plain(const struct codec_struct *row, int16_t version, const void *message)
{
    json_struct(row, (struct json_form){version, false}, message);
}
