#include "coordinator/runtime.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "protocol/error.h"
#include "protocol/record/iter.h"

struct runtime {
    const struct runtime_machine *machine;
    void *context;
    enum runtime_state state;
    struct runtime_time now;
    struct heap timers;
    struct list batches; /* in order: appended ones that are not committed, then the others */
    struct list replies;
    struct list notes;
    struct runtime_batch *replaying; /* changes are noted there; NULL: they are kept at once */
    /* The operation under way. */
    bool in_operation;
    bool stage_failed;
    struct runtime_batch *applied; /* its own batch, once some of it is replayed; else NULL */
    struct runtime_batch stage;
};

static void batch_init(struct runtime_batch *batch)
{
    *batch = (struct runtime_batch){.producer_id = -1, .producer_epoch = -1};
    writer_init(&batch->bytes, COORDINATOR_OPERATION_BYTES_MAX);
    list_init(&batch->node);
    list_init(&batch->waiters);
    list_init(&batch->changes);
}

static void batch_release(struct runtime_batch *batch)
{
    ASSERT(list_empty(&batch->changes));
    writer_release(&batch->bytes);
    mem_free(batch->entries);
}

int runtime_create(const struct runtime_machine *machine, void *context, struct runtime **created)
{
    ASSERT(machine->handle != NULL && machine->refuse != NULL && machine->replay != NULL);
    ASSERT(machine->loaded != NULL && machine->unload != NULL);
    struct runtime *runtime = mem_calloc(1, sizeof *runtime);
    *created = runtime;
    if (runtime == NULL) {
        return ERR_NOMEM;
    }
    runtime->machine = machine;
    runtime->context = context;
    list_init(&runtime->batches);
    list_init(&runtime->replies);
    list_init(&runtime->notes);
    batch_init(&runtime->stage);
    return 0;
}

/* Those behind mark, the newest first. */
static void changes_take_back(struct runtime_batch *batch, const struct list *mark)
{
    while (batch->changes.prev != mark) {
        struct list *node = batch->changes.prev;
        list_remove(node);
        struct runtime_change *change = CONTAINER_OF(node, struct runtime_change, node);
        change->settle(change, false);
    }
}

static void changes_keep(struct runtime_batch *batch)
{
    while (!list_empty(&batch->changes)) {
        struct list *node = batch->changes.next;
        list_remove(node);
        struct runtime_change *change = CONTAINER_OF(node, struct runtime_change, node);
        change->settle(change, true);
    }
}

void runtime_forget(struct runtime *runtime)
{
    while (!list_empty(&runtime->batches)) {
        struct runtime_batch *batch =
            CONTAINER_OF(runtime->batches.next, struct runtime_batch, node);
        list_remove(&batch->node);
        changes_keep(batch);
        while (!list_empty(&batch->waiters)) {
            list_remove(batch->waiters.next);
        }
        batch_release(batch);
        mem_free(batch);
    }
}

void runtime_destroy(struct runtime **destroyed)
{
    struct runtime *runtime = *destroyed;
    if (runtime == NULL) {
        return;
    }
    ASSERT(runtime->timers.reserved == 0);
    runtime_forget(runtime);
    struct runtime_note *note;
    while ((note = runtime_take_note(runtime)) != NULL) {
        mem_free(note);
    }
    batch_release(&runtime->stage);
    heap_release(&runtime->timers);
    mem_free(runtime);
    *destroyed = NULL;
}

enum runtime_state runtime_state(const struct runtime *runtime) { return runtime->state; }
struct runtime_time runtime_now(const struct runtime *runtime) { return runtime->now; }

/* ---- operations ---- */

static void operation_begin(struct runtime *runtime)
{
    ASSERT(!runtime->in_operation && runtime->applied == NULL);
    ASSERT(runtime->stage.count == 0 && list_empty(&runtime->stage.waiters));
    runtime->in_operation = true;
    runtime->stage_failed = false;
}

static void stage_clear(struct runtime *runtime)
{
    runtime->stage.count = 0;
    runtime->stage.producer_id = -1;
    runtime->stage.is_marker = false;
    runtime->stage.marker = (struct runtime_marker){0};
    runtime->stage.bytes.size = 0;
    if (runtime->stage.bytes.capacity > COORDINATOR_STAGE_KEEP_BYTES ||
        runtime->stage.bytes.failed) {
        writer_release(&runtime->stage.bytes);
        writer_init(&runtime->stage.bytes, COORDINATOR_OPERATION_BYTES_MAX);
    }
}

static void waiters_tell(struct runtime *runtime, struct list *waiters, int16_t error)
{
    while (!list_empty(waiters)) {
        struct runtime_waiter *waiter = CONTAINER_OF(waiters->next, struct runtime_waiter, node);
        list_remove(&waiter->node);
        waiter->done(runtime, waiter, error);
    }
}

static struct runtime_batch *batch_make(struct runtime *runtime)
{
    const struct runtime_batch *stage = &runtime->stage;
    struct runtime_batch *batch = mem_alloc(sizeof *batch);
    if (batch != NULL) {
        batch_init(batch);
        batch->producer_id = stage->producer_id;
        batch->producer_epoch = stage->producer_epoch;
        batch->is_marker = stage->is_marker;
        batch->marker = stage->marker;
        batch->wall_ms = runtime->now.wall_ms;
        list_push_back(&runtime->batches, &batch->node);
    }
    return batch;
}

/* The batch that the next append writes, if the operation fits in; else a new one. */
static struct runtime_batch *batch_with_room(struct runtime *runtime, size_t size_bytes)
{
    const struct runtime_batch *stage = &runtime->stage;
    if (!list_empty(&runtime->batches)) {
        struct runtime_batch *last =
            CONTAINER_OF(runtime->batches.prev, struct runtime_batch, node);
        bool plain = last->producer_id < 0 && stage->producer_id < 0;
        bool fits = plain && last->bytes.size + size_bytes <= COORDINATOR_BATCH_BYTES;
        ASSERT(last->count > 0);
        if (!last->appended && fits) {
            return last;
        }
    }
    return batch_make(runtime);
}

static struct runtime_record batch_record(const struct runtime_batch *batch, size_t index,
                                          size_t position)
{
    const struct runtime_batch_entry *entry = &batch->entries[index];
    ASSERT(position + entry->key_bytes + entry->value_bytes <= batch->bytes.size);
    const uint8_t *data = batch->bytes.data + position;
    return (struct runtime_record){
        .key = {data, entry->key_bytes},
        .value = {entry->tombstone ? NULL : data + entry->key_bytes, entry->value_bytes},
        .offset = -1,
        .producer_id = batch->producer_id,
    };
}

static int stage_replay(struct runtime *runtime)
{
    const struct runtime_batch *stage = &runtime->stage;
    if (stage->is_marker) {
        return runtime->machine->replay_marker(runtime->context, &stage->marker);
    }
    size_t position = 0;
    int error = 0;
    for (size_t i = 0; error == 0 && i < stage->count; i++) {
        struct runtime_record record = batch_record(stage, i, position);
        position += record.key.size + record.value.size;
        error = runtime->machine->replay(runtime->context, &record);
    }
    ASSERT(error != 0 || position == stage->bytes.size);
    return error;
}

/* Puts the records of the operation behind those of the batch and replays them. */
static bool batch_take_stage(struct runtime *runtime, struct runtime_batch *batch)
{
    struct runtime_batch *stage = &runtime->stage;
    if (mem_grow((void **)&batch->entries, &batch->capacity, batch->count + stage->count,
                 sizeof *batch->entries) != 0) {
        return false;
    }
    struct list *mark = batch->changes.prev;
    writer_bytes(&batch->bytes, stage->bytes.data, stage->bytes.size);
    if (batch->bytes.failed) {
        batch->bytes.failed = false;
        return false;
    }
    memcpy(&batch->entries[batch->count], stage->entries, stage->count * sizeof *stage->entries);
    batch->count += stage->count;
    runtime->replaying = batch;
    int error = stage_replay(runtime);
    ASSERT(error == 0 || error == ERR_NOMEM); /* they are our own */
    runtime->replaying = NULL;
    if (error != 0) {
        changes_take_back(batch, mark);
        batch->count -= stage->count;
        batch->bytes.size -= stage->bytes.size;
        return false;
    }
    list_move_all(&batch->waiters, &stage->waiters);
    return true;
}

static void batch_drop(struct runtime_batch *batch)
{
    ASSERT(list_empty(&batch->waiters) && list_empty(&batch->changes));
    list_remove(&batch->node);
    batch_release(batch);
    mem_free(batch);
}

static bool stage_write(struct runtime *runtime)
{
    struct runtime_batch *batch = runtime->applied != NULL
                                      ? runtime->applied
                                      : batch_with_room(runtime, runtime->stage.bytes.size);
    if (batch == NULL) {
        return false;
    }
    bool written = batch_take_stage(runtime, batch);
    if (!written && batch->count == 0 && batch != runtime->applied) {
        batch_drop(batch); /* an empty one would hold those behind it */
    }
    return written;
}

static void waiters_tell_each(struct runtime *runtime, struct list *waiters, int16_t error);

/* Of an operation that fails: nobody else has anything in that batch. */
static void applied_take_back(struct runtime *runtime)
{
    struct runtime_batch *batch = runtime->applied;
    runtime->applied = NULL;
    if (batch != NULL) {
        ASSERT(!batch->appended && runtime->batches.prev == &batch->node);
        changes_take_back(batch, &batch->changes);
        batch_drop(batch);
    }
}

static void operation_end(struct runtime *runtime)
{
    ASSERT(runtime->in_operation);
    runtime->in_operation = false;
    struct list waiters;
    list_init(&waiters);
    bool failed = runtime->stage_failed || runtime->stage.bytes.failed;
    if (!failed && (runtime->stage.count > 0 || runtime->applied != NULL)) {
        failed = !stage_write(runtime);
    }
    if (failed) {
        applied_take_back(runtime);
    }
    runtime->applied = NULL;
    list_move_all(&waiters, &runtime->stage.waiters);
    stage_clear(runtime);
    if (!failed) {
        waiters_tell(runtime, &waiters, 0);
    } else {
        waiters_tell_each(runtime, &waiters, KAFKA_UNKNOWN_SERVER_ERROR);
    }
}

/* Waiters may write records in their turn: each is told in an operation of its own. */
static void waiters_tell_each(struct runtime *runtime, struct list *waiters, int16_t error)
{
    while (!list_empty(waiters)) {
        struct runtime_waiter *waiter = CONTAINER_OF(waiters->next, struct runtime_waiter, node);
        list_remove(&waiter->node);
        operation_begin(runtime);
        waiter->done(runtime, waiter, error);
        operation_end(runtime);
    }
}

static void stage_entry(struct runtime *runtime, size_t start, size_t value_start, bool tombstone)
{
    struct runtime_batch *stage = &runtime->stage;
    if (stage->bytes.failed || mem_grow((void **)&stage->entries, &stage->capacity,
                                        stage->count + 1, sizeof *stage->entries) != 0) {
        runtime->stage_failed = true;
        return;
    }
    ASSERT(start < value_start && value_start <= stage->bytes.size);
    stage->entries[stage->count++] = (struct runtime_batch_entry){
        value_start - start, stage->bytes.size - value_start, tombstone};
}

void runtime_write(struct runtime *runtime, int16_t type, const struct codec_struct *key_row,
                   const void *key, const struct codec_struct *value_row, int16_t value_version,
                   const void *value)
{
    ASSERT(runtime->in_operation);
    struct writer *bytes = &runtime->stage.bytes;
    size_t start = bytes->size;
    writer_i16(bytes, type);
    int error = codec_encode(key_row, bytes, 0, key);
    size_t value_start = bytes->size;
    if (error == 0 && value_row != NULL) {
        writer_i16(bytes, value_version);
        error = codec_encode(value_row, bytes, value_version, value);
    }
    if (error != 0) {
        runtime->stage_failed = true;
        return;
    }
    stage_entry(runtime, start, value_start, value_row == NULL);
}

void runtime_write_bytes(struct runtime *runtime, struct bytes_view key, struct bytes_view value)
{
    ASSERT(runtime->in_operation && key.size > 0);
    struct writer *bytes = &runtime->stage.bytes;
    size_t start = bytes->size;
    writer_bytes(bytes, key.data, key.size);
    writer_bytes(bytes, value.data, value.size);
    stage_entry(runtime, start, start + key.size, value.data == NULL);
}

void runtime_transact(struct runtime *runtime, int64_t producer_id, int16_t producer_epoch)
{
    ASSERT(runtime->in_operation && runtime->stage.count == 0 && producer_id >= 0);
    runtime->stage.producer_id = producer_id;
    runtime->stage.producer_epoch = producer_epoch;
}

/* Key: int16 version 0, int16 type: 0 abort, 1 commit. Value: int16 version 0, int32 epoch. */
void runtime_write_marker(struct runtime *runtime, const struct runtime_marker *marker)
{
    struct runtime_batch *stage = &runtime->stage;
    runtime_transact(runtime, marker->producer_id, marker->producer_epoch);
    stage->is_marker = true;
    stage->marker = *marker;
    stage->marker.offset = -1;
    size_t start = stage->bytes.size;
    writer_i16(&stage->bytes, 0);
    writer_i16(&stage->bytes, marker->commit);
    size_t value_start = stage->bytes.size;
    writer_i16(&stage->bytes, 0);
    writer_i32(&stage->bytes, marker->coordinator_epoch);
    stage_entry(runtime, start, value_start, false);
}

bool runtime_apply(struct runtime *runtime)
{
    ASSERT(runtime->in_operation && !runtime->stage.is_marker && runtime->stage.producer_id < 0);
    if (runtime->stage_failed || runtime->stage.bytes.failed) {
        return false;
    }
    if (runtime->stage.count == 0) {
        return true;
    }
    if (runtime->applied == NULL) {
        runtime->applied = batch_make(runtime);
    }
    struct list waiters; /* they stay with the operation until its end */
    list_init(&waiters);
    list_move_all(&waiters, &runtime->stage.waiters);
    bool applied = runtime->applied != NULL && batch_take_stage(runtime, runtime->applied);
    list_move_all(&runtime->stage.waiters, &waiters);
    if (applied) {
        runtime->stage.count = 0;
        runtime->stage.bytes.size = 0;
    } else {
        runtime->stage_failed = true;
    }
    return applied;
}

void runtime_undo(struct runtime *runtime)
{
    ASSERT(runtime->in_operation);
    applied_take_back(runtime);
    struct list waiters;
    list_init(&waiters);
    list_move_all(&waiters, &runtime->stage.waiters);
    stage_clear(runtime);
    list_move_all(&runtime->stage.waiters, &waiters);
}

void runtime_fail(struct runtime *runtime)
{
    ASSERT(runtime->in_operation);
    runtime->stage_failed = true;
}

void runtime_wait(struct runtime *runtime, struct runtime_waiter *waiter)
{
    ASSERT(runtime->in_operation && waiter->done != NULL);
    list_push_back(&runtime->stage.waiters, &waiter->node);
}

static void call_settled(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    struct runtime_call *call = CONTAINER_OF(waiter, struct runtime_call, waiter);
    if (error != 0) {
        call->response = NULL;
        runtime->machine->refuse(runtime->context, call, error);
    }
    list_push_back(&runtime->replies, &waiter->node);
}

void runtime_reply(struct runtime *runtime, struct runtime_call *call, const void *response)
{
    call->response = response;
    call->waiter.done = call_settled;
    if (runtime->in_operation) {
        runtime_wait(runtime, &call->waiter);
    } else {
        call_settled(runtime, &call->waiter, 0);
    }
}

void runtime_reply_settled(struct runtime *runtime, struct runtime_call *call,
                           const void *response)
{
    bool earlier = runtime->stage.count == 0 && runtime->applied == NULL &&
                   !list_empty(&runtime->batches);
    if (!earlier) {
        runtime_reply(runtime, call, response);
        return;
    }
    call->response = response;
    call->waiter.done = call_settled;
    struct runtime_batch *last = CONTAINER_OF(runtime->batches.prev, struct runtime_batch, node);
    list_push_back(&last->waiters, &call->waiter.node);
}

void runtime_reply_now(struct runtime *runtime, struct runtime_call *call, const void *response)
{
    call->response = response;
    list_push_back(&runtime->replies, &call->waiter.node);
}

void runtime_note_change(struct runtime *runtime, struct runtime_change *change)
{
    if (runtime->replaying == NULL) {
        change->settle(change, true);
    } else {
        list_push_back(&runtime->replaying->changes, &change->node);
    }
}

void runtime_note(struct runtime *runtime, const char *format, ...)
{
    struct runtime_note *note = mem_alloc(sizeof *note);
    if (note == NULL) {
        return; /* a line less */
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(note->text, sizeof note->text, format, arguments);
    va_end(arguments);
    list_push_back(&runtime->notes, &note->node);
}

/* ---- timers ---- */

int runtime_timer_init(struct runtime *runtime, struct runtime_timer *timer,
                       void (*fire)(struct runtime_timer *timer))
{
    ASSERT(fire != NULL);
    *timer = (struct runtime_timer){.fire = fire};
    if (heap_reserve(&runtime->timers) != 0) {
        return ERR_NOMEM;
    }
    timer->runtime = runtime;
    return 0;
}

void runtime_timer_release(struct runtime_timer *timer)
{
    if (timer->runtime != NULL) {
        heap_remove(&timer->runtime->timers, &timer->node);
        heap_unreserve(&timer->runtime->timers);
        timer->runtime = NULL;
    }
}

void runtime_timer_arm(struct runtime_timer *timer, int64_t delay_ms)
{
    struct runtime *runtime = timer->runtime;
    ASSERT(runtime != NULL);
    int64_t now_ms = runtime->now.monotonic_ms;
    heap_put(&runtime->timers, &timer->node,
             delay_ms < INT64_MAX - now_ms ? now_ms + delay_ms : INT64_MAX);
}

void runtime_timer_cancel(struct runtime_timer *timer)
{
    if (timer->runtime != NULL) {
        heap_remove(&timer->runtime->timers, &timer->node);
    }
}

int64_t runtime_next_deadline_ms(const struct runtime *runtime)
{
    const struct heap_node *first = heap_first(&runtime->timers);
    return first == NULL ? INT64_MAX : first->key;
}

/* ---- the driver's side ---- */

void runtime_handle(struct runtime *runtime, struct runtime_call *call, struct runtime_time now)
{
    runtime->now = now;
    call->response = NULL;
    list_init(&call->waiter.node);
    call->waiter.done = call_settled;
    if (runtime->state != RUNTIME_ACTIVE) {
        call_settled(runtime, &call->waiter,
                     runtime->state == RUNTIME_LOADING ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                                       : KAFKA_NOT_COORDINATOR);
        return;
    }
    operation_begin(runtime);
    runtime->machine->handle(runtime->context, call);
    operation_end(runtime);
}

void runtime_run(struct runtime *runtime, void (*operation)(void *context), void *context,
                 struct runtime_time now)
{
    ASSERT(runtime->state == RUNTIME_ACTIVE);
    runtime->now = now;
    operation_begin(runtime);
    operation(context);
    operation_end(runtime);
}

void runtime_tick(struct runtime *runtime, struct runtime_time now)
{
    runtime->now = now;
    struct heap_node *first;
    while ((first = heap_first(&runtime->timers)) != NULL && first->key <= now.monotonic_ms) {
        struct runtime_timer *timer = CONTAINER_OF(first, struct runtime_timer, node);
        heap_remove(&runtime->timers, first);
        operation_begin(runtime);
        timer->fire(timer);
        operation_end(runtime);
    }
}

struct runtime_batch *runtime_next_batch(struct runtime *runtime)
{
    LIST_FOR_EACH(node, &runtime->batches)
    {
        struct runtime_batch *batch = CONTAINER_OF(node, struct runtime_batch, node);
        if (!batch->appended && batch->count > 0) {
            return batch;
        }
    }
    return NULL;
}

int runtime_batch_build(const struct runtime_batch *batch, int32_t leader_epoch,
                        struct writer *out)
{
    ASSERT(batch->count > 0);
    struct batch header = batch_header_empty(0);
    header.base_timestamp_ms = header.max_timestamp_ms = batch->wall_ms;
    header.partition_leader_epoch = leader_epoch;
    if (batch->producer_id >= 0) { /* sequences as Apache Kafka's coordinators have them */
        header.attributes = BATCH_TRANSACTIONAL | (batch->is_marker ? BATCH_CONTROL : 0);
        header.producer_id = batch->producer_id;
        header.producer_epoch = batch->producer_epoch;
        header.base_sequence = batch->is_marker ? -1 : 0;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, out, &header);
    size_t position = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct runtime_record from = batch_record(batch, i, position);
        position += from.key.size + from.value.size;
        struct record record = {.offset = (int64_t)i,
                                .timestamp_ms = batch->wall_ms,
                                .key = from.key,
                                .value = from.value};
        batch_builder_add(&builder, &record);
    }
    return batch_builder_finish(&builder);
}

static void batch_settle(struct runtime *runtime, struct runtime_batch *batch, int16_t error)
{
    changes_keep(batch); /* after a failure there are none left */
    waiters_tell_each(runtime, &batch->waiters, error);
    batch_release(batch);
    mem_free(batch);
}

/* What a client is told of an append that failed, as Apache Kafka's CoordinatorOperationException
 * handling has it. */
static int16_t append_error(int16_t error)
{
    switch (error) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_REQUEST_TIMED_OUT:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_KAFKA_STORAGE_ERROR:
        return KAFKA_NOT_COORDINATOR;
    case KAFKA_MESSAGE_TOO_LARGE:
    case KAFKA_RECORD_LIST_TOO_LARGE:
    case KAFKA_INVALID_FETCH_SIZE:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    default:
        return error;
    }
}

/* What came later was decided in the belief that this one holds: it goes too, the newest first. */
static void batches_fail_from(struct runtime *runtime, struct runtime_batch *batch, int16_t error)
{
    struct list failed;
    list_init(&failed);
    struct list *node = runtime->batches.prev;
    for (;;) {
        struct list *before = node->prev;
        struct runtime_batch *later = CONTAINER_OF(node, struct runtime_batch, node);
        ASSERT(!later->appended);
        changes_take_back(later, &later->changes);
        list_remove(node);
        list_push_back(&failed, node);
        if (later == batch) {
            break;
        }
        node = before;
    }
    while (!list_empty(&failed)) { /* the oldest is told first */
        struct runtime_batch *first = CONTAINER_OF(failed.prev, struct runtime_batch, node);
        list_remove(&first->node);
        batch_settle(runtime, first, error);
    }
}

void runtime_appended(struct runtime *runtime, struct runtime_batch *batch, int16_t error,
                      int64_t last_offset, struct runtime_time now)
{
    runtime->now = now;
    ASSERT(!batch->appended && batch == runtime_next_batch(runtime));
    if (error != 0) {
        batches_fail_from(runtime, batch, append_error(error));
        return;
    }
    ASSERT(last_offset >= 0);
    batch->appended = true;
    batch->last_offset = last_offset;
}

void runtime_committed(struct runtime *runtime, int64_t high_watermark, struct runtime_time now)
{
    runtime->now = now;
    while (!list_empty(&runtime->batches)) {
        struct runtime_batch *batch =
            CONTAINER_OF(runtime->batches.next, struct runtime_batch, node);
        if (!batch->appended || batch->last_offset >= high_watermark) {
            break;
        }
        list_remove(&batch->node);
        batch_settle(runtime, batch, 0);
    }
}

struct runtime_call *runtime_take_reply(struct runtime *runtime)
{
    if (list_empty(&runtime->replies)) {
        return NULL;
    }
    struct list *node = runtime->replies.next;
    list_remove(node);
    return CONTAINER_OF(node, struct runtime_call, waiter.node);
}

struct runtime_note *runtime_take_note(struct runtime *runtime)
{
    if (list_empty(&runtime->notes)) {
        return NULL;
    }
    struct list *node = runtime->notes.next;
    list_remove(node);
    return CONTAINER_OF(node, struct runtime_note, node);
}

/* ---- loading ---- */

/* int16 version, int16 type: 0 abort, 1 commit. */
static bool marker_is_commit(const struct record *record)
{
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    return reader_i16(&reader) == 1 && !reader.failed;
}

int64_t runtime_load(struct runtime *runtime, const struct batch *batch, struct bytes_view records)
{
    ASSERT(runtime->state == RUNTIME_LOADING);
    struct record_iter iter;
    struct record record;
    int64_t skipped = 0;
    int got;
    record_iter_init(&iter, batch, records);
    while ((got = record_iter_next(&iter, &record)) == 1) {
        if (batch_is_control(batch)) {
            struct runtime_marker marker = {.producer_id = batch->producer_id,
                                            .offset = record.offset,
                                            .commit = marker_is_commit(&record)};
            if (runtime->machine->replay_marker(runtime->context, &marker) != 0) {
                return ERR_NOMEM;
            }
            continue;
        }
        struct runtime_record replayed = {
            .key = record.key,
            .value = record.value,
            .offset = record.offset,
            .producer_id = batch_is_transactional(batch) ? batch->producer_id : -1};
        int error = runtime->machine->replay(runtime->context, &replayed);
        if (error == ERR_NOMEM) {
            return ERR_NOMEM; /* half of a log is none */
        }
        skipped += error != 0;
    }
    return got < 0 ? ERR_CORRUPT : skipped;
}

void runtime_loaded(struct runtime *runtime, struct runtime_time now)
{
    ASSERT(runtime->state == RUNTIME_LOADING);
    runtime->now = now;
    runtime->state = RUNTIME_ACTIVE;
    operation_begin(runtime);
    runtime->machine->loaded(runtime->context);
    operation_end(runtime);
}

void runtime_unload(struct runtime *runtime)
{
    if (runtime->state == RUNTIME_UNLOADED) {
        return;
    }
    runtime->state = RUNTIME_UNLOADED;
    struct list waiters;
    list_init(&waiters);
    while (!list_empty(&runtime->batches)) {
        struct runtime_batch *batch =
            CONTAINER_OF(runtime->batches.next, struct runtime_batch, node);
        list_remove(&batch->node);
        changes_keep(batch);
        list_move_all(&waiters, &batch->waiters);
        batch_release(batch);
        mem_free(batch);
    }
    operation_begin(runtime);
    runtime->machine->unload(runtime->context);
    do { /* what is written now goes nowhere */
        list_move_all(&waiters, &runtime->stage.waiters);
        stage_clear(runtime);
        waiters_tell(runtime, &waiters, KAFKA_NOT_COORDINATOR);
    } while (!list_empty(&runtime->stage.waiters));
    stage_clear(runtime);
    operation_end(runtime);
}
