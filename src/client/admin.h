/* admin.h: what the families of admin calls share. Thread: the caller's. */
#ifndef BNB_CLIENT_ADMIN_H
#define BNB_CLIENT_ADMIN_H

#include <barnabas/admin.h>

#include "client/client.h"

struct bnb_admin {
    struct client *client;
    int64_t timeout_ms; /* of a call; -1: default.api.timeout.ms */
};

/* Sends one request to one target and waits; the response is in the memory. */
int admin_call(struct bnb_admin *admin, struct bnb_memory *memory, int32_t target, int16_t api_key,
               const struct codec_struct *request_row, const void *request,
               const struct codec_struct *response_row, void *response_at,
               struct bnb_error *error);
/* An array in the memory; NULL and error set when there is none left. count may be 0. */
void *admin_array(struct bnb_memory *memory, int32_t count, size_t element_size,
                  struct bnb_error *error);
/* The same with room for more behind the elements of old. */
void *admin_array_longer(struct bnb_memory *memory, const void *old, int32_t count, int32_t more,
                         size_t element_size, struct bnb_error *error);
/* Public code and text of a Kafka error code. */
int admin_code(int16_t error_code);
const char *admin_text(struct bnb_memory *memory, int16_t error_code, struct string_view text);
struct bnb_uuid admin_uuid(struct uuid id);
/* Learns the addresses of all nodes, so that one can be named as a target. */
int admin_learn_nodes(struct bnb_admin *admin, struct bnb_memory *memory, struct bnb_error *error);
/* A leader for each of count partitions: leaders[i] is a broker id, or -1 with codes[i] set. */
struct admin_place {
    const char *topic;
    int32_t partition;
    int32_t leader;
    int16_t error_code;
};
int admin_find_leaders(struct bnb_admin *admin, struct bnb_memory *memory,
                       struct admin_place *places, int32_t count, struct bnb_error *error);

#endif
