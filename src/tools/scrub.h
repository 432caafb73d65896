/* scrub.h: what the parts of `barnabas scrub` share. Nothing of them writes. Thread: main. */
#ifndef BNB_TOOLS_SCRUB_H
#define BNB_TOOLS_SCRUB_H

#include "base/arena.h"
#include "base/uuid.h"
#include "io/file.h"

#define SCRUB_PATH_BYTES 1024

struct scrub_metadata;
/* What the metadata says of a topic. */
struct scrub_topic {
    struct uuid id;
    bool compacts; /* its records may have gaps */
};
struct scrub {
    struct io_fs fs; /* one that refuses every change */
    bool json;
    bool progress; /* standard error is a terminal */
    int64_t problems;
    int64_t files;
    int64_t bytes;
    struct scrub_metadata *metadata; /* NULL: there is none in these directories */
};
/* What a partition turned out to hold, for the checkpoints of its log directory. */
struct scrub_extent {
    int64_t first_offset;
    int64_t end_offset;
};

/* One line: the file, the byte or -1, and what is wrong there. */
void scrub_problem(struct scrub *scrub, const char *path, int64_t position, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
/* A file that is about to be looked at. */
void scrub_begin_file(struct scrub *scrub, const char *path, int64_t size);
/* A partition directory: segments, indexes, producer snapshots, epochs. topic: NULL when nobody
 * says anything of it. 0, or an error. */
int scrub_partition(struct scrub *scrub, const char *directory, const struct scrub_topic *topic,
                    struct scrub_extent *extent);
/* Reads what a directory of __cluster_metadata-0 says of topics, when it is there and none was read
 * before. 0 or ERR_NOMEM; scrub_metadata_release frees it. */
int scrub_metadata_read(struct scrub *scrub, const char *directory);
void scrub_metadata_release(struct scrub *scrub);
/* False: no such topic, or no metadata. */
bool scrub_metadata_topic(const struct scrub *scrub, struct string_view name,
                          struct scrub_topic *found);
/* A metadata snapshot: batches from the header to the footer. */
void scrub_snapshot(struct scrub *scrub, const char *path);

#endif
