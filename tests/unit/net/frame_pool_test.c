/* Memory of large frames: what is given back is taken again, and never too little of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/frame_pool.h"

static void frame_pool__gives_what_it_got_to_frames_that_fit(void **state)
{
    (void)state;
    struct frame_pool pool;
    frame_pool_init(&pool);
    size_t size = 3 * FRAME_POOL_BYTES_MIN + 1;
    uint8_t *first = frame_pool_take(&pool, size);
    memset(first, 1, size);
    frame_pool_give(&pool, first, size);
    /* A little more fits, too: sizes are rounded up. */
    uint8_t *second = frame_pool_take(&pool, 4 * FRAME_POOL_BYTES_MIN);
    assert_ptr_equal(second, first);
    memset(second, 2, 4 * FRAME_POOL_BYTES_MIN);
    frame_pool_give(&pool, second, 4 * FRAME_POOL_BYTES_MIN);
    uint8_t *larger = frame_pool_take(&pool, 4 * FRAME_POOL_BYTES_MIN + 1);
    assert_ptr_not_equal(larger, first);
    memset(larger, 3, 4 * FRAME_POOL_BYTES_MIN + 1);
    mem_free(larger); /* just as well */
    /* Given back as less than it is, it serves less from then on. */
    uint8_t *less = frame_pool_take(&pool, FRAME_POOL_BYTES_MIN);
    assert_ptr_equal(less, first);
    frame_pool_give(&pool, less, FRAME_POOL_BYTES_MIN);
    uint8_t *more = frame_pool_take(&pool, FRAME_POOL_BYTES_MIN + 1);
    assert_ptr_not_equal(more, first);
    frame_pool_give(&pool, more, FRAME_POOL_BYTES_MIN + 1);
    frame_pool_release(&pool);
}

static void frame_pool__keeps_no_more_than_its_bounds(void **state)
{
    (void)state;
    struct frame_pool pool;
    uint8_t *taken[FRAME_POOL_FRAMES + 2];
    frame_pool_init(&pool);
    for (size_t i = 0; i < FRAME_POOL_FRAMES + 2; i++) {
        taken[i] = frame_pool_take(&pool, FRAME_POOL_BYTES_MAX);
        assert_non_null(taken[i]);
    }
    for (size_t i = 0; i < FRAME_POOL_FRAMES + 2; i++) {
        frame_pool_give(&pool, taken[i], FRAME_POOL_BYTES_MAX);
    }
    assert_int_equal(pool.count, FRAME_POOL_FRAMES);
    uint8_t *small = frame_pool_take(&pool, FRAME_POOL_BYTES_MIN - 1);
    uint8_t *huge = frame_pool_take(&pool, FRAME_POOL_BYTES_MAX + 1);
    assert_int_equal(pool.count, FRAME_POOL_FRAMES);
    frame_pool_give(&pool, small, FRAME_POOL_BYTES_MIN - 1);
    frame_pool_give(&pool, huge, FRAME_POOL_BYTES_MAX + 1);
    frame_pool_give(&pool, NULL, FRAME_POOL_BYTES_MAX);
    assert_int_equal(pool.count, FRAME_POOL_FRAMES);
    frame_pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_pool__gives_what_it_got_to_frames_that_fit),
        cmocka_unit_test(frame_pool__keeps_no_more_than_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
