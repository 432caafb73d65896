/* groups.h: looks at the groups of a cluster, and changes what they have committed.
 *
 * As admin.h: calls wait, what is returned lives in the memory that was passed in, and each item
 * carries its own code and text. */
#ifndef BARNABAS_GROUPS_H
#define BARNABAS_GROUPS_H

#include <barnabas/admin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds every call of this admin client from now on, instead of default.api.timeout.ms. */
BNB_EXPORT void bnb_admin_set_timeout(struct bnb_admin *admin, int64_t timeout_ms);

struct bnb_group_filter {
    const char *const *states; /* "Stable", ...; ends with NULL; NULL: any */
    const char *const *types;  /* "Classic", "Consumer", "Share", "Streams"; the same */
};
struct bnb_group_listing {
    const char *id;
    const char *protocol_type; /* "" of a group that only has offsets */
    const char *state;         /* "" when the broker is too old to say */
    const char *type;          /* the same */
};
/* Of every broker, each group once, sorted by id. */
BNB_EXPORT int bnb_admin_list_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                                     const struct bnb_group_filter *filter,
                                     const struct bnb_group_listing **listings, int32_t *count,
                                     struct bnb_error *error);

struct bnb_group_member {
    const char *id;
    const char *instance_id; /* NULL: none */
    const char *client_id;
    const char *host;
    int32_t epoch; /* -1: the group is of the classic protocol */
    const struct bnb_topic_partition *partitions;
    int32_t partition_count;
    const struct bnb_topic_partition *target;
    int32_t target_count;
    int8_t is_upgraded; /* of a group of the newer protocol: 0 by the classic one, 1 not; -1 */
};
struct bnb_group {
    const char *id;
    int code;
    const char *error_text;
    bool is_of_others; /* there, but of no consumers: protocol_type says whose */
    const char *protocol_type;
    const char *state;
    const char *assignor; /* "": none */
    int32_t epoch;        /* -1: the classic protocol */
    int32_t target_epoch;
    int32_t coordinator;
    const char *coordinator_host;
    int32_t coordinator_port;
    const struct bnb_group_member *members;
    int32_t member_count;
};
/* One an id, in its order: groups of consumers of either protocol. The ids must differ. */
BNB_EXPORT int bnb_admin_describe_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                                         const char *const *ids, int32_t count,
                                         const struct bnb_group **groups,
                                         struct bnb_error *error);

struct bnb_group_outcome {
    const char *id;
    int code;
    const char *error_text;
};
/* One an id, in its order. The ids must differ. */
BNB_EXPORT int bnb_admin_delete_groups(struct bnb_admin *admin, struct bnb_memory *memory,
                                       const char *const *ids, int32_t count,
                                       const struct bnb_group_outcome **outcomes,
                                       struct bnb_error *error);

struct bnb_group_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch; /* -1: none */
};
/* The three below fail with the group's own error, too. */
/* All that a group has committed; nothing for one that is not there. */
BNB_EXPORT int bnb_admin_list_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                            const char *id,
                                            const struct bnb_group_offset **offsets,
                                            int32_t *count, struct bnb_error *error);

struct bnb_group_offset_outcome {
    int code;
    const char *error_text;
};
/* Commits for a group without members; one outcome an offset. */
BNB_EXPORT int bnb_admin_alter_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                             const char *id,
                                             const struct bnb_group_offset *offsets,
                                             int32_t count,
                                             const struct bnb_group_offset_outcome **outcomes,
                                             struct bnb_error *error);
/* One outcome a partition. */
BNB_EXPORT int bnb_admin_delete_group_offsets(struct bnb_admin *admin, struct bnb_memory *memory,
                                              const char *id,
                                              const struct bnb_topic_partition *partitions,
                                              int32_t count,
                                              const struct bnb_group_offset_outcome **outcomes,
                                              struct bnb_error *error);

#ifdef __cplusplus
}
#endif
#endif
