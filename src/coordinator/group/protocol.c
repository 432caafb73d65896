/* What the members of a classic group have in common: the protocol they choose, and, where that is
 * the consumers', the topics they subscribe to and the partitions they are given. */
#include "coordinator/group/internal.h"

#define PROTOCOL_ARENA_BYTES (64u << 20)

static bool member_offers(const struct classic_member *member, struct string_view name)
{
    for (int32_t i = 0; i < member->offers.count; i++) {
        if (string_view_equal(member->offers.items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool all_offer(const struct group *group, struct string_view name)
{
    LIST_FOR_EACH(node, &group->members)
    {
        if (!member_offers(CONTAINER_OF(node, struct classic_member, node), name)) {
            return false;
        }
    }
    return true;
}

bool classic_supports(const struct group *group, const struct classic_member_facts *facts)
{
    if (group->state == CLASSIC_EMPTY) {
        return facts->protocol_type.size > 0 && facts->protocol_count > 0;
    }
    if (group->protocol_type.data == NULL ||
        !string_view_equal(group->protocol_type, facts->protocol_type)) {
        return false;
    }
    /* What a member offers had something in common with all others when it came, and nobody is let
     * in without that: only news are compared with everybody. */
    const struct classic_member *known = classic_member_find(group, facts->id);
    if (known != NULL && classic_member_has_protocols(known, facts)) {
        return true;
    }
    for (int32_t i = 0; i < facts->protocol_count; i++) {
        if (all_offer(group, facts->protocols[i].name)) {
            return true;
        }
    }
    return false;
}

/* The vote of a member: the first of its own that all support. */
static struct string_view member_vote(const struct classic_member *member)
{
    for (int32_t i = 0; i < member->offers.count; i++) {
        if (all_offer(member->group, member->offers.items[i].name)) {
            return member->offers.items[i].name;
        }
    }
    return (struct string_view){NULL, 0};
}

static int32_t votes_for(const struct group *group, struct string_view name)
{
    int32_t votes = 0;
    LIST_FOR_EACH(node, &group->members)
    {
        votes += string_view_equal(
            member_vote(CONTAINER_OF(node, struct classic_member, node)), name);
    }
    return votes;
}

/* Of equal votes the one that the oldest member likes best; Apache Kafka leaves that to chance.
 * Members mostly offer the same list: then the first vote decides without counting. */
static bool all_offer_alike(const struct group *group)
{
    const struct classic_member *first =
        CONTAINER_OF(group->members.next, struct classic_member, node);
    LIST_FOR_EACH(node, &group->members)
    {
        const struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        if (member->offers.count != first->offers.count) {
            return false;
        }
        for (int32_t i = 0; i < first->offers.count; i++) {
            if (!string_view_equal(member->offers.items[i].name, first->offers.items[i].name)) {
                return false;
            }
        }
    }
    return true;
}

struct string_view classic_choose_protocol(const struct group *group)
{
    struct string_view best = {NULL, 0};
    ASSERT(group->kind == GROUP_CLASSIC);
    if (list_empty(&group->members)) {
        return best;
    }
    const struct classic_member *first =
        CONTAINER_OF(group->members.next, struct classic_member, node);
    if (all_offer_alike(group)) {
        return first->offers.count == 0 ? best : first->offers.items[0].name;
    }
    int32_t most = 0;
    for (int32_t i = 0; i < first->offers.count; i++) {
        struct string_view name = first->offers.items[i].name;
        int32_t votes = all_offer(group, name) ? votes_for(group, name) : 0;
        if (votes > most) {
            most = votes;
            best = name;
        }
    }
    return best;
}

/* ---- the consumers' protocol: int16 version, then the fields ---- */

static int16_t read_version(struct reader *reader, int16_t newest)
{
    int16_t version = reader_i16(reader);
    return version > newest ? newest : version; /* newer ones begin in the same way */
}

static const void *topic_key_of(const void *element)
{
    return &((const struct classic_topic *)element)->name;
}
static bool topic_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct classic_topic *)element)->name,
                             *(const struct string_view *)key);
}

void classic_topics_init(struct group *group, uint64_t seed)
{
    text_table_init(&group->topics, seed, topic_key_of, topic_has_key);
}

static bool topic_add(struct group *group, struct string_view name)
{
    if (map_find(&group->topics, &name) != NULL) {
        return true;
    }
    struct classic_topic *topic = mem_calloc(1, sizeof *topic);
    if (topic == NULL || !text_copy(name, &topic->name) ||
        map_insert(&group->topics, topic) != 0) {
        if (topic != NULL) {
            text_free(&topic->name);
        }
        mem_free(topic);
        return false;
    }
    return true;
}

void classic_forget_topics(struct group *group)
{
    size_t cursor = 0;
    struct classic_topic *topic;
    group->topics_known = false;
    while ((topic = map_next(&group->topics, &cursor)) != NULL) {
        text_free(&topic->name);
        mem_free(topic);
    }
    map_release(&group->topics);
}

static bool learn_topics_of(struct classic_member *member, struct arena *arena)
{
    struct bytes_view metadata = classic_member_metadata(member);
    struct consumer_protocol_subscription subscription;
    struct reader reader;
    reader_init(&reader, metadata.data, metadata.size);
    int16_t version = read_version(&reader, CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION);
    if (reader.failed || version < 0 ||
        consumer_protocol_subscription_decode(&reader, version, arena, &subscription) != 0) {
        return false;
    }
    for (int32_t i = 0; i < subscription.topics.count; i++) {
        if (!topic_add(member->group, subscription.topics.items[i])) {
            return false;
        }
    }
    return true;
}

void classic_learn_topics(struct group *group)
{
    classic_forget_topics(group);
    ASSERT(!group->topics_known && group->topics.count == 0);
    if (!classic_uses_consumer_protocol(group)) {
        return;
    }
    if (group->protocol_name.data == NULL && classic_member_count(group) > 0) {
        return;
    }
    group->topics_known = true;
    LIST_FOR_EACH(node, &group->members)
    {
        struct arena arena;
        arena_init(&arena, PROTOCOL_ARENA_BYTES);
        bool learnt = learn_topics_of(CONTAINER_OF(node, struct classic_member, node), &arena);
        arena_release(&arena);
        if (!learnt) {
            classic_forget_topics(group);
            return;
        }
    }
}

bool classic_subscribes(const struct group *group, struct string_view topic)
{
    return group->topics_known ? map_find(&group->topics, &topic) != NULL
                               : classic_uses_consumer_protocol(group);
}

static bool read_assignment(struct bytes_view bytes, struct arena *arena,
                            struct consumer_protocol_assignment *assignment)
{
    struct reader reader;
    reader_init(&reader, bytes.data, bytes.size);
    consumer_protocol_assignment_default(assignment);
    if (bytes.size == 0) {
        return true;
    }
    int16_t version = read_version(&reader, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION);
    return !reader.failed && version >= 0 &&
           consumer_protocol_assignment_decode(&reader, version, arena, assignment) == 0;
}

static bool has_partition(const struct consumer_protocol_assignment *assignment,
                          struct string_view topic, int32_t partition)
{
    for (int32_t i = 0; i < assignment->assigned_partitions.count; i++) {
        const struct consumer_protocol_assignment_topic_partition *item =
            &assignment->assigned_partitions.items[i];
        if (!string_view_equal(item->topic, topic)) {
            continue;
        }
        for (int32_t j = 0; j < item->partitions.count; j++) {
            if (item->partitions.items[j] == partition) {
                return true;
            }
        }
    }
    return false;
}

int32_t classic_count_moved(struct bytes_view before, struct bytes_view assignment)
{
    struct consumer_protocol_assignment older;
    struct consumer_protocol_assignment newer;
    struct arena arena;
    int32_t moved = -1;
    arena_init(&arena, PROTOCOL_ARENA_BYTES);
    if (read_assignment(before, &arena, &older) && read_assignment(assignment, &arena, &newer)) {
        moved = 0;
        for (int32_t i = 0; i < newer.assigned_partitions.count; i++) {
            const struct consumer_protocol_assignment_topic_partition *item =
                &newer.assigned_partitions.items[i];
            for (int32_t j = 0; j < item->partitions.count; j++) {
                moved += !has_partition(&older, item->topic, item->partitions.items[j]);
            }
        }
    }
    arena_release(&arena);
    return moved;
}
