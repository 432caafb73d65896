/* A pool gives back what it keeps, as it was, and keeps no more than its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/pool.h"

static void pool__uses_again_what_was_given_back_up_to_its_bound(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, sizeof(int), 2);
    assert_null(pool_take_kept(&pool));
    int *elements[3];
    for (int i = 0; i < 3; i++) {
        elements[i] = pool_take(&pool);
        assert_int_equal(*elements[i], 0);
        *elements[i] = i + 1;
    }
    assert_true(pool_give(&pool, elements[0]));
    assert_true(pool_give(&pool, elements[1]));
    assert_false(pool_give(&pool, elements[2]));
    mem_free(elements[2]);
    int *again = pool_take(&pool);
    assert_ptr_equal(again, elements[1]);
    assert_int_equal(*again, 2);
    mem_free(again);
    mem_free(pool_take_kept(&pool));
    pool_release(&pool);
}

static void pool__keeps_nothing_when_it_may_not(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, sizeof(int), 0);
    int *element = pool_take(&pool);
    assert_false(pool_give(&pool, element));
    mem_free(element);
    pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool__uses_again_what_was_given_back_up_to_its_bound),
        cmocka_unit_test(pool__keeps_nothing_when_it_may_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
