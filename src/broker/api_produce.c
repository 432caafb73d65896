#include "base/assert.h"
#include "base/mem.h"
#include "broker/fanout.h"
#include "broker/handlers_data.h"
#include "broker/topic_config.h"
#include "broker/transaction_enrol.h"
#include "log/validate.h"

#define PRODUCE_TELLS_LEADER 10
#define PRODUCE_BY_ID_VERSION 13
#define ABORTABLE_VERSION 11
#define ADDS_VERSION 12
#define SHOWN_RECORD_ERRORS 3

/* One partition of a request. */
struct produce_item {
    struct fanout_item base;
    struct partition_wait wait;
    uint8_t *data;
    size_t size;
    int16_t api_version;
    bool acks_all;
    bool acks_known;
    bool verify;   /* it is transactional, and its transaction is asked for */
    bool asked;    /* the coordinator has agreed */
    bool held;     /* it is to be asked, for what guard is of */
    uint64_t guard;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int16_t error;
    const char *words; /* about error, or NULL */
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    int32_t leader;
    int32_t leader_epoch;
    struct log_append_result *refused; /* why, when there is more to say; mem_free */
    struct produce_response_partition_produce_response *response;
};
struct produce_work {
    struct fanout fanout;
    struct produce_item *items;
    size_t item_count;
    struct produce_response response;
    bool any_error;
    int16_t refused; /* 0, or the error of the whole request, with words about it */
    struct string_view refused_words;
    bool transactional; /* there are batches of producer in it */
    struct transaction_producer producer;
    struct transaction_enrol enrol;
    struct transaction_partition *enrolling; /* those that are held, in their order */
};

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

static struct string_view produce_record_text(struct arena *arena, const struct produce_item *item,
                                              struct string_view topic,
                                              const struct log_record_error *error)
{
    switch (error->fault) {
    case LOG_RECORD_WITHOUT_KEY:
        return arena_format(arena,
                            "Compacted topic cannot accept message without key in topic partition "
                            "%.*s-%d",
                            (int)topic.size, topic.data, item->base.partition);
    case LOG_RECORD_TIMESTAMP:
        return arena_format(arena,
                            "Timestamp %lld of message with offset %d is out of range. The "
                            "timestamp should be within [%lld, %lld]",
                            (long long)error->timestamp_ms, error->batch_index,
                            (long long)item->refused->timestamps_from_ms,
                            (long long)item->refused->timestamps_to_ms);
    case LOG_RECORD_APPEND_TIME:
        return string_view_of("Invalid timestamp type: producers set CreateTime");
    }
    return (struct string_view){NULL, 0};
}

/* The errors of single records in one sentence, with the first three. */
static struct string_view produce_summary(struct arena *arena, const struct produce_item *item,
                                          const struct produce_response_partition_produce_response
                                              *response)
{
    if (item->error == KAFKA_INVALID_TIMESTAMP) {
        return string_view_of("One or more records have been rejected due to invalid timestamp");
    }
    struct string_view list = string_view_of("");
    for (int32_t i = 0; i < response->record_errors.count && i < SHOWN_RECORD_ERRORS; i++) {
        struct string_view text = response->record_errors.items[i].batch_index_error_message;
        list = arena_format(arena, "%.*s%sRecordError(batchIndex=%d, message='%.*s')",
                            (int)list.size, list.data, i == 0 ? "" : ", ",
                            response->record_errors.items[i].batch_index, (int)text.size,
                            text.data);
    }
    return arena_format(arena,
                        "One or more records have been rejected due to %d record errors in total, "
                        "and only showing the first three errors at most: [%.*s]",
                        item->refused->record_error_count, (int)list.size, list.data);
}

static struct string_view produce_refusal_text(struct arena *arena,
                                               const struct log_append_result *refused)
{
    switch (refused->refusal) {
    case LOG_REFUSAL_WORDLESS:
        break;
    case LOG_REFUSAL_SIZE:
        return arena_format(arena,
                            "Record size %d is less than the minimum record overhead (14)",
                            refused->refused_number);
    case LOG_REFUSAL_MAGIC:
        return arena_format(arena, "Invalid magic found in record: %d", refused->refused_number);
    }
    return (struct string_view){NULL, 0};
}

static void produce_fill_errors(struct broker_request *request, struct produce_item *item)
{
    struct produce_response_partition_produce_response *response = item->response;
    const struct log_append_result *refused = item->refused;
    struct arena *arena = &request->arena;
    int32_t count = refused->record_error_count < LOG_RECORD_ERRORS_MAX
                        ? refused->record_error_count
                        : LOG_RECORD_ERRORS_MAX;
    const struct image_topic *topic =
        image_topic_by_id(broker_image(request), item->base.topic_id);
    struct string_view name = topic == NULL ? string_view_of("") : topic->name;
    response->record_errors.items =
        arena_array(arena, (size_t)count, sizeof *response->record_errors.items);
    for (int32_t i = 0; response->record_errors.items != NULL && i < count; i++) {
        response->record_errors.items[i] = (struct produce_response_batch_index_and_error_message){
            refused->record_errors[i].batch_index,
            produce_record_text(arena, item, name, &refused->record_errors[i])};
        response->record_errors.count = i + 1;
    }
    if (count > 0) {
        response->error_message = produce_summary(arena, item, response);
    }
    mem_free(item->refused);
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

static const struct image_topic *produce_topic(
    const struct broker_request *request, const struct produce_request_topic_produce_data *data)
{
    const struct image *image = broker_image(request);
    return request->header.request_api_version >= PRODUCE_BY_ID_VERSION
               ? image_topic_by_id(image, data->topic_id)
               : image_topic_by_name(image, data->name);
}

static bool produce_is_transactional(const struct produce_request_partition_produce_data *data,
                                     struct batch *batch)
{
    return data->records.data != NULL &&
           batch_decode(data->records.data, data->records.size, batch) == 0 &&
           batch_is_transactional(batch);
}

/* Whether the request has transactional batches at all, of which the first one tells: nothing is
 * looked at behind it. A batch before it whose size or magic cannot be is the error of all. */
static void produce_scan_kind(struct produce_work *work)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    for (int32_t i = 0; i < asked->topic_data.count; i++) {
        const struct produce_request_topic_produce_data *topic = &asked->topic_data.items[i];
        for (int32_t j = 0; j < topic->partition_data.count; j++) {
            const struct produce_request_partition_produce_data *data =
                &topic->partition_data.items[j];
            struct batch batch;
            if (produce_is_transactional(data, &batch)) {
                work->refused = asked->transactional_id.data == NULL
                                    ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                    : 0;
                return;
            }
            struct log_append_result result;
            size_t size = data->records.size;
            if (data->records.data != NULL &&
                validate_framing(data->records.data, &size,
                                 request->header.request_api_version, &result) != 0 &&
                result.refusal != LOG_REFUSAL_WORDLESS) {
                work->refused = KAFKA_CORRUPT_MESSAGE;
                work->refused_words = produce_refusal_text(&request->arena, &result);
                return;
            }
        }
    }
}

/* The producer of the transactional batches among those that may be looked at. */
static void produce_scan_producer(struct produce_work *work,
                                  const struct produce_request_partition_produce_data *data)
{
    struct log_append_result result;
    struct batch batch;
    size_t size = data->records.size;
    int error = data->records.data == NULL
                    ? 0
                    : validate_framing(data->records.data, &size,
                                       work->fanout.request->header.request_api_version, &result);
    if (kafka_error_from(error) == KAFKA_UNKNOWN_SERVER_ERROR) {
        work->refused = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (error != 0 || !produce_is_transactional(data, &batch) || batch.producer_id < 0) {
        return;
    }
    if (work->transactional && (batch.producer_id != work->producer.producer_id ||
                                batch.producer_epoch != work->producer.producer_epoch)) {
        work->refused = KAFKA_INVALID_PRODUCER_ID_MAPPING;
        work->refused_words =
            string_view_of("Transactional records contained more than one producer ID");
    }
    work->transactional = true;
    work->producer.producer_id = batch.producer_id;
    work->producer.producer_epoch = batch.producer_epoch;
}

/* What can be said of the whole request before any partition is looked at. */
static void produce_scan(struct produce_work *work)
{
    const struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    work->producer = (struct transaction_producer){asked->transactional_id, -1, -1};
    produce_scan_kind(work);
    for (int32_t i = 0; i < asked->topic_data.count && work->refused == 0; i++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data.items[i];
        const struct image_topic *topic = produce_topic(request, data);
        for (int32_t j = 0; topic != NULL && j < data->partition_data.count && work->refused == 0;
             j++) {
            int32_t index = data->partition_data.items[j].index;
            if (index >= 0 && index < topic->partition_count) {
                produce_scan_producer(work, &data->partition_data.items[j]);
            }
        }
    }
}

static size_t produce_partition_count(const struct produce_request *asked)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->topic_data.count; i++) {
        int32_t partitions = asked->topic_data.items[i].partition_data.count;
        count += partitions > 0 ? (size_t)partitions : 0;
    }
    return count;
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
                                  int16_t topic_error,
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
    struct log_append_result result;
    size_t size = data->records.size;
    if (error == 0) {
        error = data->records.data == NULL
                    ? KAFKA_INVALID_RECORD
                    : kafka_error_from(validate_framing(data->records.data, &size,
                                                        request->header.request_api_version,
                                                        &result));
    }
    struct batch batch = {.producer_id = -1};
    bool transactional = error == 0 && work->transactional &&
                         batch_decode(data->records.data, data->records.size, &batch) == 0 &&
                         batch_is_transactional(&batch) && batch.producer_id >= 0;
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
        .producer_id = batch.producer_id,
        .producer_epoch = batch.producer_epoch,
        .base_sequence = batch.base_sequence,
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
            produce_add_partition(work, topic, error, &data->partition_data.items[j],
                                  &out->partition_responses.items[j]);
        }
        work->response.responses.count = (int32_t)i + 1;
    }
    return !request->arena.failed;
}

void api_produce(struct broker_request *request)
{
    const struct produce_request *asked = request->message;
    struct produce_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    produce_response_default(&work->response);
    work->fanout.run = produce_run;
    work->fanout.done = produce_done;
    size_t count = produce_partition_count(asked);
    produce_scan(work);
    work->items = arena_array(&request->arena, count, sizeof *work->items);
    if (work->transactional) {
        work->enrolling = arena_array(&request->arena, count, sizeof *work->enrolling);
    }
    if (request->arena.failed || !produce_add_topics(work)) {
        broker_respond_close(request);
        return;
    }
    fanout_start(&work->fanout);
}
