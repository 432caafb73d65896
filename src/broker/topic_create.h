/* topic_create.h: what a topic is like that the broker creates by itself.
 * Thread: any. */
#ifndef BNB_BROKER_TOPIC_CREATE_H
#define BNB_BROKER_TOPIC_CREATE_H

#include "broker/config.h"
#include "broker/request.h"
#include "protocol/messages.h"

/* Fills the creation of a topic: the settings of its own for an internal one, num.partitions and
 * default.replication.factor for any other. name is borrowed. False when the arena is full. */
bool topic_create_fill(const struct config *config, struct string_view name, struct arena *arena,
                       struct create_topics_request_creatable_topic *topic);

/* The settings that a topic made as asked has, its own and those of the broker, as CreateTopics
 * answers them; in the request's arena. In api_config.c, which has them from one table. */
void describe_new_topic(struct broker_request *request,
                        const struct create_topics_request_creatable_topic *asked,
                        struct create_topics_response_creatable_topic_result *result);

#endif
