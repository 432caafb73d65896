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

/* The deletions of the file, in the arena; -1 when it is not of the right form. */
static int32_t delete_read(struct arena *arena, const char *text,
                           struct bnb_record_deletion **deletions)
{
    const struct json *root = json_parse(arena, text);
    const struct json *list = json_member(root, "partitions");
    if (list == NULL || list->kind != JSON_ARRAY) {
        return -1;
    }
    int32_t count = 0;
    for (const struct json *item = list->first; item != NULL; item = item->next) {
        count++;
    }
    *deletions = arena_array(arena, (size_t)count + 1, sizeof **deletions);
    count = 0;
    for (const struct json *item = list->first; *deletions != NULL && item != NULL;
         item = item->next) {
        const struct json *topic = json_member(item, "topic");
        const struct json *partition = json_member(item, "partition");
        const struct json *offset = json_member(item, "offset");
        if (topic == NULL || topic->kind != JSON_STRING || partition == NULL ||
            partition->kind != JSON_NUMBER || offset == NULL || offset->kind != JSON_NUMBER) {
            return -1;
        }
        (*deletions)[count++] = (struct bnb_record_deletion){
            topic->text, (int32_t)partition->number, (int64_t)offset->number};
    }
    return *deletions != NULL ? count : -1;
}

static const char *delete_repeated(const struct bnb_record_deletion *deletions, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t before = 0; before < i; before++) {
            if (deletions[before].partition == deletions[i].partition &&
                strcmp(deletions[before].topic, deletions[i].topic) == 0) {
                return deletions[i].topic;
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
        fprintf(stderr, "java.nio.file.NoSuchFileException: %s\n", path);
        return 1;
    }
    struct bnb_record_deletion *deletions = NULL;
    int32_t count = delete_read(arena, (const char *)text, &deletions);
    const char *repeated = count > 0 ? delete_repeated(deletions, count) : NULL;
    struct bnb_admin *admin = NULL;
    struct bnb_error error;
    int status = 1;
    if (count < 0) {
        fprintf(stderr, "The input string is not a valid JSON\n");
    } else if (repeated != NULL) {
        fprintf(stderr, "Offset json file contains duplicate topic partitions: %s\n", repeated);
    } else if (bnb_admin_create(config, &admin, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
    } else {
        status = delete_ask(admin, deletions, count);
    }
    bnb_admin_close(&admin);
    mem_free(text);
    return status;
}

int tool_delete_records(int argc, char **argv)
{
    struct args args;
    struct arena arena;
    int status = args_start(&args, delete_options,
                            "This tool helps to delete records of the given partitions down to the "
                            "specified offset.", argc, argv);
    if (status < 0 && args_require(&args, (const char *const[]){"bootstrap-server",
                                                               "offset-json-file", NULL}) != 0) {
        status = 1;
    }
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
