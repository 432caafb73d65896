/* fetch_answer.c: the response of a Fetch, and what its session remembers of it. */
#include "base/assert.h"
#include "base/limits.h"
#include "broker/fetch_internal.h"

#define FETCH_TELLS_LEADER 16
#define FETCH_TELLS_DIVERGENCE 12
#define FETCH_STORAGE_ERROR 6 /* older clients do not know KAFKA_STORAGE_ERROR */

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

/* A session that a newer version gave an epoch to check, and that an older one goes on with: Kafka
 * cannot say there that logs diverge, and fails. */
static bool fetch_is_unspeakable(const struct fetch_work *work)
{
    bool found = false;
    for (size_t i = 0; i < work->item_count; i++) {
        found |= work->items[i].answered && work->items[i].diverging_epoch >= 0;
    }
    return found && work->request->header.request_api_version < FETCH_TELLS_DIVERGENCE;
}

/* Each partition that was asked for has the error, too. */
static void fetch_refuse_version(struct fetch_work *work)
{
    const struct fetch_request *asked = work->request->message;
    struct arena *arena = &work->request->arena;
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    struct fetch_response_fetchable_topic_response *topics =
        arena_array(arena, count, sizeof *topics);
    for (size_t i = 0; topics != NULL && i < count; i++) {
        const struct fetch_request_fetch_topic *from = &asked->topics.items[i];
        size_t parts = from->partitions.count > 0 ? (size_t)from->partitions.count : 0;
        struct fetch_response_partition_data *out = arena_array(arena, parts, sizeof *out);
        for (size_t j = 0; out != NULL && j < parts; j++) {
            out[j] = (struct fetch_response_partition_data){
                .partition_index = from->partitions.items[j].partition,
                .error_code = KAFKA_UNSUPPORTED_VERSION,
                .high_watermark = -1,
                .last_stable_offset = -1,
                .log_start_offset = -1,
                .diverging_epoch = {-1, -1},
                .current_leader = {-1, -1},
                .snapshot_id = {-1, -1},
                .preferred_read_replica = -1,
                .records = {.data = (const uint8_t *)""},
            };
        }
        topics[i].topic = from->topic;
        topics[i].partitions.items = out;
        topics[i].partitions.count = (int32_t)parts;
    }
    work->response.error_code = KAFKA_UNSUPPORTED_VERSION;
    work->response.session_id = asked->session_id;
    work->response.responses.items = topics;
    work->response.responses.count = arena->failed ? 0 : (int32_t)count;
}

void fetch_answer(struct fetch_work *work)
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
    if (fetch_is_unspeakable(work)) {
        fetch_refuse_version(work);
        fetch_unsent(work);
    }
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
