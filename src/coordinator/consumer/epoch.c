/* The epoch of a group: it grows whenever what its assignment depends on has changed, which begins
 * a rebalance. The rebalance is over when every member is where the newest target has it. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/group/internal.h"

void consumer_begin_rebalance(struct consumer_group *consumer, const char *why,
                              struct string_view member)
{
    char id[96];
    if (consumer->rebalancing) {
        return;
    }
    consumer->rebalancing = true;
    consumer->rebalance_moved = 0;
    consumer->rebalance_since_ms = runtime_now(consumer->group->owner->runtime).monotonic_ms;
    snprintf(consumer->trigger, sizeof consumer->trigger, "%s%s%s", why,
             member.size > 0 ? ": " : "",
             member.size > 0 ? text_printable(member, id, sizeof id) : "");
}

void consumer_note_progress(struct group *group)
{
    struct consumer_group *consumer = group->consumer;
    char id[128];
    if (!consumer->rebalancing) {
        return;
    }
    enum consumer_group_state state = consumer_group_state(consumer);
    if (state != CONSUMER_GROUP_STABLE && state != CONSUMER_GROUP_EMPTY) {
        return;
    }
    struct runtime_time now = runtime_now(group->owner->runtime);
    consumer->rebalancing = false;
    runtime_note(group->owner->runtime,
                 "rebalance group=\"%s\" epoch=%" PRId32 " trigger=\"%s\" took_ms=%" PRId64
                 " members=%zu partitions_moved=%" PRId32,
                 text_printable(group->id, id, sizeof id), consumer->epoch, consumer->trigger,
                 now.monotonic_ms - consumer->rebalance_since_ms, consumer->member_count,
                 consumer->rebalance_moved);
}

static int64_t current_hash(const struct consumer_group *consumer, struct arena *arena)
{
    size_t count;
    const struct string_view *names = consumer_topic_names(consumer, arena, &count);
    return names == NULL
               ? 0
               : consumer_metadata_hash(consumer->group->owner->options.cluster, names, count);
}

bool consumer_refresh_epoch(struct group *group, bool bump, const char *why,
                            struct string_view member, struct arena *arena)
{
    struct consumer_group *consumer = group->consumer;
    struct consumer_writing to = {group->owner->runtime, group->id, arena};
    ASSERT(group->kind == GROUP_CONSUMER && why != NULL);
    bump |= consumer->epoch == 0; /* a classic group until now, that had no generation yet */
    if (!bump && !consumer->refresh_wanted) {
        return true;
    }
    int64_t hash = current_hash(consumer, arena);
    if (arena->failed) {
        return false;
    }
    if (bump || hash != consumer->metadata_hash) {
        ASSERT(consumer->epoch < INT32_MAX);
        consumer_write_epoch(&to, consumer->epoch + 1, hash);
        consumer_begin_rebalance(consumer, why, member);
        group->owner->counts.consumer_rebalances++;
    }
    if (consumer->has_partition_metadata) {
        consumer_write_no_partitions(&to);
    }
    consumer->refresh_wanted = false;
    return runtime_apply(group->owner->runtime);
}
