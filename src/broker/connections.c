#include "broker/connections.h"

#include <ctype.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "broker/config_internal.h"
#include "broker/topic_config.h"
#include "io/system.h"
#include "net/admission.h"

#define RATE_WINDOW_MS_A_SECOND 1000

/* A connection, from its accept until shard 0 hears that it has gone. */
struct connection_ticket {
    struct loop_mail mail; /* to the connection's shard, then back */
    struct broker_shard *shard;
    int descriptor;
    struct net_admitted admitted;
};

/* Names among the overrides are looked up on a helper. */
struct connections_lookup {
    struct loop_job job;
    struct broker *broker;
    struct string_view text; /* behind the struct */
    size_t count;
    struct net_admission_override overrides[CONNECTION_OVERRIDES_MAX];
};
struct broker_connections {
    struct net_admission *admission;
    struct net_admission *controller_admission; /* counts for itself, as a node of its own would */
    struct net_admission_limits limits; /* but for the listeners' */
    struct net_admission_bound listeners[CONFIG_LISTENERS_MAX];
    struct net_admission_override overrides[CONNECTION_OVERRIDES_MAX];
    struct string_view overrides_text; /* what they were made from; owned */
    bool looking_up;
    struct timer excess_timer;
    struct broker *broker;
    struct connections_shed {
        struct loop_mail mail;
        struct broker_shard *shard;
        size_t count;
    } sheds[BROKER_SHARDS_MAX];
    int32_t sheds_under_way;
    int32_t spared_listener;
};

static void connections_shed_excess(struct broker *broker);

/* Listeners that clients reach: with only one, none is protected. */
static int32_t protected_listener(const struct config *config)
{
    int32_t found = -1;
    int32_t count = 0;
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        count += !listener->is_controller;
        if (listener->is_inter_broker && !listener->is_controller) {
            found = i;
        }
    }
    return count > 1 ? found : -1;
}

static void shed_home(struct loop_mail *mail)
{
    struct connections_shed *shed = CONTAINER_OF(mail, struct connections_shed, mail);
    shed->shard->broker->connections->sheds_under_way--;
}

static void shed_run(struct loop_mail *mail)
{
    struct connections_shed *shed = CONTAINER_OF(mail, struct connections_shed, mail);
    struct broker *broker = shed->shard->broker;
    (void)net_server_close_unused(shed->shard->server, shed->count,
                                  broker->connections->spared_listener);
    shed->mail.run = shed_home;
    if (shed->shard->index == 0) {
        shed_home(mail);
    } else {
        loop_post(broker->shards[0].loop, mail);
    }
}

/* Each shard closes its share; what they lack together is asked for again. */
static void connections_shed_excess(struct broker *broker)
{
    struct broker_connections *connections = broker->connections;
    int32_t excess = net_admission_excess(connections->admission);
    if (excess == 0 || connections->sheds_under_way > 0 || broker->stopped) {
        return;
    }
    int32_t shards = broker->options.shard_count;
    loop_timer_arm(broker->shards[0].loop, &connections->excess_timer, CONNECTIONS_EXCESS_MS);
    for (int32_t i = shards - 1; i >= 0; i--) {
        struct connections_shed *shed = &connections->sheds[i];
        size_t share = (size_t)(excess / shards + (i < excess % shards));
        if (share == 0) {
            continue;
        }
        connections->sheds_under_way++;
        *shed = (struct connections_shed){
            .mail.run = shed_run, .shard = &broker->shards[i], .count = share};
        if (i == 0) {
            shed_run(&shed->mail);
        } else {
            loop_post(broker->shards[i].loop, &shed->mail);
        }
    }
}

static void excess_fire(struct timer *timer)
{
    connections_shed_excess(
        CONTAINER_OF(timer, struct broker_connections, excess_timer)->broker);
}

static struct net_admission *connections_admission(const struct broker *broker, int32_t listener)
{
    return config_listener_at(broker->options.config, listener)->is_controller
               ? broker->connections->controller_admission
               : broker->connections->admission;
}

/* What is not for the files of partitions (partition_files.c). */
static int32_t connections_descriptors(void)
{
    int64_t shared = io_descriptors_max() - DESCRIPTORS_SPARE;
    int64_t most = shared - shared / DESCRIPTORS_FILES_SHARE;
    return most < 1 ? 1 : most < INT32_MAX ? (int32_t)most : INT32_MAX;
}

static void say_if_descriptors_are_few(const struct config *config, int32_t possible)
{
    int32_t wanted = config_int(config, "max.connections");
    bool set = config_is_set(config, "max.connections");
    if (possible < (set ? wanted : CONNECTIONS_FEW)) {
        fprintf(stderr,
                "%lld file descriptors leave room for %d connections%s: raise the limit (ulimit "
                "-n, LimitNOFILE) to %lld\n",
                (long long)io_descriptors_max(), possible,
                set ? ", fewer than max.connections" : "",
                (long long)(set ? wanted : CONNECTIONS_FEW) * DESCRIPTORS_FILES_SHARE /
                        (DESCRIPTORS_FILES_SHARE - 1) +
                    DESCRIPTORS_SPARE + 1);
    }
}

int connections_create(struct broker *broker)
{
    const struct config *config = broker->options.config;
    struct broker_connections *connections = mem_calloc(1, sizeof *connections);
    broker->connections = connections;
    if (connections == NULL) {
        return ERR_NOMEM;
    }
    connections->broker = broker;
    connections->spared_listener = protected_listener(config);
    timer_init(&connections->excess_timer, excess_fire);
    struct net_admission_options options = {
        .listener_count = config_listener_count(config),
        .protected_listener = connections->spared_listener,
        .rate_sample_count = config_int(config, "quota.window.num"),
        .rate_window_ms = (int64_t)config_int(config, "quota.window.size.seconds") *
                          RATE_WINDOW_MS_A_SECOND,
        .seed = broker_shard_random(&broker->shards[0]),
    };
    int error = net_admission_create(&options, &connections->admission);
    options.protected_listener = -1;
    if (error == 0) {
        error = net_admission_create(&options, &connections->controller_admission);
    }
    if (error == 0) {
        say_if_descriptors_are_few(config, connections_descriptors());
        connections_configure(broker, NULL);
    }
    return error;
}

void connections_destroy(struct broker *broker)
{
    struct broker_connections *connections = broker->connections;
    if (connections == NULL) {
        return;
    }
    loop_timer_cancel(broker->shards[0].loop, &connections->excess_timer);
    net_admission_destroy(&connections->admission);
    net_admission_destroy(&connections->controller_admission);
    mem_free((void *)connections->overrides_text.data);
    mem_free(connections);
    broker->connections = NULL;
}

/* A bound of all, or of one listener where its own is set. */
static int32_t connections_bound(const struct broker *broker, const struct image *image,
                                 const char *name, int32_t listener)
{
    const struct config *config = broker->options.config;
    int64_t value = broker_setting_long(config, image, string_view_of(name));
    if (listener >= 0) {
        char own[CONFIG_LISTENER_SETTING_BYTES];
        struct string_view own_name =
            config_listener_setting(config_listener_at(config, listener), name, own);
        int64_t own_value = broker_setting_long(config, image, own_name);
        value = own_value >= 0 ? own_value : value;
    }
    return value < 0 || value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static void connections_set_limits(struct broker *broker)
{
    struct broker_connections *connections = broker->connections;
    connections->limits.listeners = connections->listeners;
    connections->limits.overrides = connections->overrides;
    if (net_admission_set_limits(connections->admission, &connections->limits) != 0 ||
        net_admission_set_limits(connections->controller_admission, &connections->limits) != 0) {
        fprintf(stderr, "no memory for new bounds of connections: the old ones hold on\n");
    }
    connections_shed_excess(broker);
    broker->options.on_room(broker->options.context);
}

static void lookup_work(struct loop_job *job)
{
    struct connections_lookup *lookup = CONTAINER_OF(job, struct connections_lookup, job);
    struct string_view rest = config_list_start(lookup->text);
    struct string_view element;
    while (config_list_next(&rest, &element)) {
        struct string_view host;
        int32_t max;
        char text[IO_PEER_BYTES];
        struct io_address addresses[IO_ADDRESSES_MAX];
        int32_t count = 0;
        if (config_parse_host_count(element, &host, &max) != 0 || host.size >= sizeof text) {
            continue;
        }
        memcpy(text, host.data, host.size);
        text[host.size] = '\0';
        if (io_socket_resolve(text, 0, addresses, &count) != 0 || count == 0) {
            fprintf(stderr, "max.connections.per.ip.overrides: no such host: %s\n", text);
        }
        if (count > 0 && lookup->count < CONNECTION_OVERRIDES_MAX) {
            struct net_admission_override *override = &lookup->overrides[lookup->count++];
            override->connections_max = max;
            io_address_text(&addresses[0], override->address);
        }
    }
}

static void lookup_done(struct loop_job *job)
{
    struct connections_lookup *lookup = CONTAINER_OF(job, struct connections_lookup, job);
    struct broker *broker = lookup->broker;
    struct broker_connections *connections = broker->connections;
    connections->looking_up = false;
    memcpy(connections->overrides, lookup->overrides, sizeof connections->overrides);
    connections->limits.override_count = lookup->count;
    mem_free(lookup);
    connections_set_limits(broker);
    /* They may have changed meanwhile. */
    connections_configure(broker, broker->shards[0].image);
}

/* The overrides changed: their names are looked up beside the loop, then they hold. */
static void connections_look_up(struct broker *broker, struct string_view text)
{
    struct broker_connections *connections = broker->connections;
    struct connections_lookup *lookup = mem_calloc(1, sizeof *lookup + text.size);
    char *copy = mem_strndup(text.data, text.size);
    if (lookup == NULL || copy == NULL) {
        mem_free(lookup);
        mem_free(copy);
        return; /* the next image asks again */
    }
    memcpy(lookup + 1, text.data, text.size);
    mem_free((void *)connections->overrides_text.data);
    connections->overrides_text = (struct string_view){copy, text.size};
    connections->looking_up = true;
    lookup->broker = broker;
    lookup->text = (struct string_view){(const char *)(lookup + 1), text.size};
    lookup->job = (struct loop_job){.work = lookup_work, .done = lookup_done};
    loop_submit(broker->shards[0].loop, &lookup->job);
}

void connections_configure(struct broker *broker, const struct image *image)
{
    struct broker_connections *connections = broker->connections;
    const struct config *config = broker->options.config;
    struct net_admission_limits *limits = &connections->limits;
    int32_t possible = connections_descriptors();
    struct arena arena;
    arena_init(&arena, CONNECTION_OVERRIDES_BYTES_MAX);
    limits->all = (struct net_admission_bound){
        connections_bound(broker, image, "max.connections", -1),
        connections_bound(broker, image, "max.connection.creation.rate", -1)};
    limits->all.connections_max =
        limits->all.connections_max < possible ? limits->all.connections_max : possible;
    limits->address_connections_max =
        connections_bound(broker, image, "max.connections.per.ip", -1);
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        connections->listeners[i] = (struct net_admission_bound){
            connections_bound(broker, image, "max.connections", i),
            connections_bound(broker, image, "max.connection.creation.rate", i)};
    }
    struct string_view overrides = broker_setting_in_force(
        config, image,
        config_row_find(CONFIG_SCOPE_BROKER, string_view_of("max.connections.per.ip.overrides")),
        &arena);
    if (!connections->looking_up && overrides.data != NULL &&
        !string_view_equal(overrides, connections->overrides_text)) {
        connections_look_up(broker, overrides);
    }
    arena_release(&arena);
    connections_set_limits(broker);
}

static void ticket_home(struct loop_mail *mail)
{
    struct connection_ticket *ticket = CONTAINER_OF(mail, struct connection_ticket, mail);
    struct broker *broker = ticket->shard->broker;
    net_admission_leave(connections_admission(broker, ticket->admitted.listener),
                        &ticket->admitted);
    mem_free(ticket);
    if (!broker->stopped) {
        connections_shed_excess(broker);
        broker->options.on_room(broker->options.context);
    }
}

/* Once the loops have ended everything is one thread's, and no mail is delivered. */
static void ticket_send_home(struct connection_ticket *ticket)
{
    struct broker *broker = ticket->shard->broker;
    ticket->mail.run = ticket_home;
    if (ticket->shard->index == 0 || broker->stopped) {
        ticket_home(&ticket->mail);
    } else {
        loop_post(broker->shards[0].loop, &ticket->mail);
    }
}

void connections_left(void *context, struct net_connection *connection)
{
    (void)context;
    ticket_send_home(*net_connection_context(connection));
}

static void ticket_adopt(struct loop_mail *mail)
{
    struct connection_ticket *ticket = CONTAINER_OF(mail, struct connection_ticket, mail);
    if (!net_server_adopt(ticket->shard->server, ticket->descriptor, ticket->admitted.listener,
                          ticket)) {
        ticket_send_home(ticket);
    }
}

int64_t broker_accept_wait_ms(struct broker *broker, int32_t listener)
{
    return net_admission_wait_ms(connections_admission(broker, listener), listener,
                                 loop_monotonic_ms(broker->shards[0].loop));
}

void broker_adopt(struct broker *broker, int descriptor, int32_t listener)
{
    struct broker_shard *shard = &broker->shards[broker->next_shard];
    struct connection_ticket *ticket = mem_calloc(1, sizeof *ticket);
    char peer[IO_PEER_BYTES];
    int32_t max = 0;
    io_socket_peer(descriptor, peer);
    int error = ticket == NULL ? ERR_NOMEM
                               : net_admission_enter(connections_admission(broker, listener),
                                                     listener, peer, &ticket->admitted, &max);
    if (error != 0) {
        metrics_add(broker->shards[0].metrics, METRIC_CONNECTIONS_REFUSED, 1);
        io_socket_close(descriptor);
        mem_free(ticket);
        return;
    }
    broker->next_shard = (broker->next_shard + 1) % broker->options.shard_count;
    ticket->shard = shard;
    ticket->descriptor = descriptor;
    ticket->mail.run = ticket_adopt;
    if (shard->index == 0) {
        ticket_adopt(&ticket->mail);
        connections_shed_excess(broker);
    } else {
        connections_shed_excess(broker);
        loop_post(shard->loop, &ticket->mail);
    }
}
