/* ConsumerGroupDescribe. */
#include "coordinator/group/internal.h"

typedef struct consumer_group_describe_response_topic_partitions described_topic;
typedef struct consumer_group_describe_response_assignment described_assignment;
typedef struct consumer_group_describe_response_member described_member;

#define MEMBER_CLASSIC 0
#define MEMBER_CONSUMER 1

/* Topics that are gone are left out. */
static void describe_set(const struct consumer_group *consumer, struct partition_set set,
                         struct arena *arena, described_assignment *out)
{
    const struct cluster *cluster = consumer->group->owner->options.cluster;
    described_topic *topics = arena_array(arena, partition_set_topics(set), sizeof *topics);
    int32_t *numbers = arena_array(arena, set.count, sizeof *numbers);
    out->topic_partitions.items = topics;
    for (size_t i = 0; !arena->failed && i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        struct cluster_topic topic;
        if (!cluster->topic_by_id(cluster->context, set.items[i].topic, &topic)) {
            i = end;
            continue;
        }
        described_topic *told = &topics[out->topic_partitions.count++];
        told->topic_id = topic.id;
        told->topic_name = arena_string(arena, topic.name);
        told->partitions.items = &numbers[i];
        told->partitions.count = (int32_t)(end - i);
        for (; i < end; i++) {
            numbers[i] = set.items[i].partition;
        }
    }
}

static void describe_member(const struct consumer_member *member, struct arena *arena,
                            described_member *out)
{
    const struct consumer_group *consumer = member->group->consumer;
    const struct consumer_facts *facts = consumer_facts_of(member);
    ASSERT(consumer_is_member(member));
    struct consumer_holding holding = consumer_holding_of(member);
    *out = (described_member){
        .member_id = arena_string(arena, member->id),
        .instance_id = arena_string(arena, facts->instance_id),
        .rack_id = arena_string(arena, facts->rack_id),
        .member_epoch = holding.epoch,
        .client_id = arena_string(arena, facts->client_id),
        .client_host = arena_string(arena, facts->client_host),
        .subscribed_topic_regex = arena_string(arena, facts->regex),
        .member_type = facts->classic ? MEMBER_CLASSIC : MEMBER_CONSUMER,
    };
    out->subscribed_topic_names.items =
        arena_array(arena, facts->name_count, sizeof *out->subscribed_topic_names.items);
    for (size_t i = 0; !arena->failed && i < facts->name_count; i++) {
        out->subscribed_topic_names.items[out->subscribed_topic_names.count++] =
            arena_string(arena, facts->names[i].key);
    }
    describe_set(consumer, partition_set_union(holding.assigned, holding.revoking, arena), arena,
                 &out->assignment);
    describe_set(consumer, consumer_target_of(member), arena, &out->target_assignment);
}

static void describe_group(const struct group *group, struct arena *arena,
                           struct consumer_group_describe_response_described_group *out)
{
    struct consumer_group *consumer = group->consumer;
    size_t count;
    struct consumer_member **members = consumer_members_sorted(consumer, &count);
    ASSERT(group->kind == GROUP_CONSUMER && out->members.count == 0);
    out->group_state =
        string_view_of(consumer_group_state_name(consumer_group_state(consumer)));
    out->group_epoch = consumer->epoch;
    out->assignment_epoch = consumer->assignment_epoch;
    out->assignor_name = string_view_of(consumer_assignor_name(consumer));
    out->members.items = arena_array(arena, count, sizeof *out->members.items);
    for (size_t i = 0; members != NULL && !arena->failed && i < count; i++) {
        describe_member(members[i], arena, &out->members.items[out->members.count++]);
    }
    arena->failed |= members == NULL;
    mem_free(members);
}

void consumer_describe(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct string_view *id = call->request;
    struct consumer_group_describe_response_described_group *out =
        arena_alloc(call->arena, sizeof *out);
    const struct group *group = group_find(owner, *id);
    if (out == NULL) {
        runtime_reply(owner->runtime, call, NULL);
        return;
    }
    *out = (struct consumer_group_describe_response_described_group){
        .group_id = *id,
        .group_state = string_view_of(""),
        .assignor_name = string_view_of(""),
        .authorized_operations = INT32_MIN,
    };
    if (group != NULL && group->kind == GROUP_CONSUMER) {
        describe_group(group, call->arena, out);
    } else if (id->size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
    } else {
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        out->error_message = arena_format(call->arena,
                                          group == NULL ? "Group %.*s not found."
                                                        : "Group %.*s is not a consumer group.",
                                          (int)id->size, id->data);
    }
    runtime_reply_settled(owner->runtime, call, call->arena->failed ? NULL : out);
}
