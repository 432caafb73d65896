/* transactor.h: the transactions of a producer as a machine: what it asks of the coordinators, and
 * what follows from each answer (KIP-98, KIP-360, KIP-447, KIP-890). Mirrors TransactionManager.
 *
 * Who takes each move of the state, which is told to the application as it is:
 *
 *   UNINITIALIZED -> INITIALIZING          init_transactions
 *   INITIALIZING -> READY                  InitProducerId is answered
 *   READY -> OPEN                          begin
 *   OPEN -> COMMITTING, ABORTING           commit, abort
 *   ABORTABLE -> ABORTING                  abort
 *   COMMITTING, ABORTING -> READY          EndTxn is answered, or there was nothing to end
 *   COMMITTING, ABORTING -> INITIALIZING   the same, and the epoch is to be raised (KIP-360)
 *   ABORTING -> UNINITIALIZED              the same, where there is no producer id yet
 *   INITIALIZING, OPEN, COMMITTING -> ABORTABLE    a batch or a request failed
 *   any -> FATAL                           fenced, not allowed, or what cannot be mended
 *
 * Invariant 1: an EndTxn goes only once every batch has its end and nothing else is in doubt.
 * Invariant 2: begun is false only while the coordinator has no transaction of this producer.
 * Pure: no clock, no I/O, no memory of its own.   Thread: any, under the lock of its owner. */
#ifndef BNB_CLIENT_TRANSACTOR_H
#define BNB_CLIENT_TRANSACTOR_H

#include <barnabas/producer.h>

#include "client/config.h"

enum transactor_request {
    TRANSACTOR_NONE,
    TRANSACTOR_FIND, /* FindCoordinator: for its verdicts; it is its owner's to send */
    TRANSACTOR_INIT,
    TRANSACTOR_ADD_PARTITIONS,
    TRANSACTOR_ADD_OFFSETS,
    TRANSACTOR_COMMIT_OFFSETS, /* of the group's coordinator */
    TRANSACTOR_END,
};
/* Calls that wait for an end. One that was given up goes on, and is to be made again. */
enum transactor_call {
    TRANSACTOR_CALL_NONE,
    TRANSACTOR_CALL_INIT,
    TRANSACTOR_CALL_COMMIT,
    TRANSACTOR_CALL_ABORT,
};
enum transactor_verdict {
    TRANSACTOR_DONE,
    TRANSACTOR_AGAIN,
    TRANSACTOR_ELSEWHERE, /* again, and the coordinator is another */
    TRANSACTOR_ABORTABLE,
    TRANSACTOR_BUMPABLE, /* abortable where the epoch can be raised, else fatal */
    TRANSACTOR_FENCED, /* fatal, and told as such whatever the code was */
    TRANSACTOR_FATAL,
};
enum transactor_offsets {
    TRANSACTOR_OFFSETS_NONE,
    TRANSACTOR_OFFSETS_ADD, /* their partition is to be added to the transaction first */
    TRANSACTOR_OFFSETS_COMMIT,
};

struct transactor {
    const struct client_config *config;
    enum bnb_transaction_state state;
    enum transactor_request asking; /* under way */
    enum transactor_request doubt;  /* may have been carried out: asked until it is answered */
    enum transactor_call pending;   /* its result has not been taken */
    enum transactor_offsets offsets;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int16_t version; /* transaction.version of the cluster, as far as is known; set by its owner */
    bool newer;      /* version 2: an epoch a transaction; writing to partitions adds them */
    bool can_bump;   /* InitProducerId raises an epoch that is told: version 3 and later */
    bool bump;       /* it does so after EndTxn */
    bool begun;      /* the coordinator may have a transaction */
    bool partitions_wanted; /* some are to be added; set by its owner */
    bool partitions_added;  /* since it began */
    bool ended; /* out: no partition is in a transaction any more; cleared by its owner */
    bool anew;  /* out: as ended, and sequences begin at 0 */
    int code;   /* of ABORTABLE and FATAL */
    char text[256];
    int64_t retry_ms; /* the next request not before */
    int32_t failures;
};
struct transactor_answer {
    int code;               /* of Kafka */
    struct string_view text; /* of the broker; may be null */
    int16_t version;
    int64_t producer_id; /* of INIT and END; -1: not told */
    int16_t producer_epoch;
};

void transactor_init(struct transactor *transactor, const struct client_config *config);

/* ---- calls of the application: 0, or why not ---- */

/* Begins a call, or goes on with the same one that was given up. */
int transactor_begin_call(struct transactor *transactor, enum transactor_call call,
                          struct bnb_error *error);
/* Whether the call has come to an end. */
bool transactor_has_ended(const struct transactor *transactor, enum transactor_call call);
/* The result of the call that has ended, once. */
int transactor_take_result(struct transactor *transactor, struct bnb_error *error);
int transactor_begin(struct transactor *transactor, struct bnb_error *error);
/* Whether a record, or offsets, may be sent now. */
int transactor_check_open(const struct transactor *transactor, struct bnb_error *error);
/* A record goes to a partition that is not in the transaction yet. True: it is now; false: it is
 * once partitions_wanted has been asked for. */
bool transactor_enrol(struct transactor *transactor);
/* Offsets are there to be committed. */
void transactor_send_offsets(struct transactor *transactor);

/* ---- the network thread ---- */

/* What to ask now; what waits for a time makes *wake_ms earlier. has_batches: some have not come to
 * their end. Ends what nobody needs to be asked for. */
enum transactor_request transactor_next(struct transactor *transactor, int64_t now_ms,
                                        bool has_batches, int64_t *wake_ms);
void transactor_asked(struct transactor *transactor, enum transactor_request request);
/* True: the coordinator is another. */
bool transactor_answered(struct transactor *transactor, int64_t now_ms,
                         enum transactor_request request, const struct transactor_answer *answer);
/* There was no answer. error: internal; ERR_UNSUPPORTED is the end. */
void transactor_lost(struct transactor *transactor, int64_t now_ms, int error, const char *text);
/* A batch had a sequence number, and has failed for good. */
void transactor_batch_failed(struct transactor *transactor, int code, const char *text);
/* Whether batches that were never sent are to fail: they would come to nothing. */
bool transactor_gives_up(const struct transactor *transactor);
enum transactor_verdict transactor_verdict(enum transactor_request request, int code);

#endif
