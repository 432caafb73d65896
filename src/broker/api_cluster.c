#include "broker/forward.h"
#include "broker/handlers.h"

/* Version 0 has no error of its own: each partition that was asked for carries it. */
static void fail_elect_leaders(struct broker_request *request, int16_t error)
{
    const struct elect_leaders_request *asked = request->message;
    int32_t count = asked->topic_partitions.count > 0 ? asked->topic_partitions.count : 0;
    struct elect_leaders_response response;
    elect_leaders_response_default(&response);
    response.error_code = request->header.request_api_version > 0 ? error : 0;
    response.replica_election_results.items = arena_array(
        &request->arena, (size_t)count, sizeof(*response.replica_election_results.items));
    for (int32_t i = 0; i < count && !request->arena.failed; i++) {
        struct elect_leaders_response_replica_election_result *result =
            &response.replica_election_results.items[i];
        int32_t partition_count = asked->topic_partitions.items[i].partitions.count;
        result->topic = asked->topic_partitions.items[i].topic;
        result->partition_result.items = arena_array(&request->arena, (size_t)partition_count,
                                                     sizeof(*result->partition_result.items));
        for (int32_t j = 0; j < partition_count && !request->arena.failed; j++) {
            result->partition_result.items[j].partition_id =
                asked->topic_partitions.items[i].partitions.items[j];
            result->partition_result.items[j].error_code = error;
        }
        result->partition_result.count = partition_count;
    }
    response.replica_election_results.count = count;
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}

static void fail_reassignments(struct broker_request *request, int16_t error)
{
    const struct alter_partition_reassignments_request *asked = request->message;
    struct alter_partition_reassignments_response response;
    alter_partition_reassignments_response_default(&response);
    response.error_code = error;
    response.error_message = (struct string_view){NULL, 0};
    int32_t count = asked->topics.count > 0 ? asked->topics.count : 0;
    response.responses.items = arena_array(&request->arena, (size_t)count,
                                           sizeof(*response.responses.items));
    for (int32_t i = 0; i < count && !request->arena.failed; i++) {
        int32_t partition_count = asked->topics.items[i].partitions.count;
        struct alter_partition_reassignments_response_reassignable_topic_response *result =
            &response.responses.items[i];
        result->name = asked->topics.items[i].name;
        result->partitions.items = arena_array(&request->arena, (size_t)partition_count,
                                               sizeof(*result->partitions.items));
        for (int32_t j = 0; j < partition_count && !request->arena.failed; j++) {
            result->partitions.items[j].partition_index =
                asked->topics.items[i].partitions.items[j].partition_index;
            result->partitions.items[j].error_code = error;
            result->partitions.items[j].error_message = (struct string_view){NULL, 0};
        }
        result->partitions.count = partition_count;
    }
    response.responses.count = count;
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}

void api_alter_partition_reassignments(struct broker_request *request)
{
    forward_request(request, request->message, fail_reassignments);
}

void api_elect_leaders(struct broker_request *request)
{
    forward_request(request, request->message, fail_elect_leaders);
}
