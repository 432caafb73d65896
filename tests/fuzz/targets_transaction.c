#include "targets.h"

#include <string.h>

#include "base/mem.h"
#include "base/reader.h"
#include "base/regex.h"
#include "coordinator/transaction/transaction.h"

#define CALL_BYTES_MAX (1u << 20)
#define LOG_BYTES_MAX (1u << 22)
#define WALL_MS INT64_C(1700000000000)
#define HOUR_MS INT64_C(3600000)
#define IDS_ASKED_MAX 8

/* A coordinator of transactions without a log: what it writes is taken at once, and so are
 * markers. */
struct coordinator {
    struct transaction_coordinator *transactions;
    struct runtime *runtime;
    struct runtime_time now;
    int64_t end_offset;
};
struct asked {
    struct runtime_call call;
    struct arena arena;
    bool answered;
};

static bool coordinator_open(struct coordinator *coordinator)
{
    struct transaction_options options = {.seed = 7,
                                          .max_timeout_ms = 900000,
                                          .id_expiration_ms = 24 * HOUR_MS,
                                          .abort_interval_ms = 10000,
                                          .remove_interval_ms = HOUR_MS};
    *coordinator = (struct coordinator){.now = {1000, WALL_MS}};
    if (transaction_coordinator_create(&options, &coordinator->transactions) != 0) {
        return false;
    }
    coordinator->runtime = transaction_coordinator_runtime(coordinator->transactions);
    transaction_coordinator_set_version(coordinator->transactions, 2);
    return true;
}

static void coordinator_settle(struct coordinator *coordinator)
{
    struct runtime_batch *batch;
    struct runtime_call *call;
    struct runtime_note *note;
    const struct transaction_markers *markers;
    do {
        while ((batch = runtime_next_batch(coordinator->runtime)) != NULL) {
            coordinator->end_offset += (int64_t)batch->count;
            runtime_appended(coordinator->runtime, batch, 0, coordinator->end_offset - 1,
                             coordinator->now);
            runtime_committed(coordinator->runtime, coordinator->end_offset, coordinator->now);
        }
        markers = transaction_next_markers(coordinator->transactions);
        if (markers != NULL) {
            char id[64];
            size_t size = markers->transactional_id.size < sizeof id
                              ? markers->transactional_id.size
                              : sizeof id;
            memcpy(id, markers->transactional_id.data, size);
            transaction_markers_taken(coordinator->transactions);
            transaction_markers_written(coordinator->transactions,
                                        (struct string_view){id, size}, coordinator->now);
        }
    } while (markers != NULL || runtime_next_batch(coordinator->runtime) != NULL);
    while ((call = runtime_take_reply(coordinator->runtime)) != NULL) {
        CONTAINER_OF(call, struct asked, call)->answered = true;
    }
    while ((note = runtime_take_note(coordinator->runtime)) != NULL) {
        mem_free(note);
    }
}

static void coordinator_pass(struct coordinator *coordinator, int64_t ms)
{
    int64_t end_ms = coordinator->now.monotonic_ms + ms;
    int64_t next_ms;
    while ((next_ms = runtime_next_deadline_ms(coordinator->runtime)) <= end_ms) {
        if (next_ms > coordinator->now.monotonic_ms) {
            coordinator->now.wall_ms += next_ms - coordinator->now.monotonic_ms;
            coordinator->now.monotonic_ms = next_ms;
        }
        runtime_tick(coordinator->runtime, coordinator->now);
        coordinator_settle(coordinator);
    }
    coordinator->now.wall_ms += end_ms - coordinator->now.monotonic_ms;
    coordinator->now.monotonic_ms = end_ms;
}

static const void *coordinator_ask(struct coordinator *coordinator, struct asked *asked,
                                   int16_t api_key, int16_t version, const void *request)
{
    *asked = (struct asked){.call = {.api_key = api_key,
                                     .api_version = version,
                                     .request = request,
                                     .new_producer_id = 1000}};
    arena_init(&asked->arena, CALL_BYTES_MAX);
    asked->call.arena = &asked->arena;
    runtime_handle(coordinator->runtime, &asked->call, coordinator->now);
    coordinator_settle(coordinator);
    fuzz_require(asked->answered, "nothing that is asked of transactions waits");
    return asked->call.response;
}

/* Everything that can be asked of an id. */
static void ask_id(struct coordinator *coordinator, struct string_view id)
{
    struct asked asked;
    struct asked more;
    const struct describe_transactions_response_transaction_state *state =
        coordinator_ask(coordinator, &asked, API_DESCRIBE_TRANSACTIONS, 0, &id);
    fuzz_require(state != NULL, "a description has an answer");
    struct end_txn_request end = {id, state->producer_id, state->producer_epoch, true};
    (void)coordinator_ask(coordinator, &more, API_END_TXN, 5, &end);
    arena_release(&more.arena);
    struct init_producer_id_request init;
    init_producer_id_request_default(&init);
    init.transactional_id = id;
    init.transaction_timeout_ms = 1000;
    init.producer_id = init.producer_epoch = -1;
    for (int i = 0; i < 2; i++) {
        (void)coordinator_ask(coordinator, &more, API_INIT_PRODUCER_ID, 5, &init);
        arena_release(&more.arena);
    }
    struct transaction_partition partition = {string_view_of("t"), 3};
    struct transaction_add add = {.transactional_id = id,
                                  .producer_id = state->producer_id,
                                  .producer_epoch = state->producer_epoch,
                                  .version = 2,
                                  .partitions = &partition,
                                  .count = 1};
    (void)coordinator_ask(coordinator, &more, API_ADD_PARTITIONS_TO_TXN, 5, &add);
    arena_release(&more.arena);
    arena_release(&asked.arena);
}

static void ask_all(struct coordinator *coordinator)
{
    struct asked asked;
    struct list_transactions_request request;
    list_transactions_request_default(&request);
    const struct list_transactions_response *response =
        coordinator_ask(coordinator, &asked, API_LIST_TRANSACTIONS, 1, &request);
    for (int32_t i = 0;
         response != NULL && i < response->transaction_states.count && i < IDS_ASKED_MAX; i++) {
        ask_id(coordinator, response->transaction_states.items[i].transactional_id);
    }
    arena_release(&asked.arena);
}

static void load_record(struct coordinator *coordinator, struct bytes_view key,
                        struct bytes_view value)
{
    struct writer log;
    struct batch batch;
    struct batch header = batch_header_empty(coordinator->end_offset);
    struct batch_builder builder;
    struct record record = {
        .offset = coordinator->end_offset, .timestamp_ms = WALL_MS, .key = key, .value = value};
    header.base_timestamp_ms = header.max_timestamp_ms = WALL_MS;
    writer_init(&log, LOG_BYTES_MAX);
    batch_builder_init(&builder, &log, &header);
    batch_builder_add(&builder, &record);
    if (batch_builder_finish(&builder) == 0 && batch_decode(log.data, log.size, &batch) == 0) {
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        fuzz_require(runtime_load(coordinator->runtime, &batch, records) >= 0,
                     "a batch in order is read");
        coordinator->end_offset++;
    }
    writer_release(&log);
}

void fuzz_transaction_records(const uint8_t *data, size_t size)
{
    struct coordinator coordinator;
    struct reader reader;
    if (!coordinator_open(&coordinator)) {
        return;
    }
    reader_init(&reader, data, size);
    while (reader_left(&reader) > 4) {
        struct bytes_view key = fuzz_take_part(&reader, data, size);
        struct bytes_view value = fuzz_take_part(&reader, data, size);
        load_record(&coordinator, key, value);
    }
    runtime_loaded(coordinator.runtime, coordinator.now);
    coordinator_settle(&coordinator);
    ask_all(&coordinator);
    coordinator_pass(&coordinator, HOUR_MS);
    ask_all(&coordinator);
    coordinator_pass(&coordinator, 30 * HOUR_MS);
    ask_all(&coordinator);
    runtime_unload(coordinator.runtime);
    coordinator_settle(&coordinator);
    transaction_coordinator_destroy(&coordinator.transactions);
}

/* An expression, a zero, and what it is matched with. */
void fuzz_regex(const uint8_t *data, size_t size)
{
    struct regex *regex;
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    size_t expression = end == NULL ? size : (size_t)(end - data);
    size_t text = end == NULL ? 0 : size - expression - 1;
    if (size > 0 &&
        regex_create((struct string_view){(const char *)data, expression}, &regex) == 0) {
        (void)regex_matches(
            regex, (struct string_view){(const char *)data + size - text, text});
        regex_destroy(&regex);
    }
}
