/* Arrays grow, with their first element inside of their owner or not, and stay as they are when
 * there is no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

struct owner {
    int64_t *items;
    size_t capacity;
    int64_t only;
};

static int grow(struct owner *owner, size_t count)
{
    return mem_grow_inside((void **)&owner->items, &owner->capacity, count, sizeof *owner->items,
                           &owner->only);
}

static void array__with_one_element_needs_no_memory(void **state)
{
    (void)state;
    struct owner owner = {0};
    mem_fail_after(1);
    assert_int_equal(grow(&owner, 1), 0);
    assert_ptr_equal(owner.items, &owner.only);
    assert_int_equal(grow(&owner, 1), 0);
    owner.items[0] = 7;
    assert_int_not_equal(grow(&owner, 2), 0);
    assert_ptr_equal(owner.items, &owner.only);
    assert_int_equal(owner.capacity, 1);
    assert_int_equal(owner.items[0], 7);
    mem_free_grown(owner.items, &owner.only);
}

static void array__keeps_its_elements_as_it_grows(void **state)
{
    (void)state;
    struct owner owner = {0};
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(grow(&owner, i + 1), 0);
        assert_true(owner.capacity > i);
        owner.items[i] = (int64_t)i * 3;
    }
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(owner.items[i], i * 3);
    }
    mem_free_grown(owner.items, &owner.only);
}

static void array__that_begins_with_more_is_outside(void **state)
{
    (void)state;
    struct owner owner = {0};
    assert_int_equal(grow(&owner, 5), 0);
    assert_ptr_not_equal(owner.items, &owner.only);
    assert_true(owner.capacity >= 5);
    mem_free_grown(owner.items, &owner.only);
    mem_free_grown(NULL, &owner.only);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(array__with_one_element_needs_no_memory),
        cmocka_unit_test(array__keeps_its_elements_as_it_grows),
        cmocka_unit_test(array__that_begins_with_more_is_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
