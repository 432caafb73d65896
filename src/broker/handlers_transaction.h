/* handlers_transaction.h: handlers of transactions; as handlers.h. */
#ifndef BNB_BROKER_HANDLERS_TRANSACTION_H
#define BNB_BROKER_HANDLERS_TRANSACTION_H

struct broker_request;

/* api_transaction.c */
void api_init_producer_id(struct broker_request *request);
void api_add_partitions_to_txn(struct broker_request *request);
void api_add_offsets_to_txn(struct broker_request *request);
void api_end_txn(struct broker_request *request);

void api_txn_offset_commit(struct broker_request *request); /* api_txn_offset_commit.c */
void api_write_txn_markers(struct broker_request *request); /* api_txn_markers.c */

/* api_transaction_describe.c */
void api_describe_transactions(struct broker_request *request);
void api_list_transactions(struct broker_request *request);
void api_describe_producers(struct broker_request *request);

#endif
