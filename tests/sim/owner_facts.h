/* owner_facts.h: what the members of a group of the consumer protocol know together: who was given
 * which partition, and the newest epoch of the group. A run fails at the first two that contradict
 * each other. Thread: the one of the simulation. */
#ifndef BNB_SIM_OWNER_FACTS_H
#define BNB_SIM_OWNER_FACTS_H

#include "base/view.h"
#include "sim.h"

#define OWNED_MAX 32
#define GROUP_OWNERS 3

struct owned_partition {
    struct uuid topic;
    int32_t partition;
};
struct owner_set {
    struct owned_partition items[OWNED_MAX];
    int64_t since[OWNED_MAX]; /* the moment at which it was given */
    size_t count;
};
/* Who got a partition last, and when. */
struct owner_gift {
    struct owned_partition what;
    int32_t member;
    int64_t moment;
};
struct owner_facts {
    struct sim *sim;
    int64_t moment; /* grows with everything that is heard */
    int32_t epoch;  /* the newest that a member was told */
    int32_t holes; /* how often a sync has failed, which may lose what lies in a log's middle */
    struct owner_gift gifts[OWNED_MAX];
    size_t gift_count;
    struct owner_set sets[GROUP_OWNERS]; /* of each member, as its client sees it */
};

void owner_facts_init(struct owner_facts *facts, struct sim *sim);
/* A member was answered: it has set from here on (NULL: what it has) at epoch. asked: the moment at
 * which it asked; joins: it did so without an epoch, when newest was the newest. */
void owner_facts_told(struct owner_facts *facts, int32_t member, const struct owner_set *set,
                      int32_t epoch, int64_t asked, bool joins, int32_t newest);
/* It gives everything up: it leaves, or was told that it is none. */
void owner_facts_gone(struct owner_facts *facts, int32_t member);
/* Whether each partition of the topics that exist has one owner. */
bool owner_facts_shared(const struct owner_facts *facts, size_t partitions);
/* What was not on the disk is gone: so is what followed from it. */
void owner_facts_lose(struct owner_facts *facts, bool sync_failed);

#endif
