#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "metadata/image_builder.h"
#include "metadata/image_internal.h"

struct image_object *image_object_ref(struct image_object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return object;
}

void image_object_unref(struct image_object *object)
{
    if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1) {
        object->destroy(object);
    }
}

int image_objects_copy(struct image_objects *to, const struct image_objects *from, bool counted)
{
    *to = (struct image_objects){0};
    int error = mem_grow((void **)&to->items, &to->capacity, from->count, sizeof *to->items);
    if (error != 0) {
        return error;
    }
    for (size_t i = 0; i < from->count; i++) {
        to->items[i] = counted ? image_object_ref(from->items[i]) : from->items[i];
    }
    to->count = from->count;
    return 0;
}

void image_objects_release(struct image_objects *objects, bool counted)
{
    for (size_t i = 0; counted && i < objects->count; i++) {
        image_object_unref(objects->items[i]);
    }
    mem_free(objects->items);
    *objects = (struct image_objects){0};
}

int image_objects_insert(struct image_objects *objects, size_t at, struct image_object *object)
{
    ASSERT(at <= objects->count);
    int error = mem_grow((void **)&objects->items, &objects->capacity, objects->count + 1,
                         sizeof *objects->items);
    if (error == 0) {
        memmove(&objects->items[at + 1], &objects->items[at],
                (objects->count - at) * sizeof *objects->items);
        objects->items[at] = object;
        objects->count++;
    } else {
        image_object_unref(object);
    }
    return error;
}

void image_objects_remove(struct image_objects *objects, size_t at)
{
    ASSERT(at < objects->count);
    objects->count--;
    memmove(&objects->items[at], &objects->items[at + 1],
            (objects->count - at) * sizeof *objects->items);
}

/* What a position is searched for by; each user fills its own part. */
struct search_key {
    struct string_view name;
    struct uuid id;
    int32_t number;
};

static size_t objects_position(const struct image_objects *objects, const struct search_key *key,
                               int (*compare)(const struct image_object *object,
                                              const struct search_key *key),
                               bool *found)
{
    size_t low = 0;
    size_t high = objects->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(objects->items[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < objects->count && compare(objects->items[low], key) == 0;
    return low;
}

static int topic_by_name(const struct image_object *object, const struct search_key *key)
{
    return string_view_compare(((const struct topic_object *)object)->topic.name, key->name);
}
static int topic_by_id(const struct image_object *object, const struct search_key *key)
{
    return memcmp(((const struct topic_object *)object)->topic.id.bytes, key->id.bytes, 16);
}
static int broker_by_id(const struct image_object *object, const struct search_key *key)
{
    int32_t id = ((const struct broker_object *)object)->broker.id;
    return (id > key->number) - (id < key->number);
}
static int settings_by_name(const struct image_object *object, const struct search_key *key)
{
    const struct settings_object *settings = (const struct settings_object *)object;
    int order = (settings->resource_type > key->number) - (settings->resource_type < key->number);
    return order != 0 ? order : string_view_compare(settings->resource_name, key->name);
}

size_t topics_position(const struct image_objects *topics, struct string_view name, bool *found)
{
    return objects_position(topics, &(struct search_key){.name = name}, topic_by_name, found);
}
size_t topics_id_position(const struct image_objects *topics, struct uuid id, bool *found)
{
    return objects_position(topics, &(struct search_key){.id = id}, topic_by_id, found);
}
size_t brokers_position(const struct image_objects *brokers, int32_t id, bool *found)
{
    return objects_position(brokers, &(struct search_key){.number = id}, broker_by_id, found);
}
size_t settings_position(const struct image_objects *settings, int8_t type,
                         struct string_view name, bool *found)
{
    return objects_position(settings, &(struct search_key){.name = name, .number = type},
                            settings_by_name, found);
}

struct image *image_ref(const struct image *image)
{
    struct image *counted = (struct image *)image;
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return counted;
}

void image_unref(struct image **unreferenced)
{
    struct image *image = *unreferenced;
    *unreferenced = NULL;
    if (image == NULL ||
        atomic_fetch_sub_explicit(&image->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    image_objects_release(&image->topics_by_id, false);
    image_objects_release(&image->topics_by_name, true);
    image_objects_release(&image->brokers, true);
    image_objects_release(&image->settings, true);
    image_objects_release(&image->kept, true);
    image_objects_release(&image->staged, true);
    for (size_t i = 0; i < image->feature_count; i++) {
        mem_free((char *)image->features[i].name.data);
    }
    mem_free(image->features);
    mem_free(image);
}

int64_t image_offset(const struct image *image) { return image->offset; }
int32_t image_epoch(const struct image *image) { return image->epoch; }
int64_t image_timestamp_ms(const struct image *image) { return image->timestamp_ms; }
bool image_in_transaction(const struct image *image) { return image->in_transaction; }

int64_t image_next_producer_id(const struct image *image) { return image->next_producer_id; }

size_t image_topic_count(const struct image *image) { return image->topics_by_name.count; }

const struct image_topic *image_topic_at(const struct image *image, size_t index)
{
    ASSERT(index < image->topics_by_name.count);
    return &((const struct topic_object *)image->topics_by_name.items[index])->topic;
}

const struct image_topic *image_topic_by_name(const struct image *image, struct string_view name)
{
    bool found;
    size_t at = topics_position(&image->topics_by_name, name, &found);
    return found ? image_topic_at(image, at) : NULL;
}

const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    bool found;
    size_t at = topics_id_position(&image->topics_by_id, id, &found);
    return found ? &((const struct topic_object *)image->topics_by_id.items[at])->topic : NULL;
}

size_t image_broker_count(const struct image *image) { return image->brokers.count; }

const struct image_broker *image_broker_at(const struct image *image, size_t index)
{
    ASSERT(index < image->brokers.count);
    return &((const struct broker_object *)image->brokers.items[index])->broker;
}

const struct image_broker *image_broker_by_id(const struct image *image, int32_t id)
{
    bool found;
    size_t at = brokers_position(&image->brokers, id, &found);
    return found ? image_broker_at(image, at) : NULL;
}

struct image_settings image_settings(const struct image *image, int8_t resource_type,
                                     struct string_view resource_name)
{
    bool found;
    size_t at = settings_position(&image->settings, resource_type, resource_name, &found);
    if (!found) {
        return (struct image_settings){0, NULL};
    }
    const struct settings_object *settings =
        (const struct settings_object *)image->settings.items[at];
    return (struct image_settings){settings->count, settings->items};
}

bool image_settings_resource_at(const struct image *image, int8_t resource_type, size_t index,
                                struct string_view *resource_name)
{
    bool found;
    size_t at = settings_position(&image->settings, resource_type, string_view_of(""), &found);
    if (index >= image->settings.count - at) {
        return false;
    }
    const struct settings_object *settings =
        (const struct settings_object *)image->settings.items[at + index];
    *resource_name = settings->resource_name;
    return settings->resource_type == resource_type;
}

bool image_setting(const struct image *image, int8_t resource_type,
                   struct string_view resource_name, struct string_view name,
                   struct string_view *value)
{
    struct image_settings settings = image_settings(image, resource_type, resource_name);
    for (int32_t i = 0; i < settings.count; i++) {
        if (string_view_equal(settings.items[i].name, name)) {
            *value = settings.items[i].value;
            return true;
        }
    }
    return false;
}

size_t image_feature_count(const struct image *image) { return image->feature_count; }

struct image_feature image_feature_at(const struct image *image, size_t index)
{
    ASSERT(index < image->feature_count);
    return image->features[index];
}

int16_t image_feature_level(const struct image *image, const char *name)
{
    for (size_t i = 0; i < image->feature_count; i++) {
        if (string_view_is(image->features[i].name, name)) {
            return image->features[i].level;
        }
    }
    return 0;
}

bool image_has_record(const struct image *image, int16_t api_key)
{
    for (size_t i = 0; i < image->kept.count; i++) {
        if (((const struct kept_object *)image->kept.items[i])->api_key == api_key) {
            return true;
        }
    }
    return false;
}
