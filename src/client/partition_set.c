/* partition_set.c: sets of partitions. */
#include "client/partition_set.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"

#define SET_BYTES_MAX ((size_t)1 << 30)

void partition_set_init(struct partition_set *set)
{
    *set = (struct partition_set){.items = NULL};
    arena_init(&set->arena, SET_BYTES_MAX);
}

void partition_set_release(struct partition_set *set)
{
    arena_release(&set->arena);
    partition_set_init(set);
}

bool partition_set_start(struct partition_set *set, size_t capacity)
{
    partition_set_release(set);
    set->items = arena_array(&set->arena, capacity + 1, sizeof *set->items);
    set->capacity = set->items != NULL ? capacity : 0;
    return set->items != NULL;
}

bool partition_set_add(struct partition_set *set, const struct partition_key *key)
{
    ASSERT(set->count < set->capacity);
    struct partition_key *item = &set->items[set->count];
    *item = *key;
    if (set->count > 0 && string_view_equal(item[-1].topic, key->topic)) {
        item->topic = item[-1].topic;
    } else {
        item->topic = arena_string(&set->arena, key->topic);
        if (item->topic.data == NULL) {
            partition_set_release(set);
            return false;
        }
    }
    set->count++;
    return true;
}

static int key_order(const void *a, const void *b)
{
    const struct partition_key *first = a;
    const struct partition_key *second = b;
    int order = first->topic.data == second->topic.data
                    ? 0 : string_view_compare(first->topic, second->topic);
    return order != 0 ? order
                      : (first->partition > second->partition) -
                            (first->partition < second->partition);
}

void partition_set_finish(struct partition_set *set)
{
    if (set->count == 0) {
        return;
    }
    qsort(set->items, set->count, sizeof *set->items, key_order);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++) {
        if (key_order(&set->items[kept - 1], &set->items[i]) != 0) {
            set->items[kept++] = set->items[i];
        }
    }
    set->count = kept;
}

bool partition_set_has(const struct partition_set *set, const struct partition_key *key)
{
    return set->count > 0 &&
           bsearch(key, set->items, set->count, sizeof *set->items, key_order) != NULL;
}

/* Those of a that b has not, behind what is there already. */
static bool add_missing(struct partition_set *result, const struct partition_set *a,
                        const struct partition_set *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (!partition_set_has(b, &a->items[i]) && !partition_set_add(result, &a->items[i])) {
            return false;
        }
    }
    return true;
}

int partition_set_copy(struct partition_set *result, const struct partition_set *a)
{
    static const struct partition_set none = {.items = NULL};
    return partition_set_subtract(result, a, &none);
}

int partition_set_subtract(struct partition_set *result, const struct partition_set *a,
                           const struct partition_set *b)
{
    ASSERT(result != a && result != b);
    return partition_set_start(result, a->count) && add_missing(result, a, b) ? 0 : ERR_NOMEM;
}

int partition_set_unite(struct partition_set *result, const struct partition_set *a,
                        const struct partition_set *b)
{
    ASSERT(result != a && result != b);
    static const struct partition_set none = {.items = NULL};
    if (!partition_set_start(result, a->count + b->count) || !add_missing(result, a, &none) ||
        !add_missing(result, b, a)) {
        return ERR_NOMEM;
    }
    partition_set_finish(result);
    return 0;
}

bool partition_set_equal(const struct partition_set *a, const struct partition_set *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (key_order(&a->items[i], &b->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

size_t partition_set_run(const struct partition_set *set, size_t index)
{
    size_t end = index;
    while (end < set->count && string_view_equal(set->items[end].topic, set->items[index].topic)) {
        end++;
    }
    return end - index;
}
