/* peer.h: a simulated client's connection: it speaks the protocol and remembers what it asked.
 *
 * Connects again by itself, some time after it broke. Requests are pipelined; answers come in
 * their order, and anything else is a failure of the node. Thread: the one of the simulation. */
#ifndef BNB_SIM_PEER_H
#define BNB_SIM_PEER_H

#include "base/reader.h"
#include "base/writer.h"
#include "net.h"
#include "protocol/messages.h"

#define PEER_ASKED_MAX 16

struct peer_asked {
    int16_t api_key;
    int16_t version;
    int32_t correlation_id;
};
struct peer {
    struct net_end end;
    struct net *net;
    struct sim *sim;
    const char *name;
    struct writer out;
    size_t out_sent;
    struct writer in;
    struct peer_asked asked[PEER_ASKED_MAX];
    size_t asked_count;
    int32_t next_correlation_id;
    struct sim_event again;
    bool again_set;
    /* The connection is there: say what is to be said first. */
    void (*connected)(struct peer *peer);
    /* It broke: whatever was asked may or may not have been done. */
    void (*lost)(struct peer *peer);
    /* The answer to the oldest request; message is its decoded response, valid during the call. */
    void (*answered)(struct peer *peer, int16_t api_key, const void *message);
};

void peer_init(struct peer *peer, struct net *net, struct sim *sim, const char *name);
void peer_release(struct peer *peer);
/* Begins to connect, and goes on until it works. */
void peer_start(struct peer *peer);
/* Breaks the connection and stays away until peer_start. */
void peer_stop(struct peer *peer);
static inline bool peer_is_connected(const struct peer *peer) { return peer->end.socket != NULL; }
/* Sends a request of any API; answer is whether one comes. */
void peer_ask(struct peer *peer, int16_t api_key, int16_t version, const void *message,
              bool answer);

#endif
