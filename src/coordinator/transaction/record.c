/* Records of __transaction_state: written from what a transaction shall become, and read back,
 * whether they were just written or come from the log. Compaction may have taken every earlier one
 * of the id: what a record says never depends on one. Mirrors TransactionLog. */
#include "coordinator/transaction/internal.h"

#define REPLAY_ARENA_BYTES (64u << 20)

typedef struct transaction_log_value_partitions_schema value_topic;

/* Neighbours of the same topic become one; false: no memory. *ids is mem_free-able, and so are the
 * items of value. */
static bool fill_partitions(const struct transaction_set *set, struct transaction_log_value *value,
                            int32_t **ids)
{
    size_t count = (size_t)set->count;
    *ids = mem_alloc((count + 1) * sizeof **ids);
    value->transaction_partitions.items =
        mem_alloc((count + 1) * sizeof *value->transaction_partitions.items);
    value->transaction_partitions.count = 0;
    if (*ids == NULL || value->transaction_partitions.items == NULL) {
        return false;
    }
    value_topic *topic = NULL;
    for (size_t i = 0; i < count; i++) {
        (*ids)[i] = set->items[i].partition;
        if (topic == NULL || !string_view_equal(topic->topic, set->items[i].topic)) {
            topic = &value->transaction_partitions.items[value->transaction_partitions.count++];
            *topic = (value_topic){.topic = set->items[i].topic};
            topic->partition_ids.items = &(*ids)[i];
        }
        topic->partition_ids.count++;
    }
    return true;
}

void transaction_write(struct transaction *transaction, const struct transaction_facts *facts)
{
    struct transaction_coordinator *owner = transaction->owner;
    ASSERT(!transaction->writing && facts->producer_id >= 0 && facts->producer_epoch >= 0);
    ASSERT(facts->status != TRANSACTION_EMPTY || facts->partitions.count == 0);
    struct transaction_log_key key = {transaction->id};
    struct transaction_log_value value;
    transaction_log_value_default(&value);
    value.producer_id = facts->producer_id;
    value.previous_producer_id = transaction->now.producer_id;
    value.next_producer_id = facts->next_producer_id;
    value.producer_epoch = facts->producer_epoch;
    value.transaction_timeout_ms = facts->timeout_ms;
    value.transaction_status = (int8_t)facts->status;
    value.transaction_last_update_timestamp_ms = facts->updated_ms;
    value.transaction_start_timestamp_ms = facts->started_ms;
    value.client_transaction_version = facts->version;
    bool tagged = owner->version >= TRANSACTION_VERSION_TAGGED;
    int32_t *ids = NULL;
    value.transaction_partitions.items = NULL;
    value.transaction_partitions.count = -1;
    if (!tagged) { /* these have no place in version 0, which Apache Kafka does without */
        value.previous_producer_id = value.next_producer_id = -1;
        value.client_transaction_version = 0;
    }
    if (facts->status == TRANSACTION_EMPTY || fill_partitions(&facts->partitions, &value, &ids)) {
        transaction->next_last_epoch = facts->last_producer_epoch;
        runtime_write(owner->runtime, TRANSACTION_RECORD, &transaction_log_key_row, &key,
                      &transaction_log_value_row, tagged ? 1 : 0, &value);
    } else {
        runtime_fail(owner->runtime);
    }
    mem_free(value.transaction_partitions.items);
    mem_free(ids);
}

void transaction_write_tombstone(struct transaction *transaction)
{
    struct transaction_log_key key = {transaction->id};
    ASSERT(transaction->exists && transaction_is_at_rest(transaction));
    runtime_write(transaction->owner->runtime, TRANSACTION_RECORD, &transaction_log_key_row, &key,
                  NULL, 0, NULL);
}

static void change_settle(struct runtime_change *change, bool keep)
{
    struct transaction *transaction = CONTAINER_OF(change, struct transaction, change);
    ASSERT(transaction->writing);
    if (keep && !transaction->removing) {
        transaction_move(transaction);
        return;
    }
    transaction_set_release(&transaction->next.partitions);
    transaction->next = (struct transaction_facts){0};
    transaction->writing = false;
    bool gone = keep || !transaction->exists;
    transaction->removing = false;
    if (gone) {
        transaction_remove(transaction);
    }
}

void transaction_change_init(struct transaction *transaction)
{
    list_init(&transaction->change.node);
    transaction->change.settle = change_settle;
}

/* All that the value names, in one array; NULL: no memory. */
static struct transaction_partition *list_partitions(const struct transaction_log_value *value,
                                                     struct arena *arena, size_t *count)
{
    size_t room = 0;
    *count = 0;
    for (int32_t i = 0; i < value->transaction_partitions.count; i++) {
        int32_t more = value->transaction_partitions.items[i].partition_ids.count;
        room += more > 0 ? (size_t)more : 0;
    }
    struct transaction_partition *items = arena_array(arena, room, sizeof *items);
    for (int32_t i = 0; items != NULL && i < value->transaction_partitions.count; i++) {
        const value_topic *topic = &value->transaction_partitions.items[i];
        for (int32_t j = 0; j < topic->partition_ids.count; j++) {
            items[(*count)++] =
                (struct transaction_partition){topic->topic, topic->partition_ids.items[j]};
        }
    }
    ASSERT(items == NULL || *count == room);
    return items;
}

static int decode_value(struct bytes_view bytes, struct arena *arena,
                        struct transaction_facts *facts)
{
    struct reader reader;
    struct transaction_log_value value;
    reader_init(&reader, bytes.data, bytes.size);
    int16_t version = reader_i16(&reader);
    int error = reader.failed ? ERR_CORRUPT
                              : transaction_log_value_decode(&reader, version, arena, &value);
    if (error != 0) {
        return error == ERR_NOMEM ? error : ERR_CORRUPT;
    }
    if (value.producer_id < 0 || value.producer_epoch < 0 || value.transaction_status < 0 ||
        value.transaction_status >= TRANSACTION_STATUS_COUNT) {
        return ERR_CORRUPT;
    }
    *facts = (struct transaction_facts){
        .producer_id = value.producer_id,
        .previous_producer_id = value.previous_producer_id,
        .next_producer_id = value.next_producer_id,
        .producer_epoch = value.producer_epoch,
        .last_producer_epoch = -1,
        .version = value.client_transaction_version,
        .timeout_ms = value.transaction_timeout_ms,
        .status = (enum transaction_status)value.transaction_status,
        .updated_ms = value.transaction_last_update_timestamp_ms,
        .started_ms = value.transaction_start_timestamp_ms,
    };
    bool complete = facts->status == TRANSACTION_COMPLETE_COMMIT ||
                    facts->status == TRANSACTION_COMPLETE_ABORT;
    if (facts->status == TRANSACTION_EMPTY || complete) {
        return 0; /* they have none, whatever a record says */
    }
    struct transaction_set none = {NULL, 0};
    size_t count;
    struct transaction_partition *items = list_partitions(&value, arena, &count);
    bool whole = items != NULL && transaction_set_join(&none, items, (int32_t)count,
                                                       &facts->partitions);
    return whole ? 0 : ERR_NOMEM;
}

static int replay_tombstone(struct transaction *transaction, bool loading)
{
    if (transaction == NULL) {
        return 0;
    }
    ASSERT(loading || !transaction->writing);
    if (loading) {
        transaction_remove(transaction);
        return 0;
    }
    transaction->writing = transaction->removing = true;
    runtime_note_change(transaction->owner->runtime, &transaction->change);
    return 0;
}

/* From the log any state may follow any other: compaction takes those between. */
static void take_loaded(struct transaction *transaction, const struct transaction_facts *facts)
{
    struct transaction_counts *counts = &transaction->owner->counts;
    counts->ongoing += (int64_t)(facts->status == TRANSACTION_ONGOING) -
                       (transaction->now.status == TRANSACTION_ONGOING);
    transaction_set_release(&transaction->now.partitions);
    transaction->now = *facts;
    transaction->exists = true;
    transaction_check(transaction);
}

static int replay_decoded(struct transaction_coordinator *owner,
                          const struct runtime_record *record, struct arena *arena)
{
    struct transaction_log_key key;
    struct transaction_facts facts;
    struct reader reader;
    bool loading = record->offset >= 0;
    reader_init(&reader, record->key.data, record->key.size);
    int16_t type = reader_i16(&reader);
    int error = reader.failed || type != TRANSACTION_RECORD
                    ? ERR_CORRUPT
                    : transaction_log_key_decode(&reader, 0, arena, &key);
    if (error != 0) {
        return error == ERR_NOMEM ? error : ERR_CORRUPT;
    }
    struct transaction *transaction = transaction_find(owner, key.transactional_id);
    if (record->value.data == NULL) {
        return replay_tombstone(transaction, loading);
    }
    error = decode_value(record->value, arena, &facts);
    if (error != 0) {
        return error;
    }
    if (transaction == NULL) {
        ASSERT(loading); /* what writes one has made it before */
        transaction = transaction_make(owner, key.transactional_id);
    }
    if (transaction == NULL) {
        transaction_set_release(&facts.partitions);
        return ERR_NOMEM;
    }
    if (loading) {
        take_loaded(transaction, &facts);
        return 0;
    }
    ASSERT(!transaction->writing);
    facts.last_producer_epoch = transaction->next_last_epoch;
    transaction->next = facts;
    transaction->writing = true;
    runtime_note_change(owner->runtime, &transaction->change);
    return 0;
}

int transaction_replay(void *context, const struct runtime_record *record)
{
    struct arena arena;
    ASSERT(record->offset >= -1);
    arena_init(&arena, REPLAY_ARENA_BYTES);
    int error = replay_decoded(context, record, &arena);
    arena_release(&arena);
    return error;
}
