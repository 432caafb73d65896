/* The checkpoint files of a log directory, and what of them is not to be believed any more. */
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "log/log_dir_internal.h"

#define CHECKPOINT_PATH_BYTES 1024

struct forgotten_key {
    struct string_view topic;
    int32_t partition;
};
struct forgotten {
    struct forgotten_key key;
    uint64_t sequence;
    char name[]; /* behind the key's topic */
};

static const char *const checkpoint_names[LOG_CHECKPOINT_KINDS] = {
    [LOG_CHECKPOINT_RECOVERY_POINT] = "recovery-point-offset-checkpoint",
    [LOG_CHECKPOINT_LOG_START_OFFSET] = "log-start-offset-checkpoint",
    [LOG_CHECKPOINT_HIGH_WATERMARK] = "replication-offset-checkpoint",
    [LOG_CHECKPOINT_CLEANER] = "cleaner-offset-checkpoint",
};

const char *log_dir_checkpoint_name(enum log_checkpoint_kind kind)
{
    ASSERT(kind < LOG_CHECKPOINT_KINDS);
    return checkpoint_names[kind];
}

static int checkpoint_path(const struct log_dir *dir, enum log_checkpoint_kind kind, char *path)
{
    int size = snprintf(path, CHECKPOINT_PATH_BYTES, "%s/%s", dir->path, checkpoint_names[kind]);
    return size > 0 && size < CHECKPOINT_PATH_BYTES ? 0 : ERR_RANGE;
}

/* Offsets of 0 say as much as none, and a node that has just been made has nothing else. */
static void checkpoint_drop_zeros(struct log_checkpoint *checkpoint)
{
    size_t kept = 0;
    for (size_t i = 0; i < checkpoint->count; i++) {
        if (checkpoint->entries[i].offset > 0) {
            checkpoint->entries[kept++] = checkpoint->entries[i];
        }
    }
    checkpoint->count = kept;
    if (kept == 0) {
        log_checkpoint_release(checkpoint);
    }
}

int log_dir_read_checkpoints(struct log_dir *dir)
{
    char path[CHECKPOINT_PATH_BYTES];
    int error = 0;
    for (int kind = 0; error == 0 && kind < LOG_CHECKPOINT_KINDS; kind++) {
        error = checkpoint_path(dir, (enum log_checkpoint_kind)kind, path);
        if (error == 0) {
            error = log_checkpoint_read(dir->fs, path, &dir->checkpoints[kind]);
            checkpoint_drop_zeros(&dir->checkpoints[kind]);
        }
        error = error == ERR_CORRUPT ? 0 : error;
    }
    return error;
}

static uint64_t forgotten_hash(const void *key, uint64_t seed)
{
    const struct forgotten_key *of = key;
    return map_hash_bytes(of->topic.data, of->topic.size, seed + (uint64_t)of->partition);
}

static const void *forgotten_key_of(const void *element)
{
    return &((const struct forgotten *)element)->key;
}

static bool forgotten_equal(const void *element, const void *key)
{
    const struct forgotten_key *own = &((const struct forgotten *)element)->key;
    const struct forgotten_key *other = key;
    return own->partition == other->partition && string_view_equal(own->topic, other->topic);
}

void log_dir_init_checkpoints(struct log_dir *dir)
{
    pthread_mutex_init(&dir->forget_lock, NULL);
    dir->forgotten = (struct map){.hash_key = forgotten_hash,
                                  .key_of = forgotten_key_of,
                                  .equal = forgotten_equal};
}

void log_dir_release_checkpoints(struct log_dir *dir)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        log_checkpoint_release(&dir->checkpoints[kind]);
    }
    size_t cursor = 0;
    struct forgotten *forgotten;
    while ((forgotten = map_next(&dir->forgotten, &cursor)) != NULL) {
        mem_free(forgotten);
    }
    map_release(&dir->forgotten);
    pthread_mutex_destroy(&dir->forget_lock);
}

int64_t log_dir_checkpoint(const struct log_dir *dir, enum log_checkpoint_kind kind,
                           struct string_view topic, int32_t partition)
{
    int64_t offset = log_checkpoint_find(&dir->checkpoints[kind], topic, partition, 0);
    ASSERT(offset >= 0);
    return offset;
}

/* Locks: forget_lock. */
static int forgotten_add(struct log_dir *dir, struct string_view topic, int32_t partition)
{
    ASSERT(topic.size > 0 && partition >= 0);
    struct forgotten_key key = {topic, partition};
    struct forgotten *known = map_find(&dir->forgotten, &key);
    if (known != NULL) {
        known->sequence = ++dir->forget_sequence;
        return 0;
    }
    struct forgotten *added = mem_alloc(sizeof *added + topic.size);
    if (added == NULL) {
        return ERR_NOMEM;
    }
    memcpy(added->name, topic.data, topic.size);
    added->key = (struct forgotten_key){{added->name, topic.size}, partition};
    added->sequence = ++dir->forget_sequence;
    int error = map_insert(&dir->forgotten, added);
    if (error != 0) {
        mem_free(added);
    }
    return error;
}

int log_dir_forget(struct log_dir *dir, struct string_view topic, int32_t partition)
{
    pthread_mutex_lock(&dir->forget_lock);
    int error = forgotten_add(dir, topic, partition);
    pthread_mutex_unlock(&dir->forget_lock);
    return error;
}

/* Drops what no file has and no gathering that is under way can bring back. Locks: forget_lock. */
static void forgotten_prune(struct log_dir *dir, uint64_t begun)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        begun = dir->settled[kind] < begun ? dir->settled[kind] : begun;
    }
    size_t count = 0;
    size_t cursor = 0;
    struct forgotten **old = mem_alloc(dir->forgotten.count * sizeof *old + 1);
    struct forgotten *forgotten;
    while (old != NULL && (forgotten = map_next(&dir->forgotten, &cursor)) != NULL) {
        if (forgotten->sequence <= begun) {
            old[count++] = forgotten;
        }
    }
    ASSERT(count <= dir->forgotten.count);
    for (size_t i = 0; i < count; i++) {
        mem_free(map_take(&dir->forgotten, &old[i]->key));
    }
    mem_free(old);
}

/* Writes a file without what was forgotten after since. Locks: forget_lock. */
static int checkpoint_write_believed(struct log_dir *dir, enum log_checkpoint_kind kind,
                                     const struct log_checkpoint *checkpoint, uint64_t since)
{
    char path[CHECKPOINT_PATH_BYTES];
    struct log_checkpoint believed = {0};
    ASSERT(since <= dir->forget_sequence && dir->settled[kind] <= dir->forget_sequence);
    int error = checkpoint_path(dir, kind, path);
    for (size_t i = 0; error == 0 && i < checkpoint->count; i++) {
        const struct log_checkpoint_entry *entry = &checkpoint->entries[i];
        struct forgotten_key key = {entry->topic, entry->partition};
        const struct forgotten *forgotten = map_find(&dir->forgotten, &key);
        if (forgotten == NULL || forgotten->sequence <= since) {
            error = log_checkpoint_add(&believed, entry->topic, entry->partition, entry->offset);
        }
    }
    if (error == 0) {
        error = log_checkpoint_write(dir->fs, path, &believed);
    }
    if (error == 0) {
        dir->settled[kind] = dir->forget_sequence;
    }
    log_checkpoint_release(&believed);
    return error;
}

static int checkpoint_settle(struct log_dir *dir, enum log_checkpoint_kind kind)
{
    char path[CHECKPOINT_PATH_BYTES];
    struct log_checkpoint checkpoint;
    if (dir->settled[kind] == dir->forget_sequence) {
        return 0;
    }
    int error = checkpoint_path(dir, kind, path);
    if (error == 0) {
        error = log_checkpoint_read(dir->fs, path, &checkpoint);
    }
    if (error == ERR_CORRUPT) {
        return 0; /* nobody believes any of it */
    }
    if (error == 0) {
        error = checkpoint_write_believed(dir, kind, &checkpoint, dir->settled[kind]);
        log_checkpoint_release(&checkpoint);
    }
    return error;
}

int log_dir_settle(struct log_dir *dir)
{
    int error = 0;
    pthread_mutex_lock(&dir->forget_lock);
    for (int kind = 0; error == 0 && kind < LOG_CHECKPOINT_KINDS; kind++) {
        error = checkpoint_settle(dir, (enum log_checkpoint_kind)kind);
    }
    pthread_mutex_unlock(&dir->forget_lock);
    return error;
}

uint64_t log_dir_begin_checkpoint(struct log_dir *dir)
{
    pthread_mutex_lock(&dir->forget_lock);
    uint64_t begun = dir->forget_sequence;
    pthread_mutex_unlock(&dir->forget_lock);
    return begun;
}

int log_dir_write_checkpoint(struct log_dir *dir, enum log_checkpoint_kind kind,
                             const struct log_checkpoint *checkpoint, uint64_t begun)
{
    pthread_mutex_lock(&dir->forget_lock);
    ASSERT(begun <= dir->forget_sequence);
    int error = checkpoint_write_believed(dir, kind, checkpoint, begun);
    forgotten_prune(dir, begun);
    pthread_mutex_unlock(&dir->forget_lock);
    return error;
}
