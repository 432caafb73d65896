#include "broker/forward.h"

struct forwarding {
    void (*fail)(struct broker_request *request, int16_t error);
};

static void on_done(struct broker_request *request, void *context, int16_t error,
                    const void *response)
{
    const struct forwarding *forwarding = context;
    if (error != 0) {
        forwarding->fail(request, error);
        return;
    }
    broker_respond(request, response);
}

void forward_request(struct broker_request *request, const void *message,
                     void (*fail)(struct broker_request *request, int16_t error))
{
    struct forwarding *forwarding = arena_alloc(&request->arena, sizeof(*forwarding));
    if (forwarding == NULL) {
        broker_respond_close(request);
        return;
    }
    forwarding->fail = fail;
    broker_forward(request, request->header.request_api_key, request->header.request_api_version,
                   message, on_done, forwarding);
}
