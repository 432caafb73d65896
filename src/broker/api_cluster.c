#include "broker/forward.h"
#include "broker/handlers.h"

/* Each API has its response for a controller that cannot be asked; the rest is the controller's. */

static void fail_update_features(struct broker_request *request, int16_t error)
{
    struct update_features_response response;
    update_features_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_update_features(struct broker_request *request)
{
    forward_request(request, request->message, fail_update_features);
}

static void fail_describe_quorum(struct broker_request *request, int16_t error)
{
    struct describe_quorum_response response;
    describe_quorum_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_describe_quorum(struct broker_request *request)
{
    forward_request(request, request->message, fail_describe_quorum);
}

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

void api_elect_leaders(struct broker_request *request)
{
    forward_request(request, request->message, fail_elect_leaders);
}

static void fail_list_partition_reassignments(struct broker_request *request, int16_t error)
{
    struct list_partition_reassignments_response response;
    list_partition_reassignments_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_list_partition_reassignments(struct broker_request *request)
{
    forward_request(request, request->message, fail_list_partition_reassignments);
}

static void fail_alter_partition_reassignments(struct broker_request *request, int16_t error)
{
    struct alter_partition_reassignments_response response;
    alter_partition_reassignments_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_alter_partition_reassignments(struct broker_request *request)
{
    forward_request(request, request->message, fail_alter_partition_reassignments);
}

static void fail_unregister_broker(struct broker_request *request, int16_t error)
{
    struct unregister_broker_response response;
    unregister_broker_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_unregister_broker(struct broker_request *request)
{
    forward_request(request, request->message, fail_unregister_broker);
}

static void fail_allocate_producer_ids(struct broker_request *request, int16_t error)
{
    struct allocate_producer_ids_response response;
    allocate_producer_ids_response_default(&response);
    response.error_code = error;
    broker_respond(request, &response);
}

void api_allocate_producer_ids(struct broker_request *request)
{
    forward_request(request, request->message, fail_allocate_producer_ids);
}
