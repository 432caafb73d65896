#include "owner_facts.h"

#include "base/assert.h"

static bool same_partition(struct owned_partition a, struct owned_partition b)
{
    return uuid_equal(a.topic, b.topic) && a.partition == b.partition;
}

static int64_t set_find(const struct owner_set *set, struct owned_partition what)
{
    for (size_t i = 0; i < set->count; i++) {
        if (same_partition(set->items[i], what)) {
            return (int64_t)i;
        }
    }
    return -1;
}

static struct owner_gift *gift_of(struct owner_facts *facts, struct owned_partition what)
{
    for (size_t i = 0; i < facts->gift_count; i++) {
        if (same_partition(facts->gifts[i].what, what)) {
            return &facts->gifts[i];
        }
    }
    ASSERT(facts->gift_count < OWNED_MAX);
    facts->gifts[facts->gift_count] = (struct owner_gift){.what = what, .member = -1};
    return &facts->gifts[facts->gift_count++];
}

void owner_facts_init(struct owner_facts *facts, struct sim *sim)
{
    *facts = (struct owner_facts){.sim = sim};
}

/* It has kept a partition since before another member was given it, and was believed in that when
 * it asked afterwards: then both have it. */
static void check_kept(struct owner_facts *facts, int32_t member, int64_t asked)
{
    const struct owner_set *set = &facts->sets[member];
    for (size_t i = 0; i < set->count; i++) {
        const struct owner_gift *gift = gift_of(facts, set->items[i]);
        if (gift->member >= 0 && gift->member != member && gift->moment > set->since[i] &&
            gift->moment < asked) {
            sim_fail(facts->sim, "partition %d has two owners: owner-%d and owner-%d",
                     set->items[i].partition, member, gift->member);
        }
    }
}

static void take_set(struct owner_facts *facts, int32_t member, const struct owner_set *told)
{
    struct owner_set *set = &facts->sets[member];
    struct owner_set next = *told;
    for (size_t i = 0; i < next.count; i++) {
        int64_t had = set_find(set, next.items[i]);
        next.since[i] = had >= 0 ? set->since[had] : facts->moment;
        if (had < 0) {
            struct owner_gift *gift = gift_of(facts, next.items[i]);
            gift->member = member;
            gift->moment = facts->moment;
        }
    }
    *set = next;
}

void owner_facts_told(struct owner_facts *facts, int32_t member, const struct owner_set *set,
                      int32_t epoch, int64_t asked, bool joins, int32_t newest)
{
    facts->moment++;
    sim_note(facts->sim, "owner-%d has %zu partitions at epoch %d", member,
             set == NULL ? facts->sets[member].count : set->count, epoch);
    if (joins && epoch < newest) {
        sim_fail(facts->sim, "owner-%d joins at epoch %d, after %d", member, epoch, newest);
    }
    if (set != NULL) {
        take_set(facts, member, set);
    }
    check_kept(facts, member, asked);
    facts->epoch = epoch > facts->epoch ? epoch : facts->epoch;
}

void owner_facts_gone(struct owner_facts *facts, int32_t member)
{
    facts->moment++;
    facts->sets[member].count = 0;
}

bool owner_facts_shared(const struct owner_facts *facts, size_t partitions)
{
    size_t count = 0;
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        for (size_t j = 0; j < facts->sets[i].count; j++) {
            for (int32_t other = 0; other < i; other++) {
                if (set_find(&facts->sets[other], facts->sets[i].items[j]) >= 0) {
                    return false;
                }
            }
        }
        count += facts->sets[i].count;
    }
    return count == partitions;
}

void owner_facts_lose(struct owner_facts *facts, bool sync_failed)
{
    facts->holes += sync_failed ? 1 : 0;
    facts->epoch = 0;
    facts->gift_count = 0;
    for (int32_t i = 0; i < GROUP_OWNERS; i++) {
        facts->sets[i].count = 0;
    }
}
