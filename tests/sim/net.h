/* net.h: a network in memory: the sockets of io/socket.h, and their other ends for the clients.
 *
 * A connection is two streams. What is sent arrives later, in order, in pieces of any size; a
 * stream has little room, so a sender has to wait. A connection may break at any time, with what
 * was under way lost. Everything breaks when the node is dead.
 * Descriptors are numbers of our own. Thread: the one of the simulation. */
#ifndef BNB_SIM_NET_H
#define BNB_SIM_NET_H

#include "base/list.h"
#include "sim.h"

struct loop;
struct net;

/* A client's end. Its owner embeds it. */
struct net_end {
    struct net_socket *socket; /* NULL: not connected */
    /* Something arrived, or there is room again. */
    void (*ready)(struct net_end *end);
    /* The connection is gone; it may be made again. */
    void (*broken)(struct net_end *end);
};

struct net *net_create(struct sim *sim);
void net_destroy(struct net **net);
/* Before the next life of the node: everything of the last one breaks. */
void net_reset(struct net *net);
/* Descriptors of the node that are open. */
size_t net_open_count(const struct net *net);

/* False when nobody listens. */
bool net_connect(struct net *net, struct net_end *end);
/* Bytes taken, maybe 0. */
size_t net_end_send(struct net_end *end, const uint8_t *data, size_t size);
/* Bytes given, maybe 0. */
size_t net_end_receive(struct net_end *end, uint8_t *data, size_t size);
void net_end_close(struct net_end *end);
/* Breaks one of the connections, chosen by the seed. */
void net_break_one(struct net *net);

/* For the loop: what is possible on a descriptor now, of what is wanted (enum loop_ready). */
unsigned net_readiness(const struct net *net, int descriptor, unsigned interest);

#endif
