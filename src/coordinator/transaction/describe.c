/* DescribeTransactions and ListTransactions. What is not committed yet is not told. */
#include "base/regex.h"
#include "coordinator/transaction/internal.h"

typedef struct describe_transactions_response_transaction_state described;
typedef struct describe_transactions_response_topic_data described_topic;

static void describe_partitions(const struct transaction_set *set, struct arena *arena,
                                described *out)
{
    size_t count = (size_t)set->count;
    int32_t *ids = arena_array(arena, count, sizeof *ids);
    out->topics.items = arena_array(arena, count, sizeof *out->topics.items);
    described_topic *topic = NULL;
    for (size_t i = 0; !arena->failed && i < count; i++) {
        if (i == 0 || !string_view_equal(set->items[i].topic, set->items[i - 1].topic)) {
            topic = &out->topics.items[out->topics.count++];
            topic->topic = arena_string(arena, set->items[i].topic);
            topic->partitions.items = &ids[i];
        }
        ids[i] = set->items[i].partition;
        topic->partitions.count++;
    }
}

void transaction_describe(struct transaction_coordinator *owner, struct runtime_call *call)
{
    const struct string_view *id = call->request;
    const struct transaction *transaction = transaction_find(owner, *id);
    if (id->size == 0 || transaction == NULL || transaction->removing) {
        transaction_answer_error(owner, call, id->size == 0 ? KAFKA_INVALID_REQUEST
                                                            : KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
        return;
    }
    const struct transaction_facts *now = &transaction->now;
    described *out = arena_alloc(call->arena, sizeof *out);
    if (out != NULL) {
        *out = (described){
            .transactional_id = *id,
            .transaction_state = string_view_of(transaction_status_name(now->status)),
            .transaction_timeout_ms = now->timeout_ms,
            .transaction_start_time_ms = now->started_ms,
            .producer_id = now->producer_id,
            .producer_epoch = now->producer_epoch,
        };
        describe_partitions(&now->partitions, call->arena, out);
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : out);
}

static bool state_passes(const struct list_transactions_request *asked,
                         enum transaction_status status)
{
    for (int32_t i = 0; i < asked->state_filters.count; i++) {
        if (transaction_status_of(asked->state_filters.items[i]) == status) {
            return true;
        }
    }
    return asked->state_filters.count <= 0;
}

static bool producer_passes(const struct list_transactions_request *asked, int64_t producer_id)
{
    for (int32_t i = 0; i < asked->producer_id_filters.count; i++) {
        if (asked->producer_id_filters.items[i] == producer_id) {
            return true;
        }
    }
    return asked->producer_id_filters.count <= 0;
}

/* Also of what has never begun: that has gone on since before the epoch. */
static bool duration_passes(const struct list_transactions_request *asked, int64_t started_ms,
                            int64_t now_ms)
{
    return asked->duration_filter < 0 || started_ms < 0 ||
           now_ms - started_ms > asked->duration_filter;
}

/* NULL: every id passes. The broker has seen to it that the pattern is one. */
static struct regex *pattern_of(const struct list_transactions_request *asked, struct arena *arena)
{
    struct regex *pattern = NULL;
    if (asked->transactional_id_pattern.size > 0) {
        int error = regex_create(asked->transactional_id_pattern, &pattern);
        ASSERT(error == 0 || error == ERR_NOMEM);
        arena->failed |= error != 0;
    }
    return pattern;
}

void transaction_list(struct transaction_coordinator *owner, struct runtime_call *call)
{
    const struct list_transactions_request *asked = call->request;
    struct list_transactions_response *response = arena_alloc(call->arena, sizeof *response);
    struct regex *pattern = pattern_of(asked, call->arena);
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    size_t count;
    struct transaction **all = transactions_sorted(owner, &count);
    if (response != NULL) {
        list_transactions_response_default(response);
        response->transaction_states.items =
            arena_array(call->arena, count, sizeof *response->transaction_states.items);
    }
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        const struct transaction *transaction = all[i];
        if (transaction->removing || !state_passes(asked, transaction->now.status) ||
            !producer_passes(asked, transaction->now.producer_id) ||
            !duration_passes(asked, transaction->now.started_ms, now_ms) ||
            (pattern != NULL && !regex_matches(pattern, transaction->id))) {
            continue;
        }
        response->transaction_states.items[response->transaction_states.count++] =
            (struct list_transactions_response_transaction_state){
                arena_string(call->arena, transaction->id), transaction->now.producer_id,
                string_view_of(transaction_status_name(transaction->now.status))};
    }
    mem_free(all);
    regex_destroy(&pattern);
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}
