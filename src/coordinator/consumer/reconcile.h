/* reconcile.h: one step of a member from the partitions that it has to those that it is to have.
 *
 *   STABLE      it has what it is to have, at its epoch
 *   UNREVOKED   it must give up partitions first and stays at its epoch until it says that it has
 *   UNRELEASED  some of its partitions another member still has
 *   UNKNOWN     a newer broker has written what this one cannot read
 *
 * A pure function: what a member has, its target and who owns what go in, the next state comes out.
 * No partition is ever given to a member while another one has it, be it to give it up.
 * Mirrors CurrentAssignmentBuilder. Thread: any.   Errors: ERR_NOMEM. */
#ifndef BNB_COORDINATOR_CONSUMER_RECONCILE_H
#define BNB_COORDINATOR_CONSUMER_RECONCILE_H

#include "coordinator/consumer/partitions.h"

enum consumer_state { /* as in the log */
    CONSUMER_STABLE = 0,
    CONSUMER_UNREVOKED = 1,
    CONSUMER_UNRELEASED = 2,
    CONSUMER_UNKNOWN = 127,
};

/* What a member has. */
struct consumer_holding {
    enum consumer_state state;
    int32_t epoch;
    int32_t previous_epoch;
    struct partition_set assigned;
    struct partition_set revoking; /* to be given up; still the member's */
};

struct reconcile_input {
    struct consumer_holding holding;
    int32_t target_epoch;
    struct partition_set target;
    /* Topics that it subscribes to, ascending. */
    const struct uuid *topics;
    size_t topic_count;
    bool subscription_changed;
    /* What the member says that it owns. */
    bool owned_known;
    struct partition_set owned;
    /* Whether some member has the partition, to keep or to give up. */
    bool (*is_held)(const void *context, const struct partition_item *item);
    const void *context;
};

/* The next holding, in arena and in what input points at. *fenced: it has to start anew. */
int consumer_reconcile(const struct reconcile_input *input, struct arena *arena,
                       struct consumer_holding *next, bool *fenced);
/* Whether a record would say the same of both. */
bool consumer_holdings_equal(const struct consumer_holding *a, const struct consumer_holding *b);

#endif
