/* api_fetch.c: Fetch: what is asked for, by the request or by its session. */
#include "base/assert.h"
#include "broker/fetch_internal.h"
#include "broker/handlers_data.h"

void fetch_start(struct fetch_work *work,
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
        /* Kafka takes that for a log that was cut off. */
        at_once |= item->error == 0 && !item->absent && item->is_beyond;
    }
    if (at_once || bytes >= work->min_bytes) {
        fetch_answer(work);
    } else {
        fetch_wait(work);
    }
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
