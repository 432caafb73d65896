/* Sets of partitions. */
#include <stdlib.h>

#include "coordinator/transaction/internal.h"

int transaction_partition_order(const void *a, const void *b)
{
    const struct transaction_partition *first = a;
    const struct transaction_partition *second = b;
    int order = string_view_compare(first->topic, second->topic);
    return order != 0 ? order
                      : (first->partition > second->partition) -
                            (first->partition < second->partition);
}

void transaction_set_release(struct transaction_set *set)
{
    mem_free(set->items);
    *set = (struct transaction_set){NULL, 0};
}

/* Sorted items, each once, with names of their own: a name once for all of its partitions. */
static bool set_copy(const struct transaction_partition *items, size_t count,
                     struct transaction_set *set)
{
    size_t text_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && string_view_equal(items[i].topic, items[i - 1].topic);
        text_bytes += same ? 0 : items[i].topic.size + 1;
    }
    struct transaction_partition *copy = mem_alloc(count * sizeof *copy + text_bytes);
    if (copy == NULL) {
        return false;
    }
    char *text = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && string_view_equal(items[i].topic, items[i - 1].topic)) {
            copy[i] = (struct transaction_partition){copy[i - 1].topic, items[i].partition};
            continue;
        }
        memcpy(text, items[i].topic.data, items[i].topic.size);
        text[items[i].topic.size] = '\0';
        copy[i] = (struct transaction_partition){{text, items[i].topic.size}, items[i].partition};
        text += items[i].topic.size + 1;
    }
    ASSERT(text == (char *)(copy + count) + text_bytes);
    *set = (struct transaction_set){copy, (int32_t)count};
    return true;
}

bool transaction_set_join(const struct transaction_set *set,
                          const struct transaction_partition *more, int32_t more_count,
                          struct transaction_set *joined)
{
    size_t count = (size_t)set->count + (size_t)more_count;
    *joined = (struct transaction_set){NULL, 0};
    ASSERT(set->count >= 0 && more_count >= 0);
    if (count == 0) {
        return true;
    }
    struct transaction_partition *all = mem_alloc(count * sizeof *all);
    if (all == NULL) {
        return false;
    }
    for (int32_t i = 0; i < set->count; i++) {
        all[i] = set->items[i];
    }
    for (int32_t i = 0; i < more_count; i++) {
        ASSERT(more[i].topic.data != NULL);
        all[set->count + i] = more[i];
    }
    qsort(all, count, sizeof *all, transaction_partition_order);
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        if (different == 0 || transaction_partition_order(&all[different - 1], &all[i]) != 0) {
            all[different++] = all[i];
        }
    }
    bool copied = set_copy(all, different, joined);
    mem_free(all);
    return copied;
}

bool transaction_set_has(const struct transaction_set *set,
                         const struct transaction_partition *partition)
{
    return set->count > 0 && bsearch(partition, set->items, (size_t)set->count,
                                     sizeof *set->items, transaction_partition_order) != NULL;
}
