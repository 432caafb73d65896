/* get_offsets.c: kafka-get-offsets: offsets of partitions by time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tools/common.h"
#include "tools/tools.h"

static const struct args_option offsets_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: HOST1:PORT1,...,HOST3:PORT3",
     "REQUIRED: The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2."},
    {"command-config", 0, ARGS_VALUE, "String: config file",
     "Property file containing configs to be passed to Admin Client."},
    {"exclude-internal-topics", 0, ARGS_FLAG, NULL, "By default, internal topics are included."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"partitions", 0, ARGS_VALUE, "String: partition ids",
     "Comma separated list of partition ids to get the offsets for."},
    {"time", 0, ARGS_VALUE, "String: timestamp / -1 or latest / ...",
     "timestamp of the offsets before that: -1 or latest, -2 or earliest, -3 or max-timestamp, -4 "
     "or earliest-local, -5 or latest-tiered, -6 or earliest-pending-upload."},
    {"topic", 0, ARGS_VALUE, "String: topic",
     "The topic to get the offsets for. It also accepts a regular expression."},
    {"topic-partitions", 0, ARGS_VALUE, "String: topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
     "Comma separated list of topic-partition patterns to get the offsets for."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* What one pattern lets through: partitions from first to before end. */
struct offsets_range {
    struct tools_pattern topic;
    int64_t first;
    int64_t end;
};
struct offsets_run {
    struct args args;
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    struct offsets_range *ranges;
    size_t range_count;
    int64_t timestamp_ms;
    char *copy;
};

static int offsets_fail(const char *text)
{
    fprintf(stderr, "Error occurred: %s\n", text);
    return 1;
}

static int offsets_fail_with(const char *format, const char *one, const char *two,
                             const char *three)
{
    char message[512];
    snprintf(message, sizeof message, format, one, two, three);
    return offsets_fail(message);
}

static int offsets_time(struct offsets_run *run)
{
    static const struct {
        const char *word;
        int64_t value;
    } words[] = {{"latest", BNB_OFFSET_LATEST},
                 {"earliest", BNB_OFFSET_EARLIEST},
                 {"max-timestamp", BNB_OFFSET_MAX_TIMESTAMP},
                 {"earliest-local", BNB_OFFSET_EARLIEST_LOCAL},
                 {"latest-tiered", BNB_OFFSET_LATEST_TIERED},
                 {"earliest-pending-upload", BNB_OFFSET_EARLIEST_PENDING_UPLOAD}};
    const char *text = args_value_or(&run->args, "time", "latest");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, text) == 0) {
            run->timestamp_ms = words[i].value;
            return 0;
        }
    }
    if (!args_parse_number(text, &run->timestamp_ms)) {
        char message[256];
        snprintf(message, sizeof message, "Malformed time argument %s. Please use -1 or latest / "
                 "-2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or "
                 "latest-tiered / -6 or earliest-pending-upload, or a specified long format "
                 "timestamp", text);
        return offsets_fail(message);
    }
    return 0;
}

/* The number of size digits at text, or fallback without any; 0, or 1 after telling that Java has
 * no such Integer. */
static int offsets_number(const char *text, size_t size, int32_t fallback, int64_t *number)
{
    char copy[256];
    int32_t parsed = fallback;
    snprintf(copy, sizeof copy, "%.*s", (int)(size < sizeof copy ? size : sizeof copy), text);
    if (size > 0 && !args_parse_int(copy, &parsed)) {
        return offsets_fail_with("For input string: \"%s\"%s%s", copy, "", "");
    }
    *number = parsed;
    return 0;
}

/* "N", "N-M" (M exclusive), "N-", "-M" of the rule; 0, or 1 after telling the mistake. */
static int offsets_bounds(const char *rule, const char *text, struct offsets_range *range)
{
    size_t first = strspn(text, "0123456789");
    bool is_range = text[first] == '-';
    const char *end = text + first + is_range;
    size_t last = is_range ? strspn(end, "0123456789") : 0;
    if (end[last] != '\0') {
        return offsets_fail_with("org.apache.kafka.tools.TerseException: Invalid rule "
                                 "specification: %s:%s%s", rule, text, "");
    }
    if (offsets_number(text, first, 0, &range->first) != 0) {
        return 1;
    }
    range->end = first > 0 ? range->first + 1 : INT64_MAX;
    return is_range ? offsets_number(end, last, INT32_MAX, &range->end) : 0;
}

/* An item of --topic-partitions, which is cut: its topics, and their partitions. */
static int offsets_rule(char *item, const char **topic, struct offsets_range *range)
{
    char *colon = strrchr(item, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    *topic = *item != '\0' ? item : NULL;
    return colon != NULL ? offsets_bounds(item, colon + 1, range) : 0;
}

static int offsets_fail_partitions(const struct offsets_run *run)
{
    return offsets_fail_with("--partitions expects a comma separated list of numeric partition "
                             "ids, but received: %s%s%s",
                             args_value(&run->args, "partitions"), "", "");
}

/* Whether an item that is not behind all others is empty. */
static bool offsets_has_gap(const char *list)
{
    for (const char *at = list; *at != '\0'; at++) {
        if (*at == ',' && (at == list || at[-1] == ',') && at[strspn(at, ",")] != '\0') {
            return true;
        }
    }
    return false;
}

/* An item of --partitions. */
static int offsets_partition(const struct offsets_run *run, const char *item,
                             struct offsets_range *range)
{
    int32_t partition;
    if (!args_parse_int(item, &partition)) {
        return offsets_fail_partitions(run);
    }
    range->first = partition;
    range->end = range->first + 1;
    return 0;
}

static int offsets_ranges(struct offsets_run *run)
{
    const char *patterns = args_value(&run->args, "topic-partitions");
    const char *partitions = args_value(&run->args, "partitions");
    const char *list = patterns != NULL ? patterns : partitions != NULL ? partitions : "";
    size_t most = 1;
    for (const char *at = list; *at != '\0'; at++) {
        most += *at == ',';
    }
    run->copy = mem_strndup(list, strlen(list));
    run->ranges = mem_need(most * sizeof *run->ranges);
    char *rest = run->copy;
    if (patterns == NULL && offsets_has_gap(list)) {
        return offsets_fail_partitions(run);
    }
    char *item = tools_list_next(&rest, ",");
    do {
        struct offsets_range *range = &run->ranges[run->range_count++];
        const char *topic = args_value(&run->args, "topic");
        *range = (struct offsets_range){.first = 0, .end = INT64_MAX};
        int status = item == NULL       ? 0
                     : patterns != NULL ? offsets_rule(item, &topic, range)
                                        : offsets_partition(run, item, range);
        if (status != 0) {
            return status;
        }
        if (!tools_pattern_init(&range->topic, topic)) {
            return offsets_fail_with("%s%s%s is an invalid regex.", topic, "", "");
        }
        item = tools_list_next(&rest, ",");
    } while (item != NULL);
    return 0;
}

static bool offsets_wanted(const struct offsets_run *run, const struct bnb_topic *topic,
                           int32_t partition)
{
    if (topic->is_internal && args_has(&run->args, "exclude-internal-topics")) {
        return false;
    }
    for (size_t i = 0; i < run->range_count; i++) {
        if (partition >= run->ranges[i].first && partition < run->ranges[i].end &&
            tools_pattern_matches(&run->ranges[i].topic, topic->name)) {
            return true;
        }
    }
    return false;
}

static int offsets_print(struct offsets_run *run, const struct bnb_offset_query *queries,
                         int32_t count)
{
    const struct bnb_offset_answer *answers;
    struct bnb_error error;
    if (bnb_admin_list_offsets(run->admin, run->memory, queries, count, false, &answers,
                               &error) != 0) {
        return offsets_fail(error.text);
    }
    for (int32_t i = 0; i < count; i++) {
        if (answers[i].code != 0) {
            fprintf(stderr, "Skip getting offsets for topic-partition %s-%d due to error: "
                    "org.apache.kafka.common.errors.%s: %s\n", queries[i].topic,
                    queries[i].partition, tools_exception(answers[i].code),
                    answers[i].error_text);
        } else if (answers[i].offset >= 0) {
            printf("%s:%d:%" PRId64 "\n", queries[i].topic, queries[i].partition,
                   answers[i].offset);
        }
    }
    return 0;
}

static int offsets_run_all(struct offsets_run *run)
{
    const struct bnb_topic *topics;
    int32_t count;
    struct bnb_error error;
    int result = bnb_admin_list_topics(run->admin, run->memory, &topics, &count, &error);
    if (result != 0) {
        return offsets_fail(error.text);
    }
    size_t total = 0;
    for (int32_t i = 0; i < count; i++) {
        total += (size_t)topics[i].partition_count;
    }
    struct bnb_offset_query *queries = mem_need((total + 1) * sizeof *queries);
    int32_t wanted = 0;
    for (int32_t i = 0; i < count; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++) {
            int32_t id = topics[i].partitions[p].id;
            if (offsets_wanted(run, &topics[i], id)) {
                queries[wanted++] = (struct bnb_offset_query){topics[i].name, id,
                                                              run->timestamp_ms};
            }
        }
    }
    int status = wanted > 0 ? offsets_print(run, queries, wanted)
                            : offsets_fail("Could not match any topic-partitions with the "
                                           "specified filters");
    mem_free(queries);
    return status;
}

int tool_get_offsets(int argc, char **argv)
{
    struct offsets_run run = {.args = {.mistake_prefix = "Error occurred: "}};
    struct bnb_error error;
    int status = args_start_simple(
        &run.args, offsets_options, "An interactive shell for getting topic-partition offsets.",
        argc, argv, (const char *const[]){"bootstrap-server", NULL});
    if (status >= 0) {
        return status;
    }
    if (tools_check_servers(&run.args) != 0) {
        return 1;
    }
    if (args_has(&run.args, "topic-partitions") &&
        (args_has(&run.args, "topic") || args_has(&run.args, "partitions"))) {
        return offsets_fail("--topic-partitions cannot be used with --topic or --partitions");
    }
    status = offsets_time(&run);
    status = status == 0 ? offsets_ranges(&run) : status;
    const char *file = args_value(&run.args, "command-config");
    if (status == 0 && file != NULL && access(file, F_OK) != 0) {
        status = offsets_fail(file);
    }
    struct bnb_config *config =
        status == 0 ? tools_config(&run.args, file,
                                   "GetOffsetShell")
                    : NULL;
    if (config != NULL) {
        run.memory = bnb_memory_create();
        status = bnb_admin_create(config, &run.admin, &error) == 0 ? offsets_run_all(&run)
                                                                   : offsets_fail(error.text);
        bnb_admin_close(&run.admin);
        bnb_memory_destroy(&run.memory);
        bnb_config_destroy(&config);
    } else {
        status = 1;
    }
    for (size_t i = 0; i < run.range_count; i++) {
        tools_pattern_release(&run.ranges[i].topic);
    }
    mem_free(run.ranges);
    mem_free(run.copy);
    return status;
}
