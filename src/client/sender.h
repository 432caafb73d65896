/* sender.h: the producer's inside: what application threads and the network thread share, and the
 * network thread's half: metadata, producer id, produce requests, retries, transactions.
 *
 * Locks: lock guards the accumulator and every field below it up to the next comment. Callbacks run
 * without it. Thread: as said at each function. */
#ifndef BNB_CLIENT_SENDER_H
#define BNB_CLIENT_SENDER_H

#include <pthread.h>

#include "client/accumulator.h"
#include "client/client.h"
#include "client/transactor.h"

struct produce_send;

/* The network thread's side of transactions. */
struct sender_transaction {
    struct client_request request; /* one at a time */
    union {
        struct init_producer_id_request init;
        struct add_partitions_to_txn_request partitions;
        struct add_offsets_to_txn_request offsets;
        struct end_txn_request end;
    } message;
    struct arena arena;
    int32_t coordinator; /* targets of requests; -1: unknown */
    int32_t group_coordinator;
    struct client_request find; /* one of them */
    struct find_coordinator_request find_message;
    struct arena find_arena;
    bool finding;
    bool finds_group;
    int64_t find_ms; /* not before */
    int32_t find_failures;
};

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
    struct transactor transactor;
    struct arena offsets_arena; /* of offsets; not touched while they are under way */
    struct txn_offset_commit_request offsets;
    bool offsets_anew; /* of another group than those before */
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
    int64_t id_next_ms;
    int64_t producer_id; /* of new batches; -1: none; with a transactional.id the transactor's */
    int16_t producer_epoch;
    struct sender_transaction transaction;
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
/* Looks at the transaction once (sender_transaction.c); the lock is not held. Thread: network. */
void sender_transact(struct bnb_producer *producer, int64_t now_ms, int64_t *wake_ms);
/* Sequences of all partitions begin at 0. The lock is held. */
void sender_reset_sequences(struct bnb_producer *producer);
static inline bool sender_is_transactional(const struct bnb_producer *producer)
{
    return producer->config->transactional_id != NULL;
}
/* Waits for a change until deadline_ms (monotonic; -1: for ever). False: time is up, or it is the
 * network thread, which never waits: what it would wait for is its own to do. The lock is held. */
bool producer_wait(struct bnb_producer *producer, int64_t deadline_ms);
/* A transaction that is open is aborted. Thread: application. */
void producer_close_transaction(struct bnb_producer *producer, int64_t timeout_ms);

#endif
