/* admin.c: the admin client, and what its families share. */
#include "client/admin.h"

#include "base/mem.h"
#include "protocol/error.h"

int bnb_admin_create(const struct bnb_config *config, struct bnb_admin **created,
                     struct bnb_error *error)
{
    struct client_options options = {.kind = CLIENT_ADMIN};
    int result = client_config_parse(config, CLIENT_ADMIN, &options.config, error);
    if (result != 0) {
        return result;
    }
    struct bnb_admin *admin = mem_calloc(1, sizeof *admin);
    if (admin == NULL) {
        client_config_release(&options.config);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    admin->timeout_ms = -1;
    result = client_create(&options, &admin->client, error);
    if (result != 0) {
        mem_free(admin);
        return result;
    }
    *created = admin;
    return 0;
}

void bnb_admin_close(struct bnb_admin **closed)
{
    struct bnb_admin *admin = *closed;
    *closed = NULL;
    if (admin != NULL) {
        client_destroy(&admin->client, NULL);
        mem_free(admin);
    }
}

int admin_call(struct bnb_admin *admin, struct bnb_memory *memory, int32_t target, int16_t api_key,
               const struct codec_struct *request_row, const void *request,
               const struct codec_struct *response_row, void *response_at,
               struct bnb_error *error)
{
    struct client_call call = {
        .target = target,
        .api_key = api_key,
        .request_row = request_row,
        .request = request,
        .response_row = response_row,
        .arena = &memory->arena,
        .timeout_ms = admin->timeout_ms,
    };
    return client_call(admin->client, &call, response_at, error);
}

void *admin_array(struct bnb_memory *memory, int32_t count, size_t element_size,
                  struct bnb_error *error)
{
    void *array = arena_array(&memory->arena, count > 0 ? (size_t)count : 1, element_size);
    if (array == NULL) {
        client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    return array;
}

void *admin_array_longer(struct bnb_memory *memory, const void *old, int32_t count, int32_t more,
                         size_t element_size, struct bnb_error *error)
{
    void *longer = admin_array(memory, count + more, element_size, error);
    if (longer != NULL && count > 0) {
        memcpy(longer, old, (size_t)count * element_size);
    }
    return longer;
}

int admin_code(int16_t error_code)
{
    return error_code == KAFKA_UNKNOWN_SERVER_ERROR ? (int)BNB_ERROR_UNKNOWN_SERVER : error_code;
}

const char *admin_text(struct bnb_memory *memory, int16_t error_code, struct string_view text)
{
    if (error_code == 0) {
        return "";
    }
    return text.data != NULL && text.size > 0 ? memory_string(memory, text)
                                              : client_error_text(error_code);
}

struct bnb_uuid admin_uuid(struct uuid id)
{
    struct bnb_uuid copy;
    memcpy(copy.bytes, id.bytes, sizeof copy.bytes);
    return copy;
}

int admin_learn_nodes(struct bnb_admin *admin, struct bnb_memory *memory, struct bnb_error *error)
{
    struct metadata_response *metadata;
    struct bnb_cluster cluster;
    struct string_view none = {"", 0};
    if (client_config(admin->client)->bootstrap_servers == NULL) {
        return bnb_admin_describe_cluster(admin, memory, false, &cluster, error);
    }
    return client_call_metadata(admin->client, &memory->arena, &none, 0, false, admin->timeout_ms,
                                &metadata, error);
}

static void place_from(struct admin_place *place, const struct metadata_response *metadata)
{
    place->leader = -1;
    place->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; i < metadata->topics.count; i++) {
        const struct metadata_response_metadata_response_topic *topic = &metadata->topics.items[i];
        if (!string_view_is(topic->name, place->topic)) {
            continue;
        }
        place->error_code = topic->error_code != 0 ? topic->error_code : place->error_code;
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            if (topic->partitions.items[p].partition_index == place->partition) {
                place->leader = topic->partitions.items[p].leader_id;
                place->error_code = place->leader < 0 ? KAFKA_LEADER_NOT_AVAILABLE : 0;
            }
        }
        return;
    }
}

int admin_find_leaders(struct bnb_admin *admin, struct bnb_memory *memory,
                       struct admin_place *places, int32_t count, struct bnb_error *error)
{
    struct string_view *names = admin_array(memory, count, sizeof *names, error);
    if (names == NULL) {
        return BNB_ERROR_NO_MEMORY;
    }
    int32_t name_count = 0;
    for (int32_t i = 0; i < count; i++) {
        bool known = false;
        for (int32_t n = 0; n < name_count && !known; n++) {
            known = string_view_is(names[n], places[i].topic);
        }
        if (!known) {
            names[name_count++] = string_view_of(places[i].topic);
        }
    }
    struct metadata_response *metadata;
    int result = client_call_metadata(admin->client, &memory->arena, names, name_count, false, -1,
                                      &metadata, error);
    for (int32_t i = 0; i < count && result == 0; i++) {
        place_from(&places[i], metadata);
    }
    return result;
}
