/* features.c: kafka-features: describe feature levels and change them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/argparse.h"
#include "tools/common.h"
#include "tools/feature_versions.h"
#include "tools/tools.h"

#define FEATURE_WIDTH 42
#define VERSION_WIDTH 17
#define UPDATES_MAX 64

#define HELP_OPTION                                                                                \
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."},                                     \
    {NULL, 0, ARGS_FLAG, NULL, NULL}
#define RELEASE_OPTION                                                                             \
    {"release-version", 0, ARGS_VALUE, "RELEASE_VERSION", "A release, which sets all features."}
#define DRY_RUN_OPTION                                                                             \
    {"dry-run", 0, ARGS_FLAG, NULL, "Check the change, do not make it."}
#define UNSAFE_OPTION                                                                              \
    {"unsafe", 0, ARGS_FLAG, NULL, "Go down even if that loses metadata."}

static const struct args_option tool_options[] = {
    {"command-config", 0, ARGS_VALUE, "COMMAND_CONFIG", "A properties file for the admin client."},
    {"bootstrap-server", 0, ARGS_VALUE, "BOOTSTRAP_SERVER", "host:port pairs of brokers."},
    {"bootstrap-controller", 0, ARGS_VALUE, "BOOTSTRAP_CONTROLLER",
     "host:port pairs of controllers."},
    HELP_OPTION};
static const struct args_option describe_options[] = {
    {"node-id", 0, ARGS_VALUE, "NODE_ID", "The node to ask; any one without it."}, HELP_OPTION};
static const struct args_option upgrade_options[] = {
    {"metadata", 0, ARGS_VALUE, "METADATA", "DEPRECATED: the metadata.version to go up to."},
    RELEASE_OPTION,
    {"feature", 0, ARGS_VALUE, "FEATURE", "feature=level to go up to; may be repeated."},
    DRY_RUN_OPTION, HELP_OPTION};
static const struct args_option downgrade_options[] = {
    {"metadata", 0, ARGS_VALUE, "METADATA", "DEPRECATED: the metadata.version to go down to."},
    RELEASE_OPTION,
    {"feature", 0, ARGS_VALUE, "FEATURE", "feature=level to go down to; may be repeated."},
    UNSAFE_OPTION, DRY_RUN_OPTION, HELP_OPTION};
static const struct args_option disable_options[] = {
    {"feature", 0, ARGS_VALUE, "FEATURE", "A feature to set to 0; may be repeated."},
    UNSAFE_OPTION, DRY_RUN_OPTION, HELP_OPTION};
static const struct args_option mapping_options[] = {RELEASE_OPTION, HELP_OPTION};
static const struct args_option dependency_options[] = {
    {"feature", 0, ARGS_VALUE, "FEATURE", "feature=level to look up; may be repeated."},
    HELP_OPTION};
static const char *const ends[] = {"bootstrap-server", "bootstrap-controller", NULL};
static const char *const node_ids[] = {"node-id", NULL};
static const char *const feature_needed[] = {"feature", NULL};

enum features_action { DESCRIBE, UPGRADE, DOWNGRADE, DISABLE, MAPPING, DEPENDENCIES };
static const struct argparse_command commands[] = {
    [DESCRIBE] = {.name = "describe", .help = "Show the features and their levels.",
                  .options = describe_options, .integers = node_ids},
    [UPGRADE] = {.name = "upgrade", .help = "Raise features.", .options = upgrade_options},
    [DOWNGRADE] = {.name = "downgrade", .help = "Lower features.", .options = downgrade_options},
    [DISABLE] = {.name = "disable", .help = "Set features to 0.", .options = disable_options},
    [MAPPING] = {.name = "version-mapping", .help = "Show the levels that a release comes with.",
                 .options = mapping_options},
    [DEPENDENCIES] = {.name = "feature-dependencies", .help = "Show what a level needs.",
                      .options = dependency_options, .required = feature_needed},
};
static const struct argparse parser = {
    .program = "kafka-features",
    .description = "This tool manages feature flags in Kafka.",
    .tool = {.options = tool_options, .one_of = ends},
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
    .is_terse = true,
};

struct features_run {
    struct args global;
    struct args args;
    size_t action;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    struct bnb_feature_update updates[UPDATES_MAX];
    int32_t update_count;
    char *names[UPDATES_MAX]; /* of the updates; NULL: not ours to free */
};

static int features_fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

static const char *features_level(const char *feature, int16_t level,
                                  char text[METADATA_VERSION_BYTES])
{
    if (strcmp(feature, "metadata.version") == 0) {
        return feature_version_name(level, text);
    }
    snprintf(text, METADATA_VERSION_BYTES, "%d", level);
    return text;
}

static int features_describe(struct features_run *run)
{
    struct bnb_error error;
    struct bnb_node_versions versions;
    int64_t node_id;
    (void)args_number(&run->args, "node-id", BNB_NODE_ANY, &node_id);
    if (bnb_admin_api_versions(run->admin, run->memory, (int32_t)node_id, &versions, &error) != 0) {
        return features_fail(error.text);
    }
    for (int32_t i = 0; i < versions.feature_count; i++) {
        const struct bnb_feature *feature = &versions.features[i];
        char min[METADATA_VERSION_BYTES];
        char max[METADATA_VERSION_BYTES];
        char finalized[METADATA_VERSION_BYTES];
        printf("Feature: %-*sSupportedMinVersion: %-*sSupportedMaxVersion: %-*s"
               "FinalizedVersionLevel: %-*sEpoch: ",
               FEATURE_WIDTH, feature->name, VERSION_WIDTH,
               features_level(feature->name, feature->min_supported, min), VERSION_WIDTH,
               features_level(feature->name, feature->max_supported, max), VERSION_WIDTH,
               features_level(feature->name, feature->finalized, finalized));
        if (versions.features_epoch >= 0) {
            printf("%lld\n", (long long)versions.features_epoch);
        } else {
            printf("-\n");
        }
    }
    return 0;
}

/* ---- changes ---- */

static int features_by_name(const void *a, const void *b)
{
    return strcmp(((const struct bnb_feature_update *)a)->name,
                  ((const struct bnb_feature_update *)b)->name);
}

static int features_add(struct features_run *run, const char *name, size_t size, int16_t level)
{
    int8_t type = run->action == UPGRADE                ? BNB_FEATURE_UPGRADE
                  : args_has(&run->args, "unsafe")      ? BNB_FEATURE_UNSAFE_DOWNGRADE
                                                        : BNB_FEATURE_SAFE_DOWNGRADE;
    char *copy = mem_strndup(name, size);
    if (copy == NULL || run->update_count == UPDATES_MAX) {
        mem_free(copy);
        return features_fail("too many features");
    }
    for (int32_t i = 0; i < run->update_count; i++) {
        if (strcmp(run->updates[i].name, copy) == 0) {
            fprintf(stderr, "Feature %s was specified more than once.\n", copy);
            mem_free(copy);
            return 1;
        }
    }
    run->names[run->update_count] = copy;
    run->updates[run->update_count++] = (struct bnb_feature_update){copy, level, type};
    return 0;
}

/* The levels that --release-version or --metadata mean. */
static int features_from_version(struct features_run *run, const char *release, bool all)
{
    int16_t level;
    if (!feature_version_parse(release, METADATA_VERSION_UNSTABLE, &level)) {
        return feature_version_unknown(release, METADATA_VERSION_UNSTABLE);
    }
    int status = features_add(run, "metadata.version", strlen("metadata.version"), level);
    const char *name;
    int16_t implied;
    for (size_t i = 0; all && status == 0 && (name = feature_implied(i, level, &implied)); i++) {
        status = features_add(run, name, strlen(name), implied);
    }
    return status;
}

static int features_collect(struct features_run *run)
{
    const char *release = args_value(&run->args, "release-version");
    const char *metadata = args_value(&run->args, "metadata");
    const char *text;
    int status = 0;
    if (release != NULL) {
        return metadata != NULL || args_has(&run->args, "feature")
                   ? features_fail("Can not specify `release-version` with other feature flags.")
                   : features_from_version(run, release, true);
    }
    if (metadata != NULL) {
        printf(" `metadata` flag is deprecated and may be removed in a future release.\n");
        status = features_from_version(run, metadata, false);
    }
    for (size_t i = 0; status == 0 && (text = args_nth(&run->args, "feature", i)) != NULL; i++) {
        struct feature_asked asked = {{text, strlen(text)}, 0};
        char wrong[FEATURE_TEXT_BYTES];
        if (run->action != DISABLE && !feature_parse(text, &asked, wrong)) {
            return features_fail(wrong);
        }
        status = features_add(run, asked.name.data, asked.name.size, asked.level);
    }
    if (status == 0 && run->update_count == 0) {
        fprintf(stderr, "You must specify at least one feature to %s\n",
                commands[run->action].name);
        return 1;
    }
    return status;
}

static int features_change(struct features_run *run)
{
    bool dry_run = args_has(&run->args, "dry-run");
    const char *verb = commands[run->action].name;
    const char *done = run->action == DISABLE ? "disabled" : run->action == UPGRADE ? "upgraded"
                                                                                   : "downgraded";
    struct bnb_error error = {0, ""};
    if (features_collect(run) != 0) {
        return 1;
    }
    qsort(run->updates, (size_t)run->update_count, sizeof *run->updates, features_by_name);
    int result = bnb_admin_update_features(run->admin, run->updates, run->update_count, dry_run,
                                           &error);
    for (int32_t i = 0; i < run->update_count; i++) {
        const struct bnb_feature_update *update = &run->updates[i];
        char level[16] = "";
        if (run->action != DISABLE) {
            snprintf(level, sizeof level, " to %d", update->level);
        }
        if (result != 0) {
            printf("%s %s %s%s. %s\n", run->action == UPGRADE ? "Could not" : "Can not", verb,
                   update->name, level, error.text);
        } else {
            printf("%s %s %s%s.\n", update->name, dry_run ? "can be" : "was", done, level);
        }
    }
    if (result != 0) {
        fflush(stdout);
        fprintf(stderr, "%d out of %d operation(s) failed.\n", run->update_count,
                run->update_count);
    }
    return result != 0;
}

static int features_dependencies(struct features_run *run)
{
    const char *text;
    int status = 0;
    for (size_t i = 0; status == 0 && (text = args_nth(&run->args, "feature", i)) != NULL; i++) {
        struct feature_asked asked;
        char wrong[FEATURE_TEXT_BYTES];
        status = feature_parse(text, &asked, wrong) ? feature_print_dependencies(&asked)
                                                    : features_fail(wrong);
    }
    return status;
}

static int features_run(void *context, struct bnb_admin *admin, struct bnb_memory *memory)
{
    struct features_run *run = context;
    run->admin = admin;
    run->memory = memory;
    switch ((enum features_action)run->action) {
    case DESCRIBE:
        return features_describe(run);
    case UPGRADE:
    case DOWNGRADE:
    case DISABLE:
        return features_change(run);
    case MAPPING:
        return feature_print_versions(args_value(&run->args, "release-version"));
    case DEPENDENCIES:
        return features_dependencies(run);
    }
    return 1;
}

int tool_features(int argc, char **argv)
{
    struct features_run run = {.admin = NULL};
    int status = argparse_start(&parser, &run.global, &run.args, &run.action, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (!args_has(&run.global, ends[0]) && !args_has(&run.global, ends[1])) {
        return argparse_mistake(&parser, &parser.tool, "You must specify either "
                                "--bootstrap-controller or --bootstrap-server.");
    }
    status = tools_run_admin(&run.global, args_value(&run.global, "command-config"), features_run,
                             &run);
    for (int32_t i = 0; i < run.update_count; i++) {
        mem_free(run.names[i]);
    }
    return status;
}
