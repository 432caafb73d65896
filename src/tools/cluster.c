/* cluster.c: kafka-cluster: the cluster's id, its endpoints, taking brokers out. */
#include <stdio.h>
#include <string.h>

#include "tools/common.h"
#include "tools/tools.h"

static const struct args_option cluster_options[] = {
    {"bootstrap-controller", 'C', ARGS_VALUE, "BOOTSTRAP_CONTROLLER",
     "A list of host/port pairs to use for connecting to the KRaft controllers."},
    {"bootstrap-server", 'b', ARGS_VALUE, "BOOTSTRAP_SERVER",
     "A list of host/port pairs to use for connecting to the Kafka cluster."},
    {"command-config", 0, ARGS_VALUE, "COMMAND_CONFIG",
     "A property file containing configurations for the Admin client."},
    {"config", 'c', ARGS_VALUE, "CONFIG", "(DEPRECATED) Use --command-config instead."},
    {"help", 'h', ARGS_FLAG, NULL, "Show this help message and exit."},
    {"id", 'i', ARGS_VALUE, "ID", "The ID of the broker to unregister."},
    {"include-fenced-brokers", 0, ARGS_FLAG, NULL, "Whether to include fenced brokers."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

struct cluster_run {
    struct args args;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    struct bnb_error error;
};

static int cluster_usage(void)
{
    fprintf(stderr, "usage: kafka-cluster [-h] {cluster-id,unregister,list-endpoints} "
                    "(--bootstrap-server HOST:PORT | --bootstrap-controller HOST:PORT) "
                    "[--command-config FILE]\n");
    return 1;
}

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
    const char *text = args_value(&run->args, "id");
    if (text == NULL || !args_parse_number(text, &id)) {
        return cluster_usage();
    }
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
    struct cluster_run run = {.error = {0, ""}};
    const char *file;
    if (args_parse(&run.args, cluster_options, argc, argv) != 0) {
        fprintf(stderr, "kafka-cluster: error: %s\n", run.args.error);
        return cluster_usage();
    }
    const char *action = args_word(&run.args, 0);
    bool one_end = args_has(&run.args, "bootstrap-server") !=
                   args_has(&run.args, "bootstrap-controller");
    if (action == NULL || args_has(&run.args, "help") || !one_end ||
        args_renamed(&run.args, "command-config", (const char *const[]){"config", NULL},
                     &file) != 0) {
        return cluster_usage();
    }
    int (*act)(struct cluster_run *) = strcmp(action, "cluster-id") == 0       ? cluster_id
                                       : strcmp(action, "unregister") == 0     ? cluster_unregister
                                       : strcmp(action, "list-endpoints") == 0 ? cluster_endpoints
                                                                               : NULL;
    struct bnb_config *config = act != NULL ? tools_config(&run.args, file, NULL) : NULL;
    if (config == NULL) {
        return act == NULL ? cluster_usage() : 1;
    }
    run.memory = bnb_memory_create();
    int status = 1;
    if (bnb_admin_create(config, &run.admin, &run.error) == 0) {
        status = act(&run);
    }
    if (run.error.code != 0) {
        fprintf(stderr, "%s\n", run.error.text);
    }
    bnb_admin_close(&run.admin);
    bnb_memory_destroy(&run.memory);
    bnb_config_destroy(&config);
    return status;
}
