/* membership.c: what both protocols share: the subscription, calls, failures. */
#include "client/membership.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "client/error.h"
#include "protocol/api.h"
#include "protocol/error.h"

#define MEMBERSHIP_BYTES_MAX ((size_t)256 << 20)
#define TO(state) (1u << MEMBERSHIP_##state)

/* The states that may follow each. */
static const unsigned moves[] = {
    [MEMBERSHIP_OUT] = TO(PREPARING) | TO(JOINING) | TO(FAILED) | TO(LEAVING),
    [MEMBERSHIP_PREPARING] = TO(JOINING) | TO(LEAVING) | TO(FAILED) | TO(OUT),
    [MEMBERSHIP_JOINING] = TO(PREPARING) | TO(SYNCING) | TO(STABLE) | TO(LEAVING) | TO(FAILED) |
                           TO(TAKING) | TO(OUT),
    [MEMBERSHIP_SYNCING] = TO(PREPARING) | TO(TAKING) | TO(LEAVING) | TO(FAILED) | TO(OUT),
    [MEMBERSHIP_TAKING] = TO(STABLE) | TO(PREPARING) | TO(JOINING) | TO(LEAVING) | TO(FAILED) |
                          TO(OUT),
    [MEMBERSHIP_STABLE] = TO(PREPARING) | TO(JOINING) | TO(TAKING) | TO(LEAVING) | TO(FAILED) |
                          TO(OUT),
    [MEMBERSHIP_LEAVING] = TO(OUT),
    [MEMBERSHIP_FAILED] = TO(OUT) | TO(LEAVING),
};

void membership_move(struct membership *membership, enum membership_state state)
{
    ASSERT(membership->call == MEMBERSHIP_CALL_NONE);
    ASSERT(moves[membership->state] & 1u << state);
    membership->state = state;
    membership->taken = 0;
}

void membership_init(struct membership *membership, const struct client_config *config)
{
    *membership = (struct membership){.config = config, .generation = -1};
    membership->is_static = config->group_instance_id[0] != '\0';
    membership->cooperative = !config->group_protocol_consumer && config->assignors_count > 0;
    for (int64_t i = 0; i < config->assignors_count; i++) {
        membership->cooperative &= assign_is_cooperative((enum assign_kind)config->assignors[i]);
    }
    arena_init(&membership->topics_arena, MEMBERSHIP_BYTES_MAX);
    arena_init(&membership->arena, MEMBERSHIP_BYTES_MAX);
    arena_init(&membership->group_arena, MEMBERSHIP_BYTES_MAX);
    partition_set_init(&membership->owned);
    partition_set_init(&membership->target);
    partition_set_init(&membership->last);
    partition_set_init(&membership->moving);
    partition_set_init(&membership->after);
    partition_set_init(&membership->target_ids);
}

void membership_release(struct membership *membership)
{
    arena_release(&membership->topics_arena);
    arena_release(&membership->arena);
    arena_release(&membership->group_arena);
    partition_set_release(&membership->owned);
    partition_set_release(&membership->target);
    partition_set_release(&membership->last);
    partition_set_release(&membership->moving);
    partition_set_release(&membership->after);
    partition_set_release(&membership->target_ids);
    mem_free(membership->member_id);
    membership->member_id = NULL;
}

void membership_fail(struct membership *membership, int code, const char *text)
{
    membership->code = membership->failure = code;
    snprintf(membership->text, sizeof membership->text, "%s", text);
    membership_forget(membership, code == KAFKA_FENCED_INSTANCE_ID);
    if (membership->call != MEMBERSHIP_CALL_NONE && membership->call_told) {
        membership->failing = true;
        return;
    }
    membership->call = MEMBERSHIP_CALL_NONE;
    if (membership->state != MEMBERSHIP_FAILED) {
        if (membership->state == MEMBERSHIP_LEAVING) {
            membership_move(membership, MEMBERSHIP_OUT);
        }
        membership_move(membership, MEMBERSHIP_FAILED);
    }
}

void membership_name(struct membership *membership, const char *member_id)
{
    char *copy = mem_strndup(member_id, strlen(member_id));
    mem_free(membership->member_id);
    membership->member_id = copy;
    if (copy == NULL) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
    }
}

void membership_forget(struct membership *membership, bool also_its_id)
{
    membership->lost = membership->owned.count > 0;
    membership->generation = -1;
    membership->rejoin = true;
    membership->leads = membership->assigns = false;
    if (also_its_id) {
        mem_free(membership->member_id);
        membership->member_id = NULL;
    }
}

void membership_retry(struct membership *membership, int64_t now_ms)
{
    int64_t pause_ms = membership->config->retry_backoff_ms;
    for (int32_t i = 0; i < membership->failures && pause_ms < 1 << 30; i++) {
        pause_ms *= 2;
    }
    if (pause_ms > membership->config->retry_backoff_max_ms) {
        pause_ms = membership->config->retry_backoff_max_ms;
    }
    membership->failures += membership->failures < 30;
    membership->retry_ms = now_ms + pause_ms;
}

static int name_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

static bool same_topics(const struct membership *membership, const struct string_view *topics,
                        size_t count, struct string_view expression)
{
    bool same = membership->subscribed && count == membership->topics_count &&
                string_view_equal(membership->expression, expression);
    for (size_t i = 0; same && i < count; i++) {
        same = string_view_equal(membership->topics[i], topics[i]);
    }
    return same;
}

void membership_subscribe(struct membership *membership, const struct string_view *topics,
                          size_t count, struct string_view expression)
{
    struct arena arena;
    arena_init(&arena, MEMBERSHIP_BYTES_MAX);
    struct string_view *copies = arena_array(&arena, count + 1, sizeof *copies);
    size_t kept = 0;
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = arena_string(&arena, topics[i]);
    }
    struct string_view expression_copy = arena_string(&arena, expression);
    if (arena.failed) {
        arena_release(&arena);
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return;
    }
    qsort(copies, count, sizeof *copies, name_order);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !string_view_equal(copies[i], copies[kept - 1])) {
            copies[kept++] = copies[i];
        }
    }
    membership->leaving = false;
    if (membership->state == MEMBERSHIP_FAILED && membership->call == MEMBERSHIP_CALL_NONE) {
        membership_move(membership, MEMBERSHIP_OUT);
    }
    if (same_topics(membership, copies, kept, expression_copy)) {
        arena_release(&arena);
        return;
    }
    arena_release(&membership->topics_arena);
    membership->topics_arena = arena;
    membership->topics = copies;
    membership->topics_count = kept;
    membership->expression = expression_copy;
    membership->subscribed = true;
    membership->topics_changed = true;
}

void membership_leave(struct membership *membership)
{
    membership->leaving = true;
    membership->subscribed = false;
}

void membership_polled(struct membership *membership, int64_t now_ms, bool begins)
{
    membership->polled = true;
    membership->polled_ms = now_ms;
    if (begins && membership->state == MEMBERSHIP_FAILED) {
        if (membership->failure == KAFKA_FENCED_INSTANCE_ID) {
            membership->code = membership->failure;
        } else {
            membership_move(membership, MEMBERSHIP_OUT);
        }
    }
}

bool membership_begin_call(struct membership *membership, enum membership_call call)
{
    ASSERT(membership->call == MEMBERSHIP_CALL_NONE);
    /* Now, so that nothing can fail once the application has been called. */
    int error = call == MEMBERSHIP_CALL_ASSIGNED
                    ? partition_set_unite(&membership->after, &membership->owned,
                                          &membership->moving)
                    : partition_set_subtract(&membership->after, &membership->owned,
                                             &membership->moving);
    if (error != 0) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return false;
    }
    membership->call = call;
    membership->call_told = false;
    return true;
}

void membership_called(struct membership *membership)
{
    ASSERT(membership->call != MEMBERSHIP_CALL_NONE && membership->call_told);
    membership->call = MEMBERSHIP_CALL_NONE;
    partition_set_release(&membership->owned);
    partition_set_release(&membership->moving);
    membership->owned = membership->after;
    partition_set_init(&membership->after);
    membership->lost = membership->lost && membership->owned.count > 0;
    if (membership->failing) {
        membership->failing = false;
        membership_move(membership, membership->state == MEMBERSHIP_LEAVING ? MEMBERSHIP_OUT
                                                                            : MEMBERSHIP_FAILED);
    }
}

void membership_send(struct membership *membership, struct membership_step *step, int16_t api_key,
                     const struct codec_struct *request_row,
                     const struct codec_struct *response_row)
{
    ASSERT(!membership->asking);
    membership->asking = true;
    step->action = MEMBERSHIP_SEND;
    step->api_key = api_key;
    step->request_row = request_row;
    step->response_row = response_row;
}

void membership_next(struct membership *membership, int64_t now_ms, const struct topics *topics,
                     struct membership_step *step)
{
    *step = (struct membership_step){.action = MEMBERSHIP_WAIT, .wake_ms = INT64_MAX};
    if (membership->call != MEMBERSHIP_CALL_NONE && !membership->call_told) {
        membership->call_told = true;
        step->action = MEMBERSHIP_CALL;
        return;
    }
    if (membership->asking) {
        return;
    }
    if (membership->config->group_protocol_consumer) {
        membership_consumer_next(membership, now_ms, topics, step);
    } else {
        membership_classic_next(membership, now_ms, topics, step);
    }
    if (step->action == MEMBERSHIP_WAIT && membership->call != MEMBERSHIP_CALL_NONE &&
        !membership->call_told) {
        membership->call_told = true;
        step->action = MEMBERSHIP_CALL;
    }
}

bool membership_answered(struct membership *membership, int64_t now_ms, int16_t api_key, int error,
                         const void *response)
{
    ASSERT(membership->asking);
    membership->asking = false;
    if (error == ERR_UNSUPPORTED) {
        membership_fail(membership, BNB_ERROR_UNSUPPORTED,
                        membership->config->group_protocol_consumer
                            ? "The cluster does not support the new CONSUMER group protocol. Set "
                              "group.protocol=classic on the consumer configs to revert to the "
                              "CLASSIC protocol until the cluster is upgraded."
                            : "The node does not support groups");
        return false;
    }
    if (error != 0) {
        if (membership->state == MEMBERSHIP_LEAVING) {
            membership_move(membership, MEMBERSHIP_OUT);
            membership->leaving = false;
            return false;
        }
        membership_retry(membership, now_ms);
        membership->tell_all = true;
        return true;
    }
    return membership->config->group_protocol_consumer
               ? membership_consumer_answered(membership, now_ms, response)
               : membership_classic_answered(membership, now_ms, api_key, response);
}

void membership_refused(struct membership *membership, int16_t error_code)
{
    if (error_code == KAFKA_UNKNOWN_MEMBER_ID || error_code == KAFKA_ILLEGAL_GENERATION) {
        if (membership->generation >= 0 && !membership->config->group_protocol_consumer) {
            membership_forget(membership, error_code == KAFKA_UNKNOWN_MEMBER_ID);
        }
    } else if (error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        membership->rejoin = true;
    }
}

bool membership_is_member(const struct membership *membership)
{
    return membership->generation >= 0 && membership->member_id != NULL;
}

const struct string_view *membership_topics(const struct membership *membership, size_t *count)
{
    bool all = membership->leads && membership->watched_count > 0;
    *count = all ? membership->watched_count : membership->topics_count;
    return all ? membership->watched : membership->topics;
}
