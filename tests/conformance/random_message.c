#include "random_message.h"

#include "protocol/codec_internal.h"

#define ELEMENTS_MAX 3
#define BLOB_BYTES_MAX 20
#define LONG_BLOB_BYTES 300 /* a length that takes two bytes of a varint */

uint64_t random_next(struct random_source *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t mixed = random->state;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

uint32_t random_below(struct random_source *random, uint32_t bound)
{
    return (uint32_t)(random_next(random) % bound);
}

static int64_t random_number(struct random_source *random)
{
    switch (random_below(random, 5)) {
    case 0:
        return 0;
    case 1:
        return -1;
    case 2:
        return (int64_t)random_below(random, 100);
    case 3:
        return INT64_MIN >> random_below(random, 64);
    default:
        return (int64_t)random_next(random);
    }
}

static void random_blob(struct random_source *random, const struct codec_field *field,
                        struct arena *arena, bool may_be_null, void *value)
{
    static const uint8_t nothing[1];
    bool is_string = field->kind == CODEC_STRING;
    uint32_t size = random_below(random, 30) == 0 ? LONG_BLOB_BYTES
                                                  : random_below(random, BLOB_BYTES_MAX);
    struct bytes_view view = {nothing, 0};
    if (may_be_null && random_below(random, 3) == 0) {
        view.data = NULL;
    } else if (size > 0) {
        uint8_t *bytes = arena_alloc(arena, size);
        for (uint32_t i = 0; bytes != NULL && i < size; i++) {
            bytes[i] = is_string ? (uint8_t)('a' + random_below(random, 26))
                                 : (uint8_t)random_next(random);
        }
        view = bytes != NULL ? (struct bytes_view){bytes, size} : view;
    }
    if (field->kind == CODEC_RECORDS) {
        *(struct records_view *)value = (struct records_view){view.data, view.size, NULL};
    } else if (is_string) {
        *(struct string_view *)value = (struct string_view){(const char *)view.data, view.size};
    } else {
        *(struct bytes_view *)value = view;
    }
}

static void store_number(const struct codec_field *field, void *value, int64_t number)
{
    /* Least significant bytes first: what fits is stored. */
    memcpy(value, &number, codec_size_of(field));
}

static void random_value(struct random_source *random, const struct codec_field *field,
                         int16_t version, struct arena *arena, bool may_be_null, void *value)
{
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
        *(bool *)value = random_below(random, 2) != 0;
        break;
    case CODEC_INT8:
    case CODEC_INT16:
    case CODEC_UINT16:
    case CODEC_INT32:
    case CODEC_UINT32:
    case CODEC_INT64:
        store_number(field, value, random_number(random));
        break;
    case CODEC_FLOAT64:
        *(double *)value = (double)random_number(random) / 8;
        break;
    case CODEC_UUID:
        for (size_t i = 0; i < 16; i++) {
            ((struct uuid *)value)->bytes[i] = (uint8_t)random_next(random);
        }
        break;
    case CODEC_STRING:
    case CODEC_BYTES:
    case CODEC_RECORDS:
        random_blob(random, field, arena, may_be_null, value);
        break;
    case CODEC_STRUCT:
        random_message_fill(random, field->element, version, arena, value);
        break;
    }
}

static void random_array(struct random_source *random, const struct codec_field *field,
                         int16_t version, struct arena *arena, struct codec_array *array)
{
    bool null = codec_in(field->nullable, version) && random_below(random, 3) == 0;
    *array = (struct codec_array){NULL, null ? -1 : 0};
    uint32_t count = null ? 0 : random_below(random, ELEMENTS_MAX + 1);
    if (count == 0) {
        return;
    }
    size_t size = codec_size_of(field);
    array->items = arena_array(arena, count, size);
    array->count = array->items != NULL ? (int32_t)count : 0;
    for (int32_t i = 0; i < array->count; i++) {
        random_value(random, field, version, arena, false, (uint8_t *)array->items +
                                                               (size_t)i * size);
    }
}

static void random_field(struct random_source *random, const struct codec_field *field,
                         int16_t version, struct arena *arena, void *value)
{
    bool nullable = codec_in(field->nullable, version);
    if (field->flags & CODEC_ARRAY) {
        random_array(random, field, version, arena, value);
    } else if (field->flags & CODEC_POINTER) {
        bool null = nullable && random_below(random, 3) == 0;
        void *element = null ? NULL : arena_alloc(arena, field->element->size);
        if (element != NULL) {
            random_message_fill(random, field->element, version, arena, element);
        }
        *(void **)value = element;
    } else {
        random_value(random, field, version, arena, nullable, value);
    }
}

void random_message_fill(struct random_source *random, const struct codec_struct *row,
                         int16_t version, struct arena *arena, void *message)
{
    codec_default(row, message);
    for (size_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        /* A tagged field that keeps its default is the usual case, so let it happen often. */
        bool leave = field->tag >= 0 && random_below(random, 3) == 0;
        if (codec_in(field->versions, version) && !leave) {
            random_field(random, field, version, arena, (uint8_t *)message + field->offset);
        }
    }
}
