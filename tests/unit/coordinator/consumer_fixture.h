/* consumer_fixture.h: members of the consumer protocol, and what they hear. */
#ifndef BNB_TESTS_COORDINATOR_CONSUMER_FIXTURE_H
#define BNB_TESTS_COORDINATOR_CONSUMER_FIXTURE_H

#include "fixture.h"

#define OWNED_MAX 64

/* A member as its client sees it. Topics are numbers of the table, partitions below 10:
 * "owned" has topic * 10 + partition. */
struct client {
    struct fixture *fixture;
    const char *group;
    const char *id;
    const char *instance;
    const char *names[4]; /* NULL: no more */
    const char *regex;
    const char *assignor;
    int32_t epoch;
    int32_t owned[OWNED_MAX]; /* ascending */
    int32_t owned_count;
    int32_t rebalance_timeout_ms;
    int16_t error; /* of the last answer */
    bool told;     /* it had an assignment */
    char message[200];
};

static inline struct client client_of(struct fixture *fixture, const char *id, const char *topic)
{
    return (struct client){.fixture = fixture,
                           .group = "g",
                           .id = id,
                           .names = {topic},
                           .rebalance_timeout_ms = 60000};
}

static inline int32_t client_number(const struct client *client, struct uuid topic,
                                    int32_t partition)
{
    for (size_t i = 0; i < client->fixture->table.count; i++) {
        if (uuid_equal(client->fixture->table.topics[i].id, topic)) {
            return (int32_t)i * 10 + partition;
        }
    }
    return -1;
}

static inline int client_in_order(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

/* A heartbeat with the memory that it points at: the test's own never fails. */
struct client_request {
    struct consumer_group_heartbeat_request message;
    struct string_view names[4];
    struct consumer_group_heartbeat_request_topic_partitions topics[OWNED_MAX];
    int32_t partitions[OWNED_MAX];
};

/* What the client says that it owns. */
static inline void client_fill_owned(const struct client *client, struct client_request *request)
{
    request->message.topic_partitions.items = request->topics;
    request->message.topic_partitions.count = client->owned_count;
    for (int32_t i = 0; i < client->owned_count; i++) {
        request->partitions[i] = client->owned[i] % 10;
        request->topics[i].topic_id = client->fixture->table.topics[client->owned[i] / 10].id;
        request->topics[i].partitions.items = &request->partitions[i];
        request->topics[i].partitions.count = 1;
    }
}

static inline void client_hear(struct client *client,
                               const struct consumer_group_heartbeat_response *response)
{
    client->error = response->error_code;
    snprintf(client->message, sizeof client->message, "%.*s",
             (int)response->error_message.size,
             response->error_message.data == NULL ? "" : response->error_message.data);
    client->told = response->assignment != NULL;
    if (client->error != 0) {
        return;
    }
    client->epoch = response->member_epoch;
    if (response->assignment == NULL) {
        return;
    }
    client->owned_count = 0;
    for (int32_t i = 0; i < response->assignment->topic_partitions.count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &response->assignment->topic_partitions.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            assert_true(client->owned_count < OWNED_MAX);
            client->owned[client->owned_count++] =
                client_number(client, topic->topic_id, topic->partitions.items[j]);
        }
    }
    qsort(client->owned, (size_t)client->owned_count, sizeof *client->owned, client_in_order);
}

enum beat_kind {
    BEAT_FULL,   /* everything, as at first and after an error */
    BEAT_OWNED,  /* only what it owns */
    BEAT_SILENT, /* nothing but its epoch */
};

static inline void client_fill(const struct client *client, enum beat_kind kind,
                               struct client_request *request)
{
    struct consumer_group_heartbeat_request *message = &request->message;
    consumer_group_heartbeat_request_default(message);
    message->group_id = string_view_of(client->group);
    message->member_id = string_view_of(client->id);
    message->member_epoch = client->epoch;
    message->instance_id = string_view_of(client->instance);
    if (kind == BEAT_SILENT || client->epoch < 0) {
        return;
    }
    client_fill_owned(client, request);
    if (kind == BEAT_OWNED) {
        return;
    }
    message->rebalance_timeout_ms = client->rebalance_timeout_ms;
    message->subscribed_topic_regex = string_view_of(client->regex);
    message->server_assignor = string_view_of(client->assignor);
    if (client->names[0] != NULL) {
        message->subscribed_topic_names.items = request->names;
        message->subscribed_topic_names.count = 0;
        for (int i = 0; i < 4 && client->names[i] != NULL; i++) {
            request->names[i] = string_view_of(client->names[i]);
            message->subscribed_topic_names.count++;
        }
    }
}

/* Sends one heartbeat and hears the answer; the error. */
static inline int16_t client_beat(struct client *client, enum beat_kind kind)
{
    struct client_request request;
    struct ask ask;
    client_fill(client, kind, &request);
    ask_init(&ask, API_CONSUMER_GROUP_HEARTBEAT, 1, &request.message);
    memset(ask.call.random, 0x5a, sizeof ask.call.random);
    fixture_ask(client->fixture, &ask);
    assert_true(ask.answered);
    if (ask.call.response == NULL) {
        client->error = KAFKA_UNKNOWN_SERVER_ERROR; /* no memory */
    } else {
        client_hear(client, ask.call.response);
    }
    arena_release(&ask.arena);
    return client->error;
}

static inline int16_t client_join(struct client *client)
{
    client->epoch = 0;
    client->owned_count = 0;
    return client_beat(client, BEAT_FULL);
}

static inline int16_t client_leave(struct client *client, int32_t epoch)
{
    client->epoch = epoch;
    client->owned_count = 0;
    return client_beat(client, BEAT_SILENT);
}

/* Heartbeats of all until nothing moves. */
static inline void clients_settle(struct client *const *clients, size_t count)
{
    for (int round = 0; round < 12; round++) {
        fixture_pass(clients[0]->fixture, 1000);
        for (size_t i = 0; i < count; i++) {
            if (client_beat(clients[i], BEAT_OWNED) != 0) {
                fail_msg("%s: error %d: %s", clients[i]->id, clients[i]->error,
                         clients[i]->message);
            }
        }
    }
}

#define assert_owns(client, ...)                                              \
    do {                                                                      \
        const int32_t wanted[] = {__VA_ARGS__};                               \
        assert_int_equal((client)->owned_count, sizeof wanted / sizeof *wanted); \
        assert_memory_equal((client)->owned, wanted, sizeof wanted);          \
    } while (0)

#endif
