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

/* Directory ids below 100 are reserved: 0 migrating, 1 not assigned yet, 2 lost. */
static bool directory_is_online(const struct image_broker *broker, struct uuid directory)
{
    static const struct uuid unassigned = {{[15] = 1}};
    static const struct uuid lost = {{[15] = 2}};
    if (uuid_is_zero(directory) || uuid_equal(directory, unassigned)) {
        return true;
    }
    if (uuid_equal(directory, lost)) {
        return false;
    }
    for (int32_t i = 0; i < broker->directory_count; i++) {
        if (uuid_equal(broker->directories[i], directory)) {
            return true;
        }
    }
    return broker->directory_count == 0;
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
           !directory_is_online(broker, partition->directories[index]);
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
