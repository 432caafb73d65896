#!/usr/bin/env python3
"""The checking programs of Apache Kafka itself, while broker and programs are killed: compacted topics keep the
last value of each key, what is acknowledged is read, and copies in transactions are there once.

    oracles.py [WORD]...     only the cases whose name contains one of the words
"""
import collections
import contextlib
import functools
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import harness
import transactions
from transactions import check

TOOLS = "org.apache.kafka.tools."
SETTINGS = ["offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000", "log.segment.bytes=1048576",
            "log.cleaner.backoff.ms=200", "log.cleaner.min.cleanable.ratio=0.01"]
SECONDS = 400
# Whoever comes after a copier that was killed asks for its offsets first, and gives up after 60 s: by then the
# transaction they are part of must have ended.
TRANSACTION_MS = 20000
COMPACTED = 200000
VERIFIED = 24000
VERIFIED_A_SECOND = 3000
LOST = "class org.apache.kafka.common.errors.NetworkException"
COPIED = 9000


class Tool:
    """A Java program of a peer, whose output goes to a file."""

    def __init__(self, peer, name, *arguments):
        folder = harness.peer(peer)
        self.name = name
        self.output = tempfile.NamedTemporaryFile(prefix="barnabas-test-", mode="w+")
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
             f"{folder}/classes:{folder}/lib/*", name, *map(str, arguments)],
            stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def text(self):
        return pathlib.Path(self.output.name).read_text(errors="replace")

    def events(self, name):
        """Lines of JSON with that name; a killed program may leave half a line."""
        for line in self.text().splitlines():
            if f'"name":"{name}"' in line and line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def succeeds(self):
        try:
            status = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            status = f"none within {SECONDS} s"
        check(status, 0, f"status of {self.name} ({self.text()[-1500:]})")
        return self.text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def standing_still(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


class Stage:
    """A broker, the programs beside it, and their end."""

    def __init__(self, peer="java"):
        self.peer = peer
        self.broker = harness.own_broker(overrides=SETTINGS)
        self.tools = []

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, kind, *_):
        for tool in self.tools:
            tool.kill()
            tool.output.close()
        try:
            if kind is None:
                self.broker.end_in_order()
        finally:
            self.broker.remove()

    def run(self, name, *arguments):
        self.tools.append(Tool(self.peer, name, *arguments))
        return self.tools[-1]

    def bounce(self):
        self.broker.kill()
        self.broker.start()

    def topic(self, *names):
        connection = transactions.reconnect(self.broker)
        for name in names:
            transactions.make_topic(connection, name)
        return connection


def await_clean(broker):
    """Until all compacted partitions but the last segments of them are."""
    def clean():
        data = pathlib.Path(broker.directory, "data")
        path = data / "cleaner-offset-checkpoint"
        lines = path.read_text().splitlines()[2:] if path.exists() else []
        found = {f"{topic}-{partition}": int(offset) for topic, partition, offset in map(str.split, lines)}
        folders = list(data.glob("log-cleaner-test-*"))
        return folders and all(found.get(folder.name, 0) == max(int(log.stem) for log in folder.glob("*.log"))
                               for folder in folders)
    harness.wait_for(clean, what="compaction")


def compaction(codec):
    """Each key's last value survives, and deleted keys are gone, though the broker dies at the end of the writes. The
    tester goes on eight seconds after that, or when all is compacted."""
    with Stage() as stage:
        tester = stage.run(TOOLS + "LogCompactionTester", "--bootstrap-server", stage.broker.bootstrap, "--messages", COMPACTED,
                           "--duplicates", 20, "--percent-deletes", 10, "--sleep", 8, "--compression-type", codec)
        harness.wait_for(lambda: "Sleeping for" in tester.text(), SECONDS, "all to be written")
        with tester.standing_still():
            stage.bounce()
            await_clean(stage.broker)
        text = tester.succeeds()
        check("Data verification is completed" in text, True, f"its verdict ({text[-500:]})")
        reduction = re.search(r"\(([0-9.-]+)% reduction\)", text)
        check(float(reduction[1]) > 30, True, f"a shorter log ({text[-500:]})")


def consumed(consumers):
    """How often each value was handed to a consumer."""
    found = collections.Counter()
    for consumer in consumers:
        found.update(int(event["value"]) for event in consumer.events("record_data"))
    return found


def verified():
    """What is acknowledged is read by the group and is in the log once, while the broker and a member are killed."""
    with Stage() as stage:
        connection = stage.topic("verified")
        connection.close()
        bootstrap = stage.broker.bootstrap

        def consumer(*more):
            return stage.run(TOOLS + "VerifiableConsumer", "--bootstrap-server", bootstrap, "--topic", "verified", "--verbose",
                             "--group-id", "readers", "--session-timeout", 6000, *more)

        consumers = [consumer(), consumer()]
        producer = stage.run(TOOLS + "VerifiableProducer", "--bootstrap-server", bootstrap, "--topic", "verified",
                             "--max-messages", VERIFIED, "--throughput", VERIFIED_A_SECOND)

        def await_acknowledged(share):
            harness.wait_for(lambda: producer.text().count("producer_send_success") > VERIFIED * share,
                             what="acknowledgements")

        await_acknowledged(0.2)
        stage.bounce()
        await_acknowledged(0.4)
        consumers[0].kill()
        consumers.append(consumer())
        await_acknowledged(0.6)
        stage.bounce()
        producer.succeeds()
        acknowledged = {int(event["value"]) for event in producer.events("producer_send_success")}
        lost = collections.Counter(event["exception"] for event in producer.events("producer_send_error"))
        check((set(lost) <= {LOST}, len(acknowledged) + lost[LOST]), (True, VERIFIED),
              f"whether each is acknowledged or went with a connection ({lost})")
        harness.wait_for(lambda: acknowledged <= set(consumed(consumers)), what="all that is acknowledged to be read")
        connection = transactions.reconnect(stage.broker)
        written = collections.Counter(int(value) for partition in range(transactions.PARTITIONS)
                                      for value in transactions.read_committed(connection, "verified", partition))
        connection.close()
        check([value for value in acknowledged if written[value] != 1], [], "what is not in the log once")
        check(set(consumed(consumers)) - set(written), set(), "what was read and never written")


def copied(group):
    """Copiers that abort at random, of which one is killed, and so is the broker: each record arrives once."""
    with Stage() as stage:
        connection = stage.topic("in", "out")
        wanted = []
        for partition in range(transactions.PARTITIONS):
            values = [b"%d-%d" % (partition, i) for i in range(COPIED // transactions.PARTITIONS)]
            wanted += values
            data = [{"index": partition, "records": transactions.wire.batch(values)}]
            answer = connection.patiently("Produce", 9, {"acks": -1, "timeoutMs": 10000, "topicData": [
                {"name": "in", "partitionData": data}]}, transactions.produced)
            check(transactions.produced(answer), [0], "Produce")
        connection.close()

        def copier(partition):
            return stage.run(TOOLS + "TransactionalMessageCopier", "--broker-list", stage.broker.bootstrap, "--input-topic", "in",
                             "--input-partition", partition, "--output-topic", "out", "--consumer-group", "copy",
                             "--transactional-id", f"copier-{partition}", "--transaction-size", 100,
                             "--transaction-timeout", TRANSACTION_MS,
                             "--enable-random-aborts", "--use-group-metadata", *["--group-mode"] * group)

        copiers = [copier(partition) for partition in range(transactions.PARTITIONS)]
        transactions.await_progress(stage.broker, COPIED // 6)
        stage.bounce()
        transactions.await_progress(stage.broker, COPIED // 3)
        copiers[0].kill()
        copiers[0] = copier(0)
        transactions.await_progress(stage.broker, COPIED // 2)
        stage.bounce()
        for tool in copiers:
            tool.succeeds()
        connection = transactions.reconnect(stage.broker)
        got = collections.Counter(value for partition in range(transactions.PARTITIONS)
                                  for value in transactions.read_committed(connection, "out", partition))
        connection.close()
        check([value for value in wanted if got[value] != 1], [], "what is not there once")
        check(len(got), len(wanted), "records")


CASES = [*((f"compacted_topic_keeps_last_values_{codec}", functools.partial(compaction, codec)) for codec in ("none", "zstd")),
         ("what_is_acknowledged_is_read", verified),
         ("copies_are_there_once", functools.partial(copied, False)),
         ("copies_of_a_group_are_there_once", functools.partial(copied, True))]

if __name__ == "__main__":
    words = sys.argv[1:]
    harness.run([(f"oracles__{name}", case) for name, case in CASES
                 if not words or any(word in name for word in words)])
