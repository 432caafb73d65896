/* coordinator_driver.h: the coordinators of a shard: one of groups for each partition of
 * __consumer_offsets, and one of transactions for each of __transaction_state, that the shard owns
 * and this broker leads.
 *
 * A request asks on its own shard (coordinator_ask); the call travels to the shard of the
 * coordinator and comes back with its response. At the end of a turn what the coordinators have
 * written is appended, one batch a partition, and what is committed is answered. A coordinator
 * loads its log in pieces, each read on a helper thread.
 * Thread: the shard's, but for what says otherwise.
 * Errors: a log that cannot be read leaves what is in it without a coordinator, and a line that
 * says so. */
#ifndef BNB_BROKER_COORDINATOR_DRIVER_H
#define BNB_BROKER_COORDINATOR_DRIVER_H

#include "broker/request.h"
#include "coordinator/group/group.h"
#include "coordinator/transaction/transaction.h"

#define OFFSETS_TOPIC "__consumer_offsets"
#define TRANSACTIONS_TOPIC "__transaction_state"

enum coordinator_kind {
    COORDINATOR_GROUPS,
    COORDINATOR_TRANSACTIONS,
    COORDINATOR_KINDS,
};
static inline struct string_view coordinator_topic(enum coordinator_kind kind)
{
    return string_view_of(kind == COORDINATOR_GROUPS ? OFFSETS_TOPIC : TRANSACTIONS_TOPIC);
}

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
/* Before newer takes the place of the shard's image: what of its topics groups will hear. */
void coordinators_compare_topics(struct broker_shard *shard, const struct image *newer);
/* After image has come: takes on what is led here. */
void coordinators_take_on(struct broker_shard *shard, const struct image *image);
/* At the end of a turn: appends, answers, timers. */
void coordinators_run(struct broker_shard *shard);

struct coordinator;
/* A call to the coordinator of one id, or of one partition of the topic. */
struct coordinator_ask {
    struct runtime_call call;
    struct loop_mail mail;
    struct broker_request *request;
    struct broker_shard *owner;
    enum coordinator_kind kind;
    int32_t partition;
    int16_t error; /* what is wrong wherever it is coordinated: said without asking anybody */
    /* NULL, or on the coordinator's shard, before an active one gets the call: 0 to go on, a wire
     * error to refuse it, or COORDINATOR_ASK_BACK to bring it home without a response. */
    int16_t (*before)(struct coordinator_ask *ask, struct coordinator *coordinator);
    struct arena arena; /* for the response, where a request has several asks (group_work.h) */
    struct group_work *work;
    /* On the shard of the request; call.response is NULL when memory was out. */
    void (*done)(struct coordinator_ask *ask);
};
#define COORDINATOR_ASK_BACK (-1) /* an error that nobody has */
/* Fills ask for the coordinator of group, with the request's arena for the response. The caller
 * sets done. message, as group.h says for the API, stays until done. */
void coordinator_ask_init(struct coordinator_ask *ask, struct broker_request *request,
                          const void *message, struct string_view group);
/* The same for a transactional id, with transaction.h. */
void coordinator_ask_transaction(struct coordinator_ask *ask, struct broker_request *request,
                                 const void *message, struct string_view transactional_id);
/* The same for a partition of the topic. */
void coordinator_ask_partition(struct coordinator_ask *ask, struct broker_request *request,
                               const void *message, enum coordinator_kind kind,
                               int32_t partition);
/* Sends it; done may be called before this returns. */
void coordinator_ask(struct coordinator_ask *ask);

/* Groups' coordinator of a partition, if it is active here; else NULL. Thread: its shard's. */
struct group_coordinator *coordinator_active_groups(struct broker_shard *shard,
                                                    int32_t partition);
/* Appends what the coordinator of groups of that partition has written so far: the log knows every
 * transaction that it does. */
void coordinator_append_groups(struct broker_shard *shard, int32_t partition);

#endif
