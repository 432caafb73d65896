/* node.c: connections to brokers, version negotiation, and the way of a request through them. */
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/client_internal.h"
#include "protocol/error.h"

#define NODE_REQUEST_BYTES_MAX ((size_t)1 << 30)

static void node_connect(struct client_node *node);
static void request_send(struct client_node *node, struct client_request *request);

void client_request_complete(struct client_request *request, int error, const char *text)
{
    loop_timer_cancel(request->client->loop, &request->timer);
    list_remove(&request->node);
    request->at = NULL;
    request->error = error;
    if (error != 0) {
        request->response = NULL;
        err_set(&request->message, error, "%s", text);
    }
    request->done(request);
}

/* ---- picking a node ---- */

static bool node_usable(const struct client_node *node)
{
    return node->channel != NULL && net_channel_state(node->channel) != NET_CHANNEL_CLOSED;
}

/* Lower is better; -1: cannot be tried now. */
static int64_t node_rank(const struct client_node *node, int64_t now_ms)
{
    int64_t load = (int64_t)node->in_flight;
    if (node->gone || node->id >= NODE_COORDINATOR_MIN) {
        return -1;
    }
    if (node->state == NODE_READY && node_usable(node)) {
        return load;
    }
    if (node->state != NODE_IDLE && node_usable(node)) {
        return (1 << 20) + load;
    }
    return node->state == NODE_IDLE && node->retry_at_ms <= now_ms ? 1 << 21 : -1;
}

static struct client_node *client_pick(struct client *client, int32_t target)
{
    struct client_node *best = NULL;
    int64_t best_rank = INT64_MAX;
    uint32_t ties = 0;
    LIST_FOR_EACH(item, &client->nodes) {
        struct client_node *node = CONTAINER_OF(item, struct client_node, node);
        if (target != CLIENT_NODE_ANY) {
            if (node->id == target) {
                return node;
            }
            continue;
        }
        int64_t rank = node_rank(node, loop_monotonic_ms(client->loop));
        if (rank < 0 || rank > best_rank) {
            continue;
        }
        /* Among equals each has the same chance. */
        ties = rank == best_rank ? ties + 1 : 1;
        if (ties == 1 || client_random() % ties == 0) {
            best = node;
        }
        best_rank = rank;
    }
    return best;
}

static void request_dispatch(struct client_request *request)
{
    struct client *client = request->client;
    if (client->closing) {
        client_request_complete(request, ERR_CLOSED, "the client is closed");
        return;
    }
    struct client_node *node = client_pick(client, request->target);
    if (node == NULL && request->target != CLIENT_NODE_ANY) {
        client_request_complete(request, ERR_NOT_FOUND, "the broker is not known");
        return;
    }
    if (node == NULL) {
        list_push_back(&client->pending, &request->node);
        return;
    }
    if (node->state == NODE_READY && node_usable(node)) {
        request_send(node, request);
        return;
    }
    request->at = node;
    list_push_back(&node->waiting, &request->node);
    if (node->state == NODE_IDLE && node->retry_at_ms <= loop_monotonic_ms(client->loop)) {
        node_connect(node);
    }
}

void client_dispatch_pending(struct client *client)
{
    struct list taken;
    list_init(&taken);
    list_move_all(&taken, &client->pending);
    while (!list_empty(&taken)) {
        struct client_request *request = CONTAINER_OF(taken.next, struct client_request, node);
        list_remove(&request->node);
        request_dispatch(request);
    }
}

/* ---- one request ---- */

static void request_timed_out(struct timer *timer)
{
    struct client_request *request = CONTAINER_OF(timer, struct client_request, timer);
    client_request_complete(request, ERR_TIMEOUT, "Timed out waiting for a node assignment.");
}

void client_request_start(struct client *client, struct client_request *request)
{
    request->client = client;
    request->error = 0;
    request->response = NULL;
    request->frame = NULL;
    request->at = NULL;
    request->attempts = 0;
    list_init(&request->node);
    timer_init(&request->timer, request_timed_out);
    int64_t timeout_ms = request->timeout_ms >= 0 ? request->timeout_ms
                                                  : client->options.config.request_timeout_ms;
    loop_timer_arm(client->loop, &request->timer, timeout_ms);
    request_dispatch(request);
}

static void request_decode(struct client_request *request, struct net_response *response)
{
    struct reader reader;
    const uint8_t *data = response->data;
    if (!request->keep_frame) {
        struct bytes_view frame = {response->data, response->size};
        data = arena_bytes(request->arena, frame).data;
    }
    request->response = arena_alloc(request->arena, request->response_row->size);
    if (data == NULL || request->response == NULL) {
        client_request_complete(request, ERR_NOMEM, "out of memory");
        return;
    }
    reader_init(&reader, data, response->size);
    int32_t correlation_id;
    int error = api_response_header_decode(&reader, request->arena, request->api_key,
                                           request->version, &correlation_id);
    codec_default(request->response_row, request->response);
    if (error == 0) {
        error = codec_decode(request->response_row, &reader, request->version, request->arena,
                             request->response);
    }
    if (error == 0 && request->keep_frame) {
        request->frame = response->data;
        request->frame_size = response->size;
        response->data = NULL;
    }
    client_request_complete(request, error, "the response cannot be decoded");
}

static void request_call_done(struct net_call *call, int error, struct net_response *response)
{
    struct client_request *request = CONTAINER_OF(call, struct client_request, call);
    struct client_node *node = request->at;
    struct client *client = request->client;
    ASSERT(node->in_flight > 0);
    node->in_flight--;
    if (error == 0) {
        request->node_id = node->id;
        if (request->no_response) {
            client_request_complete(request, 0, "");
        } else {
            request_decode(request, response);
        }
        return;
    }
    bool in_time = request->timer.deadline_ms > loop_monotonic_ms(client->loop);
    if (request->target == CLIENT_NODE_ANY && !client->closing && in_time) {
        request->at = NULL;
        loop_timer_arm(client->loop, &request->timer,
                       request->timer.deadline_ms - loop_monotonic_ms(client->loop));
        list_push_back(&client->pending, &request->node);
        return;
    }
    client_request_complete(request, error,
                            error == ERR_TIMEOUT ? "The request timed out."
                                                 : "The broker disconnected.");
}

/* The newest version that both sides and the owner have; -1: none. */
static int16_t request_version(const struct client_node *node, const struct client_request *request)
{
    const struct api_row *row = api_find(request->api_key);
    const struct node_versions *theirs = &node->versions[request->api_key];
    if (row == NULL) {
        return -1;
    }
    int16_t min = row->min_version > theirs->min ? row->min_version : theirs->min;
    int16_t max = row->max_version - (row->latest_unstable ? 1 : 0);
    max = max < theirs->max ? max : theirs->max;
    if (request->version_max > 0 && max > request->version_max) {
        max = request->version_max;
    }
    min = min > request->version_min ? min : request->version_min;
    return min <= max ? max : -1;
}

static void request_send(struct client_node *node, struct client_request *request)
{
    struct client *client = node->client;
    int16_t version = request_version(node, request);
    if (version < 0) {
        char text[160];
        const struct api_row *row = api_find(request->api_key);
        snprintf(text, sizeof text, "The node does not support %s", row != NULL ? row->name : "?");
        client_request_complete(request, ERR_UNSUPPORTED, text);
        return;
    }
    request->version = version;
    if (request->prepare != NULL) {
        request->prepare(request, version);
    }
    struct writer frame;
    writer_init(&frame, NODE_REQUEST_BYTES_MAX);
    writer_i32(&frame, 0);
    struct request_header header;
    request_header_default(&header);
    header.request_api_key = request->api_key;
    header.request_api_version = version;
    header.client_id = string_view_of(client->options.config.client_id);
    int error = api_request_header_encode(&frame, &header);
    if (error == 0) {
        error = codec_encode(request->request_row, &frame, version, request->request);
    }
    if (error != 0 || frame.failed) {
        writer_release(&frame);
        client_request_complete(request, error != 0 ? error : ERR_NOMEM,
                                "the request cannot be encoded in the version that the broker has");
        return;
    }
    int64_t left_ms = request->timer.deadline_ms - loop_monotonic_ms(client->loop);
    int64_t timeout_ms = client->options.config.request_timeout_ms;
    timeout_ms = left_ms < timeout_ms || request->patient ? left_ms : timeout_ms;
    loop_timer_cancel(client->loop, &request->timer);
    list_remove(&request->node);
    request->at = node;
    request->attempts++;
    request->call.expects_response = !request->no_response;
    request->call.done = request_call_done;
    node->in_flight++;
    error = net_channel_send(node->channel, &request->call, &frame, timeout_ms);
    if (error != 0) {
        writer_release(&frame);
        struct net_response none = {NULL, 0};
        request_call_done(&request->call, error, &none);
    }
}

/* ---- one connection ---- */

static void node_retry(struct timer *timer)
{
    struct client_node *node = CONTAINER_OF(timer, struct client_node, retry);
    if (node->state == NODE_IDLE && !list_empty(&node->waiting)) {
        node_connect(node);
    }
    client_dispatch_pending(node->client);
}

/* What waited for the node: requests to any node look for another, the rest fails. */
static void node_fail_waiting(struct client_node *node, int error, const char *why)
{
    struct list taken;
    list_init(&taken);
    list_move_all(&taken, &node->waiting);
    while (!list_empty(&taken)) {
        struct client_request *request = CONTAINER_OF(taken.next, struct client_request, node);
        list_remove(&request->node);
        request->at = NULL;
        if (request->target == CLIENT_NODE_ANY && !node->client->closing) {
            list_push_back(&node->client->pending, &request->node);
        } else {
            client_request_complete(request, error, why);
        }
    }
}

static void node_down(struct client_node *node, int error, const char *why)
{
    struct client *client = node->client;
    const struct client_config *config = &client->options.config;
    bool was_ready = node->state == NODE_READY;
    if (!client->closing && !was_ready) {
        client_config_warn(config,
                           "Connection to node %d (%s:%u) could not be established. Node may not "
                           "be available. (%s)",
                           node->id, node->host, (unsigned)node->port, why);
    }
    node->state = NODE_IDLE;
    net_channel_destroy(&node->channel);
    node->failures++;
    int64_t backoff_ms = client_backoff_ms(config->reconnect_backoff_ms,
                                           config->reconnect_backoff_max_ms, node->failures - 1);
    node->retry_at_ms = loop_monotonic_ms(client->loop) + backoff_ms;
    if (!client->closing) {
        loop_timer_arm(client->loop, &node->retry, backoff_ms);
    }
    node_fail_waiting(node, error, why);
    if (!client->closing) {
        client_dispatch_pending(client);
    }
}

void node_disconnect(struct client_node *node)
{
    if (node->channel != NULL) {
        net_channel_destroy(&node->channel);
        node_down(node, ERR_CLOSED, "closed");
    }
}

/* The newest that any broker has told counts. */
static void node_learn_features(struct client *client,
                                const struct api_versions_response *response)
{
    if (response->finalized_features_epoch < client->features_epoch) {
        return;
    }
    client->features_epoch = response->finalized_features_epoch;
    client->transaction_version = 0;
    for (int32_t i = 0; i < response->finalized_features.count; i++) {
        const struct api_versions_response_finalized_feature_key *feature =
            &response->finalized_features.items[i];
        if (string_view_is(feature->name, "transaction.version")) {
            client->transaction_version = feature->max_version_level;
        }
    }
}

static void node_ready(struct client_node *node, const struct api_versions_response *response)
{
    for (int32_t i = 0; i < API_COUNT; i++) {
        node->versions[i] = (struct node_versions){0, -1};
    }
    for (int32_t i = 0; i < response->api_keys.count; i++) {
        const struct api_versions_response_api_version *api = &response->api_keys.items[i];
        if (api->api_key >= 0 && api->api_key < API_COUNT) {
            node->versions[api->api_key] =
                (struct node_versions){api->min_version, api->max_version};
        }
    }
    node_learn_features(node->client, response);
    node->state = NODE_READY;
    node->failures = 0;
    struct list taken;
    list_init(&taken);
    list_move_all(&taken, &node->waiting);
    while (!list_empty(&taken)) {
        struct client_request *request = CONTAINER_OF(taken.next, struct client_request, node);
        list_remove(&request->node);
        if (node_usable(node)) {
            request_send(node, request);
        } else {
            list_push_back(&node->waiting, &request->node);
        }
    }
    client_dispatch_pending(node->client);
}

static void node_send_versions(struct client_node *node, int16_t version);

static void node_versions_done(struct net_call *call, int error, struct net_response *frame)
{
    struct client_node *node = CONTAINER_OF(call, struct client_node, versions_call);
    if (error != 0) {
        return; /* on_state follows */
    }
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct reader reader;
    reader_init(&reader, frame->data, frame->size);
    int32_t correlation_id;
    struct api_versions_response response;
    api_versions_response_default(&response);
    error = api_response_header_decode(&reader, &arena, API_API_VERSIONS, node->versions_version,
                                       &correlation_id);
    struct reader body = reader;
    /* A broker that does not know our version answers in version 0. */
    bool refused = reader_i16(&reader) == KAFKA_UNSUPPORTED_VERSION;
    if (error == 0) {
        error = api_versions_response_decode(&body, refused ? 0 : node->versions_version, &arena,
                                             &response);
    }
    if (error == 0 && refused && node->versions_version > 0) {
        int16_t newest = 0;
        for (int32_t i = 0; i < response.api_keys.count; i++) {
            if (response.api_keys.items[i].api_key == API_API_VERSIONS) {
                newest = response.api_keys.items[i].max_version;
            }
        }
        node_send_versions(node, newest < node->versions_version ? newest : 0);
    } else if (error != 0 || response.error_code != 0) {
        net_channel_destroy(&node->channel);
        node_down(node, ERR_UNSUPPORTED, "the broker's API versions cannot be read");
    } else {
        node_ready(node, &response);
    }
    arena_release(&arena);
}

static void node_send_versions(struct client_node *node, int16_t version)
{
    struct writer frame;
    writer_init(&frame, 64 * 1024);
    writer_i32(&frame, 0);
    struct request_header header;
    request_header_default(&header);
    header.request_api_key = API_API_VERSIONS;
    header.request_api_version = version;
    header.client_id = string_view_of(node->client->options.config.client_id);
    struct api_versions_request request;
    api_versions_request_default(&request);
    request.client_software_name = string_view_of("barnabas");
    request.client_software_version = string_view_of(BNB_VERSION);
    node->versions_version = version;
    node->state = NODE_NEGOTIATING;
    int error = api_request_header_encode(&frame, &header);
    if (error == 0) {
        error = api_versions_request_encode(&frame, version, &request);
    }
    node->versions_call.expects_response = true;
    node->versions_call.done = node_versions_done;
    if (error == 0) {
        error = net_channel_send(node->channel, &node->versions_call, &frame,
                                 node->client->options.config.request_timeout_ms);
    }
    writer_release(&frame);
    if (error != 0) {
        net_channel_destroy(&node->channel);
        node_down(node, error, "the broker's API versions cannot be asked for");
    }
}

static void node_on_state(void *context, struct net_channel *channel, int error, const char *why)
{
    struct client_node *node = context;
    (void)channel;
    if (error != 0) {
        node_down(node, error, why);
        return;
    }
    /* 4 is the newest that every broker answers in a form that it can fall back from. */
    node_send_versions(node, API_VERSIONS_REQUEST_MAX_VERSION < 4
                                 ? API_VERSIONS_REQUEST_MAX_VERSION : 4);
}

static void node_connect(struct client_node *node)
{
    const struct client_config *config = &node->client->options.config;
    struct net_channel_options options = {
        .resolver = &node->client->resolver,
        .host = node->host,
        .port = node->port,
        .connect_timeout_ms = config->connection_setup_timeout_ms,
        .buffers = {(int32_t)config->send_buffer_bytes, (int32_t)config->receive_buffer_bytes},
        .response_bytes_max = CLIENT_RESPONSE_BYTES_MAX,
        .frames = node->client->options.frames,
        .on_state = node_on_state,
        .context = node,
    };
    node->state = NODE_CONNECTING;
    if (net_channel_open(&options, &node->channel) != 0) {
        node_down(node, ERR_NOMEM, "out of memory");
    }
}

struct client_node *node_add(struct client *client, int32_t id, const char *host, uint16_t port)
{
    struct client_node *node = mem_calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->client = client;
    node->id = id;
    node->port = port;
    snprintf(node->host, sizeof node->host, "%s", host);
    list_init(&node->waiting);
    timer_init(&node->retry, node_retry);
    list_push_back(&client->nodes, &node->node);
    return node;
}

void node_destroy(struct client_node *node)
{
    node_disconnect(node);
    node_fail_waiting(node, ERR_CLOSED, "the client is closed");
    loop_timer_cancel(node->client->loop, &node->retry);
    list_remove(&node->node);
    mem_free(node);
}
