#include "broker/topic_config.h"

#include <stdio.h>

#include "base/assert.h"
#include "broker/config_internal.h"
#include "broker/resource.h"
#include "protocol/record/batch.h"
#include "protocol/record/compress.h"

/* Values are short; this bounds what one look-up may copy. */
#define LOOKUP_BYTES_MAX (1u << 20)

bool topic_is_internal(struct string_view name)
{
    return string_view_is(name, "__consumer_offsets") ||
           string_view_is(name, "__transaction_state") ||
           string_view_is(name, "__share_group_state");
}

/* A value that came from a file or another program holds only when it passes its check. */
static bool usable(const struct config_row *row, struct string_view value)
{
    return value.data != NULL && config_check(row, value, NULL) == 0;
}

struct string_view broker_setting_in_force(const struct config *config, const struct image *image,
                                           const struct config_row *row, struct arena *arena)
{
    ASSERT(row->scope == CONFIG_SCOPE_BROKER);
    struct string_view id = arena_format(arena, "%d", config_node_id(config));
    struct string_view value;
    if (image != NULL) {
        struct string_view name = string_view_of(row->name);
        if (image_setting(image, RESOURCE_BROKER, id, name, &value) && usable(row, value)) {
            return value;
        }
        if (image_setting(image, RESOURCE_BROKER, string_view_of(""), name, &value) &&
            usable(row, value)) {
            return value;
        }
    }
    return config_string(config, row->name);
}

static struct string_view listener_setting_in_force(const struct config *config,
                                                    const struct image *image,
                                                    const struct config_row *row,
                                                    struct string_view name, struct arena *arena)
{
    struct string_view id = arena_format(arena, "%d", config_node_id(config));
    struct string_view value;
    if (image != NULL &&
        ((image_setting(image, RESOURCE_BROKER, id, name, &value) && usable(row, value)) ||
         (image_setting(image, RESOURCE_BROKER, string_view_of(""), name, &value) &&
          usable(row, value)))) {
        return value;
    }
    const struct config_setting *setting = config_setting_find(config, name);
    return setting != NULL ? setting->value : (struct string_view){NULL, 0};
}

int64_t broker_setting_long(const struct config *config, const struct image *image,
                            struct string_view name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, name);
    const struct config_row *listener_row = config_listener_row(name);
    int64_t number = -1;
    struct arena arena;
    ASSERT(row != NULL || listener_row != NULL);
    arena_init(&arena, LOOKUP_BYTES_MAX);
    struct string_view value =
        row != NULL ? broker_setting_in_force(config, image, row, &arena)
                    : listener_setting_in_force(config, image, listener_row, name, &arena);
    if (value.data != NULL) {
        (void)config_parse_long(config_trim(value), INT64_MIN, INT64_MAX, &number);
    }
    arena_release(&arena);
    return number;
}

bool broker_setting_boolean(const struct config *config, const struct image *image,
                            const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, string_view_of(name));
    bool result = false;
    struct arena arena;
    ASSERT(row != NULL);
    arena_init(&arena, LOOKUP_BYTES_MAX);
    (void)config_parse_boolean(config_trim(broker_setting_in_force(config, image, row, &arena)),
                               &result);
    arena_release(&arena);
    return result;
}

struct string_view topic_setting_in_force(const struct config *config, const struct image *image,
                                          struct string_view topic, const struct config_row *row,
                                          struct arena *arena)
{
    ASSERT(row->scope == CONFIG_SCOPE_TOPIC || row->scope == CONFIG_SCOPE_GROUP);
    int8_t resource_type = row->scope == CONFIG_SCOPE_TOPIC ? RESOURCE_TOPIC : RESOURCE_GROUP;
    struct string_view value;
    if (image != NULL &&
        image_setting(image, resource_type, topic, string_view_of(row->name), &value) &&
        usable(row, value)) {
        return value;
    }
    if (row->broker_name != NULL) {
        const struct config_row *broker_row = config_row_find(CONFIG_SCOPE_BROKER,
                                                              string_view_of(row->broker_name));
        ASSERT(broker_row != NULL);
        value = broker_setting_in_force(config, image, broker_row, arena);
        if (value.data != NULL) {
            return value;
        }
    }
    return string_view_of(row->default_value);
}

/* The settings of one topic, looked up by name. */
struct lookup {
    const struct config *config;
    const struct image *image;
    struct string_view topic;
    struct arena arena;
};

static struct string_view find(struct lookup *lookup, const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_TOPIC, string_view_of(name));
    ASSERT(row != NULL);
    return config_trim(topic_setting_in_force(lookup->config, lookup->image, lookup->topic, row,
                                              &lookup->arena));
}

static int64_t find_long(struct lookup *lookup, const char *name, int64_t missing)
{
    int64_t number = missing;
    struct string_view value = find(lookup, name);
    if (value.data == NULL || config_parse_long(value, INT64_MIN, INT64_MAX, &number) != 0) {
        return missing;
    }
    return number;
}

static int32_t find_int(struct lookup *lookup, const char *name, int32_t missing)
{
    int64_t number = find_long(lookup, name, missing);
    return number < INT32_MIN || number > INT32_MAX ? missing : (int32_t)number;
}

static double find_double(struct lookup *lookup, const char *name, double missing)
{
    double number = missing;
    struct string_view value = find(lookup, name);
    return value.data != NULL && config_parse_double(value, &number) == 0 ? number : missing;
}

static bool find_boolean(struct lookup *lookup, const char *name)
{
    bool result = false;
    (void)config_parse_boolean(find(lookup, name), &result);
    return result;
}

static void lookup_init(struct lookup *lookup, const struct config *config,
                        const struct image *image, struct string_view topic)
{
    *lookup = (struct lookup){.config = config, .image = image, .topic = topic};
    arena_init(&lookup->arena, LOOKUP_BYTES_MAX);
}

int64_t topic_setting_long(const struct config *config, const struct image *image,
                           struct string_view topic, const char *name)
{
    struct lookup lookup;
    lookup_init(&lookup, config, image, topic);
    int64_t number = find_long(&lookup, name, -1);
    arena_release(&lookup.arena);
    return number;
}

int64_t group_setting_long(const struct config *config, const struct image *image,
                           struct string_view group, const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_GROUP, string_view_of(name));
    int64_t number = -1;
    struct arena arena;
    ASSERT(row != NULL);
    arena_init(&arena, LOOKUP_BYTES_MAX);
    struct string_view value = topic_setting_in_force(config, image, group, row, &arena);
    if (value.data != NULL) {
        (void)config_parse_long(config_trim(value), INT32_MIN, INT32_MAX, &number);
    }
    arena_release(&arena);
    return number;
}

static void set_codec(struct lookup *lookup, struct log_config *out)
{
    struct string_view type = find(lookup, "compression.type");
    static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    out->codec = LOG_CODEC_PRODUCER;
    out->codec_level = COMPRESS_LEVEL_DEFAULT;
    for (int32_t i = 0; i < BATCH_CODEC_COUNT; i++) {
        if (string_view_is(type, names[i])) {
            out->codec = i;
        }
    }
    if (out->codec == BATCH_CODEC_GZIP) {
        int32_t level = find_int(lookup, "compression.gzip.level", -1);
        out->codec_level = level == -1 ? COMPRESS_LEVEL_DEFAULT : level;
    } else if (out->codec == BATCH_CODEC_LZ4) {
        out->codec_level = find_int(lookup, "compression.lz4.level", COMPRESS_LEVEL_DEFAULT);
    } else if (out->codec == BATCH_CODEC_ZSTD) {
        out->codec_level = find_int(lookup, "compression.zstd.level", COMPRESS_LEVEL_DEFAULT);
    }
}

static void set_cleanup(struct lookup *lookup, struct log_config *out)
{
    struct string_view rest = config_list_start(find(lookup, "cleanup.policy"));
    struct string_view policy;
    out->clean_delete = false;
    out->clean_compact = false;
    while (config_list_next(&rest, &policy)) {
        out->clean_delete = out->clean_delete || string_view_is(policy, "delete");
        out->clean_compact = out->clean_compact || string_view_is(policy, "compact");
    }
    out->min_cleanable_ratio = find_double(lookup, "min.cleanable.dirty.ratio",
                                           out->min_cleanable_ratio);
    out->min_compaction_lag_ms = find_long(lookup, "min.compaction.lag.ms",
                                           out->min_compaction_lag_ms);
    out->delete_retention_ms = find_long(lookup, "delete.retention.ms",
                                         out->delete_retention_ms);
}

static void set_times(struct lookup *lookup, struct log_config *out)
{
    out->segment_ms = find_long(lookup, "segment.ms", out->segment_ms);
    out->segment_jitter_ms = find_long(lookup, "segment.jitter.ms", out->segment_jitter_ms);
    out->retention_ms = find_long(lookup, "retention.ms", out->retention_ms);
    if (out->retention_ms < 0) {
        out->retention_ms = -1;
    }
    out->file_delete_delay_ms = find_long(lookup, "file.delete.delay.ms",
                                          out->file_delete_delay_ms);
    out->flush_ms = find_long(lookup, "flush.ms", out->flush_ms);
    out->max_compaction_lag_ms = find_long(lookup, "max.compaction.lag.ms",
                                           out->max_compaction_lag_ms);
    out->timestamp_before_max_ms = find_long(lookup, "message.timestamp.before.max.ms",
                                             out->timestamp_before_max_ms);
    out->timestamp_after_max_ms = find_long(lookup, "message.timestamp.after.max.ms",
                                            out->timestamp_after_max_ms);
    out->log_append_time = string_view_is(find(lookup, "message.timestamp.type"),
                                          "LogAppendTime");
}

void topic_log_config(const struct config *config, const struct image *image,
                      struct string_view topic, struct log_config *out)
{
    struct lookup lookup;
    lookup_init(&lookup, config, image, topic);
    *out = log_config_default();
    out->segment_bytes = find_long(&lookup, "segment.bytes", out->segment_bytes);
    int64_t internal_bytes = find_long(&lookup, "internal.segment.bytes", -1);
    if (internal_bytes > 0) {
        out->segment_bytes = internal_bytes;
    }
    out->segment_index_bytes = find_int(&lookup, "segment.index.bytes", out->segment_index_bytes);
    out->index_interval_bytes = find_int(&lookup, "index.interval.bytes",
                                         out->index_interval_bytes);
    out->retention_bytes = find_long(&lookup, "retention.bytes", out->retention_bytes);
    out->flush_messages = find_long(&lookup, "flush.messages", out->flush_messages);
    out->max_message_bytes = find_int(&lookup, "max.message.bytes", out->max_message_bytes);
    out->preallocate = find_boolean(&lookup, "preallocate");
    set_times(&lookup, out);
    set_codec(&lookup, out);
    set_cleanup(&lookup, out);
    const struct config_row *expiration = config_row_find(
        CONFIG_SCOPE_BROKER, string_view_of("producer.id.expiration.ms"));
    int64_t expiration_ms = 0;
    if (config_parse_long(config_trim(broker_setting_in_force(config, image, expiration,
                                                              &lookup.arena)),
                          1, INT64_MAX, &expiration_ms) == 0) {
        out->producer_id_expiration_ms = expiration_ms;
    }
    arena_release(&lookup.arena);
}
