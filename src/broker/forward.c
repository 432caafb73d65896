#include "broker/dispatch.h"
#include "broker/forward.h"
#include "broker/handlers.h"

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

static void fail_as_a_whole(struct broker_request *request, int16_t error)
{
    const struct codec_struct *row = request->row->response;
    const struct codec_field *field = api_error_field(row);
    void *response = arena_alloc(&request->arena, row->size);
    if (response == NULL || field == NULL) {
        broker_respond_close(request);
        return;
    }
    codec_default(row, response);
    memcpy((uint8_t *)response + field->offset, &error, sizeof error);
    broker_respond(request, response);
}

void api_forward(struct broker_request *request)
{
    forward_request(request, request->message, fail_as_a_whole);
}
