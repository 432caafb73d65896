/* sender.h: the producer's inside: what application threads and the network thread share, and the
 * network thread's half: metadata, producer id, produce requests, retries.
 *
 * Locks: lock guards the accumulator and every field below it up to the next comment. Callbacks run
 * without it. Thread: as said at each function. */
#ifndef BNB_CLIENT_SENDER_H
#define BNB_CLIENT_SENDER_H

#include <pthread.h>

#include "client/accumulator.h"
#include "client/client.h"

struct produce_send;

struct bnb_producer {
    struct client *client;
    const struct client_config *config;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* metadata came, memory was freed, batches ended */
    struct accumulator accumulator;
    bool mail_posted;
    bool metadata_wanted;
    bool closed;
    int32_t flushing;        /* threads in flush */
    int32_t memory_waiting;  /* threads that wait for buffer.memory */
    int32_t metadata_waiting;
    /* the network thread's alone */
    struct loop_mail mail;
    struct loop_mail quit;
    struct timer timer;
    struct client_request metadata;
    struct metadata_request metadata_message;
    struct arena metadata_arena;
    bool metadata_running;
    int64_t metadata_next_ms; /* not before */
    int64_t metadata_due_ms;  /* metadata.max.age.ms */
    int32_t metadata_failures;
    struct client_request id_request;
    struct init_producer_id_request id_message;
    struct arena id_arena;
    bool id_running;
    bool id_reset; /* sequences are broken: a new producer id once nothing is in flight */
    int64_t id_next_ms;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t sends_running;
    bool running; /* inside sender_run */
    bool run_again;
    bool quitting;
};

void sender_init(struct bnb_producer *producer);
/* Looks at everything once: expires, asks, sends, sets the timer. Thread: network. */
void sender_run(struct bnb_producer *producer);
/* Has sender_run called soon. The lock is held. Thread: any. */
void sender_wake(struct bnb_producer *producer);
/* Ends batches: callbacks, then memory. Takes the lock itself. */
void sender_complete(struct bnb_producer *producer, struct pending_batch *batch, int code,
                     const char *text, int64_t base_offset, int64_t append_time_ms);
/* metadata and producer ids (sender_metadata.c); the lock is not held. */
void sender_ask_metadata(struct bnb_producer *producer, int64_t now_ms);
void sender_ask_id(struct bnb_producer *producer, int64_t now_ms);

#endif
