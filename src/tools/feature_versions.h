/* feature_versions.h: metadata versions and features by their names, as the tools print them.
 * Thread: any. */
#ifndef BNB_TOOLS_FEATURE_VERSIONS_H
#define BNB_TOOLS_FEATURE_VERSIONS_H

#include "protocol/feature.h"

#define METADATA_VERSION_BYTES 16
#define FEATURE_TEXT_BYTES 256

/* One feature with a level that somebody asks for. */
struct feature_asked {
    struct string_view name;
    int16_t level;
};

/* "4.3-IV0". Returns name. */
const char *feature_version_name(int16_t level, char name[METADATA_VERSION_BYTES]);
/* "4.3" (the highest of a release) or "4.3-IV0", up to the level max. */
bool feature_version_parse(const char *text, int16_t max, int16_t *level);
/* Tells on stderr that there is no such version; returns 1. */
int feature_version_unknown(const char *text, int16_t max);
/* The highest level of a feature; -1: there is no such feature. */
int16_t feature_level_max(struct string_view name);
/* Feature number index (0 ..) in order of the names, with the level that a metadata.version
 * implies; NULL past the last. */
const char *feature_implied(size_t index, int16_t metadata_version, int16_t *level);
/* "name=level"; false with what is wrong in wrong. */
bool feature_parse(const char *text, struct feature_asked *asked, char wrong[FEATURE_TEXT_BYTES]);
/* Commands that several tools have: exit status. release: NULL for the latest. */
int feature_print_versions(const char *release);
/* The metadata.version that it cannot be without; 0: any will do. */
int16_t feature_needs(const struct feature_asked *asked);
int feature_print_dependencies(const struct feature_asked *asked);

#endif
