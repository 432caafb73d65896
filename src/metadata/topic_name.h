/* topic_name.h: what a topic may be called. Thread: any. */
#ifndef BNB_METADATA_TOPIC_NAME_H
#define BNB_METADATA_TOPIC_NAME_H

#include "base/err.h"
#include "base/view.h"

#define TOPIC_NAME_BYTES_MAX 249

/* 0, or ERR_INVALID with Kafka's words, "Topic name is invalid: ...". message may be NULL. */
int topic_name_check(struct string_view name, struct err_message *message);
/* Whether two names become one where metrics replace dots by underscores. */
bool topic_names_collide(struct string_view a, struct string_view b);

#endif
