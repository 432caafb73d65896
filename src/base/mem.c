#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fault injection for tests is the one process-wide switch: every allocation passes here. */
static atomic_int_fast64_t mem_countdown;

static int mem_fails(void)
{
    if (atomic_load_explicit(&mem_countdown, memory_order_relaxed) == 0) {
        return 0;
    }
    return atomic_fetch_sub(&mem_countdown, 1) == 1;
}

void *mem_alloc(size_t size)
{
    return mem_fails() ? NULL : malloc(size > 0 ? size : 1);
}

void *mem_calloc(size_t count, size_t size)
{
    return mem_fails() ? NULL : calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *mem_realloc(void *old, size_t size)
{
    return mem_fails() ? NULL : realloc(old, size > 0 ? size : 1);
}

void mem_free(void *memory)
{
    free(memory);
}

void *mem_need(size_t size)
{
    void *memory = mem_calloc(1, size);
    if (memory == NULL) {
        fputs("barnabas: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

int mem_grow(void **array, size_t *capacity, size_t count, size_t element_size)
{
    if (count <= *capacity) {
        return 0;
    }
    /* Many objects have an array of which they use an element or none. */
    size_t first = element_size < 24 ? 24 / element_size : 1;
    size_t wanted = *capacity < first ? first : *capacity;
    while (wanted < count) {
        if (wanted > SIZE_MAX / 2) {
            return -1;
        }
        wanted *= 2;
    }
    if (wanted > SIZE_MAX / element_size) {
        return -1;
    }
    void *grown = mem_realloc(*array, wanted * element_size);
    if (grown == NULL) {
        return -1;
    }
    *array = grown;
    *capacity = wanted;
    return 0;
}

int mem_grow_inside(void **array, size_t *capacity, size_t count, size_t element_size,
                    void *inside)
{
    if (count <= 1 && *array == NULL) {
        *array = inside;
        *capacity = 1;
        return 0;
    }
    if (*array != inside || count <= *capacity) {
        return mem_grow(array, capacity, count, element_size);
    }
    void *outside = NULL;
    size_t room = 0;
    if (mem_grow(&outside, &room, count, element_size) != 0) {
        return -1;
    }
    memcpy(outside, inside, element_size);
    *array = outside;
    *capacity = room;
    return 0;
}

void mem_free_grown(void *array, const void *inside)
{
    if (array != inside) {
        mem_free(array);
    }
}

char *mem_strndup(const char *text, size_t size)
{
    char *copy = mem_alloc(size + 1);
    if (copy != NULL) {
        if (size > 0) {
            memcpy(copy, text, size);
        }
        copy[size] = '\0';
    }
    return copy;
}

int64_t mem_fail_after(int64_t countdown)
{
    return atomic_exchange(&mem_countdown, countdown);
}

#ifdef M_ARENA_MAX
void mem_use_one_heap(void) { (void)mallopt(M_ARENA_MAX, 1); }
void mem_trim(void) { (void)malloc_trim(0); }
#else
void mem_use_one_heap(void) {}
void mem_trim(void) {}
#endif
