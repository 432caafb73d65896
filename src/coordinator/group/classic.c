/* A classic group: its states and its members. Who takes each move:
 *
 *   Empty -> PreparingRebalance                 the first member joins (classic_prepare_rebalance)
 *   Stable, CompletingRebalance -> Preparing    somebody joins, leaves, dies or offers others
 *   PreparingRebalance -> CompletingRebalance   all have joined, or time is up (rebalance.c)
 *   PreparingRebalance -> Empty                 nobody is left
 *   CompletingRebalance -> Stable               the leader's assignment is written (sync.c)
 *   any -> Dead                                 group_take: a tombstone, or what replaces the group
 *
 * Mirrors ClassicGroup. */
#include "coordinator/group/internal.h"

#define TO(state) (1u << CLASSIC_##state)

static const struct classic_state_row {
    const char *name;
    unsigned next;
} classic_states[] = {
    [CLASSIC_EMPTY] = {"Empty", TO(PREPARING_REBALANCE) | TO(DEAD)},
    [CLASSIC_PREPARING_REBALANCE] = {"PreparingRebalance",
                                     TO(COMPLETING_REBALANCE) | TO(EMPTY) | TO(DEAD)},
    [CLASSIC_COMPLETING_REBALANCE] = {"CompletingRebalance",
                                      TO(STABLE) | TO(PREPARING_REBALANCE) | TO(DEAD)},
    [CLASSIC_STABLE] = {"Stable", TO(PREPARING_REBALANCE) | TO(DEAD)},
    [CLASSIC_DEAD] = {"Dead", 0},
};

const char *classic_state_name(enum classic_state state) { return classic_states[state].name; }

static int64_t *classic_count_of(struct group *group)
{
    struct group_counts *counts = &group->owner->counts;
    int64_t *const places[] = {
        [CLASSIC_EMPTY] = &counts->empty,
        [CLASSIC_PREPARING_REBALANCE] = &counts->preparing_rebalance,
        [CLASSIC_COMPLETING_REBALANCE] = &counts->completing_rebalance,
        [CLASSIC_STABLE] = &counts->stable,
        [CLASSIC_DEAD] = &counts->dead,
    };
    return places[group->state];
}

/* What holds between any two operations. */
void classic_check(const struct group *group)
{
    size_t members = group->by_id.count;
    ASSERT(group->joining_count >= 0 && (size_t)group->joining_count <= members);
    ASSERT(group->by_instance.count <= members);
    ASSERT((group->leader == NULL) == (members == 0));
    switch (group->state) {
    case CLASSIC_EMPTY:
        ASSERT(members == 0);
        break;
    case CLASSIC_PREPARING_REBALANCE:
        break;
    case CLASSIC_COMPLETING_REBALANCE:
        ASSERT(group->generation > 0 && group->protocol_name.data != NULL);
        break;
    case CLASSIC_STABLE:
        ASSERT(members > 0);
        break;
    case CLASSIC_DEAD:
        break;
    }
#ifdef BNB_SLOW_ASSERTS
    int32_t joining = 0;
    int32_t owing = 0;
    LIST_FOR_EACH(node, &group->members)
    {
        const struct classic_member *member = CONTAINER_OF(node, struct classic_member, node);
        joining += member->joining != NULL;
        owing += member->owes_sync;
        ASSERT(member->syncing == NULL || group->state == CLASSIC_COMPLETING_REBALANCE);
        ASSERT(classic_member_find(group, member->id) == member);
    }
    ASSERT(joining == group->joining_count);
    ASSERT(owing == group->owing_count);
#endif
}

void classic_set_state(struct group *group, enum classic_state state)
{
    ASSERT((classic_states[group->state].next & 1u << state) != 0);
    --*classic_count_of(group);
    group->previous_state = group->state;
    group->state = state;
    group->state_since_ms = runtime_now(group->owner->runtime).wall_ms;
    ++*classic_count_of(group);
    ASSERT(*classic_count_of(group) > 0);
}

void classic_restore_state(struct group *group, enum classic_state state)
{
    ASSERT(group->state == CLASSIC_EMPTY && state != CLASSIC_DEAD);
    --*classic_count_of(group);
    group->state = group->previous_state = state;
    ++*classic_count_of(group);
}

void classic_restore_stable(struct group *group)
{
    ASSERT(group->by_id.count > 0);
    classic_restore_state(group, CLASSIC_STABLE);
}

/* ---- tables ---- */

static const void *member_key_of(const void *element)
{
    return &((const struct classic_member *)element)->id;
}
static bool member_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct classic_member *)element)->id,
                             *(const struct string_view *)key);
}
static const void *instance_key_of(const void *element)
{
    return &((const struct classic_member *)element)->instance_id;
}
static bool instance_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct classic_member *)element)->instance_id,
                             *(const struct string_view *)key);
}
static const void *pending_key_of(const void *element)
{
    return &((const struct classic_pending *)element)->id;
}
static bool pending_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct classic_pending *)element)->id,
                             *(const struct string_view *)key);
}

/* A timer without a place in the runtime says that memory was out. */
void classic_init(struct group *group, uint64_t seed)
{
    struct runtime *runtime = group->owner->runtime;
    group->kind = GROUP_CLASSIC;
    group->state = group->previous_state = CLASSIC_EMPTY;
    group->state_since_ms = runtime_now(runtime).wall_ms;
    list_init(&group->members);
    list_init(&group->pendings);
    list_init(&group->writes);
    classic_topics_init(group, seed);
    text_table_init(&group->by_id, seed, member_key_of, member_has_key);
    text_table_init(&group->by_instance, seed, instance_key_of, instance_has_key);
    text_table_init(&group->pending_by_id, seed, pending_key_of, pending_has_key);
    (void)runtime_timer_init(runtime, &group->join_timer, classic_join_timer_fire);
    (void)runtime_timer_init(runtime, &group->sync_timer, classic_sync_timer_fire);
}

static void member_free(struct classic_member *member)
{
    runtime_timer_release(&member->timer);
    text_free(&member->id);
    text_free(&member->instance_id);
    text_free(&member->client_id);
    text_free(&member->client_host);
    mem_free(member->offers.items);
    bytes_free(&member->assignment);
    bytes_free(&member->next_assignment);
    mem_free(member);
}

void classic_release(struct group *group)
{
    while (!list_empty(&group->writes)) {
        struct classic_write *write = CONTAINER_OF(group->writes.next, struct classic_write, node);
        list_remove(&write->node);
        write->group = NULL;
        if (list_empty(&write->waiter.node)) { /* nobody is going to tell it any more */
            classic_write_free(write);
        }
    }
    while (!list_empty(&group->pendings)) {
        classic_pending_remove(CONTAINER_OF(group->pendings.next, struct classic_pending, node));
    }
    while (!list_empty(&group->members)) {
        struct classic_member *member =
            CONTAINER_OF(group->members.next, struct classic_member, node);
        list_remove(&member->node);
        member_free(member);
    }
    map_release(&group->by_id);
    map_release(&group->by_instance);
    map_release(&group->pending_by_id);
    runtime_timer_release(&group->join_timer);
    runtime_timer_release(&group->sync_timer);
    classic_forget_topics(group);
    text_free(&group->protocol_type);
    text_free(&group->protocol_name);
    mem_free(group->trigger);
    group->trigger = NULL;
    group->leader = NULL;
}

/* ---- members ---- */

int32_t classic_member_count(const struct group *group) { return (int32_t)group->by_id.count; }

struct classic_member *classic_member_find(const struct group *group, struct string_view id)
{
    return map_find(&group->by_id, &id);
}

struct classic_member *classic_static_find(const struct group *group, struct string_view instance)
{
    return map_find(&group->by_instance, &instance);
}

struct classic_pending *classic_pending_find(const struct group *group, struct string_view id)
{
    return map_find(&group->pending_by_id, &id);
}

int16_t classic_check_member(const struct group *group, struct string_view id,
                             struct string_view instance_id)
{
    if (instance_id.data != NULL) {
        const struct classic_member *known = classic_static_find(group, instance_id);
        if (known == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
        if (!string_view_equal(known->id, id)) {
            return KAFKA_FENCED_INSTANCE_ID;
        }
    }
    return classic_member_find(group, id) == NULL ? KAFKA_UNKNOWN_MEMBER_ID : 0;
}

/* One block: the array, then the bytes. */
static bool offers_copy(const struct classic_member_facts *facts, struct classic_protocols *offers)
{
    size_t count = facts->protocol_count > 0 ? (size_t)facts->protocol_count : 0;
    size_t size_bytes = (count + 1) * sizeof *offers->items;
    for (size_t i = 0; i < count; i++) {
        size_bytes += facts->protocols[i].name.size + facts->protocols[i].metadata.size;
    }
    struct classic_protocol *items = mem_alloc(size_bytes);
    if (items == NULL) {
        return false;
    }
    char *text = (char *)&items[count + 1];
    for (size_t i = 0; i < count; i++) {
        struct string_view name = facts->protocols[i].name;
        struct bytes_view metadata = facts->protocols[i].metadata;
        items[i].name = (struct string_view){text, name.size};
        items[i].metadata = (struct bytes_view){(uint8_t *)text + name.size, metadata.size};
        memcpy(text, name.data, name.size);
        if (metadata.size > 0) {
            memcpy(text + name.size, metadata.data, metadata.size);
        }
        text += name.size + metadata.size;
    }
    ASSERT(text == (char *)items + size_bytes);
    *offers = (struct classic_protocols){items, (int32_t)count, facts->rebalance_timeout_ms,
                                         facts->session_timeout_ms};
    return true;
}

static bool member_fill(struct classic_member *member, const struct classic_member_facts *facts)
{
    return runtime_timer_init(member->group->owner->runtime, &member->timer,
                              classic_session_timer_fire) == 0 &&
           text_copy(facts->id, &member->id) &&
           text_copy(facts->instance_id, &member->instance_id) &&
           text_copy(facts->client_id, &member->client_id) &&
           text_copy(facts->client_host, &member->client_host) &&
           offers_copy(facts, &member->offers);
}

struct classic_member *classic_member_add(struct group *group,
                                          const struct classic_member_facts *facts)
{
    ASSERT(group->kind == GROUP_CLASSIC && group->state != CLASSIC_DEAD);
    ASSERT(classic_member_find(group, facts->id) == NULL);
    ASSERT(facts->instance_id.data == NULL ||
           classic_static_find(group, facts->instance_id) == NULL);
    struct classic_member *member = mem_calloc(1, sizeof *member);
    if (member == NULL) {
        return NULL;
    }
    member->group = group;
    list_init(&member->node);
    struct string_view type = {NULL, 0};
    bool first = group->by_id.count == 0;
    if (!member_fill(member, facts) || (first && !text_copy(facts->protocol_type, &type)) ||
        map_insert(&group->by_id, member) != 0) {
        text_free(&type);
        member_free(member);
        return NULL;
    }
    if (member->instance_id.data != NULL && map_insert(&group->by_instance, member) != 0) {
        text_free(&type);
        (void)map_take(&group->by_id, &member->id);
        member_free(member);
        return NULL;
    }
    list_push_back(&group->members, &member->node);
    if (first) {
        text_free(&group->protocol_type);
        group->protocol_type = type;
        group->leader = member;
    }
    ASSERT(group->leader != NULL);
    return member;
}

bool classic_member_update(struct classic_member *member,
                           const struct classic_member_facts *facts)
{
    struct classic_protocols offers;
    ASSERT(member->group->by_id.count > 0);
    if (!offers_copy(facts, &offers)) {
        return false;
    }
    mem_free(member->offers.items);
    member->offers = offers;
    return true;
}

bool classic_member_rename(struct classic_member *member, struct string_view id)
{
    struct group *group = member->group;
    struct string_view copy;
    ASSERT(classic_member_find(group, id) == NULL);
    if (!text_copy(id, &copy)) {
        return false;
    }
    void *taken = map_take(&group->by_id, &member->id);
    ASSERT(taken == member);
    ASSERT(id.size > 0);
    text_free(&member->id);
    member->id = copy;
    int error = map_insert(&group->by_id, member); /* there is room: one has just left */
    ASSERT(error == 0);
    return true;
}

void classic_member_remove(struct classic_member *member)
{
    struct group *group = member->group;
    ASSERT(member->joining == NULL && member->syncing == NULL);
    void *taken = map_take(&group->by_id, &member->id);
    ASSERT(taken == member);
    if (member->instance_id.data != NULL) {
        taken = map_take(&group->by_instance, &member->instance_id);
        ASSERT(taken == member);
    }
    list_remove(&member->node);
    group->owing_count -= member->owes_sync;
    ASSERT(group->owing_count >= 0);
    if (group->leader == member) {
        group->leader = list_empty(&group->members)
                            ? NULL
                            : CONTAINER_OF(group->members.next, struct classic_member, node);
    }
    member_free(member);
}

bool classic_member_set_assignment(struct classic_member *member, struct bytes_view assignment)
{
    struct bytes_view copy;
    if (!bytes_copy(assignment, &copy)) {
        return false;
    }
    bytes_free(&member->assignment);
    member->assignment = copy;
    return true;
}

bool classic_member_has_protocols(const struct classic_member *member,
                                  const struct classic_member_facts *facts)
{
    if (member->offers.count != facts->protocol_count) {
        return false;
    }
    for (int32_t i = 0; i < member->offers.count; i++) {
        const struct classic_protocol *mine = &member->offers.items[i];
        struct bytes_view metadata = facts->protocols[i].metadata;
        if (!string_view_equal(mine->name, facts->protocols[i].name) ||
            mine->metadata.size != metadata.size ||
            (metadata.size > 0 && memcmp(mine->metadata.data, metadata.data, metadata.size) != 0)) {
            return false;
        }
    }
    return true;
}

struct bytes_view classic_member_metadata(const struct classic_member *member)
{
    struct string_view name = member->group->protocol_name;
    for (int32_t i = 0; name.data != NULL && i < member->offers.count; i++) {
        if (string_view_equal(member->offers.items[i].name, name)) {
            return member->offers.items[i].metadata;
        }
    }
    return (struct bytes_view){(const uint8_t *)"", 0};
}

struct classic_pending *classic_pending_add(struct group *group, struct string_view id)
{
    ASSERT(classic_pending_find(group, id) == NULL && classic_member_find(group, id) == NULL);
    struct classic_pending *pending = mem_calloc(1, sizeof *pending);
    if (pending == NULL) {
        return NULL;
    }
    pending->group = group;
    list_init(&pending->node);
    if (runtime_timer_init(group->owner->runtime, &pending->timer, classic_pending_timer_fire) !=
            0 ||
        !text_copy(id, &pending->id) || map_insert(&group->pending_by_id, pending) != 0) {
        runtime_timer_release(&pending->timer);
        text_free(&pending->id);
        mem_free(pending);
        return NULL;
    }
    list_push_back(&group->pendings, &pending->node);
    return pending;
}

void classic_pending_remove(struct classic_pending *pending)
{
    void *taken = map_take(&pending->group->pending_by_id, &pending->id);
    ASSERT(taken == pending);
    list_remove(&pending->node);
    if (list_empty(&pending->group->pendings)) {
        map_release(&pending->group->pending_by_id); /* mostly nobody is on the way */
    }
    runtime_timer_release(&pending->timer);
    text_free(&pending->id);
    mem_free(pending);
}

int32_t classic_rebalance_timeout_ms(const struct group *group)
{
    int32_t longest = 0;
    LIST_FOR_EACH(node, &group->members)
    {
        int32_t timeout_ms =
            CONTAINER_OF(node, struct classic_member, node)->offers.rebalance_timeout_ms;
        longest = timeout_ms > longest ? timeout_ms : longest;
    }
    return longest;
}

bool classic_uses_consumer_protocol(const struct group *group)
{
    return string_view_is(group->protocol_type, "consumer");
}
