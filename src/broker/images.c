/* Brings an image to every shard, in two steps: first all of them give up the partitions of topics
 * that are gone, then they take on what is new. A topic that was deleted and made again has the
 * same directories, and another shard: the old one must have left before the new one comes.
 * One round is under way at a time; of the images that come meanwhile the last is next. */
#include "broker/images.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "broker/assignment.h"
#include "broker/connections.h"
#include "broker/coordinator_driver.h"
#include "broker/cordon.h"
#include "broker/partition.h"

struct image_part {
    struct loop_mail mail;
    struct image_round *round;
    struct broker_shard *shard;
};
struct image_round {
    struct broker *broker;
    struct image *image;
    bool dropping; /* the first step */
    int32_t left;  /* parts of this step that are not home */
    struct image_part parts[];
};

static bool topic_has_us(const struct image_topic *topic, int32_t index, int32_t node_id)
{
    const struct image_ids *replicas = &topic->partitions[index].replicas;
    for (int32_t i = 0; i < replicas->count; i++) {
        if (replicas->ids[i] == node_id) {
            return true;
        }
    }
    return false;
}

/* 0, or ERR_NOMEM. */
static int shard_apply_topic(struct broker_shard *shard, const struct image *image,
                             const struct image_topic *topic)
{
    struct partition_settings settings;
    int error = partition_settings_read(shard, image, topic->name, &settings);
    if (error != 0) {
        return error;
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (broker_shard_of(shard->broker, topic->id, i) == shard &&
            topic_has_us(topic, i, shard->broker->options.node_id) &&
            partition_apply(shard, &settings, topic, i) != 0) {
            error = ERR_NOMEM;
        }
    }
    return error;
}

static void shard_drop_topic(struct broker_shard *shard, const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = partition_find(shard, topic->id, i);
        if (partition != NULL) {
            partition_delete(partition);
        }
    }
}

/* Whether settings that reach into topics differ; then every topic is looked at. */
static bool broker_settings_differ(const struct image *older, const struct image *newer,
                                   int32_t node_id)
{
    char name[16];
    snprintf(name, sizeof name, "%" PRId32, node_id);
    struct image_settings pairs[2][2] = {
        {image_settings(older, 4, string_view_of("")),
         image_settings(newer, 4, string_view_of(""))},
        {image_settings(older, 4, string_view_of(name)),
         image_settings(newer, 4, string_view_of(name))}};
    return pairs[0][0].items != pairs[0][1].items || pairs[1][0].items != pairs[1][1].items;
}

static void shard_drop_gone(struct broker_shard *shard, const struct image *newer)
{
    const struct image *older = shard->image;
    shard->dropping = true;
    coordinators_give_up(shard, newer);
    for (size_t i = 0; older != NULL && i < image_topic_count(older); i++) {
        const struct image_topic *topic = image_topic_at(older, i);
        if (image_topic_by_id(newer, topic->id) == NULL) {
            shard_drop_topic(shard, topic);
        }
    }
}

/* every: also the topics that are the same in both. */
static void shard_take_on(struct broker_shard *shard, const struct image *newer, bool every)
{
    const struct image *older = shard->image;
    int error = 0;
    every |= older == NULL || timer_is_armed(&shard->apply_again) ||
             broker_settings_differ(older, newer, shard->broker->options.node_id);
    loop_timer_cancel(shard->loop, &shard->apply_again);
    shard->dropping = false;
    for (size_t i = 0; i < image_topic_count(newer); i++) {
        const struct image_topic *topic = image_topic_at(newer, i);
        const struct image_topic *before =
            older == NULL ? NULL : image_topic_by_id(older, topic->id);
        bool settings_same =
            older != NULL && image_settings(older, 2, topic->name).items ==
                                 image_settings(newer, 2, topic->name).items;
        if ((every || before != topic || !settings_same) &&
            shard_apply_topic(shard, newer, topic) != 0) {
            error = ERR_NOMEM;
        }
    }
    partition_new_sync(shard);
    assignment_send(shard);
    coordinators_compare_topics(shard, newer);
    struct image *taken = image_ref(newer); /* newer may be the one that is held */
    image_unref(&shard->image);
    shard->image = taken;
    coordinators_take_on(shard, taken);
    shard->settled |= error == 0;
    if (error != 0) {
        images_shard_again(shard);
    }
}

#define APPLY_AGAIN_MS 100

static void shard_apply_again(struct timer *timer)
{
    struct broker_shard *shard = CONTAINER_OF(timer, struct broker_shard, apply_again);
    if (shard->dropping || shard->image == NULL) {
        images_shard_again(shard); /* not without what comes with the newer one */
        return;
    }
    shard_take_on(shard, shard->image, true);
}

void images_shard_init(struct broker_shard *shard)
{
    timer_init(&shard->apply_again, shard_apply_again);
}

void images_shard_again(struct broker_shard *shard)
{
    loop_timer_arm(shard->loop, &shard->apply_again, APPLY_AGAIN_MS);
}

static void image_round_step(struct image_round *round, bool dropping);
static void image_round_begin(struct broker *broker, const struct image *image);

static void image_round_free(struct image_round *round)
{
    round->broker->image_round = NULL;
    image_unref(&round->image);
}

static void image_round_end(struct image_round *round)
{
    struct broker *broker = round->broker;
    connections_configure(broker, round->image);
    struct image *applied = image_ref(round->image);
    struct image *next = broker->image_next;
    image_round_free(round);
    if (next != NULL) {
        broker->image_next = NULL;
        image_round_begin(broker, next);
        image_unref(&next);
    }
    broker->options.on_applied(broker->options.context, applied);
    image_unref(&applied);
}

static void image_part_home(struct loop_mail *mail)
{
    struct image_round *round = CONTAINER_OF(mail, struct image_part, mail)->round;
    if (--round->left > 0) {
        return;
    }
    if (round->dropping) {
        image_round_step(round, false);
    } else {
        image_round_end(round);
    }
}

static void image_part_run(struct loop_mail *mail)
{
    struct image_part *part = CONTAINER_OF(mail, struct image_part, mail);
    struct image_round *round = part->round;
    if (round->dropping) {
        shard_drop_gone(part->shard, round->image);
    } else {
        shard_take_on(part->shard, round->image, false);
    }
    part->mail.run = image_part_home;
    if (part->shard->index == 0) {
        image_part_home(mail);
    } else {
        loop_post(round->broker->shards[0].loop, mail);
    }
}

/* The last part is that of shard 0 itself, which is done at once. */
static void image_round_step(struct image_round *round, bool dropping)
{
    struct broker *broker = round->broker;
    round->dropping = dropping;
    round->left = broker->options.shard_count;
    for (int32_t i = broker->options.shard_count - 1; i >= 0; i--) {
        struct image_part *part = &round->parts[i];
        *part = (struct image_part){
            .mail.run = image_part_run, .round = round, .shard = &broker->shards[i]};
        if (i == 0) {
            image_part_run(&part->mail);
        } else {
            loop_post(broker->shards[i].loop, &part->mail);
        }
    }
}

static bool image_lacks_a_topic(const struct image *older, const struct image *newer)
{
    for (size_t i = 0; older != NULL && i < image_topic_count(older); i++) {
        if (image_topic_by_id(newer, image_topic_at(older, i)->id) == NULL) {
            return true;
        }
    }
    return false;
}

static void image_round_begin(struct broker *broker, const struct image *image)
{
    cordon_apply(broker, image);
    struct image_round *round = broker->image_round_memory;
    round->broker = broker;
    round->image = image_ref(image);
    broker->image_round = round;
    image_round_step(round, image_lacks_a_topic(broker->shards[0].image, image));
}

void broker_apply_image(struct broker *broker, const struct image *image)
{
    if (broker->image_round == NULL) {
        image_round_begin(broker, image);
        return;
    }
    image_unref(&broker->image_next);
    broker->image_next = image_ref(image);
}

bool broker_is_applying(const struct broker *broker) { return broker->image_round != NULL; }

int images_create(struct broker *broker)
{
    size_t parts = (size_t)broker->options.shard_count;
    broker->image_round_memory =
        mem_calloc(1, sizeof(struct image_round) + parts * sizeof(struct image_part));
    return broker->image_round_memory != NULL ? 0 : ERR_NOMEM;
}

void images_release(struct broker *broker)
{
    if (broker->image_round != NULL) {
        image_round_free(broker->image_round);
    }
    image_unref(&broker->image_next);
    mem_free(broker->image_round_memory);
}
