/* SyncGroup and Heartbeat. Mirrors classicGroupSync and classicGroupHeartbeat of
 * GroupMetadataManager. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_PROTOCOL 5

static void answer_sync(struct group_coordinator *owner, struct runtime_call *call, int16_t error,
                        const struct classic_member *member)
{
    struct sync_group_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        sync_group_response_default(response);
        response->error_code = error;
        response->assignment = (struct bytes_view){(const uint8_t *)"", 0};
        ASSERT(error != 0 || member != NULL);
        if (error == 0) {
            const struct group *group = member->group;
            response->protocol_type = arena_string(call->arena, group->protocol_type);
            response->protocol_name = arena_string(call->arena, group->protocol_name);
            if (member->assignment.data != NULL) {
                response->assignment = arena_bytes(call->arena, member->assignment);
            }
        }
    }
    runtime_reply_now(owner->runtime, call, call->arena->failed ? NULL : response);
}

void classic_sync_answer(struct classic_member *member, int16_t error)
{
    struct runtime_call *call = member->syncing;
    if (call != NULL) {
        member->syncing = NULL;
        answer_sync(member->group->owner, call, error, member);
    }
}

/* The assignments are the group's once they are committed, unless it has moved on meanwhile. */
static void assignments_written(struct classic_write *write, int16_t error)
{
    struct group *group = write->group;
    ASSERT(group != NULL && write->generation <= group->generation);
    if (group->state != CLASSIC_COMPLETING_REBALANCE || group->generation != write->generation) {
        return;
    }
    if (error == 0) {
        classic_finish_sync(group);
    } else {
        classic_fail_sync(group, error);
        classic_prepare_rebalance(group, "an assignment could not be written",
                                  string_view_of(""));
    }
}

/* Members that the leader says nothing of get nothing. */
static bool take_assignments(struct group *group, const struct sync_group_request *asked)
{
    LIST_FOR_EACH(node, &group->members)
    {
        bytes_free(&CONTAINER_OF(node, struct classic_member, node)->next_assignment);
    }
    for (int32_t i = 0; i < asked->assignments.count; i++) {
        struct classic_member *member =
            classic_member_find(group, asked->assignments.items[i].member_id);
        if (member == NULL) {
            continue;
        }
        bytes_free(&member->next_assignment);
        if (!bytes_copy(asked->assignments.items[i].assignment, &member->next_assignment)) {
            return false;
        }
    }
    return true;
}

static void sync_completing(struct classic_member *member, struct runtime_call *call)
{
    struct group *group = member->group;
    ASSERT(group->state == CLASSIC_COMPLETING_REBALANCE && !member->owes_sync);
    classic_sync_answer(member, KAFKA_REBALANCE_IN_PROGRESS); /* the client gave that one up */
    member->syncing = call;
    if (group->leader != member) {
        return;
    }
    struct classic_write *write = classic_write_make(group, assignments_written);
    if (write == NULL || !take_assignments(group, call->request)) {
        if (write != NULL) {
            classic_write_free(write);
        }
        classic_fail_sync(group, KAFKA_UNKNOWN_SERVER_ERROR);
        classic_prepare_rebalance(group, "an assignment could not be kept", string_view_of(""));
        return;
    }
    classic_write_group(group, CLASSIC_ASSIGNMENTS_NEXT, write);
}

static void no_sync_owed(struct classic_member *member)
{
    struct group *group = member->group;
    if (member->owes_sync) {
        member->owes_sync = false;
        ASSERT(group->owing_count > 0);
        if (--group->owing_count == 0) {
            runtime_timer_cancel(&group->sync_timer);
        }
    }
}

/* What a client believes of the group differs from what it is; null: older ones do not say. */
static bool differs(struct string_view said, struct string_view is)
{
    return said.data != NULL && is.data != NULL && !string_view_equal(said, is);
}

/* Whether one who speaks belongs to the group as it is now. */
static int16_t check_generation(const struct group *group, struct string_view member_id,
                                struct string_view instance_id, int32_t generation)
{
    if (group == NULL || group->kind != GROUP_CLASSIC) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    int16_t error = classic_check_member(group, member_id, instance_id);
    return error == 0 && generation != group->generation ? KAFKA_ILLEGAL_GENERATION : error;
}

static int16_t check_sync(const struct group *group, const struct sync_group_request *asked)
{
    int16_t error = check_generation(group, asked->member_id, asked->group_instance_id,
                                     asked->generation_id);
    if (error != 0) {
        return error;
    }
    if (differs(asked->protocol_type, group->protocol_type) ||
        differs(asked->protocol_name, group->protocol_name)) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    return 0;
}

void classic_sync(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct sync_group_request *asked = call->request;
    struct group *group = group_find(owner, asked->group_id);
    bool by_consumers = group != NULL && group->kind == GROUP_CONSUMER;
    bool unsaid = call->api_version >= VERSION_WITH_PROTOCOL &&
                  (asked->protocol_type.data == NULL || asked->protocol_name.data == NULL);
    int16_t error = unsaid                      ? KAFKA_INCONSISTENT_GROUP_PROTOCOL
                    : asked->group_id.size == 0 ? KAFKA_INVALID_GROUP_ID
                    : by_consumers              ? 0
                                                : check_sync(group, asked);
    if (error != 0) {
        answer_sync(owner, call, error, NULL);
        return;
    }
    if (by_consumers) {
        consumer_classic_sync(group, call);
        return;
    }
    struct classic_member *member = classic_member_find(group, asked->member_id);
    ASSERT(member != NULL);
    switch (group->state) {
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        answer_sync(owner, call, KAFKA_UNKNOWN_MEMBER_ID, NULL);
        break;
    case CLASSIC_PREPARING_REBALANCE:
        answer_sync(owner, call, KAFKA_REBALANCE_IN_PROGRESS, NULL);
        break;
    case CLASSIC_COMPLETING_REBALANCE:
        no_sync_owed(member);
        sync_completing(member, call);
        break;
    case CLASSIC_STABLE:
        no_sync_owed(member);
        answer_sync(owner, call, 0, member);
        break;
    }
    classic_check(group);
}

static int16_t heartbeat(struct group_coordinator *owner, const struct heartbeat_request *asked,
                         struct arena *arena)
{
    if (asked->group_id.size == 0) {
        return KAFKA_INVALID_GROUP_ID;
    }
    struct group *group = group_find(owner, asked->group_id);
    if (group != NULL && group->kind == GROUP_CONSUMER) {
        return consumer_classic_heartbeat(group, asked, arena);
    }
    int16_t error = check_generation(group, asked->member_id, asked->group_instance_id,
                                     asked->generation_id);
    if (error != 0) {
        return error;
    }
    classic_heard_of(classic_member_find(group, asked->member_id));
    return group->state == CLASSIC_PREPARING_REBALANCE ? KAFKA_REBALANCE_IN_PROGRESS : 0;
}

void classic_heartbeat(struct group_coordinator *owner, struct runtime_call *call)
{
    struct heartbeat_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        heartbeat_response_default(response);
        response->error_code = heartbeat(owner, call->request, call->arena);
    }
    runtime_reply(owner->runtime, call, response);
}
