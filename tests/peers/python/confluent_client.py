"""confluent-kafka (librdkafka) through the scenario: confluent_client.py BOOTSTRAP TOPICS"""
import functools
import sys

from confluent_kafka import (Consumer, Producer, TopicPartition, OFFSET_BEGINNING)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewTopic, OffsetSpec, ResourceType)

import scenario
from scenario import check, wait_for

BOOTSTRAP, TOPICS = sys.argv[1:]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic):
    ADMIN.create_topics([NewTopic(topic, scenario.PARTITIONS, 1)])[topic].result(scenario.SECONDS)
    return topic


def consumer():
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused",
                     "enable.auto.commit": False})


def produce(topic, **settings):
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 50, **settings})
    errors = []
    for partition in range(scenario.PARTITIONS):
        for key, value, headers, timestamp in scenario.records(partition):
            producer.produce(topic, value, key, partition, timestamp=timestamp, headers=headers,
                             on_delivery=lambda error, _: error and errors.append(error))
    check(producer.flush(scenario.SECONDS), 0, "records that were not delivered")
    check(errors, [], "errors")


def read(reader, count):
    found = []
    while len(found) < count:
        message = reader.poll(scenario.SECONDS)
        if message is None or message.error():
            raise AssertionError(f"after {len(found)} records: {message and message.error()}")
        found.append(message)
    return found


def round_trip(codec, **settings):
    topic = create(f"{TOPICS}-{codec}")
    produce(topic, **{"compression.type": codec, **settings})
    reader = consumer()
    for partition in range(scenario.PARTITIONS):
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        got = [(m.key(), m.value(), m.headers(), m.timestamp()[1])
               for m in read(reader, scenario.RECORDS)]
        check(got, scenario.records(partition), f"partition {partition}")
    reader.close()


def seeks():
    topic = create(f"{TOPICS}-seek")
    produce(topic)
    reader = consumer()
    reader.assign([TopicPartition(topic, 1, 15)])
    check([m.offset() for m in read(reader, 5)], list(range(15, 20)), "from 15")
    reader.seek(TopicPartition(topic, 1, 3))
    check(read(reader, 1)[0].offset(), 3, "after seek")
    reader.close()


def list_offsets(topic, spec):
    where = TopicPartition(topic, 0)
    return ADMIN.list_offsets({where: spec})[where].result(scenario.SECONDS).offset


def lists_offsets():
    topic = create(f"{TOPICS}-offsets")
    produce(topic)
    check(list_offsets(topic, OffsetSpec.earliest()), 0, "earliest")
    check(list_offsets(topic, OffsetSpec.latest()), scenario.RECORDS, "latest")
    check(list_offsets(topic, OffsetSpec.max_timestamp()), scenario.RECORDS - 1, "max timestamp")
    check(list_offsets(topic, OffsetSpec.for_timestamp(scenario.TIMESTAMP + 3500)), 4, "by time")


def deletes_records():
    topic = create(f"{TOPICS}-delete")
    produce(topic)
    where = TopicPartition(topic, 0, 7)
    check(ADMIN.delete_records([where])[where].result(scenario.SECONDS).low_watermark, 7, "low watermark")
    check(list_offsets(topic, OffsetSpec.earliest()), 7, "earliest")


def alters_configs():
    topic = create(f"{TOPICS}-configs")
    entry = ConfigEntry("retention.ms", "123456",
                        incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    ADMIN.incremental_alter_configs([changed])[changed].result(scenario.SECONDS)
    asked = ConfigResource(ResourceType.TOPIC, topic)

    def seen():
        return ADMIN.describe_configs([asked])[asked].result(scenario.SECONDS)["retention.ms"].value == "123456"
    wait_for(seen, what="retention.ms")


def describes_cluster():
    cluster = ADMIN.describe_cluster().result(scenario.SECONDS)
    check([f"{n.host}:{n.port}" for n in cluster.nodes], [BOOTSTRAP], "nodes")
    check(bool(cluster.cluster_id), True, "cluster id")


def deletes_topics():
    topic = create(f"{TOPICS}-gone")
    ADMIN.delete_topics([topic])[topic].result(scenario.SECONDS)
    wait_for(lambda: topic not in ADMIN.list_topics(timeout=scenario.SECONDS).topics, what="deletion")


def consumes_in_a_group():
    """Two members share the partitions, commit, and a third goes on where they stopped."""
    topic, group = create(f"{TOPICS}-group"), f"{TOPICS}-group"
    settings = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "enable.auto.commit": False,
                "auto.offset.reset": "earliest"}
    members = [Consumer(settings), Consumer(settings)]
    for member in members:
        member.subscribe([topic])
    found = []

    def polled():
        for member in members:
            message = member.poll(0.1)
            if message is not None and message.error() is None:
                found.append((message.partition(), message.offset()))
        return all(member.assignment() for member in members)
    wait_for(polled, what="both to have partitions")
    owned = sorted(where.partition for member in members for where in member.assignment())
    check(owned, list(range(scenario.PARTITIONS)), "partitions of both")
    produce(topic)
    wait_for(lambda: polled() and len(set(found)) == scenario.PARTITIONS * scenario.RECORDS,
             what="all records")
    for member in members:
        member.commit(asynchronous=False)
    for member in members:
        member.close()
    produce(topic)
    last = Consumer(settings)
    last.subscribe([topic])
    got = {(m.partition(), m.offset()) for m in read_late(last, scenario.PARTITIONS * scenario.RECORDS)}
    check(got & set(found), set(), "records read twice")
    last.close()


def read_late(reader, count):
    """As read, by a member that has to join first."""
    found = []

    def enough():
        message = reader.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message)
        return len(found) >= count
    wait_for(enough, what=f"{count} records")
    return found


scenario.run(
    [(f"round_trip_{codec}", functools.partial(round_trip, codec)) for codec in scenario.CODECS] +
    [(case.__name__, case) for case in (seeks, lists_offsets, deletes_records, alters_configs,
                                        describes_cluster, deletes_topics, consumes_in_a_group)])
