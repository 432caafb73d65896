/* A number that stands for everything of the topics of a group that an assignment depends on: it is
 * kept with the group's epoch, and when it differs the group has to be assigned anew. Computed as
 * Apache Kafka does, so that a group that moves between the two is not disturbed (Utils of its
 * group coordinator; text as hash4j feeds it: UTF-16 units, little endian, then their number). */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "coordinator/group/internal.h"

#define RACKS_MAX 64u /* of one partition that count */

static void feed_i32(XXH3_state_t *state, int32_t value)
{
    uint8_t bytes[4];
    uint32_t number = (uint32_t)value;
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    (void)XXH3_64bits_update(state, bytes, sizeof bytes);
}

static void feed_i64(XXH3_state_t *state, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    (void)XXH3_64bits_update(state, bytes, sizeof bytes);
}

static uint64_t half_of(struct uuid id, size_t from)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | id.bytes[from + i];
    }
    return value;
}

static int32_t feed_units(XXH3_state_t *state, struct string_view text)
{
    int32_t units = 0;
    struct text_units walk;
    uint16_t unit;
    text_units_init(&walk, text);
    while (text_units_next(&walk, &unit)) {
        uint8_t bytes[2] = {(uint8_t)unit, (uint8_t)(unit >> 8)};
        (void)XXH3_64bits_update(state, bytes, sizeof bytes);
        units++;
    }
    return units;
}

static void feed_text(XXH3_state_t *state, struct string_view text)
{
    feed_i32(state, feed_units(state, text));
}

static int racks_in_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

static uint64_t topic_hash(const struct cluster *cluster, const struct cluster_topic *topic)
{
    XXH3_state_t state;
    struct string_view racks[RACKS_MAX];
    const uint8_t format = 0;
    (void)XXH3_64bits_reset(&state);
    (void)XXH3_64bits_update(&state, &format, 1);
    feed_i64(&state, half_of(topic->id, 0));
    feed_i64(&state, half_of(topic->id, 8));
    feed_text(&state, topic->name);
    feed_i32(&state, topic->partition_count);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        size_t count = cluster->racks(cluster->context, topic, i, racks, RACKS_MAX);
        ASSERT(count <= RACKS_MAX);
        feed_i32(&state, i);
        qsort(racks, count, sizeof *racks, racks_in_order);
        for (size_t j = 0; j < count; j++) {
            feed_i32(&state, (int32_t)offset_metadata_length(racks[j]));
            feed_text(&state, racks[j]);
        }
    }
    return XXH3_64bits_digest(&state);
}

/* names: ascending, each once. Topics that do not exist are left out. */
int64_t consumer_metadata_hash(const struct cluster *cluster, const struct string_view *names,
                               size_t count)
{
    XXH3_state_t state;
    size_t topics = 0;
    (void)XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++) {
        struct cluster_topic topic;
        if (cluster->topic_by_name(cluster->context, names[i], &topic)) {
            feed_i64(&state, topic_hash(cluster, &topic));
            topics++;
        }
    }
    return topics == 0 ? 0 : (int64_t)XXH3_64bits_digest(&state);
}
