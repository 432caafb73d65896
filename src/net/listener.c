#include "base/limits.h"
#include "base/mem.h"
#include "net/server.h"

struct net_listener {
    struct net_listener_options options;
    struct loop_watch watch;
    struct timer timer; /* ends a pause */
    bool started;
    uint16_t port;
};

static void net_listener_pause(struct net_listener *listener, int64_t wait_ms)
{
    loop_watch_set(listener->options.loop, &listener->watch, 0);
    if (wait_ms < INT64_MAX) {
        loop_timer_arm(listener->options.loop, &listener->timer, wait_ms);
    }
}

void net_listener_resume(struct net_listener *listener)
{
    if (listener->started) {
        loop_timer_cancel(listener->options.loop, &listener->timer);
        loop_watch_set(listener->options.loop, &listener->watch, LOOP_READABLE);
    }
}

static void net_listener_pause_ends(struct timer *timer)
{
    net_listener_resume(CONTAINER_OF(timer, struct net_listener, timer));
}

static void net_listener_ready(struct loop_watch *watch, unsigned what)
{
    (void)what;
    struct net_listener *listener = CONTAINER_OF(watch, struct net_listener, watch);
    const struct net_listener_options *options = &listener->options;
    for (int i = 0; i < LISTENER_ACCEPTS_A_TURN; i++) {
        int descriptor;
        int64_t wait_ms = options->wait_ms == NULL ? 0 : options->wait_ms(options->context);
        int error = wait_ms > 0 ? 0 : io_socket_accept(watch->descriptor, &descriptor);
        if (wait_ms > 0 || (error != 0 && error != ERR_AGAIN)) {
            net_listener_pause(listener, wait_ms > 0 ? wait_ms : LISTENER_RETRY_MS);
            return;
        }
        if (error != 0) {
            return;
        }
        options->accept(options->context, descriptor);
    }
}

int net_listener_open(const struct net_listener_options *options, struct net_listener **opened,
                      struct err_message *message)
{
    int descriptor = -1;
    uint16_t port = 0;
    *opened = NULL;
    int error = io_socket_listen(options->host, options->port, options->backlog, &descriptor,
                                 &port, message);
    if (error != 0) {
        return error;
    }
    struct net_listener *listener = mem_calloc(1, sizeof *listener);
    if (listener == NULL) {
        io_socket_close(descriptor);
        return ERR_NOMEM;
    }
    listener->options = *options;
    listener->port = port;
    listener->watch = (struct loop_watch){.descriptor = descriptor, .ready = net_listener_ready};
    timer_init(&listener->timer, net_listener_pause_ends);
    *opened = listener;
    return 0;
}

int net_listener_start(struct net_listener *listener)
{
    int error = loop_watch_add(listener->options.loop, &listener->watch, LOOP_READABLE);
    listener->started = error == 0;
    return error;
}

uint16_t net_listener_port(const struct net_listener *listener) { return listener->port; }

void net_listener_close(struct net_listener **listener)
{
    if (*listener != NULL) {
        if ((*listener)->started) {
            loop_timer_cancel((*listener)->options.loop, &(*listener)->timer);
            loop_watch_remove((*listener)->options.loop, &(*listener)->watch);
        }
        io_socket_close((*listener)->watch.descriptor);
        mem_free(*listener);
        *listener = NULL;
    }
}
