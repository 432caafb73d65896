/* dump_log.c: kafka-dump-log: the files of a log directory in words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/reader.h"
#include "io/file.h"
#include "protocol/record/compress.h"
#include "protocol/record/iter.h"
#include "tools/args.h"
#include "tools/common.h"
#include "tools/dump.h"
#include "tools/tools.h"

#define DUMP_FILE_BYTES_MAX ((size_t)1 << 31)
#define DUMP_BATCH_BYTES_MAX ((size_t)1 << 30)
#define DUMP_PATH_BYTES 4096
#define DUMP_SIZE_MIN 14
#define DUMP_ARENA_BYTES ((size_t)256 << 20)

static const struct args_option dump_options[] = {
    {"cluster-metadata-decoder", 0, ARGS_FLAG, NULL,
     "If set, log data will be parsed as cluster metadata records."},
    {"deep-iteration", 0, ARGS_FLAG, NULL,
     "If set, uses deep instead of shallow iteration. Automatically set if print-data-log is "
     "enabled."},
    {"files", 0, ARGS_VALUE, "String: file1, file2, ...",
     "REQUIRED: The comma separated list of data and index log files to be dumped."},
    {"help", 0, ARGS_FLAG, NULL, "Print usage information."},
    {"index-sanity-check", 0, ARGS_FLAG, NULL,
     "If set, just checks the index sanity without printing its content."},
    {"key-decoder-class", 0, ARGS_VALUE, "String", "The decoder of keys."},
    {"max-bytes", 0, ARGS_VALUE, "Integer: size",
     "Limit the amount of total batches read in bytes avoiding reading the whole file."},
    {"max-message-size", 0, ARGS_VALUE, "Integer: size", "Size of largest message."},
    {"offsets-decoder", 0, ARGS_FLAG, NULL,
     "If set, log data will be parsed as offset data from the __consumer_offsets topic."},
    {"print-data-log", 0, ARGS_FLAG, NULL,
     "If set, printing the messages content when dumping data logs."},
    {"remote-log-metadata-decoder", 0, ARGS_FLAG, NULL,
     "If set, log data will be parsed as TopicBasedRemoteLogMetadataManager metadata records."},
    {"share-group-state-decoder", 0, ARGS_FLAG, NULL,
     "If set, log data will be parsed as share group state data."},
    {"skip-record-metadata", 0, ARGS_FLAG, NULL,
     "Skip metadata when printing records. This flag also skips control records."},
    {"transaction-log-decoder", 0, ARGS_FLAG, NULL,
     "If set, log data will be parsed as transaction metadata from the __transaction_state "
     "topic."},
    {"value-decoder-class", 0, ARGS_VALUE, "String", "The decoder of values."},
    {"verify-index-only", 0, ARGS_FLAG, NULL,
     "If set, just verify the index log without printing its content."},
    {"version", 0, ARGS_FLAG, NULL, "Display Kafka version."},
    {NULL, 0, ARGS_FLAG, NULL, NULL},
};

static void dump_batch_line(const struct batch *batch, const uint8_t *data, size_t position)
{
    bool append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
    int32_t last_sequence =
        batch->base_sequence < 0
            ? -1 : batch_sequence_add(batch->base_sequence, batch->last_offset_delta);
    printf("baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %d baseSequence: %d "
           "lastSequence: %d producerId: %" PRId64 " producerEpoch: %d partitionLeaderEpoch: %d "
           "isTransactional: %s isControl: %s deleteHorizonMs: ",
           batch->base_offset, batch_last_offset(batch), batch->record_count,
           batch->base_sequence, last_sequence, batch->producer_id, batch->producer_epoch,
           batch->partition_leader_epoch, batch_is_transactional(batch) ? "true" : "false",
           batch_is_control(batch) ? "true" : "false");
    if (batch->attributes & BATCH_DELETE_HORIZON) {
        printf("OptionalLong[%" PRId64 "]", batch->base_timestamp_ms);
    } else {
        printf("OptionalLong.empty");
    }
    unsigned codec = batch->attributes & BATCH_CODEC_MASK;
    printf(" position: %zu %s: %" PRId64 " size: %u magic: %d compresscodec: %s crc: %u isvalid: "
           "%s\n", position, append_time ? "LogAppendTime" : "CreateTime",
           batch->max_timestamp_ms, batch->size_bytes, BATCH_MAGIC,
           codec < BATCH_CODEC_COUNT ? compress_codec_name((enum batch_codec)codec) : "unknown",
           batch->crc, batch_crc_holds(data, batch) ? "true" : "false");
}

static void dump_record_line(struct dump *dump, const struct batch *batch,
                             struct record_iter *iter, const struct record *record)
{
    bool control = batch_is_control(batch);
    int64_t delta = record->offset - batch->base_offset; /* compaction leaves gaps */
    if (dump->options.skip_record_metadata) {
        if (control) {
            return;
        }
        printf("|");
    } else {
        bool append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
        printf("| offset: %" PRId64 " %s: %" PRId64 " keySize: %" PRId64 " valueSize: %" PRId64
               " sequence: %d headerKeys: [", record->offset,
               append_time ? "LogAppendTime" : "CreateTime", record->timestamp_ms,
               record->key.data != NULL ? (int64_t)record->key.size : -1,
               record->value.data != NULL ? (int64_t)record->value.size : -1,
               batch->base_sequence < 0 ? -1
                                        : batch_sequence_add(batch->base_sequence, (int32_t)delta));
        struct record_header header;
        for (bool first = true; record_iter_next_header(iter, &header) == 1; first = false) {
            printf("%s%.*s", first ? "" : ",", (int)header.key.size, header.key.data);
        }
        printf("]");
    }
    if (control) {
        dump_control(dump, record);
    } else if (dump->options.print_data) {
        dump_record_data(dump, record);
    }
    if (!dump->failed) {
        putchar('\n');
    }
    arena_reset(&dump->arena);
}

void dump_add_problem(struct dump *dump, enum dump_problem_kind kind, const char *path,
                      int64_t first, int64_t second)
{
    if (mem_grow((void **)&dump->problems, &dump->problem_capacity, dump->problem_count + 1,
                 sizeof *dump->problems) == 0) {
        dump->problems[dump->problem_count++] = (struct dump_problem){kind, path, first, second};
    }
}

int dump_unpack(const struct batch *batch, struct writer *plain, struct bytes_view *records)
{
    enum batch_codec codec = (enum batch_codec)(batch->attributes & BATCH_CODEC_MASK);
    *records = (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    writer_init(plain, DUMP_BATCH_BYTES_MAX);
    if (codec == BATCH_CODEC_NONE) {
        return 0;
    }
    int error = decompress_append(codec, *records, plain);
    *records = (struct bytes_view){plain->data, plain->size};
    return error;
}

/* last_offset: of the record before, in this file; -1: none. */
static void dump_records(struct dump *dump, const char *path, const struct batch *batch,
                         int64_t *last_offset)
{
    struct writer plain;
    struct bytes_view records;
    struct record_iter iter;
    struct record record;
    int error = dump_unpack(batch, &plain, &records);
    record_iter_init(&iter, batch, records);
    int got = error == 0 ? 1 : error;
    while (got == 1 && !dump->failed) {
        got = record_iter_next(&iter, &record);
        if (got == 1) {
            if (record.offset != *last_offset + 1) {
                dump_add_problem(dump, DUMP_NOT_CONSECUTIVE, path, *last_offset, record.offset);
            }
            *last_offset = record.offset;
            dump_record_line(dump, batch, &iter, &record);
        }
    }
    if (got < 0) {
        fprintf(stderr, "The records of the batch at offset %" PRId64 " cannot be read\n",
                batch->base_offset);
    }
    writer_release(&plain);
}

static const char *dump_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void dump_log_title(const char *path)
{
    const char *name = dump_name(path);
    long long offset;
    int epoch;
    if (strcmp(name, "bootstrap.checkpoint") == 0) {
        printf("KRaft bootstrap snapshot\n");
    } else if (strstr(name, ".checkpoint") != NULL &&
               sscanf(name, "%20lld-%10d", &offset, &epoch) == 2) {
        printf("Snapshot end offset: %lld, epoch: %d\n", offset, epoch);
    } else {
        printf("Log starting offset: %" PRId64 "\n", dump_base_offset(path));
    }
}

/* What follows is no batch: Apache Kafka gives up where the size is less than any batch has, and
 * takes the rest for the torn end of the file otherwise. */
static void dump_end(struct dump *dump, const char *path, struct bytes_view rest)
{
    struct reader reader;
    reader_init(&reader, rest.data, rest.size);
    (void)reader_i64(&reader);
    int32_t size = reader_i32(&reader);
    if (rest.size > DUMP_PREFIX_BYTES && size < DUMP_SIZE_MIN) {
        fflush(stdout);
        fprintf(stderr, "Exception in thread \"main\" "
                        "org.apache.kafka.common.errors.CorruptRecordException: Found record size "
                        "%d smaller than minimum record overhead (%d) in file %s.\n",
                size, DUMP_SIZE_MIN, path);
        dump->failed = true;
        return;
    }
    printf("Found %zu invalid bytes at the end of %s\n", rest.size, dump_name(path));
}

void dump_batches(struct dump *dump, const char *path, struct bytes_view data)
{
    size_t at = 0;
    int64_t last_offset = -1;
    size_t max = (size_t)(dump->options.max_bytes > 0 ? dump->options.max_bytes : 0);
    while (at < data.size && at < max && !dump->failed) {
        struct batch batch;
        int64_t whole = batch_view_size(data.data + at, data.size - at);
        if (max < data.size && whole > (int64_t)(max - at)) {
            return; /* the user's bound cuts it */
        }
        if (data.size - at > DUMP_PREFIX_BYTES && whole > 0 &&
            (uint64_t)whole <= data.size - at && dump_is_legacy(data.data + at)) {
            dump_legacy(dump, path, (struct bytes_view){data.data + at, (size_t)whole}, at,
                        &last_offset);
            at += (size_t)whole;
            continue;
        }
        if (batch_decode(data.data + at, data.size - at, &batch) != 0) {
            dump_end(dump, path, (struct bytes_view){data.data + at, data.size - at});
            return;
        }
        dump_batch_line(&batch, data.data + at, at);
        if (dump->options.deep) {
            dump_records(dump, path, &batch, &last_offset);
        }
        at += batch.size_bytes;
    }
}

static bool dump_ends(const char *path, const char *suffix)
{
    size_t size = strlen(path);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(path + size - suffix_size, suffix) == 0;
}

void dump_fail_missing(struct dump *dump, const char *path)
{
    fflush(stdout);
    fprintf(stderr, "java.nio.file.NoSuchFileException: %s\n", path);
    dump->failed = true;
}

/* A log is named by its base offset. */
static void dump_check_name(struct dump *dump, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t digits = strspn(name, "0123456789");
    size_t size = strcspn(name, ".");
    if (digits == 0 || digits != size) {
        fflush(stdout);
        fprintf(stderr, "java.lang.NumberFormatException: For input string: \"%.*s\"\n", (int)size,
                name);
        dump->failed = true;
    }
}

enum dump_kind { KIND_LOG, KIND_CHECKPOINT, KIND_INDEX, KIND_TIME, KIND_TXN, KIND_SNAPSHOT };

static void dump_content(struct dump *dump, enum dump_kind kind, const char *path,
                         struct bytes_view data)
{
    switch (kind) {
    case KIND_LOG:
    case KIND_CHECKPOINT:
        dump_batches(dump, path, data);
        return;
    case KIND_INDEX:
        dump_offset_index(dump, path, data);
        return;
    case KIND_TIME:
        dump_time_index(dump, path, data);
        return;
    case KIND_TXN:
        dump_txn_index(data);
        return;
    case KIND_SNAPSHOT:
        dump_producer_snapshot(data);
        return;
    }
}

static void dump_file(struct dump *dump, const char *path)
{
    static const char *const suffixes[] = {
        [KIND_LOG] = ".log",        [KIND_CHECKPOINT] = ".checkpoint",
        [KIND_INDEX] = ".index",    [KIND_TIME] = ".timeindex",
        [KIND_TXN] = ".txnindex",   [KIND_SNAPSHOT] = ".snapshot"};
    struct io_fs fs = io_fs_linux();
    size_t kind = 0;
    uint8_t *content;
    size_t size;
    printf("Dumping %s\n", path);
    while (kind < sizeof suffixes / sizeof suffixes[0] && !dump_ends(path, suffixes[kind])) {
        kind++;
    }
    if (kind == sizeof suffixes / sizeof suffixes[0]) {
        fflush(stdout);
        fprintf(stderr, "Ignoring unknown file %s\n", path);
        return;
    }
    if (kind == KIND_LOG) {
        dump_check_name(dump, path);
    }
    if (!dump->failed && kind <= KIND_CHECKPOINT) {
        dump_log_title(path);
    }
    if ((kind == KIND_INDEX || kind == KIND_TIME) && !dump_needs_log(dump, path)) {
        return;
    }
    int error = dump->failed ? 0 : io_read_whole(&fs, path, DUMP_FILE_BYTES_MAX, &content, &size);
    if (dump->failed || (error != 0 && kind == KIND_TXN)) {
        return;
    }
    if (error != 0 && access(path, F_OK) != 0) {
        dump_fail_missing(dump, path);
    } else if (error != 0) {
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", path, bnb_error_name(error));
        dump->failed = true;
    } else {
        dump_content(dump, (enum dump_kind)kind, path, (struct bytes_view){content, size});
        mem_free(content);
    }
}

/* One file's problems of a kind, from `from` to before `to`. */
static void dump_tell_file(const struct dump *dump, enum dump_problem_kind kind, size_t from,
                           size_t to)
{
    static const struct {
        const char *title;
        const char *first;
        const char *second;
    } words[DUMP_PROBLEM_KINDS] = {
        [DUMP_INDEX_MISMATCH] = {"Mismatches in :", "  Index offset: ", ", log offset: "},
        [DUMP_TIME_MISMATCH] = {"Found timestamp mismatch in :", "  Index timestamp: ",
                                ", log timestamp: "},
        [DUMP_TIME_ORDER] = {"Found out of order timestamp in :", "  Index timestamp: ",
                             ", Previously indexed timestamp: "},
        [DUMP_TIME_NOT_FOUND] = {"The following indexed offsets are not found in :",
                                 "Indexed offset: ", ", found log offset: "},
        [DUMP_NOT_CONSECUTIVE] = {"Non-consecutive offsets in ", "  ", " is followed by "},
    };
    bool titled = false;
    for (size_t i = from; i < to; i++) {
        /* Apache Kafka tells the last entry of an index first. */
        size_t at = kind == DUMP_INDEX_MISMATCH ? to - 1 - (i - from) : i;
        const struct dump_problem *one = &dump->problems[at];
        if (one->kind != kind) {
            continue;
        }
        if (!titled) {
            char here[DUMP_PATH_BYTES] = "";
            bool relative = one->path[0] != '/' && getcwd(here, sizeof here) != NULL;
            fprintf(stderr, "%s%s%s%s\n", words[kind].title, relative ? here : "",
                    relative ? "/" : "", one->path);
            titled = true;
        }
        fprintf(stderr, "%s%" PRId64 "%s%" PRId64 "\n", words[kind].first, one->first,
                words[kind].second, one->second);
    }
}

static void dump_tell_problems(struct dump *dump)
{
    for (int kind = 0; kind < DUMP_PROBLEM_KINDS; kind++) {
        size_t end;
        for (size_t from = 0; from < dump->problem_count; from = end) {
            const char *path = dump->problems[from].path;
            for (end = from; end < dump->problem_count && dump->problems[end].path == path;) {
                end++;
            }
            dump_tell_file(dump, (enum dump_problem_kind)kind, from, end);
        }
    }
    mem_free(dump->problems);
}

/* A decoder class of Apache Kafka; false when it is none. */
static bool dump_find_class(const char *name, enum dump_class *class)
{
    static const char *const names[] = {
        [DUMP_CLASS_STRING] = "org.apache.kafka.tools.api.StringDecoder",
        [DUMP_CLASS_BYTES] = "org.apache.kafka.tools.api.DefaultDecoder",
        [DUMP_CLASS_INTEGER] = "org.apache.kafka.tools.api.IntegerDecoder",
        [DUMP_CLASS_LONG] = "org.apache.kafka.tools.api.LongDecoder",
    };
    *class = DUMP_CLASS_STRING;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name == NULL || strcmp(names[i], name) == 0) {
            *class = name == NULL ? DUMP_CLASS_STRING : (enum dump_class)i;
            return true;
        }
    }
    return false;
}

static void dump_set_options(const struct args *args, struct dump_options *options)
{
    static const struct {
        const char *flag;
        enum dump_decoder decoder;
    } decoders[] = {{"offsets-decoder", DUMP_OFFSETS},
                    {"transaction-log-decoder", DUMP_TRANSACTIONS},
                    {"cluster-metadata-decoder", DUMP_METADATA},
                    {"remote-log-metadata-decoder", DUMP_REMOTE},
                    {"share-group-state-decoder", DUMP_SHARE}};
    options->print_data = args_has(args, "print-data-log") ||
                          args_has(args, "value-decoder-class") ||
                          args_has(args, "key-decoder-class");
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++) {
        if (args_has(args, decoders[i].flag)) {
            options->decoder = decoders[i].decoder;
            options->print_data = true;
        }
    }
    options->deep = options->print_data || args_has(args, "deep-iteration");
    options->skip_record_metadata = args_has(args, "skip-record-metadata");
    options->verify_only = args_has(args, "verify-index-only");
    options->sanity_only = args_has(args, "index-sanity-check");
}

/* A file, with what of the options is looked at only then. */
static void dump_first(struct dump *dump, const struct args *args, const char *path)
{
    bool of_log = dump_ends(path, ".log") || dump_ends(path, ".checkpoint");
    const char *bytes = args_value(args, "max-bytes");
    dump->options.max_bytes = INT32_MAX;
    bool fine = dump_find_class(args_value(args, "key-decoder-class"), &dump->options.key_class) &&
                dump_find_class(args_value(args, "value-decoder-class"),
                                &dump->options.value_class);
    if (of_log && (!fine || (bytes != NULL && !args_parse_number(bytes,
                                                                 &dump->options.max_bytes)))) {
        printf("Dumping %s\n", path);
        fflush(stdout);
        if (!fine) {
            fprintf(stderr, "java.lang.RuntimeException: Failed to load decoder class\n");
        } else {
            args_mistake(args, "Cannot parse argument '%s' of option max-bytes", bytes);
        }
        dump->failed = true;
    } else {
        dump_file(dump, path);
    }
}

int tool_dump_log(int argc, char **argv)
{
    struct args args = {.count = 0};
    int status = args_start_simple(
        &args, dump_options,
        "This tool helps to parse a log file and dump its contents to the console, useful for "
        "debugging a seemingly corrupt log segment.",
        argc, argv, (const char *const[]){"files", NULL});
    if (status >= 0) {
        return status;
    }
    struct dump *dump = mem_need(sizeof *dump);
    *dump = (struct dump){.failed = false};
    dump_set_options(&args, &dump->options);
    arena_init(&dump->arena, DUMP_ARENA_BYTES);
    const char *files = args_value(&args, "files");
    char *copy = mem_strndup(files, strlen(files));
    char *rest = copy;
    char *path;
    if (*files == '\0') {
        dump_file(dump, files);
    }
    while (!dump->failed && (path = tools_list_next(&rest, ",")) != NULL) {
        dump_first(dump, &args, path);
    }
    fflush(stdout);
    dump_tell_problems(dump);
    status = dump->failed ? 1 : 0;
    arena_release(&dump->arena);
    mem_free(copy);
    mem_free(dump);
    return status;
}
