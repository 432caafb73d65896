/* console_consumer.c: kafka-console-consumer: records to standard output, of one partition or as a
 * member of a group. */
#include <barnabas/consumer.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/regex.h"
#include "tools/common.h"
#include "tools/console_format.h"
#include "tools/tools.h"

#define CONSUMER_OUTPUT_BYTES (256 * 1024)
#define STATUS_INTERRUPTED 130

static const struct args_option consumer_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "REQUIRED: The server(s) to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: config file",
     "Config properties file for the consumer."},
    {"command-property", 0, ARGS_VALUE, "String: consumer_prop",
     "Consumer config properties in the form key=value."},
    {"consumer-property", 0, ARGS_VALUE, "String: consumer_prop",
     "(DEPRECATED) Use --command-property instead."},
    {"consumer.config", 0, ARGS_VALUE, "String: config file",
     "(DEPRECATED) Use --command-config instead."},
    {"enable-systest-events", 0, ARGS_FLAG, NULL, "Log lifecycle events of the consumer."},
    {"formatter", 0, ARGS_VALUE, "String: class",
     "The name of a class to use for formatting kafka messages for display."},
    {"formatter-config", 0, ARGS_VALUE, "String: config file",
     "Config properties file to initialize the message formatter."},
    {"formatter-property", 0, ARGS_VALUE, "String: prop",
     "Properties of the formatter: print.timestamp, print.key, print.offset, print.epoch, "
     "print.partition, print.headers, print.value, key.separator, line.separator, "
     "headers.separator, null.literal, key.deserializer, value.deserializer, "
     "headers.deserializer."},
    {"from-beginning", 0, ARGS_FLAG, NULL,
     "Start with the earliest message present in the log rather than the latest message."},
    {"group", 0, ARGS_VALUE, "String: consumer group id", "The consumer group id of the consumer."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"include", 0, ARGS_VALUE, "String: Java regex (String)",
     "Regular expression specifying list of topics to include for consumption."},
    {"isolation-level", 0, ARGS_VALUE, "String",
     "Set to read_committed in order to filter out transactional messages which are not "
     "committed."},
    {"key-deserializer", 0, ARGS_VALUE, "String: deserializer for key",
     "The name of the class to use for deserializing keys."},
    {"max-messages", 0, ARGS_VALUE, "Integer: num_messages",
     "The maximum number of messages to consume before exiting."},
    {"offset", 0, ARGS_VALUE, "String: consume offset",
     "The offset to consume from (a non-negative number), or 'earliest', or 'latest'."},
    {"partition", 0, ARGS_VALUE, "Integer: partition", "The partition to consume from."},
    {"property", 0, ARGS_VALUE, "String: prop", "(DEPRECATED) Use --formatter-property instead."},
    {"skip-message-on-error", 0, ARGS_FLAG, NULL,
     "If there is an error when processing a message, skip it instead of halt."},
    {"timeout-ms", 0, ARGS_VALUE, "Long: timeout_ms",
     "If specified, exit if no message is available for consumption for the specified interval."},
    {"topic", 0, ARGS_VALUE, "String: topic", "The topic to consume on."},
    {"value-deserializer", 0, ARGS_VALUE, "String: deserializer for values",
     "The name of the class to use for deserializing values."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

struct consumer_run {
    struct args args;
    struct bnb_consumer *consumer;
    struct console_format format;
    int32_t max_messages;
    int64_t timeout_ms;
    int64_t count;
    bool unshown; /* the last record could not be shown, and ended it */
    atomic_bool stopped;
    sigset_t signals;
    pthread_t signal_thread;
};

/* A failure before anything was read. */
static int consumer_fail(const char *what, const char *why)
{
    tools_log("ERROR", "Unknown error when running consumer:  "
              "(org.apache.kafka.tools.consumer.ConsoleConsumer)");
    if (*what != '\0') {
        fprintf(stderr, "org.apache.kafka.common.KafkaException: %s\nCaused by: %s\n", what, why);
    } else {
        fprintf(stderr, "org.apache.kafka.common.config.ConfigException: %s\n", why);
    }
    return 1;
}

/* ---- what to read ---- */

/* 0 with the start offset, or 1 after telling the mistake. */
static int consumer_start_offset(const struct args *args, int64_t *offset)
{
    const char *text = args_value(args, "offset");
    *offset = BNB_OFFSET_END;
    if (text == NULL) {
        *offset = args_has(args, "from-beginning") ? BNB_OFFSET_BEGINNING : BNB_OFFSET_END;
    } else if (strcasecmp(text, "earliest") == 0) {
        *offset = BNB_OFFSET_BEGINNING;
    } else if (strcasecmp(text, "latest") != 0 &&
               (!args_parse_number(text, offset) || *offset < 0)) {
        return args_usage(args, "The provided offset value '%s' is incorrect. Valid values are "
                          "'earliest', 'latest', or a non-negative long.", text);
    }
    return 0;
}

/* One partition from where --offset says, or the topics with the group. 0, or 1 after telling. */
static int consumer_begin(struct consumer_run *run)
{
    struct bnb_error error;
    int32_t partition;
    const char *name = args_value(&run->args, "topic");
    const char *include = args_value(&run->args, "include");
    (void)args_int(&run->args, "partition", -1, &partition);
    int result;
    if (name != NULL && partition >= 0) {
        int64_t offset;
        if (consumer_start_offset(&run->args, &offset) != 0) {
            return 1;
        }
        struct bnb_assignment one = {name, partition, offset};
        result = bnb_consumer_assign(run->consumer, &one, 1);
        snprintf(error.text, sizeof error.text, "%s", bnb_error_name(result));
    } else if (name != NULL) {
        result = bnb_consumer_subscribe(run->consumer, &name, 1, NULL, &error);
    } else {
        result = bnb_consumer_subscribe_pattern(run->consumer, include, NULL, &error);
    }
    return result == 0 ? 0 : consumer_fail("", error.text);
}

/* ---- the loop ---- */

static void *consumer_signals(void *argument)
{
    struct consumer_run *run = argument;
    int number;
    while (sigwait(&run->signals, &number) != 0) {
    }
    atomic_store(&run->stopped, true);
    bnb_consumer_wakeup(run->consumer);
    return NULL;
}

/* What was handed out and not shown is not to be committed. */
static void consumer_unread(struct consumer_run *run, const struct bnb_consumer_record *records,
                            size_t count)
{
    while (count-- > 0) {
        (void)bnb_consumer_seek(run->consumer, records[count].topic, records[count].partition,
                                records[count].offset);
    }
}

/* A record that cannot be shown: whether to go on behind it, as the user wants it. */
static bool consumer_skips(struct consumer_run *run)
{
    if (!args_has(&run->args, "skip-message-on-error")) {
        run->unshown = true; /* told at the end */
        return false;
    }
    fflush(stdout);
    tools_log("ERROR", "Error processing message, skipping this message: "
              "(org.apache.kafka.tools.consumer.ConsoleConsumer)\n%s", run->format.error);
    return true;
}

/* One poll. 0: go on; 1: the end; negative: an error that was told. */
static int consumer_poll(struct consumer_run *run, int64_t wait_ms, bool times_out)
{
    const struct bnb_consumer_record *records;
    size_t count;
    struct bnb_error error;
    int result = bnb_consumer_poll(run->consumer, wait_ms, &records, &count, &error);
    if (result != 0) {
        tools_log("ERROR", "Error processing message, terminating consumer process:  "
                  "(org.apache.kafka.tools.consumer.ConsoleConsumer)\norg.apache.kafka.%s%s: %s",
                  result == BNB_ERROR_NO_OFFSET ? "clients.consumer.NoOffsetForPartitionException"
                                                : "common.errors.",
                  result == BNB_ERROR_NO_OFFSET ? "" : tools_exception(result), error.text);
        return 1;
    }
    if (count == 0 && !atomic_load(&run->stopped) && times_out) {
        tools_log("ERROR", "Error processing message, terminating consumer process:  "
                  "(org.apache.kafka.tools.consumer.ConsoleConsumer)\n"
                  "org.apache.kafka.common.errors.TimeoutException");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        run->count++;
        if (!console_format_print(&run->format, &records[i]) && !consumer_skips(run)) {
            consumer_unread(run, records + i + 1, count - i - 1);
            return 1;
        }
        if (run->max_messages >= 0 && run->count >= run->max_messages) {
            consumer_unread(run, records + i + 1, count - i - 1);
            return 1;
        }
    }
    /* What is there is shown before the next wait. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "Unable to write to standard out, closing consumer.\n");
        consumer_unread(run, records, count); /* nobody knows how much of it was shown */
        return 1;
    }
    return 0;
}

static int consumer_loop(struct consumer_run *run)
{
    bool timed = run->timeout_ms >= 0;
    int state = consumer_begin(run) != 0 ? -1 : 0;
    while (state == 0 && !atomic_load(&run->stopped)) {
        state = run->max_messages == 0
                    ? 1
                    : consumer_poll(run, timed ? run->timeout_ms : INT32_MAX, timed);
    }
    fflush(stdout);
    return state < 0 ? 1 : 0;
}

static int consumer_check(struct consumer_run *run)
{
    struct args *args = &run->args;
    if (args_require(args, (const char *const[]){"bootstrap-server", NULL}) != 0) {
        return 1;
    }
    if (args_has(args, "topic") == args_has(args, "include")) {
        return args_usage(args, "Exactly one of the following arguments is required: [topic], "
                                "[include]");
    }
    if (args_has(args, "partition") && !args_has(args, "topic")) {
        return args_usage(args, "The topic is required when partition is specified.");
    }
    if (args_has(args, "offset") && !args_has(args, "partition")) {
        return args_usage(args, "The partition is required when offset is specified.");
    }
    if (args_has(args, "from-beginning") && args_has(args, "offset")) {
        return args_usage(args, "Options from-beginning and offset cannot be specified together.");
    }
    const char *formatter = args_value(args, "formatter");
    int32_t partition;
    args->mistake_shows_options = false;
    if (args_nth(args, "partition", 1) != NULL) {
        return args_mistake(args, ARGS_REPEATED, "partition");
    }
    if (args_int(args, "partition", -1, &partition) != 0 ||
        args_number(args, "timeout-ms", -1, &run->timeout_ms) != 0) {
        return 1;
    }
    return console_format_is_known(formatter) ? 0 : args_usage(args, "%s", formatter);
}

static const struct args_renaming renamed_file = {
    "command-config", "consumer.config", TOOLS_IS_DEPRECATED,
    "Options %o and %n cannot be specified together.", true};
static const struct args_renaming renamed_property = {
    "command-property", "consumer-property", TOOLS_IS_DEPRECATED,
    "Options %o and %n cannot be specified together.", true};
static const struct args_renaming renamed_formatter = {
    "formatter-property", "property", TOOLS_IS_DEPRECATED,
    "Options %o and %n cannot be specified together.", true};

/* ids, each once, "'a', 'b'". */
static size_t groups_told(const char **ids, size_t count, char *text, size_t size)
{
    size_t kept = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = ids[i] == NULL;
        for (size_t j = 0; j < kept && !known; j++) {
            known = strcmp(ids[i], ids[j]) == 0;
        }
        if (!known) {
            ids[kept++] = ids[i];
        }
    }
    tools_java_order(ids, (int32_t)kept, sizeof *ids);
    for (size_t i = 0; i < kept && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s'%s'", i > 0 ? ", " : "", ids[i]);
    }
    return kept;
}

/* The group: of the flag, the properties or the file, or one of its own whose offsets nobody needs.
 * file_group is what the file says. */
static int consumer_group(struct consumer_run *run, struct bnb_config *config,
                          const char *file_group)
{
    const char *ids[] = {args_value(&run->args, "group"), bnb_config_get(config, "group.id"),
                         file_group};
    char told[ARGS_ERROR_BYTES];
    size_t count = groups_told(ids, 3, told, sizeof told);
    run->args.mistake_shows_options = true;
    if (count > 1) {
        return args_usage(&run->args, "The group ids provided in different places (directly using "
                          "'--group', via '--consumer-property', or via '--consumer.config') do "
                          "not match. Detected group ids: %s", told);
    }
    if (count == 1 && args_has(&run->args, "partition")) {
        return args_usage(&run->args, "Options group and partition cannot be specified together.");
    }
    run->args.mistake_shows_options = false;
    char own[64];
    snprintf(own, sizeof own, "console-consumer-%u", tools_random() % 100000);
    bnb_config_set(config, "group.id", count == 1 ? ids[0] : own);
    if (count == 0 && bnb_config_get(config, "enable.auto.commit") == NULL) {
        bnb_config_set(config, "enable.auto.commit", "false");
    }
    return 0;
}

static int consumer_settings(struct consumer_run *run, struct bnb_config **config,
                             struct bnb_config *properties)
{
    struct bnb_error error;
    const char *file;
    const char *format_file = args_value(&run->args, "formatter-config");
    if (args_renamed(&run->args, &renamed_file, &file) != 0) {
        return 1;
    }
    *config = tools_config(&run->args, file, NULL);
    char file_group[256];
    const char *found = *config != NULL ? bnb_config_get(*config, "group.id") : NULL;
    snprintf(file_group, sizeof file_group, "%s", found != NULL ? found : "");
    if (*config == NULL ||
        tools_config_pairs(&run->args, &renamed_property, *config) != 0 ||
        consumer_group(run, *config, found != NULL ? file_group : NULL) != 0 ||
        tools_config_pairs(&run->args, &renamed_formatter, properties) != 0) {
        return 1;
    }
    if (format_file != NULL && bnb_config_load(properties, format_file, &error) != 0) {
        return access(format_file, F_OK) != 0 ? args_usage(&run->args, "%s", format_file)
                                              : tools_fail_file(format_file, &error);
    }
    if (bnb_config_get(*config, "client.id") == NULL) {
        bnb_config_set(*config, "client.id", "console-consumer");
    }
    const char *isolation = args_value(&run->args, "isolation-level");
    if (isolation != NULL) {
        bnb_config_set(*config, "isolation.level", isolation);
    }
    bool beginning = args_has(&run->args, "from-beginning");
    const char *reset = bnb_config_get(*config, "auto.offset.reset");
    if (beginning && reset != NULL && strcmp(reset, "earliest") != 0) {
        fprintf(stderr, "Can't simultaneously specify --from-beginning and "
                        "'auto.offset.reset=%s', please remove one option\n", reset);
        return 1;
    }
    if (reset == NULL) {
        bnb_config_set(*config, "auto.offset.reset", beginning ? "earliest" : "latest");
    }
    return 0;
}

static void consumer_hint(const struct consumer_run *run, const struct bnb_config *config)
{
    const char *protocol = bnb_config_get(config, "group.protocol");
    if (!args_has(&run->args, "partition") &&
        (protocol == NULL || strcasecmp(protocol, "classic") == 0)) {
        fprintf(stderr, "The consumer rebalance protocol (KIP-848) is production-ready! Set "
                        "group.protocol=consumer to try it out. See "
                        "https://kafka.apache.org/documentation/#consumer_rebalance_protocol\n");
    }
}

static int consumer_run_all(struct consumer_run *run, const struct bnb_config *config)
{
    static char output[CONSUMER_OUTPUT_BYTES]; /* stdout's buffer; must outlive every write */
    struct bnb_error error;
    setvbuf(stdout, output, _IOFBF, sizeof output);
    sigemptyset(&run->signals);
    sigaddset(&run->signals, SIGINT);
    sigaddset(&run->signals, SIGTERM);
    signal(SIGPIPE, SIG_IGN); /* whoever stops reading ends it in order: it leaves its group */
    /* Before the network thread starts, so that it inherits the mask. */
    pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
    if (bnb_consumer_create(config, &run->consumer, &error) != 0) {
        return consumer_fail(tools_fails_late(error.text) ? "Failed to construct kafka consumer"
                                                          : "", error.text);
    }
    consumer_hint(run, config);
    bool watching = pthread_create(&run->signal_thread, NULL, consumer_signals, run) == 0;
    int status = consumer_loop(run);
    fflush(stdout);
    fprintf(stderr, "Processed a total of %" PRId64 " messages\n", run->count);
    if (run->unshown) {
        tools_log("ERROR", "Unknown error when running consumer:  "
                  "(org.apache.kafka.tools.consumer.ConsoleConsumer)\n%s", run->format.error);
        status = 1;
    }
    bool interrupted = atomic_load(&run->stopped);
    if (watching) {
        pthread_kill(run->signal_thread, SIGTERM); /* ends its wait, if it still waits */
        pthread_join(run->signal_thread, NULL);
    }
    bnb_consumer_close(&run->consumer);
    return interrupted ? STATUS_INTERRUPTED : status;
}

int tool_console_consumer(int argc, char **argv)
{
    struct consumer_run run = {.args = {.mistake_shows_options = true}};
    int status = args_start(&run.args, consumer_options,
                            "This tool helps to read data from Kafka topics and outputs it to "
                            "standard output.", argc, argv);
    if (status < 0) {
        status = consumer_check(&run) != 0 ? 1 : -1;
    }
    if (status >= 0) {
        return status;
    }
    struct bnb_config *config = NULL;
    struct bnb_config *properties = bnb_config_create();
    status = consumer_settings(&run, &config, properties);
    if (status == 0) {
        console_format_setup(&run.format, &run.args, properties);
        const char *max = args_value_or(&run.args, "max-messages", "-1");
        const char *repeated = args_repeated(
            &run.args, (const char *const[]){"formatter-property", "property", "command-property",
                                             "consumer-property", NULL});
        const char *include = args_value(&run.args, "include");
        struct regex *regex = NULL;
        if (repeated != NULL) {
            char wrong[ARGS_ERROR_BYTES];
            consumer_hint(&run, config);
            snprintf(wrong, sizeof wrong, ARGS_REPEATED, repeated);
            status = consumer_fail("", wrong);
        } else if (include != NULL && regex_create(string_view_of(include), &regex) != 0) {
            consumer_hint(&run, config);
            status = consumer_fail("", "the value of --include is no regular expression");
        } else if (args_parse_int(max, &run.max_messages)) {
            status = consumer_run_all(&run, config);
        } else {
            consumer_hint(&run, config);
            fprintf(stderr, "Processed a total of 0 messages\n");
            char wrong[ARGS_ERROR_BYTES];
            snprintf(wrong, sizeof wrong, "Cannot parse argument '%s' of option max-messages", max);
            status = consumer_fail("", wrong);
        }
        regex_destroy(&regex);
    }
    if (config != NULL) {
        bnb_config_destroy(&config);
    }
    console_format_release(&run.format);
    bnb_config_destroy(&properties);
    return status;
}
