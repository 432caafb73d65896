"""Sequences that differed once: what the random ones found, cut down. Steps as in sequences.py."""
from batches import TIME
from data import EARLIEST, LATEST, MAX_TIMESTAMP
from settings import GROUP, METRICS, TOPIC

LIMIT = 1 << 20


def create(*names, partitions=3):
    return "one", "CreateTopics", 7, {"timeoutMs": 30000, "topics": [
        {"name": f"~{name}", "numPartitions": partitions, "replicationFactor": 1, "assignments": [], "configs": []}
        for name in names]}, None


def delete(*names):
    return "one", "DeleteTopics", 5, {"timeoutMs": 30000, "topicNames": [f"~{name}" for name in names]}, None


def batch(**more):
    return {"$records": {"values": [[None, "v"]], **more}}


def of(who, epoch="", sequence=0, transactional=True, **more):
    return batch(producer=f"$pid:{who}", epoch=f"$epoch:{who}{epoch}", sequence=sequence, transactional=transactional,
                 **more)


def like(label):
    return {"$records": {"like": label}}


def produce(version, topics, transactional_id=None, acks=-1):
    """topics: {name: {partition: records}}"""
    return "two", "Produce", version, {"transactionalId": transactional_id, "acks": acks, "timeoutMs": 10000, "topicData": [
        {"name": f"~{name}", "topicId": f"$id:{name}", "partitionData": [
            {"index": index, "records": records} for index, records in parts.items()]}
        for name, parts in topics.items()]}, None


def fetch(version, topics, connection="one", keep=None, **more):
    """topics: {name: {partition: offset or (offset, more)}}"""
    asked = []
    for name, parts in topics.items():
        told = {index: part if isinstance(part, tuple) else (part, {}) for index, part in parts.items()}
        asked.append({"topic": f"~{name}", "topicId": f"$id:{name}", "partitions": [
            {"partition": index, "fetchOffset": offset, "partitionMaxBytes": LIMIT, **inner}
            for index, (offset, inner) in told.items()]})
    return connection, "Fetch", version, {"maxWaitMs": 0, "minBytes": 0, "maxBytes": LIMIT, "isolationLevel": 1,
                                          "topics": asked, **more}, keep


def offsets(name, partition, timestamp, version=8, **more):
    return "one", "ListOffsets", version, {"replicaId": -1, "topics": [{"name": f"~{name}", "partitions": [
        {"partitionIndex": partition, "timestamp": timestamp, **more}]}], "timeoutMs": 10000}, None


def epoch_end(name, partition, epoch, **more):
    return "one", "OffsetForLeaderEpoch", 4, {"replicaId": -1, "topics": [{"topic": f"~{name}", "partitions": [
        {"partition": partition, "leaderEpoch": epoch, **more}]}]}, None


def delete_records(name, partition, offset):
    return "one", "DeleteRecords", 2, {"timeoutMs": 10000, "topics": [{"name": f"~{name}", "partitions": [
        {"partitionIndex": partition, "offset": offset}]}]}, None


def init(who, version=4, **more):
    return "one", "InitProducerId", version, {"transactionalId": f"~{who}", "transactionTimeoutMs": 60000, **more}, who


def configure(name, key, value, operation=0):
    return "one", "IncrementalAlterConfigs", 1, {"resources": [{
        "resourceType": 2, "resourceName": f"~{name}" if name else "", "configs": [
            {"name": key, "configOperation": operation, "value": value}]}]}, None


def configure_all(kind, name, operation=0, **settings):
    """Double underscores are dots."""
    return "one", "IncrementalAlterConfigs", 1, {"resources": [{
        "resourceType": kind, "resourceName": name, "configs": [
            {"name": key.replace("__", "."), "configOperation": operation, "value": value}
            for key, value in settings.items()]}]}, None


def marker(who, name, partition, version=2, **more):
    return "one", "WriteTxnMarkers", version, {"markers": [{
        "producerId": f"$pid:{who}", "producerEpoch": f"$epoch:{who}", "transactionResult": False, "coordinatorEpoch": 0,
        "topics": [{"name": f"~{name}", "partitionIndexes": [partition]}], **more}]}, None


def described(name, partition, cursor):
    return "one", "DescribeTopicPartitions", 0, {"topics": [{"name": f"~{name}"}], "responsePartitionLimit": 1, "cursor": {
        "topicName": f"~{cursor}", "partitionIndex": partition}}, None


def join(version, key, instance=None, topic="t0"):
    return key, "JoinGroup", version, {
        "groupId": f"~{key.split('/')[0]}", "sessionTimeoutMs": 600000, "rebalanceTimeoutMs": 600000,
        "memberId": f"$member:{key}", "groupInstanceId": instance, "protocolType": "consumer",
        "protocols": [{"name": "range", "metadata": {"$subscription": [f"~{topic}"]}}]}, key


def beat(key, topic, kind="next", version=1, **more):
    return "one", "ConsumerGroupHeartbeat", version, {"$beat": {
        "key": key, "kind": kind, "names": [topic], "changes": False, "instance": None, "assignor": None, **more}}, key


def groups_described(*groups):
    return "one", "ConsumerGroupDescribe", 1, {"groupIds": [f"~{group}" for group in groups]}, None


SESSION = {"sessionId": "$session:s", "sessionEpoch": "$turn:s"}
CASES = {
    "a fetch session of nothing": (
        fetch(14, {}, keep="s", sessionId=0, sessionEpoch=0), fetch(14, {}, keep="s", **SESSION)),
    "no list of aborted transactions with an error": (
        create("t0"), fetch(8, {"t0": {0: 7, 9: 0}}), fetch(17, {"t0": {0: 7, 9: 0}, "t1": {0: 0}})),
    "no list of aborted transactions with a batch that does not fit": (
        create("t0"), produce(9, {"t0": {0: batch(), 1: batch()}}),
        fetch(18, {"t0": {0: 0, 1: (0, {"partitionMaxBytes": 1})}}),
        fetch(18, {"t0": {0: 0, 1: (0, {"partitionMaxBytes": 0})}})),
    "two producers, of partitions that there are not": (
        create("t1"), produce(7, {"t0": {0: of("x0")}, "t1": {7: of("x0", "+1"), 0: of("x0", "+2")}}, "~x0")),
    "two producers, one packed in a way that the version has not": (
        create("t0"), produce(6, {"t0": {0: of("x0", codec=4), 1: of("x0", "+1")}}, "~x0")),
    "acks that there are not, of a transaction": (
        create("t0"), produce(7, {"t0": {0: of("x0")}}, "~x0", acks=2)),
    "acks that there are not, and a codec that the version has not": (
        create("t0"), produce(4, {"t0": {0: batch(codec=3), 1: like("zstd that is none")}}, acks=2)),
    "a batch that cannot be one fails the others": (
        create("t0"), produce(8, {"t0": {0: like("negative length"), 2: of("x0")}}, "~x0"),
        produce(9, {"t0": {0: of("x0"), 2: like("negative length")}}, "~x0"),
        produce(3, {"t0": {0: batch(), 1: like("magic 3")}, "t1": {0: batch()}}),
        produce(6, {"t0": {0: batch(), 1: like("unknown codec")}, "t1": {0: batch()}})),
    "what there is not comes last": (
        create("t0"), fetch(9, {"t2": {2: 0}, "t0": {1: 1, 77: 0}}), fetch(17, {"t0": {0: 2, 3: 0}, "t2": {2: 0}})),
    "a session knows how its topic was called": (
        create("t0"), fetch(18, {"t0": {1: 1, 77: 0}}, keep="s", sessionId=0, sessionEpoch=0), delete("t0"),
        fetch(17, {}, keep="s", **SESSION), create("t0"), fetch(17, {}, keep="s", **SESSION)),
    "the largest time below the start of the log": (
        create("t0"), produce(12, {"t0": {0: batch()}}), delete_records("t0", 0, -1), offsets("t0", 0, MAX_TIMESTAMP)),
    "the largest time of records without any": (
        create("t0"), produce(8, {"t0": {2: like("no timestamp")}}), offsets("t0", 2, MAX_TIMESTAMP),
        offsets("t0", 2, EARLIEST), offsets("t0", 1, MAX_TIMESTAMP)),
    "operations of an unknown topic id": (
        ("one", "Metadata", 12, {"topics": [{"name": None, "topicId": "$id:t0"}],
                                 "includeTopicAuthorizedOperations": True}, None),),
    "a wait for no bytes": (
        create("t0"), fetch(8, {"t0": {0: 0}}, "wait", maxWaitMs=60000, minBytes=1, maxBytes=0)),
    "a wait with what there is not": (
        create("t0"), fetch(8, {"t0": {0: 0, 9: 0}}, "wait", maxWaitMs=60000, minBytes=1),
        produce(9, {"t0": {0: batch()}}), fetch(8, {"t0": {9: 0}}, "wait", maxWaitMs=60000, minBytes=1)),
    "a wait counts no more than what a partition gives": (
        create("t0"), fetch(11, {"t0": {0: 0, 1: (0, {"partitionMaxBytes": 1})}}, "wait", maxWaitMs=60000, minBytes=100),
        produce(9, {"t0": {1: batch()}}), produce(9, {"t0": {1: batch()}}), produce(9, {"t0": {0: batch()}}),
        produce(9, {"t0": {0: batch()}}), fetch(11, {"t0": {0: 0, 1: (0, {"partitionMaxBytes": 1})}}, "wait",
                                               maxWaitMs=60000, minBytes=1 << 10)),
    "nobody waits beyond what is stable": (
        create("t0"), init("x0"), produce(12, {"t0": {0: of("x0")}}, "~x0"),
        fetch(11, {"t0": {0: 1}}, "wait", maxWaitMs=60000, minBytes=1), fetch(11, {"t0": {0: 1}}),
        fetch(11, {"t0": {0: 1, 1: 0}}, "wait", maxWaitMs=60000, minBytes=1), fetch(11, {"t0": {0: 0, 1: 0}})),
    "who stands within what is not stable waits": (
        create("t0"), init("x0"), produce(12, {"t0": {0: of("x0", values=[[None, "v"]] * 3)}}, "~x0"),
        fetch(11, {"t0": {0: 2}}, "wait", maxWaitMs=60000, minBytes=1), fetch(11, {"t0": {0: 1}}),
        produce(12, {"t0": {0: of("x0", values=[[None, "v"]] * 3, sequence=3)}}, "~x0"),
        fetch(11, {"t0": {0: 4}}, "wait2", maxWaitMs=60000, minBytes=1), fetch(11, {"t0": {0: 1}})),
    "a wait counts what is stable": (
        create("t0"), init("x0"), init("x1"),
        fetch(11, {"t0": {0: 0}}, "wait", maxWaitMs=60000, minBytes=500),
        produce(12, {"t0": {0: of("x0")}}, "~x0"), produce(9, {"t0": {0: batch()}}),
        *(produce(9, {"t0": {0: batch()}}) for _ in range(5)), init("x0"), offsets("t0", 0, LATEST)),
    "the first answer of a session moves nothing to its end": (
        create("t0"), produce(9, {"t0": {0: batch()}}),
        fetch(9, {"t0": {0: 0, 1: 0}}, keep="s", sessionId=0, sessionEpoch=0), produce(9, {"t0": {1: batch()}}),
        fetch(9, {}, keep="s", maxBytes=1, **SESSION), fetch(9, {}, keep="s", maxBytes=1, **SESSION)),
    "aborted transactions of a partition that there is no room for": (
        create("t0"), init("x0"), produce(12, {"t0": {0: of("x0"), 1: of("x0")}}, "~x0"), init("x0"),
        fetch(5, {"t0": {0: 0, 1: 0}}, maxBytes=0), fetch(5, {"t0": {0: 0, 1: (0, {"partitionMaxBytes": 0})}})),
    "aborted transactions behind what was read": (
        create("t0"), init("x0"), produce(9, {"t0": {0: batch()}}), produce(12, {"t0": {0: of("x0")}}, "~x0"),
        init("x0"), produce(9, {"t0": {0: batch()}}), fetch(17, {"t0": {0: (0, {"partitionMaxBytes": 1})}}, keep="s")),
    "a marker of a topic that is stamped by the broker": (
        create("t2"), configure("t2", "message.timestamp.type", "LogAppendTime"), init("x1"),
        marker("x1", "t2", 1), fetch(7, {"t2": {1: 0}})),
    "a marker that no batch can carry": (
        create("t2"), marker("x2", "t2", 2, version=1, producerEpoch=-1), marker("x2", "t9", 2, producerEpoch=-1)),
    "a setting that cannot be, of a topic that there is not": (
        configure("t0", "message.timestamp.after.max.ms", "-1"), configure("t0", "max.message.bytes", "1", 3),
        configure("t0", "max.message.bytes", "100"), configure("", "min.insync.replicas", "2")),
    "the first of several settings that are wrong": (
        create("t0"), configure_all(TOPIC, "~t0", zzz="2", no__such="1", retention__ms="soon", aaa="3"),
        configure_all(TOPIC, "~t0", cleanup__policy="shred", retention__ms="soon", segment__bytes="1"),
        configure_all(TOPIC, "~t0", 2, segment__bytes="1", retention__ms="1", flush__ms="7"),
        configure_all(TOPIC, "~t0", min__compaction__lag__ms="9"), configure("t0", "max.compaction.lag.ms", "8"),
        configure_all(TOPIC, "~t0", max__compaction__lag__ms="8", flush__ms="x"),
        configure_all(GROUP, "~g0", consumer__session__timeout__ms="1", consumer__heartbeat__interval__ms="1"),
        configure_all(METRICS, "~m", match="foo", interval__ms="5"),
        ("one", "AlterConfigs", 2, {"resources": [{"resourceType": TOPIC, "resourceName": "~t0", "configs": [
            {"name": "flush.messages", "value": "0"}, {"name": "segment.ms", "value": "0"}]}]}, None),
        *(("one", "CreateTopics", 7, {"timeoutMs": 30000, "topics": [
            {"name": "~t2", "numPartitions": 1, "replicationFactor": 1, "assignments": [], "configs": [
                {"name": name, "value": value} for name, value in pairs]}]}, None) for pairs in ((
                    ("flush.ms", "-2"), ("segment.bytes", "1")), (("retention.ms", None), ("preallocate", None)),
                    (("retention.ms", "x"), ("retention.ms", "12345"))))),
    "nothing is added to a list": (
        create("t0"), *(configure("t0", "cleanup.policy", value, 2) for value in ("", ",", "compact,", "delete,,x", "x,x")),
        configure("t0", "follower.replication.throttled.replicas", "", 2),
        configure("t0", "follower.replication.throttled.replicas", "0:1,0:1", 2),
        configure("t0", "follower.replication.throttled.replicas", ",0:2", 2),
        ("one", "DescribeConfigs", 4, {"resources": [{"resourceType": TOPIC, "resourceName": "~t0", "configurationKeys": [
            "cleanup.policy", "follower.replication.throttled.replicas"]}]}, None)),
    "leader epochs below that of none": (
        create("t0"), produce(9, {"t0": {0: batch()}}), *(step for epoch in (-3, -2, -1) for step in (
            offsets("t0", 0, LATEST, currentLeaderEpoch=epoch), epoch_end("t0", 0, 0, currentLeaderEpoch=epoch),
            epoch_end("t0", 0, epoch), fetch(12, {"t0": {0: (0, {"currentLeaderEpoch": epoch})}}),
            fetch(12, {"t0": {0: (0, {"lastFetchedEpoch": epoch})}})))),
    "no partitions, and no replicas": (
        ("one", "CreateTopics", 5, {"timeoutMs": 30000, "topics": [
            {"name": f"~{name}", "numPartitions": partitions, "replicationFactor": replicas, "assignments": [], "configs": []}
            for name, partitions, replicas in (("t0", 0, 0), ("t1", 0, 1), ("t2", 1, 0), ("t3", -2, -2))]}, None),),
    "a cursor of another topic": (
        create("t0", "t1"), described("t1", 0, "t0"), described("t0", 0, "t0"), described("t1", 5, "t1"),
        described("t0", 0, "t1")),
    "a member without instance comes with one": (
        join(4, "g0/a"), join(8, "g0/a", "instance")),
    "who says nothing that can be read, and is nobody": (
        create("t2"), beat("m1/c", "t2", "join", instance="instance"),
        *(("m1/c", "JoinGroup", 9, {
            "groupId": "~m1", "sessionTimeoutMs": 600000, "rebalanceTimeoutMs": 600000, "memberId": member,
            "groupInstanceId": instance, "protocolType": "consumer", "protocols": [{"name": "other", "metadata": b"x"}]}, None)
          for member in ("stranger", "") for instance in ("instance", "another", None)), groups_described("m1")),
    "a group becomes a classic one as its topic goes": (
        create("t2"), beat("m1/c", "t2", "join", instance="instance"), delete("t2"), join(8, "m1/c", "instance", "t2"),
        beat("m1/b", "t1"), groups_described("m1")),
    "a group changes its protocol back and forth": (
        create("t0"), join(1, "m0/a"), beat("m0/b", "t1"), beat("m0/b", "t1", "leave"), beat("m0/b", "t1"),
        groups_described("m0")),
    "a member comes back as an instance that is new": (
        create("t1"), beat("c1/b", "t1"), beat("c1/a", "t0"), beat("c1/b", "t1", "join", instance="another"),
        groups_described("c1"), beat("c1/b", "t1", "join"), beat("c1/b", "t1")),
    "a session goes on in a version that cannot say what it has": (
        create("t0", "t1"), produce(9, {"t0": {0: batch()}}), *(step for version, topics in ((9, {}), (7, {"t1": {0: 0, 7: 0}}))
            for step in (fetch(12, {"t0": {0: (5, {"lastFetchedEpoch": 0}), 1: 0}}, keep="s", sessionId=0, sessionEpoch=0),
                         fetch(version, topics, keep="s", **SESSION), fetch(12, {}, keep="s", **SESSION)))),
    "a session has the order of its first answer": (
        create("t1", "t2"), fetch(8, {"t2": {-1: 0, 1: 5}, "t1": {1: 2}}, keep="s", sessionId=0, sessionEpoch=0),
        delete("t1"), fetch(12, {}, keep="s", **SESSION)),
    "batches that cannot be packed anew": (
        create("t0", "t1"), configure("t0", "compression.type", "gzip"), init("x0"),
        *(produce(7, {name: {0: batch(codec=codec, **more)}}) for codec in (0, 2) for name in ("t0", "t1") for more in (
            {"producer": "$pid:x0", "epoch": -1, "sequence": 0}, {"after_ms": -5 - TIME}, {"after_ms": -1 - TIME})),
        fetch(12, {"t0": {0: 0}, "t1": {0: 0}})),
    "an epoch below that of nobody": (
        create("t0"), init("x0"), produce(7, {"t0": {0: of("x0", "-9", transactional=False)}}),
        produce(7, {"t0": {1: batch(producer="$pid:x0", epoch=-2, sequence=0)}})),
    "a session that ends with what it is asked for": (
        create("t1"), fetch(12, {}, keep="s", sessionId=0, sessionEpoch=0),
        fetch(12, {"t1": {0: 0}}, keep="s", forgottenTopicsData=[{"topic": "~t1", "topicId": "$id:t1", "partitions": [0]}],
              **SESSION), fetch(12, {}, keep="s", **SESSION)),
}
