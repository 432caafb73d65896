/* member: a member of a group, for tests/integration/library_group.py.
 *
 *   member TOPIC|^EXPRESSION SECONDS [NAME=VALUE]...
 *
 * Reads until SECONDS have passed, or SIGTERM, and prints a line for each thing:
 * "assigned t-0,...", "revoked ...", "lost ...", "record TOPIC PARTITION OFFSET VALUE",
 * "error CODE TEXT", "closed".
 * Settings that begin with a dot are its own: .commit=each commits after every poll by hand,
 * .linger_ms=N waits so long after each record. */
#include <barnabas/consumer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void print_partitions(const char *what, const struct bnb_topic_partition *partitions,
                             size_t count)
{
    printf("%s", what);
    for (size_t i = 0; i < count; i++) {
        printf("%s%s-%d", i == 0 ? " " : ",", partitions[i].topic, partitions[i].partition);
    }
    printf("\n");
    fflush(stdout);
}
static void revoked(void *context, struct bnb_consumer *consumer,
                    const struct bnb_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("revoked", partitions, count);
}
static void assigned(void *context, struct bnb_consumer *consumer,
                     const struct bnb_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("assigned", partitions, count);
}
static void lost(void *context, struct bnb_consumer *consumer,
                 const struct bnb_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("lost", partitions, count);
}

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void poll_once(struct bnb_consumer *consumer, const char *commit, long linger_ms)
{
    const struct bnb_consumer_record *records;
    size_t count;
    struct bnb_error error;
    int result = bnb_consumer_poll(consumer, 200, &records, &count, &error);
    if (result != 0) {
        printf("error %d %s\n", result, error.text);
        fflush(stdout);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        printf("record %s %d %lld %.*s\n", records[i].topic, records[i].partition,
               (long long)records[i].offset, (int)records[i].value_size,
               (const char *)records[i].value);
        fflush(stdout);
        if (linger_ms > 0) {
            pause_ms(linger_ms);
        }
    }
    if (count > 0 && commit != NULL) {
        result = bnb_consumer_commit(consumer, NULL, 0, &error);
        if (result != 0) {
            printf("uncommitted %d %s\n", result, error.text);
        }
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const struct bnb_rebalance_listener listener = {revoked, assigned, lost, NULL};
    struct bnb_config *config = bnb_config_create();
    const char *commit = NULL;
    long linger_ms = 0;
    signal(SIGTERM, stop);
    bnb_config_set_warn(config, warn, NULL);
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        *equals = '\0';
        if (strcmp(argv[i], ".commit") == 0) {
            commit = equals + 1;
        } else if (strcmp(argv[i], ".linger_ms") == 0) {
            linger_ms = atol(equals + 1);
        } else {
            bnb_config_set(config, argv[i], equals + 1);
        }
    }
    struct bnb_consumer *consumer;
    struct bnb_error error;
    int result = bnb_consumer_create(config, &consumer, &error);
    bnb_config_destroy(&config);
    const char *topic = argv[1];
    if (result == 0) {
        result = topic[0] == '^'
                     ? bnb_consumer_subscribe_pattern(consumer, topic + 1, &listener, &error)
                     : bnb_consumer_subscribe(consumer, &topic, 1, &listener, &error);
    }
    if (result != 0) {
        printf("error %d %s\n", result, error.text);
        return 1;
    }
    time_t end = time(NULL) + atol(argv[2]);
    while (!stopped && time(NULL) < end) {
        poll_once(consumer, commit, linger_ms);
    }
    bnb_consumer_close(&consumer);
    printf("closed\n");
    return 0;
}
