/* fanout.h: work on many partitions, each done by the shard that owns it, and then one answer.
 *
 * Items and the fanout are in the request's arena. run is called for each item on the owner's shard
 * (with NULL when that has no such partition) and ends with one call of fanout_item_done, at once
 * or later, on that shard; it must not touch the request. done is called on the request's shard
 * when all are through. With one shard everything is a plain call. */
#ifndef BNB_BROKER_FANOUT_H
#define BNB_BROKER_FANOUT_H

#include "broker/partition.h"
#include "broker/request.h"

struct fanout_item {
    struct fanout_item *next;
    struct fanout_group *group;
    struct uuid topic_id;
    int32_t partition;
    int32_t loads;
};
struct fanout_group {
    struct loop_mail mail;
    struct fanout *fanout;
    struct broker_shard *shard;
    struct fanout_item *first;
    struct fanout_item **last;
    int32_t pending;
    size_t taken; /* for run to count in; 0 at the start */
    size_t pinned; /* the same, of files */
};
struct fanout {
    struct broker_request *request;
    void (*run)(struct fanout_item *item, struct partition *partition);
    void (*done)(struct fanout *fanout);
    struct fanout_group *groups; /* one a shard */
    int32_t groups_left;
};

/* A fanout starts zeroed; one that is through may be initialised again, which cannot fail.
 * ERR_NOMEM. */
int fanout_init(struct fanout *fanout, struct broker_request *request);
void fanout_add(struct fanout *fanout, struct fanout_item *item);
/* The request may be gone when this returns. */
void fanout_start(struct fanout *fanout);
void fanout_item_done(struct fanout_item *item);
/* Whether run shall read the partition's log without waiting (log_read_begin). */
bool fanout_item_may_load(const struct fanout_item *item);
/* For run, instead of fanout_item_done, after a read that would have waited: what it lacks is
 * loaded on a helper thread, and run is called again. In the end it shall wait itself. */
void fanout_item_load(struct fanout_item *item, struct partition *partition);

#endif
