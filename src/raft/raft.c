#include "raft/raft.h"

#include "base/assert.h"

#define TO(role) (1u << RAFT_##role)

/* Allowed changes of role, as in KRaft's QuorumState for a voter without peers. */
static const struct {
    const char *name;
    unsigned next;
} roles[RAFT_ROLE_COUNT] = {
    [RAFT_UNATTACHED] = {"unattached", TO(PROSPECTIVE)},
    [RAFT_PROSPECTIVE] = {"prospective", TO(CANDIDATE) | TO(UNATTACHED)},
    [RAFT_CANDIDATE] = {"candidate", TO(LEADER) | TO(PROSPECTIVE) | TO(UNATTACHED)},
    [RAFT_LEADER] = {"leader", TO(RESIGNED) | TO(UNATTACHED)},
    [RAFT_RESIGNED] = {"resigned", TO(UNATTACHED)},
};

const char *raft_role_name(enum raft_role role)
{
    ASSERT(role < RAFT_ROLE_COUNT);
    return roles[role].name;
}

/* What must hold in each role. */
static void raft_check(const struct raft *raft)
{
    ASSERT(raft->role < RAFT_ROLE_COUNT);
    ASSERT(raft->durable.epoch >= 0);
    ASSERT(raft->durable.leader_id >= -1 && raft->durable.voted_id >= -1);
    ASSERT(!raft->active || raft->role == RAFT_LEADER);
    ASSERT(raft->synced_offset <= raft->log_end_offset);
    ASSERT(raft->high_watermark <= raft->synced_offset);
    switch (raft->role) {
    case RAFT_UNATTACHED:
    case RAFT_PROSPECTIVE:
    case RAFT_RESIGNED:
        ASSERT(!raft->active);
        break;
    case RAFT_CANDIDATE:
        ASSERT(raft->durable.voted_id == raft->node_id);
        ASSERT(!raft->active);
        break;
    case RAFT_LEADER:
        ASSERT(raft->durable.leader_id == raft->node_id);
        ASSERT(raft->epoch_start_offset <= raft->log_end_offset);
        /* Only a record of the own epoch commits what came before it (the thesis, 3.6.2). */
        ASSERT(raft->high_watermark < 0 || raft->high_watermark > raft->epoch_start_offset);
        break;
    case RAFT_ROLE_COUNT:
        ASSERT(false);
        break;
    }
}

static void raft_set_role(struct raft *raft, enum raft_role role)
{
    ASSERT(role < RAFT_ROLE_COUNT);
    ASSERT((roles[raft->role].next & (1u << role)) != 0);
    raft->role = role;
    if (role != RAFT_LEADER) {
        raft->active = false;
        raft->high_watermark = -1;
    }
    raft_check(raft);
}

static struct raft_effect *raft_want(struct raft_effects *effects, enum raft_effect_kind kind)
{
    ASSERT(effects->count < RAFT_EFFECTS_MAX);
    struct raft_effect *effect = &effects->items[effects->count++];
    *effect = (struct raft_effect){.kind = kind};
    return effect;
}

static void raft_persist(const struct raft *raft, struct raft_effects *effects)
{
    raft_want(effects, RAFT_PERSIST)->durable = raft->durable;
}

/* The sole voter needs nobody's leave: it raises the epoch and votes for itself. */
static void raft_campaign(struct raft *raft, struct raft_effects *effects)
{
    ASSERT(raft->role == RAFT_UNATTACHED);
    raft_set_role(raft, RAFT_PROSPECTIVE);
    int32_t before = raft->durable.epoch;
    raft->durable.epoch++;
    raft->durable.voted_id = raft->node_id;
    raft->durable.leader_id = -1;
    raft_set_role(raft, RAFT_CANDIDATE);
    ASSERT(raft->durable.epoch == before + 1);
    raft_persist(raft, effects);
}

void raft_start(struct raft *raft, int32_t node_id, const struct raft_durable *durable,
                int32_t last_log_epoch, int64_t log_end_offset, struct raft_effects *effects)
{
    ASSERT(node_id >= 0 && log_end_offset >= 0);
    ASSERT(last_log_epoch < INT32_MAX && durable->epoch < INT32_MAX); /* there is a next one */
    *raft = (struct raft){.node_id = node_id,
                          .role = RAFT_UNATTACHED,
                          .durable = *durable,
                          .log_end_offset = log_end_offset,
                          .high_watermark = -1,
                          .epoch_start_offset = -1};
    effects->count = 0;
    if (raft->durable.epoch < last_log_epoch) {
        raft->durable = (struct raft_durable){last_log_epoch, -1, -1};
    }
    raft_check(raft);
    raft_campaign(raft, effects);
}

void raft_persisted(struct raft *raft, struct raft_effects *effects)
{
    effects->count = 0;
    ASSERT(raft->role == RAFT_CANDIDATE || raft->role == RAFT_LEADER);
    if (raft->role == RAFT_LEADER) {
        return;
    }
    ASSERT(raft->durable.voted_id == raft->node_id);
    ASSERT(raft->durable.leader_id == -1 || raft->durable.leader_id == raft->node_id);
    raft->durable.leader_id = raft->node_id;
    raft->epoch_start_offset = raft->log_end_offset;
    raft_set_role(raft, RAFT_LEADER);
    /* The vote is what had to be durable first; who leads may follow beside the work. */
    raft_persist(raft, effects);
    raft_want(effects, RAFT_APPEND_LEADER_CHANGE)->epoch = raft->durable.epoch;
}

/* With one voter its own disk is the majority. */
static void raft_commit(struct raft *raft, struct raft_effects *effects)
{
    if (raft->role != RAFT_LEADER || raft->synced_offset <= raft->epoch_start_offset ||
        raft->synced_offset <= raft->high_watermark) {
        return;
    }
    ASSERT(raft->synced_offset > raft->high_watermark);
    raft->high_watermark = raft->synced_offset;
    raft_want(effects, RAFT_COMMITTED)->offset = raft->high_watermark;
    if (!raft->active) {
        raft->active = true;
        raft_want(effects, RAFT_ACTIVE)->epoch = raft->durable.epoch;
    }
}

void raft_appended(struct raft *raft, int64_t log_end_offset, struct raft_effects *effects)
{
    effects->count = 0;
    ASSERT(raft->role == RAFT_LEADER);
    ASSERT(log_end_offset > raft->log_end_offset);
    raft->log_end_offset = log_end_offset;
    raft_check(raft);
}

void raft_synced(struct raft *raft, int64_t offset, struct raft_effects *effects)
{
    effects->count = 0;
    ASSERT(offset <= raft->log_end_offset);
    if (offset > raft->synced_offset) {
        raft->synced_offset = offset;
        raft_commit(raft, effects);
    }
    raft_check(raft);
}

void raft_resign(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        raft_set_role(raft, RAFT_RESIGNED);
    }
}
