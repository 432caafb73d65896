/* What members of the classic protocol say inside of it: the consumers' embedded protocol. Topics
 * have names there, and ids everywhere else. */
#include "coordinator/group/internal.h"

#define WRITTEN_BYTES_MAX (64u << 20)

static int16_t read_version(struct reader *reader, struct bytes_view bytes, int16_t newest)
{
    reader_init(reader, bytes.data, bytes.size);
    int16_t version = reader_i16(reader);
    return reader->failed ? -1 : version > newest ? newest : version;
}

bool embedded_read_subscription(struct bytes_view bytes, struct arena *arena,
                                struct consumer_protocol_subscription *subscription)
{
    struct reader reader;
    int16_t version =
        read_version(&reader, bytes, CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION);
    return version >= 0 &&
           consumer_protocol_subscription_decode(&reader, version, arena, subscription) == 0;
}

static size_t add_topic(const struct cluster *cluster, struct string_view name,
                        const int32_t *numbers, int32_t count, struct partition_item *items)
{
    struct cluster_topic topic;
    size_t filled = 0;
    if (!cluster->topic_by_name(cluster->context, name, &topic)) {
        return 0;
    }
    for (int32_t i = 0; i < count; i++) {
        items[filled++] = (struct partition_item){topic.id, numbers[i], 0};
    }
    return filled;
}

struct partition_set embedded_owned(const struct cluster *cluster,
                                    const struct consumer_protocol_subscription *subscription,
                                    struct arena *arena)
{
    size_t count = 0;
    size_t filled = 0;
    for (int32_t i = 0; i < subscription->owned_partitions.count; i++) {
        int32_t more = subscription->owned_partitions.items[i].partitions.count;
        count += more > 0 ? (size_t)more : 0;
    }
    struct partition_item *items = arena_array(arena, count, sizeof *items);
    for (int32_t i = 0; items != NULL && i < subscription->owned_partitions.count; i++) {
        const struct consumer_protocol_subscription_topic_partition *topic =
            &subscription->owned_partitions.items[i];
        filled += add_topic(cluster, topic->topic, topic->partitions.items,
                            topic->partitions.count, &items[filled]);
    }
    ASSERT(filled <= count);
    return (struct partition_set){items, items == NULL ? 0 : partition_items_order(items, filled)};
}

bool embedded_read_assignment(const struct cluster *cluster, struct bytes_view bytes,
                              struct arena *arena, struct partition_set *set, bool *user_data)
{
    struct consumer_protocol_assignment assignment;
    struct reader reader;
    size_t count = 0;
    size_t filled = 0;
    ASSERT(cluster != NULL && set != NULL);
    *set = (struct partition_set){NULL, 0};
    *user_data = false;
    if (bytes.size == 0) {
        return true;
    }
    int16_t version = read_version(&reader, bytes, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION);
    if (version < 0 ||
        consumer_protocol_assignment_decode(&reader, version, arena, &assignment) != 0) {
        return false;
    }
    *user_data = assignment.user_data.size > 0;
    for (int32_t i = 0; i < assignment.assigned_partitions.count; i++) {
        int32_t more = assignment.assigned_partitions.items[i].partitions.count;
        count += more > 0 ? (size_t)more : 0;
    }
    struct partition_item *items = arena_array(arena, count, sizeof *items);
    for (int32_t i = 0; items != NULL && i < assignment.assigned_partitions.count; i++) {
        const struct consumer_protocol_assignment_topic_partition *topic =
            &assignment.assigned_partitions.items[i];
        filled += add_topic(cluster, topic->topic, topic->partitions.items,
                            topic->partitions.count, &items[filled]);
    }
    *set =
        (struct partition_set){items, items == NULL ? 0 : partition_items_order(items, filled)};
    return items != NULL;
}

static bool fill_assignment(const struct cluster *cluster, struct partition_set set,
                            struct arena *arena, struct consumer_protocol_assignment *assignment)
{
    int32_t *numbers = arena_array(arena, set.count, sizeof *numbers);
    ASSERT(assignment->assigned_partitions.count == 0);
    assignment->assigned_partitions.items = arena_array(
        arena, partition_set_topics(set), sizeof *assignment->assigned_partitions.items);
    for (size_t i = 0; !arena->failed && i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        struct cluster_topic topic;
        if (!cluster->topic_by_id(cluster->context, set.items[i].topic, &topic)) {
            i = end; /* it is gone */
            continue;
        }
        struct consumer_protocol_assignment_topic_partition *told =
            &assignment->assigned_partitions
                 .items[assignment->assigned_partitions.count++];
        told->topic = topic.name;
        told->partitions.items = &numbers[i];
        told->partitions.count = (int32_t)(end - i);
        for (; i < end; i++) {
            numbers[i] = set.items[i].partition;
        }
    }
    return !arena->failed;
}

struct bytes_view embedded_write_assignment(const struct cluster *cluster,
                                            struct partition_set set,
                                            struct bytes_view subscription, struct arena *arena)
{
    struct consumer_protocol_assignment assignment;
    struct reader reader;
    struct writer writer;
    struct bytes_view out = {NULL, 0};
    int16_t version =
        read_version(&reader, subscription, CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION);
    consumer_protocol_assignment_default(&assignment);
    if (version < 0 || !fill_assignment(cluster, set, arena, &assignment)) {
        return out;
    }
    writer_init(&writer, WRITTEN_BYTES_MAX);
    writer_i16(&writer, version);
    if (consumer_protocol_assignment_encode(&writer, version, &assignment) == 0 &&
        !writer.failed) {
        out = arena_bytes(arena, (struct bytes_view){writer.data, writer.size});
    }
    writer_release(&writer);
    return out;
}
