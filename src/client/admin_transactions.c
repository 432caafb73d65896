/* admin_transactions.c: transactions, as their coordinators and their partitions know them. */
#include <barnabas/transactions.h>

#include <time.h>

#include "client/admin.h"
#include "protocol/error.h"

#define KEY_TRANSACTION 1
#define ATTEMPTS_MAX 100
#define BACKOFF_NS 100000000

/* Whether to ask once more, after a pause. */
static bool asks_again(int16_t error_code, int *attempts)
{
    struct timespec pause = {0, BACKOFF_NS};
    bool patience = error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
                    error_code == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                    error_code == KAFKA_NOT_COORDINATOR ||
                    error_code == KAFKA_CONCURRENT_TRANSACTIONS;
    if (!patience || ++*attempts > ATTEMPTS_MAX) {
        return false;
    }
    (void)nanosleep(&pause, NULL);
    return true;
}

/* The broker that coordinates an id. */
static int find_coordinator(struct bnb_admin *admin, struct bnb_memory *memory, const char *id,
                            int32_t *node, struct bnb_error *error)
{
    struct string_view key = string_view_of(id);
    struct find_coordinator_request request;
    struct find_coordinator_response *response;
    int attempts = 0;
    find_coordinator_request_default(&request);
    request.key_type = KEY_TRANSACTION;
    request.coordinator_keys.items = &key;
    request.coordinator_keys.count = 1;
    int result = admin_learn_nodes(admin, memory, error);
    while (result == 0) {
        result = admin_call(admin, memory, CLIENT_NODE_ANY, API_FIND_COORDINATOR,
                            &find_coordinator_request_row, &request,
                            &find_coordinator_response_row, &response, error);
        if (result != 0 || response->coordinators.count != 1) {
            return result != 0 ? result : client_error_kafka(error, KAFKA_UNKNOWN_SERVER_ERROR,
                                                             string_view_of(""));
        }
        *node = response->coordinators.items[0].node_id;
        int16_t code = response->coordinators.items[0].error_code;
        if (!asks_again(code, &attempts)) {
            return code == 0 ? 0
                             : client_error_kafka(error, code,
                                                  response->coordinators.items[0].error_message);
        }
    }
    return result;
}

/* ---- listing ---- */

static int list_broker(struct bnb_admin *admin, struct bnb_memory *memory, int32_t broker,
                       const struct list_transactions_request *request,
                       struct list_transactions_response **response, struct bnb_error *error)
{
    int attempts = 0;
    for (;;) {
        int result = admin_call(admin, memory, broker, API_LIST_TRANSACTIONS,
                                &list_transactions_request_row, request,
                                &list_transactions_response_row, response, error);
        if (result != 0) {
            return result;
        }
        if (!asks_again((*response)->error_code, &attempts)) {
            return (*response)->error_code == 0
                       ? 0
                       : client_error_set(error, (*response)->error_code,
                                          "ListTransactions request sent to broker %d failed with "
                                          "an unexpected exception", broker);
        }
    }
}

int bnb_admin_list_transactions(struct bnb_admin *admin, struct bnb_memory *memory,
                                const struct bnb_transaction_filter *filter,
                                const struct bnb_transaction_listing **listings, int32_t *count,
                                struct bnb_error *error)
{
    struct list_transactions_request request;
    struct bnb_cluster cluster;
    list_transactions_request_default(&request);
    request.producer_id_filters.items = (int64_t *)filter->producer_ids;
    request.producer_id_filters.count = filter->producer_id_count;
    request.duration_filter = filter->duration_ms;
    request.transactional_id_pattern = string_view_of(filter->pattern);
    struct bnb_transaction_listing *all = NULL;
    *count = 0;
    int result = bnb_admin_describe_cluster(admin, memory, false, &cluster, error);
    if (result == 0) {
        result = admin_learn_nodes(admin, memory, error);
    }
    for (int32_t i = 0; result == 0 && i < cluster.node_count; i++) {
        struct list_transactions_response *response;
        result = list_broker(admin, memory, cluster.nodes[i].id, &request, &response, error);
        int32_t more = result == 0 ? response->transaction_states.count : 0;
        all = result == 0
                  ? admin_array_longer(memory, all, *count, more, sizeof *all, error) : NULL;
        if (all == NULL) {
            return result != 0 ? result : BNB_ERROR_NO_MEMORY;
        }
        for (int32_t j = 0; j < more; j++) {
            all[(*count)++] = (struct bnb_transaction_listing){
                memory_string(memory, response->transaction_states.items[j].transactional_id),
                cluster.nodes[i].id, response->transaction_states.items[j].producer_id,
                memory_string(memory, response->transaction_states.items[j].transaction_state)};
        }
    }
    *listings = all;
    return result;
}

/* ---- describing ---- */

static int fill_transaction(struct bnb_memory *memory,
                            const struct describe_transactions_response_transaction_state *state,
                            int32_t node, struct bnb_transaction *out, struct bnb_error *error)
{
    int32_t count = 0;
    for (int32_t i = 0; i < state->topics.count; i++) {
        count += state->topics.items[i].partitions.count;
    }
    struct bnb_transaction_partition *partitions =
        admin_array(memory, count, sizeof *partitions, error);
    if (partitions == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    count = 0;
    for (int32_t i = 0; i < state->topics.count; i++) {
        const char *topic = memory_string(memory, state->topics.items[i].topic);
        for (int32_t j = 0; j < state->topics.items[i].partitions.count; j++) {
            partitions[count++] = (struct bnb_transaction_partition){
                topic, state->topics.items[i].partitions.items[j]};
        }
    }
    *out = (struct bnb_transaction){
        .coordinator = node,
        .state = memory_string(memory, state->transaction_state),
        .producer_id = state->producer_id,
        .producer_epoch = state->producer_epoch,
        .timeout_ms = state->transaction_timeout_ms,
        .start_ms = state->transaction_start_time_ms,
        .partitions = partitions,
        .partition_count = count,
    };
    return 0;
}

int bnb_admin_describe_transaction(struct bnb_admin *admin, struct bnb_memory *memory,
                                   const char *transactional_id, struct bnb_transaction *out,
                                   struct bnb_error *error)
{
    struct string_view id = string_view_of(transactional_id);
    struct describe_transactions_request request;
    struct describe_transactions_response *response;
    int attempts = 0;
    describe_transactions_request_default(&request);
    request.transactional_ids.items = &id;
    request.transactional_ids.count = 1;
    for (;;) {
        int32_t node;
        int result = find_coordinator(admin, memory, transactional_id, &node, error);
        if (result == 0) {
            result = admin_call(admin, memory, node, API_DESCRIBE_TRANSACTIONS,
                                &describe_transactions_request_row, &request,
                                &describe_transactions_response_row, &response, error);
        }
        if (result != 0) {
            return result;
        }
        int16_t code = response->transaction_states.count == 1
                           ? response->transaction_states.items[0].error_code
                           : KAFKA_UNKNOWN_SERVER_ERROR;
        if (code == 0) {
            return fill_transaction(memory, &response->transaction_states.items[0], node, out,
                                    error);
        }
        if (code == KAFKA_TRANSACTIONAL_ID_NOT_FOUND) {
            return client_error_set(error, code,
                                    "DescribeTransactions request for transactionalId `%.200s` "
                                    "failed because the ID could not be found", transactional_id);
        }
        if (!asks_again(code, &attempts)) {
            return client_error_kafka(error, code, string_view_of(""));
        }
    }
}

/* ---- partitions ---- */

static int find_leader(struct bnb_admin *admin, struct bnb_memory *memory, const char *topic,
                       int32_t partition, int32_t *node, struct bnb_error *error)
{
    struct admin_place place = {.topic = topic, .partition = partition};
    int result = admin_find_leaders(admin, memory, &place, 1, error);
    if (result == 0 && place.error_code != 0) {
        result = client_error_kafka(error, place.error_code, string_view_of(""));
    }
    *node = place.leader;
    return result;
}

int bnb_admin_describe_producers(struct bnb_admin *admin, struct bnb_memory *memory,
                                 const char *topic, int32_t partition, int32_t broker,
                                 const struct bnb_producer_state **states, int32_t *count,
                                 struct bnb_error *error)
{
    struct describe_producers_request request;
    struct describe_producers_request_topic_request asked = {.name = string_view_of(topic)};
    struct describe_producers_response *response;
    int32_t node = broker;
    describe_producers_request_default(&request);
    asked.partition_indexes.items = &partition;
    asked.partition_indexes.count = 1;
    request.topics.items = &asked;
    request.topics.count = 1;
    int result = broker >= 0 ? admin_learn_nodes(admin, memory, error)
                             : find_leader(admin, memory, topic, partition, &node, error);
    if (result == 0) {
        result = admin_call(admin, memory, node, API_DESCRIBE_PRODUCERS,
                            &describe_producers_request_row, &request,
                            &describe_producers_response_row, &response, error);
    }
    if (result != 0) {
        return result;
    }
    const struct describe_producers_response_partition_response *told =
        response->topics.count == 1 && response->topics.items[0].partitions.count == 1
            ? &response->topics.items[0].partitions.items[0]
            : NULL;
    if (told == NULL || told->error_code != 0) {
        return told == NULL
                   ? client_error_kafka(error, KAFKA_UNKNOWN_SERVER_ERROR, string_view_of(""))
                   : client_error_kafka(error, told->error_code, told->error_message);
    }
    *count = told->active_producers.count;
    struct bnb_producer_state *all = admin_array(memory, *count, sizeof *all, error);
    for (int32_t i = 0; all != NULL && i < *count; i++) {
        const struct describe_producers_response_producer_state *from =
            &told->active_producers.items[i];
        all[i] = (struct bnb_producer_state){from->producer_id,    from->producer_epoch,
                                             from->last_sequence,  from->last_timestamp,
                                             from->coordinator_epoch,
                                             from->current_txn_start_offset};
    }
    *states = all;
    return all == NULL ? BNB_ERROR_NO_MEMORY : 0;
}

int bnb_admin_abort_transaction(struct bnb_admin *admin,
                                const struct bnb_transaction_abort *transaction,
                                struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    int32_t partition = transaction->partition;
    struct write_txn_markers_request request;
    struct write_txn_markers_request_writable_txn_marker_topic topic = {
        .name = string_view_of(transaction->topic)};
    struct write_txn_markers_request_writable_txn_marker marker = {
        .producer_id = transaction->producer_id,
        .producer_epoch = transaction->producer_epoch,
        .coordinator_epoch = transaction->coordinator_epoch,
    };
    struct write_txn_markers_response *response;
    int32_t node;
    write_txn_markers_request_default(&request);
    topic.partition_indexes.items = &partition;
    topic.partition_indexes.count = 1;
    marker.topics.items = &topic;
    marker.topics.count = 1;
    request.markers.items = &marker;
    request.markers.count = 1;
    int result = memory == NULL ? client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory")
                                : find_leader(admin, memory, transaction->topic, partition, &node,
                                              error);
    if (result == 0) {
        result = admin_call(admin, memory, node, API_WRITE_TXN_MARKERS,
                            &write_txn_markers_request_row, &request,
                            &write_txn_markers_response_row, &response, error);
    }
    if (result == 0) {
        bool shaped = response->markers.count == 1 &&
                      response->markers.items[0].topics.count == 1 &&
                      response->markers.items[0].topics.items[0].partitions.count == 1;
        int16_t code =
            shaped ? response->markers.items[0].topics.items[0].partitions.items[0].error_code
                   : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
        result = code == 0 ? 0 : client_error_kafka(error, code, string_view_of(""));
    }
    bnb_memory_destroy(&memory);
    return result;
}

int bnb_admin_force_terminate_transaction(struct bnb_admin *admin, const char *transactional_id,
                                          struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct init_producer_id_request request;
    struct init_producer_id_response *response;
    int attempts = 0;
    int result = memory == NULL ? client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory") : 0;
    init_producer_id_request_default(&request);
    request.transactional_id = string_view_of(transactional_id);
    request.transaction_timeout_ms = (int32_t)client_config(admin->client)->request_timeout_ms;
    request.producer_id = -1;
    request.producer_epoch = -1;
    while (result == 0) {
        int32_t node;
        result = find_coordinator(admin, memory, transactional_id, &node, error);
        if (result == 0) {
            result = admin_call(admin, memory, node, API_INIT_PRODUCER_ID,
                                &init_producer_id_request_row, &request,
                                &init_producer_id_response_row, &response, error);
        }
        if (result == 0 && !asks_again(response->error_code, &attempts)) {
            result = response->error_code == 0
                         ? 0
                         : client_error_kafka(error, response->error_code, string_view_of(""));
            break;
        }
    }
    bnb_memory_destroy(&memory);
    return result;
}
