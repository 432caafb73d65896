/* tools.c: the table of tools. */
#include "tools/tools.h"

#include <stddef.h>
#include <string.h>

const struct tool tools_all[] = {
    {"topics", tool_topics, "create, delete, describe or change topics"},
    {"get-offsets", tool_get_offsets, "offsets of partitions by time"},
    {"delete-records", tool_delete_records, "delete records before an offset"},
    {"log-dirs", tool_log_dirs, "what lies in log directories"},
    {"configs", tool_configs, "describe and alter settings"},
    {"broker-api-versions", tool_broker_api_versions, "API versions of each broker"},
    {"cluster", tool_cluster, "cluster id and endpoints"},
    {"features", tool_features, "feature levels"},
    {"metadata-quorum", tool_metadata_quorum, "the state of the controller quorum"},
    {"dump-log", tool_dump_log, "the files of a log directory in words"},
    {"producer-perf-test", tool_producer_perf_test, "how fast records go in"},
    {"consumer-perf-test", tool_consumer_perf_test, "how fast records come out"},
    {"console-producer", tool_console_producer, "send the lines of standard input"},
    {"console-consumer", tool_console_consumer, "print records"},
    {NULL, NULL, NULL},
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
