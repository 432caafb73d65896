/* Assignments that a leader makes, as they go over the wire, and sets of partitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "client/assign.h"

#define ARENA_BYTES (16u << 20)
#define MEMBERS_MAX 4

static struct string_view view(const char *text) { return string_view_of(text); }

/* "t0 t1 u3": topics are one letter. */
static void set_read(struct partition_set *set, const char *text)
{
    partition_set_init(set);
    assert_true(partition_set_start(set, 64));
    for (const char *at = text; *at != '\0'; at += strspn(at, " ")) {
        char topic[2] = {*at, '\0'};
        char *end;
        struct partition_key key = {.topic = view(topic),
                                    .partition = (int32_t)strtol(at + 1, &end, 10)};
        assert_true(partition_set_add(set, &key));
        at = end;
    }
    partition_set_finish(set);
}

static const char *set_told(const struct partition_set *set)
{
    static char text[512];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s%d", i > 0 ? " " : "",
                                 set->items[i].topic.data, set->items[i].partition);
    }
    return text;
}

static void partition_set__unite_and_subtract(void **state)
{
    (void)state;
    struct partition_set a;
    struct partition_set b;
    struct partition_set result;
    set_read(&a, "u3 t1 t0 t1 t10");
    set_read(&b, "t1 u3 v0");
    partition_set_init(&result);
    assert_string_equal(set_told(&a), "t0 t1 t10 u3");
    assert_int_equal(partition_set_subtract(&result, &a, &b), 0);
    assert_string_equal(set_told(&result), "t0 t10");
    assert_int_equal(partition_set_unite(&result, &a, &b), 0);
    assert_string_equal(set_told(&result), "t0 t1 t10 u3 v0");
    assert_int_equal(partition_set_run(&result, 0), 3);
    assert_int_equal(partition_set_copy(&result, &b), 0);
    assert_true(partition_set_equal(&result, &b));
    assert_false(partition_set_equal(&result, &a));
    partition_set_release(&a);
    partition_set_release(&b);
    partition_set_release(&result);
}

static void assign__names_of_kafka_and_of_java(void **state)
{
    (void)state;
    enum assign_kind kind;
    static const struct {
        const char *name;
        int kind;
    } names[] = {{"range", ASSIGN_RANGE},
                 {"RoundRobinAssignor", ASSIGN_ROUND_ROBIN},
                 {"org.apache.kafka.clients.consumer.RangeAssignor", ASSIGN_RANGE},
                 {"org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
                  ASSIGN_COOPERATIVE_STICKY},
                 {"cooperative-sticky", ASSIGN_COOPERATIVE_STICKY},
                 {"sticky", ASSIGN_STICKY},
                 {"org.apache.kafka.clients.consumer.StickyAssignor", ASSIGN_STICKY},
                 {"com.example.RangeAssignor", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool found = assign_find(view(names[i].name), &kind);
        assert_int_equal(found ? (int)kind : -1, names[i].kind);
    }
}

struct test_member {
    const char *id;
    const char *instance;
    const char *topics; /* letters */
    const char *owned;
    int32_t generation;
};

static void subscription_make(const struct test_member *from, enum assign_kind kind,
                              struct arena *arena, struct assign_member *to)
{
    struct string_view topics[8];
    struct partition_set owned;
    size_t count = strlen(from->topics);
    for (size_t i = 0; i < count; i++) {
        topics[i] = arena_format(arena, "%c", from->topics[i]);
    }
    set_read(&owned, from->owned != NULL ? from->owned : "");
    struct partition_set none;
    partition_set_init(&none);
    struct assign_subscription subscription = {topics, count, &owned, from->generation,
                                               {NULL, 0}, NULL, -1};
    if (kind == ASSIGN_STICKY) {
        subscription.owned = &none; /* it has given everything back */
        subscription.last = from->owned != NULL ? &owned : NULL;
        subscription.last_generation = from->generation;
        subscription.generation = -1;
    }
    *to = (struct assign_member){.member_id = view(from->id), .instance_id = view(from->instance)};
    assert_int_equal(assign_subscription_encode(kind, &subscription, arena, &to->subscription), 0);
    partition_set_release(&owned);
}

/* Topics t (3 partitions) and u (2). The assignments of all members, "|" between them. */
static const char *assigned(enum assign_kind kind, const struct test_member *members)
{
    static char text[512];
    struct arena arena;
    struct topics topics;
    struct metadata_response metadata;
    struct metadata_response_metadata_response_topic known[2] = {0};
    struct metadata_response_metadata_response_partition partitions[3] = {0};
    struct assign_member inputs[MEMBERS_MAX];
    size_t count = 0;
    arena_init(&arena, ARENA_BYTES);
    topics_init(&topics);
    metadata_response_default(&metadata);
    known[0].name = view("t");
    known[1].name = view("u");
    for (int32_t i = 0; i < 2; i++) {
        known[i].partitions.items = partitions;
        known[i].partitions.count = 3 - i;
    }
    metadata.topics.items = known;
    metadata.topics.count = 2;
    assert_int_equal(topics_take(&topics, &metadata), 0);
    while (count < MEMBERS_MAX && members[count].id != NULL) {
        subscription_make(&members[count], kind, &arena, &inputs[count]);
        count++;
    }
    assert_int_equal(assign_members(kind, inputs, count, &topics, &arena), 0);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        struct partition_set set;
        partition_set_init(&set);
        assert_int_equal(assign_assignment_decode(inputs[i].assignment, &arena, &set), 0);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i > 0 ? "|" : "",
                                 set_told(&set));
        partition_set_release(&set);
    }
    topics_release(&topics);
    arena_release(&arena);
    return text;
}

static void assign__small_groups(void **state)
{
    (void)state;
    static const struct {
        enum assign_kind kind;
        struct test_member members[MEMBERS_MAX];
        const char *assigned;
    } cases[] = {
        {ASSIGN_RANGE, {{"a", NULL, "tu", NULL, -1}}, "t0 t1 t2 u0 u1"},
        {ASSIGN_RANGE,
         {{"b", NULL, "tu", NULL, -1}, {"a", NULL, "tu", NULL, -1}},
         "t2 u1|t0 t1 u0"},
        {ASSIGN_RANGE,
         {{"a", NULL, "t", NULL, -1}, {"b", "i", "t", NULL, -1}},
         "t2|t0 t1"},
        {ASSIGN_RANGE, {{"a", NULL, "x", NULL, -1}}, ""},
        {ASSIGN_ROUND_ROBIN,
         {{"a", NULL, "tu", NULL, -1}, {"b", NULL, "tu", NULL, -1}},
         "t0 t2 u1|t1 u0"},
        {ASSIGN_ROUND_ROBIN,
         {{"a", NULL, "t", NULL, -1}, {"b", NULL, "tu", NULL, -1}, {"c", NULL, "u", NULL, -1}},
         "t0 t2|t1 u0|u1"},
        /* New members get what nobody has; what moves goes in the next generation. */
        {ASSIGN_COOPERATIVE_STICKY,
         {{"a", NULL, "tu", "t0 t1 t2 u0 u1", 4}, {"b", NULL, "tu", NULL, -1}},
         "t0 t1 t2|"},
        {ASSIGN_COOPERATIVE_STICKY,
         {{"a", NULL, "tu", "t0 t1", 5}, {"b", NULL, "tu", NULL, 5}},
         "t0 t1|t2 u0 u1"},
        /* Of two that say they have a partition the newer generation is right; of one, neither. */
        {ASSIGN_COOPERATIVE_STICKY,
         {{"a", NULL, "t", "t0 t1", 3}, {"b", NULL, "t", "t1 t2", 4}},
         "t0|t1 t2"},
        {ASSIGN_COOPERATIVE_STICKY,
         {{"a", NULL, "t", "t0 t1", 4}, {"b", NULL, "t", "t1 t2", 4}},
         "t0|t2"},
        /* Eager: all of it at once, and as before as far as can be. */
        {ASSIGN_STICKY,
         {{"a", NULL, "tu", "t0 t1 t2 u0 u1", 4}, {"b", NULL, "tu", NULL, -1}},
         "t0 t1 t2|u0 u1"},
        {ASSIGN_STICKY,
         {{"a", NULL, "tu", "t1 u0", 5}, {"b", NULL, "tu", "t0 t2", 5}},
         "t1 u0|t0 t2 u1"},
        {ASSIGN_STICKY,
         {{"a", NULL, "t", "t0 t1", 3}, {"b", NULL, "t", "t1 t2", 4}},
         "t0|t1 t2"},
        {ASSIGN_STICKY, {{"a", NULL, "t", NULL, -1}, {"b", NULL, "t", NULL, -1}}, "t0|t1 t2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(assigned(cases[i].kind, cases[i].members), cases[i].assigned);
    }
}

/* Whatever a member remembers in bytes that cannot be read: it is as if it had nothing. */
static void assign__damaged_memories_are_forgotten(void **state)
{
    (void)state;
    static const struct test_member member = {"a", NULL, "tu", "t0 t1 u0", 4};
    struct consumer_protocol_subscription subscription;
    struct partition_set last;
    struct arena arena;
    struct bytes_view whole;
    arena_init(&arena, ARENA_BYTES);
    set_read(&last, member.owned);
    assert_int_equal(assign_sticky_encode(&last, 4, &arena, &whole), 0);
    assert_int_equal(whole.size, 4 + 2 + 1 + 4 + 8 + 2 + 1 + 4 + 4 + 4);
    for (size_t size = 0; size <= whole.size; size++) {
        consumer_protocol_subscription_default(&subscription);
        subscription.user_data = (struct bytes_view){whole.data, size};
        assert_int_equal(assign_sticky_decode(&arena, &subscription), 0);
        bool readable = size + 4 >= whole.size; /* the oldest form has no generation */
        assert_int_equal(subscription.owned_partitions.count, readable ? 2 : 0);
        assert_int_equal(subscription.generation_id, size == whole.size ? 4 : -1);
    }
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        struct bytes_view copy = arena_bytes(&arena, whole);
        ((uint8_t *)copy.data)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        consumer_protocol_subscription_default(&subscription);
        subscription.user_data = copy;
        assert_int_equal(assign_sticky_decode(&arena, &subscription), 0);
    }
    partition_set_release(&last);
    arena_release(&arena);
}

/* Whatever the other members send: it is refused, or read in bounds. */
static void assign__damaged_subscriptions_are_refused(void **state)
{
    (void)state;
    static const struct test_member member = {"a", NULL, "tu", "t0 t1 u0", 4};
    struct arena arena;
    struct topics topics;
    struct assign_member input;
    topics_init(&topics);
    arena_init(&arena, ARENA_BYTES);
    subscription_make(&member, ASSIGN_COOPERATIVE_STICKY, &arena, &input);
    struct bytes_view whole = input.subscription;
    for (size_t size = 0; size < whole.size; size++) {
        input.subscription.size = size;
        assert_int_not_equal(assign_members(ASSIGN_RANGE, &input, 1, &topics, &arena), 0);
    }
    uint8_t *bytes = (uint8_t *)whole.data;
    for (size_t i = 0; i < whole.size; i++) {
        uint8_t right = bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (uint8_t)(right ^ 1 << bit);
            input.subscription = whole;
            (void)assign_members(ASSIGN_COOPERATIVE_STICKY, &input, 1, &topics, &arena);
        }
        bytes[i] = right;
        arena_reset(&arena);
        subscription_make(&member, ASSIGN_COOPERATIVE_STICKY, &arena, &input);
        whole = input.subscription;
        bytes = (uint8_t *)whole.data;
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_set__unite_and_subtract),
        cmocka_unit_test(assign__names_of_kafka_and_of_java),
        cmocka_unit_test(assign__small_groups),
        cmocka_unit_test(assign__damaged_memories_are_forgotten),
        cmocka_unit_test(assign__damaged_subscriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
