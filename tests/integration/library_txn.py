#!/usr/bin/env python3
"""Transactions of our library against barnabas or (PEER=apache) Apache Kafka, with every
transaction.version: what it commits and aborts, who is fenced, and an application that copies exactly once
while it and the broker are killed at every step."""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import copier_steps
import harness
import transactions

BUILD = pathlib.Path(harness.BINARY).resolve().parent
HERE = harness.TESTS / "integration" / "library"
INCLUDE = harness.TESTS.parent / "include"
VERSIONS = (2, 1, 0)
PROTOCOLS = ("classic", "consumer")
SETTINGS = [*transactions.SETTINGS, "transaction.abort.timed.out.transaction.cleanup.interval.ms=50"]
# Who comes after a copier that was killed waits for its session, where that is no static member.
KILLED = ["group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=1500",
          "group.consumer.min.heartbeat.interval.ms=100", "group.consumer.heartbeat.interval.ms=300"]


@functools.lru_cache(maxsize=None)
def program():
    """transact.c with the static library; of a sanitizing build with what that needs."""
    folder = tempfile.mkdtemp(prefix="barnabas-transact-")
    archive = BUILD / "libbarnabas.a"
    if not archive.exists():
        raise harness.Skip("libbarnabas.a is not built")
    sanitizers = re.search(r"^BNB_SANITIZE:STRING=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    flags = [f"-fsanitize={sanitizers[1]}"] if sanitizers else []
    path = pathlib.Path(folder) / "transact"
    done = subprocess.run(["gcc", "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", *flags, f"-I{INCLUDE}",
                           HERE / "transact.c", "-o", path, archive, "-lz", "-lsnappy", "-llz4", "-lzstd",
                           "-pthread"], capture_output=True, text=True, timeout=harness.PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr[-1000:]
    return str(path)


def started(version, shards=1, settings=()):
    """A broker of a cluster with that transaction.version, which outlives its ends."""
    broker = harness.own_broker(shards=shards, overrides=[*SETTINGS, *settings])
    try:
        broker.start()
        if version < 2:
            status, out, err = broker.tool("features", "--bootstrap-server", broker.bootstrap, "downgrade",
                                           "--feature", f"transaction.version={version}")
            assert status == 0, out + err
    except BaseException:
        broker.remove()
        raise
    return broker


def scenario(version, protocol, shards):
    broker = started(version, shards)
    try:
        done = subprocess.run([program(), "scenario", broker.bootstrap, "t"], capture_output=True, text=True,
                              timeout=harness.CLIENT_SECONDS, env=dict(os.environ, TRANSACTION_VERSION=str(version),
                                                    COPIER_PROTOCOL=protocol))
        for line in re.findall(r"^(?:PASS|FAIL) .*$", done.stdout, re.M):
            print(f"     {line}", flush=True)
        if done.returncode != 0 or "\ndone" not in done.stdout or harness.SANITIZER.search(done.stderr):
            print(done.stderr[-6000:], broker.log()[-2000:], file=sys.stderr)
            raise AssertionError(f"status {done.returncode}: " +
                                 " ".join(re.findall(r"^FAIL .*$", done.stdout, re.M))[:200])
        broker.end_in_order()
    finally:
        broker.remove()


def copies(version, protocol, killed):
    """killed(broker): a copier at work, and kills. What was copied is there once, in order."""
    os.environ["COPIER_PROTOCOL"] = protocol
    broker = started(version, settings=KILLED)
    try:
        connection = transactions.reconnect(broker)
        for topic in ("in", "out"):
            transactions.make_topic(connection, topic)
        wanted = transactions.fill(connection, "in")
        connection.close()
        killed(broker)
        connection = transactions.reconnect(broker)
        got = [transactions.read_committed(connection, "out", partition)
               for partition in range(transactions.PARTITIONS)]
        connection.close()
        transactions.check([sorted(values) for values in got], [sorted(values) for values in wanted],
                           "what arrived")
        transactions.check(got, wanted, "order")
        broker.end_in_order()
    finally:
        broker.remove()


def at_every_step(broker):
    for step in copier_steps.STEPS:
        copier_steps.killed_at(broker, "library", step)
    last = copier_steps.Stopping("library", broker.bootstrap, "never")
    try:
        last.ends()
    finally:
        last.kill()


def while_it_copies(broker):
    copier = transactions.Copier("library", broker.bootstrap, "in", "out")
    try:
        copier.start()
        for kill in range(transactions.KILLS):
            transactions.await_progress(
                broker, (kill + 1) * transactions.COPY_RECORDS // (transactions.KILLS + 2))
            if kill % 2 == 0:
                broker.kill()
                broker.start()
            else:
                copier.kill()
                copier.start()
        status = copier.process.wait(transactions.COPY_SECONDS)
        error = copier.process.stderr.read().decode(errors="replace")
        assert status == 0 and not harness.SANITIZER.search(error), f"{status}: {error[-1500:]}"
    finally:
        copier.kill()


def cases():
    transactions.CLIENTS["library"] = lambda: [program()]
    for version in VERSIONS:
        for shards in harness.shard_counts() if version == 2 else (1,):
            yield f"scenario__version_{version}_{shards}", functools.partial(scenario, version, "classic", shards)
        protocol = PROTOCOLS[version % 2]
        yield (f"copies_though_killed_at_every_step__version_{version}",
               functools.partial(copies, version, protocol, at_every_step))
    yield "scenario__consumer_protocol", functools.partial(scenario, 2, "consumer", 1)
    for protocol in PROTOCOLS:
        yield (f"copies_through_kills__{protocol}",
               functools.partial(copies, 2, protocol, while_it_copies))


if __name__ == "__main__":
    words = sys.argv[1:]
    try:
        harness.run([(f"library_txn__{name}", case) for name, case in cases()
                     if not words or any(word in name for word in words)])
    finally:
        if program.cache_info().currsize:
            shutil.rmtree(pathlib.Path(program()).parent, ignore_errors=True)
