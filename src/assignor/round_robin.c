/* The round robin assignor. */
#include <stdlib.h>

#include "base/err.h"
#include "assignor/owners.h"

static int index_order(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

static bool reads(const struct assignor_member *member, uint32_t topic)
{
    return member->topics_count > 0 && bsearch(&topic, member->topics, member->topics_count,
                                               sizeof *member->topics, index_order) != NULL;
}

int assignor_round_robin(const struct assignor_group *group, struct arena *arena,
                         struct assignor_assignment *assignments)
{
    struct assignor_owners owners;
    if (group->members_count == 0) {
        return 0;
    }
    if (assignor_owners_init(&owners, group, arena) != 0) {
        return ERR_NOMEM;
    }
    uint32_t member = 0;
    for (uint32_t topic = 0; topic < group->topics_count; topic++) {
        for (uint32_t i = owners.first[topic]; i < owners.first[topic + 1]; i++) {
            uint32_t tried = 0;
            while (tried < group->members_count && !reads(&group->members[member], topic)) {
                member = (member + 1) % group->members_count;
                tried++;
            }
            if (tried == group->members_count) {
                break; /* nobody does */
            }
            owners.member[i] = member;
            member = (member + 1) % group->members_count;
        }
    }
    return assignor_owners_collect(&owners, group, arena, assignments);
}
