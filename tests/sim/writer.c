/* writer.c: a producer in transactions, with an epoch for each (KIP-890). It asks one thing at a
 * time. Whatever goes wrong before it has asked to commit ends that transaction for good; what goes
 * wrong later leaves it unsure, and it may ask once more, or give its id a new epoch. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors.h"
#include "base/assert.h"
#include "io/system.h"
#include "protocol/error.h"
#include "protocol/record/batch.h"

#define WRITER_THINK_MAX_MS 80
#define WRITER_AGAIN_MAX_MS 200
#define FIND_COORDINATOR_VERSION 3
#define INIT_VERSION 5
#define PRODUCE_VERSION 12
#define COMMIT_VERSION 5
#define END_VERSION 5
#define FETCH_VERSION 8
#define CREATE_VERSION 5
#define KEY_TRANSACTION 1

static const char group_name[] = "writers";

static void writer_think_later(struct writer_actor *writer, int64_t most_ms)
{
    if (!writer->think_set) {
        writer->think_set = true;
        sim_schedule(writer->facts->sim, &writer->think,
                     (int64_t)sim_below(writer->facts->sim, (uint64_t)most_ms));
    }
}

static void name_id(struct writer_actor *writer)
{
    /* What was lost with the power is nobody's: a new id. */
    snprintf(writer->id, sizeof writer->id, "writer-%d-%d", writer->index,
             writer->facts->generation);
}

/* ---- asking ---- */

static void ask_topic(struct writer_actor *writer)
{
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic = {
        .name = string_view_of(TRANSACT_TOPIC),
        .num_partitions = TRANSACT_PARTITIONS,
        .replication_factor = 1,
    };
    create_topics_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 30000;
    writer->state = WRITER_MAKES_TOPIC;
    peer_ask(&writer->peer, CREATE_TOPICS_REQUEST_KEY, CREATE_VERSION, &request, true);
}

static void ask_coordinator(struct writer_actor *writer)
{
    struct find_coordinator_request request;
    find_coordinator_request_default(&request);
    request.key = string_view_of(writer->id);
    request.key_type = KEY_TRANSACTION;
    writer->state = WRITER_LOOKS;
    peer_ask(&writer->peer, FIND_COORDINATOR_REQUEST_KEY, FIND_COORDINATOR_VERSION, &request,
             true);
}

static void ask_epoch(struct writer_actor *writer)
{
    struct init_producer_id_request request;
    init_producer_id_request_default(&request);
    request.transactional_id = string_view_of(writer->id);
    request.transaction_timeout_ms = 60000;
    writer->state = WRITER_INITS;
    peer_ask(&writer->peer, INIT_PRODUCER_ID_REQUEST_KEY, INIT_VERSION, &request, true);
}

static void ask_produce(struct writer_actor *writer, int32_t partition)
{
    const struct transact_fact *fact = &writer->facts->facts[writer->index][writer->number];
    struct writer bytes;
    struct batch header = batch_header_empty(0);
    header.producer_id = writer->producer_id;
    header.producer_epoch = writer->producer_epoch;
    header.base_sequence = 0;
    header.attributes = BATCH_TRANSACTIONAL;
    header.base_timestamp_ms = io_wall_ms();
    writer_init(&bytes, 1 << 16);
    struct batch_builder builder;
    batch_builder_init(&builder, &bytes, &header);
    for (uint8_t i = 0; i < fact->count[partition]; i++) {
        uint64_t value = transact_value(writer->index, writer->number, partition, i);
        struct record record = {.offset = i,
                                .timestamp_ms = header.base_timestamp_ms,
                                .key = {(const uint8_t *)&value, sizeof value},
                                .value = {(const uint8_t *)"", 0}};
        batch_builder_add(&builder, &record);
    }
    int error = batch_builder_finish(&builder);
    ASSERT(error == 0 && fact->count[partition] > 0);
    struct produce_request_partition_produce_data data = {
        .index = partition, .records = {.data = bytes.data, .size = bytes.size}};
    struct produce_request_topic_produce_data topic = {.name = string_view_of(TRANSACT_TOPIC)};
    topic.partition_data.items = &data;
    topic.partition_data.count = 1;
    struct produce_request request;
    produce_request_default(&request);
    request.transactional_id = string_view_of(writer->id);
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    writer->state = WRITER_WRITES;
    writer->partition = partition;
    peer_ask(&writer->peer, PRODUCE_REQUEST_KEY, PRODUCE_VERSION, &request, true);
    writer_release(&bytes);
}

static void ask_commit_offset(struct writer_actor *writer)
{
    struct txn_offset_commit_request_txn_offset_commit_request_partition partition = {
        .partition_index = writer->index,
        .committed_offset = (int64_t)writer->number,
        .committed_leader_epoch = -1,
        .committed_metadata = string_view_of(""),
    };
    struct txn_offset_commit_request_txn_offset_commit_request_topic topic = {
        .name = string_view_of(TRANSACT_TOPIC)};
    struct txn_offset_commit_request request;
    txn_offset_commit_request_default(&request);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.transactional_id = string_view_of(writer->id);
    request.group_id = string_view_of(group_name);
    request.producer_id = writer->producer_id;
    request.producer_epoch = writer->producer_epoch;
    request.topics.items = &topic;
    request.topics.count = 1;
    writer->state = WRITER_COMMITS;
    peer_ask(&writer->peer, TXN_OFFSET_COMMIT_REQUEST_KEY, COMMIT_VERSION, &request, true);
}

static void ask_end(struct writer_actor *writer)
{
    struct end_txn_request request = {string_view_of(writer->id), writer->producer_id,
                                      writer->producer_epoch, writer->commits};
    transact_facts_ended(writer->facts, writer->index, writer->number,
                         writer->commits ? TRANSACT_UNSURE : TRANSACT_NEVER);
    writer->state = WRITER_ENDS;
    peer_ask(&writer->peer, END_TXN_REQUEST_KEY, END_VERSION, &request, true);
}

static void ask_offset(struct writer_actor *writer)
{
    int32_t partition = writer->index;
    struct offset_fetch_request_offset_fetch_request_topics topic = {
        .name = string_view_of(TRANSACT_TOPIC)};
    struct offset_fetch_request_offset_fetch_request_group group = {
        .group_id = string_view_of(group_name), .member_epoch = -1};
    struct offset_fetch_request request;
    offset_fetch_request_default(&request);
    topic.partition_indexes.items = &partition;
    topic.partition_indexes.count = 1;
    group.topics.items = &topic;
    group.topics.count = 1;
    request.groups.items = &group;
    request.groups.count = 1;
    request.require_stable = true;
    writer->state = WRITER_CHECKS;
    peer_ask(&writer->peer, OFFSET_FETCH_REQUEST_KEY, FETCH_VERSION, &request, true);
}

/* ---- the course of a transaction ---- */

/* The next thing to write, or the end. */
static void go_on(struct writer_actor *writer, int32_t from)
{
    const struct transact_fact *fact = &writer->facts->facts[writer->index][writer->number];
    for (int32_t i = from; i < TRANSACT_PARTITIONS; i++) {
        if (fact->count[i] > 0) {
            ask_produce(writer, i);
            return;
        }
    }
    if (from <= TRANSACT_PARTITIONS && fact->has_offset) {
        writer->partition = TRANSACT_PARTITIONS;
        ask_commit_offset(writer);
        return;
    }
    writer->commits = writer->commits && (fact->has_offset || fact->count[0] > 0 ||
                                          fact->count[1] > 0);
    ask_end(writer);
}

static void begin(struct writer_actor *writer)
{
    writer->number = transact_facts_begin(writer->facts, writer->index);
    writer->open = true;
    writer->commits = sim_chance(writer->facts->sim, 65);
    go_on(writer, 0);
}

/* What is open is given up, unless its commit was asked for. */
static void give_up(struct writer_actor *writer)
{
    if (writer->open && writer->state != WRITER_ENDS) {
        transact_facts_ended(writer->facts, writer->index, writer->number, TRANSACT_NEVER);
    }
    if (writer->state != WRITER_ENDS || sim_chance(writer->facts->sim, 50)) {
        writer->open = false;
        writer->state = WRITER_LOOKS;
    }
}

static void writer_think(struct sim_event *event)
{
    struct writer_actor *writer = CONTAINER_OF(event, struct writer_actor, think);
    writer->think_set = false;
    if (!peer_is_connected(&writer->peer) || writer->peer.asked_count > 0) {
        return;
    }
    switch (writer->state) {
    case WRITER_MAKES_TOPIC:
        ask_topic(writer);
        break;
    case WRITER_LOOKS:
        ask_coordinator(writer);
        break;
    case WRITER_INITS:
        ask_epoch(writer);
        break;
    case WRITER_ENDS:
        ask_end(writer);
        break;
    case WRITER_CHECKS:
        ask_offset(writer);
        break;
    case WRITER_IDLES:
    case WRITER_WRITES:
    case WRITER_COMMITS:
        if (writer->resting) {
            ask_offset(writer);
        } else if (sim_chance(writer->facts->sim, 5)) {
            ask_epoch(writer); /* as a writer that starts again */
        } else {
            begin(writer);
        }
        break;
    }
}

/* ---- answers ---- */

static void heard_topic(struct writer_actor *writer, const struct create_topics_response *answer)
{
    int16_t error = answer->topics.count == 1 ? answer->topics.items[0].error_code : -1;
    sim_note(writer->facts->sim, "%s hears %d of the topic", writer->peer.name, error);
    if (error == 0 || error == KAFKA_TOPIC_ALREADY_EXISTS) {
        writer->state = WRITER_LOOKS;
    }
    writer_think_later(writer, WRITER_AGAIN_MAX_MS);
}

static void heard_epoch(struct writer_actor *writer, const struct init_producer_id_response *answer)
{
    sim_note(writer->facts->sim, "%s hears %d of its epoch", writer->peer.name, answer->error_code);
    if (answer->error_code == 0) {
        writer->producer_id = answer->producer_id;
        writer->producer_epoch = answer->producer_epoch;
        writer->state = WRITER_IDLES;
    } else if (answer->error_code != KAFKA_CONCURRENT_TRANSACTIONS) {
        writer->state = WRITER_LOOKS;
    }
    writer_think_later(writer, WRITER_AGAIN_MAX_MS);
}

/* Of a part of the transaction. */
static void heard_part(struct writer_actor *writer, int16_t error)
{
    sim_note(writer->facts->sim, "%s hears %d of part %d of %zu", writer->peer.name, error,
             writer->partition, writer->number);
    if (error != 0) {
        give_up(writer);
        writer_think_later(writer, WRITER_AGAIN_MAX_MS);
    } else if (sim_chance(writer->facts->sim, 5)) {
        give_up(writer); /* as a writer that dies */
        writer_think_later(writer, WRITER_AGAIN_MAX_MS);
    } else {
        go_on(writer, writer->partition + 1);
    }
}

static void heard_end(struct writer_actor *writer, const struct end_txn_response *answer)
{
    sim_note(writer->facts->sim, "%s hears %d of the end of %zu", writer->peer.name,
             answer->error_code, writer->number);
    switch (answer->error_code) {
    case 0:
        transact_facts_ended(writer->facts, writer->index, writer->number,
                             writer->commits ? TRANSACT_COMMITTED : TRANSACT_NEVER);
        writer->producer_id = answer->producer_id;
        writer->producer_epoch = answer->producer_epoch;
        writer->open = false;
        writer->state = WRITER_IDLES;
        break;
    case KAFKA_CONCURRENT_TRANSACTIONS:
        break; /* once more */
    default:
        writer->open = false;
        writer->state = WRITER_LOOKS;
        break;
    }
    writer_think_later(writer, WRITER_THINK_MAX_MS);
}

static void heard_offset(struct writer_actor *writer, const struct offset_fetch_response *answer)
{
    const struct offset_fetch_response_offset_fetch_response_group *group =
        answer->groups.count == 1 ? &answer->groups.items[0] : NULL;
    if (group != NULL && group->error_code == 0 && group->topics.count == 1 &&
        group->topics.items[0].partitions.count == 1) {
        int16_t error = group->topics.items[0].partitions.items[0].error_code;
        if (error == 0) {
            transact_facts_offset(writer->facts, writer->index,
                                  group->topics.items[0].partitions.items[0].committed_offset);
        }
        /* After a loss what is pending may have lost the coordinator that would end it. */
        writer->rested = writer->resting &&
                         (error == 0 || (error == KAFKA_UNSTABLE_OFFSET_COMMIT &&
                                         writer->facts->generation > 0));
    }
    if (!writer->rested) {
        writer_think_later(writer, WRITER_AGAIN_MAX_MS);
    }
}

static void writer_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct writer_actor *writer = CONTAINER_OF(peer, struct writer_actor, peer);
    if (api_key == CREATE_TOPICS_REQUEST_KEY) {
        heard_topic(writer, message);
    } else if (api_key == FIND_COORDINATOR_REQUEST_KEY) {
        const struct find_coordinator_response *answer = message;
        writer->state = answer->error_code == 0 ? WRITER_INITS : WRITER_LOOKS;
        writer_think_later(writer, WRITER_AGAIN_MAX_MS);
    } else if (api_key == INIT_PRODUCER_ID_REQUEST_KEY) {
        heard_epoch(writer, message);
    } else if (api_key == PRODUCE_REQUEST_KEY) {
        const struct produce_response *answer = message;
        heard_part(writer, answer->responses.items[0].partition_responses.items[0].error_code);
    } else if (api_key == TXN_OFFSET_COMMIT_REQUEST_KEY) {
        const struct txn_offset_commit_response *answer = message;
        heard_part(writer, answer->topics.items[0].partitions.items[0].error_code);
    } else if (api_key == END_TXN_REQUEST_KEY) {
        heard_end(writer, message);
    } else {
        heard_offset(writer, message);
    }
}

static void writer_connected(struct peer *peer)
{
    writer_think_later(CONTAINER_OF(peer, struct writer_actor, peer), WRITER_AGAIN_MAX_MS);
}

static void writer_lost(struct peer *peer)
{
    give_up(CONTAINER_OF(peer, struct writer_actor, peer));
}

void writer_actor_init(struct writer_actor *writer, struct net *net, struct transact_facts *facts,
                       int32_t index)
{
    static const char *const names[TRANSACT_WRITERS] = {"writer-0", "writer-1"};
    *writer = (struct writer_actor){.facts = facts, .index = index, .state = WRITER_MAKES_TOPIC};
    peer_init(&writer->peer, net, facts->sim, names[index]);
    writer->peer.connected = writer_connected;
    writer->peer.lost = writer_lost;
    writer->peer.answered = writer_answered;
    writer->think.run = writer_think;
}

void writer_actor_release(struct writer_actor *writer)
{
    writer_actor_stop(writer);
    peer_release(&writer->peer);
}

void writer_actor_start(struct writer_actor *writer)
{
    if (writer->generation != writer->facts->generation) {
        writer->open = false;
        writer->state = WRITER_LOOKS;
    }
    writer->generation = writer->facts->generation;
    name_id(writer);
    if (!writer->open) {
        writer->state = WRITER_MAKES_TOPIC;
    }
    peer_start(&writer->peer);
}

void writer_actor_stop(struct writer_actor *writer)
{
    if (writer->think_set) {
        sim_cancel(&writer->think);
        writer->think_set = false;
    }
    if (peer_is_connected(&writer->peer)) {
        give_up(writer);
    }
    peer_stop(&writer->peer);
}
