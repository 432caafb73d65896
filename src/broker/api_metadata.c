#include <stdlib.h>

#include "broker/cluster_view.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_config.h"
#include "broker/topic_create.h"

#define OPERATIONS_NOT_ASKED INT32_MIN
/* The version of CreateTopics that topics are created with when a client merely asks for them. */
#define AUTO_CREATE_VERSION 5

/* One Metadata request on its way. */
struct metadata_work {
    const struct metadata_request *asked;
    struct cluster_view view;
    struct metadata_response response;
    bool all_topics;
    bool unreachable_are_left_out; /* version 0 */
    bool listener_errors;          /* LISTENER_NOT_FOUND is known from version 6 on */
    struct create_topics_request creation;
};

static void add_brokers(struct metadata_work *work)
{
    const struct image *image = work->view.image;
    size_t count = image_broker_count(image);
    struct metadata_response *response = &work->response;
    response->brokers.items = arena_array(work->view.arena, count,
                                          sizeof(*response->brokers.items));
    for (size_t i = 0; response->brokers.items != NULL && i < count; i++) {
        const struct image_broker *broker = image_broker_at(image, i);
        const struct image_endpoint *endpoint = cluster_view_endpoint(&work->view, broker);
        if (broker->fenced || endpoint == NULL) {
            continue;
        }
        response->brokers.items[response->brokers.count++] =
            (struct metadata_response_metadata_response_broker){
                .node_id = broker->id,
                .host = endpoint->host,
                .port = endpoint->port,
                .rack = broker->rack,
            };
    }
}

static void fill_partition(const struct metadata_work *work, int32_t index,
                           const struct image_partition *partition,
                           struct metadata_response_metadata_response_partition *out)
{
    const struct cluster_view *view = &work->view;
    bool filter = work->unreachable_are_left_out;
    struct cluster_view_ids replicas = filter ? cluster_view_reachable(view, partition->replicas)
                                              : cluster_view_copy(view, partition->replicas);
    struct cluster_view_ids isr = filter ? cluster_view_reachable(view, partition->isr)
                                         : cluster_view_copy(view, partition->isr);
    struct cluster_view_ids offline = cluster_view_offline(view, partition);
    *out = (struct metadata_response_metadata_response_partition){
        .partition_index = index,
        .leader_id = partition->leader,
        .leader_epoch = partition->leader_epoch,
    };
    out->replica_nodes.items = replicas.items;
    out->replica_nodes.count = replicas.count;
    out->isr_nodes.items = isr.items;
    out->isr_nodes.count = isr.count;
    out->offline_replicas.items = offline.items;
    out->offline_replicas.count = offline.count;
    if (!cluster_view_reaches(view, partition->leader)) {
        bool known = image_broker_by_id(view->image, partition->leader) != NULL;
        out->leader_id = -1;
        out->error_code = known && work->listener_errors ? KAFKA_LISTENER_NOT_FOUND
                                                         : KAFKA_LEADER_NOT_AVAILABLE;
    } else if (replicas.count < partition->replicas.count || isr.count < partition->isr.count) {
        out->error_code = KAFKA_REPLICA_NOT_AVAILABLE;
    }
}

static struct metadata_response_metadata_response_topic *add_topic(struct metadata_work *work,
                                                                   struct string_view name,
                                                                   int16_t error)
{
    struct metadata_response_metadata_response_topic *topic =
        &work->response.topics.items[work->response.topics.count++];
    *topic = (struct metadata_response_metadata_response_topic){
        .error_code = error,
        .name = name,
        .is_internal = topic_is_internal(name),
        .topic_authorized_operations = work->asked->include_topic_authorized_operations
                                           ? TOPIC_OPERATIONS_ALL
                                           : OPERATIONS_NOT_ASKED,
    };
    return topic;
}

static void add_known_topic(struct metadata_work *work, const struct image_topic *known)
{
    struct metadata_response_metadata_response_topic *topic = add_topic(work, known->name, 0);
    topic->topic_id = known->id;
    topic->partitions.items = arena_array(work->view.arena, (size_t)known->partition_count,
                                          sizeof(*topic->partitions.items));
    for (int32_t i = 0; topic->partitions.items != NULL && i < known->partition_count; i++) {
        fill_partition(work, i, &known->partitions[i], &topic->partitions.items[i]);
        topic->partitions.count = i + 1;
    }
}

static int name_compare(const void *left, const void *right)
{
    const struct metadata_request_metadata_request_topic *a = left;
    const struct metadata_request_metadata_request_topic *b = right;
    int order = memcmp(a->topic_id.bytes, b->topic_id.bytes, sizeof(a->topic_id.bytes));
    if (order != 0) {
        return order;
    }
    return string_view_compare(a->name, b->name);
}

/* A topic that is not there: asked for again, it may have been created meanwhile. */
static void add_missing_topic(struct metadata_work *work, const struct config *config,
                              struct string_view name)
{
    if (topic_name_check(name, NULL) != 0) {
        (void)add_topic(work, name, KAFKA_INVALID_TOPIC_EXCEPTION);
        return;
    }
    (void)add_topic(work, name, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    if (work->creation.topics.items != NULL &&
        topic_create_fill(config, name, work->view.arena,
                          &work->creation.topics.items[work->creation.topics.count])) {
        work->creation.topics.count++;
    }
}

static void add_asked_topic(struct metadata_work *work, const struct config *config,
                            const struct metadata_request_metadata_request_topic *asked)
{
    if (!uuid_is_zero(asked->topic_id)) {
        const struct image_topic *topic = image_topic_by_id(work->view.image, asked->topic_id);
        if (topic != NULL) {
            add_known_topic(work, topic);
            return;
        }
        struct metadata_response_metadata_response_topic *unknown = add_topic(
            work, (struct string_view){NULL, 0}, KAFKA_UNKNOWN_TOPIC_ID);
        unknown->topic_id = asked->topic_id;
        unknown->topic_authorized_operations = OPERATIONS_NOT_ASKED;
        return;
    }
    const struct image_topic *topic = image_topic_by_name(work->view.image, asked->name);
    if (topic != NULL) {
        add_known_topic(work, topic);
    } else {
        add_missing_topic(work, config, asked->name);
    }
}

/* Each topic once, whatever the client repeats. Ids, when there are any, leave names aside. */
static void add_asked_topics(struct metadata_work *work, const struct config *config)
{
    size_t count = (size_t)work->asked->topics.count;
    struct metadata_request_metadata_request_topic *topics = arena_array(work->view.arena, count,
                                                                         sizeof(*topics));
    work->response.topics.items = arena_array(work->view.arena, count,
                                              sizeof(*work->response.topics.items));
    if (topics == NULL || work->response.topics.items == NULL || count == 0) {
        return;
    }
    bool any_id = false;
    for (size_t i = 0; i < count; i++) {
        topics[i] = work->asked->topics.items[i];
        any_id = any_id || !uuid_is_zero(topics[i].topic_id);
        if (!uuid_is_zero(topics[i].topic_id)) {
            topics[i].name = string_view_of("");
        }
    }
    qsort(topics, count, sizeof(*topics), name_compare);
    for (size_t i = 0; i < count; i++) {
        bool repeated = i > 0 && name_compare(&topics[i - 1], &topics[i]) == 0;
        if (!repeated && !(any_id && uuid_is_zero(topics[i].topic_id))) {
            add_asked_topic(work, config, &topics[i]);
        }
    }
}

static void add_all_topics(struct metadata_work *work)
{
    size_t count = image_topic_count(work->view.image);
    work->response.topics.items = arena_array(work->view.arena, count,
                                              sizeof(*work->response.topics.items));
    for (size_t i = 0; work->response.topics.items != NULL && i < count; i++) {
        add_known_topic(work, image_topic_at(work->view.image, i));
    }
}

/* The answer does not depend on how the creation went: the client asks again. */
static void on_created(struct broker_request *request, void *context, int16_t error,
                       const void *response)
{
    const struct metadata_work *work = context;
    (void)error;
    (void)response;
    broker_respond(request, &work->response);
}

static void create_missing(struct broker_request *request, struct metadata_work *work)
{
    work->creation.timeout_ms = config_int(broker_config(request), "request.timeout.ms");
    broker_forward(request, CREATE_TOPICS_REQUEST_KEY, AUTO_CREATE_VERSION, &work->creation,
                   on_created, work);
}

/* What the image lends ends with the handler, and the answer may go out later. */
static void keep_borrowed(struct metadata_work *work)
{
    struct arena *arena = work->view.arena;
    for (int32_t i = 0; i < work->response.brokers.count; i++) {
        work->response.brokers.items[i].host = arena_string(arena,
                                                            work->response.brokers.items[i].host);
        work->response.brokers.items[i].rack = arena_string(arena,
                                                            work->response.brokers.items[i].rack);
    }
    for (int32_t i = 0; i < work->response.topics.count; i++) {
        work->response.topics.items[i].name = arena_string(arena,
                                                           work->response.topics.items[i].name);
    }
    work->response.cluster_id = arena_string(arena, work->response.cluster_id);
}

static struct string_view listener_name(const struct broker_request *request)
{
    return config_listener_at(broker_config(request), request->listener)->name;
}

/* Versions 10 and 11 carry ids, yet only names may be asked for; later, a topic has either. */
static int16_t names_error(const struct metadata_request *asked, int16_t version)
{
    for (int32_t i = 0; i < asked->topics.count; i++) {
        bool has_id = !uuid_is_zero(asked->topics.items[i].topic_id);
        bool has_name = asked->topics.items[i].name.data != NULL;
        if (version < 12 && (has_id || !has_name)) {
            return KAFKA_INVALID_REQUEST;
        }
        if (!has_id && !has_name) {
            return KAFKA_UNKNOWN_SERVER_ERROR;
        }
    }
    return 0;
}

/* The whole request fails: every topic carries the error, and nothing else is told. */
static void respond_invalid(struct broker_request *request, struct metadata_work *work,
                            int16_t error)
{
    metadata_response_default(&work->response);
    work->response.topics.items = arena_array(work->view.arena, (size_t)work->asked->topics.count,
                                              sizeof(*work->response.topics.items));
    for (int32_t i = 0; work->response.topics.items != NULL && i < work->asked->topics.count; i++) {
        struct string_view name = work->asked->topics.items[i].name;
        struct metadata_response_metadata_response_topic *topic = add_topic(
            work, name.data != NULL ? name : string_view_of(""), error);
        topic->topic_id = work->asked->topics.items[i].topic_id;
        topic->is_internal = false;
        topic->topic_authorized_operations = OPERATIONS_NOT_ASKED;
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &work->response);
}

static struct metadata_work *metadata_work_make(struct broker_request *request)
{
    int16_t version = request->header.request_api_version;
    struct metadata_work *work = arena_alloc(&request->arena, sizeof(*work));
    if (work == NULL) {
        return NULL;
    }
    work->asked = request->message;
    work->view = (struct cluster_view){broker_image(request), listener_name(request),
                                       &request->arena};
    work->all_topics = work->asked->topics.count < 0 ||
                       (version == 0 && work->asked->topics.count == 0);
    work->unreachable_are_left_out = version == 0;
    work->listener_errors = version >= 6;
    create_topics_request_default(&work->creation);
    metadata_response_default(&work->response);
    work->response.cluster_id = broker_cluster_id(request);
    work->response.controller_id = cluster_view_controller(&work->view, broker_node_id(request));
    work->response.cluster_authorized_operations =
        work->asked->include_cluster_authorized_operations ? CLUSTER_OPERATIONS_ALL
                                                           : OPERATIONS_NOT_ASKED;
    return work;
}

void api_metadata(struct broker_request *request)
{
    const struct config *config = broker_config(request);
    struct metadata_work *work = metadata_work_make(request);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    int16_t error = work->all_topics
                        ? 0
                        : names_error(work->asked, request->header.request_api_version);
    if (error != 0) {
        respond_invalid(request, work, error);
        return;
    }
    bool may_create = !work->all_topics && work->asked->topics.count > 0 &&
                      work->asked->allow_auto_topic_creation &&
                      config_boolean(config, "auto.create.topics.enable");
    if (may_create) {
        work->creation.topics.items = arena_array(&request->arena,
                                                  (size_t)work->asked->topics.count,
                                                  sizeof(*work->creation.topics.items));
    }
    add_brokers(work);
    if (work->all_topics) {
        add_all_topics(work);
    } else {
        add_asked_topics(work, config);
    }
    if (work->creation.topics.count > 0) {
        keep_borrowed(work);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (work->creation.topics.count > 0) {
        create_missing(request, work);
    } else {
        broker_respond(request, &work->response);
    }
}
