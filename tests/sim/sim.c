#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SIM_START_MS 1000000
#define SIM_LINE_BYTES 512

struct sim *sim_world;

void sim_init(struct sim *sim, uint64_t seed, bool verbose)
{
    *sim = (struct sim){
        .seed = seed,
        .random = seed,
        .history = 0xcbf29ce484222325u,
        .now_ms = SIM_START_MS,
        .verbose = verbose,
        .effects_left = -1,
    };
    list_init(&sim->agenda);
}

/* SplitMix64: any seed is a good one. */
uint64_t sim_random(struct sim *sim)
{
    sim->random += 0x9e3779b97f4a7c15u;
    uint64_t value = sim->random;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return bound == 0 ? 0 : sim_random(sim) % bound;
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

void sim_hash(struct sim *sim, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        sim->history = (sim->history ^ bytes[i]) * 0x100000001b3u;
    }
}

void sim_note(struct sim *sim, const char *format, ...)
{
    char line[SIM_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size = size < 0 ? 0 : size < SIM_LINE_BYTES ? size : SIM_LINE_BYTES - 1;
    sim_hash(sim, &sim->now_ms, sizeof sim->now_ms);
    sim_hash(sim, line, (size_t)size);
    if (sim->verbose) {
        printf("%9" PRId64 " %5" PRId64 " %s\n", sim->now_ms - SIM_START_MS, sim->effect_count,
               line);
    }
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed) {
        return;
    }
    sim->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
    sim_note(sim, "FAILED: %s", sim->failure);
}

void sim_schedule(struct sim *sim, struct sim_event *event, int64_t delay_ms)
{
    event->at_ms = sim->now_ms + delay_ms;
    event->rank = sim_random(sim);
    struct list *before = &sim->agenda;
    LIST_FOR_EACH(node, &sim->agenda)
    {
        const struct sim_event *other = CONTAINER_OF(node, struct sim_event, node);
        if (other->at_ms > event->at_ms ||
            (other->at_ms == event->at_ms && other->rank > event->rank)) {
            before = node;
            break;
        }
    }
    list_push_back(before, &event->node);
}

void sim_cancel(struct sim_event *event)
{
    list_remove(&event->node);
}

bool sim_run_due(struct sim *sim)
{
    bool any = false;
    while (!sim->dead && !list_empty(&sim->agenda)) {
        struct sim_event *event = CONTAINER_OF(sim->agenda.next, struct sim_event, node);
        if (event->at_ms > sim->now_ms) {
            break;
        }
        list_remove(&event->node);
        event->run(event);
        any = true;
    }
    return any;
}

int64_t sim_next_ms(const struct sim *sim, int64_t limit_ms)
{
    if (list_empty(&sim->agenda)) {
        return limit_ms;
    }
    int64_t at_ms = CONTAINER_OF(sim->agenda.next, struct sim_event, node)->at_ms;
    return at_ms < limit_ms ? at_ms : limit_ms;
}

void sim_work_begin(struct sim *sim) { (void)sim; }

void sim_work_end(struct sim *sim) { (void)sim; }

/* Whether this operation is one of those that the disk refuses. The mark of the boot can always be
 * removed: a file system that refuses even that is mounted anew before anybody writes to it again,
 * which is mostly another boot. */
static bool sim_fault_hits(const struct sim *sim, const char *path, bool sync)
{
    return sim->faults_left > 0 && path != NULL && strstr(path, ".barnabas_boot") == NULL &&
           (sim->fault_part == NULL || strstr(path, sim->fault_part) != NULL) &&
           (sim->death != SIM_SYNC_ERROR || sync);
}

enum sim_effect sim_count_effect(struct sim *sim, const char *path, bool sync)
{
    if (sim->dead) {
        return SIM_EFFECT_DEAD;
    }
    sim->effect_count++;
    if (sim->effects_left > 0) {
        sim->effects_left--;
        return SIM_EFFECT_HAPPENS;
    }
    if (sim->effects_left < 0) {
        return SIM_EFFECT_HAPPENS;
    }
    if (sim->death == SIM_PROCESS_DEATH || sim->death == SIM_POWER_LOSS) {
        sim->effects_left = -1;
        sim->dead = true;
        return SIM_EFFECT_KILLS;
    }
    if (!sim_fault_hits(sim, path, sync)) {
        return SIM_EFFECT_HAPPENS;
    }
    sim->faults_left--;
    return SIM_EFFECT_FAILS;
}
