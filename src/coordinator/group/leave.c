/* LeaveGroup. Mirrors GroupMetadataManager.classicGroupLeave. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_MEMBERS 3

/* One member: 0 or why it does not leave. */
static int16_t leave_one(struct group *group, const struct leave_group_request_member_identity *who)
{
    struct classic_member *member;
    ASSERT(group->kind == GROUP_CLASSIC && group->state != CLASSIC_DEAD);
    if (who->member_id.size == 0) {
        /* An administrator knows the instance only. */
        member = who->group_instance_id.data == NULL
                     ? NULL
                     : classic_static_find(group, who->group_instance_id);
        if (member == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
        classic_expel(member, KAFKA_UNKNOWN_MEMBER_ID);
        return 0;
    }
    struct classic_pending *pending = classic_pending_find(group, who->member_id);
    if (pending != NULL) {
        classic_pending_remove(pending);
        return 0;
    }
    int16_t error = classic_check_member(group, who->member_id, who->group_instance_id);
    if (error == 0) {
        classic_expel(classic_member_find(group, who->member_id), KAFKA_UNKNOWN_MEMBER_ID);
    }
    return error;
}

static void leave_rebalance(struct group *group, struct string_view who)
{
    ASSERT(who.data != NULL);
    switch (group->state) {
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        break;
    case CLASSIC_STABLE:
    case CLASSIC_COMPLETING_REBALANCE:
        classic_prepare_rebalance(group, "a member leaves", who);
        break;
    case CLASSIC_PREPARING_REBALANCE:
        classic_maybe_complete_join(group);
        break;
    }
}

/* Each member with what became of it. */
static void leave_all(struct group *group, const struct leave_group_request *asked,
                      struct leave_group_response *response)
{
    struct string_view first = {NULL, 0};
    bool any = false;
    for (int32_t i = 0; i < asked->members.count; i++) {
        const struct leave_group_request_member_identity *who = &asked->members.items[i];
        int16_t error = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : leave_one(group, who);
        response->members.items[response->members.count++] =
            (struct leave_group_response_member_response){who->member_id, who->group_instance_id,
                                                          error};
        if (error == 0 && !any) {
            any = true;
            first = who->member_id.size > 0 ? who->member_id : who->group_instance_id;
        }
    }
    if (any) {
        leave_rebalance(group, first);
    }
}

void classic_leave(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct leave_group_request *asked = call->request;
    struct leave_group_response *response = arena_alloc(call->arena, sizeof *response);
    struct leave_group_request all = *asked;
    struct leave_group_request_member_identity one = {.member_id = asked->member_id};
    if (call->api_version < VERSION_WITH_MEMBERS) {
        all.members.items = &one;
        all.members.count = 1;
    }
    size_t count = all.members.count > 0 ? (size_t)all.members.count : 0;
    struct leave_group_response_member_response *items =
        arena_array(call->arena, count, sizeof *items);
    if (response == NULL || items == NULL) {
        runtime_reply(owner->runtime, call, NULL);
        return;
    }
    leave_group_response_default(response);
    if (asked->group_id.size == 0) {
        response->error_code = KAFKA_INVALID_GROUP_ID;
        runtime_reply(owner->runtime, call, response);
        return;
    }
    struct group *group = group_find(owner, asked->group_id);
    response->members.items = items;
    if (group != NULL && group->kind == GROUP_CONSUMER) {
        if (!consumer_classic_leave(group, &all, call->arena, response)) {
            runtime_fail(owner->runtime);
        }
    } else {
        leave_all(group == NULL || group->kind != GROUP_CLASSIC ? NULL : group, &all, response);
    }
    if (call->api_version < VERSION_WITH_MEMBERS) {
        response->error_code = items[0].error_code;
        response->members.count = 0;
    }
    runtime_reply(owner->runtime, call, response);
}
