/* consumer_groups.c: kafka-consumer-groups: its command line, and the actions list, delete and
 * delete-offsets. */
#include "tools/consumer_groups.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/regex.h"
#include "tools/tools.h"

#define TIMEOUT_MS 30000
#define RUN_BYTES_MAX ((size_t)1 << 31)

static const struct args_option groups_options[] = {
    {"all-groups", 0, ARGS_FLAG, NULL, "All groups of consumers."},
    {"all-topics", 0, ARGS_FLAG, NULL, "With --reset-offsets: all that the group has committed."},
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "host:port pairs of brokers; needed by all but --validate-regex."},
    {"by-duration", 0, ARGS_VALUE, "String: duration",
     "Reset to what is older than a duration before now: PnDTnHnMnS."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file",
     "A properties file for the admin client."},
    {"delete", 0, ARGS_FLAG, NULL, "Delete groups without members, with all they have committed."},
    {"delete-offsets", 0, ARGS_FLAG, NULL, "Delete what a group has committed for topics."},
    {"describe", 0, ARGS_FLAG, NULL, "Describe groups: by default where they are in their topics."},
    {"dry-run", 0, ARGS_FLAG, NULL, "With --reset-offsets: only show what would be."},
    {"execute", 0, ARGS_FLAG, NULL, "With --reset-offsets: do it."},
    {"export", 0, ARGS_FLAG, NULL, "With --reset-offsets: print a plan in CSV."},
    {"from-file", 0, ARGS_VALUE, "String: path to CSV file", "Reset to what a plan in CSV says."},
    {"group", 0, ARGS_VALUE, "String: consumer group", "A group; may be repeated."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"list", 0, ARGS_FLAG, NULL, "List all groups of consumers."},
    {"members", 0, ARGS_FLAG, NULL, "With --describe: the members."},
    {"offsets", 0, ARGS_FLAG, NULL, "With --describe: offsets and lag, the default."},
    {"reset-offsets", 0, ARGS_FLAG, NULL,
     "Move groups without members: --topic or --all-topics or --from-file, one of --to-offset, "
     "--to-earliest, --to-latest, --to-current, --to-datetime, --by-duration, --shift-by, and "
     "--dry-run or --execute; --export prints a plan."},
    {"shift-by", 0, ARGS_VALUE, "Long: number-of-offsets",
     "Reset by a number, which may be negative."},
    {"state", 0, ARGS_OPTIONAL, "String",
     "With --describe: the state of the group. With --list: the state of each, or only those in "
     "one of these states, as stable,empty."},
    {"timeout", 0, ARGS_VALUE, "Long: timeout (ms)",
     "How long to wait for an answer, in milliseconds (30000)."},
    {"to-current", 0, ARGS_FLAG, NULL, "Reset to where the group is, or to the end."},
    {"to-datetime", 0, ARGS_VALUE, "String: datetime",
     "Reset to a point in time: YYYY-MM-DDThh:mm:ss.sss."},
    {"to-earliest", 0, ARGS_FLAG, NULL, "Reset to the start."},
    {"to-latest", 0, ARGS_FLAG, NULL, "Reset to the end."},
    {"to-offset", 0, ARGS_VALUE, "Long: offset", "Reset to an offset."},
    {"topic", 0, ARGS_VALUE, "String: topic",
     "A topic, or some of its partitions as topic:0,1,2; may be repeated."},
    {"type", 0, ARGS_OPTIONAL, "String",
     "With --list: the type of each, or only those of these types, as classic,consumer."},
    {"validate-regex", 0, ARGS_VALUE, "String: regex",
     "Whether this is a regular expression in the syntax of RE2."},
    {"verbose", 0, ARGS_FLAG, NULL, "With --describe: more columns."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* ---- errors ---- */

const char *groups_class(int code, char name[GROUPS_CLASS_BYTES])
{
    const char *known = tools_exception(code);
    snprintf(name, GROUPS_CLASS_BYTES, "org.apache.kafka.common.%s%s",
             strcmp(known, "KafkaException") == 0 ? "" : "errors.", known);
    return name;
}

void groups_error(const char *format, ...)
{
    va_list arguments;
    fputs("\nError: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

int groups_fail(enum groups_wrap wrap, const char *java_class, const char *text)
{
    static const char *const outer[] = {
        [GROUPS_BARE] = "",
        [GROUPS_EXECUTION] = "java.util.concurrent.ExecutionException: ",
        [GROUPS_RUNTIME] = "java.lang.RuntimeException: ",
        [GROUPS_RUNTIME_OF_EXECUTION] = "java.lang.RuntimeException: ",
    };
    const char *inner = wrap == GROUPS_RUNTIME_OF_EXECUTION ? outer[GROUPS_EXECUTION] : "";
    bool bare = wrap == GROUPS_BARE;
    groups_error("Executing consumer group command failed due to %s%s%s%s", inner,
                 bare ? "" : java_class, bare ? "" : ": ", text);
    fprintf(stderr, "%s%s%s: %s\n", outer[wrap], inner, java_class, text);
    return GROUPS_TOLD;
}

int groups_fail_code(enum groups_wrap wrap, int code, const char *text)
{
    char name[GROUPS_CLASS_BYTES];
    return groups_fail(wrap, groups_class(code, name), text);
}

void *groups_memory(struct groups_run *run, int32_t count, size_t size)
{
    void *memory = arena_array(&run->arena, (size_t)count + 1, size);
    if (memory == NULL) {
        fputs("barnabas: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- groups ---- */

static bool is_of_consumers(const struct bnb_group_listing *listing)
{
    bool of_type = listing->type[0] == '\0' || strcmp(listing->type, "Classic") == 0 ||
                   strcmp(listing->type, "Consumer") == 0;
    return of_type && (listing->protocol_type[0] == '\0' ||
                       strcmp(listing->protocol_type, "consumer") == 0);
}

/* The groups of consumers that pass the filter, in the order of a Java map. */
static int list_consumers(struct groups_run *run, const struct bnb_group_filter *filter,
                          enum groups_wrap wrap, struct bnb_group_listing **kept, int32_t *count)
{
    const struct bnb_group_listing *all;
    struct bnb_error error;
    int32_t total;
    if (bnb_admin_list_groups(run->admin, run->memory, filter, &all, &total, &error) != 0) {
        return groups_fail_code(wrap, error.code, error.text);
    }
    *kept = groups_memory(run, total, sizeof **kept);
    *count = 0;
    for (int32_t i = 0; i < total; i++) {
        if (is_of_consumers(&all[i])) {
            (*kept)[(*count)++] = all[i];
        }
    }
    tools_java_order(*kept, *count, sizeof **kept);
    return 0;
}

int groups_chosen(struct groups_run *run, const char *const **ids, int32_t *count)
{
    const char **made;
    *count = 0;
    if (args_has(&run->args, "all-groups")) {
        struct bnb_group_listing *listings;
        int status = list_consumers(run, &(struct bnb_group_filter){NULL, NULL},
                                    GROUPS_RUNTIME_OF_EXECUTION, &listings, count);
        made = groups_memory(run, *count, sizeof *made);
        for (int32_t i = 0; i < *count; i++) {
            made[i] = listings[i].id;
        }
        *ids = made;
        return status;
    }
    made = groups_memory(run, ARGS_GIVEN_MAX, sizeof *made);
    const char *id;
    for (size_t i = 0; (id = args_nth(&run->args, "group", i)) != NULL; i++) {
        int32_t before = 0;
        while (before < *count && strcmp(made[before], id) != 0) {
            before++;
        }
        if (before == *count) {
            made[(*count)++] = id;
        }
    }
    tools_java_order(made, *count, sizeof *made);
    *ids = made;
    return 0;
}

int groups_chosen_described(struct groups_run *run, enum groups_wrap wrap,
                            struct bnb_group **groups, int32_t *count)
{
    const char *const *ids;
    const struct bnb_group *found;
    struct bnb_error error;
    int status = groups_chosen(run, &ids, count);
    if (status != 0) {
        return status;
    }
    if (bnb_admin_describe_groups(run->admin, run->memory, ids, *count, &found, &error) != 0) {
        return groups_fail_code(wrap, error.code, error.text);
    }
    struct bnb_group *chosen = groups_memory(run, *count, sizeof *chosen);
    for (int32_t i = 0; i < *count; i++) {
        chosen[i] = found[i];
    }
    tools_java_order_copied(chosen, *count, sizeof *chosen);
    *groups = chosen;
    return 0;
}

int groups_refuse(const struct bnb_group *group, enum groups_wrap wrap)
{
    if (group->code != 0) {
        return groups_fail_code(wrap, group->code, group->error_text);
    }
    if (group->is_of_others) {
        char text[512];
        snprintf(text, sizeof text, "GroupId %.300s is not a consumer group (%.100s).", group->id,
                 group->protocol_type);
        return groups_fail(wrap, "java.lang.IllegalArgumentException", text);
    }
    return 0;
}

int groups_committed(struct groups_run *run, const char *id,
                     const struct bnb_group_offset **offsets, int32_t *count)
{
    const struct bnb_group_offset *found;
    struct bnb_error error;
    if (bnb_admin_list_group_offsets(run->admin, run->memory, id, &found, count, &error) != 0) {
        return groups_fail_code(GROUPS_RUNTIME_OF_EXECUTION, error.code, error.text);
    }
    struct bnb_group_offset *sorted = groups_memory(run, *count, sizeof *sorted);
    memcpy(sorted, found, (size_t)*count * sizeof *sorted);
    tools_java_order_partitions(sorted, *count, sizeof *sorted, false);
    *offsets = sorted;
    return 0;
}

/* ---- list ---- */

/* The words of a list in their own spelling, ending with NULL. False: one is none of names. */
static bool list_words(struct groups_run *run, const char *list, const char *const *names,
                       const char *const **words)
{
    char *rest = groups_memory(run, (int32_t)strlen(list), 1);
    const char **made = groups_memory(run, (int32_t)strlen(list) + 1, sizeof *made);
    size_t count = 0;
    memcpy(rest, list, strlen(list));
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        word += strspn(word, " \t");
        size_t size = strlen(word);
        while (size > 0 && isspace((unsigned char)word[size - 1])) {
            size--;
        }
        word[size] = '\0';
        const char *const *name = names;
        while (*name != NULL && strcasecmp(*name, word) != 0) {
            name++;
        }
        if (*name == NULL) {
            return false;
        }
        made[count++] = *name;
    }
    made[count] = NULL;
    *words = made;
    return true;
}

static int list_filter(struct groups_run *run, struct bnb_group_filter *filter)
{
    static const char *const states[] = {"PreparingRebalance", "CompletingRebalance", "Stable",
                                         "Dead", "Empty", "Assigning", "Reconciling", NULL};
    static const char *const types[] = {"Consumer", "Classic", NULL};
    static const char *const options[] = {"type", "state"};
    for (size_t i = 0; i < 2; i++) {
        if (args_nth(&run->args, options[i], 1) != NULL) {
            char text[ARGS_ERROR_BYTES];
            snprintf(text, sizeof text, ARGS_REPEATED, options[i]);
            return groups_fail(GROUPS_BARE, "joptsimple.MultipleArgumentsForOptionException",
                               text);
        }
        const char *list = args_value_or(&run->args, options[i], "");
        const char *const **words = i == 0 ? &filter->types : &filter->states;
        if (*list != '\0' && !list_words(run, list, i == 0 ? types : states, words)) {
            return args_usage(&run->args,
                              i == 0 ? "Invalid types list '%s'. Valid types are: Consumer, Classic"
                                     : "Invalid state list '%s'. Valid states are: "
                                       "PreparingRebalance, CompletingRebalance, Stable, Dead, "
                                       "Empty, Assigning, Reconciling", list);
        }
    }
    return 0;
}

static const char *or_unknown(const char *text) { return text[0] != '\0' ? text : "Unknown"; }

static int list(struct groups_run *run)
{
    bool with_type = args_has(&run->args, "type");
    bool with_state = args_has(&run->args, "state");
    struct bnb_group_filter filter = {NULL, NULL};
    struct bnb_group_listing *listings;
    int32_t count;
    int status = list_filter(run, &filter);
    if (status == 0) {
        status = list_consumers(run, &filter, with_type || with_state ? GROUPS_EXECUTION
                                                                      : GROUPS_RUNTIME_OF_EXECUTION,
                                &listings, &count);
    }
    if (status != 0) {
        return status;
    }
    size_t width = 15;
    for (int32_t i = 0; i < count; i++) {
        size_t size = strlen(listings[i].id);
        width = size > width ? size : width;
    }
    width = with_type || with_state ? width + 10 : 0;
    for (int32_t i = with_type || with_state ? -1 : 0; i < count; i++) {
        printf("%-*s", (int)width, i < 0 ? "GROUP" : listings[i].id);
        if (with_type) {
            printf(" %-20s", i < 0 ? "TYPE" : or_unknown(listings[i].type));
        }
        if (with_state) {
            printf(" %-20s", i < 0 ? "STATE" : or_unknown(listings[i].state));
        }
        putchar('\n');
    }
    return 0;
}

/* ---- delete ---- */

static void print_names(const struct bnb_group_outcome *outcomes, int32_t count)
{
    bool first = true;
    for (int32_t i = 0; i < count; i++) {
        if (outcomes[i].code == 0) {
            printf("%s'%s'", first ? "" : ", ", outcomes[i].id);
            first = false;
        }
    }
}

static int delete(struct groups_run *run)
{
    const char *const *ids;
    int32_t count;
    struct bnb_error error;
    const struct bnb_group_outcome *told;
    int status = groups_chosen(run, &ids, &count);
    if (status != 0) {
        return status;
    }
    int result = bnb_admin_delete_groups(run->admin, run->memory, ids, count, &told, &error);
    struct bnb_group_outcome *outcomes = groups_memory(run, count, sizeof *outcomes);
    int32_t failed = 0;
    for (int32_t i = 0; i < count; i++) {
        outcomes[i] = result == 0 ? told[i]
                                  : (struct bnb_group_outcome){ids[i], error.code, error.text};
        failed += outcomes[i].code != 0 ? 1 : 0;
    }
    if (failed == 0) {
        printf("Deletion of requested consumer groups (");
        print_names(outcomes, count);
        printf(") was successful.\n");
        return 0;
    }
    groups_error("Deletion of some consumer groups failed:");
    for (int32_t i = 0; i < count; i++) {
        char name[GROUPS_CLASS_BYTES];
        if (outcomes[i].code != 0) {
            printf("* Group '%s' could not be deleted due to: %s: %s\n", outcomes[i].id,
                   groups_class(outcomes[i].code, name), outcomes[i].error_text);
        }
    }
    if (failed < count) {
        printf("\nThese consumer groups were deleted successfully: ");
        print_names(outcomes, count);
        putchar('\n');
    }
    return 0;
}

/* ---- validate-regex ---- */

static int validate_regex(const struct args *args)
{
    const char *expression = args_value(args, "validate-regex");
    struct regex *regex = NULL;
    const char *wrong = NULL;
    if (regex_create_told(string_view_of(expression), &regex, &wrong) == 0) {
        printf("The regular expression `%s` is valid.\n", expression);
    } else {
        printf("The regular expression `%s` is invalid: %s.\n", expression, wrong);
    }
    regex_destroy(&regex);
    return 0;
}

/* ---- the command line ---- */

/* Which options need which others. */
static int check_available(const struct args *args)
{
    static const struct {
        const char *option;
        const char *with[2];
    } rows[] = {{"members", {"describe", NULL}}, {"offsets", {"describe", NULL}},
                {"state", {"describe", "list"}}, {"type", {"list", NULL}},
                {"verbose", {"describe", NULL}}};
    char names[64] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool with = args_has(args, rows[i].with[0]) ||
                    (rows[i].with[1] != NULL && args_has(args, rows[i].with[1]));
        if (args_has(args, rows[i].option) && !with) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                     used > 0 ? ", " : "", rows[i].option);
        }
    }
    return used == 0 ? 0
                     : args_mistake(args, "Option(s) [%s] are unavailable given other options on "
                                          "the command line", names);
}

static int check_scope(const struct args *args, const char *option)
{
    return args_has(args, "group") || args_has(args, "all-groups")
               ? 0
               : args_usage(args, "Option [%s] takes one of these options: [group], [all-groups]",
                            option);
}

static int check_describe(const struct args *args)
{
    if (!args_has(args, "describe")) {
        return 0;
    }
    int views = (args_has(args, "members") ? 1 : 0) + (args_has(args, "offsets") ? 1 : 0) +
                (args_has(args, "state") ? 1 : 0);
    if (check_scope(args, "describe") != 0) {
        return 1;
    }
    if (views > 1) {
        return args_usage(args, "Option [describe] takes at most one of these options: [members], "
                                "[offsets], [state]");
    }
    if (args_nth(args, "state", 1) != NULL) {
        return args_mistake(args, ARGS_REPEATED, "state");
    }
    return args_value(args, "state") == NULL
               ? 0
               : args_usage(args, "Option [describe] does not take a value for [state]");
}

static int check_reset(const struct args *args)
{
    static const char *const scenarios[] = {"to-offset",   "to-datetime", "by-duration",
                                            "to-earliest", "to-latest",   "to-current",
                                            "shift-by",    "from-file"};
    if (!args_has(args, "reset-offsets")) {
        return 0;
    }
    if (args_has(args, "dry-run") && args_has(args, "execute")) {
        return args_usage(args, "Option [reset-offsets] only accepts one of [execute] and "
                                "[dry-run]");
    }
    if (!args_has(args, "dry-run") && !args_has(args, "execute")) {
        fprintf(stderr, "WARN: No action will be performed as the --execute option is missing. In "
                        "version 5.0, this command will require either --dry-run or --execute to "
                        "be specified. You should add the --dry-run option explicitly if you are "
                        "scripting this command and want to keep the current default behavior "
                        "without prompting.\n");
    }
    if (check_scope(args, "reset-offsets") != 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        for (size_t j = 0; j < sizeof scenarios / sizeof scenarios[0]; j++) {
            const char *const other[] = {scenarios[j], NULL};
            if (i != j && args_exclude(args, scenarios[i], other) != 0) {
                return 1;
            }
        }
    }
    return 0;
}

static int check(const struct args *args)
{
    static const char *const actions[] = {"list",          "describe",       "delete",
                                          "reset-offsets", "delete-offsets", "validate-regex"};
    int chosen = 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        chosen += args_has(args, actions[i]) ? 1 : 0;
    }
    if (!args_has(args, "validate-regex") &&
        args_require(args, (const char *const[]){"bootstrap-server", NULL}) != 0) {
        return 1;
    }
    if (check_describe(args) != 0) {
        return 1;
    }
    if (args_has(args, "delete") && check_scope(args, "delete") != 0) {
        return 1;
    }
    if (args_has(args, "delete") && args_has(args, "topic")) {
        return args_usage(args, "The consumer does not support topic-specific offset deletion from "
                                "a consumer group.");
    }
    if (args_has(args, "delete-offsets") &&
        (!args_has(args, "group") || !args_has(args, "topic"))) {
        return args_usage(args, "Option [delete-offsets] takes the following options: [topic], "
                                "[group]");
    }
    if (check_reset(args) != 0 ||
        args_exclude(args, "group", (const char *const[]){"all-groups", "list", NULL}) != 0 ||
        args_exclude(args, "topic", (const char *const[]){"list", "describe", NULL}) != 0) {
        return 1;
    }
    if (chosen != 1) {
        return args_usage(args, "Command must include exactly one action: --list, --describe, "
                                "--delete, --reset-offsets, --delete-offsets, --validate-regex");
    }
    if (args_nth(args, "validate-regex", 1) != NULL) {
        return args_usage(args, ARGS_REPEATED, "validate-regex");
    }
    return 0;
}

/* ---- running ---- */

static int fail_repeated(const char *option)
{
    char text[ARGS_ERROR_BYTES];
    snprintf(text, sizeof text, ARGS_REPEATED, option);
    return groups_fail(GROUPS_BARE, "joptsimple.MultipleArgumentsForOptionException", text);
}

/* A number among the options: its first value; all must be numbers. */
static int read_number(const struct args *args, const char *option, int64_t *number)
{
    const char *text;
    for (size_t i = 0; (text = args_nth(args, option, i)) != NULL; i++) {
        int64_t parsed;
        if (!args_parse_number(text, &parsed)) {
            char told[ARGS_ERROR_BYTES];
            snprintf(told, sizeof told, "Cannot parse argument '%.150s' of option %s", text,
                     option);
            return groups_fail(GROUPS_BARE, "joptsimple.OptionArgumentConversionException", told);
        }
        *number = i == 0 ? parsed : *number;
    }
    return 0;
}

/* What Apache Kafka's tool reads of its options when it starts, in that order. */
static int read_options(struct groups_run *run, int64_t *timeout_ms)
{
    static const char *const single[] = {"by-duration", "shift-by", "timeout"};
    int status = read_number(&run->args, "to-offset", &run->to_offset);
    for (size_t i = 0; status == 0 && i < sizeof single / sizeof single[0]; i++) {
        if (args_nth(&run->args, single[i], 1) != NULL) {
            status = fail_repeated(single[i]);
        } else if (i > 0) {
            status = read_number(&run->args, single[i], i == 1 ? &run->shift_by : timeout_ms);
        }
    }
    return status;
}

/* 0 with a client, or GROUPS_TOLD. */
static int start_client(struct groups_run *run)
{
    static const char *const single[] = {"command-config", "bootstrap-server"};
    const char *file = args_value(&run->args, "command-config");
    struct bnb_error error;
    for (size_t i = 0; i < 2; i++) {
        if (args_nth(&run->args, single[i], 1) != NULL) {
            return fail_repeated(single[i]);
        }
        if (i == 0 && file != NULL && access(file, F_OK) != 0) {
            return groups_fail(GROUPS_RUNTIME, "java.nio.file.NoSuchFileException", file);
        }
    }
    struct bnb_config *config = tools_config(&run->args, file, "adminclient-1");
    int result = config == NULL ? BNB_ERROR_INVALID
                                : bnb_admin_create(config, &run->admin, &error);
    if (config == NULL) {
        return GROUPS_TOLD;
    }
    bnb_config_destroy(&config);
    if (result != 0) {
        groups_error("Executing consumer group command failed due to Failed to create new "
                     "KafkaAdminClient");
        (void)tools_fail_create(&error);
        return GROUPS_TOLD;
    }
    return 0;
}

static int run_action(struct groups_run *run)
{
    int64_t timeout_ms = TIMEOUT_MS;
    int status = start_client(run);
    status = status == 0 ? read_options(run, &timeout_ms) : status;
    if (status != 0) {
        return status;
    }
    timeout_ms = (int32_t)timeout_ms; /* as there */
    bnb_admin_set_timeout(run->admin, timeout_ms < 0 ? 0 : timeout_ms);
    return args_has(&run->args, "list")            ? list(run)
           : args_has(&run->args, "describe")      ? groups_describe(run)
           : args_has(&run->args, "delete")        ? delete(run)
           : args_has(&run->args, "reset-offsets") ? groups_reset(run)
                                                   : groups_delete_offsets(run);
}

int tool_consumer_groups(int argc, char **argv)
{
    struct groups_run run = {
        .args = {.mistake_prefix = "Exception in thread \"main\" joptsimple.OptionException: "}};
    if (args_parse(&run.args, groups_options, argc, argv) == 0 &&
        !args_has(&run.args, "help") && !args_has(&run.args, "version") &&
        check_available(&run.args) != 0) {
        return 1;
    }
    int status = args_start(&run.args, groups_options,
                            "This tool helps to list all consumer groups, describe a consumer "
                            "group, delete consumer group info, or reset consumer group offsets.",
                            argc, argv);
    if (status >= 0) {
        return status;
    }
    if (check(&run.args) != 0) {
        return 1;
    }
    if (args_has(&run.args, "validate-regex")) {
        return validate_regex(&run.args);
    }
    run.memory = bnb_memory_create();
    arena_init(&run.arena, RUN_BYTES_MAX);
    status = run_action(&run);
    arena_release(&run.arena);
    bnb_memory_destroy(&run.memory);
    bnb_admin_close(&run.admin);
    return status == GROUPS_TOLD ? 0 : status;
}
