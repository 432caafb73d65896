#include "node/access.h"

#include <stdio.h>

#include "protocol/messages.h"

#define PROTOCOL_PLAINTEXT 0
#define DEFAULT_PRINCIPAL_BUILDER \
    "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"
#define STANDARD_AUTHORIZER "org.apache.kafka.metadata.authorizer.StandardAuthorizer"

bool access_listener_is_served(const struct config_listener *listener)
{
    return listener->security_protocol == PROTOCOL_PLAINTEXT;
}

void access_name_closed_listeners(const struct config *config)
{
    for (int32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (!access_listener_is_served(listener)) {
            fprintf(stderr,
                    "listener %.*s: only PLAINTEXT is served yet; whoever connects here is turned "
                    "away\n",
                    (int)listener->name.size, listener->name.data);
        }
    }
}

int access_check_classes(const struct config *config, struct err_message *message)
{
    static const char *const keys[] = {"alter.config.policy.class.name",
                                       "client.quota.callback.class",
                                       "create.topic.policy.class.name",
                                       "principal.builder.class"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct string_view value = config_string(config, keys[i]);
        if (value.size > 0 && !string_view_is(value, DEFAULT_PRINCIPAL_BUILDER)) {
            return err_set(message, ERR_UNSUPPORTED,
                           "%s: there is no %.*s here, and nothing would be decided by it: leave "
                           "it out",
                           keys[i], (int)value.size, value.data);
        }
    }
    return 0;
}

int access_check(const struct config *config, const struct image *image,
                 struct err_message *message)
{
    struct string_view authorizer = config_string(config, "authorizer.class.name");
    if (authorizer.size == 0) {
        return 0;
    }
    if (!string_view_is(authorizer, STANDARD_AUTHORIZER)) {
        return err_set(message, ERR_UNSUPPORTED,
                       "authorizer.class.name: there is no %.*s here; use " STANDARD_AUTHORIZER
                       ", or leave it out to let everybody do everything",
                       (int)authorizer.size, authorizer.data);
    }
    if (!config_boolean(config, "allow.everyone.if.no.acl.found")) {
        return err_set(message, ERR_UNSUPPORTED,
                       "authorizer.class.name: access rules are not enforced yet, so nobody would "
                       "be refused; set allow.everyone.if.no.acl.found=true, or leave the "
                       "authorizer out, where everybody may do everything");
    }
    if (image_has_record(image, ACCESS_CONTROL_ENTRY_RECORD_KEY)) {
        return err_set(message, ERR_UNSUPPORTED,
                       "authorizer.class.name: this cluster has access rules, which are not "
                       "enforced yet; leave the authorizer out only where everybody may do "
                       "everything");
    }
    return 0;
}
