"""The cluster: its brokers, features, quorum, directories, and coordinators that are not there yet."""
from topics import topic


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic("placed", 2)]}, [7]
    yield "plain", "DescribeCluster", {}, None
    yield "with operations", "DescribeCluster", {"includeClusterAuthorizedOperations": True}, None
    yield "controllers", "DescribeCluster", {"endpointType": 2}, range(1, 99)
    yield "fenced too", "DescribeCluster", {"includeFencedBrokers": True}, range(2, 99)
    yield "unknown endpoint type", "DescribeCluster", {"endpointType": 7}, range(1, 99)
    yield "one topic", "DescribeLogDirs", {"topics": [{"topic": "placed", "partitions": [0, 1]}]}, None
    yield "unknown topic", "DescribeLogDirs", {"topics": [{"topic": "nowhere", "partitions": [0]}]}, None
    yield "nothing", "DescribeLogDirs", {"topics": []}, None
    for label, name, level, how in (
            ("unknown feature", "no.such", 1, 1), ("same level", "metadata.version", 30, 1),
            ("too high", "metadata.version", 99, 1), ("downgrade as an upgrade", "metadata.version", 20, 1),
            ("unsafe downgrade", "metadata.version", 7, 3), ("lossy downgrade", "metadata.version", 7, 2), ("negative", "metadata.version", -1, 1),
            ("to nothing", "metadata.version", 0, 2), ("transactions down", "transaction.version", 1, 2),
            ("unknown kind of change", "transaction.version", 1, 9), ("kraft version", "kraft.version", 9, 1)):
        for check in (True, False):
            update = {"feature": name, "maxVersionLevel": level, "upgradeType": how}
            yield f"{label}{', only checked' if check else ''}", "UpdateFeatures", \
                {"timeoutMs": 10000, "featureUpdates": [update], "validateOnly": check}, range(1, 99)
    partition = {"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}
    yield "plain", "DescribeQuorum", {"topics": [partition]}, None
    for name, index in (("placed", 0), ("__cluster_metadata", 1), ("", 0)):
        yield f"{name}-{index}", "DescribeQuorum", \
            {"topics": [{"topicName": name, "partitions": [{"partitionIndex": index}]}]}, None
    yield "nothing", "DescribeQuorum", {"topics": []}, None
