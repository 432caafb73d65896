/* transact_facts.h: what writers in transactions and a reader of what is committed know.
 *
 * A writer counts its transactions. One that it never asked to commit is never read; one whose
 * commit was acknowledged is read, all of it, in every partition, once the reader has come to an
 * end behind which nothing is open; one whose commit got no answer is read as a whole or not at
 * all. Offsets that were sent in transactions are those of the last one that committed. Only what
 * was not synced may be forgotten (transact_facts_lose): of transactions until then anything goes.
 */
#ifndef BNB_SIM_TRANSACT_FACTS_H
#define BNB_SIM_TRANSACT_FACTS_H

#include "sim.h"

#define TRANSACT_WRITERS 2
#define TRANSACT_PARTITIONS 2
#define TRANSACT_RECORDS_MAX 3

enum transact_state {
    TRANSACT_OPEN,   /* nobody has asked to commit it */
    TRANSACT_NEVER,  /* and nobody will */
    TRANSACT_UNSURE, /* somebody has */
    TRANSACT_COMMITTED,
    TRANSACT_EXCUSED,
};
struct transact_fact {
    enum transact_state state;
    bool has_offset;
    bool committed_before; /* the pass over a partition that is under way */
    uint8_t count[TRANSACT_PARTITIONS];
    uint8_t seen[TRANSACT_PARTITIONS]; /* in that pass */
};
struct transact_facts {
    struct sim *sim;
    struct transact_fact *facts[TRANSACT_WRITERS];
    size_t count[TRANSACT_WRITERS];
    size_t capacity[TRANSACT_WRITERS];
    int32_t generation; /* of losses */
    int64_t commits;    /* acknowledged ones */
    int64_t reads;      /* records, all passes together */
};

void transact_facts_init(struct transact_facts *facts, struct sim *sim);
void transact_facts_release(struct transact_facts *facts);
/* A new transaction of a writer: its number. */
size_t transact_facts_begin(struct transact_facts *facts, int32_t writer);
void transact_facts_ended(struct transact_facts *facts, int32_t writer, size_t number,
                          enum transact_state state);
/* What a record of it carries. */
uint64_t transact_value(int32_t writer, size_t number, int32_t partition, uint8_t index);
void transact_facts_pass(struct transact_facts *facts, int32_t partition);
void transact_facts_read(struct transact_facts *facts, int32_t partition, uint64_t value);
/* nothing_open: the last stable offset was the high watermark. */
void transact_facts_passed(struct transact_facts *facts, int32_t partition, bool nothing_open);
/* The stable offset of a writer's partition: the number of a transaction, or -1. */
void transact_facts_offset(struct transact_facts *facts, int32_t writer, int64_t offset);
void transact_facts_lose(struct transact_facts *facts);

#endif
