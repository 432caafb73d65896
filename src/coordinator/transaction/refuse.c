/* What each API answers when nothing came of it, as the getErrorResponse of Apache Kafka's
 * requests. */
#include "coordinator/transaction/internal.h"

/* Who does not know the newer error gets the one that it has always handled. */
static int16_t fenced_for(int16_t error, bool knows)
{
    return error == KAFKA_PRODUCER_FENCED && !knows ? KAFKA_INVALID_PRODUCER_EPOCH : error;
}

static const void *refuse_init(struct runtime_call *call, int16_t error)
{
    struct init_producer_id_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        init_producer_id_response_default(response);
        response->error_code = fenced_for(error, call->api_version >= 4);
        response->producer_id = -1;
        response->producer_epoch = -1;
    }
    return response;
}

static const void *refuse_add(struct runtime_call *call, int16_t error)
{
    struct transaction_added *added = arena_alloc(call->arena, sizeof *added);
    if (added != NULL) {
        added->error = error;
    }
    return added;
}

static const void *refuse_end(struct runtime_call *call, int16_t error)
{
    struct end_txn_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        end_txn_response_default(response);
        response->error_code = fenced_for(error, call->api_version >= 2);
    }
    return response;
}

static const void *refuse_describe(struct runtime_call *call, int16_t error)
{
    const struct string_view *id = call->request;
    struct describe_transactions_response_transaction_state *response =
        arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        *response = (struct describe_transactions_response_transaction_state){
            .error_code = error,
            .transactional_id = *id,
            .transaction_state = string_view_of(""),
        };
    }
    return response;
}

static const void *refuse_list(struct runtime_call *call, int16_t error)
{
    struct list_transactions_response *response = arena_alloc(call->arena, sizeof *response);
    if (response != NULL) {
        list_transactions_response_default(response);
        /* The other partitions still tell theirs. */
        response->error_code = error == KAFKA_NOT_COORDINATOR ? 0 : error;
    }
    return response;
}

void transaction_call_refuse(struct runtime_call *call, int16_t error)
{
    static const struct {
        int16_t api_key;
        const void *(*refuse)(struct runtime_call *call, int16_t error);
    } rows[] = {
        {API_INIT_PRODUCER_ID, refuse_init},
        {API_ADD_PARTITIONS_TO_TXN, refuse_add},
        {API_END_TXN, refuse_end},
        {API_DESCRIBE_TRANSACTIONS, refuse_describe},
        {API_LIST_TRANSACTIONS, refuse_list},
    };
    ASSERT(error != 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].api_key == call->api_key) {
            call->response = rows[i].refuse(call, error);
            return;
        }
    }
    ASSERT(false);
}

void transaction_refuse(void *context, struct runtime_call *call, int16_t error)
{
    (void)context;
    transaction_call_refuse(call, error);
}
