/* group.h: a consumer's group, on its two threads: the network thread carries the membership
 * (membership.h), finds the coordinator, commits offsets and looks up committed ones; the
 * application's thread subscribes, is called about partitions, and waits for commits.
 *
 * Both share what is said so below, under the lock of the consumer. A call goes like this: the
 * network thread sets call; the application, in poll, takes it, does what it must and sets called;
 * the network thread goes on.
 * Bounds: one request of each kind at a time, of commits GROUP_COMMITS_MAX.
 * Thread: as said at each function. */
#ifndef BNB_CLIENT_GROUP_H
#define BNB_CLIENT_GROUP_H

#include <barnabas/consumer.h>

#include "base/regex.h"
#include "client/client.h"
#include "client/membership.h"

struct consumer_partition;

/* Commits that wait for their answer; one more is refused. */
#define GROUP_COMMITS_MAX 1000

/* One commit of offsets. Made on any thread; then the network thread's until it is done. */
struct group_commit {
    struct list node;
    struct bnb_consumer *consumer;
    struct arena arena;
    struct offset_commit_request message;
    struct client_request request;
    int64_t deadline_ms; /* tried again until then; 0: once only */
    int64_t retry_ms;
    int32_t failures;
    bool automatic; /* nobody waits for it */
    bool sent;
    bool done; /* under the lock */
    struct bnb_error error; /* code 0: committed */
    bnb_commit_callback callback; /* of a commit that is not waited for; may be NULL */
    void *context;
};

/* What is committed: asked by the application, who waits for it and owns it. */
struct group_question {
    struct list node;
    struct bnb_consumer *consumer;
    struct offset_fetch_request message;
    struct client_request request;
    int64_t deadline_ms;
    int64_t retry_ms;
    int32_t failures;
    bool sent;
    bool done; /* under the lock */
    struct bnb_error error; /* code 0: request.response is there */
};

struct consumer_group {
    bool enabled; /* there is a group.id */
    /* under the lock */
    struct arena subscription_arena;
    struct string_view *topics;
    size_t topics_count;
    struct string_view expression; /* null: by name */
    struct regex *regex;
    bool subscribed;
    uint32_t subscription; /* changes with every one */
    struct bnb_rebalance_listener listener;
    bool in_poll; /* and not in a call */
    bool poll_wanted; /* the membership waits for one */
    uint64_t polls;
    int64_t polled_ms; /* monotonic: when the last one began */
    bool leave; /* asked for */
    bool out; /* the membership is OUT, or FAILED and left */
    enum membership_call call;
    bool call_begun; /* by the application */
    bool called;
    struct list commits; /* to be sent, or under way */
    struct list finished; /* whose callbacks are to be called */
    size_t commits_count;
    struct list questions; /* to be asked, or under way */
    char *member_told; /* the member that it last was; NULL: none yet */
    int32_t generation_told;
    /* the network thread's alone */
    struct membership membership;
    struct topics topics_known;
    bool topics_all; /* the metadata of all topics was asked for */
    uint32_t subscription_seen;
    uint32_t topics_seen;
    uint64_t polls_seen;
    int32_t coordinator; /* target of requests; -1: unknown */
    bool finding;
    bool wanted; /* somebody needs the coordinator */
    int64_t find_ms; /* not before */
    int32_t find_failures;
    struct client_request find;
    struct find_coordinator_request find_message;
    struct arena find_arena;
    struct client_request request; /* the membership's */
    struct membership_step step; /* whose request is not sent yet, or under way */
    bool unsent;
    bool requesting;
    struct arena request_arena;
    struct client_request lookup; /* of committed offsets */
    struct offset_fetch_request lookup_message;
    struct group_lookup_item *lookup_items;
    size_t lookup_capacity;
    size_t lookup_count;
    struct arena lookup_arena;
    bool looking_up;
    int64_t lookup_ms; /* not before */
    int64_t auto_commit_ms; /* the next */
};
struct group_lookup_item {
    struct consumer_partition *partition;
    uint32_t epoch;
};

void group_init(struct bnb_consumer *consumer);
void group_release(struct bnb_consumer *consumer);
/* Looks at everything of the group once. *wake_ms gets no later than what it waits for; true when
 * newer metadata is wanted. Thread: network; without the lock. */
bool group_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms);
/* Newer metadata. Thread: network. */
void group_learn_topics(struct bnb_consumer *consumer, const struct metadata_response *response);
/* The coordinator is another, or gone. Thread: network. */
void group_lose_coordinator(struct bnb_consumer *consumer);

/* ---- offsets (group_offsets.c), network thread ---- */

/* Sends commits and looks up committed offsets; what it waits for goes into *wake_ms. */
void group_offsets_run(struct bnb_consumer *consumer, int64_t now_ms, int64_t *wake_ms);
/* Whether something of it needs the coordinator. */
bool group_offsets_wait(struct bnb_consumer *consumer);
/* What was begun and cannot be ended any more. */
void group_offsets_quit(struct bnb_consumer *consumer);

/* ---- the application's side (consumer_group.c) ---- */

/* A commit of the consumed positions of all assigned partitions that are not committed yet (NULL:
 * none, or no memory). The lock is held. Thread: any. */
struct group_commit *group_commit_positions(struct bnb_consumer *consumer, bool all);
void group_commit_free(struct group_commit *commit);
/* Hands it to the network thread. The lock is held. Thread: any. */
void group_commit_start(struct bnb_consumer *consumer, struct group_commit *commit);
/* Carries out the call that waits, and callbacks of commits. The lock is held on entry and return,
 * not while the application is called. Thread: application. */
void group_serve(struct bnb_consumer *consumer);
/* At the beginning of a poll: what was handed out is consumed. The lock is held. */
void group_poll_begins(struct bnb_consumer *consumer);
/* Commits, gives everything back and leaves, within timeout_ms. Thread: application. */
void group_leave(struct bnb_consumer *consumer, int64_t timeout_ms);

#endif
