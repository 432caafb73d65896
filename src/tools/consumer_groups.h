/* consumer_groups.h: what the parts of kafka-consumer-groups share.
 *
 * A part returns 0, GROUPS_TOLD after an error that it told (the status is 0 then, as that of
 * Apache Kafka's tool), or 1 after a mistake in the command line. Thread: main. */
#ifndef BNB_TOOLS_CONSUMER_GROUPS_H
#define BNB_TOOLS_CONSUMER_GROUPS_H

#include <barnabas/groups.h>

#include "base/arena.h"
#include "tools/common.h"
#include "tools/reset_plan.h"

#define GROUPS_TOLD 2

struct groups_run {
    struct args args;
    struct bnb_admin *admin;
    struct bnb_memory *memory; /* of what the client returns */
    struct arena arena;        /* of what the tool makes of it */
    /* of the options, once they are read */
    int64_t to_offset;
    int64_t shift_by;
};

/* What an error is wrapped in there: its text names the classes. */
enum groups_wrap {
    GROUPS_BARE,
    GROUPS_EXECUTION,
    GROUPS_RUNTIME,
    GROUPS_RUNTIME_OF_EXECUTION,
};
#define GROUPS_CLASS_BYTES 96
/* "org.apache.kafka.common.errors.TimeoutException" and the like. */
const char *groups_class(int code, char name[GROUPS_CLASS_BYTES]);
/* Tells an error by its Java class, or by its code; returns GROUPS_TOLD. */
int groups_fail(enum groups_wrap wrap, const char *java_class, const char *text);
int groups_fail_code(enum groups_wrap wrap, int code, const char *text);
/* "\nError: text" on stdout. */
void groups_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The groups that the command is about, in the order of a Java map, each once. */
int groups_chosen(struct groups_run *run, const char *const **ids, int32_t *count);
/* The same, described, as Java looks at them one after the other: the first that is wrong is
 * told. */
int groups_chosen_described(struct groups_run *run, enum groups_wrap wrap,
                            struct bnb_group **groups, int32_t *count);
/* Tells what is wrong with a described group: 0 when nothing is. */
int groups_refuse(const struct bnb_group *group, enum groups_wrap wrap);
/* The offsets that a group has committed, in the order of a Java map. */
int groups_committed(struct groups_run *run, const char *id,
                     const struct bnb_group_offset **offsets, int32_t *count);
/* What --topic names: partitions, and topics as a whole, sorted, each once. */
int groups_topic_options(struct groups_run *run, struct reset_topic **with, int32_t *with_count,
                         const char ***without, int32_t *without_count);
/* Describes topics by name; those that cannot be carry a code. The names are sorted and differ. */
int groups_describe_names(struct groups_run *run, const char **names, int32_t count,
                          struct bnb_topic **topics, struct bnb_error *error);
/* The topics of partitions, described; any that cannot be is an error. */
int groups_topics(struct groups_run *run, const struct bnb_topic_partition *partitions,
                  int32_t count, const struct bnb_topic **topics, int32_t *topic_count);
/* Of what groups_topics gave; NULL: there is no such partition. */
const struct bnb_partition *groups_partition(const struct bnb_topic *topics, int32_t topic_count,
                                             struct bnb_topic_partition one);
/* Offsets of partitions by time, in their order; any that cannot be told is an error. */
int groups_log_offsets(struct groups_run *run, const struct bnb_topic_partition *partitions,
                       int32_t count, int64_t timestamp_ms, int64_t **offsets);
/* Memory of the run; the process ends when there is none. */
void *groups_memory(struct groups_run *run, int32_t count, size_t size);

int groups_describe(struct groups_run *run);
int groups_reset(struct groups_run *run);
int groups_delete_offsets(struct groups_run *run);

#endif
