/* log_dirs.c: kafka-log-dirs: what lies in the log directories of brokers, as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/common.h"
#include "tools/tools.h"

static const struct args_option log_dirs_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: The server(s) to use for bootstrapping",
     "REQUIRED: the server(s) to use for bootstrapping."},
    {"broker-list", 0, ARGS_VALUE, "String: Broker list",
     "The list of brokers to be queried in the form \"0,1,2\". All brokers in the cluster will be "
     "queried if no broker list is specified."},
    {"command-config", 0, ARGS_VALUE, "String: Admin client property file",
     "Property file containing configs to be passed to Admin Client."},
    {"describe", 0, ARGS_FLAG, NULL,
     "Describe the specified log directories on the specified brokers."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"topic-list", 0, ARGS_VALUE, "String: Topic list",
     "The list of topics to be queried in the form \"topic1,topic2,topic3\"."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static void log_dirs_print_dir(const struct bnb_log_dir *dir, const char *topics)
{
    bool any = false;
    printf("{\"logDir\":");
    tools_print_json(dir->path);
    if (dir->code == 0) {
        printf(",\"error\":null,\"partitions\":[");
    } else {
        printf(",\"error\":\"org.apache.kafka.common.errors.%s\",\"partitions\":[",
               tools_exception(dir->code));
    }
    for (int32_t i = 0; i < dir->partition_count; i++) {
        const struct bnb_log_dir_partition *one = &dir->partitions[i];
        if (topics == NULL || *topics == '\0' || tools_listed(topics, one->topic)) {
            printf("%s{\"partition\":\"%s-%d\",\"size\":%" PRId64 ",\"offsetLag\":%" PRId64
                   ",\"isFuture\":%s}", any ? "," : "", one->topic, one->partition,
                   one->size_bytes, one->offset_lag, one->is_future ? "true" : "false");
            any = true;
        }
    }
    printf("]}");
}

/* Asks every chosen broker, then prints; 0 or 1 after telling the failure. */
static int log_dirs_print(const struct args *args, struct bnb_admin *admin,
                          struct bnb_memory *memory, const int32_t *brokers, int32_t count)
{
    struct bnb_error error;
    const struct bnb_log_dir **dirs = mem_need(((size_t)count + 1) * sizeof *dirs);
    int32_t *dir_counts = mem_need(((size_t)count + 1) * sizeof *dir_counts);
    int result = 0;
    printf("Querying brokers for log directories information\n");
    for (int32_t i = 0; i < count && result == 0; i++) {
        result = bnb_admin_describe_log_dirs(admin, memory, brokers[i], &dirs[i], &dir_counts[i],
                                             &error);
    }
    if (result != 0) {
        fprintf(stderr, "%s\n", error.text);
    } else {
        printf("Received log directory information from brokers ");
        tools_print_ids((struct bnb_ids){brokers, count}, ",");
        printf("\n{\"version\":1,\"brokers\":[");
        for (int32_t i = 0; i < count; i++) {
            printf("%s{\"broker\":%d,\"logDirs\":[", i > 0 ? "," : "", brokers[i]);
            for (int32_t d = 0; d < dir_counts[i]; d++) {
                printf("%s", d > 0 ? "," : "");
                log_dirs_print_dir(&dirs[i][d], args_value(args, "topic-list"));
            }
            printf("]}");
        }
        printf("]}\n");
    }
    mem_free(dirs);
    mem_free(dir_counts);
    return result == 0 ? 0 : 1;
}

static void log_dirs_unknown(const char *given, const struct bnb_cluster *cluster)
{
    fprintf(stderr, "ERROR: The given brokers do not exist from --broker-list: %s. Current "
            "existent brokers: ", given);
    for (int32_t i = 0; i < cluster->node_count; i++) {
        fprintf(stderr, "%s%d", i > 0 ? "," : "", cluster->nodes[i].id);
    }
    fputc('\n', stderr);
}

static int log_dirs_run(void *context, struct bnb_admin *admin, struct bnb_memory *memory)
{
    const struct args *args = context;
    struct bnb_cluster cluster;
    struct bnb_error error;
    if (bnb_admin_describe_cluster(admin, memory, false, &cluster, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    const char *given = args_value_or(args, "broker-list", "");
    size_t room = (size_t)cluster.node_count + strlen(given) + 1;
    int32_t *brokers = mem_need(room * sizeof *brokers);
    int32_t count = 0;
    char *copy = mem_strndup(given, strlen(given));
    char *rest = copy;
    char *item;
    int status = 0;
    while ((item = tools_list_next(&rest, ",")) != NULL) {
        int32_t id = -1;
        bool known = false;
        bool repeated = false;
        if (!args_parse_int(item, &id)) {
            fprintf(stderr, "java.lang.NumberFormatException: For input string: \"%s\"\n", item);
            status = 1;
            break;
        }
        for (int32_t i = 0; i < cluster.node_count; i++) {
            known = known || cluster.nodes[i].id == id;
        }
        if (!known) {
            log_dirs_unknown(item, &cluster);
            status = 1;
        }
        for (int32_t i = 0; i < count; i++) {
            repeated = repeated || brokers[i] == id;
        }
        if (!repeated) {
            brokers[count++] = id;
        }
    }
    for (int32_t i = 0; *given == '\0' && i < cluster.node_count; i++) {
        brokers[count++] = cluster.nodes[i].id;
    }
    if (status == 0) {
        status = log_dirs_print(args, admin, memory, brokers, count);
    }
    mem_free(copy);
    mem_free(brokers);
    return status;
}

int tool_log_dirs(int argc, char **argv)
{
    struct args args = {.count = 0};
    int status = args_start_simple(
        &args, log_dirs_options,
        "This tool helps to query log directory usage on the specified brokers.", argc, argv,
        (const char *const[]){"bootstrap-server", "describe", NULL});
    if (status >= 0) {
        return status;
    }
    return tools_run_admin(&args, args_value(&args, "command-config"), log_dirs_run, &args);
}
