/* error.c: errors, versions and result memory of the public calls. */
#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "protocol/error.h"

/* A describe of a very large cluster still fits; it is a bound, not a size. */
#define MEMORY_BYTES_MAX ((size_t)1 << 31)

STATIC_ASSERT((int)BNB_ERROR_NO_MEMORY == (int)ERR_NOMEM, "public codes are ours");
STATIC_ASSERT((int)BNB_ERROR_INVALID == (int)ERR_INVALID, "public codes are ours");
STATIC_ASSERT((int)BNB_ERROR_CLOSED == (int)ERR_CLOSED, "public codes are ours");
STATIC_ASSERT((int)BNB_ERROR_TIMEOUT == (int)ERR_TIMEOUT, "public codes are ours");
STATIC_ASSERT((int)BNB_ERROR_UNSUPPORTED == (int)ERR_UNSUPPORTED, "public codes are ours");

const char *bnb_version(void) { return BNB_VERSION; }

const char *bnb_error_name(int code)
{
    if (code == BNB_ERROR_UNKNOWN_SERVER) {
        return "UNKNOWN_SERVER_ERROR";
    }
    if (code == BNB_ERROR_NO_OFFSET) {
        return "no offset";
    }
    if (code == BNB_ERROR_ABORTED) {
        return "the transaction was aborted";
    }
    return code < 0 ? err_text(code) : kafka_error_name((int16_t)code);
}

bool bnb_error_is_retriable(int code)
{
    return code == BNB_ERROR_TIMEOUT || code == BNB_ERROR_CLOSED || code == BNB_ERROR_AGAIN ||
           (code > 0 && kafka_error_is_retriable((int16_t)code));
}

int client_error_set(struct bnb_error *error, int code, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

static const struct {
    int16_t code;
    const char *text;
} error_texts[] = {
    {-1, "The server experienced an unexpected error when processing the request."},
    {1, "The requested offset is not within the range of offsets maintained by the server."},
    {3, "This server does not host this topic-partition."},
    {5, "There is no leader for this topic-partition as we are in the middle of a leadership "
        "election."},
    {6, "For requests intended only for the leader, this error indicates that the broker is not "
        "the current leader."},
    {7, "The request timed out."},
    {10, "The request included a message larger than the max message size the server will "
         "accept."},
    {14, "The coordinator is loading and hence can't process requests."},
    {15, "The coordinator is not available."},
    {16, "This is not the correct coordinator."},
    {17, "The request attempted to perform an operation on an invalid topic."},
    {22, "Specified group generation id is not valid."},
    {23, "The group member's supported protocols are incompatible with those of existing members "
         "or first group member tried to join with empty protocol type or empty protocol list."},
    {24, "The group id is invalid."},
    {25, "The coordinator is not aware of this member."},
    {26, "The session timeout is not within the range allowed by the broker (as configured by "
         "group.min.session.timeout.ms and group.max.session.timeout.ms)."},
    {27, "The group is rebalancing, so a rejoin is needed."},
    {28, "The committing offset data size is not valid."},
    {29, "Topic authorization failed."},
    {30, "Group authorization failed."},
    {31, "Cluster authorization failed."},
    {35, "The version of API is not supported."},
    {36, "Topic with this name already exists."},
    {37, "Number of partitions is below 1."},
    {38, "Replication factor is below 1 or larger than the number of available brokers."},
    {39, "Replica assignment is invalid."},
    {40, "Configuration is invalid."},
    {41, "This is not the correct controller for this cluster."},
    {42, "This most likely occurs because of a request being malformed by the client library or "
         "the message was sent to an incompatible broker."},
    {44, "Request parameters do not satisfy the configured policy."},
    {45, "The broker received an out of order sequence number."},
    {46, "The broker received a duplicate sequence number."},
    {47, "Producer attempted to produce with an old epoch."},
    {48, "The producer attempted a transactional operation in an invalid state."},
    {49, "The producer attempted to use a producer id which is not currently assigned to its "
         "transactional id."},
    {50, "The transaction timeout is larger than the maximum value allowed by the broker (as "
         "configured by transaction.max.timeout.ms)."},
    {51, "The producer attempted to update a transaction while another concurrent operation on the "
         "same transaction was ongoing."},
    {53, "Transactional Id authorization failed."},
    {68, "The group is not empty."},
    {69, "The group id does not exist."},
    {81, "The group has reached its maximum size."},
    {82, "The broker rejected this static consumer since another consumer with the same "
         "group.instance.id has registered with a different member.id."},
    {86, "Deleting offsets of a topic is forbidden while the consumer group is actively "
         "subscribed to it."},
    {87, "This record has failed the validation on broker and hence will be rejected."},
    {90, "There is a newer producer with the same transactionalId which fences the current one."},
    {100, "This server does not host this topic ID."},
    {110, "The member epoch is fenced by the group coordinator. The member must abandon all its "
          "partitions and rejoin."},
    {111, "The instance ID is still used by another member in the consumer group. That member must "
          "leave first."},
    {112, "The assignor or its version range is not supported by the consumer group."},
    {113, "The member epoch is stale. The member must retry after receiving its updated member "
          "epoch via the ConsumerGroupHeartbeat API."},
    {120, "The server encountered an error with the transaction. The client can abort the "
          "transaction to continue using this transactional ID."},
};

const char *client_error_text(int16_t error_code)
{
    for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++) {
        if (error_texts[i].code == error_code) {
            return error_texts[i].text;
        }
    }
    return kafka_error_name(error_code);
}

int client_error_kafka(struct bnb_error *error, int16_t error_code, struct string_view text)
{
    int code = error_code == -1 ? BNB_ERROR_UNKNOWN_SERVER : error_code;
    if (text.data != NULL && text.size > 0) {
        return client_error_set(error, code, "%.*s", (int)text.size, text.data);
    }
    return client_error_set(error, code, "%s", client_error_text(error_code));
}

struct bnb_memory *bnb_memory_create(void)
{
    struct bnb_memory *memory = mem_calloc(1, sizeof *memory);
    if (memory != NULL) {
        arena_init(&memory->arena, MEMORY_BYTES_MAX);
    }
    return memory;
}

void bnb_memory_destroy(struct bnb_memory **destroyed)
{
    struct bnb_memory *memory = *destroyed;
    *destroyed = NULL;
    if (memory != NULL) {
        arena_release(&memory->arena);
        mem_free(memory);
    }
}

void bnb_memory_reset(struct bnb_memory *memory) { arena_reset(&memory->arena); }

const char *memory_string(struct bnb_memory *memory, struct string_view text)
{
    return arena_string(&memory->arena, text).data;
}

char *bnb_uuid_format(struct bnb_uuid id, char text[BNB_UUID_TEXT_BYTES])
{
    struct uuid uuid;
    memcpy(uuid.bytes, id.bytes, sizeof uuid.bytes);
    return uuid_format(uuid, text);
}

int bnb_uuid_parse(const char *text, struct bnb_uuid *id)
{
    struct uuid uuid;
    int result = uuid_parse(string_view_of(text), &uuid);
    if (result == 0) {
        memcpy(id->bytes, uuid.bytes, sizeof uuid.bytes);
    }
    return result;
}
