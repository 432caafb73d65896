/* controller.h: the active controller, as a pure machine: a request in, records and a reply out.
 *
 * The controller reads the newest image, which holds everything it has written, committed or not.
 * It changes nothing itself: the driver appends the records, replays them into the next image,
 * hands that to the controller, and sends the reply once the records are committed.
 * What is not replicated (when brokers were last heard of) lives here and starts anew with each
 * active controller.
 * Thread: one.   Errors: in the reply, as Apache Kafka gives them; ERR_NOMEM. */
#ifndef BNB_CONTROLLER_CONTROLLER_H
#define BNB_CONTROLLER_CONTROLLER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/writer.h"
#include "metadata/image.h"
#include "protocol/codec.h"

/* Records of one operation of a user, which are written as one batch. */
#define CONTROLLER_RECORDS_MAX 10000

/* Framed records, one behind the other. */
struct controller_records {
    struct writer writer;
    size_t *ends; /* of each record in the writer */
    size_t count;
    size_t capacity;
    bool failed;
};
void controller_records_init(struct controller_records *records);
void controller_records_release(struct controller_records *records);
void controller_records_add(struct controller_records *records, int16_t api_key, int16_t version,
                            const struct codec_struct *row, const void *message);
void controller_records_add_framed(struct controller_records *records, struct bytes_view record);
struct bytes_view controller_records_at(const struct controller_records *records, size_t index);

struct controller_options {
    int32_t node_id;
    struct string_view cluster_id;
    int16_t default_replication_factor;
    int32_t default_partition_count;
    int16_t min_insync_replicas; /* written at bootstrap where ELR is on */
    int64_t session_timeout_ms;
    bool unstable_features;
    /* Whether all that a resource is to have is acceptable together: 0, or a wire error with its
     * text. Of a broker: what changes. */
    int16_t (*check_settings)(void *context, int8_t resource_type,
                              const struct image_setting *items, size_t count,
                              struct err_message *message);
    /* Whether a setting is a list, and what it is where the resource says nothing. */
    bool (*list_setting)(void *context, int8_t resource_type, struct string_view name,
                         struct string_view *value);
    void *context;
};
struct controller;
int controller_create(const struct controller_options *options, struct controller **controller);
void controller_destroy(struct controller **controller);
/* The newest image; a reference is taken. */
void controller_set_image(struct controller *controller, const struct image *image);

/* One request on its way. */
struct controller_call {
    int16_t api_key;
    int16_t api_version;
    const void *request;
    int64_t now_ms;
    int64_t next_offset; /* of the first record that is appended now */
    uint64_t random;
    struct arena *arena; /* for the reply */
    /* Out: */
    struct controller_records *records;
    const void *response;
    int16_t error; /* of the whole call; response is NULL then */
};
void controller_handle(struct controller *controller, struct controller_call *call);
/* Whether controller_handle knows this API. */
bool controller_serves(int16_t api_key);
/* First thing in a new epoch: ends a transaction that the last active controller left open, and
 * puts the bootstrap records into an image without a metadata.version. */
void controller_activate(struct controller *controller, const struct bytes_view *bootstrap,
                         size_t bootstrap_count, struct controller_records *records);

#endif
