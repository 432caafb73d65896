/* Timers fire at their tick, never before, and may arm and cancel each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/wheel.h"

static struct wheel wheel;
static int64_t fired_at_ms[8];
static int fired_count;

struct numbered {
    struct timer timer;
    struct numbered *victim;
    int64_t again_ms;
};

static void note(struct timer *timer)
{
    struct numbered *numbered = CONTAINER_OF(timer, struct numbered, timer);
    fired_at_ms[fired_count++] = wheel.now_ms;
    if (numbered->victim != NULL) {
        wheel_cancel(&wheel, &numbered->victim->timer);
    }
    if (numbered->again_ms > 0) {
        wheel_arm(&wheel, timer, wheel.now_ms + numbered->again_ms);
        numbered->again_ms = 0;
    }
}

static int fresh(void **state)
{
    (void)state;
    wheel_init(&wheel, 1000);
    fired_count = 0;
    return 0;
}

static void wheel__fires_at_the_deadline_and_not_before(void **state)
{
    (void)state;
    struct numbered near = {0}, far = {0};
    timer_init(&near.timer, note);
    timer_init(&far.timer, note);
    wheel_arm(&wheel, &near.timer, 1010);
    wheel_arm(&wheel, &far.timer, 1010 + 3 * WHEEL_SLOTS);
    assert_int_equal(wheel_wait_ms(&wheel, 500), 10);
    wheel_advance(&wheel, 1009);
    assert_int_equal(fired_count, 0);
    wheel_advance(&wheel, 1010);
    assert_int_equal(fired_count, 1);
    wheel_advance(&wheel, 1009 + 3 * WHEEL_SLOTS);
    assert_int_equal(fired_count, 1);
    wheel_advance(&wheel, 1010 + 3 * WHEEL_SLOTS);
    assert_int_equal(fired_count, 2);
    assert_int_equal(wheel.armed_count, 0);
    assert_int_equal(wheel_wait_ms(&wheel, 500), 500);
}

static void wheel__timers_may_cancel_and_rearm(void **state)
{
    (void)state;
    struct numbered first = {0}, second = {0};
    timer_init(&first.timer, note);
    timer_init(&second.timer, note);
    first.victim = &second;
    first.again_ms = 5;
    wheel_arm(&wheel, &first.timer, 1002);
    wheel_arm(&wheel, &second.timer, 1002);
    for (int64_t now_ms = 1001; now_ms <= 1100; now_ms++) {
        wheel_advance(&wheel, now_ms); /* a jump may be longer than the wheel */
    }
    assert_int_equal(fired_count, 2);
    assert_int_equal(fired_at_ms[0], 1002);
    assert_int_equal(fired_at_ms[1], 1007);
    assert_false(timer_is_armed(&second.timer));
}

static void wheel__a_long_pause_fires_everything_due_once(void **state)
{
    (void)state;
    struct numbered timers[3] = {0};
    for (int i = 0; i < 3; i++) {
        timer_init(&timers[i].timer, note);
        wheel_arm(&wheel, &timers[i].timer, 1000 + i * 3000);
    }
    wheel_advance(&wheel, 1000000);
    assert_int_equal(fired_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wheel__fires_at_the_deadline_and_not_before, fresh),
        cmocka_unit_test_setup(wheel__timers_may_cancel_and_rearm, fresh),
        cmocka_unit_test_setup(wheel__a_long_pause_fires_everything_due_once, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
