/* Groups of protocols that are not coordinated here: what the log says of them is kept as it is, so
 * that nothing is lost, and so that such a group can be told of and ended. */
#include "coordinator/group/internal.h"

const char *kept_kind_name(enum group_kind kind)
{
    static const char *const names[] = {
        [GROUP_CLASSIC] = "classic",
        [GROUP_CONSUMER] = "consumer",
        [GROUP_SHARE] = "share",
        [GROUP_STREAMS] = "streams",
    };
    return names[kind];
}

const char *kept_protocol_type(enum group_kind kind)
{
    static const char *const types[] = {
        [GROUP_CLASSIC] = "",
        [GROUP_CONSUMER] = "consumer",
        [GROUP_SHARE] = "share",
        [GROUP_STREAMS] = "streams",
    };
    return types[kind];
}

bool kept_has_members(const struct group *group)
{
    LIST_FOR_EACH(node, &group->kept)
    {
        int16_t type = CONTAINER_OF(node, struct kept_record, node)->type;
        if (type == GROUP_RECORD_SHARE_MEMBER || type == GROUP_RECORD_STREAMS_MEMBER) {
            return true;
        }
    }
    return false;
}

static void kept_free(struct kept_record *record)
{
    bytes_free(&record->key);
    bytes_free(&record->value);
    mem_free(record);
}

void kept_release(struct group *group)
{
    while (!list_empty(&group->kept)) {
        struct kept_record *record = CONTAINER_OF(group->kept.next, struct kept_record, node);
        list_remove(&record->node);
        kept_free(record);
    }
}

static enum group_kind kind_of(int16_t type)
{
    ASSERT(type >= GROUP_RECORD_SHARE_FIRST && type <= GROUP_RECORD_STREAMS_LAST);
    return type <= GROUP_RECORD_SHARE_LAST ? GROUP_SHARE : GROUP_STREAMS;
}

static struct kept_record *kept_find(const struct group *group, struct bytes_view key)
{
    LIST_FOR_EACH(node, &group->kept)
    {
        struct kept_record *record = CONTAINER_OF(node, struct kept_record, node);
        if (record->key.size == key.size && memcmp(record->key.data, key.data, key.size) == 0) {
            return record;
        }
    }
    return NULL;
}

/* A record that went, and its group when it was the last one. */
struct kept_change {
    struct runtime_change change;
    struct group *group;
    struct kept_record *record;
    bool last;
};

static void kept_settle(struct runtime_change *base, bool keep)
{
    struct kept_change *change = CONTAINER_OF(base, struct kept_change, change);
    ASSERT(change->record != NULL && change->group->kind != GROUP_CLASSIC);
    if (!keep) {
        list_push_back(&change->group->kept, &change->record->node);
        if (change->last) {
            group_put_back(change->group);
        }
    } else {
        kept_free(change->record);
        if (change->last) {
            group_free(change->group);
        }
    }
    mem_free(change);
}

static int kept_remove(struct group *group, struct kept_record *record)
{
    struct kept_change *change = mem_alloc(sizeof *change);
    ASSERT(group->kind != GROUP_CLASSIC && !list_empty(&group->kept));
    if (change == NULL) {
        return ERR_NOMEM;
    }
    list_remove(&record->node);
    *change = (struct kept_change){.change.settle = kept_settle,
                                   .group = group,
                                   .record = record,
                                   .last = list_empty(&group->kept)};
    if (change->last) {
        group_take(group);
    }
    runtime_note_change(group->owner->runtime, &change->change);
    return 0;
}

/* The group as one of that kind: what it was before by other records, the newer ones replace. */
static struct group *kept_group(struct group_coordinator *owner, struct string_view id,
                                enum group_kind kind)
{
    struct group *group = group_find(owner, id);
    if (group != NULL && group->kind != kind) {
        group_take(group);
        group_free(group);
        group = NULL;
    }
    if (group == NULL) {
        group = group_make(owner, id);
        if (group != NULL) {
            group_set_kind(group, kind);
            group->committed = true;
        }
    }
    return group;
}

static int kept_add(struct group_coordinator *owner, struct string_view id, int16_t type,
                    const struct runtime_record *record)
{
    struct kept_record *added = mem_calloc(1, sizeof *added);
    struct group *group = added == NULL ? NULL : kept_group(owner, id, kind_of(type));
    if (group == NULL) {
        mem_free(added);
        return ERR_NOMEM;
    }
    added->type = type;
    list_init(&added->node);
    if (!bytes_copy(record->key, &added->key) || !bytes_copy(record->value, &added->value)) {
        kept_free(added);
        return ERR_NOMEM;
    }
    struct kept_record *older = kept_find(group, record->key);
    list_push_back(&group->kept, &added->node);
    return older == NULL ? 0 : kept_remove(group, older);
}

int kept_replay(struct group_coordinator *owner, int16_t type, const struct runtime_record *record)
{
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    int16_t size = reader_i16(&reader);
    const uint8_t *text = size < 0 ? NULL : reader_take(&reader, (size_t)size);
    if (text == NULL) {
        return ERR_CORRUPT;
    }
    struct string_view id = {(const char *)text, (size_t)size};
    if (record->value.data != NULL) {
        return kept_add(owner, id, type, record);
    }
    /* A tombstone whose record compaction has taken, or of a group that is classic by now. */
    struct group *group = group_find(owner, id);
    struct kept_record *older =
        group == NULL || group->kind == GROUP_CLASSIC ? NULL : kept_find(group, record->key);
    return older == NULL ? 0 : kept_remove(group, older);
}
