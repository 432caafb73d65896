#include <inttypes.h>

#include "base/assert.h"
#include "base/java_map.h"
#include "base/regex.h"
#include "broker/config_internal.h"
#include "broker/handlers.h"
#include "broker/resource.h"
#include "protocol/error.h"

/* What the controller asks before it stores settings. Mirrors ControllerConfigurationValidator:
 * names come first, then each value, then what they must be to each other; settings of brokers were
 * checked by the broker that they came through. */

static int16_t check_row(const struct config_row *row, struct string_view value,
                         struct err_message *message)
{
    return config_check(row, value, message) == 0 ? 0 : KAFKA_INVALID_CONFIG;
}

static int16_t unknown(const char *what, struct string_view name, int16_t error,
                       struct err_message *message)
{
    (void)err_set(message, 0, "%s: %.*s", what, name.size < 300 ? (int)name.size : 300, name.data);
    return error;
}

static int16_t refuse(const char *text, struct err_message *message)
{
    (void)err_set(message, 0, "%s", text);
    return KAFKA_INVALID_CONFIG;
}

/* All that a resource is to have. */
struct settings {
    const struct config *config; /* NULL: of no node */
    enum config_scope scope;
    const struct image_setting *items;
    size_t count;
};

static const struct image_setting *find(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (string_view_is(settings->items[i].name, name)) {
            return &settings->items[i];
        }
    }
    return NULL;
}

/* The first one that is not known; more: so many others are in Kafka's map. */
static const struct image_setting *find_unknown(const struct settings *settings, size_t more)
{
    const struct image_setting *first = NULL;
    for (size_t i = 0; i < settings->count; i++) {
        const struct image_setting *item = &settings->items[i];
        if (config_row_find(settings->scope, item->name) == NULL &&
            (first == NULL || java_map_place(item->name, settings->count + more) <
                                  java_map_place(first->name, settings->count + more))) {
            first = item;
        }
    }
    return first;
}

/* Each value by itself, those in the list first. */
static int16_t check_rows(const struct settings *settings, const char *const *order, size_t count,
                          struct err_message *message)
{
    int16_t error = 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        const struct image_setting *item = find(settings, order[i]);
        const struct config_row *row = config_row_find(settings->scope, string_view_of(order[i]));
        ASSERT(row != NULL);
        error = item == NULL ? 0 : check_row(row, item->value, message);
    }
    for (size_t i = 0; error == 0 && i < settings->count; i++) {
        const struct config_row *row = config_row_find(settings->scope, settings->items[i].name);
        error = row == NULL ? 0 : check_row(row, settings->items[i].value, message);
    }
    return error;
}

/* What is in force once they are set. */
static int64_t in_force(const struct settings *settings, const char *name)
{
    const struct image_setting *item = find(settings, name);
    const struct config_row *row = config_row_find(settings->scope, string_view_of(name));
    int64_t number = 0;
    ASSERT(row != NULL);
    if (item == NULL && settings->config != NULL && row->broker_name != NULL) {
        return config_long(settings->config, row->broker_name);
    }
    struct string_view value = item != NULL ? item->value : string_view_of(row->default_value);
    (void)config_parse_long(config_trim(value), INT64_MIN, INT64_MAX, &number);
    return number;
}

/* ---- topics ---- */

/* As LogConfig of Kafka defines them, which is how it checks them. */
static const char *const topic_order[] = {
    "segment.bytes",
    "segment.ms",
    "segment.jitter.ms",
    "segment.index.bytes",
    "flush.messages",
    "flush.ms",
    "retention.bytes",
    "retention.ms",
    "max.message.bytes",
    "index.interval.bytes",
    "delete.retention.ms",
    "min.compaction.lag.ms",
    "max.compaction.lag.ms",
    "file.delete.delay.ms",
    "min.cleanable.dirty.ratio",
    "cleanup.policy",
    "unclean.leader.election.enable",
    "min.insync.replicas",
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "preallocate",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
    "remote.storage.enable",
    "local.retention.ms",
    "local.retention.bytes",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
};

static int16_t check_topic(const struct settings *settings, struct err_message *message)
{
    const struct image_setting *stranger = find_unknown(settings, 0);
    if (stranger != NULL) {
        return unknown("Unknown topic config name", stranger->name, KAFKA_INVALID_CONFIG, message);
    }
    int16_t error = check_rows(settings, topic_order, sizeof topic_order / sizeof *topic_order,
                               message);
    if (error != 0) {
        return error;
    }
    int64_t shortest_ms = in_force(settings, "min.compaction.lag.ms");
    int64_t longest_ms = in_force(settings, "max.compaction.lag.ms");
    if (shortest_ms > longest_ms) {
        (void)err_set(message, 0,
                      "conflict topic config setting min.compaction.lag.ms (%" PRId64
                      ") > max.compaction.lag.ms (%" PRId64 ")",
                      shortest_ms, longest_ms);
        return KAFKA_INVALID_CONFIG;
    }
    const struct image_setting *remote = find(settings, "remote.storage.enable");
    bool tiered = false;
    if (remote != NULL && config_parse_boolean(config_trim(remote->value), &tiered) == 0 &&
        tiered && (settings->config == NULL ||
                   !config_boolean(settings->config, "remote.log.storage.system.enable"))) {
        return refuse("Tiered Storage functionality is disabled in the broker. Topic cannot be "
                      "configured with remote log storage.",
                      message);
    }
    return 0;
}

/* ---- groups ---- */

/* Values of groups stay within the bounds that the broker sets under group.<kind>.min. and .max.,
 * those of <kind>.num.x too. */
static int16_t check_group_bounds(const struct config *config, struct string_view name,
                                  struct string_view value, struct err_message *message)
{
    static const char *const ends[] = {"min", "max"};
    const char *dot = memchr(name.data, '.', name.size);
    int64_t number = 0;
    if (dot == NULL || config_parse_long(config_trim(value), INT64_MIN, INT64_MAX, &number) != 0) {
        return 0;
    }
    size_t kind_size = (size_t)(dot - name.data);
    struct string_view rest = {dot, name.size - kind_size};
    if (rest.size > 4 && memcmp(rest.data, ".num", 4) == 0) {
        rest = (struct string_view){rest.data + 4, rest.size - 4};
    }
    for (int i = 0; i < 2; i++) {
        struct err_message bound;
        (void)err_set(&bound, 0, "group.%.*s.%s%.*s", (int)kind_size, name.data, ends[i],
                      (int)rest.size, rest.data);
        if (config_row_find(CONFIG_SCOPE_BROKER, string_view_of(bound.text)) == NULL) {
            continue;
        }
        int64_t limit = config_long(config, bound.text);
        if (i == 0 ? number < limit : number > limit) {
            (void)err_set(message, 0, "%.*s must be %s than or equal to %.200s", (int)name.size,
                          name.data, i == 0 ? "greater" : "less", bound.text);
            return KAFKA_INVALID_CONFIG;
        }
    }
    return 0;
}

/* As GroupConfig of Kafka defines them, and then in the order in which it looks at their bounds. */
static const char *const group_order[] = {
    "consumer.session.timeout.ms",
    "consumer.heartbeat.interval.ms",
    "consumer.assignment.interval.ms",
    "share.session.timeout.ms",
    "share.heartbeat.interval.ms",
    "share.record.lock.duration.ms",
    "share.delivery.count.limit",
    "share.partition.max.record.locks",
    "share.auto.offset.reset",
    "share.isolation.level",
    "share.renew.acknowledge.enable",
    "share.assignment.interval.ms",
    "streams.session.timeout.ms",
    "streams.heartbeat.interval.ms",
    "streams.num.standby.replicas",
    "streams.initial.rebalance.delay.ms",
    "streams.assignment.interval.ms",
};
static const char *const group_bounded[] = {
    "consumer.heartbeat.interval.ms",   "consumer.session.timeout.ms",
    "consumer.assignment.interval.ms",  "share.heartbeat.interval.ms",
    "share.session.timeout.ms",         "share.record.lock.duration.ms",
    "share.delivery.count.limit",       "share.partition.max.record.locks",
    "share.assignment.interval.ms",     "streams.heartbeat.interval.ms",
    "streams.session.timeout.ms",       "streams.num.standby.replicas",
    "streams.assignment.interval.ms",
};
/* The first is longer than the second. */
static const char *const group_longer[][2] = {
    {"consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"},
    {"share.session.timeout.ms", "share.heartbeat.interval.ms"},
    {"streams.session.timeout.ms", "streams.heartbeat.interval.ms"},
};

static int16_t check_group(const struct settings *settings, struct err_message *message)
{
    size_t order_count = sizeof group_order / sizeof *group_order;
    const struct image_setting *stranger = find_unknown(settings, order_count);
    if (stranger != NULL) {
        return unknown("Unknown group config name", stranger->name, KAFKA_INVALID_CONFIG, message);
    }
    int16_t error = check_rows(settings, group_order, order_count, message);
    for (size_t i = 0; error == 0 && settings->config != NULL &&
                       i < sizeof group_bounded / sizeof *group_bounded; i++) {
        const struct image_setting *item = find(settings, group_bounded[i]);
        error = item == NULL ? 0
                             : check_group_bounds(settings->config, item->name, item->value,
                                                  message);
    }
    for (size_t i = 0; error == 0 && i < sizeof group_longer / sizeof *group_longer; i++) {
        const char *const *pair = group_longer[i];
        if (in_force(settings, pair[0]) <= in_force(settings, pair[1])) {
            (void)err_set(message, 0, "%s must be greater than %s", pair[0], pair[1]);
            error = KAFKA_INVALID_CONFIG;
        }
    }
    return error;
}

/* ---- metrics of clients ---- */

static bool is_match_key(struct string_view key)
{
    static const char *const keys[] = {"client_id", "client_instance_id", "client_software_name",
                                       "client_software_version", "client_source_address",
                                       "client_source_port"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (string_view_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

/* "key=expression", with one '=' in it. */
static bool is_match_pattern(struct string_view pattern)
{
    const char *equals = pattern.size > 0 ? memchr(pattern.data, '=', pattern.size) : NULL;
    if (equals == NULL) {
        return false;
    }
    size_t key_size = (size_t)(equals - pattern.data);
    struct string_view value = {equals + 1, pattern.size - key_size - 1};
    if (value.size == 0 || memchr(value.data, '=', value.size) != NULL ||
        !is_match_key(config_trim((struct string_view){pattern.data, key_size}))) {
        return false;
    }
    struct regex *regex = NULL;
    bool fine = regex_create(config_trim(value), &regex) == 0;
    regex_destroy(&regex);
    return fine;
}

static int16_t check_client_metrics(const struct settings *settings, struct err_message *message)
{
    static const char *const order[] = {"metrics", "interval.ms", "match"};
    const struct image_setting *stranger = find_unknown(settings, 0);
    if (stranger != NULL) {
        return unknown("Unknown client metrics configuration", stranger->name,
                       KAFKA_INVALID_REQUEST, message);
    }
    int16_t error = check_rows(settings, order, sizeof order / sizeof *order, message);
    if (error != 0) {
        return error;
    }
    int64_t interval_ms = in_force(settings, "interval.ms");
    if (find(settings, "interval.ms") != NULL && (interval_ms < 100 || interval_ms > 3600000)) {
        (void)err_set(message, 0,
                      "Invalid value %lld for interval.ms, interval must be between 100 and "
                      "3600000 (1 hour)",
                      (long long)interval_ms);
        return KAFKA_INVALID_REQUEST;
    }
    const struct image_setting *match = find(settings, "match");
    if (match != NULL) {
        struct string_view rest = config_list_start(match->value);
        struct string_view pattern;
        while (config_list_next(&rest, &pattern)) {
            if (!is_match_pattern(pattern)) {
                return unknown("Illegal client matching pattern", pattern, KAFKA_INVALID_CONFIG,
                               message);
            }
        }
    }
    return 0;
}

int16_t config_check_settings(void *context, int8_t resource_type,
                              const struct image_setting *items, size_t count,
                              struct err_message *message)
{
    struct settings settings = {context, CONFIG_SCOPE_TOPIC, items, count};
    switch (resource_type) {
    case RESOURCE_TOPIC:
        return check_topic(&settings, message);
    case RESOURCE_GROUP:
        settings.scope = CONFIG_SCOPE_GROUP;
        return check_group(&settings, message);
    case RESOURCE_CLIENT_METRICS:
        settings.scope = CONFIG_SCOPE_CLIENT_METRICS;
        return check_client_metrics(&settings, message);
    case RESOURCE_BROKER:
        settings.scope = CONFIG_SCOPE_BROKER;
        return check_rows(&settings, NULL, 0, message);
    default:
        (void)err_set(message, 0, "Unknown resource type %d", resource_type);
        return KAFKA_INVALID_REQUEST;
    }
}

bool config_list_setting(void *context, int8_t resource_type, struct string_view name,
                         struct string_view *value)
{
    const struct config *config = context;
    enum config_scope scope = resource_type == RESOURCE_TOPIC   ? CONFIG_SCOPE_TOPIC
                              : resource_type == RESOURCE_GROUP ? CONFIG_SCOPE_GROUP
                                                                : CONFIG_SCOPE_BROKER;
    const struct config_row *row = config_row_find(scope, name);
    if (row == NULL || row->type != CONFIG_LIST) {
        return false;
    }
    const char *broker_name = scope == CONFIG_SCOPE_BROKER ? row->name : row->broker_name;
    *value = broker_name != NULL ? config_string(config, broker_name)
                                 : string_view_of(row->default_value);
    return true;
}
