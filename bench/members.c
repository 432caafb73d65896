/* members classic BOOTSTRAP TOPIC MEMBERS LEAVES
 * members consumer BOOTSTRAP TOPIC MEMBERS LEAVES
 *
 * A group of so many members, each with a connection of its own, over all partitions of a topic.
 * When it has settled one member leaves, and all others hear of it by a heartbeat at once: the
 * time until the last one has its assignment in the new generation, or epoch, and together they
 * have every partition. Before each leave it says "ready"; prints one JSON object a leave. */
#include "wire.h"

#define GROUP "members"
#define SESSION_MS 45000 /* the least and the most that both protocols allow by themselves */
#define REBALANCE_MS 60000
#define TICK_MS 50
#define ID_BYTES 96
#define RANGE "range"

static const struct wire_api join_api = {API_JOIN_GROUP, 9, &join_group_request_row,
                                         &join_group_response_row};
static const struct wire_api sync_api = {API_SYNC_GROUP, 5, &sync_group_request_row,
                                         &sync_group_response_row};
static const struct wire_api heartbeat_api = {API_HEARTBEAT, 4, &heartbeat_request_row,
                                              &heartbeat_response_row};
static const struct wire_api leave_api = {API_LEAVE_GROUP, 5, &leave_group_request_row,
                                          &leave_group_response_row};
static const struct wire_api consumer_api = {API_CONSUMER_GROUP_HEARTBEAT, 1,
                                             &consumer_group_heartbeat_request_row,
                                             &consumer_group_heartbeat_response_row};

enum step {
    STEP_JOINING,   /* JoinGroup is under way */
    STEP_SYNCING,   /* SyncGroup */
    STEP_HEARTBEAT, /* Heartbeat, or ConsumerGroupHeartbeat */
    STEP_IDLE,      /* nothing */
};
struct run {
    const char *topic;
    struct uuid topic_id;
    int32_t partitions;
    bool classic;
    struct writer subscription; /* of every classic member */
    struct writer assignments;  /* the leader's scratch */
    struct member *members;
    size_t count;
    long heartbeats;
};
struct member {
    struct wire wire;
    struct run *run;
    enum step step;
    char id[ID_BYTES];
    int32_t epoch; /* or generation */
    bool assigned; /* in that one, and the broker knows that it has what it was told to have */
    bool new_assignment;
    int32_t *owned;
    int32_t owned_count;
    size_t owned_capacity;
};

static struct string_view id_of(const struct member *member)
{
    return string_view_of(member->id);
}

/* ---- classic ---- */

static void send_join(struct member *member)
{
    struct run *run = member->run;
    struct join_group_request_join_group_request_protocol protocol = {
        string_view_of(RANGE), {run->subscription.data, run->subscription.size}};
    struct join_group_request request;
    join_group_request_default(&request);
    request.group_id = string_view_of(GROUP);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = REBALANCE_MS;
    request.member_id = id_of(member);
    request.protocol_type = string_view_of("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    member->assigned = false;
    member->step = STEP_JOINING;
    wire_send(&member->wire, &join_api, &request);
}

static void write_subscription(struct run *run)
{
    struct string_view topics[] = {string_view_of(run->topic)};
    struct consumer_protocol_subscription subscription;
    consumer_protocol_subscription_default(&subscription);
    subscription.topics.items = topics;
    subscription.topics.count = 1;
    writer_i16(&run->subscription, 1);
    wire_need(consumer_protocol_subscription_encode(&run->subscription, 1, &subscription) == 0,
              "subscription");
}

/* Writes an assignment of partitions [from, to) and returns its size. */
static size_t write_assignment(struct run *run, int32_t from, int32_t to)
{
    int32_t *partitions = mem_need((size_t)(to - from + 1) * sizeof *partitions);
    struct consumer_protocol_assignment_topic_partition topic = {string_view_of(run->topic),
                                                                 {partitions, to - from}};
    struct consumer_protocol_assignment assignment;
    consumer_protocol_assignment_default(&assignment);
    for (int32_t i = from; i < to; i++) {
        partitions[i - from] = i;
    }
    assignment.assigned_partitions.items = &topic;
    assignment.assigned_partitions.count = to > from;
    size_t before = run->assignments.size;
    writer_i16(&run->assignments, 1);
    wire_need(consumer_protocol_assignment_encode(&run->assignments, 1, &assignment) == 0,
              "assignment");
    mem_free(partitions);
    return run->assignments.size - before;
}

/* SyncGroup, of the leader with everybody's assignment. */
static void send_sync(struct member *member, const struct join_group_response *joined)
{
    struct run *run = member->run;
    int64_t count = joined->members.count;
    struct sync_group_request_sync_group_request_assignment *assignments =
        mem_need((size_t)(count + 1) * sizeof *assignments);
    size_t position = 0;
    run->assignments.size = 0;
    for (int64_t i = 0; i < count; i++) {
        assignments[i].member_id = joined->members.items[i].member_id;
        assignments[i].assignment.size =
            write_assignment(run, (int32_t)(i * run->partitions / count),
                             (int32_t)((i + 1) * run->partitions / count));
    }
    for (int64_t i = 0; i < count; i++) {
        assignments[i].assignment.data = run->assignments.data + position;
        position += assignments[i].assignment.size;
    }
    struct sync_group_request request;
    sync_group_request_default(&request);
    request.group_id = string_view_of(GROUP);
    request.generation_id = member->epoch;
    request.member_id = id_of(member);
    request.protocol_type = string_view_of("consumer");
    request.protocol_name = string_view_of(RANGE);
    request.assignments.items = assignments;
    request.assignments.count = (int32_t)count;
    member->step = STEP_SYNCING;
    wire_send(&member->wire, &sync_api, &request);
    mem_free(assignments);
}

static void join_answered(struct member *member)
{
    struct join_group_response response;
    wire_decode(&member->wire, &join_api, &response);
    if (response.member_id.size > 0) {
        snprintf(member->id, sizeof member->id, "%.*s", (int)response.member_id.size,
                 response.member_id.data);
    }
    if (response.error_code == KAFKA_MEMBER_ID_REQUIRED || wire_not_yet(response.error_code)) {
        send_join(member);
        return;
    }
    wire_good(response.error_code, "join");
    member->epoch = response.generation_id;
    send_sync(member, &response);
}

static void sync_answered(struct member *member)
{
    struct sync_group_response response;
    wire_decode(&member->wire, &sync_api, &response);
    if (response.error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        send_join(member);
        return;
    }
    wire_good(response.error_code, "sync");
    struct reader reader;
    struct consumer_protocol_assignment assignment;
    reader_init(&reader, response.assignment.data, response.assignment.size);
    int16_t version = reader_i16(&reader);
    wire_need(consumer_protocol_assignment_decode(&reader, version, &member->wire.arena,
                                                  &assignment) == 0,
              "an assignment");
    member->owned_count = assignment.assigned_partitions.count == 0
                              ? 0
                              : assignment.assigned_partitions.items[0].partitions.count;
    member->assigned = true;
    member->step = STEP_IDLE;
}

static void send_heartbeat(struct member *member)
{
    struct heartbeat_request request;
    heartbeat_request_default(&request);
    request.group_id = string_view_of(GROUP);
    request.generation_id = member->epoch;
    request.member_id = id_of(member);
    member->step = STEP_HEARTBEAT;
    wire_send(&member->wire, &heartbeat_api, &request);
}

static void heartbeat_answered(struct member *member)
{
    struct heartbeat_response response;
    wire_decode(&member->wire, &heartbeat_api, &response);
    if (response.error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        send_join(member);
        return;
    }
    wire_good(response.error_code, "heartbeat");
    member->step = STEP_IDLE;
}

/* ---- the consumer protocol ---- */

static void send_consumer(struct member *member)
{
    struct string_view topics[] = {string_view_of(member->run->topic)};
    struct consumer_group_heartbeat_request_topic_partitions owned = {
        member->run->topic_id, {member->owned, member->owned_count}};
    struct consumer_group_heartbeat_request request;
    consumer_group_heartbeat_request_default(&request);
    request.group_id = string_view_of(GROUP);
    request.member_id = id_of(member);
    request.member_epoch = member->epoch;
    if (member->epoch == 0) {
        request.rebalance_timeout_ms = REBALANCE_MS;
        request.subscribed_topic_names.items = topics;
        request.subscribed_topic_names.count = 1;
    }
    if (member->epoch <= 0 || member->new_assignment) {
        request.topic_partitions.items = &owned;
        request.topic_partitions.count = member->epoch == 0 || member->owned_count == 0 ? 0 : 1;
    }
    member->new_assignment = false;
    member->step = STEP_HEARTBEAT;
    wire_send(&member->wire, &consumer_api, &request);
}

static void consumer_own(struct member *member,
                         const struct consumer_group_heartbeat_response_assignment *assignment)
{
    member->owned_count = 0;
    for (int32_t i = 0; i < assignment->topic_partitions.count; i++) {
        int32_t count = assignment->topic_partitions.items[i].partitions.count;
        wire_need(mem_grow((void **)&member->owned, &member->owned_capacity,
                           (size_t)count + 1, sizeof *member->owned) == 0,
                  "memory");
        memcpy(member->owned, assignment->topic_partitions.items[i].partitions.items,
               (size_t)count * sizeof *member->owned);
        member->owned_count = count;
    }
    member->new_assignment = true;
    member->assigned = false;
}

/* A member that was told something new says at once that it has it. */
static void consumer_answered(struct member *member)
{
    struct consumer_group_heartbeat_response response;
    wire_decode(&member->wire, &consumer_api, &response);
    if (wire_not_yet(response.error_code)) {
        send_consumer(member);
        return;
    }
    wire_good(response.error_code, "heartbeat");
    member->epoch = response.member_epoch;
    if (response.assignment != NULL) {
        consumer_own(member, response.assignment);
        send_consumer(member);
        return;
    }
    member->assigned = true;
    member->step = STEP_IDLE;
}

/* ---- both ---- */

static void answered(void *owner)
{
    struct member *member = owner;
    switch (member->step) {
    case STEP_JOINING:
        join_answered(member);
        break;
    case STEP_SYNCING:
        sync_answered(member);
        break;
    case STEP_HEARTBEAT:
        if (member->run->classic) {
            heartbeat_answered(member);
        } else {
            consumer_answered(member);
        }
        break;
    case STEP_IDLE:
        wire_need(false, "an answer that nobody asked for");
    }
}

/* Everybody that waits for nothing and has no newer epoch asks how things are. */
static void heartbeat_all(struct run *run, int32_t newest_epoch)
{
    for (size_t i = 0; i < run->count; i++) {
        struct member *member = &run->members[i];
        if (member->step == STEP_IDLE && member->epoch <= newest_epoch) {
            run->heartbeats++;
            if (run->classic) {
                send_heartbeat(member);
            } else {
                send_consumer(member);
            }
        }
    }
}

static bool is_settled(const struct run *run, int32_t after_epoch)
{
    int64_t owned = 0;
    int32_t epoch = run->members[0].epoch;
    for (size_t i = 0; i < run->count; i++) {
        const struct member *member = &run->members[i];
        if (!member->assigned || member->epoch != epoch) {
            return false;
        }
        owned += member->owned_count;
    }
    return owned == run->partitions && epoch > after_epoch;
}

/* Classic members that have joined a newer generation are done; until there is one, and with the
 * other protocol, everybody goes on asking. */
static void settle(struct run *run, int poll, int32_t after_epoch)
{
    int32_t asking_epoch = run->classic && after_epoch > 0 ? after_epoch : INT32_MAX;
    int64_t due_ns = now_ns() + TICK_MS * 1000000;
    while (!is_settled(run, after_epoch)) {
        wire_poll(poll, TICK_MS, answered);
        if (now_ns() > due_ns) {
            heartbeat_all(run, asking_epoch);
            due_ns = now_ns() + TICK_MS * 1000000;
        }
    }
}

/* Until every answer has come. */
static void drain(struct run *run, int poll)
{
    for (size_t i = 0; i < run->count;) {
        if (run->members[i].step == STEP_IDLE) {
            i++;
        } else {
            wire_poll(poll, -1, answered);
        }
    }
}

/* The last member goes. */
static void leave(struct run *run)
{
    struct member *member = &run->members[--run->count];
    if (!run->classic) {
        struct consumer_group_heartbeat_response response;
        member->epoch = -1;
        send_consumer(member);
        wire_take(&member->wire, &consumer_api, &response);
        wire_good(response.error_code, "leave");
        return;
    }
    struct leave_group_request_member_identity identity = {.member_id = id_of(member)};
    struct leave_group_request request;
    struct leave_group_response response;
    leave_group_request_default(&request);
    request.group_id = string_view_of(GROUP);
    request.members.items = &identity;
    request.members.count = 1;
    wire_call(&member->wire, &leave_api, &request, &response);
    wire_good(response.error_code, "leave");
}

static void measure(struct run *run, int poll)
{
    drain(run, poll);
    heartbeat_all(run, INT32_MAX); /* nothing is left to be heard of */
    drain(run, poll);
    settle(run, poll, 0);
    drain(run, poll);
    int32_t epoch = run->members[0].epoch;
    wire_ready();
    run->heartbeats = 0;
    int64_t began_ns = now_ns();
    leave(run);
    heartbeat_all(run, INT32_MAX);
    settle(run, poll, epoch);
    printf("{\"settled_ms\": %.2f, \"heartbeats\": %ld}\n", (double)(now_ns() - began_ns) / 1e6,
           run->heartbeats);
    fflush(stdout);
}

static void open_members(struct run *run, const char *bootstrap, int poll)
{
    for (size_t i = 0; i < run->count; i++) {
        struct member *member = &run->members[i];
        member->run = run;
        wire_open(&member->wire, bootstrap);
        if (i == 0) {
            run->topic_id = wire_topic(&member->wire, run->topic, &run->partitions);
            wire_find_coordinator(&member->wire, GROUP, 0);
        }
        wire_poll_add(poll, &member->wire, member);
        if (run->classic) {
            send_join(member);
        } else {
            snprintf(member->id, sizeof member->id, "member-%016zu", i);
            send_consumer(member);
        }
    }
}

int main(int argc, char **argv)
{
    wire_need(argc == 6, "usage: members classic|consumer BOOTSTRAP TOPIC MEMBERS LEAVES");
    size_t count = strtoul(argv[4], NULL, 10);
    size_t leaves = strtoul(argv[5], NULL, 10);
    struct run run = {.topic = argv[3], .classic = strcmp(argv[1], "classic") == 0};
    wire_need(count > leaves, "more members than leave");
    int poll = wire_poll_create();
    writer_init(&run.subscription, WIRE_BYTES_MAX);
    writer_init(&run.assignments, WIRE_BYTES_MAX);
    run.members = mem_need(count * sizeof *run.members);
    run.count = count;
    write_subscription(&run);
    open_members(&run, argv[2], poll);
    settle(&run, poll, 0);
    for (size_t i = 0; i < leaves; i++) {
        measure(&run, poll);
    }
    for (size_t i = 0; i < count; i++) {
        wire_close(&run.members[i].wire);
        mem_free(run.members[i].owned);
    }
    writer_release(&run.subscription);
    writer_release(&run.assignments);
    mem_free(run.members);
    return 0;
}
