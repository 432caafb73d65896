/* producer_ids.h: producer ids that nobody had before. They come from the controller in blocks;
 * each shard works through its own.
 *
 * Thread: the shard of the request. */
#ifndef BNB_BROKER_PRODUCER_IDS_H
#define BNB_BROKER_PRODUCER_IDS_H

#include "broker/request.h"

struct producer_id_wait {
    struct list node;
    struct broker_request *request;
    /* error 0: producer_id is nobody's but the caller's; else clients try again. */
    void (*done)(struct producer_id_wait *wait, int16_t error, int64_t producer_id);
};
/* request and done are set; it stays until done, which may be called before this returns. */
void producer_id_take(struct producer_id_wait *wait);
/* One that was not used, and is not in any record. */
void producer_id_give_back(struct broker_shard *shard, int64_t producer_id);

#endif
