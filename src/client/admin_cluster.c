/* admin_cluster.c: nodes, API versions, features and the quorum. */
#include <stdlib.h>

#include "client/admin.h"
#include "protocol/error.h"

static int node_by_id(const void *a, const void *b)
{
    int32_t left = ((const struct bnb_node *)a)->id;
    int32_t right = ((const struct bnb_node *)b)->id;
    return left < right ? -1 : left > right;
}

int bnb_admin_describe_cluster(struct bnb_admin *admin, struct bnb_memory *memory, bool with_fenced,
                               struct bnb_cluster *cluster, struct bnb_error *error)
{
    bool controllers = client_config(admin->client)->bootstrap_servers == NULL;
    struct describe_cluster_request request;
    describe_cluster_request_default(&request);
    request.endpoint_type = controllers ? 2 : 1;
    request.include_fenced_brokers = with_fenced;
    struct describe_cluster_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_ANY, API_DESCRIBE_CLUSTER,
                            &describe_cluster_request_row, &request,
                            &describe_cluster_response_row, &response, error);
    if (result != 0) {
        return result;
    }
    if (response->error_code != 0) {
        return client_error_kafka(error, response->error_code, response->error_message);
    }
    int32_t count = response->brokers.count > 0 ? response->brokers.count : 0;
    struct bnb_node *nodes = admin_array(memory, count, sizeof *nodes, error);
    if (nodes == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct describe_cluster_response_describe_cluster_broker *broker =
            &response->brokers.items[i];
        nodes[i] = (struct bnb_node){broker->broker_id, memory_string(memory, broker->host),
                                     broker->port, memory_string(memory, broker->rack),
                                     broker->is_fenced};
    }
    qsort(nodes, (size_t)count, sizeof *nodes, node_by_id);
    *cluster = (struct bnb_cluster){memory_string(memory, response->cluster_id),
                                    response->controller_id, nodes, count, controllers};
    return 0;
}

int bnb_admin_unregister_broker(struct bnb_admin *admin, int32_t broker, struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    if (memory == NULL) {
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    struct unregister_broker_request request;
    unregister_broker_request_default(&request);
    request.broker_id = broker;
    struct unregister_broker_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_UNREGISTER_BROKER,
                            &unregister_broker_request_row, &request,
                            &unregister_broker_response_row, &response, error);
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, response->error_message);
    }
    bnb_memory_destroy(&memory);
    return result;
}

/* ---- API versions and features ---- */

static int api_by_key(const void *a, const void *b)
{
    return ((const struct bnb_api_versions *)a)->key - ((const struct bnb_api_versions *)b)->key;
}

static int feature_by_name(const void *a, const void *b)
{
    return strcmp(((const struct bnb_feature *)a)->name, ((const struct bnb_feature *)b)->name);
}

static int versions_features(struct bnb_memory *memory, const struct api_versions_response *from,
                             struct bnb_node_versions *to, struct bnb_error *error)
{
    int32_t supported = from->supported_features.count > 0 ? from->supported_features.count : 0;
    int32_t finalized = from->finalized_features.count > 0 ? from->finalized_features.count : 0;
    struct bnb_feature *features =
        admin_array(memory, supported + finalized, sizeof *features, error);
    if (features == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int32_t count = 0;
    for (int32_t i = 0; i < supported; i++) {
        const struct api_versions_response_supported_feature_key *one =
            &from->supported_features.items[i];
        features[count++] = (struct bnb_feature){memory_string(memory, one->name),
                                                 one->min_version, one->max_version, 0};
    }
    for (int32_t i = 0; i < finalized; i++) {
        const struct api_versions_response_finalized_feature_key *one =
            &from->finalized_features.items[i];
        int32_t at = 0;
        while (at < count && !string_view_is(one->name, features[at].name)) {
            at++;
        }
        if (at == count) {
            features[count++] = (struct bnb_feature){memory_string(memory, one->name), 0, 0, 0};
        }
        features[at].finalized = one->max_version_level;
    }
    qsort(features, (size_t)count, sizeof *features, feature_by_name);
    to->features = features;
    to->feature_count = count;
    to->features_epoch = from->finalized_features_epoch;
    return 0;
}

/* What clients may ask brokers but this one does not have. */
static int32_t versions_add_missing(struct bnb_api_versions *apis, int32_t count)
{
    for (int32_t i = 0; i < API_COUNT; i++) {
        const struct api_row *row = &protocol_apis[i];
        bool there = !row->on_broker || row->max_version < row->min_version;
        for (int32_t a = 0; a < count && !there; a++) {
            there = apis[a].key == row->key;
        }
        if (!there) {
            apis[count++] = (struct bnb_api_versions){row->key, row->name, 0, -1, -1};
        }
    }
    return count;
}

static int versions_apis(struct bnb_memory *memory, const struct api_versions_response *from,
                         struct bnb_node_versions *to, struct bnb_error *error)
{
    int32_t count = from->api_keys.count > 0 ? from->api_keys.count : 0;
    struct bnb_api_versions *apis = admin_array(memory, count + API_COUNT, sizeof *apis, error);
    if (apis == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct api_versions_response_api_version *api = &from->api_keys.items[i];
        const struct api_row *row = api_find(api->api_key);
        apis[i] = (struct bnb_api_versions){api->api_key, row != NULL ? row->name : NULL,
                                            api->min_version, api->max_version, -1};
        if (row == NULL) {
            continue;
        }
        int16_t ours = (int16_t)(row->max_version - (row->latest_unstable ? 1 : 0));
        int16_t newest = ours < api->max_version ? ours : api->max_version;
        apis[i].usable = newest >= api->min_version && newest >= row->min_version ? newest : -1;
    }
    count = versions_add_missing(apis, count);
    qsort(apis, (size_t)count, sizeof *apis, api_by_key);
    to->apis = apis;
    to->api_count = count;
    return 0;
}

int bnb_admin_api_versions(struct bnb_admin *admin, struct bnb_memory *memory, int32_t broker,
                           struct bnb_node_versions *versions, struct bnb_error *error)
{
    struct api_versions_request request;
    api_versions_request_default(&request);
    request.client_software_name = string_view_of("barnabas");
    request.client_software_version = string_view_of(BNB_VERSION);
    struct api_versions_response *response;
    int result = broker != BNB_NODE_ANY ? admin_learn_nodes(admin, memory, error) : 0;
    if (result == 0) {
        result = admin_call(admin, memory, broker == BNB_NODE_ANY ? CLIENT_NODE_ANY : broker,
                            API_API_VERSIONS, &api_versions_request_row, &request,
                            &api_versions_response_row, &response, error);
    }
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, (struct string_view){NULL, 0});
    }
    if (result == 0) {
        result = versions_apis(memory, response, versions, error);
    }
    if (result == 0) {
        result = versions_features(memory, response, versions, error);
    }
    return result;
}

int bnb_admin_update_features(struct bnb_admin *admin, const struct bnb_feature_update *updates,
                              int32_t count, bool validate_only, struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct update_features_request request;
    update_features_request_default(&request);
    request.validate_only = validate_only;
    request.timeout_ms = (int32_t)client_config(admin->client)->default_api_timeout_ms;
    request.feature_updates.count = count;
    request.feature_updates.items =
        memory == NULL ? NULL
                       : admin_array(memory, count, sizeof *request.feature_updates.items, error);
    int result = request.feature_updates.items == NULL ? BNB_ERROR_NO_MEMORY : 0;
    for (int32_t i = 0; result == 0 && i < count; i++) {
        struct update_features_request_feature_update_key *item = &request.feature_updates.items[i];
        item->feature = string_view_of(updates[i].name);
        item->max_version_level = updates[i].level;
        item->upgrade_type = updates[i].type;
    }
    struct update_features_response *response;
    if (result == 0) {
        result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_UPDATE_FEATURES,
                            &update_features_request_row, &request, &update_features_response_row,
                            &response, error);
    }
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, response->error_message);
    }
    for (int32_t i = 0; result == 0 && i < response->results.count; i++) {
        if (response->results.items[i].error_code != 0) {
            result = client_error_kafka(error, response->results.items[i].error_code,
                                        response->results.items[i].error_message);
        }
    }
    bnb_memory_destroy(&memory);
    return result;
}

/* ---- quorum ---- */

/* Joins the listeners of one voter. */
static const char *quorum_endpoints(struct bnb_memory *memory,
                                    const struct describe_quorum_response *response, int32_t id)
{
    const char *text = "";
    for (int32_t n = 0; n < response->nodes.count; n++) {
        const struct describe_quorum_response_node *node = &response->nodes.items[n];
        for (int32_t i = 0; node->node_id == id && i < node->listeners.count; i++) {
            const struct describe_quorum_response_listener *listener = &node->listeners.items[i];
            text = arena_format(&memory->arena, "%s%s%.*s://%.*s:%u", text,
                                *text == '\0' ? "" : ", ", (int)listener->name.size,
                                listener->name.data, (int)listener->host.size,
                                listener->host.data, (unsigned)listener->port).data;
            if (text == NULL) {
                return "";
            }
        }
    }
    return text;
}

static const struct bnb_quorum_replica *
quorum_replicas(struct bnb_memory *memory, const struct describe_quorum_response *response,
                const struct describe_quorum_response_replica_state *items, int32_t count,
                bool voters, struct bnb_error *error)
{
    struct bnb_quorum_replica *made = admin_array(memory, count, sizeof *made, error);
    for (int32_t i = 0; made != NULL && i < count; i++) {
        made[i] = (struct bnb_quorum_replica){
            items[i].replica_id,
            admin_uuid(items[i].replica_directory_id),
            items[i].log_end_offset,
            items[i].last_fetch_timestamp,
            items[i].last_caught_up_timestamp,
            voters ? quorum_endpoints(memory, response, items[i].replica_id) : "",
        };
    }
    return made;
}

int bnb_admin_describe_quorum(struct bnb_admin *admin, struct bnb_memory *memory,
                              struct bnb_quorum *quorum, struct bnb_error *error)
{
    struct describe_quorum_request_partition_data partition = {0};
    struct describe_quorum_request_topic_data topic;
    memset(&topic, 0, sizeof topic);
    topic.topic_name = string_view_of("__cluster_metadata");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    struct describe_quorum_request request;
    describe_quorum_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    struct describe_quorum_response *response;
    int result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_DESCRIBE_QUORUM,
                            &describe_quorum_request_row, &request, &describe_quorum_response_row,
                            &response, error);
    if (result != 0) {
        return result;
    }
    if (response->error_code != 0) {
        return client_error_kafka(error, response->error_code, response->error_message);
    }
    if (response->topics.count != 1 || response->topics.items[0].partitions.count != 1) {
        return client_error_set(error, BNB_ERROR_CORRUPT, "the response does not fit the request");
    }
    const struct describe_quorum_response_partition_data *one =
        &response->topics.items[0].partitions.items[0];
    if (one->error_code != 0) {
        return client_error_kafka(error, one->error_code, one->error_message);
    }
    *quorum = (struct bnb_quorum){
        .leader_id = one->leader_id,
        .leader_epoch = one->leader_epoch,
        .high_watermark = one->high_watermark,
        .voters = quorum_replicas(memory, response, one->current_voters.items,
                                  one->current_voters.count, true, error),
        .voter_count = one->current_voters.count,
        .observers = quorum_replicas(memory, response, one->observers.items, one->observers.count,
                                     false, error),
        .observer_count = one->observers.count,
    };
    return quorum->voters == NULL || quorum->observers == NULL ? BNB_ERROR_NO_MEMORY : 0;
}
