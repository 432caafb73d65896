/* committed.c: reads what is committed of the topic that writers in transactions write to, from its
 * start to its end, again and again, one partition after the other. */
#include <inttypes.h>

#include "actors.h"
#include "base/assert.h"
#include "protocol/error.h"
#include "protocol/record/iter.h"

#define COMMITTED_THINK_MAX_MS 150
#define FETCH_VERSION 12
#define ABORTED_MAX 512

static void think_later(struct committed *reader)
{
    if (!reader->think_set) {
        reader->think_set = true;
        sim_schedule(reader->facts->sim, &reader->think,
                     (int64_t)sim_below(reader->facts->sim, COMMITTED_THINK_MAX_MS));
    }
}

static void ask(struct committed *reader)
{
    struct fetch_request_fetch_partition partition = {
        .partition = reader->partition,
        .current_leader_epoch = -1,
        .fetch_offset = reader->position,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = 1 + (int32_t)sim_below(reader->facts->sim, 2000),
    };
    struct fetch_request_fetch_topic topic = {.topic = string_view_of(TRANSACT_TOPIC)};
    struct fetch_request request;
    fetch_request_default(&request);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.min_bytes = 1;
    request.max_wait_ms = (int32_t)sim_below(reader->facts->sim, 100);
    request.max_bytes = 1 << 20;
    request.isolation_level = 1;
    request.session_epoch = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    peer_ask(&reader->peer, FETCH_REQUEST_KEY, FETCH_VERSION, &request, true);
}

static void committed_think(struct sim_event *event)
{
    struct committed *reader = CONTAINER_OF(event, struct committed, think);
    reader->think_set = false;
    if (!peer_is_connected(&reader->peer) || reader->peer.asked_count > 0) {
        return;
    }
    if (reader->position < 0) {
        reader->position = 0;
        reader->partition = (reader->partition + 1) % TRANSACT_PARTITIONS;
        transact_facts_pass(reader->facts, reader->partition);
    }
    ask(reader);
}

/* Whether records of the producer at base_offset are of an aborted transaction: one begins at the
 * offset that the list names, and ends with the next marker of that producer. */
struct aborts {
    const struct fetch_response_aborted_transaction *list;
    int32_t count;
    bool used[ABORTED_MAX];
    int64_t open[TRANSACT_WRITERS * 8];
    size_t open_count;
};

static void aborts_begin(struct aborts *aborts, int64_t base_offset)
{
    for (int32_t i = 0; i < aborts->count && i < ABORTED_MAX; i++) {
        if (!aborts->used[i] && aborts->list[i].first_offset <= base_offset) {
            aborts->used[i] = true;
            ASSERT(aborts->open_count < sizeof aborts->open / sizeof aborts->open[0]);
            aborts->open[aborts->open_count++] = aborts->list[i].producer_id;
        }
    }
}

static bool aborts_take(struct aborts *aborts, const struct batch *batch)
{
    for (size_t i = 0; i < aborts->open_count; i++) {
        if (aborts->open[i] == batch->producer_id) {
            if (batch_is_control(batch)) {
                aborts->open[i] = aborts->open[--aborts->open_count];
            }
            return true;
        }
    }
    return false;
}

static void read_records(struct committed *reader, const struct batch *batch)
{
    struct record_iter iter;
    struct record record;
    record_iter_init(&iter, batch,
                     (struct bytes_view){batch->records, batch->size_bytes - BATCH_HEADER_BYTES});
    while (record_iter_next(&iter, &record) == 1) {
        uint64_t value = 0;
        if (record.key.size == sizeof value) {
            memcpy(&value, record.key.data, sizeof value);
        }
        if (record.offset >= reader->position) {
            transact_facts_read(reader->facts, reader->partition, value);
        }
    }
}

static void take(struct committed *reader, const struct fetch_response_partition_data *data)
{
    struct aborts aborts = {data->aborted_transactions.items, data->aborted_transactions.count,
                            {false}, {0}, 0};
    const uint8_t *at = data->records.data;
    size_t left = data->records.size;
    int64_t last = -1;
    while (left > 0 && !reader->facts->sim->failed) {
        struct batch batch;
        int64_t size = batch_view_size(at, left);
        if (size <= 0 || (size_t)size > left || batch_decode(at, (size_t)size, &batch) != 0) {
            break; /* the last one may be cut */
        }
        aborts_begin(&aborts, batch.base_offset);
        bool aborted = batch_is_transactional(&batch) && aborts_take(&aborts, &batch);
        if (!aborted && !batch_is_control(&batch)) {
            read_records(reader, &batch);
        }
        last = batch_last_offset(&batch);
        reader->position = last + 1 > reader->position ? last + 1 : reader->position;
        at += size;
        left -= (size_t)size;
    }
    if (last >= data->last_stable_offset) {
        sim_fail(reader->facts->sim, "transacted-%d: read up to %" PRId64 ", stable is %" PRId64,
                 reader->partition, last, data->last_stable_offset);
    }
    if (reader->position >= data->last_stable_offset) {
        bool nothing_open = data->last_stable_offset == data->high_watermark;
        transact_facts_passed(reader->facts, reader->partition, nothing_open);
        reader->position = -1;
        /* Twice over both, begun after the writers were at rest. */
        reader->ends = reader->resting && nothing_open ? reader->ends + 1 : 0;
    }
}

/* Asked again from where it was, as a client does: begun anew each time, a long log would rarely be
 * read to its end. */
static bool committed_was_starved(const struct committed *reader,
                                  const struct fetch_response_partition_data *data)
{
    return reader->facts->sim->starved && data != NULL &&
           data->error_code == KAFKA_UNKNOWN_SERVER_ERROR;
}

static void committed_answered(struct peer *peer, int16_t api_key, const void *message)
{
    struct committed *reader = CONTAINER_OF(peer, struct committed, peer);
    (void)api_key;
    const struct fetch_response_partition_data *data = actors_fetched(message);
    if (data != NULL && data->error_code == 0) {
        take(reader, data);
    } else if (!committed_was_starved(reader, data)) {
        reader->position = -1;
    }
    think_later(reader);
}

static void committed_connected(struct peer *peer)
{
    think_later(CONTAINER_OF(peer, struct committed, peer));
}

static void committed_lost(struct peer *peer)
{
    CONTAINER_OF(peer, struct committed, peer)->position = -1;
}

bool committed_has_rested(const struct committed *reader)
{
    return reader->ends >= 2 * TRANSACT_PARTITIONS;
}

void committed_init(struct committed *reader, struct net *net, struct transact_facts *facts)
{
    *reader = (struct committed){.facts = facts, .position = -1};
    peer_init(&reader->peer, net, facts->sim, "committed");
    reader->peer.connected = committed_connected;
    reader->peer.lost = committed_lost;
    reader->peer.answered = committed_answered;
    reader->think.run = committed_think;
}

void committed_release(struct committed *reader)
{
    committed_stop(reader);
    peer_release(&reader->peer);
}

void committed_start(struct committed *reader)
{
    reader->position = -1;
    peer_start(&reader->peer);
}

void committed_stop(struct committed *reader)
{
    if (reader->think_set) {
        sim_cancel(&reader->think);
        reader->think_set = false;
    }
    peer_stop(&reader->peer);
}
