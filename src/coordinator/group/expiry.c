/* Offsets that nobody has used for offsets.retention.minutes go, and empty groups without any.
 * Mirrors OffsetMetadataManager.cleanupExpiredOffsets. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

/* Since when an offset counts as unused: false where it never does. */
static bool unused_since(const struct group *group, const struct offset_version *version,
                         int64_t *since_ms)
{
    *since_ms = version->commit_ms;
    if (group->kind != GROUP_CLASSIC || group->protocol_type.data == NULL) {
        return group->kind == GROUP_CLASSIC || group->kind == GROUP_CONSUMER;
    }
    if (group->state == CLASSIC_EMPTY) {
        if (group->state_since_ms >= 0) {
            *since_ms = group->state_since_ms;
        }
        return true;
    }
    return classic_uses_consumer_protocol(group) && group->topics_known &&
           group->state == CLASSIC_STABLE;
}

static bool is_expired(const struct group *group, const struct offset_entry *entry)
{
    const struct group_coordinator *owner = group->owner;
    const struct offset_version *version = offset_committed(entry);
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    int64_t since_ms;
    bool used = group_subscribes(group, entry->key.topic);
    if (version == NULL || version != entry->newest || entry->pending > 0 || used ||
        !unused_since(group, version, &since_ms)) {
        return false;
    }
    /* The log says since when: any number. */
    return version->expire_ms >= 0
               ? now_ms >= version->expire_ms
               : since_ms <= now_ms - owner->options.offsets_retention_ms;
}

static void expire_group(struct group *group)
{
    struct group_coordinator *owner = group->owner;
    ASSERT(owner->options.offsets_retention_ms >= 0);
    size_t count;
    struct offset_entry **entries = offsets_sorted(offsets_of(owner, group->id), &count);
    size_t expired = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_expired(group, entries[i])) {
            offset_write_tombstone(owner, entries[i]);
            expired++;
        }
    }
    mem_free(entries);
    owner->counts.expirations += (int64_t)expired;
    bool idle = group->kind != GROUP_CLASSIC || list_empty(&group->pendings);
    bool all = entries != NULL ? expired == count : offsets_of(owner, group->id) == NULL;
    if (all && group->committed && idle && group_is_empty(group)) {
        group_write_end(group);
    }
}

void offset_expire(struct group_coordinator *owner)
{
    size_t count;
    struct group **groups = groups_sorted(owner, &count);
    for (size_t i = 0; i < count; i++) {
        expire_group(groups[i]);
    }
    mem_free(groups);
}

struct forget_topic {
    struct group_coordinator *owner;
    struct string_view name;
    struct uuid id;
};

static int groups_of_offsets(const void *a, const void *b)
{
    return string_view_compare((*(struct offset_group *const *)a)->id,
                               (*(struct offset_group *const *)b)->id);
}

static void forget_in_group(const struct forget_topic *forget, const struct offset_group *group)
{
    size_t count;
    struct offset_entry **entries = offsets_sorted(group, &count);
    for (size_t i = 0; i < count; i++) {
        const struct offset_version *version = offset_newest(entries[i]);
        bool same = string_view_equal(entries[i]->key.topic, forget->name) &&
                    (version == NULL || uuid_is_zero(version->topic_id) ||
                     uuid_equal(version->topic_id, forget->id));
        if (same && (version != NULL || entries[i]->pending > 0)) {
            offset_write_tombstone(forget->owner, entries[i]);
            forget->owner->counts.deletions++;
        }
    }
    mem_free(entries);
}

static void forget_topic(void *context)
{
    const struct forget_topic *forget = context;
    struct group_coordinator *owner = forget->owner;
    struct offset_group **groups = mem_alloc((owner->offsets.count + 1) * sizeof *groups);
    size_t cursor = 0;
    size_t count = 0;
    struct offset_group *group;
    while (groups != NULL && (group = map_next(&owner->offsets, &cursor)) != NULL) {
        groups[count++] = group;
    }
    if (count > 1) {
        qsort(groups, count, sizeof *groups, groups_of_offsets);
    }
    for (size_t i = 0; i < count; i++) {
        forget_in_group(forget, groups[i]);
    }
    mem_free(groups);
}

void group_coordinator_forget_topic(struct group_coordinator *owner, struct string_view name,
                                    struct uuid id, struct runtime_time now)
{
    struct forget_topic forget = {owner, name, id};
    if (runtime_state(owner->runtime) == RUNTIME_ACTIVE) {
        runtime_run(owner->runtime, forget_topic, &forget, now);
    }
}
