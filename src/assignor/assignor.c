/* Which assignors there are, and what they share. */
#include "base/assert.h"
#include "base/err.h"
#include "assignor/owners.h"

const struct assignor *assignor_find(struct string_view name)
{
    static const struct assignor all[] = {
        {"uniform", assignor_uniform},
        {"range", assignor_range},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (string_view_is(name, all[i].name)) {
            return &all[i];
        }
    }
    return NULL;
}

bool assignor_same_topics(const struct assignor_group *group)
{
    const struct assignor_member *first = &group->members[0];
    for (uint32_t i = 1; i < group->members_count; i++) {
        const struct assignor_member *member = &group->members[i];
        if (member->topics_count != first->topics_count ||
            (first->topics_count > 0 &&
             memcmp(member->topics, first->topics,
                    first->topics_count * sizeof *first->topics) != 0)) {
            return false;
        }
    }
    return true;
}

int assignor_owners_init(struct assignor_owners *owners, const struct assignor_group *group,
                         struct arena *arena)
{
    owners->first = arena_array(arena, (size_t)group->topics_count + 1, sizeof *owners->first);
    if (owners->first == NULL) {
        return ERR_NOMEM;
    }
    uint32_t total = 0;
    for (uint32_t i = 0; i < group->topics_count; i++) {
        ASSERT(group->topics[i].partition_count >= 0);
        owners->first[i] = total;
        total += (uint32_t)group->topics[i].partition_count;
        ASSERT(total < ASSIGNOR_NOBODY);
    }
    owners->first[group->topics_count] = total;
    owners->member = arena_array(arena, total, sizeof *owners->member);
    if (owners->member == NULL && total > 0) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < total; i++) {
        owners->member[i] = ASSIGNOR_NOBODY;
    }
    return 0;
}

/* Those of one topic; returns how much of the quota is left. */
static uint32_t topic_keep(struct assignor_owners *owners, uint32_t member,
                           const struct assignor_partitions *had, uint32_t quota,
                           struct assignor_list *rest)
{
    uint32_t first = owners->first[had->topic];
    uint32_t count = owners->first[had->topic + 1] - first;
    for (uint32_t i = 0; i < had->count; i++) {
        uint32_t partition = (uint32_t)had->partitions[i];
        if (partition >= count || owners->member[first + partition] != ASSIGNOR_NOBODY) {
            continue;
        }
        owners->member[first + partition] = member;
        if (quota > 0) {
            quota--;
        } else {
            rest->items[rest->count++] = first + partition;
        }
    }
    return quota;
}

uint32_t assignor_keep(struct assignor_owners *owners, const struct assignor_group *group,
                       uint32_t member, uint32_t quota, struct assignor_list *rest)
{
    const struct assignor_member *keeper = &group->members[member];
    uint32_t left = quota;
    uint32_t at = 0;
    for (uint32_t i = 0; i < keeper->current.count; i++) {
        const struct assignor_partitions *had = &keeper->current.topics[i];
        while (at < keeper->topics_count && keeper->topics[at] < had->topic) {
            at++;
        }
        if (at < keeper->topics_count && keeper->topics[at] == had->topic) {
            left = topic_keep(owners, member, had, left, rest);
        }
    }
    return quota - left;
}

/* What a member gets, while the whole is put together. */
struct share {
    struct assignor_partitions *topics;
    int32_t *partitions;
    uint32_t topics_count;
    uint32_t partitions_count;
    uint32_t last_topic; /* + 1; 0: none yet */
};

static void shares_count(const struct assignor_owners *owners, uint32_t topics_count,
                         struct share *shares)
{
    for (uint32_t topic = 0; topic < topics_count; topic++) {
        for (uint32_t i = owners->first[topic]; i < owners->first[topic + 1]; i++) {
            if (owners->member[i] == ASSIGNOR_NOBODY) {
                continue;
            }
            struct share *share = &shares[owners->member[i]];
            share->partitions_count++;
            share->topics_count += share->last_topic != topic + 1;
            share->last_topic = topic + 1;
        }
    }
}

/* Into the room that was made by what shares_count had found. */
static void shares_fill(const struct assignor_owners *owners, uint32_t topics_count,
                        struct share *shares)
{
    for (uint32_t topic = 0; topic < topics_count; topic++) {
        for (uint32_t i = owners->first[topic]; i < owners->first[topic + 1]; i++) {
            if (owners->member[i] == ASSIGNOR_NOBODY) {
                continue;
            }
            struct share *share = &shares[owners->member[i]];
            if (share->last_topic != topic + 1) {
                share->last_topic = topic + 1;
                share->topics[share->topics_count++] = (struct assignor_partitions){
                    .topic = topic, .partitions = share->partitions + share->partitions_count};
            }
            share->partitions[share->partitions_count++] = (int32_t)(i - owners->first[topic]);
            share->topics[share->topics_count - 1].count++;
        }
    }
}

int assignor_owners_collect(const struct assignor_owners *owners,
                            const struct assignor_group *group, struct arena *arena,
                            struct assignor_assignment *assignments)
{
    struct share *shares = arena_array(arena, group->members_count, sizeof *shares);
    if (shares == NULL) {
        return ERR_NOMEM;
    }
    shares_count(owners, group->topics_count, shares);
    for (uint32_t i = 0; i < group->members_count; i++) {
        struct share *share = &shares[i];
        share->topics = arena_array(arena, share->topics_count, sizeof *share->topics);
        share->partitions = arena_array(arena, share->partitions_count, sizeof *share->partitions);
        if (share->partitions_count > 0 && (share->topics == NULL || share->partitions == NULL)) {
            return ERR_NOMEM;
        }
        *share = (struct share){.topics = share->topics, .partitions = share->partitions};
    }
    shares_fill(owners, group->topics_count, shares);
    for (uint32_t i = 0; i < group->members_count; i++) {
        assignments[i] = (struct assignor_assignment){shares[i].topics, shares[i].topics_count};
    }
    return 0;
}
