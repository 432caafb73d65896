/* groups commits BOOTSTRAP TOPIC CONNECTIONS GROUPS SECONDS
 * groups idle BOOTSTRAP TOPIC CONNECTIONS GROUPS SECONDS
 *
 * commits: each connection has one OffsetCommit under way, for one partition and one group after
 * the other, as consumers do that assign their partitions themselves. Every group has been
 * committed for once before the clock starts.
 * idle: makes as many classic groups of one member with sessions of so many seconds, and commits
 * one offset for each; then it ends, and the groups stay.
 * Prints one JSON object. */
#include "wire.h"

#define PARTITION_METADATA "bench"
#define GROUP_NAME_BYTES 32

static const struct wire_api commit_api = {API_OFFSET_COMMIT, 9, &offset_commit_request_row,
                                           &offset_commit_response_row};
static const struct wire_api join_api = {API_JOIN_GROUP, 9, &join_group_request_row,
                                         &join_group_response_row};
static const struct wire_api sync_api = {API_SYNC_GROUP, 5, &sync_group_request_row,
                                         &sync_group_response_row};

enum step {
    STEP_NAME,  /* JoinGroup, answered with an id */
    STEP_JOIN,  /* JoinGroup */
    STEP_SYNC,  /* SyncGroup */
    STEP_COMMIT /* OffsetCommit */
};
struct run {
    const char *topic;
    const char *prefix;
    bool idle;
    long groups;
    int32_t session_ms;
    long begun;  /* groups or commits that were asked for */
    long wanted; /* when to stop asking */
    long done;
};
struct connection {
    struct wire wire;
    struct run *run;
    enum step step;
    char group[GROUP_NAME_BYTES];
    char member[128];
    int32_t generation;
};

static void send_join(struct connection *connection)
{
    static const uint8_t metadata[] = {0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct join_group_request_join_group_request_protocol protocol = {
        string_view_of("range"), {metadata, sizeof metadata}};
    struct join_group_request request;
    join_group_request_default(&request);
    request.group_id = string_view_of(connection->group);
    request.session_timeout_ms = request.rebalance_timeout_ms = connection->run->session_ms;
    request.member_id = string_view_of(connection->member);
    request.protocol_type = string_view_of("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    wire_send(&connection->wire, &join_api, &request);
}

static void send_sync(struct connection *connection)
{
    static const uint8_t assignment[] = {0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct sync_group_request_sync_group_request_assignment own = {
        string_view_of(connection->member), {assignment, sizeof assignment}};
    struct sync_group_request request;
    sync_group_request_default(&request);
    request.group_id = string_view_of(connection->group);
    request.generation_id = connection->generation;
    request.member_id = string_view_of(connection->member);
    request.protocol_type = string_view_of("consumer");
    request.protocol_name = string_view_of("range");
    request.assignments.items = &own;
    request.assignments.count = 1;
    wire_send(&connection->wire, &sync_api, &request);
}

static void send_commit(struct connection *connection)
{
    struct offset_commit_request_offset_commit_request_partition partition = {
        .committed_offset = connection->run->begun,
        .committed_leader_epoch = -1,
        .committed_metadata = string_view_of(PARTITION_METADATA)};
    struct offset_commit_request_offset_commit_request_topic topic = {
        .name = string_view_of(connection->run->topic)};
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    struct offset_commit_request request;
    offset_commit_request_default(&request);
    request.group_id = string_view_of(connection->group);
    request.generation_id_or_member_epoch = connection->generation;
    request.member_id = string_view_of(connection->member);
    request.topics.items = &topic;
    request.topics.count = 1;
    wire_send(&connection->wire, &commit_api, &request);
}

static void send_step(struct connection *connection)
{
    switch (connection->step) {
    case STEP_NAME:
    case STEP_JOIN:
        send_join(connection);
        break;
    case STEP_SYNC:
        send_sync(connection);
        break;
    case STEP_COMMIT:
        send_commit(connection);
        break;
    }
}

/* Begins with the next group, unless there are enough. */
static void begin(struct connection *connection)
{
    struct run *run = connection->run;
    if (run->begun >= run->wanted) {
        return;
    }
    snprintf(connection->group, sizeof connection->group, "%s-%ld", run->prefix,
             run->begun++ % run->groups);
    connection->generation = -1;
    connection->member[0] = '\0';
    connection->step = run->idle ? STEP_NAME : STEP_COMMIT;
    send_step(connection);
}

/* What the answer says. */
static int16_t decode(struct connection *connection)
{
    struct join_group_response joined;
    struct sync_group_response synced;
    struct offset_commit_response committed;
    switch (connection->step) {
    case STEP_NAME:
    case STEP_JOIN:
        wire_decode(&connection->wire, &join_api, &joined);
        connection->generation = joined.generation_id;
        if (joined.member_id.size > 0) {
            snprintf(connection->member, sizeof connection->member, "%.*s",
                     (int)joined.member_id.size, joined.member_id.data);
        }
        return joined.error_code;
    case STEP_SYNC:
        wire_decode(&connection->wire, &sync_api, &synced);
        return synced.error_code;
    case STEP_COMMIT:
        wire_decode(&connection->wire, &commit_api, &committed);
        return committed.topics.items[0].partitions.items[0].error_code;
    }
    return 0;
}

static void answered(void *owner)
{
    struct connection *connection = owner;
    int16_t error = decode(connection);
    bool named = connection->step == STEP_NAME && error == KAFKA_MEMBER_ID_REQUIRED;
    if (wire_not_yet(error)) {
        send_step(connection);
        return;
    }
    wire_good(named ? 0 : error, "the answer to a member");
    if (connection->step == STEP_COMMIT) {
        connection->run->done++;
        begin(connection);
        return;
    }
    connection->step++;
    send_step(connection);
}

/* Lets all connections work until as many more are done, or until the time. */
static void work(struct connection *connections, long count, int poll, long more, int64_t until_ns)
{
    struct run *run = connections[0].run;
    run->wanted = run->begun + more;
    for (long i = 0; i < count; i++) {
        begin(&connections[i]);
    }
    while (run->done < run->begun) {
        wire_poll(poll, -1, answered);
        if (now_ns() >= until_ns) {
            run->wanted = run->begun;
        }
    }
}

int main(int argc, char **argv)
{
    wire_need(argc == 7, "usage: groups commits|idle BOOTSTRAP TOPIC CONNECTIONS GROUPS SECONDS");
    bool idle = strcmp(argv[1], "idle") == 0;
    long count = strtol(argv[4], NULL, 10);
    long seconds = strtol(argv[6], NULL, 10);
    struct run run = {.topic = argv[3],
                      .prefix = idle ? "idle" : "commits",
                      .idle = idle,
                      .groups = strtol(argv[5], NULL, 10),
                      .session_ms = (int32_t)(seconds * 1000)};
    wire_need(count > 0 && run.groups > 0, "connections and groups");
    struct connection *connections = mem_need((size_t)count * sizeof *connections);
    int poll = wire_poll_create();
    for (long i = 0; i < count; i++) {
        connections[i].run = &run;
        wire_open(&connections[i].wire, argv[2]);
        wire_poll_add(poll, &connections[i].wire, &connections[i]);
    }
    wire_find_coordinator(&connections[0].wire, run.prefix, 0);
    if (!idle) {
        work(connections, count, poll, run.groups, INT64_MAX);
    }
    wire_ready();
    long before = run.done;
    int64_t began_ns = now_ns();
    if (idle) {
        work(connections, count, poll, run.groups, INT64_MAX);
    } else {
        work(connections, count, poll, LONG_MAX / 2, began_ns + seconds * NANOSECONDS);
    }
    printf("{\"done\": %ld, \"seconds\": %.3f}\n", run.done - before,
           (double)(now_ns() - began_ns) / NANOSECONDS);
    for (long i = 0; i < count; i++) {
        wire_close(&connections[i].wire);
    }
    mem_free(connections);
    return 0;
}
