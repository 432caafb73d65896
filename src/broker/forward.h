/* forward.h: requests that the controller answers, passed on as they came.
 *
 * Thread: the shard of the request.   Errors: when the controller cannot be asked, fail builds and
 * sends the API's own response with that error. */
#ifndef BNB_BROKER_FORWARD_H
#define BNB_BROKER_FORWARD_H

#include "broker/request.h"

/* Forwards message (the request's own, or a part of it in its arena) and answers with what comes
 * back; fail answers instead when the controller could not be asked. */
void forward_request(struct broker_request *request, const void *message,
                     void (*fail)(struct broker_request *request, int16_t error));

#endif
