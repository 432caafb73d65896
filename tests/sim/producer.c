#include <inttypes.h>
#include <stdio.h>

#include "actors.h"
#include "base/assert.h"
#include "base/mem.h"
#include "io/system.h"
#include "protocol/error.h"
#include "protocol/record/batch.h"

#define PRODUCER_THINK_MAX_MS 60
#define PRODUCER_RETRY_MS 100
#define PRODUCER_PADDING_MAX 200
#define PRODUCE_VERSION_BY_ID 13
#define PRODUCE_VERSION_BY_NAME 12
#define PRODUCER_NAME_BYTES 16

static void producer_build(const struct producer *producer, const struct producer_batch *batch,
                           struct writer *writer)
{
    static const uint8_t padding[PRODUCER_PADDING_MAX];
    struct batch header = batch_header_empty(0);
    if (producer->idempotent) {
        header.producer_id = producer->producer_id;
        header.producer_epoch = producer->producer_epoch;
        header.base_sequence = batch->base_sequence;
    }
    header.base_timestamp_ms = io_wall_ms();
    struct batch_builder builder;
    batch_builder_init(&builder, writer, &header);
    bool compacted = producer->model->topics[batch->topic].compacted;
    for (int32_t i = 0; i < batch->record_count; i++) {
        const uint8_t key = (uint8_t)('a' + model_key(batch->values[i]));
        const struct record_header id = {
            string_view_of("id"),
            {(const uint8_t *)&batch->values[i], sizeof batch->values[i]}};
        /* The size depends on the value alone, so that a batch sent again is the same. */
        size_t padding_bytes = (size_t)(batch->values[i] * 31 % PRODUCER_PADDING_MAX);
        struct record record = {
            .offset = i,
            .timestamp_ms = header.base_timestamp_ms,
            .key = {(const uint8_t *)&batch->values[i], sizeof batch->values[i]},
            .value = {padding, padding_bytes},
        };
        if (compacted) {
            record.key = (struct bytes_view){&key, 1};
            record.headers = &id;
            record.header_count = 1;
            if (model_is_tombstone(batch->values[i])) {
                record.value = (struct bytes_view){NULL, 0};
            }
        }
        batch_builder_add(&builder, &record);
    }
    int error = batch_builder_finish(&builder);
    ASSERT(error == 0);
}

static void producer_send(struct producer *producer, const struct producer_batch *batch)
{
    struct model_topic *topic = &producer->model->topics[batch->topic];
    struct writer writer;
    writer_init(&writer, 1 << 20);
    producer_build(producer, batch, &writer);
    struct produce_request_partition_produce_data partition = {
        .index = batch->partition, .records = {.data = writer.data, .size = writer.size}};
    struct produce_request_topic_produce_data data;
    data = (struct produce_request_topic_produce_data){0};
    bool by_name = batch->topic < MODEL_TOPICS_PERMANENT && producer->index % 2 == 1;
    data.name = string_view_of(topic->name);
    data.topic_id = topic->id;
    data.partition_data.items = &partition;
    data.partition_data.count = 1;
    struct produce_request request;
    produce_request_default(&request);
    request.acks = batch->acks;
    request.timeout_ms = 30000;
    request.topic_data.items = &data;
    request.topic_data.count = 1;
    sim_note(producer->model->sim, "%s sends %d to %s-%d, sequence %d, first %" PRIx64,
             producer->peer.name, batch->record_count, topic->name, batch->partition,
             batch->base_sequence, batch->values[0]);
    peer_ask(&producer->peer, PRODUCE_REQUEST_KEY,
             by_name ? PRODUCE_VERSION_BY_NAME : PRODUCE_VERSION_BY_ID, &request,
             batch->acks != 0);
    writer_release(&writer);
}

static void producer_think_later(struct producer *producer, int64_t delay_ms)
{
    if (!producer->think_set) {
        producer->think_set = true;
        sim_schedule(producer->model->sim, &producer->think, delay_ms);
    }
}

static void producer_ask_id(struct producer *producer)
{
    struct init_producer_id_request request;
    init_producer_id_request_default(&request);
    request.transaction_timeout_ms = 60000;
    producer->producer_id = -1;
    producer->batch_count = 0;
    producer->gap_allowed = false;
    memset(producer->next_sequence, 0, sizeof producer->next_sequence);
    peer_ask(&producer->peer, INIT_PRODUCER_ID_REQUEST_KEY, 5, &request, true);
}

/* Which partition to send to: an existing topic, or -1. */
static int32_t producer_choose_topic(const struct producer *producer)
{
    int32_t chosen = (int32_t)sim_below(producer->model->sim, MODEL_TOPICS);
    return producer->model->topics[chosen].state == TOPIC_EXISTS ? chosen : -1;
}

static void producer_new_batch(struct producer *producer)
{
    struct sim *sim = producer->model->sim;
    int32_t topic = producer_choose_topic(producer);
    if (topic < 0) {
        return;
    }
    struct producer_batch *batch = &producer->batches[producer->batch_count];
    *batch = (struct producer_batch){
        .topic = topic,
        .partition = (int32_t)sim_below(sim, MODEL_PARTITIONS),
        .generation = producer->model->topics[topic].generation,
        .record_count = 1 + (int32_t)sim_below(sim, PRODUCER_RECORDS_MAX),
        .acks = producer->idempotent || sim_chance(sim, 50) ? -1 : sim_chance(sim, 90) ? 1 : 0,
    };
    int32_t *sequence = &producer->next_sequence[topic][batch->partition];
    batch->base_sequence = *sequence;
    *sequence += batch->record_count;
    for (int32_t i = 0; i < batch->record_count; i++) {
        batch->values[i] = model_send(producer->model, producer->index, topic, batch->partition);
    }
    producer_send(producer, batch);
    producer->batch_count += batch->acks != 0;
}

static void producer_think(struct sim_event *event)
{
    struct producer *producer = CONTAINER_OF(event, struct producer, think);
    producer->think_set = false;
    if (!peer_is_connected(&producer->peer) || producer->resting) {
        return;
    }
    bool ready = !producer->idempotent || producer->producer_id >= 0;
    if (ready && producer->batch_count < PRODUCER_BATCHES_MAX) {
        producer_new_batch(producer);
    }
    producer_think_later(producer,
                         (int64_t)sim_below(producer->model->sim, PRODUCER_THINK_MAX_MS));
}

static void producer_connected(struct peer *peer)
{
    struct producer *producer = CONTAINER_OF(peer, struct producer, peer);
    if (!producer->idempotent) {
        producer->batch_count = 0; /* what became of them is never known */
    } else if (producer->producer_id < 0) {
        producer_ask_id(producer);
    } else {
        for (size_t i = 0; i < producer->batch_count; i++) {
            producer_send(producer, &producer->batches[i]);
        }
    }
    producer_think_later(producer, 1);
}

static void producer_lost(struct peer *peer) { (void)peer; }

static void producer_acknowledged(struct producer *producer, const struct producer_batch *batch,
                                  int64_t base_offset)
{
    struct model *model = producer->model;
    for (int32_t i = 0; i < batch->record_count; i++) {
        model_acknowledge(model, batch->topic, batch->partition, base_offset + i,
                          batch->values[i]);
    }
    producer->acknowledged += (size_t)batch->record_count;
}

/* Whether the topic that the batch was for has changed hands since. */
static bool producer_topic_moved(const struct producer *producer,
                                 const struct producer_batch *batch)
{
    const struct model_topic *topic = &producer->model->topics[batch->topic];
    return topic->generation != batch->generation || topic->state != TOPIC_EXISTS;
}

static void producer_refused(struct producer *producer, const struct producer_batch *batch,
                             int16_t error)
{
    struct sim *sim = producer->model->sim;
    switch (error) {
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        /* A replica that there was no memory for is made a little later. */
        if (!producer_topic_moved(producer, batch) && !sim->short_of_memory) {
            sim_fail(sim, "%s: %s is not known", producer->peer.name,
                     producer->model->topics[batch->topic].name);
        }
        break;
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
        if (!producer->gap_allowed && !producer_topic_moved(producer, batch)) {
            sim_fail(sim, "%s: out of order at sequence %d, but nothing was lost",
                     producer->peer.name, batch->base_sequence);
        }
        break;
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        break; /* a failed disk, or its end */
    case KAFKA_INVALID_TIMESTAMP:
        if (sim->wall_offset_ms == 0) {
            sim_fail(sim, "%s: a timestamp out of bounds", producer->peer.name);
        }
        break; /* the clock jumped between sending and appending */
    default:
        if (!sim->starved || error != KAFKA_UNKNOWN_SERVER_ERROR) {
            sim_fail(sim, "%s: error %d", producer->peer.name, error);
        }
    }
    /* An idempotent producer must not go on behind a batch that is missing. */
    if (producer->idempotent) {
        producer->producer_id = -1;
        peer_stop(&producer->peer);
        peer_start(&producer->peer);
    }
}

static void producer_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct producer *producer = CONTAINER_OF(peer, struct producer, peer);
    if (api_key == INIT_PRODUCER_ID_REQUEST_KEY) {
        const struct init_producer_id_response *response = message;
        if (response->error_code != 0) {
            peer_stop(peer);
            peer_start(peer);
            return;
        }
        producer->producer_id = response->producer_id;
        producer->producer_epoch = response->producer_epoch;
        return;
    }
    const struct produce_response *response = message;
    if (response->responses.count != 1 ||
        response->responses.items[0].partition_responses.count != 1 ||
        producer->batch_count == 0) {
        sim_fail(producer->model->sim, "%s: an answer of another shape", peer->name);
        return;
    }
    struct producer_batch batch = producer->batches[0];
    memmove(producer->batches, producer->batches + 1,
            --producer->batch_count * sizeof *producer->batches);
    const struct produce_response_partition_produce_response *partition =
        &response->responses.items[0].partition_responses.items[0];
    sim_note(producer->model->sim, "%s hears %d, offset %" PRId64, peer->name,
             partition->error_code, partition->base_offset);
    if (partition->error_code != 0) {
        producer_refused(producer, &batch, partition->error_code);
    } else if (producer->model->topics[batch.topic].generation == batch.generation) {
        producer_acknowledged(producer, &batch, partition->base_offset);
    }
}

void producer_init(struct producer *producer, struct net *net, struct model *model, int32_t index)
{
    static const char *const names[MODEL_PRODUCERS] = {"producer-0", "producer-1", "producer-2",
                                                       "producer-3"};
    *producer = (struct producer){.model = model,
                                  .index = index,
                                  .idempotent = model->producers[index].idempotent,
                                  .producer_id = -1};
    peer_init(&producer->peer, net, model->sim, names[index]);
    producer->peer.connected = producer_connected;
    producer->peer.lost = producer_lost;
    producer->peer.answered = producer_answered;
    producer->think.run = producer_think;
}

void producer_release(struct producer *producer)
{
    producer_stop(producer);
    peer_release(&producer->peer);
}

void producer_start(struct producer *producer) { peer_start(&producer->peer); }

void producer_stop(struct producer *producer)
{
    if (producer->think_set) {
        sim_cancel(&producer->think);
        producer->think_set = false;
    }
    peer_stop(&producer->peer);
}
