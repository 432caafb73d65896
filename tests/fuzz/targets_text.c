#include "targets.h"

#include <string.h>

#include "base/mem.h"
#include "broker/config.h"
#include "log/log_dir.h"
#include "memory_fs.h"
#include "tools/args.h"
#include "tools/json.h"

#define WORDS_MAX 64
#define JSON_ARENA_BYTES (1u << 20)

/* A file system with one file in a directory. */
static struct memory_fs *one_file(const char *path, const uint8_t *data, size_t size)
{
    struct memory_fs *memory = mem_need(sizeof *memory);
    memory_fs_init(memory);
    (void)io_make_directory(&memory->fs, "/data");
    memory_fs_put(memory, path, data, size);
    return memory;
}

static void one_file_release(struct memory_fs *memory)
{
    memory_fs_release(memory);
    mem_free(memory);
}

/* What is read is written and read to the same. */
void fuzz_checkpoint(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = one_file("/data/checkpoint", data, size);
    struct log_checkpoint first;
    struct log_checkpoint second;
    if (log_checkpoint_read(&memory->fs, "/data/checkpoint", &first) == 0 &&
        log_checkpoint_write(&memory->fs, "/data/again", &first) == 0) {
        int error = log_checkpoint_read(&memory->fs, "/data/again", &second);
        fuzz_require(error == 0 && second.count == first.count, "it reads back");
        for (size_t i = 0; i < first.count; i++) {
            (void)log_checkpoint_find(&second, first.entries[i].topic, first.entries[i].partition,
                                      -1);
            fuzz_require(string_view_equal(first.entries[i].topic, second.entries[i].topic),
                         "to the same");
        }
        log_checkpoint_release(&second);
    }
    log_checkpoint_release(&first);
    one_file_release(memory);
}

void fuzz_partition_metadata(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = one_file("/data/partition.metadata", data, size);
    struct uuid first;
    struct uuid second;
    if (log_dir_read_topic_id(&memory->fs, "/data", &first) == 0) {
        fuzz_require(log_dir_write_topic_id(&memory->fs, "/data", first) == 0 &&
                         log_dir_read_topic_id(&memory->fs, "/data", &second) == 0 &&
                         uuid_equal(first, second),
                     "it reads back");
    }
    one_file_release(memory);
}

void fuzz_meta_properties(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = one_file("/data/meta.properties", data, size);
    struct log_dir_properties properties;
    struct err_message message = {{0}};
    int error = log_dir_read_properties(&memory->fs, "/data", &properties, &message);
    fuzz_require(error == 0 || message.text[0] != '\0', "a refusal says why");
    if (error == 0) {
        fuzz_require(properties.cluster_id.size < sizeof properties.text, "bounded");
    }
    one_file_release(memory);
}

static void ignore_line(void *context, const char *line) { (void)context, (void)line; }

void fuzz_server_properties(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = one_file("/data/server.properties", data, size);
    struct config *config;
    struct err_message message = {{0}};
    int error = config_open(&memory->fs, "/data/server.properties", NULL, 0, &config, &message);
    fuzz_require(error == 0 || message.text[0] != '\0', "a refusal says why");
    if (error == 0) {
        config_visit_ignored(config, ignore_line, NULL);
        fuzz_require(config_log_directory_count(config) > 0, "data has a place");
        fuzz_require(config_listener_count(config) > 0, "and somebody listens");
    }
    config_close(&config);
    one_file_release(memory);
}

void fuzz_setting(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (end == NULL) {
        return;
    }
    struct string_view name = {(const char *)data, (size_t)(end - data)};
    struct string_view value = {(const char *)end + 1, size - name.size - 1};
    for (int scope = CONFIG_SCOPE_BROKER; scope <= CONFIG_SCOPE_CLIENT_METRICS; scope++) {
        const struct config_row *row = config_row_find((enum config_scope)scope, name);
        struct err_message message = {{0}};
        fuzz_require(row == NULL || config_check(row, value, &message) == 0 ||
                         message.text[0] != '\0',
                     "a refusal says why");
    }
}

void fuzz_arguments(const uint8_t *data, size_t size)
{
    static const struct args_option options[] = {
        {"bootstrap-server", 'b', ARGS_VALUE, "String", "where"},
        {"bootstrap-controller", 0, ARGS_VALUE, "String", "where else"},
        {"create", 0, ARGS_FLAG, NULL, "a flag"},
        {"delete", 'd', ARGS_FLAG, NULL, "another"},
        {"config", 0, ARGS_VALUE, "String", "repeated"},
        {"timeout-ms", 't', ARGS_OPTIONAL, "Integer", "maybe"},
        {"files", 'f', ARGS_REST, "String", "many"},
        {NULL, 0, ARGS_FLAG, NULL, NULL},
    };
    static char name[] = "tool";
    char *words[WORDS_MAX + 1] = {name};
    int count = 1;
    char *text = mem_strndup((const char *)data, size);
    for (char *at = text; at != NULL && count < WORDS_MAX;) {
        char *end = strchr(at, '\n');
        words[count++] = at;
        if (end != NULL) {
            *end++ = '\0';
        }
        at = end;
    }
    struct args args;
    int64_t number;
    if (args_parse(&args, options, count, words) == 0) {
        for (size_t i = 0; args_nth(&args, "config", i) != NULL; i++) {
        }
        (void)args_word(&args, 0);
        const char *timeout = args_value(&args, "timeout-ms");
        (void)(timeout != NULL && args_parse_number(timeout, &number));
    } else {
        fuzz_require(args.error[0] != '\0', "a refusal says why");
    }
    mem_free(text);
}

static size_t json_count(const struct json *node, int depth)
{
    fuzz_require(depth <= JSON_DEPTH_MAX + 1, "no deeper than allowed");
    size_t count = 0;
    for (; node != NULL; node = node->next) {
        fuzz_require(node->kind != JSON_STRING || node->text != NULL, "a string has a text");
        count += 1 + json_count(node->first, depth + 1);
    }
    return count;
}

void fuzz_json(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, JSON_ARENA_BYTES);
    char *text = mem_strndup((const char *)data, size);
    const struct json *root = json_parse(&arena, text);
    (void)json_count(root, 0);
    (void)json_member(root, "topics");
    mem_free(text);
    arena_release(&arena);
}
