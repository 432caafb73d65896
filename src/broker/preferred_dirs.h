/* preferred_dirs.h: where partitions shall go that are not there yet: an AlterReplicaLogDirs may
 * come before its topic. Forgotten at the end of the process, and once the partition is made.
 *
 * Owned by the broker. Thread: any. Locks: its own. Bounds: PREFERRED_DIRS_MAX; what comes when it
 * is full is not remembered. */
#ifndef BNB_BROKER_PREFERRED_DIRS_H
#define BNB_BROKER_PREFERRED_DIRS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/view.h"

struct broker_dir;
struct preferred_dir;
struct preferred_dirs {
    pthread_mutex_t lock;
    struct preferred_dir *items;
    size_t capacity;
    atomic_size_t count;
};
void preferred_dirs_init(struct preferred_dirs *dirs);
void preferred_dirs_release(struct preferred_dirs *dirs);
/* A later one of a partition takes the place of an earlier one. */
void preferred_dirs_note(struct preferred_dirs *dirs, struct string_view topic, int32_t partition,
                         struct broker_dir *to);
/* The directory of a partition, which is forgotten; NULL: nobody said. */
struct broker_dir *preferred_dirs_take(struct preferred_dirs *dirs, struct string_view topic,
                                       int32_t partition);

#endif
