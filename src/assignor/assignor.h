/* assignor.h: who reads which partitions of a consumer group (KIP-848): server-side assignors.
 *
 * A call takes what is known of a group and says what each member is to have. It keeps nothing. All
 * input is borrowed for the call; the result lies in the caller's arena. A topic is its index in
 * the table of the call, a member its index among the members; neither has a name in here.
 *
 *   range    per topic, members by instance id and then by id get contiguous ranges, so that topics
 *            with as many partitions and the same readers align. Not sticky.
 *   uniform  all have as many partitions as the others, within one where all subscribe to the same
 *            topics; beyond that who has a partition keeps it. Members are taken in their order.
 *
 * Placement is that of Apache Kafka 4.3.1 for the same order of members and topics.
 * Time: about linear in partitions, members and subscriptions.
 * Errors: ERR_NOMEM, when the arena is full. Thread: any.   Locks: none. */
#ifndef BNB_ASSIGNOR_H
#define BNB_ASSIGNOR_H

#include "base/arena.h"

/* Partitions of one topic, ascending, each once. */
struct assignor_partitions {
    uint32_t topic;
    const int32_t *partitions;
    uint32_t count;
};
/* In the order of their topics, each once; none is empty. */
struct assignor_assignment {
    const struct assignor_partitions *topics;
    uint32_t count;
};
struct assignor_topic {
    struct uuid id;
    int32_t partition_count;
};
struct assignor_member {
    struct string_view member_id;
    struct string_view instance_id; /* null: dynamic */
    const uint32_t *topics;         /* that it subscribes to, ascending, each once */
    uint32_t topics_count;
    /* What it is to have at present. No two members have the same partition. Topics that it does
     * not subscribe to any more, and partitions that are gone, may be among it. */
    struct assignor_assignment current;
};
struct assignor_group {
    const struct assignor_member *members;
    uint32_t members_count;
    const struct assignor_topic *topics; /* that exist; all that the members' indexes point at */
    uint32_t topics_count;
};

struct assignor {
    const char *name; /* as group.consumer.assignors and members have it */
    /* Fills one assignment a member, in the order of the members. */
    int (*assign)(const struct assignor_group *group, struct arena *arena,
                  struct assignor_assignment *assignments);
};
/* Those of a coordinator. NULL: there is none of that name. */
const struct assignor *assignor_find(struct string_view name);

int assignor_range(const struct assignor_group *group, struct arena *arena,
                   struct assignor_assignment *assignments);
int assignor_uniform(const struct assignor_group *group, struct arena *arena,
                     struct assignor_assignment *assignments);
/* Of clients only: partition after partition to one member after the other, in the order of topics
 * and members, past those that do not read the topic. */
int assignor_round_robin(const struct assignor_group *group, struct arena *arena,
                         struct assignor_assignment *assignments);

#endif
