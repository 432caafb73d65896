/* server.h: connections that clients opened: frames in, responses out, in order.
 *
 * A server is the half of one loop: it owns the connections it was given and their buffers. One
 * request of a connection is in processing at a time; further bytes stay in the socket until it is
 * answered. A connection holds memory only while a frame or a response is under way; what all of
 * them may hold is bounded (memory.h), and while there is none they are not read.
 * A response is a writer's bytes with file ranges spliced in, sent without copying (sendfile) and
 * without ever blocking: what is not in memory is read ahead on a helper thread first, while the
 * connection waits and others go on.
 * Thread: the loop.   Bounds: net_server_options.   Errors: a connection that breaks a rule is
 * closed and counted. */
#ifndef BNB_NET_SERVER_H
#define BNB_NET_SERVER_H

#include "base/err.h"
#include "base/writer.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/socket.h"
#include "metrics/registry.h"
#include "net/memory.h"

struct net_server;
struct net_connection;

/* A received frame without its length. The handler owns it until net_frame_free. */
struct net_frame {
    size_t size;
    uint8_t *data; /* writable: batches are patched in place */
    struct net_memory *memory;
    bool has_rest;
};
void net_frame_free(struct net_frame **frame);

struct net_server_options {
    struct loop *loop;
    int32_t request_bytes_max;      /* socket.request.max.bytes */
    int64_t idle_max_ms;            /* connections.max.idle.ms; -1: never */
    struct io_socket_buffers buffers;
    struct net_memory *memory;     /* of all servers of the broker; NULL: no bound */
    struct metrics_shard *metrics; /* of the loop; NULL: nothing is counted */
    /* A whole frame. The connection stays open at least until net_connection_respond or
     * net_connection_close is called for it, even when the peer has gone. */
    void (*on_request)(void *context, struct net_connection *connection, struct net_frame *frame);
    /* The connection is gone, and no request of it is in processing. NULL: nobody is told. */
    void (*on_closed)(void *context, struct net_connection *connection);
    /* Connections wait for memory; called again and again while they do. May be NULL. */
    void (*on_pressure)(void *context);
    void *context;
};
int net_server_create(const struct net_server_options *options, struct net_server **server);
/* Memory is short somewhere: closes connections that hold some and do not get on with it. */
void net_server_relieve(struct net_server *server);
/* No further request is read: what is in processing is still answered. */
void net_server_stop(struct net_server *server);
/* Closes every connection; after loop_drain, since helpers may still read for one. */
void net_server_destroy(struct net_server **server);

/* Takes an accepted socket over; tag (the listener's index) and what net_connection_context gives
 * are the caller's. False: no memory, the socket is closed, on_closed is not called. */
bool net_server_adopt(struct net_server *server, int descriptor, int32_t tag, void *context);
/* Closes up to count connections, those unused for longest first, with a tag other than spared_tag
 * and no request in processing. How many; none while the server itself closes some, as inside
 * on_closed it may. */
size_t net_server_close_unused(struct net_server *server, size_t count, int32_t spared_tag);
size_t net_server_connection_count(const struct net_server *server);

int32_t net_connection_tag(const struct net_connection *connection);
/* "127.0.0.1", for diagnostics and quotas. */
const char *net_connection_peer(const struct net_connection *connection);
/* The caller's pointer, NULL at first. */
void **net_connection_context(struct net_connection *connection);
/* Ends the request in processing. The writer's content moves to the connection (it is empty
 * afterwards); the sources of its splices are struct io_file_range, which are copied, and released
 * once sent or dropped.
 * response NULL: nothing is sent. The next frame is read. */
void net_connection_respond(struct net_connection *connection, struct writer *response);
/* Ends the request in processing and the connection. */
void net_connection_close(struct net_connection *connection);

/* Listening sockets: accepted descriptors go to accept, once the listener is started; before that
 * connections wait in its backlog. */
struct net_listener;
struct net_listener_options {
    struct loop *loop;
    const char *host; /* "": every address */
    uint16_t port;    /* 0: any free one */
    int32_t backlog;
    /* Before each accept: 0, or the wait; INT64_MAX: until net_listener_resume. May be NULL. */
    int64_t (*wait_ms)(void *context);
    void (*accept)(void *context, int descriptor);
    void *context;
};
/* ERR_BUSY: the port is used; ERR_ACCESS, ERR_INVALID: the address is not of this machine. */
int net_listener_open(const struct net_listener_options *options, struct net_listener **listener,
                      struct err_message *message);
int net_listener_start(struct net_listener *listener);
/* Asks again whether one may be accepted. */
void net_listener_resume(struct net_listener *listener);
uint16_t net_listener_port(const struct net_listener *listener);
void net_listener_close(struct net_listener **listener);

#endif
