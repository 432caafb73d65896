/* ListGroups, DescribeGroups and DeleteGroups: several groups or all, each asked of its own
 * coordinator. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/coordinator_driver.h"
#include "broker/group_work.h"
#include "broker/handlers.h"
#include "protocol/messages.h"

/* ---- a request with many asks ---- */

static struct budget *work_budget(const struct broker_request *request)
{
    return &request->shard->broker->options.memory->work;
}

struct group_work *group_work_make(struct broker_request *request, size_t count,
                                   void (*done)(struct group_work *work))
{
    struct budget *budget = work_budget(request);
    size_t size = sizeof(struct group_work) + count * sizeof(struct coordinator_ask);
    if (!budget_take(budget, size)) {
        return NULL;
    }
    struct group_work *work = mem_calloc(1, size);
    if (work == NULL) {
        budget_give(budget, size);
        return NULL;
    }
    work->request = request;
    work->done = done;
    work->count = count;
    work->bytes = size;
    work->budget = budget;
    return work;
}

void group_work_free(struct group_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        arena_release(&work->asks[i].arena);
    }
    budget_give(work->budget, work->bytes);
    mem_free(work);
}

static void group_work_end(struct group_work *work)
{
    if (--work->left == 0) {
        work->done(work);
    }
}

static void group_work_part(struct coordinator_ask *ask)
{
    struct group_work *work = ask->call.arena == &ask->arena ? ask->work : NULL;
    ASSERT(work != NULL && work->left > 0);
    work->failed |= ask->call.response == NULL;
    group_work_end(work);
}

void group_work_prepare(struct group_work *work, size_t index)
{
    struct coordinator_ask *ask = &work->asks[index];
    arena_init(&ask->arena, REQUEST_ARENA_BYTES_MAX);
    ask->arena.budget = work->budget;
    ask->call.arena = &ask->arena;
    ask->work = work;
    ask->done = group_work_part;
}

void group_work_start(struct group_work *work)
{
    work->left = work->count + 1; /* one more, so that it does not end while this still walks it */
    for (size_t i = 0; i < work->count; i++) {
        coordinator_ask(&work->asks[i]);
    }
    group_work_end(work);
}

void group_work_respond(struct group_work *work, const void *response)
{
    struct broker_request *request = work->request;
    if (response == NULL || request->arena.failed) {
        broker_respond_close(request);
    } else {
        broker_respond(request, response);
    }
    group_work_free(work);
}

/* ---- ListGroups ---- */

static void list_done(struct group_work *work)
{
    struct arena *arena = &work->request->arena;
    struct list_groups_response response;
    list_groups_response_default(&response);
    size_t count = 0;
    for (size_t i = 0; !work->failed && i < work->count; i++) {
        const struct list_groups_response *part = work->asks[i].call.response;
        count += (size_t)part->groups.count;
        if (part->error_code != 0) {
            response.error_code = part->error_code;
        }
    }
    response.groups.items = arena_array(arena, count, sizeof *response.groups.items);
    for (size_t i = 0; response.groups.items != NULL && response.error_code == 0 &&
                       !work->failed && i < work->count;
         i++) {
        const struct list_groups_response *part = work->asks[i].call.response;
        for (int32_t j = 0; j < part->groups.count; j++) {
            response.groups.items[response.groups.count++] = part->groups.items[j];
        }
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

void api_list_groups(struct broker_request *request)
{
    const struct image_topic *topic =
        image_topic_by_name(broker_image(request), string_view_of(OFFSETS_TOPIC));
    size_t count = topic == NULL ? 0 : (size_t)topic->partition_count;
    struct group_work *work = group_work_make(request, count, list_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        coordinator_ask_partition(&work->asks[i], request, request->message, COORDINATOR_GROUPS,
                                  (int32_t)i);
        group_work_prepare(work, i);
    }
    group_work_start(work);
}

/* ---- DescribeGroups ---- */

static void describe_done(struct group_work *work)
{
    struct broker_request *request = work->request;
    const struct describe_groups_request *asked = request->message;
    struct describe_groups_response response;
    describe_groups_response_default(&response);
    response.groups.items =
        arena_array(&request->arena, work->count, sizeof *response.groups.items);
    for (size_t i = 0; response.groups.items != NULL && !work->failed && i < work->count; i++) {
        const struct describe_groups_response_described_group *group =
            work->asks[i].call.response;
        response.groups.items[i] = *group;
        if (asked->include_authorized_operations && group->error_code == 0) {
            response.groups.items[i].authorized_operations = GROUP_OPERATIONS_ALL;
        }
        response.groups.count = (int32_t)i + 1;
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

void api_describe_groups(struct broker_request *request)
{
    const struct describe_groups_request *asked = request->message;
    size_t count = asked->groups.count > 0 ? (size_t)asked->groups.count : 0;
    struct group_work *work = group_work_make(request, count, describe_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        coordinator_ask_init(&work->asks[i], request, &asked->groups.items[i],
                             asked->groups.items[i]);
        group_work_prepare(work, i);
    }
    group_work_start(work);
}

/* ---- DeleteGroups ---- */

static void delete_done(struct group_work *work)
{
    struct delete_groups_response response;
    delete_groups_response_default(&response);
    response.results.items =
        arena_array(&work->request->arena, work->count, sizeof *response.results.items);
    for (size_t i = 0; response.results.items != NULL && !work->failed && i < work->count; i++) {
        const struct delete_groups_response_deletable_group_result *result =
            work->asks[i].call.response;
        response.results.items[i] = *result;
        response.results.count = (int32_t)i + 1;
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

static int names_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

/* Each group once, whatever the client repeats. */
void api_delete_groups(struct broker_request *request)
{
    const struct delete_groups_request *asked = request->message;
    size_t count = asked->groups_names.count > 0 ? (size_t)asked->groups_names.count : 0;
    struct string_view *names = arena_array(&request->arena, count, sizeof *names);
    size_t different = 0;
    if (names == NULL) {
        broker_respond_close(request);
        return;
    }
    if (count > 0) {
        memcpy(names, asked->groups_names.items, count * sizeof *names);
        qsort(names, count, sizeof *names, names_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !string_view_equal(names[i], names[different - 1])) {
            names[different++] = names[i];
        }
    }
    struct group_work *work = group_work_make(request, different, delete_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    for (size_t i = 0; i < different; i++) {
        coordinator_ask_init(&work->asks[i], request, &names[i], names[i]);
        group_work_prepare(work, i);
    }
    group_work_start(work);
}
