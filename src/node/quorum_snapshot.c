/* Snapshots of the metadata: <end offset:20>-<epoch:10>.checkpoint, batches from offset 0: a
 * control batch with the header (and the voters of a dynamic quorum), data batches, a control batch
 * with the footer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "node/quorum_internal.h"
#include "protocol/messages.h"

#define SNAPSHOT_BYTES_MAX (1u << 30)
#define SNAPSHOT_BATCH_RECORDS 1024
#define SNAPSHOT_FIRST_BYTES 4096 /* the batch of the header is shorter, with voters too */
#define SNAPSHOT_NAME_BYTES 42 /* 20 digits, a dash, 10 digits, .checkpoint */
#define SNAPSHOT_UNFINISHED ".checkpoint.tmp"

struct snapshot_name {
    int64_t end_offset;
    int32_t epoch;
};

static bool snapshot_parse(const char *name, struct snapshot_name *parsed)
{
    int used = 0;
    int64_t epoch;
    if (strlen(name) != SNAPSHOT_NAME_BYTES ||
        sscanf(name, "%20" SCNd64 "-%10" SCNd64 ".checkpoint%n", &parsed->end_offset, &epoch,
               &used) != 2 ||
        used != SNAPSHOT_NAME_BYTES) {
        return false;
    }
    parsed->epoch = (int32_t)epoch;
    return parsed->end_offset >= 0 && parsed->end_offset <= LOG_OFFSET_MAX && epoch >= 0 &&
           epoch <= INT32_MAX;
}

static int snapshot_path(const struct quorum *quorum, struct snapshot_name name, char *path)
{
    int size = snprintf(path, QUORUM_PATH_BYTES, "%s/%020" PRId64 "-%010" PRId32 ".checkpoint",
                        quorum->directory, name.end_offset, name.epoch);
    return size > 0 && size < QUORUM_PATH_BYTES ? 0 : ERR_RANGE;
}

struct snapshot_search {
    struct snapshot_name below; /* only those with an end offset below this one's */
    struct snapshot_name newest;
    bool found;
};

static int snapshot_search_visit(void *context, const char *name, bool is_directory)
{
    struct snapshot_search *search = context;
    struct snapshot_name parsed;
    if (!is_directory && snapshot_parse(name, &parsed) &&
        parsed.end_offset < search->below.end_offset &&
        (!search->found || parsed.end_offset > search->newest.end_offset)) {
        search->newest = parsed;
        search->found = true;
    }
    return 0;
}

/* What was being written when the last process died has a name that nobody would write again. */
static int snapshot_unfinished_visit(void *context, const char *name, bool is_directory)
{
    struct quorum *quorum = context;
    char path[QUORUM_PATH_BYTES];
    size_t size = strlen(name);
    size_t tail = strlen(SNAPSHOT_UNFINISHED);
    if (!is_directory && size > tail && strcmp(name + size - tail, SNAPSHOT_UNFINISHED) == 0 &&
        (size_t)snprintf(path, sizeof path, "%s/%s", quorum->directory, name) < sizeof path) {
        (void)io_remove(&quorum->fs, path);
    }
    return 0;
}

/* Replays one file into a new builder: 0; ERR_CORRUPT for one that is damaged or not whole. */
static int snapshot_replay(struct quorum *quorum, struct snapshot_name name,
                           struct image_builder **builder, struct err_message *message)
{
    char path[QUORUM_PATH_BYTES] = "a snapshot";
    uint8_t *bytes = NULL;
    size_t size = 0;
    size_t used = 0;
    image_builder_destroy(builder);
    int error = image_builder_create(NULL, builder);
    if (error == 0) {
        error = snapshot_path(quorum, name, path);
    }
    if (error == 0) {
        error = io_read_whole(&quorum->fs, path, SNAPSHOT_BYTES_MAX, &bytes, &size);
    }
    if (error != 0) {
        return err_set(message, error, "cannot read %s: %s", path, err_text(error));
    }
    quorum->footer_seen = false;
    quorum->voters = quorum->kraft_version = (struct bytes_view){NULL, 0};
    error = quorum_replay_batches(quorum, *builder, bytes, size, &used, message);
    mem_free(bytes);
    if (error == 0 && (used != size || !quorum->footer_seen)) {
        error = err_set(message, ERR_CORRUPT, "it is not whole");
    }
    return error == 0 ? 0 : err_wrap(message, error, "%s", path);
}

int quorum_load_snapshot(struct quorum *quorum, struct image_builder **builder,
                         struct quorum_loaded *loaded, struct err_message *message)
{
    struct snapshot_search search = {.below = {INT64_MAX, 0}};
    *loaded = (struct quorum_loaded){.damaged_end_offset = -1};
    (void)io_list(&quorum->fs, quorum->directory, snapshot_unfinished_visit, quorum);
    for (;;) {
        search.found = false;
        int error = io_list(&quorum->fs, quorum->directory, snapshot_search_visit, &search);
        if (error != 0) {
            return error;
        }
        if (!search.found) {
            break;
        }
        error = snapshot_replay(quorum, search.newest, builder, message);
        if (error == 0) {
            loaded->end_offset = search.newest.end_offset;
            loaded->epoch = search.newest.epoch;
            quorum->voters_from_bootstrap = loaded->end_offset == 0 && quorum->voters.data != NULL;
            return 0;
        }
        if (error != ERR_CORRUPT) {
            return error;
        }
        fprintf(stderr, "a metadata snapshot is damaged and left out: %s\n", message->text);
        loaded->damaged_end_offset = search.newest.end_offset > loaded->damaged_end_offset
                                         ? search.newest.end_offset
                                         : loaded->damaged_end_offset;
        search.below = search.newest;
    }
    quorum->voters = quorum->kraft_version = (struct bytes_view){NULL, 0};
    image_builder_destroy(builder);
    return image_builder_create(NULL, builder);
}

/* The file as it is put together. */
struct snapshot_build {
    struct writer out;
    struct batch_builder builder;
    bool batch_open;
    int64_t next_offset;
    int32_t epoch;
    int64_t timestamp_ms;
};

static int build_end_batch(struct snapshot_build *build)
{
    if (!build->batch_open) {
        return 0;
    }
    build->batch_open = false;
    return batch_builder_finish(&build->builder);
}

static int build_record(void *context, struct bytes_view value)
{
    struct snapshot_build *build = context;
    int error = 0;
    if (build->batch_open && build->builder.header.record_count == SNAPSHOT_BATCH_RECORDS) {
        error = build_end_batch(build);
    }
    if (error == 0 && !build->batch_open) {
        struct batch header = batch_header_empty(build->next_offset);
        header.partition_leader_epoch = build->epoch;
        header.base_timestamp_ms = build->timestamp_ms;
        batch_builder_init(&build->builder, &build->out, &header);
        build->batch_open = true;
    }
    if (error == 0) {
        struct record record = {.offset = build->next_offset++,
                                .timestamp_ms = build->timestamp_ms,
                                .value = value};
        batch_builder_add(&build->builder, &record);
    }
    return error != 0 ? error : build->out.failed ? ERR_NOMEM : 0;
}

static int build_control(struct snapshot_build *build, const struct quorum_control_record *records,
                         size_t count)
{
    int error = quorum_build_control(&build->out, build->next_offset, build->epoch,
                                     build->timestamp_ms, records, count);
    build->next_offset += (int64_t)count;
    return error;
}

static int build_all(struct snapshot_build *build, const struct quorum *quorum,
                     const struct image *image)
{
    struct snapshot_header_record header;
    struct snapshot_footer_record footer;
    struct writer value;
    snapshot_header_record_default(&header);
    snapshot_footer_record_default(&footer);
    header.last_contained_log_timestamp = image_timestamp_ms(image);
    writer_init(&value, 1024);
    int error = snapshot_header_record_encode(&value, 0, &header);
    struct quorum_control_record controls[3] = {
        {QUORUM_SNAPSHOT_HEADER, {value.data, value.size}},
        {QUORUM_KRAFT_VERSION, quorum->kraft_version},
        {QUORUM_KRAFT_VOTERS, quorum->voters}};
    if (error == 0) {
        error = build_control(build, controls, quorum->voters.data != NULL ? 3 : 1);
    }
    if (error == 0) {
        error = image_visit_records(image, build_record, build);
    }
    if (error == 0) {
        error = build_end_batch(build);
    }
    value.size = 0;
    if (error == 0) {
        error = snapshot_footer_record_encode(&value, 0, &footer);
    }
    if (error == 0) {
        controls[0] =
            (struct quorum_control_record){QUORUM_SNAPSHOT_FOOTER, {value.data, value.size}};
        error = build_control(build, controls, 1);
    }
    writer_release(&value);
    return error;
}

static int64_t snapshot_keep_from(const struct quorum_snapshot *snapshot);

static void snapshot_work(struct loop_job *job)
{
    struct quorum_snapshot *snapshot = CONTAINER_OF(job, struct quorum_snapshot, job);
    struct quorum *quorum = snapshot->quorum;
    struct snapshot_name name = {image_offset(snapshot->image) + 1,
                                 image_epoch(snapshot->image)};
    struct snapshot_build build = {.epoch = name.epoch,
                                   .timestamp_ms = image_timestamp_ms(snapshot->image)};
    char path[QUORUM_PATH_BYTES];
    writer_init(&build.out, SNAPSHOT_BYTES_MAX);
    snapshot->error = build_all(&build, quorum, snapshot->image);
    if (snapshot->error == 0) {
        snapshot->error = snapshot_path(quorum, name, path);
    }
    if (snapshot->error == 0) {
        snapshot->error =
            io_write_atomically(&quorum->fs, path, build.out.data, build.out.size);
    }
    writer_release(&build.out);
    snapshot->keep_from = snapshot->error == 0 ? snapshot_keep_from(snapshot) : 0;
}

/* ---- what is kept of old snapshots and the log behind them ---- */

struct snapshot_file {
    struct snapshot_name name;
    int64_t size_bytes;
    int64_t timestamp_ms; /* of its first batch; INT64_MAX: it cannot be read */
};
struct snapshot_files {
    struct quorum *quorum;
    struct snapshot_file *items;
    size_t count;
    size_t capacity;
};

static int snapshot_file_order(const void *a, const void *b)
{
    int64_t left = ((const struct snapshot_file *)a)->name.end_offset;
    int64_t right = ((const struct snapshot_file *)b)->name.end_offset;
    return (left > right) - (left < right);
}

static int snapshot_files_visit(void *context, const char *name, bool is_directory)
{
    struct snapshot_files *files = context;
    struct snapshot_file found = {.timestamp_ms = INT64_MAX};
    char path[QUORUM_PATH_BYTES];
    uint8_t first[SNAPSHOT_FIRST_BYTES];
    struct io_file file;
    if (is_directory || !snapshot_parse(name, &found.name) ||
        snapshot_path(files->quorum, found.name, path) != 0 ||
        io_file_open(&files->quorum->fs, path, IO_OPEN_READ, &file) != 0) {
        return 0;
    }
    struct batch batch;
    found.size_bytes = io_file_size(&file);
    int64_t got = io_file_read(&file, first, sizeof first, 0);
    int64_t size = got < BATCH_HEADER_BYTES ? 0 : batch_view_size(first, (size_t)got);
    if (size > 0 && size <= got && batch_decode(first, (size_t)size, &batch) == 0) {
        found.timestamp_ms = batch.base_timestamp_ms;
    }
    io_file_close(&file);
    if (mem_grow((void **)&files->items, &files->capacity, files->count + 1,
                 sizeof *files->items) != 0) {
        return ERR_NOMEM;
    }
    files->items[files->count++] = found;
    return 0;
}

/* The end offset of the oldest snapshot that stays: as many as metadata.max.retention.bytes, with
 * the log, and metadata.max.retention.ms leave, and in any case the newest and the one before it,
 * which stands in for one that is damaged. */
static int64_t snapshot_keep_from(const struct quorum_snapshot *snapshot)
{
    struct quorum *quorum = snapshot->quorum;
    const struct quorum_options *options = &quorum->options;
    struct snapshot_files files = {.quorum = quorum};
    int64_t keep_from = 0;
    int64_t total_bytes = snapshot->log_bytes;
    int64_t now_ms = snapshot->now_ms;
    if (io_list(&quorum->fs, quorum->directory, snapshot_files_visit, &files) == 0 &&
        files.count >= 2) {
        qsort(files.items, files.count, sizeof *files.items, snapshot_file_order);
        for (size_t i = 0; i < files.count; i++) {
            total_bytes += files.items[i].size_bytes;
        }
        size_t oldest = 0;
        for (; oldest + 2 < files.count; oldest++) {
            const struct snapshot_file *file = &files.items[oldest];
            bool large = options->retention_bytes >= 0 && total_bytes > options->retention_bytes;
            bool old = options->retention_ms >= 0 && file->timestamp_ms < now_ms &&
                       now_ms - file->timestamp_ms > options->retention_ms;
            if (!large && !old) {
                break;
            }
            total_bytes -= file->size_bytes;
        }
        keep_from = files.items[oldest].name.end_offset;
    }
    mem_free(files.items);
    return keep_from;
}

struct snapshot_purge {
    const struct quorum *quorum;
    int64_t keep_from;
};

static int snapshot_purge_visit(void *context, const char *name, bool is_directory)
{
    const struct snapshot_purge *purge = context;
    struct snapshot_name parsed;
    char path[QUORUM_PATH_BYTES];
    struct io_fs fs = purge->quorum->fs;
    if (!is_directory && snapshot_parse(name, &parsed) && parsed.end_offset < purge->keep_from &&
        snapshot_path(purge->quorum, parsed, path) == 0) {
        (void)io_remove(&fs, path);
    }
    return 0;
}

/* The log before the oldest snapshot that stays goes; whether there is something to remove. */
static bool snapshot_drop_prefix(const struct quorum_snapshot *snapshot)
{
    struct quorum *quorum = snapshot->quorum;
    int32_t deleted;
    if (snapshot->keep_from <= log_start_offset(quorum->log)) {
        return false;
    }
    int error = log_raise_start_offset(quorum->log, snapshot->keep_from);
    if (error == 0) {
        error = log_apply_retention(quorum->log, quorum->raft.high_watermark,
                                    loop_wall_ms(quorum->options.loop), &deleted);
    }
    (void)log_take_deleted(quorum->log); /* they go with the snapshots */
    return error == 0;
}

/* What it does not get to goes with a later one, or at the next start. */
static void snapshot_purge_work(struct loop_job *job)
{
    struct quorum_snapshot *snapshot = CONTAINER_OF(job, struct quorum_snapshot, job);
    struct quorum *quorum = snapshot->quorum;
    struct snapshot_purge purge = {quorum, snapshot->keep_from};
    if (log_remove_deleted(&quorum->fs, quorum->directory) == 0) {
        (void)io_list(&quorum->fs, quorum->directory, snapshot_purge_visit, &purge);
    }
}

/* What came meanwhile may be enough for the next one, and be followed by nothing. */
static void snapshot_end(struct loop_job *job)
{
    struct quorum_snapshot *snapshot = CONTAINER_OF(job, struct quorum_snapshot, job);
    struct quorum *quorum = snapshot->quorum;
    quorum->snapshot_running = false;
    image_unref(&snapshot->image);
    mem_free(snapshot);
    if (!quorum->closing) {
        quorum_maybe_snapshot(quorum);
    }
}

static void snapshot_done(struct loop_job *job)
{
    struct quorum_snapshot *snapshot = CONTAINER_OF(job, struct quorum_snapshot, job);
    if (snapshot->error != 0) {
        fprintf(stderr, "cannot write a metadata snapshot: %s\n", err_text(snapshot->error));
    }
    if (snapshot->error != 0 || snapshot->quorum->closing || !snapshot_drop_prefix(snapshot)) {
        snapshot_end(job);
        return;
    }
    snapshot->job.work = snapshot_purge_work;
    snapshot->job.done = snapshot_end;
    loop_submit(snapshot->quorum->options.loop, &snapshot->job);
}

void quorum_maybe_snapshot(struct quorum *quorum)
{
    int64_t now_ms = loop_monotonic_ms(quorum->options.loop);
    int64_t bytes = quorum->published_bytes - quorum->snapshot_bytes;
    bool many = bytes >= quorum->options.snapshot_interval_bytes;
    bool long_ago = quorum->options.snapshot_interval_ms > 0 && bytes > 0 &&
                    now_ms - quorum->snapshot_ms >= quorum->options.snapshot_interval_ms;
    if (quorum->snapshot_running || quorum->published == NULL || !(many || long_ago)) {
        return;
    }
    struct quorum_snapshot *snapshot = mem_calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        return;
    }
    quorum->snapshot_running = true;
    quorum->snapshot_bytes = quorum->published_bytes;
    quorum->snapshot_ms = now_ms;
    snapshot->quorum = quorum;
    snapshot->now_ms = loop_wall_ms(quorum->options.loop);
    snapshot->log_bytes = log_size_bytes(quorum->log);
    snapshot->image = image_ref(quorum->published);
    snapshot->job.work = snapshot_work;
    snapshot->job.done = snapshot_done;
    loop_submit(quorum->options.loop, &snapshot->job);
}
