#include "broker/cluster_view.h"
#include "broker/config_internal.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/resource.h"

/* ListConfigResources: what DescribeConfigs can be asked about. Topics and brokers are listed with
 * and without settings, groups and subscriptions of client metrics as long as they have some. */

/* Version 0 knew client metrics only. */
static const int8_t listed_types[] = {RESOURCE_CLIENT_METRICS, RESOURCE_TOPIC, RESOURCE_BROKER,
                                      RESOURCE_BROKER_LOGGER, RESOURCE_GROUP};
#define LISTED_TYPE_COUNT(version) ((version) == 0 ? 1 : sizeof listed_types)

static bool is_listed_type(int16_t version, int8_t type)
{
    for (size_t i = 0; i < LISTED_TYPE_COUNT(version); i++) {
        if (listed_types[i] == type) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct list_config_resources_request *asked, int8_t type)
{
    for (int32_t i = 0; i < asked->resource_types.count; i++) {
        if (asked->resource_types.items[i] == type) {
            return true;
        }
    }
    return asked->resource_types.count <= 0;
}

static size_t resource_count(const struct image *image, int8_t type)
{
    struct string_view ignored;
    size_t count = 0;
    switch (type) {
    case RESOURCE_TOPIC:
        return image_topic_count(image);
    case RESOURCE_BROKER:
    case RESOURCE_BROKER_LOGGER:
        return image_broker_count(image);
    default:
        while (image_settings_resource_at(image, type, count, &ignored)) {
            count++;
        }
        return count;
    }
}

/* Null where a broker has no endpoint on the listener that was asked. */
static struct string_view resource_name(const struct cluster_view *view, int8_t type, size_t index)
{
    struct string_view name = {NULL, 0};
    switch (type) {
    case RESOURCE_TOPIC:
        return image_topic_at(view->image, index)->name;
    case RESOURCE_BROKER:
    case RESOURCE_BROKER_LOGGER: {
        const struct image_broker *broker = image_broker_at(view->image, index);
        return cluster_view_endpoint(view, broker) != NULL
                   ? arena_format(view->arena, "%d", broker->id)
                   : name;
    }
    default:
        (void)image_settings_resource_at(view->image, type, index, &name);
        return name;
    }
}

static void list_resources(const struct cluster_view *view, int16_t version,
                           const struct list_config_resources_request *asked,
                           struct list_config_resources_response *response)
{
    size_t most = 0;
    for (size_t i = 0; i < LISTED_TYPE_COUNT(version); i++) {
        int8_t type = listed_types[i];
        most += is_wanted(asked, type) ? resource_count(view->image, type) : 0;
    }
    response->config_resources.items =
        arena_array(view->arena, most, sizeof *response->config_resources.items);
    for (size_t i = 0; i < LISTED_TYPE_COUNT(version) && !view->arena->failed; i++) {
        size_t count = is_wanted(asked, listed_types[i])
                           ? resource_count(view->image, listed_types[i])
                           : 0;
        for (size_t at = 0; at < count; at++) {
            struct string_view name = resource_name(view, listed_types[i], at);
            if (name.data != NULL) {
                response->config_resources.items[response->config_resources.count++] =
                    (struct list_config_resources_response_config_resource){name, listed_types[i]};
            }
        }
    }
}

void api_list_config_resources(struct broker_request *request)
{
    const struct list_config_resources_request *asked = request->message;
    int16_t version = request->header.request_api_version;
    struct cluster_view view = {
        broker_image(request),
        config_listener_at(broker_config(request), request->listener)->name, &request->arena};
    struct list_config_resources_response response;
    list_config_resources_response_default(&response);
    for (int32_t i = 0; i < asked->resource_types.count; i++) {
        if (!is_listed_type(version, asked->resource_types.items[i])) {
            response.error_code = KAFKA_UNSUPPORTED_VERSION;
        }
    }
    if (response.error_code == 0) {
        list_resources(&view, version, asked, &response);
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}
