/* server_internal.h: the connections of a server, for its files: server.c answers, server_receive.c
 * makes frames of what comes, server_memory.c makes connections wait while memory is short.
 * Thread: the loop's. */
#ifndef BNB_NET_SERVER_INTERNAL_H
#define BNB_NET_SERVER_INTERNAL_H

#include "base/limits.h"
#include "net/memory.h"
#include "net/server.h"

#define NET_SIZE_BYTES 4

struct net_connection {
    struct list node;
    struct net_server *server;
    struct loop_watch watch;
    int32_t tag;
    void *context;
    bool closing;    /* to be freed once no request is in processing */
    bool processing; /* a handler owns a frame of it */
    bool in_ready;   /* net_connection_ready is on the stack */
    int64_t used_ms; /* something was received or sent */

    /* Memory of the frame or the response that is under way. */
    bool waiting;          /* for memory: not read until there is some */
    struct list wait_node; /* in the server's, then */
    bool has_begun;        /* the frame's first bytes are counted */
    bool has_rest;         /* so are all others of it */
    int64_t held_since_ms;
    int64_t moved_bytes;   /* since then */

    /* The frame that is being received. */
    uint8_t size_bytes[NET_SIZE_BYTES];
    size_t size_got;
    size_t frame_size;
    size_t frame_got;
    size_t frame_capacity;
    uint8_t *frame;

    /* What came with a frame and is behind it: in the server's own memory while the connection is
     * being served, else in memory of its own. */
    const uint8_t *ahead;
    size_t ahead_size;
    uint8_t *ahead_memory; /* its own; NULL: there is none */
    bool drained;          /* the socket gave less than it could have: it is empty */

    /* The response that is being sent. */
    struct writer out;
    struct io_file_range *ranges; /* one a splice of out */
    size_t out_sent;              /* of the writer's bytes */
    size_t splice_next;           /* splices before it are gone */
    size_t splice_sent; /* of the one that is next */
    size_t splice_warm; /* bytes of it that are known to be in memory */
    bool is_wide; /* the send buffer has NET_WIDE_BYTES */
    bool sending;
    bool warming; /* a helper reads from the splice that is next; ranges must stay */
    struct loop_job warm_job;
    int warm_error;
    char peer[IO_PEER_BYTES];
};

struct net_server {
    struct net_server_options options;
    struct list connections; /* the one used last at the end */
    size_t count;
    bool stopped;
    bool walking; /* the connections are walked, and some closed: others must stay meanwhile */
    struct timer idle_timer;
    /* Connections that wait for memory, the first to come first: for the beginning of a frame, and
     * for its rest. */
    struct list waiting[2];
    struct timer pressure_timer;
    struct loop_hook hook;
    uint8_t ahead[NET_AHEAD_BYTES]; /* for the connection that is being served */
};

/* server.c. Ends the socket at once; the memory stays while a handler still has the connection. */
void net_connection_end(struct net_connection *connection);
void net_connection_free_if_done(struct net_connection *connection);
/* Goes on with sending, then receiving, until the socket or a handler makes it wait. */
void net_connection_advance(struct net_connection *connection);

/* server_receive.c. The next frame: 1: it is there; 0: more later; ERR_CLOSED, ERR_RANGE: it is
 * longer than allowed; ERR_NOMEM. */
int net_receive_frame(struct net_connection *connection);
/* What came ahead, for later: the server's memory is for others now. ERR_NOMEM. */
int net_ahead_keep(struct net_connection *connection);
void net_ahead_drop(struct net_connection *connection);

/* server_memory.c */
void net_waiting_init(struct net_server *server);
void net_waiting_stop(struct net_server *server);
/* Memory for what the connection receives next: its frame's beginning, or the rest. False: there is
 * none, and it waits. */
bool net_connection_take_memory(struct net_connection *connection);
void net_connection_give_memory(struct net_connection *connection);
/* It holds memory from now on, and should get on. */
void net_connection_holds(struct net_connection *connection);

#endif
