/* cluster.h: the nodes of a cluster, what they can do, and its controller quorum. Part of admin.h,
 * whose rules hold. */
#ifndef BARNABAS_CLUSTER_H
#define BARNABAS_CLUSTER_H

#include <barnabas/barnabas.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnb_admin;

struct bnb_node {
    int32_t id;
    const char *host;
    int32_t port;
    const char *rack; /* NULL: none */
    bool is_fenced;
};
struct bnb_cluster {
    const char *id;
    int32_t controller_id;
    const struct bnb_node *nodes; /* sorted by id */
    int32_t node_count;
    bool of_controllers;
};
BNB_EXPORT int bnb_admin_describe_cluster(struct bnb_admin *admin, struct bnb_memory *memory,
                                          bool with_fenced, struct bnb_cluster *cluster,
                                          struct bnb_error *error);
BNB_EXPORT int bnb_admin_unregister_broker(struct bnb_admin *admin, int32_t broker,
                                           struct bnb_error *error);

struct bnb_api_versions {
    int16_t key;
    const char *name; /* NULL: we do not know it */
    int16_t min;
    int16_t max;    /* below min: this node does not have it */
    int16_t usable; /* newest that both sides speak; -1: none */
};
struct bnb_feature {
    const char *name;
    int16_t min_supported;
    int16_t max_supported;
    int16_t finalized; /* 0: not */
};
struct bnb_node_versions {
    const struct bnb_api_versions *apis; /* sorted by key */
    int32_t api_count;
    const struct bnb_feature *features; /* sorted by name */
    int32_t feature_count;
    int64_t features_epoch; /* -1: unknown */
};
/* Of one broker, or of any one with BNB_NODE_ANY. */
#define BNB_NODE_ANY (-1)
BNB_EXPORT int bnb_admin_api_versions(struct bnb_admin *admin, struct bnb_memory *memory,
                                      int32_t broker, struct bnb_node_versions *versions,
                                      struct bnb_error *error);

#define BNB_FEATURE_UPGRADE 1
#define BNB_FEATURE_SAFE_DOWNGRADE 2
#define BNB_FEATURE_UNSAFE_DOWNGRADE 3
struct bnb_feature_update {
    const char *name;
    int16_t level; /* 0: none any more */
    int8_t type;   /* BNB_FEATURE_UPGRADE and the like */
};
/* All of them or none. */
BNB_EXPORT int bnb_admin_update_features(struct bnb_admin *admin,
                                         const struct bnb_feature_update *updates, int32_t count,
                                         bool validate_only, struct bnb_error *error);

struct bnb_quorum_replica {
    int32_t id;
    struct bnb_uuid directory_id;
    int64_t log_end_offset;
    int64_t last_fetch_ms;     /* -1: unknown */
    int64_t last_caught_up_ms; /* -1: unknown */
    const char *endpoints;     /* "NAME://host:port", comma and blank between; "": none */
};
struct bnb_quorum {
    int32_t leader_id;
    int32_t leader_epoch;
    int64_t high_watermark;
    const struct bnb_quorum_replica *voters;
    int32_t voter_count;
    const struct bnb_quorum_replica *observers;
    int32_t observer_count;
};
BNB_EXPORT int bnb_admin_describe_quorum(struct bnb_admin *admin, struct bnb_memory *memory,
                                         struct bnb_quorum *quorum, struct bnb_error *error);

struct bnb_voter_endpoint {
    const char *name; /* of the listener */
    const char *host;
    int32_t port;
};
/* Makes a controller a voter of the quorum, or takes one out. */
BNB_EXPORT int bnb_admin_add_voter(struct bnb_admin *admin, int32_t id,
                                   struct bnb_uuid directory_id,
                                   const struct bnb_voter_endpoint *endpoints, int32_t count,
                                   struct bnb_error *error);
BNB_EXPORT int bnb_admin_remove_voter(struct bnb_admin *admin, int32_t id,
                                      struct bnb_uuid directory_id, struct bnb_error *error);

#ifdef __cplusplus
}
#endif
#endif
