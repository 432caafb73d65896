/* socket.h: non-blocking stream sockets, as functions that the simulator has its own form of.
 *
 * A socket is a descriptor that a loop can watch; whoever holds it closes it once.
 * Thread: any, one at a time per descriptor.   Bounds: IO_ADDRESSES_MAX.
 * Errors: ERR_AGAIN: the call would block; ERR_CLOSED: the peer is gone; others as named. */
#ifndef BNB_IO_SOCKET_H
#define BNB_IO_SOCKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/err.h"
#include "io/file.h"

#define IO_PEER_BYTES 64
#define IO_ADDRESSES_MAX 8

struct io_address {
    struct sockaddr_storage address;
    socklen_t size;
};
/* -1: the system's. */
struct io_socket_buffers {
    int32_t send_bytes;
    int32_t receive_bytes;
};

/* Listens on host ("": every address) and port (0: any free one; *bound is the one it is).
 * ERR_BUSY: the port is used; ERR_ACCESS, ERR_INVALID: the address is not of this machine. */
int io_socket_listen(const char *host, uint16_t port, int32_t backlog, int *descriptor,
                     uint16_t *bound, struct err_message *message);
/* The next connection that waits. */
int io_socket_accept(int listener, int *descriptor);
/* Blocks: for helper threads. ERR_NOT_FOUND. */
int io_socket_resolve(const char *host, uint16_t port, struct io_address *addresses,
                      int32_t *count);
/* Begins to connect: once the descriptor is writable, io_socket_connect_result says how it went.
 * *why is a static text. */
int io_socket_connect(const struct io_address *to, const struct io_socket_buffers *buffers,
                      int *descriptor, const char **why);
int io_socket_connect_result(int descriptor, const char **why);
/* What every connection has: no delay, keep-alive, and its buffers. */
void io_socket_prepare(int descriptor, const struct io_socket_buffers *buffers);
/* Makes the buffers at least this large; -1: leaves one. */
void io_socket_widen(int descriptor, const struct io_socket_buffers *least);
/* "127.0.0.1"; "unknown" when it cannot be told. */
void io_address_text(const struct io_address *address, char text[IO_PEER_BYTES]);
void io_socket_peer(int descriptor, char peer[IO_PEER_BYTES]);

/* Bytes received, at least 1. */
int64_t io_socket_receive(int descriptor, void *data, size_t size);
/* Bytes taken; more says that others follow at once. */
int64_t io_socket_send(int descriptor, const struct iovec *parts, int count, bool more);
/* The same from a file, without copying where the system can; ERR_IO when the file is shorter. */
int64_t io_socket_send_file(int descriptor, struct io_file *file, int64_t position, size_t size);
void io_socket_close(int descriptor);

#endif
