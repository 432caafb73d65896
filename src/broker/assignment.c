#include "broker/assignment.h"

#include "base/mem.h"
#include "protocol/api.h"
#include "protocol/messages.h"

#define ASSIGNMENT_TIMEOUT_MS 30000

struct assignment {
    struct broker_submission submission;
    struct loop_mail mail;
    struct broker *broker;
    struct assign_replicas_to_dirs_request request;
    struct assign_replicas_to_dirs_request_directory_data directory;
    struct assign_replicas_to_dirs_request_topic_data topic;
    struct assign_replicas_to_dirs_request_partition_data partition;
};

static void assignment_done(struct broker_submission *submission, int16_t error,
                            const void *response)
{
    (void)error; /* the next start finds where it lies by itself */
    (void)response;
    mem_free(CONTAINER_OF(submission, struct assignment, submission));
}

static void assignment_submit(struct loop_mail *mail)
{
    struct assignment *assignment = CONTAINER_OF(mail, struct assignment, mail);
    const struct broker_options *options = &assignment->broker->options;
    assignment->request.broker_epoch = atomic_load(&assignment->broker->epoch);
    assignment->submission.deadline_ms =
        loop_monotonic_ms(assignment->broker->shards[0].loop) + ASSIGNMENT_TIMEOUT_MS;
    options->submit(options->context, &assignment->submission);
}

void assignment_report(const struct partition *partition)
{
    struct broker *broker = partition->shard->broker;
    struct assignment *assignment = mem_calloc(1, sizeof *assignment);
    if (assignment == NULL) {
        return;
    }
    assignment->broker = broker;
    assignment->partition.partition_index = partition->key.partition;
    assignment->topic.topic_id = partition->key.topic_id;
    assignment->topic.partitions.items = &assignment->partition;
    assignment->topic.partitions.count = 1;
    assignment->directory.id = partition->dir->dir->properties.directory_id;
    assignment->directory.topics.items = &assignment->topic;
    assignment->directory.topics.count = 1;
    assignment->request.broker_id = broker->options.node_id;
    assignment->request.directories.items = &assignment->directory;
    assignment->request.directories.count = 1;
    assignment->submission.api_key = API_ASSIGN_REPLICAS_TO_DIRS;
    assignment->submission.api_version = 0;
    assignment->submission.request = &assignment->request;
    assignment->submission.done = assignment_done;
    assignment->mail.run = assignment_submit;
    loop_post(broker->shards[0].loop, &assignment->mail);
}
