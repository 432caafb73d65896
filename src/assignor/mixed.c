/* The uniform assignor where members subscribe to different topics.
 *
 * Everybody keeps what it has of its topics. Then, topic by topic, what nobody has goes to the
 * readers of the topic that have least; then, topic by topic and again while that changes anything,
 * partitions go from the readers that have most to those that have least. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/limits.h"
#include "assignor/owners.h"

struct mixed_topic {
    uint32_t index;
    const struct assignor_topic *topic;
    uint32_t *readers; /* members, ascending */
    uint32_t readers_count;
};
/* The readers of a topic by how many partitions they have. At its lower end those that are to be
 * given some: [0, low_end) have low_level of them, or one more if they are before low_at. At its
 * upper end those that some are taken from: [high_start, high_end) have high_level, or one less if
 * they are behind high_at; behind high_end are those that have nothing more of this topic. */
struct ladder {
    uint32_t *members;
    uint32_t count;
    uint32_t low_end;
    uint32_t low_at;
    int64_t low_level;
    uint32_t high_start;
    uint32_t high_end;
    uint32_t high_at; /* one above the next */
    int64_t high_level;
};
struct mixed {
    const struct assignor_group *group;
    struct assignor_owners owners;
    uint32_t *sizes; /* partitions that each member has */
    struct mixed_topic *topics; /* that have readers, in the order they are looked at */
    uint32_t topics_count;
    struct ladder ladder;
    /* Of the topic at hand, by owner: its partitions, and which of them are whose. */
    uint32_t *grouped;
    uint32_t *starts;
    uint32_t *ends;
};

static int uuid_part_order(const uint8_t *a, const uint8_t *b)
{
    /* Java compares both halves of an id as signed numbers. */
    int order = memcmp(a, b, 8);
    return (a[0] ^ b[0]) & 0x80 ? -order : order;
}

/* Most partitions a reader first, then fewest readers, then by id. */
static int topic_order(const void *a, const void *b)
{
    const struct mixed_topic *first = a;
    const struct mixed_topic *second = b;
    uint64_t first_share = (uint64_t)first->topic->partition_count * second->readers_count;
    uint64_t second_share = (uint64_t)second->topic->partition_count * first->readers_count;
    if (first_share != second_share) {
        return first_share > second_share ? -1 : 1;
    }
    if (first->readers_count != second->readers_count) {
        return first->readers_count < second->readers_count ? -1 : 1;
    }
    int order = uuid_part_order(first->topic->id.bytes, second->topic->id.bytes);
    return order != 0 ? order
                      : uuid_part_order(first->topic->id.bytes + 8, second->topic->id.bytes + 8);
}

/* Who reads each topic: counts first, then the members themselves. */
static int topics_init(struct mixed *mixed, struct arena *arena)
{
    const struct assignor_group *group = mixed->group;
    struct mixed_topic *topics = arena_array(arena, (size_t)group->topics_count + 1,
                                             sizeof *topics);
    if (topics == NULL) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < group->members_count; i++) {
        for (uint32_t j = 0; j < group->members[i].topics_count; j++) {
            ASSERT(group->members[i].topics[j] < group->topics_count);
            topics[group->members[i].topics[j]].readers_count++;
        }
    }
    for (uint32_t i = 0; i < group->topics_count; i++) {
        topics[i].index = i;
        topics[i].topic = &group->topics[i];
        topics[i].readers = arena_array(arena, topics[i].readers_count, sizeof(uint32_t));
        if (topics[i].readers_count > 0 && topics[i].readers == NULL) {
            return ERR_NOMEM;
        }
        topics[i].readers_count = 0;
    }
    for (uint32_t i = 0; i < group->members_count; i++) {
        for (uint32_t j = 0; j < group->members[i].topics_count; j++) {
            struct mixed_topic *topic = &topics[group->members[i].topics[j]];
            topic->readers[topic->readers_count++] = i;
        }
    }
    mixed->topics = topics;
    for (uint32_t i = 0; i < group->topics_count; i++) {
        if (topics[i].readers_count > 0) {
            topics[mixed->topics_count++] = topics[i];
        }
    }
    qsort(topics, mixed->topics_count, sizeof *topics, topic_order);
    return 0;
}

static int mixed_init(struct mixed *mixed, struct arena *arena)
{
    uint32_t members_count = mixed->group->members_count;
    if (assignor_owners_init(&mixed->owners, mixed->group, arena) != 0 ||
        topics_init(mixed, arena) != 0) {
        return ERR_NOMEM;
    }
    int32_t partitions_max = 0;
    for (uint32_t i = 0; i < mixed->topics_count; i++) {
        int32_t count = mixed->topics[i].topic->partition_count;
        partitions_max = count > partitions_max ? count : partitions_max;
    }
    mixed->sizes = arena_array(arena, members_count, sizeof *mixed->sizes);
    mixed->ladder.members = arena_array(arena, members_count, sizeof *mixed->ladder.members);
    mixed->starts = arena_array(arena, members_count, sizeof *mixed->starts);
    mixed->ends = arena_array(arena, members_count, sizeof *mixed->ends);
    mixed->grouped = arena_array(arena, (size_t)partitions_max + 1, sizeof *mixed->grouped);
    return arena->failed ? ERR_NOMEM : 0;
}

static void members_keep(struct mixed *mixed)
{
    const struct assignor_group *group = mixed->group;
    for (uint32_t i = 0; i < group->members_count; i++) {
        mixed->sizes[i] = assignor_keep(&mixed->owners, group, i, UINT32_MAX, NULL);
    }
}

/* By how many partitions they have, then by index: a stable sort by counting would need room for
 * all counts, so this is a heap sort over (size, index). */
static bool has_more(const struct mixed *mixed, uint32_t a, uint32_t b)
{
    return mixed->sizes[a] != mixed->sizes[b] ? mixed->sizes[a] > mixed->sizes[b] : a > b;
}
static void sift_down(const struct mixed *mixed, uint32_t *members, uint32_t at, uint32_t count)
{
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && has_more(mixed, members[child + 1], members[child]);
        if (!has_more(mixed, members[child], members[at])) {
            return;
        }
        uint32_t swapped = members[at];
        members[at] = members[child];
        members[child] = swapped;
        at = child;
    }
}
static void members_sort(const struct mixed *mixed, uint32_t *members, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;) {
        sift_down(mixed, members, i, count);
    }
    for (uint32_t left = count; left-- > 1;) {
        uint32_t largest = members[0];
        members[0] = members[left];
        members[left] = largest;
        sift_down(mixed, members, 0, left);
    }
}

static void ladder_init(struct mixed *mixed, const struct mixed_topic *topic)
{
    struct ladder *ladder = &mixed->ladder;
    uint32_t count = topic->readers_count;
    ASSERT(count > 0);
    memcpy(ladder->members, topic->readers, count * sizeof *ladder->members);
    members_sort(mixed, ladder->members, count);
    *ladder = (struct ladder){
        .members = ladder->members,
        .count = count,
        .low_level = (int64_t)mixed->sizes[ladder->members[0]] - 1,
        .high_start = count,
        .high_end = count,
        .high_at = count,
        .high_level = (int64_t)mixed->sizes[ladder->members[count - 1]] + 1,
    };
}

/* The member that has least, which is to get one. */
static uint32_t ladder_lowest(struct mixed *mixed)
{
    struct ladder *ladder = &mixed->ladder;
    if (ladder->low_at >= ladder->low_end) {
        ladder->low_level++;
        while (ladder->low_end < ladder->count &&
               mixed->sizes[ladder->members[ladder->low_end]] == ladder->low_level) {
            ladder->low_end++;
        }
        ladder->low_at = 0;
    }
    return ladder->members[ladder->low_at++];
}

static void ladder_lower(struct mixed *mixed)
{
    struct ladder *ladder = &mixed->ladder;
    if (ladder->high_end <= ladder->high_start && ladder->high_start > 0) {
        ladder->high_level = mixed->sizes[ladder->members[ladder->high_start - 1]];
    } else {
        ladder->high_level--;
    }
    while (ladder->high_start > 0 &&
           mixed->sizes[ladder->members[ladder->high_start - 1]] == ladder->high_level) {
        ladder->high_start--;
    }
    ladder->high_at = ladder->high_end;
}

/* The member that has most, and some of the topic at hand, of which it is to give one; or
 * ASSIGNOR_NOBODY. */
static uint32_t ladder_highest(struct mixed *mixed)
{
    struct ladder *ladder = &mixed->ladder;
    for (;;) {
        if (ladder->high_at <= ladder->high_start) {
            ladder_lower(mixed);
        }
        if (ladder->high_at == 0) {
            return ASSIGNOR_NOBODY;
        }
        uint32_t member = ladder->members[--ladder->high_at];
        if (mixed->ends[member] > mixed->starts[member]) {
            return member;
        }
        ladder->high_end--;
        ladder->members[ladder->high_at] = ladder->members[ladder->high_end];
        ladder->members[ladder->high_end] = member;
    }
}

static void rest_give(struct mixed *mixed)
{
    struct assignor_owners *owners = &mixed->owners;
    for (uint32_t i = 0; i < mixed->topics_count; i++) {
        const struct mixed_topic *topic = &mixed->topics[i];
        bool sorted = false;
        for (uint32_t j = owners->first[topic->index]; j < owners->first[topic->index + 1]; j++) {
            if (owners->member[j] != ASSIGNOR_NOBODY) {
                continue;
            }
            if (!sorted) {
                ladder_init(mixed, topic);
                sorted = true;
            }
            owners->member[j] = ladder_lowest(mixed);
            mixed->sizes[owners->member[j]]++;
        }
    }
}

/* The partitions of a topic, owner by owner. */
static void topic_group(struct mixed *mixed, const struct mixed_topic *topic)
{
    const struct assignor_owners *owners = &mixed->owners;
    uint32_t first = owners->first[topic->index];
    uint32_t end = owners->first[topic->index + 1];
    for (uint32_t i = 0; i < topic->readers_count; i++) {
        mixed->ends[topic->readers[i]] = 0;
    }
    for (uint32_t i = first; i < end; i++) {
        mixed->ends[owners->member[i]]++;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < topic->readers_count; i++) {
        uint32_t member = topic->readers[i];
        mixed->starts[member] = at;
        at += mixed->ends[member];
        mixed->ends[member] = mixed->starts[member];
    }
    ASSERT(at == end - first);
    for (uint32_t i = first; i < end; i++) {
        mixed->grouped[mixed->ends[owners->member[i]]++] = i;
    }
}

/* Whether it has moved anything. */
static bool topic_balance(struct mixed *mixed, const struct mixed_topic *topic)
{
    struct ladder *ladder = &mixed->ladder;
    ladder_init(mixed, topic);
    if (mixed->sizes[ladder->members[ladder->count - 1]] - mixed->sizes[ladder->members[0]] <= 1) {
        return false;
    }
    topic_group(mixed, topic);
    for (bool moved = false;; moved = true) {
        uint32_t from = ladder_highest(mixed);
        if (from == ASSIGNOR_NOBODY) {
            return moved;
        }
        uint32_t partition = mixed->grouped[--mixed->ends[from]];
        uint32_t to = ladder_lowest(mixed);
        if (ladder->high_level - ladder->low_level <= 1) {
            return moved;
        }
        mixed->owners.member[partition] = to;
        mixed->sizes[from]--;
        mixed->sizes[to]++;
    }
}

/* Until a whole round has moved nothing. What one topic's readers give each other can unbalance
 * those of another, so the rounds are bounded. */
static void topics_balance(struct mixed *mixed)
{
    uint32_t last = UINT32_MAX; /* that has moved anything, or the first */
    for (uint32_t round = 0; round < ASSIGNOR_ROUNDS_MAX; round++) {
        for (uint32_t i = 0; i < mixed->topics_count; i++) {
            if (mixed->topics[i].readers_count < 2) {
                continue;
            }
            if (i == last) {
                return;
            }
            if (topic_balance(mixed, &mixed->topics[i]) || last == UINT32_MAX) {
                last = i;
            }
        }
    }
}

int assignor_uniform_mixed(const struct assignor_group *group, struct arena *arena,
                           struct assignor_assignment *assignments)
{
    struct mixed mixed = {.group = group};
    if (mixed_init(&mixed, arena) != 0) {
        return ERR_NOMEM;
    }
    members_keep(&mixed);
    rest_give(&mixed);
    topics_balance(&mixed);
    return assignor_owners_collect(&mixed.owners, group, arena, assignments);
}
