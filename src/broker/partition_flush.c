/* Syncs of partitions, gathered: whatever became due in the log directory of a shard while the last
 * sync was under way goes to disk with the next, in one job of a helper thread. */
#include "base/assert.h"
#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/partition_internal.h"
#include "io/system.h"

struct flush_part {
    struct partition *partition;
    struct log_flush flush;
    int64_t us; /* that it took */
};
struct flush_round {
    struct loop_job job;
    struct broker_flushes *flushes;
    size_t count;
    struct flush_part parts[];
};

static struct broker_flushes *flushes_of(struct partition *partition)
{
    return &partition->shard->flushes[partition->dir - partition->shard->broker->dirs];
}

void partition_want_flush(struct partition *partition)
{
    struct broker_flushes *flushes = flushes_of(partition);
    if (partition->flush_running) {
        partition->flush_again = true;
    } else if (list_empty(&partition->flush_node)) {
        list_push_back(&flushes->due, &partition->flush_node);
        flushes->due_count++; /* the end of this turn, or of the running sync, sees it */
    }
}

void partition_forget_flush(struct partition *partition)
{
    ASSERT(!partition->flush_running);
    if (!list_empty(&partition->flush_node)) {
        list_remove(&partition->flush_node);
        flushes_of(partition)->due_count--;
    }
}

void partition_flush_if_old(struct partition *partition, int64_t now_ms)
{
    if (partition->log == NULL || atomic_load(&partition->dir->offline) ||
        now_ms - partition->flushed_ms < log_config(partition->log)->flush_ms) {
        return;
    }
    if (log_recovery_point(partition->log) < log_end_offset(partition->log)) {
        partition_want_flush(partition);
    }
}

static void flush_part_done(struct flush_part *part)
{
    struct partition *partition = part->partition;
    int64_t before = log_recovery_point(partition->log);
    partition->flush_running = false;
    metrics_time_add(partition->shard->metrics, METRIC_LOG_FLUSH, part->us);
    int error = log_flush_finish(partition->log, &part->flush);
    if (partition->doomed) {
        partition_finish_delete_if_idle(partition);
        return;
    }
    if (error == ERR_NOMEM) {
        partition_want_flush(partition); /* nothing was synced: again, with the next round */
        return;
    }
    if (error != 0) {
        (void)partition_fault(partition, error);
        return;
    }
    partition_touch(partition); /* the sync has opened them */
    if (log_recovery_point(partition->log) > before) {
        partition->flushed_ms = loop_wall_ms(partition->shard->loop);
        checkpoints_note(partition->shard);
    }
    int64_t start = partition->high_watermark;
    int64_t synced = log_recovery_point(partition->log);
    int64_t offset = part->flush.offset < synced ? part->flush.offset : synced;
    if (offset > start) {
        int64_t bytes = log_available_bytes(partition->log, start, offset);
        partition_raise_high_watermark(partition, offset, bytes);
    }
    if (partition->flush_again) {
        partition->flush_again = false;
        partition_want_flush(partition);
    }
}

static void flush_round_work(struct loop_job *job)
{
    struct flush_round *round = CONTAINER_OF(job, struct flush_round, job);
    for (size_t i = 0; i < round->count; i++) {
        struct flush_part *part = &round->parts[i];
        int64_t began_us = io_monotonic_us();
        log_flush_run(&part->flush);
        part->us = io_monotonic_us() - began_us;
    }
}

static void flush_round_done(struct loop_job *job)
{
    struct flush_round *round = CONTAINER_OF(job, struct flush_round, job);
    struct broker_flushes *flushes = round->flushes;
    flushes->running = false;
    for (size_t i = 0; i < round->count; i++) {
        flush_part_done(&round->parts[i]);
    }
    if (round != flushes->spare) {
        mem_free(round);
    }
}

static struct flush_round *flush_round_make(size_t parts)
{
    return mem_calloc(1, sizeof(struct flush_round) + parts * sizeof(struct flush_part));
}

int partition_flushes_init(struct broker_flushes *flushes)
{
    list_init(&flushes->due);
    flushes->spare = flush_round_make(1);
    return flushes->spare != NULL ? 0 : ERR_NOMEM;
}

void partition_flushes_release(struct broker_flushes *flushes)
{
    ASSERT(!flushes->running);
    mem_free(flushes->spare);
}

/* As many as may have files open; the others go with a later round. */
static void flush_round_start(struct broker_shard *shard, struct broker_flushes *flushes)
{
    size_t count = flushes->due_count < shard->open_max ? flushes->due_count : shard->open_max;
    struct flush_round *round = flush_round_make(count);
    if (round == NULL) {
        round = flushes->spare;
        *round = (struct flush_round){.count = 0};
        count = 1;
    }
    while (round->count < count) {
        struct partition *partition =
            CONTAINER_OF(flushes->due.next, struct partition, flush_node);
        list_remove(&partition->flush_node);
        flushes->due_count--;
        struct flush_part *part = &round->parts[round->count++];
        part->partition = partition;
        partition->flush_running = true;
        /* A failure to prepare comes home with the job, so that there is one way to end. */
        (void)log_flush_prepare(partition->log, &part->flush);
        part->flush.left = &partition->left;
    }
    ASSERT(round->count == count && count > 0);
    round->flushes = flushes;
    round->job = (struct loop_job){.work = flush_round_work, .done = flush_round_done};
    flushes->running = true;
    loop_submit(shard->loop, &round->job);
}

void partition_run_flushes(struct broker_shard *shard)
{
    for (int32_t i = 0; i < shard->broker->options.dir_count; i++) {
        struct broker_flushes *flushes = &shard->flushes[i];
        if (flushes->due_count > 0 && !flushes->running) {
            flush_round_start(shard, flushes);
        }
    }
}
