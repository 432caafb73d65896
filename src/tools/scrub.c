/* scrub.c: `barnabas scrub`: verifies data directories that no broker uses. */
#include "tools/scrub.h"

#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/reader.h"
#include "log/log_dir.h"
#include "protocol/record/iter.h"
#include "tools/args.h"
#include "tools/common.h"
#include "tools/tools.h"

#define SNAPSHOT_BYTES_MAX ((size_t)1 << 30)
#define CONTROL_SNAPSHOT_HEADER 3
#define CONTROL_SNAPSHOT_FOOTER 4
#define STATUS_CLEAN 0
#define STATUS_PROBLEMS 1
#define STATUS_COULD_NOT 2

static const struct args_option scrub_options[] = {
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"json", 0, ARGS_FLAG, NULL, "One JSON object a line."},
    {"log-dirs", 0, ARGS_VALUE, "String: dir1,dir2,...", "REQUIRED: The directories to verify."},
    {"topic", 0, ARGS_VALUE, "String: regex", "Only partitions of topics that match."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static int refuse(void) { return ERR_ACCESS; }
static int refuse_write(struct io_file *file, const void *data, size_t size, int64_t position)
{
    (void)file, (void)data, (void)size, (void)position;
    return refuse();
}
static int refuse_truncate(struct io_file *file, int64_t size)
{
    (void)file, (void)size;
    return refuse();
}
static int refuse_path(struct io_fs *fs, const char *path)
{
    (void)fs, (void)path;
    return refuse();
}
static int refuse_rename(struct io_fs *fs, const char *from, const char *to)
{
    (void)fs, (void)from, (void)to;
    return refuse();
}

/* What the log opens to read and write is opened to be read. */
static int open_to_read(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    return (flags & (IO_OPEN_CREATE | IO_OPEN_TRUNCATE)) != 0
               ? refuse()
               : io_fs_linux().operations->open(fs, path, IO_OPEN_READ, file);
}

static struct io_fs read_only_fs(struct io_operations *operations)
{
    *operations = *io_fs_linux().operations;
    operations->open = open_to_read;
    operations->write = refuse_write;
    operations->truncate = refuse_truncate;
    operations->rename = refuse_rename;
    operations->remove = operations->make_directory = refuse_path;
    operations->remove_directory = operations->sync_directory = refuse_path;
    operations->reserve = NULL;
    return (struct io_fs){operations, NULL};
}

void scrub_problem(struct scrub *scrub, const char *path, int64_t position, const char *format,
                   ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    scrub->problems++;
    if (scrub->json) {
        printf("{\"path\":");
        tools_print_json(path);
        printf(",\"position\":%" PRId64 ",\"problem\":", position);
        tools_print_json(text);
        printf("}\n");
    } else if (position >= 0) {
        printf("%s: byte %" PRId64 ": %s\n", path, position, text);
    } else {
        printf("%s: %s\n", path, text);
    }
}

void scrub_begin_file(struct scrub *scrub, const char *path, int64_t size)
{
    scrub->files++;
    scrub->bytes += size;
    if (scrub->progress) {
        fprintf(stderr, "\r\033[K%" PRId64 " files, %" PRId64 " MB: %s", scrub->files,
                scrub->bytes >> 20, path);
    }
}

/* The type of a control batch's only or last record; -1: it is none. */
static int snapshot_control(const struct batch *batch, bool last)
{
    struct record_iter iter;
    struct record record;
    int type = -1;
    if (!batch_is_control(batch)) {
        return -1;
    }
    record_iter_init(&iter, batch, (struct bytes_view){batch->records, batch->size_bytes -
                                                                           BATCH_HEADER_BYTES});
    while (record_iter_next(&iter, &record) == 1 && (type < 0 || last)) {
        struct reader reader;
        reader_init(&reader, record.key.data, record.key.size);
        (void)reader_i16(&reader);
        type = reader_i16(&reader);
    }
    return type;
}

void scrub_snapshot(struct scrub *scrub, const char *path)
{
    uint8_t *bytes;
    size_t size;
    int error = io_read_whole(&scrub->fs, path, SNAPSHOT_BYTES_MAX, &bytes, &size);
    if (error != 0) {
        scrub_problem(scrub, path, -1, "it cannot be read: %s", err_text(error));
        return;
    }
    scrub_begin_file(scrub, path, (int64_t)size);
    size_t at = 0;
    int first = -1;
    int last = -1;
    struct batch batch;
    while (at < size && batch_decode(bytes + at, size - at, &batch) == 0) {
        if (!batch_crc_holds(bytes + at, &batch)) {
            scrub_problem(scrub, path, (int64_t)at, "the CRC does not hold");
        }
        first = at == 0 ? snapshot_control(&batch, false) : first;
        last = snapshot_control(&batch, true);
        at += batch.size_bytes;
    }
    if (at < size) {
        scrub_problem(scrub, path, (int64_t)at, "no whole batch from here on");
    } else if (first != CONTROL_SNAPSHOT_HEADER || last != CONTROL_SNAPSHOT_FOOTER) {
        scrub_problem(scrub, path, (int64_t)at, "it does not go from a header to a footer");
    }
    mem_free(bytes);
}

struct dir_scrub {
    struct scrub *scrub;
    const char *path;
    const regex_t *topic; /* NULL: any */
    struct log_checkpoint checkpoints[LOG_CHECKPOINT_KINDS];
    const char *snapshots_in;
};

static int snapshot_visit(void *context, const char *name, bool is_directory)
{
    const struct dir_scrub *dir = context;
    char path[SCRUB_PATH_BYTES];
    const char *dot = strrchr(name, '.');
    if (!is_directory && dot != NULL && strcmp(dot, ".checkpoint") == 0 &&
        snprintf(path, sizeof path, "%s/%s", dir->snapshots_in, name) < (int)sizeof path) {
        scrub_snapshot(dir->scrub, path);
    }
    return 0;
}

static void check_bounds(const struct dir_scrub *dir, struct string_view topic, int32_t partition,
                         const struct scrub_extent *extent)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        int64_t offset = log_checkpoint_find(&dir->checkpoints[kind], topic, partition, -1);
        if (offset > extent->end_offset) {
            scrub_problem(dir->scrub, dir->path, -1,
                          "%s says %" PRId64 " of %.*s-%d, whose log ends at %" PRId64,
                          log_dir_checkpoint_name((enum log_checkpoint_kind)kind), offset,
                          (int)topic.size, topic.data, partition, extent->end_offset);
        }
    }
}

/* A partition of a topic that is not known is one that a start would set aside or delete. */
static void check_topic_id(struct scrub *scrub, const char *path, const struct scrub_topic *known)
{
    struct uuid id;
    char have[UUID_TEXT_BYTES];
    char want[UUID_TEXT_BYTES];
    if (log_dir_read_topic_id(&scrub->fs, path, &id) != 0) {
        scrub_problem(scrub, path, -1, "partition.metadata is missing or damaged");
    } else if (known != NULL && !uuid_equal(id, known->id)) {
        uuid_format(id, have);
        uuid_format(known->id, want);
        scrub_problem(scrub, path, -1,
                      "partition.metadata says topic id %s, the metadata log %s", have, want);
    }
}

static int dir_visit(void *context, const char *name, bool is_directory)
{
    struct dir_scrub *dir = context;
    struct string_view topic;
    int32_t partition;
    enum log_dir_kind kind;
    char path[SCRUB_PATH_BYTES];
    char text[SCRUB_PATH_BYTES];
    if (!is_directory || log_dir_parse_name(name, &topic, &partition, &kind) != 0 ||
        (kind != LOG_DIR_CURRENT && kind != LOG_DIR_FUTURE)) {
        return 0;
    }
    snprintf(text, sizeof text, "%.*s", (int)topic.size, topic.data);
    if ((dir->topic != NULL && regexec(dir->topic, text, 0, NULL, 0) != 0) ||
        snprintf(path, sizeof path, "%s/%s", dir->path, name) >= (int)sizeof path) {
        return 0;
    }
    struct scrub_extent extent;
    struct scrub_topic known;
    bool is_known = scrub_metadata_topic(dir->scrub, topic, &known);
    int error = scrub_partition(dir->scrub, path, is_known ? &known : NULL, &extent);
    if (error == 0) {
        check_topic_id(dir->scrub, path, is_known ? &known : NULL);
    }
    if (error == 0 && kind == LOG_DIR_CURRENT) {
        check_bounds(dir, topic, partition, &extent);
    }
    if (error == 0 && strcmp(name, "__cluster_metadata-0") == 0) {
        dir->snapshots_in = path;
        error = io_list(&dir->scrub->fs, path, snapshot_visit, dir);
    }
    return error;
}

static void read_checkpoints(struct dir_scrub *dir)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        char path[SCRUB_PATH_BYTES];
        int size = snprintf(path, sizeof path, "%s/%s", dir->path,
                            log_dir_checkpoint_name((enum log_checkpoint_kind)kind));
        if (size < (int)sizeof path &&
            log_checkpoint_read(&dir->scrub->fs, path, &dir->checkpoints[kind]) != 0) {
            scrub_problem(dir->scrub, path, -1, "the checkpoint is damaged");
        }
    }
}

/* A broker holds its lock for as long as it lives. */
static bool dir_in_use(const char *directory)
{
    struct io_fs fs = io_fs_linux();
    struct io_file file;
    char path[SCRUB_PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/.lock", directory) >= (int)sizeof path ||
        io_file_open(&fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file) != 0) {
        return false;
    }
    bool busy = io_file_lock(&file) == ERR_BUSY;
    io_file_close(&file);
    return busy;
}

/* 0, or ERR_* when it could not be verified. */
static int scrub_dir(struct scrub *scrub, const char *path, const regex_t *topic)
{
    struct dir_scrub dir = {.scrub = scrub, .path = path, .topic = topic};
    struct log_dir_properties properties;
    struct err_message message = {{0}};
    if (dir_in_use(path)) {
        fprintf(stderr, "scrub: %s is in use: stop its broker first\n", path);
        return ERR_BUSY;
    }
    int error = log_dir_read_properties(&scrub->fs, path, &properties, &message);
    if (error == ERR_CORRUPT) {
        scrub_problem(scrub, path, -1, "%s", message.text);
    } else if (error != 0) {
        fprintf(stderr, "scrub: %s\n", message.text);
        return error;
    }
    read_checkpoints(&dir);
    char bootstrap[SCRUB_PATH_BYTES];
    struct io_file file;
    if (snprintf(bootstrap, sizeof bootstrap, "%s/bootstrap.checkpoint", path) <
            (int)sizeof bootstrap &&
        io_file_open(&scrub->fs, bootstrap, IO_OPEN_READ, &file) == 0) {
        io_file_close(&file);
        scrub_snapshot(scrub, bootstrap);
    }
    error = io_list(&scrub->fs, path, dir_visit, &dir);
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        log_checkpoint_release(&dir.checkpoints[kind]);
    }
    if (error != 0) {
        fprintf(stderr, "scrub: %s: %s\n", path, err_text(error));
    }
    return error;
}

/* Before anything else: it may lie in any of the directories. */
static int read_metadata(struct scrub *scrub, const char *directories)
{
    char *copy = mem_strndup(directories, strlen(directories));
    char *rest = copy;
    char *path;
    int error = copy == NULL ? ERR_NOMEM : 0;
    while (error == 0 && (path = tools_list_next(&rest, ",")) != NULL) {
        char metadata[SCRUB_PATH_BYTES];
        if (snprintf(metadata, sizeof metadata, "%s/__cluster_metadata-0", path) <
            (int)sizeof metadata) {
            error = scrub_metadata_read(scrub, metadata);
        }
    }
    mem_free(copy);
    return error;
}

static int scrub_all(struct scrub *scrub, const char *directories, const regex_t *topic)
{
    char *copy = mem_strndup(directories, strlen(directories));
    char *rest = copy;
    char *path;
    int error = read_metadata(scrub, directories);
    while (error == 0 && (path = tools_list_next(&rest, ",")) != NULL) {
        error = scrub_dir(scrub, path, topic);
    }
    mem_free(copy);
    scrub_metadata_release(scrub);
    if (scrub->progress) {
        fprintf(stderr, "\r\033[K");
    }
    if (scrub->json) {
        printf("{\"files\":%" PRId64 ",\"bytes\":%" PRId64 ",\"problems\":%" PRId64 "}\n",
               scrub->files, scrub->bytes, scrub->problems);
    } else {
        printf("%" PRId64 " files, %" PRId64 " bytes, %" PRId64 " problems\n", scrub->files,
               scrub->bytes, scrub->problems);
    }
    return error != 0 ? STATUS_COULD_NOT : scrub->problems > 0 ? STATUS_PROBLEMS : STATUS_CLEAN;
}

int tool_scrub(int argc, char **argv)
{
    struct args args;
    struct io_operations operations;
    struct scrub scrub = {.fs = read_only_fs(&operations), .progress = isatty(STDERR_FILENO) == 1};
    regex_t regex;
    bool bad = args_parse(&args, scrub_options, argc, argv) != 0;
    if (!bad && args_has(&args, "help")) {
        printf("usage: barnabas scrub --log-dirs DIR[,DIR]... [--json] [--topic REGEX]\n\n"
               "Verifies data directories that no broker uses, and changes nothing. Status 0: "
               "clean, 1: problems,\n2: it could not be done.\n");
        return STATUS_CLEAN;
    }
    const char *directories = bad ? NULL : args_value(&args, "log-dirs");
    const char *topic = bad ? NULL : args_value(&args, "topic");
    if (directories == NULL) {
        fprintf(stderr, "scrub: %s\n", bad ? args.error : "--log-dirs is required");
        return STATUS_COULD_NOT;
    }
    if (topic != NULL && regcomp(&regex, topic, REG_EXTENDED | REG_NOSUB) != 0) {
        fprintf(stderr, "scrub: --topic %s is no regular expression\n", topic);
        return STATUS_COULD_NOT;
    }
    scrub.json = args_has(&args, "json");
    int status = scrub_all(&scrub, directories, topic != NULL ? &regex : NULL);
    if (topic != NULL) {
        regfree(&regex);
    }
    return status;
}
