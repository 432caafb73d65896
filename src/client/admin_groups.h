/* admin_groups.h: asking the coordinators of groups, several groups at once, until each has its
 * answer. Thread: the caller's. */
#ifndef BNB_CLIENT_ADMIN_GROUPS_H
#define BNB_CLIENT_ADMIN_GROUPS_H

#include <barnabas/groups.h>

#include "client/admin.h"

/* A group and what is known of it so far. */
struct group_place {
    const char *id;
    int32_t node; /* its coordinator; -1: to be found */
    const char *host;
    int32_t port;
    bool is_classic; /* to be asked about by the classic protocol */
    const char *stranger_text; /* why it is not of the newer one; NULL */
    bool is_done;
    int code;
    const char *error_text;
};
struct group_job {
    struct bnb_admin *admin;
    struct bnb_memory *memory;
    const char *name; /* as errors call it */
    struct group_place *places;
    int32_t count;  /* with different ids */
    int32_t cursor; /* where the next answer is looked for first */
    bool waits; /* somebody asked for patience: a pause before the next round */
    void *context; /* of ask */
    /* Asks a coordinator about the places that are its and not done. */
    int (*ask)(struct group_job *job, int32_t node, struct bnb_error *error);
};

/* Fills job->places for ids; 0, or BNB_ERROR_NO_MEMORY. */
int group_job_init(struct group_job *job, const char *const *ids, int32_t count,
                   struct bnb_error *error);
/* Runs until every place is done or the time is over. Fails when nothing could be asked. */
int group_job_run(struct group_job *job, struct bnb_error *error);
/* The ids of the places of node that wait for an answer by the protocol; NULL: out of memory. */
struct string_view *group_job_ids(struct group_job *job, int32_t node, bool is_classic,
                                  int32_t *count, struct bnb_error *error);
/* The place of an answer; NULL: nobody asked. */
struct group_place *group_job_find(struct group_job *job, struct string_view id);
/* What a coordinator said of a place: done with it, or once more. text may be null. */
void group_job_settle(struct group_job *job, struct group_place *place, int16_t error_code,
                      struct string_view text);

#endif
