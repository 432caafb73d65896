#include "protocol/feature.h"

const struct feature protocol_features[FEATURE_COUNT] = {
    {"eligible.leader.replicas.version", 0, 1, 1},
    {"group.version", 0, 1, 1},
    {"kraft.version", 0, 1, 1},
    {"metadata.version", METADATA_VERSION_MIN, METADATA_VERSION_LATEST, METADATA_VERSION_UNSTABLE},
    {"share.version", 0, 1, 1},
    {"streams.version", 0, 1, 1},
    {"transaction.version", 0, 2, 2},
};

const struct feature *feature_find(struct string_view name)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (string_view_is(name, protocol_features[i].name)) {
            return &protocol_features[i];
        }
    }
    return NULL;
}

int16_t feature_highest(const struct feature *feature, bool unstable)
{
    return unstable ? feature->unstable_level : feature->max_level;
}
