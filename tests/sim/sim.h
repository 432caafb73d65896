/* sim.h: the world of one simulated run: its randomness, clock, history, agenda and death.
 *
 * One seed decides everything. The world counts effects (whatever a disk or a client could notice);
 * at the one that was chosen the process dies: the disk freezes, nothing more is delivered, and the
 * node is torn down by its own code, which can change nothing any more. The history is a running
 * hash over every line noted; it is equal for equal seeds.
 * There is one world at a time (sim_world), because the seams that are replaced at link time (the
 * loop, the server, getrandom) take no context. Thread: one, for all of it. */
#ifndef BNB_SIM_SIM_H
#define BNB_SIM_SIM_H

#include "base/list.h"
#include "base/view.h"

enum sim_death {
    SIM_CLEAN,         /* asked to stop */
    SIM_PROCESS_DEATH, /* completed writes are there */
    SIM_POWER_LOSS,    /* what was synced is there, and a seeded part of the rest */
    SIM_IO_ERROR,      /* some operations fail; the node may live on or end itself */
    SIM_NO_SPACE,      /* some writes and new files find no room */
    SIM_SYNC_ERROR,    /* one sync fails, and what it was to bring to the disk never gets there */
    SIM_READ_ONLY,     /* from here on nothing can be changed */
    SIM_DEATHS,
};

/* Something that happens at a time; equal times in the order of their seeded rank. */
struct sim_event {
    struct list node;
    int64_t at_ms;
    uint64_t rank;
    void (*run)(struct sim_event *event);
};

struct sim {
    uint64_t seed;
    uint64_t random;
    uint64_t history;
    int64_t now_ms;
    bool verbose;
    struct list agenda;
    struct net *net; /* where the loops ask what is ready */

    enum sim_death death; /* of this life of the node */
    int64_t effects_left; /* until it; negative: not in this life */
    const char *fault_part; /* the faults of a disk hit paths with this part; NULL: all */
    int64_t faults_left;    /* operations that are still to fail */
    bool sync_failed;       /* in this life: what was not synced may be gone */
    int64_t slow_ms;        /* what a helper thread does takes up to so long */
    int64_t wall_offset_ms; /* of the wall clock, which jumps */
    bool dead;            /* frozen */
    int64_t effect_count;

    bool starved; /* allocations may fail, which some answers then say */
    bool calm;    /* the last life: everything must come right again */
    bool short_of_memory; /* an allocation of this life has failed outside of requests */
    bool failed; /* a checker has spoken */
    char failure[512];
};

extern struct sim *sim_world;

void sim_init(struct sim *sim, uint64_t seed, bool verbose);
uint64_t sim_random(struct sim *sim);
/* In [0, bound). */
uint64_t sim_below(struct sim *sim, uint64_t bound);
bool sim_chance(struct sim *sim, unsigned percent);
/* A line of the history; printed when verbose. */
void sim_note(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that belong to the history. */
void sim_hash(struct sim *sim, const void *data, size_t size);
/* The first failure is kept. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

void sim_schedule(struct sim *sim, struct sim_event *event, int64_t delay_ms);
void sim_cancel(struct sim_event *event);
/* Runs what is due at now_ms; false when nothing was. */
bool sim_run_due(struct sim *sim);
/* Time of the next event, at most limit_ms. */
int64_t sim_next_ms(const struct sim *sim, int64_t limit_ms);

/* Around each piece of work of the product that no request began: a mail, the timers, the end of a
 * turn, a helper's job. tests/sim/starved stands in for them. */
void sim_work_begin(struct sim *sim);
void sim_work_end(struct sim *sim);

enum sim_effect {
    SIM_EFFECT_HAPPENS,
    SIM_EFFECT_KILLS, /* the process dies in the middle of it */
    SIM_EFFECT_FAILS, /* it fails with the error of sim->death */
    SIM_EFFECT_DEAD,  /* the process is dead already */
};
/* Counts an effect and says what becomes of it. path: of a file, or NULL; sync: it is one. */
enum sim_effect sim_count_effect(struct sim *sim, const char *path, bool sync);

#endif
