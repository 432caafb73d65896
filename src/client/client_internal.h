/* client_internal.h: the client's structures, shared by client.c (thread, calls) and node.c
 * (connections, requests). Thread: the network thread. */
#ifndef BNB_CLIENT_INTERNAL_H
#define BNB_CLIENT_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>

#include "client/client.h"

/* idle -> connecting -> negotiating -> ready; every state falls back to idle. */
enum node_state {
    NODE_IDLE,
    NODE_CONNECTING,
    NODE_NEGOTIATING,
    NODE_READY,
};
struct node_versions {
    int16_t min;
    int16_t max; /* below min: not there */
};
struct client_node {
    struct list node;
    struct client *client;
    int32_t id; /* below 0: from bootstrap.servers, not yet known by its id */
    bool gone;  /* not in the latest metadata */
    uint16_t port;
    char host[CLIENT_HOST_BYTES];
    enum node_state state;
    struct net_channel *channel;
    struct list waiting; /* requests for when it is ready */
    size_t in_flight;
    int32_t failures;
    int64_t retry_at_ms;
    struct timer retry;
    struct net_call versions_call;
    int16_t versions_version;
    struct node_versions versions[API_COUNT];
};
struct client {
    struct loop *loop;
    pthread_t thread;
    sem_t started;
    sem_t posted; /* the quit mail is on its way and its sender is done with the loop */
    int start_error;
    struct net_resolver resolver;
    struct client_options options;
    struct list nodes;
    struct list pending; /* requests to any node while none can be tried */
    int64_t features_epoch; /* of the newest features that were told; -1: none */
    int16_t transaction_version;
    bool closing;
    struct loop_mail quit;
    struct loop_mail *owner_quit;
};

/* Ids of nodes that are coordinators begin here, from the end of all numbers down, as in Java's
 * client. */
#define NODE_COORDINATOR_MIN (INT32_MAX / 2)
/* Adds a node; NULL: out of memory. */
struct client_node *node_add(struct client *client, int32_t id, const char *host, uint16_t port);
void node_destroy(struct client_node *node);
/* Ends the connection; requests complete or move on. */
void node_disconnect(struct client_node *node);
void client_dispatch_pending(struct client *client);
void client_request_complete(struct client_request *request, int error, const char *text);

#endif
