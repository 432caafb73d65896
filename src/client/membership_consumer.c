/* membership_consumer.c: the protocol of KIP-848: the coordinator assigns, a heartbeat carries all.
 *
 * What the coordinator gives may be taken at once, and what it takes must be given back: the next
 * heartbeat then says what the member has. Every field goes with the first heartbeat and after a
 * failure, else only what has changed. */
#include "base/assert.h"
#include "base/err.h"
#include "base/uuid.h"
#include "client/error.h"
#include "client/membership.h"
#include "protocol/api.h"
#include "protocol/error.h"

#define EPOCH_JOIN 0
#define EPOCH_LEAVE (-1)
#define EPOCH_LEAVE_STATIC (-2)
/* Until the coordinator says how often. */
#define INTERVAL_FIRST_MS 1000

/* ---- partitions ---- */

static const struct partition_set nothing = {.items = NULL};

/* Begins a call about those of a that b does not have; false: there are none. */
static bool call_about(struct membership *membership, enum membership_call call,
                       const struct partition_set *a, const struct partition_set *b)
{
    if (partition_set_subtract(&membership->moving, a, b) != 0) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return false;
    }
    if (membership->moving.count == 0) {
        return false;
    }
    return membership_begin_call(membership, call);
}

/* The topic of an id: as the metadata has it, or as it was when the member got it. */
static struct string_view topic_of(const struct membership *membership,
                                   const struct topics *topics, struct uuid id)
{
    const struct topic_facts *facts = topics_find_id(topics, id);
    if (facts != NULL) {
        return facts->name;
    }
    for (size_t i = 0; i < membership->owned.count; i += partition_set_run(&membership->owned, i)) {
        if (uuid_equal(membership->owned.items[i].topic_id, id)) {
            return membership->owned.items[i].topic;
        }
    }
    return (struct string_view){NULL, 0};
}

/* target from target_ids, as far as their names are known. */
static bool target_resolve(struct membership *membership, const struct topics *topics)
{
    const struct partition_set *ids = &membership->target_ids;
    membership->assignment_pending = false;
    if (!partition_set_start(&membership->target, ids->count)) {
        return false;
    }
    for (size_t i = 0, run; i < ids->count; i += run) {
        struct string_view topic = topic_of(membership, topics, ids->items[i].topic_id);
        run = partition_set_run(ids, i);
        if (topic.data == NULL) {
            membership->assignment_pending = true;
        }
        for (size_t j = i; topic.data != NULL && j < i + run; j++) {
            struct partition_key key = {topic, ids->items[j].topic_id, ids->items[j].partition};
            if (!partition_set_add(&membership->target, &key)) {
                return false;
            }
        }
    }
    partition_set_finish(&membership->target);
    return true;
}

/* ids as they came: their text stands for the name, which is not known yet. */
static bool target_take(struct membership *membership,
                        const struct consumer_group_heartbeat_response_assignment *assignment)
{
    size_t count = 0;
    for (int32_t i = 0; i < assignment->topic_partitions.count; i++) {
        count += (size_t)assignment->topic_partitions.items[i].partitions.count;
    }
    if (!partition_set_start(&membership->target_ids, count)) {
        return false;
    }
    for (int32_t i = 0; i < assignment->topic_partitions.count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &assignment->topic_partitions.items[i];
        char text[UUID_TEXT_BYTES];
        struct partition_key key = {string_view_of(uuid_format(topic->topic_id, text)),
                                    topic->topic_id, 0};
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            key.partition = topic->partitions.items[j];
            if (!partition_set_add(&membership->target_ids, &key)) {
                return false;
            }
        }
    }
    partition_set_finish(&membership->target_ids);
    membership->assignment_pending = true;
    return true;
}

/* ---- the heartbeat ---- */

static bool fill_owned(struct membership *membership)
{
    struct consumer_group_heartbeat_request *message = &membership->message.consumer;
    const struct partition_set *owned = &membership->owned;
    message->topic_partitions.items = arena_array(&membership->arena, owned->count + 1,
                                                  sizeof *message->topic_partitions.items);
    int32_t *numbers = arena_array(&membership->arena, owned->count + 1, sizeof *numbers);
    if (membership->arena.failed) {
        return false;
    }
    message->topic_partitions.count = 0;
    for (size_t i = 0, run; i < owned->count; i += run) {
        struct consumer_group_heartbeat_request_topic_partitions *topic =
            &message->topic_partitions.items[message->topic_partitions.count++];
        run = partition_set_run(owned, i);
        topic->topic_id = owned->items[i].topic_id;
        topic->partitions.items = numbers + i;
        topic->partitions.count = (int32_t)run;
        for (size_t j = i; j < i + run; j++) {
            numbers[j] = owned->items[j].partition;
        }
    }
    return true;
}

static void fill_subscription(struct membership *membership)
{
    struct consumer_group_heartbeat_request *message = &membership->message.consumer;
    static const struct string_view none = {"", 0};
    static struct string_view no_topics[1];
    message->subscribed_topic_names.items =
        membership->topics_count > 0 ? membership->topics : no_topics;
    message->subscribed_topic_names.count = (int32_t)membership->topics_count;
    if (membership->expression.data != NULL || membership->expression_told) {
        message->subscribed_topic_regex =
            membership->expression.data != NULL ? membership->expression : none;
    }
    membership->expression_told = membership->expression.data != NULL;
}

static void send(struct membership *membership, int32_t epoch, struct membership_step *step)
{
    const struct client_config *config = membership->config;
    struct consumer_group_heartbeat_request *message = &membership->message.consumer;
    bool all = membership->tell_all || epoch == EPOCH_JOIN;
    arena_reset(&membership->arena);
    consumer_group_heartbeat_request_default(message);
    message->group_id = string_view_of(config->group_id);
    message->member_id = membership_id(membership);
    message->member_epoch = epoch;
    message->subscribed_topic_names.count = message->topic_partitions.count = -1;
    if (membership->is_static) {
        message->instance_id = string_view_of(config->group_instance_id);
    }
    if (epoch >= 0 && all) {
        message->rebalance_timeout_ms = (int32_t)config->max_poll_interval_ms;
        if (config->client_rack[0] != '\0') {
            message->rack_id = string_view_of(config->client_rack);
        }
        if (config->group_remote_assignor[0] != '\0') {
            message->server_assignor = string_view_of(config->group_remote_assignor);
        }
    }
    if (epoch >= 0 && (all || membership->topics_changed)) {
        fill_subscription(membership);
        membership->topics_changed = false;
    }
    if (epoch >= 0 && (all || membership->ack) && !fill_owned(membership)) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return;
    }
    if (epoch >= 0) {
        membership->tell_all = membership->ack = false;
    }
    membership_send(membership, step, API_CONSUMER_GROUP_HEARTBEAT,
                    &consumer_group_heartbeat_request_row, &consumer_group_heartbeat_response_row);
    step->version_min = membership->expression.data != NULL ? 1 : 0;
}

static bool send_leave(struct membership *membership, struct membership_step *step)
{
    if (membership->generation < 0) {
        return false;
    }
    send(membership, membership->is_static ? EPOCH_LEAVE_STATIC : EPOCH_LEAVE, step);
    return true;
}

static void wait_until(struct membership_step *step, int64_t at_ms)
{
    step->wake_ms = at_ms < step->wake_ms ? at_ms : step->wake_ms;
}

/* When it is due, or there is something to tell. */
static void beat(struct membership *membership, int64_t now_ms, struct membership_step *step)
{
    bool news = membership->ack || membership->tell_all || membership->topics_changed;
    int64_t due_ms = news || membership->retry_ms > membership->heartbeat_ms
                         ? membership->retry_ms : membership->heartbeat_ms;
    if (now_ms < due_ms) {
        wait_until(step, due_ms);
    } else {
        send(membership, membership->generation, step);
    }
}

/* ---- what is next ---- */

static bool overdue(struct membership *membership, int64_t now_ms, struct membership_step *step)
{
    int64_t due_ms = membership->polled_ms + membership->config->max_poll_interval_ms;
    if (!membership->polled || membership->generation < 0) {
        return false;
    }
    if (now_ms < due_ms) {
        wait_until(step, due_ms);
        return false;
    }
    membership->polled = false;
    (void)send_leave(membership, step);
    membership_forget(membership, false);
    return true;
}

/* What the application is to be called about next; false: nothing. */
static bool take(struct membership *membership, const struct topics *topics,
                 struct membership_step *step)
{
    if (membership->state == MEMBERSHIP_STABLE) {
        if (!membership->assignment_pending) {
            return false;
        }
        if (!target_resolve(membership, topics)) {
            membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
            return false;
        }
        step->topics_wanted = membership->assignment_pending;
        if (partition_set_equal(&membership->target, &membership->owned) &&
            (membership->assignment_pending || membership->acked)) {
            return false;
        }
        membership_move(membership, MEMBERSHIP_TAKING);
    }
    while (membership->taken < 2) {
        bool gives = membership->taken++ == 0;
        if (gives ? call_about(membership, MEMBERSHIP_CALL_REVOKED, &membership->owned,
                               &membership->target)
                  : call_about(membership, MEMBERSHIP_CALL_ASSIGNED, &membership->target,
                               &membership->owned)) {
            return true;
        }
        if (membership->state != MEMBERSHIP_TAKING) {
            return false; /* it has failed */
        }
    }
    membership->ack = membership->acked = true;
    membership_move(membership, MEMBERSHIP_STABLE);
    return false;
}

static void join_next(struct membership *membership, int64_t now_ms, struct membership_step *step)
{
    if (call_about(membership, MEMBERSHIP_CALL_LOST, &membership->owned, &nothing) ||
        membership->state != MEMBERSHIP_JOINING) {
        return;
    }
    membership->lost = false;
    if (now_ms < membership->retry_ms) {
        wait_until(step, membership->retry_ms);
    } else if (membership->polled) {
        membership->rejoin = membership->assignment_pending = membership->acked = false;
        send(membership, EPOCH_JOIN, step);
    }
}

static void leave_next(struct membership *membership, struct membership_step *step)
{
    enum membership_call call =
        membership->lost ? MEMBERSHIP_CALL_LOST : MEMBERSHIP_CALL_REVOKED;
    if (call_about(membership, call, &membership->owned, &nothing) ||
        membership->state != MEMBERSHIP_LEAVING || send_leave(membership, step)) {
        return;
    }
    membership_move(membership, MEMBERSHIP_OUT);
    membership->leaving = false;
    membership_forget(membership, false);
}

void membership_consumer_next(struct membership *membership, int64_t now_ms,
                              const struct topics *topics, struct membership_step *step)
{
    if (overdue(membership, now_ms, step)) {
        return;
    }
    if (membership->call != MEMBERSHIP_CALL_NONE) {
        if (membership->generation >= 0 && membership->state != MEMBERSHIP_LEAVING) {
            beat(membership, now_ms, step);
        }
        return;
    }
    if (membership->leaving && membership->state != MEMBERSHIP_LEAVING) {
        membership_move(membership, MEMBERSHIP_LEAVING);
    }
    switch (membership->state) {
    case MEMBERSHIP_OUT:
        if (membership->subscribed && membership->polled) {
            membership_move(membership, MEMBERSHIP_JOINING);
            join_next(membership, now_ms, step);
        }
        return;
    case MEMBERSHIP_JOINING:
        join_next(membership, now_ms, step);
        return;
    case MEMBERSHIP_TAKING:
    case MEMBERSHIP_STABLE:
        if (membership->generation < 0) {
            membership_move(membership, MEMBERSHIP_JOINING);
            join_next(membership, now_ms, step);
        } else if (!take(membership, topics, step) && membership->state == MEMBERSHIP_STABLE) {
            beat(membership, now_ms, step);
        }
        return;
    case MEMBERSHIP_LEAVING:
        leave_next(membership, step);
        return;
    case MEMBERSHIP_PREPARING:
    case MEMBERSHIP_SYNCING:
    case MEMBERSHIP_FAILED:
        return;
    }
}

/* ---- answers ---- */

static bool refused(struct membership *membership, int64_t now_ms,
                    const struct consumer_group_heartbeat_response *response)
{
    membership->tell_all = true;
    switch (response->error_code) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        membership_retry(membership, now_ms);
        return false;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        membership_retry(membership, now_ms);
        return true;
    case KAFKA_FENCED_MEMBER_EPOCH:
    case KAFKA_UNKNOWN_MEMBER_ID:
        membership_forget(membership, false);
        return false;
    default: {
        char text[sizeof membership->text];
        size_t size = response->error_message.size < sizeof text ? response->error_message.size
                                                                 : sizeof text - 1;
        if (response->error_message.data != NULL) {
            memcpy(text, response->error_message.data, size);
        }
        text[size] = '\0';
        membership_fail(membership, response->error_code,
                        response->error_message.data != NULL
                            ? text : client_error_text(response->error_code));
        return false;
    }
    }
}

bool membership_consumer_answered(struct membership *membership, int64_t now_ms,
                                  const struct consumer_group_heartbeat_response *response)
{
    if (membership->message.consumer.member_epoch < 0) { /* it has left */
        membership->generation = -1;
        if (membership->state == MEMBERSHIP_LEAVING) {
            membership_move(membership, MEMBERSHIP_OUT);
            membership->leaving = false;
        }
        return false;
    }
    if (response->error_code != 0) {
        return refused(membership, now_ms, response);
    }
    membership->failures = 0;
    membership->retry_ms = 0;
    membership->generation = response->member_epoch;
    membership->interval_ms = response->heartbeat_interval_ms > 0 ? response->heartbeat_interval_ms
                                                                  : INTERVAL_FIRST_MS;
    membership->heartbeat_ms = now_ms + membership->interval_ms;
    if (response->assignment != NULL && !target_take(membership, response->assignment)) {
        membership_fail(membership, BNB_ERROR_NO_MEMORY, "out of memory");
        return false;
    }
    if (membership->state == MEMBERSHIP_JOINING) {
        membership_move(membership, MEMBERSHIP_STABLE);
    }
    return false;
}
