#include "metadata/image_builder.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "metadata/image_topic.h"
#include "protocol/messages.h"

#define RECORD_ARENA_BYTES_MAX (64u << 20)

struct image_builder {
    struct image *image; /* nobody else has it yet */
    struct arena arena;  /* of the record in hand */
};

static int features_copy(struct image *to, const struct image *from)
{
    for (size_t i = 0; i < from->feature_count; i++) {
        int error = mem_grow((void **)&to->features, &to->feature_capacity, i + 1,
                             sizeof *to->features);
        char *name = error == 0 ? mem_strndup(from->features[i].name.data,
                                              from->features[i].name.size)
                                : NULL;
        if (name == NULL) {
            return ERR_NOMEM;
        }
        to->features[i] = (struct image_feature){{name, from->features[i].name.size},
                                                 from->features[i].level};
        to->feature_count = i + 1;
    }
    return 0;
}

static void objects_make_stale(struct image_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++) {
        if (objects->items[i]->fresh) {
            objects->items[i]->fresh = false;
        }
    }
}

int image_builder_create(const struct image *from, struct image_builder **created)
{
    struct image_builder *builder = mem_calloc(1, sizeof *builder);
    *created = builder;
    if (builder == NULL) {
        return ERR_NOMEM;
    }
    arena_init(&builder->arena, RECORD_ARENA_BYTES_MAX);
    struct image *image = builder->image = mem_calloc(1, sizeof *image);
    int error = image == NULL ? ERR_NOMEM : 0;
    if (error == 0) {
        atomic_init(&image->references, 1);
        image->offset = -1;
        image->epoch = -1;
    }
    if (error == 0 && from != NULL) {
        image->next_producer_id = from->next_producer_id;
        image->in_transaction = from->in_transaction;
        error = image_objects_copy(&image->topics_by_name, &from->topics_by_name, true);
        error = error == 0 ? image_objects_copy(&image->topics_by_id, &from->topics_by_id, false)
                           : error;
        error = error == 0 ? image_objects_copy(&image->brokers, &from->brokers, true) : error;
        error = error == 0 ? image_objects_copy(&image->settings, &from->settings, true) : error;
        error = error == 0 ? image_objects_copy(&image->kept, &from->kept, true) : error;
        error = error == 0 ? image_objects_copy(&image->staged, &from->staged, true) : error;
        error = error == 0 ? features_copy(image, from) : error;
    }
    if (error != 0) {
        image_builder_destroy(created);
    }
    return error;
}

void image_builder_destroy(struct image_builder **builder)
{
    if (*builder != NULL) {
        image_unref(&(*builder)->image);
        arena_release(&(*builder)->arena);
        mem_free(*builder);
        *builder = NULL;
    }
}

int image_builder_finish(struct image_builder **builder, int64_t offset, int32_t epoch,
                         int64_t timestamp_ms, struct image **finished)
{
    struct image *image = (*builder)->image;
    image->offset = offset;
    image->epoch = epoch;
    image->timestamp_ms = timestamp_ms;
    objects_make_stale(&image->topics_by_name);
    objects_make_stale(&image->brokers);
    objects_make_stale(&image->settings);
    *finished = image_ref(image);
    image_builder_destroy(builder);
    return 0;
}

/* The topic of that id, made fresh: 0, ERR_CORRUPT when there is none, or ERR_NOMEM. */
static int fresh_topic(struct image *image, struct uuid id, struct topic_object **fresh)
{
    bool found;
    size_t by_id = topics_id_position(&image->topics_by_id, id, &found);
    if (!found) {
        return ERR_CORRUPT;
    }
    struct topic_object *topic = (struct topic_object *)image->topics_by_id.items[by_id];
    if (topic->object.fresh) {
        *fresh = topic;
        return 0;
    }
    size_t by_name = topics_position(&image->topics_by_name, topic->topic.name, &found);
    ASSERT(found);
    struct topic_object *copy = topic_object_copy(topic);
    if (copy != NULL) {
        image->topics_by_id.items[by_id] = &copy->object;
        image->topics_by_name.items[by_name] = &copy->object;
        image_object_unref(&topic->object);
    }
    *fresh = copy;
    return copy != NULL ? 0 : ERR_NOMEM;
}

static int replay_topic(struct image *image, const struct topic_record *record)
{
    bool name_found;
    bool id_found;
    size_t by_name = topics_position(&image->topics_by_name, record->name, &name_found);
    size_t by_id = topics_id_position(&image->topics_by_id, record->topic_id, &id_found);
    if (name_found || id_found || record->name.size == 0) {
        return ERR_CORRUPT;
    }
    struct topic_object *topic = topic_object_create(record->name, record->topic_id);
    if (topic == NULL) {
        return ERR_NOMEM;
    }
    int error = image_objects_insert(&image->topics_by_name, by_name, &topic->object);
    if (error == 0) {
        error = image_objects_insert(&image->topics_by_id, by_id,
                                     image_object_ref(&topic->object));
        if (error == 0) {
            image_object_unref(&topic->object); /* held by name, borrowed by id */
        }
    }
    return error;
}

static void drop_settings(struct image *image, int8_t type, struct string_view name)
{
    bool found;
    size_t at = settings_position(&image->settings, type, name, &found);
    if (found) {
        image_object_unref(image->settings.items[at]);
        image_objects_remove(&image->settings, at);
    }
}

static int replay_remove_topic(struct image *image, const struct remove_topic_record *record)
{
    bool found;
    size_t by_id = topics_id_position(&image->topics_by_id, record->topic_id, &found);
    if (!found) {
        return ERR_CORRUPT;
    }
    struct topic_object *topic = (struct topic_object *)image->topics_by_id.items[by_id];
    drop_settings(image, 2, topic->topic.name);
    size_t by_name = topics_position(&image->topics_by_name, topic->topic.name, &found);
    ASSERT(found);
    image_objects_remove(&image->topics_by_id, by_id);
    image_objects_remove(&image->topics_by_name, by_name);
    image_object_unref(&topic->object);
    return 0;
}

#define IDS(list) ((struct image_ids){(list).count > 0 ? (list).count : 0, (list).items})

static int replay_partition(struct image *image, const struct partition_record *record)
{
    struct topic_object *topic;
    int error = fresh_topic(image, record->topic_id, &topic);
    if (error != 0) {
        return error;
    }
    if (record->replicas.count <= 0) {
        return ERR_CORRUPT;
    }
    struct image_partition partition = {
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .leader_recovery_state = record->leader_recovery_state,
        .replicas = IDS(record->replicas),
        .isr = IDS(record->isr),
        .adding = IDS(record->adding_replicas),
        .removing = IDS(record->removing_replicas),
        .eligible_leaders = IDS(record->eligible_leader_replicas),
        .last_known_eligible_leaders = IDS(record->last_known_elr),
        .directories = record->directories.items,
    };
    if (record->directories.count != record->replicas.count) {
        if (record->directories.count > 0) {
            return ERR_CORRUPT;
        }
        partition.directories = NULL;
    }
    return topic_object_set(topic, record->partition_id, &partition);
}

static int replay_partition_change(struct image *image,
                                   const struct partition_change_record *record)
{
    struct topic_object *topic;
    int error = fresh_topic(image, record->topic_id, &topic);
    if (error != 0) {
        return error;
    }
    if (record->partition_id < 0 || record->partition_id >= topic->topic.partition_count) {
        return ERR_CORRUPT;
    }
    struct image_partition next = topic->partitions[record->partition_id];
    if (record->replicas.count == 0 || next.partition_epoch == INT32_MAX ||
        (record->leader != -2 && next.leader_epoch == INT32_MAX)) {
        return ERR_CORRUPT;
    }
    if (record->isr.count >= 0) {
        next.isr = IDS(record->isr);
    }
    if (record->leader != -2) {
        next.leader = record->leader;
        next.leader_epoch++;
    }
    if (record->replicas.count >= 0) {
        if (next.replicas.count != record->replicas.count) {
            next.directories = NULL;
        }
        next.replicas = IDS(record->replicas);
    }
    if (record->adding_replicas.count >= 0) {
        next.adding = IDS(record->adding_replicas);
    }
    if (record->removing_replicas.count >= 0) {
        next.removing = IDS(record->removing_replicas);
    }
    if (record->leader_recovery_state >= 0) {
        next.leader_recovery_state = record->leader_recovery_state;
    }
    if (record->eligible_leader_replicas.count >= 0) {
        next.eligible_leaders = IDS(record->eligible_leader_replicas);
    }
    if (record->last_known_elr.count >= 0) {
        next.last_known_eligible_leaders = IDS(record->last_known_elr);
    }
    if (record->directories.count >= 0) {
        if (record->directories.count != next.replicas.count) {
            return ERR_CORRUPT;
        }
        next.directories = record->directories.items;
    }
    next.partition_epoch++;
    return topic_object_set(topic, record->partition_id, &next);
}

static void broker_object_destroy(struct image_object *object)
{
    struct broker_object *broker = (struct broker_object *)object;
    mem_free((uint8_t *)broker->record.data);
    mem_free(broker->text);
    mem_free(broker->endpoints);
    mem_free(broker->directories);
    mem_free(broker->cordoned);
    mem_free(broker);
}

static struct string_view text_copy(uint8_t **cursor, struct string_view text)
{
    if (text.data == NULL) {
        return text;
    }
    uint8_t *place = *cursor;
    memcpy(place, text.data, text.size);
    place[text.size] = 0;
    *cursor += text.size + 1;
    return (struct string_view){(const char *)place, text.size};
}

/* Builds a broker out of its record; body is kept for what the image has no field for. */
static struct broker_object *broker_object_create(const struct register_broker_record *record,
                                                  struct bytes_view whole)
{
    struct broker_object *broker = mem_calloc(1, sizeof *broker);
    if (broker == NULL) {
        return NULL;
    }
    size_t count = record->end_points.count > 0 ? (size_t)record->end_points.count : 0;
    size_t directories = record->log_dirs.count > 0 ? (size_t)record->log_dirs.count : 0;
    size_t cordoned = record->cordoned_log_dirs.count > 0
                          ? (size_t)record->cordoned_log_dirs.count
                          : 0;
    size_t text_size = record->rack.size + 1;
    for (size_t i = 0; i < count; i++) {
        text_size += record->end_points.items[i].name.size + 1;
        text_size += record->end_points.items[i].host.size + 1;
    }
    atomic_init(&broker->object.references, 1);
    broker->object.fresh = true;
    broker->object.destroy = broker_object_destroy;
    broker->text = mem_alloc(text_size);
    broker->endpoints = mem_calloc(count + 1, sizeof *broker->endpoints);
    broker->directories = mem_calloc(directories + 1, sizeof *broker->directories);
    broker->cordoned = mem_calloc(cordoned + 1, sizeof *broker->cordoned);
    uint8_t *copy = mem_alloc(whole.size + 1);
    broker->record = (struct bytes_view){copy, whole.size};
    if (broker->text == NULL || broker->endpoints == NULL || broker->directories == NULL ||
        broker->cordoned == NULL || copy == NULL) {
        broker_object_destroy(&broker->object);
        return NULL;
    }
    memcpy(copy, whole.data, whole.size);
    uint8_t *cursor = broker->text;
    for (size_t i = 0; i < count; i++) {
        const struct register_broker_record_broker_endpoint *endpoint =
            &record->end_points.items[i];
        broker->endpoints[i] = (struct image_endpoint){
            text_copy(&cursor, endpoint->name), text_copy(&cursor, endpoint->host),
            endpoint->port, endpoint->security_protocol};
    }
    for (size_t i = 0; i < directories; i++) {
        broker->directories[i] = record->log_dirs.items[i];
    }
    for (size_t i = 0; i < cordoned; i++) {
        broker->cordoned[i] = record->cordoned_log_dirs.items[i];
    }
    broker->broker = (struct image_broker){
        .id = record->broker_id,
        .epoch = record->broker_epoch,
        .incarnation_id = record->incarnation_id,
        .rack = text_copy(&cursor, record->rack),
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .endpoint_count = (int32_t)count,
        .endpoints = broker->endpoints,
        .directory_count = (int32_t)directories,
        .directories = broker->directories,
        .cordoned_count = record->cordoned_log_dirs.count < 0 ? -1 : (int32_t)cordoned,
        .cordoned = broker->cordoned,
    };
    return broker;
}

static int put_broker(struct image *image, struct broker_object *broker)
{
    if (broker == NULL) {
        return ERR_NOMEM;
    }
    bool found;
    size_t at = brokers_position(&image->brokers, broker->broker.id, &found);
    if (found) {
        image_object_unref(image->brokers.items[at]);
        image->brokers.items[at] = &broker->object;
        return 0;
    }
    return image_objects_insert(&image->brokers, at, &broker->object);
}

static int replay_unregister_broker(struct image *image,
                                    const struct unregister_broker_record *record)
{
    bool found;
    size_t at = brokers_position(&image->brokers, record->broker_id, &found);
    if (!found) {
        return ERR_CORRUPT;
    }
    image_object_unref(image->brokers.items[at]);
    image_objects_remove(&image->brokers, at);
    return 0;
}

/* Rebuilds the registration with what changed; the whole record is decoded anew for that. */
static int change_broker(struct image_builder *builder, int32_t id, int64_t epoch,
                         const struct broker_registration_change_record *change)
{
    bool found;
    size_t at = brokers_position(&builder->image->brokers, id, &found);
    if (!found) {
        return ERR_CORRUPT;
    }
    const struct broker_object *known =
        (const struct broker_object *)builder->image->brokers.items[at];
    if (known->broker.epoch != epoch) {
        return ERR_CORRUPT;
    }
    struct reader reader;
    struct register_broker_record record;
    int16_t api_key;
    int16_t version;
    reader_init(&reader, known->record.data, known->record.size);
    int error = metadata_record_decode(&reader, &api_key, &version);
    if (error == 0) {
        error = register_broker_record_decode(&reader, version, &builder->arena, &record);
    }
    if (error != 0) {
        return error;
    }
    record.fenced = change->fenced == 0 ? known->broker.fenced : change->fenced > 0;
    record.in_controlled_shutdown =
        known->broker.in_controlled_shutdown || change->in_controlled_shutdown > 0;
    record.log_dirs.items = known->directories;
    record.log_dirs.count = known->broker.directory_count;
    if (change->log_dirs.count > 0) {
        record.log_dirs.items = change->log_dirs.items;
        record.log_dirs.count = change->log_dirs.count;
    }
    record.cordoned_log_dirs.items = known->cordoned;
    record.cordoned_log_dirs.count = known->broker.cordoned_count;
    if (change->cordoned_log_dirs.count >= 0) {
        record.cordoned_log_dirs.items = change->cordoned_log_dirs.items;
        record.cordoned_log_dirs.count = change->cordoned_log_dirs.count;
    }
    return put_broker(builder->image, broker_object_create(&record, known->record));
}

static void settings_object_destroy(struct image_object *object)
{
    struct settings_object *settings = (struct settings_object *)object;
    for (int32_t i = 0; i < settings->count; i++) {
        mem_free((char *)settings->items[i].name.data);
        mem_free((char *)settings->items[i].value.data);
    }
    mem_free(settings->items);
    mem_free((char *)settings->resource_name.data);
    mem_free(settings);
}

static struct string_view owned_text(struct string_view text)
{
    return (struct string_view){mem_strndup(text.data, text.size), text.size};
}

/* A fresh copy of a resource's settings with one of them set, or with a null value taken out. */
static struct settings_object *settings_with(const struct settings_object *from,
                                             const struct config_record *record)
{
    struct settings_object *settings = mem_calloc(1, sizeof *settings);
    int32_t known = from == NULL ? 0 : from->count;
    if (settings == NULL) {
        return NULL;
    }
    atomic_init(&settings->object.references, 1);
    settings->object.destroy = settings_object_destroy;
    settings->resource_type = record->resource_type;
    settings->resource_name = owned_text(record->resource_name);
    settings->items = mem_calloc((size_t)known + 1, sizeof *settings->items);
    bool failed = settings->resource_name.data == NULL || settings->items == NULL;
    bool placed = record->value.data == NULL;
    for (int32_t i = 0; !failed && i <= known; i++) {
        const struct image_setting *item = i < known ? &from->items[i] : NULL;
        int order = item == NULL ? 1 : string_view_compare(item->name, record->name);
        if (!placed && order >= 0) {
            settings->items[settings->count++] =
                (struct image_setting){owned_text(record->name), owned_text(record->value)};
            placed = true;
        }
        if (item != NULL && order != 0) {
            settings->items[settings->count++] =
                (struct image_setting){owned_text(item->name), owned_text(item->value)};
        }
    }
    for (int32_t i = 0; i < settings->count; i++) {
        failed |= settings->items[i].name.data == NULL || settings->items[i].value.data == NULL;
    }
    if (failed) {
        settings_object_destroy(&settings->object);
        return NULL;
    }
    return settings;
}

static int replay_config(struct image *image, const struct config_record *record)
{
    bool found;
    size_t at = settings_position(&image->settings, record->resource_type, record->resource_name,
                                  &found);
    struct settings_object *known =
        found ? (struct settings_object *)image->settings.items[at] : NULL;
    struct settings_object *next = settings_with(known, record);
    if (next == NULL) {
        return ERR_NOMEM;
    }
    if (found) {
        image_object_unref(&known->object);
        if (next->count > 0) {
            image->settings.items[at] = &next->object;
        } else {
            image_objects_remove(&image->settings, at);
        }
    } else if (next->count > 0) {
        return image_objects_insert(&image->settings, at, &next->object);
    }
    if (next->count == 0) {
        image_object_unref(&next->object);
    }
    return 0;
}

static int replay_feature(struct image *image, const struct feature_level_record *record)
{
    if (string_view_is(record->name, "kraft.version")) {
        return 0; /* some releases wrote it by mistake; it lives in control records */
    }
    size_t at = 0;
    while (at < image->feature_count &&
           string_view_compare(image->features[at].name, record->name) < 0) {
        at++;
    }
    bool found = at < image->feature_count &&
                 string_view_equal(image->features[at].name, record->name);
    if (found && record->feature_level > 0) {
        image->features[at].level = record->feature_level;
        return 0;
    }
    if (found) {
        mem_free((char *)image->features[at].name.data);
        image->feature_count--;
        memmove(&image->features[at], &image->features[at + 1],
                (image->feature_count - at) * sizeof *image->features);
        return 0;
    }
    if (record->feature_level <= 0) {
        return 0;
    }
    struct string_view name = owned_text(record->name);
    if (name.data == NULL || mem_grow((void **)&image->features, &image->feature_capacity,
                                      image->feature_count + 1, sizeof *image->features) != 0) {
        mem_free((char *)name.data);
        return ERR_NOMEM;
    }
    memmove(&image->features[at + 1], &image->features[at],
            (image->feature_count - at) * sizeof *image->features);
    image->features[at] = (struct image_feature){name, record->feature_level};
    image->feature_count++;
    return 0;
}

static bool has_eligible(const struct image_partition *partition)
{
    return partition->eligible_leaders.count > 0 ||
           partition->last_known_eligible_leaders.count > 0;
}

static bool any_has_eligible(const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (has_eligible(&topic->partitions[i])) {
            return true;
        }
    }
    return false;
}

/* A change of the partition as any other: its epoch rises. */
static int clear_topic_eligible(struct image *image, struct uuid id)
{
    struct topic_object *topic;
    int error = fresh_topic(image, id, &topic);
    for (int32_t i = 0; error == 0 && i < topic->topic.partition_count; i++) {
        struct image_partition next = topic->partitions[i];
        if (has_eligible(&next)) {
            if (next.partition_epoch == INT32_MAX) {
                return ERR_CORRUPT;
            }
            next.eligible_leaders.count = 0;
            next.last_known_eligible_leaders.count = 0;
            next.partition_epoch++;
            error = topic_object_set(topic, i, &next);
        }
    }
    return error;
}

static int replay_clear_elr(struct image *image, const struct clear_elr_record *record)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < image->topics_by_name.count; i++) {
        const struct topic_object *topic =
            (const struct topic_object *)image->topics_by_name.items[i];
        bool meant = record->topic_name.size == 0 ||
                     string_view_equal(topic->topic.name, record->topic_name);
        if (meant && any_has_eligible(&topic->topic)) {
            error = clear_topic_eligible(image, topic->topic.id);
        }
    }
    return error;
}

static void kept_object_destroy(struct image_object *object)
{
    struct kept_object *kept = (struct kept_object *)object;
    mem_free((uint8_t *)kept->record.data);
    mem_free(kept->key_bytes);
    mem_free(kept);
}

static struct kept_object *kept_object_create(int16_t api_key, struct bytes_view key,
                                              struct bytes_view record)
{
    struct kept_object *kept = mem_calloc(1, sizeof *kept);
    if (kept == NULL) {
        return NULL;
    }
    atomic_init(&kept->object.references, 1);
    kept->object.destroy = kept_object_destroy;
    kept->api_key = api_key;
    uint8_t *copy = mem_alloc(record.size + 1);
    kept->key_bytes = mem_alloc(key.size + 1);
    kept->record = (struct bytes_view){copy, record.size};
    kept->key = (struct bytes_view){kept->key_bytes, key.size};
    if (copy == NULL || kept->key_bytes == NULL) {
        kept_object_destroy(&kept->object);
        return NULL;
    }
    memcpy(copy, record.data, record.size);
    memcpy(kept->key_bytes, key.data, key.size);
    return kept;
}

/* Takes out the record of that kind and key, and with keep set puts this one in. */
static int keep(struct image *image, int16_t api_key, struct bytes_view key,
                struct bytes_view record, bool keeps)
{
    for (size_t i = 0; i < image->kept.count; i++) {
        const struct kept_object *known = (const struct kept_object *)image->kept.items[i];
        if (known->api_key == api_key && known->key.size == key.size &&
            memcmp(known->key.data, key.data, key.size) == 0) {
            image_object_unref(image->kept.items[i]);
            image_objects_remove(&image->kept, i);
            break;
        }
    }
    if (!keeps) {
        return 0;
    }
    struct kept_object *kept = kept_object_create(api_key, key, record);
    return kept == NULL ? ERR_NOMEM
                        : image_objects_insert(&image->kept, image->kept.count, &kept->object);
}

static struct bytes_view string_bytes(struct string_view text)
{
    return (struct bytes_view){(const uint8_t *)(text.data == NULL ? "" : text.data), text.size};
}

static int entity_order(const void *a, const void *b)
{
    const struct client_quota_record_entity_data *left = a;
    const struct client_quota_record_entity_data *right = b;
    return string_view_compare(left->entity_type, right->entity_type);
}

/* A quota is about an entity, whose parts come in any order, and a key: its body but the value. */
static int replay_client_quota(struct image_builder *builder, const struct reader *body,
                               struct bytes_view record)
{
    struct reader reader = *body;
    struct client_quota_record quota;
    int error = client_quota_record_decode(&reader, 0, &builder->arena, &quota);
    if (error != 0) {
        return error;
    }
    struct writer key;
    struct client_quota_record about = quota;
    if (about.entity.count > 1) {
        qsort(about.entity.items, (size_t)about.entity.count, sizeof *about.entity.items,
              entity_order);
    }
    about.value = 0;
    about.remove = false;
    writer_init(&key, 1 << 20);
    error = client_quota_record_encode(&key, 0, &about);
    if (error == 0) {
        error = keep(builder->image, CLIENT_QUOTA_RECORD_KEY,
                     (struct bytes_view){key.data, key.size}, record, !quota.remove);
    }
    writer_release(&key);
    return error;
}

static int replay_scram(struct image_builder *builder, struct string_view name, int8_t mechanism,
                        struct bytes_view record, bool keeps)
{
    struct string_view key = arena_format(&builder->arena, "%d %.*s", mechanism, (int)name.size,
                                          name.data);
    return key.data == NULL ? ERR_NOMEM
                            : keep(builder->image, USER_SCRAM_CREDENTIAL_RECORD_KEY,
                                   string_bytes(key), record, keeps);
}

static int keep_unknown(struct image *image, int16_t api_key, struct bytes_view record)
{
    struct kept_object *kept =
        kept_object_create(api_key, (struct bytes_view){(const uint8_t *)"", 0}, record);
    return kept == NULL ? ERR_NOMEM
                        : image_objects_insert(&image->kept, image->kept.count, &kept->object);
}

/* Kinds that are kept as they are. */
static int replay_kept(struct image_builder *builder, int16_t api_key, int16_t version,
                       const struct reader *body, struct bytes_view record)
{
    struct reader reader = *body;
    struct arena *arena = &builder->arena;
    union {
        struct access_control_entry_record acl;
        struct remove_access_control_entry_record remove_acl;
        struct user_scram_credential_record scram;
        struct remove_user_scram_credential_record remove_scram;
        struct delegation_token_record token;
        struct remove_delegation_token_record remove_token;
        struct register_controller_record controller;
    } m;
    int error = 0;
    switch (api_key) {
    case CLIENT_QUOTA_RECORD_KEY:
        return replay_client_quota(builder, body, record);
    case ACCESS_CONTROL_ENTRY_RECORD_KEY:
        error = access_control_entry_record_decode(&reader, version, arena, &m.acl);
        return error != 0 ? error
                          : keep(builder->image, ACCESS_CONTROL_ENTRY_RECORD_KEY,
                                 (struct bytes_view){m.acl.id.bytes, 16}, record, true);
    case REMOVE_ACCESS_CONTROL_ENTRY_RECORD_KEY:
        error = remove_access_control_entry_record_decode(&reader, version, arena, &m.remove_acl);
        return error != 0 ? error
                          : keep(builder->image, ACCESS_CONTROL_ENTRY_RECORD_KEY,
                                 (struct bytes_view){m.remove_acl.id.bytes, 16}, record, false);
    case USER_SCRAM_CREDENTIAL_RECORD_KEY:
        error = user_scram_credential_record_decode(&reader, version, arena, &m.scram);
        return error != 0 ? error
                          : replay_scram(builder, m.scram.name, m.scram.mechanism, record, true);
    case REMOVE_USER_SCRAM_CREDENTIAL_RECORD_KEY:
        error = remove_user_scram_credential_record_decode(&reader, version, arena,
                                                           &m.remove_scram);
        return error != 0 ? error
                          : replay_scram(builder, m.remove_scram.name, m.remove_scram.mechanism,
                                         record, false);
    case DELEGATION_TOKEN_RECORD_KEY:
        error = delegation_token_record_decode(&reader, version, arena, &m.token);
        return error != 0 ? error
                          : keep(builder->image, DELEGATION_TOKEN_RECORD_KEY,
                                 string_bytes(m.token.token_id), record, true);
    case REMOVE_DELEGATION_TOKEN_RECORD_KEY:
        error = remove_delegation_token_record_decode(&reader, version, arena, &m.remove_token);
        return error != 0 ? error
                          : keep(builder->image, DELEGATION_TOKEN_RECORD_KEY,
                                 string_bytes(m.remove_token.token_id), record, false);
    case REGISTER_CONTROLLER_RECORD_KEY:
        error = register_controller_record_decode(&reader, version, arena, &m.controller);
        return error != 0 ? error
                          : keep(builder->image, REGISTER_CONTROLLER_RECORD_KEY,
                                 (struct bytes_view){(uint8_t *)&m.controller.controller_id, 4},
                                 record, true);
    case NO_OP_RECORD_KEY:
    case ZK_MIGRATION_STATE_RECORD_KEY:
        return 0;
    default:
        return keep_unknown(builder->image, api_key, record);
    }
}

#define DECODE(name) name##_record_decode(&reader, version, arena, &m.name)

/* Records about brokers: 1 for any other kind. */
static int replay_broker_record(struct image_builder *builder, int16_t api_key, int16_t version,
                                struct reader reader, struct bytes_view record)
{
    struct image *image = builder->image;
    struct arena *arena = &builder->arena;
    struct broker_registration_change_record fence = {.fenced = 1};
    fence.cordoned_log_dirs.count = -1;
    union {
        struct register_broker_record register_broker;
        struct unregister_broker_record unregister_broker;
        struct broker_registration_change_record broker_registration_change;
        struct fence_broker_record fence_broker;
        struct unfence_broker_record unfence_broker;
    } m;
    int error;
    switch (api_key) {
    case REGISTER_BROKER_RECORD_KEY:
        error = DECODE(register_broker);
        return error ? error
                     : put_broker(image, broker_object_create(&m.register_broker, record));
    case UNREGISTER_BROKER_RECORD_KEY:
        error = DECODE(unregister_broker);
        return error ? error : replay_unregister_broker(image, &m.unregister_broker);
    case BROKER_REGISTRATION_CHANGE_RECORD_KEY:
        error = DECODE(broker_registration_change);
        return error ? error
                     : change_broker(builder, m.broker_registration_change.broker_id,
                                     m.broker_registration_change.broker_epoch,
                                     &m.broker_registration_change);
    case FENCE_BROKER_RECORD_KEY:
        error = DECODE(fence_broker);
        return error ? error
                     : change_broker(builder, m.fence_broker.id, m.fence_broker.epoch, &fence);
    case UNFENCE_BROKER_RECORD_KEY:
        fence.fenced = -1;
        error = DECODE(unfence_broker);
        return error ? error
                     : change_broker(builder, m.unfence_broker.id, m.unfence_broker.epoch, &fence);
    default:
        return 1;
    }
}

static int replay_record(struct image_builder *builder, int16_t api_key, int16_t version,
                         struct reader reader, struct bytes_view record)
{
    struct image *image = builder->image;
    struct arena *arena = &builder->arena;
    const struct reader body = reader;
    union {
        struct topic_record topic;
        struct partition_record partition;
        struct partition_change_record partition_change;
        struct remove_topic_record remove_topic;
        struct config_record config;
        struct feature_level_record feature_level;
        struct producer_ids_record producer_ids;
        struct clear_elr_record clear_elr;
    } m;
    int error = replay_broker_record(builder, api_key, version, reader, record);
    if (error <= 0) {
        return error;
    }
    switch (api_key) {
    case TOPIC_RECORD_KEY:
        error = DECODE(topic);
        return error ? error : replay_topic(image, &m.topic);
    case PARTITION_RECORD_KEY:
        error = DECODE(partition);
        return error ? error : replay_partition(image, &m.partition);
    case PARTITION_CHANGE_RECORD_KEY:
        error = DECODE(partition_change);
        return error ? error : replay_partition_change(image, &m.partition_change);
    case REMOVE_TOPIC_RECORD_KEY:
        error = DECODE(remove_topic);
        return error ? error : replay_remove_topic(image, &m.remove_topic);
    case CONFIG_RECORD_KEY:
        error = DECODE(config);
        return error ? error : replay_config(image, &m.config);
    case FEATURE_LEVEL_RECORD_KEY:
        error = DECODE(feature_level);
        return error ? error : replay_feature(image, &m.feature_level);
    case PRODUCER_IDS_RECORD_KEY:
        error = DECODE(producer_ids);
        if (error == 0 && m.producer_ids.next_producer_id < 0) {
            return ERR_CORRUPT;
        }
        image->next_producer_id = error ? image->next_producer_id : m.producer_ids.next_producer_id;
        return error;
    case CLEAR_ELR_RECORD_KEY:
        error = DECODE(clear_elr);
        return error ? error : replay_clear_elr(image, &m.clear_elr);
    default:
        return replay_kept(builder, api_key, version, &body, record);
    }
}

static int replay_staged(struct image_builder *builder)
{
    struct image_objects staged = builder->image->staged;
    builder->image->staged = (struct image_objects){0};
    int error = 0;
    for (size_t i = 0; error == 0 && i < staged.count; i++) {
        error = image_builder_replay(builder,
                                     ((const struct kept_object *)staged.items[i])->record, NULL);
    }
    image_objects_release(&staged, true);
    return error;
}

/* Begin, end and abort of a metadata transaction (KIP-868), and what lies between: 1 when the
 * record is dealt with. */
static int replay_transaction(struct image_builder *builder, int16_t api_key,
                              struct bytes_view record)
{
    struct image *image = builder->image;
    struct kept_object *kept;
    int error;
    switch (api_key) {
    case BEGIN_TRANSACTION_RECORD_KEY:
        if (image->in_transaction) {
            return ERR_CORRUPT;
        }
        image->in_transaction = true;
        return 1;
    case END_TRANSACTION_RECORD_KEY:
    case ABORT_TRANSACTION_RECORD_KEY:
        if (!image->in_transaction) {
            return ERR_CORRUPT;
        }
        image->in_transaction = false;
        if (api_key == ABORT_TRANSACTION_RECORD_KEY) {
            image_objects_release(&image->staged, true);
            return 1;
        }
        error = replay_staged(builder);
        return error == 0 ? 1 : error == ERR_NOMEM ? ERR_NOMEM : ERR_CORRUPT;
    default:
        if (!image->in_transaction) {
            return 0;
        }
        kept = kept_object_create(api_key, (struct bytes_view){(const uint8_t *)"", 0}, record);
        if (kept == NULL ||
            image_objects_insert(&image->staged, image->staged.count, &kept->object) != 0) {
            return ERR_NOMEM;
        }
        return 1;
    }
}

int image_builder_replay(struct image_builder *builder, struct bytes_view record,
                         struct err_message *message)
{
    struct reader reader;
    int16_t api_key;
    int16_t version;
    reader_init(&reader, record.data, record.size);
    int error = metadata_record_decode(&reader, &api_key, &version);
    if (error == 0) {
        error = replay_transaction(builder, api_key, record);
        if (error == 1) {
            return 0;
        }
    }
    if (error == 0) {
        arena_reset(&builder->arena);
        error = replay_record(builder, api_key, version, reader, record);
    }
    return error == 0 ? 0
                      : err_set(message, error, "cannot replay metadata record %d version %d: %s",
                                api_key, version, err_text(error));
}
