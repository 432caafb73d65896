#include "broker/preferred_dirs.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

struct preferred_dir {
    char *topic;
    size_t topic_size;
    int32_t partition;
    struct broker_dir *to;
};

void preferred_dirs_init(struct preferred_dirs *dirs)
{
    *dirs = (struct preferred_dirs){.items = NULL};
    int error = pthread_mutex_init(&dirs->lock, NULL);
    ASSERT(error == 0);
}

void preferred_dirs_release(struct preferred_dirs *dirs)
{
    for (size_t i = 0; i < atomic_load(&dirs->count); i++) {
        mem_free(dirs->items[i].topic);
    }
    mem_free(dirs->items);
    pthread_mutex_destroy(&dirs->lock);
}

/* The place of a partition, or the first free one. With the lock. */
static size_t preferred_find(const struct preferred_dirs *dirs, struct string_view topic,
                             int32_t partition)
{
    size_t count = atomic_load(&dirs->count);
    size_t at = 0;
    while (at < count &&
           (dirs->items[at].partition != partition ||
            !string_view_equal((struct string_view){dirs->items[at].topic,
                                                    dirs->items[at].topic_size}, topic))) {
        at++;
    }
    return at;
}

void preferred_dirs_note(struct preferred_dirs *dirs, struct string_view topic, int32_t partition,
                         struct broker_dir *to)
{
    ASSERT(partition >= 0 && to != NULL);
    pthread_mutex_lock(&dirs->lock);
    size_t count = atomic_load(&dirs->count);
    size_t at = preferred_find(dirs, topic, partition);
    if (at < count) {
        dirs->items[at].to = to;
    } else if (count < PREFERRED_DIRS_MAX &&
               mem_grow((void **)&dirs->items, &dirs->capacity, count + 1,
                        sizeof *dirs->items) == 0) {
        char *copy = mem_strndup(topic.data, topic.size);
        dirs->items[count] = (struct preferred_dir){copy, topic.size, partition, to};
        atomic_store(&dirs->count, copy == NULL ? count : count + 1);
    }
    pthread_mutex_unlock(&dirs->lock);
}

struct broker_dir *preferred_dirs_take(struct preferred_dirs *dirs, struct string_view topic,
                                       int32_t partition)
{
    struct broker_dir *to = NULL;
    if (atomic_load(&dirs->count) == 0) {
        return NULL;
    }
    pthread_mutex_lock(&dirs->lock);
    size_t count = atomic_load(&dirs->count);
    size_t at = preferred_find(dirs, topic, partition);
    if (at < count) {
        to = dirs->items[at].to;
        mem_free(dirs->items[at].topic);
        dirs->items[at] = dirs->items[count - 1];
        atomic_store(&dirs->count, count - 1);
    }
    pthread_mutex_unlock(&dirs->lock);
    return to;
}
