#include "broker/cluster_view.h"

const struct image_endpoint *cluster_view_endpoint(const struct cluster_view *view,
                                                   const struct image_broker *broker)
{
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (string_view_equal(broker->endpoints[i].listener, view->listener)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

bool cluster_view_reaches(const struct cluster_view *view, int32_t broker_id)
{
    const struct image_broker *broker = image_broker_by_id(view->image, broker_id);
    return broker != NULL && cluster_view_endpoint(view, broker) != NULL;
}

int32_t cluster_view_controller(const struct cluster_view *view, int32_t own_id)
{
    int32_t any = -1;
    for (size_t i = 0; i < image_broker_count(view->image); i++) {
        const struct image_broker *broker = image_broker_at(view->image, i);
        if (broker->fenced || cluster_view_endpoint(view, broker) == NULL) {
            continue;
        }
        if (broker->id == own_id) {
            return own_id;
        }
        any = any == -1 ? broker->id : any;
    }
    return any;
}

struct cluster_view_ids cluster_view_copy(const struct cluster_view *view, struct image_ids ids)
{
    struct cluster_view_ids copy = {
        arena_array(view->arena, (size_t)ids.count, sizeof(int32_t)), 0};
    for (int32_t i = 0; copy.items != NULL && i < ids.count; i++) {
        copy.items[copy.count++] = ids.ids[i];
    }
    return copy;
}

struct cluster_view_ids cluster_view_reachable(const struct cluster_view *view,
                                               struct image_ids ids)
{
    struct cluster_view_ids copy = {
        arena_array(view->arena, (size_t)ids.count, sizeof(int32_t)), 0};
    for (int32_t i = 0; copy.items != NULL && i < ids.count; i++) {
        if (cluster_view_reaches(view, ids.ids[i])) {
            copy.items[copy.count++] = ids.ids[i];
        }
    }
    return copy;
}

static bool replica_is_offline(const struct cluster_view *view,
                               const struct image_partition *partition, int32_t index)
{
    const struct image_broker *broker = image_broker_by_id(view->image,
                                                           partition->replicas.ids[index]);
    if (broker == NULL || broker->fenced || cluster_view_endpoint(view, broker) == NULL) {
        return true;
    }
    return partition->directories != NULL &&
           !image_broker_has_directory(broker, partition->directories[index]);
}

struct cluster_view_ids cluster_view_offline(const struct cluster_view *view,
                                             const struct image_partition *partition)
{
    int32_t count = partition->replicas.count;
    struct cluster_view_ids offline = {
        arena_array(view->arena, (size_t)count, sizeof(int32_t)), 0};
    for (int32_t i = 0; offline.items != NULL && i < count; i++) {
        if (replica_is_offline(view, partition, i)) {
            offline.items[offline.count++] = partition->replicas.ids[i];
        }
    }
    return offline;
}
