/* cluster.c: kafka-cluster: the cluster's id, its endpoints, taking brokers out. */
#include <stdio.h>
#include <string.h>

#include "tools/argparse.h"
#include "tools/common.h"
#include "tools/tools.h"

#define CLUSTER_OPTIONS                                                                            \
    {"config", 0, ARGS_VALUE, "CONFIG", "(DEPRECATED) Use --command-config instead."},             \
    {"command-config", 'c', ARGS_VALUE, "COMMAND_CONFIG",                                          \
     "A properties file for the admin client."},                                                   \
    {"bootstrap-server", 'b', ARGS_VALUE, "BOOTSTRAP_SERVER", "host:port pairs of brokers."},      \
    {"bootstrap-controller", 'C', ARGS_VALUE, "BOOTSTRAP_CONTROLLER",                              \
     "host:port pairs of controllers."},                                                           \
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."},                                     \
    {NULL, 0, ARGS_FLAG, NULL, NULL}

static const struct args_option cluster_options[] = {
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."}, {NULL, 0, ARGS_FLAG, NULL, NULL}};
static const struct args_option cluster_id_options[] = {CLUSTER_OPTIONS};
static const struct args_option unregister_options[] = {
    {"id", 'i', ARGS_VALUE, "ID", "The id of the broker to take out."}, CLUSTER_OPTIONS};
static const struct args_option endpoints_options[] = {
    {"include-fenced-brokers", 0, ARGS_FLAG, NULL, "List fenced brokers too."}, CLUSTER_OPTIONS};
static const char *const cluster_ends[] = {"bootstrap-server", "bootstrap-controller", NULL};
static const char *const cluster_ids[] = {"id", NULL};

enum cluster_action { CLUSTER_ID, CLUSTER_UNREGISTER, CLUSTER_ENDPOINTS };
static const struct argparse_command cluster_commands[] = {
    [CLUSTER_ID] = {.name = "cluster-id", .help = "Show the id of a cluster.",
                    .options = cluster_id_options, .one_of = cluster_ends,
                    .one_of_required = true},
    [CLUSTER_UNREGISTER] = {.name = "unregister", .help = "Take a broker out.",
                            .options = unregister_options, .required = cluster_ids,
                            .integers = cluster_ids, .one_of = cluster_ends,
                            .one_of_required = true},
    [CLUSTER_ENDPOINTS] = {.name = "list-endpoints", .help = "List endpoints.",
                           .options = endpoints_options, .one_of = cluster_ends,
                           .one_of_required = true},
};
static const struct argparse cluster_parser = {
    .program = "kafka-cluster",
    .description = "The Kafka cluster tool.",
    .tool = {.options = cluster_options},
    .commands = cluster_commands,
    .command_count = sizeof cluster_commands / sizeof cluster_commands[0],
    .help_status = 1,
};

struct cluster_run {
    struct args args;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    struct bnb_error error;
};

static int cluster_id(struct cluster_run *run)
{
    struct bnb_cluster cluster;
    if (bnb_admin_describe_cluster(run->admin, run->memory, false, &cluster, &run->error) != 0) {
        return 1;
    }
    if (cluster.id == NULL) {
        printf("No cluster ID found. The Kafka version is probably too old.\n");
    } else {
        printf("Cluster ID: %s\n", cluster.id);
    }
    return 0;
}

static int cluster_unregister(struct cluster_run *run)
{
    int64_t id;
    (void)args_number(&run->args, "id", -1, &id);
    if (bnb_admin_unregister_broker(run->admin, (int32_t)id, &run->error) != 0) {
        return 1;
    }
    printf("Broker %lld is no longer registered.\n", (long long)id);
    return 0;
}

static int cluster_endpoints(struct cluster_run *run)
{
    struct bnb_cluster cluster;
    bool fenced = args_has(&run->args, "include-fenced-brokers");
    if (bnb_admin_describe_cluster(run->admin, run->memory, fenced, &cluster, &run->error) != 0) {
        return 1;
    }
    int host_width = 4;
    int rack_width = 10;
    for (int32_t i = 0; i < cluster.node_count; i++) {
        int host = (int)strlen(cluster.nodes[i].host);
        int rack = cluster.nodes[i].rack != NULL ? (int)strlen(cluster.nodes[i].rack) : 4;
        host_width = host > host_width ? host : host_width;
        rack_width = rack > rack_width ? rack : rack_width;
    }
    printf("%-10s %-*s %-10s %-*s ", "ID", host_width, "HOST", "PORT", rack_width, "RACK");
    if (!cluster.of_controllers) {
        printf("%-10s ", "STATE");
    }
    printf("%-15s\n", "ENDPOINT_TYPE");
    for (int32_t i = 0; i < cluster.node_count; i++) {
        const struct bnb_node *node = &cluster.nodes[i];
        printf("%-10d %-*s %-10d %-*s ", node->id, host_width, node->host, node->port, rack_width,
               node->rack != NULL ? node->rack : "null");
        if (!cluster.of_controllers) {
            printf("%-10s ", node->is_fenced ? "fenced" : "unfenced");
        }
        printf("%-15s\n", cluster.of_controllers ? "controller" : "broker");
    }
    return 0;
}

int tool_cluster(int argc, char **argv)
{
    static int (*const actions[])(struct cluster_run *) = {
        [CLUSTER_ID] = cluster_id,
        [CLUSTER_UNREGISTER] = cluster_unregister,
        [CLUSTER_ENDPOINTS] = cluster_endpoints,
    };
    static const struct args_renaming renamed = {
        "command-config", "config", TOOLS_HAS_BEEN_DEPRECATED,
        "%o and %n cannot be specified together.", false};
    struct cluster_run run = {.error = {0, ""}};
    struct args global;
    const char *file;
    size_t action;
    int status = argparse_start(&cluster_parser, &global, &run.args, &action, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (args_renamed(&run.args, &renamed, &file) != 0) {
        return 1;
    }
    struct bnb_config *config = tools_config(&run.args, file, NULL);
    if (config == NULL) {
        return 1;
    }
    run.memory = bnb_memory_create();
    if (bnb_admin_create(config, &run.admin, &run.error) != 0) {
        status = tools_fail_create(&run.error);
    } else {
        status = actions[action](&run);
        if (status != 0) {
            fprintf(stderr, "%s\n", run.error.text);
        }
    }
    bnb_admin_close(&run.admin);
    bnb_memory_destroy(&run.memory);
    bnb_config_destroy(&config);
    return status;
}
