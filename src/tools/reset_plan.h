/* reset_plan.h: the texts that say where a group shall read next: plans in CSV, durations and
 * points in time as Java reads them, and partitions of topics.
 *
 * Pure: no files, no clock. What is returned lives in the arena. Thread: one. */
#ifndef BNB_TOOLS_RESET_PLAN_H
#define BNB_TOOLS_RESET_PLAN_H

#include "base/arena.h"

#define RESET_TEXT_BYTES 512

/* ---- plans ---- */

struct reset_entry {
    const char *group;
    const char *topic;
    int32_t partition;
    int64_t offset;
};
struct reset_plan {
    struct reset_entry *entries;
    size_t count;
};
/* "topic,partition,offset" a line when group is not NULL and the first line is one; otherwise
 * "group,topic,partition,offset". What is missing at the end of a line is "" or 0. 0, or
 * ERR_INVALID with error set; ERR_NOMEM. */
int reset_plan_parse(const char *text, const char *group, struct arena *arena,
                     struct reset_plan *plan, char error[RESET_TEXT_BYTES]);
/* A field of a line, in quotes where it needs them; the length that was or would be written, as
 * snprintf. */
size_t reset_csv_field(const char *field, char *to, size_t size);

/* ---- time ---- */

struct reset_duration {
    int64_t seconds;
    int32_t nanoseconds; /* 0 to 999999999, added to the seconds */
};
/* "PnDTnHnMn.nS", with signs, as java.time.Duration. NULL, or what is wrong. */
const char *reset_duration_parse(const char *text, struct reset_duration *duration);
/* Milliseconds since 1970 of a duration before now_ms. NULL, or what is wrong. */
const char *reset_duration_before(struct reset_duration duration, int64_t now_ms,
                                  int64_t *timestamp_ms);
/* "YYYY-MM-DDThh:mm:ss.sss" and a zone (Z, +hh, +hh:mm; none is Z), what follows is not looked at.
 * False with error set. */
bool reset_datetime_parse(const char *text, int64_t *timestamp_ms, char error[RESET_TEXT_BYTES]);

/* ---- partitions ---- */

struct reset_topic {
    const char *name;
    int32_t *partitions;
    int32_t count;
};
/* "topic:0,1". 0, or ERR_INVALID with error set; ERR_NOMEM. */
int reset_topic_parse(const char *text, struct arena *arena, struct reset_topic *topic,
                      char error[RESET_TEXT_BYTES]);

#endif
