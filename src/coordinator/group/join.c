/* JoinGroup. Mirrors GroupMetadataManager.classicGroupJoin and what it calls. */
#include <stdio.h>

#include "coordinator/group/internal.h"

/* Apache Kafka's classicGroupNewMemberJoinTimeoutMs. */
#define FIRST_JOIN_TIMEOUT_MS (5 * 60 * 1000)
#define VERSION_WITH_HANDSHAKE 4
#define VERSION_WITH_NULL_PROTOCOL 7
#define VERSION_WITH_SKIP_ASSIGNMENT 9
#define UUID_TEXT_MAX 37

/* ---- answers ---- */

static struct join_group_response *response_make(struct runtime_call *call)
{
    struct join_group_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        join_group_response_default(response);
    }
    return response;
}

void classic_join_refuse(struct group_coordinator *owner, struct runtime_call *call,
                         int16_t error, struct string_view member_id)
{
    struct join_group_response *response = response_make(call);
    if (response != NULL) {
        response->error_code = error;
        response->member_id = arena_string(call->arena, member_id);
        response->protocol_name = call->api_version >= VERSION_WITH_NULL_PROTOCOL
                                      ? (struct string_view){NULL, 0}
                                      : string_view_of("");
    }
    runtime_reply_now(owner->runtime, call, call->arena->failed ? NULL : response);
}

static void fill_members(struct join_group_response *response, const struct group *group,
                         struct arena *arena)
{
    response->members.items =
        arena_array(arena, group->by_id.count, sizeof *response->members.items);
    if (response->members.items == NULL) {
        return;
    }
    LIST_FOR_EACH(node, &group->members)
    {
        const struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        response->members.items[response->members.count++] =
            (struct join_group_response_join_group_response_member){
                arena_string(arena, member->id), arena_string(arena, member->instance_id),
                arena_bytes(arena, classic_member_metadata(member))};
    }
}

struct join_answer {
    struct string_view leader;
    bool with_members;
    bool skip_assignment;
};

static void answer(struct runtime_call *call, const struct classic_member *member,
                   const struct join_answer *what)
{
    const struct group *group = member->group;
    ASSERT(group->generation >= 0 && group->protocol_name.data != NULL);
    struct join_group_response *response = response_make(call);
    if (response != NULL) {
        response->generation_id = group->generation;
        response->protocol_type = arena_string(call->arena, group->protocol_type);
        response->protocol_name = arena_string(call->arena, group->protocol_name);
        response->leader = arena_string(call->arena, what->leader);
        response->member_id = arena_string(call->arena, member->id);
        response->skip_assignment = what->skip_assignment;
        if (what->with_members) {
            fill_members(response, group, call->arena);
        }
    }
    runtime_reply_now(group->owner->runtime, call, call->arena->failed ? NULL : response);
}

/* Of the current generation. */
static void answer_current(struct runtime_call *call, const struct classic_member *member,
                           bool with_members)
{
    struct join_answer what = {.leader = member->group->leader->id, .with_members = with_members};
    answer(call, member, &what);
}

void classic_join_answer(struct classic_member *member, int16_t error)
{
    struct runtime_call *call = member->joining;
    if (call == NULL) {
        return;
    }
    member->joining = NULL;
    member->group->joining_count--;
    ASSERT(member->group->joining_count >= 0);
    if (error == 0) {
        answer_current(call, member, member->group->leader == member);
    } else {
        bool named = error == KAFKA_FENCED_INSTANCE_ID || error == KAFKA_REBALANCE_IN_PROGRESS;
        classic_join_refuse(member->group->owner, call, error,
                            named ? member->id : string_view_of(""));
    }
}

/* A join that comes while an earlier one of the member is still parked takes its place: the client
 * has given that one up. */
static void park(struct classic_member *member, struct runtime_call *call)
{
    classic_join_answer(member, KAFKA_REBALANCE_IN_PROGRESS);
    ASSERT(member->joining == NULL && call != NULL);
    member->joining = call;
    member->group->joining_count++;
    ASSERT(member->group->joining_count <= classic_member_count(member->group));
}

/* ---- members ---- */

static struct classic_member_facts facts_of(const struct runtime_call *call,
                                            struct string_view member_id)
{
    const struct join_group_request *asked = call->request;
    return (struct classic_member_facts){
        .id = member_id,
        .instance_id = asked->group_instance_id,
        .client_id = call->client_id.data == NULL ? string_view_of("") : call->client_id,
        .client_host = call->client_host,
        .protocol_type = asked->protocol_type,
        .rebalance_timeout_ms = call->api_version == 0 ? asked->session_timeout_ms
                                                       : asked->rebalance_timeout_ms,
        .session_timeout_ms = asked->session_timeout_ms,
        .protocols = asked->protocols.items,
        .protocol_count = asked->protocols.count > 0 ? asked->protocols.count : 0,
    };
}

static struct string_view new_member_id(struct runtime_call *call)
{
    const struct join_group_request *asked = call->request;
    struct string_view prefix = asked->group_instance_id.data != NULL ? asked->group_instance_id
                                                                      : call->client_id;
    const uint8_t *b = call->random;
    char text[UUID_TEXT_MAX];
    snprintf(text, sizeof text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], (b[6] & 0x0f) | 0x40, b[7], (b[8] & 0x3f) | 0x80, b[9], b[10],
             b[11], b[12], b[13], b[14], b[15]);
    return arena_format(call->arena, "%.*s-%s", (int)prefix.size,
                        prefix.data == NULL ? "" : prefix.data, text);
}

static void add_member(struct group *group, struct runtime_call *call,
                       struct string_view member_id)
{
    struct classic_member_facts facts = facts_of(call, member_id);
    struct classic_member *member = classic_member_add(group, &facts);
    if (member == NULL) {
        classic_join_refuse(group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        return;
    }
    struct classic_pending *pending = classic_pending_find(group, member_id);
    if (pending != NULL) {
        classic_pending_remove(pending);
    }
    member->is_new = true;
    if (group->state == CLASSIC_PREPARING_REBALANCE && group->previous_state == CLASSIC_EMPTY) {
        group->member_added = true;
    }
    park(member, call);
    runtime_timer_arm(&member->timer, FIRST_JOIN_TIMEOUT_MS);
    classic_maybe_prepare_rebalance(group, "a member joins", member->id);
}

static void update_member(struct classic_member *member, struct runtime_call *call,
                          const char *why)
{
    struct classic_member_facts facts = facts_of(call, member->id);
    if (!classic_member_update(member, &facts)) {
        classic_join_refuse(member->group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR, member->id);
        return;
    }
    park(member, call);
    classic_maybe_prepare_rebalance(member->group, why, member->id);
}

/* ---- static members that come back under a new id ---- */

static void replaced_written(struct classic_write *write, int16_t error)
{
    struct group *group = write->group;
    ASSERT(group != NULL && write->member_id.data != NULL);
    struct classic_member *member = classic_member_find(group, write->member_id);
    if (member == NULL || member->joining == NULL) {
        return; /* it was answered by what came meanwhile */
    }
    if (error == 0) {
        struct runtime_call *call = member->joining;
        bool may_skip = call->api_version >= VERSION_WITH_SKIP_ASSIGNMENT;
        bool leads = group->leader == member;
        struct join_answer what = {
            /* An older client that hears of itself as the leader would assign anew: it is told the
             * id that it had before. */
            .leader = may_skip ? group->leader->id : write->old_leader_id,
            .with_members = may_skip && leads,
            .skip_assignment = may_skip && leads,
        };
        member->joining = NULL;
        group->joining_count--;
        answer(call, member, &what);
        return;
    }
    struct runtime_call *call = member->joining;
    member->joining = NULL;
    group->joining_count--;
    classic_join_refuse(group->owner, call, error, string_view_of(""));
    if (classic_member_find(group, write->old_member_id) == NULL &&
        classic_member_rename(member, write->old_member_id)) {
        mem_free(member->offers.items);
        member->offers = write->old_protocols;
        write->old_protocols = (struct classic_protocols){0};
        classic_heard_of(member);
    }
}

/* Who it was goes into write, if that could be made. */
static bool take_place(struct classic_member *member, const struct classic_member_facts *facts,
                       struct classic_write *write)
{
    struct classic_protocols old = member->offers;
    ASSERT(member->instance_id.data != NULL && member->group->leader != NULL);
    struct string_view old_leader = member->group->leader->id;
    if (!text_copy(old_leader, &write->old_leader_id) ||
        !text_copy(member->id, &write->old_member_id) ||
        !text_copy(facts->id, &write->member_id)) {
        return false;
    }
    member->offers.items = NULL; /* write has them from here on */
    if (!classic_member_update(member, facts)) {
        member->offers = old;
        return false;
    }
    write->old_protocols = old;
    /* Whoever still waits under the old id is somebody else by now. */
    classic_join_answer(member, KAFKA_FENCED_INSTANCE_ID);
    classic_sync_answer(member, KAFKA_FENCED_INSTANCE_ID);
    return classic_member_rename(member, facts->id);
}

static void replace_member(struct group *group, struct classic_member *member,
                           struct runtime_call *call, struct string_view member_id)
{
    struct classic_member_facts facts = facts_of(call, member_id);
    struct classic_write *write = classic_write_make(group, replaced_written);
    if (write == NULL || !take_place(member, &facts, write)) {
        if (write != NULL) {
            classic_write_free(write);
        }
        classic_join_refuse(group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        return;
    }
    classic_heard_of(member);
    park(member, call);
    bool same = group->state == CLASSIC_STABLE &&
                string_view_equal(classic_choose_protocol(group), group->protocol_name);
    if (same) {
        classic_write_group(group, CLASSIC_ASSIGNMENTS_NOW, write);
        return;
    }
    classic_write_free(write);
    ASSERT(group->state != CLASSIC_EMPTY && group->state != CLASSIC_DEAD);
    classic_maybe_prepare_rebalance(group, "a static member is back", member->id);
}

/* ---- the request ---- */

static void join_new(struct group *group, struct runtime_call *call)
{
    const struct join_group_request *asked = call->request;
    struct classic_member_facts facts = facts_of(call, asked->member_id);
    if (!classic_supports(group, &facts)) {
        classic_join_refuse(group->owner, call, KAFKA_INCONSISTENT_GROUP_PROTOCOL,
                            string_view_of(""));
        return;
    }
    struct string_view member_id = new_member_id(call);
    if (member_id.data == NULL || classic_member_find(group, member_id) != NULL ||
        classic_pending_find(group, member_id) != NULL) {
        classic_join_refuse(group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        return;
    }
    if (asked->group_instance_id.data != NULL) {
        struct classic_member *known = classic_static_find(group, asked->group_instance_id);
        if (known != NULL) {
            replace_member(group, known, call, member_id);
        } else {
            add_member(group, call, member_id);
        }
        return;
    }
    if (call->api_version < VERSION_WITH_HANDSHAKE) {
        add_member(group, call, member_id);
        return;
    }
    struct classic_pending *pending = classic_pending_add(group, member_id);
    if (pending == NULL) {
        classic_join_refuse(group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        return;
    }
    runtime_timer_arm(&pending->timer, asked->session_timeout_ms);
    classic_join_refuse(group->owner, call, KAFKA_MEMBER_ID_REQUIRED, member_id);
}

/* A member of which something is known. */
static void join_again(struct classic_member *member, struct runtime_call *call)
{
    struct group *group = member->group;
    struct classic_member_facts facts = facts_of(call, member->id);
    bool same = classic_member_has_protocols(member, &facts);
    switch (group->state) {
    case CLASSIC_PREPARING_REBALANCE:
        update_member(member, call, "a member joins again");
        break;
    case CLASSIC_COMPLETING_REBALANCE:
        if (same) { /* it did not get the answer */
            answer_current(call, member, group->leader == member);
        } else {
            update_member(member, call, "a member offers other protocols");
        }
        break;
    case CLASSIC_STABLE:
        if (group->leader == member) {
            update_member(member, call, "the leader joins again");
        } else if (!same) {
            update_member(member, call, "a member offers other protocols");
        } else {
            answer_current(call, member, false);
        }
        break;
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        classic_join_refuse(member->group->owner, call, KAFKA_UNKNOWN_MEMBER_ID, member->id);
        break;
    }
}

static void join_known(struct group *group, struct runtime_call *call)
{
    const struct join_group_request *asked = call->request;
    struct classic_member_facts facts = facts_of(call, asked->member_id);
    if (!classic_supports(group, &facts)) {
        classic_join_refuse(group->owner, call, KAFKA_INCONSISTENT_GROUP_PROTOCOL,
                            asked->member_id);
        return;
    }
    if (classic_pending_find(group, asked->member_id) != NULL) {
        if (asked->group_instance_id.data != NULL) {
            classic_join_refuse(group->owner, call, KAFKA_UNKNOWN_SERVER_ERROR,
                                string_view_of(""));
        } else {
            add_member(group, call, asked->member_id);
        }
        return;
    }
    int16_t error = classic_check_member(group, asked->member_id, asked->group_instance_id);
    if (error != 0) {
        classic_join_refuse(group->owner, call, error, asked->member_id);
    } else {
        join_again(classic_member_find(group, asked->member_id), call);
    }
}

static bool has_room(const struct group *group, struct string_view member_id)
{
    const struct classic_member *member = classic_member_find(group, member_id);
    int32_t most = group->owner->options.max_size;
    switch (group->state) {
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        return true;
    case CLASSIC_PREPARING_REBALANCE:
        return (member != NULL && member->joining != NULL) || group->joining_count < most;
    case CLASSIC_COMPLETING_REBALANCE:
    case CLASSIC_STABLE:
        return member != NULL || classic_member_count(group) < most;
    }
    return false;
}

static void refuse_for_size(struct group *group, struct runtime_call *call,
                            struct string_view member_id)
{
    struct classic_member *member = classic_member_find(group, member_id);
    struct classic_pending *pending = classic_pending_find(group, member_id);
    if (member != NULL) {
        classic_expel(member, KAFKA_GROUP_MAX_SIZE_REACHED);
    }
    if (pending != NULL) {
        classic_pending_remove(pending);
    }
    classic_join_refuse(group->owner, call, KAFKA_GROUP_MAX_SIZE_REACHED, string_view_of(""));
    if (group->state == CLASSIC_PREPARING_REBALANCE) {
        classic_maybe_complete_join(group);
    }
}

/* A group that could not be written must not be believed in. */
static void created_written(struct classic_write *write, int16_t error)
{
    struct group *group = write->group;
    ASSERT(group != NULL);
    if (error == 0) {
        group->committed = true;
    } else if (!group->committed) {
        classic_answer_all(group, error);
        group_take(group);
        group_free(group);
    }
}

/* In place of one of the consumer protocol without members. NULL: call was answered. */
static struct group *classic_group_instead(struct group *group, struct runtime_call *call)
{
    struct group_coordinator *owner = group->owner;
    const struct join_group_request *asked = call->request;
    ASSERT(group_is_empty(group));
    group_write_end(group);
    if (asked->member_id.size > 0) {
        classic_join_refuse(owner, call, KAFKA_UNKNOWN_MEMBER_ID, asked->member_id);
        return NULL;
    }
    classic_write_new_group_record(owner, asked->group_id);
    if (!runtime_apply(owner->runtime)) {
        classic_join_refuse(owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        return NULL;
    }
    group = group_find(owner, asked->group_id);
    ASSERT(group != NULL && group->kind == GROUP_CLASSIC);
    return group;
}

/* The group to join, made when the member is new; NULL: call was answered. */
static struct group *group_to_join(struct group_coordinator *owner, struct runtime_call *call,
                                   bool *made)
{
    const struct join_group_request *asked = call->request;
    struct group *group = group_find(owner, asked->group_id);
    *made = false;
    if (group != NULL && group->kind == GROUP_CONSUMER) {
        return classic_group_instead(group, call);
    }
    if (group != NULL && group->kind != GROUP_CLASSIC) {
        if (!group_is_empty(group)) {
            classic_join_refuse(owner, call, KAFKA_INCONSISTENT_GROUP_PROTOCOL, asked->member_id);
            return NULL;
        }
        /* It ends first; the client comes again and finds no group. */
        group_write_end(group);
        group_refuse(owner, call, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        runtime_reply(owner->runtime, call, call->response);
        return NULL;
    }
    if (group == NULL && asked->member_id.size > 0) {
        classic_join_refuse(owner, call, KAFKA_UNKNOWN_MEMBER_ID, asked->member_id);
        return NULL;
    }
    if (group == NULL) {
        group = group_make(owner, asked->group_id);
        *made = true;
        if (group == NULL) {
            classic_join_refuse(owner, call, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""));
        }
    }
    return group;
}

void classic_join(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct join_group_request *asked = call->request;
    bool made;
    if (asked->group_id.size == 0) {
        classic_join_refuse(owner, call, KAFKA_INVALID_GROUP_ID, asked->member_id);
        return;
    }
    if (asked->session_timeout_ms < owner->options.min_session_timeout_ms ||
        asked->session_timeout_ms > owner->options.max_session_timeout_ms) {
        classic_join_refuse(owner, call, KAFKA_INVALID_SESSION_TIMEOUT, asked->member_id);
        return;
    }
    struct group *group = group_find(owner, asked->group_id);
    if (group != NULL && group->kind == GROUP_CONSUMER && !group_is_empty(group)) {
        consumer_classic_join(group, call);
        return;
    }
    group = group_to_join(owner, call, &made);
    if (group == NULL) {
        return;
    }
    if (!has_room(group, asked->member_id)) {
        refuse_for_size(group, call, asked->member_id);
    } else if (asked->member_id.size == 0) {
        join_new(group, call);
    } else {
        join_known(group, call);
    }
    classic_check(group);
    if (made) {
        struct classic_write *write = classic_write_make(group, created_written);
        if (write == NULL) {
            classic_answer_all(group, KAFKA_UNKNOWN_SERVER_ERROR);
            group_take(group);
            group_free(group);
            return;
        }
        classic_write_new_group(group, write);
    }
}
