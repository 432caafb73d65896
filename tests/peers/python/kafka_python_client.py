"""kafka-python through the scenario: kafka_python_client.py BOOTSTRAP TOPICS"""
import functools
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

import scenario
from scenario import check, wait_for

BOOTSTRAP, TOPICS = sys.argv[1:]
PATIENCE_MS = scenario.SECONDS * 1000
BROKER = {"bootstrap_servers": BOOTSTRAP, "api_version_auto_timeout_ms": PATIENCE_MS}
ADMIN = KafkaAdminClient(**BROKER)


def create(topic):
    ADMIN.create_topics([NewTopic(topic, scenario.PARTITIONS, 1)], timeout_ms=PATIENCE_MS)
    return topic


def consumer():
    return KafkaConsumer(**BROKER, enable_auto_commit=False, group_id=None,
                         auto_offset_reset="earliest")


def produce(topic, codec=None):
    producer = KafkaProducer(**BROKER, compression_type=codec, linger_ms=50)
    sent = [producer.send(topic, value, key, headers, partition, timestamp)
            for partition in range(scenario.PARTITIONS)
            for key, value, headers, timestamp in scenario.records(partition)]
    producer.flush(scenario.SECONDS)
    for future in sent:
        future.get(scenario.SECONDS)
    producer.close()


def read(reader, count):
    found = []

    def enough():
        for messages in reader.poll(1000).values():
            found.extend(messages)
        return len(found) >= count
    wait_for(enough, what=f"{count} records")
    return found


def round_trip(codec):
    topic = create(f"{TOPICS}-{codec}")
    produce(topic, None if codec == "none" else codec)
    for partition in range(scenario.PARTITIONS):
        reader = consumer()
        reader.assign([TopicPartition(topic, partition)])
        reader.seek_to_beginning()
        got = [(m.key, m.value, list(m.headers), m.timestamp)
               for m in read(reader, scenario.RECORDS)]
        check(got, scenario.records(partition), f"partition {partition}")
        reader.close()


def seeks():
    topic = create(f"{TOPICS}-seek")
    produce(topic)
    reader, where = consumer(), TopicPartition(topic, 1)
    reader.assign([where])
    reader.seek(where, 15)
    check([m.offset for m in read(reader, 5)], list(range(15, 20)), "from 15")
    reader.seek(where, 3)
    check(read(reader, 1)[0].offset, 3, "after seek")
    reader.close()


def lists_offsets():
    topic = create(f"{TOPICS}-offsets")
    produce(topic)
    reader, where = consumer(), TopicPartition(topic, 0)
    check(reader.beginning_offsets([where])[where], 0, "earliest")
    check(reader.end_offsets([where])[where], scenario.RECORDS, "latest")
    found = reader.offsets_for_times({where: scenario.TIMESTAMP + 3500})[where]
    check((found.offset, found.timestamp), (4, scenario.TIMESTAMP + 4000), "by time")
    reader.close()


def deletes_records():
    topic = create(f"{TOPICS}-delete")
    produce(topic)
    where = TopicPartition(topic, 0)
    ADMIN.delete_records({where: 7}, timeout_ms=PATIENCE_MS)
    reader = consumer()
    check(reader.beginning_offsets([where])[where], 7, "earliest")
    reader.close()


def alters_configs():
    topic = create(f"{TOPICS}-configs")
    ADMIN.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                        {"retention.ms": "123456"})])
    asked = ConfigResource(ConfigResourceType.TOPIC, topic)
    wait_for(lambda: "'123456'" in str(describe(asked)), what="retention.ms")


def describe(resource):
    answers = ADMIN.describe_configs([resource])
    return [getattr(answer, "resources", answer) for answer in answers]


def describes_cluster():
    cluster = ADMIN.describe_cluster()
    check([f"{node['host']}:{node['port']}" for node in cluster["brokers"]], [BOOTSTRAP], "nodes")


def deletes_topics():
    topic = create(f"{TOPICS}-gone")
    ADMIN.delete_topics([topic], timeout_ms=PATIENCE_MS)
    wait_for(lambda: topic not in ADMIN.list_topics(), what="deletion")


def consumes_in_a_group():
    """Two members share the partitions, commit, and a third goes on where they stopped."""
    topic, group = create(f"{TOPICS}-group"), f"{TOPICS}-group"

    def member():
        return KafkaConsumer(topic, **BROKER, group_id=group, session_timeout_ms=45000,
                             enable_auto_commit=False, auto_offset_reset="earliest")
    members, found = [member(), member()], []

    def polled():
        for one in members:
            for messages in one.poll(100).values():
                found.extend((m.partition, m.offset) for m in messages)
        return all(one.assignment() for one in members)
    wait_for(polled, what="both to have partitions")
    owned = sorted(where.partition for one in members for where in one.assignment())
    check(owned, list(range(scenario.PARTITIONS)), "partitions of both")
    produce(topic)
    wait_for(lambda: polled() and len(set(found)) == scenario.PARTITIONS * scenario.RECORDS,
             what="all records")
    for one in members:
        one.commit()
    for one in members:
        one.close()
    produce(topic)
    last = member()
    got = {(m.partition, m.offset) for m in read(last, scenario.PARTITIONS * scenario.RECORDS)}
    check(got & set(found), set(), "records read twice")
    last.close()


scenario.run(
    [(f"round_trip_{codec}", functools.partial(round_trip, codec)) for codec in scenario.CODECS] +
    [(case.__name__, case) for case in (seeks, lists_offsets, deletes_records, alters_configs,
                                        describes_cluster, deletes_topics, consumes_in_a_group)])
