/* What a record says becomes one block of memory: the structure, its arrays, then its text. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

/* ---- record 5 ---- */

static size_t text_bytes(struct string_view text) { return text.size; }

static struct string_view take_text(char **at, struct string_view text)
{
    struct string_view copy = {text.data == NULL ? NULL : *at, text.size};
    if (text.size > 0) {
        memcpy(*at, text.data, text.size);
        *at += text.size;
    }
    return copy;
}

static int links_in_order(const void *a, const void *b)
{
    return string_view_compare(((const struct consumer_link *)a)->key,
                               ((const struct consumer_link *)b)->key);
}

static size_t names_order(struct consumer_link *names, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(names, count, sizeof *names, links_in_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !string_view_equal(names[kept - 1].key, names[i].key)) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

static size_t facts_text_bytes(const struct consumer_group_member_metadata_value *value)
{
    size_t bytes = text_bytes(value->instance_id) + text_bytes(value->rack_id) +
                   text_bytes(value->client_id) + text_bytes(value->client_host) +
                   text_bytes(value->subscribed_topic_regex) + text_bytes(value->server_assignor);
    for (int32_t i = 0; i < value->subscribed_topic_names.count; i++) {
        bytes += text_bytes(value->subscribed_topic_names.items[i]);
    }
    for (int32_t i = 0; value->classic_member_metadata != NULL &&
                        i < value->classic_member_metadata->supported_protocols.count;
         i++) {
        bytes += value->classic_member_metadata->supported_protocols.items[i].name.size +
                 value->classic_member_metadata->supported_protocols.items[i].metadata.size;
    }
    return bytes;
}

static void facts_take_protocols(struct consumer_facts *facts, char **at,
                                 const struct consumer_group_member_metadata_value *value)
{
    facts->classic = true;
    facts->classic_session_timeout_ms = value->classic_member_metadata->session_timeout_ms;
    for (size_t i = 0; i < facts->protocol_count; i++) {
        struct bytes_view metadata =
            value->classic_member_metadata->supported_protocols.items[i].metadata;
        struct string_view text = {(const char *)metadata.data, metadata.size};
        facts->protocols[i].name =
            take_text(at, value->classic_member_metadata->supported_protocols.items[i].name);
        text = take_text(at, text);
        facts->protocols[i].metadata = (struct bytes_view){(const uint8_t *)text.data, text.size};
    }
}

struct consumer_facts *
consumer_facts_make(struct consumer_member *member,
                    const struct consumer_group_member_metadata_value *value)
{
    size_t names = value->subscribed_topic_names.count > 0
                       ? (size_t)value->subscribed_topic_names.count
                       : 0;
    size_t protocols = value->classic_member_metadata != NULL &&
                               value->classic_member_metadata->supported_protocols.count > 0
                           ? (size_t)value->classic_member_metadata->supported_protocols.count
                           : 0;
    size_t arrays = names * sizeof(struct consumer_link) +
                    protocols * sizeof(struct consumer_protocol);
    struct consumer_facts *facts =
        mem_calloc(1, sizeof *facts + arrays + facts_text_bytes(value) + 1);
    if (facts == NULL) {
        return NULL;
    }
    ASSERT(member != NULL);
    facts->names = (struct consumer_link *)(facts + 1);
    facts->protocols = (struct consumer_protocol *)(facts->names + names);
    facts->protocol_count = protocols;
    char *at = (char *)(facts->protocols + protocols);
    facts->instance_id = take_text(&at, value->instance_id);
    facts->rack_id = take_text(&at, value->rack_id);
    facts->client_id = take_text(&at, value->client_id);
    facts->client_host = take_text(&at, value->client_host);
    facts->regex = take_text(&at, value->subscribed_topic_regex);
    facts->assignor = take_text(&at, value->server_assignor);
    facts->rebalance_timeout_ms = value->rebalance_timeout_ms;
    for (size_t i = 0; i < names; i++) {
        facts->names[i].key = take_text(&at, value->subscribed_topic_names.items[i]);
    }
    facts->name_count = names_order(facts->names, names);
    if (value->classic_member_metadata != NULL) {
        facts_take_protocols(facts, &at, value);
    }
    ASSERT(at <= (char *)(facts->protocols + protocols) + facts_text_bytes(value));
    facts->by_instance.key = facts->instance_id;
    facts->by_regex.key = facts->regex;
    facts->by_instance.member = facts->by_regex.member = member;
    for (size_t i = 0; i < facts->name_count; i++) {
        facts->names[i].member = member;
    }
    return facts;
}

/* ---- record 7 ---- */

struct consumer_target *
consumer_target_make(const struct consumer_group_target_assignment_member_value *value)
{
    size_t count = 0;
    for (int32_t i = 0; i < value->topic_partitions.count; i++) {
        int32_t more = value->topic_partitions.items[i].partitions.count;
        count += more > 0 ? (size_t)more : 0;
    }
    struct consumer_target *target =
        mem_alloc(sizeof *target + count * sizeof(struct partition_item));
    if (target == NULL) {
        return NULL;
    }
    struct partition_item *items = (struct partition_item *)(target + 1);
    size_t filled = 0;
    for (int32_t i = 0; i < value->topic_partitions.count; i++) {
        const struct consumer_group_target_assignment_member_value_topic_partition *topic =
            &value->topic_partitions.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            items[filled++] =
                (struct partition_item){topic->topic_id, topic->partitions.items[j], 0};
        }
    }
    ASSERT(filled == count);
    ASSERT(count == 0 || value->topic_partitions.count > 0);
    target->partitions = (struct partition_set){items, partition_items_order(items, count)};
    return target;
}

/* ---- record 8 ---- */

typedef struct consumer_group_current_member_assignment_value_topic_partitions held_topic;

static size_t held_count(const held_topic *topics, int32_t topic_count)
{
    size_t count = 0;
    for (int32_t i = 0; i < topic_count; i++) {
        count += topics[i].partitions.count > 0 ? (size_t)topics[i].partitions.count : 0;
    }
    return count;
}

/* Records before 4.3 have no epochs of partitions: the member's own stands for them. */
static struct partition_set held_set(struct partition_item *items, const held_topic *topics,
                                     int32_t topic_count, int32_t member_epoch)
{
    size_t filled = 0;
    int32_t usual = member_epoch > 0 ? member_epoch : 0;
    for (int32_t i = 0; i < topic_count; i++) {
        const held_topic *topic = &topics[i];
        bool told = topic->assignment_epochs.count == topic->partitions.count;
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            items[filled++] = (struct partition_item){
                topic->topic_id, topic->partitions.items[j],
                told ? topic->assignment_epochs.items[j] : usual};
        }
    }
    return (struct partition_set){items, partition_items_order(items, filled)};
}

static enum consumer_state state_of(int8_t state)
{
    return state == CONSUMER_STABLE || state == CONSUMER_UNREVOKED ||
                   state == CONSUMER_UNRELEASED
               ? (enum consumer_state)state
               : CONSUMER_UNKNOWN;
}

struct consumer_current *
consumer_current_make(struct consumer_member *member,
                      const struct consumer_group_current_member_assignment_value *value)
{
    size_t assigned =
        held_count(value->assigned_partitions.items, value->assigned_partitions.count);
    size_t revoking = held_count(value->partitions_pending_revocation.items,
                                 value->partitions_pending_revocation.count);
    size_t count = assigned + revoking;
    struct consumer_current *current =
        mem_calloc(1, sizeof *current + count * (sizeof(struct consumer_claim) +
                                                 sizeof(struct partition_item)));
    if (current == NULL) {
        return NULL;
    }
    ASSERT(member != NULL);
    current->claims = (struct consumer_claim *)(current + 1);
    struct partition_item *items = (struct partition_item *)(current->claims + count);
    struct consumer_holding *holding = &current->holding;
    *holding = (struct consumer_holding){
        .state = state_of(value->state),
        .epoch = value->member_epoch,
        .previous_epoch = value->previous_member_epoch,
        .assigned = held_set(items, value->assigned_partitions.items,
                             value->assigned_partitions.count, value->member_epoch),
        .revoking = held_set(items + assigned, value->partitions_pending_revocation.items,
                             value->partitions_pending_revocation.count, value->member_epoch),
    };
    for (size_t i = 0; i < holding->assigned.count; i++) {
        current->claims[current->claim_count++].item = holding->assigned.items[i];
    }
    for (size_t i = 0; i < holding->revoking.count; i++) {
        current->claims[current->claim_count++].item = holding->revoking.items[i];
    }
    ASSERT(current->claim_count <= count);
    for (size_t i = 0; i < current->claim_count; i++) {
        current->claims[i].member = member;
    }
    return current;
}

/* ---- record 16 ---- */

static int views_in_order(const void *a, const void *b)
{
    return string_view_compare(*(const struct string_view *)a, *(const struct string_view *)b);
}

struct consumer_expression *
consumer_expression_make(struct string_view regex,
                         const struct consumer_group_regular_expression_value *value)
{
    size_t count = value->topics.count > 0 ? (size_t)value->topics.count : 0;
    size_t bytes = regex.size;
    for (size_t i = 0; i < count; i++) {
        bytes += value->topics.items[i].size;
    }
    struct consumer_expression *expression =
        mem_calloc(1, sizeof *expression + count * sizeof(struct string_view) + bytes + 1);
    if (expression == NULL) {
        return NULL;
    }
    expression->topics = (struct string_view *)(expression + 1);
    char *at = (char *)(expression->topics + count);
    expression->regex = take_text(&at, regex);
    for (size_t i = 0; i < count; i++) {
        expression->topics[i] = take_text(&at, value->topics.items[i]);
    }
    if (count > 1) {
        qsort(expression->topics, count, sizeof *expression->topics, views_in_order);
    }
    for (size_t i = 0; i < count; i++) {
        size_t last = expression->topic_count;
        if (i == 0 || !string_view_equal(expression->topics[last - 1], expression->topics[i])) {
            expression->topics[expression->topic_count++] = expression->topics[i];
        }
    }
    expression->version = value->version;
    expression->timestamp_ms = value->timestamp;
    ASSERT(expression->topic_count <= count);
    return expression;
}
