/* start, server-start. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "io/system.h"
#include "log/log_dir.h"
#include "node/commands.h"
#include "node/node.h"
#include "node/storage_format.h"

#define OVERRIDES_MAX 256
#define PATH_BYTES 1024

struct overrides {
    const char *items[OVERRIDES_MAX];
    int32_t count;
};

static bool overrides_add(struct overrides *overrides, const char *text)
{
    if (overrides->count == OVERRIDES_MAX || strchr(text, '=') == NULL) {
        fprintf(stderr, "--override needs key=value, got %s\n", text);
        return false;
    }
    overrides->items[overrides->count++] = text;
    return true;
}

static void print_ignored(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

/* The address that clients of the first broker listener use. */
static void print_address(const struct config *config, const struct node *node, char *text,
                          size_t size)
{
    snprintf(text, size, "nowhere");
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (!listener->is_controller) {
            struct string_view host =
                listener->advertised_host.size > 0 ? listener->advertised_host : listener->host;
            snprintf(text, size, "%.*s:%u", (int)host.size, host.data,
                     node_listener_port(node, i));
            return;
        }
    }
}

struct ready_context {
    const struct config *config;
    bool with_hints;
};

static void print_ready(void *context, struct node *node, int64_t ms)
{
    const struct ready_context *ready = context;
    char address[300];
    print_address(ready->config, node, address, sizeof address);
    printf("barnabas %s ready on %s, data in %s, after %" PRId64 " ms\n", BNB_VERSION, address,
           config_log_directory_at(ready->config, 0), ms);
    if (ready->with_hints) {
        printf("try: barnabas topics --bootstrap-server %s --create --topic hello\n"
               "     barnabas console-producer --bootstrap-server %s --topic hello\n"
               "     barnabas console-consumer --bootstrap-server %s --topic hello "
               "--from-beginning\n",
               address, address, address);
    }
    fflush(stdout);
}

static int run_node(const struct config *config, bool with_hints)
{
    struct io_fs fs = io_fs_linux();
    struct err_message message = {{0}};
    struct ready_context ready = {config, with_hints};
    struct node_options options = {
        .config = config, .fs = &fs, .on_ready = print_ready, .context = &ready};
    config_visit_ignored(config, print_ignored, NULL);
    int error = node_run(&options, &message);
    if (error != 0) {
        fprintf(stderr, "barnabas: %s\n",
                message.text[0] != '\0' ? message.text : err_text(error));
    }
    return error == 0 ? 0 : 1;
}

/* What lies in a directory but what is no data: that of the file system, and what storage_format
 * has written, which may have been killed before it came to meta.properties. */
struct own_entries {
    struct io_fs *fs;
    const char *directory;
    size_t count;
};

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

static int count_metadata(void *context, const char *name, bool is_directory)
{
    static const char *const first[] = {
        "00000000000000000000-0000000000.checkpoint",
        "00000000000000000000-0000000000.checkpoint" IO_TEMPORARY_SUFFIX, NULL};
    struct own_entries *entries = context;
    entries->count += is_directory || !is_one_of(name, first);
    return 0;
}

static int count_entry(void *context, const char *name, bool is_directory)
{
    static const char *const others[] = {
        "lost+found", LOG_DIR_LOCK_FILE, "bootstrap.checkpoint",
        "bootstrap.checkpoint" IO_TEMPORARY_SUFFIX, "meta.properties" IO_TEMPORARY_SUFFIX, NULL};
    struct own_entries *entries = context;
    char path[PATH_BYTES];
    if (is_directory && strcmp(name, "__cluster_metadata-0") == 0 &&
        snprintf(path, sizeof path, "%s/%s", entries->directory, name) < (int)sizeof path) {
        return io_list(entries->fs, path, count_metadata, entries);
    }
    entries->count += !is_one_of(name, others);
    return 0;
}

/* Makes the directory of `start`; what lies in it must not be somebody else's. */
static int make_own_directory(struct io_fs *fs, const char *directory, struct err_message *message)
{
    struct own_entries entries = {fs, directory, 0};
    int error = io_make_directory(fs, directory);
    if (error != 0 && error != ERR_EXISTS) {
        return err_set(message, error, "cannot make the directory %s: %s", directory,
                       err_text(error));
    }
    error = io_list(fs, directory, count_entry, &entries);
    if (error != 0) {
        return err_set(message, error, "cannot list %s: is it a directory, and ours to read?",
                       directory);
    }
    if (entries.count > 0) {
        return err_set(message, ERR_INVALID,
                       "%s is not empty and has no meta.properties: it is not a data directory; "
                       "choose another one",
                       directory);
    }
    return 0;
}

/* The directories of `start`, each new or of one cluster, whose id goes into id. The one of the
 * metadata log comes last: until that is formatted, a start begins with all of them again. */
static int own_directories(struct io_fs *fs, const struct config *config,
                           const char **directories, int32_t *count, char *id,
                           struct err_message *message)
{
    const char *metadata = config_metadata_directory(config);
    int error = 0;
    uuid_format(io_random_uuid(), id);
    *count = storage_directories(config, directories);
    for (int32_t i = 0; i + 1 < *count; i++) {
        if (strcmp(directories[i], metadata) == 0) {
            directories[i] = directories[i + 1];
            directories[i + 1] = metadata;
        }
    }
    for (int32_t i = 0; error == 0 && i < *count; i++) {
        struct log_dir_properties known;
        error = log_dir_read_properties(fs, directories[i], &known, NULL);
        if (error == 0) {
            snprintf(id, UUID_TEXT_BYTES, "%.*s", (int)known.cluster_id.size, known.text);
        } else if (error == ERR_NOT_FOUND) {
            error = make_own_directory(fs, directories[i], message);
        } else {
            error = log_dir_read_properties(fs, directories[i], &known, message);
        }
    }
    return error;
}

static int format_own(struct io_fs *fs, const struct config *config, struct err_message *message)
{
    const char *directories[STORAGE_DIRECTORIES_MAX];
    char id[UUID_TEXT_BYTES];
    int32_t count;
    int error = own_directories(fs, config, directories, &count, id, message);
    if (error != 0) {
        return error;
    }
    struct storage_voter self = {.id = config_node_id(config),
                                 .host = string_view_of("localhost"),
                                 .port = 9093};
    struct string_view listener_name = string_view_of("CONTROLLER");
    for (int32_t i = config_listener_count(config); i-- > 0;) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (listener->is_controller) {
            self.port = listener->port;
            listener_name = listener->name;
        }
    }
    struct storage_format_options options = {
        .fs = fs,
        .directories = directories,
        .directory_count = count,
        .metadata_directory = config_metadata_directory(config),
        .cluster_id = string_view_of(id),
        .node_id = config_node_id(config),
        .quorum = STORAGE_STANDALONE,
        .voters = &self,
        .voter_count = 1,
        .controller_listener = listener_name,
        .metadata_version = METADATA_VERSION_LATEST,
        .ignore_formatted = true,
        .now_ms = io_wall_ms(),
    };
    return storage_format(&options, message);
}

static bool is_formatted(struct io_fs *fs, const struct config *config)
{
    struct log_dir_properties known;
    return log_dir_read_properties(fs, config_metadata_directory(config), &known, NULL) == 0;
}

/* Formats the directories of `start` when there is no metadata yet. One that is missing later is
 * refused: who makes it anew without a word loses what was in it. Of several that start at once
 * only who has the lock formats; it is given back, and node_run takes it again. */
static int format_if_new(struct io_fs *fs, const struct config *config,
                         struct err_message *message)
{
    const char *directories[STORAGE_DIRECTORIES_MAX];
    char id[UUID_TEXT_BYTES];
    int32_t count;
    struct io_file lock;
    if (is_formatted(fs, config)) {
        return 0;
    }
    /* Nothing is made in a directory that is somebody else's. */
    int error = node_check_metadata_place(fs, config, message);
    if (error == 0) {
        error = own_directories(fs, config, directories, &count, id, message);
    }
    if (error == 0) {
        error = log_dir_lock(fs, config_metadata_directory(config), &lock, message);
    }
    if (error != 0) {
        return is_formatted(fs, config) ? 0 : error; /* then node_run says whether it may be used */
    }
    if (!is_formatted(fs, config)) {
        error = format_own(fs, config, message);
    }
    io_file_close(&lock);
    return error;
}

static void start_usage(FILE *out)
{
    fprintf(out,
            "usage: barnabas start [--directory DIR] [--override key=value]...\n\n"
            "Starts a single-node cluster, broker and controller, on localhost:9092. Data is kept "
            "in\nDIR, ./barnabas-data unless given, which is made on the first start.\n");
}

static int absolute_path(const char *directory, char *path)
{
    char here[PATH_BYTES];
    if (directory[0] == '/') {
        return snprintf(path, PATH_BYTES, "%s", directory) < PATH_BYTES ? 0 : ERR_RANGE;
    }
    if (getcwd(here, sizeof here) == NULL) {
        return ERR_RANGE;
    }
    return snprintf(path, PATH_BYTES, "%s/%s", here, directory) < PATH_BYTES ? 0 : ERR_RANGE;
}

int command_start(int argc, char **argv)
{
    const char *directory = "barnabas-data";
    char path[PATH_BYTES];
    char log_dirs[PATH_BYTES + 16] = "log.dirs=.";
    struct overrides overrides = {.count = 0};
    overrides_add(&overrides, "process.roles=broker,controller");
    overrides_add(&overrides, "node.id=1");
    overrides_add(&overrides, "controller.listener.names=CONTROLLER");
    overrides_add(&overrides, "controller.quorum.bootstrap.servers=localhost:9093");
    overrides_add(&overrides, "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093");
    /* A cluster of one. */
    overrides_add(&overrides, "offsets.topic.replication.factor=1");
    overrides_add(&overrides, "transaction.state.log.replication.factor=1");
    overrides_add(&overrides, "transaction.state.log.min.isr=1");
    overrides_add(&overrides, "share.coordinator.state.topic.replication.factor=1");
    overrides_add(&overrides, "share.coordinator.state.topic.min.isr=1");
    /* Whoever tries it out is the only one who joins, and need not wait for others. */
    overrides_add(&overrides, "group.initial.rebalance.delay.ms=0");
    overrides_add(&overrides, log_dirs);
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            start_usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--directory") == 0 && has_value) {
            directory = argv[++i];
        } else if (strcmp(argv[i], "--override") == 0 && has_value) {
            if (!overrides_add(&overrides, argv[++i])) {
                return 1;
            }
        } else {
            start_usage(stderr);
            return 1;
        }
    }
    if (absolute_path(directory, path) != 0) {
        fprintf(stderr, "barnabas: the path of %s is too long\n", directory);
        return 1;
    }
    snprintf(log_dirs, sizeof log_dirs, "log.dirs=%s", path);
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {{0}};
    int error = config_open(&fs, NULL, overrides.items, overrides.count, &config, &message);
    if (error == 0) {
        error = format_if_new(&fs, config, &message);
    }
    if (error != 0) {
        fprintf(stderr, "barnabas: %s\n",
                message.text[0] != '\0' ? message.text : err_text(error));
    }
    int status = error == 0 ? run_node(config, true) : 1;
    config_close(&config);
    return status;
}

static int server_start_usage(const char *wrong, const char *detail)
{
    fprintf(stderr, wrong, detail);
    fprintf(stderr, "Option               Description\n"
                    "------               -----------\n"
                    "--override <String>  key=value instead of what the properties file has\n"
                    "--version            Print the version and end.\n");
    return 1;
}

static int start_fails(const char *text)
{
    fprintf(stderr, "barnabas: %s\n", text);
    return 1;
}

struct server_arguments {
    const char *properties;
    struct overrides overrides;
    bool daemon;
};

/* -1: go on; else the status to end with. */
static int server_arguments_parse(struct server_arguments *arguments, int argc, char **argv)
{
    char text[PATH_BYTES];
    const char *extra = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s\n", BNB_VERSION);
            return 0;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            arguments->properties = NULL;
            break;
        }
        if (strcmp(argv[i], "-daemon") == 0) {
            arguments->daemon = true;
        } else if (strcmp(argv[i], "--override") == 0 && i + 1 == argc) {
            return start_fails("Option override requires an argument");
        } else if (strcmp(argv[i], "--override") == 0) {
            /* A name alone has an empty value. */
            if (strchr(argv[++i], '=') != NULL && !overrides_add(&arguments->overrides, argv[i])) {
                return 1;
            }
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            snprintf(text, sizeof text, "%s is not a recognized option",
                     argv[i] + strspn(argv[i], "-"));
            return start_fails(text);
        } else if (arguments->properties == NULL) {
            arguments->properties = argv[i];
        } else {
            extra = extra == NULL ? argv[i] : extra;
        }
    }
    if (arguments->properties == NULL) {
        return server_start_usage("USAGE: barnabas server-start [-daemon] server.properties "
                                  "[--override property=value]*%s\n", "");
    }
    return extra != NULL ? server_start_usage("Found non argument parameters: %s\n", extra) : -1;
}

int command_server_start(int argc, char **argv)
{
    struct server_arguments arguments = {.properties = NULL};
    int status = server_arguments_parse(&arguments, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (access(arguments.properties, F_OK) != 0) {
        return start_fails(arguments.properties);
    }
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {{0}};
    int error = config_open(&fs, arguments.properties, arguments.overrides.items,
                            arguments.overrides.count, &config, &message);
    if (error != 0) {
        return start_fails(message.text);
    }
    if (arguments.daemon && daemon(1, 0) != 0) {
        fprintf(stderr, "barnabas: cannot go into the background\n");
        return 1;
    }
    status = 1;
    if (!config_is_broker(config) || !config_is_controller(config)) {
        fprintf(stderr, "barnabas: process.roles must be broker,controller: nodes with one role "
                        "come with replication\n");
    } else {
        status = run_node(config, false);
    }
    config_close(&config);
    return status;
}
