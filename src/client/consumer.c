/* consumer.c: the public calls of the consumer, on the application's thread. */
#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/admin.h"
#include "client/fetcher.h"
#include "io/system.h"

#define RECORD_ARENA_BYTES ((size_t)1 << 30)
/* For the last commit and for leaving, when the coordinator does not answer: as Java's client. */
#define CONSUMER_CLOSE_MS 30000

static void consumer_quit(struct loop_mail *mail)
{
    struct bnb_consumer *consumer = CONTAINER_OF(mail, struct bnb_consumer, quit);
    consumer->quitting = true;
    loop_timer_cancel(client_loop(consumer->client), &consumer->timer);
}

int bnb_consumer_create(const struct bnb_config *config, struct bnb_consumer **created,
                        struct bnb_error *error)
{
    struct client_options options = {.kind = CLIENT_CONSUMER};
    int result = client_config_parse(config, CLIENT_CONSUMER, &options.config, error);
    if (result != 0) {
        return result;
    }
    struct bnb_consumer *consumer = mem_calloc(1, sizeof *consumer);
    if (consumer == NULL) {
        client_config_release(&options.config);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&consumer->lock, NULL);
    pthread_cond_init(&consumer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    fetcher_init(consumer);
    options.frames = &consumer->frames;
    arena_init(&consumer->record_arena, RECORD_ARENA_BYTES);
    consumer->quit.run = consumer_quit;
    result = client_create(&options, &consumer->client, error);
    if (result != 0) {
        frame_pool_release(&consumer->frames);
        pthread_cond_destroy(&consumer->changed);
        pthread_mutex_destroy(&consumer->lock);
        mem_free(consumer);
        return result;
    }
    consumer->config = client_config(consumer->client);
    group_init(consumer);
    *created = consumer;
    return 0;
}

/* Gives back what the last poll lent out. */
static void consumer_take_back(struct bnb_consumer *consumer)
{
    fetched_free_retired(&consumer->retired);
    pthread_mutex_lock(&consumer->lock);
    while (!list_empty(&consumer->retired_parts)) {
        fetch_part_free(consumer, CONTAINER_OF(consumer->retired_parts.next,
                                               struct fetch_part, node));
    }
    pthread_mutex_unlock(&consumer->lock);
    arena_reset(&consumer->record_arena);
}

void bnb_consumer_close(struct bnb_consumer **closed)
{
    struct bnb_consumer *consumer = *closed;
    *closed = NULL;
    if (consumer == NULL) {
        return;
    }
    group_leave(consumer, CONSUMER_CLOSE_MS);
    client_destroy(&consumer->client, &consumer->quit);
    group_release(consumer);
    if (consumer->reading != NULL) {
        list_push_back(&consumer->retired_parts, &consumer->reading->node);
    }
    while (!list_empty(&consumer->queue)) {
        fetch_part_free(consumer,
                        CONTAINER_OF(consumer->queue.next, struct fetch_part, node));
    }
    consumer_take_back(consumer);
    fetched_free_retired(&consumer->retired); /* what the parts have just retired */
    for (size_t i = 0; i < consumer->partition_count; i++) {
        mem_free(consumer->partitions[i]->topic);
        mem_free(consumer->partitions[i]);
    }
    mem_free(consumer->partitions);
    mem_free(consumer->records);
    arena_release(&consumer->record_arena);
    arena_release(&consumer->metadata_arena);
    frame_pool_release(&consumer->frames);
    pthread_cond_destroy(&consumer->changed);
    pthread_mutex_destroy(&consumer->lock);
    mem_free(consumer);
}

int bnb_consumer_topics(struct bnb_consumer *consumer, struct bnb_memory *memory, const char *name,
                        const struct bnb_topic_size **topics, int32_t *count,
                        struct bnb_error *error)
{
    struct string_view wanted = string_view_of(name);
    struct metadata_response *metadata;
    int result = client_call_metadata(consumer->client, &memory->arena,
                                      name != NULL ? &wanted : NULL, 1, name != NULL, -1, &metadata,
                                      error);
    if (result != 0) {
        return result;
    }
    *count = metadata->topics.count > 0 ? metadata->topics.count : 0;
    struct bnb_topic_size *made =
        arena_array(&memory->arena, (size_t)*count + 1, sizeof *made);
    if (made == NULL) {
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    for (int32_t i = 0; i < *count; i++) {
        const struct metadata_response_metadata_response_topic *topic = &metadata->topics.items[i];
        made[i] = (struct bnb_topic_size){memory_string(memory, topic->name),
                                          topic->partitions.count, topic->is_internal,
                                          topic->error_code};
    }
    *topics = made;
    return 0;
}

/* ---- assignment ---- */

struct consumer_partition *consumer_find(const struct bnb_consumer *consumer, const char *topic,
                                         int32_t index)
{
    for (size_t i = 0; i < consumer->partition_count; i++) {
        if (consumer->partitions[i]->index == index &&
            strcmp(consumer->partitions[i]->topic, topic) == 0) {
            return consumer->partitions[i];
        }
    }
    return NULL;
}

static struct consumer_partition *consumer_add(struct bnb_consumer *consumer, const char *topic,
                                               int32_t index)
{
    struct consumer_partition *partition = mem_calloc(1, sizeof *partition);
    char *copy = mem_strndup(topic, strlen(topic));
    if (partition == NULL || copy == NULL ||
        mem_grow((void **)&consumer->partitions, &consumer->partition_capacity,
                 consumer->partition_count + 1, sizeof *consumer->partitions) != 0) {
        mem_free(partition);
        mem_free(copy);
        return NULL;
    }
    partition->topic = copy;
    partition->index = index;
    partition->leader = -1;
    partition->leader_epoch = -1;
    consumer->partitions[consumer->partition_count++] = partition;
    return partition;
}

/* Drops what was fetched for partition. The lock is held. */
static void consumer_drop(struct bnb_consumer *consumer, const struct consumer_partition *partition)
{
    LIST_FOR_EACH_SAFE(node, &consumer->queue) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, node);
        if (part->partition != partition) {
            continue;
        }
        part->partition->ahead_count--;
        if (part->started) { /* records of it may be lent out */
            list_remove(&part->node);
            list_push_back(&consumer->retired_parts, &part->node);
        } else {
            fetch_part_free(consumer, part);
        }
    }
    if (consumer->reading != NULL && consumer->reading->partition == partition) {
        consumer->reading->partition->ahead_count--;
        list_push_back(&consumer->retired_parts, &consumer->reading->node);
        consumer->reading = NULL;
    }
}

static void consumer_place(struct bnb_consumer *consumer, struct consumer_partition *partition,
                           int64_t offset)
{
    consumer_drop(consumer, partition);
    partition->epoch++;
    partition->drains = false;
    partition->retry_at_ms = 0;
    partition->reset = FETCHER_OFFSET_KNOWN;
    partition->fetch_offset = offset;
    partition->position = offset;
    if (offset < 0) {
        partition->position = -1;
        partition->reset = offset != BNB_OFFSET_RESET_POLICY ? offset
                           : consumer->config->reset_policy == BNB_OFFSET_RESET_POLICY
                               ? BNB_OFFSET_END
                               : consumer->config->reset_policy;
    }
}

struct consumer_partition *consumer_take(struct bnb_consumer *consumer, const char *topic,
                                         int32_t index, int64_t offset)
{
    struct consumer_partition *partition = consumer_find(consumer, topic, index);
    if (partition == NULL) {
        partition = consumer_add(consumer, topic, index);
    }
    if (partition != NULL) {
        partition->assigned = true;
        partition->held = partition->paused = false;
        partition->consumed = partition->committed = partition->end_offset = -1;
        consumer_place(consumer, partition, offset);
    }
    return partition;
}

void consumer_give_up(struct bnb_consumer *consumer, struct consumer_partition *partition)
{
    partition->assigned = false;
    partition->held = false;
    partition->epoch++;
    consumer_drop(consumer, partition);
}

int bnb_consumer_assign(struct bnb_consumer *consumer, const struct bnb_assignment *partitions,
                        size_t count)
{
    int result = 0;
    pthread_mutex_lock(&consumer->lock);
    if (consumer->group.subscribed) {
        pthread_mutex_unlock(&consumer->lock);
        return BNB_ERROR_INVALID; /* the group assigns */
    }
    for (size_t i = 0; i < consumer->partition_count; i++) {
        consumer_give_up(consumer, consumer->partitions[i]);
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t offset = partitions[i].offset;
        if (offset == BNB_OFFSET_COMMITTED && !consumer->group.enabled) {
            offset = BNB_OFFSET_RESET_POLICY;
        }
        if (consumer_take(consumer, partitions[i].topic, partitions[i].partition, offset) == NULL) {
            result = BNB_ERROR_NO_MEMORY;
        }
    }
    fetcher_wake(consumer);
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

int bnb_consumer_seek(struct bnb_consumer *consumer, const char *topic, int32_t index,
                      int64_t offset)
{
    pthread_mutex_lock(&consumer->lock);
    struct consumer_partition *partition = consumer_find(consumer, topic, index);
    bool assigned = partition != NULL && partition->assigned;
    if (assigned) {
        consumer_place(consumer, partition, offset);
        fetcher_wake(consumer);
    }
    pthread_mutex_unlock(&consumer->lock);
    return assigned ? 0 : BNB_ERROR_NOT_FOUND;
}

int64_t bnb_consumer_position(struct bnb_consumer *consumer, const char *topic, int32_t index)
{
    pthread_mutex_lock(&consumer->lock);
    struct consumer_partition *partition = consumer_find(consumer, topic, index);
    int64_t position = partition != NULL && partition->assigned ? partition->position : -1;
    pthread_mutex_unlock(&consumer->lock);
    return position;
}

int bnb_consumer_await_position(struct bnb_consumer *consumer, const char *topic, int32_t index,
                                int64_t timeout_ms, int64_t *offset, struct bnb_error *error)
{
    int64_t deadline_ms = io_monotonic_ms() + (timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX);
    int result = 0;
    pthread_mutex_lock(&consumer->lock);
    for (;;) {
        struct consumer_partition *partition = consumer_find(consumer, topic, index);
        if (partition == NULL || !partition->assigned) {
            result = client_error_set(error, BNB_ERROR_NOT_FOUND, "You can only check the position "
                                      "for partitions assigned to this consumer.");
            break;
        }
        *offset = partition->position;
        if (*offset >= 0) {
            break;
        }
        if (consumer->failure.code != 0) {
            result = client_error_set(error, consumer->failure.code, "%s", consumer->failure.text);
            consumer->failure.code = 0;
            break;
        }
        if (!consumer_wait_until(consumer, deadline_ms)) {
            result = client_error_set(error, BNB_ERROR_TIMEOUT, "Timeout of %lldms expired before "
                                      "the position for partition %s-%d could be determined",
                                      (long long)timeout_ms, topic, index);
            break;
        }
    }
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

int64_t bnb_consumer_lag(struct bnb_consumer *consumer, const char *topic, int32_t index)
{
    int64_t lag = -1;
    pthread_mutex_lock(&consumer->lock);
    const struct consumer_partition *partition = consumer_find(consumer, topic, index);
    if (partition != NULL && partition->assigned && partition->position >= 0 &&
        partition->end_offset >= 0) {
        lag = partition->end_offset - partition->position;
        lag = lag > 0 ? lag : 0;
    }
    pthread_mutex_unlock(&consumer->lock);
    return lag;
}

static int consumer_set_paused(struct bnb_consumer *consumer,
                               const struct bnb_topic_partition *partitions, size_t count,
                               bool paused)
{
    int result = 0;
    pthread_mutex_lock(&consumer->lock);
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct consumer_partition *partition =
            consumer_find(consumer, partitions[i].topic, partitions[i].partition);
        result = partition != NULL && partition->assigned ? 0 : BNB_ERROR_NOT_FOUND;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        consumer_find(consumer, partitions[i].topic, partitions[i].partition)->paused = paused;
    }
    if (!paused) {
        fetcher_wake(consumer);
    }
    pthread_mutex_unlock(&consumer->lock);
    return result;
}

int bnb_consumer_pause(struct bnb_consumer *consumer,
                       const struct bnb_topic_partition *partitions, size_t count)
{
    return consumer_set_paused(consumer, partitions, count, true);
}

int bnb_consumer_resume(struct bnb_consumer *consumer,
                        const struct bnb_topic_partition *partitions, size_t count)
{
    return consumer_set_paused(consumer, partitions, count, false);
}

int bnb_consumer_list_offsets(struct bnb_consumer *consumer, struct bnb_memory *memory,
                              const struct bnb_offset_query *queries, int32_t count,
                              const struct bnb_offset_answer **answers, struct bnb_error *error)
{
    struct bnb_admin admin = {.client = consumer->client, .timeout_ms = -1};
    return bnb_admin_list_offsets(&admin, memory, queries, count, consumer->config->read_committed,
                                  answers, error);
}

void bnb_consumer_wakeup(struct bnb_consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    consumer->woken = true;
    pthread_cond_broadcast(&consumer->changed);
    pthread_mutex_unlock(&consumer->lock);
}

/* ---- poll ---- */

/* Begins to read a part, or goes on with one that was put back. */
static void consumer_start_part(struct bnb_consumer *consumer, struct fetch_part *part)
{
    if (!part->started) {
        struct fetched_options options = {consumer->config->check_crcs,
                                          consumer->config->read_committed};
        fetched_init(&part->fetched, &options, part->records, part->partition->position,
                     part->aborted, part->aborted_count, &consumer->retired);
        part->started = true;
    }
    consumer->reading = part;
}

/* Makes the next part of the queue the one being read. False: there is none. The lock is held. */
static bool consumer_take_part(struct bnb_consumer *consumer)
{
    if (consumer->reading != NULL && consumer->reading->partition->paused) {
        list_push_back(consumer->queue.next, &consumer->reading->node); /* to the front */
        consumer->reading = NULL;
    }
    LIST_FOR_EACH_SAFE(node, &consumer->queue) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, node);
        if (consumer->reading != NULL) {
            break;
        }
        if (!part->partition->assigned || part->epoch != part->partition->epoch) {
            part->partition->ahead_count--;
            fetch_part_free(consumer, part);
        } else if (!part->partition->paused) {
            list_remove(&part->node);
            consumer_start_part(consumer, part);
        }
    }
    return consumer->reading != NULL;
}

static int consumer_headers(struct bnb_consumer *consumer, struct record_iter *iter,
                            const struct record *record, struct bnb_consumer_record *out)
{
    struct bnb_header *headers = arena_array(&consumer->record_arena,
                                             (size_t)record->header_count, sizeof *headers);
    if (headers == NULL) {
        return ERR_NOMEM;
    }
    struct record_header header;
    int32_t count = 0;
    while (count < record->header_count && record_iter_next_header(iter, &header) == 1) {
        headers[count].key = arena_string(&consumer->record_arena, header.key).data;
        headers[count].value = header.value.data;
        headers[count].value_size = header.value.size;
        count++;
    }
    out->headers = headers;
    out->header_count = count;
    return 0;
}

static enum bnb_timestamp_type consumer_timestamp_type(const struct batch *batch)
{
    return batch->max_timestamp_ms < 0 && batch->base_timestamp_ms < 0 ? BNB_TIMESTAMP_NONE
           : (batch->attributes & BATCH_LOG_APPEND_TIME) != 0         ? BNB_TIMESTAMP_LOG_APPEND
                                                                      : BNB_TIMESTAMP_CREATE;
}

/* Reads from the part at hand until it ends or *count records are there. 1: more in the part. */
static int consumer_read(struct bnb_consumer *consumer, size_t *count, struct err_message *message)
{
    struct fetch_part *part = consumer->reading;
    size_t max = (size_t)consumer->config->max_poll_records;
    while (*count < max) {
        struct record record;
        int got = fetched_next(&part->fetched, &record, message);
        if (got <= 0) {
            return got;
        }
        if (mem_grow((void **)&consumer->records, &consumer->record_capacity, *count + 1,
                     sizeof *consumer->records) != 0) {
            return ERR_NOMEM;
        }
        struct bnb_consumer_record *out = &consumer->records[*count];
        *out = (struct bnb_consumer_record){
            .topic = part->partition->topic,
            .partition = part->partition->index,
            .leader_epoch = part->fetched.batch.partition_leader_epoch,
            .offset = record.offset,
            .timestamp_ms = record.timestamp_ms,
            .timestamp_type = consumer_timestamp_type(&part->fetched.batch),
            .key = record.key.data,
            .key_size = record.key.size,
            .value = record.value.data,
            .value_size = record.value.size,
        };
        if (record.header_count > 0 &&
            consumer_headers(consumer, &part->fetched.iter, &record, out) != 0) {
            return ERR_NOMEM;
        }
        (*count)++;
    }
    return 1;
}

/* The part is read out: its partition may fetch again. The lock is held. */
static void consumer_end_part(struct bnb_consumer *consumer)
{
    struct fetch_part *part = consumer->reading;
    consumer->reading = NULL;
    part->partition->ahead_count--;
    list_push_back(&consumer->retired_parts, &part->node);
    fetcher_wake(consumer);
}

/* Waits for something to read. 1: there is; 0: time is up or woken; else an error. Holds the lock
 * on entry and return. */
static int consumer_wait(struct bnb_consumer *consumer, int64_t deadline_ms,
                         struct bnb_error *error)
{
    for (;;) {
        group_serve(consumer);
        if (consumer->woken) {
            consumer->woken = false;
            return 0;
        }
        if (consumer_take_part(consumer)) {
            return 1;
        }
        if (consumer->failure.code != 0) {
            int code = client_error_set(error, consumer->failure.code, "%s",
                                        consumer->failure.text);
            consumer->failure.code = 0;
            return code > 0 ? -1000 - code : code;
        }
        if (io_monotonic_ms() >= deadline_ms) {
            return 0;
        }
        struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
        pthread_cond_timedwait(&consumer->changed, &consumer->lock, &until);
    }
}

int bnb_consumer_poll(struct bnb_consumer *consumer, int64_t timeout_ms,
                      const struct bnb_consumer_record **records, size_t *count,
                      struct bnb_error *error)
{
    consumer_take_back(consumer);
    int64_t deadline_ms = io_monotonic_ms() + (timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX);
    size_t max = (size_t)consumer->config->max_poll_records;
    int result = 0;
    *count = 0;
    pthread_mutex_lock(&consumer->lock);
    group_poll_begins(consumer);
    while (*count < max && result == 0) {
        int there = *count > 0 ? (consumer_take_part(consumer) ? 1 : 0)
                               : consumer_wait(consumer, deadline_ms, error);
        if (there <= 0) {
            result = there;
            break;
        }
        struct err_message message = {""};
        pthread_mutex_unlock(&consumer->lock);
        int got = consumer_read(consumer, count, &message);
        pthread_mutex_lock(&consumer->lock);
        consumer->reading->partition->position = consumer->reading->fetched.position;
        if (got == 0) {
            consumer_end_part(consumer);
        } else if (got < 0 && *count == 0) {
            result = client_error_set(error, got, "%s", message.text[0] != '\0' ? message.text
                                                                                : err_text(got));
        } else if (got < 0) {
            break; /* what was read first; the next poll meets the error again */
        }
    }
    consumer->group.in_poll = false;
    pthread_mutex_unlock(&consumer->lock);
    *records = consumer->records;
    return result <= -1000 ? -1000 - result : result;
}
