/* Which partitions have files open: those used last, bounded in number and in age. A partition that
 * nobody uses has none, and costs no time. */
#include "base/assert.h"
#include "base/limits.h"
#include "broker/partition_internal.h"
#include "io/system.h"

#define IDLE_FILES_MS 60000
/* A record file and three indexes. */
#define FILES_A_PARTITION 4
#define OPEN_PARTITIONS_MIN 2

static void files_fire(struct timer *timer);

void partition_files_init(struct broker_shard *shard, int32_t shard_count)
{
    int64_t most = (io_descriptors_max() - DESCRIPTORS_SPARE) / DESCRIPTORS_FILES_SHARE /
                   FILES_A_PARTITION / shard_count;
    shard->open_max = most > OPEN_PARTITIONS_MIN ? (size_t)most : OPEN_PARTITIONS_MIN;
    list_init(&shard->open);
    timer_init(&shard->files_timer, files_fire);
}

void partition_forget_files(struct partition *partition)
{
    if (!list_empty(&partition->open_node)) {
        list_remove(&partition->open_node);
        ASSERT(partition->shard->open_count > 0);
        partition->shard->open_count--;
    }
}

static void files_close(struct partition *partition)
{
    partition_forget_files(partition);
    log_close_idle_files(partition->log, INT64_MAX);
}

/* Makes room for one more: those that were used longest ago close, but for those that a helper
 * syncs now. */
static void files_make_room(struct broker_shard *shard)
{
    LIST_FOR_EACH_SAFE(node, &shard->open)
    {
        struct partition *partition = CONTAINER_OF(node, struct partition, open_node);
        if (shard->open_count < shard->open_max) {
            return;
        }
        if (!partition->flush_running) {
            files_close(partition);
        }
    }
}

static void files_fire(struct timer *timer)
{
    struct broker_shard *shard = CONTAINER_OF(timer, struct broker_shard, files_timer);
    int64_t now_ms = loop_monotonic_ms(shard->loop);
    while (!list_empty(&shard->open)) {
        struct partition *first = CONTAINER_OF(shard->open.next, struct partition, open_node);
        if (first->touched_ms > now_ms - IDLE_FILES_MS) {
            loop_timer_arm(shard->loop, timer, first->touched_ms + IDLE_FILES_MS - now_ms);
            break;
        }
        if (!first->flush_running) {
            files_close(first);
            continue;
        }
        first->touched_ms = now_ms;
        list_remove(&first->open_node);
        list_push_back(&shard->open, &first->open_node);
    }
}

void partition_touch(struct partition *partition)
{
    struct broker_shard *shard = partition->shard;
    if (partition->log == NULL) {
        return;
    }
    partition->touched_ms = loop_monotonic_ms(shard->loop);
    if (list_empty(&partition->open_node)) {
        files_make_room(shard);
        shard->open_count++;
    } else {
        list_remove(&partition->open_node);
    }
    list_push_back(&shard->open, &partition->open_node);
    if (!timer_is_armed(&shard->files_timer)) {
        loop_timer_arm(shard->loop, &shard->files_timer, IDLE_FILES_MS);
    }
}
