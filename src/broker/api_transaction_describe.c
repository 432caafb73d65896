/* DescribeTransactions, ListTransactions and DescribeProducers. */
#include "base/assert.h"
#include "base/regex.h"
#include "broker/fanout.h"
#include "broker/group_work.h"
#include "broker/handlers_transaction.h"
#include "metadata/topic_name.h"

/* ---- DescribeTransactions ---- */

static void describe_done(struct group_work *work)
{
    struct describe_transactions_response response;
    describe_transactions_response_default(&response);
    response.transaction_states.items = arena_array(
        &work->request->arena, work->count, sizeof *response.transaction_states.items);
    for (size_t i = 0; response.transaction_states.items != NULL && !work->failed &&
                       i < work->count;
         i++) {
        const struct describe_transactions_response_transaction_state *state =
            work->asks[i].call.response;
        response.transaction_states.items[i] = *state;
        response.transaction_states.count = (int32_t)i + 1;
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

void api_describe_transactions(struct broker_request *request)
{
    const struct describe_transactions_request *asked = request->message;
    size_t count = asked->transactional_ids.count > 0 ? (size_t)asked->transactional_ids.count : 0;
    struct group_work *work = group_work_make(request, count, describe_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        coordinator_ask_transaction(&work->asks[i], request, &asked->transactional_ids.items[i],
                                    asked->transactional_ids.items[i]);
        if (asked->transactional_ids.items[i].size == 0) {
            work->asks[i].error = KAFKA_INVALID_REQUEST;
        }
        group_work_prepare(work, i);
    }
    group_work_start(work);
}

/* ---- ListTransactions ---- */

static void list_done(struct group_work *work)
{
    const struct list_transactions_response *known = work->context;
    struct list_transactions_response response = *known;
    size_t count = 0;
    for (size_t i = 0; !work->failed && i < work->count; i++) {
        const struct list_transactions_response *part = work->asks[i].call.response;
        count += (size_t)part->transaction_states.count;
        response.error_code = part->error_code != 0 ? part->error_code : response.error_code;
    }
    response.transaction_states.items = arena_array(&work->request->arena, count,
                                                    sizeof *response.transaction_states.items);
    if (response.error_code != 0) {
        response.unknown_state_filters.count = 0;
    }
    for (size_t i = 0; response.transaction_states.items != NULL && response.error_code == 0 &&
                       !work->failed && i < work->count;
         i++) {
        const struct list_transactions_response *part = work->asks[i].call.response;
        if (part->transaction_states.count > 0) {
            memcpy(&response.transaction_states.items[response.transaction_states.count],
                   part->transaction_states.items,
                   (size_t)part->transaction_states.count *
                       sizeof *part->transaction_states.items);
            response.transaction_states.count += part->transaction_states.count;
        }
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

/* 0, or the error of a pattern that is none. */
static int16_t list_check(const struct list_transactions_request *asked)
{
    struct regex *regex;
    int error = asked->transactional_id_pattern.size == 0
                    ? 0
                    : regex_create(asked->transactional_id_pattern, &regex);
    if (asked->transactional_id_pattern.size > 0) {
        regex_destroy(&regex);
    }
    return error == ERR_INVALID ? KAFKA_INVALID_REGULAR_EXPRESSION : kafka_error_from(error);
}

void api_list_transactions(struct broker_request *request)
{
    const struct list_transactions_request *asked = request->message;
    const struct image_topic *topic =
        image_topic_by_name(broker_image(request), string_view_of(TRANSACTIONS_TOPIC));
    size_t count = topic == NULL ? 0 : (size_t)topic->partition_count;
    size_t states = asked->state_filters.count > 0 ? (size_t)asked->state_filters.count : 0;
    struct list_transactions_response *known = arena_alloc(&request->arena, sizeof *known);
    struct string_view *unknown = arena_array(&request->arena, states, sizeof *unknown);
    struct group_work *work =
        request->arena.failed ? NULL : group_work_make(request, count, list_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    list_transactions_response_default(known);
    known->error_code = list_check(asked);
    known->unknown_state_filters.items = unknown;
    for (size_t i = 0; i < states; i++) {
        if (!transaction_state_exists(asked->state_filters.items[i])) {
            unknown[known->unknown_state_filters.count++] = asked->state_filters.items[i];
        }
    }
    work->context = known;
    if (known->error_code != 0) {
        work->count = 0;
    }
    for (size_t i = 0; i < work->count; i++) {
        coordinator_ask_partition(&work->asks[i], request, asked, COORDINATOR_TRANSACTIONS,
                                  (int32_t)i);
        group_work_prepare(work, i);
    }
    group_work_start(work);
}

/* ---- DescribeProducers ---- */

#define PRODUCERS_ARENA_BYTES_MAX (64u << 20)

typedef struct describe_producers_response_partition_response told_partition;
typedef struct describe_producers_response_producer_state told_producer;

struct producers_item {
    struct fanout_item base;
    told_partition *told;
    struct arena arena; /* filled on the owner's shard */
};
struct producers_work {
    struct fanout fanout;
    struct producers_item *items;
    size_t count;
    struct describe_producers_response response;
};

static void producers_run(struct fanout_item *base, struct partition *partition)
{
    struct producers_item *item = CONTAINER_OF(base, struct producers_item, base);
    item->told->error_code = partition_check_leader(partition, -1);
    size_t count = item->told->error_code == 0 ? log_producer_count(partition->log) : 0;
    told_producer *told = arena_array(&item->arena, count, sizeof *told);
    for (size_t i = 0; told != NULL && i < count; i++) {
        struct log_producer producer = log_producer_at(partition->log, i);
        told[i] = (told_producer){
            .producer_id = producer.producer_id,
            .producer_epoch = producer.producer_epoch,
            .last_sequence = producer.last_sequence,
            .last_timestamp = producer.last_timestamp_ms,
            .coordinator_epoch = producer.coordinator_epoch,
            .current_txn_start_offset = producer.transaction_first_offset,
        };
    }
    item->told->active_producers.items = told;
    item->told->active_producers.count = told == NULL ? 0 : (int32_t)count;
    fanout_item_done(base);
}

/* Into the request's own memory. */
static void producers_collect(struct broker_request *request, struct producers_item *item)
{
    size_t count = (size_t)item->told->active_producers.count;
    told_producer *copy = arena_array(&request->arena, count, sizeof *copy);
    if (copy != NULL && count > 0) {
        memcpy(copy, item->told->active_producers.items, count * sizeof *copy);
    }
    item->told->active_producers.items = copy;
    request->arena.failed |= item->arena.failed;
    arena_release(&item->arena);
}

static void producers_done(struct fanout *fanout)
{
    struct producers_work *work = CONTAINER_OF(fanout, struct producers_work, fanout);
    struct broker_request *request = fanout->request;
    for (size_t i = 0; i < work->count; i++) {
        producers_collect(request, &work->items[i]);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else {
        broker_respond(request, &work->response);
    }
}

static void producers_add_topic(struct producers_work *work,
                                const struct describe_producers_request_topic_request *from,
                                struct describe_producers_response_topic_response *to)
{
    struct broker_request *request = work->fanout.request;
    const struct image_topic *topic = image_topic_by_name(broker_image(request), from->name);
    size_t count = from->partition_indexes.count > 0 ? (size_t)from->partition_indexes.count : 0;
    struct err_message message = {.text = ""};
    bool valid = topic_name_check(from->name, &message) == 0;
    to->name = from->name;
    to->partitions.items = arena_array(&request->arena, count, sizeof *to->partitions.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        int32_t index = from->partition_indexes.items[i];
        told_partition *told = &to->partitions.items[to->partitions.count++];
        *told = (told_partition){.partition_index = index};
        if (!valid) {
            told->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
            told->error_message = arena_format(&request->arena, "%s", message.text);
        } else if (topic == NULL || index < 0 || index >= topic->partition_count) {
            told->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            told->error_message =
                topic == NULL ? string_view_of("This server does not host this topic-partition.")
                              : (struct string_view){NULL, 0};
        } else {
            struct producers_item *item = &work->items[work->count++];
            item->base.topic_id = topic->id;
            item->base.partition = index;
            item->told = told;
            arena_init(&item->arena, PRODUCERS_ARENA_BYTES_MAX);
            item->arena.budget = request->arena.budget;
            fanout_add(&work->fanout, &item->base);
        }
    }
}

void api_describe_producers(struct broker_request *request)
{
    const struct describe_producers_request *asked = request->message;
    struct producers_work *work = arena_alloc(&request->arena, sizeof *work);
    size_t topics = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    size_t partitions = 0;
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < topics; i++) {
        int32_t more = asked->topics.items[i].partition_indexes.count;
        partitions += more > 0 ? (size_t)more : 0;
    }
    describe_producers_response_default(&work->response);
    work->fanout.run = producers_run;
    work->fanout.done = producers_done;
    work->items = arena_array(&request->arena, partitions, sizeof *work->items);
    work->response.topics.items =
        arena_array(&request->arena, topics, sizeof *work->response.topics.items);
    for (size_t i = 0; !request->arena.failed && i < topics; i++) {
        producers_add_topic(work, &asked->topics.items[i], &work->response.topics.items[i]);
        work->response.topics.count = (int32_t)i + 1;
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else {
        fanout_start(&work->fanout);
    }
}
