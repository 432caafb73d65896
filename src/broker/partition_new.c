/* What a new partition leaves to be synced. The directories around those of one turn are synced at
 * its end, before anybody hears of the partitions. The small files that say whose they are follow
 * on a helper thread: a sync for each would hold everybody up while a topic of a thousand
 * partitions is made. Until then a loss of power may leave such a file empty, and the partition is
 * its topic's by its name (partition_claim). */
#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/partition_internal.h"
#include "log/log_dir.h"

struct broker_made {
    struct loop_job job;
    struct broker_shard *shard;
    struct broker_dir *dir;
    char **paths; /* of partition directories */
    size_t count;
    size_t capacity;
    int error;
};

static int made_add(struct broker_shard *shard, struct broker_made **made, struct broker_dir *dir,
                    const char *path)
{
    char *copy = mem_strndup(path, strlen(path));
    if (*made == NULL) {
        *made = mem_calloc(1, sizeof **made);
    }
    if (copy == NULL || *made == NULL ||
        mem_grow((void **)&(*made)->paths, &(*made)->capacity, (*made)->count + 1,
                 sizeof *(*made)->paths) != 0) {
        mem_free(copy);
        return ERR_NOMEM;
    }
    (*made)->shard = shard;
    (*made)->dir = dir;
    (*made)->paths[(*made)->count++] = copy;
    return 0;
}

int partition_new_write(struct partition *partition, const char *path)
{
    struct broker_shard *shard = partition->shard;
    struct broker *broker = shard->broker;
    size_t dir = (size_t)(partition->dir - broker->dirs);
    ASSERT(dir < BROKER_DIRS_MAX);
    shard->unsynced_dirs |= UINT64_C(1) << dir;
    int error = log_dir_name_topic_id(broker->options.fs, path, partition->key.topic_id);
    if (error == 0 && made_add(shard, &shard->made[dir], partition->dir, path) != 0) {
        error = log_dir_sync_topic_id(broker->options.fs, path);
    }
    return error;
}

/* On a helper thread. Many are synced with all that is on their file system. */
static void made_work(struct loop_job *job)
{
    struct broker_made *made = CONTAINER_OF(job, struct broker_made, job);
    int error = made->count > SYNC_EACH_MAX ? io_file_sync_all(&made->dir->dir->lock)
                                            : ERR_UNSUPPORTED;
    if (error != ERR_UNSUPPORTED) {
        made->error = error;
        return;
    }
    for (size_t i = 0; i < made->count && made->error == 0; i++) {
        error = log_dir_sync_topic_id(made->dir->dir->fs, made->paths[i]);
        made->error = error == ERR_NOT_FOUND ? 0 : error; /* deleted meanwhile */
    }
}

static void made_done(struct loop_job *job)
{
    struct broker_made *made = CONTAINER_OF(job, struct broker_made, job);
    if (made->error != 0) {
        broker_dir_fail(made->shard, made->dir, made->error);
    }
    for (size_t i = 0; i < made->count; i++) {
        mem_free(made->paths[i]);
    }
    mem_free(made->paths);
    mem_free(made);
}

void partition_new_sync(struct broker_shard *shard)
{
    struct broker *broker = shard->broker;
    STATIC_ASSERT(BROKER_DIRS_MAX <= 64, "a bit each");
    for (int32_t i = 0; shard->unsynced_dirs != 0 && i < broker->options.dir_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        if ((shard->unsynced_dirs >> i & 1) != 0 && !atomic_load(&dir->offline)) {
            int error = io_sync_directory(broker->options.fs, dir->dir->path);
            if (error != 0) {
                broker_dir_fail(shard, dir, error);
            }
        }
        struct broker_made *made = shard->made[i];
        shard->made[i] = NULL;
        if (made != NULL) {
            made->job.work = made_work;
            made->job.done = made_done;
            loop_submit(shard->loop, &made->job);
        }
    }
    shard->unsynced_dirs = 0;
}
