/* Strings with an owner, and tables keyed by them. */
#include "coordinator/text.h"

#include "base/assert.h"
#include "base/mem.h"

bool text_copy(struct string_view from, struct string_view *copy)
{
    *copy = (struct string_view){NULL, 0};
    if (from.data == NULL) {
        return true;
    }
    char *text = mem_alloc(from.size + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, from.data, from.size);
    text[from.size] = '\0';
    *copy = (struct string_view){text, from.size};
    return true;
}

void text_free(struct string_view *text)
{
    mem_free((char *)text->data);
    *text = (struct string_view){NULL, 0};
}

bool bytes_copy(struct bytes_view from, struct bytes_view *copy)
{
    struct string_view text;
    bool copied = text_copy((struct string_view){(const char *)from.data, from.size}, &text);
    *copy = (struct bytes_view){(const uint8_t *)text.data, text.size};
    return copied;
}

void bytes_free(struct bytes_view *bytes)
{
    mem_free((uint8_t *)bytes->data);
    *bytes = (struct bytes_view){NULL, 0};
}

static uint64_t text_hash(const void *key, uint64_t seed)
{
    const struct string_view *text = key;
    return map_hash_bytes(text->data, text->size, seed);
}

void text_table_init(struct map *table, uint64_t seed, const void *(*key_of)(const void *element),
                     bool (*equal)(const void *element, const void *key))
{
    ASSERT(key_of != NULL && equal != NULL);
    *table = (struct map){.seed = seed, .hash_key = text_hash, .key_of = key_of, .equal = equal};
}

int text_order(const void *a, const void *b)
{
    const struct string_view *const *first = a;
    const struct string_view *const *second = b;
    return string_view_compare(**first, **second);
}

/* The next code point, or U+FFFD for a byte that is no UTF-8. */
static uint32_t next_code_point(const uint8_t **cursor, const uint8_t *end)
{
    const uint8_t *at = (*cursor)++;
    int more = *at >= 0xf0 && *at < 0xf8 ? 3 : *at >= 0xe0 ? 2 : *at >= 0xc0 ? 1 : 0;
    if (*at < 0x80) {
        return *at;
    }
    if (more == 0 || *at >= 0xf8 || end - at <= more) {
        return 0xfffd;
    }
    uint32_t point = *at & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    *cursor = at + more + 1;
    return point;
}

void text_units_init(struct text_units *units, struct string_view text)
{
    const uint8_t *data = (const uint8_t *)text.data;
    *units = (struct text_units){data, text.size > 0 ? data + text.size : data, 0};
}

bool text_units_next(struct text_units *units, uint16_t *unit)
{
    if (units->low != 0) {
        *unit = units->low;
        units->low = 0;
        return true;
    }
    if (units->cursor == units->end) {
        return false;
    }
    uint32_t point = next_code_point(&units->cursor, units->end);
    if (point >= 0x10000) {
        units->low = (uint16_t)(0xdc00 + ((point - 0x10000) & 0x3ff));
        point = 0xd800 + ((point - 0x10000) >> 10);
    }
    *unit = (uint16_t)point;
    return true;
}

int32_t coordinator_partition_of(struct string_view id, int32_t partition_count)
{
    ASSERT(partition_count > 0);
    uint32_t hash = 0;
    struct text_units units;
    uint16_t unit;
    text_units_init(&units, id);
    while (text_units_next(&units, &unit)) {
        hash = 31 * hash + unit;
    }
    int32_t positive = hash == 0x80000000u ? 0 : (int32_t)(hash & 0x7fffffffu);
    if (hash > 0x80000000u) {
        positive = (int32_t)(0u - hash);
    }
    ASSERT(positive >= 0);
    return positive % partition_count;
}
