/* A broken product: whoever was a member may commit, whatever generation it speaks for. */
#include "coordinator/group/internal.h"

void __real_offset_commit(struct group_coordinator *owner, struct runtime_call *call);
void __wrap_offset_commit(struct group_coordinator *owner, struct runtime_call *call);

void __wrap_offset_commit(struct group_coordinator *owner, struct runtime_call *call)
{
    struct offset_commit_request asked = *(const struct offset_commit_request *)call->request;
    const struct group *group = group_find(owner, asked.group_id);
    if (group != NULL && asked.generation_id_or_member_epoch >= 0) {
        asked.generation_id_or_member_epoch = group->generation;
    }
    const void *request = call->request;
    call->request = &asked;
    __real_offset_commit(owner, call);
    call->request = request;
}
