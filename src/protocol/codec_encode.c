#include "base/assert.h"
#include "base/err.h"
#include "protocol/codec_internal.h"

struct codec_encoder {
    struct writer *writer;
    int16_t version;
    bool flexible;
    int error; /* the first one */
};

static void codec_encode_struct(struct codec_encoder *encoder, const struct codec_struct *row,
                                const void *message, int depth);

static void codec_encode_length(struct codec_encoder *encoder, int64_t length, bool compact,
                                bool is_short)
{
    if (length > (is_short ? INT16_MAX : INT32_MAX - 1)) {
        encoder->error = ERR_INVALID;
    } else if (compact) {
        writer_uvarint(encoder->writer, (uint32_t)(length + 1));
    } else if (is_short) {
        writer_i16(encoder->writer, (int16_t)length);
    } else {
        writer_i32(encoder->writer, (int32_t)length);
    }
}

static void codec_encode_blob(struct codec_encoder *encoder, const struct codec_field *field,
                              const void *value)
{
    struct records_view blob = {NULL, 0, NULL};
    if (field->kind == CODEC_RECORDS) {
        blob = *(const struct records_view *)value;
    } else { /* string_view and bytes_view have one layout */
        const struct bytes_view *bytes = value;
        blob = (struct records_view){bytes->data, bytes->size, NULL};
    }
    bool null = blob.data == NULL && blob.source == NULL;
    if (null && !codec_in(field->nullable, encoder->version)) {
        encoder->error = ERR_INVALID;
        return;
    }
    bool compact = encoder->flexible && !(field->flags & CODEC_NEVER_COMPACT);
    codec_encode_length(encoder, null ? -1 : (int64_t)blob.size, compact,
                        field->kind == CODEC_STRING);
    if (blob.source != NULL) {
        writer_splice(encoder->writer, blob.source, blob.size);
    } else if (!null && encoder->error == 0) {
        writer_bytes(encoder->writer, blob.data, blob.size);
    }
}

static void codec_encode_value(struct codec_encoder *encoder, const struct codec_field *field,
                               const void *value, int depth)
{
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        writer_bool(encoder->writer, *(const bool *)value);
        break;
    case CODEC_INT8:
        writer_i8(encoder->writer, *(const int8_t *)value);
        break;
    case CODEC_INT16:
    case CODEC_UINT16:
        writer_i16(encoder->writer, *(const int16_t *)value);
        break;
    case CODEC_INT32:
    case CODEC_UINT32:
        writer_i32(encoder->writer, *(const int32_t *)value);
        break;
    case CODEC_INT64:
        writer_i64(encoder->writer, *(const int64_t *)value);
        break;
    case CODEC_FLOAT64:
        writer_f64(encoder->writer, *(const double *)value);
        break;
    case CODEC_UUID:
        writer_uuid(encoder->writer, *(const struct uuid *)value);
        break;
    case CODEC_STRING:
    case CODEC_BYTES:
    case CODEC_RECORDS:
        codec_encode_blob(encoder, field, value);
        break;
    case CODEC_STRUCT:
        codec_encode_struct(encoder, field->element, value, depth + 1);
        break;
    }
}

static void codec_encode_array(struct codec_encoder *encoder, const struct codec_field *field,
                               const struct codec_array *array, int depth)
{
    if (array->count < 0 && !codec_in(field->nullable, encoder->version)) {
        encoder->error = ERR_INVALID;
        return;
    }
    codec_encode_length(encoder, array->count, encoder->flexible, false);
    size_t size = codec_size_of(field);
    for (int32_t i = 0; i < array->count; i++) {
        codec_encode_value(encoder, field, (const uint8_t *)array->items + (size_t)i * size, depth);
    }
}

static void codec_encode_field(struct codec_encoder *encoder, const struct codec_field *field,
                               const void *message, bool tagged, int depth)
{
    const void *value = (const uint8_t *)message + field->offset;
    if (field->flags & CODEC_ARRAY) {
        codec_encode_array(encoder, field, value, depth);
    } else if (field->flags & CODEC_POINTER) {
        const void *pointed = *(void *const *)value;
        if (tagged) {
            writer_uvarint(encoder->writer, pointed != NULL ? 1 : 0);
        } else {
            writer_i8(encoder->writer, pointed != NULL ? 1 : -1);
        }
        if (pointed != NULL) {
            codec_encode_struct(encoder, field->element, pointed, depth + 1);
        }
    } else {
        codec_encode_value(encoder, field, value, depth);
    }
}

/* Tagged fields in ascending order of their tags; those with their default stay away. */
static void codec_encode_tags(struct codec_encoder *encoder, const struct codec_struct *row,
                              const void *message, int depth)
{
    const struct codec_field *by_tag[CODEC_TAGS_MAX] = {NULL};
    uint32_t count = 0;
    for (size_t i = 0; row->has_tagged && i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        if (codec_is_tagged(field, encoder->version) &&
            !codec_is_default(field, (const uint8_t *)message + field->offset)) {
            ASSERT(field->tag < CODEC_TAGS_MAX);
            by_tag[field->tag] = field;
            count++;
        }
    }
    writer_uvarint(encoder->writer, count);
    for (size_t tag = 0; tag < CODEC_TAGS_MAX && count > 0; tag++) {
        if (by_tag[tag] == NULL) {
            continue;
        }
        /* The size precedes the data: written aside first. Tagged fields are small and rare. */
        struct writer *outer = encoder->writer;
        struct writer inner;
        writer_init(&inner, outer->max_bytes);
        encoder->writer = &inner;
        codec_encode_field(encoder, by_tag[tag], message, true, depth);
        encoder->writer = outer;
        ASSERT(inner.splice_count == 0);
        writer_uvarint(outer, (uint32_t)tag);
        writer_uvarint(outer, (uint32_t)inner.size);
        writer_bytes(outer, inner.data, inner.size);
        outer->failed |= inner.failed;
        writer_release(&inner);
    }
}

static void codec_encode_struct(struct codec_encoder *encoder, const struct codec_struct *row,
                                const void *message, int depth)
{
    ASSERT(depth < CODEC_DEPTH_MAX);
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        if (codec_is_tagged(field, encoder->version)) {
            continue;
        }
        if (codec_in(field->versions, encoder->version)) {
            codec_encode_field(encoder, field, message, false, depth);
        } else if (!(field->flags & CODEC_IGNORABLE) &&
                   !codec_is_default(field, (const uint8_t *)message + field->offset)) {
            encoder->error = ERR_INVALID;
        }
    }
    if (encoder->flexible) {
        codec_encode_tags(encoder, row, message, depth);
    }
}

int codec_encode(const struct codec_struct *row, struct writer *writer, int16_t version,
                 const void *message)
{
    if (!codec_in(row->versions, version)) {
        return ERR_UNSUPPORTED;
    }
    struct codec_encoder encoder = {writer, version, codec_is_flexible(row, version), 0};
    codec_encode_struct(&encoder, row, message, 0);
    if (encoder.error != 0) {
        return encoder.error;
    }
    return writer->failed ? ERR_NOMEM : 0;
}
