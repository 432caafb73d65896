/* Requests to the controller on behalf of a client: to shard 0, and back to the client's shard. */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/dispatch.h"
#include "broker/request.h"

struct forward {
    struct broker_submission submission;
    struct loop_mail mail;
    struct broker_request *request;
    void (*done)(struct broker_request *request, void *context, int16_t error,
                 const void *response);
    void *context;
    int16_t error;
    struct writer encoded; /* of the response, when it has to change shards */
};

/* Structure of the response of an API that the controller serves. */
static const struct codec_struct *forward_response_row(int16_t api_key)
{
    const struct dispatch_row *row = dispatch_find(DISPATCH_CONTROLLER, api_key);
    return row == NULL ? NULL : row->response;
}

static void forward_home(struct loop_mail *mail)
{
    struct forward *forward = CONTAINER_OF(mail, struct forward, mail);
    struct broker_request *request = forward->request;
    void *response = NULL;
    if (forward->error == 0) {
        const struct codec_struct *row = forward_response_row(forward->submission.api_key);
        struct reader reader;
        reader_init(&reader, forward->encoded.data, forward->encoded.size);
        response = arena_alloc(&request->arena, row->size);
        if (response == NULL ||
            codec_decode(row, &reader, forward->submission.api_version, &request->arena,
                         response) != 0) {
            forward->error = KAFKA_UNKNOWN_SERVER_ERROR;
        }
    }
    /* The decoded response points into the encoded bytes: those go after the handler. */
    struct writer encoded = forward->encoded;
    forward->done(request, forward->context, forward->error,
                  forward->error == 0 ? response : NULL);
    writer_release(&encoded);
}

static void forward_done(struct broker_submission *submission, int16_t error,
                         const void *response)
{
    struct forward *forward = CONTAINER_OF(submission, struct forward, submission);
    struct broker_request *request = forward->request;
    if (request->shard->index == 0) {
        forward->done(request, forward->context, error, response);
        return;
    }
    forward->error = error;
    writer_init(&forward->encoded, FORWARD_BYTES_MAX);
    forward->encoded.budget = &request->shard->broker->options.memory->work;
    const struct codec_struct *row = forward_response_row(submission->api_key);
    if (error == 0 &&
        (row == NULL || codec_encode(row, &forward->encoded, submission->api_version, response))) {
        forward->error = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    forward->mail.run = forward_home;
    loop_post(request->shard->loop, &forward->mail);
}

static void forward_submit(struct loop_mail *mail)
{
    struct forward *forward = CONTAINER_OF(mail, struct forward, mail);
    const struct broker_options *options = &forward->request->shard->broker->options;
    options->submit(options->context, &forward->submission);
}

/* Who gives no time has had it all when the controller looks: as in Apache Kafka, whose events have
 * a deadline, nothing is done. These two have none there. */
static bool has_time(int16_t api_key, const void *asked)
{
    const struct dispatch_row *row = dispatch_find(DISPATCH_CONTROLLER, api_key);
    const struct codec_field *field = row == NULL ? NULL : api_timeout_field(row->request);
    int32_t timeout_ms = 1;
    if (field != NULL && api_key != API_UPDATE_FEATURES &&
        api_key != API_LIST_PARTITION_REASSIGNMENTS) {
        memcpy(&timeout_ms, (const uint8_t *)asked + field->offset, sizeof timeout_ms);
    }
    return timeout_ms > 0;
}

void broker_forward(struct broker_request *request, int16_t api_key, int16_t api_version,
                    const void *forwarded,
                    void (*done)(struct broker_request *request, void *context, int16_t error,
                                 const void *response),
                    void *context)
{
    struct forward *forward = arena_alloc(&request->arena, sizeof *forward);
    bool in_time = has_time(api_key, forwarded);
    if (forward == NULL || !in_time) {
        done(request, context, in_time ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_REQUEST_TIMED_OUT,
             NULL);
        return;
    }
    *forward = (struct forward){
        .submission = {.api_key = api_key,
                       .api_version = api_version,
                       .request = forwarded,
                       .deadline_ms = request->arrived_ms +
                                      config_int(broker_config(request), "request.timeout.ms"),
                       .done = forward_done},
        .request = request,
        .done = done,
        .context = context};
    struct broker *broker = request->shard->broker;
    if (request->shard->index == 0) {
        forward_submit(&forward->mail);
    } else {
        forward->mail.run = forward_submit;
        loop_post(broker->shards[0].loop, &forward->mail);
    }
}
