#include <stdlib.h>

#include "base/mem.h"
#include "broker/cordon.h"
#include "broker/fanout.h"
#include "broker/handlers_data.h"
#include "broker/partition_move.h"
#include "io/system.h"

struct log_dirs_item {
    struct fanout_item base;
    struct string_view topic;
    bool found;
    const struct broker_dir *dir;
    int64_t size_bytes;
    const struct broker_dir *to; /* where it is moving; NULL: nowhere */
    int64_t copied_bytes;
    int64_t offset_lag;
};
struct log_dirs_work {
    struct fanout fanout;
    struct log_dirs_item *items;
    size_t item_count;
    struct describe_log_dirs_response response;
};

static void log_dirs_run(struct fanout_item *base, struct partition *partition)
{
    struct log_dirs_item *item = CONTAINER_OF(base, struct log_dirs_item, base);
    if (partition != NULL && partition->log != NULL) {
        item->found = true;
        item->dir = partition->dir;
        item->size_bytes = log_size_bytes(partition->log);
        item->to = partition_move_view(partition, &item->offset_lag, &item->copied_bytes);
    }
    fanout_item_done(base);
}

/* Whether the directory has the partition, or a copy of it that is being made. */
static bool log_dirs_has(const struct broker_dir *dir, const struct log_dirs_item *item)
{
    return item->found && (item->dir == dir || item->to == dir);
}

/* How many items from i on are in the directory before one of another topic is. */
static size_t log_dirs_same_topic(const struct log_dirs_work *work, const struct broker_dir *dir,
                                  size_t i)
{
    struct string_view name = work->items[i].topic;
    size_t count = 0;
    for (; i < work->item_count; i++) {
        const struct log_dirs_item *item = &work->items[i];
        if (!log_dirs_has(dir, item)) {
            continue;
        }
        if (!string_view_equal(item->topic, name)) {
            break;
        }
        count++;
    }
    ASSERT(count > 0);
    return count;
}

static void log_dirs_fill_topics(struct log_dirs_work *work, const struct broker_dir *dir,
                                 struct describe_log_dirs_response_describe_log_dirs_result *out)
{
    struct arena *arena = &work->fanout.request->arena;
    out->topics.items = arena_array(arena, work->item_count, sizeof *out->topics.items);
    struct describe_log_dirs_response_describe_log_dirs_topic *topic = NULL;
    for (size_t i = 0; out->topics.items != NULL && i < work->item_count; i++) {
        const struct log_dirs_item *item = &work->items[i];
        if (!log_dirs_has(dir, item)) {
            continue;
        }
        if (topic == NULL || !string_view_equal(topic->name, item->topic)) {
            topic = &out->topics.items[out->topics.count++];
            topic->name = item->topic;
            topic->partitions.items = arena_array(arena, log_dirs_same_topic(work, dir, i),
                                                  sizeof *topic->partitions.items);
            if (topic->partitions.items == NULL) {
                return;
            }
        }
        bool is_copy = item->dir != dir;
        topic->partitions.items[topic->partitions.count++] =
            (struct describe_log_dirs_response_describe_log_dirs_partition){
                .partition_index = item->base.partition,
                .partition_size = is_copy ? item->copied_bytes : item->size_bytes,
                .offset_lag = is_copy ? item->offset_lag : 0,
                .is_future_key = is_copy};
    }
}

static void log_dirs_done(struct fanout *fanout)
{
    struct log_dirs_work *work = CONTAINER_OF(fanout, struct log_dirs_work, fanout);
    struct broker_request *request = fanout->request;
    struct broker *broker = request->shard->broker;
    size_t count = (size_t)broker->options.dir_count;
    bool known = image_feature_level(broker_image(request), "metadata.version") >=
                 CORDON_METADATA_VERSION;
    struct describe_log_dirs_response *response = &work->response;
    response->results.items = arena_array(&request->arena, count, sizeof *response->results.items);
    for (size_t i = 0; response->results.items != NULL && i < count; i++) {
        struct describe_log_dirs_response_describe_log_dirs_result *out =
            &response->results.items[response->results.count++];
        const struct broker_dir *dir = &broker->dirs[i];
        out->log_dir = string_view_of(dir->dir->path);
        out->total_bytes = out->usable_bytes = -1;
        out->is_cordoned = known && atomic_load(&dir->cordoned);
        if (atomic_load(&dir->offline)) {
            out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
            continue;
        }
        /* Left at -1 where it cannot be told. */
        (void)io_disk_space(dir->dir->path, &out->total_bytes, &out->usable_bytes);
        log_dirs_fill_topics(work, dir, out);
    }
    if (request->arena.failed) { /* a directory would seem to have less than it has */
        broker_respond_close(request);
        return;
    }
    broker_respond(request, response);
}

/* Notes what is asked; it is looked for once all is noted. */
static void log_dirs_note(struct log_dirs_work *work, const struct image_topic *topic,
                          int32_t partition)
{
    if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        return;
    }
    struct log_dirs_item *item = &work->items[work->item_count++];
    item->base.topic_id = topic->id;
    item->base.partition = partition;
    /* Borrowed from the image, which may go while other shards are asked. */
    item->topic = arena_string(&work->fanout.request->arena, topic->name);
}

static int log_dirs_order(const void *a, const void *b)
{
    const struct log_dirs_item *left = a;
    const struct log_dirs_item *right = b;
    int order = string_view_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->base.partition > right->base.partition) -
                            (left->base.partition < right->base.partition);
}

/* Each partition once, however often it is asked for. */
static void log_dirs_add(struct log_dirs_work *work)
{
    size_t kept = 0;
    qsort(work->items, work->item_count, sizeof *work->items, log_dirs_order);
    for (size_t i = 0; i < work->item_count; i++) {
        if (kept == 0 || log_dirs_order(&work->items[kept - 1], &work->items[i]) != 0) {
            work->items[kept++] = work->items[i];
        }
    }
    work->item_count = kept;
    for (size_t i = 0; i < kept; i++) {
        fanout_add(&work->fanout, &work->items[i].base);
    }
}

static bool log_dirs_take_items(struct log_dirs_work *work, size_t count)
{
    work->items = arena_array(&work->fanout.request->arena, count, sizeof *work->items);
    return work->items != NULL;
}

static void log_dirs_note_all(struct log_dirs_work *work, const struct image *image)
{
    size_t count = 0;
    for (size_t i = 0; i < image_topic_count(image); i++) {
        count += (size_t)image_topic_at(image, i)->partition_count;
    }
    if (!log_dirs_take_items(work, count)) {
        return;
    }
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct image_topic *topic = image_topic_at(image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            log_dirs_note(work, topic, j);
        }
    }
}

static void log_dirs_note_asked(struct log_dirs_work *work,
                                const struct describe_log_dirs_request *asked,
                                const struct image *image)
{
    size_t count = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        count += (size_t)asked->topics.items[i].partitions.count;
    }
    if (!log_dirs_take_items(work, count)) {
        return;
    }
    for (int32_t i = 0; i < asked->topics.count; i++) {
        const struct describe_log_dirs_request_describable_log_dir_topic *topic =
            &asked->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            log_dirs_note(work, image_topic_by_name(image, topic->topic),
                          topic->partitions.items[j]);
        }
    }
}

void api_describe_log_dirs(struct broker_request *request)
{
    const struct describe_log_dirs_request *asked = request->message;
    struct log_dirs_work *work = arena_alloc(&request->arena, sizeof *work);
    if (work == NULL || fanout_init(&work->fanout, request) != 0) {
        broker_respond_close(request);
        return;
    }
    describe_log_dirs_response_default(&work->response);
    work->fanout.run = log_dirs_run;
    work->fanout.done = log_dirs_done;
    if (asked->topics.count < 0) {
        log_dirs_note_all(work, broker_image(request));
    } else {
        log_dirs_note_asked(work, asked, broker_image(request));
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    log_dirs_add(work);
    fanout_start(&work->fanout);
}
