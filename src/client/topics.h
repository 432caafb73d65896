/* topics.h: what the newest metadata says of the topics that a consumer asks about.
 *
 * Replaced as a whole by each response. Thread: network.   Errors: ERR_NOMEM, then it is empty. */
#ifndef BNB_CLIENT_TOPICS_H
#define BNB_CLIENT_TOPICS_H

#include "base/arena.h"
#include "protocol/messages.h"

struct topic_facts {
    struct string_view name; /* NUL-terminated */
    struct uuid id;
    int32_t partition_count; /* 0 with an error */
    int16_t error_code;
    bool is_internal;
};
struct topics {
    struct arena arena;
    struct topic_facts *items; /* by name */
    size_t count;
    uint32_t version; /* of the response; 0: there was none */
};

void topics_init(struct topics *topics);
void topics_release(struct topics *topics);
int topics_take(struct topics *topics, const struct metadata_response *response);
/* NULL: not asked about. */
const struct topic_facts *topics_find(const struct topics *topics, struct string_view name);
const struct topic_facts *topics_find_id(const struct topics *topics, struct uuid id);

#endif
