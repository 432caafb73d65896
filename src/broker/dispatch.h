/* dispatch.h: from a frame to a handler, by table. Thread: the shard of the connection. */
#ifndef BNB_BROKER_DISPATCH_H
#define BNB_BROKER_DISPATCH_H

#include "broker/request.h"

/* Clients and controllers have listeners of their own, which serve different APIs. */
enum dispatch_listener {
    DISPATCH_BROKER,
    DISPATCH_CONTROLLER,
};
struct dispatch_row {
    int16_t api_key;
    const struct codec_struct *request;
    const struct codec_struct *response;
    void (*handle)(struct broker_request *request);
};
struct dispatch_table {
    const struct dispatch_row *rows;
    size_t count;
};
const struct dispatch_table *dispatch_table(enum dispatch_listener listener);
/* NULL for an API that is not served there. */
const struct dispatch_row *dispatch_find(enum dispatch_listener listener, int16_t api_key);
enum dispatch_listener dispatch_listener_of(const struct broker_request *request);
/* The highest version served: unstable ones only with unstable.api.versions.enable. */
int16_t dispatch_max_version(const struct broker_request *request, const struct api_row *api);

/* Fits struct net_server_options.on_request; context is the shard. */
void dispatch_request(void *context, struct net_connection *connection, struct net_frame *frame);
/* At shutdown: frees what is still in processing, unanswered. */
void dispatch_forget_requests(struct broker_shard *shard);

#endif
