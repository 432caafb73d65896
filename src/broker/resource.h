/* resource.h: resource types and sources as DescribeConfigs and AlterConfigs number them. */
#ifndef BNB_BROKER_RESOURCE_H
#define BNB_BROKER_RESOURCE_H

enum resource_type {
    RESOURCE_UNKNOWN = 0,
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

enum resource_operation {
    RESOURCE_SET = 0,
    RESOURCE_DELETE = 1,
    RESOURCE_APPEND = 2,
    RESOURCE_SUBTRACT = 3,
};

/* Sources beyond those of config.h. */
#define RESOURCE_SOURCE_BROKER_LOGGER 6
#define RESOURCE_SOURCE_CLIENT_METRICS 7

#endif
