/* admin_quorum.c: who votes in the controller quorum. */
#include <string.h>

#include "client/admin.h"

static struct uuid voter_uuid(struct bnb_uuid id)
{
    struct uuid made;
    STATIC_ASSERT(sizeof made == sizeof id, "both are 16 bytes");
    memcpy(&made, &id, sizeof made);
    return made;
}

int bnb_admin_add_voter(struct bnb_admin *admin, int32_t id, struct bnb_uuid directory_id,
                        const struct bnb_voter_endpoint *endpoints, int32_t count,
                        struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct add_raft_voter_request request;
    add_raft_voter_request_default(&request);
    request.timeout_ms = (int32_t)client_config(admin->client)->default_api_timeout_ms;
    request.voter_id = id;
    request.voter_directory_id = voter_uuid(directory_id);
    request.listeners.count = count;
    request.listeners.items =
        memory == NULL ? NULL : admin_array(memory, count, sizeof *request.listeners.items, error);
    int result = request.listeners.items == NULL ? BNB_ERROR_NO_MEMORY : 0;
    for (int32_t i = 0; result == 0 && i < count; i++) {
        request.listeners.items[i].name = string_view_of(endpoints[i].name);
        request.listeners.items[i].host = string_view_of(endpoints[i].host);
        request.listeners.items[i].port = (uint16_t)endpoints[i].port;
    }
    struct add_raft_voter_response *response;
    if (result == 0) {
        result = admin_call(admin, memory, CLIENT_NODE_CONTROLLER, API_ADD_RAFT_VOTER,
                            &add_raft_voter_request_row, &request, &add_raft_voter_response_row,
                            &response, error);
    }
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, response->error_message);
    }
    bnb_memory_destroy(&memory);
    return result;
}

int bnb_admin_remove_voter(struct bnb_admin *admin, int32_t id, struct bnb_uuid directory_id,
                           struct bnb_error *error)
{
    struct bnb_memory *memory = bnb_memory_create();
    struct remove_raft_voter_request request;
    remove_raft_voter_request_default(&request);
    request.voter_id = id;
    request.voter_directory_id = voter_uuid(directory_id);
    struct remove_raft_voter_response *response;
    int result = memory == NULL ? client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory")
                                : admin_call(admin, memory, CLIENT_NODE_CONTROLLER,
                                             API_REMOVE_RAFT_VOTER, &remove_raft_voter_request_row,
                                             &request, &remove_raft_voter_response_row, &response,
                                             error);
    if (result == 0 && response->error_code != 0) {
        result = client_error_kafka(error, response->error_code, response->error_message);
    }
    bnb_memory_destroy(&memory);
    return result;
}
