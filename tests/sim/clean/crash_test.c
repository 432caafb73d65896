/* A cleaning on the simulator's disk, which dies at each of its effects in turn, in every way in
 * which a disk or a process can: afterwards the log says what it said, and is cleaned on. */
#include "clean_support.h"

#include "disk.h"
#include "log/log_internal.h"

#define BATCHES 40

struct crash {
    struct sim sim;
    struct disk disk;
    struct store store;
    int64_t fixed_from; /* the active segment: nothing of it may be missing */
    int64_t checkpoint; /* what would stand in cleaner-offset-checkpoint */
};

static void crash_begin(struct crash *crash, uint64_t seed)
{
    sim_init(&crash->sim, seed, false);
    sim_world = &crash->sim;
    disk_init(&crash->disk, &crash->sim);
    store_init(&crash->store, &crash->disk.fs, seed);
    snprintf(crash->store.directory, sizeof crash->store.directory, "/topic-0");
    crash->store.config.segment_bytes = 2000;
    assert_int_equal(store_open(&crash->store, START_CLEAN, 0), 0);
    assert_int_equal(store_fill(&crash->store, BATCHES), 0);
    assert_int_equal(log_roll(crash->store.log), 0);
    assert_int_equal(log_flush(crash->store.log), 0);
    disk_sync_all(&crash->disk);
    crash->fixed_from = log_active(crash->store.log)->base_offset;
    crash->checkpoint = -1;
}

/* Two rounds, the second past the horizons that the first has set: 0, or an error. */
static int crash_clean(struct crash *crash)
{
    struct store *store = &crash->store;
    int error = 0;
    for (int round = 0; error == 0 && round < 2; round++) {
        store->cleaned_offset = -1;
        error = store_clean(store, (struct clean_how){0});
        if (error == 0) {
            crash->checkpoint = store->cleaned_offset;
            store->now_ms += store->config.delete_retention_ms + 1;
        }
    }
    return error;
}

static int forbid_leftovers(void *context, const char *name, bool is_directory)
{
    (void)context;
    (void)is_directory;
    assert_null(strstr(name, ".cleaned."));
    assert_null(strstr(name, ".swap"));
    size_t size = strlen(name);
    assert_false(size > 8 && strcmp(name + size - 8, ".cleaned") == 0);
    return 0;
}

static void crash_check(struct crash *crash)
{
    struct store *store = &crash->store;
    struct reader_state reader;
    assert_int_equal(log_end_offset(store->log), store->model_end);
    store_read(store, crash->fixed_from, &reader);
    store_check_values(store, &reader, store->model_end);
}

static void crash_restart(struct crash *crash, enum sim_death death)
{
    struct store *store = &crash->store;
    log_abandon(&store->log);
    crash->sim.dead = false;
    crash->sim.effects_left = -1;
    crash->sim.faults_left = 0;
    if (death == SIM_POWER_LOSS) {
        disk_after_power_loss(&crash->disk);
    } else {
        disk_after_death(&crash->disk);
    }
    enum start start = death == SIM_PROCESS_DEATH ? START_KILLED : START_POWER_LOST;
    int64_t recovery_point = store_random(store, 2) == 0 ? 0 : store->model_end;
    assert_int_equal(store_open(store, start, recovery_point), 0);
}

static void crash_after(struct crash *crash, enum sim_death death)
{
    struct store *store = &crash->store;
    if (store_random(store, 2) == 0) {
        /* Meanwhile the policy has changed. */
        store->config.clean_compact = false;
    }
    crash_restart(crash, death);
    assert_int_equal(io_list(store->fs, store->directory, forbid_leftovers, NULL), 0);
    crash_check(crash);
    store->config.clean_compact = true;
    log_set_config(store->log, &store->config);
    /* Twice from where the checkpoint says, past all horizons. */
    for (int round = 0; round < 2; round++) {
        store->cleaned_offset = crash->checkpoint;
        assert_true(store_clean(store, (struct clean_how){0}) >= 0);
        crash_check(crash);
        store->now_ms += store->config.delete_retention_ms + 1;
    }
    store->cleaned_offset = -1;
    assert_int_equal(store_clean(store, (struct clean_how){0}), 0);
    crash_check(crash);
}

static void crash_end(struct crash *crash)
{
    log_abandon(&crash->store.log);
    disk_release(&crash->disk);
    sim_world = NULL;
}

static int64_t count_effects(struct crash *crash, uint64_t seed)
{
    crash_begin(crash, seed);
    int64_t before = crash->sim.effect_count;
    assert_int_equal(crash_clean(crash), 0);
    crash_check(crash);
    int64_t count = crash->sim.effect_count - before;
    crash_end(crash);
    return count;
}

static void die_everywhere(enum sim_death death, uint64_t seeds, int64_t step)
{
    struct crash *crash = mem_need(sizeof *crash);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        int64_t effects = count_effects(crash, seed);
        assert_true(effects > 100);
        for (int64_t at = (int64_t)seed % step; at < effects; at += step) {
            crash_begin(crash, seed);
            crash->sim.death = death;
            crash->sim.effects_left = at;
            crash->sim.faults_left = 1;
            int error = crash_clean(crash);
            assert_true(error < 0 || (death != SIM_PROCESS_DEATH && death != SIM_POWER_LOSS));
            crash->sim.random += (uint64_t)at;
            crash_after(crash, death);
            crash_end(crash);
        }
    }
    mem_free(crash);
}

static void clean__the_process_dies_at_every_effect(void **state)
{
    (void)state;
    die_everywhere(SIM_PROCESS_DEATH, 2, 1);
}

static void clean__the_power_goes_at_every_effect(void **state)
{
    (void)state;
    die_everywhere(SIM_POWER_LOSS, 4, 1);
}

static void clean__the_disk_fails_at_every_effect(void **state)
{
    (void)state;
    die_everywhere(SIM_IO_ERROR, 2, 2);
    die_everywhere(SIM_NO_SPACE, 2, 3);
    die_everywhere(SIM_SYNC_ERROR, 2, 3);
    die_everywhere(SIM_READ_ONLY, 2, 3);
}

static int find_swap(void *context, const char *name, bool is_directory)
{
    bool *found = context;
    (void)is_directory;
    *found |= strcmp(name, "00000000000000000000.log.swap") == 0;
    return 0;
}

/* Dies at that effect: whether the replacement of the first segment is ready, and not in place. */
static bool crash_dies_in_swap(struct crash *crash, uint64_t seed, int64_t at)
{
    bool found = false;
    crash_begin(crash, seed);
    crash->sim.death = SIM_PROCESS_DEATH;
    crash->sim.effects_left = at;
    crash->sim.faults_left = 1;
    assert_true(crash_clean(crash) < 0);
    crash->sim.dead = false;
    assert_int_equal(io_list(crash->store.fs, crash->store.directory, find_swap, &found), 0);
    return found;
}

/* A restart puts a replacement in its place; then a sync fails while the same segment is cleaned
 * once more. What the restart did is on the disk by then, whatever the directory forgets. */
static void clean__a_sync_fails_after_a_restart(void **state)
{
    (void)state;
    struct crash *crash = mem_need(sizeof *crash);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        int64_t effects = count_effects(crash, seed);
        for (int64_t at = 0; at < effects; at++) {
            bool swaps = crash_dies_in_swap(crash, seed, at);
            crash_end(crash);
            for (int try = 0; swaps && try < 16; try++) {
                assert_true(crash_dies_in_swap(crash, seed, at));
                crash->sim.random += (uint64_t)(at * 100 + try);
                crash_restart(crash, SIM_PROCESS_DEATH);
                crash->sim.death = SIM_SYNC_ERROR;
                crash->sim.effects_left = 10 + try;
                crash->sim.faults_left = 1;
                (void)store_clean(&crash->store, (struct clean_how){0});
                crash_after(crash, SIM_SYNC_ERROR);
                crash_end(crash);
            }
        }
    }
    mem_free(crash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean__a_sync_fails_after_a_restart),
        cmocka_unit_test(clean__the_process_dies_at_every_effect),
        cmocka_unit_test(clean__the_power_goes_at_every_effect),
        cmocka_unit_test(clean__the_disk_fails_at_every_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
