/* topic_config.h: names of topics, and the settings in force for one: its own, else those of the
 * broker (dynamic for this broker, dynamic for all, static), else the default.
 * Thread: any.   Errors: values in the image that do not parse are passed over. */
#ifndef BNB_BROKER_TOPIC_CONFIG_H
#define BNB_BROKER_TOPIC_CONFIG_H

#include "base/err.h"
#include "broker/config.h"
#include "log/log.h"
#include "metadata/image.h"
#include "metadata/topic_name.h"

/* __consumer_offsets, __transaction_state, __share_group_state. */
bool topic_is_internal(struct string_view name);

/* The value of a broker setting in force on this node: dynamic ones come before static ones, for
 * each of its names in turn. Null when there is none. */
struct string_view broker_setting_in_force(const struct config *config, const struct image *image,
                                           const struct config_row *row, struct arena *arena);
/* A number likewise, also one of a listener ("listener.name.x.max.connections"); -1: not set. */
int64_t broker_setting_long(const struct config *config, const struct image *image,
                            struct string_view name);
bool broker_setting_boolean(const struct config *config, const struct image *image,
                            const char *name);
/* The value of a topic setting in force; image may be NULL. Null when there is none. */
struct string_view topic_setting_in_force(const struct config *config, const struct image *image,
                                          struct string_view topic, const struct config_row *row,
                                          struct arena *arena);
/* One of the numbers, such as "min.insync.replicas". */
int64_t topic_setting_long(const struct config *config, const struct image *image,
                           struct string_view topic, const char *name);
/* A number of a group, such as "consumer.session.timeout.ms"; -1: not known. */
int64_t group_setting_long(const struct config *config, const struct image *image,
                           struct string_view group, const char *name);
/* All that a log needs to know. */
void topic_log_config(const struct config *config, const struct image *image,
                      struct string_view topic, struct log_config *out);

#endif
