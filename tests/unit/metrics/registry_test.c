#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "metrics/registry.h"

static const char *name(int16_t request)
{
    return request == 0 ? "Produce" : request == 1 ? "Fetch" : NULL;
}

/* Below eight a value is exact; above, the answer is at most an eighth too high, never too low. */
static void histogram__percentile_is_within_an_eighth(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < UINT64_C(1) << 36; value = value * 9 / 8 + 1) {
        struct histogram histogram = {.sum = 0};
        struct histogram_total total = {.count = 0};
        histogram_add(&histogram, value);
        histogram_read(&histogram, &total);
        uint64_t got = histogram_percentile(&total, 500);
        assert_true(got >= value);
        assert_true(got - value <= value / 8);
    }
}

/* Of 1..1000 the 990th is the 99th percentile; nothing gives 0, too large counts as largest. */
static void histogram__percentiles_of_a_thousand(void **state)
{
    (void)state;
    struct histogram histogram = {.sum = 0};
    struct histogram_total total = {.count = 0};
    assert_int_equal(histogram_percentile(&total, 990), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_add(&histogram, i);
    }
    histogram_read(&histogram, &total);
    assert_int_equal(total.count, 1000);
    assert_int_equal(total.sum, 500500);
    assert_in_range(histogram_percentile(&total, 500), 500, 563);
    assert_in_range(histogram_percentile(&total, 990), 990, 1114);
    assert_int_equal(histogram_percentile(&total, 0), 1);
    histogram_add(&histogram, UINT64_MAX);
    total = (struct histogram_total){.count = 0};
    histogram_read(&histogram, &total);
    assert_int_equal(histogram_percentile(&total, 1000), (UINT64_C(1) << 36) - 1);
}

/* What two shards count is one sum; a NULL shard counts nothing and is no fault. */
static void registry__sums_its_shards(void **state)
{
    (void)state;
    struct metrics_registry *registry;
    assert_int_equal(metrics_create(2, 3, name, &registry), 0);
    struct metrics_shard *first = metrics_shard_at(registry, 0);
    struct metrics_shard *second = metrics_shard_at(registry, 1);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_int_equal((uintptr_t)second % 64, 0);
    metrics_add(first, METRIC_CONNECTIONS, 3);
    metrics_add(second, METRIC_CONNECTIONS, -1);
    metrics_add(NULL, METRIC_CONNECTIONS, 100);
    metrics_set(first, METRIC_UNCOMMITTED_METADATA, 7);
    metrics_set(first, METRIC_UNCOMMITTED_METADATA, 5);
    metrics_raise(first, METRIC_GROUP_LOAD_LONGEST, 9);
    metrics_raise(first, METRIC_GROUP_LOAD_LONGEST, 4);
    metrics_raise(second, METRIC_GROUP_LOAD_LONGEST, 6);
    metrics_request_add(second, METRIC_REQUESTS, 1, 2);
    metrics_time_add(second, METRIC_LOG_FLUSH, 1500);
    assert_int_equal(metrics_value(registry, METRIC_CONNECTIONS), 2);
    assert_int_equal(metrics_value(registry, METRIC_UNCOMMITTED_METADATA), 5);
    assert_int_equal(metrics_value(registry, METRIC_GROUP_LOAD_LONGEST), 9);
    assert_int_equal(metrics_request_value(registry, METRIC_REQUESTS, 1), 2);
    assert_int_equal(metrics_request_value(registry, METRIC_REQUESTS, 0), 0);
    assert_int_equal(metrics_time_count(registry, METRIC_LOG_FLUSH), 1);
    metrics_destroy(&registry);
    assert_null(registry);
}

/* A directory has a name, a value of its own, and no line while it has no name. */
static void registry__keeps_directories_apart(void **state)
{
    (void)state;
    struct metrics_registry *registry;
    struct writer page;
    assert_int_equal(metrics_create(2, 3, name, &registry), 0);
    metrics_directory_name(registry, 0, "/a");
    metrics_directory_name(registry, 2, "/with \"quotes\", a \\ and\nlines");
    metrics_directory_set(registry, METRIC_DIRECTORY_OFFLINE, 2, 1);
    metrics_directory_set(registry, METRIC_DIRECTORY_CORDONED, 0, 1);
    metrics_directory_set(registry, METRIC_DIRECTORY_CORDONED, 1, 1);
    metrics_directory_add(registry, METRIC_DIRECTORY_UNCLEANABLE, 0, 2);
    metrics_directory_add(registry, METRIC_DIRECTORY_UNCLEANABLE, 0, 3);
    metrics_directory_name(NULL, 0, "/a");
    metrics_directory_set(NULL, METRIC_DIRECTORY_OFFLINE, 0, 1);
    metrics_directory_add(NULL, METRIC_DIRECTORY_OFFLINE, 0, 1);
    assert_int_equal(metrics_directory_value(registry, METRIC_DIRECTORY_UNCLEANABLE, 0), 5);
    assert_int_equal(metrics_directory_value(registry, METRIC_DIRECTORY_OFFLINE, 0), 0);
    writer_init(&page, 1u << 20);
    metrics_print(registry, &page);
    writer_i8(&page, 0);
    assert_false(page.failed);
    const char *text = (const char *)page.data;
    static const char *const expected[] = {
        "# TYPE kafka_log_logmanager_logdirectoryoffline gauge\n"
        "kafka_log_logmanager_logdirectoryoffline{logDirectory=\"/a\"} 0\n"
        "kafka_log_logmanager_logdirectoryoffline{logDirectory="
        "\"/with \\\"quotes\\\", a \\\\ and\\nlines\"} 1\n# HELP",
        "\nkafka_log_logmanager_logdirectorycordoned{logDirectory=\"/a\"} 1\n",
        "\nkafka_log_logcleanermanager_uncleanable_partitions_count{logDirectory=\"/a\"} 5\n",
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(text, expected[i]) == NULL) {
            fail_msg("not on the page: %s\n%s", expected[i], text);
        }
    }
    writer_release(&page);
    metrics_destroy(&registry);
}

/* The page has a head and a sample for every metric, labels where they belong, times in ms. */
static void registry__prints_what_prometheus_reads(void **state)
{
    (void)state;
    struct metrics_registry *registry;
    struct writer page;
    assert_int_equal(metrics_create(1, 3, name, &registry), 0);
    struct metrics_shard *shard = metrics_shard_at(registry, 0);
    metrics_add(shard, METRIC_BYTES_IN, 4096);
    metrics_request_add(shard, METRIC_REQUESTS, 1, 2);
    metrics_request_add(shard, METRIC_REQUESTS, 2, 9); /* has no name: is left out */
    metrics_request_time_add(shard, METRIC_REQUEST_TIME, 0, 4);
    writer_init(&page, 1u << 20);
    metrics_print(registry, &page);
    writer_i8(&page, 0);
    assert_false(page.failed);
    const char *text = (const char *)page.data;
    static const char *const expected[] = {
        "# HELP kafka_server_brokertopicmetrics_bytesin_total Bytes of record batches appended by "
        "producers (bytes; kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec).\n"
        "# TYPE kafka_server_brokertopicmetrics_bytesin_total counter\n"
        "kafka_server_brokertopicmetrics_bytesin_total 4096\n",
        "# TYPE kafka_server_replicamanager_partitioncount gauge\n"
        "kafka_server_replicamanager_partitioncount 0\n",
        "\nkafka_network_requestmetrics_requests_total{request=\"Fetch\"} 2\n",
        "# TYPE kafka_log_logflushstats_logflushrateandtimems summary\n"
        "kafka_log_logflushstats_logflushrateandtimems{quantile=\"0.5\"} 0.000\n",
        "\nkafka_log_logflushstats_logflushrateandtimems_count 0\n",
        "\nkafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.999\"} "
        "0.004\n",
        "\nkafka_network_requestmetrics_totaltimems_count{request=\"Produce\"} 1\n",
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(text, expected[i]) == NULL) {
            fail_msg("not on the page: %s\n%s", expected[i], text);
        }
    }
    assert_null(strstr(text, "request=\"(null)\""));
    writer_release(&page);
    metrics_destroy(&registry);
}

/* Whichever allocation fails, create says so and leaves nothing behind. */
static void registry__create_fails_cleanly_without_memory(void **state)
{
    (void)state;
    struct metrics_registry *registry = NULL;
    int error = -1;
    int64_t countdown = 1;
    for (; error != 0 && countdown < 100; countdown++) {
        mem_fail_after(countdown);
        error = metrics_create(2, 3, name, &registry);
        mem_fail_after(0);
        assert_true((error == 0) == (registry != NULL));
    }
    assert_int_equal(countdown, 8);
    metrics_destroy(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram__percentile_is_within_an_eighth),
        cmocka_unit_test(histogram__percentiles_of_a_thousand),
        cmocka_unit_test(registry__sums_its_shards),
        cmocka_unit_test(registry__keeps_directories_apart),
        cmocka_unit_test(registry__prints_what_prometheus_reads),
        cmocka_unit_test(registry__create_fails_cleanly_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
