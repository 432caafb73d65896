"""Records: produced, fetched, looked for, deleted; and producer ids."""
import struct
import time

import wirecodec as wire

from topics import UNKNOWN_ID, topic

TIME = int(time.time() * 1000) - 60000
LATEST, EARLIEST, MAX_TIMESTAMP, LOCAL, TIERED, PENDING = -1, -2, -3, -4, -5, -6


def patched(data, at, value):
    return data[:at] + value + data[at + len(value):]


def with_crc(data):
    return patched(data, 17, struct.pack(">I", wire.crc32c(data[21:])))


GOOD = wire.batch([b"a", b"b", b"c"], timestamp=TIME)
RECORDS = {
    "good": GOOD,
    "two batches": GOOD + GOOD,
    "none": b"",
    "wrong crc": patched(GOOD, 17, b"\0\0\0\0"),
    "magic 1": patched(GOOD, 16, b"\1"),
    "magic 3": patched(GOOD, 16, b"\3"),
    "length too long": patched(GOOD, 8, struct.pack(">i", len(GOOD))),
    "length too short": patched(GOOD, 8, struct.pack(">i", 20)),
    "negative length": patched(GOOD, 8, struct.pack(">i", -1)),
    "cut": GOOD[:-3],
    "only half a header": GOOD[:30],
    "bytes behind": GOOD + b"xyz",
    "base offset not 0": patched(GOOD, 0, struct.pack(">q", 7)),
    "last offset delta too small": with_crc(patched(GOOD, 23, struct.pack(">i", 1))),
    "last offset delta too large": with_crc(patched(GOOD, 23, struct.pack(">i", 9))),
    "record count too small": with_crc(patched(GOOD, 57, struct.pack(">i", 2))),
    "record count too large": with_crc(patched(GOOD, 57, struct.pack(">i", 4))),
    "record count 0": with_crc(patched(GOOD, 57, struct.pack(">i", 0))),
    "negative record count": with_crc(patched(GOOD, 57, struct.pack(">i", -1))),
    "unknown codec": with_crc(patched(GOOD, 21, struct.pack(">h", 7))),
    "gzip that is none": with_crc(patched(GOOD, 21, struct.pack(">h", 1))),
    "lz4 that is none": with_crc(patched(GOOD, 21, struct.pack(">h", 3))),
    "zstd that is none": with_crc(patched(GOOD, 21, struct.pack(">h", 4))),
    "snappy that is none": with_crc(patched(GOOD, 21, struct.pack(">h", 2))),
    "control batch": with_crc(patched(GOOD, 21, struct.pack(">h", 0x20))),
    "unknown attribute": with_crc(patched(GOOD, 21, struct.pack(">h", 0x100))),
    "log append time": with_crc(patched(GOOD, 21, struct.pack(">h", 8))),
    "transactional without a producer": with_crc(patched(GOOD, 21, struct.pack(">h", 0x10))),
    "far future": wire.batch([b"late"], timestamp=TIME * 2),
    "no timestamp": wire.batch([b"x"], timestamp=-1),
    "too large": wire.batch([b"x" * 1100000], timestamp=TIME),
    "producer without epoch": wire.batch([b"x"], producer_id=7, epoch=-1, sequence=0, timestamp=TIME),
    "producer without sequence": wire.batch([b"x"], producer_id=7, epoch=0, sequence=-1, timestamp=TIME),
}
BY_NAME, BY_ID = range(0, 13), range(13, 99)


def produce(records, name="data-$v", partition=0, acks=-1):
    def values(side, version):
        whole = {"name": name, "partitionData": [{"index": partition, "records": records}]} \
            if version < 13 else \
            {"topicId": f"$id:{name}", "partitionData": [{"index": partition, "records": records}]}
        return {"acks": acks, "timeoutMs": 10000, "topicData": [whole]}
    return values


def sequence(first, epoch=0, count=1):
    def records(side, version):
        data = wire.batch([b"s"] * count, producer_id=side.kept["producerId"], epoch=epoch, sequence=first,
                          timestamp=TIME)
        return produce(data, "sequence-$v")(side, version)
    return records


def fetch(partitions, name="data-9", **more):
    """partitions: (index, offset) or (index, offset, leader epoch)"""
    def values(side, version):
        asked = [{"partition": item[0], "fetchOffset": item[1], "partitionMaxBytes": 1 << 20,
                  "currentLeaderEpoch": item[2] if len(item) > 2 else -1} for item in partitions]
        for item in asked:
            if version < 9:
                del item["currentLeaderEpoch"]
        whole = {"partitions": asked}
        whole.update({"topic": name} if version < 13 else
                     {"topicId": name if name == UNKNOWN_ID else f"$id:{name}"})
        out = {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, "sessionEpoch": -1,
               "topics": [whole], **more}
        if version < 7:
            out.pop("sessionEpoch")
            out.pop("sessionId", None)
        return out
    return values


def offsets(partitions, name="data-9"):
    return lambda side, version: {
        "replicaId": -1, "topics": [{"name": name, "partitions": [
            {"partitionIndex": index, "timestamp": time} for index, time in partitions]}]}


FETCHES = {
    "from the start": fetch([(0, 0)]),
    "from within": fetch([(0, 2)]),
    "at the end": fetch([(0, 6)]),
    "beyond the end": fetch([(0, 7)]),
    "before the start": fetch([(0, -1)]),
    "unknown partition": fetch([(5, 0)]),
    "negative partition": fetch([(-1, 0)]),
    "good and bad": fetch([(0, 0), (5, 0)]),
    "no room": fetch([(0, 0)], maxBytes=0),
    "a byte of room": fetch([(0, 0)], maxBytes=1),
    "read committed": fetch([(0, 0)], isolationLevel=1),
    "unknown isolation": fetch([(0, 0)], isolationLevel=2),
    "nothing": lambda side, version: {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, "topics": []},
}
EPOCHS = {
    "own epoch": fetch([(0, 0, 0)]),
    "old epoch": fetch([(0, 0, -1)]),
    "future epoch": fetch([(0, 0, 9)]),
}
SESSIONS = {
    "unknown session": fetch([(0, 0)], sessionId=12345, sessionEpoch=1),
    "unknown session at epoch 0": fetch([(0, 0)], sessionId=12345, sessionEpoch=0),
    "new session": fetch([(0, 0)], sessionId=0, sessionEpoch=0),
    "no session with an epoch": fetch([(0, 0)], sessionId=0, sessionEpoch=3),
}
TIMES = {
    "latest": [(0, LATEST)], "earliest": [(0, EARLIEST)], "max timestamp": [(0, MAX_TIMESTAMP)],
    "local": [(0, LOCAL)], "tiered": [(0, TIERED)], "pending upload": [(0, PENDING)],
    "unknown special": [(0, -7)],
    "by time": [(0, TIME)], "before all": [(0, 0)], "after all": [(0, TIME + 1)],
    "unknown partition": [(5, LATEST)], "twice": [(0, LATEST), (0, EARLIEST)],
}


def keep_producer(side, version):
    """Apache Kafka answers with patience (14) until it has a block of ids."""
    answer = {"errorCode": 14}
    for _ in range(1000):
        if answer["errorCode"] == 0:
            break
        time.sleep(0.05)
        answer = side.ask("InitProducerId", 4, {"transactionalId": None, "transactionTimeoutMs": 60000})
    assert answer["errorCode"] == 0, answer
    side.kept["producerId"] = answer["producerId"]
    return {"topics": []}


def steps(apis):
    for version in apis.versions("Produce"):
        yield "fixture", "CreateTopics", {"topics": [
            topic(f"data-{version}"), topic(f"sequence-{version}"),
            topic(f"compact-{version}", 1, 1, (("cleanup.policy", "compact"),)),
            topic(f"bounded-{version}", 1, 1, (("message.timestamp.after.max.ms", "1000"),
                                               ("message.timestamp.before.max.ms", "1000"))),
            topic(f"insync-{version}", 1, 1, (("min.insync.replicas", "2"),)),
            topic(f"stamped-{version}", 1, 1, (("message.timestamp.type", "LogAppendTime"),))]}, [7]
    for label, records in RECORDS.items():
        yield label, "Produce", produce(records), None
        yield f"{label}, acks 1", "Produce", produce(records, acks=1), [9, 13]
    # Apache Kafka never answers where there are no records at all: asked once, at the end.
    for acks in (2, -2):
        yield f"acks {acks}", "Produce", produce(GOOD, acks=acks), None
    yield "unknown partition", "Produce", produce(GOOD, partition=4), None
    yield "negative partition", "Produce", produce(GOOD, partition=-1), None
    yield "unknown topic", "Produce", produce(GOOD, "unknown-topic"), BY_NAME
    yield "unknown topic id", "Produce", {"acks": -1, "topicData": [
        {"topicId": UNKNOWN_ID, "partitionData": [{"index": 0, "records": GOOD}]}]}, BY_ID
    yield "no key on a compacted topic", "Produce", produce(GOOD, "compact-$v"), None
    yield "more replicas in sync than there are", "Produce", produce(GOOD, "insync-$v"), None
    yield "an old timestamp", "Produce", produce(GOOD, "bounded-$v"), None
    yield "stamped by the broker", "Produce", produce(GOOD, "stamped-$v"), None
    yield "transactional id without one", "Produce", \
        lambda side, version: {**produce(GOOD)(side, version), "transactionalId": "nobody"}, None
    yield "fixture", "Metadata", keep_producer, [9]
    for label, values in (("first", sequence(0)), ("again", sequence(0)), ("next", sequence(1)),
                          ("a gap", sequence(5)), ("three", sequence(2, 0, 3)),
                          ("the middle again", sequence(3)), ("new epoch", sequence(0, 1)),
                          ("old epoch", sequence(1, 0)), ("new epoch, not from 0", sequence(3, 2)),
                          ("first of a later epoch", sequence(0, 3))):
        yield f"sequence: {label}", "Produce", values, None
    for label, values in FETCHES.items():
        yield label, "Fetch", values, None
    for label, values in EPOCHS.items():
        yield label, "Fetch", values, range(9, 99)
    for label, values in SESSIONS.items():
        yield label, "Fetch", values, range(7, 99)
    yield "unknown topic", "Fetch", fetch([(0, 0)], "unknown-topic"), BY_NAME
    yield "unknown id", "Fetch", fetch([(0, 0)], UNKNOWN_ID), BY_ID
    for label, partitions in TIMES.items():
        yield label, "ListOffsets", offsets(partitions), None
    yield "unknown topic", "ListOffsets", offsets([(0, LATEST)], "unknown-topic"), None
    for epoch in (0, 1, -1, 9):
        for current in (-1, 0, 5):
            yield f"epoch {epoch} at {current}", "OffsetForLeaderEpoch", \
                lambda side, version, epoch=epoch, current=current: {
                    "replicaId": -1, "topics": [{"topic": "data-9", "partitions": [
                        {"partition": 0, "leaderEpoch": epoch, "currentLeaderEpoch": current},
                        {"partition": 7, "leaderEpoch": epoch, "currentLeaderEpoch": current}]}]}, None
    for offset in (0, 1, -1, 1, 99, -2):
        yield f"below {offset}", "DeleteRecords", {"timeoutMs": 5000, "topics": [
            {"name": "data-10", "partitions": [{"partitionIndex": 0, "offset": offset},
                                               {"partitionIndex": 3, "offset": offset}]},
            {"name": "unknown-topic", "partitions": [{"partitionIndex": 0, "offset": offset}]}]}, None
    yield "plain", "InitProducerId", {"transactionalId": None, "transactionTimeoutMs": 60000}, None
    yield "with an id and epoch", "InitProducerId", \
        {"transactionalId": None, "transactionTimeoutMs": 60000, "producerId": 3, "producerEpoch": 1}, \
        range(3, 99)
    yield "an empty transactional id", "InitProducerId", \
        {"transactionTimeoutMs": 60000, "transactionalId": ""}, None
    yield "null", "Produce", produce(None), [9]
