/* fetcher.c: the network thread of a consumer: what to ask of whom. */
#include "client/fetcher.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "protocol/error.h"

#define FETCHER_NODES_MAX 1024
#define FETCHER_ARENA_BYTES ((size_t)1 << 30)

struct gather {
    int64_t now_ms;
    int64_t wake_ms;
    bool metadata;
    struct fetcher_ask *asks[FETCHER_NODES_MAX];
    size_t ask_count;
    int32_t busy[FETCHER_NODES_MAX]; /* nodes with a request out */
    size_t busy_count;
};

static void fetcher_posted(struct loop_mail *mail)
{
    struct bnb_consumer *consumer = CONTAINER_OF(mail, struct bnb_consumer, mail);
    pthread_mutex_lock(&consumer->lock);
    consumer->mail_posted = false;
    pthread_mutex_unlock(&consumer->lock);
    fetcher_run(consumer);
}

void fetcher_wake(struct bnb_consumer *consumer)
{
    if (!consumer->mail_posted) {
        consumer->mail_posted = true;
        client_post(consumer->client, &consumer->mail);
    }
}

static void fetcher_timer(struct timer *timer)
{
    fetcher_run(CONTAINER_OF(timer, struct bnb_consumer, timer));
}

void fetch_frame_unref(struct bnb_consumer *consumer, struct fetch_frame *frame)
{
    ASSERT(frame->references > 0);
    frame->references--;
    if (frame->references == 0) {
        frame_pool_give(&consumer->frames, frame->data, frame->size);
        arena_release(&frame->arena);
        mem_free(frame);
    }
}

void fetch_part_free(struct bnb_consumer *consumer, struct fetch_part *part)
{
    if (part->started) {
        fetched_release(&part->fetched);
    }
    list_remove(&part->node);
    fetch_frame_unref(consumer, part->frame);
    mem_free(part);
}

void fetcher_fail(struct bnb_consumer *consumer, int code, const char *text)
{
    if (consumer->failure.code == 0) {
        client_error_set(&consumer->failure, code, "%s", text);
    }
    pthread_cond_broadcast(&consumer->changed);
}

void fetcher_retry_later(struct bnb_consumer *consumer, struct consumer_partition *partition,
                         bool new_leader)
{
    partition->retry_at_ms =
        loop_monotonic_ms(client_loop(consumer->client)) + consumer->config->retry_backoff_ms;
    consumer->metadata_wanted = consumer->metadata_wanted || new_leader;
}

void fetcher_reset(struct bnb_consumer *consumer, struct consumer_partition *partition)
{
    partition->reset = consumer->config->reset_policy;
    if (partition->reset == BNB_OFFSET_RESET_POLICY) {
        char text[320];
        snprintf(text, sizeof text, "Undefined offset with no reset policy for partitions: [%s-%d]",
                 partition->topic, partition->index);
        fetcher_fail(consumer, BNB_ERROR_NO_OFFSET, text);
        partition->reset = FETCHER_OFFSET_COMMITTED;
        consumer->group.lookup_ms = loop_monotonic_ms(client_loop(consumer->client)) +
                                    consumer->config->retry_backoff_max_ms;
    }
}

void fetcher_ask_free(struct fetcher_ask *ask)
{
    arena_release(&ask->arena);
    mem_free(ask->items);
    mem_free(ask);
}

static struct fetcher_ask *gather_ask(struct bnb_consumer *consumer, struct gather *gather,
                                      int32_t node_id, bool offsets)
{
    for (size_t i = 0; i < gather->ask_count; i++) {
        if (gather->asks[i]->node_id == node_id && gather->asks[i]->offsets == offsets) {
            return gather->asks[i];
        }
    }
    struct fetcher_ask *ask =
        gather->ask_count < FETCHER_NODES_MAX ? mem_calloc(1, sizeof *ask) : NULL;
    if (ask != NULL) {
        ask->consumer = consumer;
        ask->node_id = node_id;
        ask->offsets = offsets;
        arena_init(&ask->arena, FETCHER_ARENA_BYTES);
        gather->asks[gather->ask_count++] = ask;
    }
    return ask;
}

/* True while a request for partitions of that node is out: the next one carries all of them. */
static bool gather_node_busy(const struct gather *gather, int32_t node_id)
{
    for (size_t i = 0; i < gather->busy_count; i++) {
        if (gather->busy[i] == node_id) {
            return true;
        }
    }
    return false;
}

/* The lock is held. */
static void gather_partition(struct bnb_consumer *consumer, struct consumer_partition *partition,
                             struct gather *gather)
{
    if (!partition->assigned || partition->held || partition->paused || partition->asking ||
        partition->ahead_count >= FETCHER_AHEAD_MAX ||
        partition->reset == FETCHER_OFFSET_COMMITTED) {
        return;
    }
    if (partition->drains && partition->ahead_count > 0) {
        return;
    }
    partition->drains = false;
    if (partition->leader < 0) {
        gather->metadata = true;
        return;
    }
    if (partition->retry_at_ms > gather->now_ms) {
        gather->wake_ms =
            partition->retry_at_ms < gather->wake_ms ? partition->retry_at_ms : gather->wake_ms;
        return;
    }
    if (gather_node_busy(gather, partition->leader)) {
        return;
    }
    bool offsets = partition->reset != FETCHER_OFFSET_KNOWN;
    struct fetcher_ask *ask = gather_ask(consumer, gather, partition->leader, offsets);
    if (ask == NULL || mem_grow((void **)&ask->items, &ask->capacity, ask->count + 1,
                                sizeof *ask->items) != 0) {
        return;
    }
    ask->items[ask->count++] = (struct fetcher_item){
        partition, partition->epoch, offsets ? partition->reset : partition->fetch_offset};
}

static void fetcher_gather(struct bnb_consumer *consumer, struct gather *gather)
{
    pthread_mutex_lock(&consumer->lock);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        int32_t node_id = consumer->partitions[i]->asked_of;
        if (consumer->partitions[i]->asking && !gather_node_busy(gather, node_id) &&
            gather->busy_count < FETCHER_NODES_MAX) {
            gather->busy[gather->busy_count++] = node_id;
        }
    }
    for (size_t i = 0; i < consumer->partition_count; i++) {
        gather_partition(consumer, consumer->partitions[i], gather);
    }
    for (size_t a = 0; a < gather->ask_count; a++) {
        for (size_t i = 0; i < gather->asks[a]->count; i++) {
            gather->asks[a]->items[i].partition->asking = true;
            gather->asks[a]->items[i].partition->asked_of = gather->asks[a]->node_id;
        }
    }
    gather->metadata = gather->metadata || consumer->metadata_wanted;
    pthread_mutex_unlock(&consumer->lock);
}

static void fetcher_run_once(struct bnb_consumer *consumer)
{
    struct gather gather;
    gather.now_ms = loop_monotonic_ms(client_loop(consumer->client));
    gather.wake_ms = INT64_MAX;
    gather.ask_count = gather.busy_count = 0;
    gather.metadata = group_run(consumer, gather.now_ms, &gather.wake_ms);
    fetcher_gather(consumer, &gather);
    for (size_t i = 0; i < gather.ask_count; i++) {
        if (gather.asks[i]->count == 0) {
            fetcher_ask_free(gather.asks[i]);
        } else if (gather.asks[i]->offsets) {
            fetcher_start_offsets(gather.asks[i]);
        } else {
            fetcher_start_fetch(gather.asks[i]);
        }
    }
    bool aged = consumer->metadata_due_ms > 0 && consumer->metadata_due_ms <= gather.now_ms;
    if (!consumer->metadata_running && (gather.metadata || aged)) {
        if (consumer->metadata_next_ms <= gather.now_ms) {
            fetcher_ask_metadata(consumer);
        } else if (consumer->metadata_next_ms < gather.wake_ms) {
            gather.wake_ms = consumer->metadata_next_ms;
        }
    }
    if (!consumer->metadata_running && consumer->metadata_due_ms > gather.now_ms &&
        consumer->metadata_due_ms < gather.wake_ms) {
        gather.wake_ms = consumer->metadata_due_ms;
    }
    if (gather.wake_ms != INT64_MAX) {
        int64_t delay_ms = gather.wake_ms - gather.now_ms;
        loop_timer_arm(client_loop(consumer->client), &consumer->timer,
                       delay_ms > 0 ? delay_ms : 0);
    }
}

void fetcher_run(struct bnb_consumer *consumer)
{
    consumer->run_again = true;
    if (consumer->running || consumer->quitting) {
        return;
    }
    consumer->running = true;
    while (consumer->run_again) {
        consumer->run_again = false;
        fetcher_run_once(consumer);
    }
    consumer->running = false;
}

void fetcher_init(struct bnb_consumer *consumer)
{
    consumer->mail.run = fetcher_posted;
    list_init(&consumer->queue);
    frame_pool_init(&consumer->frames);
    list_init(&consumer->retired);
    list_init(&consumer->retired_parts);
    timer_init(&consumer->timer, fetcher_timer);
    arena_init(&consumer->metadata_arena, 0);
}
