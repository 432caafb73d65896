#include "base/heap.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

static bool heap_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static void heap_set(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void heap_rise(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    while (place > 1 && heap_before(node, heap->nodes[place / 2 - 1])) {
        heap_set(heap, place, heap->nodes[place / 2 - 1]);
        place /= 2;
    }
    heap_set(heap, place, node);
}

static void heap_sink(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    while (place * 2 <= heap->count) {
        size_t child = place * 2;
        if (child < heap->count && heap_before(heap->nodes[child], heap->nodes[child - 1])) {
            child++;
        }
        if (!heap_before(heap->nodes[child - 1], node)) {
            break;
        }
        heap_set(heap, place, heap->nodes[child - 1]);
        place = child;
    }
    heap_set(heap, place, node);
}

void heap_release(struct heap *heap)
{
    mem_free(heap->nodes);
    *heap = (struct heap){0};
}

int heap_reserve(struct heap *heap)
{
    int error = mem_grow((void **)&heap->nodes, &heap->capacity, heap->reserved + 1,
                         sizeof *heap->nodes);
    if (error == 0) {
        heap->reserved++;
    }
    return error;
}

void heap_unreserve(struct heap *heap)
{
    ASSERT(heap->reserved > 0);
    heap->reserved--;
    ASSERT(heap->count <= heap->reserved);
}

void heap_put(struct heap *heap, struct heap_node *node, int64_t key)
{
    bool later = heap_has(node) && key >= node->key;
    node->key = key;
    node->sequence = ++heap->sequence;
    if (!heap_has(node)) {
        ASSERT(heap->count < heap->reserved);
        heap->count++;
        heap_set(heap, heap->count, node);
    } else if (later) {
        heap_sink(heap, node);
        return;
    }
    heap_rise(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!heap_has(node)) {
        return;
    }
    size_t place = node->place;
    ASSERT(place <= heap->count && heap->nodes[place - 1] == node);
    struct heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last != node) {
        heap_set(heap, place, last);
        heap_rise(heap, last);
        heap_sink(heap, last);
    }
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}
