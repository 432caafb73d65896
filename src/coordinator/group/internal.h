/* internal.h: what the files of this folder do for each other. */
#ifndef BNB_COORDINATOR_GROUP_INTERNAL_H
#define BNB_COORDINATOR_GROUP_INTERNAL_H

#include "base/assert.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "coordinator/consumer/internal.h"
#include "coordinator/group/state.h"
#include "coordinator/text.h"
#include "protocol/error.h"

/* ---- coordinator.c ---- */

struct group *group_find(const struct group_coordinator *owner, struct string_view id);
/* A classic group without anything in it, in the table; NULL: no memory. */
struct group *group_make(struct group_coordinator *owner, struct string_view id);
/* The same for one of the consumer protocol. */
struct group *group_make_consumer(struct group_coordinator *owner, struct string_view id);
/* Of a classic group that was just made: it is of another kind. */
void group_set_kind(struct group *group, enum group_kind kind);
/* Out of the table, still whole. */
void group_take(struct group *group);
/* Puts one back that was taken; one that was made under its name meanwhile goes. */
void group_put_back(struct group *group);
void group_free(struct group *group);
/* Records of a classic group, or of what is kept of another, which end it. */
void group_write_end(struct group *group);
bool group_is_empty(const struct group *group);
/* Whether some member reads topic, as far as is known. */
bool group_subscribes(const struct group *group, struct string_view topic);
/* In the order of their ids, mem_free-able; NULL: no memory. */
struct group **groups_sorted(const struct group_coordinator *owner, size_t *count);

/* ---- refuse.c ---- */

void group_refuse(void *context, struct runtime_call *call, int16_t error);

/* ---- replay.c ---- */

int group_replay(void *context, const struct runtime_record *record);

/* ---- kept.c ---- */

/* Takes a record of another protocol on; ERR_CORRUPT: its key cannot be read. */
int kept_replay(struct group_coordinator *owner, int16_t type, const struct runtime_record *record);
bool kept_has_members(const struct group *group);
void kept_release(struct group *group);
const char *kept_kind_name(enum group_kind kind);
const char *kept_protocol_type(enum group_kind kind);

/* ---- classic.c: states and members ---- */

void classic_init(struct group *group, uint64_t seed);
/* Members, ids, timers; nothing may be parked. */
void classic_release(struct group *group);
/* The one setter: asserts that the move is allowed and that the new state's invariant holds. */
void classic_set_state(struct group *group, enum classic_state state);
/* Of a group that was loaded with its members. */
void classic_restore_stable(struct group *group);
/* Of an empty one, whatever it was before. */
void classic_restore_state(struct group *group, enum classic_state state);
/* Before it is taken out of the table with members in it, and once it is back: timers rest. Nothing
 * is parked. */
struct classic_past {
    enum classic_state state;
    enum classic_state previous_state;
    int64_t since_ms;
};
void classic_rest(struct group *group, struct classic_past *past);
void classic_resume(struct group *group, const struct classic_past *past);
const char *classic_state_name(enum classic_state state);
void classic_check(const struct group *group);
int32_t classic_member_count(const struct group *group);
struct classic_member *classic_member_find(const struct group *group, struct string_view id);
struct classic_member *classic_static_find(const struct group *group, struct string_view instance);
struct classic_pending *classic_pending_find(const struct group *group, struct string_view id);
/* 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
int16_t classic_check_member(const struct group *group, struct string_view id,
                             struct string_view instance_id);
struct classic_member_facts {
    struct string_view id;
    struct string_view instance_id;
    struct string_view client_id;
    struct string_view client_host;
    struct string_view protocol_type;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    const struct join_group_request_join_group_request_protocol *protocols;
    int32_t protocol_count;
};
/* The first one leads. NULL: no memory. */
struct classic_member *classic_member_add(struct group *group,
                                          const struct classic_member_facts *facts);
/* False: no memory, nothing is changed. */
bool classic_member_update(struct classic_member *member,
                           const struct classic_member_facts *facts);
/* Gives it another id; false: no memory. */
bool classic_member_rename(struct classic_member *member, struct string_view id);
/* Nothing of it may be parked. */
void classic_member_remove(struct classic_member *member);
bool classic_member_set_assignment(struct classic_member *member, struct bytes_view assignment);
bool classic_member_has_protocols(const struct classic_member *member,
                                  const struct classic_member_facts *facts);
/* What it says for the group's protocol; empty when there is none. */
struct bytes_view classic_member_metadata(const struct classic_member *member);
struct classic_pending *classic_pending_add(struct group *group, struct string_view id);
void classic_pending_remove(struct classic_pending *pending);
int32_t classic_rebalance_timeout_ms(const struct group *group);
bool classic_uses_consumer_protocol(const struct group *group);

/* ---- protocol.c: what members have in common ---- */

bool classic_supports(const struct group *group, const struct classic_member_facts *facts);
/* By votes among what all support; null without members. */
struct string_view classic_choose_protocol(const struct group *group);
/* After the members or the protocol have changed. */
void classic_learn_topics(struct group *group);
void classic_topics_init(struct group *group, uint64_t seed);
void classic_forget_topics(struct group *group);
bool classic_subscribes(const struct group *group, struct string_view topic);
/* Partitions in assignment that are not in the one before; -1: not to be read. */
int32_t classic_count_moved(struct bytes_view before, struct bytes_view assignment);

/* ---- rebalance.c ---- */

void classic_prepare_rebalance(struct group *group, const char *why, struct string_view member);
void classic_maybe_prepare_rebalance(struct group *group, const char *why,
                                     struct string_view member);
/* When it waits for members and all have come. */
void classic_maybe_complete_join(struct group *group);
void classic_join_timer_fire(struct runtime_timer *timer);
void classic_sync_timer_fire(struct runtime_timer *timer);
void classic_session_timer_fire(struct runtime_timer *timer);
void classic_pending_timer_fire(struct runtime_timer *timer);
void classic_heard_of(struct classic_member *member);
/* Answers what is parked of it with error and removes it. */
void classic_expel(struct classic_member *member, int16_t error);
/* Answers everything that is parked. */
void classic_answer_all(struct group *group, int16_t error);
/* Every member's assignment goes, those that wait for one get error. */
void classic_fail_sync(struct group *group, int16_t error);
/* Has the assignments: answers those that wait and makes the group Stable. */
void classic_finish_sync(struct group *group);

/* ---- write.c ---- */

/* For a line on the diagnostics: at most size - 1 bytes, what is not printable as '?'. Returns
 * text. */
char *text_printable(struct string_view from, char *text, size_t size);

/* Writes the group as it is. write, when not NULL, is told and then freed. */
void classic_write_group(struct group *group, enum classic_assignments assignments,
                         struct classic_write *write);
/* That there is a group, whatever has happened to it since it was made in this operation. */
void classic_write_new_group(struct group *group, struct classic_write *write);
/* The same record alone: its replay makes the group. */
void classic_write_new_group_record(struct group_coordinator *owner, struct string_view id);
/* NULL: no memory. */
struct classic_write *classic_write_make(struct group *group,
                                         void (*done)(struct classic_write *, int16_t));
void classic_write_free(struct classic_write *write);

/* ---- join.c, sync.c, leave.c, admin.c ---- */

void classic_join(struct group_coordinator *owner, struct runtime_call *call);
void classic_join_refuse(struct group_coordinator *owner, struct runtime_call *call,
                         int16_t error, struct string_view member_id);
void classic_join_answer(struct classic_member *member, int16_t error);
void classic_sync(struct group_coordinator *owner, struct runtime_call *call);
void classic_sync_answer(struct classic_member *member, int16_t error);
void classic_heartbeat(struct group_coordinator *owner, struct runtime_call *call);
void classic_leave(struct group_coordinator *owner, struct runtime_call *call);
void group_list(struct group_coordinator *owner, struct runtime_call *call);
void group_describe(struct group_coordinator *owner, struct runtime_call *call);
void group_delete(struct group_coordinator *owner, struct runtime_call *call);

/* ---- offsets.c: the store ---- */

void offsets_init(struct group_coordinator *owner);
void offsets_release(struct group_coordinator *owner);
struct offset_group *offsets_of(const struct group_coordinator *owner, struct string_view group);
/* Whether there is a group because of them: not of what an open transaction has brought and a
 * tombstone has taken again. */
bool offsets_make_a_group(const struct offset_group *offsets);
/* The newest, committed or not; NULL: none, or deleted. */
const struct offset_version *offset_newest(const struct offset_entry *entry);
/* The one that is committed; NULL: none. */
const struct offset_version *offset_committed(const struct offset_entry *entry);
struct offset_entry *offset_find(const struct offset_group *group, struct string_view topic,
                                 int32_t partition);
/* The entries in order of topic and partition, mem_free-able; NULL: none, or no memory. */
struct offset_entry **offsets_sorted(const struct offset_group *group, size_t *count);
int offset_replay(struct group_coordinator *owner, int16_t type,
                  const struct runtime_record *record);
int offset_replay_marker(void *context, const struct runtime_marker *marker);
void offset_write_tombstone(struct group_coordinator *owner, const struct offset_entry *entry);
/* Tombstones for all offsets of a group. */
void offsets_write_end(struct group_coordinator *owner, struct string_view group);

/* ---- commit.c, transact.c, fetch.c, expiry.c ---- */

/* As Java counts it. */
size_t offset_metadata_length(struct string_view text);
/* Whether a member of a classic group may commit: 0 or a wire error. */
struct offset_committer {
    struct string_view member_id;
    struct string_view instance_id;
    int32_t generation;
    bool transactional;
};
int16_t offset_check_classic(const struct group *group, const struct offset_committer *committer);
void offset_commit_transactional(struct group_coordinator *owner, struct runtime_call *call);
void offset_commit(struct group_coordinator *owner, struct runtime_call *call);
void offset_fetch(struct group_coordinator *owner, struct runtime_call *call);
void offset_delete(struct group_coordinator *owner, struct runtime_call *call);
void offset_expire(struct group_coordinator *owner);

#endif
