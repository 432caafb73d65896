/* internal.h: what the files of this folder do for each other. */
#ifndef BNB_COORDINATOR_TRANSACTION_INTERNAL_H
#define BNB_COORDINATOR_TRANSACTION_INTERNAL_H

#include "base/assert.h"
#include "base/mem.h"
#include "coordinator/transaction/transaction.h"
#include "protocol/error.h"

#define TRANSACTION_RECORD 0 /* the only kind in __transaction_state */
/* Behind it there is no epoch left to fence anybody with. */
#define EPOCH_LAST INT16_MAX
#define EPOCH_EXHAUSTED (INT16_MAX - 1)

/* As the log has them. */
enum transaction_status {
    TRANSACTION_EMPTY = 0,
    TRANSACTION_ONGOING = 1,
    TRANSACTION_PREPARE_COMMIT = 2,
    TRANSACTION_PREPARE_ABORT = 3,
    TRANSACTION_COMPLETE_COMMIT = 4,
    TRANSACTION_COMPLETE_ABORT = 5,
    TRANSACTION_STATUS_COUNT,
};

/* In order of topic and partition, each once; one block holds them and their names. */
struct transaction_set {
    struct transaction_partition *items;
    int32_t count;
};

#define TRANSACTION_TIMEOUT_NEVER INT32_MAX

/* What a record says of a transactional id. */
struct transaction_facts {
    int64_t producer_id;
    int64_t previous_producer_id; /* -1: none */
    int64_t next_producer_id;     /* once the transaction is complete; -1: the same */
    int16_t producer_epoch;       /* -1: the id is new */
    int16_t last_producer_epoch;  /* -1: none, or not known; not in the log */
    int16_t version;              /* of transactions, that its client follows */
    int32_t timeout_ms; /* TRANSACTION_TIMEOUT_NEVER: it is one of two phases */
    enum transaction_status status;
    int64_t updated_ms; /* wall */
    int64_t started_ms; /* wall; -1: not */
    struct transaction_set partitions;
};

/* A transactional id. now is what is committed; a change that is not holds every other one off. */
struct transaction {
    struct transaction_coordinator *owner;
    struct string_view id;
    bool exists;  /* some record of it is committed */
    bool writing; /* next is on its way into the log */
    bool removing; /* and is a tombstone */
    struct transaction_facts now;
    struct transaction_facts next;
    int16_t next_last_epoch; /* of next, which its record does not hold */
    struct runtime_change change;
    struct runtime_waiter waiter; /* of a decision, or of its completion */
    struct list decided_node;     /* among those whose markers are to be told */
    struct list due_node;         /* among those whose completion is to be written once more */
};

struct transaction_coordinator {
    struct transaction_options options;
    struct runtime *runtime;
    struct map transactions;
    struct list decided;
    struct list due;
    int16_t version;
    struct transaction_markers markers; /* that were told last */
    struct runtime_timer abort_timer;
    struct runtime_timer remove_timer;
    struct runtime_timer retry_timer;
    struct transaction_counts counts;
};

/* ---- state.c ---- */

const char *transaction_status_name(enum transaction_status status);
/* TRANSACTION_STATUS_COUNT: there is none of that name. */
enum transaction_status transaction_status_of(struct string_view name);
/* The one setter of what is committed: takes next, and asserts that the move is allowed. */
void transaction_move(struct transaction *transaction);
void transaction_check(const struct transaction *transaction);
static inline bool transaction_is_decided(const struct transaction *transaction)
{
    return transaction->now.status == TRANSACTION_PREPARE_COMMIT ||
           transaction->now.status == TRANSACTION_PREPARE_ABORT;
}
static inline bool transaction_is_at_rest(const struct transaction *transaction)
{
    return !transaction->writing && !transaction_is_decided(transaction) &&
           transaction->now.status != TRANSACTION_ONGOING;
}
/* Something about it is being written, or its markers are: whoever asks shall come again. */
static inline bool transaction_is_busy(const struct transaction *transaction)
{
    return transaction->writing || transaction_is_decided(transaction);
}

/* ---- set.c ---- */

void transaction_set_release(struct transaction_set *set);
/* The union; false: no memory, and *joined is empty. Any order, any repetition. */
bool transaction_set_join(const struct transaction_set *set,
                          const struct transaction_partition *more, int32_t count,
                          struct transaction_set *joined);
bool transaction_set_has(const struct transaction_set *set,
                         const struct transaction_partition *partition);

/* ---- coordinator.c ---- */

struct transaction *transaction_find(const struct transaction_coordinator *owner,
                                     struct string_view id);
/* One that nothing is known of, in the table; NULL: no memory. */
struct transaction *transaction_make(struct transaction_coordinator *owner, struct string_view id);
/* Out of the table, and freed. */
void transaction_remove(struct transaction *transaction);
/* Answers error in the operation that is under way. */
void transaction_answer_error(struct transaction_coordinator *owner, struct runtime_call *call,
                              int16_t error);
/* Sees to it that ongoing ones are looked at in time. */
void transactions_watch(struct transaction_coordinator *owner);
/* In the order of their ids, mem_free-able; NULL: no memory. */
struct transaction **transactions_sorted(const struct transaction_coordinator *owner,
                                         size_t *count);

/* ---- record.c ---- */

/* Writes what transaction shall become. facts->partitions stay the caller's. */
void transaction_write(struct transaction *transaction, const struct transaction_facts *facts);
void transaction_write_tombstone(struct transaction *transaction);
int transaction_replay(void *context, const struct runtime_record *record);
/* Once, when it is made. */
void transaction_change_init(struct transaction *transaction);

/* ---- init.c, partitions.c, end.c, describe.c, refuse.c ---- */

void transaction_init(struct transaction_coordinator *owner, struct runtime_call *call);
void transaction_add_partitions(struct transaction_coordinator *owner, struct runtime_call *call);
void transaction_end(struct transaction_coordinator *owner, struct runtime_call *call);
/* Fences the producer of an ongoing transaction and aborts it. */
void transaction_fence(struct transaction *transaction, struct runtime_call *call);
/* Of one that is decided: its markers are to be told, or, when it has none, its end is written. */
void transaction_decided(struct transaction *transaction);
/* Writes the end of one that is decided. */
void transaction_complete(struct transaction *transaction);
void transaction_describe(struct transaction_coordinator *owner, struct runtime_call *call);
void transaction_list(struct transaction_coordinator *owner, struct runtime_call *call);
void transaction_refuse(void *context, struct runtime_call *call, int16_t error);

#endif
