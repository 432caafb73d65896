#include "broker/fanout.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

#define FANOUT_LOAD_BYTES (64u << 10)
#define FANOUT_LOAD_DOUBLINGS_MAX 7

int fanout_init(struct fanout *fanout, struct broker_request *request)
{
    struct broker *broker = request->shard->broker;
    size_t count = (size_t)broker->options.shard_count;
    fanout->request = request;
    if (fanout->groups == NULL) {
        fanout->groups = arena_array(&request->arena, count, sizeof *fanout->groups);
    }
    if (fanout->groups == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct fanout_group *group = &fanout->groups[i];
        *group = (struct fanout_group){.fanout = fanout, .shard = &broker->shards[i]};
        group->last = &group->first;
    }
    return 0;
}

void fanout_add(struct fanout *fanout, struct fanout_item *item)
{
    struct broker *broker = fanout->request->shard->broker;
    struct broker_shard *shard = broker_shard_of(broker, item->topic_id, item->partition);
    struct fanout_group *group = &fanout->groups[shard->index];
    item->group = group;
    item->next = NULL;
    item->loads = 0;
    *group->last = item;
    group->last = &item->next;
}

static void fanout_group_home(struct loop_mail *mail)
{
    struct fanout_group *group = CONTAINER_OF(mail, struct fanout_group, mail);
    struct fanout *fanout = group->fanout;
    ASSERT(fanout->groups_left > 0);
    if (--fanout->groups_left == 0) {
        fanout->done(fanout);
    }
}

static void fanout_group_finish(struct fanout_group *group)
{
    struct broker_shard *home = group->fanout->request->shard;
    if (group->shard == home) {
        fanout_group_home(&group->mail);
    } else {
        group->mail.run = fanout_group_home;
        loop_post(home->loop, &group->mail);
    }
}

void fanout_item_done(struct fanout_item *item)
{
    ASSERT(item->group->pending > 0);
    if (--item->group->pending == 0) {
        fanout_group_finish(item->group);
    }
}

static void fanout_run(struct fanout_item *item)
{
    struct fanout_group *group = item->group;
    struct partition *partition = partition_find(group->shard, item->topic_id, item->partition);
    if (partition != NULL) {
        partition_touch(partition);
    }
    group->fanout->run(item, partition);
}

bool fanout_item_may_load(const struct fanout_item *item)
{
    return item->loads < FANOUT_LOADS_MAX;
}

struct fanout_load {
    struct loop_job job;
    struct fanout_item *item;
    struct log_load load;
};

static void fanout_load_work(struct loop_job *job)
{
    log_load_run(&CONTAINER_OF(job, struct fanout_load, job)->load);
}

static void fanout_load_done(struct loop_job *job)
{
    struct fanout_load *load = CONTAINER_OF(job, struct fanout_load, job);
    struct fanout_item *item = load->item;
    log_load_release(&load->load);
    mem_free(load);
    fanout_run(item);
}

void fanout_item_load(struct fanout_item *item, struct partition *partition)
{
    int32_t doublings = item->loads < FANOUT_LOAD_DOUBLINGS_MAX ? item->loads
                                                                : FANOUT_LOAD_DOUBLINGS_MAX;
    ASSERT(fanout_item_may_load(item));
    item->loads++;
    struct fanout_load *load = mem_calloc(1, sizeof *load);
    if (load == NULL || log_load_prepare(partition->log, FANOUT_LOAD_BYTES << doublings,
                                         &load->load) != 0) {
        mem_free(load);
        item->loads = FANOUT_LOADS_MAX;
        item->group->fanout->run(item, partition);
        return;
    }
    load->item = item;
    load->job = (struct loop_job){.work = fanout_load_work, .done = fanout_load_done};
    loop_submit(item->group->shard->loop, &load->job);
}

static void fanout_group_run(struct loop_mail *mail)
{
    struct fanout_group *group = CONTAINER_OF(mail, struct fanout_group, mail);
    /* One more, so that the last item does not end the group while this still walks it. */
    group->pending = 1;
    for (struct fanout_item *item = group->first; item != NULL;) {
        struct fanout_item *next = item->next;
        group->pending++;
        fanout_run(item);
        item = next;
    }
    if (--group->pending == 0) {
        fanout_group_finish(group);
    }
}

void fanout_start(struct fanout *fanout)
{
    struct broker_shard *home = fanout->request->shard;
    int32_t shard_count = home->broker->options.shard_count;
    struct fanout_group *own = NULL;
    fanout->groups_left = 1;
    for (int32_t i = 0; i < shard_count; i++) {
        fanout->groups_left += fanout->groups[i].first != NULL;
    }
    for (int32_t i = 0; i < shard_count; i++) {
        struct fanout_group *group = &fanout->groups[i];
        if (group->first == NULL) {
            continue;
        }
        if (group->shard == home) {
            own = group;
        } else {
            group->mail.run = fanout_group_run;
            loop_post(group->shard->loop, &group->mail);
        }
    }
    if (own != NULL) {
        fanout_group_run(&own->mail);
    }
    if (--fanout->groups_left == 0) {
        fanout->done(fanout);
    }
}
