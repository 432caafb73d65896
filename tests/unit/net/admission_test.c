/* Which connections are let in, and how fast: the time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "net/admission.h"
#include "net/rate.h"

#define ANY {INT32_MAX, INT32_MAX}

static struct net_admission *admission;
static struct net_admitted admitted[16];
static int32_t max;

static void create(int32_t protected_listener, struct net_admission_bound all,
                   struct net_admission_bound first, struct net_admission_bound second)
{
    struct net_admission_options options = {.listener_count = 2,
                                            .protected_listener = protected_listener,
                                            .rate_sample_count = 2,
                                            .rate_window_ms = 1000};
    struct net_admission_bound listeners[2] = {first, second};
    struct net_admission_override override = {"b", 1};
    struct net_admission_limits limits = {.all = all,
                                          .listeners = listeners,
                                          .address_connections_max = 3,
                                          .overrides = &override,
                                          .override_count = 1};
    assert_int_equal(net_admission_create(&options, &admission), 0);
    assert_int_equal(net_admission_set_limits(admission, &limits), 0);
}

static int enter(int32_t listener, const char *peer, int index)
{
    return net_admission_enter(admission, listener, peer, &admitted[index], &max);
}

static void leave(int from, int to)
{
    for (int i = from; i < to; i++) {
        net_admission_leave(admission, &admitted[i]);
    }
}

static void admission__the_total_makes_wait_and_the_protected_listener_makes_others_go(void **state)
{
    (void)state;
    create(1, (struct net_admission_bound){2, INT32_MAX}, (struct net_admission_bound)ANY,
           (struct net_admission_bound)ANY);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_admission_wait_ms(admission, 0, 0), 0);
        assert_int_equal(enter(0, "a", i), 0);
    }
    assert_true(net_admission_wait_ms(admission, 0, 0) == INT64_MAX);
    assert_int_equal(net_admission_excess(admission), 0);
    assert_int_equal(net_admission_wait_ms(admission, 1, 0), 0);
    assert_int_equal(enter(1, "a", 2), 0);
    assert_int_equal(net_admission_excess(admission), 1);
    leave(0, 2);
    assert_int_equal(net_admission_wait_ms(admission, 0, 0), 0);
    leave(2, 3);
    net_admission_destroy(&admission);
}

static void admission__a_listener_has_a_bound_of_its_own(void **state)
{
    (void)state;
    create(-1, (struct net_admission_bound)ANY, (struct net_admission_bound){1, INT32_MAX},
           (struct net_admission_bound)ANY);
    assert_int_equal(enter(0, "a", 0), 0);
    assert_true(net_admission_wait_ms(admission, 0, 0) == INT64_MAX);
    assert_int_equal(net_admission_wait_ms(admission, 1, 0), 0);
    leave(0, 1);
    net_admission_destroy(&admission);
}

static void admission__an_address_with_its_maximum_is_turned_away(void **state)
{
    (void)state;
    create(-1, (struct net_admission_bound)ANY, (struct net_admission_bound)ANY,
           (struct net_admission_bound)ANY);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter(i % 2, "a", i), 0);
    }
    assert_int_equal(enter(0, "a", 3), ERR_FULL);
    assert_int_equal(max, 3);
    assert_int_equal(enter(0, "b", 3), 0);
    assert_int_equal(enter(0, "b", 4), ERR_FULL);
    assert_int_equal(max, 1);
    leave(0, 1);
    assert_int_equal(enter(0, "a", 0), 0);
    leave(0, 4);
    net_admission_destroy(&admission);
}

/* Two a second over two windows, of which at least one counts: two come at once, then the third
 * waits for what is above the bound, and no longer than a window. */
static void admission__new_connections_are_paced(void **state)
{
    (void)state;
    create(-1, (struct net_admission_bound)ANY, (struct net_admission_bound){INT32_MAX, 2},
           (struct net_admission_bound)ANY);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_admission_wait_ms(admission, 0, 5000), 0);
        assert_int_equal(enter(0, "c", i), 0);
    }
    assert_int_equal(net_admission_wait_ms(admission, 0, 5000), 500);
    assert_int_equal(net_admission_wait_ms(admission, 0, 5400), 100);
    assert_int_equal(net_admission_wait_ms(admission, 1, 5400), 0);
    assert_int_equal(net_admission_wait_ms(admission, 0, 5500), 0);
    assert_int_equal(enter(0, "c", 2), 0);
    assert_int_equal(net_admission_wait_ms(admission, 0, 9000), 0);
    leave(0, 3);
    net_admission_destroy(&admission);
}

static void rate__a_bound_of_zero_lets_one_through_a_window(void **state)
{
    (void)state;
    struct net_rate rate;
    assert_int_equal(net_rate_init(&rate, 11, 1000), 0);
    assert_int_equal(net_rate_count(&rate, 0, 1), 1000);
    assert_int_equal(net_rate_count(&rate, 1e9, 100000), 0);
    net_rate_release(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            admission__the_total_makes_wait_and_the_protected_listener_makes_others_go),
        cmocka_unit_test(admission__a_listener_has_a_bound_of_its_own),
        cmocka_unit_test(admission__an_address_with_its_maximum_is_turned_away),
        cmocka_unit_test(admission__new_connections_are_paced),
        cmocka_unit_test(rate__a_bound_of_zero_lets_one_through_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
