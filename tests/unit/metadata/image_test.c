/* Replaying records into images: what can be looked up, what is shared, and that the records of an
 * image make the same image again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "metadata/image_builder.h"
#include "protocol/messages.h"

#define RESOURCE_TOPIC 2

static struct uuid uuid_of(uint8_t number)
{
    return (struct uuid){{1, 2, 3, [15] = number}};
}

static int replay_as(struct image_builder *builder, int16_t api_key, int16_t version,
                     const struct codec_struct *row, const void *message)
{
    struct writer writer;
    writer_init(&writer, 1 << 20);
    assert_int_equal(metadata_record_encode(&writer, api_key, version, row, message), 0);
    int error = image_builder_replay(builder, (struct bytes_view){writer.data, writer.size}, NULL);
    writer_release(&writer);
    return error;
}

static int feature(struct image_builder *builder, const char *name, int16_t level)
{
    struct feature_level_record record = {string_view_of(name), level};
    return replay_as(builder, FEATURE_LEVEL_RECORD_KEY, 0, &feature_level_record_row, &record);
}

static int topic(struct image_builder *builder, const char *name, uint8_t id)
{
    struct topic_record record = {string_view_of(name), uuid_of(id)};
    return replay_as(builder, TOPIC_RECORD_KEY, 0, &topic_record_row, &record);
}

static int remove_topic(struct image_builder *builder, uint8_t id)
{
    struct remove_topic_record record = {uuid_of(id)};
    return replay_as(builder, REMOVE_TOPIC_RECORD_KEY, 0, &remove_topic_record_row, &record);
}

static int config_of(struct image_builder *builder, int8_t type, const char *resource,
                     const char *name, const char *value)
{
    struct config_record record = {type, string_view_of(resource), string_view_of(name),
                                   string_view_of(value)};
    return replay_as(builder, CONFIG_RECORD_KEY, 0, &config_record_row, &record);
}

static int config(struct image_builder *builder, const char *resource, const char *name,
                  const char *value)
{
    return config_of(builder, RESOURCE_TOPIC, resource, name, value);
}

static int partition(struct image_builder *builder, uint8_t id, int32_t index)
{
    int32_t replicas[] = {1, 2, 3};
    int32_t last[] = {3};
    struct uuid directories[] = {uuid_of(101), uuid_of(102), uuid_of(103)};
    struct partition_record record;
    partition_record_default(&record);
    record.partition_id = index;
    record.topic_id = uuid_of(id);
    record.replicas.items = record.isr.items = replicas;
    record.replicas.count = 3;
    record.isr.count = 2;
    record.eligible_leader_replicas.items = record.last_known_elr.items = last;
    record.eligible_leader_replicas.count = record.last_known_elr.count = 1;
    record.directories.items = directories;
    record.directories.count = 3;
    record.leader = 1;
    record.leader_epoch = 4;
    record.partition_epoch = 7;
    return replay_as(builder, PARTITION_RECORD_KEY, 2, &partition_record_row, &record);
}

static int change(struct image_builder *builder, uint8_t id, int32_t index,
                  struct partition_change_record *record)
{
    record->topic_id = uuid_of(id);
    record->partition_id = index;
    return replay_as(builder, PARTITION_CHANGE_RECORD_KEY, 2, &partition_change_record_row, record);
}

static int broker(struct image_builder *builder, int32_t id, int64_t epoch)
{
    struct register_broker_record_broker_endpoint endpoint = {
        string_view_of("PLAINTEXT"), string_view_of("host"), 9092, 0};
    struct register_broker_record_broker_feature level = {string_view_of("group.version"), 0, 1};
    struct uuid directories[] = {uuid_of(101), uuid_of(102)};
    struct register_broker_record record;
    register_broker_record_default(&record);
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.incarnation_id = uuid_of((uint8_t)id);
    record.rack = string_view_of("r1");
    record.end_points.items = &endpoint;
    record.end_points.count = 1;
    record.features.items = &level;
    record.features.count = 1;
    record.log_dirs.items = record.cordoned_log_dirs.items = directories;
    record.log_dirs.count = 2;
    record.cordoned_log_dirs.count = 1;
    return replay_as(builder, REGISTER_BROKER_RECORD_KEY, 4, &register_broker_record_row, &record);
}

static int broker_change(struct image_builder *builder, int32_t id, int64_t epoch, int8_t fenced,
                         int8_t shutdown)
{
    struct broker_registration_change_record record;
    broker_registration_change_record_default(&record);
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.fenced = fenced;
    record.in_controlled_shutdown = shutdown;
    return replay_as(builder, BROKER_REGISTRATION_CHANGE_RECORD_KEY, 1,
                     &broker_registration_change_record_row, &record);
}

/* Type and name of up to two parts; a NULL type ends them. */
static int quota(struct image_builder *builder, const char *first, const char *second, double value,
                 bool remove)
{
    struct client_quota_record_entity_data entity[] = {
        {string_view_of(first), string_view_of("a")},
        {string_view_of(second), string_view_of("a")}};
    struct client_quota_record record;
    client_quota_record_default(&record);
    record.entity.items = entity;
    record.entity.count = 2;
    record.key = string_view_of("producer_byte_rate");
    record.value = value;
    record.remove = remove;
    return replay_as(builder, CLIENT_QUOTA_RECORD_KEY, 0, &client_quota_record_row, &record);
}

static int scram(struct image_builder *builder, const char *name, int8_t mechanism)
{
    struct user_scram_credential_record record;
    user_scram_credential_record_default(&record);
    record.name = string_view_of(name);
    record.mechanism = mechanism;
    record.iterations = 4096;
    return replay_as(builder, USER_SCRAM_CREDENTIAL_RECORD_KEY, 0,
                     &user_scram_credential_record_row, &record);
}

static int acl(struct image_builder *builder, uint8_t id)
{
    struct access_control_entry_record record;
    access_control_entry_record_default(&record);
    record.id = uuid_of(id);
    record.principal = string_view_of("User:a");
    return replay_as(builder, ACCESS_CONTROL_ENTRY_RECORD_KEY, 0, &access_control_entry_record_row,
                     &record);
}

/* Begin, end, abort and no-op: records without fields that matter. */
static int marker(struct image_builder *builder, int16_t api_key)
{
    uint8_t bytes[] = {1, (uint8_t)api_key, 0, 0};
    return image_builder_replay(builder, (struct bytes_view){bytes, sizeof bytes}, NULL);
}

static struct image_builder *begin(const struct image *from)
{
    struct image_builder *builder;
    assert_int_equal(image_builder_create(from, &builder), 0);
    return builder;
}

static struct image *finish(struct image_builder *builder)
{
    struct image *image;
    assert_int_equal(image_builder_finish(&builder, 10, 2, 1234, &image), 0);
    assert_null(builder);
    return image;
}

static struct image *sample(void)
{
    struct image_builder *builder = begin(NULL);
    struct producer_ids_record ids = {1, 5, 2000};
    assert_int_equal(feature(builder, "group.version", 1), 0);
    assert_int_equal(feature(builder, "metadata.version", 30), 0);
    assert_int_equal(broker(builder, 2, 50), 0);
    assert_int_equal(broker(builder, 1, 51), 0);
    assert_int_equal(topic(builder, "b", 1), 0);
    assert_int_equal(partition(builder, 1, 0), 0);
    assert_int_equal(partition(builder, 1, 1), 0);
    assert_int_equal(topic(builder, "a", 2), 0);
    assert_int_equal(partition(builder, 2, 0), 0);
    assert_int_equal(config(builder, "a", "retention.ms", "5"), 0);
    assert_int_equal(config(builder, "a", "cleanup.policy", "compact"), 0);
    assert_int_equal(config(builder, "b", "retention.ms", "6"), 0);
    assert_int_equal(replay_as(builder, PRODUCER_IDS_RECORD_KEY, 0, &producer_ids_record_row, &ids),
                     0);
    assert_int_equal(quota(builder, "user", "client-id", 10, false), 0);
    assert_int_equal(scram(builder, "u", 1), 0);
    assert_int_equal(acl(builder, 9), 0);
    assert_int_equal(marker(builder, NO_OP_RECORD_KEY), 0);
    return finish(builder);
}

/* All records of an image, each behind its length. */
struct dump {
    struct writer bytes;
    size_t count;
    size_t kept; /* of kinds without a structure */
};

static int dump_record(void *context, struct bytes_view record)
{
    struct dump *dump = context;
    struct reader reader;
    int16_t api_key;
    int16_t version;
    reader_init(&reader, record.data, record.size);
    assert_int_equal(metadata_record_decode(&reader, &api_key, &version), 0);
    dump->count++;
    dump->kept += api_key == CLIENT_QUOTA_RECORD_KEY || api_key > NO_OP_RECORD_KEY ||
                  api_key == USER_SCRAM_CREDENTIAL_RECORD_KEY ||
                  api_key == ACCESS_CONTROL_ENTRY_RECORD_KEY;
    writer_i32(&dump->bytes, (int32_t)record.size);
    writer_bytes(&dump->bytes, record.data, record.size);
    return 0;
}

static struct dump dump_of(const struct image *image)
{
    struct dump dump = {.count = 0};
    writer_init(&dump.bytes, 1 << 20);
    assert_int_equal(image_visit_records(image, dump_record, &dump), 0);
    assert_false(dump.bytes.failed);
    return dump;
}

static size_t kept_count(const struct image *image)
{
    struct dump dump = dump_of(image);
    writer_release(&dump.bytes);
    return dump.kept;
}

static void assert_same_records(const struct image *a, const struct image *b)
{
    struct dump of_a = dump_of(a);
    struct dump of_b = dump_of(b);
    assert_int_equal(of_a.count, of_b.count);
    assert_int_equal(of_a.bytes.size, of_b.bytes.size);
    assert_memory_equal(of_a.bytes.data, of_b.bytes.data, of_a.bytes.size);
    writer_release(&of_a.bytes);
    writer_release(&of_b.bytes);
}

static void image__answers_lookups_of_what_was_replayed(void **state)
{
    (void)state;
    struct image *image = sample();
    assert_int_equal(image_offset(image), 10);
    assert_int_equal(image_epoch(image), 2);
    assert_int_equal(image_timestamp_ms(image), 1234);
    assert_int_equal(image_topic_count(image), 2);
    assert_true(string_view_is(image_topic_at(image, 0)->name, "a"));
    const struct image_topic *b = image_topic_by_name(image, string_view_of("b"));
    assert_non_null(b);
    assert_ptr_equal(b, image_topic_by_id(image, uuid_of(1)));
    assert_null(image_topic_by_id(image, uuid_of(77)));
    assert_null(image_topic_by_name(image, string_view_of("bb")));
    assert_int_equal(b->partition_count, 2);
    assert_int_equal(b->partitions[1].replicas.count, 3);
    assert_int_equal(b->partitions[1].isr.ids[1], 2);
    assert_true(uuid_equal(b->partitions[1].directories[2], uuid_of(103)));
    assert_int_equal(image_broker_count(image), 2);
    const struct image_broker *first = image_broker_at(image, 0);
    assert_ptr_equal(first, image_broker_by_id(image, 1));
    assert_int_equal(first->epoch, 51);
    assert_true(first->fenced);
    assert_true(string_view_is(first->rack, "r1"));
    assert_int_equal(first->endpoints[0].port, 9092);
    assert_int_equal(first->directory_count, 2);
    struct image_settings settings = image_settings(image, RESOURCE_TOPIC, string_view_of("a"));
    assert_int_equal(settings.count, 2);
    assert_true(string_view_is(settings.items[0].name, "cleanup.policy"));
    assert_int_equal(image_settings(image, 4, string_view_of("a")).count, 0);
    assert_int_equal(image_feature_count(image), 2);
    assert_int_equal(image_feature_level(image, "metadata.version"), 30);
    assert_int_equal(image_feature_level(image, "share.version"), 0);
    assert_int_equal(image_next_producer_id(image), 2000);
    image_unref(&image);
}

static void image__shares_unchanged_topics_and_keeps_the_older_image_as_it_was(void **state)
{
    (void)state;
    struct image *old = sample();
    struct image_builder *builder = begin(old);
    struct partition_change_record record;
    partition_change_record_default(&record);
    record.leader = 2;
    assert_int_equal(change(builder, 1, 0, &record), 0);
    assert_int_equal(broker_change(builder, 1, 51, -1, 0), 0);
    struct image *new = finish(builder);
    assert_ptr_equal(image_topic_by_id(old, uuid_of(2)), image_topic_by_id(new, uuid_of(2)));
    assert_ptr_not_equal(image_topic_by_id(old, uuid_of(1)), image_topic_by_id(new, uuid_of(1)));
    assert_ptr_equal(image_broker_by_id(old, 2), image_broker_by_id(new, 2));
    assert_int_equal(image_topic_by_id(old, uuid_of(1))->partitions[0].leader, 1);
    assert_int_equal(image_topic_by_id(new, uuid_of(1))->partitions[0].leader, 2);
    assert_true(image_broker_by_id(old, 1)->fenced);
    assert_false(image_broker_by_id(new, 1)->fenced);
    /* A topic of the newer image is not changed in place by the builder after it. */
    builder = begin(new);
    assert_int_equal(change(builder, 1, 0, &record), 0);
    struct image *newest = finish(builder);
    assert_int_equal(image_topic_by_id(new, uuid_of(1))->partitions[0].leader_epoch, 5);
    assert_int_equal(image_topic_by_id(newest, uuid_of(1))->partitions[0].leader_epoch, 6);
    image_unref(&old);
    assert_true(string_view_is(image_topic_by_id(new, uuid_of(2))->name, "a"));
    image_unref(&new);
    image_unref(&newest);
}

static int replay_again(void *context, struct bytes_view record)
{
    return image_builder_replay(context, record, NULL);
}

static void image__is_made_again_by_its_records(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    assert_int_equal(broker_change(builder, 2, 50, -1, 1), 0);
    struct image *changed = finish(builder);
    builder = begin(NULL);
    assert_int_equal(image_visit_records(changed, replay_again, builder), 0);
    struct image *copy = finish(builder);
    assert_same_records(changed, copy);
    assert_true(image_broker_by_id(copy, 2)->in_controlled_shutdown);
    assert_int_equal(image_topic_by_id(copy, uuid_of(1))->partitions[0].eligible_leaders.ids[0], 3);
    assert_int_equal(image_next_producer_id(copy), 2000);
    assert_int_equal(kept_count(copy), 3);
    image_unref(&image);
    image_unref(&changed);
    image_unref(&copy);
}

struct versions {
    int16_t first_key;
    int16_t broker;
    int16_t partition;
};

static int note_version(void *context, struct bytes_view record)
{
    struct versions *versions = context;
    struct reader reader;
    int16_t api_key;
    int16_t version;
    reader_init(&reader, record.data, record.size);
    assert_int_equal(metadata_record_decode(&reader, &api_key, &version), 0);
    versions->first_key = versions->first_key < 0 ? api_key : versions->first_key;
    versions->broker = api_key == REGISTER_BROKER_RECORD_KEY ? version : versions->broker;
    versions->partition = api_key == PARTITION_RECORD_KEY ? version : versions->partition;
    return 0;
}

static void image__writes_records_in_the_versions_of_its_metadata_version(void **state)
{
    (void)state;
    static const int16_t table[][3] = {{7, 1, 0},  {8, 2, 0},  {16, 2, 0}, {17, 3, 1},
                                       {22, 3, 1}, {23, 3, 2}, {29, 3, 2}, {30, 4, 2}};
    struct image *image = sample();
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct image_builder *builder = begin(image);
        assert_int_equal(feature(builder, "metadata.version", table[i][0]), 0);
        struct image *at_level = finish(builder);
        struct versions seen = {-1, -1, -1};
        assert_int_equal(image_visit_records(at_level, note_version, &seen), 0);
        assert_int_equal(seen.first_key, FEATURE_LEVEL_RECORD_KEY);
        assert_int_equal(seen.broker, table[i][1]);
        assert_int_equal(seen.partition, table[i][2]);
        image_unref(&at_level);
    }
    image_unref(&image);
}

static void partition_change__raises_epochs_and_sets_only_what_is_given(void **state)
{
    (void)state;
    struct image_builder *builder = begin(NULL);
    int32_t isr[] = {1};
    int32_t replicas[] = {1, 4};
    struct uuid directories[] = {uuid_of(1), uuid_of(2)};
    struct partition_change_record record;
    assert_int_equal(topic(builder, "a", 1), 0);
    assert_int_equal(partition(builder, 1, 0), 0);
    partition_change_record_default(&record);
    record.isr.items = isr;
    record.isr.count = 1;
    assert_int_equal(change(builder, 1, 0, &record), 0); /* 8: the leader stays */
    partition_change_record_default(&record);
    record.leader = 1;
    assert_int_equal(change(builder, 1, 0, &record), 0); /* 9: the same leader anew */
    partition_change_record_default(&record);
    record.replicas.items = replicas;
    record.directories.items = directories;
    record.replicas.count = record.directories.count = 2;
    record.adding_replicas.items = &replicas[1];
    record.adding_replicas.count = 1;
    record.eligible_leader_replicas.items = isr;
    record.eligible_leader_replicas.count = 0;
    record.leader_recovery_state = 1;
    assert_int_equal(change(builder, 1, 0, &record), 0); /* 10 */
    record.directories.count = 1;
    assert_int_equal(change(builder, 1, 0, &record), ERR_CORRUPT);
    assert_int_equal(change(builder, 1, 1, &record), ERR_CORRUPT);
    assert_int_equal(change(builder, 5, 0, &record), ERR_CORRUPT);
    struct image *image = finish(builder);
    const struct image_partition *p = &image_topic_by_id(image, uuid_of(1))->partitions[0];
    assert_int_equal(p->leader, 1);
    assert_int_equal(p->leader_epoch, 5);
    assert_int_equal(p->partition_epoch, 10);
    assert_int_equal(p->leader_recovery_state, 1);
    assert_int_equal(p->isr.count, 1);
    assert_int_equal(p->replicas.count, 2);
    assert_int_equal(p->replicas.ids[1], 4);
    assert_int_equal(p->adding.ids[0], 4);
    assert_int_equal(p->eligible_leaders.count, 0);
    assert_int_equal(p->last_known_eligible_leaders.count, 1);
    assert_true(uuid_equal(p->directories[1], uuid_of(2)));
    image_unref(&image);
}

/* Numbers that the next one cannot follow, and what nobody writes. */
static void builder__refuses_numbers_that_cannot_be(void **state)
{
    (void)state;
    struct image_builder *builder = begin(NULL);
    struct producer_ids_record ids;
    struct partition_record record;
    struct partition_change_record next;
    int32_t replicas[] = {1};
    producer_ids_record_default(&ids);
    ids.next_producer_id = -1;
    assert_int_equal(replay_as(builder, PRODUCER_IDS_RECORD_KEY, 0, &producer_ids_record_row, &ids),
                     ERR_CORRUPT);
    assert_int_equal(topic(builder, "a", 1), 0);
    partition_record_default(&record);
    record.topic_id = uuid_of(1);
    record.replicas.items = record.isr.items = replicas;
    assert_int_equal(replay_as(builder, PARTITION_RECORD_KEY, 1, &partition_record_row, &record),
                     ERR_CORRUPT);
    record.partition_id = 0;
    record.replicas.count = record.isr.count = 1;
    record.leader = 1;
    record.leader_epoch = INT32_MAX;
    assert_int_equal(replay_as(builder, PARTITION_RECORD_KEY, 1, &partition_record_row, &record),
                     0);
    partition_change_record_default(&next);
    next.leader = 1;
    assert_int_equal(change(builder, 1, 0, &next), ERR_CORRUPT);
    next.leader = -2;
    next.replicas.items = replicas;
    next.replicas.count = 0;
    assert_int_equal(change(builder, 1, 0, &next), ERR_CORRUPT);
    next.replicas.count = 1;
    assert_int_equal(change(builder, 1, 0, &next), 0);
    record.partition_epoch = INT32_MAX;
    assert_int_equal(replay_as(builder, PARTITION_RECORD_KEY, 1, &partition_record_row, &record),
                     0);
    assert_int_equal(change(builder, 1, 0, &next), ERR_CORRUPT);
    image_builder_destroy(&builder);
}

static void clear_elr__empties_the_lists_and_leaves_other_topics_shared(void **state)
{
    (void)state;
    struct image *old = sample();
    struct image_builder *builder = begin(old);
    struct clear_elr_record record = {string_view_of("a")};
    assert_int_equal(replay_as(builder, CLEAR_ELR_RECORD_KEY, 0, &clear_elr_record_row, &record),
                     0);
    struct image *cleared = finish(builder);
    const struct image_partition *p = &image_topic_by_id(cleared, uuid_of(2))->partitions[0];
    assert_int_equal(p->eligible_leaders.count + p->last_known_eligible_leaders.count, 0);
    assert_int_equal(p->partition_epoch, 8); /* as Apache Kafka 4.3.1 has it afterwards */
    builder = begin(cleared);
    record.topic_name = string_view_of("");
    assert_int_equal(replay_as(builder, CLEAR_ELR_RECORD_KEY, 0, &clear_elr_record_row, &record),
                     0);
    struct image *all = finish(builder);
    assert_ptr_equal(image_topic_by_id(cleared, uuid_of(2)), image_topic_by_id(all, uuid_of(2)));
    assert_ptr_not_equal(image_topic_by_id(old, uuid_of(1)), image_topic_by_id(all, uuid_of(1)));
    image_unref(&old);
    image_unref(&cleared);
    image_unref(&all);
}

static void config__of_null_value_deletes(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    assert_int_equal(config(builder, "a", "retention.ms", NULL), 0);
    assert_int_equal(config(builder, "a", "cleanup.policy", "delete"), 0);
    assert_int_equal(config(builder, "b", "retention.ms", NULL), 0);
    assert_int_equal(config(builder, "c", "retention.ms", NULL), 0);
    struct image *next = finish(builder);
    struct string_view value;
    assert_false(image_setting(next, RESOURCE_TOPIC, string_view_of("a"),
                               string_view_of("retention.ms"), &value));
    assert_true(image_setting(next, RESOURCE_TOPIC, string_view_of("a"),
                              string_view_of("cleanup.policy"), &value));
    assert_true(string_view_is(value, "delete"));
    assert_int_equal(image_settings(next, RESOURCE_TOPIC, string_view_of("b")).count, 0);
    assert_true(image_setting(image, RESOURCE_TOPIC, string_view_of("a"),
                              string_view_of("retention.ms"), &value));
    image_unref(&image);
    image_unref(&next);
}

/* Goal: those of one type in their order, and none of another type or without settings. */
static void settings__list_the_resources_of_one_type(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    assert_int_equal(config_of(builder, 4, "0", "log.retention.ms", "1"), 0);
    assert_int_equal(config_of(builder, 32, "g2", "consumer.session.timeout.ms", "1"), 0);
    assert_int_equal(config_of(builder, 32, "g1", "consumer.session.timeout.ms", "1"), 0);
    assert_int_equal(config_of(builder, 32, "g0", "consumer.session.timeout.ms", NULL), 0);
    struct image *next = finish(builder);
    struct string_view name;
    assert_true(image_settings_resource_at(next, 32, 0, &name));
    assert_true(string_view_is(name, "g1"));
    assert_true(image_settings_resource_at(next, 32, 1, &name));
    assert_true(string_view_is(name, "g2"));
    assert_false(image_settings_resource_at(next, 32, 2, &name));
    assert_true(image_settings_resource_at(next, 4, 0, &name));
    assert_true(string_view_is(name, "0"));
    assert_false(image_settings_resource_at(next, 4, 1, &name));
    assert_false(image_settings_resource_at(next, 16, 0, &name));
    assert_false(image_settings_resource_at(next, 32, SIZE_MAX, &name));
    image_unref(&image);
    image_unref(&next);
}

static void remove_topic__takes_its_settings_along(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    assert_int_equal(remove_topic(builder, 2), 0);
    assert_int_equal(remove_topic(builder, 2), ERR_CORRUPT);
    assert_int_equal(partition(builder, 2, 0), ERR_CORRUPT);
    assert_int_equal(topic(builder, "b", 3), ERR_CORRUPT); /* the name is taken */
    struct image *next = finish(builder);
    assert_null(image_topic_by_name(next, string_view_of("a")));
    assert_null(image_topic_by_id(next, uuid_of(2)));
    assert_int_equal(image_topic_count(next), 1);
    assert_int_equal(image_settings(next, RESOURCE_TOPIC, string_view_of("a")).count, 0);
    assert_int_equal(image_settings(image, RESOURCE_TOPIC, string_view_of("a")).count, 2);
    image_unref(&image);
    image_unref(&next);
}

static void broker__changes_need_the_registered_epoch(void **state)
{
    (void)state;
    struct image_builder *builder = begin(NULL);
    struct unregister_broker_record gone = {2, 50};
    struct unfence_broker_record unfence = {1, 51};
    assert_int_equal(broker(builder, 1, 51), 0);
    assert_int_equal(broker(builder, 2, 50), 0);
    assert_int_equal(broker_change(builder, 1, 50, -1, 0), ERR_CORRUPT);
    assert_int_equal(broker_change(builder, 7, 50, -1, 0), ERR_CORRUPT);
    assert_int_equal(replay_as(builder, UNFENCE_BROKER_RECORD_KEY, 0, &unfence_broker_record_row,
                               &unfence),
                     0);
    assert_int_equal(broker_change(builder, 1, 51, 0, 1), 0);
    assert_int_equal(replay_as(builder, UNREGISTER_BROKER_RECORD_KEY, 0,
                               &unregister_broker_record_row, &gone),
                     0);
    struct image *image = finish(builder);
    assert_int_equal(image_broker_count(image), 1);
    const struct image_broker *one = image_broker_by_id(image, 1);
    assert_false(one->fenced);
    assert_true(one->in_controlled_shutdown);
    assert_int_equal(one->directory_count, 2);
    assert_int_equal(one->endpoint_count, 1);
    image_unref(&image);
}

static void feature__of_level_zero_is_removed_and_kraft_version_ignored(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    assert_int_equal(feature(builder, "group.version", 0), 0);
    assert_int_equal(feature(builder, "share.version", 0), 0);
    assert_int_equal(feature(builder, "kraft.version", 1), 0);
    struct image *next = finish(builder);
    assert_int_equal(image_feature_count(next), 1);
    assert_true(string_view_is(image_feature_at(next, 0).name, "metadata.version"));
    assert_int_equal(image_feature_level(image, "group.version"), 1);
    image_unref(&image);
    image_unref(&next);
}

static void kept__records_replace_and_remove_those_with_their_key(void **state)
{
    (void)state;
    struct image *image = sample();
    struct image_builder *builder = begin(image);
    struct remove_access_control_entry_record no_acl = {uuid_of(9)};
    struct remove_user_scram_credential_record no_scram = {string_view_of("u"), 2};
    assert_int_equal(quota(builder, "user", "client-id", 20, false), 0);
    assert_int_equal(scram(builder, "u", 2), 0);
    assert_int_equal(acl(builder, 9), 0);
    struct image *next = finish(builder);
    assert_int_equal(kept_count(next), 4);
    builder = begin(next);
    /* The same in another order. */
    assert_int_equal(quota(builder, "client-id", "user", 0, true), 0);
    assert_int_equal(replay_as(builder, REMOVE_ACCESS_CONTROL_ENTRY_RECORD_KEY, 0,
                               &remove_access_control_entry_record_row, &no_acl),
                     0);
    assert_int_equal(replay_as(builder, REMOVE_USER_SCRAM_CREDENTIAL_RECORD_KEY, 0,
                               &remove_user_scram_credential_record_row, &no_scram),
                     0);
    struct image *last = finish(builder);
    assert_int_equal(kept_count(last), 1);
    image_unref(&image);
    image_unref(&next);
    image_unref(&last);
}

static void kept__records_younger_than_this_code_survive_a_snapshot(void **state)
{
    (void)state;
    static const uint8_t young[] = {1, 99, 3, 'a', 'b', 'c'};
    struct image_builder *builder = begin(NULL);
    struct bytes_view record = {young, sizeof young};
    assert_int_equal(image_builder_replay(builder, record, NULL), 0);
    assert_int_equal(image_builder_replay(builder, record, NULL), 0);
    struct image *image = finish(builder);
    struct dump dump = dump_of(image);
    assert_int_equal(dump.count, 2);
    assert_memory_equal(dump.bytes.data + 4, young, sizeof young);
    writer_release(&dump.bytes);
    image_unref(&image);
}

static void transaction__is_applied_at_its_end_across_builders(void **state)
{
    (void)state;
    struct image_builder *builder = begin(NULL);
    assert_int_equal(marker(builder, END_TRANSACTION_RECORD_KEY), ERR_CORRUPT);
    assert_int_equal(marker(builder, BEGIN_TRANSACTION_RECORD_KEY), 0);
    assert_int_equal(marker(builder, BEGIN_TRANSACTION_RECORD_KEY), ERR_CORRUPT);
    assert_int_equal(topic(builder, "a", 1), 0);
    struct image *open = finish(builder);
    assert_int_equal(image_topic_count(open), 0);
    builder = begin(open);
    assert_int_equal(partition(builder, 1, 0), 0);
    assert_int_equal(marker(builder, END_TRANSACTION_RECORD_KEY), 0);
    assert_int_equal(topic(builder, "b", 2), 0);
    struct image *done = finish(builder);
    assert_int_equal(image_topic_count(open), 0);
    assert_int_equal(image_topic_count(done), 2);
    assert_int_equal(image_topic_by_id(done, uuid_of(1))->partition_count, 1);
    struct dump nothing = {.count = 0};
    assert_int_equal(image_visit_records(open, dump_record, &nothing), ERR_BUSY);
    image_unref(&open);
    image_unref(&done);
}

static void transaction__drops_its_records_when_aborted(void **state)
{
    (void)state;
    struct image *before = sample();
    struct image_builder *builder = begin(before);
    assert_int_equal(marker(builder, BEGIN_TRANSACTION_RECORD_KEY), 0);
    assert_int_equal(topic(builder, "c", 3), 0);
    assert_int_equal(remove_topic(builder, 1), 0);
    assert_int_equal(marker(builder, ABORT_TRANSACTION_RECORD_KEY), 0);
    assert_int_equal(marker(builder, ABORT_TRANSACTION_RECORD_KEY), ERR_CORRUPT);
    struct image *after = finish(builder);
    assert_same_records(before, after);
    assert_ptr_equal(image_topic_by_id(before, uuid_of(1)), image_topic_by_id(after, uuid_of(1)));
    image_unref(&before);
    image_unref(&after);
}

/* Each allocation of a replay fails once; nothing leaks or is freed twice (sanitizers watch). */
/* One whose partition has no directories, as a cluster wrote them that was too old for that. */
static struct image *sample_without_directories(void)
{
    struct image_builder *builder = begin(NULL);
    int32_t replicas[] = {1};
    struct partition_record record;
    partition_record_default(&record);
    record.partition_id = 0;
    record.topic_id = uuid_of(1);
    record.replicas.items = record.isr.items = replicas;
    record.partition_id = 0;
    record.replicas.count = record.isr.count = 1;
    assert_int_equal(feature(builder, "metadata.version", 30), 0);
    assert_int_equal(topic(builder, "old", 1), 0);
    assert_int_equal(replay_as(builder, PARTITION_RECORD_KEY, 0, &partition_record_row, &record),
                     0);
    return finish(builder);
}

static void image__is_visited_through_every_failed_allocation(void **state)
{
    (void)state;
    struct image *image = sample_without_directories();
    int error = ERR_NOMEM;
    for (int64_t countdown = 1; error != 0; countdown++) {
        struct versions seen = {-1, -1, -1};
        mem_fail_after(countdown);
        error = image_visit_records(image, note_version, &seen);
        mem_fail_after(0);
        assert_true(error == 0 || error == ERR_NOMEM);
    }
    image_unref(&image);
}

static void builder__survives_every_failed_allocation(void **state)
{
    (void)state;
    struct image *image = sample();
    int error = ERR_NOMEM;
    for (int64_t countdown = 1; error != 0; countdown++) {
        struct image_builder *builder = NULL;
        mem_fail_after(countdown);
        error = image_builder_create(NULL, &builder);
        if (error == 0) {
            error = image_visit_records(image, replay_again, builder);
        }
        mem_fail_after(0);
        assert_true(error == 0 || error == ERR_NOMEM);
        image_builder_destroy(&builder);
    }
    image_unref(&image);
}

/* Every record cut short or with one byte changed is replayed or refused, never misread. */
struct fuzz {
    struct image *image;
};

static int replay_damaged(void *context, struct bytes_view record)
{
    struct fuzz *fuzz = context;
    for (size_t at = 0; at < record.size * 4; at++) {
        uint8_t *copy = mem_need(record.size);
        memcpy(copy, record.data, record.size);
        struct bytes_view damaged = {copy, record.size};
        if (at < record.size) {
            damaged.size = at;
        } else {
            copy[at % record.size] ^= (uint8_t)(at / record.size == 1 ? 0xff : at / record.size);
        }
        struct image_builder *builder = begin(fuzz->image);
        (void)image_builder_replay(builder, damaged, NULL);
        image_builder_destroy(&builder);
        mem_free(copy);
    }
    return 0;
}

static void builder__takes_damaged_records_without_harm(void **state)
{
    (void)state;
    struct fuzz fuzz = {sample()};
    assert_int_equal(image_visit_records(fuzz.image, replay_damaged, &fuzz), 0);
    image_unref(&fuzz.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image__answers_lookups_of_what_was_replayed),
        cmocka_unit_test(image__shares_unchanged_topics_and_keeps_the_older_image_as_it_was),
        cmocka_unit_test(image__is_made_again_by_its_records),
        cmocka_unit_test(image__writes_records_in_the_versions_of_its_metadata_version),
        cmocka_unit_test(partition_change__raises_epochs_and_sets_only_what_is_given),
        cmocka_unit_test(builder__refuses_numbers_that_cannot_be),
        cmocka_unit_test(clear_elr__empties_the_lists_and_leaves_other_topics_shared),
        cmocka_unit_test(config__of_null_value_deletes),
        cmocka_unit_test(settings__list_the_resources_of_one_type),
        cmocka_unit_test(remove_topic__takes_its_settings_along),
        cmocka_unit_test(broker__changes_need_the_registered_epoch),
        cmocka_unit_test(feature__of_level_zero_is_removed_and_kraft_version_ignored),
        cmocka_unit_test(kept__records_replace_and_remove_those_with_their_key),
        cmocka_unit_test(kept__records_younger_than_this_code_survive_a_snapshot),
        cmocka_unit_test(transaction__is_applied_at_its_end_across_builders),
        cmocka_unit_test(transaction__drops_its_records_when_aborted),
        cmocka_unit_test(image__is_visited_through_every_failed_allocation),
        cmocka_unit_test(builder__survives_every_failed_allocation),
        cmocka_unit_test(builder__takes_damaged_records_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
