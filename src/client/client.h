/* client.h: the core that producer, consumer and admin client share: one network thread, its
 * connections, requests to nodes, and what is known of the cluster's brokers.
 *
 * A request names its target (a node, any node), its API and its messages by their codec rows. The
 * client connects, negotiates versions, encodes, sends, decodes, and completes it exactly once.
 * Requests to any node move on to another one while time is left; requests to one node fail with
 * the connection, and retrying is their owner's.
 * Thread: create and destroy, client_post, client_call: any; the rest: the network thread.
 * Who frees: requests and their messages are the owner's. Destroying the client completes every
 * request with ERR_CLOSED first.
 * Errors: internal codes with a text in request->message; error codes inside responses are the
 * owner's to look at. */
#ifndef BNB_CLIENT_CLIENT_H
#define BNB_CLIENT_CLIENT_H

#include "client/config.h"
#include "client/error.h"
#include "io/loop.h"
#include "net/channel.h"
#include "protocol/api.h"

struct client;
struct client_node;

#define CLIENT_NODE_ANY (-1000)
/* As ANY; controllers forward what is theirs, so any broker will do in KRaft mode. */
#define CLIENT_NODE_CONTROLLER CLIENT_NODE_ANY
#define CLIENT_HOST_BYTES NET_HOST_BYTES
/* Largest response that is accepted; fetch.max.bytes bounds what is asked for. */
#define CLIENT_RESPONSE_BYTES_MAX (512 * 1024 * 1024)

struct client_request {
    /* set by the owner */
    int32_t target;
    int16_t api_key;
    int16_t version_min;
    int16_t version_max; /* 0 and 0: what both sides have */
    const struct codec_struct *request_row;
    const void *request;
    const struct codec_struct *response_row;
    struct arena *arena; /* of the response */
    int64_t timeout_ms;  /* from start to completion; -1: request.timeout.ms */
    bool patient;        /* it may take as long as timeout_ms, beyond request.timeout.ms */
    bool no_response;    /* acks=0 */
    bool keep_frame;     /* the owner takes frame: views in the response point into it */
    /* Before the encoding: a message may look different from version to version. May be NULL. */
    void (*prepare)(struct client_request *request, int16_t version);
    void (*done)(struct client_request *request);
    /* set by the client */
    int error;
    struct err_message message;
    int16_t version;
    void *response; /* in the arena; NULL when there was an error or no response was expected */
    uint8_t *frame;
    size_t frame_size;
    int32_t node_id; /* of the node that answered */
    /* its own */
    struct list node;
    struct net_call call;
    struct timer timer;
    struct client *client;
    struct client_node *at;
    int32_t attempts;
};

struct client_options {
    enum client_kind kind;
    struct client_config config; /* moves into the client, also when creation fails */
    struct frame_pool *frames; /* of whom responses are taken, and that outlives it; NULL: none */
};
int client_create(const struct client_options *options, struct client **client,
                  struct bnb_error *error);
/* Runs quit (may be NULL) on the network thread first, then completes every request and joins. */
void client_destroy(struct client **client, struct loop_mail *quit);
const struct client_config *client_config(const struct client *client);
struct loop *client_loop(struct client *client);
void client_post(struct client *client, struct loop_mail *mail);
/* Thread: any. */
bool client_is_network_thread(const struct client *client);

void client_request_start(struct client *client, struct client_request *request);
/* Learns broker addresses from a metadata response. */
void client_learn_brokers(struct client *client, const struct metadata_response *metadata);
/* transaction.version of the cluster, as the brokers last told; 0: not told. */
int16_t client_transaction_version(const struct client *client);
/* A connection of its own to a coordinator, whose answers may take long: the target of requests to
 * it. Negative: no memory. */
int32_t client_learn_coordinator(struct client *client, int32_t id, struct string_view host,
                                 int32_t port);
/* Ends the connection to a node: requests to it complete with ERR_CLOSED. */
void client_disconnect(struct client *client, int32_t target);
/* Requests that a node has not answered yet. */
size_t client_in_flight(struct client *client, int32_t node_id);

/* Thread: any but the network thread. Sends and waits; retries connection failures of a target
 * node until the timeout. The response lives in the arena. */
struct client_call {
    int32_t target;
    int16_t api_key;
    int16_t version_min;
    int16_t version_max;
    const struct codec_struct *request_row;
    const void *request;
    const struct codec_struct *response_row;
    struct arena *arena;
    int64_t timeout_ms; /* -1: default.api.timeout.ms */
    const char *name;   /* what an error calls it; NULL: by its API */
    void (*prepare)(struct client_request *request, int16_t version);
    int16_t version;  /* out */
    int32_t node_id;  /* out */
};
int client_call(struct client *client, struct client_call *call, void *response_at,
                struct bnb_error *error);
/* Fetches metadata of all topics (names NULL) or some, and learns the brokers. The response is in
 * the arena. */
int client_call_metadata(struct client *client, struct arena *arena,
                         const struct string_view *names, int32_t count, bool auto_create,
                         int64_t timeout_ms, struct metadata_response **metadata,
                         struct bnb_error *error);
/* Exponential backoff with 20% jitter, as Kafka's clients have it. */
int64_t client_backoff_ms(int64_t initial_ms, int64_t max_ms, int32_t failures);
uint32_t client_random(void);
/* Waits between tries. Thread: any but the network thread. */
void client_pause(int64_t pause_ms);

#endif
