/* assign.c: assignments of classic groups, and how they are written. */
#include "client/assign.h"

#include <stdlib.h>
#include <string.h>

#include "assignor/owners.h"
#include "base/assert.h"
#include "base/err.h"

#define SUBSCRIPTION_BYTES_MAX (64u << 20)
#define NOT_CLAIMED INT64_MIN
#define CLAIMED_TWICE (ASSIGNOR_NOBODY - 1)

static const struct {
    const char *name;
    const char *class_name;
    bool cooperative;
} kinds[ASSIGN_KINDS] = {
    [ASSIGN_RANGE] = {"range", "RangeAssignor", false},
    [ASSIGN_ROUND_ROBIN] = {"roundrobin", "RoundRobinAssignor", false},
    [ASSIGN_COOPERATIVE_STICKY] = {"cooperative-sticky", "CooperativeStickyAssignor", true},
    [ASSIGN_STICKY] = {"sticky", "StickyAssignor", false},
};

const char *assign_name(enum assign_kind kind) { return kinds[kind].name; }

bool assign_is_cooperative(enum assign_kind kind) { return kinds[kind].cooperative; }

bool assign_find(struct string_view name, enum assign_kind *kind)
{
    static const struct string_view package = {"org.apache.kafka.clients.consumer.", 34};
    struct string_view last = name;
    if (name.size > package.size && memcmp(name.data, package.data, package.size) == 0) {
        last = (struct string_view){name.data + package.size, name.size - package.size};
    }
    for (int i = 0; i < ASSIGN_KINDS; i++) {
        if (string_view_is(name, kinds[i].name) || string_view_is(last, kinds[i].class_name)) {
            *kind = (enum assign_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- the embedded protocol ---- */

/* Newer versions than ours begin as ours do. */
static int16_t version_read(struct reader *reader, int16_t newest)
{
    int16_t version = reader_i16(reader);
    return version < newest ? version : newest;
}

static int subscription_decode(struct bytes_view bytes, struct arena *arena,
                               struct consumer_protocol_subscription *subscription)
{
    struct reader reader;
    reader_init(&reader, bytes.data, bytes.size);
    int16_t version = version_read(&reader, CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION);
    consumer_protocol_subscription_default(subscription);
    if (reader.failed || version < 0) {
        return ERR_CORRUPT;
    }
    return consumer_protocol_subscription_decode(&reader, version, arena, subscription);
}

int assign_subscription_topics(struct bytes_view bytes, struct arena *arena,
                               const struct string_view **topics, size_t *count)
{
    struct consumer_protocol_subscription subscription;
    int error = subscription_decode(bytes, arena, &subscription);
    *topics = subscription.topics.items;
    *count = error == 0 && subscription.topics.count > 0 ? (size_t)subscription.topics.count : 0;
    return error;
}

int assign_assignment_decode(struct bytes_view bytes, struct arena *arena,
                             struct partition_set *partitions)
{
    struct consumer_protocol_assignment assignment = {.user_data = {NULL, 0}};
    struct reader reader;
    reader_init(&reader, bytes.data, bytes.size);
    int error = 0;
    if (bytes.size > 0) { /* of a group without a leader's answer: nothing */
        int16_t version = version_read(&reader, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION);
        error = reader.failed || version < 0
                    ? ERR_CORRUPT
                    : consumer_protocol_assignment_decode(&reader, version, arena, &assignment);
    }
    size_t count = 0;
    for (int32_t i = 0; error == 0 && i < assignment.assigned_partitions.count; i++) {
        count += (size_t)assignment.assigned_partitions.items[i].partitions.count;
    }
    if (error != 0 || !partition_set_start(partitions, count)) {
        return error != 0 ? error : ERR_NOMEM;
    }
    for (int32_t i = 0; i < assignment.assigned_partitions.count; i++) {
        const struct consumer_protocol_assignment_topic_partition *topic =
            &assignment.assigned_partitions.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            struct partition_key key = {.topic = topic->topic,
                                        .partition = topic->partitions.items[j]};
            if (!partition_set_add(partitions, &key)) {
                return ERR_NOMEM;
            }
        }
    }
    partition_set_finish(partitions);
    return 0;
}

/* The bytes that a writer has, in the arena. */
static int writer_keep(struct writer *writer, struct arena *arena, struct bytes_view *bytes)
{
    *bytes = arena_bytes(arena, (struct bytes_view){writer->data, writer->size});
    bool failed = writer->failed || bytes->data == NULL;
    writer_release(writer);
    return failed ? ERR_NOMEM : 0;
}

int assign_subscription_encode(enum assign_kind kind,
                               const struct assign_subscription *subscription, struct arena *arena,
                               struct bytes_view *bytes)
{
    struct consumer_protocol_subscription message;
    uint8_t generation[4];
    consumer_protocol_subscription_default(&message);
    const struct partition_set *owned = subscription->owned;
    message.topics.items = (struct string_view *)subscription->topics;
    message.topics.count = (int32_t)subscription->topics_count;
    message.generation_id = subscription->generation;
    message.rack_id = subscription->rack_id;
    if (assign_is_cooperative(kind)) {
        store_be32(generation, (uint32_t)subscription->generation);
        message.user_data = (struct bytes_view){generation, sizeof generation};
    }
    if (kind == ASSIGN_STICKY && subscription->last != NULL &&
        assign_sticky_encode(subscription->last, subscription->last_generation, arena,
                             &message.user_data) != 0) {
        return ERR_NOMEM;
    }
    message.owned_partitions.items =
        arena_array(arena, owned->count + 1, sizeof *message.owned_partitions.items);
    int32_t *numbers = arena_array(arena, owned->count + 1, sizeof *numbers);
    if (message.owned_partitions.items == NULL || numbers == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0, run; i < owned->count; i += run) {
        struct consumer_protocol_subscription_topic_partition *topic =
            &message.owned_partitions.items[message.owned_partitions.count++];
        run = partition_set_run(owned, i);
        topic->topic = owned->items[i].topic;
        topic->partitions.items = numbers + i;
        topic->partitions.count = (int32_t)run;
        for (size_t j = i; j < i + run; j++) {
            numbers[j] = owned->items[j].partition;
        }
    }
    struct writer writer;
    writer_init(&writer, SUBSCRIPTION_BYTES_MAX);
    writer_i16(&writer, CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION);
    int error = consumer_protocol_subscription_encode(
        &writer, CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION, &message);
    int kept = writer_keep(&writer, arena, bytes);
    return error != 0 ? error : kept;
}

/* ---- the leader ---- */

/* All of a group while its leader assigns. Topics are those that members subscribe to, by name. */
struct assigning {
    struct arena *arena;
    struct assign_member **members; /* by instance id, then by id */
    struct consumer_protocol_subscription *subscriptions;
    struct string_view *names;
    struct assignor_group group;
    struct assignor_member *inputs;
    struct assignor_topic *topics;
    struct assignor_owners owners; /* as members say */
    uint32_t *claimed_by; /* of each partition: a member, ASSIGNOR_NOBODY or CLAIMED_TWICE */
    int64_t *claim_generation;
    struct assignor_assignment *assigned;
};

static int member_order(const void *a, const void *b)
{
    const struct assign_member *first = *(struct assign_member *const *)a;
    const struct assign_member *second = *(struct assign_member *const *)b;
    bool first_static = first->instance_id.data != NULL;
    bool second_static = second->instance_id.data != NULL;
    if (first_static != second_static) {
        return first_static ? -1 : 1;
    }
    return first_static ? string_view_compare(first->instance_id, second->instance_id)
                        : string_view_compare(first->member_id, second->member_id);
}

static int name_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

static int members_decode(struct assigning *assigning, enum assign_kind kind,
                          struct assign_member *members, size_t count)
{
    struct arena *arena = assigning->arena;
    assigning->members = arena_array(arena, count, sizeof *assigning->members);
    assigning->subscriptions = arena_array(arena, count, sizeof *assigning->subscriptions);
    assigning->inputs = arena_array(arena, count, sizeof *assigning->inputs);
    assigning->assigned = arena_array(arena, count, sizeof *assigning->assigned);
    if (arena->failed) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        assigning->members[i] = &members[i];
    }
    qsort(assigning->members, count, sizeof *assigning->members, member_order);
    for (size_t i = 0; i < count; i++) {
        int error = subscription_decode(assigning->members[i]->subscription, arena,
                                        &assigning->subscriptions[i]);
        if (error == 0 && kind == ASSIGN_STICKY) {
            error = assign_sticky_decode(arena, &assigning->subscriptions[i]);
        }
        if (error != 0) {
            return error;
        }
    }
    assigning->group.members = assigning->inputs;
    assigning->group.members_count = (uint32_t)count;
    return 0;
}

/* The topics of all members, by name, each once. */
static int topics_collect(struct assigning *assigning, const struct topics *known)
{
    size_t all = 0;
    for (uint32_t i = 0; i < assigning->group.members_count; i++) {
        all += (size_t)assigning->subscriptions[i].topics.count;
    }
    assigning->names = arena_array(assigning->arena, all + 1, sizeof *assigning->names);
    assigning->topics = arena_array(assigning->arena, all + 1, sizeof *assigning->topics);
    if (assigning->arena->failed) {
        return ERR_NOMEM;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < assigning->group.members_count; i++) {
        for (int32_t j = 0; j < assigning->subscriptions[i].topics.count; j++) {
            assigning->names[count++] = assigning->subscriptions[i].topics.items[j];
        }
    }
    qsort(assigning->names, count, sizeof *assigning->names, name_order);
    uint32_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && string_view_equal(assigning->names[kept - 1], assigning->names[i])) {
            continue;
        }
        const struct topic_facts *facts = topics_find(known, assigning->names[i]);
        assigning->names[kept] = assigning->names[i];
        assigning->topics[kept].partition_count = facts != NULL ? facts->partition_count : 0;
        assigning->topics[kept].id.bytes[12] = (uint8_t)(kept >> 24);
        assigning->topics[kept].id.bytes[13] = (uint8_t)(kept >> 16);
        assigning->topics[kept].id.bytes[14] = (uint8_t)(kept >> 8);
        assigning->topics[kept].id.bytes[15] = (uint8_t)kept;
        kept++;
    }
    assigning->group.topics = assigning->topics;
    assigning->group.topics_count = kept;
    return 0;
}

/* The index of a topic, or topics_count. */
static uint32_t topic_index(const struct assigning *assigning, struct string_view name)
{
    const struct string_view *found =
        bsearch(&name, assigning->names, assigning->group.topics_count, sizeof *assigning->names,
                name_order);
    return found != NULL ? (uint32_t)(found - assigning->names) : assigning->group.topics_count;
}

static int index_order(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

static int members_fill(struct assigning *assigning)
{
    for (uint32_t i = 0; i < assigning->group.members_count; i++) {
        const struct consumer_protocol_subscription *subscription = &assigning->subscriptions[i];
        struct assignor_member *input = &assigning->inputs[i];
        uint32_t *indexes = arena_array(assigning->arena, (size_t)subscription->topics.count + 1,
                                        sizeof *indexes);
        if (indexes == NULL) {
            return ERR_NOMEM;
        }
        for (int32_t j = 0; j < subscription->topics.count; j++) {
            indexes[j] = topic_index(assigning, subscription->topics.items[j]);
        }
        qsort(indexes, (size_t)subscription->topics.count, sizeof *indexes, index_order);
        for (int32_t j = 0; j < subscription->topics.count; j++) {
            if (j == 0 || indexes[j] != indexes[j - 1]) {
                indexes[input->topics_count++] = indexes[j];
            }
        }
        input->member_id = assigning->members[i]->member_id;
        input->instance_id = assigning->members[i]->instance_id;
        input->topics = indexes;
    }
    return 0;
}

/* What a member says it has: the newer generation holds; of one generation neither. */
static void member_claim(struct assigning *assigning, uint32_t member)
{
    const struct consumer_protocol_subscription *subscription = &assigning->subscriptions[member];
    int64_t generation = subscription->generation_id;
    if (generation < 0 && subscription->user_data.size >= 4) {
        generation = (int32_t)load_be32(subscription->user_data.data);
    }
    for (int32_t i = 0; i < subscription->owned_partitions.count; i++) {
        const struct consumer_protocol_subscription_topic_partition *topic =
            &subscription->owned_partitions.items[i];
        uint32_t index = topic_index(assigning, topic->topic);
        for (int32_t j = 0; index < assigning->group.topics_count && j < topic->partitions.count;
             j++) {
            int32_t partition = topic->partitions.items[j];
            if (partition < 0 || partition >= assigning->topics[index].partition_count) {
                continue;
            }
            uint32_t place = assigning->owners.first[index] + (uint32_t)partition;
            if (generation > assigning->claim_generation[place]) {
                assigning->claim_generation[place] = generation;
                assigning->claimed_by[place] = member;
            } else if (generation == assigning->claim_generation[place] &&
                       assigning->claimed_by[place] != member) {
                assigning->claimed_by[place] = CLAIMED_TWICE;
            }
        }
    }
}

/* The claims, and those that hold as what each member has at present. */
static int claims_collect(struct assigning *assigning)
{
    struct assignor_owners *owners = &assigning->owners;
    if (assignor_owners_init(owners, &assigning->group, assigning->arena) != 0) {
        return ERR_NOMEM;
    }
    uint32_t total = owners->first[assigning->group.topics_count];
    assigning->claimed_by =
        arena_array(assigning->arena, (size_t)total + 1, sizeof *assigning->claimed_by);
    assigning->claim_generation =
        arena_array(assigning->arena, (size_t)total + 1, sizeof *assigning->claim_generation);
    if (assigning->arena->failed) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < total; i++) {
        assigning->claimed_by[i] = ASSIGNOR_NOBODY;
        assigning->claim_generation[i] = NOT_CLAIMED;
    }
    for (uint32_t i = 0; i < assigning->group.members_count; i++) {
        member_claim(assigning, i);
    }
    for (uint32_t i = 0; i < total; i++) {
        owners->member[i] = assigning->claimed_by[i] != CLAIMED_TWICE ? assigning->claimed_by[i]
                                                                      : ASSIGNOR_NOBODY;
    }
    if (assignor_owners_collect(owners, &assigning->group, assigning->arena,
                                assigning->assigned) != 0) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < assigning->group.members_count; i++) {
        assigning->inputs[i].current = assigning->assigned[i];
    }
    return 0;
}

/* Whether a member may have a partition at once: not while another has it, who is told first. */
static bool may_have(const struct assigning *assigning, enum assign_kind kind, uint32_t member,
                     uint32_t place)
{
    return !assign_is_cooperative(kind) || assigning->claimed_by[place] == ASSIGNOR_NOBODY ||
           assigning->claimed_by[place] == member;
}

static int assignment_encode(struct assigning *assigning, enum assign_kind kind, uint32_t member)
{
    struct arena *arena = assigning->arena;
    struct assignor_assignment assigned = assigning->assigned[member];
    struct consumer_protocol_assignment message = {.user_data = {NULL, 0}};
    message.assigned_partitions.items = arena_array(arena, (size_t)assigned.count + 1,
                                                    sizeof *message.assigned_partitions.items);
    for (uint32_t i = 0; i < assigned.count; i++) {
        const struct assignor_partitions *from = &assigned.topics[i];
        int32_t *numbers = arena_array(arena, from->count, sizeof *numbers);
        if (arena->failed) {
            return ERR_NOMEM;
        }
        struct consumer_protocol_assignment_topic_partition to = {
            .topic = assigning->names[from->topic], .partitions = {numbers, 0}};
        for (uint32_t j = 0; j < from->count; j++) {
            uint32_t place = assigning->owners.first[from->topic] + (uint32_t)from->partitions[j];
            if (may_have(assigning, kind, member, place)) {
                numbers[to.partitions.count++] = from->partitions[j];
            }
        }
        if (to.partitions.count > 0) {
            message.assigned_partitions.items[message.assigned_partitions.count++] = to;
        }
    }
    struct writer writer;
    writer_init(&writer, SUBSCRIPTION_BYTES_MAX);
    writer_i16(&writer, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION);
    int error = consumer_protocol_assignment_encode(
        &writer, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION, &message);
    int kept = writer_keep(&writer, arena, &assigning->members[member]->assignment);
    return error != 0 ? error : kept;
}

int assign_members(enum assign_kind kind, struct assign_member *members, size_t count,
                   const struct topics *topics, struct arena *arena)
{
    struct assigning assigning = {.arena = arena};
    int error = members_decode(&assigning, kind, members, count);
    error = error != 0 ? error : topics_collect(&assigning, topics);
    error = error != 0 ? error : members_fill(&assigning);
    error = error != 0 ? error : claims_collect(&assigning);
    if (error != 0) {
        return error;
    }
    switch (kind) {
    case ASSIGN_RANGE:
        error = assignor_range(&assigning.group, arena, assigning.assigned);
        break;
    case ASSIGN_ROUND_ROBIN:
        error = assignor_round_robin(&assigning.group, arena, assigning.assigned);
        break;
    case ASSIGN_COOPERATIVE_STICKY:
    case ASSIGN_STICKY:
        error = assignor_uniform(&assigning.group, arena, assigning.assigned);
        break;
    }
    for (uint32_t i = 0; error == 0 && i < assigning.group.members_count; i++) {
        error = assignment_encode(&assigning, kind, i);
    }
    return error;
}
