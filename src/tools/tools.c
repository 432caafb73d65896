/* tools.c: the table of tools. */
#include "tools/tools.h"

#include <stddef.h>
#include <string.h>

const struct tool tools_all[] = {
    {"topics", tool_topics, "create, delete, describe or change topics", false},
    {"groups", tool_groups, "groups of every kind", false},
    {"consumer-groups", tool_consumer_groups, "consumer groups: members, lag, offsets", false},
    {"get-offsets", tool_get_offsets, "offsets of partitions by time", false},
    {"delete-records", tool_delete_records, "delete records before an offset", false},
    {"log-dirs", tool_log_dirs, "what lies in log directories", false},
    {"configs", tool_configs, "describe and alter settings", false},
    {"broker-api-versions", tool_broker_api_versions, "API versions of each broker", false},
    {"cluster", tool_cluster, "cluster id and endpoints", false},
    {"features", tool_features, "feature levels", false},
    {"metadata-quorum", tool_metadata_quorum, "the state of the controller quorum", false},
    {"transactions", tool_transactions, "transactions, and how those that hang are ended", false},
    {"dump-log", tool_dump_log, "the files of a log directory in words", false},
    {"producer-perf-test", tool_producer_perf_test, "how fast records go in", false},
    {"consumer-perf-test", tool_consumer_perf_test, "how fast records come out", false},
    {"console-producer", tool_console_producer, "send the lines of standard input", false},
    {"console-consumer", tool_console_consumer, "print records", false},
    {"scrub", tool_scrub, "verify data directories at rest", true},
    {NULL, NULL, NULL, false},
};

const struct tool *tools_find(const char *name)
{
    for (const struct tool *tool = tools_all; tool->name != NULL; tool++) {
        if (strcmp(tool->name, name) == 0) {
            return tool;
        }
    }
    return NULL;
}
