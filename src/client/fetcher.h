/* fetcher.h: the consumer's inside: assigned partitions, and the network thread's half: metadata,
 * start offsets, fetches ahead of the application.
 *
 * Partitions are never freed before the consumer is closed, so requests in flight may point at
 * them; an epoch of each tells answers that are out of date.
 * Locks: lock guards partitions, the queue and the flags. The application thread owns the queue's
 * head while it reads from it (taken under the lock). Thread: as said. */
#ifndef BNB_CLIENT_FETCHER_H
#define BNB_CLIENT_FETCHER_H

#include <barnabas/consumer.h>
#include <pthread.h>

#include "client/client.h"
#include "client/fetched.h"
#include "client/group.h"

/* Responses of one partition that may wait for the application: one being read, one ahead. */
#define FETCHER_AHEAD_MAX 2
#define FETCHER_OFFSET_KNOWN 0
/* Where a group was; the coordinator knows. */
#define FETCHER_OFFSET_COMMITTED BNB_OFFSET_COMMITTED

/* A fetch response shared by the partitions that were in it. */
struct fetch_frame {
    int32_t references; /* under the lock */
    uint8_t *data;
    size_t size;
    struct arena arena;
};
/* Records of one partition that wait to be read. */
struct fetch_part {
    struct list node;
    struct consumer_partition *partition;
    uint32_t epoch;
    struct fetch_frame *frame;
    bool started;
    struct bytes_view records;
    struct fetched_aborted *aborted;
    int32_t aborted_count;
    struct fetched fetched;
};
struct consumer_partition {
    char *topic;
    int32_t index;
    struct uuid topic_id;
    int32_t leader; /* -1: unknown */
    int32_t leader_epoch;
    bool assigned;
    uint32_t epoch;        /* changes with every seek and assignment */
    int64_t reset;         /* BNB_OFFSET_* to be looked up; FETCHER_OFFSET_KNOWN: none */
    int64_t fetch_offset;  /* of the next fetch */
    int64_t position;      /* of the next record handed out; -1: unknown */
    int64_t consumed;      /* position when the last poll began; -1: unknown */
    int64_t committed;     /* for the group, as far as is known; -1 */
    int64_t end_offset;    /* as the last fetch told, that a reader can come to; -1: unknown */
    bool held;             /* the application is being called about it */
    bool paused;           /* by the application */
    int32_t ahead_count;   /* parts in the queue, or being read */
    bool drains;           /* what comes after them is out of range: they are read out first */
    bool asking;           /* in a request */
    int32_t asked_of;      /* the node of that request */
    int64_t retry_at_ms;
};
struct bnb_consumer {
    struct client *client;
    const struct client_config *config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct consumer_partition **partitions;
    size_t partition_count;
    size_t partition_capacity;
    struct list queue; /* of fetch_part */
    struct frame_pool frames;
    bool mail_posted;
    bool metadata_wanted;
    bool woken;
    struct consumer_group group;
    struct bnb_error failure; /* to be told by the next poll; code 0: none */
    /* the network thread's alone */
    struct loop_mail mail;
    struct loop_mail quit;
    struct timer timer;
    struct client_request metadata;
    struct metadata_request metadata_message;
    struct arena metadata_arena;
    bool metadata_running;
    int64_t metadata_next_ms;
    int64_t metadata_due_ms;
    bool running;
    bool run_again;
    bool quitting;
    /* the application thread's alone */
    struct fetch_part *reading;
    struct list retired;       /* decompressed batches of records handed out */
    struct list retired_parts; /* parts of records handed out */
    struct arena record_arena;
    struct bnb_consumer_record *records;
    size_t record_capacity;
};

void fetcher_init(struct bnb_consumer *consumer);
/* Looks at everything once. Thread: network. */
void fetcher_run(struct bnb_consumer *consumer);
/* Has fetcher_run called soon. The lock is held. Thread: any. */
void fetcher_wake(struct bnb_consumer *consumer);
/* One reference less; the last one frees. The lock is held. Thread: any. */
void fetch_frame_unref(struct bnb_consumer *consumer, struct fetch_frame *frame);
/* The lock is held. Thread: any. */
void fetch_part_free(struct bnb_consumer *consumer, struct fetch_part *part);
/* Tells the application, once. The lock is held. */
void fetcher_fail(struct bnb_consumer *consumer, int code, const char *text);
/* The leader of a partition is to be asked again later. The lock is held. */
void fetcher_retry_later(struct bnb_consumer *consumer, struct consumer_partition *partition,
                         bool new_leader);

/* The start offset is up to auto.offset.reset. The lock is held. */
void fetcher_reset(struct bnb_consumer *consumer, struct consumer_partition *partition);
/* NULL: not known. The lock is held. */
struct consumer_partition *consumer_find(const struct bnb_consumer *consumer, const char *topic,
                                         int32_t index);
/* Finds or makes it, and has it read from offset on; NULL: no memory. The lock is held. */
struct consumer_partition *consumer_take(struct bnb_consumer *consumer, const char *topic,
                                         int32_t index, int64_t offset);
/* Waits for a change at most until then; false: it is then. The lock is held. Thread: the
 * application's. */
bool consumer_wait_until(struct bnb_consumer *consumer, int64_t deadline_ms);
/* It is read no longer. The lock is held. */
void consumer_give_up(struct bnb_consumer *consumer, struct consumer_partition *partition);

/* One request to one broker about some partitions (fetch, or list offsets). */
struct fetcher_item {
    struct consumer_partition *partition;
    uint32_t epoch;
    int64_t asked; /* the offset or the timestamp that was asked for */
};
struct fetcher_ask {
    struct client_request request;
    struct bnb_consumer *consumer;
    struct arena arena;
    int32_t node_id;
    bool offsets; /* list offsets, not fetch */
    struct fetcher_item *items;
    size_t count;
    size_t capacity;
    union {
        struct fetch_request fetch;
        struct list_offsets_request list;
    } message;
};
void fetcher_ask_free(struct fetcher_ask *ask);
/* Builds and starts; the ask owns itself from here on. (fetcher_requests.c) */
void fetcher_start_fetch(struct fetcher_ask *ask);
void fetcher_start_offsets(struct fetcher_ask *ask);
void fetcher_ask_metadata(struct bnb_consumer *consumer);

#endif
