/* `barnabas storage`: as kafka-storage.sh. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "broker/config.h"
#include "io/system.h"
#include "log/log_dir.h"
#include "node/commands.h"
#include "node/storage_format.h"
#include "node/storage_scram.h"
#include "tools/argparse.h"

#define VOTERS_MAX 64
#define FEATURES_MAX 16
#define SCRAM_MAX 64
#define SCRAM_ARENA_BYTES_MAX (1u << 20)
#define SCRAM_METADATA_VERSION 11 /* 3.5-IV2 */

#define HELP_OPTION                                                                                \
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."},                                     \
    {NULL, 0, ARGS_FLAG, NULL, NULL}
#define CONFIG_OPTION                                                                              \
    {"config", 'c', ARGS_VALUE, "CONFIG", "The properties file of the node."}

static const struct args_option help_options[] = {HELP_OPTION};
static const struct args_option info_options[] = {CONFIG_OPTION, HELP_OPTION};
static const struct args_option format_options[] = {
    CONFIG_OPTION,
    {"cluster-id", 't', ARGS_VALUE, "CLUSTER_ID", "The id of the cluster."},
    {"add-scram", 'S', ARGS_VALUE, "ADD_SCRAM", "A SCRAM user to begin with."},
    {"ignore-formatted", 'g', ARGS_FLAG, NULL, "Leave formatted directories as they are."},
    {"release-version", 'r', ARGS_VALUE, "RELEASE_VERSION", "The release to take features from."},
    {"feature", 'f', ARGS_VALUE, "FEATURE", "The level of one feature, as feature=level."},
    {"standalone", 's', ARGS_FLAG, NULL, "This controller alone is the quorum."},
    {"no-initial-controllers", 'N', ARGS_FLAG, NULL, "This node joins a quorum later."},
    {"initial-controllers", 'I', ARGS_VALUE, "INITIAL_CONTROLLERS",
     "The quorum, as id@host:port:directoryId,..."},
    HELP_OPTION};
static const struct args_option mapping_options[] = {
    {"release-version", 'r', ARGS_VALUE, "RELEASE_VERSION", "The release to look up."},
    HELP_OPTION};
static const struct args_option dependency_options[] = {
    {"feature", 'f', ARGS_VALUE, "FEATURE", "feature=level to look up; may be repeated."},
    HELP_OPTION};
static const char *const info_required[] = {"config", NULL};
static const char *const format_required[] = {"config", "cluster-id", NULL};
static const char *const format_quorums[] = {"standalone", "no-initial-controllers",
                                             "initial-controllers", NULL};
static const char *const dependency_required[] = {"feature", NULL};

enum storage_action { INFO, FORMAT, MAPPING, DEPENDENCIES, RANDOM_UUID };
static const struct argparse_command commands[] = {
    [INFO] = {.name = "info", .help = "Show what the log directories of a node hold.",
              .options = info_options, .required = info_required},
    [FORMAT] = {.name = "format", .help = "Make the log directories of a node usable.",
                .options = format_options, .required = format_required,
                .one_of = format_quorums},
    [MAPPING] = {.name = "version-mapping", .help = "Show the levels that a release comes with.",
                 .options = mapping_options},
    [DEPENDENCIES] = {.name = "feature-dependencies", .help = "Show what a level needs.",
                      .options = dependency_options, .required = dependency_required},
    [RANDOM_UUID] = {.name = "random-uuid", .help = "Print a new cluster id.",
                     .options = help_options},
};
static const struct argparse parser = {
    .program = "kafka-storage",
    .description = "The Kafka storage tool.",
    .tool = {.options = help_options},
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};

static int storage_fail(const char *format, const char *detail)
{
    fprintf(stderr, format, detail);
    fputc('\n', stderr);
    return 1;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int32_t storage_directories(const struct config *config, const char **directories)
{
    int32_t count = 0;
    for (int32_t i = 0;
         i <= config_log_directory_count(config) && count < STORAGE_DIRECTORIES_MAX; i++) {
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

static bool parse_int(const char *text, long min, long max, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    return *end == '\0' && end != text && *number >= min && *number <= max;
}

static const char *voter_fail(struct err_message *message, const char *format, long number)
{
    err_set(message, ERR_INVALID, format, number);
    return message->text;
}

/* The host of "host:9093:directoryid", cut off in place; an IPv6 host is in brackets. */
static const char *parse_host(char *text, char **colon, struct string_view *host)
{
    char *end = text;
    if (*text == '[') {
        end = strchr(++text, ']');
        if (end == NULL) {
            return "Hostname began with left bracket, but no right bracket was found.";
        }
        *end++ = '\0';
        if (*end != ':') {
            return "Port section must start with a colon.";
        }
    }
    *colon = strchr(end, ':');
    if (*colon == NULL) {
        return "No colon following hostname could be found.";
    }
    **colon = '\0';
    *host = string_view_of(text);
    return NULL;
}

/* "1@host:9093:directoryid". NULL, or what is wrong with it. */
static const char *parse_voter(char *text, struct storage_voter *voter, struct err_message *message)
{
    long number;
    char *port;
    char *at = strchr(text, '@');
    if (at == NULL) {
        return "No @ found in dynamic voter string.";
    }
    *at = '\0';
    if (!parse_int(text, INT32_MIN, INT32_MAX, &number)) {
        return "Failed to parse node id in dynamic voter string.";
    }
    if (number < 0) {
        return voter_fail(message, "Invalid negative node id %ld in dynamic voter string.", number);
    }
    voter->id = (int32_t)number;
    const char *wrong = parse_host(at + 1, &port, &voter->host);
    if (wrong != NULL) {
        return wrong;
    }
    char *last = strchr(++port, ':');
    if (last == NULL) {
        return "No colon following port could be found.";
    }
    *last = '\0';
    if (!parse_int(port, INT32_MIN, INT32_MAX, &number)) {
        return "Failed to parse port in dynamic voter string.";
    }
    if (number < 0 || number > UINT16_MAX) {
        return voter_fail(message, "Invalid port %ld in dynamic voter string.", number);
    }
    voter->port = (uint16_t)number;
    return uuid_parse(string_view_of(last + 1), &voter->directory_id) == 0
               ? NULL : "Failed to parse directory ID in dynamic voter string.";
}

static const char *parse_voters(char *text, struct storage_voter *voters, int32_t *count,
                                struct err_message *message)
{
    if (text[strspn(text, ",")] == '\0') {
        return "No voters given.";
    }
    /* Commas behind the last one count for nothing. */
    for (char *next = text; next != NULL && next[strspn(next, ",")] != '\0';) {
        char *voter = next;
        next = strchr(voter, ',');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (*count == VOTERS_MAX) {
            return "There are too many voters.";
        }
        const char *wrong = parse_voter(voter, &voters[*count], message);
        if (wrong != NULL) {
            return wrong;
        }
        for (int32_t i = 0; i < *count; i++) {
            if (voters[i].id == voters[*count].id) {
                return voter_fail(message, "Node id %ld was specified more than once.",
                                  voters[i].id);
            }
        }
        ++*count;
    }
    return NULL;
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

/* Which quorum the flags and the configuration mean: NULL, or a line that says what is wrong. */
static const char *choose_quorum(const struct args *args, const struct config *config,
                                 enum storage_quorum *quorum)
{
    bool standalone = args_has(args, "standalone");
    bool voters = args_has(args, "initial-controllers");
    bool none = args_has(args, "no-initial-controllers");
    bool has_static = config_string(config, "controller.quorum.voters").size > 0;
    if (has_static && (standalone || voters)) {
        return "You cannot specify controller.quorum.voters and format the node with "
               "--initial-controllers or --standalone. If you want to use dynamic quorum, please "
               "remove controller.quorum.voters and specify controller.quorum.bootstrap.servers "
               "instead.";
    }
    if (standalone && !config_is_controller(config)) {
        return "You can only use --standalone on a controller.";
    }
    if (!standalone && !voters && !none && !has_static && config_is_controller(config)) {
        return "Because controller.quorum.voters is not set on this controller, you must specify "
               "one of the following: --standalone, --initial-controllers, or "
               "--no-initial-controllers.";
    }
    *quorum = standalone   ? STORAGE_STANDALONE
              : voters     ? STORAGE_VOTERS
              : has_static ? STORAGE_STATIC
                           : STORAGE_NO_VOTERS;
    return NULL;
}

/* 0 is that of static voters, 1 that of others; tells what is wrong. */
static bool check_kraft_version(int16_t level, bool is_static)
{
    if (level == 0 && !is_static) {
        storage_fail("%s", "Cannot set kraft.version to 0 if controller.quorum.voters is empty and "
                           "one of the flags --standalone, --initial-controllers, or "
                           "--no-initial-controllers is used. For dynamic controllers support, try "
                           "removing the --feature flag for kraft.version.");
    } else if (level > 0 && is_static) {
        storage_fail("%s", "Cannot set kraft.version to 1 unless controller.quorum.voters is empty "
                           "and one of the flags --standalone, --initial-controllers, or "
                           "--no-initial-controllers is used. For dynamic controllers support, try "
                           "using one of --standalone, --initial-controllers, or "
                           "--no-initial-controllers and removing controller.quorum.voters.");
    }
    return (level == 0) == is_static;
}

/* Whether a feature may be set to the level asked for; tells what is wrong. */
static bool check_feature(const struct storage_format_options *options,
                          const struct feature_asked *asked, int16_t latest)
{
    int16_t max = feature_level_max(asked->name);
    const char *name;
    int16_t level;
    char text[METADATA_VERSION_BYTES];
    if (string_view_is(asked->name, "metadata.version")) {
        bool known = asked->level >= METADATA_VERSION_MIN &&
                     asked->level <= METADATA_VERSION_UNSTABLE;
        if (!known) {
            fprintf(stderr, "No MetadataVersion with feature level %d. Valid feature levels are "
                            "from %d to %d.\n",
                    asked->level, METADATA_VERSION_MIN, METADATA_VERSION_UNSTABLE);
        } else if (asked->level > latest) {
            fprintf(stderr, "metadata.version %s is not yet stable.\n",
                    feature_version_name(asked->level, text));
        }
        return known && asked->level <= latest;
    }
    if (max < 0) {
        fprintf(stderr, "Unsupported feature: %.*s. Supported features are: ",
                (int)asked->name.size, asked->name.data);
        for (size_t i = 0; (name = feature_implied(i, METADATA_VERSION_LATEST, &level)); i++) {
            fprintf(stderr, "%s%s", i > 0 ? ", " : "", name);
        }
        fputc('\n', stderr);
        return false;
    }
    if (asked->level < 0 || asked->level > max) {
        fprintf(stderr, "No feature:%.*s with feature level %d\n", (int)asked->name.size,
                asked->name.data, asked->level);
        return false;
    }
    bool is_kraft = string_view_is(asked->name, "kraft.version");
    return !is_kraft || check_kraft_version(asked->level, options->quorum == STORAGE_STATIC);
}

/* Whether the metadata.version is one that all features can be with; tells what is wrong. */
static bool check_dependencies(const struct storage_format_options *options)
{
    for (int32_t i = 0; i < options->feature_count; i++) {
        const struct feature_asked *asked = &options->features[i];
        int16_t needed = feature_needs(asked);
        if (options->metadata_version < needed) {
            fprintf(stderr, "%.*s could not be set to %d because it depends on metadata.version "
                            "level %d\n",
                    (int)asked->name.size, asked->name.data, asked->level, needed);
            return false;
        }
    }
    return true;
}

/* The features asked for, and the metadata.version by release or as one of them. */
static bool choose_features(const struct args *args, const struct config *config,
                            struct storage_format_options *options,
                            struct feature_asked features[FEATURES_MAX])
{
    bool unstable = config_boolean(config, "unstable.feature.versions.enable");
    int16_t latest = unstable ? METADATA_VERSION_UNSTABLE : METADATA_VERSION_LATEST;
    const char *release = args_value(args, "release-version");
    const char *text;
    options->metadata_version = latest;
    options->features = features;
    if (release != NULL && !feature_version_parse(release, latest, &options->metadata_version)) {
        feature_version_unknown(release, latest);
        return false;
    }
    while ((text = args_nth(args, "feature", (size_t)options->feature_count)) != NULL) {
        char wrong[FEATURE_TEXT_BYTES] = "There are too many features.";
        struct feature_asked *asked = &features[options->feature_count];
        if (options->feature_count == FEATURES_MAX || !feature_parse(text, asked, wrong)) {
            storage_fail("%s", wrong);
            return false;
        }
        if (string_view_is(asked->name, "metadata.version") && release != NULL) {
            storage_fail("%s", "Use --release-version instead of --feature metadata.version=X to "
                               "avoid ambiguity.");
            return false;
        }
        if (!check_feature(options, asked, latest)) {
            return false;
        }
        if (string_view_is(asked->name, "metadata.version")) {
            options->metadata_version = asked->level;
        }
        options->feature_count++;
    }
    return check_dependencies(options);
}

struct formatting_context {
    const struct storage_format_options *options;
    int32_t formatted;
};

static void print_bootstrap(const struct storage_format_options *options)
{
    size_t at = 0;
    const char *name;
    int16_t level;
    printf("Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion("
           "FeatureLevelRecord(name='metadata.version', featureLevel=%d) at version 0)",
           options->metadata_version);
    while ((name = storage_bootstrap_feature(options, &at, &level)) != NULL) {
        printf(", ApiMessageAndVersion(FeatureLevelRecord(name='%s', featureLevel=%d) at version "
               "0)", name, level);
    }
    for (int32_t i = 0; i < options->scram_count; i++) {
        printf(", ApiMessageAndVersion(");
        storage_scram_print(&options->scram[i]);
        printf(" at version 0)");
    }
    printf("], metadataVersionLevel=%d, source=format command)\n", options->metadata_version);
}

static void print_formatting(void *context, const char *kind, const char *directory)
{
    struct formatting_context *formatting = context;
    char version[METADATA_VERSION_BYTES];
    if (formatting->formatted++ == 0) {
        print_bootstrap(formatting->options);
    }
    printf("Formatting %s %s with metadata.version %s.\n", kind, directory,
           feature_version_name(formatting->options->metadata_version, version));
}

/* The voters that the flags mean; text is a copy that they borrow from. */
static const char *choose_voters(char *text, const struct config *config,
                                 struct storage_format_options *options,
                                 struct storage_voter voters[VOTERS_MAX],
                                 struct err_message *message)
{
    options->voters = voters;
    if (options->quorum == STORAGE_STANDALONE) {
        own_voter(config, &voters[options->voter_count++]);
    }
    return text != NULL ? parse_voters(text, voters, &options->voter_count, message) : NULL;
}

static int format_with(const struct args *args, const struct config *config,
                       struct storage_format_options *options)
{
    struct err_message message = {{0}};
    struct arena arena;
    int32_t names = 0;
    const char *directories[STORAGE_DIRECTORIES_MAX];
    struct formatting_context formatting = {options, 0};
    arena_init(&arena, 1 << 20);
    struct string_view *listeners =
        config_list(config, "controller.listener.names", &arena, &names);
    options->directories = directories;
    options->directory_count = storage_directories(config, directories);
    options->metadata_directory = config_metadata_directory(config);
    options->cluster_id = string_view_of(args_value(args, "cluster-id"));
    options->node_id = config_node_id(config);
    options->controller_listener = names > 0 ? listeners[0] : string_view_of("CONTROLLER");
    options->ignore_formatted = args_has(args, "ignore-formatted");
    options->now_ms = io_wall_ms();
    options->formatting = print_formatting;
    options->context = &formatting;
    int error = storage_format(options, &message);
    if (error != 0) {
        storage_fail("%s", message.text);
    } else if (formatting.formatted == 0) {
        printf("All of the log directories are already formatted.\n");
    }
    arena_release(&arena);
    return error == 0 ? 0 : 1;
}

/* The users to begin with, in arena. */
static bool choose_scram(const struct args *args, struct arena *arena,
                         struct storage_format_options *options)
{
    struct user_scram_credential_record *users = arena_array(arena, SCRAM_MAX, sizeof *users);
    struct err_message message = {{0}};
    const char *text;
    options->scram = users;
    while ((text = args_nth(args, "add-scram", (size_t)options->scram_count)) != NULL) {
        if (users == NULL || options->scram_count == SCRAM_MAX) {
            storage_fail("%s", "There are too many SCRAM users.");
            return false;
        }
        if (storage_scram_parse(arena, text, &users[options->scram_count], &message) != 0) {
            storage_fail("%s", message.text);
            return false;
        }
        options->scram_count++;
    }
    if (options->scram_count > 0 && options->metadata_version < SCRAM_METADATA_VERSION) {
        storage_fail("%s", "SCRAM is only supported in metadata.version 3.5-IV2 or later.");
        return false;
    }
    return true;
}

static int run_format(const struct args *args, const struct config *config)
{
    struct io_fs fs = io_fs_linux();
    struct arena arena;
    struct storage_voter voters[VOTERS_MAX];
    struct feature_asked features[FEATURES_MAX];
    struct storage_format_options options = {.fs = &fs};
    struct err_message message = {{0}};
    const char *given = args_value(args, "initial-controllers");
    char *text = given == NULL ? NULL : mem_strndup(given, strlen(given));
    const char *wrong = choose_quorum(args, config, &options.quorum);
    wrong = wrong == NULL ? choose_voters(text, config, &options, voters, &message) : wrong;
    int status = 1;
    arena_init(&arena, SCRAM_ARENA_BYTES_MAX);
    if (wrong != NULL) {
        storage_fail("%s", wrong);
    } else if (choose_features(args, config, &options, features) &&
               choose_scram(args, &arena, &options)) {
        status = format_with(args, config, &options);
    }
    arena_release(&arena);
    mem_free(text);
    return status;
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
    const char *directories[STORAGE_DIRECTORIES_MAX];
    const char *found[STORAGE_DIRECTORIES_MAX];
    const char *problems[STORAGE_DIRECTORIES_MAX];
    static struct err_message messages[STORAGE_DIRECTORIES_MAX];
    struct log_dir_properties first = {.node_id = -1};
    int32_t count = storage_directories(config, directories);
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
        bool exists = access(directories[i], F_OK) == 0;
        err_set(message, 0, error != ERR_NOT_FOUND ? "%s is damaged."
                            : exists               ? "%s is not formatted."
                                                   : "%s does not exist",
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

static int run_with_config(const struct args *args, bool format)
{
    struct io_fs fs = io_fs_linux();
    struct config *config = NULL;
    struct err_message message = {{0}};
    const char *path = args_value(args, "config");
    int status = 1;
    if (access(path, F_OK) != 0) {
        storage_fail("java.nio.file.NoSuchFileException: %s", path);
    } else if (config_open(&fs, path, NULL, 0, &config, &message) != 0) {
        storage_fail("%s", message.text);
    } else {
        status = format ? run_format(args, config) : run_info(config);
    }
    config_close(&config);
    return status;
}

static int run_dependencies(const struct args *args)
{
    const char *text;
    int status = 0;
    for (size_t i = 0; status == 0 && (text = args_nth(args, "feature", i)) != NULL; i++) {
        struct feature_asked asked;
        char wrong[FEATURE_TEXT_BYTES];
        const char *equals = strchr(text, '=');
        if (equals == NULL) {
            status = storage_fail("Invalid feature format: %s. Expected format: 'feature=version' "
                                  "(e.g. 'group.version=1')", text);
        } else if (!feature_parse(text, &asked, wrong)) {
            fprintf(stderr, "Invalid version format: %s for feature %.*s\n", equals + 1,
                    (int)(equals - text), text);
            status = 1;
        } else {
            status = feature_print_dependencies(&asked);
        }
    }
    return status;
}

int storage_command(int argc, char **argv)
{
    struct args global;
    struct args args;
    size_t action;
    char text[UUID_TEXT_BYTES];
    int status = argparse_start(&parser, &global, &args, &action, argc, argv);
    if (status >= 0) {
        return status;
    }
    switch ((enum storage_action)action) {
    case INFO:
    case FORMAT:
        return run_with_config(&args, action == FORMAT);
    case MAPPING:
        return feature_print_versions(args_value(&args, "release-version"));
    case DEPENDENCIES:
        return run_dependencies(&args);
    case RANDOM_UUID:
        printf("%s\n", uuid_format(io_random_uuid(), text));
        return 0;
    }
    return 1;
}
