/* handlers.h: one function an API: it answers the request, now or later (request.h).
 *
 * Each owns the request it is called with until it has called a broker_respond function.
 * Thread: the shard of the request. */
#ifndef BNB_BROKER_HANDLERS_H
#define BNB_BROKER_HANDLERS_H

#include "base/err.h"
#include "base/view.h"
#include "metadata/image.h"

struct broker_request;

/* api_metadata.c, api_metadata_describe.c */
void api_metadata(struct broker_request *request);
void api_describe_cluster(struct broker_request *request);
void api_describe_topic_partitions(struct broker_request *request);

/* api_find_coordinator.c, api_group.c, api_groups.c, api_offset_commit.c, api_offset_fetch.c */
void api_find_coordinator(struct broker_request *request);
void api_join_group(struct broker_request *request);
void api_consumer_group_heartbeat(struct broker_request *request);
void api_consumer_group_describe(struct broker_request *request);
void api_sync_group(struct broker_request *request);
void api_heartbeat(struct broker_request *request);
void api_leave_group(struct broker_request *request);
void api_list_groups(struct broker_request *request);
void api_describe_groups(struct broker_request *request);
void api_delete_groups(struct broker_request *request);
void api_offset_commit(struct broker_request *request);
void api_offset_fetch(struct broker_request *request);
void api_offset_delete(struct broker_request *request);

/* api_config.c, api_config_list.c, api_config_alter.c, config_check_setting.c */
void api_describe_configs(struct broker_request *request);
void api_list_config_resources(struct broker_request *request);
void api_alter_configs(struct broker_request *request);
void api_incremental_alter_configs(struct broker_request *request);
/* Fits struct quorum_options.check_settings (node/quorum.h): 0, or a wire error with its text.
 * context is the struct config of the node, or NULL. */
int16_t config_check_settings(void *context, int8_t resource_type,
                              const struct image_setting *items, size_t count,
                              struct err_message *message);
/* Whether a setting is a list, and its value on this node where the resource has none. */
bool config_list_setting(void *context, int8_t resource_type, struct string_view name,
                         struct string_view *value);

/* api_topic.c */
void api_create_topics(struct broker_request *request);
void api_delete_topics(struct broker_request *request);
void api_create_partitions(struct broker_request *request);

/* api_cluster.c */
void api_alter_partition_reassignments(struct broker_request *request);
void api_elect_leaders(struct broker_request *request);

/* api_controller.c: DescribeCluster on a controller's listener. */
void api_describe_controllers(struct broker_request *request);

/* forward.c: any API that the controller answers, and whose response has one error for all. */
void api_forward(struct broker_request *request);

#endif
