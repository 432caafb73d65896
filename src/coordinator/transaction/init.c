/* InitProducerId: who comes last has the id. Mirrors
 * TransactionCoordinator.prepareInitProducerIdTransit. */
#include "coordinator/transaction/internal.h"

int16_t transaction_check_init(const struct init_producer_id_request *asked,
                               int32_t max_timeout_ms, bool two_phase_commit)
{
    ASSERT(asked->transactional_id.data != NULL);
    if (asked->transactional_id.size == 0) {
        return KAFKA_INVALID_REQUEST;
    }
    if (asked->enable2_pc && !two_phase_commit) {
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    if (asked->keep_prepared_txn) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    bool in_bounds =
        asked->transaction_timeout_ms > 0 && asked->transaction_timeout_ms <= max_timeout_ms;
    return asked->enable2_pc || in_bounds ? 0 : KAFKA_INVALID_TRANSACTION_TIMEOUT;
}

/* Whether the producer that asks is one that had the id last: then it goes on (KIP-360). */
static bool is_expected(const struct transaction_facts *now,
                        const struct init_producer_id_request *asked)
{
    return asked->producer_id == -1 || now->producer_epoch == -1 ||
           asked->producer_id == now->producer_id ||
           (asked->producer_id == now->previous_producer_id &&
            asked->producer_epoch >= EPOCH_EXHAUSTED);
}

/* The next epoch of the same producer id: 0 or PRODUCER_FENCED. */
static int16_t bump_epoch(const struct transaction_facts *now,
                          const struct init_producer_id_request *asked,
                          struct transaction_facts *next)
{
    bool any = asked->producer_id == -1;
    if (!any && now->producer_epoch != -1 && asked->producer_epoch != now->producer_epoch) {
        /* Who expects the one before did not hear the answer, and gets it again. */
        return asked->producer_epoch == now->last_producer_epoch ? 0 : KAFKA_PRODUCER_FENCED;
    }
    ASSERT(now->producer_epoch < EPOCH_EXHAUSTED);
    next->producer_epoch = (int16_t)(now->producer_epoch + 1);
    next->last_producer_epoch = any ? -1 : now->producer_epoch;
    return 0;
}

/* A timeout aborted the last transaction that its epochs allow, with an epoch that is nobody's: who
 * had the one before goes on with a new producer id. */
static bool is_over(const struct transaction_facts *now,
                    const struct init_producer_id_request *asked)
{
    return now->version >= TRANSACTION_VERSION_BUMPED && now->producer_epoch == EPOCH_LAST &&
           now->last_producer_epoch == EPOCH_EXHAUSTED &&
           asked->producer_id == now->producer_id && asked->producer_epoch == EPOCH_EXHAUSTED;
}

static int16_t next_facts(const struct transaction *transaction, struct runtime_call *call,
                          struct transaction_facts *next)
{
    const struct init_producer_id_request *asked = call->request;
    const struct transaction_facts *now = &transaction->now;
    ASSERT(transaction_is_at_rest(transaction));
    *next = *now;
    next->status = TRANSACTION_EMPTY;
    next->partitions = (struct transaction_set){NULL, 0};
    next->timeout_ms =
        asked->enable2_pc ? TRANSACTION_TIMEOUT_NEVER : asked->transaction_timeout_ms;
    next->started_ms = -1;
    next->updated_ms = runtime_now(transaction->owner->runtime).wall_ms;
    bool is_last = now->producer_epoch >= EPOCH_EXHAUSTED;
    bool is_it = asked->producer_id == -1 || asked->producer_epoch == now->producer_epoch ||
                 is_over(now, asked);
    if (!is_last || !is_it) {
        return bump_epoch(now, asked, next);
    }
    if (call->new_producer_id < 0) {
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    }
    next->producer_id = call->new_producer_id;
    next->producer_epoch = 0;
    next->last_producer_epoch = asked->producer_id != -1 ? asked->producer_epoch : -1;
    call->new_producer_id = -1;
    return 0;
}

static struct transaction *make_new(struct transaction_coordinator *owner,
                                    struct runtime_call *call)
{
    const struct init_producer_id_request *asked = call->request;
    struct transaction *transaction = transaction_make(owner, asked->transactional_id);
    ASSERT(call->new_producer_id >= 0);
    if (transaction != NULL) {
        transaction->now = (struct transaction_facts){
            .producer_id = call->new_producer_id,
            .previous_producer_id = -1,
            .next_producer_id = -1,
            .producer_epoch = -1,
            .last_producer_epoch = -1,
            .timeout_ms = asked->transaction_timeout_ms,
            .status = TRANSACTION_EMPTY,
            .updated_ms = runtime_now(owner->runtime).wall_ms,
            .started_ms = -1,
        };
        call->new_producer_id = -1;
    }
    return transaction;
}

static void init_existing(struct transaction *transaction, struct runtime_call *call)
{
    struct transaction_coordinator *owner = transaction->owner;
    struct transaction_facts next;
    if (transaction_is_busy(transaction)) {
        transaction_answer_error(owner, call, KAFKA_CONCURRENT_TRANSACTIONS);
        return;
    }
    if (!is_expected(&transaction->now, call->request)) {
        transaction_answer_error(owner, call, KAFKA_PRODUCER_FENCED);
        return;
    }
    if (transaction->now.status == TRANSACTION_ONGOING) {
        /* The epoch of this fence is nobody's: whoever asks comes again and gets the one after. */
        transaction_fence(transaction, call);
        transaction_answer_error(owner, call, KAFKA_CONCURRENT_TRANSACTIONS);
        return;
    }
    int16_t error = next_facts(transaction, call, &next);
    struct init_producer_id_response *response =
        error == 0 ? arena_alloc(call->arena, sizeof *response) : NULL;
    if (error != 0 || response == NULL) {
        transaction_answer_error(owner, call, error != 0 ? error : KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    init_producer_id_response_default(response);
    response->producer_id = next.producer_id;
    response->producer_epoch = next.producer_epoch;
    transaction_write(transaction, &next);
    runtime_reply(owner->runtime, call, response);
}

void transaction_init(struct transaction_coordinator *owner, struct runtime_call *call)
{
    const struct init_producer_id_request *asked = call->request;
    int16_t error = transaction_check_init(asked, owner->options.max_timeout_ms,
                                           owner->options.two_phase_commit);
    struct transaction *transaction =
        error == 0 ? transaction_find(owner, asked->transactional_id) : NULL;
    if (error == 0 && transaction == NULL) {
        transaction = call->new_producer_id < 0 ? NULL : make_new(owner, call);
        error = transaction == NULL ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : 0;
    }
    if (error != 0) {
        transaction_answer_error(owner, call, error);
    } else {
        init_existing(transaction, call);
    }
}
