/* ListGroups, DescribeGroups and DeleteGroups. */
#include "coordinator/group/internal.h"

#define VERSION_WITH_NOT_FOUND 6

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

static bool same_word(struct string_view a, const char *word)
{
    if (a.size != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(word[i])) {
            return false;
        }
    }
    return true;
}

static bool passes(const struct string_view *words, int32_t count, const char *word)
{
    for (int32_t i = 0; i < count; i++) {
        if (same_word(words[i], word)) {
            return true;
        }
    }
    return count <= 0;
}

/* Of groups that are kept as records only whether there are members is known. */
static const char *state_name(const struct group *group)
{
    return group->kind == GROUP_CLASSIC ? classic_state_name(group->state)
           : group->kind == GROUP_CONSUMER
               ? consumer_group_state_name(consumer_group_state(group->consumer))
           : kept_has_members(group) ? "Stable"
                                     : "Empty";
}

void group_list(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct list_groups_request *asked = call->request;
    struct list_groups_response *response = arena_alloc(call->arena, sizeof *response);
    size_t count;
    struct group **groups = groups_sorted(owner, &count);
    if (response != NULL) {
        list_groups_response_default(response);
        response->groups.items = arena_array(call->arena, count, sizeof *response->groups.items);
    }
    for (size_t i = 0; !call->arena->failed && i < count; i++) {
        const struct group *group = groups[i];
        if (!group->committed ||
            !passes(asked->states_filter.items, asked->states_filter.count, state_name(group)) ||
            !passes(asked->types_filter.items, asked->types_filter.count,
                    kept_kind_name(group->kind))) {
            continue;
        }
        struct string_view type = group->kind == GROUP_CLASSIC
                                      ? group->protocol_type
                                      : string_view_of(kept_protocol_type(group->kind));
        response->groups.items[response->groups.count++] =
            (struct list_groups_response_listed_group){
                arena_string(call->arena, group->id),
                type.data == NULL ? string_view_of("") : arena_string(call->arena, type),
                string_view_of(state_name(group)), string_view_of(kept_kind_name(group->kind))};
    }
    mem_free(groups);
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : response);
}

static void describe_member(const struct classic_member *member, struct arena *arena,
                            struct describe_groups_response_described_group_member *out)
{
    ASSERT(member->group != NULL && member->id.size > 0);
    bool stable = member->group->state == CLASSIC_STABLE;
    struct bytes_view nothing = {(const uint8_t *)"", 0};
    *out = (struct describe_groups_response_described_group_member){
        .member_id = arena_string(arena, member->id),
        .group_instance_id = arena_string(arena, member->instance_id),
        .client_id = arena_string(arena, member->client_id),
        .client_host = arena_string(arena, member->client_host),
        .member_metadata =
            stable ? arena_bytes(arena, classic_member_metadata(member)) : nothing,
        .member_assignment = member->assignment.data != NULL
                                 ? arena_bytes(arena, member->assignment)
                                 : nothing,
    };
}

static void describe_classic(const struct group *group, struct arena *arena,
                             struct describe_groups_response_described_group *out)
{
    ASSERT(group->kind == GROUP_CLASSIC && out->members.count == 0);
    out->group_state = string_view_of(classic_state_name(group->state));
    if (group->protocol_type.data != NULL) {
        out->protocol_type = arena_string(arena, group->protocol_type);
    }
    if (group->state == CLASSIC_STABLE && group->protocol_name.data != NULL) {
        out->protocol_data = arena_string(arena, group->protocol_name);
    }
    out->members.items = arena_array(arena, group->by_id.count, sizeof *out->members.items);
    LIST_FOR_EACH(node, &group->members)
    {
        if (out->members.items != NULL) {
            describe_member(CONTAINER_OF(node, struct classic_member, node), arena,
                            &out->members.items[out->members.count++]);
        }
    }
}

void group_describe(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct string_view *id = call->request;
    struct describe_groups_response_described_group *out = arena_alloc(call->arena, sizeof *out);
    const struct group *group = group_find(owner, *id);
    if (out == NULL) {
        runtime_reply(owner->runtime, call, NULL);
        return;
    }
    *out = (struct describe_groups_response_described_group){
        .group_id = *id,
        .group_state = string_view_of(classic_state_name(CLASSIC_DEAD)),
        .protocol_type = string_view_of(""),
        .protocol_data = string_view_of(""),
        .authorized_operations = INT32_MIN,
    };
    if (group != NULL && group->kind == GROUP_CLASSIC) {
        describe_classic(group, call->arena, out);
    } else if (call->api_version >= VERSION_WITH_NOT_FOUND) {
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        out->error_message = arena_format(call->arena,
                                          group == NULL ? "Group %.*s not found."
                                                        : "Group %.*s is not a classic group.",
                                          (int)id->size, id->data);
    }
    runtime_reply(owner->runtime, call, call->arena->failed ? NULL : out);
}

void group_delete(struct group_coordinator *owner, struct runtime_call *call)
{
    const struct string_view *id = call->request;
    struct delete_groups_response_deletable_group_result *out =
        arena_alloc(call->arena, sizeof *out);
    struct group *group = group_find(owner, *id);
    if (out == NULL) {
        runtime_reply(owner->runtime, call, NULL);
        return;
    }
    *out = (struct delete_groups_response_deletable_group_result){.group_id = *id};
    if (group == NULL) {
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    } else if (!group_is_empty(group)) {
        out->error_code = KAFKA_NON_EMPTY_GROUP;
    } else {
        offsets_write_end(owner, *id);
        group_write_end(group);
    }
    runtime_reply(owner->runtime, call, out);
}
