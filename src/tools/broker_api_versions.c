/* broker_api_versions.c: kafka-broker-api-versions: which versions of which API each broker has. */
#include <stdio.h>
#include <string.h>

#include "protocol/api.h"
#include "tools/common.h"
#include "tools/tools.h"

static const struct args_option versions_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: server(s) to use for bootstrapping",
     "REQUIRED: The server to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file",
     "A property file containing configs to be passed to Admin Client."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* Why there is no version that both speak. */
static const char *versions_unusable(const struct bnb_api_versions *api)
{
    const struct api_row *ours = api_find(api->key);
    return ours != NULL && api->min > ours->max_version ? "node too new" : "node too old";
}

static void versions_print_api(const struct bnb_api_versions *api, bool last)
{
    printf("\t%s(%d): ", api->name != NULL ? api->name : "UNKNOWN", api->key);
    if (api->max < api->min) {
        printf("UNSUPPORTED%s\n", last ? "" : ",");
        return;
    }
    if (api->min == api->max) {
        printf("%d", api->min);
    } else {
        printf("%d to %d", api->min, api->max);
    }
    if (api->name != NULL && api->usable >= 0) {
        printf(" [usable: %d]", api->usable);
    } else if (api->name != NULL) {
        printf(" [unusable: %s]", versions_unusable(api));
    }
    printf("%s\n", last ? "" : ",");
}

static void versions_print_node(struct bnb_admin *admin, struct bnb_memory *memory,
                                const struct bnb_node *node)
{
    struct bnb_node_versions versions;
    struct bnb_error error;
    printf("%s:%d (id: %d rack: %s isFenced: %s) -> ", node->host, node->port, node->id,
           node->rack != NULL ? node->rack : "null", node->is_fenced ? "true" : "false");
    if (bnb_admin_api_versions(admin, memory, node->id, &versions, &error) != 0) {
        printf("ERROR: org.apache.kafka.common.errors.%s: %s\n", tools_exception(error.code),
               error.text);
        return;
    }
    printf("(\n");
    for (int32_t i = 0; i < versions.api_count; i++) {
        versions_print_api(&versions.apis[i], i + 1 == versions.api_count);
    }
    printf(")\n");
}

int tool_broker_api_versions(int argc, char **argv)
{
    struct args args = {.count = 0};
    struct bnb_error error;
    struct bnb_cluster cluster;
    int status = args_start_simple(
        &args, versions_options, "This tool helps to retrieve broker version information.", argc,
        argv, (const char *const[]){"bootstrap-server", NULL});
    if (status >= 0) {
        return status;
    }
    struct bnb_config *config = tools_config(&args, args_value(&args, "command-config"), NULL);
    struct bnb_admin *admin = NULL;
    if (config == NULL) {
        return 1;
    }
    struct bnb_memory *memory = bnb_memory_create();
    if (bnb_admin_create(config, &admin, &error) != 0 ||
        bnb_admin_describe_cluster(admin, memory, false, &cluster, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        status = 1;
    } else {
        for (int32_t i = 0; i < cluster.node_count; i++) {
            versions_print_node(admin, memory, &cluster.nodes[i]);
        }
        status = 0;
    }
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
    bnb_config_destroy(&config);
    return status;
}
