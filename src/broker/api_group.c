/* JoinGroup, SyncGroup, Heartbeat and LeaveGroup: one group each, answered by its coordinator. */
#include "broker/coordinator_driver.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "protocol/messages.h"

static void group_done(struct coordinator_ask *ask)
{
    if (ask->call.response == NULL) {
        broker_respond_close(ask->request);
    } else {
        broker_respond(ask->request, ask->call.response);
    }
}

static void group_ask(struct broker_request *request, struct string_view group)
{
    struct coordinator_ask *ask = arena_alloc(&request->arena, sizeof *ask);
    if (ask == NULL) {
        broker_respond_close(request);
        return;
    }
    coordinator_ask_init(ask, request, request->message, group);
    ask->done = group_done;
    coordinator_ask(ask);
}

void api_join_group(struct broker_request *request)
{
    const struct join_group_request *asked = request->message;
    group_ask(request, asked->group_id);
}

void api_sync_group(struct broker_request *request)
{
    const struct sync_group_request *asked = request->message;
    group_ask(request, asked->group_id);
}

void api_heartbeat(struct broker_request *request)
{
    const struct heartbeat_request *asked = request->message;
    group_ask(request, asked->group_id);
}

void api_leave_group(struct broker_request *request)
{
    const struct leave_group_request *asked = request->message;
    group_ask(request, asked->group_id);
}
