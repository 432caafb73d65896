#include "broker/topic_create.h"

/* Settings of the internal topics, as Apache Kafka creates them; a value that begins with '@' names
 * a broker setting. */
struct internal_setting {
    const char *name;
    const char *value;
};
struct internal_topic {
    const char *name;
    const char *partitions;
    const char *replication_factor;
    struct internal_setting settings[6];
};
static const struct internal_topic internal_topics[] = {
    {"__consumer_offsets", "offsets.topic.num.partitions", "offsets.topic.replication.factor",
     {{"cleanup.policy", "compact"},
      {"compression.type", "producer"},
      {"segment.bytes", "@offsets.topic.segment.bytes"}}},
    {"__transaction_state", "transaction.state.log.num.partitions",
     "transaction.state.log.replication.factor",
     {{"unclean.leader.election.enable", "false"},
      {"compression.type", "uncompressed"},
      {"cleanup.policy", "compact"},
      {"min.insync.replicas", "@transaction.state.log.min.isr"},
      {"segment.bytes", "@transaction.state.log.segment.bytes"}}},
    {"__share_group_state", "share.coordinator.state.topic.num.partitions",
     "share.coordinator.state.topic.replication.factor",
     {{"cleanup.policy", "delete"},
      {"compression.type", "producer"},
      {"retention.ms", "-1"},
      {"min.insync.replicas", "@share.coordinator.state.topic.min.isr"},
      {"segment.bytes", "@share.coordinator.state.topic.segment.bytes"}}},
};

static const struct internal_topic *internal_topic_find(struct string_view name)
{
    for (size_t i = 0; i < sizeof(internal_topics) / sizeof(internal_topics[0]); i++) {
        if (string_view_is(name, internal_topics[i].name)) {
            return &internal_topics[i];
        }
    }
    return NULL;
}

static bool fill_settings(const struct config *config, const struct internal_topic *internal,
                          struct arena *arena, struct create_topics_request_creatable_topic *topic)
{
    size_t room = sizeof(internal->settings) / sizeof(internal->settings[0]);
    topic->configs.items = arena_array(arena, room, sizeof(*topic->configs.items));
    if (topic->configs.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < room && internal->settings[i].name != NULL; i++) {
        const char *value = internal->settings[i].value;
        topic->configs.items[i].name = string_view_of(internal->settings[i].name);
        topic->configs.items[i].value = value[0] == '@' ? config_string(config, value + 1)
                                                        : string_view_of(value);
        topic->configs.count = (int32_t)i + 1;
    }
    return true;
}

bool topic_create_fill(const struct config *config, struct string_view name, struct arena *arena,
                       struct create_topics_request_creatable_topic *topic)
{
    const struct internal_topic *internal = internal_topic_find(name);
    *topic = (struct create_topics_request_creatable_topic){.name = name};
    if (internal == NULL) {
        topic->num_partitions = config_int(config, "num.partitions");
        topic->replication_factor = (int16_t)config_int(config, "default.replication.factor");
        return true;
    }
    topic->num_partitions = config_int(config, internal->partitions);
    topic->replication_factor = (int16_t)config_int(config, internal->replication_factor);
    return fill_settings(config, internal, arena, topic);
}
