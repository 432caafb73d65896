/* storage_format.h: makes log directories usable: meta.properties, bootstrap.checkpoint and, for a
 * voter of a dynamic quorum, the first snapshot of __cluster_metadata.
 * Thread: any; start-up and tools only.   Errors: one clear line in message. */
#ifndef BNB_NODE_STORAGE_FORMAT_H
#define BNB_NODE_STORAGE_FORMAT_H

#include "base/err.h"
#include "io/file.h"
#include "protocol/messages.h"
#include "tools/feature_versions.h"

struct storage_voter {
    int32_t id;
    struct uuid directory_id;
    struct string_view host;
    uint16_t port;
};
enum storage_quorum {
    STORAGE_STATIC,       /* controller.quorum.voters is set: kraft.version 0 */
    STORAGE_STANDALONE,   /* one voter: this node */
    STORAGE_VOTERS,       /* the voters given */
    STORAGE_NO_VOTERS,    /* joins later, or is a broker only */
};
struct storage_format_options {
    struct io_fs *fs;
    const char *const *directories; /* log.dirs and metadata.log.dir, each once */
    int32_t directory_count;
    const char *metadata_directory;
    struct string_view cluster_id;
    int32_t node_id;
    enum storage_quorum quorum;
    const struct storage_voter *voters; /* of STANDALONE and VOTERS; zero directory id: make one */
    int32_t voter_count;
    struct string_view controller_listener; /* the first of controller.listener.names */
    int16_t metadata_version;               /* level */
    const struct feature_asked *features; /* levels that differ from the release's defaults */
    int32_t feature_count;
    const struct user_scram_credential_record *scram; /* users to begin with */
    int32_t scram_count;
    bool ignore_formatted;
    int64_t now_ms;
    /* Called before each directory; may be NULL. */
    void (*formatting)(void *context, const char *kind, const char *directory);
    void *context;
};

/* log.dirs and metadata.log.dir, sorted, each once, into room for STORAGE_DIRECTORIES_MAX; how
 * many. Borrowed from the configuration. */
#define STORAGE_DIRECTORIES_MAX 65
struct config;
int32_t storage_directories(const struct config *config, const char **directories);
/* The features beside metadata.version that the bootstrap records set, with their levels; NULL at
 * the end. *index starts at 0. */
const char *storage_bootstrap_feature(const struct storage_format_options *options, size_t *index,
                                      int16_t *level);
/* 0; ERR_EXISTS when a directory is formatted already and that is not to be ignored;
 * ERR_IO, ERR_ACCESS, ERR_INVALID (also: formatted for another cluster). */
int storage_format(const struct storage_format_options *options, struct err_message *message);

#endif
