#include "broker/config_internal.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/resource.h"
#include "broker/topic_config.h"
#include "broker/topic_create.h"

/* DescribeConfigs. Mirrors ConfigHelper of Apache Kafka: the chain of synonyms of a setting is
 * where its value could come from, best first; its first element says where it does come from. */

/* Names under which older and newer units of one broker setting are looked for. The first name is
 * the one that dynamic settings and other synonyms go by. */
struct family {
    const char *names[4];
    bool first_only; /* only the first name has the others as synonyms */
};
static const struct family families[] = {
    {{"log.roll.ms", "log.roll.hours"}, false},
    {{"log.roll.jitter.ms", "log.roll.jitter.hours"}, false},
    {{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}, false},
    {{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}, true},
};

#define SYNONYMS_MAX 20

/* One resource being described. */
struct describing {
    struct arena *arena;
    const struct config *config;
    const struct image *image;
    const struct describe_configs_request *asked;
    const struct describe_configs_request_describe_configs_resource *resource;
    struct describe_configs_response_describe_configs_result *result;
    struct image_settings own;         /* of the resource */
    struct image_settings broker;      /* dynamic ones of this broker */
    struct image_settings all_brokers; /* dynamic ones of all */
};

struct chain {
    struct describe_configs_response_describe_configs_synonym items[SYNONYMS_MAX];
    int32_t count;
};

static bool settings_find(struct image_settings settings, struct string_view name,
                          struct string_view *value)
{
    for (int32_t i = 0; i < settings.count; i++) {
        if (string_view_equal(settings.items[i].name, name)) {
            *value = settings.items[i].value;
            return true;
        }
    }
    return false;
}

/* A value as it is shown once it was parsed. */
static struct string_view canonical(struct arena *arena, const struct config_row *row,
                                    struct string_view value)
{
    struct string_view trimmed = config_trim(value);
    if (value.data == NULL) {
        return value;
    }
    int64_t number = 0;
    double real = 0;
    char real_text[CONFIG_DOUBLE_TEXT_BYTES];
    bool yes = false;
    switch (row->type) {
    case CONFIG_BOOLEAN:
        if (config_parse_boolean(trimmed, &yes) == 0) {
            return string_view_of(yes ? "true" : "false");
        }
        break;
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        if (config_parse_long(trimmed, INT64_MIN, INT64_MAX, &number) == 0) {
            return arena_format(arena, "%lld", (long long)number);
        }
        break;
    case CONFIG_DOUBLE:
        if (config_parse_double(trimmed, &real) == 0) {
            config_double_text(real, real_text);
            return arena_string(arena, string_view_of(real_text));
        }
        break;
    case CONFIG_LIST: {
        struct string_view rest = config_list_start(trimmed);
        struct string_view element;
        char *out = arena_alloc(arena, trimmed.size + 1);
        size_t size = 0;
        while (out != NULL && config_list_next(&rest, &element)) {
            if (config_entry_of(row)->check == CONFIG_CHECK_LIST &&
                config_list_repeats(trimmed, element)) {
                continue;
            }
            if (size > 0) {
                out[size++] = ',';
            }
            memcpy(out + size, element.data, element.size);
            size += element.size;
        }
        return (struct string_view){out, size};
    }
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        break;
    }
    return trimmed;
}

static void chain_add(struct chain *chain, struct string_view name, struct string_view value,
                      bool sensitive, int8_t source)
{
    if (chain->count == SYNONYMS_MAX) {
        return;
    }
    chain->items[chain->count++] = (struct describe_configs_response_describe_configs_synonym){
        .name = name,
        .value = sensitive ? (struct string_view){NULL, 0} : value,
        .source = source,
    };
}

/* What "listener.name.<listener>.<name>" overrides; NULL for any other name. */
static const char *overridden_name(const char *name)
{
    static const char prefix[] = "listener.name.";
    const char *dot = strncmp(name, prefix, sizeof(prefix) - 1) == 0
                          ? strchr(name + sizeof(prefix) - 1, '.')
                          : NULL;
    return dot != NULL ? dot + 1 : NULL;
}

static size_t family_of(const char *name, const char *const **names)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        for (size_t j = 0; j < 4 && families[i].names[j] != NULL; j++) {
            if (strcmp(families[i].names[j], name) == 0 && (j == 0 || !families[i].first_only)) {
                size_t count = 0;
                while (count < 4 && families[i].names[count] != NULL) {
                    count++;
                }
                *names = families[i].names;
                return count;
            }
        }
    }
    return 0;
}

/* What the file says under this very name; node.id and broker.id stand in for each other. */
static bool static_value(const struct config *config, const char *name, struct string_view *value)
{
    const struct config_setting *setting = config_setting_find(config, string_view_of(name));
    if (setting == NULL && strcmp(name, "node.id") == 0) {
        setting = config_setting_find(config, string_view_of("broker.id"));
    } else if (setting == NULL && strcmp(name, "broker.id") == 0) {
        setting = config_setting_find(config, string_view_of("node.id"));
    }
    if (setting != NULL) {
        *value = setting->value;
    }
    return setting != NULL;
}

/* Settings that are not in Apache Kafka's table are shown as it shows unknown ones: without value
 * and type. Ours are the exception. */
static const struct config_row *row_to_show(const struct config_row *row)
{
    bool foreign = row != NULL && !row->acts &&
                   (config_entry_of(row)->flags & CONFIG_FLAG_UNLISTED) != 0;
    return foreign ? NULL : row;
}

/* The synonyms of a broker setting, from the first that goes by name itself. */
static void broker_chain(const struct describing *describing, const char *name, bool sensitive,
                         struct chain *chain)
{
    const char *own_names[2] = {name, overridden_name(name)};
    const char *const *names = own_names;
    size_t count = family_of(name, &names);
    if (count == 0) {
        count = own_names[1] != NULL ? 2 : 1;
    }
    const struct {
        struct image_settings settings;
        int8_t source;
    } dynamic[] = {{describing->broker, CONFIG_SOURCE_DYNAMIC_BROKER},
                   {describing->all_brokers, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER}};
    struct chain all = {.count = 0};
    struct string_view value;
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < count; j++) {
            if (settings_find(dynamic[i].settings, string_view_of(names[j]), &value)) {
                chain_add(&all, string_view_of(names[j]), value, sensitive, dynamic[i].source);
            }
        }
    }
    for (size_t j = 0; j < count; j++) {
        if (static_value(describing->config, names[j], &value)) {
            chain_add(&all, string_view_of(names[j]), value, sensitive,
                      CONFIG_SOURCE_STATIC_BROKER);
        }
    }
    for (size_t j = 0; j < count; j++) {
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER,
                                                       string_view_of(names[j]));
        if (row_to_show(row) != NULL && row->default_value != NULL &&
            (config_entry_of(row)->flags & CONFIG_FLAG_DYNAMIC_ONLY) == 0) {
            chain_add(&all, string_view_of(names[j]), string_view_of(row->default_value), sensitive,
                      CONFIG_SOURCE_DEFAULT);
        }
    }
    bool reached = false;
    for (int32_t i = 0; i < all.count; i++) {
        reached = reached || string_view_is(all.items[i].name, name);
        if (reached) {
            chain_add(chain, all.items[i].name, all.items[i].value, false, all.items[i].source);
        }
    }
}

static bool is_asked(const struct describing *describing, struct string_view name)
{
    if (describing->resource->configuration_keys.count <= 0) {
        return true;
    }
    for (int32_t i = 0; i < describing->resource->configuration_keys.count; i++) {
        if (string_view_equal(describing->resource->configuration_keys.items[i], name)) {
            return true;
        }
    }
    return false;
}

/* Appends one setting to the result, which has room. */
static void put(struct describing *describing, struct string_view name,
                const struct config_row *row, struct string_view value, bool read_only,
                const struct chain *chain)
{
    bool sensitive = row == NULL || row->sensitive;
    struct describe_configs_response_describe_configs_resource_result *entry =
        &describing->result->configs.items[describing->result->configs.count];
    *entry = (struct describe_configs_response_describe_configs_resource_result){
        .name = name,
        .value = sensitive ? (struct string_view){NULL, 0} : value,
        .read_only = read_only,
        .config_source = chain->count > 0 ? chain->items[0].source : CONFIG_SOURCE_DEFAULT,
        .is_sensitive = sensitive,
        .config_type = row != NULL ? (int8_t)row->type : 0,
    };
    if (describing->asked->include_documentation && row != NULL) {
        entry->documentation = string_view_of(row->doc);
    }
    size_t bytes = sizeof(chain->items[0]) * (size_t)chain->count;
    entry->synonyms.items = arena_alloc(describing->arena, bytes + 1);
    if (entry->synonyms.items == NULL) {
        return;
    }
    if (describing->asked->include_synonyms) {
        memcpy(entry->synonyms.items, chain->items, bytes);
        entry->synonyms.count = chain->count;
    }
    describing->result->configs.count++;
}

static bool room_for(struct describing *describing, size_t count)
{
    describing->result->configs.items = arena_array(describing->arena, count + 1,
                                                    sizeof(*describing->result->configs.items));
    return describing->result->configs.items != NULL;
}

static int16_t fail(struct describing *describing, int16_t error, struct string_view text)
{
    describing->result->error_message = text;
    return error;
}

static int shown(struct string_view name)
{
    return name.size < 300 ? (int)name.size : 300;
}

/* Topics and groups: their own value, then the broker's chain under the broker's name. */
static void put_resource_row(struct describing *describing, const struct config_row *row,
                             int8_t own_source)
{
    struct string_view name = string_view_of(row->name);
    struct string_view value = topic_setting_in_force(describing->config, describing->image,
                                                      describing->resource->resource_name, row,
                                                      describing->arena);
    struct string_view shown_value = canonical(describing->arena, row, value);
    struct chain chain = {.count = 0};
    struct string_view own;
    if (settings_find(describing->own, name, &own)) {
        chain_add(&chain, name, shown_value, row->sensitive, own_source);
    }
    if (row->broker_name != NULL) {
        broker_chain(describing, row->broker_name, row->sensitive, &chain);
    } else if (row->scope == CONFIG_SCOPE_GROUP && row->default_value != NULL) {
        chain_add(&chain, name, string_view_of(row->default_value), row->sensitive,
                  CONFIG_SOURCE_DEFAULT);
    }
    put(describing, name, row, shown_value, false, &chain);
}

static int16_t describe_rows(struct describing *describing, enum config_scope scope,
                             int8_t own_source)
{
    size_t count = config_row_count(scope);
    if (!room_for(describing, count)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    for (size_t i = 0; i < count; i++) {
        const struct config_row *row = config_row_at(scope, i);
        struct string_view name = string_view_of(row->name);
        struct string_view ignored;
        bool shown_here = config_row_is_listed(row) ||
                          settings_find(describing->own, name, &ignored);
        if (shown_here && is_asked(describing, name)) {
            put_resource_row(describing, row, own_source);
        }
    }
    return 0;
}

static int16_t describe_topic(struct describing *describing)
{
    struct string_view name = describing->resource->resource_name;
    struct err_message message;
    if (topic_name_check(name, &message) != 0) {
        return fail(describing, KAFKA_INVALID_TOPIC_EXCEPTION,
                    arena_string(describing->arena, string_view_of(message.text)));
    }
    if (image_topic_by_name(describing->image, name) == NULL) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return describe_rows(describing, CONFIG_SCOPE_TOPIC, CONFIG_SOURCE_TOPIC);
}

static int16_t describe_group(struct describing *describing)
{
    if (describing->resource->resource_name.size == 0) {
        return fail(describing, KAFKA_INVALID_REQUEST,
                    string_view_of("Group name must not be empty"));
    }
    return describe_rows(describing, CONFIG_SCOPE_GROUP, CONFIG_SOURCE_GROUP);
}

static int16_t describe_client_metrics(struct describing *describing)
{
    if (describing->resource->resource_name.size == 0) {
        return fail(describing, KAFKA_INVALID_REQUEST,
                    string_view_of("Client metrics subscription name must not be empty"));
    }
    size_t count = config_row_count(CONFIG_SCOPE_CLIENT_METRICS);
    if (!room_for(describing, count)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    for (size_t i = 0; i < count; i++) {
        const struct config_row *row = config_row_at(CONFIG_SCOPE_CLIENT_METRICS, i);
        struct string_view name = string_view_of(row->name);
        struct string_view value = string_view_of(row->default_value);
        struct chain chain = {.count = 0};
        if (settings_find(describing->own, name, &value)) {
            value = canonical(describing->arena, row, value);
            chain_add(&chain, name, value, false, RESOURCE_SOURCE_CLIENT_METRICS);
        }
        if (is_asked(describing, name)) {
            put(describing, name, row, value, false, &chain);
        }
    }
    return 0;
}

/* The value of a broker setting under its very name: no older name stands in for it here. */
static struct string_view own_broker_value(const struct describing *describing, const char *name,
                                           const struct config_row *row)
{
    struct string_view value;
    if (settings_find(describing->broker, string_view_of(name), &value) ||
        settings_find(describing->all_brokers, string_view_of(name), &value) ||
        static_value(describing->config, name, &value)) {
        return value;
    }
    return string_view_of(row != NULL ? row->default_value : NULL);
}

static void put_broker_name(struct describing *describing, struct string_view name,
                            const struct config_row *row)
{
    struct chain chain = {.count = 0};
    const struct config_row *seen = row_to_show(row);
    if (!is_asked(describing, name)) {
        return;
    }
    broker_chain(describing, name.data, seen == NULL || seen->sensitive, &chain);
    struct string_view value = own_broker_value(describing, name.data, seen);
    if (seen != NULL) {
        value = canonical(describing->arena, seen, value);
    }
    bool read_only = row == NULL || row->update == CONFIG_READ_ONLY ||
                     overridden_name(name.data) != NULL;
    put(describing, name, seen, value, read_only, &chain);
}

static bool is_put(const struct describing *describing, struct string_view name)
{
    for (int32_t i = 0; i < describing->result->configs.count; i++) {
        if (string_view_equal(describing->result->configs.items[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Whatever is set and not yet there: undocumented, unknown and dynamic-only settings. */
static void put_other_names(struct describing *describing, struct string_view name)
{
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, name);
    struct string_view copy = arena_string(describing->arena, name);
    if (copy.data == NULL || (row != NULL && config_row_is_listed(row)) ||
        is_put(describing, name)) {
        return;
    }
    const char *overridden = overridden_name(copy.data);
    if (overridden != NULL) {
        row = config_row_find(CONFIG_SCOPE_BROKER, string_view_of(overridden));
    }
    put_broker_name(describing, copy, row);
}

static int16_t describe_this_broker(struct describing *describing)
{
    size_t rows = config_row_count(CONFIG_SCOPE_BROKER);
    size_t most = rows + describing->config->setting_count +
                  (size_t)describing->broker.count + (size_t)describing->all_brokers.count;
    if (!room_for(describing, most)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    for (size_t i = 0; i < rows; i++) {
        const struct config_row *row = config_row_at(CONFIG_SCOPE_BROKER, i);
        if (config_row_is_listed(row)) {
            put_broker_name(describing, string_view_of(row->name), row);
        }
    }
    for (size_t i = 0; i < describing->config->setting_count; i++) {
        put_other_names(describing, describing->config->settings[i].name);
    }
    for (int32_t i = 0; i < describing->broker.count; i++) {
        put_other_names(describing, describing->broker.items[i].name);
    }
    for (int32_t i = 0; i < describing->all_brokers.count; i++) {
        put_other_names(describing, describing->all_brokers.items[i].name);
    }
    return 0;
}

/* The empty name: what is set for all brokers. */
static int16_t describe_all_brokers(struct describing *describing)
{
    if (!room_for(describing, (size_t)describing->all_brokers.count)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    for (int32_t i = 0; i < describing->all_brokers.count; i++) {
        const struct image_setting *setting = &describing->all_brokers.items[i];
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, setting->name);
        const struct config_row *seen = row_to_show(row);
        if (!is_asked(describing, setting->name)) {
            continue;
        }
        struct chain chain = {.count = 0};
        chain_add(&chain, setting->name, setting->value, seen == NULL || seen->sensitive,
                  CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
        put(describing, setting->name, seen, setting->value,
            row == NULL || row->update == CONFIG_READ_ONLY, &chain);
    }
    return 0;
}

/* 0, or an error that says why the resource name is not this broker's id. */
static int16_t check_own_id(struct describing *describing, const char *expected)
{
    struct string_view name = describing->resource->resource_name;
    int64_t id = 0;
    if (config_parse_long(name, INT32_MIN, INT32_MAX, &id) != 0) {
        return fail(describing, KAFKA_INVALID_REQUEST,
                    arena_format(describing->arena, "Broker id must be an integer, but it is: %.*s",
                                 shown(name), name.data));
    }
    if (id != config_node_id(describing->config)) {
        return fail(describing, KAFKA_INVALID_REQUEST,
                    arena_format(describing->arena,
                                 "Unexpected broker id, expected %d%s, but received %.*s",
                                 config_node_id(describing->config), expected, shown(name),
                                 name.data));
    }
    return 0;
}

static int16_t describe_broker(struct describing *describing)
{
    if (describing->resource->resource_name.size == 0) {
        return describe_all_brokers(describing);
    }
    int16_t error = check_own_id(describing, " or empty string");
    return error != 0 ? error : describe_this_broker(describing);
}

/* There is one logger here. */
static int16_t describe_loggers(struct describing *describing)
{
    if (describing->resource->resource_name.size == 0) {
        return fail(describing, KAFKA_INVALID_REQUEST,
                    string_view_of("Broker id must not be empty"));
    }
    int16_t error = check_own_id(describing, "");
    if (error != 0) {
        return error;
    }
    if (!room_for(describing, 1)) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    struct string_view name = string_view_of("root");
    if (is_asked(describing, name)) {
        struct describe_configs_response_describe_configs_resource_result *entry =
            &describing->result->configs.items[describing->result->configs.count++];
        entry->name = name;
        entry->value = string_view_of("INFO");
        entry->config_source = RESOURCE_SOURCE_BROKER_LOGGER;
    }
    return 0;
}

static int16_t describe_resource(struct describing *describing)
{
    switch (describing->resource->resource_type) {
    case RESOURCE_TOPIC:
        return describe_topic(describing);
    case RESOURCE_BROKER:
        return describe_broker(describing);
    case RESOURCE_BROKER_LOGGER:
        return describe_loggers(describing);
    case RESOURCE_CLIENT_METRICS:
        return describe_client_metrics(describing);
    case RESOURCE_GROUP:
        return describe_group(describing);
    default:
        return fail(describing, KAFKA_INVALID_REQUEST,
                    arena_format(describing->arena, "Unsupported resource type: %d",
                                 describing->resource->resource_type));
    }
}

static void describe_one(struct describing *describing)
{
    struct describe_configs_response_describe_configs_result *result = describing->result;
    *result = (struct describe_configs_response_describe_configs_result){
        .resource_type = describing->resource->resource_type,
        .resource_name = describing->resource->resource_name,
        .error_message = string_view_of(""),
    };
    describing->own = image_settings(describing->image, describing->resource->resource_type,
                                     describing->resource->resource_name);
    result->error_code = describe_resource(describing);
    if (result->error_code != 0) {
        result->configs.count = 0;
    }
}

void api_describe_configs(struct broker_request *request)
{
    const struct describe_configs_request *asked = request->message;
    struct describing describing = {
        .arena = &request->arena,
        .config = broker_config(request),
        .image = broker_image(request),
        .asked = asked,
    };
    struct string_view id = arena_format(&request->arena, "%d", config_node_id(describing.config));
    describing.broker = image_settings(describing.image, RESOURCE_BROKER, id);
    describing.all_brokers = image_settings(describing.image, RESOURCE_BROKER, string_view_of(""));
    struct describe_configs_response response;
    describe_configs_response_default(&response);
    size_t count = asked->resources.count > 0 ? (size_t)asked->resources.count : 0;
    response.results.items = arena_array(&request->arena, count, sizeof(*response.results.items));
    for (size_t i = 0; response.results.items != NULL && i < count; i++) {
        describing.resource = &asked->resources.items[i];
        describing.result = &response.results.items[i];
        describe_one(&describing);
        response.results.count = (int32_t)i + 1;
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &response);
}

static const struct create_topics_request_creatable_topic_config *
asked_config(const struct create_topics_request_creatable_topic *asked, const char *name)
{
    /* The last of a name counts. */
    for (int32_t i = asked->configs.count; i > 0; i--) {
        if (string_view_is(asked->configs.items[i - 1].name, name)) {
            return &asked->configs.items[i - 1];
        }
    }
    return NULL;
}

void describe_new_topic(struct broker_request *request,
                        const struct create_topics_request_creatable_topic *asked,
                        struct create_topics_response_creatable_topic_result *result)
{
    struct describing describing = {
        .arena = &request->arena,
        .config = broker_config(request),
        .image = broker_image(request),
    };
    struct string_view id = arena_format(&request->arena, "%d", config_node_id(describing.config));
    describing.broker = image_settings(describing.image, RESOURCE_BROKER, id);
    describing.all_brokers = image_settings(describing.image, RESOURCE_BROKER, string_view_of(""));
    size_t count = config_row_count(CONFIG_SCOPE_TOPIC);
    result->configs.count = 0;
    result->configs.items = arena_array(&request->arena, count, sizeof *result->configs.items);
    for (size_t i = 0; result->configs.items != NULL && i < count; i++) {
        const struct config_row *row = config_row_at(CONFIG_SCOPE_TOPIC, i);
        const struct create_topics_request_creatable_topic_config *own =
            asked_config(asked, row->name);
        if (own == NULL && !config_row_is_listed(row)) {
            continue;
        }
        struct chain chain = {.count = 0};
        if (row->broker_name != NULL) {
            broker_chain(&describing, row->broker_name, row->sensitive, &chain);
        }
        struct string_view value =
            own != NULL ? own->value
                        : topic_setting_in_force(describing.config, NULL, result->name, row,
                                                 &request->arena);
        if (own == NULL && chain.count > 0) {
            value = chain.items[0].value;
        }
        result->configs.items[result->configs.count++] =
            (struct create_topics_response_creatable_topic_configs){
                .name = string_view_of(row->name),
                .value = canonical(&request->arena, row, value),
                .config_source = own != NULL       ? CONFIG_SOURCE_TOPIC
                                 : chain.count > 0 ? chain.items[0].source
                                                   : CONFIG_SOURCE_DEFAULT,
                .is_sensitive = row->sensitive,
            };
    }
}
