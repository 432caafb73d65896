/* tools.h: the command line tools, one function each, with Kafka's flags, output and exit status.
 * argv[0] is the name of the tool. Thread: main. */
#ifndef BNB_TOOLS_TOOLS_H
#define BNB_TOOLS_TOOLS_H

#include <stdbool.h>

struct tool {
    const char *name; /* "topics"; kafka-topics.sh in Apache Kafka */
    int (*run)(int argc, char **argv);
    const char *summary;
    bool is_ours; /* Apache Kafka has no such script */
};

/* NULL when there is no such tool. */
const struct tool *tools_find(const char *name);
/* Every tool, in order; the last one has name NULL. */
extern const struct tool tools_all[];

int tool_scrub(int argc, char **argv);
int tool_topics(int argc, char **argv);
int tool_configs(int argc, char **argv);
int tool_console_producer(int argc, char **argv);
int tool_console_consumer(int argc, char **argv);
int tool_groups(int argc, char **argv);
int tool_consumer_groups(int argc, char **argv);
int tool_get_offsets(int argc, char **argv);
int tool_delete_records(int argc, char **argv);
int tool_log_dirs(int argc, char **argv);
int tool_dump_log(int argc, char **argv);
int tool_transactions(int argc, char **argv);
int tool_broker_api_versions(int argc, char **argv);
int tool_producer_perf_test(int argc, char **argv);
int tool_consumer_perf_test(int argc, char **argv);
int tool_cluster(int argc, char **argv);
int tool_features(int argc, char **argv);
int tool_metadata_quorum(int argc, char **argv);

#endif
