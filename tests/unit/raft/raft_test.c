#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/raft.h"

/* A node whose disk keeps what the effects of raft.c ask for. */
struct disk {
    struct raft raft;
    struct raft_durable durable;
    int32_t log_epoch;
    int64_t log_end;
    int64_t committed;
    int activations;
};

static void carry_out(struct disk *disk, struct raft_effects effects)
{
    for (int i = 0; i < effects.count; i++) {
        struct raft_effects next = {.count = 0};
        switch (effects.items[i].kind) {
        case RAFT_PERSIST:
            disk->durable = effects.items[i].durable;
            raft_persisted(&disk->raft, &next);
            break;
        case RAFT_APPEND_LEADER_CHANGE:
            disk->log_epoch = effects.items[i].epoch;
            raft_appended(&disk->raft, ++disk->log_end, &next);
            break;
        case RAFT_ACTIVE:
            disk->activations++;
            break;
        case RAFT_COMMITTED:
            disk->committed = effects.items[i].offset;
            break;
        }
        carry_out(disk, next);
    }
}

static void start(struct disk *disk)
{
    struct raft_effects effects;
    raft_start(&disk->raft, 4, &disk->durable, disk->log_epoch, disk->log_end, &effects);
    carry_out(disk, effects);
}

static void sync_all(struct disk *disk)
{
    struct raft_effects effects;
    raft_synced(&disk->raft, disk->log_end, &effects);
    carry_out(disk, effects);
}

static void raft__elects_a_sole_voter_without_waiting(void **state)
{
    (void)state;
    struct disk disk = {.durable = {0, -1, -1}};
    start(&disk);
    assert_true(raft_is_leader(&disk.raft));
    assert_int_equal(disk.raft.durable.epoch, 1);
    assert_int_equal(disk.durable.leader_id, 4);
    assert_int_equal(disk.log_epoch, 1);
}

static void raft__makes_the_vote_durable_before_it_leads(void **state)
{
    (void)state;
    struct raft raft;
    struct raft_effects effects;
    struct raft_durable durable = {6, 4, 4};
    raft_start(&raft, 4, &durable, 6, 10, &effects);
    assert_int_equal(raft.role, RAFT_CANDIDATE);
    assert_int_equal(effects.count, 1);
    assert_int_equal(effects.items[0].kind, RAFT_PERSIST);
    assert_int_equal(effects.items[0].durable.epoch, 7);
    assert_int_equal(effects.items[0].durable.voted_id, 4);
    assert_int_equal(effects.items[0].durable.leader_id, -1);
}

static void raft__raises_the_epoch_by_one_at_each_start(void **state)
{
    (void)state;
    struct disk disk = {.durable = {0, -1, -1}};
    for (int32_t epoch = 1; epoch <= 5; epoch++) {
        start(&disk);
        sync_all(&disk);
        assert_int_equal(disk.raft.durable.epoch, epoch);
        assert_int_equal(disk.durable.epoch, epoch);
        assert_int_equal(disk.log_end, epoch);
        raft_resign(&disk.raft);
        assert_int_equal(disk.raft.role, RAFT_RESIGNED);
    }
    assert_int_equal(disk.activations, 5);
}

static void raft__takes_the_epoch_of_the_log_when_its_file_is_older(void **state)
{
    (void)state;
    struct disk disk = {.durable = {2, -1, -1}, .log_epoch = 9, .log_end = 30};
    start(&disk);
    assert_int_equal(disk.raft.durable.epoch, 10);
    assert_int_equal(disk.durable.epoch, 10);
}

static void raft__commits_nothing_before_a_record_of_its_own_epoch(void **state)
{
    (void)state;
    struct disk disk = {.durable = {3, -1, -1}, .log_epoch = 3, .log_end = 20, .committed = -1};
    struct raft_effects effects;
    start(&disk);
    raft_synced(&disk.raft, 20, &effects); /* what older epochs left */
    assert_int_equal(effects.count, 0);
    assert_int_equal(disk.raft.high_watermark, -1);
    assert_false(disk.raft.active);
    sync_all(&disk);
    assert_int_equal(disk.committed, 21);
    assert_int_equal(disk.activations, 1);
    assert_true(disk.raft.active);
}

static void raft__commits_what_is_synced_and_not_what_is_only_appended(void **state)
{
    (void)state;
    struct disk disk = {.durable = {0, -1, -1}};
    struct raft_effects effects;
    start(&disk);
    sync_all(&disk);
    raft_appended(&disk.raft, 5, &effects);
    assert_int_equal(effects.count, 0);
    assert_int_equal(disk.raft.high_watermark, 1);
    raft_synced(&disk.raft, 3, &effects);
    assert_int_equal(disk.raft.high_watermark, 3);
    raft_synced(&disk.raft, 2, &effects); /* a sync that was overtaken */
    assert_int_equal(effects.count, 0);
    assert_int_equal(disk.raft.high_watermark, 3);
    raft_synced(&disk.raft, 5, &effects);
    assert_int_equal(effects.items[0].offset, 5);
    assert_int_equal(effects.count, 1); /* active only once */
}

static void raft__forgets_the_high_watermark_when_it_resigns(void **state)
{
    (void)state;
    struct disk disk = {.durable = {0, -1, -1}};
    start(&disk);
    sync_all(&disk);
    raft_resign(&disk.raft);
    raft_resign(&disk.raft);
    assert_false(disk.raft.active);
    assert_int_equal(disk.raft.high_watermark, -1);
    assert_string_equal(raft_role_name(disk.raft.role), "resigned");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raft__elects_a_sole_voter_without_waiting),
        cmocka_unit_test(raft__makes_the_vote_durable_before_it_leads),
        cmocka_unit_test(raft__raises_the_epoch_by_one_at_each_start),
        cmocka_unit_test(raft__takes_the_epoch_of_the_log_when_its_file_is_older),
        cmocka_unit_test(raft__commits_nothing_before_a_record_of_its_own_epoch),
        cmocka_unit_test(raft__commits_what_is_synced_and_not_what_is_only_appended),
        cmocka_unit_test(raft__forgets_the_high_watermark_when_it_resigns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
