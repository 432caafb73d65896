/* internal.h: what the files of this folder do for each other, and for those of group/.
 * Errors, where a function gives none: false or NULL when memory is out. */
#ifndef BNB_COORDINATOR_CONSUMER_INTERNAL_H
#define BNB_COORDINATOR_CONSUMER_INTERNAL_H

#include "coordinator/consumer/state.h"
#include "protocol/messages.h"

/* ---- blocks.c ---- */

struct consumer_facts *
consumer_facts_make(struct consumer_member *member,
                    const struct consumer_group_member_metadata_value *value);
struct consumer_target *
consumer_target_make(const struct consumer_group_target_assignment_member_value *value);
struct consumer_current *
consumer_current_make(struct consumer_member *member,
                      const struct consumer_group_current_member_assignment_value *value);
struct consumer_expression *
consumer_expression_make(struct string_view regex,
                         const struct consumer_group_regular_expression_value *value);

/* ---- replay.c ---- */

int consumer_replay(struct group_coordinator *owner, int16_t type,
                    const struct runtime_record *record);

/* ---- write.c: records, also of a group that the first of them makes ---- */

struct consumer_writing {
    struct runtime *runtime;
    struct string_view group;
    struct arena *arena; /* for what is needed until the record is written */
};
void consumer_write_epoch(const struct consumer_writing *to, int32_t epoch, int64_t hash);
void consumer_write_no_partitions(const struct consumer_writing *to);
void consumer_write_facts(const struct consumer_writing *to, struct string_view member_id,
                          const struct consumer_group_member_metadata_value *value);
void consumer_write_target_epoch(const struct consumer_writing *to, int32_t epoch,
                                 int64_t assigned_ms);
void consumer_write_target(const struct consumer_writing *to, struct string_view member_id,
                           struct partition_set set);
void consumer_write_current(const struct consumer_writing *to, struct string_view member_id,
                            const struct consumer_holding *holding);
void consumer_write_expression(const struct consumer_writing *to, struct string_view regex,
                               const struct consumer_group_regular_expression_value *value);
void consumer_write_expression_end(const struct consumer_writing *to, struct string_view regex);
void consumer_write_member_end(const struct consumer_writing *to, struct string_view member_id);
/* Ends all records of the group. */
void consumer_write_end(const struct group *group);
/* What facts say as the value of a record, which points into them and into arena. */
bool consumer_facts_value(const struct consumer_facts *facts, struct arena *arena,
                          struct consumer_group_member_metadata_value *value);

/* ---- hash.c, target.c: what a group subscribes to, and who is to have it ---- */

/* names: ascending, each once. Topics that do not exist are left out; 0: there is none. */
int64_t consumer_metadata_hash(const struct cluster *cluster, const struct string_view *names,
                               size_t count);
/* All topics that somebody subscribes to, ascending, each once. */
const struct string_view *consumer_topic_names(const struct consumer_group *consumer,
                                               struct arena *arena, size_t *count);
/* Those of a member that exist, ascending. */
const struct uuid *consumer_member_topics(const struct consumer_group *consumer,
                                          const struct consumer_facts *facts,
                                          struct arena *arena, size_t *count);
struct cluster_group_settings consumer_settings(const struct group *group);
bool consumer_assignment_is_due(const struct consumer_group *consumer);
/* A new target at the epoch of the group. False: the operation fails. */
bool consumer_assign(struct group *group, struct arena *arena);
const char *consumer_assignor_name(const struct consumer_group *consumer);

/* ---- epoch.c ---- */

/* Gives the group a new epoch if bump says so, or topics have changed. */
bool consumer_refresh_epoch(struct group *group, bool bump, const char *why,
                            struct string_view member, struct arena *arena);
void consumer_begin_rebalance(struct consumer_group *consumer, const char *why,
                              struct string_view member);
/* A line on the diagnostics, if the rebalance under way is over. */
void consumer_note_progress(struct group *group);

/* ---- regex.c ---- */

enum consumer_regex_change {
    CONSUMER_REGEX_SAME,
    CONSUMER_REGEX_UNRESOLVED, /* it is another one, and nobody knows yet what it matches */
    CONSUMER_REGEX_RESOLVED,
};
/* A member changes its expression; group NULL: there is none yet. 0 or a wire error. */
int16_t consumer_change_regex(const struct group *group, const struct consumer_writing *to,
                              struct string_view before, struct string_view after,
                              struct arena *arena, enum consumer_regex_change *change,
                              struct string_view *message);
/* Begins to resolve the expressions of the group, if that is due. */
void consumer_maybe_resolve(struct group *group);
void consumer_resolution_stop(struct consumer_group *consumer);

/* ---- heartbeat.c ---- */

void consumer_heartbeat(struct group_coordinator *owner, struct runtime_call *call);
/* Answers with an error, and takes back what the operation has written. */
void consumer_heartbeat_refuse(struct group_coordinator *owner, struct runtime_call *call,
                               int16_t error, struct string_view message);
struct partition_set consumer_owned_set(const struct consumer_group_heartbeat_request *asked,
                                        struct arena *arena);
bool consumer_group_is_full(const struct group *group, struct string_view member_id);
struct string_view consumer_full_message(const struct group_coordinator *owner,
                                         struct arena *arena);
/* Names as they were sent become those of value. */
bool consumer_take_names(const struct string_view *names, int32_t count, struct arena *arena,
                         struct consumer_group_member_metadata_value *value);
/* Writes value if it says anything new of member (NULL: a new one); whether it does. */
bool consumer_update_facts(struct group_coordinator *owner, struct string_view group_id,
                           struct consumer_member *member, struct string_view member_id,
                           const struct consumer_group_member_metadata_value *value,
                           struct arena *arena, bool *names_changed);
/* Gives what a static member has to its new id. */
bool consumer_replace_static(struct group *group, struct consumer_member *old,
                             struct string_view new_id, struct arena *arena);
struct consumer_stepping {
    bool subscription_changed;
    bool owned_known;
    struct partition_set owned;
    bool untargeted; /* nothing is meant for it until the next assignment */
};
/* Brings a member one step nearer to its target: 0, FENCED_MEMBER_EPOCH, or UNKNOWN_SERVER_ERROR
 * when the operation fails. */
int16_t consumer_step(struct group *group, struct consumer_member *member,
                      const struct consumer_stepping *how, struct arena *arena);

/* ---- leave.c ---- */

struct string_view consumer_unknown_member(const struct group *group, struct string_view id,
                                           struct arena *arena);
struct string_view consumer_unknown_instance(struct string_view instance, struct arena *arena);
struct string_view consumer_fenced_instance(struct string_view id, struct string_view instance,
                                            struct string_view by, struct arena *arena);
void consumer_heard_of(struct consumer_member *member);
/* Of a group that was loaded: nobody could be heard of meanwhile. */
void consumer_begin_sessions(struct consumer_group *consumer);
/* Removes members; the group may become a classic one. False: the operation fails. */
bool consumer_fence(struct group *group, struct consumer_member *const *members, size_t count,
                    const char *why, struct arena *arena);
void consumer_session_fire(struct runtime_timer *timer);
void consumer_rebalance_fire(struct runtime_timer *timer);
void consumer_join_fire(struct runtime_timer *timer);
void consumer_sync_fire(struct runtime_timer *timer);
void consumer_leave(struct group_coordinator *owner, struct runtime_call *call);

/* ---- migrate.c: groups that change their protocol while members are there ---- */

/* Writes a classic group as one of the consumer protocol; 0 or why it cannot be one. */
int16_t consumer_upgrade(struct group *group, struct arena *arena, struct string_view *message);
/* Whether without these members the group may go on as a classic one. */
bool consumer_may_downgrade(const struct group *group, struct consumer_member *const *leaving,
                            size_t count);
/* Makes it one, without those members and with a rebalance. False: the operation fails. */
bool consumer_downgrade(struct group *group, struct consumer_member *const *leaving, size_t count,
                        const char *why, struct arena *arena);
/* The same, but the caller begins the rebalance, if there is to be one: the classic group; NULL:
 * the operation fails. */
struct group *consumer_become_classic(struct group *group,
                                      struct consumer_member *const *leaving, size_t leaving_count,
                                      int32_t generation, bool rebalance, struct arena *arena);

/* ---- embedded.c: what classic members say and hear inside their protocol ---- */

/* False: it is malformed. */
bool embedded_read_subscription(struct bytes_view bytes, struct arena *arena,
                                struct consumer_protocol_subscription *subscription);
/* Topics that do not exist are left out. */
struct partition_set embedded_owned(const struct cluster *cluster,
                                    const struct consumer_protocol_subscription *subscription,
                                    struct arena *arena);
bool embedded_read_assignment(const struct cluster *cluster, struct bytes_view bytes,
                              struct arena *arena, struct partition_set *set, bool *user_data);
/* In the version of the subscription; null: that is malformed. */
struct bytes_view embedded_write_assignment(const struct cluster *cluster,
                                            struct partition_set set,
                                            struct bytes_view subscription, struct arena *arena);

/* ---- classic_join.c, classic_member.c: members of the classic protocol ---- */

void consumer_classic_join(struct group *group, struct runtime_call *call);
/* Whether a member is classic and offers protocol. */
bool consumer_offers(const struct consumer_member *member, struct string_view protocol);
/* Whether, were one a classic member too, the group might go on as a classic one. */
bool consumer_all_classic_but(const struct group *group, const struct consumer_member *one);
void consumer_classic_sync(struct group *group, struct runtime_call *call);
int16_t consumer_classic_heartbeat(struct group *group, const struct heartbeat_request *asked,
                                   struct arena *arena);
/* Fills what became of each member. False: the operation fails. */
bool consumer_classic_leave(struct group *group, const struct leave_group_request *asked,
                            struct arena *arena, struct leave_group_response *response);

/* ---- commit.c: 0 or a wire error ---- */

struct offset_committer;
/* *behind: the member, when each partition is to be checked too; else NULL. */
int16_t consumer_check_commit(const struct group *group, const struct offset_committer *committer,
                              int16_t api_version, const struct consumer_member **behind);
int16_t consumer_check_partition(const struct consumer_member *member,
                                 const struct offset_committer *committer, struct uuid topic,
                                 int32_t partition);
int16_t consumer_check_fetch(const struct group *group, struct string_view member_id,
                             int32_t epoch);

/* ---- state.c ---- */

/* What holds between any two operations. */
void consumer_check(const struct group *group);

/* ---- describe.c ---- */

void consumer_describe(struct group_coordinator *owner, struct runtime_call *call);

#endif
