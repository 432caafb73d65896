/* fake_broker.h: a broker and an image of a few lines for tests of handlers: it stands in for
 * dispatch.c and for metadata/. The last response is kept as the JSON text of its version, and what
 * was forwarded likewise. One test program includes it once. */
#ifndef BNB_TEST_FAKE_BROKER_H
#define BNB_TEST_FAKE_BROKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/config.h"
#include "broker/dispatch.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "protocol/messages.h"

struct fake_settings {
    int8_t type;
    const char *name;
    struct image_setting items[12];
    int32_t count;
};
struct image {
    struct image_topic topics[8];
    size_t topic_count;
    struct image_broker brokers[4];
    size_t broker_count;
    struct fake_settings settings[8];
    size_t settings_count;
};
struct fake {
    struct image image;
    struct config *config;
    char *response;  /* JSON; NULL: none yet */
    bool closed;
    char *forwarded; /* JSON of the request */
    int16_t forwarded_key;
    int16_t forward_error;
    const void *forward_response;
};
static struct fake fake;

static const struct codec_struct *fake_response_row(int16_t key)
{
    switch (key) {
#define FAKE_ROW(upper, lower) \
    case upper##_REQUEST_KEY: \
        return &lower##_response_row;
        FAKE_ROW(METADATA, metadata)
        FAKE_ROW(DESCRIBE_CONFIGS, describe_configs)
        FAKE_ROW(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs)
        FAKE_ROW(ALTER_CONFIGS, alter_configs)
        FAKE_ROW(DESCRIBE_CLUSTER, describe_cluster)
        FAKE_ROW(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions)
        FAKE_ROW(FIND_COORDINATOR, find_coordinator)
        FAKE_ROW(CREATE_TOPICS, create_topics)
        FAKE_ROW(DELETE_TOPICS, delete_topics)
        FAKE_ROW(CREATE_PARTITIONS, create_partitions)
        FAKE_ROW(ELECT_LEADERS, elect_leaders)
        FAKE_ROW(UPDATE_FEATURES, update_features)
        FAKE_ROW(DESCRIBE_QUORUM, describe_quorum)
        FAKE_ROW(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments)
        FAKE_ROW(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments)
        FAKE_ROW(UNREGISTER_BROKER, unregister_broker)
        FAKE_ROW(ALLOCATE_PRODUCER_IDS, allocate_producer_ids)
#undef FAKE_ROW
    }
    return NULL;
}

static const struct codec_struct *fake_request_row(int16_t key)
{
    switch (key) {
    case CREATE_TOPICS_REQUEST_KEY:
        return &create_topics_request_row;
    case INCREMENTAL_ALTER_CONFIGS_REQUEST_KEY:
        return &incremental_alter_configs_request_row;
    case ALTER_CONFIGS_REQUEST_KEY:
        return &alter_configs_request_row;
    case DELETE_TOPICS_REQUEST_KEY:
        return &delete_topics_request_row;
    }
    return NULL;
}

static char *fake_print(const struct codec_struct *row, int16_t version, const void *message)
{
    struct writer text;
    size_t size = 0;
    writer_init(&text, 1 << 24);
    codec_print(row, &text, version, message);
    writer_i8(&text, 0);
    assert_false(text.failed);
    char *copy = malloc(text.size);
    memcpy(copy, text.data, text.size);
    size = text.size;
    assert_int_equal(copy[size - 1], 0);
    writer_release(&text);
    return copy;
}

void broker_respond(struct broker_request *request, const void *response)
{
    const struct codec_struct *row = fake_response_row(request->header.request_api_key);
    int16_t version = request->header.request_api_version;
    struct writer writer;
    assert_non_null(row);
    assert_null(fake.response);
    writer_init(&writer, 1 << 24);
    assert_int_equal(codec_encode(row, &writer, version, response), 0);
    writer_release(&writer);
    fake.response = fake_print(row, version, response);
    arena_release(&request->arena);
}
void broker_respond_close(struct broker_request *request)
{
    fake.closed = true;
    arena_release(&request->arena);
}
void broker_drop(struct broker_request *request)
{
    broker_respond_close(request);
}
const struct image *broker_image(const struct broker_request *request)
{
    (void)request;
    return &fake.image;
}
const struct config *broker_config(const struct broker_request *request)
{
    (void)request;
    return fake.config;
}
struct string_view broker_cluster_id(const struct broker_request *request)
{
    (void)request;
    return string_view_of("cluster");
}
int32_t broker_node_id(const struct broker_request *request)
{
    (void)request;
    return 1;
}
int32_t broker_controller_id(const struct broker_request *request)
{
    (void)request;
    return 1;
}
int64_t broker_epoch(const struct broker_request *request)
{
    (void)request;
    return 5;
}
void broker_forward(struct broker_request *request, int16_t api_key, int16_t api_version,
                    const void *forwarded,
                    void (*done)(struct broker_request *request, void *context, int16_t error,
                                 const void *response),
                    void *context)
{
    const struct codec_struct *row = fake_request_row(api_key);
    fake.forwarded_key = api_key;
    if (row != NULL) {
        fake.forwarded = fake_print(row, api_version, forwarded);
    }
    done(request, context, fake.forward_error, fake.forward_response);
}

size_t image_topic_count(const struct image *image)
{
    return image->topic_count;
}
const struct image_topic *image_topic_at(const struct image *image, size_t index)
{
    return &image->topics[index];
}
const struct image_topic *image_topic_by_name(const struct image *image, struct string_view name)
{
    for (size_t i = 0; i < image->topic_count; i++) {
        if (string_view_equal(image->topics[i].name, name)) {
            return &image->topics[i];
        }
    }
    return NULL;
}
const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    for (size_t i = 0; i < image->topic_count; i++) {
        if (uuid_equal(image->topics[i].id, id)) {
            return &image->topics[i];
        }
    }
    return NULL;
}
size_t image_broker_count(const struct image *image)
{
    return image->broker_count;
}
const struct image_broker *image_broker_at(const struct image *image, size_t index)
{
    return &image->brokers[index];
}
const struct image_broker *image_broker_by_id(const struct image *image, int32_t id)
{
    for (size_t i = 0; i < image->broker_count; i++) {
        if (image->brokers[i].id == id) {
            return &image->brokers[i];
        }
    }
    return NULL;
}
struct image_settings image_settings(const struct image *image, int8_t resource_type,
                                     struct string_view resource_name)
{
    for (size_t i = 0; i < image->settings_count; i++) {
        if (image->settings[i].type == resource_type &&
            string_view_is(resource_name, image->settings[i].name)) {
            return (struct image_settings){image->settings[i].count, image->settings[i].items};
        }
    }
    return (struct image_settings){0, NULL};
}
bool image_setting(const struct image *image, int8_t resource_type,
                   struct string_view resource_name, struct string_view name,
                   struct string_view *value)
{
    struct image_settings settings = image_settings(image, resource_type, resource_name);
    for (int32_t i = 0; i < settings.count; i++) {
        if (string_view_equal(settings.items[i].name, name)) {
            *value = settings.items[i].value;
            return true;
        }
    }
    return false;
}

static inline void fake_set(int8_t type, const char *resource, const char *name, const char *value)
{
    struct fake_settings *settings = NULL;
    for (size_t i = 0; i < fake.image.settings_count; i++) {
        if (fake.image.settings[i].type == type &&
            strcmp(fake.image.settings[i].name, resource) == 0) {
            settings = &fake.image.settings[i];
        }
    }
    if (settings == NULL) {
        settings = &fake.image.settings[fake.image.settings_count++];
        *settings = (struct fake_settings){.type = type, .name = resource};
    }
    settings->items[settings->count++] = (struct image_setting){string_view_of(name),
                                                                string_view_of(value)};
}

/* Handles message in a version on the listener of index 0. */
static inline void fake_handle(void (*handler)(struct broker_request *request), int16_t key,
                        int16_t version, const void *message)
{
    const struct dispatch_row row = {.api_key = key, .response = fake_response_row(key)};
    struct broker_request request = {.message = message, .row = &row};
    request.header.request_api_key = key;
    request.header.request_api_version = version;
    free(fake.response);
    free(fake.forwarded);
    fake.response = NULL;
    fake.forwarded = NULL;
    fake.forwarded_key = -1;
    fake.closed = false;
    arena_init(&request.arena, 64 << 20);
    handler(&request);
    assert_true(fake.closed || fake.response != NULL);
}

#endif
