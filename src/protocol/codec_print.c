#include <inttypes.h>
#include <stdio.h>

#include "base/uuid.h"
#include "protocol/codec_internal.h"

static void codec_print_struct(const struct codec_struct *row, struct writer *text, int16_t version,
                               const void *message);

static void codec_print_text(struct writer *text, const char *piece)
{
    writer_bytes(text, piece, strlen(piece));
}

static void codec_print_string(struct writer *text, struct string_view string)
{
    codec_print_text(text, "\"");
    for (size_t i = 0; i < string.size; i++) {
        unsigned char byte = (unsigned char)string.data[i];
        if (byte == '"' || byte == '\\') {
            writer_i8(text, '\\');
        }
        if (byte < 0x20) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            codec_print_text(text, escape);
        } else {
            writer_i8(text, (int8_t)byte);
        }
    }
    codec_print_text(text, "\"");
}

static void codec_print_blob(struct writer *text, const struct codec_field *field,
                             const void *value)
{
    const struct bytes_view *bytes = value; /* the common start of all three views */
    char size[48];
    if (bytes->data == NULL) {
        codec_print_text(text, "null");
    } else if (field->kind == CODEC_STRING) {
        codec_print_string(text, *(const struct string_view *)value);
    } else {
        snprintf(size, sizeof size, "{\"size\":%zu}", bytes->size);
        codec_print_text(text, size);
    }
}

static void codec_print_value(const struct codec_field *field, struct writer *text, int16_t version,
                              const void *value)
{
    char number[64];
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        codec_print_text(text, *(const bool *)value ? "true" : "false");
        break;
    case CODEC_INT8:
    case CODEC_INT16:
    case CODEC_UINT16:
    case CODEC_INT32:
    case CODEC_UINT32:
    case CODEC_INT64:
        snprintf(number, sizeof number, "%" PRId64, codec_load(field, value));
        codec_print_text(text, number);
        break;
    case CODEC_FLOAT64:
        snprintf(number, sizeof number, "%.17g", *(const double *)value);
        codec_print_text(text, number);
        break;
    case CODEC_UUID: {
        char id[UUID_TEXT_BYTES];
        codec_print_string(text, string_view_of(uuid_format(*(const struct uuid *)value, id)));
        break;
    }
    case CODEC_STRING:
    case CODEC_BYTES:
    case CODEC_RECORDS:
        codec_print_blob(text, field, value);
        break;
    case CODEC_STRUCT:
        codec_print_struct(field->element, text, version, value);
        break;
    }
}

static void codec_print_array(const struct codec_field *field, struct writer *text, int16_t version,
                              const struct codec_array *array)
{
    if (array->count < 0) {
        codec_print_text(text, "null");
        return;
    }
    size_t size = codec_size_of(field);
    codec_print_text(text, "[");
    for (int32_t i = 0; i < array->count; i++) {
        codec_print_text(text, i > 0 ? "," : "");
        codec_print_value(field, text, version, (const uint8_t *)array->items + (size_t)i * size);
    }
    codec_print_text(text, "]");
}

static void codec_print_struct(const struct codec_struct *row, struct writer *text, int16_t version,
                               const void *message)
{
    bool first = true;
    codec_print_text(text, "{");
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        const void *value = (const uint8_t *)message + field->offset;
        if (!codec_in(field->versions, version)) {
            continue;
        }
        codec_print_text(text, first ? "\"" : ",\"");
        codec_print_text(text, field->name);
        codec_print_text(text, "\":");
        first = false;
        if (field->flags & CODEC_ARRAY) {
            codec_print_array(field, text, version, value);
        } else if (!(field->flags & CODEC_POINTER)) {
            codec_print_value(field, text, version, value);
        } else if (*(void *const *)value == NULL) {
            codec_print_text(text, "null");
        } else {
            codec_print_value(field, text, version, *(void *const *)value);
        }
    }
    codec_print_text(text, "}");
}

void codec_print(const struct codec_struct *row, struct writer *text, int16_t version,
                 const void *message)
{
    codec_print_struct(row, text, version, message);
}
