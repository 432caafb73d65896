/* fetch_read.c: what a partition has for a Fetch, on the shard that owns it. */
#include "broker/fetch_internal.h"

#define FETCH_ARENA_BYTES_MAX (16u << 20)

void fetch_item_release_read(struct fetch_item *item)
{
    if (item->read.has_range) {
        item->read.range.release(&item->read.range);
        item->read.has_range = false;
    }
    arena_release(&item->arena);
    item->aborted = NULL;
    item->aborted_count = 0;
}

/* The follower's own check of where its log left ours. */
static bool fetch_diverges(struct fetch_item *item, struct partition *partition)
{
    int32_t epoch;
    int64_t end_offset;
    if (item->asked.last_fetched_epoch < 0) {
        return false;
    }
    log_epoch_end_offset(partition->log, item->asked.last_fetched_epoch, &epoch, &end_offset);
    if (epoch < 0 || item->asked.fetch_offset < log_start_offset(partition->log)) {
        item->error = KAFKA_OFFSET_OUT_OF_RANGE;
        return true;
    }
    if (epoch < item->asked.last_fetched_epoch || end_offset < item->asked.fetch_offset) {
        item->diverging_epoch = epoch;
        item->diverging_end_offset = end_offset;
        return true;
    }
    return false;
}

/* Whether the batch of an offset begins behind the bound. */
static int fetch_look_beyond(struct fetch_item *item, struct partition *partition)
{
    struct log_read_result found = {0};
    int64_t end_offset = log_end_offset(partition->log);
    item->is_beyond = item->asked.fetch_offset > item->bound;
    if (!item->is_beyond || item->asked.fetch_offset == end_offset) {
        return 0;
    }
    int error = log_read(partition->log, item->asked.fetch_offset, end_offset, 0, true, &found);
    item->is_beyond = error == 0 && found.has_range && found.first_offset > item->bound;
    if (found.has_range) {
        found.range.release(&found.range);
    }
    return error;
}

/* ERR_AGAIN when the log would have to wait for the disk. */
static int fetch_read_log(struct fetch_item *item, struct partition *partition)
{
    struct fetch_work *work = item->work;
    size_t limit = item->asked.max_bytes > 0 ? (size_t)item->asked.max_bytes : 0;
    size_t *taken = &item->base.group->taken;
    size_t before = *taken;
    /* Of more partitions than may have files open, the rest comes with a later fetch. */
    bool has_room =
        before < work->max_bytes && item->base.group->pinned < partition->shard->open_max;
    size_t left = has_room ? work->max_bytes - before : 0;
    if (fanout_item_may_load(&item->base)) {
        log_read_begin(partition->log, loop_wall_ms(partition->shard->loop));
    }
    /* The first partition with data gives a whole batch, whatever the limits say. */
    int error = log_read(partition->log, item->asked.fetch_offset, item->bound,
                         limit < left ? limit : left, *taken == 0, &item->read);
    error = error != 0 ? error : fetch_look_beyond(item, partition);
    if (error == 0 && item->read.has_range) {
        *taken += item->read.range.size;
        item->base.group->pinned++;
    }
    /* Also of a partition that there is no room for at all, as Apache Kafka has it. */
    if (error == 0 && work->read_committed && !item->read.cut &&
        item->asked.fetch_offset < item->bound) {
        arena_init(&item->arena, FETCH_ARENA_BYTES_MAX);
        item->arena.budget = &partition->shard->broker->options.memory->work;
        error = log_aborted_transactions(partition->log, item->asked.fetch_offset,
                                         item->read.has_range ? item->read.range.size : 0,
                                         &item->arena, &item->aborted, &item->aborted_count);
    }
    log_read_end(partition->log);
    if (error != 0) {
        *taken = before;
        fetch_item_release_read(item);
        item->error = error == ERR_AGAIN ? 0 : partition_fault(partition, error);
    }
    return error;
}

void fetch_read(struct fanout_item *base, struct partition *partition)
{
    struct fetch_item *item = CONTAINER_OF(base, struct fetch_item, base);
    item->high_watermark = item->last_stable_offset = item->log_start_offset = -1;
    item->diverging_epoch = -1;
    item->diverging_end_offset = -1;
    item->is_beyond = false;
    item->error = partition_check_leader(partition, item->asked.current_leader_epoch);
    if (partition != NULL) {
        item->leader = partition->leader;
        item->leader_epoch = partition->leader_epoch;
    }
    if (item->error == 0) {
        item->high_watermark = partition->high_watermark;
        item->log_start_offset = log_start_offset(partition->log);
        item->last_stable_offset = log_last_stable_offset(partition->log, item->high_watermark);
        item->bound = item->work->read_committed ? item->last_stable_offset
                                                 : item->high_watermark;
        if (!fetch_diverges(item, partition) && fetch_read_log(item, partition) == ERR_AGAIN) {
            fanout_item_load(base, partition);
            return;
        }
        if (item->error != 0) {
            item->high_watermark = item->last_stable_offset = item->log_start_offset = -1;
        }
    }
    fanout_item_done(base);
}
