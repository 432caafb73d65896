/* consumer_perf_test.c: kafka-consumer-perf-test: how fast records come out. */
#include <barnabas/consumer.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/common.h"
#include "tools/tools.h"

#define MEBIBYTE (1024.0 * 1024.0)
#define PERF_POLL_MS 100
#define PERF_TIMEOUT_MS 10000

static const struct args_option perf_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "REQUIRED: The server(s) to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: config file", "Consumer config properties file."},
    {"command-property", 0, ARGS_VALUE, "String: prop1=val1",
     "Kafka consumer related configuration properties."},
    {"consumer.config", 0, ARGS_VALUE, "String: config file",
     "(DEPRECATED) Use --command-config instead."},
    {"date-format", 0, ARGS_VALUE, "String: date format",
     "The date format to use for formatting the time field."},
    {"fetch-size", 0, ARGS_VALUE, "Integer: size", "The amount of data to fetch in a single "
     "request."},
    {"from-latest", 0, ARGS_FLAG, NULL, "Start with the latest message present in the log."},
    {"group", 0, ARGS_VALUE, "String: gid", "The group id to consume on."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"hide-header", 0, ARGS_FLAG, NULL, "If set, skips printing the header for the stats."},
    {"include", 0, ARGS_VALUE, "String: Java regex", "Regular expression of topics to consume."},
    {"messages", 0, ARGS_VALUE, "Long: count", "(DEPRECATED) Use --num-records instead."},
    {"num-records", 0, ARGS_VALUE, "Long: count", "REQUIRED: The number of records to consume."},
    {"print-metrics", 0, ARGS_FLAG, NULL, "Print out the metrics."},
    {"reporting-interval", 0, ARGS_VALUE, "Integer: interval_ms", "Interval in milliseconds at "
     "which to print progress info."},
    {"show-detailed-stats", 0, ARGS_FLAG, NULL, "If set, stats are reported for each interval."},
    {"socket-buffer-size", 0, ARGS_VALUE, "Integer: size", "The size of the tcp RECV size."},
    {"timeout", 0, ARGS_VALUE, "Long: milliseconds",
     "The maximum allowed time between returned records."},
    {"topic", 0, ARGS_VALUE, "String: topic", "The topic to consume from."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

struct perf_run {
    struct args args;
    struct bnb_consumer *consumer;
    int64_t num_records;
    int64_t timeout_ms;
    int64_t interval_ms;
    int64_t started_ms; /* since the epoch */
    int64_t join_began_ms;
    int64_t joining_ms; /* all of it */
    int64_t shown_joining_ms; /* of the interval */
    int64_t count;
    int64_t bytes;
    int64_t shown_ms;
    int64_t shown_count;
    int64_t shown_bytes;
};

static int64_t perf_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The letters of a Java date pattern that are known here. */
static const struct perf_letter {
    char letter;
    const char *format; /* of strftime; NULL: milliseconds */
} perf_letters[] = {{'y', "%Y"}, {'M', "%m"}, {'d', "%d"}, {'H', "%H"}, {'m', "%M"}, {'s', "%S"},
                    {'S', NULL}, {'h', "%I"}, {'a', "%p"}, {'E', "%a"}, {'z', "%Z"}, {'Z', "%z"},
                    {'D', "%j"}, {'k', "%k"}};

static const struct perf_letter *perf_find_letter(char letter)
{
    for (size_t i = 0; i < sizeof perf_letters / sizeof perf_letters[0]; i++) {
        if (perf_letters[i].letter == letter) {
            return &perf_letters[i];
        }
    }
    return NULL;
}

static const char *perf_date_pattern(const struct args *args)
{
    return args_value_or(args, "date-format", "yyyy-MM-dd HH:mm:ss:SSS");
}

/* 0, or 1 after telling that the date pattern is none. */
static int perf_date_check(const struct perf_run *run)
{
    for (const char *at = perf_date_pattern(&run->args); *at != '\0'; at++) {
        if (isalpha((unsigned char)*at) && perf_find_letter(*at) == NULL) {
            fprintf(stderr, "java.lang.IllegalArgumentException: Illegal pattern character '%c'\n",
                    *at);
            return 1;
        }
    }
    return 0;
}

static void perf_print_time(const struct perf_run *run, int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    for (const char *at = perf_date_pattern(&run->args); *at != '\0';) {
        const struct perf_letter *letter = perf_find_letter(*at);
        size_t count = 1;
        char text[64] = "";
        while (letter != NULL && at[count] == *at) {
            count++;
        }
        if (letter == NULL) {
            putchar(*at);
        } else if (letter->format == NULL) {
            printf("%0*d", (int)count, (int)(at_ms % 1000));
        } else if (*at == 'y' && count == 2) {
            printf("%02d", parts.tm_year % 100);
        } else {
            strftime(text, sizeof text, letter->format, &parts);
            fputs(text, stdout);
        }
        at += count;
    }
}

static double perf_rate(double amount, int64_t ms)
{
    return amount * 1000.0 / (double)(ms > 0 ? ms : 1);
}

static void perf_print_header(const struct args *args)
{
    if (args_has(args, "hide-header")) {
        return;
    }
    printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
           "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
           args_has(args, "show-detailed-stats") ? "time, threadId" : "start.time, end.time");
}

static void perf_print_total(const struct perf_run *run)
{
    int64_t end_ms = perf_now_ms();
    int64_t fetching_ms = end_ms - run->started_ms - run->joining_ms;
    double mebibytes = (double)run->bytes / MEBIBYTE;
    perf_print_time(run, run->started_ms);
    printf(", ");
    perf_print_time(run, end_ms);
    printf(", %.4f, %.4f, %" PRId64 ", %.4f, %" PRId64 ", %" PRId64 ", %.4f, %.4f\n", mebibytes,
           perf_rate(mebibytes, end_ms - run->started_ms), run->count,
           perf_rate((double)run->count, end_ms - run->started_ms), run->joining_ms, fetching_ms,
           perf_rate(mebibytes, fetching_ms), perf_rate((double)run->count, fetching_ms));
}

static void perf_print_interval(struct perf_run *run, int64_t now_ms)
{
    double mebibytes = (double)(run->bytes - run->shown_bytes) / MEBIBYTE;
    double count = (double)(run->count - run->shown_count);
    int64_t ms = now_ms - run->shown_ms;
    int64_t fetching_ms = ms - run->shown_joining_ms;
    double share = fetching_ms > 0 ? 1 : 0; /* of an interval without fetching: nothing a second */
    perf_print_time(run, now_ms);
    printf(", 0, %.4f, %.4f, %" PRId64 ", %.4f, %" PRId64 ", %" PRId64 ", %.4f, %.4f\n",
           (double)run->bytes / MEBIBYTE, perf_rate(mebibytes, ms), run->count,
           perf_rate(count, ms), run->shown_joining_ms, fetching_ms,
           share * perf_rate(mebibytes, fetching_ms), share * perf_rate(count, fetching_ms));
    fflush(stdout);
    run->shown_ms = now_ms;
    run->shown_bytes = run->bytes;
    run->shown_count = run->count;
    run->shown_joining_ms = 0;
}

/* The time from when partitions were given back, or from the start, until there are new ones. */
static void perf_revoked(void *context, struct bnb_consumer *consumer,
                         const struct bnb_topic_partition *partitions, size_t count)
{
    struct perf_run *run = context;
    (void)consumer;
    (void)partitions;
    (void)count;
    run->join_began_ms = perf_now_ms();
}
static void perf_assigned(void *context, struct bnb_consumer *consumer,
                          const struct bnb_topic_partition *partitions, size_t count)
{
    struct perf_run *run = context;
    (void)consumer;
    (void)partitions;
    (void)count;
    int64_t joining_ms = perf_now_ms() - run->join_began_ms;
    run->joining_ms += joining_ms;
    run->shown_joining_ms += joining_ms;
}

static int perf_subscribe(struct perf_run *run)
{
    struct bnb_error error;
    const struct bnb_rebalance_listener listener = {perf_revoked, perf_assigned, NULL, run};
    const char *name = args_value(&run->args, "topic");
    run->join_began_ms = perf_now_ms();
    int result = name != NULL
                     ? bnb_consumer_subscribe(run->consumer, &name, 1, &listener, &error)
                     : bnb_consumer_subscribe_pattern(
                           run->consumer, args_value(&run->args, "include"), &listener, &error);
    if (result != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    return 0;
}

static int perf_consume(struct perf_run *run)
{
    int64_t last_ms = perf_now_ms();
    const char *timeout = args_value_or(&run->args, "timeout", "");
    if (!args_parse_number(timeout, &run->timeout_ms)) {
        run->timeout_ms = PERF_TIMEOUT_MS; /* also for what is no number */
    }
    run->shown_ms = last_ms;
    while (run->count < run->num_records) {
        if (perf_now_ms() - last_ms > run->timeout_ms) {
            break;
        }
        const struct bnb_consumer_record *records;
        size_t count;
        struct bnb_error error;
        if (bnb_consumer_poll(run->consumer, PERF_POLL_MS, &records, &count, &error) != 0) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        int64_t now_ms = perf_now_ms();
        last_ms = count > 0 ? now_ms : last_ms;
        for (size_t i = 0; i < count; i++) {
            run->bytes += (int64_t)(records[i].key_size + records[i].value_size);
        }
        run->count += (int64_t)count;
        if (args_has(&run->args, "show-detailed-stats") &&
            now_ms - run->shown_ms >= run->interval_ms) {
            perf_print_interval(run, now_ms);
        }
    }
    if (run->count < run->num_records) {
        printf("WARNING: Exiting before consuming the expected number of records: timeout (%" PRId64
               " ms) exceeded. You can use the --timeout option to increase the timeout.\n",
               run->timeout_ms);
    }
    return 0;
}

static struct bnb_config *perf_config(struct perf_run *run)
{
    const struct args *args = &run->args;
    const char *file = args_value(args, args_has(args, "consumer.config") ? "consumer.config"
                                                                         : "command-config");
    struct bnb_config *config = tools_config(args, file, NULL);
    if (config == NULL) {
        return NULL;
    }
    const char *pair;
    for (size_t i = 0; (pair = args_nth(args, "command-property", i)) != NULL; i++) {
        (void)tools_config_pair(config, pair);
    }
    bnb_config_set(config, "receive.buffer.bytes",
                   args_value_or(args, "socket-buffer-size", "2097152"));
    bnb_config_set(config, "max.partition.fetch.bytes",
                   args_value_or(args, "fetch-size", "1048576"));
    char own[64];
    snprintf(own, sizeof own, "perf-consumer-%u", tools_random() % 100000);
    bnb_config_set(config, "group.id", args_value_or(args, "group", own));
    bnb_config_set(config, "auto.offset.reset",
                   args_has(args, "from-latest") ? "latest" : "earliest");
    bnb_config_set(config, "check.crcs", "false");
    if (bnb_config_get(config, "client.id") == NULL) {
        bnb_config_set(config, "client.id", "perf-consumer-client");
    }
    return config;
}

/* Exactly one of two: 0, or 1 after telling. */
static int perf_one_of(const struct args *args, const char *one, const char *other)
{
    return args_has(args, one) != args_has(args, other)
               ? 0 : args_usage(args, "Exactly one of the following arguments is required: [%s], "
                                "[%s]", one, other);
}

static int perf_check(struct perf_run *run)
{
    static const struct args_renaming renamed = {
        "num-records", "messages", "Warning: %o is deprecated. Use %n instead.", NULL, false};
    static const struct args_renaming renamed_file = {
        "command-config", "consumer.config", "Warning: %o is deprecated. Use %n instead.", NULL,
        false};
    struct args *args = &run->args;
    const char *count;
    if (args_require(args, (const char *const[]){"bootstrap-server", NULL}) != 0 ||
        perf_one_of(args, "topic", "include") != 0 ||
        perf_one_of(args, "messages", "num-records") != 0) {
        return 1;
    }
    if (args_exclude(args, "consumer.config", (const char *const[]){"command-config", NULL}) != 0) {
        return 1;
    }
    (void)args_renamed(args, &renamed, &count);
    (void)args_renamed(args, &renamed_file, &count);
    args->mistake_shows_options = false;
    return 0;
}

/* The numbers among the options, which the tool reads when it has begun. */
static int perf_numbers(struct perf_run *run)
{
    const struct args *args = &run->args;
    const char *name = args_has(args, "messages") ? "messages" : "num-records";
    int32_t unused;
    if (args_check_repeated(args, (const char *const[]){"command-property", NULL}) != 0 ||
        args_number(args, "reporting-interval", 5000, &run->interval_ms) != 0 ||
        args_number(args, name, 0, &run->num_records) != 0 ||
        args_int(args, "socket-buffer-size", 0, &unused) != 0 ||
        args_int(args, "fetch-size", 0, &unused) != 0) {
        return 1;
    }
    if (run->interval_ms <= 0) {
        fprintf(stderr, "java.lang.IllegalArgumentException: Reporting interval must be greater "
                        "than 0.\n");
        return 1;
    }
    return 0;
}

int tool_consumer_perf_test(int argc, char **argv)
{
    struct perf_run run = {.args = {.mistake_shows_options = true}};
    struct bnb_error error;
    int status = args_start(&run.args, perf_options,
                            "This tool is used to verify the consumer performance.", argc, argv);
    if (status < 0) {
        status = perf_check(&run) != 0 ? 1 : -1;
    }
    if (status >= 0) {
        return status;
    }
    perf_print_header(&run.args);
    fflush(stdout);
    if (perf_numbers(&run) != 0 || perf_date_check(&run) != 0) {
        return 1;
    }
    struct bnb_config *config = perf_config(&run);
    if (config == NULL) {
        return 1;
    }
    run.started_ms = perf_now_ms();
    if (bnb_consumer_create(config, &run.consumer, &error) != 0) {
        fprintf(stderr, "%s\n", tools_fails_late(error.text) ? "Failed to construct kafka consumer"
                                                             : error.text);
        status = 1;
    } else {
        status = perf_subscribe(&run) != 0 ? 1 : perf_consume(&run);
        if (status == 0 && !args_has(&run.args, "show-detailed-stats")) {
            perf_print_total(&run);
        }
    }
    bnb_consumer_close(&run.consumer);
    bnb_config_destroy(&config);
    return status;
}
