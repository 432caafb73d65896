#include "fixture.h"
#include "history.h"

#include "protocol/messages.h"
#include "protocol/record/iter.h"

#define MEMBERS_MAX 4

/* ---- asking ---- */

static const struct join_group_response *join(struct fixture *fixture, struct ask *ask,
                                              struct join_group_request *request,
                                              const char *member_id, int16_t version)
{
    static struct join_group_request_join_group_request_protocol protocol;
    protocol.name = string_view_of("range");
    protocol.metadata = (struct bytes_view){(const uint8_t *)"", 0};
    *request = (struct join_group_request){
        .group_id = string_view_of("g"),
        .session_timeout_ms = 10000,
        .rebalance_timeout_ms = 20000,
        .member_id = string_view_of(member_id),
        .group_instance_id = none(),
        .protocol_type = string_view_of("test"),
    };
    request->protocols.items = &protocol;
    request->protocols.count = 1;
    ask_init(ask, API_JOIN_GROUP, version, request);
    for (size_t i = 0; i < sizeof ask->call.random; i++) {
        ask->call.random[i] = (uint8_t)rand();
    }
    fixture_ask(fixture, ask);
    return ask->answered ? ask->call.response : NULL;
}

static int16_t sync_group(struct fixture *fixture, struct ask *ask, const char *member_id,
                          int32_t generation)
{
    static struct sync_group_request request;
    request = (struct sync_group_request){
        .group_id = string_view_of("g"),
        .generation_id = generation,
        .member_id = string_view_of(member_id),
        .group_instance_id = none(),
        .protocol_type = string_view_of("test"),
        .protocol_name = string_view_of("range"),
    };
    ask_init(ask, API_SYNC_GROUP, 5, &request);
    fixture_ask(fixture, ask);
    const struct sync_group_response *response = ask->answered ? ask->call.response : NULL;
    return response != NULL ? response->error_code : INT16_MAX;
}

static int16_t heartbeat(struct fixture *fixture, const char *member_id, int32_t generation)
{
    struct heartbeat_request request = {.group_id = string_view_of("g"),
                                        .generation_id = generation,
                                        .member_id = string_view_of(member_id),
                                        .group_instance_id = none()};
    struct ask ask;
    ask_init(&ask, API_HEARTBEAT, 4, &request);
    fixture_ask(fixture, &ask);
    int16_t error = ((const struct heartbeat_response *)ask.call.response)->error_code;
    arena_release(&ask.arena);
    return error;
}

/* INT16_MAX: not answered; the caller releases the arena. */
static int16_t commit(struct fixture *fixture, struct ask *ask, const char *group,
                      const char *topic, int64_t offset)
{
    static struct offset_commit_request_offset_commit_request_partition partition;
    static struct offset_commit_request_offset_commit_request_topic asked;
    static struct offset_commit_request request;
    partition = (struct offset_commit_request_offset_commit_request_partition){
        .committed_offset = offset, .committed_leader_epoch = -1};
    asked = (struct offset_commit_request_offset_commit_request_topic){
        .name = string_view_of(topic), .partitions = {&partition, 1}};
    request = (struct offset_commit_request){.group_id = string_view_of(group),
                                             .generation_id_or_member_epoch = -1,
                                             .member_id = string_view_of(""),
                                             .group_instance_id = none(),
                                             .retention_time_ms = -1,
                                             .topics = {&asked, 1}};
    ask_init(ask, API_OFFSET_COMMIT, 9, &request);
    fixture_ask(fixture, ask);
    if (!ask->answered || ask->call.response == NULL) {
        return INT16_MAX;
    }
    const struct offset_commit_response *response = ask->call.response;
    return response->topics.items[0].partitions.items[0].error_code;
}

/* A commit that is answered at once, with that error. */
static int16_t commit_now(struct fixture *fixture, const char *group, const char *topic,
                          int64_t offset)
{
    struct ask ask;
    int16_t error = commit(fixture, &ask, group, topic, offset);
    arena_release(&ask.arena);
    return error;
}

static int64_t committed_offset(struct fixture *fixture, const char *group, const char *topic,
                                bool stable)
{
    int32_t partition = 0;
    struct offset_fetch_request_offset_fetch_request_topics asked = {
        .name = string_view_of(topic), .partition_indexes = {&partition, 1}};
    struct group_offset_fetch request = {
        .group = {.group_id = string_view_of(group),
                  .member_epoch = -1,
                  .topics = {&asked, 1}},
        .require_stable = stable};
    struct ask ask;
    ask_init(&ask, API_OFFSET_FETCH, 9, &request);
    runtime_handle(fixture->runtime, &ask.call, fixture->now);
    fixture_settle(fixture);
    const struct offset_fetch_response_offset_fetch_response_group *response = ask.call.response;
    const struct offset_fetch_response_offset_fetch_response_partitions *found =
        &response->topics.items[0].partitions.items[0];
    int64_t offset = found->error_code != 0 ? -found->error_code : found->committed_offset;
    arena_release(&ask.arena);
    return offset;
}

static int64_t groups_in(struct fixture *fixture, const char *state)
{
    struct group_counts counts = group_coordinator_counts(fixture->groups);
    return strcmp(state, "all") == 0      ? counts.groups
           : strcmp(state, "empty") == 0  ? counts.empty
           : strcmp(state, "stable") == 0 ? counts.stable
                                          : counts.preparing_rebalance;
}

static void member_id_copy(const struct join_group_response *told, char id[80])
{
    snprintf(id, 80, "%.*s", (int)told->member_id.size, told->member_id.data);
}

/* One member of a stable group. */
static void make_stable(struct fixture *fixture, char id[80])
{
    struct join_group_request request;
    struct ask first;
    struct ask second;
    const struct join_group_response *told = join(fixture, &first, &request, "", 4);
    assert_int_equal(told->error_code, KAFKA_MEMBER_ID_REQUIRED);
    member_id_copy(told, id);
    assert_null(join(fixture, &second, &request, id, 4));
    fixture_pass(fixture, fixture->options.initial_rebalance_delay_ms);
    assert_true(second.answered);
    assert_int_equal(((const struct join_group_response *)second.call.response)->generation_id, 1);
    arena_release(&first.arena);
    arena_release(&second.arena);
    assert_int_equal(sync_group(fixture, &first, id, 1), 0);
    arena_release(&first.arena);
    assert_int_equal(groups_in(fixture, "stable"), 1);
}

/* ---- the hash ---- */

static void group_partition__is_java_s_hash_code(void **state)
{
    (void)state;
    assert_int_equal(coordinator_partition_of(string_view_of(""), 50), 0);
    assert_int_equal(coordinator_partition_of(string_view_of("abc"), 1000000), 96354);
    assert_int_equal(coordinator_partition_of(string_view_of("hello world"), INT32_MAX),
                     1794106052);
    /* -2^31 has no positive counterpart: it counts as 0. */
    assert_int_equal(coordinator_partition_of(string_view_of("polygenelubricants"), 50), 0);
    /* U+1F600 is the pair d83d de00: 31 * 0xd83d + 0xde00. */
    assert_int_equal(coordinator_partition_of(string_view_of("\xf0\x9f\x98\x80"), INT32_MAX),
                     31 * 0xd83d + 0xde00);
    assert_int_equal(coordinator_partition_of(string_view_of("\xc3\xa4"), 1000), 0xe4);
}

/* ---- rebalances ---- */

static void rebalance__the_first_waits_longer_when_members_come(void **state)
{
    (void)state;
    struct fixture fixture;
    struct join_group_request requests[3];
    struct ask asks[3];
    fixture_init(&fixture);
    assert_null(join(&fixture, &asks[0], &requests[0], "", 3));
    fixture_pass(&fixture, 2000);
    assert_null(join(&fixture, &asks[1], &requests[1], "", 3));
    fixture_pass(&fixture, 3000);
    assert_false(asks[0].answered); /* the delay began anew at 3 s */
    fixture_pass(&fixture, 1000);
    assert_true(asks[0].answered && asks[1].answered);
    const struct join_group_response *leader = asks[0].call.response;
    assert_int_equal(leader->generation_id, 1);
    assert_int_equal(leader->members.count, 2);
    assert_int_equal(((const struct join_group_response *)asks[1].call.response)->members.count,
                     0);
    arena_release(&asks[0].arena);
    arena_release(&asks[1].arena);
    fixture_release(&fixture);
}

static void rebalance__a_silent_member_is_out_after_its_session(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[80];
    fixture_init(&fixture);
    make_stable(&fixture, id);
    fixture_pass(&fixture, 9000);
    assert_int_equal(heartbeat(&fixture, id, 1), 0);
    fixture_pass(&fixture, 9999);
    assert_int_equal(groups_in(&fixture, "stable"), 1);
    fixture_pass(&fixture, 1);
    assert_int_equal(groups_in(&fixture, "empty"), 1);
    assert_int_equal(heartbeat(&fixture, id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    fixture_release(&fixture);
}

static void rebalance__who_does_not_sync_in_time_is_out(void **state)
{
    (void)state;
    struct fixture fixture;
    struct join_group_request request;
    struct ask ask;
    fixture_init(&fixture);
    assert_null(join(&fixture, &ask, &request, "", 3));
    fixture_pass(&fixture, 3000);
    assert_true(ask.answered);
    const struct join_group_response *told = ask.call.response;
    char id[80];
    member_id_copy(told, id);
    for (int i = 0; i < 5; i++) { /* heartbeats alone do not help */
        fixture_pass(&fixture, 3999);
        assert_int_equal(heartbeat(&fixture, id, 1), 0);
    }
    fixture_pass(&fixture, 10);
    assert_int_equal(heartbeat(&fixture, id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    arena_release(&ask.arena);
    fixture_release(&fixture);
}

static void rebalance__an_id_that_never_comes_back_is_forgotten(void **state)
{
    (void)state;
    struct fixture fixture;
    struct join_group_request request;
    struct ask ask;
    fixture_init(&fixture);
    const struct join_group_response *told = join(&fixture, &ask, &request, "", 9);
    char id[80];
    member_id_copy(told, id);
    arena_release(&ask.arena);
    fixture_pass(&fixture, 10000);
    assert_int_equal(join(&fixture, &ask, &request, id, 9)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    arena_release(&ask.arena);
    fixture_release(&fixture);
}

static void rebalance__a_failed_write_of_the_assignment_is_told_and_begins_anew(void **state)
{
    (void)state;
    struct fixture fixture;
    struct join_group_request request;
    struct ask ask;
    char id[80];
    fixture_init(&fixture);
    assert_null(join(&fixture, &ask, &request, "", 3));
    fixture_pass(&fixture, 3000);
    const struct join_group_response *told = ask.call.response;
    member_id_copy(told, id);
    arena_release(&ask.arena);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(sync_group(&fixture, &ask, id, 1), KAFKA_COORDINATOR_NOT_AVAILABLE);
    arena_release(&ask.arena);
    assert_int_equal(heartbeat(&fixture, id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    fixture_release(&fixture);
}

static void group__that_cannot_be_written_is_not_there(void **state)
{
    (void)state;
    struct fixture fixture;
    struct join_group_request request;
    struct ask ask;
    fixture_init(&fixture);
    fixture.append_error = KAFKA_NOT_LEADER_OR_FOLLOWER;
    const struct join_group_response *told = join(&fixture, &ask, &request, "", 3);
    assert_int_equal(told->error_code, KAFKA_NOT_COORDINATOR);
    assert_int_equal(groups_in(&fixture, "all"), 0);
    arena_release(&ask.arena);
    fixture_release(&fixture);
}

static void group__is_stable_again_after_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[80];
    fixture_init(&fixture);
    make_stable(&fixture, id);
    fixture_restart(&fixture);
    assert_int_equal(groups_in(&fixture, "stable"), 1);
    fixture_pass(&fixture, 9999);
    assert_int_equal(heartbeat(&fixture, id, 1), 0);
    fixture_pass(&fixture, 10000);
    assert_int_equal(groups_in(&fixture, "empty"), 1);
    fixture_release(&fixture);
}

/* ---- offsets ---- */

static void commit__is_answered_and_told_once_it_is_committed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ask ask;
    fixture_init(&fixture);
    fixture.hold = true;
    assert_int_equal(commit(&fixture, &ask, "g", "t", 5), INT16_MAX);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), -1);
    assert_int_equal(committed_offset(&fixture, "g", "t", true), 5);
    fixture.hold = false;
    fixture_settle(&fixture);
    assert_true(ask.answered);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), 5);
    arena_release(&ask.arena);
    fixture_release(&fixture);
}

/* Regression of field fault 5: what was answered with an error did not happen, and nothing before
 * it is lost. */
static void commit__that_fails_leaves_what_there_was(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), 0);
    fixture.append_error = KAFKA_MESSAGE_TOO_LARGE;
    assert_int_equal(commit_now(&fixture, "g", "t", 6), KAFKA_UNKNOWN_SERVER_ERROR);
    assert_int_equal(committed_offset(&fixture, "g", "t", true), 5);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(commit_now(&fixture, "new", "t", 1), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(groups_in(&fixture, "all"), 1);
    assert_int_equal(committed_offset(&fixture, "new", "t", true), -1);
    fixture_restart(&fixture);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), 5);
    fixture_release(&fixture);
}

static void offsets__of_a_simple_group_expire_by_their_commit_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), 0);
    fixture_pass(&fixture, 600000);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), 5);
    fixture_pass(&fixture, 600000);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), -1);
    assert_int_equal(groups_in(&fixture, "all"), 0);
    fixture_restart(&fixture);
    assert_int_equal(groups_in(&fixture, "all"), 0);
    fixture_release(&fixture);
}

static void offsets__of_a_group_with_members_do_not_expire(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[80];
    fixture_init(&fixture);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), 0);
    make_stable(&fixture, id);
    for (int i = 0; i < 400; i++) {
        fixture_pass(&fixture, 5000);
        assert_int_equal(heartbeat(&fixture, id, 1), 0);
    }
    assert_int_equal(committed_offset(&fixture, "g", "t", false), 5);
    /* From the moment that it is empty the time runs. */
    fixture_pass(&fixture, 10000 + 900000);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), 5);
    fixture_pass(&fixture, 1000000);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), -1);
    fixture_release(&fixture);
}

static void offsets__of_a_deleted_topic_go(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), 0);
    assert_int_equal(commit_now(&fixture, "g", "u", 6), 0);
    group_coordinator_forget_topic(fixture.groups, string_view_of("t"),
                                   (struct uuid){{1, 2, 3}}, fixture.now);
    fixture_settle(&fixture);
    assert_int_equal(committed_offset(&fixture, "g", "t", false), -1);
    assert_int_equal(committed_offset(&fixture, "g", "u", false), 6);
    fixture_release(&fixture);
}

/* ---- replay ---- */

static void add_offset(struct history *history, int64_t offset)
{
    struct offset_commit_key key = {string_view_of("g"), string_view_of("t"), 0};
    struct offset_commit_value value;
    offset_commit_value_default(&value);
    value.offset = offset;
    value.metadata = string_view_of("");
    value.commit_timestamp = 1700000000000;
    history_add(history, 1, &offset_commit_key_row, &key,
                offset < 0 ? NULL : &offset_commit_value_row, 4, &value);
}

static bool same_key(const struct written *a, const struct written *b)
{
    return a->key.size == b->key.size && memcmp(a->key.data, b->key.data, a->key.size) == 0;
}

/* Whether compaction may have taken a record: a later one has its key, or it is a tombstone. */
static bool may_be_gone(const struct history *history, size_t index)
{
    for (size_t i = index + 1; i < history->count; i++) {
        if (same_key(&history->records[i], &history->records[index])) {
            return true;
        }
    }
    return history->records[index].tombstone;
}

/* Without the records whose bits are set in gone: how many of the others meant nothing. */
static int64_t load_without(struct fixture *fixture, const struct history *history, uint32_t gone)
{
    int64_t skipped = 0;
    struct writer bytes;
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct batch batch;
    int64_t count = 0;
    writer_init(&bytes, 1 << 20);
    batch_builder_init(&builder, &bytes, &header);
    for (size_t i = 0; i < history->count; i++) {
        const struct written *written = &history->records[i];
        struct record record = {
            .offset = (int64_t)i,
            .key = {written->key.data, written->key.size},
            .value = {written->tombstone ? NULL : written->value.data, written->value.size}};
        if ((gone & 1u << i) == 0) {
            batch_builder_add(&builder, &record);
            count++;
        }
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
    group_coordinator_destroy(&fixture->groups);
    fixture_open(fixture);
    if (count > 0) {
        assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        skipped = runtime_load(fixture->runtime, &batch, records);
    }
    runtime_loaded(fixture->runtime, fixture->now);
    fixture_settle(fixture);
    writer_release(&bytes);
    return skipped;
}

static void load_variant(struct fixture *fixture, const struct history *history, uint32_t gone)
{
    assert_int_equal(load_without(fixture, history, gone), 0);
}

/* The state that a log gives must not depend on what compaction has taken of it. */
static void check_variants(const struct history *history, int64_t offset, const char *type)
{
    struct fixture fixture;
    uint32_t variants = 0;
    fixture_init(&fixture);
    for (uint32_t gone = 0; gone < 1u << history->count; gone++) {
        bool possible = true;
        for (size_t i = 0; i < history->count; i++) {
            if ((gone & 1u << i) == 0) {
                continue;
            }
            possible = possible && may_be_gone(history, i);
            /* A tombstone goes after everything that it replaces. */
            for (size_t j = 0; history->records[i].tombstone && j < i; j++) {
                possible = possible && (!same_key(&history->records[i], &history->records[j]) ||
                                        (gone & 1u << j) != 0);
            }
        }
        if (!possible) {
            continue;
        }
        variants++;
        load_variant(&fixture, history, gone);
        assert_int_equal(committed_offset(&fixture, "g", "t", false), offset);
        struct list_groups_request request;
        struct ask ask;
        list_groups_request_default(&request);
        ask_init(&ask, API_LIST_GROUPS, 5, &request);
        fixture_ask(&fixture, &ask);
        const struct list_groups_response *listed = ask.call.response;
        assert_int_equal(listed->groups.count, type == NULL ? 0 : 1);
        if (type != NULL) {
            assert_true(string_view_is(listed->groups.items[0].group_type, type));
        }
        arena_release(&ask.arena);
    }
    assert_true(variants > 1);
    fixture_release(&fixture);
}

/* Regression of field fault 11. */
static void replay__does_not_depend_on_what_compaction_has_taken(void **state)
{
    (void)state;
    struct history classic = {.count = 0};
    add_offset(&classic, 1);
    add_group(&classic, 1, false);
    add_offset(&classic, 2);
    add_group(&classic, 2, false);
    check_variants(&classic, 2, "classic");
    add_offset(&classic, -1);
    add_group(&classic, 0, true);
    check_variants(&classic, -1, NULL);
    /* The name comes again, as a consumer group. */
    add_offset(&classic, 7);
    add_consumer(&classic, 1);
    add_consumer_member(&classic, false);
    add_consumer(&classic, 2);
    check_variants(&classic, 7, "consumer");
    /* And back. */
    add_consumer_member(&classic, true);
    add_consumer(&classic, -1);
    add_group(&classic, 3, false);
    check_variants(&classic, 7, "classic");
    history_release(&classic);

    struct history upgraded = {.count = 0};
    add_group(&upgraded, 4, false);
    add_offset(&upgraded, 3);
    add_group(&upgraded, 0, true);
    add_consumer_member(&upgraded, false);
    add_consumer(&upgraded, 5);
    add_offset(&upgraded, 9);
    check_variants(&upgraded, 9, "consumer");
    history_release(&upgraded);

    /* All that there is of a group, which ends. */
    struct history whole = {.count = 0};
    add_consumer_member(&whole, false);
    add_consumer(&whole, 2);
    add_consumer_target_epoch(&whole, false);
    add_consumer_rest(&whole, false);
    add_offset(&whole, 5);
    add_consumer_rest(&whole, true);
    add_consumer_member(&whole, true);
    add_consumer(&whole, 3);
    check_variants(&whole, 5, "consumer");
    add_consumer_target_epoch(&whole, true);
    add_consumer(&whole, -1);
    add_offset(&whole, -1);
    check_variants(&whole, -1, NULL);
    history_release(&whole);
}

/* One record of a transaction, or the marker at its end. */
static void load_of_transaction(struct fixture *fixture, int64_t offset, struct bytes_view key,
                                struct bytes_view value, bool is_marker)
{
    struct writer bytes;
    struct batch batch;
    struct batch header = batch_header_empty(offset);
    struct batch_builder builder;
    struct record record = {.offset = offset, .key = key, .value = value};
    header.producer_id = 77;
    header.producer_epoch = 0;
    header.attributes = is_marker ? BATCH_TRANSACTIONAL | BATCH_CONTROL : BATCH_TRANSACTIONAL;
    writer_init(&bytes, 1 << 16);
    batch_builder_init(&builder, &bytes, &header);
    batch_builder_add(&builder, &record);
    assert_int_equal(batch_builder_finish(&builder), 0);
    assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
    struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
    assert_int_equal(runtime_load(fixture->runtime, &batch, records), 0);
    writer_release(&bytes);
}

static void load_transaction(struct fixture *fixture, int64_t first_offset,
                             const struct written *written, bool commits)
{
    const uint8_t marker[] = {0, 0, 0, commits};
    struct bytes_view value = {written->value.data, written->value.size};
    load_of_transaction(fixture, first_offset,
                        (struct bytes_view){written->key.data, written->key.size}, value, false);
    load_of_transaction(fixture, first_offset + 1, (struct bytes_view){marker, sizeof marker},
                        value, true);
}

static void transaction__shows_once_it_is_committed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct history history = {.count = 0};
    fixture_init(&fixture);
    add_offset(&history, 21);
    for (int commits = 0; commits < 2; commits++) {
        group_coordinator_destroy(&fixture.groups);
        fixture_open(&fixture);
        load_transaction(&fixture, 0, &history.records[0], commits);
        runtime_loaded(fixture.runtime, fixture.now);
        assert_int_equal(committed_offset(&fixture, "g", "t", true), commits ? 21 : -1);
    }
    history_release(&history);
    fixture_release(&fixture);
}

/* Regression of field fault 8: what was committed before is what an aborted transaction leaves, to
 * the very offset, whatever came in it. */
static void transaction__that_is_aborted_leaves_the_offset_before_it(void **state)
{
    (void)state;
    struct fixture fixture;
    struct history history = {.count = 0};
    fixture_init(&fixture);
    for (int64_t offset = 20; offset <= 22; offset++) {
        add_offset(&history, offset);
    }
    group_coordinator_destroy(&fixture.groups);
    fixture_open(&fixture);
    load_transaction(&fixture, 0, &history.records[0], true);
    load_transaction(&fixture, 2, &history.records[1], false);
    load_transaction(&fixture, 4, &history.records[2], false);
    runtime_loaded(fixture.runtime, fixture.now);
    assert_int_equal(committed_offset(&fixture, "g", "t", true), 20);
    history_release(&history);
    fixture_release(&fixture);
}

/* Followers ask first and wait; the leader, who is the first here, gives each its own number. */
static void sync_everybody(struct fixture *fixture, char ids[][80], int count)
{
    static struct ask asks[32];
    static struct sync_group_request requests[32];
    static struct sync_group_request_sync_group_request_assignment given[32];
    static uint8_t numbers[32];
    for (int i = 0; i < count; i++) {
        numbers[i] = (uint8_t)(i + 1);
        given[i] = (struct sync_group_request_sync_group_request_assignment){
            string_view_of(ids[i]), {&numbers[i], 1}};
    }
    for (int i = count - 1; i >= 0; i--) {
        requests[i] = (struct sync_group_request){.group_id = string_view_of("g"),
                                                  .generation_id = 1,
                                                  .member_id = string_view_of(ids[i]),
                                                  .group_instance_id = none(),
                                                  .protocol_type = string_view_of("test"),
                                                  .protocol_name = string_view_of("range"),
                                                  .assignments = {given, i == 0 ? count : 0}};
        ask_init(&asks[i], API_SYNC_GROUP, 5, &requests[i]);
        fixture_ask(fixture, &asks[i]);
    }
    for (int i = 0; i < count; i++) {
        const struct sync_group_response *told = asks[i].call.response;
        assert_true(asks[i].answered && told->error_code == 0);
        assert_int_equal(told->assignment.size, 1);
        assert_int_equal(told->assignment.data[0], i + 1);
        arena_release(&asks[i].arena);
    }
}

/* Regression of field fault 21: consumers that come at the same moment are all in the first
 * generation or a later one, each with an assignment of its own that nobody else has. */
static void join__many_at_once_all_get_in_with_an_assignment_each(void **state)
{
    (void)state;
    enum { MANY = 20 };
    static struct ask asks[MANY];
    static struct join_group_request requests[MANY];
    char ids[MANY][80];
    struct fixture fixture;
    fixture_init(&fixture);
    for (int i = 0; i < MANY; i++) {
        const struct join_group_response *told = join(&fixture, &asks[i], &requests[i], "", 9);
        assert_int_equal(told->error_code, KAFKA_MEMBER_ID_REQUIRED);
        member_id_copy(told, ids[i]);
        arena_release(&asks[i].arena);
    }
    for (int i = 0; i < MANY; i++) {
        assert_null(join(&fixture, &asks[i], &requests[i], ids[i], 9));
    }
    fixture_pass(&fixture, 7000);
    struct string_view leader = {NULL, 0};
    for (int i = 0; i < MANY; i++) {
        const struct join_group_response *told = asks[i].call.response;
        assert_true(asks[i].answered && told->error_code == 0 && told->generation_id == 1);
        assert_int_equal(told->members.count, string_view_is(told->leader, ids[i]) ? MANY : 0);
        leader = told->leader;
        assert_int_equal(heartbeat(&fixture, ids[i], 1), 0);
    }
    assert_true(leader.size > 0);
    for (int i = 0; i < MANY; i++) {
        arena_release(&asks[i].arena);
    }
    sync_everybody(&fixture, ids, MANY);
    assert_int_equal(groups_in(&fixture, "stable"), 1);
    fixture_release(&fixture);
}

static void load__takes_records_that_mean_nothing_as_such(void **state)
{
    (void)state;
    struct fixture fixture;
    struct writer bytes;
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct batch batch;
    const uint8_t keys[][6] = {{0, 99, 0, 1, 'g'}, {0, 2, 0, 9, 'g'}, {0, 1}, {0}, {0xff, 0xff}};
    fixture_init(&fixture);
    group_coordinator_destroy(&fixture.groups);
    fixture_open(&fixture);
    writer_init(&bytes, 1 << 16);
    batch_builder_init(&builder, &bytes, &header);
    for (int64_t i = 0; i < 5; i++) {
        struct record record = {.offset = i,
                                .key = {keys[i], i < 2 ? 5 : i == 3 ? 1 : 2},
                                .value = {(const uint8_t *)"\0\3junk", 6}};
        batch_builder_add(&builder, &record);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
    assert_int_equal(batch_decode(bytes.data, bytes.size, &batch), 0);
    struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
    assert_int_equal(runtime_load(fixture.runtime, &batch, records), 5);
    writer_release(&bytes);
    fixture_release(&fixture);
}

static struct group_metadata_value_member_metadata member_of(const char *id)
{
    return (struct group_metadata_value_member_metadata){
        .member_id = string_view_of(id),
        .group_instance_id = none(),
        .client_id = string_view_of("c"),
        .client_host = string_view_of("c"),
        .rebalance_timeout = 10000,
        .session_timeout = 10000,
        .subscription = {(const uint8_t *)"", 0},
        .assignment = {(const uint8_t *)"", 0},
    };
}

static void add_group_of(struct history *history, int32_t generation, struct string_view protocol,
                         struct group_metadata_value_member_metadata *members, int32_t count)
{
    struct group_metadata_key key = {string_view_of("g")};
    struct group_metadata_value value;
    group_metadata_value_default(&value);
    value.protocol_type = string_view_of("consumer");
    value.generation = generation;
    value.protocol = protocol;
    value.leader = members[0].member_id;
    value.current_state_timestamp = INT64_C(1700000000000);
    value.members.items = members;
    value.members.count = count;
    history_add(history, 2, &group_metadata_key_row, &key, &group_metadata_value_row, 3, &value);
}

/* Found by the fuzzer: a member without an id, and others that no broker writes, ended the process
 * when the group was described. Such a record means nothing, and what is in order is taken. */
static void load__takes_no_group_that_no_broker_can_have_written(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        int32_t generation;
        const char *protocol;
        int64_t groups;
    } cases[] = {{"m", 3, "range", 1},         {"", 3, "range", 0}, {"m", 0, "range", 0},
                 {"m", -7, "range", 0},        {"m", 3, NULL, 0},
                 {"m", INT32_MAX, "range", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        struct history history = {.count = 0};
        fixture_init(&fixture);
        struct group_metadata_value_member_metadata member = member_of(cases[i].member);
        struct string_view protocol =
            cases[i].protocol == NULL ? none() : string_view_of(cases[i].protocol);
        add_group_of(&history, cases[i].generation, protocol, &member, 1);
        assert_int_equal(load_without(&fixture, &history, 0), 1 - cases[i].groups);
        assert_int_equal(groups_in(&fixture, "all"), cases[i].groups);
        history_release(&history);
        fixture_release(&fixture);
    }
}

/* Found by the fuzzer: a static member that gives itself no time to come back was waited for again
 * and again at once, until its session ended. */
static void rebalance__for_a_static_member_without_time_does_not_spin(void **state)
{
    (void)state;
    struct fixture fixture;
    struct history history = {.count = 0};
    struct group_metadata_value_member_metadata members[] = {member_of("static"), member_of("m")};
    int fired = 0;
    members[0].group_instance_id = string_view_of("static");
    members[0].session_timeout = 1800000;
    members[0].rebalance_timeout = members[1].rebalance_timeout = 0;
    fixture_init(&fixture);
    add_group_of(&history, 1, string_view_of("range"), members, 2);
    load_variant(&fixture, &history, 0);
    int64_t end_ms = fixture.now.monotonic_ms + 70000; /* "m" is out after ten seconds */
    for (int64_t next_ms; fired < 10000 &&
                          (next_ms = runtime_next_deadline_ms(fixture.runtime)) <= end_ms;
         fired++) {
        int64_t now_ms = fixture.now.monotonic_ms;
        fixture.now.monotonic_ms = next_ms > now_ms ? next_ms : now_ms;
        runtime_tick(fixture.runtime, fixture.now);
        fixture_settle(&fixture);
    }
    assert_true(fired <= 610);
    assert_int_equal(groups_in(&fixture, "preparing"), 1);
    history_release(&history);
    fixture_release(&fixture);
}

static void loading__is_said_and_nobody_leads_afterwards(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ask ask;
    fixture_init(&fixture);
    group_coordinator_destroy(&fixture.groups);
    fixture_open(&fixture);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(heartbeat(&fixture, "m", 1), 0); /* go on */
    runtime_loaded(fixture.runtime, fixture.now);
    struct join_group_request request;
    assert_null(join(&fixture, &ask, &request, "", 3));
    runtime_unload(fixture.runtime);
    fixture_settle(&fixture);
    assert_true(ask.answered);
    assert_int_equal(((const struct join_group_response *)ask.call.response)->error_code,
                     KAFKA_NOT_COORDINATOR);
    arena_release(&ask.arena);
    assert_int_equal(commit_now(&fixture, "g", "t", 5), KAFKA_NOT_COORDINATOR);
    fixture_release(&fixture);
}

/* Every allocation fails once: there is an answer or none, never a fall. */
static void group__outlives_any_allocation_that_fails(void **state)
{
    (void)state;
    for (int64_t countdown = 1; countdown < 150; countdown++) {
        struct fixture fixture;
        struct join_group_request requests[2];
        struct ask asks[5];
        fixture_init(&fixture);
        mem_fail_after(countdown);
        (void)join(&fixture, &asks[0], &requests[0], "", 3);
        fixture_pass(&fixture, 6000);
        (void)commit(&fixture, &asks[1], "h", "t", 5);
        const struct join_group_response *told = asks[0].answered ? asks[0].call.response : NULL;
        char id[80] = "nobody";
        if (told != NULL && told->error_code == 0) {
            member_id_copy(told, id);
        }
        (void)sync_group(&fixture, &asks[2], id, 1);
        (void)join(&fixture, &asks[3], &requests[1], id, 3);
        (void)commit(&fixture, &asks[4], "h", "t", 6);
        fixture_pass(&fixture, 700000);
        mem_fail_after(0);
        fixture_restart(&fixture);
        fixture_release(&fixture);
        for (size_t i = 0; i < 5; i++) {
            arena_release(&asks[i].arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_partition__is_java_s_hash_code),
        cmocka_unit_test(rebalance__the_first_waits_longer_when_members_come),
        cmocka_unit_test(rebalance__a_silent_member_is_out_after_its_session),
        cmocka_unit_test(rebalance__who_does_not_sync_in_time_is_out),
        cmocka_unit_test(rebalance__an_id_that_never_comes_back_is_forgotten),
        cmocka_unit_test(rebalance__a_failed_write_of_the_assignment_is_told_and_begins_anew),
        cmocka_unit_test(group__that_cannot_be_written_is_not_there),
        cmocka_unit_test(group__is_stable_again_after_a_restart),
        cmocka_unit_test(commit__is_answered_and_told_once_it_is_committed),
        cmocka_unit_test(commit__that_fails_leaves_what_there_was),
        cmocka_unit_test(offsets__of_a_simple_group_expire_by_their_commit_time),
        cmocka_unit_test(offsets__of_a_group_with_members_do_not_expire),
        cmocka_unit_test(offsets__of_a_deleted_topic_go),
        cmocka_unit_test(replay__does_not_depend_on_what_compaction_has_taken),
        cmocka_unit_test(transaction__shows_once_it_is_committed),
        cmocka_unit_test(transaction__that_is_aborted_leaves_the_offset_before_it),
        cmocka_unit_test(join__many_at_once_all_get_in_with_an_assignment_each),
        cmocka_unit_test(load__takes_records_that_mean_nothing_as_such),
        cmocka_unit_test(load__takes_no_group_that_no_broker_can_have_written),
        cmocka_unit_test(rebalance__for_a_static_member_without_time_does_not_spin),
        cmocka_unit_test(loading__is_said_and_nobody_leads_afterwards),
        cmocka_unit_test(group__outlives_any_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
