/* server-stop: ends the nodes that run on this machine, or those of one role or node id. */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/config.h"
#include "io/file.h"
#include "node/commands.h"

#define LINE_BYTES 16384
#define WORDS_MAX 512
#define PATH_BYTES 4096

/* What a node must be; NULL: anything. */
struct stop_choice {
    const char *role;
    const char *node_id;
};

/* The words of a process's command line, cut in line; their number. */
static int process_words(const char *id, char line[LINE_BYTES], char *words[WORDS_MAX])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/cmdline", id);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    size_t size = fread(line, 1, LINE_BYTES - 1, file);
    fclose(file);
    line[size] = '\0';
    int count = 0;
    for (size_t at = 0; at < size && count < WORDS_MAX; at += strlen(line + at) + 1) {
        words[count++] = line + at;
    }
    return count;
}

/* Where the arguments of a node begin: behind server-start or start; 0: it is no node. */
static int node_arguments(char *const *words, int count)
{
    if (count == 0) {
        return 0;
    }
    const char *base = strrchr(words[0], '/');
    base = base == NULL ? words[0] : base + 1;
    if (strcmp(base, "kafka-server-start.sh") == 0 || strcmp(base, "kafka-server-start") == 0) {
        return 1;
    }
    bool starts = count > 1 && (strcmp(words[1], "start") == 0 ||
                                strcmp(words[1], "server-start") == 0);
    return strcmp(base, "barnabas") == 0 && starts ? 2 : 0;
}

static bool config_fits(const struct stop_choice *choice, const struct config *config)
{
    char id[16];
    if (choice->node_id != NULL) {
        snprintf(id, sizeof id, "%d", config_node_id(config));
        return strcmp(id, choice->node_id) == 0;
    }
    return strcmp(choice->role, "broker") == 0 ? config_is_broker(config)
                                               : strcmp(choice->role, "controller") == 0 &&
                                                     config_is_controller(config);
}

/* Whether what a node was started with is what is wanted; a node whose settings cannot be read is
 * not. */
static bool node_fits(const struct stop_choice *choice, const char *id, char *const *words,
                      int count, bool own)
{
    static const char *const own_settings[] = {
        "process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER",
        "controller.quorum.bootstrap.servers=localhost:9093",
        "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"};
    const char *overrides[WORDS_MAX + sizeof own_settings / sizeof own_settings[0]];
    int32_t override_count = 0;
    char path[PATH_BYTES] = "";
    for (size_t i = 0; own && i < sizeof own_settings / sizeof own_settings[0]; i++) {
        overrides[override_count++] = own_settings[i];
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--override") == 0 && i + 1 < count) {
            overrides[override_count++] = words[++i];
        } else if (!own && words[i][0] == '/') {
            snprintf(path, sizeof path, "%s", words[i]);
        } else if (!own && words[i][0] != '-') {
            snprintf(path, sizeof path, "/proc/%s/cwd/%s", id, words[i]);
        }
    }
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {{0}};
    bool fits = config_open(&fs, own ? NULL : path, overrides, override_count, &config,
                            &message) == 0 &&
                config_fits(choice, config);
    config_close(&config);
    return fits;
}

static bool is_chosen(const struct stop_choice *choice, const char *id)
{
    char line[LINE_BYTES];
    char *words[WORDS_MAX];
    int count = process_words(id, line, words);
    int from = node_arguments(words, count);
    if (from == 0) {
        return false;
    }
    bool all = choice->role == NULL && choice->node_id == NULL;
    bool own = strcmp(words[from - 1], "start") == 0;
    return all || node_fits(choice, id, words + from, count - from, own);
}

/* The signal that the environment asks for, TERM without; 0: it is not known. */
static int stop_signal(void)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"TERM", SIGTERM}, {"INT", SIGINT}, {"KILL", SIGKILL}, {"HUP", SIGHUP},
                 {"QUIT", SIGQUIT}};
    const char *name = getenv("SIGNAL");
    if (name == NULL || *name == '\0') {
        return SIGTERM;
    }
    name += strncmp(name, "SIG", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0 || strtol(name, NULL, 10) == known[i].number) {
            return known[i].number;
        }
    }
    return 0;
}

static int stop_all(const struct stop_choice *choice, int number)
{
    int stopped = 0;
    DIR *processes = opendir("/proc");
    if (processes == NULL) {
        fprintf(stderr, "barnabas: cannot read /proc\n");
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0]) && is_chosen(choice, entry->d_name)) {
            stopped += kill((pid_t)strtol(entry->d_name, NULL, 10), number) == 0;
        }
    }
    closedir(processes);
    if (stopped == 0) {
        printf("No kafka server to stop\n");
    }
    return stopped > 0 ? 0 : 1;
}

int command_server_stop(int argc, char **argv)
{
    struct stop_choice choice = {NULL, NULL};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--process-role=", strlen("--process-role=")) == 0) {
            choice.role = argv[i] + strlen("--process-role=");
        } else if (strncmp(argv[i], "--node-id=", strlen("--node-id=")) == 0) {
            choice.node_id = argv[i] + strlen("--node-id=");
        } else {
            /* Apache Kafka's script takes no notice of what it does not know, and stops all. */
            fprintf(stderr, "usage: barnabas server-stop [--process-role=broker|controller] "
                            "[--node-id=N]\n");
            return 1;
        }
    }
    if (choice.role != NULL && choice.node_id != NULL) {
        printf("Both --process-role and --node-id are given: the node id decides\n");
    }
    int number = stop_signal();
    if (number == 0) {
        fprintf(stderr, "barnabas: the signal in SIGNAL is not known\n");
        return 1;
    }
    return stop_all(&choice, number);
}
