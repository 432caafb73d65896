/* membership_consumer.c: the protocol of KIP-848. */
#include "client/membership.h"

void membership_consumer_next(struct membership *membership, int64_t now_ms,
                              const struct topics *topics, struct membership_step *step)
{
    (void)membership;
    (void)now_ms;
    (void)topics;
    (void)step;
}

bool membership_consumer_answered(struct membership *membership, int64_t now_ms,
                                  const struct consumer_group_heartbeat_response *response)
{
    (void)membership;
    (void)now_ms;
    (void)response;
    return false;
}
