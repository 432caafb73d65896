/* request.h: one request from the wire on its way through a handler, and how it is answered.
 *
 * dispatch.c makes it: header and body are decoded, version and listener checked. The handler owns
 * it until it calls exactly one of the broker_respond functions or broker_drop, which free it; it
 * may do so at once or later, on the same shard. What the request structure points at lives in the
 * frame and the arena and goes with the request.
 * Thread: the shard of the connection. */
#ifndef BNB_BROKER_REQUEST_H
#define BNB_BROKER_REQUEST_H

#include "base/arena.h"
#include "metadata/image.h"
#include "net/server.h"
#include "protocol/api.h"
#include "protocol/error.h"

struct broker;
struct broker_shard;
struct config;
struct dispatch_row;

struct broker_request {
    struct list node; /* in the shard's */
    struct broker_shard *shard;
    struct net_connection *connection;
    struct net_frame *frame;
    struct arena arena;
    struct request_header header;
    const struct dispatch_row *row; /* of the API; NULL before the header is understood */
    const void *message;            /* the decoded request structure of the API */
    int32_t listener;    /* index into the config's listeners */
    int64_t arrived_ms;  /* monotonic */
    struct timer *timer; /* of the handler, on the shard's loop; cancelled when the request goes */
    int64_t arrived_us;  /* likewise, but of that moment, not of the turn */
    /* Gives up the ranges of a response that cannot be encoded; NULL: it has none. */
    void (*unsent)(void *context);
    void *unsent_context;
};

/* Encodes response (the response structure of the request's API and version) and sends it in its
 * turn on the connection. A response that this version cannot carry is a fault of ours: the
 * connection is closed and the fault is said on the diagnostics. */
void broker_respond(struct broker_request *request, const void *response);
/* Closes the connection instead of answering. */
void broker_respond_close(struct broker_request *request);
/* Nothing is sent (Produce with acks=0). */
void broker_drop(struct broker_request *request);

/* The image of this loop turn: borrowed until the handler returns. */
const struct image *broker_image(const struct broker_request *request);

/* What the node was started with, who it is, and who leads the controllers (-1: nobody). */
const struct config *broker_config(const struct broker_request *request);
struct string_view broker_cluster_id(const struct broker_request *request);
int32_t broker_node_id(const struct broker_request *request);
int32_t broker_controller_id(const struct broker_request *request);
/* The level of kraft.version, which the quorum has and no image. */
int16_t broker_kraft_version(const struct broker_request *request);
/* Broker epoch of the registration, -1 before it. */
int64_t broker_epoch(const struct broker_request *request);

/* Sends a request to the controller on behalf of request; forwarded is in the request's arena, and
 * so may context be. done is called on the request's shard; response is valid during the call. */
void broker_forward(struct broker_request *request, int16_t api_key, int16_t api_version,
                    const void *forwarded,
                    void (*done)(struct broker_request *request, void *context, int16_t error,
                                 const void *response),
                    void *context);

#endif
