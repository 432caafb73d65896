/* heap.h: a binary heap of intrusive nodes: the one with the smallest key first, and of equal keys
 * the one that was put in first.
 *
 * The owner of the element owns the node. Room is reserved when an element is made, so that putting
 * it in cannot fail later. All of it O(log n).
 * Thread: one.   Errors: ERR_NOMEM when reserving. */
#ifndef BNB_BASE_HEAP_H
#define BNB_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t sequence;
    size_t place; /* 1-based; 0: not in a heap */
};
struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
    size_t reserved;
    uint64_t sequence;
};

void heap_release(struct heap *heap);
/* Room for one more element; given back by heap_unreserve once that is gone. */
int heap_reserve(struct heap *heap);
void heap_unreserve(struct heap *heap);
/* Puts it in, or moves it. */
void heap_put(struct heap *heap, struct heap_node *node, int64_t key);
/* A node that is not there is fine. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The first, or NULL. */
struct heap_node *heap_first(const struct heap *heap);
static inline bool heap_has(const struct heap_node *node) { return node->place != 0; }

#endif
