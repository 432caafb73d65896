/* group_work.h: a request that asks several coordinators, and is answered when all have spoken.
 *
 * Each ask has an arena of its own, since coordinators of other shards fill them at the same time.
 * Thread: the shard of the request. */
#ifndef BNB_BROKER_GROUP_WORK_H
#define BNB_BROKER_GROUP_WORK_H

#include "broker/coordinator_driver.h"

/* What AuthorizedOperations of a group say when nothing is forbidden: bits by operation code. */
#define GROUP_OPERATIONS_ALL 0x0d48

struct group_work {
    struct broker_request *request;
    void (*done)(struct group_work *work);
    void *context; /* of the handler, in the request's arena */
    size_t count;
    size_t bytes; /* of it, counted in budget */
    struct budget *budget;
    size_t left;
    bool failed; /* some response is NULL */
    struct coordinator_ask asks[];
};
/* NULL: no memory. A request may name millions of groups in a few bytes each: what is made for
 * them, the arenas too, is counted in the memory for work. */
struct group_work *group_work_make(struct broker_request *request, size_t count,
                                   void (*done)(struct group_work *work));
void group_work_free(struct group_work *work);
/* After coordinator_ask_init of asks[index]. */
void group_work_prepare(struct group_work *work, size_t index);
/* done may be called before this returns. */
void group_work_start(struct group_work *work);
/* Answers the request, closes its connection when response is NULL or memory is out, and frees
 * work. */
void group_work_respond(struct group_work *work, const void *response);

#endif
