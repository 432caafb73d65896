/* Groups of the consumer protocol (KIP-848): members, epochs, fencing, expressions, offsets, and
 * what a restart and a failed append leave of them. */
#include "consumer_fixture.h"

static void begin(struct fixture *fixture)
{
    fixture_init(fixture);
    table_add(&fixture->table, "a", 4);
    table_add(&fixture->table, "b", 2);
    group_coordinator_follow_topics(fixture->groups, true);
}

/* ---- describe ---- */

struct description {
    char state[24];
    int32_t epoch;
    int32_t assignment_epoch;
    int32_t members;
    int16_t error;
};

static struct description describe(struct fixture *fixture, const char *group)
{
    struct string_view id = string_view_of(group);
    struct description out = {.error = 0};
    struct ask ask;
    ask_init(&ask, API_CONSUMER_GROUP_DESCRIBE, 1, &id);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct consumer_group_describe_response_described_group *told = ask.call.response;
    snprintf(out.state, sizeof out.state, "%.*s", (int)told->group_state.size,
             told->group_state.data);
    out.epoch = told->group_epoch;
    out.assignment_epoch = told->assignment_epoch;
    out.members = told->members.count;
    out.error = told->error_code;
    arena_release(&ask.arena);
    return out;
}

static void assert_description(struct fixture *fixture, const char *state, int32_t epoch,
                               int32_t members)
{
    struct description told = describe(fixture, "g");
    assert_int_equal(told.error, 0);
    assert_string_equal(told.state, state);
    assert_int_equal(told.epoch, epoch);
    assert_int_equal(told.members, members);
}

/* ---- joining and leaving ---- */

/* The first member: epoch 2, as in Apache Kafka 4.3. */
static void join__the_first_member_has_everything_at_epoch_2(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(one.epoch, 2);
    assert_owns(&one, 0, 1, 2, 3);
    assert_description(&fixture, "Stable", 2, 1);
    /* The next one says nothing new, and hears nothing. */
    assert_int_equal(client_beat(&one, BEAT_SILENT), 0);
    assert_false(one.told);
    fixture_release(&fixture);
}

static void join__nobody_has_what_another_has_not_given_up(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    assert_int_equal(two.epoch, 3);
    assert_int_equal(two.owned_count, 0);
    assert_description(&fixture, "Reconciling", 3, 2);
    /* The first is told what it keeps, and stays at its epoch until the rest is gone. */
    struct client before = one;
    assert_int_equal(client_beat(&one, BEAT_OWNED), 0);
    assert_int_equal(one.epoch, 2);
    assert_int_equal(one.owned_count, 2);
    assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    assert_int_equal(two.owned_count, 0);
    assert_int_equal(client_beat(&one, BEAT_OWNED), 0);
    assert_int_equal(one.epoch, 3);
    assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    assert_int_equal(two.owned_count, 2);
    for (int32_t i = 0; i < before.owned_count; i++) {
        bool mine = false;
        for (int32_t j = 0; j < one.owned_count; j++) {
            mine |= one.owned[j] == before.owned[i];
        }
        for (int32_t j = 0; j < two.owned_count; j++) {
            assert_false(mine && two.owned[j] == before.owned[i]);
        }
    }
    assert_description(&fixture, "Stable", 3, 2);
    fixture_release(&fixture);
}

static void join__without_a_topic_changes_no_epoch(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", NULL);
    one.regex = "";
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(one.epoch, 1);
    assert_description(&fixture, "Stable", 1, 1);
    /* Its group is there after it has gone, and after a restart. */
    assert_int_equal(client_leave(&one, -1), 0);
    assert_description(&fixture, "Empty", 2, 0);
    fixture_restart(&fixture);
    assert_description(&fixture, "Empty", 2, 0);
    fixture_release(&fixture);
}

static void leave__gives_its_partitions_to_the_others(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    struct client *both[] = {&one, &two};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    clients_settle(both, 2);
    assert_int_equal(one.owned_count + two.owned_count, 4);
    assert_int_equal(client_leave(&one, -1), 0);
    assert_int_equal(one.epoch, -1);
    clients_settle(&both[1], 1);
    assert_owns(&two, 0, 1, 2, 3);
    assert_int_equal(client_leave(&two, -1), 0);
    assert_description(&fixture, "Empty", 5, 0);
    assert_int_equal(client_leave(&two, -1), KAFKA_UNKNOWN_MEMBER_ID);
    fixture_release(&fixture);
}

/* ---- who is believed ---- */

static void beat__of_an_unknown_group_or_member_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    one.epoch = 2;
    assert_int_equal(client_beat(&one, BEAT_SILENT), KAFKA_GROUP_ID_NOT_FOUND);
    assert_string_equal(one.message, "Consumer group g not found.");
    assert_int_equal(client_leave(&one, -1), KAFKA_GROUP_ID_NOT_FOUND);
    assert_string_equal(one.message, "Group g not found.");
    assert_int_equal(client_join(&one), 0);
    two.epoch = 2;
    assert_int_equal(client_beat(&two, BEAT_SILENT), KAFKA_UNKNOWN_MEMBER_ID);
    assert_string_equal(two.message, "Member two is not a member of group g.");
    fixture_release(&fixture);
}

static void beat__with_another_epoch_is_fenced_but_for_a_lost_answer(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    assert_int_equal(client_beat(&one, BEAT_OWNED), 0); /* it is to give up two */
    struct client lost = one;
    assert_int_equal(client_beat(&one, BEAT_OWNED), 0);
    assert_int_equal(one.epoch, 3);
    /* It did not get that answer, and says the same again. */
    assert_int_equal(lost.epoch, 2);
    assert_int_equal(client_beat(&lost, BEAT_OWNED), 0);
    assert_int_equal(lost.epoch, 3);
    /* With more than it has, or silent about it, it is not believed. */
    lost.epoch = 2;
    assert_int_equal(client_beat(&lost, BEAT_SILENT), KAFKA_FENCED_MEMBER_EPOCH);
    lost.owned[lost.owned_count++] = lost.owned[0] == 0 ? 2 : 0;
    lost.owned[lost.owned_count++] = 11;
    assert_int_equal(client_beat(&lost, BEAT_OWNED), KAFKA_FENCED_MEMBER_EPOCH);
    one.epoch = 4;
    assert_int_equal(client_beat(&one, BEAT_OWNED), KAFKA_FENCED_MEMBER_EPOCH);
    assert_non_null(strstr(one.message, "greater member epoch (4)"));
    /* It joins again and has what it had. */
    one.epoch = 0;
    one.owned_count = 0;
    assert_int_equal(client_beat(&one, BEAT_FULL), 0);
    assert_int_equal(one.epoch, 3);
    assert_int_equal(one.owned_count, 2);
    fixture_release(&fixture);
}

/* Requests that cannot be meant: field by field. */
static void beat__that_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    static const struct {
        const char *group, *id, *instance, *assignor;
        int32_t epoch;
        enum beat_kind kind;
        int16_t error;
    } rows[] = {
        {"", "one", NULL, NULL, 0, BEAT_FULL, KAFKA_INVALID_REQUEST},
        {"g", "", NULL, NULL, 0, BEAT_FULL, KAFKA_INVALID_REQUEST},
        {"g", "one", "", NULL, 0, BEAT_FULL, KAFKA_INVALID_REQUEST},
        {"g", "one", NULL, NULL, 0, BEAT_SILENT, KAFKA_INVALID_REQUEST},
        {"g", "one", NULL, NULL, -2, BEAT_SILENT, KAFKA_INVALID_REQUEST},
        {"g", "one", NULL, NULL, -3, BEAT_SILENT, KAFKA_INVALID_REQUEST},
        {"g", "one", NULL, "best", 0, BEAT_FULL, KAFKA_UNSUPPORTED_ASSIGNOR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client one = client_of(&fixture, rows[i].id, "a");
        one.group = rows[i].group;
        one.instance = rows[i].instance;
        one.assignor = rows[i].assignor;
        one.epoch = rows[i].epoch;
        assert_int_equal(client_beat(&one, rows[i].kind), rows[i].error);
        assert_true(one.message[0] != '\0');
    }
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    fixture_release(&fixture);
}

static void join__beyond_the_most_members_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.options.consumer_max_size = 1;
    fixture_restart(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(client_beat(&one, BEAT_SILENT), 0);
    fixture_release(&fixture);
}

/* ---- time ---- */

static void session__that_ends_removes_a_member(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    assert_int_equal(client_join(&one), 0);
    fixture_pass(&fixture, 30000);
    assert_int_equal(client_join(&two), 0);
    fixture_pass(&fixture, 20000);
    assert_description(&fixture, "Assigning", 4, 1);
    struct client *left[] = {&two};
    clients_settle(left, 1);
    assert_owns(&two, 0, 1, 2, 3);
    assert_int_equal(client_beat(&one, BEAT_OWNED), KAFKA_UNKNOWN_MEMBER_ID);
    fixture_release(&fixture);
}

static void revocation__has_to_come_in_time(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    one.rebalance_timeout_ms = 20000;
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    for (int i = 0; i < 5; i++) { /* alive, but it keeps what it is to give up */
        assert_int_equal(client_beat(&one, BEAT_SILENT), 0);
        fixture_pass(&fixture, 4500);
        assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    }
    assert_int_equal(client_beat(&one, BEAT_SILENT), KAFKA_UNKNOWN_MEMBER_ID);
    struct client *left[] = {&two};
    clients_settle(left, 1);
    assert_owns(&two, 0, 1, 2, 3);
    fixture_release(&fixture);
}

/* KIP-1263: members that come one after the other are assigned together. */
static void assignment__waits_for_its_interval(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.table.settings.assignment_interval_ms = 1000;
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(one.epoch, 2);
    fixture_pass(&fixture, 400);
    assert_int_equal(client_join(&two), 0);
    assert_int_equal(two.epoch, 2);
    assert_int_equal(two.owned_count, 0);
    assert_description(&fixture, "Assigning", 3, 2);
    fixture_pass(&fixture, 599);
    assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    assert_int_equal(two.epoch, 2);
    fixture_pass(&fixture, 1);
    assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    assert_int_equal(two.epoch, 3);
    /* The time of the last one is in the log; a clock that was set back does not hold it up. */
    fixture_restart(&fixture);
    fixture.now.wall_ms -= 100000;
    assert_int_equal(client_leave(&one, -1), 0);
    assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    assert_int_equal(two.epoch, 4);
    fixture_release(&fixture);
}

/* ---- static members ---- */

static void static__member_that_is_back_has_what_it_had(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    struct client other = client_of(&fixture, "other", "a");
    one.instance = two.instance = "i";
    struct client *both[] = {&one, &other};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&other), 0);
    clients_settle(both, 2);
    int32_t had[OWNED_MAX];
    int32_t count = one.owned_count;
    memcpy(had, one.owned, sizeof had);
    /* While it is here nobody takes its place. */
    assert_int_equal(client_join(&two), KAFKA_UNRELEASED_INSTANCE_ID);
    assert_int_equal(client_leave(&one, -2), 0);
    assert_int_equal(one.epoch, -2);
    assert_int_equal(client_beat(&other, BEAT_OWNED), 0);
    assert_int_equal(other.owned_count, 2);
    fixture_restart(&fixture);
    int32_t epoch = describe(&fixture, "g").epoch;
    assert_int_equal(client_join(&two), 0);
    assert_int_equal(two.owned_count, count);
    assert_memory_equal(two.owned, had, (size_t)count * sizeof *had);
    assert_int_equal(describe(&fixture, "g").epoch, epoch);
    /* The old id is somebody else by now. */
    one.epoch = two.epoch;
    assert_int_equal(client_beat(&one, BEAT_SILENT), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(client_leave(&one, -1), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(client_leave(&two, -1), 0);
    assert_int_equal(client_leave(&two, -1), KAFKA_UNKNOWN_MEMBER_ID);
    fixture_release(&fixture);
}

static void static__member_that_does_not_come_back_is_out_after_its_session(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    one.instance = "i";
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_leave(&one, -2), 0);
    assert_description(&fixture, "Reconciling", 2, 1);
    fixture_pass(&fixture, 46000);
    assert_description(&fixture, "Empty", 3, 0);
    fixture_release(&fixture);
}

/* ---- topics and expressions ---- */

static void topics__that_change_are_assigned_with_the_next_heartbeat(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "new");
    struct client *both[] = {&one, &two};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    clients_settle(both, 2);
    assert_int_equal(two.owned_count, 0);
    int32_t epoch = one.epoch;
    fixture.table.topics[0].partition_count = 6;
    table_add(&fixture.table, "new", 1);
    group_coordinator_follow_topics(fixture.groups, true);
    clients_settle(both, 2);
    assert_owns(&one, 0, 1, 2, 3, 4, 5);
    assert_owns(&two, 20);
    assert_int_equal(one.epoch, epoch + 1);
    /* One that nobody subscribes to changes nothing. */
    table_add(&fixture.table, "other", 1);
    group_coordinator_follow_topics(fixture.groups, true);
    clients_settle(both, 2);
    assert_int_equal(one.epoch, epoch + 1);
    fixture_release(&fixture);
}

static void expression__is_resolved_beside_the_heartbeats(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    table_add(&fixture.table, "c0", 1);
    table_add(&fixture.table, "c1", 1);
    struct client one = client_of(&fixture, "one", NULL);
    one.regex = "c[0-2]|b";
    struct client *alone[] = {&one};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(one.epoch, 1);
    assert_int_equal(one.owned_count, 0);
    clients_settle(alone, 1);
    assert_owns(&one, 10, 11, 20, 30);
    assert_int_equal(one.epoch, 2);
    /* New topics count, but not more often than every ten seconds. */
    fixture_restart(&fixture);
    table_add(&fixture.table, "c2", 1);
    group_coordinator_follow_topics(fixture.groups, true);
    assert_int_equal(client_join(&one), 0);
    assert_owns(&one, 10, 11, 20, 30);
    fixture_pass(&fixture, 11000);
    clients_settle(alone, 1);
    assert_owns(&one, 10, 11, 20, 30, 40);
    table_add(&fixture.table, "d", 1); /* it does not match */
    group_coordinator_follow_topics(fixture.groups, true);
    fixture_pass(&fixture, 11000);
    clients_settle(alone, 1);
    assert_int_equal(one.epoch, 3);
    /* The last one that has it takes it along. */
    assert_int_equal(client_leave(&one, -1), 0);
    assert_description(&fixture, "Empty", 4, 0);
    fixture_release(&fixture);
}

static void expression__that_is_none_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", NULL);
    one.regex = "(";
    assert_int_equal(client_join(&one), KAFKA_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    one.regex = "a";
    assert_int_equal(client_join(&one), 0);
    struct client *alone[] = {&one};
    clients_settle(alone, 1);
    assert_owns(&one, 0, 1, 2, 3);
    /* Names and an expression, then names alone. */
    one.names[0] = "b";
    assert_int_equal(client_beat(&one, BEAT_FULL), 0);
    clients_settle(alone, 1);
    assert_owns(&one, 0, 1, 2, 3, 10, 11);
    one.regex = "";
    assert_int_equal(client_beat(&one, BEAT_FULL), 0);
    clients_settle(alone, 1);
    assert_owns(&one, 10, 11);
    fixture_release(&fixture);
}

/* ---- offsets ---- */

static int16_t commit(struct client *client, int16_t version, int32_t epoch, int32_t partition)
{
    struct offset_commit_request_offset_commit_request_partition item = {
        .partition_index = partition,
        .committed_offset = 7,
        .committed_leader_epoch = -1,
        .committed_metadata = string_view_of("")};
    struct offset_commit_request_offset_commit_request_topic topic = {
        .name = string_view_of("a"), .partitions = {&item, 1}};
    struct offset_commit_request request;
    struct ask ask;
    topic.topic_id = client->fixture->table.topics[0].id;
    offset_commit_request_default(&request);
    request.group_id = string_view_of("g");
    request.member_id = string_view_of(client->id);
    request.generation_id_or_member_epoch = epoch;
    request.topics.items = &topic;
    request.topics.count = 1;
    ask_init(&ask, API_OFFSET_COMMIT, version, &request);
    fixture_ask(client->fixture, &ask);
    assert_true(ask.answered);
    const struct offset_commit_response *response = ask.call.response;
    int16_t error = response->topics.items[0].partitions.items[0].error_code;
    arena_release(&ask.arena);
    return error;
}

/* Regression of field fault 23, and the table of KIP-1251. */
static void commit__of_an_older_epoch_is_taken_for_what_the_member_has_had_since(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    struct client *both[] = {&one, &two};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    clients_settle(both, 2);
    assert_int_equal(one.epoch, 3);
    assert_int_equal(commit(&one, 9, 3, one.owned[0]), 0);
    assert_int_equal(commit(&one, 9, 3, two.owned[0]), 0); /* at its epoch nothing is looked at */
    assert_int_equal(commit(&one, 9, 2, one.owned[0]), 0); /* it has had that since 2 */
    assert_int_equal(commit(&one, 9, 1, one.owned[0]), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&one, 9, 2, two.owned[0]), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&two, 9, 2, two.owned[0]), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&one, 9, 4, one.owned[0]), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(&one, 8, 3, one.owned[0]), KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(commit(&one, 9, -1, one.owned[0]), KAFKA_STALE_MEMBER_EPOCH);
    struct client nobody = client_of(&fixture, "nobody", "a");
    assert_int_equal(commit(&nobody, 9, 3, 0), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(client_leave(&one, -1), 0);
    assert_int_equal(client_leave(&two, -1), 0);
    nobody.id = "";
    assert_int_equal(commit(&nobody, 9, -1, 0), 0); /* an administrator */
    fixture_release(&fixture);
}

static int64_t committed(struct fixture *fixture, int32_t partition)
{
    struct offset_fetch_request_offset_fetch_request_topics asked = {
        .name = string_view_of("a"), .partition_indexes = {&partition, 1}};
    struct group_offset_fetch request = {.group = {.group_id = string_view_of("g"),
                                                   .member_epoch = -1,
                                                   .topics = {&asked, 1}}};
    struct ask ask;
    ask_init(&ask, API_OFFSET_FETCH, 9, &request);
    fixture_ask(fixture, &ask);
    const struct offset_fetch_response_offset_fetch_response_group *response = ask.call.response;
    int64_t offset = response->topics.items[0].partitions.items[0].committed_offset;
    arena_release(&ask.arena);
    return offset;
}

static void offsets__of_topics_that_nobody_reads_expire(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(commit(&one, 9, one.epoch, 1), 0);
    for (int i = 0; i < 80; i++) {
        fixture_pass(&fixture, 30000);
        assert_int_equal(client_beat(&one, BEAT_SILENT), 0);
    }
    assert_int_equal(committed(&fixture, 1), 7);
    one.names[0] = "b";
    assert_int_equal(client_beat(&one, BEAT_FULL), 0);
    for (int i = 0; i < 80; i++) {
        fixture_pass(&fixture, 30000);
        assert_int_equal(client_beat(&one, BEAT_OWNED), 0);
    }
    assert_int_equal(committed(&fixture, 1), -1);
    /* Without members and offsets the group goes too. */
    assert_int_equal(client_leave(&one, -1), 0);
    fixture_pass(&fixture, 1300000);
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    fixture_restart(&fixture);
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    fixture_release(&fixture);
}

/* ---- the log ---- */

static void restart__finds_members_epochs_and_what_they_own(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    struct client *both[] = {&one, &two};
    assert_int_equal(client_join(&one), 0);
    assert_int_equal(client_join(&two), 0);
    for (int i = 0; i < 6; i++) { /* at every step on the way */
        fixture_restart(&fixture);
        assert_int_equal(client_beat(&one, BEAT_OWNED), 0);
        fixture_restart(&fixture);
        assert_int_equal(client_beat(&two, BEAT_OWNED), 0);
    }
    clients_settle(both, 2);
    assert_int_equal(one.owned_count, 2);
    assert_int_equal(two.owned_count, 2);
    assert_description(&fixture, "Stable", 3, 2);
    fixture_restart(&fixture);
    fixture_pass(&fixture, 46000); /* nobody is heard of: their sessions begin with the load */
    assert_description(&fixture, "Empty", 5, 0);
    fixture_release(&fixture);
}

/* An append that fails takes everything back that it was to write. */
static void append__that_fails_leaves_what_there_was(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client one = client_of(&fixture, "one", "a");
    struct client two = client_of(&fixture, "two", "a");
    struct client *both[] = {&one, &two};
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(client_join(&one), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(client_join(&one), 0);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(client_join(&two), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_description(&fixture, "Stable", 2, 1);
    assert_int_equal(client_join(&two), 0);
    clients_settle(both, 2);
    struct client gone = one;
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(client_leave(&gone, -1), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_description(&fixture, "Stable", 3, 2);
    clients_settle(both, 2);
    assert_int_equal(one.owned_count + two.owned_count, 4);
    fixture_release(&fixture);
}

/* Several operations in one append that fails, and a describe that waits for it. */
static void append__that_fails_takes_back_all_that_came_meanwhile(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client clients[3];
    struct ask asks[4];
    struct client_request requests[3];
    struct string_view group = string_view_of("g");
    static const char *const ids[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        clients[i] = client_of(&fixture, ids[i], "a");
        client_fill(&clients[i], BEAT_FULL, &requests[i]);
        ask_init(&asks[i], API_CONSUMER_GROUP_HEARTBEAT, 1, &requests[i].message);
        runtime_handle(fixture.runtime, &asks[i].call, fixture.now);
    }
    ask_init(&asks[3], API_CONSUMER_GROUP_DESCRIBE, 1, &group);
    runtime_handle(fixture.runtime, &asks[3].call, fixture.now);
    assert_null(runtime_take_reply(fixture.runtime)); /* nothing is told that is not committed */
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    fixture_settle(&fixture);
    for (size_t i = 0; i < 3; i++) {
        assert_true(asks[i].answered);
        const struct consumer_group_heartbeat_response *response = asks[i].call.response;
        assert_int_equal(response->error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    const struct consumer_group_describe_response_described_group *told = asks[3].call.response;
    assert_int_equal(told->error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(describe(&fixture, "g").error, KAFKA_GROUP_ID_NOT_FOUND);
    for (size_t i = 0; i < 4; i++) {
        arena_release(&asks[i].arena);
    }
    fixture_release(&fixture);
}

/* Every allocation fails once, in every operation; afterwards all is as the log has it. */
static void group__outlives_any_allocation_that_fails(void **state)
{
    (void)state;
    int64_t countdown = 1;
    bool failed = true;
    while (failed) {
        struct fixture fixture;
        begin(&fixture);
        struct client one = client_of(&fixture, "one", "a");
        struct client two = client_of(&fixture, "two", NULL);
        struct client again = client_of(&fixture, "again", "a");
        two.regex = "a|b";
        one.instance = again.instance = "i";
        mem_fail_after(countdown);
        (void)client_join(&one);
        (void)client_join(&two);
        fixture_pass(&fixture, 1000);
        (void)client_beat(&one, BEAT_OWNED);
        (void)client_beat(&two, BEAT_OWNED);
        (void)client_leave(&one, -2);
        (void)client_join(&again);
        (void)client_beat(&two, BEAT_OWNED);
        (void)client_leave(&again, -1);
        fixture_pass(&fixture, 46000);
        failed = mem_fail_after(0) == 0;
        fixture_restart(&fixture);
        struct client last = client_of(&fixture, "last", "a");
        struct client *alone[] = {&last};
        fixture_pass(&fixture, 46000);
        assert_int_equal(client_join(&last), 0);
        clients_settle(alone, 1);
        assert_owns(&last, 0, 1, 2, 3);
        fixture_release(&fixture);
        countdown++;
    }
    assert_true(countdown > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join__the_first_member_has_everything_at_epoch_2),
        cmocka_unit_test(join__nobody_has_what_another_has_not_given_up),
        cmocka_unit_test(join__without_a_topic_changes_no_epoch),
        cmocka_unit_test(leave__gives_its_partitions_to_the_others),
        cmocka_unit_test(beat__of_an_unknown_group_or_member_is_refused),
        cmocka_unit_test(beat__with_another_epoch_is_fenced_but_for_a_lost_answer),
        cmocka_unit_test(beat__that_cannot_be_meant_is_refused),
        cmocka_unit_test(join__beyond_the_most_members_is_refused),
        cmocka_unit_test(session__that_ends_removes_a_member),
        cmocka_unit_test(revocation__has_to_come_in_time),
        cmocka_unit_test(assignment__waits_for_its_interval),
        cmocka_unit_test(static__member_that_is_back_has_what_it_had),
        cmocka_unit_test(static__member_that_does_not_come_back_is_out_after_its_session),
        cmocka_unit_test(topics__that_change_are_assigned_with_the_next_heartbeat),
        cmocka_unit_test(expression__is_resolved_beside_the_heartbeats),
        cmocka_unit_test(expression__that_is_none_is_refused),
        cmocka_unit_test(commit__of_an_older_epoch_is_taken_for_what_the_member_has_had_since),
        cmocka_unit_test(offsets__of_topics_that_nobody_reads_expire),
        cmocka_unit_test(restart__finds_members_epochs_and_what_they_own),
        cmocka_unit_test(append__that_fails_leaves_what_there_was),
        cmocka_unit_test(append__that_fails_takes_back_all_that_came_meanwhile),
        cmocka_unit_test(group__outlives_any_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
