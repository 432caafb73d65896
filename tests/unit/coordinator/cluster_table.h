/* cluster_table.h: the cluster that a coordinator under test sees: a few topics in a table. */
#ifndef BNB_TESTS_COORDINATOR_CLUSTER_TABLE_H
#define BNB_TESTS_COORDINATOR_CLUSTER_TABLE_H

#include "coordinator/group/group.h"

#define TABLE_TOPICS_MAX 64

struct cluster_table {
    struct cluster_topic topics[TABLE_TOPICS_MAX]; /* in the order of their names */
    size_t count;
    int64_t version;
    struct cluster_group_settings settings;
    struct string_view rack; /* of every replica; null: none has one */
};

static inline int64_t table_version(const void *context)
{
    return ((const struct cluster_table *)context)->version;
}
static inline bool table_by_name(const void *context, struct string_view name,
                                 struct cluster_topic *topic)
{
    const struct cluster_table *table = context;
    for (size_t i = 0; i < table->count; i++) {
        if (string_view_equal(table->topics[i].name, name)) {
            *topic = table->topics[i];
            return true;
        }
    }
    return false;
}
static inline bool table_by_id(const void *context, struct uuid id, struct cluster_topic *topic)
{
    const struct cluster_table *table = context;
    for (size_t i = 0; i < table->count; i++) {
        if (uuid_equal(table->topics[i].id, id)) {
            *topic = table->topics[i];
            return true;
        }
    }
    return false;
}
static inline bool table_after(const void *context, struct string_view after,
                               struct cluster_topic *topic)
{
    const struct cluster_table *table = context;
    for (size_t i = 0; i < table->count; i++) {
        if (after.data == NULL || string_view_compare(table->topics[i].name, after) > 0) {
            *topic = table->topics[i];
            return true;
        }
    }
    return false;
}
static inline size_t table_racks(const void *context, const struct cluster_topic *topic,
                                 int32_t partition, struct string_view *racks, size_t count)
{
    const struct cluster_table *table = context;
    (void)topic;
    (void)partition;
    if (table->rack.data == NULL || count == 0) {
        return 0;
    }
    racks[0] = table->rack;
    return 1;
}
static inline void table_settings(const void *context, struct string_view group,
                                  struct cluster_group_settings *settings)
{
    (void)group;
    *settings = ((const struct cluster_table *)context)->settings;
}

static inline struct uuid table_topic_id(uint8_t number)
{
    return (struct uuid){{0xab, number, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, number}};
}
/* Topics are added in the order of their names; name lives as long as the table. */
static inline void table_add(struct cluster_table *table, const char *name,
                             int32_t partition_count)
{
    uint8_t number = (uint8_t)(table->count + 1);
    table->topics[table->count++] = (struct cluster_topic){table_topic_id(number),
                                                           string_view_of(name), partition_count};
    table->version++;
}
static inline void table_init(struct cluster_table *table)
{
    *table = (struct cluster_table){
        .settings = {.session_timeout_ms = 45000, .heartbeat_interval_ms = 5000}};
}
static inline struct cluster table_cluster(const struct cluster_table *table)
{
    return (struct cluster){table,       table_version, table_by_name, table_by_id,
                            table_after, table_racks,   table_settings};
}
/* What a coordinator needs for the consumer protocol; cluster outlives it. */
static inline void table_options(const struct cluster *cluster, struct group_options *options)
{
    options->cluster = cluster;
    options->assignors[0] = assignor_find((struct string_view){"uniform", 7});
    options->assignors[1] = assignor_find((struct string_view){"range", 5});
    options->assignor_count = 2;
    options->consumer_max_size = 1000;
    options->consumer_regex_refresh_ms = 600000;
    options->migration = GROUP_MIGRATION_BIDIRECTIONAL;
}

#endif
