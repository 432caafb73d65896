#include "broker/broker.h"
#include "broker/dispatch.h"
#include "broker/handlers_data.h"
#include "protocol/feature.h"

/* From here on a minimum of 0 can be said. */
#define VERSION_WITH_MINIMUM_ZERO 4

/* KIP-511: letters and digits, and dots and dashes between them. */
static bool software_is_valid(struct string_view text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool inner = i > 0 && i + 1 < text.size && (c == '-' || c == '.');
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9');
        if (!alphanumeric && !inner) {
            return false;
        }
    }
    return text.size > 0;
}

static void add_apis(struct broker_request *request, struct api_versions_response *response)
{
    enum dispatch_listener listener = dispatch_listener_of(request);
    const struct dispatch_table *table = dispatch_table(listener);
    response->api_keys.items = arena_array(&request->arena, table->count,
                                           sizeof *response->api_keys.items);
    for (size_t i = 0; response->api_keys.items != NULL && i < table->count; i++) {
        const struct api_row *api = api_find(table->rows[i].api_key);
        int16_t max = dispatch_max_version(request, api);
        if (max < api->min_version) {
            continue;
        }
        /* Versions 0 to 2 of Produce are refused, yet named: old librdkafka wants to see them. */
        response->api_keys.items[response->api_keys.count++] =
            (struct api_versions_response_api_version){
                api->key, api->key == API_PRODUCE ? 0 : api->min_version, max};
    }
}

static void add_features(struct broker_request *request, struct api_versions_response *response)
{
    const struct image *image = broker_image(request);
    size_t count = image_feature_count(image);
    bool unstable = config_boolean(broker_config(request), "unstable.feature.versions.enable");
    response->supported_features.items = arena_array(
        &request->arena, FEATURE_COUNT, sizeof *response->supported_features.items);
    response->finalized_features.items =
        arena_array(&request->arena, count + 1, sizeof *response->finalized_features.items);
    if (request->arena.failed) {
        return;
    }
    bool with_zero = request->header.request_api_version >= VERSION_WITH_MINIMUM_ZERO;
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        const struct feature *feature = &protocol_features[i];
        if (feature->min_level > 0 || with_zero) {
            response->supported_features.items[response->supported_features.count++] =
                (struct api_versions_response_supported_feature_key){
                    string_view_of(feature->name), feature->min_level,
                    feature_highest(feature, unstable)};
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct image_feature feature = image_feature_at(image, i);
        response->finalized_features.items[response->finalized_features.count++] =
            (struct api_versions_response_finalized_feature_key){feature.name, feature.level,
                                                                 feature.level};
    }
    int16_t kraft_version = broker_kraft_version(request);
    if (kraft_version > 0) {
        response->finalized_features.items[response->finalized_features.count++] =
            (struct api_versions_response_finalized_feature_key){string_view_of("kraft.version"),
                                                                 kraft_version, kraft_version};
    }
    response->finalized_features_epoch = image_offset(image);
}

void api_api_versions(struct broker_request *request)
{
    const struct api_versions_request *asked = request->message;
    struct api_versions_response response;
    api_versions_response_default(&response);
    if (request->header.request_api_version >= 3 &&
        (!software_is_valid(asked->client_software_name) ||
         !software_is_valid(asked->client_software_version))) {
        response.error_code = KAFKA_INVALID_REQUEST;
    } else {
        add_apis(request, &response);
        add_features(request, &response);
    }
    broker_respond(request, &response);
}
