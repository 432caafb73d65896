#!/usr/bin/env python3
"""What clients never send, or send rarely: frames in pieces, garbage, duplicates, limits, sessions."""
import functools
import os
import struct
import threading
import time
import uuid

import harness
import wirecodec as wire
from wirecodec import Connection, batch

CORRUPT_MESSAGE, UNKNOWN_TOPIC, OFFSET_OUT_OF_RANGE, MESSAGE_TOO_LARGE = 2, 3, 1, 10
INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION, OUT_OF_ORDER, INVALID_RECORD = 21, 35, 45, 87
SESSION_NOT_FOUND, INVALID_SESSION_EPOCH, INVALID_PRODUCER_EPOCH = 70, 71, 47


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


def topic_for(connection, partitions=1, configs=()):
    name = f"wire-{uuid.uuid4().hex[:10]}"
    connection.create_topic(name, partitions, configs)
    return name


def answers_a_frame_in_pieces(broker):
    with Connection(broker.port) as connection:
        for byte in connection.frame(wire.API_VERSIONS):
            connection.socket.sendall(bytes([byte]))
        correlation, reader = connection.receive()
        check((correlation, reader.take("h")), (1, 0), "correlation id and error")


def answers_pipelined_requests_in_order(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection, 3)
        first, frames = connection.correlation + 1, []
        for i in range(60):
            if i % 3 == 0:
                frames.append(connection.frame(wire.PRODUCE, wire.produce_body(
                    topic, batch([b"x"]), i // 3 % 3)))
            elif i % 3 == 1:
                frames.append(connection.frame(wire.FETCH, wire.fetch_body(
                    [(topic, i // 3 % 3, 0)], max_wait=20, min_bytes=1 << 20)))
            else:
                frames.append(connection.frame(wire.API_VERSIONS))
        connection.socket.sendall(b"".join(frames))
        got = [connection.receive()[0] for _ in range(60)]
        check(got, list(range(first, first + 60)), "order of answers")


def closes_on_an_unknown_api(broker):
    with Connection(broker.port) as connection:
        connection.send(999)
        check(connection.closed(), True, "closed")


def closes_on_an_unsupported_version(broker):
    with Connection(broker.port) as connection:
        connection.send(wire.METADATA, version=99)
        check(connection.closed(), True, "closed")


def answers_an_unsupported_api_versions_in_version_0(broker):
    with Connection(broker.port) as connection:
        reader = connection.ask(wire.API_VERSIONS, b"\0\1\1", version=99)
        check(reader.take("h"), UNSUPPORTED_VERSION, "error")
        keys = {key: (low, high) for key, low, high in reader.array(lambda: reader.take("hhh"))}
        check(keys.get(wire.API_VERSIONS, (None,))[0], 0, "lowest version of ApiVersions")
        check(reader.at, len(reader.data), "size of the answer")
        check(connection.ask(wire.API_VERSIONS).take("h"), 0, "the connection goes on")


def closes_on_a_bad_frame_size(broker):
    for size in (0x7FFFFFFF, -1, -2147483648, 100 * 1024 * 1024 + 1):
        with Connection(broker.port) as connection:
            connection.socket.sendall(struct.pack(">i", size) + b"abc")
            check(connection.closed(), True, f"closed on a size of {size}")


def survives_garbage(broker):
    seeds = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"]
    seeds += [wire.blob(os.urandom(1 + i * 7)) for i in range(40)]
    seeds += [wire.blob(struct.pack(">hhi", api, version, 1) + string_and_noise)
              for api in range(0, 93) for version in (0, 3)
              for string_and_noise in (b"\0\0", b"\0\0\0" + b"\xff" * 30)]
    for seed in seeds:
        with Connection(broker.port) as connection:
            connection.socket.sendall(seed)
    with Connection(broker.port) as connection:
        check(connection.ask(wire.API_VERSIONS).take("h"), 0, "the broker still answers")
    check(broker.alive(), True, "alive")


def does_not_answer_acks_0(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        connection.send(wire.PRODUCE, wire.produce_body(topic, batch([b"a", b"b"]), acks=0))
        connection.ask(wire.API_VERSIONS)
        harness.wait_for(lambda: connection.list_offset(topic, -1)[2] == 2, what="two records")


def refuses_bad_acks(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        check(connection.produce(topic, batch([b"a"]), acks=7)[0], INVALID_REQUIRED_ACKS, "error")
        check(connection.list_offset(topic, -1)[2], 0, "end offset")


def refuses_a_bad_crc(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        bad = bytearray(batch([b"payload"]))
        bad[-3] ^= 1
        check(connection.produce(topic, bytes(bad)), (CORRUPT_MESSAGE, -1), "answer")
        check(connection.produce(topic, batch([b"payload"])), (0, 0), "a good batch after it")


def refuses_batches_of_other_shapes(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        check(connection.produce(topic, batch([b"a"]) * 2)[0], INVALID_RECORD, "two batches")
        old = bytearray(batch([b"a"]))
        old[16] = 1
        check(connection.produce(topic, bytes(old))[0], INVALID_RECORD, "magic 1")
        control = batch([b"a"], attributes=0x20)
        check(connection.produce(topic, control)[0], INVALID_RECORD, "a control batch")
        check(connection.list_offset(topic, -1)[2], 0, "end offset")


def refuses_what_is_too_large(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection, configs=[("max.message.bytes", "1000")])
        check(connection.produce(topic, batch([b"x" * 1000]))[0], MESSAGE_TOO_LARGE, "error")
        check(connection.produce(topic, batch([b"x" * 900])), (0, 0), "a smaller one")


def answers_duplicates_with_the_first_offset(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        producer, epoch = connection.producer_id()
        batches = [batch([b"v"] * 3, producer, epoch, 3 * i) for i in range(5)]
        for i, data in enumerate(batches):
            check(connection.produce(topic, data), (0, 3 * i), f"batch {i}")
        for i, data in enumerate(batches):
            check(connection.produce(topic, data), (0, 3 * i), f"batch {i} again")
        check(connection.list_offset(topic, -1)[2], 15, "end offset")


def refuses_a_gap_in_the_sequence(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        producer, epoch = connection.producer_id()
        check(connection.produce(topic, batch([b"a"], producer, epoch, 0)), (0, 0), "first")
        check(connection.produce(topic, batch([b"a"], producer, epoch, 2))[0], OUT_OF_ORDER, "gap")
        check(connection.produce(topic, batch([b"a"], producer, epoch, 1)), (0, 1), "next")
        check(connection.produce(topic, batch([b"a"], producer, epoch + 1, 0)), (0, 2), "new epoch")
        check(connection.produce(topic, batch([b"a"], producer, epoch, 2))[0],
              INVALID_PRODUCER_EPOCH, "old epoch")


def wakes_a_fetch_at_the_exact_byte(broker):
    harness.soon(2, lambda: is_woken(broker), "what wakes a fetch")


def is_woken(broker):
    data = batch([b"y" * 100])
    with Connection(broker.port) as waiting, Connection(broker.port) as connection:
        topic = topic_for(connection)
        waiting.send(wire.FETCH, wire.fetch_body([(topic, 0, 0)], max_wait=25000,
                                                 min_bytes=2 * len(data)))
        check(connection.produce(topic, data), (0, 0), "first")
        check(waiting.silent(0.3), True, "waits after half of the bytes")
        check(connection.produce(topic, data), (0, 1), "second")
        _, reader = waiting.receive()
        _, _, found = wire.fetch_result(reader)
        check(len(found[topic, 0][2]), 2 * len(data), "bytes")


def honours_max_wait(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)

        def wait():
            start = time.monotonic()
            _, _, found = connection.fetch([(topic, 0, 0)], max_wait=400)
            waited = time.monotonic() - start
            check(found[topic, 0], (0, 0, b""), "partition")
            check(waited >= 0.39, True, f"waited {waited:.3f} s")
        harness.soon(3, wait, "a wait of 400 ms")


def sends_the_first_batch_whole(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection, 2)
        data = batch([b"z" * 5000])
        for partition in (0, 1, 0):
            connection.produce(topic, data, partition)
        _, _, found = connection.fetch([(topic, 0, 0), (topic, 1, 0)], max_bytes=1,
                                       partition_bytes=1)
        check(wire.values_of(found[topic, 0][2]), [(0, 1)], "the first partition")
        check(found[topic, 1][2], b"", "the second partition")


def answers_wrong_positions(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        connection.produce(topic, batch([b"a"]))
        _, _, found = connection.fetch([(topic, 0, 5)])
        check(found[topic, 0][:2], (OFFSET_OUT_OF_RANGE, -1), "beyond the end")
        _, _, found = connection.fetch([(topic, 9, 0)])
        check(found[topic, 9][0], UNKNOWN_TOPIC, "unknown partition")
        _, _, found = connection.fetch([(topic + "-no", 0, 0)])
        check(found[topic + "-no", 0][0], UNKNOWN_TOPIC, "unknown topic")


def keeps_fetch_sessions(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection, 2)
        both = [(topic, 0, 0), (topic, 1, 0)]
        error, session, found = connection.fetch(both, epoch=0)
        check((error, session != 0, len(found)), (0, True, 2), "full fetch")
        error, same, found = connection.fetch([], session=session, epoch=1)
        check((error, same, found), (0, session, {}), "nothing new")
        data = batch([b"a"])
        connection.produce(topic, data, 1)
        error, same, found = connection.fetch([], session=session, epoch=2)
        check((error, same, list(found)), (0, session, [(topic, 1)]), "one partition changed")
        check(wire.values_of(found[topic, 1][2]), [(0, 1)], "its records")
        error, _, found = connection.fetch([(topic, 1, 1)], session=session, epoch=3)
        check((error, [r for r in found.values() if r[2]]), (0, []), "position moved on")
        error, _, _ = connection.fetch([], session=session, epoch=9)
        check(error, INVALID_SESSION_EPOCH, "wrong epoch")
        error, _, _ = connection.fetch([], session=session + 1, epoch=4)
        check(error, SESSION_NOT_FOUND, "unknown session")
        connection.produce(topic, data, 0)
        connection.produce(topic, data, 1)
        error, _, found = connection.fetch([], session=session, epoch=4, forgotten=[(topic, 0)])
        check((error, list(found)), (0, [(topic, 1)]), "partition 0 is forgotten")
        error, same, _ = connection.fetch([(topic, 0, 0)], session=session, epoch=-1)
        check((error, same), (0, 0), "closing the session")
        error, _, _ = connection.fetch([], session=session, epoch=5)
        check(error, SESSION_NOT_FOUND, "a closed session")


def keeps_the_order_of_a_session_whose_topics_alternate(broker):
    """A response is built per topic: partitions that have nothing new lie between those of one topic."""
    with Connection(broker.port) as connection:
        first, second = topic_for(connection, 3), topic_for(connection, 3)
        asked = [(topic, partition, 0) for partition in range(3) for topic in (first, second)]
        error, session, found = connection.fetch(asked, epoch=0)
        check((error, len(found)), (0, 6), "full fetch")
        sent = {(first, partition): batch([b"%d" % partition * 90]) for partition in range(3)}
        for (topic, partition), records in sent.items():
            check(connection.produce(topic, records, partition), (0, 0), "produce")
        error, _, found = connection.fetch([], session=session, epoch=1)
        check((error, list(found)), (0, list(sent)), "what has changed")
        for where, (code, high, records) in found.items():
            # Offset and leader epoch are the broker's.
            check((code, high, records[16:]), (0, 1, sent[where][16:]), f"records of {where[1]}")


def lists_offsets_by_time(broker):
    with Connection(broker.port) as connection:
        topic = topic_for(connection)
        for i in range(4):
            connection.produce(topic, batch([b"a", b"b"], timestamp=1700000000000 + 1000 * i))
        check(connection.list_offset(topic, -2), (0, -1, 0), "earliest")
        check(connection.list_offset(topic, -1), (0, -1, 8), "latest")
        check(connection.list_offset(topic, 1700000000001), (0, 1700000001000, 2), "by time")
        check(connection.list_offset(topic, 1700000009000), (0, -1, -1), "after the last")


def shows_what_it_has_made_to_every_connection(broker):
    if harness.PEER == "apache":
        raise harness.Skip("its brokers hear of a topic after the answer")
    others = [Connection(broker.port) for _ in range(3)]
    try:
        with Connection(broker.port) as connection:
            for i in range(60):
                topic = f"wire-{uuid.uuid4().hex[:10]}"
                connection.create_topic(topic, 2, patient=False)
                for partition in range(2):
                    check(others[i % 3].produce(topic, batch([b"at once"]), partition), (0, 0), f"topic {i}")
    finally:
        for other in others:
            other.socket.close()


def takes_many_connections(broker):
    connections = [Connection(broker.port) for _ in range(200)]
    try:
        for connection in connections:
            connection.send(wire.API_VERSIONS)
        check([c.receive()[0] for c in connections], [1] * 200, "answers")
    finally:
        for connection in connections:
            connection.socket.close()


def _produce_until_killed(port, topic, partition, acknowledged):
    try:
        with Connection(port) as connection:
            while True:
                value = f"{partition}-{len(acknowledged)}".encode() * 20
                error, base = connection.produce(topic, batch([value]), partition)
                check(error, 0, "produce")
                acknowledged.append(base)
    except (EOFError, OSError):
        pass


def keeps_what_it_acknowledged(shards):
    broker = harness.own_broker(shards=shards)
    try:
        broker.start()
        with Connection(broker.port) as connection:
            topic = topic_for(connection, 3)
        acknowledged = [[] for _ in range(3)]
        threads = [threading.Thread(target=_produce_until_killed,
                                    args=(broker.port, topic, i, acknowledged[i]))
                   for i in range(3)]
        for thread in threads:
            thread.start()
        harness.wait_for(lambda: all(len(list_) > 100 for list_ in acknowledged), what="records")
        broker.kill()
        for thread in threads:
            thread.join()
        broker.start()
        with Connection(broker.port) as connection:
            connection.await_leaders(topic, 3)
            for partition, bases in enumerate(acknowledged):
                check(bases, list(range(len(bases))), "offsets")
                end = connection.list_offset(topic, -1, partition)[2]
                check(end >= len(bases), True, f"{end} of {len(bases)} records")
                check(connection.produce(topic, batch([b"more"]), partition), (0, end), "goes on")
    finally:
        broker.remove()


CASES = [answers_a_frame_in_pieces, answers_pipelined_requests_in_order, closes_on_an_unknown_api,
         closes_on_an_unsupported_version, answers_an_unsupported_api_versions_in_version_0,
         closes_on_a_bad_frame_size, does_not_answer_acks_0, refuses_bad_acks, refuses_a_bad_crc,
         refuses_batches_of_other_shapes, refuses_what_is_too_large,
         answers_duplicates_with_the_first_offset, refuses_a_gap_in_the_sequence,
         wakes_a_fetch_at_the_exact_byte, honours_max_wait, sends_the_first_batch_whole,
         answers_wrong_positions, keeps_fetch_sessions,
         keeps_the_order_of_a_session_whose_topics_alternate, lists_offsets_by_time,
         shows_what_it_has_made_to_every_connection, takes_many_connections, survives_garbage]


def main():
    with_brokers = []
    brokers = []
    try:
        for shards in harness.shard_counts():
            broker = harness.Running() if harness.BOOTSTRAP else harness.Broker(shards=shards)
            brokers.append(broker)
            suffix = f"with_{shards}_shard{'s' if shards > 1 else ''}"
            if not harness.BOOTSTRAP:
                with_brokers.append((f"wire__starts_{suffix}", broker.start))
            with_brokers += [(f"wire__{case.__name__}_{suffix}", functools.partial(case, broker))
                             for case in CASES]
            with_brokers.append((f"wire__keeps_what_it_acknowledged_{suffix}",
                                 functools.partial(keeps_what_it_acknowledged, shards)))
        harness.run(with_brokers)
    finally:
        for broker in brokers:
            if not harness.BOOTSTRAP:
                broker.remove()


main()
