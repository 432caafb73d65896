/* group_facts.h: what the members of the simulated group know between them.
 *
 * The group has the partitions of the topics that stay. Every commit of a partition is for a larger
 * offset than the one before it, whoever sends it, and a member whose commit got no answer comes
 * back as another one: so an offset that goes back is a commit that was lost, or one of an older
 * generation that was taken. Generations, as far as members were told that they are in them, only
 * grow, and no partition has two owners in one. Only what was not synced may be forgotten
 * (group_facts_lose). */
#ifndef BNB_SIM_GROUP_FACTS_H
#define BNB_SIM_GROUP_FACTS_H

#include "model.h"

#define GROUP_PARTITIONS (MODEL_TOPICS_PERMANENT * MODEL_PARTITIONS)
#define GROUP_OFFSET_NONE (-1)

struct group_facts {
    struct sim *sim;
    int32_t generation;                /* the newest that a member was told it is in */
    int32_t owners[GROUP_PARTITIONS];  /* in it: the index of a member, or -1 */
    int64_t sent[GROUP_PARTITIONS];    /* the largest offset that was sent in a commit */
    int64_t known[GROUP_PARTITIONS];   /* the largest that was acknowledged or read */
    int64_t commits;                   /* acknowledged ones */
};

void group_facts_init(struct group_facts *facts, struct sim *sim);
/* A member was given these partitions (a bit each). */
void group_facts_assigned(struct group_facts *facts, int32_t member, int32_t generation,
                          uint32_t partitions);
/* A member that said it is of generation was believed; newest: facts->generation when it asked. */
void group_facts_believed(struct group_facts *facts, int32_t member, int32_t generation,
                          int32_t newest);
/* The offset of the next commit of a partition. */
int64_t group_facts_send(struct group_facts *facts, int32_t partition);
void group_facts_committed(struct group_facts *facts, int32_t partition, int64_t offset);
/* known: facts->known of the partition when it was asked. */
void group_facts_read(struct group_facts *facts, int32_t partition, int64_t offset, int64_t known);
void group_facts_lose(struct group_facts *facts);

#endif
