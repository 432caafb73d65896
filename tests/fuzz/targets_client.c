/* targets_client.c: what members of a group send to each other: subscriptions and assignments. */
#include "client/assign.h"
#include "targets.h"

#define ARENA_BYTES (64u << 20)
#define MEMBERS 2

static void topics_make(struct topics *topics)
{
    struct metadata_response_metadata_response_partition partitions[3] = {{0}};
    struct metadata_response_metadata_response_topic known[2] = {{0}};
    struct metadata_response metadata;
    metadata_response_default(&metadata);
    known[0].name = string_view_of("t");
    known[1].name = string_view_of("u");
    for (int32_t i = 0; i < 2; i++) {
        known[i].partitions.items = partitions;
        known[i].partitions.count = 3 - i;
    }
    metadata.topics.items = known;
    metadata.topics.count = 2;
    topics_init(topics);
    fuzz_require(topics_take(topics, &metadata) == 0, "there is memory");
}

/* What a leader makes of any two subscriptions can be read, and gives nothing to both. */
static void assign_once(enum assign_kind kind, const struct assign_member *asked,
                        const struct topics *topics)
{
    struct arena arena;
    struct assign_member members[MEMBERS] = {asked[0], asked[1]};
    struct partition_set sets[MEMBERS];
    arena_init(&arena, ARENA_BYTES);
    bool assigned = assign_members(kind, members, MEMBERS, topics, &arena) == 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        partition_set_init(&sets[i]);
        fuzz_require(!assigned ||
                         assign_assignment_decode(members[i].assignment, &arena, &sets[i]) == 0,
                     "an assignment can be read");
    }
    for (size_t i = 0; i < sets[0].count; i++) {
        fuzz_require(!partition_set_has(&sets[1], &sets[0].items[i]), "a partition has one owner");
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        partition_set_release(&sets[i]);
    }
    arena_release(&arena);
}

void fuzz_assign(const uint8_t *data, size_t size)
{
    struct reader reader;
    struct arena arena;
    struct topics topics;
    struct partition_set set;
    reader_init(&reader, data, size);
    struct assign_member members[MEMBERS] = {
        {.member_id = string_view_of("a"), .subscription = fuzz_take_part(&reader, data, size)},
        {.member_id = string_view_of("b"), .subscription = fuzz_take_part(&reader, data, size)}};
    struct bytes_view assignment = fuzz_take_part(&reader, data, size);
    topics_make(&topics);
    for (int kind = 0; kind < ASSIGN_KINDS; kind++) {
        assign_once((enum assign_kind)kind, members, &topics);
    }
    topics_release(&topics);
    arena_init(&arena, ARENA_BYTES);
    partition_set_init(&set);
    (void)assign_assignment_decode(assignment, &arena, &set);
    partition_set_release(&set);
    arena_release(&arena);
}
