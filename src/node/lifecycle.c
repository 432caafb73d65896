#include "node/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/cordon.h"
#include "protocol/error.h"
#include "protocol/feature.h"
#include "protocol/messages.h"

#define REGISTRATION_VERSION 4
#define HEARTBEAT_VERSION 2
#define RETRY_MS 100
#define LIFECYCLE_LISTENERS_MAX 16

struct lifecycle {
    struct lifecycle_options options;
    struct broker_submission submission;
    struct timer timer;
    bool under_way;
    bool registered;
    int64_t began_ms;   /* when it was asked for the first time; INT64_MAX: it is settled */
    int16_t refused_as; /* what was said last */
    bool unfenced;
    bool caught_up;  /* the controller said so: from then on it is told what is cordoned */
    bool tell_again; /* of that something changed while a beat was under way */
    bool gone[BROKER_DIRS_MAX]; /* directories that failed, or were missing at the start */
    int64_t broker_epoch;
    int64_t metadata_offset;
    struct broker_registration_request registration;
    struct broker_registration_request_listener listeners[LIFECYCLE_LISTENERS_MAX];
    struct uuid directories[BROKER_DIRS_MAX];
    struct uuid cordoned[BROKER_DIRS_MAX];
    struct uuid told[BROKER_DIRS_MAX]; /* those of the beat under way */
    struct uuid failed[BROKER_DIRS_MAX]; /* since the start; in every beat from then on */
    int32_t failed_count;
    int32_t cordoned_count; /* -1: the cluster's metadata.version knows of none */
    struct broker_registration_request_feature features[FEATURE_COUNT];
    struct broker_heartbeat_request heartbeat;
};

static void lifecycle_step(struct lifecycle *lifecycle);

static void lifecycle_fire(struct timer *timer)
{
    lifecycle_step(CONTAINER_OF(timer, struct lifecycle, timer));
}

static void lifecycle_again(struct lifecycle *lifecycle, int64_t delay_ms)
{
    lifecycle->under_way = false;
    loop_timer_arm(lifecycle->options.loop, &lifecycle->timer, delay_ms);
}

static void lifecycle_submit(struct lifecycle *lifecycle, int16_t api_key, int16_t version,
                             const void *request,
                             void (*done)(struct broker_submission *submission, int16_t error,
                                          const void *response))
{
    lifecycle->under_way = true;
    lifecycle->submission = (struct broker_submission){
        .api_key = api_key,
        .api_version = version,
        .request = request,
        .deadline_ms = loop_monotonic_ms(lifecycle->options.loop) +
                       config_long(lifecycle->options.config, "broker.session.timeout.ms"),
        .done = done};
    lifecycle->options.submit(lifecycle->options.context, &lifecycle->submission);
}

static void lifecycle_refused(struct lifecycle *lifecycle, int16_t error)
{
    int64_t waited_ms = loop_monotonic_ms(lifecycle->options.loop) - lifecycle->began_ms;
    if (waited_ms >= config_int(lifecycle->options.config,
                                "initial.broker.registration.timeout.ms")) {
        char why[ERR_MESSAGE_BYTES];
        snprintf(why, sizeof why,
                 "the controller refuses the registration of this broker (%s), for as long as "
                 "initial.broker.registration.timeout.ms says",
                 kafka_error_name(error));
        lifecycle->options.on_refused(lifecycle->options.context, why);
        return;
    }
    if (error != lifecycle->refused_as) {
        lifecycle->refused_as = error;
        fprintf(stderr, "the controller refuses the registration: %s; trying again\n",
                kafka_error_name(error));
    }
    lifecycle_again(lifecycle, RETRY_MS);
}

static void lifecycle_registered(struct broker_submission *submission, int16_t error,
                                 const void *response)
{
    struct lifecycle *lifecycle = CONTAINER_OF(submission, struct lifecycle, submission);
    const struct broker_registration_response *answer = response;
    error = error == 0 ? answer->error_code : error;
    if (error != 0) {
        lifecycle_refused(lifecycle, error);
        return;
    }
    lifecycle->registered = true;
    lifecycle->began_ms = INT64_MAX;
    lifecycle->refused_as = 0;
    lifecycle->unfenced = false; /* not yet, under this epoch */
    lifecycle->caught_up = false;
    lifecycle->broker_epoch = answer->broker_epoch;
    lifecycle->under_way = false;
    lifecycle_step(lifecycle);
}

static void lifecycle_beaten(struct broker_submission *submission, int16_t error,
                             const void *response)
{
    struct lifecycle *lifecycle = CONTAINER_OF(submission, struct lifecycle, submission);
    const struct broker_heartbeat_response *answer = response;
    error = error == 0 ? answer->error_code : error;
    int64_t next_ms = config_long(lifecycle->options.config, "broker.heartbeat.interval.ms");
    if (error == KAFKA_STALE_BROKER_EPOCH) {
        lifecycle->registered = false;
        next_ms = RETRY_MS;
    }
    if (error == 0 && !answer->is_fenced && !lifecycle->unfenced) {
        lifecycle->unfenced = true;
        lifecycle->options.on_unfenced(lifecycle->options.context, lifecycle->broker_epoch);
    }
    if (error == 0 && answer->is_fenced) {
        next_ms = 10;
    }
    if (error == 0 && answer->is_caught_up && !lifecycle->caught_up) {
        lifecycle->caught_up = true;
        lifecycle->tell_again = lifecycle->cordoned_count >= 0;
    }
    if (error == 0 && lifecycle->tell_again) {
        next_ms = 0;
    }
    lifecycle_again(lifecycle, next_ms);
}

static int uuid_order(const void *a, const void *b)
{
    return memcmp(((const struct uuid *)a)->bytes, ((const struct uuid *)b)->bytes, 16);
}

/* The registration names the directories that there are by now. */
static void lifecycle_fill_directories(struct lifecycle *lifecycle)
{
    int32_t count = 0;
    for (int32_t i = 0; i < lifecycle->options.dir_count; i++) {
        if (!lifecycle->gone[i]) {
            lifecycle->directories[count++] = lifecycle->options.dirs[i]->properties.directory_id;
        }
    }
    qsort(lifecycle->directories, (size_t)count, sizeof lifecycle->directories[0], uuid_order);
    lifecycle->registration.log_dirs.items = lifecycle->directories;
    lifecycle->registration.log_dirs.count = count;
}

static void lifecycle_step(struct lifecycle *lifecycle)
{
    if (lifecycle->under_way) {
        return;
    }
    if (!lifecycle->registered) {
        lifecycle_fill_directories(lifecycle);
        lifecycle_submit(lifecycle, API_BROKER_REGISTRATION, REGISTRATION_VERSION,
                         &lifecycle->registration, lifecycle_registered);
        return;
    }
    lifecycle->heartbeat.broker_epoch = lifecycle->broker_epoch;
    lifecycle->heartbeat.current_metadata_offset = lifecycle->metadata_offset;
    lifecycle->heartbeat.cordoned_log_dirs.items = lifecycle->told;
    lifecycle->heartbeat.cordoned_log_dirs.count =
        lifecycle->caught_up ? lifecycle->cordoned_count : -1;
    memcpy(lifecycle->told, lifecycle->cordoned, sizeof lifecycle->told);
    lifecycle->heartbeat.offline_log_dirs.items = lifecycle->failed;
    lifecycle->heartbeat.offline_log_dirs.count = lifecycle->failed_count;
    lifecycle->tell_again = false;
    lifecycle_submit(lifecycle, API_BROKER_HEARTBEAT, HEARTBEAT_VERSION, &lifecycle->heartbeat,
                     lifecycle_beaten);
}

/* What is cordoned by the settings of an image; whether it is not what it was. */
static bool lifecycle_cordon(struct lifecycle *lifecycle, const struct image *image)
{
    struct uuid now[BROKER_DIRS_MAX];
    int32_t count = 0;
    bool known = image_feature_level(image, "metadata.version") >= CORDON_METADATA_VERSION;
    for (int32_t i = 0; known && i < lifecycle->options.dir_count; i++) {
        const struct log_dir *dir = lifecycle->options.dirs[i];
        if (!lifecycle->gone[i] && cordon_covers(lifecycle->options.config, image, dir->path)) {
            now[count++] = dir->properties.directory_id;
        }
    }
    count = known ? count : -1;
    bool changed = count != lifecycle->cordoned_count ||
                   (count > 0 && memcmp(now, lifecycle->cordoned, (size_t)count * sizeof now[0]));
    if (count > 0) {
        memcpy(lifecycle->cordoned, now, (size_t)count * sizeof now[0]);
    }
    lifecycle->cordoned_count = count;
    return changed;
}

/* A beat at once, or after the one under way. */
static void lifecycle_tell_soon(struct lifecycle *lifecycle)
{
    if (!lifecycle->registered) {
        return; /* the first beat after that tells all */
    }
    lifecycle->tell_again = true;
    if (!lifecycle->under_way) {
        loop_timer_arm(lifecycle->options.loop, &lifecycle->timer, 0);
    }
}

void lifecycle_on_image(struct lifecycle *lifecycle, const struct image *image)
{
    bool first = lifecycle->metadata_offset < 0;
    bool changed = lifecycle_cordon(lifecycle, image);
    lifecycle->metadata_offset = image_offset(image);
    if (first) {
        lifecycle->began_ms = loop_monotonic_ms(lifecycle->options.loop);
        lifecycle_step(lifecycle);
    } else if (changed && lifecycle->caught_up) {
        lifecycle_tell_soon(lifecycle);
    }
}

void lifecycle_on_dir_failed(struct lifecycle *lifecycle, int32_t dir)
{
    ASSERT(dir >= 0 && dir < lifecycle->options.dir_count && !lifecycle->gone[dir]);
    lifecycle->gone[dir] = true;
    lifecycle->failed[lifecycle->failed_count++] =
        lifecycle->options.dirs[dir]->properties.directory_id;
    lifecycle_tell_soon(lifecycle);
}

bool lifecycle_is_unfenced(const struct lifecycle *lifecycle) { return lifecycle->unfenced; }

/* The epoch of the last process when it ended in order, which every directory must say alike. */
static int64_t lifecycle_previous_epoch(const struct lifecycle *lifecycle)
{
    int64_t epoch = -1;
    for (int32_t i = 0; i < lifecycle->options.dir_count; i++) {
        const struct log_dir *dir = lifecycle->options.dirs[i];
        if (dir->offline || !dir->clean_shutdown ||
            (i > 0 && dir->previous_broker_epoch != epoch)) {
            return -1;
        }
        epoch = dir->previous_broker_epoch;
    }
    return epoch;
}

static void lifecycle_fill(struct lifecycle *lifecycle)
{
    const struct config *config = lifecycle->options.config;
    struct broker_registration_request *registration = &lifecycle->registration;
    broker_registration_request_default(registration);
    broker_heartbeat_request_default(&lifecycle->heartbeat);
    lifecycle->heartbeat.broker_id = config_node_id(config);
    registration->broker_id = config_node_id(config);
    registration->cluster_id = lifecycle->options.cluster_id;
    registration->incarnation_id = lifecycle->options.incarnation_id;
    registration->rack = config_string(config, "broker.rack");
    bool unstable = config_boolean(config, "unstable.feature.versions.enable");
    registration->features.items = lifecycle->features;
    registration->features.count = FEATURE_COUNT;
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        lifecycle->features[i] = (struct broker_registration_request_feature){
            string_view_of(protocol_features[i].name), protocol_features[i].min_level,
            feature_highest(&protocol_features[i], unstable)};
    }
    registration->listeners.items = lifecycle->listeners;
    for (int32_t i = 0; i < config_listener_count(config) && i < LIFECYCLE_LISTENERS_MAX; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (!listener->is_controller) {
            lifecycle->listeners[registration->listeners.count++] =
                (struct broker_registration_request_listener){
                    listener->name, listener->advertised_host, listener->advertised_port,
                    listener->security_protocol};
        }
    }
    for (int32_t i = 0; i < lifecycle->options.dir_count; i++) {
        lifecycle->gone[i] = lifecycle->options.dirs[i]->offline;
    }
    registration->previous_broker_epoch = lifecycle_previous_epoch(lifecycle);
}

int lifecycle_create(const struct lifecycle_options *options, struct lifecycle **created)
{
    struct lifecycle *lifecycle = mem_calloc(1, sizeof *lifecycle);
    *created = lifecycle;
    if (lifecycle == NULL) {
        return ERR_NOMEM;
    }
    lifecycle->options = *options;
    lifecycle->metadata_offset = -1;
    lifecycle->broker_epoch = -1;
    lifecycle->cordoned_count = -1;
    timer_init(&lifecycle->timer, lifecycle_fire);
    lifecycle_fill(lifecycle);
    return 0;
}

void lifecycle_destroy(struct lifecycle **lifecycle)
{
    if (*lifecycle != NULL) {
        loop_timer_cancel((*lifecycle)->options.loop, &(*lifecycle)->timer);
        mem_free(*lifecycle);
        *lifecycle = NULL;
    }
}
