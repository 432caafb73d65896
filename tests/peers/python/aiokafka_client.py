"""aiokafka through the scenario: aiokafka_client.py BOOTSTRAP TOPICS"""
import asyncio
import functools
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

import scenario
from scenario import check

BOOTSTRAP, TOPICS = sys.argv[1:]
SECONDS = scenario.SECONDS


async def create(topic):
    admin = await with_admin()
    await admin.create_topics([NewTopic(topic, scenario.PARTITIONS, 1)])
    await admin.close()
    return topic


async def with_admin():
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    return admin


async def consumer(topic, partition):
    reader = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False,
                              auto_offset_reset="earliest")
    await reader.start()
    where = TopicPartition(topic, partition)
    reader.assign([where])
    return reader, where


async def produce(topic, codec=None, idempotent=False):
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, linger_ms=50,
                                enable_idempotence=idempotent)
    await producer.start()
    try:
        sent = [await producer.send(topic, value, key, partition, timestamp, headers)
                for partition in range(scenario.PARTITIONS)
                for key, value, headers, timestamp in scenario.records(partition)]
        await asyncio.wait_for(asyncio.gather(*sent), SECONDS)
    finally:
        await producer.stop()


async def read(reader, count):
    return [await asyncio.wait_for(reader.getone(), SECONDS) for _ in range(count)]


async def round_trip(codec):
    topic = await create(f"{TOPICS}-{codec}")
    await produce(topic, None if codec == "none" else codec, idempotent=codec == "gzip")
    for partition in range(scenario.PARTITIONS):
        reader, _ = await consumer(topic, partition)
        got = [(m.key, m.value, list(m.headers), m.timestamp)
               for m in await read(reader, scenario.RECORDS)]
        await reader.stop()
        check(got, scenario.records(partition), f"partition {partition}")


async def seeks():
    topic = await create(f"{TOPICS}-seek")
    await produce(topic)
    reader, where = await consumer(topic, 1)
    reader.seek(where, 15)
    check([m.offset for m in await read(reader, 5)], list(range(15, 20)), "from 15")
    reader.seek(where, 3)
    check((await read(reader, 1))[0].offset, 3, "after seek")
    await reader.stop()


async def lists_offsets():
    topic = await create(f"{TOPICS}-offsets")
    await produce(topic)
    reader, where = await consumer(topic, 0)
    check((await reader.beginning_offsets([where]))[where], 0, "earliest")
    check((await reader.end_offsets([where]))[where], scenario.RECORDS, "latest")
    found = (await reader.offsets_for_times({where: scenario.TIMESTAMP + 3500}))[where]
    check((found.offset, found.timestamp), (4, scenario.TIMESTAMP + 4000), "by time")
    await reader.stop()


async def deletes_records():
    topic = await create(f"{TOPICS}-delete")
    await produce(topic)
    admin = await with_admin()
    where = TopicPartition(topic, 0)
    await admin.delete_records({where: RecordsToDelete(before_offset=7)})
    await admin.close()
    reader, _ = await consumer(topic, 0)
    check((await reader.beginning_offsets([where]))[where], 7, "earliest")
    await reader.stop()


async def alters_configs():
    topic = await create(f"{TOPICS}-configs")
    admin = await with_admin()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                              {"retention.ms": "123456"})])
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        found = {entry[0]: entry[1] for entry in answer[0].resources[0][4]}
        if found["retention.ms"] == "123456":
            break
        await asyncio.sleep(0.05)
    check(found["retention.ms"], "123456", "retention.ms")
    await admin.close()


async def describes_cluster():
    admin = await with_admin()
    cluster = await admin.describe_cluster()
    check([f"{node['host']}:{node['port']}" for node in cluster["brokers"]], [BOOTSTRAP], "nodes")
    await admin.close()


async def deletes_topics():
    topic = await create(f"{TOPICS}-gone")
    admin = await with_admin()
    await admin.delete_topics([topic])
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if topic not in await admin.list_topics():
            break
        await asyncio.sleep(0.05)
    check(topic in await admin.list_topics(), False, "the topic is there")
    await admin.close()


async def member(topic, group):
    one = AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=group, session_timeout_ms=45000,
                           enable_auto_commit=False, auto_offset_reset="earliest")
    await one.start()
    return one


async def gather(members, found, enough):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for one in members:
            for messages in (await one.getmany(timeout_ms=100)).values():
                found.extend((m.partition, m.offset) for m in messages)
        if enough():
            return
    raise AssertionError(f"waited; {len(found)} records, {[one.assignment() for one in members]}")


async def consumes_in_a_group():
    """Two members share the partitions, commit, and a third goes on where they stopped."""
    topic, group, found = await create(f"{TOPICS}-group"), f"{TOPICS}-group", []
    wanted = scenario.PARTITIONS * scenario.RECORDS
    members = [await member(topic, group), await member(topic, group)]
    await gather(members, found, lambda: all(one.assignment() for one in members))
    owned = sorted(where.partition for one in members for where in one.assignment())
    check(owned, list(range(scenario.PARTITIONS)), "partitions of both")
    await produce(topic)
    await gather(members, found, lambda: len(set(found)) == wanted)
    for one in members:
        await one.commit()
    for one in members:
        await one.stop()
    await produce(topic)
    last, got = await member(topic, group), []
    await gather([last], got, lambda: len(set(got)) == wanted)
    check(set(got) & set(found), set(), "records read twice")
    await last.stop()


def case(function, *arguments):
    return functools.partial(lambda: asyncio.run(asyncio.wait_for(function(*arguments), 3 * SECONDS)))


scenario.run(
    [(f"round_trip_{codec}", case(round_trip, codec)) for codec in scenario.CODECS] +
    [(function.__name__, case(function))
     for function in (seeks, lists_offsets, deletes_records, alters_configs, describes_cluster,
                      deletes_topics, consumes_in_a_group)])
