/* What a server does while memory is short: connections wait in the order of their coming, and are
 * tried again at the end of each turn and every NET_PRESSURE_MS, since other loops give back too.
 * Whoever holds memory and does not get on with it is closed, but only while somebody waits. */
#include "base/assert.h"
#include "base/limits.h"
#include "net/server_internal.h"

static void waiting_add(struct net_connection *connection)
{
    struct net_server *server = connection->server;
    ASSERT(!connection->waiting);
    connection->waiting = true;
    list_push_back(&server->waiting[connection->has_begun], &connection->wait_node);
    if (!timer_is_armed(&server->pressure_timer)) {
        loop_timer_arm(server->options.loop, &server->pressure_timer, NET_PRESSURE_MS);
    }
}

static bool connection_take(struct net_connection *connection)
{
    struct net_memory *memory = connection->server->options.memory;
    if (!connection->has_begun) {
        connection->has_begun = net_memory_begin(memory, connection->frame_size);
        return connection->has_begun;
    }
    connection->has_rest = net_memory_go_on(memory, connection->frame_size);
    return connection->has_rest;
}

bool net_connection_take_memory(struct net_connection *connection)
{
    const struct list *before = &connection->server->waiting[connection->has_begun];
    bool taken = list_empty(before) && connection_take(connection);
    if (taken) {
        net_connection_holds(connection);
    } else {
        waiting_add(connection);
    }
    return taken;
}

void net_connection_give_memory(struct net_connection *connection)
{
    if (connection->has_begun) {
        net_memory_give_frame(connection->server->options.memory, connection->frame_size,
                              connection->has_rest);
        connection->has_begun = connection->has_rest = false;
    }
    connection->waiting = false;
    list_remove(&connection->wait_node);
}

void net_connection_holds(struct net_connection *connection)
{
    connection->held_since_ms = loop_monotonic_ms(connection->server->options.loop);
    connection->moved_bytes = 0;
}

/* One that gets its memory goes on at once. Those that want the beginning of a frame and those that
 * want a rest do not wait for each other; within each kind nobody is overtaken. */
static void waiting_retry(struct net_server *server)
{
    for (int i = 0; i < 2 && !server->stopped; i++) {
        while (!list_empty(&server->waiting[i])) {
            struct net_connection *connection =
                CONTAINER_OF(server->waiting[i].next, struct net_connection, wait_node);
            if (!connection_take(connection)) {
                break;
            }
            connection->waiting = false;
            list_remove(&connection->wait_node);
            net_connection_holds(connection);
            net_connection_advance(connection);
        }
    }
}

static bool waiting_any(const struct net_server *server)
{
    return !list_empty(&server->waiting[0]) || !list_empty(&server->waiting[1]);
}

static void waiting_turn_end(struct loop_hook *hook)
{
    struct net_server *server = CONTAINER_OF(hook, struct net_server, hook);
    if (waiting_any(server)) {
        waiting_retry(server);
    }
}

static void pressure_fire(struct timer *timer)
{
    struct net_server *server = CONTAINER_OF(timer, struct net_server, pressure_timer);
    if (!waiting_any(server) || server->stopped) {
        return;
    }
    loop_timer_arm(server->options.loop, timer, NET_PRESSURE_MS);
    if (server->options.on_pressure != NULL) {
        server->options.on_pressure(server->options.context);
    }
    net_server_relieve(server);
}

void net_waiting_init(struct net_server *server)
{
    list_init(&server->waiting[0]);
    list_init(&server->waiting[1]);
    timer_init(&server->pressure_timer, pressure_fire);
    server->hook.turn_end = waiting_turn_end;
    loop_hook_add(server->options.loop, &server->hook);
}

void net_waiting_stop(struct net_server *server)
{
    loop_timer_cancel(server->options.loop, &server->pressure_timer);
    list_remove(&server->hook.node);
}

static bool connection_is_stalled(const struct net_connection *connection, int64_t now_ms)
{
    size_t held = connection->sending ? connection->out.budget_bytes : connection->frame_capacity;
    bool moves = connection->processing || connection->waiting || connection->warming;
    return !connection->closing && !moves && held >= NET_HOLD_SMALL_BYTES &&
           now_ms - connection->held_since_ms >
               NET_STALLED_MS + connection->moved_bytes / NET_SLOW_BYTES_A_MS;
}

void net_server_relieve(struct net_server *server)
{
    int64_t now_ms = loop_monotonic_ms(server->options.loop);
    if (server->walking) {
        return;
    }
    server->walking = true;
    LIST_FOR_EACH_SAFE(node, &server->connections)
    {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        if (net_memory_is_ample(server->options.memory)) {
            break;
        }
        if (connection_is_stalled(connection, now_ms)) {
            metrics_add(server->options.metrics, METRIC_CONNECTIONS_ENDED_FOR_MEMORY, 1);
            net_connection_end(connection);
            net_connection_free_if_done(connection);
        }
    }
    server->walking = false;
}
