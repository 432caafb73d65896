/* produce_scan.c: what is said of a Produce before any log is looked at. */
#include "broker/produce_internal.h"
#include "log/validate.h"

const struct image_topic *produce_topic(const struct broker_request *request,
                                        const struct produce_request_topic_produce_data *data)
{
    const struct image *image = broker_image(request);
    return request->header.request_api_version >= PRODUCE_BY_ID_VERSION
               ? image_topic_by_id(image, data->topic_id)
               : image_topic_by_name(image, data->name);
}

static struct produce_look produce_look_at(struct bytes_view records, int16_t api_version)
{
    struct produce_look look = {.error = KAFKA_INVALID_RECORD,
                                .refusal = LOG_REFUSAL_WORDLESS,
                                .producer_id = -1};
    struct log_append_result result;
    struct batch batch;
    if (records.data == NULL) {
        return look;
    }
    size_t size = records.size;
    look.error = kafka_error_from(validate_framing(records.data, &size, api_version, &result));
    look.refusal = result.refusal;
    look.refused_number = result.refusal != LOG_REFUSAL_WORDLESS ? result.refused_number : 0;
    if (batch_decode(records.data, records.size, &batch) == 0) {
        look.transactional = batch_is_transactional(&batch);
        look.producer_id = batch.producer_id;
        look.producer_epoch = batch.producer_epoch;
        look.base_sequence = batch.base_sequence;
    }
    return look;
}

static bool produce_look(struct produce_work *work)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    size_t count = 0;
    for (int32_t i = 0; i < asked->topic_data.count; i++) {
        int32_t partitions = asked->topic_data.items[i].partition_data.count;
        count += partitions > 0 ? (size_t)partitions : 0;
    }
    work->looks = arena_array(&request->arena, count, sizeof *work->looks);
    if (work->looks == NULL) {
        return false;
    }
    for (int32_t i = 0; i < asked->topic_data.count; i++) {
        const struct produce_request_topic_produce_data *topic = &asked->topic_data.items[i];
        for (int32_t j = 0; j < topic->partition_data.count; j++) {
            struct records_view records = topic->partition_data.items[j].records;
            work->looks[work->look_count++] =
                produce_look_at((struct bytes_view){records.data, records.size},
                                request->header.request_api_version);
        }
    }
    return true;
}

/* Whether the request has transactional batches at all, of which the first one tells: nothing is
 * looked at behind it. A batch before it whose size or magic cannot be is the error of all. */
static void produce_scan_kind(struct produce_work *work)
{
    struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    for (size_t i = 0; i < work->look_count; i++) {
        const struct produce_look *look = &work->looks[i];
        if (look->transactional) {
            work->refused = asked->transactional_id.data == NULL
                                ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                : 0;
            return;
        }
        if (look->refusal != LOG_REFUSAL_WORDLESS) {
            work->refused = KAFKA_CORRUPT_MESSAGE;
            work->refused_words = produce_refusal_text(&request->arena, look);
            return;
        }
    }
}

/* The producer of the transactional batches among those that may be looked at. */
static void produce_scan_producer(struct produce_work *work, const struct produce_look *look)
{
    if (look->error == KAFKA_UNKNOWN_SERVER_ERROR) {
        work->refused = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (look->error != 0 || !look->transactional || look->producer_id < 0) {
        return;
    }
    if (work->transactional && (look->producer_id != work->producer.producer_id ||
                                look->producer_epoch != work->producer.producer_epoch)) {
        work->refused = KAFKA_INVALID_PRODUCER_ID_MAPPING;
        work->refused_words =
            string_view_of("Transactional records contained more than one producer ID");
    }
    work->transactional = true;
    work->producer.producer_id = look->producer_id;
    work->producer.producer_epoch = look->producer_epoch;
}

bool produce_scan(struct produce_work *work)
{
    const struct broker_request *request = work->fanout.request;
    const struct produce_request *asked = request->message;
    work->producer = (struct transaction_producer){asked->transactional_id, -1, -1};
    if (!produce_look(work)) {
        return false;
    }
    produce_scan_kind(work);
    const struct produce_look *look = work->looks;
    for (int32_t i = 0; i < asked->topic_data.count; i++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data.items[i];
        const struct image_topic *topic = produce_topic(request, data);
        for (int32_t j = 0; j < data->partition_data.count && work->refused == 0; j++, look++) {
            int32_t index = data->partition_data.items[j].index;
            if (topic != NULL && index >= 0 && index < topic->partition_count) {
                produce_scan_producer(work, look);
            }
        }
    }
    return true;
}
