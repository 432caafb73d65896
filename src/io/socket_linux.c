#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "io/socket.h"

/* Of a file that has no descriptor, what one call copies. */
#define SOCKET_COPY_BYTES (32u << 10)

static int64_t socket_result(ssize_t result)
{
    if (result > 0) {
        return result;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
}

static int socket_listen_at(const struct addrinfo *address, int32_t backlog, int *descriptor)
{
    int created = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (created < 0) {
        return errno;
    }
    int on = 1;
    int off = 0;
    setsockopt(created, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) {
        setsockopt(created, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(created, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(created, backlog) != 0) {
        int error = errno;
        close(created);
        return error;
    }
    *descriptor = created;
    return 0;
}

/* On a machine without IPv6. */
static int socket_listen_everywhere_v4(uint16_t port, int32_t backlog, int *descriptor)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct addrinfo plain = {.ai_family = AF_INET,
                             .ai_addr = (struct sockaddr *)&any,
                             .ai_addrlen = sizeof any};
    return socket_listen_at(&plain, backlog, descriptor);
}

static uint16_t socket_port(int descriptor)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int io_socket_listen(const char *host, uint16_t port, int32_t backlog, int *descriptor,
                     uint16_t *bound, struct err_message *message)
{
    char service[16];
    bool every = host[0] == '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_family = every ? AF_INET6 : AF_UNSPEC};
    struct addrinfo *found = NULL;
    snprintf(service, sizeof service, "%u", port);
    int result = getaddrinfo(every ? NULL : host, service, &hints, &found);
    if (result != 0) {
        return err_set(message, ERR_INVALID, "cannot resolve listener address %s: %s", host,
                       gai_strerror(result));
    }
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *address = found; address != NULL; address = address->ai_next) {
        error = socket_listen_at(address, backlog, descriptor);
        if (error == 0) {
            break;
        }
    }
    freeaddrinfo(found);
    if (error == EAFNOSUPPORT && every) {
        error = socket_listen_everywhere_v4(port, backlog, descriptor);
    }
    if (error == EADDRINUSE) {
        return err_set(message, ERR_BUSY,
                       "port %u on %s is used by another process: stop it, or set another port in "
                       "listeners",
                       port, every ? "every address" : host);
    }
    if (error != 0) {
        return err_set(message, err_from_errno(error), "cannot listen on %s:%u: %s",
                       every ? "*" : host, port, err_text(err_from_errno(error)));
    }
    *bound = socket_port(*descriptor);
    return 0;
}

int io_socket_accept(int listener, int *descriptor)
{
    do {
        *descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (*descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
    return *descriptor >= 0 ? 0 : err_from_errno(errno);
}

int io_socket_resolve(const char *host, uint16_t port, struct io_address *addresses,
                      int32_t *count)
{
    char service[16];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    *count = 0;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return ERR_NOT_FOUND;
    }
    for (const struct addrinfo *info = found; info != NULL && *count < IO_ADDRESSES_MAX;
         info = info->ai_next) {
        struct io_address *address = &addresses[(*count)++];
        memcpy(&address->address, info->ai_addr, info->ai_addrlen);
        address->size = info->ai_addrlen;
    }
    freeaddrinfo(found);
    return 0;
}

static void socket_buffer_size(int descriptor, int option, int32_t bytes)
{
    if (bytes >= 0) {
        setsockopt(descriptor, SOL_SOCKET, option, &bytes, sizeof bytes);
    }
}

void io_socket_prepare(int descriptor, const struct io_socket_buffers *buffers)
{
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    socket_buffer_size(descriptor, SO_SNDBUF, buffers->send_bytes);
    socket_buffer_size(descriptor, SO_RCVBUF, buffers->receive_bytes);
}

static void socket_buffer_widen(int descriptor, int option, int32_t least_bytes)
{
    int32_t now = 0;
    socklen_t size = sizeof now;
    /* The kernel tells twice of what it was told. */
    if (getsockopt(descriptor, SOL_SOCKET, option, &now, &size) == 0 && now / 2 < least_bytes) {
        socket_buffer_size(descriptor, option, least_bytes);
    }
}

void io_socket_widen(int descriptor, const struct io_socket_buffers *least)
{
    socket_buffer_widen(descriptor, SO_SNDBUF, least->send_bytes);
    socket_buffer_widen(descriptor, SO_RCVBUF, least->receive_bytes);
}

int io_socket_connect(const struct io_address *to, const struct io_socket_buffers *buffers,
                      int *descriptor, const char **why)
{
    int created =
        socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (created < 0) {
        *why = strerror(errno);
        return err_from_errno(errno);
    }
    io_socket_prepare(created, buffers);
    if (connect(created, (const struct sockaddr *)&to->address, to->size) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        *why = strerror(error);
        close(created);
        return err_from_errno(error);
    }
    *descriptor = created;
    return 0;
}

int io_socket_connect_result(int descriptor, const char **why)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    *why = strerror(error);
    return err_from_errno(error);
}

void io_address_text(const struct io_address *address, char text[IO_PEER_BYTES])
{
    snprintf(text, IO_PEER_BYTES, "unknown");
    if (address->address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->address;
        inet_ntop(AF_INET, &v4->sin_addr, text, IO_PEER_BYTES);
    } else if (address->address.ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)&address->address)->sin6_addr;
        /* A listener on every address sees IPv4 in its IPv6 form. */
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &v6->s6_addr[12] : (const void *)v6, text,
                  IO_PEER_BYTES);
    }
}

void io_socket_peer(int descriptor, char peer[IO_PEER_BYTES])
{
    struct io_address address = {.size = sizeof address.address};
    if (getpeername(descriptor, (struct sockaddr *)&address.address, &address.size) != 0) {
        address.address.ss_family = AF_UNSPEC;
    }
    io_address_text(&address, peer);
}

int64_t io_socket_receive(int descriptor, void *data, size_t size)
{
    ssize_t got;
    do {
        got = recv(descriptor, data, size, 0);
    } while (got < 0 && errno == EINTR);
    return got == 0 ? ERR_CLOSED : socket_result(got);
}

int64_t io_socket_send(int descriptor, const struct iovec *parts, int count, bool more)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do {
        sent = sendmsg(descriptor, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    return socket_result(sent);
}

static int64_t socket_send_copy(int descriptor, struct io_file *file, int64_t position,
                                size_t size)
{
    uint8_t bytes[SOCKET_COPY_BYTES];
    int64_t got = io_file_read(file, bytes, size < sizeof bytes ? size : sizeof bytes, position);
    if (got <= 0) {
        return ERR_IO;
    }
    struct iovec part = {bytes, (size_t)got};
    return io_socket_send(descriptor, &part, 1, false);
}

int64_t io_socket_send_file(int descriptor, struct io_file *file, int64_t position, size_t size)
{
    if (file->descriptor < 0) {
        return socket_send_copy(descriptor, file, position, size);
    }
    off_t at = position;
    ssize_t sent;
    do {
        sent = sendfile(descriptor, file->descriptor, &at, size);
    } while (sent < 0 && errno == EINTR);
    return sent == 0 ? ERR_IO : socket_result(sent);
}

void io_socket_close(int descriptor) { close(descriptor); }
