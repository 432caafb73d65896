#include "broker/producer_ids.h"

#include "base/assert.h"
#include "broker/broker.h"
#include "protocol/messages.h"

static void ids_ask(struct broker_request *request);

/* Serves those that wait, as far as ids go; with an error, all of them. */
static void ids_serve(struct broker_shard *shard, int16_t error)
{
    while (!list_empty(&shard->producer_id_waiters)) {
        struct producer_id_wait *wait =
            CONTAINER_OF(shard->producer_id_waiters.next, struct producer_id_wait, node);
        if (error == 0 && shard->producer_id_next == shard->producer_id_end) {
            ids_ask(wait->request);
            return;
        }
        list_remove(&wait->node);
        wait->done(wait, error, error == 0 ? shard->producer_id_next++ : -1);
    }
}

static void ids_block(struct broker_request *request, void *context, int16_t error,
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
    ids_serve(shard, error == 0 ? 0 : KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
}

static void ids_ask(struct broker_request *request)
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
    broker_forward(request, API_ALLOCATE_PRODUCER_IDS, 0, asked, ids_block, NULL);
}

void producer_id_take(struct producer_id_wait *wait)
{
    struct broker_shard *shard = wait->request->shard;
    ASSERT(wait->done != NULL);
    list_push_back(&shard->producer_id_waiters, &wait->node);
    ids_serve(shard, 0);
}

void producer_id_give_back(struct broker_shard *shard, int64_t producer_id)
{
    ASSERT(producer_id >= 0);
    if (producer_id == shard->producer_id_next - 1) {
        shard->producer_id_next = producer_id;
    }
}
