/* Expressions that members subscribe to: checked when they come, and resolved to topics beside the
 * heartbeats, a slice of the topics at a time. What was found becomes records of the group (16),
 * all of its expressions together, so that one new epoch follows. Mirrors
 * maybeUpdateRegularExpressions and handleRegularExpressionsResult of GroupMetadataManager. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/regex.h"
#include "coordinator/group/internal.h"

#define REFRESH_MIN_MS 10000
#define RESOLUTION_ARENA_BYTES (64u << 20)

/* One run over all topics. */
struct consumer_resolution {
    struct consumer_group *consumer;
    struct runtime_timer timer;
    struct arena arena;
    struct resolving {
        struct string_view text;
        struct regex *regex; /* NULL: it matches nothing */
        struct string_view *topics;
        size_t count;
        size_t capacity;
    } *expressions;
    size_t expression_count;
    size_t steps;             /* of all of them, for one byte of a name */
    struct string_view after; /* the last topic that was looked at; null: none yet */
    int64_t version;
};

void consumer_resolution_stop(struct consumer_group *consumer)
{
    struct consumer_resolution *run = consumer->resolution;
    if (run == NULL) {
        return;
    }
    consumer->resolution = NULL;
    runtime_timer_release(&run->timer);
    for (size_t i = 0; i < run->expression_count; i++) {
        regex_destroy(&run->expressions[i].regex);
        mem_free(run->expressions[i].topics);
    }
    arena_release(&run->arena);
    mem_free(run);
}

/* ---- a member that changes its expression ---- */

static bool is_set(struct string_view regex) { return regex.size > 0; }

static int16_t check_expression(struct string_view text, struct arena *arena,
                                struct string_view *message)
{
    struct regex *regex;
    int error = regex_create(text, &regex);
    regex_destroy(&regex);
    if (error == ERR_INVALID) {
        *message = arena_format(arena,
                                "SubscribedTopicRegex `%.*s` is not a valid regular expression.",
                                (int)text.size, text.data);
        return KAFKA_INVALID_REGULAR_EXPRESSION;
    }
    return error == 0 ? 0 : KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t consumer_change_regex(const struct group *group, const struct consumer_writing *to,
                              struct string_view before, struct string_view after,
                              struct arena *arena, enum consumer_regex_change *change,
                              struct string_view *message)
{
    const struct consumer_group *consumer = group == NULL ? NULL : group->consumer;
    ASSERT(group == NULL || group->kind == GROUP_CONSUMER);
    *change = CONSUMER_REGEX_SAME;
    *message = (struct string_view){NULL, 0};
    if (string_view_equal(before, after)) {
        return 0;
    }
    *change = CONSUMER_REGEX_UNRESOLVED;
    if (is_set(after)) {
        if (consumer == NULL || consumer_regex_members(consumer, after) == 0) {
            int16_t error = check_expression(after, arena, message);
            if (error != 0) {
                return error;
            }
        } else if (consumer_expression_find(consumer, after) != NULL) {
            *change = CONSUMER_REGEX_RESOLVED;
        }
    } else if (is_set(before)) {
        *change = CONSUMER_REGEX_RESOLVED;
    }
    if (is_set(before) && consumer != NULL && consumer_regex_members(consumer, before) == 1) {
        consumer_write_expression_end(to, before);
    }
    return 0;
}

/* ---- when to resolve ---- */

/* Of the last run, as its records tell: the newest there is. */
static void last_run(const struct consumer_group *consumer, int64_t *time_ms, int64_t *version)
{
    size_t cursor = 0;
    const struct consumer_expression *expression;
    *time_ms = INT64_MIN;
    *version = INT64_MIN;
    while ((expression = map_next(&consumer->expressions, &cursor)) != NULL) {
        if (expression->timestamp_ms > *time_ms) {
            *time_ms = expression->timestamp_ms;
        }
        if (expression->version > *version) {
            *version = expression->version;
        }
    }
}

static bool run_is_due(const struct consumer_group *consumer)
{
    const struct group_coordinator *owner = consumer->group->owner;
    int64_t now_ms = runtime_now(owner->runtime).wall_ms;
    int64_t last_ms;
    int64_t version;
    if (consumer->regexes.count == 0 || consumer->resolution != NULL) {
        return false;
    }
    last_run(consumer, &last_ms, &version);
    ASSERT(owner->options.consumer_regex_refresh_ms > 0);
    if (last_ms > now_ms) {
        return true; /* by a clock that was set back */
    }
    if (last_ms != INT64_MIN && now_ms - last_ms <= REFRESH_MIN_MS) {
        return false;
    }
    return consumer->regexes.count != consumer->expressions.count ||
           version < owner->new_topics_version || last_ms == INT64_MIN ||
           now_ms - last_ms > owner->options.consumer_regex_refresh_ms;
}

static int texts_in_order(const void *a, const void *b)
{
    return string_view_compare(((const struct resolving *)a)->text,
                               ((const struct resolving *)b)->text);
}

static bool run_fill(struct consumer_resolution *run)
{
    const struct consumer_group *consumer = run->consumer;
    size_t cursor = 0;
    const struct consumer_chain *chain;
    run->expressions =
        arena_array(&run->arena, consumer->regexes.count, sizeof *run->expressions);
    while (run->expressions != NULL && (chain = map_next(&consumer->regexes, &cursor)) != NULL) {
        struct string_view text = CONTAINER_OF(chain, struct consumer_link, chain)->key;
        struct resolving *one = &run->expressions[run->expression_count++];
        one->text = arena_string(&run->arena, text);
        int error = regex_create(text, &one->regex);
        if (error == ERR_NOMEM) {
            return false;
        }
        if (error != 0) {
            one->regex = NULL; /* of a broker that reads it in another way */
        }
        run->steps += one->regex == NULL ? 1 : regex_steps(one->regex);
    }
    if (run->arena.failed) {
        return false;
    }
    qsort(run->expressions, run->expression_count, sizeof *run->expressions, texts_in_order);
    return true;
}

static void run_fire(struct runtime_timer *timer);

void consumer_maybe_resolve(struct group *group)
{
    struct consumer_group *consumer = group->consumer;
    const struct cluster *cluster = group->owner->options.cluster;
    if (!run_is_due(consumer)) {
        return;
    }
    struct consumer_resolution *run = mem_calloc(1, sizeof *run);
    if (run == NULL) {
        return; /* with a later heartbeat */
    }
    run->consumer = consumer;
    run->version = cluster->version(cluster->context);
    arena_init(&run->arena, RESOLUTION_ARENA_BYTES);
    consumer->resolution = run;
    if (runtime_timer_init(group->owner->runtime, &run->timer, run_fire) != 0 || !run_fill(run)) {
        consumer_resolution_stop(consumer);
        return;
    }
    runtime_timer_arm(&run->timer, 0);
}

/* ---- a run ---- */

static bool run_match(struct consumer_resolution *run, const struct cluster_topic *topic)
{
    struct string_view name = {NULL, 0};
    for (size_t i = 0; i < run->expression_count; i++) {
        struct resolving *one = &run->expressions[i];
        if (one->regex == NULL || !regex_matches(one->regex, topic->name)) {
            continue;
        }
        if (name.data == NULL) {
            name = arena_string(&run->arena, topic->name);
        }
        if (name.data == NULL || mem_grow((void **)&one->topics, &one->capacity, one->count + 1,
                                          sizeof *one->topics) != 0) {
            return false;
        }
        one->topics[one->count++] = name;
    }
    return true;
}

/* False: memory is out. *done: there are no more topics. */
static bool run_slice(struct consumer_resolution *run, bool *done)
{
    const struct cluster *cluster = run->consumer->group->owner->options.cluster;
    struct cluster_topic topic;
    size_t work = 0;
    *done = false;
    while (work < REGEX_WORK_A_TURN) {
        if (!cluster->topic_after(cluster->context, run->after, &topic)) {
            *done = true;
            return true;
        }
        if (!run_match(run, &topic)) {
            return false;
        }
        run->after = topic.name;
        work += (topic.name.size + 1) * run->steps;
    }
    /* The topic may be gone by the next slice. */
    run->after = arena_string(&run->arena, run->after);
    return run->after.data != NULL;
}

static bool topics_equal(const struct consumer_expression *before, const struct resolving *now)
{
    size_t count = before == NULL ? 0 : before->topic_count;
    if (count != now->count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!string_view_equal(before->topics[i], now->topics[i])) {
            return false;
        }
    }
    return true;
}

static void run_write(struct consumer_resolution *run)
{
    struct consumer_group *consumer = run->consumer;
    struct group *group = consumer->group;
    struct consumer_writing to = {group->owner->runtime, group->id, &run->arena};
    bool changed = false;
    ASSERT(group_find(group->owner, group->id) == group && group->kind == GROUP_CONSUMER);
    for (size_t i = 0; i < run->expression_count; i++) {
        const struct resolving *one = &run->expressions[i];
        if (consumer_regex_members(consumer, one->text) == 0) {
            continue;
        }
        struct consumer_group_regular_expression_value value;
        consumer_group_regular_expression_value_default(&value);
        value.topics.items = one->topics;
        value.topics.count = (int32_t)one->count;
        value.version = run->version;
        value.timestamp = runtime_now(group->owner->runtime).wall_ms;
        changed |= !topics_equal(consumer_expression_find(consumer, one->text), one);
        consumer_write_expression(&to, one->text, &value);
    }
    if (runtime_apply(group->owner->runtime)) {
        consumer->refresh_wanted = true;
        (void)consumer_refresh_epoch(group, changed, "topics match an expression",
                                     string_view_of(""), &run->arena);
    }
}

static void run_fire(struct runtime_timer *timer)
{
    struct consumer_resolution *run = CONTAINER_OF(timer, struct consumer_resolution, timer);
    struct consumer_group *consumer = run->consumer;
    bool done;
    ASSERT(consumer->resolution == run);
    if (!run_slice(run, &done)) {
        consumer_resolution_stop(consumer); /* no memory: a later heartbeat begins anew */
        return;
    }
    if (!done) {
        runtime_timer_arm(timer, 1);
        return;
    }
    run_write(run);
    consumer_resolution_stop(consumer);
}
