/* One executable: the first argument, or the name it was called by, says which command it is. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "node/commands.h"
#include "tools/tools.h"

#define NAME_BYTES 64

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    bool has_script; /* Apache Kafka has a bin/kafka-NAME.sh */
} commands[] = {
    {"start", command_start, "Start a single-node cluster in ./barnabas-data", false},
    {"server-start", command_server_start, "Start a node with a server.properties", true},
    {"storage", storage_command, "Format log directories and look into them", true},
    {"server-stop", command_server_stop, "Stop the nodes that run on this machine", true},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    fprintf(out, "barnabas %s: Apache Kafka in one binary\n\n"
                 "usage: barnabas COMMAND [arguments]; barnabas COMMAND --help\n\n",
            BNB_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-22s %s\n", commands[i].name, commands[i].summary);
    }
    for (const struct tool *tool = tools_all; tool->name != NULL; tool++) {
        fprintf(out, "  %-22s %s\n", tool->name, tool->summary);
    }
}

/* The names under which an installation links this program, one a line. */
static void print_scripts(void)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i].has_script) {
            printf("kafka-%s.sh\n", commands[i].name);
        }
    }
    for (const struct tool *tool = tools_all; tool->name != NULL; tool++) {
        if (!tool->is_ours) {
            printf("kafka-%s.sh\n", tool->name);
        }
    }
}

/* Runs a command by its name: its exit status, or -1 when there is none of that name. */
static int run(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(argc, argv);
        }
    }
    const struct tool *tool = tools_find(name);
    return tool == NULL ? -1 : tool->run(argc, argv);
}

/* "kafka-topics.sh" and "kafka-topics" are "topics". */
static void command_name(const char *path, char name[NAME_BYTES])
{
    const char *base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;
    if (strncmp(base, "kafka-", 6) == 0) {
        base += 6;
    }
    snprintf(name, NAME_BYTES, "%s", base);
    char *suffix = strrchr(name, '.');
    if (suffix != NULL && strcmp(suffix, ".sh") == 0) {
        *suffix = '\0';
    }
}

int main(int argc, char **argv)
{
    char name[NAME_BYTES];
    command_name(argv[0], name);
    if (strcmp(name, "barnabas") != 0) {
        int status = run(name, argc, argv);
        if (status >= 0) {
            return status;
        }
    }
    if (argc < 2) {
        print_usage(stderr);
        return 1;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("%s\n", BNB_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "--list-scripts") == 0) {
        print_scripts();
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    command_name(argv[1], name);
    int status = run(name, argc - 1, argv + 1);
    if (status < 0) {
        fprintf(stderr, "barnabas: there is no command %s; see barnabas --help\n", argv[1]);
        return 1;
    }
    return status;
}
