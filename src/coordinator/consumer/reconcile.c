#include "coordinator/consumer/reconcile.h"

#include "base/assert.h"
#include "base/err.h"

bool consumer_holdings_equal(const struct consumer_holding *a, const struct consumer_holding *b)
{
    return a->state == b->state && a->epoch == b->epoch &&
           a->previous_epoch == b->previous_epoch &&
           partition_sets_equal(a->assigned, b->assigned, true) &&
           partition_sets_equal(a->revoking, b->revoking, true);
}

/* Whether it may still own some of revoking: who does not say what he owns may own all of it. */
static bool still_owns(const struct reconcile_input *input, struct partition_set revoking)
{
    return !input->owned_known || partition_sets_meet(input->owned, revoking);
}

/* Gives it the epoch, be it the one that it has. */
static void enter_epoch(struct consumer_holding *next, int32_t epoch)
{
    ASSERT(epoch >= 0 || epoch == next->epoch);
    next->previous_epoch = next->epoch;
    next->epoch = epoch;
}

/* What it does not subscribe to any more goes, without a look at the target. */
static void drop_unsubscribed(const struct reconcile_input *input, struct arena *arena,
                              struct consumer_holding *next)
{
    const struct consumer_holding *now = &input->holding;
    struct partition_set kept =
        partition_set_of_topics(now->assigned, input->topics, input->topic_count, arena);
    if (kept.count == now->assigned.count) {
        return;
    }
    struct partition_set gone = partition_set_without(now->assigned, kept, arena);
    struct partition_set revoking = partition_set_union(gone, now->revoking, arena);
    ASSERT(arena->failed || revoking.count >= gone.count);
    enter_epoch(next, now->epoch);
    next->assigned = kept;
    if (revoking.count > 0 && still_owns(input, revoking)) {
        next->state = CONSUMER_UNREVOKED;
        next->revoking = revoking;
    }
}

/* Of what it is to get, what nobody has; what it gives up itself counts as free. */
static struct partition_set free_of(const struct reconcile_input *input,
                                    struct partition_set wanted, struct arena *arena)
{
    struct partition_item *items = arena_array(arena, wanted.count, sizeof *items);
    struct partition_set out = {items, 0};
    for (size_t i = 0; items != NULL && i < wanted.count; i++) {
        const struct partition_item *item = &wanted.items[i];
        const struct partition_item *own =
            partition_set_find(input->holding.revoking, item->topic, item->partition);
        if (own != NULL || !input->is_held(input->context, item)) {
            items[out.count] = *item;
            items[out.count++].epoch = input->target_epoch;
        }
    }
    return out;
}

static void approach_target(const struct reconcile_input *input, int32_t epoch,
                            struct arena *arena, struct consumer_holding *next)
{
    const struct consumer_holding *now = &input->holding;
    struct partition_set target =
        partition_set_of_topics(input->target, input->topics, input->topic_count, arena);
    struct partition_set kept = partition_set_both(now->assigned, target, arena);
    struct partition_set gone = partition_set_without(now->assigned, kept, arena);
    struct partition_set wanted = partition_set_without(target, kept, arena);
    struct partition_set added = free_of(input, wanted, arena);
    ASSERT(arena->failed || kept.count + gone.count == now->assigned.count);
    if (gone.count > 0 && still_owns(input, gone)) {
        next->state = CONSUMER_UNREVOKED;
        enter_epoch(next, epoch);
        next->assigned = kept;
        next->revoking = gone;
        return;
    }
    next->state = added.count < wanted.count ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
    enter_epoch(next, input->target_epoch);
    next->assigned = added.count == 0 ? kept : partition_set_union(kept, added, arena);
    next->revoking = (struct partition_set){NULL, 0};
}

int consumer_reconcile(const struct reconcile_input *input, struct arena *arena,
                       struct consumer_holding *next, bool *fenced)
{
    const struct consumer_holding *now = &input->holding;
    ASSERT(input->is_held != NULL && input->target_epoch >= 0);
    *next = *now;
    *fenced = false;
    switch (now->state) {
    case CONSUMER_STABLE:
        if (now->epoch != input->target_epoch) {
            approach_target(input, now->epoch, arena, next);
        } else if (input->subscription_changed) {
            drop_unsubscribed(input, arena, next);
        }
        break;
    case CONSUMER_UNREVOKED:
        if (!still_owns(input, now->revoking)) {
            approach_target(input, now->epoch, arena, next);
        } else if (input->subscription_changed) {
            drop_unsubscribed(input, arena, next);
        }
        break;
    case CONSUMER_UNRELEASED:
        approach_target(input, now->epoch, arena, next);
        break;
    case CONSUMER_UNKNOWN:
        *fenced = !input->owned_known || input->owned.count > 0;
        if (!*fenced) {
            approach_target(input, input->target_epoch, arena, next);
        }
        break;
    }
    ASSERT(arena->failed || *fenced || !partition_sets_meet(next->assigned, next->revoking) ||
           partition_sets_meet(now->assigned, now->revoking));
    return arena->failed ? ERR_NOMEM : 0;
}
