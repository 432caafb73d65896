/* IncrementalAlterConfigs and AlterConfigs. */
#include "base/assert.h"
#include "base/java_map.h"
#include "controller/controller_internal.h"
#include "metadata/topic_name.h"

#define TOPIC_RESOURCE 2
#define BROKER_RESOURCE 4
#define CLIENT_METRICS_RESOURCE 16
#define GROUP_RESOURCE 32

enum alter_operation { ALTER_SET = 0, ALTER_DELETE = 1, ALTER_APPEND = 2, ALTER_SUBTRACT = 3 };

/* One resource on its way. */
struct alteration {
    struct controller *controller;
    struct controller_call *call;
    int8_t type;
    struct string_view resource;
    int16_t error;
    struct string_view error_message;
    /* All that it is to have, of a broker what changes: what is checked together. */
    struct image_setting *settings;
    size_t setting_count;
};

static bool alteration_fail(struct alteration *alteration, int16_t error, const char *text)
{
    ASSERT(error != 0 && text != NULL);
    alteration->error = error;
    alteration->error_message = arena_string(alteration->call->arena, string_view_of(text));
    return false;
}

/* "" is the default of all brokers, else it is the id of one that is known. */
static bool alteration_check_broker(struct alteration *alteration)
{
    const struct controller *controller = alteration->controller;
    int64_t id = 0;
    if (alteration->resource.size == 0) {
        return true;
    }
    for (size_t i = 0; i < alteration->resource.size; i++) {
        char digit = alteration->resource.data[i];
        if (digit < '0' || digit > '9' || id > INT32_MAX) {
            return alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                                   "Unable to parse broker name as a base 10 number.");
        }
        id = id * 10 + (digit - '0');
    }
    if (id != controller->options.node_id &&
        (id > INT32_MAX || image_broker_by_id(controller->image, (int32_t)id) == NULL)) {
        alteration->error = KAFKA_BROKER_ID_NOT_REGISTERED;
        alteration->error_message =
            arena_format(alteration->call->arena, "No node with id %lld found.", (long long)id);
        return false;
    }
    return true;
}

/* That there is such a topic is asked last, when its settings have been found good. */
static bool alteration_check_exists(struct alteration *alteration)
{
    ASSERT(alteration->error == 0);
    if (alteration->type != TOPIC_RESOURCE ||
        image_topic_by_name(alteration->controller->image, alteration->resource) != NULL) {
        return true;
    }
    alteration->error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    alteration->error_message =
        arena_format(alteration->call->arena, "The topic '%.*s' does not exist.",
                     (int)alteration->resource.size, alteration->resource.data);
    return false;
}

static bool alteration_check_resource(struct alteration *alteration)
{
    struct err_message message = {{0}};
    switch (alteration->type) {
    case TOPIC_RESOURCE:
        if (alteration->resource.size == 0) {
            return alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                                   "Default topic resources are not allowed.");
        }
        return topic_name_check(alteration->resource, &message) == 0 ||
               alteration_fail(alteration, KAFKA_INVALID_TOPIC_EXCEPTION, message.text);
    case BROKER_RESOURCE:
        return alteration_check_broker(alteration);
    case CLIENT_METRICS_RESOURCE:
        return alteration->resource.size > 0 ||
               alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                               "Subscription name can't be empty");
    case GROUP_RESOURCE:
        return alteration->resource.size > 0 ||
               alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                               "Default group resources are not allowed.");
    default:
        return alteration_fail(alteration, KAFKA_INVALID_REQUEST, "Unexpected resource type.");
    }
}

/* Room for what it has and for more. */
static bool alteration_begin(struct alteration *alteration, int32_t more, bool keeps)
{
    struct image_settings now = {0, NULL};
    if (keeps && alteration->type != BROKER_RESOURCE) {
        now = image_settings(alteration->controller->image, alteration->type,
                             alteration->resource);
    }
    alteration->settings =
        arena_array(alteration->call->arena, (size_t)now.count + (more > 0 ? (size_t)more : 0),
                    sizeof *alteration->settings);
    if (alteration->settings == NULL) {
        return alteration_fail(alteration, KAFKA_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    for (int32_t i = 0; i < now.count; i++) {
        alteration->settings[alteration->setting_count++] = now.items[i];
    }
    return true;
}

/* Null: it is to have no such setting. */
static bool alteration_put(struct alteration *alteration, struct string_view name,
                           struct string_view value)
{
    size_t at = 0;
    if (value.size > INT16_MAX) { /* a list that has grown: no record could carry it */
        return alteration_fail(alteration, KAFKA_INVALID_CONFIG,
                               "The configuration value cannot be added because it exceeds the "
                               "maximum value size of 32767 bytes.");
    }
    while (at < alteration->setting_count &&
           !string_view_equal(alteration->settings[at].name, name)) {
        at++;
    }
    if (value.data != NULL) {
        alteration->setting_count += at == alteration->setting_count;
        alteration->settings[at] = (struct image_setting){name, value};
    } else if (at < alteration->setting_count) {
        alteration->settings[at] = alteration->settings[--alteration->setting_count];
    }
    return true;
}

static bool alteration_check_settings(struct alteration *alteration)
{
    const struct controller_options *options = &alteration->controller->options;
    struct err_message message = {{0}};
    ASSERT(alteration->error == 0);
    int16_t error = options->check_settings(options->context, alteration->type,
                                            alteration->settings, alteration->setting_count,
                                            &message);
    return error == 0 || alteration_fail(alteration, error, message.text);
}

/* The value that the setting has now: its own, or of the broker, is not looked at; null: none. */
static struct string_view alteration_current(const struct alteration *alteration,
                                             struct string_view name)
{
    struct string_view value = {NULL, 0};
    (void)image_setting(alteration->controller->image, alteration->type, alteration->resource,
                        name, &value);
    return value;
}

static bool list_has(struct string_view list, struct string_view element)
{
    for (size_t at = 0; list.data != NULL && at <= list.size;) {
        size_t end = at;
        while (end < list.size && list.data[end] != ',') {
            end++;
        }
        if (string_view_equal((struct string_view){list.data + at, end - at}, element)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

/* The text up to the next comma from *at on, which goes behind it; false: there is none. */
static bool list_next(struct string_view list, size_t *at, struct string_view *element)
{
    size_t end = *at;
    if (list.data == NULL || *at > list.size) {
        return false;
    }
    while (end < list.size && list.data[end] != ',') {
        end++;
    }
    *element = (struct string_view){list.data + *at, end - *at};
    *at = end + 1;
    return true;
}

/* The elements of one list with those of another added or taken out. As in Java's split, empty ones
 * at the end of what is added are none, unless there is nothing else. */
static struct string_view list_change(struct arena *arena, struct string_view list,
                                      struct string_view change, bool add)
{
    size_t at = 0;
    size_t count = 0;
    struct string_view element;
    struct writer text;
    writer_init(&text, 1 << 20);
    while (list_next(list, &at, &element)) {
        if (element.size > 0 && (add || !list_has(change, element))) {
            writer_bytes(&text, ",", count++ > 0 ? 1 : 0);
            writer_bytes(&text, element.data, element.size);
        }
    }
    size_t end = change.size;
    while (end > 0 && change.data[end - 1] == ',') {
        end--;
    }
    at = end == 0 && change.size > 0 ? 1 : 0;
    bool has_empty = false;
    while (add && list_next((struct string_view){change.data, end}, &at, &element)) {
        struct string_view so_far = {(const char *)text.data, text.size};
        if (element.size == 0 ? !has_empty : !list_has(so_far, element)) {
            has_empty |= element.size == 0;
            writer_bytes(&text, ",", count++ > 0 ? 1 : 0);
            writer_bytes(&text, element.data, element.size);
        }
    }
    struct string_view result = arena_string(
        arena, (struct string_view){text.data == NULL ? "" : (char *)text.data, text.size});
    writer_release(&text);
    return result;
}

/* Only lists grow and shrink; one that the resource does not have begins as that of the node. */
static bool alteration_list(struct alteration *alteration,
                            const struct incremental_alter_configs_request_alterable_config *config,
                            struct string_view *current)
{
    const struct controller_options *options = &alteration->controller->options;
    struct string_view otherwise = {NULL, 0};
    ASSERT(config->config_operation == ALTER_APPEND ||
           config->config_operation == ALTER_SUBTRACT);
    ASSERT(alteration->error == 0);
    if (!options->list_setting(options->context, alteration->type, config->name, &otherwise)) {
        alteration->error = KAFKA_INVALID_CONFIG;
        alteration->error_message = arena_format(
            alteration->call->arena, "Can't %s to key %.*s because its type is not LIST.",
            config->config_operation == ALTER_APPEND ? "APPEND" : "SUBTRACT",
            (int)config->name.size, config->name.data);
        return false;
    }
    *current = current->data == NULL ? otherwise : *current;
    return true;
}

/* With eligible leader replicas the brokers must agree on what is in sync: none has a bound of its
 * own, and that of all stays. */
static bool alteration_agrees(struct alteration *alteration, struct string_view name, bool removes)
{
    ASSERT(alteration->error == 0 && alteration->controller->image != NULL);
    bool held = alteration->type == BROKER_RESOURCE &&
                string_view_is(name, "min.insync.replicas") &&
                image_feature_level(alteration->controller->image,
                                    "eligible.leader.replicas.version") > 0;
    if (held && alteration->resource.size > 0) {
        return alteration_fail(alteration, KAFKA_INVALID_CONFIG,
                               "Broker-level min.insync.replicas cannot be altered while ELR is "
                               "enabled.");
    }
    return !held || !removes ||
           alteration_fail(alteration, KAFKA_INVALID_CONFIG,
                           "Cluster-level min.insync.replicas cannot be removed while ELR is "
                           "enabled.");
}

/* A setting that the cluster does not know yet is not even taken away. */
static bool alteration_is_known(struct alteration *alteration, struct string_view name)
{
    return alteration->type != BROKER_RESOURCE || !string_view_is(name, "cordoned.log.dirs") ||
           controller_metadata_version(alteration->controller) >= CORDON_METADATA_VERSION ||
           alteration_fail(alteration, KAFKA_INVALID_CONFIG,
                           "The cordoned.log.dirs configuration value cannot be set because it "
                           "requires metadata.version >= 4.3-IV0");
}

static bool alter_one(struct alteration *alteration,
                      const struct incremental_alter_configs_request_alterable_config *config)
{
    struct string_view value = config->value;
    struct string_view current = alteration_current(alteration, config->name);
    if (!alteration_is_known(alteration, config->name) ||
        !alteration_agrees(alteration, config->name, config->config_operation == ALTER_DELETE)) {
        return false;
    }
    switch (config->config_operation) {
    case ALTER_SET:
        break;
    case ALTER_DELETE:
        value = (struct string_view){NULL, 0};
        break;
    case ALTER_APPEND:
    case ALTER_SUBTRACT:
        if (!alteration_list(alteration, config, &current)) {
            return false;
        }
        value = list_change(alteration->call->arena, current, value,
                            config->config_operation == ALTER_APPEND);
        current = alteration_current(alteration, config->name);
        break;
    default:
        return alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                               "Unknown alter configs operation.");
    }
    if (config->config_operation != ALTER_DELETE && value.data == NULL) {
        return alteration_fail(alteration, KAFKA_INVALID_REQUEST, "Null value not supported.");
    }
    if (!alteration_put(alteration, config->name, value)) {
        return false;
    }
    ASSERT(alteration->error == 0);
    if (!string_view_equal(current, value)) {
        controller_add_config(alteration->call->records, alteration->type, alteration->resource,
                              config->name, value);
    }
    return true;
}

/* A resource that several elements name is refused in each. */
static bool alteration_is_single(struct alteration *all, size_t count, size_t index)
{
    ASSERT(index < count);
    for (size_t i = 0; i < count; i++) {
        if (i != index && all[i].type == all[index].type &&
            string_view_equal(all[i].resource, all[index].resource)) {
            return alteration_fail(&all[index], KAFKA_INVALID_REQUEST,
                                   "Each resource must appear at most once.");
        }
    }
    return true;
}

/* A key may be altered once a request. */
static bool alter_keys_differ(
    struct alteration *alteration,
    const struct incremental_alter_configs_request_alter_configs_resource *resource)
{
    for (int32_t i = 0; i < resource->configs.count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (string_view_equal(resource->configs.items[i].name,
                                  resource->configs.items[j].name)) {
                return alteration_fail(alteration, KAFKA_INVALID_REQUEST,
                                       "Error due to duplicate config keys");
            }
        }
    }
    return true;
}

/* What is added to or taken from must be lists. */
static bool alter_lists(
    struct alteration *alteration,
    const struct incremental_alter_configs_request_alter_configs_resource *resource)
{
    size_t count = resource->configs.count > 0 ? (size_t)resource->configs.count : 0;
    uint32_t first_place = UINT32_MAX;
    struct alteration found = *alteration;
    for (size_t i = 0; i < count; i++) {
        struct alteration tried = *alteration;
        struct string_view current = {NULL, 0};
        int8_t operation = resource->configs.items[i].config_operation;
        bool fine = (operation != ALTER_APPEND && operation != ALTER_SUBTRACT) ||
                    alteration_list(&tried, &resource->configs.items[i], &current);
        uint32_t place = java_map_place(resource->configs.items[i].name, count);
        if (!fine && place < first_place) {
            first_place = place;
            found = tried;
        }
    }
    *alteration = found;
    ASSERT((first_place == UINT32_MAX) == (alteration->error == 0));
    return alteration->error == 0;
}

void controller_incremental_alter_configs(struct controller *controller,
                                          struct controller_call *call)
{
    const struct incremental_alter_configs_request *asked = call->request;
    struct incremental_alter_configs_response *response =
        arena_alloc(call->arena, sizeof *response);
    size_t count = asked->resources.count > 0 ? (size_t)asked->resources.count : 0;
    struct alteration *all = arena_array(call->arena, count, sizeof *all);
    if (response == NULL || all == NULL) {
        return;
    }
    incremental_alter_configs_response_default(response);
    response->responses.items =
        arena_array(call->arena, count, sizeof *response->responses.items);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct alteration){controller, call, asked->resources.items[i].resource_type,
                                     asked->resources.items[i].resource_name, 0, {NULL, 0},
                                     NULL, 0};
    }
    for (size_t i = 0; response->responses.items != NULL && i < count; i++) {
        const struct incremental_alter_configs_request_alter_configs_resource *resource =
            &asked->resources.items[i];
        struct records_mark mark = controller_records_mark(call->records);
        bool fine = alteration_is_single(all, count, i) &&
                    alter_keys_differ(&all[i], resource) && alter_lists(&all[i], resource) &&
                    alteration_check_resource(&all[i]) &&
                    alteration_begin(&all[i], resource->configs.count, true);
        for (int32_t j = 0; fine && j < resource->configs.count; j++) {
            fine = alter_one(&all[i], &resource->configs.items[j]);
        }
        fine = fine && alteration_check_settings(&all[i]) && alteration_check_exists(&all[i]);
        if (!fine || asked->validate_only) {
            controller_records_return(call->records, mark);
        }
        response->responses.items[i] =
            (struct incremental_alter_configs_response_alter_configs_resource_response){
                all[i].error, all[i].error_message, all[i].type, all[i].resource};
        response->responses.count = (int32_t)i + 1;
    }
    call->response = response;
}

static bool alter_all(struct alteration *alteration,
                      const struct alter_configs_request_alter_configs_resource *resource)
{
    for (int32_t i = 0; i < resource->configs.count; i++) {
        const struct alter_configs_request_alterable_config *config = &resource->configs.items[i];
        if (config->value.data == NULL) {
            return alteration_fail(alteration, KAFKA_INVALID_REQUEST, "Null value not supported.");
        }
        if (!alteration_is_known(alteration, config->name) ||
            !alteration_agrees(alteration, config->name, false) ||
            !alteration_put(alteration, config->name, config->value)) {
            return false;
        }
        if (!string_view_equal(alteration_current(alteration, config->name), config->value)) {
            controller_add_config(alteration->call->records, alteration->type,
                                  alteration->resource, config->name, config->value);
        }
    }
    ASSERT(alteration->error == 0);
    /* What is not named goes. */
    struct image_settings settings =
        image_settings(alteration->controller->image, alteration->type, alteration->resource);
    for (int32_t i = 0; i < settings.count; i++) {
        bool named = false;
        for (int32_t j = 0; j < resource->configs.count; j++) {
            named |= string_view_equal(resource->configs.items[j].name, settings.items[i].name);
        }
        if (!named && !alteration_agrees(alteration, settings.items[i].name, true)) {
            return false;
        }
        if (!named) {
            controller_add_config(alteration->call->records, alteration->type,
                                  alteration->resource, settings.items[i].name,
                                  (struct string_view){NULL, 0});
        }
    }
    return true;
}

void controller_alter_configs(struct controller *controller, struct controller_call *call)
{
    const struct alter_configs_request *asked = call->request;
    struct alter_configs_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->resources.count > 0 ? (size_t)asked->resources.count : 0;
    struct alteration *all = arena_array(call->arena, count, sizeof *all);
    if (response == NULL || all == NULL) {
        return;
    }
    alter_configs_response_default(response);
    response->responses.items =
        arena_array(call->arena, count, sizeof *response->responses.items);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct alteration){controller, call, asked->resources.items[i].resource_type,
                                     asked->resources.items[i].resource_name, 0, {NULL, 0},
                                     NULL, 0};
    }
    for (size_t i = 0; response->responses.items != NULL && i < count; i++) {
        const struct alter_configs_request_alter_configs_resource *resource =
            &asked->resources.items[i];
        struct records_mark mark = controller_records_mark(call->records);
        bool fine = alteration_is_single(all, count, i) && alteration_check_resource(&all[i]) &&
                    alteration_begin(&all[i], resource->configs.count, false) &&
                    alter_all(&all[i], resource) && alteration_check_settings(&all[i]) &&
                    alteration_check_exists(&all[i]);
        if (!fine || asked->validate_only) {
            controller_records_return(call->records, mark);
        }
        response->responses.items[i] =
            (struct alter_configs_response_alter_configs_resource_response){
                all[i].error, all[i].error_message, all[i].type, all[i].resource};
        response->responses.count = (int32_t)i + 1;
    }
    call->response = response;
}
