#include "model.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"

#define VALUE_PRODUCER_SHIFT 32

void model_init(struct model *model, struct sim *sim)
{
    *model = (struct model){.sim = sim};
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        snprintf(model->topics[i].name, sizeof model->topics[i].name, "topic-%d", i);
        model->topics[i].durable = sim_chance(sim, 50);
        model->topics[i].compacted = sim_chance(sim, 50);
    }
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        model->producers[i].idempotent = i % 2 == 0;
    }
}

void model_release(struct model *model)
{
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        for (int32_t j = 0; j < MODEL_PARTITIONS; j++) {
            mem_free(model->topics[i].partitions[j].slots);
        }
    }
    for (int32_t i = 0; i < MODEL_PRODUCERS; i++) {
        mem_free(model->producers[i].records);
    }
}

struct model_topic *model_topic_of_id(struct model *model, struct uuid id)
{
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        if (uuid_equal(model->topics[i].id, id)) {
            return &model->topics[i];
        }
    }
    return NULL;
}

uint64_t model_send(struct model *model, int32_t producer, int32_t topic, int32_t partition)
{
    struct model_producer *from = &model->producers[producer];
    int error = mem_grow((void **)&from->records, &from->capacity, from->count + 1,
                         sizeof *from->records);
    ASSERT(error == 0);
    from->records[from->count++] = (struct model_record){
        (int8_t)topic, (int8_t)partition, model->topics[topic].generation, -1};
    return (uint64_t)(producer + 1) << VALUE_PRODUCER_SHIFT | (from->count - 1);
}

static struct model_record *model_record(struct model *model, uint64_t value)
{
    uint64_t producer = (value >> VALUE_PRODUCER_SHIFT) - 1;
    uint64_t counter = value & UINT32_MAX;
    return producer < MODEL_PRODUCERS && counter < model->producers[producer].count
               ? &model->producers[producer].records[counter]
               : NULL;
}

static struct model_slot *partition_slot(struct model_partition *partition, int64_t offset)
{
    size_t needed = (size_t)offset + 1;
    int error = mem_grow((void **)&partition->slots, &partition->capacity, needed,
                         sizeof *partition->slots);
    ASSERT(error == 0);
    while (partition->count < needed) {
        partition->slots[partition->count++] = (struct model_slot){.value = 0};
    }
    return &partition->slots[offset];
}

/* One more fact: value is at offset. */
static struct model_slot *model_learn(struct model *model, int32_t topic, int32_t partition,
                                      int64_t offset, uint64_t value, const char *how)
{
    struct model_topic *of = &model->topics[topic];
    struct model_record *record = model_record(model, value);
    if (offset < 0 || offset > INT32_MAX) {
        sim_fail(model->sim, "%s-%d: offset %" PRId64 " %s", of->name, partition, offset, how);
        return NULL;
    }
    if (record == NULL || record->topic != topic || record->partition != partition ||
        record->generation != of->generation) {
        sim_fail(model->sim, "%s-%d: %" PRIx64 " %s at %" PRId64 ", but nobody sent it there",
                 of->name, partition, value, how, offset);
        return NULL;
    }
    if (record->offset >= 0 && record->offset != offset) {
        sim_fail(model->sim, "%s-%d: %" PRIx64 " %s at %" PRId64 ", it was at %" PRId64, of->name,
                 partition, value, how, offset, record->offset);
        return NULL;
    }
    struct model_slot *slot = partition_slot(&of->partitions[partition], offset);
    if (slot->value != 0 && slot->value != value) {
        sim_fail(model->sim, "%s-%d: %" PRIx64 " %s at %" PRId64 ", where %" PRIx64 " was",
                 of->name, partition, value, how, offset, slot->value);
        return NULL;
    }
    slot->value = value;
    record->offset = offset;
    return slot;
}

void model_acknowledge(struct model *model, int32_t topic, int32_t partition, int64_t offset,
                       uint64_t value)
{
    struct model_slot *slot =
        model_learn(model, topic, partition, offset, value, "was acknowledged");
    if (slot != NULL) {
        slot->acknowledged = true;
    }
}

/* Records of an idempotent producer stand in the order in which they were sent. */
static void model_check_order(struct model *model, const struct model_topic *topic,
                              const struct model_partition *partition, int64_t offset,
                              uint64_t value)
{
    uint64_t producer = value >> VALUE_PRODUCER_SHIFT;
    if (!model->producers[producer - 1].idempotent) {
        return;
    }
    for (int64_t before = offset - 1; before >= 0; before--) {
        uint64_t other = partition->slots[before].value;
        if (other >> VALUE_PRODUCER_SHIFT == producer) {
            if (other >= value) {
                sim_fail(model->sim, "%s: %" PRIx64 " at %" PRId64 " before %" PRIx64, topic->name,
                         other, before, value);
            }
            return;
        }
    }
}

void model_read(struct model *model, int32_t topic, int32_t partition, int64_t offset,
                uint64_t value)
{
    struct model_slot *slot = model_learn(model, topic, partition, offset, value, "was read");
    if (slot != NULL) {
        slot->seen = true;
        model_check_order(model, &model->topics[topic],
                          &model->topics[topic].partitions[partition], offset, value);
    }
}

void model_see_high_watermark(struct model *model, int32_t topic, int32_t partition,
                              int64_t high_watermark)
{
    struct model_partition *of = &model->topics[topic].partitions[partition];
    of->high_watermark = high_watermark > of->high_watermark ? high_watermark : of->high_watermark;
}

void model_audit(struct model *model, int32_t topic, int32_t partition, int64_t start_offset,
                 int64_t end_offset)
{
    struct model_topic *of = &model->topics[topic];
    struct model_partition *at = &of->partitions[partition];
    bool may_lose = at->may_lose && !of->durable;
    sim_note(model->sim, "%s-%d: [%" PRId64 ", %" PRId64 ") after the start", of->name, partition,
             start_offset, end_offset);
    if (start_offset > at->start_asked) {
        sim_fail(model->sim, "%s-%d begins at %" PRId64 ", but nobody deleted beyond %" PRId64,
                 of->name, partition, start_offset, at->start_asked);
    }
    for (size_t i = (size_t)end_offset; i < at->count; i++) {
        struct model_slot *slot = &at->slots[i];
        struct model_record *record = slot->value == 0 ? NULL : model_record(model, slot->value);
        if (slot->value != 0 && !may_lose && (int64_t)i >= at->start_asked) {
            sim_fail(model->sim, "%s-%d: %" PRIx64 " was %s at %zu, but the log ends at %" PRId64,
                     of->name, partition, slot->value, slot->acknowledged ? "acknowledged" : "read",
                     i, end_offset);
        }
        if (record != NULL) {
            record->offset = -1;
        }
    }
    if (at->count > (size_t)end_offset) {
        at->count = (size_t)end_offset;
    }
    for (size_t i = 0; i < at->count; i++) {
        at->slots[i].seen = false;
    }
    at->high_watermark = 0;
    at->may_lose = false;
    at->may_have_holes = may_lose;
}

int32_t model_key(uint64_t value) { return (int32_t)((value * 2654435761u >> 7) % MODEL_KEYS); }

bool model_is_tombstone(uint64_t value) { return value * 31 % 7 == 0; }

/* The newest record of a key decides, as far as all that may be newer is known. */
static void model_check_key(struct model *model, const struct model_topic *topic,
                            int32_t partition, int32_t key, int64_t start_offset)
{
    const struct model_partition *at = &topic->partitions[partition];
    int64_t newest = -1;
    int64_t seen = -1;
    for (int64_t i = (int64_t)at->count - 1; i >= start_offset; i--) {
        const struct model_slot *slot = &at->slots[i];
        if (slot->value == 0 && newest < 0) {
            return;
        }
        if (slot->value != 0 && model_key(slot->value) == key) {
            newest = newest < 0 ? i : newest;
            seen = seen < 0 && slot->seen ? i : seen;
        }
    }
    bool may_be_gone = newest < 0 || model_is_tombstone(at->slots[newest].value);
    if (seen != newest && !(may_be_gone && seen < 0)) {
        sim_fail(model->sim, "%s-%d: key %d was last written at %" PRId64 ", but is last read at %"
                             PRId64,
                 topic->name, partition, key, newest, seen);
    }
}

void model_audited(struct model *model, int32_t topic, int32_t partition, int64_t start_offset,
                   int64_t end_offset)
{
    const struct model_topic *of = &model->topics[topic];
    struct model_partition *at = &model->topics[topic].partitions[partition];
    bool whole = (int64_t)at->count == end_offset;
    if (at->may_have_holes && of->compacted) {
        for (size_t i = 0; i < at->count; i++) {
            struct model_slot *slot = &at->slots[i];
            if (!slot->seen && slot->value != 0) {
                model_record(model, slot->value)->offset = -1;
                slot->value = 0;
            }
        }
        return;
    }
    for (int32_t key = 0; of->compacted && whole && key < MODEL_KEYS; key++) {
        model_check_key(model, of, partition, key, start_offset);
    }
}

void model_topic_exists(struct model *model, int32_t topic, struct uuid id)
{
    struct model_topic *of = &model->topics[topic];
    if (of->state == TOPIC_ABSENT) {
        sim_fail(model->sim, "%s exists, but nobody made it", of->name);
    }
    if (!uuid_equal(of->id, id)) {
        if (of->state == TOPIC_EXISTS || (of->state == TOPIC_UNSURE && !of->may_exist)) {
            sim_fail(model->sim, "%s is another topic than it was", of->name);
        }
        of->id = id;
        of->generation++;
        for (int32_t i = 0; i < MODEL_PARTITIONS; i++) {
            struct model_partition *partition = &of->partitions[i];
            partition->count = 0;
            partition->high_watermark = partition->start_asked = partition->start_confirmed = 0;
        }
    }
    of->state = TOPIC_EXISTS;
}

void model_topic_absent(struct model *model, int32_t topic)
{
    struct model_topic *of = &model->topics[topic];
    if (of->state == TOPIC_EXISTS || (of->state == TOPIC_UNSURE && !of->may_vanish)) {
        sim_fail(model->sim, "%s is gone, but nobody deleted it", of->name);
    }
    of->state = TOPIC_ABSENT;
}

void model_lose(struct model *model)
{
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        for (int32_t j = 0; j < MODEL_PARTITIONS; j++) {
            model->topics[i].partitions[j].may_lose = true;
        }
    }
}

void model_new_life(struct model *model)
{
    for (int32_t i = 0; i < MODEL_TOPICS; i++) {
        for (int32_t j = 0; j < MODEL_PARTITIONS; j++) {
            model->topics[i].partitions[j].high_watermark = 0;
            model->topics[i].partitions[j].start_confirmed = 0;
        }
    }
}
