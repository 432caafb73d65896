/* consumer_groups_describe.c: kafka-consumer-groups --describe: where groups are in their topics,
 * their members, their state. Everything is asked before anything is printed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/consumer_groups.h"

#define NONE "-"
#define NUMBER_BYTES 24

static size_t wider(size_t width, const char *text)
{
    size_t size = strlen(text);
    return size > width ? size : width;
}

/* A number, or a dash for one below zero. */
static const char *number_or_none(int64_t number, char text[NUMBER_BYTES])
{
    if (number < 0) {
        return NONE;
    }
    snprintf(text, NUMBER_BYTES, "%" PRId64, number);
    return text;
}

/* Tells what is to be known of a state. False: there are no rows; *status is not 0 when it is none
 * that a group can have. */
static bool state_has_rows(const struct bnb_group *group, int32_t row_count, int *status)
{
    static const char *const rebalancing[] = {"PreparingRebalance", "CompletingRebalance",
                                              "Assigning", "Reconciling", NULL};
    const char *const *name = rebalancing;
    while (*name != NULL && strcmp(*name, group->state) != 0) {
        name++;
    }
    if (strcmp(group->state, "Dead") == 0) {
        groups_error("Consumer group '%s' does not exist.", group->id);
        return false;
    }
    if (strcmp(group->state, "Empty") == 0) {
        fprintf(stderr, "\nConsumer group '%s' has no active members.\n", group->id);
    } else if (*name != NULL) {
        fprintf(stderr, "\nWarning: Consumer group '%s' is rebalancing.\n", group->id);
    } else if (strcmp(group->state, "Stable") != 0) {
        char text[128];
        snprintf(text, sizeof text, "Expected a valid consumer group state, but found '%.60s'.",
                 group->state);
        *status = groups_fail(GROUPS_BARE, "org.apache.kafka.common.KafkaException", text);
        return false;
    }
    return row_count > 0;
}

/* ---- offsets ---- */

struct offset_row {
    struct bnb_topic_partition one;
    int64_t offset; /* -1: none, and below */
    int64_t leader_epoch;
    int64_t end;
    const struct bnb_group_member *member; /* NULL: nobody has it */
};

static int committed_order(const void *a, const void *b)
{
    const struct bnb_group_offset *left = a;
    const struct bnb_group_offset *right = b;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* The member with the most partitions that comes behind the one before; of equal ones the first.
 * NULL: there are no more that have some. */
static const struct bnb_group_member *next_member(const struct bnb_group *group,
                                                  const struct bnb_group_member *before)
{
    const struct bnb_group_member *best = NULL;
    for (int32_t i = 0; i < group->member_count; i++) {
        const struct bnb_group_member *member = &group->members[i];
        bool behind = before == NULL || member->partition_count < before->partition_count ||
                      (member->partition_count == before->partition_count && member > before);
        if (behind && member->partition_count > 0 &&
            (best == NULL || member->partition_count > best->partition_count)) {
            best = member;
        }
    }
    return best;
}

/* Rows of the members' partitions, then of what is committed and nobody's. committed is sorted, and
 * used has room for a mark of each. */
static int32_t make_rows(const struct bnb_group *group, const struct bnb_group_offset *committed,
                         int32_t committed_count, bool *used, struct offset_row *rows)
{
    int32_t count = 0;
    for (const struct bnb_group_member *member = NULL;
         (member = next_member(group, member)) != NULL;) {
        for (int32_t i = 0; i < member->partition_count; i++) {
            struct bnb_group_offset wanted = {.topic = member->partitions[i].topic,
                                              .partition = member->partitions[i].partition};
            const struct bnb_group_offset *found =
                bsearch(&wanted, committed, (size_t)committed_count, sizeof *committed,
                        committed_order);
            rows[count++] = (struct offset_row){member->partitions[i],
                                                found != NULL ? found->offset : -1,
                                                found != NULL ? found->leader_epoch : -1, -1,
                                                member};
            if (found != NULL) {
                used[found - committed] = true;
            }
        }
    }
    for (int32_t i = 0; i < committed_count; i++) {
        if (!used[i]) {
            rows[count++] = (struct offset_row){{committed[i].topic, committed[i].partition},
                                                committed[i].offset, committed[i].leader_epoch,
                                                -1, NULL};
        }
    }
    return count;
}

/* The ends of the partitions that have a leader. */
static int fill_ends(struct groups_run *run, struct offset_row *rows, int32_t count)
{
    struct bnb_topic_partition *partitions = groups_memory(run, count, sizeof *partitions);
    const struct bnb_topic *topics;
    int32_t topic_count;
    int32_t led = 0;
    int64_t *ends;
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = rows[i].one;
    }
    int status = groups_topics(run, partitions, count, &topics, &topic_count);
    for (int32_t i = 0; status == 0 && i < count; i++) {
        const struct bnb_partition *found = groups_partition(topics, topic_count, rows[i].one);
        if (found == NULL || found->leader >= 0) {
            partitions[led++] = rows[i].one;
        }
    }
    status = status == 0
                 ? groups_log_offsets(run, partitions, led, BNB_OFFSET_LATEST, &ends)
                 : status;
    for (int32_t i = 0, at = 0; status == 0 && i < count && at < led; i++) {
        if (rows[i].one.partition == partitions[at].partition &&
            strcmp(rows[i].one.topic, partitions[at].topic) == 0) {
            rows[i].end = ends[at++];
        }
    }
    return status;
}

struct offset_table {
    struct offset_row *rows;
    int32_t count;
};

static int collect_offsets(struct groups_run *run, const struct bnb_group *group,
                           struct offset_table *table)
{
    const struct bnb_group_offset *committed;
    int32_t committed_count;
    int status = groups_committed(run, group->id, &committed, &committed_count);
    if (status != 0) {
        return status;
    }
    struct bnb_group_offset *sorted = groups_memory(run, committed_count, sizeof *sorted);
    memcpy(sorted, committed, (size_t)committed_count * sizeof *sorted);
    qsort(sorted, (size_t)committed_count, sizeof *sorted, committed_order);
    bool *used = groups_memory(run, committed_count, sizeof *used);
    int32_t room = committed_count;
    for (int32_t i = 0; i < group->member_count; i++) {
        room += group->members[i].partition_count;
    }
    table->rows = groups_memory(run, room, sizeof *table->rows);
    table->count = make_rows(group, sorted, committed_count, used, table->rows);
    return fill_ends(run, table->rows, table->count);
}

static void print_offsets(const struct bnb_group *group, const struct offset_table *table,
                          bool verbose)
{
    size_t group_width = wider(15, group->id);
    size_t topic_width = 15;
    size_t member_width = 15;
    size_t host_width = 15;
    for (int32_t i = 0; i < table->count; i++) {
        const struct bnb_group_member *member = table->rows[i].member;
        topic_width = wider(topic_width, table->rows[i].one.topic);
        member_width = wider(member_width, member != NULL ? member->id : NONE);
        host_width = wider(host_width, member != NULL ? member->host : NONE);
    }
    for (int32_t i = -1; i < table->count; i++) {
        char text[5][NUMBER_BYTES];
        const struct offset_row *row = i < 0 ? NULL : &table->rows[i];
        const struct bnb_group_member *member = row != NULL ? row->member : NULL;
        bool lag = row != NULL && row->offset >= 0 && row->end >= 0;
        snprintf(text[4], NUMBER_BYTES, "%" PRId64, lag ? row->end - row->offset : 0);
        printf("\n%-*s %-*s %-10s ", (int)group_width, row == NULL ? "GROUP" : group->id,
               (int)topic_width, row == NULL ? "TOPIC" : row->one.topic,
               row == NULL ? "PARTITION" : number_or_none(row->one.partition, text[0]));
        if (verbose) {
            printf("%-15s ", row == NULL ? "LEADER-EPOCH"
                                         : number_or_none(row->leader_epoch, text[1]));
        }
        printf("%-15s %-15s %-15s %-*s %-*s %s",
               row == NULL ? "CURRENT-OFFSET" : number_or_none(row->offset, text[2]),
               row == NULL ? "LOG-END-OFFSET" : number_or_none(row->end, text[3]),
               row == NULL ? "LAG"
               : lag       ? text[4]
                           : NONE,
               (int)member_width,
               row == NULL      ? "CONSUMER-ID"
               : member != NULL ? member->id
                                : NONE,
               (int)host_width,
               row == NULL      ? "HOST"
               : member != NULL ? member->host
                                : NONE,
               row == NULL      ? "CLIENT-ID"
               : member != NULL ? member->client_id
                                : NONE);
    }
    putchar('\n');
}

static int describe_offsets(struct groups_run *run, const struct bnb_group *groups, int32_t count)
{
    struct offset_table *tables = groups_memory(run, count, sizeof *tables);
    int status = 0;
    for (int32_t i = 0; status == 0 && i < count; i++) {
        status = collect_offsets(run, &groups[i], &tables[i]);
    }
    for (int32_t i = 0; status == 0 && i < count; i++) {
        if (state_has_rows(&groups[i], tables[i].count, &status)) {
            print_offsets(&groups[i], &tables[i], args_has(&run->args, "verbose"));
        }
    }
    return status;
}

/* ---- members ---- */

/* As their texts compare, in which a colon follows the topic: "g-two:" comes before "g:". */
static int assignment_order(const void *a, const void *b)
{
    const struct bnb_topic_partition *left = a;
    const struct bnb_topic_partition *right = b;
    size_t at = 0;
    while (left->topic[at] != '\0' && left->topic[at] == right->topic[at]) {
        at++;
    }
    if (left->topic[at] != right->topic[at]) {
        char from = left->topic[at] != '\0' ? left->topic[at] : ':';
        char to = right->topic[at] != '\0' ? right->topic[at] : ':';
        return from < to ? -1 : 1;
    }
    return (left->partition > right->partition) - (left->partition < right->partition);
}

/* "t:0,1;u:0", or a dash. */
static const char *assignment_text(struct groups_run *run,
                                   const struct bnb_topic_partition *partitions, int32_t count)
{
    struct bnb_topic_partition *sorted = groups_memory(run, count, sizeof *sorted);
    size_t size = 2;
    for (int32_t i = 0; i < count; i++) {
        sorted[i] = partitions[i];
        size += strlen(partitions[i].topic) + NUMBER_BYTES;
    }
    qsort(sorted, (size_t)count, sizeof *sorted, assignment_order);
    char *text = groups_memory(run, (int32_t)size, 1);
    size_t used = (size_t)snprintf(text, size, "%s", count == 0 ? NONE : "");
    for (int32_t i = 0; i < count; i++) {
        bool same = i > 0 && strcmp(sorted[i].topic, sorted[i - 1].topic) == 0;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%d", i > 0 && !same ? ";" : "",
                                 same ? "" : sorted[i].topic, same ? "," : ":",
                                 sorted[i].partition);
    }
    return text;
}

struct member_row {
    const struct bnb_group_member *member;
    const char *current;
    const char *target;
};
struct member_widths {
    size_t group, id, instance, host, client, current, target;
    bool with_instance;
    bool with_upgraded;
};

static struct member_widths measure_members(const struct bnb_group *group,
                                            const struct member_row *rows)
{
    struct member_widths widths = {15, 15, 17, 15, 15, 20, 20, false, false};
    bool classic = false;
    bool newer = false;
    for (int32_t i = 0; i < group->member_count; i++) {
        const struct bnb_group_member *member = rows[i].member;
        const char *instance = member->instance_id != NULL ? member->instance_id : "";
        widths.group = wider(widths.group, group->id);
        widths.id = wider(widths.id, member->id);
        widths.instance = wider(widths.instance, instance);
        widths.host = wider(widths.host, member->host);
        widths.client = wider(widths.client, member->client_id);
        widths.current = wider(widths.current, rows[i].current);
        widths.target = wider(widths.target, rows[i].target);
        widths.with_instance = widths.with_instance || instance[0] != '\0';
        classic = classic || member->is_upgraded == 0;
        newer = newer || member->is_upgraded == 1;
    }
    widths.with_upgraded = classic && newer;
    return widths;
}

/* One line; row NULL: the titles. */
static void print_member(const struct bnb_group *group, const struct member_row *row,
                         const struct member_widths *widths, bool verbose)
{
    const struct bnb_group_member *member = row != NULL ? row->member : NULL;
    const char *instance = member == NULL                ? "GROUP-INSTANCE-ID"
                           : member->instance_id != NULL ? member->instance_id
                                                         : "";
    char text[3][NUMBER_BYTES];
    printf("%-*s %-*s ", (int)widths->group, member == NULL ? "GROUP" : group->id,
           (int)widths->id, member == NULL ? "CONSUMER-ID" : member->id);
    if (widths->with_instance) {
        printf("%-*s ", (int)widths->instance, instance);
    }
    printf("%-*s %-*s %-15s ", (int)widths->host, member == NULL ? "HOST" : member->host,
           (int)widths->client, member == NULL ? "CLIENT-ID" : member->client_id,
           member == NULL ? "#PARTITIONS" : number_or_none(member->partition_count, text[0]));
    if (verbose) {
        printf("%-15s %-*s %-15s %-*s",
               member == NULL ? "CURRENT-EPOCH" : number_or_none(member->epoch, text[1]),
               (int)widths->current, member == NULL ? "CURRENT-ASSIGNMENT" : row->current,
               member == NULL ? "TARGET-EPOCH" : number_or_none(group->target_epoch, text[2]),
               (int)widths->target, member == NULL ? "TARGET-ASSIGNMENT" : row->target);
    }
    if (verbose && widths->with_upgraded) {
        printf(" %s", member == NULL               ? "UPGRADED"
                      : member->is_upgraded == 1   ? "true"
                      : member->is_upgraded == 0   ? "false"
                                                   : NONE);
    }
    putchar('\n');
}

static int describe_members(struct groups_run *run, const struct bnb_group *groups, int32_t count)
{
    bool verbose = args_has(&run->args, "verbose");
    int status = 0;
    for (int32_t i = 0; status == 0 && i < count; i++) {
        const struct bnb_group *group = &groups[i];
        struct member_row *rows = groups_memory(run, group->member_count, sizeof *rows);
        for (int32_t m = 0; m < group->member_count; m++) {
            const struct bnb_group_member *member = &group->members[m];
            rows[m] = (struct member_row){
                member, assignment_text(run, member->partitions, member->partition_count),
                assignment_text(run, member->target, member->target_count)};
        }
        struct member_widths widths = measure_members(group, rows);
        (void)state_has_rows(group, group->member_count, &status);
        for (int32_t m = -1; status == 0 && m < group->member_count; m++) {
            fputs(m < 0 ? "\n" : "", stdout);
            print_member(group, m < 0 ? NULL : &rows[m], &widths, verbose);
        }
    }
    return status;
}

/* ---- states ---- */

static void print_state(const struct bnb_group *group, bool verbose)
{
    char coordinator[300];
    char text[3][NUMBER_BYTES];
    snprintf(coordinator, sizeof coordinator, "%.255s:%d  (%d)", group->coordinator_host,
             group->coordinator_port, group->coordinator);
    size_t group_width = wider(15, group->id);
    size_t coordinator_width = wider(25, coordinator);
    for (int row = 0; row < 2; row++) {
        printf("\n%-*s %-*s %-20s %-20s ", (int)group_width, row == 0 ? "GROUP" : group->id,
               (int)coordinator_width, row == 0 ? "COORDINATOR (ID)" : coordinator,
               row == 0                    ? "ASSIGNMENT-STRATEGY"
               : group->assignor[0] == '\0' ? NONE
                                            : group->assignor,
               row == 0 ? "STATE" : group->state);
        if (verbose) {
            printf("%-15s %-25s ",
                   row == 0 ? "GROUP-EPOCH" : number_or_none(group->epoch, text[0]),
                   row == 0 ? "TARGET-ASSIGNMENT-EPOCH"
                            : number_or_none(group->target_epoch, text[1]));
        }
        fputs(row == 0 ? "#MEMBERS" : number_or_none(group->member_count, text[2]), stdout);
    }
    putchar('\n');
}

/* ---- all of it ---- */

static int by_id(const void *a, const void *b)
{
    const struct bnb_group *left = a;
    const struct bnb_group *right = b;
    return strcmp(left->id, right->id);
}

int groups_describe(struct groups_run *run)
{
    struct bnb_group *groups;
    int32_t count;
    int status = groups_chosen_described(run, GROUPS_EXECUTION, &groups, &count);
    if (status != 0) {
        return status;
    }
    for (int32_t i = 0; i < count; i++) {
        if (groups_refuse(&groups[i], GROUPS_EXECUTION) != 0) {
            return GROUPS_TOLD;
        }
    }
    qsort(groups, (size_t)count, sizeof *groups, by_id);
    if (args_has(&run->args, "members")) {
        return describe_members(run, groups, count);
    }
    if (!args_has(&run->args, "state")) {
        return describe_offsets(run, groups, count);
    }
    for (int32_t i = 0; status == 0 && i < count; i++) {
        if (state_has_rows(&groups[i], 1, &status)) {
            print_state(&groups[i], args_has(&run->args, "verbose"));
        }
    }
    return status;
}
