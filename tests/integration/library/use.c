/* What a user of the installed library writes; compiles as C11 and as C++.
 * use BOOTSTRAP TOPIC: produces records, reads them back, lists the topic; prints "all there". */
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
    int status = produce(config, argv[2]) || consume(config, argv[2]) || look(config, argv[2]);
    bnb_config_destroy(&config);
    if (status == 0) {
        printf("all there %s\n", bnb_version());
    }
    return status;
}
