/* Fetch: resolve the session, read each partition where it lives, answer, or wait for bytes.
 *
 *   resolve -> READ -> enough, an error, or no time to wait ------------------> answer
 *                  \-> WATCH, in every partition -> woken or expired -> UNWATCH -> READ -> answer
 *
 * Each step in capitals is a fanout. A watch that finds the high watermark already moved since the
 * read counts those bytes, so nothing falls between the steps. */
#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/fanout.h"
#include "broker/fetch_session.h"
#include "broker/handlers_data.h"
#include "broker/wake.h"

#define FETCH_BY_ID_VERSION 13
#define FETCH_TELLS_LEADER 16
#define FETCH_STORAGE_ERROR 6 /* older clients do not know KAFKA_STORAGE_ERROR */
#define FETCH_ARENA_BYTES_MAX (16u << 20)

struct fetch_work;
struct fetch_item {
    struct fanout_item base;
    struct fetch_work *work;
    struct fetch_partition asked; /* a copy: the session may change while this waits */
    struct string_view name;
    bool known;  /* the topic is in the image */
    bool absent; /* nothing is there to be read, which is no reason to answer the others at once */

    /* What the read found. */
    int16_t error;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    int64_t bound;
    int32_t leader;
    int32_t leader_epoch;
    int32_t diverging_epoch;
    int64_t diverging_end_offset;
    struct log_read_result read;
    struct fetch_partition *told; /* in the session that is answered, NULL: in none */
    bool answered;                /* it is in the response */
    bool copied; /* into the response: its range is given back */
    struct log_aborted *aborted;
    int32_t aborted_count;
    struct arena arena; /* of the aborted transactions: filled on the owner's shard */

    struct partition_watch watch;
    const struct partition *watched; /* while the watch is set, of a reader of what is committed */
    int64_t stable_offset;           /* up to which it has been told */
    int64_t unstable_bytes;          /* that came behind it */
    int64_t watched_bytes;           /* that count for the whole */
    struct broker_shard *watcher; /* whose the partition is: a watch may fire while the fanout that
                                   * takes it away is being made */
};
struct fetch_work {
    struct fanout fanout;
    struct broker_request *request;
    struct fetch_item *items;
    size_t item_count;
    int32_t session_id;
    int32_t session_epoch; /* that the session must have when it is answered */
    bool incremental;
    bool waiting;     /* every watch is set */
    bool woken_early; /* woken before that */
    bool read_committed;
    size_t max_bytes;
    size_t copied_bytes; /* of records that went into the response itself */
    int64_t min_bytes;
    struct timer timer;
    struct list woken_node;
    struct loop_mail wake_mail;
    atomic_llong watched_bytes;
    atomic_bool woken;
    struct fetch_response response;
};

static void fetch_item_release_read(struct fetch_item *item)
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

/* ERR_AGAIN when the log would have to wait for the disk. */
static int fetch_read_log(struct fetch_item *item, struct partition *partition)
{
    struct fetch_work *work = item->work;
    size_t limit = item->asked.max_bytes > 0 ? (size_t)item->asked.max_bytes : 0;
    size_t *taken = &item->base.group->taken;
    size_t before = *taken;
    size_t left = before < work->max_bytes ? work->max_bytes - before : 0;
    if (fanout_item_may_load(&item->base)) {
        log_read_begin(partition->log, loop_wall_ms(partition->shard->loop));
    }
    /* The first partition with data gives a whole batch, whatever the limits say. */
    int error = log_read(partition->log, item->asked.fetch_offset, item->bound,
                         limit < left ? limit : left, *taken == 0, &item->read);
    if (error == 0 && item->read.has_range) {
        *taken += item->read.range.size;
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

static void fetch_read(struct fanout_item *base, struct partition *partition)
{
    struct fetch_item *item = CONTAINER_OF(base, struct fetch_item, base);
    item->high_watermark = item->last_stable_offset = item->log_start_offset = -1;
    item->diverging_epoch = -1;
    item->diverging_end_offset = -1;
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

/* On the partition's shard, or, through the mail, on the fetch's own. */
static void fetch_wake(struct fetch_work *work, struct broker_shard *from);

static void fetch_woken_mail(struct loop_mail *mail)
{
    struct fetch_work *work = CONTAINER_OF(mail, struct fetch_work, wake_mail);
    if (list_empty(&work->woken_node)) {
        list_push_back(&work->request->shard->woken, &work->woken_node);
    }
}

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

static void fetch_start(struct fetch_work *work,
                        void (*run)(struct fanout_item *item, struct partition *partition),
                        void (*done)(struct fanout *fanout))
{
    int error = fanout_init(&work->fanout, work->request);
    ASSERT(error == 0); /* api_fetch has taken the memory */
    work->fanout.run = run;
    work->fanout.done = done;
    for (size_t i = 0; i < work->item_count; i++) {
        if (work->items[i].known) {
            fanout_add(&work->fanout, &work->items[i].base);
        }
    }
    fanout_start(&work->fanout);
}

static bool fetch_item_is_news(const struct fetch_item *item, const struct fetch_partition *told)
{
    return item->error != 0 || item->read.has_range || item->diverging_epoch >= 0 ||
           told == NULL || told->told_high_watermark != item->high_watermark ||
           told->told_log_start_offset != item->log_start_offset;
}

/* How many of the bytes are batches in order, the first with something from offset from on, all
 * below bound: no CRC covers their base offsets. A cut batch at the end is as good as those before
 * it. */
static size_t fetch_sound_bytes(const uint8_t *data, size_t size, int64_t from, int64_t bound)
{
    int64_t next_offset = 0;
    size_t at = 0;
    while (size - at >= BATCH_HEADER_BYTES) {
        struct batch batch;
        int64_t batch_bytes = batch_view_size(data + at, size - at);
        if (batch_bytes < BATCH_HEADER_BYTES || batch_magic(data + at) != BATCH_MAGIC) {
            break; /* of an old format: told by who reads it */
        }
        batch_header_read(data + at, &batch);
        int64_t last_offset = batch_last_offset(&batch);
        if (batch.base_offset < next_offset || last_offset < batch.base_offset ||
            last_offset < from || last_offset >= bound) {
            return at;
        }
        if ((uint64_t)batch_bytes > size - at) {
            break;
        }
        next_offset = last_offset + 1;
        at += (size_t)batch_bytes;
    }
    return size;
}

/* A few records that are in memory are copied: that is cheaper than a call to send them. */
static bool fetch_copy(struct fetch_work *work, struct fetch_item *item,
                       struct records_view *records)
{
    struct io_file_range *range = &item->read.range;
    if (range->size > FETCH_COPY_BYTES || work->copied_bytes + range->size > FETCH_COPIES_BYTES) {
        return false;
    }
    uint8_t *copy = arena_alloc(&work->request->arena, range->size);
    if (copy == NULL || io_file_read_cached(range->file, copy, range->size, range->position) !=
                            (int64_t)range->size) {
        return false;
    }
    work->copied_bytes += range->size;
    *records = (struct records_view){
        .data = copy,
        .size = fetch_sound_bytes(copy, range->size, item->asked.fetch_offset, item->bound)};
    if (records->size == 0) {
        item->error = KAFKA_CORRUPT_MESSAGE;
    }
    range->release(range);
    item->copied = true;
    return true;
}

static struct records_view fetch_records(struct fetch_work *work, struct fetch_item *item)
{
    struct records_view records = {.data = (const uint8_t *)"", .size = 0};
    if (item->read.has_range && !fetch_copy(work, item, &records)) {
        records = (struct records_view){
            .data = NULL, .size = item->read.range.size, .source = &item->read.range};
    }
    return records;
}

static void fetch_fill_partition(struct broker_request *request, struct fetch_work *work,
                                 struct fetch_item *item,
                                 struct fetch_response_partition_data *out)
{
    struct records_view records = fetch_records(work, item);
    *out = (struct fetch_response_partition_data){
        .partition_index = item->asked.key.partition,
        .error_code = item->error,
        .high_watermark = item->high_watermark,
        .last_stable_offset = item->last_stable_offset,
        .log_start_offset = item->log_start_offset,
        .diverging_epoch = {item->diverging_epoch, item->diverging_end_offset},
        .current_leader = {-1, -1},
        .snapshot_id = {-1, -1},
        .preferred_read_replica = -1,
    };
    if (item->error == KAFKA_KAFKA_STORAGE_ERROR &&
        request->header.request_api_version < FETCH_STORAGE_ERROR) {
        out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    }
    if ((item->error == KAFKA_NOT_LEADER_OR_FOLLOWER ||
         item->error == KAFKA_FENCED_LEADER_EPOCH) &&
        request->header.request_api_version >= FETCH_TELLS_LEADER) {
        out->current_leader.leader_id = item->leader;
        out->current_leader.leader_epoch = item->leader_epoch;
    }
    /* A list of what was read read_committed, and of what is not there; null otherwise. */
    bool listed = work->read_committed && item->error == 0 && !item->read.cut &&
                  item->diverging_epoch < 0;
    out->aborted_transactions.items = NULL;
    out->aborted_transactions.count = listed || item->absent ? 0 : -1;
    if (item->aborted_count > 0) {
        out->aborted_transactions.items =
            arena_array(&request->arena, (size_t)item->aborted_count,
                        sizeof *out->aborted_transactions.items);
        for (int32_t i = 0; out->aborted_transactions.items != NULL && i < item->aborted_count;
             i++) {
            out->aborted_transactions.items[i] = (struct fetch_response_aborted_transaction){
                item->aborted[i].producer_id, item->aborted[i].first_offset};
            out->aborted_transactions.count = i + 1;
        }
    }
    out->records = records;
}

/* Which items are in the response: all, or what is news for the session. */
static void fetch_choose(struct fetch_work *work, struct fetch_session *session)
{
    for (size_t i = 0; i < work->item_count; i++) {
        struct fetch_item *item = &work->items[i];
        item->told = session == NULL ? NULL : fetch_session_get(session, &item->asked.key);
        item->answered = !work->incremental || fetch_item_is_news(item, item->told);
    }
}

/* How many items from i on are answered before one of another topic: what the array of the topic
 * must hold. Those that are not answered part nothing. */
static size_t fetch_same_topic(const struct fetch_work *work, size_t i)
{
    const struct fetch_key *first = &work->items[i].asked.key;
    size_t count = 0;
    for (; i < work->item_count; i++) {
        const struct fetch_key *next = &work->items[i].asked.key;
        if (!work->items[i].answered) {
            continue;
        }
        if (!uuid_equal(first->topic_id, next->topic_id) ||
            !string_view_equal(first->name, next->name)) {
            break;
        }
        count++;
    }
    ASSERT(count > 0);
    return count;
}

/* The topic of the response that item i belongs to: the last one, or a new one. */
static struct fetch_response_fetchable_topic_response *fetch_response_topic(
    struct fetch_work *work, size_t i)
{
    const struct fetch_item *item = &work->items[i];
    struct fetch_response *response = &work->response;
    if (response->responses.count > 0) {
        struct fetch_response_fetchable_topic_response *last =
            &response->responses.items[response->responses.count - 1];
        if (uuid_equal(last->topic_id, item->asked.key.topic_id) &&
            string_view_equal(last->topic, item->asked.key.name)) {
            return last;
        }
    }
    struct fetch_response_fetchable_topic_response *topic =
        &response->responses.items[response->responses.count];
    topic->topic = item->asked.key.name;
    topic->topic_id = item->asked.key.topic_id;
    topic->partitions.items = arena_array(&work->request->arena, fetch_same_topic(work, i),
                                          sizeof *topic->partitions.items);
    if (topic->partitions.items == NULL) {
        return NULL;
    }
    topic->partitions.count = 0;
    response->responses.count++;
    return topic;
}

/* Remembers what the client is told now. The first answer of a session gives its partitions their
 * order; after that, one that gave records goes to the end. */
static void fetch_remember(struct fetch_session *session, struct fetch_partition *told,
                           const struct fetch_item *item, bool incremental)
{
    told->told_high_watermark = item->error == 0 ? item->high_watermark : -1;
    told->told_log_start_offset = item->log_start_offset;
    if (!incremental || item->read.has_range) {
        list_remove(&told->node);
        list_push_back(&session->partitions, &told->node);
    }
}

/* Each shard kept to the limit by itself; together they may have read more. The first partition
 * with data keeps all of it, the others what fits. */
static void fetch_keep_limit(struct fetch_work *work)
{
    size_t given = 0;
    for (size_t i = 0; i < work->item_count; i++) {
        struct fetch_item *item = &work->items[i];
        if (!item->read.has_range) {
            continue;
        }
        if (given > 0 && given + item->read.range.size > work->max_bytes) {
            fetch_item_release_read(item);
        } else {
            given += item->read.range.size;
        }
    }
}

static void fetch_count(const struct fetch_work *work)
{
    struct metrics_shard *metrics = work->request->shard->metrics;
    int64_t failed = 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < work->item_count; i++) {
        const struct fetch_item *item = &work->items[i];
        failed += item->error != 0;
        bytes += item->read.has_range ? (int64_t)item->read.range.size : 0;
    }
    metrics_add(metrics, METRIC_TOTAL_FETCH, (int64_t)work->item_count);
    metrics_add(metrics, METRIC_FAILED_FETCH, failed);
    metrics_add(metrics, METRIC_BYTES_OUT, bytes);
}

static void fetch_unsent(void *context)
{
    struct fetch_work *work = context;
    for (size_t i = 0; i < work->item_count; i++) {
        work->items[i].read.has_range &= !work->items[i].copied;
        fetch_item_release_read(&work->items[i]);
    }
}

static void fetch_answer(struct fetch_work *work)
{
    struct broker_request *request = work->request;
    struct fetch_session *session = NULL;
    if (work->session_id != 0) {
        session = fetch_sessions_find(request->shard->sessions, work->session_id);
        if (session == NULL || session->next_epoch != work->session_epoch) {
            session = NULL;
            work->response.error_code = work->incremental ? KAFKA_INVALID_FETCH_SESSION_EPOCH : 0;
            work->session_id = 0;
        }
    }
    fetch_keep_limit(work);
    fetch_count(work);
    work->response.responses.items = arena_array(&request->arena, work->item_count,
                                                 sizeof *work->response.responses.items);
    bool usable = work->response.responses.items != NULL && work->response.error_code == 0;
    fetch_choose(work, session);
    size_t i = 0;
    for (; usable && i < work->item_count; i++) {
        struct fetch_item *item = &work->items[i];
        if (!item->answered) {
            continue;
        }
        struct fetch_response_fetchable_topic_response *topic =
            fetch_response_topic(work, i);
        if (topic == NULL) {
            break;
        }
        fetch_fill_partition(request, work, item,
                             &topic->partitions.items[topic->partitions.count++]);
        if (item->told != NULL) {
            fetch_remember(session, item->told, item, work->incremental);
        }
    }
    work->response.session_id = session != NULL ? session->id : 0;
    while (i < work->item_count) { /* what did not get into the response */
        fetch_item_release_read(&work->items[i++]);
    }
    for (i = 0; i < work->item_count; i++) {
        arena_release(&work->items[i].arena);
    }
    request->unsent = fetch_unsent;
    request->unsent_context = work;
    broker_respond(request, &work->response);
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

static bool fetch_all_absent(const struct fetch_work *work)
{
    size_t i = 0;
    while (i < work->item_count && work->items[i].absent) {
        i++;
    }
    return i == work->item_count;
}

static void fetch_first_read(struct fanout *fanout)
{
    struct fetch_work *work = CONTAINER_OF(fanout, struct fetch_work, fanout);
    const struct fetch_request *asked = work->request->message;
    int64_t bytes = 0;
    bool at_once = asked->max_wait_ms <= 0 || fetch_all_absent(work);
    for (size_t i = 0; i < work->item_count; i++) {
        const struct fetch_item *item = &work->items[i];
        bytes += item->read.has_range ? (int64_t)item->read.range.size : 0;
        at_once |= (item->error != 0 && !item->absent) || item->diverging_epoch >= 0;
    }
    if (at_once || bytes >= work->min_bytes) {
        fetch_answer(work);
        return;
    }
    for (size_t i = 0; i < work->item_count; i++) {
        fetch_item_release_read(&work->items[i]);
    }
    atomic_store(&work->watched_bytes, 0);
    fetch_start(work, fetch_watch, fetch_watched);
}

static const struct image_topic *fetch_topic(const struct fetch_work *work,
                                             const struct fetch_key *key)
{
    const struct image *image = broker_image(work->request);
    return work->request->header.request_api_version >= FETCH_BY_ID_VERSION
               ? image_topic_by_id(image, key->topic_id)
               : image_topic_by_name(image, key->name);
}

/* Why a partition of a topic that there is not, or not any more, is not read. A session that knows
 * how the topic of the id was called goes by the name. */
static int16_t fetch_absent_error(const struct fetch_work *work,
                                  const struct fetch_partition *asked)
{
    if (work->request->header.request_api_version < FETCH_BY_ID_VERSION) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (asked->resolved == NULL) {
        return KAFKA_UNKNOWN_TOPIC_ID;
    }
    const struct image_topic *other =
        image_topic_by_name(broker_image(work->request), string_view_of(asked->resolved));
    return other != NULL && asked->key.partition < other->partition_count
               ? KAFKA_INCONSISTENT_TOPIC_ID
               : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

/* The order of an answer: what is read, which as a rule is all; then unknown topic ids, then what
 * else there is not. */
enum fetch_stage {
    FETCH_STAGE_READ,
    FETCH_STAGE_UNKNOWN_ID,
    FETCH_STAGE_UNKNOWN,
    FETCH_STAGES
};

/* Adds it if it is of that stage. */
static void fetch_add_item(struct fetch_work *work, const struct fetch_partition *asked,
                           enum fetch_stage wanted)
{
    const struct fetch_key *key = &asked->key;
    const struct image_topic *topic = fetch_topic(work, key);
    int16_t error = 0;
    if (key->partition < 0 || (topic != NULL && key->partition >= topic->partition_count)) {
        error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topic == NULL) {
        error = fetch_absent_error(work, asked);
    }
    enum fetch_stage stage = error == KAFKA_UNKNOWN_TOPIC_ID               ? FETCH_STAGE_UNKNOWN_ID
                             : error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ? FETCH_STAGE_UNKNOWN
                                                                         : FETCH_STAGE_READ;
    if (stage != wanted) {
        return;
    }
    struct fetch_item *item = &work->items[work->item_count++];
    item->work = work;
    item->asked = *asked;
    item->high_watermark = item->last_stable_offset = item->log_start_offset = -1;
    item->diverging_epoch = -1;
    item->diverging_end_offset = -1;
    list_init(&item->watch.node);
    if (work->session_id != 0) {
        /* The session's copy of the name may go while this waits. */
        item->asked.key.name = arena_string(&work->request->arena, key->name);
    }
    item->error = error;
    item->absent = stage != FETCH_STAGE_READ;
    item->known = error == 0;
    if (item->known) {
        item->base.topic_id = topic->id;
        item->base.partition = key->partition;
    }
}

static size_t fetch_partition_count(const struct fetch_request *asked)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        int32_t partitions = asked->topics.items[i].partitions.count;
        count += partitions > 0 ? (size_t)partitions : 0;
    }
    return count;
}

/* Remembers what the topic of an id is called, once. */
static void fetch_resolve(const struct fetch_work *work, struct fetch_session *session,
                          struct fetch_partition *partition)
{
    bool is_new = partition->resolved == NULL && session->uses_topic_ids;
    const struct image_topic *topic = is_new ? fetch_topic(work, &partition->key) : NULL;
    if (topic != NULL) {
        fetch_session_resolve(session, partition, topic->name);
    }
}

static void fetch_add_asked(struct fetch_work *work, const struct fetch_request *asked,
                            enum fetch_stage stage)
{
    for (int32_t i = 0; i < asked->topics.count; i++) {
        const struct fetch_request_fetch_topic *topic = &asked->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            struct fetch_partition partition;
            fetch_partition_from(topic, &topic->partitions.items[j], &partition);
            fetch_add_item(work, &partition, stage);
        }
    }
}

/* Items of a full fetch, which may also open a session. */
static bool fetch_add_full(struct fetch_work *work, const struct fetch_request *asked)
{
    struct broker_request *request = work->request;
    size_t count = fetch_partition_count(asked);
    struct fetch_session *session = NULL;
    work->items = arena_array(&request->arena, count, sizeof *work->items);
    if (work->items == NULL) {
        return false;
    }
    bool by_id = request->header.request_api_version >= FETCH_BY_ID_VERSION;
    if (asked->session_epoch == 0) {
        session = fetch_sessions_open(request->shard->sessions, by_id,
                                      loop_monotonic_ms(request->shard->loop));
    }
    work->session_id = session != NULL ? session->id : 0;
    work->session_epoch = 1;
    for (int32_t i = 0; session != NULL && i < asked->topics.count; i++) {
        const struct fetch_request_fetch_topic *topic = &asked->topics.items[i];
        for (int32_t j = 0; session != NULL && j < topic->partitions.count; j++) {
            struct fetch_partition partition;
            fetch_partition_from(topic, &topic->partitions.items[j], &partition);
            if (fetch_session_put(session, &partition) != 0) {
                /* No room for a session of that size: the client does without. */
                fetch_sessions_close(request->shard->sessions, &session);
                work->session_id = 0;
            } else {
                fetch_resolve(work, session, fetch_session_get(session, &partition.key));
            }
        }
    }
    for (int stage = 0; stage < FETCH_STAGES && work->item_count < count; stage++) {
        fetch_add_asked(work, asked, (enum fetch_stage)stage);
    }
    return !request->arena.failed;
}

static bool fetch_add_incremental(struct fetch_work *work, struct fetch_session *session)
{
    struct broker_request *request = work->request;
    work->incremental = true;
    work->items = arena_array(&request->arena, (size_t)session->count, sizeof *work->items);
    if (work->items == NULL) {
        return false;
    }
    work->session_id = session->id;
    work->session_epoch = session->next_epoch;
    LIST_FOR_EACH(node, &session->partitions)
    {
        fetch_resolve(work, session, CONTAINER_OF(node, struct fetch_partition, node));
    }
    size_t count = (size_t)session->count;
    for (int stage = 0; stage < FETCH_STAGES && work->item_count < count; stage++) {
        LIST_FOR_EACH(node, &session->partitions)
        {
            fetch_add_item(work, CONTAINER_OF(node, struct fetch_partition, node),
                           (enum fetch_stage)stage);
        }
    }
    return !request->arena.failed;
}

void api_fetch(struct broker_request *request)
{
    const struct fetch_request *asked = request->message;
    struct fetch_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    work->request = request;
    work->read_committed = asked->isolation_level == 1;
    work->max_bytes = asked->max_bytes > 0 ? (size_t)asked->max_bytes : 0;
    size_t ceiling = (size_t)config_int(broker_config(request), "fetch.max.bytes");
    work->max_bytes = work->max_bytes < ceiling ? work->max_bytes : ceiling;
    work->min_bytes = asked->min_bytes < (int64_t)work->max_bytes ? asked->min_bytes
                                                                  : (int64_t)work->max_bytes;
    list_init(&work->woken_node);
    fetch_response_default(&work->response);
    struct fetch_session *session;
    bool by_id = request->header.request_api_version >= FETCH_BY_ID_VERSION;
    int16_t error = fetch_sessions_resolve(request->shard->sessions, asked, by_id,
                                           loop_monotonic_ms(request->shard->loop), &session);
    if (error != 0) {
        work->response.error_code = error;
        broker_respond(request, &work->response);
        return;
    }
    if (session != NULL && fetch_session_update(session, asked) != 0) {
        /* No room: the client begins anew, and is told to do without. */
        fetch_sessions_close(request->shard->sessions, &session);
        work->response.error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        broker_respond(request, &work->response);
        return;
    }
    if (session != NULL && session->count == 0) {
        /* It ends, and what the request names is fetched without it. */
        fetch_sessions_close(request->shard->sessions, &session);
    }
    bool added = session != NULL ? fetch_add_incremental(work, session)
                                 : fetch_add_full(work, asked);
    if (!added) {
        broker_respond_close(request);
        return;
    }
    fetch_start(work, fetch_read, fetch_first_read);
}
