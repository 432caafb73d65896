#include <stdlib.h>

#include "base/mem.h"
#include "broker/fanout.h"
#include "broker/handlers_data.h"
#include "broker/partition_move.h"
#include "metadata/topic_name.h"

struct alter_item {
    struct fanout_item base;
    struct string_view topic;
    struct broker_dir *to;
    size_t order; /* of two for one partition the later counts */
    int16_t error;
};
struct alter_work {
    struct fanout fanout;
    struct alter_item *items; /* by topic and partition, each once */
    size_t count;
    struct alter_replica_log_dirs_response response;
};

static void alter_run(struct fanout_item *base, struct partition *partition)
{
    struct alter_item *item = CONTAINER_OF(base, struct alter_item, base);
    item->error = partition == NULL ? KAFKA_NOT_LEADER_OR_FOLLOWER
                                    : partition_move_to(partition, item->to);
    fanout_item_done(base);
}

/* How many items from i on are of its topic. */
static size_t alter_same_topic(const struct alter_work *work, size_t i)
{
    size_t end = i;
    while (end < work->count && string_view_equal(work->items[end].topic, work->items[i].topic)) {
        end++;
    }
    return end - i;
}

static void alter_done(struct fanout *fanout)
{
    struct alter_work *work = CONTAINER_OF(fanout, struct alter_work, fanout);
    struct broker_request *request = fanout->request;
    struct alter_replica_log_dirs_response *response = &work->response;
    struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result *topic = NULL;
    response->results.items =
        arena_array(&request->arena, work->count, sizeof *response->results.items);
    for (size_t i = 0; response->results.items != NULL && i < work->count; i++) {
        const struct alter_item *item = &work->items[i];
        if (topic == NULL || !string_view_equal(topic->topic_name, item->topic)) {
            topic = &response->results.items[response->results.count++];
            topic->topic_name = item->topic;
            topic->partitions.items = arena_array(
                &request->arena, alter_same_topic(work, i), sizeof *topic->partitions.items);
            if (topic->partitions.items == NULL) {
                break;
            }
        }
        topic->partitions.items[topic->partitions.count++] =
            (struct alter_replica_log_dirs_response_alter_replica_log_dir_partition_result){
                .partition_index = item->base.partition, .error_code = item->error};
    }
    broker_respond(request, response);
}

static struct broker_dir *alter_find_dir(struct broker *broker, struct string_view path)
{
    for (int32_t i = 0; i < broker->options.dir_count; i++) {
        if (string_view_is(path, broker->dirs[i].dir->path)) {
            return &broker->dirs[i];
        }
    }
    return NULL;
}

static void alter_begin(struct alter_work *work, struct alter_item *item)
{
    struct broker_request *request = work->fanout.request;
    const struct image_topic *topic = image_topic_by_name(broker_image(request), item->topic);
    int32_t partition = item->base.partition;
    if (!partition_move_has_name(item->topic, partition)) {
        item->error = KAFKA_INVALID_TOPIC_EXCEPTION;
    } else if (item->to == NULL) {
        item->error = KAFKA_LOG_DIR_NOT_FOUND;
    } else if (atomic_load(&item->to->offline)) {
        item->error = KAFKA_KAFKA_STORAGE_ERROR;
    } else if (atomic_load(&item->to->cordoned)) {
        item->error = KAFKA_INVALID_REPLICA_ASSIGNMENT;
    } else if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        item->error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        struct err_message message;
        if (partition >= 0 && topic_name_check(item->topic, &message) == 0) {
            preferred_dirs_note(&request->shard->broker->preferred_dirs, item->topic, partition,
                                item->to);
        }
    } else {
        item->base.topic_id = topic->id;
        fanout_add(&work->fanout, &item->base);
    }
}

static int alter_order(const void *a, const void *b)
{
    const struct alter_item *left = a;
    const struct alter_item *right = b;
    int order = string_view_compare(left->topic, right->topic);
    if (order == 0) {
        order = (left->base.partition > right->base.partition) -
                (left->base.partition < right->base.partition);
    }
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

static void alter_begin_all(struct alter_work *work)
{
    size_t kept = 0;
    qsort(work->items, work->count, sizeof *work->items, alter_order);
    for (size_t i = 0; i < work->count; i++) {
        const struct alter_item *item = &work->items[i];
        const struct alter_item *last = &work->items[kept > 0 ? kept - 1 : 0];
        bool again = kept > 0 && item->base.partition == last->base.partition &&
                     string_view_equal(item->topic, last->topic);
        work->items[again ? kept - 1 : kept++] = *item;
    }
    work->count = kept;
    for (size_t i = 0; i < kept; i++) {
        alter_begin(work, &work->items[i]);
    }
}

static size_t alter_count(const struct alter_replica_log_dirs_request *asked)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->dirs.count; i++) {
        for (int32_t j = 0; j < asked->dirs.items[i].topics.count; j++) {
            count += (size_t)asked->dirs.items[i].topics.items[j].partitions.count;
        }
    }
    return count;
}

void api_alter_replica_log_dirs(struct broker_request *request)
{
    const struct alter_replica_log_dirs_request *asked = request->message;
    struct alter_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    alter_replica_log_dirs_response_default(&work->response);
    work->fanout.run = alter_run;
    work->fanout.done = alter_done;
    work->items = arena_array(&request->arena, alter_count(asked), sizeof *work->items);
    for (int32_t i = 0; work->items != NULL && i < asked->dirs.count; i++) {
        const struct alter_replica_log_dirs_request_alter_replica_log_dir *dir =
            &asked->dirs.items[i];
        struct broker_dir *to = alter_find_dir(request->shard->broker, dir->path);
        for (int32_t j = 0; j < dir->topics.count; j++) {
            for (int32_t k = 0; k < dir->topics.items[j].partitions.count; k++) {
                work->items[work->count] =
                    (struct alter_item){.base.partition = dir->topics.items[j].partitions.items[k],
                                        .topic = dir->topics.items[j].name,
                                        .to = to,
                                        .order = work->count};
                work->count++;
            }
        }
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    alter_begin_all(work);
    fanout_start(&work->fanout);
}
