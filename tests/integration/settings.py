#!/usr/bin/env python3
"""Settings whose value reaches the kernel or bounds an answer: each is set and then looked for."""
import contextlib
import re
import shutil
import struct
import subprocess

import harness
from wirecodec import Connection, batch

DESCRIBE_TOPIC_PARTITIONS = 75
SOCKET_BYTES = 60000


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


@contextlib.contextmanager
def running(*overrides, shards=1):
    broker = harness.own_broker(shards=shards, overrides=overrides)
    try:
        yield broker.start()
        broker.end_in_order()
    finally:
        broker.remove()


def the_session_slots_are_those_of_the_broker(shards=1, slots=4):
    """More clients than slots, which are spread over the shards: so many get a session, and one that
    gives its own up makes room for one on any shard."""
    with running(f"max.incremental.fetch.session.cache.slots={slots}", shards=shards) as broker, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(broker.port)) for _ in range(3 * slots)]
        clients[0].create_topic("t")
        wanted = [("t", 0, 0)]
        sessions = [client.fetch(wanted, epoch=0)[1] for client in clients]
        check(sum(session != 0 for session in sessions), slots, f"sessions with {shards} shards")
        owner = next(i for i, session in enumerate(sessions) if session != 0)
        check(clients[owner].fetch(wanted, session=sessions[owner], epoch=-1)[1], 0, "given up")
        late = [i for i, session in enumerate(sessions) if session == 0]
        again = [clients[i].fetch(wanted, epoch=0)[1] for i in late]
        check(sum(session != 0 for session in again), 1, f"sessions after one, {shards} shards")


def no_slots_means_no_sessions():
    with running("max.incremental.fetch.session.cache.slots=0") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t")
        error, session, found = client.fetch([("t", 0, 0)], epoch=0)
        check((error, session, len(found)), (0, 0, 1), "a full fetch")


def fetch_max_bytes_bounds_what_a_client_asks_for(most=2000):
    with running(f"fetch.max.bytes={most}") as broker, Connection(broker.port) as client:
        client.create_topic("t", 2)
        for partition in (0, 1):
            for _ in range(10):
                check(client.produce("t", batch([b"x" * 400]), partition)[0], 0, "a produce")
        _, _, found = client.fetch([("t", 0, 0), ("t", 1, 0)])
        sizes = [len(records or b"") for _, _, records in found.values()]
        check((max(sizes) > 400, sum(sizes) <= most), (True, True), f"sizes {sizes}")
    with running() as broker, Connection(broker.port) as client:
        client.create_topic("t")
        for _ in range(10):
            check(client.produce("t", batch([b"x" * 400]))[0], 0, "a produce")
        _, _, found = client.fetch([("t", 0, 0)])
        check(len(found["t", 0][2]) > most, True, "without the setting there is more")


def described_partitions(client, topic, limit):
    """How many partitions of the topic one answer of DescribeTopicPartitions has."""
    name = topic.encode()
    body = b"\0\x02" + bytes([len(name) + 1]) + name + b"\0" + struct.pack(">i", limit) + b"\xff\0"
    reader = client.ask(DESCRIBE_TOPIC_PARTITIONS, body, version=0)
    reader.take("b"), reader.take("i")
    check(reader.take("b"), 2, "one topic")
    check(reader.take("h"), 0, "its error")
    for _ in range(reader.take("b") - 1 + 16 + 1):  # name, id, is_internal
        reader.take("b")
    return reader.take("b") - 1


def a_description_has_no_more_partitions_than_the_limit():
    with running("max.request.partition.size.limit=3") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t", 5)
        check(described_partitions(client, "t", 2), 2, "what the client asks for")
        check(described_partitions(client, "t", 100), 3, "what the broker allows")


def sockets(*options):
    if shutil.which("ss") is None:
        raise harness.Skip("needs ss of iproute2")
    return subprocess.run(["ss", "-tnH", *options], capture_output=True, text=True,
                          check=True).stdout


def buffers_of(broker, client):
    """(receive, send) of the broker's end of a connection, as the kernel has them."""
    port = client.socket.getsockname()[1]
    text = sockets("-m", f"( sport = :{broker.port} and dport = :{port} )")
    found = re.search(r"rb(\d+),t\d+,tb(\d+)", text)
    return int(found[1]), int(found[2])


def sockets_have_the_buffers_that_were_set():
    """Linux doubles what it is given, for its own book-keeping."""
    with running(f"socket.receive.buffer.bytes={SOCKET_BYTES}",
                 f"socket.send.buffer.bytes={SOCKET_BYTES + 10000}") as broker, \
            Connection(broker.port) as client:
        client.create_topic("t")
        check(buffers_of(broker, client), (2 * SOCKET_BYTES, 2 * (SOCKET_BYTES + 10000)),
              "buffers")


def the_backlog_is_the_one_that_was_set(backlog=17):
    """Of a listening socket Send-Q is its backlog."""
    with running(f"socket.listen.backlog.size={backlog}") as broker:
        queues = {line.split()[2] for line in
                  sockets("-l", f"( sport = :{broker.port} )").splitlines()}
        check(queues, {str(backlog)}, "the backlog")


if __name__ == "__main__":
    cases = [(f"settings__{function.__name__}", function) for function in (
        no_slots_means_no_sessions, fetch_max_bytes_bounds_what_a_client_asks_for,
        a_description_has_no_more_partitions_than_the_limit,
        sockets_have_the_buffers_that_were_set, the_backlog_is_the_one_that_was_set)]
    for count in harness.shard_counts():
        cases.append((f"settings__the_session_slots_are_those_of_the_broker_with_{count}_shards",
                      lambda count=count: the_session_slots_are_those_of_the_broker(count)))
    harness.run(cases)
