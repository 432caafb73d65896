/* partition_set.h: a set of partitions, in the order of topics and numbers.
 *
 * Filled between start and finish, then only read. Owns the names. Thread: one.
 * Errors: false or ERR_NOMEM when memory is out; the set is empty then. */
#ifndef BNB_CLIENT_PARTITION_SET_H
#define BNB_CLIENT_PARTITION_SET_H

#include "base/arena.h"

struct partition_key {
    struct string_view topic; /* NUL-terminated */
    struct uuid topic_id;     /* zero: not known */
    int32_t partition;
};
struct partition_set {
    struct arena arena;
    struct partition_key *items;
    size_t count;
    size_t capacity;
};

void partition_set_init(struct partition_set *set);
void partition_set_release(struct partition_set *set);
/* Drops what it has; at most capacity adds follow. */
bool partition_set_start(struct partition_set *set, size_t capacity);
bool partition_set_add(struct partition_set *set, const struct partition_key *key);
void partition_set_finish(struct partition_set *set);
/* result is another set than a and b. */
int partition_set_copy(struct partition_set *result, const struct partition_set *a);
int partition_set_subtract(struct partition_set *result, const struct partition_set *a,
                           const struct partition_set *b);
int partition_set_unite(struct partition_set *result, const struct partition_set *a,
                        const struct partition_set *b);
bool partition_set_has(const struct partition_set *set, const struct partition_key *key);
bool partition_set_equal(const struct partition_set *a, const struct partition_set *b);
/* How many there are of the topic of the item at index, from there on. */
size_t partition_set_run(const struct partition_set *set, size_t index);

#endif
