#include "coordinator/consumer/state.h"

#include <stdlib.h>

#include "coordinator/group/internal.h"

/* ---- tables ---- */

static const void *member_key_of(const void *element)
{
    return &((const struct consumer_member *)element)->id;
}
static bool member_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct consumer_member *)element)->id,
                             *(const struct string_view *)key);
}
static const void *expression_key_of(const void *element)
{
    return &((const struct consumer_expression *)element)->regex;
}
static bool expression_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct consumer_expression *)element)->regex,
                             *(const struct string_view *)key);
}
static const void *link_key_of(const void *element)
{
    return &CONTAINER_OF(element, struct consumer_link, chain)->key;
}
static bool link_has_key(const void *element, const void *key)
{
    return string_view_equal(CONTAINER_OF(element, struct consumer_link, chain)->key,
                             *(const struct string_view *)key);
}
static const void *claim_key_of(const void *element)
{
    return &CONTAINER_OF(element, struct consumer_claim, chain)->item;
}
static bool claim_has_key(const void *element, const void *key)
{
    return partition_item_compare(&CONTAINER_OF(element, struct consumer_claim, chain)->item,
                                  key) == 0;
}
static uint64_t claim_hash(const void *key, uint64_t seed)
{
    const struct partition_item *item = key;
    uint64_t mixed = seed ^ ((uint64_t)(uint32_t)item->partition * 0x9e3779b97f4a7c15u);
    return map_hash_bytes(item->topic.bytes, sizeof item->topic.bytes, mixed);
}

/* ERR_NOMEM only where the table has had less in it so far. */
static int chain_add(struct map *table, const void *key, struct consumer_chain *node)
{
    struct consumer_chain *newest = map_take(table, key);
    node->newer = NULL;
    node->older = newest;
    int error = map_insert(table, node);
    ASSERT(error == 0 || newest == NULL);
    if (newest != NULL) {
        newest->newer = node;
    }
    return error;
}

static void chain_remove(struct map *table, const void *key, struct consumer_chain *node)
{
    if (node->older != NULL) {
        node->older->newer = node->newer;
    }
    if (node->newer != NULL) {
        node->newer->older = node->older;
        return;
    }
    void *taken = map_take(table, key);
    ASSERT(taken == node);
    if (node->older != NULL) {
        int error = map_insert(table, node->older);
        ASSERT(error == 0);
    }
}

static struct consumer_link *link_find(const struct map *table, struct string_view key)
{
    struct consumer_chain *newest = map_find(table, &key);
    return newest == NULL ? NULL : CONTAINER_OF(newest, struct consumer_link, chain);
}

/* ---- the group ---- */

struct consumer_group *consumer_group_make(struct group *group)
{
    struct consumer_group *consumer = mem_calloc(1, sizeof *consumer);
    uint64_t seed = group->owner->options.seed;
    if (consumer == NULL) {
        return NULL;
    }
    consumer->group = group;
    consumer->epoch = consumer->assignment_epoch = CONSUMER_FIRST_EPOCH;
    text_table_init(&consumer->members, seed, member_key_of, member_has_key);
    text_table_init(&consumer->instances, seed, link_key_of, link_has_key);
    text_table_init(&consumer->names, seed, link_key_of, link_has_key);
    text_table_init(&consumer->regexes, seed, link_key_of, link_has_key);
    text_table_init(&consumer->expressions, seed, expression_key_of, expression_has_key);
    consumer->claims = (struct map){.seed = seed,
                                    .hash_key = claim_hash,
                                    .key_of = claim_key_of,
                                    .equal = claim_has_key};
    consumer->settings_version = -1;
    consumer->counted = -1;
    list_init(&consumer->uncounted_node);
    consumer->refresh_wanted = true; /* what it was made of may be old */
    return consumer;
}

static void member_free(struct consumer_member *member)
{
    runtime_timer_release(&member->session_timer);
    runtime_timer_release(&member->rebalance_timer);
    runtime_timer_release(&member->join_timer);
    runtime_timer_release(&member->sync_timer);
    mem_free(member->facts);
    mem_free(member->target);
    mem_free(member->current);
    text_free(&member->id);
    mem_free(member);
}

void consumer_group_free(struct consumer_group *consumer)
{
    size_t cursor = 0;
    void *element;
    if (consumer == NULL) {
        return;
    }
    consumer_resolution_stop(consumer);
    list_remove(&consumer->uncounted_node);
    while ((element = map_next(&consumer->members, &cursor)) != NULL) {
        member_free(element);
    }
    cursor = 0;
    while ((element = map_next(&consumer->expressions, &cursor)) != NULL) {
        mem_free(element);
    }
    map_release(&consumer->members);
    map_release(&consumer->instances);
    map_release(&consumer->names);
    map_release(&consumer->regexes);
    map_release(&consumer->expressions);
    map_release(&consumer->claims);
    mem_free(consumer);
}

static bool entry_is_void(const struct consumer_member *member)
{
    return member->facts == NULL && member->target == NULL && member->current == NULL;
}

bool consumer_group_is_void(const struct consumer_group *consumer)
{
    if (consumer->has_epoch || consumer->has_assignment_epoch ||
        consumer->has_partition_metadata || consumer->member_count > 0 ||
        consumer->expressions.count > 0) {
        return false;
    }
    size_t cursor = 0;
    const struct consumer_member *member;
    while ((member = map_next(&consumer->members, &cursor)) != NULL) {
        if (!entry_is_void(member)) {
            return false;
        }
    }
    return true;
}

/* ---- members ---- */

struct consumer_member *consumer_entry_find(const struct consumer_group *consumer,
                                            struct string_view id)
{
    return map_find(&consumer->members, &id);
}

struct consumer_member *consumer_entry_make(struct consumer_group *consumer,
                                            struct string_view id)
{
    struct runtime *runtime = consumer->group->owner->runtime;
    ASSERT(consumer->group->kind == GROUP_CONSUMER);
    struct consumer_member *member = mem_calloc(1, sizeof *member);
    ASSERT(consumer_entry_find(consumer, id) == NULL);
    if (member == NULL) {
        return NULL;
    }
    member->group = consumer->group;
    if (runtime_timer_init(runtime, &member->session_timer, consumer_session_fire) != 0 ||
        runtime_timer_init(runtime, &member->rebalance_timer, consumer_rebalance_fire) != 0 ||
        runtime_timer_init(runtime, &member->join_timer, consumer_join_fire) != 0 ||
        runtime_timer_init(runtime, &member->sync_timer, consumer_sync_fire) != 0 ||
        !text_copy(id, &member->id) || map_insert(&consumer->members, member) != 0) {
        member_free(member);
        return NULL;
    }
    return member;
}

void consumer_entry_release(struct consumer_member *member)
{
    ASSERT(member->group->consumer != NULL);
    if (member->changes == 0 && entry_is_void(member)) {
        void *taken = map_take(&member->group->consumer->members, &member->id);
        ASSERT(taken == member);
        member_free(member);
    }
}

struct consumer_member *consumer_member_find(const struct consumer_group *consumer,
                                             struct string_view id)
{
    struct consumer_member *member = consumer_entry_find(consumer, id);
    return member != NULL && consumer_is_member(member) ? member : NULL;
}

struct consumer_member *consumer_static_find(const struct consumer_group *consumer,
                                             struct string_view instance_id)
{
    const struct consumer_link *link =
        instance_id.data == NULL ? NULL : link_find(&consumer->instances, instance_id);
    return link == NULL ? NULL : link->member;
}

static int members_by_id(const void *a, const void *b)
{
    return string_view_compare((*(struct consumer_member *const *)a)->id,
                               (*(struct consumer_member *const *)b)->id);
}

struct consumer_member **consumer_members_sorted(const struct consumer_group *consumer,
                                                 size_t *count)
{
    struct consumer_member **members =
        mem_alloc((consumer->members.count + 1) * sizeof *members);
    size_t cursor = 0;
    struct consumer_member *member;
    *count = 0;
    while (members != NULL && (member = map_next(&consumer->members, &cursor)) != NULL) {
        if (consumer_is_member(member)) {
            members[(*count)++] = member;
        }
    }
    ASSERT(members == NULL || *count == consumer->member_count);
    if (*count > 1) {
        qsort(members, *count, sizeof *members, members_by_id);
    }
    return members;
}

const struct consumer_facts *consumer_facts_of(const struct consumer_member *member)
{
    static const struct consumer_facts nothing = {
        .client_id = {"", 0}, .client_host = {"", 0}, .regex = {"", 0}, .rebalance_timeout_ms = -1};
    return member == NULL || member->facts == NULL ? &nothing : member->facts;
}

struct consumer_holding consumer_holding_of(const struct consumer_member *member)
{
    return member == NULL || member->current == NULL
               ? (struct consumer_holding){.state = CONSUMER_STABLE}
               : member->current->holding;
}

struct partition_set consumer_target_of(const struct consumer_member *member)
{
    return member == NULL || member->target == NULL ? (struct partition_set){NULL, 0}
                                                    : member->target->partitions;
}

int32_t consumer_session_timeout_ms(const struct consumer_member *member)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    return facts->classic ? facts->classic_session_timeout_ms
                          : consumer_settings(member->group).session_timeout_ms;
}

/* ---- blocks ---- */

/* Counts, and the timers that go with being a member. */
static void member_follow(struct consumer_member *member, bool was_member, bool was_classic)
{
    struct consumer_group *consumer = member->group->consumer;
    bool is_member = consumer_is_member(member);
    ASSERT(!was_member || consumer->member_count > 0);
    consumer->member_count += (size_t)is_member - (size_t)was_member;
    consumer->classic_count += (size_t)consumer_facts_of(member)->classic - (size_t)was_classic;
    ASSERT(consumer->classic_count <= consumer->member_count);
    if (!is_member) {
        runtime_timer_cancel(&member->session_timer);
        runtime_timer_cancel(&member->rebalance_timer);
        runtime_timer_cancel(&member->join_timer);
        runtime_timer_cancel(&member->sync_timer);
    } else if (!was_member &&
               runtime_state(member->group->owner->runtime) == RUNTIME_ACTIVE) {
        consumer_heard_of(member);
    }
}

static void facts_forget(struct consumer_group *consumer, struct consumer_facts *facts,
                         size_t names)
{
    for (size_t i = 0; i < names; i++) {
        chain_remove(&consumer->names, &facts->names[i].key, &facts->names[i].chain);
    }
}

static bool regex_is_set(const struct consumer_facts *facts) { return facts->regex.size > 0; }

static int facts_learn(struct consumer_group *consumer, struct consumer_facts *facts)
{
    size_t names = 0;
    int error = 0;
    while (error == 0 && names < facts->name_count) {
        error = chain_add(&consumer->names, &facts->names[names].key, &facts->names[names].chain);
        names += error == 0;
    }
    if (error == 0 && facts->instance_id.data != NULL) {
        error = chain_add(&consumer->instances, &facts->by_instance.key,
                          &facts->by_instance.chain);
        if (error == 0 && regex_is_set(facts)) {
            error = chain_add(&consumer->regexes, &facts->by_regex.key, &facts->by_regex.chain);
            if (error != 0) {
                chain_remove(&consumer->instances, &facts->by_instance.key,
                             &facts->by_instance.chain);
            }
        }
    } else if (error == 0 && regex_is_set(facts)) {
        error = chain_add(&consumer->regexes, &facts->by_regex.key, &facts->by_regex.chain);
    }
    if (error != 0) {
        facts_forget(consumer, facts, names);
    }
    return error;
}

int consumer_set_facts(struct consumer_member *member, struct consumer_facts *facts)
{
    struct consumer_group *consumer = member->group->consumer;
    struct consumer_facts *old = member->facts;
    ASSERT(facts == NULL || facts->by_instance.member == member);
    bool was_member = consumer_is_member(member);
    bool was_classic = consumer_facts_of(member)->classic;
    if (old != NULL) {
        facts_forget(consumer, old, old->name_count);
        if (old->instance_id.data != NULL) {
            chain_remove(&consumer->instances, &old->by_instance.key, &old->by_instance.chain);
        }
        if (regex_is_set(old)) {
            chain_remove(&consumer->regexes, &old->by_regex.key, &old->by_regex.chain);
        }
    }
    if (facts != NULL && facts_learn(consumer, facts) != 0) {
        int error = old == NULL ? 0 : facts_learn(consumer, old);
        ASSERT(error == 0);
        return ERR_NOMEM;
    }
    member->facts = facts;
    member_follow(member, was_member, was_classic);
    return 0;
}

void consumer_set_target(struct consumer_member *member, struct consumer_target *target)
{
    ASSERT(member->group->kind == GROUP_CONSUMER);
    member->target = target;
}

static void claims_forget(struct consumer_group *consumer, struct consumer_current *current,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        chain_remove(&consumer->claims, &current->claims[i].item, &current->claims[i].chain);
    }
}

static int claims_learn(struct consumer_group *consumer, struct consumer_current *current)
{
    for (size_t i = 0; i < current->claim_count; i++) {
        if (chain_add(&consumer->claims, &current->claims[i].item, &current->claims[i].chain) !=
            0) {
            claims_forget(consumer, current, i);
            return ERR_NOMEM;
        }
    }
    return 0;
}

/* Who is to give up partitions must do it in time. */
void consumer_watch_revocation(struct consumer_member *member)
{
    const struct consumer_facts *facts = consumer_facts_of(member);
    bool waits = member->current != NULL &&
                 member->current->holding.state == CONSUMER_UNREVOKED && !facts->classic;
    if (waits && runtime_state(member->group->owner->runtime) == RUNTIME_ACTIVE) {
        member->rebalance_epoch = member->current->holding.epoch;
        runtime_timer_arm(&member->rebalance_timer,
                          facts->rebalance_timeout_ms > 0 ? facts->rebalance_timeout_ms : 0);
    } else {
        runtime_timer_cancel(&member->rebalance_timer);
    }
}

int consumer_set_current(struct consumer_member *member, struct consumer_current *current)
{
    struct consumer_group *consumer = member->group->consumer;
    struct consumer_current *old = member->current;
    ASSERT(consumer_entry_find(consumer, member->id) == member);
    bool was_member = consumer_is_member(member);
    if (old != NULL) {
        claims_forget(consumer, old, old->claim_count);
    }
    if (current != NULL && claims_learn(consumer, current) != 0) {
        int error = old == NULL ? 0 : claims_learn(consumer, old);
        ASSERT(error == 0);
        return ERR_NOMEM;
    }
    member->current = current;
    member_follow(member, was_member, consumer_facts_of(member)->classic);
    consumer_watch_revocation(member);
    return 0;
}

int consumer_set_expression(struct consumer_group *consumer, struct string_view regex,
                            struct consumer_expression *expression)
{
    ASSERT(expression == NULL || string_view_equal(expression->regex, regex));
    void *old = map_take(&consumer->expressions, &regex);
    int error = expression == NULL ? 0 : map_insert(&consumer->expressions, expression);
    if (error != 0 && old != NULL) {
        int again = map_insert(&consumer->expressions, old);
        ASSERT(again == 0);
    }
    return error;
}

/* What follows from the blocks is what the tables say. */
void consumer_check(const struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    ASSERT(group->kind == GROUP_CONSUMER && consumer->group == group);
    ASSERT(consumer->member_count <= consumer->members.count);
    ASSERT(consumer->classic_count <= consumer->member_count);
    ASSERT(consumer->instances.count <= consumer->member_count);
    ASSERT(consumer->regexes.count <= consumer->member_count);
    ASSERT(consumer->epoch >= 0 && consumer->assignment_epoch >= 0);
#ifdef BNB_SLOW_ASSERTS
    size_t members = 0;
    size_t cursor = 0;
    const struct consumer_member *member;
    while ((member = map_next(&consumer->members, &cursor)) != NULL) {
        members += consumer_is_member(member);
        for (size_t i = 0; member->current != NULL && i < member->current->claim_count; i++) {
            const struct partition_item *item = &member->current->claims[i].item;
            ASSERT(consumer_claim_find(consumer, item->topic, item->partition) != NULL);
        }
        ASSERT(member->facts == NULL || member->facts->instance_id.data == NULL ||
               consumer_static_find(consumer, member->facts->instance_id) != NULL);
    }
    ASSERT(members == consumer->member_count);
#endif
}

struct consumer_expression *consumer_expression_find(const struct consumer_group *consumer,
                                                     struct string_view regex)
{
    return regex.size == 0 ? NULL : map_find(&consumer->expressions, &regex);
}

/* ---- questions ---- */

size_t consumer_regex_members(const struct consumer_group *consumer, struct string_view regex)
{
    const struct consumer_link *link = link_find(&consumer->regexes, regex);
    ASSERT(link == NULL || link->chain.newer == NULL);
    size_t count = 0;
    for (const struct consumer_chain *at = link == NULL ? NULL : &link->chain; at != NULL;
         at = at->older) {
        count++;
    }
    return count;
}

static int view_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

static bool expression_has(const struct consumer_expression *expression,
                           struct string_view topic)
{
    return expression != NULL &&
           bsearch(&topic, expression->topics, expression->topic_count,
                   sizeof *expression->topics, view_order) != NULL;
}

bool consumer_subscribes(const struct consumer_group *consumer, struct string_view topic)
{
    if (link_find(&consumer->names, topic) != NULL) {
        return true;
    }
    size_t cursor = 0;
    const struct consumer_expression *expression;
    while ((expression = map_next(&consumer->expressions, &cursor)) != NULL) {
        if (link_find(&consumer->regexes, expression->regex) != NULL &&
            expression_has(expression, topic)) {
            return true;
        }
    }
    return false;
}

const struct consumer_claim *consumer_claim_find(const struct consumer_group *consumer,
                                                 struct uuid topic, int32_t partition)
{
    struct partition_item item = {topic, partition, 0};
    struct consumer_chain *newest = map_find(&consumer->claims, &item);
    return newest == NULL ? NULL : CONTAINER_OF(newest, struct consumer_claim, chain);
}

static bool member_is_settled(const struct consumer_group *consumer,
                              const struct consumer_member *member)
{
    struct consumer_holding holding = consumer_holding_of(member);
    return !consumer_is_member(member) || (holding.state == CONSUMER_STABLE &&
                                           holding.epoch == consumer->assignment_epoch);
}

/* Begins where it found somebody the last time: who was not settled then mostly is not yet, and a
 * rebalance of many members is not a walk over all of them with each heartbeat. */
static bool all_are_settled(struct consumer_group *consumer)
{
    size_t first = consumer->unsettled_slot;
    size_t cursor = first;
    const struct consumer_member *member;
    for (int round = 0; round < 2; round++) {
        for (size_t slot = cursor; (member = map_next(&consumer->members, &cursor)) != NULL &&
                                   (round == 0 || slot < first);
             slot = cursor) {
            if (!member_is_settled(consumer, member)) {
                consumer->unsettled_slot = slot;
                return false;
            }
        }
        cursor = 0;
    }
    return true;
}

enum consumer_group_state consumer_group_state(struct consumer_group *consumer)
{
    if (consumer->member_count == 0) {
        return CONSUMER_GROUP_EMPTY;
    }
    if (consumer->epoch > consumer->assignment_epoch) {
        return CONSUMER_GROUP_ASSIGNING;
    }
    return all_are_settled(consumer) ? CONSUMER_GROUP_STABLE : CONSUMER_GROUP_RECONCILING;
}

const char *consumer_group_state_name(enum consumer_group_state state)
{
    static const char *const names[] = {
        [CONSUMER_GROUP_EMPTY] = "Empty",
        [CONSUMER_GROUP_ASSIGNING] = "Assigning",
        [CONSUMER_GROUP_RECONCILING] = "Reconciling",
        [CONSUMER_GROUP_STABLE] = "Stable",
    };
    return names[state];
}

void consumer_count_later(struct consumer_group *consumer)
{
    if (list_empty(&consumer->uncounted_node)) {
        list_push_back(&consumer->group->owner->uncounted, &consumer->uncounted_node);
    }
}

void consumer_uncount(struct consumer_group *consumer)
{
    int64_t *counts = consumer->group->owner->counts.consumer_state;
    list_remove(&consumer->uncounted_node);
    if (consumer->counted >= 0) {
        counts[consumer->counted]--;
        ASSERT(counts[consumer->counted] >= 0);
        consumer->counted = -1;
    }
}

void consumer_count(struct consumer_group *consumer)
{
    int64_t *counts = consumer->group->owner->counts.consumer_state;
    consumer_uncount(consumer);
    consumer->counted = (int8_t)consumer_group_state(consumer);
    counts[consumer->counted]++;
}
