/* coordinator_driver.h: the coordinators of groups of a shard: one for each partition of
 * __consumer_offsets that the shard owns and this broker leads.
 *
 * A request asks on its own shard (coordinator_ask); the call travels to the shard of the
 * coordinator and comes back with its response. At the end of a turn what the coordinators have
 * written is appended, one batch a partition, and what is committed is answered. A coordinator
 * loads its log in pieces, each read on a helper thread.
 * Thread: the shard's, but for what says otherwise.
 * Errors: a log that cannot be read leaves its groups without a coordinator, and a line that says
 * so. */
#ifndef BNB_BROKER_COORDINATOR_DRIVER_H
#define BNB_BROKER_COORDINATOR_DRIVER_H

#include "broker/request.h"
#include "coordinator/group/group.h"

#define OFFSETS_TOPIC "__consumer_offsets"

struct coordinators;
struct group_work;
int coordinators_create(struct broker_shard *shard, struct coordinators **coordinators);
/* None of the loops running any more: every call is answered, by mail. */
void coordinators_stop(struct broker_shard *shard);
/* After the loops were drained. */
void coordinators_destroy(struct coordinators **coordinators);
/* Before newer comes to this shard: gives up what is not led here any more, and the offsets of
 * topics that are gone. */
void coordinators_give_up(struct broker_shard *shard, const struct image *newer);
/* After image has come: takes on what is led here. */
void coordinators_take_on(struct broker_shard *shard, const struct image *image);
/* At the end of a turn: appends, answers, timers. */
void coordinators_run(struct broker_shard *shard);

/* A call to the coordinator of one group, or of one partition of the topic. */
struct coordinator_ask {
    struct runtime_call call;
    struct loop_mail mail;
    struct broker_request *request;
    struct broker_shard *owner;
    int32_t partition;
    struct arena arena; /* for the response, where a request has several asks (group_work.h) */
    struct group_work *work;
    /* On the shard of the request; call.response is NULL when memory was out. */
    void (*done)(struct coordinator_ask *ask);
};
/* Fills ask for the coordinator of group, with the request's arena for the response. The caller
 * sets done. message, as group.h says for the API, stays until done. */
void coordinator_ask_init(struct coordinator_ask *ask, struct broker_request *request,
                          const void *message, struct string_view group);
/* The same for a partition of the topic. */
void coordinator_ask_partition(struct coordinator_ask *ask, struct broker_request *request,
                               const void *message, int32_t partition);
/* Sends it; done may be called before this returns. */
void coordinator_ask(struct coordinator_ask *ask);

#endif
