/* membership.h: a consumer as a member of a group: what it asks of the coordinator, and when the
 * application is to give up or take on partitions.
 *
 * Pure: events and the time go in; membership_step says what to do next. The owner (group.c) sends
 * the request that it names, calls what it names, and asks again after each event. One request is
 * under way at a time, and one call.
 *
 *   OUT        no member: nothing is subscribed, or it has left
 *   PREPARING  what must be given back before it joins is being given back
 *   JOINING    JoinGroup is to be sent, or under way
 *   SYNCING    SyncGroup is; a leader first waits for metadata of all topics
 *   TAKING     the application gives up and takes on what has changed
 *   STABLE     heartbeats
 *   LEAVING    it gives everything back, then LeaveGroup
 *   FAILED     it may not come back: nothing is done until it subscribes anew
 *
 * membership_classic.c has the classic protocol, eager and cooperative; membership_consumer.c that
 * of KIP-848, which uses OUT, JOINING, TAKING, STABLE, LEAVING and FAILED.
 * Invariant 1: owned is what the application has been called about, and nothing else.
 * Invariant 2: while a call is outstanding the state does not move.
 * Thread: one.   Errors: ERR_NOMEM makes it FAILED with a text. */
#ifndef BNB_CLIENT_MEMBERSHIP_H
#define BNB_CLIENT_MEMBERSHIP_H

#include "client/assign.h"
#include "client/config.h"

enum membership_state {
    MEMBERSHIP_OUT,
    MEMBERSHIP_PREPARING,
    MEMBERSHIP_JOINING,
    MEMBERSHIP_SYNCING,
    MEMBERSHIP_TAKING,
    MEMBERSHIP_STABLE,
    MEMBERSHIP_LEAVING,
    MEMBERSHIP_FAILED,
};
enum membership_call {
    MEMBERSHIP_CALL_NONE,
    MEMBERSHIP_CALL_REVOKED,  /* give them back; what was read may be committed */
    MEMBERSHIP_CALL_ASSIGNED, /* they are new */
    MEMBERSHIP_CALL_LOST,     /* others may have them already */
};

struct membership {
    const struct client_config *config; /* its settings of groups */
    enum membership_state state;
    bool cooperative;
    bool is_static;
    /* what it is to be */
    bool subscribed;
    bool leaving;
    bool topics_changed; /* since it joined */
    struct arena topics_arena;
    struct string_view *topics; /* in order */
    size_t topics_count;
    struct string_view expression; /* for the coordinator to match (KIP-848); null: none */
    /* what it is */
    char *member_id; /* NULL: none yet */
    int32_t generation; /* or member epoch; -1: none */
    bool lost; /* what it has may be another's */
    bool rejoin;
    struct partition_set owned;
    struct partition_set target;
    struct partition_set last; /* what the sticky assignor gave it in that generation */
    int32_t last_generation;
    bool remembers; /* it gave something, once */
    /* the call under way */
    enum membership_call call;
    bool call_told;
    struct partition_set moving;
    struct partition_set after; /* owned, once the call is over */
    int taken; /* steps of TAKING that are done */
    /* the request under way */
    bool asking;
    struct arena arena; /* of the request */
    union {
        struct join_group_request join;
        struct sync_group_request sync;
        struct heartbeat_request heartbeat;
        struct leave_group_request leave;
        struct consumer_group_heartbeat_request consumer;
    } message;
    /* times */
    bool polled; /* since it was subscribed, or since it left for want of that */
    int64_t polled_ms;
    int64_t heartbeat_ms; /* of the next */
    int64_t retry_ms;
    int32_t failures;
    /* the leader */
    bool leads;
    bool assigns; /* its SyncGroup carries the assignment */
    enum assign_kind kind;
    struct arena group_arena;
    struct assign_member *members;
    size_t members_count;
    struct string_view *watched; /* topics of all members, some more than once */
    size_t watched_count;
    uint64_t watched_digest; /* of their partitions, when it assigned */
    uint32_t topics_version;
    uint32_t topics_seen; /* the newest version */
    uint32_t topics_asked; /* version of the topics when it became the leader */
    /* KIP-848 */
    int64_t interval_ms; /* between heartbeats, as the coordinator says */
    bool assignment_pending; /* target_ids are not in owned, or not known by name */
    struct partition_set target_ids; /* as they came, without names */
    bool ack; /* what it has changed, and the coordinator is to know */
    bool acked; /* since it joined */
    bool expression_told; /* the coordinator has one */
    bool tell_all; /* the next heartbeat carries every field */
    /* what the application is to hear; code 0: nothing */
    int code;
    char text[256];
    int failure; /* the last */
    bool failing; /* once the call is over */
};

enum membership_action {
    MEMBERSHIP_WAIT,
    MEMBERSHIP_SEND,
    MEMBERSHIP_CALL,
};
struct membership_step {
    enum membership_action action;
    int64_t wake_ms; /* of WAIT: when to ask again, INT64_MAX: after the next event */
    bool topics_wanted; /* of WAIT: newer metadata is wanted */
    /* SEND: to the coordinator */
    int16_t api_key;
    int16_t version_min;
    const struct codec_struct *request_row;
    const struct codec_struct *response_row;
    int64_t timeout_ms; /* 0: request.timeout.ms */
};

/* config lives as long as the membership. */
void membership_init(struct membership *membership, const struct client_config *config);
void membership_release(struct membership *membership);
/* Topics in any order; expression may be null. Copies them. Joins, or joins anew if they are
 * others. */
void membership_subscribe(struct membership *membership, const struct string_view *topics,
                          size_t count, struct string_view expression);
/* Gives everything back, and leaves; it is OUT then. */
void membership_leave(struct membership *membership);
/* The application polls: for max.poll.interval.ms it counts as alive. begins: a call of it has just
 * begun, so that what has failed is tried, or told, once more. */
void membership_polled(struct membership *membership, int64_t now_ms, bool begins);
/* A member that has none yet (KIP-848). Takes a copy. */
void membership_name(struct membership *membership, const char *member_id);
/* What to do now. CALL: membership->call and moving; membership_called ends it. */
void membership_next(struct membership *membership, int64_t now_ms, const struct topics *topics,
                     struct membership_step *step);
void membership_called(struct membership *membership);
/* The end of a request. error is internal (0: response is there). True: the coordinator is another,
 * or gone, and to be found. */
bool membership_answered(struct membership *membership, int64_t now_ms, int16_t api_key, int error,
                         const void *response);
/* A commit was refused with that code: a member that is none any more must know. */
void membership_refused(struct membership *membership, int16_t error_code);
/* Whether it is a member whose commits carry its id. */
bool membership_is_member(const struct membership *membership);
/* Topics whose metadata it wants: its own, or of a leader those of all. Borrowed. */
const struct string_view *membership_topics(const struct membership *membership, size_t *count);

/* For the files of the machine. */
void membership_move(struct membership *membership, enum membership_state state);
void membership_fail(struct membership *membership, int code, const char *text);
void membership_retry(struct membership *membership, int64_t now_ms);
/* Begins a call about those in moving. False: no memory, it has failed. */
bool membership_begin_call(struct membership *membership, enum membership_call call);
/* It is no member any more: what it has is lost. */
void membership_forget(struct membership *membership, bool also_its_id);
void membership_classic_next(struct membership *membership, int64_t now_ms,
                             const struct topics *topics, struct membership_step *step);
bool membership_classic_answered(struct membership *membership, int64_t now_ms, int16_t api_key,
                                 const void *response);
void membership_consumer_next(struct membership *membership, int64_t now_ms,
                              const struct topics *topics, struct membership_step *step);
bool membership_consumer_answered(struct membership *membership, int64_t now_ms,
                                  const struct consumer_group_heartbeat_response *response);
/* A request of an API, whose message is filled in. */
void membership_send(struct membership *membership, struct membership_step *step, int16_t api_key,
                     const struct codec_struct *request_row,
                     const struct codec_struct *response_row);
static inline struct string_view membership_id(const struct membership *membership)
{
    return membership->member_id != NULL ? string_view_of(membership->member_id)
                                         : (struct string_view){"", 0};
}

#endif
