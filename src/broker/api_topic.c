#include <stdlib.h>

#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_create.h"

/* What is checked here is what Apache Kafka's ControllerApis checks before the controller sees the
 * request: names that come twice, internal topics, whether topics may be deleted. Such topics are
 * answered here, the others forwarded, and the two answers put together. */

static const char duplicate_name[] = "Duplicate topic name.";
static const char metadata_topic[] = "__cluster_metadata";

static struct string_view no_text(void)
{
    return (struct string_view){NULL, 0};
}

static int name_compare(const void *left, const void *right)
{
    const struct string_view *a = left;
    const struct string_view *b = right;
    return string_view_compare(*a, *b);
}

/* Names are in order, so equal ones are neighbours. */
static bool comes_twice(const struct string_view *sorted, size_t count, struct string_view name)
{
    const struct string_view *found = bsearch(&name, sorted, count, sizeof(name), name_compare);
    return found != NULL &&
           ((found > sorted && name_compare(found - 1, &name) == 0) ||
            (found + 1 < sorted + count && name_compare(found + 1, &name) == 0));
}

/* What is answered here when nothing is left for the controller, and what is asked of it else. */
struct rest {
    const void *own;
    const void *forwarded;
    void (*done)(struct broker_request *request, void *context, int16_t error,
                 const void *answer);
};

static void forward_rest(struct broker_request *request, int32_t count, void *work,
                         struct rest rest)
{
    if (count == 0) {
        broker_respond(request, rest.own);
    } else {
        broker_forward(request, request->header.request_api_key,
                       request->header.request_api_version, rest.forwarded, rest.done, work);
    }
}

/* Whether sorted[index] is the second of its name. */
static bool is_second(const struct string_view *sorted, size_t index)
{
    return name_compare(&sorted[index], &sorted[index - 1]) == 0 &&
           (index < 2 || name_compare(&sorted[index - 1], &sorted[index - 2]) != 0);
}

/* CreateTopics. */
struct create_work {
    struct create_topics_request forwarded;
    struct create_topics_response own; /* what is answered here; room for what comes back */
};

static void create_add(struct create_work *work, struct string_view name, int16_t error,
                       struct string_view text)
{
    struct create_topics_response_creatable_topic_result *result =
        &work->own.topics.items[work->own.topics.count++];
    *result = (struct create_topics_response_creatable_topic_result){
        .name = name,
        .error_code = error,
        .error_message = text,
        .num_partitions = -1,
        .replication_factor = -1,
    };
}

/* Since version 5 a topic that was made, or could be, comes with all of its settings. */
static void create_describe(struct broker_request *request, const struct create_work *work,
                            struct create_topics_response_creatable_topic_result *result)
{
    for (int32_t i = 0; i < work->forwarded.topics.count; i++) {
        const struct create_topics_request_creatable_topic *asked =
            &work->forwarded.topics.items[i];
        if (string_view_equal(asked->name, result->name)) {
            describe_new_topic(request, asked, result);
            return;
        }
    }
}

static void create_done(struct broker_request *request, void *context, int16_t error,
                        const void *answer)
{
    struct create_work *work = context;
    const struct create_topics_response *response = answer;
    if (error != 0) {
        for (int32_t i = 0; i < work->forwarded.topics.count; i++) {
            create_add(work, work->forwarded.topics.items[i].name, error, no_text());
        }
        broker_respond(request, &work->own);
        return;
    }
    int32_t total = work->own.topics.count + response->topics.count;
    struct create_topics_response both = *response;
    both.topics.items = arena_array(&request->arena, (size_t)total, sizeof(*both.topics.items));
    both.topics.count = 0;
    for (int32_t i = 0; both.topics.items != NULL && i < response->topics.count; i++) {
        both.topics.items[i] = response->topics.items[i];
        both.topics.count++;
        if (both.topics.items[i].error_code == 0 && request->header.request_api_version >= 5) {
            create_describe(request, work, &both.topics.items[i]);
        }
    }
    for (int32_t i = 0; both.topics.items != NULL && i < work->own.topics.count; i++) {
        both.topics.items[both.topics.count++] = work->own.topics.items[i];
    }
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    broker_respond(request, &both);
}

static void create_sort_out(struct create_work *work, const struct create_topics_request *asked,
                            struct string_view *names)
{
    size_t count = (size_t)asked->topics.count;
    for (size_t i = 0; i < count; i++) {
        names[i] = asked->topics.items[i].name;
    }
    qsort(names, count, sizeof(*names), name_compare);
    for (size_t i = 0; i < count; i++) {
        struct string_view name = asked->topics.items[i].name;
        if (comes_twice(names, count, name)) {
            continue;
        }
        if (string_view_is(name, metadata_topic)) {
            create_add(work, name, KAFKA_INVALID_REQUEST,
                       string_view_of("Creation of internal topic __cluster_metadata is "
                                      "prohibited."));
            continue;
        }
        work->forwarded.topics.items[work->forwarded.topics.count++] = asked->topics.items[i];
    }
    for (size_t i = 1; i < count; i++) {
        if (is_second(names, i)) {
            create_add(work, names[i], KAFKA_INVALID_REQUEST, string_view_of(duplicate_name));
        }
    }
}

void api_create_topics(struct broker_request *request)
{
    const struct create_topics_request *asked = request->message;
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    struct create_work *work = arena_alloc(&request->arena, sizeof(*work));
    struct string_view *names = arena_array(&request->arena, count + 1, sizeof(*names));
    if (work == NULL || names == NULL) {
        broker_respond_close(request);
        return;
    }
    work->forwarded = *asked;
    work->forwarded.topics.items = arena_array(&request->arena, count + 1,
                                               sizeof(*work->forwarded.topics.items));
    work->forwarded.topics.count = 0;
    create_topics_response_default(&work->own);
    work->own.topics.items = arena_array(&request->arena, count + 1,
                                         sizeof(*work->own.topics.items));
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    if (count > 0) {
        create_sort_out(work, asked, names);
    }
    forward_rest(request, work->forwarded.topics.count, work,
                 (struct rest){&work->own, &work->forwarded, create_done});
}

/* DeleteTopics: versions up to 5 carry topic_names, later ones topics. */
struct delete_work {
    struct delete_topics_request forwarded;
    struct delete_topics_response own;
};

static bool deletes_by_name(const struct broker_request *request)
{
    return request->header.request_api_version < 6;
}

static int32_t delete_count(const struct broker_request *request,
                            const struct delete_topics_request *message)
{
    int32_t count = deletes_by_name(request) ? message->topic_names.count : message->topics.count;
    return count > 0 ? count : 0;
}

static struct delete_topics_request_delete_topic_state delete_item(
    const struct broker_request *request, const struct delete_topics_request *message,
    int32_t index)
{
    struct delete_topics_request_delete_topic_state item = {.name = no_text()};
    if (!deletes_by_name(request)) {
        return message->topics.items[index];
    }
    item.name = message->topic_names.items[index];
    return item;
}

static void delete_add(struct delete_topics_response *response,
                       const struct delete_topics_request_delete_topic_state *item, int16_t error,
                       struct string_view text)
{
    struct delete_topics_response_deletable_topic_result *result =
        &response->responses.items[response->responses.count++];
    *result = (struct delete_topics_response_deletable_topic_result){
        .name = item->name,
        .topic_id = item->topic_id,
        .error_code = error,
        .error_message = text,
    };
}

static void delete_done(struct broker_request *request, void *context, int16_t error,
                        const void *answer)
{
    struct delete_work *work = context;
    const struct delete_topics_response *response = answer;
    int32_t count = delete_count(request, &work->forwarded);
    if (error != 0) {
        for (int32_t i = 0; i < count; i++) {
            struct delete_topics_request_delete_topic_state item = delete_item(
                request, &work->forwarded, i);
            delete_add(&work->own, &item, error, no_text());
        }
        broker_respond(request, &work->own);
        return;
    }
    int32_t total = work->own.responses.count + response->responses.count;
    struct delete_topics_response both = *response;
    both.responses.items = arena_array(&request->arena, (size_t)total,
                                       sizeof(*both.responses.items));
    if (both.responses.items == NULL) {
        broker_respond_close(request);
        return;
    }
    both.responses.count = 0;
    for (int32_t i = 0; i < work->own.responses.count; i++) {
        both.responses.items[both.responses.count++] = work->own.responses.items[i];
    }
    for (int32_t i = 0; i < response->responses.count; i++) {
        both.responses.items[both.responses.count++] = response->responses.items[i];
    }
    broker_respond(request, &both);
}

/* The text of what is wrong with an element; NULL: nothing. */
static const char *delete_fault(const struct delete_topics_request_delete_topic_state *item)
{
    bool has_id = !uuid_is_zero(item->topic_id);
    if (item->name.data != NULL && has_id) {
        return "You may not specify both topic name and topic id.";
    }
    if (item->name.data == NULL && !has_id) {
        return "Neither topic name nor id were specified.";
    }
    return NULL;
}

static int delete_compare(const void *left, const void *right)
{
    const struct delete_topics_request_delete_topic_state *a = left;
    const struct delete_topics_request_delete_topic_state *b = right;
    int order = memcmp(a->topic_id.bytes, b->topic_id.bytes, sizeof(a->topic_id.bytes));
    return order != 0 ? order : name_compare(&a->name, &b->name);
}

static void delete_forward_item(const struct broker_request *request, struct delete_work *work,
                                const struct delete_topics_request_delete_topic_state *item)
{
    if (deletes_by_name(request)) {
        work->forwarded.topic_names.items[work->forwarded.topic_names.count++] = item->name;
    } else {
        work->forwarded.topics.items[work->forwarded.topics.count++] = *item;
    }
}

/* items are sorted, so that what comes twice lies together. */
static void delete_sort_out(const struct broker_request *request, struct delete_work *work,
                            const struct delete_topics_request_delete_topic_state *items,
                            int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const char *fault = delete_fault(&items[i]);
        if (fault != NULL) {
            delete_add(&work->own, &items[i], KAFKA_INVALID_REQUEST, string_view_of(fault));
            continue;
        }
        bool again = i > 0 && delete_compare(&items[i - 1], &items[i]) == 0;
        bool repeated = i + 1 < count && delete_compare(&items[i], &items[i + 1]) == 0;
        if (repeated && !again) {
            delete_add(&work->own, &items[i], KAFKA_INVALID_REQUEST,
                       string_view_of(uuid_is_zero(items[i].topic_id) ? duplicate_name
                                                                      : "Duplicate topic id."));
        } else if (!repeated && !again) {
            delete_forward_item(request, work, &items[i]);
        }
    }
}

static struct delete_work *delete_work_make(struct broker_request *request, size_t count)
{
    struct delete_work *work = arena_alloc(&request->arena, sizeof(*work));
    if (work == NULL) {
        return NULL;
    }
    work->forwarded = *(const struct delete_topics_request *)request->message;
    work->forwarded.topics.items = arena_array(&request->arena, count,
                                               sizeof(*work->forwarded.topics.items));
    work->forwarded.topic_names.items = arena_array(&request->arena, count,
                                                    sizeof(*work->forwarded.topic_names.items));
    work->forwarded.topics.count = 0;
    work->forwarded.topic_names.count = 0;
    delete_topics_response_default(&work->own);
    work->own.responses.items = arena_array(&request->arena, count,
                                            sizeof(*work->own.responses.items));
    return request->arena.failed ? NULL : work;
}

void api_delete_topics(struct broker_request *request)
{
    const struct delete_topics_request *asked = request->message;
    int32_t count = delete_count(request, asked);
    struct delete_work *work = delete_work_make(request, (size_t)count);
    struct delete_topics_request_delete_topic_state *items = arena_array(
        &request->arena, (size_t)count, sizeof(*items));
    if (work == NULL || items == NULL) {
        broker_respond_close(request);
        return;
    }
    bool enabled = config_boolean(broker_config(request), "delete.topic.enable");
    int16_t disabled = request->header.request_api_version >= 3 ? KAFKA_TOPIC_DELETION_DISABLED
                                                                : KAFKA_INVALID_REQUEST;
    for (int32_t i = 0; i < count; i++) {
        items[i] = delete_item(request, asked, i);
        if (!enabled) {
            delete_add(&work->own, &items[i], disabled, no_text());
        }
    }
    if (enabled && count > 0) {
        qsort(items, (size_t)count, sizeof(*items), delete_compare);
        delete_sort_out(request, work, items, count);
    }
    forward_rest(request, delete_count(request, &work->forwarded), work,
                 (struct rest){&work->own, &work->forwarded, delete_done});
}

/* CreatePartitions. */
struct partitions_work {
    struct create_partitions_request forwarded;
    struct create_partitions_response own;
};

static void partitions_add(struct create_partitions_response *response, struct string_view name,
                           int16_t error, struct string_view text)
{
    response->results.items[response->results.count++] =
        (struct create_partitions_response_create_partitions_topic_result){
            .name = name, .error_code = error, .error_message = text};
}

static void partitions_done(struct broker_request *request, void *context, int16_t error,
                            const void *answer)
{
    struct partitions_work *work = context;
    const struct create_partitions_response *response = answer;
    if (error != 0) {
        for (int32_t i = 0; i < work->forwarded.topics.count; i++) {
            partitions_add(&work->own, work->forwarded.topics.items[i].name, error, no_text());
        }
        broker_respond(request, &work->own);
        return;
    }
    int32_t total = work->own.results.count + response->results.count;
    struct create_partitions_response both = *response;
    both.results.items = arena_array(&request->arena, (size_t)total, sizeof(*both.results.items));
    if (both.results.items == NULL) {
        broker_respond_close(request);
        return;
    }
    both.results.count = 0;
    for (int32_t i = 0; i < work->own.results.count; i++) {
        both.results.items[both.results.count++] = work->own.results.items[i];
    }
    for (int32_t i = 0; i < response->results.count; i++) {
        both.results.items[both.results.count++] = response->results.items[i];
    }
    broker_respond(request, &both);
}

static void partitions_sort_out(struct partitions_work *work,
                                const struct create_partitions_request *asked,
                                struct string_view *names)
{
    size_t count = (size_t)asked->topics.count;
    for (size_t i = 0; i < count; i++) {
        names[i] = asked->topics.items[i].name;
    }
    qsort(names, count, sizeof(*names), name_compare);
    for (size_t i = 0; i < count; i++) {
        if (!comes_twice(names, count, asked->topics.items[i].name)) {
            work->forwarded.topics.items[work->forwarded.topics.count++] = asked->topics.items[i];
        }
    }
    for (size_t i = 1; i < count; i++) {
        if (is_second(names, i)) {
            partitions_add(&work->own, names[i], KAFKA_INVALID_REQUEST,
                           string_view_of(duplicate_name));
        }
    }
}

void api_create_partitions(struct broker_request *request)
{
    const struct create_partitions_request *asked = request->message;
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    struct partitions_work *work = arena_alloc(&request->arena, sizeof(*work));
    struct string_view *names = arena_array(&request->arena, count, sizeof(*names));
    if (work == NULL || names == NULL) {
        broker_respond_close(request);
        return;
    }
    work->forwarded = *asked;
    work->forwarded.topics.count = 0;
    work->forwarded.topics.items = arena_array(&request->arena, count,
                                               sizeof(*work->forwarded.topics.items));
    create_partitions_response_default(&work->own);
    work->own.results.items = arena_array(&request->arena, count,
                                          sizeof(*work->own.results.items));
    if (request->arena.failed) {
        broker_respond_close(request);
        return;
    }
    if (count > 0) {
        partitions_sort_out(work, asked, names);
    }
    forward_rest(request, work->forwarded.topics.count, work,
                 (struct rest){&work->own, &work->forwarded, partitions_done});
}
