/* image_topic.h: topics and partitions of an image under construction. As image_internal.h. */
#ifndef BNB_METADATA_IMAGE_TOPIC_H
#define BNB_METADATA_IMAGE_TOPIC_H

#include "metadata/image_internal.h"

struct topic_object *topic_object_create(struct string_view name, struct uuid id);
/* A fresh copy. */
struct topic_object *topic_object_copy(const struct topic_object *topic);
/* Sets a partition: all arrays of value are copied. ERR_NOMEM; ERR_CORRUPT for a gap. */
int topic_object_set(struct topic_object *topic, int32_t index,
                     const struct image_partition *value);

#endif
