/* Committed offsets: the store, and how records become part of it.
 *
 * Each partition of a group has versions, the newest first: those that are not committed yet, one
 * that is, and nothing behind that. What an append that failed has brought is dropped again. The
 * store outlives the group's own record, so that it does not matter which of the two compaction has
 * kept. Offsets of a transaction wait under its producer id for the marker that ends it.
 * Mirrors OffsetMetadataManager. */
#include <stdlib.h>

#include "coordinator/group/internal.h"

#define OFFSET_KEY_ARENA_BYTES (1u << 20)

/* An offset of an open transaction. */
struct transaction_offset {
    struct list node;
    struct runtime_change change; /* that it came */
    struct group_coordinator *owner;
    struct offset_transaction *transaction;
    struct string_view group;
    struct string_view topic;
    int32_t partition;
    int32_t forgotten; /* tombstones that came after it: then it is none */
    struct offset_version *version;
};
struct offset_transaction {
    struct list node; /* in the coordinator's */
    int64_t producer_id;
    struct list offsets;
};

static const void *offset_group_key_of(const void *element)
{
    return &((const struct offset_group *)element)->id;
}
static bool offset_group_has_key(const void *element, const void *key)
{
    return string_view_equal(((const struct offset_group *)element)->id,
                             *(const struct string_view *)key);
}

static uint64_t offset_key_hash(const void *key, uint64_t seed)
{
    const struct offset_key *place = key;
    return map_hash_bytes(place->topic.data, place->topic.size,
                          seed ^ (uint32_t)place->partition * 0x9e3779b97f4a7c15u);
}
static const void *entry_key_of(const void *element)
{
    return &((const struct offset_entry *)element)->key;
}
static bool entry_has_key(const void *element, const void *key)
{
    const struct offset_entry *entry = element;
    const struct offset_key *place = key;
    return entry->key.partition == place->partition &&
           string_view_equal(entry->key.topic, place->topic);
}

void offsets_init(struct group_coordinator *owner)
{
    text_table_init(&owner->offsets, owner->options.seed, offset_group_key_of,
                    offset_group_has_key);
    list_init(&owner->transactions);
}

static void version_free(struct offset_version *version)
{
    text_free(&version->metadata);
    mem_free(version);
}

static void entry_free(struct offset_entry *entry)
{
    struct offset_version *version = entry->newest;
    while (version != NULL) {
        struct offset_version *older = version->older;
        version_free(version);
        version = older;
    }
    text_free(&entry->key.topic);
    mem_free(entry);
}

static void transaction_free(struct offset_transaction *transaction)
{
    list_remove(&transaction->node);
    while (!list_empty(&transaction->offsets)) {
        struct transaction_offset *offset =
            CONTAINER_OF(transaction->offsets.next, struct transaction_offset, node);
        list_remove(&offset->node);
        version_free(offset->version);
        text_free(&offset->group);
        text_free(&offset->topic);
        mem_free(offset);
    }
    mem_free(transaction);
}

static void offset_group_free(struct offset_group *group)
{
    map_release(&group->entries);
    text_free(&group->id);
    mem_free(group);
}

void offsets_release(struct group_coordinator *owner)
{
    size_t cursor = 0;
    struct offset_group *group;
    while ((group = map_next(&owner->offsets, &cursor)) != NULL) {
        size_t at = 0;
        struct offset_entry *entry;
        while ((entry = map_next(&group->entries, &at)) != NULL) {
            entry_free(entry);
        }
        offset_group_free(group);
    }
    map_release(&owner->offsets);
    while (!list_empty(&owner->transactions)) {
        transaction_free(
            CONTAINER_OF(owner->transactions.next, struct offset_transaction, node));
    }
}

struct offset_group *offsets_of(const struct group_coordinator *owner, struct string_view group)
{
    return map_find(&owner->offsets, &group);
}

static const struct offset_version *visible(const struct offset_version *version)
{
    return version == NULL || version->deleted ? NULL : version;
}

const struct offset_version *offset_newest(const struct offset_entry *entry)
{
    return entry == NULL ? NULL : visible(entry->newest);
}

const struct offset_version *offset_committed(const struct offset_entry *entry)
{
    const struct offset_version *version = entry == NULL ? NULL : entry->newest;
    while (version != NULL && !version->settled) {
        version = version->older;
    }
    return visible(version);
}

struct offset_entry *offset_find(const struct offset_group *group, struct string_view topic,
                                 int32_t partition)
{
    struct offset_key key = {topic, partition};
    return group == NULL ? NULL : map_find(&group->entries, &key);
}

static int entries_by_key(const void *a, const void *b)
{
    const struct offset_key *first = &(*(struct offset_entry *const *)a)->key;
    const struct offset_key *second = &(*(struct offset_entry *const *)b)->key;
    int order = string_view_compare(first->topic, second->topic);
    return order != 0 ? order
                      : (first->partition > second->partition) -
                            (first->partition < second->partition);
}

struct offset_entry **offsets_sorted(const struct offset_group *group, size_t *count)
{
    *count = 0;
    if (group == NULL || group->entries.count == 0) {
        return NULL;
    }
    struct offset_entry **entries = mem_alloc(group->entries.count * sizeof *entries);
    size_t cursor = 0;
    struct offset_entry *entry;
    while (entries != NULL && (entry = map_next(&group->entries, &cursor)) != NULL) {
        entries[(*count)++] = entry;
    }
    if (*count > 1) {
        qsort(entries, *count, sizeof *entries, entries_by_key);
    }
    return entries;
}

static struct offset_group *offset_group_make(struct group_coordinator *owner,
                                              struct string_view id)
{
    struct offset_group *group = offsets_of(owner, id);
    if (group != NULL) {
        return group;
    }
    group = mem_calloc(1, sizeof *group);
    if (group == NULL) {
        return NULL;
    }
    group->entries = (struct map){.seed = owner->options.seed,
                                  .hash_key = offset_key_hash,
                                  .key_of = entry_key_of,
                                  .equal = entry_has_key};
    group->owner = owner;
    if (!text_copy(id, &group->id) || map_insert(&owner->offsets, group) != 0) {
        offset_group_free(group);
        return NULL;
    }
    return group;
}

static struct offset_entry *entry_make(struct offset_group *group, struct string_view topic,
                                       int32_t partition)
{
    struct offset_entry *entry = offset_find(group, topic, partition);
    if (entry != NULL) {
        return entry;
    }
    entry = mem_calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    ASSERT(group->owner != NULL);
    entry->group = group;
    entry->key.partition = partition;
    if (!text_copy(topic, &entry->key.topic) || map_insert(&group->entries, entry) != 0) {
        entry_free(entry);
        return NULL;
    }
    return entry;
}

/* An entry without versions goes, and so does a group without entries. */
static void entry_drop(struct offset_entry *entry)
{
    struct offset_group *group = entry->group;
    ASSERT(entry->newest == NULL);
    if (entry->pending > 0) {
        return;
    }
    void *taken = map_take(&group->entries, &entry->key);
    ASSERT(taken == entry);
    entry_free(entry);
    if (group->entries.count == 0) {
        taken = map_take(&group->owner->offsets, &group->id);
        ASSERT(taken == group);
        offset_group_free(group);
    }
}

/* Committed: what it replaced goes. Taken back: it goes itself, and it is the newest. */
static void version_settle(struct runtime_change *change, bool keep)
{
    struct offset_version *version = CONTAINER_OF(change, struct offset_version, change);
    struct offset_entry *entry = version->entry;
    struct group_counts *counts = &entry->group->owner->counts;
    if (!keep) {
        ASSERT(entry->newest == version && !version->settled);
        bool had = visible(version->older) != NULL;
        counts->offsets += (int64_t)had - (visible(version) != NULL);
        entry->newest = version->older;
        version_free(version);
        if (entry->newest != NULL && entry->newest->settled && entry->newest->deleted) {
            version_free(entry->newest);
            entry->newest = NULL;
        }
    } else {
        ASSERT(!version->settled);
        version->settled = true;
        struct offset_version *older = version->older;
        ASSERT(older == NULL || older->older == NULL);
        version->older = NULL;
        if (older != NULL) {
            version_free(older);
        }
        if (version->deleted && entry->newest == version) {
            entry->newest = NULL;
            version_free(version);
        }
    }
    if (entry->newest == NULL) {
        entry_drop(entry);
    }
}

/* Puts version, which it takes, on top of what there is. */
static int version_push(struct group_coordinator *owner, struct string_view group,
                        struct string_view topic, int32_t partition,
                        struct offset_version *version)
{
    struct offset_group *offsets = offset_group_make(owner, group);
    struct offset_entry *entry =
        offsets == NULL ? NULL : entry_make(offsets, topic, partition);
    if (entry == NULL) {
        version_free(version);
        return ERR_NOMEM;
    }
    ASSERT(owner->counts.offsets >= 0);
    owner->counts.offsets +=
        (int64_t)(visible(version) != NULL) - (visible(entry->newest) != NULL);
    ASSERT(version->older == NULL && version->entry == NULL);
    version->entry = entry;
    version->older = entry->newest;
    entry->newest = version;
    list_init(&version->change.node);
    version->change.settle = version_settle;
    runtime_note_change(owner->runtime, &version->change);
    return 0;
}

/* ---- transactions ---- */

static struct offset_transaction *transaction_find(struct group_coordinator *owner,
                                                   int64_t producer_id)
{
    LIST_FOR_EACH(node, &owner->transactions)
    {
        struct offset_transaction *found = CONTAINER_OF(node, struct offset_transaction, node);
        if (found->producer_id == producer_id) {
            return found;
        }
    }
    return NULL;
}

static struct offset_entry *transaction_entry(const struct transaction_offset *offset)
{
    return offset_find(offsets_of(offset->owner, offset->group), offset->topic,
                       offset->partition);
}

/* What it holds of its entry it gives back. */
static void transaction_offset_free(struct transaction_offset *offset)
{
    struct offset_entry *entry = transaction_entry(offset);
    ASSERT(entry != NULL && entry->pending > 0);
    list_remove(&offset->node);
    entry->pending--;
    if (entry->newest == NULL) {
        entry_drop(entry);
    }
    version_free(offset->version);
    text_free(&offset->group);
    text_free(&offset->topic);
    mem_free(offset);
}

static void transaction_offset_settle(struct runtime_change *change, bool keep)
{
    struct transaction_offset *offset = CONTAINER_OF(change, struct transaction_offset, change);
    struct offset_transaction *transaction = offset->transaction;
    if (keep) {
        return;
    }
    transaction_offset_free(offset);
    if (list_empty(&transaction->offsets)) {
        transaction_free(transaction);
    }
}

bool offsets_make_a_group(const struct offset_group *offsets)
{
    size_t cursor = 0;
    const struct offset_entry *entry;
    while ((entry = map_next(&offsets->entries, &cursor)) != NULL) {
        if (offset_newest(entry) != NULL) {
            return true;
        }
    }
    LIST_FOR_EACH(node, &offsets->owner->transactions)
    {
        LIST_FOR_EACH(at, &CONTAINER_OF(node, struct offset_transaction, node)->offsets)
        {
            const struct transaction_offset *offset =
                CONTAINER_OF(at, struct transaction_offset, node);
            if (offset->forgotten == 0 && string_view_equal(offset->group, offsets->id)) {
                return true;
            }
        }
    }
    return false;
}

static struct offset_transaction *transaction_need(struct group_coordinator *owner,
                                                   int64_t producer_id)
{
    struct offset_transaction *transaction = transaction_find(owner, producer_id);
    if (transaction == NULL && (transaction = mem_calloc(1, sizeof *transaction)) != NULL) {
        transaction->producer_id = producer_id;
        list_init(&transaction->offsets);
        list_push_back(&owner->transactions, &transaction->node);
    }
    return transaction;
}

/* Takes version. */
static int transaction_add(struct group_coordinator *owner, int64_t producer_id,
                           const struct offset_commit_key *key, struct offset_version *version)
{
    struct transaction_offset *offset = mem_calloc(1, sizeof *offset);
    struct offset_transaction *transaction =
        offset == NULL ? NULL : transaction_need(owner, producer_id);
    struct offset_group *group =
        transaction == NULL ? NULL : offset_group_make(owner, key->group);
    struct offset_entry *entry =
        group == NULL ? NULL : entry_make(group, key->topic, key->partition);
    if (entry == NULL || !text_copy(key->group, &offset->group) ||
        !text_copy(key->topic, &offset->topic)) {
        if (transaction != NULL && list_empty(&transaction->offsets)) {
            transaction_free(transaction);
        }
        if (entry != NULL && entry->newest == NULL) {
            entry_drop(entry);
        }
        if (offset != NULL) {
            text_free(&offset->group);
            mem_free(offset);
        }
        version_free(version);
        return ERR_NOMEM;
    }
    entry->pending++;
    offset->owner = owner;
    offset->transaction = transaction;
    offset->partition = key->partition;
    offset->version = version;
    list_push_back(&transaction->offsets, &offset->node);
    list_init(&offset->change.node);
    offset->change.settle = transaction_offset_settle;
    runtime_note_change(owner->runtime, &offset->change);
    return 0;
}

/* A transaction that has ended, until that is committed. */
struct transaction_end {
    struct runtime_change change;
    struct group_coordinator *owner;
    struct offset_transaction *transaction;
};

static void transaction_end_settle(struct runtime_change *base, bool keep)
{
    struct transaction_end *end = CONTAINER_OF(base, struct transaction_end, change);
    struct offset_transaction *transaction = end->transaction;
    if (!keep) {
        list_push_back(&end->owner->transactions, &transaction->node);
    } else {
        while (!list_empty(&transaction->offsets)) {
            transaction_offset_free(
                CONTAINER_OF(transaction->offsets.next, struct transaction_offset, node));
        }
        transaction_free(transaction);
    }
    mem_free(end);
}

static struct offset_version *version_copy(const struct offset_version *from)
{
    struct offset_version *version = mem_alloc(sizeof *version);
    if (version != NULL) {
        *version = *from;
        version->older = NULL;
        version->entry = NULL;
        if (!text_copy(from->metadata, &version->metadata)) {
            mem_free(version);
            version = NULL;
        }
    }
    return version;
}

/* A plain commit that came later than the transaction's stays. */
static int transaction_apply(struct group_coordinator *owner,
                             const struct transaction_offset *offset)
{
    const struct offset_entry *entry = transaction_entry(offset);
    ASSERT(entry != NULL && entry->pending > 0);
    const struct offset_version *newest = offset_newest(entry);
    if (offset->forgotten > 0 ||
        (newest != NULL && newest->order > offset->version->order)) {
        return 0;
    }
    struct offset_version *version = version_copy(offset->version);
    return version == NULL ? ERR_NOMEM
                           : version_push(owner, offset->group, offset->topic, offset->partition,
                                          version);
}

int offset_replay_marker(void *context, const struct runtime_marker *marker)
{
    struct group_coordinator *owner = context;
    struct offset_transaction *transaction = transaction_find(owner, marker->producer_id);
    if (transaction == NULL) {
        return 0;
    }
    struct transaction_end *end = mem_alloc(sizeof *end);
    int error = end == NULL ? ERR_NOMEM : 0;
    for (struct list *node = transaction->offsets.next;
         error == 0 && marker->commit && node != &transaction->offsets; node = node->next) {
        error = transaction_apply(owner, CONTAINER_OF(node, struct transaction_offset, node));
    }
    if (error != 0) {
        mem_free(end);
        return error;
    }
    *end = (struct transaction_end){{.settle = transaction_end_settle}, owner, transaction};
    list_init(&end->change.node);
    list_remove(&transaction->node); /* the producer's next one is another */
    runtime_note_change(owner->runtime, &end->change);
    return 0;
}

/* A tombstone that came after an offset of an open transaction. */
struct transaction_forgetting {
    struct runtime_change change;
    struct transaction_offset *offset;
};

static void forgetting_settle(struct runtime_change *base, bool keep)
{
    struct transaction_forgetting *forgetting =
        CONTAINER_OF(base, struct transaction_forgetting, change);
    forgetting->offset->forgotten -= !keep;
    mem_free(forgetting);
}

static int transaction_forget(struct group_coordinator *owner, struct transaction_offset *offset)
{
    struct transaction_forgetting *forgetting = mem_alloc(sizeof *forgetting);
    if (forgetting == NULL) {
        return ERR_NOMEM;
    }
    *forgetting = (struct transaction_forgetting){{.settle = forgetting_settle}, offset};
    list_init(&forgetting->change.node);
    offset->forgotten++;
    runtime_note_change(owner->runtime, &forgetting->change);
    return 0;
}

/* A tombstone ends what open transactions have for its partition. */
static int transactions_forget(struct group_coordinator *owner,
                               const struct offset_commit_key *key)
{
    int error = 0;
    LIST_FOR_EACH(node, &owner->transactions)
    {
        struct offset_transaction *transaction =
            CONTAINER_OF(node, struct offset_transaction, node);
        LIST_FOR_EACH(at, &transaction->offsets)
        {
            struct transaction_offset *offset =
                CONTAINER_OF(at, struct transaction_offset, node);
            if (error == 0 && offset->partition == key->partition &&
                string_view_equal(offset->topic, key->topic) &&
                string_view_equal(offset->group, key->group)) {
                error = transaction_forget(owner, offset);
            }
        }
    }
    return error;
}

/* ---- records ---- */

static int decode_value(int16_t type, struct bytes_view bytes, struct arena *arena,
                        struct offset_commit_value *value)
{
    struct reader reader;
    reader_init(&reader, bytes.data, bytes.size);
    int16_t version = reader_i16(&reader);
    if (reader.failed) {
        return ERR_CORRUPT;
    }
    if (type == GROUP_RECORD_OFFSET) {
        return offset_commit_value_decode(&reader, version, arena, value);
    }
    struct legacy_offset_commit_value legacy;
    int error = legacy_offset_commit_value_decode(&reader, version, arena, &legacy);
    offset_commit_value_default(value);
    if (error == 0) {
        value->offset = legacy.offset;
        value->metadata = legacy.metadata;
        value->commit_timestamp = legacy.commit_timestamp;
    }
    return error;
}

static struct offset_version *version_make(struct group_coordinator *owner,
                                           const struct offset_commit_value *value)
{
    struct offset_version *version = mem_calloc(1, sizeof *version);
    if (version == NULL) {
        return NULL;
    }
    version->order = owner->next_order++;
    ASSERT(owner->next_order > 0);
    version->expire_ms = -1;
    version->deleted = value == NULL;
    if (value != NULL) {
        version->offset = value->offset;
        version->leader_epoch = value->leader_epoch;
        version->commit_ms = value->commit_timestamp;
        version->expire_ms = value->expire_timestamp;
        version->topic_id = value->topic_id;
        if (!text_copy(value->metadata, &version->metadata)) {
            mem_free(version);
            return NULL;
        }
    }
    return version;
}

/* The simple group that comes with the first offset, gone again when that is taken back. */
struct simple_change {
    struct runtime_change change;
    struct group *group;
};

static void simple_settle(struct runtime_change *base, bool keep)
{
    struct simple_change *change = CONTAINER_OF(base, struct simple_change, change);
    struct group *group = change->group;
    if (keep) {
        group->committed = true; /* its end may be on its way already */
    } else if (group->state == CLASSIC_EMPTY && list_empty(&group->pendings)) {
        ASSERT(group_find(group->owner, group->id) == group);
        group_take(group);
        group_free(group);
    }
    mem_free(change);
}

static int need_group(struct group_coordinator *owner, struct string_view id)
{
    if (group_find(owner, id) != NULL) {
        return 0;
    }
    struct simple_change *change = mem_alloc(sizeof *change);
    struct group *group = change == NULL ? NULL : group_make(owner, id);
    if (group == NULL) {
        mem_free(change);
        return ERR_NOMEM;
    }
    group->simple = true;
    *change = (struct simple_change){.change.settle = simple_settle, .group = group};
    runtime_note_change(owner->runtime, &change->change);
    return 0;
}

static int replay_tombstone(struct group_coordinator *owner, const struct offset_commit_key *key)
{
    int error = transactions_forget(owner, key);
    if (error != 0 ||
        offset_find(offsets_of(owner, key->group), key->topic, key->partition) == NULL) {
        return error;
    }
    struct offset_version *version = version_make(owner, NULL);
    return version == NULL
               ? ERR_NOMEM
               : version_push(owner, key->group, key->topic, key->partition, version);
}

static int replay_offset(struct group_coordinator *owner, int16_t type,
                         const struct runtime_record *record, struct arena *arena)
{
    struct offset_commit_key key;
    struct offset_commit_value value;
    struct reader reader;
    reader_init(&reader, record->key.data, record->key.size);
    (void)reader_i16(&reader);
    int error = offset_commit_key_decode(&reader, 0, arena, &key);
    if (error != 0) {
        return error;
    }
    if (record->value.data == NULL) {
        return replay_tombstone(owner, &key);
    }
    error = decode_value(type, record->value, arena, &value);
    if (error != 0) {
        return error;
    }
    error = need_group(owner, key.group);
    struct offset_version *version = error == 0 ? version_make(owner, &value) : NULL;
    if (version == NULL) {
        return ERR_NOMEM;
    }
    if (record->producer_id >= 0) {
        return transaction_add(owner, record->producer_id, &key, version);
    }
    return version_push(owner, key.group, key.topic, key.partition, version);
}

int offset_replay(struct group_coordinator *owner, int16_t type,
                  const struct runtime_record *record)
{
    struct arena arena;
    arena_init(&arena, OFFSET_KEY_ARENA_BYTES);
    int error = replay_offset(owner, type, record, &arena);
    arena_release(&arena);
    return error;
}

void offset_write_tombstone(struct group_coordinator *owner, const struct offset_entry *entry)
{
    ASSERT(entry->group->owner == owner);
    struct offset_commit_key key = {entry->group->id, entry->key.topic, entry->key.partition};
    runtime_write(owner->runtime, GROUP_RECORD_OFFSET, &offset_commit_key_row, &key, NULL, 0,
                  NULL);
}

void offsets_write_end(struct group_coordinator *owner, struct string_view group)
{
    size_t count;
    struct offset_entry **entries = offsets_sorted(offsets_of(owner, group), &count);
    for (size_t i = 0; i < count; i++) {
        offset_write_tombstone(owner, entries[i]);
    }
    mem_free(entries);
}
