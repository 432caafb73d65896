/* How a member goes: it leaves, its time is up, or somebody takes its place away. */
#include "coordinator/group/internal.h"

/* ---- what is said of members that are not there ---- */

struct string_view consumer_unknown_member(const struct group *group, struct string_view id,
                                           struct arena *arena)
{
    struct string_view name = group == NULL ? string_view_of("") : group->id;
    return arena_format(arena, "Member %.*s is not a member of group %.*s.", (int)id.size, id.data,
                        (int)name.size, name.data);
}

struct string_view consumer_unknown_instance(struct string_view instance, struct arena *arena)
{
    return arena_format(arena, "Instance id %.*s is unknown.", (int)instance.size, instance.data);
}

struct string_view consumer_fenced_instance(struct string_view id, struct string_view instance,
                                            struct string_view by, struct arena *arena)
{
    return arena_format(arena,
                        "Static member %.*s with instance id %.*s was fenced by member %.*s.",
                        (int)id.size, id.data, (int)instance.size, instance.data, (int)by.size,
                        by.data);
}

/* ---- members that go ---- */

void consumer_heard_of(struct consumer_member *member)
{
    ASSERT(consumer_is_member(member));
    runtime_timer_arm(&member->session_timer, consumer_session_timeout_ms(member));
}

void consumer_begin_sessions(struct consumer_group *consumer)
{
    size_t cursor = 0;
    struct consumer_member *member;
    while ((member = map_next(&consumer->members, &cursor)) != NULL) {
        if (consumer_is_member(member)) {
            consumer_heard_of(member);
            consumer_watch_revocation(member);
        }
    }
}

/* What they were the last to subscribe to goes with them. */
static bool write_members_end(struct group *group, struct consumer_member *const *members,
                              size_t count, struct arena *arena)
{
    struct consumer_group *consumer = group->consumer;
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    struct string_view *regexes = arena_array(arena, count, sizeof *regexes);
    for (size_t i = 0; regexes != NULL && i < count; i++) {
        regexes[i] = arena_string(arena, consumer_facts_of(members[i])->regex);
        consumer_write_member_end(&to, members[i]->id);
    }
    if (arena->failed || !runtime_apply(group->owner->runtime)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (consumer_regex_members(consumer, regexes[i]) == 0 &&
            consumer_expression_find(consumer, regexes[i]) != NULL) {
            consumer_write_expression_end(&to, regexes[i]);
            if (!runtime_apply(group->owner->runtime)) {
                return false;
            }
        }
    }
    return true;
}

bool consumer_fence(struct group *group, struct consumer_member *const *members, size_t count,
                    const char *why, struct arena *arena)
{
    struct consumer_group *consumer = group->consumer;
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    struct string_view first = arena_string(arena, members[0]->id);
    ASSERT(count > 0 && group->kind == GROUP_CONSUMER);
    if (consumer_may_downgrade(group, members, count)) {
        return consumer_downgrade(group, members, count, why, arena);
    }
    if (!consumer->has_epoch) {
        /* What its members wrote may be all that there is of the group, which stays. */
        consumer_write_epoch(&to, consumer->epoch, consumer->metadata_hash);
    }
    if (arena->failed || !write_members_end(group, members, count, arena) ||
        !consumer_refresh_epoch(group, true, why, first, arena)) {
        runtime_fail(group->owner->runtime);
        return false;
    }
    consumer_note_progress(group);
    return true;
}

/* ---- timers ---- */

#define TIMER_ARENA_BYTES (64u << 20)

static void fence_one(struct consumer_member *member, const char *why)
{
    struct arena arena;
    ASSERT(consumer_is_member(member) && member->group->kind == GROUP_CONSUMER);
    arena_init(&arena, TIMER_ARENA_BYTES);
    if (!consumer_fence(member->group, &member, 1, why, &arena) && consumer_is_member(member)) {
        consumer_heard_of(member); /* no memory: once more, later */
    }
    arena_release(&arena);
}

void consumer_session_fire(struct runtime_timer *timer)
{
    fence_one(CONTAINER_OF(timer, struct consumer_member, session_timer),
              "a member's session has ended");
}

void consumer_rebalance_fire(struct runtime_timer *timer)
{
    struct consumer_member *member =
        CONTAINER_OF(timer, struct consumer_member, rebalance_timer);
    if (consumer_holding_of(member).epoch == member->rebalance_epoch) {
        fence_one(member, "a member has not given up its partitions");
    }
}

void consumer_join_fire(struct runtime_timer *timer)
{
    fence_one(CONTAINER_OF(timer, struct consumer_member, join_timer),
              "a member has not joined again");
}

void consumer_sync_fire(struct runtime_timer *timer)
{
    fence_one(CONTAINER_OF(timer, struct consumer_member, sync_timer),
              "a member has not synced");
}

/* ---- the request ---- */

/* It will be back: its partitions stay its own, and its session goes on. */
static bool leave_for_a_while(struct consumer_member *member, struct arena *arena)
{
    struct group *group = member->group;
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    struct consumer_holding holding = consumer_holding_of(member);
    struct partition_set nothing = {NULL, 0};
    ASSERT(consumer_facts_of(member)->instance_id.data != NULL);
    struct partition_item *items =
        arena_array(arena, holding.assigned.count, sizeof *items);
    for (size_t i = 0; items != NULL && i < holding.assigned.count; i++) {
        items[i] = holding.assigned.items[i];
        items[i].epoch = 0;
    }
    holding.assigned = (struct partition_set){items, holding.assigned.count};
    holding.revoking = nothing;
    holding.epoch = CONSUMER_LEAVE_STATIC_EPOCH;
    if (items == NULL) {
        runtime_fail(group->owner->runtime);
        return false;
    }
    consumer_write_current(&to, member->id, &holding);
    return runtime_apply(group->owner->runtime);
}

static void answer_leave(struct group_coordinator *owner, struct runtime_call *call, bool done)
{
    const struct consumer_group_heartbeat_request *asked = call->request;
    struct consumer_group_heartbeat_response *response =
        arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        consumer_group_heartbeat_response_default(response);
        response->member_id = asked->member_id;
        response->member_epoch = asked->member_epoch;
    }
    if (!done || response == NULL) {
        runtime_fail(owner->runtime);
    }
    runtime_reply(owner->runtime, call, done ? response : NULL);
}

static int16_t find_leaver(const struct group *group,
                           const struct consumer_group_heartbeat_request *asked,
                           struct arena *arena, struct consumer_member **member,
                           struct string_view *message)
{
    struct string_view id = asked->member_id;
    struct string_view group_id = asked->group_id;
    if (group == NULL || group->kind != GROUP_CONSUMER) {
        *message = arena_format(arena,
                                group == NULL ? "Group %.*s not found."
                                              : "Group %.*s is not a consumer group.",
                                (int)group_id.size, group_id.data);
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    if (asked->instance_id.data == NULL) {
        *member = consumer_member_find(group->consumer, id);
        *message = consumer_unknown_member(group, id, arena);
        return *member == NULL ? KAFKA_UNKNOWN_MEMBER_ID : 0;
    }
    *member = consumer_static_find(group->consumer, asked->instance_id);
    if (*member == NULL) {
        *message = consumer_unknown_instance(asked->instance_id, arena);
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (!string_view_equal((*member)->id, id)) {
        *message = consumer_fenced_instance(id, asked->instance_id, (*member)->id, arena);
        return KAFKA_FENCED_INSTANCE_ID;
    }
    return 0;
}

void consumer_leave(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct consumer_group_heartbeat_request *asked = call->request;
    struct group *group = group_find(owner, asked->group_id);
    struct consumer_member *member = NULL;
    struct string_view message;
    ASSERT(asked->member_epoch < 0);
    int16_t error = find_leaver(group, asked, call->arena, &member, &message);
    if (error != 0) {
        consumer_heartbeat_refuse(owner, call, error, message);
        return;
    }
    bool stays = asked->member_epoch == CONSUMER_LEAVE_STATIC_EPOCH;
    answer_leave(owner, call,
                 stays ? leave_for_a_while(member, call->arena)
                       : consumer_fence(group, &member, 1, "a member leaves", call->arena));
}
