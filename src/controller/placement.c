/* Which brokers get the replicas of a new partition: one after the other through the unfenced
 * brokers with a directory that is not cordoned, each partition starting one further, from a random
 * start. */
#include <stdio.h>

#include "base/assert.h"
#include "controller/controller_internal.h"

static bool has_room(const struct image_broker *broker)
{
    bool room = broker->directory_count == 0 || broker->cordoned_count < 0;
    for (int32_t i = 0; i < broker->directory_count && !room; i++) {
        bool cordoned = false;
        for (int32_t j = 0; j < broker->cordoned_count && !cordoned; j++) {
            cordoned = uuid_equal(broker->directories[i], broker->cordoned[j]);
        }
        room = !cordoned;
    }
    return room;
}

int16_t placement_init(struct placement *placement, const struct controller *controller,
                       const struct controller_call *call, int16_t replication_factor,
                       struct string_view *error_message)
{
    size_t all = image_broker_count(controller->image);
    *placement = (struct placement){0};
    placement->brokers = arena_array(call->arena, all + 1, sizeof *placement->brokers);
    if (placement->brokers == NULL) {
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    for (size_t i = 0; i < all; i++) {
        const struct image_broker *broker = image_broker_at(controller->image, i);
        if (!broker->fenced && !broker->in_controlled_shutdown && has_room(broker)) {
            placement->brokers[placement->count++] = broker->id;
        }
    }
    if (replication_factor <= 0) {
        *error_message = string_view_of("Replication factor must be larger than 0, or -1 to use "
                                        "the default value.");
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (placement->count == 0) {
        *error_message = string_view_of("All brokers are currently fenced, or have all their log "
                                        "directories cordoned.");
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (replication_factor > (int64_t)all) {
        *error_message = arena_format(call->arena,
                                      "The target replication factor of %d cannot be reached "
                                      "because only %zu broker(s) are registered or some brokers "
                                      "have all their log directories cordoned.",
                                      replication_factor, all);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (replication_factor > placement->count) {
        *error_message = arena_format(call->arena,
                                      "The target replication factor of %d cannot be reached "
                                      "because only %d broker(s) are available.",
                                      replication_factor, placement->count);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    ASSERT(placement->count > 0 && (size_t)placement->count <= all);
    placement->start = (int32_t)(controller_random(call, 1u << 20) % (uint64_t)placement->count);
    return 0;
}

void placement_next(struct placement *placement, int16_t replication_factor, int32_t *replicas)
{
    ASSERT(replication_factor > 0 && replication_factor <= placement->count);
    ASSERT(placement->start >= 0 && placement->start < placement->count);
    for (int32_t i = 0; i < replication_factor; i++) {
        int32_t at = (int32_t)(((int64_t)placement->start + placement->next + i) %
                               placement->count);
        replicas[i] = placement->brokers[at];
    }
    placement->next++;
}

void placement_directories(const struct controller *controller, const int32_t *replicas,
                           int32_t count, struct uuid *directories)
{
    static const struct uuid unassigned = {{[15] = 1}};
    ASSERT(count > 0 && directories != NULL);
    for (int32_t i = 0; i < count; i++) {
        const struct image_broker *broker = image_broker_by_id(controller->image, replicas[i]);
        directories[i] = broker != NULL && broker->directory_count == 1 ? broker->directories[0]
                                                                         : unassigned;
    }
}
