#include "log/producer_state.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/error.h"

void producer_state_init(struct producer_state *state)
{
    *state = (struct producer_state){.snapshot_offset = -1};
}

static const struct producer_pending nothing_pending;

static const struct producer_pending *producer_pending(const struct producer_state *state)
{
    return state->pending != NULL ? state->pending : &nothing_pending;
}

int producer_state_need_pending(struct producer_state *state)
{
    if (state->pending == NULL) {
        state->pending = mem_calloc(1, sizeof *state->pending);
    }
    return state->pending == NULL ? ERR_NOMEM : 0;
}

/* What a file brings may name a producer twice. */
static bool producers_are_in_order(const struct producer_state *state)
{
    for (size_t i = 1; i < state->count; i++) {
        if (state->entries[i - 1].producer_id > state->entries[i].producer_id) {
            return false;
        }
    }
    const struct producer_transactions *open = &producer_pending(state)->open;
    for (size_t i = 1; i < open->count; i++) {
        if (open->items[i - 1].first_offset > open->items[i].first_offset) {
            return false;
        }
    }
    return true;
}

void producer_state_assert_invariants(const struct producer_state *state)
{
    const struct producer_pending *pending = producer_pending(state);
    ASSERT(state->count <= state->capacity);
    ASSERT(pending->open.count <= state->count);
    ASSERT(pending->open.count <= pending->open.capacity);
    ASSERT(pending->unreplicated.count <= pending->unreplicated.capacity);
    ASSERT(state->snapshot_offset >= -1);
    ASSERT_SLOW(producers_are_in_order(state));
}

void producer_state_release(struct producer_state *state)
{
    mem_free(state->entries);
    if (state->pending != NULL) {
        mem_free(state->pending->open.items);
        mem_free(state->pending->unreplicated.items);
        mem_free(state->pending->verifications);
        mem_free(state->pending);
    }
    producer_state_init(state);
}

void producer_state_clear(struct producer_state *state)
{
    state->count = 0;
    if (state->pending != NULL) {
        state->pending->open.count = 0;
        state->pending->unreplicated.count = 0;
        state->pending->verification_count = 0;
    }
}

/* The first entry whose id is not below producer_id. */
static size_t producer_position(const struct producer_state *state, int64_t producer_id)
{
    size_t low = 0;
    size_t high = state->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->entries[middle].producer_id < producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct producer_entry *producer_state_find(const struct producer_state *state,
                                           int64_t producer_id)
{
    size_t at = producer_position(state, producer_id);
    return at < state->count && state->entries[at].producer_id == producer_id ? &state->entries[at]
                                                                              : NULL;
}

static struct producer_entry *producer_need(struct producer_state *state, int64_t producer_id)
{
    size_t at = producer_position(state, producer_id);
    if (at < state->count && state->entries[at].producer_id == producer_id) {
        return &state->entries[at];
    }
    if (mem_grow((void **)&state->entries, &state->capacity, state->count + 1,
                 sizeof *state->entries) != 0) {
        return NULL;
    }
    memmove(&state->entries[at + 1], &state->entries[at],
            (state->count - at) * sizeof *state->entries);
    state->count++;
    state->entries[at] = (struct producer_entry){.producer_id = producer_id,
                                                 .last_timestamp_ms = -1,
                                                 .transaction_first_offset = -1,
                                                 .coordinator_epoch = -1,
                                                 .producer_epoch = -1};
    ASSERT(at == 0 || state->entries[at - 1].producer_id < producer_id);
    ASSERT(at + 1 == state->count || state->entries[at + 1].producer_id > producer_id);
    return &state->entries[at];
}

static int32_t batch_last_sequence(const struct batch *batch)
{
    return batch->base_sequence < 0
               ? -1
               : batch_sequence_add(batch->base_sequence, batch->last_offset_delta);
}

static int32_t producer_batch_first_sequence(const struct producer_batch *batch)
{
    /* Adding 2^31 - delta is subtracting delta in a space of 2^31. */
    return (int32_t)(((int64_t)batch->last_sequence - batch->offset_delta) & INT32_MAX);
}

const struct producer_batch *producer_state_duplicate(const struct producer_state *state,
                                                      const struct batch *batch)
{
    const struct producer_entry *entry = producer_state_find(state, batch->producer_id);
    ASSERT(batch->producer_id >= 0);
    if (entry == NULL || entry->producer_epoch != batch->producer_epoch) {
        return NULL;
    }
    int32_t last_sequence = batch_last_sequence(batch);
    for (size_t i = 0; i < entry->batch_count; i++) {
        const struct producer_batch *known = &entry->batches[i];
        if (known->last_sequence == last_sequence &&
            producer_batch_first_sequence(known) == batch->base_sequence) {
            return known;
        }
    }
    return NULL;
}

static int producer_check_sequence(const struct producer_entry *entry, const struct batch *batch)
{
    int32_t first = batch->base_sequence;
    if (entry->producer_epoch != batch->producer_epoch) {
        return first == 0 || entry->producer_epoch == -1
                   ? 0
                   : err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    int32_t last = entry->batch_count == 0 ? -1
                                           : entry->batches[entry->batch_count - 1].last_sequence;
    bool follows = last == INT32_MAX ? first == 0 : first == last + 1;
    return follows ? 0 : err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static struct producer_verification *verification_find(const struct producer_state *state,
                                                       int64_t producer_id)
{
    const struct producer_pending *pending = producer_pending(state);
    ASSERT(pending->verification_count <= pending->verification_capacity);
    for (size_t i = 0; i < pending->verification_count; i++) {
        if (pending->verifications[i].producer_id == producer_id) {
            return &pending->verifications[i];
        }
    }
    return NULL;
}

int producer_state_check(const struct producer_state *state, const struct batch *batch,
                         bool from_client)
{
    const struct producer_entry *entry = producer_state_find(state, batch->producer_id);
    int16_t known_epoch = entry != NULL ? entry->producer_epoch : -1;
    if (batch->producer_epoch < known_epoch && (entry != NULL || from_client)) {
        return err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH);
    }
    if (!from_client) {
        return 0;
    }
    const struct producer_verification *verification =
        verification_find(state, batch->producer_id);
    bool unknown = entry == NULL || entry->batch_count == 0;
    if (verification != NULL &&
        ((verification->epoch_a_transaction && unknown && batch->base_sequence != 0) ||
         batch->base_sequence > verification->lowest_sequence)) {
        return err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    if (entry == NULL) {
        return 0; /* any sequence is accepted from a producer that nothing is known of */
    }
    int error = producer_check_sequence(entry, batch);
    if (error == 0 && entry->transaction_first_offset >= 0 && !batch_is_transactional(batch)) {
        error = err_from_wire(KAFKA_INVALID_TXN_STATE);
    }
    return error;
}

static int transactions_reserve(struct producer_transactions *transactions, size_t count)
{
    return mem_grow((void **)&transactions->items, &transactions->capacity,
                    transactions->count + count, sizeof *transactions->items);
}

/* Keeps them sorted by first offset. */
static int transactions_add(struct producer_transactions *transactions,
                            const struct producer_transaction *transaction)
{
    int error = transactions_reserve(transactions, 1);
    if (error == 0) {
        size_t at = transactions->count++;
        for (; at > 0 && transactions->items[at - 1].first_offset > transaction->first_offset;
             at--) {
            transactions->items[at] = transactions->items[at - 1];
        }
        transactions->items[at] = *transaction;
    }
    return error;
}

static void transactions_remove(struct producer_transactions *transactions, size_t at)
{
    ASSERT(at < transactions->count);
    transactions->count--;
    memmove(&transactions->items[at], &transactions->items[at + 1],
            (transactions->count - at) * sizeof *transactions->items);
}

static void producer_entry_epoch(struct producer_entry *entry, int16_t producer_epoch)
{
    if (entry->producer_epoch != producer_epoch) {
        entry->producer_epoch = producer_epoch;
        entry->batch_count = 0;
    }
}

int producer_state_reserve(struct producer_state *state, size_t count, bool transactional)
{
    int error = mem_grow((void **)&state->entries, &state->capacity, state->count + count,
                         sizeof *state->entries);
    if (error == 0 && transactional) {
        error = producer_state_need_pending(state);
    }
    if (error == 0 && transactional) {
        error = transactions_reserve(&state->pending->open, count);
    }
    if (error == 0 && transactional) {
        error = transactions_reserve(&state->pending->unreplicated, count);
    }
    return error;
}

int producer_state_update(struct producer_state *state, const struct batch *batch)
{
    ASSERT(batch->producer_id >= 0 && !batch_is_control(batch));
    ASSERT(batch_last_offset(batch) >= batch->base_offset);
    struct producer_entry *entry = producer_need(state, batch->producer_id);
    if (entry == NULL) {
        return ERR_NOMEM;
    }
    producer_entry_epoch(entry, batch->producer_epoch);
    if (entry->batch_count == PRODUCER_BATCHES_MAX) {
        memmove(&entry->batches[0], &entry->batches[1],
                (PRODUCER_BATCHES_MAX - 1) * sizeof entry->batches[0]);
        entry->batch_count--;
    }
    entry->batches[entry->batch_count++] = (struct producer_batch){
        .last_sequence = batch_last_sequence(batch),
        .offset_delta = batch->last_offset_delta,
        .last_offset = batch_last_offset(batch),
        .timestamp_ms = batch->max_timestamp_ms,
    };
    ASSERT(entry->batch_count <= PRODUCER_BATCHES_MAX);
    entry->last_timestamp_ms = batch->max_timestamp_ms;
    if (batch_is_transactional(batch) && entry->transaction_first_offset < 0) {
        entry->transaction_first_offset = batch->base_offset;
        struct producer_transaction opened = {batch->producer_id, batch->base_offset, -1};
        int error = producer_state_need_pending(state);
        return error == 0 ? transactions_add(&state->pending->open, &opened) : error;
    }
    return 0;
}

int producer_state_complete(struct producer_state *state, const struct batch *batch,
                            const struct producer_marker *marker,
                            struct producer_transaction *completed, int64_t *last_stable_offset)
{
    ASSERT(batch->producer_id >= 0 && batch_is_control(batch));
    struct producer_entry *entry = producer_need(state, batch->producer_id);
    if (entry == NULL) {
        return ERR_NOMEM;
    }
    producer_entry_epoch(entry, batch->producer_epoch);
    entry->coordinator_epoch = marker->coordinator_epoch;
    entry->last_timestamp_ms = batch->max_timestamp_ms;
    if (entry->transaction_first_offset < 0) {
        return 0;
    }
    *completed = (struct producer_transaction){batch->producer_id, entry->transaction_first_offset,
                                               batch->base_offset};
    entry->transaction_first_offset = -1;
    struct producer_pending *pending = state->pending;
    ASSERT(pending != NULL);
    for (size_t i = 0; i < pending->open.count; i++) {
        if (pending->open.items[i].producer_id == batch->producer_id) {
            transactions_remove(&pending->open, i);
            break;
        }
    }
    *last_stable_offset = pending->open.count > 0 ? pending->open.items[0].first_offset
                                                  : completed->last_offset + 1;
    if (completed->first_offset > completed->last_offset) {
        return ERR_CORRUPT;
    }
    int error = transactions_add(&pending->unreplicated, completed);
    producer_state_assert_invariants(state);
    return error == 0 ? 1 : error;
}

int64_t producer_state_first_unstable(struct producer_state *state, int64_t high_watermark,
                                      int64_t log_start_offset)
{
    struct producer_pending *pending = state->pending;
    if (pending == NULL) {
        return -1;
    }
    struct producer_transactions *unreplicated = &pending->unreplicated;
    for (size_t i = 0; i < unreplicated->count;) {
        if (unreplicated->items[i].last_offset < high_watermark) {
            transactions_remove(unreplicated, i);
        } else {
            i++;
        }
    }
    int64_t first = -1;
    if (unreplicated->count > 0) {
        first = unreplicated->items[0].first_offset;
    }
    if (pending->open.count > 0 && (first < 0 || pending->open.items[0].first_offset < first)) {
        first = pending->open.items[0].first_offset;
    }
    first = first >= 0 && first < log_start_offset ? log_start_offset : first;
    ASSERT(first == -1 || first >= log_start_offset);
    return first;
}

int producer_state_check_marker(const struct producer_state *state, const struct batch *batch,
                                const struct producer_marker *marker, int16_t version)
{
    const struct producer_entry *entry = producer_state_find(state, batch->producer_id);
    ASSERT(batch_is_control(batch));
    if (entry == NULL) {
        return 0;
    }
    /* With an epoch a transaction the marker has a higher one than the records. The same one is
     * that of a retry, as long as nothing is open; the last one there is cannot be raised. */
    bool is_open = entry->transaction_first_offset >= 0;
    bool stale = batch->producer_epoch < entry->producer_epoch ||
                 (version >= 2 && is_open && batch->producer_epoch == entry->producer_epoch &&
                  batch->producer_epoch != INT16_MAX);
    if (stale) {
        return err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH);
    }
    return marker->coordinator_epoch < entry->coordinator_epoch
               ? err_from_wire(KAFKA_TRANSACTION_COORDINATOR_FENCED)
               : 0;
}

/* ---- verification ---- */

bool producer_state_has_transaction(const struct producer_state *state, int64_t producer_id,
                                    int16_t producer_epoch)
{
    const struct producer_entry *entry = producer_state_find(state, producer_id);
    return entry != NULL && entry->transaction_first_offset >= 0 &&
           entry->producer_epoch == producer_epoch;
}

static struct producer_verification *verification_add(struct producer_state *state)
{
    if (producer_state_need_pending(state) != 0) {
        return NULL;
    }
    struct producer_pending *pending = state->pending;
    int error = mem_grow((void **)&pending->verifications, &pending->verification_capacity,
                         pending->verification_count + 1, sizeof *pending->verifications);
    return error != 0 ? NULL : &pending->verifications[pending->verification_count++];
}

int producer_state_verify(struct producer_state *state,
                          const struct producer_verification *asked, uint64_t *guard)
{
    const struct producer_entry *entry = producer_state_find(state, asked->producer_id);
    ASSERT(!producer_state_has_transaction(state, asked->producer_id, asked->producer_epoch));
    if (entry != NULL && asked->producer_epoch < entry->producer_epoch) {
        return err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH);
    }
    struct producer_verification *found = verification_find(state, asked->producer_id);
    if (found == NULL) {
        found = verification_add(state);
        if (found == NULL) {
            return ERR_NOMEM;
        }
        *found = *asked;
        state->next_guard += state->next_guard == UINT64_MAX ? 2 : 1; /* never 0 */
        found->guard = state->next_guard;
    } else if (asked->producer_epoch > found->producer_epoch) {
        found->producer_epoch = asked->producer_epoch;
        found->lowest_sequence = asked->lowest_sequence;
    } else if (asked->producer_epoch == found->producer_epoch &&
               asked->lowest_sequence < found->lowest_sequence) {
        found->lowest_sequence = asked->lowest_sequence;
    }
    *guard = found->guard;
    return 0;
}

int producer_state_check_guard(const struct producer_state *state, int64_t producer_id,
                               int16_t producer_epoch, uint64_t guard)
{
    const struct producer_entry *entry = producer_state_find(state, producer_id);
    const struct producer_verification *found = verification_find(state, producer_id);
    if (producer_state_has_transaction(state, producer_id, producer_epoch) ||
        (found != NULL && found->guard == guard)) {
        return 0;
    }
    return err_from_wire(entry != NULL && producer_epoch < entry->producer_epoch
                             ? KAFKA_INVALID_PRODUCER_EPOCH
                             : KAFKA_INVALID_TXN_STATE);
}

static void verification_remove(struct producer_state *state, struct producer_verification *found)
{
    struct producer_pending *pending = state->pending;
    ASSERT(pending != NULL && pending->verification_count > 0);
    *found = pending->verifications[--pending->verification_count];
}

void producer_state_verified(struct producer_state *state, const struct batch *batch,
                             int16_t version)
{
    struct producer_verification *found = verification_find(state, batch->producer_id);
    ASSERT(batch_is_transactional(batch));
    /* A marker with the epoch of what is verified ends the transaction before it. */
    bool is_next = found != NULL && batch_is_control(batch) && version >= 2 &&
                   batch->producer_epoch == found->producer_epoch;
    if (found != NULL && !is_next) {
        verification_remove(state, found);
    }
}

void producer_state_expire(struct producer_state *state, int64_t now_ms, int64_t expiration_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++) {
        const struct producer_entry *entry = &state->entries[i];
        if (entry->transaction_first_offset >= 0 ||
            producer_age_ms(entry, now_ms) < expiration_ms) {
            state->entries[kept++] = *entry;
        }
    }
    state->count = kept;
    for (size_t i = producer_pending(state)->verification_count; i > 0; i--) {
        if (now_ms - state->pending->verifications[i - 1].begun_ms >= expiration_ms) {
            verification_remove(state, &state->pending->verifications[i - 1]);
        }
    }
    producer_state_assert_invariants(state);
}

static int transactions_copy(struct producer_transactions *to,
                             const struct producer_transactions *from)
{
    to->count = 0;
    int error = transactions_reserve(to, from->count);
    if (error == 0 && from->count > 0) {
        memcpy(to->items, from->items, from->count * sizeof *to->items);
        to->count = from->count;
    }
    return error;
}

static int verifications_copy(struct producer_pending *to, const struct producer_pending *from)
{
    to->verification_count = 0;
    int error = mem_grow((void **)&to->verifications, &to->verification_capacity,
                         from->verification_count, sizeof *to->verifications);
    if (error == 0 && from->verification_count > 0) {
        memcpy(to->verifications, from->verifications,
               from->verification_count * sizeof *to->verifications);
        to->verification_count = from->verification_count;
    }
    return error;
}

static int pending_copy(struct producer_state *to, const struct producer_state *from)
{
    const struct producer_pending *source = producer_pending(from);
    if (to->pending == NULL && from->pending == NULL) {
        return 0;
    }
    int error = producer_state_need_pending(to);
    if (error == 0) {
        error = transactions_copy(&to->pending->open, &source->open);
    }
    if (error == 0) {
        error = transactions_copy(&to->pending->unreplicated, &source->unreplicated);
    }
    return error == 0 ? verifications_copy(to->pending, source) : error;
}

int producer_state_copy(struct producer_state *to, const struct producer_state *from)
{
    to->count = 0;
    int error = mem_grow((void **)&to->entries, &to->capacity, from->count, sizeof *to->entries);
    if (error == 0 && from->count > 0) {
        memcpy(to->entries, from->entries, from->count * sizeof *to->entries);
        to->count = from->count;
    }
    if (error == 0) {
        error = pending_copy(to, from);
    }
    to->next_guard = from->next_guard;
    producer_state_assert_invariants(to);
    return error;
}
