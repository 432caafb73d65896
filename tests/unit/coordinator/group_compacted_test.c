#include "fixture.h"

#include "compacted.h"
#include "protocol/messages.h"

#define PRODUCER 9
#define LATER_MS 600000
#define REBALANCE_MS 20000
#define GENERATIONS_MAX 32

static const char *const group_names[] = {"g", "h", "simple"};
static const char *const topic_names[] = {"a", "b"};

static struct string_view none(void) { return (struct string_view){NULL, 0}; }

/* ---- what a coordinator went through ---- */

static void join_init(struct ask *ask, struct join_group_request *request,
                      struct join_group_request_join_group_request_protocol *protocol,
                      const char *group, const char *member_id)
{
    *protocol = (struct join_group_request_join_group_request_protocol){
        string_view_of("range"), {(const uint8_t *)"meta", 4}};
    *request = (struct join_group_request){.group_id = string_view_of(group),
                                           .session_timeout_ms = 1000000,
                                           .rebalance_timeout_ms = REBALANCE_MS,
                                           .member_id = string_view_of(member_id),
                                           .group_instance_id = none(),
                                           .protocol_type = string_view_of("consumer"),
                                           .protocols = {protocol, 1}};
    ask_init(ask, API_JOIN_GROUP, 3, request);
}

/* Joins, waits for the rebalance, and syncs: the only member. */
static void join(struct fixture *fixture, const char *group, const char *member_id,
                 int32_t generation, char id[80])
{
    struct ask ask;
    struct join_group_request request;
    struct join_group_request_join_group_request_protocol protocol;
    join_init(&ask, &request, &protocol, group, member_id);
    for (size_t i = 0; i < sizeof ask.call.random; i++) {
        ask.call.random[i] = (uint8_t)(fixture->now.monotonic_ms >> i);
    }
    fixture_ask(fixture, &ask);
    fixture_pass(fixture, fixture->options.initial_rebalance_delay_ms);
    assert_true(ask.answered);
    const struct join_group_response *told = ask.call.response;
    assert_int_equal(told->error_code, 0);
    assert_int_equal(told->generation_id, generation);
    snprintf(id, 80, "%.*s", (int)told->member_id.size, told->member_id.data);
    arena_release(&ask.arena);

    struct sync_group_request_sync_group_request_assignment assignment = {
        string_view_of(id), {(const uint8_t *)"mine", 4}};
    struct sync_group_request sync = {.group_id = string_view_of(group),
                                      .generation_id = generation,
                                      .member_id = string_view_of(id),
                                      .group_instance_id = none(),
                                      .protocol_type = string_view_of("consumer"),
                                      .protocol_name = string_view_of("range"),
                                      .assignments = {&assignment, 1}};
    ask_init(&ask, API_SYNC_GROUP, 5, &sync);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    assert_int_equal(((const struct sync_group_response *)ask.call.response)->error_code, 0);
    arena_release(&ask.arena);
}

static void leave(struct fixture *fixture, const char *group, const char *id)
{
    struct ask ask;
    struct leave_group_request_member_identity member = {string_view_of(id), none(), none()};
    struct leave_group_request request = {.group_id = string_view_of(group),
                                          .members = {&member, 1}};
    ask_init(&ask, API_LEAVE_GROUP, 5, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    assert_int_equal(((const struct leave_group_response *)ask.call.response)->error_code, 0);
    arena_release(&ask.arena);
}

static void commit(struct fixture *fixture, const char *group, const char *id, int32_t generation,
                   const char *topic, int64_t offset)
{
    struct ask ask;
    struct offset_commit_request_offset_commit_request_partition partition = {
        .committed_offset = offset,
        .committed_leader_epoch = 3,
        .committed_metadata = string_view_of("words")};
    struct offset_commit_request_offset_commit_request_topic asked = {
        .name = string_view_of(topic), .partitions = {&partition, 1}};
    struct offset_commit_request request = {.group_id = string_view_of(group),
                                            .generation_id_or_member_epoch = generation,
                                            .member_id = string_view_of(id),
                                            .group_instance_id = none(),
                                            .retention_time_ms = -1,
                                            .topics = {&asked, 1}};
    ask_init(&ask, API_OFFSET_COMMIT, 9, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct offset_commit_response *told = ask.call.response;
    assert_int_equal(told->topics.items[0].partitions.items[0].error_code, 0);
    arena_release(&ask.arena);
}

static void told_nothing(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    (void)runtime;
    (void)waiter;
    assert_int_equal(error, 0);
}

/* Commits offset in a transaction; ends: 'c' it is committed, 'a' aborted, 'o' it stays open. */
static void transact(struct fixture *fixture, int64_t producer_id, const char *group,
                     const char *topic, int64_t offset, char ends)
{
    struct ask ask;
    struct txn_offset_commit_request_txn_offset_commit_request_partition partition = {
        0, offset, -1, string_view_of("in a transaction")};
    struct txn_offset_commit_request_txn_offset_commit_request_topic asked = {
        .name = string_view_of(topic), .partitions = {&partition, 1}};
    struct txn_offset_commit_request request = {.transactional_id = string_view_of("t"),
                                                .group_id = string_view_of(group),
                                                .producer_id = producer_id,
                                                .generation_id = -1,
                                                .member_id = string_view_of(""),
                                                .topics = {&asked, 1}};
    ask_init(&ask, API_TXN_OFFSET_COMMIT, 5, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    arena_release(&ask.arena);
    if (ends != 'o') {
        struct runtime_marker marker = {
            .producer_id = producer_id, .offset = -1, .commit = ends == 'c'};
        struct runtime_waiter waiter = {.done = told_nothing};
        list_init(&waiter.node);
        group_coordinator_end_transaction(fixture->groups, &marker, &waiter, fixture->now);
        fixture_settle(fixture);
    }
}

static void delete_offset(struct fixture *fixture, const char *group, const char *topic)
{
    struct ask ask;
    struct offset_delete_request_offset_delete_request_partition partition = {0};
    struct offset_delete_request_offset_delete_request_topic asked = {
        .name = string_view_of(topic), .partitions = {&partition, 1}};
    struct offset_delete_request request = {.group_id = string_view_of(group),
                                            .topics = {&asked, 1}};
    ask_init(&ask, API_OFFSET_DELETE, 0, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    assert_int_equal(((const struct offset_delete_response *)ask.call.response)->error_code, 0);
    arena_release(&ask.arena);
}

static void delete_group(struct fixture *fixture, const char *group)
{
    struct ask ask;
    struct string_view name = string_view_of(group);
    ask_init(&ask, API_DELETE_GROUPS, 2, &name);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct delete_groups_response_deletable_group_result *told = ask.call.response;
    assert_int_equal(told->error_code, 0);
    arena_release(&ask.arena);
}

/* ---- what it knows ---- */

/* The generation that a member may be in: the one in which its heartbeats are welcome. */
static int32_t generation_of(struct fixture *fixture, const char *group, struct string_view id)
{
    for (int32_t generation = 1; generation < GENERATIONS_MAX; generation++) {
        struct ask ask;
        struct heartbeat_request request = {string_view_of(group), generation, id, none()};
        ask_init(&ask, API_HEARTBEAT, 4, &request);
        fixture_ask(fixture, &ask);
        assert_true(ask.answered);
        int16_t error = ((const struct heartbeat_response *)ask.call.response)->error_code;
        arena_release(&ask.arena);
        if (error == 0) {
            return generation;
        }
    }
    return -1;
}

/* Which generation a group comes to when somebody joins: an empty one does not tell otherwise. */
static void dump_next_generation(struct fixture *fixture, const char *name, struct dump *dump)
{
    struct ask ask;
    struct join_group_request request;
    struct join_group_request_join_group_request_protocol protocol;
    join_init(&ask, &request, &protocol, name, "");
    fixture_ask(fixture, &ask);
    fixture_pass(fixture, REBALANCE_MS); /* who is there does not come to the rebalance */
    assert_true(ask.answered);
    const struct join_group_response *told = ask.call.response;
    say(dump, "%s: next is generation %d, error %d\n", name, told->generation_id,
        told->error_code);
    arena_release(&ask.arena);
}

static void dump_group(struct fixture *fixture, const char *name, struct dump *dump)
{
    struct ask ask;
    struct string_view view = string_view_of(name);
    ask_init(&ask, API_DESCRIBE_GROUPS, 6, &view);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct describe_groups_response_described_group *told = ask.call.response;
    say(dump, "%s: error %d, %.*s, %.*s %.*s\n", name, told->error_code,
        (int)told->group_state.size, told->group_state.data, (int)told->protocol_type.size,
        told->protocol_type.data, (int)told->protocol_data.size, told->protocol_data.data);
    for (int32_t i = 0; i < told->members.count; i++) {
        const struct describe_groups_response_described_group_member *member =
            &told->members.items[i];
        say(dump, "  %.*s in generation %d, %.*s at %.*s: %.*s %.*s\n",
            (int)member->member_id.size, member->member_id.data,
            generation_of(fixture, name, member->member_id), (int)member->client_id.size,
            member->client_id.data,
            (int)member->client_host.size, member->client_host.data,
            (int)member->member_metadata.size, (const char *)member->member_metadata.data,
            (int)member->member_assignment.size, (const char *)member->member_assignment.data);
    }
    arena_release(&ask.arena);
}

static void dump_offset(struct fixture *fixture, const char *group, const char *topic, bool stable,
                        struct dump *dump)
{
    struct ask ask;
    int32_t partition = 0;
    struct offset_fetch_request_offset_fetch_request_topics asked = {
        .name = string_view_of(topic), .partition_indexes = {&partition, 1}};
    struct group_offset_fetch request = {
        .group = {.group_id = string_view_of(group), .member_epoch = -1, .topics = {&asked, 1}},
        .require_stable = stable};
    ask_init(&ask, API_OFFSET_FETCH, 9, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct offset_fetch_response_offset_fetch_response_group *told = ask.call.response;
    const struct offset_fetch_response_offset_fetch_response_partitions *found =
        &told->topics.items[0].partitions.items[0];
    say(dump, "  %s%s: %lld in epoch %d, %.*s, error %d\n", topic, stable ? ", stable" : "",
        (long long)found->committed_offset, found->committed_leader_epoch,
        (int)found->metadata.size, found->metadata.data, found->error_code);
    arena_release(&ask.arena);
}

/* Now, and when offsets have expired. */
static void dump_all(struct fixture *fixture, struct dump *dump)
{
    dump->size = 0;
    for (int later = 0; later < 3; later++) {
        struct group_counts counts = group_coordinator_counts(fixture->groups);
        say(dump, "%lld groups, %lld stable, %lld offsets\n", (long long)counts.groups,
            (long long)counts.stable, (long long)counts.offsets);
        for (size_t i = 0; i < sizeof group_names / sizeof *group_names; i++) {
            dump_group(fixture, group_names[i], dump);
            for (size_t j = 0; j < sizeof topic_names / sizeof *topic_names; j++) {
                dump_offset(fixture, group_names[i], topic_names[j], false, dump);
                dump_offset(fixture, group_names[i], topic_names[j], true, dump);
            }
        }
        fixture_pass(fixture, LATER_MS);
    }
    for (size_t i = 0; i < sizeof group_names / sizeof *group_names; i++) {
        dump_next_generation(fixture, group_names[i], dump);
    }
}

/* Every variant of what went through fixture, up to so many, loads to what all of it loads to. */
static void check_some(struct fixture *fixture, uint64_t limit)
{
    struct compacted_log log;
    struct dump *whole = test_calloc(1, sizeof *whole);
    struct dump *part = test_calloc(1, sizeof *part);
    uint64_t made = 0;
    compacted_read(&log, fixture->log.data, fixture->log.size);
    for (uint64_t i = 0; i < compacted_variants(&log) && i < limit; i++) {
        struct fixture loaded;
        bool gone[COMPACTED_RECORDS_MAX];
        uint64_t variant = compacted_variant(&log, i);
        if (!compacted_choose(&log, variant, gone)) {
            continue;
        }
        made++;
        fixture_init(&loaded);
        group_coordinator_destroy(&loaded.groups);
        fixture_open(&loaded);
        loaded.now = fixture->now;
        loaded.log_end_offset = loaded.committed = fixture->log_end_offset;
        assert_int_equal(compacted_load(&log, gone, loaded.runtime), 0);
        runtime_loaded(loaded.runtime, loaded.now);
        fixture_settle(&loaded);
        dump_all(&loaded, i == 0 ? whole : part);
        if (i > 0 && strcmp(whole->text, part->text) != 0) {
            print_error("variant %llu\n---- of all\n%s---- of what is left\n%s",
                        (unsigned long long)variant, whole->text, part->text);
            fail();
        }
        fixture_release(&loaded);
    }
    assert_true(made > 0);
    test_free(whole);
    test_free(part);
}

static void check_variants(struct fixture *fixture) { check_some(fixture, UINT64_MAX); }

/* ---- field fault 11 ---- */

/* Goal: members come and go, and generations with them; what is left of the group's records gives
 * the same group. Method: every variant of the real log at each step. */
static void compacted__members_come_and_go(void **state)
{
    (void)state;
    struct fixture fixture;
    char first[80];
    char second[80];
    fixture_init(&fixture);
    join(&fixture, "g", "", 1, first);
    commit(&fixture, "g", first, 1, "a", 10);
    join(&fixture, "g", first, 2, first);
    commit(&fixture, "g", first, 2, "a", 20);
    commit(&fixture, "g", first, 2, "b", 5);
    check_variants(&fixture);
    leave(&fixture, "g", first);
    check_variants(&fixture);
    join(&fixture, "h", "", 1, second);
    commit(&fixture, "h", second, 1, "a", 1);
    check_variants(&fixture);
    fixture_release(&fixture);
}

/* Goal: groups are deleted, and names come again, with members or only with offsets. */
static void compacted__names_come_again(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[80];
    fixture_init(&fixture);
    commit(&fixture, "simple", "", -1, "a", 1);
    join(&fixture, "g", "", 1, id);
    commit(&fixture, "g", id, 1, "a", 3);
    leave(&fixture, "g", id);
    delete_group(&fixture, "g");
    delete_group(&fixture, "simple");
    check_variants(&fixture);
    commit(&fixture, "g", "", -1, "b", 4);
    join(&fixture, "simple", "", 1, id);
    check_variants(&fixture);
    delete_offset(&fixture, "g", "b");
    commit(&fixture, "simple", id, 1, "a", 9);
    check_variants(&fixture);
    fixture_release(&fixture);
}

/* Goal: offsets of transactions count or not, in whatever order they and others come. */
static void compacted__offsets_of_transactions(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    commit(&fixture, "simple", "", -1, "a", 1);
    transact(&fixture, PRODUCER, "simple", "a", 2, 'c');
    transact(&fixture, PRODUCER, "simple", "a", 3, 'a');
    transact(&fixture, PRODUCER + 1, "simple", "b", 4, 'a');
    check_variants(&fixture);
    commit(&fixture, "simple", "", -1, "a", 5);
    transact(&fixture, PRODUCER, "g", "b", 6, 'c');
    transact(&fixture, PRODUCER + 1, "g", "b", 7, 'o');
    commit(&fixture, "g", "", -1, "a", 8);
    check_variants(&fixture);
    transact(&fixture, PRODUCER + 1, "g", "a", 9, 'c');
    delete_group(&fixture, "g");
    check_variants(&fixture);
    fixture_release(&fixture);
}

/* Goal: a topic that is deleted takes its offsets along, also those that a transaction holds. */
static void compacted__topics_are_deleted(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    commit(&fixture, "simple", "", -1, "a", 1);
    commit(&fixture, "simple", "", -1, "b", 2);
    transact(&fixture, PRODUCER, "g", "a", 3, 'c');
    transact(&fixture, PRODUCER, "simple", "a", 4, 'o');
    group_coordinator_forget_topic(fixture.groups, string_view_of("a"), (struct uuid){{1}},
                                   fixture.now);
    fixture_settle(&fixture);
    transact(&fixture, PRODUCER, "g", "b", 5, 'c');
    check_variants(&fixture);
    commit(&fixture, "simple", "", -1, "a", 6);
    commit(&fixture, "simple", "", -1, "b", 7);
    check_variants(&fixture);
    fixture_release(&fixture);
}

/* One group of the walk below. */
struct walker {
    const char *name;
    char id[80];        /* of its only member */
    int32_t generation; /* that it is in; 0: it has no member */
    int32_t generations;
    bool exists;
};

static void walk_group(struct fixture *fixture, struct walker *group, uint32_t chance)
{
    const char *topic = topic_names[chance / 8 % 2];
    bool is_member = group->generation > 0;
    switch (chance % 8) {
    case 0:
    case 1:
        if (!is_member || chance % 8 == 0) {
            group->generation = ++group->generations;
            join(fixture, group->name, is_member ? group->id : "", group->generation, group->id);
        } else {
            /* The generation of nobody is one more. */
            leave(fixture, group->name, group->id);
            group->generations++;
            group->generation = 0;
        }
        break;
    case 2:
        if (group->exists && !is_member) {
            delete_group(fixture, group->name);
            group->exists = false;
            group->generations = 0;
            return;
        }
        break;
    case 3:
        if (group->exists) {
            delete_offset(fixture, group->name, topic);
        }
        break;
    default:
        commit(fixture, group->name, is_member ? group->id : "", is_member ? group->generation : -1,
               topic, chance >> 8 & 0xfff);
        break;
    }
    group->exists = group->exists || chance % 8 < 2 || chance % 8 > 3;
}

/* Goal: the same for whatever happens to groups. Method: a walk by each of many seeds. */
static void compacted__whatever_happens_to_groups(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 150; seed++) {
        struct fixture fixture;
        struct walker groups[] = {{.name = "g"}, {.name = "h"}};
        uint32_t random = seed * 2654435761u;
        fixture_init(&fixture);
        for (int i = 0; i < 14; i++) {
            random = random * 1664525u + 1013904223u;
            uint32_t chance = random >> 8;
            if (chance % 4 == 0) {
                transact(&fixture, PRODUCER + chance / 4 % 3, "simple",
                         topic_names[chance / 16 % 2], chance >> 12, "cca"[chance / 32 % 3]);
            } else {
                walk_group(&fixture, &groups[chance / 4 % 2], chance / 8);
            }
        }
        check_some(&fixture, 200);
        fixture_release(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compacted__members_come_and_go),
        cmocka_unit_test(compacted__names_come_again),
        cmocka_unit_test(compacted__offsets_of_transactions),
        cmocka_unit_test(compacted__topics_are_deleted),
        cmocka_unit_test(compacted__whatever_happens_to_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
