/* fixture.h: a coordinator of groups with its log in memory, driven by events and time. */
#ifndef BNB_TESTS_COORDINATOR_FIXTURE_H
#define BNB_TESTS_COORDINATOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cluster_table.h"
#include "coordinator/group/group.h"
#include "protocol/error.h"

#define ARENA_BYTES (1u << 20)

/* One call: its memory and what it asks. */
struct ask {
    struct runtime_call call;
    struct arena arena;
    bool answered;
    void *owner;
};
struct fixture {
    struct group_options options;
    struct cluster_table table;
    struct cluster cluster;
    struct group_coordinator *groups;
    struct runtime *runtime;
    struct runtime_time now;
    struct writer log; /* batches, one behind the other */
    int64_t log_end_offset;
    int64_t committed; /* the high watermark; follows log_end_offset unless it is held */
    bool hold;
    int16_t append_error; /* of the next append; then 0 */
    void (*on_answer)(struct ask *ask); /* NULL: nobody looks */
};

static inline void fixture_open(struct fixture *fixture)
{
    assert_int_equal(group_coordinator_create(&fixture->options, &fixture->groups), 0);
    fixture->runtime = group_coordinator_runtime(fixture->groups);
}

static inline void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.options = {.seed = 7,
                                            .min_session_timeout_ms = 6000,
                                            .max_session_timeout_ms = 1800000,
                                            .initial_rebalance_delay_ms = 3000,
                                            .max_size = 1000,
                                            .offset_metadata_max_bytes = 4096,
                                            .offsets_retention_ms = 1000000,
                                            .offsets_retention_check_interval_ms = 600000},
                                .now = {1000, 1700000000000}};
    table_init(&fixture->table);
    fixture->cluster = table_cluster(&fixture->table);
    table_options(&fixture->cluster, &fixture->options);
    writer_init(&fixture->log, 1u << 30);
    fixture_open(fixture);
    runtime_loaded(fixture->runtime, fixture->now);
}

static inline void fixture_release(struct fixture *fixture)
{
    group_coordinator_destroy(&fixture->groups);
    writer_release(&fixture->log);
}

/* What the driver does at the end of a turn. */
static inline void fixture_settle(struct fixture *fixture)
{
    struct runtime *runtime = fixture->runtime;
    struct runtime_batch *batch;
    do {
        while ((batch = runtime_next_batch(runtime)) != NULL) {
            int16_t error = fixture->append_error;
            fixture->append_error = 0;
            size_t start = fixture->log.size;
            if (error == 0 && runtime_batch_build(batch, 0, &fixture->log) != 0) {
                error = KAFKA_UNKNOWN_SERVER_ERROR;
                fixture->log.failed = false;
                fixture->log.size = start;
            }
            if (error == 0) {
                batch_patch_base_offset(fixture->log.data + start, fixture->log_end_offset);
                fixture->log_end_offset += (int64_t)batch->count;
            }
            runtime_appended(runtime, batch, error, fixture->log_end_offset - 1, fixture->now);
        }
        if (!fixture->hold) {
            fixture->committed = fixture->log_end_offset;
        }
        runtime_committed(runtime, fixture->committed, fixture->now);
    } while (runtime_next_batch(runtime) != NULL);
    struct runtime_call *call;
    while ((call = runtime_take_reply(runtime)) != NULL) {
        struct ask *ask = CONTAINER_OF(call, struct ask, call);
        ask->answered = true;
        if (fixture->on_answer != NULL) {
            fixture->on_answer(ask);
        }
    }
    struct runtime_note *note;
    while ((note = runtime_take_note(runtime)) != NULL) {
        mem_free(note);
    }
}

static inline void fixture_pass(struct fixture *fixture, int64_t ms)
{
    int64_t end_ms = fixture->now.monotonic_ms + ms;
    int64_t next_ms;
    while ((next_ms = runtime_next_deadline_ms(fixture->runtime)) <= end_ms) {
        int64_t step_ms = next_ms - fixture->now.monotonic_ms;
        if (step_ms > 0) {
            fixture->now.monotonic_ms += step_ms;
            fixture->now.wall_ms += step_ms;
        }
        runtime_tick(fixture->runtime, fixture->now);
        fixture_settle(fixture);
    }
    fixture->now.wall_ms += end_ms - fixture->now.monotonic_ms;
    fixture->now.monotonic_ms = end_ms;
}

static inline void ask_init(struct ask *ask, int16_t api_key, int16_t version, const void *request)
{
    *ask = (struct ask){.call = {.api_key = api_key,
                                 .api_version = version,
                                 .request = request,
                                 .client_id = string_view_of("test"),
                                 .client_host = string_view_of("/127.0.0.1")}};
    arena_init(&ask->arena, ARENA_BYTES);
    ask->call.arena = &ask->arena;
}

/* Loads what the log holds into a coordinator that was just made. */
static inline void fixture_load(struct fixture *fixture)
{
    size_t at = 0;
    while (at < fixture->log.size) {
        struct batch batch;
        assert_int_equal(batch_decode(fixture->log.data + at, fixture->log.size - at, &batch), 0);
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        assert_int_equal(runtime_load(fixture->runtime, &batch, records), 0);
        at += batch.size_bytes;
    }
    fixture->committed = fixture->log_end_offset;
    runtime_loaded(fixture->runtime, fixture->now);
    fixture_settle(fixture);
}

static inline void fixture_restart(struct fixture *fixture)
{
    group_coordinator_destroy(&fixture->groups);
    fixture_open(fixture);
    fixture_load(fixture);
}

static inline void fixture_ask(struct fixture *fixture, struct ask *ask)
{
    runtime_handle(fixture->runtime, &ask->call, fixture->now);
    fixture_settle(fixture);
}

#endif
