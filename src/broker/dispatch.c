#include "broker/dispatch.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/handlers.h"
#include "broker/handlers_data.h"
#include "broker/handlers_transaction.h"
#include "io/system.h"

#define RESPONSE_SIZE_BYTES 4

#define ROW(api, name, handler) \
    {API_##api, &name##_request_row, &name##_response_row, handler}

/* An API that is not here is neither advertised nor answered. */
static const struct dispatch_row broker_rows[] = {
    ROW(PRODUCE, produce, api_produce),
    ROW(FETCH, fetch, api_fetch),
    ROW(LIST_OFFSETS, list_offsets, api_list_offsets),
    ROW(METADATA, metadata, api_metadata),
    ROW(OFFSET_COMMIT, offset_commit, api_offset_commit),
    ROW(OFFSET_FETCH, offset_fetch, api_offset_fetch),
    ROW(FIND_COORDINATOR, find_coordinator, api_find_coordinator),
    ROW(JOIN_GROUP, join_group, api_join_group),
    ROW(HEARTBEAT, heartbeat, api_heartbeat),
    ROW(LEAVE_GROUP, leave_group, api_leave_group),
    ROW(SYNC_GROUP, sync_group, api_sync_group),
    ROW(DESCRIBE_GROUPS, describe_groups, api_describe_groups),
    ROW(LIST_GROUPS, list_groups, api_list_groups),
    ROW(API_VERSIONS, api_versions, api_api_versions),
    ROW(CREATE_TOPICS, create_topics, api_create_topics),
    ROW(DELETE_TOPICS, delete_topics, api_delete_topics),
    ROW(DELETE_RECORDS, delete_records, api_delete_records),
    ROW(INIT_PRODUCER_ID, init_producer_id, api_init_producer_id),
    ROW(ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, api_add_partitions_to_txn),
    ROW(ADD_OFFSETS_TO_TXN, add_offsets_to_txn, api_add_offsets_to_txn),
    ROW(END_TXN, end_txn, api_end_txn),
    ROW(WRITE_TXN_MARKERS, write_txn_markers, api_write_txn_markers),
    ROW(TXN_OFFSET_COMMIT, txn_offset_commit, api_txn_offset_commit),
    ROW(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, api_offset_for_leader_epoch),
    ROW(DESCRIBE_CONFIGS, describe_configs, api_describe_configs),
    ROW(ALTER_CONFIGS, alter_configs, api_alter_configs),
    ROW(ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, api_alter_replica_log_dirs),
    ROW(DESCRIBE_LOG_DIRS, describe_log_dirs, api_describe_log_dirs),
    ROW(CREATE_PARTITIONS, create_partitions, api_create_partitions),
    ROW(DELETE_GROUPS, delete_groups, api_delete_groups),
    ROW(ELECT_LEADERS, elect_leaders, api_elect_leaders),
    ROW(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, api_incremental_alter_configs),
    ROW(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments,
        api_alter_partition_reassignments),
    ROW(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, api_forward),
    ROW(OFFSET_DELETE, offset_delete, api_offset_delete),
    ROW(DESCRIBE_QUORUM, describe_quorum, api_forward),
    ROW(UPDATE_FEATURES, update_features, api_forward),
    ROW(DESCRIBE_CLUSTER, describe_cluster, api_describe_cluster),
    ROW(UNREGISTER_BROKER, unregister_broker, api_forward),
    ROW(DESCRIBE_PRODUCERS, describe_producers, api_describe_producers),
    ROW(LIST_TRANSACTIONS, list_transactions, api_list_transactions),
    ROW(DESCRIBE_TRANSACTIONS, describe_transactions, api_describe_transactions),
    ROW(CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat, api_consumer_group_heartbeat),
    ROW(CONSUMER_GROUP_DESCRIBE, consumer_group_describe, api_consumer_group_describe),
    ROW(LIST_CONFIG_RESOURCES, list_config_resources, api_list_config_resources),
    ROW(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, api_describe_topic_partitions),
};
/* The same on a controller's listener: what administrators and the brokers of a cluster ask. */
static const struct dispatch_row controller_rows[] = {
    ROW(API_VERSIONS, api_versions, api_api_versions),
    ROW(CREATE_TOPICS, create_topics, api_create_topics),
    ROW(DELETE_TOPICS, delete_topics, api_delete_topics),
    ROW(DESCRIBE_CONFIGS, describe_configs, api_describe_configs),
    ROW(ALTER_CONFIGS, alter_configs, api_alter_configs),
    ROW(CREATE_PARTITIONS, create_partitions, api_create_partitions),
    ROW(ELECT_LEADERS, elect_leaders, api_elect_leaders),
    ROW(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, api_incremental_alter_configs),
    ROW(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments,
        api_alter_partition_reassignments),
    ROW(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, api_forward),
    ROW(DESCRIBE_QUORUM, describe_quorum, api_forward),
    ROW(ALTER_PARTITION, alter_partition, api_forward),
    ROW(UPDATE_FEATURES, update_features, api_forward),
    ROW(DESCRIBE_CLUSTER, describe_cluster, api_describe_controllers),
    ROW(BROKER_REGISTRATION, broker_registration, api_forward),
    ROW(BROKER_HEARTBEAT, broker_heartbeat, api_forward),
    ROW(UNREGISTER_BROKER, unregister_broker, api_forward),
    ROW(ALLOCATE_PRODUCER_IDS, allocate_producer_ids, api_forward),
    ROW(CONTROLLER_REGISTRATION, controller_registration, api_forward),
    ROW(ASSIGN_REPLICAS_TO_DIRS, assign_replicas_to_dirs, api_forward),
};
#define ROWS_OF(rows) {rows, sizeof(rows) / sizeof(rows)[0]}
static const struct dispatch_table tables[] = {
    [DISPATCH_BROKER] = ROWS_OF(broker_rows),
    [DISPATCH_CONTROLLER] = ROWS_OF(controller_rows),
};

const struct dispatch_table *dispatch_table(enum dispatch_listener listener)
{
    return &tables[listener];
}

const struct dispatch_row *dispatch_find(enum dispatch_listener listener, int16_t api_key)
{
    const struct dispatch_table *table = &tables[listener];
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].api_key == api_key) {
            return &table->rows[i];
        }
    }
    return NULL;
}

enum dispatch_listener dispatch_listener_of(const struct broker_request *request)
{
    const struct config *config = broker_config(request);
    return config_listener_at(config, request->listener)->is_controller ? DISPATCH_CONTROLLER
                                                                        : DISPATCH_BROKER;
}

int16_t dispatch_max_version(const struct broker_request *request, const struct api_row *api)
{
    return api->latest_unstable && !request->shard->broker->unstable_apis
               ? (int16_t)(api->max_version - 1)
               : api->max_version;
}

/* Whether the response says of the whole request that it failed. */
static bool response_is_error(const struct codec_struct *row, const void *response)
{
    const struct codec_field *field = api_error_field(row);
    int16_t error = 0;
    if (field != NULL) {
        memcpy(&error, (const uint8_t *)response + field->offset, sizeof error);
    }
    return error != 0;
}

/* A request is counted when it ends. One whose header names no API is not. */
static void request_count(const struct broker_request *request, bool failed)
{
    struct metrics_shard *metrics = request->shard->metrics;
    int16_t key = request->header.request_api_key;
    if (key < 0 || key >= API_COUNT) {
        return;
    }
    metrics_request_add(metrics, METRIC_REQUESTS, key, 1);
    metrics_request_add(metrics, METRIC_REQUEST_ERRORS, key, failed);
    metrics_request_time_add(metrics, METRIC_REQUEST_TIME, key,
                             io_monotonic_us() - request->arrived_us);
}

static void request_free(struct broker_request *request)
{
    list_remove(&request->node);
    if (request->timer != NULL) {
        loop_timer_cancel(request->shard->loop, request->timer);
    }
    net_frame_free(&request->frame);
    arena_reset(&request->arena);
    if (!pool_give(&request->shard->request_pool, request)) {
        arena_release(&request->arena);
        mem_free(request);
    }
}

void dispatch_forget_requests(struct broker_shard *shard)
{
    while (!list_empty(&shard->requests)) {
        request_free(CONTAINER_OF(shard->requests.next, struct broker_request, node));
    }
    struct broker_request *kept;
    while ((kept = pool_take_kept(&shard->request_pool)) != NULL) {
        arena_release(&kept->arena);
        mem_free(kept);
    }
    pool_release(&shard->request_pool);
}

/* Sends the encoded response, its size in front, and frees the request. The connection copies the
 * ranges while the request, which holds them, still lives. */
static void request_send(struct broker_request *request, struct writer *out)
{
    writer_patch_i32(out, 0, (int32_t)(out->size + out->splice_bytes - RESPONSE_SIZE_BYTES));
    net_frame_free(&request->frame);
    net_connection_respond(request->connection, out);
    writer_release(out);
    request_free(request);
}

static void response_init(const struct broker_request *request, struct writer *out)
{
    writer_init(out, RESPONSE_BYTES_MAX);
    out->budget = &request->shard->broker->options.memory->work;
}

void broker_respond(struct broker_request *request, const void *response)
{
    const struct dispatch_row *row = request->row;
    struct writer out;
    response_init(request, &out);
    (void)writer_reserve(&out, RESPONSE_SIZE_BYTES);
    api_response_header_encode(&out, request->header.request_api_key,
                               request->header.request_api_version,
                               request->header.correlation_id);
    int error = codec_encode(row->response, &out, request->header.request_api_version, response);
    if (error != 0 || out.failed || out.size + out.splice_bytes > RESPONSE_BYTES_MAX) {
        if (error != ERR_NOMEM && !out.failed) {
            fprintf(stderr, "cannot encode the response of API %d version %d: %s\n",
                    request->header.request_api_key, request->header.request_api_version,
                    err_text(error));
        }
        if (request->unsent != NULL) {
            request->unsent(request->unsent_context);
        }
        writer_release(&out);
        broker_respond_close(request);
        return;
    }
    request_count(request, response_is_error(row->response, response));
    request_send(request, &out);
}

void broker_respond_close(struct broker_request *request)
{
    struct net_connection *connection = request->connection;
    request_count(request, true);
    request_free(request);
    net_connection_close(connection);
}

void broker_drop(struct broker_request *request)
{
    struct net_connection *connection = request->connection;
    request_count(request, false);
    request_free(request);
    net_connection_respond(connection, NULL);
}

const struct image *broker_image(const struct broker_request *request)
{
    return request->shard->image;
}
const struct config *broker_config(const struct broker_request *request)
{
    return request->shard->broker->options.config;
}
struct string_view broker_cluster_id(const struct broker_request *request)
{
    return request->shard->broker->options.cluster_id;
}
int32_t broker_node_id(const struct broker_request *request)
{
    return request->shard->broker->options.node_id;
}
int32_t broker_controller_id(const struct broker_request *request)
{
    const struct broker_options *options = &request->shard->broker->options;
    return options->controller_id(options->context);
}
int16_t broker_kraft_version(const struct broker_request *request)
{
    const struct broker_options *options = &request->shard->broker->options;
    return options->kraft_version(options->context);
}
int64_t broker_epoch(const struct broker_request *request)
{
    return atomic_load(&request->shard->broker->epoch);
}

/* ApiVersions of a version that nobody knows yet: answered so that the client can settle for less;
 * its body is not even looked at. */
static void dispatch_old_api_versions(struct broker_request *request)
{
    struct writer out;
    response_init(request, &out);
    (void)writer_reserve(&out, RESPONSE_SIZE_BYTES);
    struct api_versions_response response;
    struct api_versions_response_api_version key = {
        API_API_VERSIONS, API_VERSIONS_REQUEST_MIN_VERSION, API_VERSIONS_REQUEST_MAX_VERSION};
    api_versions_response_default(&response);
    response.error_code = KAFKA_UNSUPPORTED_VERSION;
    response.api_keys.items = &key;
    response.api_keys.count = 1;
    api_response_header_encode(&out, API_API_VERSIONS, 0, request->header.correlation_id);
    if (api_versions_response_encode(&out, 0, &response) != 0 || out.failed) {
        writer_release(&out);
        broker_respond_close(request);
        return;
    }
    request_count(request, true);
    request_send(request, &out);
}

static bool dispatch_is_served(const struct broker_request *request,
                               const struct dispatch_row *row, int16_t version)
{
    const struct api_row *api = row == NULL ? NULL : api_find(row->api_key);
    return api != NULL && version >= api->min_version &&
           version <= dispatch_max_version(request, api);
}

/* Decodes header and body: 0; ERR_UNSUPPORTED for an unknown ApiVersions; ERR_CORRUPT. */
static int dispatch_decode(struct broker_request *request)
{
    struct reader reader;
    reader_init(&reader, request->frame->data, request->frame->size);
    int error = api_request_header_decode(&reader, &request->arena, &request->header);
    if (error == ERR_UNSUPPORTED && request->header.request_api_key == API_API_VERSIONS) {
        return ERR_UNSUPPORTED;
    }
    if (error != 0) {
        return ERR_CORRUPT;
    }
    const struct dispatch_row *row =
        dispatch_find(dispatch_listener_of(request), request->header.request_api_key);
    int16_t version = request->header.request_api_version;
    if (!dispatch_is_served(request, row, version)) {
        bool is_versions = request->header.request_api_key == API_API_VERSIONS;
        return is_versions ? ERR_UNSUPPORTED : ERR_CORRUPT;
    }
    void *message = arena_alloc(&request->arena, row->request->size);
    if (message == NULL) {
        return ERR_CORRUPT;
    }
    request->message = message;
    request->row = row;
    return codec_decode(row->request, &reader, version, &request->arena, message) == 0
               ? 0
               : ERR_CORRUPT;
}

void dispatch_request(void *context, struct net_connection *connection, struct net_frame *frame)
{
    struct broker_shard *shard = context;
    struct broker_request *request = pool_take(&shard->request_pool);
    if (request == NULL) {
        net_frame_free(&frame);
        net_connection_close(connection);
        return;
    }
    struct net_memory *memory = shard->broker->options.memory;
    struct arena_chunk *chunk = request->arena.chunks; /* of the request that it was before */
    *request = (struct broker_request){.arena = {.chunks = chunk,
                                                 .max_bytes = REQUEST_ARENA_BYTES_MAX,
                                                 .budget = &memory->work}};
    list_push_back(&shard->requests, &request->node);
    request->shard = shard;
    request->connection = connection;
    request->frame = frame;
    request->listener = net_connection_tag(connection);
    request->arrived_ms = loop_monotonic_ms(shard->loop);
    request->arrived_us = io_monotonic_us();
    request->header.request_api_key = -1;
    int error = dispatch_decode(request);
    if (error == ERR_UNSUPPORTED) {
        dispatch_old_api_versions(request);
    } else if (error != 0) {
        metrics_add(shard->metrics, METRIC_CONNECTIONS_ENDED_FOR_RULE, 1);
        broker_respond_close(request);
    } else if (shard->image == NULL) {
        broker_respond_close(request);
    } else {
        request->row->handle(request);
    }
}
