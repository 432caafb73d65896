/* What a user of the installed library writes; compiles as C11 and as C++.
 * use BOOTSTRAP TOPIC: produces records, reads them back, also in a group, lists the topic; prints
 * "all there". */
#include <barnabas/admin.h>
#include <barnabas/barnabas.h>
#include <barnabas/consumer.h>
#include <barnabas/producer.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RECORD_COUNT = 1000, WAIT_SECONDS = 20 };

/* Names that the library has inside, too: they must not meet. */
int crc32c(void);
int crc32c(void) { return RECORD_COUNT; }

static int failed(const char *what, const struct bnb_error *error)
{
    fprintf(stderr, "%s: %d %s\n", what, error->code, error->text);
    return 1;
}

static void delivered(void *context, const struct bnb_delivery *delivery)
{
    if (delivery->code == 0) {
        ++*(int *)context;
    }
}

static int produce(const struct bnb_config *config, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer = NULL;
    int count = 0;
    if (bnb_producer_create(config, &producer, &error) != 0) {
        return failed("create a producer", &error);
    }
    for (int i = 0; i < RECORD_COUNT; i++) {
        char value[32];
        struct bnb_producer_record record;
        memset(&record, 0, sizeof record);
        record.topic = topic;
        record.partition = 0;
        record.timestamp_ms = BNB_TIMESTAMP_NOW;
        record.value = value;
        record.value_size = (size_t)snprintf(value, sizeof value, "value %d", i);
        if (bnb_producer_send(producer, &record, delivered, &count, &error) != 0) {
            return failed("send", &error);
        }
    }
    bnb_producer_flush(producer, WAIT_SECONDS * 1000);
    bnb_producer_close(&producer, 0);
    fprintf(stderr, "delivered %d of %d\n", count, crc32c());
    return count == RECORD_COUNT ? 0 : 1;
}

static int consume(const struct bnb_config *config, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_consumer *consumer = NULL;
    struct bnb_assignment assignment = {topic, 0, BNB_OFFSET_BEGINNING};
    time_t deadline = time(NULL) + WAIT_SECONDS;
    size_t seen = 0;
    if (bnb_consumer_create(config, &consumer, &error) != 0 ||
        bnb_consumer_assign(consumer, &assignment, 1) != 0) {
        return failed("create a consumer", &error);
    }
    while (seen < RECORD_COUNT && time(NULL) < deadline) {
        const struct bnb_consumer_record *records = NULL;
        size_t count = 0;
        if (bnb_consumer_poll(consumer, 500, &records, &count, &error) != 0) {
            return failed("poll", &error);
        }
        for (size_t i = 0; i < count; i++, seen++) {
            char value[32];
            size_t size = (size_t)snprintf(value, sizeof value, "value %zu", seen);
            if (records[i].offset != (int64_t)seen || records[i].value_size != size ||
                memcmp(records[i].value, value, size) != 0) {
                fprintf(stderr, "record %zu is another\n", seen);
                return 1;
            }
        }
    }
    bnb_consumer_close(&consumer);
    fprintf(stderr, "read %zu\n", seen);
    return seen == RECORD_COUNT ? 0 : 1;
}

/* What the group's callbacks have been called with. */
struct told {
    int assigned;
    int revoked;
    int committed;
};

static void on_assigned(void *context, struct bnb_consumer *consumer,
                        const struct bnb_topic_partition *partitions, size_t count)
{
    (void)consumer;
    (void)partitions;
    ((struct told *)context)->assigned += (int)count;
}
static void on_revoked(void *context, struct bnb_consumer *consumer,
                       const struct bnb_topic_partition *partitions, size_t count)
{
    (void)consumer;
    (void)partitions;
    ((struct told *)context)->revoked += (int)count;
}
static void on_committed(void *context, const struct bnb_error *error)
{
    ((struct told *)context)->committed += error->code == 0 ? 1 : 1000;
}

/* Reads until count records have come, from offset first on. */
static int read_some(struct bnb_consumer *consumer, int64_t first, size_t wanted)
{
    struct bnb_error error = {0, ""};
    time_t deadline = time(NULL) + WAIT_SECONDS;
    size_t seen = 0;
    while (seen < wanted && time(NULL) < deadline) {
        const struct bnb_consumer_record *records = NULL;
        size_t count = 0;
        if (bnb_consumer_poll(consumer, 500, &records, &count, &error) != 0) {
            return failed("poll in a group", &error);
        }
        for (size_t i = 0; i < count; i++, seen++) {
            if (records[i].offset != first + (int64_t)seen) {
                fprintf(stderr, "record %zu has offset %lld\n", seen, (long long)records[i].offset);
                return 1;
            }
        }
    }
    fprintf(stderr, "read %zu in a group\n", seen);
    return seen >= wanted ? 0 : 1;
}

/* Commits by hand, in both ways, and asks what is committed. */
static int commit_some(struct bnb_consumer *consumer, const char *topic, struct told *told)
{
    struct bnb_error error = {0, ""};
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_topic_partition partitions[2] = {{topic, 0}, {topic, 7}};
    struct bnb_consumer_offset offset = {topic, 0, -1, 600, "a note"};
    const struct bnb_consumer_offset *found = NULL;
    const struct bnb_topic_partition *assigned = NULL;
    size_t count = 0;
    time_t deadline = time(NULL) + WAIT_SECONDS;
    if (bnb_consumer_assignment(consumer, memory, &assigned, &count) != 0 || count != 1 ||
        strcmp(assigned[0].topic, topic) != 0 ||
        bnb_consumer_position(consumer, topic, 0) != RECORD_COUNT) {
        return failed("assignment", &error);
    }
    if (bnb_consumer_commit(consumer, NULL, 0, &error) != 0 ||
        bnb_consumer_committed(consumer, memory, partitions, 1, &found, &error) != 0 ||
        found[0].offset != RECORD_COUNT) {
        return failed("commit", &error);
    }
    if (bnb_consumer_commit_async(consumer, &offset, 1, on_committed, told) != 0) {
        return failed("commit without waiting", &error);
    }
    while (told->committed == 0 && time(NULL) < deadline) {
        const struct bnb_consumer_record *records = NULL;
        if (bnb_consumer_poll(consumer, 100, &records, &count, &error) != 0) {
            return failed("poll", &error);
        }
    }
    if (told->committed != 1 ||
        bnb_consumer_committed(consumer, memory, partitions, 2, &found, &error) != 0 ||
        found[0].offset != 600 || strcmp(found[0].metadata, "a note") != 0 ||
        found[1].offset != -1) {
        return failed("committed", &error);
    }
    bnb_memory_destroy(&memory);
    return 0;
}

static int refuse(struct bnb_consumer *consumer, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_assignment assignment = {topic, 0, BNB_OFFSET_BEGINNING};
    if (bnb_consumer_assign(consumer, &assignment, 1) != BNB_ERROR_INVALID ||
        bnb_consumer_subscribe_pattern(consumer, "(", NULL, &error) != BNB_ERROR_INVALID) {
        return failed("a subscription and an assignment", &error);
    }
    return 0;
}

static int consume_in_group(struct bnb_config *config, const char *topic, const char *protocol)
{
    struct bnb_error error = {0, ""};
    struct bnb_consumer *consumer = NULL;
    struct told told = {0, 0, 0};
    struct bnb_rebalance_listener listener;
    memset(&listener, 0, sizeof listener);
    listener.assigned = on_assigned;
    listener.revoked = on_revoked;
    listener.context = &told;
    if (bnb_config_set(config, "group.id", protocol) != 0 ||
        bnb_config_set(config, "group.protocol", protocol) != 0 ||
        bnb_config_set(config, "enable.auto.commit", "false") != 0 ||
        bnb_config_set(config, "auto.offset.reset", "earliest") != 0 ||
        bnb_consumer_create(config, &consumer, &error) != 0 ||
        bnb_consumer_subscribe(consumer, &topic, 1, &listener, &error) != 0) {
        return failed("join a group", &error);
    }
    if (read_some(consumer, 0, RECORD_COUNT) != 0 || commit_some(consumer, topic, &told) != 0 ||
        refuse(consumer, topic) != 0) {
        return 1;
    }
    bnb_consumer_unsubscribe(consumer);
    /* And again: from where the group was, with an expression, until it is closed. */
    if (told.assigned != 1 || told.revoked != 1 ||
        bnb_consumer_subscribe_pattern(consumer, topic, &listener, &error) != 0 ||
        read_some(consumer, 600, RECORD_COUNT - 600) != 0) {
        return failed("subscribe again", &error);
    }
    bnb_consumer_close(&consumer);
    fprintf(stderr, "assigned %d, revoked %d\n", told.assigned, told.revoked);
    return told.assigned == 2 && told.revoked == 2 ? 0 : 1;
}

static int look(const struct bnb_config *config, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_admin *admin = NULL;
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_topic *topics = NULL;
    if (bnb_admin_create(config, &admin, &error) != 0 ||
        bnb_admin_describe_topics(admin, memory, &topic, 1, 0, &topics, &error) != 0) {
        return failed("describe", &error);
    }
    int status = topics[0].code == 0 && topics[0].partition_count == 1 ? 0 : 1;
    bnb_memory_destroy(&memory);
    bnb_admin_close(&admin);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct bnb_config *config = bnb_config_create();
    if (bnb_config_set(config, "bootstrap.servers", argv[1]) != 0) {
        return 1;
    }
    int status = produce(config, argv[2]) || consume(config, argv[2]) || look(config, argv[2]) ||
                 consume_in_group(config, argv[2], "classic") ||
                 consume_in_group(config, argv[2], "consumer");
    bnb_config_destroy(&config);
    if (status == 0) {
        printf("all there %s\n", bnb_version());
    }
    return status;
}
