/* TxnOffsetCommit: which topics there are is known here; that the transaction is open the
 * coordinator of transactions says, unless the offsets' partition knows already; the rest the
 * coordinator of the group. */
#include "base/assert.h"
#include "broker/coordinator_internal.h"
#include "broker/handlers_transaction.h"
#include "broker/transaction_enrol.h"

#define ABORTABLE_VERSION 4
#define ADDS_VERSION 5
#define VERSION_WITH_LOADING 2 /* before it clients break on COORDINATOR_LOAD_IN_PROGRESS */

typedef struct txn_offset_commit_request_txn_offset_commit_request_topic asked_topic;
typedef struct txn_offset_commit_response_txn_offset_commit_response_topic told_topic;
typedef struct txn_offset_commit_response_txn_offset_commit_response_partition told_partition;

struct commit_work {
    struct coordinator_ask ask;
    struct transaction_enrol enrol;
    struct transaction_partition partition; /* of __consumer_offsets */
    struct txn_offset_commit_request known; /* what the coordinator is asked */
    struct txn_offset_commit_response response; /* first what is unknown */
    bool asked;
    uint64_t guard;
};

static enum transaction_support commit_support(const struct broker_request *request)
{
    int16_t version = request->header.request_api_version;
    return version >= ADDS_VERSION        ? TRANSACTION_SUPPORT_ADDS
           : version >= ABORTABLE_VERSION ? TRANSACTION_SUPPORT_ABORTABLE
                                          : TRANSACTION_SUPPORT_OLD;
}

/* ---- the answer ---- */

/* The topic of the response, with room for so many more partitions; NULL: no memory. */
static told_topic *response_topic(struct commit_work *work, struct broker_request *request,
                                  struct string_view name, size_t partitions)
{
    for (int32_t i = 0; i < work->response.topics.count; i++) {
        told_topic *topic = &work->response.topics.items[i];
        if (!string_view_equal(topic->name, name)) {
            continue;
        }
        told_partition *more = arena_array(
            &request->arena, (size_t)topic->partitions.count + partitions, sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        memcpy(more, topic->partitions.items, (size_t)topic->partitions.count * sizeof *more);
        topic->partitions.items = more;
        return topic;
    }
    told_topic *topic = &work->response.topics.items[work->response.topics.count];
    *topic = (told_topic){.name = name};
    topic->partitions.items = arena_array(&request->arena, partitions, sizeof(told_partition));
    if (topic->partitions.items == NULL) {
        return NULL;
    }
    work->response.topics.count++;
    return topic;
}

static int16_t told_error(const struct broker_request *request, int16_t error)
{
    return error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS &&
                   request->header.request_api_version < VERSION_WITH_LOADING
               ? KAFKA_COORDINATOR_NOT_AVAILABLE
               : error;
}

static void commit_respond(struct commit_work *work, struct broker_request *request,
                           const struct txn_offset_commit_response *answer)
{
    for (int32_t i = 0; answer != NULL && i < answer->topics.count; i++) {
        const told_topic *from = &answer->topics.items[i];
        told_topic *to =
            response_topic(work, request, from->name, (size_t)from->partitions.count);
        for (int32_t j = 0; to != NULL && j < from->partitions.count; j++) {
            to->partitions.items[to->partitions.count++] = (told_partition){
                from->partitions.items[j].partition_index,
                told_error(request, from->partitions.items[j].error_code)};
        }
    }
    if (answer == NULL || request->arena.failed) {
        broker_respond_close(request);
    } else {
        broker_respond(request, &work->response);
    }
}

static void commit_refuse(struct commit_work *work, int16_t error)
{
    group_call_refuse(&work->ask.call, error);
    commit_respond(work, work->ask.request, work->ask.call.response);
}

/* ---- the question ---- */

/* Sorts the partitions of a topic: those that are there are for the coordinator. */
static void commit_sort(struct commit_work *work, struct broker_request *request,
                        const asked_topic *asked)
{
    const struct image_topic *topic = image_topic_by_name(broker_image(request), asked->name);
    size_t count = asked->partitions.count > 0 ? (size_t)asked->partitions.count : 0;
    asked_topic *known = &work->known.topics.items[work->known.topics.count];
    *known = (asked_topic){.name = asked->name};
    known->partitions.items =
        arena_array(&request->arena, count, sizeof *known->partitions.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        int32_t index = asked->partitions.items[i].partition_index;
        if (topic != NULL && index >= 0 && index < topic->partition_count) {
            known->partitions.items[known->partitions.count++] = asked->partitions.items[i];
            continue;
        }
        told_topic *unknown = response_topic(work, request, asked->name, 1);
        if (unknown != NULL) {
            unknown->partitions.items[unknown->partitions.count++] =
                (told_partition){index, KAFKA_UNKNOWN_TOPIC_OR_PARTITION};
        }
    }
    work->known.topics.count += known->partitions.count > 0;
}

/* On the shard of the offsets' partition: whether the transaction is open there. */
static int16_t commit_before(struct coordinator_ask *ask, struct coordinator *coordinator)
{
    struct commit_work *work = CONTAINER_OF(ask, struct commit_work, ask);
    const struct txn_offset_commit_request *asked = &work->known;
    coordinator_append_all(coordinator); /* so that the log knows what was written before */
    struct partition *partition = coordinator_partition(coordinator);
    int16_t error = partition_check_leader(partition, -1);
    if (error != 0 || asked->producer_id < 0) {
        return error != 0 ? KAFKA_NOT_COORDINATOR : 0;
    }
    if (work->asked) {
        return kafka_error_from(log_check_guard(partition->log, asked->producer_id,
                                                asked->producer_epoch, work->guard));
    }
    struct log_verification verification = {
        .producer_id = asked->producer_id,
        .producer_epoch = asked->producer_epoch,
        .epoch_a_transaction = ask->call.api_version >= ADDS_VERSION,
    };
    error = kafka_error_from(log_verify(partition->log, &verification,
                                        coordinator_now(coordinator->shard).wall_ms,
                                        &work->guard));
    return error == 0 && work->guard != 0 ? COORDINATOR_ASK_BACK : error;
}

static void commit_done(struct coordinator_ask *ask);

static void commit_ask(struct commit_work *work, struct broker_request *request)
{
    coordinator_ask_init(&work->ask, request, &work->known, work->known.group_id);
    work->ask.done = commit_done;
    work->ask.before =
        transaction_is_verified(request, commit_support(request)) ? commit_before : NULL;
    coordinator_ask(&work->ask);
}

static void commit_enrolled(struct transaction_enrol *enrol, const int16_t *errors)
{
    struct commit_work *work = enrol->context;
    work->asked = true;
    if (errors[0] != 0) {
        commit_refuse(work, errors[0]);
    } else {
        commit_ask(work, enrol->request);
    }
}

static void commit_done(struct coordinator_ask *ask)
{
    struct commit_work *work = CONTAINER_OF(ask, struct commit_work, ask);
    struct broker_request *request = ask->request;
    if (ask->call.response != NULL || work->guard == 0 || work->asked) {
        commit_respond(work, request, ask->call.response);
        return;
    }
    struct transaction_producer producer = {work->known.transactional_id,
                                            work->known.producer_id,
                                            work->known.producer_epoch};
    work->partition =
        (struct transaction_partition){string_view_of(OFFSETS_TOPIC), ask->partition};
    work->enrol.done = commit_enrolled;
    work->enrol.context = work;
    transaction_enrol(&work->enrol, request, &producer, commit_support(request),
                      &work->partition, 1);
}

void api_txn_offset_commit(struct broker_request *request)
{
    const struct txn_offset_commit_request *asked = request->message;
    struct commit_work *work = arena_alloc(&request->arena, sizeof *work);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    work->known = *asked;
    work->known.topics.count = 0;
    work->known.topics.items =
        arena_array(&request->arena, count, sizeof *work->known.topics.items);
    txn_offset_commit_response_default(&work->response);
    work->response.topics.items =
        arena_array(&request->arena, count, sizeof *work->response.topics.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        commit_sort(work, request, &asked->topics.items[i]);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (work->known.topics.count == 0) {
        broker_respond(request, &work->response);
    } else if (asked->group_id.size == 0) {
        coordinator_ask_init(&work->ask, request, &work->known, asked->group_id);
        commit_refuse(work, KAFKA_INVALID_GROUP_ID);
    } else {
        commit_ask(work, request);
    }
}
