#include "net/server_internal.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

void net_frame_free(struct net_frame **frame)
{
    if (*frame != NULL) {
        net_memory_give_frame((*frame)->memory, (*frame)->size, (*frame)->has_rest);
        mem_free((*frame)->data);
        mem_free(*frame);
        *frame = NULL;
    }
}

static void net_release_out(struct net_connection *connection)
{
    for (size_t i = connection->splice_next; i < connection->out.splice_count; i++) {
        connection->ranges[i].release(&connection->ranges[i]);
    }
    writer_release(&connection->out);
    mem_free(connection->ranges);
    connection->ranges = NULL;
    connection->out_sent = connection->splice_next = connection->splice_sent = 0;
    connection->splice_warm = 0;
    connection->sending = false;
}

void net_connection_end(struct net_connection *connection)
{
    if (!connection->closing) {
        connection->closing = true;
        loop_watch_remove(connection->server->options.loop, &connection->watch);
        io_socket_close(connection->watch.descriptor);
        if (!connection->warming) {
            net_release_out(connection);
        }
        mem_free(connection->frame);
        connection->frame = NULL;
        net_ahead_drop(connection);
        net_connection_give_memory(connection);
    }
}

void net_connection_free_if_done(struct net_connection *connection)
{
    if (!connection->closing || connection->processing || connection->in_ready ||
        connection->warming) {
        return;
    }
    struct net_server *server = connection->server;
    list_remove(&connection->node);
    server->count--;
    metrics_set(server->options.metrics, METRIC_CONNECTIONS, (int64_t)server->count);
    metrics_add(server->options.metrics, METRIC_CONNECTIONS_CLOSED, 1);
    if (server->options.on_closed != NULL) {
        server->options.on_closed(server->options.context, connection);
    }
    mem_free(connection);
}

/* The bytes of the writer that come before its next splice, or up to its end. */
static size_t net_out_plain(const struct net_connection *connection)
{
    const struct writer *out = &connection->out;
    size_t end = connection->splice_next < out->splice_count
                     ? out->splices[connection->splice_next].at
                     : out->size;
    return end - connection->out_sent;
}

/* How far the bytes of a splice are looked at, and brought into memory, at a time. */
static size_t net_warm_size(const struct net_connection *connection)
{
    size_t left = connection->ranges[connection->splice_next].size - connection->splice_sent;
    return left < NET_SENDFILE_BYTES ? left : NET_SENDFILE_BYTES;
}

static void net_warm_work(struct loop_job *job)
{
    struct net_connection *connection = CONTAINER_OF(job, struct net_connection, warm_job);
    const struct io_file_range *range = &connection->ranges[connection->splice_next];
    connection->warm_error =
        io_file_read_ahead(range->file, range->position + (int64_t)connection->splice_sent,
                           net_warm_size(connection));
}

static void net_warm_done(struct loop_job *job)
{
    struct net_connection *connection = CONTAINER_OF(job, struct net_connection, warm_job);
    connection->warming = false;
    if (connection->closing) {
        net_release_out(connection);
    } else if (connection->warm_error != 0) {
        net_connection_end(connection);
    } else {
        /* The loop goes on with it, unless it has stopped and only waits for its helpers. */
        connection->splice_warm = connection->splice_sent + net_warm_size(connection);
        loop_watch_set(connection->server->options.loop, &connection->watch, LOOP_WRITABLE);
    }
    net_connection_free_if_done(connection);
}

/* Whether the next bytes of the splice can be sent without waiting for the disk. If not, a helper
 * fetches them first. */
static bool net_splice_is_warm(struct net_connection *connection)
{
    const struct io_file_range *range = &connection->ranges[connection->splice_next];
    if (range->hot || connection->splice_sent < connection->splice_warm) {
        return true;
    }
    size_t size = net_warm_size(connection);
    if (io_file_resident(range->file, range->position + (int64_t)connection->splice_sent, size)) {
        connection->splice_warm = connection->splice_sent + size;
        return true;
    }
    connection->warming = true;
    connection->warm_job = (struct loop_job){.work = net_warm_work, .done = net_warm_done};
    loop_submit(connection->server->options.loop, &connection->warm_job);
    return false;
}

/* Bytes sent, of *asked. */
static int64_t net_send_splice(struct net_connection *connection, size_t limit, size_t *asked)
{
    const struct io_file_range *range = &connection->ranges[connection->splice_next];
    if (!net_splice_is_warm(connection)) {
        return ERR_AGAIN;
    }
    size_t left = range->hot ? range->size - connection->splice_sent
                             : connection->splice_warm - connection->splice_sent;
    size_t size = left < limit ? left : limit;
    *asked = size < NET_SENDFILE_BYTES ? size : NET_SENDFILE_BYTES;
    if (!connection->is_wide && size >= NET_WIDE_BYTES) {
        connection->is_wide = true;
        io_socket_widen(connection->watch.descriptor,
                        &(struct io_socket_buffers){NET_WIDE_BYTES, -1});
    }
    return io_socket_send_file(connection->watch.descriptor, range->file,
                               range->position + (int64_t)connection->splice_sent, *asked);
}

static int64_t net_send_some(struct net_connection *connection, size_t limit, size_t *asked)
{
    size_t plain = net_out_plain(connection);
    *asked = plain;
    if (plain > 0) {
        struct iovec part = {connection->out.data + connection->out_sent, plain};
        bool more = connection->splice_next < connection->out.splice_count;
        return io_socket_send(connection->watch.descriptor, &part, 1, more);
    }
    return net_send_splice(connection, limit, asked);
}

static void net_splice_advance(struct net_connection *connection, size_t sent)
{
    struct io_file_range *range = &connection->ranges[connection->splice_next];
    connection->splice_sent += sent;
    if (connection->splice_sent == range->size) {
        connection->splice_next++;
        connection->splice_sent = 0;
        connection->splice_warm = 0;
        range->release(range);
    }
}

/* Sends what the socket takes. 1: all is sent; 0: more later; an error: the peer is gone. */
static int net_send(struct net_connection *connection)
{
    size_t budget = NET_TURN_BYTES;
    struct writer *out = &connection->out;
    while (connection->out_sent < out->size || connection->splice_next < out->splice_count) {
        if (budget == 0) {
            return 0;
        }
        bool plain = net_out_plain(connection) > 0;
        size_t asked;
        int64_t sent = net_send_some(connection, budget, &asked);
        if (sent < 0) {
            return sent == ERR_AGAIN ? 0 : ERR_CLOSED;
        }
        budget -= (size_t)sent < budget ? (size_t)sent : budget;
        connection->moved_bytes += sent;
        if (plain) {
            connection->out_sent += (size_t)sent;
        } else {
            net_splice_advance(connection, (size_t)sent);
        }
        if ((size_t)sent < asked) {
            return 0; /* the socket is full */
        }
    }
    return 1;
}

static int net_hand_frame_over(struct net_connection *connection)
{
    struct net_frame *frame = mem_alloc(sizeof *frame);
    if (frame == NULL || net_ahead_keep(connection) != 0) {
        mem_free(frame);
        return ERR_NOMEM;
    }
    *frame = (struct net_frame){connection->frame_size, connection->frame,
                                connection->server->options.memory, connection->has_rest};
    connection->frame = NULL;
    connection->has_begun = connection->has_rest = false;
    connection->size_got = 0;
    connection->processing = true;
    metrics_add(connection->server->options.metrics, METRIC_INCOMING_BYTES,
                (int64_t)(NET_SIZE_BYTES + frame->size));
    connection->server->options.on_request(connection->server->options.context, connection, frame);
    return 0;
}

static void net_connection_used(struct net_connection *connection)
{
    connection->used_ms = loop_monotonic_ms(connection->server->options.loop);
    list_remove(&connection->node);
    list_push_back(&connection->server->connections, &connection->node);
}

void net_connection_advance(struct net_connection *connection)
{
    net_connection_used(connection);
    connection->in_ready = true;
    while (!connection->closing && !connection->processing && !connection->waiting) {
        int done = 1;
        if (connection->sending) {
            done = net_send(connection);
            if (done == 1) {
                net_release_out(connection);
            }
        }
        if (done == 1) {
            done = connection->server->stopped ? 0 : net_receive_frame(connection);
            if (done == 1) {
                done = net_hand_frame_over(connection);
                done = done == 0 ? 1 : done;
            }
        }
        if (done < 0) {
            net_connection_end(connection);
        } else if (done == 0) {
            break;
        }
    }
    if (!connection->closing && net_ahead_keep(connection) != 0) {
        net_connection_end(connection);
    }
    if (!connection->closing) {
        /* While a request is in processing more may come: the loop is told to be quiet only once it
         * does, which for most clients is never. */
        unsigned interest = connection->sending ? LOOP_WRITABLE : LOOP_READABLE;
        loop_watch_set(connection->server->options.loop, &connection->watch,
                       connection->warming || connection->waiting ? 0 : interest);
    }
    connection->in_ready = false;
    net_connection_free_if_done(connection);
}

static void net_connection_ready(struct loop_watch *watch, unsigned what)
{
    struct net_connection *connection = CONTAINER_OF(watch, struct net_connection, watch);
    connection->drained = false;
    if (connection->processing || connection->warming || connection->waiting) {
        /* Only a hang-up comes now. The request is carried out all the same; its answer fails. */
        loop_watch_set(connection->server->options.loop, watch, 0);
        if ((what & LOOP_READABLE) != 0 && (what & LOOP_WRITABLE) != 0) {
            net_connection_end(connection);
            net_connection_free_if_done(connection);
        }
        return;
    }
    net_connection_advance(connection);
}

/* Takes a response over: its bytes, and the ranges that its splices stand for. */
static void net_take_response(struct net_connection *connection, struct writer *response)
{
    ASSERT(!connection->sending);
    connection->out = *response;
    *response = (struct writer){.max_bytes = response->max_bytes};
    connection->sending = true;
    net_connection_holds(connection);
    metrics_add(connection->server->options.metrics, METRIC_OUTGOING_BYTES,
                (int64_t)(connection->out.size + connection->out.splice_bytes));
    size_t count = connection->out.splice_count;
    connection->ranges = count > 0 ? mem_alloc(count * sizeof *connection->ranges) : NULL;
    bool failed = count > 0 && connection->ranges == NULL;
    for (size_t i = 0; i < count; i++) {
        struct io_file_range range =
            *(const struct io_file_range *)connection->out.splices[i].source;
        if (failed) {
            range.release(&range);
        } else {
            connection->ranges[i] = range;
        }
    }
    if (failed) {
        connection->out.splice_count = 0;
        net_connection_end(connection);
    }
    if (connection->closing) {
        net_release_out(connection);
    }
}

void net_connection_respond(struct net_connection *connection, struct writer *response)
{
    ASSERT(connection->processing);
    connection->processing = false;
    if (response != NULL) {
        net_take_response(connection, response);
    }
    /* Inside net_connection_advance its loop goes on; else this starts it. */
    if (!connection->in_ready) {
        net_connection_advance(connection);
    }
}

void net_connection_close(struct net_connection *connection)
{
    ASSERT(connection->processing);
    connection->processing = false;
    net_connection_end(connection);
    net_connection_free_if_done(connection);
}

int32_t net_connection_tag(const struct net_connection *connection) { return connection->tag; }
const char *net_connection_peer(const struct net_connection *connection)
{
    return connection->peer;
}
void **net_connection_context(struct net_connection *connection) { return &connection->context; }
size_t net_server_connection_count(const struct net_server *server) { return server->count; }

static void net_server_close_idle(struct timer *timer)
{
    struct net_server *server = CONTAINER_OF(timer, struct net_server, idle_timer);
    int64_t used_before_ms =
        loop_monotonic_ms(server->options.loop) - server->options.idle_max_ms;
    server->walking = true;
    LIST_FOR_EACH_SAFE(node, &server->connections)
    {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        if (connection->used_ms > used_before_ms) {
            break;
        }
        if (!connection->processing && !connection->waiting) {
            net_connection_end(connection);
            net_connection_free_if_done(connection);
        }
    }
    server->walking = false;
    loop_timer_arm(server->options.loop, timer, server->options.idle_max_ms / 4 + 1);
}

int net_server_create(const struct net_server_options *options, struct net_server **created)
{
    struct net_server *server = mem_calloc(1, sizeof *server);
    *created = server;
    if (server == NULL) {
        return ERR_NOMEM;
    }
    server->options = *options;
    list_init(&server->connections);
    net_waiting_init(server);
    timer_init(&server->idle_timer, net_server_close_idle);
    if (options->idle_max_ms >= 0) {
        loop_timer_arm(options->loop, &server->idle_timer, options->idle_max_ms / 4 + 1);
    }
    return 0;
}

void net_server_stop(struct net_server *server) { server->stopped = true; }

void net_server_destroy(struct net_server **server)
{
    if (*server == NULL) {
        return;
    }
    loop_timer_cancel((*server)->options.loop, &(*server)->idle_timer);
    net_waiting_stop(*server);
    (*server)->walking = true;
    LIST_FOR_EACH_SAFE(node, &(*server)->connections)
    {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        net_connection_end(connection);
        connection->processing = false;
        net_connection_free_if_done(connection);
    }
    ASSERT((*server)->count == 0);
    mem_free(*server);
    *server = NULL;
}

size_t net_server_close_unused(struct net_server *server, size_t count, int32_t spared_tag)
{
    size_t closed = 0;
    if (server->walking) {
        return 0; /* the walk has the next connection in hand: it must not be freed */
    }
    server->walking = true;
    LIST_FOR_EACH_SAFE(node, &server->connections)
    {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        if (closed == count) {
            break;
        }
        if (!connection->processing && !connection->closing && connection->tag != spared_tag) {
            net_connection_end(connection);
            net_connection_free_if_done(connection);
            closed++;
        }
    }
    server->walking = false;
    return closed;
}

bool net_server_adopt(struct net_server *server, int descriptor, int32_t tag, void *context)
{
    struct net_connection *connection = mem_calloc(1, sizeof *connection);
    if (connection == NULL) {
        io_socket_close(descriptor);
        return false;
    }
    io_socket_prepare(descriptor, &server->options.buffers);
    io_socket_peer(descriptor, connection->peer);
    connection->server = server;
    connection->tag = tag;
    connection->context = context;
    list_init(&connection->wait_node);
    connection->used_ms = loop_monotonic_ms(server->options.loop);
    connection->watch = (struct loop_watch){.descriptor = descriptor,
                                            .ready = net_connection_ready};
    if (loop_watch_add(server->options.loop, &connection->watch, LOOP_READABLE) != 0) {
        io_socket_close(descriptor);
        mem_free(connection);
        return false;
    }
    list_push_back(&server->connections, &connection->node);
    server->count++;
    metrics_set(server->options.metrics, METRIC_CONNECTIONS, (int64_t)server->count);
    metrics_add(server->options.metrics, METRIC_CONNECTIONS_OPENED, 1);
    return true;
}
