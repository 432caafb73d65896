/* What a registration says of a broker. */
#include "metadata/image.h"

bool image_broker_has_directory(const struct image_broker *broker, struct uuid directory)
{
    /* Ids below 100 are reserved: 0 migrating, 1 not assigned yet, 2 lost. */
    static const struct uuid unassigned = {{[15] = 1}};
    static const struct uuid lost = {{[15] = 2}};
    if (uuid_is_zero(directory) || uuid_equal(directory, unassigned)) {
        return true;
    }
    if (uuid_equal(directory, lost)) {
        return false;
    }
    for (int32_t i = 0; i < broker->directory_count; i++) {
        if (uuid_equal(broker->directories[i], directory)) {
            return true;
        }
    }
    return broker->directory_count == 0;
}
