/* feature_versions.c: names and levels. */
#include "tools/feature_versions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Releases and their levels; the last level of a release is what its name alone means. */
static const struct {
    int16_t level;
    const char *name;
} versions[] = {
    {7, "3.3-IV3"},  {8, "3.4-IV0"},  {9, "3.5-IV0"},  {10, "3.5-IV1"}, {11, "3.5-IV2"},
    {12, "3.6-IV0"}, {13, "3.6-IV1"}, {14, "3.6-IV2"}, {15, "3.7-IV0"}, {16, "3.7-IV1"},
    {17, "3.7-IV2"}, {18, "3.7-IV3"}, {19, "3.7-IV4"}, {20, "3.8-IV0"}, {21, "3.9-IV0"},
    {22, "4.0-IV0"}, {23, "4.0-IV1"}, {24, "4.0-IV2"}, {25, "4.0-IV3"}, {26, "4.1-IV0"},
    {27, "4.1-IV1"}, {28, "4.2-IV0"}, {29, "4.2-IV1"}, {30, "4.3-IV0"}, {31, "4.4-IV0"},
};
#define VERSION_COUNT (sizeof versions / sizeof versions[0])

/* Features beside metadata.version: from which metadata.version a release sets the highest level;
 * what a level needs; its place in the list of a release. */
static const struct {
    const char *name;
    int16_t from;
    int16_t needs_metadata_version;
    size_t place;
} features[] = {
    {"eligible.leader.replicas.version", 26, 23, 3},
    {"group.version", 22, 0, 2},
    {"kraft.version", 21, 0, 0},
    {"share.version", 28, 0, 4},
    {"streams.version", 29, 0, 5},
    {"transaction.version", 24, 0, 1},
};
#define OTHERS_COUNT (sizeof features / sizeof features[0])

const char *feature_version_name(int16_t level, char name[METADATA_VERSION_BYTES])
{
    snprintf(name, METADATA_VERSION_BYTES, "%d", level);
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (versions[i].level == level) {
            snprintf(name, METADATA_VERSION_BYTES, "%s", versions[i].name);
        }
    }
    return name;
}

bool feature_version_parse(const char *text, int16_t max, int16_t *level)
{
    bool found = false;
    size_t size = strlen(text);
    /* "4.1.2" is of the release 4.1. */
    const char *dot = strchr(text, '.');
    const char *patch = dot == NULL ? NULL : strchr(dot + 1, '.');
    size_t release_size = patch == NULL ? size : (size_t)(patch - text);
    for (size_t i = 0; i < VERSION_COUNT && versions[i].level <= max; i++) {
        const char *name = versions[i].name;
        bool of_release = versions[i].level <= METADATA_VERSION_LATEST &&
                          strncmp(name, text, release_size) == 0 && name[release_size] == '-';
        if (strcmp(name, text) == 0 || of_release) {
            *level = versions[i].level;
            found = true;
        }
    }
    return found;
}

int feature_version_unknown(const char *text, int16_t max)
{
    fprintf(stderr, "Unknown metadata.version '%s'. Supported metadata.version are: ", text);
    for (size_t i = 0; i < VERSION_COUNT && versions[i].level <= max; i++) {
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", versions[i].name);
    }
    fputc('\n', stderr);
    return 1;
}

int16_t feature_level_max(struct string_view name)
{
    const struct feature *feature = feature_find(name);
    return feature == NULL ? -1 : feature->max_level;
}

const char *feature_implied(size_t index, int16_t metadata_version, int16_t *level)
{
    if (index >= OTHERS_COUNT) {
        return NULL;
    }
    *level = metadata_version >= features[index].from
                 ? feature_level_max(string_view_of(features[index].name))
                 : 0;
    return features[index].name;
}

bool feature_parse(const char *text, struct feature_asked *asked, char wrong[FEATURE_TEXT_BYTES])
{
    const char *equals = strchr(text, '=');
    char *end;
    if (equals == NULL) {
        snprintf(wrong, FEATURE_TEXT_BYTES,
                 "Can't parse feature=level string %s: equals sign not found.", text);
        return false;
    }
    long level = strtol(equals + 1, &end, 10);
    if (*end != '\0' || end == equals + 1 || level < INT16_MIN || level > INT16_MAX) {
        snprintf(wrong, FEATURE_TEXT_BYTES,
                 "Can't parse feature=level string %s: unable to parse %s as a short.", text,
                 equals + 1);
        return false;
    }
    *asked = (struct feature_asked){{text, (size_t)(equals - text)}, (int16_t)level};
    return true;
}

int feature_print_versions(const char *release)
{
    int16_t level = METADATA_VERSION_LATEST;
    char name[METADATA_VERSION_BYTES];
    if (release != NULL && !feature_version_parse(release, METADATA_VERSION_UNSTABLE, &level)) {
        return feature_version_unknown(release, METADATA_VERSION_UNSTABLE);
    }
    printf("metadata.version=%d (%s)\n", level,
           release != NULL ? release : feature_version_name(level, name));
    for (size_t place = 0; place < OTHERS_COUNT; place++) {
        for (size_t i = 0; i < OTHERS_COUNT; i++) {
            int16_t implied;
            const char *feature = feature_implied(i, level, &implied);
            if (features[i].place == place) {
                printf("%s=%d\n", feature, implied);
            }
        }
    }
    return 0;
}

static int print_metadata_version(int16_t level)
{
    char name[METADATA_VERSION_BYTES];
    if (level < METADATA_VERSION_MIN || level > METADATA_VERSION_UNSTABLE) {
        fprintf(stderr, "Unknown metadata.version %d\n", level);
        return 1;
    }
    printf("metadata.version=%d (%s) has no dependencies.\n", level,
           feature_version_name(level, name));
    return 0;
}

int16_t feature_needs(const struct feature_asked *asked)
{
    for (size_t i = 0; asked->level > 0 && i < OTHERS_COUNT; i++) {
        if (string_view_is(asked->name, features[i].name)) {
            return features[i].needs_metadata_version;
        }
    }
    return 0;
}

int feature_print_dependencies(const struct feature_asked *asked)
{
    char name[METADATA_VERSION_BYTES];
    if (string_view_is(asked->name, "metadata.version")) {
        return print_metadata_version(asked->level);
    }
    for (size_t i = 0; i < OTHERS_COUNT; i++) {
        if (!string_view_is(asked->name, features[i].name)) {
            continue;
        }
        if (asked->level < 0 || asked->level > feature_level_max(asked->name)) {
            fprintf(stderr, "Feature level %d is not supported for feature %s\n", asked->level,
                    features[i].name);
            return 1;
        }
        int16_t needed = features[i].needs_metadata_version;
        if (asked->level == 0 || needed == 0) {
            printf("%s=%d has no dependencies.\n", features[i].name, asked->level);
        } else {
            printf("%s=%d requires:\n    metadata.version=%d (%s)\n", features[i].name,
                   asked->level, needed, feature_version_name(needed, name));
        }
        return 0;
    }
    fprintf(stderr, "Unknown feature: %.*s\n", (int)asked->name.size, asked->name.data);
    return 1;
}
