#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "broker/config_internal.h"

/* Mirrors SocketServerConfigs and KafkaConfig of Apache Kafka: same rules, same words. */

#define LISTENERS_MAX 64

struct endpoint {
    struct string_view name; /* in capitals */
    struct string_view host;
    uint16_t port;
    int16_t protocol;
};
struct mapping {
    struct string_view name;
    int16_t protocol;
};
/* What is being resolved; everything points into the config's arena. */
struct resolving {
    struct config *config;
    struct err_message *message;
    struct mapping *map;
    int32_t map_count;
    struct string_view *controller_names;
    int32_t controller_name_count;
    struct endpoint listeners[LISTENERS_MAX];
    int32_t listener_count;
    struct endpoint advertised[LISTENERS_MAX];
    int32_t advertised_count;
    struct string_view inter_broker;
};

static const char *const protocol_names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

static int16_t protocol_of(struct string_view name)
{
    for (int16_t i = 0; i < 4; i++) {
        if (string_view_is(name, protocol_names[i])) {
            return i;
        }
    }
    return -1;
}

static struct string_view in_capitals(struct arena *arena, struct string_view text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; copy != NULL && i < text.size; i++) {
        copy[i] = (char)toupper((unsigned char)text.data[i]);
    }
    return (struct string_view){copy, copy != NULL ? text.size : 0};
}

static int view_size(struct string_view text)
{
    return text.size < 200 ? (int)text.size : 200;
}

static bool is_controller_name(const struct resolving *resolving, struct string_view name)
{
    for (int32_t i = 0; i < resolving->controller_name_count; i++) {
        if (string_view_equal(resolving->controller_names[i], name)) {
            return true;
        }
    }
    return false;
}

static const struct mapping *mapping_find(const struct resolving *resolving,
                                          struct string_view name)
{
    for (int32_t i = resolving->map_count - 1; i >= 0; i--) {
        if (string_view_equal(resolving->map[i].name, name)) {
            return &resolving->map[i];
        }
    }
    return NULL;
}

static const struct endpoint *endpoint_find(const struct endpoint *endpoints, int32_t count,
                                            struct string_view name)
{
    for (int32_t i = 0; i < count; i++) {
        if (string_view_equal(endpoints[i].name, name)) {
            return &endpoints[i];
        }
    }
    return NULL;
}

static int read_controller_names(struct resolving *resolving)
{
    struct config *config = resolving->config;
    resolving->controller_names = config_list(config, "controller.listener.names", &config->arena,
                                              &resolving->controller_name_count);
    return config->arena.failed ? err_set(resolving->message, ERR_NOMEM, "out of memory") : 0;
}

/* Whether a name of listeners or of controller.listener.names is a protocol other than PLAINTEXT:
 * then controllers get no PLAINTEXT mapping on their own. */
static bool secure_name_used(const struct resolving *resolving)
{
    for (int32_t i = 0; i < resolving->controller_name_count; i++) {
        if (protocol_of(resolving->controller_names[i]) > 0) {
            return true;
        }
    }
    for (int32_t i = 0; i < resolving->listener_count; i++) {
        if (protocol_of(resolving->listeners[i].name) > 0) {
            return true;
        }
    }
    return false;
}

static int read_map(struct resolving *resolving)
{
    struct config *config = resolving->config;
    int32_t count = 0;
    struct string_view *entries = config_list(config, "listener.security.protocol.map",
                                              &config->arena, &count);
    size_t room = (size_t)count + (size_t)resolving->controller_name_count + 1;
    resolving->map = arena_array(&config->arena, room, sizeof(*resolving->map));
    if (entries == NULL || resolving->map == NULL) {
        return err_set(resolving->message, ERR_NOMEM, "out of memory");
    }
    for (int32_t i = 0; i < count; i++) {
        const char *colon = entries[i].size > 0 ? memchr(entries[i].data, ':', entries[i].size)
                                                : NULL;
        if (colon == NULL) {
            return err_set(resolving->message, ERR_INVALID,
                           "Error parsing configuration property 'listener.security.protocol.map': "
                           "%.*s is not of the form name:protocol",
                           view_size(entries[i]), entries[i].data);
        }
        size_t name_size = (size_t)(colon - entries[i].data);
        struct string_view name = config_trim((struct string_view){entries[i].data, name_size});
        struct string_view protocol = config_trim(
            (struct string_view){colon + 1, entries[i].size - name_size - 1});
        struct mapping mapping = {in_capitals(&config->arena, name),
                                  protocol_of(in_capitals(&config->arena, protocol))};
        if (mapping.protocol < 0) {
            return err_set(resolving->message, ERR_INVALID,
                           "Invalid security protocol `%.*s` defined in "
                           "listener.security.protocol.map",
                           view_size(protocol), protocol.data);
        }
        resolving->map[resolving->map_count++] = mapping;
    }
    if (config_is_set(config, "listener.security.protocol.map") || secure_name_used(resolving)) {
        return 0;
    }
    for (int32_t i = 0; i < resolving->controller_name_count; i++) {
        if (mapping_find(resolving, resolving->controller_names[i]) == NULL) {
            resolving->map[resolving->map_count++] =
                (struct mapping){resolving->controller_names[i], 0};
        }
    }
    return 0;
}

/* The value of a key as errors show it: "[A://a:1, B://b:2]". */
static const char *listed_text(const struct resolving *resolving, const char *key)
{
    struct config *config = resolving->config;
    int32_t count = 0;
    struct string_view *entries = config_list(config, key, &config->arena, &count);
    struct string_view text = string_view_of("");
    for (int32_t i = 0; entries != NULL && i < count && text.data != NULL && text.size < 300; i++) {
        text = arena_format(&config->arena, "%s%s%.*s", text.data, i > 0 ? ", " : "",
                            view_size(entries[i]), entries[i].data);
    }
    return text.data != NULL ? text.data : "";
}

/* NAME://host:port of a key. */
static int parse_endpoint(struct resolving *resolving, const char *key, struct string_view text,
                          struct endpoint *endpoint)
{
    const char *colon = text.size > 3 ? memmem(text.data, text.size, "://", 3) : NULL;
    if (colon == NULL) {
        return err_set(resolving->message, ERR_INVALID,
                       "Unable to parse a listener name from %.*s", view_size(text), text.data);
    }
    struct string_view name = {text.data, (size_t)(colon - text.data)};
    struct string_view address = {colon + 3, text.size - name.size - 3};
    int64_t port = 0;
    if (name.size == 0 || config_parse_address(address, &endpoint->host, &port) != 0) {
        return err_set(resolving->message, ERR_INVALID,
                       "Error creating broker listeners from '[%s]': Unable to parse %.*s to a "
                       "broker endpoint",
                       listed_text(resolving, key), view_size(text), text.data);
    }
    endpoint->name = in_capitals(&resolving->config->arena, name);
    endpoint->port = (uint16_t)port;
    return 0;
}

static int parse_endpoints(struct resolving *resolving, const char *key,
                           struct endpoint *endpoints, int32_t *count)
{
    int32_t listed = 0;
    struct string_view *entries = config_list(resolving->config, key, &resolving->config->arena,
                                              &listed);
    if (entries == NULL) {
        return err_set(resolving->message, ERR_NOMEM, "out of memory");
    }
    if (listed > LISTENERS_MAX) {
        return err_set(resolving->message, ERR_INVALID, "%s: more than %d listeners", key,
                       LISTENERS_MAX);
    }
    for (int32_t i = 0; i < listed; i++) {
        int code = parse_endpoint(resolving, key, entries[i], &endpoints[i]);
        if (code != 0) {
            return code;
        }
        *count = i + 1;
    }
    return 0;
}

static bool is_ipv6(struct string_view host)
{
    return host.size > 0 && memchr(host.data, ':', host.size) != NULL;
}

/* Names are distinct; so are ports that are not 0, except that an IPv4 and an IPv6 address may
 * share one (and, of advertised listeners, anything may). */
static int check_distinct(struct resolving *resolving, const char *key,
                          const struct endpoint *endpoints, int32_t count, bool ports)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (string_view_equal(endpoints[i].name, endpoints[j].name)) {
                return err_set(resolving->message, ERR_INVALID,
                               "Error creating broker listeners from '[%s]': Each listener must "
                               "have a different name, listeners: [%s]",
                               listed_text(resolving, key), listed_text(resolving, key));
            }
            if (ports && endpoints[i].port != 0 && endpoints[i].port == endpoints[j].port &&
                is_ipv6(endpoints[i].host) == is_ipv6(endpoints[j].host)) {
                return err_set(resolving->message, ERR_INVALID,
                               "Error creating broker listeners from '[%s]': Each listener must "
                               "have a different port, listeners: [%s]",
                               listed_text(resolving, key), listed_text(resolving, key));
            }
        }
    }
    return 0;
}

static int assign_protocols(struct resolving *resolving, const char *key,
                            struct endpoint *endpoints, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const struct mapping *mapping = mapping_find(resolving, endpoints[i].name);
        if (mapping == NULL) {
            return err_set(resolving->message, ERR_INVALID,
                           "Error creating broker listeners from '[%s]': No security protocol "
                           "defined for listener %.*s",
                           listed_text(resolving, key), view_size(endpoints[i].name),
                           endpoints[i].name.data);
        }
        endpoints[i].protocol = mapping->protocol;
    }
    return 0;
}

static int resolve_inter_broker(struct resolving *resolving)
{
    struct config *config = resolving->config;
    struct string_view name = config_string(config, "inter.broker.listener.name");
    if (name.data == NULL) {
        resolving->inter_broker = config_string(config, "security.inter.broker.protocol");
        return 0;
    }
    if (config_is_set(config, "security.inter.broker.protocol")) {
        return err_set(resolving->message, ERR_INVALID,
                       "Only one of inter.broker.listener.name and security.inter.broker.protocol "
                       "should be set.");
    }
    resolving->inter_broker = in_capitals(&config->arena, name);
    if (mapping_find(resolving, resolving->inter_broker) == NULL) {
        return err_set(resolving->message, ERR_INVALID,
                       "Listener with name %.*s defined in inter.broker.listener.name not found in "
                       "listener.security.protocol.map.",
                       view_size(resolving->inter_broker), resolving->inter_broker.data);
    }
    return 0;
}

static int check_controller_role(struct resolving *resolving)
{
    const struct config *config = resolving->config;
    if (!config->is_broker) {
        for (int32_t i = 0; i < resolving->listener_count; i++) {
            if (!is_controller_name(resolving, resolving->listeners[i].name)) {
                return err_set(resolving->message, ERR_INVALID,
                               "The listeners config must only contain KRaft controller listeners "
                               "from controller.listener.names when process.roles=controller");
            }
        }
    }
    int32_t found = 0;
    for (int32_t i = 0; i < resolving->controller_name_count; i++) {
        found += endpoint_find(resolving->listeners, resolving->listener_count,
                               resolving->controller_names[i]) != NULL;
    }
    if (found == 0) {
        return err_set(resolving->message, ERR_INVALID,
                       "controller.listener.names must contain at least one value appearing in the "
                       "'listeners' configuration when running the KRaft controller role");
    }
    if (found < resolving->controller_name_count) {
        return err_set(resolving->message, ERR_INVALID,
                       "controller.listener.names must only contain values appearing in the "
                       "'listeners' configuration when running the KRaft controller role");
    }
    return 0;
}

static int check_broker_only_role(struct resolving *resolving)
{
    for (int32_t i = 0; i < resolving->controller_name_count; i++) {
        struct string_view name = resolving->controller_names[i];
        if (endpoint_find(resolving->listeners, resolving->listener_count, name) != NULL) {
            return err_set(resolving->message, ERR_INVALID,
                           "controller.listener.names must not contain a value appearing in the "
                           "'listeners' configuration when running KRaft with just the broker "
                           "role");
        }
        if (mapping_find(resolving, name) == NULL) {
            return err_set(resolving->message, ERR_INVALID,
                           "Controller listener with name %.*s defined in "
                           "controller.listener.names not found in listener.security.protocol.map  "
                           "(an explicit security mapping for each controller listener is required "
                           "if listener.security.protocol.map is non-empty, or if there are "
                           "security protocols other than PLAINTEXT in use)",
                           view_size(name), name.data);
        }
    }
    return 0;
}

/* "A,B" of the advertised listeners that are not the controllers'. */
static void broker_names_text(const struct resolving *resolving, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < resolving->advertised_count; i++) {
        struct string_view name = resolving->advertised[i].name;
        if (!is_controller_name(resolving, name) && at + name.size + 2 < size) {
            at += (size_t)snprintf(text + at, size - at, "%s%.*s", at > 0 ? "," : "",
                                   (int)name.size, name.data);
        }
    }
}

static int check_broker_role(struct resolving *resolving)
{
    int32_t advertised = 0;
    /* Controllers that are not advertised may listen everywhere. */
    bool said = config_string(resolving->config, "advertised.listeners").data != NULL;
    for (int32_t i = 0; i < resolving->advertised_count; i++) {
        const struct endpoint *endpoint = &resolving->advertised[i];
        bool of_broker = !is_controller_name(resolving, endpoint->name);
        advertised += of_broker;
        if ((of_broker || said) && string_view_is(endpoint->host, "0.0.0.0")) {
            return err_set(resolving->message, ERR_INVALID,
                           "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. "
                           "Use a routable IP address.");
        }
    }
    if (advertised == 0) {
        return err_set(resolving->message, ERR_INVALID,
                       "There must be at least one broker advertised listener. Perhaps all "
                       "listeners appear in controller.listener.names?");
    }
    char names[200];
    broker_names_text(resolving, names, sizeof(names));
    const struct endpoint *inter_broker = endpoint_find(
        resolving->advertised, resolving->advertised_count, resolving->inter_broker);
    if (inter_broker == NULL || is_controller_name(resolving, resolving->inter_broker)) {
        return err_set(resolving->message, ERR_INVALID,
                       "inter.broker.listener.name must be a listener name defined in "
                       "advertised.listeners. The valid options based on currently configured "
                       "listeners are %s",
                       names);
    }
    for (int32_t i = 0; i < resolving->advertised_count; i++) {
        if (!is_controller_name(resolving, resolving->advertised[i].name) &&
            endpoint_find(resolving->listeners, resolving->listener_count,
                          resolving->advertised[i].name) == NULL) {
            return err_set(resolving->message, ERR_INVALID,
                           "advertised.listeners listener names must be equal to or a subset of "
                           "the ones defined in listeners. Found %s.",
                           names);
        }
    }
    return 0;
}

static int check_early_start(struct resolving *resolving)
{
    struct config *config = resolving->config;
    int32_t count = 0;
    struct string_view *names = config_list(config, "early.start.listeners", &config->arena,
                                            &count);
    for (int32_t i = 0; names != NULL && i < count; i++) {
        struct string_view name = in_capitals(&config->arena, names[i]);
        if (endpoint_find(resolving->listeners, resolving->listener_count, name) == NULL &&
            !is_controller_name(resolving, name)) {
            return err_set(resolving->message, ERR_INVALID,
                           "early.start.listeners contains listener %.*s, but this is not "
                           "contained in listeners or controller.listener.names",
                           view_size(name), name.data);
        }
    }
    return 0;
}

/* Clients cannot reach an empty host: the machine's name stands in for it, as in Apache Kafka. */
static struct string_view own_host(struct config *config)
{
    char name[256];
    if (gethostname(name, sizeof(name)) != 0) {
        return string_view_of("localhost");
    }
    name[sizeof(name) - 1] = '\0';
    return arena_string(&config->arena, string_view_of(name));
}

static int publish(struct resolving *resolving)
{
    struct config *config = resolving->config;
    config->listeners = arena_array(&config->arena, (size_t)resolving->listener_count + 1,
                                    sizeof(*config->listeners));
    if (config->listeners == NULL) {
        return err_set(resolving->message, ERR_NOMEM, "out of memory");
    }
    config->listener_count = resolving->listener_count;
    for (int32_t i = 0; i < resolving->listener_count; i++) {
        const struct endpoint *endpoint = &resolving->listeners[i];
        bool is_controller = is_controller_name(resolving, endpoint->name);
        const struct endpoint *advertised = endpoint_find(
            resolving->advertised, resolving->advertised_count, endpoint->name);
        if (advertised == NULL && is_controller) {
            advertised = endpoint;
        }
        struct config_listener *listener = &config->listeners[i];
        *listener = (struct config_listener){
            .name = endpoint->name,
            .host = endpoint->host,
            .port = endpoint->port,
            .security_protocol = endpoint->protocol,
            .advertised_host = string_view_of(""),
            .is_controller = is_controller,
            .is_inter_broker = string_view_equal(endpoint->name, resolving->inter_broker),
        };
        if (advertised != NULL) {
            listener->advertised_host = advertised->host.size > 0 ? advertised->host
                                                                  : own_host(config);
            listener->advertised_port = advertised->port;
        }
    }
    return config->arena.failed ? err_set(resolving->message, ERR_NOMEM, "out of memory") : 0;
}

static int read_advertised(struct resolving *resolving)
{
    if (config_string(resolving->config, "advertised.listeners").data == NULL) {
        memcpy(resolving->advertised, resolving->listeners, sizeof(resolving->listeners));
        resolving->advertised_count = resolving->listener_count;
        return 0;
    }
    static const char key[] = "advertised.listeners";
    int code = parse_endpoints(resolving, key, resolving->advertised,
                               &resolving->advertised_count);
    if (code == 0) {
        code = check_distinct(resolving, key, resolving->advertised, resolving->advertised_count,
                              false);
    }
    return code != 0 ? code
                     : assign_protocols(resolving, key, resolving->advertised,
                                        resolving->advertised_count);
}

static int read_listeners(struct resolving *resolving)
{
    static const char key[] = "listeners";
    int code = read_controller_names(resolving);
    if (code == 0) {
        code = parse_endpoints(resolving, key, resolving->listeners, &resolving->listener_count);
    }
    if (code == 0) {
        code = check_distinct(resolving, key, resolving->listeners, resolving->listener_count,
                              true);
    }
    if (code == 0) {
        code = read_map(resolving);
    }
    return code != 0 ? code
                     : assign_protocols(resolving, key, resolving->listeners,
                                        resolving->listener_count);
}

int config_listeners_resolve(struct config *config, struct err_message *message)
{
    struct resolving resolving = {.config = config, .message = message};
    ASSERT(config->is_broker || config->is_controller);
    int code = read_listeners(&resolving);
    if (code == 0) {
        code = read_advertised(&resolving);
    }
    if (code == 0) {
        code = resolve_inter_broker(&resolving);
    }
    if (code == 0) {
        code = config->is_controller ? check_controller_role(&resolving)
                                     : check_broker_only_role(&resolving);
    }
    if (code == 0 && config->is_broker) {
        code = check_broker_role(&resolving);
    }
    if (code == 0) {
        code = check_early_start(&resolving);
    }
    return code != 0 ? code : publish(&resolving);
}

struct string_view config_listener_setting(const struct config_listener *listener,
                                           const char *setting,
                                           char text[CONFIG_LISTENER_SETTING_BYTES])
{
    int size = snprintf(text, CONFIG_LISTENER_SETTING_BYTES, "listener.name.%.*s.%s",
                        view_size(listener->name), listener->name.data, setting);
    size_t name_at = sizeof "listener.name." - 1;
    for (size_t i = name_at; i < name_at + listener->name.size && text[i] != '\0'; i++) {
        text[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    }
    return size < CONFIG_LISTENER_SETTING_BYTES
               ? (struct string_view){text, (size_t)size}
               : (struct string_view){text, CONFIG_LISTENER_SETTING_BYTES - 1};
}

const struct config_row *config_listener_row(struct string_view name)
{
    static const char prefix[] = "listener.name.";
    size_t at = sizeof prefix - 1;
    if (name.size <= at || memcmp(name.data, prefix, at) != 0) {
        return NULL;
    }
    const char *dot = memchr(name.data + at, '.', name.size - at);
    if (dot == NULL) {
        return NULL;
    }
    struct string_view setting = {dot + 1, name.size - (size_t)(dot + 1 - name.data)};
    return config_row_find(CONFIG_SCOPE_BROKER, setting);
}

bool config_listener_row_acts(const struct config_row *row)
{
    return row != NULL && (strcmp(row->name, "max.connections") == 0 ||
                           strcmp(row->name, "max.connection.creation.rate") == 0);
}
