/* Brokers as they come, beat and go; blocks of producer ids; feature levels. */
#include "base/assert.h"
#include "base/mem.h"
#include "controller/controller_internal.h"
#include "protocol/feature.h"

/* Of the quorum itself; it is not a record of the metadata. */
#define KRAFT_VERSION_MAX 1

#define PRODUCER_ID_BLOCK 1000

static struct controller_session *session_of(struct controller *controller, int32_t broker_id)
{
    for (size_t i = 0; i < controller->session_count; i++) {
        if (controller->sessions[i].broker_id == broker_id) {
            return &controller->sessions[i];
        }
    }
    if (mem_grow((void **)&controller->sessions, &controller->session_capacity,
                 controller->session_count + 1, sizeof *controller->sessions) != 0) {
        return NULL;
    }
    struct controller_session *session = &controller->sessions[controller->session_count++];
    *session = (struct controller_session){broker_id, INT64_MIN / 2};
    return session;
}

/* The first hundred ids are reserved; others belong to one directory of one broker. */
static bool directory_id_is_reserved(struct uuid id)
{
    static const uint8_t zero[15] = {0};
    return memcmp(id.bytes, zero, sizeof zero) == 0 && id.bytes[15] < 100;
}

static bool directories_fit(const struct controller *controller,
                            const struct broker_registration_request *asked)
{
    if (asked->log_dirs.count > CONTROLLER_RECORDS_MAX) {
        return false; /* each is compared with all others */
    }
    for (int32_t i = 0; i < asked->log_dirs.count; i++) {
        struct uuid id = asked->log_dirs.items[i];
        if (directory_id_is_reserved(id)) {
            return false;
        }
        for (int32_t j = 0; j < i; j++) {
            if (uuid_equal(asked->log_dirs.items[j], id)) {
                return false;
            }
        }
        for (size_t j = 0; j < image_broker_count(controller->image); j++) {
            const struct image_broker *other = image_broker_at(controller->image, j);
            for (int32_t k = 0; other->id != asked->broker_id && k < other->directory_count; k++) {
                if (uuid_equal(other->directories[k], id)) {
                    return false;
                }
            }
        }
    }
    return asked->log_dirs.count > 0;
}

/* 0, or why the broker may not come in; in the order of Apache Kafka's checks. */
static int16_t check_registration(struct controller *controller,
                                  const struct broker_registration_request *asked, int64_t now_ms)
{
    if (!string_view_equal(asked->cluster_id, controller->options.cluster_id)) {
        return KAFKA_INCONSISTENT_CLUSTER_ID;
    }
    if (asked->broker_id < 0) {
        return KAFKA_INVALID_REGISTRATION; /* such an id stands for no broker at all */
    }
    /* Who has never come in gets no session before it does. */
    const struct image_broker *known = image_broker_by_id(controller->image, asked->broker_id);
    const struct controller_session *session =
        known == NULL ? NULL : session_of(controller, asked->broker_id);
    /* A broker in this very process is the only one with our id: its predecessor is gone. */
    if (known != NULL && session != NULL && asked->broker_id != controller->options.node_id &&
        now_ms - session->heard_ms < controller->options.session_timeout_ms &&
        !uuid_equal(known->incarnation_id, asked->incarnation_id)) {
        return KAFKA_DUPLICATE_BROKER_REGISTRATION;
    }
    if (asked->is_migrating_zk_broker) {
        return KAFKA_BROKER_ID_NOT_REGISTERED;
    }
    if (controller_metadata_version(controller) >= 17 && !directories_fit(controller, asked)) {
        return KAFKA_INVALID_REGISTRATION;
    }
    bool has_metadata_version = false;
    for (int32_t i = 0; i < asked->features.count; i++) {
        const struct broker_registration_request_feature *feature = &asked->features.items[i];
        int16_t level = 0;
        for (size_t j = 0; j < image_feature_count(controller->image); j++) {
            struct image_feature finalized = image_feature_at(controller->image, j);
            if (string_view_equal(finalized.name, feature->name)) {
                level = finalized.level;
            }
        }
        has_metadata_version |= string_view_is(feature->name, "metadata.version");
        if (level != 0 &&
            (level < feature->min_supported_version || level > feature->max_supported_version)) {
            return KAFKA_UNSUPPORTED_VERSION;
        }
    }
    return has_metadata_version ? 0 : KAFKA_INVALID_REGISTRATION;
}

static void add_registration(struct controller *controller, struct controller_call *call,
                             int64_t epoch, bool fenced)
{
    const struct broker_registration_request *asked = call->request;
    struct register_broker_record record;
    register_broker_record_default(&record);
    record.broker_id = asked->broker_id;
    record.incarnation_id = asked->incarnation_id;
    record.broker_epoch = epoch;
    record.rack = asked->rack;
    record.fenced = fenced;
    record.log_dirs.items = asked->log_dirs.items;
    record.log_dirs.count = asked->log_dirs.count;
    record.cordoned_log_dirs.count = -1;
    size_t listeners = (size_t)(asked->listeners.count > 0 ? asked->listeners.count : 0);
    size_t features = (size_t)(asked->features.count > 0 ? asked->features.count : 0);
    record.end_points.items = arena_array(call->arena, listeners, sizeof *record.end_points.items);
    record.features.items = arena_array(call->arena, features, sizeof *record.features.items);
    if (call->arena->failed) {
        return;
    }
    for (size_t i = 0; i < listeners; i++) {
        record.end_points.items[i] = (struct register_broker_record_broker_endpoint){
            asked->listeners.items[i].name, asked->listeners.items[i].host,
            asked->listeners.items[i].port, asked->listeners.items[i].security_protocol};
    }
    for (size_t i = 0; i < features; i++) {
        record.features.items[i] = (struct register_broker_record_broker_feature){
            asked->features.items[i].name, asked->features.items[i].min_supported_version,
            asked->features.items[i].max_supported_version};
    }
    record.end_points.count = (int32_t)listeners;
    record.features.count = (int32_t)features;
    int16_t metadata_version = controller_metadata_version(controller);
    int16_t version = metadata_version >= 30   ? 4
                      : metadata_version >= 17 ? 3
                      : metadata_version >= 8  ? 2
                                               : 1;
    if (version < 3) {
        record.log_dirs.count = 0;
    }
    controller_records_add(call->records, REGISTER_BROKER_RECORD_KEY, version,
                           &register_broker_record_row, &record);
}

void controller_register_broker(struct controller *controller, struct controller_call *call)
{
    const struct broker_registration_request *asked = call->request;
    struct broker_registration_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    broker_registration_response_default(response);
    response->error_code = check_registration(controller, asked, call->now_ms);
    if (response->error_code == 0) {
        const struct image_broker *known = image_broker_by_id(controller->image, asked->broker_id);
        bool same = known != NULL && uuid_equal(known->incarnation_id, asked->incarnation_id);
        /* The epoch of a new incarnation is the offset of its first record: above all before. */
        int64_t epoch = same ? known->epoch : call->next_offset;
        if (known != NULL && !same && asked->previous_broker_epoch != known->epoch) {
            controller_forget_eligible(controller, call, known->id);
        }
        add_registration(controller, call, epoch, same ? known->fenced : true);
        response->broker_epoch = epoch;
        struct controller_session *session = session_of(controller, asked->broker_id);
        if (session != NULL) {
            session->heard_ms = call->now_ms;
        }
    }
    call->response = response;
}

void controller_add_leader_change(struct controller *controller,
                                  struct controller_records *records, struct uuid topic_id,
                                  int32_t partition, int32_t leader)
{
    struct partition_change_record record;
    partition_change_record_default(&record);
    record.topic_id = topic_id;
    record.partition_id = partition;
    ASSERT(leader >= 0);
    record.leader = leader;
    controller_add_partition_change(controller, records, &record);
}

static bool ids_have(struct image_ids ids, int32_t id)
{
    for (int32_t i = 0; i < ids.count; i++) {
        if (ids.ids[i] == id) {
            return true;
        }
    }
    return false;
}

void controller_lead_alone(struct controller *controller, struct controller_call *call,
                           const struct image_topic *topic, int32_t index, int32_t broker_id,
                           bool unclean)
{
    const struct image_partition *partition = &topic->partitions[index];
    int32_t *isr = arena_array(call->arena, 1, sizeof *isr);
    int32_t *others = arena_array(call->arena, (size_t)partition->eligible_leaders.count + 1,
                                  sizeof *others);
    struct partition_change_record record;
    if (isr == NULL || others == NULL) {
        return;
    }
    ASSERT(!ids_have(partition->isr, broker_id));
    partition_change_record_default(&record);
    isr[0] = broker_id;
    record.topic_id = topic->id;
    record.partition_id = index;
    record.leader = broker_id;
    record.isr.items = isr;
    record.isr.count = 1;
    record.eligible_leader_replicas.items = others;
    record.eligible_leader_replicas.count = 0;
    for (int32_t i = 0; !unclean && i < partition->eligible_leaders.count; i++) {
        if (partition->eligible_leaders.ids[i] != broker_id) {
            others[record.eligible_leader_replicas.count++] = partition->eligible_leaders.ids[i];
        }
    }
    ASSERT(record.eligible_leader_replicas.count <= partition->eligible_leaders.count);
    record.last_known_elr.items = others;
    record.last_known_elr.count = 0;
    if (unclean && partition->leader_recovery_state == 0) {
        record.leader_recovery_state = 1;
    }
    controller_add_partition_change(controller, call->records, &record);
}

/* The ISR is empty, as a shutdown under KIP-966 leaves it: an eligible replica leads and is the
 * whole ISR; with none left, the last one that was eligible, whose log may lack records. */
static void lead_as_eligible(struct controller *controller, struct controller_call *call,
                             const struct image_topic *topic, int32_t index, int32_t broker_id)
{
    const struct image_partition *partition = &topic->partitions[index];
    bool eligible = ids_have(partition->eligible_leaders, broker_id);
    bool last_known = partition->eligible_leaders.count == 0 &&
                      partition->last_known_eligible_leaders.count == 1 &&
                      partition->last_known_eligible_leaders.ids[0] == broker_id;
    ASSERT(partition->leader < 0 && partition->isr.count == 0);
    if (eligible || last_known) {
        controller_lead_alone(controller, call, topic, index, broker_id, !eligible);
    }
}

void controller_lead_again(struct controller *controller, struct controller_call *call,
                           const struct image_topic *topic, int32_t index, int32_t broker_id)
{
    const struct image_partition *partition = &topic->partitions[index];
    ASSERT(index < topic->partition_count);
    if (partition->leader == broker_id ||
        (partition->leader < 0 && ids_have(partition->isr, broker_id))) {
        controller_add_leader_change(controller, call->records, topic->id, index, broker_id);
    } else if (partition->leader < 0 && partition->isr.count == 0) {
        lead_as_eligible(controller, call, topic, index, broker_id);
    }
}

/* A broker is back: it leads again what it led, under a new leader epoch, since a restart may have
 * cost it records that nobody else has; and what has no leader and it can lead. Not what lies in a
 * directory that it came back without. */
static void lead_all_again(struct controller *controller, struct controller_call *call,
                           int32_t broker_id)
{
    for (size_t i = 0; i < image_topic_count(controller->image); i++) {
        const struct image_topic *topic = image_topic_at(controller->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            if (controller_replica_is_online(controller, &topic->partitions[j], broker_id)) {
                controller_lead_again(controller, call, topic, j, broker_id);
            } else {
                controller_take_offline(controller, call, topic, j, broker_id);
            }
        }
    }
}

static void add_fencing(struct controller *controller, struct controller_call *call,
                        const struct image_broker *broker, int8_t fenced)
{
    (void)controller;
    struct broker_registration_change_record record;
    broker_registration_change_record_default(&record);
    ASSERT(broker->fenced == (fenced < 0));
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.fenced = fenced;
    controller_records_add(call->records, BROKER_REGISTRATION_CHANGE_RECORD_KEY, 0,
                           &broker_registration_change_record_row, &record);
}

/* What a broker says of its cordoned directories, when it is something new. */
static void add_cordoned(struct controller *controller, struct controller_call *call,
                         const struct image_broker *broker,
                         const struct broker_heartbeat_request *asked)
{
    struct broker_registration_change_record record;
    int32_t count = asked->cordoned_log_dirs.count;
    bool same = count == broker->cordoned_count;
    for (int32_t i = 0; i < count && same; i++) {
        same = false;
        for (int32_t j = 0; j < broker->cordoned_count && !same; j++) {
            same = uuid_equal(asked->cordoned_log_dirs.items[i], broker->cordoned[j]);
        }
    }
    if (count < 0 || same || controller_metadata_version(controller) < CORDON_METADATA_VERSION) {
        return;
    }
    broker_registration_change_record_default(&record);
    ASSERT(asked->broker_id == broker->id);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.cordoned_log_dirs.items = asked->cordoned_log_dirs.items;
    record.cordoned_log_dirs.count = count;
    controller_records_add(call->records, BROKER_REGISTRATION_CHANGE_RECORD_KEY, 3,
                           &broker_registration_change_record_row, &record);
}

void controller_heartbeat(struct controller *controller, struct controller_call *call)
{
    const struct broker_heartbeat_request *asked = call->request;
    struct broker_heartbeat_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    broker_heartbeat_response_default(response);
    call->response = response;
    const struct image_broker *broker = image_broker_by_id(controller->image, asked->broker_id);
    if (broker == NULL || broker->epoch != asked->broker_epoch) {
        response->error_code = KAFKA_STALE_BROKER_EPOCH;
        return;
    }
    struct controller_session *session = session_of(controller, asked->broker_id);
    if (session != NULL) {
        session->heard_ms = call->now_ms;
    }
    response->is_caught_up = asked->current_metadata_offset >= broker->epoch;
    response->is_fenced = broker->fenced;
    bool failed = controller_fail_directories(controller, call, broker,
                                              asked->offline_log_dirs.items,
                                              asked->offline_log_dirs.count);
    add_cordoned(controller, call, broker, asked);
    if (asked->want_shut_down) {
        /* Nobody else could take its partitions over. */
        response->should_shut_down = true;
    } else if (broker->fenced && !asked->want_fence && response->is_caught_up && !failed) {
        /* Not with the image of before the failure: it leads by what is left. */
        add_fencing(controller, call, broker, -1);
        lead_all_again(controller, call, broker->id);
        response->is_fenced = false;
    } else if (!broker->fenced && asked->want_fence) {
        add_fencing(controller, call, broker, 1);
        response->is_fenced = true;
    }
}

void controller_unregister_broker(struct controller *controller, struct controller_call *call)
{
    const struct unregister_broker_request *asked = call->request;
    struct unregister_broker_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    unregister_broker_response_default(response);
    const struct image_broker *broker = image_broker_by_id(controller->image, asked->broker_id);
    if (broker == NULL) {
        response->error_code = KAFKA_BROKER_ID_NOT_REGISTERED;
        response->error_message = arena_format(call->arena, "Broker ID %d is not currently "
                                                            "registered",
                                               asked->broker_id);
    } else {
        struct unregister_broker_record record;
        unregister_broker_record_default(&record);
        record.broker_id = broker->id;
        record.broker_epoch = broker->epoch;
        controller_records_add(call->records, UNREGISTER_BROKER_RECORD_KEY, 0,
                               &unregister_broker_record_row, &record);
    }
    call->response = response;
}

void controller_allocate_producer_ids(struct controller *controller, struct controller_call *call)
{
    const struct allocate_producer_ids_request *asked = call->request;
    struct allocate_producer_ids_response *response = arena_alloc(call->arena, sizeof *response);
    if (response == NULL) {
        return;
    }
    allocate_producer_ids_response_default(response);
    call->response = response;
    const struct image_broker *broker = image_broker_by_id(controller->image, asked->broker_id);
    if (broker == NULL || broker->epoch != asked->broker_epoch) {
        response->error_code = KAFKA_STALE_BROKER_EPOCH;
        return;
    }
    int64_t start = image_next_producer_id(controller->image);
    if (start > INT64_MAX - PRODUCER_ID_BLOCK) {
        response->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        return;
    }
    struct producer_ids_record record;
    producer_ids_record_default(&record);
    record.broker_id = asked->broker_id;
    record.broker_epoch = asked->broker_epoch;
    ASSERT(start >= 0);
    record.next_producer_id = start + PRODUCER_ID_BLOCK;
    controller_records_add(call->records, PRODUCER_IDS_RECORD_KEY, 0, &producer_ids_record_row,
                           &record);
    response->producer_id_start = start;
    response->producer_id_len = PRODUCER_ID_BLOCK;
}

/* What a feature may be set to here. */
static bool feature_range(const struct controller *controller, struct string_view name,
                          int16_t *min, int16_t *max)
{
    const struct feature *feature = feature_find(name);
    if (feature == NULL || string_view_is(name, "kraft.version")) {
        return false; /* the quorum's own, which is not set like the others */
    }
    *min = feature->min_level;
    *max = feature_highest(feature, controller->options.unstable_features);
    return true;
}

/* Levels whose step down loses metadata. */
static bool downgrade_is_unsafe(int16_t from, int16_t to)
{
    static const int16_t changed[] = {8, 11, 13, 14, 15, 17, 23, 30};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        if (to < changed[i] && changed[i] <= from) {
            return true;
        }
    }
    return false;
}

/* Why a level cannot be set; NULL when it can. Text for the end of the message. */
static const char *feature_refusal(struct controller *controller, struct arena *arena,
                                   const struct update_features_request_feature_update_key *update,
                                   int16_t current)
{
    int16_t min;
    int16_t max;
    int16_t level = update->max_version_level;
    bool is_metadata_version = string_view_is(update->feature, "metadata.version");
    if (level < 0) {
        return "A feature version cannot be less than 0.";
    }
    if (update->upgrade_type < 1 || update->upgrade_type > 3) {
        return "The controller does not support the given upgrade type.";
    }
    if (string_view_is(update->feature, "kraft.version") && level > KRAFT_VERSION_MAX) {
        return arena_format(arena, "Local controller %d only supports versions 0-%d",
                            controller->options.node_id, KRAFT_VERSION_MAX).data;
    }
    if (!feature_range(controller, update->feature, &min, &max)) {
        if (level == 0) {
            return arena_format(arena, "Feature %.*s not found.", (int)update->feature.size,
                                update->feature.data).data;
        }
        return arena_format(arena, "Local controller %d does not support this feature.",
                            controller->options.node_id).data;
    }
    ASSERT(min <= max);
    if ((level != 0 || is_metadata_version) && (level < min || level > max)) {
        return arena_format(arena, "Local controller %d only supports versions %d-%d",
                            controller->options.node_id, min, max).data;
    }
    bool downgrade = update->upgrade_type >= 2 || update->allow_downgrade;
    if (level < current && !downgrade) {
        return "Can't downgrade the version of this feature without setting the upgrade type to "
               "either safe or unsafe downgrade.";
    }
    if (level > current && downgrade) {
        return "Can't downgrade to a newer version.";
    }
    if (is_metadata_version && level < current && downgrade_is_unsafe(current, level)) {
        return update->upgrade_type == 3
                   ? "Unsafe metadata downgrade is not supported in this version."
                   : "Refusing to perform the requested downgrade because it might delete "
                     "metadata information.";
    }
    return NULL;
}

static int16_t update_feature(struct controller *controller, struct controller_call *call,
                              const struct update_features_request_feature_update_key *update,
                              struct string_view *message)
{
    int16_t level = update->max_version_level;
    struct string_view name = arena_string(call->arena, update->feature);
    int16_t current = name.data == NULL ? 0 : image_feature_level(controller->image, name.data);
    const char *refusal = feature_refusal(controller, call->arena, update, current);
    ASSERT(message->data == NULL);
    if (refusal != NULL) {
        bool unsafe = string_view_is(update->feature, "metadata.version") && level < current &&
                      level >= METADATA_VERSION_MIN && update->upgrade_type >= 2 &&
                      update->upgrade_type <= 3;
        *message = unsafe ? arena_format(call->arena,
                                         "Unsupported metadata.version downgrade from %d to %d. %s",
                                         current, level, refusal)
                          : arena_format(call->arena,
                                         "Invalid update version %d for feature %.*s. %s", level,
                                         (int)update->feature.size, update->feature.data, refusal);
        return KAFKA_INVALID_UPDATE_VERSION;
    }
    if (level != current) {
        struct feature_level_record record;
        feature_level_record_default(&record);
        record.name = update->feature;
        record.feature_level = level;
        controller_records_add(call->records, FEATURE_LEVEL_RECORD_KEY, 0,
                               &feature_level_record_row, &record);
    }
    return 0;
}

void controller_update_features(struct controller *controller, struct controller_call *call)
{
    const struct update_features_request *asked = call->request;
    struct update_features_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count = asked->feature_updates.count > 0 ? (size_t)asked->feature_updates.count : 0;
    if (response == NULL) {
        return;
    }
    update_features_response_default(response);
    response->error_message = (struct string_view){NULL, 0};
    call->response = response;
    response->results.items = arena_array(call->arena, count, sizeof *response->results.items);
    for (size_t i = 0; response->results.items != NULL && i < count; i++) {
        const struct update_features_request_feature_update_key *update =
            &asked->feature_updates.items[i];
        struct string_view message = {NULL, 0};
        int16_t error = update_feature(controller, call, update, &message);
        response->results.items[i] = (struct update_features_response_updatable_feature_result){
            update->feature, error, error == 0 ? string_view_of("NONE") : message};
        response->results.count = (int32_t)i + 1;
        if (error != 0 && response->error_code == 0) {
            response->error_code = error;
            response->error_message =
                arena_format(call->arena,
                             "The update failed for all features since the following feature had "
                             "an error: %.*s",
                             (int)message.size, message.data);
        }
    }
    if (response->error_code != 0 || asked->validate_only) {
        controller_records_return(call->records, (struct records_mark){0, 0}); /* all or nothing */
    }
    if (call->api_version >= 2 || response->error_code != 0) {
        response->results.count = 0; /* one error for the whole request */
    }
}
