#include "transact_facts.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"

void transact_facts_init(struct transact_facts *facts, struct sim *sim)
{
    *facts = (struct transact_facts){.sim = sim};
}

void transact_facts_release(struct transact_facts *facts)
{
    for (int32_t i = 0; i < TRANSACT_WRITERS; i++) {
        mem_free(facts->facts[i]);
    }
}

size_t transact_facts_begin(struct transact_facts *facts, int32_t writer)
{
    int error = mem_grow((void **)&facts->facts[writer], &facts->capacity[writer],
                         facts->count[writer] + 1, sizeof *facts->facts[writer]);
    ASSERT(error == 0);
    struct transact_fact *fact = &facts->facts[writer][facts->count[writer]];
    *fact = (struct transact_fact){.state = TRANSACT_OPEN};
    for (int32_t i = 0; i < TRANSACT_PARTITIONS; i++) {
        fact->count[i] = (uint8_t)sim_below(facts->sim, TRANSACT_RECORDS_MAX + 1);
    }
    fact->has_offset = sim_chance(facts->sim, 50);
    return facts->count[writer]++;
}

void transact_facts_ended(struct transact_facts *facts, int32_t writer, size_t number,
                          enum transact_state state)
{
    struct transact_fact *fact = &facts->facts[writer][number];
    ASSERT(number < facts->count[writer]);
    sim_note(facts->sim, "transaction %d-%zu is %d", writer, number, state);
    if (fact->state != TRANSACT_EXCUSED && fact->state != TRANSACT_COMMITTED) {
        fact->state = state;
        facts->commits += state == TRANSACT_COMMITTED;
    }
}

uint64_t transact_value(int32_t writer, size_t number, int32_t partition, uint8_t index)
{
    return (uint64_t)(writer + 1) << 56 | (uint64_t)number << 16 | (uint64_t)partition << 8 | index;
}

void transact_facts_pass(struct transact_facts *facts, int32_t partition)
{
    for (int32_t writer = 0; writer < TRANSACT_WRITERS; writer++) {
        for (size_t i = 0; i < facts->count[writer]; i++) {
            struct transact_fact *fact = &facts->facts[writer][i];
            fact->seen[partition] = 0;
            fact->committed_before = fact->state == TRANSACT_COMMITTED;
        }
    }
}

void transact_facts_read(struct transact_facts *facts, int32_t partition, uint64_t value)
{
    uint64_t writer = (value >> 56) - 1;
    size_t number = (size_t)(value >> 16 & 0xffffffffffu);
    uint8_t index = (uint8_t)value;
    facts->reads++;
    if (writer >= TRANSACT_WRITERS || number >= facts->count[writer] ||
        (int32_t)(value >> 8 & 0xff) != partition) {
        sim_fail(facts->sim, "transacted-%d: %" PRIx64 " was read, but nobody sent it there",
                 partition, value);
        return;
    }
    struct transact_fact *fact = &facts->facts[writer][number];
    if (fact->state == TRANSACT_EXCUSED) {
        return;
    }
    if (fact->state == TRANSACT_OPEN || fact->state == TRANSACT_NEVER) {
        sim_fail(facts->sim,
                 "transacted-%d: a record of transaction %d-%zu was read as committed, but %s",
                 partition, (int)writer, number,
                 fact->state == TRANSACT_OPEN ? "it is open" : "nobody committed it");
        return;
    }
    if (index != fact->seen[partition] || index >= fact->count[partition]) {
        sim_fail(facts->sim, "transacted-%d: record %d of transaction %d-%zu was read after %d",
                 partition, index, (int)writer, number, fact->seen[partition]);
    }
    fact->seen[partition]++;
    fact->state = TRANSACT_COMMITTED;
}

void transact_facts_passed(struct transact_facts *facts, int32_t partition, bool nothing_open)
{
    for (int32_t writer = 0; writer < TRANSACT_WRITERS; writer++) {
        for (size_t i = 0; i < facts->count[writer]; i++) {
            const struct transact_fact *fact = &facts->facts[writer][i];
            if (fact->state == TRANSACT_EXCUSED ||
                fact->seen[partition] == fact->count[partition]) {
                continue;
            }
            if (fact->seen[partition] > 0 || (fact->committed_before && nothing_open)) {
                sim_fail(facts->sim,
                         "transacted-%d: of transaction %d-%zu, which is committed, %d of %d "
                         "records were read",
                         partition, writer, i, fact->seen[partition], fact->count[partition]);
            }
        }
    }
}

void transact_facts_offset(struct transact_facts *facts, int32_t writer, int64_t offset)
{
    for (size_t i = facts->count[writer]; i > 0; i--) {
        const struct transact_fact *fact = &facts->facts[writer][i - 1];
        bool is_it = offset == (int64_t)i - 1;
        if (fact->state == TRANSACT_EXCUSED) {
            return; /* this one, or any before it */
        }
        if (is_it && (!fact->has_offset || fact->state == TRANSACT_OPEN ||
                      fact->state == TRANSACT_NEVER)) {
            sim_fail(facts->sim, "writer %d: offset %" PRId64 " is told, but is not committed",
                     writer, offset);
        }
        if (is_it) {
            return;
        }
        if (fact->has_offset && fact->state == TRANSACT_COMMITTED) {
            sim_fail(facts->sim, "writer %d: offset %zu was committed, but %" PRId64 " is told",
                     writer, i - 1, offset);
            return;
        }
    }
}

void transact_facts_lose(struct transact_facts *facts)
{
    facts->generation++;
    for (int32_t writer = 0; writer < TRANSACT_WRITERS; writer++) {
        for (size_t i = 0; i < facts->count[writer]; i++) {
            facts->facts[writer][i].state = TRANSACT_EXCUSED;
        }
    }
}
