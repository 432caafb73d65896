/* producer_state.h: what a partition knows of each producer: idempotence and open transactions.
 *
 * Keeps up to five batches a producer, so that a retry is answered with its first offsets, and the
 * first offsets of open transactions, which bound the last stable offset. Snapshots (the files
 * %020d.snapshot) hold the newest batch of each producer only, as Apache Kafka writes them.
 * Invariants: entries are sorted by producer id; open transactions by first offset.
 * Owned by its log. Thread: the log's owner.   Bounds: one entry a live producer; they expire.
 * Errors: checks yield wire errors (err_from_wire). */
#ifndef BNB_LOG_PRODUCER_STATE_H
#define BNB_LOG_PRODUCER_STATE_H

#include "log/index_file.h"
#include "protocol/record/batch.h"

#define PRODUCER_BATCHES_MAX 5

struct producer_batch {
    int32_t last_sequence;
    int32_t offset_delta; /* last sequence - first sequence */
    int64_t last_offset;
    int64_t timestamp_ms;
};
struct producer_entry {
    int64_t producer_id;
    int64_t last_timestamp_ms;
    int64_t transaction_first_offset; /* -1: none is open */
    int32_t coordinator_epoch;
    int16_t producer_epoch;
    uint8_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES_MAX]; /* oldest first */
};
struct producer_transaction {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of the marker; completed ones only */
};
struct producer_transactions {
    struct producer_transaction *items;
    size_t count;
    size_t capacity;
};
/* That a transaction has begun is being asked of its coordinator (KIP-890). In memory only. */
struct producer_verification {
    int64_t producer_id;
    int64_t begun_ms;
    uint64_t guard;
    int32_t lowest_sequence;
    int16_t producer_epoch;
    bool epoch_a_transaction; /* its client takes a new epoch for each */
};
/* What there is of transactions. Most logs never see one. */
struct producer_pending {
    struct producer_transactions open;
    /* Completed, their marker not yet below the high watermark. */
    struct producer_transactions unreplicated;
    struct producer_verification *verifications;
    size_t verification_count;
    size_t verification_capacity;
};
struct producer_state {
    struct producer_entry *entries;
    size_t count;
    size_t capacity;
    struct producer_pending *pending; /* NULL: there never was any */
    int64_t snapshot_offset; /* of the newest snapshot; -1: none */
    uint64_t next_guard; /* set by the owner to something that was not there before */
};

void producer_state_init(struct producer_state *state);
/* For how long it has been silent. Its timestamps are clients' and the disk's: one that is too far
 * off to be counted from is of the future, as for Apache Kafka. */
static inline int64_t producer_age_ms(const struct producer_entry *entry, int64_t now_ms)
{
    return (int64_t)((uint64_t)now_ms - (uint64_t)entry->last_timestamp_ms);
}
void producer_state_assert_invariants(const struct producer_state *state);
void producer_state_release(struct producer_state *state);
/* Sees to it that there is pending: 0 or ERR_NOMEM. */
int producer_state_need_pending(struct producer_state *state);
void producer_state_clear(struct producer_state *state);
struct producer_entry *producer_state_find(const struct producer_state *state,
                                           int64_t producer_id);

/* The batch of a retry that was appended before, or NULL. */
const struct producer_batch *producer_state_duplicate(const struct producer_state *state,
                                                      const struct batch *batch);
/* Checks epoch and sequence of a data batch. from_client: sequences too. */
int producer_state_check(const struct producer_state *state, const struct batch *batch,
                         bool from_client);
/* Room for so many more producers and, if transactional, transactions and their ends: what is taken
 * in afterwards, for batches no more than that, finds memory. ERR_NOMEM. */
int producer_state_reserve(struct producer_state *state, size_t count, bool transactional);
/* Takes an appended data batch in; offsets are final. ERR_NOMEM. */
int producer_state_update(struct producer_state *state, const struct batch *batch);

struct producer_marker {
    bool commit;
    int32_t coordinator_epoch;
};
/* Whether a marker may be written: 0, INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED.
 * version: of transactions, that its producer follows. */
int producer_state_check_marker(const struct producer_state *state, const struct batch *batch,
                                const struct producer_marker *marker, int16_t version);

/* Whether a transaction of the producer with that epoch is open here. */
bool producer_state_has_transaction(const struct producer_state *state, int64_t producer_id,
                                    int16_t producer_epoch);
/* Begins to verify one that is not, or goes on with it; *guard is what an append must show. 0,
 * INVALID_PRODUCER_EPOCH or ERR_NOMEM. */
int producer_state_verify(struct producer_state *state,
                          const struct producer_verification *asked, uint64_t *guard);
/* Whether a transactional batch may be appended under guard (0: none): 0, INVALID_PRODUCER_EPOCH or
 * INVALID_TXN_STATE. */
int producer_state_check_guard(const struct producer_state *state, int64_t producer_id,
                               int16_t producer_epoch, uint64_t guard);
/* After an append: what is verified is verified, or ended. */
void producer_state_verified(struct producer_state *state, const struct batch *batch,
                             int16_t version);
/* Takes an end-of-transaction marker in; completed is filled and 1 returned when it ended an open
 * transaction, with the last stable offset right after it. ERR_CORRUPT: it ends before it begins,
 * which only batches that were read back can say. */
int producer_state_complete(struct producer_state *state, const struct batch *batch,
                            const struct producer_marker *marker,
                            struct producer_transaction *completed, int64_t *last_stable_offset);
/* First offset that is not stable yet, -1: all are. */
int64_t producer_state_first_unstable(struct producer_state *state, int64_t high_watermark,
                                      int64_t log_start_offset);
/* Makes to the same as from; its snapshots stay its own. ERR_NOMEM. */
int producer_state_copy(struct producer_state *to, const struct producer_state *from);
void producer_state_expire(struct producer_state *state, int64_t now_ms, int64_t expiration_ms);

/* Writes %020d.snapshot for offset, unless a newer one is there. */
int producer_state_write_snapshot(struct producer_state *state, const struct log_place *place,
                                  int64_t offset, bool sync);
/* Replaces the state by the snapshot of offset: 0, ERR_NOT_FOUND, ERR_CORRUPT. */
int producer_state_load_snapshot(struct producer_state *state, const struct log_place *place,
                                 int64_t offset, int64_t now_ms, int64_t expiration_ms);

#endif
