/* group_offsets.c: offsets of a group on the network thread: commits, and what was committed. */
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/fetcher.h"
#include "protocol/error.h"

/* From the next version on topics go by their ids. */
#define COMMIT_VERSION_MAX 9
#define LOOKUP_VERSION_MAX 9
/* From the next version on several groups are asked for. */
#define QUESTION_VERSION_MAX 7

/* ---- commits ---- */

/* The lock is held. */
static void commit_end(struct bnb_consumer *consumer, struct group_commit *commit, int code,
                       const char *text)
{
    list_remove(&commit->node);
    consumer->group.commits_count--;
    if (code != 0) {
        client_error_set(&commit->error, code, "%s", text);
    }
    commit->done = true;
    if (commit->automatic) {
        group_commit_free(commit);
    } else if (commit->callback != NULL || commit->deadline_ms == 0) {
        list_push_back(&consumer->group.finished, &commit->node);
    }
    pthread_cond_broadcast(&consumer->changed);
}

/* The first error of a response, or 0. */
static int16_t commit_error(const struct offset_commit_response *response)
{
    for (int32_t t = 0; t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            if (response->topics.items[t].partitions.items[p].error_code != 0) {
                return response->topics.items[t].partitions.items[p].error_code;
            }
        }
    }
    return 0;
}

/* What is committed need not be committed again. The lock is held. */
static void commit_mark(struct bnb_consumer *consumer, const struct group_commit *commit)
{
    for (int32_t t = 0; t < commit->message.topics.count; t++) {
        const struct offset_commit_request_offset_commit_request_topic *topic =
            &commit->message.topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            struct consumer_partition *partition = consumer_find(
                consumer, topic->name.data, topic->partitions.items[p].partition_index);
            if (partition != NULL) {
                partition->committed = topic->partitions.items[p].committed_offset;
            }
        }
    }
}

static const char *commit_text(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
        return "Offset commit cannot be completed since the consumer is not part of an active "
               "group for auto partition assignment; it is likely that the consumer was kicked "
               "out of the group.";
    case KAFKA_REBALANCE_IN_PROGRESS:
        return "Offset commit cannot be completed since the consumer is undergoing a rebalance for "
               "auto partition assignment. You can try completing the rebalance by calling poll() "
               "and then retry the operation.";
    default:
        return client_error_text(error_code);
    }
}

static void commit_done(struct client_request *request)
{
    struct group_commit *commit = CONTAINER_OF(request, struct group_commit, request);
    struct bnb_consumer *consumer = commit->consumer;
    const struct client_config *config = consumer->config;
    int64_t now_ms = loop_monotonic_ms(client_loop(consumer->client));
    int16_t error_code = request->error == 0 ? commit_error(request->response) : 0;
    bool elsewhere = request->error != 0 || error_code == KAFKA_NOT_COORDINATOR ||
                     error_code == KAFKA_COORDINATOR_NOT_AVAILABLE;
    bool again = elsewhere || error_code == KAFKA_STALE_MEMBER_EPOCH ||
                 (error_code != KAFKA_REBALANCE_IN_PROGRESS &&
                  kafka_error_is_retriable(error_code));
    commit->sent = false;
    if (elsewhere) {
        group_lose_coordinator(consumer);
    }
    membership_refused(&consumer->group.membership, error_code);
    pthread_mutex_lock(&consumer->lock);
    if (request->error == 0 && error_code == 0) {
        commit_mark(consumer, commit);
        commit_end(consumer, commit, 0, "");
    } else if (again && now_ms < commit->deadline_ms && !consumer->quitting) {
        commit->retry_ms = now_ms + client_backoff_ms(config->retry_backoff_ms,
                                                      config->retry_backoff_max_ms,
                                                      commit->failures++);
    } else if (request->error != 0) {
        commit_end(consumer, commit, request->error, request->message.text);
    } else {
        commit_end(consumer, commit, error_code, commit_text(error_code));
    }
    pthread_mutex_unlock(&consumer->lock);
    fetcher_run(consumer);
}

/* Why one that belongs to a group by its subscription cannot commit: 0, or a wire error. Without
 * its generation the coordinator would take the commit for an administrator's, once the group is
 * empty, and offsets would go back to where a member was that others have taken the place of. */
static int16_t commit_refusal(const struct membership *membership)
{
    if (!membership->subscribed || membership_is_member(membership)) {
        return 0;
    }
    bool joins = membership->state == MEMBERSHIP_JOINING || membership->state == MEMBERSHIP_SYNCING;
    return joins && !membership->config->group_protocol_consumer ? KAFKA_REBALANCE_IN_PROGRESS
                                                                 : KAFKA_UNKNOWN_MEMBER_ID;
}

static void commit_send(struct bnb_consumer *consumer, struct group_commit *commit, int64_t now_ms)
{
    const struct membership *membership = &consumer->group.membership;
    struct offset_commit_request *message = &commit->message;
    bool member = membership_is_member(membership);
    message->group_id = string_view_of(consumer->config->group_id);
    message->generation_id_or_member_epoch = member ? membership->generation : -1;
    message->member_id = member ? membership_id(membership) : (struct string_view){"", 0};
    message->group_instance_id = member && membership->is_static
                                     ? string_view_of(consumer->config->group_instance_id)
                                     : (struct string_view){NULL, 0};
    commit->sent = true;
    int64_t left_ms = commit->deadline_ms - now_ms;
    commit->request = (struct client_request){
        .target = consumer->group.coordinator,
        .api_key = API_OFFSET_COMMIT,
        .version_max = COMMIT_VERSION_MAX,
        .request_row = &offset_commit_request_row,
        .request = message,
        .response_row = &offset_commit_response_row,
        .arena = &commit->arena,
        .timeout_ms = commit->deadline_ms > 0 ? (left_ms > 0 ? left_ms : 0) : -1,
        .done = commit_done,
    };
    client_request_start(consumer->client, &commit->request);
}

/* The first that is due; NULL: none. What is too late ends. The lock is held. */
static struct group_commit *commit_due(struct bnb_consumer *consumer, int64_t now_ms,
                                       int64_t *wake_ms)
{
    LIST_FOR_EACH_SAFE(node, &consumer->group.commits) {
        struct group_commit *commit = CONTAINER_OF(node, struct group_commit, node);
        if (commit->sent) {
            return NULL; /* one after the other, so that the last one holds */
        }
        if (commit->deadline_ms > 0 && now_ms >= commit->deadline_ms) {
            commit_end(consumer, commit, BNB_ERROR_TIMEOUT, "Timeout expired before successfully "
                                                            "committing offsets");
            continue;
        }
        int64_t due_ms = commit->retry_ms > now_ms ? commit->retry_ms : commit->deadline_ms;
        if (due_ms > 0 && due_ms < *wake_ms) {
            *wake_ms = due_ms;
        }
        return commit->retry_ms <= now_ms ? commit : NULL;
    }
    return NULL;
}

/* Every auto.commit.interval.ms, and not while the group is being put together. */
static void auto_commit(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    bool idle = !group->membership.subscribed || group->membership.state == MEMBERSHIP_STABLE;
    if (!consumer->config->enable_auto_commit || consumer->quitting) {
        return;
    }
    if (group->auto_commit_ms == 0) {
        group->auto_commit_ms = now_ms + consumer->config->auto_commit_interval_ms;
    }
    if (now_ms >= group->auto_commit_ms && idle) {
        group->auto_commit_ms = now_ms + consumer->config->auto_commit_interval_ms;
        pthread_mutex_lock(&consumer->lock);
        struct group_commit *commit =
            group->call == MEMBERSHIP_CALL_NONE ? group_commit_positions(consumer, false) : NULL;
        if (commit != NULL) {
            commit->automatic = true;
            group_commit_start(consumer, commit);
        }
        pthread_mutex_unlock(&consumer->lock);
    }
    *wake_ms = group->auto_commit_ms < *wake_ms && group->auto_commit_ms > now_ms
                   ? group->auto_commit_ms : *wake_ms;
}

/* ---- committed offsets ---- */

static void lookup_fail(struct bnb_consumer *consumer, int16_t error_code)
{
    const struct client_config *config = consumer->config;
    consumer->group.lookup_ms = loop_monotonic_ms(client_loop(consumer->client)) +
                                config->retry_backoff_ms;
    if (error_code == KAFKA_NOT_COORDINATOR || error_code == KAFKA_COORDINATOR_NOT_AVAILABLE) {
        group_lose_coordinator(consumer);
    } else if (error_code == KAFKA_UNKNOWN_MEMBER_ID || error_code == KAFKA_STALE_MEMBER_EPOCH) {
        /* the membership hears of it with its next heartbeat */
    } else if (error_code != 0 && !kafka_error_is_retriable(error_code)) {
        pthread_mutex_lock(&consumer->lock);
        fetcher_fail(consumer, error_code, client_error_text(error_code));
        pthread_mutex_unlock(&consumer->lock);
    }
}

/* The lock is held. */
static void lookup_take(struct bnb_consumer *consumer, const struct group_lookup_item *item,
                        int64_t offset, int32_t leader_epoch)
{
    struct consumer_partition *partition = item->partition;
    if (!partition->assigned || partition->epoch != item->epoch) {
        return;
    }
    (void)leader_epoch;
    if (offset >= 0) {
        partition->reset = FETCHER_OFFSET_KNOWN;
        partition->fetch_offset = partition->position = partition->consumed = offset;
        partition->committed = offset;
        pthread_cond_broadcast(&consumer->changed);
    } else {
        fetcher_reset(consumer, partition);
    }
}

/* One answered partition; whatever version it came in. The lock is held. */
static int16_t lookup_one(struct bnb_consumer *consumer, struct string_view topic, int32_t index,
                          int64_t offset, int32_t leader_epoch, int16_t error_code)
{
    struct consumer_group *group = &consumer->group;
    for (size_t i = 0; error_code == 0 && i < group->lookup_count; i++) {
        const struct group_lookup_item *item = &group->lookup_items[i];
        if (item->partition->index == index && string_view_is(topic, item->partition->topic)) {
            lookup_take(consumer, item, offset, leader_epoch);
        }
    }
    return error_code;
}

static int16_t lookup_answer(struct bnb_consumer *consumer, const struct client_request *request)
{
    const struct offset_fetch_response *response = request->response;
    int16_t first = 0;
    if (request->version < 8) {
        for (int32_t t = 0; t < response->topics.count; t++) {
            for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
                const struct offset_fetch_response_offset_fetch_response_partition *one =
                    &response->topics.items[t].partitions.items[p];
                int16_t code = lookup_one(consumer, response->topics.items[t].name,
                                          one->partition_index, one->committed_offset,
                                          one->committed_leader_epoch, one->error_code);
                first = first != 0 ? first : code;
            }
        }
        return response->error_code != 0 ? response->error_code : first;
    }
    if (response->groups.count != 1) {
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    const struct offset_fetch_response_offset_fetch_response_group *group =
        &response->groups.items[0];
    for (int32_t t = 0; t < group->topics.count; t++) {
        for (int32_t p = 0; p < group->topics.items[t].partitions.count; p++) {
            const struct offset_fetch_response_offset_fetch_response_partitions *one =
                &group->topics.items[t].partitions.items[p];
            int16_t code = lookup_one(consumer, group->topics.items[t].name, one->partition_index,
                                      one->committed_offset, one->committed_leader_epoch,
                                      one->error_code);
            first = first != 0 ? first : code;
        }
    }
    return group->error_code != 0 ? group->error_code : first;
}

static void lookup_done(struct client_request *request)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, group.lookup);
    int16_t error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (request->error == 0) {
        pthread_mutex_lock(&consumer->lock);
        error_code = lookup_answer(consumer, request);
        pthread_mutex_unlock(&consumer->lock);
    }
    consumer->group.looking_up = false;
    if (error_code != 0) {
        lookup_fail(consumer, error_code);
    }
    fetcher_run(consumer);
}

static bool wants_lookup(const struct consumer_partition *partition)
{
    return partition->assigned && partition->reset == FETCHER_OFFSET_COMMITTED;
}

/* In the order of the consumer's partitions, whose topics are mostly together. The lock is held. */
static void lookup_gather(struct bnb_consumer *consumer)
{
    struct consumer_group *group = &consumer->group;
    group->lookup_count = 0;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        if (wants_lookup(consumer->partitions[i]) &&
            mem_grow((void **)&group->lookup_items, &group->lookup_capacity,
                     group->lookup_count + 1, sizeof *group->lookup_items) == 0) {
            group->lookup_items[group->lookup_count++] = (struct group_lookup_item){
                consumer->partitions[i], consumer->partitions[i]->epoch};
        }
    }
}

static void lookup_prepare(struct client_request *request, int16_t version)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, group.lookup);
    struct consumer_group *group = &consumer->group;
    struct offset_fetch_request *message = &group->lookup_message;
    size_t count = group->lookup_count;
    struct arena *arena = &group->lookup_arena;
    bool member = membership_is_member(&group->membership);
    offset_fetch_request_default(message);
    message->require_stable = consumer->config->read_committed && version >= 7;
    struct offset_fetch_request_offset_fetch_request_topics *topics =
        arena_array(arena, count, sizeof *topics);
    struct offset_fetch_request_offset_fetch_request_topic *old =
        arena_array(arena, count, sizeof *old);
    int32_t *indexes = arena_array(arena, count, sizeof *indexes);
    message->groups.items = arena_array(arena, 1, sizeof *message->groups.items);
    if (arena->failed) {
        return;
    }
    int32_t topics_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct string_view name = string_view_of(group->lookup_items[i].partition->topic);
        if (topics_count == 0 || !string_view_equal(topics[topics_count - 1].name, name)) {
            topics[topics_count].name = name;
            topics[topics_count].partition_indexes.items = indexes + i;
            topics_count++;
        }
        indexes[i] = group->lookup_items[i].partition->index;
        topics[topics_count - 1].partition_indexes.count++;
    }
    for (int32_t i = 0; i < topics_count; i++) {
        old[i].name = topics[i].name;
        old[i].partition_indexes.items = topics[i].partition_indexes.items;
        old[i].partition_indexes.count = topics[i].partition_indexes.count;
    }
    struct string_view group_id = string_view_of(consumer->config->group_id);
    if (version < 8) {
        message->group_id = group_id;
        message->topics.items = old;
        message->topics.count = topics_count;
        message->groups.count = 0;
        return;
    }
    message->groups.count = 1;
    message->groups.items[0].group_id = group_id;
    message->groups.items[0].member_epoch = -1;
    message->groups.items[0].member_id = (struct string_view){NULL, 0};
    if (member && consumer->config->group_protocol_consumer) {
        message->groups.items[0].member_id = membership_id(&group->membership);
        message->groups.items[0].member_epoch = group->membership.generation;
    }
    message->groups.items[0].topics.items = topics;
    message->groups.items[0].topics.count = topics_count;
}

static void lookup_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    if (group->looking_up || group->coordinator < 0) {
        return;
    }
    pthread_mutex_lock(&consumer->lock);
    lookup_gather(consumer);
    pthread_mutex_unlock(&consumer->lock);
    if (group->lookup_count == 0) {
        return;
    }
    if (now_ms < group->lookup_ms) {
        *wake_ms = group->lookup_ms < *wake_ms ? group->lookup_ms : *wake_ms;
        return;
    }
    arena_reset(&group->lookup_arena);
    group->looking_up = true;
    group->lookup = (struct client_request){
        .target = group->coordinator,
        .api_key = API_OFFSET_FETCH,
        .version_max = LOOKUP_VERSION_MAX,
        .request_row = &offset_fetch_request_row,
        .request = &group->lookup_message,
        .response_row = &offset_fetch_response_row,
        .arena = &group->lookup_arena,
        .timeout_ms = -1,
        .prepare = lookup_prepare,
        .done = lookup_done,
    };
    client_request_start(consumer->client, &group->lookup);
}

/* ---- questions ---- */

/* The lock is held. */
static void question_end(struct group_question *question, int code, const char *text)
{
    list_remove(&question->node);
    question->done = true;
    if (code != 0) {
        client_error_set(&question->error, code, "%s", text);
    }
    pthread_cond_broadcast(&question->consumer->changed);
}

/* The first error of an answer, or 0. */
static int16_t question_error(const struct offset_fetch_response *response)
{
    int16_t error_code = response->error_code;
    for (int32_t t = 0; error_code == 0 && t < response->topics.count; t++) {
        for (int32_t p = 0; error_code == 0 && p < response->topics.items[t].partitions.count;
             p++) {
            error_code = response->topics.items[t].partitions.items[p].error_code;
        }
    }
    return error_code;
}

static void question_done(struct client_request *request)
{
    struct group_question *question = CONTAINER_OF(request, struct group_question, request);
    struct bnb_consumer *consumer = question->consumer;
    const struct client_config *config = consumer->config;
    int64_t now_ms = loop_monotonic_ms(client_loop(consumer->client));
    int16_t error_code = request->error == 0 ? question_error(request->response) : 0;
    bool elsewhere = request->error != 0 || error_code == KAFKA_NOT_COORDINATOR ||
                     error_code == KAFKA_COORDINATOR_NOT_AVAILABLE;
    bool again = elsewhere || kafka_error_is_retriable(error_code);
    if (elsewhere) {
        group_lose_coordinator(consumer);
    }
    pthread_mutex_lock(&consumer->lock);
    question->sent = false;
    if (request->error == 0 && error_code == 0) {
        question_end(question, 0, "");
    } else if (again && now_ms < question->deadline_ms && !consumer->quitting) {
        question->retry_ms = now_ms + client_backoff_ms(config->retry_backoff_ms,
                                                        config->retry_backoff_max_ms,
                                                        question->failures++);
    } else if (request->error != 0) {
        question_end(question, request->error, request->message.text);
    } else {
        question_end(question, error_code, client_error_text(error_code));
    }
    pthread_mutex_unlock(&consumer->lock);
    fetcher_run(consumer);
}

static void question_send(struct group_question *question, int64_t now_ms)
{
    struct bnb_consumer *consumer = question->consumer;
    int64_t left_ms = question->deadline_ms - now_ms;
    question->request = (struct client_request){
        .target = consumer->group.coordinator,
        .api_key = API_OFFSET_FETCH,
        .version_max = QUESTION_VERSION_MAX,
        .request_row = &offset_fetch_request_row,
        .request = &question->message,
        .response_row = &offset_fetch_response_row,
        .arena = question->request.arena,
        .timeout_ms = left_ms > 0 ? left_ms : 0,
        .done = question_done,
    };
    client_request_start(consumer->client, &question->request);
}

/* The first that is due; NULL: none. What is too late ends. The lock is held. */
static struct group_question *question_due(struct bnb_consumer *consumer, int64_t now_ms,
                                           int64_t *wake_ms)
{
    LIST_FOR_EACH_SAFE(node, &consumer->group.questions) {
        struct group_question *question = CONTAINER_OF(node, struct group_question, node);
        if (question->sent) {
            continue;
        }
        if (now_ms >= question->deadline_ms) {
            question_end(question, BNB_ERROR_TIMEOUT,
                         "Timeout expired before the committed offsets were told");
            continue;
        }
        if (question->retry_ms <= now_ms && consumer->group.coordinator >= 0) {
            question->sent = true;
            return question;
        }
        int64_t due_ms = question->retry_ms > now_ms ? question->retry_ms : question->deadline_ms;
        *wake_ms = due_ms < *wake_ms ? due_ms : *wake_ms;
    }
    return NULL;
}

static void questions_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    pthread_mutex_lock(&consumer->lock);
    struct group_question *question = question_due(consumer, now_ms, wake_ms);
    pthread_mutex_unlock(&consumer->lock);
    if (question != NULL) {
        question_send(question, now_ms);
    }
}

/* ---- all of them ---- */

void group_offsets_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms)
{
    struct consumer_group *group = &consumer->group;
    auto_commit(consumer, now_ms, wake_ms);
    int16_t refusal = commit_refusal(&group->membership);
    pthread_mutex_lock(&consumer->lock);
    struct group_commit *commit = commit_due(consumer, now_ms, wake_ms);
    while (commit != NULL && refusal != 0) {
        commit_end(consumer, commit, refusal, commit_text(refusal));
        commit = commit_due(consumer, now_ms, wake_ms);
    }
    pthread_mutex_unlock(&consumer->lock);
    if (commit != NULL && group->coordinator >= 0) {
        commit_send(consumer, commit, now_ms);
    }
    lookup_run(consumer, now_ms, wake_ms);
    questions_run(consumer, now_ms, wake_ms);
}

bool group_offsets_wait(struct bnb_consumer *consumer)
{
    bool waits = false;
    pthread_mutex_lock(&consumer->lock);
    waits = !list_empty(&consumer->group.commits) || !list_empty(&consumer->group.questions);
    for (size_t i = 0; i < consumer->partition_count && !waits; i++) {
        waits = wants_lookup(consumer->partitions[i]);
    }
    pthread_mutex_unlock(&consumer->lock);
    return waits;
}

void group_offsets_quit(struct bnb_consumer *consumer)
{
    struct list *commits = &consumer->group.commits;
    while (!list_empty(commits)) {
        struct group_commit *commit = CONTAINER_OF(commits->next, struct group_commit, node);
        commit_end(consumer, commit, BNB_ERROR_CLOSED, "the client is closed");
    }
}
