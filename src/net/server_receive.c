/* How a server makes frames of what comes. A small frame is received together with its size, and
 * with what is behind it: one call for all that a client has sent. */
#include "base/assert.h"
#include "base/endian.h"
#include "base/mem.h"
#include "net/server_internal.h"

static struct budget *ahead_budget(const struct net_connection *connection)
{
    struct net_memory *memory = connection->server->options.memory;
    return memory == NULL ? NULL : &memory->work;
}

void net_ahead_drop(struct net_connection *connection)
{
    if (connection->ahead != NULL) {
        budget_give(ahead_budget(connection), NET_AHEAD_BYTES);
        mem_free(connection->ahead_memory);
        connection->ahead = connection->ahead_memory = NULL;
        connection->ahead_size = 0;
    }
}

int net_ahead_keep(struct net_connection *connection)
{
    if (connection->ahead == NULL || connection->ahead_memory != NULL) {
        return 0;
    }
    connection->ahead_memory = mem_alloc(connection->ahead_size);
    if (connection->ahead_memory == NULL) {
        return ERR_NOMEM;
    }
    memcpy(connection->ahead_memory, connection->ahead, connection->ahead_size);
    connection->ahead = connection->ahead_memory;
    return 0;
}

/* Up to size bytes of what came ahead. */
static size_t ahead_take(struct net_connection *connection, uint8_t *data, size_t size)
{
    size_t taken = size < connection->ahead_size ? size : connection->ahead_size;
    if (taken > 0) {
        memcpy(data, connection->ahead, taken);
        connection->ahead += taken;
        connection->ahead_size -= taken;
        if (connection->ahead_size == 0) {
            net_ahead_drop(connection);
        }
    }
    return taken;
}

/* Bytes received, at most size of them into data, or an error. */
static int64_t receive_some(struct net_connection *connection, uint8_t *data, size_t size)
{
    ASSERT(connection->ahead == NULL);
    int descriptor = connection->watch.descriptor;
    if (size >= NET_AHEAD_BYTES || !budget_take(ahead_budget(connection), NET_AHEAD_BYTES)) {
        int64_t count = io_socket_receive(descriptor, data, size);
        connection->drained = count >= 0 && (size_t)count < size;
        return count;
    }
    int64_t count = io_socket_receive(descriptor, connection->server->ahead, NET_AHEAD_BYTES);
    if (count <= 0) {
        budget_give(ahead_budget(connection), NET_AHEAD_BYTES);
        return count;
    }
    connection->drained = (size_t)count < NET_AHEAD_BYTES;
    connection->ahead = connection->server->ahead;
    connection->ahead_size = (size_t)count;
    return (int64_t)ahead_take(connection, data, size);
}

/* Receives into [data + *got, data + size). 1: full; 0: more later; ERR_CLOSED. */
static int net_receive(struct net_connection *connection, uint8_t *data, size_t size, size_t *got)
{
    *got += ahead_take(connection, data + *got, size - *got);
    while (*got < size) {
        int64_t count = connection->drained ? ERR_AGAIN
                                            : receive_some(connection, data + *got, size - *got);
        if (count < 0) {
            return count == ERR_AGAIN ? 0 : ERR_CLOSED;
        }
        *got += (size_t)count;
        connection->moved_bytes += count;
    }
    return 1;
}

static int net_receive_size(struct net_connection *connection)
{
    if (connection->size_got == NET_SIZE_BYTES) {
        return 1;
    }
    int done = net_receive(connection, connection->size_bytes, NET_SIZE_BYTES,
                           &connection->size_got);
    if (done != 1) {
        return done;
    }
    int32_t size = (int32_t)load_be32(connection->size_bytes);
    if (size < 0 || size > connection->server->options.request_bytes_max) {
        connection->size_got = 0;
        metrics_add(connection->server->options.metrics, METRIC_CONNECTIONS_ENDED_FOR_RULE, 1);
        return ERR_RANGE;
    }
    connection->frame_size = (size_t)size;
    connection->frame_got = 0;
    connection->frame_capacity = 0;
    return 1;
}

/* Room for the next bytes of the frame. 1; 0: it waits for memory; ERR_NOMEM. */
static int net_grow_frame(struct net_connection *connection)
{
    bool begins = connection->frame_capacity == 0;
    if ((begins ? !connection->has_begun : !connection->has_rest) &&
        !net_connection_take_memory(connection)) {
        return 0;
    }
    size_t wanted = begins ? NET_FIRST_BYTES : connection->frame_capacity * NET_FRAME_GROWTH;
    wanted = wanted < connection->frame_size ? wanted : connection->frame_size;
    void *grown = mem_realloc(connection->frame, wanted > 0 ? wanted : 1);
    if (grown == NULL) {
        return ERR_NOMEM;
    }
    connection->frame = grown;
    connection->frame_capacity = wanted;
    return 1;
}

int net_receive_frame(struct net_connection *connection)
{
    int done = net_receive_size(connection);
    while (done == 1) {
        if (connection->frame_got == connection->frame_capacity) {
            done = net_grow_frame(connection);
            if (done != 1) {
                break;
            }
        }
        done = net_receive(connection, connection->frame, connection->frame_capacity,
                           &connection->frame_got);
        if (done == 1 && connection->frame_got == connection->frame_size) {
            return 1;
        }
    }
    return done;
}
