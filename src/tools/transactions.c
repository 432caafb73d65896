/* transactions.c: kafka-transactions: looks at transactions, finds those that hang, ends them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <barnabas/transactions.h>

#include "base/mem.h"
#include "tools/argparse.h"
#include "tools/common.h"
#include "tools/tools.h"

#define MS_A_MINUTE 60000
#define TIMEOUT_MINUTES 15 /* of --max-transaction-timeout */

#define HELP_OPTION                                                                                \
    {"help", 'h', ARGS_FLAG, NULL, "Show this help and end."},                                     \
    {NULL, 0, ARGS_FLAG, NULL, NULL}
#define PLACE_OPTIONS                                                                              \
    {"topic", 0, ARGS_VALUE, "TOPIC", "The name of a topic."},                                     \
    {"partition", 0, ARGS_VALUE, "PARTITION", "The number of a partition."}

static const struct args_option tool_options[] = {
    {"version", 'v', ARGS_FLAG, NULL, "Show the version and end."},
    {"command-config", 0, ARGS_VALUE, "FILE", "A properties file for the admin client."},
    {"bootstrap-server", 0, ARGS_VALUE, "host:port", "host:port pairs of brokers."},
    HELP_OPTION};
static const struct args_option list_options[] = {
    {"duration-filter", 0, ARGS_VALUE, "DURATION_FILTER",
     "Those alone that are open for longer, in milliseconds."},
    {"transactional-id-pattern", 0, ARGS_VALUE, "TRANSACTIONAL_ID_PATTERN",
     "Those alone whose id matches a regular expression."},
    HELP_OPTION};
static const struct args_option describe_options[] = {
    {"transactional-id", 0, ARGS_VALUE, "TRANSACTIONAL_ID", "The transactional id."}, HELP_OPTION};
static const struct args_option producers_options[] = {
    {"broker-id", 0, ARGS_VALUE, "BROKER_ID", "Ask this broker, not the leader."}, PLACE_OPTIONS,
    HELP_OPTION};
static const struct args_option abort_options[] = {
    PLACE_OPTIONS,
    {"start-offset", 0, ARGS_VALUE, "START_OFFSET", "Where the transaction begins."},
    {"producer-id", 0, ARGS_VALUE, "PRODUCER_ID", "Whose it is."},
    {"producer-epoch", 0, ARGS_VALUE, "PRODUCER_EPOCH", "In which epoch."},
    {"coordinator-epoch", 0, ARGS_VALUE, "COORDINATOR_EPOCH",
     "Of the last coordinator that ended one of the producer's there."},
    HELP_OPTION};
static const struct args_option terminate_options[] = {
    {"transactionalId", 0, ARGS_VALUE, "TRANSACTIONALID", "The transactional id."}, HELP_OPTION};
static const struct args_option hanging_options[] = {
    {"broker-id", 0, ARGS_VALUE, "BROKER_ID", "Look on this broker."},
    {"max-transaction-timeout", 0, ARGS_VALUE, "MAX_TRANSACTION_TIMEOUT",
     "Only what is open for longer, in minutes (15)."},
    PLACE_OPTIONS,
    HELP_OPTION};

static const char *const tool_required[] = {"bootstrap-server", NULL};
static const char *const id_required[] = {"transactional-id", NULL};
static const char *const terminate_required[] = {"transactionalId", NULL};
static const char *const place_required[] = {"topic", "partition", NULL};
static const char *const list_longs[] = {"duration-filter", NULL};
static const char *const place_integers[] = {"broker-id", "partition", "max-transaction-timeout",
                                             NULL};
static const char *const producers_integers[] = {"broker-id", "partition", NULL};
static const char *const abort_shorts[] = {"producer-epoch", NULL};
static const char *const abort_integers[] = {"partition", "coordinator-epoch", NULL};
static const char *const abort_longs[] = {"start-offset", "producer-id", NULL};

enum action { LIST, DESCRIBE, DESCRIBE_PRODUCERS, ABORT, FIND_HANGING, TERMINATE };
static const struct argparse_command commands[] = {
    [LIST] = {.name = "list", .help = "List transactions.", .options = list_options,
              .longs = list_longs},
    [DESCRIBE] = {.name = "describe", .help = "Describe a transactional id.",
                  .options = describe_options, .required = id_required},
    [DESCRIBE_PRODUCERS] = {.name = "describe-producers",
                            .help = "What a partition knows of its producers.",
                            .options = producers_options, .required = place_required,
                            .integers = producers_integers},
    [ABORT] = {.name = "abort", .help = "Abort a transaction that hangs.",
               .options = abort_options, .required = place_required,
               .integers = abort_integers, .longs = abort_longs, .shorts = abort_shorts},
    [FIND_HANGING] = {.name = "find-hanging", .help = "Find transactions that hang.",
                      .options = hanging_options, .integers = place_integers},
    [TERMINATE] = {.name = "forceTerminateTransaction",
                   .help = "Fence the producer of an id, and abort what it has open.",
                   .options = terminate_options, .required = terminate_required},
};
static const struct argparse parser = {
    .program = "kafka-transactions.sh",
    .description = "This tool is used to analyze the transactional state of producers in the "
                   "cluster. It can be used to detect and recover from hanging transactions.",
    .tool = {.options = tool_options, .required = tool_required},
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
    .help_status = 1,
    .command_needs_tool = true,
    .commands_are_hidden = true,
};

static int fail(const struct bnb_error *error, const char *what, const char *about)
{
    fprintf(stderr, "%s%s: %s. Enable debug logging for additional detail.\n", what, about,
            error->text);
    return 1;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define NUMBER_BYTES 24
static const char *number(int64_t value, char text[NUMBER_BYTES])
{
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}
static const char *number_or_none(int64_t value, char text[NUMBER_BYTES])
{
    return value < 0 ? "None" : number(value, text);
}

/* ---- list, describe ---- */

static int list(const struct args *args, struct bnb_admin *admin, struct bnb_memory *memory)
{
    static const char *const titles[] = {"TransactionalId", "Coordinator", "ProducerId",
                                         "TransactionState"};
    struct bnb_transaction_filter filter = {
        .duration_ms = -1, .pattern = args_value(args, "transactional-id-pattern")};
    const struct bnb_transaction_listing *listings;
    int32_t count;
    struct bnb_error error;
    (void)args_number(args, "duration-filter", -1, &filter.duration_ms);
    if (bnb_admin_list_transactions(admin, memory, &filter, &listings, &count, &error) != 0) {
        return fail(&error, "Failed to list transactions", "");
    }
    struct tools_table table;
    tools_table_init(&table, sizeof titles / sizeof titles[0]);
    tools_table_row(&table, titles);
    for (int32_t i = 0; i < count; i++) {
        char coordinator[NUMBER_BYTES];
        char producer[NUMBER_BYTES];
        const char *cells[] = {listings[i].transactional_id,
                               number(listings[i].coordinator, coordinator),
                               number(listings[i].producer_id, producer), listings[i].state};
        tools_table_row(&table, cells);
    }
    tools_table_print(&table, "\t");
    tools_table_release(&table);
    return 0;
}

/* "a-0,a-1", mem_free-able. */
static char *partitions_text(const struct bnb_transaction *transaction)
{
    size_t size = 1;
    for (int32_t i = 0; i < transaction->partition_count; i++) {
        size += strlen(transaction->partitions[i].topic) + NUMBER_BYTES;
    }
    char *text = mem_calloc(1, size);
    size_t used = 0;
    for (int32_t i = 0; text != NULL && i < transaction->partition_count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s-%d", i > 0 ? "," : "",
                                 transaction->partitions[i].topic,
                                 transaction->partitions[i].partition);
    }
    return text;
}

static int describe(const struct args *args, struct bnb_admin *admin, struct bnb_memory *memory)
{
    static const char *const titles[] = {
        "CoordinatorId",        "TransactionalId",               "ProducerId",
        "ProducerEpoch",        "TransactionState",              "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions"};
    const char *id = args_value(args, "transactional-id");
    struct bnb_transaction found;
    struct bnb_error error;
    if (bnb_admin_describe_transaction(admin, memory, id, &found, &error) != 0) {
        char about[256];
        snprintf(about, sizeof about, "`%.200s`", id);
        return fail(&error, "Failed to describe transaction state of transactional-id ", about);
    }
    char coordinator[NUMBER_BYTES];
    char producer[NUMBER_BYTES];
    char epoch[NUMBER_BYTES];
    char timeout[NUMBER_BYTES];
    char start[NUMBER_BYTES];
    char duration[NUMBER_BYTES];
    char *partitions = partitions_text(&found);
    const char *cells[] = {number(found.coordinator, coordinator),
                           id,
                           number(found.producer_id, producer),
                           number(found.producer_epoch, epoch),
                           found.state,
                           number(found.timeout_ms, timeout),
                           number_or_none(found.start_ms, start),
                           found.start_ms < 0 ? "None"
                                              : number(wall_ms() - found.start_ms, duration),
                           partitions == NULL ? "" : partitions};
    struct tools_table table;
    tools_table_init(&table, sizeof titles / sizeof titles[0]);
    tools_table_row(&table, titles);
    tools_table_row(&table, cells);
    tools_table_print(&table, "\t");
    tools_table_release(&table);
    mem_free(partitions);
    return 0;
}

/* ---- partitions ---- */

static int describe_producers(const struct args *args, struct bnb_admin *admin,
                              struct bnb_memory *memory)
{
    static const char *const titles[] = {"ProducerId",   "ProducerEpoch", "LatestCoordinatorEpoch",
                                         "LastSequence", "LastTimestamp",
                                         "CurrentTransactionStartOffset"};
    int64_t broker;
    int64_t partition;
    const struct bnb_producer_state *states;
    int32_t count;
    struct bnb_error error;
    (void)args_number(args, "broker-id", -1, &broker);
    (void)args_number(args, "partition", 0, &partition);
    const char *topic = args_value(args, "topic");
    if (bnb_admin_describe_producers(admin, memory, topic, (int32_t)partition, (int32_t)broker,
                                     &states, &count, &error) != 0) {
        char about[320];
        snprintf(about, sizeof about, "%.249s-%d on %s", topic, (int)partition,
                 broker < 0 ? "leader" : "broker");
        if (broker >= 0) {
            snprintf(about + strlen(about), sizeof about - strlen(about), " %d", (int)broker);
        }
        return fail(&error, "Failed to describe producers for partition ", about);
    }
    struct tools_table table;
    tools_table_init(&table, sizeof titles / sizeof titles[0]);
    tools_table_row(&table, titles);
    for (int32_t i = 0; i < count; i++) {
        char text[6][NUMBER_BYTES];
        const char *cells[] = {number(states[i].producer_id, text[0]),
                               number(states[i].producer_epoch, text[1]),
                               number(states[i].coordinator_epoch, text[2]),
                               number(states[i].last_sequence, text[3]),
                               number(states[i].last_timestamp_ms, text[4]),
                               number_or_none(states[i].transaction_start_offset, text[5])};
        tools_table_row(&table, cells);
    }
    tools_table_print(&table, "\t");
    tools_table_release(&table);
    return 0;
}

/* The open transaction that begins at offset: 0, or the status to end with. */
static int abort_find(struct bnb_admin *admin, struct bnb_memory *memory, int64_t offset,
                      struct bnb_transaction_abort *out)
{
    const struct bnb_producer_state *states;
    int32_t count;
    struct bnb_error error;
    char about[320];
    snprintf(about, sizeof about, "%.249s-%d", out->topic, out->partition);
    if (bnb_admin_describe_producers(admin, memory, out->topic, out->partition, -1, &states,
                                     &count, &error) != 0) {
        return fail(&error, "Failed to validate producer state for partition ", about);
    }
    for (int32_t i = 0; i < count; i++) {
        if (states[i].transaction_start_offset == offset && offset >= 0) {
            out->producer_id = states[i].producer_id;
            out->producer_epoch = (int16_t)states[i].producer_epoch;
            out->coordinator_epoch =
                states[i].coordinator_epoch < 0 ? 0 : states[i].coordinator_epoch;
            return 0;
        }
    }
    fprintf(stderr, "Could not find any open transactions starting at offset %" PRId64
            " on partition %s\n", offset, about);
    return 1;
}

static int abort_open(const struct args *args, struct bnb_admin *admin, struct bnb_memory *memory)
{
    int64_t partition;
    int64_t value;
    struct bnb_transaction_abort found = {.topic = args_value(args, "topic")};
    struct bnb_error error;
    (void)args_number(args, "partition", 0, &partition);
    found.partition = (int32_t)partition;
    if (!args_has(args, "start-offset") && !args_has(args, "producer-id")) {
        fprintf(stderr, "The transaction to abort must be identified either with --start-offset "
                        "(for brokers on 3.0 or above) or with --producer-id, --producer-epoch, "
                        "and --coordinator-epoch (for older brokers)\n");
        return 1;
    }
    if (args_has(args, "start-offset")) {
        (void)args_number(args, "start-offset", 0, &value);
        int status = abort_find(admin, memory, value, &found);
        if (status != 0) {
            return status;
        }
    } else {
        static const char *const needed[] = {"producer-epoch", "coordinator-epoch"};
        for (size_t i = 0; i < 2; i++) {
            if (!args_has(args, needed[i])) {
                fprintf(stderr, "Missing required argument --%s\n", needed[i]);
                return 1;
            }
        }
        (void)args_number(args, "producer-id", 0, &found.producer_id);
        (void)args_number(args, "producer-epoch", 0, &value);
        found.producer_epoch = (int16_t)value;
        (void)args_number(args, "coordinator-epoch", 0, &value);
        found.coordinator_epoch = value < 0 ? 0 : (int32_t)value;
    }
    if (bnb_admin_abort_transaction(admin, &found, &error) != 0) {
        char about[400];
        snprintf(about, sizeof about,
                 "AbortTransactionSpec(topicPartition=%.249s-%d, producerId=%" PRId64
                 ", producerEpoch=%d, coordinatorEpoch=%d)",
                 found.topic, found.partition, found.producer_id, found.producer_epoch,
                 found.coordinator_epoch);
        return fail(&error, "Failed to abort transaction ", about);
    }
    return 0;
}

static int terminate(const struct args *args, struct bnb_admin *admin)
{
    const char *id = args_value(args, "transactionalId");
    struct bnb_error error;
    if (bnb_admin_force_terminate_transaction(admin, id, &error) != 0) {
        char about[256];
        snprintf(about, sizeof about, "`%.200s`", id);
        return fail(&error, "Failed to force terminate transactionalId ", about);
    }
    return 0;
}

/* ---- find-hanging ---- */

/* A transaction that a partition holds open for longer than any may take. */
struct candidate {
    const char *topic;
    int32_t partition;
    struct bnb_producer_state producer;
};
struct candidates {
    struct candidate *items;
    size_t count;
    size_t capacity;
};

static int collect_partition(struct bnb_admin *admin, struct bnb_memory *memory,
                             const struct candidate *place, int64_t timeout_ms, int32_t broker,
                             struct candidates *found)
{
    const struct bnb_producer_state *states;
    int32_t count;
    struct bnb_error error;
    if (bnb_admin_describe_producers(admin, memory, place->topic, place->partition, broker,
                                     &states, &count, &error) != 0) {
        char about[320];
        snprintf(about, sizeof about, "%.249s-%d", place->topic, place->partition);
        return fail(&error, "Failed to describe producers for partition ", about);
    }
    for (int32_t i = 0; i < count; i++) {
        if (states[i].transaction_start_offset < 0 ||
            wall_ms() - states[i].last_timestamp_ms <= timeout_ms) {
            continue;
        }
        if (mem_grow((void **)&found->items, &found->capacity, found->count + 1,
                     sizeof *found->items) != 0) {
            fprintf(stderr, "out of memory\n");
            return 1;
        }
        found->items[found->count] = *place;
        found->items[found->count++].producer = states[i];
    }
    return 0;
}

static bool hosts(const struct bnb_partition *partition, int64_t broker)
{
    bool found = broker < 0;
    for (int32_t i = 0; i < partition->replicas.count; i++) {
        found |= partition->replicas.ids[i] == broker;
    }
    return found;
}

/* What the options choose of the cluster. */
static int collect(const struct args *args, struct bnb_admin *admin, struct bnb_memory *memory,
                   struct candidates *found)
{
    const char *topic = args_value(args, "topic");
    const struct bnb_topic *topics;
    int32_t count;
    int64_t partition;
    int64_t broker;
    int64_t minutes;
    struct bnb_error error;
    (void)args_number(args, "partition", -1, &partition);
    (void)args_number(args, "broker-id", -1, &broker);
    (void)args_number(args, "max-transaction-timeout", TIMEOUT_MINUTES, &minutes);
    if (bnb_admin_list_topics(admin, memory, &topics, &count, &error) != 0) {
        return fail(&error, "Failed to list topics", "");
    }
    bool known = topic == NULL;
    int status = 0;
    for (int32_t i = 0; i < count && status == 0; i++) {
        if (topic != NULL && strcmp(topic, topics[i].name) != 0) {
            continue;
        }
        known = true;
        for (int32_t j = 0; j < topics[i].partition_count && status == 0; j++) {
            const struct bnb_partition *at = &topics[i].partitions[j];
            if ((partition < 0 || at->id == partition) && hosts(at, broker)) {
                struct candidate place = {.topic = topics[i].name, .partition = at->id};
                status = collect_partition(admin, memory, &place, minutes * MS_A_MINUTE,
                                           (int32_t)broker, found);
            }
        }
    }
    if (!known) {
        fprintf(stderr, "Failed to describe %d topics: This server does not host this "
                        "topic-partition.. Enable debug logging for additional detail.\n", 1);
        status = 1;
    }
    return status;
}

/* Whether some id's transaction has the partition in it. */
static int is_known(struct bnb_admin *admin, struct bnb_memory *memory,
                    const struct candidate *candidate, bool *known)
{
    struct bnb_transaction_filter filter = {.producer_ids = &candidate->producer.producer_id,
                                            .producer_id_count = 1,
                                            .duration_ms = -1};
    const struct bnb_transaction_listing *listings;
    int32_t count;
    struct bnb_error error;
    *known = false;
    if (bnb_admin_list_transactions(admin, memory, &filter, &listings, &count, &error) != 0) {
        return fail(&error, "Failed to list transactions", "");
    }
    for (int32_t i = 0; i < count; i++) {
        struct bnb_transaction found;
        if (bnb_admin_describe_transaction(admin, memory, listings[i].transactional_id, &found,
                                           &error) != 0) {
            continue; /* it is gone: then nobody ends what is open */
        }
        for (int32_t j = 0; j < found.partition_count; j++) {
            *known |= strcmp(found.partitions[j].topic, candidate->topic) == 0 &&
                      found.partitions[j].partition == candidate->partition;
        }
    }
    return 0;
}

static void add_hanging(struct tools_table *table, const struct candidate *candidate)
{
    char text[7][NUMBER_BYTES];
    int64_t age_ms = wall_ms() - candidate->producer.last_timestamp_ms;
    const char *cells[] = {candidate->topic,
                           number(candidate->partition, text[0]),
                           number(candidate->producer.producer_id, text[1]),
                           number(candidate->producer.producer_epoch, text[2]),
                           number(candidate->producer.coordinator_epoch, text[3]),
                           number(candidate->producer.transaction_start_offset, text[4]),
                           number(candidate->producer.last_timestamp_ms, text[5]),
                           number(age_ms / MS_A_MINUTE, text[6])};
    tools_table_row(table, cells);
}

static int find_hanging(const struct args *args, struct bnb_admin *admin,
                        struct bnb_memory *memory)
{
    static const char *const titles[] = {"Topic",         "Partition",        "ProducerId",
                                         "ProducerEpoch", "CoordinatorEpoch", "StartOffset",
                                         "LastTimestamp", "Duration(min)"};
    struct candidates found = {NULL, 0, 0};
    if (!args_has(args, "broker-id") && !args_has(args, "topic")) {
        fprintf(stderr, "The `find-hanging` command requires either --topic or --broker-id to "
                        "limit the scope of the search\n");
        return 1;
    }
    if (args_has(args, "partition") && !args_has(args, "topic")) {
        fprintf(stderr, "The --partition argument requires --topic to be provided\n");
        return 1;
    }
    struct tools_table table;
    tools_table_init(&table, sizeof titles / sizeof titles[0]);
    tools_table_row(&table, titles);
    int status = collect(args, admin, memory, &found);
    for (size_t i = 0; i < found.count && status == 0; i++) {
        bool known;
        status = is_known(admin, memory, &found.items[i], &known);
        if (status == 0 && !known) {
            add_hanging(&table, &found.items[i]);
        }
    }
    if (status == 0) {
        tools_table_print(&table, "\t");
    }
    tools_table_release(&table);
    mem_free(found.items);
    return status;
}

struct asked {
    struct args args;
    size_t action; /* enum action */
};

static int run(void *context, struct bnb_admin *admin, struct bnb_memory *memory)
{
    const struct asked *asked = context;
    switch ((enum action)asked->action) {
    case LIST:
        return list(&asked->args, admin, memory);
    case DESCRIBE:
        return describe(&asked->args, admin, memory);
    case DESCRIBE_PRODUCERS:
        return describe_producers(&asked->args, admin, memory);
    case ABORT:
        return abort_open(&asked->args, admin, memory);
    case TERMINATE:
        return terminate(&asked->args, admin);
    case FIND_HANGING:
        return find_hanging(&asked->args, admin, memory);
    }
    return 1;
}

int tool_transactions(int argc, char **argv)
{
    struct args global;
    struct asked asked;
    int status = argparse_start(&parser, &global, &asked.args, &asked.action, argc, argv);
    if (status >= 0) {
        return status;
    }
    const char *file = args_value(&global, "command-config");
    if (file != NULL && access(file, R_OK) != 0) {
        fprintf(stderr, "Failed to load admin client properties: %s. Enable debug logging for "
                        "additional detail.\n", file);
        return 1;
    }
    return tools_run_admin(&global, file, run, &asked);
}
