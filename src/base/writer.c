#include "base/writer.h"

#include "base/assert.h"
#include "base/endian.h"
#include "base/leb128.h"
#include "base/limits.h"
#include "base/mem.h"

/* Who sends the bytes keeps a range for each splice beside it. */
#define WRITER_SPLICE_COST_BYTES (4 * sizeof(struct writer_splice))

void writer_init(struct writer *writer, size_t max_bytes)
{
    *writer = (struct writer){.max_bytes = max_bytes};
}

void writer_init_fixed(struct writer *writer, void *memory, size_t capacity)
{
    *writer = (struct writer){
        .data = memory, .capacity = capacity, .max_bytes = capacity, .fixed = true};
}

/* Counts memory that it has got; when that is too much it has failed, and goes soon. */
static bool writer_count(struct writer *writer, size_t bytes)
{
    if (!budget_take(writer->budget, bytes)) {
        writer->failed = true;
        return false;
    }
    writer->budget_bytes += bytes;
    return true;
}

void writer_release(struct writer *writer)
{
    budget_give(writer->budget, writer->budget_bytes);
    if (!writer->fixed) {
        mem_free(writer->data);
    }
    mem_free(writer->splices);
    *writer = (struct writer){0};
}

uint8_t *writer_take(struct writer *writer, size_t *size)
{
    ASSERT(!writer->failed && !writer->fixed);
    uint8_t *data = writer->data;
    budget_give(writer->budget, writer->budget_bytes);
    writer->budget_bytes = 0;
    *size = writer->size;
    writer->data = NULL;
    writer->size = writer->capacity = 0;
    return data;
}

uint8_t *writer_reserve(struct writer *writer, size_t size)
{
    if (writer->failed || size > writer->max_bytes - writer->size) {
        writer->failed = true;
        return NULL;
    }
    /* A place of no size is a place too: never NULL. */
    if (writer->data == NULL || size > writer->capacity - writer->size) {
        void *data = writer->data;
        size_t wanted = writer->size + size > WRITER_FIRST_BYTES ? writer->size + size
                                                                  : WRITER_FIRST_BYTES;
        size_t before = writer->capacity;
        if (writer->fixed || mem_grow(&data, &writer->capacity, wanted, 1) != 0) {
            writer->failed = true;
            return NULL;
        }
        writer->data = data;
        if (!writer_count(writer, writer->capacity - before)) {
            return NULL;
        }
    }
    uint8_t *place = writer->data + writer->size;
    writer->size += size;
    return place;
}

void writer_bytes(struct writer *writer, const void *data, size_t size)
{
    uint8_t *place = size > 0 ? writer_reserve(writer, size) : NULL;
    if (place != NULL) {
        memcpy(place, data, size);
    }
}

void writer_splice(struct writer *writer, const void *source, size_t size)
{
    void *splices = writer->splices;
    size_t before = writer->splice_capacity;
    if (writer->failed || mem_grow(&splices, &writer->splice_capacity, writer->splice_count + 1,
                                   sizeof writer->splices[0]) != 0) {
        writer->failed = true;
        return;
    }
    writer->splices = splices;
    if (!writer_count(writer, (writer->splice_capacity - before) * WRITER_SPLICE_COST_BYTES)) {
        return;
    }
    writer->splices[writer->splice_count++] = (struct writer_splice){writer->size, source, size};
    writer->splice_bytes += size;
}

void writer_i8(struct writer *writer, int8_t value)
{
    uint8_t *place = writer_reserve(writer, 1);
    if (place != NULL) {
        *place = (uint8_t)value;
    }
}
void writer_bool(struct writer *writer, bool value)
{
    writer_i8(writer, value ? 1 : 0);
}
void writer_u16(struct writer *writer, uint16_t value)
{
    uint8_t *place = writer_reserve(writer, 2);
    if (place != NULL) {
        store_be16(place, value);
    }
}
void writer_u32(struct writer *writer, uint32_t value)
{
    uint8_t *place = writer_reserve(writer, 4);
    if (place != NULL) {
        store_be32(place, value);
    }
}
void writer_u64(struct writer *writer, uint64_t value)
{
    uint8_t *place = writer_reserve(writer, 8);
    if (place != NULL) {
        store_be64(place, value);
    }
}
void writer_i16(struct writer *writer, int16_t value)
{
    writer_u16(writer, (uint16_t)value);
}
void writer_i32(struct writer *writer, int32_t value)
{
    writer_u32(writer, (uint32_t)value);
}
void writer_i64(struct writer *writer, int64_t value)
{
    writer_u64(writer, (uint64_t)value);
}
void writer_uuid(struct writer *writer, struct uuid id)
{
    writer_bytes(writer, id.bytes, 16);
}

void writer_f64(struct writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    writer_u64(writer, bits);
}

static void writer_leb128(struct writer *writer, uint64_t value)
{
    uint8_t *place = writer_reserve(writer, leb128_bytes(value));
    if (place != NULL) {
        (void)leb128_store(place, value);
    }
}

void writer_uvarint(struct writer *writer, uint32_t value)
{
    writer_leb128(writer, value);
}

void writer_varint(struct writer *writer, int32_t value)
{
    writer_leb128(writer, leb128_zigzag(value));
}

void writer_varlong(struct writer *writer, int64_t value)
{
    writer_leb128(writer, leb128_zigzag(value));
}

void writer_patch_i32(struct writer *writer, size_t position, int32_t value)
{
    if (writer->failed) {
        return;
    }
    ASSERT(position + 4 <= writer->size);
    store_be32(writer->data + position, (uint32_t)value);
}
