/* features.c: kafka-features describe. */
#include <stdio.h>
#include <string.h>

#include "tools/common.h"
#include "tools/tools.h"

#define LEVEL_FIRST 7
#define FEATURE_WIDTH 42
#define VERSION_WIDTH 17

static const struct args_option features_options[] = {
    {"bootstrap-controller", 0, ARGS_VALUE, "BOOTSTRAP_CONTROLLER",
     "A comma-separated list of host:port pairs of the KRaft quorum controllers."},
    {"bootstrap-server", 0, ARGS_VALUE, "BOOTSTRAP_SERVER",
     "A comma-separated list of host:port pairs of the Kafka cluster."},
    {"command-config", 0, ARGS_VALUE, "COMMAND_CONFIG",
     "Property file containing configs to be passed to Admin Client."},
    {"help", 'h', ARGS_FLAG, NULL, "Show this help message and exit."},
    {"node-id", 0, ARGS_VALUE, "NODE_ID", "The node id to which the request should be sent."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* metadata.version by level, from LEVEL_FIRST on. */
static const char *const metadata_versions[] = {
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
    "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
};

static const char *features_level(const char *feature, int16_t level, char text[32])
{
    size_t count = sizeof metadata_versions / sizeof metadata_versions[0];
    bool named = strcmp(feature, "metadata.version") == 0 && level >= LEVEL_FIRST &&
                 (size_t)(level - LEVEL_FIRST) < count;
    if (named) {
        return metadata_versions[level - LEVEL_FIRST];
    }
    snprintf(text, 32, "%d", level);
    return text;
}

static int features_usage(void)
{
    fprintf(stderr, "usage: kafka-features [-h] (--bootstrap-server BOOTSTRAP_SERVER | "
                    "--bootstrap-controller BOOTSTRAP_CONTROLLER) [--command-config "
                    "COMMAND_CONFIG] {describe} ...\n");
    return 1;
}

static void features_print(const struct bnb_node_versions *versions)
{
    for (int32_t i = 0; i < versions->feature_count; i++) {
        const struct bnb_feature *feature = &versions->features[i];
        char min[32];
        char max[32];
        char finalized[32];
        printf("Feature: %-*sSupportedMinVersion: %-*sSupportedMaxVersion: %-*s"
               "FinalizedVersionLevel: %-*sEpoch: ",
               FEATURE_WIDTH, feature->name, VERSION_WIDTH,
               features_level(feature->name, feature->min_supported, min), VERSION_WIDTH,
               features_level(feature->name, feature->max_supported, max), VERSION_WIDTH,
               features_level(feature->name, feature->finalized, finalized));
        if (versions->features_epoch >= 0) {
            printf("%lld\n", (long long)versions->features_epoch);
        } else {
            printf("-\n");
        }
    }
}

int tool_features(int argc, char **argv)
{
    struct args args;
    struct bnb_error error;
    struct bnb_node_versions versions;
    int64_t node_id;
    if (args_parse(&args, features_options, argc, argv) != 0) {
        fprintf(stderr, "kafka-features: error: %s\n", args.error);
        return features_usage();
    }
    const char *action = args_word(&args, 0);
    bool one_end = args_has(&args, "bootstrap-server") != args_has(&args, "bootstrap-controller");
    if (action == NULL || args_has(&args, "help") || !one_end) {
        return features_usage();
    }
    if (strcmp(action, "describe") != 0) {
        fprintf(stderr, "%s is not supported yet\n", action);
        return 1;
    }
    if (args_number(&args, "node-id", BNB_NODE_ANY, &node_id) != 0) {
        return 1;
    }
    struct bnb_config *config = tools_config(&args, args_value(&args, "command-config"), NULL);
    struct bnb_admin *admin = NULL;
    if (config == NULL) {
        return 1;
    }
    struct bnb_memory *memory = bnb_memory_create();
    int status = 0;
    if (bnb_admin_create(config, &admin, &error) != 0 ||
        bnb_admin_api_versions(admin, memory, (int32_t)node_id, &versions, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        status = 1;
    } else {
        features_print(&versions);
    }
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
    bnb_config_destroy(&config);
    return status;
}
