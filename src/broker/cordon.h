/* cordon.h: log directories that get no new partitions (cordoned.log.dirs, KIP-1066).
 *
 * What is there stays, is led and written to. Thread: any for the pure functions; cordon_apply: the
 * shard that images come to. */
#ifndef BNB_BROKER_CORDON_H
#define BNB_BROKER_CORDON_H

#include "broker/broker.h"
#include "broker/config.h"

#define CORDON_SETTING "cordoned.log.dirs"
/* From this level of metadata.version on the cluster knows which directories are cordoned. */
#define CORDON_METADATA_VERSION 30

/* Whether a directory is cordoned by the setting in force, whatever the cluster knows. */
bool cordon_covers(const struct config *config, const struct image *image, const char *directory);
/* Takes over what an image says of this broker's directories. */
void cordon_apply(struct broker *broker, const struct image *image);

/* The setting after a change: operation is an enum resource_operation; current may be null. */
struct string_view cordon_changed(struct string_view current, struct string_view value,
                                  int8_t operation, struct arena *arena);
/* Whether every entry of value is one of current, word for word: what controllers allow. */
bool cordon_is_narrower(struct string_view value, struct string_view current);

#endif
