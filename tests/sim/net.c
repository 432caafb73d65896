#include "net.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/socket.h"

#define NET_CLIENT_PORT 9092 /* as world.c tells the node */
#define NET_DESCRIPTOR_FIRST 1000
#define NET_ROOM_BYTES 8192
#define NET_DELAY_MAX_MS 8
#define NET_QUEUE_MAX 64

/* One direction. [0, arrived) can be received; the rest is under way. */
struct net_stream {
    struct net_socket *socket;
    bool to_node;
    uint8_t bytes[NET_ROOM_BYTES];
    size_t size;
    size_t arrived;
    struct sim_event arrival;
    bool arrival_set;
};
struct net_socket {
    struct list node;
    struct net *net;
    int descriptor;
    bool accepted;
    bool closed_by_node;
    bool closed_by_peer;
    struct net_end *end; /* NULL: the client has let go */
    struct net_stream to_node;
    struct net_stream to_client;
    struct sim_event notice; /* tells the client that the connection is gone */
    bool notice_set;
};
struct net {
    struct sim *sim;
    struct list sockets;
    int next_descriptor;
    int listener;            /* of clients; -1: none */
    int controller_listener; /* in a cluster of one nobody calls there; -1: none */
};

static struct net *net_world;

static void stream_schedule(struct net_stream *stream);

static void stream_arrived(struct sim_event *event)
{
    struct net_stream *stream = CONTAINER_OF(event, struct net_stream, arrival);
    struct net_socket *socket = stream->socket;
    struct sim *sim = socket->net->sim;
    stream->arrival_set = false;
    size_t under_way = stream->size - stream->arrived;
    if (under_way > 0) {
        stream->arrived += sim_chance(sim, 70) ? under_way : 1 + sim_below(sim, under_way);
    }
    if (stream->arrived < stream->size) {
        stream_schedule(stream);
    }
    if (!stream->to_node && socket->end != NULL) {
        socket->end->ready(socket->end);
    }
}

static void stream_schedule(struct net_stream *stream)
{
    if (!stream->arrival_set) {
        struct sim *sim = stream->socket->net->sim;
        stream->arrival_set = true;
        stream->arrival.run = stream_arrived;
        sim_schedule(sim, &stream->arrival, (int64_t)sim_below(sim, NET_DELAY_MAX_MS));
    }
}

static size_t stream_put(struct net_stream *stream, const uint8_t *data, size_t size)
{
    size_t room = NET_ROOM_BYTES - stream->size;
    size = size < room ? size : room;
    memcpy(stream->bytes + stream->size, data, size);
    stream->size += size;
    stream_schedule(stream);
    return size;
}

static size_t stream_take(struct net_stream *stream, uint8_t *data, size_t size)
{
    size = size < stream->arrived ? size : stream->arrived;
    memcpy(data, stream->bytes, size);
    memmove(stream->bytes, stream->bytes + size, stream->size - size);
    stream->size -= size;
    stream->arrived -= size;
    return size;
}

static void stream_stop(struct net_stream *stream)
{
    if (stream->arrival_set) {
        sim_cancel(&stream->arrival);
        stream->arrival_set = false;
    }
}

/* Frees a socket that neither side holds any more. */
static void socket_free_if_done(struct net_socket *socket)
{
    bool node_has_it = socket->accepted && !socket->closed_by_node;
    if (socket->end != NULL || node_has_it || socket->notice_set) {
        return;
    }
    stream_stop(&socket->to_node);
    stream_stop(&socket->to_client);
    list_remove(&socket->node);
    mem_free(socket);
}

static void socket_tell_client(struct sim_event *event)
{
    struct net_socket *socket = CONTAINER_OF(event, struct net_socket, notice);
    struct net_end *end = socket->end;
    socket->notice_set = false;
    socket->end = NULL;
    if (end != NULL) {
        end->socket = NULL;
        end->broken(end);
    }
    socket_free_if_done(socket);
}

static void socket_schedule_notice(struct net_socket *socket, int64_t delay_ms)
{
    if (!socket->notice_set && socket->end != NULL) {
        socket->notice_set = true;
        socket->notice.run = socket_tell_client;
        sim_schedule(socket->net->sim, &socket->notice, delay_ms);
    }
}

struct net *net_create(struct sim *sim)
{
    struct net *net = mem_need(sizeof *net);
    *net = (struct net){.sim = sim, .next_descriptor = NET_DESCRIPTOR_FIRST,
                         .listener = -1,
                         .controller_listener = -1};
    list_init(&net->sockets);
    net_world = net;
    return net;
}

void net_destroy(struct net **net)
{
    net_reset(*net);
    LIST_FOR_EACH_SAFE(item, &(*net)->sockets)
    {
        struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        if (socket->notice_set) {
            sim_cancel(&socket->notice);
            socket->notice_set = false;
        }
        if (socket->end != NULL) {
            socket->end->socket = NULL;
            socket->end = NULL;
        }
        socket_free_if_done(socket);
    }
    mem_free(*net);
    *net = net_world = NULL;
}

void net_reset(struct net *net)
{
    net->listener = net->controller_listener = -1;
    LIST_FOR_EACH_SAFE(item, &net->sockets)
    {
        struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        socket->closed_by_node = true;
        stream_stop(&socket->to_node);
        stream_stop(&socket->to_client);
        socket_schedule_notice(socket, (int64_t)sim_below(net->sim, 50));
        socket_free_if_done(socket);
    }
}

size_t net_open_count(const struct net *net)
{
    size_t count = (net->listener >= 0) + (net->controller_listener >= 0);
    LIST_FOR_EACH(item, &net->sockets)
    {
        const struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        count += socket->accepted && !socket->closed_by_node;
    }
    return count;
}

bool net_connect(struct net *net, struct net_end *end)
{
    if (net->listener < 0 || net->sim->dead) {
        return false;
    }
    struct net_socket *socket = mem_need(sizeof *socket);
    *socket = (struct net_socket){
        .net = net, .descriptor = net->next_descriptor++, .end = end};
    socket->to_node.socket = socket->to_client.socket = socket;
    socket->to_node.to_node = true;
    list_push_back(&net->sockets, &socket->node);
    end->socket = socket;
    return true;
}

size_t net_end_send(struct net_end *end, const uint8_t *data, size_t size)
{
    struct net_socket *socket = end->socket;
    if (socket->closed_by_node) {
        return size; /* into the void */
    }
    return stream_put(&socket->to_node, data, size);
}

size_t net_end_receive(struct net_end *end, uint8_t *data, size_t size)
{
    return stream_take(&end->socket->to_client, data, size);
}

void net_end_close(struct net_end *end)
{
    struct net_socket *socket = end->socket;
    end->socket = NULL;
    if (socket != NULL) {
        socket->end = NULL;
        socket->closed_by_peer = true;
        socket_free_if_done(socket);
    }
}

void net_break_one(struct net *net)
{
    size_t count = 0;
    LIST_FOR_EACH(item, &net->sockets) { count++; }
    size_t chosen = sim_below(net->sim, count == 0 ? 1 : count);
    LIST_FOR_EACH(item, &net->sockets)
    {
        struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        if (chosen-- == 0) {
            sim_note(net->sim, "connection %d breaks", socket->descriptor);
            socket->closed_by_peer = true;
            stream_stop(&socket->to_node);
            stream_stop(&socket->to_client);
            socket_schedule_notice(socket, (int64_t)sim_below(net->sim, 50));
            return;
        }
    }
}

static struct net_socket *net_find(const struct net *net, int descriptor)
{
    LIST_FOR_EACH(item, &net->sockets)
    {
        struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        if (socket->descriptor == descriptor) {
            return socket;
        }
    }
    ASSERT(!"a descriptor that is not open");
    return NULL;
}

static struct net_socket *net_next_to_accept(const struct net *net)
{
    LIST_FOR_EACH(item, &net->sockets)
    {
        struct net_socket *socket = CONTAINER_OF(item, struct net_socket, node);
        if (!socket->accepted && !socket->closed_by_node && !socket->closed_by_peer) {
            return socket;
        }
    }
    return NULL;
}

unsigned net_readiness(const struct net *net, int descriptor, unsigned interest)
{
    if (descriptor == net->controller_listener) {
        return 0;
    }
    if (descriptor == net->listener) {
        return net_next_to_accept(net) != NULL ? interest & LOOP_READABLE : 0;
    }
    const struct net_socket *socket = net_find(net, descriptor);
    if (socket->closed_by_peer) {
        return interest == 0 ? 0 : LOOP_READABLE | LOOP_WRITABLE;
    }
    unsigned ready = 0;
    ready |= socket->to_node.arrived > 0 ? (unsigned)LOOP_READABLE : 0u;
    ready |= socket->to_client.size < NET_ROOM_BYTES ? (unsigned)LOOP_WRITABLE : 0u;
    return ready & interest;
}

int io_socket_listen(const char *host, uint16_t port, int32_t backlog, int *descriptor,
                     uint16_t *bound, struct err_message *message)
{
    (void)host, (void)backlog, (void)message;
    struct net *net = net_world;
    int *listener = port == NET_CLIENT_PORT ? &net->listener : &net->controller_listener;
    ASSERT(*listener < 0);
    *listener = *descriptor = net->next_descriptor++;
    *bound = port;
    return 0;
}

int io_socket_accept(int listener, int *descriptor)
{
    ASSERT(listener == net_world->listener);
    struct net_socket *socket = net_next_to_accept(net_world);
    if (socket == NULL || net_world->sim->dead) {
        return ERR_AGAIN;
    }
    socket->accepted = true;
    *descriptor = socket->descriptor;
    sim_note(net_world->sim, "connection %d is accepted", socket->descriptor);
    return 0;
}

void io_socket_widen(int descriptor, const struct io_socket_buffers *least)
{
    (void)descriptor;
    (void)least;
}

void io_socket_prepare(int descriptor, const struct io_socket_buffers *buffers)
{
    (void)descriptor, (void)buffers;
}

void io_address_text(const struct io_address *address, char text[IO_PEER_BYTES])
{
    (void)address;
    snprintf(text, IO_PEER_BYTES, "unknown");
}

void io_socket_peer(int descriptor, char peer[IO_PEER_BYTES])
{
    snprintf(peer, IO_PEER_BYTES, "client-%d", descriptor);
}

int64_t io_socket_receive(int descriptor, void *data, size_t size)
{
    struct net_socket *socket = net_find(net_world, descriptor);
    struct sim *sim = net_world->sim;
    if (socket->closed_by_peer || sim->dead) {
        return ERR_CLOSED;
    }
    if (size > 1 && sim_chance(sim, 20)) {
        size = 1 + sim_below(sim, size);
    }
    size_t got = stream_take(&socket->to_node, data, size);
    if (got > 0 && socket->end != NULL) {
        stream_schedule(&socket->to_client); /* the peer hears that there is room */
    }
    return got == 0 ? ERR_AGAIN : (int64_t)got;
}

int64_t io_socket_send(int descriptor, const struct iovec *parts, int count, bool more)
{
    (void)more;
    struct net_socket *socket = net_find(net_world, descriptor);
    struct sim *sim = net_world->sim;
    size_t taken = 0;
    if (socket->closed_by_peer || sim_count_effect(sim, NULL, false) != SIM_EFFECT_HAPPENS) {
        return ERR_CLOSED; /* when the process dies here, nobody sees the result */
    }
    for (int i = 0; i < count; i++) {
        size_t size = parts[i].iov_len;
        if (size > 1 && sim_chance(sim, 20)) {
            size = 1 + sim_below(sim, size);
        }
        size_t put = stream_put(&socket->to_client, parts[i].iov_base, size);
        taken += put;
        if (put < parts[i].iov_len) {
            break;
        }
    }
    sim_note(sim, "send %d %zu", descriptor, taken);
    return taken == 0 ? ERR_AGAIN : (int64_t)taken;
}

int64_t io_socket_send_file(int descriptor, struct io_file *file, int64_t position, size_t size)
{
    uint8_t bytes[NET_ROOM_BYTES];
    int64_t got = io_file_read(file, bytes, size < sizeof bytes ? size : sizeof bytes, position);
    if (got <= 0) {
        return ERR_IO;
    }
    struct iovec part = {bytes, (size_t)got};
    return io_socket_send(descriptor, &part, 1, false);
}

void io_socket_close(int descriptor)
{
    struct net *net = net_world;
    if (descriptor == net->listener || descriptor == net->controller_listener) {
        *(descriptor == net->listener ? &net->listener : &net->controller_listener) = -1;
        return;
    }
    struct net_socket *socket = net_find(net, descriptor);
    socket->closed_by_node = true;
    if (!socket->closed_by_peer) {
        /* What was sent still arrives, then the end. */
        socket_schedule_notice(socket, NET_DELAY_MAX_MS * 4);
    }
    socket_free_if_done(socket);
}

int io_socket_resolve(const char *host, uint16_t port, struct io_address *addresses,
                      int32_t *count)
{
    (void)host, (void)port, (void)addresses;
    *count = 0;
    return ERR_NOT_FOUND; /* the node calls nobody yet */
}

int io_socket_connect(const struct io_address *to, const struct io_socket_buffers *buffers,
                      int *descriptor, const char **why)
{
    (void)to, (void)buffers;
    *descriptor = -1;
    *why = "the node calls nobody yet";
    return ERR_CLOSED;
}

int io_socket_connect_result(int descriptor, const char **why)
{
    (void)descriptor;
    *why = "the node calls nobody yet";
    return ERR_CLOSED;
}
