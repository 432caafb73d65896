"""Topics: made, looked at, given partitions, deleted."""

UNKNOWN_ID = "11111111-2222-4333-8444-555555555555"


def topic(name, partitions=1, replicas=1, configs=(), assignments=()):
    return {"name": name, "numPartitions": partitions, "replicationFactor": replicas,
            "assignments": [{"partitionIndex": index, "brokerIds": brokers}
                            for index, brokers in assignments],
            "configs": [{"name": key, "value": value} for key, value in configs]}


CREATIONS = {
    "plain": [topic("plain-$v")],
    "three partitions": [topic("three-$v", 3)],
    "default partitions": [topic("default-$v", -1, -1)],
    "no partitions": [topic("none-$v", 0)],
    "negative partitions": [topic("negative-$v", -2)],
    "no replica": [topic("noreplica-$v", 1, 0)],
    "negative replicas": [topic("negreplica-$v", 1, -2)],
    "two replicas": [topic("tworeplicas-$v", 1, 2)],
    "empty name": [topic("")],
    "dot": [topic(".")],
    "two dots": [topic("..")],
    "bad characters": [topic("a b-$v")],
    "slash": [topic("a/b-$v")],
    "249 characters": [topic("n" * 246 + "$v-")],
    "250 characters": [topic("n" * 250)],
    "collision by dot": [topic("col.lision-$v"), topic("col_lision-$v")],
    "internal": [topic("__cluster_metadata")],
    "twice in one request": [topic("twice-$v"), topic("twice-$v")],
    "exists": [topic("fixed")],
    "good and bad": [topic("mixed-$v"), topic("bad name"), topic("mixed2-$v", 1, 7)],
    "configs": [topic("configs-$v", 1, 1, (("retention.ms", "1000"), ("cleanup.policy", "compact")))],
    "unknown config": [topic("unknownconfig-$v", 1, 1, (("no.such", "1"),))],
    "bad config": [topic("badconfig-$v", 1, 1, (("retention.ms", "soon"),))],
    "config out of bounds": [topic("lowconfig-$v", 1, 1, (("segment.bytes", "1"),))],
    "null config": [topic("nullconfig-$v", 1, 1, (("retention.ms", None),))],
    "config twice": [topic("doubleconfig-$v", 1, 1, (("retention.ms", "1"), ("retention.ms", "2")))],
    "bad list config": [topic("listconfig-$v", 1, 1, (("cleanup.policy", "shred"),))],
    "assigned": [topic("assigned-$v", -1, -1, (), ((0, [1]), (1, [1])))],
    "assigned and counted": [topic("both-$v", 2, 1, (), ((0, [1]),))],
    "assigned with a gap": [topic("gap-$v", -1, -1, (), ((0, [1]), (2, [1])))],
    "assigned to a stranger": [topic("stranger-$v", -1, -1, (), ((0, [9]),))],
    "assigned twice to one": [topic("again-$v", -1, -1, (), ((0, [1, 1]),))],
    "assigned to nobody": [topic("nobody-$v", -1, -1, (), ((0, []),))],
    "nothing": [],
}
LOOKS = {
    "one": [{"name": "fixed"}],
    "unknown": [{"name": "unknown-topic"}],
    "bad name": [{"name": "bad name"}],
    "empty name": [{"name": ""}],
    "several": [{"name": "fixed"}, {"name": "unknown-topic"}, {"name": "wide"}],
    "twice": [{"name": "fixed"}, {"name": "fixed"}],
    "none": [],
}
GROWTHS = {
    "more": [{"name": "grow-$v", "count": 3, "assignments": None}],
    "same": [{"name": "wide", "count": 3, "assignments": None}],
    "fewer": [{"name": "wide", "count": 2, "assignments": None}],
    "none": [{"name": "wide", "count": 0, "assignments": None}],
    "negative": [{"name": "wide", "count": -1, "assignments": None}],
    "unknown": [{"name": "unknown-topic", "count": 3, "assignments": None}],
    "twice": [{"name": "wide", "count": 4, "assignments": None},
              {"name": "wide", "count": 5, "assignments": None}],
    "too many assigned": [{"name": "wide", "count": 4, "assignments": [{"brokerIds": [1]},
                                                                      {"brokerIds": [1]}]}],
    "assigned to a stranger": [{"name": "wide", "count": 4, "assignments": [{"brokerIds": [9]}]}],
    "none assigned": [{"name": "wide", "count": 4, "assignments": []}],
    "none assigned, and fewer": [{"name": "wide", "count": 2, "assignments": []}],
    "assigned to nobody": [{"name": "wide", "count": 4, "assignments": [{"brokerIds": []}]}],
    "assigned twice": [{"name": "wide", "count": 4, "assignments": [{"brokerIds": [1, 1]}]}],
}


def placements():
    """Elections and reassignments of partitions that cannot go anywhere."""
    for label, topics in (("everything", None), ("nothing", []),
                          ("some", [{"topic": "wide", "partitions": [0, 2, 9, -1]},
                                    {"topic": "unknown-topic", "partitions": [0]}]),
                          ("a partition twice", [{"topic": "wide", "partitions": [0, 1, 0]}]),
                          ("a topic of no partitions", [{"topic": "wide", "partitions": []}]),
                          ("no name", [{"topic": "", "partitions": [0]}])):
        for kind in (0, 1, 2, -1):
            yield f"{label}, type {kind}", "ElectLeaders", \
                {"electionType": kind, "topicPartitions": topics, "timeoutMs": 10000}, \
                range(0 if kind == 0 else 1, 99)
    for label, name, index, replicas in (
            ("same place", "wide", 0, [1]), ("unknown topic", "unknown-topic", 0, [1]), ("no partition", "wide", 7, [1]),
            ("cancel nothing", "wide", 0, None), ("unknown broker", "wide", 0, [9]), ("nobody", "wide", 1, []),
            ("twice", "wide", 1, [1, 1]), ("negative", "wide", 1, [-1])):
        moved = [{"name": name, "partitions": [{"partitionIndex": index, "replicas": replicas}]}]
        yield label, "AlterPartitionReassignments", {"timeoutMs": 10000, "topics": moved}, None
    for label, topics in (("all", None), ("nothing", []), ("one", [{"name": "wide", "partitionIndexes": [0, 8]}]),
                          ("unknown", [{"name": "unknown-topic", "partitionIndexes": [0]}])):
        yield label, "ListPartitionReassignments", {"timeoutMs": 10000, "topics": topics}, None


def steps(apis):
    yield "fixture", "CreateTopics", {"topics": [topic("fixed"), topic("wide", 3)]}, [7]
    for label, topics in CREATIONS.items():
        for check in (True, False):
            values = {"topics": topics, "timeoutMs": 10000, "validateOnly": check}
            yield f"{label}{', only checked' if check else ''}", "CreateTopics", values, None
    for label, topics in LOOKS.items():
        yield label, "Metadata", {"topics": topics, "allowAutoTopicCreation": False}, None
    yield "every topic's name", "Metadata", {"topics": None, "allowAutoTopicCreation": False}, range(1, 99)
    by_id = [{"topicId": "$id:fixed", "name": None}, {"topicId": UNKNOWN_ID, "name": None}]
    yield "by id", "Metadata", {"topics": by_id, "allowAutoTopicCreation": False}, range(12, 99)
    for label, topics in LOOKS.items():
        yield label, "DescribeTopicPartitions", {"topics": topics}, None
    cursor = {"topicName": "wide", "partitionIndex": 1}
    yield "from a cursor", "DescribeTopicPartitions", \
        {"topics": [{"name": "wide"}], "cursor": cursor}, None
    yield "one at a time", "DescribeTopicPartitions", \
        {"topics": [{"name": "wide"}], "responsePartitionLimit": 1}, None
    for version in apis.versions("CreatePartitions"):
        yield "fixture", "CreateTopics", {"topics": [topic(f"grow-{version}")]}, [7]
    for label, topics in GROWTHS.items():
        for check in (True, False):
            yield f"{label}{', only checked' if check else ''}", "CreatePartitions", \
                {"topics": topics, "timeoutMs": 10000, "validateOnly": check}, None
    yield from placements()
    for version in apis.versions("DeleteTopics"):
        yield "fixture", "CreateTopics", {"topics": [topic(f"gone-{version}"),
                                                     topic(f"goneid-{version}")]}, [7]
    names = range(1, 6)
    yield "by name", "DeleteTopics", {"topicNames": ["gone-$v"], "timeoutMs": 10000}, names
    yield "unknown and twice", "DeleteTopics", \
        {"topicNames": ["gone-$v", "unknown-topic", "goneid-$v", "goneid-$v"], "timeoutMs": 10000}, names
    yield "by id and name", "DeleteTopics", \
        {"topics": [{"name": "gone-$v"}, {"name": None, "topicId": "$id:goneid-6"},
                    {"name": None, "topicId": UNKNOWN_ID}, {"name": None},
                    {"name": "fixed", "topicId": UNKNOWN_ID}], "timeoutMs": 10000}, range(6, 99)
