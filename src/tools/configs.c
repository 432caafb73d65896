/* configs.c: kafka-configs: describe and alter settings of topics, brokers, groups, client metrics.
 * Users, clients and ips (quotas, SCRAM) come with their APIs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <barnabas/groups.h>

#include "base/mem.h"
#include "tools/common.h"
#include "tools/tools.h"

#define CHANGES_MAX 1024
#define CONFIGS_LATER (-1) /* a kind whose settings are of another API */

static const struct args_option configs_options[] = {
    {"add-config", 0, ARGS_VALUE, "String",
     "Key Value pairs of configs to add. Square brackets can be used to group values which contain "
     "commas: 'k1=v1,k2=[v1,v2,v2],k3=v3'."},
    {"add-config-file", 0, ARGS_VALUE, "String",
     "Path to a properties file with configs to add."},
    {"all", 0, ARGS_FLAG, NULL, "List all configs for the given entity (includes static "
     "configuration when available)."},
    {"alter", 0, ARGS_FLAG, NULL, "Alter the configuration for the entity."},
    {"bootstrap-controller", 0, ARGS_VALUE, "String: controller to connect to",
     "The Kafka controllers to connect to."},
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "The Kafka servers to connect to."},
    {"broker", 0, ARGS_VALUE, "String", "The broker's ID."},
    {"broker-defaults", 0, ARGS_FLAG, NULL, "The config defaults for all brokers."},
    {"broker-logger", 0, ARGS_VALUE, "String", "The broker's ID for its logger config."},
    {"client", 0, ARGS_VALUE, "String", "The client's ID."},
    {"client-defaults", 0, ARGS_FLAG, NULL, "The config defaults for all clients."},
    {"client-metrics", 0, ARGS_VALUE, "String", "The client metrics config resource name."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file",
     "Property file containing configs to be passed to Admin Client."},
    {"delete-config", 0, ARGS_VALUE, "String", "config keys to remove 'k1,k2'"},
    {"describe", 0, ARGS_FLAG, NULL, "List configs for the given entity."},
    {"entity-default", 0, ARGS_FLAG, NULL, "Default entity name for clients/users/brokers/ips."},
    {"entity-name", 0, ARGS_VALUE, "String", "Name of entity."},
    {"entity-type", 0, ARGS_VALUE, "String",
     "Type of entity (topics/clients/users/brokers/broker-loggers/ips/client-metrics/groups)."},
    {"group", 0, ARGS_VALUE, "String", "The group's ID."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"ip", 0, ARGS_VALUE, "String", "The IP address."},
    {"ip-defaults", 0, ARGS_FLAG, NULL, "The config defaults for all IPs."},
    {"topic", 0, ARGS_VALUE, "String", "The topic's name."},
    {"user", 0, ARGS_VALUE, "String", "The user's principal name."},
    {"user-defaults", 0, ARGS_FLAG, NULL, "The config defaults for all users."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* One row a kind of entity: its plural, the short flag, the resource, where its own values live. */
static const struct configs_kind {
    const char *plural;
    const char *singular;
    const char *flag;
    const char *defaults_flag;
    int8_t resource_type;
    int8_t own_source;
} configs_kinds[] = {
    {"topics", "topic", "topic", NULL, BNB_RESOURCE_TOPIC, BNB_SOURCE_DYNAMIC_TOPIC},
    {"clients", "client", "client", "client-defaults", CONFIGS_LATER, BNB_SOURCE_UNKNOWN},
    {"users", "user", "user", "user-defaults", CONFIGS_LATER, BNB_SOURCE_UNKNOWN},
    {"brokers", "broker", "broker", "broker-defaults", BNB_RESOURCE_BROKER,
     BNB_SOURCE_DYNAMIC_BROKER},
    {"ips", "ip", "ip", "ip-defaults", CONFIGS_LATER, BNB_SOURCE_UNKNOWN},
    {"client-metrics", "client-metric", "client-metrics", NULL, BNB_RESOURCE_CLIENT_METRICS,
     BNB_SOURCE_CLIENT_METRICS},
    {"groups", "group", "group", NULL, BNB_RESOURCE_GROUP, BNB_SOURCE_GROUP},
    {"broker-loggers", "broker-logger", "broker-logger", NULL, BNB_RESOURCE_BROKER_LOGGER,
     BNB_SOURCE_UNKNOWN},
};
#define KIND_COUNT (sizeof configs_kinds / sizeof configs_kinds[0])

struct configs_run {
    struct args args;
    int argc;
    char **argv;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    const struct configs_kind *kind;
    const char *name; /* NULL: every one; "": the default */
};

static void configs_tell_arguments(const struct configs_run *run)
{
    fprintf(stderr, "Error while executing config command with args '");
    for (int i = 1; i < run->argc; i++) {
        fprintf(stderr, "%s%s", i > 1 ? " " : "", run->argv[i]);
    }
    fprintf(stderr, "'\n");
}

/* A failure that is not the user's typing. */
static int configs_fail(const struct configs_run *run, int code, const char *text)
{
    configs_tell_arguments(run);
    fprintf(stderr, "org.apache.kafka.common.errors.%s: %s\n", tools_exception(code), text);
    return 1;
}

/* A mistake in the typing: one line. */
static int configs_wrong(const char *format, const char *detail)
{
    fprintf(stderr, format, detail);
    fputc('\n', stderr);
    return 1;
}

/* ---- describe ---- */

static const char *configs_source(int8_t source)
{
    static const char *const names[] = {
        "UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG",
        "DYNAMIC_DEFAULT_BROKER_CONFIG", "STATIC_BROKER_CONFIG", "DEFAULT_CONFIG",
        "DYNAMIC_BROKER_LOGGER_CONFIG", "DYNAMIC_CLIENT_METRICS_CONFIG", "DYNAMIC_GROUP_CONFIG"};
    size_t count = sizeof names / sizeof names[0];
    return source >= 0 && (size_t)source < count ? names[source] : "UNKNOWN";
}

static void configs_print_setting(const struct bnb_described_setting *setting)
{
    printf("  %s=%s sensitive=%s synonyms={", setting->name,
           setting->value != NULL ? setting->value : "null",
           setting->is_sensitive ? "true" : "false");
    for (int32_t i = 0; i < setting->synonym_count; i++) {
        const struct bnb_setting_synonym *synonym = &setting->synonyms[i];
        printf("%s%s:%s=%s", i > 0 ? ", " : "", configs_source(synonym->source), synonym->name,
               synonym->value != NULL ? synonym->value : "null");
    }
    printf("}\n");
}

static int8_t configs_own_source(const struct configs_run *run, const char *name)
{
    bool of_all = run->kind->resource_type == BNB_RESOURCE_BROKER && *name == '\0';
    return of_all ? BNB_SOURCE_DYNAMIC_DEFAULT_BROKER : run->kind->own_source;
}

static int configs_describe_one(struct configs_run *run, const char *name)
{
    struct bnb_resource resource = {run->kind->resource_type, name};
    const struct bnb_described_resource *described;
    struct bnb_error error;
    bool all = args_has(&run->args, "all") ||
               run->kind->resource_type == BNB_RESOURCE_BROKER_LOGGER;
    if (*name == '\0') {
        printf("Default configs for %s in the cluster are:\n", run->kind->plural);
    } else {
        printf("%s configs for %s %s are:\n", args_has(&run->args, "all") ? "All" : "Dynamic",
               run->kind->singular, name);
    }
    int result = bnb_admin_describe_configs(run->admin, run->memory, &resource, 1, true,
                                            &described, &error);
    if (result != 0 || described->code != 0) {
        return configs_fail(run, result != 0 ? result : described->code,
                            result != 0 ? error.text : described->error_text);
    }
    int8_t own = configs_own_source(run, name);
    for (int32_t i = 0; i < described->setting_count; i++) {
        if (all || described->settings[i].source == own) {
            configs_print_setting(&described->settings[i]);
        }
    }
    return 0;
}

static int configs_describe_topics(struct configs_run *run)
{
    const struct bnb_topic *topics;
    int32_t count;
    struct bnb_error error;
    int result = bnb_admin_list_topics(run->admin, run->memory, &topics, &count, &error);
    if (result != 0) {
        return configs_fail(run, result, error.text);
    }
    bool found = false;
    int status = 0;
    for (int32_t i = 0; i < count && status == 0; i++) {
        if (run->name == NULL || strcmp(run->name, topics[i].name) == 0) {
            found = true;
            status = configs_describe_one(run, topics[i].name);
        }
    }
    if (!found && run->name != NULL) {
        printf("The topic '%s' doesn't exist and doesn't have dynamic config.\n", run->name);
    }
    return status;
}

static int configs_describe_brokers(struct configs_run *run)
{
    struct bnb_cluster cluster;
    struct bnb_error error;
    int result = bnb_admin_describe_cluster(run->admin, run->memory, false, &cluster, &error);
    if (result != 0) {
        return configs_fail(run, result, error.text);
    }
    bool found = false;
    int status = 0;
    for (int32_t i = 0; i < cluster.node_count && status == 0; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", cluster.nodes[i].id);
        if (run->name == NULL || strcmp(run->name, id) == 0) {
            found = true;
            status = configs_describe_one(run, id);
        }
    }
    if (status == 0 && run->name == NULL) {
        return configs_describe_one(run, "");
    }
    if (!found) {
        printf("The %s '%s' doesn't exist and doesn't have dynamic config.\n",
               run->kind->singular, run->name);
    }
    return status;
}

/* The names that groups and client metrics go by: those with settings, and of groups all that a
 * coordinator knows. Ends with NULL, and is the caller's (mem_free); NULL after telling why not. */
static const char **configs_names(struct configs_run *run)
{
    const struct bnb_resource *resources;
    const struct bnb_group_listing *groups = NULL;
    const struct bnb_group_filter any = {NULL, NULL};
    struct bnb_error error;
    int32_t count;
    int32_t group_count = 0;
    int result = bnb_admin_list_config_resources(run->admin, run->memory, &run->kind->resource_type,
                                                 1, &resources, &count, &error);
    if (result == 0 && run->kind->resource_type == BNB_RESOURCE_GROUP) {
        result = bnb_admin_list_groups(run->admin, run->memory, &any, &groups, &group_count,
                                       &error);
    }
    if (result != 0) {
        (void)configs_fail(run, result, error.text);
        return NULL;
    }
    const char **names = mem_need((size_t)(count + group_count + 1) * sizeof *names);
    /* Both are sorted. */
    int32_t made = 0;
    for (int32_t i = 0, j = 0; i < count || j < group_count;) {
        int order = i == count ? 1
                    : j == group_count ? -1
                                       : strcmp(resources[i].name, groups[j].id);
        names[made++] = order <= 0 ? resources[i].name : groups[j].id;
        i += order <= 0;
        j += order >= 0;
    }
    names[made] = NULL;
    return names;
}

/* Groups and client metrics. With --all a name need not be known. */
static int configs_describe_named(struct configs_run *run)
{
    if (run->name != NULL && args_has(&run->args, "all")) {
        return configs_describe_one(run, run->name);
    }
    const char **names = configs_names(run);
    if (names == NULL) {
        return 1;
    }
    bool found = false;
    int status = 0;
    for (size_t i = 0; names[i] != NULL && status == 0; i++) {
        if (run->name == NULL || strcmp(run->name, names[i]) == 0) {
            found = true;
            status = configs_describe_one(run, names[i]);
        }
    }
    mem_free(names);
    if (!found && run->name != NULL) {
        printf("The %s '%s' doesn't exist and doesn't have dynamic config.\n",
               run->kind->singular, run->name);
    }
    return status;
}

static int configs_describe(struct configs_run *run)
{
    switch (run->kind->resource_type) {
    case BNB_RESOURCE_TOPIC:
        return configs_describe_topics(run);
    case BNB_RESOURCE_BROKER:
    case BNB_RESOURCE_BROKER_LOGGER:
        return run->name != NULL && *run->name == '\0' ? configs_describe_one(run, "")
                                                       : configs_describe_brokers(run);
    default:
        return configs_describe_named(run);
    }
}

/* ---- alter ---- */

/* Whether what is in front of rest parts it from what was before: not where a bracket closes that
 * none opens. */
static bool configs_parts(const char *rest)
{
    size_t close = strcspn(rest, "]");
    return rest[close] == '\0' || memchr(rest, '[', close) != NULL;
}

/* The next of a character that parts, from text on, or the end. */
static char *configs_next(char *text, char what)
{
    while (*text != '\0' && !(*text == what && configs_parts(text + 1))) {
        text++;
    }
    return text;
}

/* Text without blanks at both ends, cut in place. */
static char *configs_trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) {
        text[--size] = '\0';
    }
    return text;
}

static void configs_drop_brackets(char *text)
{
    char *to = text;
    for (; *text != '\0'; text++) {
        if (*text != '[' && *text != ']') {
            *to++ = *text;
        }
    }
    *to = '\0';
}

/* Adds one, or gives the one of that name another value. */
static int32_t configs_add(struct bnb_setting_change *changes, int32_t count, const char *name,
                           const char *value)
{
    int32_t at = 0;
    while (at < count && strcmp(changes[at].name, name) != 0) {
        at++;
    }
    changes[at] = (struct bnb_setting_change){name, value, BNB_SETTING_SET};
    return at < count ? count : count + 1;
}

/* Cuts "k=v,k=[v1,v2]" into changes, in place. -1: a pair that has not exactly one '='. */
static int32_t configs_cut_pairs(char *text, struct bnb_setting_change *changes, int32_t count)
{
    while (text[strspn(text, ",")] != '\0' && count < CHANGES_MAX) {
        char *end = configs_next(text, ',');
        char *next = *end == ',' ? end + 1 : end;
        *end = '\0';
        char *equals = configs_next(text, '=');
        if (*equals == '\0' || *configs_next(equals + 1, '=') != '\0') {
            return -1;
        }
        *equals = '\0';
        configs_drop_brackets(equals + 1);
        count = configs_add(changes, count, configs_trimmed(text), configs_trimmed(equals + 1));
        text = next;
    }
    return count;
}

static int configs_alter_with(struct configs_run *run, struct bnb_setting_change *changes,
                              int32_t count)
{
    struct bnb_resource resource = {run->kind->resource_type, run->name};
    struct bnb_error error;
    int result = bnb_admin_alter_configs(run->admin, &resource, changes, count, false, &error);
    if (result != 0) {
        return configs_fail(run, result, error.text);
    }
    if (*run->name == '\0') {
        printf("Completed updating default config for %s in the cluster.\n", run->kind->plural);
    } else {
        printf("Completed updating config for %s %s.\n", run->kind->singular, run->name);
    }
    return 0;
}

/* The settings of --add-config-file, which live in file. The count, or -1 after telling. */
static int32_t configs_from_file(const struct configs_run *run, const char *path,
                                 struct bnb_config *file, struct bnb_setting_change *changes)
{
    struct bnb_error error;
    if (bnb_config_load(file, path, &error) != 0) {
        configs_tell_arguments(run);
        tools_fail_file(path, &error);
        return -1;
    }
    int32_t count = 0;
    const char *name;
    const char *value;
    while (count < CHANGES_MAX && bnb_config_at(file, (size_t)count, &name, &value)) {
        changes[count++] = (struct bnb_setting_change){name, value, BNB_SETTING_SET};
    }
    return count;
}

static int configs_alter(struct configs_run *run)
{
    struct bnb_config *file = bnb_config_create();
    const char *path = args_value(&run->args, "add-config-file");
    struct bnb_setting_change *changes = mem_need(CHANGES_MAX * sizeof *changes);
    const char *add = args_value_or(&run->args, "add-config", "");
    const char *remove = args_value_or(&run->args, "delete-config", "");
    char *add_copy = mem_strndup(add, strlen(add));
    char *remove_copy = mem_strndup(remove, strlen(remove));
    int32_t count = path != NULL ? configs_from_file(run, path, file, changes)
                                 : configs_cut_pairs(add_copy, changes, 0);
    int status = count < 0 ? 1 : 0;
    if (count < 0 && path == NULL) {
        configs_wrong("%s", "requirement failed: Invalid entity config: all configs to be added "
                            "must be in the format \"key=val\" or  \"key=[val1,val2]\" to group "
                            "values which contain commas.");
    }
    char *rest = remove_copy;
    char *item;
    while (status == 0 && count < CHANGES_MAX && (item = tools_list_next(&rest, ",")) != NULL) {
        changes[count++] =
            (struct bnb_setting_change){configs_trimmed(item), NULL, BNB_SETTING_DELETE};
    }
    if (status == 0) {
        status = configs_alter_with(run, changes, count);
    }
    mem_free(add_copy);
    mem_free(remove_copy);
    mem_free(changes);
    bnb_config_destroy(&file);
    return status;
}

/* ---- which entity ---- */

/* The kinds that flags and --entity-type name, in run; how many, or -1 after telling. */
static int configs_entities(struct configs_run *run)
{
    int total = 0;
    bool quotas = true;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct configs_kind *kind = &configs_kinds[i];
        const char *type;
        int named = 0;
        for (size_t n = 0; (type = args_nth(&run->args, "entity-type", n)) != NULL; n++) {
            if (strcmp(type, kind->plural) == 0) {
                run->name = args_has(&run->args, "entity-default")
                                ? "" : args_value(&run->args, "entity-name");
                named++;
            }
        }
        if (args_has(&run->args, kind->flag)) {
            run->name = args_value(&run->args, kind->flag);
            named++;
        }
        if (kind->defaults_flag != NULL && args_has(&run->args, kind->defaults_flag)) {
            run->name = "";
            named++;
        }
        if (named > 1) {
            configs_wrong("Duplicate entity type(s) specified: %s", kind->plural);
            return -1;
        }
        run->kind = named > 0 ? kind : run->kind;
        total += named;
        quotas = quotas && (named == 0 || strcmp(kind->plural, "users") == 0 ||
                            strcmp(kind->plural, "clients") == 0);
    }
    if (total > 1 && !quotas) {
        configs_wrong("%s", "Only 'users' and 'clients' entity types may be specified together");
        return -1;
    }
    return total;
}

static int configs_entity(struct configs_run *run)
{
    const char *type;
    for (size_t n = 0; (type = args_nth(&run->args, "entity-type", n)) != NULL; n++) {
        bool known = false;
        for (size_t i = 0; i < KIND_COUNT; i++) {
            known = known || strcmp(configs_kinds[i].plural, type) == 0;
        }
        if (!known) {
            return configs_wrong("Invalid entity type %s, the entity type must be one of topics, "
                                 "clients, users, brokers, ips, client-metrics, groups, "
                                 "broker-loggers with a --bootstrap-server or "
                                 "--bootstrap-controller argument", type);
        }
    }
    int count = configs_entities(run);
    if (count == 0) {
        return configs_wrong("%s", "At least one entity type must be specified");
    }
    return count < 0 ? 1 : 0;
}

/* Whether the name fits the kind and the action. */
static int configs_check_name(const struct configs_run *run, bool alter)
{
    const struct configs_kind *kind = run->kind;
    bool has_default = kind->defaults_flag != NULL;
    bool is_broker = kind->resource_type == BNB_RESOURCE_BROKER ||
                     kind->resource_type == BNB_RESOURCE_BROKER_LOGGER;
    int32_t id;
    if (kind->resource_type == CONFIGS_LATER) {
        return configs_wrong("Entity type %s is not supported yet", kind->plural);
    }
    if (kind->resource_type == BNB_RESOURCE_BROKER_LOGGER && run->name == NULL && !alter) {
        return configs_wrong("An entity name must be specified with --describe of %s",
                             kind->plural);
    }
    if (run->name != NULL && *run->name == '\0' && !has_default && !alter) {
        return configs_wrong("--entity-default must not be specified with --describe of %s",
                             kind->plural);
    }
    if (alter && (run->name == NULL || (*run->name == '\0' && !has_default))) {
        return configs_wrong(has_default ? "an entity-name or default entity must be specified "
                                           "with --alter of %s"
                                         : "An entity name must be specified with --alter of %s",
                             kind->plural);
    }
    if (is_broker && run->name != NULL && *run->name != '\0' &&
        !args_parse_int(run->name, &id)) {
        fprintf(stderr, "The entity name for %s must be a valid integer broker id, but it is: "
                        "%s\n", kind->plural, run->name);
        return 1;
    }
    return 0;
}

static int configs_check(struct configs_run *run)
{
    const struct args *args = &run->args;
    bool alter = args_has(args, "alter");
    bool add = args_has(args, "add-config");
    bool file = args_has(args, "add-config-file");
    if (alter == args_has(args, "describe")) {
        return args_usage(args, "Command must include exactly one action: --describe, --alter");
    }
    if (args_exclude(args, "describe", (const char *const[]){"add-config", "add-config-file",
                                                             "delete-config", NULL}) != 0) {
        return 1;
    }
    if (configs_entity(run) != 0) {
        return 1;
    }
    if (args_check_repeated(args, (const char *const[]){"entity-type", "entity-name", NULL}) != 0) {
        return 1;
    }
    if (!args_has(args, "bootstrap-server") && !args_has(args, "bootstrap-controller")) {
        return configs_wrong("%s", "Either --bootstrap-server or --bootstrap-controller must be "
                                   "specified.");
    }
    if (args_has(args, "bootstrap-server") && args_has(args, "bootstrap-controller")) {
        return configs_wrong("%s", "Only one of --bootstrap-server or --bootstrap-controller can "
                                   "be specified");
    }
    if (configs_check_name(run, alter) != 0) {
        return 1;
    }
    if (add && file) {
        return configs_wrong("%s", "Only one of --add-config or --add-config-file must be "
                                   "specified");
    }
    return !alter || add || file || args_has(args, "delete-config")
               ? 0
               : configs_wrong("%s", "At least one of --add-config, --add-config-file, or "
                                     "--delete-config must be specified with --alter");
}

int tool_configs(int argc, char **argv)
{
    struct configs_run run = {.argc = argc, .argv = argv};
    struct bnb_error error;
    int status = args_start(&run.args, configs_options,
                            "This tool helps to manipulate and describe entity config for a topic, "
                            "client, user, broker, ip, client-metrics or group", argc, argv);
    if (status < 0) {
        status = configs_check(&run) != 0 ? 1 : -1;
    }
    if (status >= 0) {
        return status;
    }
    const char *file = args_value(&run.args, "command-config");
    if (file != NULL && access(file, F_OK) != 0) {
        configs_tell_arguments(&run);
    }
    struct bnb_config *config = tools_config(&run.args, file, NULL);
    if (config == NULL) {
        return 1;
    }
    run.memory = bnb_memory_create();
    int result = bnb_admin_create(config, &run.admin, &error);
    if (result != 0) {
        status = configs_fail(&run, result, error.text);
    } else {
        status = args_has(&run.args, "alter") ? configs_alter(&run) : configs_describe(&run);
    }
    bnb_admin_close(&run.admin);
    bnb_memory_destroy(&run.memory);
    bnb_config_destroy(&config);
    return status;
}
