/* group.c: the network thread's half of a group: the coordinator, and the membership's requests. */
#include "client/group.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/fetcher.h"
#include "base/uuid.h"
#include "protocol/error.h"

#define GROUP_ARENA_BYTES ((size_t)256 << 20)

void group_init(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    group->enabled = consumer->config->group_id[0] != '\0';
    group->coordinator = -1;
    group->out = true;
    list_init(&group->commits);
    list_init(&group->finished);
    list_init(&group->questions);
    arena_init(&group->subscription_arena, GROUP_ARENA_BYTES);
    arena_init(&group->find_arena, GROUP_ARENA_BYTES);
    arena_init(&group->request_arena, GROUP_ARENA_BYTES);
    arena_init(&group->lookup_arena, GROUP_ARENA_BYTES);
    topics_init(&group->topics_known);
    membership_init(&group->membership, consumer->config);
}

void group_release(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    group_offsets_quit(consumer);
    while (!list_empty(&group->finished)) {
        group_commit_free(CONTAINER_OF(group->finished.next, struct group_commit, node));
    }
    regex_destroy(&group->regex);
    arena_release(&group->subscription_arena);
    arena_release(&group->find_arena);
    arena_release(&group->request_arena);
    arena_release(&group->lookup_arena);
    topics_release(&group->topics_known);
    membership_release(&group->membership);
    mem_free(group->lookup_items);
    mem_free(group->member_told);
}

/* ---- the coordinator ---- */

void group_lose_coordinator(struct bnb_consumer *consumer) { consumer->group.coordinator = -1; }

static void find_failed(struct bnb_consumer *consumer, int16_t error_code)
{
    struct consumer_group *group = &consumer->group;
    const struct client_config *config = consumer->config;
    group->find_ms = loop_monotonic_ms(client_loop(consumer->client)) +
                     client_backoff_ms(config->retry_backoff_ms, config->retry_backoff_max_ms,
                                       group->find_failures++);
    if (error_code != 0 && !kafka_error_is_retriable(error_code)) {
        pthread_mutex_lock(&consumer->lock);
        fetcher_fail(consumer, error_code, client_error_text(error_code));
        pthread_mutex_unlock(&consumer->lock);
    }
}

static void find_done(struct client_request *request)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, group.find);
    struct consumer_group *group = &consumer->group;
    const struct find_coordinator_response *response = request->response;
    struct find_coordinator_response_coordinator found = {.node_id = -1};
    group->finding = false;
    if (request->error == 0 && request->version >= 4) {
        if (response->coordinators.count == 1) {
            found = response->coordinators.items[0];
        }
    } else if (request->error == 0) {
        found = (struct find_coordinator_response_coordinator){
            .node_id = response->node_id, .host = response->host, .port = response->port,
            .error_code = response->error_code};
    }
    if (found.error_code == 0 && found.node_id >= 0) {
        group->coordinator =
            client_learn_coordinator(consumer->client, found.node_id, found.host, found.port);
        group->find_failures = 0;
    } else if (request->error != ERR_CLOSED || !consumer->quitting) {
        find_failed(consumer, found.error_code);
    }
    fetcher_run(consumer);
}

static void find_prepare(struct client_request *request, int16_t version)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, group.find);
    struct find_coordinator_request *message = &consumer->group.find_message;
    static const struct string_view none = {"", 0};
    struct string_view key = string_view_of(consumer->config->group_id);
    message->key = version < 4 ? key : none;
    message->coordinator_keys.count = version < 4 ? 0 : 1;
    message->coordinator_keys.items[0] = key;
}

static void find_start(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    if (group->finding) {
        return;
    }
    if (now_ms < group->find_ms) {
        *wake_ms = group->find_ms < *wake_ms ? group->find_ms : *wake_ms;
        return;
    }
    arena_reset(&group->find_arena);
    find_coordinator_request_default(&group->find_message);
    group->find_message.coordinator_keys.items =
        arena_array(&group->find_arena, 1, sizeof(struct string_view));
    if (group->find_message.coordinator_keys.items == NULL) {
        find_failed(consumer, 0);
        return;
    }
    group->finding = true;
    group->find = (struct client_request){
        .target = CLIENT_NODE_ANY,
        .api_key = API_FIND_COORDINATOR,
        .request_row = &find_coordinator_request_row,
        .request = &group->find_message,
        .response_row = &find_coordinator_response_row,
        .arena = &group->find_arena,
        .timeout_ms = -1,
        .prepare = find_prepare,
        .done = find_done,
    };
    client_request_start(consumer->client, &group->find);
}

/* ---- the subscription ---- */

/* The topics that match; of names whatever is named. The lock is held. */
static void subscribe(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    static const struct string_view none = {NULL, 0};
    if (group->expression.data == NULL) {
        membership_subscribe(&group->membership, group->topics, group->topics_count, none);
        return;
    }
    if (consumer->config->group_protocol_consumer) {
        membership_subscribe(&group->membership, NULL, 0, group->expression);
        return;
    }
    const struct topics *known = &group->topics_known;
    if (!group->topics_all || known->version == 0) {
        return; /* after the metadata */
    }
    struct string_view *matching = mem_calloc(known->count + 1, sizeof *matching);
    size_t count = 0;
    for (size_t i = 0; matching != NULL && i < known->count; i++) {
        bool hidden = known->items[i].is_internal && consumer->config->exclude_internal_topics;
        if (!hidden && known->items[i].error_code == 0 &&
            regex_matches(group->regex, known->items[i].name)) {
            matching[count++] = known->items[i].name;
        }
    }
    if (matching != NULL) {
        membership_subscribe(&group->membership, matching, count, none);
    }
    mem_free(matching);
}

void group_learn_topics(struct bnb_consumer *consumer, const struct metadata_response *response)
{
    (void)topics_take(&consumer->group.topics_known, response);
}

/* What the application has said since the last time. */
static void hear(struct bnb_consumer *consumer, int64_t now_ms)
{
    struct consumer_group *group = &consumer->group;
    struct membership *membership = &group->membership;
    pthread_mutex_lock(&consumer->lock);
    if (group->subscribed && (group->subscription != group->subscription_seen ||
                              group->topics_known.version != group->topics_seen)) {
        bool other = group->subscription != group->subscription_seen;
        group->subscription_seen = group->subscription;
        group->topics_seen = group->topics_known.version;
        if (other || group->expression.data != NULL) {
            consumer->metadata_wanted = consumer->metadata_wanted || other;
            group->topics_all = group->topics_all && !other;
            subscribe(consumer);
        }
    }
    if (group->in_poll || group->polls != group->polls_seen) {
        membership_polled(membership, group->in_poll ? now_ms : group->polled_ms,
                          group->polls != group->polls_seen);
        group->polls_seen = group->polls;
    }
    if (group->leave) {
        group->leave = false;
        pthread_cond_broadcast(&consumer->changed);
        membership_leave(membership);
        if (group->requesting && group->step.api_key == API_JOIN_GROUP) {
            /* Its answer may take long; without the connection it comes at once. */
            group->step.action = MEMBERSHIP_WAIT;
        }
    }
    if (group->called) {
        group->called = false;
        group->call = MEMBERSHIP_CALL_NONE;
        membership_called(membership);
    }
    pthread_mutex_unlock(&consumer->lock);
    if (group->requesting && group->step.action == MEMBERSHIP_WAIT) {
        group->step.action = MEMBERSHIP_SEND;
        client_disconnect(consumer->client, group->coordinator);
    }
}

/* ---- the membership's requests ---- */

static void request_done(struct client_request *request)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, group.request);
    struct consumer_group *group = &consumer->group;
    group->requesting = false;
    bool lost = membership_answered(&group->membership,
                                    loop_monotonic_ms(client_loop(consumer->client)),
                                    request->api_key, request->error, request->response);
    if (lost) {
        group_lose_coordinator(consumer);
    }
    fetcher_run(consumer);
}

static void request_start(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    const struct membership_step *step = &group->step;
    group->unsent = false;
    group->requesting = true;
    arena_reset(&group->request_arena);
    group->request = (struct client_request){
        .target = group->coordinator,
        .api_key = step->api_key,
        .version_min = step->version_min,
        .request_row = step->request_row,
        .request = &group->membership.message,
        .response_row = step->response_row,
        .arena = &group->request_arena,
        .timeout_ms = step->timeout_ms > 0 ? step->timeout_ms : -1,
        .patient = step->timeout_ms > consumer->config->request_timeout_ms,
        .done = request_done,
    };
    client_request_start(consumer->client, &group->request);
}

/* What transactions tell of the member. Of one that the group has given up it stays as it was, so
 * that the coordinator can tell it from nobody. The lock is held. */
static void tell_member(struct consumer_group *group)
{
    const struct membership *membership = &group->membership;
    if (!membership_is_member(membership)) {
        return;
    }
    if (group->member_told == NULL || strcmp(group->member_told, membership->member_id) != 0) {
        char *copy = mem_strndup(membership->member_id, strlen(membership->member_id));
        if (copy == NULL) {
            return; /* the next time */
        }
        mem_free(group->member_told);
        group->member_told = copy;
    }
    group->generation_told = membership->generation;
}

/* Tells the application of a call, or of a failure. */
static void tell(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    struct membership *membership = &group->membership;
    bool out = membership->state == MEMBERSHIP_OUT && !membership->leaving;
    pthread_mutex_lock(&consumer->lock);
    if (membership->code != 0) {
        fetcher_fail(consumer, membership->code, membership->text);
        membership->code = 0;
    }
    tell_member(group);
    bool changed = group->out != out || group->call != membership->call;
    group->out = out;
    group->poll_wanted = !membership->polled || membership->state == MEMBERSHIP_FAILED;
    if (group->call == MEMBERSHIP_CALL_NONE && membership->call_told) {
        group->call = membership->call;
        group->call_begun = false;
    }
    if (group->call == MEMBERSHIP_CALL_REVOKED && !group->call_begun && membership->lost) {
        /* It has ceased to be a member before the application came to give them back. */
        group->call = membership->call = MEMBERSHIP_CALL_LOST;
    }
    if (changed) {
        pthread_cond_broadcast(&consumer->changed);
    }
    pthread_mutex_unlock(&consumer->lock);
}

/* A member of KIP-848 makes up its own id. */
static void name_member(struct bnb_consumer *consumer)
{
    struct membership *membership = &consumer->group.membership;
    if (consumer->config->group_protocol_consumer && membership->member_id == NULL) {
        uint8_t random[16];
        char text[UUID_TEXT_BYTES];
        for (size_t i = 0; i < sizeof random; i += 4) {
            uint32_t word = client_random();
            memcpy(random + i, &word, 4);
        }
        membership_name(membership, uuid_format(uuid_from_random(random), text));
    }
}

static bool membership_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    bool topics_wanted = false;
    name_member(consumer);
    while (!group->unsent) {
        struct membership_step step;
        membership_next(&group->membership, now_ms, &group->topics_known, &step);
        topics_wanted = topics_wanted || step.topics_wanted;
        if (step.action == MEMBERSHIP_WAIT) {
            *wake_ms = step.wake_ms < *wake_ms ? step.wake_ms : *wake_ms;
            break;
        }
        if (step.action == MEMBERSHIP_SEND) {
            group->step = step;
            group->unsent = true;
        } else {
            tell(consumer);
        }
    }
    if (group->unsent && group->coordinator >= 0) {
        request_start(consumer);
    }
    tell(consumer);
    return topics_wanted;
}

/* Metadata is asked again while a topic that is subscribed to is missing. */
static bool topics_missing(const struct consumer_group *group)
{
    size_t count;
    const struct string_view *names = membership_topics(&group->membership, &count);
    for (size_t i = 0; i < count; i++) {
        const struct topic_facts *facts = topics_find(&group->topics_known, names[i]);
        if (facts == NULL || (facts->error_code != 0 &&
                              kafka_error_is_retriable(facts->error_code))) {
            return group->membership.subscribed && !group->topics_all;
        }
    }
    return false;
}

bool group_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    if (!group->enabled) {
        return false;
    }
    hear(consumer, now_ms);
    bool topics_wanted = membership_run(consumer, now_ms, wake_ms);
    group_offsets_run(consumer, now_ms, wake_ms);
    if (group->coordinator < 0 && (group->unsent || group_offsets_wait(consumer))) {
        find_start(consumer, now_ms, wake_ms);
    }
    return topics_wanted || topics_missing(group);
}
