/* config.c: settings of a client, by table. */
#include "client/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <barnabas/consumer.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/assign.h"
#include "client/error.h"
#include "protocol/record/compress.h"

#define CONFIG_FILE_BYTES_MAX (1024 * 1024)
#define CONFIG_WORD_BYTES 64
#define PC (CLIENT_PRODUCER | CLIENT_CONSUMER)
#define ALL (CLIENT_PRODUCER | CLIENT_CONSUMER | CLIENT_ADMIN)

enum config_type {
    CONFIG_INT,
    CONFIG_LONG,
    CONFIG_BOOL,
    CONFIG_STRING,
    CONFIG_ACKS,
    CONFIG_CODEC,
    CONFIG_ISOLATION,
    CONFIG_RESET,
    CONFIG_PROTOCOL,
    CONFIG_ASSIGNORS,
    CONFIG_ACCEPTED, /* known to Kafka; nothing here acts on it */
};

struct config_row {
    const char *name;
    enum config_type type;
    unsigned kinds;
    size_t offset;
    const char *default_value; /* NULL: none */
    int64_t min;
};

#define AT(member) offsetof(struct client_config, member)
static const struct config_row config_rows[] = {
    {"bootstrap.servers", CONFIG_STRING, ALL, AT(bootstrap_servers), NULL, 0},
    {"bootstrap.controllers", CONFIG_STRING, CLIENT_ADMIN, AT(bootstrap_controllers), NULL, 0},
    {"client.id", CONFIG_STRING, ALL, AT(client_id), "", 0},
    {"client.rack", CONFIG_STRING, CLIENT_CONSUMER, AT(client_rack), "", 0},
    {"security.protocol", CONFIG_STRING, ALL, AT(security_protocol), "PLAINTEXT", 0},
    {"request.timeout.ms", CONFIG_INT, ALL, AT(request_timeout_ms), "30000", 0},
    {"default.api.timeout.ms", CONFIG_INT, CLIENT_CONSUMER | CLIENT_ADMIN,
     AT(default_api_timeout_ms), "60000", 0},
    {"retry.backoff.ms", CONFIG_LONG, ALL, AT(retry_backoff_ms), "100", 0},
    {"retry.backoff.max.ms", CONFIG_LONG, ALL, AT(retry_backoff_max_ms), "1000", 0},
    {"reconnect.backoff.ms", CONFIG_LONG, ALL, AT(reconnect_backoff_ms), "50", 0},
    {"reconnect.backoff.max.ms", CONFIG_LONG, ALL, AT(reconnect_backoff_max_ms), "1000", 0},
    {"socket.connection.setup.timeout.ms", CONFIG_LONG, ALL, AT(connection_setup_timeout_ms),
     "10000", 0},
    {"metadata.max.age.ms", CONFIG_LONG, ALL, AT(metadata_max_age_ms), "300000", 0},
    {"send.buffer.bytes", CONFIG_INT, ALL, AT(send_buffer_bytes), "131072", -1},
    {"receive.buffer.bytes", CONFIG_INT, ALL, AT(receive_buffer_bytes), "65536", -1},
    {"acks", CONFIG_ACKS, CLIENT_PRODUCER, AT(acks), "all", 0},
    {"retries", CONFIG_INT, CLIENT_PRODUCER | CLIENT_ADMIN, AT(retries), "2147483647", 0},
    {"batch.size", CONFIG_INT, CLIENT_PRODUCER, AT(batch_bytes), "16384", 0},
    {"linger.ms", CONFIG_LONG, CLIENT_PRODUCER, AT(linger_ms), "5", 0},
    {"buffer.memory", CONFIG_LONG, CLIENT_PRODUCER, AT(buffer_memory_bytes), "33554432", 0},
    {"max.block.ms", CONFIG_LONG, CLIENT_PRODUCER, AT(max_block_ms), "60000", 0},
    {"max.request.size", CONFIG_INT, CLIENT_PRODUCER, AT(max_request_bytes), "1048576", 0},
    {"delivery.timeout.ms", CONFIG_INT, CLIENT_PRODUCER, AT(delivery_timeout_ms), "120000", 0},
    {"max.in.flight.requests.per.connection", CONFIG_INT, CLIENT_PRODUCER, AT(max_in_flight), "5",
     1},
    {"compression.type", CONFIG_CODEC, CLIENT_PRODUCER, AT(codec), "none", 0},
    {"compression.gzip.level", CONFIG_INT, CLIENT_PRODUCER, AT(gzip_level), "-1", -1},
    {"compression.lz4.level", CONFIG_INT, CLIENT_PRODUCER, AT(lz4_level), "9", 1},
    {"compression.zstd.level", CONFIG_INT, CLIENT_PRODUCER, AT(zstd_level), "3", -131072},
    {"enable.idempotence", CONFIG_BOOL, CLIENT_PRODUCER, AT(enable_idempotence), "true", 0},
    {"transactional.id", CONFIG_STRING, CLIENT_PRODUCER, AT(transactional_id), NULL, 0},
    {"transaction.timeout.ms", CONFIG_INT, CLIENT_PRODUCER, AT(transaction_timeout_ms), "60000",
     INT32_MIN},
    {"partitioner.ignore.keys", CONFIG_BOOL, CLIENT_PRODUCER, AT(partitioner_ignore_keys), "false",
     0},
    {"fetch.min.bytes", CONFIG_INT, CLIENT_CONSUMER, AT(fetch_min_bytes), "1", 0},
    {"fetch.max.bytes", CONFIG_INT, CLIENT_CONSUMER, AT(fetch_max_bytes), "52428800", 0},
    {"max.partition.fetch.bytes", CONFIG_INT, CLIENT_CONSUMER, AT(max_partition_fetch_bytes),
     "1048576", 0},
    {"fetch.max.wait.ms", CONFIG_INT, CLIENT_CONSUMER, AT(fetch_max_wait_ms), "500", 0},
    {"max.poll.records", CONFIG_INT, CLIENT_CONSUMER, AT(max_poll_records), "500", 1},
    {"check.crcs", CONFIG_BOOL, CLIENT_CONSUMER, AT(check_crcs), "true", 0},
    {"isolation.level", CONFIG_ISOLATION, CLIENT_CONSUMER, AT(read_committed), "read_uncommitted",
     0},
    {"auto.offset.reset", CONFIG_RESET, CLIENT_CONSUMER, AT(reset_policy), "latest", 0},
    {"connections.max.idle.ms", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"socket.connection.setup.timeout.max.ms", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"client.dns.lookup", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"enable.metrics.push", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metadata.recovery.strategy", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metadata.recovery.rebootstrap.trigger.ms", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metadata.max.idle.ms", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"metric.reporters", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metrics.num.samples", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metrics.recording.level", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"metrics.sample.window.ms", CONFIG_ACCEPTED, ALL, 0, NULL, 0},
    {"interceptor.classes", CONFIG_ACCEPTED, PC, 0, NULL, 0},
    {"key.serializer", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"value.serializer", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"partitioner.class", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"partitioner.adaptive.partitioning.enable", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"partitioner.availability.timeout.ms", CONFIG_ACCEPTED, CLIENT_PRODUCER, 0, NULL, 0},
    {"key.deserializer", CONFIG_ACCEPTED, CLIENT_CONSUMER, 0, NULL, 0},
    {"value.deserializer", CONFIG_ACCEPTED, CLIENT_CONSUMER, 0, NULL, 0},
    {"group.id", CONFIG_STRING, CLIENT_CONSUMER, AT(group_id), "", 0},
    {"group.instance.id", CONFIG_STRING, CLIENT_CONSUMER, AT(group_instance_id), "", 0},
    {"group.protocol", CONFIG_PROTOCOL, CLIENT_CONSUMER, AT(group_protocol_consumer), "classic",
     0},
    {"group.remote.assignor", CONFIG_STRING, CLIENT_CONSUMER, AT(group_remote_assignor), "", 0},
    {"session.timeout.ms", CONFIG_INT, CLIENT_CONSUMER, AT(session_timeout_ms), "45000", 0},
    {"heartbeat.interval.ms", CONFIG_INT, CLIENT_CONSUMER, AT(heartbeat_interval_ms), "3000", 0},
    {"max.poll.interval.ms", CONFIG_INT, CLIENT_CONSUMER, AT(max_poll_interval_ms), "300000", 1},
    {"partition.assignment.strategy", CONFIG_ASSIGNORS, CLIENT_CONSUMER, 0,
     "range,cooperative-sticky", 0},
    {"enable.auto.commit", CONFIG_BOOL, CLIENT_CONSUMER, AT(enable_auto_commit), "true", 0},
    {"auto.commit.interval.ms", CONFIG_INT, CLIENT_CONSUMER, AT(auto_commit_interval_ms), "5000",
     0},
    {"exclude.internal.topics", CONFIG_BOOL, CLIENT_CONSUMER, AT(exclude_internal_topics), "true",
     0},
    {"allow.auto.create.topics", CONFIG_BOOL, CLIENT_CONSUMER, AT(allow_auto_create_topics),
     "true", 0},
};
#define CONFIG_ROW_COUNT (sizeof config_rows / sizeof config_rows[0])

struct config_entry {
    char *name;
    char *value;
};
struct bnb_config {
    struct config_entry *entries;
    size_t count;
    size_t capacity;
    void (*warn)(void *context, const char *text);
    void *warn_context;
};

struct bnb_config *bnb_config_create(void) { return mem_calloc(1, sizeof(struct bnb_config)); }

void bnb_config_destroy(struct bnb_config **destroyed)
{
    struct bnb_config *config = *destroyed;
    *destroyed = NULL;
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->count; i++) {
        mem_free(config->entries[i].name);
        mem_free(config->entries[i].value);
    }
    mem_free(config->entries);
    mem_free(config);
}

static struct config_entry *config_find(const struct bnb_config *config, const char *name)
{
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->entries[i].name, name) == 0) {
            return &config->entries[i];
        }
    }
    return NULL;
}

int bnb_config_set(struct bnb_config *config, const char *name, const char *value)
{
    char *copy = mem_strndup(value, strlen(value));
    if (copy == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    struct config_entry *entry = config_find(config, name);
    if (entry != NULL) {
        mem_free(entry->value);
        entry->value = copy;
        return 0;
    }
    char *name_copy = mem_strndup(name, strlen(name));
    if (name_copy == NULL || mem_grow((void **)&config->entries, &config->capacity,
                                      config->count + 1, sizeof *config->entries) != 0) {
        mem_free(name_copy);
        mem_free(copy);
        return BNB_ERROR_NO_MEMORY;
    }
    config->entries[config->count++] = (struct config_entry){name_copy, copy};
    return 0;
}

const char *bnb_config_get(const struct bnb_config *config, const char *name)
{
    struct config_entry *entry = config_find(config, name);
    return entry != NULL ? entry->value : NULL;
}

bool bnb_config_at(const struct bnb_config *config, size_t index, const char **name,
                   const char **value)
{
    if (index >= config->count) {
        return false;
    }
    *name = config->entries[index].name;
    *value = config->entries[index].value;
    return true;
}

void bnb_config_set_warn(struct bnb_config *config, void (*warn)(void *context, const char *text),
                         void *context)
{
    config->warn = warn;
    config->warn_context = context;
}

/* Undoes the escapes of a properties file in place. */
static void config_unescape(char *text)
{
    char *to = text;
    for (char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && from[1] != '\0') {
            from++;
            *to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' : *from == 'r' ? '\r' : *from;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* One logical line: key, separator (=, : or blank), value. */
static int config_line(struct bnb_config *config, char *line)
{
    line += strspn(line, " \t\f");
    if (*line == '\0' || *line == '#' || *line == '!') {
        return 0;
    }
    char *end = line;
    while (*end != '\0' && strchr("=: \t\f", *end) == NULL) {
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    }
    char *value = end + strspn(end, " \t\f");
    if (*value == '=' || *value == ':') {
        value++;
        value += strspn(value, " \t\f");
    }
    *end = '\0';
    config_unescape(line);
    config_unescape(value);
    return bnb_config_set(config, line, value);
}

static bool config_continues(const char *line, size_t size)
{
    size_t slashes = 0;
    while (slashes < size && line[size - 1 - slashes] == '\\') {
        slashes++;
    }
    return slashes % 2 == 1;
}

int bnb_config_load(struct bnb_config *config, const char *path, struct bnb_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return client_error_set(error, BNB_ERROR_NOT_FOUND, "%s (%s)", path, strerror(errno));
    }
    char *logical = mem_calloc(1, CONFIG_FILE_BYTES_MAX + 1);
    char *line = mem_alloc(CONFIG_FILE_BYTES_MAX + 1);
    int result = logical == NULL || line == NULL ? BNB_ERROR_NO_MEMORY : 0;
    size_t used = 0;
    while (result == 0 && fgets(line, CONFIG_FILE_BYTES_MAX, file) != NULL) {
        size_t size = strcspn(line, "\r\n");
        char *from = line;
        if (used > 0) {
            size_t blanks = strspn(line, " \t\f");
            from += blanks;
            size -= blanks < size ? blanks : size;
        }
        bool comment = used == 0 && (line[strspn(line, " \t\f")] == '#');
        bool more = !comment && config_continues(from, size);
        size -= more ? 1 : 0;
        if (used + size > CONFIG_FILE_BYTES_MAX) {
            result = BNB_ERROR_INVALID;
            break;
        }
        memcpy(logical + used, from, size);
        used += size;
        logical[used] = '\0';
        if (!more) {
            result = config_line(config, logical);
            used = 0;
        }
    }
    if (result == 0 && used > 0) {
        result = config_line(config, logical);
    }
    fclose(file);
    mem_free(logical);
    mem_free(line);
    return result == 0 ? 0 : client_error_set(error, result, "%s cannot be read", path);
}

static int config_invalid(struct bnb_error *error, const struct config_row *row, const char *value,
                          const char *why)
{
    return client_error_set(error, BNB_ERROR_INVALID,
                            "Invalid value %s for configuration %s: %s", value, row->name, why);
}

static int config_parse_number(const struct config_row *row, const char *value, int64_t *number,
                               struct bnb_error *error)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(value, &end, 10);
    bool is_int = row->type == CONFIG_INT;
    if (end == value || *end != '\0' || errno != 0 ||
        (is_int && (parsed > INT32_MAX || parsed < INT32_MIN))) {
        return config_invalid(error, row, value,
                              is_int ? "Not a number of type INT" : "Not a number of type LONG");
    }
    if (parsed < row->min) {
        char why[64];
        snprintf(why, sizeof why, "Value must be at least %lld", (long long)row->min);
        return config_invalid(error, row, value, why);
    }
    *number = parsed < CLIENT_LONG_MAX ? parsed : CLIENT_LONG_MAX;
    return 0;
}

struct config_word {
    const char *word;
    int64_t value;
};

/* Sets *number by the word that value is; the last row has word NULL. */
static int config_parse_word(const struct config_row *row, const struct config_word *words,
                             const char *value, int64_t *number, struct bnb_error *error)
{
    char list[160] = "String must be one of: ";
    for (const struct config_word *word = words; word->word != NULL; word++) {
        if (strcasecmp(word->word, value) == 0) {
            *number = word->value;
            return 0;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", word == words ? "" : ", ", word->word);
    }
    return config_invalid(error, row, value, list);
}

/* Adds amount units of unit_s seconds; false: more than 63 bits of seconds. */
static bool duration_add(int64_t amount, int64_t unit_s, int64_t *seconds)
{
    int64_t more;
    return !__builtin_mul_overflow(amount, unit_s, &more) &&
           !__builtin_add_overflow(*seconds, more, seconds);
}

/* "5", "5.25" or "5,25" where a fraction may be; moves *text behind it. False: it is none. */
static bool duration_amount(const char **text, int64_t *amount, int64_t *fraction_ms)
{
    char *end;
    errno = 0;
    *amount = isdigit((unsigned char)**text) ? strtoll(*text, &end, 10) : -1;
    *fraction_ms = -1;
    if (*amount < 0 || errno != 0) {
        return false;
    }
    *text = end;
    if (**text == '.' || **text == ',') {
        *fraction_ms = 0;
        (*text)++;
        for (int64_t unit_ms = 100; isdigit((unsigned char)**text); unit_ms /= 10) {
            *fraction_ms += (*(*text)++ - '0') * unit_ms;
        }
    }
    return true;
}

/* "P2DT3H4M5.5S", as Java's Duration has it, without signs; false: it is none. What 63 bits of
 * milliseconds cannot hold is the longest that they can. */
static bool config_duration(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        bool time;
        int64_t seconds;
    } units[] = {{'D', false, 86400}, {'H', true, 3600}, {'M', true, 60}, {'S', true, 1}};
    size_t next = 0;
    bool time = false;
    bool any = false;
    int64_t seconds = 0;
    int64_t rest_ms = 0;
    if (toupper((unsigned char)*text++) != 'P') {
        return false;
    }
    while (*text != '\0') {
        if (toupper((unsigned char)*text) == 'T' && !time) {
            time = true;
            text++;
            any = false;
            continue;
        }
        int64_t amount;
        int64_t fraction_ms;
        if (!duration_amount(&text, &amount, &fraction_ms)) {
            return false;
        }
        while (next < sizeof units / sizeof *units &&
               (units[next].time != time || units[next].letter != toupper((unsigned char)*text))) {
            next++;
        }
        if (next == sizeof units / sizeof *units ||
            (fraction_ms >= 0 && units[next].letter != 'S') ||
            !duration_add(amount, units[next++].seconds, &seconds)) {
            return false;
        }
        rest_ms = fraction_ms > 0 ? fraction_ms : 0;
        any = true;
        text++;
    }
    *ms = seconds > (INT64_MAX - rest_ms) / 1000 ? INT64_MAX : seconds * 1000 + rest_ms;
    return any;
}

static bool config_reset_duration(const char *value, int64_t *ms)
{
    static const char prefix[] = "by_duration:";
    return strncasecmp(value, prefix, sizeof prefix - 1) == 0 &&
           config_duration(value + sizeof prefix - 1, ms);
}

static int config_parse_reset(const struct config_row *row, const char *value, int64_t *number,
                              struct bnb_error *error)
{
    static const struct config_word words[] = {{"latest", BNB_OFFSET_END},
                                                   {"earliest", BNB_OFFSET_BEGINNING},
                                                   {"none", BNB_OFFSET_RESET_POLICY},
                                                   {NULL, 0}};
    char why[256];
    if (config_parse_word(row, words, value, number, NULL) == 0) {
        return 0;
    }
    int64_t unused;
    if (config_reset_duration(value, &unused)) {
        *number = CLIENT_RESET_DURATION;
        return 0;
    }
    snprintf(why, sizeof why, "Invalid value `%s` for configuration %s. The value must be either "
             "'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.", value,
             row->name);
    return config_invalid(error, row, value, why);
}

/* Names or Java's classes, with commas between them. */
static int config_parse_assignors(const struct config_row *row, const char *value,
                                  struct client_config *parsed, struct bnb_error *error)
{
    parsed->assignors_count = 0;
    for (const char *at = value; *at != '\0';) {
        at += strspn(at, " ,[]");
        size_t size = strcspn(at, " ,[]");
        enum assign_kind kind;
        if (size == 0) {
            break;
        }
        if (!assign_find((struct string_view){at, size}, &kind)) {
            return client_error_set(error, BNB_ERROR_INVALID,
                                    "Could not find an assignor %.*s for configuration %s: there "
                                    "are range, roundrobin, sticky and cooperative-sticky",
                                    (int)size, at, row->name);
        }
        if (parsed->assignors_count == CLIENT_ASSIGNORS_MAX) {
            return config_invalid(error, row, value, "too many");
        }
        parsed->assignors[parsed->assignors_count++] = kind;
        at += size;
    }
    return parsed->assignors_count > 0 ? 0 : config_invalid(error, row, value, "must be non-empty");
}

static const struct config_word config_bools[] = {{"true", 1}, {"false", 0}, {NULL, 0}};
static const struct config_word config_acks[] = {{"all", -1}, {"-1", -1}, {"0", 0}, {"1", 1},
                                                 {NULL, 0}};
static const struct config_word config_codecs[] = {
    {"none", BATCH_CODEC_NONE}, {"gzip", BATCH_CODEC_GZIP}, {"snappy", BATCH_CODEC_SNAPPY},
    {"lz4", BATCH_CODEC_LZ4},   {"zstd", BATCH_CODEC_ZSTD}, {NULL, 0}};
static const struct config_word config_protocols[] = {
    {"classic", 0}, {"consumer", 1}, {NULL, 0}};
static const struct config_word config_isolations[] = {
    {"read_committed", 1}, {"read_uncommitted", 0}, {NULL, 0}};

static int config_apply(const struct config_row *row, const char *value,
                        struct client_config *parsed, struct bnb_error *error)
{
    char trimmed[CONFIG_WORD_BYTES];
    size_t size = strlen(value);
    if (row->type != CONFIG_STRING && size < sizeof trimmed) {
        size_t from = strspn(value, " \t");
        while (size > from && (value[size - 1] == ' ' || value[size - 1] == '\t')) {
            size--;
        }
        memcpy(trimmed, value + from, size - from);
        trimmed[size - from] = '\0';
        value = trimmed;
    }
    void *at = (char *)parsed + row->offset;
    int64_t number = 0;
    int result = 0;
    switch (row->type) {
    case CONFIG_INT:
    case CONFIG_LONG:
        return config_parse_number(row, value, at, error);
    case CONFIG_BOOL:
    case CONFIG_ISOLATION:
        result = config_parse_word(row, row->type == CONFIG_BOOL ? config_bools : config_isolations,
                                   value, &number, error);
        *(bool *)at = number != 0;
        return result;
    case CONFIG_STRING:
        mem_free(*(char **)at);
        *(char **)at = mem_strndup(value, strlen(value));
        return *(char **)at == NULL ? client_error_set(error, BNB_ERROR_NO_MEMORY, "no memory") : 0;
    case CONFIG_ACKS:
        return config_parse_word(row, config_acks, value, at, error);
    case CONFIG_CODEC:
        return config_parse_word(row, config_codecs, value, at, error);
    case CONFIG_RESET:
        (void)config_reset_duration(value, &parsed->reset_duration_ms);
        return config_parse_reset(row, value, at, error);
    case CONFIG_PROTOCOL:
        if (config_parse_word(row, config_protocols, value, &number, NULL) != 0) {
            return config_invalid(error, row, value,
                                  "String must be one of (case insensitive): CONSUMER, CLASSIC");
        }
        parsed->group_protocol_consumer = number != 0;
        return 0;
    case CONFIG_ASSIGNORS:
        return config_parse_assignors(row, value, parsed, error);
    case CONFIG_ACCEPTED:
        return 0;
    }
    return 0;
}

static const struct config_row *config_row_find(const char *name, enum client_kind kind)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        if ((config_rows[i].kinds & kind) != 0 && strcmp(config_rows[i].name, name) == 0) {
            return &config_rows[i];
        }
    }
    return NULL;
}

/* What Kafka checks across settings of a producer. */
static int config_check_producer(const struct bnb_config *config, struct client_config *parsed,
                                 struct bnb_error *error)
{
    bool asked = bnb_config_get(config, "enable.idempotence") != NULL;
    const char *conflict = parsed->retries == 0
        ? "Must set retries to non-zero when using the idempotent producer."
        : parsed->acks != -1
        ? "Must set acks to all in order to use the idempotent producer. Otherwise we cannot "
          "guarantee idempotence."
        : parsed->max_in_flight > 5
        ? "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent "
          "producer."
        : NULL;
    if (parsed->enable_idempotence && conflict != NULL && asked) {
        return client_error_set(error, BNB_ERROR_INVALID, "%s", conflict);
    }
    if (conflict != NULL) {
        parsed->enable_idempotence = false;
    }
    if (parsed->transactional_id != NULL && parsed->transactional_id[0] == '\0') {
        return client_error_set(error, BNB_ERROR_INVALID, "Invalid value  for configuration "
                                "transactional.id: String must be non-empty");
    }
    if (parsed->transactional_id != NULL && !parsed->enable_idempotence) {
        return client_error_set(error, BNB_ERROR_INVALID, "Cannot set a transactional.id without "
                                "also enabling idempotence.");
    }
    parsed->linger_ms = parsed->linger_ms < INT32_MAX ? parsed->linger_ms : INT32_MAX;
    int64_t shortest_ms = parsed->linger_ms + parsed->request_timeout_ms;
    shortest_ms = shortest_ms < INT32_MAX ? shortest_ms : INT32_MAX;
    if (parsed->delivery_timeout_ms < shortest_ms) {
        if (bnb_config_get(config, "delivery.timeout.ms") != NULL) {
            return client_error_set(error, BNB_ERROR_INVALID,
                                    "delivery.timeout.ms should be equal to or larger than "
                                    "linger.ms + request.timeout.ms");
        }
        parsed->delivery_timeout_ms = shortest_ms;
    }
    return 0;
}

/* What Kafka checks across settings of a consumer. */
static int config_check_consumer(const struct bnb_config *config, struct client_config *parsed,
                                 struct bnb_error *error)
{
    static const char *const classic_only[] = {"partition.assignment.strategy",
                                               "session.timeout.ms", "heartbeat.interval.ms", NULL};
    const char *group_id = bnb_config_get(config, "group.id");
    for (size_t i = 0; parsed->group_protocol_consumer && classic_only[i] != NULL; i++) {
        if (bnb_config_get(config, classic_only[i]) != NULL) {
            return client_error_set(error, BNB_ERROR_INVALID,
                                    "%s cannot be set when group.protocol=CONSUMER",
                                    classic_only[i]);
        }
    }
    if (group_id != NULL && group_id[strspn(group_id, " \t")] == '\0') {
        return client_error_set(error, BNB_ERROR_INVALID, "The configured group.id should not be "
                                "an empty string or whitespace.");
    }
    if (group_id == NULL && parsed->enable_auto_commit) {
        if (bnb_config_get(config, "enable.auto.commit") != NULL) {
            return client_error_set(error, BNB_ERROR_INVALID,
                                    "enable.auto.commit cannot be set to true when default group "
                                    "id (null) is used.");
        }
        parsed->enable_auto_commit = false;
    }
    if (group_id != NULL && parsed->heartbeat_interval_ms >= parsed->session_timeout_ms) {
        return client_error_set(error, BNB_ERROR_INVALID,
                                "Heartbeat must be set lower than the session timeout");
    }
    return 0;
}

int client_config_parse(const struct bnb_config *config, enum client_kind kind,
                        struct client_config *parsed, struct bnb_error *error)
{
    *parsed = (struct client_config){.warn = config->warn, .warn_context = config->warn_context};
    int result = 0;
    for (size_t i = 0; i < CONFIG_ROW_COUNT && result == 0; i++) {
        if (config_rows[i].default_value != NULL) {
            result = config_apply(&config_rows[i], config_rows[i].default_value, parsed, error);
        }
    }
    for (size_t i = 0; i < config->count && result == 0; i++) {
        const struct config_entry *entry = &config->entries[i];
        const struct config_row *row = config_row_find(entry->name, kind);
        if (row != NULL) {
            result = config_apply(row, entry->value, parsed, error);
        } else {
            client_config_warn(parsed, "These configurations '[%s]' were supplied but are not "
                                       "used yet.", entry->name);
        }
    }
    if (result == 0 && strcasecmp(parsed->security_protocol, "PLAINTEXT") != 0) {
        result = client_error_set(error, BNB_ERROR_UNSUPPORTED,
                                  "security.protocol %s is not supported yet",
                                  parsed->security_protocol);
    }
    if (result == 0 && kind == CLIENT_PRODUCER) {
        result = config_check_producer(config, parsed, error);
    }
    if (result == 0 && kind == CLIENT_CONSUMER) {
        result = config_check_consumer(config, parsed, error);
    }
    if (result != 0) {
        client_config_release(parsed);
    }
    return result;
}

void client_config_release(struct client_config *parsed)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        if (config_rows[i].type == CONFIG_STRING) {
            char **text = (char **)((char *)parsed + config_rows[i].offset);
            mem_free(*text);
            *text = NULL;
        }
    }
}

void client_config_warn(const struct client_config *config, const char *format, ...)
{
    if (config->warn == NULL) {
        return;
    }
    char text[BNB_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    config->warn(config->warn_context, text);
}
