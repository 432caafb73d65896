/* world.h: one run: a node that lives, dies and starts again, and the clients around it.
 *
 * A life ends in one of the ways of enum sim_death, at an effect or a time that the seed chooses.
 * The last life is quiet: no fault, the clients come to rest, everything is read once more and the
 * node is stopped; then nothing of it may be left open. */
#ifndef BNB_SIM_WORLD_H
#define BNB_SIM_WORLD_H

#include "sim.h"

struct world_result {
    uint64_t history;
    int64_t effects;
    int64_t acknowledged; /* records */
    int64_t commits;      /* of offsets, acknowledged */
    int64_t transactions; /* committed */
    int32_t deaths[SIM_DEATHS];
    bool failed;
    char failure[512];
};
void world_run(uint64_t seed, bool verbose, struct world_result *result);

#endif
