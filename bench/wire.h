/* wire.h: what the programs that measure coordinators share: connections that speak the protocol
 * themselves, so that every broker gets the same bytes and the client costs little, and many of
 * them at once. A connection may have several requests under way; answers come in their order.
 * Header only: each program is one file. Errors end the program. */
#ifndef BNB_BENCH_WIRE_H
#define BNB_BENCH_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/mem.h"
#include "protocol/api.h"
#include "protocol/error.h"

#define WIRE_BYTES_MAX (64u << 20)
#define WIRE_RECEIVE_BYTES 4096
#define WIRE_SIZE_BYTES 4
#define WIRE_EVENTS 64
#define NANOSECONDS 1000000000LL

/* An API in the version that is spoken. */
struct wire_api {
    int16_t key;
    int16_t version;
    const struct codec_struct *request;
    const struct codec_struct *response;
};
struct wire {
    int socket;
    int32_t sent;     /* the correlation id of the last request */
    int32_t answered; /* and of the last answer */
    struct writer out;
    uint8_t *in;
    size_t in_size;
    size_t in_capacity;
    struct arena arena; /* of the last answer */
    void *owner;        /* whoever gets the answers (wire_poll) */
};

static inline void wire_need(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static inline void wire_good(int16_t error, const char *what)
{
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", what, kafka_error_name(error));
        exit(1);
    }
}

/* Tells whoever measures that all is prepared, and waits for a line from there. */
static inline void wire_ready(void)
{
    puts("ready");
    fflush(stdout);
    for (int read = 0; read != '\n';) {
        read = getchar();
        wire_need(read != EOF, "nobody measures");
    }
}

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static inline void sleep_until(int64_t due_ns)
{
    struct timespec until = {due_ns / NANOSECONDS, due_ns % NANOSECONDS};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* bootstrap: "127.0.0.1:port". */
static inline void wire_open(struct wire *wire, const char *bootstrap)
{
    const char *port = strrchr(bootstrap, ':');
    wire_need(port != NULL, bootstrap);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)strtol(port + 1, NULL, 10))};
    *wire = (struct wire){.socket = socket(AF_INET, SOCK_STREAM, 0)};
    int on = 1;
    wire_need(wire->socket >= 0, "socket");
    wire_need(connect(wire->socket, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(wire->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    writer_init(&wire->out, WIRE_BYTES_MAX);
    arena_init(&wire->arena, WIRE_BYTES_MAX);
}

static inline void wire_close(struct wire *wire)
{
    close(wire->socket);
    writer_release(&wire->out);
    arena_release(&wire->arena);
    mem_free(wire->in);
}

static inline void wire_send(struct wire *wire, const struct wire_api *api, const void *message)
{
    struct request_header header = {.request_api_key = api->key,
                                    .request_api_version = api->version,
                                    .correlation_id = ++wire->sent,
                                    .client_id = string_view_of("bench")};
    struct writer *out = &wire->out;
    out->size = 0;
    writer_i32(out, 0);
    wire_need(api_request_header_encode(out, &header) == 0, "header");
    wire_need(codec_encode(api->request, out, api->version, message) == 0, api->request->name);
    writer_patch_i32(out, 0, (int32_t)(out->size - WIRE_SIZE_BYTES));
    for (size_t done = 0; done < out->size;) {
        ssize_t more = send(wire->socket, out->data + done, out->size - done, MSG_NOSIGNAL);
        wire_need(more > 0, "send");
        done += (size_t)more;
    }
}

/* The size of the answer's frame, or what must be there to know it. */
static inline size_t wire_frame_bytes(const struct wire *wire)
{
    return WIRE_SIZE_BYTES + (wire->in_size < WIRE_SIZE_BYTES ? 0 : load_be32(wire->in));
}

/* Takes in what is there; without MSG_DONTWAIT it waits for some. Whether an answer is whole. */
static inline bool wire_receive(struct wire *wire, int flags)
{
    size_t wanted = wire_frame_bytes(wire);
    wire_need(wanted <= WIRE_BYTES_MAX, "the size of an answer");
    size_t room = wanted + WIRE_RECEIVE_BYTES;
    wire_need(mem_grow((void **)&wire->in, &wire->in_capacity, room, 1) == 0, "memory");
    ssize_t more = recv(wire->socket, wire->in + wire->in_size,
                        wire->in_capacity - wire->in_size, flags);
    if (more < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    wire_need(more > 0, "receive");
    wire->in_size += (size_t)more;
    return wire->in_size >= WIRE_SIZE_BYTES && wire->in_size >= wire_frame_bytes(wire);
}

static inline bool wire_has_answer(const struct wire *wire)
{
    return wire->in_size >= WIRE_SIZE_BYTES && wire->in_size >= wire_frame_bytes(wire);
}

/* Decodes the answer that has come; what it points at stays until the next one. */
static inline void wire_decode(struct wire *wire, const struct wire_api *api, void *message)
{
    size_t size = wire_frame_bytes(wire);
    struct reader reader;
    int32_t correlation_id;
    arena_reset(&wire->arena);
    uint8_t *frame = arena_alloc(&wire->arena, size);
    wire_need(frame != NULL, "memory");
    memcpy(frame, wire->in, size);
    memmove(wire->in, wire->in + size, wire->in_size - size);
    wire->in_size -= size;
    reader_init(&reader, frame + WIRE_SIZE_BYTES, size - WIRE_SIZE_BYTES);
    int error = api_response_header_decode(&reader, &wire->arena, api->key, api->version,
                                           &correlation_id);
    wire_need(error == 0 && correlation_id == ++wire->answered, "the header of an answer");
    error = codec_decode(api->response, &reader, api->version, &wire->arena, message);
    wire_need(error == 0 && reader_left(&reader) == 0, api->response->name);
}

/* Waits for the next answer. */
static inline void wire_take(struct wire *wire, const struct wire_api *api, void *message)
{
    while (!wire_has_answer(wire)) {
        wire_receive(wire, 0);
    }
    wire_decode(wire, api, message);
}

static inline void wire_call(struct wire *wire, const struct wire_api *api, const void *request,
                             void *response)
{
    wire_send(wire, api, request);
    wire_take(wire, api, response);
}

/* ---- many connections ---- */

static inline int wire_poll_create(void)
{
    int poll = epoll_create1(0);
    wire_need(poll >= 0, "epoll");
    return poll;
}

static inline void wire_poll_add(int poll, struct wire *wire, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = wire};
    wire->owner = owner;
    wire_need(epoll_ctl(poll, EPOLL_CTL_ADD, wire->socket, &event) == 0, "epoll");
}

/* Waits for answers, at most so long, and calls answered for each owner that has one, which
 * decodes it. */
static inline void wire_poll(int poll, int timeout_ms, void (*answered)(void *owner))
{
    struct epoll_event events[WIRE_EVENTS];
    int count = epoll_wait(poll, events, WIRE_EVENTS, timeout_ms);
    wire_need(count >= 0 || errno == EINTR, "epoll");
    for (int i = 0; i < count; i++) {
        struct wire *wire = events[i].data.ptr;
        if (wire_receive(wire, MSG_DONTWAIT)) {
            answered(wire->owner);
        }
    }
}

/* ---- what every program asks first ---- */

/* Whether a coordinator says that it is not there yet: it is asked again. */
static inline bool wire_not_yet(int16_t error)
{
    return error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
           error == KAFKA_COORDINATOR_NOT_AVAILABLE || error == KAFKA_NOT_COORDINATOR;
}

/* Waits until there is a coordinator of that type (0: groups, 1: transactions) for key. */
static inline void wire_find_coordinator(struct wire *wire, const char *key, int8_t type)
{
    static const struct wire_api api = {API_FIND_COORDINATOR, 4, &find_coordinator_request_row,
                                        &find_coordinator_response_row};
    struct string_view keys[] = {string_view_of(key)};
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    find_coordinator_request_default(&request);
    request.key_type = type;
    request.coordinator_keys.items = keys;
    request.coordinator_keys.count = 1;
    do {
        wire_call(wire, &api, &request, &response);
        wire_need(response.coordinators.count == 1, "coordinators");
    } while (wire_not_yet(response.coordinators.items[0].error_code));
    wire_good(response.coordinators.items[0].error_code, "coordinator");
}

/* The id and the partitions of a topic that is there. */
static inline struct uuid wire_topic(struct wire *wire, const char *name, int32_t *partitions)
{
    static const struct wire_api api = {API_METADATA, 12, &metadata_request_row,
                                        &metadata_response_row};
    struct metadata_request_metadata_request_topic asked = {.name = string_view_of(name)};
    struct metadata_request request;
    struct metadata_response response;
    metadata_request_default(&request);
    request.topics.items = &asked;
    request.topics.count = 1;
    wire_call(wire, &api, &request, &response);
    wire_need(response.topics.count == 1, "topics");
    wire_good(response.topics.items[0].error_code, name);
    if (partitions != NULL) {
        *partitions = response.topics.items[0].partitions.count;
    }
    return response.topics.items[0].topic_id;
}

static inline int wire_by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* Prints `"name_p50_ms": a, "name_p99_ms": b, "name_max_ms": c`; sorts values. */
static inline void wire_print_percentiles(const char *name, double *values, size_t count)
{
    qsort(values, count, sizeof *values, wire_by_value);
    printf("\"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f, \"%s_max_ms\": %.3f", name,
           values[count / 2], name, values[count * 99 / 100], name, values[count - 1]);
}

#endif
