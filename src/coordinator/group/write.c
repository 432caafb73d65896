/* The record of a classic group, and what hangs on it until it is committed. */
#include "coordinator/group/internal.h"

char *text_printable(struct string_view from, char *text, size_t size)
{
    size_t count = from.size < size - 1 ? from.size : size - 1;
    ASSERT(size > 0);
    for (size_t i = 0; i < count; i++) {
        char c = from.data[i];
        text[i] = c > ' ' && c != '"' && c != 0x7f ? c : '?';
    }
    text[count] = '\0';
    return text;
}

static void write_told(struct runtime *runtime, struct runtime_waiter *waiter, int16_t error)
{
    struct classic_write *write = CONTAINER_OF(waiter, struct classic_write, waiter);
    ASSERT(write->group == NULL || write->group->owner->runtime == runtime);
    list_remove(&write->node);
    if (write->group != NULL) {
        write->done(write, error);
    }
    classic_write_free(write);
}

struct classic_write *classic_write_make(struct group *group,
                                         void (*done)(struct classic_write *, int16_t))
{
    ASSERT(done != NULL);
    struct classic_write *write = mem_calloc(1, sizeof *write);
    if (write != NULL) {
        *write = (struct classic_write){.waiter.done = write_told,
                                        .group = group,
                                        .done = done,
                                        .generation = group->generation};
        list_init(&write->waiter.node);
        list_push_back(&group->writes, &write->node);
    }
    return write;
}

void classic_write_free(struct classic_write *write)
{
    list_remove(&write->node);
    text_free(&write->member_id);
    text_free(&write->old_member_id);
    text_free(&write->old_leader_id);
    mem_free(write->old_protocols.items);
    mem_free(write);
}

static void fill_member(struct group_metadata_value_member_metadata *value,
                        const struct classic_member *member, enum classic_assignments assignments)
{
    struct bytes_view assignment = {NULL, 0};
    if (assignments != CLASSIC_ASSIGNMENTS_NONE) {
        assignment = assignments == CLASSIC_ASSIGNMENTS_NOW ? member->assignment
                                                            : member->next_assignment;
    }
    if (assignment.data == NULL) {
        assignment = (struct bytes_view){(const uint8_t *)"", 0};
    }
    *value = (struct group_metadata_value_member_metadata){
        .member_id = member->id,
        .group_instance_id = member->instance_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
        .rebalance_timeout = member->offers.rebalance_timeout_ms,
        .session_timeout = member->offers.session_timeout_ms,
        .subscription = classic_member_metadata(member),
        .assignment = assignment,
    };
}

void classic_write_group(struct group *group, enum classic_assignments assignments,
                         struct classic_write *write)
{
    struct runtime *runtime = group->owner->runtime;
    size_t count = group->by_id.count;
    ASSERT(group->kind == GROUP_CLASSIC && group->state != CLASSIC_DEAD);
    ASSERT(write == NULL || write->group == group);
    struct group_metadata_key key = {group->id};
    struct group_metadata_value value;
    group_metadata_value_default(&value);
    value.protocol_type =
        group->protocol_type.data != NULL ? group->protocol_type : string_view_of("");
    value.generation = group->generation;
    value.protocol = group->protocol_name;
    value.leader = group->leader != NULL ? group->leader->id : (struct string_view){NULL, 0};
    value.current_state_timestamp = group->state_since_ms;
    value.members.items = mem_calloc(count + 1, sizeof *value.members.items);
    if (value.members.items != NULL) {
        LIST_FOR_EACH(node, &group->members)
        {
            fill_member(&value.members.items[value.members.count++],
                        CONTAINER_OF(node, struct classic_member, node), assignments);
        }
        ASSERT((size_t)value.members.count == count);
        runtime_write(runtime, GROUP_RECORD_GROUP, &group_metadata_key_row, &key,
                      &group_metadata_value_row, GROUP_VALUE_VERSION, &value);
    } else {
        runtime_fail(runtime);
    }
    mem_free(value.members.items);
    if (write != NULL) {
        runtime_wait(runtime, &write->waiter);
    }
}

/* As Apache Kafka writes it before the first rebalance. */
void classic_write_new_group_record(struct group_coordinator *owner, struct string_view id)
{
    struct group_metadata_key key = {id};
    struct group_metadata_value value;
    ASSERT(id.data != NULL);
    group_metadata_value_default(&value);
    value.protocol_type = string_view_of("");
    value.protocol = value.leader = (struct string_view){NULL, 0};
    value.current_state_timestamp = runtime_now(owner->runtime).wall_ms;
    runtime_write(owner->runtime, GROUP_RECORD_GROUP, &group_metadata_key_row, &key,
                  &group_metadata_value_row, GROUP_VALUE_VERSION, &value);
}

void classic_write_new_group(struct group *group, struct classic_write *write)
{
    classic_write_new_group_record(group->owner, group->id);
    runtime_wait(group->owner->runtime, &write->waiter);
}
