#include "targets.h"

#include <string.h>

#include "base/mem.h"
#include "base/reader.h"
#include "coordinator/group/group.h"
#include "../unit/coordinator/cluster_table.h"
#include "protocol/error.h"

#define CALL_BYTES_MAX (1u << 20)
#define LOG_BYTES_MAX (1u << 22)
#define WALL_MS INT64_C(1700000000000)
#define HOUR_MS INT64_C(3600000)
#define GROUPS_ASKED_MAX 8

/* A coordinator of groups without a log: what it writes is taken at once. */
struct coordinator {
    struct cluster_table table;
    struct cluster cluster;
    struct group_coordinator *groups;
    struct runtime *runtime;
    struct runtime_time now;
    int64_t end_offset;
};
struct asked {
    struct runtime_call call;
    struct arena arena;
    bool answered;
};

static bool coordinator_open(struct coordinator *coordinator)
{
    struct group_options options = {.seed = 7,
                                    .min_session_timeout_ms = 6000,
                                    .max_session_timeout_ms = 1800000,
                                    .max_size = 1000,
                                    .offset_metadata_max_bytes = 4096,
                                    .offsets_retention_ms = HOUR_MS,
                                    .offsets_retention_check_interval_ms = 600000};
    *coordinator = (struct coordinator){.now = {1000, WALL_MS}};
    table_init(&coordinator->table);
    table_add(&coordinator->table, "a", 2);
    table_add(&coordinator->table, "t", 3);
    coordinator->cluster = table_cluster(&coordinator->table);
    table_options(&coordinator->cluster, &options);
    if (group_coordinator_create(&options, &coordinator->groups) != 0) {
        return false;
    }
    coordinator->runtime = group_coordinator_runtime(coordinator->groups);
    return true;
}

/* Appends and commits what was written, and takes the answers. */
static void coordinator_settle(struct coordinator *coordinator)
{
    struct runtime_batch *batch;
    struct runtime_call *call;
    struct runtime_note *note;
    while ((batch = runtime_next_batch(coordinator->runtime)) != NULL) {
        coordinator->end_offset += (int64_t)batch->count;
        runtime_appended(coordinator->runtime, batch, 0, coordinator->end_offset - 1,
                         coordinator->now);
        runtime_committed(coordinator->runtime, coordinator->end_offset, coordinator->now);
    }
    while ((call = runtime_take_reply(coordinator->runtime)) != NULL) {
        CONTAINER_OF(call, struct asked, call)->answered = true;
    }
    while ((note = runtime_take_note(coordinator->runtime)) != NULL) {
        mem_free(note);
    }
}

static void coordinator_pass(struct coordinator *coordinator, int64_t ms)
{
    int64_t end_ms = coordinator->now.monotonic_ms + ms;
    int64_t next_ms;
    while ((next_ms = runtime_next_deadline_ms(coordinator->runtime)) <= end_ms) {
        if (next_ms > coordinator->now.monotonic_ms) {
            coordinator->now.wall_ms += next_ms - coordinator->now.monotonic_ms;
            coordinator->now.monotonic_ms = next_ms;
        }
        runtime_tick(coordinator->runtime, coordinator->now);
        coordinator_settle(coordinator);
    }
    coordinator->now.wall_ms += end_ms - coordinator->now.monotonic_ms;
    coordinator->now.monotonic_ms = end_ms;
}

/* The answer is in the call's arena; NULL: it waits, or there was no memory. */
static const void *coordinator_ask(struct coordinator *coordinator, struct asked *asked,
                                   int16_t api_key, int16_t version, const void *request)
{
    *asked = (struct asked){.call = {.api_key = api_key,
                                     .api_version = version,
                                     .request = request,
                                     .client_id = string_view_of("fuzz"),
                                     .client_host = string_view_of("/127.0.0.1")}};
    arena_init(&asked->arena, CALL_BYTES_MAX);
    asked->call.arena = &asked->arena;
    runtime_handle(coordinator->runtime, &asked->call, coordinator->now);
    coordinator_settle(coordinator);
    return asked->answered ? asked->call.response : NULL;
}

static void coordinator_close(struct coordinator *coordinator)
{
    runtime_unload(coordinator->runtime);
    coordinator_settle(coordinator);
    group_coordinator_destroy(&coordinator->groups);
}

/* Joins by the consumer protocol, stays once, and leaves: whatever the log says of the group. */
static void visit_group(struct coordinator *coordinator, struct string_view id)
{
    struct asked asked;
    struct string_view names[] = {string_view_of("a"), string_view_of("t")};
    struct consumer_group_heartbeat_request request;
    consumer_group_heartbeat_request_default(&request);
    request.group_id = id;
    request.member_id = string_view_of("visitor");
    request.rebalance_timeout_ms = 1000;
    request.subscribed_topic_names.items = names;
    request.subscribed_topic_names.count = 2;
    request.topic_partitions.count = 0;
    for (int i = 0; i < 3; i++) {
        const struct consumer_group_heartbeat_response *response =
            coordinator_ask(coordinator, &asked, API_CONSUMER_GROUP_HEARTBEAT, 1, &request);
        fuzz_require(asked.answered, "a heartbeat does not wait");
        bool in = response != NULL && response->error_code == 0;
        request.member_epoch = in ? i == 0 ? response->member_epoch : -1 : -1;
        arena_release(&asked.arena);
        if (!in) {
            break;
        }
    }
    (void)coordinator_ask(coordinator, &asked, API_CONSUMER_GROUP_DESCRIBE, 1, &id);
    fuzz_require(asked.answered, "neither does this description");
    arena_release(&asked.arena);
}

/* Everything that can be asked of a group. */
static void ask_group(struct coordinator *coordinator, struct string_view id, bool remove)
{
    struct asked asked;
    struct group_offset_fetch fetch = {.group = {.group_id = id, .topics = {NULL, -1}},
                                       .require_stable = remove};
    const void *answer =
        coordinator_ask(coordinator, &asked, API_DESCRIBE_GROUPS, 6, &id);
    fuzz_require(asked.answered, "a description does not wait");
    arena_release(&asked.arena);
    answer = coordinator_ask(coordinator, &asked, API_OFFSET_FETCH, 9, &fetch);
    fuzz_require(asked.answered && answer != NULL, "neither does a fetch of offsets");
    arena_release(&asked.arena);
    if (remove && id.size > 0) {
        visit_group(coordinator, id);
    }
    if (remove) {
        (void)coordinator_ask(coordinator, &asked, API_DELETE_GROUPS, 2, &id);
        fuzz_require(asked.answered, "nor does the end of a group");
        arena_release(&asked.arena);
    }
}

static void ask_all_groups(struct coordinator *coordinator, bool remove)
{
    struct asked asked;
    struct list_groups_request request = {.states_filter = {NULL, 0}};
    const struct list_groups_response *response =
        coordinator_ask(coordinator, &asked, API_LIST_GROUPS, 5, &request);
    fuzz_require(asked.answered, "a list does not wait");
    for (int32_t i = 0; response != NULL && i < response->groups.count && i < GROUPS_ASKED_MAX;
         i++) {
        ask_group(coordinator, response->groups.items[i].group_id, remove);
    }
    arena_release(&asked.arena);
}

enum entry_kind { ENTRY_RECORD, ENTRY_OF_TRANSACTION, ENTRY_COMMIT, ENTRY_ABORT, ENTRY_KINDS };

/* A batch of one record goes to the machine as from the log. */
static void load_entry(struct coordinator *coordinator, enum entry_kind kind,
                       struct bytes_view key, struct bytes_view value)
{
    static const uint8_t marker_keys[2][4] = {{0, 0, 0, 1}, {0, 0, 0, 0}};
    static const uint8_t marker_value[6] = {0};
    struct writer log;
    struct batch batch;
    struct batch header = batch_header_empty(coordinator->end_offset);
    struct batch_builder builder;
    bool marker = kind == ENTRY_COMMIT || kind == ENTRY_ABORT;
    struct record record = {
        .offset = coordinator->end_offset, .timestamp_ms = WALL_MS, .key = key, .value = value};
    header.base_timestamp_ms = header.max_timestamp_ms = WALL_MS;
    if (marker) {
        record.key = (struct bytes_view){marker_keys[kind == ENTRY_ABORT], 4};
        record.value = (struct bytes_view){marker_value, sizeof marker_value};
    }
    if (kind != ENTRY_RECORD) {
        header.producer_id = 7;
        header.producer_epoch = 0;
        header.attributes = (uint16_t)(BATCH_TRANSACTIONAL | (marker ? BATCH_CONTROL : 0));
    }
    writer_init(&log, LOG_BYTES_MAX);
    batch_builder_init(&builder, &log, &header);
    batch_builder_add(&builder, &record);
    if (batch_builder_finish(&builder) == 0 && batch_decode(log.data, log.size, &batch) == 0) {
        struct bytes_view records = {batch.records, batch.size_bytes - BATCH_HEADER_BYTES};
        fuzz_require(runtime_load(coordinator->runtime, &batch, records) >= 0,
                     "a batch in order is read");
        coordinator->end_offset++;
    }
    writer_release(&log);
}

void fuzz_group_records(const uint8_t *data, size_t size)
{
    struct coordinator coordinator;
    struct reader reader;
    if (!coordinator_open(&coordinator)) {
        return;
    }
    reader_init(&reader, data, size);
    while (reader_left(&reader) > 4) {
        enum entry_kind kind = (enum entry_kind)((uint8_t)reader_i8(&reader) % ENTRY_KINDS);
        if (kind == ENTRY_COMMIT || kind == ENTRY_ABORT) {
            load_entry(&coordinator, kind, (struct bytes_view){NULL, 0},
                       (struct bytes_view){NULL, 0});
            continue;
        }
        struct bytes_view key = fuzz_take_part(&reader, data, size);
        struct bytes_view value = fuzz_take_part(&reader, data, size);
        load_entry(&coordinator, kind, key, value);
    }
    runtime_loaded(coordinator.runtime, coordinator.now);
    coordinator_settle(&coordinator);
    ask_all_groups(&coordinator, false);
    group_coordinator_forget_topic(coordinator.groups, string_view_of("t"), (struct uuid){{0}},
                                   coordinator.now);
    coordinator_pass(&coordinator, HOUR_MS / 2);
    ask_all_groups(&coordinator, true);
    coordinator_pass(&coordinator, 2 * HOUR_MS);
    ask_all_groups(&coordinator, true);
    coordinator_close(&coordinator);
}

static int64_t generation_of(const struct asked *asked)
{
    const struct join_group_response *response = asked->call.response;
    return asked->answered && response != NULL && response->error_code == 0
               ? response->generation_id
               : -1;
}

/* The first of all protocols, and what its leader gives it. */
static void sync_member(struct coordinator *coordinator, const struct asked *joined,
                        struct bytes_view assignment)
{
    const struct join_group_response *member = joined->call.response;
    struct sync_group_request_sync_group_request_assignment given = {
        .member_id = member->member_id, .assignment = assignment};
    struct sync_group_request request = {.group_id = string_view_of("g"),
                                         .generation_id = member->generation_id,
                                         .member_id = member->member_id,
                                         .protocol_type = string_view_of("consumer"),
                                         .protocol_name = member->protocol_name,
                                         .assignments = {&given, 1}};
    struct asked asked;
    const struct sync_group_response *response =
        coordinator_ask(coordinator, &asked, API_SYNC_GROUP, 5, &request);
    fuzz_require(asked.answered && (response == NULL || response->error_code != 0 ||
                                    response->assignment.size == assignment.size),
                 "the member gets what the leader gave it");
    arena_release(&asked.arena);
}

void fuzz_subscription(const uint8_t *data, size_t size)
{
    struct coordinator coordinator;
    struct reader reader;
    struct asked joined;
    if (!coordinator_open(&coordinator)) {
        return;
    }
    runtime_loaded(coordinator.runtime, coordinator.now);
    coordinator_settle(&coordinator);
    reader_init(&reader, data, size);
    struct bytes_view metadata = fuzz_take_part(&reader, data, size);
    struct bytes_view assignment = fuzz_take_part(&reader, data, size);
    struct join_group_request_join_group_request_protocol protocol = {string_view_of("range"),
                                                                      metadata};
    struct join_group_request request = {.group_id = string_view_of("g"),
                                         .session_timeout_ms = 10000,
                                         .rebalance_timeout_ms = 20000,
                                         .member_id = string_view_of(""),
                                         .protocol_type = string_view_of("consumer"),
                                         .protocols = {&protocol, 1}};
    (void)coordinator_ask(&coordinator, &joined, API_JOIN_GROUP, 3, &request);
    coordinator_pass(&coordinator, 1);
    fuzz_require(generation_of(&joined) == 1, "a member alone is the first generation");
    sync_member(&coordinator, &joined, assignment);
    arena_release(&joined.arena);
    struct offset_delete_request_offset_delete_request_topic topic = {.name = string_view_of("t")};
    struct offset_delete_request removed = {.group_id = string_view_of("g"),
                                            .topics = {&topic, 1}};
    struct asked asked;
    (void)coordinator_ask(&coordinator, &asked, API_OFFSET_DELETE, 0, &removed);
    fuzz_require(asked.answered, "a deletion does not wait");
    arena_release(&asked.arena);
    ask_all_groups(&coordinator, false);
    coordinator_pass(&coordinator, HOUR_MS);
    coordinator_close(&coordinator);
}

/* ---- members of the consumer protocol ---- */

#define CALLERS 4
#define CALLS_MAX 200

/* A caller, with what it last heard. */
struct caller {
    int32_t epoch;
    int32_t owned[8]; /* numbers of the table's partitions: topic * 4 + partition */
    int32_t owned_count;
};

static void caller_hear(const struct coordinator *coordinator, struct caller *caller,
                        const struct consumer_group_heartbeat_response *response)
{
    if (response->error_code != 0) {
        return;
    }
    caller->epoch = response->member_epoch;
    if (response->assignment == NULL) {
        return;
    }
    caller->owned_count = 0;
    for (int32_t i = 0; i < response->assignment->topic_partitions.count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &response->assignment->topic_partitions.items[i];
        bool first = uuid_equal(topic->topic_id, coordinator->table.topics[0].id);
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            fuzz_require(caller->owned_count < 8, "there are fewer partitions");
            caller->owned[caller->owned_count++] =
                (first ? 0 : 4) + topic->partitions.items[j];
        }
    }
}

/* What it says depends on the bytes: its epoch or another one, what it owns or less, whom it is. */
static void caller_ask(struct coordinator *coordinator, struct caller *callers,
                       struct reader *reader)
{
    static const char *const ids[CALLERS] = {"one", "two", "three", "four"};
    static const char *const regexes[] = {"", "a|t", "t.*", "("};
    struct string_view names[] = {string_view_of("t"), string_view_of("a")};
    struct consumer_group_heartbeat_request_topic_partitions topics[8];
    int32_t numbers[8];
    struct consumer_group_heartbeat_request request;
    struct asked asked;
    uint8_t who = (uint8_t)reader_i8(reader);
    uint8_t how = (uint8_t)reader_i8(reader);
    uint8_t what = (uint8_t)reader_i8(reader);
    struct caller *caller = &callers[who % CALLERS];
    consumer_group_heartbeat_request_default(&request);
    request.group_id = string_view_of("g");
    request.member_id = string_view_of(ids[(who >> 4) % 8 == 7 ? 0 : who % CALLERS]);
    request.instance_id = (who >> 2) % 4 == 3 ? string_view_of("instance")
                                              : (struct string_view){NULL, 0};
    request.member_epoch = how % 16 < 10   ? caller->epoch
                           : how % 16 < 13 ? 0
                                           : how % 16 - 15; /* -2, -1, 0 */
    if (how >> 4 < 12) {
        request.topic_partitions.items = topics;
        request.topic_partitions.count =
            request.member_epoch == 0 ? 0 : caller->owned_count - (how >> 6 == 1 ? 1 : 0);
        request.topic_partitions.count =
            request.topic_partitions.count < 0 ? 0 : request.topic_partitions.count;
    }
    for (int32_t i = 0; i < request.topic_partitions.count; i++) {
        numbers[i] = caller->owned[i] % 4;
        topics[i].topic_id = coordinator->table.topics[caller->owned[i] / 4].id;
        topics[i].partitions.items = &numbers[i];
        topics[i].partitions.count = 1;
    }
    if (request.member_epoch == 0 || what % 8 == 0) {
        request.rebalance_timeout_ms = 30000;
        request.subscribed_topic_names.items = names;
        request.subscribed_topic_names.count = (what >> 3) % 3;
        request.subscribed_topic_regex = string_view_of(regexes[(what >> 5) % 4]);
    }
    const struct consumer_group_heartbeat_response *response =
        coordinator_ask(coordinator, &asked, API_CONSUMER_GROUP_HEARTBEAT, 1, &request);
    fuzz_require(asked.answered, "a heartbeat does not wait");
    if (response != NULL) {
        caller_hear(coordinator, caller, response);
    }
    arena_release(&asked.arena);
}

/* As the broker tells it: a partition is one member's, to keep or to give up. */
static void require_one_owner(struct coordinator *coordinator)
{
    struct string_view id = string_view_of("g");
    struct asked asked;
    uint8_t owners[8] = {0};
    const struct consumer_group_describe_response_described_group *told =
        coordinator_ask(coordinator, &asked, API_CONSUMER_GROUP_DESCRIBE, 1, &id);
    for (int32_t i = 0; told != NULL && i < told->members.count; i++) {
        const struct consumer_group_describe_response_assignment *has =
            &told->members.items[i].assignment;
        for (int32_t j = 0; j < has->topic_partitions.count; j++) {
            bool first = uuid_equal(has->topic_partitions.items[j].topic_id,
                                    coordinator->table.topics[0].id);
            for (int32_t k = 0; k < has->topic_partitions.items[j].partitions.count; k++) {
                int32_t number = has->topic_partitions.items[j].partitions.items[k];
                fuzz_require(owners[(first ? 0 : 4) + number]++ == 0,
                             "a partition has one owner");
            }
        }
    }
    arena_release(&asked.arena);
}

void fuzz_group_calls(const uint8_t *data, size_t size)
{
    struct coordinator coordinator;
    struct caller callers[CALLERS] = {{0}};
    struct reader reader;
    if (!coordinator_open(&coordinator)) {
        return;
    }
    runtime_loaded(coordinator.runtime, coordinator.now);
    coordinator_settle(&coordinator);
    reader_init(&reader, data, size);
    for (int i = 0; i < CALLS_MAX && reader_left(&reader) >= 4; i++) {
        uint8_t time = (uint8_t)reader_i8(&reader);
        caller_ask(&coordinator, callers, &reader);
        require_one_owner(&coordinator);
        coordinator_pass(&coordinator, time < 200 ? time * 10 : (time - 200) * 2000);
    }
    coordinator_pass(&coordinator, HOUR_MS);
    ask_all_groups(&coordinator, true);
    coordinator_close(&coordinator);
}
