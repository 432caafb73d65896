/* OffsetFetch: of one group up to version 7, of several since 8; topics by id since 10. */
#include "broker/group_work.h"
#include "broker/handlers.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define VERSION_WITH_ERROR 2
#define VERSION_WITH_GROUPS 8
#define VERSION_BY_ID 10

typedef struct offset_fetch_request_offset_fetch_request_group asked_group;
typedef struct offset_fetch_request_offset_fetch_request_topics asked_topic;
typedef struct offset_fetch_response_offset_fetch_response_group told_group;
typedef struct offset_fetch_response_offset_fetch_response_topics told_topic;
typedef struct offset_fetch_response_offset_fetch_response_partitions told_partition;

struct fetch_work {
    struct group_offset_fetch *groups;
    told_group *unknown; /* one a group: topics whose id nobody has */
};

static bool by_id(const struct broker_request *request)
{
    return request->header.request_api_version >= VERSION_BY_ID;
}

static told_partition nothing(int32_t partition, int16_t error)
{
    return (told_partition){.partition_index = partition,
                            .committed_offset = -1,
                            .committed_leader_epoch = -1,
                            .metadata = string_view_of(""),
                            .error_code = error};
}

static void add_unknown(struct arena *arena, const asked_topic *asked, told_group *unknown)
{
    size_t count = asked->partition_indexes.count > 0 ? (size_t)asked->partition_indexes.count : 0;
    told_topic *topic = &unknown->topics.items[unknown->topics.count++];
    *topic = (told_topic){.topic_id = asked->topic_id, .name = string_view_of("")};
    topic->partitions.items = arena_array(arena, count, sizeof *topic->partitions.items);
    for (size_t i = 0; topic->partitions.items != NULL && i < count; i++) {
        topic->partitions.items[topic->partitions.count++] =
            nothing(asked->partition_indexes.items[i], KAFKA_UNKNOWN_TOPIC_ID);
    }
}

/* Names for the ids. */
static void resolve(struct broker_request *request, asked_group *group, told_group *unknown)
{
    size_t count = group->topics.count > 0 ? (size_t)group->topics.count : 0;
    asked_topic *known = arena_array(&request->arena, count, sizeof *known);
    unknown->topics.items = arena_array(&request->arena, count, sizeof *unknown->topics.items);
    int32_t found = 0;
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        const asked_topic *asked = &group->topics.items[i];
        const struct image_topic *topic =
            image_topic_by_id(broker_image(request), asked->topic_id);
        if (topic == NULL) {
            add_unknown(&request->arena, asked, unknown);
        } else {
            known[found] = *asked;
            known[found++].name = arena_string(&request->arena, topic->name);
        }
    }
    group->topics.items = known;
    group->topics.count = found;
}

/* All topics of a group: those that still have an id. */
static void keep_known_topics(struct broker_request *request, told_group *group)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < group->topics.count; i++) {
        told_topic *topic = &group->topics.items[i];
        const struct image_topic *known = image_topic_by_name(broker_image(request), topic->name);
        if (known != NULL) {
            topic->topic_id = known->id;
            group->topics.items[kept++] = *topic;
        }
    }
    group->topics.count = kept;
}

static void append_unknown(struct arena *arena, told_group *group, const told_group *unknown)
{
    size_t count = (size_t)group->topics.count + (size_t)unknown->topics.count;
    told_topic *both = arena_array(arena, count, sizeof *both);
    if (both == NULL) {
        return;
    }
    memcpy(both, group->topics.items, (size_t)group->topics.count * sizeof *both);
    memcpy(both + group->topics.count, unknown->topics.items,
           (size_t)unknown->topics.count * sizeof *both);
    group->topics.items = both;
    group->topics.count = (int32_t)count;
}

/* The form of versions 1 to 7. */
static void fill_single(struct broker_request *request, const told_group *group,
                        struct offset_fetch_response *response)
{
    struct arena *arena = &request->arena;
    response->error_code = group->error_code;
    response->topics.items =
        arena_array(arena, (size_t)group->topics.count, sizeof *response->topics.items);
    for (int32_t i = 0; response->topics.items != NULL && i < group->topics.count; i++) {
        const told_topic *from = &group->topics.items[i];
        struct offset_fetch_response_offset_fetch_response_topic *to =
            &response->topics.items[i];
        size_t count = (size_t)from->partitions.count;
        to->name = from->name;
        to->partitions.items = arena_array(arena, count, sizeof *to->partitions.items);
        for (size_t j = 0; to->partitions.items != NULL && j < count; j++) {
            const told_partition *partition = &from->partitions.items[j];
            to->partitions.items[to->partitions.count++] =
                (struct offset_fetch_response_offset_fetch_response_partition){
                    partition->partition_index, partition->committed_offset,
                    partition->committed_leader_epoch, partition->metadata,
                    partition->error_code};
        }
        response->topics.count = i + 1;
    }
}

/* Version 1 has no error of its own: each partition carries it. */
static void spread_error(struct broker_request *request, const asked_group *asked,
                         told_group *group)
{
    struct arena *arena = &request->arena;
    int32_t count = asked->topics.count > 0 ? asked->topics.count : 0;
    group->topics.count = 0;
    group->topics.items = arena_array(arena, (size_t)count, sizeof *group->topics.items);
    for (int32_t i = 0; group->topics.items != NULL && i < count; i++) {
        const asked_topic *from = &asked->topics.items[i];
        told_topic *to = &group->topics.items[group->topics.count++];
        to->name = from->name;
        to->partitions.items = arena_array(arena, (size_t)from->partition_indexes.count,
                                           sizeof *to->partitions.items);
        for (int32_t j = 0; to->partitions.items != NULL && j < from->partition_indexes.count;
             j++) {
            to->partitions.items[to->partitions.count++] =
                nothing(from->partition_indexes.items[j], group->error_code);
        }
    }
}

static void fetch_done(struct group_work *work)
{
    struct broker_request *request = work->request;
    const struct fetch_work *fetch = work->context;
    struct offset_fetch_response response;
    offset_fetch_response_default(&response);
    int16_t version = request->header.request_api_version;
    told_group *groups = arena_array(&request->arena, work->count, sizeof *groups);
    for (size_t i = 0; groups != NULL && !work->failed && i < work->count; i++) {
        groups[i] = *(const told_group *)work->asks[i].call.response;
        if (by_id(request) && groups[i].error_code == 0) {
            if (fetch->groups[i].group.topics.count < 0) {
                keep_known_topics(request, &groups[i]);
            } else {
                append_unknown(&request->arena, &groups[i], &fetch->unknown[i]);
            }
        }
        if (version < VERSION_WITH_ERROR && groups[i].error_code != 0) {
            spread_error(request, &fetch->groups[i].group, &groups[i]);
        }
    }
    if (groups != NULL && !work->failed && version < VERSION_WITH_GROUPS) {
        fill_single(request, &groups[0], &response);
    } else {
        response.groups.items = groups;
        response.groups.count = (int32_t)work->count;
    }
    group_work_respond(work, work->failed ? NULL : &response);
}

/* The one group of versions 1 to 7, as the later ones have it. */
static bool single_group(struct broker_request *request, asked_group *group)
{
    const struct offset_fetch_request *asked = request->message;
    size_t count = asked->topics.count > 0 ? (size_t)asked->topics.count : 0;
    *group = (asked_group){.group_id = asked->group_id, .member_epoch = -1};
    group->topics.count = asked->topics.count;
    group->topics.items = arena_array(&request->arena, count, sizeof *group->topics.items);
    for (size_t i = 0; group->topics.items != NULL && i < count; i++) {
        group->topics.items[i] = (asked_topic){.name = asked->topics.items[i].name};
        group->topics.items[i].partition_indexes.items =
            asked->topics.items[i].partition_indexes.items;
        group->topics.items[i].partition_indexes.count =
            asked->topics.items[i].partition_indexes.count;
    }
    return group->topics.items != NULL;
}

static bool fill_group(struct broker_request *request, struct fetch_work *fetch, size_t index)
{
    const struct offset_fetch_request *asked = request->message;
    struct group_offset_fetch *group = &fetch->groups[index];
    group->require_stable = asked->require_stable;
    if (request->header.request_api_version < VERSION_WITH_GROUPS) {
        return single_group(request, &group->group);
    }
    group->group = asked->groups.items[index];
    if (by_id(request) && group->group.topics.count >= 0) {
        resolve(request, &group->group, &fetch->unknown[index]);
    }
    return true;
}

void api_offset_fetch(struct broker_request *request)
{
    const struct offset_fetch_request *asked = request->message;
    bool single = request->header.request_api_version < VERSION_WITH_GROUPS;
    size_t count = single ? 1 : asked->groups.count > 0 ? (size_t)asked->groups.count : 0;
    struct fetch_work *fetch = arena_alloc(&request->arena, sizeof *fetch);
    struct group_work *work = fetch == NULL ? NULL : group_work_make(request, count, fetch_done);
    if (work == NULL) {
        broker_respond_close(request);
        return;
    }
    work->context = fetch;
    fetch->groups = arena_array(&request->arena, count, sizeof *fetch->groups);
    fetch->unknown = arena_array(&request->arena, count, sizeof *fetch->unknown);
    for (size_t i = 0; !request->arena.failed && i < count; i++) {
        if (fill_group(request, fetch, i)) {
            coordinator_ask_init(&work->asks[i], request, &fetch->groups[i],
                                 fetch->groups[i].group.group_id);
            group_work_prepare(work, i);
        }
    }
    if (request->arena.failed) {
        group_work_respond(work, NULL);
    } else {
        group_work_start(work);
    }
}
