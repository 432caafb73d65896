/* consumer_groups_delete.c: kafka-consumer-groups --delete-offsets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/consumer_groups.h"

struct deletion {
    struct bnb_topic_partition one; /* partition -1: the topic cannot be described */
    int code;
    const char *text;
    int32_t at; /* in the order of a Java map */
};

static int partition_order(const void *a, const void *b)
{
    const struct deletion *left = a;
    const struct deletion *right = b;
    int order = strcmp(left->one.topic, right->one.topic);
    return order != 0 ? order
                      : (left->one.partition > right->one.partition) -
                            (left->one.partition < right->one.partition);
}

/* By topic and partition as one text, as there: "g" 10 and "g1" 0 are the same, and stay in the
 * order of the map. */
static int deletion_order(const void *a, const void *b)
{
    const struct deletion *left = a;
    const struct deletion *right = b;
    char from[RESET_TEXT_BYTES];
    char to[RESET_TEXT_BYTES];
    snprintf(from, sizeof from, "%.400s%d", left->one.topic, left->one.partition);
    snprintf(to, sizeof to, "%.400s%d", right->one.topic, right->one.partition);
    int order = strcmp(from, to);
    return order != 0 ? order : (left->at > right->at) - (left->at < right->at);
}

static void print_deletions(const struct deletion *deletions, int32_t count)
{
    size_t width = 15;
    for (int32_t i = 0; i < count; i++) {
        size_t size = strlen(deletions[i].one.topic);
        width = size > width ? size : width;
    }
    printf("\n%-*s %-10s %-15s", (int)width, "TOPIC", "PARTITION", "STATUS");
    for (int32_t i = 0; i < count; i++) {
        const struct deletion *one = &deletions[i];
        char name[GROUPS_CLASS_BYTES];
        char partition[16] = "-";
        if (one->one.partition >= 0) {
            snprintf(partition, sizeof partition, "%d", one->one.partition);
        }
        printf("\n%-*s %-10s ", (int)width, one->one.topic, partition);
        if (one->code == 0) {
            printf("%-15s", "Successful");
        } else {
            printf("Error: %s: %s", groups_class(one->code, name), one->text);
        }
    }
    putchar('\n');
}

static void print_deletion_outcome(const char *id, int code, const char *text)
{
    switch (code) {
    case 0:
        printf("Request succeeded for deleting offsets from group %s.\n", id);
        break;
    case 24: /* INVALID_GROUP_ID */
    case 30: /* GROUP_AUTHORIZATION_FAILED */
    case 68: /* NON_EMPTY_GROUP */
    case 69: /* GROUP_ID_NOT_FOUND */
        groups_error("%s", text);
        break;
    case 3:  /* UNKNOWN_TOPIC_OR_PARTITION */
    case 29: /* TOPIC_AUTHORIZATION_FAILED */
    case 86: /* GROUP_SUBSCRIBED_TO_TOPIC */
        groups_error("Encountered some partition-level error, see the follow-up details.");
        break;
    default: /* an open set of codes */
        groups_error("Encountered some unknown error: %s",
                     code == BNB_ERROR_TIMEOUT ? "REQUEST_TIMED_OUT" : bnb_error_name(code));
    }
}

/* Fills what --topic names; topics that cannot be described are done with, at the end. */
static int deletion_partitions(struct groups_run *run, struct deletion **deletions,
                               int32_t *asked, int32_t *count)
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
    int result = groups_describe_names(run, without, without_count, &topics, &error);
    int32_t room = without_count;
    for (int32_t i = 0; i < with_count; i++) {
        room += with[i].count;
    }
    for (int32_t i = 0; i < without_count; i++) {
        topics[i] = result == 0 ? topics[i]
                                : (struct bnb_topic){.name = without[i], .code = error.code,
                                                     .error_text = error.text};
        room += topics[i].partition_count;
    }
    struct deletion *made = groups_memory(run, room, sizeof *made);
    *asked = 0;
    for (int32_t i = 0; i < with_count; i++) {
        for (int32_t p = 0; p < with[i].count; p++) {
            made[(*asked)++].one = (struct bnb_topic_partition){with[i].name,
                                                                with[i].partitions[p]};
        }
    }
    for (int32_t i = 0; i < without_count; i++) {
        for (int32_t p = 0; topics[i].code == 0 && p < topics[i].partition_count; p++) {
            made[(*asked)++].one = (struct bnb_topic_partition){topics[i].name,
                                                                topics[i].partitions[p].id};
        }
    }
    *count = *asked;
    for (int32_t i = 0; i < without_count; i++) {
        if (topics[i].code != 0) {
            char *text = groups_memory(run, (int32_t)strlen(topics[i].error_text), 1);
            memcpy(text, topics[i].error_text, strlen(topics[i].error_text));
            made[(*count)++] = (struct deletion){{topics[i].name, -1}, topics[i].code, text, 0};
        }
    }
    *deletions = made;
    return 0;
}

int groups_delete_offsets(struct groups_run *run)
{
    const char *id = args_value(&run->args, "group");
    struct deletion *deletions;
    const struct bnb_group_offset_outcome *outcomes;
    int32_t asked;
    int32_t count;
    struct bnb_error error;
    if (args_nth(&run->args, "group", 1) != NULL) {
        char text[ARGS_ERROR_BYTES];
        snprintf(text, sizeof text, ARGS_REPEATED, "group");
        return groups_fail(GROUPS_BARE, "joptsimple.MultipleArgumentsForOptionException", text);
    }
    int status = deletion_partitions(run, &deletions, &asked, &count);
    if (status != 0) {
        return status;
    }
    qsort(deletions, (size_t)asked, sizeof *deletions, partition_order);
    struct bnb_topic_partition *partitions = groups_memory(run, asked, sizeof *partitions);
    int32_t different = 0;
    for (int32_t i = 0; i < asked; i++) {
        if (different == 0 || partition_order(&deletions[different - 1], &deletions[i]) != 0) {
            deletions[different] = deletions[i];
            partitions[different++] = deletions[i].one;
        }
    }
    memmove(&deletions[different], &deletions[asked],
            (size_t)(count - asked) * sizeof *deletions);
    count -= asked - different;
    int code = bnb_admin_delete_group_offsets(run->admin, run->memory, id, partitions, different,
                                              &outcomes, &error);
    const char *text = code != 0 ? error.text : "";
    bool whole = code != 0;
    for (int32_t i = 0; i < different; i++) {
        deletions[i].code = whole ? error.code : outcomes[i].code;
        deletions[i].text = whole ? error.text : outcomes[i].error_text;
        code = code == 0 ? deletions[i].code : code;
    }
    print_deletion_outcome(id, code, text);
    tools_java_order_partitions(deletions, count, sizeof *deletions, false);
    for (int32_t i = 0; i < count; i++) {
        deletions[i].at = i;
    }
    qsort(deletions, (size_t)count, sizeof *deletions, deletion_order);
    print_deletions(deletions, count);
    return 0;
}
