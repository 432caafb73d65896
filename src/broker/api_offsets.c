/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords: one answer a partition. */
#include "broker/checkpoints.h"
#include "broker/fanout.h"
#include "broker/handlers_data.h"

#define TIMESTAMP_LATEST (-1)
#define TIMESTAMP_EARLIEST (-2)
#define TIMESTAMP_MAX (-3)
#define TIMESTAMP_EARLIEST_LOCAL (-4)
#define TIMESTAMP_LATEST_TIERED (-5)
#define TIMESTAMP_EARLIEST_PENDING_UPLOAD (-6)
#define DEBUG_REPLICA_ID (-2)

/* One partition of any of the three. */
struct offsets_item {
    struct fanout_item base;
    int32_t current_leader_epoch;
    int64_t asked; /* timestamp, leader epoch or offset */
    bool read_committed;
    bool to_log_end; /* followers and debuggers see past the high watermark */
    int16_t error;
    struct log_offset found;
    void *response;
};
struct offsets_work {
    struct fanout fanout;
    struct offsets_item *items;
    size_t item_count;
    union {
        struct list_offsets_response list;
        struct offset_for_leader_epoch_response epochs;
        struct delete_records_response deleted;
    } response;
};

static struct offsets_work *offsets_start(struct broker_request *request, size_t partitions,
                                          void (*run)(struct fanout_item *, struct partition *),
                                          void (*done)(struct fanout *))
{
    struct offsets_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        return NULL;
    }
    work->items = arena_array(&request->arena, partitions, sizeof *work->items);
    work->fanout.run = run;
    work->fanout.done = done;
    return work->items == NULL ? NULL : work;
}

/* An item for a partition that is in the image; NULL: it is not. */
static struct offsets_item *offsets_add(struct offsets_work *work, struct string_view topic_name,
                                        int32_t partition)
{
    const struct image_topic *topic =
        image_topic_by_name(broker_image(work->fanout.request), topic_name);
    if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        return NULL;
    }
    struct offsets_item *item = &work->items[work->item_count++];
    item->base.topic_id = topic->id;
    item->base.partition = partition;
    item->found = (struct log_offset){-1, -1, -1};
    fanout_add(&work->fanout, &item->base);
    return item;
}

static int list_offsets_find(struct offsets_item *item, struct partition *partition)
{
    struct log *log = partition->log;
    int64_t bound = item->to_log_end      ? log_end_offset(log)
                    : item->read_committed ? log_last_stable_offset(log, partition->high_watermark)
                                           : partition->high_watermark;
    int64_t start = log_start_offset(log);
    int error = 0;
    switch (item->asked) {
    case TIMESTAMP_LATEST:
        item->found = (struct log_offset){bound, -1, partition->leader_epoch};
        break;
    case TIMESTAMP_EARLIEST:
    case TIMESTAMP_EARLIEST_LOCAL:
        item->found = (struct log_offset){start, -1, log_epoch_of_offset(log, start)};
        break;
    case TIMESTAMP_LATEST_TIERED:
    case TIMESTAMP_EARLIEST_PENDING_UPLOAD:
        break; /* there is no tiered storage */
    case TIMESTAMP_MAX:
        error = log_offset_of_max_timestamp(log, &item->found);
        break;
    default:
        error = log_offset_by_timestamp(log, item->asked, bound, &item->found);
        break;
    }
    if (item->found.offset >= bound && item->asked != TIMESTAMP_LATEST &&
        item->asked != TIMESTAMP_EARLIEST && item->asked != TIMESTAMP_EARLIEST_LOCAL) {
        item->found = (struct log_offset){-1, -1, -1};
    }
    return error;
}

static void list_offsets_run(struct fanout_item *base, struct partition *partition)
{
    struct offsets_item *item = CONTAINER_OF(base, struct offsets_item, base);
    item->error = partition_check_leader(partition, item->current_leader_epoch);
    if (item->error == 0) {
        int error = list_offsets_find(item, partition);
        item->error = error != 0 ? partition_fault(partition, error) : 0;
    }
    fanout_item_done(base);
}

static void list_offsets_done(struct fanout *fanout)
{
    struct offsets_work *work = CONTAINER_OF(fanout, struct offsets_work, fanout);
    for (size_t i = 0; i < work->item_count; i++) {
        const struct offsets_item *item = &work->items[i];
        struct list_offsets_response_list_offsets_partition_response *out = item->response;
        out->error_code = item->error;
        if (item->error == 0) {
            out->offset = item->found.offset;
            out->timestamp = item->found.timestamp_ms;
            if (fanout->request->header.request_api_version >= 4) {
                out->leader_epoch = item->found.leader_epoch; /* older ones cannot carry it */
            }
        }
    }
    broker_respond(fanout->request, &work->response.list);
}

/* The first version that knows each special timestamp. */
static bool timestamp_is_known(int64_t timestamp, int16_t version)
{
    static const int16_t first_version[] = {[1] = 1, [2] = 1, [3] = 7, [4] = 8, [5] = 9, [6] = 11};
    return timestamp >= 0 || (timestamp >= TIMESTAMP_EARLIEST_PENDING_UPLOAD &&
                              version >= first_version[-timestamp]);
}

static bool list_offsets_repeats(const struct list_offsets_request *asked, int32_t topic,
                                 int32_t partition)
{
    const struct list_offsets_request_list_offsets_topic *this = &asked->topics.items[topic];
    int32_t index = this->partitions.items[partition].partition_index;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        const struct list_offsets_request_list_offsets_topic *other = &asked->topics.items[i];
        if (i != topic && !string_view_equal(other->name, this->name)) {
            continue;
        }
        for (int32_t j = 0; j < other->partitions.count; j++) {
            if ((i != topic || j != partition) &&
                other->partitions.items[j].partition_index == index) {
                return true;
            }
        }
    }
    return false;
}

/* Whether the partition was asked for before in its topic: it is answered once. */
static bool list_offsets_came(const struct list_offsets_request_list_offsets_topic *topic,
                              int32_t partition)
{
    for (int32_t i = 0; i < partition; i++) {
        if (topic->partitions.items[i].partition_index ==
            topic->partitions.items[partition].partition_index) {
            return true;
        }
    }
    return false;
}

static void list_offsets_add(struct offsets_work *work, const struct list_offsets_request *asked,
                             int32_t topic_index, int32_t partition_index,
                             struct list_offsets_response_list_offsets_partition_response *out)
{
    const struct list_offsets_request_list_offsets_topic *topic =
        &asked->topics.items[topic_index];
    const struct list_offsets_request_list_offsets_partition *partition =
        &topic->partitions.items[partition_index];
    *out = (struct list_offsets_response_list_offsets_partition_response){
        .partition_index = partition->partition_index,
        .timestamp = -1,
        .offset = -1,
        .leader_epoch = -1,
    };
    if (list_offsets_repeats(asked, topic_index, partition_index)) {
        out->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    if (!timestamp_is_known(partition->timestamp,
                            work->fanout.request->header.request_api_version)) {
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        return;
    }
    struct offsets_item *item = offsets_add(work, topic->name, partition->partition_index);
    if (item == NULL) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    item->response = out;
    item->asked = partition->timestamp;
    item->current_leader_epoch = partition->current_leader_epoch;
    item->read_committed = asked->isolation_level == 1;
    item->to_log_end = asked->replica_id >= 0 || asked->replica_id == DEBUG_REPLICA_ID;
}

void api_list_offsets(struct broker_request *request)
{
    const struct list_offsets_request *asked = request->message;
    size_t partitions = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        partitions += (size_t)asked->topics.items[i].partitions.count;
    }
    struct offsets_work *work =
        offsets_start(request, partitions, list_offsets_run, list_offsets_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    struct list_offsets_response *response = &work->response.list;
    list_offsets_response_default(response);
    response->topics.items = arena_array(&request->arena, (size_t)asked->topics.count,
                                         sizeof *response->topics.items);
    for (int32_t i = 0; !request->arena.failed && i < asked->topics.count; i++) {
        struct list_offsets_response_list_offsets_topic_response *out = &response->topics.items[i];
        int32_t count = asked->topics.items[i].partitions.count;
        out->name = asked->topics.items[i].name;
        out->partitions.items =
            arena_array(&request->arena, (size_t)count, sizeof *out->partitions.items);
        out->partitions.count = 0;
        for (int32_t j = 0; out->partitions.items != NULL && j < count; j++) {
            if (!list_offsets_came(&asked->topics.items[i], j)) {
                list_offsets_add(work, asked, i, j,
                                 &out->partitions.items[out->partitions.count++]);
            }
        }
        response->topics.count = i + 1;
    }
    fanout_start(&work->fanout);
}

static void leader_epoch_run(struct fanout_item *base, struct partition *partition)
{
    struct offsets_item *item = CONTAINER_OF(base, struct offsets_item, base);
    item->error = partition_check_leader(partition, item->current_leader_epoch);
    if (item->error == 0) {
        log_epoch_end_offset(partition->log, (int32_t)item->asked, &item->found.leader_epoch,
                             &item->found.offset);
    }
    fanout_item_done(base);
}

static void leader_epoch_done(struct fanout *fanout)
{
    struct offsets_work *work = CONTAINER_OF(fanout, struct offsets_work, fanout);
    for (size_t i = 0; i < work->item_count; i++) {
        const struct offsets_item *item = &work->items[i];
        struct offset_for_leader_epoch_response_epoch_end_offset *out = item->response;
        out->error_code = item->error;
        out->leader_epoch = item->found.leader_epoch;
        out->end_offset = item->found.offset;
    }
    broker_respond(fanout->request, &work->response.epochs);
}

static void leader_epoch_add(
    struct offsets_work *work,
    const struct offset_for_leader_epoch_request_offset_for_leader_topic *topic, int32_t index,
    struct offset_for_leader_epoch_response_epoch_end_offset *out)
{
    const struct offset_for_leader_epoch_request_offset_for_leader_partition *partition =
        &topic->partitions.items[index];
    *out = (struct offset_for_leader_epoch_response_epoch_end_offset){
        .partition = partition->partition, .leader_epoch = -1, .end_offset = -1};
    struct offsets_item *item = offsets_add(work, topic->topic, partition->partition);
    if (item == NULL) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    item->response = out;
    item->asked = partition->leader_epoch;
    item->current_leader_epoch = partition->current_leader_epoch;
}

void api_offset_for_leader_epoch(struct broker_request *request)
{
    const struct offset_for_leader_epoch_request *asked = request->message;
    size_t partitions = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        partitions += (size_t)asked->topics.items[i].partitions.count;
    }
    struct offsets_work *work =
        offsets_start(request, partitions, leader_epoch_run, leader_epoch_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    struct offset_for_leader_epoch_response *response = &work->response.epochs;
    offset_for_leader_epoch_response_default(response);
    response->topics.items = arena_array(&request->arena, (size_t)asked->topics.count,
                                         sizeof *response->topics.items);
    for (int32_t i = 0; !request->arena.failed && i < asked->topics.count; i++) {
        struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out =
            &response->topics.items[i];
        int32_t count = asked->topics.items[i].partitions.count;
        out->topic = asked->topics.items[i].topic;
        out->partitions.items =
            arena_array(&request->arena, (size_t)count, sizeof *out->partitions.items);
        out->partitions.count = out->partitions.items == NULL ? 0 : count;
        for (int32_t j = 0; j < out->partitions.count; j++) {
            leader_epoch_add(work, &asked->topics.items[i], j, &out->partitions.items[j]);
        }
        response->topics.count = i + 1;
    }
    fanout_start(&work->fanout);
}

static int16_t delete_records_to(struct offsets_item *item, struct partition *partition)
{
    const struct log_config *config = log_config(partition->log);
    if (config->clean_compact && !config->clean_delete) {
        return KAFKA_POLICY_VIOLATION;
    }
    int64_t offset = item->asked == -1 ? partition->high_watermark : item->asked;
    if (offset < 0 || offset > partition->high_watermark) {
        return KAFKA_OFFSET_OUT_OF_RANGE;
    }
    int error = log_raise_start_offset(partition->log, offset);
    checkpoints_note(partition->shard);
    item->found.offset = log_start_offset(partition->log);
    return error != 0 ? partition_fault(partition, error) : 0;
}

static void delete_records_run(struct fanout_item *base, struct partition *partition)
{
    struct offsets_item *item = CONTAINER_OF(base, struct offsets_item, base);
    item->error = partition_check_leader(partition, -1);
    if (item->error == 0) {
        item->error = delete_records_to(item, partition);
    }
    fanout_item_done(base);
}

static void delete_records_done(struct fanout *fanout)
{
    struct offsets_work *work = CONTAINER_OF(fanout, struct offsets_work, fanout);
    for (size_t i = 0; i < work->item_count; i++) {
        const struct offsets_item *item = &work->items[i];
        struct delete_records_response_delete_records_partition_result *out = item->response;
        out->error_code = item->error;
        out->low_watermark = item->error == 0 ? item->found.offset : -1;
    }
    broker_respond(fanout->request, &work->response.deleted);
}

static void delete_records_add(struct offsets_work *work,
                               const struct delete_records_request_delete_records_topic *topic,
                               int32_t index,
                               struct delete_records_response_delete_records_partition_result *out)
{
    const struct delete_records_request_delete_records_partition *partition =
        &topic->partitions.items[index];
    *out = (struct delete_records_response_delete_records_partition_result){
        .partition_index = partition->partition_index, .low_watermark = -1};
    struct offsets_item *item = offsets_add(work, topic->name, partition->partition_index);
    if (item == NULL) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    item->response = out;
    item->asked = partition->offset;
}

void api_delete_records(struct broker_request *request)
{
    const struct delete_records_request *asked = request->message;
    size_t partitions = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        partitions += (size_t)asked->topics.items[i].partitions.count;
    }
    struct offsets_work *work =
        offsets_start(request, partitions, delete_records_run, delete_records_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    struct delete_records_response *response = &work->response.deleted;
    delete_records_response_default(response);
    response->topics.items = arena_array(&request->arena, (size_t)asked->topics.count,
                                         sizeof *response->topics.items);
    for (int32_t i = 0; !request->arena.failed && i < asked->topics.count; i++) {
        struct delete_records_response_delete_records_topic_result *out =
            &response->topics.items[i];
        int32_t count = asked->topics.items[i].partitions.count;
        out->name = asked->topics.items[i].name;
        out->partitions.items =
            arena_array(&request->arena, (size_t)count, sizeof *out->partitions.items);
        out->partitions.count = out->partitions.items == NULL ? 0 : count;
        for (int32_t j = 0; j < out->partitions.count; j++) {
            delete_records_add(work, &asked->topics.items[i], j, &out->partitions.items[j]);
        }
        response->topics.count = i + 1;
    }
    fanout_start(&work->fanout);
}
