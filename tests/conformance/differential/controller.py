"""What a controller's listener answers: to administrators, and to brokers that are not ours."""
import settings
from topics import topic

REGISTRATION = {"brokerId": 7, "clusterId": "$cluster", "incarnationId": "11111111-2222-4333-8444-777777777777",
                "listeners": [{"name": "PLAINTEXT", "host": "localhost", "port": 7, "securityProtocol": 0}],
                "features": [{"name": "metadata.version", "minSupportedVersion": 7, "maxSupportedVersion": 30}],
                "rack": None, "previousBrokerEpoch": -1}


def cluster(side, _version):
    """The cluster id of this side."""
    return side.ask("DescribeCluster", 1, {"endpointType": 2})["clusterId"]


def changed(values, **more):
    return dict(values, **more)


def cluster_steps():
    for label, values in (("controllers", {"endpointType": 2}), ("brokers", {"endpointType": 1}),
                          ("unknown endpoint type", {"endpointType": 7}),
                          ("with operations", {"endpointType": 2, "includeClusterAuthorizedOperations": True})):
        yield label, "DescribeCluster", values, range(1, 99)
    yield "oldest", "DescribeCluster", {}, [0]
    partition = {"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}
    yield "quorum", "DescribeQuorum", {"topics": [partition]}, None
    yield "other topic", "DescribeQuorum", {"topics": [changed(partition, topicName="x")]}, None
    update = {"feature": "metadata.version", "maxVersionLevel": 99, "upgradeType": 1}
    yield "too high", "UpdateFeatures", {"timeoutMs": 10000, "featureUpdates": [update]}, range(1, 99)
    yield "unknown broker", "UnregisterBroker", {"brokerId": 99}, None


def topic_steps():
    for label, topics in (("plain", [topic("c-plain-$v")]), ("bad name", [topic("a b")]),
                          ("no partitions", [topic("c-none-$v", 0)]), ("exists", [topic("c-plain-$v")]),
                          ("two replicas", [topic("c-two-$v", 1, 2)])):
        yield label, "CreateTopics", {"topics": topics, "timeoutMs": 10000}, range(5, 99)
    yield "more", "CreatePartitions", \
        {"topics": [{"name": "c-plain-7", "count": 3, "assignments": None}], "timeoutMs": 10000}, [3]
    moved = {"name": "c-plain-7", "partitions": [{"partitionIndex": 0, "replicas": [1]}]}
    for label, topics in (("same place", [moved]), ("unknown topic", [changed(moved, name="nowhere")]),
                          ("cancelled", [changed(moved, partitions=[{"partitionIndex": 0, "replicas": None}])]),
                          ("unknown broker", [changed(moved, partitions=[{"partitionIndex": 0, "replicas": [9]}])])):
        yield label, "AlterPartitionReassignments", {"timeoutMs": 10000, "topics": topics}, None
    yield "all", "ListPartitionReassignments", {"timeoutMs": 10000, "topics": None}, None
    asked = [{"topic": "c-plain-7", "partitions": [0, 9]}, {"topic": "nowhere", "partitions": [0]}]
    yield "preferred", "ElectLeaders", {"electionType": 0, "topicPartitions": asked, "timeoutMs": 10000}, range(1, 99)
    yield "by name", "DeleteTopics", {"topicNames": ["c-plain-5", "nowhere"], "timeoutMs": 10000}, range(1, 6)
    yield "by name too", "DeleteTopics", {"topics": [{"name": "c-plain-6"}], "timeoutMs": 10000}, [6]


def setting_steps():
    for label, resources in (("topic", [settings.told(settings.TOPIC, "c-plain-7")]),
                             ("unknown type", [settings.told(settings.UNKNOWN, "x")]),
                             ("another node", [settings.told(settings.BROKER, "77", ["num.partitions"])]),
                             ("own node", [settings.told(settings.BROKER, "1", ["log.retention.ms"])])):
        yield label, "DescribeConfigs", {"resources": resources}, None
    for label, resources in (
            ("set", settings.altered(settings.TOPIC, "c-plain-7", settings.change("retention.ms", "5000"))),
            ("unknown topic", settings.altered(settings.TOPIC, "nowhere", settings.change("retention.ms", "5"))),
            ("all brokers", settings.altered(settings.BROKER, "", settings.change("log.retention.ms", "500000")))):
        yield label, "IncrementalAlterConfigs", {"resources": resources, "validateOnly": False}, None


def broker_steps():
    known = changed(REGISTRATION, clusterId=cluster)
    yield "another cluster", "BrokerRegistration", changed(REGISTRATION, clusterId="elsewhere"), [3, 4]
    yield "no listeners", "BrokerRegistration", changed(known, listeners=[]), [4]
    yield "never heard of", "BrokerHeartbeat", {"brokerId": 9, "brokerEpoch": 5}, None
    yield "stale epoch", "BrokerHeartbeat", {"brokerId": 1, "brokerEpoch": 1 << 40}, None
    yield "stale epoch", "AllocateProducerIds", {"brokerId": 1, "brokerEpoch": 1 << 40}, None
    yield "never heard of", "AllocateProducerIds", {"brokerId": 9, "brokerEpoch": 5}, None
    asked = [{"topicId": "$id:c-plain-7", "partitions": [{"partitionIndex": 0, "leaderEpoch": 0}]}]
    yield "stale epoch", "AlterPartition", {"brokerId": 1, "brokerEpoch": 1 << 40, "topics": asked}, None
    yield "never heard of", "AlterPartition", {"brokerId": 9, "brokerEpoch": 5, "topics": asked}, None
    yield "stale epoch, nothing", "AlterPartition", {"brokerId": 1, "brokerEpoch": 1 << 40, "topics": []}, None


def steps(_apis):
    yield from cluster_steps()
    yield from topic_steps()
    yield from setting_steps()
    yield from broker_steps()
