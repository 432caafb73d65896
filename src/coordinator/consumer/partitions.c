#include "coordinator/consumer/partitions.h"

#include <stdlib.h>

#include "base/assert.h"

int uuid_compare(struct uuid a, struct uuid b) { return memcmp(a.bytes, b.bytes, 16); }

static int uuids_by_bytes(const void *a, const void *b) { return memcmp(a, b, 16); }

size_t uuids_order(struct uuid *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(ids, count, sizeof *ids, uuids_by_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !uuid_equal(ids[kept - 1], ids[i])) {
            ids[kept++] = ids[i];
        }
    }
    ASSERT(kept <= count);
    return kept;
}

int partition_item_compare(const struct partition_item *a, const struct partition_item *b)
{
    int order = uuid_compare(a->topic, b->topic);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static int items_in_order(const void *a, const void *b) { return partition_item_compare(a, b); }

size_t partition_items_order(struct partition_item *items, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(items, count, sizeof *items, items_in_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || partition_item_compare(&items[kept - 1], &items[i]) != 0) {
            items[kept++] = items[i];
        }
    }
    ASSERT(kept <= count);
    return kept;
}

const struct partition_item *partition_set_find(struct partition_set set, struct uuid topic,
                                                int32_t partition)
{
    struct partition_item wanted = {topic, partition, 0};
    size_t low = 0;
    size_t high = set.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = partition_item_compare(&set.items[middle], &wanted);
        if (order == 0) {
            return &set.items[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool partition_sets_equal(struct partition_set a, struct partition_set b, bool epochs)
{
    if (a.count != b.count) {
        return false;
    }
    for (size_t i = 0; i < a.count; i++) {
        if (partition_item_compare(&a.items[i], &b.items[i]) != 0 ||
            (epochs && a.items[i].epoch != b.items[i].epoch)) {
            return false;
        }
    }
    return true;
}

/* Negative: the next one is in a only, positive: in b only, zero: in both. */
static int merge_order(struct partition_set a, size_t i, struct partition_set b, size_t j)
{
    ASSERT(i < a.count || j < b.count);
    if (i == a.count) {
        return 1;
    }
    return j == b.count ? -1 : partition_item_compare(&a.items[i], &b.items[j]);
}

bool partition_set_within(struct partition_set a, struct partition_set b)
{
    size_t i = 0;
    size_t j = 0;
    while (i < a.count) {
        int order = merge_order(a, i, b, j);
        if (order < 0) {
            return false;
        }
        i += order == 0;
        j++;
    }
    return true;
}

bool partition_sets_meet(struct partition_set a, struct partition_set b)
{
    size_t i = 0;
    size_t j = 0;
    while (i < a.count && j < b.count) {
        int order = partition_item_compare(&a.items[i], &b.items[j]);
        if (order == 0) {
            return true;
        }
        i += order < 0;
        j += order > 0;
    }
    return false;
}

#define MERGE_A 1u
#define MERGE_B 2u
#define MERGE_BOTH 4u

/* What is in a only, in b only, in both: as wanted says. */
static struct partition_set merge(struct partition_set a, struct partition_set b, unsigned wanted,
                                  struct arena *arena)
{
    size_t most = (wanted & MERGE_B) != 0 ? a.count + b.count : a.count;
    struct partition_item *items = arena_array(arena, most, sizeof *items);
    struct partition_set out = {items, 0};
    size_t i = 0;
    size_t j = 0;
    while (items != NULL && (i < a.count || j < b.count)) {
        int order = merge_order(a, i, b, j);
        unsigned kind = order < 0 ? MERGE_A : order > 0 ? MERGE_B : MERGE_BOTH;
        if ((wanted & kind) != 0) {
            ASSERT(out.count < most);
            items[out.count++] = order > 0 ? b.items[j] : a.items[i];
        }
        i += order <= 0;
        j += order >= 0;
    }
    return out;
}

struct partition_set partition_set_both(struct partition_set a, struct partition_set b,
                                        struct arena *arena)
{
    return merge(a, b, MERGE_BOTH, arena);
}

struct partition_set partition_set_without(struct partition_set a, struct partition_set b,
                                           struct arena *arena)
{
    return merge(a, b, MERGE_A, arena);
}

struct partition_set partition_set_union(struct partition_set a, struct partition_set b,
                                         struct arena *arena)
{
    return merge(a, b, MERGE_A | MERGE_B | MERGE_BOTH, arena);
}

struct partition_set partition_set_of_topics(struct partition_set set, const struct uuid *topics,
                                             size_t topic_count, struct arena *arena)
{
    struct partition_item *items = arena_array(arena, set.count, sizeof *items);
    struct partition_set out = {items, 0};
    size_t at = 0;
    for (size_t i = 0; items != NULL && i < set.count; i++) {
        while (at < topic_count && uuid_compare(topics[at], set.items[i].topic) < 0) {
            at++;
        }
        if (at < topic_count && uuid_equal(topics[at], set.items[i].topic)) {
            items[out.count++] = set.items[i];
        }
    }
    return out;
}

size_t partition_set_topic_end(struct partition_set set, size_t index)
{
    ASSERT(index < set.count);
    size_t end = index + 1;
    while (end < set.count && uuid_equal(set.items[end].topic, set.items[index].topic)) {
        end++;
    }
    return end;
}

size_t partition_set_topics(struct partition_set set)
{
    size_t topics = 0;
    for (size_t i = 0; i < set.count; i = partition_set_topic_end(set, i)) {
        topics++;
    }
    return topics;
}
