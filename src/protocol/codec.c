#include "protocol/codec_internal.h"

#include "base/assert.h"

size_t codec_size_of(const struct codec_field *field)
{
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        return sizeof(bool);
    case CODEC_INT8:
        return 1;
    case CODEC_INT16:
    case CODEC_UINT16:
        return 2;
    case CODEC_INT32:
    case CODEC_UINT32:
        return 4;
    case CODEC_INT64:
    case CODEC_FLOAT64:
        return 8;
    case CODEC_UUID:
        return sizeof(struct uuid);
    case CODEC_STRING:
        return sizeof(struct string_view);
    case CODEC_BYTES:
        return sizeof(struct bytes_view);
    case CODEC_RECORDS:
        return sizeof(struct records_view);
    case CODEC_STRUCT:
        return field->element->size;
    }
    ASSERT(false);
    return 0;
}

int64_t codec_load(const struct codec_field *field, const void *value)
{
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        return *(const bool *)value ? 1 : 0;
    case CODEC_INT8:
        return *(const int8_t *)value;
    case CODEC_INT16:
        return *(const int16_t *)value;
    case CODEC_UINT16:
        return *(const uint16_t *)value;
    case CODEC_INT32:
        return *(const int32_t *)value;
    case CODEC_UINT32:
        return *(const uint32_t *)value;
    case CODEC_INT64:
        return *(const int64_t *)value;
    case CODEC_FLOAT64:
    case CODEC_UUID:
    case CODEC_STRING:
    case CODEC_BYTES:
    case CODEC_RECORDS:
    case CODEC_STRUCT:
        break;
    }
    ASSERT(false);
    return 0;
}

void codec_default(const struct codec_struct *row, void *message)
{
    memcpy(message, row->defaults, row->size);
}

static bool codec_struct_is_default(const struct codec_struct *row, const void *message)
{
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        if (!codec_is_default(field, (const uint8_t *)message + field->offset)) {
            return false;
        }
    }
    return true;
}

bool codec_is_default(const struct codec_field *field, const void *value)
{
    bool null = (field->flags & CODEC_DEFAULT_NULL) != 0;
    if (field->flags & CODEC_ARRAY) {
        return ((const struct codec_array *)value)->count == (null ? -1 : 0);
    }
    static const struct uuid zero;
    switch ((enum codec_kind)field->kind) {
    case CODEC_STRING:
    case CODEC_BYTES: { /* same layout */
        const struct bytes_view *bytes = value;
        return null ? bytes->data == NULL : bytes->data != NULL && bytes->size == 0;
    }
    case CODEC_RECORDS: {
        const struct records_view *records = value;
        return records->data == NULL && records->source == NULL;
    }
    case CODEC_STRUCT:
        if (field->flags & CODEC_POINTER && !null) {
            value = *(void *const *)value;
            return value != NULL && codec_struct_is_default(field->element, value);
        }
        return field->flags & CODEC_POINTER ? *(void *const *)value == NULL
                                            : codec_struct_is_default(field->element, value);
    case CODEC_FLOAT64:
        return *(const double *)value == 0;
    case CODEC_UUID:
        return memcmp(value, &zero, sizeof zero) == 0;
    case CODEC_BOOL:
    case CODEC_INT8:
    case CODEC_INT16:
    case CODEC_UINT16:
    case CODEC_INT32:
    case CODEC_UINT32:
    case CODEC_INT64:
        return codec_load(field, value) == field->default_value;
    }
    ASSERT(false);
    return false;
}
