/* images.h: how an image of the metadata comes to the shards. Thread: shard 0. */
#ifndef BNB_BROKER_IMAGES_H
#define BNB_BROKER_IMAGES_H

#include "broker/broker.h"

/* At shutdown: what is still on its way is dropped. */
/* Before the first image. ERR_NOMEM. */
int images_create(struct broker *broker);
void images_shard_init(struct broker_shard *shard);
/* Takes the image on once more in a while: there was no memory for a part of it. Thread: the
 * shard's. */
void images_shard_again(struct broker_shard *shard);
void images_release(struct broker *broker);

#endif
