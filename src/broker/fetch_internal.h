/* fetch_internal.h: a Fetch on its way through api_fetch.c (what is asked), fetch_read.c (on each
 * partition's shard), fetch_wait.c (until there is enough) and fetch_answer.c.
 *
 *   resolve -> READ -> enough, an error, or no time to wait ------------------> answer
 *                  \-> WATCH, in every partition -> woken or expired -> UNWATCH -> READ -> answer
 *
 * Each step in capitals is a fanout. A watch that finds the high watermark already moved since the
 * read counts those bytes, so nothing falls between the steps. */
#ifndef BNB_BROKER_FETCH_INTERNAL_H
#define BNB_BROKER_FETCH_INTERNAL_H

#include "broker/fanout.h"
#include "broker/fetch_session.h"

#define FETCH_BY_ID_VERSION 13

struct fetch_work;
struct fetch_item {
    struct fanout_item base;
    struct fetch_work *work;
    struct fetch_partition asked; /* a copy: the session may change while this waits */
    bool known;  /* the topic is in the image */
    bool absent; /* nothing is there to be read, which is no reason to answer the others at once */

    /* What the read found. */
    int16_t error;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    int64_t bound;
    bool is_beyond; /* it begins in a batch behind the one that the bound is in */
    int32_t leader;
    int32_t leader_epoch;
    int32_t diverging_epoch;
    int64_t diverging_end_offset;
    struct log_read_result read;
    struct fetch_partition *told; /* in the session that is answered, NULL: in none */
    bool answered;                /* it is in the response */
    bool copied; /* into the response: its range is given back */
    struct log_aborted *aborted;
    int32_t aborted_count;
    struct arena arena; /* of the aborted transactions: filled on the owner's shard */

    struct partition_watch watch;
    const struct partition *watched; /* while the watch is set, of a reader of what is committed */
    int64_t stable_offset;           /* up to which it has been told */
    int64_t unstable_bytes;          /* that came behind it */
    int64_t watched_bytes;           /* that count for the whole */
    struct broker_shard *watcher; /* whose the partition is: a watch may fire while the fanout that
                                   * takes it away is being made */
};
struct fetch_work {
    struct fanout fanout;
    struct broker_request *request;
    struct fetch_item *items;
    size_t item_count;
    int32_t session_id;
    int32_t session_epoch; /* that the session must have when it is answered */
    bool incremental;
    bool waiting;     /* every watch is set */
    bool woken_early; /* woken before that */
    bool read_committed;
    size_t max_bytes;
    size_t copied_bytes; /* of records that went into the response itself */
    int64_t min_bytes;
    struct timer timer;
    struct list woken_node;
    struct loop_mail wake_mail;
    atomic_llong watched_bytes;
    atomic_bool woken;
    struct fetch_response response;
};

/* ---- api_fetch.c ---- */

/* Runs a step on every partition that there is, and done on the request's shard behind it. */
void fetch_start(struct fetch_work *work,
                 void (*run)(struct fanout_item *item, struct partition *partition),
                 void (*done)(struct fanout *fanout));

/* ---- fetch_read.c ---- */

/* A step: what the partition has for its item. */
void fetch_read(struct fanout_item *base, struct partition *partition);
/* Gives back what a read found. Thread: any, one at a time. */
void fetch_item_release_read(struct fetch_item *item);

/* ---- fetch_wait.c ---- */

/* Waits until min_bytes are there or max_wait_ms is over, reads again and answers. */
void fetch_wait(struct fetch_work *work);

/* ---- fetch_answer.c ---- */

/* Answers with what was read, as the session that is named wants it. */
void fetch_answer(struct fetch_work *work);

#endif
