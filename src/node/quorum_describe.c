#include "node/quorum_internal.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define DESCRIBE_ARENA_BYTES_MAX (16u << 20)

static void describe_partition(const struct quorum *quorum, struct arena *arena, int16_t version,
                               bool known, int32_t index,
                               struct describe_quorum_response_partition_data *out)
{
    *out = (struct describe_quorum_response_partition_data){.partition_index = index,
                                                            .error_code = 0};
    if (!known || index != 0) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = string_view_of("This server does not host this topic-partition.");
        return;
    }
    if (!raft_is_leader(&quorum->raft)) {
        out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        return;
    }
    int64_t now_ms = loop_wall_ms(quorum->options.loop);
    out->error_message = string_view_of("");
    out->leader_id = quorum->options.node_id;
    out->leader_epoch = quorum->raft.durable.epoch;
    out->high_watermark = quorum->raft.high_watermark;
    out->current_voters.items = arena_alloc(arena, sizeof *out->current_voters.items);
    if (out->current_voters.items != NULL) {
        out->current_voters.count = 1;
        out->current_voters.items[0] = (struct describe_quorum_response_replica_state){
            .replica_id = quorum->options.node_id,
            .replica_directory_id = version >= 2 && quorum->voters.data != NULL
                                        ? quorum->options.directory_id
                                        : (struct uuid){{0}}, /* older ones cannot carry it */
            .log_end_offset = quorum->raft.log_end_offset,
            .last_fetch_timestamp = now_ms,
            .last_caught_up_timestamp = now_ms,
        };
    }
}

static void describe_nodes(const struct quorum *quorum, struct arena *arena,
                           struct describe_quorum_response *response)
{
    size_t count = (size_t)quorum->options.controller_endpoint_count;
    response->nodes.items = arena_alloc(arena, sizeof *response->nodes.items);
    if (response->nodes.items == NULL) {
        return;
    }
    struct describe_quorum_response_node *node = &response->nodes.items[0];
    response->nodes.count = 1;
    node->node_id = quorum->options.node_id;
    node->listeners.items = arena_array(arena, count, sizeof *node->listeners.items);
    for (size_t i = 0; node->listeners.items != NULL && i < count; i++) {
        const struct image_endpoint *endpoint = &quorum->options.controller_endpoints[i];
        node->listeners.items[i] = (struct describe_quorum_response_listener){
            endpoint->listener, endpoint->host, endpoint->port};
        node->listeners.count = (int32_t)i + 1;
    }
}

void quorum_describe(struct quorum *quorum, struct quorum_request *request)
{
    const struct describe_quorum_request *asked = request->request;
    struct describe_quorum_response response;
    struct arena arena;
    arena_init(&arena, DESCRIBE_ARENA_BYTES_MAX);
    describe_quorum_response_default(&response);
    size_t topics = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    response.topics.items = arena_array(&arena, topics, sizeof *response.topics.items);
    for (size_t i = 0; response.topics.items != NULL && i < topics; i++) {
        const struct describe_quorum_request_topic_data *topic = &asked->topics.items[i];
        struct describe_quorum_response_topic_data *out = &response.topics.items[i];
        size_t count = topic->partitions.count > 0 ? (size_t)topic->partitions.count : 0;
        bool known = string_view_is(topic->topic_name, "__cluster_metadata");
        out->topic_name = topic->topic_name;
        out->partitions.items = arena_array(&arena, count, sizeof *out->partitions.items);
        for (size_t j = 0; out->partitions.items != NULL && j < count; j++) {
            describe_partition(quorum, &arena, request->api_version, known,
                               topic->partitions.items[j].partition_index,
                               &out->partitions.items[j]);
            out->partitions.count = (int32_t)j + 1;
        }
        response.topics.count = (int32_t)i + 1;
    }
    bool any = false;
    for (int32_t i = 0; i < response.topics.count; i++) {
        for (int32_t j = 0; j < response.topics.items[i].partitions.count; j++) {
            any |= response.topics.items[i].partitions.items[j].error_code == 0;
        }
    }
    if (request->api_version >= 2 && any) {
        describe_nodes(quorum, &arena, &response);
    }
    request->done(request, arena.failed ? KAFKA_UNKNOWN_SERVER_ERROR : 0,
                  arena.failed ? NULL : &response);
    arena_release(&arena);
}
