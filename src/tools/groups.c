/* groups.c: kafka-groups: lists the groups of every kind. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <barnabas/groups.h>

#include "base/mem.h"
#include "tools/common.h"
#include "tools/tools.h"

#define TIMEOUT_MS 30000

static const struct args_option group_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "REQUIRED: host:port pairs of brokers."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file",
     "A properties file for the admin client."},
    {"consumer", 0, ARGS_FLAG, NULL,
     "Groups of consumers: those of type consumer, and classic ones whose protocol is consumer, or "
     "that only have offsets."},
    {"group-type", 0, ARGS_VALUE, "String: type",
     "Groups of one type: classic, consumer, share or streams."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"list", 0, ARGS_FLAG, NULL, "List the groups."},
    {"protocol", 0, ARGS_VALUE, "String: protocol", "Groups of one protocol."},
    {"share", 0, ARGS_FLAG, NULL, "Share groups."},
    {"streams", 0, ARGS_FLAG, NULL, "Streams groups."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static const char *const type_names[] = {"Classic", "Consumer", "Share", "Streams"};

/* The type of --group-type in its own spelling; NULL: none, or none that there is. */
static const char *wanted_type(const struct args *args)
{
    const char *given = args_value(args, "group-type");
    for (size_t i = 0; given != NULL && i < sizeof type_names / sizeof type_names[0]; i++) {
        if (strcasecmp(given, type_names[i]) == 0) {
            return type_names[i];
        }
    }
    return NULL;
}

static bool passes(const struct args *args, const struct bnb_group_listing *group)
{
    const char *type = wanted_type(args);
    const char *protocol = args_value(args, "protocol");
    bool of_protocol = protocol == NULL || strcmp(protocol, group->protocol_type) == 0;
    if (type != NULL) {
        return strcmp(type, group->type) == 0 && of_protocol;
    }
    if (protocol != NULL) {
        return of_protocol;
    }
    if (args_has(args, "consumer")) {
        return group->protocol_type[0] == '\0' ||
               strcmp(group->protocol_type, "consumer") == 0 ||
               strcmp(group->type, "Consumer") == 0;
    }
    return args_has(args, "share")     ? strcmp(group->type, "Share") == 0
           : args_has(args, "streams") ? strcmp(group->type, "Streams") == 0
                                       : true;
}

static void print_groups(const struct args *args, struct bnb_group_listing *groups, int32_t count)
{
    int32_t kept = 0;
    size_t width = 20;
    for (int32_t i = 0; i < count; i++) {
        const char *const cells[] = {groups[i].id, groups[i].type, groups[i].protocol_type};
        if (!passes(args, &groups[i])) {
            continue;
        }
        for (size_t c = 0; c < 3; c++) {
            width = strlen(cells[c]) > width ? strlen(cells[c]) : width;
        }
        groups[kept++] = groups[i];
    }
    printf("%-*s %-*s %-*s\n", (int)width, "GROUP", (int)width, "TYPE", (int)width, "PROTOCOL");
    for (int32_t i = 0; i < kept; i++) {
        printf("%-*s %-*s %-*s \n", (int)width, groups[i].id, (int)width, groups[i].type,
               (int)width, groups[i].protocol_type);
    }
}

static int fail(const char *text)
{
    printf("Error while executing groups command : %s\n", text);
    return 1;
}

static int list(const struct args *args, struct bnb_admin *admin)
{
    const struct bnb_group_listing *listings;
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_error error;
    int32_t count;
    bnb_admin_set_timeout(admin, TIMEOUT_MS);
    int status = bnb_admin_list_groups(admin, memory, &(struct bnb_group_filter){NULL, NULL},
                                       &listings, &count, &error);
    if (status != 0) {
        status = fail(error.text);
        tools_log("ERROR", "%s (org.apache.kafka.tools.GroupsCommand)", error.text);
    } else {
        struct bnb_group_listing *sorted = mem_need((size_t)count * sizeof *sorted + 1);
        memcpy(sorted, listings, (size_t)count * sizeof *sorted);
        tools_java_order(sorted, count, sizeof *sorted);
        print_groups(args, sorted, count);
        mem_free(sorted);
    }
    bnb_memory_destroy(&memory);
    return status;
}

/* A mistake that is told without the options. */
static int refuse(const char *java_class, const char *text)
{
    fprintf(stderr, "%s\n%s: %s\n\n", text, java_class, text);
    return 1;
}

static int check(const struct args *args)
{
    static const char *const single[] = {"group-type", "protocol", "bootstrap-server",
                                         "command-config"};
    if (!args_has(args, "list")) {
        return args_usage(args, "Command must include exactly one action: --list.");
    }
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        char text[ARGS_ERROR_BYTES];
        snprintf(text, sizeof text, ARGS_REPEATED, single[i]);
        if (args_nth(args, single[i], 1) != NULL) {
            return refuse("joptsimple.MultipleArgumentsForOptionException", text);
        }
    }
    if (args_has(args, "group-type") && wanted_type(args) == NULL) {
        return refuse("java.lang.IllegalArgumentException",
                      "--group-type must be a valid group type.");
    }
    if (args_exclude(args, "consumer", (const char *const[]){"group-type", "protocol", "share",
                                                             "streams", NULL}) != 0 ||
        args_exclude(args, "share", (const char *const[]){"consumer", "group-type", "protocol",
                                                          "streams", NULL}) != 0 ||
        args_exclude(args, "streams", (const char *const[]){"consumer", "group-type", "protocol",
                                                            "share", NULL}) != 0) {
        return 1;
    }
    return 0;
}

int tool_groups(int argc, char **argv)
{
    struct args args = {.mistake_shows_options = true};
    struct bnb_error error;
    if (args_parse(&args, group_options, argc, argv) == 0 && !args_has(&args, "help") &&
        !args_has(&args, "version") && !args_has(&args, "bootstrap-server")) {
        return args_usage(&args, "Missing required option(s) [bootstrap-server]");
    }
    int status = args_start(&args, group_options, "This tool helps to list groups of all types.",
                            argc, argv);
    if (status >= 0) {
        return status;
    }
    if (check(&args) != 0) {
        return 1;
    }
    const char *file = args_value(&args, "command-config");
    if (file != NULL && access(file, F_OK) != 0) {
        return refuse("java.nio.file.NoSuchFileException", file);
    }
    struct bnb_config *config = tools_config(&args, file, "adminclient-1");
    struct bnb_admin *admin = NULL;
    if (config == NULL) {
        return 1;
    }
    int result = bnb_admin_create(config, &admin, &error);
    bnb_config_destroy(&config);
    if (result != 0) {
        (void)fail("Failed to create new KafkaAdminClient");
        tools_log("ERROR", "org.apache.kafka.common.KafkaException: Failed to create new "
                           "KafkaAdminClient\nCaused by: org.apache.kafka.common.config."
                           "ConfigException: %s\n (org.apache.kafka.tools.GroupsCommand)",
                  error.text);
        return 1;
    }
    status = list(&args, admin);
    bnb_admin_close(&admin);
    return status;
}
