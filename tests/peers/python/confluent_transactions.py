"""confluent-kafka (librdkafka) in transactions:
confluent_transactions.py scenario BOOTSTRAP TOPICS | copy BOOTSTRAP SOURCE TARGET COUNT"""
import os
import sys
import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

import scenario
from scenario import check

SECONDS = scenario.SECONDS
MODE, BOOTSTRAP = sys.argv[1:3]
STOPS_AT = os.environ.get("COPIER_STOPS_AT")


def producer(name, **settings):
    made = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": name,
                     "transaction.timeout.ms": 30000, **settings})
    made.init_transactions(SECONDS)
    return made


def consumer(group, **settings):
    # Whoever comes after a copier that was killed waits for its session.
    session_ms = 6000 if MODE == "copy" else 45000
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", "isolation.level": "read_committed",
                     "enable.partition.eof": True, "session.timeout.ms": session_ms, **settings})


def create(name):
    topic = f"{sys.argv[3]}-{name}"
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, scenario.PARTITIONS, 1)])[topic].result(SECONDS)
    return topic


def await_nothing_open(topic):
    """A commit is answered before what it ends is."""
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})

    def ends(isolation):
        asked = {TopicPartition(topic, i): OffsetSpec.latest() for i in range(scenario.PARTITIONS)}
        told = admin.list_offsets(asked, isolation_level=isolation)
        return {where.partition: found.result(SECONDS).offset for where, found in told.items()}
    scenario.wait_for(lambda: ends(IsolationLevel.READ_COMMITTED) == ends(IsolationLevel.READ_UNCOMMITTED),
                      what="nothing to be open any more")


def read_all(topic, isolation="read_committed"):
    await_nothing_open(topic)
    reader = consumer("unused", **{"isolation.level": isolation})
    reader.assign([TopicPartition(topic, i, 0) for i in range(scenario.PARTITIONS)])
    values, ended = [], set()
    while len(ended) < scenario.PARTITIONS:
        message = reader.poll(SECONDS)
        if message is None:
            raise AssertionError("the end never came")
        if message.error():
            check(message.error().code(), KafkaError._PARTITION_EOF, "error")
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    reader.close()
    return sorted(values)


def send(writer, topic, words):
    for i, word in enumerate(words):
        writer.produce(topic, word, partition=i % scenario.PARTITIONS)


def commits_and_aborts():
    topic = create("outcome")
    writer = producer(f"{topic}-writer")
    wanted = []
    for i in range(10):
        words = [f"{i:02}-{j}" for j in range(5)]
        writer.begin_transaction()
        send(writer, topic, words)
        if i % 3 == 1:
            writer.flush()
            writer.abort_transaction(SECONDS)
        else:
            writer.commit_transaction(SECONDS)
            wanted += words
    check(read_all(topic), wanted, "what is committed")
    check(len(read_all(topic, "read_uncommitted")), 50, "all records")


def fences_a_zombie():
    topic = create("zombie")
    older = producer(f"{topic}-writer")
    older.begin_transaction()
    send(older, topic, ["lost"])
    older.flush()
    newer = producer(f"{topic}-writer")
    try:
        send(older, topic, ["late"])
        older.commit_transaction(SECONDS)
        raise AssertionError("the older one was not fenced")
    except KafkaException as error:
        check(error.args[0].code(), KafkaError._FENCED, "error")
    newer.begin_transaction()
    send(newer, topic, ["kept"])
    newer.commit_transaction(SECONDS)
    check(read_all(topic), ["kept"], "what is committed")


def sends_offsets():
    source, target = create("source"), create("target")
    writer = producer(f"{target}-writer")
    reader = consumer(f"{target}-group", **{"enable.partition.eof": False})
    plain = Producer({"bootstrap.servers": BOOTSTRAP})
    send(plain, source, [str(i) for i in range(30)])
    plain.flush(SECONDS)
    reader.subscribe([source])
    for commits in (False, True):
        writer.begin_transaction()
        count = 0
        while count < 30:
            message = reader.poll(SECONDS)
            writer.produce(target, message.value(), partition=message.partition())
            count += 1
        writer.send_offsets_to_transaction(reader.position(reader.assignment()),
                                           reader.consumer_group_metadata(), SECONDS)
        if commits:
            writer.commit_transaction(SECONDS)
        else:
            writer.abort_transaction(SECONDS)
            for where in reader.assignment():
                reader.seek(TopicPartition(where.topic, where.partition, 0))
        offsets = [found.offset for found in reader.committed(
            [TopicPartition(source, i) for i in range(scenario.PARTITIONS)], SECONDS)]
        check(offsets, [10, 10, 10] if commits else [-1001] * 3, "offsets")
    check(read_all(target), sorted(str(i) for i in range(30)), "what is committed")
    reader.close()


def copied_so_far(reader, source):
    offsets = reader.committed([TopicPartition(source, i) for i in range(scenario.PARTITIONS)], SECONDS)
    return sum(max(found.offset, 0) for found in offsets)


def step(writer, name):
    """Where a copier waits until somebody says a line, and then at each transaction's end."""
    global STOPS_AT
    if name == STOPS_AT:
        STOPS_AT = "commit"
        writer.flush(SECONDS)
        print("stopped", flush=True)
        sys.stdin.readline()


def copy_some(writer, reader, target):
    """One transaction; an error that is no end of it all aborts it."""
    messages = [m for m in reader.consume(40, 0.2) if m.error() is None]
    if not messages:
        return
    writer.begin_transaction()
    try:
        step(writer, "begin")
        for message in messages:
            writer.produce(target, message.value(), partition=message.partition())
        step(writer, "produce")
        writer.send_offsets_to_transaction(reader.position(reader.assignment()),
                                           reader.consumer_group_metadata(), SECONDS)
        step(writer, "offsets")
        writer.commit_transaction(SECONDS)
        step(writer, "commit")
    except KafkaException as error:
        if error.args[0].fatal():
            raise
        while error is not None:
            try:
                if error.args[0].txn_requires_abort():
                    writer.abort_transaction(SECONDS)
                else:
                    writer.commit_transaction(SECONDS)
                error = None
            except KafkaException as again:
                error = again
                if again.args[0].fatal():
                    raise
        raise


def copy():
    """Whatever happens to it, it begins anew with the same transactional id."""
    source, target, count = sys.argv[3], sys.argv[4], int(sys.argv[5])
    # One that comes back does not wait for the session of the one before.
    static = {"group.instance.id": "copier"} if STOPS_AT else {}
    while True:
        try:
            writer = producer(f"{source}-copier")
            reader = consumer(f"{source}-copiers", **{"enable.partition.eof": False, **static})
            reader.subscribe([source])
            step(writer, "init")
            while copied_so_far(reader, source) < count:
                copy_some(writer, reader, target)
            reader.close()
            os._exit(0)
        except KafkaException as error:
            print(f"once more: {error}", file=sys.stderr, flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    if MODE == "copy":
        copy()
    scenario.run([("commits_and_aborts", commits_and_aborts), ("fences_a_zombie", fences_a_zombie),
                  ("sends_offsets", sends_offsets)])
