/* The assignors of consumer groups: small ones by hand, large and random ones by what must hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "assignor/assignor.h"

#define ARENA_BYTES (256u << 20)
#define MEMBERS_MAX 1000
#define TOPICS_MAX 64

/* A group that is changed from one assignment to the next. */
struct test_group {
    struct arena arena;
    struct assignor_topic topics[TOPICS_MAX];
    struct assignor_member members[MEMBERS_MAX];
    struct assignor_assignment gets[MEMBERS_MAX];
    struct assignor_group group;
    uint64_t random;
};

static uint32_t below(struct test_group *test, uint32_t bound)
{
    test->random = test->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(test->random >> 33) % bound;
}

static struct test_group *group_create(uint32_t topics_count, uint64_t seed)
{
    struct test_group *test = calloc(1, sizeof *test);
    arena_init(&test->arena, ARENA_BYTES);
    test->random = seed;
    test->group.members = test->members;
    test->group.topics = test->topics;
    test->group.topics_count = topics_count;
    for (uint32_t i = 0; i < topics_count; i++) {
        test->topics[i].id.bytes[15] = (uint8_t)i;
    }
    return test;
}

static void group_destroy(struct test_group *test)
{
    arena_release(&test->arena);
    free(test);
}

/* topics: one character each, 'a' the first. */
static void join(struct test_group *test, const char *id, const char *instance, const char *topics)
{
    struct assignor_member *member = &test->members[test->group.members_count++];
    uint32_t *indexes = arena_array(&test->arena, TOPICS_MAX, sizeof *indexes);
    *member = (struct assignor_member){.member_id = arena_string(&test->arena, string_view_of(id)),
                                       .instance_id = string_view_of(instance),
                                       .topics = indexes};
    for (; *topics != '\0'; topics++) {
        indexes[member->topics_count++] = (uint32_t)(*topics - 'a');
    }
}

static void leave(struct test_group *test, uint32_t index)
{
    test->group.members_count--;
    memmove(&test->members[index], &test->members[index + 1],
            (test->group.members_count - index) * sizeof *test->members);
}

static int assign(struct test_group *test, const char *name)
{
    const struct assignor *assignor = assignor_find(string_view_of(name));
    assert_non_null(assignor);
    return assignor->assign(&test->group, &test->arena, test->gets);
}

static void keep(struct test_group *test)
{
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        test->members[i].current = test->gets[i];
    }
}

/* "a0,a1,b0;a2": members in their order, partitions in theirs. */
static const char *told(struct test_group *test)
{
    static char text[4096];
    size_t size = 0;
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        const char *before = i > 0 ? ";" : "";
        if (test->gets[i].count == 0) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%s", before);
        }
        for (uint32_t j = 0; j < test->gets[i].count; j++) {
            const struct assignor_partitions *topic = &test->gets[i].topics[j];
            for (uint32_t k = 0; k < topic->count; k++) {
                size += (size_t)snprintf(text + size, sizeof text - size, "%s%c%d", before,
                                         (char)('a' + topic->topic), topic->partitions[k]);
                before = ",";
            }
        }
    }
    return text;
}

static uint32_t member_size(struct assignor_assignment assignment)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < assignment.count; i++) {
        size += assignment.topics[i].count;
    }
    return size;
}

/* Every partition of every topic with a reader has one owner, who reads that topic; all ascends. */
static void assert_complete(struct test_group *test)
{
    uint32_t given[TOPICS_MAX] = {0};
    bool read[TOPICS_MAX] = {false};
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        const struct assignor_member *member = &test->members[i];
        for (uint32_t j = 0; j < member->topics_count; j++) {
            read[member->topics[j]] = true;
        }
        for (uint32_t j = 0; j < test->gets[i].count; j++) {
            const struct assignor_partitions *topic = &test->gets[i].topics[j];
            assert_true(j == 0 || topic[-1].topic < topic->topic);
            assert_true(topic->count > 0);
            bool reads = false;
            for (uint32_t k = 0; k < member->topics_count; k++) {
                reads |= member->topics[k] == topic->topic;
            }
            assert_true(reads);
            for (uint32_t k = 0; k < topic->count; k++) {
                assert_true(k == 0 || topic->partitions[k - 1] < topic->partitions[k]);
                assert_in_range(topic->partitions[k], 0,
                                test->topics[topic->topic].partition_count - 1);
            }
            given[topic->topic] += topic->count;
        }
    }
    /* Nobody shares one: then as many as there are means each once. */
    uint8_t *owned = calloc(TOPICS_MAX, 1u << 14);
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        for (uint32_t j = 0; j < test->gets[i].count; j++) {
            const struct assignor_partitions *topic = &test->gets[i].topics[j];
            for (uint32_t k = 0; k < topic->count; k++) {
                size_t place = (size_t)topic->topic << 14 | (size_t)topic->partitions[k];
                assert_int_equal(owned[place], 0);
                owned[place] = 1;
            }
        }
    }
    free(owned);
    for (uint32_t i = 0; i < test->group.topics_count; i++) {
        assert_int_equal(given[i], read[i] ? (uint32_t)test->topics[i].partition_count : 0);
    }
}

static void assert_balanced(struct test_group *test)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        uint32_t size = member_size(test->gets[i]);
        least = size < least ? size : least;
        most = size > most ? size : most;
    }
    assert_true(most - least <= 1);
}

static bool has(struct assignor_assignment assignment, uint32_t topic, int32_t partition)
{
    for (uint32_t i = 0; i < assignment.count; i++) {
        if (assignment.topics[i].topic != topic) {
            continue;
        }
        for (uint32_t j = 0; j < assignment.topics[i].count; j++) {
            if (assignment.topics[i].partitions[j] == partition) {
                return true;
            }
        }
    }
    return false;
}

/* Partitions that a member had and does not get. */
static uint32_t taken_away(struct test_group *test)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < test->group.members_count; i++) {
        struct assignor_assignment had = test->members[i].current;
        for (uint32_t j = 0; j < had.count; j++) {
            for (uint32_t k = 0; k < had.topics[j].count; k++) {
                taken += !has(test->gets[i], had.topics[j].topic, had.topics[j].partitions[k]);
            }
        }
    }
    return taken;
}

/* Small groups, of topics a (3 partitions), b (2), c (1) and d (0). */
static void assignor__small_groups(void **state)
{
    (void)state;
    static const struct {
        const char *assignor;
        const char *members[4][3]; /* id, instance, topics */
        const char *gets;
    } cases[] = {
        {"range", {{"x", NULL, "a"}}, "a0,a1,a2"},
        {"range", {{"x", NULL, "ab"}, {"y", NULL, "ab"}}, "a0,a1,b0;a2,b1"},
        {"range", {{"y", NULL, "ab"}, {"x", NULL, "ab"}}, "a2,b1;a0,a1,b0"},
        {"range", {{"x", NULL, "a"}, {"y", "i", "a"}}, "a2;a0,a1"},
        {"range", {{"x", "j", "a"}, {"y", "i", "a"}}, "a2;a0,a1"},
        {"range", {{"x", NULL, "ab"}, {"y", NULL, "b"}}, "a0,a1,a2,b0;b1"},
        {"range", {{"x", NULL, "c"}, {"y", NULL, "c"}}, "c0;"},
        {"range", {{"x", NULL, ""}, {"y", NULL, "d"}}, ";"},
        {"uniform", {{"x", NULL, "abc"}, {"y", NULL, "abc"}}, "a0,a1,a2;b0,b1,c0"},
        {"uniform", {{"x", NULL, ""}, {"y", NULL, ""}}, ";"},
        {"uniform", {{"x", NULL, "ad"}, {"y", NULL, "ad"}}, "a0;a1,a2"},
        {"uniform", {{"x", NULL, "a"}, {"y", NULL, "ab"}}, "a0,a1,a2;b0,b1"},
        {"uniform", {{"x", NULL, "a"}, {"y", NULL, ""}, {"z", NULL, "ac"}}, "a0,a2;;a1,c0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_group *test = group_create(4, 1);
        for (uint32_t j = 0; j < 4; j++) {
            test->topics[j].partition_count = 3 - (int32_t)j;
        }
        for (size_t j = 0; j < 4 && cases[i].members[j][0] != NULL; j++) {
            join(test, cases[i].members[j][0], cases[i].members[j][1], cases[i].members[j][2]);
        }
        assert_int_equal(assign(test, cases[i].assignor), 0);
        assert_string_equal(told(test), cases[i].gets);
        assert_complete(test);
        group_destroy(test);
    }
}

static void assignor__names_are_those_of_kafka(void **state)
{
    (void)state;
    assert_string_equal(assignor_find(string_view_of("range"))->name, "range");
    assert_string_equal(assignor_find(string_view_of("uniform"))->name, "uniform");
    assert_null(assignor_find(string_view_of("sticky")));
    assert_null(assignor_find((struct string_view){NULL, 0}));
}

static void assignor__a_group_without_members_is_nothing(void **state)
{
    (void)state;
    struct test_group *test = group_create(1, 1);
    assert_int_equal(assign(test, "range"), 0);
    assert_int_equal(assign(test, "uniform"), 0);
    group_destroy(test);
}

static void random_subscription(struct test_group *test, char *topics)
{
    for (uint32_t i = 0; i < test->group.topics_count; i++) {
        if (below(test, 3) > 0) {
            *topics++ = (char)('a' + i);
        }
    }
    *topics = '\0';
}

static void random_members(struct test_group *test, uint32_t count, const char *topics)
{
    char id[32];
    char own[TOPICS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "m%u", below(test, 1000000));
        if (topics == NULL) {
            random_subscription(test, own);
        }
        join(test, id, NULL, topics != NULL ? topics : own);
    }
}

/* Members come and go, partitions are added: what must hold holds after each step, and an
 * assignment that is made again without a change is the same. */
static void random_group(const char *name, bool mixed, uint64_t seed)
{
    struct test_group *test = group_create(1 + (uint32_t)(seed % 8), seed);
    for (uint32_t i = 0; i < test->group.topics_count; i++) {
        test->topics[i].partition_count = (int32_t)below(test, 40);
    }
    char everybody[TOPICS_MAX];
    random_subscription(test, everybody);
    random_members(test, 1 + below(test, 20), mixed ? NULL : everybody);
    for (int step = 0; step < 6; step++) {
        assert_int_equal(assign(test, name), 0);
        assert_complete(test);
        if (!mixed && strcmp(name, "uniform") == 0) {
            assert_balanced(test);
        }
        keep(test);
        assert_int_equal(assign(test, name), 0);
        assert_int_equal(taken_away(test), 0);
        if (test->group.members_count > 1 && below(test, 2) == 0) {
            leave(test, below(test, test->group.members_count));
        } else {
            random_members(test, below(test, 3), mixed ? NULL : everybody);
        }
        test->topics[below(test, test->group.topics_count)].partition_count +=
            (int32_t)below(test, 3);
    }
    group_destroy(test);
}

static void assignor__random_groups_get_every_partition_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_group("range", seed % 2 == 0, seed);
        random_group("uniform", seed % 2 == 0, seed);
    }
}

/* When one of ten leaves, only what it had moves; when one joins, it gets its share and nothing
 * else moves. */
static void uniform__few_partitions_move(void **state)
{
    (void)state;
    struct test_group *test = group_create(2, 5);
    test->topics[0].partition_count = 60;
    test->topics[1].partition_count = 40;
    random_members(test, 10, "ab");
    assert_int_equal(assign(test, "uniform"), 0);
    keep(test);
    leave(test, 3);
    assert_int_equal(assign(test, "uniform"), 0);
    assert_complete(test);
    assert_balanced(test);
    assert_int_equal(taken_away(test), 0);
    keep(test);
    join(test, "new", NULL, "ab");
    assert_int_equal(assign(test, "uniform"), 0);
    assert_complete(test);
    assert_balanced(test);
    assert_int_equal(taken_away(test), 10);
    group_destroy(test);
}

/* Records of a damaged log may give a partition to two, or one that is not there: the first keeps
 * it, and nobody gets the other. */
static void uniform__nonsense_of_before_does_no_harm(void **state)
{
    (void)state;
    static const int32_t numbers[] = {-5, 0, 1, 2, 3, 7};
    static const struct assignor_partitions both[] = {{0, numbers, 6}, {1, numbers + 1, 1}};
    for (int mixed = 0; mixed < 2; mixed++) {
        struct test_group *test = group_create(2, 5);
        test->topics[0].partition_count = 4;
        test->topics[1].partition_count = 1;
        join(test, "x", NULL, "a");
        join(test, "y", NULL, mixed ? "ab" : "a");
        test->members[0].current = (struct assignor_assignment){both, 2};
        test->members[1].current = (struct assignor_assignment){both, 2};
        assert_int_equal(assign(test, "uniform"), 0);
        assert_complete(test);
        assert_string_equal(told(test), mixed ? "a0,a1,a2;a3,b0" : "a0,a1;a2,a3");
        group_destroy(test);
    }
}

static void assignor__an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    static const char *const names[] = {"range", "uniform", "uniform"};
    for (size_t i = 0; i < 3; i++) {
        struct test_group *test = group_create(2, 5);
        test->topics[0].partition_count = 10;
        test->topics[1].partition_count = 10;
        join(test, "x", NULL, "ab");
        join(test, "y", NULL, i < 2 ? "ab" : "b");
        int refused = 0;
        for (size_t room = 0;; room += 16) {
            struct arena small;
            arena_init(&small, room);
            int error = assignor_find(string_view_of(names[i]))
                            ->assign(&test->group, &small, test->gets);
            if (error == 0) {
                assert_complete(test);
            }
            arena_release(&small);
            if (error == 0) {
                break;
            }
            assert_int_equal(error, ERR_NOMEM);
            refused++;
        }
        assert_true(refused > 3);
        group_destroy(test);
    }
}

/* 1,000 members and 1,000 partitions, 100 and 10,000; in the last round of each the members read
 * different topics. */
static void assignor__large_groups(void **state)
{
    (void)state;
    static const struct {
        uint32_t members;
        int32_t partitions;
    } cases[] = {{1000, 1000}, {100, 10000}};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct test_group *test = group_create(10, 3);
            for (uint32_t k = 0; k < 10; k++) {
                test->topics[k].partition_count = cases[i].partitions / 10;
            }
            random_members(test, cases[i].members, j < 2 ? "abcdefghij" : NULL);
            assert_int_equal(assign(test, j == 0 ? "range" : "uniform"), 0);
            assert_complete(test);
            keep(test);
            leave(test, 0);
            assert_int_equal(assign(test, j == 0 ? "range" : "uniform"), 0);
            assert_complete(test);
            if (j == 1) {
                assert_balanced(test);
            }
            group_destroy(test);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignor__small_groups),
        cmocka_unit_test(assignor__names_are_those_of_kafka),
        cmocka_unit_test(assignor__a_group_without_members_is_nothing),
        cmocka_unit_test(assignor__random_groups_get_every_partition_once),
        cmocka_unit_test(uniform__few_partitions_move),
        cmocka_unit_test(uniform__nonsense_of_before_does_no_harm),
        cmocka_unit_test(assignor__an_arena_that_is_full_is_an_error),
        cmocka_unit_test(assignor__large_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
