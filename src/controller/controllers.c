/* Controllers as they make themselves known. */
#include "base/assert.h"
#include "controller/controller_internal.h"

void controller_register_controller(struct controller *controller, struct controller_call *call)
{
    const struct controller_registration_request *asked = call->request;
    struct controller_registration_response *response =
        arena_alloc(call->arena, sizeof *response);
    size_t listeners = asked->listeners.count > 0 ? (size_t)asked->listeners.count : 0;
    size_t features = asked->features.count > 0 ? (size_t)asked->features.count : 0;
    struct register_controller_record record;
    register_controller_record_default(&record);
    record.end_points.items =
        arena_array(call->arena, listeners, sizeof *record.end_points.items);
    record.features.items = arena_array(call->arena, features, sizeof *record.features.items);
    if (response == NULL || call->arena->failed) {
        return;
    }
    controller_registration_response_default(response);
    call->response = response;
    if (controller_metadata_version(controller) < 15) {
        response->error_code = KAFKA_UNSUPPORTED_VERSION;
        response->error_message = string_view_of("The current MetadataVersion is too old to "
                                                 "support controller registrations.");
        return;
    }
    ASSERT(record.end_points.items != NULL && record.features.items != NULL);
    record.controller_id = asked->controller_id;
    record.incarnation_id = asked->incarnation_id;
    record.zk_migration_ready = asked->zk_migration_ready;
    for (size_t i = 0; i < listeners; i++) {
        record.end_points.items[i] = (struct register_controller_record_controller_endpoint){
            asked->listeners.items[i].name, asked->listeners.items[i].host,
            asked->listeners.items[i].port, asked->listeners.items[i].security_protocol};
    }
    for (size_t i = 0; i < features; i++) {
        record.features.items[i] = (struct register_controller_record_controller_feature){
            asked->features.items[i].name, asked->features.items[i].min_supported_version,
            asked->features.items[i].max_supported_version};
    }
    record.end_points.count = (int32_t)listeners;
    record.features.count = (int32_t)features;
    controller_records_add(call->records, REGISTER_CONTROLLER_RECORD_KEY, 0,
                           &register_controller_record_row, &record);
}
