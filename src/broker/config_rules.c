#include <stdio.h>

#include "base/assert.h"
#include "broker/config_internal.h"

/* What Apache Kafka demands between settings (KafkaConfig and the group coordinator's config); the
 * texts are Apache Kafka's. */

int config_roles_resolve(struct config *config, struct err_message *message)
{
    int32_t count = 0;
    struct string_view *roles = config_list(config, "process.roles", &config->arena, &count);
    if (roles == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    for (int32_t i = 0; i < count; i++) {
        config->is_broker = config->is_broker || string_view_is(roles[i], "broker");
        config->is_controller = config->is_controller || string_view_is(roles[i], "controller");
    }
    ASSERT(config->is_broker || config->is_controller);
    config->node_id = config_int(config, "node.id");
    if (config_is_set(config, "broker.id") && config_int(config, "broker.id") != config->node_id) {
        return err_set(message, ERR_INVALID,
                       "You must set `node.id` to the same value as `broker.id`.");
    }
    if (config->node_id < 0) {
        return err_set(message, ERR_INVALID,
                       "Invalid value %d for configuration node.id: Value must be at least 0",
                       config->node_id);
    }
    /* Whoever asks for the older name sees the id too. */
    const struct config_row *older = config_row_find(CONFIG_SCOPE_BROKER,
                                                     string_view_of("broker.id"));
    config->values[config_row_index(older)] = config_string(config, "node.id");
    return 0;
}

int config_directories_resolve(struct config *config, struct err_message *message)
{
    int32_t count = 0;
    struct string_view *listed = config_list(config, "log.dirs", &config->arena, &count);
    config->log_directories = arena_array(&config->arena, (size_t)count + 1, sizeof(char *));
    if (listed == NULL || config->log_directories == NULL) {
        return err_set(message, ERR_NOMEM, "out of memory");
    }
    for (int32_t i = 0; i < count; i++) {
        struct string_view directory = arena_string(&config->arena, listed[i]);
        bool known = false;
        for (int32_t j = 0; j < config->log_directory_count; j++) {
            known = known || string_view_is(directory, config->log_directories[j]);
        }
        if (!known && directory.data != NULL) {
            config->log_directories[config->log_directory_count++] = directory.data;
        }
    }
    struct string_view metadata = config_string(config, "metadata.log.dir");
    if (config->log_directory_count == 0) {
        return err_set(message, ERR_INVALID,
                       "At least one log directory must be defined via log.dirs or log.dir.");
    }
    config->metadata_directory = metadata.data != NULL
                                     ? arena_string(&config->arena, metadata).data
                                     : config->log_directories[0];
    return config->arena.failed ? err_set(message, ERR_NOMEM, "out of memory") : 0;
}

static int check_quorum(const struct config *config, struct arena *arena,
                        struct err_message *message)
{
    int32_t voter_count = 0;
    int32_t server_count = 0;
    struct string_view *voters = config_list(config, "controller.quorum.voters", arena,
                                             &voter_count);
    (void)config_list(config, "controller.quorum.bootstrap.servers", arena, &server_count);
    if (voter_count == 0 && server_count == 0) {
        return err_set(message, ERR_INVALID,
                       "If using process.roles, either controller.quorum.bootstrap.servers must "
                       "contain the set of bootstrap controllers or controller.quorum.voters must "
                       "contain a parseable set of controllers.");
    }
    bool included = false;
    for (int32_t i = 0; i < voter_count; i++) {
        int64_t id = 0;
        const char *at = memchr(voters[i].data, '@', voters[i].size);
        ASSERT(at != NULL);
        struct string_view text = {voters[i].data, (size_t)(at - voters[i].data)};
        included = included || (config_parse_long(text, INT32_MIN, INT32_MAX, &id) == 0 &&
                                id == config->node_id);
    }
    if (config->is_controller && voter_count > 0 && !included) {
        struct string_view all = config_string(config, "controller.quorum.voters");
        return err_set(message, ERR_INVALID,
                       "If process.roles contains the 'controller' role, the node id %d must be "
                       "included in the set of voters controller.quorum.voters=%.*s",
                       config->node_id, all.size < 200 ? (int)all.size : 200, all.data);
    }
    return 0;
}

static int check_log_times(const struct config *config, struct err_message *message)
{
    if (config_long(config, "log.roll.ms") < 1) {
        return err_set(message, ERR_INVALID, "log.roll.ms must be greater than or equal to 1");
    }
    if (config_long(config, "log.roll.jitter.ms") < 0) {
        return err_set(message, ERR_INVALID,
                       "log.roll.jitter.ms must be greater than or equal to 0");
    }
    if (config_long(config, "log.retention.ms") == 0) {
        return err_set(message, ERR_INVALID,
                       "log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
    }
    int32_t threads = config_int(config, "log.cleaner.threads");
    int64_t buffer_bytes = config_long(config, "log.cleaner.dedupe.buffer.size");
    if (threads == 0 || buffer_bytes / threads <= CLEANER_THREAD_BYTES_ABOVE) {
        return err_set(message, ERR_INVALID,
                       "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
    }
    return 0;
}

/* Settings of single listeners that this broker heeds: checked as the settings they stand for. */
static int check_listener_settings(const struct config *config, struct err_message *message)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < config->setting_count; i++) {
        const struct config_setting *setting = &config->settings[i];
        const struct config_row *row = config_listener_row(setting->name);
        if (config_listener_row_acts(row)) {
            code = config_check(row, setting->value, message);
        }
    }
    return code;
}

static int check_network(const struct config *config, struct err_message *message)
{
    int32_t wait_ms = config_int(config, "replica.fetch.wait.max.ms");
    if (wait_ms > config_int(config, "replica.socket.timeout.ms")) {
        return err_set(message, ERR_INVALID,
                       "replica.socket.timeout.ms should always be at least "
                       "replica.fetch.wait.max.ms to prevent unnecessary socket timeouts");
    }
    if (wait_ms > config_long(config, "replica.lag.time.max.ms")) {
        return err_set(message, ERR_INVALID,
                       "replica.fetch.wait.max.ms should always be less than or equal to "
                       "replica.lag.time.max.ms to prevent frequent changes in ISR");
    }
    int32_t delay_ms = config_int(config, "connection.failed.authentication.delay.ms");
    int64_t idle_ms = config_long(config, "connections.max.idle.ms");
    if (idle_ms >= 0 && delay_ms >= idle_ms) {
        return err_set(message, ERR_INVALID,
                       "connection.failed.authentication.delay.ms=%d should always be less than "
                       "connections.max.idle.ms=%lld to prevent failed authentication responses "
                       "from timing out",
                       delay_ms, (long long)idle_ms);
    }
    int64_t queued_bytes = config_long(config, "queued.max.request.bytes");
    if (queued_bytes > 0 && queued_bytes < config_int(config, "socket.request.max.bytes")) {
        return err_set(message, ERR_INVALID,
                       "queued.max.request.bytes must be larger or equal to "
                       "socket.request.max.bytes");
    }
    if (config_int(config, "max.connections.per.ip") == 0 &&
        config_string(config, "max.connections.per.ip.overrides").size == 0) {
        return err_set(message, ERR_INVALID,
                       "max.connections.per.ip can be set to zero only if "
                       "max.connections.per.ip.overrides property is set.");
    }
    return check_listener_settings(config, message);
}

/* Settings of groups that must lie between two others, lower and upper. */
struct between {
    const char *name;
    const char *low;
    const char *high;
};
static const struct between group_bounds[] = {
#define GROUP_BETWEEN(kind, what) \
    {"group." kind "." what, "group." kind ".min." what, "group." kind ".max." what}
    GROUP_BETWEEN("consumer", "heartbeat.interval.ms"),
    GROUP_BETWEEN("consumer", "session.timeout.ms"),
    GROUP_BETWEEN("consumer", "assignment.interval.ms"),
    GROUP_BETWEEN("share", "heartbeat.interval.ms"),
    GROUP_BETWEEN("share", "session.timeout.ms"),
    GROUP_BETWEEN("share", "assignment.interval.ms"),
    GROUP_BETWEEN("share", "record.lock.duration.ms"),
    GROUP_BETWEEN("share", "delivery.count.limit"),
    GROUP_BETWEEN("share", "partition.max.record.locks"),
    GROUP_BETWEEN("streams", "heartbeat.interval.ms"),
    GROUP_BETWEEN("streams", "session.timeout.ms"),
    GROUP_BETWEEN("streams", "assignment.interval.ms"),
#undef GROUP_BETWEEN
};

static int check_groups(const struct config *config, struct err_message *message)
{
    for (size_t i = 0; i < sizeof(group_bounds) / sizeof(group_bounds[0]); i++) {
        const struct between *bounds = &group_bounds[i];
        int64_t low = config_long(config, bounds->low);
        int64_t high = config_long(config, bounds->high);
        int64_t value = config_long(config, bounds->name);
        if (high < low) {
            return err_set(message, ERR_INVALID, "%s must be greater than or equal to %s",
                           bounds->high, bounds->low);
        }
        if (value < low) {
            return err_set(message, ERR_INVALID, "%s must be greater than or equal to %s",
                           bounds->name, bounds->low);
        }
        if (value > high) {
            return err_set(message, ERR_INVALID, "%s must be less than or equal to %s",
                           bounds->name, bounds->high);
        }
    }
    if (config_int(config, "group.streams.num.standby.replicas") >
        config_int(config, "group.streams.max.standby.replicas")) {
        return err_set(message, ERR_INVALID,
                       "group.streams.num.standby.replicas must be less than or equal to "
                       "group.streams.max.standby.replicas");
    }
    static const char *const kinds[] = {"consumer", "share", "streams"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct err_message heartbeat;
        struct err_message session;
        (void)err_set(&heartbeat, 0, "group.%s.heartbeat.interval.ms", kinds[i]);
        (void)err_set(&session, 0, "group.%s.session.timeout.ms", kinds[i]);
        if (config_long(config, heartbeat.text) >= config_long(config, session.text)) {
            return err_set(message, ERR_INVALID, "group.%s.heartbeat.interval.ms must be less than "
                           "group.%s.session.timeout.ms", kinds[i], kinds[i]);
        }
    }
    return 0;
}

static int check_protocols(const struct config *config, struct arena *arena,
                           struct err_message *message)
{
    int32_t count = 0;
    bool classic = false;
    struct string_view *protocols = config_list(config, "group.coordinator.rebalance.protocols",
                                                arena, &count);
    for (int32_t i = 0; protocols != NULL && i < count; i++) {
        classic = classic || string_view_is(protocols[i], "classic");
    }
    return classic ? 0
                   : err_set(message, ERR_INVALID,
                             "Disabling the 'classic' protocol is not supported.");
}

static int check_codecs(const struct config *config, struct err_message *message)
{
    static const char *const names[] = {"offsets.topic.compression.codec",
                                        "share.coordinator.state.topic.compression.codec"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int32_t id = config_int(config, names[i]);
        if (id < 0 || id > 4) {
            return err_set(message, ERR_INVALID, "%s: Unknown compression type id: %d", names[i],
                           id);
        }
    }
    return 0;
}

int config_check_cordoned(const struct config *config, struct string_view value,
                          struct err_message *message)
{
    char missing[ERR_MESSAGE_BYTES / 2] = "";
    size_t used = 0;
    int32_t count = 0;
    bool all = false;
    for (size_t at = 0; value.data != NULL && at < value.size;) {
        const char *comma = memchr(value.data + at, ',', value.size - at);
        size_t end = comma != NULL ? (size_t)(comma - value.data) : value.size;
        struct string_view entry = config_trim((struct string_view){value.data + at, end - at});
        bool known = entry.size == 0 || string_view_is(entry, "*");
        at = end + 1;
        count += entry.size > 0 ? 1 : 0;
        all = all || string_view_is(entry, "*");
        for (int32_t j = 0; j < config->log_directory_count; j++) {
            known = known || string_view_is(entry, config->log_directories[j]);
        }
        if (!known && used < sizeof missing) {
            used += (size_t)snprintf(missing + used, sizeof missing - used, "%s%.*s",
                                     used > 0 ? ", " : "", (int)entry.size, entry.data);
        }
    }
    if (all && count > 1) {
        return err_set(message, ERR_INVALID, "When cordoned.log.dirs is set to *, it must not "
                                             "contain other values");
    }
    return used == 0 ? 0
                     : err_set(message, ERR_INVALID,
                               "All entries in cordoned.log.dirs must be present in log.dirs or "
                               "log.dir. Missing entries : %s", missing);
}

int config_rules_check(struct config *config, struct err_message *message)
{
    int code = check_quorum(config, &config->arena, message);
    if (code == 0) {
        code = check_log_times(config, message);
    }
    if (code == 0) {
        code = check_network(config, message);
    }
    if (code == 0) {
        code = check_groups(config, message);
    }
    if (code == 0) {
        code = check_protocols(config, &config->arena, message);
    }
    if (code == 0) {
        code = check_codecs(config, message);
    }
    return code != 0 ? code
                     : config_check_cordoned(config, config_string(config, "cordoned.log.dirs"),
                                             message);
}
