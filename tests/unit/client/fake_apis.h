/* fake_apis.h: the answers of the fake broker, API by API. Part of fake_broker.h. */
#ifndef BNB_TESTS_FAKE_APIS_H
#define BNB_TESTS_FAKE_APIS_H

static const struct uuid fake_topic_id = {{1, 2, 3, 4}};

static inline int16_t fake_append(struct fake_broker *broker, int32_t index, const uint8_t *data,
                                  size_t size, int64_t *base_offset)
{
    struct fake_partition *partition = &broker->partitions[index];
    struct batch batch;
    if (batch_decode(data, size, &batch) != 0 || batch.size_bytes != size ||
        !batch_crc_holds(data, &batch)) {
        return KAFKA_CORRUPT_MESSAGE;
    }
    if (batch.producer_epoch != partition->producer_epoch) {
        partition->next_sequence = 0;
        partition->last_base_sequence = -1;
    }
    if (batch.producer_id >= 0 && batch.producer_id == partition->producer_id) {
        if (batch.base_sequence == partition->last_base_sequence) {
            *base_offset = partition->last_base_offset;
            return 0; /* a duplicate of the last one */
        }
        if (batch.base_sequence < partition->next_sequence) {
            return KAFKA_DUPLICATE_SEQUENCE_NUMBER;
        }
        if (batch.base_sequence != partition->next_sequence) {
            return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
        }
    }
    size_t at = partition->log.size;
    writer_bytes(&partition->log, data, size);
    batch_patch_base_offset(partition->log.data + at, partition->end_offset);
    *base_offset = partition->last_base_offset = partition->end_offset;
    partition->end_offset += batch.record_count;
    partition->producer_id = batch.producer_id;
    partition->producer_epoch = batch.producer_epoch;
    partition->last_base_sequence = batch.base_sequence;
    partition->next_sequence = batch.base_sequence + batch.record_count;
    return 0;
}

static inline int16_t fake_transact_append(struct fake_broker *broker, int32_t index,
                                           const uint8_t *data, size_t size);

/* -1: hang up. */
static inline int fake_produce(struct fake_broker *broker, struct arena *arena,
                               const struct produce_request *request,
                               struct produce_response *response)
{
    int number = atomic_fetch_add(&broker->produce_count, 1) + 1;
    if (atomic_load(&broker->loses_answers)) {
        usleep(20000);
    }
    bool refused = number <= broker->refuse_until;
    bool lost = broker->lose_answer_every > 0 && number % broker->lose_answer_every == 0;
    bool hang_up = broker->hang_up_every > 0 && number % broker->hang_up_every == 0;
    bool forget = number == broker->forget_at;
    bool rejects = number == broker->reject_at;
    response->responses.count = request->topic_data.count;
    response->responses.items = arena_array(arena, (size_t)request->topic_data.count + 1,
                                            sizeof *response->responses.items);
    for (int32_t t = 0; t < request->topic_data.count; t++) {
        const struct produce_request_topic_produce_data *from = &request->topic_data.items[t];
        struct produce_response_topic_produce_response *to = &response->responses.items[t];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partition_responses.count = from->partition_data.count;
        to->partition_responses.items =
            arena_array(arena, (size_t)from->partition_data.count + 1,
                        sizeof *to->partition_responses.items);
        for (int32_t p = 0; p < from->partition_data.count; p++) {
            struct produce_response_partition_produce_response *one =
                &to->partition_responses.items[p];
            one->index = from->partition_data.items[p].index;
            one->base_offset = one->log_append_time_ms = one->log_start_offset = -1;
            one->current_leader.leader_id = one->current_leader.leader_epoch = -1;
            int16_t out = fake_transact_append(broker, one->index,
                                               from->partition_data.items[p].records.data,
                                               from->partition_data.items[p].records.size);
            int16_t error_code = out != 0 ? out
                                 : refused  ? KAFKA_NOT_LEADER_OR_FOLLOWER
                                 : forget ? KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER
                                 : rejects && one->index == 0
                                     ? KAFKA_INVALID_RECORD
                                          : fake_append(broker, one->index,
                                                        from->partition_data.items[p].records.data,
                                                        from->partition_data.items[p].records.size,
                                                        &one->base_offset);
            bool had = error_code == 0 || error_code == KAFKA_DUPLICATE_SEQUENCE_NUMBER;
            one->error_code = had && atomic_load(&broker->loses_answers)
                                  ? KAFKA_REQUEST_TIMED_OUT
                              : error_code != 0 ? error_code
                              : rejects       ? KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND
                              : lost          ? KAFKA_REQUEST_TIMED_OUT
                                              : 0;
        }
    }
    if (broker->empty_every > 0 && number % broker->empty_every == 0) {
        response->responses.count = 0;
    }
    return hang_up ? -1 : 0;
}

static inline void fake_metadata(struct fake_broker *broker, struct arena *arena,
                                 struct metadata_response *response)
{
    response->brokers.items = arena_array(arena, 1, sizeof *response->brokers.items);
    response->brokers.count = 1;
    response->brokers.items[0].node_id = 1;
    int number = atomic_fetch_add(&broker->metadata_count, 1);
    bool elsewhere = broker->moves && number / 4 % 2 == 1;
    response->brokers.items[0].host = string_view_of(elsewhere ? "127.0.0.2" : "127.0.0.1");
    response->brokers.items[0].port = broker->port;
    response->cluster_id = string_view_of("fake");
    response->topics.items = arena_array(arena, 1, sizeof *response->topics.items);
    response->topics.count = 1;
    struct metadata_response_metadata_response_topic *topic = &response->topics.items[0];
    topic->name = string_view_of("t");
    topic->topic_id = fake_topic_id;
    topic->partitions.items = arena_array(arena, FAKE_PARTITIONS,
                                          sizeof *topic->partitions.items);
    topic->partitions.count = FAKE_PARTITIONS;
    for (int32_t p = 0; p < FAKE_PARTITIONS; p++) {
        topic->partitions.items[p].partition_index = p;
        topic->partitions.items[p].leader_id = 1;
    }
}

static inline void fake_versions(const struct fake_broker *broker, struct arena *arena,
                                 struct api_versions_response *response)
{
    response->finalized_features_epoch = 1;
    response->finalized_features.items =
        arena_array(arena, 1, sizeof *response->finalized_features.items);
    response->finalized_features.count = broker->transaction_version > 0 ? 1 : 0;
    response->finalized_features.items[0] =
        (struct api_versions_response_finalized_feature_key){
            string_view_of("transaction.version"), broker->transaction_version,
            broker->transaction_version};

    response->api_keys.items = arena_array(arena, API_COUNT, sizeof *response->api_keys.items);
    for (int32_t i = 0; i < API_COUNT; i++) {
        if (protocol_apis[i].max_version >= protocol_apis[i].min_version) {
            response->api_keys.items[response->api_keys.count++] =
                (struct api_versions_response_api_version){protocol_apis[i].key,
                                                           protocol_apis[i].min_version,
                                                           protocol_apis[i].max_version};
        }
    }
}

static inline void fake_offsets(struct fake_broker *broker, struct arena *arena,
                                const struct list_offsets_request *request,
                                struct list_offsets_response *response)
{
    response->topics.count = request->topics.count;
    response->topics.items = arena_array(arena, (size_t)request->topics.count + 1,
                                         sizeof *response->topics.items);
    for (int32_t t = 0; t < request->topics.count; t++) {
        int32_t index = request->topics.items[t].partitions.items[0].partition_index;
        int64_t timestamp = request->topics.items[t].partitions.items[0].timestamp;
        response->topics.items[t].name = request->topics.items[t].name;
        response->topics.items[t].partitions.count = 1;
        response->topics.items[t].partitions.items =
            arena_array(arena, 1, sizeof *response->topics.items[t].partitions.items);
        response->topics.items[t].partitions.items[0] =
            (struct list_offsets_response_list_offsets_partition_response){
                index, 0, -1, timestamp == -2 ? 0 : broker->partitions[index].end_offset, 0};
    }
}

static inline void fake_fetch(struct fake_broker *broker, struct arena *arena,
                              const struct fetch_request *request, struct fetch_response *response)
{
    response->responses.count = request->topics.count;
    response->responses.items = arena_array(arena, (size_t)request->topics.count + 1,
                                            sizeof *response->responses.items);
    for (int32_t t = 0; t < request->topics.count; t++) {
        struct fetch_response_fetchable_topic_response *to = &response->responses.items[t];
        int32_t count = request->topics.items[t].partitions.count;
        to->topic = request->topics.items[t].topic;
        to->topic_id = request->topics.items[t].topic_id;
        to->partitions.count = count;
        to->partitions.items = arena_array(arena, (size_t)count, sizeof *to->partitions.items);
        for (int32_t p = 0; p < count; p++) {
            const struct fetch_request_fetch_partition *asked =
                &request->topics.items[t].partitions.items[p];
            struct fake_partition *partition = &broker->partitions[asked->partition];
            struct fetch_response_partition_data *one = &to->partitions.items[p];
            *one = (struct fetch_response_partition_data){
                .partition_index = asked->partition,
                .high_watermark = partition->end_offset,
                .last_stable_offset = partition->end_offset,
                .diverging_epoch = {-1, -1},
                .current_leader = {-1, -1},
                .snapshot_id = {-1, -1},
                .aborted_transactions = {NULL, -1},
                .preferred_read_replica = -1,
                .records = {(const uint8_t *)"", 0, NULL}};
            bool cut = broker->out_of_range_from > 0 &&
                       asked->fetch_offset >= broker->out_of_range_from &&
                       asked->fetch_offset < partition->end_offset;
            if (cut || asked->fetch_offset > partition->end_offset) {
                one->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
                atomic_fetch_add(&broker->out_of_range_count, 1);
            } else if (asked->fetch_offset < partition->end_offset) {
                /* The whole log: a client must skip what it has not asked for. */
                one->records = (struct records_view){partition->log.data, partition->log.size,
                                                     NULL};
            }
        }
    }
}

#endif
