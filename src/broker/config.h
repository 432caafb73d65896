/* config.h: the table of settings, and the values a node was started with.
 *
 * One row a setting (config.def, checked against Apache Kafka's own tables): name, type, default,
 * bounds, scope, whether it is sensitive and how it may change, its synonyms, its documentation.
 * Start-up, DescribeConfigs, the checks of AlterConfigs and --help read the same row.
 * A struct config holds the values of one server.properties with overrides. Immutable once read;
 * Thread: any.   Errors: one clear line that names the key, the value and what is allowed. */
#ifndef BNB_BROKER_CONFIG_H
#define BNB_BROKER_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "io/file.h"

/* Types as DescribeConfigs gives them. */
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_SHORT = 4,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
    CONFIG_CLASS = 8,
    CONFIG_PASSWORD = 9,
};
enum config_scope {
    CONFIG_SCOPE_BROKER,
    CONFIG_SCOPE_TOPIC,
    CONFIG_SCOPE_GROUP,
    CONFIG_SCOPE_CLIENT_METRICS,
};
enum config_update {
    CONFIG_READ_ONLY,
    CONFIG_PER_BROKER,
    CONFIG_CLUSTER_WIDE,
};
/* Where a value comes from, as DescribeConfigs says it. */
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_DYNAMIC_BROKER = 2,
    CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    CONFIG_SOURCE_STATIC_BROKER = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_GROUP = 8,
};

struct config_row {
    enum config_scope scope;
    const char *name;
    enum config_type type;
    const char *default_value; /* NULL: null or required, see required */
    bool required;
    bool sensitive;
    enum config_update update;
    double minimum; /* of numbers; -INFINITY, INFINITY: no bound */
    double maximum;
    const char *allowed;     /* "a,b,c": the values of a string or list; NULL: any */
    bool nonempty;
    const char *broker_name; /* of a topic or group row: the broker setting it defaults to; NULL */
    const char *fallbacks;   /* older names, best first: "log.retention.minutes,..." */
    bool acts;               /* false: read and checked, without effect here (named at start-up) */
    const char *doc;
};

size_t config_row_count(enum config_scope scope);
/* Sorted by name within a scope. */
const struct config_row *config_row_at(enum config_scope scope, size_t index);
const struct config_row *config_row_find(enum config_scope scope, struct string_view name);
/* Parses and checks a value as Apache Kafka does: 0, or ERR_INVALID with Kafka's own words, such as
 * "Invalid value abc for configuration retention.ms: Not a number of type LONG". */
int config_check(const struct config_row *row, struct string_view value,
                 struct err_message *message);

struct config;
/* Reads a Java properties file (path may be NULL), then the overrides "key=value" in order; checks
 * every value and the rules between settings (listeners, roles, quorum, directories). */
int config_open(struct io_fs *fs, const char *path, const char *const *overrides,
                int32_t override_count, struct config **config, struct err_message *message);
void config_close(struct config **config);
/* Calls visit with one line for each key that is unknown or without effect. */
void config_visit_ignored(const struct config *config,
                          void (*visit)(void *context, const char *line), void *context);

/* The static value: what the file says under the name or its older names, else the default. */
struct string_view config_string(const struct config *config, const char *name);
int64_t config_long(const struct config *config, const char *name);
int32_t config_int(const struct config *config, const char *name);
bool config_boolean(const struct config *config, const char *name);
double config_double(const struct config *config, const char *name);
/* Elements of a list, trimmed, in arena. */
struct string_view *config_list(const struct config *config, const char *name,
                                struct arena *arena, int32_t *count);
/* Whether the file or an override sets this very name. */
bool config_is_set(const struct config *config, const char *name);

/* listeners, advertised.listeners and controller.listener.names, resolved. */
struct config_listener {
    struct string_view name;
    struct string_view host; /* empty: every address */
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
    struct string_view advertised_host; /* empty when it is not advertised */
    uint16_t advertised_port;
    bool is_controller;
    bool is_inter_broker;
};
int32_t config_listener_count(const struct config *config);
const struct config_listener *config_listener_at(const struct config *config, int32_t index);
/* "listener.name.<its name in lower case>.<setting>", in text; cut when it is longer. */
#define CONFIG_LISTENER_SETTING_BYTES 300
struct string_view config_listener_setting(const struct config_listener *listener,
                                           const char *setting,
                                           char text[CONFIG_LISTENER_SETTING_BYTES]);
bool config_is_broker(const struct config *config);
bool config_is_controller(const struct config *config);
int32_t config_node_id(const struct config *config);
/* log.dirs or log.dir, trimmed, without duplicates. */
int32_t config_log_directory_count(const struct config *config);
const char *config_log_directory_at(const struct config *config, int32_t index);
const char *config_metadata_directory(const struct config *config);

#endif
