/* delete_records.c: kafka-delete-records: raises log start offsets as a JSON file says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "io/file.h"
#include "tools/common.h"
#include "tools/json.h"
#include "tools/tools.h"

#define OFFSET_FILE_BYTES_MAX ((size_t)64 << 20)

static const struct args_option delete_options[] = {
    {"bootstrap-server", 0, ARGS_VALUE, "String: server(s) to use for bootstrapping",
     "REQUIRED: The server to connect to."},
    {"command-config", 0, ARGS_VALUE, "String: command config property file path",
     "A property file containing configs to be passed to Admin Client."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"offset-json-file", 0, ARGS_VALUE, "String: Offset json file path",
     "REQUIRED: The JSON file with offset per partition: {\"partitions\": [{\"topic\": \"foo\", "
     "\"partition\": 1, \"offset\": 1}], \"version\":1}."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static const char *delete_told(struct arena *arena, const char *format, const char *name,
                               struct string_view what)
{
    struct string_view told = arena_format(arena, format, name, (int)what.size, what.data);
    return told.data != NULL ? told.data : "out of memory";
}

/* A field of what is to be deleted: NULL, or what is wrong with it. */
static const char *delete_field(struct arena *arena, const struct json *item, const char *name,
                                const struct json **field)
{
    static const struct string_view nothing = {"", 0};
    *field = json_member(item, name);
    return *field != NULL ? NULL
                          : delete_told(arena, "No such field exists: `%s`%.*s", name, nothing);
}

static const char *delete_wrong_kind(struct arena *arena, const char *kind,
                                     const struct json *value)
{
    return delete_told(arena, "Expected `%s` value, received %.*s", kind, value->source);
}

static const char *delete_version(struct arena *arena, const struct json *version)
{
    int64_t number;
    if (version == NULL) {
        return NULL;
    }
    if (!json_integer(version, INT32_MIN, INT32_MAX, &number)) {
        return delete_wrong_kind(arena, "Integer", version);
    }
    return number == 1 ? NULL
                       : delete_told(arena, "Not supported version field value%s %.*s", "",
                                     version->source);
}

static const char *delete_item(struct arena *arena, const struct json *item,
                               struct bnb_record_deletion *deletion)
{
    const struct json *topic;
    const struct json *partition;
    const struct json *offset;
    int64_t number;
    const char *wrong = delete_field(arena, item, "topic", &topic);
    if (wrong == NULL && topic->kind != JSON_STRING) {
        wrong = delete_wrong_kind(arena, "String", topic);
    }
    wrong = wrong == NULL ? delete_field(arena, item, "partition", &partition) : wrong;
    if (wrong == NULL && !json_integer(partition, INT32_MIN, INT32_MAX, &number)) {
        wrong = delete_wrong_kind(arena, "Integer", partition);
    }
    if (wrong == NULL) {
        deletion->topic = topic->text;
        deletion->partition = (int32_t)number;
        wrong = delete_field(arena, item, "offset", &offset);
    }
    if (wrong == NULL && !json_integer(offset, INT64_MIN, INT64_MAX, &deletion->offset)) {
        wrong = delete_wrong_kind(arena, "Long", offset);
    }
    return wrong;
}

/* The deletions of the file, in the arena; NULL, or what is wrong with its form. */
static const char *delete_read(struct arena *arena, const char *text,
                               struct bnb_record_deletion **deletions, int32_t *count)
{
    const struct json *root = json_parse(arena, text);
    if (root == NULL) {
        return "The input string is not a valid JSON";
    }
    const struct json *list = json_member(root, "partitions");
    const char *wrong = delete_version(arena, json_member(root, "version"));
    if (wrong != NULL) {
        return wrong;
    }
    if (list == NULL || list->kind != JSON_ARRAY) {
        return "Missing partitions field";
    }
    *count = 0;
    for (const struct json *item = list->first; item != NULL; item = item->next) {
        ++*count;
    }
    *deletions = arena_array(arena, (size_t)*count + 1, sizeof **deletions);
    *count = 0;
    for (const struct json *item = list->first;
         *deletions != NULL && wrong == NULL && item != NULL; item = item->next) {
        wrong = delete_item(arena, item, &(*deletions)[(*count)++]);
    }
    return *deletions != NULL ? wrong : "out of memory";
}

static const struct bnb_record_deletion *
delete_repeated(const struct bnb_record_deletion *deletions, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t before = 0; before < i; before++) {
            if (deletions[before].partition == deletions[i].partition &&
                strcmp(deletions[before].topic, deletions[i].topic) == 0) {
                return &deletions[i];
            }
        }
    }
    return NULL;
}

static int delete_ask(struct bnb_admin *admin, const struct bnb_record_deletion *deletions,
                      int32_t count)
{
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_record_deletion_outcome *outcomes;
    struct bnb_error error;
    printf("Executing records delete operation\n");
    int result = bnb_admin_delete_records(admin, memory, deletions, count, &outcomes, &error);
    if (result != 0) {
        fprintf(stderr, "%s: %s\n", tools_exception(result), error.text);
    } else {
        printf("Records delete operation completed:\n");
    }
    for (int32_t i = 0; i < count && result == 0; i++) {
        if (outcomes[i].code == 0) {
            printf("partition: %s-%d\tlow_watermark: %" PRId64 "\n", deletions[i].topic,
                   deletions[i].partition, outcomes[i].low_watermark);
        } else {
            printf("partition: %s-%d\terror: org.apache.kafka.common.errors.%s: %s\n",
                   deletions[i].topic, deletions[i].partition, tools_exception(outcomes[i].code),
                   outcomes[i].error_text);
        }
    }
    bnb_memory_destroy(&memory);
    return result == 0 ? 0 : 1;
}

static int delete_run(const struct args *args, struct arena *arena, struct bnb_config *config)
{
    struct io_fs fs = io_fs_linux();
    uint8_t *text;
    size_t size;
    const char *path = args_value(args, "offset-json-file");
    if (io_read_whole(&fs, path, OFFSET_FILE_BYTES_MAX, &text, &size) != 0) {
        fprintf(stderr, "Unable to read file %s\n", path);
        return 1;
    }
    struct bnb_record_deletion *deletions = NULL;
    int32_t count = 0;
    const char *wrong = delete_read(arena, (const char *)text, &deletions, &count);
    const struct bnb_record_deletion *repeated =
        wrong == NULL ? delete_repeated(deletions, count) : NULL;
    struct bnb_admin *admin = NULL;
    struct bnb_error error;
    int status = 1;
    if (wrong == NULL && repeated == NULL && bnb_admin_create(config, &admin, &error) != 0) {
        status = tools_fail_create(&error);
    } else if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
    } else if (repeated != NULL) {
        fprintf(stderr, "Offset json file contains duplicate topic partitions: %s-%d\n",
                repeated->topic, repeated->partition);
    } else {
        status = delete_ask(admin, deletions, count);
    }
    bnb_admin_close(&admin);
    mem_free(text);
    return status;
}

int tool_delete_records(int argc, char **argv)
{
    struct args args = {.count = 0};
    struct arena arena;
    int status = args_start_simple(
        &args, delete_options,
        "This tool helps to delete records of the given partitions down to the specified offset.",
        argc, argv, (const char *const[]){"bootstrap-server", "offset-json-file", NULL});
    if (status >= 0) {
        return status;
    }
    struct bnb_config *config = tools_config(&args, args_value(&args, "command-config"), NULL);
    if (config == NULL) {
        return 1;
    }
    arena_init(&arena, (size_t)1 << 30);
    status = delete_run(&args, &arena, config);
    arena_release(&arena);
    bnb_config_destroy(&config);
    return status;
}
