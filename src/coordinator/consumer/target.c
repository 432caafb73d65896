/* Who is to have which partitions: what a group subscribes to, and what the assignor makes of
 * it. */
#include <stdlib.h>

#include "assignor/assignor.h"
#include "coordinator/group/internal.h"

static int views_in_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

const struct string_view *consumer_topic_names(const struct consumer_group *consumer,
                                               struct arena *arena, size_t *count)
{
    size_t most = consumer->names.count;
    size_t cursor = 0;
    size_t filled = 0;
    size_t kept = 0;
    const struct consumer_expression *expression;
    const struct consumer_chain *chain;
    while ((expression = map_next(&consumer->expressions, &cursor)) != NULL) {
        most += expression->topic_count;
    }
    struct string_view *names = arena_array(arena, most, sizeof *names);
    cursor = 0;
    while (names != NULL && (chain = map_next(&consumer->names, &cursor)) != NULL) {
        names[filled++] = CONTAINER_OF(chain, struct consumer_link, chain)->key;
    }
    cursor = 0;
    while (names != NULL && (expression = map_next(&consumer->expressions, &cursor)) != NULL) {
        bool used = consumer_regex_members(consumer, expression->regex) > 0;
        for (size_t i = 0; used && i < expression->topic_count; i++) {
            names[filled++] = expression->topics[i];
        }
    }
    ASSERT(filled <= most);
    if (filled > 1) {
        qsort(names, filled, sizeof *names, views_in_order);
    }
    for (size_t i = 0; i < filled; i++) {
        if (kept == 0 || !string_view_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    *count = kept;
    return names;
}

const struct uuid *consumer_member_topics(const struct consumer_group *consumer,
                                          const struct consumer_facts *facts,
                                          struct arena *arena, size_t *count)
{
    const struct cluster *cluster = consumer->group->owner->options.cluster;
    const struct consumer_expression *expression =
        consumer_expression_find(consumer, facts->regex);
    size_t more = expression == NULL ? 0 : expression->topic_count;
    struct uuid *ids = arena_array(arena, facts->name_count + more, sizeof *ids);
    size_t filled = 0;
    for (size_t i = 0; ids != NULL && i < facts->name_count + more; i++) {
        struct cluster_topic topic;
        struct string_view name = i < facts->name_count
                                      ? facts->names[i].key
                                      : expression->topics[i - facts->name_count];
        if (cluster->topic_by_name(cluster->context, name, &topic)) {
            ids[filled++] = topic.id;
        }
    }
    *count = ids == NULL ? 0 : uuids_order(ids, filled);
    return ids;
}

/* ---- what the assignor gets ---- */

struct planning {
    const struct consumer_group *consumer;
    struct arena *arena;
    struct consumer_member **members; /* in the order of their ids */
    size_t member_count;
    struct assignor_topic *topics; /* in the order of their ids */
    uint32_t topic_count;
    uint8_t **taken; /* a bit a partition: some member is to have it so far */
    struct assignor_member *in;
    struct assignor_assignment *out;
};

static int topics_by_id(const void *a, const void *b)
{
    return uuid_compare(((const struct assignor_topic *)a)->id,
                        ((const struct assignor_topic *)b)->id);
}

static bool plan_topics(struct planning *plan)
{
    const struct cluster *cluster = plan->consumer->group->owner->options.cluster;
    size_t count;
    const struct string_view *names = consumer_topic_names(plan->consumer, plan->arena, &count);
    plan->topics = arena_array(plan->arena, count, sizeof *plan->topics);
    plan->taken = arena_array(plan->arena, count, sizeof *plan->taken);
    for (size_t i = 0; !plan->arena->failed && i < count; i++) {
        struct cluster_topic topic;
        if (cluster->topic_by_name(cluster->context, names[i], &topic)) {
            plan->topics[plan->topic_count++] =
                (struct assignor_topic){topic.id, topic.partition_count};
        }
    }
    if (plan->topic_count > 1) {
        qsort(plan->topics, plan->topic_count, sizeof *plan->topics, topics_by_id);
    }
    for (uint32_t i = 0; !plan->arena->failed && i < plan->topic_count; i++) {
        plan->taken[i] =
            arena_array(plan->arena, ((size_t)plan->topics[i].partition_count + 7) / 8, 1);
    }
    return !plan->arena->failed;
}

/* UINT32_MAX: nobody subscribes to it, or it is gone. */
static uint32_t plan_topic(const struct planning *plan, struct uuid id)
{
    struct assignor_topic wanted = {.id = id};
    const struct assignor_topic *found =
        plan->topic_count == 0 ? NULL
                               : bsearch(&wanted, plan->topics, plan->topic_count,
                                         sizeof *plan->topics, topics_by_id);
    return found == NULL ? UINT32_MAX : (uint32_t)(found - plan->topics);
}

static bool plan_subscription(struct planning *plan, size_t index)
{
    size_t count;
    const struct uuid *ids =
        consumer_member_topics(plan->consumer, consumer_facts_of(plan->members[index]),
                               plan->arena, &count);
    uint32_t *topics = arena_array(plan->arena, count, sizeof *topics);
    uint32_t filled = 0;
    for (size_t i = 0; !plan->arena->failed && i < count; i++) {
        uint32_t topic = plan_topic(plan, ids[i]);
        ASSERT(topic != UINT32_MAX);
        topics[filled++] = topic; /* ids are ascending, and so are their places */
    }
    plan->in[index].topics = topics;
    plan->in[index].topics_count = filled;
    return !plan->arena->failed;
}

/* What the log says may be anything: a partition that is gone, or that another is to have too, is
 * left out. */
static bool plan_take(struct planning *plan, uint32_t topic, int32_t partition)
{
    ASSERT(topic < plan->topic_count);
    if (partition < 0 || partition >= plan->topics[topic].partition_count) {
        return false;
    }
    uint8_t *byte = &plan->taken[topic][partition / 8];
    uint8_t bit = (uint8_t)(1u << (partition % 8));
    bool free = (*byte & bit) == 0;
    *byte |= bit;
    return free;
}

static bool plan_current(struct planning *plan, size_t index)
{
    struct partition_set set = consumer_target_of(plan->members[index]);
    struct assignor_partitions *topics =
        arena_array(plan->arena, partition_set_topics(set), sizeof *topics);
    int32_t *numbers = arena_array(plan->arena, set.count, sizeof *numbers);
    uint32_t filled = 0;
    for (size_t i = 0; !plan->arena->failed && i < set.count;) {
        size_t end = partition_set_topic_end(set, i);
        uint32_t topic = plan_topic(plan, set.items[i].topic);
        uint32_t count = 0;
        for (size_t j = i; topic != UINT32_MAX && j < end; j++) {
            if (plan_take(plan, topic, set.items[j].partition)) {
                numbers[i + count++] = set.items[j].partition;
            }
        }
        if (count > 0) {
            topics[filled++] = (struct assignor_partitions){topic, &numbers[i], count};
        }
        i = end;
    }
    plan->in[index].current = (struct assignor_assignment){topics, filled};
    return !plan->arena->failed;
}

static bool plan_members(struct planning *plan)
{
    plan->in = arena_array(plan->arena, plan->member_count, sizeof *plan->in);
    plan->out = arena_array(plan->arena, plan->member_count, sizeof *plan->out);
    for (size_t i = 0; !plan->arena->failed && i < plan->member_count; i++) {
        plan->in[i].member_id = plan->members[i]->id;
        plan->in[i].instance_id = consumer_facts_of(plan->members[i])->instance_id;
        if (!plan_subscription(plan, i) || !plan_current(plan, i)) {
            return false;
        }
    }
    return !plan->arena->failed;
}

/* ---- which assignor: the one that most members ask for, the first configured without ---- */

static const struct assignor *choose_assignor(const struct consumer_group *consumer)
{
    const struct group_options *options = &consumer->group->owner->options;
    size_t votes[GROUP_ASSIGNORS_MAX] = {0};
    size_t best = 0;
    size_t cursor = 0;
    const struct consumer_member *member;
    while ((member = map_next(&consumer->members, &cursor)) != NULL) {
        struct string_view wanted = consumer_facts_of(member)->assignor;
        for (size_t j = 0; wanted.data != NULL && j < options->assignor_count; j++) {
            votes[j] += string_view_is(wanted, options->assignors[j]->name);
        }
    }
    ASSERT(options->assignor_count > 0 && options->assignor_count <= GROUP_ASSIGNORS_MAX);
    for (size_t j = 1; j < options->assignor_count; j++) {
        best = votes[j] > votes[best] ? j : best;
    }
    return options->assignors[best];
}

const char *consumer_assignor_name(const struct consumer_group *consumer)
{
    return choose_assignor(consumer)->name;
}

static struct partition_set planned_set(const struct planning *plan, size_t index)
{
    const struct assignor_assignment *out = &plan->out[index];
    size_t count = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        ASSERT(out->topics[i].topic < plan->topic_count && out->topics[i].count > 0);
        count += out->topics[i].count;
    }
    struct partition_item *items = arena_array(plan->arena, count, sizeof *items);
    size_t filled = 0;
    for (uint32_t i = 0; items != NULL && i < out->count; i++) {
        for (uint32_t j = 0; j < out->topics[i].count; j++) {
            items[filled++] = (struct partition_item){plan->topics[out->topics[i].topic].id,
                                                      out->topics[i].partitions[j], 0};
        }
    }
    return (struct partition_set){items, items == NULL ? 0 : partition_items_order(items, filled)};
}

static bool plan_write(struct planning *plan)
{
    struct group *group = plan->consumer->group;
    struct consumer_writing to = {group->owner->runtime, group->id, plan->arena};
    for (size_t i = 0; i < plan->member_count; i++) {
        struct partition_set set = planned_set(plan, i);
        if (plan->arena->failed) {
            return false;
        }
        if (plan->members[i]->target == NULL ||
            !partition_sets_equal(set, plan->members[i]->target->partitions, false)) {
            consumer_write_target(&to, plan->members[i]->id, set);
        }
    }
    consumer_write_target_epoch(&to, plan->consumer->epoch,
                                runtime_now(group->owner->runtime).wall_ms);
    return !plan->arena->failed;
}

bool consumer_assign(struct group *group, struct arena *arena)
{
    struct planning plan = {.consumer = group->consumer, .arena = arena};
    ASSERT(group->kind == GROUP_CONSUMER && group->consumer->member_count > 0);
    plan.members = consumer_members_sorted(group->consumer, &plan.member_count);
    bool done = plan.members != NULL && plan_topics(&plan) && plan_members(&plan);
    if (done) {
        struct assignor_group in = {plan.in, (uint32_t)plan.member_count, plan.topics,
                                    plan.topic_count};
        done = choose_assignor(plan.consumer)->assign(&in, arena, plan.out) == 0 &&
               plan_write(&plan);
    }
    mem_free(plan.members);
    if (!done) {
        runtime_fail(group->owner->runtime);
    }
    return done && runtime_apply(group->owner->runtime);
}

bool consumer_assignment_is_due(const struct consumer_group *consumer)
{
    int32_t interval_ms = consumer_settings(consumer->group).assignment_interval_ms;
    int64_t now_ms = runtime_now(consumer->group->owner->runtime).wall_ms;
    if (consumer->epoch <= consumer->assignment_epoch) {
        return false;
    }
    /* A time that is still to come is of a clock that was set back. */
    return consumer->assignment_ms <= 0 || consumer->assignment_ms > now_ms || interval_ms <= 0 ||
           now_ms - interval_ms >= consumer->assignment_ms;
}

struct cluster_group_settings consumer_settings(const struct group *group)
{
    const struct cluster *cluster = group->owner->options.cluster;
    struct consumer_group *consumer = group->consumer;
    int64_t version = cluster->version(cluster->context);
    ASSERT(version >= 0);
    if (consumer->settings_version != version) {
        cluster->group_settings(cluster->context, group->id, &consumer->settings);
        consumer->settings_version = version;
    }
    ASSERT(consumer->settings.session_timeout_ms > 0);
    ASSERT(consumer->settings.heartbeat_interval_ms > 0);
    return consumer->settings;
}
