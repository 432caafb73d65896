/* fetch_wait.c: a Fetch waits for bytes, with a watch in each of its partitions. */
#include "broker/fetch_internal.h"
#include "broker/wake.h"

static void fetch_woken_mail(struct loop_mail *mail)
{
    struct fetch_work *work = CONTAINER_OF(mail, struct fetch_work, wake_mail);
    if (list_empty(&work->woken_node)) {
        list_push_back(&work->request->shard->woken, &work->woken_node);
    }
}

/* On the partition's shard, or, through the mail, on the fetch's own. */
static void fetch_wake(struct fetch_work *work, struct broker_shard *from)
{
    if (atomic_exchange(&work->woken, true)) {
        return;
    }
    struct broker_shard *home = work->request->shard;
    if (from == home) {
        fetch_woken_mail(&work->wake_mail);
        broker_shard_nudge(home);
    } else {
        work->wake_mail.run = fetch_woken_mail;
        loop_post(home->loop, &work->wake_mail);
    }
}

/* Bytes that became readable, of which the item gives no more than was asked of it. */
static void fetch_count_watched(struct fetch_item *item, int64_t bytes)
{
    struct fetch_work *work = item->work;
    int64_t room = item->asked.max_bytes - item->watched_bytes;
    bytes = bytes < room ? bytes : room > 0 ? room : 0;
    item->watched_bytes += bytes;
    if (atomic_fetch_add(&work->watched_bytes, bytes) + bytes >= work->min_bytes) {
        fetch_wake(work, item->watcher);
    }
}

static void fetch_watch_fire(struct partition_watch *watch, int64_t bytes)
{
    struct fetch_item *item = CONTAINER_OF(watch, struct fetch_item, watch);
    if (bytes < 0) {
        fetch_wake(item->work, item->watcher);
        return;
    }
    if (item->watched != NULL) { /* what is not stable is told once it is */
        const struct partition *partition = item->watched;
        int64_t stable = log_last_stable_offset(partition->log, partition->high_watermark);
        item->unstable_bytes += bytes;
        if (stable <= item->stable_offset) {
            return;
        }
        bytes = stable == partition->high_watermark
                    ? item->unstable_bytes
                    : log_available_bytes(partition->log, item->stable_offset, stable);
        item->unstable_bytes -= bytes;
        item->stable_offset = stable;
    }
    fetch_count_watched(item, bytes);
}

static void fetch_watch(struct fanout_item *base, struct partition *partition)
{
    struct fetch_item *item = CONTAINER_OF(base, struct fetch_item, base);
    item->watch.fire = fetch_watch_fire;
    item->watcher = base->group->shard;
    item->watched = NULL;
    item->watched_bytes = 0;
    item->unstable_bytes = 0;
    if (partition == NULL || partition_check_leader(partition, item->asked.current_leader_epoch)) {
        fetch_wake(item->work, item->watcher);
    } else {
        int64_t end = partition->high_watermark;
        item->stable_offset = end;
        if (item->work->read_committed) {
            item->watched = partition;
            item->stable_offset = log_last_stable_offset(partition->log, end);
            item->unstable_bytes = log_available_bytes(partition->log, item->stable_offset, end);
        }
        list_push_back(&partition->watches, &item->watch.node);
        fetch_count_watched(item, log_available_bytes(partition->log, item->asked.fetch_offset,
                                                      item->stable_offset));
    }
    fanout_item_done(base);
}

static void fetch_unwatch(struct fanout_item *base, struct partition *partition)
{
    (void)partition;
    struct fetch_item *item = CONTAINER_OF(base, struct fetch_item, base);
    list_remove(&item->watch.node);
    fanout_item_done(base);
}

static void fetch_final_read(struct fanout *fanout)
{
    fetch_answer(CONTAINER_OF(fanout, struct fetch_work, fanout));
}

static void fetch_unwatched(struct fanout *fanout)
{
    struct fetch_work *work = CONTAINER_OF(fanout, struct fetch_work, fanout);
    fetch_start(work, fetch_read, fetch_final_read);
}

/* Stops waiting: once the watches are in place, and once only. */
static void fetch_resume(struct fetch_work *work)
{
    if (work->request->timer != NULL) {
        loop_timer_cancel(work->request->shard->loop, &work->timer);
    }
    list_remove(&work->woken_node);
    fetch_start(work, fetch_unwatch, fetch_unwatched);
}

void fetch_run_woken(struct broker_shard *shard)
{
    /* Those that are woken by what these answers set off have their turn next time. */
    struct list now;
    list_init(&now);
    list_move_all(&now, &shard->woken);
    while (!list_empty(&now)) {
        struct fetch_work *work = CONTAINER_OF(now.next, struct fetch_work, woken_node);
        list_remove(&work->woken_node);
        if (work->waiting) {
            work->waiting = false;
            metrics_add(shard->metrics, METRIC_PARKED_FETCHES, -1);
            fetch_resume(work);
        } else {
            work->woken_early = true; /* some watches are still on their way */
        }
    }
    if (!list_empty(&shard->woken)) {
        broker_shard_nudge(shard);
    }
}

static void fetch_expire(struct timer *timer)
{
    struct fetch_work *work = CONTAINER_OF(timer, struct fetch_work, timer);
    if (!atomic_exchange(&work->woken, true)) {
        fetch_woken_mail(&work->wake_mail);
        broker_shard_nudge(work->request->shard);
    }
}

void fetch_end_waits(struct broker_shard *shard)
{
    if (net_memory_is_ample(shard->broker->options.memory)) {
        return;
    }
    LIST_FOR_EACH(node, &shard->requests)
    {
        struct broker_request *request = CONTAINER_OF(node, struct broker_request, node);
        if (request->header.request_api_key == API_FETCH && request->timer != NULL) {
            fetch_expire(request->timer);
        }
    }
}

static void fetch_watched(struct fanout *fanout)
{
    struct fetch_work *work = CONTAINER_OF(fanout, struct fetch_work, fanout);
    const struct fetch_request *asked = work->request->message;
    work->waiting = true;
    metrics_add(work->request->shard->metrics, METRIC_PARKED_FETCHES, 1);
    timer_init(&work->timer, fetch_expire);
    loop_timer_arm(work->request->shard->loop, &work->timer, asked->max_wait_ms);
    work->request->timer = &work->timer;
    if (work->woken_early) {
        fetch_woken_mail(&work->wake_mail);
        broker_shard_nudge(work->request->shard);
    }
}

void fetch_wait(struct fetch_work *work)
{
    for (size_t i = 0; i < work->item_count; i++) {
        fetch_item_release_read(&work->items[i]);
    }
    atomic_store(&work->watched_bytes, 0);
    fetch_start(work, fetch_watch, fetch_watched);
}
