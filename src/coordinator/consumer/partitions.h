/* partitions.h: sets of partitions of topics, in order, with the epoch at which each was given.
 *
 * A set is an array in ascending order of topic id and partition, each once. Sets are made in an
 * arena and never change afterwards; whoever keeps one copies it.
 * Thread: any.   Errors: a set that found no memory is empty, and its arena has failed. */
#ifndef BNB_COORDINATOR_CONSUMER_PARTITIONS_H
#define BNB_COORDINATOR_CONSUMER_PARTITIONS_H

#include "base/arena.h"
#include "base/view.h"

struct partition_item {
    struct uuid topic;
    int32_t partition;
    int32_t epoch; /* of the assignment that brought it; 0 where nobody asks */
};
struct partition_set {
    const struct partition_item *items;
    size_t count;
};

int partition_item_compare(const struct partition_item *a, const struct partition_item *b);
/* NULL: it is not in the set. */
const struct partition_item *partition_set_find(struct partition_set set, struct uuid topic,
                                                int32_t partition);
/* Sorts items in place and drops what is there twice; how many are left. */
size_t partition_items_order(struct partition_item *items, size_t count);
/* Whether both have the same partitions; with epochs, also those. */
bool partition_sets_equal(struct partition_set a, struct partition_set b, bool epochs);
/* Whether every partition of a is in b. */
bool partition_set_within(struct partition_set a, struct partition_set b);
bool partition_sets_meet(struct partition_set a, struct partition_set b);
/* What is in a and in b, with the epochs of a. */
struct partition_set partition_set_both(struct partition_set a, struct partition_set b,
                                        struct arena *arena);
/* What is in a and not in b. */
struct partition_set partition_set_without(struct partition_set a, struct partition_set b,
                                           struct arena *arena);
/* What is in a or in b; where both have it, with the epoch of a. */
struct partition_set partition_set_union(struct partition_set a, struct partition_set b,
                                         struct arena *arena);
/* Those whose topic is among topics, which are ascending. */
struct partition_set partition_set_of_topics(struct partition_set set, const struct uuid *topics,
                                             size_t topic_count, struct arena *arena);
int uuid_compare(struct uuid a, struct uuid b);
/* Sorts and drops what is there twice; how many are left. */
size_t uuids_order(struct uuid *ids, size_t count);
/* The end of the run of items of the topic at index. */
size_t partition_set_topic_end(struct partition_set set, size_t index);
/* How many topics have a partition in it. */
size_t partition_set_topics(struct partition_set set);

#endif
