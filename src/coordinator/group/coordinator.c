/* The table of groups, and the machine that runtime.h runs. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

static const void *group_key_of(const void *element)
{
    return &((const struct group *)element)->id;
}
static bool group_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct group *)element)->id, *(const struct string_view *)key);
}

struct group *group_find(const struct group_coordinator *owner, struct string_view id)
{
    return map_find(&owner->groups, &id);
}

struct group *group_make(struct group_coordinator *owner, struct string_view id)
{
    ASSERT(group_find(owner, id) == NULL);
    struct group *group = mem_calloc(1, sizeof *group);
    if (group == NULL) {
        return NULL;
    }
    group->owner = owner;
    list_init(&group->kept);
    classic_init(group, owner->options.seed);
    if (!text_copy(id, &group->id) || group->join_timer.runtime == NULL ||
        group->sync_timer.runtime == NULL || map_insert(&owner->groups, group) != 0) {
        group_free(group);
        return NULL;
    }
    owner->counts.groups++;
    owner->counts.empty++;
    owner->counts.of_kind[GROUP_CLASSIC]++;
    return group;
}

void group_set_kind(struct group *group, enum group_kind kind)
{
    struct group_counts *counts = &group->owner->counts;
    ASSERT(group->kind == GROUP_CLASSIC && kind != GROUP_CLASSIC);
    counts->empty--; /* that counts classic ones */
    counts->of_kind[group->kind]--;
    counts->of_kind[kind]++;
    group->kind = kind;
}

struct group *group_make_consumer(struct group_coordinator *owner, struct string_view id)
{
    struct group *group = group_make(owner, id);
    if (group == NULL) {
        return NULL;
    }
    group->consumer = consumer_group_make(group);
    if (group->consumer == NULL) {
        group_take(group);
        group_free(group);
        return NULL;
    }
    group_set_kind(group, GROUP_CONSUMER);
    consumer_count_later(group->consumer);
    group->committed = true;
    return group;
}

void group_take(struct group *group)
{
    void *taken = map_take(&group->owner->groups, &group->id);
    ASSERT(taken == group);
    group->owner->counts.groups--;
    group->owner->counts.of_kind[group->kind]--;
    if (group->kind == GROUP_CLASSIC) {
        classic_set_state(group, CLASSIC_DEAD);
        group->owner->counts.dead--;
    } else if (group->kind == GROUP_CONSUMER) {
        consumer_resolution_stop(group->consumer);
        consumer_uncount(group->consumer);
    }
}

void group_put_back(struct group *group)
{
    struct group *newer = group_find(group->owner, group->id);
    if (newer != NULL) { /* joined in the belief that this one had ended */
        ASSERT(newer->kind == GROUP_CLASSIC && newer != group);
        classic_answer_all(newer, KAFKA_COORDINATOR_NOT_AVAILABLE);
        group_take(newer);
        group_free(newer);
    }
    /* The slot that it left is still there: a table does not shrink. */
    int error = map_insert(&group->owner->groups, group);
    ASSERT(error == 0);
    group->owner->counts.groups++;
    group->owner->counts.of_kind[group->kind]++;
    if (group->kind == GROUP_CLASSIC) {
        group->state = CLASSIC_EMPTY;
        group->owner->counts.empty++;
    } else if (group->kind == GROUP_CONSUMER) {
        consumer_count_later(group->consumer);
    }
}

void group_free(struct group *group)
{
    classic_release(group);
    consumer_group_free(group->consumer);
    kept_release(group);
    text_free(&group->id);
    mem_free(group);
}

bool group_is_empty(const struct group *group)
{
    return group->kind == GROUP_CLASSIC    ? group->state == CLASSIC_EMPTY
           : group->kind == GROUP_CONSUMER ? group->consumer->member_count == 0
                                           : !kept_has_members(group);
}

bool group_subscribes(const struct group *group, struct string_view topic)
{
    return group->kind == GROUP_CLASSIC    ? classic_subscribes(group, topic)
           : group->kind == GROUP_CONSUMER ? consumer_subscribes(group->consumer, topic)
                                           : kept_has_members(group);
}

void group_write_end(struct group *group)
{
    struct runtime *runtime = group->owner->runtime;
    if (group->kind == GROUP_CLASSIC) {
        struct group_metadata_key key = {group->id};
        runtime_write(runtime, GROUP_RECORD_GROUP, &group_metadata_key_row, &key, NULL, 0, NULL);
        return;
    }
    if (group->kind == GROUP_CONSUMER) {
        consumer_write_end(group);
        return;
    }
    LIST_FOR_EACH(node, &group->kept)
    {
        const struct kept_record *record = CONTAINER_OF(node, struct kept_record, node);
        runtime_write_bytes(runtime, record->key, (struct bytes_view){NULL, 0});
    }
}

static void group_handle(void *context, struct runtime_call *call)
{
    struct group_coordinator *owner = context;
    switch (call->api_key) {
    case API_JOIN_GROUP:
        classic_join(owner, call);
        break;
    case API_SYNC_GROUP:
        classic_sync(owner, call);
        break;
    case API_HEARTBEAT:
        classic_heartbeat(owner, call);
        break;
    case API_LEAVE_GROUP:
        classic_leave(owner, call);
        break;
    case API_CONSUMER_GROUP_HEARTBEAT:
        consumer_heartbeat(owner, call);
        break;
    case API_CONSUMER_GROUP_DESCRIBE:
        consumer_describe(owner, call);
        break;
    case API_OFFSET_COMMIT:
        offset_commit(owner, call);
        break;
    case API_TXN_OFFSET_COMMIT:
        offset_commit_transactional(owner, call);
        break;
    case API_OFFSET_FETCH:
        offset_fetch(owner, call);
        break;
    case API_OFFSET_DELETE:
        offset_delete(owner, call);
        break;
    case API_LIST_GROUPS:
        group_list(owner, call);
        break;
    case API_DESCRIBE_GROUPS:
        group_describe(owner, call);
        break;
    default:
        ASSERT(call->api_key == API_DELETE_GROUPS);
        group_delete(owner, call);
        break;
    }
}

static void expiry_fire(struct runtime_timer *timer)
{
    struct group_coordinator *owner =
        CONTAINER_OF(timer, struct group_coordinator, expiry_timer);
    offset_expire(owner);
    runtime_timer_arm(timer, owner->options.offsets_retention_check_interval_ms);
}

/* Sessions start anew: nobody could be heard of meanwhile. */
static void classic_begin_sessions(struct group *group)
{
    LIST_FOR_EACH(node, &group->members)
    {
        classic_heard_of(CONTAINER_OF(node, struct classic_member, node));
    }
    if (group->state == CLASSIC_STABLE && group->state_since_ms < 0) {
        /* It was to be rebalanced when it had changed its protocol (consumer/migrate.c). */
        classic_prepare_rebalance(group, "the group has changed its protocol",
                                  string_view_of(""));
    } else if (classic_member_count(group) > group->owner->options.max_size) {
        classic_prepare_rebalance(group, "the group is larger than group.max.size",
                                  string_view_of(""));
    }
}

static int groups_by_id(const void *a, const void *b)
{
    return string_view_compare((*(struct group *const *)a)->id, (*(struct group *const *)b)->id);
}

struct group **groups_sorted(const struct group_coordinator *owner, size_t *count)
{
    *count = 0;
    struct group **groups = mem_alloc((owner->groups.count + 1) * sizeof *groups);
    size_t cursor = 0;
    struct group *group;
    while (groups != NULL && (group = map_next(&owner->groups, &cursor)) != NULL) {
        groups[(*count)++] = group;
    }
    if (*count > 1) {
        qsort(groups, *count, sizeof *groups, groups_by_id);
    }
    return groups;
}

/* Offsets whose group has no record of its own belong to a simple group, which has nothing else. */
static void groups_complete(struct group_coordinator *owner)
{
    size_t count;
    struct group **groups = groups_sorted(owner, &count);
    for (size_t i = 0; i < count; i++) {
        if (groups[i]->simple && offsets_of(owner, groups[i]->id) == NULL) {
            group_take(groups[i]);
            group_free(groups[i]);
        }
    }
    mem_free(groups);
    size_t cursor = 0;
    const struct offset_group *offsets;
    while ((offsets = map_next(&owner->offsets, &cursor)) != NULL) {
        struct group *group = group_find(owner, offsets->id);
        if (group == NULL && offsets_make_a_group(offsets) &&
            (group = group_make(owner, offsets->id)) != NULL) {
            group->simple = group->committed = true;
        }
    }
}

static void group_loaded(void *context)
{
    struct group_coordinator *owner = context;
    ASSERT(runtime_state(owner->runtime) == RUNTIME_ACTIVE);
    groups_complete(owner);
    size_t count;
    struct group **groups = groups_sorted(owner, &count);
    for (size_t i = 0; i < count; i++) {
        if (groups[i]->kind == GROUP_CLASSIC) {
            classic_begin_sessions(groups[i]);
        } else if (groups[i]->kind == GROUP_CONSUMER) {
            consumer_begin_sessions(groups[i]->consumer);
        }
    }
    mem_free(groups);
    runtime_timer_arm(&owner->expiry_timer, owner->options.offsets_retention_check_interval_ms);
}

static void groups_end(struct group_coordinator *owner, bool answer)
{
    size_t cursor = 0;
    struct group *group;
    while ((group = map_next(&owner->groups, &cursor)) != NULL) {
        if (answer) {
            classic_answer_all(group, KAFKA_NOT_COORDINATOR);
        }
        group_free(group);
    }
    map_release(&owner->groups);
    owner->counts.groups = owner->counts.empty = owner->counts.stable = 0;
    owner->counts.preparing_rebalance = owner->counts.completing_rebalance = 0;
    owner->counts.dead = 0;
    memset(owner->counts.of_kind, 0, sizeof owner->counts.of_kind);
    memset(owner->counts.consumer_state, 0, sizeof owner->counts.consumer_state);
    ASSERT(list_empty(&owner->uncounted));
    offsets_release(owner);
    owner->counts.offsets = 0;
}

static void group_unload(void *context)
{
    struct group_coordinator *owner = context;
    groups_end(owner, true);
    runtime_timer_cancel(&owner->expiry_timer);
}

static const struct runtime_machine group_machine = {
    .handle = group_handle,
    .refuse = group_refuse,
    .replay = group_replay,
    .replay_marker = offset_replay_marker,
    .loaded = group_loaded,
    .unload = group_unload,
};

int group_coordinator_create(const struct group_options *options,
                             struct group_coordinator **created)
{
    ASSERT(options->max_size > 0 && options->offsets_retention_check_interval_ms > 0);
    ASSERT(options->cluster != NULL && options->assignor_count > 0);
    struct group_coordinator *owner = mem_calloc(1, sizeof *owner);
    *created = owner;
    if (owner == NULL) {
        return ERR_NOMEM;
    }
    owner->options = *options;
    list_init(&owner->uncounted);
    text_table_init(&owner->groups, options->seed, group_key_of, group_has_key);
    offsets_init(owner);
    int error = runtime_create(&group_machine, owner, &owner->runtime);
    if (error == 0) {
        error = runtime_timer_init(owner->runtime, &owner->expiry_timer, expiry_fire);
    }
    if (error != 0) {
        group_coordinator_destroy(created);
    }
    return error;
}

void group_coordinator_destroy(struct group_coordinator **destroyed)
{
    struct group_coordinator *owner = *destroyed;
    if (owner == NULL) {
        return;
    }
    if (owner->runtime != NULL) {
        runtime_forget(owner->runtime);
    }
    groups_end(owner, false);
    runtime_timer_release(&owner->expiry_timer);
    runtime_destroy(&owner->runtime);
    mem_free(owner);
    *destroyed = NULL;
}

struct runtime *group_coordinator_runtime(struct group_coordinator *coordinator)
{
    return coordinator->runtime;
}

void group_coordinator_follow_topics(struct group_coordinator *coordinator, bool created)
{
    const struct cluster *cluster = coordinator->options.cluster;
    size_t cursor = 0;
    struct group *group;
    while ((group = map_next(&coordinator->groups, &cursor)) != NULL) {
        if (group->kind == GROUP_CONSUMER) {
            group->consumer->refresh_wanted = true;
        }
    }
    if (created) {
        coordinator->new_topics_version = cluster->version(cluster->context);
    }
}

struct group_counts group_coordinator_counts(struct group_coordinator *coordinator)
{
    while (!list_empty(&coordinator->uncounted)) {
        consumer_count(
            CONTAINER_OF(coordinator->uncounted.next, struct consumer_group, uncounted_node));
    }
    return coordinator->counts;
}
