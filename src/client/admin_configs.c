/* admin_configs.c: describe and alter settings of topics, brokers and others. */
#include <stdlib.h>

#include "client/admin.h"
#include "protocol/error.h"

/* Settings of one broker are known to that broker alone. */
static int32_t resource_target(const struct bnb_resource *resource)
{
    bool of_node = (resource->type == BNB_RESOURCE_BROKER ||
                    resource->type == BNB_RESOURCE_BROKER_LOGGER) &&
                   resource->name[0] != '\0';
    return of_node ? (int32_t)strtol(resource->name, NULL, 10) : CLIENT_NODE_ANY;
}

/* A broker is reached by its id, so its address has to be learnt first. */
static int resource_reach(struct bnb_admin *admin, struct bnb_memory *memory, int32_t target,
                          struct bnb_error *error)
{
    return target == CLIENT_NODE_ANY ? 0 : admin_learn_nodes(admin, memory, error);
}

static int setting_by_name(const void *a, const void *b)
{
    return strcmp(((const struct bnb_described_setting *)a)->name,
                  ((const struct bnb_described_setting *)b)->name);
}

static int
setting_fill(struct bnb_memory *memory,
             const struct describe_configs_response_describe_configs_resource_result *from,
             struct bnb_described_setting *to, struct bnb_error *error)
{
    struct bnb_setting_synonym *synonyms =
        admin_array(memory, from->synonyms.count, sizeof *synonyms, error);
    if (synonyms == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < from->synonyms.count; i++) {
        synonyms[i] = (struct bnb_setting_synonym){
            memory_string(memory, from->synonyms.items[i].name),
            memory_string(memory, from->synonyms.items[i].value), from->synonyms.items[i].source};
    }
    *to = (struct bnb_described_setting){
        .name = memory_string(memory, from->name),
        .value = memory_string(memory, from->value),
        .source = from->config_source,
        .is_sensitive = from->is_sensitive,
        .is_read_only = from->read_only,
        .synonyms = synonyms,
        .synonym_count = from->synonyms.count > 0 ? from->synonyms.count : 0,
    };
    return 0;
}

static int resource_fill(struct bnb_memory *memory,
                         const struct describe_configs_response_describe_configs_result *from,
                         struct bnb_described_resource *to, struct bnb_error *error)
{
    int32_t count = from->configs.count > 0 ? from->configs.count : 0;
    struct bnb_described_setting *settings = admin_array(memory, count, sizeof *settings, error);
    int result = settings == NULL ? BNB_ERROR_NO_MEMORY : 0;
    for (int32_t i = 0; i < count && result == 0; i++) {
        result = setting_fill(memory, &from->configs.items[i], &settings[i], error);
    }
    if (result != 0) {
        return result;
    }
    qsort(settings, (size_t)count, sizeof *settings, setting_by_name);
    to->code = admin_code(from->error_code);
    to->error_text = admin_text(memory, from->error_code, from->error_message);
    to->settings = settings;
    to->setting_count = count;
    return 0;
}

/* Asks one target for its share of the resources. */
static int describe_at(struct bnb_admin *admin, struct bnb_memory *memory, int32_t target,
                       bool with_synonyms, struct bnb_described_resource *made, int32_t count,
                       struct bnb_error *error)
{
    struct describe_configs_request request;
    describe_configs_request_default(&request);
    request.include_synonyms = with_synonyms;
    request.resources.items = admin_array(memory, count, sizeof *request.resources.items, error);
    int result = request.resources.items == NULL ? BNB_ERROR_NO_MEMORY
                                                 : resource_reach(admin, memory, target, error);
    for (int32_t i = 0; i < count && result == 0; i++) {
        struct bnb_resource resource = {made[i].type, made[i].name};
        if (resource_target(&resource) == target) {
            struct describe_configs_request_describe_configs_resource *to =
                &request.resources.items[request.resources.count++];
            to->resource_type = made[i].type;
            to->resource_name = string_view_of(made[i].name);
            to->configuration_keys.count = -1;
        }
    }
    struct describe_configs_response *response;
    if (result == 0) {
        result = admin_call(admin, memory, target, API_DESCRIBE_CONFIGS,
                            &describe_configs_request_row, &request,
                            &describe_configs_response_row, &response, error);
    }
    for (int32_t r = 0; result == 0 && r < response->results.count; r++) {
        for (int32_t i = 0; i < count && result == 0; i++) {
            const struct describe_configs_response_describe_configs_result *from =
                &response->results.items[r];
            if (from->resource_type == made[i].type &&
                string_view_is(from->resource_name, made[i].name)) {
                result = resource_fill(memory, from, &made[i], error);
            }
        }
    }
    return result;
}

int bnb_admin_describe_configs(struct bnb_admin *admin, struct bnb_memory *memory,
                               const struct bnb_resource *resources, int32_t count,
                               bool with_synonyms, const struct bnb_described_resource **described,
                               struct bnb_error *error)
{
    struct bnb_described_resource *made = admin_array(memory, count, sizeof *made, error);
    bool *asked = admin_array(memory, count, sizeof *asked, error);
    if (made == NULL || asked == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        made[i].type = resources[i].type;
        made[i].name = memory_string(memory, string_view_of(resources[i].name));
        made[i].error_text = "";
    }
    int result = 0;
    for (int32_t i = 0; i < count && result == 0; i++) {
        int32_t target = resource_target(&resources[i]);
        bool repeated = false;
        for (int32_t before = 0; before < i && !repeated; before++) {
            repeated = resource_target(&resources[before]) == target;
        }
        if (!repeated) {
            result = describe_at(admin, memory, target, with_synonyms, made, count, error);
        }
    }
    *described = made;
    return result;
}

static int resource_by_name(const void *a, const void *b)
{
    const struct bnb_resource *left = a;
    const struct bnb_resource *right = b;
    return left->type != right->type ? left->type - right->type
                                     : strcmp(left->name, right->name);
}

int bnb_admin_list_config_resources(struct bnb_admin *admin, struct bnb_memory *memory,
                                    const int8_t *types, int32_t type_count,
                                    const struct bnb_resource **resources, int32_t *count,
                                    struct bnb_error *error)
{
    struct list_config_resources_request request;
    struct list_config_resources_response *response;
    list_config_resources_request_default(&request);
    request.resource_types.items = admin_array(memory, type_count, sizeof *types, error);
    if (request.resource_types.items == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < type_count; i++) {
        request.resource_types.items[request.resource_types.count++] = types[i];
    }
    int result = admin_call(admin, memory, CLIENT_NODE_ANY, API_LIST_CONFIG_RESOURCES,
                            &list_config_resources_request_row, &request,
                            &list_config_resources_response_row, &response, error);
    if (result != 0) {
        return result;
    }
    if (response->error_code != 0) {
        return client_error_kafka(error, response->error_code, (struct string_view){NULL, 0});
    }
    int32_t listed = response->config_resources.count > 0 ? response->config_resources.count : 0;
    struct bnb_resource *made = admin_array(memory, listed, sizeof *made, error);
    if (made == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    for (int32_t i = 0; i < listed; i++) {
        made[i].type = response->config_resources.items[i].resource_type;
        made[i].name = memory_string(memory, response->config_resources.items[i].resource_name);
    }
    qsort(made, (size_t)listed, sizeof *made, resource_by_name);
    *resources = made;
    *count = listed;
    return 0;
}

int bnb_admin_alter_configs(struct bnb_admin *admin, const struct bnb_resource *resource,
                            const struct bnb_setting_change *changes, int32_t count,
                            bool validate_only, struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct incremental_alter_configs_request_alterable_config *items =
        memory == NULL ? NULL : admin_array(memory, count, sizeof *items, error);
    if (items == NULL) {
        bnb_memory_destroy(&memory);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    for (int32_t i = 0; i < count; i++) {
        items[i].name = string_view_of(changes[i].name);
        items[i].value = string_view_of(changes[i].value);
        items[i].config_operation = changes[i].operation;
    }
    struct incremental_alter_configs_request_alter_configs_resource one;
    memset(&one, 0, sizeof one);
    one.resource_type = resource->type;
    one.resource_name = string_view_of(resource->name);
    one.configs.items = items;
    one.configs.count = count;
    struct incremental_alter_configs_request request;
    incremental_alter_configs_request_default(&request);
    request.validate_only = validate_only;
    request.resources.items = &one;
    request.resources.count = 1;
    struct incremental_alter_configs_response *response;
    int32_t target = resource_target(resource);
    int result = resource_reach(admin, memory, target, error);
    if (result == 0) {
        result = admin_call(admin, memory, target, API_INCREMENTAL_ALTER_CONFIGS,
                            &incremental_alter_configs_request_row, &request,
                            &incremental_alter_configs_response_row, &response, error);
    }
    for (int32_t i = 0; result == 0 && i < response->responses.count; i++) {
        if (response->responses.items[i].error_code != 0) {
            result = client_error_kafka(error, response->responses.items[i].error_code,
                                        response->responses.items[i].error_message);
        }
    }
    bnb_memory_destroy(&memory);
    return result;
}
