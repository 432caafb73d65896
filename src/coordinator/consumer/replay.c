/* Records of groups that use the consumer protocol become their state (types 3 to 8 and 16).
 *
 * Compaction may have left any of them out: none depends on another one being there. A group is
 * there as long as a record of it is in force, and a member as long as record 5 or 8 is. */
#include "coordinator/group/internal.h"

#define REPLAY_ARENA_BYTES (64u << 20)

/* What one record has replaced. */
struct consumer_change {
    struct runtime_change change;
    struct group *group;
    int16_t type;
    bool ended; /* it was the last one in force */
    struct consumer_member *member;
    struct string_view regex; /* the change's own */
    void *old;                /* the block that was there */
    bool had;                 /* record 3, 4 or 6 */
    int32_t epoch;
    int64_t number; /* hash, or time */
};

static void set_block(struct consumer_change *change, void *block, int *error)
{
    struct consumer_group *consumer = change->group->consumer;
    switch (change->type) {
    case GROUP_RECORD_CONSUMER_MEMBER:
        change->old = change->member->facts;
        *error = consumer_set_facts(change->member, block);
        break;
    case GROUP_RECORD_CONSUMER_TARGET:
        change->old = change->member->target;
        consumer_set_target(change->member, block);
        break;
    case GROUP_RECORD_CONSUMER_CURRENT:
        change->old = change->member->current;
        *error = consumer_set_current(change->member, block);
        break;
    default:
        ASSERT(change->type == GROUP_RECORD_CONSUMER_EXPRESSION);
        change->old = consumer_expression_find(consumer, change->regex);
        *error = consumer_set_expression(consumer, change->regex, block);
        break;
    }
}

/* Puts the numbers of record 3, 4 or 6 in, and what was there into change. */
static void swap_numbers(struct consumer_change *change)
{
    struct consumer_group *consumer = change->group->consumer;
    struct consumer_change now = *change;
    switch (change->type) {
    case GROUP_RECORD_CONSUMER_EPOCH:
        change->had = consumer->has_epoch;
        change->epoch = consumer->epoch;
        change->number = consumer->metadata_hash;
        consumer->has_epoch = now.had;
        consumer->epoch = now.epoch;
        consumer->metadata_hash = now.number;
        break;
    case GROUP_RECORD_CONSUMER_PARTITIONS:
        change->had = consumer->has_partition_metadata;
        consumer->has_partition_metadata = now.had;
        break;
    default:
        ASSERT(change->type == GROUP_RECORD_CONSUMER_TARGET_EPOCH);
        change->had = consumer->has_assignment_epoch;
        change->epoch = consumer->assignment_epoch;
        change->number = consumer->assignment_ms;
        consumer->has_assignment_epoch = now.had;
        consumer->assignment_epoch = now.epoch;
        consumer->assignment_ms = now.number;
        break;
    }
}

static bool has_numbers(int16_t type)
{
    return type == GROUP_RECORD_CONSUMER_EPOCH || type == GROUP_RECORD_CONSUMER_PARTITIONS ||
           type == GROUP_RECORD_CONSUMER_TARGET_EPOCH;
}

static void change_take_back(struct consumer_change *change)
{
    struct group *group = change->group;
    ASSERT(change->ended == (group_find(group->owner, group->id) != group));
    if (change->ended) {
        group_put_back(group);
    }
    consumer_count_later(group->consumer);
    if (has_numbers(change->type)) {
        swap_numbers(change);
        return;
    }
    void *older = change->old;
    int error = 0;
    set_block(change, older, &error);
    ASSERT(error == 0);
    mem_free(change->old); /* what the record had brought */
}

static void change_settle(struct runtime_change *base, bool keep)
{
    struct consumer_change *change = CONTAINER_OF(base, struct consumer_change, change);
    struct group *group = change->group;
    ASSERT(group->kind == GROUP_CONSUMER && group->consumer->changes > 0);
    if (keep) {
        mem_free(has_numbers(change->type) ? NULL : change->old);
    } else {
        change_take_back(change);
    }
    group->consumer->changes--;
    if (change->member != NULL) {
        ASSERT(change->member->changes > 0 && change->member->group == group);
        change->member->changes--;
        consumer_entry_release(change->member);
    }
    if (keep && change->ended) {
        group_free(group);
    } else if (!keep && consumer_group_is_void(group->consumer)) {
        group_take(group);
        group_free(group);
    }
    text_free(&change->regex);
    mem_free(change);
}

/* The group, made where there is none, and in place of one of another kind: that has ended, though
 * compaction may have taken the record that says so. */
static struct group *replay_group_of(struct group_coordinator *owner, struct string_view id)
{
    struct group *group = group_find(owner, id);
    if (group != NULL && group->kind != GROUP_CONSUMER) {
        group_take(group);
        group_free(group);
        group = NULL;
    }
    return group != NULL ? group : group_make_consumer(owner, id);
}

/* Made for a record that could not be kept. */
static void forget_unused(struct group *group, struct consumer_member *member)
{
    if (member != NULL) {
        consumer_entry_release(member);
    }
    if (group->consumer->changes == 0 && consumer_group_is_void(group->consumer)) {
        group_take(group);
        group_free(group);
    }
}

static int change_note(struct consumer_change *change)
{
    struct group *group = change->group;
    ASSERT(group_find(group->owner, group->id) == group);
    group->consumer->changes++;
    if (change->member != NULL) {
        change->member->changes++;
    }
    consumer_count_later(group->consumer);
    change->ended = consumer_group_is_void(group->consumer);
    if (change->ended) {
        group_take(group);
    }
    runtime_note_change(group->owner->runtime, &change->change);
    return 0;
}

/* block NULL: a tombstone. The block is taken, also on an error. */
static int replace_block(struct group *group, struct consumer_member *member, int16_t type,
                         struct string_view regex, void *block)
{
    struct consumer_change *change = mem_calloc(1, sizeof *change);
    int error = change == NULL || !text_copy(regex, &change->regex) ? ERR_NOMEM : 0;
    if (error == 0) {
        change->change.settle = change_settle;
        change->group = group;
        change->member = member;
        change->type = type;
        set_block(change, block, &error);
    }
    if (error != 0) {
        mem_free(block);
        if (change != NULL) {
            text_free(&change->regex);
        }
        mem_free(change);
        forget_unused(group, member);
        return error;
    }
    return change_note(change);
}

static int replace_numbers(struct group *group, int16_t type, bool has, int32_t epoch,
                           int64_t number)
{
    struct consumer_change *change = mem_calloc(1, sizeof *change);
    if (change == NULL) {
        forget_unused(group, NULL);
        return ERR_NOMEM;
    }
    *change = (struct consumer_change){.change.settle = change_settle,
                                       .group = group,
                                       .type = type,
                                       .had = has,
                                       .epoch = epoch,
                                       .number = number};
    swap_numbers(change);
    return change_note(change);
}

/* ---- by type ---- */

/* A record with a value, on its way into the group. */
struct incoming {
    struct group *group;
    int16_t type;
    struct string_view second; /* of the key */
    bool own;                  /* written just now */
    struct reader reader;
    struct arena arena;
};

/* Epochs that a broker can have written, far enough from the last number to go on from there. */
#define LOADED_EPOCH_MAX (INT32_MAX - (1 << 20))
static bool epoch_is_sound(const struct incoming *in, int32_t epoch, int32_t least)
{
    return in->own || (epoch >= least && epoch <= LOADED_EPOCH_MAX);
}

static int replay_epoch(struct incoming *in)
{
    struct consumer_group_metadata_value value;
    int error = consumer_group_metadata_value_decode(&in->reader, 0, &in->arena, &value);
    if (error == 0 && !epoch_is_sound(in, value.epoch, 0)) {
        error = ERR_CORRUPT;
    }
    if (error != 0) {
        forget_unused(in->group, NULL);
        return error;
    }
    return replace_numbers(in->group, in->type, true, value.epoch, value.metadata_hash);
}

static int replay_target_epoch(struct incoming *in)
{
    struct consumer_group_target_assignment_metadata_value value;
    int error = consumer_group_target_assignment_metadata_value_decode(&in->reader, 0, &in->arena,
                                                                       &value);
    if (error == 0 && !epoch_is_sound(in, value.assignment_epoch, 0)) {
        error = ERR_CORRUPT;
    }
    if (error != 0) {
        forget_unused(in->group, NULL);
        return error;
    }
    return replace_numbers(in->group, in->type, true, value.assignment_epoch,
                           value.assignment_timestamp);
}

/* The block that a value of a member's record becomes. */
static int member_block(struct incoming *in, struct consumer_member *member, void **block)
{
    int error;
    if (in->type == GROUP_RECORD_CONSUMER_MEMBER) {
        struct consumer_group_member_metadata_value value;
        error = consumer_group_member_metadata_value_decode(&in->reader, 0, &in->arena, &value);
        *block = error != 0 ? NULL : consumer_facts_make(member, &value);
    } else if (in->type == GROUP_RECORD_CONSUMER_TARGET) {
        struct consumer_group_target_assignment_member_value value;
        error = consumer_group_target_assignment_member_value_decode(&in->reader, 0, &in->arena,
                                                                     &value);
        *block = error != 0 ? NULL : consumer_target_make(&value);
    } else {
        struct consumer_group_current_member_assignment_value value;
        ASSERT(in->type == GROUP_RECORD_CONSUMER_CURRENT);
        error = consumer_group_current_member_assignment_value_decode(&in->reader, 0, &in->arena,
                                                                      &value);
        if (error == 0 &&
            !epoch_is_sound(in, value.member_epoch, CONSUMER_LEAVE_STATIC_EPOCH)) {
            error = ERR_CORRUPT;
        }
        *block = error != 0 ? NULL : consumer_current_make(member, &value);
    }
    return error == 0 && *block == NULL ? ERR_NOMEM : error;
}

static int replay_member(struct incoming *in)
{
    struct consumer_member *member = consumer_entry_find(in->group->consumer, in->second);
    void *block = NULL;
    if (member == NULL) {
        member = consumer_entry_make(in->group->consumer, in->second);
    }
    int error = member == NULL ? ERR_NOMEM : member_block(in, member, &block);
    if (error != 0) {
        forget_unused(in->group, member);
        return error;
    }
    return replace_block(in->group, member, in->type, (struct string_view){NULL, 0}, block);
}

static int replay_expression(struct incoming *in)
{
    struct consumer_group_regular_expression_value value;
    int error =
        consumer_group_regular_expression_value_decode(&in->reader, 0, &in->arena, &value);
    void *block = error != 0 ? NULL : consumer_expression_make(in->second, &value);
    if (block == NULL) {
        forget_unused(in->group, NULL);
        return error != 0 ? error : ERR_NOMEM;
    }
    return replace_block(in->group, NULL, in->type, in->second, block);
}

/* What ends is of a group that is there, or it has ended before. */
static int replay_tombstone(struct group *group, int16_t type, struct string_view second)
{
    struct consumer_group *consumer = group->consumer;
    ASSERT(group->kind == GROUP_CONSUMER && consumer != NULL);
    if (type == GROUP_RECORD_CONSUMER_EXPRESSION) {
        return consumer_expression_find(consumer, second) == NULL
                   ? 0
                   : replace_block(group, NULL, type, second, NULL);
    }
    if (type == GROUP_RECORD_CONSUMER_EPOCH) {
        return !consumer->has_epoch
                   ? 0
                   : replace_numbers(group, type, false, CONSUMER_FIRST_EPOCH, 0);
    }
    if (type == GROUP_RECORD_CONSUMER_TARGET_EPOCH) {
        return !consumer->has_assignment_epoch
                   ? 0
                   : replace_numbers(group, type, false, CONSUMER_FIRST_EPOCH, 0);
    }
    if (type == GROUP_RECORD_CONSUMER_PARTITIONS) {
        return !consumer->has_partition_metadata ? 0 : replace_numbers(group, type, false, 0, 0);
    }
    struct consumer_member *member = consumer_entry_find(consumer, second);
    const void *block = member == NULL                           ? NULL
                        : type == GROUP_RECORD_CONSUMER_MEMBER   ? (void *)member->facts
                        : type == GROUP_RECORD_CONSUMER_TARGET   ? (void *)member->target
                                                                 : (void *)member->current;
    return block == NULL
               ? 0
               : replace_block(group, member, type, (struct string_view){NULL, 0}, NULL);
}

/* Keys: group, and for some a second text. */
static bool read_key(struct reader *reader, int16_t type, struct string_view *id,
                     struct string_view *second)
{
    struct string_view *const parts[] = {id, second};
    bool has_second = type == GROUP_RECORD_CONSUMER_MEMBER ||
                      type == GROUP_RECORD_CONSUMER_TARGET ||
                      type == GROUP_RECORD_CONSUMER_CURRENT ||
                      type == GROUP_RECORD_CONSUMER_EXPRESSION;
    for (size_t i = 0; i < (has_second ? 2u : 1u); i++) {
        int16_t size = reader_i16(reader);
        const uint8_t *text = size < 0 ? NULL : reader_take(reader, (size_t)size);
        if (text == NULL) {
            return false;
        }
        *parts[i] = (struct string_view){(const char *)text, (size_t)size};
    }
    return true;
}

static int replay_value(struct group_coordinator *owner, struct string_view id,
                        struct incoming *in)
{
    int16_t version = reader_i16(&in->reader);
    if (in->reader.failed || version != 0) {
        return ERR_CORRUPT;
    }
    in->group = replay_group_of(owner, id);
    if (in->group == NULL) {
        return ERR_NOMEM;
    }
    switch (in->type) {
    case GROUP_RECORD_CONSUMER_EPOCH:
        return replay_epoch(in);
    case GROUP_RECORD_CONSUMER_TARGET_EPOCH:
        return replay_target_epoch(in);
    case GROUP_RECORD_CONSUMER_PARTITIONS:
        return replace_numbers(in->group, in->type, true, 0, 0);
    case GROUP_RECORD_CONSUMER_EXPRESSION:
        return replay_expression(in);
    default:
        return replay_member(in);
    }
}

int consumer_replay(struct group_coordinator *owner, int16_t type,
                    const struct runtime_record *record)
{
    struct string_view id;
    struct string_view second = {NULL, 0};
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    if (!read_key(&reader, type, &id, &second)) {
        return ERR_CORRUPT;
    }
    if (record->value.data != NULL) {
        struct incoming in = {.type = type, .second = second, .own = record->offset < 0};
        reader_init(&in.reader, record->value.data, record->value.size);
        arena_init(&in.arena, REPLAY_ARENA_BYTES);
        int error = replay_value(owner, id, &in);
        arena_release(&in.arena);
        return error;
    }
    struct group *group = group_find(owner, id);
    return group == NULL || group->kind != GROUP_CONSUMER ? 0
                                                           : replay_tombstone(group, type, second);
}
