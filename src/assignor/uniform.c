/* The uniform assignor where all members subscribe to the same topics. */
#include "base/assert.h"
#include "base/err.h"
#include "assignor/owners.h"

struct uniform {
    const struct assignor_group *group;
    struct assignor_owners owners;
    uint32_t *wanted; /* of each member, how many partitions it lacks */
    struct assignor_list revoked; /* of those that somebody had too many of */
    uint32_t quota;
    uint32_t extras; /* members that may still get one more than the quota */
};

static int uniform_init(struct uniform *uniform, struct arena *arena)
{
    const struct assignor_group *group = uniform->group;
    if (assignor_owners_init(&uniform->owners, group, arena) != 0) {
        return ERR_NOMEM;
    }
    uint32_t total = uniform->owners.first[group->topics_count];
    uniform->wanted = arena_array(arena, group->members_count, sizeof *uniform->wanted);
    uniform->revoked.items = arena_array(arena, (size_t)total + 1, sizeof(uint32_t));
    if (uniform->wanted == NULL || uniform->revoked.items == NULL) {
        return ERR_NOMEM;
    }
    uint32_t subscribed = 0;
    const struct assignor_member *member = &group->members[0];
    for (uint32_t i = 0; i < member->topics_count; i++) {
        ASSERT(member->topics[i] < group->topics_count);
        subscribed += (uint32_t)group->topics[member->topics[i]].partition_count;
    }
    uniform->quota = subscribed / group->members_count;
    uniform->extras = subscribed % group->members_count;
    return 0;
}

/* The first members may have one more than the quota. One that does not have so much leaves that to
 * a later one, as long as there are more of them than extras, so that fewer partitions move. */
static void members_keep(struct uniform *uniform)
{
    uint32_t members_count = uniform->group->members_count;
    for (uint32_t i = 0; i < members_count; i++) {
        bool extra = uniform->extras > 0;
        uint32_t quota = uniform->quota + extra;
        uint32_t kept = assignor_keep(&uniform->owners, uniform->group, i, quota,
                                      &uniform->revoked);
        uint32_t lacks = quota - kept;
        if (extra && lacks > 0 && members_count - i > uniform->extras) {
            lacks--;
            extra = false;
        }
        uniform->wanted[i] = lacks;
        uniform->extras -= extra;
    }
}

static void give(struct uniform *uniform, uint32_t partition, uint32_t *receiver)
{
    while (uniform->wanted[*receiver] == 0) {
        ++*receiver;
        ASSERT(*receiver < uniform->group->members_count);
    }
    uniform->owners.member[partition] = *receiver;
    uniform->wanted[*receiver]--;
}

/* First what nobody had, topic by topic, then what was taken from somebody. */
static void rest_give(struct uniform *uniform)
{
    const struct assignor_member *member = &uniform->group->members[0];
    struct assignor_owners *owners = &uniform->owners;
    uint32_t receiver = 0;
    for (uint32_t i = 0; i < member->topics_count; i++) {
        uint32_t topic = member->topics[i];
        for (uint32_t j = owners->first[topic]; j < owners->first[topic + 1]; j++) {
            if (owners->member[j] == ASSIGNOR_NOBODY) {
                give(uniform, j, &receiver);
            }
        }
    }
    for (uint32_t i = 0; i < uniform->revoked.count; i++) {
        give(uniform, uniform->revoked.items[i], &receiver);
    }
}

int assignor_uniform(const struct assignor_group *group, struct arena *arena,
                     struct assignor_assignment *assignments)
{
    if (group->members_count == 0) {
        return 0;
    }
    if (!assignor_same_topics(group)) {
        return assignor_uniform_mixed(group, arena, assignments);
    }
    struct uniform uniform = {.group = group};
    if (uniform_init(&uniform, arena) != 0) {
        return ERR_NOMEM;
    }
    members_keep(&uniform);
    rest_give(&uniform);
    return assignor_owners_collect(&uniform.owners, group, arena, assignments);
}
