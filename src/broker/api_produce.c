/* api_produce.c: Produce: each batch goes to its partition and waits there for the others. */
#include "base/assert.h"
#include "base/mem.h"
#include "broker/handlers_data.h"
#include "broker/produce_internal.h"
#include "broker/topic_config.h"

#define PRODUCE_TELLS_LEADER 10
#define ABORTABLE_VERSION 11
#define ADDS_VERSION 12

static void produce_waited(struct partition_wait *wait, int16_t error)
{
    struct produce_item *item = CONTAINER_OF(wait, struct produce_item, wait);
    metrics_add(item->base.group->shard->metrics, METRIC_PARKED_PRODUCES, -1);
    if (error != 0) {
        item->error = error;
        item->base_offset = -1;
    }
    fanout_item_done(&item->base);
}

/* Whether the item waits for the coordinator, or has failed. */
static bool produce_hold(struct produce_item *item, struct partition *partition)
{
    struct log_verification verification = {
        .producer_id = item->producer_id,
        .producer_epoch = item->producer_epoch,
        .base_sequence = item->base_sequence,
        .epoch_a_transaction = item->api_version >= ADDS_VERSION,
    };
    int64_t now_ms = loop_wall_ms(partition->shard->loop);
    item->error = kafka_error_from(
        log_verify(partition->log, &verification, now_ms, &item->guard));
    item->held = item->error == 0 && item->guard != 0;
    return item->error != 0 || item->held;
}

/* Whether the answer names the log start offset although nothing was appended. */
static bool produce_tells_start(int16_t error)
{
    switch (error) {
    case KAFKA_INVALID_RECORD:
    case KAFKA_INVALID_TIMESTAMP:
    case KAFKA_UNKNOWN_SERVER_ERROR:
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_INVALID_TXN_STATE:
        return true;
    default:
        return false;
    }
}

static void produce_run(struct fanout_item *base, struct partition *partition)
{
    struct produce_item *item = CONTAINER_OF(base, struct produce_item, base);
    item->error = partition_check_leader(partition, -1);
    if (item->error != 0) {
        if (partition != NULL) {
            item->leader = partition->leader;
            item->leader_epoch = partition->leader_epoch;
        }
        fanout_item_done(base);
        return;
    }
    if (item->verify && !item->asked && produce_hold(item, partition)) {
        fanout_item_done(base);
        return;
    }
    if (!item->acks_known) {
        item->error = KAFKA_INVALID_REQUIRED_ACKS;
        fanout_item_done(base);
        return;
    }
    struct log_append_result result;
    bool wait_needed;
    struct partition_append append = {item->data,     item->size,   item->api_version,
                                      item->acks_all, item->verify, item->guard};
    int error = partition_append(partition, &append, &result, &wait_needed);
    if (error != 0) {
        item->error = partition_fault(partition, error);
        if (result.record_error_count > 0) {
            item->refused = mem_alloc(sizeof *item->refused);
            if (item->refused != NULL) {
                *item->refused = result;
            }
        }
        item->log_start_offset = produce_tells_start(item->error) ? result.log_start_offset : -1;
    } else {
        item->base_offset = result.base_offset;
        item->log_append_time_ms = result.log_append_time_ms;
        item->log_start_offset = result.log_start_offset;
        if (wait_needed) {
            item->wait.required_offset = result.last_offset;
            item->wait.done = produce_waited;
            partition_add_wait(partition, &item->wait);
            metrics_add(partition->shard->metrics, METRIC_PARKED_PRODUCES, 1);
            return;
        }
    }
    fanout_item_done(base);
}

static void produce_respond(struct produce_work *work)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    for (size_t i = 0; i < work->item_count; i++) {
        struct produce_item *item = &work->items[i];
        struct produce_response_partition_produce_response *response = item->response;
        response->error_code = item->error;
        response->base_offset = item->error == 0 ? item->base_offset : -1;
        response->log_append_time_ms = item->error == 0 ? item->log_append_time_ms : -1;
        response->log_start_offset = item->log_start_offset;
        if (item->error == KAFKA_NOT_LEADER_OR_FOLLOWER &&
            request->header.request_api_version >= PRODUCE_TELLS_LEADER) {
            response->current_leader.leader_id = item->leader;
            response->current_leader.leader_epoch = item->leader_epoch;
        }
        if (item->error != 0) {
            metrics_add(request->shard->metrics, METRIC_FAILED_PRODUCE, 1);
            work->any_error = true;
        }
        if (item->refused != NULL) {
            produce_fill_errors(request, item);
        } else if (item->words != NULL) {
            response->error_message = arena_format(&request->arena, "%s", item->words);
        }
    }
    if (asked->acks != 0) {
        broker_respond(request, &work->response);
    } else if (work->any_error) {
        /* The only way to tell somebody who does not listen. */
        broker_respond_close(request);
    } else {
        broker_drop(request);
    }
}

/* ---- transactions ---- */

static enum transaction_support produce_support(const struct broker_request *request)
{
    int16_t version = request->header.request_api_version;
    return version >= ADDS_VERSION        ? TRANSACTION_SUPPORT_ADDS
           : version >= ABORTABLE_VERSION ? TRANSACTION_SUPPORT_ABORTABLE
                                          : TRANSACTION_SUPPORT_OLD;
}

/* What becomes of an item that the coordinator does not take: older clients try again after
 * NOT_ENOUGH_REPLICAS, and not after what they do not expect of Produce. */
static void produce_translate(struct produce_item *item, int16_t error)
{
    bool adds = item->api_version >= ADDS_VERSION;
    item->error = error;
    switch (error) {
    case KAFKA_INVALID_TXN_STATE:
        item->words = "Partition was not added to the transaction";
        break;
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        item->error = KAFKA_NOT_ENOUGH_REPLICAS;
        item->words = "Unable to verify the partition has been added to the transaction. "
                      "Underlying error: COORDINATOR_LOAD_IN_PROGRESS";
        break;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        item->error = KAFKA_NOT_ENOUGH_REPLICAS;
        item->words = "Unable to verify the partition has been added to the transaction. "
                      "Underlying error: COORDINATOR_NOT_AVAILABLE";
        break;
    case KAFKA_NOT_COORDINATOR:
        item->error = KAFKA_NOT_ENOUGH_REPLICAS;
        item->words = "Unable to verify the partition has been added to the transaction. "
                      "Underlying error: NOT_COORDINATOR";
        break;
    case KAFKA_CONCURRENT_TRANSACTIONS:
        if (!adds) {
            item->error = KAFKA_NOT_ENOUGH_REPLICAS;
            item->words = "Unable to verify the partition has been added to the transaction. "
                          "Underlying error: CONCURRENT_TRANSACTIONS";
        }
        break;
    default:
        break;
    }
}

/* The second round: those that were held, and may be written. */
static void produce_enrolled(struct transaction_enrol *enrol, const int16_t *errors)
{
    struct produce_work *work = enrol->context;
    int error = fanout_init(&work->fanout, work->fanout.request);
    ASSERT(error == 0);
    size_t held = 0;
    for (size_t i = 0; i < work->item_count; i++) {
        struct produce_item *item = &work->items[i];
        if (!item->held) {
            continue;
        }
        item->held = false;
        item->asked = true;
        if (errors[held] != 0) {
            produce_translate(item, errors[held]);
        } else {
            fanout_add(&work->fanout, &item->base);
        }
        held++;
    }
    fanout_start(&work->fanout);
}

static void produce_done(struct fanout *fanout)
{
    struct produce_work *work = CONTAINER_OF(fanout, struct produce_work, fanout);
    struct broker_request *request = fanout->request;
    int32_t held = 0;
    for (size_t i = 0; work->transactional && i < work->item_count; i++) {
        struct produce_item *item = &work->items[i];
        const struct image_topic *topic =
            item->held ? image_topic_by_id(broker_image(request), item->base.topic_id) : NULL;
        if (topic != NULL) {
            work->enrolling[held++] = (struct transaction_partition){
                arena_string(&request->arena, topic->name), item->base.partition};
        } else if (item->held) { /* it was deleted meanwhile */
            item->held = false;
            item->error = item->api_version >= PRODUCE_BY_ID_VERSION
                              ? KAFKA_UNKNOWN_TOPIC_ID
                              : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (held > 0) {
        work->enrol.done = produce_enrolled;
        work->enrol.context = work;
        transaction_enrol(&work->enrol, request, &work->producer, produce_support(request),
                          work->enrolling, held);
    } else {
        produce_respond(work);
    }
}

/* What can be said of a topic without looking at its partitions. */
static int16_t produce_check_topic(const struct broker_request *request,
                                   const struct image_topic *topic)
{
    if (topic == NULL) {
        return request->header.request_api_version >= PRODUCE_BY_ID_VERSION
                   ? KAFKA_UNKNOWN_TOPIC_ID
                   : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topic_is_internal(topic->name) &&
        !string_view_is(request->header.client_id, "__admin_client")) {
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    return 0;
}

static void produce_add_partition(struct produce_work *work, const struct image_topic *topic,
                                  int16_t topic_error, const struct produce_look *look,
                                  const struct produce_request_partition_produce_data *data,
                                  struct produce_response_partition_produce_response *response)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    *response = (struct produce_response_partition_produce_response){
        .index = data->index,
        .base_offset = -1,
        .log_append_time_ms = -1,
        .log_start_offset = -1,
        .current_leader = {-1, -1},
    };
    int16_t error = topic_error;
    if (error == 0 && (data->index < 0 || data->index >= topic->partition_count)) {
        error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (work->refused != 0) {
        error = work->refused;
        response->error_message = work->refused_words;
    }
    error = error != 0 ? error : look->error;
    bool transactional = work->transactional && look->transactional && look->producer_id >= 0;
    metrics_add(request->shard->metrics, METRIC_TOTAL_PRODUCE, 1);
    if (error != 0) {
        metrics_add(request->shard->metrics, METRIC_FAILED_PRODUCE, 1);
        response->error_code = error;
        work->any_error = true;
        return;
    }
    struct produce_item *item = &work->items[work->item_count++];
    *item = (struct produce_item){
        .base = {.topic_id = topic->id, .partition = data->index},
        .data = (uint8_t *)data->records.data, /* the frame's own bytes: patched in place */
        .size = data->records.size,
        .api_version = request->header.request_api_version,
        .acks_all = asked->acks == -1,
        .acks_known = asked->acks >= -1 && asked->acks <= 1,
        .verify = transactional && transaction_is_verified(request, produce_support(request)),
        .producer_id = look->producer_id,
        .producer_epoch = look->producer_epoch,
        .base_sequence = look->base_sequence,
        .base_offset = -1,
        .log_start_offset = -1,
        .response = response,
    };
    fanout_add(&work->fanout, &item->base);
}

static bool produce_add_topics(struct produce_work *work)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    const struct produce_look *look = work->looks;
    size_t count = asked->topic_data.count > 0 ? (size_t)asked->topic_data.count : 0;
    work->response.responses.items = arena_array(&request->arena, count,
                                                 sizeof *work->response.responses.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data.items[i];
        struct produce_response_topic_produce_response *out = &work->response.responses.items[i];
        const struct image_topic *topic = produce_topic(request, data);
        int16_t error = produce_check_topic(request, topic);
        size_t partitions = data->partition_data.count > 0 ? (size_t)data->partition_data.count
                                                           : 0;
        out->name = data->name;
        out->topic_id = data->topic_id;
        out->partition_responses.items = arena_array(&request->arena, partitions,
                                                     sizeof *out->partition_responses.items);
        if (out->partition_responses.items == NULL) {
            break;
        }
        out->partition_responses.count = (int32_t)partitions;
        for (size_t j = 0; j < partitions; j++) {
            produce_add_partition(work, topic, error, look++, &data->partition_data.items[j],
                                  &out->partition_responses.items[j]);
        }
        work->response.responses.count = (int32_t)i + 1;
    }
    return !request->arena.failed;
}

void api_produce(struct broker_request *request)
{
    struct produce_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    produce_response_default(&work->response);
    work->fanout.run = produce_run;
    work->fanout.done = produce_done;
    bool scanned = produce_scan(work);
    work->items = arena_array(&request->arena, work->look_count, sizeof *work->items);
    if (work->transactional) {
        work->enrolling = arena_array(&request->arena, work->look_count,
                                      sizeof *work->enrolling);
    }
    if (!scanned || request->arena.failed || !produce_add_topics(work)) {
        broker_respond_close(request);
        return;
    }
    fanout_start(&work->fanout);
}
