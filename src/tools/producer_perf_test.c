/* producer_perf_test.c: kafka-producer-perf-test: how fast records go in. */
#include <barnabas/producer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "client/client.h"
#include "io/file.h"
#include "tools/argparse.h"
#include "tools/common.h"
#include "tools/tools.h"

#define PERF_SAMPLES_MAX 500000
#define PERF_PAYLOAD_BYTES_MAX ((size_t)1 << 30)
#define MEBIBYTE (1024.0 * 1024.0)
#define PERF_TRANSACTION_MS 3000
/* So many records go in one call when nothing is to happen between them. */
#define PERF_GROUP_RECORDS 32 /* PERF_BLOCK_RECORDS is a multiple */

static const struct args_option perf_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "BOOTSTRAP-SERVER",
     "The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2."},
    {"command-config", 0, ARGS_VALUE, "CONFIG-FILE", "Producer config properties file."},
    {"command-property", 0, ARGS_REST, "PROP-NAME=PROP-VALUE",
     "Kafka producer related configuration properties."},
    {"help", 'h', ARGS_FLAG, NULL, "Show this help message and exit."},
    {"num-records", 0, ARGS_VALUE, "NUM-RECORDS", "Number of records to produce."},
    {"payload-delimiter", 0, ARGS_VALUE, "PAYLOAD-DELIMITER",
     "Delimiter to be used when --payload-file is provided."},
    {"payload-file", 0, ARGS_VALUE, "PAYLOAD-FILE", "File to read the records' payloads from."},
    {"payload-monotonic", 0, ARGS_FLAG, NULL,
     "Payload is a monotonically increasing integer."},
    {"print-metrics", 0, ARGS_FLAG, NULL, "Print out metrics at the end of the test."},
    {"producer-props", 0, ARGS_REST, "PROP-NAME=PROP-VALUE",
     "(DEPRECATED) Use --command-property instead."},
    {"producer.config", 0, ARGS_VALUE, "CONFIG-FILE", "(DEPRECATED) Use --command-config instead."},
    {"record-size", 0, ARGS_VALUE, "RECORD-SIZE", "Record size in bytes."},
    {"reporting-interval", 0, ARGS_VALUE, "INTERVAL-MS", "Interval in milliseconds at which to "
     "print progress info."},
    {"throughput", 0, ARGS_VALUE, "THROUGHPUT",
     "Throttle to at most THROUGHPUT records/sec; -1 to disable."},
    {"topic", 0, ARGS_VALUE, "TOPIC", "Produce records to this topic."},
    {"transaction-duration-ms", 0, ARGS_VALUE, "TRANSACTION-DURATION",
     "A transaction is committed once it is so old; with a transactional id 3000 unless given."},
    {"transactional-id", 0, ARGS_VALUE, "TRANSACTIONAL-ID",
     "The transactional id to use. With --transaction-duration-ms alone it is "
     "performance-producer- and a random uuid."},
    {"warmup-records", 0, ARGS_VALUE, "WARMUP-RECORDS",
     "The number of records to produce before the steady state begins."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static const char *const perf_required[] = {"topic", "num-records", "throughput", NULL};
static const char *const perf_payloads[] = {"record-size", "payload-file", "payload-monotonic",
                                            NULL};
static const char *const perf_integers[] = {"record-size", NULL};
static const char *const perf_longs[] = {"num-records", "transaction-duration-ms",
                                         "warmup-records", "reporting-interval", NULL};
static const char *const perf_doubles[] = {"throughput", NULL};
static const struct argparse perf_parser = {
    .program = "kafka-producer-perf-test",
    .description = "This tool measures how fast records go in.",
    .tool = {.options = perf_options, .required = perf_required, .one_of = perf_payloads,
             .one_of_required = true, .integers = perf_integers, .longs = perf_longs,
             .doubles = perf_doubles},
    .help_status = 1,
};

/* Counts over a stretch of time, kept by the thread that hears of deliveries; wall clock. */
struct perf_stats {
    int64_t started_ns;
    int64_t count;
    int64_t bytes;
    int64_t latency_ms;
    int64_t latency_max_ms;
};
struct perf_run {
    struct args args;
    struct bnb_producer *producer;
    const char *topic;
    int64_t num_records;
    int64_t record_size;
    double throughput;
    int64_t warmup_records;
    int64_t interval_ms;
    int64_t transaction_ms; /* a transaction ends once it is so old; 0: there are none */
    uint64_t random;
    char *payload;
    size_t payload_size;
    struct bytes_view *lines; /* of the payload file */
    size_t line_count;
    struct perf_block *block; /* that is being filled */
    struct perf_stats total;
    struct perf_stats steady;
    struct perf_stats window;
    int64_t delivered;
    int64_t sampling; /* one sample every so many records */
    int32_t *samples;
    size_t sample_count;
};
/* A record on its way. One block after the other is filled by who sends and emptied by who hears
 * of the deliveries, which frees it. */
#define PERF_BLOCK_RECORDS 4096
struct perf_sent {
    struct perf_block *block;
    int64_t sent_ms;
    size_t bytes;
};
struct perf_block {
    struct perf_run *run;
    size_t used; /* by who sends */
    size_t delivered;
    struct perf_sent sent[PERF_BLOCK_RECORDS];
};

/* One reading serves the record's timestamp and its latency. */
static int64_t perf_now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void perf_stats_add(struct perf_stats *stats, size_t bytes, int64_t latency_ms)
{
    stats->count++;
    stats->bytes += (int64_t)bytes;
    stats->latency_ms += latency_ms;
    stats->latency_max_ms = latency_ms > stats->latency_max_ms ? latency_ms : stats->latency_max_ms;
}

static double perf_divide(double a, double b) { return b > 0 ? a / b : 0; }

static void perf_print_window(const struct perf_stats *window, int64_t now_ns)
{
    double seconds = (double)(now_ns - window->started_ns) / 1e9;
    printf("%" PRId64 " records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms "
           "max latency.\n", window->count, perf_divide((double)window->count, seconds),
           perf_divide((double)window->bytes / MEBIBYTE, seconds),
           perf_divide((double)window->latency_ms, (double)window->count),
           (double)window->latency_max_ms);
    fflush(stdout);
}

static void perf_delivered(void *context, const struct bnb_delivery *delivery)
{
    struct perf_sent *sent = context;
    struct perf_block *block = sent->block;
    struct perf_run *run = block->run;
    int64_t now_ns = delivery->told_ms * 1000000;
    int64_t latency_ms = delivery->told_ms - sent->sent_ms;
    if (delivery->code != 0) {
        fprintf(stderr, "org.apache.kafka.common.errors.%s: %s\n",
                tools_exception(delivery->code), delivery->error_text);
    } else {
        perf_stats_add(&run->total, sent->bytes, latency_ms);
        perf_stats_add(&run->window, sent->bytes, latency_ms);
        if (run->delivered == run->warmup_records) {
            run->steady.started_ns = now_ns;
        }
        if (run->delivered >= run->warmup_records) {
            perf_stats_add(&run->steady, sent->bytes, latency_ms);
        }
        if (run->delivered % run->sampling == 0 && run->sample_count < PERF_SAMPLES_MAX) {
            run->samples[run->sample_count++] = (int32_t)latency_ms;
        }
    }
    run->delivered++;
    if (now_ns - run->window.started_ns >= run->interval_ms * 1000000) {
        perf_print_window(&run->window, now_ns);
        run->window = (struct perf_stats){.started_ns = now_ns};
    }
    if (++block->delivered == PERF_BLOCK_RECORDS) {
        mem_free(block);
    }
}

static int perf_by_value(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return left < right ? -1 : left > right;
}

static int32_t perf_percentile(const struct perf_run *run, double share)
{
    size_t at = (size_t)(share * (double)run->sample_count);
    at = at < run->sample_count ? at : run->sample_count - 1;
    return run->sample_count > 0 ? run->samples[at] : 0;
}

static void perf_print_total(const struct perf_run *run, const struct perf_stats *stats,
                             const char *what, int64_t now_ns)
{
    double seconds = (double)(now_ns - stats->started_ns) / 1e9;
    printf("%" PRId64 " %srecords sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms "
           "max latency, %d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.\n",
           stats->count, what, perf_divide((double)stats->count, seconds),
           perf_divide((double)stats->bytes / MEBIBYTE, seconds),
           perf_divide((double)stats->latency_ms, (double)stats->count),
           (double)stats->latency_max_ms, perf_percentile(run, 0.5), perf_percentile(run, 0.95),
           perf_percentile(run, 0.99), perf_percentile(run, 0.999));
}

/* ---- payloads ---- */

static uint64_t perf_random(struct perf_run *run)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return run->random;
}

static void perf_payload(struct perf_run *run, int64_t index, struct bnb_producer_record *record)
{
    if (run->lines != NULL) {
        /* The upper half times the count, over 2^32: a division takes longer than sending does. */
        struct bytes_view line = run->lines[(perf_random(run) >> 32) * run->line_count >> 32];
        record->value = line.data;
        record->value_size = line.size;
        return;
    }
    if (args_has(&run->args, "payload-monotonic")) {
        record->value_size = (size_t)snprintf(run->payload, run->payload_size, "%" PRId64, index);
    } else {
        for (size_t i = 0; i < run->payload_size; i++) {
            run->payload[i] = (char)('A' + (perf_random(run) >> 33) % 26);
        }
        record->value_size = run->payload_size;
    }
    record->value = run->payload;
}

/* Of the character at text, in UTF-8. */
static size_t character_bytes(const char *text)
{
    size_t size = 1;
    while (((unsigned char)text[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

/* Cuts the payload file at the delimiter. */
static int perf_payload_file(struct perf_run *run, const char *path)
{
    struct io_fs fs = io_fs_linux();
    uint8_t *content;
    size_t size;
    const char *delimiter = args_value_or(&run->args, "payload-delimiter", "\n");
    delimiter = strcmp(delimiter, "\\n") == 0 ? "\n" : delimiter;
    printf("Reading payloads from: %s\n", path);
    int error = io_read_whole(&fs, path, PERF_PAYLOAD_BYTES_MAX, &content, &size);
    run->payload = error == 0 ? (char *)content : NULL;
    if (error != 0 || size == 0) {
        fprintf(stderr, "File does not exist or empty file provided.\n");
        return 1;
    }
    size_t capacity = 0;
    char *at = run->payload;
    while (*at != '\0') {
        /* An empty one parts characters. */
        char *end = *delimiter != '\0' ? strstr(at, delimiter) : at + character_bytes(at);
        size_t line = end != NULL ? (size_t)(end - at) : strlen(at);
        if (mem_grow((void **)&run->lines, &capacity, run->line_count + 1,
                     sizeof *run->lines) != 0) {
            return 1;
        }
        run->lines[run->line_count++] = (struct bytes_view){(const uint8_t *)at, line};
        at += line + (end != NULL ? strlen(delimiter) : 0);
    }
    printf("Number of records read: %zu\n", run->line_count);
    return 0;
}

/* ---- the run ---- */

/* Waits until record index is due at the rate asked for. */
static void perf_throttle(const struct perf_run *run, int64_t started_ns, int64_t index)
{
    if (run->throughput <= 0) {
        return;
    }
    int64_t due_ns = started_ns + (int64_t)((double)index / run->throughput * 1e9);
    struct timespec until = {due_ns / 1000000000, due_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* A place for the next record; the block before belongs to the deliveries from now on. */
static struct perf_sent *perf_next(struct perf_run *run)
{
    if (run->block == NULL || run->block->used == PERF_BLOCK_RECORDS) {
        run->block = mem_need(sizeof *run->block);
        run->block->run = run;
    }
    struct perf_sent *sent = &run->block->sent[run->block->used];
    sent->block = run->block;
    return sent;
}

static int perf_failed(const struct bnb_error *error)
{
    fprintf(stderr, "%s\n", error->text);
    return 1;
}

/* Sends the records [first, first + count), which share a clock reading. */
static int perf_send_group(struct perf_run *run, int64_t first, size_t count, int64_t now_ms)
{
    struct bnb_error error;
    struct bnb_producer_record records[PERF_GROUP_RECORDS];
    void *contexts[PERF_GROUP_RECORDS];
    for (size_t i = 0; i < count; i++) {
        struct perf_sent *sent = perf_next(run);
        records[i] = (struct bnb_producer_record){.topic = run->topic,
                                                  .partition = BNB_PARTITION_ANY,
                                                  .timestamp_ms = now_ms};
        perf_payload(run, first + (int64_t)i, &records[i]);
        sent->sent_ms = now_ms;
        sent->bytes = records[i].value_size;
        contexts[i] = sent;
        run->block->used++;
    }
    size_t sent = bnb_producer_send_many(run->producer, records, count, perf_delivered, contexts,
                                         &error);
    run->block->used -= count - sent; /* a group lies within a block */
    return sent == count ? 0 : perf_failed(&error);
}

static int perf_send_all(struct perf_run *run)
{
    struct bnb_error error;
    int64_t started_ns = perf_now_ns(CLOCK_MONOTONIC);
    int64_t begun_ms = -1; /* of the transaction that is open */
    /* Payloads that are made share a buffer. */
    size_t group = run->lines != NULL && run->throughput <= 0 ? PERF_GROUP_RECORDS : 1;
    for (int64_t i = 0; i < run->num_records; i += (int64_t)group) {
        if (run->transaction_ms > 0 && begun_ms < 0) {
            if (bnb_producer_begin_transaction(run->producer, &error) != 0) {
                return perf_failed(&error);
            }
            begun_ms = perf_now_ns(CLOCK_REALTIME) / 1000000;
        }
        int64_t sent_ms = perf_now_ns(CLOCK_REALTIME) / 1000000;
        int64_t left = run->num_records - i;
        if (perf_send_group(run, i, left < (int64_t)group ? (size_t)left : group, sent_ms) != 0) {
            return 1;
        }
        if (begun_ms >= 0 && sent_ms - begun_ms >= run->transaction_ms) {
            if (bnb_producer_commit_transaction(run->producer, &error) != 0) {
                return perf_failed(&error);
            }
            begun_ms = -1;
        }
        perf_throttle(run, started_ns, i + 1);
    }
    bool open = begun_ms >= 0;
    return open && bnb_producer_commit_transaction(run->producer, &error) != 0
               ? perf_failed(&error) : 0;
}

/* The last block, when its end was not reached; every delivery has been heard of. */
static void perf_free_block(struct perf_run *run)
{
    if (run->block != NULL && run->block->used < PERF_BLOCK_RECORDS) {
        mem_free(run->block);
    }
}

static int perf_run_all(struct perf_run *run, const struct bnb_config *config)
{
    struct bnb_error error;
    if (bnb_producer_create(config, &run->producer, &error) != 0) {
        return perf_failed(&error);
    }
    if (run->transaction_ms > 0 &&
        bnb_producer_init_transactions(run->producer, &error) != 0) {
        bnb_producer_close(&run->producer, 0);
        return perf_failed(&error);
    }
    run->samples = mem_need(PERF_SAMPLES_MAX * sizeof *run->samples);
    run->sampling = run->num_records / PERF_SAMPLES_MAX + 1;
    run->total.started_ns = run->window.started_ns = run->steady.started_ns =
        perf_now_ns(CLOCK_REALTIME);
    int status = perf_send_all(run);
    bnb_producer_flush(run->producer, -1);
    int64_t now_ns = perf_now_ns(CLOCK_REALTIME);
    qsort(run->samples, run->sample_count, sizeof *run->samples, perf_by_value);
    if (status == 0) {
        perf_print_total(run, &run->total, "", now_ns);
        if (run->warmup_records > 0) {
            perf_print_total(run, &run->steady, "steady state ", now_ns);
        }
    }
    bnb_producer_close(&run->producer, -1);
    perf_free_block(run);
    mem_free(run->samples);
    return status;
}

static int perf_mistake(const char *text)
{
    return argparse_mistake(&perf_parser, &perf_parser.tool, "%s", text);
}

/* What the form of the options does not tell. */
static int perf_check(struct perf_run *run)
{
    const struct args *args = &run->args;
    int64_t duration_ms;
    (void)args_number(args, "num-records", 0, &run->num_records);
    (void)args_number(args, "record-size", 0, &run->record_size);
    (void)args_number(args, "warmup-records", 0, &run->warmup_records);
    (void)args_number(args, "reporting-interval", 5000, &run->interval_ms);
    (void)args_number(args, "transaction-duration-ms", 1, &duration_ms);
    run->throughput = strtod(args_value(args, "throughput"), NULL);
    if (run->num_records <= 0) {
        return perf_mistake("--num-records should be greater than zero.");
    }
    if (run->warmup_records >= run->num_records) {
        return perf_mistake("The value for --warmup-records must be strictly fewer than the number "
                            "of records in the test, --num-records.");
    }
    if (args_has(args, "record-size") && run->record_size <= 0) {
        return perf_mistake("--record-size should be greater than zero.");
    }
    if (!args_has(args, "bootstrap-server") && !args_has(args, "command-property") &&
        !args_has(args, "producer-props") && !args_has(args, "producer.config") &&
        !args_has(args, "command-config")) {
        return perf_mistake("At least one of --bootstrap-server, --command-property, "
                            "--producer-props, --producer.config or --command-config must be "
                            "specified.");
    }
    if (args_has(args, "command-property") && args_has(args, "producer-props")) {
        return perf_mistake("--command-property and --producer-props cannot be specified "
                            "together.");
    }
    if (args_has(args, "command-config") && args_has(args, "producer.config")) {
        return perf_mistake("--command-config and --producer.config cannot be specified together.");
    }
    if (duration_ms <= 0) {
        return perf_mistake("--transaction-duration-ms should be greater than zero.");
    }
    if (run->interval_ms <= 0) {
        return perf_mistake("--reporting-interval should be greater than zero.");
    }
    return 0;
}

/* Transactions are asked for by an id, by their duration, or by a setting. */
static void perf_transactions(struct perf_run *run, struct bnb_config *config)
{
    const struct args *args = &run->args;
    const char *id = args_value_or(args, "transactional-id",
                                   bnb_config_get(config, "transactional.id"));
    if (id == NULL && !args_has(args, "transaction-duration-ms")) {
        return;
    }
    struct bnb_uuid random;
    char uuid[BNB_UUID_TEXT_BYTES];
    char made[64];
    for (size_t i = 0; i < sizeof random.bytes; i += sizeof(uint32_t)) {
        uint32_t word = client_random();
        memcpy(random.bytes + i, &word, sizeof word);
    }
    snprintf(made, sizeof made, "performance-producer-%s", bnb_uuid_format(random, uuid));
    bnb_config_set(config, "transactional.id", id != NULL ? id : made);
    (void)args_number(args, "transaction-duration-ms", PERF_TRANSACTION_MS, &run->transaction_ms);
}

static struct bnb_config *perf_config(const struct args *args)
{
    static const struct args_renaming renamed_file = {
        "command-config", "producer.config", TOOLS_HAS_BEEN_DEPRECATED, NULL, false};
    static const struct args_renaming renamed_property = {
        "command-property", "producer-props", TOOLS_HAS_BEEN_DEPRECATED, NULL, false};
    const char *file;
    const char *unused;
    (void)args_renamed(args, &renamed_property, &unused);
    (void)args_renamed(args, &renamed_file, &file);
    struct bnb_config *config = tools_config(args, file, NULL);
    const char *name = args_has(args, "producer-props") ? "producer-props" : "command-property";
    const char *pair;
    for (size_t i = 0; config != NULL && (pair = args_nth(args, name, i)) != NULL; i++) {
        if (!tools_config_pair(config, pair)) {
            fprintf(stderr, "java.lang.IllegalArgumentException: Invalid property: %s\n", pair);
            bnb_config_destroy(&config);
        }
    }
    if (config != NULL && bnb_config_get(config, "client.id") == NULL) {
        bnb_config_set(config, "client.id", "perf-producer-client");
    }
    return config;
}

int tool_producer_perf_test(int argc, char **argv)
{
    struct perf_run run = {.producer = NULL};
    struct args unused;
    size_t command;
    if (argc <= 1) {
        argparse_print_help(&perf_parser, &perf_parser.tool);
        return 0;
    }
    int status = argparse_start(&perf_parser, &run.args, &unused, &command, argc, argv);
    if (status < 0) {
        status = perf_check(&run) != 0 ? 1 : -1;
    }
    if (status >= 0) {
        return status;
    }
    struct bnb_config *config = perf_config(&run.args);
    if (config == NULL) {
        return 1;
    }
    run.random = (uint64_t)perf_now_ns(CLOCK_REALTIME) | 1;
    perf_transactions(&run, config);
    const char *path = args_value(&run.args, "payload-file");
    run.topic = args_value(&run.args, "topic");
    if (run.warmup_records > 0) {
        printf("Warmup first %" PRId64 " records. Steady state results will print after the "
               "complete test summary.\n", run.warmup_records);
    }
    if (path != NULL) {
        status = perf_payload_file(&run, path);
    } else {
        run.payload_size = run.record_size > 0 ? (size_t)run.record_size : 32;
        run.payload = mem_need(run.payload_size);
        status = 0;
    }
    status = status == 0 ? perf_run_all(&run, config) : status;
    mem_free(run.payload);
    mem_free(run.lines);
    bnb_config_destroy(&config);
    return status;
}
