/* `barnabas storage`: as kafka-storage.sh. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "broker/config.h"
#include "io/system.h"
#include "log/log_dir.h"
#include "node/commands.h"
#include "node/storage_format.h"
#include "node/storage_versions.h"

#define DIRECTORIES_MAX 65
#define VOTERS_MAX 64
#define FEATURES_MAX 16

struct storage_arguments {
    const char *config;
    const char *cluster_id;
    const char *release;
    const char *initial_controllers;
    bool standalone;
    bool no_initial_controllers;
    bool ignore_formatted;
    struct storage_feature features[FEATURES_MAX];
    int32_t feature_count;
};

static int storage_fail(const char *format, const char *detail)
{
    fprintf(stderr, format, detail);
    fputc('\n', stderr);
    return 1;
}

static void print_usage(FILE *out)
{
    fprintf(out,
            "usage: storage [-h] {info,format,version-mapping,feature-dependencies,random-uuid}\n\n"
            "  info -c CONFIG                 what the log directories of a node hold\n"
            "  format -c CONFIG -t CLUSTER_ID [-g] [-r RELEASE_VERSION] [-f FEATURE=LEVEL]...\n"
            "         [-s | -N | -I ID@HOST:PORT:DIRECTORY_ID,...]\n"
            "                                 make the log directories of a node usable\n"
            "  version-mapping [-r VERSION]   feature levels that a release comes with\n"
            "  feature-dependencies -f FEATURE=LEVEL...\n"
            "                                 what a feature level needs\n"
            "  random-uuid                    print a new cluster id\n");
}

/* The value behind flag number i: "-c X", "--config X" or "--config=X"; NULL: another flag. */
static const char *flag_value(int argc, char **argv, int *i, const char *brief, const char *full)
{
    size_t size = strlen(full);
    if (strncmp(argv[*i], full, size) == 0 && argv[*i][size] == '=') {
        return argv[*i] + size + 1;
    }
    if ((strcmp(argv[*i], brief) == 0 || strcmp(argv[*i], full) == 0) && *i + 1 < argc) {
        return argv[++*i];
    }
    return NULL;
}

static bool is_flag(const char *text, const char *brief, const char *full)
{
    return strcmp(text, brief) == 0 || strcmp(text, full) == 0;
}

static bool add_feature(struct storage_arguments *arguments, const char *text)
{
    const char *equals = strchr(text, '=');
    char *end;
    if (equals == NULL || arguments->feature_count == FEATURES_MAX) {
        return false;
    }
    long level = strtol(equals + 1, &end, 10);
    if (*end != '\0' || end == equals + 1 || level < 0 || level > INT16_MAX) {
        return false;
    }
    arguments->features[arguments->feature_count++] =
        (struct storage_feature){{text, (size_t)(equals - text)}, (int16_t)level};
    return true;
}

static bool parse_arguments(int argc, char **argv, struct storage_arguments *arguments)
{
    for (int i = 2; i < argc; i++) {
        const char *value;
        if ((value = flag_value(argc, argv, &i, "-c", "--config")) != NULL) {
            arguments->config = value;
        } else if ((value = flag_value(argc, argv, &i, "-t", "--cluster-id")) != NULL) {
            arguments->cluster_id = value;
        } else if ((value = flag_value(argc, argv, &i, "-r", "--release-version")) != NULL) {
            arguments->release = value;
        } else if ((value = flag_value(argc, argv, &i, "-I", "--initial-controllers")) != NULL) {
            arguments->initial_controllers = value;
        } else if ((value = flag_value(argc, argv, &i, "-f", "--feature")) != NULL) {
            if (!add_feature(arguments, value)) {
                storage_fail("storage: error: --feature needs NAME=LEVEL, got %s", value);
                return false;
            }
        } else if ((value = flag_value(argc, argv, &i, "-S", "--add-scram")) != NULL) {
            storage_fail("storage: error: %s: SCRAM users come with security; leave --add-scram "
                         "out",
                         value);
            return false;
        } else if (is_flag(argv[i], "-s", "--standalone")) {
            arguments->standalone = true;
        } else if (is_flag(argv[i], "-N", "--no-initial-controllers")) {
            arguments->no_initial_controllers = true;
        } else if (is_flag(argv[i], "-g", "--ignore-formatted")) {
            arguments->ignore_formatted = true;
        } else {
            print_usage(stderr);
            storage_fail("storage: error: unrecognized arguments: '%s'", argv[i]);
            return false;
        }
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* log.dirs and metadata.log.dir, sorted, each once. */
static int32_t collect_directories(const struct config *config, const char **directories)
{
    int32_t count = 0;
    for (int32_t i = 0; i <= config_log_directory_count(config) && count < DIRECTORIES_MAX; i++) {
        const char *directory = i < config_log_directory_count(config)
                                    ? config_log_directory_at(config, i)
                                    : config_metadata_directory(config);
        bool known = false;
        for (int32_t j = 0; j < count; j++) {
            known |= strcmp(directories[j], directory) == 0;
        }
        if (!known) {
            directories[count++] = directory;
        }
    }
    qsort(directories, (size_t)count, sizeof *directories, by_text);
    return count;
}

/* "1@host:9093:directoryid"; an IPv6 host is in brackets. */
static bool parse_voter(char *text, struct storage_voter *voter)
{
    char *at = strchr(text, '@');
    char *last = strrchr(text, ':');
    if (at == NULL || last == NULL || last < at) {
        return false;
    }
    *at = '\0';
    *last = '\0';
    char *colon = strrchr(at + 1, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    char *end;
    voter->id = (int32_t)strtol(text, &end, 10);
    bool fine = *end == '\0' && end != text && voter->id >= 0;
    long port = strtol(colon + 1, &end, 10);
    fine = fine && *end == '\0' && end != colon + 1 && port >= 0 && port <= UINT16_MAX;
    voter->port = (uint16_t)port;
    char *host = at + 1;
    size_t size = strlen(host);
    if (size > 1 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        host++;
    }
    voter->host = string_view_of(host);
    return fine && voter->host.size > 0 &&
           uuid_parse(string_view_of(last + 1), &voter->directory_id) == 0;
}

static bool parse_voters(char *text, struct storage_voter *voters, int32_t *count)
{
    for (char *next = text; next != NULL;) {
        char *voter = next;
        next = strchr(voter, ',');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (*count == VOTERS_MAX || !parse_voter(voter, &voters[(*count)++])) {
            return false;
        }
    }
    return true;
}

static void own_voter(const struct config *config, struct storage_voter *voter)
{
    *voter = (struct storage_voter){.id = config_node_id(config),
                                    .host = string_view_of("localhost")};
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (listener->is_controller) {
            bool advertised = listener->advertised_host.size > 0;
            struct string_view host = advertised ? listener->advertised_host : listener->host;
            voter->host = host.size > 0 ? host : voter->host;
            voter->port = advertised ? listener->advertised_port : listener->port;
            return;
        }
    }
}

/* Which quorum the flags and the configuration mean: 0, or a line that says what is wrong. */
static const char *choose_quorum(const struct storage_arguments *arguments,
                                 const struct config *config, enum storage_quorum *quorum)
{
    int chosen = arguments->standalone + arguments->no_initial_controllers +
                 (arguments->initial_controllers != NULL);
    bool has_static = config_string(config, "controller.quorum.voters").size > 0;
    if (chosen > 1) {
        return "storage: error: --standalone, --no-initial-controllers and --initial-controllers "
               "exclude each other";
    }
    if (has_static && (arguments->standalone || arguments->initial_controllers != NULL)) {
        return "You cannot specify controller.quorum.voters and format the node with "
               "--initial-controllers or --standalone. If you want to use dynamic quorum, please "
               "remove controller.quorum.voters and specify controller.quorum.bootstrap.servers "
               "instead.";
    }
    if (arguments->standalone && !config_is_controller(config)) {
        return "You can only use --standalone on a controller.";
    }
    if (chosen == 0 && !has_static && config_is_controller(config)) {
        return "Because controller.quorum.voters is not set on this controller, you must specify "
               "one of the following: --standalone, --initial-controllers, or "
               "--no-initial-controllers.";
    }
    *quorum = arguments->standalone                    ? STORAGE_STANDALONE
              : arguments->initial_controllers != NULL ? STORAGE_VOTERS
              : has_static                             ? STORAGE_STATIC
                                                       : STORAGE_NO_VOTERS;
    return NULL;
}

/* The metadata.version asked for by release or by feature. */
static const char *choose_version(struct storage_arguments *arguments, int16_t *level)
{
    *level = STORAGE_METADATA_VERSION_LATEST;
    if (arguments->release != NULL && !storage_version_parse(arguments->release, level)) {
        return "Unknown metadata.version or release.";
    }
    for (int32_t i = 0; i < arguments->feature_count; i++) {
        const struct storage_feature *feature = &arguments->features[i];
        if (string_view_is(feature->name, "metadata.version")) {
            if (arguments->release != NULL) {
                return "Use --release-version instead of --feature metadata.version=X to avoid "
                       "ambiguity.";
            }
            *level = feature->level;
        } else if (!storage_feature_is_known(feature->name, feature->level)) {
            return "Unsupported feature or level given with --feature.";
        }
    }
    return *level < STORAGE_METADATA_VERSION_MIN || *level > STORAGE_METADATA_VERSION_LATEST
               ? "The metadata.version is out of the range of this release."
               : NULL;
}

struct formatting_context {
    int16_t metadata_version;
    int32_t formatted;
};

static void print_formatting(void *context, const char *kind, const char *directory)
{
    struct formatting_context *formatting = context;
    char version[STORAGE_VERSION_BYTES];
    formatting->formatted++;
    printf("Formatting %s %s with metadata.version %s.\n", kind, directory,
           storage_version_name(formatting->metadata_version, version));
}

static int run_format(struct storage_arguments *arguments, const struct config *config)
{
    struct io_fs fs = io_fs_linux();
    struct storage_voter voters[VOTERS_MAX];
    struct storage_format_options options = {.fs = &fs};
    struct formatting_context formatting = {0, 0};
    const char *directories[DIRECTORIES_MAX];
    const char *wrong = choose_quorum(arguments, config, &options.quorum);
    wrong = wrong == NULL ? choose_version(arguments, &options.metadata_version) : wrong;
    if (wrong != NULL) {
        return storage_fail("%s", wrong);
    }
    char *text = arguments->initial_controllers == NULL
                     ? NULL
                     : mem_strndup(arguments->initial_controllers,
                                   strlen(arguments->initial_controllers));
    if (options.quorum == STORAGE_STANDALONE) {
        own_voter(config, &voters[options.voter_count++]);
    } else if (text != NULL && !parse_voters(text, voters, &options.voter_count)) {
        mem_free(text);
        return storage_fail("--initial-controllers needs id@host:port:directoryId,..., got %s",
                            arguments->initial_controllers);
    }
    struct arena arena;
    int32_t names = 0;
    arena_init(&arena, 1 << 20);
    struct string_view *listeners =
        config_list(config, "controller.listener.names", &arena, &names);
    formatting.metadata_version = options.metadata_version;
    options.directories = directories;
    options.directory_count = collect_directories(config, directories);
    options.metadata_directory = config_metadata_directory(config);
    options.cluster_id = string_view_of(arguments->cluster_id);
    options.node_id = config_node_id(config);
    options.voters = voters;
    options.controller_listener = names > 0 ? listeners[0] : string_view_of("CONTROLLER");
    options.features = arguments->features;
    options.feature_count = arguments->feature_count;
    options.ignore_formatted = arguments->ignore_formatted;
    options.now_ms = io_wall_ms();
    options.formatting = print_formatting;
    options.context = &formatting;
    struct err_message message = {{0}};
    int error = storage_format(&options, &message);
    if (error != 0) {
        storage_fail("%s", message.text);
    } else if (formatting.formatted == 0) {
        printf("All of the log directories are already formatted.\n");
    }
    arena_release(&arena);
    mem_free(text);
    return error == 0 ? 0 : 1;
}

static void print_list(const char *one, const char *many, const char **lines, int32_t count)
{
    if (count > 0) {
        printf("%s\n", count == 1 ? one : many);
        for (int32_t i = 0; i < count; i++) {
            printf("  %s\n", lines[i]);
        }
        printf("\n");
    }
}

static int run_info(const struct config *config)
{
    struct io_fs fs = io_fs_linux();
    const char *directories[DIRECTORIES_MAX];
    const char *found[DIRECTORIES_MAX];
    const char *problems[DIRECTORIES_MAX];
    static struct err_message messages[DIRECTORIES_MAX];
    struct log_dir_properties first = {.node_id = -1};
    int32_t count = collect_directories(config, directories);
    int32_t found_count = 0;
    int32_t problem_count = 0;
    for (int32_t i = 0; i < count; i++) {
        struct log_dir_properties properties;
        struct err_message *message = &messages[problem_count];
        int error = log_dir_read_properties(&fs, directories[i], &properties, NULL);
        if (error == 0) {
            found[found_count++] = directories[i];
            first = first.node_id < 0 ? properties : first;
            continue;
        }
        err_set(message, 0, error == ERR_NOT_FOUND ? "%s is not formatted." : "%s is damaged.",
                directories[i]);
        problems[problem_count++] = message->text;
    }
    print_list("Found log directory:", "Found log directories:", found, found_count);
    if (first.node_id >= 0) {
        char id[UUID_TEXT_BYTES];
        first.cluster_id.data = first.text;
        printf("Found metadata: {cluster.id=%.*s, directory.id=%s, node.id=%" PRId32
               ", version=%" PRId32 "}\n\n",
               (int)first.cluster_id.size, first.cluster_id.data,
               uuid_format(first.directory_id, id), first.node_id, first.version);
    }
    print_list("Found problem:", "Found problems:", problems, problem_count);
    return problem_count == 0 ? 0 : 1;
}

static int run_with_config(struct storage_arguments *arguments, bool format)
{
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {{0}};
    if (arguments->config == NULL) {
        return storage_fail("storage: error: argument %s is required", "--config/-c");
    }
    if (format && arguments->cluster_id == NULL) {
        return storage_fail("storage: error: argument %s is required", "--cluster-id/-t");
    }
    int status = 1;
    if (config_open(&fs, arguments->config, NULL, 0, &config, &message) != 0) {
        storage_fail("%s", message.text);
    } else {
        status = format ? run_format(arguments, config) : run_info(config);
    }
    config_close(&config);
    return status;
}

int storage_command(int argc, char **argv)
{
    struct storage_arguments arguments = {0};
    if (argc < 2) {
        print_usage(stderr);
        return 1;
    }
    if (is_flag(argv[1], "-h", "--help")) {
        print_usage(stdout);
        return 0;
    }
    for (int i = 2; i < argc; i++) {
        if (is_flag(argv[i], "-h", "--help")) {
            print_usage(stdout);
            return 0;
        }
    }
    if (!parse_arguments(argc, argv, &arguments)) {
        return 1;
    }
    if (strcmp(argv[1], "random-uuid") == 0) {
        struct uuid id;
        char text[UUID_TEXT_BYTES];
        id = io_random_uuid();
        printf("%s\n", uuid_format(id, text));
        return 0;
    }
    if (strcmp(argv[1], "format") == 0 || strcmp(argv[1], "info") == 0) {
        return run_with_config(&arguments, argv[1][0] == 'f');
    }
    if (strcmp(argv[1], "version-mapping") == 0) {
        return storage_print_versions(arguments.release);
    }
    if (strcmp(argv[1], "feature-dependencies") == 0) {
        return storage_print_dependencies(arguments.features, arguments.feature_count);
    }
    print_usage(stderr);
    return storage_fail("storage: error: invalid choice: '%s'", argv[1]);
}
