/* channel.h: one outgoing connection: framed requests, answered in order by correlation id.
 *
 * The owner embeds a struct net_call for every request in flight; the channel owns the socket, the
 * request bytes until they are sent and the response bytes until they are taken. What a splice in a
 * request points at is plain memory of the owner's, there until the call is done. Requests are
 * pipelined. A response that breaks the protocol, a call that times out or a lost connection ends
 * the channel: every call then completes with an error, in order, and the channel stays closed.
 * States: resolving -> connecting -> open -> closed; each may go to closed, none goes back.
 * Thread: the loop's.   Who frees: the owner, by net_channel_destroy, also inside a callback.
 * Bounds: response_bytes_max; calls in flight are the owner's to bound.
 * Errors: ERR_TIMEOUT, ERR_CLOSED, ERR_IO, ERR_CORRUPT, ERR_NOT_FOUND (no such host). */
#ifndef BNB_NET_CHANNEL_H
#define BNB_NET_CHANNEL_H

#include "base/err.h"
#include "base/writer.h"
#include "io/loop.h"
#include "io/socket.h"
#include "net/frame_pool.h"

struct net_channel;

/* Where the correlation id lies in a request frame: behind size, key and version. */
#define NET_CORRELATION_AT 8
#define NET_HOST_BYTES 256

/* Counts name look-ups in flight, which outlive their channels; the loop must run until none is
 * left before it is destroyed, and needs a helper thread unless every host is numeric. */
struct net_resolver {
    struct loop *loop;
    int32_t pending;
    void (*idle)(struct net_resolver *resolver); /* the last one came home; may be NULL */
};

/* A frame without its length; it starts with the correlation id. done may take data by setting it
 * to NULL, and frees it with mem_free, or gives it to the frame pool of the channel. */
struct net_response {
    uint8_t *data;
    size_t size;
};

struct net_call {
    struct list node;
    struct timer timer;
    struct net_channel *channel;
    struct writer frame; /* empty once it is with the kernel */
    size_t sent_bytes;
    int32_t correlation_id;
    bool expects_response; /* false: done when the last byte is with the kernel (acks=0) */
    void (*done)(struct net_call *call, int error, struct net_response *response);
};

enum net_channel_state {
    NET_CHANNEL_RESOLVING,
    NET_CHANNEL_CONNECTING,
    NET_CHANNEL_OPEN,
    NET_CHANNEL_CLOSED,
};

struct net_channel_options {
    struct net_resolver *resolver;
    const char *host;
    uint16_t port;
    int64_t connect_timeout_ms;
    struct io_socket_buffers buffers;
    int32_t response_bytes_max;
    struct frame_pool *frames; /* of whom responses are taken; NULL: of the allocator */
    /* Open (error 0) or closed for good (error < 0); at most once each. Calls in flight have
     * completed before closed is told. Never called from inside net_channel_open. */
    void (*on_state)(void *context, struct net_channel *channel, int error, const char *why);
    void *context;
};

/* Starts to connect. ERR_NOMEM; everything else comes through on_state. */
int net_channel_open(const struct net_channel_options *options, struct net_channel **channel);
/* Calls in flight complete with ERR_CLOSED; on_state is not called. Clears *channel. */
void net_channel_destroy(struct net_channel **channel);
enum net_channel_state net_channel_state(const struct net_channel *channel);
size_t net_channel_call_count(const struct net_channel *channel);
/* Sends a request frame: four bytes of room for the length, then a request header. The writer's
 * content moves to the call. Length and correlation id are filled in here. Before the channel is
 * open the frame waits. done may be called before this returns. timeout_ms < 0: none.
 * ERR_CLOSED, ERR_NOMEM: done is not called. */
int net_channel_send(struct net_channel *channel, struct net_call *call, struct writer *frame,
                     int64_t timeout_ms);

#endif
