/* One step of a member: rows of what it has, is to have and owns, with what others hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/limits.h"
#include "coordinator/consumer/reconcile.h"

/* Partitions as text: "a1 a2 b0", with an epoch "a1@3". Topic 'a' has an id of that letter. */
static struct partition_set set_of(const char *text, struct arena *arena)
{
    struct partition_item *items = arena_array(arena, 16, sizeof *items);
    size_t count = 0;
    while (text != NULL && *text != '\0') {
        items[count].topic.bytes[0] = (uint8_t)text[0];
        items[count].partition = text[1] - '0';
        items[count].epoch = text[2] == '@' ? text[3] - '0' : 0;
        count++;
        text += text[2] == '@' ? 4 : 2;
        text += *text == ' ';
    }
    return (struct partition_set){items, partition_items_order(items, count)};
}

static const char *text_of(struct partition_set set, char text[128])
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < set.count; i++) {
        at += (size_t)snprintf(text + at, 128 - at, "%s%c%d@%d", i == 0 ? "" : " ",
                               set.items[i].topic.bytes[0], set.items[i].partition,
                               set.items[i].epoch);
    }
    return text;
}

static bool is_held(const void *context, const struct partition_item *item)
{
    return partition_set_find(*(const struct partition_set *)context, item->topic,
                              item->partition) != NULL;
}

struct row {
    const char *claim;
    /* The member: */
    enum consumer_state state;
    int32_t epoch;
    const char *assigned;
    const char *revoking;
    /* What it is to have at target_epoch, and the topics it subscribes to, as letters: */
    int32_t target_epoch;
    const char *target;
    const char *topics;
    bool changed;
    const char *owned; /* NULL: it does not say */
    const char *held;  /* by anybody, itself included */
    /* What comes of it: */
    enum consumer_state next_state;
    int32_t next_epoch;
    int32_t next_previous;
    const char *next_assigned;
    const char *next_revoking;
};

static const struct row rows[] = {
    {"who has what it is to have rests", CONSUMER_STABLE, 5, "a1@3", "", 5, "a1", "a", false, NULL,
     "a1", CONSUMER_STABLE, 5, 4, "a1@3", ""},
    {"a new member gets what is free", CONSUMER_STABLE, 0, "", "", 2, "a0 a1", "a", true, "", "",
     CONSUMER_STABLE, 2, 0, "a0@2 a1@2", ""},
    {"what another holds waits", CONSUMER_STABLE, 0, "", "", 3, "a0 a1", "a", true, "", "a0",
     CONSUMER_UNRELEASED, 3, 0, "a1@3", ""},
    {"all that it is to have another holds", CONSUMER_STABLE, 0, "", "", 3, "a0", "a", true, "",
     "a0", CONSUMER_UNRELEASED, 3, 0, "", ""},
    {"what it has kept is as old as it was", CONSUMER_STABLE, 5, "a1@3", "", 6, "a1 a2", "a",
     false, "a1", "a1", CONSUMER_STABLE, 6, 5, "a1@3 a2@6", ""},
    {"what it must give up holds it at its epoch", CONSUMER_STABLE, 5, "a1@3 a2@5", "", 6, "a1",
     "a", false, NULL, "a1 a2", CONSUMER_UNREVOKED, 5, 5, "a1@3", "a2@5"},
    {"with what it does not own any more nothing is held up", CONSUMER_STABLE, 5, "a1@3 a2@5", "",
     6, "a1", "a", false, "a1", "a1 a2", CONSUMER_STABLE, 6, 5, "a1@3", ""},
    {"it gives up before it gets", CONSUMER_STABLE, 5, "a1@3", "", 6, "a2", "a", false, "a1",
     "a1", CONSUMER_UNREVOKED, 5, 5, "", "a1@3"},
    {"who does not say what it owns still owns it", CONSUMER_UNREVOKED, 5, "a1@3", "a2@3", 6, "a1",
     "a", false, NULL, "a1 a2", CONSUMER_UNREVOKED, 5, 4, "a1@3", "a2@3"},
    {"who still owns it waits", CONSUMER_UNREVOKED, 5, "a1@3", "a2@3", 6, "a1", "a", false,
     "a1 a2", "a1 a2", CONSUMER_UNREVOKED, 5, 4, "a1@3", "a2@3"},
    {"once given up it goes on", CONSUMER_UNREVOKED, 5, "a1@3", "a2@3", 6, "a1", "a", false, "a1",
     "a1 a2", CONSUMER_STABLE, 6, 5, "a1@3", ""},
    {"what it has given up it may get again", CONSUMER_UNREVOKED, 5, "a1@3", "a2@3", 7, "a1 a2",
     "a", false, "a1", "a1 a2", CONSUMER_STABLE, 7, 5, "a1@3 a2@7", ""},
    {"and has to give up more", CONSUMER_UNREVOKED, 5, "a1@3 a3@3", "a2@3", 7, "a1", "a", false,
     "a1 a3", "a1 a2 a3", CONSUMER_UNREVOKED, 5, 5, "a1@3", "a3@3"},
    {"what has become free comes", CONSUMER_UNRELEASED, 6, "a1@3", "", 6, "a1 a2", "a", false, "a1",
     "a1", CONSUMER_STABLE, 6, 6, "a1@3 a2@6", ""},
    {"what is still held does not", CONSUMER_UNRELEASED, 6, "a1@3", "", 6, "a1 a2", "a", false,
     "a1", "a1 a2", CONSUMER_UNRELEASED, 6, 6, "a1@3", ""},
    {"a newer target overtakes", CONSUMER_UNRELEASED, 6, "a1@3", "", 7, "a2", "a", false, "a1",
     "a1", CONSUMER_UNREVOKED, 6, 6, "", "a1@3"},
    {"a target it does not subscribe to counts as none", CONSUMER_STABLE, 5, "a1@3", "", 6,
     "a1 b1", "a", false, "a1", "a1", CONSUMER_STABLE, 6, 5, "a1@3", ""},
    {"what it subscribes to no more goes at once", CONSUMER_STABLE, 5, "a1@3 b1@3", "", 5, "a1 b1",
     "a", true, "a1 b1", "a1 b1", CONSUMER_UNREVOKED, 5, 5, "a1@3", "b1@3"},
    {"nothing of it is owned", CONSUMER_STABLE, 5, "a1@3 b1@3", "", 5, "a1 b1", "a", true, "a1",
     "a1 b1", CONSUMER_STABLE, 5, 5, "a1@3", ""},
    {"it joins what is given up already", CONSUMER_UNREVOKED, 5, "a1@3 b1@3", "a2@3", 6, "a1", "a",
     true, NULL, "a1 a2 b1", CONSUMER_UNREVOKED, 5, 5, "a1@3", "a2@3 b1@3"},
    {"of a newer broker, empty", CONSUMER_UNKNOWN, 5, "", "", 6, "a1", "a", false, "", "",
     CONSUMER_STABLE, 6, 5, "a1@6", ""},
    {"a static member that is back", CONSUMER_STABLE, 0, "a1@0", "", 6, "a1", "a", false, "", "a1",
     CONSUMER_STABLE, 6, 0, "a1@0", ""},
};

static void step__is_as_the_table_has_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct arena arena;
        struct consumer_holding next;
        struct uuid topics[4] = {{{0}}};
        char text[128];
        bool fenced;
        arena_init(&arena, 1u << 20);
        struct partition_set held = set_of(row->held, &arena);
        struct reconcile_input input = {
            .holding = {row->state, row->epoch, 4, set_of(row->assigned, &arena),
                        set_of(row->revoking, &arena)},
            .target_epoch = row->target_epoch,
            .target = set_of(row->target, &arena),
            .topics = topics,
            .topic_count = strlen(row->topics),
            .subscription_changed = row->changed,
            .owned_known = row->owned != NULL,
            .owned = set_of(row->owned, &arena),
            .is_held = is_held,
            .context = &held,
        };
        for (size_t j = 0; j < input.topic_count; j++) {
            topics[j].bytes[0] = (uint8_t)row->topics[j];
        }
        print_message("%s\n", row->claim);
        assert_int_equal(consumer_reconcile(&input, &arena, &next, &fenced), 0);
        assert_false(fenced);
        assert_int_equal(next.state, row->next_state);
        assert_int_equal(next.epoch, row->next_epoch);
        assert_int_equal(next.previous_epoch, row->next_previous);
        assert_string_equal(text_of(next.assigned, text), row->next_assigned);
        assert_string_equal(text_of(next.revoking, text), row->next_revoking);
        arena_release(&arena);
    }
}

/* A state that this version does not know: the member must come with nothing. */
static void step__fences_who_is_in_an_unknown_state_with_partitions(void **state)
{
    (void)state;
    struct arena arena;
    struct consumer_holding next;
    struct partition_set none = {NULL, 0};
    bool fenced;
    arena_init(&arena, 1u << 20);
    struct reconcile_input input = {.holding = {.state = CONSUMER_UNKNOWN, .epoch = 3},
                                    .target_epoch = 4,
                                    .is_held = is_held,
                                    .context = &none};
    assert_int_equal(consumer_reconcile(&input, &arena, &next, &fenced), 0);
    assert_true(fenced);
    input.owned_known = true;
    input.owned = set_of("a1", &arena);
    assert_int_equal(consumer_reconcile(&input, &arena, &next, &fenced), 0);
    assert_true(fenced);
    arena_release(&arena);
}

static void step__says_that_memory_is_out(void **state)
{
    (void)state;
    struct arena arena;
    struct arena tiny;
    struct consumer_holding next;
    struct partition_set none = {NULL, 0};
    struct uuid topic = {{'a'}};
    bool fenced;
    arena_init(&arena, 1u << 20);
    arena_init(&tiny, 1);
    struct reconcile_input input = {.holding = {.state = CONSUMER_STABLE},
                                    .target_epoch = 4,
                                    .target = set_of("a0 a1", &arena),
                                    .topics = &topic,
                                    .topic_count = 1,
                                    .is_held = is_held,
                                    .context = &none};
    assert_int_equal(consumer_reconcile(&input, &tiny, &next, &fenced), ERR_NOMEM);
    arena_release(&tiny);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step__is_as_the_table_has_it),
        cmocka_unit_test(step__fences_who_is_in_an_unknown_state_with_partitions),
        cmocka_unit_test(step__says_that_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
