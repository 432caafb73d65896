/* assign_sticky.c: what a member of Java's StickyAssignor remembers. An eager member owns nothing
 * when it joins, so it tells in its user data what it had last:
 *
 *   i32 count, and for each topic: i16 size, name, i32 count, i32 for each partition
 *   i32 generation of that assignment; not there in the oldest form */
#include "base/err.h"
#include "client/assign.h"

#define USER_DATA_BYTES_MAX (64u << 20)
#define TOPIC_BYTES_MIN 6 /* of a topic without a name and partitions */

int assign_sticky_encode(const struct partition_set *last, int32_t generation,
                         struct arena *arena, struct bytes_view *bytes)
{
    struct writer writer;
    int32_t topics = 0;
    writer_init(&writer, USER_DATA_BYTES_MAX);
    writer_i32(&writer, 0);
    for (size_t i = 0, run; i < last->count; i += run, topics++) {
        struct string_view topic = last->items[i].topic;
        run = partition_set_run(last, i);
        writer_i16(&writer, (int16_t)topic.size);
        writer_bytes(&writer, topic.data, topic.size);
        writer_i32(&writer, (int32_t)run);
        for (size_t j = i; j < i + run; j++) {
            writer_i32(&writer, last->items[j].partition);
        }
    }
    writer_i32(&writer, generation);
    if (!writer.failed) {
        writer_patch_i32(&writer, 0, topics);
    }
    *bytes = arena_bytes(arena, (struct bytes_view){writer.data, writer.size});
    bool failed = writer.failed || bytes->data == NULL;
    writer_release(&writer);
    return failed ? ERR_NOMEM : 0;
}

static bool topic_decode(struct reader *reader, struct arena *arena,
                         struct consumer_protocol_subscription_topic_partition *topic)
{
    int16_t size = reader_i16(reader);
    topic->topic.data = (const char *)reader_take(reader, size > 0 ? (size_t)size : 0);
    topic->topic.size = size > 0 ? (size_t)size : 0;
    int32_t count = reader_i32(reader);
    if (reader->failed || size < 0 || count < 0 ||
        (size_t)count > reader_left(reader) / sizeof(int32_t)) {
        return false;
    }
    topic->partitions.items = arena_array(arena, (size_t)count + 1, sizeof(int32_t));
    for (int32_t i = 0; topic->partitions.items != NULL && i < count; i++) {
        topic->partitions.items[topic->partitions.count++] = reader_i32(reader);
    }
    return topic->partitions.items != NULL;
}

int assign_sticky_decode(struct arena *arena, struct consumer_protocol_subscription *subscription)
{
    struct reader reader;
    struct bytes_view bytes = subscription->user_data;
    subscription->owned_partitions.count = 0;
    subscription->generation_id = -1;
    subscription->user_data = (struct bytes_view){NULL, 0};
    if (bytes.size == 0) {
        return 0; /* it is new */
    }
    reader_init(&reader, bytes.data, bytes.size);
    int32_t count = reader_i32(&reader);
    if (count < 0 || (size_t)count > reader_left(&reader) / TOPIC_BYTES_MIN) {
        return 0; /* as if it had nothing, as Java's leader takes it */
    }
    struct consumer_protocol_subscription_topic_partition *topics =
        arena_array(arena, (size_t)count + 1, sizeof *topics);
    if (topics == NULL) {
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < count; i++) {
        if (!topic_decode(&reader, arena, &topics[i])) {
            return arena->failed ? ERR_NOMEM : 0;
        }
    }
    if (reader_left(&reader) >= sizeof(int32_t)) {
        subscription->generation_id = reader_i32(&reader);
    }
    subscription->owned_partitions.items = topics;
    subscription->owned_partitions.count = count;
    return 0;
}
