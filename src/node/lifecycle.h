/* lifecycle.h: the broker's standing with the controller: it registers, then beats.
 *
 * Thread: shard 0.   Errors: a refusal is said on the diagnostics and tried again; a start that is
 * refused for initial.broker.registration.timeout.ms ends. */
#ifndef BNB_NODE_LIFECYCLE_H
#define BNB_NODE_LIFECYCLE_H

#include "broker/broker.h"

struct lifecycle;
struct lifecycle_options {
    struct loop *loop;
    const struct config *config;
    struct string_view cluster_id;
    struct uuid incarnation_id;
    struct log_dir *const *dirs;
    int32_t dir_count;
    void (*submit)(void *context, struct broker_submission *submission);
    /* The controller counts on this broker from now on. */
    void (*on_unfenced)(void *context, int64_t broker_epoch);
    /* It never did, and is not asked any more: the node must end. */
    void (*on_refused)(void *context, const char *why);
    void *context;
};
int lifecycle_create(const struct lifecycle_options *options, struct lifecycle **lifecycle);
void lifecycle_destroy(struct lifecycle **lifecycle);
/* Each image; the first starts the registration. */
void lifecycle_on_image(struct lifecycle *lifecycle, const struct image *image);
/* One of the directories has failed: the controller is told, so that nobody asks for what lies
 * there. */
void lifecycle_on_dir_failed(struct lifecycle *lifecycle, int32_t dir);
bool lifecycle_is_unfenced(const struct lifecycle *lifecycle);

/* signals.c: SIGTERM, SIGINT and SIGHUP stop this node; NULL: nobody. */
struct node;
void signals_watch(struct node *node);

#endif
