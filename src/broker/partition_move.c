#include "broker/partition_move.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/assignment.h"
#include "broker/checkpoints.h"
#include "broker/cleaner.h"
#include "broker/partition_internal.h"
#include "broker/topic_config.h"
#include "protocol/error.h"

#define MOVE_PATH_BYTES 1024
#define MOVE_RETRY_MS 10
#define MOVE_LOADS_MAX 12
#define MOVE_RATE "replica.alter.log.dirs.io.max.bytes.per.second"

enum move_job { MOVE_OPEN, MOVE_LOAD, MOVE_COPY, MOVE_SYNC, MOVE_DISCARD };
struct partition_move {
    struct partition *partition; /* NULL: it was ended while a job was under way */
    struct broker_shard *shard;
    struct broker_dir *to;
    char path[MOVE_PATH_BYTES]; /* of the copy */
    char old_path[MOVE_PATH_BYTES];
    char *topic;
    int32_t number;
    struct uuid topic_id;
    struct log_config config;
    struct log *copy; /* a job's while one is under way */
    struct loop_job job;
    struct timer timer;
    enum move_job kind;
    bool working;
    bool synced; /* the copy, since it was nearly as long as the log */
    int loads;
    bool source_failed; /* what failed is the directory where the log is */
    int error;
    int64_t begin_offset;
    int64_t now_ms;
    uint64_t random;
    struct log_load load;
    struct io_file_range range;
    int64_t copied_offset; /* of the copy, when it was last looked at */
    int64_t copied_bytes;
};

/* ---- on helper threads ---- */

static int move_open(struct partition_move *move)
{
    struct io_fs *fs = move->shard->broker->options.fs;
    struct log_dir *dir = move->to->dir;
    struct log_options options = {.fs = fs,
                                  .directory = move->path,
                                  .config = move->config,
                                  .log_start_offset = move->begin_offset,
                                  .recovery_point = move->begin_offset,
                                  .clean_shutdown = true,
                                  .now_ms = move->now_ms,
                                  .random = move->random};
    /* What the checkpoint files there say of the partition is of an earlier stay. */
    int error = log_dir_forget(dir, string_view_of(move->topic), move->number);
    if (error == 0) {
        error = log_dir_settle(dir);
    }
    if (error == 0) {
        error = log_open(&options, &move->copy, NULL);
    }
    if (error == 0) {
        error = log_dir_write_topic_id(fs, move->path, move->topic_id);
    }
    return error == 0 ? io_sync_directory(fs, dir->path) : error;
}

/* Appends the whole batches of data. */
static int move_append(struct partition_move *move, uint8_t *data, size_t size)
{
    size_t whole = 0;
    for (int64_t next; whole < size; whole += (size_t)next) {
        next = batch_view_size(data + whole, size - whole);
        if (next < 0) {
            return ERR_CORRUPT;
        }
        if (next == 0 || (size_t)next > size - whole) {
            break;
        }
    }
    struct log_append_options options = {.origin = LOG_ORIGIN_REPLICATION,
                                         .now_ms = move->now_ms,
                                         .high_watermark = INT64_MAX};
    struct log_append_result result;
    int error = whole == 0 ? ERR_CORRUPT
                           : log_append(move->copy, &options, data, whole, &result);
    return error <= -ERR_WIRE_BASE ? ERR_CORRUPT : error;
}

static int move_copy(struct partition_move *move)
{
    struct io_file_range *range = &move->range;
    uint8_t *data = mem_alloc(range->size);
    int error = data == NULL ? ERR_NOMEM : 0;
    if (error == 0) {
        int64_t got = io_file_read(range->file, data, range->size, range->position);
        error = got < 0 ? (int)got : ((size_t)got < range->size ? ERR_CORRUPT : 0);
        move->source_failed = error != 0;
    }
    if (error == 0) {
        error = move_append(move, data, range->size);
    }
    mem_free(data);
    range->release(range);
    return error;
}

/* The old directory is marked before anything has its name in the other one. */
static int move_sync(struct partition_move *move)
{
    struct io_fs *fs = move->shard->broker->options.fs;
    char path[MOVE_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/" MOVED_MARK, move->old_path);
    int error = log_make_indexes(move->copy);
    if (error == 0) {
        error = log_flush(move->copy);
    }
    if (error == 0) {
        error = io_write_atomically(fs, path, "", 0);
        move->source_failed = error != 0;
    }
    return error;
}

static void move_work(struct loop_job *job)
{
    struct partition_move *move = CONTAINER_OF(job, struct partition_move, job);
    switch (move->kind) {
    case MOVE_OPEN:
        move->error = move_open(move);
        break;
    case MOVE_LOAD:
        log_load_run(&move->load);
        log_load_release(&move->load);
        break;
    case MOVE_COPY:
        move->error = move_copy(move);
        break;
    case MOVE_SYNC:
        move->error = move_sync(move);
        break;
    case MOVE_DISCARD:
        /* What stays is found, and the move begun anew, at the next start. */
        (void)log_dir_remove_tree(move->shard->broker->options.fs, move->path);
        break;
    }
}

/* ---- on the shard ---- */

static void move_free(struct partition_move *move)
{
    ASSERT(!move->working);
    log_abandon(&move->copy);
    mem_free(move->topic);
    mem_free(move);
}

static void move_done(struct loop_job *job);

static void move_submit(struct partition_move *move, enum move_job kind)
{
    ASSERT(!move->working);
    move->kind = kind;
    move->working = true;
    move->now_ms = loop_wall_ms(move->shard->loop);
    move->job.work = move_work;
    move->job.done = move_done;
    loop_submit(move->shard->loop, &move->job);
}

static void move_discard(struct partition_move *move)
{
    log_abandon(&move->copy);
    move->partition = NULL;
    if (move->shard->broker->stopped || atomic_load(&move->to->offline)) {
        move_free(move);
    } else {
        move_submit(move, MOVE_DISCARD);
    }
}

void partition_move_end(struct partition *partition)
{
    struct partition_move *move = partition->move;
    partition->move = NULL;
    if (move != NULL && move->working) {
        move->partition = NULL; /* the rest when the job is home */
    } else if (move != NULL) {
        loop_timer_cancel(move->shard->loop, &move->timer);
        move_discard(move);
    }
}

/* The directory will say that it was left in order: what was copied so far is not synced, and would
 * be believed. An empty copy says that it is to be made. */
static int move_empty(struct partition_move *move)
{
    int error = log_restart_at(move->copy, move->begin_offset);
    return error == 0 ? io_sync_directory(move->shard->broker->options.fs, move->path) : error;
}

void partition_move_leave(struct partition *partition)
{
    struct partition_move *move = partition->move;
    partition->move = NULL;
    if (move != NULL) {
        loop_timer_cancel(move->shard->loop, &move->timer);
        if (move->copy != NULL && !atomic_load(&move->to->offline) && move_empty(move) != 0) {
            atomic_store(&move->to->offline, true);
        }
        move_free(move);
    }
}

/* Whose fault it is: the log's, or that of the directory where the copy is. */
static void move_fail(struct partition_move *move, int error)
{
    struct partition *partition = move->partition;
    fprintf(stderr, "%s-%" PRId32 " cannot be moved to %s: %s\n", partition->topic,
            partition->key.partition, move->to->dir->path, err_text(error));
    bool source_failed = move->source_failed;
    if (!source_failed && error != ERR_NOMEM && error != ERR_CORRUPT && error > -ERR_WIRE_BASE) {
        broker_dir_fail(move->shard, move->to, error);
    }
    partition_move_end(partition);
    if (source_failed) {
        (void)partition_fault(partition, error);
    }
}

/* Puts the copy in the log's place; nothing is appended meanwhile. Synced here, once in the life of
 * a move: what is acknowledged from now on must be found by the next start. */
static int move_put_in_place(struct partition_move *move)
{
    struct partition *partition = move->partition;
    struct io_fs *fs = move->shard->broker->options.fs;
    char path[MOVE_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%s-%" PRId32, move->to->dir->path, partition->topic,
                        partition->key.partition);
    int error = size > 0 && size < (int)sizeof path
                    ? log_take_over(move->copy, partition->log)
                    : ERR_RANGE;
    if (error == 0) {
        error = log_flush(move->copy);
    }
    if (error == 0) {
        error = log_move_directory(move->copy, path);
    }
    return error == 0 ? io_sync_directory(fs, move->to->dir->path) : error;
}

static void move_finish(struct partition_move *move)
{
    struct partition *partition = move->partition;
    struct broker_dir *from = partition->dir;
    int error = move_put_in_place(move);
    if (error != 0) {
        move_fail(move, error);
        return;
    }
    bool due = !list_empty(&partition->flush_node);
    log_use_config_of(move->copy, partition->log);
    partition_forget_flush(partition);
    partition_retire_log(partition);
    ASSERT(partition->log == NULL && partition->dir == from);
    partition->log = move->copy;
    partition->dir = move->to;
    move->copy = NULL;
    partition->move = NULL;
    atomic_fetch_add(&move->to->partition_count, 1);
    if (due) {
        partition_want_flush(partition);
    }
    partition_touch(partition);
    checkpoints_note(partition->shard);
    assignment_note_moved(partition);
    assignment_send(partition->shard);
    move_free(move);
}

/* Where the copy goes on: the log may start inside the batch that the copy is to have next. */
static int64_t move_next_offset(const struct partition_move *move, const struct log *log)
{
    int64_t next = log_end_offset(move->copy);
    return next > log_start_offset(log) ? next : log_start_offset(log);
}

/* What is still missing, after it was synced: little, and appended here. */
static int move_copy_rest(struct partition_move *move, struct log *log)
{
    while (log_end_offset(move->copy) < log_end_offset(log)) {
        struct log_read_result result;
        int error = log_read(log, move_next_offset(move, log), log_end_offset(log), MOVE_REST_BYTES,
                             true, &result);
        move->source_failed = error != 0;
        if (error != 0 || !result.has_range) {
            return error != 0 ? error : ERR_CORRUPT;
        }
        move->range = result.range;
        error = move_copy(move);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Retention may have taken all that the copy has, and more: it begins anew where the log does. */
static int move_keep_up(struct partition_move *move, struct log *log)
{
    int64_t begin_offset;
    if (log_end_offset(move->copy) >= log_start_offset(log)) {
        return 0;
    }
    int error = log_first_readable(log, &begin_offset);
    if (error == 0 && log_end_offset(move->copy) < begin_offset) {
        error = log_restart_at(move->copy, begin_offset);
    }
    return error;
}

static int64_t move_wait_ms(struct partition_move *move)
{
    struct broker_shard *shard = move->shard;
    int64_t rate =
        broker_setting_long(shard->broker->options.config, shard->image, string_view_of(MOVE_RATE));
    return move_throttle_wait_ms(&shard->broker->move_throttle, rate < 0 ? INT64_MAX : rate,
                                 loop_monotonic_ms(shard->loop) * 1000);
}

static void move_step(struct partition_move *move)
{
    struct partition *partition = move->partition;
    struct log *log = partition->log;
    struct log_read_result result;
    int kept_up = move_keep_up(move, log);
    if (kept_up != 0) {
        move_fail(move, kept_up);
        return;
    }
    int64_t next = log_end_offset(move->copy);
    int64_t missing =
        log_available_bytes(log, move_next_offset(move, log), log_end_offset(log));
    bool is_near = missing <= MOVE_REST_BYTES && next + MOVE_REST_OFFSETS >= log_end_offset(log);
    if (is_near && move->synced) {
        if (partition->flush_running || partition->cleaning != NULL) {
            cleaner_stop(partition);
            loop_timer_arm(move->shard->loop, &move->timer, MOVE_RETRY_MS);
            return;
        }
        int error = move_copy_rest(move, log);
        if (error != 0) {
            move_fail(move, error);
        } else {
            move_finish(move);
        }
        return;
    }
    if (is_near) {
        move->synced = true;
        move_submit(move, MOVE_SYNC);
        return;
    }
    move->synced = false;
    int64_t wait_ms = move_wait_ms(move);
    if (wait_ms > 0) {
        loop_timer_arm(move->shard->loop, &move->timer, wait_ms);
        return;
    }
    bool may_wait = move->loads >= MOVE_LOADS_MAX;
    if (!may_wait) {
        log_read_begin(log, loop_wall_ms(move->shard->loop));
    }
    int error = log_read(log, move_next_offset(move, log), log_end_offset(log), MOVE_BYTES, true,
                         &result);
    if (!may_wait) {
        log_read_end(log);
    }
    if (error == ERR_AGAIN && log_load_prepare(log, MOVE_BYTES, &move->load) == 0) {
        move->loads++;
        move_submit(move, MOVE_LOAD);
        return;
    }
    if (error != 0 || !result.has_range) {
        move->source_failed = true;
        move_fail(move, error != 0 ? error : ERR_CORRUPT);
        return;
    }
    move->loads = 0;
    move->range = result.range;
    move_throttle_add(&move->shard->broker->move_throttle, result.range.size);
    move_submit(move, MOVE_COPY);
}

static void move_fire(struct timer *timer)
{
    struct partition_move *move = CONTAINER_OF(timer, struct partition_move, timer);
    struct partition *partition = move->partition;
    if (atomic_load(&partition->dir->offline) || atomic_load(&move->to->offline)) {
        partition_move_end(partition);
    } else {
        move_step(move);
    }
}

static void move_done(struct loop_job *job)
{
    struct partition_move *move = CONTAINER_OF(job, struct partition_move, job);
    move->working = false;
    if (move->kind == MOVE_DISCARD) {
        move_free(move);
        return;
    }
    if (move->partition == NULL) {
        move_discard(move);
        return;
    }
    struct partition *partition = move->partition;
    if (move->copy != NULL) {
        move->copied_offset = log_end_offset(move->copy);
        move->copied_bytes = log_size_bytes(move->copy);
    }
    if (atomic_load(&partition->dir->offline) || atomic_load(&move->to->offline)) {
        partition_move_end(partition);
    } else if (move->error != 0) {
        move_fail(move, move->error);
    } else {
        /* By way of a timer, since none fires any more while the loops end. */
        loop_timer_arm(move->shard->loop, &move->timer, 0);
    }
}

bool partition_move_has_name(struct string_view topic, int32_t partition)
{
    char tail[64];
    int size = snprintf(tail, sizeof tail, "-%" PRId32 ".%032x-future", partition, 0u);
    ASSERT(size > 0 && size < (int)sizeof tail);
    return topic.size + (size_t)size <= LOG_DIR_NAME_BYTES_MAX;
}

static int16_t move_begin(struct partition *partition, struct broker_dir *to)
{
    struct broker_shard *shard = partition->shard;
    struct partition_move *move = mem_calloc(1, sizeof *move);
    if (move == NULL) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    move->partition = partition;
    move->shard = shard;
    move->to = to;
    move->topic = mem_strndup(partition->topic, partition->topic_size);
    move->number = partition->key.partition;
    move->topic_id = partition->key.topic_id;
    move->config = *log_config(partition->log);
    move->random = broker_shard_random(shard);
    timer_init(&move->timer, move_fire);
    int size = snprintf(move->path, sizeof move->path,
                        "%s/%s-%" PRId32 ".%016" PRIx64 "%016" PRIx64 "-future", to->dir->path,
                        partition->topic, partition->key.partition, broker_shard_random(shard),
                        broker_shard_random(shard));
    int old_size = snprintf(move->old_path, sizeof move->old_path, "%s",
                            log_directory(partition->log));
    bool fits = size < (int)sizeof move->path && old_size < (int)sizeof move->old_path;
    int error = move->topic == NULL || !fits
                    ? ERR_NOMEM
                    : log_first_readable(partition->log, &move->begin_offset);
    if (error != 0) {
        move_free(move);
        return partition_fault(partition, error);
    }
    partition->move = move;
    move->copied_offset = move->begin_offset;
    move_submit(move, MOVE_OPEN);
    return 0;
}

int16_t partition_move_to(struct partition *partition, struct broker_dir *to)
{
    if (partition->log == NULL || atomic_load(&partition->dir->offline) ||
        atomic_load(&to->offline)) {
        return KAFKA_KAFKA_STORAGE_ERROR;
    }
    if (partition->move != NULL && partition->move->to == to) {
        return 0;
    }
    partition_move_end(partition);
    return partition->dir == to ? 0 : move_begin(partition, to);
}

struct broker_dir *partition_move_view(const struct partition *partition, int64_t *offset_lag,
                                       int64_t *size_bytes)
{
    const struct partition_move *move = partition->move;
    if (move == NULL || partition->log == NULL) {
        return NULL;
    }
    *offset_lag = log_end_offset(partition->log) - move->copied_offset;
    *size_bytes = move->copied_bytes;
    return move->to;
}
