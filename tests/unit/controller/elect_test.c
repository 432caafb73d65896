/* Elections that somebody asks for, of partitions whose leader is gone. What comes of each was seen
 * with a controller of Apache Kafka 4.3.1 whose second broker had ended. */
#include "bench.h"

#define PREFERRED 0
#define UNCLEAN 1
#define GONE 2 /* a broker that is not there; 1 is */

/* A partition without leader. */
struct orphan {
    struct image_ids replicas;
    struct image_ids isr;
    struct image_ids eligible;
};

static const int32_t gone_first[] = {GONE, 1};
static const int32_t gone_last[] = {1, GONE};
static const int32_t gone[] = {GONE};
static const int32_t here[] = {1};
#define IDS(array) {sizeof array / sizeof array[0], array}
#define NONE {0, gone}

static void setup_orphan(struct bench *bench, const struct orphan *orphan)
{
    setup(bench, 1);
    assert_int_equal(create_one(bench, "a", 1, 1), 0);
    struct partition_record record;
    partition_record_default(&record);
    record.topic_id = image_topic_by_name(bench->image, string_view_of("a"))->id;
    record.partition_id = 0;
    record.replicas.items = (int32_t *)orphan->replicas.ids;
    record.replicas.count = orphan->replicas.count;
    record.isr.items = (int32_t *)orphan->isr.ids;
    record.isr.count = orphan->isr.count;
    record.eligible_leader_replicas.items = (int32_t *)orphan->eligible.ids;
    record.eligible_leader_replicas.count = orphan->eligible.count;
    record.last_known_elr.items = record.eligible_leader_replicas.items;
    record.last_known_elr.count = record.eligible_leader_replicas.count;
    record.leader = -1;
    record.leader_epoch = 1;
    controller_records_release(&bench->records);
    controller_records_init(&bench->records);
    controller_records_add(&bench->records, PARTITION_RECORD_KEY, 2, &partition_record_row,
                           &record);
    commit(bench);
}

static int16_t elect(struct bench *bench, int8_t type)
{
    struct elect_leaders_request request;
    int32_t first = 0;
    struct elect_leaders_request_topic_partitions asked = {string_view_of("a"), {&first, 1}};
    elect_leaders_request_default(&request);
    request.election_type = type;
    request.topic_partitions.items = &asked;
    request.topic_partitions.count = 1;
    const struct elect_leaders_response *response = ask(bench, API_ELECT_LEADERS, 2, &request);
    assert_int_equal(bench->error, 0);
    return response->replica_election_results.items[0].partition_result.items[0].error_code;
}

static const struct image_partition *partition_of(const struct bench *bench)
{
    return &image_topic_by_name(bench->image, string_view_of("a"))->partitions[0];
}

/* Whoever is there leads, wherever it stands in the list, and is the whole ISR: who was in it, or
 * eligible, has records that this one may lack. */
static void elect_leaders__an_unclean_leader_is_the_whole_isr(void **state)
{
    (void)state;
    const struct orphan orphans[] = {
        {IDS(gone_first), IDS(gone), NONE},
        {IDS(gone_last), IDS(gone), NONE},
        {IDS(gone_first), NONE, IDS(gone)},
        {IDS(gone_last), NONE, NONE},
    };
    for (size_t i = 0; i < sizeof orphans / sizeof orphans[0]; i++) {
        struct bench bench;
        setup_orphan(&bench, &orphans[i]);
        assert_int_equal(elect(&bench, PREFERRED), KAFKA_PREFERRED_LEADER_NOT_AVAILABLE);
        assert_int_equal(partition_of(&bench)->leader, -1);
        assert_int_equal(elect(&bench, UNCLEAN), 0);
        const struct image_partition *partition = partition_of(&bench);
        assert_int_equal(partition->leader, 1);
        assert_int_equal(partition->leader_epoch, 2);
        assert_int_equal(partition->isr.count, 1);
        assert_int_equal(partition->isr.ids[0], 1);
        assert_int_equal(partition->eligible_leaders.count, 0);
        assert_int_equal(partition->last_known_eligible_leaders.count, 0);
        assert_int_equal(partition->leader_recovery_state, 1);
        cleanup(&bench);
    }
}

static void elect_leaders__who_has_all_leads_though_an_unclean_one_was_asked_for(void **state)
{
    (void)state;
    const struct orphan orphans[] = {
        {IDS(gone_first), IDS(here), NONE},
        {IDS(gone_first), IDS(gone_first), NONE},
        {IDS(gone_first), NONE, IDS(here)},
    };
    for (size_t i = 0; i < sizeof orphans / sizeof orphans[0]; i++) {
        struct bench bench;
        setup_orphan(&bench, &orphans[i]);
        assert_int_equal(elect(&bench, UNCLEAN), 0);
        const struct image_partition *partition = partition_of(&bench);
        assert_int_equal(partition->leader, 1);
        assert_int_equal(partition->isr.count, orphans[i].isr.count == 0 ? 1
                                                                         : orphans[i].isr.count);
        assert_int_equal(partition->leader_recovery_state, 0);
        cleanup(&bench);
    }
}

static void elect_leaders__nobody_there_is_nobody_elected(void **state)
{
    (void)state;
    const struct orphan orphan = {IDS(gone), IDS(gone), NONE};
    struct bench bench;
    setup_orphan(&bench, &orphan);
    assert_int_equal(elect(&bench, UNCLEAN), KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    assert_int_equal(elect(&bench, PREFERRED), KAFKA_PREFERRED_LEADER_NOT_AVAILABLE);
    assert_int_equal(bench.record_count, 0);
    cleanup(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elect_leaders__an_unclean_leader_is_the_whole_isr),
        cmocka_unit_test(elect_leaders__who_has_all_leads_though_an_unclean_one_was_asked_for),
        cmocka_unit_test(elect_leaders__nobody_there_is_nobody_elected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
