"""confluent-kafka (librdkafka): habits of applications. confluent_habits.py BOOTSTRAP TOPICS"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import scenario
from scenario import check

BOOTSTRAP, TOPICS = sys.argv[1:3]
SECONDS = scenario.SECONDS


def create(name):
    topic = f"{TOPICS}-{name}"
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, scenario.PARTITIONS, 1)])[topic].result(SECONDS)
    return topic


def produce(topic, words):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i, word in enumerate(words):
        producer.produce(topic, word, partition=i % scenario.PARTITIONS)
    check(producer.flush(SECONDS), 0, "what was not sent")


def consumer(group, **settings):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "session.timeout.ms": 45000, "heartbeat.interval.ms": 500,
                     "topic.metadata.refresh.interval.ms": 1000, **settings})


def read(reader, count, into):
    deadline = time.monotonic() + SECONDS
    while len(into) < count:
        check(time.monotonic() < deadline, True, f"{count} records within the time, of which {len(into)} came")
        message = reader.poll(0.2)
        if message is not None and message.error() is None:
            into.append(message.value().decode())


def forgets_to_poll():
    """Its partitions go to the other one; when it polls again it is told, and gets its share again."""
    topic = create("polls")
    first = consumer("polls", **{"max.poll.interval.ms": 6000, "session.timeout.ms": 6000})
    first.subscribe([topic])
    words = [str(i) for i in range(9)]
    produce(topic, words)
    got = []
    read(first, 9, got)
    first.commit(asynchronous=False)
    check(sorted(got), words, "what the first reads")
    check(len(first.assignment()), scenario.PARTITIONS, "partitions of the first")
    second = consumer("polls")
    second.subscribe([topic])
    deadline = time.monotonic() + SECONDS
    while len(second.assignment()) < scenario.PARTITIONS:  # the first does not poll meanwhile
        check(time.monotonic() < deadline, True, "the second gets all partitions in time")
        second.poll(0.2)
    more = [str(i) for i in range(10, 19)]
    produce(topic, more)
    got = []
    read(second, 9, got)
    check(sorted(got), more, "what the second reads, and nothing twice")
    second.commit(asynchronous=False)
    errors, deadline = [], time.monotonic() + SECONDS
    while not (first.assignment() and len(first.assignment()) + len(second.assignment()) == scenario.PARTITIONS):
        check(time.monotonic() < deadline, True, "both share the partitions in time")
        message = first.poll(0.1)
        if message is not None:
            check(message.error() is not None, True, f"no record comes again, as {message.value()} did")
            errors.append(message.error().code())
        message = second.poll(0.1)
        check(message is None or message.error() is not None, True, "no record comes again")
    check(KafkaError._MAX_POLL_EXCEEDED in errors, True, "that it was late is told")
    first.close()
    second.close()


def comes_back_with_other_topics():
    """Offsets of topics that it does not read any more stay, and it goes on there later."""
    old, new = create("old"), create("new")
    produce(old, [f"old-{i}" for i in range(6)])
    produce(new, [f"new-{i}" for i in range(6)])

    def run(topics, count):
        reader, got = consumer("topics"), []
        reader.subscribe(topics)
        read(reader, count, got)
        reader.commit(asynchronous=False)
        topics_of = {where.topic for where in reader.assignment()}
        reader.close()
        check(topics_of, set(topics), "topics that it is assigned")
        return sorted(got)

    check(run([old], 6), [f"old-{i}" for i in range(6)], "at first")
    produce(old, ["old-6"])
    check(run([new], 6), [f"new-{i}" for i in range(6)], "with another subscription")
    check(run([old, new], 1), ["old-6"], "with both")
    reader = consumer("topics")
    found = reader.committed([TopicPartition(name, i) for name in (old, new) for i in range(scenario.PARTITIONS)], SECONDS)
    check([where.offset for where in found], [3, 2, 2, 2, 2, 2], "offsets")
    reader.close()


scenario.run([("forgets_to_poll", forgets_to_poll), ("comes_back_with_other_topics", comes_back_with_other_topics)])
