#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "log/producer_state.h"
#include "protocol/error.h"

#define PRODUCER 7

/* A batch of one record, data or a marker, as the log hands them to the state of producers. */
static struct batch batch_of(int16_t epoch, int32_t sequence, int64_t offset, bool control)
{
    return (struct batch){
        .base_offset = offset,
        .attributes = BATCH_TRANSACTIONAL | (control ? BATCH_CONTROL : 0),
        .producer_id = PRODUCER,
        .producer_epoch = epoch,
        .base_sequence = control ? -1 : sequence,
        .record_count = 1,
        .max_timestamp_ms = 1000,
    };
}

static int verify(struct producer_state *state, int16_t epoch, int32_t sequence, bool bumps,
                  uint64_t *guard)
{
    struct producer_verification asked = {.producer_id = PRODUCER,
                                          .producer_epoch = epoch,
                                          .lowest_sequence = sequence,
                                          .begun_ms = 1000,
                                          .epoch_a_transaction = bumps};
    return producer_state_verify(state, &asked, guard);
}

static int write_data(struct producer_state *state, int16_t epoch, int32_t sequence,
                      uint64_t guard)
{
    struct batch batch = batch_of(epoch, sequence, 100 + sequence, false);
    int error = producer_state_check_guard(state, PRODUCER, epoch, guard);
    if (error == 0) {
        error = producer_state_check(state, &batch, true);
    }
    if (error == 0) {
        error = producer_state_update(state, &batch);
        producer_state_verified(state, &batch, 0);
    }
    return error;
}

static int write_marker(struct producer_state *state, int16_t epoch, int32_t coordinator_epoch,
                        int16_t version)
{
    struct batch batch = batch_of(epoch, -1, 500, true);
    struct producer_marker marker = {false, coordinator_epoch};
    int error = producer_state_check_marker(state, &batch, &marker, version);
    if (error == 0) {
        struct producer_transaction completed;
        int64_t last_stable_offset;
        error = producer_state_complete(state, &batch, &marker, &completed, &last_stable_offset);
        error = error > 0 ? 0 : error;
        producer_state_verified(state, &batch, version);
    }
    return error;
}

/* Goal: the first records of a transaction need a guard, those behind them do not, and a marker
 * ends both. */
static void verification__guard_opens_and_marker_ends(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t guard;
    producer_state_init(&state);
    assert_int_equal(write_data(&state, 0, 0, 0), err_from_wire(KAFKA_INVALID_TXN_STATE));
    assert_int_equal(verify(&state, 0, 0, false, &guard), 0);
    assert_int_not_equal(guard, 0);
    assert_int_equal(write_data(&state, 0, 0, guard + 1), err_from_wire(KAFKA_INVALID_TXN_STATE));
    assert_int_equal(write_data(&state, 0, 0, guard), 0);
    assert_true(producer_state_has_transaction(&state, PRODUCER, 0));
    assert_int_equal(write_data(&state, 0, 1, 0), 0);
    assert_int_equal(write_marker(&state, 0, 0, 0), 0);
    assert_int_equal(write_data(&state, 0, 2, guard), err_from_wire(KAFKA_INVALID_TXN_STATE));
    producer_state_release(&state);
}

/* Goal: an abort between the coordinator's answer and the append makes the answer worthless, also
 * when somebody asks once more: the guard is another. */
static void verification__marker_makes_a_guard_worthless(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t before;
    uint64_t after;
    producer_state_init(&state);
    assert_int_equal(verify(&state, 0, 0, false, &before), 0);
    assert_int_equal(write_marker(&state, 0, 0, 0), 0);
    assert_int_equal(verify(&state, 0, 0, false, &after), 0);
    assert_int_not_equal(before, after);
    assert_int_equal(write_data(&state, 0, 0, before), err_from_wire(KAFKA_INVALID_TXN_STATE));
    assert_int_equal(write_data(&state, 0, 0, after), 0);
    producer_state_release(&state);
}

/* Goal: with an epoch a transaction, the marker of the one before leaves the guard of the next. */
static void verification__marker_of_the_one_before_leaves_the_next(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t guard;
    producer_state_init(&state);
    assert_int_equal(verify(&state, 0, 0, true, &guard), 0);
    assert_int_equal(write_data(&state, 0, 0, guard), 0);
    assert_int_equal(write_marker(&state, 1, 0, 2), 0);
    assert_int_equal(verify(&state, 1, 0, true, &guard), 0);
    assert_int_equal(write_marker(&state, 1, 0, 2), 0); /* a retry */
    assert_int_equal(write_data(&state, 1, 0, guard), 0);
    producer_state_release(&state);
}

/* Goal: records that were sent later must not come before those that are being verified. */
static void verification__later_sequence_waits_for_the_first(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t guard;
    producer_state_init(&state);
    assert_int_equal(verify(&state, 0, 3, false, &guard), 0);
    assert_int_equal(verify(&state, 0, 5, false, &guard), 0);
    assert_int_equal(write_data(&state, 0, 5, guard),
                     err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_int_equal(write_data(&state, 0, 3, guard), 0);
    producer_state_release(&state);
    producer_state_init(&state);
    assert_int_equal(verify(&state, 0, 3, true, &guard), 0);
    assert_int_equal(write_data(&state, 0, 3, guard),
                     err_from_wire(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER));
    producer_state_release(&state);
}

/* Goal: markers of older producers and older coordinators are refused; with an epoch a transaction
 * so is one with the epoch of the records. */
static void verification__outdated_markers_are_refused(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t guard;
    producer_state_init(&state);
    assert_int_equal(verify(&state, 4, 0, true, &guard), 0);
    assert_int_equal(write_data(&state, 4, 0, guard), 0);
    assert_int_equal(write_marker(&state, 3, 5, 0), err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH));
    assert_int_equal(write_marker(&state, 4, 5, 2), err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH));
    assert_int_equal(write_marker(&state, 5, 5, 2), 0);
    assert_int_equal(write_marker(&state, 5, 4, 2),
                     err_from_wire(KAFKA_TRANSACTION_COORDINATOR_FENCED));
    assert_int_equal(write_marker(&state, 5, 5, 2), 0);
    assert_int_equal(verify(&state, 4, 0, true, &guard),
                     err_from_wire(KAFKA_INVALID_PRODUCER_EPOCH));
    /* The last epoch there is cannot be raised. */
    assert_int_equal(verify(&state, INT16_MAX, 0, true, &guard), 0);
    assert_int_equal(write_data(&state, INT16_MAX, 0, guard), 0);
    assert_int_equal(write_marker(&state, INT16_MAX, 5, 2), 0);
    producer_state_release(&state);
}

/* Goal: what is never written after it was verified is forgotten in time. */
static void verification__expires(void **context)
{
    (void)context;
    struct producer_state state;
    uint64_t guard;
    producer_state_init(&state);
    assert_int_equal(verify(&state, 0, 0, false, &guard), 0);
    producer_state_expire(&state, 2000, 1001);
    assert_int_equal(producer_state_check_guard(&state, PRODUCER, 0, guard), 0);
    producer_state_expire(&state, 2001, 1001);
    assert_int_equal(producer_state_check_guard(&state, PRODUCER, 0, guard),
                     err_from_wire(KAFKA_INVALID_TXN_STATE));
    producer_state_release(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verification__guard_opens_and_marker_ends),
        cmocka_unit_test(verification__marker_makes_a_guard_worthless),
        cmocka_unit_test(verification__marker_of_the_one_before_leaves_the_next),
        cmocka_unit_test(verification__later_sequence_waits_for_the_first),
        cmocka_unit_test(verification__outdated_markers_are_refused),
        cmocka_unit_test(verification__expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
