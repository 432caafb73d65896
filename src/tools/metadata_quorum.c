/* metadata_quorum.c: kafka-metadata-quorum: the state of the quorum, and who votes in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/argparse.h"
#include "tools/common.h"
#include "tools/quorum_controller.h"
#include "tools/tools.h"

#define HELP_OPTION                                                                                \
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."},                                     \
    {NULL, 0, ARGS_FLAG, NULL, NULL}
#define DRY_RUN_OPTION                                                                             \
    {"dry-run", 0, ARGS_FLAG, NULL, "Say what would be done, do not do it."}

static const struct args_option tool_options[] = {
    {"command-config", 0, ARGS_VALUE, "COMMAND_CONFIG",
     "A properties file for the admin client; for add-controller that of the controller."},
    {"bootstrap-server", 0, ARGS_VALUE, "BOOTSTRAP_SERVER", "host:port pairs of brokers."},
    {"bootstrap-controller", 0, ARGS_VALUE, "BOOTSTRAP_CONTROLLER",
     "host:port pairs of controllers."},
    HELP_OPTION};
static const struct args_option describe_options[] = {
    {"status", 0, ARGS_FLAG, NULL, "A summary of the quorum."},
    {"replication", 0, ARGS_FLAG, NULL, "Every voter and observer with its lag."},
    {"human-readable", 0, ARGS_FLAG, NULL, "Say how long ago instead of a time."},
    HELP_OPTION};
static const struct args_option add_options[] = {DRY_RUN_OPTION, HELP_OPTION};
static const struct args_option remove_options[] = {
    {"controller-id", 'i', ARGS_VALUE, "CONTROLLER_ID", "The id of the controller to take out."},
    {"controller-directory-id", 'd', ARGS_VALUE, "CONTROLLER_DIRECTORY_ID",
     "The directory id of the controller to take out."},
    DRY_RUN_OPTION, HELP_OPTION};
static const char *const ends[] = {"bootstrap-server", "bootstrap-controller", NULL};
static const char *const remove_required[] = {"controller-id", "controller-directory-id", NULL};
static const char *const remove_integers[] = {"controller-id", NULL};

enum quorum_action { DESCRIBE, ADD_CONTROLLER, REMOVE_CONTROLLER };
static const struct argparse_command commands[] = {
    [DESCRIBE] = {.name = "describe", .help = "Show the state of the quorum.",
                  .options = describe_options},
    [ADD_CONTROLLER] = {.name = "add-controller", .help = "Make a controller a voter.",
                        .options = add_options},
    [REMOVE_CONTROLLER] = {.name = "remove-controller", .help = "Take a voter out.",
                           .options = remove_options, .required = remove_required,
                           .integers = remove_integers},
};
static const struct argparse parser = {
    .program = "kafka-metadata-quorum",
    .description = "This tool describes kraft metadata quorum status.",
    .tool = {.options = tool_options, .one_of = ends, .one_of_required = true},
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
    .command_needs_tool = true,
};

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

static int quorum_fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int quorum_describe(const struct args *args, struct bnb_admin *admin,
                           struct bnb_memory *memory)
{
    struct bnb_quorum quorum;
    struct bnb_cluster cluster;
    struct bnb_error error;
    int result = bnb_admin_describe_quorum(admin, memory, &quorum, &error);
    if (result == 0 && args_has(args, "status")) {
        result = bnb_admin_describe_cluster(admin, memory, false, &cluster, &error);
    }
    if (result != 0) {
        return quorum_fail(error.text);
    }
    if (args_has(args, "status")) {
        quorum_print_status(&quorum, cluster.id != NULL ? cluster.id : "null");
    } else {
        quorum_print_replication(&quorum, args_has(args, "human-readable"));
    }
    return 0;
}

/* What is wrong with the flags of describe; NULL: nothing. */
static const char *quorum_check_describe(const struct args *args)
{
    bool status = args_has(args, "status");
    bool replication = args_has(args, "replication");
    if (status && replication) {
        return "Only one of --status or --replication should be specified with describe "
               "sub-command";
    }
    if (status && args_has(args, "human-readable")) {
        return "The option --human-readable is only supported along with --replication";
    }
    return status || replication
               ? NULL
               : "One of --status or --replication must be specified with describe sub-command";
}

static int quorum_remove(const struct args *args, struct bnb_admin *admin)
{
    int64_t id;
    struct bnb_uuid directory;
    char text[BNB_UUID_TEXT_BYTES];
    struct bnb_error error;
    (void)args_number(args, "controller-id", -1, &id);
    if (id < 0) {
        fprintf(stderr, "Invalid negative --controller-id: %" PRId64 "\n", id);
        return 1;
    }
    if (bnb_uuid_parse(args_value(args, "controller-directory-id"), &directory) != 0) {
        return quorum_fail("Failed to parse --controller-directory-id: " TOOLS_UUID_WRONG);
    }
    bool dry_run = args_has(args, "dry-run");
    if (!dry_run && bnb_admin_remove_voter(admin, (int32_t)id, directory, &error) != 0) {
        return quorum_fail(error.text);
    }
    printf("%s KRaft controller %" PRId64 " with directory id %s\n",
           dry_run ? "DRY RUN of removing " : "Removed ", id, bnb_uuid_format(directory, text));
    return 0;
}

static int quorum_add(const struct args *args, const struct args *global, struct bnb_admin *admin)
{
    const char *file = args_value(global, "command-config");
    struct bnb_error error;
    struct quorum_controller self;
    if (file == NULL) {
        return quorum_fail("You must supply the configuration file of the controller you are "
                           "adding when using add-controller.");
    }
    if (!quorum_controller_load(&self, file)) {
        return 1;
    }
    char id[BNB_UUID_TEXT_BYTES];
    bool dry_run = args_has(args, "dry-run");
    int status = 0;
    if (!dry_run && bnb_admin_add_voter(admin, self.id, self.directory_id, self.endpoints,
                                        self.endpoint_count, &error) != 0) {
        status = quorum_fail(error.text);
    } else {
        printf("%s controller %d with directory id %s and endpoints: ",
               dry_run ? "DRY RUN of adding" : "Added", self.id,
               bnb_uuid_format(self.directory_id, id));
        for (int32_t i = 0; i < self.endpoint_count; i++) {
            printf("%s%s://%s:%d", i > 0 ? ", " : "", self.endpoints[i].name,
                   self.endpoints[i].host, self.endpoints[i].port);
        }
        printf("\n");
    }
    quorum_controller_release(&self);
    return status;
}

struct quorum_asked {
    struct args global;
    struct args args;
    size_t action;
};

static int quorum_run(void *context, struct bnb_admin *admin, struct bnb_memory *memory)
{
    const struct quorum_asked *asked = context;
    const char *wrong = asked->action == DESCRIBE ? quorum_check_describe(&asked->args) : NULL;
    if (wrong != NULL) {
        return quorum_fail(wrong);
    }
    if (asked->action == DESCRIBE) {
        return quorum_describe(&asked->args, admin, memory);
    }
    return asked->action == ADD_CONTROLLER ? quorum_add(&asked->args, &asked->global, admin)
                                           : quorum_remove(&asked->args, admin);
}

int tool_metadata_quorum(int argc, char **argv)
{
    struct quorum_asked asked;
    int status =
        argparse_start(&parser, &asked.global, &asked.args, &asked.action, argc, argv);
    if (status >= 0) {
        return status;
    }
    const char *file = args_value(&asked.global, "command-config");
    if (file != NULL && access(file, F_OK) != 0) {
        fprintf(stderr, "Properties file %s does not exists!\n", file);
        return 1;
    }
    return tools_run_admin(&asked.global, file, quorum_run, &asked);
}
