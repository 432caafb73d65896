/* What each API answers when nothing came of it, as the getErrorResponse of Apache Kafka's
 * requests. */
#include "coordinator/group/internal.h"

static void *refuse_alloc(struct runtime_call *call, size_t size)
{
    return arena_alloc(call->arena, size);
}

static const void *refuse_join(struct runtime_call *call, int16_t error)
{
    const struct join_group_request *asked = call->request;
    struct join_group_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        join_group_response_default(response);
        response->error_code = error;
        response->member_id = asked->member_id;
        response->protocol_name =
            call->api_version >= 7 ? (struct string_view){NULL, 0} : string_view_of("");
    }
    return response;
}

static const void *refuse_sync(struct runtime_call *call, int16_t error)
{
    struct sync_group_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        sync_group_response_default(response);
        response->error_code = error;
    }
    return response;
}

static const void *refuse_heartbeat(struct runtime_call *call, int16_t error)
{
    struct heartbeat_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        heartbeat_response_default(response);
        /* While the group is loaded nobody can tell: the member shall go on. */
        response->error_code = error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ? 0 : error;
    }
    return response;
}

static const void *refuse_leave(struct runtime_call *call, int16_t error)
{
    struct leave_group_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        leave_group_response_default(response);
        response->error_code = error;
    }
    return response;
}

static const void *refuse_commit(struct runtime_call *call, int16_t error)
{
    const struct offset_commit_request *asked = call->request;
    struct offset_commit_response *response = refuse_alloc(call, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response == NULL) {
        return NULL;
    }
    offset_commit_response_default(response);
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    for (size_t i = 0; response->topics.items != NULL && i < count; i++) {
        const struct offset_commit_request_offset_commit_request_topic *from =
            &asked->topics.items[i];
        struct offset_commit_response_offset_commit_response_topic *to =
            &response->topics.items[i];
        int32_t partitions = from->partitions.count > 0 ? from->partitions.count : 0;
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions.items =
            arena_array(call->arena, (size_t)partitions, sizeof *to->partitions.items);
        for (int32_t j = 0; to->partitions.items != NULL && j < partitions; j++) {
            to->partitions.items[j].partition_index = from->partitions.items[j].partition_index;
            to->partitions.items[j].error_code = error;
            to->partitions.count = j + 1;
        }
        response->topics.count = (int32_t)i + 1;
    }
    return call->arena->failed ? NULL : response;
}

static const void *refuse_transactional(struct runtime_call *call, int16_t error)
{
    const struct txn_offset_commit_request *asked = call->request;
    struct txn_offset_commit_response *response = refuse_alloc(call, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response == NULL) {
        return NULL;
    }
    txn_offset_commit_response_default(response);
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    for (size_t i = 0; response->topics.items != NULL && i < count; i++) {
        const struct txn_offset_commit_request_txn_offset_commit_request_topic *from =
            &asked->topics.items[i];
        struct txn_offset_commit_response_txn_offset_commit_response_topic *to =
            &response->topics.items[i];
        int32_t partitions = from->partitions.count > 0 ? from->partitions.count : 0;
        to->name = from->name;
        to->partitions.items =
            arena_array(call->arena, (size_t)partitions, sizeof *to->partitions.items);
        for (int32_t j = 0; to->partitions.items != NULL && j < partitions; j++) {
            to->partitions.items[j].partition_index = from->partitions.items[j].partition_index;
            to->partitions.items[j].error_code = error;
            to->partitions.count = j + 1;
        }
        response->topics.count = (int32_t)i + 1;
    }
    return call->arena->failed ? NULL : response;
}

static const void *refuse_fetch(struct runtime_call *call, int16_t error)
{
    const struct group_offset_fetch *asked = call->request;
    struct offset_fetch_response_offset_fetch_response_group *response =
        refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        *response = (struct offset_fetch_response_offset_fetch_response_group){
            .group_id = asked->group.group_id, .error_code = error};
    }
    return response;
}

static const void *refuse_offset_delete(struct runtime_call *call, int16_t error)
{
    struct offset_delete_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        offset_delete_response_default(response);
        response->error_code = error;
    }
    return response;
}

static const void *refuse_list(struct runtime_call *call, int16_t error)
{
    struct list_groups_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        list_groups_response_default(response);
        /* The other partitions still tell theirs. */
        response->error_code = error == KAFKA_NOT_COORDINATOR ? 0 : error;
    }
    return response;
}

static const void *refuse_describe(struct runtime_call *call, int16_t error)
{
    const struct string_view *id = call->request;
    struct describe_groups_response_described_group *response =
        refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        *response = (struct describe_groups_response_described_group){
            .error_code = error,
            .group_id = *id,
            .group_state = string_view_of(""),
            .protocol_type = string_view_of(""),
            .protocol_data = string_view_of(""),
            .authorized_operations = INT32_MIN,
        };
    }
    return response;
}

static const void *refuse_delete(struct runtime_call *call, int16_t error)
{
    const struct string_view *id = call->request;
    struct delete_groups_response_deletable_group_result *response =
        refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        *response = (struct delete_groups_response_deletable_group_result){*id, error};
    }
    return response;
}

static const char *why_refused(int16_t error)
{
    switch (error) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        return "The coordinator is loading and hence can't process requests.";
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        return "The coordinator is not available.";
    case KAFKA_NOT_COORDINATOR:
        return "This is not the correct coordinator.";
    default:
        return "The server experienced an unexpected error when processing the request.";
    }
}

static const void *refuse_consumer_heartbeat(struct runtime_call *call, int16_t error)
{
    struct consumer_group_heartbeat_response *response = refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        consumer_group_heartbeat_response_default(response);
        response->error_code = error;
        response->error_message = string_view_of(why_refused(error));
    }
    return response;
}

static const void *refuse_consumer_describe(struct runtime_call *call, int16_t error)
{
    const struct string_view *id = call->request;
    struct consumer_group_describe_response_described_group *response =
        refuse_alloc(call, sizeof *response);
    if (response != NULL) {
        *response = (struct consumer_group_describe_response_described_group){
            .error_code = error,
            .group_id = *id,
            .group_state = string_view_of(""),
            .assignor_name = string_view_of(""),
            .authorized_operations = INT32_MIN,
        };
    }
    return response;
}

void group_call_refuse(struct runtime_call *call, int16_t error)
{
    static const struct {
        int16_t api_key;
        const void *(*refuse)(struct runtime_call *call, int16_t error);
    } rows[] = {
        {API_JOIN_GROUP, refuse_join},       {API_SYNC_GROUP, refuse_sync},
        {API_HEARTBEAT, refuse_heartbeat},   {API_LEAVE_GROUP, refuse_leave},
        {API_CONSUMER_GROUP_HEARTBEAT, refuse_consumer_heartbeat},
        {API_CONSUMER_GROUP_DESCRIBE, refuse_consumer_describe},
        {API_OFFSET_COMMIT, refuse_commit},  {API_TXN_OFFSET_COMMIT, refuse_transactional},
        {API_OFFSET_FETCH, refuse_fetch},
        {API_OFFSET_DELETE, refuse_offset_delete}, {API_LIST_GROUPS, refuse_list},
        {API_DESCRIBE_GROUPS, refuse_describe},    {API_DELETE_GROUPS, refuse_delete},
    };
    ASSERT(error != 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].api_key == call->api_key) {
            call->response = rows[i].refuse(call, error);
            return;
        }
    }
    ASSERT(false);
}

void group_refuse(void *context, struct runtime_call *call, int16_t error)
{
    (void)context;
    group_call_refuse(call, error);
}
