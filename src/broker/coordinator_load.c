/* A coordinator's log is read in pieces: where a piece lies is looked up on the loop, its bytes are
 * read on a helper thread, its records are replayed on the loop. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/coordinator_internal.h"
#include "protocol/record/compress.h"

#define LOADS_MAX 64 /* what a look-up lacks was loaded so often: then it waits */

static void load_step(struct coordinator *coordinator);

static void load_count(struct coordinator *coordinator, enum metric_plain to)
{
    if (coordinator->kind != COORDINATOR_GROUPS) {
        return;
    }
    metrics_add(coordinator->shard->metrics, METRIC_COORDINATORS_LOADING, -1);
    metrics_add(coordinator->shard->metrics, to, 1);
}

/* There is no memory to go on. */
static void load_put_off(struct coordinator *coordinator)
{
    coordinator->short_of_memory = true;
    coordinator_mark(coordinator);
    broker_shard_nudge(coordinator->shard);
}

static void load_fail(struct coordinator *coordinator, const char *why)
{
    fprintf(stderr,
            "%s-%" PRId32 " has no coordinator: at offset %" PRId64
            " its log cannot be read (%s)\n",
            coordinator_topic(coordinator->kind).data, coordinator->partition,
            coordinator->next_offset, why);
    load_count(coordinator, METRIC_COORDINATORS_FAILED);
    runtime_unload(coordinator->runtime);
    coordinator_mark(coordinator);
    broker_shard_nudge(coordinator->shard);
}

static void load_end(struct coordinator *coordinator)
{
    if (coordinator->skipped > 0) {
        fprintf(stderr,
                "%" PRId64 " records of %s-%" PRId32
                " mean nothing here and are left as they are\n",
                coordinator->skipped, coordinator_topic(coordinator->kind).data,
                coordinator->partition);
    }
    mem_free(coordinator->buffer);
    coordinator->buffer = NULL;
    coordinator->buffer_capacity = 0;
    load_count(coordinator, METRIC_COORDINATORS_ACTIVE);
    metrics_raise(coordinator->shard->metrics,
                  coordinator->kind == COORDINATOR_GROUPS ? METRIC_GROUP_LOAD_LONGEST
                                                          : METRIC_TRANSACTION_LOAD_LONGEST,
                  loop_monotonic_ms(coordinator->shard->loop) - coordinator->began_ms);
    runtime_loaded(coordinator->runtime, coordinator_now(coordinator->shard));
    coordinator_mark(coordinator);
    broker_shard_nudge(coordinator->shard);
}

static int load_batch(struct coordinator *coordinator, const struct batch *batch)
{
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    enum batch_codec codec = (enum batch_codec)(batch->attributes & BATCH_CODEC_MASK);
    struct writer plain;
    int64_t skipped = 0;
    int error = 0;
    writer_init(&plain, SCRATCH_BYTES_MAX);
    if (codec != BATCH_CODEC_NONE) {
        error = decompress_append(codec, records, &plain);
        records = (struct bytes_view){plain.data, plain.size};
    }
    if (error == 0) {
        skipped = runtime_load(coordinator->runtime, batch, records);
        error = skipped < 0 ? (int)skipped : 0;
    }
    writer_release(&plain);
    if (error == 0) {
        coordinator->skipped += skipped;
        coordinator->next_offset = batch_last_offset(batch) + 1;
    }
    return error;
}

/* Whole batches of the piece; the last may be cut. */
static int load_replay(struct coordinator *coordinator)
{
    const uint8_t *data = coordinator->buffer;
    size_t left = (size_t)coordinator->read_bytes;
    int64_t before = coordinator->next_offset;
    int error = 0;
    while (error == 0 && coordinator->next_offset < coordinator->bound) {
        int64_t size = batch_view_size(data, left);
        if (size == 0 || size > (int64_t)left) {
            break;
        }
        if (size < 0) {
            return (int)size;
        }
        struct batch batch;
        if (batch_magic(data) < BATCH_MAGIC) {
            return ERR_UNSUPPORTED;
        }
        error = batch_decode(data, (size_t)size, &batch);
        if (error == 0 && !batch_crc_holds(data, &batch)) {
            return ERR_CORRUPT;
        }
        if (error == 0 && batch_last_offset(&batch) >= coordinator->next_offset) {
            error = load_batch(coordinator, &batch);
        }
        data += size;
        left -= (size_t)size;
    }
    return error == 0 && coordinator->next_offset == before ? ERR_CORRUPT : error;
}

static void read_work(struct loop_job *job)
{
    struct coordinator *coordinator = CONTAINER_OF(job, struct coordinator, job);
    struct io_file_range *range = &coordinator->read.range;
    coordinator->read_bytes =
        io_file_read(range->file, coordinator->buffer, range->size, range->position);
}

/* Whether the coordinator was given up meanwhile; then it is gone now. */
static bool load_has_left(struct coordinator *coordinator)
{
    coordinator->job_running = false;
    if (list_empty(&coordinator->leaving_node)) {
        return false;
    }
    coordinator_free(coordinator);
    return true;
}

static void read_done(struct loop_job *job)
{
    struct coordinator *coordinator = CONTAINER_OF(job, struct coordinator, job);
    coordinator->read.range.release(&coordinator->read.range);
    if (load_has_left(coordinator)) {
        return;
    }
    int error = coordinator->read_bytes < 0 ? (int)coordinator->read_bytes
                                            : load_replay(coordinator);
    if (error == ERR_NOMEM) {
        load_put_off(coordinator);
    } else if (error != 0) {
        load_fail(coordinator, err_text(error));
    } else {
        load_step(coordinator);
    }
}

static void ahead_work(struct loop_job *job)
{
    log_load_run(&CONTAINER_OF(job, struct coordinator, job)->load);
}

static void ahead_done(struct loop_job *job)
{
    struct coordinator *coordinator = CONTAINER_OF(job, struct coordinator, job);
    log_load_release(&coordinator->load);
    if (!load_has_left(coordinator)) {
        load_step(coordinator);
    }
}

static void load_submit(struct coordinator *coordinator, void (*work)(struct loop_job *),
                        void (*done)(struct loop_job *))
{
    ASSERT(!coordinator->job_running);
    coordinator->job_running = true;
    coordinator->job = (struct loop_job){.work = work, .done = done};
    loop_submit(coordinator->shard->loop, &coordinator->job);
}

/* offsets.load.buffer.size, or that of transactions, as far as many may load at once. */
static size_t load_bytes(const struct coordinator *coordinator)
{
    int64_t bytes = config_long(coordinator->shard->broker->options.config,
                                coordinator->kind == COORDINATOR_GROUPS
                                    ? "offsets.load.buffer.size"
                                    : "transaction.state.log.load.buffer.size");
    ASSERT(bytes >= 1);
    return bytes < COORDINATOR_LOAD_BYTES ? (size_t)bytes : COORDINATOR_LOAD_BYTES;
}

static int load_look_up(struct coordinator *coordinator, struct partition *partition)
{
    bool may_wait = coordinator->loads >= LOADS_MAX;
    coordinator->read = (struct log_read_result){0};
    partition_touch(partition);
    if (!may_wait) {
        log_read_begin(partition->log, loop_monotonic_ms(coordinator->shard->loop));
    }
    int error = log_read(partition->log, coordinator->next_offset, coordinator->bound,
                         load_bytes(coordinator), true, &coordinator->read);
    if (!may_wait) {
        log_read_end(partition->log);
    }
    return error;
}

static void load_step(struct coordinator *coordinator)
{
    struct partition *partition = coordinator_partition(coordinator);
    int16_t offline = partition_check_leader(partition, -1);
    if (offline != 0 && (partition == NULL || partition->open_again ||
                         (partition->log != NULL && partition->leader < 0))) {
        load_put_off(coordinator); /* there was no memory for the partition yet */
        return;
    }
    if (offline != 0) {
        load_fail(coordinator, kafka_error_name(offline));
        return;
    }
    if (coordinator->next_offset >= coordinator->bound) {
        load_end(coordinator);
        return;
    }
    int error = load_look_up(coordinator, partition);
    if (error == ERR_AGAIN) {
        coordinator->loads++;
        error = log_load_prepare(partition->log, load_bytes(coordinator), &coordinator->load);
        if (error == 0) {
            load_submit(coordinator, ahead_work, ahead_done);
            return;
        }
    }
    if (error == ERR_NOMEM) {
        load_put_off(coordinator);
        return;
    }
    if (error != 0) {
        (void)partition_fault(partition, error);
        load_fail(coordinator, err_text(error));
        return;
    }
    if (!coordinator->read.has_range) {
        load_end(coordinator);
        return;
    }
    if (mem_grow((void **)&coordinator->buffer, &coordinator->buffer_capacity,
                 coordinator->read.range.size, 1) != 0) {
        coordinator->read.range.release(&coordinator->read.range);
        load_put_off(coordinator);
        return;
    }
    coordinator->loads = 0;
    load_submit(coordinator, read_work, read_done);
}

void coordinator_load(struct coordinator *coordinator)
{
    struct partition *partition = coordinator_partition(coordinator);
    if (partition != NULL && partition->log != NULL) {
        coordinator->next_offset = log_start_offset(partition->log);
        coordinator->bound = partition->high_watermark;
    }
    coordinator->began_ms = loop_monotonic_ms(coordinator->shard->loop);
    load_step(coordinator);
}
