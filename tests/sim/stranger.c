#include "actors.h"
#include "base/assert.h"
#include "base/mem.h"
#include "broker/dispatch.h"
#include "protocol/api.h"
#include "protocol/codec_internal.h"

#define STRANGER_THINK_MAX_MS 150
#define STRANGER_ARENA_BYTES (1u << 20)
#define STRANGER_NUMBERS 3

static bool versions_have(struct codec_versions versions, int16_t version)
{
    return version >= versions.min && version <= versions.max;
}

static void stranger_fill(struct stranger *stranger, const struct codec_struct *row,
                          int16_t version, struct arena *arena, void *message);

/* One value: few numbers, so that some are those of something there is; one name, of nothing that
 * the others use. */
static void stranger_fill_value(struct stranger *stranger, const struct codec_field *field,
                                int16_t version, struct arena *arena, void *value)
{
    int64_t number = (int64_t)sim_below(stranger->sim, STRANGER_NUMBERS);
    switch ((enum codec_kind)field->kind) {
    case CODEC_BOOL:
    case CODEC_INT8:
        *(int8_t *)value = (int8_t)(field->kind == CODEC_BOOL ? number & 1 : number);
        return;
    case CODEC_INT16:
    case CODEC_UINT16:
        *(int16_t *)value = (int16_t)number;
        return;
    case CODEC_INT32:
    case CODEC_UINT32:
        *(int32_t *)value = (int32_t)number;
        return;
    case CODEC_INT64:
        *(int64_t *)value = number;
        return;
    case CODEC_STRING:
        *(struct string_view *)value = string_view_of("stranger");
        return;
    case CODEC_STRUCT:
        codec_default(field->element, value);
        stranger_fill(stranger, field->element, version, arena, value);
        return;
    case CODEC_FLOAT64:
    case CODEC_UUID:
    case CODEC_BYTES:
    case CODEC_RECORDS:
        return;
    }
}

/* Each field that this version carries and whose default is a null or a number, now and then. */
static void stranger_fill(struct stranger *stranger, const struct codec_struct *row,
                          int16_t version, struct arena *arena, void *message)
{
    for (uint16_t i = 0; i < row->field_count; i++) {
        const struct codec_field *field = &row->fields[i];
        uint8_t *at = (uint8_t *)message + field->offset;
        if (!versions_have(field->versions, version) || (field->flags & CODEC_POINTER) != 0 ||
            sim_chance(stranger->sim, 20)) {
            continue;
        }
        if ((field->flags & CODEC_ARRAY) == 0) {
            stranger_fill_value(stranger, field, version, arena, at);
            continue;
        }
        struct codec_array array = {arena_alloc(arena, codec_size_of(field)), 1};
        ASSERT(array.items != NULL);
        memset(array.items, 0, codec_size_of(field));
        stranger_fill_value(stranger, field, version, arena, array.items);
        memcpy(at, &array, sizeof array);
    }
}

/* What would take the node out of its own cluster. */
static bool stranger_leaves_alone(int16_t api_key)
{
    return api_key == UNREGISTER_BROKER_REQUEST_KEY;
}

static void stranger_ask(struct stranger *stranger)
{
    const struct dispatch_table *table = dispatch_table(DISPATCH_BROKER);
    const struct dispatch_row *row = &table->rows[sim_below(stranger->sim, table->count)];
    const struct api_row *api = api_find(row->api_key);
    int16_t last = api->latest_unstable ? (int16_t)(api->max_version - 1) : api->max_version;
    int16_t version =
        (int16_t)(api->min_version +
                  (int16_t)sim_below(stranger->sim, (uint64_t)(last - api->min_version) + 1));
    struct arena arena;
    arena_init(&arena, STRANGER_ARENA_BYTES);
    void *message = arena_alloc(&arena, row->request->size);
    ASSERT(message != NULL);
    codec_default(row->request, message);
    if (!stranger_leaves_alone(row->api_key)) {
        stranger_fill(stranger, row->request, version, &arena, message);
    }
    bool answer = row->api_key != PRODUCE_REQUEST_KEY ||
                  ((const struct produce_request *)message)->acks != 0;
    sim_note(stranger->sim, "stranger asks %s version %d", api->name, version);
    peer_ask(&stranger->peer, row->api_key, version, message, answer);
    arena_release(&arena);
}

static void stranger_think(struct sim_event *event)
{
    struct stranger *stranger = CONTAINER_OF(event, struct stranger, think);
    if (peer_is_connected(&stranger->peer) && stranger->peer.asked_count < PEER_ASKED_MAX) {
        stranger_ask(stranger);
    }
    sim_schedule(stranger->sim, event,
                 (int64_t)sim_below(stranger->sim, STRANGER_THINK_MAX_MS));
}

/* Whatever the answer is, the peer has decoded it. */
static void stranger_answered(struct peer *peer, int16_t api_key, const void *message)
{
    (void)peer, (void)api_key, (void)message;
}
static void stranger_event(struct peer *peer) { (void)peer; }

void stranger_init(struct stranger *stranger, struct net *net, struct sim *sim)
{
    *stranger = (struct stranger){.sim = sim};
    peer_init(&stranger->peer, net, sim, "stranger");
    stranger->peer.connected = stranger_event;
    stranger->peer.lost = stranger_event;
    stranger->peer.answered = stranger_answered;
    stranger->think.run = stranger_think;
    list_init(&stranger->think.node);
}

void stranger_release(struct stranger *stranger)
{
    stranger_stop(stranger);
    peer_release(&stranger->peer);
}

void stranger_start(struct stranger *stranger)
{
    peer_start(&stranger->peer);
    sim_cancel(&stranger->think);
    sim_schedule(stranger->sim, &stranger->think,
                 (int64_t)sim_below(stranger->sim, STRANGER_THINK_MAX_MS));
}

void stranger_stop(struct stranger *stranger)
{
    sim_cancel(&stranger->think);
    peer_stop(&stranger->peer);
}
