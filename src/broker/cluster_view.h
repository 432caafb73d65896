/* cluster_view.h: the image as clients of one listener see it: which brokers they can reach, and
 * the state of a partition in the terms of Metadata and DescribeTopicPartitions.
 *
 * Mirrors KRaftMetadataCache. Everything is borrowed from the image or made in the arena.
 * Thread: any.   Errors: a full arena is left to the caller's check of arena.failed. */
#ifndef BNB_BROKER_CLUSTER_VIEW_H
#define BNB_BROKER_CLUSTER_VIEW_H

#include "base/arena.h"
#include "metadata/image.h"

struct cluster_view {
    const struct image *image;
    struct string_view listener;
    struct arena *arena;
};

/* The broker's endpoint of the listener, NULL when it has none. */
const struct image_endpoint *cluster_view_endpoint(const struct cluster_view *view,
                                                   const struct image_broker *broker);
/* Whether clients can reach a broker of this id, fenced or not. */
bool cluster_view_reaches(const struct cluster_view *view, int32_t broker_id);
/* The id that is given out as the controller's: own_id when clients reach it, else any; -1 none. */
int32_t cluster_view_controller(const struct cluster_view *view, int32_t own_id);

struct cluster_view_ids {
    int32_t *items;
    int32_t count;
};
struct cluster_view_ids cluster_view_copy(const struct cluster_view *view, struct image_ids ids);
/* Those that clients can reach. */
struct cluster_view_ids cluster_view_reachable(const struct cluster_view *view,
                                               struct image_ids ids);
/* Replicas on brokers that are gone, fenced, not on the listener, or whose directory is offline. */
struct cluster_view_ids cluster_view_offline(const struct cluster_view *view,
                                             const struct image_partition *partition);

/* What AuthorizedOperations say when nothing is forbidden: bits by operation code. */
#define CLUSTER_OPERATIONS_ALL 0x1fa0
#define TOPIC_OPERATIONS_ALL 0x0df8

#endif
