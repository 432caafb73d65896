/* How a classic group comes from one generation to the next: who waits for whom, and for how long.
 * Mirrors GroupMetadataManager. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/group/internal.h"

void classic_heard_of(struct classic_member *member)
{
    runtime_timer_arm(&member->timer, member->offers.session_timeout_ms);
}

static void note_rebalance(struct group *group, int32_t moved)
{
    char id[128];
    char text[32];
    struct runtime_time now = runtime_now(group->owner->runtime);
    snprintf(text, sizeof text, "%" PRId32, moved);
    runtime_note(group->owner->runtime,
                 "rebalance group=\"%s\" generation=%" PRId32 " trigger=\"%s\" took_ms=%" PRId64
                 " members=%" PRId32 " partitions_moved=%s",
                 text_printable(group->id, id, sizeof id), group->generation,
                 group->trigger == NULL ? "" : group->trigger,
                 now.monotonic_ms - group->rebalance_since_ms, classic_member_count(group),
                 moved < 0 ? "unknown" : text);
    group->owner->counts.rebalances++;
    mem_free(group->trigger);
    group->trigger = NULL;
}

/* ---- what is parked is answered ---- */

void classic_answer_all(struct group *group, int16_t error)
{
    LIST_FOR_EACH(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        classic_join_answer(member, error);
        classic_sync_answer(member, error);
    }
}

void classic_expel(struct classic_member *member, int16_t error)
{
    ASSERT(error != 0);
    classic_join_answer(member, error);
    classic_sync_answer(member, error);
    classic_member_remove(member);
}

static void send_assignments(struct group *group, int16_t error)
{
    LIST_FOR_EACH(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        if (member->syncing != NULL) {
            classic_sync_answer(member, error);
            /* Its session may have run out while it waited, which did not count. */
            classic_heard_of(member);
        }
    }
}

void classic_fail_sync(struct group *group, int16_t error)
{
    ASSERT(group->state == CLASSIC_COMPLETING_REBALANCE && error != 0);
    LIST_FOR_EACH(node, &group->members)
    {
        bytes_free(&CONTAINER_OF(node, struct classic_member, node)->assignment);
    }
    send_assignments(group, error);
}

void classic_finish_sync(struct group *group)
{
    ASSERT(group->state == CLASSIC_COMPLETING_REBALANCE);
    ASSERT(group->generation > 0 && group->leader != NULL);
    bool known = classic_uses_consumer_protocol(group);
    int32_t moved = 0;
    LIST_FOR_EACH(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        int32_t more =
            known ? classic_count_moved(member->assignment, member->next_assignment) : -1;
        moved = more < 0 || moved < 0 ? -1 : moved + more;
        bytes_free(&member->assignment);
        member->assignment = member->next_assignment;
        member->next_assignment = (struct bytes_view){NULL, 0};
    }
    send_assignments(group, 0);
    classic_set_state(group, CLASSIC_STABLE);
    note_rebalance(group, moved);
    classic_check(group);
}

/* ---- PreparingRebalance to the next generation ---- */

static bool all_have_joined(const struct group *group)
{
    return group->joining_count == classic_member_count(group) && list_empty(&group->pendings);
}

/* Dynamic members that did not come back are out; static ones keep their place while their session
 * lasts. */
static void expel_absent(struct group *group)
{
    LIST_FOR_EACH_SAFE(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        if (member->joining == NULL && member->instance_id.data == NULL) {
            classic_expel(member, KAFKA_UNKNOWN_MEMBER_ID);
        }
    }
}

/* Whether a member that has joined leads, or there are no members. */
static bool elect_leader(struct group *group)
{
    if (group->leader == NULL || group->leader->joining != NULL) {
        return true;
    }
    LIST_FOR_EACH(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        if (member->joining != NULL) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void begin_empty_generation(struct group *group)
{
    ASSERT(group->joining_count == 0 && list_empty(&group->members));
    text_free(&group->protocol_name);
    classic_set_state(group, CLASSIC_EMPTY);
    classic_learn_topics(group);
    classic_write_group(group, CLASSIC_ASSIGNMENTS_NONE, NULL);
    note_rebalance(group, 0);
    classic_check(group);
}

/* Waits once more for those that have not come. Their timeout may be zero, and nothing but the end
 * of their sessions ends this: not at once. */
#define JOIN_AGAIN_MIN_MS 100
static void wait_again(struct group *group)
{
    int32_t timeout_ms = classic_rebalance_timeout_ms(group);
    runtime_timer_arm(&group->join_timer,
                      timeout_ms > JOIN_AGAIN_MIN_MS ? timeout_ms : JOIN_AGAIN_MIN_MS);
}

static void begin_generation(struct group *group)
{
    struct string_view chosen;
    ASSERT(group->leader != NULL && group->leader->joining != NULL);
    if (!text_copy(classic_choose_protocol(group), &chosen) || chosen.data == NULL) {
        /* Nothing that all support: joining was refused to whoever would have brought that about,
         * so memory is out. Those that wait shall come again. */
        text_free(&chosen);
        group->generation--;
        classic_answer_all(group, KAFKA_REBALANCE_IN_PROGRESS);
        wait_again(group);
        return;
    }
    text_free(&group->protocol_name);
    group->protocol_name = chosen;
    classic_learn_topics(group);
    classic_set_state(group, CLASSIC_COMPLETING_REBALANCE);
    LIST_FOR_EACH(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        classic_join_answer(member, 0);
        classic_heard_of(member);
        member->is_new = false;
        member->owes_sync = true;
        bytes_free(&member->next_assignment);
    }
    ASSERT(group->joining_count == 0);
    group->owing_count = classic_member_count(group);
    runtime_timer_arm(&group->sync_timer, classic_rebalance_timeout_ms(group));
    classic_check(group);
}

static void complete_join(struct group *group)
{
    ASSERT(group->state == CLASSIC_PREPARING_REBALANCE);
    runtime_timer_cancel(&group->join_timer);
    ASSERT(group->generation >= 0 && group->generation < INT32_MAX);
    expel_absent(group);
    if (!elect_leader(group)) {
        /* Static members only, and none is here: until their sessions end. */
        wait_again(group);
        return;
    }
    group->generation++;
    if (classic_member_count(group) == 0) {
        begin_empty_generation(group);
    } else {
        begin_generation(group);
    }
}

void classic_maybe_complete_join(struct group *group)
{
    if (group->state == CLASSIC_PREPARING_REBALANCE && all_have_joined(group) &&
        group->previous_state != CLASSIC_EMPTY) {
        complete_join(group);
    }
}

/* The first rebalance waits a while for more members, and longer when some have come. */
void classic_join_timer_fire(struct runtime_timer *timer)
{
    struct group *group = CONTAINER_OF(timer, struct group, join_timer);
    if (group->state != CLASSIC_PREPARING_REBALANCE) {
        return;
    }
    bool first = group->previous_state == CLASSIC_EMPTY;
    ASSERT(group->wait_left_ms >= 0);
    if (!first || !group->member_added || group->wait_left_ms == 0) {
        complete_join(group);
        return;
    }
    int64_t usual_ms = group->owner->options.initial_rebalance_delay_ms;
    int64_t left_ms = group->wait_left_ms;
    int64_t delay_ms = usual_ms < left_ms ? usual_ms : left_ms;
    group->member_added = false;
    group->wait_left_ms = left_ms > group->wait_ms ? left_ms - group->wait_ms : 0;
    group->wait_ms = delay_ms;
    runtime_timer_arm(timer, delay_ms);
}

void classic_prepare_rebalance(struct group *group, const char *why, struct string_view member)
{
    char id[96];
    char trigger[192];
    ASSERT(group->state != CLASSIC_DEAD && group->state != CLASSIC_PREPARING_REBALANCE);
    if (group->state == CLASSIC_COMPLETING_REBALANCE) {
        classic_fail_sync(group, KAFKA_REBALANCE_IN_PROGRESS);
    }
    runtime_timer_cancel(&group->sync_timer);
    int length = snprintf(trigger, sizeof trigger, "%s%s%s", why, member.size > 0 ? ": " : "",
                          member.size > 0 ? text_printable(member, id, sizeof id) : "");
    ASSERT(length > 0 && (size_t)length < sizeof trigger);
    mem_free(group->trigger);
    group->trigger = mem_strndup(trigger, (size_t)length);
    group->rebalance_since_ms = runtime_now(group->owner->runtime).monotonic_ms;
    bool first = group->state == CLASSIC_EMPTY;
    classic_set_state(group, CLASSIC_PREPARING_REBALANCE);
    if (first) {
        int64_t delay_ms = group->owner->options.initial_rebalance_delay_ms;
        int64_t longest_ms = classic_rebalance_timeout_ms(group);
        group->member_added = false;
        group->wait_ms = delay_ms;
        group->wait_left_ms = longest_ms > delay_ms ? longest_ms - delay_ms : 0;
        runtime_timer_arm(&group->join_timer, delay_ms);
    } else if (all_have_joined(group)) {
        complete_join(group);
    } else {
        runtime_timer_arm(&group->join_timer, classic_rebalance_timeout_ms(group));
    }
    classic_check(group);
}

void classic_maybe_prepare_rebalance(struct group *group, const char *why,
                                     struct string_view member)
{
    if (group->state == CLASSIC_PREPARING_REBALANCE) {
        classic_maybe_complete_join(group);
    } else if (group->state != CLASSIC_DEAD) {
        classic_prepare_rebalance(group, why, member);
    }
}

/* ---- groups that leave their place for a while ---- */

void classic_rest(struct group *group, struct classic_past *past)
{
    ASSERT(group->joining_count == 0);
    *past = (struct classic_past){group->state, group->previous_state, group->state_since_ms};
    runtime_timer_cancel(&group->join_timer);
    runtime_timer_cancel(&group->sync_timer);
    LIST_FOR_EACH(node, &group->members)
    {
        runtime_timer_cancel(&CONTAINER_OF(node, struct classic_member, node)->timer);
    }
    LIST_FOR_EACH(node, &group->pendings)
    {
        runtime_timer_cancel(&CONTAINER_OF(node, struct classic_pending, node)->timer);
    }
}

void classic_resume(struct group *group, const struct classic_past *past)
{
    classic_restore_state(group, past->state);
    group->previous_state = past->previous_state;
    group->state_since_ms = past->since_ms;
    LIST_FOR_EACH(node, &group->members)
    {
        classic_heard_of(CONTAINER_OF(node, struct classic_member, node));
    }
    while (!list_empty(&group->pendings)) { /* they ask for an id once more */
        classic_pending_remove(CONTAINER_OF(group->pendings.next, struct classic_pending, node));
    }
    if (group->state == CLASSIC_PREPARING_REBALANCE) {
        wait_again(group);
    } else if (group->state == CLASSIC_COMPLETING_REBALANCE) {
        runtime_timer_arm(&group->sync_timer, classic_rebalance_timeout_ms(group));
    }
    classic_check(group);
}

/* ---- members that are not heard of ---- */

/* Those that took their join's answer and then did not send the sync. */
void classic_sync_timer_fire(struct runtime_timer *timer)
{
    struct group *group = CONTAINER_OF(timer, struct group, sync_timer);
    char first[96] = "";
    if (group->state != CLASSIC_COMPLETING_REBALANCE && group->state != CLASSIC_STABLE) {
        return;
    }
    LIST_FOR_EACH_SAFE(node, &group->members)
    {
        struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        if (member->owes_sync) {
            if (first[0] == '\0') {
                (void)text_printable(member->id, first, sizeof first);
            }
            classic_expel(member, KAFKA_UNKNOWN_MEMBER_ID);
        }
    }
    if (first[0] != '\0') {
        classic_prepare_rebalance(group, "a member has not synced", string_view_of(first));
    }
}

void classic_session_timer_fire(struct runtime_timer *timer)
{
    struct classic_member *member = CONTAINER_OF(timer, struct classic_member, timer);
    struct group *group = member->group;
    ASSERT(group->state != CLASSIC_EMPTY && group->state != CLASSIC_DEAD);
    char id[96];
    if (!member->is_new && (member->joining != NULL || member->syncing != NULL)) {
        return; /* it waits for us: the session begins anew with the answer */
    }
    (void)text_printable(member->id, id, sizeof id);
    classic_expel(member, KAFKA_UNKNOWN_MEMBER_ID);
    classic_maybe_prepare_rebalance(group, "a member's session has ended", string_view_of(id));
}

void classic_pending_timer_fire(struct runtime_timer *timer)
{
    struct classic_pending *pending = CONTAINER_OF(timer, struct classic_pending, timer);
    struct group *group = pending->group;
    ASSERT(group->state != CLASSIC_DEAD);
    classic_pending_remove(pending);
    classic_maybe_complete_join(group);
}
