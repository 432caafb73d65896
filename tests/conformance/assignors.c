/* assignors: reads the cases that Assignors.java tells of, and says where ours differ: a line
 * "differs: ..." each; at the end how many cases there were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "assignor/assignor.h"

#define LINE_BYTES (1u << 16)
#define ARENA_BYTES (16u << 20)
#define NUMBERS_MAX 4096

static char *line_read(char *line)
{
    if (fgets(line, LINE_BYTES, stdin) == NULL) {
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static struct string_view copy(struct arena *arena, const char *text)
{
    return strcmp(text, "-") == 0 ? (struct string_view){NULL, 0}
                                  : arena_string(arena, string_view_of(text));
}

/* "3,4,7" */
static int32_t *numbers_read(struct arena *arena, char *text, uint32_t *count)
{
    int32_t *numbers = arena_array(arena, NUMBERS_MAX, sizeof *numbers);
    *count = 0;
    char *rest = NULL;
    for (char *at = strtok_r(text, ",", &rest); at != NULL; at = strtok_r(NULL, ",", &rest)) {
        numbers[(*count)++] = (int32_t)strtol(at, NULL, 10);
    }
    return numbers;
}

/* "had 0:1,2 3:4" */
static struct assignor_assignment assignment_read(struct arena *arena, char *line)
{
    struct assignor_partitions *topics = arena_array(arena, 64, sizeof *topics);
    uint32_t count = 0;
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    for (char *at = strtok_r(NULL, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        topics[count].topic = (uint32_t)strtoul(at, &at, 10);
        topics[count].partitions = numbers_read(arena, at + 1, &topics[count].count);
        count++;
    }
    return (struct assignor_assignment){topics, count};
}

static bool same(struct assignor_assignment a, struct assignor_assignment b)
{
    bool equal = a.count == b.count;
    for (uint32_t i = 0; equal && i < a.count; i++) {
        equal = a.topics[i].topic == b.topics[i].topic && a.topics[i].count == b.topics[i].count &&
                memcmp(a.topics[i].partitions, b.topics[i].partitions,
                       a.topics[i].count * sizeof(int32_t)) == 0;
    }
    return equal;
}

static void topic_read(char *line, struct assignor_topic *topic)
{
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    if (uuid_parse(string_view_of(strtok_r(NULL, " ", &rest)), &topic->id) != 0) {
        abort();
    }
    topic->partition_count = (int32_t)strtol(rest, NULL, 10);
}

static void member_read(struct arena *arena, char *line, struct assignor_member *member,
                        struct assignor_assignment *gets)
{
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    member->member_id = copy(arena, strtok_r(NULL, " ", &rest));
    member->instance_id = copy(arena, strtok_r(NULL, " ", &rest));
    member->topics =
        (uint32_t *)numbers_read(arena, *rest == '-' ? rest + 1 : rest, &member->topics_count);
    member->current = assignment_read(arena, line_read(line));
    *gets = assignment_read(arena, line_read(line));
}

/* 1 when ours differs. */
static int case_check(struct arena *arena, char *line, long number)
{
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    const struct assignor *assignor =
        assignor_find(copy(arena, strtok_r(NULL, " ", &rest)));
    struct assignor_group group = {.topics_count = (uint32_t)strtoul(rest, &rest, 10)};
    group.members_count = (uint32_t)strtoul(rest, &rest, 10);
    struct assignor_topic *topics = arena_array(arena, group.topics_count, sizeof *topics);
    struct assignor_member *members = arena_array(arena, group.members_count, sizeof *members);
    struct assignor_assignment *wanted = arena_array(arena, group.members_count, sizeof *wanted);
    struct assignor_assignment *got = arena_array(arena, group.members_count, sizeof *got);
    for (uint32_t i = 0; i < group.topics_count; i++) {
        topic_read(line_read(line), &topics[i]);
    }
    for (uint32_t i = 0; i < group.members_count; i++) {
        member_read(arena, line_read(line), &members[i], &wanted[i]);
    }
    group.members = members;
    group.topics = topics;
    if (assignor == NULL || assignor->assign(&group, arena, got) != 0) {
        printf("differs: case %ld is refused\n", number);
        return 1;
    }
    for (uint32_t i = 0; i < group.members_count; i++) {
        if (!same(wanted[i], got[i])) {
            printf("differs: case %ld (%s), member %u\n", number, assignor->name, i);
            return 1;
        }
    }
    return 0;
}

int main(void)
{
    static char line[LINE_BYTES];
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    long cases = 0;
    int differ = 0;
    while (line_read(line) != NULL) {
        arena_reset(&arena);
        differ += case_check(&arena, line, cases++);
    }
    arena_release(&arena);
    printf("%ld cases, %d differ\n", cases, differ);
    return differ > 0;
}
