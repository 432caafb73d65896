/* The range assignor: a contiguous range of each topic for each of its readers. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "assignor/owners.h"

/* What is left of a topic for the readers that did not have their range yet. */
struct range_topic {
    uint32_t readers;
    int32_t quota;
    int32_t extras; /* readers that get one more than the quota */
    int32_t next;
};

/* Members with an instance id come first, by that; the others by their id. */
static int member_order(const void *a, const void *b)
{
    const struct assignor_member *first = *(const struct assignor_member *const *)a;
    const struct assignor_member *second = *(const struct assignor_member *const *)b;
    bool first_static = first->instance_id.data != NULL;
    bool second_static = second->instance_id.data != NULL;
    if (first_static != second_static) {
        return first_static ? -1 : 1;
    }
    return first_static ? string_view_compare(first->instance_id, second->instance_id)
                        : string_view_compare(first->member_id, second->member_id);
}

static struct range_topic *topics_of(const struct assignor_group *group, struct arena *arena,
                                     int32_t *partitions_max)
{
    struct range_topic *topics = arena_array(arena, (size_t)group->topics_count + 1,
                                             sizeof *topics);
    if (topics == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < group->members_count; i++) {
        for (uint32_t j = 0; j < group->members[i].topics_count; j++) {
            ASSERT(group->members[i].topics[j] < group->topics_count);
            topics[group->members[i].topics[j]].readers++;
        }
    }
    *partitions_max = 0;
    for (uint32_t i = 0; i < group->topics_count; i++) {
        int32_t count = group->topics[i].partition_count;
        ASSERT(count >= 0);
        if (topics[i].readers > 0) {
            topics[i].quota = (int32_t)((uint32_t)count / topics[i].readers);
            topics[i].extras = (int32_t)((uint32_t)count % topics[i].readers);
            *partitions_max = count > *partitions_max ? count : *partitions_max;
        }
    }
    return topics;
}

/* Its range of each topic; numbers are 0, 1, 2 ... */
static int range_take(const struct assignor_member *member, struct range_topic *topics,
                      const int32_t *numbers, struct arena *arena,
                      struct assignor_assignment *assignment)
{
    struct assignor_partitions *ranges = arena_array(arena, member->topics_count, sizeof *ranges);
    if (ranges == NULL && member->topics_count > 0) {
        return ERR_NOMEM;
    }
    uint32_t ranges_count = 0;
    for (uint32_t i = 0; i < member->topics_count; i++) {
        struct range_topic *topic = &topics[member->topics[i]];
        int32_t count = topic->quota + (topic->extras > 0);
        topic->extras -= topic->extras > 0;
        if (count > 0) {
            ranges[ranges_count++] = (struct assignor_partitions){
                member->topics[i], numbers + topic->next, (uint32_t)count};
            topic->next += count;
        }
    }
    *assignment = (struct assignor_assignment){ranges, ranges_count};
    return 0;
}

int assignor_range(const struct assignor_group *group, struct arena *arena,
                   struct assignor_assignment *assignments)
{
    if (group->members_count == 0) {
        return 0;
    }
    int32_t partitions_max = 0;
    struct range_topic *topics = topics_of(group, arena, &partitions_max);
    const struct assignor_member **members =
        arena_array(arena, group->members_count, sizeof *members);
    int32_t *numbers = arena_array(arena, (size_t)partitions_max + 1, sizeof *numbers);
    if (topics == NULL || members == NULL || numbers == NULL) {
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < partitions_max; i++) {
        numbers[i] = i;
    }
    for (uint32_t i = 0; i < group->members_count; i++) {
        members[i] = &group->members[i];
    }
    qsort(members, group->members_count, sizeof *members, member_order);
    for (uint32_t i = 0; i < group->members_count; i++) {
        size_t place = (size_t)(members[i] - group->members);
        if (range_take(members[i], topics, numbers, arena, &assignments[place]) != 0) {
            return ERR_NOMEM;
        }
    }
    return 0;
}
