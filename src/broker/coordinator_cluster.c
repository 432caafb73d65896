/* What coordinators know of the cluster (coordinator/cluster.h): the image of their shard. */
#include "base/assert.h"
#include "broker/coordinator_internal.h"
#include "broker/topic_config.h"

static const struct image *image_of(const void *context)
{
    const struct broker_shard *shard = context;
    ASSERT(shard->image != NULL);
    return shard->image;
}

static int64_t image_version(const void *context) { return image_offset(image_of(context)); }

static bool found(const struct image_topic *topic, struct cluster_topic *out)
{
    if (topic != NULL) {
        *out = (struct cluster_topic){topic->id, topic->name, topic->partition_count};
    }
    return topic != NULL;
}

static bool topic_by_name(const void *context, struct string_view name,
                          struct cluster_topic *topic)
{
    return found(image_topic_by_name(image_of(context), name), topic);
}

static bool topic_by_id(const void *context, struct uuid id, struct cluster_topic *topic)
{
    return found(image_topic_by_id(image_of(context), id), topic);
}

static bool topic_after(const void *context, struct string_view after,
                        struct cluster_topic *topic)
{
    const struct image *image = image_of(context);
    size_t low = 0;
    size_t high = image_topic_count(image);
    while (after.data != NULL && low < high) {
        size_t middle = low + (high - low) / 2;
        if (string_view_compare(image_topic_at(image, middle)->name, after) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < image_topic_count(image) && found(image_topic_at(image, low), topic);
}

static size_t racks(const void *context, const struct cluster_topic *topic, int32_t partition,
                    struct string_view *out, size_t most)
{
    const struct image *image = image_of(context);
    const struct image_topic *known = image_topic_by_id(image, topic->id);
    size_t count = 0;
    if (known == NULL || partition >= known->partition_count) {
        return 0;
    }
    const struct image_ids *replicas = &known->partitions[partition].replicas;
    for (int32_t i = 0; i < replicas->count && count < most; i++) {
        const struct image_broker *broker = image_broker_by_id(image, replicas->ids[i]);
        if (broker != NULL && broker->rack.data != NULL) {
            out[count++] = broker->rack;
        }
    }
    return count;
}

/* Within what the broker allows: a setting may have been made before the bounds were. */
static int32_t bounded(const struct broker_shard *shard, struct string_view group,
                       const char *setting, const char *least, const char *most)
{
    const struct config *config = shard->broker->options.config;
    int64_t value = group_setting_long(config, shard->image, group, setting);
    int64_t minimum = config_int(config, least);
    int64_t maximum = config_int(config, most);
    value = value > maximum ? maximum : value;
    return (int32_t)(value < minimum ? minimum : value);
}

static void group_settings(const void *context, struct string_view group,
                           struct cluster_group_settings *settings)
{
    const struct broker_shard *shard = context;
    settings->session_timeout_ms = bounded(shard, group, "consumer.session.timeout.ms",
                                           "group.consumer.min.session.timeout.ms",
                                           "group.consumer.max.session.timeout.ms");
    settings->heartbeat_interval_ms = bounded(shard, group, "consumer.heartbeat.interval.ms",
                                              "group.consumer.min.heartbeat.interval.ms",
                                              "group.consumer.max.heartbeat.interval.ms");
    settings->assignment_interval_ms = bounded(shard, group, "consumer.assignment.interval.ms",
                                               "group.consumer.min.assignment.interval.ms",
                                               "group.consumer.max.assignment.interval.ms");
}

void coordinator_cluster_init(struct cluster *cluster, const struct broker_shard *shard)
{
    *cluster = (struct cluster){
        .context = shard,
        .version = image_version,
        .topic_by_name = topic_by_name,
        .topic_by_id = topic_by_id,
        .topic_after = topic_after,
        .racks = racks,
        .group_settings = group_settings,
    };
}
