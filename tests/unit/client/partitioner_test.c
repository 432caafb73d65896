/* Where records go: Kafka's vectors for keys, stickiness without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <barnabas/producer.h>

#include "base/murmur2.h"
#include "client/partitioner.h"

/* The values are those of Apache Kafka's own test of its hash. */
static void partitioner__hashes_keys_as_kafka_does(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {{"21", -973932308},
                   {"foobar", -790332482},
                   {"a-little-bit-long-string", -985981536},
                   {"a-little-bit-longer-string", -1486304829},
                   {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                   {"abc", 479470107}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const char *key = vectors[i].key;
        assert_int_equal((int32_t)murmur2(key, strlen(key)), vectors[i].hash);
        assert_int_equal(bnb_partition_for_key(key, strlen(key), 7),
                         (vectors[i].hash & INT32_MAX) % 7);
    }
}

static void partitioner__stays_until_a_batch_has_gone(void **state)
{
    (void)state;
    static const int32_t available[] = {2, 5};
    struct partitioner_sticky sticky = {-1, 0};
    assert_int_equal(partitioner_sticky_next(&sticky, available, 2, 1), 5);
    partitioner_sticky_update(&sticky, 60, 100, false);
    assert_int_equal(partitioner_sticky_next(&sticky, available, 2, 0), 5);
    partitioner_sticky_update(&sticky, 60, 100, false);
    assert_int_equal(sticky.partition, 5); /* enough, but inside a batch */
    partitioner_sticky_update(&sticky, 1, 100, true);
    assert_int_equal(sticky.partition, -1);
    assert_int_equal(partitioner_sticky_next(&sticky, available, 2, 0), 2);
}

static void partitioner__leaves_after_two_batches_at_the_latest(void **state)
{
    (void)state;
    struct partitioner_sticky sticky = {3, 0};
    partitioner_sticky_update(&sticky, 200, 100, false);
    assert_int_equal(sticky.partition, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitioner__hashes_keys_as_kafka_does),
        cmocka_unit_test(partitioner__stays_until_a_batch_has_gone),
        cmocka_unit_test(partitioner__leaves_after_two_batches_at_the_latest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
