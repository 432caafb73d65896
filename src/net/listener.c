#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/server.h"

#define LISTENER_ACCEPTS_A_TURN 64

struct net_listener {
    struct net_listener_options options;
    struct loop_watch watch;
    bool started;
    uint16_t port;
};

static void net_listener_ready(struct loop_watch *watch, unsigned what)
{
    (void)what;
    struct net_listener *listener = CONTAINER_OF(watch, struct net_listener, watch);
    for (int i = 0; i < LISTENER_ACCEPTS_A_TURN; i++) {
        int descriptor = accept4(watch->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            listener->options.accept(listener->options.context, descriptor);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static int net_listener_bind(const struct net_listener_options *options,
                             const struct addrinfo *address, int *bound)
{
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return errno;
    }
    int on = 1;
    int off = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) {
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(descriptor, options->backlog) != 0) {
        int error = errno;
        close(descriptor);
        return error;
    }
    *bound = descriptor;
    return 0;
}

static int net_listener_bind_any(const struct net_listener_options *options, int *bound,
                                 struct err_message *message)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    bool every = options->host[0] == '\0';
    snprintf(service, sizeof service, "%u", options->port);
    hints.ai_family = every ? AF_INET6 : AF_UNSPEC;
    int result = getaddrinfo(every ? NULL : options->host, service, &hints, &found);
    if (result != 0) {
        return err_set(message, ERR_INVALID, "cannot resolve listener address %s: %s",
                       options->host, gai_strerror(result));
    }
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *address = found; address != NULL; address = address->ai_next) {
        error = net_listener_bind(options, address, bound);
        if (error == 0) {
            break;
        }
    }
    freeaddrinfo(found);
    if (error == EAFNOSUPPORT && every) {
        /* No IPv6 on this machine. */
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(options->port)};
        struct addrinfo plain = {.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&any,
                                 .ai_addrlen = sizeof any};
        error = net_listener_bind(options, &plain, bound);
    }
    if (error == EADDRINUSE) {
        return err_set(message, ERR_BUSY,
                       "port %u on %s is used by another process: stop it, or set another port in "
                       "listeners",
                       options->port, every ? "every address" : options->host);
    }
    if (error != 0) {
        return err_set(message, err_from_errno(error), "cannot listen on %s:%u: %s",
                       every ? "*" : options->host, options->port, err_text(err_from_errno(error)));
    }
    return 0;
}

int net_listener_open(const struct net_listener_options *options, struct net_listener **opened,
                      struct err_message *message)
{
    int descriptor = -1;
    *opened = NULL;
    int error = net_listener_bind_any(options, &descriptor, message);
    if (error != 0) {
        return error;
    }
    struct net_listener *listener = mem_calloc(1, sizeof *listener);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (listener == NULL) {
        close(descriptor);
        return ERR_NOMEM;
    }
    if (getsockname(descriptor, (struct sockaddr *)&address, &size) == 0) {
        listener->port = ntohs(address.ss_family == AF_INET6
                                   ? ((struct sockaddr_in6 *)&address)->sin6_port
                                   : ((struct sockaddr_in *)&address)->sin_port);
    }
    listener->options = *options;
    listener->watch = (struct loop_watch){.descriptor = descriptor, .ready = net_listener_ready};
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
            loop_watch_remove((*listener)->options.loop, &(*listener)->watch);
        }
        close((*listener)->watch.descriptor);
        mem_free(*listener);
        *listener = NULL;
    }
}
