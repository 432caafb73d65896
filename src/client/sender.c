/* sender.c: the network thread of a producer: which batches go where, and what comes back. */
#include "client/sender.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "io/system.h"
#include "protocol/error.h"

#define SENDER_ARENA_BYTES ((size_t)64 << 20)
#define SENDER_NODES_MAX 1024
/* From this version on a broker adds the partitions to the transaction (transaction.version 2). */
#define PRODUCE_ENROLS_VERSION 12

/* One produce request on its way. */
struct produce_send {
    struct client_request request;
    struct bnb_producer *producer;
    struct produce_request message;
    struct arena arena;
    int32_t node_id;
    size_t bytes;
    bool ready; /* while gathering: some batch of this node has to go now */
    struct pending_batch **batches;
    size_t count;
    size_t capacity;
};

struct drain {
    int64_t now_ms;
    int64_t wake_ms; /* when something is next due */
    bool metadata;   /* a partition without leader has something to send */
    bool wants_id;   /* a batch waits for a producer id */
    struct produce_send *sends[SENDER_NODES_MAX];
    size_t send_count;
};

static void sender_post_run(struct loop_mail *mail)
{
    struct bnb_producer *producer = CONTAINER_OF(mail, struct bnb_producer, mail);
    pthread_mutex_lock(&producer->lock);
    producer->mail_posted = false;
    pthread_mutex_unlock(&producer->lock);
    sender_run(producer);
}

void sender_wake(struct bnb_producer *producer)
{
    if (!producer->mail_posted) {
        producer->mail_posted = true;
        client_post(producer->client, &producer->mail);
    }
}

static void sender_timer(struct timer *timer)
{
    sender_run(CONTAINER_OF(timer, struct bnb_producer, timer));
}

/* ---- the end of a batch ---- */

void sender_complete(struct bnb_producer *producer, struct pending_batch *batch, int code,
                     const char *text, int64_t base_offset, int64_t append_time_ms)
{
    pthread_mutex_lock(&producer->lock);
    pending_batch_close(batch);
    pending_batch_unlink(batch);
    pthread_mutex_unlock(&producer->lock);
    int64_t told_ms = io_wall_ms();
    for (int32_t i = 0; i < batch->builder.header.record_count; i++) {
        const struct delivery_slot *slot = &batch->slots[i];
        struct bnb_delivery delivery = {
            .code = code,
            .error_text = text,
            .topic = batch->partition->topic->name,
            .partition = batch->partition->index,
            .offset = base_offset >= 0 ? base_offset + i : -1,
            .timestamp_ms = append_time_ms >= 0 ? append_time_ms : slot->timestamp_ms,
            .told_ms = told_ms,
        };
        if (slot->callback != NULL) {
            slot->callback(slot->context, &delivery);
        }
    }
    pthread_mutex_lock(&producer->lock);
    pending_batch_free(&producer->accumulator, batch);
    pthread_cond_broadcast(&producer->changed);
    pthread_mutex_unlock(&producer->lock);
}

static int64_t batch_deadline_ms(const struct bnb_producer *producer,
                                 const struct pending_batch *batch)
{
    return batch->created_ms + producer->config->delivery_timeout_ms;
}

/* New batches get another id. Those that were sent keep theirs: the broker may have them, and tells
 * by their sequences. */
static void sender_leave_id(struct bnb_producer *producer, const struct pending_batch *batch)
{
    if (batch->producer_id >= 0 && batch->producer_id == producer->producer_id) {
        producer->producer_id = -1;
    }
}

/* A batch has failed for good: what follows it in its partition would be out of sequence. */
static void sender_sequence_lost(struct bnb_producer *producer, const struct pending_batch *batch,
                                 int code, const char *text)
{
    if (!sender_is_transactional(producer)) {
        sender_leave_id(producer, batch);
        return;
    }
    pthread_mutex_lock(&producer->lock);
    transactor_batch_failed(&producer->transactor, code, text);
    pthread_mutex_unlock(&producer->lock);
}

/* Fails what has waited longer than delivery.timeout.ms; what is in flight comes back first. */
static void sender_expire(struct bnb_producer *producer, struct drain *drain)
{
    for (;;) {
        struct pending_batch *expired = NULL;
        pthread_mutex_lock(&producer->lock);
        LIST_FOR_EACH(node, &producer->accumulator.all) {
            struct pending_batch *batch = CONTAINER_OF(node, struct pending_batch, all_node);
            int64_t deadline_ms = batch_deadline_ms(producer, batch);
            if (deadline_ms > drain->now_ms) {
                drain->wake_ms = deadline_ms < drain->wake_ms ? deadline_ms : drain->wake_ms;
                break; /* the list is in order of creation */
            }
            if (batch->state != PENDING_IN_FLIGHT) {
                expired = batch;
                break;
            }
        }
        pthread_mutex_unlock(&producer->lock);
        if (expired == NULL) {
            return;
        }
        char text[160];
        snprintf(text, sizeof text, "Expiring %d record(s) for %s-%d:%lld ms has passed since "
                 "batch creation", expired->builder.header.record_count,
                 expired->partition->topic->name, expired->partition->index,
                 (long long)(drain->now_ms - expired->created_ms));
        /* It may have reached the broker: later sequences cannot be told from a gap. */
        sender_sequence_lost(producer, expired, BNB_ERROR_TIMEOUT, text);
        sender_complete(producer, expired, BNB_ERROR_TIMEOUT, text, -1, -1);
    }
}

/* ---- which batches may go ---- */

static struct pending_batch *batch_of(struct list *node)
{
    return CONTAINER_OF(node, struct pending_batch, node);
}

/* Whether batches behind one that is in flight have to wait for it. The lock is held. */
static bool partition_waits_for(const struct bnb_producer *producer,
                                const struct pending_batch *in_flight)
{
    /* A broker takes any sequence number from a producer that it has never seen. So the first batch
     * of an id goes alone, or a later one could be taken while the first is retried. And while one
     * of an earlier id is refused, nothing tells the broker that another is behind it. */
    return producer->config->enable_idempotence &&
           (!in_flight->partition->acknowledged || in_flight->producer_id != producer->producer_id);
}

/* The next batch of a partition that order allows to go, or NULL. *due: it must go now. Sets the
 * time at which that will change. The lock is held. */
static struct pending_batch *partition_candidate(struct bnb_producer *producer,
                                                 struct accumulator_partition *partition,
                                                 struct drain *drain, bool *due)
{
    const struct client_config *config = producer->config;
    LIST_FOR_EACH(node, &partition->batches) {
        struct pending_batch *batch = batch_of(node);
        bool first = node->prev == &partition->batches;
        if (batch->state == PENDING_IN_FLIGHT) {
            if (partition_waits_for(producer, batch)) {
                return NULL;
            }
            continue;
        }
        int64_t at_ms = batch->state == PENDING_RETRY ? batch->retry_at_ms : drain->now_ms;
        if (batch->state == PENDING_OPEN) {
            bool pressed = producer->flushing > 0 || producer->closed ||
                           producer->memory_waiting > 0 ||
                           producer->transactor.state == BNB_TRANSACTION_COMMITTING;
            at_ms = pressed ? drain->now_ms : batch->created_ms + config->linger_ms;
        }
        /* A repeated batch goes alone and first, or sequences would arrive out of order. */
        if (batch->state == PENDING_RETRY && config->enable_idempotence && !first) {
            return NULL;
        }
        if (at_ms > drain->now_ms && batch->state == PENDING_RETRY) {
            drain->wake_ms = at_ms < drain->wake_ms ? at_ms : drain->wake_ms;
            return NULL;
        }
        *due = at_ms <= drain->now_ms;
        if (!*due) {
            drain->wake_ms = at_ms < drain->wake_ms ? at_ms : drain->wake_ms;
        }
        return batch;
    }
    return NULL;
}

static struct produce_send *drain_send(struct bnb_producer *producer, struct drain *drain,
                                       int32_t node_id)
{
    for (size_t i = 0; i < drain->send_count; i++) {
        if (drain->sends[i]->node_id == node_id) {
            return drain->sends[i];
        }
    }
    struct produce_send *send =
        drain->send_count < SENDER_NODES_MAX ? mem_calloc(1, sizeof *send) : NULL;
    if (send != NULL) {
        send->producer = producer;
        send->node_id = node_id;
        arena_init(&send->arena, SENDER_ARENA_BYTES);
        drain->sends[drain->send_count++] = send;
    }
    return send;
}

/* Gathers one batch a partition for its leader. The lock is held. */
static void drain_partition(struct bnb_producer *producer, struct accumulator_partition *partition,
                            struct drain *drain)
{
    bool due = false;
    if (sender_is_transactional(producer) && partition->enrolment != PARTITION_IN) {
        return; /* once it is in the transaction */
    }
    struct pending_batch *batch = partition_candidate(producer, partition, drain, &due);
    if (batch == NULL) {
        return;
    }
    if (producer->config->enable_idempotence && batch->producer_id < 0 &&
        producer->producer_id < 0) {
        drain->wants_id = true;
        return;
    }
    if (partition->leader < 0) {
        drain->metadata = drain->metadata || due;
        return;
    }
    struct produce_send *send = drain_send(producer, drain, partition->leader);
    size_t bytes = batch->plain.size;
    if (send == NULL || (send->count > 0 && send->bytes + bytes >
                                                (size_t)producer->config->max_request_bytes)) {
        return;
    }
    if (mem_grow((void **)&send->batches, &send->capacity, send->count + 1,
                 sizeof *send->batches) == 0) {
        send->batches[send->count++] = batch;
        send->bytes += bytes;
        send->ready = send->ready || due;
    }
}

static void produce_send_free(struct produce_send *send)
{
    arena_release(&send->arena);
    mem_free(send->batches);
    mem_free(send);
}

/* Claims the batches of one send. The lock is held. */
static void drain_claim(struct bnb_producer *producer, struct produce_send *send)
{
    for (size_t i = 0; i < send->count; i++) {
        struct pending_batch *batch = send->batches[i];
        struct accumulator_partition *partition = batch->partition;
        struct batch *header = &batch->builder.header;
        pending_batch_close(batch);
        batch->state = PENDING_IN_FLIGHT;
        if (producer->config->enable_idempotence && batch->producer_id < 0) {
            ASSERT(producer->producer_id >= 0);
            if (partition->producer_id != producer->producer_id) {
                partition->producer_id = producer->producer_id;
                partition->next_sequence = 0;
                partition->acknowledged = false;
            }
            batch->producer_id = producer->producer_id;
            header->producer_id = producer->producer_id;
            header->producer_epoch = producer->producer_epoch;
            header->attributes |= sender_is_transactional(producer) ? BATCH_TRANSACTIONAL : 0;
            header->base_sequence = partition->next_sequence;
            partition->next_sequence =
                batch_sequence_add(partition->next_sequence, header->record_count);
            batch->sealed = false;
        }
    }
}

/* ---- what comes back ---- */

/* A batch failed in a way that another try may cure. */
static bool batch_may_retry(struct bnb_producer *producer, struct pending_batch *batch, int code,
                            int64_t now_ms)
{
    bool transactional = sender_is_transactional(producer);
    bool out_of_order = code == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER &&
                        producer->config->enable_idempotence;
    bool first = batch->node.prev == &batch->partition->batches;
    bool gap = out_of_order && !first; /* an earlier batch is still to be sent again */
    /* Of a transaction that loses its id nothing can be saved: it is aborted. */
    bool lost_id = producer->config->enable_idempotence && !transactional &&
                   (code == KAFKA_UNKNOWN_PRODUCER_ID || code == KAFKA_INVALID_PRODUCER_EPOCH ||
                    (out_of_order && first));
    if (lost_id) { /* and no log has the batch */
        sender_leave_id(producer, batch);
        batch->producer_id = -1;
    }
    /* An answer that cannot be read says as little as none at all. */
    bool garbled = code == BNB_ERROR_CORRUPT;
    return (bnb_error_is_retriable(code) || garbled || gap || lost_id) &&
           batch->attempts <= producer->config->retries &&
           batch_deadline_ms(producer, batch) > now_ms;
}

static void sender_batch_failed(struct bnb_producer *producer, struct pending_batch *batch,
                                int code, const char *text)
{
    int64_t now_ms = loop_monotonic_ms(client_loop(producer->client));
    if (code == KAFKA_MESSAGE_TOO_LARGE && !producer->quitting &&
        batch->builder.header.record_count > 1) {
        pthread_mutex_lock(&producer->lock);
        int split = pending_batch_split(&producer->accumulator, batch);
        pthread_mutex_unlock(&producer->lock);
        if (split == 0) {
            return;
        }
    }
    if (!producer->quitting && batch_may_retry(producer, batch, code, now_ms)) {
        pthread_mutex_lock(&producer->lock);
        batch->state = PENDING_RETRY;
        batch->retry_at_ms =
            now_ms + client_backoff_ms(producer->config->retry_backoff_ms,
                                       producer->config->retry_backoff_max_ms, batch->attempts - 1);
        /* After a lost connection, too: the leader may have moved. */
        producer->metadata_wanted =
            producer->metadata_wanted || code < 0 || kafka_error_wants_metadata((int16_t)code);
        pthread_mutex_unlock(&producer->lock);
        client_config_warn(producer->config,
                           "[Producer clientId=%s] Got error produce response on topic-partition "
                           "%s-%d, retrying. Error: %s",
                           producer->config->client_id, batch->partition->topic->name,
                           batch->partition->index, bnb_error_name(code));
        return;
    }
    sender_sequence_lost(producer, batch, code, text);
    sender_complete(producer, batch, code, text, -1, -1);
}

static const struct produce_response_partition_produce_response *
produce_find(const struct produce_response *response, const struct pending_batch *batch)
{
    const struct accumulator_topic *topic = batch->partition->topic;
    for (int32_t t = 0; t < response->responses.count; t++) {
        const struct produce_response_topic_produce_response *one = &response->responses.items[t];
        bool same = one->name.size > 0 ? string_view_is(one->name, topic->name)
                                       : uuid_equal(one->topic_id, topic->id);
        for (int32_t p = 0; same && p < one->partition_responses.count; p++) {
            if (one->partition_responses.items[p].index == batch->partition->index) {
                return &one->partition_responses.items[p];
            }
        }
    }
    return NULL;
}

static void produce_batch_done(struct bnb_producer *producer, struct pending_batch *batch,
                               const struct produce_response_partition_produce_response *answer)
{
    int16_t error_code = answer->error_code;
    if (error_code == 0) {
        batch->partition->acknowledged |= batch->producer_id == batch->partition->producer_id;
        sender_complete(producer, batch, 0, "", answer->base_offset, answer->log_append_time_ms);
        return;
    }
    if (error_code == KAFKA_DUPLICATE_SEQUENCE_NUMBER && producer->config->enable_idempotence) {
        sender_complete(producer, batch, 0, "", -1, -1); /* an earlier try got through */
        return;
    }
    struct bnb_error error;
    client_error_kafka(&error, error_code, answer->error_message);
    sender_batch_failed(producer, batch, error.code, error.text);
}

static void produce_done(struct client_request *request)
{
    struct produce_send *send = CONTAINER_OF(request, struct produce_send, request);
    struct bnb_producer *producer = send->producer;
    producer->sends_running--;
    for (size_t i = 0; i < send->count; i++) {
        struct pending_batch *batch = send->batches[i];
        if (request->error != 0) {
            sender_batch_failed(producer, batch, request->error, request->message.text);
            continue;
        }
        if (request->no_response) {
            sender_complete(producer, batch, 0, "", -1, -1);
            continue;
        }
        const struct produce_response_partition_produce_response *answer =
            produce_find(request->response, batch);
        if (answer == NULL) {
            sender_batch_failed(producer, batch, BNB_ERROR_CORRUPT,
                                "the response does not fit the request");
        } else {
            produce_batch_done(producer, batch, answer);
        }
    }
    produce_send_free(send);
    if (!producer->quitting) {
        sender_run(producer);
    }
}

/* ---- sending ---- */

/* Fills the message in: adjacent batches of one topic share an entry. 0 or an error. */
static int produce_fill(struct produce_send *send, int16_t *version_max)
{
    struct bnb_producer *producer = send->producer;
    struct produce_request *message = &send->message;
    produce_request_default(message);
    message->transactional_id = string_view_of(producer->config->transactional_id);
    *version_max = sender_is_transactional(producer) && !producer->transactor.newer
                       ? PRODUCE_ENROLS_VERSION - 1 : 0;
    message->acks = (int16_t)producer->config->acks;
    message->timeout_ms = (int32_t)producer->config->request_timeout_ms;
    message->topic_data.items =
        arena_array(&send->arena, send->count, sizeof *message->topic_data.items);
    struct produce_request_partition_produce_data *partitions =
        arena_array(&send->arena, send->count, sizeof *partitions);
    if (message->topic_data.items == NULL || partitions == NULL) {
        return ERR_NOMEM;
    }
    const struct accumulator_topic *last = NULL;
    struct produce_request_topic_produce_data *entry = NULL;
    for (size_t i = 0; i < send->count; i++) {
        const struct accumulator_topic *topic = send->batches[i]->partition->topic;
        if (topic != last) {
            entry = &message->topic_data.items[message->topic_data.count++];
            entry->name = string_view_of(topic->name);
            entry->topic_id = topic->id;
            entry->partition_data.items = &partitions[i];
            last = topic;
            if (uuid_is_zero(topic->id) && *version_max == 0) {
                *version_max = 12; /* later ones name topics by id */
            }
        }
        struct bytes_view bytes = pending_batch_bytes(send->batches[i]);
        partitions[i].index = send->batches[i]->partition->index;
        partitions[i].records = (struct records_view){NULL, bytes.size, bytes.data};
        entry->partition_data.count++;
    }
    return 0;
}

static void produce_start(struct produce_send *send)
{
    struct bnb_producer *producer = send->producer;
    int error = 0;
    int16_t version_max = 0;
    for (size_t i = 0; i < send->count && error == 0; i++) {
        send->batches[i]->attempts++;
        error = pending_batch_seal(&producer->accumulator, send->batches[i]);
        if (error == 0 && producer->config->codec != BATCH_CODEC_NONE) {
            double ratio = (double)send->batches[i]->packed.size /
                           (double)send->batches[i]->plain.size;
            pthread_mutex_lock(&producer->lock);
            double old = producer->accumulator.ratio;
            producer->accumulator.ratio = ratio > old ? ratio : old * 0.9 + ratio * 0.1;
            pthread_mutex_unlock(&producer->lock);
        }
    }
    if (error == 0) {
        error = produce_fill(send, &version_max);
    }
    producer->sends_running++;
    send->request = (struct client_request){
        .target = send->node_id,
        .api_key = API_PRODUCE,
        .version_min = producer->transactor.newer ? PRODUCE_ENROLS_VERSION : 0,
        .version_max = version_max,
        .request_row = &produce_request_row,
        .request = &send->message,
        .response_row = &produce_response_row,
        .arena = &send->arena,
        .timeout_ms = -1,
        .no_response = producer->config->acks == 0,
        .done = produce_done,
    };
    if (error != 0) {
        send->request.error = error;
        err_set(&send->request.message, error, "the batch cannot be built");
        produce_done(&send->request);
        return;
    }
    client_request_start(producer->client, &send->request);
}

void sender_reset_sequences(struct bnb_producer *producer)
{
    LIST_FOR_EACH(node, &producer->accumulator.all) {
        struct pending_batch *batch = CONTAINER_OF(node, struct pending_batch, all_node);
        batch->producer_id = -1;
        batch->sealed = false;
    }
    for (size_t t = 0; t < producer->accumulator.topic_count; t++) {
        struct accumulator_topic *topic = producer->accumulator.topics[t];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            topic->partitions[p]->producer_id = -1;
        }
    }
}

static void sender_gather(struct bnb_producer *producer, struct drain *drain)
{
    pthread_mutex_lock(&producer->lock);
    for (size_t t = 0; t < producer->accumulator.topic_count; t++) {
        struct accumulator_topic *topic = producer->accumulator.topics[t];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            drain_partition(producer, topic->partitions[p], drain);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < drain->send_count; i++) {
        struct produce_send *send = drain->sends[i];
        bool room = client_in_flight(producer->client, send->node_id) <
                    (size_t)producer->config->max_in_flight;
        if (send->ready && room && send->count > 0) {
            drain_claim(producer, send);
            drain->sends[kept++] = send;
        } else {
            produce_send_free(send);
        }
    }
    drain->send_count = kept;
    drain->metadata = drain->metadata || producer->metadata_wanted;
    pthread_mutex_unlock(&producer->lock);
}

static void sender_run_once(struct bnb_producer *producer)
{
    struct drain drain;
    drain.now_ms = loop_monotonic_ms(client_loop(producer->client));
    drain.wake_ms = INT64_MAX;
    drain.metadata = drain.wants_id = false;
    drain.send_count = 0;
    sender_expire(producer, &drain);
    if (sender_is_transactional(producer)) {
        sender_transact(producer, drain.now_ms, &drain.wake_ms);
    }
    sender_gather(producer, &drain);
    for (size_t i = 0; i < drain.send_count; i++) {
        produce_start(drain.sends[i]);
    }
    if (producer->config->enable_idempotence && !sender_is_transactional(producer) &&
        producer->producer_id < 0 && !producer->id_running && drain.wants_id) {
        if (producer->id_next_ms <= drain.now_ms) {
            sender_ask_id(producer, drain.now_ms);
        } else if (producer->id_next_ms < drain.wake_ms) {
            drain.wake_ms = producer->id_next_ms;
        }
    }
    bool aged = producer->metadata_due_ms <= drain.now_ms && producer->metadata_due_ms > 0;
    if ((drain.metadata || aged) && !producer->metadata_running) {
        if (producer->metadata_next_ms <= drain.now_ms) {
            sender_ask_metadata(producer, drain.now_ms);
        } else if (producer->metadata_next_ms < drain.wake_ms) {
            drain.wake_ms = producer->metadata_next_ms;
        }
    }
    if (producer->metadata_due_ms > 0 && producer->metadata_due_ms < drain.wake_ms &&
        !producer->metadata_running) {
        drain.wake_ms = producer->metadata_due_ms;
    }
    if (drain.wake_ms != INT64_MAX) {
        int64_t delay_ms = drain.wake_ms - drain.now_ms;
        loop_timer_arm(client_loop(producer->client), &producer->timer,
                       delay_ms > 0 ? delay_ms : 0);
    }
}

void sender_run(struct bnb_producer *producer)
{
    /* Sending may complete at once (acks=0, a lost connection) and come back here. */
    producer->run_again = true;
    if (producer->running) {
        return;
    }
    producer->running = true;
    while (producer->run_again) {
        producer->run_again = false;
        sender_run_once(producer);
    }
    producer->running = false;
}

void sender_init(struct bnb_producer *producer)
{
    producer->mail.run = sender_post_run;
    producer->producer_id = -1;
    timer_init(&producer->timer, sender_timer);
    arena_init(&producer->metadata_arena, 0);
    arena_init(&producer->id_arena, 0);
    arena_init(&producer->transaction.arena, 0);
    arena_init(&producer->transaction.find_arena, 0);
    arena_init(&producer->offsets_arena, 0);
    producer->transaction.coordinator = producer->transaction.group_coordinator = -1;
}
