/* console_producer.c: kafka-console-producer: one record a line of standard input. */
#include <barnabas/producer.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/writer.h"
#include "tools/common.h"
#include "tools/tools.h"

#define LINE_BYTES_MAX ((size_t)1 << 30)

static const struct args_option producer_options[] = {
    {"batch-size", 0, ARGS_VALUE, "Integer: size",
     "Number of bytes to send in a single batch if they are not being sent synchronously."},
    {"bootstrap-server", 0, ARGS_VALUE, "String: server to connect to",
     "REQUIRED: The server(s) to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: config file",
     "Config properties file for the producer."},
    {"command-property", 0, ARGS_VALUE, "String: producer_prop",
     "Producer config properties in the form key=value."},
    {"compression-codec", 0, ARGS_OPTIONAL, "String: compression-codec",
     "The compression codec: either 'none', 'gzip', 'snappy', 'lz4', or 'zstd'. If specified "
     "without value, then it defaults to 'gzip'."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"line-reader", 0, ARGS_VALUE, "String: reader_class",
     "The class name of the class to use for reading lines from standard in."},
    {"max-block-ms", 0, ARGS_VALUE, "Long: max block on send",
     "The max time that the producer will block for during a send request."},
    {"max-memory-bytes", 0, ARGS_VALUE, "Long: total memory in bytes",
     "The total memory used by the producer to buffer records waiting to be sent to the server."},
    {"max-partition-memory-bytes", 0, ARGS_VALUE, "Integer: memory in bytes per partition",
     "The buffer size allocated for a partition."},
    {"message-send-max-retries", 0, ARGS_VALUE, "Integer",
     "How often a record is sent again before it is dropped."},
    {"metadata-expiry-ms", 0, ARGS_VALUE, "Long: metadata expiration interval",
     "The period of time after which metadata is fetched again."},
    {"producer-property", 0, ARGS_VALUE, "String: producer_prop",
     "(DEPRECATED) Use --command-property instead."},
    {"producer.config", 0, ARGS_VALUE, "String: config file",
     "(DEPRECATED) Use --command-config instead."},
    {"property", 0, ARGS_VALUE, "String: prop", "(DEPRECATED) Use --reader-property instead."},
    {"reader-config", 0, ARGS_VALUE, "String: config file",
     "Config properties file for the message reader."},
    {"reader-property", 0, ARGS_VALUE, "String: prop",
     "Properties of the message reader: parse.key, parse.headers, ignore.error, key.separator, "
     "headers.delimiter, headers.separator, headers.key.separator, null.marker."},
    {"request-required-acks", 0, ARGS_VALUE, "String: request required acks",
     "The required acks of the producer requests."},
    {"request-timeout-ms", 0, ARGS_VALUE, "Integer: request timeout ms",
     "The ack timeout of the producer requests."},
    {"retry-backoff-ms", 0, ARGS_VALUE, "Long", "How long to wait before metadata is refreshed."},
    {"socket-buffer-size", 0, ARGS_VALUE, "Integer: size", "The size of the TCP send buffer."},
    {"sync", 0, ARGS_FLAG, NULL, "Send every record on its own and wait for it."},
    {"timeout", 0, ARGS_VALUE, "Long: timeout_ms",
     "How long a record may wait for others to be sent with."},
    {"topic", 0, ARGS_VALUE, "String: topic", "REQUIRED: The topic name to produce messages to."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

/* A flag with the setting that it stands for; the value holds unless the user set the name. */
static const struct {
    const char *flag;
    const char *setting;
    const char *fallback;
} producer_settings[] = {
    {"timeout", "linger.ms", "1000"},
    {"request-required-acks", "acks", "-1"},
    {"request-timeout-ms", "request.timeout.ms", "1500"},
    {"message-send-max-retries", "retries", "3"},
    {"retry-backoff-ms", "retry.backoff.ms", "100"},
    {"socket-buffer-size", "send.buffer.bytes", "102400"},
    {"max-memory-bytes", "buffer.memory", "33554432"},
    {"batch-size", "batch.size", "16384"},
    {"max-partition-memory-bytes", "batch.size", NULL},
    {"metadata-expiry-ms", "metadata.max.age.ms", "300000"},
    {"max-block-ms", "max.block.ms", "60000"},
};

struct line_reader {
    bool parse_key;
    bool parse_headers;
    bool ignore_error;
    const char *key_separator;
    const char *headers_delimiter;
    const char *headers_separator;
    const char *headers_key_separator;
    const char *null_marker;
    int64_t line_number;
    struct writer line;
    struct bnb_header *headers; /* of the line */
    size_t headers_capacity;
};
struct producer_run {
    struct args args;
    struct bnb_producer *producer;
    struct line_reader reader;
    const char *topic;
    bool sync_failed;
};

/* ---- lines ---- */

static bool property_true(const struct bnb_config *properties, const char *name)
{
    const char *value = bnb_config_get(properties, name);
    return value != NULL && strcasecmp(value, "true") == 0;
}

static const char *property_or(const struct bnb_config *properties, const char *name,
                               const char *fallback)
{
    const char *value = bnb_config_get(properties, name);
    return value != NULL ? value : fallback;
}

static void reader_setup(struct line_reader *reader, const struct bnb_config *properties)
{
    reader->parse_key = property_true(properties, "parse.key");
    reader->parse_headers = property_true(properties, "parse.headers");
    reader->ignore_error = property_true(properties, "ignore.error");
    reader->key_separator = property_or(properties, "key.separator", "\t");
    reader->headers_delimiter = property_or(properties, "headers.delimiter", "\t");
    reader->headers_separator = property_or(properties, "headers.separator", ",");
    reader->headers_key_separator = property_or(properties, "headers.key.separator", ":");
    reader->null_marker = bnb_config_get(properties, "null.marker");
    writer_init(&reader->line, LINE_BYTES_MAX);
}

/* Reads one line, NUL-terminated, without its end. False at the end of input. */
static bool reader_line(struct line_reader *reader)
{
    reader->line.size = 0;
    int byte;
    bool any = false;
    while ((byte = getc_unlocked(stdin)) != EOF) {
        any = true;
        if (byte == '\r' && (byte = getc_unlocked(stdin)) != '\n') {
            (void)ungetc(byte, stdin); /* a line may end with it alone, as in Java */
            break;
        }
        if (byte == '\n') {
            break;
        }
        writer_i8(&reader->line, (int8_t)byte);
    }
    writer_i8(&reader->line, 0);
    reader->line_number++;
    return any && !reader->line.failed;
}

/* Cuts text at the first separator; NULL when there is none. */
static char *reader_cut(char **text, const char *separator)
{
    char *found = strstr(*text, separator);
    if (found == NULL) {
        return NULL;
    }
    char *head = *text;
    *found = '\0';
    *text = found + strlen(separator);
    return head;
}

static bool reader_is_null(const struct line_reader *reader, const char *text)
{
    return reader->null_marker != NULL && strcmp(text, reader->null_marker) == 0;
}

static bool reader_headers(struct line_reader *reader, char *text,
                           struct bnb_producer_record *record)
{
    while (text != NULL && *text != '\0') {
        char *rest = text;
        char *one = reader_cut(&rest, reader->headers_separator);
        char *value = one != NULL ? one : text;
        text = one != NULL ? rest : NULL;
        char *key = reader_cut(&value, reader->headers_key_separator);
        if (key == NULL) {
            if (!reader->ignore_error) {
                fprintf(stderr, "org.apache.kafka.common.KafkaException: No header key separator "
                        "found in pair '%s' on line number %lld\n", value,
                        (long long)reader->line_number);
                return false;
            }
            continue;
        }
        bool is_null = reader_is_null(reader, value);
        if (mem_grow((void **)&reader->headers, &reader->headers_capacity,
                     (size_t)record->header_count + 1, sizeof *reader->headers) != 0) {
            fprintf(stderr, "out of memory\n");
            return false;
        }
        reader->headers[record->header_count++] =
            (struct bnb_header){key, is_null ? NULL : value, is_null ? 0 : strlen(value)};
    }
    record->headers = reader->headers;
    return true;
}

/* The record that the line at hand says; false after telling what is wrong with it. */
static bool reader_record(struct line_reader *reader, struct bnb_producer_record *record)
{
    char *text = (char *)reader->line.data;
    size_t size = reader->line.size - 1;
    if (reader->parse_headers) {
        char *headers = reader_cut(&text, reader->headers_delimiter);
        if (headers == NULL && !reader->ignore_error) {
            fprintf(stderr, "org.apache.kafka.common.KafkaException: No headers delimiter found on "
                    "line number %lld: '%s'\n", (long long)reader->line_number, text);
            return false;
        }
        if (headers != NULL && !reader_is_null(reader, headers) &&
            !reader_headers(reader, headers, record)) {
            return false;
        }
    }
    if (reader->parse_key) {
        char *key = reader_cut(&text, reader->key_separator);
        if (key == NULL && !reader->ignore_error) {
            fprintf(stderr, "org.apache.kafka.common.KafkaException: No key separator found on "
                    "line number %lld: '%s'\n", (long long)reader->line_number, text);
            return false;
        }
        if (key != NULL && !reader_is_null(reader, key)) {
            record->key = key;
            record->key_size = strlen(key);
        }
    }
    if (!reader_is_null(reader, text)) {
        record->value = text;
        record->value_size = size - (size_t)(text - (char *)reader->line.data);
    }
    return true;
}

/* ---- sending ---- */

struct sent_record {
    struct producer_run *run;
    size_t value_size;
    bool value_null;
    size_t key_size;
    char key[]; /* shown when it fails */
};

static void record_delivered(void *context, const struct bnb_delivery *delivery)
{
    struct sent_record *sent = context;
    if (delivery->code != 0) {
        if (args_has(&sent->run->args, "sync")) {
            fprintf(stderr, "java.util.concurrent.ExecutionException: "
                            "org.apache.kafka.common.errors.%s: %s\n",
                    tools_exception(delivery->code), delivery->error_text);
        } else if (sent->value_null) {
            tools_log("ERROR", "Error when sending message to topic %s with key: %s, value: null "
                      "with error: (org.apache.kafka.clients.producer.internals."
                      "ErrorLoggingCallback)\norg.apache.kafka.common.errors.%s: %s",
                      delivery->topic, sent->key, tools_exception(delivery->code),
                      delivery->error_text);
        } else {
            tools_log("ERROR", "Error when sending message to topic %s with key: %s, value: %zu "
                      "bytes with error: (org.apache.kafka.clients.producer.internals."
                      "ErrorLoggingCallback)\norg.apache.kafka.common.errors.%s: %s",
                      delivery->topic, sent->key, sent->value_size,
                      tools_exception(delivery->code), delivery->error_text);
        }
        sent->run->sync_failed = true;
    }
    mem_free(sent);
}

static bool producer_send(struct producer_run *run, const struct bnb_producer_record *record)
{
    char key[64];
    snprintf(key, sizeof key, record->key != NULL ? "%zu bytes" : "null", record->key_size);
    size_t key_bytes = strlen(key) + 1;
    struct sent_record *sent = mem_need(sizeof *sent + key_bytes);
    sent->run = run;
    sent->value_size = record->value_size;
    sent->value_null = record->value == NULL;
    memcpy(sent->key, key, key_bytes);
    struct bnb_error error;
    int result = bnb_producer_send(run->producer, record, record_delivered, sent, &error);
    if (result != 0) {
        struct bnb_delivery failed = {.code = result,
                                      .error_text = error.text,
                                      .topic = record->topic,
                                      .partition = -1,
                                      .offset = -1,
                                      .timestamp_ms = -1};
        record_delivered(sent, &failed);
        return !args_has(&run->args, "sync");
    }
    if (args_has(&run->args, "sync")) {
        bnb_producer_flush(run->producer, -1);
        return !run->sync_failed;
    }
    return true;
}

static int producer_lines(struct producer_run *run)
{
    bool prompt = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    for (;;) {
        if (prompt) {
            printf(">");
            fflush(stdout);
        }
        if (!reader_line(&run->reader)) {
            return 0;
        }
        struct bnb_producer_record record = {.topic = run->topic,
                                             .partition = BNB_PARTITION_ANY,
                                             .timestamp_ms = BNB_TIMESTAMP_NOW};
        if (!reader_record(&run->reader, &record) || !producer_send(run, &record)) {
            return 1;
        }
    }
}

/* ---- settings ---- */

static const struct args_renaming renamed_file = {
    "command-config", "producer.config", TOOLS_WARNING_DEPRECATED,
    "Options %n and %o cannot be specified together.", true};
static const struct args_renaming renamed_property = {
    "command-property", "producer-property", TOOLS_WARNING_DEPRECATED,
    "Options %n and %o cannot be specified together.", true};
static const struct args_renaming renamed_reader = {
    "reader-property", "property", TOOLS_WARNING_DEPRECATED,
    "Options %n and %o cannot be specified together.", true};

static struct bnb_config *producer_config(const struct args *args)
{
    const char *file;
    if (args_renamed(args, &renamed_file, &file) != 0) {
        return NULL;
    }
    struct bnb_config *config = tools_config(args, file, NULL);
    if (config != NULL && tools_config_pairs(args, &renamed_property, config) != 0) {
        bnb_config_destroy(&config);
    }
    for (size_t i = 0; config != NULL && i < sizeof producer_settings / sizeof *producer_settings;
         i++) {
        const char *value = args_value(args, producer_settings[i].flag);
        bool unset = bnb_config_get(config, producer_settings[i].setting) == NULL;
        if (value != NULL) {
            bnb_config_set(config, producer_settings[i].setting, value);
        } else if (unset && producer_settings[i].fallback != NULL) {
            bnb_config_set(config, producer_settings[i].setting, producer_settings[i].fallback);
        }
    }
    if (config != NULL && args_has(args, "compression-codec")) {
        bnb_config_set(config, "compression.type", args_value_or(args, "compression-codec",
                                                                 "gzip"));
    }
    if (config != NULL && bnb_config_get(config, "client.id") == NULL) {
        bnb_config_set(config, "client.id", "console-producer");
    }
    return config;
}

static int producer_properties(const struct args *args, struct bnb_config *properties)
{
    struct bnb_error error;
    const char *file = args_value(args, "reader-config");
    if (file != NULL && bnb_config_load(properties, file, &error) != 0) {
        return tools_fail_file(file, &error);
    }
    return tools_config_pairs(args, &renamed_reader, properties);
}

/* What can be told before anything is opened: 0, or 1 after telling. */
static int producer_check(struct args *args)
{
    static const char *const readers[] = {"LineMessageReader", "ConsoleProducer$LineMessageReader",
                                          NULL};
    static const struct {
        const char *name;
        bool is_int;
    } numbers[] = {{"timeout", false},           {"request-timeout-ms", true},
                   {"message-send-max-retries", true}, {"retry-backoff-ms", false},
                   {"socket-buffer-size", true}, {"max-memory-bytes", false},
                   {"batch-size", true},         {"max-partition-memory-bytes", true},
                   {"metadata-expiry-ms", false}, {"max-block-ms", false}};
    const char *reader = args_value(args, "line-reader");
    int64_t unused;
    int32_t unused_int;
    if (args_require(args, (const char *const[]){"topic", NULL}) != 0 ||
        tools_check_servers(args) != 0) {
        return 1;
    }
    args->mistake_shows_options = false;
    if (args_check_repeated(args, (const char *const[]){"reader-property", "property",
                                                        "command-property", "producer-property",
                                                        NULL}) != 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *name = numbers[i].name;
        if (numbers[i].is_int ? args_int(args, name, 0, &unused_int) != 0
                              : args_number(args, name, 0, &unused) != 0) {
            return 1;
        }
    }
    if (reader != NULL && !tools_class_known(reader, readers)) {
        fprintf(stderr, "java.lang.ClassNotFoundException: %s\n", reader);
        return 1;
    }
    return 0;
}

int tool_console_producer(int argc, char **argv)
{
    struct producer_run run = {.args = {.mistake_shows_options = true}};
    int status = args_start(&run.args, producer_options,
                            "This tool helps to read data from standard input and publish it to "
                            "Kafka.", argc, argv);
    if (status < 0 && producer_check(&run.args) != 0) {
        status = 1;
    }
    if (status >= 0) {
        return status;
    }
    struct bnb_config *properties = bnb_config_create();
    struct bnb_config *config = producer_config(&run.args);
    struct bnb_error error;
    if (config == NULL || producer_properties(&run.args, properties) != 0) {
        status = 1;
    } else if (bnb_producer_create(config, &run.producer, &error) != 0) {
        fprintf(stderr, "org.apache.kafka.common.config.ConfigException: %s\n", error.text);
        status = 1;
    } else {
        run.topic = args_value(&run.args, "topic");
        reader_setup(&run.reader, properties);
        status = producer_lines(&run);
        writer_release(&run.reader.line);
        mem_free(run.reader.headers);
        bnb_producer_close(&run.producer, -1);
    }
    bnb_config_destroy(&config);
    bnb_config_destroy(&properties);
    return status;
}
