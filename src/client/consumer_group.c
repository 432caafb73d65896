/* consumer_group.c: the public calls of a consumer about its group, on the application's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/fetcher.h"
#include "io/system.h"

#define COMMIT_BYTES_MAX ((size_t)256 << 20)
#define NO_GROUP                                                                         \
    "To use the group management or offset commit APIs, you must provide a valid group.id in the " \
    "consumer configuration."

bool consumer_wait_until(struct bnb_consumer *consumer, int64_t deadline_ms)
{
    if (io_monotonic_ms() >= deadline_ms) {
        return false;
    }
    struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
    pthread_cond_timedwait(&consumer->changed, &consumer->lock, &until);
    return true;
}

/* ---- commits ---- */

void group_commit_free(struct group_commit *commit)
{
    list_remove(&commit->node);
    arena_release(&commit->arena);
    mem_free(commit);
}

static struct group_commit *commit_create(struct bnb_consumer *consumer, size_t count)
{
    struct group_commit *commit = mem_calloc(1, sizeof *commit);
    if (commit == NULL) {
        return NULL;
    }
    commit->consumer = consumer;
    list_init(&commit->node);
    arena_init(&commit->arena, COMMIT_BYTES_MAX);
    offset_commit_request_default(&commit->message);
    commit->message.topics.items =
        arena_array(&commit->arena, count + 1, sizeof *commit->message.topics.items);
    if (commit->message.topics.items == NULL) {
        group_commit_free(commit);
        return NULL;
    }
    return commit;
}

/* Adjacent partitions of one topic share an entry; partitions of one entry lie in a row. */
static bool commit_add(struct group_commit *commit,
                       struct offset_commit_request_offset_commit_request_partition *partitions,
                       size_t index, const struct bnb_consumer_offset *offset)
{
    struct offset_commit_request_offset_commit_request_topic *topic =
        &commit->message.topics.items[commit->message.topics.count];
    if (commit->message.topics.count == 0 || !string_view_is(topic[-1].name, offset->topic)) {
        topic->name = arena_string(&commit->arena, string_view_of(offset->topic));
        topic->partitions.items = &partitions[index];
        commit->message.topics.count++;
    } else {
        topic--;
    }
    topic->partitions.count++;
    partitions[index] = (struct offset_commit_request_offset_commit_request_partition){
        .partition_index = offset->partition,
        .committed_offset = offset->offset,
        .committed_leader_epoch = offset->leader_epoch,
        .committed_metadata = arena_string(
            &commit->arena, string_view_of(offset->metadata != NULL ? offset->metadata : "")),
    };
    return !commit->arena.failed;
}

static struct group_commit *commit_of(struct bnb_consumer *consumer,
                                      const struct bnb_consumer_offset *offsets, size_t count)
{
    struct group_commit *commit = commit_create(consumer, count);
    struct offset_commit_request_offset_commit_request_partition *partitions =
        commit != NULL ? arena_array(&commit->arena, count + 1, sizeof *partitions) : NULL;
    bool made = partitions != NULL;
    for (size_t i = 0; made && i < count; i++) {
        made = commit_add(commit, partitions, i, &offsets[i]);
    }
    if (!made && commit != NULL) {
        group_commit_free(commit);
        commit = NULL;
    }
    return commit;
}

struct group_commit *group_commit_positions(struct bnb_consumer *consumer, bool all)
{
    struct bnb_consumer_offset *offsets =
        mem_calloc(consumer->partition_count + 1, sizeof *offsets);
    size_t count = 0;
    for (size_t i = 0; offsets != NULL && i < consumer->partition_count; i++) {
        const struct consumer_partition *partition = consumer->partitions[i];
        int64_t offset = all ? partition->position : partition->consumed;
        if (partition->assigned && offset >= 0 && (all || offset != partition->committed)) {
            offsets[count++] = (struct bnb_consumer_offset){
                partition->topic, partition->index, partition->leader_epoch, offset, NULL};
        }
    }
    struct group_commit *commit = count > 0 ? commit_of(consumer, offsets, count) : NULL;
    mem_free(offsets);
    return commit;
}

void group_commit_start(struct bnb_consumer *consumer, struct group_commit *commit)
{
    list_push_back(&consumer->group.commits, &commit->node);
    consumer->group.commits_count++;
    fetcher_wake(consumer);
}

/* Hands it over, and waits for its end. The lock is held. */
static int commit_wait(struct bnb_consumer *consumer, struct group_commit *commit,
                       int64_t timeout_ms, struct bnb_error *error)
{
    commit->deadline_ms = io_monotonic_ms() + timeout_ms;
    group_commit_start(consumer, commit);
    while (!commit->done) {
        /* The network thread ends it in time. */
        pthread_cond_wait(&consumer->changed, &consumer->lock);
    }
    int code = commit->error.code;
    if (code != 0) {
        client_error_set(error, code, "%s", commit->error.text);
    }
    group_commit_free(commit);
    return code;
}

static int no_group(const struct bnb_consumer *consumer, struct bnb_error *error)
{
    return consumer->group.enabled ? 0 : client_error_set(error, BNB_ERROR_INVALID, NO_GROUP);
}

int bnb_consumer_commit(struct bnb_consumer *consumer, const struct bnb_consumer_offset *offsets,
                        size_t count, struct bnb_error *error)
{
    int result = no_group(consumer, error);
    if (result != 0) {
        return result;
    }
    pthread_mutex_lock(&consumer->lock);
    struct group_commit *commit = offsets != NULL ? commit_of(consumer, offsets, count)
                                                  : group_commit_positions(consumer, true);
    if (commit != NULL) {
        result = commit_wait(consumer, commit, consumer->config->default_api_timeout_ms, error);
    } else if (offsets != NULL) {
        result = client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

int bnb_consumer_commit_async(struct bnb_consumer *consumer,
                              const struct bnb_consumer_offset *offsets, size_t count,
                              bnb_commit_callback callback, void *context)
{
    int result = no_group(consumer, NULL);
    if (result != 0) {
        return result;
    }
    pthread_mutex_lock(&consumer->lock);
    struct group_commit *commit = NULL;
    if (consumer->group.commits_count >= GROUP_COMMITS_MAX) {
        result = BNB_ERROR_FULL;
    } else {
        commit = offsets != NULL ? commit_of(consumer, offsets, count)
                                 : group_commit_positions(consumer, true);
        result = commit == NULL && offsets != NULL ? BNB_ERROR_NO_MEMORY : 0;
    }
    if (commit != NULL) {
        commit->callback = callback;
        commit->context = context;
        group_commit_start(consumer, commit);
    }
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

/* ---- calls ---- */

/* Callbacks of commits that have ended. The lock is held, not while they run. */
static void serve_commits(struct bnb_consumer *consumer)
{
    while (!list_empty(&consumer->group.finished)) {
        struct group_commit *commit =
            CONTAINER_OF(consumer->group.finished.next, struct group_commit, node);
        list_remove(&commit->node);
        pthread_mutex_unlock(&consumer->lock);
        if (commit->callback != NULL) {
            commit->callback(commit->context, &commit->error);
        }
        pthread_mutex_lock(&consumer->lock);
        group_commit_free(commit);
    }
}

/* Calls the application, without the lock. */
static void call_listener(struct bnb_consumer *consumer, enum membership_call call,
                          const struct partition_set *set)
{
    const struct bnb_rebalance_listener listener = consumer->group.listener;
    struct bnb_topic_partition *partitions = mem_alloc((set->count + 1) * sizeof *partitions);
    if (partitions == NULL) {
        fetcher_fail(consumer, BNB_ERROR_NO_MEMORY, "out of memory");
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        partitions[i] = (struct bnb_topic_partition){set->items[i].topic.data,
                                                     set->items[i].partition};
    }
    void (*function)(void *, struct bnb_consumer *, const struct bnb_topic_partition *, size_t) =
        call == MEMBERSHIP_CALL_ASSIGNED                           ? listener.assigned
        : call == MEMBERSHIP_CALL_LOST && listener.lost != NULL ? listener.lost
                                                                   : listener.revoked;
    if (function != NULL) {
        bool in_poll = consumer->group.in_poll;
        consumer->group.in_poll = false;
        pthread_mutex_unlock(&consumer->lock);
        function(listener.context, consumer, partitions, set->count);
        pthread_mutex_lock(&consumer->lock);
        consumer->group.in_poll = in_poll;
    }
    mem_free(partitions);
}

static void call_assigned(struct bnb_consumer *consumer, const struct partition_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct consumer_partition *partition =
            consumer_take(consumer, set->items[i].topic.data, set->items[i].partition,
                          BNB_OFFSET_COMMITTED);
        if (partition == NULL) {
            fetcher_fail(consumer, BNB_ERROR_NO_MEMORY, "out of memory");
        } else {
            partition->held = true;
        }
    }
    call_listener(consumer, MEMBERSHIP_CALL_ASSIGNED, set);
    for (size_t i = 0; i < set->count; i++) {
        struct consumer_partition *partition =
            consumer_find(consumer, set->items[i].topic.data, set->items[i].partition);
        if (partition != NULL) {
            partition->held = false;
        }
    }
}

static void call_taken(struct bnb_consumer *consumer, enum membership_call call,
                       const struct partition_set *set)
{
    const struct client_config *config = consumer->config;
    if (call == MEMBERSHIP_CALL_REVOKED && config->enable_auto_commit) {
        struct group_commit *commit = group_commit_positions(consumer, false);
        int64_t timeout_ms = config->request_timeout_ms < config->max_poll_interval_ms
                                 ? config->request_timeout_ms : config->max_poll_interval_ms;
        if (commit != NULL) {
            struct bnb_error error;
            if (commit_wait(consumer, commit, timeout_ms, &error) != 0) {
                client_config_warn(config, "[Consumer clientId=%s, groupId=%s] Auto offset commit "
                                           "failed: %s", config->client_id, config->group_id,
                                   error.text);
            }
        }
    }
    call_listener(consumer, call, set);
    for (size_t i = 0; i < set->count; i++) {
        struct consumer_partition *partition =
            consumer_find(consumer, set->items[i].topic.data, set->items[i].partition);
        if (partition != NULL) {
            consumer_give_up(consumer, partition);
        }
    }
}

void group_serve(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    serve_commits(consumer);
    if (group->call == MEMBERSHIP_CALL_NONE || group->called) {
        return;
    }
    /* The network thread leaves it as it is until called is set. */
    const struct partition_set *set = &group->membership.moving;
    group->call_begun = true;
    if (group->call == MEMBERSHIP_CALL_ASSIGNED) {
        call_assigned(consumer, set);
    } else {
        call_taken(consumer, group->call, set);
    }
    group->called = true;
    fetcher_wake(consumer);
}

void group_poll_begins(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    if (!group->enabled) {
        return;
    }
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct consumer_partition *partition = consumer->partitions[i];
        if (partition->assigned && partition->position >= 0) {
            partition->consumed = partition->position;
        }
    }
    group->polls++;
    group->polled_ms = io_monotonic_ms();
    group->in_poll = true;
    if (group->poll_wanted) {
        fetcher_wake(consumer);
    }
}

/* ---- the subscription ---- */

/* Takes the place of the one before. The lock is held. */
static int subscription_set(struct bnb_consumer *consumer, const char *const *topics, size_t count,
                            const char *expression, struct regex *regex,
                            const struct bnb_rebalance_listener *listener)
{
    struct consumer_group *group = &consumer->group;
    struct arena arena;
    arena_init(&arena, COMMIT_BYTES_MAX);
    struct string_view *copies = arena_array(&arena, count + 1, sizeof *copies);
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = arena_string(&arena, string_view_of(topics[i]));
    }
    struct string_view copy = arena_string(&arena, string_view_of(expression));
    if (arena.failed) {
        arena_release(&arena);
        regex_destroy(&regex);
        return BNB_ERROR_NO_MEMORY;
    }
    arena_release(&group->subscription_arena);
    regex_destroy(&group->regex);
    group->subscription_arena = arena;
    group->topics = copies;
    group->topics_count = count;
    group->expression = copy;
    group->regex = regex;
    group->listener =
        listener != NULL ? *listener : (struct bnb_rebalance_listener){.context = NULL};
    group->subscribed = true;
    group->subscription++;
    fetcher_wake(consumer);
    return 0;
}

/* 0, or why there cannot be a subscription. */
static int subscription_check(struct bnb_consumer *consumer, struct bnb_error *error)
{
    int result = no_group(consumer, error);
    pthread_mutex_lock(&consumer->lock);
    for (size_t i = 0; result == 0 && !consumer->group.subscribed && i < consumer->partition_count;
         i++) {
        if (consumer->partitions[i]->assigned) {
            result = client_error_set(error, BNB_ERROR_INVALID,
                                      "Subscription to topics, partitions and pattern are mutually "
                                      "exclusive");
        }
    }
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

int bnb_consumer_subscribe(struct bnb_consumer *consumer, const char *const *topics, size_t count,
                           const struct bnb_rebalance_listener *listener, struct bnb_error *error)
{
    if (count == 0) {
        bnb_consumer_unsubscribe(consumer);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (topics[i] == NULL || topics[i][strspn(topics[i], " \t")] == '\0') {
            return client_error_set(error, BNB_ERROR_INVALID, "Topic collection to subscribe to "
                                    "cannot contain null or empty topic");
        }
    }
    int result = subscription_check(consumer, error);
    if (result == 0) {
        pthread_mutex_lock(&consumer->lock);
        result = subscription_set(consumer, topics, count, NULL, NULL, listener);
        pthread_mutex_unlock(&consumer->lock);
    }
    return result;
}

int bnb_consumer_subscribe_pattern(struct bnb_consumer *consumer, const char *expression,
                                   const struct bnb_rebalance_listener *listener,
                                   struct bnb_error *error)
{
    struct regex *regex = NULL;
    int result = subscription_check(consumer, error);
    if (result == 0 && regex_create(string_view_of(expression), &regex) != 0) {
        result = client_error_set(error, BNB_ERROR_INVALID,
                                  "Topic pattern to subscribe to is no regular expression: %s",
                                  expression);
    }
    if (result == 0) {
        pthread_mutex_lock(&consumer->lock);
        result = subscription_set(consumer, NULL, 0, expression, regex, listener);
        pthread_mutex_unlock(&consumer->lock);
    }
    return result;
}

/* Gives everything back and leaves. The lock is held. */
static void leave(struct bnb_consumer *consumer, int64_t deadline_ms)
{
    struct consumer_group *group = &consumer->group;
    group->leave = true;
    fetcher_wake(consumer);
    for (;;) {
        group_serve(consumer);
        if (!group->leave && group->out) {
            break;
        }
        if ((group->call == MEMBERSHIP_CALL_NONE || group->called) &&
            !consumer_wait_until(consumer, deadline_ms)) {
            break;
        }
    }
    group->subscribed = false;
    mem_free(group->member_told);
    group->member_told = NULL;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        consumer_give_up(consumer, consumer->partitions[i]);
    }
}

void bnb_consumer_unsubscribe(struct bnb_consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    if (consumer->group.subscribed) {
        leave(consumer, io_monotonic_ms() + consumer->config->default_api_timeout_ms);
    }
    pthread_mutex_unlock(&consumer->lock);
}

void group_leave(struct bnb_consumer *consumer, int64_t timeout_ms)
{
    struct consumer_group *group = &consumer->group;
    if (!group->enabled) {
        return;
    }
    int64_t deadline_ms = io_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&consumer->lock);
    group->in_poll = false;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct consumer_partition *partition = consumer->partitions[i];
        if (partition->assigned && partition->position >= 0) {
            partition->consumed = partition->position;
        }
    }
    if (consumer->config->enable_auto_commit) {
        struct group_commit *commit = group_commit_positions(consumer, false);
        if (commit != NULL) {
            (void)commit_wait(consumer, commit, timeout_ms, NULL);
        }
    }
    if (group->subscribed) {
        leave(consumer, deadline_ms);
    }
    while (!list_empty(&group->commits) && consumer_wait_until(consumer, deadline_ms)) {
    }
    serve_commits(consumer);
    pthread_mutex_unlock(&consumer->lock);
}

/* ---- questions ---- */

static int partitions_told(struct bnb_consumer *consumer, struct bnb_memory *memory,
                           bool only_paused, const struct bnb_topic_partition **partitions,
                           size_t *count)
{
    pthread_mutex_lock(&consumer->lock);
    struct bnb_topic_partition *made =
        arena_array(&memory->arena, consumer->partition_count + 1, sizeof *made);
    *count = 0;
    for (size_t i = 0; made != NULL && i < consumer->partition_count; i++) {
        const struct consumer_partition *partition = consumer->partitions[i];
        if (partition->assigned && (partition->paused || !only_paused)) {
            made[(*count)++] = (struct bnb_topic_partition){
                memory_string(memory, string_view_of(partition->topic)), partition->index};
        }
    }
    pthread_mutex_unlock(&consumer->lock);
    *partitions = made;
    return made == NULL || memory->arena.failed ? BNB_ERROR_NO_MEMORY : 0;
}

int bnb_consumer_assignment(struct bnb_consumer *consumer, struct bnb_memory *memory,
                            const struct bnb_topic_partition **partitions, size_t *count)
{
    return partitions_told(consumer, memory, false, partitions, count);
}

int bnb_consumer_paused(struct bnb_consumer *consumer, struct bnb_memory *memory,
                        const struct bnb_topic_partition **partitions, size_t *count)
{
    return partitions_told(consumer, memory, true, partitions, count);
}

int bnb_consumer_group_metadata(struct bnb_consumer *consumer, struct bnb_memory *memory,
                                struct bnb_group_metadata *metadata, struct bnb_error *error)
{
    const struct consumer_group *group = &consumer->group;
    int result = no_group(consumer, error);
    if (result != 0) {
        return result;
    }
    const char *instance_id = consumer->config->group_instance_id;
    pthread_mutex_lock(&consumer->lock);
    bool member = group->subscribed && group->member_told != NULL;
    *metadata = (struct bnb_group_metadata){
        .group_id = memory_string(memory, string_view_of(consumer->config->group_id)),
        .generation = member ? group->generation_told : -1,
        .member_id = memory_string(memory, string_view_of(member ? group->member_told : "")),
        .group_instance_id =
            memory_string(memory, string_view_of(instance_id[0] != '\0' ? instance_id : NULL)),
    };
    pthread_mutex_unlock(&consumer->lock);
    return memory->arena.failed ? client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory")
                                : 0;
}

/* The offsets of one answer, in the order that was asked for. */
static void committed_take(const struct offset_fetch_response *response, struct bnb_memory *memory,
                           struct bnb_consumer_offset *offsets, size_t count)
{
    for (int32_t t = 0; t < response->topics.count; t++) {
        const struct offset_fetch_response_offset_fetch_response_topic *topic =
            &response->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            for (size_t i = 0; i < count; i++) {
                if (offsets[i].partition == topic->partitions.items[p].partition_index &&
                    string_view_is(topic->name, offsets[i].topic)) {
                    offsets[i].offset = topic->partitions.items[p].committed_offset;
                    offsets[i].leader_epoch = topic->partitions.items[p].committed_leader_epoch;
                    offsets[i].metadata =
                        memory_string(memory, topic->partitions.items[p].metadata);
                }
            }
        }
    }
}

/* Has the network thread ask the coordinator, until default.api.timeout.ms has passed. */
static int committed_ask(struct bnb_consumer *consumer, struct group_question *question,
                         struct bnb_error *error)
{
    question->consumer = consumer;
    question->deadline_ms = io_monotonic_ms() + consumer->config->default_api_timeout_ms;
    pthread_mutex_lock(&consumer->lock);
    list_push_back(&consumer->group.questions, &question->node);
    fetcher_wake(consumer);
    while (!question->done) {
        /* The network thread ends it in time. */
        pthread_cond_wait(&consumer->changed, &consumer->lock);
    }
    pthread_mutex_unlock(&consumer->lock);
    return question->error.code == 0
               ? 0 : client_error_set(error, question->error.code, "%s", question->error.text);
}

int bnb_consumer_committed(struct bnb_consumer *consumer, struct bnb_memory *memory,
                           const struct bnb_topic_partition *partitions, size_t count,
                           const struct bnb_consumer_offset **offsets, struct bnb_error *error)
{
    struct group_question question = {.request = {.arena = &memory->arena}};
    struct offset_fetch_request *request = &question.message;
    int result = no_group(consumer, error);
    offset_fetch_request_default(request);
    request->group_id = string_view_of(consumer->config->group_id);
    request->topics.items = arena_array(&memory->arena, count + 1, sizeof *request->topics.items);
    struct bnb_consumer_offset *made = arena_array(&memory->arena, count + 1, sizeof *made);
    int32_t *indexes = arena_array(&memory->arena, count + 1, sizeof *indexes);
    if (result != 0 || memory->arena.failed) {
        return result != 0 ? result : client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        made[i] = (struct bnb_consumer_offset){
            memory_string(memory, string_view_of(partitions[i].topic)), partitions[i].partition, -1,
            -1, NULL};
        indexes[i] = partitions[i].partition;
        request->topics.items[request->topics.count++] =
            (struct offset_fetch_request_offset_fetch_request_topic){
                string_view_of(made[i].topic), {&indexes[i], 1}};
    }
    result = committed_ask(consumer, &question, error);
    if (result == 0) {
        committed_take(question.request.response, memory, made, count);
        *offsets = made;
    }
    return result;
}
