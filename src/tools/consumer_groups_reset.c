/* consumer_groups_reset.c: kafka-consumer-groups --reset-offsets: which partitions of which groups
 * get which offsets, and the plan or the deed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "io/file.h"
#include "tools/consumer_groups.h"

#define PLAN_BYTES_MAX (64 * 1024 * 1024)

/* Partitions, and the offsets that they get. */
struct reset_list {
    struct bnb_group_offset *items;
    int32_t count;
    bool copied; /* how the Java map came about that it is printed from */
};

static struct bnb_topic_partition partition_of(const struct bnb_group_offset *offset)
{
    return (struct bnb_topic_partition){offset->topic, offset->partition};
}

static int offset_order(const void *a, const void *b)
{
    const struct bnb_group_offset *left = a;
    const struct bnb_group_offset *right = b;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* ---- offsets by time ---- */

static int list_log_offsets(struct groups_run *run, const struct reset_list *list,
                            int64_t timestamp_ms, int64_t **offsets)
{
    struct bnb_topic_partition *partitions = groups_memory(run, list->count, sizeof *partitions);
    for (int32_t i = 0; i < list->count; i++) {
        partitions[i] = partition_of(&list->items[i]);
    }
    return groups_log_offsets(run, partitions, list->count, timestamp_ms, offsets);
}

static void warn_range(const struct bnb_group_offset *item, int64_t bound, const char *what)
{
    tools_log("WARN", "New offset (%" PRId64 ") is %s offset for topic partition %s-%d. Value will "
              "be set to %" PRId64 ". (org.apache.kafka.tools.OffsetsUtils)", item->offset, what,
              item->topic, item->partition, bound);
}

/* Brings the offsets within the logs. */
static int check_range(struct groups_run *run, struct reset_list *list)
{
    int64_t *starts;
    int64_t *ends;
    tools_java_order_partitions(list->items, list->count, sizeof *list->items, false);
    int status = list_log_offsets(run, list, BNB_OFFSET_EARLIEST, &starts);
    status = status == 0 ? list_log_offsets(run, list, BNB_OFFSET_LATEST, &ends) : status;
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        struct bnb_group_offset *item = &list->items[i];
        if (item->offset > ends[i]) {
            warn_range(item, ends[i], "higher than latest");
            item->offset = ends[i];
        } else if (item->offset < starts[i]) {
            warn_range(item, starts[i], "lower than earliest");
            item->offset = starts[i];
        }
    }
    return status;
}

/* ---- which partitions ---- */

static int named_partitions(struct groups_run *run, struct reset_list *list)
{
    struct reset_topic *with;
    const char **without;
    int32_t with_count;
    int32_t without_count;
    struct bnb_topic *topics;
    struct bnb_error error;
    int status = groups_topic_options(run, &with, &with_count, &without, &without_count);
    if (status != 0) {
        return status;
    }
    if (groups_describe_names(run, without, without_count, &topics, &error) != 0) {
        return groups_fail_code(GROUPS_BARE, error.code, error.text);
    }
    int32_t room = 0;
    for (int32_t i = 0; i < with_count; i++) {
        room += with[i].count;
    }
    for (int32_t i = 0; i < without_count; i++) {
        if (topics[i].code != 0) {
            return groups_fail_code(GROUPS_BARE, topics[i].code, topics[i].error_text);
        }
        room += topics[i].partition_count;
    }
    list->items = groups_memory(run, room, sizeof *list->items);
    list->count = 0;
    for (int32_t i = 0; i < with_count; i++) {
        for (int32_t p = 0; p < with[i].count; p++) {
            list->items[list->count++] = (struct bnb_group_offset){
                with[i].name, with[i].partitions[p], -1, -1};
        }
    }
    for (int32_t i = 0; i < without_count; i++) {
        for (int32_t p = 0; p < topics[i].partition_count; p++) {
            list->items[list->count++] = (struct bnb_group_offset){
                topics[i].name, topics[i].partitions[p].id, -1, -1};
        }
    }
    return 0;
}

static int chosen_partitions(struct groups_run *run, const char *id, struct reset_list *list)
{
    *list = (struct reset_list){NULL, 0, false};
    if (args_has(&run->args, "all-topics")) {
        const struct bnb_group_offset *committed;
        int status = groups_committed(run, id, &committed, &list->count);
        list->items = groups_memory(run, list->count, sizeof *list->items);
        if (status == 0 && list->count > 0) {
            memcpy(list->items, committed, (size_t)list->count * sizeof *committed);
        }
        return status;
    }
    if (args_has(&run->args, "topic")) {
        return named_partitions(run, list);
    }
    return args_has(&run->args, "from-file")
               ? 0
               : args_usage(&run->args, "One of the reset scopes should be defined: --all-topics, "
                                        "--topic.");
}

/* Tells the partitions for which something is missing. */
static int fail_partitions(struct groups_run *run, const struct reset_list *list,
                           const bool *missing, int code, const char *what)
{
    size_t size = 64;
    for (int32_t i = 0; i < list->count; i++) {
        size += missing[i] ? strlen(list->items[i].topic) + 16 : 0;
    }
    char *text = groups_memory(run, (int32_t)size, 1);
    size_t used = (size_t)snprintf(text, size, "The partitions \"");
    bool first = true;
    for (int32_t i = 0; i < list->count; i++) {
        if (missing[i]) {
            used += (size_t)snprintf(text + used, size - used, "%s%s-%d", first ? "" : ",",
                                     list->items[i].topic, list->items[i].partition);
            first = false;
        }
    }
    snprintf(text + used, size - used, "\" %s", what);
    return groups_fail_code(GROUPS_BARE, code, text);
}

/* That all are there, and led. */
static int check_partitions(struct groups_run *run, const struct reset_list *list)
{
    struct bnb_topic_partition *partitions = groups_memory(run, list->count, sizeof *partitions);
    bool *absent = groups_memory(run, list->count, sizeof *absent);
    bool *leaderless = groups_memory(run, list->count, sizeof *leaderless);
    bool any_absent = false;
    bool any_leaderless = false;
    const struct bnb_topic *topics;
    int32_t topic_count;
    for (int32_t i = 0; i < list->count; i++) {
        partitions[i] = partition_of(&list->items[i]);
    }
    int status = groups_topics(run, partitions, list->count, &topics, &topic_count);
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        const struct bnb_partition *found = groups_partition(topics, topic_count, partitions[i]);
        absent[i] = found == NULL;
        leaderless[i] = found != NULL && found->leader < 0;
        any_absent = any_absent || absent[i];
        any_leaderless = any_leaderless || leaderless[i];
    }
    if (status == 0 && any_absent) {
        return fail_partitions(run, list, absent, 3, "do not exist");
    }
    if (status == 0 && any_leaderless) {
        return fail_partitions(run, list, leaderless, 5, "have no leader");
    }
    return status;
}

/* That none is there twice. */
static int check_different(struct groups_run *run, const struct reset_list *list)
{
    struct bnb_group_offset *sorted = groups_memory(run, list->count, sizeof *sorted);
    if (list->count > 0) {
        memcpy(sorted, list->items, (size_t)list->count * sizeof *sorted);
    }
    qsort(sorted, (size_t)list->count, sizeof *sorted, offset_order);
    for (int32_t i = 1; i < list->count; i++) {
        if (offset_order(&sorted[i - 1], &sorted[i]) == 0) {
            char text[RESET_TEXT_BYTES];
            snprintf(text, sizeof text, "Duplicate key %.300s-%d", sorted[i].topic,
                     sorted[i].partition);
            return groups_fail(GROUPS_BARE, "java.lang.IllegalStateException", text);
        }
    }
    return 0;
}

/* ---- which offsets ---- */

/* What the group has committed for each; -1 for nothing. *first: the first without; -1. */
static int committed_of(struct groups_run *run, const char *id, const struct reset_list *list,
                        int64_t **committed, int32_t *first)
{
    const struct bnb_group_offset *found;
    int32_t count;
    int status = groups_committed(run, id, &found, &count);
    struct bnb_group_offset *sorted = groups_memory(run, count, sizeof *sorted);
    *committed = groups_memory(run, list->count, sizeof **committed);
    *first = -1;
    if (status != 0) {
        return status;
    }
    memcpy(sorted, found, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, offset_order);
    for (int32_t i = 0; i < list->count; i++) {
        const struct bnb_group_offset *one =
            bsearch(&list->items[i], sorted, (size_t)count, sizeof *sorted, offset_order);
        (*committed)[i] = one != NULL ? one->offset : -1;
        *first = one == NULL && *first < 0 ? i : *first;
    }
    return 0;
}

static int to_log(struct groups_run *run, struct reset_list *list, int64_t timestamp_ms)
{
    int64_t *offsets;
    tools_java_order_partitions(list->items, list->count, sizeof *list->items, false);
    int status = list_log_offsets(run, list, timestamp_ms, &offsets);
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        list->items[i].offset = offsets[i];
    }
    return status;
}

static int to_time(struct groups_run *run, struct reset_list *list, int64_t timestamp_ms)
{
    int64_t *ends;
    int status = to_log(run, list, timestamp_ms);
    bool beyond = false;
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        if (list->items[i].offset < 0) {
            printf("\nWarn: Partition %d from topic %s is empty. Falling back to latest known "
                   "offset.\n", list->items[i].partition, list->items[i].topic);
            beyond = true;
        }
    }
    status = status == 0 && beyond ? list_log_offsets(run, list, BNB_OFFSET_LATEST, &ends) : status;
    for (int32_t i = 0; status == 0 && beyond && i < list->count; i++) {
        if (list->items[i].offset < 0) {
            list->items[i].offset = ends[i];
        }
    }
    return status;
}

static int to_datetime(struct groups_run *run, struct reset_list *list)
{
    char error[RESET_TEXT_BYTES];
    int64_t timestamp_ms;
    if (!reset_datetime_parse(args_nth(&run->args, "to-datetime", 0), &timestamp_ms, error)) {
        return groups_fail(GROUPS_RUNTIME, "java.text.ParseException", error);
    }
    return to_time(run, list, timestamp_ms);
}

static int by_duration(struct groups_run *run, struct reset_list *list)
{
    struct reset_duration duration;
    struct timespec now;
    int64_t timestamp_ms;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *wrong = reset_duration_parse(args_value(&run->args, "by-duration"), &duration);
    if (wrong != NULL) {
        return groups_fail(GROUPS_BARE, "java.time.format.DateTimeParseException", wrong);
    }
    wrong = reset_duration_before(duration,
                                  (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                                  &timestamp_ms);
    if (wrong != NULL) {
        return groups_fail(GROUPS_BARE, "java.time.DateTimeException", wrong);
    }
    return to_time(run, list, timestamp_ms);
}

static int shift(struct groups_run *run, const char *id, struct reset_list *list)
{
    int64_t *committed;
    int32_t first;
    int status = committed_of(run, id, list, &committed, &first);
    if (status == 0 && first >= 0) {
        return args_usage(&run->args, "Cannot shift offset for partition %s-%d since there is no "
                                      "current committed offset", list->items[first].topic,
                          list->items[first].partition);
    }
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        list->items[i].offset = (int64_t)((uint64_t)committed[i] + (uint64_t)run->shift_by);
    }
    return status == 0 ? check_range(run, list) : status;
}

static int to_current(struct groups_run *run, const char *id, struct reset_list *list)
{
    int64_t *committed;
    int64_t *ends;
    int32_t first;
    int status = committed_of(run, id, list, &committed, &first);
    struct reset_list missing = {groups_memory(run, list->count, sizeof *list->items), 0, false};
    for (int32_t i = 0; status == 0 && i < list->count; i++) {
        list->items[i].offset = committed[i];
        if (committed[i] < 0) {
            missing.items[missing.count++] = list->items[i];
        }
    }
    list->copied = missing.count == list->count;
    status = status == 0 && missing.count > 0
                 ? list_log_offsets(run, &missing, BNB_OFFSET_LATEST, &ends)
                 : status;
    for (int32_t i = 0, at = 0; status == 0 && i < list->count; i++) {
        if (list->items[i].offset < 0) {
            list->items[i].offset = ends[at++];
        }
    }
    return status;
}

static int from_file(struct groups_run *run, const char *id, struct reset_list *list)
{
    const char *path = args_nth(&run->args, "from-file", 0);
    bool single = args_nth(&run->args, "group", 0) != NULL &&
                  args_nth(&run->args, "group", 1) == NULL;
    char error[RESET_TEXT_BYTES];
    struct reset_plan plan;
    struct io_fs fs = io_fs_linux();
    uint8_t *text;
    size_t size;
    if (io_read_whole(&fs, path, PLAN_BYTES_MAX, &text, &size) != 0) {
        snprintf(error, sizeof error, "Unable to read file %.400s", path);
        return groups_fail(GROUPS_RUNTIME, "java.io.IOException", error);
    }
    int wrong = reset_plan_parse((const char *)text,
                                 single ? args_nth(&run->args, "group", 0) : NULL, &run->arena,
                                 &plan, error);
    mem_free(text);
    if (wrong != 0) {
        return groups_fail(GROUPS_RUNTIME, "java.io.IOException", error);
    }
    list->items = groups_memory(run, (int32_t)plan.count, sizeof *list->items);
    list->count = 0;
    for (size_t i = 0; i < plan.count; i++) {
        struct bnb_group_offset one = {plan.entries[i].topic, plan.entries[i].partition,
                                       plan.entries[i].offset, -1};
        if (strcmp(plan.entries[i].group, id) != 0) {
            continue;
        }
        int32_t before = 0;
        while (before < list->count && offset_order(&list->items[before], &one) != 0) {
            before++;
        }
        list->items[before] = one; /* the last line of a partition counts */
        list->count += before == list->count ? 1 : 0;
    }
    if (list->count == 0) {
        groups_error("No reset plan for group %s found", id);
        return 0;
    }
    return check_range(run, list);
}

static int new_offsets(struct groups_run *run, const char *id, struct reset_list *list)
{
    const struct args *args = &run->args;
    int status = args_has(args, "from-file") ? 0 : check_different(run, list);
    if (status != 0) {
        return status;
    }
    for (int32_t i = 0; args_has(args, "to-offset") && i < list->count; i++) {
        list->items[i].offset = run->to_offset;
    }
    return args_has(args, "to-offset")     ? check_range(run, list)
           : args_has(args, "to-earliest") ? to_log(run, list, BNB_OFFSET_EARLIEST)
           : args_has(args, "to-latest")   ? to_log(run, list, BNB_OFFSET_LATEST)
           : args_has(args, "shift-by")    ? shift(run, id, list)
           : args_has(args, "to-datetime") ? to_datetime(run, list)
           : args_has(args, "by-duration") ? by_duration(run, list)
           : args_has(args, "from-file")   ? from_file(run, id, list)
           : args_has(args, "to-current")
               ? to_current(run, id, list)
               : args_usage(args, "Option '[reset-offsets]' requires one of the following "
                                  "scenarios: [[to-offset], [shift-by], [to-datetime], "
                                  "[by-duration], [to-earliest], [to-latest], [to-current], "
                                  "[from-file]]");
}

/* ---- one group ---- */

static int commit(struct groups_run *run, const char *id, const struct reset_list *list)
{
    const struct bnb_group_offset_outcome *outcomes;
    struct bnb_group_offset *offsets = groups_memory(run, list->count, sizeof *offsets);
    struct bnb_error error;
    for (int32_t i = 0; i < list->count; i++) {
        offsets[i] = list->items[i];
        offsets[i].leader_epoch = -1;
    }
    if (list->count > 0 && bnb_admin_alter_group_offsets(run->admin, run->memory, id, offsets,
                                                         list->count, &outcomes, &error) != 0) {
        return groups_fail_code(GROUPS_BARE, error.code, error.text);
    }
    size_t size = 80;
    int code = 0;
    for (int32_t i = 0; i < list->count; i++) {
        size += strlen(list->items[i].topic) + 16;
    }
    char *text = groups_memory(run, (int32_t)size, 1);
    size_t used = (size_t)snprintf(
        text, size, "Failed altering group offsets for the following partitions: [");
    for (int32_t i = 0; i < list->count; i++) {
        if (outcomes[i].code != 0) {
            used += (size_t)snprintf(text + used, size - used, "%s%s-%d", code != 0 ? ", " : "",
                                     list->items[i].topic, list->items[i].partition);
            code = code == 0 ? outcomes[i].code : code;
        }
    }
    snprintf(text + used, size - used, "]");
    return code == 0 ? 0 : groups_fail_code(GROUPS_BARE, code, text);
}

static int reset_group(struct groups_run *run, const char *id, struct reset_list *list)
{
    int status = chosen_partitions(run, id, list);
    status = status == 0 ? check_partitions(run, list) : status;
    status = status == 0 ? new_offsets(run, id, list) : status;
    if (status != 0) {
        return status;
    }
    tools_java_order_partitions(list->items, list->count, sizeof *list->items, list->copied);
    return args_has(&run->args, "execute") ? commit(run, id, list) : 0;
}

/* Whether a group may be moved: those without members, and those that are not there. */
static int reset_if_inactive(struct groups_run *run, const struct bnb_group *group,
                             struct reset_list *list)
{
    bool unknown = group->code == 69;
    if (!unknown && groups_refuse(group, GROUPS_RUNTIME_OF_EXECUTION) != 0) {
        return GROUPS_TOLD;
    }
    if (!unknown && strcmp(group->state, "Empty") != 0 && strcmp(group->state, "Dead") != 0) {
        groups_error("Assignments can only be reset if the group '%s' is inactive, but the current "
                     "state is %s.", group->id, group->state);
        return 0;
    }
    return reset_group(run, group->id, list);
}

/* ---- all groups ---- */

struct group_reset {
    const char *id;
    struct reset_list list;
};

static void print_table(const struct group_reset *resets, int32_t count)
{
    size_t group_width = 15;
    size_t topic_width = 15;
    for (int32_t i = 0; i < count; i++) {
        size_t size = strlen(resets[i].id);
        group_width = size > group_width ? size : group_width;
        for (int32_t j = 0; j < resets[i].list.count; j++) {
            size = strlen(resets[i].list.items[j].topic);
            topic_width = size > topic_width ? size : topic_width;
        }
    }
    if (count > 0) {
        printf("\n%-*s %-*s %-10s %s", (int)group_width, "GROUP", (int)topic_width, "TOPIC",
               "PARTITION", "NEW-OFFSET");
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < resets[i].list.count; j++) {
            const struct bnb_group_offset *item = &resets[i].list.items[j];
            printf("\n%-*s %-*s %-10d %" PRId64, (int)group_width, resets[i].id,
                   (int)topic_width, item->topic, item->partition, item->offset);
        }
    }
    putchar('\n');
}

static void print_field(struct groups_run *run, const char *text)
{
    size_t size = reset_csv_field(text, NULL, 0) + 1;
    char *field = groups_memory(run, (int32_t)size, 1);
    (void)reset_csv_field(text, field, size);
    printf("%s,", field);
}

static void print_plan(struct groups_run *run, const struct group_reset *resets, int32_t count)
{
    bool single = args_nth(&run->args, "group", 0) != NULL &&
                  args_nth(&run->args, "group", 1) == NULL;
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < resets[i].list.count; j++) {
            const struct bnb_group_offset *item = &resets[i].list.items[j];
            if (!single) {
                print_field(run, resets[i].id);
            }
            print_field(run, item->topic);
            printf("%d,%" PRId64 "\n", item->partition, item->offset);
        }
    }
    putchar('\n');
}

int groups_reset(struct groups_run *run)
{
    struct bnb_group *groups;
    int32_t count;
    int status = groups_chosen_described(run, GROUPS_RUNTIME_OF_EXECUTION, &groups, &count);
    if (status != 0) {
        return status;
    }
    struct group_reset *resets = groups_memory(run, count, sizeof *resets);
    for (int32_t i = 0; status == 0 && i < count; i++) {
        resets[i].id = groups[i].id;
        status = reset_if_inactive(run, &groups[i], &resets[i].list);
    }
    if (status != 0) {
        return status;
    }
    tools_java_order(resets, count, sizeof *resets);
    if (args_has(&run->args, "export")) {
        print_plan(run, resets, count);
    } else {
        print_table(resets, count);
    }
    return 0;
}
