/* producer_transaction.c: the public calls of a producer about its transactions, on application
 * threads. */
#include "base/mem.h"
#include "client/sender.h"
#include "io/system.h"

#define OFFSETS_BYTES_MAX ((size_t)256 << 20)

static int timed_out(const struct bnb_producer *producer, struct bnb_error *error,
                     const char *what)
{
    return client_error_set(error, BNB_ERROR_TIMEOUT,
                            "Timeout expired after %lldms while awaiting %s",
                            (long long)producer->config->max_block_ms, what);
}

static int closed(struct bnb_error *error)
{
    return client_error_set(error, BNB_ERROR_CLOSED,
                            "Cannot perform operation after producer has been closed");
}

enum bnb_transaction_state bnb_producer_transaction_state(struct bnb_producer *producer)
{
    pthread_mutex_lock(&producer->lock);
    enum bnb_transaction_state state = producer->transactor.state;
    pthread_mutex_unlock(&producer->lock);
    return state;
}

/* Begins the call, or goes on with it, and waits for its end. */
static int call(struct bnb_producer *producer, enum transactor_call what, const char *name,
                struct bnb_error *error)
{
    int64_t deadline_ms = io_monotonic_ms() + producer->config->max_block_ms;
    pthread_mutex_lock(&producer->lock);
    int result = producer->closed
                     ? closed(error)
                     : transactor_begin_call(&producer->transactor, what, error);
    bool begun = result == 0;
    if (begun) {
        sender_wake(producer);
    }
    while (result == 0 && !transactor_has_ended(&producer->transactor, what)) {
        if (producer->closed) {
            result = closed(error);
        } else if (!producer_wait(producer, deadline_ms)) {
            result = timed_out(producer, error, name);
        }
    }
    if (begun && transactor_has_ended(&producer->transactor, what)) {
        result = transactor_take_result(&producer->transactor, error);
    }
    pthread_mutex_unlock(&producer->lock);
    return result;
}

int bnb_producer_init_transactions(struct bnb_producer *producer, struct bnb_error *error)
{
    return call(producer, TRANSACTOR_CALL_INIT, "InitProducerId", error);
}

int bnb_producer_begin_transaction(struct bnb_producer *producer, struct bnb_error *error)
{
    pthread_mutex_lock(&producer->lock);
    int result =
        producer->closed ? closed(error) : transactor_begin(&producer->transactor, error);
    pthread_mutex_unlock(&producer->lock);
    return result;
}

int bnb_producer_commit_transaction(struct bnb_producer *producer, struct bnb_error *error)
{
    return call(producer, TRANSACTOR_CALL_COMMIT, "EndTxn(true)", error);
}

int bnb_producer_abort_transaction(struct bnb_producer *producer, struct bnb_error *error)
{
    return call(producer, TRANSACTOR_CALL_ABORT, "EndTxn(false)", error);
}

void producer_close_transaction(struct bnb_producer *producer, int64_t timeout_ms)
{
    int64_t most_ms = producer->config->max_block_ms;
    int64_t deadline_ms =
        io_monotonic_ms() + (timeout_ms < 0 || timeout_ms > most_ms ? most_ms : timeout_ms);
    struct transactor *transactor = &producer->transactor;
    pthread_mutex_lock(&producer->lock);
    bool open = transactor->state == BNB_TRANSACTION_OPEN ||
                transactor->state == BNB_TRANSACTION_ABORTABLE;
    if (open) {
        transactor->pending = TRANSACTOR_CALL_NONE; /* nobody comes to take it */
        (void)transactor_begin_call(transactor, TRANSACTOR_CALL_ABORT, NULL);
        sender_wake(producer);
    }
    while (transactor->state == BNB_TRANSACTION_ABORTING ||
           transactor->state == BNB_TRANSACTION_COMMITTING) {
        if (!producer_wait(producer, deadline_ms)) {
            break;
        }
    }
    pthread_mutex_unlock(&producer->lock);
}

/* ---- offsets ---- */

/* Copies them into an arena of their own. False: no memory. */
static bool offsets_copy(const struct bnb_consumer_offset *offsets, size_t count,
                         const struct bnb_group_metadata *group, struct arena *arena,
                         struct txn_offset_commit_request *message)
{
    txn_offset_commit_request_default(message);
    message->group_id = arena_string(arena, string_view_of(group->group_id));
    message->generation_id = group->generation;
    message->member_id =
        arena_string(arena, string_view_of(group->member_id != NULL ? group->member_id : ""));
    message->group_instance_id = arena_string(arena, string_view_of(group->group_instance_id));
    message->topics.items = arena_array(arena, count + 1, sizeof *message->topics.items);
    struct txn_offset_commit_request_txn_offset_commit_request_partition *partitions =
        arena_array(arena, count + 1, sizeof *partitions);
    if (arena->failed) {
        return false;
    }
    struct txn_offset_commit_request_txn_offset_commit_request_topic *topic = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct bnb_consumer_offset *from = &offsets[i];
        if (topic == NULL || !string_view_is(topic->name, from->topic)) {
            topic = &message->topics.items[message->topics.count++];
            topic->name = arena_string(arena, string_view_of(from->topic));
            topic->partitions.items = &partitions[i];
        }
        topic->partitions.count++;
        partitions[i] = (struct txn_offset_commit_request_txn_offset_commit_request_partition){
            .partition_index = from->partition,
            .committed_offset = from->offset,
            .committed_leader_epoch = from->leader_epoch,
            .committed_metadata = arena_string(
                arena, string_view_of(from->metadata != NULL ? from->metadata : "")),
        };
    }
    return !arena->failed;
}

/* Whether those sent before are still on their way. The lock is held. */
static bool offsets_busy(const struct bnb_producer *producer)
{
    const struct transactor *transactor = &producer->transactor;
    return transactor->offsets != TRANSACTOR_OFFSETS_NONE ||
           transactor->asking == TRANSACTOR_ADD_OFFSETS ||
           transactor->doubt == TRANSACTOR_ADD_OFFSETS ||
           transactor->asking == TRANSACTOR_COMMIT_OFFSETS;
}

/* Waits until no offsets are on their way. The lock is held. */
static int offsets_wait(struct bnb_producer *producer, int64_t deadline_ms,
                        struct bnb_error *error)
{
    int result = transactor_check_open(&producer->transactor, error);
    while (result == 0 && offsets_busy(producer)) {
        if (producer->closed) {
            return closed(error);
        }
        if (!producer_wait(producer, deadline_ms)) {
            return timed_out(producer, error, "AddOffsetsToTxn");
        }
        result = transactor_check_open(&producer->transactor, error);
    }
    return result;
}

int bnb_producer_send_offsets(struct bnb_producer *producer,
                              const struct bnb_consumer_offset *offsets, size_t count,
                              const struct bnb_group_metadata *group, struct bnb_error *error)
{
    if (group == NULL || group->group_id == NULL ||
        (group->generation > 0 && (group->member_id == NULL || group->member_id[0] == '\0'))) {
        return client_error_set(error, BNB_ERROR_INVALID,
                                "Passed in group metadata has generationId > 0 but the member.id "
                                "is unknown");
    }
    struct arena arena;
    struct txn_offset_commit_request message;
    arena_init(&arena, OFFSETS_BYTES_MAX);
    if (!offsets_copy(offsets, count, group, &arena, &message)) {
        arena_release(&arena);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    int64_t deadline_ms = io_monotonic_ms() + producer->config->max_block_ms;
    pthread_mutex_lock(&producer->lock);
    int result = producer->closed ? closed(error) : offsets_wait(producer, deadline_ms, error);
    if (result == 0 && count > 0) {
        producer->offsets_anew = producer->offsets_anew ||
                                 !string_view_equal(message.group_id, producer->offsets.group_id);
        arena_release(&producer->offsets_arena);
        producer->offsets_arena = arena;
        producer->offsets = message;
        arena_init(&arena, 0);
        transactor_send_offsets(&producer->transactor);
        sender_wake(producer);
        result = offsets_wait(producer, deadline_ms, error);
    }
    pthread_mutex_unlock(&producer->lock);
    arena_release(&arena);
    return result;
}
