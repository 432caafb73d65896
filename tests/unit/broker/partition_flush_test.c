/* Syncs of partitions: gathered, waited for, failed, due by age; and whose files stay open. A shard
 * without connections over a disk that counts and, when told so, fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "broker/partition_internal.h"
#include "protocol/error.h"

#define PARTITIONS 3
#define NOW_MS 1700000000000

static struct {
    char root[64];
    struct io_operations operations;
    struct io_fs fs;
    struct log_dir dir;
    struct broker broker;
    struct broker_shard *shard;
    struct partition *partitions[PARTITIONS];
    atomic_int syncs;
    int files; /* open ones */
    int sync_error;
    bool fatal;
} test;

static int disk_sync(struct io_file *file)
{
    test.syncs++;
    return test.sync_error != 0 ? test.sync_error : io_fs_linux().operations->sync(file);
}

static int disk_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file *file)
{
    int error = io_fs_linux().operations->open(fs, path, flags, file);
    test.files += error == 0;
    return error;
}

static void disk_close(struct io_file *file)
{
    test.files--;
    io_fs_linux().operations->close(file);
}

static void on_fatal(void *context, const char *why)
{
    (void)context;
    (void)why;
    test.fatal = true;
}

static void open_partition(struct partition *partition, int32_t index, int64_t flush_messages)
{
    char path[128];
    snprintf(path, sizeof path, "%s/topic-%d", test.root, index);
    struct log_options options = {.fs = &test.fs,
                                  .directory = path,
                                  .config = log_config_default(),
                                  .clean_shutdown = true,
                                  .now_ms = NOW_MS,
                                  .random = 1};
    options.config.flush_messages = flush_messages;
    *partition = (struct partition){.key.partition = index,
                                    .shard = test.shard,
                                    .dir = &test.broker.dirs[0],
                                    /* None: one that begins would ask for a sync as well. */
                                    .leader_epoch = -1,
                                    .isr_count = 1,
                                    .min_insync_replicas = 1};
    list_init(&partition->watches);
    list_init(&partition->waits);
    list_init(&partition->flush_node);
    list_init(&partition->open_node);
    assert_int_equal(log_open(&options, &partition->log, NULL), 0);
    assert_int_equal(log_assign_epoch(partition->log, partition->leader_epoch), 0);
}

static void open_all(int64_t flush_messages)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        open_partition(test.partitions[i], i, flush_messages);
    }
    test.syncs = 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&test, 0, sizeof test);
    snprintf(test.root, sizeof test.root, "/tmp/barnabas-flush-XXXXXX");
    assert_non_null(mkdtemp(test.root));
    test.operations = *io_fs_linux().operations;
    test.operations.sync = disk_sync;
    test.operations.open = disk_open;
    test.operations.close = disk_close;
    test.fs.operations = &test.operations;
    test.shard = &test.broker.shards[0];
    test.broker.options.dir_count = 1;
    test.broker.options.on_fatal = on_fatal;
    test.broker.dirs[0].dir = &test.dir;
    test.dir.path = test.root;
    test.dir.fs = &test.fs;
    test.shard->broker = &test.broker;
    list_init(&test.shard->flushes[0].due);
    writer_init(&test.shard->scratch, 1 << 20);
    assert_int_equal(loop_create(2, &test.shard->loop), 0);
    partition_files_init(test.shard, 1);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        test.partitions[i] = mem_need(sizeof *test.partitions[i] + 1);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        log_abandon(&test.partitions[i]->log);
        mem_free(test.partitions[i]);
    }
    loop_timer_cancel(test.shard->loop, &test.shard->files_timer);
    loop_destroy(&test.shard->loop);
    writer_release(&test.shard->scratch);
    assert_int_equal(log_dir_remove_tree(&test.fs, test.root), 0);
    return 0;
}

struct seen_wait {
    struct partition_wait wait;
    int16_t error;
    bool done;
};

static void wait_done(struct partition_wait *wait, int16_t error)
{
    struct seen_wait *seen = CONTAINER_OF(wait, struct seen_wait, wait);
    seen->error = error;
    seen->done = true;
}

/* Appends one record; whether the answer has to wait, which it then does. */
static bool append(struct partition *partition, bool acks_all, struct seen_wait *seen)
{
    struct writer writer;
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct record record = {.timestamp_ms = NOW_MS, .value = {(const uint8_t *)"x", 1}};
    header.base_timestamp_ms = NOW_MS;
    writer_init(&writer, 1000);
    batch_builder_init(&builder, &writer, &header);
    batch_builder_add(&builder, &record);
    assert_int_equal(batch_builder_finish(&builder), 0);
    struct log_append_result result;
    bool wait_needed;
    struct partition_append append = {
        .data = writer.data, .size = writer.size, .api_version = 9, .acks_all = acks_all};
    assert_int_equal(partition_append(partition, &append, &result, &wait_needed), 0);
    writer_release(&writer);
    if (wait_needed && seen != NULL) {
        *seen = (struct seen_wait){.wait = {.required_offset = result.last_offset,
                                            .done = wait_done}};
        partition_add_wait(partition, &seen->wait);
    }
    return wait_needed;
}

/* What the end of a turn and the helpers do until nothing is under way. */
static void turn(void)
{
    partition_run_flushes(test.shard);
    loop_drain(test.shard->loop);
}

static void flush__one_job_syncs_all_that_is_due_in_a_turn(void **state)
{
    (void)state;
    struct seen_wait seen[PARTITIONS];
    struct seen_wait later;
    open_all(1);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_true(append(test.partitions[i], i > 0, &seen[i]));
        assert_int_equal(test.partitions[i]->high_watermark, 0);
    }
    assert_int_equal(test.shard->flushes[0].due_count, PARTITIONS);
    partition_run_flushes(test.shard);
    assert_int_equal(test.shard->flushes[0].due_count, 0);
    assert_true(test.shard->flushes[0].running);
    /* What comes meanwhile waits for the next. */
    assert_true(append(test.partitions[1], true, &later));
    loop_drain(test.shard->loop);
    assert_int_equal(test.syncs, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_true(seen[i].done);
        assert_int_equal(seen[i].error, 0);
        assert_int_equal(test.partitions[i]->high_watermark, 1);
        assert_int_equal(log_recovery_point(test.partitions[i]->log), 1);
    }
    assert_false(later.done);
    assert_int_equal(test.shard->flushes[0].due_count, 1);
    turn();
    assert_true(later.done);
    assert_int_equal(test.partitions[1]->high_watermark, 2);
    assert_int_equal(test.syncs, PARTITIONS + 1);
}

static void flush__those_that_become_due_during_a_sync_go_together_with_the_next(void **state)
{
    (void)state;
    struct seen_wait seen[PARTITIONS];
    open_all(1);
    append(test.partitions[0], true, &seen[0]);
    partition_run_flushes(test.shard);
    append(test.partitions[1], true, &seen[1]);
    append(test.partitions[2], true, &seen[2]);
    partition_run_flushes(test.shard);
    assert_int_equal(test.shard->flushes[0].due_count, 2);
    loop_drain(test.shard->loop);
    assert_true(seen[0].done);
    assert_false(seen[1].done || seen[2].done);
    turn();
    assert_true(seen[1].done && seen[2].done);
    assert_int_equal(test.syncs, PARTITIONS);
}

static void flush__messages_count_since_the_last_sync(void **state)
{
    (void)state;
    struct seen_wait seen;
    open_all(3);
    assert_false(append(test.partitions[0], true, NULL));
    assert_false(append(test.partitions[0], true, NULL));
    assert_int_equal(test.partitions[0]->high_watermark, 2);
    assert_int_equal(test.shard->flushes[0].due_count, 0);
    /* The answer waits whatever acks say: the sync is a part of the append. */
    assert_true(append(test.partitions[0], false, &seen));
    turn();
    assert_true(seen.done);
    assert_int_equal(log_recovery_point(test.partitions[0]->log), 3);
    assert_false(append(test.partitions[0], true, NULL));
}

static void flush__an_epoch_is_written_soon_after_its_first_record(void **state)
{
    (void)state;
    char path[256];
    uint8_t *text;
    size_t size;
    open_all(INT64_MAX);
    struct partition *partition = test.partitions[0];
    partition->leader_epoch = 7;
    snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log_directory(partition->log));
    assert_int_equal(log_assign_epoch(partition->log, 7), 0);
    turn();
    assert_int_equal(io_read_whole(&test.fs, path, 1000, &text, &size), ERR_NOT_FOUND);
    assert_false(append(partition, true, NULL));
    turn();
    assert_int_equal(io_read_whole(&test.fs, path, 1000, &text, &size), 0);
    assert_string_equal((char *)text, "0\n1\n7 0\n");
    mem_free(text);
    assert_false(append(partition, true, NULL));
    assert_int_equal(test.shard->flushes[0].due_count, 0);
}

static void flush__a_failed_sync_takes_the_directory_offline(void **state)
{
    (void)state;
    struct seen_wait seen;
    open_all(1);
    test.sync_error = ERR_IO;
    append(test.partitions[0], true, &seen);
    turn();
    assert_true(seen.done);
    assert_int_equal(seen.error, KAFKA_KAFKA_STORAGE_ERROR);
    assert_int_equal(test.partitions[0]->high_watermark, 0);
    assert_true(atomic_load(&test.broker.dirs[0].offline));
    assert_true(test.dir.offline); /* so that no mark of a clean end is left in it */
    assert_true(test.fatal);
}

static void flush__ms_counts_from_the_last_sync_and_needs_something_to_sync(void **state)
{
    (void)state;
    open_all(INT64_MAX);
    struct partition *partition = test.partitions[0];
    struct log_config config = *log_config(partition->log);
    config.flush_ms = 1000;
    log_set_config(partition->log, &config);
    partition->flushed_ms = NOW_MS;
    partition_flush_if_old(partition, NOW_MS + 1000);
    assert_int_equal(test.shard->flushes[0].due_count, 0);
    assert_false(append(partition, true, NULL));
    partition_flush_if_old(partition, NOW_MS + 999);
    assert_int_equal(test.shard->flushes[0].due_count, 0);
    partition_flush_if_old(partition, NOW_MS + 1000);
    assert_int_equal(test.shard->flushes[0].due_count, 1);
    turn();
    assert_int_equal(log_recovery_point(partition->log), 1);
    assert_int_equal(partition->flushed_ms, loop_wall_ms(test.shard->loop));
}

/* What a sync has seen is not there any more, and what is in its place was not synced. */
static void flush__one_of_before_a_truncation_commits_nothing_behind_it(void **state)
{
    (void)state;
    struct seen_wait seen;
    open_all(1);
    struct partition *partition = test.partitions[0];
    for (int i = 0; i < 4; i++) {
        append(partition, false, NULL);
    }
    partition_run_flushes(test.shard);
    assert_int_equal(log_truncate_to(partition->log, 1), 0);
    append(partition, false, NULL);
    append(partition, true, &seen);
    loop_drain(test.shard->loop);
    assert_true(partition->high_watermark <= 1);
    assert_false(seen.done);
    turn();
    assert_true(seen.done);
    assert_int_equal(partition->high_watermark, 3);
}

static void flush__no_more_go_together_than_may_have_files_open(void **state)
{
    (void)state;
    open_all(1);
    for (int i = 0; i < PARTITIONS; i++) {
        log_close_idle_files(test.partitions[i]->log, INT64_MAX);
    }
    test.shard->open_max = 2;
    for (int i = 0; i < PARTITIONS; i++) {
        partition_touch(test.partitions[i]);
        append(test.partitions[i], true, NULL);
    }
    partition_run_flushes(test.shard);
    assert_int_equal(test.shard->flushes[0].due_count, PARTITIONS - 2);
    loop_drain(test.shard->loop);
    turn();
    for (int i = 0; i < PARTITIONS; i++) {
        assert_int_equal(log_recovery_point(test.partitions[i]->log), 1);
    }
    assert_int_equal(test.shard->open_count, 2);
    for (int i = 0; i < PARTITIONS; i++) {
        partition_forget_files(test.partitions[i]);
    }
}

static void flush__a_partition_that_goes_is_not_synced(void **state)
{
    (void)state;
    open_all(1);
    append(test.partitions[0], false, NULL);
    append(test.partitions[1], false, NULL);
    partition_forget_flush(test.partitions[0]);
    turn();
    assert_int_equal(test.syncs, 1);
    assert_int_equal(log_recovery_point(test.partitions[0]->log), 0);
}

static void files__those_used_longest_ago_close_when_there_are_too_many(void **state)
{
    (void)state;
    open_all(INT64_MAX);
    for (int i = 0; i < PARTITIONS; i++) {
        log_close_idle_files(test.partitions[i]->log, INT64_MAX);
    }
    assert_int_equal(test.files, 0);
    test.shard->open_max = 2;
    for (int i = 0; i < PARTITIONS; i++) {
        partition_touch(test.partitions[i]);
        append(test.partitions[i], true, NULL);
    }
    assert_int_equal(test.shard->open_count, 2);
    assert_int_equal(test.files, 2);
    assert_true(list_empty(&test.partitions[0]->open_node));
    /* Used again, 1 outlives 2. */
    partition_touch(test.partitions[1]);
    partition_touch(test.partitions[0]);
    append(test.partitions[0], true, NULL);
    assert_true(list_empty(&test.partitions[2]->open_node));
    assert_int_equal(test.files, 2);
    for (int i = 0; i < PARTITIONS; i++) {
        partition_forget_files(test.partitions[i]);
    }
    assert_int_equal(test.shard->open_count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(flush__one_job_syncs_all_that_is_due_in_a_turn),
        CASE(flush__those_that_become_due_during_a_sync_go_together_with_the_next),
        CASE(flush__messages_count_since_the_last_sync),
        CASE(flush__an_epoch_is_written_soon_after_its_first_record),
        CASE(flush__a_failed_sync_takes_the_directory_offline),
        CASE(flush__ms_counts_from_the_last_sync_and_needs_something_to_sync),
        CASE(flush__one_of_before_a_truncation_commits_nothing_behind_it),
        CASE(flush__no_more_go_together_than_may_have_files_open),
        CASE(flush__a_partition_that_goes_is_not_synced),
        CASE(files__those_used_longest_ago_close_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
