/* OffsetFetch of one group. What is not committed yet is not told, but to whoever asks for what is
 * stable: there an open transaction shows. */
#include "coordinator/group/internal.h"

static void fetch_partition(struct group_coordinator *owner, const struct runtime_call *call,
                            const struct offset_entry *entry, int32_t partition,
                            struct offset_fetch_response_offset_fetch_response_partitions *out)
{
    const struct group_offset_fetch *asked = call->request;
    ASSERT(entry == NULL || (entry->group->owner == owner && entry->key.partition == partition));
    const struct offset_version *version =
        asked->require_stable ? offset_newest(entry) : offset_committed(entry);
    *out = (struct offset_fetch_response_offset_fetch_response_partitions){
        .partition_index = partition,
        .committed_offset = -1,
        .committed_leader_epoch = -1,
        .metadata = string_view_of(""),
    };
    if (asked->require_stable && entry != NULL && entry->pending > 0) {
        out->error_code = KAFKA_UNSTABLE_OFFSET_COMMIT;
    } else if (version != NULL) {
        out->committed_offset = version->offset;
        out->committed_leader_epoch = version->leader_epoch;
        out->metadata = arena_string(call->arena, version->metadata);
    }
}

/* An offset of an earlier topic of the name is none of this one's. */
static const struct offset_entry *entry_of_topic(const struct offset_entry *entry,
                                                 struct uuid topic_id)
{
    const struct offset_version *version = offset_newest(entry);
    bool other = version != NULL && !uuid_is_zero(topic_id) &&
                 !uuid_is_zero(version->topic_id) && !uuid_equal(version->topic_id, topic_id);
    return other ? NULL : entry;
}

static void fetch_asked(struct group_coordinator *owner, struct runtime_call *call,
                        struct offset_fetch_response_offset_fetch_response_group *response)
{
    const struct group_offset_fetch *asked = call->request;
    const struct offset_group *offsets = offsets_of(owner, asked->group.group_id);
    size_t count = (size_t)asked->group.topics.count;
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    for (size_t i = 0; response->topics.items != NULL && i < count; i++) {
        const struct offset_fetch_request_offset_fetch_request_topics *from =
            &asked->group.topics.items[i];
        struct offset_fetch_response_offset_fetch_response_topics *to =
            &response->topics.items[i];
        int32_t partitions = from->partition_indexes.count > 0 ? from->partition_indexes.count : 0;
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions.items =
            arena_array(call->arena, (size_t)partitions, sizeof *to->partitions.items);
        for (int32_t j = 0; to->partitions.items != NULL && j < partitions; j++) {
            int32_t partition = from->partition_indexes.items[j];
            const struct offset_entry *entry =
                entry_of_topic(offset_find(offsets, from->name, partition), from->topic_id);
            fetch_partition(owner, call, entry, partition, &to->partitions.items[j]);
            to->partitions.count = j + 1;
        }
        response->topics.count = (int32_t)i + 1;
    }
}

/* Also what an open transaction may change, but not what it would only bring. */
static bool is_told(const struct group_offset_fetch *asked, const struct offset_entry *entry)
{
    return (asked->require_stable ? offset_newest(entry) : offset_committed(entry)) != NULL;
}

/* Entries are in order: those of a topic follow each other. */
static void fetch_all(struct group_coordinator *owner, struct runtime_call *call,
                      struct offset_fetch_response_offset_fetch_response_group *response)
{
    const struct group_offset_fetch *asked = call->request;
    size_t count;
    struct offset_entry **entries =
        offsets_sorted(offsets_of(owner, asked->group.group_id), &count);
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    struct offset_fetch_response_offset_fetch_response_partitions *partitions =
        arena_array(call->arena, count, sizeof *partitions);
    struct offset_fetch_response_offset_fetch_response_topics *topic = NULL;
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        const struct offset_entry *entry = entries[i];
        if (!is_told(asked, entry)) {
            continue;
        }
        if (topic == NULL || !string_view_equal(topic->name, entry->key.topic)) {
            topic = &response->topics.items[response->topics.count++];
            topic->name = arena_string(call->arena, entry->key.topic);
            topic->partitions.items = &partitions[i];
        }
        fetch_partition(owner, call, entry, entry->key.partition,
                        &topic->partitions.items[topic->partitions.count++]);
    }
    mem_free(entries);
}

static int16_t check_fetch(const struct group_coordinator *owner,
                           const struct group_offset_fetch *asked)
{
    if (asked->group.group_id.data == NULL) {
        return KAFKA_INVALID_GROUP_ID;
    }
    const struct group *group = group_find(owner, asked->group.group_id);
    return group != NULL && group->kind == GROUP_CONSUMER
               ? consumer_check_fetch(group, asked->group.member_id, asked->group.member_epoch)
               : 0;
}

void offset_fetch(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct group_offset_fetch *asked = call->request;
    struct offset_fetch_response_offset_fetch_response_group *response =
        arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        *response = (struct offset_fetch_response_offset_fetch_response_group){
            .group_id = asked->group.group_id};
        response->error_code = check_fetch(owner, asked);
        if (response->error_code != 0) {
            /* nothing is told */
        } else if (asked->group.topics.count < 0) {
            fetch_all(owner, call, response);
        } else {
            fetch_asked(owner, call, response);
        }
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}
