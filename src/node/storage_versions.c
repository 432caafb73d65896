#include "node/storage_versions.h"

#include <stdio.h>

/* Releases and their levels; the last level of a release is what its name alone means. */
static const struct {
    int16_t level;
    const char *name;
} versions[] = {
    {7, "3.3-IV3"},  {8, "3.4-IV0"},  {9, "3.5-IV0"},  {10, "3.5-IV1"}, {11, "3.5-IV2"},
    {12, "3.6-IV0"}, {13, "3.6-IV1"}, {14, "3.6-IV2"}, {15, "3.7-IV0"}, {16, "3.7-IV1"},
    {17, "3.7-IV2"}, {18, "3.7-IV3"}, {19, "3.7-IV4"}, {20, "3.8-IV0"}, {21, "3.9-IV0"},
    {22, "4.0-IV0"}, {23, "4.0-IV1"}, {24, "4.0-IV2"}, {25, "4.0-IV3"}, {26, "4.1-IV0"},
    {27, "4.1-IV1"}, {28, "4.2-IV0"}, {29, "4.2-IV1"}, {30, "4.3-IV0"},
};
#define VERSION_COUNT (sizeof versions / sizeof versions[0])

/* Features beside metadata.version: the highest level, and from which metadata.version a release
 * sets it; what a level needs. */
static const struct {
    const char *name;
    int16_t max_level;
    int16_t from;
    int16_t needs_metadata_version;
} features[] = {
    {"eligible.leader.replicas.version", 1, 26, 23},
    {"group.version", 1, 22, 0},
    {"kraft.version", 1, 21, 0},
    {"share.version", 1, 28, 0},
    {"streams.version", 1, 29, 0},
    {"transaction.version", 2, 24, 0},
};
#define FEATURE_COUNT (sizeof features / sizeof features[0])

const char *storage_version_name(int16_t level, char name[STORAGE_VERSION_BYTES])
{
    snprintf(name, STORAGE_VERSION_BYTES, "%d", level);
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (versions[i].level == level) {
            snprintf(name, STORAGE_VERSION_BYTES, "%s", versions[i].name);
        }
    }
    return name;
}

bool storage_version_parse(const char *text, int16_t *level)
{
    bool found = false;
    size_t size = strlen(text);
    /* "4.1.2" is of the release 4.1. */
    const char *dot = strchr(text, '.');
    const char *patch = dot == NULL ? NULL : strchr(dot + 1, '.');
    size_t release_size = patch == NULL ? size : (size_t)(patch - text);
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        const char *name = versions[i].name;
        bool of_release =
            strncmp(name, text, release_size) == 0 && name[release_size] == '-';
        if (strcmp(name, text) == 0 || of_release) {
            *level = versions[i].level;
            found = true;
        }
    }
    return found;
}

bool storage_feature_is_known(struct string_view name, int16_t level)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (string_view_is(name, features[i].name)) {
            return level >= 0 && level <= features[i].max_level;
        }
    }
    return false;
}

const char *storage_implied_feature(size_t index, int16_t metadata_version, int16_t *level)
{
    if (index >= FEATURE_COUNT) {
        return NULL;
    }
    *level = metadata_version >= features[index].from ? features[index].max_level : 0;
    return features[index].name;
}

int storage_print_versions(const char *release)
{
    int16_t level = STORAGE_METADATA_VERSION_LATEST;
    char name[STORAGE_VERSION_BYTES];
    if (release != NULL && !storage_version_parse(release, &level)) {
        fprintf(stderr, "Unknown release version '%s'. Supported versions are: %s to %s\n", release,
                versions[0].name, versions[VERSION_COUNT - 1].name);
        return 1;
    }
    printf("metadata.version=%d (%s)\n", level, storage_version_name(level, name));
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        int16_t feature_level;
        const char *feature = storage_implied_feature(i, level, &feature_level);
        printf("%s=%d\n", feature, feature_level);
    }
    return 0;
}

static int print_dependency(const struct storage_feature *feature)
{
    char name[STORAGE_VERSION_BYTES];
    if (string_view_is(feature->name, "metadata.version")) {
        printf("metadata.version=%d (%s) has no dependencies.\n", feature->level,
               storage_version_name(feature->level, name));
        return 0;
    }
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (!string_view_is(feature->name, features[i].name)) {
            continue;
        }
        if (feature->level < 0 || feature->level > features[i].max_level) {
            fprintf(stderr, "Feature level %d is not supported for feature %s\n", feature->level,
                    features[i].name);
            return 1;
        }
        int16_t needed = features[i].needs_metadata_version;
        if (feature->level == 0 || needed == 0) {
            printf("%s=%d has no dependencies.\n", features[i].name, feature->level);
        } else {
            printf("%s=%d requires:\n    metadata.version=%d (%s)\n", features[i].name,
                   feature->level, needed, storage_version_name(needed, name));
        }
        return 0;
    }
    fprintf(stderr, "Unknown feature: %.*s\n", (int)feature->name.size, feature->name.data);
    return 1;
}

int storage_print_dependencies(const struct storage_feature *asked, int32_t count)
{
    int status = count > 0 ? 0 : 1;
    if (count == 0) {
        fprintf(stderr, "storage: error: argument --feature/-f is required\n");
    }
    for (int32_t i = 0; status == 0 && i < count; i++) {
        status = print_dependency(&asked[i]);
    }
    return status;
}
