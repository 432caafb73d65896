/* fake_broker.h: a broker of one thread, a few connections and one topic "t" in memory, which can
 * be told to fail. Enough of Kafka's rules to see whether a client keeps its promises:
 * sequence numbers are checked, offsets assigned. fake_apis.h has what it answers.
 * Thread: its own; the script fields are set before it starts. */
#ifndef BNB_TESTS_FAKE_BROKER_H
#define BNB_TESTS_FAKE_BROKER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "protocol/api.h"
#include "protocol/error.h"
#include "protocol/record/batch.h"

#define FAKE_PARTITIONS 2
#define FAKE_FRAME_BYTES (4 << 20)
#define FAKE_PEERS 8
/* After which something hangs, on a machine that stands still for a while, too. */
#define PATIENCE_MS 120000

struct fake_partition {
    struct writer log;
    int64_t end_offset;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t next_sequence;
    int64_t last_base_offset;
    int32_t last_base_sequence;
};
/* Of the one transactional id there is. */
struct fake_transaction {
    int32_t requests;
    int32_t ends; /* requests */
    int16_t epoch;
    bool open;
    bool added[FAKE_PARTITIONS];
    bool offsets_added;
    int64_t offset; /* committed; -1: none */
    int64_t offset_pending;
    int32_t commits;
    int32_t aborts;
    int last; /* 1: a commit, 0: an abort, -1: neither */
};
struct fake_broker {
    /* script: by the number of the produce request, from 1 on; 0: never */
    int32_t refuse_until;      /* NOT_LEADER_OR_FOLLOWER, nothing is appended */
    int32_t lose_answer_every; /* appended, then REQUEST_TIMED_OUT */
    int32_t hang_up_every;     /* appended, then the connection is closed */
    int32_t cut_every;         /* appended, then an answer that ends too early */
    int32_t mistake_every;     /* appended, then an answer to something else */
    int32_t empty_every;       /* appended, then an answer about nothing */
    int64_t out_of_range_from; /* fetches from there on are OFFSET_OUT_OF_RANGE; 0: none */
    int32_t forget_at;         /* the producer is forgotten once: OUT_OF_ORDER_SEQUENCE_NUMBER */
    int32_t reject_at;         /* partition 0 INVALID_RECORD, the others appended, and told to be
                                * NOT_ENOUGH_REPLICAS_AFTER_APPEND */
    bool silent;               /* produce is never answered */
    atomic_bool loses_answers; /* appended, then REQUEST_TIMED_OUT, slowly, while it is set */
    bool moves;                /* every fourth metadata response gives another address */
    int16_t transaction_version;
    int32_t lose_end_every;      /* EndTxn is done, then the connection is closed */
    int32_t transact_moves_at;   /* by the number of the transactional request: NOT_COORDINATOR */
    int32_t transact_busy_until; /* CONCURRENT_TRANSACTIONS */
    atomic_bool transact_busy;   /* the same, while it is set */
    atomic_bool end_waits;       /* EndTxn is not done, and the connection is closed */
    struct fake_transaction transaction;
    atomic_int find_count;
    /* seen */
    atomic_int produce_count;
    atomic_int connection_count;
    atomic_int id_count;
    atomic_int metadata_count;
    atomic_int out_of_range_count;
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool ending;
    struct fake_partition partitions[FAKE_PARTITIONS];
};

#include "fake_apis.h"
#include "fake_transact.h"

static inline bool fake_is_turn(const struct fake_broker *broker, int32_t every)
{
    return every > 0 && atomic_load(&broker->produce_count) % every == 0;
}

/* Makes an answer to a produce one that cannot be read, or that nobody waits for. */
static inline void fake_spoil(const struct fake_broker *broker, struct writer *out)
{
    if (fake_is_turn(broker, broker->cut_every)) {
        out->size -= 9;
    }
    if (fake_is_turn(broker, broker->mistake_every)) {
        out->data[7] ^= 0x55; /* of the correlation id */
    }
}

/* Answers one frame. False: hang up. */
static inline bool fake_answer(struct fake_broker *broker, int peer, const uint8_t *frame,
                               size_t size)
{
    struct arena arena;
    struct reader reader;
    struct request_header header;
    struct writer out;
    bool go_on = true;
    arena_init(&arena, 64 << 20);
    reader_init(&reader, frame, size);
    writer_init(&out, FAKE_FRAME_BYTES);
    writer_i32(&out, 0);
    bool known = api_request_header_decode(&reader, &arena, &header) == 0;
    int16_t version = header.request_api_version;
    api_response_header_encode(&out, header.request_api_key, version, header.correlation_id);
    bool answers = known;
#define FAKE_CASE(API, name, act)                                      \
    case API: {                                                        \
        struct name##_request request;                                 \
        struct name##_response response;                               \
        name##_response_default(&response);                            \
        name##_request_default(&request);                              \
        known = name##_request_decode(&reader, version, &arena, &request) == 0; \
        act;                                                           \
        name##_response_encode(&out, version, &response);              \
        break;                                                         \
    }
    switch (header.request_api_key) {
        FAKE_CASE(API_API_VERSIONS, api_versions, fake_versions(broker, &arena, &response))
        FAKE_CASE(API_METADATA, metadata, fake_metadata(broker, &arena, &response))
        FAKE_CASE(API_INIT_PRODUCER_ID, init_producer_id,
                  fake_init(broker, &request, &response))
        FAKE_CASE(API_FIND_COORDINATOR, find_coordinator,
                  fake_find(broker, &arena, &request, &response))
        FAKE_CASE(API_ADD_PARTITIONS_TO_TXN, add_partitions_to_txn,
                  fake_add_partitions(broker, &arena, &request, &response))
        FAKE_CASE(API_ADD_OFFSETS_TO_TXN, add_offsets_to_txn,
                  response.error_code = fake_transact(broker, request.producer_epoch);
                  broker->transaction.offsets_added |= response.error_code == 0)
        FAKE_CASE(API_TXN_OFFSET_COMMIT, txn_offset_commit,
                  fake_commit_offsets(broker, &arena, version, &request, &response))
        FAKE_CASE(API_END_TXN, end_txn,
                  go_on = fake_end(broker, version, &request, &response))
        FAKE_CASE(API_LIST_OFFSETS, list_offsets,
                  fake_offsets(broker, &arena, &request, &response))
        FAKE_CASE(API_FETCH, fetch, fake_fetch(broker, &arena, &request, &response))
        FAKE_CASE(API_PRODUCE, produce,
                  go_on = fake_produce(broker, &arena, &request, &response) == 0;
                  answers = !broker->silent && request.acks != 0)
    default:
        known = false;
    }
#undef FAKE_CASE
    if (go_on && known && answers) {
        if (header.request_api_key == API_PRODUCE) {
            fake_spoil(broker, &out);
        }
        writer_patch_i32(&out, 0, (int32_t)(out.size - 4));
        ssize_t sent = send(peer, out.data, out.size, MSG_NOSIGNAL);
        go_on = sent == (ssize_t)out.size;
    }
    writer_release(&out);
    arena_release(&arena);
    return go_on && known;
}

/* Takes one frame of a connection, and answers it. False: it is to be closed. */
static inline bool fake_take(struct fake_broker *broker, int peer, uint8_t *frame)
{
    uint8_t prefix[4];
    if (recv(peer, prefix, 4, MSG_WAITALL) != 4) {
        return false;
    }
    size_t size = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 | (size_t)prefix[2] << 8 |
                  prefix[3];
    return size <= FAKE_FRAME_BYTES && recv(peer, frame, size, MSG_WAITALL) == (ssize_t)size &&
           fake_answer(broker, peer, frame, size);
}

static inline void *fake_serve(void *argument)
{
    struct fake_broker *broker = argument;
    uint8_t *frame = mem_need(FAKE_FRAME_BYTES);
    struct pollfd watched[1 + FAKE_PEERS] = {{.fd = broker->listener, .events = POLLIN}};
    nfds_t count = 1;
    while (!atomic_load(&broker->ending) && poll(watched, count, -1) > 0) {
        for (nfds_t i = count; i-- > 1;) {
            if (watched[i].revents != 0 && !fake_take(broker, watched[i].fd, frame)) {
                close(watched[i].fd);
                watched[i] = watched[--count];
            }
        }
        if (watched[0].revents != 0 && count <= FAKE_PEERS) {
            int peer = accept(broker->listener, NULL, NULL);
            if (peer < 0) {
                break; /* it was shut down */
            }
            atomic_fetch_add(&broker->connection_count, 1);
            watched[count++] = (struct pollfd){.fd = peer, .events = POLLIN};
        }
    }
    while (count > 1) {
        close(watched[--count].fd);
    }
    mem_free(frame);
    return NULL;
}

static inline void fake_broker_start(struct fake_broker *broker)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_ANY)}};
    socklen_t size = sizeof address;
    for (int32_t p = 0; p < FAKE_PARTITIONS; p++) {
        writer_init(&broker->partitions[p].log, 64 << 20);
        broker->partitions[p].producer_id = -1;
        broker->partitions[p].last_base_sequence = -1;
        broker->partitions[p].producer_epoch = -1;
    }
    broker->transaction.epoch = broker->transaction.last = -1;
    broker->transaction.offset = broker->transaction.offset_pending = -1;
    broker->listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(broker->listener, (struct sockaddr *)&address, size);
    listen(broker->listener, 8);
    getsockname(broker->listener, (struct sockaddr *)&address, &size);
    broker->port = ntohs(address.sin_port);
    pthread_create(&broker->thread, NULL, fake_serve, broker);
}

/* The client must be gone. The logs may be looked at from here on. */
static inline void fake_broker_stop_serving(struct fake_broker *broker)
{
    atomic_store(&broker->ending, true);
    shutdown(broker->listener, SHUT_RDWR);
    pthread_join(broker->thread, NULL);
    close(broker->listener);
}

static inline void fake_broker_release(struct fake_broker *broker)
{
    for (int32_t p = 0; p < FAKE_PARTITIONS; p++) {
        writer_release(&broker->partitions[p].log);
    }
}

static inline void fake_broker_stop(struct fake_broker *broker)
{
    fake_broker_stop_serving(broker);
    fake_broker_release(broker);
}

#endif
