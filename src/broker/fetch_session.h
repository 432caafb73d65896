/* fetch_session.h: incremental fetch sessions (KIP-227).
 *
 * A session remembers what a client fetches, so that it need not say so each time, and what it was
 * last told, so that only what is new is answered. The cache of a shard owns its sessions; a client
 * that comes back on another shard is told to begin anew.
 * Thread: the shard.   Bounds: max.incremental.fetch.session.cache.slots of all shards together;
 * when they are used up, the one of the shard that rested longest gives way if that is above
 * FETCH_SESSION_REST_MS.
 * Errors: the wire errors 70, 71, 106. */
#ifndef BNB_BROKER_FETCH_SESSION_H
#define BNB_BROKER_FETCH_SESSION_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "metadata/image.h"
#include "protocol/messages.h"

#define FETCH_SESSION_REST_MS 120000

/* Names a partition: by the topic's id, or by its name where the id is zero. */
struct fetch_key {
    struct uuid topic_id;
    struct string_view name;
    int32_t partition;
};
/* A partition as it is to be fetched. */
struct fetch_partition {
    struct list node; /* in the session's order */
    struct fetch_key key;
    char *topic; /* behind key.name, in a session */
    char *resolved; /* the name that the topic of that id had when it was there; in a session */
    int32_t current_leader_epoch;
    int64_t fetch_offset;
    int32_t last_fetched_epoch;
    int64_t log_start_offset;
    int32_t max_bytes;
    /* What the client was last told; -1 makes it be told again. */
    int64_t told_high_watermark;
    int64_t told_log_start_offset;
};
struct fetch_session {
    struct list node; /* in the cache, least recently used first */
    struct budget *budget;
    int32_t id;
    int32_t next_epoch;
    bool uses_topic_ids;
    int64_t used_ms;
    struct list partitions;
    struct map by_key;
    int32_t count;
};

struct fetch_sessions;
/* slots counts the sessions of all shards of the broker, budget the bytes of their partitions. */
int fetch_sessions_create(struct budget *slots, struct budget *budget, uint64_t seed,
                          struct fetch_sessions **sessions);
void fetch_sessions_destroy(struct fetch_sessions **sessions);

/* Checks id and epoch of a request against the cache. A session that the request ends is closed.
 * For an incremental fetch *session is set and its epoch moved on; for a full one it stays NULL.
 * 0 or the wire error of the whole request. */
int16_t fetch_sessions_resolve(struct fetch_sessions *sessions,
                               const struct fetch_request *request, bool by_id, int64_t now_ms,
                               struct fetch_session **session);
/* Adds what an incremental fetch names and forgets what it gives up. ERR_NOMEM, also when the
 * budget is used up: the session is to be closed. */
int fetch_session_update(struct fetch_session *session, const struct fetch_request *request);
/* Opens one for a full fetch, empty; NULL when there is no room. */
struct fetch_session *fetch_sessions_open(struct fetch_sessions *sessions, bool by_id,
                                          int64_t now_ms);
void fetch_sessions_close(struct fetch_sessions *sessions, struct fetch_session **session);
/* Whether this is still the session of that id: it may have gone while a fetch waited. */
struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id);
/* Adds or replaces; ERR_NOMEM. */
int fetch_session_put(struct fetch_session *session, const struct fetch_partition *partition);
/* Remembers what the topic of a partition is called. Without room for it, it does not. */
void fetch_session_resolve(struct fetch_session *session, struct fetch_partition *partition,
                           struct string_view name);
struct fetch_partition *fetch_session_get(struct fetch_session *session,
                                          const struct fetch_key *key);
/* Fills a partition from a request. */
void fetch_partition_from(const struct fetch_request_fetch_topic *topic,
                          const struct fetch_request_fetch_partition *asked,
                          struct fetch_partition *partition);

#endif
