/* mem.h: the only caller of malloc. Can be made to fail for tests.
 * Thread: any. A NULL result means out of memory; mem_need ends the process with a line
 * (start-up only). */
#ifndef BNB_BASE_MEM_H
#define BNB_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);
void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *old, size_t size);
void mem_free(void *memory);
/* Never NULL; zeroed. For objects whose absence would end the process anyway. */
void *mem_need(size_t size);
/* Grows an array of element_size to hold at least count elements, doubling; 0 or ERR_NOMEM. */
int mem_grow(void **array, size_t *capacity, size_t count, size_t element_size);
/* The same for an array whose first element has its place at inside, in what owns the array: until
 * there is a second one no memory is needed. array is NULL to begin with. */
int mem_grow_inside(void **array, size_t *capacity, size_t count, size_t element_size,
                    void *inside);
/* Frees such an array. */
void mem_free_grown(void *array, const void *inside);
char *mem_strndup(const char *text, size_t size);
/* One heap for all threads, before there are others: each of more takes addresses of its own. */
void mem_use_one_heap(void);
/* Gives back to the system what was freed: after work that took much for a short time. */
void mem_trim(void);
/* Fails the countdown-th allocation from now on; 0 turns it off. What was left of the countdown
 * before; 0: it was off, or has failed one. Tests only. */
int64_t mem_fail_after(int64_t countdown);

#endif
