/* OffsetCommit and OffsetDelete. Mirrors OffsetMetadataManager. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_NOT_FOUND 9
#define VALUE_VERSION 4
#define VALUE_VERSION_WITH_EXPIRY 1

int16_t offset_check_classic(const struct group *group, const struct offset_committer *committer)
{
    int32_t generation = committer->generation;
    ASSERT(group->kind == GROUP_CLASSIC);
    if (generation < 0 && group->state == CLASSIC_EMPTY) {
        return 0; /* an administrator, or a consumer that manages its partitions itself */
    }
    if (generation >= 0 || committer->member_id.size > 0 || committer->instance_id.data != NULL) {
        int16_t error = classic_check_member(group, committer->member_id, committer->instance_id);
        if (error != 0) {
            return error;
        }
        if (generation != group->generation) {
            return KAFKA_ILLEGAL_GENERATION;
        }
    } else if (!committer->transactional && group->state != CLASSIC_EMPTY) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return !committer->transactional && group->state == CLASSIC_COMPLETING_REBALANCE
               ? KAFKA_REBALANCE_IN_PROGRESS
               : 0;
}

/* One partition that a member must not commit fails all. */
static int16_t check_partitions(const struct consumer_member *behind,
                                const struct offset_committer *committer,
                                const struct offset_commit_request *asked)
{
    int16_t error = 0;
    for (int32_t i = 0; error == 0 && i < asked->topics.count; i++) {
        const struct offset_commit_request_offset_commit_request_topic *topic =
            &asked->topics.items[i];
        for (int32_t j = 0; error == 0 && j < topic->partitions.count; j++) {
            error = consumer_check_partition(behind, committer, topic->topic_id,
                                             topic->partitions.items[j].partition_index);
        }
    }
    return error;
}

static int16_t check_commit(struct group_coordinator *owner, const struct runtime_call *call)
{
    const struct offset_commit_request *asked = call->request;
    const struct group *group = group_find(owner, asked->group_id);
    struct offset_committer committer = {asked->member_id, asked->group_instance_id,
                                         asked->generation_id_or_member_epoch, false};
    ASSERT(group == NULL || group->owner == owner);
    if (group == NULL) {
        return asked->generation_id_or_member_epoch < 0 ? 0
               : call->api_version >= VERSION_WITH_NOT_FOUND ? KAFKA_GROUP_ID_NOT_FOUND
                                                             : KAFKA_ILLEGAL_GENERATION;
    }
    if (group->kind == GROUP_CLASSIC) {
        return offset_check_classic(group, &committer);
    }
    if (group->kind == GROUP_CONSUMER) {
        const struct consumer_member *behind;
        int16_t error = consumer_check_commit(group, &committer, call->api_version, &behind);
        return error != 0 || behind == NULL ? error : check_partitions(behind, &committer, asked);
    }
    /* Members of other protocols are not coordinated here. */
    return asked->generation_id_or_member_epoch < 0 && !kept_has_members(group)
               ? 0
               : KAFKA_UNKNOWN_MEMBER_ID;
}

static void write_offset(struct group_coordinator *owner, const struct runtime_call *call,
                         const struct offset_commit_request_offset_commit_request_topic *topic,
                         const struct offset_commit_request_offset_commit_request_partition *from)
{
    const struct offset_commit_request *asked = call->request;
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    ASSERT(asked->group_id.data != NULL && topic->name.data != NULL);
    bool expires = asked->retention_time_ms != -1;
    struct offset_commit_key key = {asked->group_id, topic->name, from->partition_index};
    struct offset_commit_value value;
    offset_commit_value_default(&value);
    value.offset = from->committed_offset;
    value.leader_epoch = from->committed_leader_epoch;
    value.metadata = from->committed_metadata.data == NULL ? string_view_of("")
                                                           : from->committed_metadata;
    value.commit_timestamp = now_ms;
    if (expires) {
        value.expire_timestamp = asked->retention_time_ms < INT64_MAX - now_ms
                                     ? now_ms + asked->retention_time_ms
                                     : INT64_MAX;
    } else {
        value.topic_id = topic->topic_id;
    }
    runtime_write(owner->runtime, GROUP_RECORD_OFFSET, &offset_commit_key_row, &key,
                  &offset_commit_value_row, expires ? VALUE_VERSION_WITH_EXPIRY : VALUE_VERSION,
                  &value);
    owner->counts.commits++;
}

/* Java counts the text in UTF-16. */
size_t offset_metadata_length(struct string_view text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        length += (byte & 0xc0) != 0x80;
        length += byte >= 0xf0;
    }
    return length;
}

static bool commit_topic(struct group_coordinator *owner, struct runtime_call *call,
                         const struct offset_commit_request_offset_commit_request_topic *from,
                         struct offset_commit_response_offset_commit_response_topic *to)
{
    size_t count = from->partitions.count > 0 ? (size_t)from->partitions.count : 0;
    to->name = from->name;
    to->topic_id = from->topic_id;
    to->partitions.items = arena_array(call->arena, count, sizeof *to->partitions.items);
    if (to->partitions.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct offset_commit_request_offset_commit_request_partition *partition =
            &from->partitions.items[i];
        bool too_large = offset_metadata_length(partition->committed_metadata) >
                         (size_t)owner->options.offset_metadata_max_bytes;
        to->partitions.items[to->partitions.count++] =
            (struct offset_commit_response_offset_commit_response_partition){
                partition->partition_index, too_large ? KAFKA_OFFSET_METADATA_TOO_LARGE : 0};
        if (!too_large) {
            write_offset(owner, call, from, partition);
        }
    }
    return true;
}

void offset_commit(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct offset_commit_request *asked = call->request;
    int16_t error =
        asked->group_id.data == NULL ? KAFKA_INVALID_GROUP_ID : check_commit(owner, call);
    if (error != 0) {
        group_refuse(owner, call, error);
        runtime_reply(owner->runtime, call, call->response);
        return;
    }
    struct group *group = group_find(owner, asked->group_id);
    if (group != NULL && group->kind == GROUP_CLASSIC &&
        (group->state == CLASSIC_STABLE || group->state == CLASSIC_PREPARING_REBALANCE)) {
        /* The commit of a member keeps its session alive. */
        struct classic_member *member = classic_member_find(group, asked->member_id);
        if (member != NULL) {
            classic_heard_of(member);
        }
    }
    struct offset_commit_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response != NULL) {
        offset_commit_response_default(response);
        response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    }
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        if (commit_topic(owner, call, &asked->topics.items[i], &response->topics.items[i])) {
            response->topics.count = (int32_t)i + 1;
        }
    }
    if (call->arena->failed) {
        runtime_fail(owner->runtime); /* an answer cannot be given: nothing may come of it */
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}

/* ---- OffsetDelete ---- */

static int16_t check_delete(const struct group *group)
{
    if (group == NULL) {
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    if (group->kind != GROUP_CLASSIC) {
        return 0;
    }
    return group->state != CLASSIC_EMPTY && !classic_uses_consumer_protocol(group)
               ? KAFKA_NON_EMPTY_GROUP
               : 0;
}

static void delete_topic(struct group_coordinator *owner, struct runtime_call *call,
                         const struct group *group,
                         const struct offset_delete_request_offset_delete_request_topic *from,
                         struct offset_delete_response_offset_delete_response_topic *to)
{
    size_t count = from->partitions.count > 0 ? (size_t)from->partitions.count : 0;
    bool subscribed = group_subscribes(group, from->name);
    to->name = from->name;
    to->partitions.items = arena_array(call->arena, count, sizeof *to->partitions.items);
    for (size_t i = 0; to->partitions.items != NULL && i < count; i++) {
        int32_t partition = from->partitions.items[i].partition_index;
        const struct offset_entry *entry =
            offset_find(offsets_of(owner, group->id), from->name, partition);
        to->partitions.items[to->partitions.count++] =
            (struct offset_delete_response_offset_delete_response_partition){
                partition, subscribed ? KAFKA_GROUP_SUBSCRIBED_TO_TOPIC : 0};
        if (!subscribed && entry != NULL) {
            offset_write_tombstone(owner, entry);
            owner->counts.deletions++;
        }
    }
}

void offset_delete(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct offset_delete_request *asked = call->request;
    const struct group *group = group_find(owner, asked->group_id);
    int16_t error = asked->group_id.size == 0 ? KAFKA_INVALID_GROUP_ID : check_delete(group);
    if (error != 0) {
        group_refuse(owner, call, error);
        runtime_reply(owner->runtime, call, call->response);
        return;
    }
    struct offset_delete_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response != NULL) {
        offset_delete_response_default(response);
        response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    }
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        delete_topic(owner, call, group, &asked->topics.items[i], &response->topics.items[i]);
        response->topics.count = (int32_t)i + 1;
    }
    if (call->arena->failed) {
        runtime_fail(owner->runtime);
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}
