#include "broker/assignment.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "protocol/api.h"
#include "protocol/messages.h"

#define ASSIGNMENT_TIMEOUT_MS 30000
/* What failed is told again after so long, doubled each time, as AssignmentsManager does. */
#define ASSIGNMENT_AGAIN_MS 100
#define ASSIGNMENT_AGAIN_MAX_MS 10000

/* One replica, and the places in the request that may begin with it. */
struct assignment_entry {
    struct uuid directory_id;
    struct uuid topic_id;
    int32_t partition;
    bool failed;
};
/* On its way: the shard's, noted; shard 0's, waiting for the registration or sent; the shard's
 * again, and, where something failed, resting. */
struct assignment {
    struct broker_submission submission;
    struct loop_mail mail;
    struct timer again;
    struct list node;           /* of those that wait, are sent or rest */
    struct broker *broker;      /* NULL: it has gone while this was sent */
    struct broker_shard *shard; /* of the partitions */
    int32_t failures;           /* in a row */
    struct assign_replicas_to_dirs_request request;
    size_t count;
    struct assignment_entry entries[ASSIGNMENT_PARTITIONS_MAX];
    /* What the request points at; each is filled as far as there is something to say. */
    struct assign_replicas_to_dirs_request_directory_data directories[BROKER_DIRS_MAX];
    struct assign_replicas_to_dirs_request_topic_data topics[ASSIGNMENT_PARTITIONS_MAX];
    struct assign_replicas_to_dirs_request_partition_data partitions[ASSIGNMENT_PARTITIONS_MAX];
};

/* ---- on shard 0 ---- */

static void assignment_home(struct loop_mail *mail);

/* Takes over what the response says of each entry; they are in the order of the request. */
static void assignment_mark(struct assignment *assignment,
                            const struct assign_replicas_to_dirs_response *response)
{
    size_t at = 0;
    for (int32_t i = 0; i < response->directories.count; i++) {
        for (int32_t j = 0; j < response->directories.items[i].topics.count; j++) {
            const struct assign_replicas_to_dirs_response_topic_data *topic =
                &response->directories.items[i].topics.items[j];
            for (int32_t k = 0; k < topic->partitions.count && at < assignment->count; k++) {
                struct assignment_entry *entry = &assignment->entries[at++];
                entry->failed = topic->partitions.items[k].error_code != 0 ||
                                topic->partitions.items[k].partition_index != entry->partition ||
                                !uuid_equal(topic->topic_id, entry->topic_id);
            }
        }
    }
}

static void assignment_done(struct broker_submission *submission, int16_t error,
                            const void *response)
{
    struct assignment *assignment = CONTAINER_OF(submission, struct assignment, submission);
    const struct assign_replicas_to_dirs_response *answer = response;
    list_remove(&assignment->node);
    if (assignment->broker == NULL) {
        mem_free(assignment);
        return;
    }
    for (size_t i = 0; i < assignment->count; i++) {
        assignment->entries[i].failed = true;
    }
    if (error == 0 && answer->error_code == 0) {
        assignment_mark(assignment, answer);
    }
    assignment->mail.run = assignment_home;
    loop_post(assignment->shard->loop, &assignment->mail);
}

static void assignment_submit(struct assignment *assignment)
{
    struct broker *broker = assignment->broker;
    list_push_back(&broker->assignments_sent, &assignment->node);
    assignment->request.broker_epoch = atomic_load(&broker->epoch);
    assignment->submission.deadline_ms =
        loop_monotonic_ms(broker->shards[0].loop) + ASSIGNMENT_TIMEOUT_MS;
    broker->options.submit(broker->options.context, &assignment->submission);
}

static void assignment_arrive(struct loop_mail *mail)
{
    struct assignment *assignment = CONTAINER_OF(mail, struct assignment, mail);
    if (atomic_load(&assignment->broker->epoch) < 0) {
        list_push_back(&assignment->broker->assignments, &assignment->node);
    } else {
        assignment_submit(assignment);
    }
}

void assignment_registered(struct broker *broker)
{
    ASSERT(atomic_load(&broker->epoch) >= 0);
    while (!list_empty(&broker->assignments)) {
        struct assignment *first =
            CONTAINER_OF(broker->assignments.next, struct assignment, node);
        list_remove(&first->node);
        assignment_submit(first);
    }
}

/* ---- on the shard of the partitions ---- */

static int assignment_order(const void *a, const void *b)
{
    const struct assignment_entry *left = a;
    const struct assignment_entry *right = b;
    int order = memcmp(left->directory_id.bytes, right->directory_id.bytes,
                       sizeof left->directory_id.bytes);
    if (order == 0) {
        order = memcmp(left->topic_id.bytes, right->topic_id.bytes, sizeof left->topic_id.bytes);
    }
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* The request of what was noted: directories, in them topics, in them partitions. */
static void assignment_build(struct assignment *assignment)
{
    struct assign_replicas_to_dirs_request_directory_data *directory = NULL;
    struct assign_replicas_to_dirs_request_topic_data *topic = NULL;
    struct assign_replicas_to_dirs_request_topic_data *next_topic = assignment->topics;
    qsort(assignment->entries, assignment->count, sizeof assignment->entries[0], assignment_order);
    assignment->request.directories.items = assignment->directories;
    for (size_t i = 0; i < assignment->count; i++) {
        const struct assignment_entry *entry = &assignment->entries[i];
        if (directory == NULL || !uuid_equal(directory->id, entry->directory_id)) {
            directory =
                &assignment->directories[assignment->request.directories.count++];
            directory->id = entry->directory_id;
            directory->topics.items = next_topic;
            topic = NULL;
        }
        if (topic == NULL || !uuid_equal(topic->topic_id, entry->topic_id)) {
            topic = next_topic++;
            topic->topic_id = entry->topic_id;
            topic->partitions.items = &assignment->partitions[i];
            directory->topics.count++;
        }
        assignment->partitions[i].partition_index = entry->partition;
        topic->partitions.count++;
    }
    ASSERT(assignment->request.directories.count <= BROKER_DIRS_MAX);
}

void assignment_send(struct broker_shard *shard)
{
    struct assignment *assignment = shard->assignment;
    struct broker *broker = shard->broker;
    shard->assignment = NULL;
    if (assignment == NULL) {
        return;
    }
    assignment_build(assignment);
    assignment->broker = broker;
    assignment->shard = shard;
    list_init(&assignment->node);
    assignment->request.broker_id = broker->options.node_id;
    assignment->submission.api_key = API_ASSIGN_REPLICAS_TO_DIRS;
    assignment->submission.api_version = 0;
    assignment->submission.request = &assignment->request;
    assignment->submission.done = assignment_done;
    assignment->mail.run = assignment_arrive;
    loop_post(broker->shards[0].loop, &assignment->mail);
}

void assignment_note_moved(struct partition *partition)
{
    struct broker_shard *shard = partition->shard;
    if (shard->assignment == NULL) {
        shard->assignment = mem_calloc(1, sizeof *shard->assignment);
    }
    struct assignment *assignment = shard->assignment;
    if (assignment == NULL) {
        return;
    }
    partition->dir_told = true;
    assignment->entries[assignment->count++] =
        (struct assignment_entry){partition->dir->dir->properties.directory_id,
                                  partition->key.topic_id, partition->key.partition, false};
    if (assignment->count == ASSIGNMENT_PARTITIONS_MAX) {
        assignment_send(shard);
    }
}

void assignment_note(struct partition *partition, const struct image_partition *state)
{
    if (state->directories == NULL || partition->dir_told) {
        return;
    }
    for (int32_t i = 0; i < state->replicas.count; i++) {
        if (state->replicas.ids[i] == partition->shard->broker->options.node_id &&
            !uuid_equal(state->directories[i], partition->dir->dir->properties.directory_id)) {
            assignment_note_moved(partition);
        }
    }
}

/* Notes anew what failed and still is not what the image says; where the replica lies by now. */
static void assignment_wake(struct timer *timer)
{
    struct assignment *assignment = CONTAINER_OF(timer, struct assignment, again);
    struct broker_shard *shard = assignment->shard;
    list_remove(&assignment->node);
    for (size_t i = 0; i < assignment->count; i++) {
        const struct assignment_entry *entry = &assignment->entries[i];
        struct partition *partition = partition_find(shard, entry->topic_id, entry->partition);
        const struct image_topic *topic =
            shard->image == NULL ? NULL : image_topic_by_id(shard->image, entry->topic_id);
        if (!entry->failed || partition == NULL || partition->log == NULL || topic == NULL ||
            entry->partition >= topic->partition_count) {
            continue;
        }
        assignment_note(partition, &topic->partitions[entry->partition]);
        if (shard->assignment != NULL && shard->assignment->failures <= assignment->failures) {
            shard->assignment->failures = assignment->failures + 1;
        }
    }
    mem_free(assignment);
    assignment_send(shard);
}

static void assignment_home(struct loop_mail *mail)
{
    struct assignment *assignment = CONTAINER_OF(mail, struct assignment, mail);
    struct broker_shard *shard = assignment->shard;
    bool failed = false;
    for (size_t i = 0; i < assignment->count; i++) {
        struct partition *partition = partition_find(shard, assignment->entries[i].topic_id,
                                                     assignment->entries[i].partition);
        if (partition != NULL) {
            partition->dir_told = false; /* what differs from now on is told again */
        }
        failed |= assignment->entries[i].failed;
    }
    if (!failed || shard->broker->stopped) {
        mem_free(assignment);
        return;
    }
    int64_t delay_ms = ASSIGNMENT_AGAIN_MS;
    for (int32_t i = 0; i < assignment->failures && delay_ms < ASSIGNMENT_AGAIN_MAX_MS; i++) {
        delay_ms *= 2;
    }
    list_push_back(&shard->assignments_resting, &assignment->node);
    timer_init(&assignment->again, assignment_wake);
    loop_timer_arm(shard->loop, &assignment->again,
                   delay_ms < ASSIGNMENT_AGAIN_MAX_MS ? delay_ms : ASSIGNMENT_AGAIN_MAX_MS);
}

void assignment_destroy(struct broker_shard *shard)
{
    struct broker *broker = shard->broker;
    mem_free(shard->assignment);
    shard->assignment = NULL;
    while (!list_empty(&shard->assignments_resting)) {
        struct assignment *first =
            CONTAINER_OF(shard->assignments_resting.next, struct assignment, node);
        list_remove(&first->node);
        loop_timer_cancel(shard->loop, &first->again);
        mem_free(first);
    }
    while (shard->index == 0 && !list_empty(&broker->assignments)) {
        struct assignment *first = CONTAINER_OF(broker->assignments.next, struct assignment, node);
        list_remove(&first->node);
        mem_free(first);
    }
    while (shard->index == 0 && !list_empty(&broker->assignments_sent)) {
        struct assignment *first =
            CONTAINER_OF(broker->assignments_sent.next, struct assignment, node);
        list_remove(&first->node);
        first->broker = NULL; /* it is answered yet, and freed then */
    }
}
