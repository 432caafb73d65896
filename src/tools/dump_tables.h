/* dump_tables.h: which message a record of an internal topic holds, by its key.
 *
 * Rows are written out because the generated tables know names, not record keys. */
#ifndef BNB_TOOLS_DUMP_TABLES_H
#define BNB_TOOLS_DUMP_TABLES_H

#include "protocol/messages.h"

struct dump_message {
    int16_t key;
    const struct codec_struct *row;
};
struct dump_pair {
    int16_t key;
    const struct codec_struct *key_row;
    const struct codec_struct *value_row;
};

static const struct dump_message dump_metadata_records[] = {
    {0, &register_broker_record_row},
    {1, &unregister_broker_record_row},
    {2, &topic_record_row},
    {3, &partition_record_row},
    {4, &config_record_row},
    {5, &partition_change_record_row},
    {7, &fence_broker_record_row},
    {8, &unfence_broker_record_row},
    {9, &remove_topic_record_row},
    {10, &delegation_token_record_row},
    {11, &user_scram_credential_record_row},
    {12, &feature_level_record_row},
    {14, &client_quota_record_row},
    {15, &producer_ids_record_row},
    {17, &broker_registration_change_record_row},
    {18, &access_control_entry_record_row},
    {19, &remove_access_control_entry_record_row},
    {20, &no_op_record_row},
    {21, &zk_migration_state_record_row},
    {22, &remove_user_scram_credential_record_row},
    {23, &begin_transaction_record_row},
    {24, &end_transaction_record_row},
    {25, &abort_transaction_record_row},
    {26, &remove_delegation_token_record_row},
    {27, &register_controller_record_row},
    {28, &clear_elr_record_row},
    {-1, NULL},
};
static const struct dump_message dump_remote_records[] = {
    {0, &remote_log_segment_metadata_record_row},
    {1, &remote_log_segment_metadata_update_record_row},
    {2, &remote_partition_delete_metadata_record_row},
    {3, &remote_log_segment_metadata_snapshot_record_row},
    {-1, NULL},
};
static const struct dump_pair dump_group_records[] = {
    {0, &legacy_offset_commit_key_row, &legacy_offset_commit_value_row},
    {1, &offset_commit_key_row, &offset_commit_value_row},
    {2, &group_metadata_key_row, &group_metadata_value_row},
    {3, &consumer_group_metadata_key_row, &consumer_group_metadata_value_row},
    {4, &consumer_group_partition_metadata_key_row, &consumer_group_partition_metadata_value_row},
    {5, &consumer_group_member_metadata_key_row, &consumer_group_member_metadata_value_row},
    {6, &consumer_group_target_assignment_metadata_key_row,
     &consumer_group_target_assignment_metadata_value_row},
    {7, &consumer_group_target_assignment_member_key_row,
     &consumer_group_target_assignment_member_value_row},
    {8, &consumer_group_current_member_assignment_key_row,
     &consumer_group_current_member_assignment_value_row},
    {10, &share_group_member_metadata_key_row, &share_group_member_metadata_value_row},
    {11, &share_group_metadata_key_row, &share_group_metadata_value_row},
    {12, &share_group_target_assignment_metadata_key_row,
     &share_group_target_assignment_metadata_value_row},
    {13, &share_group_target_assignment_member_key_row,
     &share_group_target_assignment_member_value_row},
    {14, &share_group_current_member_assignment_key_row,
     &share_group_current_member_assignment_value_row},
    {15, &share_group_state_partition_metadata_key_row,
     &share_group_state_partition_metadata_value_row},
    {16, &consumer_group_regular_expression_key_row, &consumer_group_regular_expression_value_row},
    {17, &streams_group_metadata_key_row, &streams_group_metadata_value_row},
    {19, &streams_group_member_metadata_key_row, &streams_group_member_metadata_value_row},
    {20, &streams_group_target_assignment_metadata_key_row,
     &streams_group_target_assignment_metadata_value_row},
    {21, &streams_group_target_assignment_member_key_row,
     &streams_group_target_assignment_member_value_row},
    {22, &streams_group_current_member_assignment_key_row,
     &streams_group_current_member_assignment_value_row},
    {23, &streams_group_topology_key_row, &streams_group_topology_value_row},
    {-1, NULL, NULL},
};
static const struct dump_pair dump_transaction_records[] = {
    {0, &transaction_log_key_row, &transaction_log_value_row},
    {-1, NULL, NULL},
};
static const struct dump_pair dump_share_records[] = {
    {0, &share_snapshot_key_row, &share_snapshot_value_row},
    {1, &share_update_key_row, &share_update_value_row},
    {-1, NULL, NULL},
};

#endif
