/* SyncGroup, Heartbeat and LeaveGroup of members that speak the classic protocol, in a group of the
 * consumer protocol. Mirrors GroupMetadataManager. */
#include "coordinator/group/internal.h"

/* 0, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or ILLEGAL_GENERATION. */
static int16_t find_member(const struct group *group, struct string_view id,
                           struct string_view instance_id, int32_t generation,
                           struct consumer_member **member)
{
    ASSERT(group->kind == GROUP_CONSUMER);
    *member = instance_id.data == NULL ? consumer_member_find(group->consumer, id)
                                       : consumer_static_find(group->consumer, instance_id);
    if (*member == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (!string_view_equal((*member)->id, id)) {
        return KAFKA_FENCED_INSTANCE_ID;
    }
    if (!consumer_facts_of(*member)->classic) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return consumer_holding_of(*member).epoch == generation ? 0 : KAFKA_ILLEGAL_GENERATION;
}

/* It is to join again, within its rebalance timeout. */
static int16_t call_back(struct consumer_member *member)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    int32_t timeout_ms = facts->rebalance_timeout_ms > 0 ? facts->rebalance_timeout_ms
                                                         : facts->classic_session_timeout_ms;
    ASSERT(facts->classic);
    if (!heap_has(&member->join_timer.node)) {
        runtime_timer_arm(&member->join_timer, timeout_ms);
    }
    return KAFKA_REBALANCE_IN_PROGRESS;
}

/* ---- SyncGroup ---- */

static int16_t check_sync(const struct group *group, const struct sync_group_request *asked,
                          struct consumer_member **member)
{
    int16_t error = find_member(group, asked->member_id, asked->group_instance_id,
                                asked->generation_id, member);
    if (error != 0) {
        return error;
    }
    const struct consumer_facts *facts = consumer_facts_of(*member);
    bool other_type = asked->protocol_type.data != NULL &&
                      !string_view_is(asked->protocol_type, "consumer");
    bool other_name = asked->protocol_name.data != NULL && facts->protocol_count > 0 &&
                      !string_view_equal(asked->protocol_name, facts->protocols[0].name);
    if (other_type || other_name || facts->protocol_count == 0) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    struct consumer_holding holding = consumer_holding_of(*member);
    return holding.epoch < group->consumer->assignment_epoch &&
                   holding.state != CONSUMER_UNREVOKED
               ? call_back(*member)
               : 0;
}

void consumer_classic_sync(struct group *group, struct runtime_call *call)
{
    const struct sync_group_request *asked = call->request;
    struct arena *arena = call->arena;
    struct consumer_member *member = NULL;
    struct sync_group_response *response = arena_alloc(arena, sizeof *response);
    ASSERT(group->kind == GROUP_CONSUMER);
    if (response != NULL) {
        sync_group_response_default(response);
        response->error_code = check_sync(group, asked, &member);
        response->assignment = (struct bytes_view){(const uint8_t *)"", 0};
    }
    if (response != NULL && response->error_code == 0) {
        runtime_timer_cancel(&member->sync_timer);
        consumer_heard_of(member);
        response->protocol_type = asked->protocol_type;
        response->protocol_name = asked->protocol_name;
        response->assignment = embedded_write_assignment(
            group->owner->options.cluster, consumer_holding_of(member).assigned,
            consumer_facts_of(member)->protocols[0].metadata, arena);
        if (response->assignment.data == NULL) {
            response->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
            response->assignment = (struct bytes_view){(const uint8_t *)"", 0};
        }
    }
    runtime_reply_settled(group->owner->runtime, call, arena->failed ? NULL : response);
}

/* ---- Heartbeat ---- */

/* Whether some of what it is to have another member still has. */
static bool waits_for_others(const struct consumer_member *member)
{
    struct partition_set target = consumer_target_of(member);
    struct partition_set assigned = consumer_holding_of(member).assigned;
    ASSERT(consumer_is_member(member) && consumer_facts_of(member)->classic);
    for (size_t i = 0; i < target.count; i++) {
        const struct partition_item *item = &target.items[i];
        if (partition_set_find(assigned, item->topic, item->partition) == NULL &&
            consumer_claim_find(member->group->consumer, item->topic, item->partition) != NULL) {
            return true;
        }
    }
    return false;
}

/* A heartbeat of any member brings a new target about when that is due: there may be none of the
 * other protocol to do it. */
int16_t consumer_classic_heartbeat(struct group *group, const struct heartbeat_request *asked,
                                   struct arena *arena)
{
    struct consumer_member *member;
    int16_t error = find_member(group, asked->member_id, asked->group_instance_id,
                                asked->generation_id, &member);
    if (error != 0) {
        return error;
    }
    struct consumer_holding holding = consumer_holding_of(member);
    consumer_heard_of(member);
    if (!consumer_refresh_epoch(group, false, "topics have changed", asked->member_id, arena) ||
        (consumer_assignment_is_due(group->consumer) && !consumer_assign(group, arena))) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    bool again = holding.epoch < group->consumer->assignment_epoch ||
                 holding.state == CONSUMER_UNREVOKED ||
                 (holding.state == CONSUMER_UNRELEASED && !waits_for_others(member));
    return again ? call_back(member) : 0;
}

/* ---- LeaveGroup ---- */

static int16_t find_leaver(const struct group *group,
                           const struct leave_group_request_member_identity *who,
                           struct consumer_member **member)
{
    if (who->group_instance_id.data == NULL) {
        *member = consumer_member_find(group->consumer, who->member_id);
        return *member == NULL ? KAFKA_UNKNOWN_MEMBER_ID : 0;
    }
    *member = consumer_static_find(group->consumer, who->group_instance_id);
    if (*member == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    /* An administrator knows the instance only. */
    bool other = who->member_id.size > 0 && !string_view_equal((*member)->id, who->member_id);
    return other ? KAFKA_FENCED_INSTANCE_ID : 0;
}

bool consumer_classic_leave(struct group *group, const struct leave_group_request *asked,
                            struct arena *arena, struct leave_group_response *response)
{
    size_t most = asked->members.count > 0 ? (size_t)asked->members.count : 0;
    struct consumer_member **leaving = arena_array(arena, most, sizeof(struct consumer_member *));
    size_t count = 0;
    ASSERT(group->kind == GROUP_CONSUMER && response->members.count == 0);
    if (leaving == NULL) {
        return false;
    }
    for (size_t i = 0; i < most; i++) {
        const struct leave_group_request_member_identity *who = &asked->members.items[i];
        struct consumer_member *member;
        int16_t error = find_leaver(group, who, &member);
        response->members.items[response->members.count++] =
            (struct leave_group_response_member_response){who->member_id, who->group_instance_id,
                                                          error};
        size_t known = 0;
        while (error == 0 && known < count && leaving[known] != member) {
            known++;
        }
        if (error == 0 && known == count) {
            leaving[count++] = member;
        }
    }
    return count == 0 || consumer_fence(group, leaving, count, "a member leaves", arena);
}
