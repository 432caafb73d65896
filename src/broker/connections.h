/* connections.h: which connections the broker lets in, by the settings in force: max.connections,
 * max.connections.per.ip and its overrides, max.connection.creation.rate, all but the middle two
 * also of one listener (listener.name.<name>.).
 *
 * Shard 0 counts; the others tell it when one of theirs has gone. The total is also bounded by the
 * descriptors that the process may have.
 * Thread: shard 0.   Errors: ERR_NOMEM at the creation; later a connection is not let in. */
#ifndef BNB_BROKER_CONNECTIONS_H
#define BNB_BROKER_CONNECTIONS_H

#include "broker/broker.h"

int connections_create(struct broker *broker);
/* Every server must be gone. */
void connections_destroy(struct broker *broker);
/* Settings may have changed. image may be NULL. */
void connections_configure(struct broker *broker, const struct image *image);
/* For the servers: a connection of one of them has gone. Thread: its shard. */
void connections_left(void *context, struct net_connection *connection);

#endif
