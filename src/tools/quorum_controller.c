/* quorum_controller.c: a controller from its properties file. */
#include "tools/quorum_controller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/common.h"

#define PATH_BYTES 1024

static bool controller_fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return false;
}

/* The directory id that lies in the metadata directory. */
static bool controller_directory(struct quorum_controller *controller,
                                 const struct bnb_config *settings)
{
    const char *directory = bnb_config_get(settings, "metadata.log.dir");
    directory = directory != NULL ? directory : bnb_config_get(settings, "log.dirs");
    directory = directory != NULL ? directory : bnb_config_get(settings, "log.dir");
    if (directory == NULL) {
        return controller_fail("Neither metadata.log.dir nor log.dirs is set.");
    }
    char path[PATH_BYTES];
    struct bnb_error error;
    int size = (int)strcspn(directory, ",");
    snprintf(path, sizeof path, "%.*s/meta.properties", size, directory);
    struct bnb_config *meta = bnb_config_create();
    bool fine = meta != NULL && bnb_config_load(meta, path, &error) == 0;
    const char *id = fine ? bnb_config_get(meta, "directory.id") : NULL;
    if (!fine) {
        fprintf(stderr, "Unable to read meta.properties from %.*s\n", size, directory);
    } else if (id == NULL || bnb_uuid_parse(id, &controller->directory_id) != 0) {
        fprintf(stderr, "No directory id found in %s\n", path);
        fine = false;
    }
    bnb_config_destroy(&meta);
    return fine;
}

/* Cuts "NAME://host:port,..." and keeps what is one of the controller's listeners. */
static bool controller_endpoints(struct quorum_controller *controller, const char *names)
{
    char *rest = controller->listeners;
    char *item;
    while ((item = tools_list_next(&rest, ",")) != NULL) {
        char *host = strstr(item, "://");
        char *port = host != NULL ? strrchr(host + 3, ':') : NULL;
        if (port == NULL || controller->endpoint_count == QUORUM_ENDPOINTS_MAX) {
            return controller_fail("The listeners cannot be read.");
        }
        *host = '\0';
        *port = '\0';
        if (tools_listed(names, item)) {
            controller->endpoints[controller->endpoint_count++] = (struct bnb_voter_endpoint){
                item, host[3] != '\0' ? host + 3 : "localhost",
                (int32_t)strtol(port + 1, NULL, 10)};
        }
    }
    return true;
}

static bool controller_read(struct quorum_controller *controller,
                            const struct bnb_config *settings)
{
    const char *roles = bnb_config_get(settings, "process.roles");
    const char *id = bnb_config_get(settings, "node.id");
    const char *names = bnb_config_get(settings, "controller.listener.names");
    const char *listeners = bnb_config_get(settings, "advertised.listeners");
    int32_t number;
    listeners = listeners != NULL && names != NULL && strstr(listeners, names) != NULL
                    ? listeners : bnb_config_get(settings, "listeners");
    if (roles == NULL || !tools_listed(roles, "controller")) {
        return controller_fail("process.roles did not contain 'controller' in configuration file. "
                               "Is this a valid controller configuration file?");
    }
    if (id == NULL || !args_parse_int(id, &number) || number < 0) {
        return controller_fail("node.id not found in configuration file. Is this a valid "
                               "controller configuration file?");
    }
    if (names == NULL || listeners == NULL) {
        return controller_fail("controller.listener.names was not found in configuration file. "
                               "Is this a valid controller configuration file?");
    }
    controller->id = number;
    controller->listeners = mem_strndup(listeners, strlen(listeners));
    return controller->listeners != NULL && controller_directory(controller, settings) &&
           controller_endpoints(controller, names);
}

bool quorum_controller_load(struct quorum_controller *controller, const char *path)
{
    struct bnb_error error;
    struct bnb_config *settings = bnb_config_create();
    *controller = (struct quorum_controller){.id = -1};
    bool fine = settings != NULL && bnb_config_load(settings, path, &error) == 0;
    if (!fine) {
        tools_fail_file(path, &error);
    } else {
        fine = controller_read(controller, settings);
    }
    if (!fine) {
        quorum_controller_release(controller);
    }
    bnb_config_destroy(&settings);
    return fine;
}

void quorum_controller_release(struct quorum_controller *controller)
{
    mem_free(controller->listeners);
    controller->listeners = NULL;
}
