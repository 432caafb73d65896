#include <stdlib.h>

#include "base/uuid.h"
#include "broker/cluster_view.h"
#include "broker/config_internal.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_config.h"

#define OPERATIONS_NOT_ASKED INT32_MIN
#define ENDPOINT_TYPE_BROKER 1
#define ENDPOINT_TYPE_CONTROLLER 2

static struct cluster_view view_of(struct broker_request *request)
{
    return (struct cluster_view){
        broker_image(request),
        config_listener_at(broker_config(request), request->listener)->name, &request->arena};
}

/* Asked of a broker, only the brokers' endpoints can be described; version 0 knew no other. */
static int16_t endpoint_type_error(struct broker_request *request,
                                   struct describe_cluster_response *response)
{
    const struct describe_cluster_request *asked = request->message;
    int16_t version = request->header.request_api_version;
    if (version == 0 || asked->endpoint_type == ENDPOINT_TYPE_BROKER) {
        return 0;
    }
    if (asked->endpoint_type != ENDPOINT_TYPE_CONTROLLER) {
        response->error_message = arena_format(&request->arena, "Unsupported endpoint type %d",
                                               asked->endpoint_type);
        return KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
    }
    response->error_message = string_view_of("The request was sent to an endpoint of type BROKER, "
                                             "but we wanted an endpoint of type CONTROLLER");
    return KAFKA_MISMATCHED_ENDPOINT_TYPE;
}

static void add_described_brokers(const struct cluster_view *view, bool with_fenced,
                                  struct describe_cluster_response *response)
{
    size_t count = image_broker_count(view->image);
    response->brokers.items = arena_array(view->arena, count, sizeof(*response->brokers.items));
    for (size_t i = 0; response->brokers.items != NULL && i < count; i++) {
        const struct image_broker *broker = image_broker_at(view->image, i);
        const struct image_endpoint *endpoint = cluster_view_endpoint(view, broker);
        if (endpoint == NULL || (broker->fenced && !with_fenced)) {
            continue;
        }
        response->brokers.items[response->brokers.count++] =
            (struct describe_cluster_response_describe_cluster_broker){
                .broker_id = broker->id,
                .host = endpoint->host,
                .port = endpoint->port,
                .rack = broker->rack,
                .is_fenced = broker->fenced,
            };
    }
}

void api_describe_cluster(struct broker_request *request)
{
    const struct describe_cluster_request *asked = request->message;
    struct cluster_view view = view_of(request);
    struct describe_cluster_response response;
    describe_cluster_response_default(&response);
    response.error_code = endpoint_type_error(request, &response);
    response.cluster_id = string_view_of("");
    if (response.error_code == 0) {
        bool with_fenced = request->header.request_api_version >= 2 &&
                           asked->include_fenced_brokers;
        response.cluster_id = broker_cluster_id(request);
        response.controller_id = cluster_view_controller(&view, broker_node_id(request));
        response.cluster_authorized_operations = asked->include_cluster_authorized_operations
                                                     ? CLUSTER_OPERATIONS_ALL
                                                     : OPERATIONS_NOT_ASKED;
        add_described_brokers(&view, with_fenced, &response);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}

/* DescribeTopicPartitions: topics in order of name, at most so many partitions in one response; the
 * cursor says where the next one begins. */
struct describe_work {
    struct cluster_view view;
    struct describe_topic_partitions_response response;
    struct string_view cursor_topic;
    int32_t cursor_partition;
    int32_t left; /* partitions that still fit */
};

static int asked_compare(const void *left, const void *right)
{
    const struct string_view *a = left;
    const struct string_view *b = right;
    return string_view_compare(*a, *b);
}

static void set_cursor(struct describe_work *work, struct string_view topic, int32_t partition)
{
    work->response.next_cursor = arena_alloc(work->view.arena,
                                             sizeof(*work->response.next_cursor));
    if (work->response.next_cursor != NULL) {
        work->response.next_cursor->topic_name = topic;
        work->response.next_cursor->partition_index = partition;
    }
}

static void describe_partition(
    const struct cluster_view *view, int32_t index, const struct image_partition *partition,
    struct describe_topic_partitions_response_describe_topic_partitions_response_partition *out)
{
    struct cluster_view_ids replicas = cluster_view_copy(view, partition->replicas);
    struct cluster_view_ids isr = cluster_view_copy(view, partition->isr);
    struct cluster_view_ids eligible = cluster_view_copy(view, partition->eligible_leaders);
    struct cluster_view_ids known = cluster_view_copy(view,
                                                      partition->last_known_eligible_leaders);
    struct cluster_view_ids offline = cluster_view_offline(view, partition);
    out->partition_index = index;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->replica_nodes.items = replicas.items;
    out->replica_nodes.count = replicas.count;
    out->isr_nodes.items = isr.items;
    out->isr_nodes.count = isr.count;
    out->eligible_leader_replicas.items = eligible.items;
    out->eligible_leader_replicas.count = eligible.count;
    out->last_known_elr.items = known.items;
    out->last_known_elr.count = known.count;
    out->offline_replicas.items = offline.items;
    out->offline_replicas.count = offline.count;
    if (!cluster_view_reaches(view, partition->leader)) {
        out->leader_id = -1; /* which is no error here, other than in Metadata */
    }
}

/* False when the response is full. */
static bool describe_topic(struct describe_work *work, struct string_view name)
{
    if (work->left <= 0) {
        set_cursor(work, name, 0);
        return false;
    }
    const struct image_topic *topic = image_topic_by_name(work->view.image, name);
    struct describe_topic_partitions_response_describe_topic_partitions_response_topic *out =
        &work->response.topics.items[work->response.topics.count++];
    out->name = name;
    out->is_internal = topic_is_internal(name);
    out->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
    if (topic == NULL) {
        out->error_code = topic_name_check(name, NULL) == 0 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                            : KAFKA_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    int32_t first = string_view_equal(name, work->cursor_topic) ? work->cursor_partition : 0;
    int32_t there = topic->partition_count > first ? topic->partition_count - first : 0;
    int32_t count = there < work->left ? there : work->left;
    out->topic_id = topic->id;
    out->partitions.items = arena_array(work->view.arena, (size_t)count,
                                        sizeof(*out->partitions.items));
    for (int32_t i = 0; out->partitions.items != NULL && i < count; i++) {
        describe_partition(&work->view, first + i, &topic->partitions[first + i],
                           &out->partitions.items[i]);
        out->partitions.count = i + 1;
    }
    work->left -= count;
    if (count < there) {
        set_cursor(work, name, first + count);
        return false;
    }
    return true;
}

static void describe_all(struct describe_work *work)
{
    size_t count = image_topic_count(work->view.image);
    work->response.topics.items = arena_array(work->view.arena, count,
                                              sizeof(*work->response.topics.items));
    for (size_t i = 0; work->response.topics.items != NULL && i < count; i++) {
        struct string_view name = image_topic_at(work->view.image, i)->name;
        if (string_view_compare(name, work->cursor_topic) >= 0 && !describe_topic(work, name)) {
            return;
        }
    }
}

static void describe_asked(struct describe_work *work,
                           const struct describe_topic_partitions_request *asked)
{
    size_t count = (size_t)asked->topics.count;
    struct string_view *names = arena_array(work->view.arena, count, sizeof(*names));
    work->response.topics.items = arena_array(work->view.arena, count,
                                              sizeof(*work->response.topics.items));
    if (names == NULL || work->response.topics.items == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = asked->topics.items[i].name;
    }
    qsort(names, count, sizeof(*names), asked_compare);
    for (size_t i = 0; i < count; i++) {
        bool repeated = i > 0 && string_view_equal(names[i], names[i - 1]);
        if (!repeated && string_view_compare(names[i], work->cursor_topic) >= 0 &&
            !describe_topic(work, names[i])) {
            return;
        }
    }
}

/* A cursor must be one that an answer to these topics could have given. */
static bool cursor_holds(const struct describe_topic_partitions_request *asked)
{
    bool named = asked->topics.count <= 0;
    for (int32_t i = 0; !named && i < asked->topics.count; i++) {
        named = string_view_equal(asked->topics.items[i].name, asked->cursor->topic_name);
    }
    return named && asked->cursor->partition_index >= 0;
}

/* The response has no error of its own: every topic gets it. */
static void describe_refused(struct describe_work *work,
                             const struct describe_topic_partitions_request *asked)
{
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    work->response.topics.items =
        arena_array(work->view.arena, count, sizeof(*work->response.topics.items));
    for (size_t i = 0; work->response.topics.items != NULL && i < count; i++) {
        work->response.topics.items[i].name = asked->topics.items[i].name;
        work->response.topics.items[i].error_code = KAFKA_INVALID_REQUEST;
        work->response.topics.items[i].topic_authorized_operations = OPERATIONS_NOT_ASKED;
        work->response.topics.count = (int32_t)i + 1;
    }
}

void api_describe_topic_partitions(struct broker_request *request)
{
    const struct describe_topic_partitions_request *asked = request->message;
    struct describe_work work = {.view = view_of(request), .cursor_topic = string_view_of("")};
    describe_topic_partitions_response_default(&work.response);
    if (asked->cursor != NULL) {
        work.cursor_topic = asked->cursor->topic_name;
        work.cursor_partition = asked->cursor->partition_index;
    }
    int32_t limit = config_int(broker_config(request), "max.request.partition.size.limit");
    work.left = asked->response_partition_limit < limit ? asked->response_partition_limit : limit;
    work.left = work.left < 1 ? 1 : work.left;
    if (asked->cursor != NULL && !cursor_holds(asked)) {
        describe_refused(&work, asked);
    } else if (asked->topics.count > 0) {
        describe_asked(&work, asked);
    } else {
        describe_all(&work);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &work.response);
}
