"""The cluster: its brokers, features, quorum, directories, and coordinators that are not there yet."""
import time

from topics import topic


def moves(*wanted):
    """wanted: (directory, {topic: [partition]})"""
    def values(side, version):
        return {"dirs": [{"path": f"{side.broker.directory}/{name}" if name in ("data", "other") else name,
                          "topics": [{"name": topic_, "partitions": partitions}
                                     for topic_, partitions in topics.items()]} for name, topics in wanted]}
    return values


def settled(side, version):
    """Waits until nothing is on its way, and asks for what the next case compares."""
    topics = {"topics": [{"topic": "moved", "partitions": [0, 1]}]}
    for _ in range(2000):
        answer = side.ask("DescribeLogDirs", 4, topics)
        if "'isFutureKey': True" not in str(answer) and str(answer).count("'partitionIndex'") == 2:
            return topics
        time.sleep(0.05)
    raise AssertionError(f"still moving: {answer}")


def directories():
    yield "fixture", "CreateTopics", {"topics": [topic("moved", 2)]}, [7]
    for label, partitions in (("one topic", {"placed": [0]}), ("unknown topic", {"nowhere": [0]}),
                              ("unknown partition", {"placed": [0, 7]}), ("negative partition", {"placed": [-1]}),
                              ("no partitions", {"placed": []}), ("partition twice", {"placed": [0, 0]}),
                              ("empty name", {"": [0]}), ("bad name", {"a b": [0]}), ("nothing", {})):
        yield label, "DescribeLogDirs", {"topics": [
            {"topic": name, "partitions": numbers} for name, numbers in partitions.items()]}, None
    yield "topic twice", "DescribeLogDirs", {"topics": [{"topic": "placed", "partitions": [0]}] * 2}, None
    for label, values in (
            ("nothing", moves()), ("no topics", moves(("other", {}))), ("no partitions", moves(("other", {"moved": []}))),
            ("unknown directory", moves(("/no/such/place", {"moved": [0]}))),
            ("relative directory", moves(("data-not", {"moved": [0]}))), ("empty directory", moves(("", {"moved": [0]}))),
            ("unknown topic", moves(("other", {"nowhere": [0]}))),
            ("unknown partition", moves(("other", {"moved": [7]}))),
            ("negative partition", moves(("other", {"moved": [-1]}))),
            ("empty name", moves(("other", {"": [0]}))), ("bad name", moves(("other", {"a b": [0]}))),
            ("known and unknown", moves(("other", {"moved": [0, 9], "nowhere": [1]}),
                                        ("/no/such/place", {"moved": [1]}))),
            ("unknown topic, unknown directory", moves(("/no/such/place", {"nowhere": [0]}))),
            ("a name too long for a copy", moves(("other", {"n" * 213: [0], "n" * 214: [0], "n" * 249: [0]}))),
            ("a name too long, no partition", moves(("/no/such/place", {"n" * 214: [7], "n" * 213: [-1]}))),
            ("both to one", moves(("other", {"moved": [0, 1]}))), ("where they are", moves(("other", {"moved": [0, 1]}))),
            ("back", moves(("data", {"moved": [0, 1]}))), ("one each", moves(("data", {"moved": [0]}), ("other", {"moved": [1]}))),
            ("partition twice", moves(("other", {"moved": [0, 0]}))),
            ("partition to both", moves(("other", {"moved": [1]}), ("data", {"moved": [1]}))),
            ("partition to both, the other way", moves(("data", {"moved": [1]}), ("other", {"moved": [1]})))):
        yield label, "AlterReplicaLogDirs", values, None
        yield f"after {label}", "DescribeLogDirs", settled, [4]


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic("placed")]}, [7]
    yield from directories()
    yield "plain", "DescribeCluster", {}, None
    yield "with operations", "DescribeCluster", {"includeClusterAuthorizedOperations": True}, None
    yield "controllers", "DescribeCluster", {"endpointType": 2}, range(1, 99)
    yield "fenced too", "DescribeCluster", {"includeFencedBrokers": True}, range(2, 99)
    yield "unknown endpoint type", "DescribeCluster", {"endpointType": 7}, range(1, 99)
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
