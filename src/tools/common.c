/* common.c: what the tools share. */
#include "tools/common.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
        {17, "InvalidTopicException"},
        {29, "TopicAuthorizationException"},
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
        {73, "TopicDeletionDisabledException"},
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
        fprintf(stderr, "%s\n", error.text);
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

bool tools_pattern_init(struct tools_pattern *pattern, const char *text)
{
    pattern->is_set = false;
    if (text == NULL) {
        return true;
    }
    size_t size = strlen(text) + 5;
    char *whole = mem_need(size);
    snprintf(whole, size, "^(%s)$", text);
    for (char *at = whole; *at != '\0'; at++) {
        *at = *at == ',' ? '|' : *at;
    }
    pattern->is_set = regcomp(&pattern->regex, whole, REG_EXTENDED | REG_NOSUB) == 0;
    mem_free(whole);
    return pattern->is_set;
}

void tools_pattern_release(struct tools_pattern *pattern)
{
    if (pattern->is_set) {
        regfree(&pattern->regex);
        pattern->is_set = false;
    }
}

bool tools_pattern_matches(const struct tools_pattern *pattern, const char *name)
{
    return !pattern->is_set || regexec(&pattern->regex, name, 0, NULL, 0) == 0;
}

char *tools_list_next(char **rest, const char *separator)
{
    char *item = NULL;
    while (*rest != NULL && (item == NULL || *item == '\0')) {
        item = strsep(rest, separator);
    }
    return item != NULL && *item != '\0' ? item : NULL;
}

void tools_print_ids(struct bnb_ids ids, const char *separator)
{
    for (int32_t i = 0; i < ids.count; i++) {
        printf("%s%d", i > 0 ? separator : "", ids.ids[i]);
    }
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
    for (size_t row = 0; row < table->row_count; row++) {
        for (size_t column = 0; column < table->column_count; column++) {
            size_t width = 0;
            for (size_t other = 0; other < table->row_count; other++) {
                const char *cell = table->cells[other * table->column_count + column];
                size_t size = cell != NULL ? strlen(cell) : 0;
                width = size > width ? size : width;
            }
            const char *cell = table->cells[row * table->column_count + column];
            printf("%-*s%s", (int)width, cell != NULL ? cell : "", suffix);
        }
        putchar('\n');
    }
}
