#include "broker/transaction_enrol.h"

#include "base/assert.h"
#include "broker/broker.h"
#include "broker/topic_config.h"

bool transaction_is_verified(const struct broker_request *request,
                             enum transaction_support support)
{
    return support == TRANSACTION_SUPPORT_ADDS ||
           broker_setting_boolean(broker_config(request), request->shard->image,
                                  "transaction.partition.verification.enable");
}

/* What a producer is used to hear. */
static int16_t told_error(const struct transaction_enrol *enrol, int16_t error)
{
    if (error == KAFKA_PRODUCER_FENCED) {
        return KAFKA_INVALID_PRODUCER_EPOCH;
    }
    return error == KAFKA_TRANSACTION_ABORTABLE && !enrol->abortable ? KAFKA_INVALID_TXN_STATE
                                                                     : error;
}

static void enrol_ask(struct transaction_enrol *enrol);

static void enrol_fire(struct timer *timer)
{
    enrol_ask(CONTAINER_OF(timer, struct transaction_enrol, timer));
}

static bool enrol_may_wait(const struct transaction_enrol *enrol)
{
    const struct broker_request *request = enrol->request;
    return !enrol->add.verify_only && !request->shard->broker->stopped &&
           loop_monotonic_ms(request->shard->loop) < enrol->until_ms;
}

static void enrol_answered(struct coordinator_ask *ask)
{
    struct transaction_enrol *enrol = CONTAINER_OF(ask, struct transaction_enrol, ask);
    struct broker_request *request = enrol->request;
    const struct transaction_added *added = ask->call.response;
    int16_t error = added == NULL ? KAFKA_UNKNOWN_SERVER_ERROR : added->error;
    if (error == KAFKA_CONCURRENT_TRANSACTIONS && enrol_may_wait(enrol)) {
        int32_t backoff_ms =
            config_int(broker_config(request), "add.partitions.to.txn.retry.backoff.ms");
        request->timer = &enrol->timer;
        loop_timer_arm(request->shard->loop, &enrol->timer, backoff_ms);
        return;
    }
    int16_t *errors =
        arena_array(&request->arena, (size_t)enrol->add.count + 1, sizeof *errors);
    for (int32_t i = 0; errors != NULL && i < enrol->add.count; i++) {
        int16_t own = error != 0 || added->errors == NULL ? error : added->errors[i];
        errors[i] = told_error(enrol, own);
    }
    if (errors == NULL) {
        broker_respond_close(request);
        return;
    }
    enrol->done(enrol, errors);
}

static void enrol_ask(struct transaction_enrol *enrol)
{
    coordinator_ask_transaction(&enrol->ask, enrol->request, &enrol->add,
                                enrol->add.transactional_id);
    enrol->ask.call.api_key = API_ADD_PARTITIONS_TO_TXN;
    enrol->ask.call.api_version = ADD_PARTITIONS_TO_TXN_REQUEST_MAX_VERSION;
    enrol->ask.done = enrol_answered;
    coordinator_ask(&enrol->ask);
}

void transaction_enrol(struct transaction_enrol *enrol, struct broker_request *request,
                       const struct transaction_producer *producer,
                       enum transaction_support support,
                       const struct transaction_partition *partitions, int32_t count)
{
    ASSERT(enrol->done != NULL && count > 0);
    bool adds = support == TRANSACTION_SUPPORT_ADDS;
    enrol->request = request;
    enrol->abortable = support != TRANSACTION_SUPPORT_OLD;
    enrol->until_ms =
        loop_monotonic_ms(request->shard->loop) +
        config_int(broker_config(request), "add.partitions.to.txn.retry.backoff.max.ms");
    enrol->add = (struct transaction_add){
        .transactional_id = producer->transactional_id,
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .verify_only = !adds,
        .version = adds ? TRANSACTION_VERSION_BUMPED : 0,
        .partitions = partitions,
        .count = count,
    };
    timer_init(&enrol->timer, enrol_fire);
    enrol_ask(enrol);
}
