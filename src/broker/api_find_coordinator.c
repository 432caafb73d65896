/* FindCoordinator. The topic of a kind of coordinator is made when somebody asks for one first. */
#include "broker/cluster_view.h"
#include "broker/config_internal.h"
#include "broker/coordinator_driver.h"
#include "broker/handlers.h"
#include "broker/topic_create.h"
#include "base/uuid.h"
#include "protocol/messages.h"

#define VERSION_WITH_KEYS 4
#define CREATE_VERSION 5

struct find_work {
    struct broker_request *request;
    bool topic_is_missing;
    struct string_view topic_name; /* of the kind that is asked for */
    struct find_coordinator_response response;
    struct create_topics_request creation;
    struct create_topics_request_creatable_topic topic;
};

static const char not_available[] = "The coordinator is not available.";
static const char malformed[] =
    "This most likely occurs because of a request being malformed by the client library or the "
    "message was sent to an incompatible broker. See the broker logs for more details.";

/* "<group>:<topic id>:<partition>"; the group may contain colons. */
static bool is_share_key(struct string_view key)
{
    size_t ends[2] = {0, 0}; /* of the group and of the topic id */
    size_t found = 0;
    for (size_t i = key.size; i > 0 && found < 2; i--) {
        if (key.data[i - 1] == ':') {
            ends[1 - found] = i - 1;
            found++;
        }
    }
    struct uuid id;
    int64_t partition = 0;
    if (found < 2 || ends[0] == 0) {
        return false;
    }
    struct string_view topic = {key.data + ends[0] + 1, ends[1] - ends[0] - 1};
    struct string_view number = {key.data + ends[1] + 1, key.size - ends[1] - 1};
    return uuid_parse(topic, &id) == 0 &&
           config_parse_long(number, INT32_MIN, INT32_MAX, &partition) == 0;
}

enum key_type {
    KEY_GROUP,
    KEY_TRANSACTION,
    KEY_SHARE, /* from version 6 on */
};

/* One key and where it is coordinated. */
struct coordinator_place {
    int16_t error;
    struct string_view text;
    int32_t node_id;
    struct string_view host;
    int32_t port;
};

static struct coordinator_place nowhere(int16_t error, const char *text)
{
    return (struct coordinator_place){error, string_view_of(text), -1, string_view_of(""), -1};
}

/* The answer does not depend on how the creation goes: the client asks again. */
static struct coordinator_place place_of(struct find_work *work, struct string_view key)
{
    struct broker_request *request = work->request;
    const struct image *image = broker_image(request);
    const struct image_topic *topic = image_topic_by_name(image, work->topic_name);
    if (topic == NULL) {
        work->topic_is_missing = true;
        return nowhere(KAFKA_COORDINATOR_NOT_AVAILABLE, "");
    }
    struct cluster_view view = {
        image, config_listener_at(broker_config(request), request->listener)->name,
        &request->arena};
    int32_t partition = coordinator_partition_of(key, topic->partition_count);
    const struct image_broker *leader =
        image_broker_by_id(image, topic->partitions[partition].leader);
    const struct image_endpoint *endpoint =
        leader == NULL || leader->fenced ? NULL : cluster_view_endpoint(&view, leader);
    if (endpoint == NULL) {
        return nowhere(KAFKA_COORDINATOR_NOT_AVAILABLE, "");
    }
    return (struct coordinator_place){0, string_view_of(""), leader->id,
                                      arena_string(&request->arena, endpoint->host),
                                      endpoint->port};
}

/* No coordinator of share groups runs here yet. */
static struct coordinator_place coordinator_place(struct find_work *work, int8_t key_type,
                                                  struct string_view key)
{
    if (key_type < KEY_GROUP || key_type > KEY_SHARE ||
        (key_type == KEY_SHARE && work->request->header.request_api_version < 6)) {
        return nowhere(KAFKA_INVALID_REQUEST, malformed);
    }
    if (key_type == KEY_SHARE && !is_share_key(key)) {
        return nowhere(KAFKA_INVALID_REQUEST, "");
    }
    if (key_type == KEY_SHARE) {
        return nowhere(KAFKA_COORDINATOR_NOT_AVAILABLE, "");
    }
    work->topic_name = coordinator_topic(key_type == KEY_GROUP ? COORDINATOR_GROUPS
                                                               : COORDINATOR_TRANSACTIONS);
    return place_of(work, key);
}

static void topic_created(struct broker_request *request, void *context, int16_t error,
                          const void *response)
{
    const struct find_work *work = context;
    (void)error;
    (void)response;
    broker_respond(request, &work->response);
}

static void respond(struct find_work *work)
{
    struct broker_request *request = work->request;
    const struct config *config = broker_config(request);
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    if (!work->topic_is_missing) {
        broker_respond(request, &work->response);
        return;
    }
    create_topics_request_default(&work->creation);
    work->creation.timeout_ms = config_int(config, "request.timeout.ms");
    work->creation.topics.items = &work->topic;
    work->creation.topics.count = 1;
    if (!topic_create_fill(config, work->topic_name, &request->arena, &work->topic)) {
        broker_respond_close(request);
        return;
    }
    broker_forward(request, API_CREATE_TOPICS, CREATE_VERSION, &work->creation, topic_created,
                   work);
}

static void find_one(struct find_work *work, const struct find_coordinator_request *asked)
{
    struct coordinator_place place = coordinator_place(work, asked->key_type, asked->key);
    work->response.error_code = place.error;
    work->response.error_message = place.error == KAFKA_COORDINATOR_NOT_AVAILABLE
                                       ? string_view_of(not_available)
                                   : place.error == 0 ? string_view_of("NONE")
                                                      : place.text;
    work->response.node_id = place.node_id;
    work->response.host = place.host;
    work->response.port = place.port;
}

static void find_each(struct find_work *work, const struct find_coordinator_request *asked)
{
    int32_t count = asked->coordinator_keys.count > 0 ? asked->coordinator_keys.count : 0;
    struct find_coordinator_response *response = &work->response;
    response->coordinators.items = arena_array(&work->request->arena, (size_t)count,
                                               sizeof(*response->coordinators.items));
    for (int32_t i = 0; response->coordinators.items != NULL && i < count; i++) {
        struct string_view key = asked->coordinator_keys.items[i];
        struct coordinator_place place = coordinator_place(work, asked->key_type, key);
        response->coordinators.items[i] = (struct find_coordinator_response_coordinator){
            .key = key,
            .node_id = place.node_id,
            .host = place.host,
            .port = place.port,
            .error_code = place.error,
            .error_message = place.text,
        };
        response->coordinators.count = i + 1;
    }
}

void api_find_coordinator(struct broker_request *request)
{
    const struct find_coordinator_request *asked = request->message;
    struct find_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    work->request = request;
    find_coordinator_response_default(&work->response);
    if (request->header.request_api_version < VERSION_WITH_KEYS) {
        find_one(work, asked);
    } else {
        find_each(work, asked);
    }
    respond(work);
}
