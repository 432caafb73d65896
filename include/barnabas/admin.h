/* admin.h: looks at a cluster and changes it. Every call waits for its answer.
 *
 * What is returned lives in the memory that was passed in (bnb_memory_create). A call fails as a
 * whole when nothing could be asked; otherwise each item carries its own code and text, both zero
 * or "" when it went well. Texts that Kafka may leave out are NULL then. */
#ifndef BARNABAS_ADMIN_H
#define BARNABAS_ADMIN_H

#include <barnabas/barnabas.h>
#include <barnabas/cluster.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnb_admin;
BNB_EXPORT int bnb_admin_create(const struct bnb_config *config, struct bnb_admin **admin,
                                struct bnb_error *error);
BNB_EXPORT void bnb_admin_close(struct bnb_admin **admin);

struct bnb_setting {
    const char *name;
    const char *value; /* NULL: none */
};
struct bnb_ids {
    const int32_t *ids;
    int32_t count;
};
struct bnb_new_topic {
    const char *name;
    int32_t partition_count;    /* -1: the broker's default */
    int16_t replication_factor; /* -1: the broker's default */
    const struct bnb_ids *assignments; /* one a partition; NULL: the controller chooses */
    int32_t assignment_count;
    const struct bnb_setting *settings;
    int32_t setting_count;
};
struct bnb_topic_outcome {
    const char *name;
    struct bnb_uuid id;
    int code;
    const char *error_text;
};
BNB_EXPORT int bnb_admin_create_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                                       const struct bnb_new_topic *topics, int32_t count,
                                       bool validate_only,
                                       const struct bnb_topic_outcome **outcomes,
                                       struct bnb_error *error);
BNB_EXPORT int bnb_admin_delete_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                                       const char *const *names, int32_t count,
                                       const struct bnb_topic_outcome **outcomes,
                                       struct bnb_error *error);
struct bnb_new_partitions {
    const char *topic;
    int32_t total_count;
    const struct bnb_ids *assignments; /* of the partitions to add; NULL: the controller chooses */
    int32_t assignment_count;
};
BNB_EXPORT int bnb_admin_create_partitions(struct bnb_admin *admin, struct bnb_memory *memory,
                                           const struct bnb_new_partitions *topics, int32_t count,
                                           const struct bnb_topic_outcome **outcomes,
                                           struct bnb_error *error);

struct bnb_partition {
    int32_t id;
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    struct bnb_ids replicas;
    struct bnb_ids isr;
    bool has_eligible_leaders; /* the two below are known */
    struct bnb_ids eligible_leaders;
    struct bnb_ids last_known_eligible_leaders;
};
struct bnb_topic {
    const char *name;
    struct bnb_uuid id;
    bool is_internal;
    int code;
    const char *error_text;
    const struct bnb_partition *partitions; /* by id */
    int32_t partition_count;
};
/* Every topic, sorted by name, without eligible leaders. */
BNB_EXPORT int bnb_admin_list_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                                     const struct bnb_topic **topics, int32_t *count,
                                     struct bnb_error *error);
/* By name, in the order asked for; partition_limit: per response, 0 for the default. */
BNB_EXPORT int bnb_admin_describe_topics(struct bnb_admin *admin, struct bnb_memory *memory,
                                         const char *const *names, int32_t count,
                                         int32_t partition_limit,
                                         const struct bnb_topic **topics, struct bnb_error *error);

struct bnb_reassignment {
    const char *topic;
    int32_t partition;
    struct bnb_ids replicas;
    struct bnb_ids adding;
    struct bnb_ids removing;
};
/* All that are going on. */
BNB_EXPORT int bnb_admin_list_reassignments(struct bnb_admin *admin, struct bnb_memory *memory,
                                            const struct bnb_reassignment **reassignments,
                                            int32_t *count, struct bnb_error *error);

enum bnb_resource_type {
    BNB_RESOURCE_TOPIC = 2,
    BNB_RESOURCE_BROKER = 4,
    BNB_RESOURCE_BROKER_LOGGER = 8,
    BNB_RESOURCE_CLIENT_METRICS = 16,
    BNB_RESOURCE_GROUP = 32,
};
struct bnb_resource {
    int8_t type;
    const char *name; /* "": the default of all */
};
enum bnb_setting_source {
    BNB_SOURCE_UNKNOWN = 0,
    BNB_SOURCE_DYNAMIC_TOPIC = 1,
    BNB_SOURCE_DYNAMIC_BROKER = 2,
    BNB_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    BNB_SOURCE_STATIC_BROKER = 4,
    BNB_SOURCE_DEFAULT = 5,
    BNB_SOURCE_DYNAMIC_BROKER_LOGGER = 6,
    BNB_SOURCE_CLIENT_METRICS = 7,
    BNB_SOURCE_GROUP = 8,
};
struct bnb_setting_synonym {
    const char *name;
    const char *value;
    int8_t source;
};
struct bnb_described_setting {
    const char *name;
    const char *value; /* NULL: none, or sensitive */
    int8_t source;
    bool is_sensitive;
    bool is_read_only;
    const struct bnb_setting_synonym *synonyms;
    int32_t synonym_count;
};
struct bnb_described_resource {
    int8_t type;
    const char *name;
    int code;
    const char *error_text;
    const struct bnb_described_setting *settings; /* sorted by name */
    int32_t setting_count;
};
BNB_EXPORT int bnb_admin_describe_configs(struct bnb_admin *admin, struct bnb_memory *memory,
                                          const struct bnb_resource *resources, int32_t count,
                                          bool with_synonyms,
                                          const struct bnb_described_resource **described,
                                          struct bnb_error *error);
/* What there is of these types, sorted by type and name: every topic and broker, groups and client
 * metrics as long as they have settings of their own. No type: of all types. */
BNB_EXPORT int bnb_admin_list_config_resources(struct bnb_admin *admin, struct bnb_memory *memory,
                                               const int8_t *types, int32_t type_count,
                                               const struct bnb_resource **resources,
                                               int32_t *count, struct bnb_error *error);
enum bnb_setting_operation {
    BNB_SETTING_SET = 0,
    BNB_SETTING_DELETE = 1,
    BNB_SETTING_APPEND = 2,
    BNB_SETTING_SUBTRACT = 3,
};
struct bnb_setting_change {
    const char *name;
    const char *value; /* NULL with DELETE */
    int8_t operation;
};
/* Changes one resource. */
BNB_EXPORT int bnb_admin_alter_configs(struct bnb_admin *admin,
                                       const struct bnb_resource *resource,
                                       const struct bnb_setting_change *changes, int32_t count,
                                       bool validate_only, struct bnb_error *error);

/* One answer a query, in its order; a partition may be in several of them. */
BNB_EXPORT int bnb_admin_list_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                      const struct bnb_offset_query *queries, int32_t count,
                                      bool read_committed,
                                      const struct bnb_offset_answer **answers,
                                      struct bnb_error *error);
struct bnb_record_deletion {
    const char *topic;
    int32_t partition;
    int64_t offset; /* -1: the high watermark */
};
struct bnb_record_deletion_outcome {
    int code;
    const char *error_text;
    int64_t low_watermark;
};
BNB_EXPORT int bnb_admin_delete_records(struct bnb_admin *admin, struct bnb_memory *memory,
                                        const struct bnb_record_deletion *deletions,
                                        int32_t count,
                                        const struct bnb_record_deletion_outcome **outcomes,
                                        struct bnb_error *error);
struct bnb_log_dir_partition {
    const char *topic;
    int32_t partition;
    int64_t size_bytes;
    int64_t offset_lag;
    bool is_future;
};
struct bnb_log_dir {
    const char *path;
    int code;
    const char *error_text;
    const struct bnb_log_dir_partition *partitions;
    int32_t partition_count;
    int64_t total_bytes; /* -1: unknown */
    int64_t usable_bytes;
};
/* The log directories of one broker. */
BNB_EXPORT int bnb_admin_describe_log_dirs(struct bnb_admin *admin, struct bnb_memory *memory,
                                           int32_t broker, const struct bnb_log_dir **dirs,
                                           int32_t *count, struct bnb_error *error);

#ifdef __cplusplus
}
#endif
#endif
