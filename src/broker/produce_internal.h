/* produce_internal.h: a Produce on its way: produce_scan.c (what the whole request is),
 * api_produce.c (each partition, on its shard), produce_errors.c (words about what was refused). */
#ifndef BNB_BROKER_PRODUCE_INTERNAL_H
#define BNB_BROKER_PRODUCE_INTERNAL_H

#include "broker/fanout.h"
#include "broker/transaction_enrol.h"

#define PRODUCE_BY_ID_VERSION 13

/* One partition of a request. */
struct produce_item {
    struct fanout_item base;
    struct partition_wait wait;
    uint8_t *data;
    size_t size;
    int16_t api_version;
    bool acks_all;
    bool acks_known;
    bool verify;   /* it is transactional, and its transaction is asked for */
    bool asked;    /* the coordinator has agreed */
    bool held;     /* it is to be asked, for what guard is of */
    uint64_t guard;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int16_t error;
    const char *words; /* about error, or NULL */
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    int32_t leader;
    int32_t leader_epoch;
    struct log_append_result *refused; /* why, when there is more to say; mem_free */
    struct produce_response_partition_produce_response *response;
};
/* What the bytes for a partition are, as far as their framing tells. */
struct produce_look {
    int16_t error;
    enum log_refusal refusal; /* with refused_number, when error is CORRUPT_MESSAGE */
    int32_t refused_number;
    bool transactional; /* the first batch is, whatever follows it */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
};
struct produce_work {
    struct fanout fanout;
    struct produce_look *looks; /* of every partition of the request, in its order */
    size_t look_count;
    struct produce_item *items;
    size_t item_count;
    struct produce_response response;
    bool any_error;
    int16_t refused; /* 0, or the error of the whole request, with words about it */
    struct string_view refused_words;
    bool transactional; /* there are batches of producer in it */
    struct transaction_producer producer;
    struct transaction_enrol enrol;
    struct transaction_partition *enrolling; /* those that are held, in their order */
};

/* ---- produce_scan.c ---- */

/* The topic that data is for; NULL: there is none. */
const struct image_topic *produce_topic(const struct broker_request *request,
                                        const struct produce_request_topic_produce_data *data);
/* Looks at the bytes of every partition, and says of the whole request what can be said before any
 * log is looked at: whether it is refused, whether it is transactional and whose. False: no
 * memory. */
bool produce_scan(struct produce_work *work);

/* ---- produce_errors.c ---- */

/* Words about a batch whose size or magic cannot be. */
struct string_view produce_refusal_text(struct arena *arena, const struct produce_look *look);
/* Puts the errors of single records into the response of an item that was refused; gives
 * item->refused back. */
void produce_fill_errors(struct broker_request *request, struct produce_item *item);

#endif
