/* What a controller's listener answers otherwise than a broker's. Mirrors ControllerApis. */
#include "broker/cluster_view.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "protocol/messages.h"

#define OPERATIONS_NOT_ASKED INT32_MIN
#define ENDPOINT_TYPE_BROKER 1
#define ENDPOINT_TYPE_CONTROLLER 2
#define QUORUM_VERSION_WITH_NODES 2

/* Where a controller can be reached by the name of the request's listener, else by its first. */
static const struct describe_quorum_response_listener *controller_endpoint(
    const struct describe_quorum_response_node *node, struct string_view listener)
{
    for (int32_t i = 0; i < node->listeners.count; i++) {
        if (string_view_equal(node->listeners.items[i].name, listener)) {
            return &node->listeners.items[i];
        }
    }
    return node->listeners.count > 0 ? &node->listeners.items[0] : NULL;
}

static void add_controllers(struct broker_request *request,
                            const struct describe_quorum_response *quorum,
                            struct describe_cluster_response *response)
{
    struct string_view listener =
        config_listener_at(broker_config(request), request->listener)->name;
    size_t count = quorum->nodes.count > 0 ? (size_t)quorum->nodes.count : 0;
    response->brokers.items =
        arena_array(&request->arena, count, sizeof *response->brokers.items);
    for (size_t i = 0; response->brokers.items != NULL && i < count; i++) {
        const struct describe_quorum_response_node *node = &quorum->nodes.items[i];
        const struct describe_quorum_response_listener *endpoint =
            controller_endpoint(node, listener);
        if (endpoint != NULL) {
            response->brokers.items[response->brokers.count++] =
                (struct describe_cluster_response_describe_cluster_broker){
                    .broker_id = node->node_id, .host = endpoint->host, .port = endpoint->port};
        }
    }
}

static void controllers_known(struct broker_request *request, void *context, int16_t error,
                              const void *answer)
{
    (void)context;
    const struct describe_cluster_request *asked = request->message;
    const struct describe_quorum_response *quorum = answer;
    struct describe_cluster_response response;
    describe_cluster_response_default(&response);
    response.error_code = error;
    if (error == 0) {
        response.endpoint_type = ENDPOINT_TYPE_CONTROLLER;
        response.cluster_id = broker_cluster_id(request);
        response.controller_id = broker_controller_id(request);
        response.cluster_authorized_operations = asked->include_cluster_authorized_operations
                                                     ? CLUSTER_OPERATIONS_ALL
                                                     : OPERATIONS_NOT_ASKED;
        add_controllers(request, quorum, &response);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}

void api_describe_controllers(struct broker_request *request)
{
    const struct describe_cluster_request *asked = request->message;
    struct describe_cluster_response response;
    describe_cluster_response_default(&response);
    bool oldest = request->header.request_api_version == 0; /* it knew of no controllers */
    int8_t type = oldest ? ENDPOINT_TYPE_BROKER : asked->endpoint_type;
    if (type != ENDPOINT_TYPE_CONTROLLER) {
        bool known = type == ENDPOINT_TYPE_BROKER;
        response.error_code = oldest  ? KAFKA_INVALID_REQUEST
                              : known ? KAFKA_MISMATCHED_ENDPOINT_TYPE
                                      : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message =
            known ? string_view_of("The request was sent to an endpoint of type CONTROLLER, but "
                                   "we wanted an endpoint of type BROKER")
                  : arena_format(&request->arena, "Unsupported endpoint type %d", type);
        response.cluster_id = string_view_of("");
        broker_respond(request, &response);
        return;
    }
    struct describe_quorum_request *quorum = arena_alloc(&request->arena, sizeof *quorum);
    struct describe_quorum_request_topic_data *topic = arena_alloc(&request->arena, sizeof *topic);
    struct describe_quorum_request_partition_data *partition =
        arena_alloc(&request->arena, sizeof *partition);
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    *partition = (struct describe_quorum_request_partition_data){0};
    *topic = (struct describe_quorum_request_topic_data){
        .topic_name = string_view_of("__cluster_metadata"),
        .partitions = {.items = partition, .count = 1}};
    quorum->topics.items = topic;
    quorum->topics.count = 1;
    broker_forward(request, API_DESCRIBE_QUORUM, QUORUM_VERSION_WITH_NODES, quorum,
                   controllers_known, NULL);
}
