/* raft.h: the state of one node in the metadata quorum (KIP-595), as a pure state machine.
 *
 *   unattached --(sole voter)--> prospective --> candidate --> leader --> resigned
 *
 * The node that drives it tells it what happened (events) and carries out what it wants (effects),
 * in order. So far a quorum has one voter: itself. What several voters add are events for their
 * messages and effects that send them; roles, epochs and the rule of the high watermark stay.
 * Invariants: the epoch never goes back; a role changes only along the table in raft.c; the vote
 * and the epoch are durable before a candidate leads; high watermark <= synced offset <= log end
 * offset; nothing is committed before a record of the leader's own epoch is.
 * Thread: one.   Errors: none; a broken belief is an assert. */
#ifndef BNB_RAFT_RAFT_H
#define BNB_RAFT_RAFT_H

#include <stdbool.h>
#include <stdint.h>

enum raft_role {
    RAFT_UNATTACHED,
    RAFT_PROSPECTIVE,
    RAFT_CANDIDATE,
    RAFT_LEADER,
    RAFT_RESIGNED,
    RAFT_ROLE_COUNT,
};

/* What is kept in the file quorum-state. */
struct raft_durable {
    int32_t epoch;
    int32_t leader_id; /* -1: none */
    int32_t voted_id;  /* -1: none */
};

enum raft_effect_kind {
    RAFT_PERSIST,              /* write durable, sync it, then raft_persisted */
    RAFT_APPEND_LEADER_CHANGE, /* append the first batch of epoch, then raft_appended */
    RAFT_ACTIVE,               /* a record of this epoch is committed: the controller may begin */
    RAFT_COMMITTED,            /* the high watermark is now offset */
};
struct raft_effect {
    enum raft_effect_kind kind;
    struct raft_durable durable;
    int32_t epoch;
    int64_t offset;
};
#define RAFT_EFFECTS_MAX 8
struct raft_effects {
    struct raft_effect items[RAFT_EFFECTS_MAX];
    int count;
};

struct raft {
    int32_t node_id;
    enum raft_role role;
    struct raft_durable durable;
    int64_t log_end_offset;
    int64_t synced_offset;
    int64_t epoch_start_offset;
    int64_t high_watermark; /* -1: not known in this epoch */
    bool active;
};

/* A node as it comes up: what its files say. last_log_epoch: of the last batch, or 0. */
void raft_start(struct raft *raft, int32_t node_id, const struct raft_durable *durable,
                int32_t last_log_epoch, int64_t log_end_offset, struct raft_effects *effects);
/* The newest durable state is on the disk. */
void raft_persisted(struct raft *raft, struct raft_effects *effects);
/* The log grew. */
void raft_appended(struct raft *raft, int64_t log_end_offset, struct raft_effects *effects);
/* All below offset is on the disk. */
void raft_synced(struct raft *raft, int64_t offset, struct raft_effects *effects);
void raft_resign(struct raft *raft);

static inline bool raft_is_leader(const struct raft *raft) { return raft->role == RAFT_LEADER; }
const char *raft_role_name(enum raft_role role);

#endif
