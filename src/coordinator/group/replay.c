/* Records of __consumer_offsets, from the log or just written, become state again. Compaction may
 * have taken any record that a later one of its key replaced, and any tombstone: what a record says
 * never depends on an earlier one being there. */
#include "coordinator/group/internal.h"

#define REPLAY_ARENA_BYTES (64u << 20)

/* A group that a tombstone ended, or that a record made. */
struct group_change {
    struct runtime_change change;
    struct group *group;
    struct classic_past past; /* of one that has ended */
};

static void group_end_settle(struct runtime_change *base, bool keep)
{
    struct group_change *change = CONTAINER_OF(base, struct group_change, change);
    if (keep) {
        group_free(change->group);
    } else {
        group_put_back(change->group);
        classic_resume(change->group, &change->past);
    }
    mem_free(change);
}

/* Members that have joined it meanwhile have joined nothing. */
static void group_made_settle(struct runtime_change *base, bool keep)
{
    struct group_change *change = CONTAINER_OF(base, struct group_change, change);
    if (!keep) {
        classic_answer_all(change->group, KAFKA_COORDINATOR_NOT_AVAILABLE);
        group_take(change->group);
        group_free(change->group);
    }
    mem_free(change);
}

static int replay_end(struct group_coordinator *owner, struct string_view id)
{
    struct group *group = group_find(owner, id);
    if (group == NULL || group->kind != GROUP_CLASSIC) {
        return 0;
    }
    ASSERT(group->joining_count == 0);
    struct group_change *change = mem_alloc(sizeof *change);
    if (change == NULL) {
        return ERR_NOMEM;
    }
    *change = (struct group_change){.change.settle = group_end_settle, .group = group};
    classic_rest(group, &change->past);
    group_take(group);
    runtime_note_change(owner->runtime, &change->change);
    return 0;
}

static bool replay_member(struct group *group, const struct group_metadata_value *value,
                          const struct group_metadata_value_member_metadata *from)
{
    struct join_group_request_join_group_request_protocol protocol = {value->protocol,
                                                                      from->subscription};
    struct classic_member_facts facts = {
        .id = from->member_id,
        .instance_id = from->group_instance_id,
        .client_id = from->client_id,
        .client_host = from->client_host,
        .protocol_type = value->protocol_type,
        .rebalance_timeout_ms = from->rebalance_timeout == -1 ? from->session_timeout
                                                              : from->rebalance_timeout,
        .session_timeout_ms = from->session_timeout,
        .protocols = &protocol,
        .protocol_count = value->protocol.data == NULL ? 0 : 1,
    };
    bool repeated = classic_member_find(group, from->member_id) != NULL ||
                    (from->group_instance_id.data != NULL &&
                     classic_static_find(group, from->group_instance_id) != NULL);
    if (repeated) {
        return true; /* once is enough */
    }
    struct classic_member *member = classic_member_add(group, &facts);
    return member != NULL && classic_member_set_assignment(member, from->assignment);
}

/* Whether a broker can have written it. */
static bool group_is_sound(const struct group_metadata_value *value)
{
    if (value->generation < 0 || value->generation == INT32_MAX) {
        return false;
    }
    for (int32_t i = 0; i < value->members.count; i++) {
        if (value->members.items[i].member_id.size == 0) {
            return false;
        }
    }
    return value->members.count <= 0 || (value->generation > 0 && value->protocol.data != NULL);
}

/* The group as the record has it, in place of whatever there was. */
static int replay_group(struct group_coordinator *owner, struct string_view id,
                        const struct group_metadata_value *value)
{
    struct group *older = group_find(owner, id);
    if (older != NULL) {
        group_take(older);
        group_free(older);
    }
    struct group *group = group_make(owner, id);
    if (group == NULL) {
        return ERR_NOMEM;
    }
    group->committed = true;
    group->generation = value->generation;
    bool whole = true;
    for (int32_t i = 0; whole && i < value->members.count; i++) {
        whole = replay_member(group, value, &value->members.items[i]);
    }
    text_free(&group->protocol_type);
    if (value->protocol_type.size > 0) {
        whole = whole && text_copy(value->protocol_type, &group->protocol_type);
    }
    whole = whole && text_copy(value->protocol, &group->protocol_name);
    if (value->leader.data != NULL && classic_member_find(group, value->leader) != NULL) {
        group->leader = classic_member_find(group, value->leader);
    }
    if (!whole) {
        group_take(group);
        group_free(group);
        return ERR_NOMEM;
    }
    if (classic_member_count(group) > 0) {
        classic_restore_stable(group);
    }
    classic_learn_topics(group);
    group->state_since_ms = value->current_state_timestamp;
    return 0;
}

/* One that was of another kind until now. */
static int replay_made(struct group_coordinator *owner, struct string_view id,
                       const struct group_metadata_value *value)
{
    struct group_change *change = mem_calloc(1, sizeof *change);
    int error = change == NULL ? ERR_NOMEM : replay_group(owner, id, value);
    if (error != 0) {
        mem_free(change);
        return error;
    }
    change->change.settle = group_made_settle;
    change->group = group_find(owner, id);
    ASSERT(change->group != NULL && change->group->kind == GROUP_CLASSIC);
    runtime_note_change(owner->runtime, &change->change);
    return 0;
}

static int replay_group_record(struct group_coordinator *owner,
                               const struct runtime_record *record, struct arena *arena)
{
    struct group_metadata_key key;
    struct group_metadata_value value;
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    int error = group_metadata_key_decode(&reader, 0, arena, &key);
    if (error != 0) {
        return error;
    }
    if (record->value.data == NULL) {
        return replay_end(owner, key.group);
    }
    if (record->offset < 0 && group_find(owner, key.group) != NULL) {
        /* Just written: the group is ahead of it already (as in Apache Kafka, which does not replay
         * these), and sees to what happens when the append fails. */
        return 0;
    }
    reader_init(&reader, record->value.data, record->value.size);
    int16_t version = reader_i16(&reader);
    error = reader.failed ? ERR_CORRUPT
                          : group_metadata_value_decode(&reader, version, arena, &value);
    if (error != 0) {
        return error;
    }
    if (record->offset < 0) {
        return replay_made(owner, key.group, &value);
    }
    return group_is_sound(&value) ? replay_group(owner, key.group, &value) : ERR_CORRUPT;
}

int group_replay(void *context, const struct runtime_record *record)
{
    struct group_coordinator *owner = context;
    ASSERT(record->offset >= -1 && record->producer_id >= -1);
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    int16_t type = reader_i16(&reader);
    if (reader.failed || type < 0 || type > GROUP_RECORD_STREAMS_LAST) {
        return ERR_CORRUPT;
    }
    if (type == GROUP_RECORD_LEGACY_OFFSET || type == GROUP_RECORD_OFFSET) {
        return offset_replay(owner, type, record);
    }
    if (type == GROUP_RECORD_GROUP) {
        struct arena arena;
        arena_init(&arena, REPLAY_ARENA_BYTES);
        int error = replay_group_record(owner, record, &arena);
        arena_release(&arena);
        return error;
    }
    if ((type >= GROUP_RECORD_CONSUMER_EPOCH && type <= GROUP_RECORD_CONSUMER_CURRENT) ||
        type == GROUP_RECORD_CONSUMER_EXPRESSION) {
        return consumer_replay(owner, type, record);
    }
    return kept_replay(owner, type, record);
}
