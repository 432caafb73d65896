/* sender_transaction.c: the transactions of a producer on the network thread: what the transactor
 * asks for is sent to the coordinators, which are found first, and what comes back told to it. */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/sender.h"
#include "protocol/error.h"

#define TRANSACTION_ARENA_BYTES ((size_t)64 << 20)
/* Later versions are for brokers. */
#define ADD_PARTITIONS_VERSION_MAX 3
/* From these on the coordinators do what is said of transaction.version 2. */
#define COMMIT_OFFSETS_ENROLS_VERSION 5
#define END_BUMPS_VERSION 5
/* Commits carry the member since then (KIP-447). */
#define COMMIT_OFFSETS_VERSION_MIN 3

/* ---- coordinators ---- */

static void find_failed(struct bnb_producer *producer, const struct transactor_answer *answer)
{
    struct sender_transaction *transaction = &producer->transaction;
    int64_t now_ms = loop_monotonic_ms(client_loop(producer->client));
    transaction->find_ms =
        now_ms + client_backoff_ms(producer->config->retry_backoff_ms,
                                   producer->config->retry_backoff_max_ms,
                                   transaction->find_failures++);
    if (answer->code != 0) {
        pthread_mutex_lock(&producer->lock);
        (void)transactor_answered(&producer->transactor, now_ms, TRANSACTOR_FIND, answer);
        pthread_cond_broadcast(&producer->changed);
        pthread_mutex_unlock(&producer->lock);
    }
}

static void find_done(struct client_request *request)
{
    struct bnb_producer *producer = CONTAINER_OF(request, struct bnb_producer, transaction.find);
    struct sender_transaction *transaction = &producer->transaction;
    const struct find_coordinator_response *response = request->response;
    struct find_coordinator_response_coordinator found = {.node_id = -1};
    if (request->error == 0 && request->version >= 4) {
        if (response->coordinators.count == 1) {
            found = response->coordinators.items[0];
        }
    } else if (request->error == 0) {
        found = (struct find_coordinator_response_coordinator){
            .node_id = response->node_id, .host = response->host, .port = response->port,
            .error_code = response->error_code, .error_message = response->error_message};
    }
    transaction->finding = false;
    int32_t target = -1;
    if (found.error_code == 0 && found.node_id >= 0) {
        target = client_learn_coordinator(producer->client, found.node_id, found.host, found.port);
    }
    if (target >= 0) {
        transaction->find_failures = 0;
        *(transaction->finds_group ? &transaction->group_coordinator
                                   : &transaction->coordinator) = target;
    } else {
        const struct transactor_answer answer = {.code = found.error_code,
                                                 .text = found.error_message};
        find_failed(producer, &answer);
    }
    if (!producer->quitting) {
        sender_run(producer);
    }
}

static void find_prepare(struct client_request *request, int16_t version)
{
    struct bnb_producer *producer = CONTAINER_OF(request, struct bnb_producer, transaction.find);
    struct find_coordinator_request *message = &producer->transaction.find_message;
    static const struct string_view none = {"", 0};
    struct string_view key = message->coordinator_keys.items[0];
    message->key = version < 4 ? key : none;
    message->coordinator_keys.count = version < 4 ? 0 : 1;
}

static void find_start(struct bnb_producer *producer, bool group, int64_t now_ms, int64_t *wake_ms)
{
    struct sender_transaction *transaction = &producer->transaction;
    if (transaction->finding) {
        return;
    }
    if (now_ms < transaction->find_ms) {
        *wake_ms = transaction->find_ms < *wake_ms ? transaction->find_ms : *wake_ms;
        return;
    }
    struct arena *arena = &transaction->find_arena;
    struct find_coordinator_request *message = &transaction->find_message;
    static const struct transactor_answer lost = {0};
    arena_release(arena);
    arena_init(arena, TRANSACTION_ARENA_BYTES);
    find_coordinator_request_default(message);
    message->key_type = group ? 0 : 1;
    message->coordinator_keys.items =
        arena_array(arena, 1, sizeof *message->coordinator_keys.items);
    if (message->coordinator_keys.items == NULL) {
        find_failed(producer, &lost);
        return;
    }
    pthread_mutex_lock(&producer->lock);
    message->coordinator_keys.items[0] =
        group ? arena_string(arena, producer->offsets.group_id)
              : string_view_of(producer->config->transactional_id);
    pthread_mutex_unlock(&producer->lock);
    transaction->finding = true;
    transaction->finds_group = group;
    transaction->find = (struct client_request){
        .target = CLIENT_NODE_ANY,
        .api_key = API_FIND_COORDINATOR,
        .version_min = 1, /* of transactions */
        .request_row = &find_coordinator_request_row,
        .request = message,
        .response_row = &find_coordinator_response_row,
        .arena = arena,
        .timeout_ms = -1,
        .prepare = find_prepare,
        .done = find_done,
    };
    client_request_start(producer->client, &transaction->find);
}

/* ---- answers ---- */

/* What decides, of the partitions that were to be added: what is tried again, then what is fatal,
 * then the first reason. */
static int16_t partitions_code(const struct add_partitions_to_txn_response *response)
{
    int16_t decides = 0;
    enum transactor_verdict worst = TRANSACTOR_DONE;
    for (int32_t t = 0; t < response->results_by_topic_v3_and_below.count; t++) {
        const struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result *topic =
            &response->results_by_topic_v3_and_below.items[t];
        for (int32_t p = 0; p < topic->results_by_partition.count; p++) {
            int16_t code = topic->results_by_partition.items[p].partition_error_code;
            enum transactor_verdict verdict = transactor_verdict(TRANSACTOR_ADD_PARTITIONS, code);
            bool patient = verdict == TRANSACTOR_AGAIN || verdict == TRANSACTOR_ELSEWHERE;
            if (patient) {
                return code;
            }
            if (verdict > worst || decides == KAFKA_OPERATION_NOT_ATTEMPTED) {
                decides = code != 0 ? code : decides;
                worst = verdict > worst ? verdict : worst;
            }
        }
    }
    return decides;
}

static int16_t offsets_code(const struct txn_offset_commit_response *response)
{
    for (int32_t t = 0; t < response->topics.count; t++) {
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            if (response->topics.items[t].partitions.items[p].error_code != 0) {
                return response->topics.items[t].partitions.items[p].error_code;
            }
        }
    }
    return 0;
}

static struct transactor_answer answer_of(const struct client_request *request)
{
    struct transactor_answer answer = {.version = request->version, .producer_id = -1,
                                       .producer_epoch = -1};
    if (request->api_key == API_INIT_PRODUCER_ID) {
        const struct init_producer_id_response *init = request->response;
        answer.code = init->error_code;
        answer.producer_id = init->producer_id;
        answer.producer_epoch = init->producer_epoch;
    } else if (request->api_key == API_ADD_PARTITIONS_TO_TXN) {
        answer.code = partitions_code(request->response);
    } else if (request->api_key == API_ADD_OFFSETS_TO_TXN) {
        answer.code = ((const struct add_offsets_to_txn_response *)request->response)->error_code;
    } else if (request->api_key == API_TXN_OFFSET_COMMIT) {
        answer.code = offsets_code(request->response);
    } else {
        const struct end_txn_response *end = request->response;
        answer.code = end->error_code;
        answer.producer_id = end->producer_id;
        answer.producer_epoch = end->producer_epoch;
    }
    return answer;
}

/* The lock is held. */
static void partitions_move(struct bnb_producer *producer, enum partition_enrolment from,
                            enum partition_enrolment to)
{
    for (size_t t = 0; t < producer->accumulator.topic_count; t++) {
        struct accumulator_topic *topic = producer->accumulator.topics[t];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            if (topic->partitions[p]->enrolment == from) {
                topic->partitions[p]->enrolment = to;
            }
        }
    }
}

/* Takes over what the transactor has decided, before anybody else sees it. The lock is held. */
static void settle(struct bnb_producer *producer)
{
    struct transactor *transactor = &producer->transactor;
    if (transactor->ended) {
        partitions_move(producer, PARTITION_WANTED, PARTITION_OUT);
        partitions_move(producer, PARTITION_ADDING, PARTITION_OUT);
        partitions_move(producer, PARTITION_IN, PARTITION_OUT);
        transactor->ended = false;
        pthread_cond_broadcast(&producer->changed);
    }
    if (transactor->anew) {
        ASSERT(list_empty(&producer->accumulator.all));
        sender_reset_sequences(producer);
        producer->producer_id = transactor->producer_id;
        producer->producer_epoch = transactor->producer_epoch;
        transactor->anew = false;
    }
}

static void request_done(struct client_request *request)
{
    struct bnb_producer *producer =
        CONTAINER_OF(request, struct bnb_producer, transaction.request);
    struct sender_transaction *transaction = &producer->transaction;
    int64_t now_ms = loop_monotonic_ms(client_loop(producer->client));
    pthread_mutex_lock(&producer->lock);
    struct transactor *transactor = &producer->transactor;
    enum transactor_request asked = transactor->asking;
    bool elsewhere = request->error != 0;
    if (request->error != 0) {
        transactor_lost(transactor, now_ms, request->error, request->message.text);
    } else {
        const struct transactor_answer answer = answer_of(request);
        if (asked == TRANSACTOR_ADD_PARTITIONS && answer.code == 0) {
            partitions_move(producer, PARTITION_ADDING, PARTITION_IN);
        }
        elsewhere = transactor_answered(transactor, now_ms, asked, &answer);
    }
    settle(producer);
    pthread_cond_broadcast(&producer->changed);
    pthread_mutex_unlock(&producer->lock);
    if (elsewhere) {
        *(asked == TRANSACTOR_COMMIT_OFFSETS ? &transaction->group_coordinator
                                             : &transaction->coordinator) = -1;
    }
    if (!producer->quitting) {
        sender_run(producer);
    }
}

/* ---- requests ---- */

/* Adjacent partitions of one topic share an entry. The lock is held. False: no memory. */
static bool partitions_fill(struct bnb_producer *producer,
                            struct add_partitions_to_txn_request *message)
{
    const struct accumulator *accumulator = &producer->accumulator;
    struct arena *arena = &producer->transaction.arena;
    if (producer->transactor.partitions_wanted) {
        partitions_move(producer, PARTITION_WANTED, PARTITION_ADDING);
    }
    message->v3_and_below_topics.items = arena_array(
        arena, accumulator->topic_count + 1, sizeof *message->v3_and_below_topics.items);
    for (size_t t = 0; t < accumulator->topic_count && !arena->failed; t++) {
        const struct accumulator_topic *topic = accumulator->topics[t];
        int32_t *indexes =
            arena_array(arena, (size_t)topic->partition_count + 1, sizeof *indexes);
        int32_t count = 0;
        for (int32_t p = 0; indexes != NULL && p < topic->partition_count; p++) {
            if (topic->partitions[p]->enrolment == PARTITION_ADDING) {
                indexes[count++] = p;
            }
        }
        if (count > 0) {
            message->v3_and_below_topics.items[message->v3_and_below_topics.count++] =
                (struct add_partitions_to_txn_request_add_partitions_to_txn_topic){
                    string_view_of(topic->name), {indexes, count}};
        }
    }
    return !arena->failed;
}

static const struct {
    int16_t api_key;
    const struct codec_struct *request_row;
    const struct codec_struct *response_row;
} apis[] = {
    [TRANSACTOR_INIT] = {API_INIT_PRODUCER_ID, &init_producer_id_request_row,
                         &init_producer_id_response_row},
    [TRANSACTOR_ADD_PARTITIONS] = {API_ADD_PARTITIONS_TO_TXN, &add_partitions_to_txn_request_row,
                                   &add_partitions_to_txn_response_row},
    [TRANSACTOR_ADD_OFFSETS] = {API_ADD_OFFSETS_TO_TXN, &add_offsets_to_txn_request_row,
                                &add_offsets_to_txn_response_row},
    [TRANSACTOR_COMMIT_OFFSETS] = {API_TXN_OFFSET_COMMIT, &txn_offset_commit_request_row,
                                   &txn_offset_commit_response_row},
    [TRANSACTOR_END] = {API_END_TXN, &end_txn_request_row, &end_txn_response_row},
};

/* Fills the message in. The lock is held. False: no memory. */
static bool request_fill(struct bnb_producer *producer, enum transactor_request what)
{
    struct sender_transaction *transaction = &producer->transaction;
    const struct transactor *transactor = &producer->transactor;
    struct client_request *request = &transaction->request;
    struct string_view id = string_view_of(producer->config->transactional_id);
    int64_t producer_id = transactor->producer_id;
    int16_t producer_epoch = transactor->producer_epoch;
    request->request = &transaction->message;
    if (what != TRANSACTOR_COMMIT_OFFSETS) { /* whose message has been made */
        codec_default(request->request_row, &transaction->message);
    }
    switch (what) {
    case TRANSACTOR_INIT:
        transaction->message.init.transactional_id = id;
        transaction->message.init.transaction_timeout_ms =
            (int32_t)producer->config->transaction_timeout_ms;
        transaction->message.init.producer_id = producer_id;
        transaction->message.init.producer_epoch = producer_epoch;
        return true;
    case TRANSACTOR_ADD_PARTITIONS:
        request->version_max = ADD_PARTITIONS_VERSION_MAX;
        transaction->message.partitions.v3_and_below_transactional_id = id;
        transaction->message.partitions.v3_and_below_producer_id = producer_id;
        transaction->message.partitions.v3_and_below_producer_epoch = producer_epoch;
        return partitions_fill(producer, &transaction->message.partitions);
    case TRANSACTOR_ADD_OFFSETS:
        transaction->message.offsets.transactional_id = id;
        transaction->message.offsets.producer_id = producer_id;
        transaction->message.offsets.producer_epoch = producer_epoch;
        transaction->message.offsets.group_id = producer->offsets.group_id;
        return true;
    case TRANSACTOR_COMMIT_OFFSETS:
        request->request = &producer->offsets;
        request->version_min = transactor->newer ? COMMIT_OFFSETS_ENROLS_VERSION
                                                 : COMMIT_OFFSETS_VERSION_MIN;
        request->version_max = transactor->newer ? 0 : COMMIT_OFFSETS_ENROLS_VERSION - 1;
        producer->offsets.transactional_id = id;
        producer->offsets.producer_id = producer_id;
        producer->offsets.producer_epoch = producer_epoch;
        return true;
    case TRANSACTOR_END:
        request->version_min = transactor->newer ? END_BUMPS_VERSION : 0;
        request->version_max = transactor->newer ? 0 : END_BUMPS_VERSION - 1;
        transaction->message.end.transactional_id = id;
        transaction->message.end.producer_id = producer_id;
        transaction->message.end.producer_epoch = producer_epoch;
        transaction->message.end.committed = transactor->state == BNB_TRANSACTION_COMMITTING;
        return true;
    case TRANSACTOR_NONE:
    case TRANSACTOR_FIND:
        break;
    }
    return false;
}

/* Makes the request. The lock is held. False: it cannot be made now. */
static bool request_make(struct bnb_producer *producer, enum transactor_request what,
                         int64_t now_ms)
{
    struct sender_transaction *transaction = &producer->transaction;
    arena_release(&transaction->arena);
    arena_init(&transaction->arena, TRANSACTION_ARENA_BYTES);
    transaction->request = (struct client_request){
        .target = what == TRANSACTOR_COMMIT_OFFSETS ? transaction->group_coordinator
                                                    : transaction->coordinator,
        .api_key = apis[what].api_key,
        .request_row = apis[what].request_row,
        .response_row = apis[what].response_row,
        .arena = &transaction->arena,
        .timeout_ms = -1,
        .done = request_done,
    };
    bool filled = request_fill(producer, what);
    transactor_asked(&producer->transactor, what);
    if (!filled) {
        transactor_lost(&producer->transactor, now_ms, ERR_NOMEM, "out of memory");
    }
    return filled;
}

/* ---- batches ---- */

/* A batch that would come to nothing, now that the transaction is not to be committed: one that was
 * never sent, or, once all is lost, any that is not under way. NULL: none. The lock is held. */
static struct pending_batch *batch_given_up(struct bnb_producer *producer)
{
    bool fatal = producer->transactor.state == BNB_TRANSACTION_FATAL;
    if (!transactor_gives_up(&producer->transactor)) {
        return NULL;
    }
    LIST_FOR_EACH(node, &producer->accumulator.all) {
        struct pending_batch *batch = CONTAINER_OF(node, struct pending_batch, all_node);
        if (batch->state != PENDING_IN_FLIGHT && (fatal || batch->producer_id < 0)) {
            return batch;
        }
    }
    return NULL;
}

static void give_up_batches(struct bnb_producer *producer)
{
    for (;;) {
        struct bnb_error error;
        pthread_mutex_lock(&producer->lock);
        struct pending_batch *batch = batch_given_up(producer);
        int code = producer->transactor.code;
        client_error_set(&error, code != 0 ? code : BNB_ERROR_ABORTED, "%s",
                         code != 0 ? producer->transactor.text
                                   : "Failing batch since transaction was aborted");
        pthread_mutex_unlock(&producer->lock);
        if (batch == NULL) {
            return;
        }
        sender_complete(producer, batch, error.code, error.text, -1, -1);
    }
}

void sender_transact(struct bnb_producer *producer, int64_t now_ms, int64_t *wake_ms)
{
    struct sender_transaction *transaction = &producer->transaction;
    give_up_batches(producer);
    pthread_mutex_lock(&producer->lock);
    producer->transactor.version = client_transaction_version(producer->client);
    if (producer->offsets_anew) {
        transaction->group_coordinator = -1;
        producer->offsets_anew = false;
    }
    enum transactor_request what =
        transactor_next(&producer->transactor, now_ms, !list_empty(&producer->accumulator.all),
                        wake_ms);
    settle(producer);
    bool group = what == TRANSACTOR_COMMIT_OFFSETS;
    bool found = (group ? transaction->group_coordinator : transaction->coordinator) >= 0;
    bool made = what != TRANSACTOR_NONE && found && request_make(producer, what, now_ms);
    pthread_mutex_unlock(&producer->lock);
    if (made) {
        client_request_start(producer->client, &transaction->request);
    } else if (what != TRANSACTOR_NONE && !found) {
        find_start(producer, group, now_ms, wake_ms);
    } else if (what != TRANSACTOR_NONE) {
        *wake_ms = now_ms < *wake_ms ? now_ms : *wake_ms; /* no memory: again */
    }
}
