/* text.h: strings with an owner, and tables keyed by them, for all coordinators.
 *
 * What a copy holds its owner frees. Thread: one.   Errors: false when memory is out. */
#ifndef BNB_COORDINATOR_TEXT_H
#define BNB_COORDINATOR_TEXT_H

#include "base/map.h"

/* A copy of its own; null stays null. False when memory is out. */
bool text_copy(struct string_view from, struct string_view *copy);
void text_free(struct string_view *text);
bool bytes_copy(struct bytes_view from, struct bytes_view *copy);
void bytes_free(struct bytes_view *bytes);
/* Tables keyed by a struct string_view. */
void text_table_init(struct map *table, uint64_t seed, const void *(*key_of)(const void *element),
                     bool (*equal)(const void *element, const void *key));
/* struct string_view pointers in the order of their bytes. */
int text_order(const void *a, const void *b);
/* Text as Java has it: UTF-16, unit by unit. A byte that is no UTF-8 counts as U+FFFD. */
struct text_units {
    const uint8_t *cursor;
    const uint8_t *end;
    uint16_t low; /* the second half of a pair that is under way; 0: none */
};
void text_units_init(struct text_units *units, struct string_view text);
bool text_units_next(struct text_units *units, uint16_t *unit);
/* The partition of the topic of a coordinator that an id is on: Java's hashCode of the id, which
 * counts in UTF-16. */
int32_t coordinator_partition_of(struct string_view id, int32_t partition_count);

#endif
