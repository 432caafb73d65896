/* The hash of a group's topics is the one that Apache Kafka 4.3.1 writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/uuid.h"
#include "cluster_table.h"
#include "coordinator/group/internal.h"

static struct cluster_topic topic(const char *name, const char *id, int32_t partition_count)
{
    struct cluster_topic out = {.name = string_view_of(name), .partition_count = partition_count};
    assert_int_equal(uuid_parse(string_view_of(id), &out.id), 0);
    return out;
}

/* Values from the records of a group of Apache Kafka, whose broker had the rack "r1". */
static void hash__is_that_of_apache_kafka(void **state)
{
    (void)state;
    struct cluster_table table;
    table_init(&table);
    table.topics[0] = topic("t", "srEe5Jq0S8awFixrjr3caQ", 4);
    table.topics[1] = topic("u", "o1_u5Hu_TwqYn5_L6gQrlg", 2);
    table.count = 2;
    table.rack = string_view_of("r1");
    struct cluster cluster = table_cluster(&table);
    struct string_view names[] = {string_view_of("t"), string_view_of("u"), string_view_of("v")};
    assert_true(consumer_metadata_hash(&cluster, names, 1) == INT64_C(6009943356375128046));
    assert_true(consumer_metadata_hash(&cluster, names, 2) == INT64_C(-6697303636949456606));
    assert_true(consumer_metadata_hash(&cluster, &names[1], 1) == INT64_C(-7013000037224628459));
    /* What is not there does not count. */
    assert_true(consumer_metadata_hash(&cluster, names, 3) == INT64_C(-6697303636949456606));
    assert_true(consumer_metadata_hash(&cluster, &names[2], 1) == 0);
    assert_true(consumer_metadata_hash(&cluster, names, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash__is_that_of_apache_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
