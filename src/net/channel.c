/* channel.c: one outgoing connection. */
#include "net/channel.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/reader.h"
#include "io/socket.h"

#define CHANNEL_FRAME_PREFIX 4
/* A response frame is at least a correlation id. */
#define CHANNEL_FRAME_BYTES_MIN 4

/* A look-up on a helper thread; outlives a channel that is destroyed meanwhile. */
struct channel_lookup {
    struct loop_job job;
    struct net_resolver *resolver;
    struct net_channel *channel; /* NULL: nobody waits any more */
    char host[NET_HOST_BYTES];
    uint16_t port;
    int status;
    int32_t address_count;
    struct io_address addresses[IO_ADDRESSES_MAX];
};

struct net_channel {
    struct loop *loop;
    struct net_channel_options options;
    char host[NET_HOST_BYTES];
    enum net_channel_state state;
    struct loop_watch watch; /* descriptor -1: no socket */
    bool watched;
    struct timer timer; /* connect timeout, or a failure to report in the next turn */
    struct channel_lookup *lookup;
    int32_t address_count;
    int32_t address_next;
    struct io_address addresses[IO_ADDRESSES_MAX];
    struct list calls;    /* every call, in the order of sending */
    struct list *unsent;  /* the first with bytes to send; &calls: none */
    size_t call_count;
    int32_t next_correlation_id;
    int32_t callback_depth;
    bool destroyed;
    const char *deferred_why;
    int deferred_error;
    bool sends_wide; /* the buffers have CHANNEL_WIDE_BYTES */
    bool receives_wide;
    uint8_t *frame; /* of the response that is being received; NULL: none */
    size_t frame_size;
    size_t frame_filled;
    size_t stage_filled;
    uint8_t stage[CHANNEL_STAGE_BYTES];
};

static void channel_connect_next(struct net_channel *channel);

static void channel_free(struct net_channel *channel)
{
    mem_free(channel->frame);
    mem_free(channel);
}

static void channel_leave(struct net_channel *channel)
{
    ASSERT(channel->callback_depth > 0);
    channel->callback_depth--;
    if (channel->callback_depth == 0 && channel->destroyed) {
        channel_free(channel);
    }
}

static void channel_socket_close(struct net_channel *channel)
{
    if (channel->watched) {
        loop_watch_remove(channel->loop, &channel->watch);
        channel->watched = false;
    }
    if (channel->watch.descriptor >= 0) {
        io_socket_close(channel->watch.descriptor);
        channel->watch.descriptor = -1;
    }
}

static void channel_call_end(struct net_channel *channel, struct net_call *call, int error,
                             struct net_response *response)
{
    if (channel->unsent == &call->node) {
        channel->unsent = call->node.next;
    }
    list_remove(&call->node);
    loop_timer_cancel(channel->loop, &call->timer);
    ASSERT(channel->call_count > 0);
    channel->call_count--;
    writer_release(&call->frame);
    call->channel = NULL;
    call->done(call, error, response);
}

/* Ends the connection: first every call, then the owner is told. The caller holds the channel
 * against being freed (callback_depth). */
static void channel_fail(struct net_channel *channel, int error, const char *why)
{
    if (channel->state == NET_CHANNEL_CLOSED) {
        return;
    }
    channel->state = NET_CHANNEL_CLOSED;
    loop_timer_cancel(channel->loop, &channel->timer);
    if (channel->lookup != NULL) {
        channel->lookup->channel = NULL;
        channel->lookup = NULL;
    }
    channel_socket_close(channel);
    while (!list_empty(&channel->calls)) {
        struct net_call *call = CONTAINER_OF(channel->calls.next, struct net_call, node);
        struct net_response none = {NULL, 0};
        channel_call_end(channel, call, error, &none);
    }
    if (!channel->destroyed && channel->options.on_state != NULL) {
        channel->options.on_state(channel->options.context, channel, error, why);
    }
}

static size_t channel_call_bytes(const struct net_call *call)
{
    return call->frame.size + call->frame.splice_bytes;
}

/* Sets parts to what is unsent of a call, at most max of them; gives their number. */
static int channel_gather(const struct net_call *call, struct iovec *parts, int max)
{
    const struct writer *frame = &call->frame;
    size_t skip = call->sent_bytes;
    size_t at = 0; /* in the frame's own bytes */
    int count = 0;
    for (size_t i = 0; i < 2 * frame->splice_count + 1 && count < max; i++) {
        const struct writer_splice *splice =
            i / 2 < frame->splice_count ? &frame->splices[i / 2] : NULL;
        const uint8_t *data = frame->data + at;
        size_t size = (splice != NULL ? splice->at : frame->size) - at;
        if (i % 2 == 1) {
            data = splice->source;
            size = splice->size;
        } else {
            at += size;
        }
        if (skip < size) {
            parts[count++] = (struct iovec){(uint8_t *)data + skip, size - skip};
            skip = 0;
        } else {
            skip -= size;
        }
    }
    return count;
}

static void channel_send_some(struct net_channel *channel)
{
    while (channel->state == NET_CHANNEL_OPEN && channel->unsent != &channel->calls) {
        struct iovec parts[CHANNEL_GATHER_MAX];
        int count = 0;
        for (struct list *node = channel->unsent;
             node != &channel->calls && count < CHANNEL_GATHER_MAX; node = node->next) {
            struct net_call *call = CONTAINER_OF(node, struct net_call, node);
            count += channel_gather(call, parts + count, CHANNEL_GATHER_MAX - count);
        }
        int64_t sent = io_socket_send(channel->watch.descriptor, parts, count, false);
        if (sent == ERR_AGAIN && !channel->sends_wide) {
            channel->sends_wide = true;
            io_socket_widen(channel->watch.descriptor,
                            &(struct io_socket_buffers){CHANNEL_WIDE_BYTES, -1});
            continue;
        }
        if (sent == ERR_AGAIN) {
            loop_watch_set(channel->loop, &channel->watch, LOOP_READABLE | LOOP_WRITABLE);
            return;
        }
        if (sent < 0) {
            channel_fail(channel, ERR_CLOSED, "disconnected");
            return;
        }
        size_t left = (size_t)sent;
        while (left > 0 && channel->state == NET_CHANNEL_OPEN) {
            struct net_call *call = CONTAINER_OF(channel->unsent, struct net_call, node);
            size_t rest = channel_call_bytes(call) - call->sent_bytes;
            size_t part = left < rest ? left : rest;
            call->sent_bytes += part;
            left -= part;
            if (part < rest) {
                break;
            }
            channel->unsent = call->node.next;
            writer_release(&call->frame);
            if (!call->expects_response) {
                struct net_response none = {NULL, 0};
                channel_call_end(channel, call, 0, &none);
            }
        }
    }
    if (channel->state == NET_CHANNEL_OPEN) {
        loop_watch_set(channel->loop, &channel->watch, LOOP_READABLE);
    }
}

/* A whole frame is there: it belongs to the oldest call that expects one. */
static void channel_frame_done(struct net_channel *channel)
{
    struct net_response response = {channel->frame, channel->frame_size};
    channel->frame = NULL;
    struct reader reader;
    reader_init(&reader, response.data, response.size);
    int32_t correlation_id = reader_i32(&reader);
    struct net_call *call = NULL;
    LIST_FOR_EACH(node, &channel->calls) {
        struct net_call *candidate = CONTAINER_OF(node, struct net_call, node);
        if (candidate->expects_response) {
            call = candidate;
            break;
        }
    }
    if (call == NULL || call->correlation_id != correlation_id || call->frame.data != NULL) {
        mem_free(response.data);
        channel_fail(channel, ERR_CORRUPT, "a response that nobody asked for");
        return;
    }
    channel_call_end(channel, call, 0, &response);
    mem_free(response.data);
}

/* Takes frames out of the staged bytes; a large frame is left to be read in place. */
static void channel_stage_take(struct net_channel *channel)
{
    size_t at = 0;
    while (channel->state == NET_CHANNEL_OPEN && channel->frame == NULL &&
           channel->stage_filled - at >= CHANNEL_FRAME_PREFIX) {
        struct reader reader;
        reader_init(&reader, channel->stage + at, CHANNEL_FRAME_PREFIX);
        int32_t size = reader_i32(&reader);
        if (size < CHANNEL_FRAME_BYTES_MIN || size > channel->options.response_bytes_max) {
            channel_fail(channel, ERR_CORRUPT, "a response of an impossible size");
            return;
        }
        at += CHANNEL_FRAME_PREFIX;
        channel->frame = channel->options.frames == NULL
                             ? mem_alloc((size_t)size)
                             : frame_pool_take(channel->options.frames, (size_t)size);
        if (channel->frame == NULL) {
            channel_fail(channel, ERR_NOMEM, "out of memory");
            return;
        }
        size_t there = channel->stage_filled - at;
        channel->frame_size = (size_t)size;
        channel->frame_filled = there < channel->frame_size ? there : channel->frame_size;
        if (channel->frame_size >= CHANNEL_WIDE_BYTES / 2 && !channel->receives_wide) {
            channel->receives_wide = true;
            io_socket_widen(channel->watch.descriptor,
                            &(struct io_socket_buffers){-1, CHANNEL_WIDE_BYTES});
        }
        memcpy(channel->frame, channel->stage + at, channel->frame_filled);
        at += channel->frame_filled;
        if (channel->frame_filled == channel->frame_size) {
            channel_frame_done(channel);
        }
    }
    memmove(channel->stage, channel->stage + at, channel->stage_filled - at);
    channel->stage_filled -= at;
}

static void channel_receive(struct net_channel *channel)
{
    while (channel->state == NET_CHANNEL_OPEN) {
        uint8_t *to = channel->stage + channel->stage_filled;
        size_t room = CHANNEL_STAGE_BYTES - channel->stage_filled;
        bool direct = channel->frame != NULL;
        if (direct) {
            to = channel->frame + channel->frame_filled;
            room = channel->frame_size - channel->frame_filled;
        }
        int64_t got = io_socket_receive(channel->watch.descriptor, to, room);
        if (got == ERR_AGAIN) {
            return;
        }
        if (got < 0) {
            channel_fail(channel, ERR_CLOSED, "disconnected");
            return;
        }
        if (direct) {
            channel->frame_filled += (size_t)got;
            if (channel->frame_filled == channel->frame_size) {
                channel_frame_done(channel);
            }
        } else {
            channel->stage_filled += (size_t)got;
            channel_stage_take(channel);
        }
        if ((size_t)got < room) {
            return; /* the socket is empty; level-triggered readiness tells of more */
        }
    }
}

static void channel_connected(struct net_channel *channel)
{
    loop_timer_cancel(channel->loop, &channel->timer);
    channel->state = NET_CHANNEL_OPEN;
    loop_watch_set(channel->loop, &channel->watch, LOOP_READABLE);
    if (channel->options.on_state != NULL) {
        channel->options.on_state(channel->options.context, channel, 0, NULL);
    }
    channel_send_some(channel);
}

static void channel_ready(struct loop_watch *watch, unsigned what)
{
    struct net_channel *channel = CONTAINER_OF(watch, struct net_channel, watch);
    channel->callback_depth++;
    if (channel->state == NET_CHANNEL_CONNECTING) {
        if (io_socket_connect_result(watch->descriptor, &channel->deferred_why) != 0) {
            channel_socket_close(channel);
            channel_connect_next(channel);
        } else {
            channel_connected(channel);
        }
    } else if (channel->state == NET_CHANNEL_OPEN) {
        if ((what & LOOP_READABLE) != 0) {
            channel_receive(channel);
        }
        if ((what & LOOP_WRITABLE) != 0) {
            channel_send_some(channel);
        }
    }
    channel_leave(channel);
}

/* Tries the next address; when none is left the channel has failed, which is told in a later turn
 * because this may run inside net_channel_open. */
static void channel_connect_next(struct net_channel *channel)
{
    channel->deferred_error = ERR_CLOSED;
    if (channel->address_next == 0) { /* behind it, why the last one failed */
        channel->deferred_why = "the host has no address";
    }
    while (channel->address_next < channel->address_count) {
        struct io_address *to = &channel->addresses[channel->address_next++];
        int descriptor;
        if (io_socket_connect(to, &channel->options.buffers, &descriptor,
                              &channel->deferred_why) != 0) {
            continue;
        }
        channel->state = NET_CHANNEL_CONNECTING;
        channel->watch.descriptor = descriptor;
        channel->sends_wide = channel->receives_wide = false;
        channel->watched = loop_watch_add(channel->loop, &channel->watch, LOOP_WRITABLE) == 0;
        if (channel->watched) {
            channel->deferred_error = 0;
            return;
        }
        channel->deferred_why = err_text(ERR_NOMEM);
        channel_socket_close(channel);
    }
    loop_timer_arm(channel->loop, &channel->timer, 0);
}

static void channel_timer_fired(struct timer *timer)
{
    struct net_channel *channel = CONTAINER_OF(timer, struct net_channel, timer);
    channel->callback_depth++;
    if (channel->deferred_error != 0) {
        channel_fail(channel, channel->deferred_error, channel->deferred_why);
    } else {
        channel_fail(channel, ERR_TIMEOUT, "connecting timed out");
    }
    channel_leave(channel);
}

static void channel_call_timed_out(struct timer *timer)
{
    struct net_call *call = CONTAINER_OF(timer, struct net_call, timer);
    struct net_channel *channel = call->channel;
    channel->callback_depth++;
    /* Later responses would be matched wrongly if this one were skipped, so all of them go. */
    channel_fail(channel, ERR_TIMEOUT, "a request timed out");
    channel_leave(channel);
}

static void lookup_work(struct loop_job *job)
{
    struct channel_lookup *lookup = CONTAINER_OF(job, struct channel_lookup, job);
    lookup->status = io_socket_resolve(lookup->host, lookup->port, lookup->addresses,
                                       &lookup->address_count);
}

static void lookup_done(struct loop_job *job)
{
    struct channel_lookup *lookup = CONTAINER_OF(job, struct channel_lookup, job);
    struct net_resolver *resolver = lookup->resolver;
    struct net_channel *channel = lookup->channel;
    if (channel != NULL) {
        channel->callback_depth++;
        channel->lookup = NULL;
        channel->address_count = lookup->address_count;
        memcpy(channel->addresses, lookup->addresses, sizeof channel->addresses);
        if (lookup->status != 0) {
            channel->deferred_error = ERR_NOT_FOUND;
            channel->deferred_why = "the host name cannot be resolved";
            loop_timer_arm(channel->loop, &channel->timer, 0);
        } else {
            channel_connect_next(channel);
        }
        channel_leave(channel);
    }
    mem_free(lookup);
    resolver->pending--;
    if (resolver->pending == 0 && resolver->idle != NULL) {
        resolver->idle(resolver);
    }
}

/* True when the host is an address already. */
static bool channel_numeric(struct net_channel *channel)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(channel->options.port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(channel->options.port)};
    struct io_address *address = &channel->addresses[0];
    if (inet_pton(AF_INET, channel->host, &four.sin_addr) == 1) {
        memcpy(&address->address, &four, sizeof four);
        address->size = sizeof four;
    } else if (inet_pton(AF_INET6, channel->host, &six.sin6_addr) == 1) {
        memcpy(&address->address, &six, sizeof six);
        address->size = sizeof six;
    } else {
        return false;
    }
    channel->address_count = 1;
    return true;
}

static int channel_resolve(struct net_channel *channel)
{
    struct channel_lookup *lookup = mem_calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return ERR_NOMEM;
    }
    lookup->resolver = channel->options.resolver;
    lookup->channel = channel;
    lookup->job.work = lookup_work;
    lookup->job.done = lookup_done;
    snprintf(lookup->host, sizeof lookup->host, "%s", channel->host);
    lookup->port = channel->options.port;
    channel->lookup = lookup;
    lookup->resolver->pending++;
    loop_submit(channel->loop, &lookup->job);
    return 0;
}

int net_channel_open(const struct net_channel_options *options, struct net_channel **opened)
{
    struct net_channel *channel = mem_calloc(1, sizeof *channel);
    if (channel == NULL) {
        return ERR_NOMEM;
    }
    channel->loop = options->resolver->loop;
    channel->options = *options;
    snprintf(channel->host, sizeof channel->host, "%s", options->host);
    channel->options.host = channel->host;
    channel->state = NET_CHANNEL_RESOLVING;
    channel->watch.descriptor = -1;
    channel->watch.ready = channel_ready;
    list_init(&channel->calls);
    channel->unsent = &channel->calls;
    timer_init(&channel->timer, channel_timer_fired);
    loop_timer_arm(channel->loop, &channel->timer, options->connect_timeout_ms);
    int error = 0;
    if (channel_numeric(channel)) {
        channel_connect_next(channel);
    } else {
        error = channel_resolve(channel);
    }
    if (error != 0) {
        loop_timer_cancel(channel->loop, &channel->timer);
        channel_free(channel);
        return error;
    }
    *opened = channel;
    return 0;
}

void net_channel_destroy(struct net_channel **destroyed)
{
    struct net_channel *channel = *destroyed;
    *destroyed = NULL;
    if (channel == NULL) {
        return;
    }
    channel->callback_depth++;
    channel->destroyed = true;
    channel_fail(channel, ERR_CLOSED, "closed");
    channel_leave(channel);
}

enum net_channel_state net_channel_state(const struct net_channel *channel)
{
    return channel->state;
}

size_t net_channel_call_count(const struct net_channel *channel) { return channel->call_count; }

int net_channel_send(struct net_channel *channel, struct net_call *call, struct writer *frame,
                     int64_t timeout_ms)
{
    if (channel->state == NET_CHANNEL_CLOSED) {
        return ERR_CLOSED;
    }
    if (frame->failed) {
        return ERR_NOMEM;
    }
    ASSERT(frame->size >= NET_CORRELATION_AT + 4);
    writer_patch_i32(frame, 0, (int32_t)(frame->size + frame->splice_bytes - CHANNEL_FRAME_PREFIX));
    call->correlation_id = channel->next_correlation_id;
    channel->next_correlation_id = (channel->next_correlation_id + 1) & INT32_MAX;
    writer_patch_i32(frame, NET_CORRELATION_AT, call->correlation_id);
    call->frame = *frame;
    *frame = (struct writer){.data = NULL};
    call->sent_bytes = 0;
    call->channel = channel;
    bool idle = channel->unsent == &channel->calls;
    list_push_back(&channel->calls, &call->node);
    channel->call_count++;
    timer_init(&call->timer, channel_call_timed_out);
    if (timeout_ms >= 0) {
        loop_timer_arm(channel->loop, &call->timer, timeout_ms);
    }
    if (idle) {
        channel->unsent = &call->node;
    }
    if (idle && channel->state == NET_CHANNEL_OPEN) {
        channel->callback_depth++;
        channel_send_some(channel);
        channel_leave(channel);
    }
    return 0;
}
