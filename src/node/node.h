/* node.h: one node from start to stop: its directories, loops, quorum, broker and listeners.
 *
 * node_run is called by the main thread, which becomes shard 0. It returns after node_stop.
 * Errors: one clear line. */
#ifndef BNB_NODE_NODE_H
#define BNB_NODE_NODE_H

#include "base/err.h"
#include "broker/config.h"
#include "io/file.h"

struct node;
struct node_options {
    const struct config *config;
    struct io_fs *fs;
    /* Called on the main thread when clients are served; milliseconds since node_run began. */
    void (*on_ready)(void *context, struct node *node, int64_t ms);
    void *context;
};
int node_run(const struct node_options *options, struct err_message *message);
/* That no log directory has a metadata log but the one that the settings say, as after their order
 * was changed: a new one beside it would know no topic. 0 or an error. */
int node_check_metadata_place(struct io_fs *fs, const struct config *config,
                              struct err_message *message);
/* Thread: any, also a signal handler. */
void node_stop(struct node *node);
struct string_view node_cluster_id(const struct node *node);
/* The port that listener number index really listens on. */
uint16_t node_listener_port(const struct node *node, int32_t index);

#endif
