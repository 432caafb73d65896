/* storage_versions.h: metadata versions and features by their names, as `storage` prints them.
 * Thread: any. */
#ifndef BNB_NODE_STORAGE_VERSIONS_H
#define BNB_NODE_STORAGE_VERSIONS_H

#include "node/storage_format.h"

#define STORAGE_METADATA_VERSION_MIN 7
#define STORAGE_METADATA_VERSION_LATEST 30
#define STORAGE_VERSION_BYTES 16

/* "4.3-IV0". Returns name. */
const char *storage_version_name(int16_t level, char name[STORAGE_VERSION_BYTES]);
/* "4.3" (the highest of a release) or "4.3-IV0". */
bool storage_version_parse(const char *text, int16_t *level);
bool storage_feature_is_known(struct string_view name, int16_t level);
/* Level of feature number index (0 ..) that a metadata.version implies; NULL past the last. */
const char *storage_implied_feature(size_t index, int16_t metadata_version, int16_t *level);
/* The sub-commands: exit status. */
int storage_print_versions(const char *release);
int storage_print_dependencies(const struct storage_feature *features, int32_t count);

#endif
