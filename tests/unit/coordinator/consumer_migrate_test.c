/* Groups that change their protocol: a classic group that a member of the consumer protocol joins,
 * groups of both, and the way back. */
#include "consumer_fixture.h"

#define SUBSCRIPTION_BYTES 256

static void begin(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->options.initial_rebalance_delay_ms = 0;
    table_add(&fixture->table, "a", 4);
    table_add(&fixture->table, "b", 2);
    fixture_restart(fixture);
    group_coordinator_follow_topics(fixture->groups, true);
}

/* A member of the classic protocol, as its client sees it. */
struct old_client {
    struct fixture *fixture;
    char id[64];
    const char *instance;
    int32_t generation;
    int32_t owned[OWNED_MAX]; /* partitions of "a" */
    int32_t owned_count;
    bool leads;
    bool user_data; /* its assignor keeps something of its own */
    int16_t error;
    struct ask ask; /* under way */
    struct join_group_request join;
    struct join_group_request_join_group_request_protocol protocol;
    uint8_t subscription[SUBSCRIPTION_BYTES];
};

static struct bytes_view old_subscription(struct old_client *client)
{
    struct consumer_protocol_subscription value;
    struct consumer_protocol_subscription_topic_partition owned = {
        .topic = string_view_of("a"), .partitions = {client->owned, client->owned_count}};
    struct string_view topic = string_view_of("a");
    struct writer writer;
    consumer_protocol_subscription_default(&value);
    value.topics.items = &topic;
    value.topics.count = 1;
    value.owned_partitions.items = &owned;
    value.owned_partitions.count = 1;
    writer_init_fixed(&writer, client->subscription, sizeof client->subscription);
    writer_i16(&writer, 3);
    assert_int_equal(consumer_protocol_subscription_encode(&writer, 3, &value), 0);
    return (struct bytes_view){client->subscription, writer.size};
}

static void old_join_send(struct old_client *client)
{
    struct join_group_request *request = &client->join;
    client->protocol = (struct join_group_request_join_group_request_protocol){
        string_view_of("range"), old_subscription(client)};
    join_group_request_default(request);
    request->group_id = string_view_of("g");
    request->session_timeout_ms = 30000;
    request->rebalance_timeout_ms = 60000;
    request->member_id = string_view_of(client->id);
    request->group_instance_id = string_view_of(client->instance);
    request->protocol_type = string_view_of("consumer");
    request->protocols.items = &client->protocol;
    request->protocols.count = 1;
    ask_init(&client->ask, API_JOIN_GROUP, 9, request);
    memset(client->ask.call.random, client->fixture->now.monotonic_ms & 0x7f, 16);
    client->ask.call.random[0] = (uint8_t)(client->fixture->log_end_offset + 1);
    client->ask.call.random[1] = (uint8_t)(uintptr_t)client;
    client->ask.call.random[2] = (uint8_t)((uintptr_t)client >> 8);
    fixture_ask(client->fixture, &client->ask);
}

static int16_t old_join_hear(struct old_client *client)
{
    assert_true(client->ask.answered);
    const struct join_group_response *response = client->ask.call.response;
    client->error = response->error_code;
    if (response->member_id.size > 0) {
        snprintf(client->id, sizeof client->id, "%.*s", (int)response->member_id.size,
                 response->member_id.data);
    }
    if (client->error == 0) {
        client->generation = response->generation_id;
        client->leads = response->leader.size > 0 &&
                        string_view_is(response->leader, client->id);
        assert_true(string_view_is(response->protocol_name, "range"));
    }
    arena_release(&client->ask.arena);
    return client->error;
}

/* With the id that it is told at first. */
static void old_join_begin(struct old_client *client)
{
    old_join_send(client);
    const struct join_group_response *response =
        client->ask.answered ? client->ask.call.response : NULL;
    if (response != NULL && response->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        assert_int_equal(old_join_hear(client), KAFKA_MEMBER_ID_REQUIRED);
        old_join_send(client);
    }
}

static int16_t old_join(struct old_client *client)
{
    old_join_begin(client);
    return old_join_hear(client);
}

static struct bytes_view old_assignment(const struct old_client *client,
                                        uint8_t bytes[SUBSCRIPTION_BYTES])
{
    struct consumer_protocol_assignment value;
    struct consumer_protocol_assignment_topic_partition topic = {
        .topic = string_view_of("a"),
        .partitions = {(int32_t *)client->owned, client->owned_count}};
    struct writer writer;
    consumer_protocol_assignment_default(&value);
    value.assigned_partitions.items = &topic;
    value.assigned_partitions.count = 1;
    if (client->user_data) {
        value.user_data = (struct bytes_view){(const uint8_t *)"x", 1};
    }
    writer_init_fixed(&writer, bytes, SUBSCRIPTION_BYTES);
    writer_i16(&writer, 3);
    assert_int_equal(consumer_protocol_assignment_encode(&writer, 3, &value), 0);
    return (struct bytes_view){bytes, writer.size};
}

/* The leader says that each has what it has (owned); the others say nothing. */
static int16_t old_sync(struct old_client *client, struct old_client *const *all, size_t count)
{
    struct sync_group_request request;
    struct sync_group_request_sync_group_request_assignment items[4];
    uint8_t bytes[4][SUBSCRIPTION_BYTES];
    struct ask ask;
    sync_group_request_default(&request);
    request.group_id = string_view_of("g");
    request.member_id = string_view_of(client->id);
    request.group_instance_id = string_view_of(client->instance);
    request.generation_id = client->generation;
    request.protocol_type = string_view_of("consumer");
    request.protocol_name = string_view_of("range");
    for (size_t i = 0; i < count; i++) {
        items[i].member_id = string_view_of(all[i]->id);
        items[i].assignment = old_assignment(all[i], bytes[i]);
    }
    request.assignments.items = items;
    request.assignments.count = (int32_t)count;
    ask_init(&ask, API_SYNC_GROUP, 5, &request);
    fixture_ask(client->fixture, &ask);
    assert_true(ask.answered);
    const struct sync_group_response *response = ask.call.response;
    int16_t error = response->error_code;
    if (error == 0 && response->assignment.size > 2) {
        struct consumer_protocol_assignment value;
        struct reader reader;
        reader_init(&reader, response->assignment.data, response->assignment.size);
        assert_int_equal(reader_i16(&reader), 3);
        assert_int_equal(consumer_protocol_assignment_decode(&reader, 3, &ask.arena, &value), 0);
        client->owned_count = 0;
        for (int32_t i = 0; i < value.assigned_partitions.count; i++) {
            for (int32_t j = 0; j < value.assigned_partitions.items[i].partitions.count; j++) {
                client->owned[client->owned_count++] =
                    value.assigned_partitions.items[i].partitions.items[j];
            }
        }
    }
    arena_release(&ask.arena);
    return error;
}

static int16_t old_beat(struct old_client *client)
{
    struct heartbeat_request request;
    struct ask ask;
    heartbeat_request_default(&request);
    request.group_id = string_view_of("g");
    request.member_id = string_view_of(client->id);
    request.group_instance_id = string_view_of(client->instance);
    request.generation_id = client->generation;
    ask_init(&ask, API_HEARTBEAT, 4, &request);
    fixture_ask(client->fixture, &ask);
    assert_true(ask.answered);
    int16_t error = ((const struct heartbeat_response *)ask.call.response)->error_code;
    arena_release(&ask.arena);
    return error;
}

static int16_t old_leave(struct old_client *client)
{
    struct leave_group_request request;
    struct leave_group_request_member_identity who = {.member_id = string_view_of(client->id)};
    struct ask ask;
    leave_group_request_default(&request);
    request.group_id = string_view_of("g");
    request.members.items = &who;
    request.members.count = 1;
    ask_init(&ask, API_LEAVE_GROUP, 5, &request);
    fixture_ask(client->fixture, &ask);
    assert_true(ask.answered);
    const struct leave_group_response *response = ask.call.response;
    int16_t error = response->members.items[0].error_code;
    arena_release(&ask.arena);
    return error;
}

/* Also sees that the counts agree with it. */
static const char *group_type(struct fixture *fixture, char text[64])
{
    static const char *const states[] = {
        [CONSUMER_GROUP_EMPTY] = "Empty",
        [CONSUMER_GROUP_ASSIGNING] = "Assigning",
        [CONSUMER_GROUP_RECONCILING] = "Reconciling",
        [CONSUMER_GROUP_STABLE] = "Stable",
    };
    struct list_groups_request request;
    struct ask ask;
    list_groups_request_default(&request);
    ask_init(&ask, API_LIST_GROUPS, 5, &request);
    fixture_ask(fixture, &ask);
    const struct list_groups_response *response = ask.call.response;
    assert_true(response->groups.count <= 1);
    text[0] = '\0';
    if (response->groups.count == 1) {
        snprintf(text, 64, "%.*s %.*s", (int)response->groups.items[0].group_type.size,
                 response->groups.items[0].group_type.data,
                 (int)response->groups.items[0].group_state.size,
                 response->groups.items[0].group_state.data);
        struct group_counts counts = group_coordinator_counts(fixture->groups);
        bool classic = text[1] == 'l'; /* and not "consumer" */
        assert_int_equal(counts.groups, 1);
        assert_int_equal(counts.of_kind[0], classic ? 1 : 0);
        assert_int_equal(counts.of_kind[1], classic ? 0 : 1);
        for (int state = 0; state < CONSUMER_GROUP_STATES; state++) {
            assert_int_equal(counts.consumer_state[state],
                             !classic && strcmp(strchr(text, ' ') + 1, states[state]) == 0);
        }
    }
    arena_release(&ask.arena);
    return text;
}

#define assert_group(fixture, wanted)                                \
    do {                                                             \
        char told_type[64];                                          \
        assert_string_equal(group_type((fixture), told_type), wanted); \
    } while (0)

/* Two members of a classic group, with 0, 1 and 2, 3. */
static void begin_classic(struct fixture *fixture, struct old_client *one, struct old_client *two)
{
    struct old_client *both[] = {one, two};
    begin(fixture);
    *one = (struct old_client){.fixture = fixture};
    *two = (struct old_client){.fixture = fixture};
    old_join_begin(one);
    fixture_pass(fixture, 1);
    assert_int_equal(old_join_hear(one), 0);
    old_join_begin(two);
    old_join_send(one);
    assert_int_equal(old_join_hear(one), 0);
    assert_int_equal(old_join_hear(two), 0);
    one->owned[0] = 0;
    one->owned[1] = 1;
    two->owned[0] = 2;
    two->owned[1] = 3;
    one->owned_count = two->owned_count = 2;
    assert_int_equal(old_sync(one->leads ? one : two, both, 2), 0);
    assert_int_equal(old_sync(one->leads ? two : one, NULL, 0), 0);
    assert_int_equal(one->generation, 2);
    assert_group(fixture, "classic Stable");
}

/* What a client of the classic protocol does when its heartbeat says so. */
static void old_follow(struct old_client *client)
{
    int16_t error = old_beat(client);
    if (error == KAFKA_REBALANCE_IN_PROGRESS) {
        assert_int_equal(old_join(client), 0);
        error = old_sync(client, NULL, 0);
        if (error == KAFKA_REBALANCE_IN_PROGRESS) {
            return; /* once more, with the next heartbeat */
        }
    }
    assert_int_equal(error, 0);
}

static void all_settle(struct old_client *const *old, size_t old_count,
                       struct client *const *clients, size_t count)
{
    for (int round = 0; round < 12; round++) {
        fixture_pass(old[0]->fixture, 1000);
        for (size_t i = 0; i < old_count; i++) {
            old_follow(old[i]);
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(client_beat(clients[i], BEAT_OWNED), 0);
        }
    }
}

/* Each of the four partitions has one owner. */
static void assert_shared(struct old_client *const *old, size_t old_count,
                          struct client *const *clients, size_t count)
{
    int owners[4] = {0};
    for (size_t i = 0; i < old_count; i++) {
        for (int32_t j = 0; j < old[i]->owned_count; j++) {
            owners[old[i]->owned[j]]++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < clients[i]->owned_count; j++) {
            owners[clients[i]->owned[j]]++;
        }
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(owners[i], 1);
    }
}

static void upgrade__a_classic_group_goes_on_as_one_of_both(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    struct old_client *old[] = {&one, &two};
    begin_classic(&fixture, &one, &two);
    struct client new = client_of(&fixture, "new", "a");
    struct client *clients[] = {&new};
    assert_int_equal(client_join(&new), 0);
    assert_int_equal(new.epoch, 3);
    assert_int_equal(new.owned_count, 0); /* the others still have all */
    assert_group(&fixture, "consumer Reconciling");
    assert_int_equal(old_beat(&one), KAFKA_REBALANCE_IN_PROGRESS);
    fixture_restart(&fixture);
    all_settle(old, 2, clients, 1);
    assert_shared(old, 2, clients, 1);
    assert_true(new.owned_count >= 1);
    assert_group(&fixture, "consumer Stable");
    fixture_restart(&fixture);
    all_settle(old, 2, clients, 1);
    assert_shared(old, 2, clients, 1);
    /* One that does not come back is out; another joins by the old protocol. */
    assert_int_equal(old_leave(&two), 0);
    all_settle(old, 1, clients, 1);
    assert_shared(old, 1, clients, 1);
    two = (struct old_client){.fixture = &fixture};
    assert_int_equal(old_join(&two), 0);
    assert_int_equal(old_sync(&two, NULL, 0), 0);
    all_settle(old, 2, clients, 1);
    assert_shared(old, 2, clients, 1);
    fixture_release(&fixture);
}

static void upgrade__that_is_not_possible_leaves_the_group_alone(void **state)
{
    (void)state;
    static const struct {
        enum group_migration policy;
        bool user_data;
        int32_t max_size;
    } rows[] = {
        {GROUP_MIGRATION_DISABLED, false, 1000},
        {GROUP_MIGRATION_DOWNGRADE, false, 1000},
        {GROUP_MIGRATION_BIDIRECTIONAL, true, 1000},
        {GROUP_MIGRATION_UPGRADE, false, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture fixture;
        struct old_client one;
        struct old_client two;
        begin_classic(&fixture, &one, &two);
        if (rows[i].user_data) {
            struct old_client *both[] = {&one, &two};
            one.user_data = two.user_data = true;
            old_join_send(one.leads ? &one : &two);
            old_join_send(one.leads ? &two : &one);
            assert_int_equal(old_join_hear(&one), 0);
            assert_int_equal(old_join_hear(&two), 0);
            assert_int_equal(old_sync(one.leads ? &one : &two, both, 2), 0);
        }
        fixture.options.migration = rows[i].policy;
        fixture.options.consumer_max_size = rows[i].max_size;
        fixture_restart(&fixture);
        struct client new = client_of(&fixture, "new", "a");
        assert_int_equal(client_join(&new), KAFKA_GROUP_ID_NOT_FOUND);
        assert_non_null(strstr(new.message, "Cannot upgrade classic group g to consumer group"));
        assert_int_equal(old_beat(&one), 0);
        assert_group(&fixture, "classic Stable");
        fixture_release(&fixture);
    }
}

/* Members that wait for the others are told to come again. */
static void upgrade__in_the_midst_of_a_rebalance(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    struct old_client *old[] = {&one, &two};
    begin_classic(&fixture, &one, &two);
    old_join_send(one.leads ? &one : &two);
    struct old_client *waits = one.leads ? &one : &two;
    assert_false(waits->ask.answered);
    struct client new = client_of(&fixture, "new", "a");
    struct client *clients[] = {&new};
    assert_int_equal(client_join(&new), 0);
    assert_int_equal(old_join_hear(waits), KAFKA_REBALANCE_IN_PROGRESS);
    all_settle(old, 2, clients, 1);
    assert_shared(old, 2, clients, 1);
    fixture_release(&fixture);
}

/* Goal: a group that had no generation yet has an epoch at once, even of a member whose expression
 * is still to be resolved: without one, the next broker does not take it for sound. */
static void upgrade__before_the_first_generation(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct old_client old = {.fixture = &fixture};
    old_join_begin(&old);
    assert_false(old.ask.answered);
    struct client new = client_of(&fixture, "new", NULL);
    new.regex = "a";
    assert_int_equal(client_join(&new), 0);
    assert_int_equal(new.epoch, 1);
    assert_int_equal(old_join_hear(&old), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(client_leave(&new, -1), 0);
    assert_group(&fixture, "classic PreparingRebalance");
    fixture_restart(&fixture);
    assert_group(&fixture, "classic PreparingRebalance");
    fixture_release(&fixture);
}

static void upgrade__that_is_not_written_has_not_happened(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    begin_classic(&fixture, &one, &two);
    struct client new = client_of(&fixture, "new", "a");
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(client_join(&new), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_group(&fixture, "classic Stable");
    assert_int_equal(old_beat(&one), 0);
    assert_int_equal(old_beat(&two), 0);
    fixture_pass(&fixture, 31000); /* their sessions go on, and end */
    assert_group(&fixture, "classic Empty");
    assert_int_equal(client_join(&new), 0);
    assert_group(&fixture, "consumer Stable");
    fixture_release(&fixture);
}

static void downgrade__the_last_of_the_new_protocol_leaves(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    struct old_client *old[] = {&one, &two};
    begin_classic(&fixture, &one, &two);
    struct client new = client_of(&fixture, "new", "a");
    struct client *clients[] = {&new};
    assert_int_equal(client_join(&new), 0);
    all_settle(old, 2, clients, 1);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    struct client gone = new;
    assert_int_equal(client_leave(&gone, -1), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_group(&fixture, "consumer Stable");
    all_settle(old, 2, clients, 1);
    assert_shared(old, 2, clients, 1);
    assert_int_equal(client_leave(&new, -1), 0);
    assert_group(&fixture, "classic PreparingRebalance");
    fixture_restart(&fixture); /* the next broker, too, knows of it */
    assert_group(&fixture, "classic PreparingRebalance");
    assert_int_equal(old_beat(&one), KAFKA_REBALANCE_IN_PROGRESS);
    old_join_send(&one);
    old_join_send(&two);
    assert_int_equal(old_join_hear(&one), 0);
    assert_int_equal(old_join_hear(&two), 0);
    struct old_client *leader = one.leads ? &one : &two;
    assert_true(leader->leads);
    assert_int_equal(old_sync(leader, old, 2), 0);
    assert_group(&fixture, "classic Stable");
    fixture_restart(&fixture);
    assert_group(&fixture, "classic Stable");
    assert_int_equal(old_beat(&one), 0);
    fixture_release(&fixture);
}

static void downgrade__that_is_forbidden_leaves_classic_members_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    struct old_client *old[] = {&one, &two};
    begin_classic(&fixture, &one, &two);
    fixture.options.migration = GROUP_MIGRATION_UPGRADE;
    fixture_restart(&fixture);
    struct client new = client_of(&fixture, "new", "a");
    struct client *clients[] = {&new};
    assert_int_equal(client_join(&new), 0);
    all_settle(old, 2, clients, 1);
    assert_int_equal(client_leave(&new, -1), 0);
    for (int round = 0; round < 6; round++) {
        fixture_pass(&fixture, 1000);
        old_follow(&one);
        old_follow(&two);
    }
    assert_shared(old, 2, NULL, 0);
    assert_group(&fixture, "consumer Stable");
    fixture_release(&fixture);
}

/* A static member that comes back by the classic protocol, the last of the other one: the group
 * changes with it, without a rebalance. */
static void downgrade__a_static_member_changes_its_protocol(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client new = client_of(&fixture, "new", "a");
    new.instance = "i";
    assert_int_equal(client_join(&new), 0);
    assert_int_equal(client_leave(&new, -2), 0);
    struct old_client old = {.fixture = &fixture, .instance = "i"};
    assert_int_equal(old_join(&old), 0);
    assert_group(&fixture, "classic Stable");
    assert_int_equal(old.generation, 2);
    assert_int_equal(old_sync(&old, NULL, 0), 0);
    assert_int_equal(old.owned_count, 4);
    assert_int_equal(old_beat(&old), 0);
    fixture_restart(&fixture);
    assert_int_equal(old_beat(&old), 0);
    /* And back. */
    struct client again = client_of(&fixture, "again", "a");
    again.instance = "i";
    assert_int_equal(client_join(&again), 0);
    assert_group(&fixture, "consumer Stable");
    assert_owns(&again, 0, 1, 2, 3);
    fixture_release(&fixture);
}

static void mixed__a_classic_member_that_does_not_come_again_is_out(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    struct old_client *old[] = {&one};
    begin_classic(&fixture, &one, &two);
    struct client new = client_of(&fixture, "new", "a");
    struct client *clients[] = {&new};
    assert_int_equal(client_join(&new), 0);
    for (int i = 0; i < 8; i++) { /* the second sends heartbeats, and nothing else */
        (void)old_beat(&two);
        all_settle(old, 1, clients, 1);
    }
    assert_int_equal(old_beat(&two), KAFKA_UNKNOWN_MEMBER_ID);
    assert_shared(old, 1, clients, 1);
    fixture_release(&fixture);
}

static void mixed__who_offers_nothing_in_common_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct client new = client_of(&fixture, "new", "a");
    assert_int_equal(client_join(&new), 0);
    struct old_client old = {.fixture = &fixture};
    assert_int_equal(old_join(&old), 0);
    assert_int_equal(old_sync(&old, NULL, 0), 0);
    assert_int_equal(old_beat(&old), 0); /* it waits for the other one */
    struct old_client other = {.fixture = &fixture};
    old_join_send(&other);
    other.protocol.name = string_view_of("own");
    arena_release(&other.ask.arena);
    struct join_group_request *request = &other.join;
    ask_init(&other.ask, API_JOIN_GROUP, 9, request);
    fixture_ask(&fixture, &other.ask);
    assert_int_equal(old_join_hear(&other), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    request->protocol_type = string_view_of("connect");
    ask_init(&other.ask, API_JOIN_GROUP, 9, request);
    fixture_ask(&fixture, &other.ask);
    assert_int_equal(old_join_hear(&other), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    fixture_release(&fixture);
}

static void empty__groups_change_without_ado(void **state)
{
    (void)state;
    struct fixture fixture;
    struct old_client one;
    struct old_client two;
    begin_classic(&fixture, &one, &two);
    assert_int_equal(old_leave(&one), 0);
    assert_int_equal(old_leave(&two), 0);
    assert_group(&fixture, "classic Empty");
    struct client new = client_of(&fixture, "new", "a");
    assert_int_equal(client_join(&new), 0);
    assert_group(&fixture, "consumer Stable");
    assert_owns(&new, 0, 1, 2, 3);
    assert_int_equal(client_leave(&new, -1), 0);
    struct old_client again = {.fixture = &fixture};
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    old_join_send(&again);
    assert_int_equal(old_join_hear(&again), KAFKA_MEMBER_ID_REQUIRED);
    assert_group(&fixture, "consumer Empty");
    again.id[0] = '\0';
    old_join_begin(&again);
    fixture_pass(&fixture, 1);
    assert_int_equal(old_join_hear(&again), 0);
    assert_group(&fixture, "classic CompletingRebalance");
    assert_int_equal(old_sync(&again, NULL, 0), 0);
    fixture_restart(&fixture);
    assert_group(&fixture, "classic Stable");
    /* One that comes with the id of a member ends an empty group, and is none of it. */
    assert_int_equal(old_leave(&again), 0);
    assert_int_equal(client_join(&new), 0);
    assert_int_equal(client_leave(&new, -1), 0);
    old_join_send(&again);
    assert_int_equal(old_join_hear(&again), KAFKA_UNKNOWN_MEMBER_ID);
    assert_group(&fixture, "");
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upgrade__a_classic_group_goes_on_as_one_of_both),
        cmocka_unit_test(upgrade__that_is_not_possible_leaves_the_group_alone),
        cmocka_unit_test(upgrade__in_the_midst_of_a_rebalance),
        cmocka_unit_test(upgrade__before_the_first_generation),
        cmocka_unit_test(upgrade__that_is_not_written_has_not_happened),
        cmocka_unit_test(downgrade__the_last_of_the_new_protocol_leaves),
        cmocka_unit_test(downgrade__that_is_forbidden_leaves_classic_members_alone),
        cmocka_unit_test(downgrade__a_static_member_changes_its_protocol),
        cmocka_unit_test(mixed__a_classic_member_that_does_not_come_again_is_out),
        cmocka_unit_test(mixed__who_offers_nothing_in_common_is_refused),
        cmocka_unit_test(empty__groups_change_without_ado),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
