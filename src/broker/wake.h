/* wake.h: fetches that were waiting and may be answered now, at the end of the turn in which they
 * were woken, so that many appends of a turn make one answer. Thread: the shard. */
#ifndef BNB_BROKER_WAKE_H
#define BNB_BROKER_WAKE_H

struct broker_shard;

/* api_fetch.c */
void fetch_run_woken(struct broker_shard *shard);
/* Answers all that wait, unless memory is ample: they hold some. */
void fetch_end_waits(struct broker_shard *shard);

#endif
