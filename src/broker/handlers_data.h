/* handlers_data.h: handlers of the data path and of the broker itself; as handlers.h. */
#ifndef BNB_BROKER_HANDLERS_DATA_H
#define BNB_BROKER_HANDLERS_DATA_H

struct broker_request;

void api_api_versions(struct broker_request *request);           /* api_versions.c */
void api_produce(struct broker_request *request);                /* api_produce.c */
void api_fetch(struct broker_request *request);                  /* api_fetch.c */
void api_list_offsets(struct broker_request *request);           /* api_offsets.c */
void api_offset_for_leader_epoch(struct broker_request *request);
void api_delete_records(struct broker_request *request);
void api_describe_log_dirs(struct broker_request *request);      /* api_log_dirs.c */
void api_alter_replica_log_dirs(struct broker_request *request); /* api_alter_log_dirs.c */

#endif
