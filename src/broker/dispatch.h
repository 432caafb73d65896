/* dispatch.h: from a frame to a handler, by table. Thread: the shard of the connection. */
#ifndef BNB_BROKER_DISPATCH_H
#define BNB_BROKER_DISPATCH_H

#include "broker/request.h"

struct dispatch_row {
    int16_t api_key;
    int16_t max_version; /* served; INT16_MAX: all that the protocol knows */
    const struct codec_struct *request;
    const struct codec_struct *response;
    void (*handle)(struct broker_request *request);
};
/* NULL for an API that is not served. */
const struct dispatch_row *dispatch_find(int16_t api_key);
size_t dispatch_count(void);
const struct dispatch_row *dispatch_at(size_t index);

/* Fits struct net_server_options.on_request; context is the shard. */
void dispatch_request(void *context, struct net_connection *connection, struct net_frame *frame);
/* At shutdown: frees what is still in processing, unanswered. */
void dispatch_forget_requests(struct broker_shard *shard);

#endif
