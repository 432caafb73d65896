#include "compacted.h"

#include "base/mem.h"
#include "coordinator/transaction/transaction.h"
#include "protocol/error.h"

#define ARENA_BYTES (1u << 24)
#define EXPIRATION_MS 3600000
#define TIMEOUT_MS 60000

static const char *const ids[] = {"t", "u", "v"};

/* A coordinator with its log in memory. */
struct world {
    struct transaction_coordinator *transactions;
    struct runtime *runtime;
    struct runtime_time now;
    struct arena arena; /* of all requests and responses */
    struct writer log;
    int64_t log_end_offset;
    int64_t next_producer_id;
    bool keep_markers; /* they are not written */
};

static void world_open(struct world *world)
{
    struct transaction_options options = {.seed = 7,
                                          .max_timeout_ms = 900000,
                                          .id_expiration_ms = EXPIRATION_MS,
                                          .abort_interval_ms = 10000,
                                          .remove_interval_ms = 600000};
    writer_init(&world->log, 1u << 24);
    arena_init(&world->arena, ARENA_BYTES);
    assert_int_equal(transaction_coordinator_create(&options, &world->transactions), 0);
    world->runtime = transaction_coordinator_runtime(world->transactions);
    transaction_coordinator_set_version(world->transactions, TRANSACTION_VERSION_BUMPED);
}

static void world_release(struct world *world)
{
    transaction_coordinator_destroy(&world->transactions);
    writer_release(&world->log);
    arena_release(&world->arena);
}

static void append(struct world *world)
{
    struct runtime_batch *batch;
    while ((batch = runtime_next_batch(world->runtime)) != NULL) {
        size_t start = world->log.size;
        assert_int_equal(runtime_batch_build(batch, 0, &world->log), 0);
        batch_patch_base_offset(world->log.data + start, world->log_end_offset);
        world->log_end_offset += (int64_t)batch->count;
        runtime_appended(world->runtime, batch, 0, world->log_end_offset - 1, world->now);
    }
    runtime_committed(world->runtime, world->log_end_offset, world->now);
}

static void settle(struct world *world)
{
    const struct transaction_markers *markers;
    struct runtime_note *note;
    append(world);
    while (!world->keep_markers &&
           (markers = transaction_next_markers(world->transactions)) != NULL) {
        char id[8];
        snprintf(id, sizeof id, "%.*s", (int)markers->transactional_id.size,
                 markers->transactional_id.data);
        transaction_markers_taken(world->transactions);
        transaction_markers_written(world->transactions, string_view_of(id), world->now);
        append(world);
    }
    while (runtime_take_reply(world->runtime) != NULL) {
    }
    while ((note = runtime_take_note(world->runtime)) != NULL) {
        mem_free(note);
    }
}

static void pass(struct world *world, int64_t ms)
{
    int64_t end_ms = world->now.monotonic_ms + ms;
    int64_t next_ms;
    while ((next_ms = runtime_next_deadline_ms(world->runtime)) <= end_ms) {
        int64_t step_ms = next_ms - world->now.monotonic_ms;
        world->now.monotonic_ms += step_ms > 0 ? step_ms : 0;
        world->now.wall_ms += step_ms > 0 ? step_ms : 0;
        runtime_tick(world->runtime, world->now);
        settle(world);
    }
    world->now.wall_ms += end_ms - world->now.monotonic_ms;
    world->now.monotonic_ms = end_ms;
}

static const void *ask(struct world *world, int16_t api_key, int16_t version, const void *request)
{
    struct runtime_call *call = arena_alloc(&world->arena, sizeof *call);
    *call = (struct runtime_call){.api_key = api_key,
                                  .api_version = version,
                                  .request = request,
                                  .arena = &world->arena,
                                  .new_producer_id = world->next_producer_id++};
    runtime_handle(world->runtime, call, world->now);
    settle(world);
    assert_non_null(call->response);
    return call->response;
}

/* ---- what it went through ---- */

struct producer {
    const char *id;
    int64_t producer_id;
    int16_t epoch;
};

static void init(struct world *world, struct producer *producer)
{
    struct init_producer_id_request request;
    init_producer_id_request_default(&request);
    request.transactional_id = string_view_of(producer->id);
    request.transaction_timeout_ms = TIMEOUT_MS;
    request.producer_id = -1;
    request.producer_epoch = -1;
    const struct init_producer_id_response *told;
    do { /* what is open is aborted first */
        told = ask(world, API_INIT_PRODUCER_ID, 5, &request);
    } while (told->error_code == KAFKA_CONCURRENT_TRANSACTIONS);
    assert_int_equal(told->error_code, 0);
    producer->producer_id = told->producer_id;
    producer->epoch = told->producer_epoch;
}

static void add(struct world *world, const struct producer *producer, int32_t partition)
{
    struct transaction_partition added = {string_view_of("topic"), partition};
    struct transaction_add request = {.transactional_id = string_view_of(producer->id),
                                      .producer_id = producer->producer_id,
                                      .producer_epoch = producer->epoch,
                                      .version = TRANSACTION_VERSION_BUMPED,
                                      .partitions = &added,
                                      .count = 1};
    const struct transaction_added *told = ask(world, API_ADD_PARTITIONS_TO_TXN, 5, &request);
    assert_int_equal(told->error, 0);
}

static void end(struct world *world, struct producer *producer, bool commit)
{
    struct end_txn_request request = {string_view_of(producer->id), producer->producer_id,
                                      producer->epoch, commit};
    const struct end_txn_response *told = ask(world, API_END_TXN, 5, &request);
    assert_int_equal(told->error_code, 0);
    producer->producer_id = told->producer_id;
    producer->epoch = told->producer_epoch;
}

/* ---- what it knows ---- */

static void dump_id(struct world *world, const char *id, struct dump *dump)
{
    struct string_view name = string_view_of(id);
    const struct describe_transactions_response_transaction_state *told =
        ask(world, API_DESCRIBE_TRANSACTIONS, 0, &name);
    say(dump, "%s: error %d, %.*s, %lld in epoch %d, %d ms, since %lld\n", id, told->error_code,
        (int)told->transaction_state.size, told->transaction_state.data,
        (long long)told->producer_id, told->producer_epoch, told->transaction_timeout_ms,
        (long long)told->transaction_start_time_ms);
    for (int32_t i = 0; i < told->topics.count; i++) {
        for (int32_t j = 0; j < told->topics.items[i].partitions.count; j++) {
            say(dump, "  %.*s-%d\n", (int)told->topics.items[i].topic.size,
                told->topics.items[i].topic.data, told->topics.items[i].partitions.items[j]);
        }
    }
}

static void dump_markers(struct world *world, struct dump *dump)
{
    const struct transaction_markers *markers;
    while ((markers = transaction_next_markers(world->transactions)) != NULL) {
        say(dump, "markers of %.*s: %lld in epoch %d, commit %d, version %d, %d partitions\n",
            (int)markers->transactional_id.size, markers->transactional_id.data,
            (long long)markers->producer_id, markers->producer_epoch, markers->commit,
            markers->version, markers->count);
        transaction_markers_taken(world->transactions);
    }
}

/* Now, when transactions have timed out, and when ids have expired. */
static void dump_all(struct world *world, struct dump *dump)
{
    dump->size = 0;
    for (int later = 0; later < 3; later++) {
        dump_markers(world, dump);
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
            dump_id(world, ids[i], dump);
        }
        struct transaction_counts counts = transaction_coordinator_counts(world->transactions);
        say(dump, "%lld ids, %lld ongoing\n", (long long)counts.ids, (long long)counts.ongoing);
        world->keep_markers = true;
        pass(world, later == 0 ? 2 * TIMEOUT_MS : EXPIRATION_MS);
    }
}

static void check_variants(const struct world *world)
{
    struct compacted_log log;
    struct dump *whole = test_calloc(1, sizeof *whole);
    struct dump *part = test_calloc(1, sizeof *part);
    uint64_t made = 0;
    compacted_read(&log, world->log.data, world->log.size);
    for (uint64_t i = 0; i < compacted_variants(&log); i++) {
        struct world loaded = {.now = world->now,
                               .log_end_offset = world->log_end_offset,
                               .keep_markers = true};
        bool gone[COMPACTED_RECORDS_MAX];
        uint64_t variant = compacted_variant(&log, i);
        if (!compacted_choose(&log, variant, gone)) {
            continue;
        }
        made++;
        world_open(&loaded);
        assert_int_equal(compacted_load(&log, gone, loaded.runtime), 0);
        runtime_loaded(loaded.runtime, loaded.now);
        settle(&loaded);
        dump_all(&loaded, i == 0 ? whole : part);
        if (i > 0 && strcmp(whole->text, part->text) != 0) {
            print_error("variant %llu\n---- of all\n%s---- of what is left\n%s",
                        (unsigned long long)variant, whole->text, part->text);
            fail();
        }
        world_release(&loaded);
    }
    assert_true(made > 3);
    test_free(whole);
    test_free(part);
}

/* Goal (field fault 11): what compaction leaves of the records of transactions gives the same
 * transactions, at each step of them. */
static void compacted__transactions_at_each_step(void **state)
{
    (void)state;
    struct world world = {.now = {1000, 1700000000000}, .next_producer_id = 1000};
    struct producer t = {.id = "t"};
    struct producer u = {.id = "u"};
    world_open(&world);
    runtime_loaded(world.runtime, world.now);
    init(&world, &t);
    add(&world, &t, 1);
    add(&world, &t, 2);
    end(&world, &t, true);
    init(&world, &u);
    check_variants(&world);
    add(&world, &t, 3);
    add(&world, &u, 1);
    check_variants(&world);
    end(&world, &t, false);
    init(&world, &u); /* aborts what is open */
    check_variants(&world);
    world_release(&world);
}

/* Goal: a decision whose markers are not written is kept; so is one of an id that was gone. */
static void compacted__decisions_and_ids_that_come_again(void **state)
{
    (void)state;
    struct world world = {.now = {1000, 1700000000000}, .next_producer_id = 1000};
    struct producer t = {.id = "t"};
    struct producer u = {.id = "u"};
    world_open(&world);
    runtime_loaded(world.runtime, world.now);
    init(&world, &t);
    add(&world, &t, 1);
    end(&world, &t, true);
    pass(&world, 3 * EXPIRATION_MS / 2); /* the id expires: a tombstone */
    check_variants(&world);
    init(&world, &t);
    init(&world, &u);
    add(&world, &u, 7);
    world.keep_markers = true;
    add(&world, &t, 5);
    end(&world, &t, true);
    check_variants(&world);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compacted__transactions_at_each_step),
        cmocka_unit_test(compacted__decisions_and_ids_that_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
