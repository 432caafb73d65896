/* The rate of moves between log directories, and where partitions go that are not there yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "broker/broker.h"

#define SECOND_US INT64_C(1000000)

/* Pieces of a megabyte at four a second, for ten seconds: forty, and one at once. */
static void throttle__keeps_to_the_rate(void **state)
{
    (void)state;
    struct move_throttle throttle;
    move_throttle_init(&throttle, 1, 1);
    int64_t now_us = 100 * SECOND_US;
    int pieces = 0;
    for (int64_t end_us = now_us + 10 * SECOND_US; now_us < end_us;) {
        int64_t wait_ms = move_throttle_wait_ms(&throttle, 4 << 20, now_us);
        assert_in_range(wait_ms, 0, MOVE_THROTTLE_WAIT_MS);
        if (wait_ms == 0) {
            move_throttle_add(&throttle, 1 << 20);
            pieces++;
        } else {
            now_us += wait_ms * 1000;
        }
    }
    assert_in_range(pieces, 38, 41);
}

/* A rate that is raised or lifted counts at once, whatever was moved before. */
static void throttle__takes_a_new_rate_over_at_once(void **state)
{
    (void)state;
    struct move_throttle throttle;
    move_throttle_init(&throttle, 1, 1);
    assert_int_equal(move_throttle_wait_ms(&throttle, 1, SECOND_US), 0);
    move_throttle_add(&throttle, 100 << 20);
    assert_int_equal(move_throttle_wait_ms(&throttle, 1, SECOND_US), MOVE_THROTTLE_WAIT_MS);
    assert_int_equal(move_throttle_wait_ms(&throttle, INT64_MAX, SECOND_US), 0);
    assert_int_equal(move_throttle_wait_ms(&throttle, 1, 2 * SECOND_US), 0); /* paid off */
    move_throttle_add(&throttle, 100 << 20);
    assert_int_equal(move_throttle_wait_ms(&throttle, 100 << 20, 2 * SECOND_US),
                     MOVE_THROTTLE_WAIT_MS);
    assert_int_equal(move_throttle_wait_ms(&throttle, 100 << 20, 3 * SECOND_US), 0);
    assert_int_equal(move_throttle_wait_ms(&throttle, 0, 4 * SECOND_US), MOVE_THROTTLE_WAIT_MS);
}

/* Goal: what is left of the rate is saved within the window and no longer. Method: moves that could
 * have gone on for four seconds, with windows of one sample and of three of two seconds. */
static void throttle__saves_what_is_left_within_its_window(void **state)
{
    (void)state;
    static const struct {
        int64_t samples;
        int64_t idle_us;
        int64_t saved_pieces;
    } rows[] = {
        {1, 4 * SECOND_US, 0}, /* the window is this sample */
        {3, 2 * SECOND_US, 2},
        {3, 4 * SECOND_US, 4},
        {3, 5 * SECOND_US, 0}, /* longer than the samples before this one */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct move_throttle throttle;
        int64_t now_us = 100 * SECOND_US;
        move_throttle_init(&throttle, rows[i].samples, 2);
        assert_int_equal(move_throttle_wait_ms(&throttle, 1 << 20, now_us), 0);
        now_us += rows[i].idle_us;
        int64_t pieces = 0;
        while (move_throttle_wait_ms(&throttle, 1 << 20, now_us) == 0) {
            move_throttle_add(&throttle, 1 << 20);
            pieces++;
        }
        assert_int_equal(pieces, rows[i].saved_pieces + 1);
    }
}

/* Goal: a window of any size is taken. */
static void throttle__takes_the_largest_window(void **state)
{
    (void)state;
    struct move_throttle throttle;
    move_throttle_init(&throttle, INT32_MAX, INT32_MAX);
    assert_int_equal(move_throttle_wait_ms(&throttle, INT64_MAX - 1, SECOND_US), 0);
    move_throttle_add(&throttle, (size_t)1 << 60);
    assert_true(move_throttle_wait_ms(&throttle, 1, 2 * SECOND_US) > 0);
}

static void preferred__directories_are_taken_once_and_bounded(void **state)
{
    (void)state;
    struct preferred_dirs dirs;
    struct broker_dir one;
    struct broker_dir two;
    struct string_view topic = string_view_of("t");
    preferred_dirs_init(&dirs);
    assert_null(preferred_dirs_take(&dirs, topic, 0));
    preferred_dirs_note(&dirs, topic, 0, &one);
    preferred_dirs_note(&dirs, topic, 1, &one);
    preferred_dirs_note(&dirs, topic, 0, &two);
    assert_null(preferred_dirs_take(&dirs, string_view_of("u"), 0));
    assert_ptr_equal(preferred_dirs_take(&dirs, topic, 0), &two);
    assert_null(preferred_dirs_take(&dirs, topic, 0));
    for (int32_t i = 1; i <= PREFERRED_DIRS_MAX + 5; i++) {
        preferred_dirs_note(&dirs, topic, i, &two);
    }
    assert_int_equal(atomic_load(&dirs.count), PREFERRED_DIRS_MAX);
    assert_ptr_equal(preferred_dirs_take(&dirs, topic, 1), &two);
    assert_null(preferred_dirs_take(&dirs, topic, PREFERRED_DIRS_MAX + 1));
    preferred_dirs_release(&dirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throttle__keeps_to_the_rate),
        cmocka_unit_test(throttle__takes_a_new_rate_over_at_once),
        cmocka_unit_test(throttle__saves_what_is_left_within_its_window),
        cmocka_unit_test(throttle__takes_the_largest_window),
        cmocka_unit_test(preferred__directories_are_taken_once_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
