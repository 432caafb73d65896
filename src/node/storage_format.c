#include "node/storage_format.h"

#include <stdio.h>

#include "base/mem.h"
#include "io/system.h"
#include "log/log_dir.h"
#include "metadata/image_builder.h"
#include "node/quorum_internal.h"
#include "protocol/messages.h"

#define FORMAT_PATH_BYTES 1024
#define CHECKPOINT_BYTES_MAX (16u << 20)
#define CONTROLS_MAX 3
#define BOOTSTRAP_RECORD_BYTES_MAX (1u << 20)

const char *storage_bootstrap_feature(const struct storage_format_options *options, size_t *index,
                                      int16_t *level)
{
    const char *name;
    while ((name = feature_implied((*index)++, options->metadata_version, level)) != NULL) {
        for (int32_t i = 0; i < options->feature_count; i++) {
            if (string_view_is(options->features[i].name, name)) {
                *level = options->features[i].level;
            }
        }
        if (*level > 0 && strcmp(name, "kraft.version") != 0) {
            return name;
        }
    }
    return NULL;
}

static int add_control(struct writer *out, int64_t *offset, int64_t now_ms,
                       const enum quorum_control *types, struct writer *values, size_t count)
{
    struct quorum_control_record controls[CONTROLS_MAX];
    for (size_t i = 0; i < count; i++) {
        controls[i] = (struct quorum_control_record){types[i], {values[i].data, values[i].size}};
    }
    int error = quorum_build_control(out, *offset, 0, now_ms, controls, count);
    *offset += (int64_t)count;
    return error;
}

static int add_footer(struct writer *out, int64_t *offset, int64_t now_ms)
{
    struct snapshot_footer_record footer;
    struct writer value;
    const enum quorum_control type = QUORUM_SNAPSHOT_FOOTER;
    snapshot_footer_record_default(&footer);
    writer_init(&value, 1024);
    int error = snapshot_footer_record_encode(&value, 0, &footer);
    if (error == 0) {
        error = add_control(out, offset, now_ms, &type, &value, 1);
    }
    writer_release(&value);
    return error;
}

static int add_record(struct batch_builder *batch, int64_t now_ms, int64_t offset, int16_t key,
                      const struct codec_struct *row, const void *message)
{
    struct writer value;
    writer_init(&value, BOOTSTRAP_RECORD_BYTES_MAX);
    int error = metadata_record_encode(&value, key, 0, row, message);
    struct record record = {
        .offset = offset, .timestamp_ms = now_ms, .value = {value.data, value.size}};
    if (error == 0) {
        batch_builder_add(batch, &record);
    }
    writer_release(&value);
    return error;
}

static int add_feature(struct batch_builder *batch, int64_t now_ms, int64_t offset,
                       const char *name, int16_t level)
{
    struct feature_level_record feature;
    feature_level_record_default(&feature);
    feature.name = string_view_of(name);
    feature.feature_level = level;
    return add_record(batch, now_ms, offset, FEATURE_LEVEL_RECORD_KEY, &feature_level_record_row,
                      &feature);
}

/* The records that a cluster begins with: features, then SCRAM users. */
static int add_beginning(const struct storage_format_options *options, struct writer *out,
                        int64_t *offset)
{
    struct batch header = batch_header_empty(*offset);
    struct batch_builder batch;
    header.partition_leader_epoch = 0;
    header.base_timestamp_ms = options->now_ms;
    batch_builder_init(&batch, out, &header);
    int error = add_feature(&batch, options->now_ms, (*offset)++, "metadata.version",
                            options->metadata_version);
    const char *name;
    int16_t level;
    size_t at = 0;
    while (error == 0 && (name = storage_bootstrap_feature(options, &at, &level)) != NULL) {
        error = add_feature(&batch, options->now_ms, (*offset)++, name, level);
    }
    for (int32_t i = 0; error == 0 && i < options->scram_count; i++) {
        error = add_record(&batch, options->now_ms, (*offset)++, USER_SCRAM_CREDENTIAL_RECORD_KEY,
                           &user_scram_credential_record_row, &options->scram[i]);
    }
    return error == 0 ? batch_builder_finish(&batch) : error;
}

static int add_header(struct writer *value, int64_t timestamp_ms)
{
    struct snapshot_header_record header;
    snapshot_header_record_default(&header);
    header.last_contained_log_timestamp = timestamp_ms;
    writer_init(value, 1024);
    return snapshot_header_record_encode(value, 0, &header);
}

static int write_bootstrap(const struct storage_format_options *options, const char *directory)
{
    char path[FORMAT_PATH_BYTES];
    struct writer out;
    struct writer value;
    int64_t offset = 0;
    const enum quorum_control type = QUORUM_SNAPSHOT_HEADER;
    snprintf(path, sizeof path, "%s/bootstrap.checkpoint", directory);
    writer_init(&out, CHECKPOINT_BYTES_MAX);
    int error = add_header(&value, 0);
    if (error == 0) {
        error = add_control(&out, &offset, options->now_ms, &type, &value, 1);
    }
    if (error == 0) {
        error = add_beginning(options, &out, &offset);
    }
    if (error == 0) {
        error = add_footer(&out, &offset, options->now_ms);
    }
    if (error == 0) {
        error = io_write_atomically(options->fs, path, out.data, out.size);
    }
    writer_release(&value);
    writer_release(&out);
    return error;
}

static int encode_voters(const struct storage_format_options *options, struct writer *value)
{
    struct voters_record record;
    voters_record_default(&record);
    size_t count = (size_t)options->voter_count;
    struct voters_record_voter *voters = mem_calloc(count, sizeof *voters);
    struct voters_record_endpoint *endpoints = mem_calloc(count, sizeof *endpoints);
    int error = voters == NULL || endpoints == NULL ? ERR_NOMEM : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        endpoints[i] = (struct voters_record_endpoint){
            options->controller_listener, options->voters[i].host, options->voters[i].port};
        voters[i].voter_id = options->voters[i].id;
        voters[i].voter_directory_id = options->voters[i].directory_id;
        voters[i].endpoints.items = &endpoints[i];
        voters[i].endpoints.count = 1;
        voters[i].kraft_version_feature.max_supported_version = 1;
    }
    writer_init(value, CHECKPOINT_BYTES_MAX);
    if (error == 0) {
        record.voters.items = voters;
        record.voters.count = options->voter_count;
        error = voters_record_encode(value, 0, &record);
    }
    mem_free(voters);
    mem_free(endpoints);
    return error;
}

/* The 0-0 checkpoint of a dynamic voter. */
static int write_voters(const struct storage_format_options *options)
{
    char path[FORMAT_PATH_BYTES];
    struct writer out;
    struct writer values[CONTROLS_MAX] = {{0}};
    struct kraft_version_record version;
    int64_t offset = 0;
    const enum quorum_control types[CONTROLS_MAX] = {QUORUM_SNAPSHOT_HEADER, QUORUM_KRAFT_VERSION,
                                                     QUORUM_KRAFT_VOTERS};
    kraft_version_record_default(&version);
    version.kraft_version = 1;
    writer_init(&out, CHECKPOINT_BYTES_MAX);
    writer_init(&values[1], 1024);
    snprintf(path, sizeof path, "%s/__cluster_metadata-0", options->metadata_directory);
    int error = io_make_directory(options->fs, path);
    error = error == ERR_EXISTS ? 0 : error;
    if (error == 0) {
        error = add_header(&values[0], options->now_ms);
    }
    if (error == 0) {
        error = kraft_version_record_encode(&values[1], 0, &version);
    }
    if (error == 0) {
        error = encode_voters(options, &values[2]);
    }
    if (error == 0) {
        error = add_control(&out, &offset, options->now_ms, types, values, CONTROLS_MAX);
    }
    if (error == 0) {
        error = add_footer(&out, &offset, options->now_ms);
    }
    if (error == 0) {
        snprintf(path, sizeof path,
                 "%s/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
                 options->metadata_directory);
        error = io_write_atomically(options->fs, path, out.data, out.size);
    }
    for (size_t i = 0; i < CONTROLS_MAX; i++) {
        writer_release(&values[i]);
    }
    writer_release(&out);
    return error;
}

static int make_directories(struct io_fs *fs, const char *path)
{
    char part[FORMAT_PATH_BYTES];
    size_t size = strlen(path);
    if (size >= sizeof part) {
        return ERR_RANGE;
    }
    int error = 0;
    for (size_t i = 1; i <= size && (error == 0 || error == ERR_EXISTS); i++) {
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            error = io_make_directory(fs, part);
        }
    }
    return error == ERR_EXISTS ? 0 : error;
}

static bool is_voter(const struct storage_format_options *options)
{
    for (int32_t i = 0; i < options->voter_count; i++) {
        if (options->voters[i].id == options->node_id) {
            return true;
        }
    }
    return false;
}

static const char *format_kind(const struct storage_format_options *options, bool is_metadata)
{
    if (!is_metadata) {
        return "data directory";
    }
    switch (options->quorum) {
    case STORAGE_STATIC:
    case STORAGE_NO_VOTERS:
        return "metadata directory";
    case STORAGE_STANDALONE:
    case STORAGE_VOTERS:
        return is_voter(options) ? "dynamic metadata voter directory"
                                 : "dynamic metadata directory";
    }
    return "directory";
}

/* The directory id of this node in the list of voters, which its metadata directory takes. */
static struct uuid own_directory_id(const struct storage_format_options *options)
{
    for (int32_t i = 0; i < options->voter_count; i++) {
        if (options->voters[i].id == options->node_id) {
            return options->voters[i].directory_id;
        }
    }
    return (struct uuid){{0}};
}

static int format_directory(const struct storage_format_options *options, const char *directory,
                            struct err_message *message)
{
    bool is_metadata = strcmp(directory, options->metadata_directory) == 0;
    bool is_dynamic = is_metadata && (options->quorum == STORAGE_STANDALONE ||
                                      options->quorum == STORAGE_VOTERS);
    struct log_dir_properties properties = {.version = 1,
                                            .node_id = options->node_id,
                                            .cluster_id = options->cluster_id};
    if (is_dynamic) {
        properties.directory_id = own_directory_id(options);
    }
    if (uuid_is_zero(properties.directory_id)) {
        properties.directory_id = io_random_uuid();
    }
    if (options->formatting != NULL) {
        options->formatting(options->context, format_kind(options, is_metadata), directory);
    }
    int error = make_directories(options->fs, directory);
    if (error == 0) {
        error = write_bootstrap(options, directory);
    }
    if (error == 0 && is_dynamic) {
        error = write_voters(options);
    }
    if (error == 0) {
        error = log_dir_write_properties(options->fs, directory, &properties, options->now_ms);
    }
    return error == 0 ? 0
                      : err_set(message, error, "cannot format %s: %s", directory,
                                err_text(error));
}

/* Whether a directory has been formatted before: 1, 0 or an error: it is another cluster's. */
static int is_formatted(const struct storage_format_options *options, const char *directory,
                        struct err_message *message)
{
    struct log_dir_properties known;
    int error = log_dir_read_properties(options->fs, directory, &known, NULL);
    if (error != 0) {
        return error == ERR_NOT_FOUND ? 0 : 1;
    }
    known.cluster_id.data = known.text;
    if (!string_view_equal(known.cluster_id, options->cluster_id)) {
        return err_set(message, ERR_INVALID,
                       "Invalid cluster.id in: %s/meta.properties. Expected %.*s, but read %.*s",
                       directory, (int)options->cluster_id.size, options->cluster_id.data,
                       (int)known.cluster_id.size, known.cluster_id.data);
    }
    return 1;
}

int storage_format(const struct storage_format_options *given, struct err_message *message)
{
    struct storage_format_options options = *given;
    struct storage_voter *voters =
        mem_calloc((size_t)options.voter_count + 1, sizeof *voters);
    if (voters == NULL) {
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < options.voter_count; i++) {
        voters[i] = given->voters[i];
        if (uuid_is_zero(voters[i].directory_id)) {
            voters[i].directory_id = io_random_uuid();
        }
    }
    options.voters = voters;
    int error = 0;
    for (int32_t i = 0; error == 0 && i < options.directory_count; i++) {
        int known = is_formatted(&options, options.directories[i], message);
        error = known < 0 ? known : 0;
        if (known == 1 && !options.ignore_formatted) {
            error = err_set(message, ERR_EXISTS,
                            "Log directory %s is already formatted. Use --ignore-formatted to "
                            "ignore this directory and format the others.",
                            options.directories[i]);
        }
    }
    for (int32_t i = 0; error == 0 && i < options.directory_count; i++) {
        if (is_formatted(&options, options.directories[i], message) == 0) {
            error = format_directory(&options, options.directories[i], message);
        }
    }
    mem_free(voters);
    return error;
}
