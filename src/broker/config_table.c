#include "broker/config_table.h"

#include <math.h>
#include "base/assert.h"

/* Columns of the tables: the check of a value. */
#define ANY .row.minimum = -INFINITY, .row.maximum = INFINITY
#define AT_LEAST(low) .row.minimum = (low), .row.maximum = INFINITY
#define BETWEEN(low, high) .row.minimum = (low), .row.maximum = (high)
#define ONE_OF(values) ANY, .check = CONFIG_CHECK_ONE_OF, .row.allowed = (values)
#define CASELESS(values) ANY, .check = CONFIG_CHECK_CASELESS, .row.allowed = (values)
#define LIST_ANY(values) ANY, .check = CONFIG_CHECK_LIST, .row.allowed = (values)
#define LIST_FILLED(values) LIST_ANY(values), .row.nonempty = true
#define LIST_ANY_OR_NULL(values) LIST_ANY(values), .null_allowed = true
#define LIST_FILLED_OR_NULL(values) LIST_FILLED(values), .null_allowed = true
#define NON_EMPTY ANY, .check = CONFIG_CHECK_NONEMPTY, .row.nonempty = true
#define NON_NULL ANY, .check = CONFIG_CHECK_NONNULL
#define GZIP_LEVEL ANY, .check = CONFIG_CHECK_GZIP_LEVEL
#define VOTERS ANY, .check = CONFIG_CHECK_VOTERS
#define SERVERS ANY, .check = CONFIG_CHECK_SERVERS
#define HOST_COUNTS ANY, .check = CONFIG_CHECK_HOST_COUNTS
#define THROTTLED ANY, .check = CONFIG_CHECK_THROTTLED
#define OFFSET_RESET ANY, .check = CONFIG_CHECK_OFFSET_RESET
/* The flags. */
#define ACTS CONFIG_FLAG_ACTS
#define INTERNAL CONFIG_FLAG_INTERNAL
#define REQUIRED CONFIG_FLAG_REQUIRED
#define UNLISTED CONFIG_FLAG_UNLISTED
#define DYNAMIC_ONLY CONFIG_FLAG_DYNAMIC_ONLY
#define OF_JAVA CONFIG_FLAG_OF_JAVA
#define OF_THREADS CONFIG_FLAG_OF_THREADS
#define OF_WAITS CONFIG_FLAG_OF_WAITS
#define OF_MEASURES CONFIG_FLAG_OF_MEASURES
#define OF_TURNS CONFIG_FLAG_OF_TURNS
#define FOR_NODES CONFIG_FLAG_FOR_NODES
#define FOR_SECURITY CONFIG_FLAG_FOR_SECURITY
#define FOR_TIERS CONFIG_FLAG_FOR_TIERS
#define FOR_GROUPS CONFIG_FLAG_FOR_GROUPS
#define FOR_TELEMETRY CONFIG_FLAG_FOR_TELEMETRY
/* The extras. */
#define DEFAULTS_TO(name) .row.broker_name = (name)
#define FALLBACKS(names) .row.fallbacks = (names)

/* What does not come from a check, which may expand to several initialisers. */
#define FIELDS(where, key, kind, value, how, bits, text) \
    .row.scope = CONFIG_SCOPE_##where, .row.name = (key), .row.type = CONFIG_##kind, \
    .row.default_value = (value), .row.required = ((bits) & REQUIRED) != 0, \
    .row.sensitive = CONFIG_##kind == CONFIG_PASSWORD, .row.update = CONFIG_##how, \
    .row.acts = ((bits) & ACTS) != 0, .row.doc = (text), .flags = (bits)
#define BROKER(key, kind, value, check, how, bits, text, ...) \
    {FIELDS(BROKER, key, kind, value, how, bits, text), check, ##__VA_ARGS__},
#define TOPIC(key, kind, value, check, bits, text, ...) \
    {FIELDS(TOPIC, key, kind, value, CLUSTER_WIDE, bits, text), check, ##__VA_ARGS__},
#define GROUP(key, kind, value, check, bits, text, ...) \
    {FIELDS(GROUP, key, kind, value, CLUSTER_WIDE, bits, text), check, ##__VA_ARGS__},
#define CLIENT_METRICS(key, kind, value, check, bits, text) \
    {FIELDS(CLIENT_METRICS, key, kind, value, CLUSTER_WIDE, bits, text), check},

static const struct config_entry broker_entries[] = {
#include "broker/config_broker.def"
};
static const struct config_entry topic_entries[] = {
#include "broker/config_topic.def"
};
static const struct config_entry group_entries[] = {
#include "broker/config_group.def"
};
static const struct config_entry client_metrics_entries[] = {
#include "broker/config_client_metrics.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_entry *entries_of(enum config_scope scope, size_t *count)
{
    switch (scope) {
    case CONFIG_SCOPE_BROKER:
        *count = COUNT_OF(broker_entries);
        return broker_entries;
    case CONFIG_SCOPE_TOPIC:
        *count = COUNT_OF(topic_entries);
        return topic_entries;
    case CONFIG_SCOPE_GROUP:
        *count = COUNT_OF(group_entries);
        return group_entries;
    case CONFIG_SCOPE_CLIENT_METRICS:
        *count = COUNT_OF(client_metrics_entries);
        return client_metrics_entries;
    }
    ASSERT(false);
    return NULL;
}

size_t config_row_count(enum config_scope scope)
{
    size_t count = 0;
    entries_of(scope, &count);
    return count;
}

const struct config_row *config_row_at(enum config_scope scope, size_t index)
{
    size_t count = 0;
    const struct config_entry *entries = entries_of(scope, &count);
    ASSERT(index < count);
    return &entries[index].row;
}

size_t config_row_index(const struct config_row *row)
{
    size_t count = 0;
    const struct config_entry *entries = entries_of(row->scope, &count);
    size_t index = (size_t)(config_entry_of(row) - entries);
    ASSERT(index < count);
    return index;
}

const struct config_row *config_row_find(enum config_scope scope, struct string_view name)
{
    size_t high = 0;
    const struct config_entry *entries = entries_of(scope, &high);
    size_t low = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = string_view_compare(name, string_view_of(entries[middle].row.name));
        if (order == 0) {
            return &entries[middle].row;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

struct flag_text {
    unsigned flag;
    const char *text;
};

static const char *flag_text_of(const struct config_row *row, const struct flag_text *texts,
                                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((config_entry_of(row)->flags & texts[i].flag) != 0) {
            return texts[i].text;
        }
    }
    return NULL;
}

const char *config_row_moot(const struct config_row *row)
{
    static const struct flag_text texts[] = {
        {CONFIG_FLAG_OF_JAVA, "it is about Java classes or their runtime"},
        {CONFIG_FLAG_OF_THREADS, "there are no pools of threads: a loop a core does the work"},
        {CONFIG_FLAG_OF_WAITS, "a waiting request hangs in its partition's list, which needs no "
                               "purging"},
        {CONFIG_FLAG_OF_MEASURES, "metrics are counters, not samples over a window"},
        {CONFIG_FLAG_OF_TURNS, "what comes in one turn of a loop is one write, without a wait"},
    };
    return flag_text_of(row, texts, sizeof texts / sizeof texts[0]);
}

const char *config_row_awaits(const struct config_row *row)
{
    static const struct flag_text texts[] = {
        {CONFIG_FLAG_FOR_NODES, "clusters of several nodes"},
        {CONFIG_FLAG_FOR_SECURITY, "TLS, SASL, access rules and quotas"},
        {CONFIG_FLAG_FOR_TIERS, "tiers of storage"},
        {CONFIG_FLAG_FOR_GROUPS, "share groups and streams groups"},
        {CONFIG_FLAG_FOR_TELEMETRY, "metrics that clients send"},
    };
    return flag_text_of(row, texts, sizeof texts / sizeof texts[0]);
}
