#include "metadata/image_topic.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

static void topic_object_destroy(struct image_object *object)
{
    struct topic_object *topic = (struct topic_object *)object;
    for (int32_t i = 0; i < topic->topic.partition_count; i++) {
        mem_free(topic->blocks[i]);
    }
    mem_free(topic->blocks);
    mem_free(topic->partitions);
    mem_free((char *)topic->topic.name.data);
    mem_free(topic);
}

struct topic_object *topic_object_create(struct string_view name, struct uuid id)
{
    struct topic_object *topic = mem_calloc(1, sizeof *topic);
    if (topic == NULL) {
        return NULL;
    }
    atomic_init(&topic->object.references, 1);
    topic->object.fresh = true;
    topic->object.destroy = topic_object_destroy;
    topic->topic.id = id;
    topic->topic.name = (struct string_view){mem_strndup(name.data, name.size), name.size};
    if (topic->topic.name.data == NULL) {
        mem_free(topic);
        return NULL;
    }
    return topic;
}

static int topic_object_reserve(struct topic_object *topic, int32_t count)
{
    if (count <= topic->capacity) {
        return 0;
    }
    int32_t capacity = topic->capacity * 2 > count ? topic->capacity * 2 : count;
    void *partitions =
        mem_realloc(topic->partitions, (size_t)capacity * sizeof *topic->partitions);
    if (partitions == NULL) {
        return ERR_NOMEM;
    }
    topic->partitions = partitions;
    topic->topic.partitions = partitions;
    void *blocks = mem_realloc(topic->blocks, (size_t)capacity * sizeof *topic->blocks);
    if (blocks == NULL) {
        return ERR_NOMEM;
    }
    topic->blocks = blocks;
    topic->capacity = capacity;
    return 0;
}

static struct image_ids block_ids(int32_t **cursor, struct image_ids ids)
{
    struct image_ids copy = {ids.count, *cursor};
    if (ids.count > 0) {
        memcpy(*cursor, ids.ids, (size_t)ids.count * sizeof **cursor);
        *cursor += ids.count;
    }
    return copy;
}

int topic_object_set(struct topic_object *topic, int32_t index,
                     const struct image_partition *value)
{
    ASSERT(topic->object.fresh);
    if (index < 0 || index > topic->topic.partition_count) {
        return ERR_CORRUPT;
    }
    int error = topic_object_reserve(topic, index + 1);
    if (error != 0) {
        return error;
    }
    size_t directories = value->directories == NULL ? 0 : (size_t)value->replicas.count;
    size_t numbers = (size_t)value->replicas.count + (size_t)value->isr.count +
                     (size_t)value->adding.count + (size_t)value->removing.count +
                     (size_t)value->eligible_leaders.count +
                     (size_t)value->last_known_eligible_leaders.count;
    uint8_t *block = mem_alloc(directories * sizeof(struct uuid) + numbers * sizeof(int32_t) + 1);
    if (block == NULL) {
        return ERR_NOMEM;
    }
    struct image_partition copy = *value;
    if (directories > 0) {
        memcpy(block, value->directories, directories * sizeof(struct uuid));
        copy.directories = (const struct uuid *)block;
    }
    int32_t *cursor = (int32_t *)(block + directories * sizeof(struct uuid));
    copy.replicas = block_ids(&cursor, value->replicas);
    copy.isr = block_ids(&cursor, value->isr);
    copy.adding = block_ids(&cursor, value->adding);
    copy.removing = block_ids(&cursor, value->removing);
    copy.eligible_leaders = block_ids(&cursor, value->eligible_leaders);
    copy.last_known_eligible_leaders = block_ids(&cursor, value->last_known_eligible_leaders);
    if (index < topic->topic.partition_count) {
        mem_free(topic->blocks[index]);
    } else {
        topic->topic.partition_count++;
    }
    topic->partitions[index] = copy;
    topic->blocks[index] = block;
    return 0;
}

struct topic_object *topic_object_copy(const struct topic_object *topic)
{
    struct topic_object *copy = topic_object_create(topic->topic.name, topic->topic.id);
    int error = copy == NULL ? ERR_NOMEM : topic_object_reserve(copy, topic->topic.partition_count);
    for (int32_t i = 0; error == 0 && i < topic->topic.partition_count; i++) {
        error = topic_object_set(copy, i, &topic->partitions[i]);
    }
    if (error != 0 && copy != NULL) {
        topic_object_destroy(&copy->object);
        copy = NULL;
    }
    return copy;
}
