#include "net/admission.h"

#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/rate.h"

struct net_admission_address {
    int32_t count;
    char peer[IO_PEER_BYTES];
};
struct admission_listener {
    struct net_admission_bound bound;
    struct net_rate rate;
    int32_t count;
    bool counted;     /* the next connection is in the rates already */
    int64_t ready_ms; /* when it may come in, then */
};
struct net_admission {
    struct net_admission_options options;
    struct net_admission_bound all;
    struct net_rate rate;
    int32_t count;
    int32_t address_connections_max;
    struct net_admission_override *overrides;
    size_t override_count;
    struct map addresses;
    struct admission_listener listeners[];
};

static uint64_t address_hash(const void *peer, uint64_t seed)
{
    return map_hash_bytes(peer, strlen(peer), seed);
}

static const void *address_key(const void *element)
{
    return ((const struct net_admission_address *)element)->peer;
}

static bool address_equal(const void *element, const void *peer)
{
    return strcmp(((const struct net_admission_address *)element)->peer, peer) == 0;
}

int net_admission_create(const struct net_admission_options *options,
                         struct net_admission **created)
{
    ASSERT(options->listener_count > 0);
    size_t count = (size_t)options->listener_count;
    struct net_admission *admission =
        mem_calloc(1, sizeof *admission + count * sizeof admission->listeners[0]);
    *created = admission;
    if (admission == NULL) {
        return ERR_NOMEM;
    }
    const struct net_admission_bound any = {INT32_MAX, INT32_MAX};
    admission->options = *options;
    admission->all = any;
    admission->address_connections_max = INT32_MAX;
    admission->addresses = (struct map){.seed = options->seed,
                                        .hash_key = address_hash,
                                        .key_of = address_key,
                                        .equal = address_equal};
    int error = net_rate_init(&admission->rate, options->rate_sample_count,
                              options->rate_window_ms);
    for (size_t i = 0; error == 0 && i < count; i++) {
        admission->listeners[i].bound = any;
        error = net_rate_init(&admission->listeners[i].rate, options->rate_sample_count,
                              options->rate_window_ms);
    }
    if (error != 0) {
        net_admission_destroy(created);
    }
    return error;
}

void net_admission_destroy(struct net_admission **destroyed)
{
    struct net_admission *admission = *destroyed;
    if (admission == NULL) {
        return;
    }
    ASSERT(admission->count == 0 && admission->addresses.count == 0);
    net_rate_release(&admission->rate);
    for (int32_t i = 0; i < admission->options.listener_count; i++) {
        net_rate_release(&admission->listeners[i].rate);
    }
    map_release(&admission->addresses);
    mem_free(admission->overrides);
    mem_free(admission);
    *destroyed = NULL;
}

int net_admission_set_limits(struct net_admission *admission,
                             const struct net_admission_limits *limits)
{
    struct net_admission_override *overrides = NULL;
    if (limits->override_count > 0) {
        overrides = mem_alloc(limits->override_count * sizeof *overrides);
        if (overrides == NULL) {
            return ERR_NOMEM;
        }
        memcpy(overrides, limits->overrides, limits->override_count * sizeof *overrides);
    }
    mem_free(admission->overrides);
    admission->overrides = overrides;
    admission->override_count = limits->override_count;
    admission->all = limits->all;
    admission->address_connections_max = limits->address_connections_max;
    for (int32_t i = 0; i < admission->options.listener_count; i++) {
        admission->listeners[i].bound = limits->listeners[i];
    }
    return 0;
}

static bool admission_has_room(const struct net_admission *admission, int32_t listener)
{
    const struct admission_listener *own = &admission->listeners[listener];
    if (own->count >= own->bound.connections_max) {
        return false;
    }
    return listener == admission->options.protected_listener ||
           admission->count < admission->all.connections_max;
}

int64_t net_admission_wait_ms(struct net_admission *admission, int32_t listener, int64_t now_ms)
{
    ASSERT(listener >= 0 && listener < admission->options.listener_count);
    struct admission_listener *own = &admission->listeners[listener];
    if (!own->counted) {
        int64_t wait_ms = net_rate_count(&own->rate, own->bound.a_second_max, now_ms);
        int64_t all_ms = net_rate_count(&admission->rate, admission->all.a_second_max, now_ms);
        if (listener != admission->options.protected_listener && all_ms > wait_ms) {
            wait_ms = all_ms;
        }
        own->counted = true;
        own->ready_ms = now_ms + wait_ms;
    }
    if (own->ready_ms > now_ms) {
        return own->ready_ms - now_ms;
    }
    return admission_has_room(admission, listener) ? 0 : INT64_MAX;
}

static int32_t admission_address_max(const struct net_admission *admission, const char *peer)
{
    for (size_t i = 0; i < admission->override_count; i++) {
        if (strcmp(admission->overrides[i].address, peer) == 0) {
            return admission->overrides[i].connections_max;
        }
    }
    return admission->address_connections_max;
}

static struct net_admission_address *admission_address(struct net_admission *admission,
                                                       const char *peer)
{
    struct net_admission_address *address = map_find(&admission->addresses, peer);
    if (address != NULL) {
        return address;
    }
    address = mem_calloc(1, sizeof *address);
    if (address == NULL) {
        return NULL;
    }
    strncpy(address->peer, peer, sizeof address->peer - 1);
    if (map_insert(&admission->addresses, address) != 0) {
        mem_free(address);
        return NULL;
    }
    return address;
}

static void admission_forget_if_gone(struct net_admission *admission,
                                     struct net_admission_address *address)
{
    if (address->count == 0) {
        void *taken = map_take(&admission->addresses, address->peer);
        ASSERT(taken == address);
        mem_free(address);
    }
}

int net_admission_enter(struct net_admission *admission, int32_t listener, const char *peer,
                        struct net_admitted *admitted, int32_t *max)
{
    struct net_admission_address *address = admission_address(admission, peer);
    admission->listeners[listener].counted = false;
    *max = admission_address_max(admission, peer);
    if (address == NULL) {
        return ERR_NOMEM;
    }
    if (address->count >= *max) {
        admission_forget_if_gone(admission, address);
        return ERR_FULL;
    }
    address->count++;
    admission->count++;
    admission->listeners[listener].count++;
    *admitted = (struct net_admitted){.listener = listener, .address = address};
    return 0;
}

void net_admission_leave(struct net_admission *admission, struct net_admitted *admitted)
{
    struct admission_listener *listener = &admission->listeners[admitted->listener];
    ASSERT(admission->count > 0 && listener->count > 0 && admitted->address->count > 0);
    admission->count--;
    listener->count--;
    admitted->address->count--;
    admission_forget_if_gone(admission, admitted->address);
    admitted->address = NULL;
}

int32_t net_admission_excess(const struct net_admission *admission)
{
    int32_t excess = admission->count - admission->all.connections_max;
    return excess > 0 ? excess : 0;
}
