/* Partitions that somebody names on the command line of kafka-consumer-groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/consumer_groups.h"

#define AROUND 4
#define PARTITIONS 3

/* Any number may be asked for: nothing but the topic's partitions is looked at. What lies around
 * them here would be found. */
static void groups__a_partition_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct bnb_partition all[AROUND + PARTITIONS + AROUND];
    struct bnb_topic topic = {
        .name = "t", .partitions = &all[AROUND], .partition_count = PARTITIONS};
    const int32_t numbers[] = {INT32_MAX, INT32_MAX - 1, PARTITIONS, -1, INT32_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (int32_t at = 0; at < AROUND + PARTITIONS + AROUND; at++) {
            bool inside = at >= AROUND && at < AROUND + PARTITIONS;
            all[at] = (struct bnb_partition){.id = inside ? at - AROUND : numbers[i]};
        }
        assert_null(groups_partition(&topic, 1, (struct bnb_topic_partition){"t", numbers[i]}));
    }
    for (int32_t id = 0; id < PARTITIONS; id++) {
        assert_ptr_equal(groups_partition(&topic, 1, (struct bnb_topic_partition){"t", id}),
                         &all[AROUND + id]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups__a_partition_that_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
