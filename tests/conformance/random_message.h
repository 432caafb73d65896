/* random_message.h: fills any message with random values that a version can carry, by its table.
 *
 * The same seed gives the same values on every machine. Memory comes from the caller's arena.
 * Thread: one. Errors: none; an arena that is full leaves the rest at its defaults. */
#ifndef BNB_TESTS_RANDOM_MESSAGE_H
#define BNB_TESTS_RANDOM_MESSAGE_H

#include "protocol/codec.h"

struct random_source {
    uint64_t state;
};

uint64_t random_next(struct random_source *random);
/* 0 <= result < bound. */
uint32_t random_below(struct random_source *random, uint32_t bound);
void random_message_fill(struct random_source *random, const struct codec_struct *row,
                         int16_t version, struct arena *arena, void *message);

#endif
