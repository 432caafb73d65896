/* fake_transact.h: the coordinator of the fake broker, of one transactional id. Part of
 * fake_broker.h. */
#ifndef BNB_TESTS_FAKE_TRANSACT_H
#define BNB_TESTS_FAKE_TRANSACT_H

/* Whether a producer with that epoch may go on. */
static inline int16_t fake_transact(struct fake_broker *broker, int16_t epoch)
{
    int number = ++broker->transaction.requests;
    if (number == broker->transact_moves_at) {
        return KAFKA_NOT_COORDINATOR;
    }
    if (number <= broker->transact_busy_until || atomic_load(&broker->transact_busy)) {
        return KAFKA_CONCURRENT_TRANSACTIONS;
    }
    return epoch >= 0 && epoch != broker->transaction.epoch ? KAFKA_PRODUCER_FENCED : 0;
}

static inline void fake_finish(struct fake_broker *broker, bool commits)
{
    struct fake_transaction *transaction = &broker->transaction;
    transaction->commits += commits;
    transaction->aborts += !commits;
    transaction->last = commits;
    transaction->open = transaction->offsets_added = false;
    if (commits && transaction->offset_pending >= 0) {
        transaction->offset = transaction->offset_pending;
    }
    transaction->offset_pending = -1;
    memset(transaction->added, 0, sizeof transaction->added);
}

static inline void fake_init(struct fake_broker *broker,
                             const struct init_producer_id_request *request,
                             struct init_producer_id_response *response)
{
    if (request->transactional_id.data == NULL) {
        response->producer_id = 100 + atomic_fetch_add(&broker->id_count, 1);
        response->producer_epoch = 0;
        return;
    }
    response->error_code = fake_transact(broker, request->producer_epoch);
    if (response->error_code == 0) {
        if (broker->transaction.open) {
            fake_finish(broker, false);
        }
        broker->transaction.last = -1;
        response->producer_id = 55;
        response->producer_epoch = ++broker->transaction.epoch;
    }
}

static inline void fake_find(struct fake_broker *broker, struct arena *arena,
                             const struct find_coordinator_request *request,
                             struct find_coordinator_response *response)
{
    atomic_fetch_add(&broker->find_count, 1);
    response->coordinators.items = arena_array(arena, 1, sizeof *response->coordinators.items);
    response->coordinators.count = 1;
    response->coordinators.items[0] = (struct find_coordinator_response_coordinator){
        .key = request->coordinator_keys.items[0], .node_id = 1,
        .host = string_view_of("127.0.0.1"), .port = broker->port};
}

static inline void fake_add_partitions(struct fake_broker *broker, struct arena *arena,
                                       const struct add_partitions_to_txn_request *request,
                                       struct add_partitions_to_txn_response *response)
{
    const struct add_partitions_to_txn_request_add_partitions_to_txn_topic *topic =
        &request->v3_and_below_topics.items[0];
    int16_t code = fake_transact(broker, request->v3_and_below_producer_epoch);
    response->results_by_topic_v3_and_below.items =
        arena_array(arena, 1, sizeof *response->results_by_topic_v3_and_below.items);
    response->results_by_topic_v3_and_below.count = 1;
    response->results_by_topic_v3_and_below.items[0].name = topic->name;
    response->results_by_topic_v3_and_below.items[0].results_by_partition.count =
        topic->partitions.count;
    struct add_partitions_to_txn_response_add_partitions_to_txn_partition_result *results =
        arena_array(arena, (size_t)topic->partitions.count, sizeof *results);
    response->results_by_topic_v3_and_below.items[0].results_by_partition.items = results;
    for (int32_t i = 0; i < topic->partitions.count; i++) {
        results[i].partition_index = topic->partitions.items[i];
        results[i].partition_error_code = code;
        broker->transaction.added[topic->partitions.items[i]] |= code == 0;
    }
    broker->transaction.open |= code == 0;
}

/* Records of a transaction come from its producer, and for partitions that are in it. */
static inline int16_t fake_transact_append(struct fake_broker *broker, int32_t index,
                                           const uint8_t *data, size_t size)
{
    struct batch batch;
    if (batch_decode(data, size, &batch) != 0 || !batch_is_transactional(&batch)) {
        return 0;
    }
    if (batch.producer_epoch != broker->transaction.epoch) {
        return KAFKA_INVALID_PRODUCER_EPOCH;
    }
    if (broker->transaction_version >= 2) {
        broker->transaction.open = broker->transaction.added[index] = true;
    }
    return broker->transaction.added[index] ? 0 : KAFKA_INVALID_TXN_STATE;
}

static inline void fake_commit_offsets(struct fake_broker *broker, struct arena *arena,
                                       int16_t version,
                                       const struct txn_offset_commit_request *request,
                                       struct txn_offset_commit_response *response)
{
    int16_t code = fake_transact(broker, request->producer_epoch);
    bool in = version >= 5 || broker->transaction.offsets_added;
    code = code == 0 && !in ? KAFKA_INVALID_TXN_STATE : code;
    if (code == 0) {
        broker->transaction.open = true;
        broker->transaction.offset_pending =
            request->topics.items[0].partitions.items[0].committed_offset;
    }
    response->topics.items = arena_array(arena, 1, sizeof *response->topics.items);
    response->topics.count = 1;
    response->topics.items[0].name = request->topics.items[0].name;
    response->topics.items[0].partitions.items =
        arena_array(arena, 1, sizeof *response->topics.items[0].partitions.items);
    response->topics.items[0].partitions.count = 1;
    response->topics.items[0].partitions.items[0] =
        (struct txn_offset_commit_response_txn_offset_commit_response_partition){
            request->topics.items[0].partitions.items[0].partition_index, code};
}

/* False: hang up. */
static inline bool fake_end(struct fake_broker *broker, int16_t version,
                            const struct end_txn_request *request,
                            struct end_txn_response *response)
{
    struct fake_transaction *transaction = &broker->transaction;
    if (atomic_load(&broker->end_waits)) {
        return false;
    }
    int number = ++transaction->ends;
    /* Once more what was done: the producer has not heard of it. */
    bool again = !transaction->open && transaction->last == (int)request->committed &&
                 request->producer_epoch == transaction->epoch - (version >= 5);
    if (!again) {
        response->error_code = fake_transact(broker, request->producer_epoch);
    }
    if (response->error_code == 0 && !again && !transaction->open) {
        response->error_code = KAFKA_INVALID_TXN_STATE;
    }
    if (response->error_code == 0) {
        if (!again) {
            fake_finish(broker, request->committed);
            transaction->epoch += version >= 5;
        }
        response->producer_id = version >= 5 ? 55 : -1;
        response->producer_epoch = version >= 5 ? transaction->epoch : -1;
    }
    return broker->lose_end_every == 0 || number % broker->lose_end_every != 0;
}

#endif
