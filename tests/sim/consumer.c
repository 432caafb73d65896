#include <inttypes.h>

#include "actors.h"
#include "base/assert.h"
#include "protocol/error.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

#define CONSUMER_THINK_MAX_MS 40
#define CONSUMER_WAIT_MAX_MS 300
#define FETCH_VERSION_BY_ID 17
#define FETCH_BYTES_MAX 4096
#define PLAIN_BYTES_MAX (1 << 20)

static void read_batch(struct model *model, int32_t topic, int32_t partition, int64_t position,
                       const struct batch *batch)
{
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    enum batch_codec codec = (enum batch_codec)(batch->attributes & BATCH_CODEC_MASK);
    struct record_iter iter;
    struct record record;
    struct writer plain;
    writer_init(&plain, PLAIN_BYTES_MAX);
    if (codec != BATCH_CODEC_NONE) {
        if (decompress_append(codec, records, &plain) != 0) {
            sim_fail(model->sim, "%s-%d: a batch that cannot be unpacked at %" PRId64,
                     model->topics[topic].name, partition, batch->base_offset);
        }
        records = (struct bytes_view){plain.data, plain.size};
    }
    record_iter_init(&iter, batch, records);
    while (record_iter_next(&iter, &record) == 1) {
        uint64_t value = 0;
        struct bytes_view id = record.key;
        struct record_header header;
        if (record_iter_next_header(&iter, &header) == 1) {
            id = header.value;
        }
        if (id.size == sizeof value) {
            memcpy(&value, id.data, sizeof value);
        }
        if (record.offset >= position) {
            model_read(model, topic, partition, record.offset, value);
        }
    }
    writer_release(&plain);
}

int64_t actors_read_records(struct model *model, int32_t topic, int32_t partition,
                            int64_t position, struct records_view records)
{
    const uint8_t *data = records.data;
    size_t left = records.size;
    const char *name = model->topics[topic].name;
    while (left > 0 && !model->sim->failed) {
        struct batch batch;
        int64_t size = batch_view_size(data, left);
        if (size <= 0 || (size_t)size > left) {
            return position; /* the last one may be cut */
        }
        if (batch_decode(data, left, &batch) != 0 || !batch_crc_holds(data, &batch)) {
            sim_fail(model->sim, "%s-%d: a batch with a wrong CRC at %" PRId64, name, partition,
                     position);
            return position;
        }
        if (batch.base_offset > position && !model->topics[topic].compacted) {
            sim_fail(model->sim, "%s-%d: a hole from %" PRId64 " to %" PRId64, name, partition,
                     position, batch.base_offset);
            return position;
        }
        read_batch(model, topic, partition, position, &batch);
        position = batch_last_offset(&batch) + 1;
        data += size;
        left -= (size_t)size;
    }
    return position;
}

void actors_ask_fetch(struct peer *peer, struct model *model, int32_t topic, int32_t partition,
                      int64_t position, int32_t max_wait_ms)
{
    struct fetch_request request;
    struct fetch_request_fetch_topic fetched;
    struct fetch_request_fetch_partition at;
    fetch_request_default(&request);
    fetched = (struct fetch_request_fetch_topic){0};
    at = (struct fetch_request_fetch_partition){0};
    at.partition = partition;
    at.fetch_offset = position;
    at.current_leader_epoch = at.last_fetched_epoch = -1;
    at.log_start_offset = -1;
    at.high_watermark = INT64_MAX;
    at.partition_max_bytes = 1 + (int32_t)sim_below(model->sim, FETCH_BYTES_MAX);
    fetched.topic = string_view_of(model->topics[topic].name);
    fetched.topic_id = model->topics[topic].id;
    fetched.partitions.items = &at;
    fetched.partitions.count = 1;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.session_epoch = -1;
    request.topics.items = &fetched;
    request.topics.count = 1;
    peer_ask(peer, FETCH_REQUEST_KEY, FETCH_VERSION_BY_ID, &request, true);
}

const struct fetch_response_partition_data *actors_fetched(const struct fetch_response *response)
{
    return response->error_code == 0 && response->responses.count == 1 &&
                   response->responses.items[0].partitions.count == 1
               ? &response->responses.items[0].partitions.items[0]
               : NULL;
}

static void consumer_think_later(struct consumer *consumer, int64_t delay_ms)
{
    if (!consumer->think_set) {
        consumer->think_set = true;
        sim_schedule(consumer->model->sim, &consumer->think, delay_ms);
    }
}

static void consumer_think(struct sim_event *event)
{
    struct consumer *consumer = CONTAINER_OF(event, struct consumer, think);
    struct model *model = consumer->model;
    consumer->think_set = false;
    if (!peer_is_connected(&consumer->peer) || consumer->peer.asked_count > 0) {
        return;
    }
    int32_t topic = (int32_t)sim_below(model->sim, MODEL_TOPICS);
    if (model->topics[topic].state != TOPIC_EXISTS) {
        consumer_think_later(consumer, (int64_t)sim_below(model->sim, CONSUMER_THINK_MAX_MS));
        return;
    }
    if (consumer->generations[topic] != model->topics[topic].generation) {
        consumer->generations[topic] = model->topics[topic].generation;
        memset(consumer->positions[topic], 0, sizeof consumer->positions[topic]);
        memset(consumer->high_watermarks[topic], 0, sizeof consumer->high_watermarks[topic]);
    }
    consumer->topic = topic;
    consumer->partition = (int32_t)sim_below(model->sim, MODEL_PARTITIONS);
    actors_ask_fetch(&consumer->peer, model, topic, consumer->partition,
                     consumer->positions[topic][consumer->partition],
                     (int32_t)sim_below(model->sim, CONSUMER_WAIT_MAX_MS));
}

static void consumer_take(struct consumer *consumer,
                          const struct fetch_response_partition_data *data)
{
    struct model *model = consumer->model;
    int64_t *position = &consumer->positions[consumer->topic][consumer->partition];
    int64_t *high_watermark = &consumer->high_watermarks[consumer->topic][consumer->partition];
    switch (data->error_code) {
    case 0:
        if (data->high_watermark < *high_watermark) {
            sim_fail(model->sim, "%s: the high watermark went back from %" PRId64 " to %" PRId64,
                     consumer->peer.name, *high_watermark, data->high_watermark);
        }
        *high_watermark = data->high_watermark;
        model_see_high_watermark(model, consumer->topic, consumer->partition,
                                 data->high_watermark);
        *position = actors_read_records(model, consumer->topic, consumer->partition, *position,
                                        data->records);
        if (*position > data->high_watermark) {
            sim_fail(model->sim, "%s: read up to %" PRId64 ", beyond the high watermark %" PRId64,
                     consumer->peer.name, *position, data->high_watermark);
        }
        break;
    case KAFKA_OFFSET_OUT_OF_RANGE:
        *position = data->log_start_offset > *position ? data->log_start_offset : 0;
        break;
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        break;
    default:
        if (!model->sim->starved || data->error_code != KAFKA_UNKNOWN_SERVER_ERROR) {
            sim_fail(model->sim, "%s: error %d", consumer->peer.name, data->error_code);
        }
    }
}

static void consumer_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct consumer *consumer = CONTAINER_OF(peer, struct consumer, peer);
    (void)api_key;
    const struct fetch_response_partition_data *data = actors_fetched(message);
    int32_t topic = consumer->topic;
    if (data != NULL &&
        consumer->generations[topic] == consumer->model->topics[topic].generation) {
        consumer_take(consumer, data);
    }
    consumer_think_later(consumer, (int64_t)sim_below(consumer->model->sim, CONSUMER_THINK_MAX_MS));
}

static void consumer_connected(struct peer *peer)
{
    struct consumer *consumer = CONTAINER_OF(peer, struct consumer, peer);
    /* Answers of different connections may overtake each other. */
    memset(consumer->high_watermarks, 0, sizeof consumer->high_watermarks);
    consumer_think_later(consumer, 1);
}

static void consumer_lost(struct peer *peer) { (void)peer; }

void consumer_init(struct consumer *consumer, struct net *net, struct model *model,
                   const char *name)
{
    *consumer = (struct consumer){.model = model};
    peer_init(&consumer->peer, net, model->sim, name);
    consumer->peer.connected = consumer_connected;
    consumer->peer.lost = consumer_lost;
    consumer->peer.answered = consumer_answered;
    consumer->think.run = consumer_think;
}

void consumer_release(struct consumer *consumer)
{
    consumer_stop(consumer);
    peer_release(&consumer->peer);
}

void consumer_start(struct consumer *consumer)
{
    /* What was read may be gone after a loss of power: read it all again. */
    memset(consumer->positions, 0, sizeof consumer->positions);
    peer_start(&consumer->peer);
}

void consumer_stop(struct consumer *consumer)
{
    if (consumer->think_set) {
        sim_cancel(&consumer->think);
        consumer->think_set = false;
    }
    peer_stop(&consumer->peer);
}
