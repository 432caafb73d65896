/* InitProducerId without a transactional id: an id nobody had before, epoch 0. Ids come from the
 * controller in blocks; each shard works through its own. */
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/handlers_data.h"
#include "broker/request.h"

struct producer_id_wait {
    struct list node;
    struct broker_request *request;
};

static void producer_id_answer(struct broker_request *request, int16_t error, int64_t producer_id)
{
    struct init_producer_id_response response;
    init_producer_id_response_default(&response);
    response.error_code = error;
    response.producer_id = error == 0 ? producer_id : -1;
    response.producer_epoch = error == 0 ? 0 : -1;
    broker_respond(request, &response);
}

static void producer_id_ask(struct broker_request *request);

/* Answers those that wait, as far as ids go; with an error, all of them. */
static void producer_id_serve(struct broker_shard *shard, int16_t error)
{
    while (!list_empty(&shard->producer_id_waiters)) {
        struct producer_id_wait *wait =
            CONTAINER_OF(shard->producer_id_waiters.next, struct producer_id_wait, node);
        if (error == 0 && shard->producer_id_next == shard->producer_id_end) {
            producer_id_ask(wait->request);
            return;
        }
        list_remove(&wait->node);
        producer_id_answer(wait->request, error,
                           error == 0 ? shard->producer_id_next++ : -1);
    }
}

static void producer_id_block(struct broker_request *request, void *context, int16_t error,
                              const void *response)
{
    (void)context;
    struct broker_shard *shard = request->shard;
    const struct allocate_producer_ids_response *block = response;
    shard->producer_id_asked = false;
    if (error == 0) {
        error = block->error_code;
    }
    if (error == 0 && block->producer_id_len > 0) {
        shard->producer_id_next = block->producer_id_start;
        shard->producer_id_end = block->producer_id_start + block->producer_id_len;
    } else if (error == 0) {
        error = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    /* Clients try again. */
    producer_id_serve(shard, error == 0 ? 0 : KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
}

static void producer_id_ask(struct broker_request *request)
{
    if (request->shard->producer_id_asked) {
        return;
    }
    struct allocate_producer_ids_request *asked =
        arena_alloc(&request->arena, sizeof *asked);
    if (asked == NULL) {
        return;
    }
    allocate_producer_ids_request_default(asked);
    asked->broker_id = broker_node_id(request);
    asked->broker_epoch = broker_epoch(request);
    request->shard->producer_id_asked = true;
    broker_forward(request, API_ALLOCATE_PRODUCER_IDS, 0, asked, producer_id_block, NULL);
}

void api_init_producer_id(struct broker_request *request)
{
    const struct init_producer_id_request *asked = request->message;
    struct broker_shard *shard = request->shard;
    if (asked->transactional_id.data != NULL) {
        /* As Apache Kafka while no coordinator is there. */
        producer_id_answer(request, asked->transactional_id.size == 0
                                        ? KAFKA_INVALID_REQUEST
                                        : KAFKA_COORDINATOR_NOT_AVAILABLE,
                           -1);
        return;
    }
    struct producer_id_wait *wait = arena_alloc(&request->arena, sizeof *wait);
    if (wait == NULL) {
        broker_respond_close(request);
        return;
    }
    wait->request = request;
    list_push_back(&shard->producer_id_waiters, &wait->node);
    producer_id_serve(shard, 0);
}
