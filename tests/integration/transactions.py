#!/usr/bin/env python3
"""Transactions that outlive kill -9 at every step, time out, and are done by three clients while broker
and client are killed: what was committed is there once, what was aborted is nowhere."""
import functools
import pathlib
import re
import struct
import subprocess
import sys
import time
import uuid

import harness
import wirecodec as wire

sys.path[:0] = [str(harness.TESTS / "conformance"), str(harness.TESTS / "conformance" / "differential")]

COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR = 14, 15, 16
NOT_LEADER, NOT_ENOUGH_REPLICAS, INVALID_PRODUCER_EPOCH = 6, 19, 47
INVALID_TXN_STATE, CONCURRENT, PRODUCER_FENCED, UNSTABLE_OFFSET = 48, 51, 90, 88
PATIENCE = {COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR, NOT_LEADER,
            NOT_ENOUGH_REPLICAS, CONCURRENT}
PARTITIONS = 3
STEPS = ("init", "add", "produce", "add offsets", "offsets", "end")
COPY_RECORDS = 1500
KILLS = 4
COPY_SECONDS = 300


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


@functools.cache
def apis():
    import codec  # of the differential test: independent of our schemas
    return codec.Apis(harness.peer("java") / "lib")


class Wire:
    """Requests of any API, with answers that ask for patience asked again."""

    def __init__(self, port):
        self.connection = wire.Connection(port)
        self.correlation_id = 0

    def close(self):
        self.connection.socket.close()

    def ask(self, api, version, values):
        self.correlation_id += 1
        frame = apis().request(api, version, self.correlation_id, values)
        self.connection.socket.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", self.connection._exactly(4))[0]
        return apis().response(api, version, self.connection._exactly(size))[1]

    def patiently(self, api, version, values, errors, seconds=harness.PATIENCE_SECONDS):
        """errors(answer): the codes in it."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask(api, version, values)
            if not set(errors(answer)) & PATIENCE or time.monotonic() > deadline:
                return answer
            time.sleep(0.01)


def single(answer):
    return [answer["errorCode"]]


def produced(answer):
    return [item["errorCode"] for topic in answer["responses"] for item in topic["partitionResponses"]]


def committed(answer):
    return [item["errorCode"] for topic in answer["topics"] for item in topic["partitions"]]


def added(answer):
    return [item["partitionErrorCode"] for topic in answer["resultsByTopicV3AndBelow"]
            for item in topic["resultsByPartition"]]


class Transaction:
    """One transaction of one producer, a step at a time; newer: with an epoch of its own (KIP-890)."""

    def __init__(self, name, topic, newer, commit):
        self.name, self.topic, self.newer, self.commit = name, topic, newer, commit
        self.producer_id = self.epoch = -1

    def run(self, connection, step):
        getattr(self, step.replace(" ", "_"))(connection)

    def init(self, connection):
        answer = connection.patiently("InitProducerId", 5, {
            "transactionalId": self.name, "transactionTimeoutMs": 60000, "producerId": -1,
            "producerEpoch": -1}, single)
        check(answer["errorCode"], 0, "InitProducerId")
        self.producer_id, self.epoch = answer["producerId"], answer["producerEpoch"]

    def who(self):
        return {"transactionalId": self.name, "producerId": self.producer_id,
                "producerEpoch": self.epoch}

    def add(self, connection):
        if not self.newer:
            who = {f"v3AndBelow{key[0].upper()}{key[1:]}": value for key, value in self.who().items()}
            answer = connection.patiently("AddPartitionsToTxn", 3, {**who, "v3AndBelowTopics": [
                {"name": self.topic, "partitions": list(range(PARTITIONS))}]}, added)
            check(added(answer), [0] * PARTITIONS, "AddPartitionsToTxn")

    def records(self, partition):
        return [f"{self.name}-{partition}-{i}".encode() for i in range(2)]

    def produce(self, connection):
        data = [{"index": partition, "records": wire.batch(
            self.records(partition), self.producer_id, self.epoch, 0, int(time.time() * 1000), 0x10)}
            for partition in range(PARTITIONS)]
        answer = connection.patiently("Produce", 12 if self.newer else 11, {
            "transactionalId": self.name, "acks": -1, "timeoutMs": 10000,
            "topicData": [{"name": self.topic, "partitionData": data}]}, produced)
        check(produced(answer), [0] * PARTITIONS, "Produce")

    def add_offsets(self, connection):
        if not self.newer:
            answer = connection.patiently("AddOffsetsToTxn", 3, {**self.who(), "groupId": self.name},
                                          single)
            check(answer["errorCode"], 0, "AddOffsetsToTxn")

    def offsets(self, connection):
        answer = connection.patiently("TxnOffsetCommit", 5 if self.newer else 3, {
            **self.who(), "groupId": self.name, "generationId": -1, "memberId": "", "topics": [
                {"name": self.topic, "partitions": [
                    {"partitionIndex": 0, "committedOffset": 77, "committedMetadata": ""}]}]}, committed)
        check(committed(answer), [0], "TxnOffsetCommit")

    def end(self, connection):
        answer = connection.patiently("EndTxn", 5 if self.newer else 3,
                                      {**self.who(), "committed": self.commit}, single)
        check(answer["errorCode"], 0, "EndTxn")
        if self.newer:
            self.producer_id, self.epoch = answer["producerId"], answer["producerEpoch"]

    def fence(self, connection):
        """Somebody else takes the id; what was open is aborted."""
        other = Transaction(self.name, self.topic, self.newer, False)
        other.init(connection)
        check(other.epoch > self.epoch or other.producer_id != self.producer_id, True, "a newer epoch")

    def offset(self, connection):
        """The stable committed offset, once there is one."""
        answer = connection.patiently("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": [
            self.name]}, lambda found: [found["coordinators"][0]["errorCode"]])
        def told():
            found = connection.ask("OffsetFetch", 8, {"requireStable": True, "groups": [
                {"groupId": self.name, "topics": [
                    {"name": self.topic, "partitionIndexes": [0]}]}]})
            group = found["groups"][0]
            partition = group["topics"][0]["partitions"][0] if group["topics"] else {}
            error = group["errorCode"] or partition.get("errorCode", 0)
            if error in PATIENCE | {UNSTABLE_OFFSET}:
                return None
            check(error, 0, "OffsetFetch")
            return (partition.get("committedOffset", -1),)
        return harness.wait_for(told, what="a stable offset")[0]


def batches(records):
    """(attributes, producer id, base offset, values) of each whole batch, uncompressed."""
    while len(records) >= 61:
        base, size = struct.unpack(">qi", records[:12])
        if len(records) < 12 + size:
            return
        attributes = struct.unpack(">h", records[21:23])[0]
        producer_id = struct.unpack(">q", records[43:51])[0]
        count = struct.unpack(">i", records[57:61])[0]
        yield attributes, producer_id, base, record_values(records[61:12 + size], count)
        records = records[12 + size:]


def record_values(data, count):
    return [value for _, _, value in records_of(data, count)]


def records_of(data, count):
    """(offset delta, key, value) of records that are not compressed."""
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)

    def blob():
        nonlocal at
        size = varint()
        at += max(size, 0)
        return data[at - size:at] if size >= 0 else None

    for _ in range(count):
        size = varint()
        end = at + size
        at += 1
        varint()
        found.append((varint(), blob(), blob()))
        at = end
    return found


def read_committed(connection, topic, partition):
    """What a reader of committed records sees, once nothing is open any more."""
    def stable():
        answer = connection.ask("Fetch", 11, {
            "replicaId": -1, "maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 25, "isolationLevel": 1,
            "sessionId": 0, "sessionEpoch": -1, "rackId": "", "topics": [{"topic": topic, "partitions": [
                {"partition": partition, "currentLeaderEpoch": -1, "fetchOffset": 0,
                 "logStartOffset": -1, "partitionMaxBytes": 1 << 25}]}]})
        told = answer["responses"][0]["partitions"][0]
        check(told["errorCode"], 0, "Fetch")
        return told if told["lastStableOffset"] == told["highWatermark"] else None
    told = harness.wait_for(stable, what="the last stable offset to come to the end")
    aborted = sorted((item["firstOffset"], item["producerId"])
                     for item in told["abortedTransactions"] or [])
    values, open_aborts = [], set()
    for attributes, producer_id, base, found in batches(told["records"] or b""):
        while aborted and aborted[0][0] <= base:
            open_aborts.add(aborted.pop(0)[1])
        if attributes & 0x20:
            open_aborts.discard(producer_id)
        elif not (attributes & 0x10 and producer_id in open_aborts):
            values += found
    return values


def reconnect(broker):
    return Wire(broker.port)


def restart(broker, connection):
    connection.close()
    broker.kill()
    broker.start()
    return reconnect(broker)


def make_topic(connection, name):
    answer = connection.ask("CreateTopics", 4, {"topics": [
        {"name": name, "numPartitions": PARTITIONS, "replicationFactor": 1, "assignments": [],
         "configs": []}], "timeoutMs": 10000, "validateOnly": False})
    check(answer["topics"][0]["errorCode"], 0, "CreateTopics")
    for kind in (0, 1):  # both kinds of coordinators are there before the first kill
        connection.patiently("FindCoordinator", 4, {"keyType": kind, "coordinatorKeys": ["x"]},
                             lambda found: [found["coordinators"][0]["errorCode"]])


def outlives_kill(shards, newer, commit, zombie):
    """After each step the broker is killed; then the transaction goes on, or somebody fences it."""
    broker = harness.own_broker(shards=shards, overrides=SETTINGS)
    wanted = {partition: [] for partition in range(PARTITIONS)}
    try:
        broker.start()
        connection = reconnect(broker)
        topic = "kills"
        make_topic(connection, topic)
        for last, _ in enumerate(STEPS):
            transaction = Transaction(f"t{last}", topic, newer, commit)
            for i, step in enumerate(STEPS[:last + 1]):
                transaction.run(connection, step)
            connection = restart(broker, connection)
            ended = STEPS[last] == "end"
            if zombie:
                transaction.fence(connection)
            else:
                for step in STEPS[last + 1:]:
                    transaction.run(connection, step)
            if commit and (ended or not zombie):
                for partition in range(PARTITIONS):
                    wanted[partition] += transaction.records(partition)
                check(transaction.offset(connection), 77, f"offset after {STEPS[last]}")
            else:
                check(transaction.offset(connection), -1, f"offset after {STEPS[last]}")
            for partition in range(PARTITIONS):
                check(read_committed(connection, topic, partition), wanted[partition],
                      f"records of partition {partition} after {STEPS[last]}")
        connection.close()
        broker.end_in_order()
    finally:
        broker.remove()


def times_out(shards):
    """A transaction that takes too long is aborted, and its producer fenced."""
    broker = harness.own_broker(shards=shards, overrides=[
        *SETTINGS, "transaction.abort.timed.out.transaction.cleanup.interval.ms=50"])
    def is_late(timeout_ms, newer):
        transaction = Transaction(f"late-{newer}-{timeout_ms}", "late", newer, True)
        answer = connection.patiently("InitProducerId", 5, {
            "transactionalId": transaction.name, "transactionTimeoutMs": timeout_ms, "producerId": -1,
            "producerEpoch": -1}, single)
        transaction.producer_id, transaction.epoch = answer["producerId"], answer["producerEpoch"]
        for step in STEPS[1:-1]:
            transaction.run(connection, step)
        for partition in range(PARTITIONS):
            check(read_committed(connection, "late", partition), [], "records")
        check(transaction.offset(connection), -1, "offset")
        answer = connection.patiently("EndTxn", 3, {**transaction.who(), "committed": True}, single)
        check(answer["errorCode"], PRODUCER_FENCED, "EndTxn of the late one")

    try:
        broker.start()
        connection = reconnect(broker)
        make_topic(connection, "late")
        for newer in (False, True):
            harness.unhurried(functools.partial(is_late, newer=newer), 300, 20000)
        connection.close()
        broker.end_in_order()
    finally:
        broker.remove()


SETTINGS = ["offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3",
            "transactional.id.expiration.ms=3600000"]

# ---- clients ----


def java():
    folder = harness.peer("java")
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}/classes:{folder}/lib/*",
            "TransactionClient"]


def confluent():
    program = harness.TESTS / "peers" / "python" / "confluent_transactions.py"
    return [str(harness.peer("python") / "bin" / "python"), str(program)]


def franz_go():
    return [str(harness.peer("go") / "client"), "transactions"]


CLIENTS = {"java": java, "confluent": confluent, "franz_go": franz_go}


def client_speaks(name, shards):
    """Commits, aborts, reads what is committed, sends offsets, and is fenced."""
    with harness.broker(shards=shards) as running:
        done = subprocess.run([*CLIENTS[name](), "scenario", running.bootstrap,
                               f"t{uuid.uuid4().hex[:8]}"], capture_output=True, text=True,
                              timeout=harness.CLIENT_SECONDS)
        for line in re.findall(r"^(?:PASS|FAIL) .*$", done.stdout, re.M):
            print(f"     {line}", flush=True)
        if done.returncode != 0 or "\ndone" not in done.stdout:
            print(done.stdout[-3000:], done.stderr[-3000:], running.log()[-2000:], file=sys.stderr)
            raise AssertionError(f"status {done.returncode}: "
                                 + " ".join(re.findall(r"^FAIL .*$", done.stdout, re.M))[:200])


class Copier:
    """Copies one topic to another, exactly once: consume, process, produce."""

    def __init__(self, name, bootstrap, source, target):
        self.command = [*CLIENTS[name](), "copy", bootstrap, source, target, str(COPY_RECORDS)]
        self.text = pathlib.Path(f"{source}-{name}").name
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def copies_through_kills(name, shards):
    """Broker and copier are killed, in turn, while records are copied: each arrives once, in order."""
    broker = harness.own_broker(shards=shards, overrides=SETTINGS)
    copier = None
    try:
        broker.start()
        connection = reconnect(broker)
        for topic in ("in", "out"):
            make_topic(connection, topic)
        wanted = fill(connection, "in")
        connection.close()
        copier = Copier(name, broker.bootstrap, "in", "out")
        copier.start()
        for kill in range(KILLS):
            await_progress(broker, (kill + 1) * COPY_RECORDS // (KILLS + 2))
            if kill % 2 == 0:
                broker.kill()
                broker.start()
            else:
                copier.kill()
                copier.start()
        status = copier.process.wait(COPY_SECONDS)
        error = copier.process.stderr.read().decode(errors="replace")[-1500:]
        check(status, 0, f"status of the copier ({error})")
        connection = reconnect(broker)
        got = [read_committed(connection, "out", partition) for partition in range(PARTITIONS)]
        connection.close()
        check([sorted(values) for values in got], [sorted(values) for values in wanted], "what arrived")
        check(got, wanted, "order")
        broker.end_in_order()
    finally:
        if copier is not None:
            copier.kill()
        broker.remove()


def fill(connection, topic):
    wanted = [[], [], []]
    for partition in range(PARTITIONS):
        wanted[partition] = [b"%d-%d" % (partition, i) for i in range(COPY_RECORDS // PARTITIONS)]
        answer = connection.patiently("Produce", 9, {"acks": -1, "timeoutMs": 10000, "topicData": [
            {"name": topic, "partitionData": [{"index": partition, "records": wire.batch(
                wanted[partition], timestamp=int(time.time() * 1000))}]}]}, produced)
        check(produced(answer), [0], "Produce")
    return wanted


def await_progress(broker, count, topic="out"):
    """Until so many offsets are used of the topic that is copied to."""
    connection = reconnect(broker)

    def ends():
        answer = connection.ask("ListOffsets", 5, {"replicaId": -1, "isolationLevel": 0, "topics": [
            {"name": topic, "partitions": [{"partitionIndex": i, "timestamp": -1,
                                            "currentLeaderEpoch": -1} for i in range(PARTITIONS)]}]})
        return sum(max(item["offset"], 0) for item in answer["topics"][0]["partitions"]) >= count

    harness.wait_for(ends, COPY_SECONDS, "the copier to get on")
    connection.close()


def cases():
    for shards in harness.shard_counts():
        for newer in (False, True):
            for commit in (True, False):
                for zombie in (False, True):
                    if zombie and not commit:
                        continue
                    name = (f"{'newer' if newer else 'older'}_client_"
                            f"{'is_fenced' if zombie else 'commits' if commit else 'aborts'}")
                    yield (f"transactions__outlive_kill__{name}_{shards}",
                           functools.partial(outlives_kill, shards, newer, commit, zombie))
        yield f"transactions__time_out_{shards}", functools.partial(times_out, shards)
        for name in CLIENTS:
            yield (f"transactions__{name}_speaks_them_{shards}",
                   functools.partial(client_speaks, name, shards))
            yield (f"transactions__{name}_copies_through_kills_{shards}",
                   functools.partial(copies_through_kills, name, shards))


if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([case for case in cases() if not words or any(word in case[0] for word in words)])
