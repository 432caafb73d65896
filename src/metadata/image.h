/* image.h: what __cluster_metadata says at one offset: an immutable picture of the cluster.
 *
 * An image never changes after it was published; whoever keeps one holds a reference. Everything
 * reachable from it is borrowed and lives as long as that reference. A newer image shares with the
 * older one what did not change: an unchanged topic or broker is the same pointer.
 * Thread: reading and image_ref/image_unref any (the count is atomic); making one: the owner of the
 * builder.   Errors: lookups yield NULL or false. */
#ifndef BNB_METADATA_IMAGE_H
#define BNB_METADATA_IMAGE_H

#include "base/view.h"

/* Replica ids; owned by the topic. */
struct image_ids {
    int32_t count;
    const int32_t *ids;
};
struct image_partition {
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery_state;
    struct image_ids replicas;
    struct image_ids isr;
    struct image_ids adding;
    struct image_ids removing;
    struct image_ids eligible_leaders; /* KIP-966 */
    struct image_ids last_known_eligible_leaders;
    const struct uuid *directories; /* one a replica; NULL: none assigned */
};
struct image_topic {
    struct uuid id;
    struct string_view name;
    int32_t partition_count;
    const struct image_partition *partitions; /* by partition id */
};
struct image_endpoint {
    struct string_view listener;
    struct string_view host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};
struct image_broker {
    int32_t id;
    int64_t epoch;
    struct uuid incarnation_id;
    struct string_view rack; /* null: none */
    bool fenced;
    bool in_controlled_shutdown;
    int32_t endpoint_count;
    const struct image_endpoint *endpoints;
    int32_t directory_count;
    const struct uuid *directories;
    int32_t cordoned_count; /* of its directories, that get no new partitions; -1: not said */
    const struct uuid *cordoned;
};
struct image_setting {
    struct string_view name;
    struct string_view value;
};
struct image_settings {
    int32_t count;
    const struct image_setting *items; /* sorted by name */
};
struct image_feature {
    struct string_view name;
    int16_t level;
};

struct image;
struct image *image_ref(const struct image *image);
/* Clears *image. NULL is fine. */
void image_unref(struct image **image);

/* Offset of the last record in it, and the epoch and time of that record's batch. */
int64_t image_offset(const struct image *image);
int32_t image_epoch(const struct image *image);
int64_t image_timestamp_ms(const struct image *image);

/* Topics, sorted by name. */
size_t image_topic_count(const struct image *image);
const struct image_topic *image_topic_at(const struct image *image, size_t index);
const struct image_topic *image_topic_by_name(const struct image *image, struct string_view name);
const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id);

/* Brokers, sorted by id. */
size_t image_broker_count(const struct image *image);
const struct image_broker *image_broker_at(const struct image *image, size_t index);
const struct image_broker *image_broker_by_id(const struct image *image, int32_t id);
/* Whether a replica assigned to that directory can be there: a registered one, one that is still to
 * be chosen, or any where the broker has not said which it has. */
bool image_broker_has_directory(const struct image_broker *broker, struct uuid directory);

/* Settings of a resource (types as in IncrementalAlterConfigs: 2 topic, 4 broker, ...; the name of
 * the cluster-wide broker default is ""). Empty when there are none. */
struct image_settings image_settings(const struct image *image, int8_t resource_type,
                                     struct string_view resource_name);
/* The name of the index-th resource of a type that has settings, in their order; false when there
 * are not so many. */
bool image_settings_resource_at(const struct image *image, int8_t resource_type, size_t index,
                                struct string_view *resource_name);
/* One of them; false when it is not set. */
bool image_setting(const struct image *image, int8_t resource_type,
                   struct string_view resource_name, struct string_view name,
                   struct string_view *value);

/* Finalised features, sorted by name; the level of one that is not there is 0. */
size_t image_feature_count(const struct image *image);
struct image_feature image_feature_at(const struct image *image, size_t index);
int16_t image_feature_level(const struct image *image, const char *name);

/* Whether a record of that kind is in force, of those that are kept as they came (access rules,
 * SCRAM users, quotas, delegation tokens, controllers). */
bool image_has_record(const struct image *image, int16_t api_key);

#endif
