/* What is not committed yet, and what comes while it is not: groups that end and begin again, and
 * appends that fail. */
#include "fixture.h"

#include "protocol/messages.h"

#define GROUPS 2
#define PRODUCERS 3
#define MEMBERS 2
#define SEEDS 200
#define STEPS 300

static const char *const group_names[GROUPS] = {"a", "b"};
static const char *const member_names[MEMBERS] = {"m1", "m2"};
static const char *const instance_members[] = {"i-1", "ib1", "i-2", "ib2"};

/* A call with all that it asks, until the world ends. */
struct op {
    struct ask ask;
    struct op *next;
    union {
        struct offset_commit_request commit;
        struct txn_offset_commit_request txn_commit;
        struct join_group_request join;
        struct sync_group_request sync;
        struct heartbeat_request heartbeat;
        struct leave_group_request leave;
        struct consumer_group_heartbeat_request beat;
        struct offset_delete_request offset_delete;
        struct group_offset_fetch fetch;
        struct list_groups_request list;
        struct string_view name;
    } request;
    struct offset_commit_request_offset_commit_request_partition partition;
    struct offset_commit_request_offset_commit_request_topic topic;
    struct txn_offset_commit_request_txn_offset_commit_request_partition txn_partition;
    struct txn_offset_commit_request_txn_offset_commit_request_topic txn_topic;
    struct join_group_request_join_group_request_protocol protocol;
    struct sync_group_request_sync_group_request_assignment assignment;
    struct leave_group_request_member_identity identity;
    struct offset_delete_request_offset_delete_request_partition deleted_partition;
    struct offset_delete_request_offset_delete_request_topic deleted_topic;
    struct string_view subscribed;
    struct runtime_waiter waiter;
};
struct world {
    struct fixture fixture;
    struct op *ops;
    uint64_t random;
};

static void world_init(struct world *world, uint64_t seed)
{
    world->ops = NULL;
    world->random = seed * 2654435761u + 88172645463325252u;
    fixture_init(&world->fixture);
    table_add(&world->fixture.table, "t0", 2);
    table_add(&world->fixture.table, "t1", 2);
}

static void world_release(struct world *world)
{
    fixture_release(&world->fixture);
    while (world->ops != NULL) {
        struct op *op = world->ops;
        world->ops = op->next;
        arena_release(&op->ask.arena);
        free(op);
    }
}

static uint64_t pick(struct world *world, uint64_t bound)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (world->random * 0x2545f4914f6cdd1du >> 16) % bound;
}

static struct op *op_make(struct world *world, int16_t api_key, int16_t version)
{
    struct op *op = calloc(1, sizeof *op);
    assert_non_null(op);
    op->next = world->ops;
    world->ops = op;
    ask_init(&op->ask, api_key, version, &op->request);
    for (size_t i = 0; i < sizeof op->ask.call.random; i++) {
        op->ask.call.random[i] = (uint8_t)pick(world, 256);
    }
    return op;
}

static void handle(struct world *world, struct op *op)
{
    runtime_handle(world->fixture.runtime, &op->ask.call, world->fixture.now);
}

/* ---- what is asked, without waiting for it ---- */

static struct op *commit(struct world *world, const char *group, const char *topic, int64_t offset)
{
    struct op *op = op_make(world, API_OFFSET_COMMIT, 9);
    offset_commit_request_default(&op->request.commit);
    op->partition.committed_offset = offset;
    op->partition.committed_leader_epoch = -1;
    op->topic.name = string_view_of(topic);
    op->topic.partitions.items = &op->partition;
    op->topic.partitions.count = 1;
    op->request.commit.group_id = string_view_of(group);
    op->request.commit.generation_id_or_member_epoch = -1;
    op->request.commit.topics.items = &op->topic;
    op->request.commit.topics.count = 1;
    handle(world, op);
    return op;
}

static void txn_commit(struct world *world, const char *group, const char *topic, int64_t producer,
                       int64_t offset)
{
    struct op *op = op_make(world, API_TXN_OFFSET_COMMIT, 5);
    struct txn_offset_commit_request *request = &op->request.txn_commit;
    op->txn_partition.committed_offset = offset;
    op->txn_partition.committed_metadata = string_view_of("");
    op->txn_topic.name = string_view_of(topic);
    op->txn_topic.partitions.items = &op->txn_partition;
    op->txn_topic.partitions.count = 1;
    *request = (struct txn_offset_commit_request){.transactional_id = string_view_of("t"),
                                                  .group_id = string_view_of(group),
                                                  .producer_id = producer,
                                                  .generation_id = -1,
                                                  .member_id = string_view_of("")};
    request->topics.items = &op->txn_topic;
    request->topics.count = 1;
    handle(world, op);
}

static void marker_told(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    (void)runtime;
    (void)waiter;
    (void)error;
}

static void txn_end(struct world *world, int64_t producer, bool committed)
{
    struct op *op = op_make(world, API_LIST_GROUPS, 5); /* for its memory */
    struct runtime_marker marker = {.producer_id = producer, .offset = -1, .commit = committed};
    op->waiter.done = marker_told;
    list_init(&op->waiter.node);
    group_coordinator_end_transaction(world->fixture.groups, &marker, &op->waiter,
                                      world->fixture.now);
}

static struct op *delete_group(struct world *world, const char *group)
{
    struct op *op = op_make(world, API_DELETE_GROUPS, 2);
    op->request.name = string_view_of(group);
    handle(world, op);
    return op;
}

static struct op *join(struct world *world, const char *group, const char *instance,
                       struct string_view member_id)
{
    struct op *op = op_make(world, API_JOIN_GROUP, instance == NULL ? 3 : 5);
    static const uint8_t subscription[] = {0, 0, 0, 0, 0, 1, 0, 2, 't', '0', 255, 255, 255, 255};
    op->protocol.name = string_view_of("range");
    op->protocol.metadata = (struct bytes_view){subscription, sizeof subscription};
    op->request.join = (struct join_group_request){
        .group_id = string_view_of(group),
        .session_timeout_ms = 10000,
        .rebalance_timeout_ms = 20000,
        .member_id = member_id,
        .group_instance_id = string_view_of(instance),
        .protocol_type = string_view_of("consumer"),
    };
    op->request.join.protocols.items = &op->protocol;
    op->request.join.protocols.count = 1;
    handle(world, op);
    return op;
}

/* A member that some JoinGroup was answered with; NULL: none of those that were looked at. */
static const struct join_group_response *some_member(struct world *world, struct string_view *group)
{
    uint64_t skip = pick(world, 20);
    for (const struct op *op = world->ops; op != NULL; op = op->next) {
        const struct join_group_response *told = op->ask.call.response;
        bool joined = op->ask.call.api_key == API_JOIN_GROUP && op->ask.answered &&
                      told != NULL && told->error_code == 0;
        if (joined && skip-- == 0) {
            *group = op->request.join.group_id;
            return told;
        }
    }
    return NULL;
}

static void join_again(struct world *world, const char *instance)
{
    struct string_view group;
    const struct join_group_response *member = some_member(world, &group);
    if (member != NULL) {
        join(world, string_view_is(group, "a") ? "a" : "b", instance, member->member_id);
    }
}

static void sync_group(struct world *world)
{
    static const uint8_t assignment[] = {0, 0, 0, 0, 0, 1,   0,   2,   't', '0', 0, 0,
                                         0, 1, 0, 0, 0, 0, 255, 255, 255, 255};
    struct string_view group;
    const struct join_group_response *member = some_member(world, &group);
    if (member == NULL) {
        return;
    }
    struct op *op = op_make(world, API_SYNC_GROUP, 5);
    op->assignment.member_id = member->member_id;
    op->assignment.assignment = (struct bytes_view){assignment, sizeof assignment};
    op->request.sync = (struct sync_group_request){.group_id = group,
                                                   .generation_id = member->generation_id,
                                                   .member_id = member->member_id,
                                                   .protocol_type = string_view_of("consumer"),
                                                   .protocol_name = string_view_of("range")};
    op->request.sync.assignments.items = &op->assignment;
    op->request.sync.assignments.count = 1;
    handle(world, op);
}

static void heartbeat(struct world *world)
{
    struct string_view group;
    const struct join_group_response *member = some_member(world, &group);
    if (member == NULL) {
        return;
    }
    struct op *op = op_make(world, API_HEARTBEAT, 4);
    op->request.heartbeat = (struct heartbeat_request){.group_id = group,
                                                       .generation_id = member->generation_id,
                                                       .member_id = member->member_id};
    handle(world, op);
}

static void leave(struct world *world, const char *group, const char *instance)
{
    struct op *op = op_make(world, API_LEAVE_GROUP, 5);
    op->identity.member_id = string_view_of("");
    op->identity.group_instance_id = string_view_of(instance);
    op->request.leave = (struct leave_group_request){.group_id = string_view_of(group)};
    op->request.leave.members.items = &op->identity;
    op->request.leave.members.count = 1;
    handle(world, op);
}

static struct op *beat(struct world *world, const char *group, const char *member, int32_t epoch,
                       const char *topic)
{
    struct op *op = op_make(world, API_CONSUMER_GROUP_HEARTBEAT, 1);
    struct consumer_group_heartbeat_request *request = &op->request.beat;
    static struct consumer_group_heartbeat_request_topic_partitions none;
    consumer_group_heartbeat_request_default(request);
    request->group_id = string_view_of(group);
    request->member_id = string_view_of(member);
    request->member_epoch = epoch;
    if (member[0] == 'i') { /* of an instance that has the name of its first member */
        request->instance_id = string_view_of(member_names[member[2] - '1']);
    }
    if (epoch == 0) {
        op->subscribed = string_view_of(topic);
        request->rebalance_timeout_ms = 60000;
        request->subscribed_topic_names.items = &op->subscribed;
        request->subscribed_topic_names.count = topic[0] == 't';
        if (topic[0] != 't') {
            request->subscribed_topic_regex = op->subscribed;
        }
        request->topic_partitions.items = &none;
        request->topic_partitions.count = 0;
    }
    handle(world, op);
    return op;
}

static void delete_offset(struct world *world, const char *group, const char *topic)
{
    struct op *op = op_make(world, API_OFFSET_DELETE, 0);
    op->deleted_topic.name = string_view_of(topic);
    op->deleted_topic.partitions.items = &op->deleted_partition;
    op->deleted_topic.partitions.count = 1;
    op->request.offset_delete = (struct offset_delete_request){.group_id = string_view_of(group)};
    op->request.offset_delete.topics.items = &op->deleted_topic;
    op->request.offset_delete.topics.count = 1;
    handle(world, op);
}

/* ---- what there is ---- */

/* Groups and committed offsets, as text. Without classic groups: one whose only offset was taken
 * back stays in memory for a while, and one that could not be written may be ahead of the log. */
static void tell(struct world *world, bool classic, char *text, size_t size)
{
    struct op *op = op_make(world, API_LIST_GROUPS, 5);
    size_t used = 0;
    text[0] = '\0';
    list_groups_request_default(&op->request.list);
    handle(world, op);
    fixture_settle(&world->fixture);
    const struct list_groups_response *groups = op->ask.call.response;
    for (int32_t i = 0; i < groups->groups.count; i++) {
        const struct list_groups_response_listed_group *group = &groups->groups.items[i];
        if (!classic && string_view_is(group->group_type, "classic")) {
            continue;
        }
        used += (size_t)snprintf(text + used, size - used, "%.*s %.*s;", (int)group->group_id.size,
                                 group->group_id.data, (int)group->group_type.size,
                                 group->group_type.data);
    }
    for (size_t g = 0; g < GROUPS; g++) {
        op = op_make(world, API_OFFSET_FETCH, 8);
        op->request.fetch = (struct group_offset_fetch){
            .group = {.group_id = string_view_of(group_names[g]), .member_epoch = -1}};
        op->request.fetch.group.topics.count = -1;
        handle(world, op);
        fixture_settle(&world->fixture);
        const struct offset_fetch_response_offset_fetch_response_group *offsets =
            op->ask.call.response;
        for (int32_t i = 0; i < offsets->topics.count; i++) {
            used += (size_t)snprintf(
                text + used, size - used, " %s %.*s=%lld", group_names[g],
                (int)offsets->topics.items[i].name.size, offsets->topics.items[i].name.data,
                (long long)offsets->topics.items[i].partitions.items[0].committed_offset);
        }
    }
    assert_true(used < size);
}

static int16_t deleted(const struct op *op)
{
    assert_true(op->ask.answered);
    return ((const struct delete_groups_response_deletable_group_result *)op->ask.call.response)
        ->error_code;
}

/* ---- the tests ---- */

/* Goal: a group that came with an offset may end before that is committed. */
static void pending__group_of_an_offset_ends_before_it_is_committed(void **state)
{
    (void)state;
    struct world world;
    char text[500];
    world_init(&world, 1);
    commit(&world, "a", "t0", 5);
    struct op *op = delete_group(&world, "a");
    fixture_settle(&world.fixture);
    assert_int_equal(deleted(op), 0);
    tell(&world, true, text, sizeof text);
    assert_string_equal(text, "");
    world_release(&world);
}

/* Goal: a consumer joins a group that came with an offset before that is committed. */
static void pending__consumer_joins_the_group_of_an_offset(void **state)
{
    (void)state;
    struct world world;
    char text[500];
    world_init(&world, 1);
    commit(&world, "a", "t0", 5);
    struct op *op = beat(&world, "a", "m1", 0, "t0");
    fixture_settle(&world.fixture);
    assert_true(op->ask.answered);
    tell(&world, true, text, sizeof text);
    assert_string_equal(text, "a consumer; a t0=5");
    world_release(&world);
}

/* Goal: a group that was deleted does not come back with a restart, though an open transaction had
 * an offset for it. */
static void pending__offset_of_a_transaction_brings_no_deleted_group_back(void **state)
{
    (void)state;
    struct world world;
    char text[500];
    world_init(&world, 1);
    txn_commit(&world, "a", "t0", 1, 5);
    fixture_settle(&world.fixture);
    struct op *op = delete_group(&world, "a");
    fixture_settle(&world.fixture);
    assert_int_equal(deleted(op), 0);
    fixture_restart(&world.fixture);
    tell(&world, true, text, sizeof text);
    assert_string_equal(text, "");
    world_release(&world);
}

/* Goal: who joins a group whose end is then not written is told to come again, and the group is
 * there still. */
static void pending__end_of_a_group_fails_when_it_was_joined_anew(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct world world;
        char text[500];
        world_init(&world, 1);
        if (kind == 0) {
            commit(&world, "a", "t0", 5);
        } else {
            beat(&world, "a", "m1", 0, "t0");
            beat(&world, "a", "m1", -1, NULL);
        }
        fixture_settle(&world.fixture);
        struct op *end = delete_group(&world, "a");
        struct op *joined = join(&world, "a", NULL, string_view_of(""));
        world.fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
        fixture_settle(&world.fixture);
        assert_int_equal(deleted(end), KAFKA_COORDINATOR_NOT_AVAILABLE);
        assert_true(joined->ask.answered);
        const struct join_group_response *told = joined->ask.call.response;
        assert_int_equal(told->error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
        tell(&world, true, text, sizeof text);
        assert_string_equal(text, kind == 0 ? "a classic; a t0=5" : "a consumer;");
        world_release(&world);
    }
}

static void one_step(struct world *world)
{
    const char *group = group_names[pick(world, GROUPS)];
    const char *topic = pick(world, 2) == 0 ? "t0" : "t1";
    const char *member = member_names[pick(world, MEMBERS)];
    switch (pick(world, 20)) {
    case 0:
    case 1:
        commit(world, group, topic, (int64_t)pick(world, 1000));
        break;
    case 2:
        txn_commit(world, group, topic, (int64_t)pick(world, PRODUCERS),
                   (int64_t)pick(world, 1000));
        break;
    case 3:
        txn_end(world, (int64_t)pick(world, PRODUCERS), pick(world, 2) == 0);
        break;
    case 4:
    case 5:
        delete_group(world, group);
        break;
    case 6:
        join(world, group, pick(world, 2) == 0 ? NULL : member, string_view_of(""));
        break;
    case 7:
        leave(world, group, member);
        break;
    case 8: {
        const char *subscribed[] = {topic, topic, "(t.*)", "(t.*"}; /* names, and expressions */
        beat(world, group, member, 0, subscribed[pick(world, 4)]);
        break;
    }
    case 9:
        beat(world, group, member, -1, NULL);
        break;
    case 10:
        delete_offset(world, group, topic);
        break;
    case 11:
        group_coordinator_forget_topic(world->fixture.groups, string_view_of(topic),
                                       table_topic_id(topic[1] == '0' ? 1 : 2),
                                       world->fixture.now);
        break;
    case 13:
        sync_group(world);
        break;
    case 14:
        heartbeat(world);
        break;
    case 15:
        beat(world, group, member, 1 + (int32_t)pick(world, 9), NULL);
        break;
    case 16:
        join_again(world, pick(world, 2) == 0 ? NULL : member);
        break;
    case 17:
        beat(world, group, instance_members[pick(world, 4)], 0, topic);
        break;
    case 18:
        beat(world, group, instance_members[pick(world, 4)], -1 - (int32_t)pick(world, 2), NULL);
        break;
    case 12:
        world->fixture.hold = pick(world, 2) == 0;
        break;
    default:
        world->fixture.now.monotonic_ms += (int64_t)pick(world, 30000);
        runtime_tick(world->fixture.runtime, world->fixture.now);
        break;
    }
}

/* Loads the log into another coordinator. */
static void compare_with_log(struct world *world, uint64_t seed, int step)
{
    char known[1000];
    char loaded[1000];
    tell(world, false, known, sizeof known);
    struct fixture fixture = world->fixture;
    world->fixture.log = (struct writer){0};
    writer_init(&world->fixture.log, 1u << 30);
    writer_bytes(&world->fixture.log, fixture.log.data, fixture.log.size);
    fixture_open(&world->fixture);
    fixture_load(&world->fixture);
    tell(world, false, loaded, sizeof loaded);
    fixture_release(&world->fixture);
    world->fixture = fixture;
    if (strcmp(known, loaded) != 0) {
        fail_msg("seed %llu, step %d: \"%s\", and in the log \"%s\"", (unsigned long long)seed,
                 step, known, loaded);
    }
}

/* Goal: whatever comes before something else is committed, and whichever append fails, what is
 * known in the end is what the log says. */
static void pending__is_what_the_log_says_in_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world world;
        world_init(&world, seed);
        for (int step = 0; step < STEPS; step++) {
            one_step(&world);
            if (pick(&world, 3) == 0) {
                if (pick(&world, 8) == 0) {
                    world.fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
                }
                fixture_settle(&world.fixture);
                if (!world.fixture.hold) {
                    world.fixture.append_error = 0;
                    compare_with_log(&world, seed, step);
                }
            }
        }
        world_release(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending__group_of_an_offset_ends_before_it_is_committed),
        cmocka_unit_test(pending__consumer_joins_the_group_of_an_offset),
        cmocka_unit_test(pending__offset_of_a_transaction_brings_no_deleted_group_back),
        cmocka_unit_test(pending__end_of_a_group_fails_when_it_was_joined_anew),
        cmocka_unit_test(pending__is_what_the_log_says_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
