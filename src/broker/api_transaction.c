/* InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn and EndTxn: what a coordinator of
 * transactions decides, and what is known before. */
#include <stdlib.h>

#include "base/assert.h"
#include "broker/broker.h"
#include "broker/group_work.h"
#include "broker/handlers_transaction.h"
#include "broker/producer_ids.h"
#include "broker/topic_config.h"

#define VERSION_OF_BROKERS 4    /* of AddPartitionsToTxn: several transactions in one */
#define VERSION_WITH_FENCED 2   /* of AddPartitionsToTxn and AddOffsetsToTxn */
#define VERSION_WITH_BUMP 5     /* of EndTxn: an epoch a transaction */
#define EPOCH_EXHAUSTED (INT16_MAX - 1)

/* ---- InitProducerId and EndTxn: may need a new producer id ---- */

struct decide_work {
    struct coordinator_ask ask;
    struct producer_id_wait wait;
    int64_t producer_id; /* that was taken for it; -1: none */
};

static void decide_done(struct coordinator_ask *ask)
{
    struct decide_work *work = CONTAINER_OF(ask, struct decide_work, ask);
    struct broker_request *request = ask->request;
    if (work->producer_id >= 0 && ask->call.new_producer_id == work->producer_id) {
        producer_id_give_back(request->shard, work->producer_id);
    }
    if (ask->call.response == NULL) {
        broker_respond_close(request);
    } else {
        broker_respond(request, ask->call.response);
    }
}

/* error: what is wrong wherever the id is coordinated, or 0. */
static void decide_ask(struct decide_work *work, struct broker_request *request,
                       struct string_view transactional_id, int16_t error)
{
    coordinator_ask_transaction(&work->ask, request, request->message, transactional_id);
    work->ask.call.new_producer_id = work->producer_id;
    work->ask.done = decide_done;
    work->ask.error = error;
    coordinator_ask(&work->ask);
}

static void init_respond(struct broker_request *request, int16_t error, int64_t producer_id)
{
    struct init_producer_id_response response;
    init_producer_id_response_default(&response);
    response.error_code = error;
    response.producer_id = error == 0 ? producer_id : -1;
    response.producer_epoch = error == 0 ? 0 : -1;
    broker_respond(request, &response);
}

static void init_with_id(struct producer_id_wait *wait, int16_t error, int64_t producer_id)
{
    struct decide_work *work = CONTAINER_OF(wait, struct decide_work, wait);
    struct broker_request *request = wait->request;
    const struct init_producer_id_request *asked = request->message;
    if (error != 0 || asked->transactional_id.data == NULL) {
        init_respond(request, error, producer_id); /* an idempotent producer: nobody else has it */
        return;
    }
    work->producer_id = producer_id;
    decide_ask(work, request, asked->transactional_id, 0);
}

void api_init_producer_id(struct broker_request *request)
{
    const struct init_producer_id_request *asked = request->message;
    struct decide_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    if ((asked->producer_id == -1) != (asked->producer_epoch == -1)) {
        init_respond(request, KAFKA_INVALID_REQUEST, -1);
        return;
    }
    const struct config *config = broker_config(request);
    int16_t error = asked->transactional_id.data == NULL
                        ? 0
                        : transaction_check_init(
                              asked, config_int(config, "transaction.max.timeout.ms"),
                              config_boolean(config, "transaction.two.phase.commit.enable"));
    if (error != 0) {
        work->producer_id = -1;
        decide_ask(work, request, asked->transactional_id, error);
        return;
    }
    work->wait.request = request;
    work->wait.done = init_with_id;
    producer_id_take(&work->wait);
}

static void end_with_id(struct producer_id_wait *wait, int16_t error, int64_t producer_id)
{
    struct decide_work *work = CONTAINER_OF(wait, struct decide_work, wait);
    const struct end_txn_request *asked = wait->request->message;
    /* Without one the coordinator says that the client shall come again. */
    work->producer_id = error == 0 ? producer_id : -1;
    decide_ask(work, wait->request, asked->transactional_id, 0);
}

void api_end_txn(struct broker_request *request)
{
    const struct end_txn_request *asked = request->message;
    struct decide_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    work->producer_id = -1;
    bool nameless = asked->transactional_id.size == 0;
    if (!nameless && request->header.request_api_version >= VERSION_WITH_BUMP &&
        asked->producer_epoch >= EPOCH_EXHAUSTED) {
        work->wait.request = request;
        work->wait.done = end_with_id;
        producer_id_take(&work->wait);
    } else {
        decide_ask(work, request, asked->transactional_id,
                   nameless ? KAFKA_INVALID_REQUEST : 0);
    }
}

/* ---- AddPartitionsToTxn ---- */

typedef struct add_partitions_to_txn_request_add_partitions_to_txn_transaction add_asked;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_result add_result;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result add_topic;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_partition_result add_partition;

/* One transaction of the request: its partitions in order, each once. */
struct add_part {
    const add_asked *asked;
    struct transaction_add add;
    struct transaction_partition *partitions;
    int16_t *errors; /* NULL: they are in the answer */
    int32_t ask;     /* index; -1: none is needed */
};
struct add_work {
    struct add_part *parts;
    size_t count;
};

static bool add_collect(struct broker_request *request, struct add_part *part)
{
    const add_asked *asked = part->asked;
    size_t room = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        room += asked->topics.items[i].partitions.count > 0
                    ? (size_t)asked->topics.items[i].partitions.count
                    : 0;
    }
    part->partitions = arena_array(&request->arena, room, sizeof *part->partitions);
    size_t count = 0;
    for (int32_t i = 0; part->partitions != NULL && i < asked->topics.count; i++) {
        for (int32_t j = 0; j < asked->topics.items[i].partitions.count; j++) {
            part->partitions[count++] = (struct transaction_partition){
                asked->topics.items[i].name, asked->topics.items[i].partitions.items[j]};
        }
    }
    if (part->partitions == NULL) {
        return false;
    }
    if (count > 1) {
        qsort(part->partitions, count, sizeof *part->partitions, transaction_partition_order);
    }
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        const struct transaction_partition *partition = &part->partitions[i];
        if (i == 0 ||
            transaction_partition_order(&part->partitions[different - 1], partition) != 0) {
            part->partitions[different++] = *partition;
        }
    }
    part->add = (struct transaction_add){
        .transactional_id = asked->transactional_id,
        .producer_id = asked->producer_id,
        .producer_epoch = asked->producer_epoch,
        .verify_only = asked->verify_only,
        .version = request->header.request_api_version >= VERSION_OF_BROKERS
                       ? TRANSACTION_VERSION_BUMPED
                       : 0,
        .partitions = part->partitions,
        .count = (int32_t)different,
    };
    return true;
}

/* One partition that cannot be in a transaction keeps all of them out. */
static bool add_check(struct broker_request *request, struct add_part *part)
{
    const struct image *image = broker_image(request);
    bool from_client = request->header.request_api_version < VERSION_OF_BROKERS;
    bool any = false;
    part->errors = arena_array(&request->arena, (size_t)part->add.count + 1,
                               sizeof *part->errors);
    for (int32_t i = 0; part->errors != NULL && i < part->add.count; i++) {
        const struct transaction_partition *partition = &part->partitions[i];
        const struct image_topic *topic = image_topic_by_name(image, partition->topic);
        bool is_there = topic != NULL && partition->partition >= 0 &&
                        partition->partition < topic->partition_count;
        /* Only the coordinator itself brings internal topics into a transaction. */
        bool forbidden = from_client && topic_is_internal(partition->topic);
        part->errors[i] = forbidden   ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                          : !is_there ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                      : 0;
        any |= part->errors[i] != 0;
    }
    for (int32_t i = 0; any && part->errors != NULL && i < part->add.count; i++) {
        if (part->errors[i] == 0) {
            part->errors[i] = KAFKA_OPERATION_NOT_ATTEMPTED;
        }
    }
    if (part->errors != NULL && !any) {
        part->errors = NULL;
        return true;
    }
    return false;
}

static int16_t add_error(const struct broker_request *request, int16_t error)
{
    return error == KAFKA_PRODUCER_FENCED &&
                   request->header.request_api_version < VERSION_WITH_FENCED
               ? KAFKA_INVALID_PRODUCER_EPOCH
               : error;
}

/* Each partition by itself, in order. */
static void add_tell_each(struct broker_request *request, const struct add_part *part,
                          const int16_t *errors, int16_t error, add_result *out)
{
    size_t count = (size_t)part->add.count;
    out->topic_results.items =
        arena_array(&request->arena, count, sizeof *out->topic_results.items);
    add_partition *partitions = arena_array(&request->arena, count, sizeof *partitions);
    add_topic *topic = NULL;
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        const struct transaction_partition *partition = &part->partitions[i];
        if (topic == NULL || !string_view_equal(topic->name, partition->topic)) {
            topic = &out->topic_results.items[out->topic_results.count++];
            topic->name = partition->topic;
            topic->results_by_partition.items = &partitions[i];
        }
        partitions[i] = (add_partition){
            partition->partition, add_error(request, errors != NULL ? errors[i] : error)};
        topic->results_by_partition.count++;
    }
}

/* The same of all: the request as it was, whatever it repeats. */
static void add_tell_all(struct broker_request *request, const struct add_part *part,
                         int16_t error, add_result *out)
{
    size_t topics = part->asked->topics.count > 0 ? (size_t)part->asked->topics.count : 0;
    out->topic_results.items =
        arena_array(&request->arena, topics, sizeof *out->topic_results.items);
    for (size_t i = 0; !request->arena.failed && i < topics; i++) {
        int32_t count = part->asked->topics.items[i].partitions.count;
        add_topic *topic = &out->topic_results.items[out->topic_results.count++];
        topic->name = part->asked->topics.items[i].name;
        topic->results_by_partition.items =
            arena_array(&request->arena, count > 0 ? (size_t)count : 0, sizeof(add_partition));
        for (int32_t j = 0; topic->results_by_partition.items != NULL && j < count; j++) {
            topic->results_by_partition.items[j] =
                (add_partition){part->asked->topics.items[i].partitions.items[j],
                                add_error(request, error)};
            topic->results_by_partition.count = j + 1;
        }
    }
}

static void add_tell(struct broker_request *request, const struct add_part *part,
                     const struct transaction_added *added, add_result *out)
{
    out->transactional_id = part->add.transactional_id;
    if (part->errors != NULL) {
        add_tell_each(request, part, part->errors, 0, out);
    } else if (part->add.verify_only) {
        add_tell_each(request, part, added->error == 0 ? added->errors : NULL, added->error, out);
    } else {
        add_tell_all(request, part, added->error, out);
    }
}

static void add_done(struct group_work *group)
{
    struct broker_request *request = group->request;
    const struct add_work *work = group->context;
    struct add_partitions_to_txn_response response;
    add_partitions_to_txn_response_default(&response);
    add_result *results = arena_array(&request->arena, work->count, sizeof *results);
    for (size_t i = 0; results != NULL && !group->failed && i < work->count; i++) {
        const struct add_part *part = &work->parts[i];
        add_tell(request, part,
                 part->ask < 0 ? NULL : group->asks[part->ask].call.response, &results[i]);
    }
    if (request->header.request_api_version < VERSION_OF_BROKERS) {
        if (results != NULL && work->count > 0) {
            response.results_by_topic_v3_and_below.items = results[0].topic_results.items;
            response.results_by_topic_v3_and_below.count = results[0].topic_results.count;
        }
    } else {
        response.results_by_transaction.items = results;
        response.results_by_transaction.count = (int32_t)work->count;
    }
    group_work_respond(group, group->failed ? NULL : &response);
}

/* Its transactions, whatever the version calls them; false: no memory. */
static bool add_normalise(struct broker_request *request, struct add_work *work)
{
    const struct add_partitions_to_txn_request *asked = request->message;
    bool several = request->header.request_api_version >= VERSION_OF_BROKERS;
    work->count = !several                        ? 1
                  : asked->transactions.count > 0 ? (size_t)asked->transactions.count
                                                  : 0;
    work->parts = arena_array(&request->arena, work->count, sizeof *work->parts);
    add_asked *single = arena_alloc(&request->arena, sizeof *single);
    if (request->arena.failed) {
        return false;
    }
    *single = (add_asked){.transactional_id = asked->v3_and_below_transactional_id,
                          .producer_id = asked->v3_and_below_producer_id,
                          .producer_epoch = asked->v3_and_below_producer_epoch};
    single->topics.items = asked->v3_and_below_topics.items;
    single->topics.count = asked->v3_and_below_topics.count;
    for (size_t i = 0; i < work->count; i++) {
        work->parts[i].asked = several ? &asked->transactions.items[i] : single;
        work->parts[i].ask = -1;
        if (!add_collect(request, &work->parts[i])) {
            return false;
        }
    }
    return true;
}

void api_add_partitions_to_txn(struct broker_request *request)
{
    struct add_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || !add_normalise(request, work)) {
        broker_respond_close(request);
        return;
    }
    int32_t asks = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (add_check(request, &work->parts[i])) {
            work->parts[i].ask = asks++;
        }
    }
    struct group_work *group = group_work_make(request, (size_t)asks, add_done);
    if (group == NULL || request->arena.failed) {
        if (group != NULL) {
            group_work_free(group);
        }
        broker_respond_close(request);
        return;
    }
    group->context = work;
    for (size_t i = 0; i < work->count; i++) {
        const struct add_part *part = &work->parts[i];
        if (part->ask >= 0) {
            coordinator_ask_transaction(&group->asks[part->ask], request, &part->add,
                                        part->add.transactional_id);
            if (part->add.transactional_id.size == 0) {
                group->asks[part->ask].error = KAFKA_INVALID_REQUEST;
            }
            group_work_prepare(group, (size_t)part->ask);
        }
    }
    group_work_start(group);
}

/* ---- AddOffsetsToTxn: the partition of a group's offsets ---- */

struct offsets_work {
    struct coordinator_ask ask;
    struct transaction_partition partition;
    struct transaction_add add;
};

static void add_offsets_done(struct coordinator_ask *ask)
{
    struct broker_request *request = ask->request;
    const struct transaction_added *added = ask->call.response;
    if (added == NULL) {
        broker_respond_close(request);
        return;
    }
    struct add_offsets_to_txn_response response;
    add_offsets_to_txn_response_default(&response);
    response.error_code = added->error == KAFKA_PRODUCER_FENCED &&
                                  request->header.request_api_version < VERSION_WITH_FENCED
                              ? KAFKA_INVALID_PRODUCER_EPOCH
                              : added->error;
    broker_respond(request, &response);
}

void api_add_offsets_to_txn(struct broker_request *request)
{
    const struct add_offsets_to_txn_request *asked = request->message;
    struct offsets_work *work = arena_alloc(&request->arena, sizeof *work);
    const struct image_topic *topic =
        image_topic_by_name(broker_image(request), string_view_of(OFFSETS_TOPIC));
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    int32_t count = topic != NULL ? topic->partition_count
                                  : config_int(broker_config(request),
                                               "offsets.topic.num.partitions");
    work->partition = (struct transaction_partition){
        string_view_of(OFFSETS_TOPIC), coordinator_partition_of(asked->group_id, count)};
    work->add = (struct transaction_add){
        .transactional_id = asked->transactional_id,
        .producer_id = asked->producer_id,
        .producer_epoch = asked->producer_epoch,
        .partitions = &work->partition,
        .count = 1,
    };
    coordinator_ask_transaction(&work->ask, request, &work->add, asked->transactional_id);
    work->ask.call.api_key = API_ADD_PARTITIONS_TO_TXN;
    work->ask.done = add_offsets_done;
    work->ask.error = asked->transactional_id.size == 0 ? KAFKA_INVALID_REQUEST : 0;
    coordinator_ask(&work->ask);
}
