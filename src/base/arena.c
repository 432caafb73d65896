#include "base/arena.h"
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define ARENA_ALIGNMENT 16

struct arena_chunk {
    struct arena_chunk *next;
    size_t capacity;
    size_t used;
    size_t padding; /* keeps the memory behind the header aligned */
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

/* Frees the first chunk. */
static void arena_drop_chunk(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    arena->chunks = chunk->next;
    budget_give(arena->budget, sizeof *chunk + chunk->capacity);
    mem_free(chunk);
}

void arena_release(struct arena *arena)
{
    while (arena->chunks != NULL) {
        arena_drop_chunk(arena);
    }
    arena->used_bytes = 0;
    arena->failed = false;
}

void arena_reset(struct arena *arena)
{
    while (arena->chunks != NULL && arena->chunks->next != NULL) {
        arena_drop_chunk(arena);
    }
    if (arena->chunks != NULL && arena->chunks->capacity > ARENA_CHUNK_BYTES) {
        arena_drop_chunk(arena);
    } else if (arena->chunks != NULL) {
        arena->chunks->used = 0;
    }
    arena->used_bytes = 0;
    arena->failed = false;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (arena->failed || size > arena->max_bytes || arena->used_bytes > arena->max_bytes - size) {
        arena->failed = true;
        return NULL;
    }
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < rounded) {
        size_t capacity = rounded > ARENA_CHUNK_BYTES ? rounded : ARENA_CHUNK_BYTES;
        bool allowed = budget_take(arena->budget, sizeof *chunk + capacity);
        chunk = allowed ? mem_alloc(sizeof *chunk + capacity) : NULL;
        if (chunk == NULL) {
            budget_give(arena->budget, allowed ? sizeof *chunk + capacity : 0);
            arena->failed = true;
            return NULL;
        }
        *chunk = (struct arena_chunk){.next = arena->chunks, .capacity = capacity};
        arena->chunks = chunk;
    }
    uint8_t *memory = (uint8_t *)(chunk + 1) + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    memset(memory, 0, size);
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t element_size)
{
    if (element_size != 0 && count > SIZE_MAX / element_size) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, count * element_size);
}

struct string_view arena_string(struct arena *arena, struct string_view text)
{
    if (text.data == NULL) {
        return text;
    }
    char *copy = arena_alloc(arena, text.size + 1);
    if (copy == NULL) {
        return (struct string_view){NULL, 0};
    }
    memcpy(copy, text.data, text.size);
    return (struct string_view){copy, text.size};
}

struct bytes_view arena_bytes(struct arena *arena, struct bytes_view bytes)
{
    struct string_view copy =
        arena_string(arena, (struct string_view){(const char *)bytes.data, bytes.size});
    return (struct bytes_view){(const uint8_t *)copy.data, copy.size};
}

struct string_view arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = size < 0 ? NULL : arena_alloc(arena, (size_t)size + 1);
    if (text == NULL) {
        return (struct string_view){NULL, 0};
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return (struct string_view){text, (size_t)size};
}
