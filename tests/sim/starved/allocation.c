/* The product, and an allocation that fails in many a request. What the simulation itself needs is
 * not meant, and neither is what no node can be without. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/dispatch.h"
#include "sim.h"

#define STARVED_PERCENT 30
/* A request needs few: the first are met often, the later ones by large requests. */
#define STARVED_FEW 12
#define STARVED_MANY 120

void __real_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame);
void __wrap_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame);
void *__wrap_mem_need(size_t size);

void __wrap_dispatch_request(void *context, struct net_connection *connection,
                             struct net_frame *frame)
{
    struct sim *sim = sim_world;
    sim->starved = true;
    if (sim_chance(sim, STARVED_PERCENT)) {
        uint64_t most = sim_chance(sim, 70) ? STARVED_FEW : STARVED_MANY;
        mem_fail_after(1 + (int64_t)sim_below(sim, most));
    }
    __real_dispatch_request(context, connection, frame);
    mem_fail_after(0);
}

void *__wrap_mem_need(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}
