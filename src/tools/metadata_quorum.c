/* metadata_quorum.c: kafka-metadata-quorum describe. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/common.h"
#include "tools/tools.h"

static const struct args_option quorum_options[] = {
    {"bootstrap-controller", 0, ARGS_VALUE, "BOOTSTRAP_CONTROLLER",
     "A comma-separated list of host:port pairs of the KRaft controllers."},
    {"bootstrap-server", 0, ARGS_VALUE, "BOOTSTRAP_SERVER",
     "A comma-separated list of host:port pairs of the Kafka cluster."},
    {"command-config", 0, ARGS_VALUE, "COMMAND_CONFIG",
     "Property file containing configs to be passed to Admin Client."},
    {"help", 'h', ARGS_FLAG, NULL, "Show this help message and exit."},
    {"human-readable", 0, ARGS_FLAG, NULL, "Print human-readable timestamps."},
    {"replication", 0, ARGS_FLAG, NULL, "Detailed information about the status of replication."},
    {"status", 0, ARGS_FLAG, NULL, "A short summary of the quorum status and the other provides."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static int quorum_usage(FILE *to, int status)
{
    fprintf(to, "usage: kafka-metadata-quorum [-h] (--bootstrap-server BOOTSTRAP_SERVER | "
                "--bootstrap-controller BOOTSTRAP_CONTROLLER) [--command-config COMMAND_CONFIG] "
                "{describe} [--status | --replication [--human-readable]]\n");
    return status;
}

static bool quorum_is_zero(struct bnb_uuid id)
{
    struct bnb_uuid zero = {{0}};
    return memcmp(id.bytes, zero.bytes, sizeof zero.bytes) == 0;
}

static void quorum_print_members(const char *title, const struct bnb_quorum_replica *items,
                                 int32_t count)
{
    printf("%-24s[", title);
    for (int32_t i = 0; i < count; i++) {
        printf("%s{\"id\": %d", i > 0 ? ", " : "", items[i].id);
        char id[BNB_UUID_TEXT_BYTES];
        if (!quorum_is_zero(items[i].directory_id)) {
            printf(", \"directoryId\": \"%s\"", bnb_uuid_format(items[i].directory_id, id));
        }
        const char *endpoints = items[i].endpoints;
        if (*endpoints != '\0') {
            printf(", \"endpoints\": [");
            for (bool first = true; *endpoints != '\0'; first = false) {
                size_t size = strcspn(endpoints, ",");
                printf("%s\"%.*s\"", first ? "" : ", ", (int)size, endpoints);
                endpoints += size;
                endpoints += strspn(endpoints, ", ");
            }
            printf("]");
        }
        printf("}");
    }
    printf("]\n");
}

static void quorum_print_status(const struct bnb_quorum *quorum, const char *cluster_id)
{
    const struct bnb_quorum_replica *leader = NULL;
    const struct bnb_quorum_replica *slowest = NULL;
    for (int32_t i = 0; i < quorum->voter_count; i++) {
        const struct bnb_quorum_replica *voter = &quorum->voters[i];
        leader = voter->id == quorum->leader_id ? voter : leader;
        slowest = slowest == NULL || voter->log_end_offset < slowest->log_end_offset ? voter
                                                                                      : slowest;
    }
    int64_t lag = leader != NULL ? leader->log_end_offset - slowest->log_end_offset : 0;
    int64_t lag_ms = 0;
    if (leader != NULL && slowest != leader && slowest->last_caught_up_ms < 0) {
        lag_ms = -1;
    } else if (leader != NULL && leader->last_caught_up_ms >= 0) {
        lag_ms = leader->last_caught_up_ms - slowest->last_caught_up_ms;
    }
    printf("%-24s%s\n", "ClusterId:", cluster_id);
    printf("%-24s%d\n", "LeaderId:", quorum->leader_id);
    printf("%-24s%d\n", "LeaderEpoch:", quorum->leader_epoch);
    printf("%-24s%" PRId64 "\n", "HighWatermark:", quorum->high_watermark);
    printf("%-24s%" PRId64 "\n", "MaxFollowerLag:", lag);
    printf("%-24s%" PRId64 "\n", "MaxFollowerLagTimeMs:", lag_ms);
    quorum_print_members("CurrentVoters:", quorum->voters, quorum->voter_count);
    quorum_print_members("CurrentObservers:", quorum->observers, quorum->observer_count);
}

static void quorum_time(int64_t at_ms, bool human, char text[48])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (human && at_ms >= 0) {
        int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        snprintf(text, 48, "%" PRId64 " ms ago", now_ms - at_ms);
    } else {
        snprintf(text, 48, "%" PRId64, at_ms);
    }
}

static void quorum_add_rows(struct tools_table *table, const struct bnb_quorum *quorum,
                            const struct bnb_quorum_replica *items, int32_t count,
                            bool leaders, bool voters, bool human, int64_t end_offset)
{
    for (int32_t i = 0; i < count; i++) {
        bool leader = items[i].id == quorum->leader_id;
        if (leader != leaders) {
            continue;
        }
        char id[16];
        char directory[BNB_UUID_TEXT_BYTES];
        char end[32];
        char lag[32];
        char fetched[48];
        char caught_up[48];
        snprintf(id, sizeof id, "%d", items[i].id);
        snprintf(end, sizeof end, "%" PRId64, items[i].log_end_offset);
        snprintf(lag, sizeof lag, "%" PRId64, end_offset - items[i].log_end_offset);
        quorum_time(items[i].last_fetch_ms, human, fetched);
        quorum_time(items[i].last_caught_up_ms, human, caught_up);
        const char *cells[] = {id, bnb_uuid_format(items[i].directory_id, directory), end, lag,
                               fetched, caught_up,
                               leader ? "Leader" : voters ? "Follower" : "Observer"};
        tools_table_row(table, cells);
    }
}

static void quorum_print_replication(const struct bnb_quorum *quorum, bool human)
{
    static const char *const titles[] = {"NodeId", "DirectoryId", "LogEndOffset", "Lag",
                                         "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"};
    int64_t end_offset = 0;
    for (int32_t i = 0; i < quorum->voter_count; i++) {
        if (quorum->voters[i].id == quorum->leader_id) {
            end_offset = quorum->voters[i].log_end_offset;
        }
    }
    struct tools_table table;
    tools_table_init(&table, sizeof titles / sizeof titles[0]);
    tools_table_row(&table, titles);
    quorum_add_rows(&table, quorum, quorum->voters, quorum->voter_count, true, true, human,
                    end_offset);
    quorum_add_rows(&table, quorum, quorum->voters, quorum->voter_count, false, true, human,
                    end_offset);
    quorum_add_rows(&table, quorum, quorum->observers, quorum->observer_count, false, false, human,
                    end_offset);
    tools_table_print(&table, "\t");
    tools_table_release(&table);
}

static int quorum_run(const struct args *args, struct bnb_admin *admin, struct bnb_memory *memory)
{
    struct bnb_quorum quorum;
    struct bnb_cluster cluster;
    struct bnb_error error;
    int result = bnb_admin_describe_quorum(admin, memory, &quorum, &error);
    if (result == 0 && args_has(args, "status")) {
        result = bnb_admin_describe_cluster(admin, memory, false, &cluster, &error);
    }
    if (result != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (args_has(args, "status")) {
        quorum_print_status(&quorum, cluster.id != NULL ? cluster.id : "null");
    } else {
        quorum_print_replication(&quorum, args_has(args, "human-readable"));
    }
    return 0;
}

int tool_metadata_quorum(int argc, char **argv)
{
    struct args args;
    struct bnb_error error;
    if (args_parse(&args, quorum_options, argc, argv) != 0) {
        fprintf(stderr, "kafka-metadata-quorum: error: %s\n", args.error);
        return quorum_usage(stderr, 1);
    }
    const char *action = args_word(&args, 0);
    bool one_end = args_has(&args, "bootstrap-server") != args_has(&args, "bootstrap-controller");
    if (args_has(&args, "help")) {
        return quorum_usage(stdout, 0);
    }
    if (action == NULL || !one_end) {
        return quorum_usage(stderr, 1);
    }
    if (strcmp(action, "describe") != 0) {
        fprintf(stderr, "%s is not supported yet\n", action);
        return 1;
    }
    if (args_has(&args, "status") == args_has(&args, "replication")) {
        fprintf(stderr, "One of --status or --replication must be specified with describe "
                        "sub-command\n");
        return 1;
    }
    struct bnb_config *config = tools_config(&args, args_value(&args, "command-config"), NULL);
    struct bnb_admin *admin = NULL;
    if (config == NULL) {
        return 1;
    }
    struct bnb_memory *memory = bnb_memory_create();
    int status = 1;
    if (bnb_admin_create(config, &admin, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
    } else {
        status = quorum_run(&args, admin, memory);
    }
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
    bnb_config_destroy(&config);
    return status;
}
