/* cluster.h: what a coordinator may know of the cluster: topics, and the settings of groups.
 *
 * A table of questions that are answered at once from what is known, without I/O. Who creates a
 * coordinator provides it; it stays as long as the coordinator. What it tells is borrowed and valid
 * until the operation under way ends. Thread: the coordinator's. */
#ifndef BNB_COORDINATOR_CLUSTER_H
#define BNB_COORDINATOR_CLUSTER_H

#include "base/view.h"

struct cluster_topic {
    struct uuid id;
    struct string_view name;
    int32_t partition_count;
};
/* Settings of a group that uses the consumer protocol, with whatever it takes from the broker. */
struct cluster_group_settings {
    int32_t session_timeout_ms;
    int32_t heartbeat_interval_ms;
    int32_t assignment_interval_ms;
};

struct cluster {
    const void *context;
    /* Grows with every change of what is told here. */
    int64_t (*version)(const void *context);
    /* False: there is none. */
    bool (*topic_by_name)(const void *context, struct string_view name,
                          struct cluster_topic *topic);
    bool (*topic_by_id)(const void *context, struct uuid id, struct cluster_topic *topic);
    /* The first topic in the order of names whose name is greater than after; null: of all. */
    bool (*topic_after)(const void *context, struct string_view after,
                        struct cluster_topic *topic);
    /* Racks of the brokers that have a replica of a partition, in no order, those without a rack
     * left out; at most count. How many were filled in. */
    size_t (*racks)(const void *context, const struct cluster_topic *topic, int32_t partition,
                    struct string_view *racks, size_t count);
    void (*group_settings)(const void *context, struct string_view group,
                           struct cluster_group_settings *settings);
};

#endif
