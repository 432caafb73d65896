/* quorum_controller.h: what a controller that shall vote is, read from its properties file.
 * Thread: main. */
#ifndef BNB_TOOLS_QUORUM_CONTROLLER_H
#define BNB_TOOLS_QUORUM_CONTROLLER_H

#include <barnabas/admin.h>
#include <stdbool.h>

#define QUORUM_ENDPOINTS_MAX 16

struct quorum_controller {
    int32_t id;
    struct bnb_uuid directory_id;
    struct bnb_voter_endpoint endpoints[QUORUM_ENDPOINTS_MAX]; /* borrowed from listeners */
    int32_t endpoint_count;
    char *listeners;
};
/* False after telling what is wrong on stderr. */
bool quorum_controller_load(struct quorum_controller *controller, const char *path);
void quorum_controller_release(struct quorum_controller *controller);

#endif
