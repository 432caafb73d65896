/* CreateTopics. */
#include "base/assert.h"
#include "controller/controller_internal.h"
#include "metadata/topic_name.h"

#define TOPIC_RESOURCE 2
/* An assignment by hand; no partitions or replicas are counted then. */
#define BY_HAND (-1)

/* One topic on its way. */
struct creation {
    struct controller *controller;
    struct controller_call *call;
    const struct create_topics_request_creatable_topic *asked;
    struct create_topics_response_creatable_topic_result *result;
    struct uuid id;
    int32_t partition_count;
    int16_t replication_factor;
    int32_t *replicas; /* replication_factor ids a partition */
};

static int16_t creation_fail(struct creation *creation, int16_t error, const char *text)
{
    creation->result->error_code = error;
    creation->result->error_message = string_view_of(text);
    return error;
}

static int16_t check_name(struct creation *creation)
{
    struct err_message message;
    struct string_view name = creation->asked->name;
    if (topic_name_check(name, &message) != 0) {
        creation->result->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        creation->result->error_message =
            arena_string(creation->call->arena, string_view_of(message.text));
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    const struct image *image = creation->controller->image;
    if (image_topic_by_name(image, name) != NULL) {
        creation->result->error_code = KAFKA_TOPIC_ALREADY_EXISTS;
        creation->result->error_message = arena_format(
            creation->call->arena, "Topic '%.*s' already exists.", (int)name.size, name.data);
        return KAFKA_TOPIC_ALREADY_EXISTS;
    }
    for (size_t i = 0; i < image_topic_count(image); i++) {
        struct string_view other = image_topic_at(image, i)->name;
        if (other.size == name.size && topic_names_collide(other, name)) {
            creation->result->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
            creation->result->error_message = arena_format(
                creation->call->arena, "Topic '%.*s' collides with existing topic: %.*s",
                (int)name.size, name.data, (int)other.size, other.data);
            return KAFKA_INVALID_TOPIC_EXCEPTION;
        }
    }
    return 0;
}

/* Of a key that is named twice the last value counts. */
static size_t take_config(struct image_setting *settings, size_t count, struct string_view name,
                          struct string_view value)
{
    size_t at = 0;
    while (at < count && !string_view_equal(settings[at].name, name)) {
        at++;
    }
    settings[at] = (struct image_setting){name, value};
    return at < count ? count : count + 1;
}

static int16_t check_configs(struct creation *creation)
{
    const struct controller_options *options = &creation->controller->options;
    struct arena *arena = creation->call->arena;
    struct string_view nulls = {NULL, 0};
    struct err_message message = {{0}};
    size_t asked = creation->asked->configs.count > 0 ? (size_t)creation->asked->configs.count : 0;
    struct image_setting *settings = arena_array(arena, asked, sizeof *settings);
    size_t count = 0;
    for (size_t i = 0; settings != NULL && i < asked; i++) {
        const struct create_topics_request_creatable_topic_config *config =
            &creation->asked->configs.items[i];
        if (config->value.data == NULL) {
            nulls = arena_format(arena, "%.*s%s%.*s", (int)nulls.size,
                                 nulls.data == NULL ? "" : nulls.data,
                                 nulls.data == NULL ? "" : ",", (int)config->name.size,
                                 config->name.data);
        } else {
            count = take_config(settings, count, config->name, config->value);
        }
    }
    if (settings == NULL) {
        return creation_fail(creation, KAFKA_UNKNOWN_SERVER_ERROR, NULL);
    }
    if (nulls.data != NULL) {
        creation->result->error_code = KAFKA_INVALID_CONFIG;
        creation->result->error_message =
            arena_format(arena, "Null value not supported for topic configs: %.*s",
                         (int)nulls.size, nulls.data);
        return KAFKA_INVALID_CONFIG;
    }
    int16_t error = count == 0 ? 0
                               : options->check_settings(options->context, TOPIC_RESOURCE, settings,
                                                         count, &message);
    if (error != 0) {
        creation->result->error_code = error;
        creation->result->error_message = arena_string(arena, string_view_of(message.text));
    }
    return error;
}

int16_t controller_check_replicas(const struct controller *controller,
                                  struct controller_call *call, const int32_t *replicas,
                                  int32_t count, int32_t expected, struct string_view *message)
{
    if (count <= 0) {
        *message = string_view_of("The manual partition assignment includes an empty replica "
                                  "list.");
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (replicas[i] == replicas[j]) {
                *message = arena_format(call->arena,
                                        "The manual partition assignment includes the broker %d "
                                        "more than once.",
                                        replicas[i]);
                return KAFKA_INVALID_REPLICA_ASSIGNMENT;
            }
        }
        if (image_broker_by_id(controller->image, replicas[i]) == NULL) {
            *message = arena_format(call->arena,
                                    "The manual partition assignment includes broker %d, but no "
                                    "such broker is registered.",
                                    replicas[i]);
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    if (expected > 0 && count != expected) {
        *message = arena_format(call->arena,
                                "The manual partition assignment includes a partition with %d "
                                "replica(s), but this is not consistent with previous partitions, "
                                "which have %d replica(s).",
                                count, expected);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    return 0;
}

static int16_t take_assignment(struct creation *creation)
{
    const struct create_topics_request_creatable_topic *asked = creation->asked;
    int32_t count = asked->assignments.count;
    if (asked->replication_factor != BY_HAND) {
        return creation_fail(creation, KAFKA_INVALID_REQUEST,
                             "A manual partition assignment was specified, but replication factor "
                             "was not set to -1.");
    }
    if (asked->num_partitions != BY_HAND) {
        return creation_fail(creation, KAFKA_INVALID_REQUEST,
                             "A manual partition assignment was specified, but numPartitions was "
                             "not set to -1.");
    }
    int32_t width = asked->assignments.items[0].broker_ids.count;
    creation->replicas = arena_array(creation->call->arena, (size_t)count * (size_t)(width + 1),
                                     sizeof *creation->replicas);
    bool *seen = arena_array(creation->call->arena, (size_t)count, sizeof *seen);
    if (creation->replicas == NULL || seen == NULL) {
        return creation_fail(creation, KAFKA_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_creatable_replica_assignment *given =
            &asked->assignments.items[i];
        int16_t error = controller_check_replicas(
            creation->controller, creation->call, given->broker_ids.items,
            given->broker_ids.count, width, &creation->result->error_message);
        if (error != 0) {
            creation->result->error_code = error;
            return error;
        }
        if (given->partition_index < 0 || given->partition_index >= count ||
            seen[given->partition_index]) {
            return creation_fail(creation, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                                 "partitions should be a consecutive 0-based integer sequence");
        }
        seen[given->partition_index] = true;
        memcpy(creation->replicas + given->partition_index * width, given->broker_ids.items,
               (size_t)width * sizeof *creation->replicas);
    }
    ASSERT(count > 0 && width > 0);
    creation->partition_count = count;
    creation->replication_factor = (int16_t)width;
    return 0;
}

static int16_t make_assignment(struct creation *creation)
{
    const struct create_topics_request_creatable_topic *asked = creation->asked;
    const struct controller_options *options = &creation->controller->options;
    creation->partition_count = asked->num_partitions == -1 ? options->default_partition_count
                                                            : asked->num_partitions;
    creation->replication_factor = asked->replication_factor == -1
                                       ? options->default_replication_factor
                                       : asked->replication_factor;
    if (creation->partition_count <= 0 &&
        (asked->replication_factor == -1 || asked->replication_factor > 0)) {
        return creation_fail(creation, KAFKA_INVALID_PARTITIONS,
                             "Number of partitions was set to an invalid non-positive value.");
    }
    ASSERT(creation->partition_count <= CONTROLLER_RECORDS_MAX);
    if (asked->replication_factor == -1 && creation->replication_factor <= 0) {
        creation->result->error_code = KAFKA_INVALID_REPLICATION_FACTOR;
        creation->result->error_message =
            arena_format(creation->call->arena,
                         "Unable to replicate the partition %d time(s): Invalid replication factor "
                         "%d: the replication factor must be positive.",
                         creation->replication_factor, creation->replication_factor);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    struct placement placement; /* which says what is wrong with a factor that is not above zero */
    int16_t error = placement_init(&placement, creation->controller, creation->call,
                                   creation->replication_factor,
                                   &creation->result->error_message);
    if (error != 0 && creation->replication_factor > 0) {
        creation->result->error_message = arena_format(
            creation->call->arena, "Unable to replicate the partition %d time(s): %.*s",
            creation->replication_factor, (int)creation->result->error_message.size,
            creation->result->error_message.data);
    }
    if (error != 0) {
        creation->result->error_code = error;
        return error;
    }
    size_t width = (size_t)creation->replication_factor;
    creation->replicas = arena_array(creation->call->arena,
                                     (size_t)creation->partition_count * width,
                                     sizeof *creation->replicas);
    if (creation->replicas == NULL) {
        return creation_fail(creation, KAFKA_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    for (int32_t i = 0; i < creation->partition_count; i++) {
        placement_next(&placement, creation->replication_factor,
                       creation->replicas + (size_t)i * width);
    }
    return 0;
}

static void add_partitions(struct creation *creation)
{
    int32_t width = creation->replication_factor;
    struct uuid *directories =
        arena_array(creation->call->arena, (size_t)width, sizeof *directories);
    for (int32_t i = 0; directories != NULL && i < creation->partition_count; i++) {
        int32_t *replicas = creation->replicas + (size_t)i * (size_t)width;
        controller_add_new_partition(creation->controller, creation->call, creation->id, i,
                                     replicas, width, directories);
    }
}

static void add_records(struct creation *creation)
{
    struct controller_records *records = creation->call->records;
    ASSERT(creation->partition_count > 0 && creation->replication_factor > 0);
    ASSERT(image_topic_by_name(creation->controller->image, creation->asked->name) == NULL);
    struct topic_record topic;
    topic_record_default(&topic);
    topic.name = creation->asked->name;
    topic.topic_id = creation->id;
    controller_records_add(records, TOPIC_RECORD_KEY, 0, &topic_record_row, &topic);
    for (int32_t i = 0; i < creation->asked->configs.count; i++) {
        const struct create_topics_request_creatable_topic_config *config =
            &creation->asked->configs.items[i];
        controller_add_config(records, TOPIC_RESOURCE, topic.name, config->name, config->value);
    }
    add_partitions(creation);
}

static void create_topic(struct creation *creation, bool repeated, bool validate_only)
{
    const struct create_topics_request_creatable_topic *asked = creation->asked;
    struct create_topics_response_creatable_topic_result *result = creation->result;
    *result = (struct create_topics_response_creatable_topic_result){
        .name = asked->name, .num_partitions = -1, .replication_factor = -1};
    if (repeated) {
        creation_fail(creation, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
        return;
    }
    if (check_name(creation) != 0 || check_configs(creation) != 0) {
        return;
    }
    int16_t error = asked->assignments.count > 0 ? take_assignment(creation)
                                                 : make_assignment(creation);
    if (error != 0) {
        return;
    }
    ASSERT(result->error_code == 0 && creation->replicas != NULL);
    result->topic_id = creation->id;
    result->num_partitions = creation->partition_count;
    result->replication_factor = creation->replication_factor;
    /* The broker that asks adds the settings: it knows those that are not the topic's own. */
    if (!validate_only) {
        add_records(creation);
    }
}

/* Partitions of all topics together; each counts as one at least, since the names are compared with
 * one another. */
static int64_t partitions_asked(const struct controller *controller,
                                const struct create_topics_request *asked)
{
    int64_t total = 0;
    for (int32_t i = 0; i < asked->topics.count; i++) {
        const struct create_topics_request_creatable_topic *topic = &asked->topics.items[i];
        int32_t count = topic->assignments.count > 0 ? topic->assignments.count
                        : topic->num_partitions == -1
                            ? controller->options.default_partition_count
                            : topic->num_partitions;
        total += count > 0 ? count : 1;
    }
    return total;
}

static void refuse_all(const struct create_topics_request *asked,
                       struct create_topics_response *response)
{
    for (int32_t i = 0; i < asked->topics.count; i++) {
        response->topics.items[response->topics.count++] =
            (struct create_topics_response_creatable_topic_result){
                .name = asked->topics.items[i].name,
                .error_code = KAFKA_POLICY_VIOLATION,
                .error_message = string_view_of("Excessively large number of partitions per "
                                                "request."),
                .num_partitions = -1,
                .replication_factor = -1};
    }
}

void controller_create_topics(struct controller *controller, struct controller_call *call)
{
    const struct create_topics_request *asked = call->request;
    struct create_topics_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    if (response == NULL) {
        return;
    }
    create_topics_response_default(response);
    response->topics.items = arena_array(call->arena, count, sizeof *response->topics.items);
    call->response = response;
    if (response->topics.items != NULL &&
        partitions_asked(controller, asked) > CONTROLLER_RECORDS_MAX) {
        refuse_all(asked, response);
        return;
    }
    for (size_t i = 0; response->topics.items != NULL && i < count; i++) {
        bool repeated = false;
        bool first = true;
        for (size_t j = 0; j < count; j++) {
            if (j != i && string_view_equal(asked->topics.items[i].name,
                                            asked->topics.items[j].name)) {
                repeated = true;
                first &= j > i;
            }
        }
        if (repeated && !first) {
            continue; /* answered once */
        }
        struct creation creation = {.controller = controller,
                                    .call = call,
                                    .asked = &asked->topics.items[i],
                                    .result = &response->topics.items[response->topics.count++],
                                    .id = controller_random_uuid(call, i)};
        create_topic(&creation, repeated, asked->validate_only);
    }
}

void controller_add_new_partition(struct controller *controller, struct controller_call *call,
                                  struct uuid topic_id, int32_t index, int32_t *replicas,
                                  int32_t replica_count, struct uuid *directories)
{
    ASSERT(replica_count > 0 && index >= 0);
    ASSERT(!uuid_is_zero(topic_id));
    struct partition_record record;
    partition_record_default(&record);
    int32_t *isr = arena_array(call->arena, (size_t)replica_count, sizeof *isr);
    if (isr == NULL) {
        return;
    }
    int32_t isr_count = 0;
    for (int32_t i = 0; i < replica_count; i++) {
        const struct image_broker *broker = image_broker_by_id(controller->image, replicas[i]);
        if (broker != NULL && !broker->fenced && !broker->in_controlled_shutdown) {
            isr[isr_count++] = replicas[i];
        }
    }
    placement_directories(controller, replicas, replica_count, directories);
    ASSERT(isr_count <= replica_count);
    record.topic_id = topic_id;
    record.partition_id = index;
    record.replicas.items = replicas;
    record.replicas.count = replica_count;
    record.isr.items = isr_count > 0 ? isr : replicas;
    record.isr.count = isr_count > 0 ? isr_count : 1;
    record.leader = isr_count > 0 ? isr[0] : -1;
    record.leader_epoch = 0;
    record.partition_epoch = 0;
    record.directories.items = directories;
    record.directories.count = replica_count;
    ASSERT(record.isr.count > 0 && record.directories.count == record.replicas.count);
    controller_add_partition(controller, call->records, &record);
}
