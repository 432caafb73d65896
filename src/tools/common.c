/* common.c: what the tools share. */
#include "tools/common.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

void tools_log(const char *level, const char *format, ...)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    char date[64];
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &parts);
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "[%s,%03ld] %s %s\n", date, now.tv_nsec / 1000000, level, text);
}

void tools_warn(void *context, const char *text)
{
    (void)context;
    tools_log("WARN", "%s (barnabas.client)", text);
}

const char *tools_exception(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {1, "OffsetOutOfRangeException"},
        {3, "UnknownTopicOrPartitionException"},
        {5, "LeaderNotAvailableException"},
        {6, "NotLeaderOrFollowerException"},
        {7, "TimeoutException"},
        {14, "CoordinatorLoadInProgressException"},
        {15, "CoordinatorNotAvailableException"},
        {16, "NotCoordinatorException"},
        {17, "InvalidTopicException"},
        {24, "InvalidGroupIdException"},
        {25, "UnknownMemberIdException"},
        {27, "RebalanceInProgressException"},
        {28, "InvalidCommitOffsetSizeException"},
        {29, "TopicAuthorizationException"},
        {30, "GroupAuthorizationException"},
        {31, "ClusterAuthorizationException"},
        {35, "UnsupportedVersionException"},
        {36, "TopicExistsException"},
        {37, "InvalidPartitionsException"},
        {38, "InvalidReplicationFactorException"},
        {39, "InvalidReplicaAssignmentException"},
        {40, "InvalidConfigurationException"},
        {42, "InvalidRequestException"},
        {44, "PolicyViolationException"},
        {56, "KafkaStorageException"},
        {60, "ReassignmentInProgressException"},
        {68, "GroupNotEmptyException"},
        {69, "GroupIdNotFoundException"},
        {73, "TopicDeletionDisabledException"},
        {86, "GroupSubscribedToTopicException"},
        {100, "UnknownTopicIdException"},
        {BNB_ERROR_TIMEOUT, "TimeoutException"},
        {BNB_ERROR_CLOSED, "DisconnectException"},
        {BNB_ERROR_UNSUPPORTED, "UnsupportedVersionException"},
        {BNB_ERROR_UNKNOWN_SERVER, "UnknownServerException"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].code == code) {
            return names[i].name;
        }
    }
    return "KafkaException";
}

int tools_fail_create(const struct bnb_error *error)
{
    fprintf(stderr, "org.apache.kafka.common.KafkaException: Failed to create new "
                    "KafkaAdminClient\nCaused by: org.apache.kafka.common.config."
                    "ConfigException: %s\n", error->text);
    return 1;
}

int tools_fail_file(const char *path, const struct bnb_error *error)
{
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "java.nio.file.NoSuchFileException: %s\n", path);
    } else {
        fprintf(stderr, "%s\n", error->text);
    }
    return 1;
}

struct bnb_config *tools_config(const struct args *args, const char *file, const char *client_id)
{
    struct bnb_config *config = bnb_config_create();
    struct bnb_error error;
    if (config == NULL) {
        fprintf(stderr, "out of memory\n");
        return NULL;
    }
    bnb_config_set_warn(config, tools_warn, NULL);
    if (client_id != NULL) {
        bnb_config_set(config, "client.id", client_id);
    }
    if (file != NULL && bnb_config_load(config, file, &error) != 0) {
        tools_fail_file(file, &error);
        bnb_config_destroy(&config);
        return NULL;
    }
    const char *servers = args_value(args, "bootstrap-server");
    const char *controllers = args_value(args, "bootstrap-controller");
    if (servers != NULL) {
        bnb_config_set(config, "bootstrap.servers", servers);
    }
    if (controllers != NULL) {
        bnb_config_set(config, "bootstrap.controllers", controllers);
    }
    return config;
}

int tools_run_admin(const struct args *args, const char *file,
                    int (*run)(void *context, struct bnb_admin *admin, struct bnb_memory *memory),
                    void *context)
{
    struct bnb_config *config = tools_config(args, file, NULL);
    struct bnb_admin *admin = NULL;
    struct bnb_error error;
    if (config == NULL) {
        return 1;
    }
    struct bnb_memory *memory = bnb_memory_create();
    int status = bnb_admin_create(config, &admin, &error) != 0 ? tools_fail_create(&error)
                                                               : run(context, admin, memory);
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
    bnb_config_destroy(&config);
    return status;
}

bool tools_config_pair(struct bnb_config *config, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        return false;
    }
    char *name = mem_strndup(pair, (size_t)(equals - pair));
    bool set = name != NULL && bnb_config_set(config, name, equals + 1) == 0;
    mem_free(name);
    return set;
}

int tools_config_pairs(const struct args *args, const struct args_renaming *renaming,
                       struct bnb_config *config)
{
    const char *pair;
    if (args_renamed(args, renaming, &pair) != 0) {
        return 1;
    }
    const char *name = args_has(args, renaming->old_name) ? renaming->old_name : renaming->name;
    for (size_t i = 0; (pair = args_nth(args, name, i)) != NULL; i++) {
        if (strchr(pair, '=') == NULL) {
            bnb_config_set(config, pair, "");
        } else if (!tools_config_pair(config, pair)) {
            return args_usage(args, "Invalid command line properties: '%s'", pair);
        }
    }
    return 0;
}

int tools_check_servers(const struct args *args)
{
    const char *at = args_value(args, "bootstrap-server");
    if (at == NULL) {
        return args_usage(args, "Error while validating the bootstrap address\n");
    }
    while (at != NULL) {
        size_t size = strcspn(at, ",");
        const char *colon = memrchr(at, ':', size);
        size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
        if (digits == 0 || colon == at || colon + 1 + digits != at + size) {
            return args_usage(args, "Please provide valid host:port like "
                                    "host1:9091,host2:9092\n");
        }
        at = at[size] == ',' ? at + size + 1 : NULL;
    }
    return 0;
}

bool tools_class_known(const char *class_name, const char *const *names)
{
    const char *dot = strrchr(class_name, '.');
    for (; *names != NULL; names++) {
        if (strcmp(dot != NULL ? dot + 1 : class_name, *names) == 0) {
            return true;
        }
    }
    return false;
}

bool tools_fails_late(const char *text)
{
    return strstr(text, "bootstrap") != NULL || strncmp(text, "Heartbeat must", 14) == 0 ||
           strncmp(text, "The configured group.id", 23) == 0;
}

uint32_t tools_random(void)
{
    uint32_t number = 0;
    return getentropy(&number, sizeof number) == 0 ? number : (uint32_t)getpid();
}

/* Blanks go, commas are alternatives, and quotes at both ends are those of a properties file. */
static struct string_view pattern_text(char *text)
{
    size_t size = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != ' ') {
            text[size++] = *at == ',' ? '|' : *at;
        }
    }
    while (size > 0 && (text[size - 1] == '"' || text[size - 1] == '\'')) {
        size--;
    }
    while (size > 0 && (*text == '"' || *text == '\'')) {
        text++;
        size--;
    }
    return (struct string_view){text, size};
}

bool tools_pattern_init(struct tools_pattern *pattern, const char *text)
{
    pattern->regex = NULL;
    if (text == NULL) {
        return true;
    }
    char *copy = mem_need(strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    int error = regex_create(pattern_text(copy), &pattern->regex);
    mem_free(copy);
    return error == 0;
}

void tools_pattern_release(struct tools_pattern *pattern)
{
    regex_destroy(&pattern->regex);
}

bool tools_pattern_matches(const struct tools_pattern *pattern, const char *name)
{
    return pattern->regex == NULL || regex_matches(pattern->regex, string_view_of(name));
}

char *tools_list_next(char **rest, const char *separator)
{
    char *item = NULL;
    while (*rest != NULL && (item == NULL || *item == '\0')) {
        item = strsep(rest, separator);
    }
    return item != NULL && *item != '\0' ? item : NULL;
}

bool tools_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, name, size) == 0 && (at[size] == ',' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

void tools_print_ids(struct bnb_ids ids, const char *separator)
{
    for (int32_t i = 0; i < ids.count; i++) {
        printf("%s%d", i > 0 ? separator : "", ids.ids[i]);
    }
}

/* "-d.ddddddddddddddddde-xxx" */
#define SHORTEST_BYTES 32

/* From the shortest form "d.ddde+xx" of a number. */
static void java_number(const char *shortest, double value, char text[TOOLS_NUMBER_BYTES])
{
    char digits[SHORTEST_BYTES];
    snprintf(digits, sizeof digits, "%s", shortest);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    *e = '\0';
    int precision = strchr(digits, '.') != NULL ? (int)strlen(strchr(digits, '.') + 1) : 0;
    if (value == 0 || (exponent >= -3 && exponent < 7)) {
        int behind = precision - exponent;
        snprintf(text, TOOLS_NUMBER_BYTES, "%.*f", behind > 1 ? behind : 1, value);
    } else {
        snprintf(text, TOOLS_NUMBER_BYTES, "%s%sE%d", digits, precision == 0 ? ".0" : "", exponent);
    }
}

static bool java_special(double value, char text[TOOLS_NUMBER_BYTES])
{
    if (!isnan(value) && !isinf(value)) {
        return false;
    }
    snprintf(text, TOOLS_NUMBER_BYTES, "%s",
             isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
    return true;
}

void tools_java_double(double value, char text[TOOLS_NUMBER_BYTES])
{
    char shortest[SHORTEST_BYTES];
    int precision = 0;
    if (java_special(value, text)) {
        return;
    }
    do {
        snprintf(shortest, sizeof shortest, "%.*e", precision, value);
    } while (strtod(shortest, NULL) != value && ++precision < 17);
    java_number(shortest, value, text);
}

void tools_java_float(float value, char text[TOOLS_NUMBER_BYTES])
{
    char shortest[SHORTEST_BYTES];
    int precision = 0;
    if (java_special((double)value, text)) {
        return;
    }
    do {
        snprintf(shortest, sizeof shortest, "%.*e", precision, (double)value);
    } while (strtof(shortest, NULL) != value && ++precision < 9);
    java_number(shortest, strtod(shortest, NULL), text);
}

void tools_print_json(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            printf("\\%c", *at);
        } else if (*at < 0x20) {
            printf("\\u%04x", *at);
        } else {
            putchar(*at);
        }
    }
    putchar('"');
}

struct java_order {
    uint32_t bucket;
    int32_t index;
};

static int java_order_compare(const void *a, const void *b)
{
    const struct java_order *left = a;
    const struct java_order *right = b;
    return left->bucket != right->bucket ? (left->bucket < right->bucket ? -1 : 1)
                                         : (left->index < right->index ? -1 : 1);
}

static uint32_t java_hash(const char *text)
{
    uint32_t hash = 0;
    for (; *text != '\0'; text++) {
        hash = hash * 31 + (unsigned char)*text;
    }
    return hash;
}

/* Sorts by the buckets of order, which has the bare hashes. */
static void java_sort(void *items, int32_t count, size_t size, uint32_t buckets,
                      struct java_order *order)
{
    char *sorted = mem_need((size_t)count * size + 1);
    for (int32_t i = 0; i < count; i++) {
        uint32_t hash = order[i].bucket;
        order[i] = (struct java_order){(hash ^ hash >> 16) & (buckets - 1), i};
    }
    qsort(order, (size_t)count, sizeof *order, java_order_compare);
    for (int32_t i = 0; i < count; i++) {
        memcpy(sorted + (size_t)i * size, (char *)items + (size_t)order[i].index * size, size);
    }
    memcpy(items, sorted, (size_t)count * size);
    mem_free(sorted);
}

/* The buckets of a map that grew with what was put into it. */
static uint32_t java_buckets(int32_t count)
{
    uint32_t buckets = 16;
    while ((uint32_t)count > buckets / 4 * 3) {
        buckets *= 2;
    }
    return buckets;
}

/* The buckets of a map that was copied from one of count. */
static uint32_t java_buckets_copied(int32_t count)
{
    uint32_t buckets = 1;
    while (buckets < (uint32_t)count * 4 / 3 + 1) {
        buckets *= 2;
    }
    return buckets;
}

static void order_by_name(void *items, int32_t count, size_t size, uint32_t buckets)
{
    struct java_order *order = mem_need(((size_t)count + 1) * sizeof *order);
    for (int32_t i = 0; i < count; i++) {
        const char *name;
        memcpy(&name, (char *)items + (size_t)i * size, sizeof name);
        order[i].bucket = java_hash(name);
    }
    java_sort(items, count, size, buckets, order);
    mem_free(order);
}

void tools_java_order(void *items, int32_t count, size_t size)
{
    order_by_name(items, count, size, java_buckets(count));
}

void tools_java_order_copied(void *items, int32_t count, size_t size)
{
    order_by_name(items, count, size, java_buckets_copied(count));
}

void tools_java_order_partitions(void *items, int32_t count, size_t size, bool copied)
{
    struct java_order *order = mem_need(((size_t)count + 1) * sizeof *order);
    for (int32_t i = 0; i < count; i++) {
        struct bnb_topic_partition one;
        memcpy(&one, (char *)items + (size_t)i * size, sizeof one);
        order[i].bucket = (31 + (uint32_t)one.partition) * 31 + java_hash(one.topic);
    }
    java_sort(items, count, size,
              copied ? java_buckets_copied(count) : java_buckets(count), order);
    mem_free(order);
}

void tools_table_init(struct tools_table *table, size_t column_count)
{
    *table = (struct tools_table){.column_count = column_count};
}

void tools_table_release(struct tools_table *table)
{
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        mem_free(table->cells[i]);
    }
    mem_free(table->cells);
    *table = (struct tools_table){0};
}

void tools_table_row(struct tools_table *table, const char *const *cells)
{
    size_t from = table->row_count * table->column_count;
    if (mem_grow((void **)&table->cells, &table->capacity, from + table->column_count,
                 sizeof *table->cells) != 0) {
        return;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        table->cells[from + i] = mem_strndup(cells[i], strlen(cells[i]));
    }
    table->row_count++;
}

void tools_table_print(const struct tools_table *table, const char *suffix)
{
    size_t count = table->row_count * table->column_count;
    int *widths = mem_need((table->column_count + 1) * sizeof *widths);
    for (size_t i = 0; i < count; i++) {
        int size = table->cells[i] != NULL ? (int)strlen(table->cells[i]) : 0;
        int *width = &widths[i % table->column_count];
        *width = size > *width ? size : *width;
    }
    for (size_t i = 0; i < count; i++) {
        size_t column = i % table->column_count;
        printf("%-*s%s%s", widths[column], table->cells[i] != NULL ? table->cells[i] : "", suffix,
               column + 1 == table->column_count ? "\n" : "");
    }
    mem_free(widths);
}
