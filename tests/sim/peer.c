#include "peer.h"

#include "base/assert.h"
#include "broker/dispatch.h"
#include "protocol/api.h"

#define PEER_BYTES_MAX (1u << 20)
#define PEER_AGAIN_MAX_MS 200

static void peer_flush(struct peer *peer)
{
    if (!peer_is_connected(peer)) {
        return;
    }
    peer->out_sent += net_end_send(&peer->end, peer->out.data + peer->out_sent,
                                   peer->out.size - peer->out_sent);
    if (peer->out_sent == peer->out.size) {
        peer->out.size = peer->out_sent = 0;
    }
}

static void peer_forget(struct peer *peer)
{
    peer->out.size = peer->out_sent = peer->in.size = peer->asked_count = 0;
}

static void peer_fail(struct peer *peer, const char *why)
{
    sim_fail(peer->sim, "%s: %s", peer->name, why);
}

static void peer_take_answer(struct peer *peer, const uint8_t *data, size_t size)
{
    struct reader reader;
    struct arena arena;
    int32_t correlation_id = -1;
    if (peer->asked_count == 0) {
        peer_fail(peer, "an answer that nobody asked for");
        return;
    }
    struct peer_asked asked = peer->asked[0];
    memmove(peer->asked, peer->asked + 1, --peer->asked_count * sizeof *peer->asked);
    reader_init(&reader, data, size);
    arena_init(&arena, PEER_BYTES_MAX);
    const struct codec_struct *row = dispatch_find(DISPATCH_BROKER, asked.api_key)->response;
    void *message = arena_alloc(&arena, row->size);
    if (api_response_header_decode(&reader, &arena, asked.api_key, asked.version,
                                   &correlation_id) != 0 ||
        correlation_id != asked.correlation_id) {
        peer_fail(peer, "an answer out of its order");
    } else if (codec_decode(row, &reader, asked.version, &arena, message) != 0 ||
               reader_left(&reader) != 0) {
        peer_fail(peer, "an answer that cannot be read");
    } else {
        peer->answered(peer, asked.api_key, message);
    }
    arena_release(&arena);
}

static void peer_ready(struct net_end *end)
{
    struct peer *peer = CONTAINER_OF(end, struct peer, end);
    uint8_t bytes[4096];
    size_t got;
    peer_flush(peer);
    while ((got = net_end_receive(end, bytes, sizeof bytes)) > 0) {
        writer_bytes(&peer->in, bytes, got);
    }
    while (peer_is_connected(peer) && peer->in.size >= 4 && !peer->sim->failed) {
        struct reader reader;
        reader_init(&reader, peer->in.data, peer->in.size);
        size_t size = (size_t)reader_i32(&reader);
        if (size > PEER_BYTES_MAX) {
            peer_fail(peer, "an answer of an impossible size");
            return;
        }
        if (peer->in.size < 4 + size) {
            break;
        }
        /* The callback may ask again, which does not touch what came in. */
        peer_take_answer(peer, peer->in.data + 4, size);
        if (peer->in.size >= 4 + size) {
            memmove(peer->in.data, peer->in.data + 4 + size, peer->in.size - 4 - size);
            peer->in.size -= 4 + size;
        }
    }
}

static void peer_connect_again(struct sim_event *event);

static void peer_schedule_again(struct peer *peer)
{
    if (!peer->again_set) {
        peer->again_set = true;
        peer->again.run = peer_connect_again;
        sim_schedule(peer->sim, &peer->again, 1 + (int64_t)sim_below(peer->sim, PEER_AGAIN_MAX_MS));
    }
}

static void peer_connect_again(struct sim_event *event)
{
    struct peer *peer = CONTAINER_OF(event, struct peer, again);
    peer->again_set = false;
    if (peer_is_connected(peer)) {
        return;
    }
    if (net_connect(peer->net, &peer->end)) {
        peer->connected(peer);
    } else {
        peer_schedule_again(peer);
    }
}

static void peer_broken(struct net_end *end)
{
    struct peer *peer = CONTAINER_OF(end, struct peer, end);
    sim_note(peer->sim, "%s: the connection is gone, %zu unanswered", peer->name,
             peer->asked_count);
    peer->lost(peer);
    peer_forget(peer);
    peer_schedule_again(peer);
}

void peer_init(struct peer *peer, struct net *net, struct sim *sim, const char *name)
{
    peer->end = (struct net_end){.ready = peer_ready, .broken = peer_broken};
    peer->net = net;
    peer->sim = sim;
    peer->name = name;
    writer_init(&peer->out, PEER_BYTES_MAX * 4);
    writer_init(&peer->in, PEER_BYTES_MAX * 4);
}

void peer_release(struct peer *peer)
{
    peer_stop(peer);
    writer_release(&peer->out);
    writer_release(&peer->in);
}

void peer_start(struct peer *peer)
{
    if (!peer_is_connected(peer)) {
        peer_schedule_again(peer);
    }
}

void peer_stop(struct peer *peer)
{
    if (peer->again_set) {
        sim_cancel(&peer->again);
        peer->again_set = false;
    }
    net_end_close(&peer->end);
    peer_forget(peer);
}

void peer_ask(struct peer *peer, int16_t api_key, int16_t version, const void *message,
              bool answer)
{
    const struct codec_struct *row = dispatch_find(DISPATCH_BROKER, api_key)->request;
    size_t start = peer->out.size;
    struct request_header header;
    request_header_default(&header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.correlation_id = peer->next_correlation_id++;
    header.client_id = string_view_of(peer->name);
    writer_i32(&peer->out, 0);
    int error = api_request_header_encode(&peer->out, &header);
    error = error == 0 ? codec_encode(row, &peer->out, version, message) : error;
    ASSERT(error == 0 && !peer->out.failed);
    writer_patch_i32(&peer->out, start, (int32_t)(peer->out.size - start - 4));
    if (answer) {
        ASSERT(peer->asked_count < PEER_ASKED_MAX);
        peer->asked[peer->asked_count++] =
            (struct peer_asked){api_key, version, header.correlation_id};
    }
    peer_flush(peer);
}
