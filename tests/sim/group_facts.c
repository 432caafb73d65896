#include "group_facts.h"

#include <inttypes.h>

#include "base/assert.h"

static void facts_forget_owners(struct group_facts *facts)
{
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        facts->owners[i] = -1;
    }
}

void group_facts_init(struct group_facts *facts, struct sim *sim)
{
    *facts = (struct group_facts){.sim = sim};
    group_facts_lose(facts);
}

void group_facts_assigned(struct group_facts *facts, int32_t member, int32_t generation,
                          uint32_t partitions)
{
    sim_note(facts->sim, "member-%d has partitions %x in generation %d", member, partitions,
             generation);
    if (generation < facts->generation) {
        sim_fail(facts->sim, "member-%d is told generation %d after %d", member, generation,
                 facts->generation);
        return;
    }
    if (generation > facts->generation) {
        facts->generation = generation;
        facts_forget_owners(facts);
    }
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if ((partitions >> i & 1) == 0) {
            continue;
        }
        if (facts->owners[i] >= 0 && facts->owners[i] != member) {
            sim_fail(facts->sim, "partition %d has two owners in generation %d: member-%d and %d",
                     i, generation, facts->owners[i], member);
        }
        facts->owners[i] = member;
    }
}

void group_facts_believed(struct group_facts *facts, int32_t member, int32_t generation,
                          int32_t newest)
{
    if (generation < newest) {
        sim_fail(facts->sim, "member-%d is believed in generation %d when there was %d", member,
                 generation, newest);
    }
}

int64_t group_facts_send(struct group_facts *facts, int32_t partition)
{
    ASSERT(partition >= 0 && partition < GROUP_PARTITIONS);
    return ++facts->sent[partition];
}

/* Answers overtake each other: only what was known when it was asked can be held against them. */
static void facts_learn(struct group_facts *facts, int32_t partition, int64_t offset)
{
    if (offset > facts->sent[partition]) {
        sim_fail(facts->sim, "partition %d: nobody committed offset %" PRId64, partition, offset);
    }
    if (offset > facts->known[partition]) {
        facts->known[partition] = offset;
    }
}

void group_facts_committed(struct group_facts *facts, int32_t partition, int64_t offset)
{
    facts->commits++;
    facts_learn(facts, partition, offset);
}

void group_facts_read(struct group_facts *facts, int32_t partition, int64_t offset, int64_t known)
{
    if (offset < known) {
        sim_fail(facts->sim, "partition %d: offset %" PRId64 " was read after %" PRId64, partition,
                 offset, known);
    }
    facts_learn(facts, partition, offset);
}

void group_facts_lose(struct group_facts *facts)
{
    facts->generation = 0;
    facts_forget_owners(facts);
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        facts->known[i] = GROUP_OFFSET_NONE;
    }
}
