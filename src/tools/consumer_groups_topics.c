/* consumer_groups_topics.c: what kafka-consumer-groups asks of topics: those that --topic names,
 * their partitions, and offsets by time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/consumer_groups.h"

/* ---- topics ---- */

static int name_order(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* The different names among them, sorted. */
static int32_t different_names(const char **names, int32_t count)
{
    int32_t kept = 0;
    qsort(names, (size_t)count, sizeof *names, name_order);
    for (int32_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(names[i], names[kept - 1]) != 0) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

int groups_describe_names(struct groups_run *run, const char **names, int32_t count,
                          struct bnb_topic **topics, struct bnb_error *error)
{
    bool nameless = count > 0 && names[0][0] == '\0';
    const struct bnb_topic *found;
    *topics = groups_memory(run, count, sizeof **topics);
    if (nameless) {
        (*topics)[0] = (struct bnb_topic){
            .name = "", .code = 17,
            .error_text = "The given topic name '' cannot be represented in a request."};
    }
    int32_t skip = nameless ? 1 : 0;
    int result = bnb_admin_describe_topics(run->admin, run->memory, names + skip, count - skip, 0,
                                           &found, error);
    for (int32_t i = skip; result == 0 && i < count; i++) {
        (*topics)[i] = found[i - skip];
    }
    return result;
}

int groups_topics(struct groups_run *run, const struct bnb_topic_partition *partitions,
                  int32_t count, const struct bnb_topic **topics, int32_t *topic_count)
{
    const char **names = groups_memory(run, count, sizeof *names);
    struct bnb_topic *found;
    struct bnb_error error;
    for (int32_t i = 0; i < count; i++) {
        names[i] = partitions[i].topic;
    }
    *topic_count = different_names(names, count);
    if (groups_describe_names(run, names, *topic_count, &found, &error) != 0) {
        return groups_fail_code(GROUPS_RUNTIME_OF_EXECUTION, error.code, error.text);
    }
    for (int32_t i = 0; i < *topic_count; i++) {
        if (found[i].code != 0) {
            return groups_fail_code(GROUPS_RUNTIME_OF_EXECUTION, found[i].code,
                                    found[i].error_text);
        }
    }
    *topics = found;
    return 0;
}

static int topic_order(const void *a, const void *b)
{
    const char *name = a;
    const struct bnb_topic *topic = b;
    return strcmp(name, topic->name);
}

const struct bnb_partition *groups_partition(const struct bnb_topic *topics, int32_t topic_count,
                                             struct bnb_topic_partition one)
{
    const struct bnb_topic *topic =
        bsearch(one.topic, topics, (size_t)topic_count, sizeof *topics, topic_order);
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++) {
        /* by id, mostly without gaps */
        int32_t at = (int32_t)(((int64_t)one.partition + i) % topic->partition_count);
        if (one.partition >= 0 && topic->partitions[at].id == one.partition) {
            return &topic->partitions[at];
        }
    }
    return NULL;
}

int groups_topic_options(struct groups_run *run, struct reset_topic **with, int32_t *with_count,
                         const char ***without, int32_t *without_count)
{
    char error[RESET_TEXT_BYTES];
    const char *text;
    *with = groups_memory(run, ARGS_GIVEN_MAX, sizeof **with);
    *without = groups_memory(run, ARGS_GIVEN_MAX, sizeof **without);
    *with_count = 0;
    *without_count = 0;
    for (size_t i = 0; (text = args_nth(&run->args, "topic", i)) != NULL; i++) {
        if (strchr(text, ':') == NULL) {
            (*without)[(*without_count)++] = text;
        } else if (reset_topic_parse(text, &run->arena, &(*with)[(*with_count)++], error) != 0) {
            return args_usage(&run->args, "%s", error);
        }
    }
    *without_count = different_names(*without, *without_count);
    return 0;
}

/* ---- offsets by time ---- */

/* Why a partition has none, in the words of the Java client. */
static int fail_offset(struct bnb_topic_partition one, const struct bnb_offset_answer *answer)
{
    char text[RESET_TEXT_BYTES];
    snprintf(text, sizeof text, "Failed to fetch metadata for partition %.200s-%d %s`%.200s`%s",
             one.topic, one.partition,
             answer->code == 3 ? "because metadata for topic " : "due to invalid topic ",
             one.topic, answer->code == 3 ? " could not be found" : "");
    return groups_fail_code(GROUPS_RUNTIME_OF_EXECUTION, answer->code,
                            answer->code == 3 || answer->code == 17 ? text : answer->error_text);
}

int groups_log_offsets(struct groups_run *run, const struct bnb_topic_partition *partitions,
                       int32_t count, int64_t timestamp_ms, int64_t **offsets)
{
    struct bnb_offset_query *queries = groups_memory(run, count, sizeof *queries);
    const struct bnb_offset_answer *answers;
    struct bnb_error error;
    for (int32_t i = 0; i < count; i++) {
        queries[i] = (struct bnb_offset_query){partitions[i].topic, partitions[i].partition,
                                               timestamp_ms};
    }
    if (bnb_admin_list_offsets(run->admin, run->memory, queries, count, false, &answers,
                               &error) != 0) {
        return groups_fail_code(GROUPS_RUNTIME_OF_EXECUTION, error.code, error.text);
    }
    *offsets = groups_memory(run, count, sizeof **offsets);
    for (int32_t i = 0; i < count; i++) {
        if (answers[i].code != 0) {
            return fail_offset(partitions[i], &answers[i]);
        }
        (*offsets)[i] = answers[i].offset;
    }
    return 0;
}
