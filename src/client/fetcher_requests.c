/* fetcher_requests.c: fetches, offsets and metadata of a consumer: built, and taken in. */
#include <stdio.h>

#include "base/mem.h"
#include "client/fetcher.h"
#include "protocol/error.h"

#define METADATA_ARENA_BYTES ((size_t)256 << 20)

/* ---- metadata ---- */

static const struct metadata_response_metadata_response_partition *
metadata_find(const struct metadata_response_metadata_response_topic *topic, int32_t index)
{
    for (int32_t i = 0; i < topic->partitions.count; i++) {
        if (topic->partitions.items[i].partition_index == index) {
            return &topic->partitions.items[i];
        }
    }
    return NULL;
}

/* The lock is held. */
static void metadata_topic(struct bnb_consumer *consumer,
                           const struct metadata_response_metadata_response_topic *topic)
{
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct consumer_partition *partition = consumer->partitions[i];
        if (!partition->assigned || !string_view_is(topic->name, partition->topic)) {
            continue;
        }
        const struct metadata_response_metadata_response_partition *found =
            metadata_find(topic, partition->index);
        if (topic->error_code == KAFKA_TOPIC_AUTHORIZATION_FAILED ||
            topic->error_code == KAFKA_INVALID_TOPIC_EXCEPTION) {
            fetcher_fail(consumer, topic->error_code, client_error_text(topic->error_code));
        }
        bool same_topic = uuid_equal(partition->topic_id, topic->topic_id);
        /* A broker that lags behind would send us back to a leader of the past. */
        if (found == NULL || (same_topic && found->leader_epoch < partition->leader_epoch)) {
            continue;
        }
        partition->topic_id = topic->topic_id;
        partition->leader = found->leader_id;
        partition->leader_epoch = found->leader_epoch;
    }
}

static void metadata_done(struct client_request *request)
{
    struct bnb_consumer *consumer = CONTAINER_OF(request, struct bnb_consumer, metadata);
    int64_t now_ms = loop_monotonic_ms(client_loop(consumer->client));
    consumer->metadata_next_ms = now_ms + consumer->config->retry_backoff_ms;
    consumer->metadata_due_ms = now_ms + consumer->config->metadata_max_age_ms;
    if (request->error == 0) {
        /* Before the lock: a broker that has moved is disconnected, and its requests come back. */
        client_learn_brokers(consumer->client, request->response);
        group_learn_topics(consumer, request->response);
    }
    pthread_mutex_lock(&consumer->lock);
    if (request->error != 0) {
        consumer->metadata_wanted = true;
    } else {
        const struct metadata_response *response = request->response;
        for (int32_t i = 0; i < response->topics.count; i++) {
            const struct metadata_response_metadata_response_topic *topic =
                &response->topics.items[i];
            metadata_topic(consumer, topic);
            if (topic->error_code != 0) {
                client_config_warn(consumer->config,
                                   "[Consumer clientId=%s] The metadata response from the cluster "
                                   "reported a recoverable issue: {%.*s=%s}",
                                   consumer->config->client_id, (int)topic->name.size,
                                   topic->name.data, kafka_error_name(topic->error_code));
            }
        }
    }
    pthread_mutex_unlock(&consumer->lock);
    consumer->metadata_running = false; /* not before: the response is in use until here */
    fetcher_run(consumer);
}

static void metadata_name(struct metadata_request *message, struct string_view name)
{
    for (int32_t t = message->topics.count; t-- > 0;) {
        if (string_view_equal(message->topics.items[t].name, name)) {
            return;
        }
    }
    message->topics.items[message->topics.count++].name = name;
}

/* Topics of assigned partitions, and those that the group wants to know of. The lock is held. */
static void metadata_names(struct bnb_consumer *consumer, struct metadata_request *message)
{
    size_t wanted_count;
    const struct string_view *wanted =
        membership_topics(&consumer->group.membership, &wanted_count);
    message->topics.items =
        arena_array(&consumer->metadata_arena, consumer->partition_count + wanted_count + 1,
                    sizeof *message->topics.items);
    if (message->topics.items == NULL) {
        return;
    }
    for (size_t i = 0; i < consumer->partition_count; i++) {
        if (consumer->partitions[i]->assigned) {
            metadata_name(message, string_view_of(consumer->partitions[i]->topic));
        }
    }
    for (size_t i = 0; i < wanted_count; i++) {
        metadata_name(message, arena_string(&consumer->metadata_arena, wanted[i]));
    }
}

void fetcher_ask_metadata(struct bnb_consumer *consumer)
{
    arena_release(&consumer->metadata_arena);
    arena_init(&consumer->metadata_arena, METADATA_ARENA_BYTES);
    struct metadata_request *message = &consumer->metadata_message;
    metadata_request_default(message);
    message->allow_auto_topic_creation = consumer->config->allow_auto_create_topics;
    pthread_mutex_lock(&consumer->lock);
    consumer->metadata_wanted = false;
    consumer->group.topics_all =
        consumer->group.subscribed && consumer->group.expression.data != NULL;
    if (consumer->group.topics_all) {
        message->topics.count = -1;
    } else {
        metadata_names(consumer, message);
    }
    pthread_mutex_unlock(&consumer->lock);
    consumer->metadata_running = true;
    consumer->metadata = (struct client_request){
        .target = CLIENT_NODE_ANY,
        .api_key = API_METADATA,
        .request_row = &metadata_request_row,
        .request = message,
        .response_row = &metadata_response_row,
        .arena = &consumer->metadata_arena,
        .timeout_ms = -1,
        .done = metadata_done,
    };
    client_request_start(consumer->client, &consumer->metadata);
}

/* ---- what both kinds of request share ---- */

static struct fetcher_item *ask_find(struct fetcher_ask *ask, struct string_view name,
                                     struct uuid id, int32_t index)
{
    for (size_t i = 0; i < ask->count; i++) {
        const struct consumer_partition *partition = ask->items[i].partition;
        bool same = name.size > 0 ? string_view_is(name, partition->topic)
                                  : uuid_equal(id, partition->topic_id);
        if (same && partition->index == index) {
            return &ask->items[i];
        }
    }
    return NULL;
}

/* Whether the answer is about what the application still wants. */
static bool item_is_current(const struct fetcher_item *item)
{
    return item->partition->assigned && item->partition->epoch == item->epoch;
}

static void ask_finish(struct fetcher_ask *ask)
{
    struct bnb_consumer *consumer = ask->consumer;
    pthread_mutex_lock(&consumer->lock);
    for (size_t i = 0; i < ask->count; i++) {
        ask->items[i].partition->asking = false;
        if (ask->request.error != 0) {
            fetcher_retry_later(consumer, ask->items[i].partition, true);
        }
    }
    if (ask->request.error == ERR_UNSUPPORTED || ask->request.error == ERR_NOMEM ||
        ask->request.error == ERR_INVALID) {
        fetcher_fail(consumer, ask->request.error, ask->request.message.text);
    }
    pthread_mutex_unlock(&consumer->lock);
    mem_free(ask->request.frame);
    fetcher_ask_free(ask);
    fetcher_run(consumer);
}

/* ---- offsets ---- */

/* The lock is held. */
static void offsets_take(struct bnb_consumer *consumer, struct fetcher_item *item,
                         const struct list_offsets_response_list_offsets_partition_response *one)
{
    if (!item_is_current(item)) {
        return;
    }
    if (one->error_code != 0) {
        if (!kafka_error_is_retriable(one->error_code)) {
            fetcher_fail(consumer, one->error_code, client_error_text(one->error_code));
        }
        fetcher_retry_later(consumer, item->partition, true);
        return;
    }
    if (one->offset < 0) { /* nothing is as new as that */
        item->partition->reset = BNB_OFFSET_END;
        return;
    }
    item->partition->reset = FETCHER_OFFSET_KNOWN;
    item->partition->fetch_offset = one->offset;
    item->partition->position = one->offset;
    pthread_cond_broadcast(&consumer->changed);
}

static void offsets_done(struct client_request *request)
{
    struct fetcher_ask *ask = CONTAINER_OF(request, struct fetcher_ask, request);
    const struct list_offsets_response *response = request->response;
    struct uuid none = {{0}};
    pthread_mutex_lock(&ask->consumer->lock);
    for (int32_t t = 0; request->error == 0 && t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            const struct list_offsets_response_list_offsets_partition_response *one =
                &response->topics.items[t].partitions.items[p];
            struct fetcher_item *item =
                ask_find(ask, response->topics.items[t].name, none, one->partition_index);
            if (item != NULL) {
                offsets_take(ask->consumer, item, one);
            }
        }
    }
    pthread_mutex_unlock(&ask->consumer->lock);
    ask_finish(ask);
}

void fetcher_start_offsets(struct fetcher_ask *ask)
{
    const struct client_config *config = ask->consumer->config;
    struct list_offsets_request *message = &ask->message.list;
    int64_t now_ms = loop_wall_ms(client_loop(ask->consumer->client));
    /* Below 0 there are names of offsets, and no times. */
    int64_t long_ago_ms =
        config->reset_duration_ms < now_ms ? now_ms - config->reset_duration_ms : 0;
    list_offsets_request_default(message);
    message->replica_id = -1;
    message->isolation_level = config->read_committed ? 1 : 0;
    message->timeout_ms = (int32_t)config->request_timeout_ms;
    message->topics.items = arena_array(&ask->arena, ask->count, sizeof *message->topics.items);
    struct list_offsets_request_list_offsets_partition *partitions =
        arena_array(&ask->arena, ask->count, sizeof *partitions);
    for (size_t i = 0; message->topics.items != NULL && partitions != NULL && i < ask->count; i++) {
        const struct consumer_partition *partition = ask->items[i].partition;
        struct list_offsets_request_list_offsets_topic *topic = &message->topics.items[i];
        partitions[i].partition_index = partition->index;
        partitions[i].current_leader_epoch = -1;
        partitions[i].timestamp =
            ask->items[i].asked == CLIENT_RESET_DURATION ? long_ago_ms : ask->items[i].asked;
        topic->name = string_view_of(partition->topic);
        topic->partitions.items = &partitions[i];
        topic->partitions.count = 1;
        message->topics.count++;
    }
    ask->request = (struct client_request){
        .target = ask->node_id,
        .api_key = API_LIST_OFFSETS,
        .version_min = 1,
        .request_row = &list_offsets_request_row,
        .request = message,
        .response_row = &list_offsets_response_row,
        .arena = &ask->arena,
        .timeout_ms = -1,
        .done = offsets_done,
    };
    client_request_start(ask->consumer->client, &ask->request);
}

/* ---- fetch ---- */

/* The lock is held. */
static void fetch_out_of_range(struct bnb_consumer *consumer, const struct fetcher_item *item)
{
    struct consumer_partition *partition = item->partition;
    if (partition->ahead_count > 0) {
        partition->drains = true;
        return;
    }
    if (consumer->config->reset_policy == BNB_OFFSET_RESET_POLICY) {
        char text[256];
        snprintf(text, sizeof text,
                 "Fetch position %lld is out of range for partition %s-%d, raising error to the "
                 "application since no reset policy is configured",
                 (long long)item->asked, partition->topic, partition->index);
        fetcher_fail(consumer, KAFKA_OFFSET_OUT_OF_RANGE, text);
        fetcher_retry_later(consumer, partition, false);
        return;
    }
    partition->reset = consumer->config->reset_policy;
}

/* Queues the records of one partition. The lock is held. */
static void fetch_queue(struct bnb_consumer *consumer, struct fetcher_item *item,
                        const struct fetch_response_partition_data *data,
                        struct fetch_frame *frame)
{
    struct consumer_partition *partition = item->partition;
    struct bytes_view records = {data->records.data, data->records.size};
    int64_t end = fetched_end(records, item->asked);
    int32_t aborted_count = data->aborted_transactions.count > 0 ? data->aborted_transactions.count
                                                                 : 0;
    struct fetch_part *part = mem_calloc(1, sizeof *part);
    struct fetched_aborted *aborted =
        arena_array(&frame->arena, (size_t)aborted_count + 1, sizeof *aborted);
    if (part == NULL || aborted == NULL) {
        mem_free(part);
        fetcher_fail(consumer, BNB_ERROR_NO_MEMORY, "out of memory");
        return;
    }
    for (int32_t i = 0; i < aborted_count; i++) {
        aborted[i].producer_id = data->aborted_transactions.items[i].producer_id;
        aborted[i].first_offset = data->aborted_transactions.items[i].first_offset;
    }
    part->partition = partition;
    part->epoch = item->epoch;
    part->frame = frame;
    part->records = records;
    part->aborted = aborted;
    part->aborted_count = aborted_count;
    frame->references++;
    list_push_back(&consumer->queue, &part->node);
    partition->ahead_count++;
    partition->fetch_offset = end;
    pthread_cond_broadcast(&consumer->changed);
}

/* The lock is held. */
static void fetch_take(struct bnb_consumer *consumer, struct fetcher_item *item,
                       const struct fetch_response_partition_data *data,
                       struct fetch_frame *frame)
{
    if (!item_is_current(item)) {
        return;
    }
    if (data->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        fetch_out_of_range(consumer, item);
    } else if (data->error_code != 0) {
        if (!kafka_error_is_retriable(data->error_code)) {
            fetcher_fail(consumer, data->error_code, client_error_text(data->error_code));
        }
        fetcher_retry_later(consumer, item->partition, true);
    } else {
        item->partition->end_offset = consumer->config->read_committed ? data->last_stable_offset
                                                                       : data->high_watermark;
        if (data->records.size > 0) {
            fetch_queue(consumer, item, data, frame);
        }
    }
}

static void fetch_take_all(struct fetcher_ask *ask, struct fetch_frame *frame)
{
    const struct fetch_response *response = ask->request.response;
    if (response->error_code != 0) {
        for (size_t i = 0; i < ask->count; i++) {
            fetcher_retry_later(ask->consumer, ask->items[i].partition, true);
        }
        return;
    }
    for (int32_t t = 0; t < response->responses.count; t++) {
        const struct fetch_response_fetchable_topic_response *topic = &response->responses.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            struct fetcher_item *item = ask_find(ask, topic->topic, topic->topic_id,
                                                 topic->partitions.items[p].partition_index);
            if (item != NULL) {
                fetch_take(ask->consumer, item, &topic->partitions.items[p], frame);
            }
        }
    }
}

static void fetch_done(struct client_request *request)
{
    struct fetcher_ask *ask = CONTAINER_OF(request, struct fetcher_ask, request);
    struct bnb_consumer *consumer = ask->consumer;
    struct fetch_frame *frame = request->error == 0 ? mem_calloc(1, sizeof *frame) : NULL;
    if (frame != NULL) {
        arena_init(&frame->arena, METADATA_ARENA_BYTES);
        pthread_mutex_lock(&consumer->lock);
        frame->references = 1;
        frame->data = request->frame;
        frame->size = request->frame_size;
        request->frame = NULL;
        fetch_take_all(ask, frame);
        fetch_frame_unref(consumer, frame);
        pthread_mutex_unlock(&consumer->lock);
    }
    ask_finish(ask);
}

/* Adjacent partitions of one topic share an entry. */
static void fetch_fill(struct fetcher_ask *ask, int16_t *version_max)
{
    const struct client_config *config = ask->consumer->config;
    struct fetch_request *message = &ask->message.fetch;
    fetch_request_default(message);
    message->replica_id = -1;
    message->max_wait_ms = (int32_t)config->fetch_max_wait_ms;
    message->min_bytes = (int32_t)config->fetch_min_bytes;
    message->max_bytes = (int32_t)config->fetch_max_bytes;
    message->isolation_level = config->read_committed ? 1 : 0;
    message->session_epoch = -1; /* no session */
    message->rack_id = string_view_of(config->client_rack);
    message->topics.items = arena_array(&ask->arena, ask->count, sizeof *message->topics.items);
    struct fetch_request_fetch_partition *partitions =
        arena_array(&ask->arena, ask->count, sizeof *partitions);
    struct fetch_request_fetch_topic *entry = NULL;
    for (size_t i = 0; message->topics.items != NULL && partitions != NULL && i < ask->count; i++) {
        const struct consumer_partition *partition = ask->items[i].partition;
        if (entry == NULL || !string_view_is(entry->topic, partition->topic)) {
            entry = &message->topics.items[message->topics.count++];
            entry->topic = string_view_of(partition->topic);
            entry->topic_id = partition->topic_id;
            entry->partitions.items = &partitions[i];
            if (uuid_is_zero(partition->topic_id)) {
                *version_max = 12; /* later ones name topics by id */
            }
        }
        entry->partitions.count++;
        partitions[i] = (struct fetch_request_fetch_partition){
            .partition = partition->index,
            .current_leader_epoch = partition->leader_epoch,
            .fetch_offset = ask->items[i].asked,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = (int32_t)config->max_partition_fetch_bytes,
            .high_watermark = INT64_MAX, /* the schema's default: not told */
        };
    }
}

void fetcher_start_fetch(struct fetcher_ask *ask)
{
    int16_t version_max = 0;
    /* Leader and offset of a partition that is being asked about do not change but by seek, whose
     * epoch tells; reading them here without the lock would still be a race. */
    pthread_mutex_lock(&ask->consumer->lock);
    fetch_fill(ask, &version_max);
    pthread_mutex_unlock(&ask->consumer->lock);
    ask->request = (struct client_request){
        .target = ask->node_id,
        .api_key = API_FETCH,
        .version_min = 4,
        .version_max = version_max,
        .request_row = &fetch_request_row,
        .request = &ask->message.fetch,
        .response_row = &fetch_response_row,
        .arena = &ask->arena,
        .timeout_ms = -1,
        .keep_frame = true,
        .done = fetch_done,
    };
    client_request_start(ask->consumer->client, &ask->request);
}
