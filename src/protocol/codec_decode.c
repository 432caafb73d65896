#include "base/assert.h"
#include "base/err.h"
#include "protocol/codec_internal.h"

/* One decode: where it reads, what it allocates from, in which form. */
struct codec_decoder {
    struct reader *reader;
    struct arena *arena;
    int16_t version;
    bool flexible;
};

static void codec_decode_struct(struct codec_decoder *decoder, const struct codec_struct *row,
                                void *message, int depth);

/* A length or count; -1 is null. Anything below fails the reader. */
static int64_t codec_decode_length(struct codec_decoder *decoder, bool compact, bool is_short)
{
    int64_t length;
    if (compact) {
        length = (int64_t)reader_uvarint(decoder->reader) - 1;
    } else {
        length = is_short ? reader_i16(decoder->reader) : reader_i32(decoder->reader);
    }
    if (length < -1 || (length >= 0 && (uint64_t)length > reader_left(decoder->reader))) {
        decoder->reader->failed = true;
        return 0;
    }
    return decoder->reader->failed ? 0 : length;
}

static void codec_decode_blob(struct codec_decoder *decoder, const struct codec_field *field,
                              void *value)
{
    static const uint8_t nothing[1];
    bool compact = decoder->flexible && !(field->flags & CODEC_NEVER_COMPACT);
    int64_t length = codec_decode_length(decoder, compact, field->kind == CODEC_STRING);
    struct bytes_view view = {NULL, 0};
    if (length >= 0) {
        view.data = length > 0 ? reader_take(decoder->reader, (size_t)length) : nothing;
        view.size = (size_t)length;
    } else if (!codec_in(field->nullable, decoder->version)) {
        decoder->reader->failed = true;
    }
    if (field->kind == CODEC_STRING && length > INT16_MAX) {
        decoder->reader->failed = true; /* which no version could send on */
    }
    if (field->kind == CODEC_RECORDS) {
        *(struct records_view *)value = (struct records_view){view.data, view.size, NULL};
    } else if (field->kind == CODEC_BYTES) {
        *(struct bytes_view *)value = view;
    } else {
        *(struct string_view *)value = (struct string_view){(const char *)view.data, view.size};
    }
}

/* One value of the field's kind: the field itself or an element of its array. */
static void codec_decode_value(struct codec_decoder *decoder, const struct codec_field *field,
                               void *value, int depth)
{
    struct reader *reader = decoder->reader;
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        *(bool *)value = reader_bool(reader);
        break;
    case CODEC_INT8:
        *(int8_t *)value = reader_i8(reader);
        break;
    case CODEC_INT16:
    case CODEC_UINT16:
        *(int16_t *)value = reader_i16(reader);
        break;
    case CODEC_INT32:
    case CODEC_UINT32:
        *(int32_t *)value = reader_i32(reader);
        break;
    case CODEC_INT64:
        *(int64_t *)value = reader_i64(reader);
        break;
    case CODEC_FLOAT64:
        *(double *)value = reader_f64(reader);
        break;
    case CODEC_UUID:
        *(struct uuid *)value = reader_uuid(reader);
        break;
    case CODEC_STRING:
    case CODEC_BYTES:
    case CODEC_RECORDS:
        codec_decode_blob(decoder, field, value);
        break;
    case CODEC_STRUCT:
        codec_decode_struct(decoder, field->element, value, depth + 1);
        break;
    }
}

static void codec_decode_array(struct codec_decoder *decoder, const struct codec_field *field,
                               struct codec_array *array, int depth)
{
    /* Each element takes a byte at least, so the count is bounded by the bytes left. */
    int64_t count = codec_decode_length(decoder, decoder->flexible, false);
    *array = (struct codec_array){NULL, (int32_t)count};
    if (count < 0 && !codec_in(field->nullable, decoder->version)) {
        decoder->reader->failed = true;
    }
    if (count <= 0 || decoder->reader->failed) {
        return;
    }
    size_t size = codec_size_of(field);
    array->items = arena_array(decoder->arena, (size_t)count, size);
    if (array->items == NULL) {
        decoder->reader->failed = true;
        array->count = 0;
        return;
    }
    for (int64_t i = 0; i < count && !decoder->reader->failed; i++) {
        codec_decode_value(decoder, field, (uint8_t *)array->items + (size_t)i * size, depth);
    }
}

/* A nullable structure: a marker, then the structure in the arena. */
static void codec_decode_pointer(struct codec_decoder *decoder, const struct codec_field *field,
                                 void **value, bool tagged, int depth)
{
    struct reader *reader = decoder->reader;
    int64_t marker = tagged ? (int64_t)reader_uvarint(reader) : reader_i8(reader);
    *value = NULL;
    if (tagged ? marker == 0 : marker < 0) {
        decoder->reader->failed |= !codec_in(field->nullable, decoder->version);
        return;
    }
    *value = arena_alloc(decoder->arena, field->element->size);
    if (*value == NULL) {
        decoder->reader->failed = true;
        return;
    }
    codec_decode_struct(decoder, field->element, *value, depth + 1);
}

static void codec_decode_field(struct codec_decoder *decoder, const struct codec_field *field,
                               void *message, bool tagged, int depth)
{
    void *value = (uint8_t *)message + field->offset;
    if (field->flags & CODEC_ARRAY) {
        codec_decode_array(decoder, field, value, depth);
    } else if (field->flags & CODEC_POINTER && codec_in(field->nullable, decoder->version)) {
        codec_decode_pointer(decoder, field, value, tagged, depth);
    } else {
        ASSERT(!(field->flags & CODEC_POINTER));
        codec_decode_value(decoder, field, value, depth);
    }
}

static void codec_decode_tags(struct codec_decoder *decoder, const struct codec_struct *row,
                              void *message, int depth)
{
    struct reader *reader = decoder->reader;
    uint32_t count = reader_uvarint(reader);
    int64_t previous = -1;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        int64_t tag = reader_uvarint(reader);
        uint32_t size = reader_uvarint(reader);
        const uint8_t *data = reader_take(reader, size);
        if (data == NULL || tag <= previous) {
            reader->failed = true;
            return;
        }
        previous = tag;
        for (size_t f = 0; f < row->field_count; f++) {
            const struct codec_field *field = &row->fields[f];
            if (codec_is_tagged(field, decoder->version) && field->tag == tag) {
                struct reader inner;
                reader_init(&inner, data, size);
                decoder->reader = &inner;
                codec_decode_field(decoder, field, message, true, depth);
                decoder->reader = reader;
                reader->failed |= inner.failed || reader_left(&inner) > 0;
            }
        }
    }
}

/* A nullable structure that is not null by default: what is absent is an empty one. */
static void codec_decode_absent(struct codec_decoder *decoder, const struct codec_field *field,
                                void **value)
{
    if (field->flags & CODEC_POINTER && !(field->flags & CODEC_DEFAULT_NULL)) {
        *value = arena_alloc(decoder->arena, field->element->size);
        if (*value != NULL) {
            codec_default(field->element, *value);
        }
    }
}

static void codec_decode_struct(struct codec_decoder *decoder, const struct codec_struct *row,
                                void *message, int depth)
{
    ASSERT(depth < CODEC_DEPTH_MAX);
    codec_default(row, message);
    for (size_t i = 0; row->has_pointers && i < row->field_count; i++) {
        codec_decode_absent(decoder, &row->fields[i],
                            (void **)((uint8_t *)message + row->fields[i].offset));
    }
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        if (codec_in(field->versions, decoder->version) &&
            !codec_is_tagged(field, decoder->version)) {
            codec_decode_field(decoder, field, message, false, depth);
        }
    }
    if (decoder->flexible) {
        codec_decode_tags(decoder, row, message, depth);
    }
}

int codec_decode(const struct codec_struct *row, struct reader *reader, int16_t version,
                 struct arena *arena, void *message)
{
    if (!codec_in(row->versions, version)) {
        return ERR_UNSUPPORTED;
    }
    struct codec_decoder decoder = {reader, arena, version, codec_is_flexible(row, version)};
    codec_decode_struct(&decoder, row, message, 0);
    if (arena->failed) {
        return ERR_NOMEM;
    }
    return reader->failed ? ERR_CORRUPT : 0;
}
