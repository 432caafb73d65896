/* The product, and allocations that fail: in many a request, in what no request began (timers,
 * mails between shards, the end of a turn, helpers' jobs), and in a start. What the simulation
 * itself needs is not meant, and neither is what no node can be without. */
#include <stdlib.h>

#include "actors.h"
#include "base/assert.h"
#include "base/mem.h"
#include "broker/dispatch.h"
#include "node/node.h"
#include "sim.h"

#define STARVED_PERCENT 30
/* A request needs few: the first are met often, the later ones by large requests. */
#define STARVED_FEW 12
#define STARVED_MANY 120
/* Pieces of work are many, and most need no memory. */
#define STARVED_WORK_PERCENT 4
#define STARVED_START_PERCENT 25
#define STARVED_START_MANY 2500

void __real_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame);
void __wrap_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame);
void *__wrap_mem_need(size_t size);
void __wrap_sim_work_begin(struct sim *sim);
void __wrap_sim_work_end(struct sim *sim);
int __real_node_run(const struct node_options *options, struct err_message *message);
int __wrap_node_run(const struct node_options *options, struct err_message *message);
void __real_audit_start(struct audit *audit);
void __wrap_audit_start(struct audit *audit);

static int64_t starved_few_or_many(struct sim *sim)
{
    return 1 + (int64_t)sim_below(sim, sim_chance(sim, 70) ? STARVED_FEW : STARVED_MANY);
}

void __wrap_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame)
{
    struct sim *sim = sim_world;
    sim->starved = true;
    if (sim_chance(sim, STARVED_PERCENT)) {
        (void)mem_fail_after(starved_few_or_many(sim));
    }
    __real_dispatch_request(context, connection, frame);
    (void)mem_fail_after(0);
}

/* One piece of work at a time, and none while a start is short. */
static bool work_is_short;
static bool start_is_short;

void __wrap_sim_work_begin(struct sim *sim)
{
    if (!sim->calm && !start_is_short && sim_chance(sim, STARVED_WORK_PERCENT)) {
        sim->starved = work_is_short = true;
        (void)mem_fail_after(starved_few_or_many(sim));
    }
}

static void starved_end(struct sim *sim, bool *what)
{
    if (*what && mem_fail_after(0) == 0) {
        sim->short_of_memory = true;
        sim_note(sim, "an allocation has failed");
    }
    *what = false;
}

void __wrap_sim_work_end(struct sim *sim) { starved_end(sim, &work_is_short); }

int __wrap_node_run(const struct node_options *options, struct err_message *message)
{
    struct sim *sim = sim_world;
    if (!sim->calm && sim_chance(sim, STARVED_START_PERCENT)) {
        sim->starved = start_is_short = true;
        (void)mem_fail_after(1 + (int64_t)sim_below(sim, STARVED_START_MANY));
    }
    int error = __real_node_run(options, message);
    starved_end(sim, &start_is_short);
    return error;
}

/* The node is ready. */
void __wrap_audit_start(struct audit *audit)
{
    starved_end(sim_world, &start_is_short);
    __real_audit_start(audit);
}

void *__wrap_mem_need(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}
