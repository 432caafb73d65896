/* client.c: the network thread, bootstrap, and calls that wait. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"
#include "client/client_internal.h"
#include "io/system.h"
#include "protocol/error.h"

#define CLIENT_BOOTSTRAP_MAX 64
#define CALL_NAME_BYTES 64

void client_pause(int64_t pause_ms)
{
    struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &pause) == EINTR) {
    }
}

uint32_t client_random(void)
{
    return (uint32_t)io_random_seed();
}

int64_t client_backoff_ms(int64_t initial_ms, int64_t max_ms, int32_t failures)
{
    int64_t backoff_ms = initial_ms;
    for (int32_t i = 0; i < failures && backoff_ms < max_ms; i++) {
        backoff_ms *= 2;
    }
    int64_t jitter = 80 + (int64_t)(client_random() % 41);
    backoff_ms = backoff_ms * jitter / 100;
    return backoff_ms < max_ms ? backoff_ms : max_ms;
}

/* ---- bootstrap.servers ---- */

/* Splits one "host:port" or "[v6]:port"; host is cut in place. */
static int bootstrap_split(char *text, char **host, uint16_t *port)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return ERR_INVALID;
    }
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || number == 0 || number > UINT16_MAX) {
        return ERR_INVALID;
    }
    *colon = '\0';
    *host = text;
    if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = text + 1;
    }
    *port = (uint16_t)number;
    return **host != '\0' ? 0 : ERR_INVALID;
}

static int client_bootstrap(struct client *client, struct bnb_error *error)
{
    const struct client_config *config = &client->options.config;
    const char *from = config->bootstrap_servers != NULL ? config->bootstrap_servers
                                                         : config->bootstrap_controllers;
    if (from == NULL || *from == '\0') {
        return client_error_set(error, BNB_ERROR_INVALID,
                                "No resolvable bootstrap urls given in bootstrap.servers");
    }
    char *copy = mem_strndup(from, strlen(from));
    int result = copy == NULL ? BNB_ERROR_NO_MEMORY : 0;
    char *rest = copy;
    for (int32_t id = -1; result == 0 && rest != NULL && id >= -CLIENT_BOOTSTRAP_MAX; id--) {
        char *item = strsep(&rest, ",");
        if (item == NULL) {
            break;
        }
        char *host = item;
        uint16_t port = 0;
        item += strspn(item, " ");
        item[strcspn(item, " ")] = '\0';
        char whole[CLIENT_HOST_BYTES] = ""; /* for the message; item gets cut */
        size_t size = strlen(item);
        memcpy(whole, item, size < sizeof whole ? size : sizeof whole - 1);
        if (*item == '\0') {
            continue;
        }
        if (bootstrap_split(item, &host, &port) != 0) {
            result = client_error_set(error, BNB_ERROR_INVALID,
                                      "Invalid url in bootstrap.servers: %s", whole);
        } else if (node_add(client, id, host, port) == NULL) {
            result = BNB_ERROR_NO_MEMORY;
        }
    }
    mem_free(copy);
    if (result == 0 && list_empty(&client->nodes)) {
        result = client_error_set(error, BNB_ERROR_INVALID,
                                  "No resolvable bootstrap urls given in bootstrap.servers");
    }
    return result;
}

static void client_forget_brokers(struct client *client)
{
    LIST_FOR_EACH(item, &client->nodes) {
        struct client_node *node = CONTAINER_OF(item, struct client_node, node);
        node->gone = node->id >= 0 && node->id < NODE_COORDINATOR_MIN;
    }
}

static void client_learn_node(struct client *client, int32_t id, struct string_view name,
                              int32_t port)
{
    char host[CLIENT_HOST_BYTES];
    snprintf(host, sizeof host, "%.*s", (int)name.size, name.data);
    struct client_node *by_id = NULL;
    struct client_node *by_address = NULL;
    LIST_FOR_EACH(item, &client->nodes) {
        struct client_node *node = CONTAINER_OF(item, struct client_node, node);
        if (node->id == id) {
            by_id = node;
        } else if (id < NODE_COORDINATOR_MIN && node->id < 0 && node->port == port &&
                   strcmp(node->host, host) == 0) {
            by_address = node;
        }
    }
    if (by_id == NULL && by_address != NULL) {
        by_address->id = id; /* the same address: keep the connection */
        by_id = by_address;
    }
    if (by_id == NULL) {
        by_id = node_add(client, id, host, (uint16_t)port);
    } else if (by_id->port != port || strcmp(by_id->host, host) != 0) {
        node_disconnect(by_id);
        snprintf(by_id->host, sizeof by_id->host, "%s", host);
        by_id->port = (uint16_t)port;
        by_id->retry_at_ms = 0;
    }
    if (by_id != NULL) {
        by_id->gone = false;
    }
}

void client_learn_brokers(struct client *client, const struct metadata_response *metadata)
{
    client_forget_brokers(client);
    for (int32_t i = 0; i < metadata->brokers.count; i++) {
        const struct metadata_response_metadata_response_broker *broker =
            &metadata->brokers.items[i];
        client_learn_node(client, broker->node_id, broker->host, broker->port);
    }
}

int32_t client_learn_coordinator(struct client *client, int32_t id, struct string_view host,
                                 int32_t port)
{
    int32_t target = INT32_MAX - id;
    if (id < 0 || target < NODE_COORDINATOR_MIN) {
        return -1;
    }
    client_learn_node(client, target, host, port);
    LIST_FOR_EACH(item, &client->nodes) {
        if (CONTAINER_OF(item, struct client_node, node)->id == target) {
            return target;
        }
    }
    return -1;
}

void client_disconnect(struct client *client, int32_t target)
{
    LIST_FOR_EACH(item, &client->nodes) {
        struct client_node *node = CONTAINER_OF(item, struct client_node, node);
        if (node->id == target) {
            node_disconnect(node);
            return;
        }
    }
}

/* Controllers have no metadata to give, but they describe the cluster. */
static void client_learn_cluster(struct client *client,
                                 const struct describe_cluster_response *cluster)
{
    if (cluster->error_code != 0) {
        return;
    }
    client_forget_brokers(client);
    for (int32_t i = 0; i < cluster->brokers.count; i++) {
        const struct describe_cluster_response_describe_cluster_broker *broker =
            &cluster->brokers.items[i];
        client_learn_node(client, broker->broker_id, broker->host, broker->port);
    }
}

int16_t client_transaction_version(const struct client *client)
{
    return client->transaction_version;
}

size_t client_in_flight(struct client *client, int32_t node_id)
{
    LIST_FOR_EACH(item, &client->nodes) {
        struct client_node *node = CONTAINER_OF(item, struct client_node, node);
        if (node->id == node_id) {
            return node->in_flight;
        }
    }
    return 0;
}

/* ---- the thread ---- */

static void client_resolver_idle(struct net_resolver *resolver)
{
    struct client *client = CONTAINER_OF(resolver, struct client, resolver);
    if (client->closing) {
        loop_stop(client->loop);
    }
}

static void client_quit(struct loop_mail *mail)
{
    struct client *client = CONTAINER_OF(mail, struct client, quit);
    if (client->owner_quit != NULL) {
        client->owner_quit->run(client->owner_quit);
    }
    client->closing = true;
    while (!list_empty(&client->nodes)) {
        node_destroy(CONTAINER_OF(client->nodes.next, struct client_node, node));
    }
    while (!list_empty(&client->pending)) {
        client_request_complete(
            CONTAINER_OF(client->pending.next, struct client_request, node), ERR_CLOSED,
            "the client is closed");
    }
    if (client->resolver.pending == 0) {
        loop_stop(client->loop);
    }
}

static void *client_main(void *argument)
{
    struct client *client = argument;
    client->start_error = loop_create(1, &client->loop);
    client->resolver.loop = client->loop;
    client->resolver.idle = client_resolver_idle;
    bool started = client->start_error == 0;
    sem_post(&client->started);
    if (started) {
        loop_run(client->loop);
        /* Whoever posted the last mail may still be about to wake the loop. */
        while (sem_wait(&client->posted) != 0) {
        }
        loop_destroy(&client->loop);
    }
    return NULL;
}

int client_create(const struct client_options *options, struct client **created,
                  struct bnb_error *error)
{
    struct client *client = mem_calloc(1, sizeof *client);
    if (client == NULL) {
        struct client_config config = options->config;
        client_config_release(&config);
        return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
    }
    client->options = *options;
    client->features_epoch = -1;
    list_init(&client->nodes);
    list_init(&client->pending);
    sem_init(&client->started, 0, 0);
    sem_init(&client->posted, 0, 0);
    client->quit.run = client_quit;
    int result = client_bootstrap(client, error);
    if (result == 0) {
        result = err_from_errno(pthread_create(&client->thread, NULL, client_main, client));
        if (result == 0) {
            while (sem_wait(&client->started) != 0) {
            }
            result = client->start_error;
            if (result != 0) {
                pthread_join(client->thread, NULL);
            }
        }
        if (result != 0) {
            client_error_set(error, result, "the network thread cannot start");
        }
    }
    if (result != 0) {
        while (!list_empty(&client->nodes)) {
            struct list *first = client->nodes.next;
            list_remove(first);
            mem_free(CONTAINER_OF(first, struct client_node, node));
        }
        client_config_release(&client->options.config);
        sem_destroy(&client->started);
        sem_destroy(&client->posted);
        mem_free(client);
        return result;
    }
    *created = client;
    return 0;
}

void client_destroy(struct client **destroyed, struct loop_mail *quit)
{
    struct client *client = *destroyed;
    if (client == NULL) {
        return;
    }
    client->owner_quit = quit;
    loop_post(client->loop, &client->quit);
    sem_post(&client->posted);
    pthread_join(client->thread, NULL);
    *destroyed = NULL; /* not before: callbacks of its owner still reach it through this pointer */
    client_config_release(&client->options.config);
    sem_destroy(&client->started);
    sem_destroy(&client->posted);
    mem_free(client);
}

const struct client_config *client_config(const struct client *client)
{
    return &client->options.config;
}

struct loop *client_loop(struct client *client) { return client->loop; }

bool client_is_network_thread(const struct client *client)
{
    return pthread_equal(pthread_self(), client->thread) != 0;
}

void client_post(struct client *client, struct loop_mail *mail) { loop_post(client->loop, mail); }

/* ---- calls that wait ---- */

struct waiting_call {
    struct loop_mail mail;
    struct client *client;
    struct client_request request;
    struct timer pause;
    int64_t deadline_ms;
    int32_t failures;
    sem_t done;
};

static void waiting_call_start(struct waiting_call *waiting)
{
    int64_t left_ms = waiting->deadline_ms - loop_monotonic_ms(waiting->client->loop);
    waiting->request.timeout_ms = left_ms > 0 ? left_ms : 0;
    client_request_start(waiting->client, &waiting->request);
}

static void waiting_call_again(struct timer *timer)
{
    waiting_call_start(CONTAINER_OF(timer, struct waiting_call, pause));
}

static void waiting_call_done(struct client_request *request)
{
    struct waiting_call *waiting = CONTAINER_OF(request, struct waiting_call, request);
    struct client *client = waiting->client;
    const struct client_config *config = &client->options.config;
    bool lost = request->error == ERR_CLOSED || request->error == ERR_TIMEOUT;
    int64_t backoff_ms =
        client_backoff_ms(config->retry_backoff_ms, config->retry_backoff_max_ms,
                          waiting->failures);
    if (lost && !client->closing &&
        loop_monotonic_ms(client->loop) + backoff_ms < waiting->deadline_ms) {
        waiting->failures++;
        loop_timer_arm(client->loop, &waiting->pause, backoff_ms);
        return;
    }
    if (request->error == 0 && request->api_key == API_METADATA) {
        client_learn_brokers(client, request->response);
    } else if (request->error == 0 && request->api_key == API_DESCRIBE_CLUSTER) {
        client_learn_cluster(client, request->response);
    }
    sem_post(&waiting->done);
}

static void waiting_call_arrived(struct loop_mail *mail)
{
    waiting_call_start(CONTAINER_OF(mail, struct waiting_call, mail));
}

/* What Kafka's admin client calls it: "createTopics" for CreateTopics. */
static const char *call_name(int16_t api_key, char name[CALL_NAME_BYTES])
{
    const struct api_row *row = api_find(api_key);
    snprintf(name, CALL_NAME_BYTES, "%s", api_key == API_METADATA ? "listTopics"
                                          : row != NULL           ? row->name
                                                                  : "?");
    if (name[0] >= 'A' && name[0] <= 'Z') {
        name[0] = (char)(name[0] - 'A' + 'a');
    }
    return name;
}

int client_call(struct client *client, struct client_call *call, void *response_at,
                struct bnb_error *error)
{
    int64_t timeout_ms = call->timeout_ms >= 0 ? call->timeout_ms
                                               : client->options.config.default_api_timeout_ms;
    struct waiting_call waiting = {
        .mail = {.run = waiting_call_arrived},
        .client = client,
        .request = {.target = call->target,
                    .api_key = call->api_key,
                    .version_min = call->version_min,
                    .version_max = call->version_max,
                    .request_row = call->request_row,
                    .request = call->request,
                    .response_row = call->response_row,
                    .arena = call->arena,
                    .prepare = call->prepare,
                    .done = waiting_call_done},
        .deadline_ms = io_monotonic_ms() + timeout_ms,
    };
    timer_init(&waiting.pause, waiting_call_again);
    sem_init(&waiting.done, 0, 0);
    loop_post(client->loop, &waiting.mail);
    while (sem_wait(&waiting.done) != 0) {
        ASSERT(errno == EINTR);
    }
    sem_destroy(&waiting.done);
    call->version = waiting.request.version;
    call->node_id = waiting.request.node_id;
    *(void **)response_at = waiting.request.response;
    if (waiting.request.error == ERR_TIMEOUT && waiting.request.attempts == 0) {
        char name[CALL_NAME_BYTES];
        return client_error_set(error, ERR_TIMEOUT, "%s Call: %s", waiting.request.message.text,
                                call->name != NULL ? call->name : call_name(call->api_key, name));
    }
    if (waiting.request.error != 0) {
        return client_error_set(error, waiting.request.error, "%s", waiting.request.message.text);
    }
    return 0;
}

int client_call_metadata(struct client *client, struct arena *arena,
                         const struct string_view *names, int32_t count, bool auto_create,
                         int64_t timeout_ms, struct metadata_response **metadata,
                         struct bnb_error *error)
{
    struct metadata_request request;
    metadata_request_default(&request);
    request.topics.count = -1;
    request.allow_auto_topic_creation = auto_create;
    if (names != NULL) {
        request.topics.count = count;
        request.topics.items =
            arena_array(arena, (size_t)(count > 0 ? count : 1), sizeof *request.topics.items);
        if (request.topics.items == NULL) {
            return client_error_set(error, BNB_ERROR_NO_MEMORY, "out of memory");
        }
        for (int32_t i = 0; i < count; i++) {
            request.topics.items[i].name = names[i];
        }
    }
    struct client_call call = {
        .target = CLIENT_NODE_ANY,
        .api_key = API_METADATA,
        .request_row = &metadata_request_row,
        .request = &request,
        .response_row = &metadata_response_row,
        .arena = arena,
        .timeout_ms = timeout_ms,
    };
    int result = client_call(client, &call, metadata, error);
    if (result == 0 && (*metadata)->error_code != 0) {
        return client_error_kafka(error, (*metadata)->error_code, (struct string_view){NULL, 0});
    }
    return result;
}
