/* WriteTxnMarkers: a coordinator of transactions elsewhere, or an administrator who ends a
 * transaction that hangs, writes markers to partitions here. */
#include "base/assert.h"
#include "broker/broker.h"
#include "broker/handlers_transaction.h"
#include "broker/request.h"
#include "broker/transaction_markers.h"
#include "protocol/messages.h"

typedef struct write_txn_markers_request_writable_txn_marker asked_marker;
typedef struct write_txn_markers_response_writable_txn_marker_result told_marker;
typedef struct write_txn_markers_response_writable_txn_marker_topic_result told_topic;
typedef struct write_txn_markers_response_writable_txn_marker_partition_result told_partition;

struct markers_work;
struct markers_item {
    struct marker_item item;
    struct markers_work *work;
    told_partition *told;
};
struct markers_work {
    struct broker_request *request;
    struct write_txn_markers_response response;
    struct markers_item *items;
    size_t left;
    size_t fatal; /* the first marker that no batch can carry: those before it are written, and the
                   * whole request fails; SIZE_MAX: there is none */
};

static void markers_part(struct markers_work *work)
{
    ASSERT(work->left > 0);
    if (--work->left == 0) {
        broker_respond(work->request, &work->response);
    }
}

static void item_done(struct marker_item *base)
{
    struct markers_item *item = CONTAINER_OF(base, struct markers_item, item);
    item->told->error_code = item->work->fatal != SIZE_MAX ? KAFKA_UNKNOWN_SERVER_ERROR
                                                           : base->error;
    markers_part(item->work);
}

static size_t markers_count(const struct write_txn_markers_request *asked)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->markers.count; i++) {
        for (int32_t j = 0; j < asked->markers.items[i].topics.count; j++) {
            int32_t more = asked->markers.items[i].topics.items[j].partition_indexes.count;
            count += more > 0 ? (size_t)more : 0;
        }
    }
    return count;
}

/* The result of a producer: what is said of it twice is told together. NULL: no memory. */
static told_marker *result_of(struct markers_work *work, int64_t producer_id)
{
    struct write_txn_markers_response *response = &work->response;
    for (int32_t i = 0; i < response->markers.count; i++) {
        if (response->markers.items[i].producer_id == producer_id) {
            return &response->markers.items[i];
        }
    }
    told_marker *marker = &response->markers.items[response->markers.count++];
    *marker = (told_marker){.producer_id = producer_id};
    return marker;
}

static told_topic *result_topic(struct markers_work *work, told_marker *marker,
                                struct string_view name, size_t room)
{
    struct arena *arena = &work->request->arena;
    for (int32_t i = 0; i < marker->topics.count; i++) {
        told_topic *topic = &marker->topics.items[i];
        if (string_view_equal(topic->name, name)) {
            return topic;
        }
    }
    told_topic *more =
        arena_array(arena, (size_t)marker->topics.count + 1, sizeof(told_topic));
    if (more == NULL) {
        return NULL;
    }
    if (marker->topics.count > 0) {
        memcpy(more, marker->topics.items, (size_t)marker->topics.count * sizeof *more);
    }
    marker->topics.items = more;
    told_topic *topic = &more[marker->topics.count];
    *topic = (told_topic){.name = name};
    topic->partitions.items = arena_array(arena, room, sizeof(told_partition));
    if (topic->partitions.items == NULL) {
        return NULL;
    }
    marker->topics.count++;
    return topic;
}

/* Room for a place of every partition that is asked about; false: no memory. */
static bool markers_place(struct markers_work *work, size_t room)
{
    const struct write_txn_markers_request *asked = work->request->message;
    for (int32_t i = 0; i < asked->markers.count; i++) {
        const asked_marker *from = &asked->markers.items[i];
        for (int32_t j = 0; j < from->topics.count; j++) {
            /* Nothing is told of a marker for no partition. */
            if (from->topics.items[j].partition_indexes.count > 0 &&
                result_topic(work, result_of(work, from->producer_id), from->topics.items[j].name,
                             room) == NULL) {
                return false;
            }
        }
    }
    return true;
}

static bool partition_is_known(const struct image_topic *topic, int32_t index)
{
    return topic != NULL && index >= 0 && index < topic->partition_count;
}

/* Whether there is a partition that a marker would be written to. */
static bool marker_has_partition(const struct broker_request *request, const asked_marker *from)
{
    for (int32_t i = 0; i < from->topics.count; i++) {
        const struct image_topic *topic =
            image_topic_by_name(broker_image(request), from->topics.items[i].name);
        for (int32_t j = 0; j < from->topics.items[i].partition_indexes.count; j++) {
            if (partition_is_known(topic, from->topics.items[i].partition_indexes.items[j])) {
                return true;
            }
        }
    }
    return false;
}

static size_t markers_fatal(const struct broker_request *request)
{
    const struct write_txn_markers_request *asked = request->message;
    for (int32_t i = 0; i < asked->markers.count; i++) {
        const asked_marker *from = &asked->markers.items[i];
        if ((from->producer_id < 0 || from->producer_epoch < 0) &&
            marker_has_partition(request, from)) {
            return (size_t)i;
        }
    }
    return SIZE_MAX;
}

static void markers_send(struct markers_work *work, size_t number, told_topic *to, int32_t index)
{
    const struct write_txn_markers_request *asked = work->request->message;
    const asked_marker *from = &asked->markers.items[number];
    struct broker_request *request = work->request;
    const struct image_topic *topic = image_topic_by_name(broker_image(request), to->name);
    told_partition *told = NULL;
    for (int32_t i = 0; i < to->partitions.count; i++) {
        if (to->partitions.items[i].partition_index == index) {
            told = &to->partitions.items[i];
        }
    }
    if (told == NULL) {
        told = &to->partitions.items[to->partitions.count++];
    }
    *told = (told_partition){index, 0};
    if (!partition_is_known(topic, index) || number >= work->fatal) {
        told->error_code = work->fatal != SIZE_MAX ? KAFKA_UNKNOWN_SERVER_ERROR
                                                   : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct markers_item *item = work->items++;
    *item = (struct markers_item){.work = work, .told = told};
    item->item.home = request->shard;
    item->item.done = item_done;
    item->item.marker =
        (struct runtime_marker){.producer_id = from->producer_id,
                                .offset = -1,
                                .commit = from->transaction_result,
                                .producer_epoch = from->producer_epoch,
                                .coordinator_epoch = from->coordinator_epoch,
                                .transaction_version = from->transaction_version};
    work->left++;
    marker_write(&item->item, topic, index);
}

void api_write_txn_markers(struct broker_request *request)
{
    const struct write_txn_markers_request *asked = request->message;
    struct markers_work *work = arena_alloc(&request->arena, sizeof *work);
    size_t room = markers_count(asked);
    size_t count = asked->markers.count > 0 ? (size_t)asked->markers.count : 0;
    if (work != NULL) {
        work->request = request;
        work->fatal = markers_fatal(request);
        write_txn_markers_response_default(&work->response);
        work->response.markers.items =
            arena_array(&request->arena, count, sizeof *work->response.markers.items);
        work->items = arena_array(&request->arena, room, sizeof *work->items);
    }
    if (request->arena.failed || !markers_place(work, room)) {
        broker_respond_close(request);
        return;
    }
    work->left = 1;
    for (size_t i = 0; i < count; i++) {
        const asked_marker *from = &asked->markers.items[i];
        for (int32_t j = 0; j < from->topics.count; j++) {
            told_topic *topic =
                from->topics.items[j].partition_indexes.count <= 0
                    ? NULL
                    : result_topic(work, result_of(work, from->producer_id),
                                   from->topics.items[j].name, room);
            for (int32_t k = 0; k < from->topics.items[j].partition_indexes.count; k++) {
                markers_send(work, i, topic, from->topics.items[j].partition_indexes.items[k]);
            }
        }
    }
    markers_part(work);
}
