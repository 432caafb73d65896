/* runtime.h: what every coordinator has in common: the state of one partition of its topic.
 *
 * A request and the time go in; records and a reply come out. The records of one operation are
 * written whole or not at all. They are replayed at once, in the same way as when the log is
 * loaded, but what they change can be taken back until they are committed: each change is noted
 * with the batch that it came in. A reply leaves when the records of its operation are committed,
 * or carries the error that their append met. Pure: the driver appends batches, tells what became
 * of them, brings replies home and looks at the clock.
 *
 *   LOADING  --runtime_loaded-->  ACTIVE
 *   LOADING, ACTIVE  --runtime_unload-->  UNLOADED
 *
 * In LOADING requests are refused with COORDINATOR_LOAD_IN_PROGRESS, in UNLOADED with
 * NOT_COORDINATOR. The coordinator itself is a struct runtime_machine: group/group.h.
 * The runtime owns batches and timers' places; calls are their driver's and lent until the reply.
 * Thread: one.   Bounds: COORDINATOR_BATCH_BYTES a batch.   Errors: ERR_NOMEM. */
#ifndef BNB_COORDINATOR_RUNTIME_H
#define BNB_COORDINATOR_RUNTIME_H

#include "base/arena.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/writer.h"
#include "protocol/codec.h"
#include "protocol/record/batch.h"

struct runtime;

enum runtime_state {
    RUNTIME_LOADING,
    RUNTIME_ACTIVE,
    RUNTIME_UNLOADED,
};

/* Told what became of the records of an operation: 0 once they are committed, or the wire error
 * that their append met. Embedded in its owner. */
struct runtime_waiter {
    struct list node;
    void (*done)(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error);
};
/* A change of durable state that is not committed yet: kept for good, or taken back. Changes are
 * kept in their order and taken back in the opposite one. settle frees it. */
struct runtime_change {
    struct list node;
    void (*settle)(struct runtime_change *change, bool keep);
};
/* Fires once at its time. The owner must release it before its memory goes. */
struct runtime_timer {
    struct heap_node node; /* key: monotonic milliseconds */
    void (*fire)(struct runtime_timer *timer);
    struct runtime *runtime; /* NULL: it has no place */
};

/* A request on its way. What it points at stays until it is in the list of replies. */
struct runtime_call {
    struct runtime_waiter waiter; /* also its place in the list of replies */
    int16_t api_key;
    int16_t api_version;
    const void *request;
    struct string_view client_id;   /* null: none */
    struct string_view client_host; /* "/127.0.0.1" */
    struct arena *arena;            /* for the reply */
    uint8_t random[16];             /* for an id that may be given out */
    int64_t new_producer_id;        /* one that nobody has; -1: none, or it was taken */
    const void *response;           /* out; NULL: no memory for one */
};

/* A record as it is in the log. offset -1: one that was not appended yet. */
struct runtime_record {
    struct bytes_view key;
    struct bytes_view value; /* null: a tombstone */
    int64_t offset;
    int64_t producer_id; /* of a transaction, -1: none */
};
/* The end of a transaction on this partition. */
struct runtime_marker {
    int64_t producer_id;
    int64_t offset; /* -1: it was not appended yet */
    bool commit;
    /* To be written: */
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int16_t transaction_version; /* that its producer follows */
};

/* A coordinator. Every function gets what runtime_create was given. */
struct runtime_machine {
    /* Ends now or later in one runtime_reply for call. */
    void (*handle)(void *context, struct runtime_call *call);
    /* Makes the response that says error; runtime_reply follows by itself. */
    void (*refuse)(void *context, struct runtime_call *call, int16_t error);
    /* Changes durable state. 0, ERR_NOMEM, or another error for a record that means nothing: it is
     * left out. */
    int (*replay)(void *context, const struct runtime_record *record);
    /* 0 or ERR_NOMEM. */
    int (*replay_marker)(void *context, const struct runtime_marker *marker);
    void (*loaded)(void *context);
    /* Answers every call that it holds. */
    void (*unload)(void *context);
};

struct runtime_time {
    int64_t monotonic_ms;
    int64_t wall_ms;
};
/* Whatever is worth a line on the diagnostics; NUL-terminated, cut at its size. */
#define RUNTIME_NOTE_BYTES 1024
struct runtime_note {
    struct list node;
    char text[RUNTIME_NOTE_BYTES];
};

/* Records that one append writes. Those of a transaction have a batch of their own, and so has a
 * marker: a control batch. */
struct runtime_batch {
    struct list node;
    int64_t producer_id; /* -1: not of a transaction */
    int16_t producer_epoch;
    bool is_marker;
    struct runtime_marker marker;
    struct writer bytes; /* key and value of one record after the other */
    struct runtime_batch_entry {
        size_t key_bytes;
        size_t value_bytes;
        bool tombstone;
    } *entries;
    size_t count;
    size_t capacity;
    int64_t wall_ms; /* when it was begun: the timestamp of its records */
    bool appended;
    int64_t last_offset;
    struct list waiters;
    struct list changes;
};

int runtime_create(const struct runtime_machine *machine, void *context, struct runtime **runtime);
/* Calls that are not answered are forgotten, what is not committed is kept: before the machine's
 * state goes at an end without unloading. */
void runtime_forget(struct runtime *runtime);
/* Every timer must have been released. */
void runtime_destroy(struct runtime **runtime);
enum runtime_state runtime_state(const struct runtime *runtime);

/* ---- for the driver ---- */

void runtime_handle(struct runtime *runtime, struct runtime_call *call, struct runtime_time now);
/* An operation that no request asks for. */
void runtime_run(struct runtime *runtime, void (*operation)(void *context), void *context,
                 struct runtime_time now);
/* Fires the timers that are due. */
void runtime_tick(struct runtime *runtime, struct runtime_time now);
/* When the next timer is due, in monotonic milliseconds; INT64_MAX: none is armed. */
int64_t runtime_next_deadline_ms(const struct runtime *runtime);
/* The oldest batch that is to be appended, or NULL. */
struct runtime_batch *runtime_next_batch(struct runtime *runtime);
/* Builds the record batch of it at the end of out; 0 or ERR_NOMEM. */
int runtime_batch_build(const struct runtime_batch *batch, int32_t leader_epoch,
                        struct writer *out);
/* What became of the append of runtime_next_batch: 0 and the offset of its last record, or a wire
 * error, with which every batch behind it fails too. */
void runtime_appended(struct runtime *runtime, struct runtime_batch *batch, int16_t error,
                      int64_t last_offset, struct runtime_time now);
/* The high watermark has come to offset: what is below it is committed. */
void runtime_committed(struct runtime *runtime, int64_t high_watermark, struct runtime_time now);
/* The next call that is answered, or NULL. */
struct runtime_call *runtime_take_reply(struct runtime *runtime);
/* The next note, to be freed with mem_free, or NULL. */
struct runtime_note *runtime_take_note(struct runtime *runtime);

/* Loading: every batch of the log below the high watermark, in order. records: uncompressed. Gives
 * the number of records that meant nothing, or ERR_NOMEM, or ERR_CORRUPT for a batch that cannot be
 * read. */
int64_t runtime_load(struct runtime *runtime, const struct batch *batch, struct bytes_view records);
void runtime_loaded(struct runtime *runtime, struct runtime_time now);
/* The partition is not led here any more. */
void runtime_unload(struct runtime *runtime);

/* ---- for machines ---- */

struct runtime_time runtime_now(const struct runtime *runtime);
/* Writes a record in the operation that is under way; value_row NULL: a tombstone. Key: the type,
 * then the fields; value: the version, then the fields. Out of memory fails the operation. */
void runtime_write(struct runtime *runtime, int16_t type, const struct codec_struct *key_row,
                   const void *key, const struct codec_struct *value_row, int16_t value_version,
                   const void *value);
/* The same with bytes that are there already; value null: a tombstone. */
void runtime_write_bytes(struct runtime *runtime, struct bytes_view key, struct bytes_view value);
/* What this operation writes is part of a transaction; before anything is written. */
void runtime_transact(struct runtime *runtime, int64_t producer_id, int16_t producer_epoch);
/* Writes the end of a transaction, and nothing else in this operation. */
void runtime_write_marker(struct runtime *runtime, const struct runtime_marker *marker);
/* Replays what this operation has written so far, so that the rest of it sees the state that
 * follows. All of the operation stays one batch. False: memory is out, and the operation fails. */
bool runtime_apply(struct runtime *runtime);
/* Takes back what this operation has written so far, applied or not; it goes on without. */
void runtime_undo(struct runtime *runtime);
/* Memory is out: nothing of this operation is written, and its waiters get UNKNOWN_SERVER_ERROR. */
void runtime_fail(struct runtime *runtime);
/* Tells waiter what became of the records that this operation has written; without any, at its
 * end. */
void runtime_wait(struct runtime *runtime, struct runtime_waiter *waiter);
/* Sets the response of call. It leaves once what this operation has written is committed; when that
 * fails, the machine's refuse makes another one. */
void runtime_reply(struct runtime *runtime, struct runtime_call *call, const void *response);
/* The same for one that tells the state: it also waits for what earlier operations have written. */
void runtime_reply_settled(struct runtime *runtime, struct runtime_call *call,
                           const void *response);
/* The same, whatever becomes of the records. */
void runtime_reply_now(struct runtime *runtime, struct runtime_call *call, const void *response);
/* For replay: notes a change with the batch it came in. In loading it is kept at once. */
void runtime_note_change(struct runtime *runtime, struct runtime_change *change);
void runtime_note(struct runtime *runtime, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ERR_NOMEM when it gets no place. */
int runtime_timer_init(struct runtime *runtime, struct runtime_timer *timer,
                       void (*fire)(struct runtime_timer *timer));
void runtime_timer_release(struct runtime_timer *timer);
void runtime_timer_arm(struct runtime_timer *timer, int64_t delay_ms);
void runtime_timer_cancel(struct runtime_timer *timer);

#endif
