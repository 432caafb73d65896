/* latency BOOTSTRAP TOPIC RATE SECONDS: how long a record of 1 kB takes from send to poll. One
 * thread sends at a fixed rate, by the clock and not by the answers, with acks=all and no linger;
 * the other polls. Each record carries the time it was due at, so that a stall counts for every
 * record that it delays. The first fifth is left out. Prints one JSON object in milliseconds. */
#include <barnabas/consumer.h>
#include <barnabas/producer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define RECORD_BYTES 1000
#define NANOSECONDS 1000000000LL

struct run {
    const struct bnb_config *config;
    const char *topic;
    long rate;
    long count;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static void fail(const char *what, const struct bnb_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

static void *send_all(void *context)
{
    const struct run *run = context;
    struct bnb_error error = {0};
    struct bnb_producer *producer;
    if (bnb_producer_create(run->config, &producer, &error) != 0 ||
        bnb_producer_partition_count(producer, run->topic, &error) < 1) {
        fail("producer", &error);
    }
    char value[RECORD_BYTES] = {0};
    int64_t began_ns = now_ns();
    for (long i = 0; i < run->count; i++) {
        int64_t due_ns = began_ns + i * NANOSECONDS / run->rate;
        struct timespec until = {due_ns / NANOSECONDS, due_ns % NANOSECONDS};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        memcpy(value, &due_ns, sizeof due_ns);
        struct bnb_producer_record record = {.topic = run->topic,
                                             .timestamp_ms = BNB_TIMESTAMP_NOW,
                                             .value = value,
                                             .value_size = sizeof value};
        if (bnb_producer_send(producer, &record, NULL, NULL, &error) != 0) {
            fail("send", &error);
        }
    }
    bnb_producer_close(&producer, -1);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void poll_all(const struct run *run, double *latencies_ms)
{
    struct bnb_error error = {0};
    struct bnb_consumer *consumer;
    struct bnb_assignment assignment = {run->topic, 0, BNB_OFFSET_BEGINNING};
    if (bnb_consumer_create(run->config, &consumer, &error) != 0 ||
        bnb_consumer_assign(consumer, &assignment, 1) != 0) {
        fail("consumer", &error);
    }
    for (long seen = 0; seen < run->count;) {
        const struct bnb_consumer_record *records;
        size_t count;
        if (bnb_consumer_poll(consumer, 1000, &records, &count, &error) != 0) {
            fail("poll", &error);
        }
        int64_t at_ns = now_ns();
        for (size_t i = 0; i < count && seen < run->count; i++) {
            int64_t due_ns;
            memcpy(&due_ns, records[i].value, sizeof due_ns);
            latencies_ms[seen++] = (double)(at_ns - due_ns) / 1e6;
        }
    }
    bnb_consumer_close(&consumer);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: latency BOOTSTRAP TOPIC RATE SECONDS\n");
        return 2;
    }
    struct bnb_config *config = bnb_config_create();
    bnb_config_set(config, "bootstrap.servers", argv[1]);
    bnb_config_set(config, "acks", "all");
    bnb_config_set(config, "linger.ms", "0");
    struct run run = {config, argv[2], strtol(argv[3], NULL, 10), 0};
    run.count = run.rate * strtol(argv[4], NULL, 10);
    if (run.count < 10) {
        return 2;
    }
    double *latencies_ms = mem_need((size_t)run.count * sizeof *latencies_ms);
    pthread_t sender;
    if (pthread_create(&sender, NULL, send_all, &run) != 0) {
        return 1;
    }
    poll_all(&run, latencies_ms);
    pthread_join(sender, NULL);
    double *steady = latencies_ms + run.count / 5;
    size_t count = (size_t)(run.count - run.count / 5);
    qsort(steady, count, sizeof *steady, by_value);
    printf("{\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f}\n",
           steady[count / 2], steady[count * 99 / 100], steady[count * 999 / 1000],
           steady[count - 1]);
    mem_free(latencies_ms);
    bnb_config_destroy(&config);
    return 0;
}
