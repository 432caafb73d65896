/* owners.h: who has which partition, while an assignment is made: what the assignors share.
 *
 * In the arena of the call. Thread: any.   Errors: ERR_NOMEM. */
#ifndef BNB_ASSIGNOR_OWNERS_H
#define BNB_ASSIGNOR_OWNERS_H

#include "assignor/assignor.h"

#define ASSIGNOR_NOBODY UINT32_MAX

/* Who has which partition: those of topic t are from first[t] on, up to first[t + 1]. */
struct assignor_owners {
    uint32_t *first;
    uint32_t *member; /* ASSIGNOR_NOBODY: none */
};
/* Of all topics of the group; nobody has any. ERR_NOMEM. */
int assignor_owners_init(struct assignor_owners *owners, const struct assignor_group *group,
                         struct arena *arena);
/* Partitions, as indexes into owners. */
struct assignor_list {
    uint32_t *items;
    uint32_t count;
};
/* A member keeps what it has of the topics that it subscribes to, unless another has it already: at
 * most quota partitions; the others are put in rest. Returns how many it has. */
uint32_t assignor_keep(struct assignor_owners *owners, const struct assignor_group *group,
                       uint32_t member, uint32_t quota, struct assignor_list *rest);
/* Writes it down member by member. ERR_NOMEM. */
int assignor_owners_collect(const struct assignor_owners *owners,
                            const struct assignor_group *group, struct arena *arena,
                            struct assignor_assignment *assignments);

/* uniform, where members subscribe to different topics. */
int assignor_uniform_mixed(const struct assignor_group *group, struct arena *arena,
                           struct assignor_assignment *assignments);
/* Whether all members subscribe to the same topics. There is a member. */
bool assignor_same_topics(const struct assignor_group *group);

#endif
