#include "fixture.h"

#include "protocol/messages.h"

#define PRODUCER 9

/* ---- asking ---- */

static int16_t commit_as(struct fixture *fixture, int64_t producer_id, const char *group,
                         const char *topic, int64_t offset)
{
    struct ask ask;
    struct txn_offset_commit_request_txn_offset_commit_request_partition partition = {
        0, offset, -1, string_view_of("meta")};
    struct txn_offset_commit_request_txn_offset_commit_request_topic asked = {
        .name = string_view_of(topic)};
    struct txn_offset_commit_request request = {
        .transactional_id = string_view_of("t"),
        .group_id = string_view_of(group),
        .producer_id = producer_id,
        .generation_id = -1,
        .member_id = string_view_of(""),
    };
    asked.partitions.items = &partition;
    asked.partitions.count = 1;
    request.topics.items = &asked;
    request.topics.count = 1;
    ask_init(&ask, API_TXN_OFFSET_COMMIT, 5, &request);
    fixture_ask(fixture, &ask);
    const struct txn_offset_commit_response *response = ask.answered ? ask.call.response : NULL;
    int16_t error = response != NULL ? response->topics.items[0].partitions.items[0].error_code
                                     : INT16_MAX;
    if (ask.answered) {
        arena_release(&ask.arena);
    }
    return error;
}

static void plain_commit(struct fixture *fixture, int64_t offset)
{
    struct ask ask;
    struct offset_commit_request_offset_commit_request_partition partition = {
        .committed_offset = offset, .committed_metadata = string_view_of("")};
    struct offset_commit_request_offset_commit_request_topic asked = {.name = string_view_of("a")};
    struct offset_commit_request request;
    offset_commit_request_default(&request);
    request.group_id = string_view_of("g");
    request.generation_id_or_member_epoch = -1;
    asked.partitions.items = &partition;
    asked.partitions.count = 1;
    request.topics.items = &asked;
    request.topics.count = 1;
    ask_init(&ask, API_OFFSET_COMMIT, 8, &request);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    arena_release(&ask.arena);
}

struct told_marker {
    struct runtime_waiter waiter;
    bool told;
    int16_t error;
};

static void marker_told(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    struct told_marker *marker = CONTAINER_OF(waiter, struct told_marker, waiter);
    (void)runtime;
    marker->told = true;
    marker->error = error;
}

static void end(struct fixture *fixture, struct told_marker *told, int64_t producer_id,
                bool commit)
{
    struct runtime_marker marker = {.producer_id = producer_id, .offset = -1, .commit = commit};
    *told = (struct told_marker){.waiter.done = marker_told};
    list_init(&told->waiter.node);
    group_coordinator_end_transaction(fixture->groups, &marker, &told->waiter, fixture->now);
    fixture_settle(fixture);
}

/* -1: none; -2: an open transaction may change it. */
static int64_t offset_of(struct fixture *fixture, const char *topic, bool require_stable)
{
    struct ask ask;
    int32_t partition = 0;
    struct offset_fetch_request_offset_fetch_request_topics asked = {.name = string_view_of(topic)};
    struct group_offset_fetch fetch = {.group.group_id = string_view_of("g"),
                                       .require_stable = require_stable};
    asked.partition_indexes.items = &partition;
    asked.partition_indexes.count = 1;
    fetch.group.topics.items = &asked;
    fetch.group.topics.count = 1;
    ask_init(&ask, API_OFFSET_FETCH, 8, &fetch);
    fixture_ask(fixture, &ask);
    assert_true(ask.answered);
    const struct offset_fetch_response_offset_fetch_response_group *response = ask.call.response;
    const struct offset_fetch_response_offset_fetch_response_partitions *told =
        &response->topics.items[0].partitions.items[0];
    int64_t offset = told->error_code == KAFKA_UNSTABLE_OFFSET_COMMIT ? -2
                                                                      : told->committed_offset;
    arena_release(&ask.arena);
    return offset;
}

/* Goal: an offset of a transaction counts when its marker says so, and not before; whoever wants
 * what is stable is told to wait. The same after a restart at any point. */
static void group_transaction__counts_once_it_is_committed(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct fixture fixture;
        struct told_marker told;
        fixture_init(&fixture);
        assert_int_equal(commit_as(&fixture, PRODUCER, "g", "a", 5), 0);
        assert_int_equal(commit_as(&fixture, PRODUCER + 1, "g", "b", 6), 0);
        if (restarts > 0) {
            fixture_restart(&fixture);
        }
        assert_int_equal(offset_of(&fixture, "a", false), -1);
        assert_int_equal(offset_of(&fixture, "a", true), -2);
        end(&fixture, &told, PRODUCER, true);
        assert_true(told.told && told.error == 0);
        end(&fixture, &told, PRODUCER + 1, false);
        if (restarts > 0) {
            fixture_restart(&fixture);
        }
        assert_int_equal(offset_of(&fixture, "a", true), 5);
        assert_int_equal(offset_of(&fixture, "b", true), -1);
        /* The next transaction of the producer is another one. */
        assert_int_equal(commit_as(&fixture, PRODUCER, "g", "a", 7), 0);
        assert_int_equal(offset_of(&fixture, "a", false), 5);
        assert_int_equal(offset_of(&fixture, "a", true), -2);
        end(&fixture, &told, PRODUCER, false);
        assert_int_equal(offset_of(&fixture, "a", true), 5);
        assert_int_equal(group_coordinator_counts(fixture.groups).offsets, 1);
        fixture_release(&fixture);
    }
}

/* Goal: a plain commit that came after the transaction's own stays, one from before does not. */
static void group_transaction__later_commit_wins(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct fixture fixture;
        struct told_marker told;
        fixture_init(&fixture);
        plain_commit(&fixture, 1);
        (void)commit_as(&fixture, PRODUCER, "g", "a", 5);
        end(&fixture, &told, PRODUCER, true);
        assert_int_equal(offset_of(&fixture, "a", true), 5);
        (void)commit_as(&fixture, PRODUCER, "g", "a", 7);
        plain_commit(&fixture, 2);
        assert_int_equal(offset_of(&fixture, "a", false), 2);
        if (restarts > 0) {
            fixture_restart(&fixture);
        }
        end(&fixture, &told, PRODUCER, true);
        assert_int_equal(offset_of(&fixture, "a", true), 2);
        fixture_release(&fixture);
    }
}

/* Goal: what an append that failed has brought is taken back: offsets, their end, and a tombstone
 * that came between. */
static void group_transaction__failed_appends_are_taken_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct told_marker told;
    fixture_init(&fixture);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    assert_int_equal(commit_as(&fixture, PRODUCER, "g", "a", 5),
                     KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(offset_of(&fixture, "a", true), -1);
    assert_int_equal(commit_as(&fixture, PRODUCER, "g", "a", 5), 0);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    end(&fixture, &told, PRODUCER, true);
    assert_int_equal(told.error, KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(offset_of(&fixture, "a", false), -1);
    assert_int_equal(offset_of(&fixture, "a", true), -2);
    fixture.append_error = KAFKA_NOT_ENOUGH_REPLICAS;
    group_coordinator_forget_topic(fixture.groups, string_view_of("a"), (struct uuid){{1}},
                                   fixture.now);
    fixture_settle(&fixture);
    end(&fixture, &told, PRODUCER, true);
    assert_int_equal(told.error, 0);
    assert_int_equal(offset_of(&fixture, "a", true), 5);
    fixture_release(&fixture);
}

/* Goal: a marker that is not committed yet is not told to anybody. */
static void group_transaction__end_shows_once_it_is_committed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct told_marker told;
    fixture_init(&fixture);
    (void)commit_as(&fixture, PRODUCER, "g", "a", 5);
    fixture.hold = true;
    end(&fixture, &told, PRODUCER, true);
    assert_false(told.told);
    assert_int_equal(offset_of(&fixture, "a", false), -1);
    assert_int_equal(offset_of(&fixture, "a", true), -2);
    fixture.hold = false;
    fixture_settle(&fixture);
    assert_true(told.told);
    assert_int_equal(offset_of(&fixture, "a", true), 5);
    fixture_release(&fixture);
}

/* Goal: a topic that is deleted takes the offsets of open transactions along. */
static void group_transaction__deleted_topic_takes_them_along(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct fixture fixture;
        struct told_marker told;
        fixture_init(&fixture);
        (void)commit_as(&fixture, PRODUCER, "g", "a", 5);
        group_coordinator_forget_topic(fixture.groups, string_view_of("a"), (struct uuid){{1}},
                                       fixture.now);
        fixture_settle(&fixture);
        if (restarts > 0) {
            fixture_restart(&fixture);
        }
        end(&fixture, &told, PRODUCER, true);
        assert_int_equal(offset_of(&fixture, "a", true), -1);
        assert_int_equal(group_coordinator_counts(fixture.groups).offsets, 0);
        fixture_release(&fixture);
    }
}

/* Goal: no batch can carry a producer that is none: it is refused, not believed. */
static void group_transaction__producer_must_be_one(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_int_equal(commit_as(&fixture, -1, "g", "a", 5), KAFKA_UNKNOWN_SERVER_ERROR);
    assert_int_equal(fixture.log_end_offset, 0);
    fixture_release(&fixture);
}

/* Every allocation fails once: what is told is so, and a restart agrees. */
static void group_transaction__outlives_any_allocation_that_fails(void **state)
{
    (void)state;
    for (int64_t countdown = 1; countdown < 120; countdown++) {
        struct fixture fixture;
        struct told_marker told = {.told = false};
        fixture_init(&fixture);
        mem_fail_after(countdown);
        int16_t first = commit_as(&fixture, PRODUCER, "g", "a", 5);
        plain_commit(&fixture, 3);
        int16_t second = commit_as(&fixture, PRODUCER, "g", "a", 6);
        end(&fixture, &told, PRODUCER, true);
        mem_fail_after(0);
        assert_true(told.told);
        int64_t before = offset_of(&fixture, "a", true);
        if (told.error == 0 && second == 0) {
            assert_int_equal(before, 6);
        }
        if (told.error != 0 && first == 0) {
            assert_int_equal(before, -2);
        }
        fixture_restart(&fixture);
        assert_int_equal(offset_of(&fixture, "a", true), before);
        fixture_release(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_transaction__counts_once_it_is_committed),
        cmocka_unit_test(group_transaction__later_commit_wins),
        cmocka_unit_test(group_transaction__failed_appends_are_taken_back),
        cmocka_unit_test(group_transaction__end_shows_once_it_is_committed),
        cmocka_unit_test(group_transaction__deleted_topic_takes_them_along),
        cmocka_unit_test(group_transaction__producer_must_be_one),
        cmocka_unit_test(group_transaction__outlives_any_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
