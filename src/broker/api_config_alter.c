#include <stdlib.h>

#include "broker/config_internal.h"
#include "broker/cordon.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/resource.h"
#include "broker/topic_config.h"

/* AlterConfigs and IncrementalAlterConfigs. Mirrors ConfigAdminManager of Apache Kafka: what only
 * this broker can tell (its own dynamic settings, loggers) is checked here, what fails is answered
 * here; the rest goes to the controller, and the two answers are put together. */

/* One change as both APIs have it. */
struct change {
    struct string_view name;
    struct string_view value;
    int8_t operation; /* enum resource_operation */
};
struct alteration {
    int8_t resource_type;
    struct string_view resource_name;
    const struct change *changes;
    int32_t change_count;
    bool replaces; /* what it does not name is no longer set (AlterConfigs) */
    int16_t error_code; /* of the check here */
    struct string_view error_message;
};
struct alter_work {
    struct alteration *alterations; /* in the order of the request */
    int32_t count;
    bool incremental;
};

/* "a, b" of the names that are picked. */
struct name_list {
    char text[300];
    size_t size;
};

static void name_list_add(struct name_list *list, struct string_view name)
{
    size_t need = name.size + (list->size > 0 ? 2 : 0);
    if (list->size + need >= sizeof(list->text)) {
        return;
    }
    if (list->size > 0) {
        memcpy(list->text + list->size, ", ", 2);
        list->size += 2;
    }
    memcpy(list->text + list->size, name.data, name.size);
    list->size += name.size;
    list->text[list->size] = '\0';
}

static int16_t refuse(struct arena *arena, struct alteration *alteration, int16_t error,
                      const char *text, struct string_view what, const char *end)
{
    int size = what.size < 300 ? (int)what.size : 300;
    alteration->error_code = error;
    alteration->error_message = arena_format(arena, "%s%.*s%s", text, size,
                                             what.data != NULL ? what.data : "", end);
    return error;
}

/* What only a listener may have while the broker runs: Kafka's list of keys and certificates. */
static bool is_of_listener(struct string_view name)
{
    static const char *const names[] = {
        "ssl.key.password",        "ssl.keystore.certificate.chain", "ssl.keystore.key",
        "ssl.keystore.location",   "ssl.keystore.password",          "ssl.keystore.type",
        "ssl.truststore.location", "ssl.truststore.certificates",    "ssl.truststore.password",
        "ssl.truststore.type",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (string_view_equal(name, string_view_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* "listener.name.NAME.SETTING" is of one broker, but for what bounds the connections of all. */
static bool is_own_of_listener(struct string_view name)
{
    static const char prefix[] = "listener.name.";
    static const char *const shared[] = {"max.connections", "max.connection.creation.rate",
                                         "num.network.threads"};
    size_t prefix_size = sizeof prefix - 1;
    if (name.size <= prefix_size || memcmp(name.data, prefix, prefix_size) != 0) {
        return false;
    }
    const char *dot = memchr(name.data + prefix_size, '.', name.size - prefix_size);
    if (dot == NULL) {
        return false;
    }
    struct string_view setting = {dot + 1, (size_t)(name.data + name.size - (dot + 1))};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        if (string_view_equal(setting, string_view_of(shared[i]))) {
            return false;
        }
    }
    return true;
}

static int32_t change_count_of(const struct alteration *alteration, struct string_view name)
{
    int32_t count = 0;
    for (int32_t i = 0; i < alteration->change_count; i++) {
        count += string_view_equal(alteration->changes[i].name, name);
    }
    return count;
}

/* What no resource may have, whoever checks the rest. */
static int16_t check_form(struct arena *arena, struct alteration *alteration, bool incremental)
{
    struct name_list nulls = {.size = 0};
    for (int32_t i = 0; i < alteration->change_count; i++) {
        const struct change *change = &alteration->changes[i];
        if (change_count_of(alteration, change->name) > 1) {
            return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                          "Error due to duplicate config keys", string_view_of(""), "");
        }
        if (incremental && (change->operation < RESOURCE_SET ||
                            change->operation > RESOURCE_SUBTRACT)) {
            return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                          "Unknown operation for the config key ", change->name, "");
        }
        if (change->value.data == NULL && change->operation != RESOURCE_DELETE) {
            name_list_add(&nulls, change->name);
        }
    }
    if (nulls.size > 0) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                      "Null value not supported for : ", string_view_of(nulls.text), "");
    }
    return 0;
}

/* Names that a running broker cannot take over, as lists in one error each, in Kafka's order. */
static int16_t check_broker_names(struct arena *arena, struct alteration *alteration,
                                  bool at_controller)
{
    struct name_list fixed = {.size = 0};
    struct name_list of_listener = {.size = 0};
    struct name_list own_only = {.size = 0};
    for (int32_t i = 0; i < alteration->change_count; i++) {
        struct string_view name = alteration->changes[i].name;
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, name);
        if (alteration->changes[i].operation == RESOURCE_DELETE) {
            continue;
        }
        if (row == NULL) {
            if (is_own_of_listener(name)) {
                name_list_add(&own_only, name);
            }
        } else if (row->update == CONFIG_READ_ONLY) {
            name_list_add(&fixed, name);
        } else if (row->update == CONFIG_PER_BROKER) {
            name_list_add(is_of_listener(name) ? &of_listener : &own_only, name);
        }
    }
    if (fixed.size > 0) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                      "Cannot update these configs dynamically: [", string_view_of(fixed.text),
                      "]");
    }
    if (of_listener.size > 0) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                      "These security configs can be dynamically updated only per-listener using "
                      "the listener prefix: [",
                      string_view_of(of_listener.text), "]");
    }
    if (own_only.size > 0 && alteration->resource_name.size == 0 && !at_controller) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                      "Cannot update these configs at default cluster level, broker id must be "
                      "specified: [",
                      string_view_of(own_only.text), "]");
    }
    return 0;
}

/* Rules of a whole configuration that a dynamic setting alone can break. */
static const char *broken_rule(const struct config_row *row, struct string_view value)
{
    int64_t number = 0;
    if (config_parse_long(config_trim(value), INT64_MIN, INT64_MAX, &number) != 0) {
        return NULL;
    }
    if (strcmp(row->name, "log.retention.ms") == 0 && number == 0) {
        return "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or "
               "equal to 1";
    }
    if (strcmp(row->name, "log.roll.ms") == 0 && number < 1) {
        return "requirement failed: log.roll.ms must be greater than or equal to 1";
    }
    if (strcmp(row->name, "log.roll.jitter.ms") == 0 && number < 0) {
        return "requirement failed: log.roll.jitter.ms must be greater than or equal to 0";
    }
    return NULL;
}

static bool is_at_controller(const struct broker_request *request)
{
    return config_listener_at(broker_config(request), request->listener)->is_controller;
}

/* cordoned.log.dirs as it would be. A broker knows its directories; at a controller directories can
 * only be taken out, since a broker may not be there to say what it has. */
static int16_t check_cordoned(struct broker_request *request, struct alteration *alteration,
                              const struct change *change)
{
    struct string_view name = string_view_of(CORDON_SETTING);
    struct string_view current = {NULL, 0};
    struct err_message message;
    bool stored = image_setting(broker_image(request), RESOURCE_BROKER, alteration->resource_name,
                                name, &current);
    bool at_controller = is_at_controller(request);
    if (!stored && !at_controller) {
        current = config_string(broker_config(request), CORDON_SETTING);
    }
    struct string_view value =
        cordon_changed(current, change->value, change->operation, &request->arena);
    if (at_controller && !cordon_is_narrower(value, current)) {
        return refuse(&request->arena, alteration, KAFKA_INVALID_CONFIG,
                      "When updating cordoned.log.dirs via controllers,  the new value must be a "
                      "subset of the current configuration value.", string_view_of(""), "");
    }
    if (!at_controller && config_check_cordoned(broker_config(request), value, &message) != 0) {
        return refuse(&request->arena, alteration, KAFKA_INVALID_REQUEST, "requirement failed: ",
                      string_view_of(message.text), "");
    }
    return 0;
}

/* What a resource would say of a setting; null: nothing. */
static struct string_view value_after(const struct broker_request *request,
                                      const struct alteration *alteration,
                                      struct string_view resource, const struct config_row *row)
{
    struct string_view name = string_view_of(row->name);
    struct string_view value = {NULL, 0};
    bool altered = (alteration->resource_name.size > 0) == (resource.size > 0);
    for (int32_t i = 0; altered && i < alteration->change_count; i++) {
        const struct change *change = &alteration->changes[i];
        if (string_view_equal(change->name, name)) {
            return change->operation == RESOURCE_SET ? change->value : value;
        }
    }
    if ((!altered || !alteration->replaces) && broker_image(request) != NULL) {
        (void)image_setting(broker_image(request), RESOURCE_BROKER, resource, name, &value);
    }
    return value;
}

/* A number among the settings of this broker, as it is and as it would be. */
struct number_change {
    int64_t current;
    int64_t next;
};
static struct number_change number_changes(struct broker_request *request,
                                           const struct alteration *alteration, const char *name)
{
    const struct config *config = broker_config(request);
    const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, string_view_of(name));
    struct number_change number = {0, 0};
    ASSERT(row != NULL);
    struct string_view current =
        broker_setting_in_force(config, broker_image(request), row, &request->arena);
    struct string_view next = value_after(
        request, alteration, arena_format(&request->arena, "%d", config_node_id(config)), row);
    if (next.data == NULL) {
        next = value_after(request, alteration, string_view_of(""), row);
    }
    if (next.data == NULL) {
        next = config_string(config, row->name);
    }
    (void)config_parse_long(config_trim(current), INT64_MIN, INT64_MAX, &number.current);
    (void)config_parse_long(config_trim(next), INT64_MIN, INT64_MAX, &number.next);
    return number;
}

/* The cleaners' threads and memory as they would be: Kafka divides one by the other. */
static int16_t check_cleaners(struct broker_request *request, struct alteration *alteration)
{
    struct number_change threads = number_changes(request, alteration, "log.cleaner.threads");
    struct number_change bytes =
        number_changes(request, alteration, "log.cleaner.dedupe.buffer.size");
    bool changed = threads.next != threads.current || bytes.next != bytes.current;
    if (changed && (threads.next == 0 ||
                    bytes.next / threads.next <= CLEANER_THREAD_BYTES_ABOVE)) {
        return refuse(&request->arena, alteration, KAFKA_INVALID_REQUEST,
                      threads.next == 0 ? "/ by zero"
                                        : "requirement failed: log.cleaner.dedupe.buffer.size must "
                                          "be at least 1MB per cleaner thread.",
                      string_view_of(""), "");
    }
    return 0;
}

static int16_t refuse_threads(struct broker_request *request, struct alteration *alteration,
                              struct string_view why)
{
    return refuse(&request->arena, alteration, KAFKA_INVALID_REQUEST,
                  "Invalid value org.apache.kafka.common.config.ConfigException: ", why,
                  " for configuration Invalid dynamic configuration");
}

/* A number of threads may be halved or doubled at once, no more (DynamicThreadPool). */
static int16_t check_threads(struct broker_request *request, struct alteration *alteration)
{
    static const char *const names[] = {
        "num.network.threads",
        "num.io.threads",
        "num.replica.fetchers",
        "num.recovery.threads.per.data.dir",
        "background.threads",
        "remote.log.reader.threads",
        "remote.log.manager.copier.thread.pool.size",
        "remote.log.manager.expiration.thread.pool.size",
        "remote.log.manager.follower.thread.pool.size",
    };
    struct arena *arena = &request->arena;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct number_change threads = number_changes(request, alteration, names[i]);
        bool too_few = threads.next < threads.current / 2;
        if (too_few || threads.next > threads.current * 2) {
            return refuse_threads(
                request, alteration,
                arena_format(arena,
                             "Dynamic thread count update validation failed for %s=%lld, value "
                             "should %s the current value %lld",
                             names[i], (long long)threads.next,
                             too_few ? "be at least half" : "not be greater than double",
                             (long long)threads.current));
        }
    }
    struct number_change cleaners = number_changes(request, alteration, "log.cleaner.threads");
    bool too_few = cleaners.next < cleaners.current / 2;
    if (too_few || cleaners.next > cleaners.current * 2) {
        return refuse_threads(request, alteration,
                              arena_format(arena,
                                           "Log cleaner threads cannot be %s the current value "
                                           "%lld",
                                           too_few ? "reduced to less than half"
                                                   : "increased to more than double",
                                           (long long)cleaners.current));
    }
    return 0;
}

static int16_t check_broker_values(struct broker_request *request, struct alteration *alteration)
{
    struct arena *arena = &request->arena;
    for (int32_t i = 0; i < alteration->change_count; i++) {
        const struct change *change = &alteration->changes[i];
        const struct config_row *row = config_row_find(CONFIG_SCOPE_BROKER, change->name);
        if (row == NULL || change->operation == RESOURCE_DELETE) {
            continue;
        }
        if (change->operation != RESOURCE_SET && row->type != CONFIG_LIST) {
            return refuse(arena, alteration, KAFKA_INVALID_CONFIG,
                          change->operation == RESOURCE_APPEND
                              ? "Config value append is not allowed for config key: "
                              : "Config value subtract is not allowed for config key: ",
                          change->name, "");
        }
        struct err_message message;
        if (change->operation != RESOURCE_SUBTRACT &&
            config_check(row, change->value, &message) != 0) {
            return refuse(arena, alteration, KAFKA_INVALID_REQUEST, message.text,
                          string_view_of(""), "");
        }
        const char *rule = broken_rule(row, change->value);
        if (rule != NULL) {
            return refuse(arena, alteration, KAFKA_INVALID_REQUEST, rule, string_view_of(""), "");
        }
        if (strcmp(row->name, CORDON_SETTING) == 0 &&
            check_cordoned(request, alteration, change) != 0) {
            return alteration->error_code;
        }
    }
    if (is_at_controller(request) || check_cleaners(request, alteration) != 0) {
        return alteration->error_code;
    }
    return check_threads(request, alteration);
}

/* Another broker is refused with text, the own id, and what was received. */
static int16_t check_own_id(struct arena *arena, struct alteration *alteration, int32_t own_id,
                            const char *text)
{
    int64_t id = 0;
    if (config_parse_long(alteration->resource_name, INT32_MIN, INT32_MAX, &id) != 0) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST,
                      "Node id must be an integer, but it is: ", alteration->resource_name, "");
    }
    if (id == own_id) {
        return 0;
    }
    struct err_message start;
    (void)err_set(&start, 0, "%s%d, but received ", text, own_id);
    return refuse(arena, alteration, KAFKA_INVALID_REQUEST, start.text, alteration->resource_name,
                  "");
}

static int16_t check_broker(struct broker_request *request, struct alteration *alteration,
                            int32_t own_id)
{
    int16_t error = 0;
    bool at_controller = is_at_controller(request);
    if (alteration->resource_name.size > 0 && !at_controller) {
        error = check_own_id(&request->arena, alteration, own_id,
                             "Unexpected broker id, expected ");
    }
    if (error == 0) {
        error = check_broker_names(&request->arena, alteration, at_controller);
    }
    return error != 0 ? error : check_broker_values(request, alteration);
}

/* Levels of loggers are not settings here; nothing of it is for the controller. */
static int16_t check_loggers(struct arena *arena, struct alteration *alteration, int32_t own_id)
{
    int16_t error = check_own_id(arena, alteration, own_id, "Unexpected node id. Expected ");
    if (error != 0 || alteration->change_count == 0) {
        return error;
    }
    struct string_view name = alteration->changes[0].name;
    if (string_view_is(name, "root")) {
        return refuse(arena, alteration, KAFKA_INVALID_REQUEST, "The level of the logger ", name,
                      " cannot be changed");
    }
    return refuse(arena, alteration, KAFKA_INVALID_CONFIG, "Logger ", name, " does not exist!");
}

static void check_one(struct broker_request *request, struct alter_work *work, int32_t index)
{
    struct alteration *alteration = &work->alterations[index];
    int32_t own_id = config_node_id(broker_config(request));
    for (int32_t i = 0; i < work->count; i++) {
        if (i != index && work->alterations[i].resource_type == alteration->resource_type &&
            string_view_equal(work->alterations[i].resource_name, alteration->resource_name)) {
            (void)refuse(&request->arena, alteration, KAFKA_INVALID_REQUEST,
                         "Each resource must appear at most once.", string_view_of(""), "");
            return;
        }
    }
    if (check_form(&request->arena, alteration, work->incremental) != 0) {
        return;
    }
    switch (alteration->resource_type) {
    case RESOURCE_BROKER:
        (void)check_broker(request, alteration, own_id);
        return;
    case RESOURCE_BROKER_LOGGER:
        if (work->incremental) {
            (void)check_loggers(&request->arena, alteration, own_id);
            return;
        }
        break;
    case RESOURCE_TOPIC:
    case RESOURCE_CLIENT_METRICS:
    case RESOURCE_GROUP:
        return;
    default:
        break;
    }
    struct err_message text;
    (void)err_set(&text, 0, "Unknown resource type %d", alteration->resource_type);
    (void)refuse(&request->arena, alteration, KAFKA_INVALID_REQUEST, text.text, string_view_of(""),
                 "");
}

/* Loggers end here even when they are in order. */
static bool goes_on(const struct alteration *alteration)
{
    return alteration->error_code == 0 && alteration->resource_type != RESOURCE_BROKER_LOGGER;
}

/* More resources or changes than this in one request cost time quadratic in their number. */
#define RESOURCES_MAX 4096
#define CHANGES_MAX 1024

static struct alter_work *work_make(struct broker_request *request, int32_t count,
                                    bool incremental)
{
    if (count < 0 || count > RESOURCES_MAX) {
        return NULL;
    }
    struct alter_work *work = arena_alloc(&request->arena, sizeof(*work));
    if (work == NULL) {
        return NULL;
    }
    work->count = count;
    work->incremental = incremental;
    work->alterations = arena_array(&request->arena, (size_t)count, sizeof(*work->alterations));
    return work->alterations != NULL ? work : NULL;
}

/* An alteration with room for its changes; NULL: no memory, or too many. */
static struct change *work_add(struct broker_request *request, struct alter_work *work,
                               int32_t index, int8_t type, struct string_view name, int32_t count)
{
    int32_t change_count = count > 0 ? count : 0;
    struct change *changes = change_count <= CHANGES_MAX
                                 ? arena_array(&request->arena, (size_t)change_count,
                                               sizeof(*changes))
                                 : NULL;
    work->alterations[index] = (struct alteration){.resource_type = type,
                                                   .resource_name = name,
                                                   .changes = changes,
                                                   .change_count = change_count,
                                                   .replaces = !work->incremental};
    return changes;
}

/* What the controller says of a resource. */
static void work_answered(struct broker_request *request, struct alter_work *work, int8_t type,
                          struct string_view name, int16_t error, struct string_view text)
{
    for (int32_t i = 0; i < work->count; i++) {
        struct alteration *alteration = &work->alterations[i];
        if (goes_on(alteration) && alteration->resource_type == type &&
            string_view_equal(alteration->resource_name, name)) {
            alteration->error_code = error;
            alteration->error_message = arena_string(&request->arena, text);
            return;
        }
    }
}

/* The controller could not be asked. */
static void work_fail_rest(struct alter_work *work, int16_t error)
{
    for (int32_t i = 0; i < work->count; i++) {
        if (goes_on(&work->alterations[i])) {
            work->alterations[i].error_code = error;
        }
    }
}

/* IncrementalAlterConfigs. */
static void incremental_respond(struct broker_request *request, const struct alter_work *work)
{
    struct incremental_alter_configs_response response;
    incremental_alter_configs_response_default(&response);
    response.responses.items = arena_array(&request->arena, (size_t)work->count,
                                           sizeof(*response.responses.items));
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    for (int32_t i = 0; i < work->count; i++) {
        struct incremental_alter_configs_response_alter_configs_resource_response *item =
            &response.responses.items[i];
        item->error_code = work->alterations[i].error_code;
        item->error_message = work->alterations[i].error_message;
        item->resource_type = work->alterations[i].resource_type;
        item->resource_name = work->alterations[i].resource_name;
    }
    response.responses.count = work->count;
    broker_respond(request, &response);
}

static void incremental_done(struct broker_request *request, void *context, int16_t error,
                             const void *answer)
{
    struct alter_work *work = context;
    const struct incremental_alter_configs_response *response = answer;
    if (error != 0) {
        work_fail_rest(work, error);
        incremental_respond(request, work);
        return;
    }
    for (int32_t i = 0; i < response->responses.count; i++) {
        const struct incremental_alter_configs_response_alter_configs_resource_response *item =
            &response->responses.items[i];
        work_answered(request, work, item->resource_type, item->resource_name, item->error_code,
                      item->error_message);
    }
    incremental_respond(request, work);
}

static bool incremental_read(struct broker_request *request, struct alter_work *work)
{
    const struct incremental_alter_configs_request *asked = request->message;
    for (int32_t i = 0; i < work->count; i++) {
        const struct incremental_alter_configs_request_alter_configs_resource *resource =
            &asked->resources.items[i];
        struct change *changes = work_add(request, work, i, resource->resource_type,
                                          resource->resource_name, resource->configs.count);
        if (changes == NULL) {
            return false;
        }
        for (int32_t j = 0; j < resource->configs.count; j++) {
            const struct incremental_alter_configs_request_alterable_config *item =
                &resource->configs.items[j];
            changes[j] = (struct change){item->name, item->value, item->config_operation};
        }
    }
    return true;
}

void api_incremental_alter_configs(struct broker_request *request)
{
    const struct incremental_alter_configs_request *asked = request->message;
    struct alter_work *work = work_make(request, asked->resources.count, true);
    struct incremental_alter_configs_request *forwarded = arena_alloc(&request->arena,
                                                                      sizeof(*forwarded));
    if (work == NULL || forwarded == NULL || !incremental_read(request, work)) {
        broker_respond_close(request);
        return;
    }
    *forwarded = *asked;
    forwarded->resources.count = 0;
    forwarded->resources.items = arena_array(&request->arena, (size_t)work->count,
                                             sizeof(*forwarded->resources.items));
    for (int32_t i = 0; i < work->count && !request->arena.failed; i++) {
        check_one(request, work, i);
        if (goes_on(&work->alterations[i])) {
            forwarded->resources.items[forwarded->resources.count++] = asked->resources.items[i];
        }
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (forwarded->resources.count == 0) {
        incremental_respond(request, work);
    } else {
        broker_forward(request, request->header.request_api_key,
                       request->header.request_api_version, forwarded, incremental_done, work);
    }
}

/* AlterConfigs, the older one: all settings of a resource at once. */
static void alter_respond(struct broker_request *request, const struct alter_work *work)
{
    struct alter_configs_response response;
    alter_configs_response_default(&response);
    response.responses.items = arena_array(&request->arena, (size_t)work->count,
                                           sizeof(*response.responses.items));
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    for (int32_t i = 0; i < work->count; i++) {
        struct alter_configs_response_alter_configs_resource_response *item =
            &response.responses.items[i];
        item->error_code = work->alterations[i].error_code;
        item->error_message = work->alterations[i].error_message;
        item->resource_type = work->alterations[i].resource_type;
        item->resource_name = work->alterations[i].resource_name;
    }
    response.responses.count = work->count;
    broker_respond(request, &response);
}

static void alter_done(struct broker_request *request, void *context, int16_t error,
                       const void *answer)
{
    struct alter_work *work = context;
    const struct alter_configs_response *response = answer;
    if (error != 0) {
        work_fail_rest(work, error);
        alter_respond(request, work);
        return;
    }
    for (int32_t i = 0; i < response->responses.count; i++) {
        const struct alter_configs_response_alter_configs_resource_response *item =
            &response->responses.items[i];
        work_answered(request, work, item->resource_type, item->resource_name, item->error_code,
                      item->error_message);
    }
    alter_respond(request, work);
}

static bool alter_read(struct broker_request *request, struct alter_work *work)
{
    const struct alter_configs_request *asked = request->message;
    for (int32_t i = 0; i < work->count; i++) {
        const struct alter_configs_request_alter_configs_resource *resource =
            &asked->resources.items[i];
        struct change *changes = work_add(request, work, i, resource->resource_type,
                                          resource->resource_name, resource->configs.count);
        if (changes == NULL) {
            return false;
        }
        for (int32_t j = 0; j < resource->configs.count; j++) {
            const struct alter_configs_request_alterable_config *item = &resource->configs.items[j];
            changes[j] = (struct change){item->name, item->value, RESOURCE_SET};
        }
    }
    return true;
}

void api_alter_configs(struct broker_request *request)
{
    const struct alter_configs_request *asked = request->message;
    struct alter_work *work = work_make(request, asked->resources.count, false);
    struct alter_configs_request *forwarded = arena_alloc(&request->arena, sizeof(*forwarded));
    if (work == NULL || forwarded == NULL || !alter_read(request, work)) {
        broker_respond_close(request);
        return;
    }
    *forwarded = *asked;
    forwarded->resources.count = 0;
    forwarded->resources.items = arena_array(&request->arena, (size_t)work->count,
                                             sizeof(*forwarded->resources.items));
    for (int32_t i = 0; i < work->count && !request->arena.failed; i++) {
        check_one(request, work, i);
        if (goes_on(&work->alterations[i])) {
            forwarded->resources.items[forwarded->resources.count++] = asked->resources.items[i];
        }
    }
    if (request->arena.failed) {
        broker_respond_close(request);
    } else if (forwarded->resources.count == 0) {
        alter_respond(request, work);
    } else {
        broker_forward(request, request->header.request_api_key,
                       request->header.request_api_version, forwarded, alter_done, work);
    }
}
