#include "broker/fetch_session.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/error.h"

struct fetch_sessions {
    struct budget *budget;
    struct budget *slots;
    struct list used; /* least recently first */
    uint64_t random;
};

static bool key_is_id(const struct fetch_key *key) { return !uuid_is_zero(key->topic_id); }

static uint64_t fetch_key_hash(const void *pointer, uint64_t seed)
{
    const struct fetch_key *key = pointer;
    uint64_t hash = key_is_id(key) ? map_hash_bytes(key->topic_id.bytes, 16, seed)
                                   : map_hash_bytes(key->name.data, key->name.size, seed);
    return hash ^ ((uint64_t)(uint32_t)key->partition * 0x9e3779b97f4a7c15u);
}

static const void *fetch_key_of(const void *element)
{
    return &((const struct fetch_partition *)element)->key;
}

static bool fetch_key_equal(const void *element, const void *pointer)
{
    const struct fetch_key *own = &((const struct fetch_partition *)element)->key;
    const struct fetch_key *key = pointer;
    if (own->partition != key->partition || !uuid_equal(own->topic_id, key->topic_id)) {
        return false;
    }
    return key_is_id(key) || string_view_equal(own->name, key->name);
}

int fetch_sessions_create(struct budget *slots, struct budget *budget, uint64_t seed,
                          struct fetch_sessions **created)
{
    struct fetch_sessions *sessions = mem_calloc(1, sizeof *sessions);
    *created = sessions;
    if (sessions == NULL) {
        return ERR_NOMEM;
    }
    list_init(&sessions->used);
    sessions->slots = slots;
    sessions->budget = budget;
    sessions->random = seed | 1;
    return 0;
}

/* With its share of the map. */
static size_t fetch_partition_bytes(const struct fetch_partition *partition)
{
    size_t resolved = partition->resolved != NULL ? strlen(partition->resolved) + 1 : 0;
    return sizeof *partition + partition->key.name.size + resolved + 4 * sizeof(void *);
}

static void fetch_partition_free(struct fetch_session *session, struct fetch_partition *partition)
{
    budget_give(session->budget, fetch_partition_bytes(partition));
    list_remove(&partition->node);
    mem_free(partition->topic);
    mem_free(partition->resolved);
    mem_free(partition);
}

void fetch_sessions_close(struct fetch_sessions *sessions, struct fetch_session **closed)
{
    struct fetch_session *session = *closed;
    while (!list_empty(&session->partitions)) {
        fetch_partition_free(
            session, CONTAINER_OF(session->partitions.next, struct fetch_partition, node));
    }
    map_release(&session->by_key);
    list_remove(&session->node);
    budget_give(sessions->slots, 1);
    mem_free(session);
    *closed = NULL;
}

void fetch_sessions_destroy(struct fetch_sessions **sessions)
{
    if (*sessions == NULL) {
        return;
    }
    while (!list_empty(&(*sessions)->used)) {
        struct fetch_session *session =
            CONTAINER_OF((*sessions)->used.next, struct fetch_session, node);
        fetch_sessions_close(*sessions, &session);
    }
    mem_free(*sessions);
    *sessions = NULL;
}

struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id)
{
    /* From the busy end: who asks was most likely here a moment ago. */
    for (struct list *node = sessions->used.prev; node != &sessions->used; node = node->prev) {
        struct fetch_session *session = CONTAINER_OF(node, struct fetch_session, node);
        if (session->id == id) {
            return session;
        }
    }
    return NULL;
}

static int32_t fetch_sessions_new_id(struct fetch_sessions *sessions)
{
    int32_t id;
    do {
        sessions->random ^= sessions->random << 13;
        sessions->random ^= sessions->random >> 7;
        sessions->random ^= sessions->random << 17;
        id = (int32_t)(sessions->random >> 33);
    } while (id == 0 || fetch_sessions_find(sessions, id) != NULL);
    return id;
}

static bool fetch_sessions_take_slot(struct fetch_sessions *sessions, int64_t now_ms)
{
    if (budget_take(sessions->slots, 1)) {
        return true;
    }
    if (list_empty(&sessions->used)) {
        return false;
    }
    struct fetch_session *oldest = CONTAINER_OF(sessions->used.next, struct fetch_session, node);
    if (now_ms - oldest->used_ms <= FETCH_SESSION_REST_MS) {
        return false;
    }
    fetch_sessions_close(sessions, &oldest);
    return budget_take(sessions->slots, 1);
}

struct fetch_session *fetch_sessions_open(struct fetch_sessions *sessions, bool by_id,
                                          int64_t now_ms)
{
    if (!fetch_sessions_take_slot(sessions, now_ms)) {
        return NULL;
    }
    struct fetch_session *session = mem_calloc(1, sizeof *session);
    if (session == NULL) {
        budget_give(sessions->slots, 1);
        return NULL;
    }
    session->id = fetch_sessions_new_id(sessions);
    session->next_epoch = 1;
    session->budget = sessions->budget;
    session->uses_topic_ids = by_id;
    session->used_ms = now_ms;
    list_init(&session->partitions);
    session->by_key = (struct map){.seed = sessions->random, .hash_key = fetch_key_hash,
                                   .key_of = fetch_key_of, .equal = fetch_key_equal};
    list_push_back(&sessions->used, &session->node);
    return session;
}

int16_t fetch_sessions_resolve(struct fetch_sessions *sessions,
                               const struct fetch_request *request, bool by_id, int64_t now_ms,
                               struct fetch_session **session)
{
    *session = NULL;
    bool full = request->session_epoch <= 0;
    struct fetch_session *known =
        request->session_id == 0 ? NULL : fetch_sessions_find(sessions, request->session_id);
    if (full) {
        if (known != NULL) {
            fetch_sessions_close(sessions, &known);
        }
        return 0;
    }
    if (known == NULL) {
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (known->next_epoch != request->session_epoch) {
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    }
    if (known->uses_topic_ids != by_id) {
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    }
    known->next_epoch = known->next_epoch == INT32_MAX ? 1 : known->next_epoch + 1;
    known->used_ms = now_ms;
    list_remove(&known->node);
    list_push_back(&sessions->used, &known->node);
    *session = known;
    return 0;
}

void fetch_partition_from(const struct fetch_request_fetch_topic *topic,
                          const struct fetch_request_fetch_partition *asked,
                          struct fetch_partition *partition)
{
    *partition = (struct fetch_partition){
        .key = {topic->topic_id, topic->topic, asked->partition},
        .current_leader_epoch = asked->current_leader_epoch < 0 ? -1 : asked->current_leader_epoch,
        .fetch_offset = asked->fetch_offset,
        .last_fetched_epoch = asked->last_fetched_epoch,
        .log_start_offset = asked->log_start_offset,
        .max_bytes = asked->partition_max_bytes,
        .told_high_watermark = -1,
        .told_log_start_offset = -1,
    };
    list_init(&partition->node);
}

struct fetch_partition *fetch_session_get(struct fetch_session *session,
                                          const struct fetch_key *key)
{
    return map_find(&session->by_key, key);
}

int fetch_session_put(struct fetch_session *session, const struct fetch_partition *partition)
{
    struct fetch_partition *known = fetch_session_get(session, &partition->key);
    if (known != NULL) {
        known->current_leader_epoch = partition->current_leader_epoch;
        known->fetch_offset = partition->fetch_offset;
        known->last_fetched_epoch = partition->last_fetched_epoch;
        known->log_start_offset = partition->log_start_offset;
        known->max_bytes = partition->max_bytes;
        return 0;
    }
    if (!budget_take(session->budget, fetch_partition_bytes(partition))) {
        return ERR_NOMEM;
    }
    struct fetch_partition *added = mem_alloc(sizeof *added);
    if (added == NULL) {
        budget_give(session->budget, fetch_partition_bytes(partition));
        return ERR_NOMEM;
    }
    *added = *partition;
    list_init(&added->node);
    added->topic = NULL;
    added->resolved = NULL;
    if (partition->key.name.data != NULL) {
        added->topic = mem_strndup(partition->key.name.data, partition->key.name.size);
        added->key.name.data = added->topic;
    }
    if ((partition->key.name.data != NULL && added->topic == NULL) ||
        map_insert(&session->by_key, added) != 0) {
        fetch_partition_free(session, added);
        return ERR_NOMEM;
    }
    list_push_back(&session->partitions, &added->node);
    session->count++;
    return 0;
}

void fetch_session_resolve(struct fetch_session *session, struct fetch_partition *partition,
                           struct string_view name)
{
    if (partition->resolved != NULL || !budget_take(session->budget, name.size + 1)) {
        return;
    }
    partition->resolved = mem_strndup(name.data, name.size);
    if (partition->resolved == NULL) {
        budget_give(session->budget, name.size + 1);
    }
}

static void fetch_session_forget(struct fetch_session *session, const struct fetch_key *key)
{
    struct fetch_partition *taken = map_take(&session->by_key, key);
    if (taken != NULL) {
        fetch_partition_free(session, taken);
        session->count--;
    }
}

int fetch_session_update(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t i = 0; i < request->topics.count; i++) {
        const struct fetch_request_fetch_topic *topic = &request->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            struct fetch_partition partition;
            fetch_partition_from(topic, &topic->partitions.items[j], &partition);
            int error = fetch_session_put(session, &partition);
            if (error != 0) {
                return error;
            }
        }
    }
    for (int32_t i = 0; i < request->forgotten_topics_data.count; i++) {
        const struct fetch_request_forgotten_topic *topic =
            &request->forgotten_topics_data.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            struct fetch_key key = {topic->topic_id, topic->topic, topic->partitions.items[j]};
            fetch_session_forget(session, &key);
        }
    }
    return 0;
}
