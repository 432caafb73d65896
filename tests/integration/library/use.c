/* What a user of the installed library writes; compiles as C11 and as C++.
 * use BOOTSTRAP TOPIC: produces records, reads them back, also in a group and with pauses, lists
 * the topic; prints "all there". */
#include <barnabas/admin.h>
#include <barnabas/barnabas.h>
#include <barnabas/consumer.h>
#include <barnabas/producer.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RECORD_COUNT = 1000, WAIT_SECONDS = 120 };

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

enum { PAUSE_RECORDS = 500 };

/* A topic of two partitions, each with so many records. */
static int fill_two(struct bnb_config *config, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_admin *admin = NULL;
    struct bnb_producer *producer = NULL;
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_topic_outcome *outcomes = NULL;
    struct bnb_new_topic wanted;
    memset(&wanted, 0, sizeof wanted);
    wanted.name = topic;
    wanted.partition_count = 2;
    wanted.replication_factor = 1;
    if (bnb_admin_create(config, &admin, &error) != 0 ||
        bnb_admin_create_topics(admin, memory, &wanted, 1, false, &outcomes, &error) != 0 ||
        bnb_config_set(config, "compression.type", "lz4") != 0 ||
        bnb_producer_create(config, &producer, &error) != 0) {
        return failed("make a topic", &error);
    }
    for (int i = 0; i < 2 * PAUSE_RECORDS; i++) {
        char value[32];
        struct bnb_producer_record record;
        memset(&record, 0, sizeof record);
        record.topic = topic;
        record.partition = i % 2;
        record.timestamp_ms = 1000 + i / 2;
        record.value = value;
        record.value_size = (size_t)snprintf(value, sizeof value, "value %d", i / 2);
        if (bnb_producer_send(producer, &record, NULL, NULL, &error) != 0) {
            return failed("send", &error);
        }
    }
    bnb_producer_close(&producer, -1);
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
    return 0;
}

/* Reads until each partition has come to its wanted offset. Every record must be the next one, and
 * none of the partition that is not to be read (-1: both are). */
static int read_up_to(struct bnb_consumer *consumer, int64_t next[2], const int64_t wanted[2],
                      int32_t paused)
{
    struct bnb_error error = {0, ""};
    time_t deadline = time(NULL) + WAIT_SECONDS;
    while ((next[0] < wanted[0] || next[1] < wanted[1]) && time(NULL) < deadline) {
        const struct bnb_consumer_record *records = NULL;
        size_t count = 0;
        if (bnb_consumer_poll(consumer, 200, &records, &count, &error) != 0) {
            return failed("poll", &error);
        }
        for (size_t i = 0; i < count; i++) {
            char value[32];
            size_t size = (size_t)snprintf(value, sizeof value, "value %lld",
                                           (long long)next[records[i].partition]);
            if (records[i].partition == paused ||
                records[i].offset != next[records[i].partition]++ ||
                records[i].value_size != size || memcmp(records[i].value, value, size) != 0) {
                fprintf(stderr, "offset %lld of partition %d is not the next, or paused\n",
                        (long long)records[i].offset, (int)records[i].partition);
                return 1;
            }
        }
    }
    return next[0] >= wanted[0] && next[1] >= wanted[1] ? 0 : 1;
}

/* With one partition paused in the middle of what was fetched of it. */
static int pause_one(struct bnb_consumer *consumer, const char *topic, int64_t next[2])
{
    struct bnb_error error = {0, ""};
    const int64_t some[2] = {1, 0};
    int64_t wanted[2] = {0, PAUSE_RECORDS};
    struct bnb_topic_partition one = {topic, 0};
    const struct bnb_topic_partition *paused = NULL;
    struct bnb_memory *memory = bnb_memory_create();
    size_t count = 0;
    if (read_up_to(consumer, next, some, -1) != 0 || bnb_consumer_pause(consumer, &one, 1) != 0) {
        return failed("pause", &error);
    }
    int64_t position = wanted[0] = next[0];
    const struct bnb_consumer_record *records = NULL;
    if (read_up_to(consumer, next, wanted, 0) != 0 ||
        bnb_consumer_poll(consumer, 300, &records, &count, &error) != 0 || count != 0 ||
        bnb_consumer_position(consumer, topic, 0) != position ||
        bnb_consumer_lag(consumer, topic, 0) != PAUSE_RECORDS - position ||
        bnb_consumer_lag(consumer, topic, 1) != 0 ||
        bnb_consumer_paused(consumer, memory, &paused, &count) != 0 || count != 1 ||
        paused[0].partition != 0) {
        return failed("a paused partition", &error);
    }
    bnb_memory_destroy(&memory);
    one.partition = 7;
    if (bnb_consumer_pause(consumer, &one, 1) != BNB_ERROR_NOT_FOUND) {
        return failed("a partition that is not assigned", &error);
    }
    one.partition = 0;
    return bnb_consumer_resume(consumer, &one, 1);
}

static int ask_offsets(struct bnb_consumer *consumer, const char *topic)
{
    struct bnb_error error = {0, ""};
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_offset_query ends[2] = {{topic, 0, BNB_OFFSET_EARLIEST},
                                             {topic, 1, BNB_OFFSET_LATEST}};
    const struct bnb_offset_query times[2] = {{topic, 1, 1000 + 77},
                                              {topic, 0, 1000 + PAUSE_RECORDS}};
    const struct bnb_offset_answer *answers = NULL;
    const struct bnb_offset_query same[5] = {{topic, 1, BNB_OFFSET_LATEST},
                                             {topic, 0, BNB_OFFSET_LATEST},
                                             {topic, 1, BNB_OFFSET_EARLIEST},
                                             {topic, 1, 1000 + 77},
                                             {topic, 1, BNB_OFFSET_LATEST}};
    int64_t position = -1;
    if (bnb_consumer_list_offsets(consumer, memory, same, 5, &answers, &error) != 0 ||
        answers[0].offset != PAUSE_RECORDS || answers[1].offset != PAUSE_RECORDS ||
        answers[2].offset != 0 || answers[3].offset != 77 || answers[4].offset != PAUSE_RECORDS) {
        return failed("several offsets of one partition", &error);
    }
    if (bnb_consumer_list_offsets(consumer, memory, ends, 2, &answers, &error) != 0 ||
        answers[0].offset != 0 || answers[1].offset != PAUSE_RECORDS ||
        bnb_consumer_list_offsets(consumer, memory, times, 2, &answers, &error) != 0 ||
        answers[0].offset != 77 || answers[0].timestamp_ms != 1077 || answers[1].offset != -1) {
        return failed("offsets", &error);
    }
    bnb_memory_destroy(&memory);
    if (bnb_consumer_seek(consumer, topic, 1, BNB_OFFSET_END) != 0 ||
        bnb_consumer_await_position(consumer, topic, 1, WAIT_SECONDS * 1000, &position,
                                    &error) != 0 ||
        position != PAUSE_RECORDS ||
        bnb_consumer_await_position(consumer, topic, 7, 0, &position, &error) !=
            BNB_ERROR_NOT_FOUND) {
        return failed("the position", &error);
    }
    return 0;
}

static int pause_and_ask(struct bnb_config *config, const char *name)
{
    struct bnb_error error = {0, ""};
    struct bnb_consumer *consumer = NULL;
    char topic[128];
    snprintf(topic, sizeof topic, "%s-two", name);
    struct bnb_assignment both[2] = {{topic, 0, BNB_OFFSET_BEGINNING},
                                     {topic, 1, BNB_OFFSET_BEGINNING}};
    struct bnb_topic_partition one = {topic, 0};
    const int64_t all[2] = {PAUSE_RECORDS, PAUSE_RECORDS};
    int64_t next[2] = {0, 0};
    if (fill_two(config, topic) != 0 || bnb_config_set(config, "max.poll.records", "30") != 0 ||
        bnb_consumer_create(config, &consumer, &error) != 0 ||
        bnb_consumer_assign(consumer, both, 2) != 0) {
        return failed("a consumer", &error);
    }
    /* What was fetched before it was paused is read afterwards, with nothing left out. */
    if (pause_one(consumer, topic, next) != 0 || read_up_to(consumer, next, all, -1) != 0) {
        return failed("pause and resume", &error);
    }
    /* And not, after a seek. */
    next[0] = next[1] = 0;
    if (bnb_consumer_seek(consumer, topic, 0, BNB_OFFSET_BEGINNING) != 0 ||
        bnb_consumer_seek(consumer, topic, 1, BNB_OFFSET_BEGINNING) != 0 ||
        pause_one(consumer, topic, next) != 0 || bnb_consumer_pause(consumer, &one, 1) != 0) {
        return failed("pause again", &error);
    }
    const struct bnb_consumer_record *records = NULL;
    size_t count = 0;
    next[0] = 3;
    if (bnb_consumer_poll(consumer, 0, &records, &count, &error) != 0 || count != 0 ||
        bnb_consumer_seek(consumer, topic, 0, 3) != 0 ||
        bnb_consumer_resume(consumer, &one, 1) != 0 || read_up_to(consumer, next, all, -1) != 0 ||
        ask_offsets(consumer, topic) != 0) {
        return failed("seek and resume", &error);
    }
    bnb_consumer_close(&consumer);
    return 0;
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

/* Each of the names is answered once for each time it was asked about, in that order. */
static int outcomes_are(const char *what, const struct bnb_topic_outcome *outcomes,
                        const char *const *names, const int *codes, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(outcomes[i].name, names[i]) != 0 || outcomes[i].code != codes[i]) {
            fprintf(stderr, "%s %d: %s %d %s\n", what, i, outcomes[i].name, outcomes[i].code,
                    outcomes[i].error_text);
            return 1;
        }
    }
    return 0;
}

/* A name that is given twice is asked about once, as Java's client does. */
static int name_twice(const struct bnb_config *config)
{
    enum { NAMES = 4, UNKNOWN_TOPIC = 3 };
    static const char *const names[NAMES] = {"twice", "alone", "twice", "no such"};
    static const int made[NAMES] = {0, 0, 0, 17}; /* INVALID_TOPIC_EXCEPTION */
    static const int known[NAMES] = {0, 0, 0, UNKNOWN_TOPIC};
    struct bnb_error error = {0, ""};
    struct bnb_admin *admin = NULL;
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_topic_outcome *outcomes = NULL;
    struct bnb_new_topic topics[NAMES];
    struct bnb_new_partitions more[NAMES];
    memset(topics, 0, sizeof topics);
    memset(more, 0, sizeof more);
    for (int i = 0; i < NAMES; i++) {
        topics[i].name = more[i].topic = names[i];
        topics[i].partition_count = topics[i].replication_factor = 1;
        more[i].total_count = 3;
    }
    if (bnb_admin_create(config, &admin, &error) != 0 ||
        bnb_admin_create_topics(admin, memory, topics, NAMES, false, &outcomes, &error) != 0) {
        return failed("make topics", &error);
    }
    int status = outcomes_are("made", outcomes, names, made, NAMES);
    if (bnb_admin_create_partitions(admin, memory, more, NAMES, &outcomes, &error) != 0) {
        return failed("make partitions", &error);
    }
    status |= outcomes_are("extended", outcomes, names, known, NAMES);
    if (bnb_admin_delete_topics(admin, memory, names, NAMES, &outcomes, &error) != 0) {
        return failed("delete topics", &error);
    }
    status |= outcomes_are("deleted", outcomes, names, known, NAMES);
    bnb_admin_close(&admin);
    bnb_memory_destroy(&memory);
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
                 pause_and_ask(config, argv[2]) || name_twice(config) ||
                 consume_in_group(config, argv[2], "classic") ||
                 consume_in_group(config, argv[2], "consumer");
    bnb_config_destroy(&config);
    if (status == 0) {
        printf("all there %s\n", bnb_version());
    }
    return status;
}
