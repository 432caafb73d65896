/* feature.h: the features of a cluster and the levels that this version knows (KIP-584, KIP-1022).
 * Thread: any; the table is constant. */
#ifndef BNB_PROTOCOL_FEATURE_H
#define BNB_PROTOCOL_FEATURE_H

#include "base/view.h"

#define METADATA_VERSION_MIN 7      /* 3.3-IV3 */
#define METADATA_VERSION_LATEST 30  /* 4.3-IV0: the latest that is ready for production */
#define METADATA_VERSION_UNSTABLE 31 /* 4.4-IV0: needs unstable.feature.versions.enable */

struct feature {
    const char *name;
    int16_t min_level;
    int16_t max_level;
    int16_t unstable_level; /* the highest with unstable.feature.versions.enable */
};
#define FEATURE_COUNT 7
/* By name. */
extern const struct feature protocol_features[FEATURE_COUNT];

/* NULL when there is none of that name. */
const struct feature *feature_find(struct string_view name);
int16_t feature_highest(const struct feature *feature, bool unstable);

#endif
