/* produce_errors.c: words about records and batches that were refused. */
#include "base/mem.h"
#include "broker/produce_internal.h"

#define SHOWN_RECORD_ERRORS 3

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

struct string_view produce_refusal_text(struct arena *arena, const struct produce_look *look)
{
    switch (look->refusal) {
    case LOG_REFUSAL_WORDLESS:
        break;
    case LOG_REFUSAL_SIZE:
        return arena_format(arena,
                            "Record size %d is less than the minimum record overhead (14)",
                            look->refused_number);
    case LOG_REFUSAL_MAGIC:
        return arena_format(arena, "Invalid magic found in record: %d", look->refused_number);
    }
    return (struct string_view){NULL, 0};
}

void produce_fill_errors(struct broker_request *request, struct produce_item *item)
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
