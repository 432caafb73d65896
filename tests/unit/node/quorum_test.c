#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "log/log_dir.h"
#include "node/quorum_internal.h"
#include "node/storage_format.h"
#include "protocol/api.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define NODE_ID 1

/* A formatted directory, and a quorum on it. */
struct bench {
    struct io_fs fs;
    struct loop *loop;
    struct quorum *quorum;
    char directory[64];
    struct uuid directory_id;
    int64_t snapshot_interval_bytes;
    int images;
    bool holds; /* the shards are busy: images are not applied */
    bool fatal;
    int16_t error;
    int answers;
    int64_t broker_epoch;
    int16_t topic_error;
    struct uuid topic_id;
};

static bool list_setting(void *context, int8_t type, struct string_view name,
                         struct string_view *value)
{
    (void)context, (void)type, (void)name, (void)value;
    return true;
}

static int16_t any_setting(void *context, int8_t type, const struct image_setting *items,
                           size_t count, struct err_message *message)
{
    (void)context, (void)type, (void)items, (void)count, (void)message;
    return 0;
}

static atomic_int images_seen; /* by any thread */

static void on_image(void *context, const struct image *older, const struct image *newer)
{
    struct bench *bench = context;
    assert_true(older == NULL || image_offset(newer) > image_offset(older));
    bench->images++;
    images_seen++;
    if (!bench->holds) {
        quorum_applied(bench->quorum, newer);
    }
}

static void on_fatal(void *context, const char *why)
{
    struct bench *bench = context;
    (void)why;
    bench->fatal = true;
}

static int format(struct bench *bench, enum storage_quorum kind)
{
    const char *directories[] = {bench->directory};
    struct storage_voter voter = {.id = NODE_ID, .host = string_view_of("localhost"), .port = 9093};
    struct storage_format_options options = {
        .fs = &bench->fs,
        .directories = directories,
        .directory_count = 1,
        .metadata_directory = bench->directory,
        .cluster_id = string_view_of("4L6g3nShT-eMCtK--X86sw"),
        .node_id = NODE_ID,
        .quorum = kind,
        .voters = &voter,
        .voter_count = kind == STORAGE_STANDALONE ? 1 : 0,
        .controller_listener = string_view_of("CONTROLLER"),
        .metadata_version = 30,
        .now_ms = 1700000000000,
    };
    return storage_format(&options, NULL);
}

static int try_open(struct bench *bench, struct err_message *message)
{
    struct quorum_options options = {
        .loop = bench->loop,
        .fs = &bench->fs,
        .metadata_directory = bench->directory,
        .cluster_id = string_view_of("4L6g3nShT-eMCtK--X86sw"),
        .node_id = NODE_ID,
        .is_static = true,
        .directory_id = bench->directory_id,
        .random_seed = 7,
        .segment_bytes = 1 << 20,
        .snapshot_interval_bytes = bench->snapshot_interval_bytes,
        .session_timeout_ms = 9000,
        .default_replication_factor = 1,
        .default_partition_count = 1,
        .min_insync_replicas = 1,
        .check_settings = any_setting,
        .list_setting = list_setting,
        .on_image = on_image,
        .on_fatal = on_fatal,
        .context = bench,
    };
    return quorum_open(&options, &bench->quorum, message);
}

static void begin(struct bench *bench)
{
    struct err_message message = {{0}};
    assert_int_equal(loop_create(2, &bench->loop), 0);
    bench->images = 0;
    int error = try_open(bench, &message);
    if (error != 0) {
        print_error("%s\n", message.text);
    }
    assert_int_equal(error, 0);
    loop_drain(bench->loop);
    assert_false(bench->fatal);
}

static void end(struct bench *bench)
{
    loop_drain(bench->loop);
    quorum_close(&bench->quorum);
    assert_null(bench->quorum);
    loop_destroy(&bench->loop);
}

static void setup(struct bench *bench, enum storage_quorum kind)
{
    *bench = (struct bench){.fs = io_fs_linux(), .snapshot_interval_bytes = 20 << 20};
    snprintf(bench->directory, sizeof bench->directory, "%s", "/tmp/quorum-test-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    assert_int_equal(format(bench, kind), 0);
    struct log_dir_properties properties;
    assert_int_equal(
        log_dir_read_properties(&bench->fs, bench->directory, &properties, NULL), 0);
    bench->directory_id = properties.directory_id;
}

static void cleanup(struct bench *bench)
{
    char path[128];
    snprintf(path, sizeof path, "%s/__cluster_metadata-0", bench->directory);
    (void)log_dir_remove_tree(&bench->fs, path);
    assert_int_equal(log_dir_remove_tree(&bench->fs, bench->directory), 0);
}

struct asked {
    struct quorum_request request;
    struct bench *bench;
};

static void answered(struct quorum_request *request, int16_t error, const void *response)
{
    struct bench *bench = CONTAINER_OF(request, struct asked, request)->bench;
    bench->error = error;
    if (error == 0 && request->api_key == API_BROKER_REGISTRATION) {
        const struct broker_registration_response *registered = response;
        assert_int_equal(registered->error_code, 0);
        bench->broker_epoch = registered->broker_epoch;
    } else if (error == 0 && request->api_key == API_CREATE_TOPICS) {
        const struct create_topics_response *created = response;
        bench->topic_error = created->topics.items[0].error_code;
        bench->topic_id = created->topics.items[0].topic_id;
    }
    bench->answers++;
}

static void submit(struct bench *bench, struct asked *asked, int16_t key, int16_t version,
                   const void *request)
{
    *asked = (struct asked){.request = {.api_key = key,
                                        .api_version = version,
                                        .request = request,
                                        .principal = string_view_of("User:ANONYMOUS"),
                                        .done = answered},
                            .bench = bench};
    quorum_submit(bench->quorum, &asked->request);
}

/* One request, until it is answered. */
static void ask(struct bench *bench, int16_t key, int16_t version, const void *request)
{
    struct asked asked;
    bench->answers = 0;
    submit(bench, &asked, key, version, request);
    loop_drain(bench->loop); /* all that a quorum waits for is jobs */
    assert_int_equal(bench->answers, 1);
}

static void register_broker(struct bench *bench)
{
    struct broker_registration_request request;
    struct broker_registration_request_feature features[] = {
        {string_view_of("metadata.version"), 7, 30},
        {string_view_of("transaction.version"), 0, 2},
        {string_view_of("group.version"), 0, 1},
        {string_view_of("eligible.leader.replicas.version"), 0, 1},
        {string_view_of("share.version"), 0, 1},
        {string_view_of("streams.version"), 0, 1},
        {string_view_of("kraft.version"), 0, 1},
    };
    broker_registration_request_default(&request);
    request.broker_id = NODE_ID;
    request.cluster_id = string_view_of("4L6g3nShT-eMCtK--X86sw");
    request.incarnation_id.bytes[0] = 5;
    request.features.items = features;
    request.features.count = sizeof features / sizeof features[0];
    request.log_dirs.items = &bench->directory_id;
    request.log_dirs.count = 1;
    ask(bench, API_BROKER_REGISTRATION, 4, &request);
    assert_int_equal(bench->error, 0);
    struct broker_heartbeat_request beat;
    broker_heartbeat_request_default(&beat);
    beat.broker_id = NODE_ID;
    beat.broker_epoch = bench->broker_epoch;
    beat.current_metadata_offset = bench->broker_epoch;
    ask(bench, API_BROKER_HEARTBEAT, 1, &beat);
    assert_int_equal(bench->error, 0);
}

static void create_topic(struct bench *bench, const char *name)
{
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic = {
        .name = string_view_of(name), .num_partitions = 3, .replication_factor = 1};
    create_topics_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    ask(bench, API_CREATE_TOPICS, 7, &request);
    assert_int_equal(bench->error, 0);
    assert_int_equal(bench->topic_error, 0);
}

static void quorum__finds_everything_again_under_the_next_epoch(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    assert_int_equal(quorum_leader_id(bench.quorum), NODE_ID);
    register_broker(&bench);
    create_topic(&bench, "kept");
    struct uuid id = bench.topic_id;
    struct image *before = quorum_image(bench.quorum);
    assert_int_equal(image_feature_level(before, "metadata.version"), 30);
    assert_int_equal(image_feature_level(before, "transaction.version"), 2);
    int32_t epoch = image_epoch(before);
    image_unref(&before);
    end(&bench);
    for (int32_t i = 1; i <= 3; i++) {
        begin(&bench);
        struct image *again = quorum_image(bench.quorum);
        assert_int_equal(image_epoch(again), epoch + i);
        assert_int_equal(image_topic_count(again), 1);
        const struct image_topic *topic = image_topic_by_id(again, id);
        assert_non_null(topic);
        assert_true(string_view_is(topic->name, "kept"));
        assert_int_equal(topic->partition_count, 3);
        assert_int_equal(topic->partitions[2].leader, NODE_ID);
        assert_true(uuid_equal(topic->partitions[2].directories[0], bench.directory_id));
        assert_false(image_broker_by_id(again, NODE_ID)->fenced);
        image_unref(&again);
        end(&bench);
    }
    cleanup(&bench);
}

static void quorum__begins_with_a_static_voter_too(void **state)
{
    (void)state;
    struct bench bench;
    char path[128];
    uint8_t *text;
    size_t size;
    setup(&bench, STORAGE_STATIC);
    begin(&bench);
    end(&bench);
    snprintf(path, sizeof path, "%s/__cluster_metadata-0/quorum-state", bench.directory);
    assert_int_equal(io_read_whole(&bench.fs, path, 4096, &text, &size), 0);
    assert_int_equal(size, strlen("{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,"
                                  "\"votedId\":1,\"appliedOffset\":0,"
                                  "\"currentVoters\":[{\"voterId\":1}],"
                                  "\"data_version\":0}"));
    assert_memory_equal(text, "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1", 42);
    mem_free(text);
    cleanup(&bench);
}

static void quorum__answers_many_requests_with_one_sync_each_in_order(void **state)
{
    (void)state;
    enum { MANY = 20 };
    struct bench bench;
    struct asked asked[MANY];
    struct create_topics_request requests[MANY];
    struct create_topics_request_creatable_topic topics[MANY];
    char names[MANY][8];
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    register_broker(&bench);
    bench.answers = 0;
    int images = bench.images;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        topics[i] = (struct create_topics_request_creatable_topic){
            .name = string_view_of(names[i]), .num_partitions = 1, .replication_factor = 1};
        create_topics_request_default(&requests[i]);
        requests[i].topics.items = &topics[i];
        requests[i].topics.count = 1;
        submit(&bench, &asked[i], API_CREATE_TOPICS, 7, &requests[i]);
    }
    assert_int_equal(bench.answers, 0); /* nothing is answered before it is on the disk */
    loop_drain(bench.loop);
    assert_int_equal(bench.answers, MANY);
    assert_true(bench.images - images <= 2); /* what came meanwhile shared the second sync */
    struct image *image = quorum_image(bench.quorum);
    assert_int_equal(image_topic_count(image), MANY);
    image_unref(&image);
    end(&bench);
    cleanup(&bench);
}

/* Whoever has an answer in hand may use what it tells of on any connection. */
static void quorum__answers_only_what_the_whole_node_sees(void **state)
{
    (void)state;
    struct bench bench;
    struct asked asked[2];
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic = {
        .name = string_view_of("seen"), .num_partitions = 1, .replication_factor = 1};
    struct broker_heartbeat_request beat;
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    register_broker(&bench);
    create_topics_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    broker_heartbeat_request_default(&beat);
    beat.broker_id = NODE_ID;
    beat.broker_epoch = bench.broker_epoch;
    bench.holds = true;
    bench.answers = 0;
    int images = bench.images;
    submit(&bench, &asked[0], API_CREATE_TOPICS, 7, &request);
    loop_drain(bench.loop);
    assert_int_equal(bench.images, images + 1);
    assert_int_equal(bench.answers, 0);
    submit(&bench, &asked[1], API_BROKER_HEARTBEAT, 1, &beat);
    assert_int_equal(bench.answers, 1); /* waits for nobody */
    struct image *image = quorum_image(bench.quorum);
    quorum_applied(bench.quorum, image);
    image_unref(&image);
    assert_int_equal(bench.answers, 2);
    assert_int_equal(bench.topic_error, 0);
    end(&bench);
    cleanup(&bench);
}

static void quorum__begins_from_its_snapshot_with_the_log_before_it_gone(void **state)
{
    (void)state;
    struct bench bench;
    char name[8];
    setup(&bench, STORAGE_STANDALONE);
    bench.snapshot_interval_bytes = 400;
    begin(&bench);
    register_broker(&bench);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "s%d", i);
        create_topic(&bench, name);
        loop_drain(bench.loop);
    }
    assert_true(log_start_offset(bench.quorum->log) > 0);
    end(&bench);
    begin(&bench);
    assert_true(log_start_offset(bench.quorum->log) > 0);
    create_topic(&bench, "after");
    struct image *image = quorum_image(bench.quorum);
    assert_int_equal(image_topic_count(image), 13);
    assert_int_equal(image_topic_by_name(image, string_view_of("s11"))->partition_count, 3);
    assert_int_equal(image_broker_count(image), 1);
    image_unref(&image);
    end(&bench);
    cleanup(&bench);
}

static pthread_t loop_thread;
static int removed_on_loop;
static atomic_int removed_beside;

static int watched_remove(struct io_fs *fs, const char *path)
{
    if (pthread_equal(pthread_self(), loop_thread)) {
        removed_on_loop += strstr(path, ".deleted") != NULL || strstr(path, ".checkpoint") != NULL;
    } else {
        removed_beside++;
    }
    return io_fs_linux().operations->remove(fs, path);
}

/* What a snapshot makes superfluous, up to a segment of a gigabyte, is removed on a helper thread:
 * that waits for the disk, and clients for the loop. */
static void quorum__removes_what_is_old_beside_the_loop(void **state)
{
    (void)state;
    struct bench bench;
    struct io_operations watched = *io_fs_linux().operations;
    char name[8];
    watched.remove = watched_remove;
    loop_thread = pthread_self();
    setup(&bench, STORAGE_STANDALONE);
    bench.snapshot_interval_bytes = 400;
    bench.fs.operations = &watched;
    begin(&bench);
    register_broker(&bench);
    removed_on_loop = 0;
    removed_beside = 0;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "s%d", i);
        create_topic(&bench, name);
        loop_drain(bench.loop);
    }
    assert_true(log_start_offset(bench.quorum->log) > 0);
    assert_int_equal(removed_on_loop, 0);
    assert_true(removed_beside > 0);
    end(&bench);
    bench.fs = io_fs_linux();
    cleanup(&bench);
}

static struct {
    struct loop_mail mail;
    struct bench *bench;
    bool sent;
    struct asked asked;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic;
} second;

static void ask_for_second(struct loop_mail *mail)
{
    (void)mail;
    second.topic = (struct create_topics_request_creatable_topic){
        .name = string_view_of("second"), .num_partitions = 1, .replication_factor = 1};
    create_topics_request_default(&second.request);
    second.request.topics.items = &second.topic;
    second.request.topics.count = 1;
    submit(second.bench, &second.asked, API_CREATE_TOPICS, 7, &second.request);
}

/* The first snapshot gets its name when a second topic is there. */
static int slow_rename(struct io_fs *fs, const char *from, const char *to)
{
    if (strstr(to, ".checkpoint") != NULL && !second.sent) {
        second.sent = true;
        loop_post(second.bench->loop, &second.mail);
        while (images_seen < 2) {
            usleep(100);
        }
    }
    return io_fs_linux().operations->rename(fs, from, to);
}

/* Goal: the next snapshot is written when it is due, and not with the record after that, which may
 * never come. Method: a second topic is made while the snapshot of the first is being written. */
static void quorum__what_comes_during_a_snapshot_gets_one_of_its_own(void **state)
{
    (void)state;
    struct bench bench;
    struct io_operations watched = *io_fs_linux().operations;
    watched.rename = slow_rename;
    setup(&bench, STORAGE_STANDALONE);
    bench.fs.operations = &watched;
    begin(&bench);
    register_broker(&bench);
    bench.quorum->options.snapshot_interval_bytes = 1;
    images_seen = 0;
    second.bench = &bench;
    second.mail.run = ask_for_second;
    struct asked asked;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic first = {
        .name = string_view_of("first"), .num_partitions = 1, .replication_factor = 1};
    create_topics_request_default(&request);
    request.topics.items = &first;
    request.topics.count = 1;
    bench.answers = 0;
    submit(&bench, &asked, API_CREATE_TOPICS, 7, &request);
    loop_drain(bench.loop);
    assert_int_equal(bench.answers, 2);
    const struct image *newest = bench.quorum->published;
    char path[160];
    snprintf(path, sizeof path, "%s/__cluster_metadata-0/%020" PRId64 "-%010" PRId32 ".checkpoint",
             bench.directory, image_offset(newest) + 1, image_epoch(newest));
    assert_int_equal(access(path, F_OK), 0);
    end(&bench);
    bench.fs = io_fs_linux();
    cleanup(&bench);
}

static void quorum__refuses_a_directory_whose_voter_is_another(void **state)
{
    (void)state;
    struct bench bench;
    struct err_message message = {{0}};
    setup(&bench, STORAGE_STANDALONE);
    bench.directory_id.bytes[0] ^= 1;
    assert_int_equal(loop_create(1, &bench.loop), 0);
    assert_int_equal(try_open(&bench, &message), ERR_UNSUPPORTED);
    assert_null(bench.quorum);
    assert_non_null(strstr(message.text, "not the voter"));
    loop_destroy(&bench.loop);
    cleanup(&bench);
}

/* A snapshot that a crash left unfinished goes with the next start. */
static void quorum__removes_a_snapshot_that_was_never_finished(void **state)
{
    (void)state;
    struct bench bench;
    struct io_file file;
    char path[160];
    setup(&bench, STORAGE_STANDALONE);
    snprintf(path, sizeof path,
             "%s/__cluster_metadata-0/00000000000000000009-0000000001.checkpoint.tmp",
             bench.directory);
    assert_int_equal(io_write_unsynced(&bench.fs, path, "half", 4), 0);
    begin(&bench);
    assert_int_equal(io_file_open(&bench.fs, path, IO_OPEN_READ, &file), ERR_NOT_FOUND);
    end(&bench);
    cleanup(&bench);
}

/* Numbers that nobody writes are damage of the file, not of this program. */
static void quorum__refuses_a_state_that_cannot_be(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "{\"leaderId\":-5,\"leaderEpoch\":3,\"votedId\":1,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":-2,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":2147483647,\"votedId\":1,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":4294967297,\"votedId\":1,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":1,\"data_version\":2}",
    };
    struct bench bench;
    char path[128];
    setup(&bench, STORAGE_STANDALONE);
    snprintf(path, sizeof path, "%s/__cluster_metadata-0/quorum-state", bench.directory);
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct err_message message = {{0}};
        assert_int_equal(io_write_unsynced(&bench.fs, path, damaged[i], strlen(damaged[i])), 0);
        assert_int_equal(loop_create(1, &bench.loop), 0);
        assert_int_equal(try_open(&bench, &message), ERR_CORRUPT);
        assert_non_null(strstr(message.text, "quorum-state is damaged"));
        loop_destroy(&bench.loop);
    }
    cleanup(&bench);
}

/* The epoch of a batch is not under its CRC, and behind the last one there is none to lead in. */
static void quorum__refuses_a_log_in_the_last_epoch_there_is(void **state)
{
    (void)state;
    static const uint8_t last[] = {0x7f, 0xff, 0xff, 0xff};
    struct bench bench;
    struct io_file file;
    struct err_message message = {{0}};
    char path[128];
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    end(&bench);
    snprintf(path, sizeof path, "%s/__cluster_metadata-0/00000000000000000000.log",
             bench.directory);
    assert_int_equal(io_file_open(&bench.fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file), 0);
    assert_int_equal(io_file_write(&file, last, sizeof last, 12), 0);
    io_file_close(&file);
    assert_int_equal(loop_create(1, &bench.loop), 0);
    assert_int_equal(try_open(&bench, &message), ERR_CORRUPT);
    assert_non_null(strstr(message.text, "the last leader epoch"));
    loop_destroy(&bench.loop);
    cleanup(&bench);
}

/* A snapshot tells by its name where it ends; one that nobody could have come to is none. */
static void quorum__believes_no_snapshot_beyond_all_offsets(void **state)
{
    (void)state;
    static const char *const names[] = {"09223372036854775807-0000000001",
                                        "09223372036854775806-0000000001",
                                        "00000000000000000009-4294967297",
                                        "00000000000000000009-2147483648"};
    struct bench bench;
    char path[160];
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    end(&bench);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/__cluster_metadata-0/%s.checkpoint", bench.directory,
                 names[i]);
        assert_int_equal(io_write_unsynced(&bench.fs, path, "", 0), 0);
        begin(&bench);
        end(&bench);
    }
    cleanup(&bench);
}

static void quorum__answers_those_who_wait_when_it_is_closed(void **state)
{
    (void)state;
    struct bench bench;
    struct asked asked;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic = {
        .name = string_view_of("late"), .num_partitions = 1, .replication_factor = 1};
    setup(&bench, STORAGE_STANDALONE);
    begin(&bench);
    register_broker(&bench);
    create_topics_request_default(&request);
    request.topics.items = &topic;
    request.topics.count = 1;
    bench.answers = 0;
    submit(&bench, &asked, API_CREATE_TOPICS, 7, &request);
    assert_int_equal(bench.answers, 0);
    quorum_close(&bench.quorum);
    assert_int_equal(bench.answers, 1);
    assert_int_equal(bench.error, KAFKA_NOT_CONTROLLER);
    loop_destroy(&bench.loop);
    cleanup(&bench);
}

static void storage_format__refuses_what_is_formatted_unless_told_to_skip_it(void **state)
{
    (void)state;
    struct bench bench;
    struct log_dir_properties properties;
    setup(&bench, STORAGE_STANDALONE);
    assert_int_equal(format(&bench, STORAGE_STANDALONE), ERR_EXISTS);
    assert_int_equal(log_dir_read_properties(&bench.fs, bench.directory, &properties, NULL), 0);
    assert_int_equal(properties.node_id, NODE_ID);
    assert_int_equal(properties.version, 1);
    assert_true(string_view_is(properties.cluster_id, "4L6g3nShT-eMCtK--X86sw"));
    assert_true(uuid_equal(properties.directory_id, bench.directory_id)); /* as the voter's */
    cleanup(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorum__finds_everything_again_under_the_next_epoch),
        cmocka_unit_test(quorum__begins_with_a_static_voter_too),
        cmocka_unit_test(quorum__answers_many_requests_with_one_sync_each_in_order),
        cmocka_unit_test(quorum__answers_only_what_the_whole_node_sees),
        cmocka_unit_test(quorum__begins_from_its_snapshot_with_the_log_before_it_gone),
        cmocka_unit_test(quorum__removes_what_is_old_beside_the_loop),
        cmocka_unit_test(quorum__what_comes_during_a_snapshot_gets_one_of_its_own),
        cmocka_unit_test(quorum__refuses_a_directory_whose_voter_is_another),
        cmocka_unit_test(quorum__removes_a_snapshot_that_was_never_finished),
        cmocka_unit_test(quorum__refuses_a_state_that_cannot_be),
        cmocka_unit_test(quorum__refuses_a_log_in_the_last_epoch_there_is),
        cmocka_unit_test(quorum__believes_no_snapshot_beyond_all_offsets),
        cmocka_unit_test(quorum__answers_those_who_wait_when_it_is_closed),
        cmocka_unit_test(storage_format__refuses_what_is_formatted_unless_told_to_skip_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
