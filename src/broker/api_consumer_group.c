/* ConsumerGroupHeartbeat and ConsumerGroupDescribe. */
#include "base/limits.h"
#include "broker/coordinator_internal.h"
#include "broker/group_work.h"
#include "broker/handlers.h"
#include "protocol/messages.h"

/* Whether groups may use the protocol: the cluster has the feature, and no setting forbids it. */
static bool protocol_is_served(struct broker_request *request)
{
    int32_t count;
    struct string_view *protocols =
        config_list(broker_config(request), "group.coordinator.rebalance.protocols",
                    &request->arena, &count);
    if (image_feature_level(broker_image(request), "group.version") < 1) {
        return false;
    }
    for (int32_t i = 0; protocols != NULL && i < count; i++) {
        if (string_view_is(protocols[i], "consumer")) {
            return true;
        }
    }
    return false;
}

static void heartbeat_error(struct broker_request *request, int16_t error,
                            struct string_view message)
{
    struct consumer_group_heartbeat_response response;
    consumer_group_heartbeat_response_default(&response);
    response.error_code = error;
    response.error_message = message;
    broker_respond(request, &response);
}

static void heartbeat_done(struct coordinator_ask *ask)
{
    if (ask->call.response == NULL) {
        broker_respond_close(ask->request);
    } else {
        broker_respond(ask->request, ask->call.response);
    }
}

/* What is wrong with it whoever coordinates the group is said at once. */
void api_consumer_group_heartbeat(struct broker_request *request)
{
    const struct consumer_group_heartbeat_request *asked = request->message;
    const struct assignor *assignors[GROUP_ASSIGNORS_MAX];
    struct string_view message;
    if (!protocol_is_served(request)) {
        heartbeat_error(request, KAFKA_UNSUPPORTED_VERSION, (struct string_view){NULL, 0});
        return;
    }
    size_t count = coordinator_assignors(broker_config(request), &request->arena, assignors);
    int16_t error = group_heartbeat_check(asked, request->header.request_api_version, assignors,
                                          count, &request->arena, &message);
    if (error != 0) {
        heartbeat_error(request, error, message);
        return;
    }
    struct coordinator_ask *ask = arena_alloc(&request->arena, sizeof *ask);
    if (ask == NULL) {
        broker_respond_close(request);
        return;
    }
    coordinator_ask_init(ask, request, asked, asked->group_id);
    ask->done = heartbeat_done;
    coordinator_ask(ask);
}

static void describe_done(struct group_work *work)
{
    struct broker_request *request = work->request;
    const struct consumer_group_describe_request *asked = request->message;
    struct consumer_group_describe_response response;
    consumer_group_describe_response_default(&response);
    response.groups.items =
        arena_array(&request->arena, work->count, sizeof *response.groups.items);
    for (size_t i = 0; response.groups.items != NULL && !work->failed && i < work->count; i++) {
        const struct consumer_group_describe_response_described_group *group =
            work->asks[i].call.response;
        response.groups.items[i] = *group;
        if (asked->include_authorized_operations && group->error_code == 0) {
            response.groups.items[i].authorized_operations = GROUP_OPERATIONS_ALL;
        }
        response.groups.count = (int32_t)i + 1;
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

static void describe_unsupported(struct broker_request *request, size_t count)
{
    const struct consumer_group_describe_request *asked = request->message;
    struct consumer_group_describe_response response;
    consumer_group_describe_response_default(&response);
    response.groups.items = arena_array(&request->arena, count, sizeof *response.groups.items);
    for (size_t i = 0; response.groups.items != NULL && i < count; i++) {
        response.groups.items[i] = (struct consumer_group_describe_response_described_group){
            .error_code = KAFKA_UNSUPPORTED_VERSION,
            .group_id = asked->group_ids.items[i],
            .group_state = string_view_of(""),
            .assignor_name = string_view_of(""),
            .authorized_operations = INT32_MIN,
        };
        response.groups.count = (int32_t)i + 1;
    }
    if (response.groups.items == NULL) {
        broker_respond_close(request);
    } else {
        broker_respond(request, &response);
    }
}

void api_consumer_group_describe(struct broker_request *request)
{
    const struct consumer_group_describe_request *asked = request->message;
    size_t count = asked->group_ids.count > 0 ? (size_t)asked->group_ids.count : 0;
    if (!protocol_is_served(request)) {
        describe_unsupported(request, count);
        return;
    }
    struct group_work *work = group_work_make(request, count, describe_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        coordinator_ask_init(&work->asks[i], request, &asked->group_ids.items[i],
                             asked->group_ids.items[i]);
        group_work_prepare(work, i);
    }
    group_work_start(work);
}
