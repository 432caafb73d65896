/* access.h: what a configuration asks of security that is not served yet, so that nothing is open
 * that its owner believes closed.
 *
 * Until there are SASL and TLS, listeners of those protocols are bound but take nobody in. Until
 * there is an authoriser, a node whose settings name one serves only where it would allow
 * everything: StandardAuthorizer without rules and with allow.everyone.if.no.acl.found.
 * Thread: any. */
#ifndef BNB_NODE_ACCESS_H
#define BNB_NODE_ACCESS_H

#include "broker/config.h"
#include "metadata/image.h"

/* Whether clients of the listener are taken in. */
bool access_listener_is_served(const struct config_listener *listener);
/* One line for each listener that is not. */
void access_name_closed_listeners(const struct config *config);
/* Whether the settings name a class that decides what is allowed, and that is not built in: 0, or
 * ERR_UNSUPPORTED with what to do about it. */
int access_check_classes(const struct config *config, struct err_message *message);
/* 0, or ERR_UNSUPPORTED with what to do about it. */
int access_check(const struct config *config, const struct image *image,
                 struct err_message *message);

#endif
