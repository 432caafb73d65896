/* OffsetCommit and OffsetDelete: which topics there are is known here, the rest the coordinator
 * says. */
#include "broker/coordinator_driver.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define VERSION_BY_ID 10

/* ---- OffsetCommit ---- */

typedef struct offset_commit_request_offset_commit_request_topic commit_topic;
typedef struct offset_commit_response_offset_commit_response_topic committed_topic;
typedef struct offset_commit_response_offset_commit_response_partition committed_partition;

struct commit_work {
    struct coordinator_ask ask;
    struct offset_commit_request known; /* what the coordinator is asked */
    struct offset_commit_response response; /* first what is unknown */
};

static committed_topic *response_topic(struct commit_work *work, const commit_topic *asked,
                                       size_t partitions)
{
    struct arena *arena = &work->ask.request->arena;
    bool by_id = work->ask.request->header.request_api_version >= VERSION_BY_ID;
    for (int32_t i = 0; i < work->response.topics.count; i++) {
        committed_topic *topic = &work->response.topics.items[i];
        if (by_id ? uuid_equal(topic->topic_id, asked->topic_id)
                  : string_view_equal(topic->name, asked->name)) {
            committed_partition *more = arena_array(
                arena, (size_t)topic->partitions.count + partitions, sizeof *more);
            if (more == NULL) {
                return NULL;
            }
            memcpy(more, topic->partitions.items,
                   (size_t)topic->partitions.count * sizeof *more);
            topic->partitions.items = more;
            return topic;
        }
    }
    committed_topic *topic = &work->response.topics.items[work->response.topics.count];
    *topic = (committed_topic){.name = asked->name, .topic_id = asked->topic_id};
    topic->partitions.items = arena_array(arena, partitions, sizeof(committed_partition));
    if (topic->partitions.items == NULL) {
        return NULL;
    }
    work->response.topics.count++;
    return topic;
}

/* Sorts the partitions of a topic: those that are there are for the coordinator. */
static void commit_sort(struct commit_work *work, const commit_topic *asked)
{
    struct broker_request *request = work->ask.request;
    bool by_id = request->header.request_api_version >= VERSION_BY_ID;
    const struct image *image = broker_image(request);
    const struct image_topic *topic = by_id ? image_topic_by_id(image, asked->topic_id)
                                            : image_topic_by_name(image, asked->name);
    size_t count = asked->partitions.count > 0 ? (size_t)asked->partitions.count : 0;
    commit_topic *known = &work->known.topics.items[work->known.topics.count];
    *known = (commit_topic){.topic_id = asked->topic_id, .name = asked->name};
    known->partitions.items =
        arena_array(&request->arena, count, sizeof *known->partitions.items);
    committed_topic *unknown = NULL;
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        int32_t index = asked->partitions.items[i].partition_index;
        if (topic != NULL && index >= 0 && index < topic->partition_count) {
            known->partitions.items[known->partitions.count++] = asked->partitions.items[i];
            continue;
        }
        if (unknown == NULL) {
            unknown = response_topic(work, asked, count);
        }
        if (unknown != NULL) {
            unknown->partitions.items[unknown->partitions.count++] = (committed_partition){
                index, topic == NULL && by_id ? KAFKA_UNKNOWN_TOPIC_ID
                                              : KAFKA_UNKNOWN_TOPIC_OR_PARTITION};
        }
    }
    if (topic != NULL && known->partitions.count > 0) {
        known->topic_id = topic->id;
        known->name = arena_string(&request->arena, topic->name);
        work->known.topics.count++;
    }
}

static void commit_done(struct coordinator_ask *ask)
{
    struct commit_work *work = (struct commit_work *)ask;
    struct broker_request *request = ask->request;
    const struct offset_commit_response *answer = ask->call.response;
    if (answer != NULL && work->response.topics.count == 0) {
        broker_respond(request, answer);
        return;
    }
    for (int32_t i = 0; answer != NULL && i < answer->topics.count; i++) {
        const committed_topic *from = &answer->topics.items[i];
        commit_topic like = {.name = from->name, .topic_id = from->topic_id};
        committed_topic *to = response_topic(work, &like, (size_t)from->partitions.count);
        if (to == NULL) {
            break;
        }
        memcpy(&to->partitions.items[to->partitions.count], from->partitions.items,
               (size_t)from->partitions.count * sizeof *from->partitions.items);
        to->partitions.count += from->partitions.count;
    }
    if (answer == NULL || request->arena.failed) {
        broker_respond_close(request);
    } else {
        broker_respond(request, &work->response);
    }
}

void api_offset_commit(struct broker_request *request)
{
    const struct offset_commit_request *asked = request->message;
    struct commit_work *work = arena_alloc(&request->arena, sizeof *work);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    coordinator_ask_init(&work->ask, request, &work->known, asked->group_id);
    work->ask.done = commit_done;
    work->known = *asked;
    work->known.topics.count = 0;
    work->known.topics.items =
        arena_array(&request->arena, count, sizeof *work->known.topics.items);
    offset_commit_response_default(&work->response);
    work->response.topics.items =
        arena_array(&request->arena, count, sizeof *work->response.topics.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        commit_sort(work, &asked->topics.items[i]);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (work->known.topics.count == 0) {
        broker_respond(request, &work->response);
    } else {
        coordinator_ask(&work->ask);
    }
}

/* ---- OffsetDelete ---- */

typedef struct offset_delete_request_offset_delete_request_topic delete_topic;
typedef struct offset_delete_response_offset_delete_response_topic deleted_topic;

struct delete_work {
    struct coordinator_ask ask;
    struct offset_delete_request known;
    struct offset_delete_response unknown;
};

static void delete_sort(struct delete_work *work, const delete_topic *asked)
{
    struct broker_request *request = work->ask.request;
    const struct image_topic *topic = image_topic_by_name(broker_image(request), asked->name);
    size_t count = asked->partitions.count > 0 ? (size_t)asked->partitions.count : 0;
    delete_topic *known = &work->known.topics.items[work->known.topics.count];
    deleted_topic *unknown = &work->unknown.topics.items[work->unknown.topics.count];
    *known = (delete_topic){.name = asked->name};
    *unknown = (deleted_topic){.name = asked->name};
    known->partitions.items =
        arena_array(&request->arena, count, sizeof *known->partitions.items);
    unknown->partitions.items =
        arena_array(&request->arena, count, sizeof *unknown->partitions.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        int32_t index = asked->partitions.items[i].partition_index;
        if (topic != NULL && index >= 0 && index < topic->partition_count) {
            known->partitions.items[known->partitions.count++] = asked->partitions.items[i];
        } else {
            unknown->partitions.items[unknown->partitions.count++] =
                (struct offset_delete_response_offset_delete_response_partition){
                    index, KAFKA_UNKNOWN_TOPIC_OR_PARTITION};
        }
    }
    work->known.topics.count += known->partitions.count > 0;
    work->unknown.topics.count += unknown->partitions.count > 0;
}

/* A topic that has partitions of both kinds is in the response once. */
static void delete_merge(struct delete_work *work, struct offset_delete_response *response,
                         const deleted_topic *from)
{
    struct arena *arena = &work->ask.request->arena;
    for (int32_t i = 0; i < response->topics.count; i++) {
        deleted_topic *to = &response->topics.items[i];
        if (string_view_equal(to->name, from->name)) {
            size_t count = (size_t)to->partitions.count + (size_t)from->partitions.count;
            struct offset_delete_response_offset_delete_response_partition *both =
                arena_array(arena, count, sizeof *both);
            if (both != NULL) {
                memcpy(both, to->partitions.items, (size_t)to->partitions.count * sizeof *both);
                memcpy(both + to->partitions.count, from->partitions.items,
                       (size_t)from->partitions.count * sizeof *both);
                to->partitions.items = both;
                to->partitions.count = (int32_t)count;
            }
            return;
        }
    }
    response->topics.items[response->topics.count++] = *from;
}

static void delete_done(struct coordinator_ask *ask)
{
    struct delete_work *work = (struct delete_work *)ask;
    struct broker_request *request = ask->request;
    const struct offset_delete_response *answer = ask->call.response;
    struct offset_delete_response response;
    offset_delete_response_default(&response);
    if (answer != NULL) {
        size_t count = (size_t)work->unknown.topics.count + (size_t)answer->topics.count;
        response.error_code = answer->error_code;
        response.topics.items =
            arena_array(&request->arena, count, sizeof *response.topics.items);
    }
    bool merge = answer != NULL && answer->error_code == 0;
    for (int32_t i = 0; merge && !request->arena.failed && i < work->unknown.topics.count; i++) {
        delete_merge(work, &response, &work->unknown.topics.items[i]);
    }
    for (int32_t i = 0; merge && !request->arena.failed && i < answer->topics.count; i++) {
        delete_merge(work, &response, &answer->topics.items[i]);
    }
    if (answer == NULL || request->arena.failed) {
        broker_respond_close(request);
    } else {
        broker_respond(request, &response);
    }
}

void api_offset_delete(struct broker_request *request)
{
    const struct offset_delete_request *asked = request->message;
    struct delete_work *work = arena_alloc(&request->arena, sizeof *work);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    coordinator_ask_init(&work->ask, request, &work->known, asked->group_id);
    work->ask.done = delete_done;
    work->known = *asked;
    work->known.topics.count = 0;
    work->known.topics.items =
        arena_array(&request->arena, count, sizeof *work->known.topics.items);
    offset_delete_response_default(&work->unknown);
    work->unknown.topics.items =
        arena_array(&request->arena, count, sizeof *work->unknown.topics.items);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        delete_sort(work, &asked->topics.items[i]);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else {
        coordinator_ask(&work->ask); /* it knows whether there is the group */
    }
}
