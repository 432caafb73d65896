/* writer.h: a growing big-endian output buffer with sticky failure.
 *
 * Owns its memory unless initialised over fixed memory. Past max_bytes or out of memory, failed is
 * set and writes are dropped. A splice marks a place where bytes that are not in the buffer belong
 * (file ranges of a Fetch response): they count in the lengths, not in the buffer.
 * Thread: one. */
#ifndef BNB_BASE_WRITER_H
#define BNB_BASE_WRITER_H

#include "base/budget.h"
#include "base/view.h"

/* External bytes inside the output: source is opaque to the writer, size in bytes. */
struct writer_splice {
    size_t at;
    const void *source;
    size_t size;
};
struct writer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max_bytes;
    bool failed;
    bool fixed;
    struct writer_splice *splices;
    size_t splice_count;
    size_t splice_capacity;
    size_t splice_bytes;
    struct budget *budget; /* that its memory is counted in; NULL: none */
    size_t budget_bytes;   /* how much it counts there */
};

void writer_init(struct writer *writer, size_t max_bytes);
void writer_init_fixed(struct writer *writer, void *memory, size_t capacity);
void writer_release(struct writer *writer);
/* Gives the buffer to the caller (mem_free), who must have checked failed; splices stay. */
uint8_t *writer_take(struct writer *writer, size_t *size);
/* Room for size bytes at the end, already counted, or NULL and failed. */
uint8_t *writer_reserve(struct writer *writer, size_t size);
void writer_bytes(struct writer *writer, const void *data, size_t size);
void writer_splice(struct writer *writer, const void *source, size_t size);
void writer_i8(struct writer *writer, int8_t value);
void writer_bool(struct writer *writer, bool value);
void writer_i16(struct writer *writer, int16_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_i32(struct writer *writer, int32_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_i64(struct writer *writer, int64_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_f64(struct writer *writer, double value);
void writer_uuid(struct writer *writer, struct uuid id);
void writer_uvarint(struct writer *writer, uint32_t value);
void writer_varint(struct writer *writer, int32_t value);
void writer_varlong(struct writer *writer, int64_t value);
/* Overwrites four bytes written earlier at position. */
void writer_patch_i32(struct writer *writer, size_t position, int32_t value);

#endif
