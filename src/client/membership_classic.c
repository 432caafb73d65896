/* membership_classic.c: the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "client/error.h"
#include "client/membership.h"
#include "protocol/api.h"
#include "protocol/error.h"

/* What a JoinGroup may take beyond the rebalance: as Java's client has it. */
#define JOIN_GRACE_MS 5000
/* Newer metadata that a leader waits for: the first may have been on its way already. */
#define TOPICS_TRIES 2
#define PROTOCOL_TYPE ((struct string_view){"consumer", 8})

static struct string_view instance_of(const struct membership *membership)
{
    return membership->is_static ? string_view_of(membership->config->group_instance_id)
                                 : (struct string_view){NULL, 0};
}

/* ---- partitions ---- */

/* Begins a call about those of owned that target (NULL: nothing) does not have; false: none. */
static bool give_up(struct membership *membership, const struct partition_set *target)
{
    static const struct partition_set nothing = {.items = NULL};
    if (partition_set_subtract(&membership->moving, &membership->owned,
                               target != NULL ? target : &nothing) != 0) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return false;
    }
    if (membership->moving.count == 0) {
        membership->lost = false;
        return false;
    }
    return membership_begin_call(membership, membership->lost ? MEMBERSHIP_CALL_LOST
                                                              : MEMBERSHIP_CALL_REVOKED);
}

/* Those that it has of topics that it subscribes to. */
static int still_subscribed(const struct membership *membership, struct partition_set *kept)
{
    if (!partition_set_start(kept, membership->owned.count)) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < membership->owned.count; i++) {
        const struct partition_key *key = &membership->owned.items[i];
        bool found = false;
        for (size_t t = 0; t < membership->topics_count && !found; t++) {
            found = string_view_equal(membership->topics[t], key->topic);
        }
        if (found && !partition_set_add(kept, key)) {
            return ERR_NOMEM;
        }
    }
    return 0;
}

/* On the way to a new generation: an eager member gives everything back first, a cooperative one
 * what it does not read any more. */
static void prepare(struct membership *membership)
{
    membership_move(membership, MEMBERSHIP_PREPARING);
    membership->rejoin = false;
    if (membership->lost || !membership->cooperative) {
        (void)give_up(membership, NULL);
        return;
    }
    struct partition_set kept;
    partition_set_init(&kept);
    if (still_subscribed(membership, &kept) != 0) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
    } else {
        (void)give_up(membership, &kept);
    }
    partition_set_release(&kept);
}

/* What is left to be called about in TAKING. */
static void take(struct membership *membership)
{
    int step = membership->taken++;
    if (step == 0) {
        bool moves = give_up(membership, &membership->target);
        membership->rejoin = moves || membership->rejoin;
    } else if (step == 1) {
        if (partition_set_subtract(&membership->moving, &membership->target,
                                   &membership->owned) != 0) {
            membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
            return;
        }
        (void)membership_begin_call(membership, MEMBERSHIP_CALL_ASSIGNED);
    } else {
        membership_move(membership, MEMBERSHIP_STABLE);
    }
}

/* ---- requests ---- */

static void send_join(struct membership *membership, struct membership_step *step)
{
    const struct client_config *config = membership->config;
    struct join_group_request *message = &membership->message.join;
    struct assign_subscription subscription = {
        .topics = membership->topics,
        .topics_count = membership->topics_count,
        .owned = &membership->owned,
        .generation = membership->generation,
        .rack_id = config->client_rack[0] != '\0' ? string_view_of(config->client_rack)
                                                  : (struct string_view){NULL, 0},
        .last = membership->remembers ? &membership->last : NULL,
        .last_generation = membership->last_generation,
    };
    arena_reset(&membership->arena);
    join_group_request_default(message);
    message->group_id = string_view_of(config->group_id);
    message->session_timeout_ms = (int32_t)config->session_timeout_ms;
    message->rebalance_timeout_ms = (int32_t)config->max_poll_interval_ms;
    message->member_id = membership_id(membership);
    message->group_instance_id = instance_of(membership);
    message->protocol_type = PROTOCOL_TYPE;
    message->protocols.items =
        arena_array(&membership->arena, ASSIGN_KINDS, sizeof *message->protocols.items);
    for (int64_t i = 0; i < config->assignors_count && !membership->arena.failed; i++) {
        struct join_group_request_join_group_request_protocol *protocol =
            &message->protocols.items[message->protocols.count++];
        enum assign_kind kind = (enum assign_kind)config->assignors[i];
        protocol->name = string_view_of(assign_name(kind));
        if (assign_subscription_encode(kind, &subscription, &membership->arena,
                                       &protocol->metadata) != 0) {
            membership->arena.failed = true;
        }
    }
    if (membership->arena.failed) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return;
    }
    membership->topics_changed = false;
    membership_send(membership, step, API_JOIN_GROUP, &join_group_request_row,
                    &join_group_response_row);
    int64_t timeout_ms = config->max_poll_interval_ms + JOIN_GRACE_MS;
    step->timeout_ms = timeout_ms > config->request_timeout_ms ? timeout_ms : 0;
}

/* A digest of the partition counts of the topics that the group reads. */
static uint64_t watched_digest(const struct membership *membership, const struct topics *topics)
{
    uint64_t digest = 1469598103934665603u;
    for (size_t i = 0; i < membership->watched_count; i++) {
        const struct topic_facts *facts = topics_find(topics, membership->watched[i]);
        uint64_t count = facts != NULL ? (uint64_t)facts->partition_count : 0;
        digest = (digest ^ (count + 1)) * 1099511628211u;
    }
    return digest;
}

static bool topics_are_known(const struct membership *membership, const struct topics *topics)
{
    for (size_t i = 0; i < membership->watched_count; i++) {
        if (topics_find(topics, membership->watched[i]) == NULL) {
            return false;
        }
    }
    return topics->version > 0;
}

static int fill_assignments(struct membership *membership, const struct topics *topics)
{
    struct sync_group_request *message = &membership->message.sync;
    int error = assign_members(membership->kind, membership->members, membership->members_count,
                               topics, &membership->arena);
    message->assignments.items = arena_array(&membership->arena, membership->members_count,
                                             sizeof *message->assignments.items);
    if (error != 0 || message->assignments.items == NULL) {
        return error != 0 ? error : ERR_NOMEM;
    }
    for (size_t i = 0; i < membership->members_count; i++) {
        message->assignments.items[message->assignments.count++] =
            (struct sync_group_request_sync_group_request_assignment){
                membership->members[i].member_id, membership->members[i].assignment};
    }
    return 0;
}

static void send_sync(struct membership *membership, const struct topics *topics,
                      struct membership_step *step)
{
    struct sync_group_request *message = &membership->message.sync;
    if (membership->assigns && !topics_are_known(membership, topics) &&
        topics->version - membership->topics_asked < TOPICS_TRIES) {
        step->topics_wanted = true;
        return;
    }
    arena_reset(&membership->arena);
    sync_group_request_default(message);
    message->group_id = string_view_of(membership->config->group_id);
    message->generation_id = membership->generation;
    message->member_id = membership_id(membership);
    message->group_instance_id = instance_of(membership);
    message->protocol_type = PROTOCOL_TYPE;
    message->protocol_name = string_view_of(assign_name(membership->kind));
    int error = membership->assigns ? fill_assignments(membership, topics) : 0;
    if (error != 0) {
        membership_fail(membership, error, "the subscriptions of the group cannot be read");
        return;
    }
    membership->watched_digest = watched_digest(membership, topics);
    membership->topics_version = topics->version;
    membership_send(membership, step, API_SYNC_GROUP, &sync_group_request_row,
                    &sync_group_response_row);
    int64_t timeout_ms = membership->config->max_poll_interval_ms + JOIN_GRACE_MS;
    step->timeout_ms = timeout_ms > membership->config->request_timeout_ms ? timeout_ms : 0;
}

static void send_heartbeat(struct membership *membership, int64_t now_ms,
                           struct membership_step *step)
{
    struct heartbeat_request *message = &membership->message.heartbeat;
    int64_t due_ms = membership->heartbeat_ms > membership->retry_ms ? membership->heartbeat_ms
                                                                     : membership->retry_ms;
    if (now_ms < due_ms) {
        step->wake_ms = due_ms < step->wake_ms ? due_ms : step->wake_ms;
        return;
    }
    heartbeat_request_default(message);
    message->group_id = string_view_of(membership->config->group_id);
    message->generation_id = membership->generation;
    message->member_id = membership_id(membership);
    message->group_instance_id = instance_of(membership);
    membership->heartbeat_ms = now_ms + membership->config->heartbeat_interval_ms;
    membership_send(membership, step, API_HEARTBEAT, &heartbeat_request_row,
                    &heartbeat_response_row);
    step->timeout_ms = membership->config->session_timeout_ms;
}

/* A static member stays: whoever comes back with its instance id goes on where it was. */
static bool send_leave(struct membership *membership, const char *reason,
                       struct membership_step *step)
{
    struct leave_group_request *message = &membership->message.leave;
    if (membership->member_id == NULL || membership->is_static) {
        return false;
    }
    arena_reset(&membership->arena);
    leave_group_request_default(message);
    message->group_id = string_view_of(membership->config->group_id);
    message->members.items = arena_array(&membership->arena, 1, sizeof *message->members.items);
    if (message->members.items == NULL) {
        return false;
    }
    message->members.count = 1;
    message->members.items[0] = (struct leave_group_request_member_identity){
        membership_id(membership), {NULL, 0}, string_view_of(reason)};
    membership_send(membership, step, API_LEAVE_GROUP, &leave_group_request_row,
                    &leave_group_response_row);
    step->version_min = 3; /* from which on it names members */
    return true;
}

/* ---- what is next ---- */

/* The application has not polled for too long: the others get what it has. */
static bool overdue(struct membership *membership, int64_t now_ms, struct membership_step *step)
{
    int64_t due_ms = membership->polled_ms + membership->config->max_poll_interval_ms;
    if (!membership->polled || membership->generation < 0) {
        return false;
    }
    if (now_ms < due_ms) {
        step->wake_ms = due_ms < step->wake_ms ? due_ms : step->wake_ms;
        return false;
    }
    membership->polled = false;
    bool sent = send_leave(membership, "consumer poll timeout has expired.", step);
    membership_forget(membership, !sent);
    return sent;
}

static bool watched_changed(struct membership *membership, const struct topics *topics)
{
    if (!membership->leads || topics->version == membership->topics_version) {
        return false;
    }
    membership->topics_version = topics->version;
    return watched_digest(membership, topics) != membership->watched_digest;
}

static void leave_next(struct membership *membership, struct membership_step *step)
{
    if (give_up(membership, NULL) || membership->state != MEMBERSHIP_LEAVING) {
        return;
    }
    if (!send_leave(membership, "the consumer unsubscribed from all topics", step)) {
        membership_move(membership, MEMBERSHIP_OUT);
        membership->leaving = false;
        membership_forget(membership, true);
    }
}

/* True: the state has moved on, and is to be looked at again. */
static bool state_next(struct membership *membership, int64_t now_ms, const struct topics *topics,
                       struct membership_step *step)
{
    switch (membership->state) {
    case MEMBERSHIP_OUT:
        if (membership->subscribed && membership->polled) {
            prepare(membership);
            return true;
        }
        return false;
    case MEMBERSHIP_PREPARING:
        membership_move(membership, MEMBERSHIP_JOINING);
        return true;
    case MEMBERSHIP_JOINING:
        if (membership->lost) {
            prepare(membership);
            return true;
        }
        if (now_ms >= membership->retry_ms && membership->polled) {
            send_join(membership, step);
        } else if (now_ms < membership->retry_ms) {
            step->wake_ms = membership->retry_ms < step->wake_ms ? membership->retry_ms
                                                                 : step->wake_ms;
        }
        return false;
    case MEMBERSHIP_SYNCING:
        if (membership->rejoin) {
            prepare(membership);
            return true;
        }
        send_sync(membership, topics, step);
        return false;
    case MEMBERSHIP_TAKING:
        take(membership);
        return true;
    case MEMBERSHIP_STABLE:
        if (membership->rejoin || membership->lost || membership->topics_changed ||
            watched_changed(membership, topics)) {
            if (!membership->polled) {
                return false; /* after the next poll */
            }
            prepare(membership);
            return true;
        }
        send_heartbeat(membership, now_ms, step);
        return false;
    case MEMBERSHIP_LEAVING:
        leave_next(membership, step);
        return false;
    case MEMBERSHIP_FAILED:
        return false;
    }
    return false;
}

void membership_classic_next(struct membership *membership, int64_t now_ms,
                             const struct topics *topics, struct membership_step *step)
{
    membership->topics_seen = topics->version;
    if (overdue(membership, now_ms, step)) {
        return;
    }
    if (membership->call != MEMBERSHIP_CALL_NONE) {
        if (membership->generation >= 0) {
            send_heartbeat(membership, now_ms, step); /* the application takes its time */
        }
        return;
    }
    if (membership->leaving && membership->state != MEMBERSHIP_LEAVING) {
        membership_move(membership, MEMBERSHIP_LEAVING);
    }
    while (membership->call == MEMBERSHIP_CALL_NONE && step->action == MEMBERSHIP_WAIT &&
           state_next(membership, now_ms, topics, step)) {
    }
}

/* ---- answers ---- */

/* Errors that any request may get. True: the coordinator is to be found. */
static bool refused(struct membership *membership, int64_t now_ms, int16_t error_code)
{
    switch (error_code) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        membership_retry(membership, now_ms);
        return false;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        membership_retry(membership, now_ms);
        return true;
    case KAFKA_UNKNOWN_MEMBER_ID:
        membership_forget(membership, true);
        return false;
    case KAFKA_ILLEGAL_GENERATION:
        membership_forget(membership, false);
        return false;
    case KAFKA_REBALANCE_IN_PROGRESS:
        membership->rejoin = true;
        return false;
    default:
        membership_fail(membership, error_code, client_error_text(error_code));
        return false;
    }
}

/* The topics of all members. */
static int watch(struct membership *membership)
{
    struct arena *arena = &membership->group_arena;
    size_t all = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            membership->watched = arena_array(arena, all + 1, sizeof *membership->watched);
            all = 0;
        }
        for (size_t i = 0; i < membership->members_count; i++) {
            const struct string_view *topics;
            size_t count;
            if (assign_subscription_topics(membership->members[i].subscription, arena, &topics,
                                           &count) != 0) {
                return ERR_CORRUPT;
            }
            for (size_t j = 0; pass == 1 && j < count && membership->watched != NULL; j++) {
                membership->watched[all + j] = arena_string(arena, topics[j]);
            }
            all += count;
        }
    }
    membership->watched_count = arena->failed ? 0 : all;
    return arena->failed ? ERR_NOMEM : 0;
}

static int members_take(struct membership *membership, const struct join_group_response *response)
{
    struct arena *arena = &membership->group_arena;
    arena_reset(arena);
    membership->watched_count = 0;
    membership->members_count = 0;
    membership->members =
        arena_array(arena, (size_t)response->members.count + 1, sizeof *membership->members);
    for (int32_t i = 0; membership->members != NULL && i < response->members.count; i++) {
        const struct join_group_response_join_group_response_member *from =
            &response->members.items[i];
        membership->members[membership->members_count++] = (struct assign_member){
            .member_id = arena_string(arena, from->member_id),
            .instance_id = arena_string(arena, from->group_instance_id),
            .subscription = arena_bytes(arena, from->metadata),
        };
    }
    return arena->failed ? ERR_NOMEM : watch(membership);
}

static void joined(struct membership *membership, int64_t now_ms,
                   const struct join_group_response *response)
{
    if (!assign_find(response->protocol_name, &membership->kind)) {
        membership_fail(membership, KAFKA_INCONSISTENT_GROUP_PROTOCOL,
                        client_error_text(KAFKA_INCONSISTENT_GROUP_PROTOCOL));
        return;
    }
    membership_move(membership, MEMBERSHIP_SYNCING);
    membership->generation = response->generation_id;
    membership->failures = 0;
    membership->rejoin = false;
    membership->heartbeat_ms = now_ms + membership->config->heartbeat_interval_ms;
    membership->leads = string_view_equal(response->leader, response->member_id);
    membership->assigns = membership->leads && !response->skip_assignment;
    membership->watched_count = 0;
    int error = membership->leads ? members_take(membership, response) : 0;
    membership->topics_asked = membership->topics_seen;
    if (error != 0) {
        membership_fail(membership, error, "the subscriptions of the group cannot be read");
    }
}

static bool join_answered(struct membership *membership, int64_t now_ms,
                          const struct join_group_response *response)
{
    if (membership->state != MEMBERSHIP_JOINING) {
        return false;
    }
    bool named = response->error_code == 0 || response->error_code == KAFKA_MEMBER_ID_REQUIRED;
    if (named) {
        char id[512];
        size_t size = response->member_id.size < sizeof id ? response->member_id.size
                                                           : sizeof id - 1;
        memcpy(id, response->member_id.data, size);
        id[size] = '\0';
        membership_name(membership, id);
    }
    if (response->error_code == 0 && membership->state == MEMBERSHIP_JOINING) {
        joined(membership, now_ms, response);
    }
    if (named) {
        return false;
    }
    if (response->error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        membership_retry(membership, now_ms);
        return false;
    }
    return refused(membership, now_ms, response->error_code);
}

static bool sync_answered(struct membership *membership, int64_t now_ms,
                          const struct sync_group_response *response)
{
    if (membership->state != MEMBERSHIP_SYNCING) {
        return false;
    }
    if (response->error_code != 0) {
        membership->rejoin = true;
        return refused(membership, now_ms, response->error_code);
    }
    arena_reset(&membership->arena);
    int error = assign_assignment_decode(response->assignment, &membership->arena,
                                         &membership->target);
    if (error == 0 && membership->kind == ASSIGN_STICKY) {
        error = partition_set_copy(&membership->last, &membership->target);
        membership->last_generation = membership->generation;
        membership->remembers = error == 0;
    }
    if (error != 0) {
        membership_fail(membership, error, "the assignment cannot be read");
        return false;
    }
    membership_move(membership, MEMBERSHIP_TAKING);
    return false;
}

static bool heartbeat_answered(struct membership *membership, int64_t now_ms, int16_t error_code)
{
    if (error_code == 0) {
        membership->failures = 0;
        return false;
    }
    if (membership->generation < 0) {
        return false; /* it knows */
    }
    return refused(membership, now_ms, error_code);
}

bool membership_classic_answered(struct membership *membership, int64_t now_ms, int16_t api_key,
                                 const void *response)
{
    switch (api_key) {
    case API_JOIN_GROUP:
        return join_answered(membership, now_ms, response);
    case API_SYNC_GROUP:
        return sync_answered(membership, now_ms, response);
    case API_HEARTBEAT:
        return heartbeat_answered(membership, now_ms,
                                  ((const struct heartbeat_response *)response)->error_code);
    default:
        ASSERT(api_key == API_LEAVE_GROUP);
        membership_forget(membership, true);
        if (membership->state == MEMBERSHIP_LEAVING) {
            membership_move(membership, MEMBERSHIP_OUT);
            membership->leaving = false;
        }
        return false;
    }
}
