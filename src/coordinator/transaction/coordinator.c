/* The table of transactional ids, the machine that runtime.h runs, and its timers. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "coordinator/transaction/internal.h"

static const void *id_of(const void *element) { return &((const struct transaction *)element)->id; }
static bool has_id(const void *element, const void *key)
{
    return string_view_equal(((const struct transaction *)element)->id,
                             *(const struct string_view *)key);
}

struct transaction *transaction_find(const struct transaction_coordinator *owner,
                                     struct string_view id)
{
    return map_find(&owner->transactions, &id);
}

static void transaction_free(struct transaction *transaction)
{
    list_remove(&transaction->waiter.node);
    list_remove(&transaction->decided_node);
    list_remove(&transaction->due_node);
    transaction_set_release(&transaction->now.partitions);
    transaction_set_release(&transaction->next.partitions);
    text_free(&transaction->id);
    mem_free(transaction);
}

struct transaction *transaction_make(struct transaction_coordinator *owner, struct string_view id)
{
    ASSERT(transaction_find(owner, id) == NULL);
    struct transaction *transaction = mem_calloc(1, sizeof *transaction);
    if (transaction == NULL) {
        return NULL;
    }
    transaction->owner = owner;
    list_init(&transaction->waiter.node);
    list_init(&transaction->decided_node);
    list_init(&transaction->due_node);
    transaction_change_init(transaction);
    if (!text_copy(id, &transaction->id) || map_insert(&owner->transactions, transaction) != 0) {
        transaction_free(transaction);
        return NULL;
    }
    owner->counts.ids++;
    return transaction;
}

void transaction_remove(struct transaction *transaction)
{
    struct transaction_coordinator *owner = transaction->owner;
    void *taken = map_take(&owner->transactions, &transaction->id);
    ASSERT(taken == transaction && !transaction->writing);
    owner->counts.ids--;
    owner->counts.ongoing -= transaction->now.status == TRANSACTION_ONGOING;
    transaction_free(transaction);
}

static int by_id(const void *a, const void *b)
{
    return string_view_compare((*(struct transaction *const *)a)->id,
                               (*(struct transaction *const *)b)->id);
}

struct transaction **transactions_sorted(const struct transaction_coordinator *owner,
                                         size_t *count)
{
    *count = 0;
    struct transaction **all = mem_alloc((owner->transactions.count + 1) * sizeof(*all));
    size_t cursor = 0;
    struct transaction *transaction;
    while (all != NULL && (transaction = map_next(&owner->transactions, &cursor)) != NULL) {
        all[(*count)++] = transaction;
    }
    if (*count > 1) {
        qsort(all, *count, sizeof(*all), by_id);
    }
    return all;
}

void transaction_answer_error(struct transaction_coordinator *owner, struct runtime_call *call,
                              int16_t error)
{
    transaction_refuse(owner, call, error);
    runtime_reply(owner->runtime, call, call->response);
}

static void handle(void *context, struct runtime_call *call)
{
    struct transaction_coordinator *owner = context;
    switch (call->api_key) {
    case API_INIT_PRODUCER_ID:
        transaction_init(owner, call);
        break;
    case API_ADD_PARTITIONS_TO_TXN:
        transaction_add_partitions(owner, call);
        break;
    case API_END_TXN:
        transaction_end(owner, call);
        break;
    case API_DESCRIBE_TRANSACTIONS:
        transaction_describe(owner, call);
        break;
    default:
        ASSERT(call->api_key == API_LIST_TRANSACTIONS);
        transaction_list(owner, call);
        break;
    }
}

/* ---- timers ---- */

/* One of two phases waits for somebody else's decision, however long (KIP-939). */
static bool takes_too_long(const struct transaction *transaction, int64_t now_ms)
{
    return transaction->now.status == TRANSACTION_ONGOING && !transaction->writing &&
           transaction->now.timeout_ms != TRANSACTION_TIMEOUT_NEVER &&
           transaction->now.started_ms < now_ms - transaction->now.timeout_ms;
}

static void abort_fire(struct runtime_timer *timer)
{
    struct transaction_coordinator *owner =
        CONTAINER_OF(timer, struct transaction_coordinator, abort_timer);
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    size_t count;
    size_t done = 0;
    struct transaction **all = transactions_sorted(owner, &count);
    for (size_t i = 0; i < count && done < TRANSACTIONS_A_TURN; i++) {
        struct transaction *transaction = all[i];
        if (takes_too_long(transaction, now_ms)) {
            runtime_note(owner->runtime,
                         "the transaction of producer %" PRId64 ", epoch %d, takes longer than its "
                         "%d ms and is aborted",
                         transaction->now.producer_id, transaction->now.producer_epoch,
                         transaction->now.timeout_ms);
            transaction_fence(transaction, NULL);
            done++;
        }
    }
    mem_free(all);
    if (done == TRANSACTIONS_A_TURN) {
        runtime_timer_arm(timer, 1);
    }
    transactions_watch(owner);
}

/* An idle coordinator has no timer for this. */
void transactions_watch(struct transaction_coordinator *owner)
{
    ASSERT(owner->counts.ongoing >= 0);
    if (owner->counts.ongoing > 0 && !heap_has(&owner->abort_timer.node)) {
        runtime_timer_arm(&owner->abort_timer, owner->options.abort_interval_ms);
    }
}

static bool is_unused(const struct transaction *transaction, int64_t now_ms)
{
    return transaction->exists && transaction_is_at_rest(transaction) &&
           transaction->now.updated_ms <= now_ms - transaction->owner->options.id_expiration_ms;
}

static void remove_fire(struct runtime_timer *timer)
{
    struct transaction_coordinator *owner =
        CONTAINER_OF(timer, struct transaction_coordinator, remove_timer);
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    size_t count;
    size_t done = 0;
    struct transaction **all = transactions_sorted(owner, &count);
    for (size_t i = 0; i < count && done < TRANSACTIONS_A_TURN; i++) {
        if (!all[i]->exists && !all[i]->writing) {
            transaction_remove(all[i]); /* nothing of it ever got into the log */
        } else if (is_unused(all[i], now_ms)) {
            transaction_write_tombstone(all[i]);
            done++;
        }
    }
    mem_free(all);
    runtime_timer_arm(timer, done < TRANSACTIONS_A_TURN ? owner->options.remove_interval_ms : 1);
}

static void retry_fire(struct runtime_timer *timer)
{
    struct transaction_coordinator *owner =
        CONTAINER_OF(timer, struct transaction_coordinator, retry_timer);
    for (size_t i = 0; i < TRANSACTIONS_A_TURN && !list_empty(&owner->due); i++) {
        struct transaction *transaction =
            CONTAINER_OF(owner->due.next, struct transaction, due_node);
        list_remove(&transaction->due_node);
        if (transaction_is_decided(transaction) && !transaction->writing) {
            transaction_complete(transaction);
        }
    }
    if (!list_empty(&owner->due)) {
        runtime_timer_arm(timer, 1);
    }
}

/* ---- coming and going ---- */

static void loaded(void *context)
{
    struct transaction_coordinator *owner = context;
    ASSERT(runtime_state(owner->runtime) == RUNTIME_ACTIVE);
    size_t count;
    struct transaction **all = transactions_sorted(owner, &count);
    for (size_t i = 0; i < count; i++) {
        if (!transaction_is_decided(all[i])) {
            continue;
        }
        if (all[i]->now.partitions.count > 0) {
            transaction_decided(all[i]);
        } else {
            list_push_back(&owner->due, &all[i]->due_node);
        }
    }
    mem_free(all);
    if (!list_empty(&owner->due)) {
        runtime_timer_arm(&owner->retry_timer, 0);
    }
    transactions_watch(owner);
    runtime_timer_arm(&owner->remove_timer, owner->options.remove_interval_ms);
}

static void forget_all(struct transaction_coordinator *owner)
{
    size_t cursor = 0;
    struct transaction *transaction;
    while ((transaction = map_next(&owner->transactions, &cursor)) != NULL) {
        transaction_free(transaction);
    }
    map_release(&owner->transactions);
    owner->counts = (struct transaction_counts){0};
}

static void unload(void *context)
{
    struct transaction_coordinator *owner = context;
    forget_all(owner);
    runtime_timer_cancel(&owner->abort_timer);
    runtime_timer_cancel(&owner->remove_timer);
    runtime_timer_cancel(&owner->retry_timer);
}

/* Nobody begins a transaction on this topic. */
static int replay_marker(void *context, const struct runtime_marker *marker)
{
    (void)context;
    (void)marker;
    return 0;
}

static const struct runtime_machine transaction_machine = {
    .handle = handle,
    .refuse = transaction_refuse,
    .replay = transaction_replay,
    .replay_marker = replay_marker,
    .loaded = loaded,
    .unload = unload,
};

int transaction_coordinator_create(const struct transaction_options *options,
                                   struct transaction_coordinator **created)
{
    ASSERT(options->max_timeout_ms > 0 && options->id_expiration_ms > 0);
    ASSERT(options->abort_interval_ms > 0 && options->remove_interval_ms > 0);
    struct transaction_coordinator *owner = mem_calloc(1, sizeof *owner);
    *created = owner;
    if (owner == NULL) {
        return ERR_NOMEM;
    }
    owner->options = *options;
    list_init(&owner->decided);
    list_init(&owner->due);
    text_table_init(&owner->transactions, options->seed, id_of, has_id);
    int error = runtime_create(&transaction_machine, owner, &owner->runtime);
    if (error == 0) {
        error = runtime_timer_init(owner->runtime, &owner->abort_timer, abort_fire);
    }
    if (error == 0) {
        error = runtime_timer_init(owner->runtime, &owner->remove_timer, remove_fire);
    }
    if (error == 0) {
        error = runtime_timer_init(owner->runtime, &owner->retry_timer, retry_fire);
    }
    if (error != 0) {
        transaction_coordinator_destroy(created);
    }
    return error;
}

void transaction_coordinator_destroy(struct transaction_coordinator **destroyed)
{
    struct transaction_coordinator *owner = *destroyed;
    if (owner == NULL) {
        return;
    }
    if (owner->runtime != NULL) {
        runtime_forget(owner->runtime);
    }
    forget_all(owner);
    runtime_timer_release(&owner->abort_timer);
    runtime_timer_release(&owner->remove_timer);
    runtime_timer_release(&owner->retry_timer);
    runtime_destroy(&owner->runtime);
    mem_free(owner);
    *destroyed = NULL;
}

struct runtime *transaction_coordinator_runtime(struct transaction_coordinator *owner)
{
    return owner->runtime;
}

struct transaction_counts
transaction_coordinator_counts(const struct transaction_coordinator *owner)
{
    struct transaction_counts counts = owner->counts;
    for (const struct list *node = owner->due.next; node != &owner->due; node = node->next) {
        counts.to_complete++;
    }
    return counts;
}

void transaction_coordinator_set_version(struct transaction_coordinator *owner, int16_t version)
{
    owner->version = version;
}
