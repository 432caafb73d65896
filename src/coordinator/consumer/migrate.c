/* Groups that change their protocol while members are in them. */
#include "coordinator/group/internal.h"

int16_t consumer_upgrade(struct group *group, struct arena *arena, struct string_view *message)
{
    *message = arena_format(arena,
                            "Cannot upgrade classic group %.*s to consumer group because online "
                            "upgrade is disabled.",
                            (int)group->id.size, group->id.data);
    return KAFKA_GROUP_ID_NOT_FOUND;
}

bool consumer_may_downgrade(const struct group *group, struct consumer_member *const *leaving,
                            size_t count)
{
    (void)group;
    (void)leaving;
    (void)count;
    return false;
}

bool consumer_downgrade(struct group *group, struct consumer_member *const *leaving, size_t count,
                        const char *why, struct arena *arena)
{
    (void)leaving;
    (void)count;
    (void)why;
    (void)arena;
    runtime_fail(group->owner->runtime);
    return false;
}
