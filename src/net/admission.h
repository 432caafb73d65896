/* admission.h: how many connections there may be, in all, of a listener and from one address, and
 * how fast new ones may come.
 *
 * One for all loops of a broker, on the loop that accepts. A listener asks before it accepts; while
 * it has to wait, connections stay in its backlog. Only who comes from an address that has its
 * maximum is turned away. The protected listener (that of the brokers, where there is another one)
 * is never kept waiting by the total: somebody else's connection goes instead.
 * Pure: the time is a parameter.   Thread: one.   Errors: ERR_NOMEM, ERR_FULL. */
#ifndef BNB_NET_ADMISSION_H
#define BNB_NET_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/socket.h"

struct net_admission;
struct net_admission_bound {
    int32_t connections_max;
    int32_t a_second_max; /* new ones, on average */
};
struct net_admission_override {
    char address[IO_PEER_BYTES];
    int32_t connections_max;
};
struct net_admission_limits {
    struct net_admission_bound all;
    const struct net_admission_bound *listeners; /* as many as at the creation */
    int32_t address_connections_max;
    const struct net_admission_override *overrides;
    size_t override_count;
};
/* One connection that was let in; embedded in whatever stands for it until it leaves. */
struct net_admitted {
    int32_t listener;
    struct net_admission_address *address;
};

struct net_admission_options {
    int32_t listener_count;
    int32_t protected_listener; /* -1: none */
    int32_t rate_sample_count;
    int64_t rate_window_ms;
    uint64_t seed;
};
int net_admission_create(const struct net_admission_options *options,
                         struct net_admission **admission);
/* Everybody must have left. */
void net_admission_destroy(struct net_admission **admission);
/* Copies the limits; none hold before the first call. ERR_NOMEM: the old ones stay. */
int net_admission_set_limits(struct net_admission *admission,
                             const struct net_admission_limits *limits);

/* 0: the listener may accept one now; else what it has to wait; INT64_MAX: until one leaves. */
int64_t net_admission_wait_ms(struct net_admission *admission, int32_t listener, int64_t now_ms);
/* Counts one that was accepted. ERR_FULL: its address has as many as it may, *max. */
int net_admission_enter(struct net_admission *admission, int32_t listener, const char *peer,
                        struct net_admitted *admitted, int32_t *max);
void net_admission_leave(struct net_admission *admission, struct net_admitted *admitted);
/* Connections above the total: a limit was lowered, or the protected listener let one in. */
int32_t net_admission_excess(const struct net_admission *admission);

#endif
