/* producer.c: the public calls of the producer, on application threads. */
#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/sender.h"
#include "io/system.h"
#include "protocol/error.h"

#define PRODUCER_HEADERS_MAX 1024
/* The network thread waits for the lock while so many records are taken. */
#define PRODUCER_HOLD_RECORDS 64

/* Runs on the network thread before the connections go: nothing is tried again. */
static void producer_quit(struct loop_mail *mail)
{
    struct bnb_producer *producer = CONTAINER_OF(mail, struct bnb_producer, quit);
    producer->quitting = true;
    loop_timer_cancel(client_loop(producer->client), &producer->timer);
}

int bnb_producer_create(const struct bnb_config *config, struct bnb_producer **created,
                        struct bnb_error *error)
{
    struct client_options options = {.kind = CLIENT_PRODUCER};
    int result = client_config_parse(config, CLIENT_PRODUCER, &options.config, error);
    if (result != 0) {
        return result;
    }
    struct bnb_producer *producer = mem_calloc(1, sizeof *producer);
    if (producer == NULL) {
        client_config_release(&options.config);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&producer->lock, NULL);
    pthread_cond_init(&producer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sender_init(producer);
    producer->quit.run = producer_quit;
    result = client_create(&options, &producer->client, error);
    if (result != 0) {
        pthread_cond_destroy(&producer->changed);
        pthread_mutex_destroy(&producer->lock);
        mem_free(producer);
        return result;
    }
    producer->config = client_config(producer->client);
    transactor_init(&producer->transactor, producer->config);
    accumulator_init(&producer->accumulator, producer->config);
    *created = producer;
    return 0;
}

/* Until when a call may wait; the clock is not looked at before it has to. */
#define DEADLINE_UNSET INT64_MIN

static void producer_set_deadline(const struct bnb_producer *producer, int64_t *deadline_ms)
{
    if (*deadline_ms == DEADLINE_UNSET) {
        *deadline_ms = io_monotonic_ms() + producer->config->max_block_ms;
    }
}

bool producer_wait(struct bnb_producer *producer, int64_t deadline_ms)
{
    if (client_is_network_thread(producer->client)) {
        return false;
    }
    if (deadline_ms < 0) {
        pthread_cond_wait(&producer->changed, &producer->lock);
        return true;
    }
    struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
    return pthread_cond_timedwait(&producer->changed, &producer->lock, &until) != ETIMEDOUT;
}

/* The topic with its partition count known. The lock is held. */
static int producer_topic(struct bnb_producer *producer, const char *name, int64_t *deadline_ms,
                          struct accumulator_topic **found, struct bnb_error *error)
{
    struct accumulator_topic *topic = accumulator_topic(&producer->accumulator, name);
    if (topic == NULL) {
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    *found = topic;
    while (topic->partition_count == 0) {
        if (producer->closed) {
            return client_error_set(error, BNB_ERROR_CLOSED, "the producer is closed");
        }
        if (topic->error_code == KAFKA_INVALID_TOPIC_EXCEPTION) {
            return client_error_set(error, topic->error_code, "Invalid topics: [%s]", name);
        }
        if (topic->error_code == KAFKA_TOPIC_AUTHORIZATION_FAILED) {
            return client_error_set(error, topic->error_code, "Not authorized to access topics: "
                                    "[%s]", name);
        }
        producer->metadata_wanted = true;
        sender_wake(producer);
        producer_set_deadline(producer, deadline_ms);
        if (!producer_wait(producer, *deadline_ms)) {
            return client_error_set(error, BNB_ERROR_TIMEOUT,
                                    "Topic %s not present in metadata after %lld ms.", name,
                                    (long long)producer->config->max_block_ms);
        }
    }
    return 0;
}

/* Whether a record may go to the partition now, which is then part of the transaction. */
static int producer_enrol(struct bnb_producer *producer, struct accumulator_partition *partition,
                          struct bnb_error *error)
{
    int result = transactor_check_open(&producer->transactor, error);
    if (result == 0 && partition->enrolment == PARTITION_OUT) {
        bool added = transactor_enrol(&producer->transactor);
        partition->enrolment = added ? PARTITION_IN : PARTITION_WANTED;
        sender_wake(producer);
    }
    return result;
}

/* Appends, waiting for room. The lock is held. */
static int producer_append(struct bnb_producer *producer, struct accumulator_topic *topic,
                           const struct bnb_producer_record *record,
                           struct accumulator_append *append, int64_t *deadline_ms,
                           struct bnb_error *error)
{
    for (;;) {
        if (producer->closed) {
            return client_error_set(error, BNB_ERROR_CLOSED,
                                    "Cannot perform operation after producer has been closed");
        }
        struct accumulator_partition *partition =
            accumulator_choose(&producer->accumulator, topic, record);
        if (partition == NULL) {
            return client_error_set(error, BNB_ERROR_TIMEOUT,
                                    "Partition %d of topic %s with partition count %d is not "
                                    "present in metadata after %lld ms.",
                                    record->partition, record->topic, topic->partition_count,
                                    (long long)producer->config->max_block_ms);
        }
        int result =
            sender_is_transactional(producer) ? producer_enrol(producer, partition, error) : 0;
        if (result != 0) {
            return result;
        }
        result = accumulator_append(&producer->accumulator, partition, append);
        if (result == 0 && append->news != 0) {
            sender_wake(producer);
        }
        if (result == ERR_NOMEM) {
            return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
        }
        if (result == 0) {
            return 0;
        }
        producer->memory_waiting++;
        sender_wake(producer);
        producer_set_deadline(producer, deadline_ms);
        bool in_time = producer_wait(producer, *deadline_ms);
        producer->memory_waiting--;
        if (!in_time) {
            return client_error_set(error, BNB_ERROR_FULL,
                                    "Failed to allocate memory within the configured max blocking "
                                    "time %lld ms.", (long long)producer->config->max_block_ms);
        }
    }
}

/* One record; *topic is that of the record before, whose name is at last_name. The lock is held. */
static int producer_send(struct bnb_producer *producer, const struct bnb_producer_record *record,
                         struct accumulator_append *append, struct accumulator_topic **topic,
                         const char *last_name, struct bnb_error *error)
{
    struct record_header headers[PRODUCER_HEADERS_MAX];
    if (record->header_count > PRODUCER_HEADERS_MAX) {
        return client_error_set(error, BNB_ERROR_INVALID, "more than %d headers",
                                PRODUCER_HEADERS_MAX);
    }
    append->bound_bytes = accumulator_record_bound(record);
    size_t bytes = BATCH_HEADER_BYTES + append->bound_bytes;
    if (bytes > (size_t)producer->config->max_request_bytes) {
        return client_error_set(error, KAFKA_MESSAGE_TOO_LARGE,
                                "The message is %zu bytes when serialized which is larger than "
                                "%lld, which is the value of the max.request.size configuration.",
                                bytes, (long long)producer->config->max_request_bytes);
    }
    for (int32_t i = 0; i < record->header_count; i++) {
        headers[i].key = string_view_of(record->headers[i].key);
        headers[i].value = (struct bytes_view){record->headers[i].value,
                                               record->headers[i].value_size};
    }
    append->record = (struct record){
        .timestamp_ms = record->timestamp_ms >= 0 ? record->timestamp_ms : io_wall_ms(),
        .key = {record->key, record->key_size},
        .value = {record->value, record->value_size},
        .headers = headers,
        .header_count = record->header_count,
    };
    append->keyless = record->partition < 0 &&
                      (record->key == NULL || producer->config->partitioner_ignore_keys);
    int64_t deadline_ms = DEADLINE_UNSET;
    int result = record->topic == last_name
                     ? 0 : producer_topic(producer, record->topic, &deadline_ms, topic, error);
    return result != 0 ? result
                       : producer_append(producer, *topic, record, append, &deadline_ms, error);
}

int bnb_producer_send(struct bnb_producer *producer, const struct bnb_producer_record *record,
                      bnb_delivery_callback *callback, void *context, struct bnb_error *error)
{
    struct accumulator_append append = {.callback = callback, .context = context};
    struct accumulator_topic *topic;
    pthread_mutex_lock(&producer->lock);
    int result = producer_send(producer, record, &append, &topic, NULL, error);
    pthread_mutex_unlock(&producer->lock);
    return result;
}

size_t bnb_producer_send_many(struct bnb_producer *producer,
                              const struct bnb_producer_record *records, size_t count,
                              bnb_delivery_callback *callback, void *const *contexts,
                              struct bnb_error *error)
{
    struct accumulator_append append = {.callback = callback};
    struct accumulator_topic *topic;
    const char *last_name = NULL;
    size_t sent = 0;
    int result = 0;
    while (sent < count && result == 0) {
        size_t until = count - sent > PRODUCER_HOLD_RECORDS ? sent + PRODUCER_HOLD_RECORDS : count;
        pthread_mutex_lock(&producer->lock);
        for (; sent < until && result == 0; sent += result == 0) {
            append.context = contexts[sent];
            result = producer_send(producer, &records[sent], &append, &topic, last_name, error);
            last_name = records[sent].topic;
        }
        pthread_mutex_unlock(&producer->lock);
    }
    return sent;
}

int bnb_producer_flush(struct bnb_producer *producer, int64_t timeout_ms)
{
    int64_t deadline_ms = timeout_ms >= 0 ? io_monotonic_ms() + timeout_ms : -1;
    int result = 0;
    pthread_mutex_lock(&producer->lock);
    uint64_t until = producer->accumulator.next_number;
    producer->flushing++;
    if (!list_empty(&producer->accumulator.all)) {
        sender_wake(producer);
    }
    while (!list_empty(&producer->accumulator.all) && result == 0) {
        struct pending_batch *oldest =
            CONTAINER_OF(producer->accumulator.all.next, struct pending_batch, all_node);
        if (oldest->number >= until) {
            break;
        }
        if (!producer_wait(producer, deadline_ms)) {
            result = BNB_ERROR_TIMEOUT;
        }
    }
    producer->flushing--;
    pthread_mutex_unlock(&producer->lock);
    return result;
}

int32_t bnb_producer_partition_count(struct bnb_producer *producer, const char *name,
                                     struct bnb_error *error)
{
    struct accumulator_topic *topic;
    int64_t deadline_ms = DEADLINE_UNSET;
    pthread_mutex_lock(&producer->lock);
    int result = producer_topic(producer, name, &deadline_ms, &topic, error);
    int32_t count = result == 0 ? topic->partition_count
                                : result > 0 ? -1000 - result : result;
    pthread_mutex_unlock(&producer->lock);
    return count;
}

void bnb_producer_close(struct bnb_producer **closed, int64_t timeout_ms)
{
    struct bnb_producer *producer = *closed;
    *closed = NULL;
    if (producer == NULL) {
        return;
    }
    pthread_mutex_lock(&producer->lock);
    producer->closed = true;
    pthread_cond_broadcast(&producer->changed);
    pthread_mutex_unlock(&producer->lock);
    int64_t began_ms = io_monotonic_ms();
    (void)bnb_producer_flush(producer, timeout_ms);
    if (sender_is_transactional(producer)) {
        int64_t left_ms = timeout_ms - (io_monotonic_ms() - began_ms);
        producer_close_transaction(producer, timeout_ms < 0 ? -1 : left_ms > 0 ? left_ms : 0);
    }
    client_destroy(&producer->client, &producer->quit);
    /* The network thread is gone: what is left never got through. */
    while (!list_empty(&producer->accumulator.all)) {
        struct pending_batch *batch =
            CONTAINER_OF(producer->accumulator.all.next, struct pending_batch, all_node);
        sender_complete(producer, batch, BNB_ERROR_CLOSED, "Producer is closed forcefully.", -1,
                        -1);
    }
    accumulator_release(&producer->accumulator);
    arena_release(&producer->metadata_arena);
    arena_release(&producer->id_arena);
    arena_release(&producer->transaction.arena);
    arena_release(&producer->transaction.find_arena);
    arena_release(&producer->offsets_arena);
    pthread_cond_destroy(&producer->changed);
    pthread_mutex_destroy(&producer->lock);
    mem_free(producer);
}
