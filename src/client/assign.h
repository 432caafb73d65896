/* assign.h: what members of a classic group say of themselves, and what their leader makes of it:
 * the embedded protocol "consumer", and the assignors.
 *
 * Pure: results lie in the arena of the caller.   Errors: ERR_NOMEM; ERR_CORRUPT for bytes that are
 * no subscription or assignment.   Thread: any. */
#ifndef BNB_CLIENT_ASSIGN_H
#define BNB_CLIENT_ASSIGN_H

#include "client/partition_set.h"
#include "client/topics.h"

/* In the order of nothing; members offer them in that of partition.assignment.strategy. */
enum assign_kind {
    ASSIGN_RANGE,
    ASSIGN_ROUND_ROBIN,
    ASSIGN_COOPERATIVE_STICKY,
    ASSIGN_STICKY,
};
#define ASSIGN_KINDS 4

/* "range" and so on, as they go over the wire. */
const char *assign_name(enum assign_kind kind);
/* By that name, or that of Java's class, with or without its package. False: there is none. */
bool assign_find(struct string_view name, enum assign_kind *kind);
/* Partitions need not be given back before a rebalance. */
bool assign_is_cooperative(enum assign_kind kind);

struct assign_subscription {
    const struct string_view *topics; /* in order */
    size_t topics_count;
    const struct partition_set *owned;
    int32_t generation; /* of owned; -1: none */
    struct string_view rack_id; /* null: none */
    const struct partition_set *last; /* for ASSIGN_STICKY; NULL: it had none */
    int32_t last_generation;
};
int assign_subscription_encode(enum assign_kind kind,
                               const struct assign_subscription *subscription, struct arena *arena,
                               struct bytes_view *bytes);
/* The topics that a member subscribes to; borrowed from bytes and arena. */
int assign_subscription_topics(struct bytes_view bytes, struct arena *arena,
                               const struct string_view **topics, size_t *count);
int assign_assignment_decode(struct bytes_view bytes, struct arena *arena,
                             struct partition_set *partitions);

struct assign_member {
    struct string_view member_id;
    struct string_view instance_id; /* null: dynamic */
    struct bytes_view subscription;
    struct bytes_view assignment; /* out */
};
/* Fills every assignment. Topics that are not there, or have an error, are assigned to nobody. */
int assign_members(enum assign_kind kind, struct assign_member *members, size_t count,
                   const struct topics *topics, struct arena *arena);

/* What the user data of ASSIGN_STICKY tells of the last assignment (assign_sticky.c). */
int assign_sticky_encode(const struct partition_set *last, int32_t generation,
                         struct arena *arena, struct bytes_view *bytes);
/* As what the member owns. Data that cannot be read tells of nothing. 0 or ERR_NOMEM. */
int assign_sticky_decode(struct arena *arena,
                         struct consumer_protocol_subscription *subscription);

#endif
