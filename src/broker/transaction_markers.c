#include "broker/transaction_markers.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/coordinator_internal.h"

/* ---- one marker ---- */

static void marker_home(struct loop_mail *mail)
{
    struct marker_item *item = CONTAINER_OF(mail, struct marker_item, mail);
    item->done(item);
}

static void marker_finish(struct marker_item *item, int16_t error)
{
    item->error = error;
    if (item->owner == item->home) {
        item->done(item);
    } else {
        item->mail.run = marker_home;
        loop_post(item->home->loop, &item->mail);
    }
}

static void marker_waited(struct partition_wait *wait, int16_t error)
{
    marker_finish(CONTAINER_OF(wait, struct marker_item, wait), error);
}

/* The coordinator of groups tells in its own words what the log said. */
static void marker_told(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    struct marker_item *item = CONTAINER_OF(waiter, struct marker_item, waiter);
    (void)runtime;
    bool elsewhere = error == KAFKA_NOT_COORDINATOR || error == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                     error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    marker_finish(item, elsewhere ? KAFKA_NOT_LEADER_OR_FOLLOWER : error);
}

static void marker_write_groups(struct marker_item *item)
{
    struct broker_shard *shard = item->owner;
    struct group_coordinator *groups = coordinator_active_groups(shard, item->partition);
    if (groups == NULL) {
        marker_finish(item, KAFKA_NOT_LEADER_OR_FOLLOWER);
        return;
    }
    /* At once: the log shall know before anything else that is asked of it. */
    coordinator_append_groups(shard, item->partition);
    list_init(&item->waiter.node);
    item->waiter.done = marker_told;
    group_coordinator_end_transaction(groups, &item->marker, &item->waiter,
                                      coordinator_now(shard));
    coordinator_append_groups(shard, item->partition);
    broker_shard_nudge(shard);
}

/* Key: int16 version 0, int16 type. Value: int16 version 0, int32 coordinator epoch. */
static int marker_build(const struct marker_item *item, const struct partition *partition,
                        struct writer *out)
{
    const struct runtime_marker *marker = &item->marker;
    uint8_t key[4] = {0, 0, 0, marker->commit};
    uint32_t epoch = (uint32_t)marker->coordinator_epoch;
    uint8_t value[6] = {0, 0, (uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16),
                        (uint8_t)(epoch >> 8), (uint8_t)epoch};
    int64_t now_ms = loop_wall_ms(item->owner->loop);
    struct batch header = batch_header_empty(0);
    header.base_timestamp_ms = header.max_timestamp_ms = now_ms;
    header.partition_leader_epoch = partition->leader_epoch;
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    header.producer_id = marker->producer_id;
    header.producer_epoch = marker->producer_epoch;
    struct record record = {
        .timestamp_ms = now_ms, .key = {key, sizeof key}, .value = {value, sizeof value}};
    struct batch_builder builder;
    batch_builder_init(&builder, out, &header);
    batch_builder_add(&builder, &record);
    return batch_builder_finish(&builder);
}

static void marker_write_plain(struct marker_item *item, struct partition *partition)
{
    struct writer *out = &item->owner->coordinators->batch;
    int64_t last_offset;
    bool wait_needed;
    out->size = 0;
    if (marker_build(item, partition, out) != 0) {
        marker_finish(item, KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    int16_t error = partition_append_own(partition, out->data, out->size,
                                         item->marker.transaction_version, &last_offset,
                                         &wait_needed);
    if (error == 0 && wait_needed) {
        list_init(&item->wait.node);
        item->wait.required_offset = last_offset;
        item->wait.done = marker_waited;
        partition_add_wait(partition, &item->wait);
        return;
    }
    marker_finish(item, error);
}

static void marker_arrive(struct loop_mail *mail)
{
    struct marker_item *item = CONTAINER_OF(mail, struct marker_item, mail);
    struct partition *partition = partition_find(item->owner, item->topic_id, item->partition);
    int16_t error = partition_check_leader(partition, -1);
    ASSERT(item->marker.producer_id >= 0 && item->marker.producer_epoch >= 0);
    if (error != 0) {
        marker_finish(item, error);
        return;
    }
    partition_touch(partition);
    if (item->of_groups) {
        marker_write_groups(item);
    } else {
        marker_write_plain(item, partition);
    }
}

void marker_write(struct marker_item *item, const struct image_topic *topic, int32_t partition)
{
    ASSERT(item->done != NULL && partition >= 0 && partition < topic->partition_count);
    item->topic_id = topic->id;
    item->partition = partition;
    item->of_groups = string_view_is(topic->name, OFFSETS_TOPIC);
    item->owner = broker_shard_of(item->home->broker, topic->id, partition);
    if (item->owner == item->home) {
        marker_arrive(&item->mail);
    } else {
        item->mail.run = marker_arrive;
        loop_post(item->owner->loop, &item->mail);
    }
}

/* ---- all markers of a transaction ---- */

struct marker_entry {
    struct marker_item item;
    struct marker_work *work;
    struct string_view topic; /* behind the entries */
    int32_t partition;
    bool is_written;
};
struct marker_work {
    struct list node; /* in the shard's */
    struct broker_shard *shard;
    struct timer timer;
    int64_t retry_ms;
    int64_t waiting; /* markers that the timer tries again, as the metrics have it */
    struct uuid topic_id; /* of the coordinator's partition */
    int32_t partition;
    struct string_view transactional_id;
    size_t left;
    size_t count;
    struct marker_entry entries[];
};

static void work_set_waiting(struct marker_work *work, int64_t waiting)
{
    metrics_add(work->shard->metrics, METRIC_MARKERS_WITHOUT_LEADER, waiting - work->waiting);
    work->waiting = waiting;
}

static void work_free(struct marker_work *work)
{
    work_set_waiting(work, 0);
    loop_timer_cancel(work->shard->loop, &work->timer);
    list_remove(&work->node);
    mem_free(work);
}

static void work_end(struct marker_work *work)
{
    struct broker_shard *shard = work->shard;
    struct coordinator *coordinator =
        coordinator_at(shard->coordinators, COORDINATOR_TRANSACTIONS, work->partition);
    if (coordinator == NULL || !uuid_equal(coordinator->topic_id, work->topic_id)) {
        work_free(work); /* whoever coordinates next finds it in the log */
        return;
    }
    int64_t waiting = 0;
    for (size_t i = 0; i < work->count; i++) {
        waiting += !work->entries[i].is_written;
    }
    work_set_waiting(work, waiting);
    if (waiting > 0) {
        loop_timer_arm(shard->loop, &work->timer, work->retry_ms);
        work->retry_ms = 2 * work->retry_ms < MARKER_RETRY_MS_MAX ? 2 * work->retry_ms
                                                                  : MARKER_RETRY_MS_MAX;
        return;
    }
    transaction_markers_written(coordinator->transactions, work->transactional_id,
                                coordinator_now(shard));
    coordinator_mark(coordinator);
    broker_shard_nudge(shard);
    work_free(work);
}

static void work_part(struct marker_work *work)
{
    ASSERT(work->left > 0);
    if (--work->left == 0) {
        work_end(work);
    }
}

static void entry_done(struct marker_item *item)
{
    struct marker_entry *entry = CONTAINER_OF(item, struct marker_entry, item);
    /* Somebody who came later has ended it there: this marker is pointless. */
    bool outdated = item->error == KAFKA_INVALID_PRODUCER_EPOCH ||
                    item->error == KAFKA_TRANSACTION_COORDINATOR_FENCED;
    if (outdated) {
        fprintf(stderr,
                "%.*s-%" PRId32 " takes no marker of producer %" PRId64 ", epoch %d: %s\n",
                (int)entry->topic.size, entry->topic.data, entry->partition,
                item->marker.producer_id, item->marker.producer_epoch,
                kafka_error_name(item->error));
    }
    entry->is_written = item->error == 0 || outdated;
    work_part(entry->work);
}

static void work_run(struct marker_work *work)
{
    const struct image *image = work->shard->image;
    work->left = 1; /* so that it does not end while this still walks it */
    for (size_t i = 0; i < work->count; i++) {
        struct marker_entry *entry = &work->entries[i];
        if (entry->is_written) {
            continue;
        }
        const struct image_topic *topic = image_topic_by_name(image, entry->topic);
        if (topic == NULL || entry->partition < 0 ||
            entry->partition >= topic->partition_count) {
            entry->is_written = true; /* it was deleted, and what was in it */
            continue;
        }
        work->left++;
        marker_write(&entry->item, topic, entry->partition);
    }
    work_part(work);
}

static void work_fire(struct timer *timer)
{
    work_run(CONTAINER_OF(timer, struct marker_work, timer));
}

/* One block with all names; NULL: no memory. */
static struct marker_work *work_make(const struct coordinator *coordinator, int32_t epoch,
                                     const struct transaction_markers *markers)
{
    size_t count = (size_t)markers->count;
    size_t size = sizeof(struct marker_work) + count * sizeof(struct marker_entry);
    size_t text_bytes = markers->transactional_id.size;
    for (size_t i = 0; i < count; i++) {
        text_bytes += markers->partitions[i].topic.size;
    }
    struct marker_work *work = mem_calloc(1, size + text_bytes);
    if (work == NULL) {
        return NULL;
    }
    char *text = (char *)work + size;
    work->shard = coordinator->shard;
    work->topic_id = coordinator->topic_id;
    work->partition = coordinator->partition;
    work->count = count;
    work->retry_ms = MARKER_RETRY_MS;
    timer_init(&work->timer, work_fire);
    work->transactional_id = (struct string_view){text, markers->transactional_id.size};
    memcpy(text, markers->transactional_id.data, markers->transactional_id.size);
    text += markers->transactional_id.size;
    for (size_t i = 0; i < count; i++) {
        struct string_view topic = markers->partitions[i].topic;
        struct marker_entry *entry = &work->entries[i];
        memcpy(text, topic.data, topic.size);
        entry->topic = (struct string_view){text, topic.size};
        text += topic.size;
        entry->partition = markers->partitions[i].partition;
        entry->work = work;
        entry->item.home = coordinator->shard;
        entry->item.done = entry_done;
        entry->item.marker =
            (struct runtime_marker){.producer_id = markers->producer_id,
                                    .offset = -1,
                                    .commit = markers->commit,
                                    .producer_epoch = markers->producer_epoch,
                                    .coordinator_epoch = epoch,
                                    .transaction_version = markers->version};
    }
    return work;
}

void markers_begin(struct coordinator *coordinator)
{
    const struct partition *partition = coordinator_partition(coordinator);
    const struct transaction_markers *markers;
    while (partition != NULL &&
           (markers = transaction_next_markers(coordinator->transactions)) != NULL) {
        struct marker_work *work = work_make(coordinator, partition->leader_epoch, markers);
        if (work == NULL) {
            return; /* when this coordinator is seen to the next time */
        }
        transaction_markers_taken(coordinator->transactions);
        list_push_back(&coordinator->shard->marker_works, &work->node);
        work_run(work);
    }
}

void markers_forget(struct broker_shard *shard)
{
    while (!list_empty(&shard->marker_works)) {
        work_free(CONTAINER_OF(shard->marker_works.next, struct marker_work, node));
    }
}
