/* sender_metadata.c: what the producer asks before it can send: leaders, and a producer id. */
#include "base/mem.h"
#include "client/sender.h"
#include "protocol/error.h"

#define SENDER_ARENA_BYTES ((size_t)256 << 20)

/* The lock is held. */
static void metadata_topic(struct bnb_producer *producer,
                           const struct metadata_response_metadata_response_topic *from)
{
    struct accumulator_topic *topic = NULL;
    for (size_t i = 0; i < producer->accumulator.topic_count; i++) {
        if (string_view_is(from->name, producer->accumulator.topics[i]->name)) {
            topic = producer->accumulator.topics[i];
        }
    }
    if (topic == NULL) {
        return;
    }
    topic->error_code = from->error_code;
    if (from->error_code != 0) {
        return;
    }
    topic->id = from->topic_id;
    int32_t count = 0;
    for (int32_t i = 0; i < from->partitions.count; i++) {
        int32_t index = from->partitions.items[i].partition_index;
        count = index >= count && index < INT32_MAX ? index + 1 : count;
    }
    /* A broker that claims a hole in its partitions is not believed. */
    if (count > from->partitions.count || accumulator_topic_grow(topic, count) != 0) {
        return;
    }
    for (int32_t i = 0; i < from->partitions.count; i++) {
        const struct metadata_response_metadata_response_partition *partition =
            &from->partitions.items[i];
        if (partition->partition_index >= 0) {
            topic->partitions[partition->partition_index]->leader = partition->leader_id;
        }
    }
    accumulator_topic_leaders(topic);
}

static void metadata_done(struct client_request *request)
{
    struct bnb_producer *producer = CONTAINER_OF(request, struct bnb_producer, metadata);
    int64_t now_ms = loop_monotonic_ms(client_loop(producer->client));
    bool complete = request->error == 0;
    if (request->error == 0) {
        const struct metadata_response *response = request->response;
        client_learn_brokers(producer->client, response);
        pthread_mutex_lock(&producer->lock);
        for (int32_t i = 0; i < response->topics.count; i++) {
            const struct metadata_response_metadata_response_topic *topic =
                &response->topics.items[i];
            metadata_topic(producer, topic);
            if (topic->error_code != 0) {
                complete = false;
                client_config_warn(producer->config,
                                   "[Producer clientId=%s] The metadata response from the cluster "
                                   "reported a recoverable issue: {%.*s=%s}",
                                   producer->config->client_id, (int)topic->name.size,
                                   topic->name.data, kafka_error_name(topic->error_code));
            }
            for (int32_t p = 0; p < topic->partitions.count; p++) {
                complete = complete && topic->partitions.items[p].leader_id >= 0;
            }
        }
        pthread_cond_broadcast(&producer->changed);
        pthread_mutex_unlock(&producer->lock);
    }
    producer->metadata_failures = complete ? 0 : producer->metadata_failures + 1;
    int32_t failures = producer->metadata_failures > 0 ? producer->metadata_failures - 1 : 0;
    producer->metadata_next_ms =
        now_ms + client_backoff_ms(producer->config->retry_backoff_ms,
                                   producer->config->retry_backoff_max_ms, failures);
    producer->metadata_due_ms = now_ms + producer->config->metadata_max_age_ms;
    pthread_mutex_lock(&producer->lock);
    producer->metadata_wanted = producer->metadata_wanted || !complete;
    pthread_mutex_unlock(&producer->lock);
    producer->metadata_running = false; /* not before: the response is in use until here */
    if (!producer->quitting) {
        sender_run(producer);
    }
}

void sender_ask_metadata(struct bnb_producer *producer, int64_t now_ms)
{
    (void)now_ms;
    arena_release(&producer->metadata_arena);
    arena_init(&producer->metadata_arena, SENDER_ARENA_BYTES);
    struct metadata_request *message = &producer->metadata_message;
    metadata_request_default(message);
    message->allow_auto_topic_creation = true;
    pthread_mutex_lock(&producer->lock);
    producer->metadata_wanted = false;
    size_t count = producer->accumulator.topic_count;
    message->topics.items =
        arena_array(&producer->metadata_arena, count + 1, sizeof *message->topics.items);
    for (size_t i = 0; message->topics.items != NULL && i < count; i++) {
        /* Topics are never removed, so their names live as long as the producer. */
        message->topics.items[i].name = string_view_of(producer->accumulator.topics[i]->name);
    }
    message->topics.count = message->topics.items != NULL ? (int32_t)count : 0;
    pthread_mutex_unlock(&producer->lock);
    producer->metadata_running = true;
    producer->metadata = (struct client_request){
        .target = CLIENT_NODE_ANY,
        .api_key = API_METADATA,
        .request_row = &metadata_request_row,
        .request = message,
        .response_row = &metadata_response_row,
        .arena = &producer->metadata_arena,
        .timeout_ms = -1,
        .done = metadata_done,
    };
    client_request_start(producer->client, &producer->metadata);
}

/* ---- producer id ---- */

static void id_done(struct client_request *request)
{
    struct bnb_producer *producer = CONTAINER_OF(request, struct bnb_producer, id_request);
    const struct init_producer_id_response *response = request->response;
    producer->id_running = false;
    if (request->error == 0 && response->error_code == 0) {
        producer->producer_id = response->producer_id;
        producer->producer_epoch = response->producer_epoch;
    } else {
        if (request->error == 0 && !kafka_error_is_retriable(response->error_code)) {
            client_config_warn(producer->config, "[Producer clientId=%s] no producer id: %s",
                               producer->config->client_id,
                               client_error_text(response->error_code));
        }
        producer->id_next_ms = loop_monotonic_ms(client_loop(producer->client)) +
                               producer->config->retry_backoff_ms;
    }
    if (!producer->quitting) {
        sender_run(producer);
    }
}

void sender_ask_id(struct bnb_producer *producer, int64_t now_ms)
{
    (void)now_ms;
    arena_release(&producer->id_arena);
    arena_init(&producer->id_arena, SENDER_ARENA_BYTES);
    init_producer_id_request_default(&producer->id_message);
    producer->id_message.transaction_timeout_ms = INT32_MAX;
    producer->id_message.producer_id = -1;
    producer->id_message.producer_epoch = -1;
    producer->id_message.transactional_id = (struct string_view){NULL, 0};
    producer->id_running = true;
    producer->id_request = (struct client_request){
        .target = CLIENT_NODE_ANY,
        .api_key = API_INIT_PRODUCER_ID,
        .request_row = &init_producer_id_request_row,
        .request = &producer->id_message,
        .response_row = &init_producer_id_response_row,
        .arena = &producer->id_arena,
        .timeout_ms = -1,
        .done = id_done,
    };
    client_request_start(producer->client, &producer->id_request);
}
