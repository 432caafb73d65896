#!/usr/bin/env python3
"""What a broker allows its clients: connections in all, from one address, of one listener, how fast
new ones come, how long they may rest; also when that is altered while it runs."""
import contextlib
import socket
import struct
import time

import harness
import wirecodec as wire
from wirecodec import Connection, array, string

INCREMENTAL_ALTER_CONFIGS = 44
BROKER_RESOURCE, SET, INVALID_REQUEST = 4, 0, 42
TOO_SOON_SECONDS = 0.4  # nothing comes within it


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, expected {wanted!r}")


def answers(connection):
    return connection.ask(wire.API_VERSIONS).take("h") == 0


class Clients:
    """Connections that are closed together."""

    def __init__(self, port):
        self.port = port
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def open(self, port=None, source=None):
        opened = Connection.__new__(Connection)
        opened.correlation = 0
        opened.socket = socket.create_connection(
            ("127.0.0.1", port or self.port), wire.SECONDS, source_address=source and (source, 0))
        opened.seconds = wire.SECONDS
        return self.stack.enter_context(opened)

    def served(self, **options):
        opened = self.open(**options)
        check(answers(opened), True, "the first answer")
        return opened

    def may_come(self, **options):
        """Whether one more is served, or else closed; it stays."""
        try:
            return answers(self.open(**options))
        except (EOFError, ConnectionError):
            return False


def alter(connection, name, value, resource=""):
    """Sets one broker setting, of all brokers unless resource names one."""
    body = array([struct.pack(">b", BROKER_RESOURCE) + string(resource) +
                  array([string(name) + struct.pack(">b", SET) + string(value)])])
    reader = connection.ask(INCREMENTAL_ALTER_CONFIGS, body + b"\0", version=0)
    reader.take("i")
    codes = reader.array(lambda: (reader.take("h"), reader.string(), reader.take("b"),
                                  reader.string())[:2])
    return codes[0]


def alter_ok(connection, name, value, resource=""):
    check(alter(connection, name, value, resource)[0], 0, f"altering {name}")


def waits(client):
    """Sends a request that is not answered yet."""
    client.send(wire.API_VERSIONS)
    check(client.silent(TOO_SOON_SECONDS), True, "no answer while the limit is reached")


def comes(client):
    """The answer to what waits() sent."""
    check(client.receive()[1].take("h"), 0, "the answer once there is room")


def two_listeners(outer_port, *overrides):
    """A broker with the listener PLAINTEXT and a second one, OUTER."""
    broker = harness.own_broker()
    broker.overrides = [
        f"listeners=PLAINTEXT://127.0.0.1:{broker.port},OUTER://127.0.0.1:{outer_port},"
        f"CONTROLLER://127.0.0.1:{broker.controller_port}",
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{broker.port},"
        f"OUTER://127.0.0.1:{outer_port}",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OUTER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name=PLAINTEXT", *overrides]
    return broker


@contextlib.contextmanager
def started(broker):
    try:
        yield broker.start()
        broker.end_in_order()
    finally:
        broker.remove()


def running(*overrides, shards=1):
    return started(harness.own_broker(shards=shards, overrides=overrides))


def further_connections_wait_until_one_leaves(shards=1):
    with running("max.connections=3", shards=shards) as broker, Clients(broker.port) as clients:
        first = [clients.served() for _ in range(3)]
        fourth = clients.open()
        waits(fourth)
        first[0].socket.close()
        comes(fourth)
        for client in (*first[1:], fourth):
            check(answers(client), True, "the others are served")


def a_lowered_limit_closes_those_unused_for_longest():
    with running("max.connections=10") as broker, Clients(broker.port) as clients:
        opened = [clients.served() for _ in range(6)]
        for client in (opened[1], opened[4]):
            check(answers(client), True, "used again")
        alter_ok(opened[0], "max.connections", "3")
        kept = (opened[0], opened[1], opened[4])
        if harness.PEER == "apache":  # each of its network threads closes some of its own
            return
        for client in opened:
            check(client.closed() if client not in kept else not answers(client),
                  client not in kept, "whether it is closed")
        seventh = clients.open()
        waits(seventh)
        alter_ok(opened[0], "max.connections", "4")
        comes(seventh)


def one_address_has_its_own_limit():
    with running("max.connections.per.ip=3", "max.connections.per.ip.overrides=127.0.0.3:1") as \
            broker, Clients(broker.port) as clients:
        kept = [clients.served() for _ in range(3)]
        check(clients.open().closed(), True, "a fourth from there is closed")
        for _ in range(3):
            clients.served(source="127.0.0.2")
        check(clients.open(source="127.0.0.2").closed(), True, "a fourth from another")
        clients.served(source="127.0.0.3")
        check(clients.open(source="127.0.0.3").closed(), True, "a second from the third")
        alter_ok(kept[0], "max.connections.per.ip", "4")
        harness.wait_for(lambda: clients.may_come(source="127.0.0.2"), what="the new limit of every address")
        kept.append(clients.served())
        alter_ok(kept[0], "max.connections.per.ip.overrides", "127.0.0.3:2, localhost:6")
        harness.wait_for(lambda: clients.may_come(source="127.0.0.3"), what="the new limit of the third address")
        kept += [clients.served(), clients.served()]
        check(clients.open().closed(), True, "a seventh from localhost")
        kept[0].socket.close()
        harness.wait_for(clients.may_come, what="the place of who left")


def a_malformed_override_is_refused():
    with running() as broker, Clients(broker.port) as clients:
        client = clients.served()
        for name, value in (("max.connections.per.ip.overrides", "127.0.0.1"),
                            ("max.connections.per.ip.overrides", "127.0.0.1:x"),
                            ("max.connections", "-1"), ("max.connection.creation.rate", "x")):
            check(alter(client, name, value)[0], INVALID_REQUEST, f"{name}={value}")


def new_connections_come_at_their_rate():
    # Two windows of a second: at least one counts, so twelve come at once and then six a second.
    with running("max.connection.creation.rate=6", "quota.window.num=3",
                 "quota.window.size.seconds=1") as broker, Clients(broker.port) as clients:
        time.sleep(3.1 if harness.PEER == "apache" else 0)  # the harness itself has connected

        def come():
            began = time.monotonic()
            for _ in range(24):
                clients.served()
            took = time.monotonic() - began
            check(took > 1.0, True, f"whether 24 connections, within {took:.1f} s, came at their rate")
        harness.soon(6, come, "24 connections")
        alter_ok(clients.served(), "max.connection.creation.rate", "100000")
        harness.soon(2, lambda: [clients.served() for _ in range(50)], "50 connections at the raised rate")


def a_listener_has_its_own_limits():
    outer = harness.free_port()
    with started(two_listeners(outer, "listener.name.outer.max.connections=1")) as broker, \
            Clients(broker.port) as clients:
        one = clients.served(port=outer)
        two = clients.open(port=outer)
        waits(two)
        inner = [clients.served() for _ in range(3)]
        alter_ok(inner[0], "listener.name.outer.max.connections", "2", "1")
        comes(two)
        three = clients.open(port=outer)
        waits(three)
        one.socket.close()
        comes(three)


def the_brokers_listener_is_never_kept_waiting():
    outer = harness.free_port()
    with started(two_listeners(outer, "max.connections=3")) as broker, \
            Clients(broker.port) as clients:
        outside = [clients.served(port=outer) for _ in range(3)]
        check(answers(outside[0]), True, "used again")
        inside = clients.served()
        check(outside[1].closed(), True, "the one unused for longest makes room")
        for client in (outside[0], outside[2], inside):
            check(answers(client), True, "the others are served")


def a_resting_connection_is_closed_and_a_slow_one_is_not():
    harness.unhurried(resting_and_slow, 900, 20000)


def resting_and_slow(idle_ms):
    """A byte now and then is activity, as it is to Apache Kafka; a half-open peer sends none."""
    with running(f"connections.max.idle.ms={idle_ms}") as broker, Clients(broker.port) as clients:
        resting, slow, half = clients.served(), clients.open(), clients.open()
        frame = slow.frame(wire.API_VERSIONS)
        half.socket.sendall(frame[:7])
        began = time.monotonic()
        try:
            for byte in frame[:10]:
                slow.socket.sendall(bytes([byte]))
                time.sleep(idle_ms / 4000)
            slow.socket.sendall(frame[10:])
            check(slow.receive()[1].take("h"), 0, "the slow request's answer")
        except (OSError, EOFError) as error:
            raise AssertionError(f"the slow request is not answered: {error}") from error
        if time.monotonic() - began < idle_ms / 1000:
            raise AssertionError("the slow request was not slow")
        check(resting.closed(), True, "the resting one is closed")
        check(half.closed(), True, "the half request is closed")


if __name__ == "__main__":
    cases = [(f"limits__{function.__name__}", function) for function in (
        further_connections_wait_until_one_leaves,
        a_lowered_limit_closes_those_unused_for_longest, one_address_has_its_own_limit,
        a_malformed_override_is_refused, new_connections_come_at_their_rate,
        a_listener_has_its_own_limits, the_brokers_listener_is_never_kept_waiting,
        a_resting_connection_is_closed_and_a_slow_one_is_not)]
    if len(harness.shard_counts()) > 1:
        cases.append(("limits__further_connections_wait_until_one_leaves_with_3_shards",
                      lambda: further_connections_wait_until_one_leaves(3)))
    harness.run(cases)
