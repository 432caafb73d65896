/* main.c: runs the simulator for a range of seeds, each twice when told to check the replay.
 *
 *     sim [--first SEED] [--seeds COUNT] [--replay] [--verbose] [--expect-failure]
 *
 * Prints one line for a seed that fails, with the command that replays it, and one at the end. On
 * stderr, every ten seconds, how far it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

struct arguments {
    uint64_t first;
    uint64_t seeds;
    bool replay;         /* run each seed twice and compare the histories */
    bool verbose;
    bool expect_failure; /* of a product that is broken on purpose: stop at the first */
};

#define PROGRESS_SECONDS 10

struct progress {
    double begun;
    double told;
};

static int usage(void)
{
    fprintf(stderr, "usage: sim [--first SEED] [--seeds COUNT] [--replay] [--verbose] "
                    "[--expect-failure]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
    *arguments = (struct arguments){.first = 1, .seeds = 1};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--first") == 0 && has_value) {
            arguments->first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0 && has_value) {
            arguments->seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--replay") == 0) {
            arguments->replay = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            arguments->verbose = true;
        } else if (strcmp(argv[i], "--expect-failure") == 0) {
            arguments->expect_failure = true;
        } else {
            return false;
        }
    }
    return true;
}

/* The clock of the tester, which no seed may see. */
static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell_progress(const struct progress *progress, uint64_t done, uint64_t of,
                          uint64_t failures)
{
    double spent = now_seconds() - progress->begun;
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " seeds in %.0f s (%.1f a second), %" PRIu64
            " failed\n", done, of, spent, (double)done / spent, failures);
}

static void replay(uint64_t seed, struct world_result *result)
{
    struct world_result again;
    world_run(seed, false, &again);
    if (again.history != result->history) {
        result->failed = true;
        snprintf(result->failure, sizeof result->failure, "the seed does not replay");
    }
}

static void tell_total(uint64_t run, uint64_t failures, const struct world_result *total)
{
    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRId64 " effects, %" PRId64
           " records, %" PRId64 " commits and %" PRId64
           " transactions acknowledged; %d stops, %d process deaths, %d power "
           "losses, %d failed, %d full and %d read-only disks, %d failed syncs\n",
           run, failures, total->effects, total->acknowledged, total->commits,
           total->transactions,
           total->deaths[SIM_CLEAN], total->deaths[SIM_PROCESS_DEATH],
           total->deaths[SIM_POWER_LOSS], total->deaths[SIM_IO_ERROR], total->deaths[SIM_NO_SPACE],
           total->deaths[SIM_READ_ONLY], total->deaths[SIM_SYNC_ERROR]);
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct world_result total = {.failed = false};
    uint64_t failures = 0;
    uint64_t run = 0;
    if (!parse(argc, argv, &arguments)) {
        return usage();
    }
    struct progress progress = {now_seconds(), now_seconds()};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; run < arguments.seeds; run++) {
        uint64_t seed = arguments.first + run;
        struct world_result result;
        world_run(seed, arguments.verbose, &result);
        if (arguments.replay && !result.failed) {
            replay(seed, &result);
        }
        total.effects += result.effects;
        total.acknowledged += result.acknowledged;
        total.commits += result.commits;
        total.transactions += result.transactions;
        for (size_t i = 0; i < sizeof total.deaths / sizeof *total.deaths; i++) {
            total.deaths[i] += result.deaths[i];
        }
        if (result.failed) {
            failures++;
            printf("seed %" PRIu64 ": %s\n     replay: %s --first %" PRIu64 " --verbose\n", seed,
                   result.failure, argv[0], seed);
            fflush(stdout);
            if (arguments.expect_failure) {
                return 0;
            }
        }
        if (now_seconds() - progress.told >= PROGRESS_SECONDS) {
            progress.told = now_seconds();
            tell_progress(&progress, run + 1, arguments.seeds, failures);
        }
    }
    tell_total(run, failures, &total);
    return failures > 0 || arguments.expect_failure ? 1 : 0;
}
