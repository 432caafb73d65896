/* limit.h: what the two limit programs share: one TCP connection, and the CPU time it took. A
 * limit program does the least that a broker must for the same bytes, so its cost is what cannot be
 * saved. Header only: each program is one file. Errors end the program. */
#ifndef BNB_BENCH_LIMIT_H
#define BNB_BENCH_LIMIT_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void limit_need(int holds, const char *what)
{
    if (!holds) {
        perror(what);
        exit(1);
    }
}

/* Prints "ready PORT" and waits for the one connection. */
static inline int limit_accept(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    limit_need(listener >= 0, "socket");
    limit_need(bind(listener, (struct sockaddr *)&address, size) == 0, "bind");
    limit_need(listen(listener, 1) == 0, "listen");
    limit_need(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int connection = accept(listener, NULL, NULL);
    limit_need(connection >= 0, "accept");
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

/* User and system time of this process. */
static inline double limit_cpu_seconds(void)
{
    struct rusage usage;
    limit_need(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

#endif
