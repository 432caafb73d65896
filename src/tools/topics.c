/* topics.c: kafka-topics: create, delete, describe, list, extend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "protocol/error.h"
#include "tools/common.h"
#include "tools/tools.h"

#define TOPICS_PARTITIONS_MAX 100000
#define TOPICS_SETTINGS_MAX 256

static const struct args_option topics_options[] = {
    {"alter", 0, ARGS_FLAG, NULL,
     "Alter the number of partitions and replica assignment. (To alter topic configurations, the "
     "kafka-configs tool can be used.)"},
    {"at-min-isr-partitions", 0, ARGS_FLAG, NULL,
     "If set when describing topics, only show partitions whose isr count is equal to the "
     "configured minimum."},
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "REQUIRED: The Kafka server to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file",
     "Property file containing configs to be passed to Admin Client."},
    {"config", 0, ARGS_VALUE, "String: name=value",
     "A topic configuration override for the topic being created."},
    {"create", 0, ARGS_FLAG, NULL, "Create a new topic."},
    {"delete", 0, ARGS_FLAG, NULL, "Delete a topic."},
    {"delete-config", 0, ARGS_VALUE, "String: name", "No effect since 4.0."},
    {"describe", 0, ARGS_FLAG, NULL, "List details for the given topics."},
    {"exclude-internal", 0, ARGS_FLAG, NULL,
     "Exclude internal topics when running list or describe command."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"if-exists", 0, ARGS_FLAG, NULL,
     "If set when altering or deleting or describing topics, the action will only execute if the "
     "topic exists."},
    {"if-not-exists", 0, ARGS_FLAG, NULL,
     "If set when creating topics, the action will only execute if the topic does not already "
     "exist."},
    {"list", 0, ARGS_FLAG, NULL, "List all available topics."},
    {"partition-size-limit-per-response", 0, ARGS_VALUE, "Integer: maximum number of partitions",
     "The maximum partition size to be included in one DescribeTopicPartitions response."},
    {"partitions", 0, ARGS_VALUE, "Integer: # of partitions",
     "The number of partitions for the topic being created or altered."},
    {"replica-assignment", 0, ARGS_VALUE, "String: broker_id_for_part1_replica1:...",
     "A list of manual partition-to-broker assignments for the topic being created or altered."},
    {"replication-factor", 0, ARGS_VALUE, "Integer: replication factor",
     "The replication factor for each partition in the topic being created."},
    {"topic", 0, ARGS_VALUE, "String: topic",
     "The topic to create, alter, describe or delete. It also accepts a regular expression, except "
     "for --create option."},
    {"topic-id", 0, ARGS_VALUE, "String: topic-id", "The topic-id to describe."},
    {"topics-with-overrides", 0, ARGS_FLAG, NULL,
     "If set when describing topics, only show topics that have overridden configs."},
    {"unavailable-partitions", 0, ARGS_FLAG, NULL,
     "If set when describing topics, only show partitions whose leader is not available."},
    {"under-min-isr-partitions", 0, ARGS_FLAG, NULL,
     "If set when describing topics, only show partitions whose isr count is less than the "
     "configured minimum."},
    {"under-replicated-partitions", 0, ARGS_FLAG, NULL,
     "If set when describing topics, only show under replicated partitions."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

struct topics_run {
    struct args args;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    struct bnb_error error;
};

/* Tells a failure as Kafka does: one line on stdout, the cause on stderr. */
static int topics_fail(int code, const char *text)
{
    printf("Error while executing topic command : %s\n", text);
    fflush(stdout);
    const char *package = code == BNB_ERROR_INVALID ? "java.lang.IllegalArgumentException"
                                                    : tools_exception(code);
    tools_log("ERROR", "%s%s: %s\n (org.apache.kafka.tools.TopicCommand)",
              code == BNB_ERROR_INVALID ? "" : "org.apache.kafka.common.errors.", package, text);
    return 1;
}

/* A partition with another number of replicas than the first one has. */
static int topics_differs(int32_t partition, const struct bnb_ids *list)
{
    char text[1024];
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "Partition %d has different replication factor: [", partition);
    for (int32_t i = 0; i < list->count && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i > 0 ? ", " : "",
                                 list->ids[i]);
    }
    if (used < sizeof text) {
        snprintf(text + used, sizeof text - used, "]");
    }
    return topics_fail(BNB_ERROR_INVALID, text);
}

/* "0:1,1:2" to one list of replicas a partition. 0, or 1 after telling the mistake. */
static int topics_assignment(char *text, struct bnb_ids **lists,
                             int32_t *count)
{
    struct bnb_ids *made = mem_need(TOPICS_PARTITIONS_MAX * sizeof *made);
    char *item;
    *lists = made;
    *count = 0;
    while ((item = tools_list_next(&text, ",")) != NULL && *count < TOPICS_PARTITIONS_MAX) {
        int32_t *ids = mem_need((strlen(item) + 1) * sizeof *ids);
        struct bnb_ids *list = &made[(*count)++];
        list->ids = ids;
        char *id_text;
        while ((id_text = tools_list_next(&item, ":")) != NULL) {
            int32_t id;
            if (!args_parse_int(id_text, &id)) {
                char told[ARGS_ERROR_BYTES];
                snprintf(told, sizeof told, "For input string: \"%s\"", id_text);
                return topics_fail(BNB_ERROR_INVALID, told);
            }
            for (int32_t i = 0; i < list->count; i++) {
                if (ids[i] == id) {
                    char text_of[128];
                    snprintf(text_of, sizeof text_of, "Partition replica lists may not contain "
                             "duplicate entries: %d", id);
                    return topics_fail(BNB_ERROR_INVALID, text_of);
                }
            }
            ids[list->count++] = id;
        }
        if (list->count != made[0].count) {
            return topics_differs(*count - 1, list);
        }
    }
    return 0;
}

static void topics_assignment_free(struct bnb_ids *lists, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        mem_free((void *)lists[i].ids);
    }
    mem_free(lists);
}

/* The --config pairs; names are cut out of copies that live in the settings. */
static int32_t topics_settings(const struct args *args, struct bnb_setting *settings, char **copies)
{
    int32_t count = 0;
    const char *pair;
    while (count < TOPICS_SETTINGS_MAX &&
           (pair = args_nth(args, "config", (size_t)count)) != NULL) {
        char *copy = mem_strndup(pair, strlen(pair));
        char *equals = copy != NULL ? strchr(copy, '=') : NULL;
        copies[count] = copy;
        if (equals == NULL) {
            return -1;
        }
        *equals = '\0';
        settings[count++] = (struct bnb_setting){copy, equals + 1};
    }
    return count;
}

static int topics_create_one(struct topics_run *run, struct bnb_new_topic *topic)
{
    if (*topic->name == '\0') {
        return topics_fail(BNB_ERROR_INVALID,
                           "The given topic name '' cannot be represented in a request.");
    }
    if (strpbrk(topic->name, "._") != NULL) {
        printf("WARNING: Due to limitations in metric names, topics with a period ('.') or "
               "underscore ('_') could collide. To avoid issues it is best to use either, but not "
               "both.\n");
    }
    const struct bnb_topic_outcome *outcome;
    int result = bnb_admin_create_topics(run->admin, run->memory, topic, 1, false, &outcome,
                                         &run->error);
    if (result != 0) {
        return topics_fail(result, run->error.text);
    }
    if (outcome->code == KAFKA_TOPIC_ALREADY_EXISTS && args_has(&run->args, "if-not-exists")) {
        return 0;
    }
    if (outcome->code != 0) {
        return topics_fail(outcome->code, outcome->error_text);
    }
    printf("Created topic %s.\n", topic->name);
    return 0;
}

/* A number among the options: 0, or 1 after telling that it is none. */
static int topics_number(const struct topics_run *run, const char *name, int32_t fallback,
                         int32_t *number)
{
    const char *text = args_value(&run->args, name);
    char told[ARGS_ERROR_BYTES];
    *number = fallback;
    if (text == NULL || args_parse_int(text, number)) {
        return 0;
    }
    snprintf(told, sizeof told, "Cannot parse argument '%s' of option %s", text, name);
    return topics_fail(BNB_ERROR_INVALID, told);
}

static int topics_create(struct topics_run *run)
{
    int32_t partitions;
    int32_t factor;
    if (topics_number(run, "partitions", -1, &partitions) != 0 ||
        topics_number(run, "replication-factor", -1, &factor) != 0) {
        return 1;
    }
    if (args_has(&run->args, "partitions") && partitions < 1) {
        return topics_fail(BNB_ERROR_INVALID, "The partitions must be greater than 0");
    }
    if (args_has(&run->args, "replication-factor") && (factor < 1 || factor > INT16_MAX)) {
        return topics_fail(BNB_ERROR_INVALID,
                           "The replication factor must be between 1 and 32767 inclusive");
    }
    struct bnb_setting settings[TOPICS_SETTINGS_MAX];
    char *copies[TOPICS_SETTINGS_MAX] = {NULL};
    struct bnb_ids *assignment = NULL;
    int32_t assignment_count = 0;
    const char *given = args_value(&run->args, "replica-assignment");
    char *copy = given != NULL ? mem_strndup(given, strlen(given)) : NULL;
    int status = copy != NULL ? topics_assignment(copy, &assignment, &assignment_count) : 0;
    int32_t setting_count = topics_settings(&run->args, settings, copies);
    if (status == 0 && setting_count < 0) {
        status = topics_fail(BNB_ERROR_INVALID,
                             "requirement failed: Invalid topic config: all configs to be added "
                             "must be in the format \"key=val\".");
    }
    if (status == 0) {
        struct bnb_new_topic topic = {
            args_value(&run->args, "topic"), partitions, (int16_t)factor,
            assignment, assignment_count, settings, setting_count};
        status = topics_create_one(run, &topic);
    }
    for (size_t i = 0; i < TOPICS_SETTINGS_MAX; i++) {
        mem_free(copies[i]);
    }
    topics_assignment_free(assignment, assignment_count);
    mem_free(copy);
    return status;
}

/* The topics that --topic (or --topic-id) and --exclude-internal leave, in *names; 0, or the
 * status after telling the failure. Missing ones are a failure unless --if-exists. */
static int topics_select(struct topics_run *run, const char ***names,
                         const struct bnb_topic **chosen, int32_t *count)
{
    const struct bnb_topic *topics;
    int32_t total;
    struct tools_pattern pattern;
    const char *text = args_value(&run->args, "topic");
    const char *id_text = args_value(&run->args, "topic-id");
    struct bnb_uuid id;
    if (id_text != NULL && bnb_uuid_parse(id_text, &id) != 0) {
        return topics_fail(BNB_ERROR_INVALID, TOOLS_UUID_WRONG);
    }
    static const struct bnb_uuid no_id;
    bool by_id = id_text != NULL && !args_has(&run->args, "list") &&
                 memcmp(&id, &no_id, sizeof id) != 0;
    if (!tools_pattern_init(&pattern, text)) {
        char told[ARGS_ERROR_BYTES];
        snprintf(told, sizeof told, "%s is an invalid regex.", text);
        return topics_fail(BNB_ERROR_INVALID, told);
    }
    int result = bnb_admin_list_topics(run->admin, run->memory, &topics, &total, &run->error);
    if (result != 0) {
        tools_pattern_release(&pattern);
        return topics_fail(result, run->error.text);
    }
    struct bnb_topic *left = mem_need(((size_t)total + 1) * sizeof *left);
    *names = mem_need(((size_t)total + 1) * sizeof **names);
    *count = 0;
    for (int32_t i = 0; i < total; i++) {
        bool internal = topics[i].is_internal && args_has(&run->args, "exclude-internal");
        bool wanted = by_id ? memcmp(id.bytes, topics[i].id.bytes, sizeof id.bytes) == 0
                            : tools_pattern_matches(&pattern, topics[i].name);
        if (!internal && wanted) {
            (*names)[*count] = topics[i].name;
            left[(*count)++] = topics[i];
        }
    }
    tools_pattern_release(&pattern);
    *chosen = left;
    bool named = text != NULL || by_id;
    if (*count == 0 && named && !args_has(&run->args, "list") &&
        !args_has(&run->args, "if-exists")) {
        char message[BNB_ERROR_BYTES];
        snprintf(message, sizeof message, "%s '%s' does not exist as expected",
                 by_id ? "TopicId" : "Topic", by_id ? id_text : text);
        return topics_fail(BNB_ERROR_INVALID, message);
    }
    return 0;
}

static int topics_list(const char **names, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        printf("%s%s", i > 0 ? "\n" : "", names[i]);
    }
    putchar('\n');
    return 0;
}

static int topics_delete(struct topics_run *run, const char **names, int32_t count)
{
    const struct bnb_topic_outcome *outcomes;
    if (count == 0) {
        return 0;
    }
    int result = bnb_admin_delete_topics(run->admin, run->memory, names, count, &outcomes,
                                         &run->error);
    if (result != 0) {
        return topics_fail(result, run->error.text);
    }
    for (int32_t i = 0; i < count; i++) {
        if (outcomes[i].code != 0) {
            return topics_fail(outcomes[i].code, outcomes[i].error_text);
        }
    }
    return 0;
}

static int topics_alter(struct topics_run *run, const struct bnb_topic *topics, int32_t count)
{
    int32_t total;
    if (topics_number(run, "partitions", -1, &total) != 0) {
        return 1;
    }
    const char *given = args_value(&run->args, "replica-assignment");
    char *copy = given != NULL ? mem_strndup(given, strlen(given)) : NULL;
    struct bnb_ids *assignment = NULL;
    int32_t assigned = 0;
    int status = copy != NULL ? topics_assignment(copy, &assignment, &assigned) : 0;
    for (int32_t i = 0; i < count && status == 0; i++) {
        int32_t known = topics[i].partition_count;
        struct bnb_new_partitions more = {topics[i].name, total, NULL, 0};
        if (assigned > 0 && total > known && assigned <= known) {
            char told[ARGS_ERROR_BYTES];
            snprintf(told, sizeof told, "Attempted to add %d additional partition(s), but only 0 "
                     "assignment(s) were specified.", total - known);
            status = topics_fail(BNB_ERROR_INVALID, told);
            break;
        }
        if (assigned > known) {
            more.assignments = assignment + known;
            more.assignment_count = assigned - known;
        }
        const struct bnb_topic_outcome *outcome;
        int result = bnb_admin_create_partitions(run->admin, run->memory, &more, 1, &outcome,
                                                 &run->error);
        if (result != 0) {
            status = topics_fail(result, run->error.text);
        } else if (outcome->code != 0) {
            status = topics_fail(outcome->code, outcome->error_text);
        }
    }
    topics_assignment_free(assignment, assigned);
    mem_free(copy);
    return status;
}

/* ---- describe ---- */

static int32_t topics_min_isr(const struct bnb_described_resource *settings)
{
    for (int32_t i = 0; i < settings->setting_count; i++) {
        if (strcmp(settings->settings[i].name, "min.insync.replicas") == 0 &&
            settings->settings[i].value != NULL) {
            return (int32_t)strtol(settings->settings[i].value, NULL, 10);
        }
    }
    return 1;
}

static const struct bnb_reassignment *
topics_reassignment(const struct bnb_reassignment *moving, int32_t count, const char *topic,
                    int32_t partition)
{
    for (int32_t i = 0; i < count; i++) {
        if (moving[i].partition == partition && strcmp(moving[i].topic, topic) == 0) {
            return &moving[i];
        }
    }
    return NULL;
}

static void topics_print_settings(const struct bnb_described_resource *settings)
{
    int32_t count = settings->setting_count;
    struct bnb_described_setting *ordered = mem_need(((size_t)count + 1) * sizeof *ordered);
    bool first = true;
    memcpy(ordered, settings->settings, (size_t)count * sizeof *ordered);
    tools_java_order(ordered, count, sizeof *ordered);
    for (int32_t i = 0; i < count; i++) {
        if (ordered[i].source != BNB_SOURCE_DEFAULT) {
            printf("%s%s=%s", first ? "" : ",", ordered[i].name,
                   ordered[i].value != NULL ? ordered[i].value : "null");
            first = false;
        }
    }
    putchar('\n');
    mem_free(ordered);
}

static void topics_print_header(const struct bnb_topic *topic,
                                const struct bnb_described_resource *settings,
                                const struct bnb_reassignment *first_moving)
{
    char id[BNB_UUID_TEXT_BYTES];
    int32_t factor = topic->partition_count > 0 ? topic->partitions[0].replicas.count : 0;
    factor -= first_moving != NULL ? first_moving->adding.count : 0;
    printf("Topic: %s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: ",
           topic->name, bnb_uuid_format(topic->id, id), topic->partition_count, factor);
    topics_print_settings(settings);
}

static void topics_print_partition(const struct bnb_topic *topic,
                                   const struct bnb_partition *partition,
                                   const struct bnb_reassignment *moving)
{
    printf("\tTopic: %s\tPartition: %d\tLeader: ", topic->name, partition->id);
    if (partition->leader >= 0) {
        printf("%d", partition->leader);
    } else {
        printf("none");
    }
    printf("\tReplicas: ");
    tools_print_ids(partition->replicas, ",");
    printf("\tIsr: ");
    tools_print_ids(partition->isr, ",");
    if (moving != NULL) {
        printf("\tAdding Replicas: ");
        tools_print_ids(moving->adding, ",");
        printf("\tRemoving Replicas: ");
        tools_print_ids(moving->removing, ",");
    }
    printf("\tElr: ");
    if (partition->has_eligible_leaders) {
        tools_print_ids(partition->eligible_leaders, ",");
        printf("\tLastKnownElr: ");
        tools_print_ids(partition->last_known_eligible_leaders, ",");
    } else {
        printf("N/A\tLastKnownElr: N/A");
    }
    putchar('\n');
}

static bool topics_partition_shown(const struct args *args, const struct bnb_partition *partition,
                                   const struct bnb_reassignment *moving, int32_t min_isr)
{
    int32_t isr = partition->isr.count;
    int32_t full = partition->replicas.count - (moving != NULL ? moving->adding.count : 0);
    bool any = false;
    bool shown = false;
    if (args_has(args, "under-replicated-partitions")) {
        any = true;
        shown = shown || isr < full;
    }
    if (args_has(args, "unavailable-partitions")) {
        any = true;
        shown = shown || partition->leader < 0;
    }
    if (args_has(args, "under-min-isr-partitions")) {
        any = true;
        shown = shown || isr < min_isr;
    }
    if (args_has(args, "at-min-isr-partitions")) {
        any = true;
        shown = shown || isr == min_isr;
    }
    return !any || shown;
}

static bool topics_has_filter(const struct args *args)
{
    return args_has(args, "under-replicated-partitions") ||
           args_has(args, "unavailable-partitions") ||
           args_has(args, "under-min-isr-partitions") || args_has(args, "at-min-isr-partitions");
}

static bool topics_has_override(const struct bnb_described_resource *settings)
{
    for (int32_t i = 0; i < settings->setting_count; i++) {
        if (settings->settings[i].source != BNB_SOURCE_DEFAULT) {
            return true;
        }
    }
    return false;
}

static void topics_describe_one(const struct args *args, const struct bnb_topic *topic,
                                const struct bnb_described_resource *settings,
                                const struct bnb_reassignment *moving, int32_t moving_count)
{
    bool overrides = args_has(args, "topics-with-overrides");
    bool filter = topics_has_filter(args);
    if (!filter && (!overrides || topics_has_override(settings))) {
        topics_print_header(topic, settings,
                            topics_reassignment(moving, moving_count, topic->name, 0));
    }
    int32_t min_isr = topics_min_isr(settings);
    for (int32_t p = 0; p < topic->partition_count && !overrides; p++) {
        const struct bnb_reassignment *one =
            topics_reassignment(moving, moving_count, topic->name, topic->partitions[p].id);
        if (topics_partition_shown(args, &topic->partitions[p], one, min_isr)) {
            topics_print_partition(topic, &topic->partitions[p], one);
        }
    }
}

static int topics_describe(struct topics_run *run, const char **names, int32_t count)
{
    const struct bnb_topic *topics;
    const struct bnb_described_resource *settings;
    const struct bnb_reassignment *moving = NULL;
    int32_t moving_count = 0;
    int32_t limit;
    if (count == 0) {
        return 0;
    }
    if (topics_number(run, "partition-size-limit-per-response", 2000, &limit) != 0) {
        return 1;
    }
    struct bnb_resource *resources = mem_need((size_t)count * sizeof *resources);
    for (int32_t i = 0; i < count; i++) {
        resources[i] = (struct bnb_resource){BNB_RESOURCE_TOPIC, names[i]};
    }
    int result = bnb_admin_describe_topics(run->admin, run->memory, names, count, limit,
                                           &topics, &run->error);
    if (result == 0) {
        result = bnb_admin_describe_configs(run->admin, run->memory, resources, count, false,
                                            &settings, &run->error);
    }
    mem_free(resources);
    if (result != 0) {
        return topics_fail(result, run->error.text);
    }
    /* Not everybody may list reassignments; Kafka goes on without them, and so do we. */
    if (bnb_admin_list_reassignments(run->admin, run->memory, &moving, &moving_count, NULL) != 0) {
        moving_count = 0;
    }
    for (int32_t i = 0; i < count; i++) {
        if (topics[i].code != 0) {
            return topics_fail(topics[i].code, topics[i].error_text);
        }
        topics_describe_one(&run->args, &topics[i], &settings[i], moving, moving_count);
    }
    return 0;
}

static int topics_run_selected(struct topics_run *run)
{
    const char **names = NULL;
    const struct bnb_topic *chosen = NULL;
    int32_t count = 0;
    int status = topics_select(run, &names, &chosen, &count);
    if (status == 0) {
        status = args_has(&run->args, "list")     ? topics_list(names, count)
                 : args_has(&run->args, "delete") ? topics_delete(run, names, count)
                 : args_has(&run->args, "alter")  ? topics_alter(run, chosen, count)
                                                  : topics_describe(run, names, count);
    }
    mem_free(names);
    mem_free((void *)chosen);
    return status;
}

/* Which options do not go with which others. */
static int topics_check_actions(const struct args *args)
{
    static const struct {
        const char *option;
        const char *others[6];
    } excluded[] = {
        {"config", {"list", "describe", "delete", NULL}},
        {"partitions", {"list", "describe", "delete", NULL}},
        {"replication-factor", {"list", "describe", "alter", "delete", NULL}},
        {"replica-assignment", {"list", "describe", "delete", NULL}},
        {"under-replicated-partitions", {"list", "create", "alter", "delete",
                                         "topics-with-overrides", NULL}},
        {"under-min-isr-partitions", {"list", "create", "alter", "delete",
                                      "topics-with-overrides", NULL}},
        {"at-min-isr-partitions", {"list", "create", "alter", "delete", "topics-with-overrides",
                                   NULL}},
        {"unavailable-partitions", {"list", "create", "alter", "delete", "topics-with-overrides",
                                    NULL}},
        {"topics-with-overrides", {"list", "create", "alter", "delete", NULL}},
        {"if-exists", {"list", "create", NULL}},
        {"if-not-exists", {"list", "describe", "alter", "delete", NULL}},
        {"exclude-internal", {"create", "alter", "delete", NULL}},
    };
    if (args_has(args, "create") &&
        args_exclude(args, "replica-assignment",
                     (const char *const[]){"partitions", "replication-factor", NULL}) != 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof excluded / sizeof excluded[0]; i++) {
        if (args_exclude(args, excluded[i].option, excluded[i].others) != 0) {
            return 1;
        }
    }
    return 0;
}

static int topics_check(const struct args *args)
{
    static const char *const actions[] = {"create", "list", "alter", "describe", "delete"};
    int chosen = 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        chosen += args_has(args, actions[i]) ? 1 : 0;
    }
    if (chosen != 1) {
        return args_usage(args, "Command must include exactly one action: --list, --describe, "
                                "--create, --alter or --delete");
    }
    if (!args_has(args, "bootstrap-server")) {
        fprintf(stderr, "java.lang.IllegalArgumentException: --bootstrap-server must be "
                        "specified\n");
        return 1;
    }
    if (args_has(args, "describe") && args_has(args, "topic") && args_has(args, "topic-id")) {
        return args_usage(args, "Only one of topic or topic-id can be specified");
    }
    bool needs_topic = !args_has(args, "list") && !args_has(args, "describe");
    if (needs_topic && !args_has(args, "topic")) {
        return args_usage(args, "Missing required argument \"[topic]\"");
    }
    if (args_has(args, "alter") && args_has(args, "config")) {
        return args_usage(args, "Option combination \"[[bootstrap-server], [config]]\" can't be "
                                "used with option \"[alter]\" (To alter topic configurations, the "
                                "kafka-configs tool can be used.)");
    }
    if (args_has(args, "alter") &&
        args_require(args, (const char *const[]){"partitions", NULL}) != 0) {
        return 1;
    }
    return topics_check_actions(args);
}

int tool_topics(int argc, char **argv)
{
    struct topics_run run = {.admin = NULL};
    int status = args_start(&run.args, topics_options,
                            argc <= 1 ? "Create, delete, describe, or change a topic."
                                      : "This tool helps to create, delete, describe, or change a "
                                        "topic.", argc, argv);
    if (status < 0) {
        status = topics_check(&run.args) != 0 ? 1 : -1;
    }
    if (status >= 0) {
        return status;
    }
    struct bnb_config *config =
        tools_config(&run.args, args_value(&run.args, "command-config"), "adminclient-1");
    if (config == NULL) {
        return 1;
    }
    int result = bnb_admin_create(config, &run.admin, &run.error);
    bnb_config_destroy(&config);
    if (result != 0) {
        return tools_fail_create(&run.error);
    }
    if (args_has(&run.args, "delete-config")) {
        fprintf(stderr, "delete-config option is no longer supported and deprecated since version "
                        "4.0. The config will be fully removed in future releases.\n");
    }
    run.memory = bnb_memory_create();
    const char *repeated = args_repeated(&run.args, (const char *const[]){"config", "delete-config",
                                                                          NULL});
    if (repeated != NULL) {
        char told[ARGS_ERROR_BYTES];
        snprintf(told, sizeof told, ARGS_REPEATED, repeated);
        status = topics_fail(BNB_ERROR_INVALID, told);
        bnb_memory_destroy(&run.memory);
        bnb_admin_close(&run.admin);
        return status;
    }
    status = args_has(&run.args, "create") ? topics_create(&run) : topics_run_selected(&run);
    bnb_memory_destroy(&run.memory);
    bnb_admin_close(&run.admin);
    return status;
}
