/* The membership by both protocols, driven by answers and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <barnabas/consumer.h>

#include "base/err.h"
#include "base/mem.h"
#include "client/membership.h"
#include "protocol/api.h"
#include "protocol/error.h"

struct scene {
    struct client_config config;
    struct membership membership;
    struct membership_step step;
    struct topics topics;
    struct arena arena;
    int64_t now_ms;
};

static struct scene *scene_create(const char *strategy, const char *instance_id)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct bnb_config *config = bnb_config_create();
    bnb_config_set(config, "group.id", "g");
    bnb_config_set(config, "partition.assignment.strategy", strategy);
    if (instance_id != NULL) {
        bnb_config_set(config, "group.instance.id", instance_id);
    }
    assert_int_equal(client_config_parse(config, CLIENT_CONSUMER, &scene->config, NULL), 0);
    bnb_config_destroy(&config);
    arena_init(&scene->arena, 1 << 20);
    topics_init(&scene->topics);
    membership_init(&scene->membership, &scene->config);
    scene->now_ms = 1000;
    return scene;
}

static void scene_destroy(struct scene *scene)
{
    membership_release(&scene->membership);
    topics_release(&scene->topics);
    arena_release(&scene->arena);
    client_config_release(&scene->config);
    free(scene);
}

static void topics_are(struct scene *scene, int32_t partition_count)
{
    struct metadata_response_metadata_response_topic topic = {.name = string_view_of("t")};
    struct metadata_response_metadata_response_partition partitions[16] = {0};
    struct metadata_response metadata;
    metadata_response_default(&metadata);
    topic.partitions.items = partitions;
    topic.partitions.count = partition_count;
    metadata.topics.items = &topic;
    metadata.topics.count = 1;
    assert_int_equal(topics_take(&scene->topics, &metadata), 0);
}

static void subscribe(struct scene *scene)
{
    struct string_view topic = string_view_of("t");
    membership_subscribe(&scene->membership, &topic, 1, (struct string_view){NULL, 0});
    membership_polled(&scene->membership, scene->now_ms, true);
}

static enum membership_action next(struct scene *scene)
{
    membership_next(&scene->membership, scene->now_ms, &scene->topics, &scene->step);
    return scene->step.action;
}

static void expect_send(struct scene *scene, int16_t api_key)
{
    assert_int_equal(next(scene), MEMBERSHIP_SEND);
    assert_int_equal(scene->step.api_key, api_key);
}

/* A call about partitions 0 to count - 1 of t at least; it is carried out. */
static void expect_call(struct scene *scene, enum membership_call call, size_t count)
{
    assert_int_equal(next(scene), MEMBERSHIP_CALL);
    assert_int_equal(scene->membership.call, call);
    assert_int_equal(scene->membership.moving.count, count);
    membership_called(&scene->membership);
}

static bool join_answer(struct scene *scene, int16_t error_code, bool leads)
{
    struct join_group_response response;
    struct join_group_response_join_group_response_member member;
    join_group_response_default(&response);
    memset(&member, 0, sizeof member);
    member.member_id = string_view_of("m");
    member.metadata = scene->membership.message.join.protocols.items[0].metadata;
    response.error_code = error_code;
    response.generation_id = 7;
    response.protocol_name = scene->membership.message.join.protocols.items[0].name;
    response.member_id = string_view_of("m");
    response.leader = string_view_of(leads ? "m" : "another");
    response.members.items = &member;
    response.members.count = leads ? 1 : 0;
    return membership_answered(&scene->membership, scene->now_ms, API_JOIN_GROUP, 0, &response);
}

/* An assignment of partitions of t from first on. */
static void sync_answer(struct scene *scene, int16_t error_code, int32_t first, int32_t count)
{
    struct sync_group_response response;
    struct consumer_protocol_assignment assignment = {.user_data = {NULL, 0}};
    struct consumer_protocol_assignment_topic_partition topic = {.topic = string_view_of("t")};
    int32_t numbers[16];
    for (int32_t i = 0; i < count; i++) {
        numbers[i] = first + i;
    }
    topic.partitions.items = numbers;
    topic.partitions.count = count;
    assignment.assigned_partitions.items = &topic;
    assignment.assigned_partitions.count = 1;
    struct writer writer;
    writer_init(&writer, 1 << 16);
    writer_i16(&writer, 3);
    assert_int_equal(consumer_protocol_assignment_encode(&writer, 3, &assignment), 0);
    sync_group_response_default(&response);
    response.error_code = error_code;
    response.assignment = (struct bytes_view){writer.data, writer.size};
    assert_false(
        membership_answered(&scene->membership, scene->now_ms, API_SYNC_GROUP, 0, &response));
    writer_release(&writer);
}

static bool heartbeat_answer(struct scene *scene, int16_t error_code)
{
    struct heartbeat_response response;
    heartbeat_response_default(&response);
    response.error_code = error_code;
    return membership_answered(&scene->membership, scene->now_ms, API_HEARTBEAT, 0, &response);
}

/* Stable, with count partitions from first on. */
static void settle(struct scene *scene, int32_t first, int32_t count)
{
    subscribe(scene);
    expect_send(scene, API_JOIN_GROUP);
    (void)join_answer(scene, 0, false);
    expect_send(scene, API_SYNC_GROUP);
    sync_answer(scene, 0, first, count);
    expect_call(scene, MEMBERSHIP_CALL_ASSIGNED, (size_t)count);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    assert_int_equal(scene->membership.state, MEMBERSHIP_STABLE);
}

static void classic__joins_when_the_application_polls(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    struct string_view topic = string_view_of("t");
    membership_subscribe(&scene->membership, &topic, 1, (struct string_view){NULL, 0});
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    membership_polled(&scene->membership, scene->now_ms, true);
    expect_send(scene, API_JOIN_GROUP);
    const struct join_group_request *join = &scene->membership.message.join;
    assert_int_equal(join->rebalance_timeout_ms, 300000);
    assert_int_equal(join->session_timeout_ms, 45000);
    assert_int_equal(scene->step.timeout_ms, 305000);
    assert_int_equal(join->protocols.count, 1);
    assert_string_equal(join->protocols.items[0].name.data, "range");
    /* An id is given out first. */
    assert_false(join_answer(scene, KAFKA_MEMBER_ID_REQUIRED, false));
    expect_send(scene, API_JOIN_GROUP);
    assert_string_equal(scene->membership.message.join.member_id.data, "m");
    scene_destroy(scene);
}

/* A leader waits for metadata of the topics, and assigns anew when partitions are added. */
static void classic__a_leader_assigns(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    subscribe(scene);
    expect_send(scene, API_JOIN_GROUP);
    (void)join_answer(scene, 0, true);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    assert_true(scene->step.topics_wanted);
    topics_are(scene, 3);
    expect_send(scene, API_SYNC_GROUP);
    assert_int_equal(scene->membership.message.sync.assignments.count, 1);
    sync_answer(scene, 0, 0, 3);
    expect_call(scene, MEMBERSHIP_CALL_ASSIGNED, 3);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    topics_are(scene, 3);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    topics_are(scene, 4);
    expect_call(scene, MEMBERSHIP_CALL_REVOKED, 3);
    expect_send(scene, API_JOIN_GROUP);
    scene_destroy(scene);
}

static void classic__an_eager_member_gives_everything_back_first(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range,cooperative-sticky", NULL);
    settle(scene, 0, 3);
    scene->now_ms += 3000;
    expect_send(scene, API_HEARTBEAT);
    assert_false(heartbeat_answer(scene, KAFKA_REBALANCE_IN_PROGRESS));
    /* Heartbeats go on while the application takes its time. */
    assert_int_equal(next(scene), MEMBERSHIP_CALL);
    assert_int_equal(scene->membership.call, MEMBERSHIP_CALL_REVOKED);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    scene->now_ms += 3000;
    expect_send(scene, API_HEARTBEAT);
    assert_false(heartbeat_answer(scene, KAFKA_REBALANCE_IN_PROGRESS));
    membership_called(&scene->membership);
    expect_send(scene, API_JOIN_GROUP);
    assert_int_equal(scene->membership.owned.count, 0);
    scene_destroy(scene);
}

static void classic__a_cooperative_member_gives_back_what_moves(void **state)
{
    (void)state;
    struct scene *scene = scene_create("cooperative-sticky", NULL);
    settle(scene, 0, 3);
    scene->now_ms += 3000;
    expect_send(scene, API_HEARTBEAT);
    (void)heartbeat_answer(scene, KAFKA_REBALANCE_IN_PROGRESS);
    expect_send(scene, API_JOIN_GROUP);
    assert_int_equal(scene->membership.owned.count, 3);
    (void)join_answer(scene, 0, false);
    expect_send(scene, API_SYNC_GROUP);
    sync_answer(scene, 0, 0, 2);
    expect_call(scene, MEMBERSHIP_CALL_REVOKED, 1);
    expect_call(scene, MEMBERSHIP_CALL_ASSIGNED, 0);
    /* And once more, so that another gets it. */
    expect_send(scene, API_JOIN_GROUP);
    assert_int_equal(scene->membership.owned.count, 2);
    scene_destroy(scene);
}

static void classic__a_member_that_is_forgotten_loses_what_it_has(void **state)
{
    (void)state;
    static const int16_t codes[] = {KAFKA_UNKNOWN_MEMBER_ID, KAFKA_ILLEGAL_GENERATION};
    static const char *const strategies[] = {"range", "cooperative-sticky"};
    for (size_t i = 0; i < 4; i++) {
        struct scene *scene = scene_create(strategies[i / 2], NULL);
        settle(scene, 0, 3);
        scene->now_ms += 3000;
        expect_send(scene, API_HEARTBEAT);
        assert_false(heartbeat_answer(scene, codes[i % 2]));
        expect_call(scene, MEMBERSHIP_CALL_LOST, 3);
        expect_send(scene, API_JOIN_GROUP);
        assert_int_equal(scene->membership.message.join.member_id.size, i % 2);
        scene_destroy(scene);
    }
}

static void classic__one_that_does_not_poll_leaves(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    settle(scene, 0, 3);
    scene->now_ms += 300000;
    expect_send(scene, API_LEAVE_GROUP);
    struct leave_group_response response;
    leave_group_response_default(&response);
    assert_false(
        membership_answered(&scene->membership, scene->now_ms, API_LEAVE_GROUP, 0, &response));
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    assert_int_equal(scene->step.wake_ms, INT64_MAX);
    membership_polled(&scene->membership, scene->now_ms, true);
    expect_call(scene, MEMBERSHIP_CALL_LOST, 3);
    expect_send(scene, API_JOIN_GROUP);
    scene_destroy(scene);
}

/* It stays a member for whoever comes back with its instance id. */
static void classic__a_static_member_does_not_leave(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", "i");
    settle(scene, 0, 3);
    membership_leave(&scene->membership);
    expect_call(scene, MEMBERSHIP_CALL_REVOKED, 3);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    assert_int_equal(scene->membership.state, MEMBERSHIP_OUT);
    scene_destroy(scene);
}

static void classic__a_dynamic_member_leaves(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    settle(scene, 0, 3);
    membership_leave(&scene->membership);
    expect_call(scene, MEMBERSHIP_CALL_REVOKED, 3);
    expect_send(scene, API_LEAVE_GROUP);
    assert_string_equal(scene->membership.message.leave.members.items[0].member_id.data, "m");
    assert_false(membership_answered(&scene->membership, scene->now_ms, API_LEAVE_GROUP, ERR_CLOSED,
                                     NULL));
    assert_int_equal(scene->membership.state, MEMBERSHIP_OUT);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    scene_destroy(scene);
}

static void classic__another_coordinator_is_found(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    subscribe(scene);
    expect_send(scene, API_JOIN_GROUP);
    assert_true(join_answer(scene, KAFKA_NOT_COORDINATOR, false));
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    scene->now_ms = scene->step.wake_ms;
    expect_send(scene, API_JOIN_GROUP);
    assert_true(membership_answered(&scene->membership, scene->now_ms, API_JOIN_GROUP, ERR_CLOSED,
                                    NULL));
    scene->now_ms += 1000;
    expect_send(scene, API_JOIN_GROUP);
    assert_false(join_answer(scene, KAFKA_COORDINATOR_LOAD_IN_PROGRESS, false));
    scene_destroy(scene);
}

/* The application hears of it; what may pass is tried with the next poll, what may not is told. */
static void classic__failures_are_told(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", NULL);
    subscribe(scene);
    expect_send(scene, API_JOIN_GROUP);
    (void)join_answer(scene, KAFKA_GROUP_MAX_SIZE_REACHED, false);
    assert_int_equal(scene->membership.code, KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    membership_polled(&scene->membership, scene->now_ms, true);
    expect_send(scene, API_JOIN_GROUP);
    (void)join_answer(scene, KAFKA_FENCED_INSTANCE_ID, false);
    scene->membership.code = 0;
    membership_polled(&scene->membership, scene->now_ms, true);
    assert_int_equal(scene->membership.code, KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    scene_destroy(scene);
}

/* While the application is being called the machine fails only afterwards. */
static void classic__a_failure_waits_for_the_call(void **state)
{
    (void)state;
    struct scene *scene = scene_create("range", "i");
    settle(scene, 0, 3);
    membership_leave(&scene->membership);
    assert_int_equal(next(scene), MEMBERSHIP_CALL);
    scene->now_ms += 3000;
    expect_send(scene, API_HEARTBEAT);
    (void)heartbeat_answer(scene, KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(scene->membership.call, MEMBERSHIP_CALL_REVOKED);
    membership_called(&scene->membership);
    assert_int_equal(scene->membership.state, MEMBERSHIP_OUT);
    scene_destroy(scene);
}

/* Random answers: it never stops for good, and never has a call and a request that it did not
 * name. */
static void classic__random_answers(void **state)
{
    (void)state;
    static const int16_t codes[] = {0, 0, 0, 0, KAFKA_REBALANCE_IN_PROGRESS, KAFKA_NOT_COORDINATOR,
                                    KAFKA_UNKNOWN_MEMBER_ID, KAFKA_ILLEGAL_GENERATION,
                                    KAFKA_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_MEMBER_ID_REQUIRED};
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct scene *scene = scene_create(seed % 2 == 0 ? "range" : "cooperative-sticky", NULL);
        srand(seed);
        topics_are(scene, 5);
        subscribe(scene);
        int stable = 0;
        for (int i = 0; i < 400; i++) {
            int16_t code = codes[(unsigned)rand() % (sizeof codes / sizeof *codes)];
            switch (next(scene)) {
            case MEMBERSHIP_WAIT:
                stable += scene->membership.state == MEMBERSHIP_STABLE;
                scene->now_ms = scene->step.wake_ms != INT64_MAX ? scene->step.wake_ms
                                                                 : scene->now_ms + 100;
                membership_polled(&scene->membership, scene->now_ms, true);
                break;
            case MEMBERSHIP_CALL:
                membership_called(&scene->membership);
                break;
            case MEMBERSHIP_SEND:
                if (scene->step.api_key == API_JOIN_GROUP) {
                    (void)join_answer(scene, code, rand() % 2 == 0);
                } else if (code == KAFKA_MEMBER_ID_REQUIRED ||
                           scene->step.api_key == API_LEAVE_GROUP) {
                    (void)membership_answered(&scene->membership, scene->now_ms,
                                              scene->step.api_key, ERR_CLOSED, NULL);
                } else if (scene->step.api_key == API_SYNC_GROUP) {
                    if (code == KAFKA_NOT_COORDINATOR) {
                        code = 0;
                    }
                    sync_answer(scene, code, rand() % 3, rand() % 3);
                } else {
                    (void)heartbeat_answer(scene, code);
                }
            }
            assert_int_not_equal(scene->membership.state, MEMBERSHIP_FAILED);
        }
        assert_true(stable > 0);
        scene_destroy(scene);
    }
}

/* Every allocation of the machine fails now and then: it says so, and comes back with a later poll;
 * what the application has is what the machine believes. */
static void classic__memory_that_is_out(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 400; seed++) {
        struct scene *scene = scene_create(seed % 2 == 0 ? "range" : "cooperative-sticky", NULL);
        struct partition_set has;
        partition_set_init(&has);
        srand(seed);
        topics_are(scene, 5);
        subscribe(scene);
        for (int i = 0; i < 150; i++) {
            mem_fail_after(i < 100 && rand() % 2 == 0 ? 1 + rand() % 8 : 0);
            enum membership_action action = next(scene);
            mem_fail_after(0);
            assert_true(partition_set_equal(&has, &scene->membership.owned));
            if (action == MEMBERSHIP_CALL) {
                partition_set_release(&has);
                assert_int_equal(partition_set_copy(&has, &scene->membership.after), 0);
                membership_called(&scene->membership);
            } else if (action == MEMBERSHIP_WAIT) {
                scene->now_ms += 3000;
                if (scene->membership.code != 0) {
                    assert_int_equal(scene->membership.code, BNB_ERROR_NO_MEMORY);
                    scene->membership.code = 0;
                }
                membership_polled(&scene->membership, scene->now_ms, true);
            } else if (scene->step.api_key == API_JOIN_GROUP) {
                (void)join_answer(scene, 0, false);
            } else if (scene->step.api_key == API_SYNC_GROUP) {
                sync_answer(scene, 0, rand() % 3, rand() % 3);
            } else {
                (void)heartbeat_answer(scene, i % 4 == 0 ? KAFKA_REBALANCE_IN_PROGRESS : 0);
            }
        }
        assert_int_not_equal(scene->membership.state, MEMBERSHIP_FAILED);
        assert_true(scene->membership.generation > 0);
        partition_set_release(&has);
        scene_destroy(scene);
    }
}

/* ---- KIP-848 ---- */

static struct scene *consumer_create(const char *instance_id)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct bnb_config *config = bnb_config_create();
    bnb_config_set(config, "group.id", "g");
    bnb_config_set(config, "group.protocol", "consumer");
    if (instance_id != NULL) {
        bnb_config_set(config, "group.instance.id", instance_id);
    }
    assert_int_equal(client_config_parse(config, CLIENT_CONSUMER, &scene->config, NULL), 0);
    bnb_config_destroy(&config);
    arena_init(&scene->arena, 1 << 20);
    topics_init(&scene->topics);
    membership_init(&scene->membership, &scene->config);
    membership_name(&scene->membership, "made-up");
    scene->now_ms = 1000;
    return scene;
}

static const struct consumer_group_heartbeat_request *expect_beat(struct scene *scene,
                                                                  int32_t epoch)
{
    expect_send(scene, API_CONSUMER_GROUP_HEARTBEAT);
    assert_int_equal(scene->membership.message.consumer.member_epoch, epoch);
    return &scene->membership.message.consumer;
}

/* count partitions of t from first on; -1: no assignment is said. */
static bool beat_answer(struct scene *scene, int16_t error_code, int32_t epoch, int32_t first,
                        int32_t count)
{
    struct consumer_group_heartbeat_response response;
    struct consumer_group_heartbeat_response_assignment assignment = {{NULL, 0}};
    struct consumer_group_heartbeat_response_topic_partitions topic = {.topic_id = {{9}}};
    int32_t numbers[16];
    for (int32_t i = 0; i < count; i++) {
        numbers[i] = first + i;
    }
    consumer_group_heartbeat_response_default(&response);
    topic.partitions.items = numbers;
    topic.partitions.count = count;
    assignment.topic_partitions.items = &topic;
    assignment.topic_partitions.count = 1;
    response.error_code = error_code;
    response.member_epoch = epoch;
    response.heartbeat_interval_ms = 5000;
    response.assignment = count >= 0 ? &assignment : NULL;
    return membership_answered(&scene->membership, scene->now_ms, API_CONSUMER_GROUP_HEARTBEAT, 0,
                               &response);
}

static void topic_is_known(struct scene *scene)
{
    topics_are(scene, 4);
    scene->topics.items[0].id = (struct uuid){{9}};
}

static void consumer_settle(struct scene *scene, int32_t count)
{
    topic_is_known(scene);
    subscribe(scene);
    (void)expect_beat(scene, 0);
    assert_false(beat_answer(scene, 0, 2, 0, count));
    expect_call(scene, MEMBERSHIP_CALL_ASSIGNED, (size_t)count);
    const struct consumer_group_heartbeat_request *ack = expect_beat(scene, 2);
    assert_int_equal(ack->topic_partitions.items[0].partitions.count, count);
    assert_false(beat_answer(scene, 0, 2, 0, -1));
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
}

static void consumer__tells_everything_once(void **state)
{
    (void)state;
    struct scene *scene = consumer_create(NULL);
    subscribe(scene);
    const struct consumer_group_heartbeat_request *join = expect_beat(scene, 0);
    assert_string_equal(join->member_id.data, "made-up");
    assert_int_equal(join->rebalance_timeout_ms, 300000);
    assert_int_equal(join->subscribed_topic_names.count, 1);
    assert_int_equal(join->topic_partitions.count, 0);
    assert_null(join->subscribed_topic_regex.data);
    /* The topic of the id is not known yet. */
    assert_false(beat_answer(scene, 0, 2, 0, 3));
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    assert_true(scene->step.topics_wanted);
    topic_is_known(scene);
    expect_call(scene, MEMBERSHIP_CALL_ASSIGNED, 3);
    const struct consumer_group_heartbeat_request *ack = expect_beat(scene, 2);
    assert_int_equal(ack->topic_partitions.count, 1);
    assert_int_equal(ack->subscribed_topic_names.count, -1);
    assert_false(beat_answer(scene, 0, 2, 0, -1));
    scene->now_ms += 5000;
    assert_int_equal(expect_beat(scene, 2)->topic_partitions.count, -1);
    /* After a failure all of it again. */
    assert_true(membership_answered(&scene->membership, scene->now_ms,
                                    API_CONSUMER_GROUP_HEARTBEAT, ERR_CLOSED, NULL));
    scene->now_ms += 1000;
    assert_int_equal(expect_beat(scene, 2)->topic_partitions.count, 1);
    scene_destroy(scene);
}

static void consumer__gives_back_before_it_says_so(void **state)
{
    (void)state;
    struct scene *scene = consumer_create(NULL);
    consumer_settle(scene, 3);
    scene->now_ms += 5000;
    (void)expect_beat(scene, 2);
    assert_false(beat_answer(scene, 0, 2, 0, 1));
    assert_int_equal(next(scene), MEMBERSHIP_CALL);
    assert_int_equal(scene->membership.call, MEMBERSHIP_CALL_REVOKED);
    scene->now_ms += 5000;
    assert_int_equal(expect_beat(scene, 2)->topic_partitions.count, -1);
    assert_false(beat_answer(scene, 0, 2, 0, -1));
    membership_called(&scene->membership);
    const struct consumer_group_heartbeat_request *ack = expect_beat(scene, 2);
    assert_int_equal(ack->topic_partitions.items[0].partitions.count, 1);
    scene_destroy(scene);
}

static void consumer__one_that_is_fenced_joins_anew(void **state)
{
    (void)state;
    static const int16_t codes[] = {KAFKA_FENCED_MEMBER_EPOCH, KAFKA_UNKNOWN_MEMBER_ID};
    for (size_t i = 0; i < 2; i++) {
        struct scene *scene = consumer_create(NULL);
        consumer_settle(scene, 3);
        scene->now_ms += 5000;
        (void)expect_beat(scene, 2);
        assert_false(beat_answer(scene, codes[i], 0, 0, -1));
        expect_call(scene, MEMBERSHIP_CALL_LOST, 3);
        assert_int_equal(expect_beat(scene, 0)->topic_partitions.count, 0);
        scene_destroy(scene);
    }
}

static void consumer__leaves(void **state)
{
    (void)state;
    for (int is_static = 0; is_static < 2; is_static++) {
        struct scene *scene = consumer_create(is_static ? "i" : NULL);
        consumer_settle(scene, 3);
        membership_leave(&scene->membership);
        expect_call(scene, MEMBERSHIP_CALL_REVOKED, 3);
        (void)expect_beat(scene, is_static ? -2 : -1);
        assert_false(beat_answer(scene, 0, -1, 0, -1));
        assert_int_equal(scene->membership.state, MEMBERSHIP_OUT);
        scene_destroy(scene);
    }
}

static void consumer__one_that_does_not_poll_leaves(void **state)
{
    (void)state;
    struct scene *scene = consumer_create(NULL);
    consumer_settle(scene, 3);
    scene->now_ms += 300000;
    (void)expect_beat(scene, -1);
    assert_false(beat_answer(scene, 0, -1, 0, -1));
    expect_call(scene, MEMBERSHIP_CALL_LOST, 3);
    assert_int_equal(next(scene), MEMBERSHIP_WAIT);
    membership_polled(&scene->membership, scene->now_ms, true);
    (void)expect_beat(scene, 0);
    scene_destroy(scene);
}

static void consumer__a_new_subscription_is_told_at_once(void **state)
{
    (void)state;
    struct scene *scene = consumer_create(NULL);
    consumer_settle(scene, 3);
    membership_subscribe(&scene->membership, NULL, 0, string_view_of("a.*"));
    const struct consumer_group_heartbeat_request *beat = expect_beat(scene, 2);
    assert_int_equal(scene->step.version_min, 1);
    assert_int_equal(beat->subscribed_topic_names.count, 0);
    assert_string_equal(beat->subscribed_topic_regex.data, "a.*");
    assert_false(beat_answer(scene, 0, 3, 0, -1));
    subscribe(scene);
    beat = expect_beat(scene, 3);
    assert_string_equal(beat->subscribed_topic_regex.data, "");
    assert_int_equal(beat->subscribed_topic_names.count, 1);
    scene_destroy(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classic__joins_when_the_application_polls),
        cmocka_unit_test(classic__a_leader_assigns),
        cmocka_unit_test(classic__an_eager_member_gives_everything_back_first),
        cmocka_unit_test(classic__a_cooperative_member_gives_back_what_moves),
        cmocka_unit_test(classic__a_member_that_is_forgotten_loses_what_it_has),
        cmocka_unit_test(classic__one_that_does_not_poll_leaves),
        cmocka_unit_test(classic__a_static_member_does_not_leave),
        cmocka_unit_test(classic__a_dynamic_member_leaves),
        cmocka_unit_test(classic__another_coordinator_is_found),
        cmocka_unit_test(classic__failures_are_told),
        cmocka_unit_test(classic__a_failure_waits_for_the_call),
        cmocka_unit_test(classic__random_answers),
        cmocka_unit_test(classic__memory_that_is_out),
        cmocka_unit_test(consumer__tells_everything_once),
        cmocka_unit_test(consumer__gives_back_before_it_says_so),
        cmocka_unit_test(consumer__one_that_is_fenced_joins_anew),
        cmocka_unit_test(consumer__leaves),
        cmocka_unit_test(consumer__one_that_does_not_poll_leaves),
        cmocka_unit_test(consumer__a_new_subscription_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
