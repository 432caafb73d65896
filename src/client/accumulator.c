/* accumulator.c: batches in the making. */
#include "client/accumulator.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "client/client.h"
#include "io/system.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"

/* Lengths and deltas of one record at their widest. */
#define RECORD_OVERHEAD_BYTES 36
#define HEADER_OVERHEAD_BYTES 10
#define BATCH_BYTES_MAX ((size_t)1 << 30)
/* Memory of so many batches is kept for the next ones. */
#define ACCUMULATOR_SPARES_MAX 8
/* Kafka's estimate of a compressed size is generous by this factor. */
#define RATIO_MARGIN 1.05

void accumulator_init(struct accumulator *accumulator, const struct client_config *config)
{
    *accumulator = (struct accumulator){.config = config, .ratio = 1.0};
    list_init(&accumulator->all);
    list_init(&accumulator->spares);
}

static void accumulator_topic_free(struct accumulator_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        ASSERT(list_empty(&topic->partitions[i]->batches));
        mem_free(topic->partitions[i]);
    }
    mem_free(topic->partitions);
    mem_free(topic->available);
    mem_free(topic->name);
    mem_free(topic);
}

static void pending_batch_destroy(struct pending_batch *batch)
{
    list_remove(&batch->node);
    writer_release(&batch->plain);
    writer_release(&batch->packed);
    mem_free(batch->slots);
    mem_free(batch);
}

void accumulator_release(struct accumulator *accumulator)
{
    for (size_t i = 0; i < accumulator->topic_count; i++) {
        accumulator_topic_free(accumulator->topics[i]);
    }
    while (!list_empty(&accumulator->spares)) {
        pending_batch_destroy(CONTAINER_OF(accumulator->spares.next, struct pending_batch, node));
    }
    mem_free(accumulator->topics);
    accumulator->topics = NULL;
    accumulator->topic_count = 0;
}

struct accumulator_topic *accumulator_topic(struct accumulator *accumulator, const char *name)
{
    for (size_t i = 0; i < accumulator->topic_count; i++) {
        if (strcmp(accumulator->topics[i]->name, name) == 0) {
            return accumulator->topics[i];
        }
    }
    struct accumulator_topic *topic = mem_calloc(1, sizeof *topic);
    char *copy = mem_strndup(name, strlen(name));
    if (topic == NULL || copy == NULL ||
        mem_grow((void **)&accumulator->topics, &accumulator->topic_capacity,
                 accumulator->topic_count + 1, sizeof *accumulator->topics) != 0) {
        mem_free(topic);
        mem_free(copy);
        return NULL;
    }
    topic->name = copy;
    topic->sticky.partition = -1;
    accumulator->topics[accumulator->topic_count++] = topic;
    return topic;
}

int accumulator_topic_grow(struct accumulator_topic *topic, int32_t partition_count)
{
    if (partition_count <= topic->partition_count) {
        return 0;
    }
    size_t count = (size_t)partition_count;
    void *partitions = mem_realloc(topic->partitions, count * sizeof *topic->partitions);
    if (partitions == NULL) {
        return ERR_NOMEM;
    }
    topic->partitions = partitions;
    void *available = mem_realloc(topic->available, count * sizeof *topic->available);
    if (available == NULL) {
        return ERR_NOMEM;
    }
    topic->available = available;
    while (topic->partition_count < partition_count) {
        struct accumulator_partition *partition = mem_calloc(1, sizeof *partition);
        if (partition == NULL) {
            return ERR_NOMEM;
        }
        partition->topic = topic;
        partition->index = topic->partition_count;
        partition->leader = -1;
        partition->producer_id = -1;
        list_init(&partition->batches);
        topic->partitions[topic->partition_count++] = partition;
    }
    return 0;
}

void accumulator_topic_leaders(struct accumulator_topic *topic)
{
    topic->available_count = 0;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i]->leader >= 0) {
            topic->available[topic->available_count++] = i;
        }
    }
    for (int32_t i = 0; topic->available_count == 0 && i < topic->partition_count; i++) {
        topic->available[i] = i;
    }
    if (topic->available_count == 0) {
        topic->available_count = topic->partition_count;
    }
}

struct accumulator_partition *accumulator_choose(struct accumulator *accumulator,
                                                 struct accumulator_topic *topic,
                                                 const struct bnb_producer_record *record)
{
    ASSERT(topic->partition_count > 0);
    int32_t index = record->partition;
    if (index < 0 && record->key != NULL && !accumulator->config->partitioner_ignore_keys) {
        struct bytes_view key = {record->key, record->key_size};
        index = partitioner_by_key(key, topic->partition_count);
    } else if (index < 0) {
        index = partitioner_sticky_next(&topic->sticky, topic->available, topic->available_count,
                                        topic->sticky.partition < 0 ? client_random() : 0);
    }
    return index < topic->partition_count ? topic->partitions[index] : NULL;
}

size_t accumulator_record_bound(const struct bnb_producer_record *record)
{
    size_t bytes = RECORD_OVERHEAD_BYTES + record->key_size + record->value_size;
    for (int32_t i = 0; i < record->header_count; i++) {
        bytes += HEADER_OVERHEAD_BYTES + strlen(record->headers[i].key) +
                 record->headers[i].value_size;
    }
    return bytes;
}

/* What the batch would be on the wire with bytes more. */
static size_t accumulator_estimate(const struct accumulator *accumulator,
                                   const struct pending_batch *batch, size_t bytes)
{
    size_t plain = batch->plain.size + bytes;
    if (accumulator->config->codec == BATCH_CODEC_NONE) {
        return plain;
    }
    return BATCH_HEADER_BYTES +
           (size_t)((double)(plain - BATCH_HEADER_BYTES) * accumulator->ratio * RATIO_MARGIN);
}

/* A batch as mem_calloc gives it, but with the memory of one that is done; NULL: there is none. */
static struct pending_batch *accumulator_spare(struct accumulator *accumulator, size_t bytes)
{
    struct pending_batch *batch =
        CONTAINER_OF(accumulator->spares.prev, struct pending_batch, node);
    if (list_empty(&accumulator->spares) || batch->plain.capacity < bytes) {
        return NULL;
    }
    list_remove(&batch->node);
    accumulator->spare_count--;
    *batch = (struct pending_batch){
        .plain = {.data = batch->plain.data, .capacity = batch->plain.capacity},
        .slots = batch->slots,
        .slot_capacity = batch->slot_capacity,
    };
    return batch;
}

static struct pending_batch *pending_batch_begin(struct accumulator *accumulator,
                                                 struct accumulator_partition *partition,
                                                 size_t charged_bytes)
{
    struct pending_batch *batch = accumulator_spare(accumulator, charged_bytes);
    if (batch == NULL) {
        batch = mem_calloc(1, sizeof *batch);
    }
    if (batch == NULL) {
        return NULL;
    }
    batch->partition = partition;
    batch->state = PENDING_OPEN;
    batch->number = accumulator->next_number++;
    batch->created_ms = io_monotonic_ms();
    batch->producer_id = -1;
    batch->charged_bytes = charged_bytes;
    batch->plain.max_bytes = BATCH_BYTES_MAX;
    /* One allocation for the whole batch instead of a doubling from nothing. */
    if (writer_reserve(&batch->plain, charged_bytes) != NULL) {
        batch->plain.size = 0;
    }
    struct batch header = batch_header_empty(0);
    batch_builder_init(&batch->builder, &batch->plain, &header);
    accumulator->used_bytes += charged_bytes;
    list_push_back(&partition->batches, &batch->node);
    list_push_back(&accumulator->all, &batch->all_node);
    return batch;
}

static struct pending_batch *partition_open_batch(struct accumulator_partition *partition)
{
    if (list_empty(&partition->batches)) {
        return NULL;
    }
    struct pending_batch *last =
        CONTAINER_OF(partition->batches.prev, struct pending_batch, node);
    return last->state == PENDING_OPEN ? last : NULL;
}

int accumulator_append(struct accumulator *accumulator, struct accumulator_partition *partition,
                       struct accumulator_append *append)
{
    size_t batch_bytes = (size_t)accumulator->config->batch_bytes;
    size_t bound = append->bound_bytes;
    struct pending_batch *batch = partition_open_batch(partition);
    if (batch != NULL && accumulator_estimate(accumulator, batch, bound) > batch_bytes) {
        pending_batch_close(batch);
        batch = NULL;
    }
    bool begun = batch == NULL;
    if (begun) {
        size_t alone = BATCH_HEADER_BYTES + bound;
        size_t charged = alone > batch_bytes ? alone : batch_bytes;
        if (accumulator->used_bytes + charged > (size_t)accumulator->config->buffer_memory_bytes) {
            return ERR_FULL;
        }
        batch = pending_batch_begin(accumulator, partition, charged);
    }
    size_t index = batch != NULL ? (size_t)batch->builder.header.record_count : 0;
    if (batch == NULL || batch->plain.failed ||
        mem_grow((void **)&batch->slots, &batch->slot_capacity, index + 1,
                 sizeof *batch->slots) != 0) {
        return ERR_NOMEM;
    }
    append->record.offset = (int64_t)index;
    size_t before = batch->plain.size;
    batch_builder_add(&batch->builder, &append->record);
    if (batch->plain.failed) {
        return ERR_NOMEM;
    }
    if (accumulator->config->codec == BATCH_CODEC_NONE) {
        batch_builder_check(&batch->builder);
    }
    batch->slots[index] =
        (struct delivery_slot){append->callback, append->context, append->record.timestamp_ms};
    bool full = accumulator_estimate(accumulator, batch, 0) >= batch_bytes;
    if (full) {
        pending_batch_close(batch);
    }
    if (append->keyless) {
        partitioner_sticky_update(&partition->topic->sticky,
                                  (int64_t)(batch->plain.size - before), (int64_t)batch_bytes,
                                  begun || full);
    }
    append->news = (begun ? BATCH_BEGUN : 0u) | (full ? BATCH_FULL : 0u);
    return 0;
}

void pending_batch_close(struct pending_batch *batch)
{
    if (batch->state == PENDING_OPEN) {
        batch->state = PENDING_CLOSED;
    }
}

static int32_t accumulator_level(const struct client_config *config)
{
    return config->codec == BATCH_CODEC_GZIP   ? (int32_t)config->gzip_level
           : config->codec == BATCH_CODEC_LZ4  ? (int32_t)config->lz4_level
           : config->codec == BATCH_CODEC_ZSTD ? (int32_t)config->zstd_level
                                               : COMPRESS_LEVEL_DEFAULT;
}

int pending_batch_seal(struct accumulator *accumulator, struct pending_batch *batch)
{
    ASSERT(batch->state != PENDING_OPEN);
    if (batch->sealed) {
        return 0;
    }
    int error = batch_builder_finish(&batch->builder);
    enum batch_codec codec = (enum batch_codec)accumulator->config->codec;
    if (error == 0 && codec != BATCH_CODEC_NONE) {
        struct bytes_view records = {batch->plain.data + BATCH_HEADER_BYTES,
                                     batch->plain.size - BATCH_HEADER_BYTES};
        writer_release(&batch->packed);
        writer_init(&batch->packed, BATCH_BYTES_MAX);
        writer_bytes(&batch->packed, batch->plain.data, BATCH_HEADER_BYTES);
        error = compress_append(codec, accumulator_level(accumulator->config), records,
                                &batch->packed);
        if (error == 0 && !batch->packed.failed) {
            batch_seal(batch->packed.data, batch->packed.size, codec);
        }
    }
    batch->sealed = error == 0 && !batch->plain.failed && !batch->packed.failed;
    return batch->sealed ? 0 : error != 0 ? error : ERR_NOMEM;
}

struct bytes_view pending_batch_bytes(const struct pending_batch *batch)
{
    ASSERT(batch->sealed);
    const struct writer *from = batch->packed.size > 0 ? &batch->packed : &batch->plain;
    return (struct bytes_view){from->data, from->size};
}

/* Copies the records [first, end) of batch, with their slots, to the end of half. */
static int split_copy(struct pending_batch *half, const struct pending_batch *batch, int32_t first,
                      int32_t end)
{
    struct record_iter iter;
    struct record record;
    struct bytes_view records = {batch->plain.data + BATCH_HEADER_BYTES,
                                 batch->plain.size - BATCH_HEADER_BYTES};
    record_iter_init(&iter, &batch->builder.header, records);
    for (int32_t i = 0; i < end && record_iter_next(&iter, &record) == 1; i++) {
        if (i < first) {
            continue;
        }
        struct record_header *headers =
            mem_calloc((size_t)record.header_count + 1, sizeof *headers);
        int32_t count = 0;
        while (headers != NULL && count < record.header_count &&
               record_iter_next_header(&iter, &headers[count]) == 1) {
            count++;
        }
        if (headers == NULL) {
            return ERR_NOMEM;
        }
        record.offset = i - first;
        record.headers = headers;
        batch_builder_add(&half->builder, &record);
        mem_free(headers);
        half->slots[i - first] = batch->slots[i];
    }
    bool whole = half->builder.header.record_count == end - first && !half->plain.failed;
    return whole ? 0 : ERR_NOMEM;
}

/* A batch like batch, in front of it in both lists, for its records [first, end). */
static struct pending_batch *split_half(struct pending_batch *batch, int32_t first, int32_t end)
{
    struct pending_batch *half = mem_calloc(1, sizeof *half);
    struct delivery_slot *slots = mem_calloc((size_t)(end - first), sizeof *slots);
    if (half == NULL || slots == NULL) {
        mem_free(half);
        mem_free(slots);
        return NULL;
    }
    *half = (struct pending_batch){.partition = batch->partition,
                                   .state = PENDING_RETRY,
                                   .number = batch->number,
                                   .slots = slots,
                                   .slot_capacity = (size_t)(end - first),
                                   .created_ms = batch->created_ms,
                                   .attempts = batch->attempts,
                                   .producer_id = batch->producer_id};
    writer_init(&half->plain, BATCH_BYTES_MAX);
    struct batch header = batch->builder.header;
    header.max_timestamp_ms = -1;
    if (header.base_sequence >= 0) {
        header.base_sequence = batch_sequence_add(header.base_sequence, first);
    }
    batch_builder_init(&half->builder, &half->plain, &header);
    list_push_back(&batch->node, &half->node); /* just before batch */
    list_push_back(&batch->all_node, &half->all_node);
    if (split_copy(half, batch, first, end) != 0) {
        list_remove(&half->node);
        list_remove(&half->all_node);
        writer_release(&half->plain);
        mem_free(slots);
        mem_free(half);
        return NULL;
    }
    return half;
}

int pending_batch_split(struct accumulator *accumulator, struct pending_batch *batch)
{
    int32_t count = batch->builder.header.record_count;
    ASSERT(count > 1 && batch->state != PENDING_OPEN);
    struct pending_batch *front = split_half(batch, 0, count / 2);
    struct pending_batch *back = front != NULL ? split_half(batch, count / 2, count) : NULL;
    if (back == NULL) {
        if (front != NULL) {
            pending_batch_free(accumulator, front);
        }
        return ERR_NOMEM;
    }
    front->charged_bytes = batch->charged_bytes;
    batch->charged_bytes = 0;
    pending_batch_free(accumulator, batch);
    return 0;
}

void pending_batch_unlink(struct pending_batch *batch) { list_remove(&batch->node); }

void pending_batch_free(struct accumulator *accumulator, struct pending_batch *batch)
{
    ASSERT(accumulator->used_bytes >= batch->charged_bytes);
    accumulator->used_bytes -= batch->charged_bytes;
    size_t usual_bytes = (size_t)accumulator->config->batch_bytes;
    list_remove(&batch->all_node);
    if (batch->charged_bytes != usual_bytes || batch->plain.capacity < usual_bytes ||
        accumulator->spare_count == ACCUMULATOR_SPARES_MAX) {
        pending_batch_destroy(batch);
        return;
    }
    writer_release(&batch->packed);
    list_remove(&batch->node);
    list_push_back(&accumulator->spares, &batch->node);
    accumulator->spare_count++;
}
