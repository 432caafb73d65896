/* transact: transactions of our library, for tests/integration/library_txn.py.
 *
 *   transact scenario BOOTSTRAP TOPICS           prints PASS or FAIL for each case, then "done"
 *   transact copy BOOTSTRAP SOURCE TARGET COUNT  copies exactly once, whatever happens to it
 *
 * With COPIER_STOPS_AT=STEP a copier prints "stopped" at that step and waits for a line, and from
 * then on after each transaction. COPIER_PROTOCOL is the group.protocol, TRANSACTION_VERSION that
 * of the cluster (2). */
#include <barnabas/admin.h>
#include <barnabas/consumer.h>
#include <barnabas/producer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITIONS = 3, SECONDS = 120, VALUES_MAX = 2000, VALUE_BYTES = 32 };

static const char *bootstrap;
static const char *topics;
static const char *stops_at;
static const char *protocol;
static bool newer; /* the cluster has transaction.version 2 */
static bool copies; /* and is killed: whoever comes after it waits for its session */
static char why[600];

/* Ends a case: false, with the reason in why. */
static bool wrong(const char *what, const struct bnb_error *error)
{
    snprintf(why, sizeof why, "%s: %d %s", what, error->code, error->text);
    return false;
}
static bool check(bool holds, const char *what)
{
    const struct bnb_error none = {0, "not so"};
    return holds || wrong(what, &none);
}
#define NEED(expression)                          \
    if ((expression) != 0) {                      \
        return wrong(#expression, &error);        \
    }
#define CHECK(condition)                          \
    if (!check(condition, #condition)) {          \
        return false;                             \
    }

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

static struct bnb_config *config_of(const char *const *pairs)
{
    struct bnb_config *config = bnb_config_create();
    bnb_config_set(config, "bootstrap.servers", bootstrap);
    bnb_config_set_warn(config, warn, NULL);
    for (; *pairs != NULL; pairs += 2) {
        bnb_config_set(config, pairs[0], pairs[1]);
    }
    return config;
}

static int producer_of(const char *id, struct bnb_producer **producer, struct bnb_error *error)
{
    const char *const pairs[] = {"transactional.id", id, "transaction.timeout.ms", "30000",
                                 "max.block.ms", "30000", NULL};
    struct bnb_config *config = config_of(pairs);
    int result = bnb_producer_create(config, producer, error);
    bnb_config_destroy(&config);
    if (result == 0) {
        result = bnb_producer_init_transactions(*producer, error);
        if (result != 0) {
            bnb_producer_close(producer, 0);
        }
    }
    return result;
}

static int consumer_of(const char *group, struct bnb_consumer **consumer, struct bnb_error *error)
{
    /* One that comes back does not wait for the session of the one before; of KIP-848 it would. */
    bool is_static = stops_at != NULL && strcmp(protocol, "classic") == 0;
    const char *const pairs[] = {
        "group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
        "isolation.level", "read_committed", "group.protocol", protocol, "max.poll.records", "40",
        is_static ? "group.instance.id" : NULL, "copier", NULL};
    struct bnb_config *config = config_of(pairs);
    if (copies && strcmp(protocol, "classic") == 0) {
        bnb_config_set(config, "session.timeout.ms", "6000");
    }
    int result = bnb_consumer_create(config, consumer, error);
    bnb_config_destroy(&config);
    return result;
}

static int send_one(struct bnb_producer *producer, const char *topic, int32_t partition,
                    const void *value, size_t size, struct bnb_error *error)
{
    struct bnb_producer_record record = {.topic = topic, .partition = partition,
                                         .timestamp_ms = BNB_TIMESTAMP_NOW, .value = value,
                                         .value_size = size};
    return bnb_producer_send(producer, &record, NULL, NULL, error);
}

/* ---- topics and what is in them ---- */

static bool create(const char *name, char topic[64])
{
    const char *const pairs[] = {NULL};
    struct bnb_config *config = config_of(pairs);
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_admin *admin = NULL;
    struct bnb_error error = {0, ""};
    snprintf(topic, 64, "%s-%s", topics, name);
    struct bnb_new_topic wanted = {.name = topic, .partition_count = PARTITIONS,
                                   .replication_factor = 1};
    int result = bnb_admin_create(config, &admin, &error);
    if (result == 0) {
        const struct bnb_topic_outcome *outcomes;
        result = bnb_admin_create_topics(admin, memory, &wanted, 1, false, &outcomes, &error);
        bnb_admin_close(&admin);
    }
    bnb_memory_destroy(&memory);
    bnb_config_destroy(&config);
    return result == 0 || wrong("create a topic", &error);
}

struct read_values {
    int count;
    char values[VALUES_MAX][VALUE_BYTES];
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Everything up to a record of a producer without transactions, which is sent first. */
static bool read_all(const char *topic, const char *isolation, struct read_values *read)
{
    const char *const marks[] = {NULL};
    const char *const reads[] = {"isolation.level", isolation, NULL};
    struct bnb_error error = {0, ""};
    struct bnb_producer *marker;
    struct bnb_consumer *consumer;
    struct bnb_assignment where[PARTITIONS];
    time_t deadline = time(NULL) + SECONDS;
    struct bnb_config *config = config_of(marks);
    NEED(bnb_producer_create(config, &marker, &error));
    bnb_config_destroy(&config);
    static int reads_so_far;
    char end[VALUE_BYTES];
    int end_size = snprintf(end, sizeof end, "end %d", ++reads_so_far);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        where[p] = (struct bnb_assignment){topic, p, BNB_OFFSET_BEGINNING};
        NEED(send_one(marker, topic, p, end, (size_t)end_size, &error));
    }
    bnb_producer_close(&marker, -1);
    config = config_of(reads);
    NEED(bnb_consumer_create(config, &consumer, &error));
    bnb_config_destroy(&config);
    NEED(bnb_consumer_assign(consumer, where, PARTITIONS));
    int ends = 0;
    read->count = 0;
    while (ends < PARTITIONS && time(NULL) < deadline) {
        const struct bnb_consumer_record *records;
        size_t count;
        NEED(bnb_consumer_poll(consumer, 200, &records, &count, &error));
        for (size_t i = 0; i < count; i++) {
            char *value = read->values[read->count];
            snprintf(value, VALUE_BYTES, "%.*s", (int)records[i].value_size,
                     (const char *)records[i].value);
            ends += strcmp(value, end) == 0;
            read->count += strncmp(value, "end", 3) != 0 && read->count < VALUES_MAX - 1;
        }
    }
    bnb_consumer_close(&consumer);
    qsort(read->values, (size_t)read->count, VALUE_BYTES, by_text);
    return check(ends == PARTITIONS, "the end of every partition");
}

static bool holds(const char *topic, const char *const *wanted, int count)
{
    static struct read_values read;
    if (!read_all(topic, "read_committed", &read)) {
        return false;
    }
    CHECK(read.count == count)
    for (int i = 0; i < count; i++) {
        CHECK(strcmp(read.values[i], wanted[i]) == 0)
    }
    return true;
}

/* ---- cases ---- */

static bool commits_and_aborts(void)
{
    static struct read_values read;
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    int wanted = 0;
    CHECK(create("outcome", topic))
    NEED(producer_of(topic, &producer, &error));
    for (int i = 0; i < 30; i++) {
        NEED(bnb_producer_begin_transaction(producer, &error));
        for (int j = 0; j < 5; j++) {
            char value[VALUE_BYTES];
            int size = snprintf(value, sizeof value, "%s-%02d-%d", i % 3 == 1 ? "lost" : "kept", i,
                                j);
            NEED(send_one(producer, topic, j % PARTITIONS, value, (size_t)size, &error));
        }
        if (i % 3 != 1) {
            NEED(bnb_producer_commit_transaction(producer, &error));
            wanted += 5;
            continue;
        }
        if (i % 2 == 0) {
            NEED(bnb_producer_flush(producer, -1));
        }
        NEED(bnb_producer_abort_transaction(producer, &error));
    }
    CHECK(bnb_producer_transaction_state(producer) == BNB_TRANSACTION_READY)
    bnb_producer_close(&producer, -1);
    CHECK(read_all(topic, "read_committed", &read))
    CHECK(read.count == wanted)
    for (int i = 0; i < read.count; i++) {
        CHECK(strncmp(read.values[i], "kept", 4) == 0)
        CHECK(i == 0 || strcmp(read.values[i - 1], read.values[i]) < 0)
    }
    CHECK(read_all(topic, "read_uncommitted", &read))
    CHECK(read.count > wanted) /* those that were flushed are there, but not committed */
    return true;
}

static bool ends_what_was_empty(void)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    const char *const wanted[] = {"one"};
    CHECK(create("empty", topic))
    NEED(producer_of(topic, &producer, &error));
    for (int i = 0; i < 2; i++) {
        NEED(bnb_producer_begin_transaction(producer, &error));
        NEED(bnb_producer_commit_transaction(producer, &error));
        NEED(bnb_producer_begin_transaction(producer, &error));
        NEED(bnb_producer_abort_transaction(producer, &error));
    }
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 0, "one", 3, &error));
    NEED(bnb_producer_commit_transaction(producer, &error));
    bnb_producer_close(&producer, -1);
    return holds(topic, wanted, 1);
}

static bool says_what_is_not_possible(void)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    CHECK(create("order", topic))
    NEED(producer_of(topic, &producer, &error));
    CHECK(bnb_producer_init_transactions(producer, &error) == BNB_ERROR_INVALID)
    CHECK(bnb_producer_commit_transaction(producer, &error) == BNB_ERROR_INVALID)
    CHECK(bnb_producer_abort_transaction(producer, &error) == BNB_ERROR_INVALID)
    CHECK(send_one(producer, topic, 0, "x", 1, &error) == BNB_ERROR_INVALID)
    NEED(bnb_producer_begin_transaction(producer, &error));
    CHECK(bnb_producer_begin_transaction(producer, &error) == BNB_ERROR_INVALID)
    NEED(bnb_producer_abort_transaction(producer, &error));
    bnb_producer_close(&producer, -1);
    const char *const pairs[] = {NULL};
    struct bnb_config *config = config_of(pairs);
    NEED(bnb_producer_create(config, &producer, &error));
    CHECK(bnb_producer_transaction_state(producer) == BNB_TRANSACTION_NONE)
    CHECK(bnb_producer_init_transactions(producer, &error) == BNB_ERROR_INVALID)
    CHECK(bnb_producer_begin_transaction(producer, &error) == BNB_ERROR_INVALID)
    bnb_producer_close(&producer, -1);
    bnb_config_destroy(&config);
    return true;
}

static bool fences_a_zombie(void)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *older;
    struct bnb_producer *newer;
    char topic[64];
    const char *const wanted[] = {"kept"};
    CHECK(create("zombie", topic))
    NEED(producer_of(topic, &older, &error));
    NEED(bnb_producer_begin_transaction(older, &error));
    NEED(send_one(older, topic, 0, "lost", 4, &error));
    NEED(bnb_producer_flush(older, -1));
    NEED(producer_of(topic, &newer, &error));
    int result = send_one(older, topic, 0, "late", 4, &error);
    CHECK(result == 0)
    /* The leader of the partition says that the epoch is old, the coordinator that it is fenced. */
    result = bnb_producer_commit_transaction(older, &error);
    CHECK(result == 47 || result == 90)
    if (bnb_producer_transaction_state(older) == BNB_TRANSACTION_ABORTABLE) {
        CHECK(bnb_producer_abort_transaction(older, &error) == 90)
    }
    CHECK(bnb_producer_transaction_state(older) == BNB_TRANSACTION_FATAL)
    CHECK(bnb_producer_begin_transaction(older, &error) == 90)
    CHECK(send_one(older, topic, 0, "later", 5, &error) == 90)
    bnb_producer_close(&older, -1);
    NEED(bnb_producer_begin_transaction(newer, &error));
    NEED(send_one(newer, topic, 0, "kept", 4, &error));
    NEED(bnb_producer_commit_transaction(newer, &error));
    bnb_producer_close(&newer, -1);
    return holds(topic, wanted, 1);
}

static void remember(void *context, const struct bnb_delivery *delivery)
{
    *(int *)context = delivery->code;
}

/* More than max.message.bytes: the broker refuses it. */
static bool goes_on_after_an_abortable_error(void)
{
    enum { LARGE = 1000 * 1000 * 2 };
    static char large[LARGE];
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    int code = 0;
    const char *const wanted[] = {"after", "before"};
    CHECK(create("abortable", topic))
    const char *const pairs[] = {"transactional.id", topic, "max.request.size", "4000000", NULL};
    struct bnb_config *config = config_of(pairs);
    NEED(bnb_producer_create(config, &producer, &error));
    bnb_config_destroy(&config);
    NEED(bnb_producer_init_transactions(producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 0, "before", 6, &error));
    NEED(bnb_producer_commit_transaction(producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 0, "lost", 4, &error));
    struct bnb_producer_record record = {.topic = topic, .partition = 1,
                                         .timestamp_ms = BNB_TIMESTAMP_NOW, .value = large,
                                         .value_size = LARGE};
    NEED(bnb_producer_send(producer, &record, remember, &code, &error));
    CHECK(bnb_producer_commit_transaction(producer, &error) == 10)
    CHECK(code == 10)
    CHECK(bnb_producer_transaction_state(producer) == BNB_TRANSACTION_ABORTABLE)
    CHECK(send_one(producer, topic, 0, "x", 1, &error) == 10)
    CHECK(bnb_producer_commit_transaction(producer, &error) == 10)
    NEED(bnb_producer_abort_transaction(producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 1, "after", 5, &error));
    NEED(bnb_producer_commit_transaction(producer, &error));
    bnb_producer_close(&producer, -1);
    return holds(topic, wanted, 2);
}

/* The positions of all assigned partitions go with the transaction. */
static int send_positions(struct bnb_producer *producer, struct bnb_consumer *consumer,
                          struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    const struct bnb_topic_partition *assigned;
    struct bnb_consumer_offset offsets[PARTITIONS];
    struct bnb_group_metadata group;
    size_t count;
    int result = bnb_consumer_assignment(consumer, memory, &assigned, &count);
    size_t known = 0;
    for (size_t i = 0; result == 0 && i < count && i < PARTITIONS; i++) {
        int64_t position =
            bnb_consumer_position(consumer, assigned[i].topic, assigned[i].partition);
        if (position >= 0) {
            offsets[known++] = (struct bnb_consumer_offset){
                assigned[i].topic, assigned[i].partition, -1, position, NULL};
        }
    }
    if (result == 0) {
        result = bnb_consumer_group_metadata(consumer, memory, &group, error);
    }
    if (result == 0) {
        result = bnb_producer_send_offsets(producer, offsets, known, &group, error);
    }
    bnb_memory_destroy(&memory);
    return result;
}

static bool committed_is(struct bnb_consumer *consumer, const char *topic, int64_t wanted)
{
    struct bnb_error error = {0, ""};
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_topic_partition where[PARTITIONS];
    const struct bnb_consumer_offset *found = NULL;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        where[p] = (struct bnb_topic_partition){topic, p};
    }
    NEED(bnb_consumer_committed(consumer, memory, where, PARTITIONS, &found, &error));
    for (int32_t p = 0; p < PARTITIONS; p++) {
        CHECK(found[p].offset == wanted)
    }
    bnb_memory_destroy(&memory);
    return true;
}

static bool sends_offsets(void)
{
    static struct read_values read;
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    struct bnb_consumer *consumer;
    char source[64];
    char target[64];
    CHECK(create("source", source))
    CHECK(create("target", target))
    NEED(producer_of(target, &producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    for (int i = 0; i < 30; i++) {
        char value[VALUE_BYTES];
        int size = snprintf(value, sizeof value, "%02d", i);
        NEED(send_one(producer, source, i % PARTITIONS, value, (size_t)size, &error));
    }
    NEED(bnb_producer_commit_transaction(producer, &error));
    NEED(consumer_of(target, &consumer, &error));
    const char *names[] = {source};
    NEED(bnb_consumer_subscribe(consumer, names, 1, NULL, &error));
    for (int commits = 0; commits < 2; commits++) {
        NEED(bnb_producer_begin_transaction(producer, &error));
        for (size_t seen = 0; seen < 30;) {
            const struct bnb_consumer_record *records;
            size_t count;
            NEED(bnb_consumer_poll(consumer, 1000, &records, &count, &error));
            for (size_t i = 0; i < count; i++, seen++) {
                NEED(send_one(producer, target, records[i].partition, records[i].value,
                              records[i].value_size, &error));
            }
        }
        NEED(send_positions(producer, consumer, &error));
        if (commits) {
            NEED(bnb_producer_commit_transaction(producer, &error));
            /* Behind the records of each partition is the marker of the transaction. */
            CHECK(committed_is(consumer, source, 11) || committed_is(consumer, source, 10))
            continue;
        }
        NEED(bnb_producer_abort_transaction(producer, &error));
        CHECK(committed_is(consumer, source, -1))
        for (int32_t p = 0; p < PARTITIONS; p++) {
            NEED(bnb_consumer_seek(consumer, source, p, 0));
        }
    }
    bnb_consumer_close(&consumer);
    bnb_producer_close(&producer, -1);
    CHECK(read_all(target, "read_committed", &read))
    CHECK(read.count == 30)
    for (int i = 0; i < 30; i++) {
        CHECK(atoi(read.values[i]) == i)
    }
    return true;
}

/* KIP-447: a member of a generation that is past. */
static bool offsets_of_a_past_member_are_refused(void)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    struct bnb_consumer *consumer;
    char topic[64];
    CHECK(create("past", topic))
    NEED(producer_of(topic, &producer, &error));
    NEED(consumer_of(topic, &consumer, &error));
    const char *names[] = {topic};
    NEED(bnb_consumer_subscribe(consumer, names, 1, NULL, &error));
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_group_metadata group = {NULL, -1, "", NULL};
    time_t deadline = time(NULL) + SECONDS;
    while (group.generation <= 0 && time(NULL) < deadline) {
        const struct bnb_consumer_record *records;
        size_t count;
        NEED(bnb_consumer_poll(consumer, 100, &records, &count, &error));
        NEED(bnb_consumer_group_metadata(consumer, memory, &group, &error));
    }
    struct bnb_consumer_offset offset = {topic, 0, -1, 5, "note"};
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(bnb_producer_send_offsets(producer, &offset, 1, &group, &error));
    struct bnb_group_metadata other = group;
    other.member_id = "somebody-else";
    int result = bnb_producer_send_offsets(producer, &offset, 1, &other, &error);
    CHECK(result == 25)
    CHECK(bnb_producer_transaction_state(producer) == BNB_TRANSACTION_ABORTABLE)
    NEED(bnb_producer_abort_transaction(producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    other = group;
    other.generation += 7;
    result = bnb_producer_send_offsets(producer, &offset, 1, &other, &error);
    CHECK(result == 22)
    NEED(bnb_producer_abort_transaction(producer, &error));
    CHECK(committed_is(consumer, topic, -1))
    bnb_memory_destroy(&memory);
    bnb_consumer_close(&consumer);
    bnb_producer_close(&producer, -1);
    return true;
}

static bool close_aborts_what_is_open(void)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    CHECK(create("closed", topic))
    NEED(producer_of(topic, &producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 0, "lost", 4, &error));
    bnb_producer_close(&producer, -1);
    return holds(topic, NULL, 0);
}

static bool is_fenced_after(const char *name, const char *timeout_ms)
{
    struct bnb_error error = {0, ""};
    struct bnb_producer *producer;
    char topic[64];
    CHECK(create(name, topic))
    const char *const pairs[] = {"transactional.id", topic, "transaction.timeout.ms", timeout_ms,
                                 NULL};
    struct bnb_config *config = config_of(pairs);
    NEED(bnb_producer_create(config, &producer, &error));
    bnb_config_destroy(&config);
    NEED(bnb_producer_init_transactions(producer, &error));
    NEED(bnb_producer_begin_transaction(producer, &error));
    NEED(send_one(producer, topic, 0, "lost", 4, &error));
    NEED(bnb_producer_flush(producer, -1));
    CHECK(holds(topic, NULL, 0)) /* comes to the end once it is aborted */
    /* With an epoch a transaction it looks like another try of an end: INVALID_TXN_STATE. */
    int result = bnb_producer_commit_transaction(producer, &error);
    CHECK(result == (newer ? 48 : 90))
    CHECK(bnb_producer_transaction_state(producer) == BNB_TRANSACTION_FATAL)
    bnb_producer_close(&producer, -1);
    return true;
}

/* The coordinator aborts what takes longer than transaction.timeout.ms, and fences the producer.
 * Where the machine stands still, the short time may be over before there is anything to abort. */
static bool is_fenced_when_it_takes_too_long(void)
{
    return is_fenced_after("late", "300") || is_fenced_after("later", "20000");
}

static int run_scenario(void)
{
    static const struct {
        const char *name;
        bool (*run)(void);
    } cases[] = {
        {"commits_and_aborts", commits_and_aborts},
        {"ends_what_was_empty", ends_what_was_empty},
        {"says_what_is_not_possible", says_what_is_not_possible},
        {"fences_a_zombie", fences_a_zombie},
        {"goes_on_after_an_abortable_error", goes_on_after_an_abortable_error},
        {"sends_offsets", sends_offsets},
        {"offsets_of_a_past_member_are_refused", offsets_of_a_past_member_are_refused},
        {"close_aborts_what_is_open", close_aborts_what_is_open},
        {"is_fenced_when_it_takes_too_long", is_fenced_when_it_takes_too_long},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool passed = cases[i].run();
        failed += !passed;
        printf("%s %s%s%s\n", passed ? "PASS" : "FAIL", cases[i].name, passed ? "" : ": ",
               passed ? "" : why);
        fflush(stdout);
    }
    printf("done\n");
    return failed > 0;
}

/* ---- copying ---- */

static void step(struct bnb_producer *producer, const char *name)
{
    if (stops_at == NULL || strcmp(name, stops_at) != 0) {
        return;
    }
    char line[16];
    stops_at = "commit";
    bnb_producer_flush(producer, SECONDS * 1000);
    printf("stopped\n");
    fflush(stdout);
    (void)!fgets(line, sizeof line, stdin);
}

/* One transaction, of counted records. Nonzero: it did not come to its end; it is aborted unless
 * that is no longer possible. */
static int copy_some(struct bnb_producer *producer, struct bnb_consumer *consumer,
                     const char *target, size_t *counted, struct bnb_error *error)
{
    const struct bnb_consumer_record *records;
    size_t count;
    int result = bnb_consumer_poll(consumer, 200, &records, &count, error);
    *counted = count;
    if (result != 0 || count == 0) {
        return result;
    }
    result = bnb_producer_begin_transaction(producer, error);
    if (result != 0) {
        return result;
    }
    step(producer, "begin");
    for (size_t i = 0; i < count && result == 0; i++) {
        result = send_one(producer, target, records[i].partition, records[i].value,
                          records[i].value_size, error);
    }
    if (result == 0) {
        step(producer, "produce");
        result = send_positions(producer, consumer, error);
    }
    if (result == 0) {
        step(producer, "offsets");
        do {
            result = bnb_producer_commit_transaction(producer, error);
        } while (result == BNB_ERROR_TIMEOUT);
    }
    if (result == 0) {
        step(producer, "commit");
    } else if (bnb_producer_transaction_state(producer) != BNB_TRANSACTION_FATAL) {
        struct bnb_error unused;
        (void)bnb_producer_abort_transaction(producer, &unused);
    }
    return result;
}

static int64_t copied_so_far(struct bnb_consumer *consumer, const char *source,
                             struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct bnb_topic_partition where[PARTITIONS];
    const struct bnb_consumer_offset *found;
    int64_t sum = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        where[p] = (struct bnb_topic_partition){source, p};
    }
    int result = bnb_consumer_committed(consumer, memory, where, PARTITIONS, &found, error);
    for (int32_t p = 0; result == 0 && p < PARTITIONS; p++) {
        sum += found[p].offset > 0 ? found[p].offset : 0;
    }
    bnb_memory_destroy(&memory);
    return result == 0 ? sum : -1;
}

/* One life of a copier: until everything is copied (0), or something has failed. */
static int copy_once(const char *source, const char *target, int64_t wanted,
                     struct bnb_error *error)
{
    struct bnb_producer *producer = NULL;
    struct bnb_consumer *consumer = NULL;
    char name[64];
    snprintf(name, sizeof name, "%s-copier", source);
    int result = producer_of(name, &producer, error);
    if (result == 0) {
        result = consumer_of(name, &consumer, error);
    }
    if (result == 0) {
        result = bnb_consumer_subscribe(consumer, &source, 1, NULL, error);
    }
    if (result == 0) {
        step(producer, "init");
    }
    int64_t copied = 0;
    while (result == 0 && copied < wanted) {
        size_t count;
        result = copy_some(producer, consumer, target, &count, error);
        if (result == 0 && count == 0) {
            copied = copied_so_far(consumer, source, error);
            result = copied < 0 ? error->code : 0;
        }
    }
    bnb_consumer_close(&consumer);
    bnb_producer_close(&producer, 1000);
    return result;
}

static int copy(char **argv)
{
    struct bnb_error error = {0, ""};
    while (copy_once(argv[3], argv[4], atol(argv[5]), &error) != 0) {
        const struct timespec pause = {0, 100 * 1000 * 1000};
        fprintf(stderr, "once more: %d %s\n", error.code, error.text);
        nanosleep(&pause, NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *given = getenv("COPIER_PROTOCOL");
    protocol = given != NULL ? given : "classic";
    newer = getenv("TRANSACTION_VERSION") == NULL || atoi(getenv("TRANSACTION_VERSION")) >= 2;
    stops_at = getenv("COPIER_STOPS_AT");
    if (argc < 4) {
        return 2;
    }
    bootstrap = argv[2];
    topics = argv[3];
    copies = strcmp(argv[1], "copy") == 0 && argc == 6;
    return copies ? copy(argv) : run_scenario();
}
