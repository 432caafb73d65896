/* controller_internal.h: the inside of the controller, for the files of this folder. */
#ifndef BNB_CONTROLLER_INTERNAL_H
#define BNB_CONTROLLER_INTERNAL_H

#include "controller/controller.h"
#include "metadata/image_builder.h"
#include "protocol/error.h"
#include "protocol/messages.h"

/* When a broker was last heard of. */
struct controller_session {
    int32_t broker_id;
    int64_t heard_ms;
};
struct controller {
    struct controller_options options;
    struct image *image;
    struct controller_session *sessions;
    size_t session_count;
    size_t session_capacity;
};

/* A place in the records to go back to when what follows fails. */
struct records_mark {
    size_t count;
    size_t bytes;
};
struct records_mark controller_records_mark(const struct controller_records *records);
void controller_records_return(struct controller_records *records, struct records_mark mark);

/* Fills call->response or call->error. */
void controller_create_topics(struct controller *controller, struct controller_call *call);
void controller_delete_topics(struct controller *controller, struct controller_call *call);
void controller_create_partitions(struct controller *controller, struct controller_call *call);
void controller_incremental_alter_configs(struct controller *controller,
                                          struct controller_call *call);
void controller_alter_configs(struct controller *controller, struct controller_call *call);
void controller_register_broker(struct controller *controller, struct controller_call *call);
void controller_heartbeat(struct controller *controller, struct controller_call *call);
void controller_unregister_broker(struct controller *controller, struct controller_call *call);
void controller_update_features(struct controller *controller, struct controller_call *call);
void controller_allocate_producer_ids(struct controller *controller,
                                      struct controller_call *call);
void controller_elect_leaders(struct controller *controller, struct controller_call *call);
void controller_list_reassignments(struct controller *controller, struct controller_call *call);
void controller_alter_reassignments(struct controller *controller, struct controller_call *call);
void controller_alter_partition(struct controller *controller, struct controller_call *call);
void controller_assign_directories(struct controller *controller, struct controller_call *call);
void controller_register_controller(struct controller *controller, struct controller_call *call);

int16_t controller_metadata_version(const struct controller *controller);
/* A random number that differs for each index of one call. */
uint64_t controller_random(const struct controller_call *call, uint64_t index);
struct uuid controller_random_uuid(const struct controller_call *call, uint64_t index);
/* Adds a PartitionRecord in the version that the metadata.version calls for. */
void controller_add_partition(struct controller *controller, struct controller_records *records,
                              struct partition_record *record);
/* The record of a partition that is new: all live replicas in sync, the first of them leads.
 * directories: room for one a replica. */
void controller_add_new_partition(struct controller *controller, struct controller_call *call,
                                  struct uuid topic_id, int32_t index, int32_t *replicas,
                                  int32_t replica_count, struct uuid *directories);
/* Adds a PartitionChangeRecord in the version that the metadata.version calls for. */
void controller_add_partition_change(struct controller *controller,
                                     struct controller_records *records,
                                     const struct partition_change_record *record);
/* Checks a list of replicas that somebody wrote by hand; expected: how many, 0 for any number.
 * 0 or INVALID_REPLICA_ASSIGNMENT with its text. */
int16_t controller_check_replicas(const struct controller *controller,
                                  struct controller_call *call, const int32_t *replicas,
                                  int32_t count, int32_t expected, struct string_view *message);
/* Makes leader lead, under the next leader epoch. */
void controller_add_leader_change(struct controller *controller,
                                  struct controller_records *records, struct uuid topic_id,
                                  int32_t partition, int32_t leader);
/* Whether a broker's replica lies in a directory that the broker has. */
bool controller_replica_is_online(const struct controller *controller,
                                  const struct image_partition *partition, int32_t broker_id);
/* Takes a broker's replica out of the ISR and from the leadership; nothing where it has neither. */
void controller_take_offline(struct controller *controller, struct controller_call *call,
                             const struct image_topic *topic, int32_t index, int32_t broker_id);
/* A broker has not ended in order, so its log may lack records: no partition counts on it any more
 * (KIP-966), but as the last one that was known. */
void controller_forget_eligible(struct controller *controller, struct controller_call *call,
                                int32_t broker_id);
/* What lies in directories of a broker that have failed goes offline, and they leave its
 * registration. False: they had done so before. */
bool controller_fail_directories(struct controller *controller, struct controller_call *call,
                                 const struct image_broker *broker, const struct uuid *failed,
                                 int32_t failed_count);
/* A broker whose replica is online leads, where it did or where nobody does and it may. */
/* One that is not in the ISR leads, and is the whole ISR from then on. unclean: it may lack records
 * that were committed, and nobody is eligible beside it. */
void controller_lead_alone(struct controller *controller, struct controller_call *call,
                           const struct image_topic *topic, int32_t index, int32_t broker_id,
                           bool unclean);
void controller_lead_again(struct controller *controller, struct controller_call *call,
                           const struct image_topic *topic, int32_t index, int32_t broker_id);
void controller_add_config(struct controller_records *records, int8_t type,
                           struct string_view resource, struct string_view name,
                           struct string_view value);

/* From this level on the cluster knows which log directories of a broker are cordoned. */
#define CORDON_METADATA_VERSION 30

/* Replicas for one partition after the other, spread over the unfenced brokers (placement.c). */
struct placement {
    int32_t *brokers;
    int32_t count;
    int32_t start;
    int32_t next;
};
/* 0, or INVALID_REPLICATION_FACTOR with its text. */
int16_t placement_init(struct placement *placement, const struct controller *controller,
                       const struct controller_call *call, int16_t replication_factor,
                       struct string_view *error_message);
/* replication_factor ids into replicas. */
void placement_next(struct placement *placement, int16_t replication_factor, int32_t *replicas);
/* The directories of replicas: the only one of a broker that has one, else to be chosen by it. */
void placement_directories(const struct controller *controller, const int32_t *replicas,
                           int32_t count, struct uuid *directories);

#endif
