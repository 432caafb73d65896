#include "base/regex.h"
#include "broker/config_internal.h"
#include "broker/handlers.h"
#include "broker/resource.h"
#include "protocol/error.h"

/* What the controller asks before it stores a setting. Mirrors ControllerConfigurationValidator:
 * settings of brokers were checked by the broker that they came through. */

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

static int16_t check_topic(const struct config *config, struct string_view name,
                           struct string_view value, struct err_message *message)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_TOPIC, name);
    if (row == NULL) {
        return unknown("Unknown topic config name", name, KAFKA_INVALID_CONFIG, message);
    }
    bool tiered = false;
    if (string_view_is(name, "remote.storage.enable") &&
        config_parse_boolean(config_trim(value), &tiered) == 0 && tiered &&
        (config == NULL || !config_boolean(config, "remote.log.storage.system.enable"))) {
        (void)err_set(message, 0, "Tiered Storage functionality is disabled in the broker. Topic "
                                  "cannot be configured with remote log storage.");
        return KAFKA_INVALID_CONFIG;
    }
    return check_row(row, value, message);
}

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

static int16_t check_group(const struct config *config, struct string_view name,
                           struct string_view value, struct err_message *message)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_GROUP, name);
    if (row == NULL) {
        return unknown("Unknown group config name", name, KAFKA_INVALID_CONFIG, message);
    }
    int16_t error = check_row(row, value, message);
    return error != 0 || config == NULL ? error
                                        : check_group_bounds(config, name, value, message);
}

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

static int16_t check_client_metrics(struct string_view name, struct string_view value,
                                    struct err_message *message)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_CLIENT_METRICS, name);
    if (row == NULL) {
        return unknown("Unknown client metrics configuration", name, KAFKA_INVALID_REQUEST,
                       message);
    }
    int16_t error = check_row(row, value, message);
    if (error != 0) {
        return error;
    }
    int64_t interval_ms = 0;
    if (row->type == CONFIG_INT &&
        config_parse_long(config_trim(value), INT32_MIN, INT32_MAX, &interval_ms) == 0 &&
        (interval_ms < 100 || interval_ms > 3600000)) {
        (void)err_set(message, 0,
                      "Invalid value %lld for interval.ms, interval must be between 100 and "
                      "3600000 (1 hour)",
                      (long long)interval_ms);
        return KAFKA_INVALID_REQUEST;
    }
    if (string_view_is(name, "match")) {
        struct string_view rest = config_list_start(value);
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

int16_t config_check_setting(void *context, int8_t resource_type, struct string_view name,
                             struct string_view value, struct err_message *message)
{
    const struct config *config = context;
    switch (resource_type) {
    case RESOURCE_TOPIC:
        return check_topic(config, name, value, message);
    case RESOURCE_GROUP:
        return check_group(config, name, value, message);
    case RESOURCE_CLIENT_METRICS:
        return check_client_metrics(name, value, message);
    case RESOURCE_BROKER: {
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, name);
        return row == NULL ? 0 : check_row(row, value, message);
    }
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
