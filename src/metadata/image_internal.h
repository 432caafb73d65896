/* image_internal.h: what an image is made of.
 *
 * Objects (topics, brokers, the settings of a resource, records kept as they are) are counted by
 * the images that hold them; one that only the current builder holds is fresh and may be changed in
 * place. Arrays of pointers belong to one image. */
#ifndef BNB_METADATA_IMAGE_INTERNAL_H
#define BNB_METADATA_IMAGE_INTERNAL_H

#include <stdatomic.h>

#include "metadata/image.h"

struct image_object {
    atomic_int references;
    bool fresh;
    void (*destroy)(struct image_object *object);
};
struct topic_object {
    struct image_object object;
    struct image_topic topic;
    struct image_partition *partitions; /* the same, to be written to */
    void **blocks;                      /* behind the arrays of each partition */
    int32_t capacity;
};
struct broker_object {
    struct image_object object;
    struct image_broker broker;
    struct bytes_view record; /* RegisterBrokerRecord as it came, for its features */
    uint8_t *text;            /* behind the strings */
    struct image_endpoint *endpoints;
    struct uuid *directories;
    struct uuid *cordoned;
};
struct settings_object {
    struct image_object object;
    int8_t resource_type;
    struct string_view resource_name; /* owned */
    struct image_setting *items;      /* names and values owned */
    int32_t count;
};
/* A record that the image has no structure for. Records of one kind with the same key replace each
 * other. */
struct kept_object {
    struct image_object object;
    int16_t api_key;
    struct bytes_view key; /* what it is about; part of the record, or of it re-encoded */
    uint8_t *key_bytes;
    struct bytes_view record;
};

/* A list of counted objects. */
struct image_objects {
    struct image_object **items;
    size_t count;
    size_t capacity;
};
struct image {
    atomic_int references;
    int64_t offset;
    int32_t epoch;
    int64_t timestamp_ms;
    int64_t next_producer_id;
    struct image_objects topics_by_name;
    struct image_objects topics_by_id; /* borrowed from topics_by_name */
    struct image_objects brokers;      /* by id */
    struct image_objects settings;     /* by type and name */
    struct image_objects kept;         /* in the order of their records */
    struct image_feature *features;    /* by name, owned names */
    size_t feature_count;
    size_t feature_capacity;
    bool in_transaction;
    struct image_objects staged; /* records since its beginning */
};

struct image_object *image_object_ref(struct image_object *object);
void image_object_unref(struct image_object *object);
int image_objects_copy(struct image_objects *to, const struct image_objects *from, bool counted);
void image_objects_release(struct image_objects *objects, bool counted);
/* Takes the reference, also when it fails. */
int image_objects_insert(struct image_objects *objects, size_t at, struct image_object *object);
void image_objects_remove(struct image_objects *objects, size_t at);

/* Positions: the first element that is not below the key; *found when it has it. */
size_t topics_position(const struct image_objects *topics, struct string_view name, bool *found);
size_t topics_id_position(const struct image_objects *topics, struct uuid id, bool *found);
size_t brokers_position(const struct image_objects *brokers, int32_t id, bool *found);
size_t settings_position(const struct image_objects *settings, int8_t type,
                         struct string_view name, bool *found);

#endif
