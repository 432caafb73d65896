/* scrub.h: what the parts of `barnabas scrub` share. Nothing of them writes. Thread: main. */
#ifndef BNB_TOOLS_SCRUB_H
#define BNB_TOOLS_SCRUB_H

#include "base/arena.h"
#include "io/file.h"

#define SCRUB_PATH_BYTES 1024

struct scrub {
    struct io_fs fs; /* one that refuses every change */
    bool json;
    bool progress; /* standard error is a terminal */
    int64_t problems;
    int64_t files;
    int64_t bytes;
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
/* A partition directory: segments, indexes, producer snapshots, epochs. 0, or an error. */
int scrub_partition(struct scrub *scrub, const char *directory, struct scrub_extent *extent);
/* A metadata snapshot: batches from the header to the footer. */
void scrub_snapshot(struct scrub *scrub, const char *path);

#endif
